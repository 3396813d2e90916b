"""As many threads as there are cores that nobody else wants."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant import threads
from assistant.threads import LOOK_SECONDS, Threads, busy_seconds


class Machine:
    """A clock, and cores that we and others keep busy; `others` is what a test sets."""

    def __init__(self, others: float = 0.0) -> None:
        self.at = self.busy = self.own = 0.0
        self.others, self.looks = others, 0

    def passes(self, seconds: float, ours: float = 1.0) -> None:
        self.at += seconds
        self.own += ours * seconds
        self.busy += (ours + self.others) * seconds

    def told(self) -> float | None:
        self.looks += 1
        return self.busy

    def policy(self, most: int, cores: int) -> Threads:
        return Threads(most, cores, self.told, lambda: self.own, lambda: self.at)

    def chosen(self, policy: Threads, looks: int) -> list[int]:
        found = []
        for _ in range(looks):
            found.append(policy.now())
            self.passes(LOOK_SECONDS * 1.01)
            policy.done()
        return found


@pytest.mark.parametrize(
    ("others", "most", "cores", "expected"),
    [
        (0.0, 2, 2, 2),  # nobody but us
        (0.3, 2, 2, 2),  # those whom we answer, reading what we write
        (0.67, 2, 2, 1),  # what one more gets of two cores beside two of ours
        (2.0, 2, 2, 1),
        (0.0, 8, 8, 8),
        (3.0, 8, 8, 5),
        (20.0, 4, 64, 4),  # a container's share of a machine that is far from full
        (0.0, 1, 2, 1),
    ],
)
def test_others_keep_their_cores(others: float, most: int, cores: int, expected: int) -> None:
    machine = Machine(others)
    assert machine.chosen(machine.policy(most, cores), 20)[-1] == expected


def test_threads_come_back_when_the_machine_is_quiet_again() -> None:
    machine = Machine(2.0)
    policy = machine.policy(2, 2)
    assert machine.chosen(policy, 5)[-1] == 1
    machine.others = 0.0
    assert machine.chosen(policy, 5)[-1] == 2


def test_what_others_do_while_nobody_is_answered_does_not_count() -> None:
    machine = Machine()
    policy = machine.policy(2, 2)
    machine.chosen(policy, 5)
    machine.others = 2.0
    machine.passes(0.5, ours=0.0)
    machine.others = 0.0
    assert machine.chosen(policy, 5) == [2] * 5


def test_what_lies_far_back_says_nothing_about_now() -> None:
    machine = Machine(2.0)
    policy = machine.policy(2, 2)
    assert machine.chosen(policy, 20)[-1] == 1
    machine.passes(0.5, ours=0.0)
    assert policy.now() == 1
    machine.passes(3600.0, ours=0.0)
    assert policy.now() == 2


def test_it_looks_seldom() -> None:
    machine = Machine()
    policy = machine.policy(2, 2)
    for _ in range(100):
        policy.now()
        machine.passes(LOOK_SECONDS / 50)
        policy.done()
    assert machine.looks <= 4


def test_a_machine_that_tells_nothing_gives_all() -> None:
    policy = Threads(4, 4, lambda: None)
    assert policy.now() == 4


def test_the_kernels_count_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = busy_seconds()
    assert found is None or found > 0
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 10 20 9000 50 1 2 3 77 0\ncpu0 1 2 3\n")
    monkeypatch.setattr(threads, "_STAT", stat)
    monkeypatch.setattr(threads.os, "sysconf", lambda name: 100)
    assert busy_seconds() == pytest.approx(1.36)
    for text in ("", "cpu one two\n"):
        stat.write_text(text)
        assert busy_seconds() is None
    stat.unlink()
    assert busy_seconds() is None
