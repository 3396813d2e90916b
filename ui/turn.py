"""One question on its way to an answer, as the page shows it: plain data, one pure step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from assistant.answer import (
    Answer,
    Citation,
    Event,
    Passage,
    Released,
    Sentence,
    Stage,
    Verdict,
)


@dataclass(frozen=True, slots=True)
class View:
    """What is known of a turn so far. `number` counts the session's questions from 1."""

    number: int
    question: str
    stages: tuple[Stage, ...] = ()
    sentences: tuple[Sentence, ...] = ()
    citations: tuple[Citation, ...] = ()
    answer: Answer | None = None

    @property
    def done(self) -> bool:
        return self.answer is not None


def advance(view: View, event: Event) -> View:
    """The view after `event`. A finished view does not change any more."""
    if view.answer is not None:
        return view
    if isinstance(event, Stage):
        earlier = tuple(s for s in view.stages if s.name != event.name)
        return replace(view, stages=(*earlier, event))
    if isinstance(event, Released):
        known = {citation.number for citation in view.citations}
        new = tuple(c for c in event.citations if c.number not in known)
        return replace(
            view,
            sentences=(*view.sentences, event.sentence),
            citations=(*view.citations, *new),
        )
    return replace(
        view, sentences=event.sentences, citations=event.citations or view.citations, answer=event
    )


def stopped(view: View) -> View:
    """The view of a turn that its reader stopped: what was released stays shown."""
    explanation = "You stopped this answer; what stands above had been checked and recorded."
    if not view.sentences:
        explanation = "You stopped this question before anything was answered."
    text = " ".join(sentence.text for sentence in view.sentences)
    verdict = Verdict.ANSWERED if view.sentences else Verdict.REFUSED
    answer = Answer(verdict, text, view.sentences, view.citations, explanation=explanation)
    return replace(view, answer=answer)


def failed(view: View, sentence: str) -> View:
    """The view of a turn that broke, said in one sentence."""
    return replace(view, answer=Answer(Verdict.FAILED, "", explanation=sentence))


def places(view: View) -> Mapping[str, Citation | Passage]:
    """Every place that this turn's chips can open, by the name that the chip carries."""
    found: dict[str, Citation | Passage] = {
        f"{view.number}:a{citation.number}": citation for citation in view.citations
    }
    if view.answer is not None:
        found |= {f"{view.number}:n{passage.rank}": passage for passage in view.answer.nearest}
    return found
