"""10,000 clean or crashed logs, none of which may be called tampered with.

    PYTHONPATH=. python benchmarks/audit_clean.py [--logs 10000] [--histories 200]

Histories are written by the real writer: by several threads or processes, with rotations, pruning,
erasures and holds, closed, reopened after a crash, killed with SIGKILL at a random moment, and
copied while they are at work. Of each, variants are made that a crash can leave: the WAL cut at any
byte after what was last acknowledged, a torn or unwritten end, the shared memory gone, the last
frames of another round of the file. The verifier must say OK, UNSEALED_TAIL or TORN_TAIL of each,
with the checkpoint that had been published last as the auditor's.

Counted by themselves, because no crash leaves them: `lost` (the WAL cut before what a disk had
confirmed: TAMPERED is right wherever a published checkpoint is no longer covered) and `careless`
(database and WAL copied one after the other while a writer moves one into the other: a state that
never was; the verifier may call it TAMPERED, see docs/log-attacks.md).

Prints one JSON object; ends with 1 if a clean or crashed log was called TAMPERED, or if the
verifier failed. Floor: 0.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from audit import holds, retaining
from audit.errors import AuditError
from audit.keys import read_verifier_keys
from audit.log import Limits, Log
from audit.record import Event
from audit.report import State
from audit.retention import Reading
from audit.verify import verify_log
from benchmarks.audit_attack_base import ANN, BOB, KEPT, Clock, prune_due

_FRAME_HEADER = 24  # bytes; a frame is this and a page


@dataclass(frozen=True, slots=True)
class History:
    """A log's folder as it was at some moment. `notes`: the checkpoint that had been published by
    then; `wal`: bytes of the WAL, all acknowledged, None if there was none; `how`: in words."""

    folder: Path
    notes: tuple[str, ...]
    wal: int | None
    how: str


# -- histories -------------------------------------------------------------------------------------


def opened(folder: Path, numbers: random.Random) -> Log:
    """The writer, with limits by chance."""
    limits = Limits(
        seal_records=numbers.randint(2, 40),
        seal_seconds=numbers.choice((1, 3600)),
        rotate_days=0,
        disk_low_mb=0,
        disk_stop_mb=0,
    )
    return Log(folder, build="clean 1", process="clean", limits=limits)


def work(log: Log, numbers: random.Random, steps: int, clock: Clock) -> None:
    """Random operations, as users and administrators bring them about. Days pass meanwhile."""
    for _ in range(steps):
        clock.go_on(numbers.random() if numbers.random() < 0.2 else 0)
        chance = numbers.random()
        if chance < 0.04:
            log.rotate_key(ANN)
        elif chance < 0.10:
            _prune(log, numbers, clock)
        elif chance < 0.16:
            _erase(log, numbers)
        elif chance < 0.19:
            _hold(log, numbers)
        elif chance < 0.30:
            log.seal()
        else:
            log.append_many([_event(numbers) for _ in range(numbers.randint(1, 9))])


def _event(numbers: random.Random) -> Event:
    number = numbers.randrange(10**6)
    return Event(
        numbers.choice(("question.received", "model.called", "answer.released")),
        numbers.choice((ANN, BOB)),
        {"number": number},
        {"text": f"text {number}"} if numbers.random() < 0.4 else None,
        session=f"s{number % 5}",
        request_id=f"r{number % 50}",
    )


def _prune(log: Log, numbers: random.Random, clock: Clock) -> None:
    """Some of what is due, or now and then a whole run of retention."""
    with suppress(AuditError):  # another thread may have been first
        if numbers.random() < 0.8:
            prune_due(log, numbers, 9, clock)
        else:
            log.seal()
            now = Reading(clock.now(), time.clock_gettime_ns(time.CLOCK_BOOTTIME), "")
            retaining.run(log, ANN, KEPT, now=now, batch=numbers.randint(1, 9))


def _erase(log: Log, numbers: random.Random) -> None:
    leaves = [leaf for leaf in log.scan() if b'"payload":{' in leaf.envelope]
    if leaves:
        leaf = numbers.choice(leaves)
        log.append(Event("payload.erased", ANN, {"target_seq": leaf.seq}))
        log.destroy_payload_keys([leaf])


def _hold(log: Log, numbers: random.Random) -> None:
    scope = holds.Scope("person", numbers.choice(("ann", "bob")))
    holds.place(log, ANN, scope, matter="m", reason="a suit")


def threads(folder: Path, seed: int, count: int, steps: int, clock: Clock) -> None:
    """Several threads on one open log."""
    with opened(folder, random.Random(seed)) as log:
        many = [
            threading.Thread(target=work, args=(log, random.Random(seed + n), steps, clock))
            for n in range(count)
        ]
        for each in many:
            each.start()
        for each in many:
            each.join()


def _child(folder: Path, seed: int, steps: int, close: bool, clock: Clock) -> int:
    """Fork a writer; it ends by itself, closing the log or not, or is killed. Its days pass apart
    from those of others, so that their clocks differ."""
    pid = os.fork()
    if pid:
        return pid
    try:
        numbers = random.Random(seed)
        log = opened(folder, numbers)
        work(log, numbers, steps, clock)
        if close:
            log.close()
        os._exit(0)
    except BaseException:  # noqa: BLE001 - a forked child must never return
        os._exit(1)


def published(folder: Path) -> tuple[str, ...]:
    """The checkpoint that anybody could have copied until now."""
    try:
        return ((folder / "checkpoints" / "latest.note").read_text(encoding="utf-8"),)
    except FileNotFoundError:
        return ()


def _copied(folder: Path, target: Path, how: str, notes: tuple[str, ...] | None = None) -> History:
    shutil.copytree(folder, target)
    wal = target / "log.db-wal"
    size = wal.stat().st_size if wal.exists() else None
    return History(target, published(target) if notes is None else notes, size, how)


def make_histories(place: Path, seed: int) -> list[History]:
    """One log, and the moments at which it was looked at."""
    numbers = random.Random(seed)
    clock = Clock(numbers.random() * 40)
    with clock.shown():
        return _make_histories(place, seed, numbers, clock)


def _make_histories(place: Path, seed: int, numbers: random.Random, clock: Clock) -> list[History]:
    folder = place / "audit"
    found: list[History] = []

    def copy(how: str) -> None:
        found.append(_copied(folder, place / f"at-{len(found)}", how))

    threads(folder, seed, numbers.randint(1, 3), numbers.randint(1, 12), clock)
    copy("closed")
    clock.go_on(numbers.random() * 12)
    with opened(folder, numbers) as log:
        for _ in range(numbers.randint(1, 3)):
            work(log, numbers, numbers.randint(1, 8), clock)
            with log.reading:
                copy("open")
    for _ in range(numbers.randint(1, 3)):
        clock.go_on(numbers.random() * 12)
        many = [
            _child(folder, numbers.randrange(10**9), numbers.randint(1, 30), False, clock)
            for _ in range(numbers.randint(1, 3))
        ]
        time.sleep(numbers.random() * 0.15)
        for pid in many:
            os.kill(pid, signal.SIGKILL)
        for pid in many:
            os.waitpid(pid, 0)
        copy("killed")
        if numbers.random() < 0.5:
            with opened(folder, numbers) as log:
                work(log, numbers, numbers.randint(0, 5), clock)
            copy("closed after a crash")
    found += _careless(folder, place, numbers, clock)
    shutil.rmtree(folder)
    return found


def _careless(folder: Path, place: Path, numbers: random.Random, clock: Clock) -> list[History]:
    """Copies file by file, in either order, while a writer is at work and the WAL is moved."""
    made = []
    for attempt in range(2):
        pid = _child(folder, numbers.randrange(10**9), 40, True, clock)
        target = place / f"careless-{attempt}"
        (target / "checkpoints").mkdir(parents=True)
        time.sleep(numbers.random() * 0.05)
        notes = published(folder)
        names = ["log.db", "log.db-wal"]
        numbers.shuffle(names)
        for name in names:
            with suppress(FileNotFoundError):
                shutil.copy(folder / name, target / name)
            time.sleep(numbers.choice((0, 0, 0.01, 0.05)))
        os.waitpid(pid, 0)
        shutil.copytree(folder / "keys", target / "keys")
        order = "database first" if names[0] == "log.db" else "WAL first"
        made.append(History(target, notes, None, f"careless, {order}"))
    return made


# -- variants --------------------------------------------------------------------------------------

Variant = Callable[[History, Path, random.Random], None]


def _same(history: History, folder: Path, numbers: random.Random) -> None:
    """As it was."""


def _without_shm(history: History, folder: Path, numbers: random.Random) -> None:
    (folder / "log.db-shm").unlink(missing_ok=True)


def _torn(history: History, folder: Path, numbers: random.Random) -> None:
    """A write that did not complete: part of what is there once more, zeros, or noise."""
    _without_shm(history, folder, numbers)
    path = folder / "log.db-wal"
    if history.wal is None or history.wal <= 32:
        return
    raw = path.read_bytes()
    length = numbers.randint(1, 3 * 4120)
    end = numbers.choice((raw[32 : 32 + length], bytes(length), numbers.randbytes(length)))
    path.write_bytes(raw + end)


def _lost(history: History, folder: Path, numbers: random.Random) -> None:
    """What no crash leaves: the WAL cut before what had been acknowledged."""
    _without_shm(history, folder, numbers)
    if history.wal:
        os.truncate(folder / "log.db-wal", numbers.randrange(history.wal))


VARIANTS: dict[str, Variant] = {
    "as it was": _same,
    "without shared memory": _without_shm,
    "torn end": _torn,
    "lost": _lost,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the verifier said. `kind`: how the log came about and what was done to it."""

    kind: str
    verdict: str
    why: str
    where: str


