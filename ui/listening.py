"""Where a server of ours may listen: an address of this machine that the world cannot reach."""

from __future__ import annotations

import ipaddress
import socket

from ui.errors import PortTaken, SettingsError


def checked_address(host: str, what: str = "The chat") -> str:
    """The address to listen on; there is no 'every address', and none that the world can reach.

    `what` names the server that is told of. Raises SettingsError: no address, or not a loopback or
    private one of IPv4.
    """
    try:
        address = ipaddress.IPv4Address("127.0.0.1" if host == "localhost" else host)
        allowed = not address.is_unspecified and (address.is_loopback or address.is_private)
    except ValueError:
        allowed = False
    if not allowed:
        raise SettingsError(
            f"{what} does not listen on {host}: set `host` in the [ui] table of cloister.toml to "
            "127.0.0.1 and reach it through an SSH tunnel, or to a private address of a network "
            "that only trusted machines share."
        )
    return str(address)


def is_loopback(address: str) -> bool:
    """Whether only programs of this machine can reach the address."""
    return ipaddress.IPv4Address(address).is_loopback


def opened(address: str, port: int) -> socket.socket:
    """A socket that listens there: whoever connects from now on waits until it is served.

    Raises PortTaken if another program listens there, or this account may not.
    """
    try:
        return socket.create_server((address, port), backlog=128)
    except OSError as error:
        raise PortTaken(
            f"Port {port} cannot be used ({error.strerror}); choose a free one with --port."
        ) from error
