"""RTF's runs of text as pieces of pages: paragraphs, rows, notes, and what is left out of them.

A file interrupts its text anywhere with text of another place: a note, a running head, a text box.
Each is a sink of its own here; what the sinks gather goes to one flow.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ingest.office_flow import CARRIED, MOST_COLUMNS, Flow, Slot, carried, row
from ingest.pages import FindingKind, Kind, Piece
from ingest.rtf_state import Colors, State


@dataclass(slots=True)
class Sink:
    """A run of paragraphs: the body, or a note, a running head, a text box of its own."""

    slot: Slot = Slot.BODY
    mark: str = ""
    comment: bool = False
    text: list[str] = field(default_factory=list)  # of the paragraph so far
    lines: list[str] = field(default_factory=list)  # of a comment so far
    cells: list[str] = field(default_factory=list)  # of the row so far
    nested: list[str] = field(default_factory=list)  # cells of the row of a table in a cell
    defined: list[tuple[str, int]] = field(default_factory=list)  # cells: merging, shading
    merged: dict[int, str] = field(default_factory=dict)
    rows: int = 0  # of the table so far
    marked: bool = False  # the row is defined as a head


class Layout:
    """Takes text, ends of paragraphs, cells, rows and pages, each in the sink of its state."""

    def __init__(self, flow: Flow, keep_hidden: bool) -> None:
        self.colors = Colors()
        self.styles: dict[int, int] = {}  # headings: style number to level, -1 for a title
        self.section_breaks = True  # the section that begins does so on a new page
        self._flow = flow
        self._keep_hidden = keep_hidden
        self._sinks = [Sink()]
        self._boxed: list[Piece] = []  # text of boxes, which follows what anchors them
        self._untold: tuple[FindingKind, list[str]] | None = None
        self._section_due = False
        self._about: dict[str, str] = {}  # by comment: what it is about
        self._open: set[str] = set()  # comments whose text goes on

    def open(self, sink: Sink) -> int:
        """Begin a sink; its number, which is 0 for the body."""
        if sink.slot in (Slot.HEAD, Slot.FOOT):
            self._settle()  # it belongs to the section that begins
        self._sinks.append(sink)
        return len(self._sinks) - 1

    def close(self, state: State) -> Sink:
        """End the last sink, whose last state was `state`."""
        sink = self._sinks[-1]
        self.paragraph(state)
        self._end_table(sink)
        return self._sinks.pop()

    def end(self, state: State) -> None:
        """The file ends."""
        self.paragraph(state)
        self._end_table(self._sinks[0])
        self._draw_boxes()
        self._report()

    def about(self, comment: str, *, opens: bool) -> None:
        """What a comment is about begins or ends here."""
        if opens:
            self._open.add(comment)
            self._about[comment] = ""
        else:
            self._open.discard(comment)

    def comment(self, author: str, number: str, text: str) -> None:
        """A comment on what its `number` was about."""
        self._report()
        self._flow.comment(author, self._about.pop(number, ""), text)
        self._open.discard(number)

    def embedded(self, name: str) -> None:
        """A file within."""
        self._report()
        self._flow.tell(FindingKind.EMBEDDED_FILE, name, 0)

    def is_note(self, state: State) -> bool:
        """Whether text of this state is that of a note."""
        return self._sinks[state.sink].slot is Slot.NOTE

    def text(self, text: str, state: State) -> None:
        """Text that is drawn, or would be if it were not hidden or deleted."""
        sink = self._sinks[state.sink]
        if sink is self._sinks[0]:
            self._settle()
        place = len(sink.cells)
        shaded = sink.defined[place][1] if state.in_table and place < len(sink.defined) else 0
        if state.deleted:
            self._tell(FindingKind.TRACKED_DELETION, text)
            return
        unseen = state.unseen(self.colors, shaded)
        if unseen is not None:
            self._tell(unseen, text)
            if not self._keep_hidden:
                return
        if state.inserted:
            self._tell(FindingKind.TRACKED_INSERTION, text)
        for number in () if sink.comment else tuple(self._open):
            self._about[number] += text
            if len(self._about[number]) > CARRIED:
                self._open.discard(number)
        sink.text.append(text)

    def layout(self, word: str, state: State) -> bool:
        """Whether `word` ends a paragraph, a cell, a row or a page, which is done here."""
        sink = self._sinks[state.sink]
        if word == "par":
            self.paragraph(state)
        elif word == "cell":
            sink.cells.append(self._drawn(sink))
        elif word == "row":
            self._row(sink)
        elif word == "nestcell":
            sink.nested.append(self._drawn(sink))
        elif word == "nestrow":
            sink.text.append(f"{', '.join(sink.nested)}; ")
            sink.nested.clear()
        elif word in ("page", "softpage"):
            self._page(state, hard=word == "page")
        elif word == "sect":
            self.paragraph(state)
            self._section_due, self.section_breaks = state.sink == 0, True
        elif word in ("sbknone", "sbkcol"):
            self.section_breaks = False
        else:
            return False
        return True

    def define(self, word: str, number: int | None, state: State) -> None:
        """Take what `word` says of the row to come, if it says anything of it."""
        sink = self._sinks[state.sink]
        if word == "trowd":
            sink.defined, sink.marked = [("", 0)], False
        elif word == "trhdr":
            sink.marked = True
        elif not sink.defined:
            return
        elif word == "cellx":
            if len(sink.defined) < MOST_COLUMNS:
                sink.defined.append(("", 0))
        elif word in ("clmrg", "clvmgf", "clvmrg"):
            sink.defined[-1] = (word, sink.defined[-1][1])
        elif word == "clcbpat":
            sink.defined[-1] = (sink.defined[-1][0], number or 0)

    def paragraph(self, state: State) -> None:
        """A paragraph ends; one in a table is part of its cell."""
        sink = self._sinks[state.sink]
        if state.in_table and (sink.cells or sink.defined):
            sink.text.append("\n")
            return
        text = self._drawn(sink)
        if text or sink.rows:
            self._end_table(sink)
        if not text:
            return
        if sink.comment:
            sink.lines.append(text)
            return
        level = self.styles.get(state.style, 0) if state.style is not None else 0
        if state.outline is not None and state.outline < 9:
            level = state.outline + 1
        if state.new_page and sink is self._sinks[0]:
            self._flow.page_break(hard=False)
        if sink.slot is not Slot.BODY:
            level = 0
            text, sink.mark = f"{sink.mark} {text}".strip(), ""
        kind = Kind.HEADING if level else Kind.TEXT
        self._put(sink, Piece(text.replace("\t", " ", 1), kind, max(level, 0)))
        if sink is self._sinks[0]:
            self._draw_boxes()

    def _settle(self) -> None:
        """The first text of a section: now it is known whether it begins on a new page."""
        if self._section_due:
            self._section_due = False
            if self.section_breaks:
                self._report()
                self._draw_boxes()
                self._flow.page_break(hard=False)

    def _page(self, state: State, *, hard: bool) -> None:
        if state.sink or state.in_table:
            return
        self.paragraph(state)
        self._end_table(self._sinks[0])
        self._draw_boxes()
        self._report()
        self._flow.page_break(hard=hard)

    def _tell(self, kind: FindingKind, text: str) -> None:
        """Gather what is told until it changes: it comes in many short runs."""
        if self._untold is not None and self._untold[0] is kind:
            self._untold[1].append(text)
        else:
            self._report()
            self._untold = (kind, [text])

    def _report(self) -> None:
        if self._untold is not None:
            self._flow.tell(self._untold[0], "".join(self._untold[1]))
            self._untold = None

    def _drawn(self, sink: Sink) -> str:
        text = "".join(sink.text).strip()
        sink.text.clear()
        self._report()
        return text

    def _row(self, sink: Sink) -> None:
        rest = self._drawn(sink)
        if rest:
            sink.cells.append(rest)
        cells: list[tuple[str, int]] = []
        for place, text in enumerate(sink.cells):
            merging = sink.defined[place][0] if place < len(sink.defined) else ""
            if merging == "clmrg" and cells:
                before, across = cells[-1]
                cells[-1] = (f"{before} {text}".strip(), across + 1)
                continue
            if merging == "clvmgf":
                sink.merged[place] = carried(text)
            kept = sink.merged.get(place, "") if merging == "clvmrg" else ""
            cells.append((text or kept, 1))
        sink.cells.clear()
        piece = row(cells, head=sink.marked or not sink.rows)
        if piece is None:
            return
        sink.rows += 1
        if sink.comment:
            sink.lines.append(piece.text)
        else:
            self._put(sink, piece)

    def _put(self, sink: Sink, piece: Piece) -> None:
        if sink is not self._sinks[0] and sink.slot is Slot.BODY:
            self._boxed.append(piece)
        else:
            self._flow.add(piece, sink.slot)

    def _draw_boxes(self) -> None:
        for piece in self._boxed:
            self._flow.add(piece)
        self._boxed.clear()

    def _end_table(self, sink: Sink) -> None:
        """What is not in a table ends the one before it."""
        if sink.cells:
            self._row(sink)
        sink.rows = 0
        sink.defined, sink.merged = [], {}
