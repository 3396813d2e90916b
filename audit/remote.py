"""The hardened mode's client: the log as an account sees it that may not touch its files.

It offers what `audit.log.Log` offers, as far as the daemon grants it to this account, and fails
closed: a record whose acknowledgement does not arrive counts as not written.
"""

from __future__ import annotations

import os
import select
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from audit import wire
from audit.checkpoint import VerifierKey, origin_of, parse_verifier_key
from audit.errors import LogClosedError
from audit.errors_duties import DaemonTalkError, DaemonUnreachableError
from audit.record import SYSTEM, Actor, Event, Record
from audit.store import Filter, Leaf, PrunedLeaf

_BATCH = 500  # records asked for at a time
_MOST_CONNECTIONS = 16  # of one program; more threads take turns


class RemoteLog:
    """Open connections to the audit daemon, shared by the threads that ask. Safe for several
    threads; not across a fork. Every method raises AuditError."""

    def __init__(self, path: Path, *, build: str, process: str, timeout_ms: int) -> None:
        """Connect to the daemon at `path`. Raises DaemonUnreachableError or NotGrantedError."""
        self.recovered = False
        self.reading = threading.RLock()  # records never change: nothing has to be held off
        # The daemon itself may wait that long for another process before it answers.
        self._path, self._timeout = path, timeout_ms / 1000 + 5
        self._about = {"build": build, "process": process}
        self._guard = threading.Lock()
        self._idle: list[socket.socket] = []
        self._turns = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        self._appended: Counter[str] = Counter()
        self._open, self._pid = True, os.getpid()
        known = self._ask("about")
        self.folder = Path(str(known["folder"]))
        self.log_id = str(known["log_id"])
        self.origin = origin_of(self.log_id)

    def _ask(self, do: str, **said: object) -> Any:
        if not self._open or os.getpid() != self._pid:
            raise LogClosedError
        with self._turns:
            reply = self._exchange({"do": do, **said})
        if "ok" not in reply:
            raise wire.to_error(reply)
        return reply["ok"]

    def _exchange(self, message: Mapping[str, object]) -> wire.Message:
        with self._guard:
            connection = self._idle.pop() if self._idle else None
        if connection is not None and not _alive(connection):
            connection.close()  # the daemon was started again meanwhile
            connection = None
        try:
            connection = connection or self._connected()
            wire.send(connection, message)
            reply = wire.receive(connection)
        except BaseException as error:
            # What was asked may have happened, but its answer can no longer be told from the next.
            if connection is not None:
                connection.close()
            if isinstance(error, OSError):
                why = error.strerror or str(error)
                raise DaemonUnreachableError(self._path, why) from error
            raise
        if reply is None:
            connection.close()
            raise DaemonUnreachableError(self._path, "it has closed the connection")
        with self._guard:
            if self._open:
                self._idle.append(connection)
                return reply
        connection.close()
        return reply

    def _connected(self) -> socket.socket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.settimeout(self._timeout)
        try:
            made.connect(str(self._path))
        except BaseException:
            made.close()
            raise
        return made

    @property
    def verifier_key(self) -> VerifierKey:
        """The public key that goes with the signatures of now."""
        return parse_verifier_key(str(self._ask("about")["verifier_key"]))

    @property
    def trusted_keys(self) -> tuple[VerifierKey, ...]:
        """The public keys of all epochs."""
        return tuple(parse_verifier_key(str(text)) for text in self._ask("about")["trusted"])

    def append(self, event: Event) -> Record:
        """Record one event; it is on the daemon's disk when this returns."""
        return self.append_many([event])[0]

    def append_many(self, events: Sequence[Event]) -> list[Record]:
        """Record several events in one transaction, in order: all of them or none."""
        said = [wire.of_event(event) for event in events]
        records = [wire.to_record(each) for each in self._ask("append", events=said, **self._about)]
        if [record.type for record in records] != [event.type for event in events]:
            raise DaemonTalkError("it acknowledged other records than were sent")
        with self._guard:
            self._appended.update(record.type for record in records)
        return records

    def appended(self) -> dict[str, int]:
        """How many records of each type were acknowledged here."""
        with self._guard:
            return dict(self._appended)

    def seal(self) -> str:
        """A signed note over everything recorded so far."""
        return str(self._ask("seal"))

    def sign(self, text: str) -> str:
        """A signed note over a text."""
        return str(self._ask("sign", text=text))

    def size(self) -> int:
        """The number of records."""
        return int(self._ask("size"))

    def leaf(self, key: int | str) -> Leaf:
        """One stored record, by number or event id."""
        return wire.to_leaf(self._ask("leaf", key=key))

    def leaves(self, chosen: Filter) -> tuple[Leaf, ...]:
        """The newest matching records, in the order in which they were written."""
        found = self._ask("leaves", filter=wire.of_filter(chosen))
        return tuple(wire.to_leaf(each) for each in found)

    def range(self, first: int, last: int) -> tuple[Leaf, ...]:
        """The records numbered first to last, both included; pruned ones are not among them."""
        return tuple(self.scan(first, last))

    def scan(self, first: int = 0, last: int | None = None) -> Iterator[Leaf]:
        """The records from `first` on (to `last`, included) in constant memory."""
        end = self.size() - 1 if last is None else last
        for start in range(first, end + 1, _BATCH):
            found = self._ask("batch", first=start, last=min(start + _BATCH - 1, end))
            yield from map(wire.to_leaf, found)

    def first_of(self, kind: str) -> Leaf | None:
        """The oldest record of one type."""
        found = self._ask("first_of", kind=kind)
        return None if found is None else wire.to_leaf(found)

    def node(self, level: int, position: int) -> bytes:
        """A node of the tree."""
        return wire.to_bytes(self._ask("node", level=level, position=position))

    def checkpoints(self) -> tuple[tuple[int, str], ...]:
        """Size and signed note of every checkpoint, in order."""
        return tuple((int(size), str(note)) for size, note in self._ask("checkpoints"))

    def newest_checkpoint(self) -> tuple[int, str] | None:
        """Size and signed note of the newest checkpoint."""
        found = self.checkpoints()
        return found[-1] if found else None

    def pruned(self) -> tuple[PrunedLeaf, ...]:
        """The records that retention removed."""
        return tuple(wire.to_pruned(each) for each in self._ask("pruned"))

    def counters(self) -> dict[str, int]:
        """How many records there are of each type."""
        return {str(kind): int(count) for kind, count in self._ask("counters").items()}

    def requests_without(self, started: str, ended_family: str) -> int:
        """How many requests have a record `started` and none of the family."""
        return int(self._ask("requests_without", started=started, family=ended_family))

    def stored_payload(self, seq: int) -> bytes | None:
        """The encrypted payload of a record."""
        found = self._ask("stored_payload", seq=seq)
        return None if found is None else wire.to_bytes(found)

    def read_payload(self, key: int | str) -> dict[str, object] | None:
        """The decrypted payload of a record; None if it had none."""
        found = self._ask("read_payload", key=key)
        return None if found is None else dict(found)

    def payload_key(self, leaf: Leaf) -> bytes | None:
        """The key of the record's payload; None if it had none."""
        found = self._ask("payload_key", seq=leaf.seq)
        return None if found is None else wire.to_bytes(found)

    def payload_erased(self, leaf: Leaf) -> bool:
        """Whether the record's payload key was destroyed."""
        return bool(self._ask("payload_erased", seq=leaf.seq))

    def destroy_payload_keys(self, leaves: Sequence[Leaf]) -> int:
        """Destroy the keys of these records' payloads; how many of them lived."""
        return int(self._ask("destroy", seqs=[leaf.seq for leaf in leaves]))

    def prune(
        self, seqs: Sequence[int], event: Event, guard: Callable[[], None] | None = None
    ) -> Record:
        """Remove records but for their hashes. `guard` runs here, before; the daemon refuses if a
        legal hold was recorded since."""
        size = self.size()
        if guard is not None:
            guard()
        said = wire.of_event(event)
        return wire.to_record(self._ask("prune", seqs=list(seqs), event=said, unchanged_since=size))

    def rotate_key(self, actor: Actor = SYSTEM) -> Record:
        """Begin the next epoch of the signing key."""
        return wire.to_record(self._ask("rotate", actor=wire.of_actor(actor)))

    def close(self) -> None:
        """Close the connections; the log stays open in the daemon. Safe to call twice."""
        with self._guard:
            self._open = False
            idle, self._idle = self._idle, []
        for each in idle:
            each.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _alive(connection: socket.socket) -> bool:
    """Whether the other side has neither closed nor said anything that nobody asked for."""
    # Readable without a question means: closed, or out of step.
    return not select.select([connection], [], [], 0)[0]
