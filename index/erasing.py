"""Erasing documents from the index for good: their rows, their views, their original files.

A document is erased with every source that holds its bytes and with its parts (attachments, members
of an archive): text that stays at another name would not be erased. Deleting is one transaction,
after which nothing is found any more; clearing the files (`clear`) may be done any number of times
and is finished by doing it again.

`remains` looks for what was erased through the stores' own libraries. It shares no code with the
deletion but the schema.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import delete, select

from index import changelog, journal, reading
from index.blobs import Blobs
from index.catalogue import Catalogue
from index.document import Document
from index.errors import IndexFailure
from index.records import Operation, Problem, SourceState
from index.schema import chunks, documents, pages, sources
from index.standing import settled
from index.upkeep import Upkeep
from index.views import Views

_ID_DIGITS = 8  # of a document's id suffice to name it, if no other begins so
_ROWS_AT_ONCE = 500
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Doomed:
    """What is to be erased: documents with their rows, the ids of their chunks, and the lines of
    the journal that go with them. `within` are documents that stay and whose original file holds
    one of these: a mail of which only an attachment was named."""

    keys: tuple[int, ...] = ()
    documents: tuple[Document, ...] = ()
    chunks: frozenset[str] = frozenset()
    sources: tuple[SourceState, ...] = ()
    within: tuple[Document, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the documents and of quarantined bytes, sorted, each once."""
        failed = {each.digest for each in self.sources if each.digest}
        return tuple(sorted({each.id for each in self.documents} | failed))

    @property
    def collections(self) -> frozenset[str]:
        """The collections that hold any of it."""
        held = {each.collection for each in self.documents}
        return frozenset(held | {each.collection for each in self.sources})

    @property
    def names(self) -> frozenset[str]:
        """Sources and paths: what names the files."""
        found = {each.source for each in self.documents}
        for each in self.sources:
            found |= {each.source, each.path}
        return frozenset(found - {""})


