"""A sweep as HTML, under the same rules as answers (`ui.render`): one line, every text escaped."""

from __future__ import annotations

from collections.abc import Sequence

from assistant.sweep import Row, SweepResult, Verdict
from ui.render import chip_of, flat, page_name, plain, shortened
from ui.sweep_view import MOST_PLACES, View

MOST_ROWS = 300  # of a table, or the page takes too long to draw; `cloister sweep --csv` has all
QUOTE_SHOWN = 260  # characters
VALUES_SHOWN = 20
WORDS = {
    Verdict.FOUND: ("found", "found"),
    Verdict.NOT_FOUND: ("not found", "none"),
    Verdict.UNCLEAR: ("unclear", "unclear"),
    Verdict.FAILED: ("failed", "broke"),
}
_TENTHS = 10  # so often is the coverage said aloud


def sweep(view: View) -> str:
    """A sweep and how far it is, as one line of HTML."""
    words, kind = _state(view)
    then = f' <span class="then">as of {flat(view.as_of)}</span>' if view.as_of else ""
    parts = [
        f'<div class="turn"><h2 class="question">{plain(view.question)}</h2><div class="answer">',
        f'<p class="verdict v-{kind}">{words}{then}</p>',
        f'<p class="understood">Each document is asked: <span>{flat(view.asked.question)}</span>'
        "</p>",
        _meter(view),
    ]
    if view.result is not None:
        parts += _finished(view, view.result)
    else:
        parts.append(_table(view, view.rows, "Documents read so far"))
        if view.ended:
            parts += [f'<p class="why">{flat(view.ended)}</p>', _again(view)]
    return "".join([*parts, "</div></div>"])


def _state(view: View) -> tuple[str, str]:
    """The words of the state and the class that they are drawn with."""
    if view.result is not None:
        return "Every document was asked", "answered"
    if view.broke:
        return "Something went wrong", "failed"
    return ("Stopped", "refused") if view.ended else ("Asking every document", "offered")


def coverage(view: View) -> str:
    """How many documents were read: "118 of 412 read, 3 failed"."""
    failed = view.failed
    more = f", {failed:,} failed" if failed else ""
    return f"{len(view.rows) - failed:,} of {view.documents:,} read{more}"


def _meter(view: View) -> str:
    """The coverage, drawn and in words; said aloud once for each tenth."""
    if not view.documents:
        return (
            '<p class="meter now told">Looking which documents to read</p>' if not view.over else ""
        )
    done, total = len(view.rows), view.documents
    bar = f'<progress class="coverage" value="{done}" max="{total}" title="Documents read">'
    if view.over:  # the summary says how many, if there is one
        words = "" if view.result is not None else f"<span>{coverage(view)}</span>"
        return f'<p class="meter">{bar}</progress>{words}</p>'
    tenth = done * _TENTHS // total * total // _TENTHS
    aloud = f"{tenth:,} of {total:,} documents asked" if tenth else f"Reading {total:,} documents"
    return (
        f'<p class="meter now">{bar}</progress><span>{coverage(view)}</span>'
        f'<span class="told unseen">{aloud}</span></p>'
    )


def _finished(view: View, result: SweepResult) -> list[str]:
    """The summary, the rows asked for, and folded away those that are not."""
    wanted = Verdict.NOT_FOUND if result.absent else Verdict.FOUND
    folded = Verdict.FOUND if result.absent else Verdict.NOT_FOUND
    order = [wanted, Verdict.UNCLEAR, Verdict.FAILED]
    shown = [row for verdict in order for row in result.rows if row.verdict is verdict]
    rest = [row for row in result.rows if row.verdict is folded]
    parts = [f'<p class="says">{flat(result.sentence)}</p>', _values(result)]
    parts.append(_table(view, shown, "Documents found, unclear or failed"))
    if rest:
        count = "1 document" if len(rest) == 1 else f"{len(rest):,} documents"
        words = WORDS[folded][0]
        parts.append(
            f'<details class="how rest"><summary>{count}: {words}</summary>'
            f"{_table(view, rest, f'Documents: {words}')}</details>"
        )
    if result.failed and view.kept:
        parts.append(_again(view))
    facts = [("Model", "not asked"), ("Time", f"{result.seconds:.1f} s")]
    if result.resumed:
        facts.append(("From an earlier run", f"{result.resumed:,} rows, checked again"))
    facts.append(("Record", result.record))
    rows = "".join(f"<dt>{name}</dt><dd>{flat(value)}</dd>" for name, value in facts)
    parts.append(
        f'<details class="how"><summary>How this was answered</summary><dl>{rows}</dl></details>'
    )
    return parts


