"""A report of an evaluation of answers: results.json, report.md and report.html.

`results.json` holds every question, what was shown and how it was judged, so that each figure can
be computed again from it alone. Questions, documents and what models wrote are strangers' text:
every writer escapes all of it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from assistant import answer_report_html, answer_report_markdown
from assistant.answer_figures import FIGURES, Summary, rows, summarize
from assistant.answer_outcome import AnswerRun, Shown
from assistant.answer_report_facts import Facts, Questions, seeds
from assistant.report import Made, finite, made_now
from assistant.statistics import CONFIDENCE, DRAWS, RESAMPLES

__all__ = ["results", "write"]

FORMAT = "cloister-answers-1"


def write(
    folder: Path, set_: Questions, runs: Sequence[AnswerRun], remarks: Sequence[str] = ()
) -> tuple[Summary, ...]:
    """Write the three files into `folder`, in the place of earlier ones; the summaries.

    The report is about the first run; the others are held against it. `remarks` are sentences
    that a reader must know first, such as documents that could not be taken in. Raises OSError,
    and ValueError if a run is not one of this set's questions in their order.
    """
    made = made_now()
    summaries = summarize(set_.cases, runs)
    facts = Facts(
        name=set_.name,
        digest=set_.digest,
        cases=tuple(set_.cases),
        runs=tuple(runs),
        summaries=summaries,
        date=made.date,
        version=made.cloister,
        machine=", ".join(f"{name} {value}" for name, value in made.machine.items()),
        seeds=seeds(runs),
        remarks=tuple(remarks),
    )
    text = json.dumps(
        results(facts, made), ensure_ascii=True, allow_nan=False, separators=(",", ":"), default=str
    )
    (folder / "results.json").write_text(text + "\n", encoding="ascii")
    (folder / "report.md").write_text(answer_report_markdown.markdown(facts), encoding="utf-8")
    (folder / "report.html").write_text(answer_report_html.page(facts), encoding="utf-8")
    return summaries


def results(facts: Facts, made: Made) -> dict[str, object]:
    """Everything that the figures were computed from, and the figures. `terms` of a question are
    what it adds above and below the line of each figure: a figure is the quotient of the sums."""
    return {
        "format": FORMAT,
        **asdict(made),
        "set": {"name": facts.name, "sha256": facts.digest},
        "statistics": {
            "confidence": CONFIDENCE,
            "resamples": RESAMPLES,
            "draws": DRAWS,
            "seeds": dict(facts.seeds),
        },
        "remarks": list(facts.remarks),
        "figures": {
            each.name: {"title": each.title, "of": each.of, "rises": each.rises} for each in FIGURES
        },
        "questions": [asdict(case) for case in facts.cases],
        "configurations": [_configuration(facts, position) for position in range(len(facts.runs))],
    }


def _configuration(facts: Facts, position: int) -> dict[str, object]:
    run, summary = facts.runs[position], facts.summaries[position]
    return {
        "name": run.configuration,
        "model": run.model,
        "prompt": run.prompt,
        "settings": dict(run.settings),
        "counts": asdict(summary.counts),
        "figures": {name: finite(asdict(mean)) for name, mean in summary.figures.items()},
        "differences": {name: finite(asdict(each)) for name, each in summary.differences.items()},
        "costs": {name: finite(asdict(mean)) for name, mean in summary.costs.items()},
        "latency_p50_seconds": summary.latency_p50,
        "latency_p95_seconds": summary.latency_p95,
        "outcomes": [
            {
                "shown": _held(row.shown),
                "judged": asdict(row.judged),
                "terms": {figure.name: list(figure.term(row)) for figure in FIGURES},
            }
            for row in rows(facts.cases, run)
        ],
    }


def _held(shown: Shown) -> dict[str, object]:
    """Every field; a mapping of any sort as a plain one."""
    values = {each.name: getattr(shown, each.name) for each in fields(shown)}
    return {**values, "timings": dict(shown.timings)}
