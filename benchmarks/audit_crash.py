"""Eight writers on one log, killed with signal 9 at random moments, until 2,000 were.

    PYTHONPATH=. python benchmarks/audit_crash.py [--kills N] [--seed N] [--folder DIR]

Writers (`audit_writer`) append records with payloads and seal every few; two have three threads,
one begins new keys now and then, one destroys payload keys, one prunes, one closes and opens the
log again and again, two send checkpoints to a folder. Whichever is killed is started again at once.
Each acknowledgement is in a file of the writer's before the next thing is done. Every hundred kills
all are killed together, and of the log that they leave it is checked that

- the verifier says OK, UNSEALED_TAIL or TORN_TAIL, never TAMPERED, also given the notes that were
  acknowledged and those that were anchored; and OK after the log was opened and closed;
- every acknowledged record is there with its number and hash, and its payload opens, unless it was
  destroyed or pruned on demand; the numbers are dense; no number was given to two records;
- what was acknowledged as destroyed or pruned is not back, nor its key's bytes in the keystore;
- one private key is left, of the newest epoch that was begun;
- the recoveries on record are at least the runs that were killed open and at most all that were
  killed: each kill leaves its trace, and nothing else is taken for one.

Prints one line a trouble and a JSON object at the end; exit code 1 if there was any trouble.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from audit.anchors import gather
from audit.errors import AuditError
from audit.keys import read_verifier_keys
from audit.report import State
from audit.verify import verify_log
from benchmarks import audit_writer

ROLES = (
    ("--can", "seal"),
    ("--can", "seal"),
    ("--can", "seal", "--threads", "3"),
    ("--can", "seal,rotate"),
    ("--can", "seal,destroy", "--threads", "3"),
    ("--can", "seal,prune"),
    ("--can", "seal,reopen", "--anchors"),
    ("--can", "seal", "--anchors"),
)
AT_ONCE = 100  # kills between two looks at the log
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)
_PATIENCE = 1.0  # seconds that a writer may take until it has said something


@dataclass(slots=True)
class Seat:
    """One of the eight: the process that writes now, and how far its file was read."""

    number: int
    arguments: tuple[str, ...]
    running: int = 0  # its number; 0: none
    lives: int = 0
    files: list[Path] = field(default_factory=list)


def _live(arguments: Sequence[str], errors: Path) -> NoReturn:
    """Be a writer, in a process of its own; what ends it but a kill is told in `errors`."""
    code = 1
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    try:
        code = audit_writer.main(arguments)
    except BaseException:  # noqa: BLE001 - told in the file
        errors.write_text(traceback.format_exc(), encoding="utf-8")
    finally:
        os._exit(code)


class Trial:
    """All writers, their claims, and the log below `folder`."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.home, self._folder = folder / "home", folder
        self.home.mkdir()
        (folder / "anchors").mkdir()
        self._draw = random.Random(seed)
        self._seed = seed
        self._seats = [Seat(number, role) for number, role in enumerate(ROLES)]
        self.claims = audit_writer.Claims()
        self.kills = self.killed_open = self._checked = self._given = 0

    def _start(self, seat: Seat) -> None:
        seat.lives += 1
        file = self._folder / f"w{seat.number}-{seat.lives}"
        seat.files.append(file)
        arguments = list(seat.arguments)
        if arguments[-1] == "--anchors":
            arguments.append(str(self._folder / "anchors"))
        given = [str(self.home), str(file), file.name, str(self._seed + seat.lives), *arguments]
        sys.stdout.flush()
        seat.running = os.fork()  # starting Python anew takes longer than most lives
        if seat.running == 0:
            _live(given, self._folder / f"{file.name}.err")

    def _kill(self, seat: Seat) -> Iterator[str]:
        if not seat.running:
            return
        os.kill(seat.running, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(seat.running, 0)[1])
        seat.running = 0
        if code != -signal.SIGKILL:
            told = self._folder / f"{seat.files[-1].name}.err"
            said = told.read_text(encoding="utf-8") if told.exists() else ""
            yield f"a writer ended by itself ({code}): {said[-600:]}"
        else:
            self.kills += 1

    def round(self, kills: int) -> Iterator[str]:
        """So many kills, then a look at the log; the troubles."""
        for seat in self._seats:
            self._start(seat)
        for _ in range(kills - len(self._seats)):
            seat = self._draw.choice(self._seats)
            self._await_work(seat)
            yield from self._kill(seat)
            self._start(seat)
        time.sleep(self._draw.random())
        for seat in self._seats:
            yield from self._kill(seat)
        yield from self.look()

    def _await_work(self, seat: Seat) -> None:
        """Let it live for a random while, mostly until after it has said something."""
        file, patience = seat.files[-1], self._draw.random() * _PATIENCE
        until = time.monotonic() + patience
        while time.monotonic() < until:
            if file.exists() and b'"record"' in file.read_bytes():
                time.sleep(self._draw.random() * 0.1)
                return
            time.sleep(0.005)

    def look(self) -> Iterator[str]:
        """What is wrong now that nobody is left."""
        self._take_in()
        folder = self.home / "audit"
        notes = self._notes()
        try:
            report = verify_log(folder, read_verifier_keys(folder / "keys"), notes)
        except AuditError as error:
            yield f"before opening: {type(error).__name__}: {error}"
        else:
            if report.state is State.TAMPERED:
                yield f"TAMPERED: {report.findings}"
        yield from audit_writer.troubles(self.home, self.claims, self._checked)
        report = verify_log(folder, read_verifier_keys(folder / "keys"), notes)
        if not self.killed_open <= report.recoveries <= self.kills:
            recoveries = report.recoveries
            yield f"{recoveries} recoveries; {self.killed_open} to {self.kills} runs were killed"
        if left := audit_writer.keys_left(folder, self.claims.keys, "keystore*"):
            yield f"bytes of destroyed keys are left: {left[:3]}"
        self._checked = 0 if self.kills % (5 * AT_ONCE) == 0 else max(0, report.records - 1000)

    def _notes(self) -> list[tuple[str, bytes]]:
        """The checkpoints that were acknowledged and anchored since the last look, and of those
        before some, so that a look does not take longer and longer."""
        anchored = gather(self._folder / "anchors")
        given = [(f"acknowledged {n}", each.encode()) for n, each in enumerate(self.claims.notes)]
        fresh, self._given = given[self._given :], len(given)
        older = self._draw.sample(given, min(len(given), 100))
        return [*fresh, *older, *self._draw.sample(anchored, min(len(anchored), 100))]

    def _take_in(self) -> None:
        for seat in self._seats:
            for file in seat.files:
                if not file.exists():
                    continue  # killed before it began
                for line in file.read_text(encoding="utf-8").splitlines():
                    self.claims.add(line)
                # Surely open: what it said last was said with the log open.
                self.killed_open += self.claims.open.get(file.name) is True
                file.unlink()
            seat.files.clear()


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--folder", type=Path, default=None, help="where to work")
    chosen = parser.parse_args()
    began, bad = time.monotonic(), 0
    with tempfile.TemporaryDirectory(prefix="cloister-crash-", dir=chosen.folder) as work:
        trial = Trial(Path(work), chosen.seed)
        while trial.kills < chosen.kills:
            for each in trial.round(max(len(ROLES), min(AT_ONCE, chosen.kills - trial.kills))):
                bad += 1
                print(f"after {trial.kills} kills: {each}", flush=True)
        last = verify_log(trial.home / "audit", read_verifier_keys(trial.home / "audit" / "keys"))
        claims = trial.claims
        facts = {
            "kills": trial.kills,
            "acknowledged": len(claims.records),
            "records": last.records + last.pruned,
            "recoveries": last.recoveries,
            "destroyed": len(claims.destroyed),
            "pruned": last.pruned,
            "epochs": claims.epoch,
            "anchored": len(gather(Path(work) / "anchors")),
            "state": last.headline(),
            "troubles": bad,
            "seconds": round(time.monotonic() - began),
        }
    print(json.dumps(facts))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
