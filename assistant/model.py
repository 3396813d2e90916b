"""The port to a small language model: what the answer pipeline needs, whatever runs behind it.

`assistant.llamacpp` implements it over llama.cpp in a child process, `assistant.remote` over a
server inside the premises. An implementation serves as many generations at a time as it has
sequences; further ones wait in a line that is fair to people, not to questions: whoever asks ten at
once waits for nine of them behind somebody who asks one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
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

    `grammar` (GBNF, llama.cpp's notation, with a rule `root`) or `json_schema` (JSON Schema as
    JSON text) hold the answer to a form: every answer that ends with "stop" has it. At most one of
    the two. `logprobs` asks for the log-probability of each token.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    repeat_penalty: float = 1.0
    seed: int = 20_240_517
    max_tokens: int = 256
    stop: tuple[str, ...] = ()
    grammar: str = ""
    json_schema: str = ""
    logprobs: bool = False

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
            and not (self.grammar and self.json_schema)
        )
        if not sound:
            raise ValueError(f"no model can sample with {self}")


@dataclass(frozen=True, slots=True)
class Caller:
    """For whom an answer is written.

    `owner` names the person that the line is fair to. `conversation` ties questions together whose
    prompts may begin alike: what such a prompt begins with is not evaluated again. Both come from
    the entry point, never from the question, and a conversation must belong to one person only
    (make its name of the session's secret, not of a counter): whoever names it learns, by how soon
    an answer begins, what it has read before. An empty `conversation` keeps nothing.
    """

    owner: str = ""
    conversation: str = ""


NOBODY = Caller()


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which model answers: all that a record needs to name it again.

    `sha256` is the digest of the file's bytes, `context` the tokens that prompt and answer share,
    `runtime` the llama.cpp binding and its build, `template_sha256` the digest of the chat
    template that `render` applies and `chat_format` its name. `sequences` is how many answers are
    written at a time, `kv_cache` the number format of the evaluated tokens ("f16", "q8_0"),
    `gpu_layers` the layers on a GPU. `exact`: the text does not depend on who else is answered at
    the same time, bit for bit. `where` is empty for a model of this machine, else the server's
    address; then `sha256` is empty, since nobody here has seen the file. `notes` say what was
    decided otherwise than asked for, each in a sentence.
    """

    name: str
    sha256: str
    quantization: str
    architecture: str
    context: int
    runtime: str
    template_sha256: str
    chat_format: str = ""
    sequences: int = 1
    kv_cache: str = ""
    gpu_layers: int = 0
    exact: bool = True
    where: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Generation:
    """A finished answer. `text` is exactly the pieces that were streamed, joined.

    `stop_reason`: "stop" (the model or a stop string ended it), "length" (`max_tokens` or the
    context), "cancelled" or "deadline". `cached_tokens` of the `prompt_tokens` were not evaluated
    again, being the fixed system prompt's, and `own_tokens` not either, being what the caller's own
    conversation had read before. `kept_tokens` of this prompt stay evaluated: the system prompt's
    for everybody, more of it only for the next question of that conversation, and nothing else
    does. Times are seconds; `seconds_waited` in the line,
    `seconds_first` from the turn's begin to the first token. `shared_steps` is how many of the
    answer's steps were computed together with somebody else's. `logprobs` are natural logarithms,
    one a token, if they were asked for. `thoughts` is what a thinking model wrote before its
    answer; never part of the text. `joules` of the GPU (this answer's share), None where no meter
    is. `attempts` is more than 1 if the engine was lost meanwhile and the answer written again.
    """

    text: str
    prompt_tokens: int
    completion_tokens: int
    stop_reason: StopReason
    seconds_prefill: float
    seconds_decode: float
    cached_tokens: int = 0
    kept_tokens: int = 0
    own_tokens: int = 0
    seconds_waited: float = 0.0
    seconds_first: float = 0.0
    shared_steps: int = 0
    logprobs: tuple[float, ...] = ()
    thoughts: str = ""
    joules: float | None = None
    attempts: int = 1


class Stream(Protocol):
    """The pieces of one answer as they are written; each is valid text, none is empty.

    Nothing is asked of the model before the first piece is. Leaving the `with` block or calling
    `close` early cancels the rest within one token. Not for use by several threads at once, but
    for `close`.
    """

    def waiting(self) -> Iterator[int]:
        """How many are served before this one, told anew whenever it changes (and once in a
        second), until the turn has come. Optional: the first piece waits as well.

        Raises ModelBusy, or AssistantError if the model cannot be loaded.
        """
        ...

    def __iter__(self) -> Iterator[str]: ...

    def __next__(self) -> str:
        """The next piece; StopIteration at the end.

        Raises ModelBusy, PromptTooLong, ConstraintUnusable (all before anything is evaluated) or
        ModelFailed.
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
        caller: Caller = NOBODY,
    ) -> Stream:
        """Answer `user` under the instructions `system`.

        `deadline` is a reading of `time.monotonic()` after which the answer ends as it stands;
        `cancelled` is asked between tokens by whoever takes the pieces, and must be quick.
        """
        ...

    def score(
        self,
        system: str,
        user: str,
        text: str,
        deadline: float | None = None,
        caller: Caller = NOBODY,
    ) -> tuple[float, ...]:
        """The log-probability (natural) of each token of `text` as the answer to that prompt; ()
        for no text. Waits in the same line. Raises as a stream does, and ScoringUnsupported."""
        ...

    def held(self) -> AbstractContextManager[Model]:
        """This port bound to the model that is to answer now: what is asked within the block
        concerns that one, whatever is chosen in its place meanwhile. Tokens are counted, the
        prompt is recorded and the answer is written by one and the same model that way."""
        ...

    def forget(self, conversation: str) -> None:
        """Keep nothing evaluated for this conversation any longer; every one's if it is ""."""
        ...

    def close(self) -> None:
        """End the model's process. A generation under way ends with ModelFailed."""
        ...
