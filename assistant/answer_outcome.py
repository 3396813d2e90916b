"""The nouns of an evaluation of answers: what was asked, what was expected, what came of it.

Plain frozen data. `assistant.answer_sets` reads cases, `assistant.answer_trial` asks them,
`assistant.answer_score` judges, `assistant.answer_check` looks at the shown text with rules that
share no code with the gate, `assistant.answer_report` tells people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Gold:
    """A right place: the words `text` in the document with the source `source`; `page` counts from
    1, None where the set does not say."""

    source: str
    text: str
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One question. `answers` are spellings of the right answer, any of which will do; none for a
    question that the documents do not answer. `gold` are the places that support it. `form` is
    "long" (sentences), "span" (words of the text), "value" (a number or cell, exact). `sources` are
    the documents that it is put to, None for all. `together`: the answers are no spellings but
    parts, all of which must be shown."""

    id: str
    text: str
    answers: tuple[str, ...]
    gold: tuple[Gold, ...] = ()
    form: str = "long"
    sources: tuple[str, ...] | None = None
    as_of: str | None = None
    together: bool = False

    @property
    def answerable(self) -> bool:
        return bool(self.answers)


@dataclass(frozen=True, slots=True)
class Shown:
    """What one system showed for a case. `verdict` is a `Verdict`'s value, or "ANSWERED" or
    "REFUSED" for a plain chain. `quotes` are (source, page, quoted text) of the citations, by the
    order of their numbers, `sentences` each shown sentence with the numbers it cites. `passages`
    are (source, page, text) of what a plain chain gave its model, which cites nothing."""

    case: str
    verdict: str
    text: str
    sentences: tuple[tuple[str, tuple[int, ...]], ...] = ()
    quotes: tuple[tuple[str, int, str], ...] = ()
    removed: tuple[str, ...] = ()  # reason codes
    seconds: float = 0.0
    timings: Mapping[str, float] = field(default_factory=dict)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    joules: float | None = None
    record: str = ""
    passages: tuple[tuple[str, int, str], ...] = ()

    @property
    def refused(self) -> bool:
        """Nothing was shown as an answer."""
        return self.verdict not in ("ANSWERED", "QUOTED")


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was found of what was shown. Shares are 0..1, None where there is nothing to share.

    `correct`: the right answer was shown, or nothing was where nothing answers. `wrong_shown`:
    something was shown as an answer that is none. Both are false where the right place was shown
    and the answer not singled out in it (`partial`), as a table's row that holds it among others.
    `cited_gold`: a citation touches a right place. `unsupported`: what an independent checker found
    in shown sentences and not in what they cite, as "number: 24"; `unsupported_sentences` are the
    sentences that hold any such thing, `unsupported_facts` those that hold a number, date or name
    of that kind. `overlap`: token F1 of the shown text with the nearest right answer.
    """

    case: str
    answerable: bool
    refused: bool
    correct: bool
    wrong_shown: bool
    cited_gold: bool | None = None
    citation_precision: float | None = None  # of the citations, those that touch a right place
    citation_recall: float | None = None  # of the right places, those that a citation touches
    unsupported: tuple[str, ...] = ()
    unsupported_sentences: int = 0
    unsupported_facts: int = 0
    partial: bool = False
    overlap: float | None = None


@dataclass(frozen=True, slots=True)
class AnswerRun:
    """One configuration's results, in the order of the cases. `configuration` names it ("default",
    "phi-4-mini", "plain chain"), `model` the model with its digest, `prompt` the prompt's version
    and digest, `settings` what it was run with."""

    configuration: str
    model: str
    prompt: str
    settings: Mapping[str, object]
    shown: tuple[Shown, ...]
    judged: tuple[Judgement, ...]
