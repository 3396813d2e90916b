"""Opens a copy of a file and passes on what is in it: a document, records, or files within.

A file within a file is copied, too, and goes the same way, under the name of its container. All
that is in a container comes before the container's own line.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from index.intake import valid_name
from index.records import Declared, SourceState, SourceStatus
from ingest.claims import Claim, Claims
from ingest.errors import Failure, ReadFailure, sentence
from ingest.facts import BadFacts, Facts, declared, named_collection
from ingest.front import Told, title_of
from ingest.items import (
    Described,
    Duplicate,
    Failed,
    Held,
    Item,
    Known,
    Origin,
    Outdated,
    Ready,
    Skipped,
)
from ingest.known import KnownSources, facts_of, is_current, note
from ingest.marks import Mark
from ingest.members import MemberFailure
from ingest.options import ReadOptions
from ingest.pages import Member, ReadDocument
from ingest.sandbox import Sandbox
from ingest.staging import Staged, require_space, stage_bytes

Front = Callable[[SourceState], Told]
"""What the document that a source holds said of itself."""

_OF_ONE = frozenset({"title", "supersedes"})  # facts that a container does not hand down


@dataclass(frozen=True, slots=True)
class Rules:
    """How a run takes files in. Sizes in bytes."""

    asked: str  # the collection for files that name none
    folder: Path  # for private copies
    options: ReadOptions
    max_bytes: int
    max_depth: int
    least_free: int


@dataclass(frozen=True, slots=True)
class Bench:
    """What one thread reads with."""

    sandbox: Sandbox
    mark: Mark


@dataclass(slots=True)
class Allowance:
    """What may still be unpacked of one file on disk, however its containers nest."""

    members: int
    bytes: int


@dataclass(slots=True)
class Piece:
    """A file or a part of one, of which there is a private copy; `depth` counts the containers it
    is in. `passed_on`: the copy is now another's to discard.
    """

    origin: Origin
    facts: Facts
    staged: Staged
    allowance: Allowance
    depth: int = 0
    passed_on: bool = False


@dataclass(slots=True)
class _Contents:
    """What was found in a piece: its own document, the files within, the sources of its parts."""

    own: ReadDocument | None = None
    members: deque[Piece] = field(default_factory=deque)
    parts: set[str] = field(default_factory=set)
    records: bool = False


Inner = Callable[[Piece, Bench], Iterator[Item]]
"""Passes on a piece found within another."""


class Opening:
    """Reads pieces. For several threads, each with a bench of its own."""

    def __init__(self, rules: Rules, known: KnownSources, front: Front) -> None:
        self._rules = rules
        self._known = known
        self._front = front
        self._claims = Claims(known.holds)
        self._records: dict[tuple[str, str], str] = {}  # digest by record, of this run

    def items(self, piece: Piece, bench: Bench, inner: Inner) -> Iterator[Item]:
        """All that is in a piece whose bytes the journal does not know at its source.

        Raises ReaderUnavailable, HomeFull, HomeUnavailable.
        """
        key = (piece.origin.collection, piece.staged.digest)
        claim = self._claims.take(key, wait=not piece.depth)
        held = False
        try:
            if claim is Claim.HELD and not self._holds_files(key) and not self._own_bytes(piece):
                yield from self._duplicate(piece)
                return
            contents = _Contents()
            try:
                yield from self._read(piece, bench, contents)
                while contents.members:
                    yield from inner(contents.members.popleft(), bench)
            finally:
                for member in contents.members:
                    member.staged.discard()
            if contents.own is None:
                share = 0 if contents.records else piece.origin.share
                yield Held(replace(piece.origin, share=share), piece.staged.digest)
                yield from self._outdated(piece.origin, contents.parts)
            else:
                if contents.parts:
                    self._claims.opened(key)
                held = yield from self._own(piece, contents.own, contents.parts, claim)
        except ReadFailure as failure:
            yield _failed(piece, failure.failure)
        finally:
            if claim is Claim.MINE:
                self._claims.settle(key, held)

    def _own_bytes(self, piece: Piece) -> bool:
        """Whether the source itself holds these bytes, and is to be read all the same."""
        state = self._known.named(piece.origin.collection, piece.origin.source)
        return is_current(state, piece.staged.digest)

    def _holds_files(self, key: tuple[str, str]) -> bool:
        return self._claims.has_parts(key) or self._known.has_parts(*key)

    # -- reading ---------------------------------------------------------------------------------

    def _read(self, piece: Piece, bench: Bench, contents: _Contents) -> Iterator[Item]:
        """Records as they come; the document and the files within into `contents`."""
        options = replace(
            self._rules.options,
            max_members=piece.allowance.members,
            max_member_bytes=piece.allowance.bytes,
        )
        with piece.staged.path.open("rb") as copy:
            file = copy.fileno()
            alone = bench.sandbox.alone  # starts a process: that is no attempt at the file
            del alone
            found = bench.sandbox.read(piece.origin.source, file, piece.staged.size, options)
            with bench.mark.on(piece.origin, piece.staged.digest) as mark:
                for each in found:
                    item = self._found(piece, each, contents, file)
                    if item is not None:
                        mark.pause()  # who waits for room is not at the file
                        yield from item
                        mark.resume()

    def _found(
        self,
        piece: Piece,
        found: ReadDocument | ReadFailure | Member,
        contents: _Contents,
        file: int,
    ) -> Iterator[Item] | None:
        if isinstance(found, Member):
            return self._member(piece, found, contents)
        if isinstance(found, MemberFailure):
            return iter([self._bad_member(piece, found.name, found.failure, contents)])
        if isinstance(found, ReadFailure):
            return iter([self._bad_record(piece, found, contents)])
        if found.name:
            contents.records = True
            contents.parts.add(found.name)
            return self._record(piece, found, file)
        contents.own = found
        return None

    def _member(self, piece: Piece, member: Member, contents: _Contents) -> Iterator[Item] | None:
        if piece.depth >= self._rules.max_depth:
            return iter([self._bad_member(piece, member.name, Failure.TOO_DEEP, contents)])
        if not member.data:
            return iter([self._bad_member(piece, member.name, Failure.EMPTY, contents)])
        piece.allowance.members -= 1
        piece.allowance.bytes -= len(member.data)
        require_space(self._rules.folder, self._rules.least_free + len(member.data))
        staged = stage_bytes(member.data, self._rules.folder, piece.staged.mtime_ns)
        origin = piece.origin.within(member.name, staged.size)
        contents.parts.add(origin.source)
        facts = handed_down(piece.facts)
        inner = Piece(origin, facts, staged, piece.allowance, piece.depth + 1)
        contents.members.append(inner)
        return None

    def _bad_member(self, piece: Piece, name: str, failure: Failure, contents: _Contents) -> Item:
        origin = piece.origin.within(name, 0)
        contents.parts.add(origin.source)
        return self._bad_part(Failed(origin, failure, sentence(origin.source, failure)))

    def _bad_record(self, piece: Piece, failure: ReadFailure, contents: _Contents) -> Item:
        origin = piece.origin
        contents.records = True
        source = f"{origin.source}:{failure.line}"
        contents.parts.add(source)
        place = replace(origin, source=source, size=0, container=origin.source, share=0)
        said = sentence(origin.source, failure.failure, failure.line)
        return self._bad_part(Failed(place, failure.failure, said, line=failure.line))

    def _bad_part(self, item: Failed) -> Item:
        """A part that could not be had at all; one in quarantine for that is only shown again."""
        state = self._known.named(item.origin.collection, item.origin.source)
        known = state is not None and state.status is SourceStatus.QUARANTINED
        if known and state is not None and state.failure == item.failure.value:
            return Skipped(item.origin, state)
        return item

    def _record(self, piece: Piece, document: ReadDocument, file: int) -> Iterator[Item]:
        size = document.byte_end - document.byte_start
        original = os.pread(file, size, document.byte_start)
        digest = hashlib.sha256(original).hexdigest()
        origin = replace(
            piece.origin,
            source=document.name,
            size=size,
            container=piece.origin.source,
            share=size,
        )
        collection = origin.collection
        state = self._known.named(collection, document.name)
        earlier = self._records.setdefault((collection, document.name), digest)
        again = earlier != digest  # another record of this name was passed on in this run
        self._records[(collection, document.name)] = digest
        facts = handed_down(piece.facts)
        if not again and is_current(state, digest) and state is not None:
            touch = state.status is not SourceStatus.INDEXED
            if state.container != origin.container:  # it was in another file
                yield Duplicate(origin, digest, _noted(declared(facts), origin))
            elif facts_of(state) == facts.digest:
                yield Known(origin, touch, digest)
            else:
                yield Described(origin, digest, _noted(declared(facts), origin))
            return
        told = _noted(declared(facts), origin)
        yield from self._claimed(Ready(origin, digest, original, document, None, told))

    # -- the piece itself ------------------------------------------------------------------------

    def _duplicate(self, piece: Piece) -> Iterator[Item]:
        """These bytes are held: their front matter, if any, is known from there."""
        origin, digest = piece.origin, piece.staged.digest
        try:
            holder = self._known.holder(origin.collection, digest)
            front = self._front(holder).front if holder is not None else {}
            told = _noted(declared(piece.facts, front), origin)
        except BadFacts as error:
            yield _bad_facts(piece, error)
            return
        yield Duplicate(origin, digest, told)
        yield from self._outdated(origin, set())

    def _own(
        self, piece: Piece, document: ReadDocument, parts: set[str], claim: Claim
    ) -> Generator[Item, None, bool]:
        """The document that a piece is; whether its bytes are held now under its claim."""
        origin, digest = piece.origin, piece.staged.digest
        try:
            if not piece.depth:
                named = named_collection(piece.facts, document.declared)
                target = checked_collection(named or self._rules.asked)
                noted = note(piece.facts.digest, target, self._rules.asked)
                origin = replace(origin, collection=target, declared=noted)
            told = _noted(declared(piece.facts, document.declared), origin)
        except BadFacts as error:
            yield _bad_facts(piece, error)
            return False
        state = self._known.named(origin.collection, origin.source)
        elsewhere = origin.collection != piece.origin.collection
        same_title = state is not None and self._front(state).title == title_of(
            origin, document, told
        )
        if is_current(state, digest) and state is not None and same_title:
            same = facts_of(state) == piece.facts.digest
            yield Known(origin, True, digest) if same else Described(origin, digest, told)
        elif elsewhere:
            ready = Ready(origin, digest, piece.staged.path, document, piece.staged, told)
            yield from self._claimed(ready, piece)
        elif claim is Claim.HELD and not is_current(state, digest):
            yield Duplicate(origin, digest, told)
        else:
            piece.passed_on = True
            yield Ready(origin, digest, piece.staged.path, document, piece.staged, told)
        yield from self._outdated(origin, parts)
        return claim is Claim.MINE and not elsewhere

    def _claimed(self, ready: Ready, piece: Piece | None = None) -> Iterator[Item]:
        """A document under a claim of its own, while its file's is held, too."""
        key = (ready.origin.collection, ready.digest)
        claim = self._claims.take(key, wait=False)
        if claim is Claim.HELD:
            yield Duplicate(ready.origin, ready.digest, ready.declared)
            return
        held = False
        try:
            if piece is not None:
                piece.passed_on = True
            yield ready
            held = True
        finally:
            if claim is Claim.MINE:
                self._claims.settle(key, held)

    def _outdated(self, origin: Origin, parts: set[str]) -> Iterator[Item]:
        """Parts that a source no longer has, and where its file was before it was sent away."""
        old = [
            (each.collection, each.source)
            for each in self._known.parts(origin.collection, origin.source)
            if each.container == origin.source and each.source not in parts
        ]
        before = None if origin.container else self._known.at(origin.path)
        if before is not None and before.collection != origin.collection:
            old.append((before.collection, before.source))
        if old:
            yield Outdated(tuple(old))


