"""Fetching a model: the only code of the assistant that may reach beyond the premises.

It does so when a person asks for it by `cloister models fetch`, never by itself, and never on a
home that is marked air-gapped. What is about to be reached is recorded first, each redirect too.
Certificates are checked, and nothing of the environment is heeded (proxies, .netrc).

What comes is untrusted: its length is held against the free disk, its first bytes against GGUF's,
its digest against the publisher's if that was given. It never runs. An interrupted download goes on
where it stopped if the server can prove that the file is still the same one (a strong ETag), or
the digest was given; else it starts over.
"""

from __future__ import annotations

import contextlib
import os
import re
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx

from assistant.errors import FetchFailed, ModelUnreadable
from assistant.fetch_address import Address, redirected, refuse_air_gapped
from assistant.fetch_part import Part
from assistant.shelf import Shelf
from assistant.shelf_files import RESERVE, disk_errors, free_bytes, refuse_too_large
from assistant.shelving import (
    About,
    Added,
    Arrived,
    Record,
    name_for,
    pin,
    refuse_taken,
    refuse_unknown_format,
)

MOST_REDIRECTS = 5
TRIES = 4  # broken connections in a row, without further bytes in between
CHECK_BYTES = 64 << 20  # the free disk is looked at once in so many bytes
MAGIC = b"GGUF"
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")
_LENGTH = re.compile(r"[0-9]{1,18}")
_STRONG = re.compile(r'"[\x21\x23-\x7e]{1,200}"')  # an ETag that is not weak (RFC 9110, 8.8.3)


@dataclass(frozen=True, slots=True)
class Way:
    """How to get there. `proxy` is an address of one, empty: none. `ca` is the PEM file of the only
    authority that may have signed the certificate, None: those that the machine trusts."""

    proxy: str = ""
    ca: Path | None = None
    connect_seconds: float = 20.0
    silent_seconds: float = 60.0


