"""The chat in a real browser: what a person sees, what the browser asks for, and from whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Browser, expect

from assistant.answer import Answer, Cost, Sentence, Verdict
from assistant.errors import ModelBusy
from assistant.model_status import ModelStatus
from tests.ui.payloads import PAYLOADS
from tests.ui.serving import EXAMPLES, Served, served
from tests.ui.standins import (
    ANSWERED,
    QUOTE_1,
    QUOTE_2,
    QUOTED,
    BrokenAssistant,
    FullDisk,
    MemoryLog,
    ScriptedAssistant,
    citation,
)
from tests.ui.visiting import Visit, opened

pytestmark = pytest.mark.slow
POISON = " ".join(PAYLOADS)
POISONED = Answer(
    Verdict.ANSWERED,
    POISON,
    (Sentence(POISON, (1,)),),
    (replace(citation(1, QUOTE_1), title=POISON, label=POISON, quote=POISON, source=POISON),),
    model=POISON,
    record=POISON,
    explanation=POISON,
)


@pytest.fixture(scope="module")
def chat() -> Iterator[Served]:
    busy = replace(QUOTED, explanation=f"{ModelBusy(7)} Until then it is quoted.")
    dear = replace(ANSWERED, cost=Cost(1512, 83, 4.94, 412.6))
    answers = {"poison": POISONED, "busy": busy, "dear": dear}
    assistant = ScriptedAssistant(pause=0.15, answers=answers)
    note = "The GPU stays unused, because its memory holds no layer: set `gpu_layers` to 0."
    assistant.status = ModelStatus("Qwen2.5-7B-Instruct-Q4_K_M", "ready", (note,), waiting=3)
    with served(assistant, MemoryLog()) as running:
        yield running


@pytest.fixture
def visit(browser: Browser, chat: Served) -> Iterator[Visit]:
    begun = opened(browser, chat)
    yield begun
    begun.page.context.close()


def test_a_question_is_answered_with_chips_that_open_the_cited_page(visit: Visit) -> None:
    page = visit.page
    visit.chat.assistant.go.clear()
    visit.ask("How long are records kept?")
    expect(page.locator("#cl-live .stages")).to_contain_text("Writing")
    expect(page.locator("#cl-question textarea")).to_be_disabled()
    visit.chat.assistant.go.set()
    expect(page.locator("#cl-live .verdict")).to_have_text("Answered from your documents")
    expect(page.locator("#cl-question textarea")).to_be_enabled()
    page.locator("#cl-live .chip").first.click()
    viewer = page.locator("#cl-viewer")
    expect(viewer.locator("img")).to_be_visible()
    assert page.evaluate("document.querySelector('#cl-viewer img').decode().then(() => true)")
    expect(viewer.locator("h2")).to_have_text("Data Retention Policy")
    expect(viewer.locator(".where")).to_contain_text("Page 4")
    expect(viewer.locator(".mark")).to_have_count(2)
    expect(viewer.locator(".count")).to_have_text("1 of 2")
    viewer.get_by_label("Next source").click()
    expect(viewer.locator(".paper mark")).to_have_text(QUOTE_2)
    page.keyboard.press("Escape")
    expect(viewer).to_be_hidden()
    assert visit.strangers() == []
    assert visit.complaints == []


def test_abstaining_shows_nearest_passages_that_open(visit: Visit) -> None:
    visit.ask("What does the canteen cost?")
    page = visit.page
    expect(page.locator("#cl-live .verdict")).to_have_text("Not in your documents")
    page.locator("#cl-live .source").nth(1).click()
    expect(page.locator("#cl-viewer .count")).to_have_text("2 of 2")
    expect(page.locator("#cl-viewer .mark")).to_have_count(2)


def test_an_example_is_asked_by_a_click_and_a_follow_up_knows_it(visit: Visit) -> None:
    page = visit.page
    page.get_by_role("button", name=EXAMPLES[0]).click()
    expect(page.locator("#cl-live .question")).to_have_text(EXAMPLES[0])
    expect(page.locator("#cl-live .verdict")).to_be_visible()
    visit.ask("And why?")
    expect(page.locator("#cl-live .question")).to_have_text("And why?")
    expect(page.locator("#cl-shown .question")).to_have_text(EXAMPLES[0])
    expect(page.locator("#cl-live .verdict")).to_be_visible()
    assert [t.question for t in visit.chat.assistant.asked[-1].history] == [EXAMPLES[0]]
    page.reload()
    expect(page.locator("#cl-shown .question")).to_have_count(2)
    page.get_by_role("button", name="New conversation").click()
    expect(page.locator(".welcome")).to_be_visible()
    visit.ask("Again?")
    expect(page.locator("#cl-live .verdict")).to_be_visible()
    assert visit.chat.assistant.asked[-1].history == ()


def test_stop_ends_an_answer(browser: Browser) -> None:
    with served(ScriptedAssistant(pause=5.0), MemoryLog()) as slow:
        visit = opened(browser, slow)
        visit.ask("How long?")
        visit.page.get_by_role("button", name="Stop").click()
        expect(visit.page.locator("#cl-live .why")).to_contain_text("You stopped")
        expect(visit.page.locator("#cl-question textarea")).to_be_enabled()
        visit.page.context.close()


def test_an_error_is_one_sentence_and_the_page_goes_on(browser: Browser) -> None:
    broken = BrokenAssistant(FullDisk("The disk is full, so nothing can be recorded."))
    with served(broken, MemoryLog()) as running:
        visit = opened(browser, running)
        visit.ask("How long?")
        expect(visit.page.locator("#cl-live .v-failed")).to_be_visible()
        expect(visit.page.locator("#cl-live .why")).to_have_text(
            "The disk is full, so nothing can be recorded."
        )
        expect(visit.page.locator("#cl-question textarea")).to_be_enabled()
        visit.page.context.close()


def test_poisoned_text_does_nothing_anywhere(visit: Visit) -> None:
    page = visit.page
    visit.ask(f"poison {POISON}"[:3000])
    expect(page.locator("#cl-live .verdict")).to_have_text("Answered from your documents")
    expect(page.locator("#cl-live .chip")).to_have_count(1)
    page.locator("#cl-live .chip").click()
    expect(page.locator("#cl-viewer h2")).to_contain_text("<script>")
    page.locator("#cl-live .how summary").click()
    page.wait_for_timeout(500)
    assert page.evaluate("window.pwned") is None
    inert = "#cl-talk :is(img, script, iframe, a, form, style, svg, i, b)"
    assert page.locator(inert).count() == 0
    assert visit.strangers() == []
    assert visit.complaints == []


def test_the_link_works_once_and_without_a_session_there_is_nothing(
    browser: Browser, chat: Served
) -> None:
    link = chat.link()
    first = browser.new_context().new_page()
    first.goto(link)
    first.wait_for_selector("#cl-question textarea", timeout=60_000)
    assert first.url == f"{chat.url}/"  # the token does not stay in the address bar
    second = browser.new_context().new_page()
    second.goto(link)
    expect(second.locator("h1")).to_have_text("This link cannot be used")
    second.goto(chat.url)
    expect(second.locator("h1")).to_have_text("Please sign in")
    first.get_by_role("button", name="Sign out").click()
    expect(first.locator("h1")).to_have_text("Please sign in")
    kinds = chat.log.kinds()
    assert kinds[-3:] == ["session.signed_in", "session.sign_in_failed", "session.signed_out"]
    first.context.close()
    second.context.close()


def test_it_can_be_used_by_keyboard_alone(visit: Visit) -> None:
    page = visit.page
    expect(page.get_by_label("Your question")).to_be_focused()
    page.keyboard.type("How long?")
    page.keyboard.press("Enter")
    expect(page.locator("#cl-live .verdict")).to_be_visible()
    chip = page.locator("#cl-live .chip").first
    expect(chip).to_have_attribute("aria-label", "Source 1: Data Retention Policy, page 4. Show "
                                                 "the page")  # fmt: skip
    chip.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Close the page")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#cl-viewer .count")).to_have_text("2 of 2")
    page.keyboard.press("Escape")
    expect(chip).to_be_focused()
    expect(page.locator("#cl-talk")).to_have_attribute("role", "log")


def test_nothing_of_a_conversation_is_kept_by_the_browser(visit: Visit) -> None:
    visit.ask("How long?")
    expect(visit.page.locator("#cl-live .verdict")).to_be_visible()
    stores = visit.page.evaluate(
        "async () => ({local: JSON.stringify({...localStorage}), cookie: document.cookie,"
        " databases: (await indexedDB.databases()).map((d) => d.name)})"
    )
    assert "How long" not in stores["local"]
    assert ANSWERED.sentences[0].text not in stores["local"]
    assert stores["cookie"] == ""  # HttpOnly
    assert stores["databases"] == []


# Text and background of everything that is read, as the browser paints it (WCAG 2.2, 1.4.3).
CONTRAST = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = (c) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = c;
    canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = (c) => c.slice(0, 3).map((v) => { v /= 255;
    return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; })
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const ground = (n) => { for (; n; n = n.parentElement) {
    const c = rgba(getComputedStyle(n).backgroundColor); if (c[3] > 250) return c; }
    return rgba(getComputedStyle(document.body).backgroundColor); };
  const poor = [];
  const read = '#cl-top *, #cl-notes *, #cl-talk *, #cl-viewer *, #cl-model *, #cl-ask';
  for (const n of document.querySelectorAll(read)) {
    const own = [...n.childNodes].some((k) => k.nodeType === 3 && k.data.trim());
    const style = getComputedStyle(n);
    if (!own || !n.checkVisibility() || n.disabled || parseFloat(style.fontSize) === 0) continue;
    const [a, b] = [light(rgba(style.color)), light(ground(n))];
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) poor.push([n.className, n.textContent.slice(0, 30), ratio].join(" "));
  }
  return poor;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_it_is_legible_and_fits(browser: Browser, chat: Served, width: int, scheme: str) -> None:
    visit = opened(browser, chat, width)
    page = visit.page
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    for question in ("busy?", "dear?", "How long?", "What does the canteen cost?"):
        visit.ask(question)
        expect(page.locator("#cl-live .question")).to_have_text(question)
        expect(page.locator("#cl-live .verdict")).to_be_visible()
        page.evaluate("document.querySelectorAll('.how').forEach((n) => { n.open = true; })")
        assert page.evaluate(CONTRAST) == []
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, "the page scrolls sideways"
    page.locator("#cl-live .source").first.click()
    expect(page.locator("#cl-viewer .mark").first).to_be_visible()
    assert page.evaluate(CONTRAST) == []
    page.context.close()


def test_a_day_can_be_set_and_cleared_by_keyboard(visit: Visit) -> None:
    page = visit.page
    day = page.locator("#cl-day input")
    expect(day).to_have_attribute("type", "date")
    expect(day).to_have_attribute("aria-label", "Answer as of this day, empty for today")
    for value, asked in (("2025-06-30", "2025-06-30"), ("", None)):
        day.fill(value)
        visit.ask(f"How long were records kept, {value or 'now'}?")
        expect(page.locator("#cl-live .question")).to_contain_text(value or "now")
        expect(page.locator("#cl-live .verdict")).to_be_visible()
        expect(page.locator("#cl-question textarea")).to_be_enabled()
        assert visit.chat.assistant.asked[-1].as_of == asked
    assert visit.complaints == []


def test_the_line_is_shown_and_said_once_for_each_change(browser: Browser) -> None:
    with served(ScriptedAssistant(pause=0.9, line=(2, 2, 1)), MemoryLog()) as slow:
        visit = opened(browser, slow)
        page = visit.page
        page.evaluate(
            "window.said = []; new MutationObserver(() => window.said.push("
            "document.querySelector('#cl-told').textContent)).observe("
            "document.querySelector('#cl-told'), {childList: true})"
        )
        expect(page.locator("#cl-told")).to_have_attribute("aria-live", "polite")
        visit.ask("How long?")
        now = page.locator("#cl-live .stages .now")
        expect(now).to_have_text("Waiting for the model: 2 questions are ahead of yours")
        expect(page.locator("#cl-live")).to_have_attribute("aria-busy", "true")
        expect(now).to_have_text("It is your turn: writing")
        expect(page.locator("#cl-live .verdict")).to_be_visible()
        assert page.evaluate("window.said") == [
            "Waiting for the model: 2 questions are ahead of yours",
            "Waiting for the model: 1 question is ahead of yours",
            "It is your turn: writing",
            "",
        ]
        assert visit.complaints == []
        page.context.close()


def test_the_model_that_answers_is_named_and_a_swap_is_seen(browser: Browser) -> None:
    assistant = ScriptedAssistant(pause=0.5)
    note = "The GPU stays unused, because its memory holds no layer of this model."
    assistant.status = ModelStatus("tiny", "loading", (note,))
    assistant.go.clear()
    with served(assistant, MemoryLog()) as running:
        visit = opened(browser, running)
        page = visit.page
        model = page.locator("#cl-model .model")
        expect(model).to_have_text("tiny is loading")
        expect(page.locator("#cl-notes")).to_have_text(note)
        visit.ask("How long?")
        expect(page.locator("#cl-live .now")).to_have_text("Loading the language model")
        expect(page.locator("#cl-told")).to_have_text("Loading the language model")
        assistant.status = ModelStatus("larger", "ready", waiting=2)
        expect(page.locator("#cl-live .now")).to_have_text("Writing")
        expect(model).to_have_text("larger 2 in line", timeout=15_000)
        expect(page.locator("#cl-notes .notes")).to_have_count(0)
        assistant.go.set()
        expect(page.locator("#cl-live .verdict")).to_be_visible()
        expect(page.get_by_label("Your question")).to_be_focused()
        assert visit.complaints == []
        page.context.close()


def test_signing_out_in_one_tab_ends_the_other(browser: Browser, chat: Served) -> None:
    visit = opened(browser, chat)
    other = visit.page.context.new_page()
    other.goto(chat.url)
    other.wait_for_selector(".welcome", timeout=60_000)
    other.get_by_role("button", name="Sign out").click()
    expect(other.locator("h1")).to_have_text("Please sign in")
    visit.page.bring_to_front()
    expect(visit.page.locator("h1")).to_have_text("Please sign in", timeout=15_000)
    visit.page.context.close()


def test_a_page_whose_server_has_gone_says_so_once(browser: Browser) -> None:
    with served(ScriptedAssistant(), MemoryLog()) as running:
        visit = opened(browser, running)
    page = visit.page
    expect(page.locator(".toast-body.error")).to_have_count(1, timeout=15_000)
    calls = sum(url.endswith("/queue/join") for url in visit.asked)
    page.wait_for_timeout(11_000)  # longer than two turns of the script's clock
    assert sum(url.endswith("/queue/join") for url in visit.asked) == calls
    expect(page.locator(".toast-body")).to_contain_text("Connection to the server was lost")
    expect(page.locator(".toast-body")).to_have_count(1)
    page.context.close()
