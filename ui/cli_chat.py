"""`cloister chat`: the web interface, on this machine only."""

from __future__ import annotations

import signal
import sys
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from ui import terminal
from ui.context import shared

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from starlette.types import ASGIApp
    from uvicorn import Server

    from ui.web_session import Sessions

CATCH_UP_SECONDS = 5.0  # how often the views are brought level with what was ingested elsewhere


def chat(
    context: typer.Context,
    port: Annotated[
        int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")
    ] = 7860,
    no_open: Annotated[
        bool, typer.Option("--no-open", help="Only print the link; open no browser.")
    ] = False,
    api: Annotated[
        bool, typer.Option("--api", help="Serve the API of `cloister serve` here, too.")
    ] = False,
) -> None:
    """Open the chat in the browser, through a sign-in link that works once."""
    from ui import composition, listening

    home = shared(context).home
    settings = composition.check_settings(home)
    address = listening.checked_address(settings.host)
    with (
        listening.opened(address, port) as socket,
        composition.log(home) as log,
        ExitStack() as ending,  # entered before the assistant: the API ends after its model
        composition.assistant_with(home, log) as assistant,
    ):
        from ui import counting, examples
        from ui.forgetting import Forgetting
        from ui.notices import Notices
        from ui.upkeep import Upkeep
        from ui.web_app import Chat, create_app
        from ui.web_session import Sessions

        reconcile = partial(counting.reconcile, log, terminal.complain)
        ending.callback(reconcile)  # last of all, when nothing is answered any more
        sessions = Sessions(
            settings.signin_minutes * 60, settings.session_hours * 3600, forget=assistant.forget
        )
        chat = Chat(
            assistant=assistant,
            log=log,
            sessions=sessions,
            port=port,
            address=address,
            actor_of=composition.actor_of,
            examples=lambda sources: examples.offered(settings.examples, sources),
            session_seconds=round(settings.session_hours * 3600),
            sweeps=home / "sweeps",
            notices=Notices(log, assistant),
        )
        assistant.warm()
        composition.tell_unfinished(log)
        forgetting = Forgetting(log, sessions.forget_all)

        def tidy() -> None:
            sessions.sweep()
            forgetting.check()
            assistant.catch_up()

        app: ASGIApp = create_app(chat, composition.user_name())
        upkeep: Callable[[], None] = tidy
        if api:
            from ui import cli_serve, web_api

            served = cli_serve.api_of(home, log, assistant, (address,), port)
            ending.callback(served.stop, cli_serve.END_SECONDS)
            app, upkeep = web_api.beside(app, served), partial(served.upkeep, tidy)
        server = _server(app)
        quiet = no_open or not settings.open_browser
        base = f"http://{address}:{port}"
        _announce(server, lambda: _print_link(sessions, base, settings.signin_minutes), home, quiet)
        signal.signal(signal.SIGTERM, _end)  # the server raises it again once it has stopped
        with (
            Upkeep(upkeep, CATCH_UP_SECONDS, terminal.complain),
            Upkeep(reconcile, counting.SECONDS, terminal.complain),
        ):
            server.run(sockets=[socket])


def _server(app: ASGIApp) -> Server:
    import uvicorn

    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,  # it would write the sign-in token into a terminal's history
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=3,
        )
    )


def _end(*_: object) -> None:
    """End in good order, so that the log and the index are closed, when a service is stopped."""
    raise SystemExit(0)


def _print_link(sessions: Sessions, base: str, minutes: float) -> str:
    from ui import composition

    link = f"{base}/signin?token={sessions.new_link(composition.link_asker())}"
    typer.echo(
        f"Open this link to sign in; it works once, within {minutes:g} minutes:\n\n  {link}\n"
    )
    more = "Press Enter for another link, Ctrl+C to stop." if sys.stdin.isatty() else ""
    typer.echo(more or "Stop with Ctrl+C; start again for another link.")
    sys.stdout.flush()
    return link


def _announce(server: Server, print_link: Callable[[], str], home: Path, no_open: bool) -> None:
    """Print the link once the server listens, then one more for each Enter in a terminal."""
    import threading
    import time

    def wait() -> None:
        while not server.started:
            time.sleep(0.05)
        link = print_link()
        if not no_open:
            _open_browser(home, link)
        if sys.stdin.isatty():
            for _ in sys.stdin:
                print_link()

    threading.Thread(target=wait, name="links", daemon=True).start()


def _open_browser(home: Path, link: str) -> None:
    """Open the link by way of a private file: a command line can be read by every account."""
    import webbrowser

    folder = home / "tmp"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    page = folder / "signin.html"
    page.unlink(missing_ok=True)
    page.touch(mode=0o600)
    page.write_text(
        '<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer">'
        f'<meta http-equiv="refresh" content="0;url={link}"><title>Cloister</title>',
        encoding="utf-8",
    )
    if not webbrowser.open(page.as_uri()):
        terminal.complain("No browser could be opened; open the link above yourself.")
