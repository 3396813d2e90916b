"""Who may read what. The only place where a `Scope` is computed."""

from __future__ import annotations

from collections.abc import Iterable

from index.document import Collection, Scope


def scope_of(groups: frozenset[str], collections: Iterable[Collection]) -> Scope:
    """The collections that share at least one group with the asker.

    No groups means an empty scope, and a collection granted to no group is in nobody's scope:
    there is no group that stands for everybody.
    """
    return Scope(frozenset(each.name for each in collections if each.groups & groups))
