"""Reading an open log: what the modules for people, proofs and exports are built on.

None of these reads is itself recorded; people read through `audit.review` and `audit.view`, which
record first. Hold `reading` over several reads that must agree.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from audit.envelope import parse_envelope
from audit.errors import PayloadDamagedError, RecordNotFoundError
from audit.parts import Parts
from audit.payload import open_payload
from audit.store import Filter, Leaf, LogStore, PrunedLeaf


class LogReader(ABC):
    """The reading half of `audit.log.Log`. Every method raises AuditError."""

    _parts: Parts
    reading: threading.RLock

    @abstractmethod
    def _require_open(self) -> None:
        """Raise LogClosedError unless the log is open in this process."""

    @property
    def _table(self) -> LogStore:
        self._require_open()
        return self._parts.store

    def size(self) -> int:
        """The number of records."""
        with self.reading:
            return self._table.size()

    def leaf(self, key: int | str) -> Leaf:
        """One stored record, by number or event id. Raises RecordNotFoundError."""
        with self.reading:
            leaf = self._table.leaf(key)
        if leaf is None:
            raise RecordNotFoundError(key)
        return leaf

    def leaves(self, chosen: Filter) -> tuple[Leaf, ...]:
        """The newest matching records, in the order in which they were written."""
        with self.reading:
            return self._table.leaves(chosen)

    def range(self, first: int, last: int) -> tuple[Leaf, ...]:
        """The records numbered first to last, both included; pruned ones are not among them."""
        with self.reading:
            return self._table.range(first, last)

    def scan(self, first: int = 0, last: int | None = None) -> Iterator[Leaf]:
        """The records from `first` on (to `last`, included) in constant memory.

        The lock is held for a batch at a time: records that are appended meanwhile do not belong to
        the scan, whose end is fixed at its beginning.
        """
        end = self.size() - 1 if last is None else last
        while first <= end:
            with self.reading:
                batch = tuple(self._table.batch(first, end))
            if not batch:
                return
            yield from batch
            first = batch[-1].seq + 1

    def first_of(self, kind: str) -> Leaf | None:
        """The oldest record of one type."""
        with self.reading:
            return self._table.first_of(kind)

    def node(self, level: int, position: int) -> bytes:
        """A node of the tree (see `audit.merkle.NodeReader`)."""
        with self.reading:
            return self._table.node(level, position)

    def checkpoints(self) -> tuple[tuple[int, str], ...]:
        """Size and signed note of every checkpoint, in order."""
        with self.reading:
            return self._table.checkpoints()

    def newest_checkpoint(self) -> tuple[int, str] | None:
        """Size and signed note of the newest checkpoint."""
        with self.reading:
            return self._table.last_checkpoint()

    def pruned(self) -> tuple[PrunedLeaf, ...]:
        """The records that retention removed."""
        with self.reading:
            return self._table.pruned()

    def counters(self) -> dict[str, int]:
        """How many records there are of each type."""
        with self.reading:
            return self._table.counts()

    def requests_without(self, started: str, ended_family: str) -> int:
        """How many requests have a record `started` and none of the family."""
        with self.reading:
            return self._table.requests_without(started, ended_family)

    def stored_payload(self, seq: int) -> bytes | None:
        """The encrypted payload of a record."""
        with self.reading:
            return self._table.payload(seq)

    def read_payload(self, key: int | str) -> dict[str, object] | None:
        """The decrypted payload of a record, by number or event id; None if it had none.

        Raises RecordNotFoundError, PayloadErasedError, PayloadKeyLostError, PayloadDamagedError.
        """
        with self.reading:
            leaf = self.leaf(key)
            reference = payload_reference(leaf)
            if reference is None:
                return None
            stored = self._table.payload(leaf.seq)
            if stored is None:
                raise PayloadDamagedError(leaf.event_id)
            secret = self._parts.keystore.get(reference, leaf.event_id)
        return open_payload(stored, secret, log_id=self._parts.log_id, event_id=leaf.event_id)

    def payload_key(self, leaf: Leaf) -> bytes | None:
        """The key of the record's payload, for a pack that is to prove what was in it; None if
        there was no payload. Raises PayloadErasedError or PayloadKeyLostError."""
        reference = payload_reference(leaf)
        self._require_open()
        return None if reference is None else self._parts.keystore.get(reference, leaf.event_id)

    def payload_erased(self, leaf: Leaf) -> bool:
        """Whether the record's payload key was destroyed."""
        reference = payload_reference(leaf)
        self._require_open()
        return reference is not None and self._parts.keystore.erased(reference)


def payload_reference(leaf: Leaf) -> str | None:
    """The id of the key of the record's payload, or None if it has no payload.

    Raises PayloadDamagedError if the envelope cannot be read.
    """
    try:
        payload = parse_envelope(leaf.envelope)["payload"]
        return str(payload["key_id"]) if isinstance(payload, dict) else None
    except (ValueError, KeyError, RecursionError) as error:
        raise PayloadDamagedError(leaf.event_id) from error


def payload_references(leaves: Sequence[Leaf]) -> list[str]:
    """The ids of the keys of those records that have a payload."""
    return [key for leaf in leaves if (key := payload_reference(leaf)) is not None]
