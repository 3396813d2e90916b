"""Sending records to a SIEM inside the premises, in order and at least once.

What was handed over is noted in a cursor file after each batch, with the hash of the last record:
whoever was killed sends that batch again, and a log that has another record in that place, or ends
before it, is not streamed on from there. Records may be sent twice and are never left out, but for
those that were pruned; a receiver tells duplicates by number and `event_id`.

What this does not protect against: a receiver that loses what it has read (see `audit.delivery`).
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

from audit.database import make_private_folder
from audit.delivery import Address, deliver
from audit.envelope import parse_envelope
from audit.errors import LogCorruptError, LogUnreadableError, SettingsError
from audit.errors_duties import DeliveryError
from audit.keys import write_file
from audit.merkle import leaf_hash
from audit.ports import AuditLog
from audit.record import Actor, Event
from audit.runs import setup_lock
from audit.store import Leaf

FORMATS = ("rfc5424", "cef", "ocsf", "jsonl")
BATCH_RECORDS = 500
BATCH_BYTES = 1 << 20
POLL_SECONDS = 1.0  # between two looks for new records
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds between two tries
TRIES = 5  # unless it follows: then for ever
_HOPELESS = frozenset({"REFUSED", "FAILED"})  # trying again changes nothing

Formatter = Callable[[Leaf, "dict[str, object]"], str]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to stream where. `first` None: from where the cursor stands; `timeout` in seconds."""

    address: Address
    format: str
    first: int | None = None
    follow: bool = False
    timeout: float = 30.0


@dataclass(frozen=True, slots=True)
class Streamed:
    """What was handed over: `count` records numbered `first` to `last`, without `pruned` ones.

    `last` is `first` - 1 if there were none. `digest` is the hex SHA-256 over their envelopes, each
    followed by a newline; `outcome` is done, stopped, or the code of a DeliveryError.
    """

    format: str
    first: int
    last: int
    count: int
    pruned: int
    digest: str
    outcome: str

    def as_json(self) -> dict[str, str | int]:
        """Plain values for `json.dumps`."""
        return asdict(self)


def formatter(name: str) -> Formatter:
    """What writes one record as one line. Raises SettingsError for a format that there is not."""
    if name == "jsonl":
        return json_line
    if name == "rfc5424":
        from audit import export_syslog

        return export_syslog.line
    if name == "cef":
        from audit import export_cef

        return export_cef.line
    if name == "ocsf":
        from audit import export_ocsf

        return export_ocsf.line
    why = f"{name!r} is no format; choose one of {', '.join(FORMATS)}"
    raise SettingsError("format", why)


def json_line(leaf: Leaf, envelope: dict[str, object]) -> str:
    """`{"seq":…,"leaf_hash":…,"envelope":{…}}` with the envelope's exact text, which is hashed."""
    del envelope
    exact = leaf.envelope.decode("utf-8")
    return f'{{"seq":{leaf.seq},"leaf_hash":"{leaf.hash.hex()}","envelope":{exact}}}'


class Cursor:
    """The file that says up to where one address has the records in one format."""

    def __init__(self, log: AuditLog, plan: Plan) -> None:
        """Nothing is read or written yet. Raises LogUnwritableError."""
        self._log = log
        self._names = {"address": plan.address.text(), "format": plan.format}
        folder = log.folder / "streams"
        make_private_folder(folder)
        named = hashlib.sha256("\n".join(self._names.values()).encode()).hexdigest()[:16]
        self.path = folder / f"{named}.json"
        self.lock = folder / f"{named}.lock"

    def read(self) -> int:
        """The number of the next record; 0 if nothing of this log was streamed there.

        Raises SettingsError for a file that is no cursor, LogCorruptError if the log does not hold
        what was streamed.
        """
        try:
            values = json.loads(self.path.read_bytes())
            following, digest, log_id = values["next"], values["leaf_hash"], values["log_id"]
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise LogUnreadableError(self.path, error.strerror or str(error)) from error
        except (ValueError, KeyError, TypeError) as error:
            why = "this is no cursor of a stream; remove it, and give --from to begin elsewhere"
            raise SettingsError(str(self.path), why) from error
        if log_id != self._log.log_id or not isinstance(following, int) or following < 1:
            return 0
        if following > self._log.size():
            why = f"{following} records were streamed and {self._log.size()} are left"
            raise LogCorruptError(self._log.folder, why)
        if self._log.node(0, following - 1).hex() != digest:
            why = f"record {following - 1} is not the one that was streamed"
            raise LogCorruptError(self._log.folder, why)
        return following

    def write(self, following: int) -> None:
        """Note, so that it survives a power cut, that everything before this number is there."""
        digest = self._log.node(0, following - 1).hex() if following else ""
        values = {"log_id": self._log.log_id, "next": following, "leaf_hash": digest}
        content = json.dumps(self._names | values, indent=2).encode() + b"\n"
        write_file(self.path, content, replace=True)


