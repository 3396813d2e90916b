"""`cloister eval retrieval`: what it refuses before it begins, what it prints, how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from assistant import trials
from assistant.trials import Retrieval
from tests.assistant.eval_sets import lines, write_set
from tests.assistant.pipeline_standins import ANNA, MemoryLog
from tests.assistant.test_trials import DatedLibrary
from ui import composition, failures
from ui.main import run

QUESTIONS = [
    {"_id": "1", "text": "How long are due diligence records retained? <script>"},
    {"_id": "2", "text": "How long are marketing consent records kept?"},
]
JUDGEMENTS = [("1", "aml.md#1", 1), ("2", "privacy.md", 1)]


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    return write_set(tmp_path / "set", QUESTIONS, JUDGEMENTS)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose documents are in memory, with a log that keeps what is recorded."""

    @contextmanager
    def log(home: Path) -> Iterator[MemoryLog]:
        yield MemoryLog()

    @contextmanager
    def searching(*args: object) -> Iterator[Retrieval]:
        yield Retrieval(DatedLibrary(), MemoryLog(), ANNA)

    monkeypatch.setattr(composition, "log", log)
    monkeypatch.setattr(trials, "open_retrieval", searching)
    return tmp_path / "home"


def evaluated(home: Path, folder: Path, *options: str) -> int:
    return run(["--home", str(home), "eval", "retrieval", str(folder), "--on-home", *options])