class Erasing:
    """Finds and erases documents. Every method may raise IndexFailure.

    The caller sees to it that nothing is ingested meanwhile, and has recorded what it does.
    """

    def __init__(
        self, catalogue: Catalogue, blobs: Blobs, shelves: Sequence[Views], upkeep: Upkeep
    ) -> None:
        self._catalogue = catalogue
        self._blobs = blobs
        self._shelves = shelves
        self._upkeep = upkeep

    # -- finding --------------------------------------------------------------------------------

    def find(self, name: str, collection: str = "") -> Doomed:
        """What `name` names, in `collection` or, if it is "", in all: a source with all versions,
        a document id (its first 8 digits or more) with that version only, or a file's path.

        Empty if it names nothing.
        """
        with self._catalogue.read() as connection:
            lines = _lines(connection, sources.c.source, [name], collection)
            keys = _keys(connection, documents.c.source, [name], collection)
            if not lines and not keys:
                lines = _lines(connection, sources.c.path, [name], collection)
            if lines or keys:
                return self._whole(connection, lines, keys, collection)
            beginning = name.lower()
            if len(beginning) < _ID_DIGITS or not beginning.isalnum():
                return Doomed()
            starts = documents.c.id.startswith(beginning)
            ids = set(connection.execute(select(documents.c.id).where(starts)).scalars())
        return self.with_ids(ids, (), collection) if len(ids) == 1 else Doomed()

    def with_ids(
        self, ids: Collection[str], named: Collection[tuple[str, str]], collection: str = ""
    ) -> Doomed:
        """The documents of these ids, the sources that hold them and those `named` by collection
        and source, and their parts."""
        with self._catalogue.read() as connection:
            keys = _keys(connection, documents.c.id, ids, collection)
            lines = _lines(connection, sources.c.document_key, keys, collection)
            for where, source in sorted(named):
                lines += reading.source_states(connection, where, source)
            return self._whole(connection, lines, keys, collection, versions=False)

    def _whole(
        self,
        connection: sa.Connection,
        lines: list[SourceState],
        keys: set[int],
        collection: str,
        *,
        versions: bool = True,
    ) -> Doomed:
        """These sources and documents with all that goes with them."""
        known: dict[tuple[str, str], SourceState] = {}
        waiting = list(lines)
        while True:
            for line in waiting:
                known[line.collection, line.source] = line
                keys |= self._of_line(connection, line, versions)
            ids = {each.id for each in reading.documents_at(connection, sorted(keys)).values()}
            keys |= _keys(connection, documents.c.id, ids, collection)
            names = {each.source for each in known.values()} - {""}
            linked = _lines(connection, sources.c.document_key, keys, collection)
            linked += [
                each
                for each in _lines(connection, sources.c.container, names, collection)
                if (each.collection, each.container) in known
            ]
            waiting = [each for each in linked if (each.collection, each.source) not in known]
            if not waiting:
                break
        held = reading.documents_at(connection, sorted(keys))
        return Doomed(
            tuple(sorted(held)),
            tuple(held[key] for key in sorted(held)),
            frozenset(_column(connection, chunks.c.id, chunks.c.document_key, held)),
            tuple(known[name] for name in sorted(known)),
            self._around(connection, tuple(held.values()), keys),
        )

    @staticmethod
    def _of_line(connection: sa.Connection, line: SourceState, versions: bool) -> set[int]:
        """What a source holds, its parts' documents and, if wanted, its earlier versions."""
        found = _keys(connection, documents.c.parent, [line.source], line.collection)
        if versions:
            found |= _keys(connection, documents.c.source, [line.source], line.collection)
        if line.document_id:
            key = reading.document_key(connection, line.collection, line.document_id)
            found |= {key} if key is not None else set()
        return found

    @staticmethod
    def _around(
        connection: sa.Connection, doomed: Sequence[Document], keys: set[int]
    ) -> tuple[Document, ...]:
        """The documents that stay and that these are parts of."""
        outer: set[int] = set()
        for each in doomed:
            if each.parent:
                outer |= _keys(connection, documents.c.source, [each.parent], each.collection)
        found = reading.documents_at(connection, sorted(outer - keys))
        return tuple(found[key] for key in sorted(found))

    # -- what goes and what stays ---------------------------------------------------------------

    def texts(self, doomed: Doomed) -> Iterator[str]:
        """Titles, metadata and pages of what is to be erased."""
        for each in doomed.documents:
            yield from (each.title, *each.metadata.values())
        for key in doomed.keys:
            with self._catalogue.read() as connection:
                held = reading.pages_of(connection, key)
            for page in held:
                yield from (page.label, page.text)

    def kept_texts(self, doomed: Doomed) -> Iterator[str]:
        """Titles, names, metadata and pages of everything else."""
        gone, keys = {(each.collection, each.source) for each in doomed.sources}, set(doomed.keys)
        at_once = {"yield_per": _ROWS_AT_ONCE}
        with self._catalogue.read() as connection:
            for row in connection.execute(select(documents).execution_options(**at_once)):
                if row.key not in keys:
                    yield from (row.title, row.source, row.parent, *row.metadata.values())
                    yield from row.supersedes or ()
            for row in connection.execute(select(sources).execution_options(**at_once)):
                if (row.collection, row.source) not in gone:
                    yield from (row.source, row.path, row.error)
            query = select(pages.c.document_key, pages.c.label, pages.c.text)
            for row in connection.execute(query.execution_options(**at_once)):
                if row.document_key not in keys:
                    yield from (row.label, row.text)

    def kept_names(self, doomed: Doomed) -> set[str]:
        """Sources and paths of everything else: another collection may have the same."""
        gone, keys = {(each.collection, each.source) for each in doomed.sources}, set(doomed.keys)
        found: set[str] = set()
        with self._catalogue.read() as connection:
            query = select(sources.c.collection, sources.c.source, sources.c.path)
            for row in connection.execute(query):
                if (row.collection, row.source) not in gone:
                    found |= {row.source, row.path}
            for key, source in connection.execute(select(documents.c.key, documents.c.source)):
                if key not in keys:
                    found.add(source)
        return found

    def originals(self, doomed: Doomed) -> Iterator[bytes]:
        """The original files of what is to be erased and that nothing else holds."""
        for each in self._unshared(doomed):
            yield each.read_bytes()

    def kept_originals(self, doomed: Doomed) -> Iterator[bytes]:
        """All other original files."""
        gone = set(self._unshared(doomed))
        for blob_id in sorted(self._blobs.ids()):
            path = self._blobs.path(blob_id)
            if path not in gone and path.exists():
                yield path.read_bytes()

    def _unshared(self, doomed: Doomed) -> list[Path]:
        with self._catalogue.read() as connection:
            holding = _keys(connection, documents.c.id, doomed.ids, "") - set(doomed.keys)
            kept = reading.documents_at(connection, sorted(holding)).values()
        shared = {each.id for each in kept}
        paths = [self._blobs.path(each) for each in doomed.ids if each not in shared]
        return [path for path in paths if path.exists()]

    # -- erasing --------------------------------------------------------------------------------

    def erase(self, doomed: Doomed) -> int:
        """Delete the rows, in one transaction; how many documents. Nothing of them is found from
        then on; their text is in the files until `clear` has been through."""
        with self._catalogue.write() as connection:
            held = reading.documents_at(connection, doomed.keys)
            with ExitStack() as stack:
                for name in sorted(doomed.collections):
                    stack.enter_context(settled(connection, name))
                    ours = [each.source for each in doomed.sources if each.collection == name]
                    journal.forget(connection, name, ours)
                for piece in reading.in_pieces(sorted(held)):
                    connection.execute(delete(documents).where(documents.c.key.in_(piece)))
                changelog.add_all(
                    connection, [(Operation.ERASE, each, "") for each in held.values()]
                )
        return len(held)

    def clear(self, collections: Collection[str]) -> tuple[Problem, ...]:
        """Take what was deleted out of the files: originals, the views of these collections, the
        catalogue's free pages and its log. What could not be done now is said."""
        return self._upkeep.purge(collections).problems

    # -- looking --------------------------------------------------------------------------------

    def remains(
        self, ids: Collection[str], chunk_ids: Collection[str], collection: str = ""
    ) -> dict[str, int]:
        """How many entries the stores have of these documents and chunks, by store, as their own
        libraries tell, in `collection` or, if it is "", in all. An original file that a document
        still names does not count beside it."""
        with self._catalogue.read() as connection:
            there = _keys(connection, documents.c.id, ids, collection)
            kept = reading.known_ids(connection, set(ids))
            names = [each.name for each in reading.all_collections(connection)]
        if collection:
            names = [name for name in names if name == collection]
        looked_for = set(chunk_ids)
        found = {"catalogue (by its library)": len(there)}
        for views in self._shelves:
            of_shelf = sum(len(views.lexical.chunks(name) & looked_for) for name in names)
            found[f"words, {views.shelf.value} (by tantivy)"] = of_shelf
            if views.with_chroma:
                found[f"vectors (by {views.store})"] = _in_store(views, names, looked_for)
        blobs = self._blobs.ids() & set(ids)
        found["original files (by name)"] = len(blobs - kept)
        return found


