"""What an answer costs: the reckoning, and what the model is asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Self

import pytest

from assistant import bench
from assistant.bench import Answered, Plan, Round, Trial
from assistant.errors import ModelBusy, ModelFailed
from assistant.model import NOBODY, Caller, Generation, Model, ModelInfo, Sampling

DONE = Generation("x", 100, 11, "length", 0.5, 1.0)


def answered(first: float, seconds: float, **result: object) -> Answered:
    return Answered(first, seconds, replace(DONE, **result))  # type: ignore[arg-type]


@dataclass
class Counting:
    """A model that says what it was asked and goes on for ever, or stops where it is told to.

    A token is a word. `fails` is what the nth answer ends with.
    """

    stops_after: int = 1_000
    joules: float | None = None
    fails: dict[int, Exception] = field(default_factory=dict)
    asked: list[tuple[str, str, Sampling, Caller]] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    context: int = 4096
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def info(self) -> ModelInfo:
        return ModelInfo("Counting", "ab" * 32, "none", "script", self.context, "scripted", "cd")

    def warm(self) -> None:
        return

    @contextmanager
    def held(self) -> Iterator[Model]:
        yield self

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def prompt_tokens(self, system: str, user: str) -> int:
        return self.count_tokens(f"{system} {user}")

    def render(self, system: str, user: str) -> str:
        return f"{system} {user}"

    def generate(
        self,
        system: str,
        user: str,
        sampling: Sampling,
        deadline: float | None = None,
        cancelled: Callable[[], bool] | None = None,
        caller: Caller = NOBODY,
    ) -> Words:
        with self.lock:
            self.asked.append((system, user, sampling, caller))
            failure = self.fails.get(len(self.asked))
        stops = 10_000 if sampling.grammar else self.stops_after
        reason = "stop" if stops < sampling.max_tokens else "length"
        written = min(stops, sampling.max_tokens)
        result = Generation(
            "w " * written, self.prompt_tokens(system, user), written, reason, 0.1, 0.1,
            joules=self.joules,
        )  # fmt: skip
        return Words(result, failure)

    def score(
        self,
        system: str,
        user: str,
        text: str,
        deadline: float | None = None,
        caller: Caller = NOBODY,
    ) -> tuple[float, ...]:
        raise NotImplementedError

    def forget(self, conversation: str) -> None:
        self.forgotten.append(conversation)

    def close(self) -> None:
        return


class Words:
    def __init__(self, result: Generation, failure: Exception | None) -> None:
        self.result, self._failure = result, failure
        self._words = iter(result.text.split())

    def waiting(self) -> Iterator[int]:
        return iter(())

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._failure is not None:
            raise self._failure
        return next(self._words)

    def close(self) -> None:
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        return


def test_the_stand_in_is_a_model() -> None:
    assert isinstance(Counting(), Model)


def test_an_answers_speeds() -> None:
    one = answered(2.0, 4.0, prompt_tokens=700, cached_tokens=80, own_tokens=20, seconds_prefill=2)
    assert bench.prefill(one) == 300.0  # what was not evaluated again does not count
    assert bench.decode(one) == 5.0  # 10 tokens after the first, in 2 seconds


def test_nothing_is_divided_by_nothing() -> None:
    empty = answered(0.0, 0.0, seconds_prefill=0.0, completion_tokens=0)
    assert (bench.prefill(empty), bench.decode(empty)) == (0.0, 0.0)
    assert bench.fairness(Round((empty,), 0.0)) == 0.0
    assert bench.aggregate(Round((empty,), 0.0)) == 0.0


def test_all_together_are_counted_by_the_clock_on_the_wall() -> None:
    both = Round((answered(1, 2), answered(1, 4)), seconds=4.0)
    assert bench.aggregate(both) == 22 / 4
    # 5.5 and 2.75 tokens a second
    assert bench.fairness(both) == pytest.approx(2.75 / 4.125)


def test_one_who_is_served_after_the_others_counts_as_starved() -> None:
    one_by_one = Round(tuple(answered(at, at + 1) for at in range(4)), seconds=4.0)
    together = Round(tuple(answered(1, 4) for _ in range(4)), seconds=4.0)
    assert bench.fairness(one_by_one) < 0.6
    assert bench.fairness(together) == 1.0


def alone(seconds: float = 2.0, **result: object) -> Trial:
    first = Round((answered(1.0, seconds, **result),), seconds)
    return Trial(first, Round((answered(0.25, seconds),), seconds))


def test_figures_are_medians_of_the_rounds() -> None:
    trials = {1: [alone(1.5), alone(2.0), alone(9.0)]}
    (figures,) = bench.reckon(trials)
    assert (figures.people, figures.seconds, figures.first) == (1, 2.0, 1.0)
    assert figures.aggregate == 11 / 2
    assert figures.again_of_first == 0.25


def test_more_people_are_compared_with_one_round_by_round() -> None:
    def pair(seconds: float) -> Trial:
        both = Round((answered(1, seconds), answered(1, seconds)), seconds)
        return Trial(both, both)

    # The machine was half as fast in the second round; that concerns both alike.
    trials = {1: [alone(2.0), alone(4.0)], 2: [pair(2.5), pair(5.0)]}
    one, two = bench.reckon(trials)
    assert (one.speedup, two.speedup) == (1.0, pytest.approx(1.6))
    (without,) = bench.reckon({2: trials[2]})
    assert without.speedup is None


def test_joules_are_known_only_if_every_answers_are() -> None:
    def known(trial: Trial) -> float | None:
        return bench.reckon({1: [alone(joules=3.0), trial]})[0].joules

    assert known(alone(joules=5.0)) == 4.0
    assert known(alone(joules=None)) is None


def test_everybody_has_passages_of_their_own_and_asks_twice_about_them() -> None:
    model = Counting(joules=2.0)
    plan = Plan(people=(1, 3), rounds=2, written=16, passages=200)
    report = bench.run(model, plan)
    warm, *asked = model.asked
    assert len(asked) == 2 * (1 + 3) * 2
    by_conversation: dict[str, list[str]] = {}
    for system, user, sampling, caller in asked:
        assert (system, sampling.max_tokens, sampling.stop) == (warm[0], 16, ())
        by_conversation.setdefault(caller.conversation, []).append(user)
    assert len(by_conversation) == 2 * (1 + 3)
    assert {len(set(users)) for users in by_conversation.values()} == {2}
    for one, other in by_conversation.values():
        passages = one[: one.rindex("\nQuestion:")]
        assert other.startswith(passages)
        assert 180 <= model.count_tokens(passages) <= 220
    beginnings = sorted(users[0][:40] for users in by_conversation.values())
    assert all(one != other for one, other in pairwise(beginnings))
    assert set(model.forgotten) == set(by_conversation)
    assert [each.people for each in report.figures] == [1, 3]
    assert {each.joules for each in report.figures} == {2.0}
    assert not report.held
    assert report.prompt_tokens == model.prompt_tokens(*warm[:2])


def test_people_who_ask_at_once_are_different_people() -> None:
    model = Counting()
    bench.run(model, Plan(people=(4,), rounds=1, written=8, passages=50))
    owners = [caller.owner for _, _, _, caller in model.asked[1:5]]
    assert len(set(owners)) == 4


def test_a_model_that_stops_early_is_held_to_go_on() -> None:
    model = Counting(stops_after=5)
    report = bench.run(model, Plan(people=(2,), rounds=1, written=32, passages=50))
    assert report.held
    assert {sampling.grammar for _, _, sampling, _ in model.asked[1:]} == {bench.ENDLESS}
    assert report.figures[0].tokens == 32


def test_passages_are_cut_to_what_the_context_holds() -> None:
    model = Counting(context=600)
    bench.run(model, Plan(people=(1,), rounds=1, written=64, passages=5_000))
    assert all(model.prompt_tokens(*each[:2]) + 64 <= 600 for each in model.asked)


def test_what_ends_one_persons_answer_ends_the_bench() -> None:
    model = Counting(fails={4: ModelFailed("it was ended")})
    with pytest.raises(ModelFailed, match="it was ended"):
        bench.run(model, Plan(people=(4,), rounds=1, written=8, passages=50))
    assert len(model.forgotten) == 4
    refused = Counting(fails={1: ModelBusy(17)})
    with pytest.raises(ModelBusy):
        bench.run(refused, Plan(people=(1,), rounds=1))


@pytest.mark.parametrize("plan", [{"people": ()}, {"people": (0,)}, {"rounds": 0}, {"written": 0}])
def test_a_plan_that_measures_nothing_is_refused(plan: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="a bench needs"):
        Plan(**plan)  # type: ignore[arg-type]
