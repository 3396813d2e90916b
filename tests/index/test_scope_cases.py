"""No text out of scope reaches an asker, however documents, grants and names change.

The cases, the pairs and the rebuilding of `benchmarks/scope_cases.py` on a small scale, the oracle
that judges them, and a state machine that looks for a sequence of changes which breaks a rule.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from index.document import Scope, Status
from index.errors import NotFound
from index.records import Declared
from tests.index.scope_changes import Changer, Happened, Model
from tests.index.scope_leaks import LEAKS, caught, interleaved
from tests.index.scope_oracle import Case, Oracle, Shown
from tests.index.scope_pairs import Twins, answers, changed_answers
from tests.index.scope_world import (
    NAMES,
    UNKNOWN,
    QuickEmbedder,
    World,
    document_of,
    opened,
    source_in,
    title_of,
)

# -- the oracle ---------------------------------------------------------------------------------

WORLD = World(7, texts=12)
TEXT = WORLD.texts[0]
READ = ("read", "a", "local")
SEARCHED = ("searched", "a", TEXT.id)
ANNA = frozenset({"local"})
SHOWN = Shown("a", TEXT.id, source_in("a", 1), title_of("a"), TEXT.text, "c1")
BEGINNING = (Happened(READ, True, 0, 10), Happened(SEARCHED, True, 0, 10))


def _case(began: int, ended: int, *shown: Shown, **more: object) -> Case:
    return Case(1, "search", ANNA, began, ended, k=5, shown=shown, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("fact", [READ, SEARCHED])
@pytest.mark.parametrize(
    ("began", "ended", "leaks"),
    [(20, 30, 0), (90, 105, 0), (105, 110, 0), (115, 125, 0), (121, 130, 1)],
)
def test_what_ended_before_the_call_may_not_be_shown(
    fact: tuple[str, str, str], began: int, ended: int, leaks: int
) -> None:
    oracle = Oracle(WORLD, [*BEGINNING, Happened(fact, False, 100, 120)])
    assert len(oracle.judge([_case(began, ended, SHOWN)]).leaks) == leaks


@pytest.mark.parametrize(
    "wrong",
    [
        Shown("a", TEXT.id, source_in("ab", 1), title_of("a"), TEXT.text, "c1"),
        Shown("a", TEXT.id, source_in("a", 1), title_of("ab"), TEXT.text, "c1"),
        Shown("a", TEXT.id, source_in("a", 1), title_of("a"), WORLD.texts[1].text, "c1"),
        Shown("ab", TEXT.id, source_in("ab", 1), title_of("ab"), TEXT.text, "c1"),
        Shown("a", "0" * 64, source_in("a", 1), title_of("a"), TEXT.text, "c1"),
    ],
)
def test_a_passage_must_be_what_it_says_it_is(wrong: Shown) -> None:
    oracle = Oracle(WORLD, BEGINNING)
    assert not oracle.judge([_case(20, 30, SHOWN)]).leaks
    assert oracle.judge([_case(20, 30, wrong)]).leaks


def test_what_was_not_asked_for_is_a_leak_and_silence_is_no_answer() -> None:
    oracle = Oracle(WORLD, BEGINNING)
    assert oracle.judge([_case(20, 30, SHOWN, narrowed=frozenset({"ab"}))]).leaks
    assert oracle.judge([_case(20, 30, scope=frozenset({"a", "ab"}), scoped=25)]).leaks
    assert oracle.judge([_case(20, 30, scope=frozenset(), scoped=25)]).missing
    assert oracle.judge([_case(20, 30, about=TEXT.id)]).missing
    assert not oracle.judge([_case(5, 30, about=TEXT.id)]).missing


def test_what_is_forbidden_is_refused_as_what_is_unknown() -> None:
    facts = [Happened(("held", "b", TEXT.id), True, 0, 10), *BEGINNING]
    known = Case(1, "document", frozenset(), 20, 30, about=TEXT.id, refused="You may not read it.")
    unknown = Case(2, "document", frozenset(), 20, 30, about="0" * 64, refused="There is none.")
    assert Oracle(WORLD, facts).judge([known, unknown]).leaks
    same = Case(2, "document", frozenset(), 20, 30, about="0" * 64, refused=known.refused)
    assert not Oracle(WORLD, facts).judge([known, same]).leaks


# -- cases, controls, pairs, rebuilding -----------------------------------------------------------


def test_generated_cases_show_nothing_out_of_scope(tmp_path: Path) -> None:
    verdict = interleaved(tmp_path / "home", World(3, texts=50), 90)
    assert (verdict.leaks, verdict.missing) == ([], [])
    assert verdict.with_passages > 20
    assert verdict.by_kind["within"] > 10
    assert verdict.aimed_at_forbidden > 5
    assert verdict.refusals


def test_a_scope_that_is_too_wide_is_noticed(tmp_path: Path) -> None:
    assert caught(tmp_path / "home", "everybody", 3, cases=25)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(LEAKS))
def test_each_leak_made_on_purpose_is_noticed(tmp_path: Path, name: str) -> None:
    assert caught(tmp_path / "home", name, 3)


@pytest.mark.slow
@pytest.mark.parametrize("view", ["exact", "chroma"])
def test_many_generated_cases_show_nothing_out_of_scope(tmp_path: Path, view: str) -> None:
    verdict = interleaved(tmp_path / "home", World(4), 1_500, view)
    assert (verdict.leaks, verdict.missing) == ([], [])


def _differences(folder: Path, view: str, documents: int, questions: int) -> list[str]:
    twins = Twins(folder, 5, view, documents)
    rng = random.Random("questions")
    found = []
    try:
        for phase in twins.phases():
            for number in range(questions):
                difference = twins.difference(twins.world.asking(rng), number)
                found += [f"{phase}: {difference}"] if difference else []
        assert twins.passages > questions
    finally:
        twins.close()
    return found


def test_forbidden_documents_change_no_figure(tmp_path: Path) -> None:
    assert _differences(tmp_path, "exact", 4, 3) == []


@pytest.mark.slow
@pytest.mark.parametrize("view", ["exact", "chroma"])
def test_many_forbidden_documents_change_no_figure(tmp_path: Path, view: str) -> None:
    assert _differences(tmp_path, view, 50, 100) == []


def _rebuilt(home: Path, view: str, steps: int, questions: int) -> list[str]:
    world, embedder, rng = World(6), QuickEmbedder(64), random.Random("rebuild")
    asked = [world.asking(rng) for _ in range(questions)]
    scope = Scope(frozenset(NAMES))
    with opened(home, view, embedder) as index:
        changer = Changer(index, world, embedder)
        changer.begin()
        for step in range(steps):
            changer.step()
            if step % 5 == 0:
                index.refresh()
        index.refresh()
        before = answers(index, asked, scope)
    shutil.rmtree(home / "views")
    with opened(home, view, embedder) as index:
        index.refresh()
        after = answers(index, asked, scope)
    assert any(result.hits for result in before)
    return changed_answers(before, after)[0]


@pytest.mark.slow
@pytest.mark.parametrize("view", ["exact", "chroma"])
def test_views_built_anew_give_the_same_answers(tmp_path: Path, view: str) -> None:
    assert _rebuilt(tmp_path / "home", view, 250, 80) == []


# -- a machine that looks for what breaks a rule --------------------------------------------------

GROUPS = ("local", "loc", "räte")
COLLECTIONS = ("a", "a-b", "ab")
EMBEDDER = QuickEmbedder(16)
names = st.sampled_from(COLLECTIONS)
groups = st.sampled_from(GROUPS)
numbers = st.integers(0, 4)
texts = st.sampled_from(WORLD.texts[:6])
users = st.frozensets(groups, max_size=2)


class Library(RuleBasedStateMachine):
    """An index that people change and ask, and a model of what each may find in it."""

    view = "exact"

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.index = opened(self.folder / "home", self.view, EMBEDDER)
        self.model = Model()
        self.number = 5

    @initialize(text=texts)
    def begin(self, text: object) -> None:
        for name in COLLECTIONS[:2]:
            self.grant(name, GROUPS[0])
        self.put("a", 0, text)
        self.put("a-b", 0, text)

    def teardown(self) -> None:
        self.index.close()
        shutil.rmtree(self.folder)

    def readable(self, user: frozenset[str]) -> set[str]:
        return {name for name, may in self.model.grants.items() if may & user}

    def held(self, name: str, number: int) -> bool:
        return (name, source_in(name, number)) in self.model.holds

    # -- changes --

    @rule(name=names, group=groups)
    def grant(self, name: str, group: str) -> None:
        self.index.ensure_collection(name, frozenset({group}))
        self.model.grants.setdefault(name, set()).add(group)

    @rule(name=names, group=groups)
    def revoke(self, name: str, group: str) -> None:
        self.index.revoke(name, frozenset({group}))
        self.model.grants.get(name, set()).discard(group)

    @rule(name=names, number=numbers, text=texts)
    def put(self, name: str, number: int, text: object) -> None:
        """A new document, or a new version of one."""
        if name in self.model.grants:
            new = document_of(text, name, source_in(name, number), EMBEDDER)  # type: ignore[arg-type]
            self.index.put(new)
            self.model.hold(name, new.source, new.id)
            self.model.withdrawn.discard((name, new.id))

    @rule(name=names, number=numbers)
    def remove(self, name: str, number: int) -> None:
        removed = self.index.remove(name, source_in(name, number))
        assert (removed is not None) == self.held(name, number)
        if removed is not None:
            self.model.forget(name, source_in(name, number))

    @rule(name=names, number=numbers, other=numbers)
    def rename(self, name: str, number: int, other: int) -> None:
        if self.held(name, number) and not self.held(name, other):
            old, new = source_in(name, number), source_in(name, other)
            self.index.move_source(name, old, new, f"/folder/{new}", 1, 2)
            self.model.rename(name, old, new)

    @rule(name=names, number=numbers, to=names)
    def move(self, name: str, number: int, to: str) -> None:
        """To another collection: out of one, into the other."""
        if name != to and to in self.model.grants and self.held(name, number):
            text = WORLD.by_id[self.model.holds[name, source_in(name, number)]]
            self.remove(name, number)
            self.put(to, number, text)

    @rule(name=names, number=numbers, gone=st.booleans())
    def declare(self, name: str, number: int, gone: bool) -> None:
        if self.held(name, number):
            source = source_in(name, number)
            status = Status.WITHDRAWN if gone else Status.CURRENT
            self.index.describe(name, source, Declared(status=status, digest=status.value))
            place = (name, self.model.holds[name, source])
            (self.model.withdrawn.add if gone else self.model.withdrawn.discard)(place)

    @rule()
    def refresh(self) -> None:
        self.index.refresh()

    @precondition(lambda self: len(self.model.holds) > 2)
    @rule()
    def tidy(self) -> None:
        self.index.mark_recorded(line.generation for line in self.index.unrecorded())
        self.index.compact()

    # -- questions --

    def searched(self, among: set[str]) -> set[tuple[str, str]]:
        return {
            (name, document)
            for kind, name, document in self.model.facts()
            if kind == "searched" and name in among
        }

    @rule(user=users, text=texts, wanted=st.frozensets(st.sampled_from(NAMES[:5] + UNKNOWN[:3])))
    def search(self, user: frozenset[str], text: object, wanted: frozenset[str]) -> None:
        may = self.readable(user)
        scope = self.index.scope(user)
        assert scope.collections == may
        narrowed = scope.narrowed(wanted) if wanted else scope
        for within, among in ((scope, may), (narrowed, may & wanted if wanted else may)):
            hits = self.index.search(text.code, within, 60).hits  # type: ignore[attr-defined]
            found = {(hit.document.collection, hit.document.id) for hit in hits}
            allowed = self.searched(among)
            assert found <= allowed
            assert {document for _, document in found} == {document for _, document in allowed}
            named = frozenset({each.id for each in WORLD.texts[:3]} | {"0" * 64, ""})
            some = self.index.search("a b", within, 60, documents=named).hits
            assert {hit.document.collection for hit in some} <= among
            expected = {document for _, document in allowed} & named
            assert {hit.document.id for hit in some} == expected
            for day in ("2001-06-30", "2999-12-31"):
                past = self.index.search(text.code, within, 60, day=day).hits  # type: ignore[attr-defined]
                held = {("held", hit.document.collection, hit.document.id) for hit in past}
                assert {name for _, name, _ in held} <= among
                assert held <= self.model.facts()
                hits += past
            for hit in hits:
                assert hit.text in WORLD.by_id[hit.document.id].text
                assert hit.document.title == title_of(hit.document.collection)

    @rule(user=users, text=texts)
    def look_up(self, user: frozenset[str], text: object) -> None:
        document = text.id  # type: ignore[attr-defined]
        scope, unknown = self.index.scope(user), hashlib.sha256(document.encode()).hexdigest()
        there = bool({("held", name, document) for name in scope.collections} & self.model.facts())
        listed = {each.id for each in self.index.all_documents(scope)}
        for ask in (self.index.document, self.index.original, self.index.pages, self.index.chunks):
            assert self.refusal(ask, unknown, scope)
            refusal = self.refusal(ask, document, scope)
            assert not refusal or refusal == self.refusal(ask, unknown, scope)
            assert bool(refusal) == (document not in listed)
            assert there or refusal

    @staticmethod
    def refusal(ask: object, document: str, scope: Scope) -> str:
        try:
            ask(document, scope)  # type: ignore[operator]
        except NotFound as error:
            return str(error)
        return ""

    @invariant()
    def nobody_reads_what_no_group_of_theirs_may(self) -> None:
        listed = self.index.documents(Scope(frozenset(self.readable(frozenset({"local"})))))
        expected = self.searched(self.readable(frozenset({"local"})))
        assert {(each.collection, each.id) for each in listed} == expected
        assert self.index.documents(self.index.scope(frozenset())) == []


def _tried(machine: type[Library], examples: int, steps: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_no_sequence_of_changes_shows_what_is_out_of_scope() -> None:
    _tried(Library, 5, 10)


class ChromaLibrary(Library):
    """The same with vectors in Chroma."""

    view = "chroma"


@pytest.mark.slow
@pytest.mark.parametrize(("machine", "examples"), [(Library, 40), (ChromaLibrary, 12)])
def test_no_long_sequence_of_changes_does_either(machine: type[Library], examples: int) -> None:
    _tried(machine, examples, 40)
