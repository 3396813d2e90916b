"""Which documents are searched: drafts, withdrawals, supersession by name, and their log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.completeness import Completeness, Finding
from index.document import Document, Method, Page, Scope, Status
from index.errors import NotFound
from index.records import Declared, NewDocument, Operation
from index.standing import superseded
from index.store import Index
from tests.index.standins import new_document, small_index

DEFAULT = Scope(frozenset({"default"}))
PLAIN = Declared()


@pytest.fixture
def index(home: Path) -> Iterator[Index]:
    with small_index(home) as opened:
        yield opened


def named(source: str, declared: Declared = PLAIN, text: str = "") -> NewDocument:
    return replace(new_document(text or f"records of {source}", source), declared=declared)


def current(index: Index) -> set[str]:
    """What is listed as current; search must find the same, and beside it what goes on in force
    because only a draft has taken its place."""
    listed = {each.source for each in index.documents(DEFAULT)}
    drafts = {each.source for each in index.all_documents(DEFAULT) if each.status is Status.DRAFT}
    found = [hit.document for hit in index.search("records of", DEFAULT, 50).hits]
    assert {each.source for each in found if each.status is Status.CURRENT} == listed
    assert {each.source for each in found if each.status is not Status.CURRENT} <= drafts
    return listed


def new_lines(index: Index) -> list[tuple[Operation, str]]:
    """The change log since this was last asked."""
    lines = index.unrecorded()
    index.mark_recorded(line.generation for line in lines)
    return [(line.operation, line.source) for line in lines]


def all_of(index: Index) -> dict[str, Document]:
    return {each.source: each for each in index.all_documents(DEFAULT)}


def test_what_is_declared_and_how_it_was_read_is_read_back(index: Index) -> None:
    completeness = Completeness(
        2, 1, 1, 0, 3, 900, 880, 10, 5, 0.9, (Finding("hidden", 1, 5, "x"),)
    )
    declared = Declared("Title", "2026-01-01", "2027-01-01", Status.CURRENT, ("old.txt",), "d1")
    pages = (Page(1, "records", method=Method.OCR, confidence=0.75),)
    new = replace(
        new_document("records", "mail.eml/a.txt"),
        declared=declared,
        parent="mail.eml",
        completeness=completeness,
        pages=pages,
    )
    document = index.put(new)
    assert (document.effective_from, document.effective_to) == ("2026-01-01", "2027-01-01")
    assert (document.parent, document.supersedes) == ("mail.eml", ("old.txt",))
    assert document.completeness == completeness
    assert index.document(document.id, DEFAULT) == document
    assert index.search("records", DEFAULT, 1).hits[0].document == document
    assert index.pages(document.id, DEFAULT) == list(pages)
    state = index.source_state("default", "mail.eml/a.txt")
    assert state is not None
    assert (state.container, state.declared, state.digest) == ("mail.eml", "d1", new.id)
    assert state.at.endswith("+00:00")


@pytest.mark.parametrize("status", [Status.DRAFT, Status.WITHDRAWN, Status.SUPERSEDED])
def test_what_is_not_in_force_is_stored_listed_and_not_searched(
    index: Index, status: Status
) -> None:
    index.put(named("a.txt", Declared(status=status)))
    assert current(index) == set()
    assert all_of(index)["a.txt"].status is status
    index.describe("default", "a.txt", Declared(digest="now"))
    assert current(index) == {"a.txt"}
    index.describe("default", "a.txt", Declared(status=status, digest="again"))
    assert current(index) == set()
    taken = Operation.SUPERSEDE if status is Status.SUPERSEDED else Operation.WITHDRAW
    assert [operation for operation, _ in new_lines(index)] == [
        Operation.ADD,
        Operation.RESTORE,
        taken,
    ]


@pytest.mark.parametrize("first", ["old.txt", "new.txt"])
def test_a_document_takes_the_place_of_another_by_name(index: Index, first: str) -> None:
    both = [named("old.txt"), named("new.txt", Declared(supersedes=("old.txt",)))]
    for new in both if first == "old.txt" else reversed(both):
        index.put(new)
    assert current(index) == {"new.txt"}
    assert all_of(index)["old.txt"].status is Status.SUPERSEDED
    assert new_lines(index)[-1] == (Operation.SUPERSEDE, "old.txt")
    index.remove("default", "new.txt")
    assert current(index) == {"old.txt"}
    assert new_lines(index) == [(Operation.REMOVE, "new.txt"), (Operation.RESTORE, "old.txt")]


def test_a_draft_supersedes_nothing_until_it_is_in_force(index: Index) -> None:
    claim = Declared(status=Status.DRAFT, supersedes=("old.txt",))
    index.put_many([named("old.txt"), named("new.txt", claim)])
    assert current(index) == {"old.txt"}
    index.describe("default", "new.txt", replace(claim, status=Status.CURRENT))
    assert current(index) == {"new.txt"}
    index.describe("default", "new.txt", replace(claim, status=Status.WITHDRAWN))
    assert current(index) == {"old.txt"}


def test_a_chain_does_not_revive_the_first(index: Index) -> None:
    index.put_many(
        [
            named("1.txt"),
            named("2.txt", Declared(supersedes=("1.txt",))),
            named("3.txt", Declared(supersedes=("2.txt",))),
        ]
    )
    assert current(index) == {"3.txt"}
    index.remove("default", "3.txt")
    assert current(index) == {"2.txt"}


def test_documents_that_supersede_each_other_both_stay(index: Index) -> None:
    index.put_many(
        [
            named("a.txt", Declared(supersedes=("b.txt", "a.txt"))),
            named("b.txt", Declared(supersedes=("a.txt", "c.txt"))),
            named("c.txt"),
        ]
    )
    assert current(index) == {"a.txt", "b.txt"}


def test_another_version_of_what_is_superseded_is_superseded(index: Index) -> None:
    index.put_many([named("old.txt"), named("new.txt", Declared(supersedes=("old.txt",)))])
    index.put(named("old.txt", text="records of old.txt, corrected"))
    assert current(index) == {"new.txt"}
    index.put(named("new.txt", text="records of new.txt that claim nothing"))
    assert current(index) == {"new.txt", "old.txt"}
    assert len(index.all_documents(DEFAULT)) == 4


def test_moving_revives_nothing_and_moving_to_a_claimed_name_supersedes(index: Index) -> None:
    claims = Declared(supersedes=("old.txt", "later.txt"))
    index.put_many([named("old.txt"), named("new.txt", claims), named("other.txt")])
    index.move_source("default", "old.txt", "archive/old.txt", "/folder/archive/old.txt", 1, 1)
    assert current(index) == {"new.txt", "other.txt"}
    assert all_of(index)["new.txt"].supersedes == ("archive/old.txt", "later.txt")
    index.move_source("default", "other.txt", "later.txt", "/folder/later.txt", 1, 1)
    assert current(index) == {"new.txt"}


def test_a_copy_of_what_is_superseded_is_superseded(index: Index) -> None:
    old = index.put(named("old.txt"))
    index.put(named("new.txt", Declared(supersedes=("old.txt",))))
    index.link_source("default", "copy.txt", "/folder/copy.txt", 1, 1, old.id)
    assert current(index) == {"new.txt"}
    index.remove("default", "old.txt")  # the copy is nobody's predecessor
    assert current(index) == {"new.txt", "copy.txt"}


def test_new_facts_without_a_new_status_are_one_line(index: Index) -> None:
    index.put(named("a.txt"))
    new_lines(index)
    document = index.describe("default", "a.txt", Declared(effective_to="2026-12-31", digest="x"))
    assert document.effective_to == "2026-12-31"
    assert new_lines(index) == [(Operation.DESCRIBE, "a.txt")]
    index.describe("default", "a.txt", Declared(effective_to="2026-12-31", digest="x"))
    assert new_lines(index) == []
    state = index.source_state("default", "a.txt")
    assert state is not None
    assert state.declared == "x"
    with pytest.raises(NotFound):
        index.describe("default", "nowhere.txt", PLAIN)


def test_supersession_ends_at_the_collection(index: Index) -> None:
    index.ensure_collection("legal", frozenset({"local"}))
    index.put(named("old.txt"))
    claim = named("new.txt", Declared(supersedes=("old.txt",)))
    index.put(replace(claim, collection="legal"))
    assert current(index) == {"old.txt"}


def test_a_circle_cancels_out_and_its_followers_stand() -> None:
    assert superseded(frozenset({(1, 1)})) == set()
    assert superseded(frozenset({(1, 2), (2, 3), (3, 1)})) == set()
    assert superseded(frozenset({(1, 2), (2, 1), (2, 3), (4, 1)})) == {1, 3}


SOURCES = [f"{letter}.txt" for letter in "abcd"]
STEPS = st.one_of(
    st.tuples(
        st.sampled_from(["put", "describe"]),
        st.sampled_from(SOURCES),
        st.builds(
            Declared,
            status=st.sampled_from(list(Status)),
            supersedes=st.lists(st.sampled_from(SOURCES), max_size=2, unique=True).map(tuple),
        ),
        st.integers(1, 2),
    ),
    st.tuples(st.just("remove"), st.sampled_from(SOURCES), st.just(PLAIN), st.just(0)),
    st.tuples(st.just("move"), st.sampled_from(SOURCES), st.just(PLAIN), st.integers(0, 3)),
)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(STEPS, max_size=10))
def test_whatever_happens_every_document_stands_as_it_must(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, Declared, int]]
) -> None:
    """Each status follows from the rules alone, and replaying the log gives the same views."""
    with small_index(tmp_path_factory.mktemp("home")) as index:
        for step, source, declared, number in steps:
            if step == "put":
                index.put(named(source, declared, f"records of {source}, edition {number}"))
            elif index.source_state("default", source) is None:
                continue
            elif step == "describe":
                index.describe("default", source, declared)
            elif step == "remove":
                index.remove("default", source)
            elif index.source_state("default", SOURCES[number]) is None:
                index.move_source("default", source, SOURCES[number], "/x", 1, 1)
            current(index)
        assert index.verify() == []
