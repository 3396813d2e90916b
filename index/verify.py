"""Compares what should agree: blobs, catalogue, views. Mends what the catalogue can mend.

What it finds it says; what it cannot mend (a lost original, a damaged catalogue) it leaves as it
is. A view that differs is thrown away and built again from the catalogue, without embedding. The
views of past documents are compared if they have been built.
"""

from __future__ import annotations

from index import compare, counting, reading, standing
from index.blobs import Blobs
from index.catalogue import Catalogue
from index.document import Shelf
from index.errors import ViewDamaged, ViewUnavailable
from index.records import Problem
from index.views import Views

_UNANSWERED = (
    "The server that keeps the vectors of large collections cannot be used now, so what it holds "
    "was not compared; the log says why. Run `cloister ingest verify` again when it can."
)


class Verifier:
    """One comparison of everything; `past` are the views of past documents."""

    def __init__(
        self, catalogue: Catalogue, blobs: Blobs, views: Views, past: Views | None = None
    ) -> None:
        self._catalogue = catalogue
        self._blobs = blobs
        self._shelves = (views,) if past is None else (views, past)
        self._names: list[str] = []

    def run(self, repair: bool) -> list[Problem]:
        """All problems found, in the order catalogue, blobs, views; `repair` mends some."""
        with self._catalogue.read() as connection:
            names = self._names = [each.name for each in reading.all_collections(connection)]
        found = self._catalogue_problems()
        found += self._blob_problems(repair)
        for views in self._shelves:
            if views.unanswered():
                found.append(Problem(views.store, _UNANSWERED))
            for name in names:
                if views.awake(name):
                    found += self._word_problems(views, name, repair)
                    found += self._vector_problems(views, name, repair)
        return found

    def _catalogue_problems(self) -> list[Problem]:
        found = [Problem("catalogue", f"{what}.") for what in self._catalogue.problems()]
        with self._catalogue.read() as connection:
            found += [
                Problem("catalogue", f"Document {document_id} {what}.")
                for document_id, what in counting.inconsistencies(connection)
            ]
            found += [
                Problem("catalogue", f"The source {what}.")
                for what in counting.journal_contradictions(connection)
            ]
            found += [
                Problem("catalogue", f"Document {document_id} contradicts its completeness.")
                for document_id in counting.miscounted(connection)
            ]
            found += [
                Problem("catalogue", f"Document {each.id} should not be {each.status.value}.")
                for name in self._names
                for each in standing.disagreements(connection, name)
            ]
        return found

    def _blob_problems(self, repair: bool) -> list[Problem]:
        with self._blobs.cleaning():
            with self._catalogue.read() as connection:
                named = counting.content_ids(connection)
            there = self._blobs.ids()
            orphans = sorted(there - named)
            if repair:
                for blob_id in orphans:
                    self._blobs.discard(blob_id)
                self._blobs.sweep()
        # Reading all bytes takes long, so ingestion is not kept waiting for it.
        return [
            *(
                Problem("blobs", f"The original of document {blob_id} is missing.")
                for blob_id in sorted(named - there)
            ),
            *(
                Problem("blobs", f"The original of document {blob_id} has been altered.")
                for blob_id in sorted(named & there)
                if self._blobs.altered(blob_id)
            ),
            *(
                Problem("blobs", f"The file {blob_id} belongs to no document.", repair)
                for blob_id in orphans
            ),
        ]

    def _word_problems(self, views: Views, name: str, repair: bool) -> list[Problem]:
        try:
            views.refresh_words(name)
            what = compare.words(self._catalogue, views.shelf, views.lexical, name)
        except ViewDamaged as damage:
            what = str(damage)
        if not what:
            return []
        repaired = repair and views.rebuild_words(name)
        return [Problem("lexical", f"{_place(views, name)}: {what}", repaired)]

    def _vector_problems(self, views: Views, name: str, repair: bool) -> list[Problem]:
        """Of a collection that is kept in the store, if this process has it: whoever holds it or
        is writing it looks after it. A small one is in no view."""
        try:
            if views.chroma() is None:
                return []
            level = views.refresh_vectors(name)
            store = views.chroma()
            if store is None or not store.holds(name) or not level:
                return []
            what = compare.vectors(self._catalogue, views.shelf, store, name)
        except ViewDamaged as damage:
            what = str(damage)
        except ViewUnavailable as failure:
            return [Problem(views.store, f"{_place(views, name)}: {failure}")]
        if not what:
            return []
        what, repaired = self._vectors_mended(views, what) if repair else (what, False)
        return [Problem(views.store, f"{_place(views, name)}: {what}", repaired)]

    def _vectors_mended(self, views: Views, what: str) -> tuple[str, bool]:
        """What was found, with what kept it from being mended; and whether it is mended."""
        try:
            return what, views.rebuild_vectors(self._names)
        except ViewUnavailable as failure:
            return f"{what} {failure}", False


def _place(views: Views, name: str) -> str:
    past = ", past documents" if views.shelf is Shelf.PAST else ""
    return f"Collection {name}{past}"
