"""The API for other in-house tools: answers in OpenAI's shape, search, and the model's name.

Every request but `/health` is a key's; it goes through the same scope, gate and log as a question
at the terminal. `create_api` makes an ASGI application that `cloister serve` runs alone and that
`beside` puts next to the chat in one process. It is written on ASGI and not on a web framework,
which would bring routes, documentation pages and telemetry of its own.

Not protected against: a client that opens connections and never ends its headers (limit it in front
of the server), and a key read on an unencrypted network.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import cast

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.answer import Asker, Event, Question, Stage
from audit.record import Event as LogEvent
from ui import api_reply, api_shapes, api_tasks
from ui.api_errors import Refused, bad, busy, failed_by, no_key, no_model, no_route
from ui.api_keys import ApiKey, KeyFile
from ui.api_line import Busy, Line, Place
from ui.api_refusals import Refusals
from ui.api_running import Running
from ui.cli_ask import search_json
from ui.failures import describe
from ui.narrowing import Lists, NoDocument, ids_of
from ui.ports import Answers, Assistant

PATHS = ("/health", "/v1/")
_ONE_MODEL = "/v1/models/"
_BODY_SECONDS = 30.0  # a body that takes longer to arrive is not waited for
_TELL_SECONDS = 1.0  # how often a waiting client is told its place in the line
_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is served at a time: answers and searches `at_once`, so many `waiting`, and so many
    `per_key`, waiting ones included."""

    at_once: int = 8
    per_key: int = 4
    waiting: int = 32


@dataclass(frozen=True)
class Parts:
    """What the API needs: the use cases, the keys, the log's `append`, the names under which it is
    addressed (`hosts`, as a Host header has them), and `tell`, which tells whoever runs it."""

    assistant: Assistant
    keys: KeyFile
    append: Callable[[LogEvent], object]
    hosts: frozenset[str]
    tell: Callable[[str], object]
    limits: Limits = Limits()


def hosts(addresses: Iterable[str], port: int, *, encrypted: bool = False) -> frozenset[str]:
    """The Host headers of a server that is addressed by these names and this port."""
    names = {name.lower() for name in addresses}
    usual = port == (443 if encrypted else 80)
    return frozenset({f"{name}:{port}" for name in names} | (names if usual else set()))


def beside(chat: ASGIApp, api: ASGIApp) -> ASGIApp:
    """One application of both: the API's paths go to `api`, everything else to `chat`."""

    async def both(scope: Scope, receive: Receive, send: Send) -> None:
        ours = scope["type"] == "http" and scope["path"].startswith(PATHS)
        await (api if ours else chat)(scope, receive, send)

    return both


def create_api(parts: Parts) -> Api:
    """The API, ready to be served. Close it after the server and before the assistant."""
    return Api(parts)


