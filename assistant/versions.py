"""Which document a task means by a source or id and a day, old versions included, and reading it.

A name alone is what is in force today. With a day it is what was in force on that day, and an id is
that document whatever its status: a draft is compared with the policy it is to replace, an old
version with the one that followed. Rights are the scope's, as everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from assistant.layout import lay_out
from assistant.ports import Library
from assistant.task import Placed, Reading, TaskRecord
from audit.errors import AuditError
from index.document import Document, Scope
from index.effective import Standing, today
from index.errors import NotFound

_BATCH = 32  # texts embedded together: as often is it asked whether anybody still waits


class Cancelled(Exception):
    """Nobody waits for the result any more."""


@runtime_checkable
class Archive(Protocol):
    """A library that can also list what is not in force, which the port does not ask of it."""

    def all_documents(self, scope: Scope) -> Sequence[Document]:
        """The documents of every status within `scope`, old versions included."""
        ...


def held(library: Library, scope: Scope) -> tuple[Document, ...]:
    """Everything within `scope`, old versions included, by collection, source and version."""
    found = library.all_documents(scope) if isinstance(library, Archive) else (
        library.documents(scope)
    )  # fmt: skip
    return tuple(sorted(found, key=lambda each: (each.collection, each.source, each.version)))


def in_force(
    library: Library, documents: Sequence[Document], scope: Scope, day: str
) -> tuple[Document, ...]:
    """Those of `documents` that were in force on `day`, in their order."""
    standings = library.standings(documents, scope, day)
    missing = Standing(in_force=False)
    return tuple(
        each for each in documents if standings.get((each.collection, each.id), missing).in_force
    )


def chosen(
    library: Library, scope: Scope, sources: Sequence[str], day: str | None
) -> tuple[Document, ...]:
    """The documents that a request names by source or id, in that order, or all; in force on `day`
    (None: today). Raises NotFound, naming it, for one that is not there."""
    known = in_force(library, held(library, scope), scope, day or today())
    if not sources:
        return known
    found: dict[tuple[str, str], Document] = {}
    for name in sources:
        named = [each for each in known if name in (each.source, each.id)]
        if not named:
            raise NotFound(f"document {name}{_then(day)}")
        found.update({(each.collection, each.id): each for each in named})
    return tuple(found.values())


def _then(day: str | None) -> str:
    return "" if day is None else f" in force on {day}"


def one(library: Library, scope: Scope, name: str, day: str | None) -> Document:
    """The one document that a name and a day mean. Raises NotFound, naming it."""
    known = held(library, scope)
    by_id = [each for each in known if each.id == name]
    if by_id:
        return (in_force(library, by_id, scope, day or today()) or by_id)[0]
    named = [each for each in known if each.source == name]
    there = in_force(library, named, scope, day or today())
    if not there and day is None:  # what is a draft, or was withdrawn, is the only one of its name
        there = tuple(named) if len(named) == 1 else ()
    if not there:
        raise NotFound(f"document {name}{_then(day)}")
    return there[-1]


def previous(library: Library, scope: Scope, document: Document) -> Document:
    """The version of its source before a document. Raises NotFound if that is the first."""
    older = [
        each
        for each in held(library, scope)
        if (each.collection, each.source) == (document.collection, document.source)
        and each.version < document.version
    ]
    if not older:
        raise NotFound(f"earlier version of {document.source}")
    return max(older, key=lambda each: each.version)


def whole(library: Library, document: Document, scope: Scope, day: str | None) -> Reading:
    """A document whole, whether or not it is in force; how it stands is as of `day` (None: today).

    Raises NotFound for a document that is out of scope or gone.
    """
    standings = library.standings((document,), scope, day or today())
    standing = standings.get((document.collection, document.id))
    if standing is None:
        raise NotFound(f"document {document.source}")
    pages = tuple(
        library.page(document.id, number, scope) for number in range(1, document.pages + 1)
    )
    units = tuple(
        Placed(page.number, position, unit)
        for page in pages
        for position, unit in enumerate(lay_out(page))
    )
    return Reading(document, standing, pages, units)


def embedded(
    library: Library, texts: Sequence[str], cancelled: Callable[[], bool]
) -> NDArray[np.float32]:
    """Unit vectors of `texts` (n, dimensions), in batches of like length, since a batch costs as
    much as its longest text times their number. Raises Cancelled between two batches."""
    order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
    vectors = np.zeros((len(texts), library.embedder.dimensions), np.float32)
    for first in range(0, len(order), _BATCH):
        if cancelled():
            raise Cancelled
        batch = order[first : first + _BATCH]
        vectors[batch] = library.embedder.embed_passages([texts[number] for number in batch])
    return vectors


@contextmanager
def ended(record: TaskRecord) -> Iterator[None]:
    """Record how a task ended if it did not end well: cancelled or left (which ends the block in
    silence), or by an error, which goes on. A log that cannot be written to is not asked again."""
    try:
        yield
    except AuditError:
        raise
    except Cancelled:
        record.failed("CANCELLED", _LEFT)
    except GeneratorExit:
        record.failed("CANCELLED", _LEFT)
        raise
    except Exception as error:
        record.failed(type(error).__name__, str(error))
        raise


_LEFT = "The reader left before the result was complete."
