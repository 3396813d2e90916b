"""A report of an evaluation: results.json, report.md, report.html and a line for each question.

`results.json` holds every ranking, so that each figure can be computed again from it alone. The
questions and documents are strangers' text: every writer escapes all of it.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from assistant import report_html, report_markdown
from assistant.evaluate import (
    Outcome,
    Run,
    Summary,
    Wanted,
    levels_of,
    scores,
    summarize,
)
from assistant.judged import JudgedSet
from assistant.ranking import Level
from assistant.report_facts import Facts, Trouble
from assistant.statistics import CONFIDENCE, DRAWS, RESAMPLES, SEED

__all__ = ["Trouble", "question_lines", "results", "write"]

FORMAT = "cloister-evaluation-1"


@dataclass(frozen=True, slots=True)
class Made:
    """What made a report, and when."""

    cloister: str
    date: str  # ISO 8601, UTC
    machine: dict[str, object]


def made_now() -> Made:
    """This installation, now, on this machine."""
    return Made(
        cloister=version("cloister"),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        machine={
            "system": f"{platform.system()} {platform.machine()}",
            "cores": os.cpu_count() or 0,
            "python": platform.python_version(),
        },
    )


def write(
    folder: Path, judged: JudgedSet, runs: Sequence[Run], wanted: Wanted, trouble: Trouble
) -> None:
    """Write the three files into `folder`, in the place of earlier ones. Raises OSError."""
    made = made_now()
    summaries = summarize(runs, wanted)
    facts = Facts(
        judged=judged,
        runs=tuple(runs),
        summaries=tuple(summaries),
        wanted=wanted,
        trouble=trouble,
        date=made.date,
        version=made.cloister,
        machine=", ".join(f"{name} {value}" for name, value in made.machine.items()),
    )
    document = results(judged, runs, summaries, wanted, trouble, made)
    text = json.dumps(document, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    (folder / "results.json").write_text(text + "\n", encoding="ascii")
    (folder / "report.md").write_text(report_markdown.markdown(facts), encoding="utf-8")
    (folder / "report.html").write_text(report_html.page(facts), encoding="utf-8")


def results(
    judged: JudgedSet,
    runs: Sequence[Run],
    summaries: Sequence[Summary],
    wanted: Wanted,
    trouble: Trouble,
    made: Made,
) -> dict[str, object]:
    """Everything that the figures were computed from, and the figures."""
    return {
        "format": FORMAT,
        **asdict(made),
        "set": {
            "name": judged.name,
            "kind": judged.kind.value,
            "split": judged.split,
            "sha256": judged.digest,
        },
        "wanted": {"k": wanted.k, "extra": list(wanted.extra)},
        "statistics": {
            "confidence": CONFIDENCE,
            "resamples": RESAMPLES,
            "draws": DRAWS,
            "seed": SEED,
        },
        "failed": list(trouble.failed),
        "missing": list(trouble.missing),
        "questions": [
            {
                "_id": each.question.id,
                "text": each.question.text,
                "scope": sorted(each.question.scope) if each.question.scope is not None else None,
                "as_of": each.question.as_of,
                "gold": {level.value: dict(each.gold[level]) for level in Level},
            }
            for each in runs[0].outcomes
        ],
        "configurations": [
            {
                "name": run.name,
                "settings": dict(run.settings),
                "embedder": run.embedder,
                "measures": {name: finite(asdict(mean)) for name, mean in summary.means.items()},
                "differences": {
                    name: finite(asdict(each)) for name, each in summary.differences.items()
                },
                "recall_curve": {
                    level.value: [finite(asdict(mean)) for mean in curve]
                    for level, curve in summary.curves.items()
                },
                "latency_p50_ms": summary.latency_p50 * 1000,
                "latency_p95_ms": summary.latency_p95 * 1000,
                "outcomes": [
                    {"ms": round(each.seconds * 1000, 3), **_rankings(each, wanted)}
                    for each in run.outcomes
                ],
            }
            for run, summary in zip(runs, summaries, strict=True)
        ],
    }


def _rankings(outcome: Outcome, wanted: Wanted) -> dict[str, object]:
    """The rankings as far as a figure needs them: id, score, hit."""
    deepest = wanted.ids
    return {
        level.value: [[each.id, round(each.score, 6), each.hit] for each in ranking[:deepest]]
        for level, ranking in outcome.ranking.items()
    }


def question_lines(runs: Sequence[Run], wanted: Wanted) -> Iterator[str]:
    """A JSON object for each question and configuration: its measures, where its gold stands
    (`gold_rank`, None if nowhere), and what was ranked, with the score and rank of the best hit."""
    levels = levels_of(each.gold for each in runs[0].outcomes)
    names = wanted.names(levels)
    for outcomes in zip(*(run.outcomes for run in runs), strict=True):
        for run, outcome in zip(runs, outcomes, strict=True):
            values = zip(names, scores(outcome, names, levels), strict=True)
            line = {
                "_id": outcome.question.id,
                "configuration": run.name,
                "text": outcome.question.text,
                "measures": finite(dict(values)),
                "gold": {level.value: dict(outcome.gold[level]) for level in levels},
                "gold_rank": {level.value: outcome.gold_rank(level) for level in levels},
                "ranked": {
                    level.value: [
                        {"id": each.id, "score": round(each.score, 6), "hit": each.hit}
                        for each in outcome.ranking[level]
                    ]
                    for level in levels
                },
                "latency_ms": round(outcome.seconds * 1000, 1),
            }
            yield json.dumps(line, ensure_ascii=True, allow_nan=False)


def finite(values: dict[str, float]) -> dict[str, float | None]:
    """Values for JSON, which has no nan: None stands for it."""
    return {name: None if value != value else value for name, value in values.items()}
