"""The plots of a report on retrieval, drawn here so that it needs no script, font or file."""

from __future__ import annotations

from collections.abc import Sequence

from assistant.evaluate import CURVE, Run, Summary
from assistant.ranking import Level
from assistant.report_facts import interval, margins
from assistant.report_svg import (
    BOTTOM,
    LEFT,
    RIGHT,
    TENTHS,
    TOP,
    bar_groups,
    colour,
    cumulative,
    dot,
    grid,
    line,
    points,
    scale,
    svg,
    text,
)

_MOST_POINTS = 1_500  # of a cloud; more are thinned evenly, and the caption says so


def recall_curve(summaries: Sequence[Summary], level: Level) -> str:
    """Recall at 1 to `CURVE` for each configuration, a band for the interval."""
    x, y = scale(1, CURVE, LEFT + 6, RIGHT - 6), scale(0, 1, BOTTOM, TOP)
    parts = list(grid(x, y, (1, 5, 10, 15, 20), TENTHS))
    for position, summary in enumerate(summaries):
        curve = [(k, mean) for k, mean in enumerate(summary.curves[level], start=1) if mean.count]
        high = [(x(k), y(mean.high)) for k, mean in curve]
        low = [(x(k), y(mean.low)) for k, mean in reversed(curve)]
        parts.append(f'<polygon class="band {colour(position)}" points="{points(high + low)}"/>')
    for position, summary in enumerate(summaries):
        curve = [(k, mean) for k, mean in enumerate(summary.curves[level], start=1) if mean.count]
        drawn = points([(x(k), y(mean.value)) for k, mean in curve])
        parts.append(f'<polyline class="line {colour(position)}" points="{drawn}"/>')
        for k, mean in curve:
            said = f"{summary.name}, k = {k}: {interval(mean)}"
            parts.append(dot(x(k), y(mean.value), colour(position), said, 2.6))
    parts.append(text((LEFT + RIGHT) / 2, BOTTOM + 34, "k", "middle"))
    return svg(f"Recall at k, {level.value}s", BOTTOM + 42, parts)


def bars(summaries: Sequence[Summary], measures: Sequence[str]) -> str:
    """A bar for each measure and configuration, with its interval and value."""
    named = [
        (measure, [(each.name, each.means[measure]) for each in summaries]) for measure in measures
    ]
    return bar_groups(named, "Measures by configuration", "no gold")


def latencies(runs: Sequence[Run]) -> str:
    """The share of searches that were done within so many milliseconds."""
    named = [(run.name, [each.seconds * 1000 for each in run.outcomes]) for run in runs]
    return cumulative(named, "milliseconds", "searches")


def score_cloud(run: Run, level: Level, position: int) -> tuple[str, str]:
    """A dot for each question: the score of its best gold over that of the best that is not gold.
    Above the diagonal the gold comes first; what was not found lies in the strip below. With it
    one sentence that counts them.
    """
    found = margins(run, level)
    step = -(-len(found) // _MOST_POINTS) or 1
    shown = found[::step]
    every = [score for right, wrong in found for score in (right, wrong) if score is not None]
    low, high = min([0.0, *every]), max([1.0, *every])
    strip = BOTTOM - 26
    x, y = scale(low, high, LEFT, RIGHT), scale(low, high, strip - 8, TOP)
    ticks = [low + (high - low) * share for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    parts = [text(x(value), BOTTOM + 16, f"{value:.2f}", "middle") for value in ticks]
    for value in ticks:
        parts.append(line(LEFT, y(value), RIGHT, y(value), "grid"))
        parts.append(text(LEFT - 6, y(value) + 4, f"{value:.2f}", "end"))
    parts.append(line(x(low), y(low), x(high), y(high), "whisker"))
    parts.append(line(LEFT, strip, RIGHT, strip, "grid"))
    parts.append(text(LEFT + 4, strip + 17, "not found"))
    for right, wrong in shown:
        height = strip + 13 if right is None else y(right)
        parts.append(
            f'<circle class="speck {colour(position)}" cx="{x(wrong):.1f}" cy="{height:.1f}" '
            'r="2.4"/>'
        )
    parts.append(text(LEFT + 4, TOP + 10, "↑ score of the right place"))
    parts.append(text(RIGHT, BOTTOM + 34, "score of the best other →", "end"))
    first = sum(right is not None and right >= wrong for right, wrong in found)
    lost = sum(right is None for right, _ in found)
    said = (
        f"Of {len(found):,} questions the right place scores highest for {first:,}, "
        f"lower than another for {len(found) - first - lost:,}, and is not found for {lost:,}."
    )
    if step > 1:
        said += f" Every {step}. question is drawn."
    label = f"Score of the right place over that of the best other, {run.name}"
    return svg(label, BOTTOM + 42, parts), said
