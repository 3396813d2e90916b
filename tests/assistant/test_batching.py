"""Continuous batching, with an engine on paper (`tests.assistant.paper_engine`)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant import llamacpp_batch
from assistant.chat_format import Chosen
from assistant.llamacpp_batch import LEAST_READ, STEP_SECONDS, Batching
from assistant.llamacpp_engine import BATCH, OUTPUTS, Entry
from assistant.model import StopReason
from tests.assistant.paper_engine import (
    CLOCK,
    END,
    SYSTEM,
    WORDS,
    Asked,
    Paper,
    Script,
    Taking,
    batching_on,
    mixed,
    parts,
    run,
)


@pytest.fixture(autouse=True, scope="module")
def on_paper() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(llamacpp_batch, "Sampler", Taking)
        patch.setattr(llamacpp_batch, "time", CLOCK)
        yield


# --- who is served when -------------------------------------------------------------------------


@pytest.mark.parametrize(("rate", "part"), [(100, LEAST_READ), (2000, 2000 * STEP_SECONDS)])
def test_a_long_prompt_being_read_stops_no_writer(rate: float, part: float) -> None:
    engine = Paper(rate=rate, context=10_000)
    batching = batching_on(engine)
    writers = [Asked(f"{n}", max_tokens=500) for n in range(2)]
    for writer in writers:
        batching.begin(writer.answer)
    while any(writer.answer.reading for writer in writers):
        batching.step()
    long = Asked("x" * 3000)
    batching.begin(long.answer)
    steps = 0
    while long.answer.reading:
        before = [writer.answer.written for writer in writers]
        at = CLOCK.now
        batching.step()
        steps += 1
        assert [writer.answer.written for writer in writers] == [n + 1 for n in before]
        if steps > 20:  # it has learnt how fast this machine is
            assert CLOCK.now - at < max(STEP_SECONDS, LEAST_READ / rate) * 1.1
    # A part may be shorter, to end where the next one costs less.
    assert part / 2 < max(parts(engine, long.answer.sequence)[-3:-1]) < part * 1.05
    run(batching)
    assert long.text == long.alone()
    assert [writer.text for writer in writers] == [writer.alone() for writer in writers]


def test_a_prompt_is_read_in_the_largest_parts_where_nobody_writes() -> None:
    engine = Paper(rate=100)
    asked = Asked("x" * 1500, max_tokens=1)
    run(batching_on(engine), asked)
    whole = len(SYSTEM) + 1500
    ends = [len(SYSTEM), BATCH, 2 * BATCH, whole]
    assert parts(engine) == [end - start for start, end in pairwise([0, *ends])]


def test_those_who_write_share_a_batch() -> None:
    engine = Paper()
    asked = [Asked(f"{n}", max_tokens=6) for n in range(3)]
    batching = batching_on(engine)
    for one in asked:
        batching.begin(one.answer)
    run(batching)
    assert 3 in parts(engine)
    assert all(one.done["shared_steps"] > 0 for one in asked)
    alone = Asked("alone")
    run(batching, alone)
    assert alone.done["shared_steps"] == 0


def test_more_answers_than_sequences_wait() -> None:
    engine = Paper(sequences=2)
    asked = [Asked(f"{n}", max_tokens=3 + n) for n in range(7)]
    batching = batching_on(engine)
    run(batching, *asked)
    assert [one.text for one in asked] == [one.alone() for one in asked]
    assert batching.room == 2
    assert not any(engine.held.values())


@pytest.mark.parametrize("user", [2, 3, 32, 33, 34, 65, 512, 513, 514, 1025])
@pytest.mark.parametrize("rate", [100, 1e6])
@pytest.mark.parametrize("scored", [0, 2, 63, 64, 65, 66, 130])
def test_nothing_is_read_one_token_at_a_time(user: int, rate: float, scored: int) -> None:
    engine = Paper(rate=rate)
    batching = batching_on(engine)
    if rate == 100:
        batching.begin(Asked("w", max_tokens=1000).answer)  # so that little is read at a time
        batching.step()
        batching.step()
    asked = Asked("u" * user, scored="s" * scored, max_tokens=1, system="Another one.")
    batching.begin(asked.answer)
    while asked.answer.reading:
        batching.step()
    read = parts(engine, asked.answer.sequence)
    assert min(read) > 1
    assert sum(read) == len(asked.answer.prompt.tokens) + max(0, scored - 1)


# --- what is used again -------------------------------------------------------------------------


def test_the_system_prompt_is_kept_once_and_used_again() -> None:
    engine = Paper()
    batching = batching_on(engine)
    first, second, other = Asked("first"), Asked("second"), Asked("first", "Be kind to everybody.")
    run(batching, first)
    run(batching, second)
    run(batching, other)
    assert engine.saved == [tuple(map(ord, SYSTEM)), tuple(map(ord, "Be kind to everybody."))]
    assert [one.text for one in (first, second, other)] == [
        one.alone() for one in (first, second, other)
    ]
    cached = [one.done["cached_tokens"] for one in (first, second, other)]
    assert cached == [0, len(SYSTEM), 0]
    kept = [one.done["kept_tokens"] for one in (first, second, other)]
    assert kept == [len(SYSTEM), len(SYSTEM), len("Be kind to everybody.")]


def conversing(
    engine: Paper, batching: Batching, user: str, conversation: str, system: str = SYSTEM
) -> Asked:
    asked = Asked(user, system, conversation=conversation)
    before = len(engine.batches)
    run(batching, asked)
    assert asked.text == asked.alone()
    read = sum(len(b) for b in engine.batches[before:]) - asked.done["completion_tokens"] + 1
    told = asked.done
    assert read == told["prompt_tokens"] - told["cached_tokens"] - told["own_tokens"]
    return asked


def test_a_conversation_is_used_again_by_itself_only_and_as_far_as_it_is_alike() -> None:
    engine = Paper()
    batching = batching_on(engine)
    passages = "Passage: kept for six years. "
    first = conversing(engine, batching, f"{passages}How long?", "anna's")
    assert first.done["own_tokens"] == 0
    assert first.done["kept_tokens"] == first.done["prompt_tokens"]
    for name in ("bert's", ""):
        assert conversing(engine, batching, f"{passages}Why?", name).done["own_tokens"] == 0
    second = conversing(engine, batching, f"{passages}Why?", "anna's")
    assert second.done["own_tokens"] == len(passages)
    # The same once more: the last two tokens are evaluated all the same.
    third = conversing(engine, batching, f"{passages}Why?", "anna's")
    assert third.done["own_tokens"] == len(passages) + len("Why?") - 2
    # A question that goes on where the last one ended.
    fourth = conversing(engine, batching, f"{passages}Why? And how?", "anna's")
    assert fourth.done["own_tokens"] == len(passages) + len("Why?")
    assert conversing(engine, batching, "Something else", "anna's").done["own_tokens"] == 0
    other = conversing(engine, batching, "Something else", "anna's", f"{SYSTEM} Be kind.").done
    assert (other["cached_tokens"], other["own_tokens"]) == (0, 0)


def test_a_conversation_for_which_there_is_no_room_is_not_kept_and_not_said_to_be() -> None:
    engine = Paper()
    batching = batching_on(engine, limit=10)
    for _ in range(2):
        told = conversing(engine, batching, "Passage. How?", "anna's").done
        assert (told["own_tokens"], told["kept_tokens"]) == (0, len(SYSTEM))


def test_a_conversation_that_cannot_be_trimmed_begins_after_the_system_prompt() -> None:
    engine = Paper()
    engine.fails = True
    batching = batching_on(engine)
    first = conversing(engine, batching, "Passage. How?", "anna's")
    assert first.done["kept_tokens"] == len(SYSTEM)
    engine.fails = False
    conversing(engine, batching, "Passage. How?", "anna's")
    engine.fails = True
    told = conversing(engine, batching, "Passage. Why?", "anna's").done
    assert (told["cached_tokens"], told["own_tokens"]) == (len(SYSTEM), 0)


def test_a_prompt_that_was_not_read_to_its_end_is_not_kept_for_its_conversation() -> None:
    engine = Paper()
    batching = batching_on(engine)
    asked = Asked("x" * 2000, conversation="anna's")
    batching.begin(asked.answer)
    batching.step()
    batching.step()
    asked.reason = "cancelled"
    batching.step()
    assert asked.done["kept_tokens"] == len(SYSTEM)
    assert engine.saved == [tuple(map(ord, SYSTEM))]


# --- how an answer ends -------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["cancelled", "deadline"])
@pytest.mark.parametrize("steps", [0, 1, 5])
def test_who_is_not_wanted_ends_within_a_step(reason: StopReason, steps: int) -> None:
    engine = Paper(sequences=2)
    batching = batching_on(engine)
    leaving, staying = Asked("leaving", max_tokens=50), Asked("staying", max_tokens=50)
    for one in (leaving, staying):
        batching.begin(one.answer)
    for _ in range(steps):
        batching.step()
    leaving.reason = reason
    batching.step()
    assert leaving.done["stop_reason"] == reason
    assert leaving.alone().startswith(leaving.text)
    assert not engine.held[leaving.answer.sequence]
    assert batching.room == 1
    run(batching, Asked("next"))
    assert staying.text == staying.alone()


def test_a_batch_is_given_up_when_its_own_answer_is_not_wanted_and_for_nobody_else() -> None:
    engine = Paper()
    batching = batching_on(engine)
    writing, reading = Asked("writing", max_tokens=50), Asked("x" * 3000)
    staying = Asked("staying", max_tokens=50)
    for one in (writing, staying):
        batching.begin(one.answer)
    while writing.answer.reading or staying.answer.reading:
        batching.step()
    batching.begin(reading.answer)

    def leave(who: Asked) -> None:
        if len(engine.batches[-1]) > 3:  # in the middle of reading
            who.reason = "cancelled"

    engine.during = lambda: leave(writing)
    batching.step()
    assert reading.answer.evaluated > 0
    assert not reading.ends
    batching.step()
    assert writing.done["stop_reason"] == "cancelled"
    engine.during = lambda: leave(reading)
    batching.step()
    assert reading.done["stop_reason"] == "cancelled"  # at once, others there or not
    run(batching)
    assert staying.text == staying.alone()
    assert not any(engine.held.values())
    assert batching.room == 3


def test_an_answer_has_at_most_the_tokens_that_it_may() -> None:
    asked = Asked("?", max_tokens=5)
    run(batching_on(Paper()), asked)
    assert (asked.done["stop_reason"], asked.done["completion_tokens"]) == ("length", 5)
    assert len(asked.text) == 5


def test_the_context_ends_an_answer() -> None:
    engine = Paper(context=40)
    asked = Asked("How long?", max_tokens=1000)
    batching = batching_on(engine)
    needed, room = batching.needs(asked.answer)
    assert (needed, room) == (asked.answer.prompt.fixed + len("How long?") + 1, 40)
    run(batching, asked)
    assert asked.done["stop_reason"] == "length"
    assert asked.done["prompt_tokens"] + asked.done["completion_tokens"] == 40


def test_the_model_and_stop_strings_end_an_answer() -> None:
    def counted(held: Sequence[int]) -> int:
        return END if held[-1] == ord("5") else max(ord("1"), held[-1] + 1)

    ended, stopped, at_once = Asked("0"), Asked("0", stop=("34",)), Asked("5")
    run(batching_on(Paper(counted)), ended, stopped, at_once)
    assert [one.text for one in (ended, stopped, at_once)] == ["12345", "12", ""]
    assert {one.done["stop_reason"] for one in (ended, stopped, at_once)} == {"stop"}
    assert at_once.done["completion_tokens"] == 0


def test_every_sampler_is_closed_however_the_answer_ends() -> None:
    engine = Paper(lambda held: {ord("e"): END, ord("f"): ord("!")}.get(held[-1], ord("x")))
    batching = batching_on(engine)
    leaving = Asked("l" * 600)
    asked = [Asked("e"), Asked("x"), Asked("s", stop=("x",)), Asked("f", grammar="some"), leaving]
    bad, scored = Asked("b", grammar="bad"), Asked("s", scored="text")
    engine.during = lambda: setattr(leaving, "reason", "cancelled")
    run(batching, *asked, bad, scored)
    assert len(engine.samplers) == len(asked)
    assert all(sampler.closed for sampler in engine.samplers)
    assert [bad.ends, asked[3].ends] == [
        [{"unusable_form": "it is bad"}],
        [{"unusable_form": "no token fits"}],
    ]
    assert batching.room == engine.sequences
    assert not any(engine.held.values())


def test_it_is_told_how_long_reading_and_writing_took() -> None:
    asked = Asked("x" * 1000, max_tokens=5)
    batching = batching_on(Paper(rate=100))
    run(batching, asked)
    told, read = asked.done, len(SYSTEM) + 1000
    assert told["prompt_tokens"] == read
    assert told["seconds_prefill"] == told["seconds_first"] == pytest.approx(read / 100)
    assert told["seconds_decode"] == pytest.approx(4 / 100)  # the first came with the prompt


# --- likelihood ---------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 2, OUTPUTS, OUTPUTS + 1, 3 * OUTPUTS])
def test_a_given_text_is_scored_token_by_token_and_a_part_at_a_time(length: int) -> None:
    engine = Paper()
    batching = batching_on(engine)
    asked = Asked("How likely?", scored="n" * length, conversation="anna's")
    run(batching, asked)
    likely = 3.0 - math.log(math.exp(3.0) + WORDS - 1)
    tokens = list(asked.answer.prompt.tokens)
    expected = []
    for _ in range(length):
        expected.append(likely if mixed(tokens) == ord("n") else likely - 3.0)
        tokens.append(ord("n"))
    assert asked.done["logprobs"] == pytest.approx(expected, abs=1e-5)
    assert asked.text == ""
    # The logits of as many tokens as the vocabulary has words: only a few rows at a time.
    assert max(sum(e.wanted for e in batch) for batch in engine.batches) <= OUTPUTS
    assert sum(e.wanted for batch in engine.batches for e in batch) == length
    assert engine.saved == [tuple(map(ord, SYSTEM))]  # nothing of it for the conversation


def test_log_probabilities_of_what_is_written() -> None:
    asked = Asked("?", logprobs=True, max_tokens=3)
    run(batching_on(Paper()), asked)
    likely = 3.0 - math.log(math.exp(3.0) + WORDS - 1)
    assert asked.done["logprobs"] == pytest.approx([likely] * 3, abs=1e-5)


# --- thoughts -----------------------------------------------------------------------------------


def thinking(*, opened: bool) -> Chosen:
    marks = ("<think>", "</think>")
    return Chosen("p", "", lambda s, u: s + u, (), marks, opens_thinking=opened, thinks=True)


def ponder(enough: int) -> Script:
    """Opens thoughts after "?", thinks "!" so many times, closes them and answers "yes"."""
    answer = {ord("y"): ord("e"), ord("e"): ord("s"), ord("s"): END}

    def follows(held: Sequence[int]) -> int:
        last, thought = held[-1], held.count(ord("!"))
        if last in (ord("?"), 1, ord("!")):
            return 1 if last == ord("?") else (ord("!") if thought < enough else 2)
        return ord("y") if last in (2, ord("\n")) else answer[last]

    return follows


@pytest.mark.parametrize("opened", [False, True])
def test_thoughts_are_told_apart_bounded_and_free_of_the_form(opened: bool) -> None:
    user = "Really?\x01" if opened else "Really?"
    for enough, budget in ((50, 1000), (10_000, 20)):
        engine = Paper(ponder(enough), chosen=thinking(opened=opened))
        # Thoughts do not count among the tokens that it may have; what is around them may.
        asked = Asked(user, grammar="no exclamation", max_tokens=8)
        run(batching_on(engine, budget), asked)
        assert asked.text == "yes"
        assert asked.done["stop_reason"] == "stop"
        forced = enough > budget
        assert asked.done["thoughts"] == "!" * (budget if forced else enough)
        held_to_form = engine.samplers[0].free.count(False)
        # The mark itself is seen to be one only when it is there.
        assert held_to_form == len("yes") + 1 + (not opened)
        written = [e.token for b in engine.batches for e in b if len(b) == 1]
        assert written.count(2) == 1  # it closed its thoughts, or was made to


def test_thoughts_that_never_end_are_given_to_nobody() -> None:
    engine = Paper(ponder(10_000), chosen=thinking(opened=True), context=60)
    asked = Asked("Really?\x01")
    run(batching_on(engine), asked)
    assert asked.text == ""
    assert set(asked.done["thoughts"]) == {"!"}
    assert asked.done["stop_reason"] == "length"


# --- all of it at once --------------------------------------------------------------------------

asking = st.tuples(
    st.just("ask"),
    st.integers(0, 700),
    st.sampled_from((SYSTEM, "Be kind.", "Long " * 30)),
    st.integers(1, 12),
    st.sampled_from(("", "", "anna's", "bert's")),
)
leaving = st.tuples(
    st.sampled_from(("leave", "leave_amid_a_batch")),
    st.integers(0, 9),
    st.sampled_from(("cancelled", "deadline")),
)
going_on = st.tuples(st.just("step"), st.integers(1, 5))


class Traffic:
    """People who come and go, and the check after each step that nothing is mixed up."""

    def __init__(self, engine: Paper, batching: Batching) -> None:
        self._engine, self._batching = engine, batching
        self.asked: list[Asked] = []
        self._waiting: list[Asked] = []

    def ask(self, length: int, system: str, most: int, conversation: str) -> None:
        user = f"{'passage ' * (length // 8)}{len(self.asked)}?"
        self.asked.append(Asked(user, system, max_tokens=most, conversation=conversation))
        self._waiting.append(self.asked[-1])

    def leave(self, number: int, reason: StopReason) -> None:
        if number < len(self.asked) and not self.asked[number].ends:
            self.asked[number].reason = self.asked[number].reason or reason

    def leave_amid_a_batch(self, number: int, reason: StopReason) -> None:
        self._engine.during = partial(self.leave, number, reason)

    def step(self, count: int = 1) -> None:
        for _ in range(count):
            while self._waiting and self._batching.room:
                self._batching.begin(self._waiting.pop(0).answer)
            self._batching.step()
            self._check()

    def to_the_end(self) -> None:
        while self._waiting or self._batching.busy:
            self.step()

    def _check(self) -> None:
        underway = [one for one in self.asked if not one.ends and one not in self._waiting]
        taken = {one.answer.sequence: one for one in underway}
        assert len(taken) == len(underway)
        assert self._batching.room == self._engine.sequences - len(underway)
        for sequence, held in self._engine.held.items():
            one = taken.get(sequence)
            if one is None:
                assert not held
                continue
            whole = one.answer.prompt.tokens + tuple(map(ord, one.text))
            assert held == list(whole[: one.answer.evaluated])
            assert not one.answer.reading or not one.text


@given(
    st.lists(asking | asking | leaving | going_on, max_size=30),
    st.integers(1, 4),
    st.sampled_from((50.0, 3000.0, 1e6)),
    st.sampled_from((0, 5000, 1 << 20)),
)
def test_whoever_comes_and_goes_each_answer_is_its_own(
    actions: list[tuple[Any, ...]], sequences: int, rate: float, limit: int
) -> None:
    engine = Paper(sequences=sequences, rate=rate)
    traffic = Traffic(engine, batching_on(engine, limit=limit))
    for action, *details in actions:
        getattr(traffic, action)(*details)
    traffic.to_the_end()
    for one in traffic.asked:
        told = one.done  # the only end
        left = told["stop_reason"] in ("cancelled", "deadline")
        assert one.alone().startswith(one.text) if left else one.text == one.alone()
        assert not left or told["stop_reason"] == one.reason
    assert all(sampler.closed for sampler in engine.samplers)
    assert len(engine.samplers) == len(traffic.asked)


def test_paper_refuses_what_would_be_wrong() -> None:
    engine = Paper()
    with pytest.raises(AssertionError):  # what is read and what is written in one batch
        engine.evaluate([Entry(5, 0, 0, wanted=True), Entry(5, 0, 1, wanted=True)], lambda: False)
    with pytest.raises(AssertionError):  # a gap
        engine.evaluate([Entry(5, 1, 0, wanted=True)], None)
