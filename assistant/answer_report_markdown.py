"""The report on answers as Markdown, for reading in a repository or a mail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from assistant import answer_report_facts as telling
from assistant.answer_report_facts import Facts
from assistant.report_markdown import escaped, table


def markdown(facts: Facts) -> str:
    """The whole report."""
    return "\n".join(_lines(facts)) + "\n"


def _lines(facts: Facts) -> Iterator[str]:
    names = [each.name for each in facts.summaries]
    yield f"# Answers on {escaped(facts.name)}"
    yield ""
    for sentence in telling.lead(facts):
        yield from (escaped(sentence), "")
    if facts.remarks:
        yield from ("**To be known first**", "", *_list(facts.remarks))
    came = telling.count_rows(facts)
    yield from _section("What came of the questions", ("questions", *names), came)
    yield from _section("Figures side by side", ("figure", *names), telling.figure_rows(facts))
    if len(names) > 1:
        title = f"Differences to {names[0]}, question by question"
        yield from _section(title, ("figure", *names[1:]), telling.difference_rows(facts))
    yield from _section("Refusals", telling.CONFUSION_HEAD, telling.confusion_rows(facts))
    yield from _unsupported(facts)
    yield from _section("Time, tokens, energy", ("", *names), telling.cost_rows(facts))
    yield from _wrong(facts)
    yield from _section("What this was measured with", ("what", "which"), telling.used(facts))
    yield from ("## How to read the figures", "", *_list(telling.reading()))
    yield from ("## Limits", "", *_list(telling.limits()))
    yield "Every question, what was shown and its judgement stand in `results.json`; plots are in"
    yield "`report.html`."


def _list(said: Iterable[str]) -> Iterator[str]:
    yield from (f"- {escaped(each)}" for each in said)
    yield ""


def _section(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"## {escaped(title)}"
    yield ""
    yield from table([escaped(each) for each in head], (list(map(escaped, row)) for row in rows))


def _unsupported(facts: Facts) -> Iterator[str]:
    rows = [
        [run.configuration, each.kind, each.what, each.row.case.text]
        for position, run in enumerate(facts.runs)
        for each in telling.unsupported(facts.rows(position))
    ]
    head = ("configuration", "kind", "not in the source", "question")
    if rows:
        yield from _section("Sentences without support", head, rows)
    else:
        yield from ("## Sentences without support", "", "None was found in any answer.", "")


def _wrong(facts: Facts) -> Iterator[str]:
    yield from ("## Wrong answers that were shown", "")
    for position, run in enumerate(facts.runs):
        found = telling.wrong(facts.rows(position))
        yield from (f"### {escaped(run.configuration)}: {len(found):,}", "")
        for row in found:
            yield f"- **{escaped(row.case.text)}**"
            yield f"  - shown: {escaped(telling.shortened(row.shown.text))}"
            yield f"  - expected: {escaped(telling.expected(row.case))}"
            for source, page, quote in row.shown.quotes:
                quoted = escaped(telling.shortened(quote))
                yield f"  - cited: {escaped(source)}, page {page}: “{quoted}”"
        yield ""
