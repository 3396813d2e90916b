"""`cloister summarise`: what reaches the task, what a person reads, what JSON holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from assistant.summarise import Request
from tests.assistant.pipeline_standins import ANNA
from tests.ui.test_cli_compare import NEW, OLD, Running, context
from ui import composition
from ui.cli_summarise import summarise
from ui.errors import UsageError


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Running:
    stand_in = Running(old=OLD, new=NEW)

    @contextmanager
    def opened(home: Path) -> Iterator[Running]:
        yield stand_in

    monkeypatch.setattr(composition, "assistant", opened)
    monkeypatch.setattr(composition, "terminal_asker", lambda: ANNA)
    return stand_in


def test_every_statement_has_its_mark_and_every_mark_its_source(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    summarise(context(), length=2)
    said = capsys.readouterr().out
    assert said.index("New") < said.index("Old") < said.index("Sources")
    marks = [line for line in said.splitlines() if line.startswith("  • ")]
    assert len(marks) == 4
    assert all("[" in line for line in marks)
    assert "[1] new.md, page 1" in said
    assert "The documents differ" in said
    assert "six years → five years" in said


def test_json_has_statements_and_citations(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    summarise(context(), ["new.md"], length=1, verbatim=True, json=True)
    found = json.loads(capsys.readouterr().out)
    (document,) = found["documents"]
    (statement,) = document["statements"]
    (citation,) = found["citations"]
    assert statement["origin"] == "quote"
    assert statement["citations"] == [citation["number"]]
    assert citation["quote"].split() == statement["text"].split()
    assert found["model"] == ""
    assert found["record"]


def test_options_go_with_the_request(running: Running) -> None:
    summarise(context(), ["old.md"], ["default"], "fees", 3, "2025-06-30", verbatim=True)
    assert running.requests == [
        Request(ANNA, ("old.md",), frozenset({"default"}), "fees", 3, "2025-06-30", True)
    ]


def test_what_is_no_day_is_refused(running: Running) -> None:
    with pytest.raises(UsageError):
        summarise(context(), as_of="yesterday")
    assert running.requests == []
