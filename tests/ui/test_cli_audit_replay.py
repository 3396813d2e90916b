"""`cloister audit replay` over a real log: what it says, what it records, how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer

from assistant import replay_open
from assistant.answering import Policy
from assistant.pages import Viewer
from assistant.pipeline import Assistant
from assistant.replaying import Replayer
from audit.record import Event
from index.document import Page
from tests.assistant.pipeline_standins import library, question
from tests.assistant.standins import ScriptedModel
from tests.assistant.test_replaying import ASK, TRUE, Shelved
from ui import cli_audit, cli_audit_replay, composition, failures
from ui.main import run

Capture = pytest.CaptureFixture[str]


class Held:
    """A home with one answer, and the parts that replay it."""

    def __init__(self, home: Path) -> None:
        self.home, self.shelf = home, library()
        self.model = ScriptedModel([TRUE])
        viewer = Viewer(lambda path, number: None)
        with composition.log(home) as log:
            policy = Policy(straight=False)
            assistant = Assistant(self.shelf, log, self.model, viewer, policy)
            self.answer = assistant.ask(question(ASK))
            self.seq = log.leaf(self.answer.record).seq

    @contextmanager
    def opened(self, home: Path) -> Iterator[Replayer]:
        yield Replayer(self.shelf, Policy(), Shelved(self.model))

    def replay(self, *arguments: object) -> int:
        return run(["--home", str(self.home), "audit", "replay", *map(str, arguments)])

    def records(self, kind: str) -> list[dict[str, Any]]:
        with composition.log(self.home) as log:
            return [json.loads(leaf.envelope)["fields"] for leaf in log.scan() if leaf.type == kind]


@pytest.fixture
def held(home: Path, monkeypatch: pytest.MonkeyPatch) -> Held:
    made = Held(home)
    monkeypatch.setattr(replay_open, "open_replayer", made.opened)
    if not any(each.name == "replay" for each in cli_audit.app.registered_commands):
        fresh: list[typer.models.CommandInfo] = list(cli_audit.app.registered_commands)
        monkeypatch.setattr(cli_audit.app, "registered_commands", fresh)
        cli_audit_replay.register(cli_audit.app)
    return made


def test_equal_by_number_id_and_request(held: Held, capsys: Capture) -> None:
    for key in (held.seq, held.answer.record, held.answer.request):
        assert held.replay(key) == 0
        assert capsys.readouterr().out.startswith("EQUAL: prompt hash equal, text equal.\n")
    begun, done = held.records("log.replay_begun"), held.records("log.replayed")
    assert len(begun) == len(done) == 3
    assert done[0] == {
        **begun[0], "outcome": "EQUAL", "prompt_equal": True, "text_equal": True, "reason": "",
    }  # fmt: skip
    assert begun[0]["target_seq"] == held.seq


def test_a_difference_has_its_own_exit_code_and_is_shown(held: Held, capsys: Capture) -> None:
    held.model = ScriptedModel([TRUE.replace("six", "6")])
    assert held.replay(held.seq) == failures.REPLAY_DIFFERS
    shown = capsys.readouterr().out
    assert shown.startswith("DIFFERENT: prompt hash equal, text NOT equal.")
    assert "[-six-]" in shown
    assert "{+6+}" in shown
    assert "(UNKNOWN)" in shown
    assert held.replay(held.seq, "--json") == failures.REPLAY_DIFFERS
    told = json.loads(capsys.readouterr().out)
    assert (told["prompt_equal"], told["text_equal"]) == (True, False)
    assert {"op": "removed", "text": "six"} in next(
        part["difference"] for part in told["compared"] if part["name"] == "text"
    )
    assert held.records("log.replayed")[-1]["reason"] == "UNKNOWN"


def test_what_cannot_be_replayed_is_one_sentence_and_recorded(held: Held, capsys: Capture) -> None:
    for place, page in list(held.shelf.texts.items()):
        held.shelf.texts[place] = Page(page.number, page.text.replace("e", "3"))
    assert held.replay(held.seq) == 4
    said = capsys.readouterr()
    assert "reads otherwise" in said.err
    assert said.out == ""
    assert held.records("log.replayed")[-1]["reason"] == "READ_ANEW"
    assert held.replay(0) == 4  # log.created
    assert "belongs to no question" in capsys.readouterr().err
    assert held.replay(99_999) == 2
    assert held.replay("f" * 32) == 2


def test_an_erased_answer_is_said_so(held: Held, capsys: Capture) -> None:
    with composition.log(held.home) as log:
        log.destroy_payload_keys([log.leaf(held.seq)])
    assert held.replay(held.seq) == 4
    assert "was erased" in capsys.readouterr().err
    assert held.records("log.replayed")[-1]["reason"] == "ERASED"


def test_nothing_is_read_if_it_cannot_be_recorded(
    held: Held, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audit.errors import AuditError
    from audit.log import Log

    opened: list[object] = []
    append = Log.append

    def refuse(self: Log, event: Event) -> Any:
        if event.type == "log.replay_begun":
            raise AuditError("The disk of the log is full.")
        return append(self, event)

    monkeypatch.setattr(Log, "append", refuse)
    monkeypatch.setattr(Log, "read_payload", lambda self, key: opened.append(key))
    assert held.replay(held.seq) == 7
    assert opened == []
    assert capsys.readouterr().out == ""


def test_a_task_is_held_against_its_citations(held: Held, capsys: Capture) -> None:
    (document, number), page = next(iter(held.shelf.texts.items()))
    cited = {
        "document": document, "source": "a.md", "page": number, "start": 4, "end": 13,
        "quote": page.text[4:13],
    }  # fmt: skip
    actor = composition.actor_of(composition.terminal_asker())
    with composition.log(held.home) as log:
        fields = {"task": "summarise", "scope": ["default"]}
        log.append(Event("task.received", actor, fields, {}, request_id="t1"))
        last = log.append(
            Event("task.released", actor, fields, {"citations": [cited]}, request_id="t1")
        )
    assert held.replay(last.seq) == 0
    assert "1 of 1 cited places" in capsys.readouterr().out
    held.shelf.texts[document, number] = replace(page, text="x" * len(page.text))
    assert held.replay(last.seq, "--json") == failures.REPLAY_DIFFERS
    told = json.loads(capsys.readouterr().out)
    assert (told["citations_hold"], told["run_again"]) == (0, False)
