"""The commands below `cloister models`."""

from __future__ import annotations

from typing import Annotated

import typer

from ui import terminal
from ui.context import shared

app = typer.Typer(help="The language models on this machine.", no_args_is_help=True)


@app.callback()
def models() -> None:
    """The language models on this machine."""


@app.command("list")
def list_models(
    context: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="One JSON object to stdout.")] = False,
) -> None:
    """Show the model that answers, and check that its file is the one that was pinned."""
    from assistant import shelf
    from assistant.settings import AssistantSettings
    from ui import composition

    home = shared(context).home
    composition.check_settings(home)
    settings = AssistantSettings.load(home)
    file = shelf.choose_model(settings.model, settings.model_sha256, home)
    with shelf.open_verified(file) as opened:
        header = shelf.header_of(opened, file.path)
        size = file.path.stat().st_size
    facts: dict[str, object] = {
        "name": header.name or file.path.stem,
        "architecture": header.architecture,
        "quantization": header.quantization,
        "context": header.context,
        "bytes": size,
        "path": str(file.path),
        "sha256": file.sha256,
        "verified": True,
        "default": settings.model is None,
    }
    if json:
        terminal.say_json(facts)
        return
    from rich.table import Table

    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    rows = {
        "Model": facts["name"],
        "Chosen": "the default" if facts["default"] else "by cloister.toml",
        "Kind": f"{header.architecture}, {header.quantization}, context {header.context}",
        "Size": f"{size / 1e6:,.0f} MB",
        "File": file.path,
        "SHA-256": f"{file.sha256} (verified)",
    }
    for name, value in rows.items():
        table.add_row(name, terminal.visible(str(value)))
    terminal.out().print(table)
