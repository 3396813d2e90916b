"""What an answer costs on this machine: time to the first token, speed, seconds and joules, for one
person and for several at once.

Everybody asks a first question over made-up passages of their own at the same moment, then all of
them a second one over the same passages. Running (`run`) is apart from reckoning (`reckon`, pure);
what is compared was measured in the same run, in turns. Every answer has the same number of tokens:
a model that would stop before is held to go on by a grammar, and `Report.held` says so.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from assistant import prompts
from assistant.errors import AssistantError
from assistant.model import NOBODY, Caller, Generation, Model, ModelInfo, Sampling

ENDLESS = "root ::= [^\\x00] root"  # any text, and no end
RESERVED_TOKENS = 256  # of the context, for system prompt, question and chat format

QUESTIONS = (
    "Describe at length, rule by rule, what has to be kept, by whom and for how long.",
    "Explain at length, rule by rule, who is responsible and what happens at the end.",
)

Clock = Callable[[], float]
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How many ask at once, how often that is repeated, how many tokens each answer has and about
    how many the passages before a question."""

    people: tuple[int, ...] = (1, 2, 4, 8)
    rounds: int = 3
    written: int = 64
    passages: int = 700

    def __post_init__(self) -> None:
        """Raises ValueError for a plan by which nothing is measured."""
        if not self.people or min(*self.people, self.rounds, self.written, self.passages) < 1:
            raise ValueError("a bench needs people, rounds, tokens and passages")


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer as its reader saw it: seconds from asking to the first piece and to the end."""

    first: float
    seconds: float
    result: Generation


@dataclass(frozen=True, slots=True)
class Round:
    """What all people got who asked at once, and for how long any of them had to wait."""

    answers: tuple[Answered, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Trial:
    """The first and the second questions of some people."""

    firsts: Round
    seconds: Round


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians over the rounds, of so many `people` at once. Speeds are tokens a second.

    Of first questions: `first` seconds to the first token, `first_last` of whoever came last;
    `waited` of it in the line; `prefill` tokens of the prompt; `decode` of one answer between its
    first and last token; `aggregate` of all together from asking to the last end, and how many
    times that of one person (`speedup`); `fairness` is the slowest person's tokens by time since
    asking, divided by the mean; `seconds`, `tokens` and `joules` are one answer's, `joules` None
    where it is not known of every answer. Of second questions: `again` seconds to the first token,
    `again_of_first` in proportion to the same person's first, `again_aggregate`, and `again_kept`
    tokens that were not evaluated again.
    """

    people: int
    first: float
    first_last: float
    waited: float
    prefill: float
    decode: float
    aggregate: float
    speedup: float | None
    fairness: float
    seconds: float
    tokens: float
    joules: float | None
    again: float
    again_of_first: float
    again_aggregate: float
    again_kept: float


@dataclass(frozen=True, slots=True)
class Report:
    """`load_seconds` until the model could be asked, `prompt_tokens` of a first question, and
    whether the answers were `held` to their length."""

    info: ModelInfo
    plan: Plan
    load_seconds: float
    prompt_tokens: int
    held: bool
    figures: tuple[Figures, ...]


def run(
    model: Model, plan: Plan, tell: Tell = lambda _: None, clock: Clock = time.monotonic
) -> Report:
    """Measure `model` by `plan`; `tell` is told in a few words what comes next.

    Raises AssistantError as the model does: the first that an answer ended with.
    """
    tell("loading")
    begun = clock()
    info = model.info
    load_seconds = clock() - begun
    paragraphs = fit(model, min(plan.passages, info.context - plan.written - RESERVED_TOKENS))
    tell("warming up")
    sampling = Sampling(max_tokens=plan.written)
    warm = ask(model, user(document("warm", paragraphs), QUESTIONS[0]), sampling, clock=clock)
    held = warm.result.stop_reason == "stop"
    if held:
        sampling = Sampling(max_tokens=plan.written, grammar=ENDLESS)
        ask(model, user(document("held", paragraphs), QUESTIONS[0]), sampling, clock=clock)
    trials: dict[int, list[Trial]] = {people: [] for people in plan.people}
    for number in range(plan.rounds):
        for people in plan.people:
            tell(f"round {number + 1} of {plan.rounds}, {people} at once")
            texts = [
                document(f"{number}-{people}-{person}", paragraphs) for person in range(people)
            ]
            trials[people].append(_trial(model, texts, sampling, clock))
    return Report(info, plan, load_seconds, warm.result.prompt_tokens, held, reckon(trials))


def document(name: str, paragraphs: int) -> str:
    """Made-up passages, in the fences of real ones; no two names share a beginning."""
    rules = (
        f"Rule {name}.{at}: the {_OFFICES[at % len(_OFFICES)]} keeps every record of the "
        f"{_MATTERS[at % len(_MATTERS)]} for {3 + at % 9} years from its end, reports it to office "
        f"{name} by {1 + at % 28} March, and erases it within {10 + 5 * (at % 12)} days after that."
        for at in range(paragraphs)
    )
    return prompts.PASSAGE.format(number=1, title=f"{name} Directive", text="\n".join(rules))


