"""Which addresses count as inside the premises, and which server may be asked there. Pure.

A server is named by a URL and must lie in one of the networks that a setting lists. The list itself
may name private space only: loopback, RFC 1918, RFC 4193 (unique local IPv6), and RFC 6598
(100.64.0.0/10, which some providers route) if it is listed. Link-local addresses are refused
always: cloud machines offer their credentials there. Plain HTTP is for loopback only.

A name is judged by every address that it resolves to, and the connection goes to one of the very
addresses that were judged, so that a name that resolves otherwise a moment later gains nothing.
What this does not protect against: a listed host that passes on what it is sent.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from assistant.errors import ServerRefused

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

LOOPBACK = ("127.0.0.0/8", "::1/128")
_PRIVATE: tuple[Network, ...] = tuple(
    ipaddress.ip_network(each)
    for each in (
        *LOOPBACK,
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),  # RFC 1918
        "fc00::/7",  # RFC 4193
        "100.64.0.0/10",  # RFC 6598
    )
)
_LOOPBACK = tuple(ipaddress.ip_network(each) for each in LOOPBACK)
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?\.?")
_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """A server's URL, taken apart. `host` is a name or an address without brackets; `base` is the
    path before `/v1`, without a slash at its end."""

    scheme: str
    host: str
    port: int
    base: str

    @property
    def authority(self) -> str:
        """Host and port as a URL writes them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The address in its one spelling, as records name it."""
        return f"{self.scheme}://{self.authority}{self.base}"


def parse_address(url: str) -> ServerAddress:
    """The address in `url`, for example "https://models.bank.example:8443/v1".

    Raises ServerRefused for what is no plain http or https URL: a user name, a query or a fragment
    in it, a host that is not written in ASCII.
    """
    shown = _shown(url)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ServerRefused(shown, "that is no address") from None
    reason = _fault(url, parts)
    if reason:
        raise ServerRefused(shown, reason)
    base = parts.path.rstrip("/").removesuffix("/v1")
    standard = 443 if parts.scheme == "https" else 80
    return ServerAddress(parts.scheme, (parts.hostname or "").rstrip("."), port or standard, base)


def _fault(url: str, parts: SplitResult) -> str:
    """What is wrong with a URL, in words; "" if nothing is."""
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https"):
        return "its address must begin with https:// or http://"
    if parts.username is not None or parts.password is not None:
        return "its address holds a user name or password; use model_api_key_file"
    if parts.query or parts.fragment or "?" in url or "#" in url:
        return "its address goes on after the path"
    if not (_literal(host) is not None or _HOST.fullmatch(host)):
        return "its host is not a name or an address"
    return "" if _PATH.fullmatch(parts.path.rstrip("/")) else "its path is not plain"


def parse_networks(listed: Iterable[str]) -> tuple[Network, ...]:
    """The networks of an allow-list, CIDR notation or single addresses.

    Raises ServerRefused if one cannot be read or does not lie in private space.
    """
    networks: list[Network] = []
    for each in listed:
        try:
            network = ipaddress.ip_network(each.strip())
        except ValueError:
            raise ServerRefused(_shown(each), "model_networks holds no such network") from None
        if not _within(network, _PRIVATE):
            raise ServerRefused(
                str(network), "model_networks may list private networks only, and this is not one"
            )
        networks.append(network)
    return tuple(networks)


def _within(network: Network, wholes: Iterable[Network]) -> bool:
    ends = (network.network_address, network.broadcast_address)
    return any(all(end in whole for end in ends) for whole in wholes)


def judge(address: str, allowed: Sequence[Network]) -> str:
    """Why a connection to `address` is refused, in words; "" if it may be made.

    An IPv4 address inside an IPv6 one (::ffff:10.0.0.1) is judged as the IPv4 address that the
    kernel would connect to.
    """
    found = _literal(address)
    if found is None:
        return f"{_shown(address)} is no address"
    if found.is_link_local:
        return f"{found} is a link-local address"
    if not any(found in network for network in _PRIVATE):
        return f"{found} is not an address inside the premises"
    if not any(found in network for network in allowed):
        return f"{found} is in none of the networks that model_networks lists"
    return ""


def check_literal(server: ServerAddress, allowed: Sequence[Network]) -> None:
    """Refuse at start what needs no look-up to be refused. Raises ServerRefused."""
    if _literal(server.host) is not None:
        admit(server, [server.host], allowed)


def admit(
    server: ServerAddress, addresses: Sequence[str], allowed: Sequence[Network]
) -> tuple[str, ...]:
    """The addresses to connect to, in order, each in plain notation.

    `addresses` is all that the host resolves to; one that is not allowed refuses them all, since a
    name that points inside and outside at once is not to be trusted. Raises ServerRefused.
    """
    if not addresses:
        raise ServerRefused(server.url, "its name resolves to no address")
    for address in addresses:
        reason = judge(address, allowed)
        if reason:
            raise ServerRefused(server.url, reason)
    found = [each for each in map(_literal, addresses) if each is not None]
    if server.scheme != "https" and not all(any(a in n for n in _LOOPBACK) for a in found):
        raise ServerRefused(server.url, "a server on another machine must be asked over https")
    return tuple(dict.fromkeys(str(each) for each in found))


def _literal(text: str) -> _Address | None:
    """The address that `text` spells out, IPv4 taken out of IPv6; None for a name. An address with
    a zone ("fe80::1%eth0") is none that could be allowed."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        if found.scope_id is not None:
            return ipaddress.IPv6Address("fe80::")
        return found.ipv4_mapped or found
    return found


def _shown(text: str) -> str:
    """What somebody wrote, fit to be shown: printable, short, and without a password."""
    plain = "".join(each for each in text if each.isprintable())
    return re.sub(r"//[^/@]*@", "//...@", plain)[:200]
