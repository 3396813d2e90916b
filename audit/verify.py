"""The verifier: is this log what its checkpoints say, and how does it end?

Needs the log's folder, its public keys and any checkpoints kept elsewhere; no secret, no network,
no other part of Cloister. It never changes or repairs anything.

Every record is hashed from its stored bytes, linked to the one before, counted, and put into a tree
of the verifier's own; the roots of that tree are compared with every checkpoint at its size, which
is a stronger statement than a consistency proof between two of them.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from audit.canonical import canonical
from audit.checkpoint import Checkpoint, VerifierKey, open_checkpoint, origin_of
from audit.database import explain
from audit.envelope import (
    MAX_ENVELOPE_BYTES,
    NO_PREVIOUS_LEAF,
    SCHEMA,
    format_time,
    parse_envelope,
)
from audit.errors import AuditError, CheckpointError, LogCorruptError, LogUnreadableError
from audit.merkle import Frontier, leaf_hash
from audit.report import Report, State
from audit.snapshot import fingerprint, open_snapshot
from audit.wal import has_torn_tail

MAX_FINDINGS = 20
MAX_ATTEMPTS = 3  # readings, if the log changes while it is read at rest
_ROWS = """
SELECT leaf.seq, event_id, type, ts_utc, session, request_id, hash, envelope, stored
FROM leaf LEFT JOIN payload ON payload.seq = leaf.seq ORDER BY leaf.seq
"""
_KEYS = frozenset(
    {"schema", "log_id", "seq", "event_id", "type", "ts_utc", "mono_ns", "boot_id", "writer"}
    | {"actor", "session", "request_id", "prev_leaf_hash", "payload", "fields"}
)


@dataclass(slots=True)
class _Findings:
    """What is wrong, in the order found; after MAX_FINDINGS only counted."""

    texts: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, text: str) -> None:
        self.count += 1
        if len(self.texts) < MAX_FINDINGS:
            self.texts.append(text)


@dataclass(slots=True)
class _Walk:
    """What has been seen while going through the records."""

    log_id: str
    wanted: frozenset[int]
    nodes: _StoredNodes
    findings: _Findings
    edge: Frontier = field(default_factory=Frontier)
    previous: str = NO_PREVIOUS_LEAF
    roots: dict[int, bytes] = field(default_factory=dict)
    payloads: int = 0
    erased: int = 0
    recoveries: int = 0
    last_recovery: int = -1
    last_time: int = 0
    clock_steps: int = 0
    recorded_checkpoint: int = 0


class _StoredNodes:
    """The stored tree nodes, level by level, in the order in which they must have been made."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._levels: dict[int, Iterator[tuple[object, ...]]] = {}
        self.used = 0

    def next_is(self, level: int, position: int, digest: bytes) -> bool:
        """Whether the next stored node of that level is this one."""
        if level not in self._levels:
            self._levels[level] = self._connection.execute(
                "SELECT position, hash FROM node WHERE level = ? ORDER BY position", (level,)
            )
        self.used += 1
        return next(self._levels[level], None) == (position, digest)

    def left_over(self) -> bool:
        """Whether more nodes are stored than records account for."""
        row = self._connection.execute("SELECT count(*) FROM node").fetchone()
        return bool(row[0] != self.used)


def verify_log(
    folder: Path, keys: Sequence[VerifierKey], checkpoints: Sequence[tuple[str, bytes]] = ()
) -> Report:
    """Verify the log in `folder` (the one that holds log.db).

    `keys` are the public keys to trust; `checkpoints` are (name, signed note) pairs from elsewhere.
    Raises LogMissingError, LogUnreadableError, or CheckpointError when a given checkpoint is itself
    malformed or not signed by any of `keys`. Anything wrong with the log is in the report.
    """
    given = [(name, _open_given(name, note, keys)) for name, note in checkpoints]
    for _ in range(MAX_ATTEMPTS - 1):
        before = fingerprint(folder / "log.db")
        report = _attempt(folder, keys, given)
        if report.state is not State.TAMPERED or fingerprint(folder / "log.db") == before:
            return report
    return _attempt(folder, keys, given)


