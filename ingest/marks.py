"""What is being read right now, in a small file for each reading slot.

A run that is killed with the file it was reading (out of memory, a power cut, kill -9) leaves the
mark, and the next run counts an attempt for that file: one that ends every run is quarantined
instead of being read for ever. Where neither memory nor the machine gave out, somebody ended the
run, and which file was read was most likely chance: that weighs little (`UNEXPLAINED`).

Not flushed to the disk: after a power cut a mark may be missing, and then only that attempt is not
counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from index.files import file_errors
from ingest.items import Origin

PREFIX = "reading-"

UNEXPLAINED = 10
"""So many ends without a reason weigh as one with a reason."""

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_VMSTAT = Path("/proc/vmstat")


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A source that was being read when a run ended, and the SHA-256 of its bytes. `explained`:
    memory ran out or the machine went down meanwhile; else the run was just killed.
    """

    origin: Origin
    digest: str
    explained: bool


class Mark:
    """The mark of one slot below `folder`."""

    def __init__(self, folder: Path, slot: str) -> None:
        self._path = folder / f"{PREFIX}{slot}"
        self._text = ""

    @contextmanager
    def on(self, origin: Origin, digest: str) -> Iterator[Self]:
        """While this lasts the source is marked. Raises HomeFull, HomeUnavailable."""
        told = {"origin": asdict(origin), "digest": digest, "machine": _machine()}
        self._text = json.dumps(told)
        self.resume()
        try:
            yield self
        finally:
            self.pause()

    def pause(self) -> None:
        """The source is not being read for now."""
        with suppress(OSError):
            self._path.unlink()

    def resume(self) -> None:
        """The source is being read again. Raises HomeFull, HomeUnavailable."""
        with file_errors(self._path):
            self._path.write_text(self._text, encoding="ascii")


def left(folder: Path) -> list[Interrupted]:
    """What earlier runs were reading when they were killed; a mark cut short says nothing."""
    found = []
    for path in sorted(folder.glob(f"{PREFIX}*")):
        with suppress(OSError, ValueError, KeyError, TypeError):
            told = json.loads(path.read_text(encoding="ascii"))
            explained = told["machine"] != _machine()
            found.append(Interrupted(Origin(**told["origin"]), str(told["digest"]), explained))
    return found


def _machine() -> list[str]:
    """What differs once the machine was started anew or the kernel has ended a process for want
    of memory: proc_sys_kernel(5), `oom_kill` of /proc/vmstat. Empty where there is no such file.
    """
    found = []
    with suppress(OSError):
        found.append(_BOOT.read_text(encoding="ascii").strip())
    with suppress(OSError):
        lines = _VMSTAT.read_text(encoding="ascii").splitlines()
        found += [line for line in lines if line.startswith("oom_kill ")]
    return found


def sweep(folder: Path) -> None:
    """Remove all marks, once they have been counted."""
    for path in folder.glob(f"{PREFIX}*"):
        with suppress(OSError):
            path.unlink()