class Api:
    """The ASGI application. One event loop; answers are made in threads."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._line = Line(parts.limits.at_once, parts.limits.per_key, parts.limits.waiting)
        self._running = Running()
        self._refusals = Refusals(parts.append)
        self._failing = False  # the last request or upkeep failed for a reason of ours
        self._told = ""
        self._routes: dict[str, dict[str, Callable[[Request, ApiKey], Awaitable[ASGIApp]]]] = {
            "/v1/chat/completions": {"POST": self._chat},
            "/v1/models": {"GET": self._models},
            _ONE_MODEL: {"GET": self._model},
            "/v1/search": {"POST": self._search},
            api_tasks.PATH: {"POST": self._task},
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            request = Request(scope, receive)
            reply = await self._reply(request)
            await reply(scope, receive, _hardened(send))
        else:
            await send({"type": "websocket.close", "code": 1008})

    def upkeep(self, task: Callable[[], object] = lambda: None) -> None:
        """To be called every few seconds, from any thread, with what else must work for the
        service to be well. Raises what `task` raises, KeysUnusable and AuditError."""
        try:
            task()
            self._parts.keys.every()
            self._refusals.flush()
        except BaseException:
            self._failing = True
            raise
        self._failing = False

    def stop(self, seconds: float) -> bool:
        """End the answers under way and record what was refused; whether all have ended in so
        many seconds. Raises AuditError."""
        ended = self._running.stop(seconds)
        self._refusals.flush(ended=True)
        return ended

    async def _reply(self, request: Request) -> ASGIApp:
        try:
            return await self._routed(request)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        except Exception as error:  # noqa: BLE001 - the one place where an error becomes a reply
            return self.refused(error).response()

    def refused(self, error: BaseException) -> Refused:
        """What the client is told of `error`; whoever runs the server is told the rest, once."""
        refused = failed_by(error)
        if refused.status >= 500 and not isinstance(error, Refused):
            self._failing = True
            sentence = describe(error).sentence
            if sentence != self._told:
                self._parts.tell(sentence)
            self._told = sentence
        return refused

    async def _routed(self, request: Request) -> ASGIApp:
        if request.headers.get("host", "").lower() not in self._parts.hosts:
            raise Refused(421, "This address is not served here.", "wrong_host")
        path = str(request.scope["path"])
        if path == "/health" and request.method in ("GET", "HEAD"):
            return JSONResponse({"status": self._health()})
        key = await self._key(request)
        methods = self._routes.get(_pattern(path))
        if methods is None:
            raise no_route()
        handler = methods.get(request.method)
        if handler is None:
            raise Refused(405, f"Use {', '.join(methods)} for {path}.", "method_not_allowed")
        return await handler(request, key)

    def _health(self) -> str:
        state = self._parts.assistant.model_status().state
        if self._failing or state == "failed":
            return "failing"
        return "starting" if state == "loading" else "ok"

    async def _key(self, request: Request) -> ApiKey:
        """The key of a request. Raises Refused, the same for every key that opens nothing."""
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        found = self._parts.keys.find(secret.strip() if scheme.lower() == "bearer" else "")
        if found.key is None or found.refusal is not None:
            await asyncio.to_thread(self._refusals.note, _client(request), found)
            raise no_key()
        if not self._parts.keys.used_today(found.key):
            await asyncio.to_thread(self._parts.keys.use, found.key)
        return found.key

    async def _models(self, request: Request, key: ApiKey) -> ASGIApp:
        return JSONResponse(api_reply.models(self._parts.assistant.model_status()))

    async def _model(self, request: Request, key: ApiKey) -> ASGIApp:
        name = str(request.scope["path"]).removeprefix(_ONE_MODEL)
        listed = api_reply.models(self._parts.assistant.model_status())["data"]
        found = next((each for each in listed if each["id"] == name), None)
        if found is None:
            raise no_model(name)
        return JSONResponse(found)

    async def _search(self, request: Request, key: ApiKey) -> ASGIApp:
        wanted = api_shapes.search_request(api_shapes.parsed(await _body(request)))
        asker = _asker(request, key)
        question = Question(
            wanted.text,
            asker,
            collections=wanted.collections,
            as_of=wanted.as_of,
            documents=await self._ids(asker, wanted.documents, wanted.collections),
        )
        place = self._enter(key)
        try:
            await place.turn.wait()
            report = await asyncio.to_thread(self._parts.assistant.search, question, wanted.k)
        finally:
            self._line.leave(place)
        found = search_json(wanted.text, report, wanted.as_of)
        return JSONResponse({**found, "record": report.record})

    async def _chat(self, request: Request, key: ApiKey) -> ASGIApp:
        wanted = api_shapes.chat_request(api_shapes.parsed(await _body(request)))
        if wanted.model not in (api_reply.MODEL, self._parts.assistant.model_status().name):
            raise no_model(wanted.model)
        asker = _asker(request, key)
        question = Question(
            wanted.text,
            asker,
            wanted.history,
            collections=wanted.collections,
            as_of=wanted.as_of,
            conversation=api_shapes.conversation_name(key.id, wanted.conversation),
            documents=await self._ids(asker, wanted.documents, wanted.collections),
        )
        events = self._events(self._parts.assistant, question, key)
        return api_reply.Reply(api_reply.Script(wanted), events, self.refused)

    async def _task(self, request: Request, key: ApiKey) -> ASGIApp:
        name = str(request.scope["path"]).removeprefix(api_tasks.PATH)
        asker = _asker(request, key)
        task = api_tasks.request_of(name, api_shapes.parsed(await _body(request)), asker)
        work = api_tasks.TaskStream(cast(api_tasks.Runs, self._parts.assistant), task)
        events = self._events(cast(Answers, work), Question(name, asker), key)
        return api_reply.Reply(api_tasks.Telling(), events, self.refused)

    async def _ids(
        self, asker: Asker, names: tuple[str, ...], collections: frozenset[str] | None
    ) -> frozenset[str] | None:
        """The documents of these names, None for all. Raises Refused."""
        try:
            lists = cast(Lists, self._parts.assistant)
            return await asyncio.to_thread(ids_of, lists, asker, names, collections)
        except NoDocument as error:
            said = f"There is no document {error.name[:200]!r} that this key may read."
            raise bad(said, "documents", "unknown_document") from None

    def _enter(self, key: ApiKey) -> Place:
        try:
            return self._line.enter(key.id, key.user)
        except Busy as full:
            raise busy(full.ahead, full.own) from None

    async def _events(
        self, work: Answers, question: Question, key: ApiKey
    ) -> AsyncGenerator[Event, None]:
        """The place in the line while it changes, then what the work yields. The place is given
        back once the work has ended, however this ends. Raises Refused."""
        place = self._enter(key)
        reading = None
        try:
            told = -1
            while not place.turn.is_set():
                ahead = self._line.ahead(place)
                if ahead != told:
                    yield Stage("waiting", ahead)
                told = ahead
                with suppress(TimeoutError):
                    await asyncio.wait_for(place.turn.wait(), _TELL_SECONDS)
            reading = self._running.start(work, question, lambda: self._line.leave(place))
            async with aclosing(reading.events()) as events:
                async for event in events:
                    yield event
        finally:
            if reading is None:
                self._line.leave(place)
            else:
                reading.cancel()


def _pattern(path: str) -> str:
    """The route that a path belongs to: those that end in a name are listed without it."""
    start, _, name = path.rpartition("/")
    named = f"{start}/" in (_ONE_MODEL, api_tasks.PATH)
    return f"{start}/" if named and name else path


def _client(request: Request) -> str:
    return request.client.host if request.client else ""


def _asker(request: Request, key: ApiKey) -> Asker:
    """Who asks, as the key says: never as the request does."""
    return Asker(key.user, frozenset(key.groups), f"api-key:{key.id}", _client(request))


async def _body(request: Request) -> bytes:
    """The whole body. Raises Refused if it is too large or does not come."""
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > api_shapes.MAX_BODY:
                    raise Refused(413, "The body has more than 1 MiB.", "too_large")
                parts.append(part)
    except TimeoutError:
        raise Refused(408, "The body did not arrive in time: send it again.", "timeout") from None
    if not size:
        raise bad("The body is empty; send a JSON object.", code="invalid_json")
    return b"".join(parts)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _hardened(send: Send) -> Send:
    """`send` with the headers that every reply carries."""

    async def sender(message: Message) -> None:
        if message["type"] == "http.response.start":
            ours = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
            message = {**message, "headers": [*message.get("headers", ()), *ours]}
        await send(message)

    return sender
