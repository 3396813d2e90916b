"""What is said of a source that was not read whole, or with doubt."""

from __future__ import annotations

from dataclasses import replace

from assistant.answer import Force
from assistant.citations import Numbering
from assistant.doubt import PLAIN, force_of, warning_of
from assistant.quotes import Span
from assistant.retrieval import passage
from index.completeness import Completeness
from index.document import Chunk, Document, Hit, Method, Page, Status
from index.effective import Standing

WHOLE = Completeness(10, 10, 0, 0, 0, 1000, 1000)


def _document(stated: Completeness | None) -> Document:
    return Document("d", "c", "s.pdf", "S", "application/pdf", completeness=stated)


def test_a_document_that_was_read_whole_needs_no_warning() -> None:
    page = Page(1, "six years")

    assert warning_of(_document(WHOLE), page) == ""
    assert warning_of(_document(None), page) == ""


def test_unread_pages_are_said() -> None:
    stated = Completeness(10, 8, 0, 2, 0, 1000, 1000)

    assert warning_of(_document(stated)) == (
        "Only 80.0% of this document could be read; 2 of 10 pages gave no text."
    )


def test_lost_characters_are_said() -> None:
    assert "99.0%" in warning_of(_document(Completeness(1, 1, 0, 0, 0, 1000, 990)))
    assert warning_of(_document(Completeness(1, 1, 0, 0, 0, 1000, 995))) == ""
    running = Completeness(1, 1, 0, 0, 0, 1000, 900, set_aside=100)
    assert warning_of(_document(running)) == ""


def test_doubtful_recognition_is_said_of_the_page_that_is_cited() -> None:
    stated = Completeness(2, 2, 1, 0, 0, 1000, 1000, confidence=0.9)
    doubtful = Page(1, "six years", method=Method.OCR, confidence=0.5)
    clear = Page(2, "six years", method=Method.OCR, confidence=0.95)

    assert "50% confidence" in warning_of(_document(stated), doubtful)
    assert warning_of(_document(stated), clear) == ""


def test_citations_and_passages_carry_the_warning() -> None:
    document = _document(Completeness(10, 8, 0, 2, 0, 1000, 1000))
    page = Page(3, "Kept for six years.")
    citation, _ = Numbering().cite(Span("d", 3, 0, 4), document, page)
    hit = Hit(Chunk("k", "d", 3, 0, 4, "Kept"), document, 1, 0.5, 0.5, None)

    assert citation.warning == passage(hit).warning != ""


def test_what_has_ended_or_ends_is_said_with_its_day() -> None:
    plain = _document(WHOLE)
    old = replace(plain, status=Status.SUPERSEDED)
    by_name = Standing(False, "2025-07-01", replace(plain, source="new.pdf"))
    by_version = Standing(True, "2025-07-01", replace(plain, version=3))

    def said(document: Document, standing: Standing, today: str = "2025-08-01") -> str:
        return warning_of(document, None, standing, today)

    assert said(old, by_name) == "This version was superseded on 2025-07-01 by new.pdf."
    assert said(old, by_version, "2025-06-30") == (
        "This version will be superseded on 2025-07-01 by version 3 of s.pdf."
    )
    assert said(old, Standing(in_force=True)) == "This version was superseded."
    withdrawn = replace(plain, status=Status.WITHDRAWN)
    assert said(withdrawn, Standing(False, withdrawn_on="2025-07-01")) == (
        "This document was withdrawn on 2025-07-01."
    )
    ending = replace(plain, effective_to="2025-12-31")
    assert said(ending, PLAIN) == "This document is in force until 2025-12-31 only."
    assert said(ending, PLAIN, "2026-01-01") == "This document was in force until 2025-12-31."
    assert said(replace(ending, effective_to="2025-06-30"), by_name) == (
        "This document was in force until 2025-06-30."
    )
    unread = replace(ending, completeness=Completeness(10, 8, 0, 2, 0, 1000, 1000))
    assert said(unread, PLAIN).startswith("This document is in force until 2025-12-31 only. Only ")


def test_whether_it_is_superseded_depends_on_the_day_of_reading() -> None:
    old = replace(_document(WHOLE), status=Status.SUPERSEDED, effective_from="2024-01-01")
    standing = Standing(True, "2025-07-01", replace(old, source="new.pdf"))

    assert not force_of(old, standing, "2025-06-30").superseded
    assert force_of(old, standing, "2025-07-01") == Force(
        True, "2025-07-01", "new.pdf", "2024-01-01", None
    )
    assert force_of(_document(WHOLE)) == Force()
