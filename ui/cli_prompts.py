"""The commands below `cloister prompts`. Each change is recorded before it is made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ui import terminal
from ui.context import shared
from ui.errors import SettingsError, UsageError
from ui.options import Gated, GateSet, Json
from ui.recorder import recorder

if TYPE_CHECKING:
    from assistant.prompt_form import PromptSet
    from assistant.prompt_shelf import Listed

app = typer.Typer(help="The prompts that answers are written by.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A name from `prompts list`.")]


@app.callback()
def prompts() -> None:
    """The prompts that answers are written by."""


@app.command("list")
def list_prompts(context: typer.Context, json: Json = False) -> None:
    """Show the prompts, which are in use, and whether each is the one that was chosen."""
    from assistant.prompt_shelf import PromptShelf

    found = PromptShelf(shared(context).home).all()
    if json:
        for each in found:
            terminal.say_json(_listed(each))
    else:
        _print(found)
    for each in found:
        if each.in_use and each.trouble:
            raise SettingsError(
                f"The prompt {each.name} is in use and cannot be used ({each.trouble}): restore "
                "its file, or choose another with `cloister prompts use`."
            )


def _listed(each: Listed) -> dict[str, object]:
    prompt = each.prompt
    return {
        "name": each.name,
        "kind": prompt.kind if prompt else None,
        "sha256": prompt.digest if prompt else None,
        "own": each.own,
        "in_use": each.in_use,
        "trouble": each.trouble or None,
    }


def _print(found: tuple[Listed, ...]) -> None:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    for head in ("", "name", "kind", "digest", "from", "trouble"):
        table.add_column(head)
    for each in found:
        prompt = each.prompt
        table.add_row(
            "in use" if each.in_use else "",
            terminal.visible(each.name),
            prompt.kind if prompt else "",
            prompt.digest[:12] if prompt else "",
            "you" if each.own else "Cloister",
            terminal.visible(each.trouble),
        )
    terminal.out().print(table)


@app.command()
def show(context: typer.Context, name: Name, json: Json = False) -> None:
    """Print a prompt whole: its texts, stop strings, notes and digest."""
    from assistant.prompt_shelf import PromptShelf

    prompt = PromptShelf(shared(context).home).prompt(name)
    if json:
        terminal.say_json(_whole(prompt))
        return
    typer.echo(f"{prompt.name}, kind {prompt.kind}, SHA-256 {prompt.digest}")
    for title, text in (("system", prompt.system), *prompt.parts.items()):
        typer.echo(f"\n[{title}]\n{terminal.visible(text.strip())}")
    typer.echo(f"\n[stop]\n{', '.join(map(repr, prompt.stop)) or 'none'}")
    if prompt.notes:
        typer.echo(f"\n[notes]\n{terminal.visible(prompt.notes)}")


def _whole(prompt: PromptSet) -> dict[str, object]:
    return {
        "name": prompt.name,
        "kind": prompt.kind,
        "sha256": prompt.digest,
        "system": prompt.system,
        **prompt.parts,
        "stop": list(prompt.stop),
        "notes": prompt.notes,
    }


@app.command()
def add(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .toml file.")],
    json: Json = False,
) -> None:
    """Check a prompt file and copy it among your own; it is not in use yet."""
    from assistant import prompt_shelf

    home = shared(context).home
    with recorder(home) as record:
        prompt, new = prompt_shelf.add(prompt_shelf.PromptShelf(home), file, record)
    if json:
        terminal.say_json({"name": prompt.name, "sha256": prompt.digest, "new": new})
    elif new:
        typer.echo(
            f"{prompt.name} is among your prompts (SHA-256 {prompt.digest}).\n"
            f"Let it be used with `cloister prompts use {prompt.name}`."
        )
    else:
        typer.echo(f"{prompt.name} is there already; nothing was changed.")


@app.command()
def use(
    context: typer.Context,
    name: Name,
    gated: Gated = False,
    only: GateSet = "",
    json: Json = False,
) -> None:
    """Let another prompt be used for its kind. A running chat takes it up with its next answer."""
    from assistant import prompt_shelf
    from assistant.errors import PromptRefused, PromptUnusable
    from ui import gated as gating

    home = shared(context).home
    shelf = prompt_shelf.PromptShelf(home)
    gating.refuse_set_alone(gated, only)
    prompt = shelf.prompt(name)
    if gated and prompt.kind != "answer":
        raise UsageError(
            f"Gates measure answers, and {name} is of the kind {prompt.kind}, which writes none: "
            "choose it without --gated."
        )
    try:
        current = shelf.current(prompt.kind)
    except (PromptUnusable, PromptRefused):
        current = None  # which must not keep one from choosing anew
    passed, same = None, current is not None and current.digest == prompt.digest
    if gated and not same:
        before = current.name if current else ""
        change = gating.Change("prompt", name, prompt.digest, before)
        passed = gating.hold(home, change, only)
    with recorder(home) as record:
        chosen, was = prompt_shelf.use(shelf, name, gating.noting(record, passed))
    if json:
        said: dict[str, object] = {"name": name, "sha256": chosen.digest, "before": was}
        terminal.say_json(said | gating.as_json(passed))
    elif same:
        typer.echo(f"{name} is in use already.")
    else:
        gating.tell(passed)
        typer.echo(f"{name} is in use from now on; a running chat answers by it next.")
