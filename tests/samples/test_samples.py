"""The sample documents are what their sources say; the questions are answered where they say."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.samples.pages import pages_of, squeeze

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
DOCUMENTS = SAMPLES / "documents"
QUESTIONS: list[dict[str, Any]] = [
    json.loads(line)
    for line in (SAMPLES / "questions.jsonl").read_text(encoding="utf-8").splitlines()
]
ANSWERABLE = [question for question in QUESTIONS if question["expected"]]
MOST_WORDS_ON_A_WORD_PAGE = (
    450  # so that Word breaks where the explicit breaks are and nowhere else
)


@cache
def pages(source: str) -> list[str]:
    return pages_of(DOCUMENTS / source)


def files(folder: Path) -> dict[str, str]:
    """Every file below `folder` with the SHA-256 of its bytes."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_rebuilding_gives_the_committed_bytes(tmp_path: Path) -> None:
    command = [sys.executable, str(SAMPLES / "build.py"), "--out", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    assert files(tmp_path) == files(DOCUMENTS)


def test_the_corpus_is_large_enough_and_in_every_format() -> None:
    counted = {source: len(pages(source)) for source in files(DOCUMENTS)}
    assert len(counted) >= 14
    assert sum(counted.values()) >= 70
    assert {Path(source).suffix for source in counted} == {".pdf", ".docx", ".html", ".md", ".txt"}


def test_no_page_is_empty_or_cut_off() -> None:
    short = {
        (source, number): len(text.split())
        for source in files(DOCUMENTS)
        for number, text in enumerate(pages(source), 1)
        if len(text.split()) < 70
    }
    assert short == {}


def test_pages_of_word_documents_fit_on_a_sheet() -> None:
    words = [len(page.split()) for path in DOCUMENTS.rglob("*.docx") for page in pages_of(path)]
    assert words
    assert max(words) < MOST_WORDS_ON_A_WORD_PAGE


def test_superseded_versions_say_so_on_every_page() -> None:
    old = [source for source in files(DOCUMENTS) if source.startswith("superseded/")]
    assert len(old) == 2
    assert all("SUPERSEDED on" in page for source in old for page in pages(source))


def test_the_readme_counts_every_document() -> None:
    readme = (SAMPLES / "README.md").read_text(encoding="utf-8")
    for source in files(DOCUMENTS):
        assert f"| `{source}` | {len(pages(source))} |" in readme


def test_the_questions_are_of_the_kinds_agreed() -> None:
    assert Counter(question["kind"] for question in QUESTIONS) == {
        "single": 32,
        "two-documents": 6,
        "unanswerable": 12,
    }
    assert len({question["id"] for question in QUESTIONS}) == 50
    assert len({question["question"] for question in QUESTIONS}) == 50


def test_each_question_expects_as_many_places_as_its_kind_says() -> None:
    places = {"single": 1, "two-documents": 2, "unanswerable": 0}
    for question in QUESTIONS:
        expected = question["expected"]
        assert len(expected) == places[question["kind"]], question["id"]
        assert len({place["source"] for place in expected}) == len(expected), question["id"]


def test_the_demo_shows_one_question_of_each_kind() -> None:
    demo = [question["kind"] for question in QUESTIONS if question.get("demo")]
    assert sorted(demo) == ["single", "two-documents", "unanswerable"]


@pytest.mark.parametrize("question", ANSWERABLE, ids=lambda question: question["id"])
def test_the_answer_stands_on_the_page_named(question: dict[str, Any]) -> None:
    for place in question["expected"]:
        assert squeeze(place["answer"]) in pages(place["source"])[place["page"] - 1]


def test_current_rules_are_expected_from_current_documents() -> None:
    for question in ANSWERABLE:
        for place in question["expected"]:
            assert not place["source"].startswith("superseded/"), question["id"]
