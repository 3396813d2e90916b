"""Scopes: no group, no text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.access import scope_of
from index.document import Collection, Scope
from index.errors import NotFound
from index.store import Index
from tests.index.standins import new_document, small_index

# Groups and names that begin alike, differ in case, in composition or in a space at the end.
GROUPS = st.frozensets(
    st.sampled_from(["local", "loc", "Local", "local ", "café", "cafe\u0301", ""])
)
NAMES = ["a", "a-", "a-b", "ab", "b"]
COLLECTIONS = st.dictionaries(st.sampled_from(NAMES), GROUPS).map(
    lambda found: [Collection(name, groups) for name, groups in found.items()]
)


@given(GROUPS, COLLECTIONS)
def test_a_scope_holds_exactly_what_shares_a_group(
    groups: frozenset[str], collections: list[Collection]
) -> None:
    scope = scope_of(groups, collections)
    for each in collections:
        assert scope.allows(each.name) == any(group in each.groups for group in groups)
    assert scope.collections <= {each.name for each in collections}


@given(COLLECTIONS)
def test_no_groups_means_nothing(collections: list[Collection]) -> None:
    assert scope_of(frozenset(), collections).collections == frozenset()


@given(GROUPS, GROUPS, COLLECTIONS)
def test_more_groups_never_show_less_and_add_only_their_own(
    groups: frozenset[str], more: frozenset[str], collections: list[Collection]
) -> None:
    both = scope_of(groups | more, collections).collections
    apart = scope_of(groups, collections).collections, scope_of(more, collections).collections
    assert both == apart[0] | apart[1]


@given(GROUPS, COLLECTIONS, st.frozensets(st.sampled_from([*NAMES, "z", "", "a-b-"])))
def test_narrowing_never_widens(
    groups: frozenset[str], collections: list[Collection], names: frozenset[str]
) -> None:
    scope = scope_of(groups, collections)
    assert scope.narrowed(names).collections == scope.collections & names
    assert scope.narrowed(names).narrowed(frozenset(NAMES)) == scope.narrowed(names)


def test_groups_that_are_no_set_are_refused_and_not_guessed() -> None:
    with pytest.raises(TypeError):
        scope_of("local", [Collection("a", frozenset({"local"}))])  # type: ignore[arg-type]


def _first_page(index: Index, document: str, scope: Scope) -> object:
    return index.page(document, 1, scope)


@pytest.mark.parametrize(
    "ask", [Index.document, Index.pages, Index.chunks, Index.original, _first_page]
)
def test_what_is_forbidden_is_told_from_what_is_unknown_by_nothing(
    home: Path, ask: Callable[[Index, str, Scope], object]
) -> None:
    with small_index(home) as index:
        index.ensure_collection("legal", frozenset({"board"}))
        hidden = index.put(new_document("the merger is secret", "a.txt", collection="legal"))
        told = []
        for document in (hidden.id, "0" * 64, "", "%", "../../catalogue.db"):
            with pytest.raises(NotFound) as refused:
                ask(index, document, index.scope(frozenset({"local"})))
            told.append(str(refused.value))
    assert len(set(told)) == 1
    assert hidden.id not in told[0]
