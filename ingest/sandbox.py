"""Keeps the process that reads documents: starts it, bounds it, checks what it says, replaces it.

A file that makes its reader die, hang, or send too much costs that file and one process. The
process is long-lived, because loading the parsers takes longer than reading most files, but not
for ever, because parsers leak.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import reduction
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ingest.errors import Failure, ReaderUnavailable, ReadFailure
from ingest.pages import ReadDocument
from ingest.reader_child import STAND_IN
from ingest.wire import (
    UntrustedMessageError,
    checked_document,
    checked_failure,
    checked_line,
    packed,
    unpacked,
)

_START_SECONDS = 60.0  # to load Python and the first parser on a busy machine
_MESSAGE_BYTES = 64  # beyond the limit on output: what compression may add


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """What reading one file may cost. `seconds` of wall clock pass between two messages at most."""

    seconds: float = 120.0
    memory_mb: int = 2048  # address space of the process
    output_mb: int = 512  # of what it sends for one file, unpacked
    pages: int = 20_000
    files: int = 200  # that one process reads before it is replaced


class _Child:
    """One reading process and the socket to it."""

    def __init__(self, limits: ReadLimits, stand_in: Path | None) -> None:
        self._limits = limits
        self.timed_out = False
        self.files = 0
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-I", "-B", "-m", "ingest.reader_child"]
        command += ["--fd", str(theirs.fileno()), "--memory-mb", str(limits.memory_mb)]
        command += ["--seconds", str(max(1, round(limits.seconds)))]
        environment = {"LANG": "C.UTF-8", "PATH": os.defpath}
        if stand_in is not None:
            command.append("--stand-in")
            environment[STAND_IN] = str(stand_in)
        try:
            with theirs:
                self._process = subprocess.Popen(
                    command,
                    env=environment,
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,  # it may say anything, even to a terminal
                )
        except OSError as error:
            ours.close()
            raise ReaderUnavailable(error.strerror or str(error)) from error
        self._connection = Connection(ours.detach())
        try:
            hello, _ = self.receive(_START_SECONDS, 1 << 16)
        except (EOFError, OSError, UntrustedMessageError) as error:
            self.end()
            raise ReaderUnavailable("it ended before it was ready") from error
        self.alone = hello.get("alone") is True

    def ask(self, name: str, file: int, passwords: Sequence[str]) -> None:
        """Send the request to read the open file `file`. Raises OSError if the process is gone."""
        self.files += 1
        request = {
            "name": name,
            "passwords": list(passwords),
            "max_pages": self._limits.pages,
        }
        self._connection.send_bytes(packed(request))
        reduction.send_handle(self._connection, file, self._process.pid)

    def receive(self, seconds: float, most: int) -> tuple[dict[str, Any], int]:
        """The next message and its unpacked size; the process is killed if it takes too long.

        Raises EOFError or OSError if the process is gone, UntrustedMessageError.
        """
        timer = threading.Timer(seconds, self._expire)
        timer.daemon = True
        timer.start()
        try:
            message, size = unpacked(self._connection.recv_bytes(most + _MESSAGE_BYTES), most)
        finally:
            timer.cancel()
        return dict(message), size

    def _expire(self) -> None:
        self.timed_out = True
        self.kill()

    def kill(self) -> None:
        """End the process; who waits for it is told that it is gone."""
        self._process.kill()

    def end(self) -> None:
        """Kill the process and close the socket."""
        self.kill()
        self._process.wait()
        with suppress(OSError):
            self._connection.close()


class Sandbox:
    """Reads files in another process, one at a time. Not for several threads at once."""

    def __init__(self, limits: ReadLimits, stand_in: Path | None = None) -> None:
        self._limits = limits
        self._stand_in = stand_in
        self._child: _Child | None = None

    @property
    def alone(self) -> bool:
        """Whether the kernel let the reading process give up its network."""
        return self._ready().alone

    def read(
        self, name: str, file: int, size: int, passwords: Sequence[str] = ()
    ) -> Iterator[ReadDocument | ReadFailure]:
        """What is in the open file `file` (a descriptor at its start) of `size` bytes.

        Yields the document, or for a JSONL file each record or why it is none. Every offset and
        size in what is yielded has been checked.

        Raises:
            ReadFailure: the file as a whole cannot be read; others can.
            ReaderUnavailable: no process can be started.
        """
        child = self._ready()
        finished = False
        try:
            child.ask(name, file, passwords)
            yield from self._replies(child, size)
            finished = True
        except ReadFailure as failure:
            finished = failure.failure not in _FATAL
            raise
        except UntrustedMessageError as lie:
            too_large = lie.too_large
            raise ReadFailure(
                Failure.TOO_MUCH_OUTPUT if too_large else Failure.READER_LIED
            ) from lie
        except (EOFError, OSError) as gone:
            slow = child.timed_out
            raise ReadFailure(Failure.TOO_SLOW if slow else Failure.READER_DIED) from gone
        finally:
            if not finished:
                self._replace()

    def _replies(self, child: _Child, size: int) -> Iterator[ReadDocument | ReadFailure]:
        left = self._limits.output_mb << 20
        while True:
            message, used = child.receive(self._limits.seconds, left)
            left -= used
            if "failed" in message:
                raise ReadFailure(checked_failure(message["failed"]))
            if message.get("end") is True:
                return
            untrusted_items = message.get("items")
            if not isinstance(untrusted_items, list):
                raise UntrustedMessageError("no items")
            for untrusted in untrusted_items:
                if isinstance(untrusted, dict) and "failed" in untrusted:
                    line = checked_line(untrusted.get("line"))
                    yield ReadFailure(checked_failure(untrusted["failed"]), line)
                else:
                    yield checked_document(untrusted, self._limits.pages, size)

    def _ready(self) -> _Child:
        if self._child is not None and self._child.files >= self._limits.files:
            self._replace()
        if self._child is None:
            self._child = _Child(self._limits, self._stand_in)
        return self._child

    def _replace(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None

    def interrupt(self) -> None:
        """Make a `read` in another thread fail soon, as if its process had died."""
        child = self._child
        if child is not None:
            child.kill()

    def close(self) -> None:
        """End the reading process."""
        self._replace()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


_FATAL = frozenset({Failure.TOO_MUCH_MEMORY})  # after these the process ends itself
