"""The cited pages and documents of an evidence pack, as the library has them now.

They are read for the person who makes the pack, who owns the data folder: every collection is
within reach, whatever groups the asker was in. Each look at a page is recorded as
`document.page_viewed` before it is used.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw

from assistant.pages import ChildDrawer, PageView, Rectangle, Viewer
from assistant.ports import Library
from assistant.settings import AssistantSettings
from audit.ports import AuditLog
from audit.record import Actor, Event, Fields
from index.compose import open_index
from index.document import Document, Scope
from index.effective import Standing, today
from index.errors import NotFound

_MARK = (255, 216, 77)  # as the chat's page view draws it


@dataclass(frozen=True, slots=True)
class Shelf:
    """The library, the collections that may be read (all of them) and what draws its pages."""

    library: Library
    scope: Scope
    viewer: Viewer


@dataclass(frozen=True, slots=True)
class Kept:
    """A document as the catalogue has it today, how it stands to today, and its file."""

    document: Document
    standing: Standing
    original: Path | None


@contextmanager
def open_shelf(home: Path) -> Iterator[Shelf]:
    """All documents of a data folder. Raises IndexFailure or AssistantError."""
    settings = AssistantSettings.load(home)
    with open_index(home) as index:
        scope = Scope(frozenset(each.name for each in index.collections()))
        viewer = Viewer(ChildDrawer(dots_per_inch=settings.page_image_dpi))
        yield Shelf(index, scope, viewer)


def page(
    shelf: Shelf,
    log: AuditLog,
    actor: Actor,
    document: str,
    number: int,
    spans: Sequence[tuple[int, int]],
) -> PageView | None:
    """A page with `spans` of its text marked, None if it is gone; the look is recorded first.

    Raises IndexFailure or AuditError.
    """
    try:
        view = shelf.viewer.view(shelf.library, shelf.scope, document, number, spans)
    except NotFound:
        return None
    fields: Fields = {
        "document": document, "page": number, "spans": len(spans), "drawn": view.image is not None,
    }  # fmt: skip
    log.append(Event("document.page_viewed", actor, fields))
    return view


def document(shelf: Shelf, document_id: str) -> Kept | None:
    """A document, None if the catalogue does not hold it any more. Raises IndexFailure."""
    try:
        found = shelf.library.document(document_id, shelf.scope)
    except NotFound:
        return None
    standings = shelf.library.standings((found,), shelf.scope, today())
    try:
        original = shelf.library.original(document_id, shelf.scope)
    except NotFound:
        original = None
    standing = standings.get((found.collection, found.id), Standing(in_force=False))
    return Kept(found, standing, original)


def marked(png: bytes, areas: Sequence[Rectangle]) -> bytes:
    """The picture with the areas marked as with a text marker: what is printed stays readable.

    The picture comes from our own child process, which bounds its size.
    """
    with Image.open(io.BytesIO(png)) as opened:
        picture = opened.convert("RGB")
    width, height = picture.size
    ink = Image.new("RGB", picture.size, "white")
    boxes = [
        (each.left * width - 2, each.top * height - 2, each.right * width + 2,
         each.bottom * height + 2)
        for each in areas
        if each.right > each.left and each.bottom > each.top
    ]  # fmt: skip
    for box in boxes:
        ImageDraw.Draw(ink).rounded_rectangle(box, radius=3, fill=_MARK)
    picture = ImageChops.multiply(picture, ink)
    for box in boxes:  # an edge that shows on a dark ground, too
        ImageDraw.Draw(picture).rounded_rectangle(box, radius=3, outline=_MARK, width=2)
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()