def judge(history: History, variant: str, seed: int, place: Path) -> Outcome:
    """Verify a copy of a history, altered as a crash would."""
    numbers = random.Random(seed)
    folder = Path(tempfile.mkdtemp(dir=place)) / "audit"
    kind = f"{history.how}, {variant}"
    try:
        shutil.copytree(history.folder, folder)
        VARIANTS[variant](history, folder, numbers)
        keys = read_verifier_keys(folder / "keys")[:1]
        given = [("published", note.encode()) for note in history.notes]
        where = f"{history.folder} {seed}"
        try:
            report = verify_log(folder, keys, given, processes=1)
        except Exception as error:  # noqa: BLE001 - whatever comes is an outcome
            return Outcome(kind, type(error).__name__, str(error), where)
        why = report.findings[0] if report.findings else ""
        return Outcome(kind, report.state.value, why, where)
    finally:
        shutil.rmtree(folder.parent)


def _histories(task: tuple[str, int]) -> list[History]:
    place, seed = task
    return make_histories(Path(place), seed)


def _judged(task: tuple[History, str, int, str]) -> Outcome:
    history, variant, seed, place = task
    return judge(history, variant, seed, Path(place))


def _tasks(
    histories: Sequence[History], count: int, seed: int, place: Path
) -> list[tuple[History, str, int, str]]:
    numbers = random.Random(seed)
    counted = [each for each in VARIANTS if each != "lost"]
    sound = [each for each in histories if not each.how.startswith("careless")]
    tasks = [
        (sound[n % len(sound)], numbers.choice(counted), seed + n, str(place)) for n in range(count)
    ]
    with_wal = [each for each in sound if each.wal]
    tasks += [(each, "lost", seed, str(place)) for each in with_wal]
    careless = [each for each in histories if each.how.startswith("careless")]
    return tasks + [(each, "as it was", seed, str(place)) for each in careless]


