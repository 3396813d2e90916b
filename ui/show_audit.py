"""The auditor's view and impact recall as a person reads them in a terminal. Times are shown in the
reader's own zone with its offset; JSON has them in UTC."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from rich.table import Table
from rich.text import Text

from audit.view_data import Trust
from ui.terminal import visible

if TYPE_CHECKING:
    from rich.console import Console

    from audit.affected import Affected
    from audit.notices import Notice
    from audit.view_data import Line, Row, View

_STYLES = {Trust.CHECKED: "green", Trust.TAMPERED: "bold red", Trust.UNVERIFIED: "yellow"}
STRENGTHS = {"cited": "cites it", "shown": "was shown it", "found": "found it"}
CAUSES = {
    "superseded": "has a newer version",
    "withdrawn": "was withdrawn",
    "removed": "was removed",
    "erased": "was erased",
}


def local_time(ts_utc: int) -> str:
    """Date and time in this machine's zone, with the offset: 2026-11-22 02:10:03+01:00."""
    moment = datetime.fromtimestamp(ts_utc // 1_000_000_000).astimezone()
    return moment.isoformat(sep=" ", timespec="seconds")


def view(console: Console, found: View) -> None:
    """The state first, then the page, then what it leaves out."""
    console.print(Text(visible(found.checked.told()), style=_STYLES[found.checked.trust]))
    if found.rows:
        _answers(console, found.rows)
        console.print(Text("All records of one: cloister audit view NUMBER"))
    if found.lines:
        console.print(_records(found.lines))
        _payloads(console, found.lines)
    console.print(Text(visible(found.counts.told())))
    if found.cursor is not None:
        console.print(Text(f"The next page: --cursor {found.cursor}"))


def _table(*names: str, right: Sequence[str] = ()) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in names:
        justify: Literal["left", "right"] = "right" if name in right else "left"
        table.add_column(name, justify=justify, overflow="fold", no_wrap=name in ("Time", *right))
    return table


def _answers(console: Console, rows: Sequence[Row]) -> None:
    """Two lines for each: a table of all that belongs to an answer is wider than a terminal."""
    width = len(str(max(row.first for row in rows)))
    for row in rows:
        head = f"{row.first:>{width}}  {local_time(row.ts_utc)}  {row.person}  {row.kind}  "
        line = Text(visible(head))
        line.append(visible(row.verdict or "no end"), style="bold")
        console.print(line)
        console.print(Text(" " * (width + 2) + visible("; ".join(_details(row))), style="dim"))


def _details(row: Row) -> list[str]:
    """The digest of the question, what is cited (ids cut to 8 digits), the model, the records."""
    cited = ", ".join(document[:8] for document in row.documents[:4])
    more = f" and {len(row.documents) - 4} more" if len(row.documents) > 4 else ""
    erased = f", {row.erased} of {row.payloads} payloads erased" if row.erased else ""
    parts = [
        f"question {row.question_sha256[:8]}" if row.question_sha256 else "",
        f"cites {cited}{more}" if cited else "",
        row.model,
        f"{row.records} records{erased}",
        f"lacks {', '.join(row.lacks)}" if row.lacks else "",
    ]
    return [part for part in parts if part]


def _records(lines: Sequence[Line]) -> Table:
    table = _table("Number", "Time", "Type", "Who", "Payload", "Request", right=("Number",))
    for line in lines:
        when = local_time(line.ts_utc)
        cells = (str(line.seq), when, line.type, line.person, line.payload, line.request)
        table.add_row(*(Text(visible(cell)) for cell in cells))
    return table


def _payloads(console: Console, lines: Sequence[Line]) -> None:
    for line in lines:
        if line.opened is not None:
            text = json.dumps(line.opened, ensure_ascii=False, indent=2, sort_keys=True)
            console.print(Text(f"Payload of record {line.seq}, {line.type}:", style="bold"))
            console.print(Text(visible(text)))


def affected(console: Console, found: Affected) -> None:
    """What relied on it, and in one paragraph how many and what is not known."""
    if found.found:
        table = _table("Time", "Who", "What", "Verdict", "How", "Request")
        for each in found.found:
            asked = f" (asked about {each.as_of})" if each.as_of else ""
            erased = ", payload erased" if each.erased else ""
            how = STRENGTHS[each.strength.value] if each.on == "document" else _used(each.strength)
            cells = (
                local_time(each.ts_utc),
                each.person,
                each.kind,
                each.verdict,
                f"{how}{asked}{erased}",
                each.request,
            )
            table.add_row(*(Text(visible(cell)) for cell in cells))
        console.print(table)
    console.print(Text(visible(affected_words(found))))


def _used(strength: str) -> str:
    return "shows its words" if strength == "cited" else "asked it"


def affected_words(found: Affected) -> str:
    """The counts in words."""
    counts = {name: sum(each.strength.value == name for each in found.found) for name in STRENGTHS}
    if not found.found:
        said = "Nothing on record relied on it."
    else:
        said = (
            f"{len(found.found):,} answers, tasks or searches of {found.people:,} persons relied "
            f"on it: {counts['cited']:,} cite it, {counts['shown']:,} were shown it, "
            f"{counts['found']:,} only found it."
        )
    if found.erased:
        said += f" The payloads of {found.erased:,} of them are erased."
    if found.unknown:
        said += f" Of {found.unknown:,} more, whose payloads are erased, it cannot be told."
    if not found.deep:
        said += " Payloads were not opened: what was shown or found only is not counted."
    return said


def notices(console: Console, found: Sequence[Notice]) -> None:
    """A person's own earlier answers that rely on what has changed since."""
    if not found:
        console.print("None of your earlier answers relies on a document that has changed since.")
        return
    for notice in found:
        head = f"{notice.document} {CAUSES.get(notice.cause, 'changed')} ({notice.since})"
        console.print(Text(visible(f"{notice.number}: {head}"), style="bold"))
        for each in notice.answers:
            question = " ".join(each.question.split()) or "(the question is no longer kept)"
            how = STRENGTHS.get(each.strength, each.strength)
            console.print(Text(visible(f"  {each.time[:10]}  {question}  ({how})")))
        if notice.more:
            console.print(Text(f"  and {notice.more:,} earlier ones"))
    console.print(Text("Ask again to see whether the answer still holds."))
