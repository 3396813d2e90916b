"""A writer of the log that acknowledges what it has recorded, and the check of what is left of it.

    python -m benchmarks.audit_writer HOME ACKNOWLEDGED NAME SEED [--steps N] [--threads N]
        [--anchors FOLDER] [--can WORDS]

Used by `audit_crash` and `audit_power_loss`. The writer appends to the log in HOME/audit until it
is killed or has done N steps. After each thing that the log has said is done, and before each that
takes something away, it writes one line of JSON to the file ACKNOWLEDGED with a single `write`:
what stands there survives its death. `--can` names what it does besides appending: `seal`,
`rotate`, `destroy`, `prune`, `reopen` (close the log and open it again).

The log's time begins decades ago. For each pruning some days pass, from the newest record on, so
that there is something that is past its period; what is not, stays.

`Claims` takes such lines in; `troubles` compares them with a log.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sqlite3
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import audit.log
from audit.anchoring import Anchoring
from audit.anchors import FileAnchor
from audit.errors import AuditError, PayloadErasedError, PayloadKeyLostError, RecordNotFoundError
from audit.keys import private_epochs, read_verifier_keys
from audit.log import Limits, Log
from audit.periods import last_day
from audit.record import Actor, Event, Fields, Record
from audit.report import State
from audit.retention import day_of
from audit.snapshot import open_snapshot
from audit.store import Leaf
from audit.verify import verify_log
from benchmarks.audit_attack_base import DAY_NS, KEPT, Clock

KINDS = ("step.done", "question.received", "answer.released")
EVERYTHING = "seal,rotate,destroy,prune,reopen"
_MOVE_EVERY = 40  # commits after which the WAL is moved: more often than in use, to be hit
_OTHERS = 0.3  # of its steps are something else than appending
_RECENT = 400  # records of its own that a writer remembers
_DECADES = 20_000  # days


def limits() -> Limits:
    """Sealing often, and patient: many processes share two cores."""
    return Limits(seal_records=7, seal_seconds=1, busy_timeout_ms=120_000, rotate_days=0)


def clock_of(folder: Path) -> Clock:
    """The time of the log's newest record; some decades ago if there is no log yet."""
    clock = Clock(_DECADES)
    with suppress(AuditError, sqlite3.Error), open_snapshot(folder / "log.db") as connection:
        rows = connection.execute("SELECT ts_utc FROM leaf ORDER BY seq DESC LIMIT 1").fetchall()
        clock.go_on(sum((moment - clock.now()) / DAY_NS for (moment,) in rows))
    return clock


