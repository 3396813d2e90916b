"""Answers and passages for a terminal, so that they are understood at a glance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.spinner import Spinner
from rich.text import Text

from assistant.answer import Answer, Citation, Event, Passage, Sentence, Verdict
from ui import turn
from ui.render import VERDICTS, page_name, shortened, stage_words
from ui.terminal import visible

STYLES = {
    Verdict.ANSWERED: "bold green",
    Verdict.QUOTED: "bold green",
    Verdict.ABSTAINED: "bold yellow",
    Verdict.REFUSED: "bold yellow",
    Verdict.FAILED: "bold red",
}
QUOTE_SHOWN = 300  # characters


def watched(console: Console, events: Iterator[Event], question: str) -> Answer:
    """Show what happens while `events` come, if this is a terminal; the answer they end with.

    Raises what the stream raises, and RuntimeError if it ends without an answer.
    """
    view = turn.View(1, question)
    with Live(console=console, transient=True, refresh_per_second=12) as live:
        for event in events:
            view = turn.advance(view, event)
            if console.is_terminal and view.answer is None:
                live.update(_underway(view))
        live.update("")
    if view.answer is None:
        raise RuntimeError("the answer ended without a verdict")
    return view.answer


def _underway(view: turn.View) -> RenderableType:
    shown: list[RenderableType] = []
    if view.sentences:
        shown.append(Padding(_sentences(view.sentences), (0, 0, 1, 0)))
    if view.stages:
        words, _ = stage_words(view.stages[-1])
        shown.append(Spinner("dots", Text(f"{visible(words)}…", style="dim")))
    return Group(*shown)


def answer(console: Console, given: Answer) -> None:
    """The verdict, the sentences with their marks, and where each comes from."""
    words, _ = VERDICTS[given.verdict]
    console.print()
    console.print(Text(words, style=STYLES[given.verdict]).append(_then(given.as_of), "dim"))
    if given.sentences:
        console.print(Padding(_sentences(given.sentences), (1, 0)))
    elif given.text:
        console.print(Padding(Text(visible(given.text)), (1, 0)))
    if given.explanation and given.explanation != given.text:
        console.print(Padding(Text(visible(given.explanation), style="dim"), (0, 0, 1, 0)))
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
    total = given.timings.get("total") or sum(given.timings.values())
    facts = [f"{total:.1f} s" if total else "", visible(given.model)]
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
