"""Verifying a range of records: each by itself, each to the one before, and the tree over them.

A range begins at a multiple of RANGE, so that its records form whole subtrees and ranges can be
verified apart from each other, in any order and by several processes. What joins them (the link of
a range's first record, the tree above the ranges) is the matter of `audit.verify_tree`.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field

from audit.canonical import read_exact
from audit.envelope import MAX_ENVELOPE_BYTES, NO_PREVIOUS_LEAF, SCHEMA, format_time
from audit.findings import Findings
from audit.merkle import HASH_BYTES

LEVELS = 12
RANGE = 1 << LEVELS  # records
_PIECE = 1 << 20  # bytes of a payload that are read at a time
DAY_NS = 86_400 * 1_000_000_000
_NAMES = (  # in canonical order
    *("actor", "boot_id", "event_id", "fields", "log_id", "mono_ns", "payload", "prev_leaf_hash"),
    *("request_id", "schema", "seq", "session", "ts_utc", "type", "writer"),
)
# What other checks need to see again: `audit.verify_epochs`, `_pruned` and `_checkpoints`.
_NOTABLE = frozenset(
    {"log.created", "log.opened", "log.recovered", "payload.erased"}
    | {"key.rotated", "checkpoint.signed", "retention.planned", "retention.pruned"}
)
_LEAVES = f"""
SELECT seq, event_id, type, ts_utc, session, request_id, hash,
    CASE WHEN length(envelope) < {MAX_ENVELOPE_BYTES} THEN envelope END
