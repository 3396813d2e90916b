"""The taps of `tests.faults.tapped`, and the faults that it puts beside them."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assistant.errors import ModelBusy, ModelFailed, PromptTooLong
from assistant.model import ModelInfo
from index.errors import HomeUnavailable


def digest(text: str) -> str:
    """Hex SHA-256 as the records have it."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Fault:
    """Makes the n-th call that passes here raise; `hit` says whether it did."""

    def __init__(self) -> None:
        self._left, self._error, self.hit = 0, RuntimeError, False
        self._lock = threading.Lock()

    def arm(self, nth: int, error: Callable[[], BaseException]) -> None:
        """0: never."""
        self._left, self._error, self.hit = nth, error, False  # type: ignore[assignment]

    def pass_by(self) -> None:
        """Raise, if it is time."""
        with self._lock:
            self._left -= 1
            if self._left != 0:
                return
            self.hit = True
        raise self._error()


class Faulty:
    """Anything, with a fault before each call of a method and each look at a property."""

    def __init__(self, real: object, fault: Fault) -> None:
        self._real, self._fault = real, fault

    def __getattr__(self, name: str) -> Any:
        self._fault.pass_by()
        return getattr(self._real, name)


@dataclass(slots=True)
class Taps:
    """What happened. `prompts`: (digest of the whole prompt, when) of each call of a model;
    `scores`: the same of each text that a model scored, with it; `sentences` and `answers`: (text,
    when) that left, by case; `errors` that came out, and the faults that were
    `hit`."""

    prompts: list[tuple[str, int]] = field(default_factory=list)
    scores: list[tuple[str, str, int]] = field(default_factory=list)
    sentences: dict[int, list[tuple[str, int]]] = field(default_factory=dict)
    answers: dict[int, list[tuple[str, int]]] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    hits: Counter[str] = field(default_factory=Counter)


class TappedModel:
    """A model at its port: notes each prompt when the first piece is asked for, and then may
    fail."""

    def __init__(self, real: Any, taps: Taps, fault: Fault) -> None:
        self._real, self._taps, self._fault = real, taps, fault

    @property
    def info(self) -> ModelInfo:
        self._fault.pass_by()
        return self._real.info  # type: ignore[no-any-return]

    def generate(self, system: str, user: str, *rest: Any, **more: Any) -> Any:
        self._fault.pass_by()
        prompt = digest(self._real.render(system, user))
        stream = self._real.generate(system, user, *rest, **more)
        return _TappedStream(stream, self._taps, self._fault, prompt)

    def score(self, system: str, user: str, text: str, *rest: Any, **more: Any) -> Any:
        prompt = digest(self._real.render(system, user))
        self._taps.scores.append((prompt, text, time.time_ns()))
        self._fault.pass_by()
        return self._real.score(system, user, text, *rest, **more)

    @contextmanager
    def held(self) -> Iterator[TappedModel]:
        self._fault.pass_by()
        with self._real.held() as held:
            yield TappedModel(held, self._taps, self._fault)

    def __getattr__(self, name: str) -> Any:
        if name in ("count_tokens", "render", "prompt_tokens"):
            self._fault.pass_by()
        return getattr(self._real, name)


class _TappedStream:
    def __init__(self, stream: Any, taps: Taps, fault: Fault, prompt: str) -> None:
        self._stream, self._taps, self._fault, self._prompt = stream, taps, fault, prompt
        self._begun = False

    def __iter__(self) -> _TappedStream:
        return self

    def __next__(self) -> str:
        if not self._begun:
            self._begun = True
            self._taps.prompts.append((self._prompt, time.time_ns()))
        self._fault.pass_by()
        return str(next(self._stream))

    def __enter__(self) -> _TappedStream:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class FaultyConnection:
    """The log's connection to SQLite: the n-th write, begin or commit fails, before or after SQLite
    has done it."""

    def __init__(self, real: sqlite3.Connection, fault: Fault, late: Callable[[], bool]) -> None:
        self._real, self._fault, self._late = real, fault, late

    def execute(self, sql: str, *rest: Any) -> Any:
        if not sql.startswith(("BEGIN", "INSERT", "COMMIT")):
            return self._real.execute(sql, *rest)
        if self._late():
            done = self._real.execute(sql, *rest)
            self._fault.pass_by()
            return done
        self._fault.pass_by()
        return self._real.execute(sql, *rest)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def sqlite_error(code: int) -> Callable[[], BaseException]:
    """An error as the library raises it."""

    def made() -> BaseException:
        error = sqlite3.OperationalError(f"injected {code}")
        error.sqlite_errorcode = code
        return error

    return made


BROKEN: dict[str, tuple[Callable[[], BaseException], ...]] = {
    "library": (
        lambda: HomeUnavailable(Path("/nowhere"), "injected"),
        lambda: RuntimeError("injected"),
        lambda: TimeoutError("injected"),
        lambda: OSError(5, "injected"),
    ),
    "model": (
        lambda: ModelFailed("injected"),
        lambda: ModelBusy(3),
        lambda: PromptTooLong(5000, 4096),
        lambda: RuntimeError("injected"),
        lambda: TimeoutError("injected"),
    ),
    "log": tuple(
        sqlite_error(code)
        for code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY)
    ),
    "keys": (sqlite_error(sqlite3.SQLITE_FULL),),
    "rendering": (lambda: RuntimeError("injected"), lambda: UnicodeError("injected")),
    "leaving": (lambda: ConnectionResetError("injected"),),
    "none": (),
}
FURTHEST = {"library": 30, "model": 40, "log": 30, "keys": 9, "rendering": 6, "leaving": 8}