class Download:
    """One file on its way from one address to the shelf. Use it as a context manager.

    First `begin`, which records and connects; then `part` and `remote` say what is coming; then
    `finish`.
    """

    def __init__(
        self,
        home: Path,
        address: Address,
        about: About,
        record: Record,
        *,
        air_gapped: bool,
        way: Way | None = None,
        moved: Callable[[Address], None] = lambda _: None,
        free: Callable[[Path], int] = free_bytes,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`moved` is told of each redirect before it is followed. Opens nothing yet.

        Raises ShelfError if the home is air-gapped, the name taken or the chat format unknown.
        """
        refuse_air_gapped(home, air_gapped)
        refuse_unknown_format(about.chat_format)
        self.shelf = Shelf(home)
        self.remote = address  # where the bytes come from, after redirects
        self._address, self._record, self._moved = address, record, moved
        self._free, self._sleep, self._way = free, sleep, way or Way()
        self._about = replace(about, name=name_for(about.name, address.file_name))
        if not about.sha256:  # with a digest, the same file may turn out to lie there already
            refuse_taken(self.shelf, self._about.name)
        self._open = contextlib.ExitStack()
        self._part: Part | None = None
        self._client: httpx.Client | None = None
        self._response: httpx.Response | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    @property
    def part(self) -> Part:
        """What is here of the file, and how large it will be."""
        if self._part is None:
            raise RuntimeError("begin() comes first")
        return self._part

    def begin(self) -> None:
        """Record what will be reached, then reach it, up to the file's first byte.

        Nothing is reached if an earlier try has left all of it. Raises ShelfError, FetchFailed,
        OSError, and what `record` raises.
        """
        folder = self.shelf.folder
        with disk_errors(folder):
            part = self._part = Part(folder, self._address.url)
            self._open.callback(part.close)
            if not part.whole and not self._can_go_on:
                part.start_over()
            self._told(self._address, 0)
            if part.whole:
                return
            self._client = self._open.enter_context(_client(self._way))
            self._response = self._ask()
            missing = max(0, (part.total or 0) - part.have)
            refuse_too_large(folder, self._about.name, missing, self._free)

    def finish(self, progress: Callable[[int, int | None], None] = lambda *_: None) -> Added:
        """Take the rest, check it and put it onto the shelf; `progress` gets what is here and the
        whole, in bytes.

        Raises ShelfError, FetchFailed, ModelUnreadable, OSError, and what `record` raises.
        """
        part, wanted = self.part, self._about.sha256
        with disk_errors(self.shelf.folder):
            if not part.whole:
                self._receive_all(progress)
            os.fsync(part.file.fileno())
            if wanted and part.sha256 != wanted:
                part.forget()
                raise FetchFailed(
                    f"What came from {self.remote.host} is not the file that you expect (its "
                    f"SHA-256 is {part.sha256}, you gave {wanted}): it was deleted, check the "
                    "address and the digest."
                )
            named = Path(self._address.file_name or self._about.name)
            arrived = Arrived(
                part.path, part.file, part.sha256, part.have, named, source=self._address.shown
            )
            try:
                added = pin(self.shelf, arrived, self._about, self._record)
            except ModelUnreadable:
                part.forget()
                raise
            part.forget()
            return added

    @property
    def _can_go_on(self) -> bool:
        """Whether what is here and what comes next are sure to be parts of one file."""
        return bool(self.part.validator or self._about.sha256)

    def _told(self, address: Address, redirects: int) -> None:
        self._record(
            "model.fetch_asked",
            {
                "host": address.host,
                "path": address.path[:500],
                "redirects": redirects,
                "expected_sha256": self._about.sha256,
                "proxy": urlsplit(self._way.proxy).hostname or "",
                "bytes_here": self.part.have,
            },
        )

    def _ask(self) -> httpx.Response:
        """A response whose body is the file from what is here on."""
        part = self.part
        response = self._get()
        if part.have and response.status_code in (200, 206, 416) and not self._continues(response):
            part.start_over()
            if response.status_code != 200:
                response.close()
                response = self._get()
        if response.status_code != (206 if part.have else 200):
            raise self._refusal(response.status_code)
        if response.headers.get("content-encoding", "identity") != "identity":
            raise FetchFailed(f"{self.remote.host} sends the file packed, unasked: use another.")
        if not part.have:
            length = response.headers.get("content-length", "")
            etag = response.headers.get("etag", "")
            part.note(
                etag if _STRONG.fullmatch(etag) else "",
                int(length) if _LENGTH.fullmatch(length) else None,
            )
        return response

    def _continues(self, response: httpx.Response) -> bool:
        """Whether the body goes on exactly where the file here ends."""
        match = _RANGE.fullmatch(response.headers.get("content-range", ""))
        if response.status_code != 206 or match is None or int(match[1]) != self.part.have:
            return False
        known, self.part.total = self.part.total, int(match[3])
        return known in (None, self.part.total)

    def _refusal(self, status: int) -> FetchFailed:
        host = self.remote.host
        if status in (401, 403):
            return FetchFailed(
                f"{host} does not give the file to everybody (HTTP {status}): get it with a "
                "browser, where you can sign in or accept its licence, and use `cloister models "
                "add FILE.gguf`."
            )
        return FetchFailed(
            f"{host} does not have the file, or not now (HTTP {status}): check the address and "
            "try again."
        )

    def _get(self) -> httpx.Response:
        """Ask for the file from what is here on, following redirects; no body is read yet."""
        headers = {"Accept-Encoding": "identity", "User-Agent": "cloister", "Accept": "*/*"}
        if self.part.have:
            headers["Range"] = f"bytes={self.part.have}-"
            if self.part.validator:
                headers["If-Range"] = self.part.validator
        address = self._address
        for redirects in range(MOST_REDIRECTS + 1):
            self.remote = address
            if self._client is None:
                raise RuntimeError("begin() comes first")
            with _sentences(address):
                request = self._client.build_request("GET", address.url, headers=headers)
                response = self._client.send(request, stream=True)
            self._open.callback(response.close)
            if response.status_code not in (301, 302, 303, 307, 308):
                return response
            response.close()
            address = redirected(address, response.headers.get("location", ""))
            if redirects < MOST_REDIRECTS:
                self._told(address, redirects + 1)
                self._moved(address)
        raise FetchFailed(
            f"{self._address.host} sends on more than {MOST_REDIRECTS} times: give the address "
            "that the file really lies at."
        )

    def _receive_all(self, progress: Callable[[int, int | None], None]) -> None:
        part, tries, most = self.part, 0, self.part.have
        while True:
            try:
                response = self._response or self._ask()
                self._response = None
                with contextlib.closing(response), _sentences(self.remote):
                    self._receive(response, progress)
                if part.total is None or part.whole:
                    return
                raise FetchInterrupted(self.remote, "it sent less than it announced")
            except FetchInterrupted as error:
                tries = 1 if part.have > most else tries + 1
                most = max(most, part.have)
                if tries >= TRIES or not error.passing:
                    raise error.told(part.have, part.total) from error
                if not self._can_go_on:
                    part.start_over()
                self._sleep(2.0**tries / 2)

    def _receive(
        self, response: httpx.Response, progress: Callable[[int, int | None], None]
    ) -> None:
        part, checked = self.part, self.part.have
        for data in response.iter_raw():
            if part.total is not None and part.have + len(data) > part.total:
                part.forget()
                raise FetchFailed(f"{self.remote.host} sends more than it announced: use another.")
            known = part.have >= len(MAGIC)
            part.append(data)
            if not known and part.have >= len(MAGIC) and not part.begins_with(MAGIC):
                part.forget()
                raise FetchFailed(
                    f"What {self.remote.host} sends is no GGUF file (a page about it, perhaps): "
                    "give the address of the file itself."
                )
            if part.have - checked >= CHECK_BYTES:
                checked = part.have
                self._refuse_full_disk()
            progress(part.have, part.total)

    def _refuse_full_disk(self) -> None:
        if self._free(self.shelf.folder) < RESERVE:
            raise FetchFailed(
                f"The disk that holds {self.shelf.folder} is nearly full: what came is kept, free "
                f"some space and run the same command again, or delete {self.part.path.name} in "
                "that folder."
            )


class FetchInterrupted(FetchFailed):
    """The connection broke; what came is good. `passing`: trying again at once may help."""

    def __init__(self, address: Address, why: str, *, passing: bool = True) -> None:
        self._where, self._why, self.passing = address.host, why, passing
        super().__init__(f"{address.host} could not be reached ({why}): try again.")

    def told(self, have: int, total: int | None) -> FetchFailed:
        """The same for a person, with what is here already."""
        if not have:
            return self
        whole = "" if total is None else f" of {total / 1e6:,.0f}"
        return FetchFailed(
            f"The connection to {self._where} broke off ({self._why}) with {have / 1e6:,.0f}"
            f"{whole} MB here: run the same command again to go on."
        )


def _client(way: Way) -> httpx.Client:
    try:
        context = ssl.create_default_context(cafile=None if way.ca is None else str(way.ca))
    except (OSError, ssl.SSLError) as error:
        raise FetchFailed(
            f"The certificate authority {way.ca} cannot be read ({error.strerror or 'no PEM'}): "
            "give a PEM file with --ca."
        ) from error
    if way.proxy and urlsplit(way.proxy).scheme not in ("http", "https"):
        raise FetchFailed("A proxy's address begins with http:// or https://: correct --proxy.")
    return httpx.Client(
        verify=context,
        proxy=way.proxy or None,
        trust_env=False,
        follow_redirects=False,
        timeout=httpx.Timeout(way.silent_seconds, connect=way.connect_seconds),
    )


@contextlib.contextmanager
def _sentences(address: Address) -> Iterator[None]:
    """Turns what httpx raises into our errors."""
    try:
        yield
    except httpx.TimeoutException as error:
        raise FetchInterrupted(address, "it says nothing") from error
    except httpx.ProxyError as error:
        raise FetchInterrupted(address, "the proxy refused", passing=False) from error
    except httpx.TransportError as error:
        if (untrusted := _certificate(error)) is not None:
            raise FetchFailed(
                f"The certificate of {address.host} was not accepted "
                f"({untrusted.verify_message}): check the address, or name the authority that "
                "signed it with --ca; nothing was fetched."
            ) from error
        connecting = isinstance(error, httpx.ConnectError)
        why = "no connection" if connecting else "it broke off"
        raise FetchInterrupted(address, why, passing=not connecting) from error
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise FetchFailed(
            f"{address.host} answers in a way that is not understood ({type(error).__name__}): "
            "use another address."
        ) from error


def _certificate(error: BaseException | None) -> ssl.SSLCertVerificationError | None:
    """The refused certificate behind an error, if that was it."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error
        error = error.__cause__ or error.__context__
    return None
