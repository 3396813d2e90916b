"""A cited place, ready for the page: the document's page as an image with boxes, or its text.

Whoever opens a place reads it now: the assistant is asked each time, which checks what the reader
may see and records it. Only the picture that belongs to such a look is fetched in a second request,
and so is kept for a few seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from assistant.answer import Citation, Passage
from assistant.pages import PageView
from ui import render
from ui.ports import Pages
from ui.web_session import Look, Session

PICTURE_SECONDS = 10.0  # a browser asks for the picture as soon as it has read what to draw
KEPT_LOOKS = 12  # of one session: several windows may open places at once

Clock = Callable[[], float]  # monotonic seconds


def opened(
    pages: Pages,
    session: Session,
    key: str,
    what: Citation | Passage,
    clock: Clock = time.monotonic,
) -> PageView:
    """The page of a place as the assistant gives it now, and records it.

    Raises what `Pages.page_view` does, and then no picture of the place is left to be fetched.
    """
    looks = session.conversation.looks
    span = (what.start, what.end)
    try:
        view = pages.page_view(session.asker, what.document, what.page, (span,))
    except BaseException:
        looks.pop(key, None)
        raise
    looks[key] = Look(view, clock())
    _forget(looks, clock())
    return view


def picture(session: Session, key: str, clock: Clock = time.monotonic) -> bytes | None:
    """The picture of a place of this conversation that was opened a moment ago, else None."""
    conversation = session.conversation
    _forget(conversation.looks, clock())
    look = conversation.looks.get(key)
    if look is None or key not in conversation.places:
        return None
    return look.view.image


def _forget(looks: dict[str, Look], now: float) -> None:
    """Drop looks that are too old, and the oldest if there are too many."""
    newest_first = sorted(looks.items(), key=lambda item: item[1].at, reverse=True)
    for place, (key, look) in enumerate(newest_first):
        if place >= KEPT_LOOKS or now - look.at > PICTURE_SECONDS:
            looks.pop(key, None)


def as_json(key: str, what: Citation | Passage, view: PageView) -> dict[str, object]:
    """What `assets/chat.js` draws. Boxes are fractions of the page's width and height."""
    place = render.page_name(what.page, what.label)
    quote = what.quote if isinstance(what, Citation) else what.text
    common: dict[str, object] = {
        "title": what.title or what.source,
        "where": f"{place[0].upper()}{place[1:]} · {printable(what.source)}",
        "quote": render.shortened(quote, 300),
    }
    size = picture_size(view.image) if view.image else None
    if size is None:
        return common | {"kind": "text", "segments": segments(view.text, view.spans)}
    return common | {
        "kind": "image",
        "image": f"/cloister/place/{key}/page.png",
        "width": size[0],
        "height": size[1],
        "boxes": boxes(view),
    }


def picture_size(png: bytes) -> tuple[int, int] | None:
    """Width and height in pixels from a PNG's header (RFC 2083, section 4.1.1), or None."""
    if len(png) < 24 or png[12:16] != b"IHDR":
        return None
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


def boxes(view: PageView) -> list[dict[str, float]]:
    """The highlights as left, top, width and height in fractions of the page."""
    found = []
    for area in view.highlights:
        width, height = area.right - area.left, area.bottom - area.top
        if width > 0 and height > 0:
            box = {"left": area.left, "top": area.top, "width": width, "height": height}
            found.append({name: round(value, 5) for name, value in box.items()})
    return found


def segments(text: str, spans: Sequence[tuple[int, int]]) -> list[dict[str, object]]:
    """`text` cut where a mark begins or ends; joined again it is `text`. Overlaps are merged."""
    parts: list[dict[str, object]] = []
    at = 0
    for start, end in sorted(spans):
        start, end = max(start, at), min(end, len(text))
        if start >= end:
            continue
        if start > at:
            parts.append({"text": text[at:start], "mark": False})
        parts.append({"text": text[start:end], "mark": True})
        at = end
    if at < len(text):
        parts.append({"text": text[at:], "mark": False})
    return parts


def printable(text: str) -> str:
    """A file name as it can be shown and sent: bytes that are no UTF-8 become a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")
