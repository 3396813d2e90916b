"""What a sweep is asked for and what comes of it: plain frozen data, and its sentence. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from assistant import counting
from assistant.answer import Asker, Citation
from assistant.counting import Counting, Kind
from assistant.sweep_verdict import Reason, Verdict
from index.effective import today

_NAMED = 10  # failed documents that the sentence names


@dataclass(frozen=True, slots=True)
class Request:
    """A question to every document in `collections` (None: all that the asker may read) that
    `sources` name (none: all) and that is in force on `as_of` (ISO 8601; None: today).

    `kind` overrides what the rules make of the question. `folder` is where rows are kept until the
    sweep is finished, None for nowhere; `fresh` throws away what is kept there of this sweep.
    """

    asker: Asker
    question: str
    collections: frozenset[str] | None = None
    sources: tuple[str, ...] = ()
    kind: Kind | None = None
    as_of: str | None = None
    folder: Path | None = None
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """What one document says.

    `quote` is the sentence as a person reads it, `value` the fact asked for if one was; `warning`
    says that the document was not read whole or is not simply in force; `reason` why the row is not
    plainly found or not found.
    """

    document: str
    source: str
    title: str
    collection: str
    verdict: Verdict
    value: str = ""
    quote: str = ""
    citations: tuple[Citation, ...] = ()
    reason: str = ""
    code: Reason = Reason.NONE
    warning: str = ""
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class SweepResult:
    """All rows by collection and source, and what they amount to.

    `question` is what was put to each document; `absent` says that the documents without it were
    asked for. `dropped` counts rows that were kept of documents which the asker may not read any
    more, or which are gone. `counts` are the documents by verdict, `values` those found by value.
    """

    sweep: str
    question: str
    kind: Kind
    absent: bool
    day: str
    rows: tuple[Row, ...]
    counts: Mapping[Verdict, int]
    values: tuple[tuple[str, int], ...]
    dropped: int
    resumed: int
    sentence: str
    record: str = ""
    seconds: float = 0.0

    @property
    def failed(self) -> tuple[Row, ...]:
        """The rows of documents that could not be read."""
        return tuple(row for row in self.rows if row.verdict is Verdict.FAILED)


def identity(request: Request) -> str:
    """What is the same for a sweep and the one that goes on with it."""
    told = [
        request.asker.id,
        asked_of(request).question,
        asked_of(request).about,
        asked_of(request).kind,
        sorted(request.collections) if request.collections is not None else None,
        list(request.sources),
        request.as_of,
    ]
    return hashlib.sha256(json.dumps(told).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def asked_of(request: Request) -> Counting:
    found = counting.for_each(request.question)
    return found if request.kind is None else replace(found, kind=request.kind)


def said(result: SweepResult) -> str:
    """What came of a sweep, in sentences: how many were read, which failed, what was found."""
    counts, failed = result.counts, result.failed
    total = len(result.rows)
    if not total:
        return "There is no document to read: none is in force in what you may read."
    names = ", ".join(row.source for row in failed[:_NAMED])
    more = f" and {len(failed) - _NAMED:,} more" if len(failed) > _NAMED else ""
    which = f", {len(failed):,} failed: {names}{more}" if failed else ""
    parts = [f"{total - len(failed):,} of {total:,} read{which}."]
    there = f"{counts[Verdict.FOUND]:,} found, {counts[Verdict.NOT_FOUND]:,} not found"
    parts.append(f"{there}, {counts[Verdict.UNCLEAR]:,} unclear: read these.")
    if not counts[Verdict.UNCLEAR]:
        parts[-1] = f"{there}."
    if result.absent:
        parts.append("The question asks for those without it: the rows NOT_FOUND.")
    if result.dropped:
        parts.append(
            f"{result.dropped:,} rows of an earlier run are left out: their documents are gone, "
            "not in force, or no longer yours to read."
        )
    if result.day != today():
        parts.append(f"Asked of what was in force on {result.day}.")
    return " ".join(parts)
