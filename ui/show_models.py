"""What the model shelf shows a person or a program."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from ui.terminal import visible

if TYPE_CHECKING:
    from assistant.machine import Machine
    from assistant.recommended import Judged
    from assistant.shelf import Entry
    from assistant.shelf_listing import Listing, Standing

_CHOSEN = {"default": "the default", "shelf": "by cloister models use", "settings": "by settings"}
_STYLES = {"verified": "green", "altered": "bold red", "missing": "bold red"}


@contextmanager
def working(console: Console, what: str) -> Iterator[None]:
    """A sign that something takes its time; quiet if this is no terminal."""
    if not console.is_terminal:
        yield
        return
    with console.status(Text(visible(what))):
        yield


@contextmanager
def coming(console: Console, what: str) -> Iterator[Callable[[int, int | None], None]]:
    """A bar for a download, told bytes here and in all; quiet if this is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(
        *columns, TransferSpeedColumn(), console=console, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(visible(what), total=None)
        yield lambda have, total: bar.update(task, completed=have, total=total)


def megabytes(count: int) -> str:
    """Bytes for a person."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"


def entry_json(entry: Entry) -> dict[str, object]:
    """An entry for a program. Programs rely on these keys; others may come after them."""
    return {
        "name": entry.name,
        "title": entry.title,
        "architecture": entry.architecture,
        "quantization": entry.quantization,
        "context": entry.context,
        "parameters": entry.parameters,
        "bytes": entry.bytes,
        "sha256": entry.sha256,
        "licence": entry.licence,
        "chat_format": entry.chat_format,
        "has_template": bool(entry.template_sha256),
        "thinking": entry.thinking,
        "added_at": entry.added_at,
        "added_by": entry.added_by,
        "source": entry.source,
    }


def standing_json(standing: Standing, in_use: bool) -> dict[str, object]:
    """A model on the shelf for a program; `verified` is None if that was not looked at."""
    checked = standing.state != "not checked"
    return entry_json(standing.entry) | {
        "path": str(standing.path),
        "formats": list(standing.formats),
        "state": standing.state,
        "verified": standing.state == "verified" if checked else None,
        "default": standing.default,
        "in_use": in_use,
    }


def listing_json(listing: Listing, current: Standing, chosen: str) -> dict[str, object]:
    """The model in use, and beside it the whole shelf."""
    models = [standing_json(each, each.path == current.path) for each in listing.models]
    return standing_json(current, True) | {
        "chosen": chosen,
        "models": models,
        "orphans": [{"file": name, "bytes": size} for name, size in listing.orphans],
        "unfinished": [{"file": name, "bytes": size} for name, size in listing.unfinished],
    }


def print_listing(console: Console, listing: Listing, current: Standing, chosen: str) -> None:
    """The shelf as a table, then the model in use, then what lies about."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("", "Name", "Size", "Kind", "Licence", "Chat format", "State"):
        table.add_column(name, justify="right" if name == "Size" else "left")
    others = [each for each in listing.models if each.path != current.path]
    for each in (current, *others):
        table.add_row(*(Text.assemble(cell) for cell in _cells(each, each is current)))
    console.print(table)
    console.print()
    rows = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    rows.add_row("In use", Text(visible(current.entry.name)))
    rows.add_row("Chosen", _CHOSEN[chosen])
    rows.add_row("File", Text(visible(str(current.path)), overflow="fold"))
    rows.add_row("SHA-256", Text(f"{current.entry.sha256} ({current.state})", overflow="fold"))
    console.print(rows)
    for name, size in listing.orphans:
        say = f"{visible(name)} ({megabytes(size)}) lies in the models folder and is not listed: "
        console.print(Text(f"{say}add it with `cloister models add`, or delete it."))
    for name, size in listing.unfinished:
        say = f"{visible(name)} ({megabytes(size)}) is an unfinished download: "
        console.print(Text(f"{say}fetch the same address again, or delete it."))


def _cells(standing: Standing, current: bool) -> Sequence[str | tuple[str, str]]:
    entry = standing.entry
    length = f"context {entry.context:,}" if entry.context else "context unknown"
    several = len(standing.formats) > 1  # the vocabulary decides, when it is loaded
    formats = "by vocabulary" if several else "".join(standing.formats) or "not known"
    return (
        ("*" if current else " "),
        (visible(entry.name), "bold" if current else ""),
        megabytes(entry.bytes),
        visible(f"{entry.architecture}, {entry.quantization}, {length}"),
        visible(entry.licence or "not stated"),
        visible(formats),
        (standing.state, _STYLES.get(standing.state, "")),
    )


def judged_json(judged: Judged) -> dict[str, object]:
    """One known model for a program; `bytes_*` is what it would take here, None if it fits not."""
    known, fitted = judged.known, judged.fitted
    return {
        "name": known.name,
        "publisher": known.publisher,
        "page": known.page,
        "parameters": known.parameters,
        "context": known.context,
        "licence": known.licence,
        "commercial": known.commercial,
        "conditions": known.conditions,
        "bytes_q4_k_m": known.file_bytes,
        "unsupported_percent": known.unsupported,
        "fits": judged.where,
        "bytes_gpu": None if fitted is None else fitted.plan.gpu,
        "bytes_memory": None if fitted is None else fitted.plan.memory,
        "sequences": None if fitted is None else fitted.options.sequences,
        "context_here": None if fitted is None else fitted.options.context,
        "recommended": judged.recommended,
        "reason": judged.refused,
    }


def print_judged(
    console: Console, found: Sequence[Judged], machine: Machine, facts: tuple[str, str, float]
) -> None:
    """What fits this machine, best first, then what does not, and what the columns say.

    `facts`: where the figure comes from, when the table was checked, the most that is good.
    """
    figure, checked, good = facts
    gpu = machine.gpu
    where = f"{megabytes(machine.available)} of memory are free"
    if gpu is not None:
        where += f", {megabytes(gpu.free)} on the GPU {visible(gpu.name)}"
    console.print(Text(f"On this machine {where}."))
    console.print()
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("", "Model", "Size", "Needs", "n", "Unsup.", "Licence"):
        right = name in ("Size", "Needs", "n", "Unsup.")
        table.add_column(name, justify="right" if right else "left", no_wrap=name != "Licence")
    for each in found:
        table.add_row(*map(Text, _judged_cells(each)), style="" if each.where else "dim")
    console.print(table)
    console.print()
    for line in (
        f"*: fits, at most {good:.0f} % unsupported, may be used at work. Facts of {checked}.",
        "Size: of the file in Q4_K_M. On processors, twice the size writes about half as fast.",
        "Needs: memory (of the GPU, where all of it fits there) for n answers at a time.",
        f"Unsup.: summaries with something that the text does not say, by the {figure}, before "
        "the model was quantized. Ask your own questions before you rely on one.",
        "(no): not for commercial use. (c): with conditions:",
        *(f"  {', '.join(names)}: {asked}." for asked, names in _conditions(found).items()),
        "Pages, which nothing here opens:",
        *(f"  {each.known.page}" for each in found if each.recommended),
    ):
        console.print(Text(line))


def _conditions(found: Sequence[Judged]) -> dict[str, list[str]]:
    """What licences ask, with the names of the models that fit and ask it."""
    asked: dict[str, list[str]] = {}
    for each in found:
        if each.where and each.known.conditions:
            asked.setdefault(each.known.conditions, []).append(each.known.name)
    return asked


def _judged_cells(judged: Judged) -> tuple[str, ...]:
    known, fitted = judged.known, judged.fitted
    share = "not known" if known.unsupported is None else f"{known.unsupported:.1f} %"
    use = {"yes": "", "with conditions": " (c)", "no": " (no)"}
    needs, answers = "does not fit", ""
    if fitted is not None:
        plan, answers = fitted.plan, str(fitted.options.sequences)
        parts = [plan.gpu] if judged.where == "GPU" else [plan.gpu, plan.memory]
        needs = " + ".join(megabytes(part) for part in parts if part)
    licence = known.licence.replace(" Community License", "").replace(" License", "")
    licence = licence.replace(" Terms of Use", "") + use[known.commercial]
    star = "*" if judged.recommended else " "
    return star, known.name, megabytes(known.file_bytes), needs, answers, share, licence
