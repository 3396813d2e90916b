"""One attack of each kind that `benchmarks/audit_attacks.py` makes 10,000 of, and what it says."""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from audit.report import Report, State
from audit.verify import verify_log
from benchmarks.audit_attack_base import Base, make_base
from benchmarks.audit_attack_views import HIDING, looked_at, may_say
from benchmarks.audit_attackers import ATTACKS, CHANGES, REPAIRS, Scene
from benchmarks.audit_attacks import REGISTERED, attempt, staged
from benchmarks.audit_clean import judge, make_histories
from tests.audit.standins import PRUNED, days_ago, open_test_log, verify_home, written_log

_MEMORY_DISK = Path("/dev/shm")  # noqa: S108 - a folder of the fixture's own is made in it
_LOGS = 10


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the logs lie: in memory where that is possible, as they are synced often."""
    if _MEMORY_DISK.is_dir():
        with tempfile.TemporaryDirectory(prefix="cloister-attacks-", dir=_MEMORY_DISK) as made:
            yield Path(made)
    else:
        yield tmp_path_factory.mktemp("attacks")


@pytest.fixture(scope="module")
def bases(place: Path) -> Sequence[Base]:
    """Logs to be attacked."""
    return [make_base(place / f"base-{number}", number) for number in range(_LOGS)]


def _some() -> list[str]:
    """Every attack, but of those that change the history each change with two repairs only."""
    changes = {
        f"{change}: {tuple(REPAIRS)[(place * step + step) % len(REPAIRS)]}"
        for place, change in enumerate(CHANGES)
        for step in (1, 3)
    }
    histories = {f"{change}: {how}" for change in CHANGES for how in REPAIRS}
    return [name for name in ATTACKS if not ATTACKS[name].apart and name not in histories - changes]


def test_all_modules_register_their_attacks() -> None:
    assert len(ATTACKS) > 150
    assert {work.work.__module__ for work in ATTACKS.values()} >= {
        module.__name__ for module in REGISTERED
    }


@pytest.mark.parametrize("name", _some())
def test_an_attack_before_the_anchor_is_detected(
    bases: Sequence[Base], place: Path, name: str
) -> None:
    outcome = attempt(bases, ATTACKS[name], zlib.crc32(name.encode()), place)
    assert outcome.detected, outcome


def _left(bases: Sequence[Base], place: Path, name: str) -> Report:
    """What the verifier says of a log after an attack that cannot be called one."""

    def act(scene: Scene) -> Report:
        ATTACKS[name].work(scene)
        anchor = [("anchor", scene.anchor[1].encode())]
        return verify_log(scene.folder, scene.keys, anchor, kept_for=scene.kept_for)

    return staged(bases, 5, place, act)


@pytest.mark.parametrize("name", [name for name in ATTACKS if ATTACKS[name].apart])
def test_what_one_checkpoint_cannot_show_is_told_by_the_report(
    bases: Sequence[Base], place: Path, name: str
) -> None:
    report = _left(bases, place, name)
    assert report.state is not State.TAMPERED
    said: dict[str, Callable[[], bool]] = {
        "declared pruned": lambda: "were removed after it" in report.explanation(),
        "clock set back": lambda: "The clock went backwards" in report.explanation(),
        "tail: changed, and": lambda: report.state is State.UNSEALED_TAIL,
        "tail: WAL cut": lambda: report.state in (State.TORN_TAIL, State.UNSEALED_TAIL, State.OK),
    }
    for beginning, holds in said.items():
        assert not name.startswith(beginning) or holds()
    assert "Not proven: that the records from number" in report.explanation()


@pytest.mark.parametrize("name", HIDING)
def test_a_view_says_that_something_was_hidden(
    bases: Sequence[Base], place: Path, name: str
) -> None:
    ways = staged(bases, 3, place, lambda scene: looked_at(scene, name))
    assert ways
    assert [way for way, said in ways.items() if not may_say(name, way, said)] == []


def test_a_pruning_is_signed_in_the_same_transaction(home: Path) -> None:
    with days_ago(9):
        written_log(home)
    with open_test_log(home) as log:
        log.seal()
        record = log.prune([2, 4], PRUNED)
        newest = log.newest_checkpoint()
        assert newest is not None
        assert newest[0] == record.seq + 1
        assert verify_home(home).state is State.OK


@pytest.mark.slow
def test_clean_and_crashed_logs_are_not_called_tampered_with(place: Path) -> None:
    good = {state.value for state in State} - {State.TAMPERED.value}
    for number in range(2):
        histories = make_histories(place / f"clean-{number}", number)
        for history in histories:
            if not history.how.startswith("careless"):
                for variant in ("as it was", "without shared memory", "torn end"):
                    outcome = judge(history, variant, number, place)
                    assert outcome.verdict in good, outcome
