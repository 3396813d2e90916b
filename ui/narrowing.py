"""Which documents a request names, by the source or the id that a reader sees."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

from assistant.answer import Asker
from ui.errors import UsageError


class Named(Protocol):
    """A document, as far as it can be named."""

    @property
    def id(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def collection(self) -> str: ...


class Lists(Protocol):
    """What tells which documents a person may read."""

    def documents(self, asker: Asker, as_of: str | None = None) -> Sequence[Named]:
        """The documents in force on that day that the asker may read; recorded."""
        ...


class NoDocument(UsageError):
    """A document that is not there, or not there for this reader: nobody learns which."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"There is no document {name[:200]} that you may read here: name one by its source or "
            "its id, as `cloister ingest list` shows them."
        )


def ids_of(
    assistant: Lists,
    asker: Asker,
    names: Iterable[str] | None,
    collections: Collection[str] | None = None,
    as_of: str | None = None,
) -> frozenset[str] | None:
    """The ids of the documents of these names within `collections` (None: all) that are in force
    on the day `as_of` (None: today); a source that several collections hold stands for all of
    them. None, and nothing is listed, without names.

    Raises NoDocument, and what listing raises.
    """
    wanted = tuple(names or ())
    if not wanted:
        return None
    ids: dict[str, set[str]] = {}
    for each in assistant.documents(asker, as_of):
        if collections is None or each.collection in collections:
            for name in (each.source, each.id):
                ids.setdefault(name, set()).add(each.id)
    for name in wanted:
        if name not in ids:
            raise NoDocument(name)
    return frozenset(found for name in wanted for found in ids[name])
