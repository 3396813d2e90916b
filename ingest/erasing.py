"""Erasing documents as a use case of ingestion: alone, and recorded by ids only.

The records of an erased document's going hold no name of a file. Why it went, on whose request and
what was found afterwards stand in the records of the erasure itself (`audit.erasure`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from audit.errors_duties import ErasureRefusedError
from audit.ports import AuditLog
from index.erasing import Doomed
from index.records import Problem
from index.store import Index
from ingest.effects import record_changes
from ingest.events import Run

__all__ = ["Doomed", "Erasing", "Problem"]


class Erasing:
    """What erases documents from an index, recorded in `log`. Every method may raise AuditError,
    IndexFailure."""

    def __init__(self, index: Index, log: AuditLog, run: Run) -> None:
        self.log = log
        self._index = index
        self._run = run
        self._erasing = index.erasing()

    def find(self, name: str, collection: str = "") -> Doomed:
        """What `name` names: a source with all its versions, a document id with that version, or a
        path; with its parts and whatever else holds the same bytes.

        Raises ErasureRefusedError if it names nothing, documents of several collections, or a part
        of a file that stays and would go on holding its text.
        """
        found = self._erasing.find(name, collection)
        if not found.documents and not found.sources:
            where = f"collection {collection}" if collection else "any collection"
            raise ErasureRefusedError(
                f"no document or source in {where} has the name {name!r}; list them with "
                "`cloister ingest list --all`"
            )
        named = {each.collection for each in found.sources if name in (each.source, each.path)}
        if not collection and len(named) > 1:
            raise ErasureRefusedError(
                f"{name!r} is in the collections {', '.join(sorted(named))}; choose one with "
                "--collection, or name the document by its id to erase it from all"
            )
        if found.within:
            outer = ", ".join(sorted({each.source for each in found.within}))
            raise ErasureRefusedError(
                f"{name!r} is a part of {outer}, whose original file holds its text; erase that"
            )
        return found

    def again(
        self, ids: Collection[str], named: Collection[tuple[str, str]], collection: str
    ) -> Doomed:
        """What is left of these documents and of the sources `named` (collection, source)."""
        return self._erasing.with_ids(ids, named, collection)

    def texts(self, doomed: Doomed) -> Iterator[str]:
        """What is to be erased, page by page."""
        return self._erasing.texts(doomed)

    def kept_texts(self, doomed: Doomed | None = None) -> Iterator[str]:
        """Everything that stays."""
        return self._erasing.kept_texts(doomed or Doomed())

    def names(self, doomed: Doomed) -> frozenset[str]:
        """Names of the files that go and that nothing else has."""
        return doomed.names - self._erasing.kept_names(doomed)

    def originals(self, doomed: Doomed) -> Iterator[bytes]:
        """The original files that go."""
        return self._erasing.originals(doomed)

    def kept_originals(self, doomed: Doomed) -> Iterator[bytes]:
        """The original files that stay."""
        return self._erasing.kept_originals(doomed)

    def still_there(self, doomed: Doomed) -> tuple[str, ...]:
        """The files outside the data folder that the next run would take in again."""
        paths = {each.path for each in doomed.sources if not each.container}
        return tuple(sorted(each for each in paths if Path(each).exists()))

    def erase(self, doomed: Doomed) -> int:
        """Delete rows and record each by its id; how many documents. From then on nothing of them
        is found; `clear` takes their text out of the files."""
        count = self._erasing.erase(doomed)
        record_changes(self._index, self.log, self._run)
        return count

    def clear(self, collections: Collection[str]) -> tuple[Problem, ...]:
        """Take what was erased out of originals, views and catalogue; what could not be done."""
        return self._erasing.clear(collections)

    def remains(
        self, ids: Collection[str], chunks: Collection[str], collection: str
    ) -> dict[str, int]:
        """What the stores' own libraries still have, by store."""
        return self._erasing.remains(ids, chunks, collection)
