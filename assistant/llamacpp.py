"""The model port over llama.cpp: one process for the model that answers, a line before it, and
another model in its place whenever one is chosen.

The process starts with the first question (or `warm`), and again after it was lost. Which model is
to answer is asked anew for each answer: those under way or in line end on the model that they were
asked of, the next one is the new one's, and the old one's process ends with its last answer. Both
are in memory at a time only where both fit.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from types import TracebackType
from typing import Self

from assistant.engine_options import EngineOptions
from assistant.errors import AssistantError, ModelFailed
from assistant.line import Line
from assistant.llamacpp_process import CHILD, ModelProcess
from assistant.llamacpp_stream import NO_METER, Meter, Writing
from assistant.loaded import Fit, Loaded, Notice, as_asked
from assistant.model import NOBODY, Caller, ModelInfo, Sampling
from assistant.model_status import ModelStatus
from assistant.shelf import ModelFile
from assistant.wire import Frame

__all__ = ["EngineOptions", "LlamaCpp"]

REPLY_SECONDS = 60.0
TURN_SECONDS = 0.5  # how long to wait at a time for another model to end
Choose = Callable[[], ModelFile]


def _unheard(happened: str, facts: Mapping[str, object]) -> None:
    """Nobody is told."""


def _never(old: ModelFile, new: ModelFile) -> bool:
    """Two models are never in memory at a time."""
    return False


class LlamaCpp:
    """`assistant.model.Model` over GGUF files."""

    def __init__(
        self,
        model: ModelFile | Choose,
        options: EngineOptions | None = None,
        child: str = CHILD,
        *,
        fit: Fit = as_asked,
        both_fit: Callable[[ModelFile, ModelFile], bool] = _never,
        notice: Notice = _unheard,
        meter: Meter = NO_METER,
    ) -> None:
        """Starts nothing yet: a file is checked and loaded with the first use, by a process that
        runs the module `child`.

        `model` is a file, or what to ask before each answer for the one that is to write it. `fit`
        turns the options into ones that this machine has room for, `both_fit` says whether a second
        model may be loaded while the first still answers. `notice` is told when a model was loaded,
        lost or unloaded; what it raises, whoever asks gets. `meter` tells an answer's energy.
        """
        self._choose: Choose = (lambda: model) if isinstance(model, ModelFile) else model
        self.options = options or EngineOptions()
        self._child, self._fit, self._both_fit, self._notice = child, fit, both_fit, notice
        self.meter = meter
        self.line = Line(self._places, self.options.queue_limit)
        self._changed = threading.Condition()
        self._current: Loaded | None = None
        self._retired: list[Loaded] = []
        self._closed = False
        self._trouble: BaseException | None = None  # what unloading could not record

    def _places(self) -> int:
        current = self._current
        return current.sequences if current is not None else max(1, self.options.sequences)

    # --- which model -----------------------------------------------------------------------------

    @contextmanager
    def used(self) -> Iterator[Loaded]:
        """The model that is to answer now, held until the block ends: it is not unloaded
        meanwhile. Raises ModelFailed if the port was closed, and what the choice raises."""
        loaded = None
        while loaded is None:
            loaded = self.hold(TURN_SECONDS)
        try:
            yield loaded
        finally:
            self.release(loaded)

    def hold(self, seconds: float) -> Loaded | None:
        """As `used`, until `release`; None if another model has to end first and has not within
        `seconds`."""
        chosen = self._choose()
        with self._changed:
            if self._current is not None and self._current.model != chosen:
                self._retire(self._current)
            if self._closed:
                raise ModelFailed("it was closed")
            trouble, self._trouble = self._trouble, None
            if trouble is not None:
                raise trouble
            if self._current is None:
                if not all(self._both_fit(old.model, chosen) for old in self._retired):
                    self._changed.wait(seconds)  # for the last answer of the old one
                    return None
                self._current = Loaded(chosen, self.options, self._child, self._fit, self._notice)
            self._current.users += 1
            return self._current

    def release(self, loaded: Loaded) -> None:
        """Give back what `hold` gave; with the last one a model that was replaced is unloaded.
        Returns at once: the listener of the very process that ends may call this."""
        with self._changed:
            loaded.users -= 1
            if loaded.users == 0 and loaded in self._retired:
                self._unload(loaded)

    def _retire(self, loaded: Loaded) -> None:
        """Let a model answer nothing new; it ends with its last answer."""
        self._current = None
        self._retired.append(loaded)
        if loaded.users == 0:
            self._unload(loaded)

    def _unload(self, loaded: Loaded) -> None:
        threading.Thread(target=self._unloaded, args=(loaded,), name="unload", daemon=True).start()

    def _unloaded(self, loaded: Loaded) -> None:
        """End a model's process, and only then let another be loaded in its place."""
        try:
            loaded.close()
        except BaseException as error:  # noqa: BLE001 - raised to whoever comes next
            self._trouble = error
        with self._changed:
            if loaded in self._retired:
                self._retired.remove(loaded)
            self._changed.notify_all()

    def process(self) -> ModelProcess:
        """The running process of the model that is to answer now."""
        with self.used() as loaded:
            return loaded.process()

    def status(self) -> ModelStatus:
        """The model as it stands now; waits for nothing and raises nothing."""
        current = self._current
        waiting, running = self.line.waiting, self.line.running
        if current is None:
            return ModelStatus(waiting=waiting, running=running)
        name, state, notes = current.state()
        return ModelStatus(name, state, notes, waiting, running)

    # --- the port --------------------------------------------------------------------------------

    @property
    def info(self) -> ModelInfo:
        return self.process().info

    def warm(self) -> None:
        threading.Thread(target=self._warm, daemon=True).start()

    def _warm(self) -> None:
        try:
            self.process()
        except AssistantError:
            return  # whoever needs the model tries again and is told

    @contextmanager
    def held(self) -> Iterator[Held]:
        """This port bound to the model that is to answer now, whatever takes its place."""
        with self.used() as loaded:
            yield Held(self, loaded)

    def count_tokens(self, text: str) -> int:
        with self.held() as model:
            return model.count_tokens(text)

    def prompt_tokens(self, system: str, user: str) -> int:
        with self.held() as model:
            return model.prompt_tokens(system, user)

    def render(self, system: str, user: str) -> str:
        with self.held() as model:
            return model.render(system, user)

    def generate(
        self,
        system: str,
        user: str,
        sampling: Sampling,
        deadline: float | None = None,
        cancelled: Callable[[], bool] | None = None,
        caller: Caller = NOBODY,
    ) -> Writing:
        order = _order(system, user, sampling, deadline, caller)
        return Writing(self, None, order, cancelled or (lambda: False), caller.owner)

    def score(
        self,
        system: str,
        user: str,
        text: str,
        deadline: float | None = None,
        caller: Caller = NOBODY,
    ) -> tuple[float, ...]:
        with self.held() as model:
            return model.score(system, user, text, deadline, caller)

    def forget(self, conversation: str) -> None:
        with self._changed:
            everywhere = [*self._retired, *([self._current] if self._current else [])]
        for loaded in everywhere:
            process = loaded.running  # what does not run has kept nothing
            if process is not None:
                process.ask({"op": "forget", "conversation": conversation})

    def close(self) -> None:
        with self._changed:
            self._closed = True
            everywhere = [*self._retired, *([self._current] if self._current else [])]
            self._retired, self._current = [], None
            self._changed.notify_all()
        for loaded in everywhere:
            loaded.close()
        if self._trouble is not None:
            raise self._trouble

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Held:
    """`assistant.model.Model` over one loaded model of a `LlamaCpp`, as long as that is held."""

    def __init__(self, port: LlamaCpp, loaded: Loaded) -> None:
        self._port, self._loaded = port, loaded

    @property
    def info(self) -> ModelInfo:
        return self._loaded.process().info

    def warm(self) -> None:
        return  # it is about to be used

    @contextmanager
    def held(self) -> Iterator[Held]:
        yield self

    def count_tokens(self, text: str) -> int:
        order = {"op": "count", "text": _sound(text)}
        return int(self._loaded.process().ask(order, REPLY_SECONDS)["tokens"])

    def prompt_tokens(self, system: str, user: str) -> int:
        return int(self._prompt(system, user)["tokens"])

    def render(self, system: str, user: str) -> str:
        return str(self._prompt(system, user)["text"])

    def _prompt(self, system: str, user: str) -> Frame:
        order = {"op": "prompt", "system": _sound(system), "user": _sound(user)}
        return self._loaded.process().ask(order, REPLY_SECONDS)

    def generate(
        self,
        system: str,
        user: str,
        sampling: Sampling,
        deadline: float | None = None,
        cancelled: Callable[[], bool] | None = None,
        caller: Caller = NOBODY,
    ) -> Writing:
        order = _order(system, user, sampling, deadline, caller)
        return Writing(self._port, self._loaded, order, cancelled or (lambda: False), caller.owner)

    def score(
        self,
        system: str,
        user: str,
        text: str,
        deadline: float | None = None,
        caller: Caller = NOBODY,
    ) -> tuple[float, ...]:
        if not text:
            return ()
        order = _order(system, user, Sampling(), deadline, caller)
        order |= {"op": "score", "text": _sound(text), "conversation": ""}
        stream = Writing(self._port, self._loaded, order, lambda: False, caller.owner)
        with stream:
            for _ in stream:
                pass
        return stream.result.logprobs

    def forget(self, conversation: str) -> None:
        self._port.forget(conversation)

    def close(self) -> None:
        return  # it is the port's to close


def _order(
    system: str, user: str, sampling: Sampling, deadline: float | None, caller: Caller
) -> Frame:
    order = {"op": "generate", "system": _sound(system), "user": _sound(user)}
    return order | asdict(sampling) | {"deadline": deadline, "conversation": caller.conversation}


def _sound(text: str) -> str:
    """Text that can be written as UTF-8: half a surrogate pair becomes a question mark."""
    return text.encode(errors="replace").decode()