def main() -> int:
    """Make and verify; return 1 on a false alarm."""
    chosen = _arguments()
    start = time.monotonic()
    place = Path(tempfile.mkdtemp(prefix="cloister-clean-", dir=chosen.work))
    context = multiprocessing.get_context("fork")
    seeds = [(str(place / f"log-{n}"), chosen.seed + n) for n in range(chosen.histories)]
    with context.Pool(chosen.processes) as pool:
        histories = [each for made in pool.imap_unordered(_histories, seeds) for each in made]
        histories.sort(key=lambda each: each.folder)
        made = time.monotonic()
        outcomes: list[Outcome] = []
        tasks = _tasks(histories, chosen.logs, chosen.seed, place)
        for outcome in pool.imap_unordered(_judged, tasks, chunksize=20):
            outcomes.append(outcome)
    if not chosen.keep:
        shutil.rmtree(place)
    found = _summary(outcomes)
    found |= {
        "histories": len(histories),
        "seconds making them": round(made - start, 1),
        "seconds": round(time.monotonic() - start, 1),
    }
    print(json.dumps(found, indent=1))
    return 1 if found["false alarms"] else 0


def _summary(outcomes: Sequence[Outcome]) -> dict[str, object]:
    sound = {State.OK.value, State.UNSEALED_TAIL.value, State.TORN_TAIL.value}
    kinds: dict[str, Counter[str]] = {}
    alarms, apart = [], ("lost", "careless")
    for each in outcomes:
        name = each.kind
        kinds.setdefault(name, Counter())[each.verdict] += 1
        if each.verdict not in sound and not any(word in name for word in apart):
            alarms.append(each)
    counted = {name: verdicts for name, verdicts in kinds.items() if not _is(name, apart)}
    return {
        "logs": sum(verdicts.total() for verdicts in counted.values()),
        "false alarms": len(alarms),
        "of which": [f"{each.kind}: {each.verdict} {each.why} {each.where}" for each in alarms[:9]],
        "kinds": {name: dict(verdicts) for name, verdicts in sorted(counted.items())},
        "no crash leaves these": {
            name: dict(verdicts) for name, verdicts in sorted(kinds.items()) if _is(name, apart)
        },
        "what was said of these": dict(
            Counter(
                f"{each.kind}: {''.join('N' if c.isdigit() else c for c in each.why)[:90]}"
                for each in outcomes
                if _is(each.kind, apart) and each.why
            ).most_common(12)
        ),
    }


def _is(name: str, words: Sequence[str]) -> bool:
    return any(word in name for word in words)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--logs", type=int, default=10_000)
    parser.add_argument("--histories", type=int, default=200)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--work", default=None, help="folder for the logs (a memory disk is quick)")
    parser.add_argument("--keep", action="store_true", help="leave the logs where they are")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
