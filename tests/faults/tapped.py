"""The real assistant, log, web layer and terminal path, with faults in everything and a tap at both
ends, which knows nothing of the log.

One tap lies below everything at the model's port: it notes each prompt that a model was given. The
other lies where text leaves: in the bytes that the API sends, in the chat's views once they are
HTML, in the answer once it is printed at a terminal. Both note the moment. `troubles` then compares
them with the log: all that happened must have its record, with the same digest, from before it
happened.
"""

from __future__ import annotations

import asyncio
import io
import json
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from rich.console import Console

from assistant.answer import Answer, Asker, Question, Turn, Verdict
from assistant.answering import Policy
from assistant.model import ModelInfo
from assistant.pages import Viewer
from assistant.pipeline import Assistant
from assistant.prompts import default
from audit.envelope import parse_envelope
from audit.log import Limits, Log
from audit.store import Leaf
from tests.assistant.pipeline_standins import library
from tests.assistant.standins import ScriptedModel
from tests.faults.taps import (
    BROKEN,
    FURTHEST,
    Fault,
    Faulty,
    FaultyConnection,
    TappedModel,
    Taps,
    digest,
)
from ui import api_reply, api_shapes, flow, render, show_answer, web_api
from ui.api_keys import KeyFile
from ui.web_session import Sessions

HOST = "127.0.0.1:8321"
ANNA = Asker("anna", frozenset({"local"}), "local-user")
ENDS = ("question.refused", "answer.failed", "answer.released")
_MARKS = re.compile(r"(?: (?:\[\d+\])+)$")

ASKED = (
    "How long are customer due diligence records retained?",
    "Who approves every exception in writing?",
    "How long are call recordings kept and how long are visitor logs kept?",
    "How many documents mention records?",
    "Where is the canteen?",
    " ",
    "x" * 4_001,
)
FOLLOW_UPS = ("And who approves exceptions to that?", "What about marketing consent records?")
SAID = (
    "Customer due diligence records are kept for six years after the business relationship.",
    "Marta Kovacs, the Head of Compliance, approves each exception in writing.",
    "Call recordings are kept for 13 months. Visitor logs are kept for 90 days.",
    "Everything is kept for ninety-nine years [99].",
    "",
)


_RENDERING = (
    (api_shapes, "cited"),
    (api_shapes, "extension"),
    (api_reply, "marked"),
    (render, "turn"),
    (show_answer, "headline"),
)
_NO_ANSWER = (Verdict.FAILED, Verdict.REFUSED)  # a sentence of ours that says why there is none
WAYS = ("stream", "whole", "chat", "terminal")


class Scripted(ScriptedModel):
    """A model that can score while it writes, so that the second opinion has its say."""

    @property
    def info(self) -> ModelInfo:
        return replace(super().info, sequences=2)


def scripted(case: int) -> ScriptedModel:
    """A model that says something true or false, and makes follow-ups whole."""
    said, rewriting = SAID[case % len(SAID)], default("rewrite").system

    def say(system: str, user: str) -> str:
        return "Who approves every exception in writing?" if system == rewriting else said

    return Scripted(say)


