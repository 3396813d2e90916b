"""Answers and passages for a terminal, so that they are understood at a glance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.spinner import Spinner
from rich.text import Text

from assistant.answer import (
    Answer,
    Citation,
    Conflict,
    Passage,
    Question,
    Sentence,
    Side,
    Verdict,
)
from ui import turn
from ui.counting import counted
from ui.ports import Answers
from ui.render import (
    conflict_words,
    cost_facts,
    headline,
    in_force,
    now_words,
    page_name,
    reasons,
    shortened,
    stage_words,
    was_busy,
)
from ui.terminal import visible

STYLES = {
    Verdict.ANSWERED: "bold green",
    Verdict.QUOTED: "bold green",
    Verdict.ABSTAINED: "bold yellow",
    Verdict.REFUSED: "bold yellow",
    Verdict.FAILED: "bold red",
}
QUOTE_SHOWN = 300  # characters


def watched(
    assistant: Answers,
    question: Question,
    progress: Console,
    remark: Callable[[str], None],
) -> Answer:
    """Ask, and show on `progress` what happens until the answer is there; the answer.

    Where `progress` is no terminal, `remark` is told where the question stands in the line, once
    for each change, and nothing else. Raises what the stream raises, and RuntimeError if it ends
    without an answer.
    """
    view = turn.View(1, question.text)

    def picture() -> RenderableType:  # drawn in a thread of its own
        return _underway(turn.noticed(view, assistant.model_status().state == "loading"))

    shown = Live(console=progress, transient=True, refresh_per_second=12, get_renderable=picture)
    with (
        shown if progress.is_terminal else nullcontext(),
        closing(counted(assistant.stream(question))) as events,
    ):
        for event in events:
            earlier, view = view, turn.advance(view, event)
            if not progress.is_terminal and _moved(earlier, view):
                remark(f"{stage_words(view.stages[-1])[0]}.")
    if view.answer is None:
        raise RuntimeError("the answer ended without a verdict")
    return view.answer


def _moved(earlier: turn.View, view: turn.View) -> bool:
    """Whether `view` tells another place in the line than `earlier`."""
    waiting = bool(view.stages) and view.stages[-1].name == turn.WAITING
    return waiting and view.stages != earlier.stages


def _underway(view: turn.View) -> RenderableType:
    shown: list[RenderableType] = []
    if view.answer is not None:
        return ""
    if view.sentences:
        shown.append(Padding(_sentences(view.sentences), (0, 0, 1, 0)))
    if view.stages:
        shown.append(Spinner("dots", Text(f"{visible(now_words(view))}…", style="dim")))
    return Group(*shown)


def answer(console: Console, given: Answer, command: str = "") -> None:
    """The verdict, the sentences with their marks, and where each comes from; `command` is what
    does as the answer's offer says."""
    words, _ = headline(given)
    console.print()
    if given.understood:
        console.print(Text(f"Understood as: {visible(given.understood)}", style="dim"))
    console.print(Text(words, style=STYLES[given.verdict]).append(_then(given.as_of), "dim"))
    if given.sentences:
        console.print(Padding(_sentences(given.sentences), (1, 0)))
    elif given.text:
        console.print(Padding(Text(visible(given.text)), (1, 0)))
    for conflict in given.conflicts:
        _conflict(console, conflict, given.citations)
    if given.offer is not None and command:
        told = Text(f"Run: {visible(command)}\n", style="bold")
        console.print(told, soft_wrap=True)  # one line, so that it can be copied
    if why := reasons(given):
        style = "yellow" if was_busy(given) else "dim"
        console.print(Padding(Text(visible(why), style=style), (0, 0, 1, 0)))
    if given.citations:
        console.print(Text("Sources", style="bold"))
        for citation in given.citations:
            _place(console, f"[{citation.number}]", citation, citation.quote)
    if given.nearest:
        console.print(Text("Nearest passages", style="bold"))
        for passage in given.nearest:
            _place(console, "  •", passage, passage.text)
    footer = _footer(given)
    if footer:
        console.print(Text(footer, style="dim"))


def _conflict(console: Console, conflict: Conflict, citations: Sequence[Citation]) -> None:
    """What the documents state differently: a line for each side, with its mark and days."""
    cited = {citation.number: citation for citation in citations}
    console.print(Text(f"! {conflict_words(conflict)}", style="bold yellow"))
    console.print(Padding(Text(visible(conflict.sentence)), (0, 0, 0, 2)))
    for side in conflict.sides:
        console.print(Padding(_side(side, cited.get(side.citation)), (0, 0, 0, 2)))
    console.print()


def _side(side: Side, citation: Citation | None) -> Text:
    line = Text(f"{visible(side.value)}: ", style="bold")
    if citation is not None:
        title = visible(citation.title or citation.source)
        line.append(f"{title}, {visible(page_name(citation.page, citation.label))}", "default")
        line.append(f" [{citation.number}]", style="bold cyan")
    else:
        line.append(visible(side.source), "default")
    days = " ".join(in_force(side, citation))
    return line.append(f", in force {visible(days)}", "dim") if days else line


def _sentences(sentences: Sequence[Sentence]) -> Text:
    text = Text()
    for number, sentence in enumerate(sentences):
        text.append((" " if number else "") + visible(sentence.text.strip()))
        for cited in sentence.citations:
            text.append(f" [{cited}]", style="bold cyan")
    return text


def _place(console: Console, mark: str, what: Citation | Passage, quote: str) -> None:
    name = Text(f"{mark:>4} ", style="bold cyan")
    name.append(visible(what.title or what.source), style="bold default")
    name.append(f", {visible(page_name(what.page, what.label))}", style="default")
    console.print(name)
    excerpt = visible(shortened(quote, QUOTE_SHOWN))
    console.print(Padding(Text(f"“{excerpt}”"), (0, 0, 0, 5)))
    if what.warning:
        console.print(Padding(Text(f"! {visible(what.warning)}", style="yellow"), (0, 0, 0, 5)))
    console.print(Padding(Text(visible(what.source), style="dim"), (0, 0, 1, 5)))


def _footer(given: Answer) -> str:
    took = cost_facts(given)
    facts = [visible(given.model), *(f"{name.lower()} {value}" for name, value in took)]
    if given.removed:
        count = len(given.removed)
        facts.append(f"{count} unsupported sentence{'' if count == 1 else 's'} left out")
    if given.record:
        facts.append(f"record {given.record}")
    return " · ".join(fact for fact in facts if fact)


def _then(as_of: str | None) -> str:
    return f", as of {as_of}" if as_of else ""


def passages(
    console: Console, question: str, found: Sequence[Passage], as_of: str | None = None
) -> None:
    """What a search found, best first."""
    console.print()
    console.print(Text(visible(question), style="bold").append(_then(as_of), "dim"))
    if not found:
        console.print(Text("Nothing was found in the documents that you may read.", style="yellow"))
        return
    for passage in found:
        _place(console, f"{passage.rank}.", passage, passage.text)
