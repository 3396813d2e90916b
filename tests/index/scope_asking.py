"""Whoever asks: one call after the other, by all ways on which text can reach a person."""

from __future__ import annotations

import hashlib
import random
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from assistant.answer import Asker, Question
from assistant.answering import Policy
from assistant.model import Model
from assistant.pages import Viewer
from assistant.pipeline import Assistant
from audit.record import Event, Record
from index.document import Document, Hit, Scope
from index.errors import NotFound
from index.store import Index
from tests.index.scope_oracle import Case, Shown
from tests.index.scope_world import World, owner_of

# Days that questions are about: today mostly, one before all documents, one after all.
DAYS = (*[None] * 10, "2001-06-30", "2999-12-31")


@dataclass
class LastEvents:
    """A log that keeps the events of the last call only."""

    events: list[Event] = field(default_factory=list)

    def append(self, event: Event) -> Record:
        self.events.append(event)
        return Record(0, "event", event.type, 0, "00" * 32)


class Client:
    """Asks `index` as people of all kinds; each call is a case for the oracle."""

    def __init__(self, index: Index, world: World) -> None:
        self._index = index
        self._world = world
        self._log = LastEvents()
        viewer = Viewer(lambda _path, _number: None)
        self._assistant = Assistant(index, self._log, cast(Model, None), viewer, Policy())
        self._kinds: list[tuple[int, str]] = [
            (70, "search"),
            (14, "assistant"),
            (5, "document"),
            (4, "page"),
            (3, "original"),
            (2, "page_view"),
            (1, "documents"),
            (1, "listed"),
        ]

    def case(self, number: int) -> Case:
        """The case with this number of the world; the same questions whenever it is asked."""
        rng = random.Random(f"case-{self._world.seed}-{number}")
        kind = rng.choices([k for _, k in self._kinds], [n for n, _ in self._kinds])[0]
        groups = self._world.user(rng)
        if kind == "search":
            return self._search(number, rng, groups)
        if kind == "assistant":
            return self._assist(number, rng, groups)
        if kind in ("documents", "listed"):
            return self._list(number, kind, groups)
        return self._look_up(number, kind, rng, groups)

    def _search(self, number: int, rng: random.Random, groups: frozenset[str]) -> Case:
        asking, names = self._world.asking(rng), self._world.narrowed(rng)
        day, named = rng.choice(DAYS), self._world.named(rng)
        if named and asking.words_of and rng.random() < 0.5:
            named |= {asking.words_of}
        began = time.monotonic_ns()
        scope = self._index.scope(groups)
        scoped = time.monotonic_ns()
        within = scope if names is None else scope.narrowed(names)
        result = self._index.search(asking.question, within, asking.k, day=day, documents=named)
        ended = time.monotonic_ns()
        return Case(
            number,
            "as of" if day is not None else "search" if named is None else "within",
            groups,
            began,
            ended,
            k=asking.k,
            scope=scope.collections,
            scoped=scoped,
            narrowed=names,
            named=named,
            about=asking.about if day is None else None,
            words_of=asking.words_of,
            shown=tuple(map(_shown, result.hits)),
            wrong=tuple(_misnumbered(result.hits, day)),
        )

    def _assist(self, number: int, rng: random.Random, groups: frozenset[str]) -> Case:
        asking, names = self._world.asking(rng), self._world.narrowed(rng)
        text = asking.question.encode("utf-8", "replace").decode("utf-8")  # as a terminal sends it
        question = Question(text, _asker(groups), collections=names)
        self._log.events.clear()
        began = time.monotonic_ns()
        report = self._assistant.search(question, asking.k)
        ended = time.monotonic_ns()
        shown = tuple(
            Shown(owner_of(p.source), p.document, p.source, p.title, p.text, p.chunk)
            for p in report.passages
        )
        told = self._log.events[-1].fields["chunks"] == [each.chunk for each in shown][:200]
        return Case(
            number,
            "assistant",
            groups,
            began,
            ended,
            k=asking.k,
            narrowed=names,
            about=asking.about,
            words_of=asking.words_of,
            shown=shown,
            wrong=() if told else ("the log tells of other passages",),
        )

    def _list(self, number: int, kind: str, groups: frozenset[str]) -> Case:
        began = time.monotonic_ns()
        if kind == "listed":
            found = list(self._assistant.documents(_asker(groups)))
        else:
            found = self._index.documents(self._index.scope(groups))
        ended = time.monotonic_ns()
        shown = tuple(map(_about, found))
        return Case(number, "documents", groups, began, ended, shown=shown)

    def _look_up(self, number: int, kind: str, rng: random.Random, groups: frozenset[str]) -> Case:
        """A document by its id, which the asker may have seen anywhere, or made up."""
        asked_for = rng.choice(self._world.texts).id
        if rng.random() < 0.2:
            asked_for = hashlib.sha256(f"unknown {number}".encode()).hexdigest()
        page = 1 if rng.random() < 0.9 else 7
        began = time.monotonic_ns()
        shown, refused = self._answered(kind, asked_for, page, groups)
        ended = time.monotonic_ns()
        if kind == "page_view":
            kind = "page"
        if kind == "page" and page > 1:
            kind = "beyond"
        case = Case(number, kind, groups, began, ended)
        return replace(case, about=asked_for, shown=shown, refused=refused)

    def _answered(
        self, kind: str, document: str, page: int, groups: frozenset[str]
    ) -> tuple[tuple[Shown, ...], str]:
        try:
            return self._looked_up(kind, document, page, groups), ""
        except NotFound as error:
            return (), str(error)

    def _looked_up(
        self, kind: str, document: str, page: int, groups: frozenset[str]
    ) -> tuple[Shown, ...]:
        if kind == "page_view":
            view = self._assistant.page_view(_asker(groups), document, page)
            return (
                Shown(owner_of(view.source), view.document, view.source, view.title, view.text),
            )
        scope: Scope = self._index.scope(groups)
        if kind == "original":
            path: Path = self._index.original(document, scope)
            found = self._index.document(document, scope)
            return (replace(_about(found), text=path.read_text(encoding="utf-8")),)
        found = self._index.document(document, scope)
        if kind == "page":
            return (replace(_about(found), text=self._index.page(document, page, scope).text),)
        return (_about(found),)


def _asker(groups: frozenset[str]) -> Asker:
    return Asker("somebody", groups, "local-user")


def _shown(hit: Hit) -> Shown:
    about = hit.document
    return Shown(about.collection, about.id, about.source, about.title, hit.text, hit.chunk.id)


def _about(document: Document) -> Shown:
    return Shown(document.collection, document.id, document.source, document.title)


def _misnumbered(hits: tuple[Hit, ...], day: str | None) -> list[str]:
    """What is wrong with the hits by themselves."""
    found = []
    if [hit.rank for hit in hits] != list(range(1, len(hits) + 1)):
        found.append("the ranks do not count from 1")
    for hit in hits:
        if {each.document_id for each in (hit.chunk, *hit.joined)} != {hit.document.id}:
            found.append("a passage is joined from several documents")
        if day is None and hit.document.status != "current":
            found.append(f"{hit.document.id[:8]} is shown as {hit.document.status}")
    return found
