"""What a paragraph of WordprocessingML draws, in order: text, and what stands or happens in it.

Fields give their results, not their instructions; tracked insertions are text, deletions are not;
of alternative content the first choice counts. Text that nobody sees is told apart from the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from ingest.docx_drawing import MC, Drawn, TextBox, Told, drawn
from ingest.docx_look import Style, Styles, W, is_on, number, seen, shading, value
from ingest.office_flow import CARRIED
from ingest.office_look import UNKNOWN
from ingest.pages import FindingKind

_M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"

_LEFT_OUT = frozenset(
    f"{W}{name}"
    for name in (
        "pPr", "rPr", "sdtPr", "sdtEndPr", "instrText", "delInstrText", "delText", "customXmlPr",
        "smartTagPr",
    )
) | {f"{_M}rPr", f"{_M}ctrlPr"}  # fmt: skip
_PLAIN_MARKS = {
    f"{W}tab": "\t", f"{W}ptab": "\t", f"{W}cr": "\n", f"{W}noBreakHyphen": "-",
    f"{W}softHyphen": "",
}  # fmt: skip
_SYMBOLS = {  # of the fonts Wingdings and Symbol, which forms are ticked with
    "F0FE": "☒", "F0FD": "☒", "F078": "☒", "F0A8": "☐", "F06F": "☐", "F071": "☐", "F052": "☑",
    "F0FC": "✓", "F0FB": "✗", "F0B7": "•", "F0A7": "▪", "F0E0": "→", "F0E8": "→", "F0DF": "←",
    "F0B3": "≥", "F0A3": "≤", "F0B1": "±", "F0B4": "×", "F0B9": "≠", "F06D": "μ", "F057": "Ω",
    "F0D2": "®", "F0D3": "©", "F0D4": "™", "F0B0": "°", "F0A5": "∞",
}  # fmt: skip


_FORMULA_PARTS = {f"{_M}num": "", f"{_M}den": "/", f"{_M}sup": "^", f"{_M}sub": "_"}


class Break(Enum):
    """Where a page ends: because the text says so, or because Word last broke it there."""

    HARD = auto()
    SOFT = auto()


@dataclass(frozen=True, slots=True)
class Note:
    """A reference to a footnote or endnote ("footnotes", "endnotes"). `mark` is "" where the text
    has a mark of its own.
    """

    part: str
    id: str
    mark: str


@dataclass(frozen=True, slots=True)
class Comment:
    """The end of what a comment is about."""

    id: str
    about: str


Item = str | Break | Told | Note | TextBox | Drawn | Comment


@dataclass(frozen=True, slots=True)
class _Setting:
    """Where text stands: the style of its paragraph, the colour behind it, why it is not seen."""

    style: Style
    behind: str
    unseen: FindingKind | None = None


@dataclass(slots=True)
class Marks:
    """Draws the marks of notes, in the order in which they are referred to."""

    formats: dict[str, str]  # by "footnotes" and "endnotes": ST_NumberFormat
    draw: Callable[[int, str], str]  # a number in a format
    counts: dict[str, int] = field(default_factory=dict)

    def next(self, part: str) -> str:
        """The mark of the next note of that part."""
        self.counts[part] = self.counts.get(part, 0) + 1
        return self.draw(self.counts[part], self.formats[part])


@dataclass(slots=True)
class Texts:
    """Reads paragraphs in order; fields and comments may reach over several."""

    styles: Styles
    marks: Marks
    keep_hidden: bool
    _fields: list[bool] = field(default_factory=list)  # of each open field: in its instruction
    _open: dict[str, str] = field(default_factory=dict)  # what each open comment is about so far
    _ended: dict[str, str] = field(default_factory=dict)  # and each whose reference is to come

    def items(self, paragraph: Any, behind: str) -> Iterator[Item]:
        """What the w:p draws on ground of the colour `behind`."""
        style = self.styles.paragraph(paragraph)
        own = shading(paragraph.find(f"{W}pPr"))
        ground = next((one for one in (own, style.behind) if one is not None), behind)
        yield from self._children(paragraph, _Setting(style, ground))
        # A field whose instruction never ends would swallow the rest of the document.
        self._fields = [instruction for instruction in self._fields if not instruction]

    def plain(self, parent: Any) -> str:
        """All that the paragraphs below `parent` draw, as text: for comments."""
        about, self._open = self._open, {}
        lines = [
            "".join(one for one in self.items(node, UNKNOWN) if isinstance(one, str))
            for node in parent.iter(f"{W}p")
        ]
        self._open = about
        return "\n".join(line for line in lines if line.strip())

    def _children(self, node: Any, setting: _Setting) -> Iterator[Item]:
        for child in node.iterchildren():
            if child.tag not in _LEFT_OUT:
                yield from self._node(child, setting)

    def _node(self, node: Any, setting: _Setting) -> Iterator[Item]:
        handler = _HANDLERS.get(node.tag)
        if handler is not None:
            return handler(self, node, setting)
        return self._children(node, setting)

    def _drawn_text(self, node: Any, setting: _Setting) -> Iterator[Item]:
        return self._text(node.text or "", setting)

    def _mark(self, node: Any, setting: _Setting) -> Iterator[Item]:
        return self._text(_PLAIN_MARKS[node.tag], setting)

    def _symbol(self, node: Any, setting: _Setting) -> Iterator[Item]:
        return self._text(_SYMBOLS.get(str(node.get(f"{W}char", "")).upper(), ""), setting)

    def _line_break(self, node: Any, setting: _Setting) -> Iterator[Item]:
        if node.get(f"{W}type") == "page":
            yield Break.HARD
        else:
            yield from self._text("\n", setting)

    def _rendered_break(self, node: Any, setting: _Setting) -> Iterator[Item]:
        yield Break.SOFT

    def _alternative(self, node: Any, setting: _Setting) -> Iterator[Item]:
        choice = node.find(f"{MC}Choice")
        return self._children(node if choice is None else choice, setting)

    def _formula_part(self, node: Any, setting: _Setting) -> Iterator[Item]:
        yield from self._text(_FORMULA_PARTS[node.tag], setting)
        yield from self._children(node, setting)

    def _deleted(self, node: Any, setting: _Setting) -> Iterator[Item]:
        yield Told(FindingKind.TRACKED_DELETION, deleted_text(node))

    def _drawing(self, node: Any, setting: _Setting) -> Iterator[Item]:
        return drawn(node, setting.unseen is FindingKind.HIDDEN_MARKUP, self.keep_hidden)

    def _run(self, node: Any, setting: _Setting) -> Iterator[Item]:
        properties = node.find(f"{W}rPr")
        found = self.styles.run(properties, setting.style)
        ground = setting.behind
        yield from self._children(node, _Setting(setting.style, ground, seen(found, ground)))

    def _text(self, text: str, setting: _Setting) -> Iterator[Item]:
        if not text or any(self._fields):
            return
        text = text.replace("\f", " ").replace("\v", " ")
        if setting.unseen is not None:
            yield Told(setting.unseen, text)
            if not self.keep_hidden:
                return
        for comment_id in list(self._open):
            about = self._open[comment_id] + text
            self._open[comment_id] = about
            if len(about) > CARRIED:  # enough: a comment may be about the whole document
                self._ended[comment_id] = self._open.pop(comment_id)
        yield text

    def _inserted(self, node: Any, setting: _Setting) -> Iterator[Item]:
        inserted: list[str] = []
        for item in self._children(node, setting):
            if isinstance(item, str):
                inserted.append(item)
            yield item
        yield Told(FindingKind.TRACKED_INSERTION, "".join(inserted))

    def _note(self, node: Any, setting: _Setting) -> Iterator[Item]:
        if setting.unseen is not None and not self.keep_hidden:
            return
        part = "footnotes" if node.tag == f"{W}footnoteReference" else "endnotes"
        mark = ""
        if node.get(f"{W}customMarkFollows") not in ("1", "true", "on"):
            mark = f"[^{self.marks.next(part)}]"
            yield from self._text(mark, setting)
        yield Note(part, str(node.get(f"{W}id", "")), mark)

    def _field(self, node: Any, setting: _Setting) -> Iterator[Item]:
        kind = node.get(f"{W}fldCharType")
        if kind == "begin":
            yield from self._text(_form_field(node.find(f"{W}ffData")), setting)
            self._fields.append(True)
        elif kind == "separate" and self._fields:
            self._fields[-1] = False
        elif kind == "end" and self._fields:
            self._fields.pop()

    def _comment(self, node: Any, setting: _Setting) -> Iterator[Item]:
        """What a comment is about stands before its end, and its reference after that."""
        comment_id = str(node.get(f"{W}id", ""))
        if node.tag == f"{W}commentRangeStart":
            self._open[comment_id] = ""
            return
        if comment_id in self._open:
            self._ended[comment_id] = self._open.pop(comment_id)
        if node.tag == f"{W}commentReference":
            yield Comment(comment_id, self._ended.pop(comment_id, ""))


_HANDLERS: dict[str, Callable[[Texts, Any, _Setting], Iterator[Item]]] = {
    f"{W}r": Texts._run,
    f"{W}t": Texts._drawn_text,
    f"{_M}t": Texts._drawn_text,
    **dict.fromkeys(_PLAIN_MARKS, Texts._mark),
    f"{W}sym": Texts._symbol,
    f"{W}br": Texts._line_break,
    f"{W}lastRenderedPageBreak": Texts._rendered_break,
    f"{W}ins": Texts._inserted,
    f"{W}moveTo": Texts._inserted,
    f"{W}del": Texts._deleted,
    f"{W}moveFrom": Texts._deleted,
    f"{W}footnoteReference": Texts._note,
    f"{W}endnoteReference": Texts._note,
    f"{W}fldChar": Texts._field,
    f"{W}commentRangeStart": Texts._comment,
    f"{W}commentRangeEnd": Texts._comment,
    f"{W}commentReference": Texts._comment,
    f"{W}drawing": Texts._drawing,
    f"{W}pict": Texts._drawing,
    f"{W}object": Texts._drawing,
    f"{MC}AlternateContent": Texts._alternative,
    **dict.fromkeys(_FORMULA_PARTS, Texts._formula_part),
}


def deleted_text(node: Any) -> str:
    """All text below a node that tracked changes deleted or moved away."""
    return "".join(each.text or "" for each in node.iter(f"{W}delText", f"{W}t"))


def _form_field(data: Any) -> str:
    """What a tick box or list of a form draws; a text field has a result of its own."""
    if data is None:
        return ""
    box = data.find(f"{W}checkBox")
    if box is not None:
        checked = box.find(f"{W}checked")
        return "☒" if is_on(box.find(f"{W}default") if checked is None else checked) else "☐"
    choices = data.find(f"{W}ddList")
    if choices is None:
        return ""
    entries = [str(entry.get(f"{W}val", "")) for entry in choices.iter(f"{W}listEntry")]
    chosen = number(value(choices, "result") or value(choices, "default"))
    return entries[chosen] if chosen < len(entries) else ""
