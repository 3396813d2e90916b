"""Checking what retention removed: that a record says so, and says exactly this.

Of a pruned record only its number and its leaf hash are left. The tree over those hashes shows that
some record stood there; what it said, nobody can tell any more.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from audit.findings import Findings
from audit.merkle import HASH_BYTES
from audit.verify_rows import Notable

_ROWS = """
SELECT by_seq, seq, CASE WHEN length(hash) = ? THEN hash END FROM pruned ORDER BY by_seq, seq
"""
Row = tuple[object, object, object]


@dataclass(slots=True)
class _Group:
    """The records that one `retention.pruned` record removed."""

    count: int = 0
    first: int = -1
    last: int = -1
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def add(self, seq: int, leaf: bytes) -> None:
        self.first = seq if self.count == 0 else self.first
        self.count, self.last = self.count + 1, seq
        self.digest.update(f"{seq}:{leaf.hex()}\n".encode())

    def fields(self) -> dict[str, object]:
        return {
            "count": self.count,
            "first": self.first,
            "last": self.last,
            "hashes_sha256": self.digest.hexdigest(),
        }


def check_pruned(
    connection: sqlite3.Connection, notable: Sequence[Notable], findings: Findings
) -> None:
    """Compare the pruned rows with the records that account for them, both ways."""
    accounts = {seq: fields for seq, kind, fields in notable if kind == "retention.pruned"}
    rows = connection.execute(_ROWS, (HASH_BYTES,))
    for by_seq, group in groupby(rows, key=lambda row: row[0]):
        account = accounts.pop(by_seq, None)
        if account is None:
            findings.add(f"record {by_seq}, which is said to have pruned others, did not")
        problem = _group_problem(by_seq, group, account)
        if problem:
            findings.add(problem)
    for seq, account in accounts.items():
        if account.get("count") != 0:
            findings.add(f"record {seq} says that it pruned records, but none are marked so")


def check_pruning_sealed(notable: Sequence[Notable], sealed: int, findings: Findings) -> None:
    """Every record that says it pruned others must be under a checkpoint that holds (the first
    `sealed` records are): it is written in one transaction with one. Without that, whoever can
    write the file could remove any record and add, unsigned, that retention did."""
    for seq, kind, fields in notable:
        if kind == "retention.pruned" and seq >= sealed and fields.get("count") != 0:
            findings.add(f"record {seq} says that it pruned records, but no checkpoint covers it")


def pruned_since(connection: sqlite3.Connection, size: int) -> int:
    """How many of the first `size` records were removed by a later one. Raises sqlite3.Error."""
    row = connection.execute(
        "SELECT count(*) FROM pruned WHERE seq < ?1 AND by_seq >= ?1", (size,)
    ).fetchone()
    return int(row[0])


def _group_problem(by_seq: object, rows: Iterable[Row], account: dict[str, object] | None) -> str:
    seen = _Group()
    for _, seq, leaf in rows:
        if not isinstance(seq, int) or not isinstance(leaf, bytes):
            return f"record {seq} was pruned without leaving its hash"
        if seq == 0 or not isinstance(by_seq, int) or by_seq <= seq:
            return f"record {seq} cannot have been pruned by record {by_seq}"
        seen.add(seq, leaf)
    if account is None:
        return ""
    said = {name: account.get(name) for name in seen.fields()}
    return "" if said == seen.fields() else f"record {by_seq} pruned other records than are gone"
