"""`cloister compare`: what reaches the task, what a person reads, what JSON holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import typer

from assistant import compare, summarise
from assistant.answering import Policy
from assistant.compare import Request
from assistant.errors import NothingToCompare
from assistant.task import Parts
from tests.assistant.pipeline_standins import ANNA, MemoryLibrary, MemoryLog
from tests.assistant.standins import ScriptedModel
from ui import composition
from ui.cli_compare import compare as command
from ui.context import Shared
from ui.errors import UsageError

OLD = """4.1 Records shall be kept for five years.
4.2 Visitors carry a badge, in all rooms of the bank.
4.3 The client must assist the bank.
"""
NEW = """4.1 Records shall be kept for six years.
4.2 Visitors carry a badge in all rooms of the bank.
4.3 The client must support the bank.
"""


class Running:
    """An assistant that runs the real tasks over documents in memory."""

    def __init__(self, **texts: str) -> None:
        self.requests: list[Any] = []
        shelf = MemoryLibrary({f"default/{k}.md": (k.title(), text) for k, text in texts.items()})
        self.parts = Parts(shelf, MemoryLog(), ScriptedModel(["Nothing."]), Policy())  # type: ignore[arg-type]

    def run(self, request: Any, cancelled: Callable[[], bool] | None = None) -> Iterator[object]:
        self.requests.append(request)
        task = compare if isinstance(request, Request) else summarise
        yield from task.run(self.parts, request, cancelled or (lambda: False))


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Running:
    stand_in = Running(old=OLD, new=NEW)

    @contextmanager
    def opened(home: Path) -> Iterator[Running]:
        yield stand_in

    monkeypatch.setattr(composition, "assistant", opened)
    monkeypatch.setattr(composition, "terminal_asker", lambda: ANNA)
    return stand_in


def context() -> typer.Context:
    made = typer.Context(typer.main.get_command(typer.Typer(callback=lambda: None)))
    made.obj = Shared(Path("/nowhere"))
    return made


def test_substance_comes_first_and_wording_is_only_counted(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    command(context(), "old.md", "new.md")
    said = capsys.readouterr().out
    assert said.index("Changes of substance (1)") < said.index("Other words")
    assert "duration: five years → six years" in said
    assert "[-five-]" in said and "{+six+}" in said
    assert "− old.md, page 1" in said and "+ new.md, page 1" in said
    assert "1 changed in wording only (--all shows them)" in said
    assert "Wording only" not in said


def test_all_shows_what_is_harmless_too(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    command(context(), "old.md", "new.md", everything=True)
    said = capsys.readouterr().out
    assert "Wording only (1)" in said
    assert "--all" not in said


def test_json_has_citations_for_both_sides(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    command(context(), "old.md", "new.md", json=True)
    found = json.loads(capsys.readouterr().out)
    first = found["changes"][0]
    quotes = {each["number"]: each["quote"] for each in found["citations"]}
    assert first["kind"] == "changed" and first["weight"] == "substance"
    assert first["differences"] == [
        {"aspect": "duration", "before": "five years", "after": "six years", "weight": "substance"}
    ]
    assert "five years" in quotes[first["left"][0]]
    assert "six years" in quotes[first["right"][0]]
    assert found["record"]


def test_days_and_collections_go_with_the_request(running: Running) -> None:
    with pytest.raises(NothingToCompare):
        command(context(), "old.md", None, "2024-01-01", "2025-01-01", collection=["default"])
    (request,) = running.requests
    assert request == Request(
        ANNA, "old.md", "", frozenset({"default"}), "2024-01-01", "2025-01-01"
    )


@pytest.mark.parametrize("arguments", [("a", "b", "yesterday"), (" ", "b"), ("a", "")])
def test_what_cannot_be_asked_is_refused(running: Running, arguments: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        command(context(), *arguments)
    assert running.requests == []


def test_text_of_a_document_steers_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = Running(old="1.1 The fee is EUR 5.\n", new="1.1 The \x1b[31m fee is EUR 6.\n")

    @contextmanager
    def opened(home: Path) -> Iterator[Running]:
        yield evil

    monkeypatch.setattr(composition, "assistant", opened)
    monkeypatch.setattr(composition, "terminal_asker", lambda: ANNA)
    command(context(), "old.md", "new.md")
    assert "\x1b" not in capsys.readouterr().out


def test_a_task_that_was_cancelled_ends_the_command_so(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "run", lambda request: iter(()))
    with pytest.raises(typer.Exit) as ended:
        command(context(), "old.md", "new.md")
    assert ended.value.exit_code == 130


def test_a_comparison_without_changes_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    same = Running(old=OLD, new=OLD + "\n")

    @contextmanager
    def opened(home: Path) -> Iterator[Running]:
        yield same

    monkeypatch.setattr(composition, "assistant", opened)
    monkeypatch.setattr(composition, "terminal_asker", lambda: ANNA)
    command(context(), "old.md", "new.md")
    assert "3 clauses as they were." in capsys.readouterr().out