class Writer:
    """One process's use of the log: `threads` append while the first also does the rest."""

    def __init__(self, chosen: argparse.Namespace, clock: Clock) -> None:
        self._chosen, self._clock = chosen, clock
        self._can = [word for word in chosen.can.split(",") if word]
        self._draw = random.Random(f"{chosen.name}/{chosen.seed}")
        self._out = os.open(chosen.acknowledged, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        self._mine: list[Record] = []
        self._number = 0
        self._lock = threading.Lock()
        self._say("opening")
        self._log = self._open()

    def _open(self) -> Log:
        anchoring = None
        if self._chosen.anchors is not None:
            anchoring = Anchoring([FileAnchor(self._chosen.anchors, self._chosen.home)], 10)
        folder, name = self._chosen.home / "audit", self._chosen.name
        log = Log(folder, build="b", process=name, limits=limits(), anchoring=anchoring)
        self._say("opened", recovered=log.recovered)
        return log

    def _say(self, kind: str, **values: object) -> None:
        line = {"kind": kind, "writer": self._chosen.name, **values}
        os.write(self._out, json.dumps(line).encode() + b"\n")

    def run(self) -> None:
        """All steps, then close."""
        others = [
            threading.Thread(target=self._appending, args=(number,), daemon=True)
            for number in range(1, self._chosen.threads)
        ]
        for thread in others:
            thread.start()
        for _ in range(self._chosen.steps):
            others_at_work = bool(others)
            word = (
                self._draw.choice(self._can) if self._can and self._draw.random() < _OTHERS else ""
            )
            if word and not (word == "reopen" and others_at_work):
                getattr(self, f"_{word}")()
            else:
                self._append(self._draw)
        for thread in others:
            thread.join()
        self._say("closing")
        self._log.close()
        self._say("closed")

    def _appending(self, number: int) -> None:
        draw = random.Random(f"{self._chosen.name}/{self._chosen.seed}/{number}")
        for _ in range(self._chosen.steps):
            self._append(draw)

    def _append(self, draw: random.Random) -> None:
        events, numbers = [], []
        for _ in range(draw.choice((1, 1, 1, 2, 5))):
            with self._lock:
                self._number += 1
                number = self._number
            numbers.append(number)
            said: dict[str, object] = {"n": number, "w": self._chosen.name}
            if draw.random() < 0.2:
                said["text"] = "x" * draw.randrange(20_000)
            actor = Actor("service", self._chosen.name)
            events.append(Event(draw.choice(KINDS), actor, {"number": number}, said))
        records = self._log.append_many(events)
        for record, number in zip(records, numbers, strict=True):
            self._say("record", seq=record.seq, id=record.event_id, hash=record.leaf_hash, n=number)
        with self._lock:
            self._mine = (self._mine + records)[-_RECENT:]

    def _seal(self) -> None:
        self._say("sealed", note=self._log.seal())

    def _rotate(self) -> None:
        if self._draw.random() < 0.5:
            record = self._log.rotate_key()
            epoch = json.loads(self._log.leaf(record.seq).envelope)["fields"]["epoch"]
            self._say("rotated", seq=record.seq, epoch=epoch)

    def _some(self) -> list[Leaf]:
        """A few sealed records of its own whose payload it has not taken away."""
        newest = self._log.newest_checkpoint()
        with self._lock:
            sealed = [each for each in self._mine if each.seq < (newest[0] if newest else 0)]
            chosen = self._draw.sample(sealed, min(len(sealed), 3))
            self._mine = [each for each in self._mine if each not in chosen]
        return [self._log.leaf(each.seq) for each in chosen]

    def _destroy(self) -> None:
        leaves = self._some()
        keys = [(self._log.payload_key(leaf) or b"").hex() for leaf in leaves]
        self._say("taking", seqs=[leaf.seq for leaf in leaves])
        self._log.destroy_payload_keys(leaves)
        self._say("destroyed", seqs=[leaf.seq for leaf in leaves], keys=keys)

    def _prune(self) -> None:
        self._clock.go_on(self._draw.uniform(3, 9))
        leaves = [leaf for leaf in self._some() if self._is_due(leaf)]
        if not leaves:
            return
        keys = [(self._log.payload_key(leaf) or b"").hex() for leaf in leaves]
        seqs = [leaf.seq for leaf in leaves]
        self._say("taking", seqs=seqs)
        fields: Fields = {"profiles": [str(each) for each in KEPT]}
        self._log.prune(
            seqs, Event("retention.pruned", Actor("service", self._chosen.name), fields)
        )
        self._say("pruned", seqs=seqs, keys=keys)

    def _is_due(self, leaf: Leaf) -> bool:
        """Whether every record up to this one is past its period. Other writers may be days
        ahead."""
        database = self._chosen.home / "audit" / "log.db"
        with open_snapshot(database) as connection:
            ((newest,),) = connection.execute(
                "SELECT max(ts_utc) FROM leaf WHERE seq <= ?", (leaf.seq,)
            )
        return last_day(KEPT, day_of(newest)) < day_of(self._clock.now())

    def _reopen(self) -> None:
        self._say("closing")
        self._log.close()
        self._say("closed")
        self._say("opening")
        self._log = self._open()


@dataclass(slots=True)
class Claims:
    """What the writers were told is done. `records`: (event id, leaf hash, payload's number and
    writer) by number; `taking`: numbers whose payload or record may be gone; `destroyed` and
    `pruned`: those that must be; `keys`: destroyed keys (hex); `open`: by writer, whether a run is
    open (None: between the two)."""

    records: dict[int, tuple[str, str, int, str]] = field(default_factory=dict)
    taking: set[int] = field(default_factory=set)
    destroyed: set[int] = field(default_factory=set)
    pruned: set[int] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    epoch: int = 1
    open: dict[str, bool | None] = field(default_factory=dict)

    def add(self, line: str) -> None:
        """Take in one line of a writer."""
        said = json.loads(line)
        kind = said["kind"]
        if kind == "record":
            claim = (said["id"], said["hash"], said["n"], said["writer"])
            if self.records.setdefault(said["seq"], claim) != claim:
                raise AssertionError(f"number {said['seq']} was given twice")
        elif kind == "taking":
            self.taking |= set(said["seqs"])
        elif kind in ("destroyed", "pruned"):
            (self.destroyed if kind == "destroyed" else self.pruned).update(said["seqs"])
            self.keys |= {key for key in said["keys"] if key}
        elif kind == "sealed":
            self.notes.append(said["note"])
        elif kind == "rotated":
            self.epoch = max(self.epoch, said["epoch"])
        else:
            states = {"opening": None, "opened": True, "closing": None, "closed": False}
            self.open[said["writer"]] = states[kind]


def troubles(home: Path, claims: Claims, since: int = 0) -> Iterator[str]:
    """What of the claims the log in `home` does not keep; it is opened, which may record a
    recovery, and closed again. `since`: claims on records below it were checked before."""
    folder = home / "audit"
    try:
        with (
            clock_of(folder).shown(),
            Log(folder, build="b", process="check", limits=limits()) as log,
        ):
            yield from _records(log, claims, since)
            yield from _ways(log, folder, claims)
            log.append(Event("step.done", Actor("service", "check"), {}, {"n": 0}))
        keys = read_verifier_keys(folder / "keys")
        notes = [(f"acknowledged {n}", note.encode()) for n, note in enumerate(claims.notes[-20:])]
        report = verify_log(folder, keys, notes, processes=1)
    except AuditError as error:
        yield f"{type(error).__name__}: {error}"
        return
    if report.state is not State.OK:
        yield f"after opening and closing it is {report.headline()}: {report.findings[:3]}"


def _records(log: Log, claims: Claims, since: int) -> Iterator[str]:
    pruned = {each.seq: each.hash.hex() for each in log.pruned()}
    size, seen = log.size(), set()
    for leaf in log.scan(since):
        seen.add(leaf.seq)
        claim = claims.records.get(leaf.seq)
        if claim is not None and (leaf.event_id, leaf.hash.hex()) != claim[:2]:
            yield f"record {leaf.seq} is not the one that was acknowledged"
    if missing := set(range(since, size)) - seen - set(pruned):
        yield f"numbers are missing: {sorted(missing)[:5]}"
    for seq, (_, digest, number, writer) in claims.records.items():
        if seq < since:
            continue
        if seq in pruned:
            if seq not in claims.taking or pruned[seq] != digest:
                yield f"record {seq} was pruned, and nobody asked for it"
        elif seq >= size:
            yield f"record {seq} was acknowledged and is lost"
        elif seq in claims.pruned:
            yield f"record {seq} was pruned and is back"
        else:
            yield from _payload(log, seq, {"n": number, "w": writer}, claims)


def _payload(log: Log, seq: int, wanted: dict[str, object], claims: Claims) -> Iterator[str]:
    try:
        found = log.read_payload(seq)
    except PayloadErasedError:
        if seq not in claims.taking:
            yield f"the payload of record {seq} was destroyed, and nobody asked for it"
    except (PayloadKeyLostError, RecordNotFoundError, AuditError) as error:
        yield f"the payload of record {seq}: {error}"
    else:
        if found is None or {key: found.get(key) for key in wanted} != wanted:
            yield f"the payload of record {seq} is another"
        if seq in claims.destroyed:
            yield f"the payload of record {seq} was destroyed and is back"


def _ways(log: Log, folder: Path, claims: Claims) -> Iterator[str]:
    """Recoveries and epochs."""
    if any(claims.open.values()) and not log.recovered:
        yield "a run was open and no recovery was recorded"
    if log.recovered and claims.open and all(each is False for each in claims.open.values()):
        yield "every run was closed and a recovery was recorded"
    private = private_epochs(folder / "keys")
    if len(private) != 1 or private[0] < claims.epoch:
        yield f"private keys of epochs {private} are there, and {claims.epoch} was begun"


def keys_left(home: Path, keys: Iterable[str], files: str = "*") -> list[str]:
    """Destroyed keys (hex) whose bytes stand in some file below `home`, with the file's name;
    `files`: a pattern of the names to look into."""
    wanted = [(key, bytes.fromhex(key)) for key in keys]
    found = []
    for path in home.rglob(files):
        if path.is_file():
            content = path.read_bytes()
            found += [f"{key[:8]} in {path.name}" for key, raw in wanted if raw in content]
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of a writer."""
    parser = argparse.ArgumentParser(description="A writer that acknowledges what it recorded.")
    parser.add_argument("home", type=Path)
    parser.add_argument("acknowledged", type=Path)
    parser.add_argument("name")
    parser.add_argument("seed", type=int)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--anchors", type=Path, default=None)
    parser.add_argument("--can", default="seal")
    chosen = parser.parse_args(arguments)
    audit.log._COMMITS_PER_MOVE = _MOVE_EVERY
    began = time.monotonic()
    clock = clock_of(chosen.home / "audit")
    with clock.shown():
        Writer(chosen, clock).run()
    print(json.dumps({"seconds": round(time.monotonic() - began, 2)}), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
