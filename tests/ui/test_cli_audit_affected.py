"""`cloister audit affected` and the notices: over a real log and a real index, and in the page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner

from assistant.answer import Asker
from audit.affected import catch_up
from audit.log import Log
from audit.record import Event
from tests.audit.standins import open_test_log
from tests.audit.test_affected import answer
from tests.audit.test_view import BOB, DOC_A, DOC_B
from tests.ingest.standins import ingestor
from tests.ui.payloads import PAYLOADS
from tests.ui.standins import Listed, MemoryLog, ScriptedAssistant
from ui import cli_audit_affected, composition
from ui.composition import actor_of
from ui.context import Shared
from ui.failures import describe
from ui.notices import Notices, drawn, line

if TYPE_CHECKING:
    from playwright.sync_api import Browser

READER = Asker("anna", frozenset({"local"}), auth="one-time-link", client="browser")
ME = composition.actor_of(composition.terminal_asker())
POISON = " ".join(PAYLOADS)


def run(home: Path, *arguments: str) -> tuple[int, str]:
    """The command by itself: exit code and output, white space made even."""
    app = typer.Typer()
    cli_audit_affected.register(app)
    app.callback()(lambda: None)
    result = CliRunner().invoke(app, ["affected", *arguments], obj=Shared(home))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return describe(result.exception).exit_code, str(result.exception)
    return result.exit_code, " ".join(result.output.split())


def told(home: Path, *arguments: str) -> dict[str, str]:
    code, text = run(home, *arguments, "--json")
    assert code == 0, text
    return {each["request"]: each["strength"] for each in json.loads(text)["found"]}


def ask_of(log: Log, number: int, document: str) -> None:
    """An answer of this person's that cites the document, and one of another's that found it."""
    answer(log, f"mine-{number}", cited=(document,), who=ME)
    answer(log, f"his-{number}", hits=(document,), who=BOB)


@pytest.fixture
def changed(home: Path) -> Path:
    """A home whose log says that policy.txt was relied on in its first version, and in its second;
    it has no index."""
    source = {"source": "files/policy.txt"}
    with open_test_log(home) as log:
        for number, document in enumerate((DOC_A, DOC_B)):
            facts = {"document": document, "version": number + 1, "collection": "default"}
            kind = "ingest.version_added" if number else "ingest.added"
            log.append(Event(kind, ME, facts, source))
            ask_of(log, number, document)
        before = {"document": DOC_A, "version": 1, "collection": "default"}
        log.append(Event("ingest.superseded", ME, before, source))
        catch_up(log, ME)
    return home


@pytest.mark.slow
def test_the_catalogue_is_asked_and_ingestion_tells(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    with open_test_log(home) as log:
        for number, text in enumerate(("six years", "two years")):
            (folder / "policy.txt").write_text(f"Records are kept for {text}.")
            with ingestor(home, log, readers=1) as ingesting:
                ingesting.add([folder])
                (held,) = ingesting.list()
            ask_of(log, number, held.id)

    @contextmanager
    def opening(home: Path, log: Log, actor: object) -> Iterator[object]:
        with ingestor(home, log, readers=1) as ingesting:
            yield ingesting

    monkeypatch.setattr("ingest.compose.open_ingestor", opening)  # without loading an embedder
    assert set(told(home, "policy.txt")) == {"mine-0", "his-0", "mine-1", "his-1"}
    assert told(home, "policy.txt@1", "--clear") == {"mine-0": "cited"}
    (notice,) = json.loads(run(home, "--mine", "--json")[1])["notices"]
    assert notice["document"].endswith("policy.txt") and notice["cause"] == "superseded"
    with open_test_log(home) as log, ingestor(home, log, readers=1) as ingesting:
        ingesting.remove("policy.txt")
    assert set(told(home, "policy.txt@2")) == {"mine-1", "his-1"}  # by what the log says


def test_a_source_a_version_an_id_and_a_model_are_understood(changed: Path) -> None:
    every = {"mine-0": "cited", "his-0": "found", "mine-1": "cited", "his-1": "found"}
    assert told(changed, "policy.txt") == every
    assert told(changed, "policy.txt@1") == {"mine-0": "cited", "his-0": "found"}
    assert told(changed, "policy.txt@2", "--clear") == {"mine-1": "cited"}
    assert told(changed, "small") == dict.fromkeys(every, "shown")
    code, text = run(changed, "policy.txt@7")
    assert code == 2 and "version 7" in text
    code, text = run(changed, "policy.txt")
    assert code == 0 and "2 cite it, 0 were shown it, 2 only found it" in text
    assert run(changed, "no-such-thing.txt") == (0, "Nothing on record relied on it.")
    assert run(changed)[0] == 2 and run(changed, "x", "--mine")[0] == 2


def test_ones_own_notices_are_listed_and_put_away(changed: Path) -> None:
    code, text = run(changed, "--mine", "--json")
    (notice,) = json.loads(text)["notices"]
    assert notice["document"] == "a document" and notice["cause"] == "superseded"  # no index
    assert [each["question"] for each in notice["answers"]] == ["What of mine-0?"]
    code, text = run(changed, "--mine")
    assert code == 0 and "a document has a newer version" in text and "his-0" not in text
    assert run(changed, "--mine", "--dismiss", "1")[0] == 2
    code, text = run(changed, "--mine", "--dismiss", str(notice["number"]))
    assert (code, text[:12]) == (0, "None of your")


class Open(ScriptedAssistant):
    """Its reader may read one collection."""

    def documents(self, asker: Asker, as_of: str | None = None) -> Sequence[Listed]:
        return [Listed("a.pdf", "aa" * 32, "policies")]


def relied(log: Log, question: str = "How long are records kept?") -> None:
    """An answer of the chat's reader on a document that has a newer version."""
    me = actor_of(READER)
    log.append(Event("question.received", me, {}, {"question": question}, request_id="q"))
    cited = {"verdict": "ANSWERED", "citations": [f"{DOC_A}:1:0:9"]}
    log.append(Event("answer.released", me, cited, {"text": "x"}, request_id="q"))
    change = {"document": DOC_A, "version": 1, "collection": "policies"}
    log.append(Event("ingest.superseded", me, change, {"source": f"retention {question}.pdf"}))
    catch_up(log, me)


