"""What the index asks of a vector store that outlives a process, beyond the port `VectorStore`.

Chroma is one; another may be opened in its place (`index.compose`). A collection is in such a
store only while it is large: small ones are searched exactly, see `index.nearest`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from index.ports import VectorRows, VectorStore


class WriteLock(Protocol):
    """Held by who brings a collection level. `index.files.FileLock` is one."""

    def acquire(self) -> bool:
        """Take the lock if nobody else has it; whether it is held now. Never waits."""

    def release(self) -> None:
        """Let others have it; nothing if it is not held."""


class PersistentVectors(VectorStore, Protocol):
    """A vector store with files, or a server, of its own.

    Raises (all methods):
        ViewDamaged: it cannot read or write what it keeps; `discard` and open anew.
        ViewUnavailable: its server cannot be had now; what it holds is as good as before.
        HomeUnavailable, HomeFull: its folder cannot be used.
    """

    @property
    def name(self) -> str:
        """What people know it by: "chroma", "pgvector"."""

    def lock(self, collection: str) -> WriteLock:
        """The lock that whoever calls `apply` or `drop` holds, among all who have this store."""

    def holds(self, collection: str) -> bool:
        """Whether it has anything of the collection, be it half of it. Creates nothing."""

    def names(self) -> list[str]:
        """All collections that it holds, sorted."""

    def rows(self, collection: str, chunks: Sequence[str]) -> VectorRows:
        """What it keeps of those of `chunks` that it has, in any order: for comparing."""

    def wasted(self, collection: str) -> int:
        """How many deleted rows it still carries; 0 where deleting leaves nothing behind."""

    def discard(self) -> None:
        """Close it and throw away all it keeps, of every collection, so that no byte is left."""
