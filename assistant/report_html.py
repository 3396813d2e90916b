"""The report as one HTML file that fetches nothing: style and plots are in it, scripts are not.

All text of questions, documents, files and configurations is escaped, and a policy in the page
forbids scripts and everything from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape as html_escape

from assistant.report_facts import Facts, change, farthest, interval, plain
from assistant.report_plots import bars, colour, latencies, recall_curve, score_cloud

_SHOWN = 300  # characters of a question
_CLOUDS = 4  # configurations whose scores are drawn

_LIGHT = ("#2563b0", "#b8500f", "#1d7a4f", "#8a3a9c", "#8d6a00", "#0f7c8a", "#b32a55", "#5b5f66")
_DARK = ("#6aa9f0", "#f0975a", "#63c596", "#cf8fdd", "#d8b13c", "#58c3d1", "#f283a5", "#b3b8bf")


def _safe(text: str) -> str:
    """`text` as HTML shows it, and nothing else."""
    return html_escape(plain(text))


def _style() -> str:
    light = "".join(f"--s{n}:{value};" for n, value in enumerate(_LIGHT, start=1))
    dark = "".join(f"--s{n}:{value};" for n, value in enumerate(_DARK, start=1))
    series = "".join(f".s{n}{{--c:var(--s{n})}}" for n in range(1, len(_LIGHT) + 1))
    return f"""
