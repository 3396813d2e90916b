"""Logs to be attacked: written by the real writer, with whatever a log of some age has behind it.

A base is a folder with `home/audit` (the log), `earlier/audit` (a copy of it from some moment
before, as a backup would be) and `stolen/epoch-N.key` (each signing key, taken while it was in
force). Half of the bases were closed; the others were copied while their writer had them open, with
everything still in the WAL and records after the newest checkpoint. A log begins up to 80 days
ago, and retention prunes what is past its period of five days by its own plan.
"""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from audit.checkpoint import VerifierKey, parse_verifier_key
from audit.envelope import Moment, format_time
from audit.keys import private_epochs, private_path, read_verifier_keys
from audit.log import Limits, Log
from audit.periods import Period, Profile
from audit.record import Actor, Event, Fields
from audit.retention import survey
from audit.snapshot import open_snapshot

ANN = Actor("person", "ann", "local-user", ("local",), "cli")
BOB = Actor("person", "bob", "oidc", ("staff", "legal"), "web")
_KINDS = ("question.received", "model.called", "answer.sentence", "answer.released", "search.done")
SMALLEST, LARGEST = 5, 400  # records
KEPT = (Profile("base", Period(5, "d")),)  # how long a base keeps its records
DAY_NS = 86_400 * 10**9


class Clock:
    """The time of day as records name it: the machine's, less `back` nanoseconds."""

    def __init__(self, days: float) -> None:
        self.back = round(days * DAY_NS)

    def now(self) -> int:
        """Nanoseconds since 1970."""
        return time.time_ns() - self.back

    def go_on(self, days: float) -> None:
        """Let some days pass, as far as there are any until today."""
        self.back = max(self.back - round(days * DAY_NS), 0)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Let the log's records have this time meanwhile."""
        real = Moment.now

        def now(_: type[Moment]) -> Moment:
            return Moment(self.now(), real().mono_ns)

        with mock.patch.object(Moment, "now", classmethod(now)):
            yield


def prune_due(log: Log, numbers: random.Random, most: int, clock: Clock) -> None:
    """Prune some of what the log's own plan says is past KEPT. Raises AuditError."""
    log.seal()
    plan = survey(log, KEPT, now=clock.now())
    chosen = numbers.sample(plan.prune, min(len(plan.prune), numbers.randint(1, most)))
    if chosen:
        judged = {"judged": format_time(plan.judged)}
        planned = log.append(Event("retention.planned", ANN, judged)).seq
        fields: Fields = {"planned": planned, "profiles": [str(each) for each in KEPT]}
        log.prune(chosen, Event("retention.pruned", ANN, fields))


@dataclass(frozen=True, slots=True)
class Base:
    """One log. `first_key`: the public key of epoch 1; `notes`: its checkpoints by size, smallest
    first; `size`: all records; `running`: whether it was copied while it was open."""

    place: Path
    first_key: str
    notes: tuple[tuple[int, str], ...]
    size: int
    epochs: int
    running: bool

    @property
    def folder(self) -> Path:
        """The log itself."""
        return self.place / "home" / "audit"

    @property
    def earlier(self) -> Path:
        """An older state of it, whole."""
        return self.place / "earlier" / "audit"

    @property
    def stolen(self) -> Path:
        """The folder with the signing keys of all epochs."""
        return self.place / "stolen"

    @property
    def key(self) -> VerifierKey:
        """What the auditor holds."""
        return parse_verifier_key(self.first_key)


def make_base(place: Path, seed: int) -> Base:
    """Write one log, all of whose parameters follow from `seed`."""
    maker = _Maker(place, random.Random(seed), random.Random(f"days {seed}"))
    with maker.clock.shown():
        return maker.make()


