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

WAITING, WRITING = "waiting", "writing"  # while a model is needed


@dataclass(frozen=True, slots=True)
class View:
    """What is known of a turn so far. `number` counts the session's questions from 1.

    `loading`: what this turn waits for is a model that is still being loaded.
    """

    number: int
    question: str
    stages: tuple[Stage, ...] = ()
    sentences: tuple[Sentence, ...] = ()
    citations: tuple[Citation, ...] = ()
    answer: Answer | None = None
    loading: bool = False

    @property
    def done(self) -> bool:
        return self.answer is not None


def advance(view: View, event: Event) -> View:
    """The view after `event`. A finished view does not change any more."""
    if view.answer is not None:
        return view
    if isinstance(event, Stage):
        stages = _with_stage(view.stages, event)
        return view if stages == view.stages else replace(view, stages=stages, loading=False)
    if isinstance(event, Released):
        known = {citation.number for citation in view.citations}
        new = tuple(c for c in event.citations if c.number not in known)
        return replace(
            view,
            sentences=(*view.sentences, event.sentence),
            citations=(*view.citations, *new),
            loading=False,
        )
    return replace(
        view,
        sentences=event.sentences,
        citations=event.citations or view.citations,
        answer=event,
        loading=False,
    )


def _with_stage(stages: tuple[Stage, ...], event: Stage) -> tuple[Stage, ...]:
    """The stages once `event` has begun. The line is shown while it is stood in, and then that the
    turn has come (none ahead); whoever was served at once never hears of it."""
    gone = {event.name, WAITING}
    waited = bool(stages) and stages[-1].name == WAITING
    if event.name == WAITING:
        if not event.count and not waited:
            return stages
        gone.add(WRITING)  # announced, but it has not begun
    elif event.name == WRITING and waited:
        event = Stage(WAITING)
    return (*(stage for stage in stages if stage.name not in gone), event)


def noticed(view: View, loading: bool) -> View:
    """The view while nothing new has come: whether it is a model being loaded that it waits for."""
    needs = bool(view.stages) and view.stages[-1].name in (WAITING, WRITING)
    waits = loading and needs and not view.done and not view.sentences
    return view if waits == view.loading else replace(view, loading=waits)


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
