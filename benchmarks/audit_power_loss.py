"""Loss of unsynced writes: what of the log is left when the power goes at any moment.

    PYTHONPATH=. python benchmarks/audit_power_loss.py [--images N] [--seed N] [--folder DIR]

Writers (`audit_writer`; one alone, one with three threads, two processes at a time) run under a
library that records every write, truncation, rename, removal and sync below their folder, with the
bytes and in order, and their acknowledgements among them (audit_power_loss.c; needs a C compiler).
That the trace is whole is checked: played back, it gives the folder that the writers left, byte for
byte. Then images are built of what a loss of power at random moments may leave
(`audit_power_loss_disk`), and of each it is checked, with a fresh `Log`, that

- the verifier finds no tampering before the log is opened, and OK after it was opened and closed;
- every acknowledged record is there with its number, hash and payload, and the numbers are dense;
- what was acknowledged as destroyed or pruned is not back, nor the bytes of its key in any file;
- a rotation is done or not done: one private key is left, of the newest epoch that was begun;
- a run that was open is recorded as recovered, and where all were closed none is;
- the log goes on: it takes a record and seals it.

Prints one line a trouble and a JSON object at the end; exit code 1 if there was any trouble.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from audit.errors import AuditError, LogMissingError
from audit.keys import read_verifier_keys
from audit.report import State
from audit.verify import verify_log
from benchmarks import audit_writer
from benchmarks.audit_power_loss_disk import (
    Call,
    Disk,
    Kind,
    Weather,
    clear,
    differences,
    read_trace,
)

SOURCE = Path(__file__).with_suffix(".c")
IMAGES_OF_A_TRACE = 250
EARLY = 0.15  # of the images show a moment at which the log is only being made
PROMISED = 0.4  # and so many one right after something was acknowledged: one of these
PROMISES = ("record", "sealed", "destroyed", "destroyed", "pruned", "rotated", "closed")


@dataclass(frozen=True, slots=True)
class Scene:
    """Which writers run together: the arguments of each."""

    name: str
    writers: tuple[tuple[str, ...], ...]


SCENES = (
    Scene("alone", (("--steps", "60", "--can", audit_writer.EVERYTHING),)),
    Scene("threads", (("--steps", "20", "--threads", "3", "--can", "seal,rotate,destroy,prune"),)),
    Scene(
        "two processes",
        (
            ("--steps", "25", "--can", audit_writer.EVERYTHING),
            ("--steps", "25", "--can", "seal,destroy,reopen"),
        ),
    ),
)


def build(folder: Path) -> Path:
    """The compiled library in `folder`. Raises CalledProcessError."""
    target = folder / "trace.so"
    compiler = os.environ.get("CC", "gcc")
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(target), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    return target


class Traced:
    """One run of a scene in `folder`, with the trace of it."""

    def __init__(self, folder: Path, library: Path, scene: Scene, seed: int) -> None:
        """Run it. Raises RuntimeError if a writer failed or the trace has a hole."""
        self._folder = folder
        self._root = (folder / "disk").resolve()
        (self._root / "home").mkdir(parents=True)
        (self._root / "acknowledged").touch()
        self._acknowledged = (self._root / "acknowledged").stat().st_ino
        self._begin = Disk(self._root)
        self._write(library, scene, seed)
        self.calls: Sequence[Call] = list(read_trace(folder / "trace"))
        self._check()

    def _write(self, library: Path, scene: Scene, seed: int) -> None:
        environment = {
            **os.environ,
            "TRACE_ROOT": str(self._root),
            "TRACE_FILE": str(self._folder / "trace"),
            "LD_PRELOAD": str(library),
        }
        module = [sys.executable, "-m", "benchmarks.audit_writer"]
        places = [str(self._root / "home"), str(self._root / "acknowledged")]
        running = [
            subprocess.Popen(
                [*module, *places, f"w{number}", str(seed), *arguments],
                env=environment,
                stderr=subprocess.PIPE,
                text=True,
            )
            for number, arguments in enumerate(scene.writers)
        ]
        for each in running:
            _, said = each.communicate()
            if each.returncode:
                raise RuntimeError(f"a writer failed: {said}")

    def _check(self) -> None:
        """Play the whole trace back; what it gives must be what is there."""
        disk = copy.deepcopy(self._begin)
        for call in self.calls:
            disk.follow(call)
        played = self._folder / "played"
        disk.image("home", played, None, random.Random(0))
        if differ := differences(self._root / "home", played):
            raise RuntimeError(f"the trace does not tell of all that was written: {differ}")
        clear(played)

    def losses(self, count: int, draw: random.Random) -> Iterator[tuple[int, Weather, list[str]]]:
        """`count` losses of power: the moment, how it went, and what troubles there were."""
        moments = sorted(self._moment(draw) for _ in range(count))
        disk, claims = copy.deepcopy(self._begin), audit_writer.Claims()
        for moment in moments:
            while disk.moment < moment:
                call = self.calls[disk.moment]
                disk.follow(call)
                if self._says(call):
                    claims.add(call.data.decode())
            weather = Weather.drawn(draw, moment)
            image = self._folder / "image"
            clear(image)
            disk.image("home", image, weather, draw)
            yield moment, weather, list(troubles(image, claims))

    def _moment(self, draw: random.Random) -> int:
        """How many calls are done when the power goes."""
        choice = draw.random()
        if choice < EARLY:
            return draw.randrange(
                next(n for n, c in enumerate(self.calls) if self._says(c, "opened"))
            )
        if choice > EARLY + PROMISED:
            return draw.randrange(len(self.calls) + 1)
        kind = draw.choice(PROMISES)
        said = [n for n, call in enumerate(self.calls, 1) if self._says(call, kind)]
        return min(draw.choice(said or [1]) + draw.choice((0, 0, 1, 2, 5)), len(self.calls))

    def _says(self, call: Call, kind: str = "") -> bool:
        said = call.kind is Kind.WRITE and call.inode == self._acknowledged
        return said and f'"kind": "{kind}'.encode() in call.data


def troubles(home: Path, claims: audit_writer.Claims) -> Iterator[str]:
    """What is wrong with the folder that a loss of power left."""
    if left := audit_writer.keys_left(home, claims.keys):
        yield f"bytes of destroyed keys are left: {left[:3]}"
    folder = home / "audit"
    try:
        report = verify_log(folder, read_verifier_keys(folder / "keys"), processes=1)
    except LogMissingError:
        if claims.records:
            yield "the log is gone"
    except AuditError as error:
        yield f"before opening: {type(error).__name__}: {error}"
    else:
        begun = bool(claims.records) or any((folder / "keys").glob("*.pub"))
        if report.state is State.TAMPERED and begun:
            yield f"before opening it is called TAMPERED: {report.findings[:3]}"
    yield from audit_writer.troubles(home, claims)


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--folder", type=Path, default=None, help="where to work")
    chosen = parser.parse_args()
    began, bad, images, calls, runs = time.monotonic(), 0, 0, 0, 0
    with tempfile.TemporaryDirectory(prefix="cloister-power-", dir=chosen.folder) as work:
        library = build(Path(work))
        while images < chosen.images:
            scene, seed = SCENES[runs % len(SCENES)], chosen.seed + runs
            folder = Path(work) / str(runs)
            traced = Traced(folder, library, scene, seed)
            calls, runs = calls + len(traced.calls), runs + 1
            count = min(IMAGES_OF_A_TRACE, chosen.images - images)
            for moment, weather, found in traced.losses(count, random.Random(seed)):
                images += 1
                bad += bool(found)
                for each in found:
                    print(f"{scene.name} {seed}, moment {moment}, {weather}: {each}", flush=True)
            clear(folder)
    seconds = round(time.monotonic() - began)
    facts = {"runs": runs, "calls": calls, "images": images, "with_trouble": bad}
    print(json.dumps({**facts, "seconds": seconds}))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
