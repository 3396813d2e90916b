"""Upkeep goes on, tells a failure once, and never ends the service."""

from __future__ import annotations

import threading

from ui.upkeep import Upkeep


def test_a_failing_task_is_told_once_and_tried_again() -> None:
    calls: list[int] = []
    told: list[str] = []
    enough = threading.Event()

    def task() -> None:
        calls.append(len(calls))
        if len(calls) >= 6:
            enough.set()
        if len(calls) in (1, 2, 4):
            raise OSError("the index is away")

    with Upkeep(task, 0.001, told.append):
        assert enough.wait(30)
    assert len(told) == 2  # once for the first two failures, once more after a success
    assert all("the index is away" in sentence for sentence in told)


def test_it_ends_with_the_block() -> None:
    started = threading.Event()
    with Upkeep(started.set, 0.001, print):
        assert started.wait(30)
    assert not any(thread.name == "upkeep" for thread in threading.enumerate())
