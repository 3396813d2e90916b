"""Plots as inline SVG, drawn here so that a report needs no script, font or file from elsewhere.

A plot is 420 units wide and scales with the page. Colours are classes that the page's style sheet
fills for light and dark: `s1` to `s8` for configurations, in their order, beyond that again from
`s1`; every value can also be read as text (a label, or a title that shows on pointing).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from html import escape as html_escape
from math import floor, log10

from assistant.evaluate import CURVE, Run, Summary
from assistant.ranking import Level
from assistant.report_facts import interval, margins, plain
from assistant.statistics import Mean

COLOURS = 8
_WIDTH = 420.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 408.0, 12.0, 262.0
_MOST_POINTS = 1_500  # of a cloud; more are thinned evenly, and the caption says so

Scale = Callable[[float], float]


def _safe(text: str) -> str:
    """`text` as HTML shows it, and nothing else."""
    return html_escape(plain(text))


def colour(position: int) -> str:
    """The class of the configuration at `position`, from 0."""
    return f"s{position % COLOURS + 1}"


def _scale(low: float, high: float, start: float, end: float) -> Scale:
    span = (high - low) or 1.0
    return lambda value: start + (value - low) / span * (end - start)


def _svg(label: str, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH:.0f} {height:.0f}" role="img" aria-label="{_safe(label)}">'
        f"{''.join(parts)}</svg>"
    )


def _text(x: float, y: float, text: str, anchor: str = "start", kind: str = "tick") -> str:
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{_safe(text)}</text>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _grid(x: Scale, y: Scale, xs: Sequence[float], ys: Sequence[float]) -> Iterator[str]:
    """Horizontal lines with their values, and the values below."""
    for value in ys:
        yield _line(_LEFT, y(value), _RIGHT, y(value), "grid")
        yield _text(_LEFT - 6, y(value) + 4, f"{value:.1f}", "end")
    for value in xs:
        yield _text(x(value), _BOTTOM + 16, f"{value:g}", "middle")


_TENTHS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def recall_curve(summaries: Sequence[Summary], level: Level) -> str:
    """Recall at 1 to `CURVE` for each configuration, a band for the interval."""
    x, y = _scale(1, CURVE, _LEFT + 6, _RIGHT - 6), _scale(0, 1, _BOTTOM, _TOP)
    parts = list(_grid(x, y, (1, 5, 10, 15, 20), _TENTHS))
    for position, summary in enumerate(summaries):
        curve = [(k, mean) for k, mean in enumerate(summary.curves[level], start=1) if mean.count]
        high = [(x(k), y(mean.high)) for k, mean in curve]
        low = [(x(k), y(mean.low)) for k, mean in reversed(curve)]
        parts.append(f'<polygon class="band {colour(position)}" points="{_points(high + low)}"/>')
    for position, summary in enumerate(summaries):
        curve = [(k, mean) for k, mean in enumerate(summary.curves[level], start=1) if mean.count]
        line = _points([(x(k), y(mean.value)) for k, mean in curve])
        parts.append(f'<polyline class="line {colour(position)}" points="{line}"/>')
        for k, mean in curve:
            said = f"{summary.name}, k = {k}: {interval(mean)}"
            parts.append(_dot(x(k), y(mean.value), colour(position), said, 2.6))
    parts.append(_text((_LEFT + _RIGHT) / 2, _BOTTOM + 34, "k", "middle"))
    return _svg(f"Recall at k, {level.value}s", _BOTTOM + 42, parts)


def _dot(x: float, y: float, kind: str, said: str, radius: float) -> str:
    return (
        f'<circle class="dot {kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}">'
        f"<title>{_safe(said)}</title></circle>"
    )


def bars(summaries: Sequence[Summary], measures: Sequence[str]) -> str:
    """A bar for each measure and configuration, with its interval and value."""
    x = _scale(0, 1, 116, 366)
    parts: list[str] = []
    top, step = 8.0, 17.0
    for measure in measures:
        middle = top + step * len(summaries) / 2
        parts.append(_text(110, middle + 4, measure, "end", "label"))
        for position, summary in enumerate(summaries):
            parts += _bar(x, top, summary.means[measure], summary.name, colour(position))
            top += step
        top += 10
    ends = [_line(x(value), 4, x(value), top - 6, "grid") for value in (0.0, 0.5, 1.0)]
    ticks = [_text(x(value), top + 8, f"{value:.1f}", "middle") for value in (0.0, 0.5, 1.0)]
    return _svg("Measures by configuration", top + 16, [*ends, *parts, *ticks])


def _bar(x: Scale, top: float, mean: Mean, name: str, kind: str) -> Iterator[str]:
    if not mean.count:
        yield _text(x(0) + 4, top + 12, "no gold")
        return
    middle = top + 7.0
    yield (
        f'<rect class="bar {kind}" x="{x(0):.1f}" y="{top:.1f}" height="13" '
        f'width="{max(x(mean.value) - x(0), 0.5):.1f}"><title>{_safe(name)}: '
        f"{_safe(interval(mean))}</title></rect>"
    )
    yield _line(x(mean.low), middle, x(mean.high), middle, "whisker")
    yield _text(max(x(mean.high), x(mean.value)) + 5, middle + 4, f"{mean.value:.3f}")


def latencies(runs: Sequence[Run]) -> str:
    """The share of searches that were done within so many milliseconds."""
    every = sorted(each.seconds * 1000 for run in runs for each in run.outcomes)
    step = _round_step(every[int(0.99 * (len(every) - 1))] / 4)  # one stray search hides nothing
    most = step * 5
    x, y = _scale(0, most, _LEFT, _RIGHT), _scale(0, 1, _BOTTOM, _TOP)
    parts = list(_grid(x, y, [], _TENTHS))
    for at in range(6):
        parts.append(_text(x(step * at), _BOTTOM + 16, f"{step * at:g}", "middle"))
    for position, run in enumerate(runs):
        seconds = sorted(each.seconds * 1000 for each in run.outcomes)
        count = len(seconds)
        steps = sorted({round(at * (count - 1) / 200) for at in range(201)})
        points = [(x(min(seconds[at], most)), y((at + 1) / count)) for at in steps]
        parts.append(f'<polyline class="line {colour(position)}" points="{_points(points)}"/>')
        for share in (0.5, 0.95):
            at = max(0, -(-int(share * 100) * count // 100) - 1)
            said = f"{run.name}: {share:.0%} within {seconds[at]:.1f} ms"
            parts.append(
                _dot(x(min(seconds[at], most)), y((at + 1) / count), colour(position), said, 4)
            )
    parts.append(_text((_LEFT + _RIGHT) / 2, _BOTTOM + 34, "milliseconds", "middle"))
    return _svg("Share of searches done within a time", _BOTTOM + 42, parts)


def _round_step(least: float) -> float:
    """The least of 1, 2, 5 times a power of ten that is at least `least`."""
    power = 10.0 ** floor(log10(max(least, 1e-3)))
    return next((power * each for each in (1, 2, 5) if power * each >= least), power * 10)


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
    strip = _BOTTOM - 26
    x, y = _scale(low, high, _LEFT, _RIGHT), _scale(low, high, strip - 8, _TOP)
    ticks = [low + (high - low) * share for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    parts = [_text(x(value), _BOTTOM + 16, f"{value:.2f}", "middle") for value in ticks]
    for value in ticks:
        parts.append(_line(_LEFT, y(value), _RIGHT, y(value), "grid"))
        parts.append(_text(_LEFT - 6, y(value) + 4, f"{value:.2f}", "end"))
    parts.append(_line(x(low), y(low), x(high), y(high), "whisker"))
    parts.append(_line(_LEFT, strip, _RIGHT, strip, "grid"))
    parts.append(_text(_LEFT + 4, strip + 17, "not found"))
    for right, wrong in shown:
        height = strip + 13 if right is None else y(right)
        parts.append(
            f'<circle class="speck {colour(position)}" cx="{x(wrong):.1f}" cy="{height:.1f}" '
            'r="2.4"/>'
        )
    parts.append(_text(_LEFT + 4, _TOP + 10, "↑ score of the right place"))
    parts.append(_text(_RIGHT, _BOTTOM + 34, "score of the best other →", "end"))
    first = sum(right is not None and right >= wrong for right, wrong in found)
    lost = sum(right is None for right, _ in found)
    said = (
        f"Of {len(found):,} questions the right place scores highest for {first:,}, "
        f"lower than another for {len(found) - first - lost:,}, and is not found for {lost:,}."
    )
    if step > 1:
        said += f" Every {step}. question is drawn."
    label = f"Score of the right place over that of the best other, {run.name}"
    return _svg(label, _BOTTOM + 42, parts), said
