"""What the views of a scope propose for one question: unchecked candidates.

Each collection in the scope is opened by itself, each of its shelves too: the current one always,
the past one when a document on it was in force on the day that is asked about. Vectors are searched
beside words, in another thread: the libraries of both do their work without Python's lock.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field

from index.clock import Clock
from index.effective import InForce
from index.errors import HomeFull, HomeUnavailable
from index.ports import Worded
from index.records import Vector
from index.views import Views

log = logging.getLogger(__name__)

Key = tuple[str, str]  # collection, chunk id


@dataclass(frozen=True, slots=True)
class Shelves:
    """The views of the documents that are current, and of those that were."""

    current: Views
    past: Views

    def asked(self, in_force: InForce) -> tuple[Views, ...]:
        return (self.current, self.past) if in_force.past else (self.current,)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked for: `dense` and `words` say which signals are asked for candidates.

    `query` is the question's vector, which may be being made still.
    """

    question: str
    query: Future[Vector]
    depth: int  # candidates of each signal, of all collections together
    dense: bool = True
    words: bool = True


@dataclass(slots=True)
class Proposals:
    """Candidates of each signal with their scores. The catalogue may know better by now."""

    untrusted_dense: dict[Key, float] = field(default_factory=dict)
    untrusted_words: dict[Key, float] = field(default_factory=dict)
    places: set[str] = field(default_factory=set)  # where vectors were searched

    @property
    def keys(self) -> set[Key]:
        return {*self.untrusted_dense, *self.untrusted_words}


def propose(
    shelves: Shelves,
    asked: Asked,
    in_force: Mapping[str, InForce],
    clock: Clock,
    beside: Executor,
) -> Proposals:
    """The best `asked.depth` candidates of each signal, of the collections in `in_force`.

    `beside` runs the search by vectors while this thread searches by words.
    """
    near = beside.submit(_near, shelves, asked, in_force, clock)
    words: dict[Key, float] = {}
    for name, those in in_force.items() if asked.words else ():
        for views in shelves.asked(those):
            with clock.stage("lexical"):
                worded = views.words(name, asked.question, asked.depth)
                _keep(words, name, {each.chunk: each.score for each in worded})
    dense, places = near.result()
    return Proposals(_best(dense, asked.depth), _best(words, asked.depth), places)


def _near(
    shelves: Shelves, asked: Asked, in_force: Mapping[str, InForce], clock: Clock
) -> tuple[dict[Key, float], set[str]]:
    """Candidates by vectors, and where these were searched."""
    query = asked.query.result()
    found: dict[Key, float] = {}
    places: set[str] = set()
    for name, those in in_force.items() if asked.dense else ():
        for views in shelves.asked(those):
            with clock.stage("dense"):
                near, origin = views.nearest(name, query, asked.depth)
                _keep(found, name, {each.chunk: each.score for each in near})
                places |= origin
    return found, places


def weighed(
    shelves: Shelves,
    question: str,
    keys: Sequence[Key],
    in_force: Mapping[str, InForce],
) -> dict[Key, Worded]:
    """What the words of `keys` are worth for the question, each in its own collection."""
    chunks: dict[str, list[str]] = {}
    for name, chunk in keys:
        chunks.setdefault(name, []).append(chunk)
    found: dict[Key, Worded] = {}
    for name, ids in chunks.items():
        for views in reversed(shelves.asked(in_force[name])):  # what is current has the last word
            worded = views.weigh(name, question, ids)
            found |= {(name, chunk): each for chunk, each in worded.items()}
    return found


def level(shelves: Shelves, in_force: Mapping[str, InForce], levels: Mapping[str, int]) -> None:
    """Bring lexical views up to `levels`, if this process may write them.

    A view that cannot be written lags: vectors still find what its words would.
    """
    for name, those in in_force.items():
        for views in shelves.asked(those):
            if views.reached_words(name) >= levels[name]:
                continue
            try:
                views.freshen_words(name)
            except (HomeFull, HomeUnavailable) as failure:
                log.warning("Words of recent documents in %s are not searched: %s", name, failure)


def _keep(scores: dict[Key, float], name: str, found: Mapping[str, float]) -> None:
    for chunk, score in found.items():
        scores[name, chunk] = max(score, scores.get((name, chunk), score))


def _best(scores: dict[Key, float], limit: int) -> dict[Key, float]:
    ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    return dict(ranked[:limit])
