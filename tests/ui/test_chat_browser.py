"""The chat in a real browser: what a person sees, what the browser asks for, and from whom."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from assistant.answer import Answer, Sentence, Verdict
from tests.ui.payloads import PAYLOADS
from tests.ui.serving import EXAMPLES, Served, served
from tests.ui.standins import (
    ANSWERED,
    QUOTE_1,
    QUOTE_2,
    BrokenAssistant,
    FullDisk,
    MemoryLog,
    ScriptedAssistant,
    citation,
)

pytestmark = pytest.mark.slow
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
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


@dataclass
class Visit:
    """A page, and what its browser asked for and complained of."""

    page: Page
    chat: Served
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def ask(self, text: str) -> None:
        self.page.locator("#cl-question textarea").fill(text)
        self.page.keyboard.press("Enter")

    def strangers(self) -> list[str]:
        return [url for url in self.asked if not url.startswith((self.chat.url, "data:", "blob:"))]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM, "the browser tests need Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def chat() -> Iterator[Served]:
    assistant = ScriptedAssistant(pause=0.15, answers={"poison": POISONED})
    with served(assistant, MemoryLog()) as running:
        yield running


def opened(browser: Browser, chat: Served, width: int = 1280, height: int = 800) -> Visit:
    page = browser.new_context(viewport={"width": width, "height": height}).new_page()
    visit = Visit(page, chat)

    def note(request: Request) -> None:
        visit.asked.append(request.url)

    page.on("request", note)
    page.on("console", lambda m: visit.complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    page.goto(chat.link())
    page.wait_for_selector("#cl-question textarea", timeout=60_000)
    page.wait_for_selector(".welcome", timeout=60_000)
    return visit


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
  for (const n of document.querySelectorAll('#cl-top *, #cl-talk *, #cl-viewer *, #cl-ask')) {
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
    for question in ("How long?", "What does the canteen cost?"):
        visit.ask(question)
        expect(page.locator("#cl-live .question")).to_have_text(question)
        expect(page.locator("#cl-live .verdict")).to_be_visible()
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
