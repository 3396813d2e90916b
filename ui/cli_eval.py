"""The commands below `cloister eval`."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ui import terminal
from ui.context import shared
from ui.errors import UsageError

if TYPE_CHECKING:
    from assistant.evaluate import JudgedSet, RetrievalReport

app = typer.Typer(help="Measure retrieval and answers on judged questions.", no_args_is_help=True)

# A long record lies in several chunks; asking for more hits than records keeps the list full.
HITS_PER_RECORD = 2


@app.callback()
def measure() -> None:
    """Measure retrieval and answers on judged questions."""


@app.command()
def retrieval(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="BEIR_FOLDER", help="Set in BEIR's layout.")],
    split: Annotated[str, typer.Option(help="Which qrels/SPLIT.tsv judges.")] = "dev",
    k: Annotated[int, typer.Option("-k", min=1, max=100, help="Cut-off of the metrics.")] = 10,
    json: Annotated[bool, typer.Option("--json", help="JSON to stdout, nothing else.")] = False,
) -> None:
    """Recall, MAP and nDCG as trec_eval computes them, and the latency of a search.

    The set's corpus is ingested once into a data folder of its own below this one, so that it
    never mixes with real documents; a second run only asks the questions.
    """
    from assistant.evaluate import read_beir

    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder; give the path of a set in BEIR's layout.")
    judged = read_beir(folder, split)
    home = shared(context).home / "eval" / _fingerprint(judged.corpus)
    _ingest(home, judged.corpus)
    report = _measure(home, judged, k)
    if json:
        terminal.say_json(_as_json(folder.name, split, report))
    else:
        _show(folder.name, split, report)


def _fingerprint(corpus: Path) -> str:
    with corpus.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _ingest(home: Path, corpus: Path) -> None:
    """Bring the corpus into `home`; what is there already is skipped."""
    from ui import composition, show_ingest

    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (
        composition.ingestor(home) as ingestor,
        show_ingest.progress_bar(terminal.err()) as report,
    ):
        summary = ingestor.add([corpus], "default", report)
    show_ingest.failures(terminal.err(), summary.failed)


def _measure(home: Path, judged: JudgedSet, k: int) -> RetrievalReport:
    from rich.progress import Progress

    from assistant.answer import Question
    from assistant.evaluate import evaluate_retrieval
    from ui import composition

    with composition.assistant(home) as assistant:
        asker = composition.terminal_asker()

        def search(text: str, k: int) -> list[str]:
            found = assistant.search(Question(text, asker), k * HITS_PER_RECORD)
            return [passage.source for passage in found.passages]

        search(next(iter(judged.queries.values())), k)  # loads the embedder; not measured
        with Progress(console=terminal.err(), transient=True) as progress:
            task = progress.add_task("Asking", total=len(judged.queries))
            return evaluate_retrieval(
                judged, search, k, lambda done: progress.update(task, completed=done)
            )


def _as_json(name: str, split: str, report: RetrievalReport) -> dict[str, object]:
    return {
        "set": name,
        "split": split,
        "questions": report.questions,
        f"recall@{report.k}": round(report.recall, 4),
        f"map@{report.k}": round(report.average_precision, 4),
        f"ndcg@{report.k}": round(report.ndcg, 4),
        "latency_p50_ms": round(report.latency_p50 * 1000, 1),
        "latency_p95_ms": round(report.latency_p95 * 1000, 1),
    }


def _show(name: str, split: str, report: RetrievalReport) -> None:
    from rich.table import Table

    table = Table(title=f"{name}, {split}: {report.questions} questions", title_justify="left")
    table.add_column("measure")
    table.add_column("value", justify="right")
    for measure, value in list(_as_json(name, split, report).items())[3:]:
        table.add_row(measure.replace("_", " "), f"{value}")
    terminal.out().print(table)
