"""What a reader of an answer must know about its sources: how they were read, and whether they are
still in force. Pure."""

from __future__ import annotations

from assistant.answer import Force
from index.completeness import SURE
from index.document import Document, Method, Page, Status
from index.effective import Standing

PLAIN = Standing(in_force=True)  # of a document that is simply current


def warning_of(
    document: Document,
    page: Page | None = None,
    standing: Standing = PLAIN,
    today: str = "",
) -> str:
    """Sentences on what was not read whole or with doubt, and on what is no longer in force or will
    cease to be; "" if there is nothing to say.

    Without a page they are on the document alone. `today` is an ISO 8601 day.
    """
    said = (_ending(document, standing, today), _reading(document, page))
    return " ".join(sentence for sentence in said if sentence)


def force_of(document: Document, standing: Standing = PLAIN, today: str = "") -> Force:
    """What is known of when `document` is in force; `today` is an ISO 8601 day."""
    on, by = standing.superseded_on, standing.superseded_by
    return Force(
        superseded=_is_superseded(document, standing, today),
        superseded_on=on or None,
        superseded_by=by.source if by is not None else None,
        effective_from=document.effective_from,
        effective_to=document.effective_to,
    )


def _is_superseded(document: Document, standing: Standing, today: str) -> bool:
    if standing.superseded_on is not None:
        return standing.superseded_on <= today
    return document.status is Status.SUPERSEDED


def _ending(document: Document, standing: Standing, today: str) -> str:
    """One sentence if the document has ended by `today` or is known to end."""
    ends, on = document.effective_to, standing.superseded_on
    if ends is not None and (on is None or ends < on):
        if ends < today:
            return f"This document was in force until {ends}."
        return f"This document is in force until {ends} only."
    if on is not None:
        by = _successor(document, standing)
        on_day = f" on {on}" if on else ""
        if on > today:
            return f"This version will be superseded{on_day}{by}."
        return f"This version was superseded{on_day}{by}."
    if document.status is Status.WITHDRAWN:
        on_day = f" on {standing.withdrawn_on}" if standing.withdrawn_on is not None else ""
        return f"This document was withdrawn{on_day}."
    if document.status is Status.SUPERSEDED:
        return "This version was superseded."
    return ""


def _successor(document: Document, standing: Standing) -> str:
    by = standing.superseded_by
    if by is None:
        return ""
    if by.source == document.source:
        return f" by version {by.version} of {by.source}"
    return f" by {by.source}"


def _reading(document: Document, page: Page | None) -> str:
    """One sentence if the document was not read whole or the page with doubt."""
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
