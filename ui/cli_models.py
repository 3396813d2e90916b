"""The commands below `cloister models`. Each change of the shelf is recorded before it is made."""

from __future__ import annotations

import dataclasses
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ui import cli_cost, terminal
from ui.context import shared
from ui.errors import SettingsError, UsageError
from ui.options import Gated, GateSet, Json
from ui.recorder import recorder

if TYPE_CHECKING:
    from assistant.engine_options import EngineOptions
    from assistant.fetch_address import Address
    from assistant.settings import AssistantSettings
    from assistant.shelf import ModelFile
    from assistant.shelf_listing import Listing, Standing
    from assistant.shelving import About, Added

app = typer.Typer(help="The language models on this machine.", no_args_is_help=True)

Name = Annotated[str, typer.Option("--name", metavar="NAME", help="What to call it on the shelf.")]
Sha256 = Annotated[
    str, typer.Option("--sha256", metavar="HEX", help="The digest that its publisher gives.")
]
ChatFormat = Annotated[
    str,
    typer.Option("--chat-format", metavar="NAME", help="Instead of the one that is recognised."),
]
Thinking = Annotated[
    bool | None,
    typer.Option("--thinking/--no-thinking", help="Instead of the setting of that name."),
]
Licence = Annotated[
    str, typer.Option("--licence", metavar="TEXT", help="Its licence, if the file names none.")
]


@app.callback()
def models() -> None:
    """The language models on this machine."""


@app.command("list")
def list_models(
    context: typer.Context,
    verify: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Hash every file, or only look at it.")
    ] = True,
    json: Json = False,
) -> None:
    """Show the models on the shelf, which answers, and whether each file is the pinned one."""
    from assistant import shelf, shelf_listing
    from ui import show_models

    home = shared(context).home
    settings = _settings(home)
    current = shelf.choose_model(settings.model, settings.model_sha256, home)
    with show_models.working(terminal.err(), "Looking at the models"):
        here = shelf.Shelf(home)
        listing = shelf_listing.look(here, check=verify, configured=_configured(settings, home))
        standing = _standing(listing, current, verify)
    chosen = "settings" if settings.model else "default" if standing.default else "shelf"
    if json:
        terminal.say_json(show_models.listing_json(listing, standing, chosen))
    else:
        show_models.print_listing(terminal.out(), listing, standing, chosen)
    if standing.state not in ("verified", "not checked"):
        shelf.open_verified(current).close()  # raises what is the matter with it


def _standing(listing: Listing, current: ModelFile, check: bool) -> Standing:
    """The model in use as the listing has it, or one that a setting names."""
    from assistant import shelf, shelf_listing

    for each in listing.models:
        if each.path == current.path and each.entry.sha256 == current.sha256:
            return each
    header = shelf.describe(current)
    size = current.path.stat().st_size
    entry = shelf.Entry("", current.path.name, current.sha256, size, source="settings")
    named = dataclasses.replace(entry.described(header), name=header.name or current.path.stem)
    return shelf_listing.standing_of(named, current, check)


@app.command()
def add(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .gguf file.")],
    name: Name = "",
    sha256: Sha256 = "",
    chat_format: ChatFormat = "",
    thinking: Thinking = None,
    licence: Licence = "",
    json: Json = False,
) -> None:
    """Copy a model onto the shelf and pin it; one in the models folder is pinned where it lies."""
    from assistant import shelving
    from assistant.shelf import Shelf
    from ui import show_models

    home = shared(context).home
    about = _about(name, sha256, licence, chat_format, thinking)
    with (
        recorder(home) as record,
        show_models.working(terminal.err(), f"Copying and hashing {file.name}"),
    ):
        added = shelving.add(Shelf(home), file, about, record)
    _say_added(added, json)


@app.command()
def use(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name from `models list`.")],
    gated: Gated = False,
    only: GateSet = "",
    json: Json = False,
) -> None:
    """Let another model answer. A running chat takes it up with its next answer."""
    from assistant import shelving
    from assistant.shelf import Shelf
    from ui import gated as gating
    from ui import show_models

    home, shelf = shared(context).home, Shelf(shared(context).home)
    gating.refuse_set_alone(gated, only)
    _refuse_if_set(_settings(home), home, name)
    passed = None
    if gated and shelving.name_in_use(shelf) != name:
        sha256 = shelf.file(name).sha256
        change = gating.Change("model", name, sha256, shelving.name_in_use(shelf))
        passed = gating.hold(home, change, only)
    with (
        recorder(home) as record,
        show_models.working(terminal.err(), f"Checking {name}"),
    ):
        chosen, before = shelving.use(shelf, name, gating.noting(record, passed))
    if json:
        said: dict[str, object] = {"name": name, "sha256": chosen.sha256, "before": before}
        terminal.say_json(said | gating.as_json(passed))
    elif before == name:
        typer.echo(f"{name} is in use already.")
    else:
        gating.tell(passed)
        typer.echo(f"{name} is in use from now on; a running chat answers with it next.")


@app.command()
def remove(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name from `models list`.")],
    json: Json = False,
) -> None:
    """Take a model off the shelf and delete its file."""
    from assistant import shelving
    from assistant.shelf import Shelf

    home = shared(context).home
    configured = _configured(_settings(home), home)
    with recorder(home) as record:
        entry = shelving.remove(Shelf(home), name, record, configured=configured)
    if json:
        terminal.say_json({"name": entry.name, "sha256": entry.sha256, "bytes": entry.bytes})
    else:
        typer.echo(f"{name} was removed, and its file {terminal.visible(entry.file)} deleted.")


