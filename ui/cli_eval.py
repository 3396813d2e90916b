"""The commands below `cloister eval`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ui import terminal
from ui.context import shared
from ui.errors import FloorMissed, UsageError

if TYPE_CHECKING:
    from assistant.evaluate import Floor, Run, Summary, Wanted
    from assistant.judged import JudgedSet
    from assistant.ranking import Names
    from assistant.trials import Configuration, Retrieval, Settings

app = typer.Typer(help="Measure retrieval and answers on judged questions.", no_args_is_help=True)

_MOST = 100  # cut-off of a measure
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,31}")
_FLOOR = re.compile(
    r"(?:(?P<name>[^:=]+):)?(?P<measure>[a-z_]+@(?P<cut>\d{1,3}))=(?P<value>[0-9.]{1,10})"
)


@app.callback()
def measure() -> None:
    """Measure retrieval and answers on judged questions."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured: where, what of, and how."""

    home: Path
    judged: JudgedSet
    configurations: tuple[Configuration, ...]
    wanted: Wanted
    floors: tuple[Floor, ...]
    fresh: bool


@dataclass(frozen=True, slots=True)
class Measured:
    """Runs, and the documents that could not count: refused by ingestion, or not in the index."""

    runs: tuple[Run, ...]
    failed: tuple[str, ...]
    missing: tuple[str, ...]


