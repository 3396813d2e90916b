"""The files of an evidence pack as its check reads them: plain files only, nothing followed.

Part of the check that is in every pack (see `assistant.pack_check`).
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assistant.pack_told import clean
from audit.canonical import read_exact

_MOST = 1 << 30  # bytes of one file that is read whole
_PIECE = 1 << 20
Data = dict[str, Any]


@dataclass(slots=True)
class PackFiles:
    """A pack on disk, and what was found wrong with it."""

    folder: Path
    findings: list[str] = field(default_factory=list)

    def read(self, name: str) -> bytes:
        """A file, b"" with a finding if it cannot be read."""
        try:
            with opened(self.folder / name) as stream:
                content: bytes = stream.read(_MOST + 1)
        except OSError as error:
            self.findings.append(f"{name} cannot be read ({error.strerror or error}).")
            return b""
        if len(content) > _MOST:
            self.findings.append(f"{name} is too large.")
            return b""
        return content

    def text(self, name: str) -> str:
        """A file as text."""
        return self.read(name).decode("utf-8", "surrogatepass")

    def json(self, name: str) -> Data:
        """A JSON object in canonical form."""
        try:
            return read_exact(self.read(name))
        except ValueError:
            self.findings.append(f"{name} is not a JSON object in canonical form.")
            return {}

    def there(self, name: str) -> bool:
        """Whether a file is in the pack."""
        return (self.folder / name).is_file()


def walked(pack: PackFiles) -> Iterator[str]:
    """The files below the folder. A link or device is none, and is told."""
    for place, folders, names in os.walk(pack.folder, followlinks=False):
        for name in (*names, *folders):
            path = Path(place, name)
            mode = path.lstat().st_mode
            inside = path.relative_to(pack.folder).as_posix()
            if stat.S_ISREG(mode):
                yield inside
            elif not stat.S_ISDIR(mode):
                pack.findings.append(f"{clean(inside)} is no plain file.")


def opened(path: Path) -> Any:
    """A plain file for reading; a link or device is refused, not followed or waited for."""
    how = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    how |= getattr(os, "O_BINARY", 0)
    stream = os.fdopen(os.open(path, how), "rb")
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise OSError("it is no plain file")
    return stream


def digest_of(pack: PackFiles, name: str) -> tuple[str, int]:
    """Hex SHA-256 and size in bytes of a file; "" and -1 if it cannot be read."""
    digest, size = hashlib.sha256(), 0
    try:
        with opened(pack.folder / name) as stream:
            while piece := stream.read(_PIECE):
                digest.update(piece)
                size += len(piece)
    except OSError:
        return "", -1
    return digest.hexdigest(), size
