"""A browser that is signed in to a chat, and what it asked for meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field

from playwright.sync_api import Browser, Page, Request

from tests.ui.serving import Served


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
