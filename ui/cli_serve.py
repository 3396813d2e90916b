"""`cloister serve`: the API for other in-house tools, without the chat."""

from __future__ import annotations

import signal
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ui import terminal
from ui.context import shared
from ui.errors import SettingsError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from socket import socket as Socket

    from audit.ports import AuditLog
    from ui.ports import Assistant
    from ui.web_api import Api, Limits

CATCH_UP_SECONDS = 5.0  # how often the views are brought level with what was ingested elsewhere
GRACE_SECONDS = 5  # for answers under way when the server is stopped
END_SECONDS = 20.0  # for their threads, after that
IDLE_SECONDS = 30  # a connection without a request is closed after so long
CONNECTIONS = 256


def serve(
    context: typer.Context,
    port: Annotated[
        int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")
    ] = 8321,
    certificate: Annotated[
        Path | None,
        typer.Option("--certificate", metavar="FILE", help="Certificate chain, PEM: serve by TLS."),
    ] = None,
    private_key: Annotated[
        Path | None,
        typer.Option("--private-key", metavar="FILE", help="The certificate's key, PEM."),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(
            "--name", metavar="HOST", help="A further name that clients use; may be repeated."
        ),
    ] = None,
    unencrypted: Annotated[
        bool,
        typer.Option(
            "--unencrypted", help="Without TLS on a network that only trusted machines share."
        ),
    ] = False,
) -> None:
    """Serve answers and search to other programs, each request by a key of `cloister keys`."""
    from ui import composition, counting, listening
    from ui.upkeep import Upkeep

    home = shared(context).home
    settings = composition.check_settings(home)
    address = listening.checked_address(settings.host, "The API")
    encrypted = _encrypted(certificate, private_key)
    if not (encrypted or unencrypted or listening.is_loopback(address)):
        raise SettingsError(
            f"The API does not listen on {address} without TLS, because keys and answers would "
            "travel unencrypted: give --certificate and --private-key, or --unencrypted if only "
            "trusted machines share that network."
        )
    with ExitStack() as stack:
        socket = stack.enter_context(listening.opened(address, port))
        log = stack.enter_context(composition.log(home))
        reconcile = partial(counting.reconcile, log, terminal.complain)
        stack.callback(reconcile)  # last of all, when nothing is answered any more
        # Entered before the assistant, so left after it: when the model's process has ended, even
        # an answer that did not hear of its end is over, and recorded while the log is open.
        ending = stack.enter_context(ExitStack())
        assistant = stack.enter_context(composition.assistant_with(home, log))
        api = api_of(home, log, assistant, (address, *(name or ())), port, encrypted)
        ending.callback(api.stop, END_SECONDS)
        stack.callback(api.stop, END_SECONDS)
        assistant.warm()
        composition.tell_unfinished(log)
        typer.echo(
            f"Cloister answers at http{'s' * encrypted}://{address}:{port}/v1; make keys with "
            "`cloister keys add`, stop with Ctrl+C."
        )
        sys.stdout.flush()
        with Upkeep(reconcile, counting.SECONDS, terminal.complain):
            _run(api, assistant, socket, certificate, private_key)


def api_of(
    home: Path,
    log: AuditLog,
    assistant: Assistant,
    names: Sequence[str],
    port: int,
    encrypted: bool = False,
    limits: Limits | None = None,
) -> Api:
    """The API over `assistant`, as `serve` runs it and as the chat can take it in.

    `names` are those under which clients address it besides this machine's own.
    """
    from ui import web_api
    from ui.api_keys import KeyFile

    own = ("127.0.0.1", "localhost", *names)
    return web_api.create_api(
        web_api.Parts(
            assistant=assistant,
            keys=KeyFile(home),
            append=log.append,
            hosts=web_api.hosts(own, port, encrypted=encrypted),
            tell=terminal.complain,
            limits=limits or web_api.Limits(),
        )
    )


def _encrypted(certificate: Path | None, private_key: Path | None) -> bool:
    """Whether to serve by TLS. Raises UsageError, SettingsError if the files cannot serve."""
    if (certificate is None) != (private_key is None):
        raise UsageError("Give both --certificate and --private-key, or neither.")
    if certificate is None or private_key is None:
        return False
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, private_key, "")
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"The certificate {certificate} cannot be used with the key {private_key} "
            f"({getattr(error, 'strerror', None) or error}): give PEM files that belong together, "
            "the key without a password."
        ) from error
    return True


def _run(
    api: Api,
    assistant: Assistant,
    socket: Socket,
    certificate: Path | None,
    private_key: Path | None,
) -> None:
    import uvicorn

    from ui.upkeep import Upkeep

    config = uvicorn.Config(
        api,
        log_level="critical",  # what fails is told by the API itself, without a traceback
        access_log=False,  # who asked what stands in the audit log
        server_header=False,
        proxy_headers=False,  # anybody could send them
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        ssl_certfile=certificate,
        ssl_keyfile=private_key,
    )
    signal.signal(signal.SIGTERM, _end)  # the server raises it again once it has stopped
    catch_up = getattr(assistant, "catch_up", lambda: None)
    with Upkeep(lambda: api.upkeep(catch_up), CATCH_UP_SECONDS, terminal.complain):
        uvicorn.Server(config).run(sockets=[socket])


def _end(*_: object) -> None:
    """End in good order, so that the log and the index are closed, when a service is stopped."""
    raise SystemExit(0)
