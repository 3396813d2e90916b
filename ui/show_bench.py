"""`cloister models bench`: what an answer costs on this machine, for a person or a program."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ui import terminal
from ui.errors import UsageError
from ui.terminal import visible

if TYPE_CHECKING:
    from assistant.bench import Figures, Report
    from assistant.engine_options import EngineOptions
    from assistant.llamacpp import LlamaCpp
    from assistant.shelf import ModelFile

PEOPLE = (1, 2, 4, 8)
MOST_PEOPLE = 64


def bench(
    home: Path,
    name: str = "",
    *,
    json: bool = False,
    people: Sequence[int] = PEOPLE,
    rounds: int = 3,
    written: int = 64,
    passages: int = 700,
) -> None:
    """Measure the model called `name` on the shelf, or the one in use, and print the figures.

    It is loaded anew, beside a chat that may be running. `people` are asked for at once, each
    number `rounds` times; every answer has `written` tokens, every prompt about `passages` tokens
    of passages. Raises UsageError for a number that nothing can be measured with, and whatever the
    model raises.
    """
    from assistant.bench import Plan, run

    if len(set(people)) != len(people) or not all(1 <= each <= MOST_PEOPLE for each in people):
        raise UsageError(f"--people wants different numbers from 1 to {MOST_PEOPLE}.")
    try:
        plan = Plan(tuple(sorted(people)), rounds, written, passages)
    except ValueError as error:
        raise UsageError("Rounds, tokens and people must each be at least 1.") from error
    with telling(terminal.err()) as tell, _engine(home, name, max(plan.people)) as model:
        report = run(model, plan, tell)
    if json:
        terminal.say_json(as_json(report))
    else:
        tables(terminal.out(), report)


@contextmanager
def telling(console: Console) -> Iterator[Callable[[str], None]]:
    """What is being done now, in one line that changes; quiet if this is no terminal."""
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status("") as status:
        yield lambda what: status.update(Text(visible(what)))


@contextmanager
def _engine(home: Path, name: str, people: int) -> Iterator[LlamaCpp]:
    """The engine as a chat would run it, with room in its line for `people`."""
    from assistant.energy import open_meter
    from assistant.engine_options import EngineOptions
    from assistant.llamacpp import LlamaCpp
    from assistant.settings import AssistantSettings
    from assistant.shelf import Shelf, choose_model
    from ui import composition

    composition.check_settings(home)
    settings = AssistantSettings.load(home)
    names = {field.name for field in dataclasses.fields(EngineOptions)}
    options = EngineOptions(**settings.model_dump(include=names))
    options = dataclasses.replace(options, queue_limit=max(options.queue_limit, people))
    chosen = choose_model(settings.model, settings.model_sha256, home)
    file = Shelf(home).file(name) if name else chosen
    with LlamaCpp(file, options, fit=_fitted, meter=open_meter()) as model:
        yield model


def _fitted(model: ModelFile, options: EngineOptions) -> tuple[EngineOptions, tuple[str, ...]]:
    """The options that this machine has room for, and what is not as asked for."""
    from assistant.fitting import fit_file

    found = fit_file(model, options)
    return found.options, found.notes


def as_json(report: Report) -> dict[str, object]:
    """One object. Seconds are rounded to 4 digits, everything else to 3; `joules` may be null."""
    info = report.info
    return {
        "model": info.name,
        "sha256": info.sha256,
        "quantization": info.quantization,
        "runtime": info.runtime,
        "sequences": info.sequences,
        "kv_cache": info.kv_cache,
        "gpu_layers": info.gpu_layers,
        "notes": list(info.notes),
        "load_seconds": round(report.load_seconds, 4),
        "prompt_tokens": report.prompt_tokens,
        "rounds": report.plan.rounds,
        "held_to_length": report.held,
        "people": [_json_of(each) for each in report.figures],
    }


def _json_of(figures: Figures) -> dict[str, object]:
    return {
        "people": figures.people,
        "first_token_seconds": round(figures.first, 4),
        "last_persons_first_token_seconds": round(figures.first_last, 4),
        "waited_seconds": round(figures.waited, 4),
        "prefill_tokens_per_second": round(figures.prefill, 3),
        "decode_tokens_per_second": round(figures.decode, 3),
        "aggregate_tokens_per_second": round(figures.aggregate, 3),
        "aggregate_times_one": None if figures.speedup is None else round(figures.speedup, 3),
        "slowest_to_mean": round(figures.fairness, 3),
        "answer_tokens": figures.tokens,
        "answer_seconds": round(figures.seconds, 4),
        "answer_joules": None if figures.joules is None else round(figures.joules, 3),
        "second_question": {
            "first_token_seconds": round(figures.again, 4),
            "first_token_to_first_questions": round(figures.again_of_first, 3),
            "aggregate_tokens_per_second": round(figures.again_aggregate, 3),
            "kept_tokens": figures.again_kept,
        },
    }


# What a person reads: a measure, and how its value is written.
_ROWS: tuple[tuple[str, Callable[[Figures], str]], ...] = (
    ("first token", lambda each: f"{each.first:.2f} s"),
    ("first token of whoever came last", lambda each: f"{each.first_last:.2f} s"),
    ("of it in the line", lambda each: f"{each.waited:.2f} s"),
    ("prompt read, tokens a second", lambda each: f"{each.prefill:,.1f}"),
    ("answer written, tokens a second", lambda each: f"{each.decode:,.1f}"),
    ("all together, tokens a second", lambda each: f"{each.aggregate:,.1f}"),
    ("times one person", lambda each: "" if each.speedup is None else f"{each.speedup:.2f}"),
    ("slowest, times the mean", lambda each: f"{each.fairness:.2f}"),
    ("seconds an answer", lambda each: f"{each.seconds:.2f} s"),
    ("tokens an answer", lambda each: f"{each.tokens:,.0f}"),
    ("joules an answer", lambda each: "unknown" if each.joules is None else f"{each.joules:,.1f}"),
    ("second question: first token", lambda each: f"{each.again:.2f} s"),
    ("times the first question's", lambda each: f"{each.again_of_first:.2f}"),
    ("all together, tokens a second", lambda each: f"{each.again_aggregate:,.1f}"),
)


def tables(console: Console, report: Report) -> None:
    """One column a number of people, and how the model was run."""
    info = report.info
    title = f"{visible(info.name)}, {visible(info.quantization)}, {report.prompt_tokens:,} tokens"
    table = Table(title=f"{title} to read", title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("at once")
    for each in report.figures:
        table.add_column(f"{each.people}", justify="right")
    for label, written in _ROWS:
        table.add_row(label, *map(written, report.figures))
    console.print(table)
    place = f"{info.gpu_layers} layers on the GPU" if info.gpu_layers else "on the processor"
    console.print(
        f"Medians of {report.plan.rounds} rounds. Loaded in {report.load_seconds:.1f} s; "
        f"{info.sequences} answers at a time, {info.kv_cache}, {place}."
    )
    if report.held:
        console.print("The model ends sooner of itself: a grammar held it to this length.")
    for note in info.notes:
        console.print(visible(note))
