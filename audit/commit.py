"""Committing: records of several threads in one transaction, sealed when a checkpoint is due.

Each caller waits until its records are on disk. Those that arrive while a transaction is being
written wait together for the next one, so a disk that takes a millisecond for a sync still takes
many records in it. A transaction that fails is tried again for each caller alone, so that nobody's
bad record keeps another's out.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from audit.checkpoint import Checkpoint, sign_checkpoint, signing_key_id
from audit.envelope import (
    NO_PREVIOUS_LEAF,
    Moment,
    Place,
    Writer,
    build_envelope,
    new_event_id,
)
from audit.errors import AuditError, CheckpointError, LogClosedError, LogCorruptError
from audit.housekeeping import Watch
from audit.merkle import Frontier, frontier_at, leaf_hash
from audit.parts import Parts
from audit.payload import SealedPayload, seal_payload
from audit.record import SYSTEM, Event, Field, Record
from audit.store import Leaf


@dataclass(frozen=True, slots=True)
class Limits:
    """When to seal (after so many records or seconds), how long to wait for another process, after
    how many days to begin a new key (0: never), when the disk counts as low and as full (MiB), and
    which step of the clock is recorded (milliseconds)."""

    seal_records: int = 256
    seal_seconds: int = 60
    busy_timeout_ms: int = 10_000
    rotate_days: int = 90
    disk_low_mb: int = 1024
    disk_stop_mb: int = 64
    clock_step_ms: int = 1000


@dataclass(frozen=True, slots=True)
class Prepared:
    """An event with its id, its payload encrypted; `writer`: the process that it came from, if
    that is another one than the committer's."""

    event: Event
    event_id: str
    payload: SealedPayload | None = None
    writer: Writer | None = None


@dataclass(slots=True)
class Ticket:
    """What one caller wants committed, and what became of it. `also` runs in the transaction
    right after the records were written; it is given them and the tree with them in it."""

    prepared: Sequence[Prepared]
    seal: bool = False
    also: Callable[[Sequence[Record], Frontier], None] | None = None
    records: list[Record] = field(default_factory=list)
    error: AuditError | None = None
    done: bool = False


@dataclass(frozen=True, slots=True)
class Sealed:
    """The newest checkpoint after a commit: its note ("" if there is none yet), and whether it is
    new and still has to be published."""

    note: str
    fresh: bool


