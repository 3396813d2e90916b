"""Reading documents within a scope: what the index shows of its catalogue to an asker.

What does not exist and what an asker may not read raise the same `NotFound`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import sqlalchemy as sa

from index import effective, reading
from index.blobs import Blobs
from index.catalogue import Catalogue
from index.document import Chunk, Document, Page, Scope, Status
from index.effective import Standing
from index.errors import NotFound


class Lookup:
    """The documents of a catalogue and the files that hold their bytes."""

    def __init__(self, catalogue: Catalogue, blobs: Blobs) -> None:
        self._catalogue = catalogue
        self._blobs = blobs

    def documents(self, scope: Scope) -> list[Document]:
        """The current documents within `scope`, by collection and source."""
        with self._catalogue.read() as connection:
            return reading.all_documents(connection, scope, Status.CURRENT)

    def all_documents(self, scope: Scope) -> list[Document]:
        """Those of every status: drafts, what is withdrawn or superseded, and old versions."""
        with self._catalogue.read() as connection:
            return reading.all_documents(connection, scope)

    def document(self, document_id: str, scope: Scope) -> Document:
        """A document by its id, whatever its status. Raises `NotFound`."""
        with self._catalogue.read() as connection:
            return self._allowed(connection, document_id, scope)[1]

    def standings(
        self, documents: Iterable[Document], scope: Scope, day: str
    ) -> dict[tuple[str, str], Standing]:
        """How documents stand to a day, by collection and id; those out of scope are left out."""
        by_collection: dict[str, list[str]] = {}
        for each in documents:
            if scope.allows(each.collection):
                by_collection.setdefault(each.collection, []).append(each.id)
        found: dict[tuple[str, str], Standing] = {}
        with self._catalogue.read() as connection:
            for name, ids in sorted(by_collection.items()):
                rows = {reading.document_key(connection, name, each): each for each in ids}
                rows.pop(None, None)
                keys = [key for key in rows if key is not None]
                for key, standing in effective.standings(connection, name, keys, day).items():
                    found[name, rows[key]] = standing
        return found

    def page(self, document_id: str, number: int, scope: Scope) -> Page:
        """One page of a document, from 1. Raises `NotFound`."""
        with self._catalogue.read() as connection:
            key, _document = self._allowed(connection, document_id, scope)
            found = reading.pages_of(connection, key, number)
        if not found:
            raise NotFound("page")
        return found[0]

    def pages(self, document_id: str, scope: Scope) -> list[Page]:
        """All pages of a document in order. Raises `NotFound`."""
        with self._catalogue.read() as connection:
            key, _document = self._allowed(connection, document_id, scope)
            return reading.pages_of(connection, key)

    def chunks(self, document_id: str, scope: Scope) -> list[Chunk]:
        """All chunks of a document in order. Raises `NotFound`."""
        with self._catalogue.read() as connection:
            key, _document = self._allowed(connection, document_id, scope)
            return reading.chunks_of(connection, key)

    def original(self, document_id: str, scope: Scope) -> Path:
        """The file that holds a document's bytes; read it, never write it. Raises `NotFound`."""
        self.document(document_id, scope)
        path = self._blobs.path(document_id)
        if not path.is_file():
            raise NotFound("original file")
        return path

    @staticmethod
    def _allowed(connection: sa.Connection, document_id: str, scope: Scope) -> tuple[int, Document]:
        found = reading.find_document(connection, document_id, scope)
        if found is None:
            raise NotFound("document")
        return found
