"""Which documents a question names, told by how well their names match it. Pure.

A question about one report of many that say nearly the same ("Acme's gross margin in the third
quarter of 2023") names it by firm, period, title or file name, which the passage that answers it
does not repeat. What names a document is `index.context.naming`; how much of what the question
names stands there is told by the lexical view.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from index import recency

K = TypeVar("K")

_NAMED = 0.8  # of the best match: as good a name, as far as words can tell
_LEAST = 0.3  # of the question's names: less is chance
_FEW = 3  # documents that a question can be about without being about a corpus


def named(places: Mapping[K, float], documents: Mapping[K, int]) -> frozenset[int]:
    """The documents (rows, by candidate) whose names match best, or nearly so; none by chance."""
    best = max(places.values(), default=0.0)
    if best < _LEAST:
        return frozenset()
    return frozenset(documents[key] for key, share in places.items() if share >= _NAMED * best)


def latest(question: str, names: Mapping[int, str]) -> frozenset[int]:
    """Of the documents that a question names, the latest ones if it asks for these."""
    if not recency.asks_for_latest(question):
        return frozenset()
    return recency.latest({key: recency.dated(name) for key, name in names.items()}, names.keys())


def focus(about: frozenset[int], among: int) -> frozenset[int]:
    """The documents that a question is about, if it names few of the `among` candidates."""
    return about if len(about) <= min(_FEW, max(1, among // 2)) else frozenset()
