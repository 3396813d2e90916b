"""What a run tells while it works and when it has ended. Plain frozen data."""

from __future__ import annotations

from dataclasses import dataclass, field

from index.records import SourceState
from ingest.errors import Failure


@dataclass(frozen=True, slots=True)
class FailedSource:
    """A file or record that was not taken in: a code, and one sentence for a person."""

    source: str
    failure: Failure
    sentence: str


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A source that is not tried again until its bytes change, or it is retried or released."""

    source: str
    collection: str
    failure: str  # the code of its last failure
    sentence: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Incomplete:
    """A document of which too little could be read, or that was read with doubt."""

    source: str
    document: str  # its id
    share: float  # of it that is in the index, 0..1
    warning: str  # one sentence


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
    """How a run ended. Sources are counted: files, parts of files, records of JSONL files.

    `failed` are those that failed in this run; `quarantined` those that are in quarantine at its
    end, whether this run put them there or passed over them.
    """

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
    moved: int = 0  # sources whose file has another place
    described: int = 0  # sources of which only the declared facts changed
    removed: int = 0  # sources that are no longer there
    reused: int = 0  # chunks whose vectors were known from another collection
    quarantined: tuple[Quarantined, ...] = ()
    incomplete: tuple[Incomplete, ...] = ()


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
    moved: int = 0
    described: int = 0
    removed: int = 0
    reused: int = 0
    current: str = ""
    failed: list[FailedSource] = field(default_factory=list)
    quarantined: dict[tuple[str, str], Quarantined] = field(default_factory=dict)
    incomplete: list[Incomplete] = field(default_factory=list)

    def quarantine(self, state: SourceState) -> None:
        """Note a source that is in quarantine."""
        self.quarantined[state.collection, state.source] = Quarantined(
            state.source, state.collection, state.failure, state.error, state.attempts
        )

    def progress(self, seconds: float, embedding: float, ahead: float = 0.0) -> Progress:
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
            failed=len(self.failed),
            chunks_per_second=self.embedded / embedding if embedding > 0 else 0.0,
            seconds=seconds,
            seconds_left=seconds * (1 - share) / share if share > 0 else None,
            current=self.current,
        )

    def summary(self, run: str, collection: str, seconds: float) -> Summary:
        """The state at the end."""
        return Summary(
            run=run,
            collection=collection,
            added=self.added,
            changed=self.changed,
            unchanged=self.unchanged,
            duplicates=self.duplicates,
            failed=tuple(self.failed),
            files=self.files_total,
            pages=self.pages,
            chunks=self.chunks,
            seconds=seconds,
            moved=self.moved,
            described=self.described,
            removed=self.removed,
            reused=self.reused,
            quarantined=tuple(self.quarantined.values()),
            incomplete=tuple(self.incomplete),
        )
