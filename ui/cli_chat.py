"""`cloister chat`: the web interface, on this machine only."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ui import terminal
from ui.context import shared
from ui.errors import PortTaken, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from uvicorn import Server

    from ui.web_session import Sessions

HERE = "127.0.0.1"


def chat(
    context: typer.Context,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; only 127.0.0.1 for now.")
    ] = HERE,
    port: Annotated[
        int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")
    ] = 7860,
    no_open: Annotated[
        bool, typer.Option("--no-open", help="Only print the link; open no browser.")
    ] = False,
) -> None:
    """Open the chat in the browser, through a sign-in link that works once."""
    from ui import composition

    if host not in (HERE, "localhost"):
        raise UsageError(
            f"The chat listens on {HERE} only, not on {host}: leave out --host, and reach it from "
            "another machine through an SSH tunnel to that port."
        )
    home = shared(context).home
    _require_free(port)
    settings = composition.check_settings(home)
    with composition.log(home) as log, composition.assistant_with(home, log) as assistant:
        import uvicorn

        from ui import examples
        from ui.web_app import Chat, create_app
        from ui.web_session import Sessions

        sessions = Sessions(settings.signin_minutes * 60, settings.session_hours * 3600)
        chat = Chat(
            assistant=assistant,
            log=log,
            sessions=sessions,
            port=port,
            actor_of=composition.actor_of,
            examples=lambda sources: examples.offered(settings.examples, sources),
            session_seconds=round(settings.session_hours * 3600),
        )
        assistant.warm()
        app = create_app(chat, composition.user_name())
        config = uvicorn.Config(
            app,
            host=HERE,
            port=port,
            log_level="warning",
            access_log=False,  # it would write the sign-in token into a terminal's history
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=3,
        )
        server = uvicorn.Server(config)
        _announce(
            server, lambda: _print_link(sessions, port, settings.signin_minutes), home, no_open
        )
        signal.signal(signal.SIGTERM, _end)  # the server raises it again once it has stopped
        server.run()


def _end(*_: object) -> None:
    """End in good order, so that the log and the index are closed, when a service is stopped."""
    raise SystemExit(0)


def _require_free(port: int) -> None:
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HERE, port))
        except OSError as error:
            raise PortTaken(
                f"Port {port} cannot be used ({error.strerror}); choose a free one with --port."
            ) from error


def _print_link(sessions: Sessions, port: int, minutes: float) -> str:
    from ui import composition

    link = f"http://{HERE}:{port}/signin?token={sessions.new_link(composition.link_asker())}"
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
