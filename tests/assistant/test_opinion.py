"""The second opinion: it can only remove, and is asked for as little as need be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from assistant.errors import ModelBusy
from assistant.opinion import LEAST_AGREEMENT, LEAST_SURPRISE, Opinion, Seconded, surprise_of
from assistant.reasons import Reason
from index.records import Vectors
from tests.assistant.test_gate import gate_for
from tests.index.standins import HashEmbedder

ASK = "How long are customer due diligence records retained?"
NEARLY = "Customer due diligence records are kept for six years."
VERBATIM = (
    "Customer due diligence records shall be retained for six (6) years after the end of the "
    "business relationship."
)


class Apart(HashEmbedder):
    """Every text is as far from the others as texts can be."""

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return np.eye(self.dimensions, dtype=np.float32)[: len(texts)]


class Alike(HashEmbedder):
    """All texts are the same."""

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return np.eye(self.dimensions, dtype=np.float32)[[0] * len(texts)]


class Fixed:
    """An entailment model that always says the same, and counts how often it is asked."""

    def __init__(self, says: float) -> None:
        self.says, self.asked = says, 0

    def entailed(self, premise: str, hypothesis: str) -> float:
        self.asked += 1
        return self.says


def never(text: str) -> float | None:
    raise AssertionError("the model was asked")


def test_words_of_the_page_need_no_second_opinion() -> None:
    seconded = Seconded(gate_for(ASK), Apart(64), never)
    assert seconded.judge(VERBATIM).support is not None
    assert seconded.opinions == []


def test_a_sentence_that_all_signals_agree_with_passes() -> None:
    third = Fixed(0.9)
    seconded = Seconded(gate_for(ASK), Alike(64), lambda text: 2.0, third)
    judged = seconded.judge(NEARLY)
    assert judged.support is not None
    assert seconded.responds(judged)
    assert seconded.opinions == [Opinion(1.0, 2.0, 0.9)]
    assert third.asked == 1
    assert seconded.seconds > 0.0


@pytest.mark.parametrize(
    ("embedder", "surprise", "entailed", "detail"),
    [
        (Apart(64), 2.0, 0.9, "agreement 0.00"),
        (Alike(64), 0.1, 0.9, "surprise 0.10"),
        (Alike(64), 2.0, 0.2, "entailed 0.20"),
        (Alike(64), None, 0.2, "entailed 0.20"),
    ],
)
def test_any_signal_removes_a_sentence(
    embedder: HashEmbedder, surprise: float | None, entailed: float, detail: str
) -> None:
    seconded = Seconded(gate_for(ASK), embedder, lambda text: surprise, Fixed(entailed))
    judged = seconded.judge(NEARLY)
    assert judged.support is None
    assert (judged.reason, judged.detail) == (Reason.DOUBTED, detail)


def test_the_model_is_not_asked_about_what_is_doubted_already() -> None:
    third = Fixed(0.9)
    Seconded(gate_for(ASK), Apart(64), never, third).judge(NEARLY)
    assert third.asked == 0


def test_what_the_rules_removed_stays_removed() -> None:
    seconded = Seconded(gate_for(ASK), Alike(64), never)
    judged = seconded.judge("Customer due diligence records are kept for nine years.")
    assert judged.reason is Reason.UNSUPPORTED_NUMBER


def test_a_model_that_cannot_be_asked_has_no_opinion() -> None:
    def busy(text: str) -> Sequence[float]:
        raise ModelBusy(3)

    assert surprise_of(busy)("x") is None
    assert surprise_of(lambda text: ())("x") is None
    assert surprise_of(lambda text: (-1.0, -2.0))("x") == 1.5
    assert Opinion(1.0).doubt == ""


def test_what_does_not_come_in_time_is_left_out_and_noted() -> None:
    def late(text: str) -> float | None:
        raise TimeoutError

    seconded = Seconded(gate_for(ASK), Alike(64), late, Fixed(0.9))
    assert seconded.judge(NEARLY).support is not None
    assert seconded.opinions == [Opinion(1.0, None, 0.9, late=True)]
    refusing = Seconded(gate_for(ASK), Alike(64), late, Fixed(0.2))
    assert refusing.judge(NEARLY).detail == "entailed 0.20"


def test_the_limits_are_limits() -> None:
    assert Opinion(LEAST_AGREEMENT, LEAST_SURPRISE).doubt == ""
    assert Opinion(LEAST_AGREEMENT - 0.01).doubt
    assert Opinion(1.0, LEAST_SURPRISE - 0.01).doubt
