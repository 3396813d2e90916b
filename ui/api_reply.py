"""What the API sends back: whole answers, and answers as server-sent events, sentence by sentence.

Both watch the client: once it has gone the events are closed, which cancels the answer.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from assistant.answer import Answer, Event, Released, Stage, Verdict
from assistant.citations import marked
from assistant.model_status import ModelStatus
from ui import api_shapes
from ui.api_errors import Refused, stopping
from ui.api_shapes import ChatRequest

MODEL = "cloister"  # the name under which any client may ask
QUIET_SECONDS = 10.0  # a comment is sent when nothing else was for so long
_STARTED = int(time.time())
_Step = TypeVar("_Step")
_Told = TypeVar("_Told", contravariant=True)
_KEEP_ALIVE = b": still working\n\n"
_DONE = b"data: [DONE]\n\n"


def models(status: ModelStatus) -> dict[str, Any]:
    """The models that a client may name: both are the one that answers."""
    names = [MODEL, *([status.name] if status.name else [])]
    facts = {
        "name": status.name,
        "state": status.state,
        "waiting": status.waiting,
        "running": status.running,
    }
    data = [
        {
            "id": name,
            "object": "model",
            "created": _STARTED,
            "owned_by": "cloister",
            "cloister": facts,
        }
        for name in names
    ]
    return {"object": "list", "data": data}


def refusal_of(answer: Answer, more: Mapping[str, object]) -> Refused | None:
    """The error that an answer stands for, if it is none: a question that cannot be taken, or
    something that broke while it was answered."""
    sentence = answer.explanation or answer.text
    if answer.verdict is Verdict.REFUSED:
        return Refused(400, sentence, "question_refused", "messages", {"cloister": more})
    if answer.verdict is Verdict.FAILED:
        return Refused(503, sentence, "answer_failed", None, {"cloister": more})
    return None


def usage(answer: Answer) -> dict[str, int]:
    """The tokens of all models that were asked; none if none was."""
    read, written = answer.cost.prompt_tokens, answer.cost.completion_tokens
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


class Tells(Protocol[_Told]):
    """How the steps of some work are told to a client."""

    @property
    def streams(self) -> bool:
        """Whether the client wants them one by one."""
        ...

    def begin(self) -> bytes:
        """What stands before the first step."""
        ...

    def of(self, step: _Told, /) -> bytes:
        """What tells of a step."""
        ...

    def ends(self, step: _Told, /) -> bool:
        """Whether nothing follows this step."""
        ...

    def refusal(self, step: _Told, /) -> Refused | None:
        """The error that a first step stands for, if it does."""
        ...

    def failure(self, refused: Refused, /) -> bytes:
        """An error after the reply has begun."""
        ...

    def whole(self, step: _Told, /) -> Response:
        """The last step as a response of its own."""
        ...


@dataclass
class Script:
    """An answer as chunks, one after another. Holds what OpenAI repeats in each."""

    wanted: ChatRequest
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))
    _sent: int = 0  # sentences
    _checked: bool = False  # the model had its turn: what follows is quoted

    @property
    def streams(self) -> bool:
        """Whether the client wants the answer in chunks."""
        return self.wanted.stream

    def ends(self, event: Event) -> bool:
        """Whether this is the answer."""
        return isinstance(event, Answer)

    def refusal(self, event: Event) -> Refused | None:
        """The error that an answer stands for, if it is none."""
        if not isinstance(event, Answer):
            return None
        return refusal_of(event, api_shapes.extension(event, self.wanted.ignored))

    def failure(self, refused: Refused) -> bytes:
        """An error after the reply has begun: clients of OpenAI's raise it."""
        return error_chunk(refused)

    def of(self, event: Event) -> bytes:
        """The chunks that tell of `event`."""
        if isinstance(event, Stage):
            self._checked = self._checked or (event.name == "checking" and not self._sent)
            counted = "ahead" if event.name == "waiting" else "passages"
            count = {counted: event.count} if counted == "ahead" or event.count else {}
            return self._chunk({}, {"stage": event.name, **count})
        if isinstance(event, Released):
            between = ("\n" if self._checked else " ") if self._sent else ""
            self._sent += 1
            text = between + marked(event.sentence)
            return self._chunk({"content": text}, {"citations": api_shapes.cited(event.citations)})
        return self._ending(event)

    def begin(self) -> bytes:
        """The chunk that names the speaker."""
        return self._chunk({"role": "assistant", "content": ""})

    def _ending(self, answer: Answer) -> bytes:
        said = api_shapes.extension(answer, self.wanted.ignored)
        refused = refusal_of(answer, said)
        if refused is not None:
            return error_chunk(refused)
        first = b"" if self._sent else self._chunk({"content": answer.text})
        last = self._chunk({}, said, finish="stop")
        counted = b""
        if self.wanted.include_usage:
            counted = _data({**self._frame(), "choices": [], "usage": usage(answer)})
        return first + last + counted + _DONE

    def _chunk(
        self,
        delta: Mapping[str, object],
        ours: Mapping[str, object] | None = None,
        finish: str | None = None,
    ) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        body = {**self._frame(), "choices": [choice]}
        if self.wanted.include_usage:
            body["usage"] = None
        return _data({**body, "cloister": ours} if ours is not None else body)

    def _frame(self) -> dict[str, object]:
        return {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.wanted.model,
        }

    def whole(self, answer: Event) -> JSONResponse:
        """The answer, the last of the events, in one response."""
        if not isinstance(answer, Answer):
            raise TypeError("the events end with an answer")
        said = api_shapes.extension(answer, self.wanted.ignored)
        refused = refusal_of(answer, said)
        if refused is not None:
            return refused.response()
        message = {"role": "assistant", "content": answer.text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        frame = {**self._frame(), "object": "chat.completion"}
        return JSONResponse(
            {**frame, "choices": [choice], "usage": usage(answer), "cloister": said}
        )


def _data(value: Mapping[str, object]) -> bytes:
    """One server-sent event; JSON in ASCII holds no line end."""
    return b"data: " + json.dumps(value, ensure_ascii=True).encode("ascii") + b"\n\n"


def error_chunk(refused: Refused) -> bytes:
    """An error after the reply has begun: clients of OpenAI's raise it."""
    return _data(refused.body()) + _DONE


class Reply(Generic[_Step]):
    """The reply to a request for work that takes a while, as an ASGI application.

    The status is decided by the first step, so that what fails at once has a status of its own.
    """

    def __init__(
        self,
        tells: Tells[_Step],
        events: AsyncGenerator[_Step, None],
        refused: Callable[[BaseException], Refused],
    ) -> None:
        self._tells = tells
        self._events = events
        self._refused = refused
        self._begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        work = self._streamed if self._tells.streams else self._whole
        working = asyncio.ensure_future(work(scope, receive, send))
        leaving = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
        except asyncio.CancelledError:  # the server ends and has waited long enough
            await _ended(working)
            await self._fail(stopping(), scope, receive, send)
        finally:
            await _ended(working, leaving)
            await self._events.aclose()

    async def _whole(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            reply: Response = self._tells.whole([event async for event in self._events][-1])
        except Exception as error:  # noqa: BLE001 - the client is told
            reply = self._refused(error).response()
        self._begun = True
        await reply(scope, receive, send)

    async def _streamed(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with aclosing(self._chunks()) as chunks:
                async for chunk in chunks:
                    await self._send(send, chunk)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except Exception as error:  # noqa: BLE001 - the client is told
            await self._fail(self._refused(error), scope, receive, send)

    async def _chunks(self) -> AsyncGenerator[bytes, None]:
        """The reply's pieces; comments while nothing happens, once it has begun."""
        following = asyncio.ensure_future(anext(self._events))
        try:
            while True:
                done, _ = await asyncio.wait({following}, timeout=QUIET_SECONDS)
                if not done:
                    if self._begun:
                        yield _KEEP_ALIVE
                    continue
                event = following.result()
                if not self._begun:
                    if (refused := self._tells.refusal(event)) is not None:
                        raise refused
                    yield self._tells.begin()
                yield self._tells.of(event)
                if self._tells.ends(event):
                    return
                following = asyncio.ensure_future(anext(self._events))
        finally:
            await _ended(following)

    async def _send(self, send: Send, chunk: bytes) -> None:
        if not self._begun:
            self._begun = True
            kind = (b"content-type", b"text/event-stream; charset=utf-8")
            await send({"type": "http.response.start", "status": 200, "headers": [kind]})
        await send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def _fail(self, refused: Refused, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell of an error, by status if nothing was sent yet."""
        if not self._begun:
            self._begun = True
            await refused.response()(scope, receive, send)
        elif self._tells.streams:
            body = self._tells.failure(refused)
            await send({"type": "http.response.body", "body": body, "more_body": False})


async def _gone(receive: Receive) -> None:
    """Returns once the client has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _ended(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks and wait until they are over."""
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError, Exception):
            await task