:root{{color-scheme:light dark;--ground:#f8f7f3;--sheet:#fff;--ink:#1c1f1e;--soft:#565d5a;
--line:#dedbd1;--amber:#7a4b00;--tint:#fbeed3;{light}}}
@media (prefers-color-scheme:dark){{:root{{--ground:#141716;--sheet:#1b1f1e;--ink:#e9e8e3;
--soft:#a6ada9;--line:#303634;--amber:#f0c272;--tint:#372b14;{dark}}}}}
{series}
*{{box-sizing:border-box}}
body{{margin:0;background:var(--ground);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}}
main{{max-width:66rem;margin:0 auto;padding:2rem 1rem 4rem}}
h1{{font-size:1.6rem;line-height:1.25;margin:0 0 .5rem;overflow-wrap:anywhere}}
h2{{font-size:1.15rem;margin:2.5rem 0 .75rem}}
p{{max-width:44rem;margin:.5rem 0}}
.soft,figcaption,th{{color:var(--soft)}}
.trouble{{background:var(--tint);color:var(--amber);padding:.75rem 1rem;border-radius:6px;
overflow-wrap:anywhere}}
.legend{{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;list-style:none;padding:0;margin:1rem 0}}
.legend li::before{{content:"";display:inline-block;width:.8rem;height:.8rem;border-radius:2px;
margin-right:.45rem;background:var(--c);vertical-align:-1px}}
.plots{{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:1rem}}
figure{{margin:0;background:var(--sheet);border:1px solid var(--line);border-radius:6px;
padding:.75rem;min-width:0}}
figcaption{{font-size:.875rem;margin-bottom:.5rem;overflow-wrap:anywhere}}
figcaption b{{color:var(--ink);display:block}}
svg{{display:block;width:100%;height:auto}}
svg text{{fill:var(--ink);font-size:12px}}
svg text.tick{{fill:var(--soft)}}
.grid{{stroke:var(--line);stroke-width:1}}
.whisker{{stroke:var(--ink);stroke-width:1.2}}
.line{{fill:none;stroke:var(--c);stroke-width:2;stroke-linejoin:round}}
.band{{fill:var(--c);opacity:.14}}
.bar{{fill:var(--c);opacity:.85}}
.dot{{fill:var(--c)}}
.speck{{fill:var(--c);opacity:.45}}
.wide{{overflow-x:auto;background:var(--sheet);border:1px solid var(--line);border-radius:6px}}
table{{border-collapse:collapse;width:100%;font-size:.875rem;font-variant-numeric:tabular-nums}}
th,td{{text-align:right;padding:.4rem .75rem;border-bottom:1px solid var(--line);
vertical-align:top;white-space:nowrap}}
tr:last-child td{{border-bottom:0}}
th{{font-weight:600}}
th:first-child,td:first-child{{text-align:left;position:sticky;left:0;background:var(--sheet)}}
.texts td{{white-space:normal;text-align:left;overflow-wrap:anywhere;min-width:8rem}}
.texts td:first-child{{min-width:14rem}}
.texts th{{text-align:left}}
.texts th:first-child,.texts td:first-child{{position:static}}
li,dd{{overflow-wrap:anywhere}}
code{{font-size:.85em;overflow-wrap:anywhere}}
"""


def page(facts: Facts) -> str:
    """The whole report."""
    title = f"Retrieval on {facts.judged.name}, {facts.judged.split}"
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{_safe(title)}</title>\n<style>{_style()}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{_safe(title)}</h1>\n<p>{_safe(facts.lead)}</p>\n"
        + "\n".join(_sections(facts))
        + "\n</main>\n</body>\n</html>\n"
    )


def _sections(facts: Facts) -> Iterator[str]:
    yield from _trouble(facts)
    if len(facts.summaries) > 1:
        yield _legend(facts)
    yield f'<div class="plots">{"".join(_plots(facts))}</div>'
    yield "<h2>Measures</h2>"
    yield _measures(facts)
    first, *others = facts.summaries
    if others:
        yield f"<h2>Differences to {_safe(first.name)}, question by question</h2>"
        rows = (
            [name, *(change(each.differences[name]) for each in others)] for name in first.means
        )
        yield _table(["measure", *(each.name for each in others)], rows)
    yield from _farthest(facts)
    yield "<h2>How this was made</h2>"
    yield _made(facts)


def _trouble(facts: Facts) -> Iterator[str]:
    failed, missing = facts.trouble.failed, facts.trouble.missing
    if failed or missing:
        said = [*failed, *(f"Not in the index: {each}" for each in missing)]
        listed = "".join(f"<li>{_safe(each)}</li>" for each in said)
        yield (
            '<div class="trouble"><b>Not everything could be searched; what is missing counts as '
            f"not found.</b><ul>{listed}</ul></div>"
        )


def _legend(facts: Facts) -> str:
    names = "".join(
        f'<li class="{colour(position)}">{_safe(each.name)}</li>'
        for position, each in enumerate(facts.summaries)
    )
    return f'<ul class="legend">{names}</ul>'


def _figure(title: str, said: str, drawn: str) -> str:
    return f"<figure><figcaption><b>{_safe(title)}</b>{_safe(said)}</figcaption>{drawn}</figure>"


def _plots(facts: Facts) -> Iterator[str]:
    k = facts.wanted.k
    for level in facts.levels:
        yield _figure(
            f"Recall at k, {level.value}s",
            "Share of the right places among the first k; bands are 95 % intervals.",
            recall_curve(facts.summaries, level),
        )
    main = [name for name in facts.summaries[0].means if name.endswith(f"@{k}")]
    plain = [name for name in main if "_" not in name]
    yield _figure(
        f"Measures at {k}",
        "Means over questions with 95 % intervals.",
        bars(facts.summaries, plain),
    )
    yield _figure(
        "Latency",
        "Share of searches done within a time; dots at 50 % and 95 %.",
        latencies(facts.runs),
    )
    for position, run in enumerate(facts.runs[:_CLOUDS]):
        drawn, said = score_cloud(run, facts.levels[0], position)
        yield _figure(f"Scores of the right place and of the best other, {run.name}", said, drawn)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    top = "".join(f"<th>{_safe(each)}</th>" for each in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{_safe(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return (
        f'<div class="wide {kind}"><table><thead><tr>{top}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


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
    return _table(["measure", *(each.name for each in facts.summaries)], rows)


def _farthest(facts: Facts) -> Iterator[str]:
    level, run = facts.levels[0], facts.runs[0]
    found = farthest(run, level)
    if not found:
        return
    yield f"<h2>Where {_safe(run.name)} misses</h2>"
    rows = []
    for each in found:
        gold = ", ".join(id_ for id_, relevance in each.gold[level].items() if relevance > 0)
        text = each.question.text
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        first = each.ranking[level][0].id if each.ranking[level] else "nothing"
        rows.append([shown, gold, str(each.gold_rank(level) or "not found"), first])
    yield _table(["question", "right", "rank of the right", "first instead"], rows, "texts")


def _made(facts: Facts) -> str:
    lines = [_safe(each) for each in facts.reading]
    lines.append(_safe(f"Cloister {facts.version}, {facts.date}, {facts.machine}"))
    lines.append(f"Set: SHA-256 <code>{_safe(facts.judged.digest)}</code>")
    for run in facts.runs:
        settings = ", ".join(f"{key} = {value}" for key, value in run.settings.items())
        lines.append(
            f"{_safe(run.name)}: <code>{_safe(settings)}</code>; embedder "
            f"<code>{_safe(run.embedder)}</code>"
        )
    lines.append("Every ranking stands in results.json.")
    return "<ul>" + "".join(f"<li>{each}</li>" for each in lines) + "</ul>"
