"""Delivery over real sockets: framing, what counts as delivered, and where nothing may go."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from audit.checkpoint import open_checkpoint
from audit.delivery import Address, deliver, is_private, parse_address
from audit.errors import SettingsError
from audit.errors_duties import DeliveryError
from audit.syslog import checkpoint_message, notes_in
from tests.audit.receivers import Receiver, frames, tcp_receiver, udp_receiver, unix_receiver
from tests.audit.standins import open_test_log, question

_MESSAGES = [b"<109>1 one", "zwei \u2713".encode(), b"3 " * 4000]


@pytest.mark.parametrize("kind", ["tcp", "udp", "stream", "datagram"])
def test_each_kind_of_socket_gets_every_message(tmp_path: Path, kind: str) -> None:
    receivers: dict[str, AbstractContextManager[Receiver]] = {
        "tcp": tcp_receiver(),
        "udp": udp_receiver(),
        "stream": unix_receiver(tmp_path / "s", socket.SOCK_STREAM),
        "datagram": unix_receiver(tmp_path / "d", socket.SOCK_DGRAM),
    }
    with receivers[kind] as receiver:
        address = parse_address(receiver.address, "here")
        assert address.text() == receiver.address
        deliver(address, _MESSAGES, 5, counted=True)
        if kind in ("udp", "datagram"):
            assert receiver.wait_for(3) == _MESSAGES
        elif kind == "tcp":
            assert frames(receiver.wait_for(1)[0]) == _MESSAGES
            deliver(address, _MESSAGES, 5, counted=False)
            assert receiver.wait_for(2)[1].split(b"\n") == [*_MESSAGES, b""]
        else:
            assert receiver.wait_for(1)[0].split(b"\n") == [*_MESSAGES, b""]


def test_a_server_that_breaks_off_has_received_nothing(tmp_path: Path) -> None:
    with tcp_receiver() as receiver:
        receiver.broken = 1
        address = parse_address(receiver.address, "here")
        with pytest.raises(DeliveryError) as caught:
            deliver(address, [b"x" * 100_000], 5, counted=True)
        assert caught.value.code == "UNREACHABLE"
        deliver(address, [b"again"], 5, counted=True)
        assert receiver.wait_for(1) == [b"5 again"]
    for gone in (receiver.address, f"unix:{tmp_path}/none", "udp:127.0.0.1:9"):
        with pytest.raises(DeliveryError) as caught:
            deliver(parse_address(gone, "here"), [b"x"], 5, counted=True)
        assert caught.value.code == "UNREACHABLE"


@contextmanager
def _deaf() -> Iterator[Address]:
    """A server that accepts and never reads, with as little room as the system gives."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield Address("tcp", host="127.0.0.1", port=server.getsockname()[1])


def test_a_server_that_does_not_read_is_given_up() -> None:
    with _deaf() as address, pytest.raises(DeliveryError) as caught:
        deliver(address, [b"x" * 20_000_000], 0.2, counted=True)
    assert caught.value.code == "TIMEOUT"


def test_a_server_that_reads_and_never_closes_is_believed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []
        thread = threading.Thread(target=lambda: held.append(server.accept()[0]))
        thread.start()
        address = Address("tcp", host="127.0.0.1", port=server.getsockname()[1])
        deliver(address, [b"x"], 0.3, counted=True)
        thread.join()
        assert held[0].recv(10) == b"1 x"
        held[0].close()


@pytest.mark.parametrize(
    "text",
    [
        *("", "514", "/dev/log", "unix:dev/log", f"unix:/{'x' * 120}", "udp:", "tcp:host"),
        *("tcp:host:0", "tcp:host:65536", "tcp:a b:5", "http://host:5", "tcp:host:5/x"),
        *("tcp:8.8.8.8:514", "udp:[2001:4860:4860::8888]:514", "tcp:[::ffff:8.8.8.8]:514"),
        *("tcp:169.254.169.254:80", "tcp:0.0.0.0:514", "udp:255.255.255.255:514"),
    ],
)
def test_a_bad_or_outside_address_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_address(text, "anchor_syslog")
    assert str(caught.value).startswith("anchor_syslog: ")
    assert caught.value.exit_code == 3


def test_what_a_name_resolves_to_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 9))
    outside = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 9))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [inside, outside])
    with pytest.raises(DeliveryError, match=r"93\.184\.216\.34") as caught:
        deliver(parse_address("tcp:siem:9", "--to"), [b"x"], 5, counted=True)
    assert caught.value.code == "REFUSED"
    assert [is_private(each) for each in ("10.1.2.3", "192.168.0.1", "fd00::1", "::1")] == [
        True
    ] * 4
    assert not any(map(is_private, ("172.32.0.1", "100.64.0.1", "fe80::1", "192.0.2.1")))


def test_a_checkpoint_is_found_again_in_a_syslog_file(home: Path) -> None:
    with open_test_log(home) as log:
        notes = []
        for number in range(3):
            log.append(question(number))
            notes.append(log.seal())
        keys = log.trusted_keys
    sent = [
        checkpoint_message(note, moment=1_700_000_000_123_456_789, process="7") for note in notes
    ]
    assert sent[0].startswith(b"<109>1 2023-11-14T22:13:20.123456Z ")
    assert all(b"\n" not in each and each.isascii() for each in sent)
    kept = b"Nov 14 host other[1]: hello\n" + b"\n".join(b"Nov 14 host " + each for each in sent)
    found = notes_in(kept + b'\n x cloister 7 checkpoint [] {"note":"A"}\n')
    assert found == [note.encode() for note in notes]
    assert [open_checkpoint(note, keys).size for note in found] == [
        int(note.split("\n")[1]) for note in notes
    ]