def test_what_is_drawn_is_escaped_and_told_to_its_reader_alone(home: Path) -> None:
    with open_test_log(home) as log:
        relied(log, POISON)
        told_to = Notices(log, Open())
        assert line(log, READER).startswith("1 earlier answer of yours relies on")
        page = drawn(told_to.of(READER))
        assert line(log, READER) == ""  # the list has been seen
        assert "<script" not in page and "<img" not in page and "\n" not in page
        assert "There is a newer version" in page
        closed = drawn(told_to.of(Asker("bob", frozenset(), auth="one-time-link")))
        assert closed == ""
        hidden = drawn(Notices(log, ScriptedAssistant()).of(READER))
        assert "retention" not in hidden and ">a document<" in hidden
        (notice,) = told_to.of(READER)
        told_to.dismiss(Asker("bob", frozenset(), auth="one-time-link"), notice.number)
        assert len(told_to.of(READER)) == 1
        told_to.dismiss(READER, notice.number)
        assert told_to.of(READER) == ()


@pytest.mark.slow
def test_the_page_tells_asks_again_and_puts_away(
    browser: Browser, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from playwright.sync_api import expect

    from tests.ui.serving import served
    from tests.ui.visiting import opened
    from ui import web_app

    made = web_app.Chat
    with open_test_log(home) as log:
        relied(log)
        assistant = Open()
        notices = Notices(log, assistant)
        monkeypatch.setattr(web_app, "Chat", lambda *parts: made(*parts, notices=notices))
        with served(assistant, MemoryLog()) as running:
            visit = opened(browser, running, 390)
            page = visit.page
            recalls = page.locator("#cl-recalls .recalls")
            expect(recalls.locator("summary")).to_have_text(
                "1 earlier answer of yours relies on a document that has changed"
            )
            expect(recalls.locator(".again")).to_be_hidden()
            recalls.locator("summary").click()
            expect(recalls.locator(".title")).to_contain_text("retention")
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
            recalls.get_by_role("button", name="Ask again").click()
            expect(page.locator("#cl-live .question")).to_have_text("How long are records kept?")
            expect(page.locator("#cl-live .verdict")).to_be_visible()
            recalls.get_by_role("button", name="Put away").click()
            expect(recalls).to_have_count(0)
            page.reload()
            expect(page.locator("#cl-shown .question")).to_have_count(1)
            expect(recalls).to_have_count(0)
            assert visit.complaints == []
            assert visit.strangers() == []
            page.context.close()
