"""The few pages and answers of our own: sign-in, refusals, and the files of the look."""

from __future__ import annotations

from html import escape
from pathlib import Path

from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp

from ui.web_guard import Refusal

ASSETS = Path(__file__).parent / "assets"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
HOW_TO_SIGN_IN = (
    "Open the sign-in link that is shown in the terminal where cloister chat runs. "
    "For a fresh link press Enter in that terminal."
)


def page(title: str, sentence: str, hint: str = "", *, status: int, onward: str = "") -> Response:
    """A page with one message; `onward` takes the browser to a path of ours at once.

    The onward step is a refresh instead of a redirect: a cookie with SameSite=Strict is not sent
    with a redirect that began on another page, but it is with a step of our own page.
    """
    refresh = f'<meta http-equiv="refresh" content="0;url={escape(onward)}">' if onward else ""
    further = f'<p><a href="{escape(onward)}">Continue</a></p>' if onward else ""
    note = f"<p>{escape(hint)}</p>" if hint else ""
    return HTMLResponse(
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"{refresh}<title>Cloister</title>"
        '<link rel="icon" href="/cloister/mark.svg"><link rel="stylesheet" '
        'href="/cloister/chat.css"></head><body class="cl-plain"><main><div class="brand">'
        '<span class="mark"></span><span class="name">Cloister</span></div>'
        f"<h1>{escape(title)}</h1><p>{escape(sentence)}</p>{note}{further}</main></body></html>",
        status_code=status,
    )


def refusal(reason: Refusal, wants_page: bool) -> ASGIApp:
    """What a refused request gets: a page for a person, one JSON sentence for a program."""
    if not wants_page:
        return JSONResponse({"sentence": reason.sentence}, status_code=reason.status)
    if reason.status == 401:
        return page("Please sign in", HOW_TO_SIGN_IN, status=401)
    return page("Not available", reason.sentence, status=reason.status)


def asset(name: str) -> Response:
    """One of our own files, by its fixed name."""
    path = ASSETS / name
    return Response(path.read_bytes(), media_type=TYPES[path.suffix])