def handed_down(facts: Facts) -> Facts:
    """What holds for the parts of a file: all but what can be true of one document only."""
    if not _OF_ONE & facts.own.keys():
        return facts
    own = {key: value for key, value in facts.own.items() if key not in _OF_ONE}
    return Facts(facts.folder, own, facts.digest)


def checked_collection(name: str) -> str:
    """A collection's name that a file gives. Raises BadFacts."""
    if not valid_name(name):
        raise BadFacts(
            "The declaration",
            f"names the collection {name!r}, which is not of small letters, digits, '-' and '_'",
        )
    return name


def of_file(source: str, error: BadFacts) -> str:
    """What is wrong with the facts of a file, as one sentence that names it."""
    said = str(error)
    return f"{source} was not taken in: {said[:1].lower()}{said[1:]}"


def _noted(found: Declared, origin: Origin) -> Declared:
    return replace(found, digest=origin.declared)


def _failed(piece: Piece, failure: Failure) -> Failed:
    origin = piece.origin
    return Failed(origin, failure, sentence(origin.source, failure), piece.staged.digest)


def _bad_facts(piece: Piece, error: BadFacts) -> Failed:
    origin = piece.origin
    said = of_file(origin.source, error)
    return Failed(origin, Failure.BAD_FACTS, said, piece.staged.digest)
