"""Reading judged sets: the three kinds of folder, and every way in which a file can be no good."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant.errors import EvaluationSetUnusable
from assistant.judged import Kind, read_set
from tests.assistant.eval_sets import beir, lines, write_set


def scoped(folder: Path, scope: object = ("law", "tax")) -> Path:
    return write_set(
        folder,
        [{"_id": 7, "text": "What is due?", "scope": scope, "as_of": "2025-06-30"}],
        [("7", "law/act.txt#2", 1)],
        documents={"law/act.txt": "one", "tax/act.txt": "two", "loose.txt": "three"},
    )


def test_only_judged_questions_are_read_in_the_order_of_the_judgements(tmp_path: Path) -> None:
    judged = read_set(beir(tmp_path / "set"), "dev")
    assert judged.kind is Kind.BEIR
    assert [(each.id, each.text) for each in judged.questions] == [
        ("q1", "first"),
        ("q2", "second"),
    ]
    assert judged.questions[1].judged == {"b": 1, "c": 1}
    assert judged.parts == {"default": (tmp_path / "set" / "corpus.jsonl",)}


def test_folders_are_collections_when_a_question_names_a_scope(tmp_path: Path) -> None:
    judged = read_set(scoped(tmp_path / "set"), "dev")
    documents = tmp_path / "set" / "documents"
    assert judged.by_folder
    assert judged.parts == {
        "law": (documents / "law",),
        "tax": (documents / "tax",),
        "default": (documents / "loose.txt",),
    }
    (question,) = judged.questions
    assert (question.id, question.scope, question.as_of) == (
        "7",
        frozenset({"law", "tax"}),
        "2025-06-30",
    )
    assert set(judged.files) == {"law/act.txt", "tax/act.txt", "loose.txt"}


def test_without_a_scope_all_documents_are_one_collection(tmp_path: Path) -> None:
    folder = scoped(tmp_path / "set")
    lines(folder / "queries.jsonl", [{"_id": "7", "text": "What is due?"}])
    judged = read_set(folder, "dev")
    assert (judged.by_folder, judged.parts) == (False, {"default": (folder / "documents",)})
    assert judged.questions[0].scope is None


def test_on_a_home_documents_are_left_alone(tmp_path: Path) -> None:
    folder = scoped(tmp_path / "set", ["not", "a folder"])
    judged = read_set(folder, "dev", on_home=True)
    assert (judged.kind, judged.parts, judged.files) == (Kind.HOME, {}, {})
    assert judged.questions[0].scope == {"not", "a folder"}


def test_the_digest_changes_with_questions_judgements_and_documents(tmp_path: Path) -> None:
    folder = scoped(tmp_path / "set")
    before = read_set(folder, "dev")
    assert read_set(folder, "dev").digest == before.digest
    (folder / "documents" / "tax" / "act.txt").write_text("changed")
    documents = read_set(folder, "dev")
    (folder / "qrels" / "dev.tsv").write_text("7\tlaw/act.txt#2\t2\n")
    judgements = read_set(folder, "dev")
    assert len({before.digest, documents.digest, judgements.digest}) == 3
    assert before.corpus_digest != documents.corpus_digest == judgements.corpus_digest


@pytest.mark.parametrize("missing", ["queries.jsonl", "qrels/dev.tsv"])
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    folder = beir(tmp_path / "set")
    (folder / missing).unlink()
    with pytest.raises(EvaluationSetUnusable, match=missing):
        read_set(folder, "dev")


def test_a_set_without_documents_says_how_to_ask_ones_own(tmp_path: Path) -> None:
    folder = beir(tmp_path / "set")
    (folder / "corpus.jsonl").unlink()
    with pytest.raises(EvaluationSetUnusable, match="--on-home"):
        read_set(folder, "dev")
    assert read_set(folder, "dev", on_home=True).kind is Kind.HOME
    (folder / "documents").mkdir()
    with pytest.raises(EvaluationSetUnusable, match="holds no file"):
        read_set(folder, "dev")


@pytest.mark.parametrize(
    ("judgements", "words"),
    [
        ("head\nq1 a 1\n", "line 2"),
        ("head\nq1\ta\tmany\n", "line 2"),
        ("head\nq1\t0\ta\t1\n", "line 2"),  # TREC's own four columns
        ("head\nq1\ta\t1\nq1\ta\t0\n", "line 3, judges a for question q1 a second time"),
        ("head\n\nq9\ta\t1\n", "question q9"),
        ("head\n", "judges nothing"),
        ("", "judges nothing"),
    ],
)
def test_a_bad_judgement_is_named(tmp_path: Path, judgements: str, words: str) -> None:
    folder = beir(tmp_path / "set")
    (folder / "qrels" / "dev.tsv").write_text(judgements)
    with pytest.raises(EvaluationSetUnusable, match=words):
        read_set(folder, "dev")


def test_a_first_line_that_is_a_judgement_is_not_taken_for_a_head(tmp_path: Path) -> None:
    folder = beir(tmp_path / "set")
    (folder / "qrels" / "dev.tsv").write_text("q1\ta\t1\r\nq2\tb\t1\r\n")
    assert [each.id for each in read_set(folder, "dev").questions] == ["q1", "q2"]


@pytest.mark.parametrize(
    "line",
    [
        b"not json",
        b"[]",
        b'"text"',
        b'{"_id": "q1"}',
        b'{"_id": "q1", "text": " "}',
        b'{"_id": "q1", "text": 3}',
        b'{"_id": null, "text": "x"}',
        b'{"_id": "q1", "text": "\\ud800"}',
        b'{"_id": "q1", "text": "x", "scope": "law"}',
        b'{"_id": "q1", "text": "x", "scope": [1]}',
        b'{"_id": "q1", "text": "x", "as_of": "30 June"}',
        b'{"_id": "q1", "text": "x", "as_of": 2025}',
        b"\xff\xfe",
    ],
)
def test_a_bad_question_is_named_by_its_line(tmp_path: Path, line: bytes) -> None:
    folder = beir(tmp_path / "set")
    (folder / "queries.jsonl").write_bytes(b'\n{"_id": "q0", "text": "fine"}\n' + line + b"\n")
    with pytest.raises(EvaluationSetUnusable, match="line 3"):
        read_set(folder, "dev")


def test_two_questions_of_one_id_are_named(tmp_path: Path) -> None:
    folder = beir(tmp_path / "set")
    lines(folder / "queries.jsonl", [{"_id": "q1", "text": "x"}, {"_id": "q1", "text": "y"}])
    with pytest.raises(EvaluationSetUnusable, match=r"line 2, has the _id q1"):
        read_set(folder, "dev")


def test_a_scope_without_a_folder_and_a_folder_that_names_no_collection(tmp_path: Path) -> None:
    with pytest.raises(EvaluationSetUnusable, match="question 7 names 'labour'"):
        read_set(scoped(tmp_path / "one", ["law", "labour"]), "dev")
    folder = scoped(tmp_path / "two")
    (folder / "documents" / "law").rename(folder / "documents" / "Law of 1990")
    with pytest.raises(EvaluationSetUnusable, match="'Law of 1990'"):
        read_set(folder, "dev")
    folder = scoped(tmp_path / "three")
    (folder / "documents" / "default").mkdir()
    with pytest.raises(EvaluationSetUnusable, match="beside a folder 'default'"):
        read_set(folder, "dev")
