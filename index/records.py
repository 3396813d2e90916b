"""What is written to the index and what it tells about itself. Plain frozen data.

Kept apart from `index.document`, whose nouns are what people read and cite.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.completeness import Completeness
from index.document import Chunk, Hit, Page, Shelf, Status

Vectors = NDArray[np.float32]  # (n, dimensions), each row of unit length
Vector = NDArray[np.float32]  # (dimensions,), unit length


@dataclass(frozen=True, slots=True)
class Declared:
    """What a file says of itself, in front matter or a sidecar. Dates are ISO 8601 days.

    `status` is CURRENT, SUPERSEDED, DRAFT or WITHDRAWN; a document that declares itself current is
    superseded all the same while another current one `supersedes` its source. `digest` is "" if
    nothing was declared, else tells one declaration from another.
    """

    title: str = ""
    effective_from: str | None = None
    effective_to: str | None = None
    status: Status = Status.CURRENT
    supersedes: tuple[str, ...] = ()
    digest: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class NewDocument:
    """A document ready to be committed: read, cut and embedded.

    `id` is the hex SHA-256 of `original` (the bytes, or the path of a file that holds them).
    `vectors[i]` belongs to `chunks[i]`. `path` is absolute, `mtime_ns` as `os.stat` gives it.
    `splitter` names the version of the cutting, so that a later one can be told apart. `declared`
    is what the file or its sidecar says of it.
    """

    id: str
    collection: str
    source: str
    path: str
    size: int  # bytes
    mtime_ns: int
    title: str
    media_type: str
    pages: tuple[Page, ...]
    chunks: tuple[Chunk, ...]
    vectors: Vectors
    original: bytes | Path
    metadata: Mapping[str, str] = field(default_factory=dict)
    splitter: str = ""
    declared: Declared = Declared()
    parent: str = ""
    completeness: Completeness | None = None


class SourceStatus(StrEnum):
    """How the last attempt at a source ended."""

    INDEXED = "indexed"
    FAILED = "failed"  # an earlier version, if there was one, stays searchable
    QUARANTINED = "quarantined"  # failed too often: not tried again until it changes or is retried
    CONTAINER = "container"  # an archive or a file of records: its parts are sources of their own


@dataclass(frozen=True, slots=True)
class SourceState:
    """One line of the ingestion journal: what is known of a file (or a JSONL record)."""

    collection: str
    source: str
    path: str
    size: int  # bytes
    mtime_ns: int
    status: SourceStatus
    attempts: int  # failures since the last success
    error: str  # one sentence, empty if the last attempt succeeded
    document_id: str | None  # the version now searched, None if never indexed
    splitter: str  # of that version; of a container, that of its parts
    digest: str = ""  # hex SHA-256 of the bytes at the last attempt, "" if they were not read
    failure: str = ""  # the code of the last failure
    container: str = ""  # the source of the file that this one is part of
    declared: str = ""  # `Declared.digest` at the last attempt
    at: str = ""  # of the last attempt, ISO 8601, UTC


class Operation(StrEnum):
    """What a commit did to a document; `index.replay` says which view acts on what.

    PURGE is upkeep and needs no audit record of its own line: every view older than it is built
    anew, so that nothing of what was deleted stays in one that another process holds."""

    ADD = "add"
    SUPERSEDE = "supersede"
    REMOVE = "remove"
    LINK = "link"  # one more source holds the same bytes
    MOVE = "move"  # a source has another name; its documents are the same
    DESCRIBE = "describe"  # dates or supersession have changed, not whether it is searched
    RESTORE = "restore"  # what was superseded, a draft or withdrawn is searched (again)
    UNLINK = "unlink"  # one source fewer; others still hold them
    WITHDRAW = "withdraw"  # declared a draft or withdrawn: kept, and no longer searched
    ERASE = "erase"  # it is gone for good; its line names no source
    PURGE = "purge"


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the change log. `generation` grows by at least 1 with every line."""

    generation: int
    collection: str
    operation: Operation
    document_id: str
    source: str
    version: int
    at: str  # ISO 8601, UTC
    recorded: bool  # has the use case written its audit record?


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What one search found.

    `generation` is the catalogue's generation at which every hit was checked. `timings` are
    seconds by stage: refresh, embed, dense, lexical, check, weigh, rank, shape, total.
    `vectors_from` is the name of a store ("chroma", "pgvector"), "exact", "both" or, when nothing
    was searched, "none".
    """

    hits: tuple[Hit, ...]
    generation: int
    timings: Mapping[str, float]
    vectors_from: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that does not fit together. `where` is blobs, catalogue, chroma or lexical."""

    where: str
    what: str  # one sentence
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class CollectionStatus:
    """Counts of one collection, of current documents only; lags are in changes not yet applied."""

    name: str
    groups: frozenset[str]
    documents: int
    superseded: int
    pages: int
    chunks: int
    failed_sources: int
    quarantined: int
    incomplete: int  # current documents of which too little could be read
    lexical_lag: int
    chroma_lag: int | None  # None: another process holds the view


@dataclass(frozen=True, slots=True)
class Purged:
    """What a purge did. Sizes of the data folder's index part in bytes.

    `problems` say what could not be done now, and when it will be; empty if all was done.
    """

    bytes_before: int
    bytes_after: int
    views_rebuilt: int
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Compacted:
    """What `Index.compact` found worth doing; all False or 0 if there was too little to gain."""

    log_lines: int  # taken out of the change log
    vacuumed: bool  # the catalogue
    views_rebuilt: int
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Reusable:
    """What a document was cut into before: `vectors[i]` belongs to `chunks[i]`.

    The vectors stand for text that another reading of the same bytes also gave only if that
    reading's chunks, their heading paths included, equal `chunks`.
    """

    pages: tuple[Page, ...]
    chunks: tuple[Chunk, ...]
    vectors: Vectors  # float32, from the float16 that is kept


@dataclass(frozen=True, slots=True)
class CatchUp:
    """A view that a process is bringing up to date just now. Counts are of chunks."""

    view: str  # "words" or "vectors"
    shelf: Shelf
    collection: str
    done: int
    total: int  # as counted when it began: others may commit meanwhile
    since: str  # ISO 8601, UTC
    process: int  # its id on this machine


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """How the index stands as a whole."""

    generation: int
    schema_version: int
    embedder: str  # fingerprint that the vectors were made with, empty if there are none yet
    collections: tuple[CollectionStatus, ...]
    catching_up: tuple[CatchUp, ...] = ()
