"""The report as Markdown, for reading in a repository or a mail."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from assistant.evaluate import Summary
from assistant.ranking import Level
from assistant.report_facts import Facts, change, farthest, interval, plain

_MARKS = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>&~$@:/])")
_SHOWN = 300  # characters of a question


def escaped(text: str) -> str:
    """`text` on one line, in which nothing is a mark, a tag, a link or an end of a cell."""
    return _MARKS.sub(lambda found: _mark(found[1]), plain(text))


def _mark(character: str) -> str:
    """A numeric reference where a backslash would not stop every reader (tags, bare links)."""
    return f"&#{ord(character)};" if character in "<>&|@:/" else f"\\{character}"


def markdown(facts: Facts) -> str:
    """The whole report."""
    return "\n".join(_lines(facts)) + "\n"


def _lines(facts: Facts) -> Iterator[str]:
    yield f"# Retrieval on {escaped(facts.judged.name)}, {escaped(facts.judged.split)}"
    yield ""
    yield escaped(facts.lead)
    yield ""
    yield from _trouble(facts)
    yield from _measures(facts)
    yield from _differences(facts)
    yield from _curve(facts)
    yield from _farthest(facts)
    yield "## How this was made"
    yield ""
    yield from (f"- {escaped(line)}" for line in facts.reading)
    yield f"- Cloister {escaped(facts.version)}, {escaped(facts.date)}, {escaped(facts.machine)}"
    yield f"- Set: SHA-256 `{facts.judged.digest}`"
    for run in facts.runs:
        settings = ", ".join(f"{key} = {value}" for key, value in run.settings.items())
        yield f"- {escaped(run.name)}: {escaped(settings)}; embedder {escaped(run.embedder)}"
    yield "- Every ranking stands in `results.json`; plots are in `report.html`."


def _trouble(facts: Facts) -> Iterator[str]:
    if facts.trouble.failed or facts.trouble.missing:
        yield "**Not everything could be searched; what is missing counts as not found.**"
        yield ""
        yield from (f"- {escaped(each)}" for each in facts.trouble.failed)
        yield from (f"- Not in the index: {escaped(each)}" for each in facts.trouble.missing)
        yield ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table; every cell is escaped already."""
    yield "| " + " | ".join(head) + " |"
    yield "|---|" + "---:|" * (len(head) - 1)
    yield from ("| " + " | ".join(row) + " |" for row in rows)
    yield ""


def _named(summaries: Sequence[Summary]) -> list[str]:
    return [escaped(each.name) for each in summaries]


def _measures(facts: Facts) -> Iterator[str]:
    yield "## Measures"
    yield ""
    rows = [
        [name, *(interval(each.means[name]) for each in facts.summaries)]
        for name in facts.summaries[0].means
    ]
    for label, attribute in (("latency p50", "latency_p50"), ("latency p95", "latency_p95")):
        seconds = [getattr(each, attribute) for each in facts.summaries]
        rows.append([label, *(f"{value * 1000:.1f} ms" for value in seconds)])
    yield from table(["measure", *_named(facts.summaries)], rows)


def _differences(facts: Facts) -> Iterator[str]:
    first, *others = facts.summaries
    if others:
        yield f"## Differences to {escaped(first.name)}, question by question"
        yield ""
        yield from table(
            ["measure", *_named(others)],
            ([name, *(change(each.differences[name]) for each in others)] for name in first.means),
        )


def _curve(facts: Facts) -> Iterator[str]:
    for level in facts.levels:
        yield f"## Recall at k, {level.value}s"
        yield ""
        yield from table(
            ["k", *_named(facts.summaries)],
            (
                [str(k), *(interval(each.curves[level][k - 1]) for each in facts.summaries)]
                for k in (1, 2, 3, 5, 10, 15, 20)
            ),
        )


def _farthest(facts: Facts) -> Iterator[str]:
    level: Level = facts.levels[0]
    found = farthest(facts.runs[0], level)
    if not found:
        return
    yield f"## Where {escaped(facts.runs[0].name)} misses"
    yield ""
    rows = []
    for each in found:
        rank = each.gold_rank(level)
        gold = ", ".join(id_ for id_, relevance in each.gold[level].items() if relevance > 0)
        text = each.question.text
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        first = each.ranking[level][0].id if each.ranking[level] else "nothing"
        rows.append([escaped(shown), escaped(gold), str(rank or "not found"), escaped(first)])
    yield from table(["question", "right", "rank of the right", "first instead"], rows)