FROM leaf WHERE seq >= ? AND seq < ? ORDER BY seq
"""  # noqa: S608 - the number is a constant
_PAYLOADS = f"""
SELECT seq, length(stored), CASE WHEN length(stored) <= {_PIECE} THEN stored END, typeof(stored)
FROM payload WHERE seq >= ? AND seq < ? ORDER BY seq
"""  # noqa: S608 - the number is a constant

Row = tuple[object, ...]
Notable = tuple[int, str, dict[str, object]]
"""Number, type and fields of a record that other checks need."""


@dataclass(frozen=True, slots=True)
class Range:
    """Records `first` (a multiple of RANGE) to `end` - 1 of the log `log_id`. `wanted`: the tree
    sizes in first + 1 to `end` whose roots will be compared. `pruned`: whether there is a table of
    pruned records."""

    first: int
    end: int
    log_id: str
    wanted: tuple[int, ...] = ()
    pruned: bool = True


@dataclass(slots=True)
class RangeResult:
    """What one range holds. Hashes are hex.

    `link`: the hash that its first record names as the one before it, None if that is unknown;
    `last`: the hash of its last record, None likewise. `roots`: for `end` and each wanted size the
    roots of the perfect subtrees of the range up to there, largest first; empty if records are
    missing.
    Times are nanoseconds; `steps` counts steps backwards within the range. `days`: the number of
    the first record of each UTC day (days since 1970) that some record names.
    """

    records: int = 0
    pruned: int = 0
    texts: list[str] = field(default_factory=list)
    findings: int = 0
    link: str | None = None
    last: str | None = None
    roots: dict[int, list[str]] = field(default_factory=dict)
    payloads: int = 0
    first_time: int | None = None
    last_time: int | None = None
    steps: int = 0
    days: dict[int, int] = field(default_factory=dict)
    notable: list[Notable] = field(default_factory=list)


def check_range(connection: sqlite3.Connection, wanted: Range) -> RangeResult:
    """Verify one range. Raises sqlite3.Error where the database cannot be read."""
    walk = _Walk(wanted, _pruned_hashes(connection, wanted))
    limits = (wanted.first, wanted.end)
    for row in connection.execute(_LEAVES, limits):
        walk.take(row)
    walk.fill(wanted.end)
    _check_payloads(connection, limits, walk)
    _check_nodes(connection, wanted, walk)
    result = walk.result
    result.texts, result.findings = walk.findings.texts, walk.findings.count
    if walk.whole:
        levels = walk.levels()
        for size in (*wanted.wanted, wanted.end):
            result.roots[size] = _peaks(levels, size - wanted.first)
        result.last = walk.hashes[-1].hex()
    return result


def _pruned_hashes(connection: sqlite3.Connection, wanted: Range) -> dict[int, object]:
    if not wanted.pruned:
        return {}
    rows = connection.execute(
        "SELECT seq, CASE WHEN length(hash) = ? THEN hash END FROM pruned "
        "WHERE seq >= ? AND seq < ?",
        (HASH_BYTES, wanted.first, wanted.end),
    )
    return dict(rows)


class _Walk:
    """Going through the records of one range in order."""

    def __init__(
        self, wanted: Range, pruned: dict[int, object], previous: str | None = None
    ) -> None:
        self.findings = Findings()
        self.result = RangeResult()
        self.hashes: list[bytes] = []
        self.whole = True  # whether the hash of every record up to here is known
        self.references: dict[int, object] = {}
        self._pruned = pruned
        self._range = wanted
        self._expected = wanted.first
        self._previous = previous if wanted.first or previous else NO_PREVIOUS_LEAF
        self._second, self._second_text = -1, ""
        self._levels: list[list[bytes]] = []

    def take(self, row: Row) -> None:
        """Check the next stored record."""
        seq, _, kind, ts_utc, _, _, digest, raw = row
        if not isinstance(seq, int) or seq < self._expected:
            self.findings.add(f"record {seq} stands there twice or at no place")
            return
        if seq > self._expected:
            self.fill(seq)
        if seq in self._pruned:
            self.findings.add(f"record {seq} is there although it was pruned")
        problems, envelope = self._read(row, raw)
        computed = hashlib.sha256(b"\x00" + (raw if isinstance(raw, bytes) else b"")).digest()
        if digest != computed:
            problems.insert(0, "it does not match its hash")
        for problem in problems:
            self.findings.add(f"record {seq}: {problem}")
        if envelope is not None:
            self._remember(seq, kind, envelope)
        if type(ts_utc) is int:
            self._tell_time(seq, ts_utc)
        self.hashes.append(computed)
        self._previous = computed.hex()
        self._expected = seq + 1
        self.result.records += 1

    def fill(self, end: int) -> None:
        """Account for the records before `end` that are not stored: pruned, or missing."""
        missing: list[int] = []
        for seq in range(self._expected, end):
            digest = self._pruned.get(seq)
            if isinstance(digest, bytes):
                self.hashes.append(digest)
                self._previous = digest.hex()
                self.result.pruned += 1
            else:
                missing.append(seq)
                self._previous = None
        if missing:
            self.whole = False
            several = f"{len(missing)} records are missing, the first of them {missing[0]}"
            self.findings.add(several if len(missing) > 1 else f"record {missing[0]} is missing")
        self._expected = end

    def _read(self, row: Row, raw: object) -> tuple[list[str], dict[str, object] | None]:
        """What is wrong with one envelope and what stands beside it, and the envelope."""
        if not isinstance(raw, bytes):
            return ["it has no envelope of the right form"], None
        try:
            envelope = read_exact(raw)
        except ValueError:
            return ["its envelope is not in canonical form"], None
        if tuple(envelope) != _NAMES:
            return ["its envelope has other parts than a record has"], None
        seq, event_id, kind, ts_utc, session, request_id = row[:6]
        previous = self._previous
        if previous is None and seq == self._range.first:
            link = envelope["prev_leaf_hash"]
            self.result.link = link if isinstance(link, str) else ""
        if (
            envelope["seq"] == seq
            and envelope["event_id"] == event_id
            and envelope["type"] == kind
            and envelope["ts_utc"] == self._time(ts_utc)
            and envelope["session"] == session
            and envelope["request_id"] == request_id
            and envelope["log_id"] == self._range.log_id
            and envelope["schema"] == SCHEMA
            and (previous is None or envelope["prev_leaf_hash"] == previous)
            and type(envelope["seq"]) is int
            and type(envelope["fields"]) is dict
        ):
            return [], envelope
        beside = dict(zip(_BESIDE, row[:6], strict=True))
        beside.update(ts_utc=self._time(ts_utc), log_id=self._range.log_id, schema=SCHEMA)
        if previous is not None:
            beside["prev_leaf_hash"] = previous
        return _differences(envelope, beside), envelope

    def _time(self, ts_utc: object) -> str | None:
        """`format_time`, with the text of the last second kept: most records share it."""
        if type(ts_utc) is not int:
            return None
        second, nanoseconds = divmod(ts_utc, 1_000_000_000)
        if second != self._second:
            self._second, self._second_text = second, format_time(ts_utc)[:-10]
        return f"{self._second_text}{nanoseconds:09d}Z"

    def _remember(self, seq: int, kind: object, envelope: dict[str, object]) -> None:
        if envelope["payload"] is not None:
            self.references[seq] = envelope["payload"]
        fields = envelope["fields"]
        if kind in _NOTABLE and isinstance(kind, str):
            self.result.notable.append((seq, kind, fields if isinstance(fields, dict) else {}))

    def _tell_time(self, seq: int, ts_utc: int) -> None:
        result = self.result
        result.days.setdefault(ts_utc // DAY_NS, seq)
        if result.last_time is None:
            result.first_time = ts_utc
        elif ts_utc < result.last_time:
            result.steps += 1
        result.last_time = ts_utc

    def levels(self) -> list[list[bytes]]:
        """The perfect subtrees over the range's records, those of one leaf first."""
        if not self._levels:
            self._levels = [self.hashes]
            while len(row := self._levels[-1]) > 1:
                pairs = zip(row[::2], row[1::2], strict=False)
                self._levels.append(
                    [hashlib.sha256(b"\x01" + left + right).digest() for left, right in pairs]
                )
        return self._levels


