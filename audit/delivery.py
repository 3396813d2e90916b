"""Handing messages over to a syslog server or a SIEM inside the premises.

An address is `unix:/path`, `udp:host:port` or `tcp:host:port` (IPv6 in brackets). Hosts must be
loopback or private (RFC 1918, RFC 4193): a name is judged by what it resolves to, and the
connection goes to the very address that was judged. Link-local addresses are refused, because cloud
machines offer their credentials there.

Each `deliver` is one connection. Over TCP and stream sockets it then ends its sending side and
waits for the peer to end the other: a reader sees that end only after every byte before it, so a
peer that closes in order has read everything, and one that broke off resets the connection.

What this does not prove: that the peer kept what it read. UDP does not even tell of its arrival.
Nothing here is encrypted or authenticated: use it on a network that you trust, or send to a relay
on this machine that does both.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import ipaddress
import os
import re
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from audit.errors import SettingsError
from audit.errors_duties import DeliveryError

_PRIVATE = tuple(
    ipaddress.ip_network(each)
    for each in (
        *("127.0.0.0/8", "::1/128"),
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),  # RFC 1918
        "fc00::/7",  # RFC 4193
    )
)
_HOST_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})", re.ASCII)
_SIOCOUTQ = 0x5411  # Linux, tcp(7): bytes that the peer's TCP has not acknowledged yet
_UDP_ERROR_SECONDS = 0.05  # a refusal by this machine or a near one comes back sooner
CLOSE_SECONDS = 2.0  # how long a peer may take to close; some never do
MAX_UNIX_PATH = 107  # bytes, unix(7)


@dataclass(frozen=True, slots=True)
class Address:
    """Where to send: `kind` is unix (then `path`), udp or tcp (then `host` and `port`)."""

    kind: str
    path: str = ""
    host: str = ""
    port: int = 0

    def text(self) -> str:
        """The address as the settings write it."""
        if self.kind == "unix":
            return f"unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.kind}:{host}:{self.port}"


def parse_address(text: str, source: str) -> Address:
    """The address in `text`; `source` names the setting or option in errors.

    Raises SettingsError for another form, and for an address written as numbers that lies outside.
    """
    kind, _, rest = text.partition(":")
    if kind == "unix" and rest.startswith("/") and len(os.fsencode(rest)) <= MAX_UNIX_PATH:
        return Address("unix", path=rest)
    found = _HOST_PORT.fullmatch(rest)
    if kind not in ("udp", "tcp") or found is None or not 0 < int(found[3]) < 65536:
        why = f"{text!r} is no address; write unix:/dev/log, udp:host:port or tcp:host:port"
        raise SettingsError(source, why)
    host = found[1] or found[2]
    with contextlib.suppress(ValueError):
        if not is_private(host):
            why = f"{host} is neither loopback nor private, and nothing may leave the premises"
            raise SettingsError(source, f"{why}; name a server inside them")
    return Address(kind, host=host, port=int(found[3]))


def is_private(address: str) -> bool:
    """Whether an IP address is loopback or private. Raises ValueError if it is no IP address."""
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found.version == each.version and found in each for each in _PRIVATE)


def deliver(address: Address, messages: Sequence[bytes], timeout: float, *, counted: bool) -> None:
    """Hand over `messages` (each without a line end), in order, within about `timeout` seconds.

    Over a datagram socket each is a datagram. Over TCP each has its length and a space before it
    if `counted` (RFC 6587 section 3.4.1), else a line end after it, as over stream sockets always.
    Raises DeliveryError; then any part of them may have arrived.
    """
    deadline = time.monotonic() + timeout
    with _explained(address):
        if address.kind == "unix":
            _deliver_locally(address, messages, deadline)
        elif address.kind == "udp":
            _deliver_datagrams(address, messages, deadline)
        else:
            framed = counted_frames(messages) if counted else lines(messages)
            with _connected(address, socket.SOCK_STREAM, deadline) as connection:
                _send_all(connection, framed, deadline)


def counted_frames(messages: Sequence[bytes]) -> bytes:
    """RFC 6587 section 3.4.1: each message after its length in bytes and a space."""
    return b"".join(b"%d %s" % (len(message), message) for message in messages)


def lines(messages: Sequence[bytes]) -> bytes:
    """RFC 6587 section 3.4.2: each message and a line end."""
    return b"".join(message + b"\n" for message in messages)


@contextlib.contextmanager
def _explained(address: Address) -> Iterator[None]:
    target = address.text()
    try:
        yield
    except TimeoutError as error:
        raise DeliveryError(
            target, "TIMEOUT", "it did not take everything in time; see whether it is overloaded"
        ) from error
    except socket.gaierror as error:
        why = f"its name cannot be resolved ({error.strerror}); correct it or the name service"
        raise DeliveryError(target, "UNREACHABLE", why) from error
    except OSError as error:
        if error.errno == errno.EMSGSIZE:
            why = "a record does not fit into one datagram; use a tcp: address"
            raise DeliveryError(target, "FAILED", why) from error
        why = f"the connection failed ({error.strerror or error}); see whether it is running"
        raise DeliveryError(target, "UNREACHABLE", why) from error


def _left(deadline: float) -> float:
    """Seconds until `deadline`. Raises TimeoutError when there are none."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _connected(address: Address, kind: socket.SocketKind, deadline: float) -> socket.socket:
    """A socket to the first address that the host resolves to and that answers.

    All of them must be private, so that a name cannot lead outside by turns.
    """
    found = socket.getaddrinfo(address.host, address.port, type=kind)
    for *_, place in found:
        if not is_private(str(place[0]).partition("%")[0]):
            why = f"it resolves to {place[0]}, which is neither loopback nor private"
            raise DeliveryError(address.text(), "REFUSED", f"{why}; name a server inside")
    failure: OSError | None = None
    for family, type_, protocol, _, place in found:
        connection = socket.socket(family, type_, protocol)
        try:
            connection.settimeout(_left(deadline))
            connection.connect(place)
        except OSError as error:
            connection.close()
            failure = error
        else:
            return connection
    raise failure or OSError("it has no address")


