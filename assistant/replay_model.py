"""A model that is asked again, and what it writes held against what it wrote then.

It stands before the real model and lets everything through but the clock: an answer that the
deadline cut, that broke down or that was never begun for want of a turn ends where it ended then,
since that cannot be made to happen again. What was cut because enough had been written is written
on to where it was cut then, so that all of it can be compared; how much more a reader had taken by
that moment depends on the clock alone. A server's model is not asked: its recorded words stand in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

from assistant.errors import AssistantError, ModelBusy, ModelFailed, PromptTooLong
from assistant.model import NOBODY, Caller, Generation, Model, ModelInfo, Sampling, Stream
from assistant.opinion import LEAST_AGREEMENT
from assistant.prompts import PromptSet
from assistant.replay_record import Call, Recorded

CUT_BY_US = "cancelled"  # the outcome of an answer of which enough had been written
_PLAYED = {
    "deadline": "The deadline cut it then, and it was cut at the same place now.",
    "failed": "The model broke down then, and was made to end at the same place now.",
    "busy": "It got no turn then, and was given none now.",
}


class NobodyAsked(AssistantError):
    """A model is wanted where none was asked then."""

    def __init__(self) -> None:
        super().__init__("No language model was asked then, and one was wanted now.")


@dataclass(frozen=True, slots=True)
class Expected:
    """What one generation gave: its text and how it ended, as records name that. `surprises` are
    the likelihoods that were asked meanwhile, in order; None: it could not be had."""

    raw: str
    outcome: str
    surprises: tuple[float | None, ...] = ()


@dataclass(slots=True)
class Again:
    """What came of one generation now: `written` is all of it, also what nobody took."""

    expected: Expected | None
    written: str = ""
    note: str = ""

    @property
    def equal(self) -> bool:
        """Whether it is the text of then, as far as that was written."""
        if self.expected is None:
            return False
        if self.expected.outcome in ("stop", "length"):
            return self.written == self.expected.raw
        return self.written.startswith(self.expected.raw)


@dataclass(slots=True)
class Script:
    """What one model wrote then, to be written again. `rewriting` is that of the follow-up, by the
    prompt with that system text; `answer` the answer's."""

    rewriting: Expected | None = None
    rewriting_system: str = ""
    answer: Expected | None = None
    rewritten: Again | None = None
    answered: Again | None = None
    notes: list[str] = field(default_factory=list)

    def begin(self, system: str) -> Again:
        """What the generation that begins now is to give."""
        if (
            self.rewriting is not None
            and self.rewritten is None
            and system == self.rewriting_system
        ):
            self.rewritten = Again(self.rewriting)
            return self.rewritten
        self.answered = Again(self.answer)
        return self.answered


def scripts(recorded: Recorded, rewriting: PromptSet | None) -> tuple[Script, Script]:
    """What the model of this machine and the server's wrote then."""
    ours, theirs = Script(), Script()
    if recorded.rewriting is not None and rewriting is not None:
        payload = recorded.payload
        failed = bool(payload.get("understanding_failed"))
        text = str(payload.get("understanding_written", ""))
        ours.rewriting = Expected(text, "failed" if failed else "stop")
        ours.rewriting_system = rewriting.system
    for call in recorded.calls:
        (theirs if call.remote else ours).answer = Expected(call.raw, call.outcome, _asked(call))
    return ours, theirs


def _asked(call: Call) -> tuple[float | None, ...]:
    """The likelihoods for which the model was asked: not where the cheaper signal had decided."""
    return tuple(each["surprise"] for each in call.opinions if each["agreement"] >= LEAST_AGREEMENT)


class Repeated:
    """`assistant.model.Model` that writes what a script says, with the real model. Opens that when
    it is first needed. For one thread."""

    def __init__(self, opened: Callable[[], Model], script: Script) -> None:
        self._opened, self.script = opened, script
        self._scores = 0

    @property
    def info(self) -> ModelInfo:
        return self._opened().info

    def warm(self) -> None:
        """Nothing is loaded before it is known that it is needed."""

    def count_tokens(self, text: str) -> int:
        return self._opened().count_tokens(text)

    def prompt_tokens(self, system: str, user: str) -> int:
        return self._opened().prompt_tokens(system, user)

    def render(self, system: str, user: str) -> str:
        return self._opened().render(system, user)

    def generate(
        self,
        system: str,
        user: str,
        sampling: Sampling,
        deadline: float | None = None,
        cancelled: Callable[[], bool] | None = None,
        caller: Caller = NOBODY,
    ) -> Stream:
        """As the model does; neither `deadline` nor `cancelled` count."""
        again = self.script.begin(system)
        expected = again.expected
        if expected is not None:
            again.note = _PLAYED.get(expected.outcome, "")
            if expected.outcome == "busy":
                raise ModelBusy(1)
            if expected.outcome == "failed" and not expected.raw:
                raise ModelFailed("it broke down then, before it had written anything")
        self._scores = 0
        return RepeatedStream(self._opened().generate(system, user, sampling), again)

    def score(
        self,
        system: str,
        user: str,
        text: str,
        deadline: float | None = None,
        caller: Caller = NOBODY,
    ) -> tuple[float, ...]:
        number, self._scores = self._scores, self._scores + 1
        answer = self.script.answer
        asked = answer.surprises if answer is not None else ()
        if number < len(asked) and asked[number] is None:
            self.script.notes.append("A likelihood that could not be had then was left out again.")
            raise ModelBusy(0)
        return self._opened().score(system, user, text)

    @contextmanager
    def held(self) -> Iterator[Repeated]:
        with self._opened().held() as model:
            bound = Repeated(lambda: model, self.script)
            yield bound

    def forget(self, conversation: str) -> None:
        """It keeps nothing of any conversation."""

    def close(self) -> None:
        """The real model is whoever's opened it."""


