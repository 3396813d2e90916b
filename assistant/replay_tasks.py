"""What can be verified of a task's records: that each place it cites still reads as it was quoted.

A task (sweep, extract, classify, summarise, compare) is not run again: its steps depend on each
other and on when it was stopped and resumed. What it showed rests on its citations, and those are
held against the pinned documents.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from assistant.ports import Library
from assistant.replay_record import Fields, Kept
from index.document import Scope
from index.errors import NotFound


@dataclass(frozen=True, slots=True)
class Place:
    """A cited place: `reads` is what stands there now, None if the document is gone."""

    document: str
    source: str
    page: int
    start: int
    end: int
    quote: str
    reads: str | None

    @property
    def holds(self) -> bool:
        return self.reads == self.quote


@dataclass(frozen=True, slots=True)
class Verified:
    """A task's citations, each place once; `calls` of models that the records hold."""

    task: str
    places: tuple[Place, ...]
    calls: int

    @property
    def broken(self) -> tuple[Place, ...]:
        """Those that do not read as they were quoted."""
        return tuple(each for each in self.places if not each.holds)


def verify(library: Library, scope: Scope, records: Sequence[Kept]) -> Verified:
    """Hold every citation in the payloads against the documents within `scope`.

    Raises ReplayImpossible if a payload was erased, and IndexFailure.
    """
    cited: dict[tuple[str, int, int, int, str], str] = {}
    calls = 0
    for record in records:
        calls += record.type == "task.item" and record.fields.get("part") == "model"
        if record.payload is None and not record.erased:
            continue
        for each in _citations(record.text):
            key = (
                str(each["document"]), int(each["page"]), int(each["start"]), int(each["end"]),
                str(each["quote"]),
            )  # fmt: skip
            cited.setdefault(key, str(each.get("source", "")))
    places = tuple(
        Place(
            document,
            source,
            page,
            start,
            end,
            quote,
            _reads(library, scope, document, page, start, end),
        )
        for (document, page, start, end, quote), source in cited.items()
    )
    return Verified(str(records[0].fields.get("task", "")), places, calls)


def _citations(value: Any) -> Iterator[Fields]:
    """Every citation anywhere in a payload."""
    if isinstance(value, dict):
        if value.keys() >= {"document", "page", "start", "end", "quote"}:
            yield value
        for each in value.values():
            yield from _citations(each)
    elif isinstance(value, list):
        for each in value:
            yield from _citations(each)


def _reads(
    library: Library, scope: Scope, document: str, page: int, start: int, end: int
) -> str | None:
    try:
        return library.page(document, page, scope).text[start:end]
    except NotFound:
        return None
