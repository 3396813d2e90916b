"""From files found to documents read: what is new, what is known, what cannot be read.

Decides with what the journal knows; reads only what has to be read. Writes nothing but private
copies, so it can run ahead in a thread of its own.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from index.records import SourceState, SourceStatus
from ingest.chunk import SPLITTER
from ingest.errors import Failure, ReadFailure, sentence
from ingest.pages import ReadDocument
from ingest.sandbox import Sandbox
from ingest.staging import Staged, stage
from ingest.walk import FoundFile, Unusable, source_name


@dataclass(frozen=True, slots=True)
class Origin:
    """Where bytes were found: the source's name, the absolute path, size (bytes) and time."""

    source: str
    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Ready:
    """A document to be cut, embedded and committed. `staged` is a copy to be discarded then."""

    origin: Origin
    digest: str  # hex SHA-256 of `original`
    original: bytes | Path
    document: ReadDocument
    staged: Staged | None


@dataclass(frozen=True, slots=True)
class Known:
    """A source whose bytes are indexed already; `touch` if its file's time or place changed."""

    origin: Origin
    touch: bool


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A source with the bytes of a document that another source holds."""

    origin: Origin
    digest: str


@dataclass(frozen=True, slots=True)
class Failed:
    """A file or record that cannot be taken in. `digest` is "" if the bytes were not read."""

    origin: Origin
    failure: Failure
    sentence: str
    digest: str = ""
    line: int | None = None


@dataclass(frozen=True, slots=True)
class FileDone:
    """All of a file has been passed on. `records`: it is a JSONL file, whose records are the
    sources; `failed` are the sources in it that could not be read.
    """

    path: str
    source: str
    records: bool
    failed: frozenset[str]


SourceItem = Ready | Known | Duplicate | Failed
Item = SourceItem | FileDone


def is_current(state: SourceState | None, digest: str) -> bool:
    """Whether a source holds these bytes, cut as this version cuts."""
    return state is not None and state.document_id == digest and state.splitter == SPLITTER


def is_untouched(state: SourceState | None, file: FoundFile) -> bool:
    """Whether a file needs not even be opened: indexed, and of the same size and time since."""
    return (
        state is not None
        and state.status is SourceStatus.INDEXED
        and state.splitter == SPLITTER
        and (state.path, state.size, state.mtime_ns) == (str(file.path), file.size, file.mtime_ns)
    )


class Intake:
    """Reads what was found. `states` is the collection's journal, by source."""

    def __init__(
        self,
        sandbox: Sandbox,
        states: Mapping[str, SourceState],
        folder: Path,
        max_bytes: int,
        passwords: Sequence[str] = (),
    ) -> None:
        self._sandbox = sandbox
        self._states = states
        self._folder = folder
        self._max_bytes = max_bytes
        self._passwords = passwords
        self._held = {
            state.document_id
            for state in states.values()
            if state.document_id and state.splitter == SPLITTER
        }
        self._read: dict[str, str] = {}  # digest by source, of this run

    def items(self, found: Iterable[FoundFile | Unusable]) -> Generator[Item, None, None]:
        """Every file and record of `found`, in order, each file followed by `FileDone`.

        Raises ReaderUnavailable, HomeFull, HomeUnavailable.
        """
        for entry in found:
            failed: set[str] = set()
            records = False
            for item in self._entry(entry):
                if isinstance(item, Failed):
                    failed.add(item.origin.source)
                records = records or item.origin.source != entry.source
                yield item
            yield FileDone(str(entry.path), entry.source, records, frozenset(failed))

    def _entry(self, entry: FoundFile | Unusable) -> Iterator[SourceItem]:
        if isinstance(entry, Unusable):
            origin = Origin(entry.source, entry.path, 0, 0)
            yield Failed(origin, entry.failure, sentence(entry.source, entry.failure))
            return
        before = self._states.get(entry.source)
        held_by = before.path if before is not None else None
        source = source_name(entry, held_by, held_by is not None and os.path.exists(held_by))  # noqa: PTH110
        origin = Origin(source, str(entry.path), entry.size, entry.mtime_ns)
        if is_untouched(self._states.get(source), entry):
            yield Known(origin, touch=False)
            return
        try:
            staged = stage(entry.path, self._folder, self._max_bytes)
        except ReadFailure as failure:
            yield Failed(origin, failure.failure, sentence(source, failure.failure))
            return
        origin = Origin(source, str(entry.path), staged.size, staged.mtime_ns)
        yield from self._bytes(origin, staged)

    def _bytes(self, origin: Origin, staged: Staged) -> Iterator[SourceItem]:
        if is_current(self._states.get(origin.source), staged.digest):
            staged.discard()
            yield Known(origin, touch=True)
        elif staged.digest in self._held:
            staged.discard()
            yield Duplicate(origin, staged.digest)
        else:
            passed_on = False
            try:
                for item in self._documents(origin, staged):
                    passed_on = passed_on or (isinstance(item, Ready) and item.staged is staged)
                    yield item
            finally:
                if not passed_on:
                    staged.discard()

    def _documents(self, origin: Origin, staged: Staged) -> Iterator[SourceItem]:
        with staged.path.open("rb") as copy:
            file = copy.fileno()
            try:
                found = self._sandbox.read(origin.source, file, staged.size, self._passwords)
                for document in found:
                    if isinstance(document, ReadFailure):
                        yield self._bad_record(origin, document)
                    elif document.name:
                        yield self._record(origin, document, file)
                    else:
                        self._held.add(staged.digest)
                        yield Ready(origin, staged.digest, staged.path, document, staged)
            except ReadFailure as failure:
                said = sentence(origin.source, failure.failure)
                yield Failed(origin, failure.failure, said, staged.digest)

    @staticmethod
    def _bad_record(origin: Origin, failure: ReadFailure) -> Failed:
        said = sentence(origin.source, failure.failure, failure.line)
        place = Origin(f"{origin.source}:{failure.line}", origin.path, 0, origin.mtime_ns)
        return Failed(place, failure.failure, said, line=failure.line)

    def _record(self, origin: Origin, document: ReadDocument, file: int) -> SourceItem:
        size = document.byte_end - document.byte_start
        original = os.pread(file, size, document.byte_start)
        digest = hashlib.sha256(original).hexdigest()
        place = Origin(document.name, origin.path, size, origin.mtime_ns)
        state = self._states.get(document.name)
        earlier = self._read.get(document.name)
        if earlier == digest or (earlier is None and is_current(state, digest)):
            failed = state is not None and state.status is not SourceStatus.INDEXED
            return Known(place, touch=failed)
        self._read[document.name] = digest
        if digest in self._held:
            return Duplicate(place, digest)
        self._held.add(digest)
        return Ready(place, digest, original, document, None)
