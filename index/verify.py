"""Compares what should agree: blobs, catalogue, both views. Mends what the catalogue can mend.

What it finds it says; what it cannot mend (a lost original, a damaged catalogue) it leaves as it
is. A view that differs is thrown away and built again from the catalogue, without embedding.
"""

from __future__ import annotations

from index import counting, feeding, reading, standing
from index.blobs import Blobs
from index.catalogue import Catalogue
from index.errors import ViewDamaged
from index.ports import View
from index.records import Problem
from index.views import Views


class Verifier:
    """One comparison of everything."""

    def __init__(self, catalogue: Catalogue, blobs: Blobs, views: Views) -> None:
        self._catalogue = catalogue
        self._blobs = blobs
        self._views = views
        self._names: list[str] = []

    def run(self, repair: bool) -> list[Problem]:
        """All problems found, in the order catalogue, blobs, views; `repair` mends some."""
        with self._catalogue.read() as connection:
            names = self._names = [each.name for each in reading.all_collections(connection)]
        found = self._catalogue_problems()
        found += self._blob_problems(repair)
        for name in names:
            found += self._word_problems(name, repair)
            found += self._vector_problems(name, repair)
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

    def _word_problems(self, name: str, repair: bool) -> list[Problem]:
        try:
            self._views.refresh_words(name)
            what = self._difference(name, self._views.lexical)
        except ViewDamaged as damage:
            what = str(damage)
        if not what:
            return []
        repaired = repair and self._views.rebuild_words(name)
        return [Problem("lexical", f"Collection {name}: {what}", repaired)]

    def _vector_problems(self, name: str, repair: bool) -> list[Problem]:
        chroma = self._views.chroma()
        if chroma is None:
            return []  # another process has it, and looks after it
        try:
            self._views.refresh_vectors(name)
            what = self._difference(name, self._views.chroma() or chroma)
        except ViewDamaged as damage:
            what = str(damage)
        if not what:
            return []
        repaired = repair and self._views.rebuild_vectors(self._names)
        return [Problem("chroma", f"Collection {name}: {what}", repaired)]

    def _difference(self, name: str, view: View) -> str:
        """One sentence on chunks that are only on one side; empty if view and catalogue agree."""
        with self._catalogue.read() as connection:
            if view.generation(name) != reading.generation(connection, name):
                return ""  # another process is writing just now: not comparable, not wrong
            expected = feeding.current_chunk_ids(connection, name)
            held = view.chunks(name)
        missing, extra = len(expected - held), len(held - expected)
        if not missing and not extra:
            return ""
        return f"the view lacks {missing} chunks and holds {extra} that the catalogue does not."
