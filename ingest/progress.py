"""What a run tells while it works and when it has ended. Plain frozen data."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.errors import Failure


@dataclass(frozen=True, slots=True)
class FailedSource:
    """A file or record that was not taken in: a code, and one sentence for a person."""

    source: str
    failure: Failure
    sentence: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. Times in seconds; a JSONL file counts as one file."""

    files_done: int
    files_total: int
    documents: int  # committed so far
    pages: int  # of these
    chunks: int  # embedded so far
    failed: int
    chunks_per_second: float
    seconds: float  # since the run began
    seconds_left: float | None  # None: too early to tell
    current: str  # the source read last


@dataclass(frozen=True, slots=True)
class Summary:
    """How a run ended. Sources are counted: files, or records of JSONL files."""

    run: str  # its id in the log
    collection: str
    added: int
    changed: int  # new versions of known sources
    unchanged: int
    duplicates: int  # the bytes were there already, under another name
    failed: tuple[FailedSource, ...]
    files: int
    pages: int  # of documents added and changed
    chunks: int
    seconds: float


@dataclass(slots=True)
class Tally:
    """Counts while a run goes on; the frozen views of it are made from here."""

    files_total: int = 0
    files_done: int = 0
    bytes_total: int = 0
    bytes_done: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    duplicates: int = 0
    pages: int = 0
    chunks: int = 0
    embedded: int = 0
    current: str = ""

    def progress(
        self, seconds: float, embedding: float, failed: int, ahead: float = 0.0
    ) -> Progress:
        """The state after `seconds`, of which `embedding` were spent on the chunks so far;
        `ahead` bytes beyond those done are embedded and not yet committed.
        """
        done = self.bytes_done + ahead
        share = min(done / self.bytes_total, 1.0) if self.bytes_total else 0.0
        return Progress(
            files_done=self.files_done,
            files_total=self.files_total,
            documents=self.added + self.changed,
            pages=self.pages,
            chunks=self.embedded,
            failed=failed,
            chunks_per_second=self.embedded / embedding if embedding > 0 else 0.0,
            seconds=seconds,
            seconds_left=seconds * (1 - share) / share if share > 0 else None,
            current=self.current,
        )

    def summary(
        self, run: str, collection: str, failed: tuple[FailedSource, ...], seconds: float
    ) -> Summary:
        """The state at the end."""
        return Summary(
            run=run,
            collection=collection,
            added=self.added,
            changed=self.changed,
            unchanged=self.unchanged,
            duplicates=self.duplicates,
            failed=failed,
            files=self.files_total,
            pages=self.pages,
            chunks=self.chunks,
            seconds=seconds,
        )
