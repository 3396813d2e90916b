"""When a watched folder is looked at, and which of its files are whole by then."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from ingest.walk import FoundFile
from ingest.watch import Settling, is_being_written, rounds


def _found(path: Path, size: int = 3, mtime: float = 100.0) -> FoundFile:
    return FoundFile(path.name, path, path.parent.name, size, round(mtime * 1e9))


def _settling(times: list[float]) -> Settling:
    return Settling(2.0, clock=lambda: times[0])


def test_a_file_that_has_lain_still_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("abc")

    assert not _settling([200.0]).waits(_found(path))


def test_a_file_that_grows_waits_until_it_has_been_still(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("abc")
    now = [100.5]
    settling = _settling(now)

    assert settling.waits(_found(path, 3, 100.0))
    now[0] = 102.5
    assert settling.waits(_found(path, 9, 102.4))
    assert settling.again_after() == 2.0
    now[0] = 104.4
    assert settling.waits(_found(path, 9, 102.4))
    now[0] = 104.6
    settling.begin()
    assert not settling.waits(_found(path, 9, 102.4))
    assert settling.again_after() is None


def test_a_file_whose_time_lies_in_the_future_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("abc")
    now = [100.0]
    settling = _settling(now)

    assert settling.waits(_found(path, 3, 9_999.0))
    now[0] = 102.1
    assert not settling.waits(_found(path, 3, 9_999.0))


def test_a_file_that_is_open_for_writing_waits(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with path.open("w") as stream:
        stream.write("abc")
        stream.flush()
        if not is_being_written(path):  # a file system without leases
            return
        assert _settling([500.0]).waits(_found(path))
    assert not is_being_written(path)
    assert not _settling([500.0]).waits(_found(path))


def test_what_is_not_there_is_not_being_written(tmp_path: Path) -> None:
    assert not is_being_written(tmp_path / "gone")


class _Rounds:
    """`rounds` in a thread, counted."""

    def __init__(self, folder: Path, rescan: float, again: float | None = None) -> None:
        self.stop = threading.Event()
        self.count = 0
        self.more = threading.Condition()
        self._thread = threading.Thread(target=self._run, args=(folder, rescan, again))
        self._thread.start()

    def _run(self, folder: Path, rescan: float, again: float | None) -> None:
        for _ in rounds(folder, self.stop, rescan, lambda: again):
            with self.more:
                self.count += 1
                self.more.notify_all()

    def wait(self, count: int) -> bool:
        with self.more:
            return self.more.wait_for(lambda: self.count >= count, timeout=20)

    def end(self) -> None:
        self.stop.set()
        self._thread.join(20)
        assert not self._thread.is_alive()


def test_a_change_makes_a_round(tmp_path: Path) -> None:
    running = _Rounds(tmp_path, rescan=1000)
    try:
        assert running.wait(1)
        deadline = time.monotonic() + 20
        while running.count < 2 and time.monotonic() < deadline:  # the watch may not stand yet
            (tmp_path / "a").write_text(str(time.monotonic()))
            running.wait(2) if running.count >= 2 else time.sleep(0.2)
        assert running.count >= 2
    finally:
        running.end()


def test_rounds_come_by_the_clock_without_a_change(tmp_path: Path) -> None:
    running = _Rounds(tmp_path, rescan=0.1)
    try:
        assert running.wait(3)
    finally:
        running.end()


def test_a_waiting_file_brings_the_next_round_forward(tmp_path: Path) -> None:
    running = _Rounds(tmp_path, rescan=1000, again=0.1)
    try:
        assert running.wait(3)
    finally:
        running.end()


def test_a_folder_that_comes_later_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    running = _Rounds(folder, rescan=0.1)
    try:
        assert running.wait(2)
        folder.mkdir()
        assert running.wait(running.count + 2)
    finally:
        running.end()
