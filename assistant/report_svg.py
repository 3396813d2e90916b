"""What plots are drawn with: scales, grids, texts and dots as inline SVG.

A plot is 420 units wide and scales with the page. Colours are classes that the page's style sheet
fills for light and dark: `s1` to `s8` for configurations, in their order, beyond that again from
`s1`; every value can also be read as text (a label, or a title that shows on pointing).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from html import escape as html_escape
from math import floor, log10

from assistant.report_facts import interval, plain
from assistant.statistics import Mean

COLOURS = 8
WIDTH = 420.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 408.0, 12.0, 262.0
TENTHS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)

Scale = Callable[[float], float]


def safe(text: str) -> str:
    """`text` as HTML shows it, and nothing else."""
    return html_escape(plain(text))


def colour(position: int) -> str:
    """The class of the configuration at `position`, from 0."""
    return f"s{position % COLOURS + 1}"


def scale(low: float, high: float, start: float, end: float) -> Scale:
    """What maps `low` to `start` and `high` to `end`."""
    span = (high - low) or 1.0
    return lambda value: start + (value - low) / span * (end - start)


def svg(label: str, height: float, parts: Sequence[str]) -> str:
    """A plot of so many units, which `label` names to those who do not see it."""
    return (
        f'<svg viewBox="0 0 {WIDTH:.0f} {height:.0f}" role="img" aria-label="{safe(label)}">'
        f"{''.join(parts)}</svg>"
    )


def text(x: float, y: float, said: str, anchor: str = "start", kind: str = "tick") -> str:
    """One line of text; `anchor` as SVG has it."""
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{safe(said)}</text>'
    )


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A straight line of the class `kind`."""
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def points(found: Sequence[tuple[float, float]]) -> str:
    """The points of a polyline or polygon."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in found)


def grid(x: Scale, y: Scale, xs: Sequence[float], ys: Sequence[float]) -> Iterator[str]:
    """Horizontal lines with their values, and the values below."""
    for value in ys:
        yield line(LEFT, y(value), RIGHT, y(value), "grid")
        yield text(LEFT - 6, y(value) + 4, f"{value:.1f}", "end")
    for value in xs:
        yield text(x(value), BOTTOM + 16, f"{value:g}", "middle")


def dot(x: float, y: float, kind: str, said: str, radius: float) -> str:
    """A dot that says its value on pointing."""
    return (
        f'<circle class="dot {kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}">'
        f"<title>{safe(said)}</title></circle>"
    )


def bar_groups(
    named: Sequence[tuple[str, Sequence[tuple[str, Mean]]]],
    label: str,
    nothing: str,
    left: float = 116.0,
) -> str:
    """For each label a bar for each configuration, with its interval and value; `nothing` where a
    mean is of nothing. Values are 0..1; labels end before `left`."""
    x = scale(0, 1, left, 366)
    parts: list[str] = []
    top, step = 8.0, 17.0
    for measure, means in named:
        middle = top + step * len(means) / 2
        parts.append(text(left - 6, middle + 4, measure, "end", "label"))
        for position, (name, mean) in enumerate(means):
            parts += _bar(x, top, mean, name, colour(position), nothing)
            top += step
        top += 10
    ends = [line(x(value), 4, x(value), top - 6, "grid") for value in (0.0, 0.5, 1.0)]
    ticks = [text(x(value), top + 8, f"{value:.1f}", "middle") for value in (0.0, 0.5, 1.0)]
    return svg(label, top + 16, [*ends, *parts, *ticks])


def _bar(x: Scale, top: float, mean: Mean, name: str, kind: str, nothing: str) -> Iterator[str]:
    if not mean.count:
        yield text(x(0) + 4, top + 12, nothing)
        return
    middle = top + 7.0
    yield (
        f'<rect class="bar {kind}" x="{x(0):.1f}" y="{top:.1f}" height="13" '
        f'width="{max(x(mean.value) - x(0), 0.5):.1f}"><title>{safe(name)}: '
        f"{safe(interval(mean))}</title></rect>"
    )
    yield line(x(mean.low), middle, x(mean.high), middle, "whisker")
    yield text(max(x(mean.high), x(mean.value)) + 5, middle + 4, f"{mean.value:.3f}")


def cumulative(named: Sequence[tuple[str, Sequence[float]]], unit: str, what: str) -> str:
    """For each name the share of its values (in `unit`) that are at most so large, with dots at
    50 % and 95 %; `what` they are ("searches"). One stray value hides nothing: the axis ends a
    little above the 99th of a hundred."""
    every = sorted(value for _, values in named for value in values)
    step = round_step(every[int(0.99 * (len(every) - 1))] / 4)
    most = step * 5
    x, y = scale(0, most, LEFT, RIGHT), scale(0, 1, BOTTOM, TOP)
    parts = list(grid(x, y, [], TENTHS))
    for at in range(6):
        parts.append(text(x(step * at), BOTTOM + 16, f"{step * at:g}", "middle"))
    for position, (name, values) in enumerate(named):
        ordered = sorted(values)
        count = len(ordered)
        steps = sorted({round(at * (count - 1) / 200) for at in range(201)})
        drawn = [(x(min(ordered[at], most)), y((at + 1) / count)) for at in steps]
        parts.append(f'<polyline class="line {colour(position)}" points="{points(drawn)}"/>')
        for share in (0.5, 0.95):
            at = max(0, -(-int(share * 100) * count // 100) - 1)
            said = f"{name}: {share:.0%} within {ordered[at]:.1f} {unit}"
            parts.append(
                dot(x(min(ordered[at], most)), y((at + 1) / count), colour(position), said, 4)
            )
    parts.append(text((LEFT + RIGHT) / 2, BOTTOM + 34, unit, "middle"))
    return svg(f"Share of {what} done within a time", BOTTOM + 42, parts)


def round_step(least: float) -> float:
    """The least of 1, 2, 5 times a power of ten that is at least `least`."""
    power = 10.0 ** floor(log10(max(least, 1e-3)))
    return next((power * each for each in (1, 2, 5) if power * each >= least), power * 10)
