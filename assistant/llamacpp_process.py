"""One model process, seen from the assistant: start, ask, listen, end.

The process gets one end of a socket pair and an open descriptor of the verified model file, and no
path to either. Its frames are untrusted: an unknown or malformed one ends it.
"""

from __future__ import annotations

import itertools
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO

from assistant import threads
from assistant.cores import available_cores
from assistant.engine_options import EngineOptions
from assistant.errors import ModelFailed, ModelUnreadable
from assistant.model import ModelInfo
from assistant.shelf import ModelFile, header_of, open_verified
from assistant.wire import BadFrame, Frame, Wire

CHILD = "assistant.llamacpp_child"
REPLY_SECONDS = 60.0  # counting tokens takes milliseconds; a process that takes longer is stuck
END_SECONDS = 5.0  # how long a process may take to end after its line was closed
STDERR_LINES = 40  # what is kept of llama.cpp's chatter
STDERR_LINE_CHARS = 500

_CLOSED = "it was closed"
_TROUBLE = re.compile("error|fail|assert|memory", re.IGNORECASE)

# What is kept of conversations comes and goes in blocks of megabytes. glibc learns from the first
# one to take the next from its heap, which then has holes and grows; with a fixed threshold each
# is mapped by itself and given back whole.
_ALLOCATING = {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_ARENA_MAX": "2"}

Route = Callable[[Frame | None], None]  # takes each frame of one id; None: the process is gone


class ModelProcess:
    """A running process with a loaded model. Threads may share it."""

    def __init__(
        self,
        model: ModelFile,
        options: EngineOptions,
        child: str = CHILD,
        notes: tuple[str, ...] = (),
    ) -> None:
        """Start the module `child` and load, which takes as long as it takes to read the file.
        `notes` are passed on in `info`.

        Raises ModelMissing, ModelAltered, ModelUnreadable or ModelFailed.
        """
        self._ids = itertools.count(1)
        self._routes: dict[int, Route] = {}
        self._lock = threading.Lock()
        self._gone = ""  # why the process takes no more orders
        self._chatter: deque[str] = deque(maxlen=STDERR_LINES)
        with open_verified(model) as file:
            header = header_of(file, model.path)
            self._start(child, file.fileno())
            order = {
                "op": "load",
                "path": f"/proc/self/fd/{file.fileno()}",
                "context": options.context,
                "threads": options.threads or available_cores(),
                "spare_cores": not options.threads,
                "sequences": max(1, options.sequences),
                "gpu_layers": options.gpu_layers,
                "kv_cache": options.kv_cache,
                "conversation_mib": options.conversation_mib,
                "conversation_seconds": options.conversation_seconds,
                "thinking": options.thinking if model.thinking is None else model.thinking,
                "thinking_tokens": options.thinking_tokens,
                "chat_format": model.chat_format,
            }
            ready = self._load(order, options.load_seconds, model.path)
        self.refused = tuple(str(reason) for reason in ready["refused"])
        self.info = ModelInfo(
            name=model.name or header.name,
            sha256=model.sha256,
            quantization=header.quantization,
            architecture=header.architecture,
            context=int(ready["context"]),
            runtime=str(ready["runtime"]),
            template_sha256=str(ready["template_sha256"]),
            chat_format=str(ready.get("chat_format", "")),
            sequences=int(ready.get("sequences", 1)),
            kv_cache=str(ready.get("kv_cache", "")),
            gpu_layers=int(ready.get("gpu_layers", 0)),
            exact=bool(ready.get("exact", False)),
            notes=notes,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return not self._gone and self._process.poll() is None

    @property
    def lost(self) -> bool:
        """Whether it ended without having been told to."""
        return bool(self._gone) and self._gone != _CLOSED

    def ask(self, frame: Frame, seconds: float = REPLY_SECONDS) -> Frame:
        """The one reply to `frame`. Raises ModelFailed; after `seconds` the process is ended."""
        replies: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
        self.begin(frame, replies.put)
        try:
            reply = replies.get(timeout=seconds)
        except queue.Empty:
            self.kill(f"it did not reply within {seconds:g} seconds")
            reply = None
        if reply is None:
            raise self.failure()
        return reply

    def begin(self, frame: Frame, route: Route) -> int:
        """Send an order whose replies go to `route`, from another thread: any number with a
        `piece`, then one without. Returns the order's id. Raises ModelFailed."""
        order = next(self._ids)
        with self._lock:
            if self._gone:
                raise self.failure()
            self._routes[order] = route
        try:
            self._wire.send(frame | {"id": order})
        except (OSError, BadFrame) as error:
            with self._lock:
                self._routes.pop(order, None)
            if isinstance(error, BadFrame):
                raise ModelFailed(str(error)) from error
            self.kill("its line broke")
            raise self.failure() from error
        return order

    def cancel(self, order: int) -> None:
        """Ask for the end of an answer; a process that is gone has ended it already."""
        try:
            self._wire.send({"op": "cancel", "answer": order})
        except OSError:
            self.kill("its line broke")

    def mourned(self) -> str:
        """Why it ended, of a process that has ended by itself; waits until that is known."""
        self._listener.join(END_SECONDS)
        return self.failure().reason

    def failure(self) -> ModelFailed:
        """What to say about a process that is gone, its last words included."""
        last = next((line for line in reversed(self._chatter) if _TROUBLE.search(line)), "")
        return ModelFailed(f"{self._gone or 'it ended'}{f'; it said: {last}' if last else ''}")

    def kill(self, reason: str) -> None:
        """End the process at once. What waits for a reply is told that there is none."""
        self._leave(reason)
        self._process.kill()

    def close(self) -> None:
        """End the process and wait until it has ended."""
        self._leave(_CLOSED)
        self._ours.shutdown(socket.SHUT_RDWR)
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join(END_SECONDS)

    def _start(self, child: str, model_descriptor: int) -> None:
        self._ours, theirs = socket.socketpair()
        package = find_spec("assistant")
        roots = [Path(f).parent for f in (package and package.submodule_search_locations) or ()]
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", child, str(theirs.fileno())],
                    pass_fds=(theirs.fileno(), model_descriptor),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C ends an answer, not the model
                    env=_environment() | {"PYTHONPATH": os.pathsep.join(map(str, roots))},
                )
            except OSError as error:
                self._ours.close()
                raise ModelFailed(f"its process could not start: {error.strerror}") from error
        self._wire = Wire(Connection(os.dup(self._ours.fileno())))
        chatter = self._process.stdout
        assert chatter is not None  # noqa: S101 - stdout=PIPE above
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._overhearer = threading.Thread(target=self._overhear, args=(chatter,), daemon=True)
        self._listener.start()
        self._overhearer.start()

    def _load(self, order: Frame, seconds: float, path: Path) -> Frame:
        try:
            reply = self.ask(order, seconds)
        except ModelFailed:
            self.kill("it could not load the model")
            raise
        if "unusable" in reply:
            self.close()
            raise ModelUnreadable(path, str(reply["unusable"]))
        return reply

    def _listen(self) -> None:
        """Hand each frame to its route; runs until the line ends."""
        try:
            while True:
                self._deliver(self._wire.receive())
        except BadFrame as error:
            reason = f"it sent nonsense: {error}"
        except (EOFError, OSError):
            reason = ""
        try:  # without its line it should end by itself, and then its status says why
            status = self._process.wait(0.0 if reason else END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._overhearer.join(1.0)  # its last words explain the end
        self._leave(reason or _ending(status))
        self._wire.close()

    def _deliver(self, frame: Frame) -> None:
        order = frame.get("id")
        if not isinstance(order, int):
            raise BadFrame("a frame belongs to no order")
        with self._lock:
            final = "piece" not in frame
            route = self._routes.pop(order, None) if final else self._routes.get(order)
        if route is not None:
            route(frame)

    def _overhear(self, chatter: IO[bytes]) -> None:
        """Keep the last lines of standard error, which would block the process if nobody read."""
        with chatter:
            while line := chatter.readline(STDERR_LINE_CHARS):
                self._chatter.append(line.decode(errors="replace").rstrip())

    def _leave(self, reason: str) -> None:
        """Take no more orders, and tell those who wait. The first reason given stands."""
        with self._lock:
            self._gone = self._gone or reason
            waiting, self._routes = list(self._routes.values()), {}
        for route in waiting:
            route(None)


def _environment() -> dict[str, str]:
    chosen = any(name in os.environ for name in threads.CHOSEN_BY_USER)
    return _ALLOCATING | os.environ | ({} if chosen else threads.SPIN)


def _ending(status: int) -> str:
    if status >= 0:
        return f"its process ended with status {status}"
    try:
        return f"its process was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"its process was ended by signal {-status}"
