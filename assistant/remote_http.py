"""HTTP to a server inside the premises, through httpx: bounded, cancellable, and to nowhere else.

Nothing that the environment says is heeded (proxies, .netrc), no redirect is followed, nothing is
unpacked. A host's addresses are looked up for each request, all of them are judged by
`assistant.premises`, and the connection is made to one that was; TLS still checks the certificate
against the name. Whatever comes back is `untrusted` until it has passed a named limit.

Requests run on an event loop in a thread of their own, because that is what can be given up at any
moment: while a name is looked up, a handshake hangs, or a server says nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import stat
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx

from assistant.errors import AssistantError, ServerFailed, ServerRefused
from assistant.premises import Network, ServerAddress, admit

LONGEST_LINE = 256 * 1024  # bytes of one line of an event stream
LONGEST_STREAM = 32 * 1024 * 1024  # bytes of a whole event stream
LONGEST_BODY = 8 * 1024 * 1024  # bytes of a JSON answer: the tokens of a long prompt are numbers
LONGEST_ERROR = 64 * 1024  # bytes that are read of an answer other than 200
LONGEST_KEY = 4096

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Access:
    """How a server is reached and known. `ca` is the PEM file of the only authority that may have
    signed its certificate (None: those the machine trusts), `certificate` and `key` the client's,
    `api_key` what is sent as a bearer token. It may say nothing for `silent_seconds` at most."""

    networks: tuple[Network, ...]
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    api_key: str = ""
    connect_seconds: float = 10.0
    silent_seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer, its length within bounds and nothing else known of it."""

    status: int
    untrusted_body: bytes

    def json(self) -> object:
        """Raises ValueError for what is no JSON."""
        try:
            return json.loads(self.untrusted_body)
        except RecursionError:
            raise ValueError("nested too deeply") from None


# What a stream brings: the data of an event; an answer other than 200; the end; why it broke off.
Arrival = str | Reply | AssistantError | None
Take = Callable[[Arrival], None]


def read_api_key(path: Path) -> str:
    """The key in a file that nobody but its owner may read. Raises ServerRefused."""
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise ServerRefused(str(path), "others may read this key file: chmod 600 it")
            key = file.read(LONGEST_KEY + 1).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ServerRefused(str(path), f"this key file cannot be read: {error}") from None
    if not key or len(key) > LONGEST_KEY or not all("!" <= each <= "~" for each in key):
        raise ServerRefused(str(path), "this key file must hold one line of printable ASCII")
    return key