class RepeatedStream:
    """`assistant.model.Stream` of a generation that is held against one of then."""

    def __init__(self, stream: Stream, again: Again) -> None:
        self._stream, self._again = stream, again
        self._given: list[str] = []
        self._ended = False
        self._result: Generation | None = None

    def waiting(self) -> Iterator[int]:
        yield from self._stream.waiting()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        left = self._left()
        if self._ended or left == 0:
            self._cut()
            raise StopIteration
        try:
            piece = next(self._stream)
        except StopIteration:
            self._end()
            raise
        self._again.written += piece
        piece = piece if left is None else piece[:left]
        self._given.append(piece)
        return piece

    @property
    def result(self) -> Generation:
        if self._result is None:
            raise RuntimeError("this answer has not been generated to its end")
        return self._result

    def close(self) -> None:
        """What was cut then because enough had been written is read on to that place."""
        if self._ended:
            self._stream.close()
            return
        expected = self._again.expected
        while expected is not None and len(self._again.written) < len(expected.raw):
            try:
                self._again.written += next(self._stream)
            except StopIteration:
                break
        self._stream.close()
        self._end()

    def _left(self) -> int | None:
        """How many characters it may still give; None: as many as the model writes."""
        expected = self._again.expected
        if expected is None or expected.outcome not in ("deadline", "failed"):
            return None
        return max(0, len(expected.raw) - len("".join(self._given)))

    def _cut(self) -> None:
        """End where it ended then. Raises ModelFailed if it broke down there."""
        if self._ended:
            return
        self._stream.close()
        self._end()
        expected = self._again.expected
        if expected is not None and expected.outcome == "failed":
            self._result = None
            raise ModelFailed("it broke down then, at this place")
        if self._result is not None:
            self._result = replace(self._result, stop_reason="deadline")

    def _end(self) -> None:
        self._ended = True
        try:
            self._result = replace(self._stream.result, text="".join(self._given))
        except RuntimeError:  # it was never begun
            self._result = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Remembered:
    """`assistant.model.Model` that says what a server's model said then; asks nobody."""

    def __init__(self, fields: dict[str, Any], script: Script) -> None:
        """`fields` are those of the recorded call, or of the escalation if it came to none."""
        self._fields, self.script = fields, script

    @property
    def info(self) -> ModelInfo:
        found = self._fields
        if "context_tokens" not in found:
            raise ModelFailed("the larger model could not be asked then either")
        return ModelInfo(
            str(found["model"]), "", str(found["quantization"]), "", int(found["context_tokens"]),
            str(found["runtime"]), str(found["chat_template_sha256"]), str(found["chat_format"]),
            int(found["sequences"]), str(found["kv_cache"]), exact=False, where=str(found["where"]),
        )  # fmt: skip

    def warm(self) -> None:
        """There is nothing to load."""

    def count_tokens(self, text: str) -> int:
        """An estimate: only the server can count."""
        return -(-len(text.encode()) // 4)

    def prompt_tokens(self, system: str, user: str) -> int:
        return self.count_tokens(system) + self.count_tokens(user)

    def render(self, system: str, user: str) -> str:
        return f"{system}\n{user}"

    def generate(
        self,
        system: str,
        user: str,
        sampling: Sampling,
        deadline: float | None = None,
        cancelled: Callable[[], bool] | None = None,
        caller: Caller = NOBODY,
    ) -> Stream:
        again = self.script.begin(system)
        expected = again.expected or Expected("", "failed")
        again.note = "It was not asked again; its recorded words stand in."
        if expected.outcome == "busy":
            raise ModelBusy(1)
        if expected.outcome == "too_long":
            raise PromptTooLong(self.info.context + 1, self.info.context)
        return RepeatedStream(_Spoken(expected), again)

    def score(
        self,
        system: str,
        user: str,
        text: str,
        deadline: float | None = None,
        caller: Caller = NOBODY,
    ) -> tuple[float, ...]:
        raise ModelBusy(0)  # a server's model was not asked for likelihoods then either

    def held(self) -> AbstractContextManager[Remembered]:
        return nullcontext(self)

    def forget(self, conversation: str) -> None:
        """It keeps nothing."""

    def close(self) -> None:
        """There is nothing to close."""


class _Spoken:
    """A stream of words that stand in a record."""

    def __init__(self, expected: Expected) -> None:
        self._pieces: Sequence[str] = [expected.raw] if expected.raw else []
        self._text, self._next = expected.raw, 0

    def waiting(self) -> Iterator[int]:
        return iter(())

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._next >= len(self._pieces):
            raise StopIteration
        self._next += 1
        return self._pieces[self._next - 1]

    @property
    def result(self) -> Generation:
        return Generation(self._text, 0, 0, "stop", 0.0, 0.0)

    def close(self) -> None:
        """There is nothing to end."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """There is nothing to end."""
