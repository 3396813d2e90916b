"""The gate in front of every route of the chat, as pure decisions plus one ASGI layer.

Gradio brings about eighty routes with it; some fetch any address on request
(`/gradio_api/file=https://...`), take uploads or list the interface. Only what the page needs
passes here, and only for a signed-in browser on this machine's own address.

Not protected against: a program that runs under the same account and reads the browser's cookie.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any, Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 1 << 20  # bytes; the longest question is far below
# What the page was seen to ask for, in Chromium, from load to sign-out.
_GET = re.compile(
    r"/|/theme\.css|/manifest\.json|/assets/[\w.@-]+"
    r"|/static/js/iframeResizer\.contentWindow\.min\.js"
    r"|/static/fonts/IBMPlexSans/[\w.-]+|/gradio_api/queue/data"
    r"|/cloister/(?:chat\.css|chat\.js|mark\.svg)"
    r"|/cloister/place/\d{1,9}:[an]\d{1,3}(?:/page\.png)?"
)
_POST = re.compile(r"/gradio_api/queue/join|/signout")
# Open to everybody on this machine: the link itself, and the look of the pages around it.
_OPEN = re.compile(r"/signin|/cloister/(?:chat\.css|mark\.svg)|/static/fonts/IBMPlexSans/[\w.-]+")
_HASH = re.compile(r"\w{1,32}")
_NONCE = "{nonce}"
# Put into Gradio's page, so that the look is there before Gradio has drawn anything.
_OURS = (
    b'<link rel="icon" href="/cloister/mark.svg"><link rel="stylesheet" href="/cloister/chat.css">'
    b'<script src="/cloister/chat.js"></script></head>'
)
# style-src needs 'unsafe-inline': Gradio sets style attributes and adds <style> elements at run
# time. Scripts need neither 'unsafe-inline' nor 'unsafe-eval' with the components used here.
POLICY = (
    "default-src 'none'; "
    f"script-src 'self' 'nonce-{_NONCE}'; "
    "style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
)
HEADERS = {
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}


class Sign(Protocol):
    """What the guard must know about sessions: is this cookie's secret one of a living session?"""

    def find(self, secret: str | None) -> object | None: ...


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request does not pass: HTTP status and one sentence."""

    status: int
    sentence: str


def check_host(host: str, port: int, address: str = "127.0.0.1") -> Refusal | None:
    """Only the names of the address that is listened on: a foreign name that resolves to it is
    DNS rebinding.
    """
    if host.lower() in (f"127.0.0.1:{port}", f"localhost:{port}", f"{address}:{port}"):
        return None
    return Refusal(421, "This address is not served here; use the link that the terminal shows.")


def check_origin(method: str, origin: str | None, host: str) -> Refusal | None:
    """What changes something must come from our own page."""
    if method in ("GET", "HEAD") or origin == f"http://{host}":
        return None
    return Refusal(403, "The request did not come from this page; reload it and try again.")


def check_route(method: str, path: str) -> Refusal | None:
    """The allow-list of routes."""
    routes = {"GET": _GET, "HEAD": _GET, "POST": _POST}.get(method)
    if routes is not None and ".." not in path and routes.fullmatch(path):
        return None
    if method in ("GET", "HEAD", "POST") and _OPEN.fullmatch(path):
        return None if method != "POST" else Refusal(405, "This page cannot be posted to.")
    return Refusal(404, "There is no such page.")


def is_open(method: str, path: str) -> bool:
    """May be seen without a session."""
    return method in ("GET", "HEAD") and _OPEN.fullmatch(path) is not None


def check_call(body: bytes) -> Refusal | None:
    """A call of Gradio's may carry plain text only.

    Gradio looks for file references anywhere in the values and downloads those that name a web
    address, so an object or list among the values is refused.
    """
    bad = Refusal(400, "The request is not one of this page's; reload it and try again.")
    try:
        call = json.loads(body)
    except (ValueError, RecursionError):
        return bad
    if not isinstance(call, dict) or not _HASH.fullmatch(str(call.get("session_hash", ""))):
        return bad
    values = call.get("data", [])
    plain = isinstance(values, list) and all(
        value is None or isinstance(value, (str, bool, int, float)) for value in values
    )
    return None if plain else bad


def cookie_name(port: int) -> str:
    """Cookies are shared by all ports of a host: the port keeps two chats apart."""
    return f"cloister_{port}"


def secret_of(cookie_header: str, port: int) -> str | None:
    """The session's secret in a Cookie header."""
    try:
        morsel = SimpleCookie(cookie_header).get(cookie_name(port))
    except CookieError:
        return None
    return morsel.value if morsel else None


