"""Extracted fields and sorted documents for a terminal, as JSON and as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.status import Status
from rich.text import Text

from assistant.answer import Citation
from assistant.task import Progress
from ui.render import page_name, shortened
from ui.terminal import visible

if TYPE_CHECKING:
    from assistant.extract import FieldValue, Form
    from assistant.extract import Result as Extraction
    from assistant.extract_schema import Field
    from assistant.labels import Chosen, Classified
    from assistant.labels import Result as Classification

QUOTE_SHOWN = 160  # characters
_REASONS = {
    "NOT_FOUND": "not found",
    "UNSUPPORTED": "not stated in the form asked for",
    "AMBIGUOUS": "ambiguous: different values are as well supported",
}
_VERDICTS = {"NONE": "none of the labels", "UNCLEAR": "unclear"}


def watched(events: Iterator[object], progress: Console) -> Iterator[object]:
    """The events without the progress, which is shown on `progress` if that is a terminal."""
    shown = Status("reading", console=progress) if progress.is_terminal else None
    with shown or nullcontext():
        for event in events:
            if not isinstance(event, Progress):
                yield event
            elif shown is not None and event.about:
                about = visible(shortened(event.about, 60))
                shown.update(f"{event.done} of {event.total}: {about}")


def _place(citation: Citation) -> str:
    return visible(f"{citation.source}, {page_name(citation.page, citation.label)}")


def _cite(console: Console, citation: Citation) -> None:
    quote = visible(shortened(citation.quote, QUOTE_SHOWN))
    console.print(Padding(Text(f"“{quote}”"), (0, 0, 0, 4)))
    console.print(Padding(Text(_place(citation), style="dim"), (0, 0, 0, 4)))
    if citation.warning:
        console.print(Padding(Text(f"! {visible(citation.warning)}", style="yellow"), (0, 0, 0, 4)))


def _title(console: Console, title: str, source: str) -> None:
    console.print()
    console.print(
        Text(visible(title or source), style="bold").append(f"  {visible(source)}", "dim")
    )


# -- extract ---------------------------------------------------------------------------------------


def form(console: Console, given: Form) -> None:
    """A document's fields: name, value, quote and place, or why there is none."""
    _title(console, given.title, given.source)
    for each in given.values:
        name = Text(f"  {visible(each.field.name)}: ", style="bold cyan")
        if each.value is None:
            reason = each.reason.value if each.reason else "NOT_FOUND"
            console.print(name.append(_REASONS[reason], "yellow"))
            for candidate in each.candidates:
                told = visible(shortened(str(candidate.value), QUOTE_SHOWN))
                console.print(Padding(Text(f"could be: {told}"), (0, 0, 0, 4)))
                _cite(console, candidate.citation)
            continue
        by = "  (found by the model)" if each.by == "model" else ""
        console.print(name.append(visible(_shown(each)), "default").append(by, "dim"))
        for citation in each.citations:
            _cite(console, citation)


def _shown(each: FieldValue) -> str:
    values = each.value if isinstance(each.value, tuple) else (each.value,)
    words = {True: "yes", False: "no"}
    return "; ".join(words[v] if isinstance(v, bool) else str(v) for v in values)


def form_json(given: Form) -> dict[str, object]:
    """What `extract --json` prints for a document. The keys are an interface."""
    return {
        "document": given.document,
        "source": given.source,
        "title": given.title,
        "fields": {each.field.name: _field_json(each) for each in given.values},
        "object": given.object,
    }


def _field_json(each: FieldValue) -> dict[str, object]:
    cited = [citation_json(citation) for citation in each.citations]
    several = {"citations": cited} if each.field.many else {}
    rivals = [
        {"value": other.value, "citation": citation_json(other.citation)}
        for other in each.candidates
    ]
    return {
        "value": list(each.value) if isinstance(each.value, tuple) else each.value,
        "citation": cited[0] if cited else None,
        "reason": each.reason.value if each.reason else None,
        **several,
        **({"candidates": rivals} if rivals else {}),
        **({"by": each.by} if each.value is not None else {}),
    }


def citation_json(citation: Citation) -> dict[str, object]:
    """A citation with the keys that `ask --json` has."""
    keys = ("number", "document", "source", "page", "start", "end", "quote")
    found = {key: getattr(citation, key) for key in keys}
    return {**found, **({"warning": citation.warning} if citation.warning else {})}


def to_csv(given: Extraction, fields: Sequence[Field]) -> str:
    """RFC 4180: a row a document; value, page, quote and reason of each field in columns."""
    from assistant.sweep_table import harmless

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    parts = ("", ".page", ".quote", ".reason")
    names = [f"{field.name}{part}" for field in fields for part in parts]
    writer.writerow(["document", "source", *map(harmless, names)])
    for each in given.forms:
        cells = [cell for value in each.values for cell in _cells(value)]
        writer.writerow(
            [each.document, harmless(each.source)]
            + [harmless(cell) if isinstance(cell, str) else cell for cell in cells]
        )
    return out.getvalue()


def _cells(each: FieldValue) -> tuple[str | int | float, ...]:
    first = each.citations[0] if each.citations else None
    value: str | int | float = ""
    if isinstance(each.value, (int, float)) and not isinstance(each.value, bool):
        value = each.value
    elif each.value is not None:
        value = _shown(each)
    return (
        value,
        first.page if first else "",
        first.quote if first else "",
        each.reason.value if each.reason else "",
    )


# -- classify --------------------------------------------------------------------------------------


def classified(console: Console, given: Classified) -> None:
    """A document's labels with the sentences that speak for them, or that none fits."""
    _title(console, given.title, given.source)
    if not given.labels:
        console.print(Text(f"  {_VERDICTS[given.verdict.value]}", style="yellow"))
    for each in given.labels or given.near:
        mark = "  " if given.labels else "  perhaps "
        decided = "" if given.by == "evidence" else f"  (decided by the {given.by})"
        line = Text(mark, "dim").append(visible(each.label), "bold cyan").append(decided, "dim")
        console.print(line)
        for citation in each.citations:
            _cite(console, citation)


def classified_json(given: Classified) -> dict[str, object]:
    """What `classify --json` prints for a document. The keys are an interface."""
    return {
        "document": given.document,
        "source": given.source,
        "title": given.title,
        "verdict": given.verdict.value,
        "labels": [_label_json(each) for each in given.labels],
        "near": [_label_json(each) for each in given.near],
        "margin": given.margin,
        "by": given.by,
    }


def _label_json(each: Chosen) -> dict[str, object]:
    return {
        "label": each.label,
        "score": each.score,
        "citations": [citation_json(citation) for citation in each.citations],
    }


# -- both ------------------------------------------------------------------------------------------


def remarks(result: Extraction | Classification, complain: Callable[[str], None]) -> None:
    """Say which documents failed and why, and what else must be known."""
    for each in result.failed:
        complain(f"{each.source}: {each.sentence}")
    for note in result.notes:
        complain(note)
