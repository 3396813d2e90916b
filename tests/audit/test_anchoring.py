"""Checkpoints sent to files, syslog servers and commands: real ones, and ones that fail."""

from __future__ import annotations

import errno
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from audit import anchoring as module
from audit import anchors
from audit.anchoring import ANCHORED, FAILED, Anchoring, last_anchored
from audit.anchors import CommandAnchor, FileAnchor, SyslogAnchor, anchors_from, gather, note_name
from audit.checkpoint import open_checkpoint
from audit.errors import DiskFullError, LogUnreadableError, SettingsError
from audit.errors_duties import DeliveryError
from audit.log import Limits, Log
from audit.record import SYSTEM, Event
from audit.report import State
from audit.store import Filter
from tests.audit.receivers import frames, tcp_receiver
from tests.audit.standins import open_test_log, question, verify_home

_ROOT = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


def _note(size: int) -> str:
    return f"cloister.invalid/log/x\n{size}\n{_ROOT}\n\n\u2014 unsigned\n"


@dataclass
class _Scripted:
    """An anchor that fails with the given codes in turn, then works; or waits for `gate` first."""

    codes: list[str] = field(default_factory=list)
    name: str = "scripted"
    gate: threading.Event | None = None
    sent: list[int] = field(default_factory=list)
    warning: str = ""

    def send(self, note: str, timeout: float) -> str:
        if self.gate is not None:
            self.gate.wait(10)
        self.sent.append(int(note.split("\n")[1]))
        if self.codes:
            raise DeliveryError("it", self.codes.pop(0), "so it is")
        return self.warning


class _Recorded(list[Event]):
    """What was recorded; `raising` is raised once instead."""

    raising: Exception | None = None

    def __call__(self, events: Sequence[Event]) -> None:
        failure, self.raising = self.raising, None
        if failure is not None:
            raise failure
        self.extend(events)

    def told(self) -> list[tuple[str, object, object]]:
        return [(event.type, event.fields["size"], event.fields.get("code")) for event in self]


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.005)
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.02)
    monkeypatch.setattr(module, "GRACE", 0.05)
    monkeypatch.setattr(module, "RECORD_SECONDS", 0.1)


