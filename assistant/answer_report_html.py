"""The report on answers as one HTML file that fetches nothing (see `assistant.report_page`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from assistant import answer_plots as plots
from assistant import answer_report_facts as telling
from assistant.answer_figures import Row
from assistant.answer_report_facts import Facts, Unsupported
from assistant.report_page import document, figure, legend, table
from assistant.report_svg import safe

_STYLE = """
:root{--right:#1d5fa8;--partial:#8db8e6;--refused:#c9ccd1;--wrong:#b8430b;--on-dark:#fff;
--on-light:#14181b}
@media (prefers-color-scheme:dark){:root{--right:#3f86d6;--partial:#2b4f78;--refused:#4a5053;
--wrong:#e0702f;--on-dark:#0d1113;--on-light:#f1f1ec}}
.right{--c:var(--right)}.partial{--c:var(--partial)}.refused{--c:var(--refused)}
.wrong{--c:var(--wrong)}
.piece{fill:var(--c);stroke:var(--sheet);stroke-width:1}
svg text.on-right,svg text.on-wrong{fill:var(--on-dark)}
svg text.on-partial,svg text.on-refused{fill:var(--on-light)}
svg text.strong{font-weight:600;font-size:13px}
.short{background:var(--sheet);border:1px solid var(--line);border-left:4px solid var(--right);
border-radius:6px;padding:.5rem 1.25rem;margin:1rem 0}
.plots{margin-bottom:1rem;align-items:start}.plots>figure{max-width:38rem}
.case ul{margin:0;padding-left:1.1rem}
.figures th[scope=row]{white-space:normal;min-width:9.5rem;max-width:19rem}
.short p{max-width:none;font-size:1.05rem}
.case{background:var(--sheet);border:1px solid var(--line);border-left:4px solid var(--wrong);
border-radius:6px;padding:.75rem 1rem;margin:.75rem 0}
.case h3{font-size:1rem;margin:0 0 .5rem;overflow-wrap:anywhere}
.case dl{display:grid;grid-template-columns:7.5rem 1fr;gap:.3rem 1rem;margin:0;font-size:.9rem}
.case dt{color:var(--soft)}.case dd{margin:0;overflow-wrap:anywhere;min-width:0}
@media (max-width:32rem){.case dl{grid-template-columns:1fr;gap:.1rem}
.case dd{margin-bottom:.4rem}}
summary{cursor:pointer;padding:.5rem 0;overflow-wrap:anywhere}
h3{font-size:1rem;margin:1.5rem 0 .5rem;overflow-wrap:anywhere}
nav ul{columns:2 16rem;padding-left:1.1rem;margin:.5rem 0 0}
a{color:var(--s1)}
@media print{:root{--right:#1d5fa8;--partial:#8db8e6;--refused:#c9ccd1;--wrong:#b8430b;
--on-dark:#fff;--on-light:#14181b}.case{break-inside:avoid}nav{display:none}}
"""


def page(facts: Facts) -> str:
    """The whole report."""
    sections = list(_sections(facts))
    listed = "".join(
        f'<li><a href="#s{n}">{title}</a></li>' for n, (title, _) in _numbered(sections)
    )
    body = "".join(
        f'<section aria-labelledby="s{n}"><h2 id="s{n}">{title}</h2>{html}</section>'
        for n, (title, html) in _numbered(sections)
    )
    nav = f'<nav aria-label="Contents"><ul>{listed}</ul></nav>'
    return document(f"Answers on {facts.name}", _short(facts) + nav + body, _STYLE)


def _numbered(sections: Sequence[tuple[str, str]]) -> Iterator[tuple[int, tuple[str, str]]]:
    return enumerate(sections, start=1)


def _short(facts: Facts) -> str:
    said = "".join(f"<p>{safe(each)}</p>" for each in telling.lead(facts))
    first = safe(facts.runs[0].configuration)
    date = f'<p class="soft">About the configuration {first}, measured {safe(facts.date)}.</p>'
    trouble = ""
    if facts.remarks:
        listed = "".join(f"<li>{safe(each)}</li>" for each in facts.remarks)
        trouble = f'<div class="trouble"><b>To be known first</b><ul>{listed}</ul></div>'
    return f'{date}<section class="short" aria-label="In short">{said}</section>{trouble}'


def _sections(facts: Facts) -> Iterator[tuple[str, str]]:
    """Titles and contents, in the order of reading; titles are ours and hold nothing to escape."""
    names = [each.name for each in facts.summaries]
    yield "What came of the questions", _outcomes(facts, names)
    yield "Figures side by side", _figures(facts, names)
    yield "Refusals", _refusals(facts)
    yield "Sentences without support", _unsupported(facts)
    yield "Time, tokens, energy", _costs(facts, names)
    yield "Wrong answers that were shown", "".join(_wrong(facts))
    yield "What this was measured with", table(("what", "which"), telling.used(facts), "texts")
    yield "How to read the figures", _list(telling.reading())
    yield "Limits", _list(telling.limits())


def _list(said: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{safe(each)}</li>" for each in said) + "</ul>"


def _outcomes(facts: Facts, names: Sequence[str]) -> str:
    drawn = figure(
        "Right, wrong, refused",
        "Where the documents do not answer, a refusal is the right outcome and drawn as right.",
        plots.outcomes(facts.summaries),
    )
    head = ("questions", *names)
    counted = table(head, telling.count_rows(facts), "figures", "Numbers of questions")
    return f'{plots.key()}<div class="plots">{drawn}{counted}</div>'


def _figures(facts: Facts, names: Sequence[str]) -> str:
    drawn = figure("Main figures", "With 95% intervals.", plots.figures(facts.summaries))
    caption = "Shares with their 95% intervals"
    shown = table(("figure", *names), telling.figure_rows(facts), "figures", caption)
    if len(names) > 1:
        drawn += figure(
            f"Differences to {names[0]}",
            "In percentage points, with 95% intervals; one that does not touch the line at 0 is "
            "unlikely to be chance.",
            plots.differences(facts.summaries),
        )
        caption = f"Differences to {names[0]}, question by question"
        rows = telling.difference_rows(facts)
        shown += "<br>" + table(("figure", *names[1:]), rows, "figures", caption)
    return f'{legend(names)}<div class="plots">{drawn}</div>{shown}'


def _refusals(facts: Facts) -> str:
    rows = telling.confusion_rows(facts)
    shown = table(telling.CONFUSION_HEAD, rows, "figures", "Refused or answered")
    codes = telling.removed(facts.rows(0))
    if not codes:
        return shown
    found = ([code, f"{number:,}"] for code, number in codes.items())
    name = facts.runs[0].configuration
    said = f"Sentences of the model that {name} removed, by reason (docs/answers.md tells of each)"
    return f"{shown}<br>{table(('reason', 'sentences'), found, caption=said)}"


def _costs(facts: Facts, names: Sequence[str]) -> str:
    drawn = figure(
        "Time to the whole answer",
        "Share of answers complete within a time; dots at 50% and 95%.",
        plots.latencies(facts.runs),
    )
    shown = table(("", *names), telling.cost_rows(facts), "figures", "Cost of a question")
    return f'{legend(names)}<div class="plots">{drawn}{shown}</div>'


def _unsupported(facts: Facts) -> str:
    every = [
        (run.configuration, telling.unsupported(facts.rows(position)))
        for position, run in enumerate(facts.runs)
    ]
    kinds = sorted({each.kind for _, found in every for each in found})
    if not kinds:
        return "<p>None was found in any shown answer.</p>"
    counted = [telling.kinds(found) for _, found in every]
    rows = ([kind, *(f"{each.get(kind, 0):,}" for each in counted)] for kind in kinds)
    head = ("kind", *(name for name, _ in every))
    parts = [table(head, rows, caption="What was found without support, by kind")]
    for position, (name, found) in enumerate(every):
        if found:
            parts.append(_folded(f"{name}: all {len(found):,}", _found(found), not position))
    return "".join(parts)


def _found(found: Sequence[Unsupported]) -> str:
    rows = (
        [each.what, each.kind, each.row.case.text, telling.shortened(each.row.shown.text)]
        for each in found
    )
    return table(("not in the source", "kind", "question", "shown"), rows, "texts")


def _folded(title: str, html: str, unfolded: bool) -> str:
    return f"<details{' open' if unfolded else ''}><summary>{safe(title)}</summary>{html}</details>"


def _wrong(facts: Facts) -> Iterator[str]:
    for position, run in enumerate(facts.runs):
        found = telling.wrong(facts.rows(position))
        title = f"{run.configuration}: {len(found):,}"
        yield _folded(title, "".join(map(_case, found)) or "<p>None.</p>", not position)


def _case(row: Row) -> str:
    cited = "".join(
        f"<li>{safe(source)}, page {page}: “{safe(telling.shortened(quote))}”</li>"
        for source, page, quote in row.shown.quotes
    )
    places = "; ".join(
        each.source if each.page is None else f"{each.source}, page {each.page}"
        for each in row.case.gold
    )
    told = [
        ("Shown", safe(telling.shortened(row.shown.text))),
        ("Expected", safe(telling.shortened(telling.expected(row.case)))),
        *([("Right place", safe(places))] if places else []),
        ("Cited", f"<ul>{cited}</ul>" if cited else "nothing"),
        ("Question", f"<code>{safe(row.case.id)}</code>, {safe(row.shown.verdict)}"),
        *([("Record", f"<code>{safe(row.shown.record)}</code>")] if row.shown.record else []),
    ]
    listed = "".join(f"<dt>{name}</dt><dd>{html}</dd>" for name, html in told)
    return f'<article class="case"><h3>{safe(row.case.text)}</h3><dl>{listed}</dl></article>'
