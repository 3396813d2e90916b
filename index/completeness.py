"""How much of a document was read, and what was left out. Plain frozen data and its arithmetic.

Characters are counted without white space, so that layout does not move the figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ENOUGH = 0.995
"""The share of a document that must be in the index for it to count as complete."""

SURE = 0.80
"""Below this mean confidence of recognised words a document counts as read with doubt."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something on a page that a person who looks after documents should know.

    `kind` is a code of `ingest.pages.FindingKind`; `page` counts from 1, 0 for the whole document;
    `characters` are those concerned; `sample` is at most 120 characters of what was left out. It is
    shown to librarians only and is never searched.
    """

    kind: str
    page: int
    characters: int = 0
    sample: str = ""


@dataclass(frozen=True, slots=True)
class Completeness:
    """What was found in a document and how much of it is in the index.

    `characters` are those on its pages, `set_aside` those of them that are deliberately in no chunk
    (running heads and feet), `in_chunks` those in at least one chunk. `hidden` were left out before
    that, as nobody can see them. `pages_unread` hold something drawn that gave no text.
    `confidence` is the mean over recognised words, 0..1, None if none was recognised.
    """

    pages: int
    pages_with_text: int
    pages_by_ocr: int
    pages_unread: int
    tables: int
    characters: int
    in_chunks: int
    set_aside: int = 0
    hidden: int = 0
    confidence: float | None = None
    findings: tuple[Finding, ...] = field(default=())

    @property
    def share(self) -> float:
        """The share in the index, 0..1: the smaller of that of the pages and of the characters."""
        pages = 1 - self.pages_unread / self.pages if self.pages else 1.0
        wanted = self.characters - self.set_aside
        return min(pages, self.in_chunks / wanted if wanted > 0 else 1.0)

    @property
    def complete(self) -> bool:
        """Whether enough of it is in the index that an answer need not warn."""
        return self.share >= ENOUGH

    @property
    def doubtful(self) -> bool:
        """Whether its text was recognised with little confidence."""
        return self.confidence is not None and self.confidence < SURE

    @property
    def warning(self) -> str:
        """One sentence for the reader of an answer from this document; "" if none is due."""
        if not self.complete:
            unread = (
                f"; {self.pages_unread} of {self.pages} pages gave no text"
                if self.pages_unread
                else ""
            )
            return f"Only {self.share:.1%} of this document could be read{unread}."
        if self.doubtful:
            return (
                "This document was read by text recognition with "
                f"{self.confidence:.0%} confidence; check the page."
            )
        return ""


def to_json(found: Completeness) -> dict[str, Any]:
    """As plain values; `of_json` is the counterpart."""
    return {
        "pages": found.pages,
        "pages_with_text": found.pages_with_text,
        "pages_by_ocr": found.pages_by_ocr,
        "pages_unread": found.pages_unread,
        "tables": found.tables,
        "characters": found.characters,
        "in_chunks": found.in_chunks,
        "set_aside": found.set_aside,
        "hidden": found.hidden,
        "confidence": found.confidence,
        "findings": [
            [each.kind, each.page, each.characters, each.sample] for each in found.findings
        ],
    }


def of_json(values: Mapping[str, Any]) -> Completeness:
    """What `to_json` wrote."""
    known = dict(values)
    findings = tuple(Finding(*each) for each in known.pop("findings", ()))
    return Completeness(**known, findings=findings)
