"""A replay for a terminal: what is equal, where it differs word by word, and why."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from assistant.worddiff import Two, pieces_of
from ui.terminal import visible

if TYPE_CHECKING:
    from assistant.replay_compare import Part
    from assistant.replay_tasks import Verified
    from assistant.replaying import Replay, SearchAgain

_STYLES = {"same": "default", "removed": "red strike", "added": "green"}
_MARKS = {"same": ("", ""), "removed": ("[-", "-]"), "added": ("{+", "+}")}
_AROUND = 120  # characters of what is the same beside a difference


def as_json(found: Replay | Verified) -> dict[str, object]:
    """Everything that was compared."""
    from assistant.replay_tasks import Verified

    if isinstance(found, Verified):
        return {
            "outcome": "DIFFERENT" if found.broken else "EQUAL",
            "task": found.task,
            "run_again": False,
            "citations": len(found.places),
            "citations_hold": len(found.places) - len(found.broken),
            "broken": [asdict(each) for each in found.broken],
        }
    return {
        "outcome": found.outcome,
        "request": found.request,
        "record": found.seq,
        "prompt_equal": found.prompt_equal,
        "text_equal": found.text_equal,
        "compared": [part.as_json() for part in found.compared],
        "reasons": [asdict(reason) for reason in found.reasons],
        "notes": list(found.notes),
        "searched_again": None if found.search is None else asdict(found.search),
    }


def replayed(console: Console, found: Replay) -> None:
    """An answer: the verdict first, then each part that was compared."""
    style = "bold green" if found.equal else "bold red"
    console.print(Text(f"{found.outcome}: {_headline(found)}", style=style))
    for part in found.compared:
        if part.decides or not part.equal:
            _part(console, part)
    said = "Likely reason" if not found.equal else "Another than then, without effect"
    for number, reason in enumerate(found.reasons):
        label = said if number == 0 else "Also"
        console.print(Text(f"{label} ({reason.code}): {visible(reason.sentence)}"))
    for note in found.notes:
        console.print(Text(visible(note), style="dim"))
    if found.search is not None:
        console.print(Text(_searched(found.search), style="dim"))
    console.print(Text(f"record {found.seq}, request {found.request}", style="dim"))


def verified(console: Console, found: Verified) -> None:
    """A task, which is not run again."""
    held = len(found.places) - len(found.broken)
    style = "bold red" if found.broken else "bold green"
    console.print(
        Text(
            f"{'DIFFERENT' if found.broken else 'EQUAL'}: {held} of {len(found.places)} cited "
            "places still read as they were quoted.",
            style=style,
        )
    )
    for place in found.broken:
        console.print(
            Text(visible(f"{place.source or place.document}, page {place.page}: ")).append(
                "the document is not in the index any more"
                if place.reads is None
                else f"reads {visible(place.reads)!r} where {visible(place.quote)!r} was quoted"
            )
        )
    console.print(
        Text(
            f"This is a task ({visible(found.task)}): it was not run again, and its texts were "
            "not compared.",
            style="dim",
        )
    )


def _headline(found: Replay) -> str:
    if not found.compared:
        return "the answer was not made again."
    if found.prompt_equal is None:
        prompt = "no model was asked"
    else:
        prompt = f"prompt hash {'equal' if found.prompt_equal else 'NOT equal'}"
    return f"{prompt}, text {'equal' if found.text_equal else 'NOT equal'}."


def _part(console: Console, part: Part) -> None:
    line = Text("  ").append("=" if part.equal else "≠", "green" if part.equal else "bold red")
    line.append(f" {part.name}")
    if not part.decides:
        line.append(" (shows where it began)", "dim")
    if part.note:
        line.append(f"  {visible(part.note)}", "dim")
    console.print(line)
    if not part.equal:
        console.print(Padding(_difference(part.then, part.now), (0, 0, 0, 4)))


def _difference(then: str, now: str) -> Text:
    """Word by word; what is the same is cut short. Marked in signs too, for who sees no colour."""
    shown = Text()
    for piece in pieces_of(Two(then, now)):
        text = visible(piece.text)
        if piece.op == "same" and len(text) > 2 * _AROUND:
            text = f"{text[:_AROUND]} … {text[-_AROUND:]}"
        begin, end = _MARKS[piece.op]
        shown.append(f"{begin}{text}{end} ", _STYLES[piece.op])
    if not shown:
        shown.append("only spaces or line ends differ", "dim")
    return shown


def _searched(search: SearchAgain) -> str:
    """What today's search finds: apart from the verdict, which rests on what was found then."""
    if search.equal:
        return f"Searched again today: the same {search.now} passages."
    told = [f"Searched again today: {search.then} passages then, {search.now} now"]
    if search.gone:
        told.append(f"not found any more: {', '.join(search.gone[:5])}")
    if search.new:
        told.append(f"new: {', '.join(search.new[:5])}")
    if not search.gone and not search.new:
        told.append("in another order")
    then, now = search.generations
    told.append(
        f"the index has changed since (line {then} of its log, now {now})"
        if then != now
        else "the index has not changed"
    )
    return visible("; ".join(told) + ".")
