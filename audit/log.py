"""The log: append records, seal them under signed checkpoints, read payloads back.

A record is committed, with its payload and the tree nodes it completes, in one transaction that is
on disk when `append` returns (`audit.commit`). Several processes may append to one log; SQLite
orders them. Every failure raises AuditError, and whatever was about to be recorded must then not
happen.

What this does not protect against: a person who holds the signing key can write another history
from the last checkpoint that is kept out of their reach (see docs/audit.md).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit import closed
from audit.anchoring import last_anchored
from audit.checkpoint import VerifierKey
from audit.commit import Committer, Limits, Sealed, Ticket
from audit.database import make_private_folder
from audit.envelope import Writer, new_event_id
from audit.errors import (
    AuditError,
    LogClosedError,
    LogCorruptError,
    SealFailedError,
)
from audit.housekeeping import Watch
from audit.keeper import LogKeeper
from audit.keys import write_file
from audit.merkle import Frontier, leaf_hash
from audit.parts import open_parts
from audit.ports import Anchoring
from audit.reader import payload_reference
from audit.record import SYSTEM, Event, Field, Record
from audit.runs import Run, dead_runs, forget_run, others_running, setup_lock
from audit.store import Filter

__all__ = ["Limits", "Log", "payload_reference"]

_MIB = 1024 * 1024
_NEWEST_ANCHORED = 100  # records that tell what each anchor has already
_COMMITS_PER_MOVE = 500  # after so many the WAL is moved into the database


class Log(LogKeeper):
    """One open log. Safe for several threads; not across a fork. Use it as a context manager."""

    def __init__(
        self,
        folder: Path,
        *,
        build: str,
        process: str,
        limits: Limits,
        key_folder: Path | None = None,
        anchoring: Anchoring | None = None,
    ) -> None:
        """Open the log in `folder`, creating it if there never was one, and record `log.opened`.

        `build` and `process` name this program in every record; `key_folder` holds the private keys
        (None: `keys` within `folder`). Raises AuditError.
        """
        self.folder = folder
        self._limits = limits
        self._writer = Writer.of_this_process(process=process, build=build)
        self._timer: threading.Timer | None = None
        self._mover: threading.Thread | None = None
        self._unmoved = 0  # commits since the WAL was last moved
        self._seal_failure: AuditError | None = None
        self._anchoring: Anchoring | None = None
        self._open = True
        self.recovered = False  # whether an earlier run had not closed the log
        make_private_folder(folder)
        timeout = limits.busy_timeout_ms
        with setup_lock(folder / "setup.lock", timeout_ms=timeout):
            closed.forget_closed(folder)
            self._parts = open_parts(folder, key_folder, busy_timeout_ms=timeout)
            try:
                self._committer = Committer(self._parts, self._writer, limits, self._watch())
                self.reading = self._committer.lock
                self._check_end()
                self._run = Run(folder / "open", new_event_id(), dead_runs(folder / "open"))
            except BaseException:
                self._open = False
                self._parts.close()
                raise
            try:
                self._start_run()
                self._rotate_if_due()
            except BaseException:
                self._open = False
                self._stop_timer()
                self._run.end(cleanly=True)
                self._parts.close()
                raise
        if anchoring is not None:
            self._anchoring = anchoring
            newest = self.leaves(Filter(type="checkpoint.anchored", limit=_NEWEST_ANCHORED))
            anchoring.begin(self.append_many, last_anchored(newest), self.range)

    def _watch(self) -> Watch:
        limits = self._limits
        size = self._parts.store.size()
        last = self._parts.store.leaf(size - 1) if size else None
        return Watch(
            self.folder,
            limits.clock_step_ms * 1_000_000,
            limits.disk_low_mb * _MIB,
            limits.disk_stop_mb * _MIB,
            last.ts_utc if last else 0,
        )

    @property
    def log_id(self) -> str:
        """The log's id, 32 hex digits."""
        return self._parts.log_id

    @property
    def verifier_key(self) -> VerifierKey:
        """The public key that goes with the signatures of now."""
        with self.reading:
            self._require_open()
            return self._parts.signing.verifier_of(self._signer())

    @property
    def trusted_keys(self) -> tuple[VerifierKey, ...]:
        """The public keys of all epochs."""
        return self._parts.signing.trusted

    def _check_end(self) -> None:
        """Refuse to go on from a last record or checkpoint that the stored tree contradicts."""
        store = self._parts.store
        size = store.size()
        last = store.leaf(size - 1) if size else None
        if last is not None and leaf_hash(last.envelope) != last.hash:
            raise LogCorruptError(store.path, f"record {last.seq} does not match its hash")
        self._committer.last_checkpoint()

    def _start_run(self) -> None:
        events: list[Event] = []
        size = self._parts.store.size()
        if size == 0:
            # Also the record of the first key: later ones are named by `key.rotated`.
            fields = {"origin": self.origin, "verifier_key": self.verifier_key.text()}
            events.append(Event("log.created", SYSTEM, fields))
        dead = self._run.dead_before
        self.recovered = bool(dead)
        checkpoint = self._committer.last_checkpoint()
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
        self.append_many(events)
        for run_id in dead:
            forget_run(self.folder / "open", run_id)

    def append(self, event: Event) -> Record:
        """Record one event; it is on disk when this returns. Raises AuditError."""
        return self.append_many([event])[0]

    def append_many(self, events: Sequence[Event], writer: Writer | None = None) -> list[Record]:
        """Record several events in one transaction, in order: all of them or none. `writer`: the
        process that they come from, if it is another one (`audit.daemon`).

        Raises AuditError; then none was recorded, unless the failure is that of publishing a
        checkpoint, in which case they may stand in the log without having been acknowledged.
        """
        return self._commit(events, writer=writer)

    def seal(self) -> str:
        """Sign a checkpoint over everything recorded so far and return it (a signed note).

        If nothing was recorded since the last one, that one is returned. Raises AuditError.
        """
        with self.reading:
            self._commit((), seal=True)
            newest = self.newest_checkpoint()
        return newest[1] if newest else ""

    def _commit(
        self,
        events: Sequence[Event],
        *,
        seal: bool = False,
        also: Callable[[Sequence[Record], Frontier], None] | None = None,
        writer: Writer | None = None,
    ) -> list[Record]:
        self._require_open()
        failure, self._seal_failure = self._seal_failure, None
        if failure is None and self._anchoring is not None:
            failure = self._anchoring.failure()
        if failure is not None:
            raise SealFailedError(failure)
        prepared = [self._committer.prepare(event, writer) for event in events]
        ticket = Ticket(prepared, seal, also)
        self._committer.commit(ticket, self._after)
        return ticket.records

    def _after(self, sealed: Sealed) -> None:
        """What follows a commit, under the lock."""
        if sealed.fresh:
            self._publish(sealed.note)
        else:
            self._arm_timer()
        self._unmoved += 1
        if self._mover is None and self._unmoved >= _COMMITS_PER_MOVE:
            self._unmoved = 0
            self._mover = threading.Thread(target=self._move_wal, daemon=True)
            self._mover.start()

    def _publish(self, note: str) -> None:
        self._stop_timer()
        self._committer.published()
        folder = self.folder / "checkpoints"
        make_private_folder(folder)
        write_file(folder / "latest.note", note.encode(), replace=True)
        if self._anchoring is not None:
            self._anchoring.offer(note)

    def _move_wal(self) -> None:
        try:
            self._parts.store.checkpoint_wal()
        except AuditError:
            pass  # nothing is lost: the WAL stays longer, and the next commit tries again
        finally:
            self._mover = None

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
        with self.reading:
            self._timer = None
            if not self._open:
                return
            try:
                self.seal()
            except AuditError as error:
                self._seal_failure = error  # there is no caller here: the next one is told

    def appended(self) -> dict[str, int]:
        """How many records of each type this object has acknowledged."""
        with self.reading:
            return dict(self._committer.appended)

    def _require_open(self) -> None:
        if not self._open or os.getpid() != self._writer.pid:
            raise LogClosedError

    def close(self) -> None:
        """Record `log.closed`, seal, anchor, and release the files. Safe to call twice.

        If recording fails, the files are released and the next opening records a recovery. Raises
        AuditError.
        """
        if not self._open or os.getpid() != self._writer.pid:
            return
        try:
            self._finish_anchoring()
        finally:
            self._end()

    def _finish_anchoring(self) -> None:
        if self._anchoring is None:
            return
        # Not under the lock: its thread records what it has sent.
        events = self._anchoring.finish(self.seal())
        self._anchoring = None
        if events:
            self.append_many(events)

    def _end(self) -> None:
        clean, signer = False, None
        try:
            with self.reading:
                if not self._open:
                    return
                try:
                    ended = Event("log.closed", SYSTEM, {"run": self._run.run_id})
                    self._commit([ended], seal=True)
                    signer = self._signer()
                    clean = True
                finally:
                    self._open = False
                    self._stop_timer()
                    self._committer.give_up()
        finally:
            mover = self._mover
            if mover is not None:
                mover.join()
            self._release(clean, signer)

    def _release(self, clean: bool, signer: Ed25519PrivateKey | None) -> None:
        lock = self.folder / "setup.lock"
        try:
            with setup_lock(lock, timeout_ms=self._limits.busy_timeout_ms):
                self._run.end(cleanly=clean)
                self._parts.close()
                if signer is not None and not others_running(self.folder / "open"):
                    closed.write_closed(self.folder, self.origin, signer)
        finally:
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