_BESIDE = ("seq", "event_id", "type", "ts_utc", "session", "request_id")


def _differences(envelope: dict[str, object], beside: dict[str, object]) -> list[str]:
    problems = [
        f"`{name}` is not what stands beside or before it"
        for name, value in beside.items()
        if envelope[name] != value or type(envelope[name]) is not type(value)
    ]
    if type(envelope["fields"]) is not dict:
        problems.append("its fields have the wrong form")
    return problems


def _peaks(levels: Sequence[Sequence[bytes]], count: int) -> list[str]:
    """The perfect subtrees that the first `count` records of a range make up, largest first."""
    return [
        levels[level][(count >> level) - 1].hex()
        for level in range(count.bit_length() - 1, -1, -1)
        if count >> level & 1
    ]


def _check_payloads(connection: sqlite3.Connection, limits: tuple[int, int], walk: _Walk) -> None:
    """Compare the stored payloads of a range with what its envelopes say of them."""
    waiting = walk.references
    walk.result.payloads = len(waiting)
    for seq, length, stored, kind in connection.execute(_PAYLOADS, limits):
        if seq not in waiting:
            walk.findings.add(f"record {seq}: it has a payload that its envelope does not name")
            continue
        digest = None
        if kind == "blob":
            digest = _long_digest(connection, seq) if stored is None else _sha256(stored)
        problem = payload_problem(waiting.pop(seq), length, digest)
        if problem:
            walk.findings.add(f"record {seq}: {problem}")
    for seq in waiting:
        walk.findings.add(f"record {seq}: its payload is missing")


def payload_problem(reference: object, length: object, digest: str | None) -> str:
    """What is wrong with a payload of `length` bytes and hex SHA-256 `digest` ("" if nothing)."""
    if not isinstance(reference, dict):
        return "its payload reference has the wrong form"
    same = digest is not None and digest == reference.get("ciphertext_sha256")
    if not same or type(length) is not int or length != reference.get("length"):
        return "its payload is not the one that was recorded"
    return ""


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _long_digest(connection: sqlite3.Connection, seq: int) -> str:
    """The digest of a payload that is not worth holding in memory as a whole."""
    total = hashlib.sha256()
    with connection.blobopen("payload", "stored", seq, readonly=True) as blob:
        while piece := blob.read(_PIECE):
            total.update(piece)
    return total.hexdigest()


def _check_nodes(connection: sqlite3.Connection, wanted: Range, walk: _Walk) -> None:
    """Compare the stored tree nodes of a range with those that its records give."""
    if not walk.whole:
        return  # that records are missing has been said
    for level, computed in enumerate(walk.levels()):
        if not level:
            continue
        start = wanted.first >> level
        stored = connection.execute(
            "SELECT position, CASE WHEN length(hash) = ? THEN hash END FROM node "
            "WHERE level = ? AND position >= ? AND position < ? ORDER BY position",
            (HASH_BYTES, level, start, start + len(computed)),
        ).fetchall()
        for position in wrong_nodes(stored, list(enumerate(computed, start))):
            walk.findings.add(f"tree node {level}/{position} is not what its records give")


def wrong_nodes(
    stored: Sequence[tuple[object, object]], expected: Sequence[tuple[int, bytes]]
) -> list[int]:
    """The positions at which the stored (position, hash) pairs are not the expected ones."""
    if stored == expected:
        return []
    found = dict(stored)
    wrong = [position for position, digest in expected if found.get(position) != digest]
    return wrong or [position for position, _ in expected[:1]]  # one of them stands there twice


def check_row(row: Row, previous: str, log_id: str) -> list[str]:
    """What is wrong with one stored record, given the hex hash of the one that should stand before
    it and the log's id. A row of `leaf`: seq, event_id, type, ts_utc, session, request_id, hash,
    envelope; `seq` is the number that the record should have if it is at its place."""
    seq = row[0]
    walk = _Walk(Range(seq if isinstance(seq, int) else 0, 0, log_id), {}, previous)
    walk.take(row)
    return walk.findings.texts
