"""A sweep of the chat on its way to its result, as the page shows it: plain data, pure steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from assistant.answer import Citation
from assistant.counting import Counting
from assistant.sweep import Row, SweepResult, Verdict
from assistant.task import Progress
from ui import failures

MOST_PLACES = 999  # citations of a turn that the page can ask for, as `ui.web_guard` lets them


@dataclass(frozen=True, slots=True)
class View:
    """What is known of a sweep so far. `asked` is what each document is asked; `ended` says why it
    ended without a result; `kept` that it would go on where it was."""

    number: int
    question: str
    asked: Counting
    as_of: str | None = None
    kept: bool = False
    documents: int = 0
    rows: tuple[Row, ...] = ()
    result: SweepResult | None = None
    ended: str = ""
    broke: bool = False

    @property
    def over(self) -> bool:
        return self.result is not None or bool(self.ended)

    @property
    def failed(self) -> int:
        """How many documents could not be read so far."""
        return sum(row.verdict is Verdict.FAILED for row in self.rows)


def advance(view: View, steps: Iterable[object]) -> View:
    """The view after `steps` of the sweep; the same object if they tell nothing new. An error
    among them ends it."""
    rows: list[Row] = []
    for step in steps:
        if isinstance(step, SweepResult):
            return replace(view, documents=len(step.rows), rows=step.rows, result=step)
        if isinstance(step, BaseException):
            said = failures.describe(step).sentence
            return replace(view, rows=(*view.rows, *rows), ended=said, broke=True)
        if isinstance(step, Row):
            rows.append(step)
        elif isinstance(step, Progress) and step.total != view.documents:
            view = replace(view, documents=step.total)
    return replace(view, rows=(*view.rows, *rows)) if rows else view


def stopped(view: View) -> View:
    """The view of a sweep that its reader stopped."""
    left = view.documents - len(view.rows)
    said = f"You stopped this: {left:,} documents were not read." if left else "You stopped this."
    return replace(view, ended=said)


def places(view: View) -> Mapping[str, Citation]:
    """Every place that the chips of this sweep can open, by the name that the chip carries."""
    return {
        f"{view.number}:a{citation.number}": citation
        for row in view.rows
        for citation in row.citations
        if citation.number <= MOST_PLACES
    }
