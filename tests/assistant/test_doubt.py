"""What is said of a source that was not read whole, or with doubt."""

from __future__ import annotations

from assistant.citations import Numbering
from assistant.doubt import warning_of
from assistant.quotes import Span
from assistant.retrieval import passage
from index.completeness import Completeness
from index.document import Chunk, Document, Hit, Method, Page

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
