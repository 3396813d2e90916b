"""Reading a judged set and scoring a search over it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assistant.errors import EvaluationSetUnusable
from assistant.evaluate import evaluate_retrieval, read_beir


def beir(folder: Path, judgements: str = "q1\ta\t1\nq2\tb\t1\nq2\tc\t1\n") -> Path:
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text('{"_id": "a", "title": "", "text": "one"}\n')
    queries = [
        {"_id": "q1", "text": "first"},
        {"_id": "q2", "text": "second"},
        {"_id": "q3", "text": "x"},
    ]
    (folder / "queries.jsonl").write_text("".join(json.dumps(q) + "\n" for q in queries))
    (folder / "qrels" / "dev.tsv").write_text("query-id\tcorpus-id\tscore\n" + judgements)
    return folder


def test_only_judged_questions_are_asked_and_a_record_counts_once(tmp_path: Path) -> None:
    judged = read_beir(beir(tmp_path / "set"), "dev")
    asked: list[str] = []

    def search(question: str, k: int) -> list[str]:
        asked.append(question)
        return {"first": ["z", "z", "a"], "second": ["b", "y"]}[question]

    report = evaluate_retrieval(judged, search, 10)
    assert asked == ["first", "second"]
    assert report.questions == 2
    assert report.recall == pytest.approx((1.0 + 0.5) / 2)
    assert report.average_precision == pytest.approx((1 / 2 + 1 / 2) / 2)


@pytest.mark.parametrize("missing", ["corpus.jsonl", "queries.jsonl", "qrels/dev.tsv"])
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    folder = beir(tmp_path / "set")
    (folder / missing).unlink()
    with pytest.raises(EvaluationSetUnusable, match=missing):
        read_beir(folder, "dev")


@pytest.mark.parametrize(
    ("judgements", "words"),
    [("q1 a 1\n", "line 2"), ("q9\ta\t1\n", "question q9"), ("q1\ta\tmany\n", "line 2")],
)
def test_a_bad_judgement_is_named(tmp_path: Path, judgements: str, words: str) -> None:
    with pytest.raises(EvaluationSetUnusable, match=words):
        read_beir(beir(tmp_path / "set", judgements), "dev")


def test_a_bad_query_line_is_named(tmp_path: Path) -> None:
    folder = beir(tmp_path / "set")
    (folder / "queries.jsonl").write_text("not json\n")
    with pytest.raises(EvaluationSetUnusable, match="line 1"):
        read_beir(folder, "dev")
