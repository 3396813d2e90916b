"""The verifier: is this log what its checkpoints say, and how does it end?

Needs the log's folder, one of its public keys and any checkpoints kept elsewhere; no secret, no
network, no other part of Cloister. It never changes or repairs anything.

Every record is hashed from its stored bytes, linked to the one before, and put into a tree of the
verifier's own; the roots of that tree are compared with every checkpoint at its size, which is a
stronger statement than a consistency proof between two of them. Each checkpoint must be signed by
the key that was in force at its size (`audit.verify_epochs`).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from audit.checkpoint import MAX_NOTE_BYTES, VerifierKey, origin_of
from audit.closed import closed_problem, read_closed
from audit.errors import LogCorruptError, LogMissingError, LogUnreadableError
from audit.findings import Findings
from audit.periods import Profile
from audit.report import Report, State
from audit.snapshot import Source, explained, fingerprint, read_small, snapshot
from audit.verify_checkpoints import (
    Note,
    Tree,
    check_given,
    check_published,
    check_recorded,
    check_stored,
    stored_notes,
)
from audit.verify_epochs import Word, check_handovers, check_keys, epochs_of, in_force, words_for
from audit.verify_pruned import (
    Ages,
    Prunings,
    check_pruned,
    check_pruning_sealed,
    check_seals_kept,
    pruned_since,
)
from audit.verify_rows import Range, RangeResult
from audit.verify_schema import check_schema, has_pruned
from audit.verify_tree import Extent, Joined, check_upper_nodes, extent_of, plan
from audit.verify_workers import Task, do_all
from audit.wal import has_torn_tail

MAX_ATTEMPTS = 3  # readings, if the log changes while it is read

Given = tuple[str, bytes]
"""What to call a checkpoint that was kept elsewhere, and its bytes."""


@dataclass(frozen=True, slots=True)
class _Beside:
    """What lies beside the database, read before it: a writer at work may make it newer."""

    torn: bool
    latest: bytes | None
    closed: bytes | None


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the caller of `verify_log` gave."""

    folder: Path
    keys: Sequence[VerifierKey]
    given: Sequence[Given]
    processes: int | None
    kept_for: Sequence[Profile] = ()


@dataclass(slots=True)
class _Rows:
    """What the database holds."""

    log_id: str
    extent: Extent
    notes: list[Note]
    joined: Joined
    closed: str = ""  # what speaks against the note of a closed log, to be judged with its key
    digest: str = ""  # of the database file, if the note of a closed log is to be compared


def verify_log(
    folder: Path,
    keys: Sequence[VerifierKey],
    checkpoints: Sequence[Given] = (),
    *,
    processes: int | None = None,
    kept_for: Sequence[Profile] = (),
) -> Report:
    """Verify the log in `folder` (the one that holds log.db).

    `keys` are the public keys to trust: that of one epoch is enough. `checkpoints` are (name,
    signed note) pairs from elsewhere. `processes` read a large log; None chooses, and the outcome
    does not depend on it. `kept_for`: periods within which retention may have removed nothing; the
    longest counts. Raises LogMissingError, LogUnreadableError, or CheckpointError when a
    given checkpoint is itself malformed or not signed by any key that was given or that the log
    hands on to. Anything wrong with the log is in the report.
    """
    database = folder / "log.db"
    wanted = _Wanted(folder, keys, checkpoints, processes, kept_for)
    for _ in range(MAX_ATTEMPTS - 1):
        before = fingerprint(database)
        report = _attempt(wanted)
        if report.state is not State.TAMPERED or fingerprint(database) == before:
            return report
    # Somebody is at work. One process sees one moment; several see later ones as they start.
    return _attempt(_Wanted(folder, keys, checkpoints, 1, kept_for))


def _attempt(wanted: _Wanted) -> Report:
    database = wanted.folder / "log.db"
    beside = _Beside(
        has_torn_tail(wanted.folder / "log.db-wal"),
        _read_latest(wanted.folder),
        read_closed(wanted.folder),
    )
    findings = Findings()
    if _has_journal(database):
        findings.add("beside the database lies a rollback journal, which a log never has")
    try:
        with snapshot(database) as (connection, source):
            rows = _read_rows(connection, source, wanted, beside, findings)
            if rows is not None:
                return _judge(connection, rows, wanted, beside, findings)
    except (sqlite3.Error, UnicodeError) as error:
        reason = explained(error, database)
        if not isinstance(reason, LogCorruptError):
            raise reason from error
        findings.add(f"the database cannot be read through ({error})")
    except OSError as error:
        raise LogUnreadableError(database, error.strerror or str(error)) from error
    except LogCorruptError as error:
        findings.add(str(error))
    return Report(
        state=State.TAMPERED, findings=tuple(findings.texts), finding_count=findings.count
    )


def _is_empty(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,))


def _has_journal(database: Path) -> bool:
    """Whether SQLite would roll something back when it opens the file for writing. A log is in WAL
    mode before anything is in it, so no crash leaves a journal: somebody put it there."""
    try:
        target = database.resolve()
        return target.with_name(f"{target.name}-journal").stat().st_size > 0
    except (OSError, RuntimeError):  # there is none, or `snapshot` says what is wrong
        return False


def _read_latest(folder: Path) -> bytes | None:
    try:
        return read_small(folder / "checkpoints" / "latest.note", MAX_NOTE_BYTES)
    except FileNotFoundError:
        return None


