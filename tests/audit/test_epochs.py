"""Epochs: a new signing key vouched for by the one before, which is destroyed."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.checkpoint import CheckpointError, open_checkpoint, open_text
from audit.errors import LogIncompleteError
from audit.keys import private_epochs, read_verifier_keys
from audit.log import Limits, Log
from audit.report import State
from audit.signing import epoch_of
from audit.verify import verify_log
from tests.audit.standins import ANN, open_test_log, question, verify_home


def _types(log: Log) -> list[str]:
    return [leaf.type for leaf in log.scan()]


@pytest.mark.parametrize(
    ("size", "epoch"), [(1, 1), (5, 1), (6, 1), (7, 2), (10, 2), (11, 2), (12, 3), (99, 3)]
)
def test_the_handover_is_signed_by_the_key_before(size: int, epoch: int) -> None:
    assert epoch_of(size, [5, 10]) == epoch


def test_a_rotation_hands_over_and_destroys_the_key_before(home: Path) -> None:
    keys = home / "audit" / "keys"
    with open_test_log(home) as log:
        first = log.verifier_key
        log.append(question(1))
        record = log.rotate_key(ANN)
        second = log.verifier_key
        assert first != second
        assert private_epochs(keys) == (2,)
        notes = dict(log.checkpoints())
        assert open_checkpoint(notes[record.seq + 1].encode(), [first]).size == record.seq + 1
        with pytest.raises(CheckpointError):
            open_checkpoint(notes[record.seq + 1].encode(), [second])
        log.append(question(2))
        newest = log.seal().encode()
        assert open_checkpoint(newest, [second]).size == log.size()
        with pytest.raises(CheckpointError):
            open_checkpoint(newest, [first])
        fields = json.loads(log.leaf(record.seq).envelope)["fields"]
        assert fields == {
            "epoch": 2,
            "verifier_key": second.text(),
            "previous_key": first.text(),
        }
        assert "key.destroyed" in _types(log)
        assert open_text(log.sign("a statement\n").encode(), [second])[0] == "a statement\n"
    assert read_verifier_keys(keys) == (first, second)
    # The first public key alone suffices to follow the chain.
    report = verify_log(home / "audit", [first])
    assert (report.state, report.findings) == (State.OK, ())


def test_an_old_key_is_replaced_by_itself(home: Path) -> None:
    limits = Limits(rotate_days=90)
    with open_test_log(home, limits=limits) as log:
        assert "key.rotated" not in _types(log)
    real = time.time_ns
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(time, "time_ns", lambda: real() + 91 * 86_400 * 10**9)
        with open_test_log(home, limits=limits) as log:
            assert _types(log).count("key.rotated") == 1
        with open_test_log(home, limits=limits) as log:
            assert _types(log).count("key.rotated") == 1


def test_a_log_goes_on_under_a_key_that_another_process_began(home: Path) -> None:
    with open_test_log(home) as one, open_test_log(home) as other:
        one.append(question(1))
        other.rotate_key()
        one.append(question(2))
        assert open_checkpoint(one.seal().encode(), [other.verifier_key]).size == one.size()
    assert verify_home(home).state is State.OK


def test_without_the_private_key_in_force_nothing_is_signed(home: Path) -> None:
    with open_test_log(home) as log:
        log.rotate_key()
    (home / "audit" / "keys" / "epoch-2.key").unlink()
    with pytest.raises(LogIncompleteError, match=r"epoch-"):
        open_test_log(home)


def test_private_keys_may_lie_elsewhere(home: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "volume"

    def opened() -> Log:
        folder = home / "audit"
        return Log(folder, build="t", process="t", limits=Limits(), key_folder=elsewhere)

    with opened() as log:
        log.append(question())
        log.rotate_key()
    assert private_epochs(elsewhere) == (2,)
    assert private_epochs(home / "audit" / "keys") == ()
    assert len(read_verifier_keys(home / "audit" / "keys")) == 2
    with opened() as log:
        log.append(question())
    assert verify_home(home).state is State.OK


def _die_in_rotation(home: Path, place: str) -> None:
    log = open_test_log(home)

    def stop(*_: object, **__: object) -> None:
        os._exit(9)

    targets: dict[str, Callable[[], None]] = {
        "before the record": lambda: setattr(log, "_commit", stop),
        "before the key is destroyed": lambda: setattr(log, "_destroy_outdated", stop),
        "before the destruction is recorded": lambda: setattr(log, "append_many", stop),
    }
    targets[place]()
    log.rotate_key()


@pytest.mark.parametrize(
    ("place", "rotations"),
    [
        ("before the record", 0),
        ("before the key is destroyed", 1),
        ("before the destruction is recorded", 1),
    ],
)
def test_a_rotation_cut_short_is_finished_by_the_next_opening(
    home: Path, place: str, rotations: int
) -> None:
    child = multiprocessing.get_context("fork").Process(target=_die_in_rotation, args=(home, place))
    child.start()
    child.join()
    assert child.exitcode == 9
    with open_test_log(home) as log:
        log.append(question())
        assert _types(log).count("key.rotated") == rotations
        in_force = 1 + rotations
        assert private_epochs(home / "audit" / "keys") == (in_force,)
        log.rotate_key()
        assert private_epochs(home / "audit" / "keys") == (in_force + 1,)
    assert verify_home(home).state is State.OK
