"""Walks the text of an OpenDocument in order and hands its pieces to a flow of pages.

ODF 1.3 part 3, sections 5 (text) and 9 (tables). Deletions stand apart from the text in ODF and are
told where they were made; the end of what a comment is about may come long after its beginning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ingest.odt_inline import (
    DRAW,
    PAGE_END,
    TABLE,
    Aside,
    Inline,
    Place,
    is_shape,
    paragraphs_text,
)
from ingest.odt_styles import STYLE, TEXT, Breaks, Lists, Look, Styles, whole
from ingest.office_flow import MOST_COLUMNS, Flow, Slot, carried, row
from ingest.office_look import PAPER, UNKNOWN
from ingest.pages import FindingKind, Kind, Piece

_LINK = "{http://www.w3.org/1999/xlink}href"
_MOST_REPEATS = 1_000  # of one row
_CHANGES = (f"{TEXT}change-start", f"{TEXT}change-end", f"{TEXT}change")
_NO_TEXT = frozenset(
    f"{TEXT}{name}"
    for name in (
        "tracked-changes", "sequence-decls", "variable-decls", "user-field-decls",
        "dde-connection-decls", "table-of-content-source", "illustration-index-source",
        "table-index-source", "object-index-source", "user-index-source",
        "alphabetical-index-source", "bibliography-source",
    )
)  # fmt: skip


@dataclass(slots=True)
class _Caught:
    """The text of a table row's cells while they are walked, and the pages that end meanwhile."""

    texts: list[str] = field(default_factory=list)  # of the cell
    any: bool = False  # the row has text
    early: int = 0  # pages that ended before it had
    late: int = 0


@dataclass(slots=True)
class _Span:
    """A cell that reaches over rows below."""

    text: str
    rows: int