def _attempt(
    folder: Path, keys: Sequence[VerifierKey], given: Sequence[tuple[str, Checkpoint]]
) -> Report:
    database = folder / "log.db"
    torn = has_torn_tail(folder / "log.db-wal")
    # The newest note is read before the records: a writer at work may make it newer than them.
    latest = _read_latest(folder / "checkpoints" / "latest.note")
    findings = _Findings()
    try:
        with open_snapshot(database) as connection:
            return _verify(connection, latest, keys, given, torn, findings)
    except sqlite3.Error as error:
        explained = explain(error, database)
        if not isinstance(explained, LogCorruptError):
            raise explained from error
        findings.add(f"the database cannot be read through ({error})")
    except LogCorruptError as error:
        findings.add(str(error))
    return Report(state=State.TAMPERED, findings=tuple(findings.texts), finding_count=1)


def _open_given(name: str, note: bytes, keys: Sequence[VerifierKey]) -> Checkpoint:
    try:
        return open_checkpoint(note, keys)
    except CheckpointError as error:
        raise CheckpointError(f"{name} is unusable ({error})") from error


def _verify(
    connection: sqlite3.Connection,
    latest: bytes | None,
    keys: Sequence[VerifierKey],
    given: Sequence[tuple[str, Checkpoint]],
    torn: bool,
    findings: _Findings,
) -> Report:
    for (problem,) in connection.execute(f"PRAGMA integrity_check({MAX_FINDINGS})"):
        if problem != "ok":
            findings.add(f"SQLite: {problem}")
    row = connection.execute("SELECT value FROM meta WHERE key = 'log_id'").fetchone()
    log_id = str(row[0]) if row else ""
    origin = origin_of(log_id)
    if not any(key.name == origin for key in keys):
        findings.add(f"none of the given public keys belongs to this log ({origin})")
    stored = _stored_checkpoints(connection, latest, keys, findings)
    sizes = frozenset(checkpoint.size for _, checkpoint in (*stored, *given))
    walk = _Walk(log_id, sizes, _StoredNodes(connection), findings)
    walk.roots[0] = walk.edge.root()
    for values in connection.execute(_ROWS):
        _check_row(walk, values)
    _check_totals(walk, connection)
    sealed = _check_checkpoints(walk, origin, (*stored, *given))
    return Report(
        state=_state(walk, sealed, torn),
        log_id=log_id,
        origin=origin,
        records=walk.edge.size,
        sealed=sealed,
        root=walk.edge.root().hex(),
        stored_checkpoints=len(stored),
        given_checkpoints=len(given),
        given_up_to=max((checkpoint.size for _, checkpoint in given), default=0),
        payloads=walk.payloads,
        erased=walk.erased,
        recoveries=walk.recoveries,
        clock_steps_back=walk.clock_steps,
        torn=torn,
        findings=tuple(findings.texts),
        finding_count=findings.count,
    )


def _state(walk: _Walk, sealed: int, torn: bool) -> State:
    if walk.findings.count:
        return State.TAMPERED
    if torn or walk.last_recovery >= sealed:
        return State.TORN_TAIL
    return State.UNSEALED_TAIL if sealed < walk.edge.size else State.OK


def _stored_checkpoints(
    connection: sqlite3.Connection,
    latest: bytes | None,
    keys: Sequence[VerifierKey],
    findings: _Findings,
) -> list[tuple[str, Checkpoint]]:
    notes: list[tuple[str, bytes, int | None]] = []
    for size, note in connection.execute("SELECT size, note FROM checkpoint ORDER BY size"):
        notes.append((f"checkpoint {size}", str(note).encode(errors="replace"), size))
    if latest is not None and latest not in [note for _, note, _ in notes[-1:]]:
        notes.append(("latest.note", latest, None))
    opened = []
    for name, note, size in notes:
        try:
            checkpoint = open_checkpoint(note, keys)
        except CheckpointError as error:
            findings.add(f"{name}: {error}")
            continue
        if size is not None and checkpoint.size != size:
            findings.add(f"{name} is stored as another one's")
        opened.append((name, checkpoint))
    return opened


