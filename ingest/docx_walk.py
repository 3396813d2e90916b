"""Walks WordprocessingML in document order and hands its pieces to a flow of pages.

Here it is decided what is a heading, a row, a note, a running head; `ingest.docx_text` says what a
paragraph draws, `ingest.docx_look` whether it is seen, `ingest.docx_numbering` how it is numbered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ingest.docx_drawing import Drawn, R, TextBox, Told, has_picture_behind
from ingest.docx_look import Style, W, is_on, number, read_styles, shading, value
from ingest.docx_numbering import formatted, read_numbering
from ingest.docx_text import (
    Break,
    Comment,
    Item,
    Marks,
    Note,
    Texts,
    deleted_text,
)
from ingest.office_chart import chart_pieces, diagram_pieces
from ingest.office_flow import MOST_COLUMNS, Flow, Slot, carried, row
from ingest.office_look import UNKNOWN
from ingest.pages import FindingKind, Kind, Piece

_WRAPPERS = frozenset(
    f"{W}{name}" for name in ("sdt", "sdtContent", "ins", "moveTo", "customXml", "smartTag")
)
_NO_NOTE = ("separator", "continuationSeparator", "continuationNotice")
_NOTES = (("footnotes", "footnotePr", "decimal"), ("endnotes", "endnotePr", "lowerRoman"))


class Parts(Protocol):
    """The other parts of the document, as root elements; None for one that is not there."""

    def by_id(self, relation_id: str) -> Any: ...
    def by_kind(self, kind: str) -> Any: ...
    def target(self, relation_id: str) -> str: ...


@dataclass(slots=True)
class _Table:
    """What is behind a table's cells, and what its rows have left for those that follow."""

    behind: str
    merged: dict[int, str] = field(default_factory=dict)  # by column: a cell merged downwards
    heads: list[Piece] = field(default_factory=list)
    rows: int = 0  # so far
    breaks: int = 0  # pages that ended within the last row
    after: list[Item] = field(default_factory=list)  # what is anchored in it and follows it


@dataclass(slots=True)
class _Row:
    """A row in the making; pages that end before it has any text, and those that end later."""

    cells: list[tuple[str, int]] = field(default_factory=list)
    early: int = 0
    late: int = 0
    after: list[Item] = field(default_factory=list)


