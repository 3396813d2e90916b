"""HTML and XHTML: what a browser would draw as text, in blocks, with headings and table rows.

Scripts, navigation and form fields are left out, and so is text that the markup hides, which is
told (see `ingest.read_html_style`). What is hidden from screen readers only (aria-hidden) is drawn
and stays. Nothing is fetched. A page is a section under a level-2 heading (see
`ingest.pages.sections`). Tables that only place things on the page are read as text.
"""

from __future__ import annotations

import codecs
import re
import warnings
from collections import Counter
from collections.abc import Iterator

from bs4 import BeautifulSoup, MarkupResemblesLocatorWarning, XMLParsedAsHTMLWarning
from bs4.element import NavigableString, PreformattedString, Tag

from ingest.errors import Failure, ReadFailure
from ingest.options import ReadOptions
from ingest.pages import Kind, Piece, ReadDocument, first_heading, sections
from ingest.read_encoding import decode
from ingest.read_html_style import Look, Styles
from ingest.seen import Tally, drawn
from ingest.sheet_spans import SpanCell, SpanRow, table_pieces

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
_MAX_DEPTH = 300  # elements within one another
_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_ALL_ROWS = 65_534  # as many as a cell may reach over
_HEAD_BYTES = 4096  # in which an encoding is declared; browsers look at 1,024
_CHARSET = re.compile(
    rb"<(?:meta\b[^>]*?\bcharset|\?xml\b[^>]*?\bencoding)\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]+)", re.I
)
_BROWSERS = {"iso-8859-1": "cp1252", "latin1": "cp1252", "us-ascii": "cp1252", "ascii": "cp1252",
             "gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "euc-kr": "cp949",
             "iso-8859-9": "cp1254", "x-sjis": "cp932"}  # fmt: skip


def read(data: bytes, options: ReadOptions) -> ReadDocument:
    """The document in `data`. Raises ReadFailure (TOO_DEEP, TOO_MANY_PAGES, TOO_MUCH_OUTPUT,
    UNDECODABLE).
    """
    tally = Tally()
    try:
        soup = _parsed(_text(data))
        pieces = _Walk(soup, options, tally).pieces()
    except RecursionError as error:
        raise ReadFailure(Failure.TOO_DEEP) from error
    pages = sections(pieces, levels=(2, 1))
    if len(pages) > options.max_pages:
        raise ReadFailure(Failure.TOO_MANY_PAGES)
    title = " ".join(soup.title.get_text().split()) if soup.title else ""
    document = ReadDocument(
        MEDIA_TYPE, title or first_heading(pages), pages, findings=tally.findings()
    )
    return drawn(document, options.keep_hidden)


def markup_pieces(markup: str, options: ReadOptions, tally: Tally) -> list[Piece]:
    """The pieces that a fragment of HTML shows; what it hides goes to `tally`.

    Raises ReadFailure (TOO_DEEP, TOO_MUCH_OUTPUT).
    """
    try:
        return _Walk(_parsed(markup), options, tally).pieces()
    except RecursionError as error:
        raise ReadFailure(Failure.TOO_DEEP) from error


def _parsed(markup: str) -> BeautifulSoup:
    with warnings.catch_warnings():  # of XHTML, and of fragments that look like names of files
        warnings.simplefilter("ignore", XMLParsedAsHTMLWarning)
        warnings.simplefilter("ignore", MarkupResemblesLocatorWarning)
        return BeautifulSoup(markup, "lxml")


def _text(data: bytes) -> str:
    """The markup, decoded by its byte order mark, by what it declares, or by a guess."""
    declared = None if data.startswith(_MARKS) else _CHARSET.search(data[:_HEAD_BYTES])
    if declared:
        name = declared[1].decode("ascii").lower()
        try:
            text = data.decode(_BROWSERS.get(name, name))
        except (LookupError, UnicodeError):  # unknown, or not what it says
            return decode(data)
        if "\0" not in text:
            return text
    return decode(data)


