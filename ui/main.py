"""The `cloister` command. Each command imports what it needs itself, so that `--help` is quick."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from ui import (
    cli_ask,
    cli_audit,
    cli_chat,
    cli_classify,
    cli_compare,
    cli_erase,
    cli_eval,
    cli_eval_answers,
    cli_extract,
    cli_ingest,
    cli_keys,
    cli_models,
    cli_prompts,
    cli_serve,
    cli_summarise,
    cli_sweep,
    failures,
    terminal,
)
from ui.context import Shared

app = typer.Typer(
    name="cloister",
    help="A private document assistant: cited answers, a verifiable log, nothing leaves.",
    no_args_is_help=True,
    add_completion=False,  # it would write into the user's shell configuration
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(cli_ingest.app, name="ingest")
app.command("search")(cli_ask.search)
app.command("ask")(cli_ask.ask)
app.command("summarise")(cli_summarise.summarise)
app.command("extract")(cli_extract.extract)
app.command("classify")(cli_classify.classify)
app.command("compare")(cli_compare.compare)
app.command("sweep")(cli_sweep.sweep)
app.command("chat")(cli_chat.chat)
app.command("serve")(cli_serve.serve)
app.add_typer(cli_keys.app, name="keys")
app.add_typer(cli_models.app, name="models")
app.add_typer(cli_prompts.app, name="prompts")
cli_eval.app.command("answers")(cli_eval_answers.answers)
app.add_typer(cli_eval.app, name="eval")
app.add_typer(cli_audit.app, name="audit")
cli_erase.register(app)

DEFAULT_HOME = Path("~/.cloister")
# Known failures that no use case has recorded: it could not be put together.
_RECORDED = (failures.CONFIGURATION, failures.INDEX_UNAVAILABLE)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"cloister {version('cloister')}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    home: Annotated[
        Path,
        typer.Option(envvar="CLOISTER_HOME", help="Data folder.", show_default=True, metavar="DIR"),
    ] = DEFAULT_HOME,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where an error comes from (a traceback).")
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and end.", callback=_show_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Take the options that stand before a command."""
    del version
    context.obj = Shared(home.expanduser().absolute(), debug)


def hoisted(arguments: Sequence[str]) -> list[str]:
    """`arguments` with `--home DIR` and `--debug` moved to the front, wherever they stand.

    What follows a bare `--` stays where it is.
    """
    front: list[str] = []
    rest: list[str] = []
    pending = list(arguments)
    while pending:
        word = pending.pop(0)
        if word == "--":
            rest += [word, *pending]
            break
        if word == "--debug" or word.startswith("--home="):
            front.append(word)
        elif word == "--home" and pending:
            front += [word, pending.pop(0)]
        else:
            rest.append(word)
    return front + rest


def run(arguments: Sequence[str]) -> int:
    """Run one command line; the exit code. Nothing but the end of the process is raised."""
    terminal.prepare_streams()
    ordered = hoisted(arguments)
    try:
        app(args=ordered, prog_name="cloister")
    except SystemExit as ended:
        return _exit_code(ended)
    except Exception as error:  # noqa: BLE001 - the one place where an error becomes a sentence
        failure = failures.describe(error)
        terminal.complain(failure.sentence)
        if "--debug" in ordered:
            sys.stderr.write(failures.trace(error))
        if not failure.expected or failure.exit_code in _RECORDED:
            _record_end(ordered, error, failure.expected)
        return failure.exit_code
    return failures.OK


def _exit_code(ended: SystemExit) -> int:
    if isinstance(ended.__context__, BrokenPipeError):  # `cloister search ... | head`
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # so that the flush at exit is silent
        return failures.OK
    code = ended.code if isinstance(ended.code, int) else failures.OK
    if code == failures.INTERRUPTED:
        terminal.complain(failures.describe(KeyboardInterrupt()).sentence)
    return code


def _record_end(arguments: Sequence[str], error: Exception, expected: bool) -> None:
    """Record that a command was refused or broke, if there is a log; a log that cannot take it is
    said so.
    """
    from audit.errors import AuditError
    from ui import composition

    home = _home(arguments)
    command = next((word for word in arguments if word in _commands()), "")
    try:
        if not composition.has_log(home):
            return
        composition.record_end(home, command, error, expected)
    except AuditError as refused:
        terminal.complain(f"This could not be recorded either: {refused}")
    except Exception as further:  # noqa: BLE001 - the first error has been told; this is the rest
        terminal.complain(
            f"This could not be recorded either: {failures.describe(further).sentence}"
        )


def _home(arguments: Sequence[str]) -> Path:
    chosen = os.environ.get("CLOISTER_HOME") or str(DEFAULT_HOME)
    for place, word in enumerate(arguments):
        if word == "--home" and place + 1 < len(arguments):
            chosen = arguments[place + 1]
        elif word.startswith("--home="):
            chosen = word.removeprefix("--home=")
    return Path(chosen).expanduser().absolute()


def _commands() -> set[str]:
    groups = {group.name for group in app.registered_groups}
    return {name for name in groups | {c.name for c in app.registered_commands} if name}


def main() -> None:
    """Entry point of the `cloister` command."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
