"""Follow-ups, conflicts, offers and sweeps in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Browser, Page, expect

from assistant.sweep_rows import Row
from tests.ui.payloads import PAYLOADS
from tests.ui.serving import Served, served
from tests.ui.standins import (
    CONFLICTING,
    COUNTING,
    OFFERED,
    MemoryLog,
    ScriptedAssistant,
    citation,
    sweep_row,
)
from tests.ui.test_chat_browser import CONTRAST
from tests.ui.visiting import Visit, opened

pytestmark = pytest.mark.slow
POISON = " ".join(PAYLOADS)


def poisoned(row: Row) -> Row:
    cited = (replace(citation(4, POISON), title=POISON, label=POISON, source=POISON),)
    return replace(
        row, source=POISON, title=POISON, value=POISON, quote=POISON, reason=POISON,
        warning=POISON, citations=cited,
    )  # fmt: skip


ROWS = tuple(sweep_row(number) for number in range(1, 61))
HOSTILE = (*ROWS[:3], poisoned(ROWS[3]), *ROWS[4:6])


def answering(rows: tuple[Row, ...], hold_after: int) -> ScriptedAssistant:
    assistant = ScriptedAssistant(
        pause=0.01, answers={"kept then": CONFLICTING, "Which of these": OFFERED}
    )
    assistant.rows, assistant.hold_after = rows, hold_after
    return assistant


@pytest.fixture
def chat() -> Iterator[Served]:
    with served(answering(ROWS, 20), MemoryLog()) as running:
        yield running


@pytest.fixture
def visit(browser: Browser, chat: Served) -> Iterator[Visit]:
    begun = opened(browser, chat)
    yield begun
    begun.page.context.close()


def begin(visit: Visit) -> Page:
    """The page once the sweep has read what it reads before it is held."""
    page = visit.page
    visit.chat.assistant.go.clear()
    visit.ask(COUNTING)
    button = page.get_by_role("button", name="Read all 412 documents")
    expect(button).to_be_visible()
    expect(page.locator("#cl-question textarea")).to_be_enabled()
    button.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#cl-live .meter")).to_contain_text("20 of 60 read")
    return page


def test_an_offer_is_taken_and_its_rows_come_until_all_are_read(visit: Visit) -> None:
    page = begin(visit)
    meter = page.get_by_role("progressbar", name="Documents read")
    expect(meter).to_have_attribute("max", "60")
    expect(page.locator("#cl-told")).to_have_attribute("aria-live", "polite")
    expect(page.locator("#cl-told")).to_have_text("18 of 60 documents asked")
    expect(page.locator("#cl-live")).to_have_attribute("aria-busy", "true")
    table = page.locator("#cl-live").get_by_role("table", name="Documents read so far")
    expect(table.get_by_role("columnheader")).to_have_text(["Document", "Result", "Evidence"])
    expect(table.get_by_role("rowheader")).to_have_count(20)
    chip = table.get_by_role("button", name="Source 11:")
    chip.click()  # while the rest is read
    expect(page.locator("#cl-viewer .mark").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(chip).to_be_focused()
    visit.chat.assistant.go.set()
    says = page.locator("#cl-live .says")
    expect(says).to_contain_text("59 of 60 read, 1 failed: contracts/2021/corvane-033.pdf.")
    expect(page.locator("#cl-live")).to_have_attribute("aria-busy", "false")
    expect(page.locator("#cl-live .r-broke .reason")).to_contain_text("may no longer be read")
    page.locator("#cl-live .rest summary").click()
    expect(page.locator("#cl-live .rest .r-none").first).to_be_visible()
    expect(page.locator("#cl-question textarea")).to_be_enabled()
    visit.ask("And how long are they kept then?")
    expect(page.locator("#cl-live .conflict")).to_be_visible()
    assert [turn.question for turn in visit.chat.assistant.asked[-1].history] == [COUNTING]
    page.reload()
    expect(page.locator("#cl-shown .question")).to_have_count(3)
    assert visit.strangers() == []
    assert visit.complaints == []


def test_the_focus_stays_on_a_row_while_others_come(visit: Visit) -> None:
    page = begin(visit)
    chip = page.locator("#cl-live").get_by_role("button", name="Source 14:")
    chip.focus()
    visit.chat.assistant.hold_after = -1
    visit.chat.assistant.pause = 0.1
    visit.chat.assistant.go.set()
    expect(page.locator("#cl-live .rows tbody tr").nth(24)).to_be_attached()
    expect(chip).to_be_focused()
    chip.press("Enter")
    expect(page.locator("#cl-viewer .mark").first).to_be_visible()


def test_stop_ends_a_sweep_which_can_be_taken_up_again(visit: Visit) -> None:
    page = begin(visit)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#cl-live .why")).to_contain_text("40 documents were not read")
    assert visit.chat.assistant.closed.wait(10)
    expect(page.locator("#cl-live .r-found").first).to_be_visible()
    visit.chat.assistant.go.set()
    page.get_by_role("button", name="Start again").click()
    expect(page.locator("#cl-live .says")).to_contain_text("59 of 60 read")
    assert len(visit.chat.assistant.requests) == 2


def test_an_offer_of_a_conversation_that_was_ended_elsewhere_is_refused(visit: Visit) -> None:
    page = visit.page
    visit.ask(COUNTING)
    expect(page.locator("#cl-live .sweep")).to_be_visible()
    other = page.context.new_page()
    other.goto(visit.chat.url)
    other.wait_for_selector("#cl-shown .turn", timeout=60_000)
    other.get_by_role("button", name="New conversation").click()
    expect(other.locator(".welcome")).to_be_visible()
    page.bring_to_front()
    page.locator("#cl-live .sweep").click()
    expect(page.locator("#cl-live .note")).to_contain_text("conversation that was ended")
    expect(page.locator("#cl-question textarea")).to_be_enabled()
    assert visit.chat.assistant.requests == []


def test_poisoned_rows_do_nothing_anywhere(browser: Browser) -> None:
    with served(answering(HOSTILE, -1), MemoryLog()) as running:
        visit = opened(browser, running)
        page = visit.page
        visit.ask(COUNTING)
        page.locator("#cl-live .sweep").click()
        expect(page.locator("#cl-live .says")).to_contain_text("6 of 6 read")
        expect(page.locator("#cl-live .chip")).to_have_count(2)
        page.locator("#cl-live .chip").nth(1).click()
        expect(page.locator("#cl-viewer h2")).to_contain_text("<script>")
        page.wait_for_timeout(500)
        assert page.evaluate("window.pwned") is None
        inert = "#cl-talk :is(img, script, iframe, a, form, style, svg, i, b)"
        assert page.locator(inert).count() == 0
        assert visit.strangers() == []
        assert visit.complaints == []
        page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_is_legible_and_fits(browser: Browser, chat: Served, width: int, scheme: str) -> None:
    visit = opened(browser, chat, width)
    page = visit.page
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")

    def check() -> None:
        assert page.evaluate(CONTRAST) == []
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, "the page scrolls sideways"

    visit.ask("How long are they kept then?")
    expect(page.locator("#cl-live .conflict")).to_be_visible()
    rows = page.locator("#cl-live .conflict").get_by_role("row")
    expect(rows).to_have_count(3)  # a table for a screen reader, however it is laid out
    check()
    expect(page.locator("#cl-question textarea")).to_be_enabled()
    begin(visit)
    check()
    visit.chat.assistant.go.set()
    expect(page.locator("#cl-live .says")).to_be_visible()
    page.evaluate("document.querySelectorAll('.how').forEach((n) => { n.open = true; })")
    check()
    page.context.close()
