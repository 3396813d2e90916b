"""What one model writes for one question: its place in the line, its text through the gate, and the
records of both.

The time that an answer may take counts from its turn, not from the line: the line is bounded by how
many it takes, and whoever waits is told how many are served before. Nothing is asked of a model
that nobody waits for any more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace

from assistant.answer import Stage
from assistant.asides import Aside
from assistant.errors import AssistantError, ModelBusy, PromptTooLong
from assistant.gate import Gate, Judged
from assistant.model import Caller, Generation, Model, ModelInfo, Sampling, Stream
from assistant.opinion import Entailment, Opinion, Seconded, Surprise, surprise_of
from assistant.prompts import DEFAULT, PromptSet
from assistant.recording import Call, QuestionRecord
from assistant.retrieval import Found
from assistant.writing import Prompt, Written, compose_prompt, judge_stream
from index.ports import Embedder

_SCORE_SECONDS = 5.0  # that the second opinion may hold a sentence back, the line included
_PULSE = 0.25  # seconds after which a stretch that shows nothing is told as progress


@dataclass(frozen=True, slots=True)
class Order:
    """What a model is to write: from what, under which limits, for whom."""

    found: Found
    budget: int  # tokens of the whole prompt
    passages: int
    most_sentences: int
    seconds: float  # from the turn's begin
    sampling: Sampling
    caller: Caller
    cancelled: Callable[[], bool]
    embedder: Embedder
    entailment: Entailment | None = None
    prompt: PromptSet = DEFAULT


@dataclass(slots=True)
class Draft:
    """What came of it; complete once `write` has ended, however it ended."""

    info: ModelInfo | None = None
    prompt: Prompt | None = None
    call: Call = field(default_factory=dict)  # what records say of it
    seconds_ready: float = 0.0  # until the model was loaded, or its server had answered
    written: Written = field(default_factory=Written)
    generation: Generation | None = None
    released: int = 0  # sentences that were shown; kept by whoever releases them
    seconds_judging: float = 0.0  # by the gate and the second opinion
    opinions: tuple[Opinion, ...] = ()  # of the sentences that the gate alone would have passed

    @property
    def late(self) -> bool:
        """Whether it was stopped by the clock."""
        return self.generation is not None and self.generation.stop_reason == "deadline"

    @property
    def signature(self) -> str:
        """The model as an answer names it: with the beginning of its digest, or its address."""
        if self.info is None:
            return ""
        return f"{self.info.name} {self.info.where or self.info.sha256[:12]}"


class _Clock:
    """Ends an answer some time after its turn has come, or when nobody wants it any more."""

    def __init__(self, seconds: float, cancelled: Callable[[], bool]) -> None:
        self._seconds, self._cancelled = seconds, cancelled
        self._end: float | None = None
        self.struck = False  # it was the clock that ended the answer

    def begin(self) -> None:
        self._end = time.monotonic() + self._seconds

    def unwanted(self) -> bool:
        if self._end is not None and time.monotonic() >= self._end:
            self.struck = True
        return self.struck or self._cancelled()


def write(
    model: Model, order: Order, record: QuestionRecord, draft: Draft
) -> Generator[Stage | Judged, None, None]:
    """Progress, and the sentences that may be shown as they pass; `draft` takes in all of it.

    Raises AssistantError if the model cannot answer; what was given until then stands.
    """
    began = time.monotonic()
    with model.held() as held:
        draft.info = held.info
        draft.seconds_ready = time.monotonic() - began
        draft.prompt = compose_prompt(held, order.found, order.budget, order.passages, order.prompt)
        draft.call = record.model_called(draft.info, draft.prompt, order.sampling)
        clock = _Clock(order.seconds, order.cancelled)
        outcome, failure = "failed", "ended early"
        stream: Stream | None = None
        try:
            stream = held.generate(
                draft.prompt.system,
                draft.prompt.user,
                order.sampling,
                cancelled=clock.unwanted,
                caller=order.caller,
            )
            with closing(stream):
                yield from _wait(stream)
                clock.begin()
                yield from _judged(held, stream, order, record, draft)
            failure = ""
        except AssistantError as error:
            outcome, failure = _outcome(error), f"{error}{_detail(error)}"
            raise
        finally:
            # Also what an answer had cost that was given up.
            draft.generation = _result(stream, clock) if stream is not None else None
            raw = "".join(draft.written.raw)
            record.model_finished(
                draft.call, draft.generation, raw, outcome, failure, draft.opinions
            )


def _wait(stream: Stream) -> Iterator[Stage]:
    """How many are served before this one, until its turn has come."""
    waited = False
    for ahead in stream.waiting():
        waited = True
        yield Stage("waiting", ahead)
    if waited:
        yield Stage("writing")


def _judged(
    model: Model, stream: Stream, order: Order, record: QuestionRecord, draft: Draft
) -> Iterator[Stage | Judged]:
    """Sentences as they pass, and a stage now and then while none does: each is a moment at which
    a reader who has left can be noticed."""
    found = order.found
    with ExitStack() as records:
        gate = Seconded(
            Gate(found.asked, found.ranked, found.rankings, found.weigh),
            order.embedder,
            _surprise(model, order, record, records),
            order.entailment,
        )
        told, shown, written = time.monotonic(), order.most_sentences, draft.written
        try:
            for judged in judge_stream(gate, stream, shown, written, stream.close):
                if judged is not None:
                    yield judged
                elif time.monotonic() >= told + _PULSE:
                    told = time.monotonic()
                    yield Stage("writing")
        finally:
            draft.seconds_judging, draft.opinions = gate.seconds, tuple(gate.opinions)


def _surprise(model: Model, order: Order, record: QuestionRecord, records: ExitStack) -> Surprise:
    """How the model is asked for a sentence without the passages. It cannot be while its only
    sequence is writing the answer; a busy line must not hold the answer back, so the score is given
    up after a while (TimeoutError), and what came of half the sentence by then is no score. All
    sentences share one pair of records: it is opened for the first, and ends with `records`."""
    bare = order.prompt.user((), order.found.asked.text)
    used: Aside | None = None

    def score(text: str) -> Sequence[float]:
        nonlocal used
        if model.info.sequences < 2:
            return ()
        if used is None:
            opened = record.aside("surprise", model, order.prompt, bare)
            used = records.enter_context(opened)
        used.scored.append(text)
        end = time.monotonic() + _SCORE_SECONDS
        try:
            found = model.score(order.prompt.system, bare, text, end, Caller(order.caller.owner))
        except AssistantError as error:
            used.error = str(error)
            raise
        used.tokens += len(found)
        if time.monotonic() >= end:
            raise TimeoutError
        return found

    return surprise_of(score)


def _result(stream: Stream, clock: _Clock) -> Generation | None:
    """What was generated; None if the stream broke or nothing was asked."""
    try:
        result = stream.result
    except RuntimeError:
        return None
    # The clock is ours, so the model knows only that the answer was not wanted any more.
    late = result.stop_reason == "cancelled" and clock.struck
    return replace(result, stop_reason="deadline") if late else result


def _outcome(error: AssistantError) -> str:
    """How an answer ended that has no result, as records name it."""
    if isinstance(error, ModelBusy):
        return "busy"
    return "too_long" if isinstance(error, PromptTooLong) else "failed"


def _detail(error: AssistantError) -> str:
    """What a server said, for the log alone: its words are nobody's statement."""
    detail = getattr(error, "detail", "")
    return f" It said: {detail}" if detail else ""
