"""10,000 structured attacks on logs of which an auditor holds one checkpoint and the first key.

    PYTHONPATH=. python benchmarks/audit_attacks.py [--attacks 10000] [--apart 1000] [--views 500]

Logs of 5 to 400 records are written first (`audit_attack_base`), with rotations, pruning, erasures,
several runs, payloads, closed or copied while running. Each attack alters a copy, chosen by a seed,
before a random checkpoint that the auditor has; then the verifier gets the copy, the public key of
epoch 1 and that checkpoint. Detected means: TAMPERED, or a refusal in one sentence (AuditError).
Called a crash: TORN_TAIL. Missed: OK or UNSEALED_TAIL. What one checkpoint cannot show (changes
after it with the key, the keystore) is done `--apart` times and counted by itself.

Prints one JSON object: of each class how many, how many detected, and by what; how many the log
alone showed, without the auditor's checkpoint (measured for one in ten); and what the ways to look
at a log by filter said of `--views` logs in which a record was hidden (`audit_attack_views`). Ends
with 1 unless all were detected. Floor: 100 %.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from audit.errors import AuditError
from audit.report import Report, State
from audit.verify import verify_log
from benchmarks import (
    audit_attack_files,
    audit_attack_keys,
    audit_attack_pruned,
    audit_attack_rows,
    audit_attack_tail,
)
from benchmarks.audit_attack_base import Base, make_base
from benchmarks.audit_attack_views import HIDING, Ways, looked_at, may_say
from benchmarks.audit_attackers import ATTACKS, Attack, Scene, UnfitError

REGISTERED = (
    *(audit_attack_rows, audit_attack_keys, audit_attack_files),
    *(audit_attack_pruned, audit_attack_tail),
)
Result = TypeVar("Result")
_TRIES = 60  # logs that are tried until one fits an attack
_ONE_IN = 10  # attacks are also judged without the auditor's checkpoint


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the verifier made of one attack. `verdict`: a state, or `refused`, or `exception`;
    `why`: its first reason, numbers left out; `alone`: the verdict without the checkpoint."""

    name: str
    verdict: str
    why: str
    seed: int
    seconds: float
    alone: str = ""

    @property
    def detected(self) -> bool:
        """Whether it counts as detected."""
        return self.verdict in (State.TAMPERED.value, "refused")


def judged(scene: Scene, notes: Sequence[tuple[str, bytes]]) -> tuple[str, str]:
    """The verifier's word on what the attacker left, and the reason."""
    kept = scene.kept_for
    try:
        report: Report = verify_log(scene.folder, scene.keys, notes, processes=1, kept_for=kept)
    except AuditError as error:
        said = str(error)
        return ("refused" if said and "\n" not in said else "exception"), type(error).__name__
    except Exception as error:  # noqa: BLE001 - whatever else comes is a failure of the verifier
        return "exception", repr(error)
    return report.state.value, _plain(report.findings[0]) if report.findings else ""


def _plain(finding: str) -> str:
    return re.sub(r"[0-9a-f]{8,}|[0-9]+", "N", finding)[:120]


def attempt(bases: Sequence[Base], kind: Attack, seed: int, work: Path) -> Outcome:
    """Do one attack on one of the logs and have it judged. Raises UnfitError if none fits."""

    def done(scene: Scene) -> Outcome:
        kind.work(scene)
        start = time.monotonic()
        given = [("anchored", scene.anchor[1].encode())]
        given += [("another", note.encode()) for note in scene.notes]
        verdict, why = judged(scene, given)
        seconds = time.monotonic() - start
        alone = judged(scene, given[1:])[0] if scene.numbers.random() * _ONE_IN < 1 else ""
        return Outcome(kind.name, verdict, why, seed, seconds, alone)

    return staged(bases, seed, work, done)


def staged(bases: Sequence[Base], seed: int, work: Path, act: Callable[[Scene], Result]) -> Result:
    """What `act` makes of a copy of a random log; another log is taken while none fits."""
    numbers = random.Random(seed)
    for _ in range(_TRIES):
        base, other = numbers.sample(bases, 2)
        place = Path(tempfile.mkdtemp(dir=work))
        try:
            shutil.copytree(base.folder, place / "audit")
            anchor = numbers.choice(base.notes)
            return act(Scene(base, place / "audit", numbers, anchor, [base.key], other))
        except UnfitError:
            continue
        finally:
            shutil.rmtree(place)
    raise UnfitError


@dataclass(slots=True)
class Class:
    """The attacks of one name."""

    count: int = 0
    detected: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    alone: Counter[str] = field(default_factory=Counter)
    missed: list[int] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """One more."""
        self.count += 1
        self.detected += outcome.detected
        self.verdicts[outcome.verdict] += 1
        self.reasons[outcome.why] += 1
        if outcome.alone:
            self.alone[outcome.alone] += 1
        if not outcome.detected:
            self.missed.append(outcome.seed)

    def as_json(self, needs: str) -> dict[str, object]:
        """Plain values."""
        found = sum(self.alone[each] for each in (State.TAMPERED.value, "refused"))
        return {
            "needs": needs,
            "count": self.count,
            "detected": self.detected,
            "verdicts": dict(self.verdicts.most_common()),
            "by": [why for why, _ in self.reasons.most_common(3) if why],
            "without the checkpoint": f"{found} of {self.alone.total()}",
            **({"missed seeds": self.missed[:5]} if self.missed else {}),
        }


