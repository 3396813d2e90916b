"""Names and amounts of files within files: attachments of a mail, entries of an archive.

A member's name becomes part of the name of a source. It is never used as a path, and could be none
that leads anywhere else: relative, "/" between its parts, no ".." and nothing that is not shown.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container
from pathlib import PurePosixPath

from ingest.errors import Failure, ReadFailure
from ingest.options import ReadOptions

MAX_MEMBER_NAME = 255  # characters of one part of a name, the most that file systems take
MAX_MEMBER_PATH = 700  # characters of a whole name: some containers nest

_DRIVE = re.compile(r"^[A-Za-z]:")
_UNSHOWN = frozenset(
    "\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
)  # marks of direction and of no width: a name that is shown otherwise than it is
_CONTROLS = ("Cc", "Cs", "Co", "Cn", "Zl", "Zp")  # Unicode's general categories


class MemberFailure(ReadFailure):
    """One file within a file cannot be taken in, the others can. `name` is its path there."""

    def __init__(self, failure: Failure, name: str) -> None:
        super().__init__(failure)
        self.name = name


def is_safe(name: str) -> bool:
    """Whether `name` is one that `safe_name` could have given."""
    return (
        0 < len(name) <= MAX_MEMBER_PATH
        and "\\" not in name
        and not _DRIVE.match(name)
        and all(part not in ("", ".", "..") for part in name.split("/"))
        and all(_is_shown(character) for character in name)
    )


def safe_name(name: str) -> str:
    """`name` without what could lead out of its container or is not shown; "" if nothing is left.

    Too long parts are cut in their middle, so that the suffix stays.
    """
    shown = "".join(each for each in name.replace("\\", "/") if _is_shown(each))
    parts = (part.strip() for part in _DRIVE.sub("", shown.strip()).split("/"))
    kept = [_shortened(part) for part in parts if part not in ("", ".", "..")]
    while len("/".join(kept)) > MAX_MEMBER_PATH:
        kept.pop(0)
    path = "/".join(kept)
    return safe_name(path) if _DRIVE.match(path) else path  # ".." before a drive, as in "../C:x"


def file_name(name: str) -> str:
    """`name` as that of one file, without folders: "/" becomes "_"."""
    return _shortened(safe_name(name).replace("/", "_"))


def unique_name(name: str, taken: Container[str]) -> str:
    """`name`, or with the first number that makes it none of `taken`: "a.txt", "a-2.txt"."""
    if name not in taken:
        return name
    path = PurePosixPath(name)
    number = 2
    while True:
        stem = path.stem[: MAX_MEMBER_NAME - len(path.suffix) - 12]
        candidate = str(path.with_name(f"{stem}-{number}{path.suffix}"))
        if candidate not in taken:
            return candidate
        number += 1


class Allowance:
    """What the members of one container may still amount to, by the options."""

    def __init__(self, options: ReadOptions) -> None:
        self.bytes_left = options.max_member_bytes
        self._members_left = options.max_members

    def take(self, size: int) -> None:
        """Count one member of `size` bytes. Raises ReadFailure (TOO_MANY_MEMBERS)."""
        self.bytes_left -= size
        self._members_left -= 1
        if self.bytes_left < 0 or self._members_left < 0:
            raise ReadFailure(Failure.TOO_MANY_MEMBERS)


def _is_shown(character: str) -> bool:
    if character.isascii():
        return " " <= character <= "~"
    return character not in _UNSHOWN and unicodedata.category(character) not in _CONTROLS


def _shortened(part: str) -> str:
    if len(part) <= MAX_MEMBER_NAME:
        return part
    suffix = PurePosixPath(part).suffix[:20]
    return part[: MAX_MEMBER_NAME - len(suffix) - 1].rstrip() + "…" + suffix
