"""Frames between the assistant and the model's process: JSON objects of bounded length.

The bytes travel as `multiprocessing.connection.Connection` writes them (a length, then the bytes);
its pickling `send` and `recv` are never used, so that neither side can make the other run code.
"""

from __future__ import annotations

import json
import threading
from multiprocessing.connection import Connection
from typing import Any

MAX_FRAME_BYTES = 16 << 20  # far above any prompt that fits a context

Frame = dict[str, Any]


class BadFrame(Exception):
    """The other side sent something that is no frame."""


class Wire:
    """One end of the line. Any thread may send; one thread receives."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = threading.Lock()

    def send(self, frame: Frame) -> None:
        """Raises OSError if the other side is gone, BadFrame if the frame is too long."""
        data = json.dumps(frame).encode()
        if len(data) > MAX_FRAME_BYTES:
            raise BadFrame("a frame to send is too long")
        with self._sending:
            self._connection.send_bytes(data)

    def receive(self) -> Frame:
        """The next frame. Raises EOFError or OSError if the other side is gone, else BadFrame."""
        try:
            untrusted = json.loads(self._connection.recv_bytes(MAX_FRAME_BYTES))
        except (ValueError, RecursionError) as error:
            raise BadFrame("a frame is not JSON") from error
        if not isinstance(untrusted, dict):
            raise BadFrame("a frame is not an object")
        return untrusted

    def ready(self, seconds: float) -> bool:
        """Whether a frame, or the end of the line, arrives within `seconds`."""
        return self._connection.poll(seconds)

    def close(self) -> None:
        self._connection.close()