def _read_rows(
    connection: sqlite3.Connection,
    source: Source,
    wanted: _Wanted,
    beside: _Beside,
    findings: Findings,
) -> _Rows | None:
    """Go through the whole database; None if its tables are not the log's."""
    if not wanted.keys and not wanted.given and _is_empty(connection):
        # A first opening that a crash cut short: nothing was recorded, no key was published.
        raise LogMissingError(wanted.folder)
    if not check_schema(connection, findings):
        return None
    row = connection.execute("SELECT value FROM meta WHERE key = 'log_id'").fetchone()
    log_id = str(row[0]) if row else ""
    if connection.execute("SELECT count(*) FROM meta").fetchone() != (1,):
        findings.add("the table `meta` holds something else than the log's id")
    notes = stored_notes(connection, beside.latest, findings)
    pruned = has_pruned(connection)
    extent = extent_of(connection, pruned)
    if extent.first < 0:
        findings.add("there are records numbered below 0")
    rows = _Rows(log_id, extent, notes, Joined(findings))
    sizes = _sizes(notes, wanted.given)
    tasks: list[Task] = ["integrity", *plan(connection, extent, log_id, sizes, pruned)]
    if beside.closed is not None and source.at_rest:
        tasks.insert(0, "digest")
    for task, answer in do_all(connection, source, tasks, wanted.processes):
        if isinstance(task, Range) and isinstance(answer, RangeResult):
            rows.joined.add(task, answer)
        elif isinstance(answer, str):
            rows.digest = answer
        elif isinstance(answer, list):
            findings.extend([f"SQLite: {problem}" for problem in answer], len(answer))
    if rows.joined.records + rows.joined.pruned != extent.records:
        findings.add("some records stand at no place of the log")
    check_upper_nodes(connection, rows.joined)
    if pruned:
        check_pruned(connection, rows.joined.notable, findings)
    return rows


def _sizes(notes: Sequence[Note], given: Sequence[Given]) -> list[int]:
    """The tree sizes that notes claim; a claim that is no number will be refused with its note."""
    raw = [*(note.raw for note in notes), *(note for _, note in given)]
    claimed = {note.split(b"\n", 2)[1] for note in raw if note.count(b"\n") > 1}
    sizes = {int(text) for text in claimed if text.isdigit() and len(text) < 20}
    return sorted(sizes | {note.size for note in notes if note.size is not None})


def _judge(
    connection: sqlite3.Connection,
    rows: _Rows,
    wanted: _Wanted,
    beside: _Beside,
    findings: Findings,
) -> Report:
    """Set what the database holds against keys and checkpoints."""
    joined, origin = rows.joined, origin_of(rows.log_id)
    epochs = epochs_of(joined.notable, origin, findings)
    if joined.records and not epochs and not findings.count:
        findings.add("the first record is not the one that begins a log")
    check_keys(epochs, wanted.keys, origin, findings)
    tree = Tree(origin, epochs, rows.extent.records, joined.roots)
    holding = check_stored(rows.notes, tree, wanted.keys, findings)
    check_handovers(epochs, holding, findings)
    stored = [note.size for note in rows.notes if note.size is not None]
    check_recorded(joined.notable, tree, stored, findings)
    if rows.digest and beside.closed is not None and epochs:
        key = in_force(epochs, rows.extent.end + 1).key  # that of the next checkpoint
        problem = closed_problem(beside.closed, rows.digest, origin, key)
        # Unless somebody opened the log meanwhile, which removes the note.
        if problem and read_closed(wanted.folder) == beside.closed:
            findings.add(problem)
    elsewhere = check_given(wanted.given, tree, wanted.keys, findings)
    words = words_for(epochs, wanted.keys, frozenset(holding))
    believed = {word.number for word in words if word.word != Word.UNKNOWN.value}
    sealed = max(
        (
            size
            for size in (*holding, *elsewhere)
            if epochs and in_force(epochs, size).number in believed
        ),
        default=0,
    )
    check_published((*holding, *elsewhere), stored, findings)
    check_pruning_sealed(joined.notable, sealed, findings)
    prunings = Prunings()
    if joined.pruned:
        check_seals_kept(connection, joined.notable, epochs, findings)
        ages = Ages(connection, joined.days, max(elsewhere, default=0), time.time_ns(), findings)
        prunings = ages.check(joined.notable, wanted.kept_for)
    size = rows.extent.end
    return Report(
        state=_state(joined, sealed, beside.torn),
        log_id=rows.log_id,
        origin=origin,
        records=rows.extent.records,
        sealed=sealed,
        root=joined.roots[size].hex() if joined.whole and size in joined.roots else "",
        stored_checkpoints=len(rows.notes),
        given_checkpoints=len(wanted.given),
        given_up_to=max(elsewhere, default=0),
        payloads=joined.payloads,
        erased=_count(joined, "payload.erased"),
        pruned=joined.pruned,
        pruned_since=pruned_since(connection, max(elsewhere, default=0)) if joined.pruned else 0,
        pruned_under=prunings.profiles,
        pruned_from=prunings.first,
        pruned_until=prunings.last,
        kept_for=tuple(map(str, wanted.kept_for)),
        recoveries=_count(joined, "log.recovered"),
        clock_steps_back=joined.clock_steps,
        torn=beside.torn,
        closed=bool(rows.digest),
        epochs=words,
        findings=tuple(findings.texts),
        finding_count=findings.count,
    )


def _count(joined: Joined, kind: str) -> int:
    return sum(each == kind for _, each, _ in joined.notable)


def _state(joined: Joined, sealed: int, torn: bool) -> State:
    if joined.findings.count:
        return State.TAMPERED
    recovered = [number for number, kind, _ in joined.notable if kind == "log.recovered"]
    if torn or any(number >= sealed for number in recovered):
        return State.TORN_TAIL
    return State.UNSEALED_TAIL if sealed < joined.records + joined.pruned else State.OK
