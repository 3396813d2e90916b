"""The engine's speed beside a bare llama.cpp loop, and for four people at once beside one.

    python benchmarks/engine.py [--gguf FILE] [--rounds N] [--gpu] [--json]

The bare loop (`engine_bare.py`) runs in a process of its own with the same file, threads, number
format of evaluated tokens, flash attention and, token by token, the same prompts.
Both take turns within each round, so that a busy machine slows both; a figure is the median over
the rounds of what was compared within a round. Times are the reader's: from asking to the first
piece, and from there to the end. Floors:
- one stream: tokens written a second at least 0.95 times the bare loop's; the first token at most
  5 % or 50 ms later; for a conversation's second question over the same passages after at most
  0.35 times the first question's time, the system prompt being evaluated already for both;
- four streams: together, from asking to the last end, at least 1.3 times one stream's tokens a
  second (2.5 with --gpu), and the slowest at least 0.6 times their mean. Short questions, 128
  tokens each.
Told without a floor: what a batch of four gives in llama.cpp itself, nothing but evaluated (weights
in a format that it unpacks for every row anew gain little), and the same four with 700 tokens of
passages before each question: reading is work that several at once do not make less.

Ends with 1 if a floor is missed. `load` is the load average of the machine before and after.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from engine_bare import Bare, Setting

from assistant import bench
from assistant.bench import Answered, Round
from assistant.cores import available_cores
from assistant.engine_options import EngineOptions
from assistant.llamacpp import LlamaCpp
from assistant.model import Caller, Sampling
from assistant.shelf import ModelFile, default_model

SYSTEM = "You answer questions from the passages, in plain sentences, and from nothing else."
STORIES = ("a lighthouse keeper", "a clock maker", "two sisters", "a river pilot")
CONTEXT, PASSAGES, WRITTEN, TOGETHER, STREAMS = 4096, 700, 64, 128, 4


@dataclass
class Measured:
    """What the rounds gave; lists of one entry a round."""

    alone: list[Answered] = field(default_factory=list)
    bare: list[dict[str, Any]] = field(default_factory=list)
    talks: list[tuple[Answered, Answered]] = field(default_factory=list)
    one: list[Round] = field(default_factory=list)
    four: list[Round] = field(default_factory=list)
    one_reads: list[Round] = field(default_factory=list)
    four_read: list[Round] = field(default_factory=list)
    batched: list[tuple[float, float]] = field(default_factory=list)  # llama.cpp's own: one, four


class Rounds:
    """The engine and the bare loop in turns."""

    def __init__(self, engine: LlamaCpp, bare: Bare) -> None:
        self.engine, self.bare = engine, bare
        self.paragraphs = bench.fit(engine, PASSAGES)
        self.done = Measured()
        warm = self.ask("warm", 0, Sampling(max_tokens=WRITTEN))
        # A model that ends sooner of itself is held to go on, or there were too little to measure.
        self.grammar = bench.ENDLESS if warm.result.stop_reason == "stop" else ""
        bare.write(engine.render(SYSTEM, self.message("warm", 0)), WRITTEN)
        self.together(["warm"], 8, "")

    def message(self, name: str, question: int) -> str:
        return bench.user(bench.document(name, self.paragraphs), bench.QUESTIONS[question])

    def ask(
        self, name: str, question: int, sampling: Sampling, system: str = SYSTEM, talk: str = ""
    ) -> Answered:
        caller = Caller(name, talk)
        return bench.ask(self.engine, self.message(name, question), sampling, caller, system=system)

    def sampling(self, tokens: int) -> Sampling:
        return Sampling(max_tokens=tokens, grammar=self.grammar)

    def alone(self, number: int) -> None:
        """One stream, everything evaluated anew: a system prompt that nobody has had."""
        system = f"({number}) {SYSTEM}"
        text = self.engine.render(system, self.message("alone", 0))

        def engine() -> None:
            asked = self.ask("alone", 0, self.sampling(WRITTEN), system)
            assert asked.result.cached_tokens == asked.result.own_tokens == 0
            self.done.alone.append(asked)

        def bare() -> None:
            self.done.bare.append(self.bare.write(text, WRITTEN))

        first, then = (engine, bare) if number % 2 else (bare, engine)
        first()
        then()
        assert self.done.bare[-1]["prompt_tokens"] == self.done.alone[-1].result.prompt_tokens

    def talk(self, number: int) -> None:
        """Two questions of one conversation; the second's prefix is the first's, unchanged."""
        name = f"talk-{number}"
        first, second = (
            self.ask(name, at, self.sampling(WRITTEN), talk=f"secret-{name}") for at in range(2)
        )
        assert second.result.own_tokens > 0
        self.engine.forget(f"secret-{name}")
        self.done.talks.append((first, second))

    def streams(self, number: int) -> None:
        """One and four at once, with short questions and with passages to read."""
        stories = [f"Tell a very long story about {who} ({number})." for who in STORIES]
        texts = [self.message(f"{number}-{at}", 0) for at in range(STREAMS)]
        mine = f"Tell a very long story about a cook ({number})."
        self.done.one.append(self.together([mine], TOGETHER))
        self.done.four.append(self.together(stories, TOGETHER))
        self.done.batched.append((self.bare.together(1, 48), self.bare.together(STREAMS, 48)))
        self.done.one_reads.append(self.together([self.message(f"{number}-one", 0)], WRITTEN))
        self.done.four_read.append(self.together(texts, WRITTEN))

    def together(self, texts: Sequence[str], tokens: int, grammar: str | None = None) -> Round:
        grammar = self.grammar if grammar is None else grammar
        sampling = Sampling(max_tokens=tokens, grammar=grammar)
        ask: Callable[..., Answered] = partial(bench.ask, self.engine, sampling=sampling)
        return bench.together(
            [
                partial(ask, text, caller=Caller(f"person {at}"), system=SYSTEM)
                for at, text in enumerate(texts)
            ]
        )


@dataclass(frozen=True)
class Floor:
    """A figure and what it must be: at least `floor`, or at most where `at_most`."""

    value: float
    floor: float
    at_most: bool = False

    @property
    def holds(self) -> bool:
        return self.value <= self.floor if self.at_most else self.value >= self.floor


def floors(done: Measured, gpu: bool) -> dict[str, Floor]:
    decoding = [
        bench.ratio(bench.decode(ours), (WRITTEN - 1) / (theirs["seconds"] - theirs["first"]))
        for ours, theirs in zip(done.alone, done.bare, strict=True)
    ]
    bare_first = statistics.median(each["first"] for each in done.bare)
    later = [
        ours.first - theirs["first"] for ours, theirs in zip(done.alone, done.bare, strict=True)
    ]
    again = [second.first / first.first for first, second in done.talks]
    more = [
        bench.aggregate(four) / bench.aggregate(one)
        for four, one in zip(done.four, done.one, strict=True)
    ]
    return {
        "decode, times the bare loop's": Floor(statistics.median(decoding), 0.95),
        "first token later than the bare loop's, seconds": Floor(
            statistics.median(later), max(0.05 * bare_first, 0.05), at_most=True
        ),
        "second question's first token, times the first's": Floor(
            statistics.median(again), 0.35, at_most=True
        ),
        "four streams together, times one": Floor(statistics.median(more), 2.5 if gpu else 1.3),
        "slowest of four, times their mean": Floor(
            statistics.median(map(bench.fairness, done.four)), 0.6
        ),
    }


def told(done: Measured) -> dict[str, Any]:
    """What was seen, without floors. Times in seconds, speeds in tokens a second; medians."""

    def middle(values: Any) -> float:
        return round(statistics.median(values), 4)

    firsts, again = zip(*done.talks, strict=True)
    reading = [
        bench.aggregate(four) / bench.aggregate(one)
        for four, one in zip(done.four_read, done.one_reads, strict=True)
    ]
    bare_speeds = [(WRITTEN - 1) / (each["seconds"] - each["first"]) for each in done.bare]
    pairs = list(zip(done.alone, done.bare, strict=True))
    return {
        "prompt_tokens": done.alone[0].result.prompt_tokens,
        "written_tokens": min(each.result.completion_tokens for each in done.alone),
        "first": {
            "engine": middle(each.first for each in done.alone),
            "bare": middle(each["first"] for each in done.bare),
        },
        "prefill, times the bare loop's": middle(
            bench.prefill(ours) / (theirs["prompt_tokens"] / theirs["first"])
            for ours, theirs in pairs
        ),
        "decode": {
            "engine": middle(map(bench.decode, done.alone)),
            "bare": middle(bare_speeds),
            "ratio of medians": round(
                bench.ratio(
                    statistics.median(map(bench.decode, done.alone)),
                    statistics.median(bare_speeds),
                ),
                4,
            ),
        },
        "texts equal to the bare loop's": sum(
            ours.result.text == theirs["text"] for ours, theirs in pairs
        ),
        "conversation": {
            "first": middle(each.first for each in firsts),
            "second": middle(each.first for each in again),
            "kept_tokens": middle(each.result.own_tokens for each in again),
        },
        "together": {
            "one": middle(map(bench.aggregate, done.one)),
            "four": middle(map(bench.aggregate, done.four)),
            "first of four": middle(each.first for four in done.four for each in four.answers),
            "llama.cpp's own batch of four, times one": middle(
                four / one for one, four in done.batched
            ),
            "tokens each": min(
                each.result.completion_tokens for four in done.four for each in four.answers
            ),
        },
        "together with passages": {
            "one": middle(map(bench.aggregate, done.one_reads)),
            "four": middle(map(bench.aggregate, done.four_read)),
            "times one": middle(reading),
            "slowest of four, times their mean": middle(map(bench.fairness, done.four_read)),
        },
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gguf", type=Path, help="another model; it is measured, not verified")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--gpu", action="store_true", help="all layers on the GPU, and its floors")
    parser.add_argument("--json", action="store_true", help="JSON on one line")
    arguments = parser.parse_args()
    file = default_model()
    if arguments.gguf:
        with arguments.gguf.open("rb") as data:
            file = ModelFile(arguments.gguf, hashlib.file_digest(data, "sha256").hexdigest())
    layers = -1 if arguments.gpu else 0
    busy = [os.getloadavg()[0]]
    options = EngineOptions(context=CONTEXT, sequences=STREAMS, gpu_layers=layers)
    with LlamaCpp(file, options) as engine:
        info = engine.info
        setting = Setting(
            str(file.path), CONTEXT, available_cores(), layers, info.kv_cache,
            flash=int(info.kv_cache != "f16" or info.gpu_layers > 0),
        )  # fmt: skip
        # The bare loop's threads wait as llama.cpp's do where nobody says otherwise: spinning.
        with Bare(setting, dict(os.environ)) as bare:
            rounds = Rounds(engine, bare)
            for number in range(arguments.rounds):
                print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr)
                rounds.alone(number)
                rounds.talk(number)
                rounds.streams(number)
    busy.append(os.getloadavg()[0])
    found = floors(rounds.done, arguments.gpu)
    figures = {
        "model": info.name, "runtime": info.runtime, "kv_cache": info.kv_cache,
        "sequences": info.sequences, "exact": info.exact, "gpu_layers": info.gpu_layers,
        "threads": available_cores(), "rounds": arguments.rounds,
        "load": [round(each, 1) for each in busy],
        "floors": {
            name: {
                "value": round(each.value, 4), ("at_most" if each.at_most else "at_least"):
                round(each.floor, 4), "holds": each.holds,
            }
            for name, each in found.items()
        },
        "told": told(rounds.done),
    }  # fmt: skip
    print(json.dumps(figures) if arguments.json else json.dumps(figures, indent=2))
    return 0 if all(each.holds for each in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
