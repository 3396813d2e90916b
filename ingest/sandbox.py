"""Keeps the process that reads documents: starts it, bounds it, checks what it says, replaces it.

A file that makes its reader die, hang, or send too much costs that file and one process. The
process is long-lived, because loading the parsers takes longer than reading most files, but not
for ever, because parsers leak.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import reduction
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ingest.errors import Failure, ReaderUnavailable, ReadFailure
from ingest.options import ReadOptions
from ingest.pages import Member, ReadDocument
from ingest.reader_child import STAND_IN
from ingest.wire import (
    UntrustedMessageError,
    checked_document,
    checked_failure,
    checked_item_failure,
    checked_member,
    packed,
    unpacked,
)

_START_SECONDS = 60.0  # to load Python and the first parser on a busy machine
_MESSAGE_BYTES = 64  # beyond the limit on output: what compression may add
_PATIENCE = 30  # times the limit on seconds, for a whole file whose reader shows that it goes on
_PASSED_ON = ("TESSDATA_PREFIX",)  # of our environment: where the models for recognition lie


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """What reading one file may cost.

    `seconds` of wall clock pass between two messages at most; a reader that is slow but shows that
    it goes on (`ReadOptions.pulse`), as one that recognises page after page, has 30 times that.
    """

    seconds: float = 120.0
    memory_mb: int = 2048  # address space of the process
    output_mb: int = 512  # of what it sends for one file, unpacked
    pages: int = 20_000
    files: int = 200  # that one process reads before it is replaced


class _Child:
    """One reading process and the socket to it."""

    def __init__(self, limits: ReadLimits, stand_in: Path | None) -> None:
        self._limits = limits
        self._ending = threading.Lock()
        self.timed_out = False
        self.files = 0
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-I", "-B", "-m", "ingest.reader_child"]
        command += ["--fd", str(theirs.fileno()), "--memory-mb", str(limits.memory_mb)]
        command += ["--seconds", str(max(1, round(limits.seconds)))]
        environment = {"LANG": "C.UTF-8", "PATH": os.defpath, "OMP_THREAD_LIMIT": "1"}
        environment |= {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
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
                    start_new_session=True,  # so that all that it starts can be ended with it
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

    def ask(self, name: str, file: int, options: ReadOptions) -> None:
        """Send the request to read the open file `file`. Raises OSError if the process is gone."""
        self.files += 1
        self._connection.send_bytes(packed({"name": name, "options": options.message()}))
        reduction.send_handle(self._connection, file, self._process.pid)

    def receive(self, seconds: float, most: int) -> tuple[dict[str, Any], int]:
        """The next message and its unpacked size; the process is killed if it takes too long.

        Raises EOFError or OSError if the process is gone, UntrustedMessageError.
        """
        message, size = unpacked(self.receive_bytes(seconds, most + _MESSAGE_BYTES), most)
        return dict(message), size

    def receive_bytes(self, seconds: float, most: int) -> bytes:
        """The next bytes that were sent as one, at most `most`; else as `receive`."""
        timer = threading.Timer(seconds, self._expire)
        timer.daemon = True
        timer.start()
        try:
            return self._connection.recv_bytes(most)
        finally:
            timer.cancel()

    def _expire(self) -> None:
        self.timed_out = True
        self.kill()

    def was_slow(self) -> bool:
        """Whether it is gone because its time was up, by the clock or on the processor."""
        self.end()
        return self.timed_out or self._process.returncode == -signal.SIGXCPU

    def kill(self) -> None:
        """End the process and all that it started; who waits for it is told that it is gone.

        Its number stands for its group until `end` has waited for it, even when it has died.
        """
        with self._ending:
            if self._process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> None:
        """Kill the process and close the socket."""
        self.kill()
        with self._ending:
            self._process.wait()
        with suppress(OSError):
            self._connection.close()


class _Replies:
    """Iterates over what a child says of one file, checked.

    Raises ReadFailure, UntrustedMessageError, EOFError and OSError.
    """

    def __init__(self, child: _Child, limits: ReadLimits, size: int, options: ReadOptions) -> None:
        self._child = child
        self._seconds = limits.seconds
        self._until = time.monotonic() + limits.seconds * _PATIENCE
        self._output_left = limits.output_mb << 20
        self._pages = min(limits.pages, options.max_pages)
        self._size = size
        self._members_left = options.max_members
        self._bytes_left = options.max_member_bytes
        self._names: set[str] = set()

    def __iter__(self) -> Iterator[ReadDocument | ReadFailure | Member]:
        while True:
            message, used = self._child.receive(self._patience(), self._output_left)
            self._output_left -= used
            if "failed" in message:
                raise ReadFailure(checked_failure(message["failed"]))
            if message.get("end") is True:
                return
            if message.get("pulse") is True:
                continue
            if "member" in message:
                yield self._member(message)
            else:
                yield from self._items(message.get("items"))

    def _patience(self) -> float:
        return max(0.0, min(self._seconds, self._until - time.monotonic()))

    def _items(self, untrusted_items: object) -> Iterator[ReadDocument | ReadFailure]:
        if not isinstance(untrusted_items, list):
            raise UntrustedMessageError("no items")
        for untrusted in untrusted_items:
            if isinstance(untrusted, dict) and "failed" in untrusted:
                yield checked_item_failure(untrusted)
            else:
                yield checked_document(untrusted, self._pages, self._size)

    def _member(self, untrusted: dict[str, Any]) -> Member:
        if not self._members_left:
            raise UntrustedMessageError("more members than allowed", too_large=True)
        name, size = checked_member(untrusted, self._bytes_left, self._names)
        self._members_left -= 1
        self._bytes_left -= size
        self._names.add(name)
        data = self._child.receive_bytes(self._patience(), size)
        if len(data) != size:
            raise UntrustedMessageError("a member of another size than was said")
        return Member(name, data)


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
        self, name: str, file: int, size: int, options: ReadOptions
    ) -> Iterator[ReadDocument | ReadFailure | Member]:
        """What is in the open file `file` (a descriptor at its start) of `size` bytes.

        Yields the document; for a JSONL file each record or why it is none; for a mail its
        document, then the files attached to it; for an archive the files in it. A file within that
        cannot be had is a `members.MemberFailure`. Every offset, name and size in what is yielded
        has been checked.

        Raises:
            ReadFailure: the file as a whole cannot be read; others can.
            ReaderUnavailable: no process can be started.
        """
        child = self._ready()
        finished = False
        try:
            child.ask(name, file, options)
            yield from _Replies(child, self._limits, size, options)
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
            raise ReadFailure(
                Failure.TOO_SLOW if child.was_slow() else Failure.READER_DIED
            ) from gone
        finally:
            if not finished:
                self._replace()

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
