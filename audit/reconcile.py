"""Comparing what the log holds with what was counted elsewhere, so that suppression shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Count:
    """One event type, or a family ending in ".*": as recorded, and as counted elsewhere."""

    type: str
    recorded: int
    observed: int

    def text(self) -> str:
        """`type recorded=n observed=m`."""
        return f"{self.type} recorded={self.recorded} observed={self.observed}"


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The outcome. `unanswered`: requests with `question.received` and no `answer.*` record."""

    counts: tuple[Count, ...]
    unanswered: int

    @property
    def balanced(self) -> bool:
        """Whether every count agrees and every question has its end on record."""
        return self.unanswered == 0 and all(each.recorded == each.observed for each in self.counts)


def compare(
    counters: Mapping[str, int], observed: Mapping[str, int], unanswered: int
) -> Reconciliation:
    """Set the log's `counters` (by type) beside `observed` (by type or family)."""
    return Reconciliation(
        tuple(
            Count(wanted, recorded_of(counters, wanted), number)
            for wanted, number in sorted(observed.items())
        ),
        unanswered,
    )


def recorded_of(counters: Mapping[str, int], wanted: str) -> int:
    """How many records have the type `wanted`, or belong to that family if it ends in ".*"."""
    if not wanted.endswith(".*"):
        return counters.get(wanted, 0)
    return sum(count for kind, count in counters.items() if kind.startswith(wanted[:-1]))
