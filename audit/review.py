"""Reading the log for people. Every read is itself recorded, before anything is shown.

`show` records `log.viewed`, `export` `log.exported`, `verify` `log.verified`, `reconcile`
`audit.reconciled`. If that record cannot be written, nothing is shown. Lists and searches are the
matter of `audit.view`, which checks the log on the way.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from audit.envelope import format_time, parse_envelope
from audit.errors import ExportExistsError, ExportFailedError, LogCorruptError, RangeError
from audit.export import ExportLines, ExportSummary, stretch
from audit.keys import read_verifier_keys
from audit.ports import AuditLog
from audit.reader import payload_reference
from audit.reconcile import Reconciliation, compare
from audit.record import Actor, Event, Record
from audit.report import Report, State
from audit.store import Leaf
from audit.verify import verify_log


@dataclass(frozen=True, slots=True)
class Entry:
    """One record as people see it; `ts_utc` in nanoseconds, `time` the same in RFC 3339.

    `payload`: "none", "sealed" (it can be shown) or "erased".
    """

    seq: int
    event_id: str
    type: str
    ts_utc: int
    time: str
    actor_kind: str
    actor_id: str
    session: str
    request_id: str
    fields: Mapping[str, object]
    payload: str
    leaf_hash: str


@dataclass(frozen=True, slots=True)
class Shown:
    """One record in full. `payload` is None if there is none or if it was erased."""

    entry: Entry
    envelope: Mapping[str, object]
    payload: Mapping[str, object] | None
    erased: bool


def show(log: AuditLog, actor: Actor, key: int | str) -> Shown:
    """One record with its payload decrypted, by number or event id. Records `log.viewed` first.

    Raises RecordNotFoundError (exit code 2) or another AuditError.
    """
    with log.reading:
        leaf = log.leaf(key)
        log.append(
            Event("log.viewed", actor, {"target_seq": leaf.seq, "target_event_id": leaf.event_id})
        )
        entry = _entry(log, leaf)
        erased = entry.payload == "erased"
        payload = None if erased else log.read_payload(leaf.seq)
        return Shown(entry, _envelope(log, leaf), payload, erased)


def export(
    log: AuditLog, actor: Actor, out: Path, from_seq: int = 0, to_seq: int | None = None
) -> ExportSummary:
    """Write records from_seq to to_seq (both included; by default all) to the new file `out`.

    Everything is sealed first, so that each record has a proof under a signed checkpoint; see
    `audit.export` for the format. Records `log.exported` before `out` appears.
    Raises RangeError or ExportExistsError (exit code 2), ExportFailedError, or another AuditError.
    """
    if out.exists():
        raise ExportExistsError(out)
    with log.reading:
        note = log.seal()
        size = int(note.split("\n")[1])
        last = size - 1 if to_seq is None else to_seq
        if not 0 <= from_seq <= last < size:
            raise RangeError(from_seq, last, size)
        summary = ExportSummary(log.origin, from_seq, last, last - from_seq + 1, size, "")
        leaves = stretch(log.scan(from_seq, last), log.pruned(), from_seq, last)
        lines = ExportLines(leaves, log.node, summary, note)
    _write_export(log, actor, out, lines)
    return lines.summary


def _write_export(log: AuditLog, actor: Actor, out: Path, lines: ExportLines) -> None:
    partial = out.with_name(f".{out.name}.partial")
    try:
        descriptor = os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
                file.writelines(lines)
                file.flush()
                os.fsync(file.fileno())
            summary = lines.summary
            log.append(
                Event(
                    "log.exported",
                    actor,
                    {
                        "first": summary.first,
                        "last": summary.last,
                        "count": summary.count,
                        "size": summary.size,
                        "pruned": summary.pruned,
                        "digest": summary.digest,
                    },
                    {"file": str(out)},
                )
            )
            partial.replace(out)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise ExportFailedError(out, error.strerror or str(error)) from error


def verify(log: AuditLog, actor: Actor, checkpoints: Iterable[tuple[str, bytes]] = ()) -> Report:
    """Verify this log with its own public keys and (name, note) checkpoints from elsewhere.

    What stands in the log is sealed first, except after a recovery, which is to show as TORN_TAIL.
    Records `log.verified` with the outcome, also when it is TAMPERED. Raises AuditError.
    """
    with suppress(LogCorruptError):  # the report will say what is wrong
        if not log.recovered:
            log.seal()
    report = verify_log(log.folder, log.trusted_keys, tuple(checkpoints))
    verified = Event(
        "log.verified",
        actor,
        {
            "state": report.headline(),
            "records": report.records,
            "sealed": report.sealed,
            "root": report.root,
            "given_checkpoints": report.given_checkpoints,
            "findings": report.finding_count,
        },
    )
    try:
        log.append(verified)
    except LogCorruptError:
        if report.state is not State.TAMPERED:
            raise
    return report


def verify_unopened(home: Path, checkpoints: Iterable[tuple[str, bytes]] = ()) -> Report:
    """Verify the log of `home` without opening it: for a log that opening refuses as damaged.

    Nothing can be recorded of this. Raises AuditError if there is no log or no public key.
    """
    folder = home / "audit"
    return verify_log(folder, read_verifier_keys(folder / "keys"), tuple(checkpoints))


def reconcile(
    log: AuditLog, actor: Actor, observed: Mapping[str, int]
) -> tuple[Reconciliation, Record]:
    """Compare the log's counters with counts from elsewhere and record `audit.reconciled`.

    `observed` maps an event type, or a family with ".*" at its end, to how often it happened by
    another count: {"answer.*": model calls, "question.received": requests}. Raises AuditError.
    """
    with log.reading:
        unanswered = log.requests_without("question.received", "answer.")
        outcome = compare(log.counters(), observed, unanswered)
        record = log.append(
            Event(
                "audit.reconciled",
                actor,
                {
                    "balanced": outcome.balanced,
                    "unanswered": outcome.unanswered,
                    "compared": [each.text() for each in outcome.counts],
                },
            )
        )
    return outcome, record


def _envelope(log: AuditLog, leaf: Leaf) -> dict[str, object]:
    try:
        return parse_envelope(leaf.envelope)
    except (ValueError, RecursionError) as error:
        why = f"record {leaf.seq} cannot be read"
        raise LogCorruptError(log.folder / "log.db", why) from error


def _entry(log: AuditLog, leaf: Leaf) -> Entry:
    envelope = _envelope(log, leaf)
    actor, fields = envelope.get("actor"), envelope.get("fields")
    who = actor if isinstance(actor, dict) else {}
    if payload_reference(leaf) is None:
        payload = "none"
    else:
        payload = "erased" if log.payload_erased(leaf) else "sealed"
    return Entry(
        leaf.seq,
        leaf.event_id,
        leaf.type,
        leaf.ts_utc,
        format_time(leaf.ts_utc),
        str(who.get("kind", "")),
        str(who.get("id", "")),
        leaf.session,
        leaf.request_id,
        fields if isinstance(fields, dict) else {},
        payload,
        leaf.hash.hex(),
    )
