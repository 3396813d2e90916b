"""The port to a small language model: what the answer pipeline needs, whatever runs behind it.

`assistant.llamacpp` implements it over llama.cpp in a child process. An implementation serves one
generation at a time; further ones wait in the order in which they were asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Protocol, Self, runtime_checkable

StopReason = Literal["stop", "length", "cancelled", "deadline"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen.

    `temperature` 0.0 takes the likeliest token always; then `top_p`, `top_k` and `seed` have no
    effect. `top_p` 1.0, `top_k` 0 and `repeat_penalty` 1.0 switch each filter off. `max_tokens`
    bounds the answer, also when the model would never stop. Generation ends before the first of
    the `stop` strings, which is not part of the text.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    repeat_penalty: float = 1.0
    seed: int = 20_240_517
    max_tokens: int = 256
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises ValueError for a value that no sampler can honour."""
        sound = (
            0.0 <= self.temperature <= 10.0
            and 0.0 < self.top_p <= 1.0
            and self.top_k >= 0
            and 0.1 <= self.repeat_penalty <= 10.0
            and 0 <= self.seed < 2**32 - 1
            and self.max_tokens >= 1
            and all(self.stop)
        )
        if not sound:
            raise ValueError(f"no model can sample with {self}")


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which model answers: all that a record needs to name it again.

    `sha256` is the digest of the file's bytes, `context` the tokens that prompt and answer share,
    `runtime` the llama.cpp binding and its build, `template_sha256` the digest of the chat
    template that `render` applies.
    """

    name: str
    sha256: str
    quantization: str
    architecture: str
    context: int
    runtime: str
    template_sha256: str


@dataclass(frozen=True, slots=True)
class Generation:
    """A finished answer. `text` is exactly the pieces that were streamed, joined.

    `stop_reason`: "stop" (the model or a stop string ended it), "length" (`max_tokens` or the
    context), "cancelled" or "deadline". `cached_tokens` of the `prompt_tokens` were not evaluated
    again, being the fixed system prompt's; `kept_tokens` of that prompt stay evaluated for the next
    answer, and nothing else does. Times are seconds.
    """

    text: str
    prompt_tokens: int
    completion_tokens: int
    stop_reason: StopReason
    seconds_prefill: float
    seconds_decode: float
    cached_tokens: int = 0
    kept_tokens: int = 0


class Stream(Protocol):
    """The pieces of one answer as they are written; each is valid text, none is empty.

    Nothing is asked of the model before the first piece is. Leaving the `with` block or calling
    `close` early cancels the rest within one token. Not for use by several threads at once, but
    for `close`.
    """

    def __iter__(self) -> Iterator[str]: ...

    def __next__(self) -> str:
        """The next piece; StopIteration at the end.

        Raises ModelBusy, PromptTooLong (both before anything is evaluated) or ModelFailed.
        """
        ...

    @property
    def result(self) -> Generation:
        """What was generated, once the stream has ended or was closed; RuntimeError before, or if
        it ended with an error or was never begun."""
        ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


@runtime_checkable
class Model(Protocol):
    """One loaded language model. Safe to share between threads.

    Text given as `system` or `user` is only ever text: a control token spelled out in it
    ("<|im_end|>") is tokenised as the characters that it consists of.
    """

    @property
    def info(self) -> ModelInfo:
        """Raises ModelFailed or ModelUnreadable if the model cannot be loaded."""
        ...

    def warm(self) -> None:
        """Begin to load in the background; returns at once and raises nothing."""
        ...

    def count_tokens(self, text: str) -> int:
        """How many tokens `text` takes inside a prompt (no control tokens added)."""
        ...

    def prompt_tokens(self, system: str, user: str) -> int:
        """How many tokens the whole prompt takes, chat template included: exactly what
        `generate` evaluates."""
        ...

    def render(self, system: str, user: str) -> str:
        """The exact prompt text, chat template applied, as it is evaluated; for the log."""
        ...

    def generate(
        self,
        system: str,
        user: str,
        sampling: Sampling,
        deadline: float | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Stream:
        """Answer `user` under the instructions `system`.

        `deadline` is a reading of `time.monotonic()` after which the answer ends as it stands;
        `cancelled` is asked between tokens by whoever takes the pieces, and must be quick.
        """
        ...

    def close(self) -> None:
        """End the model's process. A generation under way ends with ModelFailed."""
        ...
