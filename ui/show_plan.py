"""What a model would take on this machine, and how it would be run: for a person or a program."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from ui import terminal
from ui.terminal import visible

if TYPE_CHECKING:
    from assistant.engine_options import EngineOptions, KVCache
    from assistant.fitting import Fitted
    from assistant.machine import Machine
    from assistant.settings import AssistantSettings
    from assistant.shelf import ModelFile


def plan(
    home: Path,
    name: str | None,
    *,
    json: bool = False,
    context: int | None = None,
    sequences: int | None = None,
    gpu_layers: int | None = None,
    kv_cache: KVCache | None = None,
) -> None:
    """Print how the model `name` of the shelf (None or "": the one in use) would run, with what is
    given here in place of the settings, beside the embedder. Loads nothing.

    Raises AssistantError; ModelTooLarge, with the numbers, if it does not fit in any way.
    """
    from assistant import shelf
    from assistant.fitting import fit
    from assistant.machine import look
    from assistant.memory_plan import EMBEDDER, Shape
    from assistant.settings import AssistantSettings

    settings = AssistantSettings.load(home)
    model = _model(home, name, settings)
    options = _options(settings)
    options = replace(
        options,
        context=options.context if context is None else context,
        sequences=options.sequences if sequences is None else sequences,
        gpu_layers=options.gpu_layers if gpu_layers is None else gpu_layers,
        kv_cache=kv_cache or options.kv_cache,
    )
    header, machine = shelf.describe(model), look()
    fitted = fit(Shape.of(header), options, machine, other_bytes=EMBEDDER)
    title = model.name or header.name or model.path.stem
    if json:
        terminal.say_json(facts(title, fitted, machine, header.layout.layers + 1))
        return
    console = terminal.out()
    heading = how(title, fitted, machine, header.layout.layers + 1)
    console.print(Text(visible(heading)), soft_wrap=True)
    console.print(table(fitted, machine))
    for note in fitted.notes:
        console.print(Text(visible(note), style="yellow"), soft_wrap=True)


def facts(title: str, fitted: Fitted, machine: Machine, layers: int) -> dict[str, object]:
    """The plan for a program: sizes in bytes. Programs rely on these keys; others may come after
    them."""
    from assistant.memory_plan import EMBEDDER

    made, chosen = fitted.plan, fitted.options
    found: dict[str, object] = {
        "model": title,
        "context": chosen.context,
        "sequences": chosen.sequences,
        "kv_cache": chosen.kv_cache,
        "gpu_layers": chosen.gpu_layers,
        "layers": layers,
        "memory": {
            "weights": made.weights_memory,
            "kv": made.kv_memory,
            "state": made.state_memory,
            "compute": made.compute_memory + made.output,
            "conversations": made.kept,
            "process": made.process,
            "embedder": EMBEDDER,
            "needed": made.memory + EMBEDDER,
            "available": machine.available,
            "total": machine.total,
        },
        "notes": list(fitted.notes),
    }
    gpu = machine.gpu
    if gpu is not None:
        found["gpu"] = {
            "name": gpu.name,
            "weights": made.weights_gpu,
            "kv": made.kv_gpu,
            "state": made.state_gpu,
            "compute": made.compute_gpu,
            "driver": made.driver,
            "needed": made.gpu,
            "available": gpu.free,
            "total": gpu.total,
        }
    return found


def how(title: str, fitted: Fitted, machine: Machine, layers: int) -> str:
    """How the model would be run, in a line."""
    chosen = fitted.options
    where = f"{chosen.gpu_layers} of {layers} layers on the GPU" if machine.gpu else "on processors"
    return (
        f"{title}: {chosen.sequences} answers at a time, context {chosen.context} tokens, "
        f"evaluated tokens as {chosen.kv_cache}, {where}"
    )


def table(fitted: Fitted, machine: Machine) -> Table:
    """What each part takes, for a person."""
    from assistant.fitting import size
    from assistant.memory_plan import EMBEDDER

    made, gpu = fitted.plan, machine.gpu
    shown = Table(box=None, padding=(0, 2, 0, 0))
    shown.add_column("")
    shown.add_column("memory", justify="right")
    if gpu:
        shown.add_column(visible(gpu.name), justify="right")
    rows = [
        ("weights", made.weights_memory, made.weights_gpu),
        ("evaluated tokens (KV)", made.kv_memory, made.kv_gpu),
        ("recurrent state", made.state_memory, made.state_gpu),
        ("computation", made.compute_memory + made.output, made.compute_gpu),
        ("conversations", made.kept, 0),
        ("process and driver", made.process, made.driver),
        ("embedder", EMBEDDER, 0),
        ("needed", made.memory + EMBEDDER, made.gpu),
        ("available", machine.available, gpu.free if gpu else 0),
        ("total", machine.total, gpu.total if gpu else 0),
    ]
    for label, memory, on_gpu in rows:
        if memory or on_gpu:
            shown.add_row(label, *([size(memory), size(on_gpu)] if gpu else [size(memory)]))
    return shown


def _model(home: Path, name: str | None, settings: AssistantSettings) -> ModelFile:
    from assistant.shelf import Shelf, choose_model

    if name:
        return Shelf(home).file(name)
    return choose_model(settings.model, settings.model_sha256, home)


def _options(settings: AssistantSettings) -> EngineOptions:
    from assistant.engine_options import EngineOptions

    return EngineOptions(
        context=settings.context,
        sequences=settings.sequences,
        gpu_layers=settings.gpu_layers,
        kv_cache=settings.kv_cache,
        conversation_mib=settings.conversation_mib,
    )
