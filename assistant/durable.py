"""Replacing a small file so that a reader, or a crash, meets the old content or the new."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from index.files import flush_folder


def replace_file(path: Path, data: bytes) -> None:
    """Make `data` the content of `path`, on disk when this returns; readable by the owner only.

    The folder must be there. Raises OSError, or HomeFull and HomeUnavailable for the folder.
    """
    descriptor, name = tempfile.mkstemp(prefix=".replacing-", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    flush_folder(path.parent)
