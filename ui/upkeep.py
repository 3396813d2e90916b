"""Work that a server does beside answering, in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from ui import failures


class Upkeep:
    """Calls `task` every `seconds` while the `with` block lasts.

    A failure is told once, to `tell`, until the task has succeeded again: what fails every few
    seconds must not fill a terminal, and upkeep must not end the service.
    """

    def __init__(
        self, task: Callable[[], None], seconds: float, tell: Callable[[str], None]
    ) -> None:
        self._task, self._seconds, self._tell = task, seconds, tell
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)

    def _run(self) -> None:
        told = ""
        while not self._over.wait(self._seconds):
            try:
                self._task()
                told = ""
            except Exception as error:  # noqa: BLE001 - told, and tried again
                sentence = failures.describe(error).sentence
                if sentence != told:
                    self._tell(sentence)
                told = sentence

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        with suppress(RuntimeError):
            self._thread.join(timeout=30)
