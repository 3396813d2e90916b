"""Floors and ceilings of an evaluation of answers, and which of them were not held. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assistant import answer_figures, answer_score
from assistant.answer_figures import Summary
from assistant.statistics import Mean

_ROUNDING = 1e-9  # a share of 0.6 may be 0.5999999999999999
COSTS = ("prompt_tokens", "completion_tokens", "joules")
LATENCIES = ("latency_p50_seconds", "latency_p95_seconds")
FIGURES = (*answer_figures.NAMES, *answer_score.EXTRAS, *COSTS, *LATENCIES)


@dataclass(frozen=True, slots=True)
class Bound:
    """The least (`floor`) or most that a figure may be, of one configuration or (empty) of
    every one."""

    figure: str
    value: float
    floor: bool
    configuration: str = ""


def figures_of(summary: Summary, extras: Mapping[str, Mean]) -> dict[str, float]:
    """Everything of a run that can have a bound, nan where the set does not measure it."""
    means = {**summary.figures, **extras, **summary.costs}
    found = {name: mean.value if mean.count else float("nan") for name, mean in means.items()}
    return found | dict(zip(LATENCIES, (summary.latency_p50, summary.latency_p95), strict=True))


def missed(bounds: Sequence[Bound], figures: Mapping[str, Mapping[str, float]]) -> list[str]:
    """One clause for each bound that is not held by the figures of a configuration.

    What is compared is the figure itself, not its interval: a gate must not depend on chance. A
    bound for a figure that was not measured is not held.
    """
    found = []
    for bound in bounds:
        for name, held in figures.items():
            if bound.configuration not in ("", name):
                continue
            value = held[bound.figure]
            kind = "floor" if bound.floor else "ceiling"
            if value != value:
                found.append(f"{bound.figure} of {name} was not measured and has a {kind}")
            elif (value < bound.value - _ROUNDING) if bound.floor else (
                value > bound.value + _ROUNDING
            ):  # fmt: skip
                found.append(
                    f"{bound.figure} of {name} is {value:.4f} and the {kind} {bound.value:g}"
                )
    return found