class Walk:
    """Walks a document in order; `masters` are the pages' patterns, with running heads."""

    def __init__(
        self,
        flow: Flow,
        styles: Styles,
        page_styles: Styles,
        masters: Mapping[str, Any],
        keep_hidden: bool,
    ) -> None:
        self._flow = flow
        self._page_styles = page_styles
        self._masters = masters
        self._keep_hidden = keep_hidden
        self._inline = Inline(flow, styles, keep_hidden)
        self._lists = Lists()
        self._slot = Slot.BODY
        self._boxes = 0  # how many text boxes we are in: their pages end elsewhere
        self._caught: _Caught | None = None
        self._mark = ""  # of the note whose first paragraph is to come

    @property
    def _styles(self) -> Styles:
        return self._inline.styles

    def document(self, body: Any) -> None:
        """The whole document, its running heads and feet, notes and comments."""
        self._inline.prepare(body)
        self._running("Standard" if "Standard" in self._masters else next(iter(self._masters), ""))
        self._blocks(body, Place(Look(), PAPER))
        self._inline.end()

    def _running(self, master: str) -> None:
        """The heads and feet of the pages that now begin."""
        node = self._masters.get(master)
        if node is None:
            return
        before, self._inline.styles = self._inline.styles, self._page_styles
        for slot, tag in ((Slot.HEAD, "header"), (Slot.FOOT, "footer")):
            for which in ("", "-first", "-left"):
                part = node.find(f"{STYLE}{tag}{which}")
                if part is not None and part.get(f"{STYLE}display") != "false":
                    self._aside(slot, part, Place(Look(), PAPER))
        self._inline.styles = before

    def _aside(self, slot: Slot, node: Any, place: Place) -> None:
        """All below `node`, in another place of the page than its body."""
        before = self._slot, self._caught
        self._slot, self._caught = slot, None
        self._blocks(node, place)
        self._slot, self._caught = before

    def _blocks(self, parent: Any, place: Place) -> None:
        for node in parent.iterchildren():
            self._block(node, place)

    def _block(self, node: Any, place: Place) -> None:
        tag = node.tag
        if tag in (f"{TEXT}p", f"{TEXT}h"):
            self._paragraph(node, place, "")
        elif tag == f"{TEXT}list":
            self._list(node, place, "", 1)
        elif tag == f"{TABLE}table":
            self._table(node, place)
        elif tag == f"{TEXT}section":
            self._section(node, place)
        elif tag == f"{TEXT}soft-page-break":
            self._page_break()
        elif tag in _CHANGES:
            self._inline.change(node)
        elif is_shape(node):
            self._shape(node, place)
        elif tag not in _NO_TEXT:
            self._blocks(node, place)

    def _section(self, node: Any, place: Place) -> None:
        display = node.get(f"{TEXT}display")
        is_hidden = node.get(f"{TEXT}is-hidden") == "true"
        if display == "none" or (display == "condition" and is_hidden):
            self._flow.tell(FindingKind.HIDDEN_MARKUP, paragraphs_text(node))
            if not self._keep_hidden:
                return
        self._blocks(node, place)

    def _page_break(self) -> None:
        if self._caught is not None:
            if self._caught.any:
                self._caught.late += 1
            else:
                self._caught.early += 1
        elif self._slot is Slot.BODY and not self._boxes:
            self._flow.page_break(hard=False)

    def _breaks_before(self, family: str, name: str) -> Breaks:
        breaks = self._styles.breaks(family, name)
        if self._slot is not Slot.BODY or self._boxes or self._caught is not None:
            return Breaks()
        if breaks.before:
            self._page_break()
        if breaks.master:
            self._running(breaks.master)
        return breaks

    def _paragraph(self, node: Any, place: Place, label: str) -> None:
        name = str(node.get(f"{TEXT}style-name", ""))
        breaks = self._breaks_before("paragraph", name)
        level = self._level(node, name)
        if node.tag == f"{TEXT}h" and not label and not place.in_list and self._is_numbered(node):
            start = node.get(f"{TEXT}start-value")
            restart = start if node.get(f"{TEXT}restart-numbering") == "true" else None
            label = self._lists.label(self._styles, "", max(level, 1), restart)
        texts: list[str] = []
        after: list[Aside] = []
        for item in self._inline.items(node, name, place):
            if isinstance(item, Aside):
                after.append(item)
            elif item == PAGE_END:
                label = self._add("".join(texts), label, level)
                texts.clear()
                self._page_break()
            else:
                texts.append(item)
        self._add("".join(texts), label, level)
        for item in after:
            if item.mark:
                self._mark = item.mark
                self._aside(Slot.NOTE, item.node, Place(Look(), PAPER))
            else:
                self._shape(item.node, place)
        if breaks.after:
            self._page_break()

    def _is_numbered(self, heading: Any) -> bool:
        return heading.get(f"{TEXT}is-list-header") != "true" and self._slot is Slot.BODY

    def _level(self, node: Any, name: str) -> int:
        """The level of a heading, 0 for none, -1 for the title."""
        if self._slot is not Slot.BODY:
            return 0
        if self._styles.is_title(name):
            return -1
        if node.tag == f"{TEXT}h":
            return max(whole(node.get(f"{TEXT}outline-level"), 1), 1)
        return self._styles.outline(name)

    def _add(self, text: str, label: str, level: int) -> str:
        """Add a paragraph, or a part of one, unless it is blank; the label that is still due."""
        text = re.sub(r"[ \n]*\n[ \n]*", "\n", text).strip()
        if not text:
            return label
        text = f"{label} {text}".strip()
        if self._caught is not None:
            self._caught.texts.append(text)
            self._caught.any = True
            return ""
        if self._slot is Slot.NOTE and self._mark:
            text, self._mark = f"{self._mark} {text}", ""
        kind = Kind.HEADING if level else Kind.TEXT
        self._flow.add(Piece(text, kind, max(level, 0)), self._slot)
        return ""

    def _list(self, node: Any, place: Place, above: str, level: int) -> None:
        """A list; one without a style has that of the list, or of the paragraph, that it is in."""
        style = str(node.get(f"{TEXT}style-name", above))
        if not style:
            first = next(node.iter(f"{TEXT}p", f"{TEXT}h"), None)
            name = "" if first is None else str(first.get(f"{TEXT}style-name", ""))
            style = self._styles.list_style(name)
        goes_on = node.get(f"{TEXT}continue-numbering") == "true" or node.get(
            f"{TEXT}continue-list"
        )
        if level == 1 and not goes_on:
            self._lists.begin(style)
        place = replace(place, in_list=True)
        for item in node.iterchildren(f"{TEXT}list-item", f"{TEXT}list-header"):
            due = item.tag == f"{TEXT}list-item"
            for child in item.iterchildren():
                if child.tag == f"{TEXT}list":
                    self._list(child, place, style, level + 1)
                elif child.tag in (f"{TEXT}p", f"{TEXT}h"):
                    start = item.get(f"{TEXT}start-value")
                    label = self._lists.label(self._styles, style, level, start) if due else ""
                    due = False
                    self._paragraph(child, place, label)
                else:
                    self._block(child, place)

    def _shape(self, node: Any, place: Place) -> None:
        """A frame or drawn shape: its text; a file within is told."""
        if node.tag in (f"{DRAW}object", f"{DRAW}object-ole"):
            self._flow.tell(FindingKind.EMBEDDED_FILE, str(node.get(_LINK, "object")), 0)
            return
        self._boxes += 1
        self._blocks(node, replace(place, behind=UNKNOWN, in_list=False))
        self._boxes -= 1

    def _table(self, node: Any, place: Place) -> None:
        name = str(node.get(f"{TABLE}style-name", ""))
        breaks = self._breaks_before("table", name)
        place = replace(place, behind=self._styles.ground("table", name, place.behind))
        heads: list[Piece] = []
        spans: dict[int, _Span] = {}
        rows = due = 0
        for line, marked in _rows(node):
            if line.tag == f"{TEXT}soft-page-break":
                due += 1
                continue
            if line.get(f"{TABLE}visibility") in ("collapse", "filter"):
                self._flow.tell(FindingKind.HIDDEN_MARKUP, paragraphs_text(line))
                if not self._keep_hidden:
                    continue
            outer, self._caught = self._caught, _Caught()
            cells = self._cells(line, place, spans)
            caught, self._caught = self._caught, outer
            if outer is not None:
                outer.texts.append(", ".join(text for text, _ in cells if text) + ";")
                outer.any = outer.any or caught.any
                continue
            self._goes_on(due + caught.early, heads)
            due = caught.late
            head = not rows or (marked and rows == len(heads))
            piece = row(cells, head=head)
            if piece is not None:
                rows += 1
                heads += [piece] if head else []
                repeats = min(whole(line.get(f"{TABLE}number-rows-repeated"), 1), _MOST_REPEATS)
                for _ in range(max(repeats, 1)):
                    self._flow.add(piece, self._slot)
        if breaks.after:
            self._page_break()

    def _goes_on(self, breaks: int, heads: list[Piece]) -> None:
        """End pages before a row; a table that goes on repeats its heads there."""
        if not breaks or self._slot is not Slot.BODY or self._boxes:
            return
        for _ in range(breaks):
            self._page_break()
        for piece in heads:
            self._flow.add(piece)

    def _cells(self, line: Any, place: Place, spans: dict[int, _Span]) -> list[tuple[str, int]]:
        """(text, columns) of the cells of a row; what reaches down from above is repeated."""
        name = str(line.get(f"{TABLE}style-name", ""))
        behind = self._styles.ground("table-row", name, place.behind)
        cells: list[tuple[str, int]] = []
        column = covered = 0
        for cell in line.iterchildren(f"{TABLE}table-cell", f"{TABLE}covered-table-cell"):
            times = whole(cell.get(f"{TABLE}number-columns-repeated"), 1, MOST_COLUMNS)
            text = ""
            if cell.tag == f"{TABLE}table-cell":
                text = self._cell(cell, replace(place, behind=behind))
            for _ in range(max(min(times, MOST_COLUMNS - column), 1)):
                span = spans.get(column)
                if cell.tag == f"{TABLE}table-cell":
                    across = whole(cell.get(f"{TABLE}number-columns-spanned"), 1, MOST_COLUMNS)
                    down = whole(cell.get(f"{TABLE}number-rows-spanned"), 1)
                    cells.append((text, max(across, 1)))
                    covered = max(across, 1) - 1
                    spans.pop(column, None)
                    if down > 1:
                        spans[column] = _Span(carried(text), down - 1)
                elif span is not None and span.rows:
                    span.rows -= 1
                    cells.append((span.text, 1))
                    covered = 0
                elif covered:
                    covered -= 1
                else:
                    cells.append(("", 1))
                column += 1
        return cells

    def _cell(self, cell: Any, place: Place) -> str:
        name = str(cell.get(f"{TABLE}style-name", ""))
        behind = self._styles.ground("table-cell", name, place.behind)
        caught = self._caught
        self._blocks(cell, replace(place, behind=behind, in_list=False))
        if caught is None:
            return ""
        text = " ".join(caught.texts)
        caught.texts.clear()
        return text


def _rows(table: Any, marked: bool = False) -> Iterator[tuple[Any, bool]]:
    """The rows of a table, and where pages end between them; whether each is marked as a head."""
    for node in table.iterchildren():
        if node.tag in (f"{TABLE}table-row", f"{TEXT}soft-page-break"):
            yield node, marked
        elif node.tag == f"{TABLE}table-header-rows":
            yield from _rows(node, True)
        elif node.tag in (f"{TABLE}table-rows", f"{TABLE}table-row-group"):
            yield from _rows(node, marked)
