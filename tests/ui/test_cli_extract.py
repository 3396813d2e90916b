"""`cloister extract` and `cloister classify`: what is printed, written and returned."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import typer

from assistant import extract as extracting
from assistant import labels as classifying
from assistant.answering import Policy
from assistant.task import Parts
from index.effective import Standing
from tests.assistant.pipeline_standins import ANNA, MemoryLibrary, MemoryLog
from tests.assistant.standins import ScriptedModel
from ui import cli_classify, cli_extract, composition, failures
from ui.context import Shared

CONTRACT = 'Supplier: =HYPERLINK("x")\nAnnual fee: EUR 5,000\n\nCosts are shared.\x1b[2J\n'
SCHEMA = {
    "type": "object",
    "properties": {
        "supplier": {"type": "string"},
        "annual_fee": {"type": "number"},
        "expiry_date": {"type": "string", "format": "date"},
    },
}
LABELS = [
    {"label": "Fees", "description": "annual fee EUR; costs are shared"},
    {"label": "Retention", "description": "how long records are kept"},
]


class Tasks:
    """An assistant that does tasks over documents in memory."""

    def __init__(self) -> None:
        texts = {"default/a.md": ("Data sheet", CONTRACT), "default/old.md": ("Old", CONTRACT)}
        library = MemoryLibrary(texts)
        library.standing["old.md"] = Standing(in_force=False)
        self.parts = Parts(library, MemoryLog(), ScriptedModel(["{}"]), Policy())

    def run(self, request: Any, cancelled: Callable[[], bool] | None = None) -> Iterator[object]:
        run: Any = extracting.run if isinstance(request, extracting.Request) else classifying.run
        return iter(run(self.parts, request, cancelled or (lambda: False)))


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs one of the two commands; the exit code."""

    @contextmanager
    def assistant(home: Path) -> Iterator[Tasks]:
        yield Tasks()

    monkeypatch.setattr(composition, "assistant", assistant)
    monkeypatch.setattr(composition, "terminal_asker", lambda: ANNA)
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    (tmp_path / "labels.json").write_text(json.dumps(LABELS))
    app = typer.Typer()

    @app.callback()
    def shared(context: typer.Context) -> None:
        context.obj = Shared(tmp_path, False)

    app.command("extract")(cli_extract.extract)
    app.command("classify")(cli_classify.classify)

    def call(*arguments: str) -> int:
        named = [each.replace("@", f"{tmp_path}/") for each in arguments]
        try:
            app(named, standalone_mode=False)
        except Exception as error:  # noqa: BLE001 - as `ui.main` does
            return failures.describe(error).exit_code
        return failures.OK

    return call


def test_json_is_one_object_a_document(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("extract", "@schema.json", "a.md", "--json") == failures.OK
    (line,) = [json.loads(each) for each in capsys.readouterr().out.splitlines()]
    assert list(line) == ["document", "source", "title", "fields", "object"]
    assert line["object"] == {
        "supplier": '=HYPERLINK("x")',
        "annual_fee": 5000,
        "expiry_date": None,
    }
    fee = line["fields"]["annual_fee"]
    assert (fee["value"], fee["reason"], fee["citation"]["page"]) == (5000, None, 1)
    assert fee["citation"]["quote"] == "Annual fee: EUR 5,000"
    assert line["fields"]["expiry_date"] == {
        "value": None,
        "citation": None,
        "reason": "NOT_FOUND",
    }


def test_people_see_value_quote_and_place(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("extract", "@schema.json", "a.md") == failures.OK
    shown = capsys.readouterr().out
    assert "annual_fee: 5000" in shown and "“Annual fee: EUR 5,000”" in shown
    assert "a.md, page 1" in shown and "expiry_date: not found" in shown


def test_a_table_holds_no_formula(command: Callable[..., int], tmp_path: Path) -> None:
    assert command("extract", "@schema.json", "a.md", "--csv", "@out.csv") == failures.OK
    text = (tmp_path / "out.csv").read_text(encoding="utf-8")
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["supplier"] == '\'=HYPERLINK("x")'
    assert (row["annual_fee"], row["annual_fee.page"]) == ("5000", "1")
    assert row["expiry_date.reason"] == "NOT_FOUND"


@pytest.mark.parametrize("task", [("extract", "@schema.json"), ("classify", "@labels.json")])
def test_documents_that_failed_are_named_and_end_with_4(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str], task: tuple[str, str]
) -> None:
    assert command(*task, "a.md", "old.md", "--json") == failures.SOME_FAILED
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == 1
    assert "old.md: The document is not in force" in told.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("extract", "@missing.json"),
        ("extract", "@labels.json"),
        ("extract", "@schema.json", "nowhere.md"),
        ("extract", "@schema.json", "--as-of", "soon"),
        ("extract", "@schema.json", "--csv", "@nowhere/out.csv"),
        ("classify", "@schema.json"),
        ("classify", "@missing.toml"),
    ],
)
def test_what_cannot_be_done_is_a_matter_of_usage(
    command: Callable[..., int], arguments: tuple[str, ...]
) -> None:
    assert command(*arguments) == failures.USAGE


def test_classify_prints_labels_with_their_sentences(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("classify", "@labels.json", "a.md", "--json") == failures.OK
    (line,) = [json.loads(each) for each in capsys.readouterr().out.splitlines()]
    assert (line["verdict"], line["by"]) == ("LABELLED", "evidence")
    (label,) = line["labels"]
    assert label["label"] == "Fees" and label["citations"][0]["quote"] in CONTRACT
    assert command("classify", "@labels.json", "a.md") == failures.OK
    shown = capsys.readouterr().out
    assert "Fees" in shown and "\x1b[2J" not in shown
