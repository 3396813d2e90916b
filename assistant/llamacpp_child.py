"""The model's process: llama.cpp behind a line of JSON frames. The only importer of llama_cpp.

Started as `python -m assistant.llamacpp_child DESCRIPTOR` by `assistant.llamacpp_process`, which
sends one `load` frame and then `count`, `prompt`, `generate`, `score`, `cancel` and `forget`
frames, each with an `id` that the replies carry. One thread reads frames and answers what needs no
evaluation; the main thread evaluates, and is the only one to. An unforeseen error ends the
process: the other side sees the end of the line, and the traceback on standard error says why.
"""

from __future__ import annotations

import hashlib
import logging
import os
import queue
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from assistant.llamacpp_batch import Answer, Batching
from assistant.llamacpp_engine import Engine, Unusable, load_model
from assistant.llamacpp_sampler import UnusableForm, grammar_of
from assistant.model import StopReason
from assistant.prefixes import Prefixes
from assistant.seq2seq import engine_of
from assistant.template import Prompt
from assistant.wire import BadFrame, Wire
from audit.confine import confine

PIECE_SECONDS = 0.03  # no eye follows faster
PARENT_SECONDS = 2.0  # how often to look whether the parent is still there
IDLE_SECONDS = 5.0  # how often an idle process looks what it need not keep any longer
FIRST_TO_DIE = 800  # of 1000: where memory runs out, the service must not go with it

Convert = Callable[[str], str]


class Letter:
    """Pieces of an answer on their way. Each costs the other side a wake-up, on a core that the
    model would use: those that come close together are sent together."""

    def __init__(self, wire: Wire, answer: int) -> None:
        self._wire, self._answer = wire, answer
        self._text, self._tokens, self._posted = "", 0, 0.0

    def add(self, piece: str) -> None:
        """Send a token's `piece`, now or with the next ones."""
        self._text += piece
        self._tokens += 1
        if time.monotonic() - self._posted >= PIECE_SECONDS:
            self.post()

    def end(self, frame: dict[str, Any]) -> None:
        """Send what has not been sent, and the last frame."""
        self.post()
        self._wire.send({"id": self._answer, **frame})

    def post(self) -> None:
        """Send what has not been sent."""
        if self._text:
            piece = {"piece": self._text, "tokens": self._tokens}
            self._wire.send({"id": self._answer, **piece})
            self._text, self._tokens, self._posted = "", 0, time.monotonic()