@app.command()
def retrieval(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="SET", help="Folder of a set; see docs/evaluation.md.")
    ],
    split: Annotated[str, typer.Option(help="Which qrels/SPLIT.tsv judges.")] = "dev",
    k: Annotated[int, typer.Option("-k", min=1, max=_MOST, help="Cut-off of the metrics.")] = 10,
    on_home: Annotated[
        bool, typer.Option("--on-home", help="Ask the documents of the data folder itself.")
    ] = False,
    compare: Annotated[
        str, typer.Option(metavar="NAME,...", help="Built-in configurations, side by side.")
    ] = "",
    config: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FILE.toml", help="A configuration of your own; repeatable."),
    ] = None,
    floor: Annotated[
        list[str] | None,
        typer.Option(metavar="MEASURE@K=VALUE", help="End with 5 below this; repeatable."),
    ] = None,
    per_question: Annotated[
        Path | None, typer.Option(metavar="FILE.jsonl", help="One line a question.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a report with plots there.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Ingest the set's documents again.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="JSON to stdout, nothing else.")] = False,
) -> None:
    """Recall, MAP, nDCG, MRR and success as trec_eval computes them, and the latency of a search.

    The set's documents are ingested once into a data folder of their own below this one, so that
    they never mix with real documents; a second run only asks the questions.
    """
    from assistant.evaluate import Wanted, missed
    from assistant.judged import read_set
    from assistant.trials import settings_of
    from ui import composition

    home = shared(context).home
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder; give the path of a set.")
    configurations = _configurations(compare, config or ())
    floors = _floors(floor or (), configurations)
    wanted = Wanted(k, tuple(each.measure for each in floors))
    composition.check_settings(home)
    for each in configurations:
        settings_of(home, each)
    judged = read_set(folder, split, on_home)
    _check_outputs(per_question, report)
    plan = Plan(home, judged, configurations, wanted, floors, fresh)
    done = _measure(plan)
    summaries = _show(plan, done, as_json=json)
    _write(judged, done, wanted, per_question, report)
    below = missed(floors, summaries)
    if below:
        raise FloorMissed(f"A floor was not held: {'; '.join(below)}.")


def _show(plan: Plan, done: Measured, *, as_json: bool) -> Sequence[Summary]:
    """Show what was measured, and return it summed up."""
    from assistant.evaluate import summarize
    from ui import show_eval

    summaries = summarize(done.runs, plan.wanted)
    meaning = "Judged documents that are not in the index and count as misses"
    show_eval.trouble(terminal.err(), done.failed, done.missing, meaning)
    if as_json:
        for line in show_eval.as_json(
            plan.judged, summaries, plan.wanted.k, done.failed, done.missing
        ):
            terminal.say_json(line)
    else:
        show_eval.tables(terminal.out(), plan.judged, summaries)
    return summaries


# -- reading the command line ----------------------------------------------------------------------


def _configurations(compare: str, files: Sequence[str]) -> tuple[Configuration, ...]:
    """The built-in ones, then those of files; alone or before files only, the home's own."""
    from assistant.trials import HOME, built_in, from_file

    names = [name.strip() for name in compare.split(",")] if compare else [HOME]
    found = [built_in(name) for name in names]
    for text in files:
        name, equals, path = text.partition("=")
        if not equals or not _NAME.fullmatch(name) or not Path(path).is_file():
            raise UsageError(
                f"--config {text} is not NAME=FILE.toml with a file that is there and a name of "
                "letters, digits, dots and dashes; correct it."
            )
        found.append(from_file(name, Path(path)))
    named = [each.name for each in found]
    if len(set(named)) < len(named):
        raise UsageError("Two configurations have the same name; give each a name of its own.")
    return tuple(found)


def _floors(texts: Sequence[str], configurations: Sequence[Configuration]) -> tuple[Floor, ...]:
    from assistant.evaluate import Floor

    names = {each.name for each in configurations}
    found = []
    for text in texts:
        read = _FLOOR.fullmatch(text)
        cut = int(read["cut"]) if read else 0
        if read is None or not 0 < cut <= _MOST or read["value"].count(".") > 1:
            raise UsageError(
                f"--floor {text} is not like recall@10=0.78 or fused:map@10=0.63, with a cut-off "
                f"from 1 to {_MOST}; correct it."
            )
        name = read["name"] or ""
        if name and name not in names:
            raise UsageError(
                f"--floor {text} is for the configuration {name!r}, which is not measured; "
                f"measured are {', '.join(sorted(names))}."
            )
        found.append(Floor(read["measure"], float(read["value"]), name))
    return tuple(found)


def _check_floors(plan: Plan, names: Names) -> None:
    """Say before anything is asked that a floor is for a measure that this set does not have."""
    from assistant.evaluate import levels_of

    levels = levels_of(names.gold(each.judged) for each in plan.judged.questions)
    known = plan.wanted.names(levels)
    for floor in plan.floors:
        if floor.measure not in known:
            kinds = sorted({name.split("@")[0] for name in known})
            raise UsageError(
                f"This set has no measure {floor.measure}; it has {', '.join(kinds)}, each with "
                "@ and a cut-off."
            )


def _check_outputs(per_question: Path | None, report: Path | None) -> None:
    """Say before an hour of measuring that its result could not be written."""
    if per_question is not None:
        if not per_question.absolute().parent.is_dir() or per_question.is_dir():
            raise UsageError(f"{per_question} cannot be written; give a file in a folder there is.")
        per_question.touch()
    if report is not None:
        if report.exists() and not report.is_dir():
            raise UsageError(f"{report} is a file; give a folder for the report.")
        report.mkdir(parents=True, exist_ok=True)


# -- measuring -------------------------------------------------------------------------------------


def _measure(plan: Plan) -> Measured:
    """Ingest what is to be searched, then ask every question of every configuration."""
    from assistant.evaluate import Run, ask_all
    from assistant.judged import Kind
    from assistant.ranking import names_of
    from assistant.trials import settings_of, shown_settings
    from ui import show_eval

    runs: list[Run] = []
    failed: dict[Path, tuple[str, ...]] = {}
    missing: dict[str, None] = {}
    for each in plan.configurations:
        settings = settings_of(plan.home, each)
        where = plan.home
        if plan.judged.kind is not Kind.HOME:
            where = _trial(plan, settings, failed)
        with _opened(plan, where, settings) as searching:
            past = any(question.as_of for question in plan.judged.questions)
            names = names_of(plan.judged, searching.listed(past))
            _check_floors(plan, names)
            missing |= dict.fromkeys(_missing(plan.judged, names))
            searching.search(plan.judged.questions[0], plan.wanted.k)  # loads the embedder
            with show_eval.asking(terminal.err(), each.name, len(plan.judged.questions)) as shown:
                outcomes = ask_all(
                    plan.judged.questions, searching.search, names, plan.wanted, shown
                )
            runs.append(Run(each.name, shown_settings(settings), searching.embedder, outcomes))
    refused = dict.fromkeys(sentence for some in failed.values() for sentence in some)
    return Measured(tuple(runs), tuple(refused), tuple(missing))


def _missing(judged: JudgedSet, names: Names) -> list[str]:
    """The judged documents that the index lacks; UsageError if it has none at all of them."""
    missing = names.missing(judged.questions)
    if missing and not names.any_of(judged.questions):
        raise UsageError(
            f"None of the documents that {judged.name} judges is in the index, such as "
            f"{missing[0]}; its ids must be the documents' paths, as `cloister ingest list` shows "
            "them."
        )
    return missing


@contextmanager
def _opened(plan: Plan, where: Path, settings: Settings) -> Iterator[Retrieval]:
    """Searching, refused for questions whose scope cannot be read or a home of other documents."""
    from assistant.trials import open_retrieval
    from ui import composition

    asker = composition.terminal_asker()
    with (
        composition.log(where) as log,
        open_retrieval(plan.home, where, log, asker, settings) as searching,
    ):
        unreadable = searching.unreadable(plan.judged.questions)
        if unreadable:
            raise UsageError(
                f"Questions name the collections {', '.join(unreadable)}, which are not there or "
                "not yours to read; correct the scopes in queries.jsonl."
            )
        yield searching


def _trial(plan: Plan, settings: Settings, failed: dict[Path, tuple[str, ...]]) -> Path:
    """The data folder that holds the set's documents, ingested by now; `failed` gets what was
    refused, and knows which folders are done."""
    import shutil

    from assistant.trials import trial_home
    from ingest.chunk import SPLITTER

    where = trial_home(plan.home, settings, plan.judged.corpus_digest, SPLITTER)
    if where in failed:
        return where
    if plan.fresh:
        shutil.rmtree(where)
        where = trial_home(plan.home, settings, plan.judged.corpus_digest, SPLITTER)
    failed[where] = _ingest(where, plan.judged)
    return where


def _ingest(where: Path, judged: JudgedSet) -> tuple[str, ...]:
    """Bring the set's documents into `where`; what is there already is skipped. A sentence for
    each that could not be taken in."""
    from ui import composition, show_ingest

    refused: list[str] = []
    with (
        composition.ingestor(where) as ingestor,
        show_ingest.progress_bar(terminal.err()) as report,
    ):
        for collection, paths in judged.parts.items():
            summary = ingestor.add(list(paths), collection, report)
            refused += [each.sentence for each in summary.failed]
            refused += [each.sentence for each in summary.quarantined]
    return tuple(dict.fromkeys(refused))


def _write(
    judged: JudgedSet,
    done: Measured,
    wanted: Wanted,
    per_question: Path | None,
    report: Path | None,
) -> None:
    from assistant import report as reporting

    if per_question is not None:
        with per_question.open("w", encoding="utf-8") as file:
            for line in reporting.question_lines(done.runs, wanted):
                file.write(line + "\n")
    if report is not None:
        trouble = reporting.Trouble(done.failed, done.missing)
        reporting.write(report, judged, done.runs, wanted, trouble)
