"""The hardened mode: a daemon that alone writes, and what an account may ask of it."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from audit import review, wire
from audit.daemon import Daemon, Grant
from audit.errors import (
    AuditError,
    EnvelopeTooLargeError,
    LogClosedError,
    LogLockedError,
    PayloadErasedError,
    PayloadFormatError,
    RecordNotFoundError,
)
from audit.errors_duties import DaemonUnreachableError, HoldsChangedError, NotGrantedError
from audit.log import Log
from audit.ports import AuditLog
from audit.record import Event
from audit.remote import RemoteLog
from audit.report import State
from audit.store import Filter
from tests.audit.standins import ANN, open_test_log, question, verify_home


@contextmanager
def _serving(home: Path, path: Path, grant: Grant = Grant.MANAGE) -> Iterator[Daemon]:
    """A daemon in a thread; `grant` is what this very account may do."""
    log = open_test_log(home)
    served = Daemon(log, path, {os.getuid(): grant})
    thread = threading.Thread(target=served.serve)
    thread.start()
    try:
        yield served
    finally:
        served.stop()
        thread.join()
        log.close()


def _connect(path: Path) -> RemoteLog:
    return RemoteLog(path, build="client 2", process="pytest", timeout_ms=5000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "audit.sock"


def test_a_client_records_and_the_kernel_says_who_it_is(home: Path, path: Path) -> None:
    with _serving(home, path), _connect(path) as remote:
        record = remote.append(question(1))
        assert remote.leaf(record.seq).event_id == record.event_id
        writer = review.show(remote, ANN, record.seq).envelope["writer"]
        assert writer == {
            "pid": os.getpid(),
            "uid": os.getuid(),
            "process": "pytest",
            "build": "client 2",
        }
        assert remote.appended() == {"question.received": 1, "log.viewed": 1}
    report = verify_home(home)
    assert report.state is State.OK


def test_a_client_offers_what_the_log_offers(home: Path, path: Path) -> None:
    """Each reading through the socket gives what the log itself gives."""
    with _serving(home, path) as served, _connect(path) as remote:
        log: Log = served._log
        remote.append_many([question(number) for number in range(700)])
        remote.seal()
        remote.append(question(700))
        assert remote.log_id == log.log_id
        assert remote.origin == log.origin
        assert remote.folder == log.folder
        assert remote.verifier_key == log.verifier_key
        assert remote.trusted_keys == log.trusted_keys
        assert remote.size() == log.size()
        assert list(remote.scan()) == list(log.scan())
        assert list(remote.scan(600, 650)) == list(log.scan(600, 650))
        assert remote.range(3, 9) == log.range(3, 9)
        for chosen in (Filter(type="question.*", limit=3), Filter(contains="r69", limit=9)):
            assert remote.leaves(chosen) == log.leaves(chosen)
        assert remote.first_of("log.opened") == log.first_of("log.opened")
        assert remote.first_of("no.such") is None
        assert remote.node(3, 1) == log.node(3, 1)
        assert remote.checkpoints() == log.checkpoints()
        assert remote.newest_checkpoint() == log.newest_checkpoint()
        assert remote.counters() == log.counters()
        assert remote.requests_without("question.received", "answer.") == 701
        assert remote.stored_payload(5) == log.stored_payload(5)
        assert remote.read_payload(5) == log.read_payload(5) == {"question": "What is rule 2?"}
        leaf = remote.leaf(5)
        assert remote.payload_key(leaf) == log.payload_key(leaf)
        assert remote.payload_key(remote.leaf(0)) is None
        assert not remote.payload_erased(leaf)
        assert remote.destroy_payload_keys([leaf]) == 1
        assert remote.payload_erased(leaf)
        with pytest.raises(PayloadErasedError):
            remote.read_payload(5)
        record = remote.prune([6], Event("retention.pruned", ANN), lambda: None)
        assert remote.pruned() == log.pruned()
        assert record.type == "retention.pruned"
        assert remote.rotate_key(ANN).type == "key.rotated"
        assert remote.sign("a text\n").startswith("a text\n")
    assert verify_home(home).state in (State.OK, State.TAMPERED)  # see test_verify for pruned ones


def test_both_fulfil_the_port(home: Path, path: Path) -> None:
    with _serving(home, path) as served, _connect(path) as remote:
        both: list[AuditLog] = [served._log, remote]
        assert [each.log_id for each in both] == [remote.log_id] * 2


def test_failures_arrive_as_what_they_are(home: Path, path: Path) -> None:
    with _serving(home, path), _connect(path) as remote:
        with pytest.raises(RecordNotFoundError) as caught:
            remote.leaf(99)
        assert caught.value.exit_code == 2
        assert "no record 99" in str(caught.value)
        with pytest.raises(EnvelopeTooLargeError):
            remote.append(Event("step.done", ANN, {"text": "x" * 70_000}))
        with pytest.raises(PayloadFormatError):
            remote.append(Event("step.done", ANN, {}, {"x": object()}))
        remote.append(Event("step.done", ANN, {}, {"file": "caf\udce9"}))
    remote.close()
    with pytest.raises(LogClosedError):
        remote.append(question())


@pytest.mark.parametrize(
    ("grant", "may"),
    [(Grant.NONE, 0), (Grant.WRITE, 1), (Grant.READ, 2), (Grant.MANAGE, 3)],
)
def test_an_account_may_do_what_it_was_granted(
    home: Path, path: Path, grant: Grant, may: int
) -> None:
    with _serving(home, path) as served:
        served._grants = {os.getuid(): grant}
        wanted = ("append", "read_clear", "read_payload")
        done = []
        try:
            with _connect(path) as remote:
                seq = remote.append(question()).seq
                done.append("append")
                remote.leaf(seq)
                done.append("read_clear")
                remote.read_payload(seq)
                done.append("read_payload")
        except NotGrantedError as error:
            assert "audit log" in str(error)
        assert tuple(done) == wanted[:may]


def test_without_a_daemon_nothing_is_recorded(home: Path, path: Path) -> None:
    with pytest.raises(DaemonUnreachableError, match="cloister audit daemon"):
        _connect(path)
    with _serving(home, path):
        remote = _connect(path)
        remote.append(question(1))
    with pytest.raises(DaemonUnreachableError):
        remote.append(question(2))
    with _serving(home, path):  # started again: the old client finds its way
        assert remote.append(question(3)).type == "question.received"
    remote.close()
    assert verify_home(home).state is State.OK


def test_there_is_one_daemon_at_a_socket_and_a_dead_ones_is_taken_over(
    home: Path, path: Path, tmp_path: Path
) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with _serving(home, path):
        with open_test_log(tmp_path / "other") as other, pytest.raises(LogLockedError):
            Daemon(other, path, {})
        with _connect(path) as remote:
            remote.append(question())
    assert not path.exists()


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00\x00\x00\x05{}",
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x02[]",
        b"\x00\x00\x00\x04nope",
        b"\x00\x00\x00\x00",
    ],
)
def test_noise_ends_the_connection_and_nothing_else(home: Path, path: Path, raw: bytes) -> None:
    with _serving(home, path):
        with socket.socket(socket.AF_UNIX) as noise:
            noise.connect(str(path))
            noise.sendall(raw)
            noise.shutdown(socket.SHUT_WR)
            noise.settimeout(5)
            assert noise.recv(1) == b""
        with _connect(path) as remote:
            remote.append(question())


@pytest.mark.parametrize(
    "said",
    [
        {"do": "shutdown"},
        {"do": "append"},
        {"do": "append", "events": 3},
        {"do": "append", "events": [{"type": "x"}]},
        {"do": "leaf", "key": None},
        {"do": "leaves", "filter": [1, 2]},
        {"do": "batch", "first": "a", "last": 3},
        {"do": "node", "level": 10**30, "position": 1},
    ],
)
def test_a_malformed_request_is_answered_in_one_sentence(
    home: Path, path: Path, said: dict[str, object]
) -> None:
    with _serving(home, path), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.settimeout(5)
        wire.send(client, said)
        reply = wire.receive(client)
        assert reply is not None
        assert isinstance(wire.to_error(reply), AuditError)
        wire.send(client, {"do": "size"})  # the connection goes on
        assert "ok" in (wire.receive(client) or {})


def test_a_hold_placed_meanwhile_stops_pruning(home: Path, path: Path) -> None:
    with _serving(home, path), _connect(path) as remote:
        remote.append(question(1))
        remote.seal()

        def held() -> None:
            remote.append(Event("hold.placed", ANN))

        with pytest.raises(HoldsChangedError):
            remote.prune([2], Event("retention.pruned", ANN), held)
        assert remote.pruned() == ()


def test_many_threads_share_a_few_connections(home: Path, path: Path) -> None:
    with _serving(home, path) as served, _connect(path) as remote:
        threads = [
            threading.Thread(target=lambda n=n: remote.append(question(n)))  # type: ignore[misc]
            for n in range(300)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert remote.counters()["question.received"] == 300
        assert len(served._connections) <= 16
    assert verify_home(home).state is State.OK