class _Walk:
    """Gathers inline text until a block begins or ends; then it is a piece."""

    def __init__(self, soup: BeautifulSoup, options: ReadOptions, tally: Tally) -> None:
        self._root: Tag = soup.body or soup
        sheets = [tag.get_text() for tag in soup.find_all("style")]
        self._styles = Styles(sheets, linked=soup.find("link", rel="stylesheet") is not None)
        self._options = options
        self._tally = tally
        self._pieces: list[Piece] = []
        self._inline: list[str] = []
        self._marker = ""  # of a list item that was begun and has no text yet
        self._tight = False
        self._items: Counter[int] = Counter()  # list items so far, by the list's identity

    def pieces(self) -> list[Piece]:
        """The pieces of the document, in order."""
        look = Look()
        for outer in (self._root.parent, self._root):
            if isinstance(outer, Tag) and not isinstance(outer, BeautifulSoup):
                look = self._styles.look(outer.name, outer.attrs, look)
        self._children(self._root, look, 0)
        self._flush()
        return self._pieces

    def _flush(self) -> None:
        lines = (" ".join(line.split()) for line in "".join(self._inline).split("\n"))
        text = "\n".join(line for line in lines if line)
        self._inline.clear()
        if text:
            self._pieces.append(Piece(self._marker + text, tight=self._tight))
            self._marker, self._tight = "", False

    def _children(self, node: Tag, look: Look, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise ReadFailure(Failure.TOO_DEEP)
        for child in node.children:
            if isinstance(child, Tag):
                if not _LEFT_OUT.fullmatch(child.name):
                    self._tag(child, self._styles.look(child.name, child.attrs, look), depth + 1)
            elif text := self._seen(child, look):
                self._inline.append(re.sub(r"\s+", " ", text))

    def _tag(self, tag: Tag, look: Look, depth: int) -> None:
        name = tag.name
        heading = _HEADING.fullmatch(name)
        if name == "br":
            self._inline.append("\n")
        elif _INLINE.fullmatch(name):
            self._children(tag, look, depth)
        elif heading:
            self._flush()
            text = self._within(tag, look)
            self._pieces.append(Piece(text, Kind.HEADING, int(heading.group(1))))
        elif name == "pre":
            self._flush()
            text = "".join(self._strings(tag, look))
            self._pieces.append(Piece(text.strip("\n")))
        elif name == "table" and not _is_layout(tag):
            self._flush()
            self._table(tag, look)
        else:
            self._flush()
            if name == "li":
                self._begin_item(tag)
            self._children(tag, look, depth)
            self._flush()
            if name == "li":
                self._marker, self._tight = "", False

    def _begin_item(self, item: Tag) -> None:
        """The number or bullet that a browser draws before a list item."""
        parent = item.parent
        before = self._items[id(parent)]
        self._items[id(parent)] += 1
        self._tight = before > 0 or (parent is not None and parent.find_parent("li") is not None)
        self._marker = "- "
        if parent is not None and parent.name == "ol":
            start = parent.get("start")
            counts = isinstance(start, str) and re.fullmatch(r"[0-9]{1,6}", start)
            self._marker = f"{(int(str(start)) if counts else 1) + before}. "

    def _seen(self, text: object, look: Look) -> str:
        """The text if it is drawn; what is not is noted."""
        if not isinstance(text, NavigableString) or isinstance(text, PreformattedString):
            return ""  # comments, declarations
        hidden = look.hidden
        if hidden and text.strip():
            self._tally.add(hidden, str(text))
            return str(text) if self._options.keep_hidden else ""
        return str(text)

    def _within(self, tag: Tag, look: Look) -> str:
        """The text below `tag` on one line."""
        return " ".join("".join(self._strings(tag, look)).split())

    def _strings(self, tag: Tag, look: Look) -> Iterator[str]:
        """The strings below `tag` that are drawn, with line ends around what is a block."""
        stack = [(iter(tag.children), look, "")]
        while stack:
            children, around, end = stack[-1]
            child = next(children, None)
            if child is None:
                yield end
                stack.pop()
            elif not isinstance(child, Tag):
                yield self._seen(child, around)
            elif child.name == "br":
                yield "\n"
            elif not _LEFT_OUT.fullmatch(child.name):
                end = "" if _INLINE.fullmatch(child.name) else "\n"
                yield end
                inner = self._styles.look(child.name, child.attrs, around)
                stack.append((iter(child.children), inner, end))

    def _table(self, table: Tag, look: Look) -> None:
        caption = table.find("caption")
        if isinstance(caption, Tag):
            shown = self._styles.look(caption.name, caption.attrs, look)
            self._pieces.append(Piece(self._within(caption, shown)))
        looks = {id(table): look}
        rows = []
        for row in table.find_all("tr"):
            around = self._look(row, looks)
            cells = [
                SpanCell(
                    self._within(cell, self._look(cell, looks)),
                    _span(cell.get("rowspan")) or _ALL_ROWS,
                    _span(cell.get("colspan")) or 1,
                    cell.name == "th",
                )
                for cell in row.find_all(["td", "th"])
                if around.unseen is None or self._options.keep_hidden or self._note(cell, looks)
            ]
            rows.append(SpanRow(cells, row.parent is not None and row.parent.name == "thead"))
        self._pieces.extend(table_pieces(rows, self._options.max_cells))

    def _note(self, cell: Tag, looks: dict[int, Look]) -> bool:
        """Take note of a cell that is left out with its whole row."""
        self._within(cell, self._look(cell, looks))
        return False

    def _look(self, tag: Tag, looks: dict[int, Look]) -> Look:
        """How `tag` looks, which stands somewhere in a table whose look is known."""
        found = looks.get(id(tag))
        if found is None:
            around = self._look(tag.parent, looks) if tag.parent is not None else Look()
            found = looks[id(tag)] = self._styles.look(tag.name, tag.attrs, around)
        return found


def _is_layout(table: Tag) -> bool:
    """Whether a table only places things: it holds tables, says so, or has one column."""
    if table.find("table") or table.get("role") in ("presentation", "none"):
        return True
    if table.find(["th", "caption"]):
        return False
    return all(len(row.find_all("td", limit=2)) < 2 for row in table.find_all("tr"))


def _span(value: object) -> int:
    """How far a cell reaches as its markup says, 1 if it says nothing sensible."""
    said = isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,6}\s*", value)
    return min(int(str(value)), _ALL_ROWS) if said else 1