def _in_store(views: Views, names: Sequence[str], looked_for: set[str]) -> int:
    store = views.chroma()
    if store is None and all(views.reached_vectors(name) is not None for name in names):
        return 0  # another process may write it, and there is nothing in it yet
    if store is None:
        raise IndexFailure(
            f"The {views.store} view is held by another process; stop it and try again."
        )
    return sum(len(store.chunks(name) & looked_for) for name in names if store.holds(name))


def _column(
    connection: sa.Connection, wanted: sa.Column[_T], among: sa.Column[Any], values: Collection[Any]
) -> set[_T]:
    """What the column `wanted` has in the rows whose column `among` has one of `values`."""
    found: set[_T] = set()
    for piece in reading.in_pieces(sorted(values)):
        found |= set(connection.execute(select(wanted).where(among.in_(piece))).scalars())
    return found


def _lines(
    connection: sa.Connection, among: sa.Column[Any], values: Collection[Any], collection: str
) -> list[SourceState]:
    """The journal's lines whose column has one of `values`, in a collection or in all."""
    named: list[tuple[str, str]] = []
    for piece in reading.in_pieces(sorted(values)):
        query = select(sources.c.collection, sources.c.source).where(among.in_(piece))
        named += [(row.collection, row.source) for row in connection.execute(query)]
    return [
        state
        for where, source in sorted(named)
        if not collection or where == collection
        for state in reading.source_states(connection, where, source)
    ]


def _keys(
    connection: sa.Connection, among: sa.Column[Any], values: Collection[Any], collection: str
) -> set[int]:
    """The rows of the documents whose column has one of `values`, in a collection or in all."""
    found: set[int] = set()
    for piece in reading.in_pieces(sorted(values)):
        query = select(documents.c.key).where(among.in_(piece))
        if collection:
            query = query.where(documents.c.collection == collection)
        found |= set(connection.execute(query).scalars())
    return found