class Walk:
    """Walks a document in order and hands its pieces to a flow."""

    def __init__(self, parts: Parts, flow: Flow, keep_hidden: bool, paper: str) -> None:
        self._parts = parts
        self._flow = flow
        self._keep_hidden = keep_hidden
        self._paper = paper
        self._ground = paper  # what is behind the text of this page
        self._styles = read_styles(parts.by_kind("styles"))
        self._numbering = read_numbering(parts.by_kind("numbering"))
        settings = parts.by_kind("settings")
        formats = {
            part: ("" if settings is None else value(settings, f"{tag}/numFmt")) or usual
            for part, tag, usual in _NOTES
        }
        self._even = settings is not None and is_on(settings.find(f"{W}evenAndOddHeaders"))
        self._texts = Texts(self._styles, Marks(formats, formatted), keep_hidden)
        self._notes = {part: self._entries(part) for part, _, _ in _NOTES}
        self._comments = self._entries("comments")
        self._slot = Slot.BODY
        self._boxes = 0  # how many text boxes or frames we are in: their pages end elsewhere
        self._mark = ""  # of the note whose first paragraph is to come
        self._sections: list[Any] = []  # those to come
        self._heads: dict[tuple[str, str], str] = {}

    def _entries(self, part: str) -> dict[str, Any]:
        root = self._parts.by_kind(part)
        return {
            str(node.get(f"{W}id", "")): node
            for node in (() if root is None else root.iterchildren())
            if node.get(f"{W}type") not in _NO_NOTE
        }

    def document(self, body: Any) -> None:
        """The whole document, its running heads and feet, notes and comments."""
        self._sections = [
            node
            for node in body.iter(f"{W}sectPr")  # those of a tracked change are not in force
            if node.getparent().tag in (f"{W}pPr", f"{W}body")
        ]
        self._section(first=True)
        self._blocks(body, self._paper)
        for part, _, _ in _NOTES:
            for node in self._notes[part].values():  # nothing that is drawn refers to it
                self._flow.tell(FindingKind.HIDDEN_MARKUP, self._texts.plain(node))
        for comment_id in list(self._comments):
            self._comment(Comment(comment_id, ""))

    def _section(self, *, first: bool = False) -> None:
        """A section begins: end the page unless it goes on there, and draw its heads and feet,
        which are those of the section before where it has none of its own.
        """
        section = self._sections.pop(0) if self._sections else None
        kind = "nextPage" if section is None else value(section, "type")
        if not first and kind not in ("continuous", "nextColumn"):
            self._page_break(hard=False)
        if section is None:
            return
        for node in section.iterchildren(f"{W}headerReference", f"{W}footerReference"):
            which = str(node.get(f"{W}type", "default"))
            self._heads[(node.tag, which)] = str(node.get(f"{R}id", ""))
        wanted = ["default"]
        wanted += ["first"] if is_on(section.find(f"{W}titlePg")) else []
        wanted += ["even"] if self._even else []
        for tag, slot in ((f"{W}headerReference", Slot.HEAD), (f"{W}footerReference", Slot.FOOT)):
            for which in wanted:
                root = self._parts.by_id(self._heads.get((tag, which), ""))
                if root is not None:
                    self._aside(slot, root)

    def _aside(self, slot: Slot, root: Any) -> None:
        """All below `root`, in another place of the page than its body."""
        before, self._slot = self._slot, slot
        self._blocks(root, UNKNOWN if has_picture_behind(root) else self._paper)
        self._slot = before

    def _blocks(self, parent: Any, behind: str) -> None:
        """All paragraphs and tables below `parent`, on ground of the colour `behind`."""
        for node in _through(parent, (f"{W}p", f"{W}tbl", f"{W}altChunk")):
            if node.tag == f"{W}p":
                self._paragraph(node, behind)
            elif node.tag == f"{W}altChunk":
                target = self._parts.target(str(node.get(f"{R}id", "")))
                self._flow.tell(FindingKind.EMBEDDED_FILE, target, 0)
            else:
                self._table(node, behind)

    def _page_break(self, *, hard: bool) -> None:
        if self._slot is Slot.BODY and not self._boxes:
            self._flow.page_break(hard=hard)
            self._ground = self._paper

    def _paragraph(self, node: Any, behind: str) -> None:
        style = self._styles.paragraph(node)
        own = node.find(f"{W}pPr/{W}pageBreakBefore")
        if is_on(own) or (own is None and style.new_page):
            self._page_break(hard=False)
        label = self._label(node, style)
        texts: list[str] = []
        after: list[Item] = []
        for item in self._items(node, behind):
            if isinstance(item, str):
                texts.append(item)
            elif isinstance(item, Break):
                label = self._add("".join(texts), label, style.level)
                texts.clear()
                self._page_break(hard=item is Break.HARD)
            elif not self._told(item):
                after.append(item)
        self._add("".join(texts), label, style.level)
        for item in after:
            self._anchored(item)
        if node.find(f"{W}pPr/{W}sectPr") is not None and self._slot is Slot.BODY:
            self._section()

    def _items(self, paragraph: Any, behind: str) -> Iterator[Item]:
        if has_picture_behind(paragraph):
            self._ground = UNKNOWN
        return self._texts.items(paragraph, self._ground if behind == self._paper else behind)

    def _add(self, text: str, label: str, level: int) -> str:
        """Add a paragraph, or a part of one, unless it is blank; the label that is still due."""
        if not text.strip():
            return label
        text = f"{label} {text.strip()}".strip()
        if self._slot is Slot.NOTE and self._mark:
            text, self._mark = f"{self._mark} {text}", ""
        kind = Kind.HEADING if level and self._slot is Slot.BODY else Kind.TEXT
        self._flow.add(Piece(text, kind, max(level, 0)), self._slot)
        return ""

    def _label(self, node: Any, style: Style) -> str:
        """The number that is drawn before a paragraph; an empty one counts, a deleted one not."""
        if node.find(f"{W}pPr/{W}rPr/{W}del") is not None:
            return ""
        own = node.find(f"{W}pPr/{W}numPr")
        list_id = style.list_id if own is None else value(own, "numId") or style.list_id
        if not list_id or self._slot in (Slot.HEAD, Slot.FOOT):
            return ""
        level = "" if own is None else value(own, "ilvl")
        if level:
            return self._numbering.label(list_id, number(level))
        if style.list_level is not None:
            return self._numbering.label(list_id, style.list_level)
        style_id = value(node, "pPr/pStyle")
        return self._numbering.label(list_id, self._numbering.level_of(list_id, style_id))

    def _told(self, item: Item) -> bool:
        """Whether `item` is something to be told of, which is done here."""
        if isinstance(item, Told):
            self._flow.tell(item.kind, item.text, item.characters)
        elif isinstance(item, Comment):
            self._comment(item)
        return isinstance(item, (Told, Comment))

    def _comment(self, item: Comment) -> None:
        node = self._comments.pop(item.id, None)
        if node is not None:
            author = str(node.get(f"{W}author", ""))
            self._flow.comment(author, item.about, self._texts.plain(node))

    def _anchored(self, item: Item) -> None:
        """A note, text box, chart or diagram that belongs to what was just drawn."""
        if isinstance(item, Note):
            node = self._notes[item.part].pop(item.id, None)
            if node is not None:
                self._mark = item.mark
                self._aside(Slot.NOTE, node)
        elif isinstance(item, TextBox):
            self._boxes += 1
            self._blocks(item.node, item.behind)
            self._boxes -= 1
        elif isinstance(item, Drawn) and self._slot is Slot.BODY:  # relations of the main part
            root = self._parts.by_id(item.id)
            if root is not None:
                draw = chart_pieces if item.what == "chart" else diagram_pieces
                for piece in draw(root):
                    self._flow.add(piece)

    def _table(self, node: Any, behind: str) -> None:
        if _is_frame(node):
            for line in _through(node, (f"{W}tr",)):
                for cell in _through(line, (f"{W}tc",)):
                    fill = shading(cell.find(f"{W}tcPr"))
                    self._blocks(cell, behind if fill is None else fill)
            return
        style = self._styles.of(value(node, "tblPr/tblStyle"))
        fill = shading(node.find(f"{W}tblPr"))
        if fill is None:
            fill = UNKNOWN if style.shades_cells else behind
        table = _Table(fill)
        for each in _through(node, (f"{W}tr",)):
            properties = each.find(f"{W}trPr")
            if properties is not None and properties.find(f"{W}del") is not None:
                self._flow.tell(FindingKind.TRACKED_DELETION, deleted_text(each))
            elif properties is not None and is_on(properties.find(f"{W}hidden")):
                self._flow.tell(FindingKind.HIDDEN_MARKUP, deleted_text(each))
                if self._keep_hidden:
                    self._row(each, table)
            else:
                self._row(each, table)
        for item in table.after:
            self._anchored(item)

    def _row(self, node: Any, table: _Table) -> None:
        properties = node.find(f"{W}trPr")
        marked = properties is not None and is_on(properties.find(f"{W}tblHeader"))
        head = not table.rows or (marked and table.rows == len(table.heads))
        found = _Row()
        skipped = 0 if properties is None else number(value(properties, "gridBefore"))
        if skipped:
            found.cells.append(("", min(skipped, MOST_COLUMNS)))
        for cell in _through(node, (f"{W}tc",)):
            self._cell(cell, table, found)
        piece = row(found.cells, head=head)
        self._row_breaks(table, found.early + table.breaks)
        table.breaks = found.late
        if piece is not None:
            table.rows += 1
            table.heads += [piece] if head else []
            self._flow.add(piece, self._slot)
        for item in found.after:
            if isinstance(item, Note):  # stands at the foot of the page; all else ends the table
                self._anchored(item)
            else:
                table.after.append(item)

    def _row_breaks(self, table: _Table, breaks: int) -> None:
        """End pages before a row; a table that goes on repeats its heads there."""
        if not breaks or self._slot is not Slot.BODY or self._boxes:
            return
        for turn in range(breaks):
            self._page_break(hard=turn > 0)
        for piece in table.heads:
            self._flow.add(piece)

    def _cell(self, cell: Any, table: _Table, found: _Row) -> None:
        properties = cell.find(f"{W}tcPr")
        fill = shading(properties)
        texts: list[str] = []
        breaks = [0, 0]
        for text in self._cell_texts(cell, table.behind if fill is None else fill, found.after):
            if isinstance(text, Break):
                breaks[bool(texts)] += 1
            elif text.strip():
                texts.append(text)
        first = not any(text for text, _ in found.cells)
        if first:
            found.early = max(found.early, breaks[0])
            found.late = max(found.late, breaks[1])
        else:
            found.late = max(found.late, sum(breaks))
        across = 1 if properties is None else max(number(value(properties, "gridSpan")), 1)
        across = min(across, MOST_COLUMNS)
        column = sum(one for _, one in found.cells)
        text = " ".join(texts)
        merge = None if properties is None else properties.find(f"{W}vMerge")
        if merge is None:
            table.merged.pop(column, None)
        elif merge.get(f"{W}val") == "restart":
            table.merged[column] = carried(text)
        else:
            text = text or table.merged.get(column, "")
        found.cells.append((text, across))

    def _cell_texts(self, cell: Any, behind: str, after: list[Item]) -> Iterator[str | Break]:
        """The texts of a cell's paragraphs; a table in a cell becomes part of the cell's text."""
        for node in _through(cell, (f"{W}p", f"{W}tbl")):
            if node.tag == f"{W}tbl":
                rows = (
                    ", ".join(
                        " ".join(each for each in texts if isinstance(each, str)).strip()
                        for texts in (
                            self._cell_texts(inner, behind, after)
                            for inner in _through(line, (f"{W}tc",))
                        )
                    )
                    for line in _through(node, (f"{W}tr",))
                )
                yield "; ".join(rows)
                continue
            label = self._label(node, self._styles.paragraph(node))
            parts: list[str] = []
            for item in self._items(node, behind):
                if isinstance(item, str):
                    parts.append(item)
                elif isinstance(item, Break):
                    text = "".join(parts)
                    if text.strip():
                        yield f"{label} {text}".strip()
                        parts, label = [], ""
                    yield item
                elif not self._told(item):
                    after.append(item)
            text = "".join(parts)
            if text.strip():
                yield f"{label} {text}".strip()


def _through(parent: Any, tags: Sequence[str]) -> Iterator[Any]:
    """The children of `parent` with these tags, also those in content controls and the like."""
    for node in parent.iterchildren():
        if node.tag in tags:
            yield node
        elif node.tag in _WRAPPERS:
            yield from _through(node, tags)


def _is_frame(table: Any) -> bool:
    """Whether a table is but a frame around text, or around other tables: one column, and one row
    or tables within.
    """
    rows = list(_through(table, (f"{W}tr",)))
    if any(len(list(_through(line, (f"{W}tc",)))) != 1 for line in rows):
        return False
    return len(rows) == 1 or table.find(f".//{W}tbl") is not None
