"""Scopes: no group, no text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from index.access import scope_of
from index.document import Collection

GROUPS = st.frozensets(st.sampled_from(["local", "legal", "audit", "board"]))
COLLECTIONS = st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), GROUPS).map(
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


@given(GROUPS, COLLECTIONS, st.frozensets(st.sampled_from(["a", "b", "z"])))
def test_narrowing_never_widens(
    groups: frozenset[str], collections: list[Collection], names: frozenset[str]
) -> None:
    scope = scope_of(groups, collections)
    assert scope.narrowed(names).collections <= scope.collections
