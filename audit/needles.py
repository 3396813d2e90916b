"""What to look for after an erasure: pieces of the erased text, taken before it goes.

They live in memory only, never on a disk, and are printed nowhere. A piece that also occurs in what
stays would be found rightly; it is left out and counted, so that nothing found can be explained
away. Random pieces of random length: whoever erases cannot know what will be looked for.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from audit import wording

MOST = 64  # pieces of each kind
_LEAST_BYTES, _MOST_BYTES = 16, 32
_LEAST_DIFFERENT = 8  # values in a window of bytes: runs of zeros or blanks say nothing
_WHOLE_NAME = 12  # bytes from which a file name is telling enough to be looked for
_TRIES = 8  # windows drawn for each that is wanted

_T = TypeVar("_T")
_draw = secrets.SystemRandom()


@dataclass(frozen=True, slots=True)
class Needles:
    """`words`, `raw` and `names` as bytes to search for; `shared` counts pieces left out because
    they occur in what stays, `marks` are the hashes of all runs of words that do not."""

    words: tuple[bytes, ...] = field(default=(), repr=False)
    raw: tuple[bytes, ...] = field(default=(), repr=False)
    names: tuple[bytes, ...] = field(default=(), repr=False)
    marks: frozenset[int] = field(default=frozenset(), repr=False)
    shared: int = 0

    def every(self) -> tuple[bytes, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys((*self.words, *self.raw, *self.names)))


def gather(
    texts: Iterable[str],
    kept: Callable[[], Iterable[str]],
    originals: Iterable[bytes] = (),
    names: Iterable[str] = (),
) -> Needles:
    """The needles of erased `texts`, `originals` (whole files) and `names` (of files).

    `kept` gives the texts that stay; they are gone through twice: for runs of words that they share
    and, since a cut word differs from the whole one, for pieces that they hold as they are.
    """
    found: dict[int, str] = {}
    for text in texts:
        for run in wording.runs(text):
            found.setdefault(run.mark, text[run.start : run.end])
    windows = [window for original in originals for window in _windows(original)]
    wanted = {name for name in names if len(name.encode("utf-8", "replace")) >= _WHOLE_NAME}
    before = len(found) + len(windows) + len(wanted)
    for text in kept():
        for run in wording.runs(text):
            found.pop(run.mark, None)
    long = [each for each in map(_cut, found.values()) if len(each.encode()) >= _LEAST_BYTES]
    pieces = _chosen(long, 2 * MOST)
    sampled = len(pieces)
    for text in kept():
        encoded = text.encode("utf-8", "surrogatepass")
        pieces = [piece for piece in pieces if piece not in text]
        windows = [window for window in windows if window not in encoded]
        wanted = {name for name in wanted if name not in text}
    left_out = before - len(found) - len(windows) - len(wanted) + sampled - len(pieces)
    return Needles(
        words=tuple(form for piece in _chosen(pieces) for form in _forms(piece)),
        raw=tuple(_chosen(windows)),
        names=tuple(form for name in sorted(wanted) for form in _forms(name)),
        marks=frozenset(found),
        shared=left_out,
    )


def without(needles: Needles, held: Iterable[bytes]) -> Needles:
    """The needles but those raw pieces that files which stay hold, too (fonts, file headers)."""
    raw = list(needles.raw)
    for data in held:
        raw = [each for each in raw if each not in data]
    left_out = len(needles.raw) - len(raw)
    return replace(needles, raw=tuple(raw), shared=needles.shared + left_out)


def _chosen(items: Sequence[_T], most: int = MOST) -> list[_T]:
    return list(items) if len(items) <= most else _draw.sample(items, most)


def _windows(original: bytes) -> Iterator[bytes]:
    """Random windows of 16 to 32 bytes of a file, at most a few for each that will be used."""
    if len(original) <= _MOST_BYTES:
        if len(set(original)) >= _LEAST_DIFFERENT:
            yield original
        return
    seen: set[int] = set()
    for _ in range(MOST * _TRIES):
        start = _draw.randrange(len(original) - _MOST_BYTES + 1)
        window = original[start : start + _draw.randint(_LEAST_BYTES, _MOST_BYTES)]
        if start not in seen and len(set(window)) >= _LEAST_DIFFERENT:
            seen.add(start)
            yield window
            if len(seen) == 2 * MOST:
                return


def _cut(piece: str) -> str:
    """At most 64 characters of a run: it may span a line end and a long blank."""
    return piece[:64]


def _forms(text: str) -> Iterator[bytes]:
    """As programs store text: UTF-8, UTF-16LE, and escaped in JSON."""
    yield text.encode("utf-8", "replace")
    yield text.encode("utf-16-le", "replace")
    escaped = json.dumps(text)[1:-1].encode()
    if escaped != text.encode("utf-8", "replace"):
        yield escaped