def test_a_file_holds_a_note_that_opens_and_is_never_overwritten(
    home: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    with open_test_log(home) as log:
        log.append(question())
        note = log.seal()
        keys = log.trusted_keys
    anchor = FileAnchor(folder)
    assert [anchor.send(note, 1), anchor.send(note, 1)] == ["", ""]
    (name, content), *others = gather(folder)
    assert (name, others) == (note_name(int(note.split("\n")[1])), [])
    assert open_checkpoint(content, keys).text() == note.split("\n\n")[0] + "\n"
    assert verify_home(home, content).state is not State.TAMPERED
    path = folder / name
    assert path.stat().st_mode & 0o222 == 0
    assert [each.name for each in folder.iterdir()] == [name]
    for held, code in ((note.replace("=", "", 1), "CONFLICT"), (note[:50], "INCOMPLETE")):
        path.unlink()
        path.write_text(held)
        with pytest.raises(DeliveryError) as caught:
            anchor.send(note, 1)
        assert (caught.value.code, path.read_text()) == (code, held)


def test_a_forked_log_is_found_by_the_anchor_folder(home: Path, tmp_path: Path) -> None:
    """The folder's note of the other history is what convicts, and CONFLICT is what is recorded."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    with open_test_log(home) as log:
        size = int(log.seal().split("\n")[1])
        log.append(question())
        sealed = log.seal()
    other = tmp_path / "other"
    with open_test_log(other) as log:
        fork = log.seal()
    assert int(fork.split("\n")[1]) == size
    (folder / note_name(int(sealed.split("\n")[1]))).write_text(fork)
    recorded = _Recorded()
    work = Anchoring([FileAnchor(folder)], 5)
    work.begin(recorded)
    assert [event.fields["code"] for event in work.finish(sealed)] == ["CONFLICT"]


@pytest.mark.parametrize(
    ("number", "code"), [(errno.ENOSPC, "FULL"), (errno.EROFS, "DENIED"), (errno.EIO, "FAILED")]
)
def test_a_full_or_failing_folder_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str
) -> None:
    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched, pytest.raises(DeliveryError) as caught:
        patched.setattr(anchors.os, "fsync", fail)
        FileAnchor(tmp_path).send(_note(1), 1)
    assert caught.value.code == code
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(DeliveryError) as caught:  # an unmounted volume is not created in its place
        FileAnchor(tmp_path / "volume").send(_note(1), 1)
    assert caught.value.code == "UNREACHABLE"
    assert not (tmp_path / "volume").exists()


def test_a_file_system_without_links_is_written_to_directly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    assert FileAnchor(tmp_path).send(_note(3), 1) == ""
    assert gather(tmp_path) == [(note_name(3), _note(3).encode())]


def test_a_command_gets_the_note_and_its_end_counts(tmp_path: Path) -> None:
    out = tmp_path / "o u t"
    script = "import sys; open(sys.argv[1], 'w').write(sys.stdin.read())"
    (anchor,) = anchors_from(
        SimpleNamespace(
            anchor_folder="",
            anchor_syslog="",
            anchor_command=f"'{sys.executable}' -c \"{script}\" '{out}'",
        )
    )
    assert (anchor.name, anchor.send(_note(2), 10)) == ("command", "")
    assert out.read_text() == _note(2)
    for argv, code in ((("false",), "EXIT"), ((str(tmp_path / "no"),), "NOT_FOUND")):
        with pytest.raises(DeliveryError) as caught:
            CommandAnchor(argv).send(_note(2), 10)
        assert caught.value.code == code


def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    alive = tmp_path / "child"
    script = f"sleep 60 & echo $! > {alive}; wait"
    with pytest.raises(DeliveryError) as caught:
        CommandAnchor(("sh", "-c", script)).send(_note(1), 0.3)
    assert caught.value.code == "TIMEOUT"
    child = int(alive.read_text())

    def gone() -> bool:
        try:
            return Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except FileNotFoundError:
            return True

    _until(gone)


def test_the_command_sees_no_setting_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOISTER_INDEX_VECTOR_PASSWORD", "secret")
    out = tmp_path / "out"
    CommandAnchor(("sh", "-c", f"env > {out}")).send(_note(1), 10)
    assert "secret" not in out.read_text()
    assert "PATH=" in out.read_text()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("anchor_folder", "relative/folder"),
        ("anchor_syslog", "tcp:1.1.1.1:514"),
        ("anchor_command", "logger 'unbalanced"),
        ("anchor_command", "  "),
    ],
)
def test_a_bad_setting_is_one_sentence_that_names_it(name: str, value: str) -> None:
    none = {"anchor_folder": "", "anchor_syslog": "", "anchor_command": ""}
    assert anchors_from(SimpleNamespace(**none)) == ()
    with pytest.raises(SettingsError, match=f"^{name}: "):
        anchors_from(SimpleNamespace(**none | {name: value}))


def test_an_outage_is_recorded_once_and_its_end_once() -> None:
    recorded, anchor = _Recorded(), _Scripted(["UNREACHABLE", "TIMEOUT", "UNREACHABLE"])
    work = Anchoring([anchor], 5)
    work.begin(recorded)
    work.offer(_note(10))
    _until(lambda: len(recorded) == 2)
    assert recorded.told() == [(FAILED, 10, "UNREACHABLE"), (ANCHORED, 10, "RECOVERED")]
    assert anchor.sent == [10] * 4
    work.offer(_note(20))
    _until(lambda: len(recorded) == 3)
    assert recorded.told()[2] == (ANCHORED, 20, None)
    assert recorded[2].fields["root"] == "00" * 32
    assert work.finish(_note(20)) == []


def test_only_the_newest_is_sent_by_who_falls_behind_and_others_do_not_wait() -> None:
    gate = threading.Event()
    slow, quick = _Scripted(name="slow", gate=gate), _Scripted(name="quick")
    recorded = _Recorded()
    work = Anchoring([slow, quick], 5)
    work.begin(recorded)
    work.offer(_note(10))
    _until(lambda: len(recorded) == 1)
    for size in range(20, 500, 10):
        work.offer(_note(size))
    _until(lambda: quick.sent[-1] == 490)
    assert slow.sent == []
    gate.set()
    left = work.finish(_note(500))
    assert slow.sent in ([10, 490, 500], [10, 500])
    assert quick.sent[-1] == 500
    told = [*recorded, *left]
    assert [each.fields["size"] for each in told if each.fields["anchor"] == "slow"] == slow.sent


def test_finishing_is_bounded_and_says_what_was_left() -> None:
    hung = _Scripted(name="hung", gate=threading.Event())
    failing = _Scripted(["UNREACHABLE"] * 1000, name="failing")
    work = Anchoring([hung, failing], 0.05)
    work.begin(_Recorded())
    left = work.finish(_note(7))
    assert {(each.fields["anchor"], each.fields["code"]) for each in left} == {
        ("hung", "TIMEOUT"),
        ("failing", "UNREACHABLE"),
    }
    assert failing.sent in ([7], [7, 7])  # once more only if it had failed before the end began
    assert Anchoring([], 5).finish(_note(1)) == []


def test_finishing_does_not_wait_for_a_record_that_its_caller_holds_up() -> None:
    """The log's `close` holds the lock that `append_many` needs."""
    lock, entered = threading.RLock(), threading.Event()

    def record(events: Sequence[Event]) -> None:
        entered.set()
        with lock:
            raise AssertionError(events)

    work = Anchoring([_Scripted()], 5)
    work.begin(record)
    lock.acquire()
    work.offer(_note(10))
    assert entered.wait(10)
    assert [(each.type, each.fields["size"]) for each in work.finish(_note(10))] == [(ANCHORED, 10)]


def test_a_record_that_fails_is_told_to_the_writer_once() -> None:
    recorded = _Recorded()
    recorded.raising = DiskFullError(Path("log.db"))
    work = Anchoring([_Scripted()], 5)
    work.begin(recorded)
    work.offer(_note(10))
    _until(lambda: work._failure is not None)
    assert isinstance(work.failure(), DiskFullError)
    assert work.failure() is None
    work.offer(_note(20))
    _until(lambda: len(recorded) == 1)
    work.finish("")


def test_an_anchor_that_raises_anything_breaks_nothing() -> None:
    class Broken(_Scripted):
        def send(self, note: str, timeout: float) -> str:
            raise ZeroDivisionError

    work = Anchoring([Broken()], 5)
    work.begin(_Recorded())
    assert [each.fields["code"] for each in work.finish(_note(1))] == ["FAILED"]


def test_a_restart_does_not_send_the_same_checkpoint_again(home: Path, tmp_path: Path) -> None:
    with open_test_log(home) as log:
        fields = {"root": "00", "anchor": "file"}
        log.append(Event(ANCHORED, SYSTEM, {**fields, "size": 30}))
        log.append(Event(ANCHORED, SYSTEM, {**fields, "size": 20}))
        log.append(Event(FAILED, SYSTEM, {"size": 90, "anchor": "syslog", "code": "TIMEOUT"}))
        known = last_anchored(log.leaves(Filter(type=ANCHORED)))
    assert known == {"file": 30}
    file, syslog = _Scripted(name="file"), _Scripted(name="syslog")
    work = Anchoring([file, syslog], 5)
    work.begin(_Recorded(), known)
    work.finish(_note(30))
    assert (file.sent, syslog.sent) == ([], [30])


def test_an_idle_log_comes_to_rest() -> None:
    """Each record of anchoring makes a checkpoint due; that alone must not be anchored again."""
    recorded, anchor = _Recorded(), _Scripted(["TIMEOUT"])
    work = Anchoring([anchor, _Scripted(name="other")], 5)
    work.begin(recorded)
    size = 10
    work.offer(_note(size))
    _until(lambda: len(recorded) == 3)
    for _ in range(5):  # what the log would do: checkpoint.signed, then the records, then seal
        size += len(recorded) + 1
        recorded.clear()
        work.offer(_note(size))
    assert anchor.sent == [10, 10]
    work.offer(_note(size + 2))  # one record of somebody else's
    _until(lambda: len(recorded) == 2)
    assert anchor.sent == [10, 10, size + 2]
    work.finish("")


def test_the_anchoring_of_another_process_is_no_news(home: Path) -> None:
    anchor = _Scripted()
    with open_test_log(home) as log:
        work = Anchoring([anchor], 5)
        work.begin(_Recorded(), read=log.range)
        first = log.seal()
        work.offer(first)
        log.append(Event(ANCHORED, SYSTEM, {"size": 1, "root": "", "anchor": "file"}))
        log.append(Event(FAILED, SYSTEM, {"size": 1, "anchor": "syslog", "code": "TIMEOUT"}))
        work.offer(log.seal())
        _until(lambda: len(anchor.sent) == 1)
        log.append(question())
        last = log.seal()
        work.offer(last)
        _until(lambda: len(anchor.sent) == 2)
        assert anchor.sent == [int(first.split("\n")[1]), int(last.split("\n")[1])]
        work.finish("")


def test_a_log_anchors_its_checkpoints_and_rests(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()

    def opened() -> Log:
        work = Anchoring([FileAnchor(folder, home), _Scripted(["TIMEOUT"] * 99, "syslog")], 5)
        return Log(home / "audit", build="b", process="p", limits=Limits(), anchoring=work)

    with opened() as log:
        log.append(question())
        sealed = log.seal()
        _until(lambda: log.counters().get(ANCHORED, 0) == 1)
        log.append(question())
    with opened() as log:
        told = [json.loads(leaf.envelope)["fields"] for leaf in log.leaves(Filter(type=ANCHORED))]
        failed = log.counters()[FAILED]
    notes = gather(folder)
    assert sealed.encode() in [note for _, note in notes]
    assert told[0]["code"] == "SAME_VOLUME"
    assert {each["size"] for each in told} <= {int(name[11:31]) for name, _ in notes}
    assert failed == 1  # of the first run; the second has its own when it ends
    report = verify_home(home, *(note for _, note in notes))
    assert (report.state, report.given_checkpoints) == (State.OK, len(notes))


def test_a_folder_on_the_same_volume_is_noticed_once(tmp_path: Path) -> None:
    recorded = _Recorded()
    work = Anchoring([FileAnchor(tmp_path, tmp_path)], 5)
    work.begin(recorded)
    for number, size in enumerate((10, 20), start=1):
        work.offer(_note(size))
        _until(lambda number=number: len(recorded) == number)  # type: ignore[misc]
    assert recorded.told() == [(ANCHORED, 10, "SAME_VOLUME"), (ANCHORED, 20, None)]
    work.finish("")


def test_syslog_carries_a_checkpoint_that_verifies(home: Path, tmp_path: Path) -> None:
    with open_test_log(home) as log:
        log.append(question())
        note = log.seal()
        keys = log.trusted_keys
    with tcp_receiver() as receiver:
        settings = SimpleNamespace(
            anchor_folder=str(tmp_path), anchor_syslog=receiver.address, anchor_command=""
        )
        file, syslog = anchors_from(settings, home / "audit")
        assert isinstance(syslog, SyslogAnchor)
        assert file.send(note, 5) == "SAME_VOLUME"
        assert syslog.send(note, 5) == ""
        (message,) = frames(receiver.wait_for(1)[0])
    kept = tmp_path / "syslog.txt"
    kept.write_bytes(b"noise\n" + message + b"\n")
    ((name, found),) = gather(kept)
    assert name == "syslog.txt, note 1"
    assert open_checkpoint(found, keys).text() == note.split("\n\n")[0] + "\n"
    with pytest.raises(LogUnreadableError):
        gather(tmp_path / "none")
