"""The web application: Gradio's page behind the guard, sign-in, and the cited places."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported
os.environ["GRADIO_RUN_HISTORY"] = "False"  # else the browser keeps every question and answer
os.environ["GRADIO_MCP_SERVER"] = "False"
os.environ["GRADIO_SHARE"] = "False"
os.environ["GRADIO_SSR_MODE"] = "False"
os.environ["HF_HUB_OFFLINE"] = "1"

import gradio as gr
from fastapi import FastAPI, Request
from fastapi.telemetry import TelemetryConfig
from starlette.responses import JSONResponse, Response

from assistant.answer import Asker
from audit.record import Actor, Event
from ui import chat_page, failures, place, web_pages
from ui.chat_sweep import Sweeps
from ui.notices import Told
from ui.theme import theme
from ui.web_guard import Guard, cookie_name, secret_of
from ui.web_session import Session, Sessions


class Recorder(Protocol):
    """What this module needs of the log."""

    def append(self, event: Event) -> object: ...


@dataclass(frozen=True)
class Chat:
    """Everything that the routes need. `actor_of` turns an asker into the log's actor; `sweeps` is
    the folder where rows of sweeps are kept until they are done, None for nowhere; `notices` tells
    people whose earlier answers rely on what has changed, None tells nobody."""

    assistant: Sweeps
    log: Recorder
    sessions: Sessions
    port: int
    actor_of: Callable[[Asker], Actor]
    examples: chat_page.Examples
    session_seconds: int
    address: str = "127.0.0.1"
    sweeps: Path | None = None
    notices: Told | None = None

    def session(self, request: Request | gr.Request) -> Session | None:
        """The session of a request's cookie."""
        headers = request.headers
        return self.sessions.find(secret_of(headers.get("cookie", "") or "", self.port))

    def record(self, kind: str, actor: Actor, session: str = "", **fields: str) -> None:
        """Commit an event; raises AuditError if that fails, and then nothing may happen."""
        self.log.append(Event(kind, actor, fields=fields, session=session))


def create_app(chat: Chat, who: str) -> FastAPI:
    """The whole application, ready for a server bound to `chat.address`."""
    # FastAPI would hand request data to a telemetry collector that environment variables name.
    silent: TelemetryConfig = {
        "tracing": False,
        "metrics": False,
        "logs": False,
        "operation_spans": False,
        "auto_configure": False,
    }
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, telemetry=silent)
    _add_sign_in(app, chat)
    _add_places(app, chat)
    page = chat_page.Page(chat.assistant, chat.session, chat.examples, chat.sweeps, chat.notices)
    gr.mount_gradio_app(
        app,
        chat_page.build(page, who),
        path="/",
        server_name=chat.address,
        server_port=chat.port,
        theme=theme(),
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        show_error=False,
        max_file_size=0,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        app_kwargs={"telemetry": silent},
    )
    app.add_middleware(
        Guard,
        address=chat.address,
        port=chat.port,
        sessions=chat.sessions,
        refuse=web_pages.refusal,
    )
    return app


def _add_sign_in(app: FastAPI, chat: Chat) -> None:
    @app.get("/signin")
    def sign_in(token: str = "") -> Response:
        asker = chat.sessions.redeem(token)
        if asker is None:
            visitor = Actor("person", "unknown", auth="one-time-link", client="browser")
            chat.record("session.sign_in_failed", visitor, reason="unknown_used_or_expired_link")
            return web_pages.page(
                "This link cannot be used",
                "It was used before, or it is too old.",
                web_pages.HOW_TO_SIGN_IN,
                status=401,
            )
        secret, session = chat.sessions.open(asker)
        try:
            chat.record("session.signed_in", chat.actor_of(asker), session.number)
        except BaseException:
            chat.sessions.close(secret)  # what cannot be recorded has not happened
            raise
        answer = web_pages.page("Signed in", "One moment.", status=200, onward="/")
        answer.set_cookie(
            cookie_name(chat.port),
            secret,
            max_age=chat.session_seconds,
            path="/",
            httponly=True,
            samesite="strict",
        )
        return answer

    @app.post("/signout")
    def sign_out(request: Request) -> Response:
        secret = secret_of(request.headers.get("cookie", ""), chat.port)
        session = chat.sessions.close(secret)
        if session is not None:
            chat.record("session.signed_out", chat.actor_of(session.asker), session.number)
        answer = Response(status_code=204)
        answer.delete_cookie(cookie_name(chat.port), path="/", httponly=True, samesite="strict")
        return answer

    @app.exception_handler(Exception)
    def broken(request: Request, error: Exception) -> Response:
        failure = failures.describe(error)
        if "text/html" in request.headers.get("accept", ""):
            return web_pages.page("Not available", failure.sentence, status=503)
        return JSONResponse({"sentence": failure.sentence}, status_code=503)


def _add_places(app: FastAPI, chat: Chat) -> None:
    @app.get("/cloister/place/{key}")
    def show(request: Request, key: str) -> Response:
        session = chat.session(request)
        found = session.conversation.places.get(key) if session else None
        if session is None or found is None:
            return JSONResponse(
                {"sentence": "This conversation was ended; ask again to see the page."},
                status_code=404,
            )
        try:
            view = place.opened(chat.assistant, session, key, found)
        except Exception as error:  # noqa: BLE001 - said in one sentence beside the conversation
            return JSONResponse({"sentence": failures.describe(error).sentence}, status_code=409)
        return JSONResponse(place.as_json(key, found, view))

    @app.get("/cloister/place/{key}/page.png")
    def image(request: Request, key: str) -> Response:
        session = chat.session(request)
        png = place.picture(session, key) if session else None
        return Response(png, media_type="image/png") if png else Response(status_code=404)

    @app.get("/cloister/{name}")
    def asset(name: str) -> Response:
        return web_pages.asset(name)
