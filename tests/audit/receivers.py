"""Servers on this machine that keep what they are sent, or break off: for anchors and streams."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_ABORT = struct.pack("ii", 1, 0)  # SO_LINGER of no time: closing resets the connection


@dataclass
class Receiver:
    """`address` as the settings write it; `received` is what each connection or datagram brought.

    The next `broken` connections are reset after their first bytes.
    """

    address: str
    received: list[bytes] = field(default_factory=list)
    broken: int = 0
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def keep(self, content: bytes) -> None:
        with self.arrived:
            self.received.append(content)
            self.arrived.notify_all()

    def wait_for(self, count: int, seconds: float = 10) -> list[bytes]:
        """What came, once there are `count` connections or datagrams."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.received) >= count, seconds)
            return list(self.received)


@contextlib.contextmanager
def tcp_receiver() -> Iterator[Receiver]:
    """Listens on a free port of 127.0.0.1; reads each connection to its end and closes it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        receiver = Receiver(f"tcp:127.0.0.1:{server.getsockname()[1]}")
        with _served(server, receiver):
            yield receiver


@contextlib.contextmanager
def unix_receiver(path: Path, kind: socket.SocketKind) -> Iterator[Receiver]:
    """Listens on a Unix socket of either kind."""
    with socket.socket(socket.AF_UNIX, kind) as server:
        server.bind(str(path))
        receiver = Receiver(f"unix:{path}")
        if kind == socket.SOCK_STREAM:
            server.listen()
        with _served(server, receiver):
            yield receiver


@contextlib.contextmanager
def udp_receiver() -> Iterator[Receiver]:
    """Listens for datagrams on a free port of 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        receiver = Receiver(f"udp:127.0.0.1:{server.getsockname()[1]}")
        with _served(server, receiver):
            yield receiver


@contextlib.contextmanager
def _served(server: socket.socket, receiver: Receiver) -> Iterator[None]:
    ended = threading.Event()
    server.settimeout(0.02)

    def serve() -> None:
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                if server.type == socket.SOCK_DGRAM:
                    receiver.keep(server.recv(1 << 20))
                else:
                    _take(server.accept()[0], receiver)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(5)


def _take(connection: socket.socket, receiver: Receiver) -> None:
    with connection:
        connection.settimeout(5)
        content = connection.recv(1)
        if receiver.broken:
            receiver.broken -= 1
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
            return
        while piece := connection.recv(1 << 16):
            content += piece
        receiver.keep(content)


def frames(content: bytes) -> list[bytes]:
    """The messages of an octet-counted stream (RFC 6587, 3.4.1), read by the letter."""
    found = []
    while content:
        length, _, rest = content.partition(b" ")
        found.append(rest[: int(length)])
        assert len(found[-1]) == int(length)
        content = rest[int(length) :]
    return found
