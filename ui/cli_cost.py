"""`cloister models plan` and `bench`: what a model takes on this machine, reckoned and measured."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from ui.context import shared
from ui.options import Json

Model = Annotated[
    str, typer.Argument(metavar="[NAME]", help="From `models list`; else the one in use.")
]


class Format(StrEnum):
    """Number formats of evaluated tokens."""

    AUTO = "auto"
    F16 = "f16"
    Q8_0 = "q8_0"


def plan(
    context: typer.Context,
    name: Model = "",
    tokens: Annotated[
        int | None,
        typer.Option("--context", min=256, metavar="TOKENS", help="Instead of the setting."),
    ] = None,
    sequences: Annotated[
        int | None, typer.Option("--sequences", min=0, help="Answers at a time, likewise.")
    ] = None,
    gpu_layers: Annotated[
        int | None, typer.Option("--gpu-layers", min=-1, help="Layers on the GPU, likewise.")
    ] = None,
    kv_cache: Annotated[
        Format | None, typer.Option("--kv-cache", help="Format of evaluated tokens, likewise.")
    ] = None,
    json: Json = False,
) -> None:
    """The memory that a model will take here, and how it will be run so that it fits."""
    from ui import show_plan

    show_plan.plan(
        shared(context).home,
        name or None,
        json=json,
        context=tokens,
        sequences=sequences,
        gpu_layers=gpu_layers,
        kv_cache=None if kv_cache is None else kv_cache.value,
    )


def bench(
    context: typer.Context,
    name: Model = "",
    people: Annotated[
        str, typer.Option("--people", metavar="N,...", help="So many asking at once, each in turn.")
    ] = "1,2,4,8",
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="How often each is done.")] = 3,
    written: Annotated[
        int, typer.Option("--written", min=1, metavar="TOKENS", help="Length of an answer.")
    ] = 64,
    passages: Annotated[
        int, typer.Option("--passages", min=1, metavar="TOKENS", help="Passages in a prompt.")
    ] = 700,
    json: Json = False,
) -> None:
    """Measure a model here: first token, tokens a second, joules, for one person and several."""
    from ui import show_bench

    numbers = [int(each) if each.strip().isdecimal() else 0 for each in people.split(",")]
    show_bench.bench(
        shared(context).home,
        name,
        json=json,
        people=numbers,
        rounds=rounds,
        written=written,
        passages=passages,
    )
