"""Pruning what is past its period: the plan is recorded, then bundles are written, then records go.

Records go in batches, each one transaction with its `retention.pruned`, so that others wait for a
fraction of a second at a time, and a process that dies between two leaves a log that is whole; the
next run goes on with what is left. The holds are asked again inside every transaction.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from audit import review
from audit.envelope import format_time
from audit.errors_duties import HoldsChangedError, RetentionRefusedError
from audit.export import verify_export
from audit.holds import Hold, require_unchanged
from audit.periods import Profile
from audit.record import Actor, Event, Fields, Record
from audit.retention import Plan, Reading, doubt, readings, survey
from audit.runs import setup_lock

if TYPE_CHECKING:
    from audit.ports import AuditLog

BATCH = 500  # records that are pruned in one transaction
LONGEST_BUNDLE = 10_000  # records in one file
_BETWEEN = 64  # records that stay and are written with those around them, to keep the files few

Unit = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pruning:
    """What a run did. `pruned`: how many records went; `records`: the numbers of the
    `retention.pruned` that say so; `spared`: records that came under a hold meanwhile."""

    plan: Plan
    pruned: int
    records: tuple[int, ...]
    bundles: tuple[Path, ...]
    spared: int

    def as_json(self) -> dict[str, object]:
        """Plain values for `json.dumps`."""
        return {
            "plan": self.plan.as_json(),
            "pruned": self.pruned,
            "records": list(self.records),
            "bundles": [str(each) for each in self.bundles],
            "spared": self.spared,
        }


def look_ahead(
    log: AuditLog,
    actor: Actor,
    profiles: Sequence[Profile],
    *,
    anchoring: bool = False,
    now: Reading | None = None,
) -> Plan:
    """What a run would do; recorded as `retention.planned`. `anchoring`: whether checkpoints are
    sent to anchors, so that only anchored ones count. Raises RetentionRefusedError (exit code 2),
    which is recorded as `retention.refused`, or another AuditError."""
    return _planned(log, actor, profiles, anchoring, now, dry_run=True)[0]


def run(
    log: AuditLog,
    actor: Actor,
    profiles: Sequence[Profile],
    *,
    bundle: Path | None = None,
    anchoring: bool = False,
    now: Reading | None = None,
    batch: int = BATCH,
) -> Pruning:
    """Prune what is past the period of every profile and under no hold.

    `bundle`: a folder that first gets the records with their proofs, as files that verify alone;
    each is read back and verified before anything goes. One run at a time. Raises
    RetentionRefusedError (exit code 2), LogLockedError while another run is at it, or another
    AuditError; what was pruned until then stays pruned.
    """
    with _alone(log.folder):
        plan, planned = _planned(log, actor, profiles, anchoring, now, dry_run=False)
        files = () if bundle is None else _write_bundles(log, actor, plan, bundle, planned)
        records, spared = _prune(log, actor, plan, planned, max(batch, 1), anchoring)
        log.seal()
    pruned = len(plan.prune) - spared
    return Pruning(plan, pruned, tuple(each.seq for each in records), files, spared)


def _alone(folder: Path) -> AbstractContextManager[None]:
    """One run at a time, where this account may write the log's files. Where only the daemon may,
    it takes one request after the other, and a second run fails at the first record it lacks."""
    if not os.access(folder, os.W_OK):
        return nullcontext()
    return setup_lock(folder / "retention.lock", timeout_ms=0)


def _planned(
    log: AuditLog,
    actor: Actor,
    profiles: Sequence[Profile],
    anchoring: bool,
    now: Reading | None,
    *,
    dry_run: bool,
) -> tuple[Plan, Record]:
    if not profiles:
        raise RetentionRefusedError(
            "no period is set, so everything is kept; set `retention` in [audit] or give --keep"
        )
    moment = now or Reading.now()
    why = doubt(moment, readings(log))
    if why:
        log.append(Event("retention.refused", actor, {"code": "CLOCK", "dry_run": dry_run}))
        raise RetentionRefusedError(why)
    plan = survey(log, profiles, now=moment.ts_utc, anchoring=anchoring)
    chosen = plan.prune
    fields: Fields = {
        "dry_run": dry_run,
        "profiles": [str(each) for each in plan.profiles],
        "judged": format_time(plan.judged),
        "prune": len(chosen),
        "first": chosen[0] if chosen else None,
        "last": chosen[-1] if chosen else None,
        "kept": [f"{reason}:{count}" for reason, count in plan.kept.items()],
        "by_hold": [f"{hold}:{count}" for hold, count in plan.by_hold.items()],
        "young": plan.young,
    }
    return plan, log.append(Event("retention.planned", actor, fields))


def _prune(
    log: AuditLog, actor: Actor, plan: Plan, planned: Record, batch: int, anchoring: bool
) -> tuple[list[Record], int]:
    """Prune batch after batch; the records of each, and how many a hold spared meanwhile."""
    waiting = sorted(plan.units)
    holds, spared, done = plan.holds, 0, []
    while waiting:
        units = _next_batch(waiting, batch)
        try:
            done.append(_prune_batch(log, actor, units, plan, planned, holds))
        except HoldsChangedError:
            again = survey(log, plan.profiles, now=plan.judged, anchoring=anchoring)
            free = set(again.units)
            spared += sum(len(unit) for unit in waiting if unit not in free)
            waiting = [unit for unit in waiting if unit in free]
            holds = again.holds
        else:
            waiting = waiting[len(units) :]
    return done, spared


def _next_batch(waiting: Sequence[Unit], batch: int) -> list[Unit]:
    """The first units, whole, until there are `batch` records; at least one unit."""
    taken: list[Unit] = []
    count = 0
    for unit in waiting:
        if taken and count + len(unit) > batch:
            break
        taken.append(unit)
        count += len(unit)
    return taken


def _prune_batch(
    log: AuditLog,
    actor: Actor,
    units: Sequence[Unit],
    plan: Plan,
    planned: Record,
    holds: Sequence[Hold],
) -> Record:
    seqs = sorted(seq for unit in units for seq in unit)
    types = Counter(log.leaf(seq).type for seq in seqs)
    fields: Fields = {
        "planned": planned.seq,
        "profiles": [str(each) for each in plan.profiles],
        "by_type": [f"{kind}:{count}" for kind, count in sorted(types.items())],
    }
    event = Event("retention.pruned", actor, fields)
    return log.prune(seqs, event, lambda: require_unchanged(log, holds))


def _write_bundles(
    log: AuditLog, actor: Actor, plan: Plan, folder: Path, planned: Record
) -> tuple[Path, ...]:
    """Write, read back and record a file for each stretch of records; the files."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        why = f"the folder {folder} cannot be made ({error.strerror}); name another with --bundle"
        raise RetentionRefusedError(why) from error
    gone = frozenset(each.seq for each in log.pruned())
    written = []
    for first, last in stretches(plan.prune, gone):
        path = folder / f"{log.log_id[:8]}-{planned.seq}-{first}-{last}.jsonl"
        summary = review.export(log, actor, path, first, last)
        if verify_export(path, log.trusted_keys) != summary:
            raise RetentionRefusedError(
                f"{path} does not hold what was written to it; name a folder on another disk"
            )
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        fields: Fields = {
            "planned": planned.seq,
            "first": first,
            "last": last,
            "count": summary.count,
            "size": summary.size,
            "digest": summary.digest,
            "file_sha256": digest,
        }
        log.append(Event("retention.bundled", actor, fields, {"file": str(path)}))
        written.append(path)
    return tuple(written)


def stretches(seqs: Sequence[int], gone: frozenset[int]) -> Iterator[tuple[int, int]]:
    """First and last number of runs of records that are all there and hold all of `seqs`.

    A run may hold a few records that stay, never one of `gone`, and has up to LONGEST_BUNDLE.
    """
    first = last = -1
    for seq in seqs:
        apart = seq - last - 1
        joins = (
            first >= 0
            and apart <= _BETWEEN
            and seq - first < LONGEST_BUNDLE
            and not any(between in gone for between in range(last + 1, seq))
        )
        if not joins:
            if first >= 0:
                yield first, last
            first = seq
        last = seq
    if first >= 0:
        yield first, last
