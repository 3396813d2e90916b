"""One model on its way through the machine: loaded when first used, loaded again when its process
was lost, unloaded when another has taken its place and its last answer has ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from assistant.engine_options import EngineOptions
from assistant.errors import ModelFailed
from assistant.llamacpp_process import ModelProcess
from assistant.model_status import ModelState
from assistant.shelf import ModelFile

# (what happened, its facts): "model.loaded", "model.lost", "model.unloaded"
Notice = Callable[[str, Mapping[str, str | int | bool | list[str]]], None]
Fit = Callable[[ModelFile, EngineOptions], tuple[EngineOptions, tuple[str, ...]]]

# Then it is tried less and less often. More than one prompt that kills it can cause, being written
# again `EngineOptions.retries` times: those who wait behind it must not pay for it.
FAILURES_IN_A_ROW = 5
LONGEST_PAUSE = 60.0  # seconds


def as_asked(model: ModelFile, options: EngineOptions) -> tuple[EngineOptions, tuple[str, ...]]:
    """The options unchanged, for who knows that they fit."""
    del model
    return replace(options, sequences=options.sequences or 1), ()


class Loaded:
    """A model file, and its process while there is one. Threads may share it."""

    def __init__(
        self, model: ModelFile, options: EngineOptions, child: str, fit: Fit, notice: Notice
    ) -> None:
        self.model = model
        self._options, self._child, self._fit, self._notice = options, child, fit, notice
        self._starting = threading.Lock()
        self._process: ModelProcess | None = None
        self._closed = self._loading = False
        self._failures = 0
        self._reason = ""
        self._pause_until = 0.0
        self.users = 0  # answers under way and whoever holds it; kept by `assistant.llamacpp`

    @property
    def sequences(self) -> int:
        """How many answers it writes at a time; a guess before it is loaded."""
        process = self._process
        return process.info.sequences if process else max(1, self._options.sequences)

    @property
    def running(self) -> ModelProcess | None:
        """Its process, if there is one that runs; starts none."""
        process = self._process
        return process if process is not None and process.alive else None

    def state(self) -> tuple[str, ModelState, tuple[str, ...]]:
        """Its name, what it is doing, and what was decided otherwise than asked for."""
        process = self.running
        if process is not None:
            return process.info.name, "ready", process.info.notes
        name = self.model.name or self.model.path.stem
        if self._loading:
            return name, "loading", ()
        return name, "failed" if self._failures else "idle", ()

    def process(self) -> ModelProcess:
        """The running process, started if there is none; waits while it loads.

        Raises ModelMissing, ModelAltered, ModelUnreadable, ModelTooLarge, ModelFailed, or whatever
        `notice` raises: what cannot be recorded does not run.
        """
        with self._starting:
            if self._closed:
                raise ModelFailed("it was closed")
            if self._process is not None and self._process.alive:
                return self._process
            self._bury()
            left = self._pause_until - time.monotonic()
            if left > 0:
                raise ModelFailed(
                    f"it failed {self._failures} times in a row and is tried again in "
                    f"{max(1, round(left))} s; at last {self._reason}"
                )
            self._loading = True
            try:
                self._start()
            except ModelFailed as error:
                self._failed(error.reason)
                raise
            finally:
                self._loading = False
            assert self._process is not None  # noqa: S101 - `_start` sets it or raises
            return self._process

    def served(self) -> None:
        """An answer ended well: the model works."""
        self._failures = 0

    def close(self) -> None:
        """End the process, if there is one, and wait until its memory is given back."""
        with self._starting:
            self._closed = True
            process, self._process = self._process, None
        if process is None:
            return
        process.close()
        self._notice("model.unloaded", {"model": process.info.name, "sha256": self.model.sha256})

    def _start(self) -> None:
        begun = time.monotonic()
        options, notes = self._fit(self.model, self._options)
        process = ModelProcess(self.model, options, self._child, notes)
        info = process.info
        facts: dict[str, str | int | bool | list[str]] = {
            "model": info.name,
            "sha256": info.sha256,
            "runtime": info.runtime,
            "chat_format": info.chat_format,
            "context_tokens": info.context,
            "sequences": info.sequences,
            "kv_cache": info.kv_cache,
            "gpu_layers": info.gpu_layers,
            "exact": info.exact,
            "notes": list(info.notes),
            "load_us": round((time.monotonic() - begun) * 1_000_000),
        }
        try:
            self._notice("model.loaded", facts)
        except BaseException:
            process.close()
            raise
        self._process = process

    def _bury(self) -> None:
        """Tell of a process that ended by itself."""
        lost, self._process = self._process, None
        if lost is None:
            return
        name, reason = lost.info.name, lost.mourned()
        self._failed(reason)
        lost.close()
        self._notice(
            "model.lost", {"model": name, "sha256": self.model.sha256, "reason": reason[:500]}
        )

    def _failed(self, reason: str) -> None:
        self._reason = reason
        self._failures += 1
        over = self._failures - FAILURES_IN_A_ROW
        if over >= 0:
            self._pause_until = time.monotonic() + min(LONGEST_PAUSE, 2.0**over)
