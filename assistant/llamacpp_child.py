"""The model's process: llama.cpp behind a line of JSON frames. The only importer of llama_cpp.

Started as `python -m assistant.llamacpp_child DESCRIPTOR` by `assistant.llamacpp_process`, which
sends one `load` frame and then `count`, `prompt`, `generate` and `cancel` frames, each with an
`id` that the replies carry. One thread reads frames and answers what needs no evaluation, the main
thread evaluates one generation after the other. An unforeseen error ends the process: the other
side sees the end of the line, and the traceback on standard error says why.
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
from multiprocessing.connection import Connection
from typing import Any

from assistant.llamacpp_engine import Engine, Unusable
from assistant.model import StopReason
from assistant.template import Prompt
from assistant.wire import BadFrame, Wire
from audit.confine import confine

PIECE_SECONDS = 0.03  # no eye follows faster
PARENT_SECONDS = 2.0  # how often to look whether the parent is still there


class Letter:
    """Pieces of an answer on their way. Each costs the other side a wake-up, on a core that the
    model would use: those that come close together are sent together."""

    def __init__(self, wire: Wire, answer: int) -> None:
        self._wire, self._answer = wire, answer
        self._text, self._posted = "", 0.0

    def add(self, piece: str) -> None:
        """Send `piece`, now or with the next ones."""
        self._text += piece
        if time.monotonic() - self._posted >= PIECE_SECONDS:
            self.post()

    def post(self) -> None:
        """Send what has not been sent."""
        if self._text:
            self._wire.send({"id": self._answer, "piece": self._text})
            self._text, self._posted = "", time.monotonic()


class Service:
    """Answers frames until the line ends."""

    def __init__(self, wire: Wire, engine: Engine) -> None:
        self._wire, self._engine = wire, engine
        self._orders: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
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
            case "generate":
                self._orders.put(frame)
            case unknown:
                raise BadFrame(f"no such order: {unknown}")

    def _prompt(self, frame: dict[str, Any]) -> Prompt:
        return self._engine.frame.fill(frame["system"], frame["user"], self._engine.vocab)

    def work(self) -> None:
        """Write one answer after the other."""
        while True:
            frame = self._orders.get()
            answer = frame["id"]
            prompt, context = self._prompt(frame), self._engine.context
            if len(prompt.tokens) >= context:
                needed = len(prompt.tokens) + 1
                self._wire.send({"id": answer, "too_long": needed, "context": context})
                continue
            letter = Letter(self._wire, answer)

            def unwanted(
                answer: int = answer, deadline: float | None = frame["deadline"]
            ) -> StopReason | None:
                # In this order: the other side cancels as well once the deadline has passed.
                if deadline is not None and time.monotonic() >= deadline:
                    return "deadline"
                return "cancelled" if answer in self._cancelled else None

            done = self._engine.generate(prompt, frame, unwanted, letter.add)
            letter.post()
            self._cancelled.discard(answer)
            self._wire.send({"id": answer, "done": done})


def main(descriptor: int) -> None:
    """Serve on the given descriptor, a socket, until the other side closes it."""
    refused = confine()  # before llama_cpp, whose libraries start threads when they are loaded
    import llama_cpp

    logging.getLogger("llama-cpp-python").setLevel(logging.WARNING)
    wire = Wire(Connection(descriptor))
    order = wire.receive()
    try:
        engine = Engine(llama_cpp, order)
    except Unusable as error:
        wire.send({"id": order["id"], "unusable": str(error)})
        return
    build = llama_cpp.llama_version().decode()
    wire.send(
        {
            "id": order["id"],
            "context": engine.context,
            "runtime": f"llama-cpp-python {llama_cpp.__version__}, llama.cpp {build}",
            "template_sha256": hashlib.sha256(engine.template.encode()).hexdigest(),
            "offloads": engine.offloads,
            "refused": refused,
        }
    )
    service = Service(wire, engine)
    threading.excepthook = _die
    threading.Thread(target=service.read, daemon=True).start()
    service.work()


def _die(failed: threading.ExceptHookArgs) -> None:
    """An error in one thread ends the whole process: a half that goes on would never answer."""
    traceback.print_exception(failed.exc_type, failed.exc_value, failed.exc_traceback)
    sys.stderr.flush()
    os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
