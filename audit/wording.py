"""Runs of words: how text is recognised again where it was quoted, wrapped or cut.

A run is `RUN` consecutive words in lower case, kept as a 64-bit BLAKE2b hash, so that line ends,
spaces, punctuation and case make no difference. Two texts that share `RUN` words in a row share a
hash. Texts of fewer words have none and can only be recognised by the ids that stand beside them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import NamedTuple

RUN = 5  # words
_WORD = re.compile(r"\w+")


class Run(NamedTuple):
    """One run of words: its hash, and the characters `[start, end)` of the text that it spans."""

    mark: int
    start: int
    end: int


def runs(text: str) -> Iterator[Run]:
    """All runs of a text, in order."""
    words = [(each.group().casefold(), each.start(), each.end()) for each in _WORD.finditer(text)]
    for at in range(len(words) - RUN + 1):
        taken = words[at : at + RUN]
        joined = " ".join(word for word, _, _ in taken).encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(joined, digest_size=8).digest()
        yield Run(int.from_bytes(digest, "big"), taken[0][1], taken[-1][2])


def marks(texts: Iterable[str]) -> set[int]:
    """The hashes of all runs of some texts."""
    return {run.mark for text in texts for run in runs(text)}


def shares(text: str, wanted: Set[int]) -> bool:
    """Whether a text has one of the runs."""
    return bool(wanted) and any(run.mark in wanted for run in runs(text))


def plain(text: str) -> str:
    """The words of a text in lower case with one space around each: for comparing short texts."""
    return f" {' '.join(each.group().casefold() for each in _WORD.finditer(text))} "


def strings(value: object) -> Iterator[str]:
    """Every text within a payload, the names of its members included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield str(name)
            yield from strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from strings(item)
