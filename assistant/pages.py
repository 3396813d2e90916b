"""The page that a citation names, as a reader sees it, with the quoted spans marked.

A page of a PDF or an image is drawn by a child process (`assistant.pages_child`) under limits; any
other format gives its text, and so does a page that cannot be drawn: no reason to show nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from assistant.ports import Library
from index.document import Box, Page, Scope

DRAWN = frozenset({"application/pdf", "image/png", "image/jpeg", "image/tiff"})
_PNG = b"\x89PNG\r\n\x1a\n"
_LARGEST = 32 << 20  # bytes of a picture that is taken from the child


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A marked area as fractions (0..1) of the page's width and height, from its top left."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class PageView:
    """A page to show. `image` is a PNG, or None where there is only `text`; `spans` are `[start,
    end)` of `text`, cut to it; `highlights` mark them on the image, one a line of print."""

    document: str
    source: str
    title: str
    media_type: str
    page: int
    pages: int
    label: str
    text: str
    spans: tuple[tuple[int, int], ...]
    image: bytes | None
    highlights: tuple[Rectangle, ...]


Draw = Callable[[Path, int], bytes | None]


def _part(box: Box, start: int, end: int) -> Box:
    """The part of a box that the characters `[start, end)` take, as if all were equally wide."""
    length = box.end - box.start
    if length <= 0:
        return box
    width = box.right - box.left
    left = box.left + width * max(0, start - box.start) / length
    right = box.right - width * max(0, box.end - end) / length
    return Box(max(start, box.start), min(end, box.end), left, box.top, right, box.bottom)


def _same_line(one: Box, other: Box) -> bool:
    """Whether two boxes overlap by more than half the height of the lower one."""
    shared = min(one.bottom, other.bottom) - max(one.top, other.top)
    return shared > 0.5 * min(one.bottom - one.top, other.bottom - other.top)


def _gap_is_small(one: Box, other: Box) -> bool:
    """Whether two boxes of a line are no further apart than twice its height: one column."""
    return other.left - one.right < 2 * (one.bottom - one.top) and other.right > one.left


def merged(boxes: Iterable[Box]) -> tuple[Box, ...]:
    """Boxes in reading order with neighbours on one line joined."""
    lines: list[Box] = []
    for box in boxes:
        last = lines[-1] if lines else None
        if last and _same_line(last, box) and _gap_is_small(last, box):
            lines[-1] = Box(
                last.start,
                box.end,
                min(last.left, box.left),
                min(last.top, box.top),
                max(last.right, box.right),
                max(last.bottom, box.bottom),
            )
        else:
            lines.append(box)
    return tuple(lines)


def highlights(page: Page, spans: Sequence[tuple[int, int]]) -> tuple[Rectangle, ...]:
    """Where `spans` are drawn on the page, one rectangle a line; empty for a page without boxes."""
    if page.width <= 0 or page.height <= 0:
        return ()
    found: list[Rectangle] = []
    for start, end in spans:
        touched = (
            _part(box, start, end) for box in page.boxes if box.start < end and start < box.end
        )
        for box in merged(touched):
            found.append(
                Rectangle(
                    _fraction(box.left, page.width),
                    _fraction(box.top, page.height),
                    _fraction(box.right, page.width),
                    _fraction(box.bottom, page.height),
                )
            )
    return tuple(found)


def _fraction(length: float, whole: float) -> float:
    return min(1.0, max(0.0, length / whole))


@dataclass(frozen=True, slots=True)
class Viewer:
    """Makes page views. `draw` turns a PDF file and a page number into a PNG, or None."""

    draw: Draw

    def view(
        self,
        library: Library,
        scope: Scope,
        document: str,
        number: int,
        spans: Sequence[tuple[int, int]],
    ) -> PageView:
        """The page, if `scope` reaches it; raises `index.errors.NotFound` if not."""
        about = library.document(document, scope)
        page = library.page(document, number, scope)
        inside = tuple(
            (max(0, start), min(end, len(page.text)))
            for start, end in spans
            if max(0, start) < min(end, len(page.text))
        )
        image = None
        if about.media_type in DRAWN:
            image = self.draw(library.original(document, scope), number)
        return PageView(
            document=about.id,
            source=about.source,
            title=about.title,
            media_type=about.media_type,
            page=page.number,
            pages=about.pages,
            label=page.label,
            text=page.text,
            spans=inside,
            image=image,
            highlights=highlights(page, inside) if image else (),
        )


@dataclass(frozen=True, slots=True)
class ChildDrawer:
    """Draws in a process of its own. `seconds` is how long it may take."""

    dots_per_inch: int = 110
    most_pixels: int = 4_000_000
    seconds: float = 20.0

    def __call__(self, path: Path, number: int) -> bytes | None:
        """A PNG, or None when the page cannot be drawn in time or at all."""
        arguments = [str(number), str(self.dots_per_inch), str(self.most_pixels)]
        try:
            with path.open("rb") as file:
                done = subprocess.run(
                    [sys.executable, "-m", "assistant.pages_child", *arguments],
                    stdin=file,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    timeout=self.seconds,
                    env={"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.defpath},
                    check=False,
                )
        except (OSError, subprocess.TimeoutExpired):
            return None
        untrusted_picture = done.stdout
        sound = untrusted_picture.startswith(_PNG) and len(untrusted_picture) <= _LARGEST
        return untrusted_picture if done.returncode == 0 and sound else None