class Committer:
    """Writes for one open log. `lock` keeps this process's threads apart on the one connection."""

    def __init__(self, parts: Parts, writer: Writer, limits: Limits, watch: Watch) -> None:
        self.lock = threading.RLock()
        self.appended: Counter[str] = Counter()  # records acknowledged, by type
        self._parts, self._store = parts, parts.store
        self._writer, self._limits, self._watch = writer, limits, watch
        self._waiting: list[Ticket] = []
        self._queueing = threading.Lock()
        self._edge = Frontier()
        self._edge_leaf = NO_PREVIOUS_LEAF
        self._sealed_at = time.monotonic()

    def prepare(self, event: Event, writer: Writer | None = None) -> Prepared:
        """Give the event an id and encrypt its payload under a key that is on disk already."""
        event_id = new_event_id()
        if event.payload is None:
            return Prepared(event, event_id, writer=writer)
        key_id, key = self._parts.keystore.take()
        sealed = seal_payload(
            event.payload,
            key_id,
            key,
            log_id=self._parts.log_id,
            event_id=event_id,
            event_type=event.type,
        )
        return Prepared(event, event_id, sealed, writer)

    def commit(self, ticket: Ticket, after: Callable[[Sealed], None]) -> None:
        """Have the ticket committed, together with whatever else waits; raise its error if it has
        one. `after` is called under the lock once the records are on disk."""
        with self._queueing:
            self._waiting.append(ticket)
        with self.lock:
            if not ticket.done:
                self._commit_waiting(ticket, after)
        if ticket.error is not None:
            raise ticket.error

    def _commit_waiting(self, own: Ticket, after: Callable[[Sealed], None]) -> None:
        with self._queueing:
            tickets, self._waiting = self._waiting, []
        try:
            try:
                sealed = self._transact(tickets)
            except AuditError as error:
                if len(tickets) > 1:
                    self._each_alone(tickets, after)
                else:
                    tickets[0].error, tickets[0].done = error, True
                return
            self._acknowledge(tickets, sealed, after)
        except BaseException:
            # Interrupted (Ctrl+C): the others have not been told anything yet, and go on waiting.
            others = [each for each in tickets if not each.done and each is not own]
            with self._queueing:
                self._waiting = others + self._waiting
            raise

    def _each_alone(self, tickets: Sequence[Ticket], after: Callable[[Sealed], None]) -> None:
        for ticket in tickets:
            ticket.records = []
            try:
                sealed = self._transact([ticket])
            except AuditError as error:
                ticket.error, ticket.done = error, True
            else:
                self._acknowledge([ticket], sealed, after)

    def _acknowledge(
        self, tickets: Sequence[Ticket], sealed: Sealed, after: Callable[[Sealed], None]
    ) -> None:
        failure: AuditError | None = None
        try:
            after(sealed)
        except AuditError as error:
            # The records stand in the log, but what belongs to them failed: nobody is told that
            # all is well.
            failure = error
        for ticket in tickets:
            ticket.error, ticket.done = failure, True
            if failure is None:
                self.appended.update(record.type for record in ticket.records)

    def _transact(self, tickets: Sequence[Ticket]) -> Sealed:
        wanted = [one.event for ticket in tickets for one in ticket.prepared]
        self._watch.look()
        self._watch.check(wanted)
        with self._store.transaction():
            edge, edge_leaf = self._load_edge()
            if wanted:
                own = (*self._last_seal(edge), *self._watch.noticed)
                first = [Prepared(event, new_event_id()) for event in own]
                _, edge, edge_leaf = self._write_all(first, edge, edge_leaf)
            for ticket in tickets:
                ticket.records, edge, edge_leaf = self._write_all(ticket.prepared, edge, edge_leaf)
                if ticket.also is not None:
                    ticket.also(ticket.records, edge)
            sealed = self._seal_if_due(edge, wanted=any(ticket.seal for ticket in tickets))
        self._edge, self._edge_leaf = edge, edge_leaf
        if wanted:
            self._watch.noticed.clear()
        return sealed

    def _last_seal(self, edge: Frontier) -> Sequence[Event]:
        """`checkpoint.signed` for the newest checkpoint, if it covers all there is: the records
        after a checkpoint say that it was made, so that removing it shows."""
        last = self._store.last_checkpoint()
        if last is None or last[0] != edge.size:
            return ()
        fields: dict[str, Field | list[str] | list[int]] = {
            "size": edge.size,
            "root": edge.root().hex(),
            "key": signing_key_id(last[1].encode()),
        }
        return (Event("checkpoint.signed", SYSTEM, fields),)

    def _load_edge(self) -> tuple[Frontier, str]:
        """The tree's right edge and last leaf hash; read again if another process has appended."""
        size = self._store.size()
        if size == self._edge.size:
            return self._edge, self._edge_leaf
        if size < self._edge.size:
            raise LogCorruptError(
                self._store.path, f"{self._edge.size} records were written and {size} are left"
            )
        return frontier_at(self._store.node, size), self._store.node(0, size - 1).hex()

    def _write_all(
        self, prepared: Sequence[Prepared], edge: Frontier, edge_leaf: str
    ) -> tuple[list[Record], Frontier, str]:
        records = []
        for one in prepared:
            record, edge = self._write(one, edge, edge_leaf)
            edge_leaf = record.leaf_hash
            records.append(record)
        return records, edge, edge_leaf

    def _write(self, one: Prepared, edge: Frontier, previous: str) -> tuple[Record, Frontier]:
        moment = Moment.now()
        envelope = build_envelope(
            one.event,
            event_id=one.event_id,
            place=Place(self._parts.log_id, edge.size, previous),
            moment=moment,
            writer=one.writer or self._writer,
            payload=one.payload.reference() if one.payload else None,
        )
        digest = leaf_hash(envelope)
        grown, nodes = edge.append(digest)
        event, when = one.event, moment.ts_utc
        names = (event.session, event.request_id)
        leaf = Leaf(edge.size, one.event_id, event.type, when, *names, digest, envelope)
        self._store.insert(leaf, one.payload.stored if one.payload else None, nodes)
        record = Record(leaf.seq, leaf.event_id, leaf.type, leaf.ts_utc, digest.hex())
        return record, grown

    def _seal_if_due(self, edge: Frontier, *, wanted: bool) -> Sealed:
        last = self._store.last_checkpoint()
        sealed = last[0] if last else 0
        note = last[1] if last else ""
        overdue = time.monotonic() - self._sealed_at >= self._limits.seal_seconds
        due = wanted or overdue or edge.size - sealed >= self._limits.seal_records
        if edge.size == sealed or not due:
            return Sealed(note, fresh=False)
        self.last_checkpoint(edge.size)  # never sign what contradicts an earlier signature
        signer = self._parts.signing.signer(self._store, edge.size)
        note = sign_checkpoint(
            Checkpoint(self._parts.signing.origin, edge.size, edge.root()), signer
        )
        self._store.insert_checkpoint(edge.size, note)
        return Sealed(note, fresh=True)

    def published(self) -> None:
        """The newest checkpoint is where it belongs: count the time to the next one from now."""
        self._sealed_at = time.monotonic()

    def last_checkpoint(self, size: int | None = None) -> Checkpoint | None:
        """The newest checkpoint, if the stored tree of `size` records (None: of all) agrees.

        Raises LogCorruptError.
        """
        store = self._store
        last = store.last_checkpoint()
        if last is None:
            return None
        if size is None:
            size = store.size()  # after the checkpoint: another process may be sealing right now
        try:
            checkpoint = self._parts.signing.opened(last[1])
        except CheckpointError as error:
            raise LogCorruptError(store.path, "its last checkpoint is refused") from error
        if checkpoint.size > size:
            why = f"{checkpoint.size} records were sealed and {size} are left"
            raise LogCorruptError(store.path, why)
        if frontier_at(store.node, checkpoint.size).root() != checkpoint.root:
            raise LogCorruptError(store.path, "its tree contradicts its last checkpoint")
        return checkpoint

    def give_up(self) -> None:
        """Answer whoever still waits that the log is closed."""
        with self._queueing:
            tickets, self._waiting = self._waiting, []
        for ticket in tickets:
            ticket.error, ticket.done = LogClosedError(), True
