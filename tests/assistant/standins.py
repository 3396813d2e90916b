"""Models that do what a test needs, good and bad, and files to load them from."""

from __future__ import annotations

import hashlib
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from assistant.errors import ModelFailed, PromptTooLong
from assistant.model import NOBODY, Caller, Generation, ModelInfo, Sampling, StopReason
from assistant.pieces import Pieces
from assistant.shelf import ModelFile

Script = Sequence[str] | Callable[[str, str], str]


class ScriptedModel:
    """`assistant.model.Model` that says what it is told to.

    `script` is a list of answers, the last of which is repeated, or a function of system prompt and
    user message. A token is four characters. `calls` holds (system, user, sampling) of each
    generation that was begun, `callers` for whom, `closed` whether `close` was called, `forgotten`
    the conversations that were forgotten. After `breaks_after` pieces the model fails, as a process
    that died would. Whoever waits is told `queue`, one number after the other.
    """

    def __init__(
        self,
        script: Script,
        *,
        context: int = 4096,
        breaks_after: int | None = None,
        queue: Sequence[int] = (),
    ) -> None:
        self._script = script
        self._context = context
        self.breaks_after = breaks_after
        self.queue = queue
        self.callers: list[Caller] = []
        self.forgotten: list[str] = []
        self.calls: list[tuple[str, str, Sampling]] = []
        self.closed = False

    @property
    def info(self) -> ModelInfo:
        digest = hashlib.sha256(b"scripted").hexdigest()
        return ModelInfo("Scripted", digest, "none", "script", self._context, "scripted", digest)

    def warm(self) -> None:
        return

    def count_tokens(self, text: str) -> int:
        return -(-len(text) // 4)

    def prompt_tokens(self, system: str, user: str) -> int:
        return self.count_tokens(self.render(system, user))

    def render(self, system: str, user: str) -> str:
        return f"<system>{system}</system><user>{user}</user>"

    def generate(
        self,
        system: str,
        user: str,
        sampling: Sampling,
        deadline: float | None = None,
        cancelled: Callable[[], bool] | None = None,
        caller: Caller = NOBODY,
    ) -> ScriptedStream:
        self.callers.append(caller)
        return ScriptedStream(self, (system, user, sampling), deadline, cancelled)

    def answer(self, system: str, user: str) -> str:
        """The next answer of the script."""
        if callable(self._script):
            return self._script(system, user)
        return self._script[min(len(self.calls), len(self._script)) - 1]

    def score(
        self,
        system: str,
        user: str,
        text: str,
        deadline: float | None = None,
        caller: Caller = NOBODY,
    ) -> tuple[float, ...]:
        """A token is the likelier the more of its characters the prompt holds."""
        prompt = self.render(system, user)
        tokens = [text[n : n + 4] for n in range(0, len(text), 4)]
        return tuple(-float(sum(c not in prompt for c in token)) - 0.1 for token in tokens)

    @contextmanager
    def held(self) -> Iterator[ScriptedModel]:
        yield self

    def forget(self, conversation: str) -> None:
        self.forgotten.append(conversation)

    def close(self) -> None:
        self.closed = True


class ScriptedStream:
    """`assistant.model.Stream` of a scripted answer, four characters a piece."""

    def __init__(
        self,
        model: ScriptedModel,
        call: tuple[str, str, Sampling],
        deadline: float | None,
        cancelled: Callable[[], bool] | None,
    ) -> None:
        self._model, self._call = model, call
        self._deadline, self._cancelled = deadline, cancelled
        self._closed = False
        self._result: Generation | None = None
        self._pieces = self._write()
        self._given: list[str] = []

    def waiting(self) -> Iterator[int]:
        for ahead in self._model.queue:
            if self._unwanted() is not None:
                return
            yield ahead

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        return next(self._pieces)

    def _unwanted(self) -> StopReason | None:
        if self._closed or (self._cancelled is not None and self._cancelled()):
            return "cancelled"
        late = self._deadline is not None and time.monotonic() >= self._deadline
        return "deadline" if late else None

    def _write(self) -> Iterator[str]:
        system, user, sampling = self._call
        prompt = self._model.prompt_tokens(system, user)
        if prompt >= self._model.info.context:
            raise PromptTooLong(prompt + 1, self._model.info.context)
        self._model.calls.append(self._call)
        text = self._model.answer(system, user)
        pieces, written = Pieces(sampling.stop), 0
        reason = self._unwanted()
        for start in range(0, len(text), 4):
            if reason is None and written >= sampling.max_tokens:
                reason = "length"
            if reason is not None:
                break
            if written == self._model.breaks_after:
                raise ModelFailed("its process was ended by SIGKILL")
            written += 1
            yield from self._give(pieces.push(text[start : start + 4].encode()))
            reason = "stop" if pieces.stopped else self._unwanted()
        yield from self._give(pieces.finish())
        self._finish(prompt, written, reason or "stop")

    def _give(self, piece: str) -> Iterator[str]:
        if piece:
            self._given.append(piece)
            yield piece

    def _finish(self, prompt: int, written: int, reason: StopReason) -> None:
        self._result = Generation("".join(self._given), prompt, written, reason, 0.0, 0.0)

    @property
    def result(self) -> Generation:
        if self._result is None:
            raise RuntimeError("this answer has not been generated to its end")
        return self._result

    def close(self) -> None:
        self._closed = True
        if self._given and self._result is None:
            try:
                for _ in self._pieces:
                    pass
            except ModelFailed:
                return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def endless_model() -> ScriptedModel:
    """A model that never stops of itself and cites what it was never given."""
    return ScriptedModel(["As stated in [99], the period is 99 years. " * 5000])


def crashing_model(after: int = 3) -> ScriptedModel:
    """A model whose process dies after some pieces."""
    return ScriptedModel(["The retention period is six years."], breaks_after=after)


def gguf_bytes(
    name: str = "echo",
    *,
    pairs: Sequence[tuple[str, int, bytes]] = (),
    architecture: str = "llama",
) -> bytes:
    """A GGUF header without tensors; `pairs` are (key, type, encoded value) besides the usual."""
    usual = [
        ("general.architecture", 8, gguf_string(architecture)),
        ("general.name", 8, gguf_string(name)),
        ("general.file_type", 4, struct.pack("<I", 15)),
        (f"{architecture}.context_length", 4, struct.pack("<I", 2048)),
        ("tokenizer.ggml.tokens", 9, gguf_strings(["<s>", "a", "b"])),
        ("tokenizer.ggml.scores", 9, struct.pack("<IQ3f", 6, 3, 0.0, 1.0, 2.0)),
        ("tokenizer.chat_template", 8, gguf_string("{{ messages }}")),
    ]
    merged = {key: (kind, value) for key, kind, value in (*usual, *pairs)}
    body = b"".join(
        gguf_string(key) + struct.pack("<I", kind) + value for key, (kind, value) in merged.items()
    )
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(merged)) + body


def gguf_string(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def gguf_strings(texts: Sequence[str]) -> bytes:
    return struct.pack("<IQ", 8, len(texts)) + b"".join(map(gguf_string, texts))


def model_file(folder: Path, name: str = "echo") -> ModelFile:
    """A tiny GGUF file called `name`, pinned. `tests.assistant.scripted_child` loads it, and the
    name tells it how to behave."""
    path = folder / f"{name}.gguf"
    path.write_bytes(gguf_bytes(name))
    return ModelFile(path, hashlib.sha256(path.read_bytes()).hexdigest())
