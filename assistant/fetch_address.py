"""Which addresses a model may be fetched from, and from which homes at all. Pure but for one look.

Only `https` is spoken; `http` to a literal loopback address is let through, for a mirror behind a
tunnel of this machine: nobody stands between there who could not change the file anyway. A name
such as `localhost` is not, because a resolver decides where that leads.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from assistant.errors import FetchFailed, ShelfError

MARK = "AIR_GAPPED"  # a file of this name in the home keeps it off the network


@dataclass(frozen=True, slots=True)
class Address:
    """Where a file is fetched from. `url` may hold a secret in its query, `shown` does not.

    `host` has the port where it is not the usual one.
    """

    url: str
    scheme: str
    host: str
    path: str

    @property
    def shown(self) -> str:
        return f"{self.scheme}://{self.host}{self.path}"

    @property
    def file_name(self) -> str:
        return unquote(self.path).rpartition("/")[2]


def address_of(url: str) -> Address:
    """The address, if it is one that may be fetched from. Raises FetchFailed."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise FetchFailed("That is no address: give one that begins with https://.") from error
    if not host or any(ord(character) <= 32 for character in url):
        raise FetchFailed("That is no address: give one that begins with https://.")
    if parts.username is not None or parts.password is not None:
        raise FetchFailed("The address holds a name or password: give one without, see --proxy.")
    if parts.scheme != "https" and not (parts.scheme == "http" and _loopback(host)):
        raise FetchFailed(
            f"A model is not fetched over {parts.scheme or 'nothing'!r} (anybody on the way could "
            "change it): give an address that begins with https://."
        )
    named = f"[{host}]" if ":" in host else host
    usual = port in (None, {"https": 443, "http": 80}[parts.scheme])
    url = parts._replace(fragment="").geturl()
    return Address(url, parts.scheme, named if usual else f"{named}:{port}", parts.path or "/")


def refuse_air_gapped(home: Path, setting: bool) -> None:
    """Raise ShelfError if this home is marked air-gapped, by its settings or by the file
    `AIR_GAPPED` in it. A mark that cannot be looked at counts as one."""
    mark = home / MARK
    try:
        mark.lstat()
        why = f"the file {mark} exists"
    except FileNotFoundError:
        why = "`air_gapped = true` in the [assistant] table of cloister.toml" if setting else ""
    except OSError:
        why = f"{mark} cannot be looked at"
    if why:
        raise ShelfError(
            f"This home is marked air-gapped ({why}): carry the file over and use "
            "`cloister models add FILE.gguf`; nothing was connected to."
        )


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def redirected(address: Address, location: str) -> Address:
    """Where a redirect leads. Raises FetchFailed."""
    if not location:
        raise FetchFailed(f"{address.host} sends on to nowhere: use another address.")
    following = address_of(urljoin(address.url, location))
    if following.scheme != address.scheme:
        raise FetchFailed(
            f"{address.host} sends on to {following.scheme}://{following.host}, which is not "
            "followed: give the address that the file really lies at."
        )
    return following
