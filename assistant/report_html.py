"""The report on retrieval as one HTML file that fetches nothing (see `assistant.report_page`)."""

from __future__ import annotations

from collections.abc import Iterator

from assistant.report_facts import Facts, change, farthest, interval
from assistant.report_page import document, figure, legend, table
from assistant.report_plots import bars, latencies, recall_curve, score_cloud
from assistant.report_svg import safe

_SHOWN = 300  # characters of a question
_CLOUDS = 4  # configurations whose scores are drawn


def page(facts: Facts) -> str:
    """The whole report."""
    title = f"Retrieval on {facts.judged.name}, {facts.judged.split}"
    return document(title, "\n".join([f"<p>{safe(facts.lead)}</p>", *_sections(facts)]))


def _sections(facts: Facts) -> Iterator[str]:
    yield from _trouble(facts)
    if len(facts.summaries) > 1:
        yield legend([each.name for each in facts.summaries])
    yield f'<div class="plots">{"".join(_plots(facts))}</div>'
    yield "<h2>Measures</h2>"
    yield _measures(facts)
    first, *others = facts.summaries
    if others:
        yield f"<h2>Differences to {safe(first.name)}, question by question</h2>"
        rows = (
            [name, *(change(each.differences[name]) for each in others)] for name in first.means
        )
        yield table(["measure", *(each.name for each in others)], rows)
    yield from _farthest(facts)
    yield "<h2>How this was made</h2>"
    yield _made(facts)


def _trouble(facts: Facts) -> Iterator[str]:
    failed, missing = facts.trouble.failed, facts.trouble.missing
    if failed or missing:
        said = [*failed, *(f"Not in the index: {each}" for each in missing)]
        listed = "".join(f"<li>{safe(each)}</li>" for each in said)
        yield (
            '<div class="trouble"><b>Not everything could be searched; what is missing counts as '
            f"not found.</b><ul>{listed}</ul></div>"
        )


def _plots(facts: Facts) -> Iterator[str]:
    k = facts.wanted.k
    for level in facts.levels:
        yield figure(
            f"Recall at k, {level.value}s",
            "Share of the right places among the first k; bands are 95 % intervals.",
            recall_curve(facts.summaries, level),
        )
    main = [name for name in facts.summaries[0].means if name.endswith(f"@{k}")]
    plain = [name for name in main if "_" not in name]
    yield figure(
        f"Measures at {k}",
        "Means over questions with 95 % intervals.",
        bars(facts.summaries, plain),
    )
    yield figure(
        "Latency",
        "Share of searches done within a time; dots at 50 % and 95 %.",
        latencies(facts.runs),
    )
    for position, run in enumerate(facts.runs[:_CLOUDS]):
        drawn, said = score_cloud(run, facts.levels[0], position)
        yield figure(f"Scores of the right place and of the best other, {run.name}", said, drawn)


def _measures(facts: Facts) -> str:
    rows = [
        [name, *(interval(each.means[name]) for each in facts.summaries)]
        for name in facts.summaries[0].means
    ]
    for label, seconds in (
        ("latency p50", [each.latency_p50 for each in facts.summaries]),
        ("latency p95", [each.latency_p95 for each in facts.summaries]),
    ):
        rows.append([label, *(f"{value * 1000:.1f} ms" for value in seconds)])
    return table(["measure", *(each.name for each in facts.summaries)], rows)


def _farthest(facts: Facts) -> Iterator[str]:
    level, run = facts.levels[0], facts.runs[0]
    found = farthest(run, level)
    if not found:
        return
    yield f"<h2>Where {safe(run.name)} misses</h2>"
    rows = []
    for each in found:
        gold = ", ".join(id_ for id_, relevance in each.gold[level].items() if relevance > 0)
        text = each.question.text
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        first = each.ranking[level][0].id if each.ranking[level] else "nothing"
        rows.append([shown, gold, str(each.gold_rank(level) or "not found"), first])
    yield table(["question", "right", "rank of the right", "first instead"], rows, "texts")


def _made(facts: Facts) -> str:
    lines = [safe(each) for each in facts.reading]
    lines.append(safe(f"Cloister {facts.version}, {facts.date}, {facts.machine}"))
    lines.append(f"Set: SHA-256 <code>{safe(facts.judged.digest)}</code>")
    for run in facts.runs:
        settings = ", ".join(f"{key} = {value}" for key, value in run.settings.items())
        lines.append(
            f"{safe(run.name)}: <code>{safe(settings)}</code>; embedder "
            f"<code>{safe(run.embedder)}</code>"
        )
    lines.append("Every ranking stands in results.json.")
    return "<ul>" + "".join(f"<li>{each}</li>" for each in lines) + "</ul>"
