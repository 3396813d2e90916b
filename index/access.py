"""Who may read what. The only place where a `Scope` is computed.

A scope is what held at one moment. Whoever acts for an asker computes it anew for each call, after
the call began, so that a revocation counts for every call that begins after it. What it does not
do: take back what was shown before, or end a call that is under way.
"""

from __future__ import annotations

from collections.abc import Iterable

from index.document import Collection, Scope


def scope_of(groups: frozenset[str], collections: Iterable[Collection]) -> Scope:
    """The collections that share at least one group with the asker.

    No groups means an empty scope, and a collection granted to no group is in nobody's scope:
    there is no group that stands for everybody.
    """
    return Scope(frozenset(each.name for each in collections if each.groups & groups))
