"""What a view of the log is made of: plain frozen data for a terminal or a page.

Times are nanoseconds since 1970 and, beside them, RFC 3339 in UTC; a reader's own zone is the
matter of who draws them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from audit.envelope import format_time


class Order(StrEnum):
    """Which end of the log a view begins at."""

    NEWEST = "newest"
    OLDEST = "oldest"


class Trust(StrEnum):
    """What a view rests on: every record hashed and the tree compared with checkpoints (CHECKED),
    the same with a contradiction found (TAMPERED), or nothing of the kind (UNVERIFIED)."""

    CHECKED = "CHECKED"
    TAMPERED = "TAMPERED"
    UNVERIFIED = "UNVERIFIED"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A filter; what is None leaves nothing out.

    since <= time < until, in nanoseconds, by when an answer began. `type` is exact, or a family
    with ".*" at its end. `document` and a `model` given by its digest may be cut to their first 8
    hex digits or more. An answer is shown if each condition holds for one of its records.
    """

    person: str | None = None
    since: int | None = None
    until: int | None = None
    document: str | None = None
    verdict: str | None = None
    model: str | None = None
    type: str | None = None
    request: str | None = None
    session: str | None = None

    def as_json(self) -> dict[str, object]:
        """The conditions that are set; times as RFC 3339 in UTC."""
        values = {name: value for name, value in asdict(self).items() if value is not None}
        for name in ("since", "until"):
            if name in values:
                values[name] = format_time(values[name])
        return values


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of what matches: `limit` rows from one end, after the row that `cursor` (the
    `cursor` of the page before) names."""

    order: Order = Order.NEWEST
    limit: int = 50
    cursor: int | None = None

    def after(self, place: int) -> bool:
        """Whether a row at this place (the number of its first record) is not on an earlier
        page."""
        if self.cursor is None:
            return True
        return place < self.cursor if self.order is Order.NEWEST else place > self.cursor


@dataclass(frozen=True, slots=True)
class Row:
    """One answer, task, search or refusal. `lacks` says what a complete one would have besides;
    `erased` counts payloads whose key was destroyed; `documents` are the ids that it cites."""

    kind: str
    request: str
    first: int
    last: int
    ts_utc: int
    time: str
    person: str
    session: str
    verdict: str
    model: str
    model_sha256: str
    question_sha256: str
    documents: tuple[str, ...]
    records: int
    payloads: int
    erased: int
    lacks: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether nothing is lacking."""
        return not self.lacks

    def as_json(self) -> dict[str, object]:
        """Without the nanoseconds, which JSON readers cannot keep exact."""
        values = asdict(self)
        del values["ts_utc"]
        return {**values, "complete": self.complete}


@dataclass(frozen=True, slots=True)
class Line:
    """One record. `payload`: "none", "sealed", "opened" or "erased"; `opened` is what stood in
    it, where that was asked for; `person_kind`: whether `person` is one, or a service."""

    seq: int
    event_id: str
    type: str
    ts_utc: int
    time: str
    person: str
    session: str
    request: str
    fields: Mapping[str, object]
    payload: str
    leaf_hash: str
    opened: Mapping[str, object] | None = None
    person_kind: str = ""

    def as_json(self) -> dict[str, object]:
        """Without the nanoseconds; `opened` only where there is something."""
        values = asdict(self)
        del values["ts_utc"]
        if self.opened is None:
            del values["opened"]
        return values


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of every record of the log:
    records = pruned + outside + left out + elsewhere + shown.

    `outside` the time asked for, `left_out` by the filter (by type), `elsewhere` on other pages,
    `shown` on this one. Besides: how many of the payloads shown are `erased`, and how many records
    of the log no checkpoint covers (`unsealed`). A quick view knows only some; the others are None.
    """

    records: int
    shown: int
    erased: int
    pruned: int
    unsealed: int
    outside: int | None = None
    elsewhere: int | None = None
    left_out: Mapping[str, int] | None = None

    def told(self) -> str:
        """The same in a few sentences."""
        parts = [f"The log has {_many(self.records, 'record')}; {self.shown:,} are shown here."]
        if self.left_out is None:
            parts.append("What the filter leaves out was not counted.")
        else:
            parts.append(self._told_left_out(self.left_out))
        if self.elsewhere:
            parts.append(f"{self.elsewhere:,} that match are on other pages.")
        if self.outside:
            parts.append(f"{self.outside:,} lie outside the time asked for.")
        if self.erased:
            parts.append(f"{_many(self.erased, 'payload')} of those shown: erased.")
        if self.pruned:
            parts.append(f"{self.pruned:,} were removed by retention; their hashes remain.")
        if self.unsealed:
            parts.append(f"{self.unsealed:,} at the end are not under a checkpoint yet.")
        return " ".join(parts)

    @staticmethod
    def _told_left_out(left_out: Mapping[str, int]) -> str:
        total = sum(left_out.values())
        if not total:
            return "The filter leaves out none."
        by_count = sorted(left_out.items(), key=lambda item: (-item[1], item[0]))
        named = ", ".join(f"{kind} {count:,}" for kind, count in by_count[:8])
        more = f", {len(by_count) - 8:,} more types" if len(by_count) > 8 else ""
        return f"The filter leaves out {total:,}: {named}{more}."


@dataclass(frozen=True, slots=True)
class Checked:
    """How far what is shown can be relied on. `sealed` is the largest size under a checkpoint that
    holds, `root` the hex root over all records, `findings` the first contradictions in words."""

    trust: Trust
    sealed: int = 0
    root: str = ""
    given_checkpoints: int = 0
    findings: tuple[str, ...] = ()
    finding_count: int = 0

    def told(self) -> str:
        """One paragraph for the head of a view."""
        if self.trust is Trust.UNVERIFIED:
            return (
                "UNVERIFIED: this was read through the database's index; records that were hidden "
                "or altered would not be noticed. Leave out --quick to check every record."
            )
        if self.trust is Trust.TAMPERED:
            more = self.finding_count - len(self.findings)
            said = "; ".join(self.findings) + (f"; and {more:,} more" if more > 0 else "")
            return (
                f"TAMPERED: {said}. What follows is what is there; run `cloister audit verify` and "
                "keep the log as it is."
            )
        given = f" and {_many(self.given_checkpoints, 'given checkpoint')}"
        return (
            "CHECKED: every record was hashed and the tree agrees with the newest checkpoint"
            f"{given if self.given_checkpoints else ''} ({_many(self.sealed, 'record')} sealed)."
        )


@dataclass(frozen=True, slots=True)
class View:
    """One page of the log: `rows` (answers) or `lines` (records), and what it leaves out.

    `cursor` begins the next page, None if there is none.
    """

    wanted: Wanted
    page: Page
    checked: Checked
    counts: Counts
    rows: tuple[Row, ...] = ()
    lines: tuple[Line, ...] = ()
    cursor: int | None = None
    record: str = field(default="", compare=False)  # id of the record of this look

    def as_json(self) -> dict[str, object]:
        """What `cloister audit view --json` prints. The keys are an interface."""
        return {
            "trust": self.checked.trust.value,
            "told": f"{self.checked.told()} {self.counts.told()}",
            "filter": self.wanted.as_json(),
            "order": self.page.order.value,
            "limit": self.page.limit,
            "cursor": self.cursor,
            "counts": asdict(self.counts),
            "checked": {**asdict(self.checked), "trust": self.checked.trust.value},
            "rows": [row.as_json() for row in self.rows],
            "records": [line.as_json() for line in self.lines],
            "record": self.record,
        }


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
