"""Whoever leaves ends the work, and many may ask at once: through Gradio, as the page does."""

from __future__ import annotations

import json
import re
import secrets
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from audit.store import Filter
from audit.view_envelope import fields_of
from tests.ui.serving import READER, Served, served
from tests.ui.standins import MemoryLog, ScriptedAssistant
from tests.ui.visiting import opened
from ui import composition
from ui.web_session import KEPT_SESSIONS

pytestmark = pytest.mark.slow
SAMPLES = Path(__file__).resolve().parents[2] / "samples" / "documents"


def close_the_tab(page: Page, url: str) -> None:
    page.close()


def go_elsewhere(page: Page, url: str) -> None:
    page.goto("about:blank")


def load_again(page: Page, url: str) -> None:
    page.reload()


def press_stop(page: Page, url: str) -> None:
    page.get_by_role("button", name="Stop").click()


def sign_out(page: Page, url: str) -> None:
    page.get_by_role("button", name="Sign out").click()


def begin_anew(page: Page, url: str) -> None:
    page.get_by_role("button", name="New conversation").click()


@pytest.mark.parametrize(
    "leave", [close_the_tab, go_elsewhere, load_again, press_stop, sign_out, begin_anew]
)
def test_whoever_leaves_ends_the_writing_though_nothing_was_released(
    browser: Browser, leave: Callable[[Page, str], None]
) -> None:
    assistant = ScriptedAssistant()
    assistant.go.clear()
    with served(assistant, MemoryLog()) as writing:
        visit = opened(browser, writing)
        visit.ask("How long?")
        expect(visit.page.locator("#cl-live .stages")).to_contain_text("Writing")
        leave(visit.page, writing.url)
        assert assistant.closed.wait(20)
        assert len(assistant.cancelled_after) == 1
        visit.page.context.close()


@pytest.mark.parametrize("leave", [close_the_tab, press_stop, sign_out])
def test_whoever_leaves_ends_the_real_model(
    browser: Browser, home: Path, leave: Callable[[Page, str], None]
) -> None:
    """A prompt of thousands of tokens: the model is at work for long before it writes a word."""
    (home / "cloister.toml").write_text(
        "[assistant]\nprompt_tokens = 3500\nprompt_passages = 20\nstraight_answers = false\n",
        encoding="utf-8",
    )
    with composition.ingestor(home) as ingestor:
        ingestor.add([SAMPLES / "policies"])
    with (
        composition.log(home) as log,
        composition.assistant_with(home, log) as assistant,
        served(assistant, log) as running,
    ):
        visit = opened(browser, running)
        visit.ask("How long is the file of a complaint kept?")
        expect(visit.page.locator("#cl-live .now")).to_have_text("Writing", timeout=120_000)
        while not log.leaves(Filter(type="model.called")):
            visit.page.wait_for_timeout(50)
        leave(visit.page, running.url)
        while not (ended := log.leaves(Filter(type="answer.failed"))):
            time.sleep(0.05)
        assert fields_of(ended[0].envelope)["code"] == "CANCELLED"
        (model,) = log.leaves(Filter(type="model.finished"))
        print(leave.__name__, fields_of(model.envelope))
        assert fields_of(model.envelope)["outcome"] == "cancelled"
        assert not log.leaves(Filter(type="answer.released"))
        visit.page.context.close()


class Caller:
    """Calls what the page calls, without a browser: many of these fit a small machine."""

    def __init__(self, chat: Served) -> None:
        self._chat = chat
        secret, _ = chat.sessions.open(READER)
        self._headers = {"Cookie": f"cloister_{chat.port}={secret}", "Origin": chat.url}
        page = self._fetch(chat.url).decode()
        found = re.search(r"window\.gradio_config = (\{.*?\});?</script>", page, re.DOTALL)
        assert found
        self._events = {
            (event["targets"][0][1], len(event["inputs"])): event["id"]
            for event in reversed(json.loads(found[1])["dependencies"])
        }

    def _fetch(self, url: str, body: bytes | None = None) -> bytes:
        headers = self._headers | {"Content-Type": "application/json"}
        request = urllib.request.Request(url, body, headers)  # noqa: S310 - our own server
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return bytes(answer.read())

    def call(self, event: str, *data: str) -> None:
        """Call the first function that this event of a component triggers with such values."""
        body = {
            "data": data,
            "fn_index": self._events[event, len(data)],
            "session_hash": secrets.token_hex(5),
        }
        self._fetch(f"{self._chat.url}/gradio_api/queue/join", json.dumps(body).encode())


def until(condition: Callable[[], bool]) -> bool:
    """Whether `condition` comes true within a minute."""
    pause = threading.Event()
    return any(condition() or pause.wait(0.05) for _ in range(1200))


def test_all_sessions_may_ask_at_once_and_stop_is_heard_all_the_same() -> None:
    assistant = ScriptedAssistant()
    assistant.go.clear()
    with served(assistant, MemoryLog()) as chat:
        callers = [Caller(chat) for _ in range(KEPT_SESSIONS)]
        for caller in callers:
            caller.call("submit", "How long?", "")
        assert until(lambda: len(assistant.asked) == KEPT_SESSIONS)
        assert not assistant.cancelled_after
        callers[-1].call("click")
        assert until(lambda: len(assistant.cancelled_after) == 1)
        assistant.go.set()
