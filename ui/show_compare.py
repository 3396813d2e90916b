"""Comparisons and summaries for a terminal, what matters first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from assistant.answer import Citation
from ui.render import page_name, shortened
from ui.terminal import visible

if TYPE_CHECKING:
    from assistant.changes import Difference
    from assistant.compare import Change, Comparison, Side
    from assistant.shared import Common
    from assistant.summarise import DocumentSummary, Summary

_ORDER = (  # headings, and which changes (kind, weight) stand under each
    ("Changes of substance", "bold red", {("changed", "substance")}),
    ("Removed", "bold red", {("removed", "substance")}),
    ("Added", "bold green", {("added", "substance")}),
    ("Other words: read whether the meaning changed", "bold yellow",
     {("changed", "words"), ("added", "words"), ("removed", "words")}),
)  # fmt: skip
_REST = (
    ("Moved", "bold", {("moved", "wording")}),
    ("Renumbered", "bold", {("renumbered", "wording")}),
    ("Wording only", "bold", {("changed", "wording")}),
)
_SHOWN = 400  # characters of a clause


def comparison(console: Console, found: Comparison, everything: bool) -> None:
    """The changes of substance, then what must be read; `everything`: what is harmless too."""
    console.print()
    for mark, side in (("−", found.left), ("+", found.right)):
        console.print(Text(f"{mark} ", style="bold").append(visible(_side(side)), "default"))
        if side.warning:
            console.print(Padding(Text(visible(side.warning), style="yellow"), (0, 0, 0, 2)))
    places = {citation.number: citation for citation in found.citations}
    for heading, style, wanted in (*_ORDER, *(_REST if everything else ())):
        some = [each for each in found.changes if (each.kind.value, each.weight.value) in wanted]
        if some:
            console.print()
            console.print(Text(f"{heading} ({len(some)})", style=style))
            for each in some:
                _change(console, each, places)
    console.print()
    console.print(Text(_tally(found, everything), style="dim"))
    for note in found.notes:
        console.print(Text(visible(note), style="yellow"))
    console.print(Text(f"record {found.record}", style="dim"))


def _side(side: Side) -> str:
    day = f", in force on {side.day}" if side.day else ""
    return f"{side.title or side.source} ({side.source}, version {side.version}{day})"


def _tally(found: Comparison, everything: bool) -> str:
    counts = found.counts
    parts = [f"{found.unchanged} clauses as they were"]
    for name, words in (("changed.wording", "changed in wording only"), ("moved", "moved"),
                        ("renumbered", "renumbered")):  # fmt: skip
        if counts.get(name):
            parts.append(f"{counts[name]} {words}")
    hidden = sum(counts.get(name, 0) for name in ("changed.wording", "moved", "renumbered"))
    return ", ".join(parts) + (" (--all shows them)." if hidden and not everything else ".")


def _change(console: Console, change: Change, places: Mapping[int, Citation]) -> None:
    number = change.right_place or change.left_place
    if change.left_place and change.right_place and change.left_place != change.right_place:
        number = f"{change.left_place} → {change.right_place}"
    title = Text("  ").append(visible(number), "bold")
    if change.heading and change.heading not in (change.before, change.after):
        title.append(("  " if number else "") + visible(shortened(change.heading, 70)), "default")
    if change.moved and change.kind.value == "changed":
        title.append("  moved", "dim")
    console.print(title)
    for each in change.differences:
        if each.before or each.after:
            console.print(Padding(_difference(each), (0, 0, 0, 4)))
        else:
            console.print(Padding(Text(f"{each.aspect} changed"), (0, 0, 0, 4)))
    console.print(Padding(_wording(change), (0, 0, 0, 4)))
    for mark, numbers in (("−", change.left), ("+", change.right)):
        for citation in (places[number] for number in numbers):
            where = f"{citation.source}, {page_name(citation.page, citation.label)}"
            console.print(Padding(Text(f"{mark} {visible(where)}", style="dim"), (0, 0, 0, 4)))


def _difference(each: Difference) -> Text:
    text = Text(f"{visible(each.aspect)}: ")
    text.append(visible(each.before) or "(none)", "red")
    return text.append(" → ").append(visible(each.after) or "(none)", "green")


def _wording(change: Change) -> Text:
    """The clause with what was taken out and put in; long stretches that stayed are cut."""
    if not change.pieces:
        return Text(f"“{visible(shortened(change.after or change.before, _SHOWN))}”", style="dim")
    styles = {"same": "dim", "removed": "red strike", "added": "green"}
    text = Text()
    for number, piece in enumerate(change.pieces):
        words = piece.text
        if piece.op == "same" and len(words) > 160:
            words = f"{words[:60].rsplit(' ', 1)[0]} … {words[-60:].split(' ', 1)[-1]}"
        shown = {"removed": f"[-{words}-]", "added": f"{{+{words}+}}"}.get(piece.op, words)
        joins = number == 0 or shown[0] in ".,;:)?!"
        text.append(("" if joins else " ") + visible(shown), styles[piece.op])
    return text


def summary(console: Console, found: Summary) -> None:
    """Each document's summary under its heading, what the documents share, and the sources."""
    places = {citation.number: citation for citation in found.citations}
    for each in found.documents:
        _document(console, each)
    if found.common:
        _common(console, found.common)
    if found.citations:
        console.print()
        console.print(Text("Sources", style="bold"))
    for number, citation in places.items():
        where = f"{citation.source}, {page_name(citation.page, citation.label)}"
        line = Text(f"[{number}] ", style="bold cyan").append(visible(where), "default")
        console.print(line)
    for note in found.notes:
        console.print(Text(visible(note), style="yellow"))
    said = [found.model, f"{len(found.removed)} sentences of the model left out"
            if found.removed else "", f"record {found.record}"]  # fmt: skip
    console.print(Text(visible(" · ".join(each for each in said if each)), style="dim"))


def _document(console: Console, each: DocumentSummary) -> None:
    console.print()
    console.print(Text(visible(each.title or each.source), style="bold"))
    if each.warning:
        console.print(Text(visible(each.warning), style="yellow"))
    heading = ""
    for statement in each.statements:
        if statement.heading and statement.heading != heading:
            heading = statement.heading
            console.print(Text(visible(shortened(heading, 80)), style="dim"))
        line = Text("• ").append(visible(statement.text))
        line.append(_marks(statement.citations), "bold cyan")
        console.print(Padding(line, (0, 0, 0, 2)))
    covered = f"{each.covered} of {each.sections} sections"
    console.print(Text(f"{covered}, {each.sentences} sentences read", style="dim"))


def _common(console: Console, common: Sequence[Common]) -> None:
    for kind, heading in (("different", "The documents differ"), ("alike", "The documents agree")):
        some = [each for each in common if each.kind == kind]
        if not some:
            continue
        console.print()
        console.print(Text(heading, style="bold"))
        for each in some:
            for line in _sides(each):
                console.print(Padding(line, (0, 0, 0, 2)))
            for difference in each.differences:
                console.print(Padding(_difference(difference), (0, 0, 0, 4)))


def _sides(each: Common) -> Iterator[Text]:
    for source, text, numbers in zip(each.sources, each.texts, each.citations, strict=True):
        line = Text(f"{visible(source)}: ", style="dim").append(f"“{visible(text)}”", "default")
        yield line.append(_marks(numbers), "bold cyan")


def _marks(numbers: Sequence[int]) -> str:
    return " " + "".join(f"[{number}]" for number in numbers) if numbers else ""