def stream(
    log: AuditLog,
    actor: Actor,
    plan: Plan,
    *,
    stop: threading.Event | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Streamed:
    """Send records as `plan` says until all that were there are sent, or until `stop` if it
    follows.

    `log.exported` is recorded before the first is sent and again at the end. `tell` gets a sentence
    for each outage. One stream to an address and in a format at a time.

    Raises DeliveryError once that is recorded, LogCorruptError, or another AuditError.
    """
    write_line = formatter(plan.format)
    cursor = Cursor(log, plan)
    with setup_lock(cursor.lock, timeout_ms=0):
        first = cursor.read() if plan.first is None else plan.first
        last = log.size() - 1
        told: dict[str, str | int | None] = {
            "stage": "begun",
            "format": plan.format,
            "first": first,
            "last": None if plan.follow else last,
            "follow": plan.follow,
        }
        begun = log.append(Event("log.exported", actor, told, {"address": plan.address.text()}))
        work = _Work(log, plan, write_line, cursor, first, stop or threading.Event(), tell)
        outcome, failure = "done", None
        try:
            work.send(last)
            if plan.follow:
                work.follow({begun.seq})
        except _Stopped:
            outcome = "stopped"
        except DeliveryError as error:
            outcome, failure = error.code, error
        done = work.streamed(outcome)
        log.append(Event("log.exported", actor, {"stage": "ended", **done.as_json()}))
        if failure is not None:
            raise failure
        return done


class _Stopped(Exception):
    """The person who started the stream has ended it."""


class _Work:
    """One run of a stream: where it stands and what it has sent."""

    def __init__(
        self,
        log: AuditLog,
        plan: Plan,
        write_line: Formatter,
        cursor: Cursor,
        first: int,
        stop: threading.Event,
        tell: Callable[[str], None],
    ) -> None:
        self._log, self._plan, self._cursor = log, plan, cursor
        self._write_line, self._stop, self._tell = write_line, stop, tell
        self._first = self._next = first
        self._count = self._pruned = 0
        self._digest = hashlib.sha256()

    def streamed(self, outcome: str) -> Streamed:
        """What was handed over so far."""
        digest = self._digest.hexdigest()
        counts = (self._first, self._next - 1, self._count, self._pruned)
        return Streamed(self._plan.format, *counts, digest, outcome)

    def send(self, last: int) -> None:
        """Hand over all records up to `last`, the cursor after each batch."""
        for batch in batches(self._log.scan(self._next, last)):
            if self._stop.is_set():
                raise _Stopped
            self._pruned += self._gaps(self._next, batch)
            messages = [self._line(leaf) for leaf in batch]
            self._hand_over(messages)
            for leaf in batch:
                self._digest.update(leaf.envelope + b"\n")
            self._count += len(batch)
            self._next = batch[-1].seq + 1
            self._cursor.write(self._next)
        if self._next <= last:  # the newest are pruned
            self._require_pruned(range(self._next, last + 1))
            self._pruned += last + 1 - self._next
            self._next = last + 1
            self._cursor.write(self._next)

    def follow(self, own: set[int]) -> None:
        """Send what comes, until it is stopped. `own` are the records of this stream, which go with
        the next of others: streaming them at once would be news of nothing but the streaming.
        """
        while not self._stop.wait(POLL_SECONDS):
            size = self._log.size()
            if any(seq not in own for seq in range(self._next, size)):
                self.send(size - 1)
        raise _Stopped

    def _line(self, leaf: Leaf) -> bytes:
        if leaf_hash(leaf.envelope) != leaf.hash:
            raise LogCorruptError(self._log.folder, f"record {leaf.seq} does not match its hash")
        try:
            line = self._write_line(leaf, parse_envelope(leaf.envelope))
        except (ValueError, RecursionError) as error:
            why = f"record {leaf.seq} cannot be read"
            raise LogCorruptError(self._log.folder, why) from error
        return line.encode().replace(b"\n", b" ")

    def _gaps(self, expected: int, batch: Sequence[Leaf]) -> int:
        """How many records are missing before and within a batch, all of them pruned."""
        present = {leaf.seq for leaf in batch}
        missing = [seq for seq in range(expected, batch[-1].seq) if seq not in present]
        if missing:
            self._require_pruned(missing)
        return len(missing)

    def _require_pruned(self, missing: Sequence[int]) -> None:
        pruned = {each.seq for each in self._log.pruned()}
        lost = next((seq for seq in missing if seq not in pruned), None)
        if lost is not None:
            raise LogCorruptError(self._log.folder, f"record {lost} is missing")

    def _hand_over(self, messages: Sequence[bytes]) -> None:
        plan, pause, tries = self._plan, FIRST_PAUSE, 0
        while True:
            try:
                counted = plan.format == "rfc5424"
                deliver(plan.address, messages, plan.timeout, counted=counted)
                return
            except DeliveryError as error:
                tries += 1
                if error.code in _HOPELESS or (tries >= TRIES and not plan.follow):
                    raise
                if tries == 1:
                    self._tell(f"{error} It is tried again.")
            if self._stop.wait(pause):
                raise _Stopped
            pause = min(pause * 2, LONGEST_PAUSE)


def batches(leaves: Iterator[Leaf]) -> Iterator[list[Leaf]]:
    """`leaves` in pieces of at most BATCH_RECORDS, each about BATCH_BYTES long at most."""
    batch: list[Leaf] = []
    size = 0
    for leaf in leaves:
        batch.append(leaf)
        size += len(leaf.envelope)
        if len(batch) >= BATCH_RECORDS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
