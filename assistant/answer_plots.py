"""The plots of a report on answers, drawn here so that it needs no script, font or file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from assistant.answer_figures import FIGURES, Summary
from assistant.answer_outcome import AnswerRun
from assistant.answer_report_facts import OUTCOMES, change
from assistant.report_svg import (
    WIDTH,
    bar_groups,
    colour,
    cumulative,
    dot,
    line,
    round_step,
    safe,
    scale,
    svg,
    text,
)

_LEFT, _RIGHT = 8.0, WIDTH - 8.0
_NARROW = 26.0  # units of a piece of a bar that has no room for its number
_SHOWN = ("correct", "cited_gold", "refusal_f1", "wrong_shown")


def outcomes(summaries: Sequence[Summary]) -> str:
    """For each configuration two bars that are full together: what came of the questions that the
    documents answer, and of those that they do not."""
    parts: list[str] = []
    top = 14.0
    for summary in summaries:
        counts = summary.counts
        parts.append(text(_LEFT, top + 2, summary.name, kind="label strong"))
        top += 12
        for title, total, found in (
            (
                "documents answer",
                counts.answerable,
                (counts.right, counts.partial, counts.refused, counts.wrong),
            ),
            (
                "they do not",
                counts.unanswerable,
                (counts.rightly_refused, 0, 0, counts.wrongly_shown),
            ),
        ):
            if total:
                parts += _stack(top, f"{title}: {total:,} questions", total, found)
                top += 42
        top += 10
    label = "What came of the questions, as shares: right, place only, refused, wrong"
    return svg(label, max(top - 8, 20), parts)


def _stack(top: float, title: str, total: int, found: Sequence[int]) -> Iterator[str]:
    """One bar; the pieces are those of `OUTCOMES`. A refusal where nothing answers is right."""
    yield text(_LEFT, top + 9, title)
    x = scale(0, total, _LEFT, _RIGHT)
    begun = 0
    for (kind, said), number in zip(OUTCOMES, found, strict=True):
        if not number:
            continue
        start, end = x(begun), x(begun + number)
        begun += number
        yield (
            f'<rect class="piece {kind}" x="{start:.1f}" y="{top + 14:.1f}" height="20" '
            f'width="{max(end - start, 0.6):.1f}"><title>{said}: {number:,} of {total:,} '
            f"({number / total:.1%})</title></rect>"
        )
        if end - start > _NARROW:
            yield text((start + end) / 2, top + 28.5, f"{number:,}", "middle", f"on-{kind}")


def figures(summaries: Sequence[Summary]) -> str:
    """The main figures with their intervals."""
    titles = {figure.name: figure.title for figure in FIGURES}
    named = [
        (titles[name], [(each.name, each.figures[name]) for each in summaries]) for name in _SHOWN
    ]
    return bar_groups(named, "Main figures by configuration", "nothing to count", 142.0)


def differences(summaries: Sequence[Summary]) -> str:
    """How far the figures of each further configuration are from the first's, with intervals: to
    the right is more."""
    others = summaries[1:]
    every = [each.differences[name] for each in others for name in _SHOWN]
    reach = max(
        [abs(end) for each in every for end in (each.low, each.high) if end == end] + [0.05]
    )
    step = round_step(reach / 2)
    most = step * 2 if step * 2 >= reach else step * 3
    x = scale(-most, most, 150, _RIGHT - 6)
    titles = {figure.name: figure.title for figure in FIGURES}
    parts: list[str] = []
    top = 12.0
    for name in _SHOWN:
        parts.append(text(142, top + 8 * len(others) + 1, titles[name], "end", "label"))
        for position, each in enumerate(others, start=1):
            found = each.differences[name]
            top += 16
            if found.value != found.value:
                continue
            said = f"{each.name}, {titles[name]}: {change(found)}"
            parts.append(line(x(found.low), top - 8, x(found.high), top - 8, "whisker"))
            parts.append(dot(x(found.value), top - 8, colour(position), said, 4.5))
        top += 8
    ends = [
        line(x(value), 4, x(value), top - 4, "whisker" if value == 0 else "grid")
        for value in (-most, -most / 2, 0.0, most / 2, most)
    ]
    ticks = [
        text(x(value), top + 10, f"{100 * value:+g}" if value else "0", "middle")
        for value in (-most, 0.0, most)
    ]
    said = f"Differences to {summaries[0].name}, in percentage points"
    return svg(said, top + 18, [*ends, *parts, *ticks])


def latencies(runs: Sequence[AnswerRun]) -> str:
    """The share of answers that were complete within so many seconds."""
    named = [(run.configuration, [each.seconds for each in run.shown]) for run in runs]
    return cumulative(named, "seconds", "answers")


def key() -> str:
    """What the colours of the stacked bars stand for."""
    shown = "".join(f'<li class="{kind}">{safe(said)}</li>' for kind, said in OUTCOMES)
    return f'<ul class="legend">{shown}</ul>'
