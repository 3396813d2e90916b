"""Word documents: paragraphs, headings, drawn numbers, tables as rows, and pages.

A page ends where the file says so: at an explicit page break, a section break, a paragraph that
starts a new page, or where Word last broke the page when it saved the file. A file that says
nothing of the kind has one page for each section under a level-1 heading. Running heads and feet
are left out, and so is text that tracked changes deleted.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import docx
from docx.opc.exceptions import PackageNotFoundError
from lxml import etree

from ingest.docx_numbering import Numbering, read_numbering
from ingest.errors import Failure, ReadFailure
from ingest.pages import Kind, Piece, ReadDocument, first_heading, lay_out, sections

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MC_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_LEFT_OUT = (f"{_W}del", f"{_W}moveFrom", f"{_W}pPr", f"{_W}rPr", f"{_W}instrText", _MC_FALLBACK)
_HEADING_STYLE = re.compile(r"heading (\d)", re.IGNORECASE)
_BREAK = "\f"  # stands for a hard page break within a paragraph's text
_SOFT_BREAK = "\v"  # where Word broke the page: counts only if something stands on the page


def read(data: bytes, max_pages: int = 20_000) -> ReadDocument:
    """The document in `data`. Raises ReadFailure (CORRUPT, TOO_MANY_PAGES)."""
    try:
        opened = docx.Document(io.BytesIO(data))
        walk = _Walk(_styles(opened), read_numbering(_part(opened, "numbering")))
        walk.body(opened.element.body)
        title = " ".join(str(opened.core_properties.title or "").split())
    except (
        zipfile.BadZipFile, KeyError, ValueError, AttributeError, PackageNotFoundError,
        etree.XMLSyntaxError, EOFError, NotImplementedError, zlib.error,
    ) as error:  # fmt: skip
        raise ReadFailure(Failure.CORRUPT) from error
    if walk.breaks:
        while len(walk.pages) > 1 and not any(piece.text.strip() for piece in walk.pages[-1]):
            walk.pages.pop()
        pages = lay_out(walk.pages, [""] * len(walk.pages))
    else:
        pages = sections(walk.pages[0], levels=(1,))
    if len(pages) > max_pages:
        raise ReadFailure(Failure.TOO_MANY_PAGES)
    return ReadDocument(MEDIA_TYPE, title or walk.title or first_heading(pages), pages)


@dataclass(frozen=True, slots=True)
class _Style:
    """What matters of a paragraph style: heading level (0: none, -1: title), list, new page."""

    level: int = 0
    list_id: str = ""
    list_level: int = 0
    new_page: bool = False


def _part(opened: Any, name: str) -> Any:
    """The root element of the part that the document relates to as `name`, or None."""
    for relation in opened.part.rels.values():
        if not relation.is_external and relation.reltype.endswith(f"/{name}"):
            return etree.fromstring(relation.target_part.blob, etree.XMLParser(huge_tree=False))
    return None


def _styles(opened: Any) -> dict[str, _Style]:
    """Paragraph styles by id; a style without a property takes that of the style it is based on."""
    nodes = {node.get(f"{_W}styleId"): node for node in opened.styles.element.iter(f"{_W}style")}
    return {style_id: _style(node, nodes) for style_id, node in nodes.items()}


def _style(node: Any, nodes: dict[str, Any]) -> _Style:
    level, list_id, list_level, new_page = 0, "", 0, False
    seen: set[int] = set()
    while node is not None and id(node) not in seen:
        seen.add(id(node))
        name = _value(node, "name")
        heading = _HEADING_STYLE.match(name)
        outline = _value(node, f"pPr/{_W}outlineLvl")
        if not level:
            if heading:
                level = int(heading.group(1))
            elif name.lower() == "title":
                level = -1
            elif outline.isdigit() and int(outline) < 9:
                level = int(outline) + 1
        if not list_id:
            list_id = _value(node, f"pPr/{_W}numPr/{_W}numId")
            list_level = _number(_value(node, f"pPr/{_W}numPr/{_W}ilvl"))
        new_page = new_page or _is_on(node.find(f"{_W}pPr/{_W}pageBreakBefore"))
        node = nodes.get(_value(node, "basedOn"))
    return _Style(level, list_id, list_level, new_page)


def _value(node: Any, path: str) -> str:
    """The w:val of the element at `path` below `node`, "" if there is none."""
    found = node.find(f"{_W}{path}")
    return "" if found is None else str(found.get(f"{_W}val", ""))


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _is_on(node: Any) -> bool:
    """Whether an on/off element is there and not switched off."""
    return node is not None and node.get(f"{_W}val", "1") not in ("0", "false", "off")


@dataclass(slots=True)
class _Walk:
    """Walks the body in document order and gathers the pieces of each page."""

    styles: dict[str, _Style]
    numbering: Numbering
    pages: list[list[Piece]] = field(default_factory=lambda: [[]])
    breaks: int = 0
    title: str = ""

    def body(self, parent: Any) -> None:
        """All paragraphs and tables below `parent`."""
        for node in parent.iterchildren():
            if node.tag == f"{_W}p":
                self._paragraph(node)
            elif node.tag == f"{_W}tbl":
                self._table(node)
            elif node.tag in (f"{_W}sdt", f"{_W}sdtContent", f"{_W}ins", f"{_W}customXml"):
                self.body(node)

    def _page_break(self, hard: bool) -> None:
        if hard or any(piece.text.strip() for piece in self.pages[-1]):
            self.breaks += 1
            self.pages.append([])

    def _paragraph(self, node: Any) -> None:
        style = self.styles.get(_value(node, f"pPr/{_W}pStyle"), _Style())
        own = node.find(f"{_W}pPr/{_W}pageBreakBefore")
        if _is_on(own) or (own is None and style.new_page):
            self._page_break(hard=False)
        text = "".join(_texts(node))
        label = self._label(node, style) if text.strip() else ""
        for part in re.split(f"([{_BREAK}{_SOFT_BREAK}])", text):
            if part in (_BREAK, _SOFT_BREAK):
                self._page_break(hard=part == _BREAK)
            elif part.strip():
                self._add(f"{label} {part.strip()}".strip(), style.level)
                label = ""
        section = node.find(f"{_W}pPr/{_W}sectPr")
        if section is not None and _value(section, "type") not in ("continuous", "nextColumn"):
            self._page_break(hard=False)

    def _add(self, text: str, level: int) -> None:
        if level < 0:
            self.title = self.title or " ".join(text.split())
        kind = Kind.HEADING if level else Kind.TEXT
        self.pages[-1].append(Piece(text, kind, max(level, 0)))

    def _label(self, node: Any, style: _Style) -> str:
        own = node.find(f"{_W}pPr/{_W}numPr")
        if own is None:
            return self.numbering.label(style.list_id, style.list_level) if style.list_id else ""
        level = _value(own, "ilvl")
        return self.numbering.label(
            _value(own, "numId") or style.list_id, _number(level) if level else style.list_level
        )

    def _table(self, node: Any) -> None:
        for position, row in enumerate(node.iterchildren(f"{_W}tr")):
            marked = _is_on(row.find(f"{_W}trPr/{_W}tblHeader"))
            cells = [
                re.sub(r"\s+", " ", " ".join(self._cell(cell))).strip()
                for cell in row.iter(f"{_W}tc")
                if cell.getparent() is row or _sdt_of(cell, row)
            ]
            if any(cells):
                kind = Kind.HEADER_ROW if position == 0 or marked else Kind.ROW
                self.pages[-1].append(Piece(" | ".join(cells), kind))

    def _cell(self, cell: Any) -> Iterator[str]:
        """The texts of a cell's paragraphs; a table in a cell becomes part of the cell's text."""
        for paragraph in cell.iter(f"{_W}p"):
            style = self.styles.get(_value(paragraph, f"pPr/{_W}pStyle"), _Style())
            text = "".join(_texts(paragraph)).replace(_BREAK, " ").replace(_SOFT_BREAK, " ")
            if text.strip():
                yield f"{self._label(paragraph, style)} {text}".strip()


def _sdt_of(cell: Any, row: Any) -> bool:
    """Whether `cell` belongs to `row` through content controls only, not to a table within it."""
    parent = cell.getparent()
    while parent is not None and parent.tag in (f"{_W}sdt", f"{_W}sdtContent"):
        parent = parent.getparent()
    return parent is row


def _texts(node: Any) -> Iterator[str]:
    """What is drawn for a paragraph, as text; page breaks as form feed or vertical tab."""
    for child in node.iterchildren():
        tag = child.tag
        if tag in _LEFT_OUT:
            continue
        if tag == f"{_W}t":
            yield (child.text or "").replace(_BREAK, " ").replace(_SOFT_BREAK, " ")
        elif tag in (f"{_W}tab", f"{_W}ptab"):
            yield "\t"
        elif tag == f"{_W}br":
            yield _BREAK if child.get(f"{_W}type") == "page" else "\n"
        elif tag == f"{_W}cr":
            yield "\n"
        elif tag == f"{_W}noBreakHyphen":
            yield "-"
        elif tag == f"{_W}lastRenderedPageBreak":
            yield _SOFT_BREAK
        else:
            yield from _texts(child)