class World:
    """Everything, over a data folder. `model`: what answers; given the case's number, a new one."""

    def __init__(self, home: Path, model: Callable[[int], Any], seed: int) -> None:
        self.taps, self.home = Taps(), home
        self.faults = {name: Fault() for name in BROKEN}
        self.asked: dict[int, tuple[Question, str]] = {}
        self._model, self._draw = model, random.Random(seed)
        self._late = False
        limits = Limits(seal_records=50, busy_timeout_ms=50)
        self.log = Log(home / "audit", build="b", process="tapped", limits=limits)
        parts = self.log._parts
        for part, name in ((parts.store, "log"), (parts.keystore, "keys")):
            real = part._connection
            part._connection = FaultyConnection(real, self.faults[name], lambda: self._late)  # type: ignore[assignment]
        self._keystore = parts.keystore
        self._keys = KeyFile(home)
        _, self._secret = self._keys.add("anna", ["local"], lambda key: None)

    def run(self, case: int) -> str:
        """One question, one way, with one fault; what kind of fault it was."""
        draw = self._draw
        site, way = draw.choice(tuple(BROKEN)), draw.choice(WAYS)
        asked = draw.choice(ASKED)
        history: tuple[Turn, ...] = ()
        if draw.random() < 0.25:
            asked = draw.choice(FOLLOW_UPS)
            history = (Turn(ASKED[0], SAID[0]),)
        # Its digest tells the case; a blank question has none of its own.
        text = asked if not asked.strip() else f"{asked} ({case})"
        question = Question(text, ANNA, history)
        self.asked[case] = (question, site)
        assistant = self.assistant(
            case, straight=draw.random() < 0.3, seconds=draw.choice((0.0, 30.0))
        )
        self._late = draw.random() < 0.3
        with ExitStack() as undo:
            for module, name in _RENDERING:
                undo.enter_context(patch.object(module, name, self._breaking(module, name)))
            if site == "keys":  # made in blocks of many: make them be needed
                self._keystore._spare.clear()
                self._keystore._block = 1
            if site in FURTHEST:
                nth = draw.randrange(1, FURTHEST[site])
                self.faults[site].arm(nth, draw.choice(BROKEN[site]))
            try:
                getattr(self, f"_{way}")(case, assistant, question)
            except BaseException as error:  # noqa: BLE001 - what a caller would see
                self.taps.errors[type(error).__name__] += 1
            self._wait()
        for name, fault in self.faults.items():
            self.taps.hits[name] += fault.hit
            fault.arm(0, RuntimeError)
        return site

    def assistant(self, case: int, *, straight: bool = False, seconds: float = 30.0) -> Assistant:
        """The assistant that answers a case; `seconds` is its deadline."""
        return Assistant(
            Faulty(library(), self.faults["library"]),
            self.log,
            TappedModel(self._model(case), self.taps, self.faults["model"]),
            Viewer(lambda path, number: None),
            Policy(straight=straight, deadline_seconds=seconds),
        )

    def _breaking(self, module: Any, name: str) -> Callable[..., Any]:
        real = getattr(module, name)

        def rendering(*args: Any, **more: Any) -> Any:
            self.faults["rendering"].pass_by()
            return real(*args, **more)

        return rendering

    @staticmethod
    def _wait() -> None:
        """Until the threads that answer are done."""
        for thread in threading.enumerate():
            if thread.name in ("answer", "api-answer"):
                thread.join(30)

    def _left(self, case: int, sentences: Sequence[str], answer: str | None = None) -> None:
        now = time.time_ns()
        kept = self.taps.sentences.setdefault(case, [])
        kept += [(each, now) for each in sentences]
        if answer:
            self.taps.answers.setdefault(case, []).append((answer, now))

    def _stream(self, case: int, assistant: Assistant, question: Question) -> None:
        self._api(case, assistant, question, streams=True)

    def _whole(self, case: int, assistant: Assistant, question: Question) -> None:
        self._api(case, assistant, question, streams=False)

    def _api(self, case: int, assistant: Assistant, question: Question, *, streams: bool) -> None:
        names = frozenset({HOST})
        parts = web_api.Parts(assistant, self._keys, self.log.append, names, lambda said: None)
        api = web_api.create_api(parts)
        earlier = [
            {"role": role, "content": text}
            for turn in question.history
            for role, text in (("user", turn.question), ("assistant", turn.answer))
        ]
        messages = [*earlier, {"role": "user", "content": question.text}]
        body = {"model": "cloister", "messages": messages, "stream": streams}
        sent = bytearray()

        async def send(message: Any) -> None:
            self.faults["leaving"].pass_by()
            if message["type"] == "http.response.body":
                self._heard(case, message.get("body", b""), sent, streams=streams)

        asyncio.run(self._request(api, json.dumps(body).encode(), send))
        self._wait()

    async def _request(self, api: web_api.Api, body: bytes, send: Any) -> None:
        given = False
        leaves = self._draw.random() < 0.2
        patience = self._draw.random() * 0.05

        async def receive() -> Any:
            nonlocal given
            if not given:
                given = True
                return {"type": "http.request", "body": body, "more_body": False}
            await asyncio.sleep(patience if leaves else 60)
            return {"type": "http.disconnect"}

        headers = [
            (b"host", HOST.encode()),
            (b"authorization", f"Bearer {self._secret}".encode()),
            (b"content-type", b"application/json"),
        ]
        scope = {
            "type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": headers,
            "query_string": b"", "client": ("127.0.0.1", 5), "scheme": "http",
            "server": ("127.0.0.1", 8321), "http_version": "1.1", "root_path": "",
        }  # fmt: skip
        await api(scope, receive, send)

    def _heard(self, case: int, body: bytes, sent: bytearray, *, streams: bool) -> None:
        """Take in what went out over the socket."""
        if not streams:
            value = json.loads(body) if body.startswith(b"{") else {}
            for choice in value.get("choices", ()):
                self._left(case, (), choice["message"]["content"])
            return
        for line in body.split(b"\n"):
            if not line.startswith(b"data: {"):
                continue
            value = json.loads(line.removeprefix(b"data: "))
            for choice in value.get("choices", ()):
                said = choice["delta"].get("content", "")
                if said and "citations" in (value.get("cloister") or {}):
                    sent += said.encode()
                    self._left(case, (_MARKS.sub("", said.strip()),))
                elif said:
                    self._left(case, (), said)
                elif choice["finish_reason"] == "stop" and sent:
                    self._left(case, (), sent.decode())

    def _chat(self, case: int, assistant: Assistant, question: Question) -> None:
        sessions = Sessions(600, 3600)
        _, session = sessions.open(ANNA)
        session.conversation.history = list(question.history)
        views = flow.converse(assistant, session, question.text)
        try:
            for view in views:
                self.faults["leaving"].pass_by()
                if self._draw.random() < 0.02:
                    session.conversation.stop.set()
                render.turn(view)  # what goes to the page
                self._left(case, [each.text for each in view.sentences])
                answer = view.answer
                if answer is not None and answer.record and answer.verdict not in _NO_ANSWER:
                    self._left(case, (), answer.text)
        finally:
            views.close()

    def _terminal(self, case: int, assistant: Assistant, question: Question) -> None:
        progress = Console(file=io.StringIO(), force_terminal=False, width=10_000)
        given: Answer = show_answer.watched(assistant, question, progress, lambda said: None)
        self.faults["leaving"].pass_by()
        console = Console(file=io.StringIO(), width=10_000)
        show_answer.answer(console, given)
        if given.verdict not in _NO_ANSWER:
            self._left(case, [each.text for each in given.sentences], given.text)

    def close(self) -> None:
        """Close the log."""
        self.log.close()