def _values(result: SweepResult) -> str:
    """How many documents state which value."""
    if not result.values:
        return ""
    listed = result.values[:VALUES_SHOWN]
    items = "".join(
        f'<li><span class="value">{flat(shortened(value, 80))}</span> {count:,}</li>'
        for value, count in listed
    )
    left = len(result.values) - len(listed)
    more = f"<li>and {left:,} other values</li>" if left else ""
    return f'<ul class="values">{items}{more}</ul>'


def _again(view: View) -> str:
    """The button that runs the sweep again, which goes on where it was if rows are kept."""
    words = "Start again"
    if view.kept:
        words = "Go on" if view.result is None else "Try the failed ones again"
    button = f'<button type="button" class="sweep" value="{view.number}">{words}</button>'
    return f'<p class="offer">{button}</p>'


def _table(view: View, rows: Sequence[Row], name: str) -> str:
    """The rows as a table, its columns named; ARIA's roles stay when a phone stacks the cells."""
    if not rows:
        return ""
    valued = any(row.value for row in rows)
    names = ["Document", "Result", *(["Value"] if valued else []), "Evidence"]
    head = "".join(f'<th role="columnheader" scope="col">{each}</th>' for each in names)
    body = "".join(_row(view.number, row, valued) for row in rows[:MOST_ROWS])
    left = len(rows) - MOST_ROWS
    more = (
        f'<p class="why">{left:,} more rows are not drawn here: <code>cloister sweep</code> with '
        "<code>--csv FILE</code> writes them all.</p>"
        if left > 0
        else ""
    )
    return (
        f'<table class="rows" role="table"><caption class="unseen">{name}</caption>'
        f'<thead role="rowgroup">'
        f'<tr role="row">{head}</tr></thead><tbody role="rowgroup">{body}</tbody></table>{more}'
    )


def _row(number: int, row: Row, valued: bool) -> str:
    words, kind = WORDS[row.verdict]
    title = row.title or row.source
    source = f'<span class="place">{flat(row.source)}</span>' if row.source != title else ""
    value = f'<td role="cell" class="value">{flat(row.value)}</td>' if valued else ""
    return (
        f'<tr role="row" class="r-{kind}"><th role="rowheader" scope="row">'
        f'<span class="title">{flat(title)}</span>{source}</th>'
        f'<td role="cell" class="state"><span class="s-{kind}">{words}</span></td>{value}'
        f'<td role="cell" class="evidence">{_evidence(number, row)}</td></tr>'
    )


def _evidence(number: int, row: Row) -> str:
    title = row.title or row.source
    parts = []
    if row.quote:
        chips = "".join(
            chip_of(number, each.number, f"{title}, {page_name(each.page, each.label)}")
            for each in row.citations
            if each.number <= MOST_PLACES
        )
        parts.append(f'<span class="quote">{flat(shortened(row.quote, QUOTE_SHOWN))}{chips}</span>')
    if row.reason:
        parts.append(f'<span class="reason">{flat(row.reason)}</span>')
    if row.warning:
        parts.append(f'<span class="doubt">{flat(row.warning)}</span>')
    return "".join(parts)
