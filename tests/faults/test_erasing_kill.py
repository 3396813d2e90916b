"""An erasure killed at any of its steps is finished by `--resume`, and then nothing is left.

`tests.ui.erasing_world` erases in a process of its own, which kills itself with signal 9 before its
n-th step: a record about to be written, a key about to be destroyed, a file about to be removed.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from audit import certificate, certifying
from audit.compose import open_log
from audit.keys import read_verifier_keys
from tests.audit.standins import verify_home
from tests.ui import erasing_world as world

SOURCE = "personnel/ferncastle.txt"
WORDS = (*world.WORDS[SOURCE], *world.OLD_WORDS)
STEPS = 40  # more than there are


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder after real use; each killed run gets a copy."""
    base = tmp_path_factory.mktemp("erasing")
    (base / "home").mkdir()
    world.use(base / "home", base / "folder")
    return base / "home"


def killed(home: Path, step: int) -> bool:
    """Whether an erasure in `home` was killed at this step, and not finished before."""
    command = [sys.executable, "-m", "tests.ui.erasing_world", str(home), SOURCE, str(step)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


@pytest.mark.slow
def test_killed_at_any_step_it_is_finished_by_resuming(used: Path, tmp_path: Path) -> None:
    finished = 0
    for step in range(1, STEPS):
        home = tmp_path / f"home-{step}"
        shutil.copytree(used, home)
        was_killed = killed(home, step)
        begun = _begun(home)
        outcomes = world.resume(home)
        left = {
            place.split(" ")[-1] for each in world.found(home, WORDS).values() for place in each
        }
        if begun:
            assert left <= {"task.received", "search.received"}, f"step {step}: {left}"
            keys = read_verifier_keys(home / "audit" / "keys")
            (file,) = (home / "audit" / certifying.FOLDER).iterdir()
            assert certificate.verify(file.read_bytes(), keys).found == 0
        else:
            assert outcomes == []  # nothing had begun, so nothing was erased
            assert (home / "catalogue.db").exists()
        assert verify_home(home).headline() == "OK", f"step {step}"
        assert world.resume(home) == []
        shutil.rmtree(home)
        finished += not was_killed
        if finished:
            return
    raise AssertionError("the erasure has more steps than were tried")


def _begun(home: Path) -> bool:
    with open_log(home) as log:
        return "erasure.begun" in log.counters()