class _Maker:
    """One history in the making: runs of the writer, each a stretch of random operations."""

    def __init__(self, place: Path, numbers: random.Random, days: random.Random) -> None:
        self._place, self._numbers, self._days = place, numbers, days
        self.clock = Clock(days.uniform(20, 80))
        self._folder = place / "writing" / "audit"
        self._target = round(SMALLEST * (LARGEST / SMALLEST) ** numbers.random())
        self._limits = Limits(
            seal_records=numbers.randint(2, max(self._target // 3, 3)),
            seal_seconds=3600,
            rotate_days=0,
            disk_low_mb=0,
            disk_stop_mb=0,
        )
        self._written = 0
        self._left = {
            "rotate": numbers.choice((0, 0, 1, 2)),
            "prune": numbers.choice((0, 1, 2)),
            "erase": numbers.choice((0, 1, 2)),
        }

    def make(self) -> Base:
        """Write, copy the older state on the way, and end closed or running."""
        runs = self._numbers.randint(1, 4)
        copied_after = self._numbers.randint(1, runs)
        running = self._numbers.random() < 0.5
        for run in range(1, runs + 1):
            log = self._open()
            try:
                self._work(log, self._target * run // runs)
                if run == runs:
                    log.seal()  # at least one checkpoint to anchor
                    self._few(log)
                if run == runs and running:
                    shutil.copytree(self._folder.parent, self._place / "home")
            finally:
                log.close()
            if run == copied_after:
                shutil.copytree(self._folder.parent, self._place / "earlier")
        if not running:
            shutil.copytree(self._folder.parent, self._place / "home")
        shutil.rmtree(self._folder.parent)
        folder = self._place / "home" / "audit"
        keys = read_verifier_keys(folder / "keys")
        with open_snapshot(folder / "log.db") as connection:
            notes = connection.execute("SELECT size, note FROM checkpoint ORDER BY size").fetchall()
            ((size,),) = connection.execute("SELECT max(seq) + 1 FROM leaf").fetchall()
        return Base(self._place, keys[0].text(), tuple(notes), size, len(keys), running)

    def _open(self) -> Log:
        log = Log(self._folder, build="attacks 1", process="base", limits=self._limits)
        self._steal()
        return log

    def _steal(self) -> None:
        stolen, keys = self._place / "stolen", self._folder / "keys"
        stolen.mkdir(parents=True, exist_ok=True)
        for epoch in private_epochs(keys):
            shutil.copy(private_path(keys, epoch), private_path(stolen, epoch))

    def _work(self, log: Log, until: int) -> None:
        while log.size() < until:
            todo = [name for name, left in self._left.items() if left]
            chance = self._numbers.random()
            self.clock.go_on(self._days.choice((0, 0, 0, 1, 4)) * self._days.random())
            if todo and chance < 0.15 and log.size() > 4:
                name = self._numbers.choice(todo)
                self._left[name] -= 1
                getattr(self, f"_{name}")(log)
            elif chance < 0.25:
                log.seal()
            else:
                self._few(log)

    def _few(self, log: Log) -> None:
        count = self._numbers.randint(1, 8)
        log.append_many([self._event() for _ in range(count)])

    def _event(self) -> Event:
        self._written += 1
        number = self._written
        return Event(
            self._numbers.choice(_KINDS),
            self._numbers.choice((ANN, BOB)),
            {"number": number, "digest": self._numbers.randbytes(8).hex()},
            {"text": f"text {number}"} if self._numbers.random() < 0.4 else None,
            session=f"s{number % 5}",
            request_id=f"r{number // 4}",
        )

    def _rotate(self, log: Log) -> None:
        log.rotate_key(ANN)
        self._steal()

    def _prune(self, log: Log) -> None:
        self.clock.go_on(self._days.uniform(4, 12))
        self._few(log)
        prune_due(log, self._numbers, 6, self.clock)

    def _erase(self, log: Log) -> None:
        leaves = [leaf for leaf in log.scan() if b'"payload":{' in leaf.envelope]
        if leaves:
            leaf = self._numbers.choice(leaves)
            log.append(Event("payload.erased", ANN, {"target_seq": leaf.seq}))
            log.destroy_payload_keys([leaf])
