"""One pass over the whole log that counts, filters and checks at the same time.

The filter looks at the exact bytes of each envelope, never at the columns that repeat them, and
every envelope is hashed into the tree whose root must be that of the newest checkpoint. So an entry
that somebody moved out of a filtered view by altering its row (compare CVE-2023-31437), or that
they removed, shows as a contradiction at the head of that same view.

What this does not do: it is no verifier (`audit.verify`). It trusts the public keys beside the log,
and does not look at stored tree nodes, payloads or the file itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from audit.checkpoint import Checkpoint, VerifierKey, open_checkpoint
from audit.envelope import NO_PREVIOUS_LEAF
from audit.errors import CheckpointError
from audit.findings import Findings
from audit.merkle import Frontier, leaf_hash, node_hash
from audit.store import Leaf, PrunedLeaf
from audit.view_data import Checked, Trust
from audit.view_envelope import Head, fields_of, head_of

MOST_FINDINGS = 5  # told in words


class Collector(Protocol):
    """What is told of each record, in order; `digest` is its leaf hash as computed."""

    def take(self, head: Head, envelope: bytes, digest: bytes) -> None: ...


@dataclass(slots=True)
class _Removed:
    """What is known of the records that retention removed. It is read when it is needed, and again
    where it does not help: retention may be at work while the log is gone through."""

    read: Callable[[], Sequence[PrunedLeaf]]
    rows: dict[int, PrunedLeaf] = field(default_factory=dict)
    claims: dict[int, Mapping[str, object]] = field(default_factory=dict)  # retention.pruned

    def hash_of(self, seq: int) -> bytes | None:
        """The leaf hash of a record that was removed; None if it was not."""
        if seq not in self.rows:
            self.rows = {each.seq: each for each in self.read()}
        row = self.rows.get(seq)
        return None if row is None else row.hash

    def check(self, size: int, sealed: int, findings: Findings) -> None:
        """Compare what was removed with the records that say so, of the first `size` of the log.
        Such a record is written together with a checkpoint, so it is among the `sealed` ones."""
        rows: dict[int, list[PrunedLeaf]] = {}
        for each in self.read():
            if each.by_seq < size:
                rows.setdefault(each.by_seq, []).append(each)
        for number in sorted(rows.keys() | self.claims.keys()):
            listed = sorted(rows.get(number, []), key=lambda each: each.seq)
            claim = self.claims.get(number)
            lines = "".join(f"{each.seq}:{each.hash.hex()}\n" for each in listed)
            digest = hashlib.sha256(lines.encode()).hexdigest()
            if claim is None:
                findings.add(f"no record {number} tells that records {listed[0].seq} on went")
            elif number >= sealed and listed:
                findings.add(f"no checkpoint covers record {number}, which says what was removed")
            elif claim.get("hashes_sha256") != digest or claim.get("count") != len(listed):
                findings.add(f"what is gone is not what record {number} says was removed")


def walk(
    leaves: Iterable[Leaf],
    collector: Collector,
    *,
    size: int,
    log_id: str,
    pruned: Callable[[], Sequence[PrunedLeaf]],
    own: Sequence[tuple[str, bytes]],
    given: Sequence[tuple[str, bytes]],
    keys: Sequence[VerifierKey],
) -> Checked:
    """Go through all records of a log of `size` once; tell the collector of each, return what is
    wrong. `own` are checkpoints (name, signed note) of the log, `given` those from elsewhere."""
    findings = Findings(most=MOST_FINDINGS)
    opened = _opened((*own, *given), keys, findings)
    tree = _Tree(frozenset(each.size for _, each in opened))
    removed = _Removed(pruned)
    previous = NO_PREVIOUS_LEAF.encode()
    expected = 0
    for leaf in leaves:
        if leaf.seq != expected:
            expected, last = _filled(expected, leaf.seq, removed, tree, findings)
            previous = last.hex().encode() if last else previous
        digest = leaf_hash(leaf.envelope)
        head = head_of(leaf.envelope)
        if head is None:
            findings.add(f"record {leaf.seq} is no record any more")
        else:
            if not _agrees(leaf, head, digest, log_id, previous):
                findings.add(_what_differs(leaf, head, digest, log_id, previous))
            if head.type == "retention.pruned":
                removed.claims[head.seq] = fields_of(leaf.envelope)
            collector.take(head, leaf.envelope, digest)
        tree.add(digest)
        previous = digest.hex().encode()
        expected += 1
    if expected != size:
        findings.add(f"the log has {size} records by its highest number and {expected} were found")
    sealed = _compared(opened, tree, findings)
    removed.check(size, sealed, findings)
    return Checked(
        Trust.TAMPERED if findings.count else Trust.CHECKED,
        sealed,
        tree.root().hex(),
        len(given),
        tuple(findings.texts),
        findings.count,
    )


def _agrees(leaf: Leaf, head: Head, digest: bytes, log_id: str, previous: bytes) -> bool:
    return (
        leaf.hash == digest
        and head.seq == leaf.seq
        and head.type == leaf.type
        and head.event_id == leaf.event_id
        and head.ts_utc == leaf.ts_utc
        and head.request_id == leaf.request_id
        and head.session == leaf.session
        and head.log_id == log_id
        and head.previous.encode() == previous
    )


def _what_differs(leaf: Leaf, head: Head, digest: bytes, log_id: str, previous: bytes) -> str:
    if leaf.hash != digest:
        return f"record {leaf.seq} does not match its hash"
    if head.log_id != log_id or head.previous.encode() != previous:
        return f"record {leaf.seq} does not follow on the one before it"
    names = ("seq", "type", "event_id", "ts_utc", "request_id", "session")
    differing = [name for name in names if getattr(head, name) != getattr(leaf, name)]
    return f"the row of record {leaf.seq} says another {' and '.join(differing)} than the record"


def _filled(
    expected: int, seq: int, removed: _Removed, tree: _Tree, findings: Findings
) -> tuple[int, bytes | None]:
    """Go on from a gap: put the hashes of removed records into the tree; where one is missing
    without having been removed, say so once. Returns the next number and the last hash."""
    last = None
    while expected < seq:
        gone = removed.hash_of(expected)
        if gone is None:
            break
        last = gone
        tree.add(last)
        expected += 1
    if expected != seq:
        findings.add(f"record {expected} is missing (the next one is {seq})")
    return seq, last


class _Tree:
    """The right edge of the tree and the roots at the sizes asked for."""

    def __init__(self, sizes: frozenset[int]) -> None:
        self._wanted = sizes
        self._size = 0
        self._peaks: list[bytes] = []
        self.roots: dict[int, bytes] = {0: Frontier().root()}

    def add(self, digest: bytes) -> None:
        """As `audit.merkle.Frontier.append`, in place: a pass adds each record of a log."""
        index = self._size
        while index & 1:
            digest = node_hash(self._peaks.pop(), digest)
            index >>= 1
        self._peaks.append(digest)
        self._size += 1
        if self._size in self._wanted:
            self.roots[self._size] = self.root()

    def root(self) -> bytes:
        return Frontier(self._size, tuple(self._peaks)).root()


def _opened(
    checkpoints: Sequence[tuple[str, bytes]], keys: Sequence[VerifierKey], findings: Findings
) -> list[tuple[str, Checkpoint]]:
    opened = []
    for name, note in checkpoints:
        try:
            opened.append((name, open_checkpoint(note, keys)))
        except CheckpointError as error:
            findings.add(f"{name}: {error}")
    return opened


def _compared(opened: Sequence[tuple[str, Checkpoint]], tree: _Tree, findings: Findings) -> int:
    """Compare checkpoints with the tree; the largest size that holds."""
    sealed = 0
    for name, checkpoint in opened:
        root = tree.roots.get(checkpoint.size)
        if root is None:
            findings.add(f"{name} covers {checkpoint.size} records, more than are left")
        elif root != checkpoint.root:
            findings.add(f"{name} has another root than the first {checkpoint.size} records")
        else:
            sealed = max(sealed, checkpoint.size)
    return sealed
