"""`cloister eval answers`: what it refuses before it begins, what it prints, how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from assistant import answer_trial
from assistant.answer_trial import Bench, bench_of
from assistant.answering import Policy
from tests.assistant.answer_files import csv_set
from tests.assistant.pipeline_standins import ANNA, MemoryLog, assistant, library
from tests.assistant.standins import ScriptedModel
from ui import cli_eval_answers, composition, failures
from ui.main import run


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    return csv_set(tmp_path / "mine") / "questions.csv"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose documents are in memory, with a model that invents."""

    @contextmanager
    def log(home: Path) -> Iterator[MemoryLog]:
        yield MemoryLog()

    @contextmanager
    def opened(home: Path, documents: Path, log: MemoryLog, *named: object) -> Iterator[Bench]:
        held, invents = library(), ScriptedModel(["It is nine years, says Bob."])
        made = assistant(invents, log, held)
        yield bench_of(held, log, invents, Policy(), ANNA, made, {"named": named[1:]})

    monkeypatch.setattr(composition, "log", log)
    monkeypatch.setattr(answer_trial, "open_bench", opened)
    return tmp_path / "home"


def evaluated(home: Path, path: Path, *options: str) -> int:
    return run(["--home", str(home), "eval", "answers", str(path), "--on-home", *options])


def test_json_holds_figures_intervals_and_counts_and_nothing_else(
    home: Path, asked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluated(home, asked, "--json", "--baseline") == failures.OK
    ours, plain = [json.loads(each) for each in capsys.readouterr().out.splitlines()]
    assert (ours["set"], ours["form"], ours["questions"]) == ("questions", "csv", 3)
    assert (ours["configuration"], plain["configuration"]) == ("default", "plain chain")
    assert ours["correct"] > plain["correct"] == 0.0
    assert ours["wrong_shown"] < plain["wrong_shown"] == 1.0
    assert ours["counts"]["answerable"] == 2 and ours["counts"]["unanswerable"] == 1
    assert plain["differences"]["correct"]["to"] == "default" and "differences" not in ours
    assert len(ours["intervals"]["correct"]) == 2 and ours["latency_p95_ms"] > 0
    assert ours["joules"] is None and ours["model"].startswith("Scripted")
    assert ours["missing"] == 1  # copies/aml-manual.md


def test_a_person_reads_a_table_and_what_is_missing(
    home: Path, asked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluated(home, asked, "--model", "a", "--model", "b") == failures.OK
    written = capsys.readouterr()
    assert "2 questions that the documents" in written.out and "refusal_f1" in written.out
    assert "Differences to a" in written.out and "latency p95" in written.out
    assert "are not in the index: copies/aml-manual.md" in " ".join(written.err.split())


def test_bounds_that_are_not_held_end_with_5_after_everything_was_written(
    home: Path, asked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told, report = tmp_path / "told.jsonl", tmp_path / "report"
    options = ["--baseline", "--json", "--per-question", str(told), "--report", str(report)]
    bounds = ["--floor", "correct=0.01", "--ceiling", "plain chain:wrong_shown=0.5"]
    assert evaluated(home, asked, *options, *bounds) == failures.FLOOR_MISSED == 5
    written = capsys.readouterr()
    assert "correct of plain chain is 0.0000 and the floor 0.01" in written.err
    assert "wrong_shown of plain chain is 1.0000 and the ceiling 0.5" in written.err
    assert "of default" not in written.err
    assert len(written.out.splitlines()) == 2 and len(told.read_text().splitlines()) == 6
    assert {"report.html", "report.md", "results.json"} <= {p.name for p in report.iterdir()}
    assert evaluated(home, asked, "--ceiling", "unsupported=0", "--floor", "refusal_f1=0") == 0


def test_fewer_questions_are_asked_if_wanted(
    home: Path, asked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluated(home, asked, "--every", "2", "--limit", "1", "--json") == failures.OK
    assert json.loads(capsys.readouterr().out)["questions"] == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--floor", "correct"], "is not like correct=0.6"),
        (["--floor", "right=0.5"], "there are correct"),
        (["--ceiling", "phi:wrong_shown=0.5"], "'phi', which is not asked"),
        (["--model", "a", "--model", "a"], "named twice"),
        (["--per-question", "gone/told.jsonl"], "cannot be written"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_asked(
    home: Path, asked: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    assert evaluated(home, asked, *options) == failures.USAGE
    assert words in capsys.readouterr().err


def test_a_set_of_other_documents_is_refused(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.csv"
    other.write_text("question,answer,document\nWhy?,so,gone.pdf\n")
    assert evaluated(home, other) == failures.USAGE
    assert "None of the documents that other names" in capsys.readouterr().err
    assert evaluated(home, tmp_path / "none.csv") == failures.USAGE


def test_a_gate_measures_with_the_same_parts(home: Path, asked: Path) -> None:
    figures = cli_eval_answers.measure(home, asked, "a", on_home=True)
    assert figures["unsupported"] == 0.0 and figures["correct"] > 0


@pytest.mark.slow
def test_the_real_assistant_answers_a_set_in_a_folder_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ingested once, asked with the default model, recorded, and not asked again."""
    home, folder = tmp_path / "home", csv_set(tmp_path / "mine")
    home.mkdir(mode=0o700)
    told = tmp_path / "told.jsonl"
    command = ["--home", str(home), "eval", "answers", str(folder), "--json", "--baseline"]
    command += ["--per-question", str(told)]
    assert run(command) == failures.OK
    first = [json.loads(each) for each in capsys.readouterr().out.splitlines()]
    (trial,) = (home / "eval").iterdir()
    assert (trial / "cloister.toml").is_file() and not (home / "audit").exists()
    assert first[0]["unsupported_facts"] == 0.0 and first[0]["counts"]["answerable"] == 2
    assert run(command) == failures.OK
    second = [json.loads(each) for each in capsys.readouterr().out.splitlines()]
    assert second == first and len(told.read_text().splitlines()) == 6