class Guard:
    """The ASGI layer: refuse, or pass on and add the security headers to what comes back.

    `refuse(scope, receive, send, refusal)` draws the refusal; `sessions` says who is signed in.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        address: str,
        port: int,
        sessions: Sign,
        refuse: Callable[[Refusal, bool], ASGIApp],
    ) -> None:
        self._app, self._sessions, self._refuse = app, sessions, refuse
        self._address, self._port = address, port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # no web sockets: the page streams over plain HTTP
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        scope.setdefault("state", {})["nonce"] = secrets.token_urlsafe(16)
        refusal = self._check(scope["method"], scope["path"], headers)
        if refusal is None and scope["path"] == "/gradio_api/queue/join":
            body, receive = await _buffered(receive)
            refusal = check_call(body) if body is not None else Refusal(413, "Too much text.")
        app = self._app
        if refusal is not None:
            wants_page = "text/html" in headers.get("accept", "")
            app = self._refuse(refusal, wants_page)
        await app(scope, receive, _hardened(send, scope))

    def _check(self, method: str, path: str, headers: dict[str, str]) -> Refusal | None:
        host = headers.get("host", "")
        refusal = check_host(host, self._port, self._address)
        refusal = refusal or check_origin(method, headers.get("origin"), host)
        if refusal is not None or is_open(method, path):
            return refusal
        if self._sessions.find(secret_of(headers.get("cookie", ""), self._port)) is None:
            return Refusal(401, "You are not signed in; open the link that the terminal shows.")
        return check_route(method, path)


async def _buffered(receive: Receive) -> tuple[bytes | None, Receive]:
    """The whole body, and a `receive` that plays it again; None if it is over the limit."""
    parts: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY:
            return None, receive
        parts.append(part)
        more = message.get("more_body", False)
    body = b"".join(parts)
    played = False

    async def again() -> Message:
        nonlocal played
        if played:
            return await receive()
        played = True
        return {"type": "http.request", "body": body, "more_body": False}

    return body, again


def _hardened(send: Send, scope: Scope) -> Send:
    """`send` with the security headers added and, in Gradio's page, the nonce on its scripts."""
    nonce: str = scope["state"]["nonce"]
    page = scope["path"] == "/"
    held: list[Any] = []

    async def sender(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = _with_security(message["headers"], nonce, scope["path"])
            if page:
                held.append(message)
                return
        elif page and message["type"] == "http.response.body":
            held.append(message)
            if not message.get("more_body", False):
                await _send_page(send, held, nonce)
            return
        await send(message)

    return sender


async def _send_page(send: Send, held: list[Any], nonce: str) -> None:
    start, *bodies = held
    body = b"".join(part.get("body", b"") for part in bodies)
    marked = body.replace(b"</head>", _OURS, 1)
    marked = marked.replace(b"<script", f'<script nonce="{nonce}"'.encode())
    fields = [(k, v) for k, v in start["headers"] if k.lower() != b"content-length"]
    fields.append((b"content-length", str(len(marked)).encode()))
    await send({**start, "headers": fields})
    await send({"type": "http.response.body", "body": marked})


def _with_security(
    fields: list[tuple[bytes, bytes]], nonce: str, path: str
) -> list[tuple[bytes, bytes]]:
    ours = {**HEADERS, "content-security-policy": POLICY.replace(_NONCE, nonce)}
    fixed = path.startswith(("/assets/", "/static/"))
    if not fixed:
        ours["cache-control"] = "no-store"  # nothing of a conversation stays on the disk
    names = {name.encode() for name in ours} | {
        b"access-control-allow-origin",
        b"access-control-allow-credentials",
    }
    kept = [(k, v) for k, v in fields if k.lower() not in names]
    return kept + [(k.encode(), v.encode()) for k, v in ours.items()]
