"""HTML: what a browser would show as text, in blocks, with headings and table rows.

Scripts, styles, navigation and what is marked as hidden are left out. Nothing is fetched. A page is
a section under a level-2 heading (see `ingest.pages.sections`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bs4 import BeautifulSoup
from bs4.element import NavigableString, PreformattedString, Tag

from ingest.errors import Failure, ReadFailure
from ingest.pages import Kind, Piece, ReadDocument, first_heading, sections

MEDIA_TYPE = "text/html"

_LEFT_OUT = re.compile(
    "script|style|nav|template|noscript|head|iframe|object|svg|math|button|select|input|textarea"
    "|audio|video|canvas|dialog"
)
_INLINE = re.compile(
    "a|abbr|acronym|b|bdi|bdo|big|cite|code|data|del|dfn|em|font|i|ins|kbd|label|mark|q|s|samp"
    "|small|span|strike|strong|sub|sup|time|tt|u|var|wbr|img"
)
_HEADING = re.compile(r"h([1-6])")
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)


def read(data: bytes) -> ReadDocument:
    """The document in `data`. Raises ReadFailure (TOO_DEEP)."""
    try:
        soup = BeautifulSoup(data, "lxml")
        pieces = list(_Walk().pieces(soup.body or soup))
    except RecursionError as error:
        raise ReadFailure(Failure.TOO_DEEP) from error
    pages = sections(pieces, levels=(2, 1))
    title = " ".join(soup.title.get_text().split()) if soup.title else ""
    return ReadDocument(MEDIA_TYPE, title or first_heading(pages), pages)


def visible_text(markup: str) -> str:
    """What a fragment of HTML shows, on one line."""
    soup = BeautifulSoup(markup, "lxml")
    return " ".join(piece.text for piece in _Walk().pieces(soup.body or soup))


class _Walk:
    """Gathers inline text until a block begins or ends; then it is a piece."""

    def __init__(self) -> None:
        self._inline: list[str] = []
        self._item = False

    def pieces(self, root: Tag) -> Iterator[Piece]:
        """The pieces below `root`, in document order."""
        yield from self._children(root)
        yield from self._flush()

    def _flush(self) -> Iterator[Piece]:
        lines = (" ".join(line.split()) for line in "".join(self._inline).split("\n"))
        text = "\n".join(line for line in lines if line)
        self._inline.clear()
        item, self._item = self._item, False
        if text:
            yield Piece(text, tight=item)

    def _children(self, node: Tag) -> Iterator[Piece]:
        for child in node.children:
            if isinstance(child, Tag):
                yield from self._tag(child)
            elif isinstance(child, NavigableString) and not isinstance(child, PreformattedString):
                self._inline.append(re.sub(r"\s+", " ", child))

    def _tag(self, tag: Tag) -> Iterator[Piece]:
        name = tag.name
        if _LEFT_OUT.fullmatch(name) or _is_hidden(tag):
            return
        heading = _HEADING.fullmatch(name)
        if name == "br":
            self._inline.append("\n")
        elif _INLINE.fullmatch(name):
            yield from self._children(tag)
        elif heading:
            yield from self._flush()
            yield Piece(" ".join(tag.get_text(" ").split()), Kind.HEADING, int(heading.group(1)))
        elif name == "pre":
            yield from self._flush()
            yield Piece(tag.get_text().strip("\n"))
        elif name == "table" and not tag.find("table"):
            yield from self._flush()
            yield from _rows(tag)
        else:
            yield from self._flush()
            if name == "li":
                self._inline.append(_marker(tag))
                self._item = tag.find_previous_sibling("li") is not None
            yield from self._children(tag)
            yield from self._flush()


def _is_hidden(tag: Tag) -> bool:
    style = tag.get("style")
    return (
        tag.has_attr("hidden")
        or tag.get("aria-hidden") == "true"
        or (isinstance(style, str) and bool(_HIDDEN.search(style)))
    )


def _marker(item: Tag) -> str:
    """The number or bullet that a browser draws before a list item."""
    parent = item.parent
    if parent is None or parent.name != "ol":
        return "- "
    before = sum(1 for _ in item.find_previous_siblings("li"))
    start = parent.get("start")
    first = int(start) if isinstance(start, str) and start.isdigit() else 1
    return f"{first + before}. "


def _rows(table: Tag) -> Iterator[Piece]:
    caption = table.find("caption")
    if isinstance(caption, Tag):
        yield Piece(" ".join(caption.get_text(" ").split()))
    first = True
    for row in table.find_all("tr"):
        cells = [
            " ".join(cell.get_text(" ").split())
            for cell in row.find_all(["td", "th"])
            if not _is_hidden(cell)
        ]
        if not any(cells) or _is_hidden(row):
            continue
        header = first or row.find("td") is None
        yield Piece(" | ".join(cells), Kind.HEADER_ROW if header else Kind.ROW)
        first = False