@app.command()
def recommend(context: typer.Context, json: Json = False) -> None:
    """Known models that fit this machine, with licence, size and how well they keep to a text."""
    from assistant import machine, recommended
    from ui import show_models

    here = machine.look()
    found = recommended.judge_all(_options(_settings(shared(context).home)), here)
    if json:
        for each in found:
            terminal.say_json(show_models.judged_json(each))
        return
    facts = (recommended.FIGURE, recommended.CHECKED, recommended.GOOD)
    show_models.print_judged(terminal.out(), found, here, facts)


@app.command()
def fetch(
    context: typer.Context,
    url: Annotated[str, typer.Argument(metavar="URL", help="Address of a .gguf file.")],
    name: Name = "",
    sha256: Sha256 = "",
    chat_format: ChatFormat = "",
    thinking: Thinking = None,
    licence: Licence = "",
    proxy: Annotated[
        str, typer.Option("--proxy", metavar="URL", help="Reach it through this proxy.")
    ] = "",
    ca: Annotated[
        Path | None,
        typer.Option("--ca", metavar="FILE", help="PEM file of the only authority to trust."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
    json: Json = False,
) -> None:
    """Fetch a model over the network, after asking: the only command that leaves the premises."""
    from assistant import fetch as fetching
    from assistant.fetch_address import address_of, refuse_air_gapped
    from ui import show_models

    home = shared(context).home
    gapped = _settings(home).air_gapped
    refuse_air_gapped(home, gapped)
    address, about = address_of(url), _about(name, sha256, licence, chat_format, thinking)
    if not _on_shelf(home, about, json):
        _ask(_about_to(address, proxy), yes)
        way = fetching.Way(proxy, ca)
        with (
            recorder(home) as record,
            fetching.Download(
                home, address, about, record, air_gapped=gapped, way=way, moved=_say_moved
            ) as download,
        ):
            download.begin()
            total = download.part.total
            size = "an unknown size" if total is None else show_models.megabytes(total)
            here = f" ({show_models.megabytes(n)} are here)" if (n := download.part.have) else ""
            _ask(f"The file has {size}{here} and comes from {download.remote.host}.", yes)
            with show_models.coming(terminal.err(), address.file_name) as progress:
                added = download.finish(progress)
        _say_added(added, json)


app.command()(cli_cost.plan)
app.command()(cli_cost.bench)


def _about_to(address: Address, proxy: str) -> str:
    through = f" through the proxy {proxy}" if proxy else ""
    return (
        f"This machine will connect to {address.host}{through} and ask for {address.path}. The "
        "log will hold host, path, digest, size and licence, and who asked; not what follows a "
        "question mark."
    )


def _ask(what: str, yes: bool) -> None:
    """Say what is about to happen, and go on only if that is wanted. Raises UsageError."""
    terminal.err().print(terminal.visible(what), soft_wrap=True)
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(
            "There is no terminal to ask at: give --yes if this is what you want; nothing was "
            "fetched."
        )
    if not typer.confirm("Go on?", err=True):
        raise UsageError("You said no: nothing was fetched.")


def _say_moved(address: Address) -> None:
    terminal.err().print(terminal.visible(f"Sent on to {address.shown}"), soft_wrap=True)


def _on_shelf(home: Path, about: About, json: bool) -> bool:
    """Whether a file with the digest that is wanted lies there already, which is then said."""
    from assistant.shelf import Shelf
    from assistant.shelving import find_same

    same = find_same(Shelf(home), about.sha256) if about.sha256 else None
    if same is not None:
        _say_added(same, json)
    return same is not None


def _say_added(added: Added, json: bool) -> None:
    from ui import show_models

    entry = added.entry
    if json:
        terminal.say_json(show_models.entry_json(entry) | {"new": added.new})
    elif added.new:
        typer.echo(
            f"{entry.name} is on the shelf ({show_models.megabytes(entry.bytes)}, licence "
            f"{terminal.visible(entry.licence) or 'not stated'}, SHA-256 {entry.sha256}).\n"
            f"Let it answer with `cloister models use {entry.name}`."
        )
    else:
        typer.echo(f"The same file is on the shelf as {entry.name} already; nothing was changed.")


def _about(name: str, sha256: str, licence: str, chat_format: str, thinking: bool | None) -> About:
    from assistant.shelving import About
    from ui import composition

    digest = sha256.lower().removeprefix("sha256:")
    if digest and not re.fullmatch("[0-9a-f]{64}", digest):
        raise UsageError("A SHA-256 has 64 hexadecimal digits: correct --sha256.")
    return About(name, digest, licence, chat_format, thinking, composition.user_name())


def _settings(home: Path) -> AssistantSettings:
    from assistant.settings import AssistantSettings
    from ui import composition

    composition.check_settings(home)
    return AssistantSettings.load(home)


def _options(settings: AssistantSettings) -> EngineOptions:
    """How the settings say that a model is run."""
    from assistant.engine_options import EngineOptions

    names = {field.name for field in dataclasses.fields(EngineOptions)}
    return EngineOptions(**settings.model_dump(include=names))


def _configured(settings: AssistantSettings, home: Path) -> Path | None:
    """The file that a setting names."""
    return None if settings.model is None else home / "models" / settings.model.expanduser()


def _refuse_if_set(settings: AssistantSettings, home: Path, name: str) -> None:
    """Raise SettingsError if a setting names the model: it would win over the shelf."""
    if settings.model is None:
        return
    variables = [key for key in os.environ if key.upper() == "CLOISTER_ASSISTANT_MODEL"]
    if variables:
        where = f"unset the variables {variables[0]} and {variables[0]}_SHA256"
    else:
        where = (
            "remove the lines `model` and `model_sha256` from the [assistant] table of "
            f"{home / 'cloister.toml'}"
        )
    raise SettingsError(
        f"A setting names the model {settings.model}, and settings win over the shelf: {where}, "
        f"then `cloister models use {name}` again."
    )
