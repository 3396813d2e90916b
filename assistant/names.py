"""Names: capitalised words and sequences of them, and whether a text holds one.

Pure. Without a dictionary a capitalised word at the start of a sentence cannot be told from a
name, so it is returned and marked `initial`; whoever checks decides how strict to be with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from assistant.terms import STOPWORDS, fold

_TOKEN = re.compile(r"[^\W\d_][\w'’&]*(?:-[\w'’]+)*")
_JOINERS = frozenset({"of", "for", "de", "van", "von", "der", "du", "la", "le", "del", "&"})
_STARTS = re.compile(r"(?:^|[.!?:;|\n•])[\s\"'“‘(\[*#>-]*$")
_NOT_NAMES = frozenset({"i", "yes", "ok"})


@dataclass(frozen=True, slots=True)
class Name:
    """`value` is folded, its words one space apart; `initial`: a single word where a sentence
    starts, which may be an ordinary word."""

    value: str
    start: int
    end: int
    initial: bool


def _tidy(word: str) -> str:
    return fold(word).removesuffix("'s").rstrip("'")


def _is_capital(word: str) -> bool:
    return word[0].isupper()


def find(text: str) -> Iterator[Name]:
    """The names of `text` in order. Leading and trailing stop words are not part of one."""
    run: list[re.Match[str]] = []
    for token in _TOKEN.finditer(text):
        gap = text[run[-1].end() : token.start()] if run else ""
        joined = bool(run) and gap in (" ", "\n")
        word = token.group()
        if joined and (_is_capital(word) or word in _JOINERS):
            run.append(token)
            continue
        yield from _close(text, run)
        run = [token] if _is_capital(word) else []
    yield from _close(text, run)


def _close(text: str, run: list[re.Match[str]]) -> Iterator[Name]:
    while run and not _is_capital(run[-1].group()):
        run = run[:-1]
    at_start = bool(run) and bool(_STARTS.search(text[: run[0].start()]))
    while run and (fold(run[0].group()) in STOPWORDS or fold(run[0].group()) in _NOT_NAMES):
        run, at_start = run[1:], at_start and len(run) == 1
    while run and not _is_capital(run[0].group()):
        run = run[1:]
    if run:
        value = " ".join(_tidy(token.group()) for token in run)
        yield Name(value, run[0].start(), run[-1].end(), at_start and len(run) == 1)


def words(text: str) -> tuple[str, ...]:
    """All words of `text` as names are compared: folded, without a possessive ending."""
    return tuple(_tidy(token.group()) for token in re.finditer(r"[\w&]+(?:['’][\w]+)?", text))


def occurs(value: str, present: tuple[str, ...]) -> bool:
    """Whether the words of a name stand next to each other in `present` (from `words`)."""
    wanted = words(value)
    if not wanted:
        return True
    return any(
        present[at : at + len(wanted)] == wanted for at in range(len(present) - len(wanted) + 1)
    )
