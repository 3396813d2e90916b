"""Judges what askers were shown, after the fact, by when documents and grants changed.

A passage may be shown if the asker's groups could read its collection at some moment of the call,
and its document was searched there at some moment of the call. A document removed or superseded
before the call began was searched at no such moment. The other way round, what could be read all
through the call must be reachable: an index that shows nothing would pass otherwise.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product

from tests.index.scope_changes import Fact, Happened
from tests.index.scope_world import World, owner_of, title_of

_NEVER, _ALWAYS = 0, 1 << 62
_SEEN_BY_CODE = 5  # hits within which a text's own code word must find it


@dataclass(slots=True)
class _Span:
    """When a fact may have been true (outer) and certainly was (inner)."""

    maybe_from: int
    sure_from: int
    sure_to: int = _ALWAYS
    maybe_to: int = _ALWAYS


class Timeline:
    """Which facts were true when."""

    def __init__(self, happened: Iterable[Happened]) -> None:
        self._spans: dict[Fact, list[_Span]] = {}
        for each in happened:
            spans = self._spans.setdefault(each.fact, [])
            if each.true:
                spans.append(_Span(each.began, each.ended))
            else:
                spans[-1].sure_to, spans[-1].maybe_to = each.began, each.ended

    def maybe(self, fact: Fact, start: int, end: int) -> bool:
        """Whether the fact can have been true at some moment of the time from start to end."""
        return any(s.maybe_from <= end and s.maybe_to >= start for s in self._spans.get(fact, ()))

    def surely(self, fact: Fact, start: int, end: int) -> bool:
        """Whether the fact was true all the time from start to end."""
        return any(s.sure_from <= start and s.sure_to >= end for s in self._spans.get(fact, ()))

    def readable(
        self, names: Iterable[str], groups: Iterable[str], start: int, end: int
    ) -> tuple[set[str], set[str]]:
        """The collections that one of `groups` surely, and maybe, could read."""
        groups, names = tuple(groups), tuple(names)
        sure = {n for n in names if any(self.surely(("read", n, g), start, end) for g in groups)}
        maybe = {n for n in names if any(self.maybe(("read", n, g), start, end) for g in groups)}
        return sure, maybe


@dataclass(frozen=True, slots=True)
class Shown:
    """A passage or document as the asker got it; `text` is empty where none was shown."""

    collection: str
    document: str
    source: str
    title: str
    text: str = ""
    chunk: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """One call of one asker. Times in nanoseconds, monotonic.

    `kind` is what was called; `scope` what `Index.scope` gave, None if the call took it itself;
    `narrowed` the collections the question named, `named` the documents (ids); `shown` what came
    back, `refused` the sentence if it was refused; `about` the document that was asked for or whose
    code word was searched.
    """

    number: int
    kind: str
    groups: frozenset[str]
    began: int
    ended: int
    k: int = 0
    scope: frozenset[str] | None = None
    scoped: int = 0  # when the scope was there
    narrowed: frozenset[str] | None = None
    named: frozenset[str] | None = None
    about: str | None = None
    words_of: str = ""  # the document whose words the question is made of
    shown: tuple[Shown, ...] = ()
    refused: str = ""
    wrong: tuple[str, ...] = ()  # what was seen to be wrong at once


@dataclass
class Verdict:
    """What came of judging many cases."""

    leaks: list[str] = field(default_factory=list)  # shown and must not be
    missing: list[str] = field(default_factory=list)  # must be shown and was not
    cases: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)
    passages: int = 0
    with_passages: int = 0
    refusals: int = 0
    concurrent: int = 0  # cases during which a grant or a document changed
    aimed_at_forbidden: int = 0  # cases about a document that the asker could not see

    def add(self, other: Verdict) -> None:
        """Both together."""
        for name in ("cases", "passages", "with_passages", "refusals", "concurrent"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.aimed_at_forbidden += other.aimed_at_forbidden
        self.leaks += other.leaks
        self.missing += other.missing
        for kind, count in other.by_kind.items():
            self.by_kind[kind] = self.by_kind.get(kind, 0) + count


class Oracle:
    """Judges cases of one world by what happened in it."""

    def __init__(self, world: World, happened: Sequence[Happened]) -> None:
        self._world = world
        self._timeline = Timeline(happened)
        self._names = sorted({each.fact[1] for each in happened})
        self._moments = sorted((each.began, each.ended) for each in happened)
        self._sentences: dict[str, str] = {}

    def judge(self, cases: Iterable[Case]) -> Verdict:
        """Everything that is wrong with `cases`, and how much they tried."""
        found = Verdict()
        for case in cases:
            label = f"world {self._world.seed} case {case.number} ({case.kind})"
            found.leaks += [f"{label}: {what}" for what in self._leaks(case)]
            found.missing += [f"{label}: {what}" for what in self._missing(case)]
            found.cases += 1
            found.by_kind[case.kind] = found.by_kind.get(case.kind, 0) + 1
            found.passages += len(case.shown)
            found.with_passages += bool(case.shown)
            found.refusals += bool(case.refused)
            found.concurrent += self._changed(case)
            found.aimed_at_forbidden += self._forbidden(case)
        return found

    def _changed(self, case: Case) -> bool:
        at = bisect.bisect_left(self._moments, (case.began, 0))
        near = self._moments[max(0, at - 1) : at + 1]
        return any(began <= case.ended and ended >= case.began for began, ended in near)

    def _forbidden(self, case: Case) -> bool:
        _sure, maybe = self._read(case)
        return self._perhaps_there(case, self._names) and not self._perhaps_there(case, maybe)

    def _perhaps_there(self, case: Case, names: Iterable[str]) -> bool:
        """Whether one of the collections can have had what was asked for during the call."""
        document = case.about or case.words_of
        return any(self._now(("held", name, document), case) for name in names)

    def _now(self, fact: Fact, case: Case) -> bool:
        return self._timeline.maybe(fact, case.began, case.ended)

    def _read(self, case: Case) -> tuple[set[str], set[str]]:
        """What the asker surely and maybe could read during the call, of what was asked for."""
        names = [n for n in self._names if case.narrowed is None or n in case.narrowed]
        return self._timeline.readable(names, case.groups, case.began, case.ended)

    def _leaks(self, case: Case) -> Iterator[str]:
        yield from case.wrong
        _sure, maybe = self._read(case)
        if case.scope is not None:
            end = case.scoped
            allowed = self._timeline.readable(self._names, case.groups, case.began, end)[1]
            if beyond := case.scope - allowed:
                yield f"the scope of {sorted(case.groups)} holds {sorted(beyond)}"
            narrowed = case.scope if case.narrowed is None else case.scope & case.narrowed
            maybe &= narrowed
        past = case.kind in ("as of", "document", "page", "original")  # old versions, too
        fact = "held" if past else "searched"
        for each in case.shown:
            yield from self._leak(each, maybe, fact, case)
            if case.named is not None and each.document not in case.named:
                yield f"{each.document[:8]} was shown and is none of the documents named"
        if case.kind not in ("documents", "document", "page", "original"):
            if len(case.shown) > case.k:
                yield f"{len(case.shown)} passages were shown for k={case.k}"
            chunks = [each.chunk for each in case.shown]
            if len(set(chunks)) < len(chunks):
                yield "a passage was shown twice"
        if case.refused and not self._perhaps_there(case, maybe):
            known = self._sentences.setdefault(case.kind, case.refused)
            if known != case.refused:
                yield f"refused with {case.refused!r} and elsewhere with {known!r}"

    def _leak(self, each: Shown, maybe: set[str], fact: str, case: Case) -> Iterator[str]:
        text = self._world.by_id.get(each.document)
        place = f"{each.document[:8]} of {each.collection!r}"
        if each.collection not in maybe:
            yield f"{place} was shown to {sorted(case.groups)}, who could not read it"
        if not self._now((fact, each.collection, each.document), case):
            yield f"{place} was shown and was not there during the call"
        if owner_of(each.source) != each.collection or each.title != title_of(each.collection):
            yield f"{place} was shown as {each.source!r}, {each.title!r}"
        if text is None or each.text not in text.text:
            yield f"{place} was shown with a text that is not its own"

    def _missing(self, case: Case) -> Iterator[str]:
        sure, _maybe = self._read(case)
        if case.scope is not None:
            full = self._timeline.readable(self._names, case.groups, case.began, case.ended)[0]
            if lost := full - case.scope:
                yield f"the scope of {sorted(case.groups)} lacks {sorted(lost)}"
        if case.kind == "documents":
            shown = {(each.collection, each.document) for each in case.shown}
            for name, document in product(sure, self._world.by_id):
                if (name, document) not in shown and self._there(document, {name}, case):
                    yield f"{document[:8]} of {name!r} was not listed"
        elif case.named is not None and case.about not in case.named:
            return
        elif case.kind != "beyond" and case.about and self._there(case.about, sure, case):
            text = self._world.by_id[case.about]
            if case.refused:
                yield f"{case.about[:8]} was refused with {case.refused!r}"
            elif case.k >= _SEEN_BY_CODE and not any(text.code in s.text for s in case.shown):
                yield f"{case.about[:8]} was not found by its own code word"

    def _there(self, document: str, names: set[str], case: Case) -> bool:
        """Whether the document was searched in one of the collections all through the call."""
        return any(
            self._timeline.surely(("searched", name, document), case.began, case.ended)
            for name in names
        )