def _read_latest(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LogUnreadableError(path, error.strerror or str(error)) from error


def _check_row(walk: _Walk, values: tuple[object, ...]) -> None:
    seq, _, _, _, _, _, digest, envelope, stored = values
    expected = walk.edge.size
    if seq != expected:
        walk.findings.add(f"record {expected} is missing (the next one is {seq})")
    if not isinstance(envelope, bytes) or len(envelope) >= MAX_ENVELOPE_BYTES:
        walk.findings.add(f"record {seq} has no envelope of the right form")
        envelope = b""
    computed = leaf_hash(envelope)
    if digest != computed:
        walk.findings.add(f"record {seq} does not match its hash")
    for problem in _envelope_problems(walk, values, envelope, stored):
        walk.findings.add(f"record {seq}: {problem}")
    walk.previous = computed.hex()
    walk.edge, made = walk.edge.append(computed)
    for level, position, node in made:
        if not walk.nodes.next_is(level, position, node):
            walk.findings.add(f"tree node {level}/{position} is not what its records give")
    if walk.edge.size in walk.wanted:
        walk.roots[walk.edge.size] = walk.edge.root()


def _envelope_problems(
    walk: _Walk, values: tuple[object, ...], raw: bytes, stored: object
) -> list[str]:
    """What is wrong with one envelope, and what the walk is to remember of it."""
    try:
        envelope = parse_envelope(raw)
        exact = canonical(envelope) == raw and envelope.keys() == _KEYS
    except (ValueError, RecursionError, AuditError):
        exact = False
    if not exact:
        return ["its envelope is not in canonical form"]
    problems = []
    seq, event_id, kind, ts_utc, session, request_id = values[:6]
    columns = {
        "seq": seq,
        "event_id": event_id,
        "type": kind,
        "ts_utc": format_time(ts_utc) if isinstance(ts_utc, int) else None,
        "session": session,
        "request_id": request_id,
        "log_id": walk.log_id,
        "schema": SCHEMA,
        "prev_leaf_hash": walk.previous,
    }
    for name, value in columns.items():
        if envelope[name] != value:
            problems.append(f"`{name}` is not what stands beside or before it")
    problems += _payload_problems(walk, envelope["payload"], stored)
    if isinstance(ts_utc, int):
        walk.clock_steps += ts_utc < walk.last_time
        walk.last_time = ts_utc
    _remember(walk, str(kind), envelope["fields"])
    return problems


def _payload_problems(walk: _Walk, reference: object, stored: object) -> list[str]:
    if reference is None:
        return [] if stored is None else ["it has a payload that its envelope does not name"]
    walk.payloads += 1
    if not isinstance(reference, dict):
        return ["its payload reference has the wrong form"]
    if not isinstance(stored, bytes):
        return ["its payload is missing"]
    same = hashlib.sha256(stored).hexdigest() == reference.get("ciphertext_sha256")
    if not same or len(stored) != reference.get("length"):
        return ["its payload is not the one that was recorded"]
    return []


def _remember(walk: _Walk, kind: str, fields: object) -> None:
    if kind == "log.recovered":
        walk.recoveries += 1
        walk.last_recovery = walk.edge.size
    elif kind == "payload.erased":
        walk.erased += 1
    elif kind == "log.opened" and isinstance(fields, dict):
        size = fields.get("checkpoint_size")
        if isinstance(size, int):
            walk.recorded_checkpoint = max(walk.recorded_checkpoint, size)


def _check_totals(walk: _Walk, connection: sqlite3.Connection) -> None:
    if walk.nodes.left_over():
        walk.findings.add("there are more tree nodes than the records account for")
    row = connection.execute("SELECT count(*) FROM payload").fetchone()
    if row[0] != walk.payloads:
        walk.findings.add("there are more or fewer payloads than the records name")


def _check_checkpoints(
    walk: _Walk, origin: str, checkpoints: Sequence[tuple[str, Checkpoint]]
) -> int:
    """Compare every checkpoint with the tree; return the largest size that holds."""
    sealed = 0
    for name, checkpoint in checkpoints:
        if checkpoint.origin != origin:
            walk.findings.add(f"{name} belongs to another log ({checkpoint.origin})")
        elif checkpoint.size > walk.edge.size:
            walk.findings.add(
                f"{name} covers {checkpoint.size} records but only {walk.edge.size} are left"
            )
        elif walk.roots.get(checkpoint.size) != checkpoint.root:
            walk.findings.add(f"{name} has another root than the first {checkpoint.size} records")
        else:
            sealed = max(sealed, checkpoint.size)
    if sealed < walk.recorded_checkpoint:
        walk.findings.add(
            f"the log itself says that {walk.recorded_checkpoint} records were sealed, "
            f"but the checkpoint is gone"
        )
    return sealed
