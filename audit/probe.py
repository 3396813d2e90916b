"""Looking for erased text in every file of a data folder, without knowing how it was erased.

Each file is read as bytes, whole. What our own formats pack is unpacked besides: the rows of SQLite
files (text that lies across two pages of the file), members of ZIP packages, gzip and zlib streams.
Stores that only their libraries can read are opened by whoever has these (`index.erasing`), and the
log's payloads by `audit.erasing`.

`search` does this in a process of its own: reading a database's file and closing it again would
drop the locks that SQLite holds on it in this process (https://www.sqlite.org/howtocorrupt.html,
2.2). The needles go to that process through a pipe, and what comes back are counts and names of
files, never text.

What it does not see: pieces that the file system or a solid-state disk keeps of files that are
gone, memory that was swapped out, and copies outside the data folder.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import sqlite3
import stat
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from audit.errors_duties import ProbeFailedError

_PIECE = 8 << 20  # bytes read at once
_MOST_UNPACKED = 512 << 20  # bytes of one packed file
_UNREADABLE = (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error)  # of a package
_SQLITE = b"SQLite format 3\0"
LOG = "audit log"
_PLACES = {
    "catalogue.db": "catalogue",
    "blobs": "original files",
    "views": "search views",
    "tmp": "temporary files",
    "sweeps": "sweeps",
    "audit": LOG,
    "eval": "evaluation folders",
    "models": "models",
    "prompts": "prompts",
}
OTHER = "other files"


@dataclass(frozen=True, slots=True)
class Place:
    """What a look at one place found: files and bytes read (unpacked ones included), how many
    needles were looked for, how many of them were found, and up to ten files that hold one."""

    name: str
    files: int
    bytes: int
    needles: int
    found: int
    where: tuple[str, ...] = ()


@dataclass(slots=True)
class _Tally:
    files: int = 0
    size: int = 0
    found: set[bytes] = field(default_factory=set)
    where: list[str] = field(default_factory=list)


def search(home: Path, needles: Sequence[bytes], ids: Sequence[bytes] = ()) -> tuple[Place, ...]:
    """Search all files below `home` and their names, by place; for `ids` everywhere but in the
    log, where they stay. Raises ProbeFailedError if a file cannot be read."""
    told = {
        "home": os.fsdecode(home),
        "needles": [base64.b64encode(each).decode() for each in needles],
        "ids": [base64.b64encode(each).decode() for each in ids],
    }
    done = subprocess.run(
        [sys.executable, "-P", "-m", "audit.probe"],
        input=json.dumps(told).encode(),
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(each for each in sys.path if each)},
    )
    if done.returncode:
        raise ProbeFailedError(done.stderr.decode(errors="replace").strip().rpartition("\n")[2])
    return tuple(
        Place(**{**each, "where": tuple(each["where"])}) for each in json.loads(done.stdout)
    )


def look(home: Path, needles: Sequence[bytes], ids: Sequence[bytes] = ()) -> list[Place]:
    """What `search` does, in this process. Raises OSError."""
    tallies: dict[str, _Tally] = {name: _Tally() for name in (*_PLACES.values(), OTHER)}
    for path in files_below(home):
        place = place_of(path.relative_to(home))
        tally, wanted = tallies[place], _wanted(place, needles, ids)
        try:
            found, size = _in_file(path, wanted)
        except FileNotFoundError:
            continue  # gone since it was listed, as temporary files are
        found |= {each for each in wanted if each in os.fsencode(path.relative_to(home))}
        tally.files += 1
        tally.size += size
        tally.found |= found
        if found and len(tally.where) < 10:
            tally.where.append(path.relative_to(home).as_posix())
    return [
        Place(
            name,
            each.files,
            each.size,
            len(_wanted(name, needles, ids)),
            len(each.found),
            tuple(each.where),
        )
        for name, each in tallies.items()
        if each.files
    ]


def _wanted(place: str, needles: Sequence[bytes], ids: Sequence[bytes]) -> Sequence[bytes]:
    return needles if place == LOG else (*needles, *ids)


def place_of(relative: Path) -> str:
    """The name of the place that a file below the home belongs to."""
    first = relative.parts[0]
    return _PLACES.get("catalogue.db" if first.startswith("catalogue.db") else first, OTHER)


def files_below(home: Path) -> Iterator[Path]:
    """All plain files below a folder, links not followed. Raises OSError for a closed folder."""

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    for folder, _, names in os.walk(home, onerror=refuse):
        for name in sorted(names):
            path = Path(folder, name)
            with suppress(FileNotFoundError):
                if stat.S_ISREG(path.lstat().st_mode):
                    yield path


def _in_file(path: Path, needles: Sequence[bytes]) -> tuple[set[bytes], int]:
    """The needles that a file holds, and how many bytes were looked at."""
    with path.open("rb") as stream:
        head = stream.read(16)
        stream.seek(0)
        found, size = _among(iter(lambda: stream.read(_PIECE), b""), needles)
    for pieces in _unpacked(path, head):
        more, unpacked = _among(pieces, needles)
        found |= more
        size += unpacked
    return found, size


def _among(pieces: Iterable[bytes], needles: Sequence[bytes]) -> tuple[set[bytes], int]:
    """The needles within the pieces joined together, and their length."""
    overlap = max((len(each) for each in needles), default=1) - 1
    left = list(needles)
    found: set[bytes] = set()
    tail, size = b"", 0
    for piece in pieces:
        size += len(piece)
        data = tail + piece
        hit = {each for each in left if each in data}
        if hit:
            found |= hit
            left = [each for each in left if each not in hit]
        tail = data[-overlap:] if overlap else b""
    return found, size


def _unpacked(path: Path, head: bytes) -> Iterator[Iterable[bytes]]:
    """What a packed file of a known format holds, part by part; nothing of any other."""
    if head.startswith(_SQLITE):
        yield _rows(path)
    elif head.startswith(b"PK\x03\x04"):
        yield from _members(path)
    elif head.startswith(b"\x1f\x8b"):
        with suppress(OSError, EOFError, zlib.error), gzip.open(path) as stream:
            yield [stream.read(_MOST_UNPACKED)]
    elif head[:2] in (b"\x78\x01", b"\x78\x9c", b"\x78\xda"):
        with suppress(zlib.error):
            yield [zlib.decompressobj().decompress(path.read_bytes(), _MOST_UNPACKED)]


def _members(path: Path) -> Iterator[Iterable[bytes]]:
    with suppress(*_UNREADABLE, OSError), zipfile.ZipFile(path) as package:
        for name in package.namelist():
            with suppress(*_UNREADABLE), package.open(name) as member:
                yield [member.read(_MOST_UNPACKED)]


def _rows(path: Path) -> Iterator[bytes]:
    """Every text and every run of bytes in the tables of an SQLite file, a line end between."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=10)) as database:
        database.text_factory = bytes
        listed = "SELECT name FROM sqlite_master WHERE type = 'table'"
        names = [str(name, "utf-8", "replace") for (name,) in database.execute(listed)]
        for name in names:
            quoted = '"' + name.replace('"', '""') + '"'
            # A virtual table may need a module that is not here; its shadow tables are read too.
            with suppress(sqlite3.OperationalError):
                for row in database.execute(f"SELECT * FROM {quoted}"):  # noqa: S608 - a table's own name, quoted
                    for value in row:
                        if isinstance(value, bytes):
                            yield value + b"\n"


def main() -> None:
    """Entry point of the process: a JSON object on stdin, a JSON list of places on stdout."""
    told = json.load(sys.stdin)
    needles, ids = ([base64.b64decode(each) for each in told[name]] for name in ("needles", "ids"))
    try:
        places = look(Path(told["home"]), needles, ids)
    except (OSError, sqlite3.Error) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    json.dump([asdict(each) for each in places], sys.stdout)


if __name__ == "__main__":
    main()
