"""`cloister eval answers`: questions with known answers, put to the assistant and judged."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ui import terminal
from ui.context import shared
from ui.errors import FloorMissed, UsageError

if TYPE_CHECKING:
    from assistant.answer_bounds import Bound
    from assistant.answer_outcome import AnswerRun
    from assistant.answer_sets import AnswerSet
    from assistant.answer_trial import Configuration

_MISSING = "Documents that questions name and that are not in the index"
_BOUND = re.compile(
    r"(?:(?P<name>[^:=]+):)?(?P<figure>[a-z][a-z0-9_]*)=(?P<value>\d{1,6}(?:\.\d{1,6})?)"
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked: where, what of, and how."""

    home: Path
    set: AnswerSet
    configurations: tuple[Configuration, ...]
    per_question: Path | None = None
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for, as `answers` declares it."""

    path: Path
    models: tuple[str, ...]
    baseline: bool
    on_home: bool
    limit: int | None
    every: int
    floors: tuple[str, ...]
    ceilings: tuple[str, ...]
    per_question: Path | None
    report: Path | None
    write_gate: bool
    margin: float
    fresh: bool
    json: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """Runs, and the documents that could not count: refused by ingestion, or not in the index."""

    set: AnswerSet
    runs: tuple[AnswerRun, ...]
    failed: tuple[str, ...]
    missing: tuple[str, ...]


def answers(
    context: typer.Context,
    path: Annotated[
        Path,
        typer.Argument(
            metavar="SET", help="File or folder of a set; see docs/evaluating-answers.md."
        ),
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A model on the shelf, in place of the one in use; repeatable, side by side.",
        ),
    ] = None,
    baseline: Annotated[
        bool,
        typer.Option("--baseline", help="Beside each model a plain chain: same search, no gate."),
    ] = False,
    on_home: Annotated[
        bool, typer.Option("--on-home", help="Ask the documents of the data folder itself.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Ask N questions at most.")
    ] = None,
    every: Annotated[
        int, typer.Option(min=1, metavar="N", help="Ask the first of every N questions.")
    ] = 1,
    floor: Annotated[
        list[str] | None,
        typer.Option(metavar="FIGURE=VALUE", help="End with 5 below this; repeatable."),
    ] = None,
    ceiling: Annotated[
        list[str] | None,
        typer.Option(metavar="FIGURE=VALUE", help="End with 5 above this; repeatable."),
    ] = None,
    per_question: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.jsonl", help="One line a question; what is there is not asked again."
        ),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a report with plots there.")
    ] = None,
    write_gate: Annotated[
        bool,
        typer.Option(
            "--write-gate",
            help="Make the first configuration's figures, less a margin, the gate for changes.",
        ),
    ] = False,
    margin: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="By how much figures may be worse than measured."),
    ] = 0.05,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Ingest the set's documents again.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="JSON to stdout, nothing else.")] = False,
) -> None:
    """Right and wrong answers, refusals, citations, unsupported sentences, and what they cost.

    The set's documents are ingested once into a data folder of their own below this one, so that
    they never mix with real documents. Questions are asked one at a time and recorded there.
    """
    _evaluate(
        shared(context).home,
        Options(
            path,
            tuple(model or ()),
            baseline,
            on_home,
            limit,
            every,
            tuple(floor or ()),
            tuple(ceiling or ()),
            per_question,
            report,
            write_gate,
            margin,
            fresh,
            json,
        ),
    )


def _evaluate(home: Path, options: Options) -> None:
    """All that the command does: check, ask, show, write, and hold the figures to the bounds.

    Raises UsageError, FloorMissed, and what reading the set and asking raise.
    """
    from assistant.answer_bounds import missed

    plan, bounds = _planned(home, options)
    done = ask(plan)
    figures = _show(done, as_json=options.json)
    if options.report is not None:
        from assistant import answer_report

        answer_report.write(options.report, done.set, done.runs, remarks(done))
    if options.write_gate:
        _write_gate(home, options.path, done, options.margin)
    beyond = missed(bounds, figures)
    if beyond:
        raise FloorMissed(f"A bound was not held: {'; '.join(beyond)}.")


def _planned(home: Path, options: Options) -> tuple[Plan, tuple[Bound, ...]]:
    """What is asked and the bounds on it, with all that can be refused before asking refused."""
    from assistant.answer_sets import read_set
    from assistant.answer_trial import configurations
    from ui import composition

    if len(set(options.models)) < len(options.models):
        raise UsageError("A model is named twice; name each once.")
    chosen = configurations(options.models, options.baseline)
    bounds = _bounds(options.floors, options.ceilings, chosen)
    if options.write_gate and (options.limit is not None or options.every > 1):
        raise UsageError("A gate is made of a whole set; leave out --limit and --every.")
    composition.check_settings(home)
    set_ = read_set(options.path, options.on_home).chosen(options.every, options.limit)
    _check_outputs(options.per_question, options.report)
    return Plan(home, set_, chosen, options.per_question, options.fresh), bounds


def _show(done: Asked, *, as_json: bool) -> dict[str, dict[str, float]]:
    """Show the figures, and return those that bounds are for, by configuration."""
    from assistant.answer_bounds import figures_of
    from assistant.answer_figures import summarize
    from assistant.answer_score import extras
    from ui import show_answers_eval, show_eval

    summaries = summarize(done.set.cases, done.runs)
    more = [extras(run) for run in done.runs]
    show_eval.trouble(terminal.err(), done.failed, done.missing, _MISSING)
    if as_json:
        for line in show_answers_eval.as_json(
            done.set, done.runs, summaries, more, done.failed, done.missing
        ):
            terminal.say_json(line)
    else:
        show_answers_eval.tables(terminal.out(), done.set, summaries, more)
    return {
        summary.name: figures_of(summary, each)
        for summary, each in zip(summaries, more, strict=True)
    }


def _write_gate(home: Path, path: Path, done: Asked, margin: float) -> None:
    from assistant import answer_gate
    from assistant.answer_figures import measured

    found = measured(done.set.cases, done.runs[0])
    digest, on_home = done.set.digest, done.set.on_home
    answer_gate.write(home, str(path.resolve()), found, margin, sha256=digest, on_home=on_home)
    terminal.complain(
        f"Changes of model or prompt made with --gated are now held to the figures of "
        f"{done.runs[0].configuration} on {path}, less {margin:g}."
    )


def remarks(done: Asked) -> tuple[str, ...]:
    """What a reader of a report must know first."""
    return (
        *done.failed,
        *(f"{name} is not in the index; questions name it." for name in done.missing),
    )


def measure(
    home: Path, path: Path, model: str = "", on_home: bool = False, prompt: str = ""
) -> dict[str, float]:
    """The figures of a set with one model and prompt (empty: those in use), as a gate for a change
    holds them against its bounds. Raises what reading the set and asking raise."""
    from assistant.answer_figures import measured
    from assistant.answer_sets import read_set
    from assistant.answer_trial import Configuration

    one = Configuration("changed", model, prompt=prompt)
    done = ask(Plan(home, read_set(path, on_home), (one,)))
    return measured(done.set.cases, done.runs[0])


def _bounds(
    floors: Sequence[str], ceilings: Sequence[str], chosen: Sequence[Configuration]
) -> tuple[Bound, ...]:
    from assistant.answer_bounds import FIGURES, Bound

    names = {each.name for each in chosen}
    given = [(text, True) for text in floors] + [(text, False) for text in ceilings]
    found = []
    for text, is_floor in given:
        option = "--floor" if is_floor else "--ceiling"
        read = _BOUND.fullmatch(text)
        if read is None:
            raise UsageError(
                f"{option} {text} is not like correct=0.6 or 'plain chain:wrong_shown=0.4'; "
                "correct it."
            )
        if read["figure"] not in FIGURES:
            raise UsageError(
                f"{option} {text} is for a figure that there is not; there are "
                f"{', '.join(FIGURES)}."
            )
        if read["name"] and read["name"] not in names:
            raise UsageError(
                f"{option} {text} is for the configuration {read['name']!r}, which is not asked; "
                f"asked are {', '.join(sorted(names))}."
            )
        found.append(Bound(read["figure"], float(read["value"]), is_floor, read["name"] or ""))
    return tuple(found)


def _check_outputs(per_question: Path | None, report: Path | None) -> None:
    """Say before an hour of asking that its result could not be written."""
    if per_question is not None and (
        per_question.is_dir() or not per_question.absolute().parent.is_dir()
    ):
        raise UsageError(f"{per_question} cannot be written; give a file in a folder there is.")
    if report is not None:
        if report.exists() and not report.is_dir():
            raise UsageError(f"{report} is a file; give a folder for the report.")
        report.mkdir(parents=True, exist_ok=True)


def ask(plan: Plan) -> Asked:
    """Ingest what is to be asked, then put every question to every configuration.

    Raises what `open_bench` and the systems raise; what was answered until then is in
    `plan.per_question`, and not asked again the next time.
    """
    from dataclasses import replace

    from assistant.answer_lines import Lines
    from assistant.answer_trial import missing, names_of, open_bench, placed, run
    from ui import composition, show_eval

    where, failed = (plan.home, ()) if plan.set.on_home else _trial(plan)
    asker = composition.terminal_asker()
    runs: list[AnswerRun] = []
    absent: dict[str, None] = {}
    set_ = plan.set
    with Lines(plan.per_question) as lines, composition.log(where) as log:
        for model, prompt in dict.fromkeys((e.model, e.prompt) for e in plan.configurations):
            with open_bench(plan.home, where, log, asker, model, prompt) as bench:
                names = names_of(bench)
                absent |= dict.fromkeys(missing(plan.set.cases, names))
                _check_there(plan.set, len(absent))
                set_ = replace(set_, cases=tuple(placed(each, names) for each in plan.set.cases))
                for each in plan.configurations:
                    if (each.model, each.prompt) != (model, prompt):
                        continue
                    with show_eval.asking(terminal.err(), each.name, len(set_.cases)) as shown:
                        runs.append(run(set_, each, bench, lines, names, shown))
    return Asked(set_, tuple(runs), failed, tuple(absent))


def _check_there(set_: AnswerSet, absent: int) -> None:
    """Say before an hour of asking that none of the documents is there."""
    from assistant.answer_sets import sources

    named = tuple(sources(set_.cases))
    if named and absent == len(named):
        raise UsageError(
            f"None of the documents that {set_.name} names is in the index, such as {named[0]}; "
            "name them as `cloister ingest list` shows them."
        )


def _trial(plan: Plan) -> tuple[Path, tuple[str, ...]]:
    """The data folder that holds the set's documents, ingested by now, and a sentence for each
    document that could not be taken in."""
    import shutil

    from assistant.answer_sets import write_documents
    from assistant.trials import Configuration as Searching
    from assistant.trials import settings_of, trial_home
    from ingest.chunk import SPLITTER
    from ui import composition, show_ingest

    settings = settings_of(plan.home, Searching("home", {}))
    where = trial_home(plan.home, settings, plan.set.corpus_digest, SPLITTER)
    if plan.fresh:
        shutil.rmtree(where)
        where = trial_home(plan.home, settings, plan.set.corpus_digest, SPLITTER)
    folder = write_documents(plan.set, where / "set")
    with (
        composition.ingestor(where) as ingestor,
        show_ingest.progress_bar(terminal.err()) as progress,
    ):
        summary = ingestor.add([folder], "default", progress)
    refused = [each.sentence for each in summary.failed]
    refused += [each.sentence for each in summary.quarantined]
    return where, tuple(dict.fromkeys(refused))
