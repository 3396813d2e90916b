"""An engine on paper for continuous batching, and whoever asks it.

What it says next depends on every token that the answer's sequence holds, so that a token too many,
too few or of somebody else changes the answer; and it refuses what llama.cpp would go wrong with or
compute differently.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from assistant.chat_format import Chosen
from assistant.llamacpp_batch import Answer, Batching
from assistant.llamacpp_engine import BATCH, Aborted, Engine, Entry
from assistant.llamacpp_sampler import UnusableForm
from assistant.model import StopReason
from assistant.prefixes import Prefixes
from assistant.template import Prompt

WORDS = 128
END = 0
MARKS = {"<think>": 1, "</think>": 2}
SYSTEM = "Answer in brief."
Script = Callable[[Sequence[int]], int]


class Clock:
    """Goes on only when something is evaluated."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


CLOCK = Clock()


def mixed(held: Sequence[int]) -> int:
    """A letter that depends on all tokens and on their order."""
    value = 7
    for token in held:
        value = (value * 31 + token) % 1_000_003
    return ord("a") + value % 26


class Letters:
    """A vocabulary of the marks and of characters."""

    def tokenize(self, text: str, *, control: bool) -> list[int]:
        for mark, token in MARKS.items():
            text = text.replace(mark, chr(token)) if control else text
        return [ord(each) for each in text]

    def ends(self, token: int) -> bool:
        return token == END

    def data(self, token: int) -> bytes:
        return {token: mark.encode() for mark, token in MARKS.items()}.get(token, bytes([token]))


class Paper:
    """As much of an `Engine` as batching needs. `script` tells what follows the tokens held,
    `rate` how many are evaluated in a second. `fails`: nothing can be taken back in part, as with
    recurrent models. `during` is called while a batch is evaluated."""

    def __init__(
        self,
        script: Script = mixed,
        sequences: int = 3,
        context: int = 4096,
        rate: float = 1e6,
        chosen: Chosen | None = None,
    ) -> None:
        self.script, self.sequences, self.context, self.rate = script, sequences, context, rate
        self.room = context
        self.chosen = chosen or Chosen("paper", "", lambda system, user: system + user)
        self.vocab = Letters()
        self.held: dict[int, list[int]] = {number: [] for number in range(sequences)}
        self.batches: list[list[Entry]] = []
        self.saved: list[tuple[int, ...]] = []
        self.samplers: list[Taking] = []
        self.fails = False
        self.during: Callable[[], None] = lambda: None
        self._rows: dict[int, list[int]] = {}

    def evaluate(self, entries: Sequence[Entry], unwanted: Callable[[], bool] | None) -> None:
        assert 0 < len(entries) <= BATCH
        of_one = len({entry.sequence for entry in entries})
        # Reading: a part of one prompt, which may be given up. Writing: one token of each.
        assert of_one == (len(entries) if unwanted is None else 1)
        self.batches.append(list(entries))
        self._rows = {}
        for index, entry in enumerate(entries):
            held = self.held[entry.sequence]
            assert entry.position == len(held)
            held.append(entry.token)
            if entry.wanted:
                self._rows[index] = list(held)
        CLOCK.now += len(entries) / self.rate
        self.during()
        if unwanted is not None and unwanted():
            raise Aborted

    def logits(self, index: int) -> np.ndarray[Any, np.dtype[np.float32]]:
        found = np.zeros(WORDS, np.float32)
        found[self.script(self._rows[index])] = 3.0
        return found

    def keep(self, sequence: int, tokens: int) -> bool:
        whole = tokens == len(self.held[sequence])
        kept = tokens if whole or not self.fails else 0
        del self.held[sequence][kept:]
        return kept == tokens

    def save(self, sequence: int) -> bytes:
        self.saved.append(tuple(self.held[sequence]))
        return json.dumps(self.held[sequence]).encode()

    def restore(self, sequence: int, state: bytes) -> bool:
        assert not self.held[sequence]
        self.held[sequence] = json.loads(state)
        return True


class Taking:
    """A sampler that takes the likeliest token; the form "bad" cannot be used, and none of the
    others lets "!" through. `free` tells of each token whether it was held to no form."""

    def __init__(self, engine: Paper, order: dict[str, Any], grammar: str) -> None:
        if grammar == "bad":
            raise UnusableForm("it is bad")
        self._engine, self._grammar = engine, grammar
        self.free: list[bool] = []
        self.closed = False
        engine.samplers.append(self)

    def next(self, index: int, *, free: bool) -> int:
        assert not self.closed
        self.free.append(free)
        token = int(self._engine.logits(index).argmax())
        if self._grammar and not free and token == ord("!"):
            raise UnusableForm("no token fits")
        return token

    def close(self) -> None:
        self.closed = True


def prompt(user: str, system: str = SYSTEM) -> Prompt:
    tokens = tuple(map(ord, system + user))
    return Prompt(system + user, tokens, len(system))


class Asked:
    """An answer, and what was said to whoever asked."""

    def __init__(self, user: str, system: str = SYSTEM, *, grammar: str = "", scored: str = "",
                 **order: Any) -> None:  # fmt: skip
        self.reason: StopReason | None = None
        self.pieces: list[str] = []
        self.ends: list[dict[str, Any]] = []
        told = {"stop": (), "conversation": "", "logprobs": False, "max_tokens": 8} | order
        self.answer = Answer(
            told, prompt(user, system), lambda: self.reason, self.pieces.append, self.ends.append,
            grammar, tuple(map(ord, scored)),
        )  # fmt: skip

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def done(self) -> dict[str, Any]:
        (end,) = self.ends
        return dict(end["done"])

    def alone(self, script: Script = mixed) -> str:
        """What it must be told, if nothing ends it."""
        held = list(self.answer.prompt.tokens)
        for _ in range(self.answer.order["max_tokens"]):
            held.append(script(held))
        return "".join(map(chr, held[len(self.answer.prompt.tokens) :]))


def batching_on(engine: Paper, thinking_tokens: int = 1000, limit: int = 1 << 20) -> Batching:
    prefixes = Prefixes(limit, 60.0, CLOCK.monotonic)
    return Batching(cast(Engine, engine), prefixes, thinking_tokens)


def run(batching: Batching, *answers: Asked) -> None:
    """To the end, as the service does it: who comes when all sequences are taken waits."""
    waiting = list(answers)
    while waiting or batching.busy:
        while waiting and batching.room:
            batching.begin(waiting.pop(0).answer)
        batching.step()


def parts(engine: Paper, sequence: int | None = None) -> list[int]:
    """How many tokens each batch had (of a sequence)."""
    found = ([e for e in b if sequence in (None, e.sequence)] for b in engine.batches)
    return [len(entries) for entries in found if entries]
