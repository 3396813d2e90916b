"""What a reader of an answer must know about how its sources were read. Pure."""

from __future__ import annotations

from index.completeness import SURE
from index.document import Document, Method, Page


def warning_of(document: Document, page: Page | None = None) -> str:
    """One sentence if `document` was not read whole or `page` was read with doubt; else "".

    Without a page the sentence is on the document alone.
    """
    stated = document.completeness
    if stated is not None and not stated.complete:
        return stated.warning
    if page is None:
        return stated.warning if stated is not None else ""
    recognised = page.method in (Method.OCR, Method.MIXED)
    if recognised and page.confidence is not None and page.confidence < SURE:
        return (
            f"This page was read by text recognition with {page.confidence:.0%} confidence; "
            "check the picture of the page."
        )
    return ""