_SHARED: dict[str, tuple[Base, ...]] = {}


def _job(task: tuple[str, int, str]) -> Outcome | str:
    name, seed, work = task
    try:
        return attempt(_SHARED["bases"], ATTACKS[name], seed, Path(work))
    except UnfitError:
        return name


def _looked(task: tuple[str, int, str]) -> tuple[str, Ways]:
    name, seed, work = task
    try:
        return name, staged(
            _SHARED["bases"], seed, Path(work), lambda scene: looked_at(scene, name)
        )
    except UnfitError:
        return name, {}


def _views(said: Sequence[tuple[str, Ways]]) -> tuple[dict[str, dict[str, dict[str, int]]], int]:
    """What each way of looking at a log said after each attack, and how often it may not."""
    counted: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    bad = 0
    for name, ways in said:
        for way, what in ways.items():
            counted[name][way][what] += 1
            bad += not may_say(name, way, what)
    return {
        name: {way: dict(whats) for way, whats in ways.items()} for name, ways in counted.items()
    }, bad


def _made(task: tuple[str, int]) -> Base:
    place, seed = task
    return make_base(Path(place), seed)


def main() -> int:
    """Attack; return 1 if anything was missed, called a crash, or made the verifier fail."""
    chosen = _arguments()
    start = time.monotonic()
    work = Path(tempfile.mkdtemp(prefix="cloister-attacks-", dir=chosen.work))
    context = multiprocessing.get_context("fork")
    with context.Pool(chosen.processes) as pool:
        tasks = [(str(work / f"base-{n}"), chosen.seed + n) for n in range(chosen.bases)]
        bases = _SHARED["bases"] = tuple(pool.imap_unordered(_made, tasks))
    bases = _SHARED["bases"] = tuple(sorted(bases, key=lambda base: base.place))
    made = time.monotonic()
    names = [name for name in ATTACKS if chosen.only in name]
    must = [name for name in names if not ATTACKS[name].apart]
    apart = [name for name in names if ATTACKS[name].apart]
    tasks3 = [(must[n % len(must)], chosen.seed + n, str(work)) for n in range(chosen.attacks)]
    if apart:
        tasks3 += [(apart[n % len(apart)], n, str(work)) for n in range(chosen.apart)]
    classes: dict[str, Class] = defaultdict(Class)
    unfit: Counter[str] = Counter()
    seconds = []
    with context.Pool(chosen.processes) as pool:
        for outcome in pool.imap_unordered(_job, tasks3, chunksize=20):
            if isinstance(outcome, str):
                unfit[outcome] += 1
            else:
                classes[outcome.name].add(outcome)
                seconds.append(outcome.seconds)
        hiding = [
            (HIDING[n % len(HIDING)], chosen.seed + n, str(work)) for n in range(chosen.views)
        ]
        views, unsaid = _views(list(pool.imap_unordered(_looked, hiding, chunksize=5)))
    shutil.rmtree(work)
    found = _summary(classes, unfit, must, apart)
    found |= {"views": views, "hidden and not said": unsaid}
    found |= {
        "logs": len(bases),
        "records": [min(base.size for base in bases), max(base.size for base in bases)],
        "seconds making logs": round(made - start, 1),
        "seconds": round(time.monotonic() - start, 1),
        "median ms of a verification": round(sorted(seconds)[len(seconds) // 2] * 1000, 1),
    }
    print(json.dumps(found, indent=1))
    return 0 if found["detected"] == found["attacks"] and not unsaid else 1


def _summary(
    classes: dict[str, Class], unfit: Counter[str], must: Sequence[str], apart: Sequence[str]
) -> dict[str, object]:
    def told(names: Sequence[str]) -> dict[str, object]:
        return {
            name: classes[name].as_json(ATTACKS[name].needs) for name in names if name in classes
        }

    counted = [classes[name] for name in must if name in classes]
    verdicts: Counter[str] = Counter()
    for each in counted:
        verdicts += each.verdicts
    return {
        "classes": told(must),
        "apart": {
            name: {"why": ATTACKS[name].apart, **values}
            for name, values in told(apart).items()
            if isinstance(values, dict)
        },
        "no log fitted": dict(unfit),
        "attacks": sum(each.count for each in counted),
        "detected": sum(each.detected for each in counted),
        "called a crash": verdicts[State.TORN_TAIL.value],
        "missed": sum(verdicts[each] for each in (State.OK.value, State.UNSEALED_TAIL.value)),
        "exceptions": verdicts["exception"],
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--attacks", type=int, default=10_000)
    parser.add_argument("--apart", type=int, default=1_000)
    parser.add_argument("--views", type=int, default=500, help="logs looked at by filter")
    parser.add_argument("--bases", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", default="", help="classes whose name holds this")
    parser.add_argument("--work", default=None, help="folder for the logs (a memory disk is quick)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
