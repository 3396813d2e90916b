"""What passes from reading to committing: one item for each thing that was found out.

The items of one file keep their order: a file's parts come before the file's own line, so that a
journal that says "done" of a mail or an archive says it of all that is in it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from index.records import Declared, SourceState
from ingest.errors import Failure
from ingest.pages import ReadDocument
from ingest.staging import Staged

_BYTES_A_CHARACTER = 2  # of text in memory, about
_BYTES_A_BOX = 160


@dataclass(frozen=True, slots=True)
class Origin:
    """Where bytes were found: collection, source, the absolute path of the file on disk, size and
    time, the source of the container, and the journal's note of the declared facts.

    `share` are the bytes of the file on disk that this source accounts for, to show progress.
    """

    collection: str
    source: str
    path: str
    size: int
    mtime_ns: int
    container: str = ""
    declared: str = ""
    share: int = 0

    def within(self, name: str, size: int) -> Self:
        """The origin of a part of this source."""
        source = f"{self.source}/{name}"
        return replace(self, source=source, size=size, container=self.source, share=0)


@dataclass(frozen=True, slots=True)
class Ready:
    """A document to be cut, embedded and committed. `staged` is a copy to be discarded then."""

    origin: Origin
    digest: str  # hex SHA-256 of `original`
    original: bytes | Path
    document: ReadDocument
    staged: Staged | None
    declared: Declared

    @property
    def weight(self) -> int:
        """The memory it holds while it waits, in bytes, about."""
        pages = [read.page for read in self.document.pages]
        boxes = sum(len(page.boxes) for page in pages)
        held = len(self.original) if isinstance(self.original, bytes) else 0
        text = sum(len(page.text) for page in pages)
        return held + text * _BYTES_A_CHARACTER + boxes * _BYTES_A_BOX


@dataclass(frozen=True, slots=True)
class Known:
    """A source whose bytes are held already; `touch` if the journal's line is out of date."""

    origin: Origin
    touch: bool = False
    digest: str = ""
    holds_parts_only: bool = False  # an archive or a file of records


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A source with the bytes of a document that another source of the collection holds."""

    origin: Origin
    digest: str
    declared: Declared


@dataclass(frozen=True, slots=True)
class Moved:
    """The file that was known as `old` is now at `origin`, its bytes the same."""

    origin: Origin
    old: str
    digest: str


@dataclass(frozen=True, slots=True)
class Described:
    """Only what a source's sidecars say of it has changed."""

    origin: Origin
    digest: str
    declared: Declared


@dataclass(frozen=True, slots=True)
class Failed:
    """A file, part or record that cannot be taken in. `digest` is "" if the bytes were not read."""

    origin: Origin
    failure: Failure
    sentence: str
    digest: str = ""
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """A quarantined source that has not changed: not tried."""

    origin: Origin
    state: SourceState


@dataclass(frozen=True, slots=True)
class Held:
    """All parts of an archive or a file of records have been passed on."""

    origin: Origin
    digest: str


@dataclass(frozen=True, slots=True)
class Outdated:
    """Sources (collection, source) that are no longer, now that their file was read anew."""

    sources: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class FileDone:
    """All of a file has been passed on."""

    path: str


Item = Ready | Known | Duplicate | Moved | Described | Failed | Skipped | Held | Outdated | FileDone