_OFFICES = ("compliance officer", "archivist", "branch manager", "data protection officer", "clerk")
_MATTERS = ("transaction", "complaint", "clinical trial", "loan", "inspection", "patient's consent")


def fit(model: Model, tokens: int) -> int:
    """How many paragraphs make about `tokens` tokens; at least 1."""
    ten = model.count_tokens(document("0-0-0", 10))
    return max(1, round(10 * tokens / ten)) if ten else 1


def _trial(model: Model, texts: Sequence[str], sampling: Sampling, clock: Clock) -> Trial:
    """First all first questions at once, then all second ones."""
    callers = [Caller(f"person {at}", f"bench {text[:60]}") for at, text in enumerate(texts)]
    try:
        rounds = [
            together(
                [
                    partial(ask, model, user(text, question), sampling, caller, clock)
                    for text, caller in zip(texts, callers, strict=True)
                ],
                clock,
            )
            for question in QUESTIONS
        ]
    finally:
        for caller in callers:
            model.forget(caller.conversation)
    return Trial(*rounds)


def user(text: str, question: str) -> str:
    """The whole message: passages and the question about them."""
    return text + prompts.QUESTION.format(question=question)


def ask(
    model: Model,
    user: str,
    sampling: Sampling,
    caller: Caller = NOBODY,
    clock: Clock = time.monotonic,
    system: str = prompts.SYSTEM,
) -> Answered:
    """Ask one question and read the answer to its end. Raises AssistantError as the model does."""
    asked = clock()
    first = None
    with model.generate(system, user, sampling, caller=caller) as stream:
        for _ in stream:
            first = clock() if first is None else first
    ended = clock()
    return Answered((first or ended) - asked, ended - asked, stream.result)


def together(asks: Sequence[Callable[[], Answered]], clock: Clock = time.monotonic) -> Round:
    """Everybody asks at the same moment. Raises the first AssistantError that anybody got."""
    answers: dict[int, Answered] = {}
    failed: list[AssistantError] = []
    starting = threading.Barrier(len(asks) + 1)

    def work(person: int) -> None:
        starting.wait()
        try:
            answers[person] = asks[person]()
        except AssistantError as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(at,), daemon=True) for at in range(len(asks))]
    for thread in threads:
        thread.start()
    starting.wait()
    begun = clock()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return Round(tuple(answers[person] for person in range(len(asks))), clock() - begun)


def reckon(trials: dict[int, list[Trial]]) -> tuple[Figures, ...]:
    """The figures of each number of people. `speedup` compares round by round with one person,
    and is None where nobody asked alone."""
    return tuple(_figures(people, found, trials.get(1)) for people, found in trials.items())


def _figures(people: int, trials: Sequence[Trial], alone: Sequence[Trial] | None) -> Figures:
    firsts = [trial.firsts for trial in trials]
    answers = [answer for each in firsts for answer in each.answers]
    again = [answer for trial in trials for answer in trial.seconds.answers]
    joules = [answer.result.joules for answer in answers]
    return Figures(
        people=people,
        first=_median(answer.first for answer in answers),
        first_last=_median(max(answer.first for answer in each.answers) for each in firsts),
        waited=_median(answer.result.seconds_waited for answer in answers),
        prefill=_median(prefill(answer) for answer in answers),
        decode=_median(decode(answer) for answer in answers),
        aggregate=_median(map(aggregate, firsts)),
        speedup=None
        if alone is None
        else _median(
            ratio(aggregate(each), aggregate(one.firsts))
            for each, one in zip(firsts, alone, strict=True)
        ),
        fairness=_median(map(fairness, firsts)),
        seconds=_median(answer.seconds for answer in answers),
        tokens=_median(answer.result.completion_tokens for answer in answers),
        joules=None if None in joules else _median(each for each in joules if each is not None),
        again=_median(answer.first for answer in again),
        again_of_first=_median(
            ratio(second.first, first.first)
            for trial in trials
            for first, second in zip(trial.firsts.answers, trial.seconds.answers, strict=True)
        ),
        again_aggregate=_median(aggregate(trial.seconds) for trial in trials),
        again_kept=_median(
            answer.result.cached_tokens + answer.result.own_tokens for answer in again
        ),
    )


def prefill(answer: Answered) -> float:
    """Tokens of the prompt that were evaluated, a second of doing so."""
    result = answer.result
    read = result.prompt_tokens - result.cached_tokens - result.own_tokens
    return ratio(read, result.seconds_prefill)


def decode(answer: Answered) -> float:
    """Tokens a second between the first and the last."""
    return ratio(answer.result.completion_tokens - 1, answer.seconds - answer.first)


def aggregate(each: Round) -> float:
    """Tokens a second of all together, from asking to the last one's end."""
    return ratio(sum(answer.result.completion_tokens for answer in each.answers), each.seconds)


def fairness(each: Round) -> float:
    """The slowest person's tokens a second since asking, divided by the mean of all."""
    speeds = [ratio(answer.result.completion_tokens, answer.seconds) for answer in each.answers]
    return ratio(min(speeds), statistics.fmean(speeds))


def ratio(one: float, other: float) -> float:
    """`one` divided by `other`; 0.0 of nothing."""
    return one / other if other > 0 else 0.0


def _median(values: Iterable[float]) -> float:
    return float(statistics.median(values))
