"""A second opinion on sentences that the rules of the gate let pass: two models' views, cheaply.

The rules compare words and facts; they know no meaning. Two signals that do are asked for a
sentence that is not word for word its span:

- **agreement**: the cosine of the sentence's vector and its span's. A sentence put together from a
  span's words on another subject is far from it.
- **surprise**: how unlikely the sentence is to the model that wrote it when the same question is
  put to it without the passages, in nats a token. With them it was the model's likeliest text (at
  temperature 0); what it would have said without them as well comes from what it was trained on,
  not from the documents. Not every model can be asked.

An optional third is a classifier of pairs (premise, hypothesis) from a local folder, if there is
one. Each can only remove a sentence; none can let one pass that the rules removed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from assistant import names
from assistant.errors import AssistantError
from assistant.gate import Gate, Judged, Reason, Support
from index.ports import Embedder

LEAST_AGREEMENT = 0.3
LEAST_SURPRISE = 0.25  # nats a token
LEAST_ENTAILED = 0.5


class Entailment(Protocol):
    """Says whether a premise supports a hypothesis."""

    def entailed(self, premise: str, hypothesis: str) -> float:
        """The probability that it does, 0..1."""
        ...


@dataclass(frozen=True, slots=True)
class Opinion:
    """What was found of one sentence; None for a signal that could not be had. `late`: the surprise
    was asked for and did not come in time."""

    agreement: float
    surprise: float | None = None
    entailed: float | None = None
    late: bool = False

    @property
    def doubt(self) -> str:
        """The signal that speaks against the sentence, with its value; "" if none does."""
        if self.agreement < LEAST_AGREEMENT:
            return f"agreement {self.agreement:.2f}"
        if self.surprise is not None and self.surprise < LEAST_SURPRISE:
            return f"surprise {self.surprise:.2f}"
        if self.entailed is not None and self.entailed < LEAST_ENTAILED:
            return f"entailed {self.entailed:.2f}"
        return ""


# Of a sentence; None if it cannot be had. Raises TimeoutError if it did not come in time.
Surprise = Callable[[str], float | None]


@dataclass(slots=True)
class Seconded:
    """A gate whose passes are looked at again; used like the gate itself. `seconds` is what both
    have taken so far."""

    gate: Gate
    embedder: Embedder
    surprise: Surprise
    entailment: Entailment | None = None
    seconds: float = 0.0
    opinions: list[Opinion] = field(default_factory=list)

    def judge(self, sentence: str, shown: Sequence[Judged] = ()) -> Judged:
        """As `Gate.judge`; what is passed and not word for word needs the second opinion too."""
        began = time.perf_counter()
        try:
            judged = self.gate.judge(sentence, shown)
            if judged.support is None or _verbatim(judged.text, judged.support):
                return judged
            opinion = self._opinion(judged.text, judged.support)
            self.opinions.append(opinion)
            if not opinion.doubt:
                return judged
            return Judged(judged.text, None, Reason.DOUBTED, opinion.doubt, judged.found)
        finally:
            self.seconds += time.perf_counter() - began

    def responds(self, judged: Judged) -> bool:
        """As `Gate.responds`."""
        return self.gate.responds(judged)

    def _opinion(self, text: str, support: Support) -> Opinion:
        """Asks the dearer signals only while the cheaper ones have nothing against it."""
        ours, theirs = self.embedder.embed_passages([text, support.text])
        first = Opinion(float(ours @ theirs))
        if first.doubt:
            return first
        try:
            second = replace(first, surprise=self.surprise(text))
        except TimeoutError:
            second = replace(first, late=True)
        if second.doubt or self.entailment is None:
            return second
        return replace(second, entailed=self.entailment.entailed(support.text, text))


def _verbatim(text: str, support: Support) -> bool:
    return names.occurs(text, names.words(support.text))


def surprise_of(score: Callable[[str], Sequence[float]]) -> Surprise:
    """The surprise of a sentence from a way to score it without the passages (log-probabilities,
    natural, one a token). None where the model cannot be asked, now or at all; TimeoutError, which
    `score` may raise, goes on."""

    def surprise(text: str) -> float | None:
        try:
            found = score(text)
        except AssistantError:
            return None
        return -sum(found) / len(found) if found else None

    return surprise