def _send_all(connection: socket.socket, content: bytes, deadline: float) -> None:
    connection.settimeout(_left(deadline))
    connection.sendall(content)
    connection.shutdown(socket.SHUT_WR)
    _await_end(connection, min(deadline, time.monotonic() + CLOSE_SECONDS))


def _await_end(connection: socket.socket, until: float) -> None:
    """Wait for the peer to close. One that stays open is believed if its system has it all."""
    while (left := until - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            if not connection.recv(4096):
                return
        except TimeoutError:
            break
    if connection.family == socket.AF_UNIX:
        return  # what was sent is in the peer's own queue
    unacknowledged = struct.unpack("i", fcntl.ioctl(connection, _SIOCOUTQ, b"\0" * 4))[0]
    if unacknowledged > 1:  # the end of sending itself counts as one
        raise TimeoutError


def _deliver_datagrams(address: Address, messages: Sequence[bytes], deadline: float) -> None:
    with _connected(address, socket.SOCK_DGRAM, deadline) as connection:
        for message in messages:
            connection.settimeout(_left(deadline))
            connection.send(message)
        connection.settimeout(_UDP_ERROR_SECONDS)
        with contextlib.suppress(TimeoutError):
            connection.recv(1)  # raises if the port is known to be closed


def _deliver_locally(address: Address, messages: Sequence[bytes], deadline: float) -> None:
    """To a Unix socket of either kind: /dev/log takes datagrams, other listeners are streams."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
        try:
            connection.connect(address.path)
        except OSError as error:
            if error.errno != errno.EPROTOTYPE:
                raise
        else:
            for message in messages:
                connection.settimeout(_left(deadline))
                connection.send(message)
            return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_left(deadline))
        connection.connect(address.path)
        _send_all(connection, lines(messages), deadline)