@dataclass(slots=True)
class _Told:
    """The records of one request, in order, with their clear fields."""

    leaves: list[tuple[Leaf, dict[str, Any]]] = field(default_factory=list)

    def of(self, kind: str) -> list[tuple[Leaf, dict[str, Any]]]:
        return [each for each in self.leaves if each[0].type == kind]

    def before(self, kind: str, name: str, value: str, moment: int) -> bool:
        """Whether a record says so from before the moment."""
        return any(
            fields.get(name) == value and leaf.ts_utc <= moment for leaf, fields in self.of(kind)
        )


def requests_of(log: Log) -> dict[str, _Told]:
    """The records by the digest of their question; that of a blank one is everybody's."""
    by_request: dict[str, _Told] = {}
    for leaf in log.scan():
        fields = parse_envelope(leaf.envelope)["fields"]
        by_request.setdefault(leaf.request_id, _Told()).leaves.append((leaf, dict(fields)))  # type: ignore[call-overload]
    return by_request


def troubles(world: World) -> Iterator[str]:
    """What happened without its record, and questions without their one end."""
    by_request = requests_of(world.log)
    by_question: dict[str, _Told] = {}
    for request, told in by_request.items():
        received = told.of("question.received")
        if request and received:
            by_question[received[0][1]["question_sha256"]] = told
    for case, (question, site) in world.asked.items():
        told = by_question.get(digest(question.text), _Told())
        yield from (f"case {case} ({site}): {each}" for each in _shown(world.taps, case, told))
    for told in by_request.values():
        if received := told.of("question.received"):
            seq = received[0][0].seq
            yield from (f"the question of record {seq}: {each}" for each in _ended(world, told))
    yield from _models(world.taps, by_request.values())


def _shown(taps: Taps, case: int, told: _Told) -> Iterator[str]:
    for text, moment in taps.sentences.get(case, ()):
        if not told.before("answer.sentence", "sentence_sha256", digest(text), moment):
            yield f"a sentence left without a record: {text[:60]!r}"
    for text, moment in taps.answers.get(case, ()):
        if not told.before("answer.released", "answer_sha256", digest(text), moment):
            yield f"an answer left without a record: {text[:60]!r}"


def _ended(world: World, told: _Told) -> Iterator[str]:
    ends = [leaf.type for leaf, _ in told.leaves if leaf.type in ENDS]
    asked = told.of("question.received")[0][1]["question_sha256"]
    sites = {site for question, site in world.asked.values() if digest(question.text) == asked}
    unwritable = bool(sites & {"log", "keys"})
    if len(ends) != 1 and not (unwritable and not ends):
        yield f"it has the ends {ends} ({sites})"
    called, finished = len(told.of("model.called")), len(told.of("model.finished"))
    if called != finished and not (unwritable and finished < called):
        yield f"{called} calls of a model began and {finished} ended ({sites})"


def _models(taps: Taps, requests: Any) -> Iterator[str]:
    called: dict[str, list[int]] = {}
    scored: dict[str, list[tuple[int, int]]] = {}
    for told in requests:
        for leaf, fields in told.of("model.called"):
            called.setdefault(fields["prompt_sha256"], []).append(leaf.ts_utc)
    for prompt, moment in taps.prompts:
        earlier = [each for each in called.get(prompt, ()) if each <= moment]
        if not earlier:
            yield f"a model was given the prompt {prompt[:12]} without a record"
        else:
            called[prompt].remove(earlier[-1])  # each record stands for one text only
    for prompt, _, moment in taps.scores:
        scored.setdefault(prompt, []).append((moment, 0))
        if not any(each <= moment for each in called.get(prompt, ())):
            yield f"a model scored under the prompt {prompt[:12]} without a record"
