"""The log: append records, seal them under signed checkpoints, read payloads back.

A record is committed, with its payload and the tree nodes it completes, in one transaction that is
on disk when `append` returns. Several processes may append to one log; SQLite orders them. Every
failure raises AuditError, and whatever was about to be recorded must then not happen.

What this does not protect against: a person who holds the signing key can write another history
from the last checkpoint that is kept out of their reach (see docs/audit.md).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from audit.checkpoint import Checkpoint, VerifierKey, open_checkpoint, sign_checkpoint
from audit.database import make_private_folder
from audit.envelope import (
    NO_PREVIOUS_LEAF,
    Moment,
    Place,
    Writer,
    build_envelope,
    new_event_id,
    parse_envelope,
)
from audit.errors import (
    AuditError,
    CheckpointError,
    LogClosedError,
    LogCorruptError,
    PayloadDamagedError,
    RecordNotFoundError,
    SealFailedError,
)
from audit.keys import write_file
from audit.merkle import Frontier, frontier_at, leaf_hash
from audit.parts import open_parts
from audit.payload import SealedPayload, open_payload, seal_payload
from audit.record import SYSTEM, Event, Field, Record
from audit.runs import Run, dead_runs, forget_run, setup_lock
from audit.store import Leaf, LogStore


@dataclass(frozen=True, slots=True)
class Limits:
    """When to seal (after so many records or seconds) and how long to wait for another process."""

    seal_records: int = 256
    seal_seconds: int = 60
    busy_timeout_ms: int = 10_000


@dataclass(frozen=True, slots=True)
class _Prepared:
    event: Event
    event_id: str
    payload: SealedPayload | None


class Log:
    """One open log. Safe for several threads; not across a fork. Use it as a context manager."""

    def __init__(self, folder: Path, *, build: str, process: str, limits: Limits) -> None:
        """Open the log in `folder`, creating it if there never was one, and record `log.opened`.

        `build` and `process` name this program in every record. Raises AuditError.
        """
        self.folder = folder
        self._limits = limits
        self._writer = Writer.of_this_process(process=process, build=build)
        self._lock = threading.RLock()
        self._timer: threading.Timer | None = None
        self._seal_failure: AuditError | None = None
        self._edge = Frontier()
        self._edge_leaf = NO_PREVIOUS_LEAF
        self._sealed_at = time.monotonic()
        self._open = True
        self.recovered = False  # whether an earlier run had not closed the log
        make_private_folder(folder)
        timeout = limits.busy_timeout_ms
        with setup_lock(folder / "setup.lock", timeout_ms=timeout):
            self._parts = open_parts(folder, busy_timeout_ms=timeout)
            self._store = self._parts.store
            self._keystore = self._parts.keystore
            try:
                self._check_end()
                self._start_run()
            except BaseException:
                self._open = False
                self._parts.close()
                raise

    @property
    def log_id(self) -> str:
        """The log's id, 32 hex digits."""
        return self._parts.log_id

    @property
    def origin(self) -> str:
        """The log's name in checkpoints."""
        return self._parts.origin

    @property
    def verifier_key(self) -> VerifierKey:
        """The public key that goes with the signatures of now."""
        return self._parts.verifier_key

    @property
    def trusted_keys(self) -> tuple[VerifierKey, ...]:
        """The public keys of all epochs."""
        return self._parts.trusted

    def _check_end(self) -> None:
        """Refuse to go on from a last record or checkpoint that the stored tree contradicts."""
        size = self._store.size()
        last = self._store.leaf(size - 1) if size else None
        if last is not None and leaf_hash(last.envelope) != last.hash:
            raise LogCorruptError(self._store.path, f"record {last.seq} does not match its hash")
        self._last_checkpoint(size)

    def _start_run(self) -> None:
        events: list[Event] = []
        if self._store.size() == 0:
            fields = {"origin": self.origin, "verifier_key": self.verifier_key.text()}
            events.append(Event("log.created", SYSTEM, fields))
        runs = self.folder / "open"
        dead = dead_runs(runs)
        self.recovered = bool(dead)
        self._run = Run(runs, new_event_id())
        checkpoint = self._last_checkpoint(self._store.size())
        opened: dict[str, Field | list[str] | list[int]] = {
            "build": self._writer.build,
            "pid": self._writer.pid,
            "recovered": bool(dead),
            "run": self._run.run_id,
            "checkpoint_size": checkpoint.size if checkpoint else 0,
            "checkpoint_root": checkpoint.root.hex() if checkpoint else "",
        }
        events.append(Event("log.opened", SYSTEM, opened))
        events += [Event("log.recovered", SYSTEM, {"run": run_id}) for run_id in dead]
        try:
            self.append_many(events)
            for run_id in dead:
                forget_run(runs, run_id)
        except BaseException:
            self._stop_timer()
            self._run.end(cleanly=True)
            raise

    def append(self, event: Event) -> Record:
        """Record one event; it is on disk when this returns. Raises AuditError."""
        return self.append_many([event])[0]

    def append_many(self, events: Sequence[Event]) -> list[Record]:
        """Record several events in one transaction, in order: all of them or none.

        Raises AuditError; then none was recorded, unless the failure is that of publishing a
        checkpoint, in which case they may stand in the log without having been acknowledged.
        """
        return self._commit(events, seal=False)[0]

    def seal(self) -> str:
        """Sign a checkpoint over everything recorded so far and return it (a signed note).

        If nothing was recorded since the last one, that one is returned. Raises AuditError.
        """
        return self._commit((), seal=True)[1]

    def _commit(self, events: Sequence[Event], *, seal: bool) -> tuple[list[Record], str]:
        with self._lock:
            self._require_open()
            failure, self._seal_failure = self._seal_failure, None
            if failure is not None:
                raise SealFailedError(failure)
            prepared = [self._prepare(event) for event in events]
            keys = [(one.payload.key_id, one.payload.key) for one in prepared if one.payload]
            if keys:
                self._keystore.put(keys)  # on disk before the records that need them
            with self._store.transaction():
                edge, edge_leaf = self._load_edge()
                records: list[Record] = []
                for one in prepared:
                    record, edge = self._write(one, edge, edge_leaf)
                    edge_leaf = record.leaf_hash
                    records.append(record)
                note, fresh = self._seal_if_due(edge, seal)
            self._edge, self._edge_leaf = edge, edge_leaf
            if fresh:
                self._publish(note)
            else:
                self._arm_timer()
            return records, note

    def _prepare(self, event: Event) -> _Prepared:
        event_id = new_event_id()
        if event.payload is None:
            return _Prepared(event, event_id, None)
        sealed = seal_payload(
            event.payload, log_id=self.log_id, event_id=event_id, event_type=event.type
        )
        return _Prepared(event, event_id, sealed)

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

    def _write(self, one: _Prepared, edge: Frontier, previous: str) -> tuple[Record, Frontier]:
        moment = Moment.now()
        envelope = build_envelope(
            one.event,
            event_id=one.event_id,
            place=Place(self.log_id, edge.size, previous),
            moment=moment,
            writer=self._writer,
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

    def _seal_if_due(self, edge: Frontier, wanted: bool) -> tuple[str, bool]:
        """Sign and store a checkpoint if one is wanted or due; (newest note, whether it is new)."""
        last = self._store.last_checkpoint()
        sealed = last[0] if last else 0
        note = last[1] if last else ""
        overdue = time.monotonic() - self._sealed_at >= self._limits.seal_seconds
        due = wanted or overdue or edge.size - sealed >= self._limits.seal_records
        if edge.size == sealed or not due:
            return note, False
        self._last_checkpoint(edge.size)  # never sign what contradicts an earlier signature
        note = sign_checkpoint(Checkpoint(self.origin, edge.size, edge.root()), self._parts.signer)
        self._store.insert_checkpoint(edge.size, note)
        return note, True

    def _last_checkpoint(self, size: int) -> Checkpoint | None:
        last = self._store.last_checkpoint()
        if last is None:
            return None
        try:
            checkpoint = open_checkpoint(last[1].encode(), self._parts.trusted)
        except CheckpointError as error:
            raise LogCorruptError(self._store.path, "its last checkpoint is refused") from error
        if checkpoint.size > size:
            raise LogCorruptError(
                self._store.path, f"{checkpoint.size} records were sealed and {size} are left"
            )
        if frontier_at(self._store.node, checkpoint.size).root() != checkpoint.root:
            raise LogCorruptError(self._store.path, "its tree contradicts its last checkpoint")
        return checkpoint

    def _publish(self, note: str) -> None:
        self._stop_timer()
        self._sealed_at = time.monotonic()
        folder = self.folder / "checkpoints"
        make_private_folder(folder)
        write_file(folder / "latest.note", note.encode(), replace=True)

    def _arm_timer(self) -> None:
        if self._timer is None and self._open:
            self._timer = threading.Timer(self._limits.seal_seconds, self._seal_on_time)
            self._timer.daemon = True
            self._timer.start()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _seal_on_time(self) -> None:
        with self._lock:
            self._timer = None
            if not self._open:
                return
            try:
                self.seal()
            except AuditError as error:
                self._seal_failure = error  # there is no caller here: the next one is told

    def read_payload(self, key: int | str) -> dict[str, object] | None:
        """The decrypted payload of a record, by number or event id; None if it had none.

        This read is not itself recorded; people read through `audit.review`, which records it.
        Raises RecordNotFoundError, PayloadErasedError, PayloadKeyLostError, PayloadDamagedError.
        """
        with self._lock:
            leaf = self.leaf(key)
            reference = payload_reference(leaf)
            if reference is None:
                return None
            stored = self._store.payload(leaf.seq)
            if stored is None:
                raise PayloadDamagedError(leaf.event_id)
            secret = self._keystore.get(reference, leaf.event_id)
        return open_payload(stored, secret, log_id=self.log_id, event_id=leaf.event_id)

    def leaf(self, key: int | str) -> Leaf:
        """One stored record, by number or event id. Raises RecordNotFoundError."""
        leaf = self.store.leaf(key)
        if leaf is None:
            raise RecordNotFoundError(key)
        return leaf

    def payload_erased(self, leaf: Leaf) -> bool:
        """Whether the record's payload key was destroyed."""
        reference = payload_reference(leaf)
        return reference is not None and self._keystore.erased(reference)

    def destroy_payload_key(self, leaf: Leaf) -> bool:
        """Destroy the record's payload key (`audit.erasure` records why). False if none lived."""
        with self._lock:
            self._require_open()
            reference = payload_reference(leaf)
            return reference is not None and self._keystore.destroy(reference)

    def counters(self) -> dict[str, int]:
        """How many records there are of each type."""
        with self._lock:
            return self.store.counts()

    @property
    def store(self) -> LogStore:
        """The tables, for the other modules of this package. Hold `reading` while using it."""
        self._require_open()
        return self._store

    @property
    def reading(self) -> threading.RLock:
        """The lock that keeps this process's threads apart on the one connection."""
        return self._lock

    def _require_open(self) -> None:
        if not self._open or os.getpid() != self._writer.pid:
            raise LogClosedError

    def close(self) -> None:
        """Record `log.closed`, seal, and release the files. Safe to call twice. Raises AuditError.

        If recording fails, the files are released and the next opening records a recovery.
        """
        with self._lock:
            if not self._open or os.getpid() != self._writer.pid:
                return
            clean = False
            try:
                self._commit([Event("log.closed", SYSTEM, {"run": self._run.run_id})], seal=True)
                clean = True
            finally:
                self._open = False
                self._stop_timer()
                self._run.end(cleanly=clean)
                self._parts.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def payload_reference(leaf: Leaf) -> str | None:
    """The id of the key of the record's payload, or None if it has no payload.

    Raises PayloadDamagedError if the envelope cannot be read.
    """
    try:
        payload = parse_envelope(leaf.envelope)["payload"]
        return str(payload["key_id"]) if isinstance(payload, dict) else None
    except (ValueError, KeyError, RecursionError) as error:
        raise PayloadDamagedError(leaf.event_id) from error
