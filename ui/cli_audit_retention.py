"""`cloister audit hold` and `cloister audit retain`: what must stay, and what may go when."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ui import terminal
from ui.context import shared
from ui.errors import UsageError
from ui.options import Json

if TYPE_CHECKING:
    from audit.held import ShownHold
    from audit.holds import Hold, Scope
    from audit.periods import Profile
    from audit.retaining import Pruning
    from audit.retention import Plan

hold_app = typer.Typer(
    help="Legal holds: what is neither erased nor pruned until two persons release it.",
    no_args_is_help=True,
)
retain_app = typer.Typer(help="Retention: prune what is past its period.", no_args_is_help=True)

DATES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask first.")]
HoldId = Annotated[str, typer.Argument(metavar="HOLD", help="Its id, as `hold list` shows it.")]
Keep = Annotated[
    list[str] | None,
    typer.Option(
        "--keep",
        metavar="PROFILE",
        help="A profile besides the setting's, such as hipaa or clients=10y; may be repeated.",
    ),
]
_WHY_KEPT = {
    "held": "under a legal hold",
    "protected": "of a kind that is never pruned",
    "request": "of a request that has younger records",
    "unsealed": "not yet under a checkpoint that counts",
}


def register(app: typer.Typer) -> None:
    """Add both groups of commands to `cloister audit`."""
    app.add_typer(hold_app, name="hold")
    app.add_typer(retain_app, name="retain")


@hold_app.command()
def place(
    context: typer.Context,
    matter: Annotated[
        str, typer.Option("--matter", metavar="CODE", help="A short code; it stands in clear.")
    ],
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why; it stands encrypted.")
    ],
    everything: Annotated[
        bool, typer.Option("--everything", help="Hold the whole log and every document.")
    ] = False,
    person: Annotated[
        str, typer.Option("--person", metavar="ID", help="Hold what this person did.")
    ] = "",
    document: Annotated[
        str, typer.Option("--document", metavar="ID", help="Hold a document and what names it.")
    ] = "",
    request: Annotated[
        str, typer.Option("--request", metavar="ID", help="Hold the records of one request.")
    ] = "",
    records: Annotated[
        str, typer.Option("--records", metavar="N-M", help="Hold the records N to M.")
    ] = "",
    since: Annotated[
        datetime | None, typer.Option("--since", formats=DATES, help="Hold from here on (UTC).")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--until", formats=DATES, help="Hold up to here (UTC).")
    ] = None,
    json: Json = False,
) -> None:
    """Place a legal hold, which erasing and pruning then respect."""
    from audit import holds
    from ui import composition
    from ui.cli_audit import require_log

    given = {"person": person, "document": document, "request": request, "records": records}
    scope = _scope(everything, given, since, until)
    home = shared(context).home
    require_log(home)
    with composition.log(home) as log:
        actor = composition.actor_of(composition.terminal_asker())
        login = holds.login_uid()
        placed = holds.place(log, actor, scope, matter=matter, reason=reason, login=login)
    _say(placed, f"Hold {placed.id} is placed; two persons are needed to release it.", json)


def _scope(
    everything: bool, given: dict[str, str], since: datetime | None, until: datetime | None
) -> Scope:
    """The one scope that the options name. Raises UsageError."""
    from audit.holds import WHOLE_LOG, Scope

    named = [Scope(kind, value) for kind, value in given.items() if value]
    if everything:
        named.append(WHOLE_LOG)
    if since is not None or until is not None:
        first = _nanoseconds(since) if since else 0
        last = _nanoseconds(until) if until else 2**63 - 1
        named.append(Scope("time", f"{first}/{last}"))
    if len(named) != 1:
        raise UsageError(
            "Say in one way what to hold: --everything, --person, --document, --request, "
            "--records, or --since and --until."
        )
    return named[0]


def _nanoseconds(moment: datetime) -> int:
    return round(moment.replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def _say(hold: Hold, sentence: str, json: bool) -> None:
    if not json:
        typer.echo(terminal.visible(sentence))
        return
    from audit.held import ShownHold

    shown = ShownHold(hold, "", "").as_json()
    terminal.say_json({k: v for k, v in shown.items() if k not in ("reason", "release_reason")})


@hold_app.command("list")
def list_holds(
    context: typer.Context,
    all: Annotated[bool, typer.Option("--all", help="Those released, too.")] = False,
    json: Json = False,
) -> None:
    """List the holds with their reasons."""
    from audit.held import show_holds
    from ui import composition
    from ui.cli_audit import require_log

    home = shared(context).home
    require_log(home)
    with composition.log(home) as log:
        actor = composition.actor_of(composition.terminal_asker())
        found = show_holds(log, actor, released=all)
    if json:
        for each in found:
            terminal.say_json(each.as_json())
        return
    for each in found:
        typer.echo(terminal.visible(_paragraph(each)))
    if not found:
        typer.echo("There is no hold.")


def _paragraph(shown: ShownHold) -> str:
    told = shown.as_json()
    lines = [
        f"{told['hold']}  {told['state']}  matter {told['matter']}  {_about(shown.hold.scope)}",
        f"    placed by {told['placed_by']} at {str(told['placed'])[:19]} UTC: "
        + _one(shown.reason),
    ]
    if told["release_asked_by"]:
        asked = f"    release asked by {told['release_asked_by']}: {_one(shown.release_reason)}"
        lines.append(asked)
    if told["released_by"]:
        lines.append(f"    released by {told['released_by']} in record {told['released_record']}")
    return "\n".join(lines)


def _one(reason: str) -> str:
    return " ".join(reason.split()) or "(its text was erased)"


def _about(scope: Scope) -> str:
    from audit.envelope import format_time

    if scope.kind == "log":
        return "everything"
    if scope.kind != "time":
        return f"{scope.kind} {scope.value}"
    try:
        first, last = (format_time(each)[:19] for each in scope.bounds())
    except (ValueError, OverflowError):
        return "everything (its times cannot be read)"
    return f"from {first} until {last} UTC"


@hold_app.command()
def release(
    context: typer.Context,
    hold: HoldId,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why; it stands encrypted.")
    ],
    json: Json = False,
) -> None:
    """Ask for a hold's release, which another person then confirms."""
    from audit import holds
    from ui import composition
    from ui.cli_audit import require_log

    home = shared(context).home
    require_log(home)
    with composition.log(home) as log:
        actor = composition.actor_of(composition.terminal_asker())
        asked = holds.ask_release(log, actor, hold, reason, login=holds.login_uid())
    sentence = (
        f"{asked.id} still holds; another person, signed in with an account of their own, ends it "
        f"with `cloister audit hold confirm {asked.id}`."
    )
    _say(asked, sentence, json)


