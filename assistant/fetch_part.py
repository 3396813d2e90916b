"""The part of a download that is here: a hidden file in the shelf's folder, and a note beside it.

The note holds what is needed to go on: the server's strong ETag and the size of the whole.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from pathlib import Path
from typing import BinaryIO

from assistant.errors import FetchFailed
from assistant.shelf import read_object
from assistant.shelf_files import CHUNK, write_object
from assistant.shelf_listing import FETCHING
from index.files import private_folder


class Part:
    """What is here of the file at one address, open and locked until `close`."""

    def __init__(self, folder: Path, url: str) -> None:
        """Takes up what an earlier try left, or begins with nothing.

        Raises FetchFailed if another process has it open, ShelfError, OSError.
        """
        private_folder(folder)
        key = hashlib.sha256(url.encode()).hexdigest()[:16]
        self.path = folder / f"{FETCHING}{key}.part"
        self._note = folder / f"{FETCHING}{key}.json"
        self.validator = ""  # a strong ETag, empty: none
        self.total: int | None = None  # bytes of the whole file, None: unknown
        self.have = 0  # bytes that are here
        self._digest = hashlib.sha256()
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.file: BinaryIO = os.fdopen(descriptor, "r+b", buffering=0)
        try:
            self._take_up()
        except BaseException:
            self.file.close()
            raise

    def _take_up(self) -> None:
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise FetchFailed(
                "Another process is fetching from this address: wait for it to end."
            ) from error
        note = read_object(self._note) or {}
        validator, total = note.get("validator"), note.get("total")
        self.validator = validator if isinstance(validator, str) else ""
        self.total = total if type(total) is int else None
        while data := self.file.read(CHUNK):
            self._digest.update(data)
            self.have += len(data)

    @property
    def whole(self) -> bool:
        """Whether nothing is missing, as far as the server said how much there is."""
        return self.have > 0 and self.have == self.total

    @property
    def sha256(self) -> str:
        """Hex digest of what is here."""
        return self._digest.hexdigest()

    def append(self, data: bytes) -> None:
        """Add what has come."""
        rest = memoryview(data)
        while rest:  # a nearly full disk may take a part of it before it says so
            rest = rest[self.file.write(rest) :]
        self._digest.update(data)
        self.have += len(data)

    def begins_with(self, magic: bytes) -> bool:
        """Whether the file's first bytes are these."""
        return os.pread(self.file.fileno(), len(magic), 0) == magic

    def note(self, validator: str, total: int | None) -> None:
        """Keep what is needed to go on later."""
        self.validator, self.total = validator, total
        write_object(self._note, {"validator": validator, "total": total})

    def start_over(self) -> None:
        """Throw away what is here, and go on with nothing."""
        self.file.seek(0)
        self.file.truncate()
        self._digest, self.have = hashlib.sha256(), 0
        self.validator, self.total = "", None

    def forget(self) -> None:
        """Delete the file and the note."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def close(self) -> None:
        """Let others have it; an empty file is deleted."""
        if not self.have:
            with contextlib.suppress(OSError):
                self.forget()
        self.file.close()