def test_json_keeps_the_promised_keys_and_stdout_is_json_only(
    home: Path, asked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluated(home, asked, "--json") == failures.OK
    (line,) = [json.loads(each) for each in capsys.readouterr().out.splitlines()]
    assert list(line)[:8] == [
        "set",
        "split",
        "questions",
        "recall@10",
        "map@10",
        "ndcg@10",
        "latency_p50_ms",
        "latency_p95_ms",
    ]
    assert (line["set"], line["split"], line["questions"], line["recall@10"]) == (
        "set",
        "dev",
        2,
        1.0,
    )
    assert line["document_recall@10"] == line["success@10"] == 1.0
    assert line["intervals"]["recall@10"] == [1.0, 1.0]
    assert (line["failed"], line["missing"], line["configuration"]) == (0, 0, "home")


def test_configurations_stand_side_by_side(
    home: Path, asked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wide = tmp_path / "wide.toml"
    wide.write_text("[index]\ncandidates = 400\n")
    options = ["--compare", "words,fused", "--config", f"wide={wide}"]
    assert evaluated(home, asked, *options, "--json") == failures.OK
    found = [json.loads(each) for each in capsys.readouterr().out.splitlines()]
    assert [each["configuration"] for each in found] == ["words", "fused", "wide"]
    assert "differences" not in found[0]
    assert found[2]["differences"]["recall@10"]["to"] == "words"
    assert evaluated(home, asked, *options) == failures.OK
    shown = capsys.readouterr().out
    assert "Differences to words" in shown and "wide" in shown


def test_a_file_alone_is_compared_with_the_homes_own_settings(
    home: Path, asked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wide = tmp_path / "wide.toml"
    wide.write_text("[index]\ncandidates = 400\n")
    assert evaluated(home, asked, "--config", f"wide={wide}", "--json") == failures.OK
    found = [json.loads(each) for each in capsys.readouterr().out.splitlines()]
    assert [each["configuration"] for each in found] == ["home", "wide"]


def test_a_floor_that_is_not_held_ends_with_5_after_everything_was_shown(
    home: Path, asked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines(asked / "queries.jsonl", [*QUESTIONS, {"_id": "3", "text": "Nothing at all?"}])
    with (asked / "qrels" / "dev.tsv").open("a") as file:
        file.write("3\taml.md#9\t1\n")
    told = tmp_path / "told.jsonl"
    options = ["--per-question", str(told), "--report", str(tmp_path / "report"), "--json"]
    floors = ["--floor", "recall@10=0.9", "--floor", "document_recall@1=0"]
    assert evaluated(home, asked, *options, *floors) == failures.FLOOR_MISSED == 5
    written = capsys.readouterr()
    (line,) = [json.loads(each) for each in written.out.splitlines()]
    assert (line["recall@10"], "document_recall@1" in line) == (0.5, True)
    assert "recall@10 of home is 0.5000 and the floor 0.9" in written.err
    assert "as much as 1 of the 2 questions" in written.err
    assert len(told.read_text().splitlines()) == 3
    assert {path.name for path in (tmp_path / "report").iterdir()} == {
        "report.md",
        "report.html",
        "results.json",
    }
    assert evaluated(home, asked, "--floor", "recall@10=0.5") == failures.OK


def test_documents_that_are_not_there_are_named_and_count_as_misses(
    home: Path, asked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (asked / "qrels" / "dev.tsv").write_text("1\taml.md#1\t1\n1\tgone\x1b.pdf#3\t1\n")
    assert evaluated(home, asked, "--json") == failures.OK
    written = capsys.readouterr()
    assert json.loads(written.out)["recall@10"] == 0.5
    assert json.loads(written.out)["missing"] == 1
    assert "count as misses: gone\\x1b.pdf" in " ".join(written.err.split())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--floor", "recall=0.5"], "--floor recall=0.5 is not like"),
        (["--floor", "recall@0=0.5"], "is not like"),
        (["--floor", "recall@101=0.5"], "is not like"),
        (["--floor", "recall@10=0..5"], "is not like"),
        (["--floor", "words:recall@10=0.5"], "which is not measured"),
        (["--floor", "precision@10=0.5"], "no measure precision@10"),
        (["--config", "wide"], "not NAME=FILE.toml"),
        (["--config", "wide=/nowhere.toml"], "not NAME=FILE.toml"),
        (["--compare", "words,words"], "same name"),
        (["--split", "test"], "test.tsv is missing"),
        (["--per-question", "/nowhere/told.jsonl"], "cannot be written"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_asked(
    home: Path,
    asked: Path,
    options: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert evaluated(home, asked, *options, "--json") == failures.USAGE
    written = capsys.readouterr()
    assert words in written.err
    assert written.err.count("\n") == 1
    assert not written.out


def test_an_unknown_configuration_ends_with_3(
    home: Path, asked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluated(home, asked, "--compare", "best") == failures.CONFIGURATION
    assert "no configuration 'best'" in capsys.readouterr().err


def test_a_set_of_other_documents_is_refused(
    home: Path, asked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (asked / "qrels" / "dev.tsv").write_text("1\tother.pdf#1\t1\n")
    assert evaluated(home, asked) == failures.USAGE
    assert "such as other.pdf" in capsys.readouterr().err


def test_a_scope_that_may_not_be_read_is_refused(
    home: Path, asked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines(asked / "queries.jsonl", [{**each, "scope": ["board"]} for each in QUESTIONS])
    assert evaluated(home, asked) == failures.USAGE
    assert "collections board" in capsys.readouterr().err


# -- the whole way, with files, readers, model and log ---------------------------------------------

LEAVE = "# Leave\n\nEvery employee has 28 days of annual leave, and five days of carer's leave.\n"
RECORDS = "# Records\n\nDue diligence records are retained for six years.\n"


def real(home: Path, folder: Path, *options: str) -> int:
    return run(["--home", str(home), "eval", "retrieval", str(folder), "--json", *options])


@pytest.mark.slow
def test_documents_by_collection_and_one_that_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_set(
        tmp_path / "set",
        [
            {"_id": "1", "text": "How many days of annual leave are there?", "scope": ["hr"]},
            {"_id": "2", "text": "How long are records retained?", "scope": ["law"]},
            {"_id": "3", "text": "How many days of annual leave are there?", "scope": ["law"]},
        ],
        [("1", "hr/leave.md#1", 1), ("2", "law/broken.pdf#1", 1), ("3", "hr/leave.md#1", 1)],
        documents={
            "hr/leave.md": LEAVE,
            "law/records.md": RECORDS,
            "law/broken.pdf": "no PDF at all",
        },
    )
    home, told = tmp_path / "home", tmp_path / "told.jsonl"
    assert real(home, folder, "--per-question", str(told)) == failures.OK
    written = capsys.readouterr()
    found = json.loads(written.out)
    assert (found["failed"], found["missing"]) == (1, 1)
    assert "broken.pdf" in written.err
    ranks = {
        each["_id"]: each["gold_rank"]["page"]
        for each in map(json.loads, told.read_text().splitlines())
    }
    assert ranks == {"1": 1, "2": None, "3": None}  # the third is not allowed to see it
    assert not (home / "catalogue.db").exists()  # nothing went into the user's own documents
    assert real(home, folder, "--fresh", "--compare", "words,vectors,fused") == failures.OK
    again = [json.loads(each) for each in capsys.readouterr().out.splitlines()]
    assert [each["failed"] for each in again] == [1, 1, 1]
    assert again[2]["recall@10"] == found["recall@10"]


@pytest.mark.slow
def test_ones_own_documents_are_asked_and_the_log_shows_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, documents = tmp_path / "home", tmp_path / "documents"
    documents.mkdir()
    (documents / "leave.md").write_text(LEAVE)
    (documents / "records.md").write_text(RECORDS)
    assert run(["--home", str(home), "ingest", "add", str(documents)]) == failures.OK
    folder = write_set(
        tmp_path / "set",
        [{"_id": "1", "text": "How many days of annual leave are there?"}],
        [("1", "leave.md#1", 1)],
    )
    capsys.readouterr()
    assert real(home, folder, "--on-home", "--floor", "recall@1=1") == failures.OK
    assert json.loads(capsys.readouterr().out)["recall@1"] == 1.0
    assert not (home / "eval").exists()
    assert run(["--home", str(home), "audit", "list", "--json"]) == failures.OK
    types = [json.loads(each)["type"] for each in capsys.readouterr().out.splitlines()]
    assert types.count("search.released") == 2  # one of them to load the model
    assert "documents.listed" in types