class Service:
    """Answers frames until the line ends."""

    def __init__(self, wire: Wire, engine: Engine, order: dict[str, Any], convert: Convert) -> None:
        self._wire, self._engine, self._convert = wire, engine, convert
        limit = order["conversation_mib"] << 20
        self._prefixes = Prefixes(limit, order["conversation_seconds"])
        self._batching = Batching(engine, self._prefixes, order["thinking_tokens"])
        self._orders: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._waiting: deque[dict[str, Any]] = deque()
        self._cancelled: set[int] = set()

    def read(self) -> None:
        """Take frames; ends the process when the parent is gone. Runs in a thread of its own."""
        parent = os.getppid()
        try:
            while True:
                while not self._wire.ready(PARENT_SECONDS):
                    if os.getppid() != parent:
                        os._exit(0)
                self._take(self._wire.receive())
        except (EOFError, OSError):
            os._exit(0)

    def _take(self, frame: dict[str, Any]) -> None:
        match frame["op"]:
            case "count":
                tokens = len(self._engine.vocab.tokenize(frame["text"], control=False))
                self._wire.send({"id": frame["id"], "tokens": tokens})
            case "prompt":
                prompt = self._prompt(frame)
                reply = {"tokens": len(prompt.tokens), "fixed": prompt.fixed, "text": prompt.text}
                self._wire.send({"id": frame["id"], **reply})
            case "cancel":
                self._cancelled.add(frame["answer"])
            case "generate" | "score" | "forget":
                self._orders.put(frame)
            case unknown:
                raise BadFrame(f"no such order: {unknown}")

    def _prompt(self, frame: dict[str, Any]) -> Prompt:
        return self._engine.frame.fill(frame["system"], frame["user"], self._engine.vocab)

    def work(self) -> None:
        """Write answers, as many at a time as the engine has sequences."""
        while True:
            self._collect()
            while self._waiting and self._batching.room:
                self._begin(self._waiting.popleft())
            self._batching.step()

    def _collect(self) -> None:
        """Take in the orders that have come; waits for one where nothing is under way."""
        idle = not self._batching.busy and not self._waiting
        while True:
            try:
                frame = (
                    self._orders.get(timeout=IDLE_SECONDS) if idle else self._orders.get_nowait()
                )
            except queue.Empty:
                if not idle:
                    return
                self._prefixes.expire()
                continue
            if frame["op"] == "forget":
                self._forget(frame["conversation"])
                self._wire.send({"id": frame["id"]})
            else:
                self._waiting.append(frame)
                idle = False

    def _forget(self, conversation: str) -> None:
        if conversation:
            self._prefixes.forget(conversation)
        else:
            self._prefixes.forget_all()

    def _begin(self, frame: dict[str, Any]) -> None:
        letter = Letter(self._wire, frame["id"])
        try:
            answer = self._answer(frame, letter)
        except UnusableForm as error:
            self._cancelled.discard(frame["id"])
            letter.end({"unusable_form": str(error)})
            return
        needed, context = self._batching.needs(answer)
        if needed > context:
            answer.end({"too_long": needed, "context": context})
        elif frame["op"] == "score" and not answer.scored:
            answer.end({"unusable_form": "the text to be scored stands for no token"})
        else:
            self._batching.begin(answer)

    def _answer(self, frame: dict[str, Any], letter: Letter) -> Answer:
        number, deadline = frame["id"], frame["deadline"]
        scored: tuple[int, ...] = ()
        if frame["op"] == "score":
            frame |= {"stop": (), "logprobs": False, "max_tokens": 1}
            scored = tuple(self._engine.text_tokens(frame["text"]))

        def unwanted() -> StopReason | None:
            # In this order: the other side cancels as well once the deadline has passed.
            if deadline is not None and time.monotonic() >= deadline:
                return "deadline"
            return "cancelled" if number in self._cancelled else None

        def end(last: dict[str, Any]) -> None:
            self._cancelled.discard(number)
            letter.end(last)

        form = "" if scored else grammar_of(frame, self._convert)
        return Answer(frame, self._prompt(frame), unwanted, letter.add, end, form, scored)


def main(descriptor: int) -> None:
    """Serve on the given descriptor, a socket, until the other side closes it."""
    refused = confine()  # before llama_cpp, whose libraries start threads when they are loaded
    _volunteer()
    import llama_cpp
    from llama_cpp.llama_grammar import json_schema_to_gbnf

    logging.getLogger("llama-cpp-python").setLevel(logging.WARNING)
    wire = Wire(Connection(descriptor))
    order = wire.receive()
    try:
        engine = engine_of(llama_cpp, load_model(llama_cpp, order), order)
    except Unusable as error:
        wire.send({"id": order["id"], "unusable": str(error)})
        return
    build = llama_cpp.llama_version().decode()
    wire.send(
        {
            "id": order["id"],
            "context": engine.context,
            "sequences": engine.sequences,
            "runtime": f"llama-cpp-python {llama_cpp.__version__}, llama.cpp {build}",
            "template_sha256": hashlib.sha256(engine.chosen.template.encode()).hexdigest(),
            "chat_format": engine.chosen.name,
            "kv_cache": engine.kv_cache,
            "gpu_layers": engine.gpu_layers,
            "exact": engine.exact,
            "offloads": engine.offloads,
            "refused": refused,
        }
    )
    service = Service(wire, engine, order, json_schema_to_gbnf)
    threading.excepthook = _die
    threading.Thread(target=service.read, daemon=True).start()
    service.work()


def _volunteer() -> None:
    """Let the system end this process before others when memory runs out."""
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:  # noqa: PTH123
            file.write(str(FIRST_TO_DIE))
    except OSError:
        return  # not Linux, or not allowed: it is a courtesy


def _die(failed: threading.ExceptHookArgs) -> None:
    """An error in one thread ends the whole process: a half that goes on would never answer."""
    traceback.print_exception(failed.exc_type, failed.exc_value, failed.exc_traceback)
    sys.stderr.flush()
    os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
