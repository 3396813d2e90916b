"""Original bytes, content-addressed: `blobs/ab/<sha256>`.

A file appears under its name only when it is whole and on the disk (written elsewhere, flushed,
renamed, its folder and that folder's own flushed), always before the catalogue commits to it. A
crash in between leaves a file that no document names; the end of the next run removes it. Putting
and cleaning exclude each other by a lock file, so a cleaner never takes a file whose document is
about to be committed.

This protects against crashes and mix-ups, not against someone who can write to the folder: the
bytes are checked when `verify` runs, not at every read.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from index.errors import HomeUnavailable, InvalidDocument
from index.files import file_errors, flush_folder, private_folder

_ID = re.compile(r"[0-9a-f]{64}")
_PIECE = 1 << 20  # bytes read at once


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class Blobs:
    """The store below `folder`; `scratch` is on the same file system.

    Raises (all methods):
        HomeUnavailable, HomeFull: the folder cannot be read or written.
    """

    def __init__(self, folder: Path, scratch: Path) -> None:
        self._folder = folder
        self._scratch = scratch
        self._lock = scratch / "blobs.lock"
        private_folder(folder)
        private_folder(scratch)
        flush_folder(folder.parent)

    def path(self, blob_id: str) -> Path:
        """Where the bytes with this hex SHA-256 lie, whether they are there or not."""
        return self._folder / blob_id[:2] / blob_id

    @contextmanager
    def kept(self) -> Iterator[None]:
        """While this lasts no blob is cleaned away: from the first `store` to the commit."""
        with self._locked(fcntl.LOCK_SH):
            yield

    def store(self, blob_id: str, original: bytes | Path, source: str) -> None:
        """Make the bytes durable under their id; cheap if they are there already.

        A file of another length than the original's is written anew.

        Raises:
            InvalidDocument: the bytes do not have this SHA-256; `source` names them.
        """
        target = self.path(blob_id)
        with file_errors(self._folder):
            if target.exists() and target.stat().st_size == _length(original):
                flush_folder(target.parent)  # another process may have renamed it just now
                return
            if not target.parent.exists():
                private_folder(target.parent)
                flush_folder(self._folder)
            handle, name = tempfile.mkstemp(dir=self._scratch, prefix="blob-")
            try:
                with os.fdopen(handle, "wb") as out:
                    digest = hashlib.sha256()
                    for piece in _pieces(original):
                        digest.update(piece)
                        out.write(piece)
                    out.flush()
                    os.fsync(out.fileno())
                if digest.hexdigest() != blob_id:
                    raise InvalidDocument(source, "its bytes changed while it was being read")
                Path(name).replace(target)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
            flush_folder(target.parent)

    def ids(self) -> set[str]:
        """The ids of all blobs that are there."""
        with file_errors(self._folder):
            return {
                path.name
                for path in self._folder.glob("??/*")
                if _ID.fullmatch(path.name) and path.parent.name == path.name[:2]
            }

    def altered(self, blob_id: str) -> bool:
        """Whether the bytes no longer have the SHA-256 that names them; not if they are gone."""
        with file_errors(self._folder):
            try:
                return sha256_of(self.path(blob_id)) != blob_id
            except FileNotFoundError:
                return False

    @contextmanager
    def cleaning(self) -> Iterator[None]:
        """While this lasts nobody stores a blob: the time to compare and to `discard`."""
        with self._locked(fcntl.LOCK_EX):
            yield

    def discard(self, blob_id: str) -> None:
        """Remove one blob; no error if it is gone."""
        with file_errors(self._folder):
            self.path(blob_id).unlink(missing_ok=True)

    def sweep(self) -> int:
        """Remove unfinished files that a crash left behind; how many. Only while `cleaning`."""
        left = list(self._scratch.glob("blob-*"))
        for path in left:
            with suppress(FileNotFoundError):
                path.unlink()
        return len(left)

    def clean(self, named: Callable[[], set[str]]) -> list[str]:
        """Remove unfinished files and blobs of no document; the ids of these, sorted.

        `named` gives the ids of all documents; it is called while nobody stores a blob.
        """
        with self.cleaning():
            orphans = sorted(self.ids() - named())
            for blob_id in orphans:
                self.discard(blob_id)
            self.sweep()
        return orphans

    @contextmanager
    def _locked(self, kind: int) -> Iterator[None]:
        try:
            handle = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise HomeUnavailable(self._lock, error.strerror or str(error)) from error
        try:
            fcntl.flock(handle, kind)
            yield
        finally:
            os.close(handle)


def _length(original: bytes | Path) -> int:
    return len(original) if isinstance(original, bytes) else original.stat().st_size


def _pieces(original: bytes | Path) -> Iterator[bytes]:
    if isinstance(original, bytes):
        yield original
        return
    with original.open("rb") as stream:
        while piece := stream.read(_PIECE):
            yield piece
