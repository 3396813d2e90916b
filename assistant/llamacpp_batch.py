"""Several answers at a time in one model: continuous batching. Runs in the model's process.

Each answer has a sequence of the context to itself. A step evaluates the last token of every answer
that is being written, all in one batch, and then as much of the first prompt that is still to be
read as fits in the time that a step may take. So a long prompt slows the others down but never
stops them, and an answer that nobody wants any more ends within a step.

What is written and what is read never share a batch, and a prompt is never read a single token at a
time where it could be two: llama.cpp's attention adds up in another order for one token of a
sequence than for several. Kept apart, an answer is the same to the last bit whoever else is
answered, in whatever parts its prompt was read, and whether its beginning was kept or not.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any

from assistant.llamacpp_engine import BATCH, OUTPUTS, Aborted, Engine, Entry
from assistant.llamacpp_reading import Begun, reading_of
from assistant.llamacpp_sampler import Sampler, UnusableForm, log_probability
from assistant.model import StopReason
from assistant.pieces import Pieces
from assistant.prefixes import Prefixes
from assistant.template import Prompt
from assistant.thoughts import Thoughts

STEP_SECONDS = 0.15  # reading may hold a step up for this long while others are being written
CELLS = 256  # llama.cpp attends over a multiple of so many: a part that ends at one costs less
LEAST_READ = 32  # tokens of a prompt in a step, however slow the machine

Frame = dict[str, Any]


@dataclass(eq=False)
class Answer:
    """One answer (or, with `scored`, the reading of a given one) on its way.

    `give` takes pieces of text, `end` the last frame. `unwanted` says why it should end now.
    """

    order: Frame
    prompt: Prompt
    unwanted: Callable[[], StopReason | None]
    give: Callable[[str], None]
    end: Callable[[Frame], None]
    grammar: str = ""
    scored: tuple[int, ...] = ()  # the tokens of a text whose likelihood is asked for
    sequence: int = -1
    start: Begun = field(default_factory=Begun)
    evaluated: int = 0  # tokens of the prompt, then of the answer, that the sequence holds
    written: int = 0
    thought: int = 0  # tokens
    shared_steps: int = 0
    last: int = -1  # the token that the next step evaluates, once writing has begun
    forced: deque[int] = field(default_factory=deque)
    logprobs: list[float] = field(default_factory=list)
    begun: float = 0.0
    read: float = 0.0  # when the prompt had been evaluated
    first: float = 0.0  # when the first token was there
    sampler: Sampler | None = None
    pieces: Pieces = field(default_factory=Pieces)
    thoughts: Thoughts = field(default_factory=lambda: Thoughts(None))

    @property
    def tokens(self) -> tuple[int, ...]:
        """All that is to be read before writing begins."""
        # What follows the last scored token is not asked for, so it need not be read.
        return self.start.given + self.scored[:-1]

    @property
    def reading(self) -> bool:
        return self.evaluated < len(self.tokens)


class Batching:
    """The answers under way. For one thread, the only one that evaluates."""

    def __init__(self, engine: Engine, prefixes: Prefixes, thinking_tokens: int) -> None:
        self._engine, self._way = engine, reading_of(engine, prefixes)
        self._thinking_tokens = thinking_tokens
        self._free = list(range(engine.sequences))
        self._underway: list[Answer] = []
        self._pace = 200.0  # tokens read a second, measured as it goes

    @property
    def room(self) -> int:
        """How many more answers can begin."""
        return len(self._free)

    @property
    def busy(self) -> bool:
        return bool(self._underway)

    def needs(self, answer: Answer) -> tuple[int, int]:
        """How many tokens an answer takes at least, and how many there is room for."""
        return self._way.needs(answer.prompt, len(answer.scored))

    def begin(self, answer: Answer) -> None:
        """Take an answer in; there must be room, also for what it `needs`. What cannot be begun
        ends at once."""
        answer.begun = time.monotonic()
        answer.sequence = heappop(self._free)
        self._underway.append(answer)
        chosen, order = self._engine.chosen, answer.order
        answer.pieces = Pieces((*order["stop"], *chosen.stops))
        answer.thoughts = Thoughts(chosen.thinking, inside=chosen.opens_thinking)
        if not answer.scored:
            try:
                answer.sampler = Sampler(self._engine, order, answer.grammar)
            except UnusableForm as error:
                self._fail(answer, error)
                return
        sequence, conversation = answer.sequence, order["conversation"]
        unwanted = self._nobody_wants([answer])
        try:
            answer.start = self._way.begin(sequence, answer.prompt, conversation, unwanted)
        except Aborted:
            self._finish(answer, answer.unwanted() or "cancelled")
            return
        answer.evaluated = answer.start.held

    def step(self) -> None:
        """Evaluate one batch and let every answer in it take its next token."""
        for answer in list(self._underway):
            reason = answer.unwanted()
            if reason is not None:
                self._finish(answer, reason)
        if not self._underway:
            return
        writing = [answer for answer in self._underway if not answer.reading]
        # llama.cpp evaluates together only what stands in the order of the sequences' numbers, and
        # without a gap: the lowest free number is given out first for that.
        writing.sort(key=lambda answer: answer.sequence)
        reading = [answer for answer in self._underway if answer.reading]
        if writing:
            self._evaluate([self._next_written(answer) for answer in writing])
        if reading and reading[0] in self._underway:
            self._evaluate([self._next_read(reading[0], self._room_to_read(bool(writing)))])

    def _evaluate(self, parts: Sequence[tuple[Answer, list[Entry]]]) -> None:
        """Evaluate a batch of parts, each an answer's, and take what comes of it."""
        reads = parts[0][0].reading
        members = [answer for answer, _ in parts]
        begun = time.monotonic()
        try:
            self._engine.evaluate(
                [entry for _, entries in parts for entry in entries],
                self._nobody_wants(members) if reads else None,
            )
        except Aborted:
            for answer in members:
                self._finish(answer, answer.unwanted() or "cancelled")
            return
        if reads:
            self._learn_pace(len(parts[0][1]), time.monotonic() - begun)
        start = 0
        for answer, entries in parts:
            answer.shared_steps += len(self._underway) > 1
            self._take(answer, start, len(entries))
            start += len(entries)

    def _nobody_wants(self, members: Sequence[Answer]) -> Callable[[], bool]:
        """Whether a batch can be given up; asks at most a hundred times a second."""
        asked, said = 0.0, False

        def unwanted() -> bool:
            nonlocal asked, said
            now = time.monotonic()
            if not said and now - asked > 0.01:
                asked, said = now, all(member.unwanted() for member in members)
            return said

        return unwanted

    def _next_written(self, answer: Answer) -> tuple[Answer, list[Entry]]:
        return answer, [Entry(answer.last, answer.evaluated, answer.sequence, wanted=True)]

    def _next_read(self, answer: Answer, room: int) -> tuple[Answer, list[Entry]]:
        """The next part of a prompt, at most `room` tokens. The system prompt ends a part, because
        it is kept."""
        tokens, start, fixed = answer.tokens, answer.evaluated, answer.prompt.fixed
        first_wanted = len(answer.start.given) - 1 if answer.scored else len(tokens) - 1
        whole = fixed if start < fixed else len(tokens)
        end = min(whole, start + room)
        if end > first_wanted:
            end = min(end, max(start, first_wanted) + OUTPUTS)
        aligned = end - end % CELLS
        if end < whole and aligned - start > 1:
            end = aligned
        if whole - end == 1:
            end -= 1
        return answer, [
            Entry(tokens[n], n, answer.sequence, wanted=n >= first_wanted)
            for n in range(start, end)
        ]

    def _room_to_read(self, writing: bool) -> int:
        """Tokens of a prompt that this step may read."""
        if not writing:
            return BATCH
        return min(BATCH, max(LEAST_READ, int(self._pace * STEP_SECONDS)))

    def _learn_pace(self, read: int, seconds: float) -> None:
        if read >= LEAST_READ and seconds > 0:
            self._pace += (read / seconds - self._pace) * 0.3

    def _take(self, answer: Answer, start: int, count: int) -> None:
        """What comes of an answer's part of the batch that was evaluated."""
        was_reading = answer.reading
        answer.evaluated += count
        if was_reading:
            if answer.scored:
                self._score(answer, start, count)
            self._way.advanced(answer.sequence, answer.prompt, answer.evaluated)
            if answer.reading:
                return
            answer.read = time.monotonic()
            if answer.scored:
                self._finish(answer, "stop")
                return
        try:
            self._write(answer, start + count - 1)
        except UnusableForm as error:
            self._fail(answer, error)

    def _score(self, answer: Answer, start: int, count: int) -> None:
        first = len(answer.start.given) - 1
        for index in range(count):
            place = answer.evaluated - count + index - first
            if place >= 0:
                logits = self._engine.logits(start + index)
                answer.logprobs.append(log_probability(logits, answer.scored[place]))

    def _write(self, answer: Answer, index: int) -> None:
        """Choose the next token, whose predecessor is the entry at `index`, and give it out."""
        engine, sampler = self._engine, answer.sampler
        assert sampler is not None  # noqa: S101 - set in `begin` for all that write
        inside = answer.thoughts.inside
        token = answer.forced.popleft() if answer.forced else sampler.next(index, free=inside)
        if not answer.first:
            answer.first = time.monotonic()
        if engine.vocab.ends(token):
            self._finish(answer, "stop")
            return
        if answer.order["logprobs"]:
            answer.logprobs.append(log_probability(engine.logits(index), token))
        answer.written += 1
        answer.thought += inside
        answer.give(answer.pieces.push(answer.thoughts.push(engine.vocab.data(token))))
        if answer.pieces.stopped:
            self._finish(answer, "stop")
        elif self._full(answer):
            self._finish(answer, "length")
        else:
            self._stop_thinking(answer)
            answer.last = token

    def _full(self, answer: Answer) -> bool:
        spoken = answer.written - answer.thought
        most = int(answer.order["max_tokens"])
        held = len(answer.start.given) + answer.written
        return spoken >= most or held >= self._engine.room

    def _stop_thinking(self, answer: Answer) -> None:
        """Make the model close its thoughts when they have taken all that they may."""
        chosen = self._engine.chosen
        if not answer.thoughts.inside or answer.thought != self._thinking_tokens:
            return
        if chosen.thinking is not None:
            close = f"\n{chosen.thinking[1]}\n\n"
            answer.forced.extend(self._engine.vocab.tokenize(close, control=True))

    def _finish(self, answer: Answer, reason: StopReason) -> None:
        ended = time.monotonic()
        answer.give(answer.pieces.push(answer.thoughts.finish()) + answer.pieces.finish())
        whole = answer.start.given and not answer.reading and not answer.scored
        conversation = answer.order["conversation"] if whole else ""
        kept = self._way.keep(answer.sequence, answer.prompt, conversation)
        self._leave(answer)
        read = answer.read or ended
        told = {
            "prompt_tokens": len(answer.prompt.tokens),
            "completion_tokens": answer.written,
            "cached_tokens": answer.start.cached,
            "own_tokens": answer.start.own,
            "kept_tokens": kept,
            "stop_reason": reason,
            "seconds_prefill": read - answer.begun,
            "seconds_decode": ended - read,
            "seconds_first": (answer.first or ended) - answer.begun,
            "shared_steps": answer.shared_steps,
            "logprobs": answer.logprobs,
            "thoughts": answer.thoughts.text,
        }
        answer.end({"done": told})

    def _fail(self, answer: Answer, error: UnusableForm) -> None:
        self._leave(answer)
        answer.end({"unusable_form": str(error)})

    def _leave(self, answer: Answer) -> None:
        if answer.sampler is not None:
            answer.sampler.close()
        self._engine.keep(answer.sequence, 0)
        self._underway.remove(answer)
        heappush(self._free, answer.sequence)