class Http:
    """One server. Safe to share between threads. Connects to nothing before it is asked to."""

    def __init__(self, server: ServerAddress, access: Access) -> None:
        """Raises ServerRefused if a certificate or key cannot be loaded."""
        self._server = server
        self._access = access
        self._tls = _context(server, access)
        self._headers = {"Host": server.authority, "Accept-Encoding": "identity"}
        if access.api_key:
            self._headers["Authorization"] = f"Bearer {access.api_key}"
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: httpx.AsyncClient | None = None
        self._closed = False

    def exchange(
        self, path: str, body: Mapping[str, object] | None = None, seconds: float = 30.0
    ) -> Reply:
        """GET `path`, or POST `body` as JSON to it; the whole reply within `seconds`.

        Raises ServerFailed, ServerRefused.
        """

        async def run() -> Reply:
            try:
                async with asyncio.timeout(seconds), self._answer(path, body) as response:
                    return await self._whole(response, LONGEST_BODY)
            except TimeoutError:
                raise self._failed(f"no answer within {seconds:g} s") from None

        try:
            return self._submit(run()).result()
        except asyncio.CancelledError:
            raise self._failed("it was closed") from None

    def open(self, path: str, body: Mapping[str, object], take: Take) -> Callable[[], None]:
        """POST `body` and hand each event of the answer to `take`, on the loop's thread; last
        comes one of the other arrivals, unless it is given up first.

        Returns what gives it up: from any thread, any number of times; the connection is closed.
        """

        async def run() -> None:
            async with self._answer(path, body) as response:
                if response.status_code != 200:
                    take(await self._whole(response, LONGEST_ERROR))
                    return
                async for event in self._events(response):
                    take(event)

        def ended(future: Future[None]) -> None:
            if future.cancelled():
                take(self._failed("it was given up"))
                return
            error = future.exception()
            if error is None or isinstance(error, AssistantError):
                take(error)
            else:
                take(self._failed(f"an unforeseen {type(error).__name__}"))

        future = self._submit(run())
        future.add_done_callback(ended)

        def give_up() -> None:
            future.cancel()

        return give_up

    def close(self) -> None:
        """Give up everything under way and let go of the connections."""
        with self._lock:
            self._closed = True
            loop, self._loop = self._loop, None
        if loop is not None:
            with contextlib.suppress(Exception):  # closing is no place to complain
                asyncio.run_coroutine_threadsafe(self._end(), loop).result(5)
            loop.call_soon_threadsafe(loop.stop)

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    def _submit(self, work: Coroutine[object, object, _Result]) -> Future[_Result]:
        with self._lock:
            if self._closed:
                work.close()
                raise self._failed("it was closed")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(
                    target=_run, args=(self._loop,), name="model-server", daemon=True
                ).start()
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _connected(self) -> httpx.AsyncClient:
        """The client; made on the loop's thread, where its connections live."""
        if self._client is None:
            timeout = httpx.Timeout(
                self._access.silent_seconds, connect=self._access.connect_seconds
            )
            self._client = httpx.AsyncClient(
                verify=self._tls, trust_env=False, follow_redirects=False, timeout=timeout
            )
        return self._client

    @contextlib.asynccontextmanager
    async def _answer(
        self, path: str, body: Mapping[str, object] | None
    ) -> AsyncIterator[httpx.Response]:
        """The head of the answer from the first of the host's addresses that can be reached."""
        addresses = await self._addresses()
        with self._mapped():
            response = await self._first(addresses, path, body)
            try:
                if 300 <= response.status_code < 400:
                    raise self._failed("it redirects elsewhere, which is not followed")
                if response.headers.get("content-encoding", "identity") != "identity":
                    raise self._failed("its answer is packed though that was not asked for")
                yield response
            finally:
                await response.aclose()

    async def _first(
        self, addresses: tuple[str, ...], path: str, body: Mapping[str, object] | None
    ) -> httpx.Response:
        client = self._connected()
        for number, address in enumerate(addresses, start=1):
            host = f"[{address}]" if ":" in address else address
            request = client.build_request(
                "GET" if body is None else "POST",
                f"{self._server.scheme}://{host}:{self._server.port}{self._server.base}{path}",
                headers=self._headers,
                json=body,
                extensions={"sni_hostname": self._server.host},
            )
            try:
                return await client.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                if number == len(addresses) or _refused_certificate(error):
                    raise
        raise self._failed("its name resolves to no address")

    async def _addresses(self) -> tuple[str, ...]:
        """Everything that the host resolves to, judged."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._access.connect_seconds):
                found = await loop.getaddrinfo(
                    self._server.host, self._server.port, type=socket.SOCK_STREAM
                )
        except TimeoutError:
            raise self._failed("its name could not be looked up in time") from None
        except (OSError, UnicodeError):
            raise self._failed("its name is not known here", passing=True) from None
        return admit(self._server, [str(each[4][0]) for each in found], self._access.networks)

    async def _whole(self, response: httpx.Response, longest: int) -> Reply:
        untrusted = bytearray()
        async for block in response.aiter_raw():
            untrusted += block
            if len(untrusted) > longest:
                if response.status_code != 200:
                    break  # the beginning of a refusal is enough
                raise self._failed("its answer is too large")
        return Reply(response.status_code, bytes(untrusted[:longest]))

    async def _events(self, response: httpx.Response) -> AsyncIterator[str]:
        """The data of each server-sent event (HTML standard, "Server-sent events"), of which model
        servers use one `data:` line an event; comments and other fields are passed over."""
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "text/event-stream":
            raise self._failed("its answer is no event stream")
        held, total = b"", 0
        async for untrusted in response.aiter_raw():
            total += len(untrusted)
            if total > LONGEST_STREAM:
                raise self._failed("its answer does not end")
            *lines, held = (held + untrusted).replace(b"\r\n", b"\n").split(b"\n")
            for line in lines:
                if len(line) <= LONGEST_LINE and line.startswith(b"data:"):
                    yield line[5:].strip().decode("utf-8", "replace")
            if len(held) > LONGEST_LINE or any(len(line) > LONGEST_LINE for line in lines):
                raise self._failed("a line of its answer is too long")

    @contextlib.contextmanager
    def _mapped(self) -> Iterator[None]:
        """httpx's failures as ours, and those of TLS that it lets through."""
        try:
            yield
        except (httpx.HTTPError, OSError) as error:
            refused = _refused_certificate(error)
            if refused:
                raise self._failed(f"its certificate was refused: {refused}") from None
            for kind, reason, passing in _FAILURES:
                if isinstance(error, kind):
                    raise self._failed(reason, passing=passing) from None
            raise self._failed(f"the connection failed: {type(error).__name__}") from None

    def _failed(self, reason: str, *, passing: bool = False) -> ServerFailed:
        return ServerFailed(self._server.url, reason, passing=passing)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()


# In order; `passing`: asking again at once may help.
_FAILURES: tuple[tuple[type[Exception], str, bool], ...] = (
    (httpx.ConnectTimeout, "no connection could be made in time", False),
    (httpx.ConnectError, "no connection could be made", True),
    (httpx.TimeoutException, "it fell silent", False),
    (httpx.NetworkError, "the connection broke", True),
    (httpx.ProtocolError, "it broke off, or what it speaks is not HTTP", True),
)


def _refused_certificate(error: BaseException) -> str:
    """OpenSSL's words on a certificate that does not hold, or on a handshake that failed; "" if it
    was something else."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message.rstrip(".")
        if isinstance(cause, ssl.SSLError):
            return (cause.reason or "no TLS").replace("_", " ").lower()
        cause = cause.__cause__ or cause.__context__
    return ""


def _context(server: ServerAddress, access: Access) -> ssl.SSLContext | bool:
    """What certificates are checked by. Raises ServerRefused."""
    if server.scheme != "https":
        return False  # loopback only, see assistant.premises
    try:
        context = ssl.create_default_context(cafile=access.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if access.certificate is not None:
            context.load_cert_chain(access.certificate, access.key)
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(str(each) for each in (access.ca, access.certificate) if each)
        raise ServerRefused(files, f"this certificate cannot be loaded: {error}") from None
    return context
