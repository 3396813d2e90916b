"""`cloister sweep` with stand-ins behind it: what is printed, what is written, how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import typer

from assistant import sweep
from assistant.answering import Policy
from assistant.sweep import Request
from assistant.task import Parts
from index.document import Page, Scope
from index.errors import CatalogueBusy
from tests.assistant.pipeline_standins import MemoryLibrary, MemoryLog
from tests.assistant.standins import ScriptedModel
from ui import cli_sweep, composition, failures, main

ASKED = "Which of these contracts have an arbitration clause?"
HOLDS = "Binding arbitration applies."
TEXTS = {
    "default/a.txt": ("A", HOLDS),
    "default/=b.txt": ("B", "Coffee is free."),
    "default/\x1b[31mc.txt": ("C", f"{HOLDS} The \x1b[2J seat is Bern."),
}


class Shelf(MemoryLibrary):
    broken = ""

    def page(self, document_id: str, number: int, scope: Scope) -> Page:
        if self.docs[document_id].source == self.broken:
            raise CatalogueBusy(1.0)
        return super().page(document_id, number, scope)


class Sweeper:
    """`Assistant.run`, for sweeps."""

    def __init__(self) -> None:
        self.library = Shelf(TEXTS)
        self.requests: list[Request] = []

    def run(
        self, request: Request, cancelled: Callable[[], bool] | None = None
    ) -> Iterator[object]:
        self.requests.append(request)
        parts = Parts(self.library, MemoryLog(), ScriptedModel(()), Policy())
        yield from sweep.run(parts, request, cancelled or (lambda: False))


@pytest.fixture
def sweeper(monkeypatch: pytest.MonkeyPatch) -> Sweeper:
    stand_in = Sweeper()

    @contextmanager
    def opened(home: Path) -> Iterator[Sweeper]:
        yield stand_in

    monkeypatch.setattr(composition, "assistant", opened)
    names = [each.name for each in main.app.registered_commands]
    if "sweep" not in names:
        app = typer.Typer(pretty_exceptions_enable=False)
        app.callback()(main.options)
        app.command("sweep")(cli_sweep.sweep)
        monkeypatch.setattr(main, "app", app)
    return stand_in


def ran(home: Path, *words: str) -> int:
    return main.run(["--home", str(home), "sweep", *words])


def test_the_table_goes_to_stdout_and_the_meter_to_stderr(
    sweeper: Sweeper, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ran(tmp_path, ASKED) == failures.OK
    said = capsys.readouterr()
    assert "Does this document have an arbitration clause?" in said.out
    assert said.out.index("a.txt") < said.out.index("=b.txt")
    assert "3 of 3 read. 2 found, 1 not found." in said.out
    assert "\x1b" not in said.out
    assert "3 of 3 documents read" in said.err
    (request,) = sweeper.requests
    assert request.asker.groups == {"local"}
    assert request.folder == tmp_path / "sweeps"
    assert not list((tmp_path / "sweeps").iterdir())


def test_json_is_a_line_a_row_and_one_for_the_whole(
    sweeper: Sweeper, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ran(tmp_path, "--json", ASKED) == failures.OK
    *rows, whole = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sorted(row["verdict"] for row in rows) == ["FOUND", "FOUND", "NOT_FOUND"]
    held = next(row for row in rows if row["source"] == "a.txt")
    assert list(held) == [
        "document", "source", "title", "collection", "verdict", "value", "quote", "citations",
        "reason",
    ]  # fmt: skip
    assert held["citations"] == [
        {"number": held["citations"][0]["number"], "page": 1, "start": 0, "end": len(HOLDS),
         "quote": HOLDS}
    ]  # fmt: skip
    assert (whole["documents"], whole["found"], whole["failed"]) == (3, 2, 0)


def test_tables_are_written_without_formulas(sweeper: Sweeper, tmp_path: Path) -> None:
    csv, html = tmp_path / "t.csv", tmp_path / "t.html"
    assert ran(tmp_path, ASKED, "--csv", str(csv), "--html", str(html)) == failures.OK
    assert "\n'=b.txt," in csv.read_text(encoding="utf-8")
    assert "arbitration clause" in html.read_text(encoding="utf-8")


def test_failed_documents_end_it_with_4_and_going_on_reads_them(
    sweeper: Sweeper, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweeper.library.broken = "a.txt"
    assert ran(tmp_path, ASKED) == failures.SOME_FAILED
    assert "1 failed: a.txt" in capsys.readouterr().err
    sweeper.library.broken = ""
    assert ran(tmp_path, ASKED) == failures.OK
    said = capsys.readouterr()
    assert "2 rows are kept of this sweep" in said.err
    assert "3 of 3 read." in said.out


def test_fresh_begins_anew(sweeper: Sweeper, tmp_path: Path) -> None:
    sweeper.library.broken = "a.txt"
    assert ran(tmp_path, ASKED) == failures.SOME_FAILED
    assert ran(tmp_path, ASKED, "--fresh") == failures.SOME_FAILED
    assert ran(tmp_path, ASKED, "--resume") == failures.SOME_FAILED
    assert [each.fresh for each in sweeper.requests] == [False, True, False]


@pytest.mark.parametrize(
    "words",
    [
        ["--kind", "many", ASKED],
        ["--as-of", "June", ASKED],
        ["--csv", "/nowhere/at/all.csv", ASKED],
        [""],
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_read(
    sweeper: Sweeper, tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ran(tmp_path, *words) == failures.USAGE
    assert capsys.readouterr().err.startswith("cloister: ")
    assert not sweeper.library.days


def test_narrowing_is_passed_on(sweeper: Sweeper, tmp_path: Path) -> None:
    words = ["--collection", "default", "--document", "a.txt", "--kind", "find"]
    assert ran(tmp_path, *words, "--as-of", "2025-06-30", ASKED) == failures.OK
    (request,) = sweeper.requests
    assert (request.collections, request.sources) == (frozenset({"default"}), ("a.txt",))
    assert (request.kind, request.as_of) == ("find", "2025-06-30")


def test_a_sweep_that_ends_without_a_result_is_a_defect() -> None:
    from ui import show_sweep, terminal

    with pytest.raises(RuntimeError):
        show_sweep.watched([], terminal.err(), None)