@hold_app.command()
def confirm(
    context: typer.Context,
    hold: HoldId,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Release a hold that another person has asked to release."""
    from audit import holds
    from audit.held import show_holds
    from ui import composition
    from ui.cli_audit import require_log

    home = shared(context).home
    require_log(home)
    with composition.log(home) as log:
        actor = composition.actor_of(composition.terminal_asker())
        asked = None
        if not yes:
            wanted = holds.find(log, hold)
            shown = [each for each in show_holds(log, actor) if each.hold.id == wanted.id]
            if shown and wanted.asked_by is not None:
                asked = shown[0].hold.asked
                _ask(_paragraph(shown[0]), "Release it?", "the hold stays")
        login = holds.login_uid()
        done = holds.confirm_release(log, actor, hold, asked=asked, login=login)
    _say(done, f"{done.id} is released and holds nothing any more.", json)


def _ask(what: str, question: str, otherwise: str) -> None:
    """Show what is about to happen and go on only if that is wanted. Raises UsageError."""
    typer.echo(terminal.visible(what), err=True)
    if not sys.stdin.isatty():
        raise UsageError(
            f"There is no terminal to ask at: give --yes if this is what you want; {otherwise}."
        )
    if not typer.confirm(question, err=True):
        raise UsageError(f"You said no: {otherwise}.")


@retain_app.command()
def plan(context: typer.Context, keep: Keep = None, json: Json = False) -> None:
    """Show what a run would prune, and what stays and why; nothing is changed."""
    from audit.retaining import look_ahead
    from ui import composition
    from ui.cli_audit import require_log

    home = shared(context).home
    require_log(home)
    profiles, anchoring = _profiles(home, keep)
    with composition.log(home) as log:
        actor = composition.actor_of(composition.terminal_asker())
        found = look_ahead(log, actor, profiles, anchoring=anchoring)
    if json:
        terminal.say_json(found.as_json())
    else:
        typer.echo(terminal.visible(_told(found)))


@retain_app.command()
def run(
    context: typer.Context,
    keep: Keep = None,
    bundle: Annotated[
        Path | None,
        typer.Option(
            "--bundle", metavar="FOLDER", help="Write the records with their proofs here first."
        ),
    ] = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Prune what is past its period and under no hold; proofs made before still hold."""
    from audit import retaining
    from ui import composition
    from ui.cli_audit import require_log

    home = shared(context).home
    require_log(home)
    profiles, anchoring = _profiles(home, keep)
    with composition.log(home) as log:
        actor = composition.actor_of(composition.terminal_asker())
        if not yes:
            found = retaining.look_ahead(log, actor, profiles, anchoring=anchoring)
            _ask(_told(found), "Prune them for good?", "nothing was pruned")
        done = retaining.run(log, actor, profiles, bundle=bundle, anchoring=anchoring)
    if json:
        terminal.say_json(done.as_json())
    else:
        typer.echo(terminal.visible(_done(done)))


def _profiles(home: Path, keep: list[str] | None) -> tuple[tuple[Profile, ...], bool]:
    """What is kept how long by the setting and the options together, and whether checkpoints are
    anchored. Raises UsageError or audit's SettingsError."""
    from audit.errors import SettingsError
    from audit.periods import parse_profiles
    from audit.settings import AuditSettings

    settings = AuditSettings.load(home)
    found = list(parse_profiles(settings.retention, "the setting `retention` in [audit]"))
    for text in keep or []:
        try:
            found += [each for each in parse_profiles(text, "--keep") if each not in found]
        except SettingsError as error:
            raise UsageError(str(error)) from error
    anchors = (settings.anchor_folder, settings.anchor_syslog, settings.anchor_command)
    return tuple(found), any(anchors)


def _told(found: Plan) -> str:
    from audit.envelope import format_time

    names = ", ".join(
        f"{each} ({each.source})" if each.source else str(each) for each in found.profiles
    )
    chosen = found.prune
    which = f", of the numbers {chosen[0]} to {chosen[-1]}" if chosen else ""
    lines = [
        f"Kept at least: {names}; the longest counts, judged at {format_time(found.judged)[:19]} "
        "UTC.",
        f"To be pruned: {len(chosen)} records{which}.",
    ]
    lines += [f"Stay: {count} that are {_WHY_KEPT[why]}." for why, count in found.kept.items()]
    lines += [f"    {hold} holds {count} of them." for hold, count in found.by_hold.items()]
    day = f"; the next are due on {found.due_next}" if found.due_next else ""
    lines.append(f"Within their period: {found.young}{day}.")
    return "\n".join(lines)


def _done(done: Pruning) -> str:
    lines = [f"Pruned {done.pruned} records; their hashes stay, so every proof still holds."]
    if done.spared:
        lines.append(f"Left out {done.spared} that came under a hold meanwhile.")
    lines += [f"Wrote {path}." for path in done.bundles]
    return "\n".join(lines)
