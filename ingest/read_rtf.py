"""RTF: text with its drawn numbers, tables as rows, notes, running heads and pages.

RTF is a stream of groups and control words (Rich Text Format Specification 1.9.1); what is drawn
follows from the state that they set. Hidden and deleted text, comments and embedded objects are
told and kept apart (see `ingest.pages.FindingKind`). Nothing is run and nothing fetched: fields
give the result that the file holds.

A page ends at a page or section break. A file that is cut off within its text is damaged.
"""

from __future__ import annotations

from ingest.errors import Failure, ReadFailure
from ingest.office_flow import Flow, Slot
from ingest.options import ReadOptions
from ingest.pages import ReadDocument
from ingest.rtf_layout import Layout, Sink
from ingest.rtf_state import (
    DRAWN_THOUGH_STARRED,
    NAMED,
    SIGNS,
    SKIPPED,
    WORDS,
    Goal,
    State,
)
from ingest.rtf_tokens import Token, What, charset, code_page, family, tokens

MEDIA_TYPE = "application/rtf"

_DEEPEST = 1_000  # groups within groups
_OTHER_STYLES = ("cs", "ds", "ts")  # of characters, sections and tables, which stand after \*
_NOTES = ("footnote", "annotation")
_HEADS = tuple(f"header{which}" for which in ("", "l", "r", "f"))
_FEET = tuple(f"footer{which}" for which in ("", "l", "r", "f"))
_BOXES = ("shptxt", "dptxbxtext")
_TABLES = {
    "fonttbl": Goal.FONTS, "colortbl": Goal.COLORS, "stylesheet": Goal.STYLES,
}  # fmt: skip


def read(data: bytes, options: ReadOptions) -> ReadDocument:
    """The document in `data`.

    Raises ReadFailure (CORRUPT, TOO_DEEP, TOO_MANY_PAGES, TOO_MUCH_OUTPUT).
    """
    if not data.lstrip(b"\xef\xbb\xbf \t\r\n\0").startswith(b"{\\rtf"):
        raise ReadFailure(Failure.CORRUPT)
    flow = Flow(options)
    reader = _Reader(Layout(flow, options.keep_hidden))
    for token in tokens(data.lstrip(b"\xef\xbb\xbf \t\r\n\0")):
        reader.take(token)
        if not reader.depth:
            break
    if reader.depth > 1:  # some programs forget the last brace; more than that is a file cut off
        raise ReadFailure(Failure.CORRUPT)
    reader.end()
    return flow.document(MEDIA_TYPE, reader.title)


class _Reader:
    """Takes the tokens of a file in order and hands its pieces to a flow."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._stack: list[State] = []
        self._state = State()
        self._usual = "cp1252"  # for fonts that name no character set
        self._default = 0  # the font of text that names none
        self._fonts: dict[int, str] = {}
        self._bytes = bytearray()  # not decoded yet
        self._units: list[int] = []  # UTF-16, not joined yet
        self._skip = 0  # bytes that stand for a \u
        self._first = self._starred = False  # a group has just begun, with \*
        self._captured = ""
        self._noted = 0  # marks drawn so far
        self._mark = ""  # of the note to come
        self._words: dict[str, str] = {}  # of the comment to come: who wrote it, its number
        self.title = ""

    @property
    def depth(self) -> int:
        """How many groups are open."""
        return len(self._stack)

    def take(self, token: Token) -> None:
        """The next token. Raises ReadFailure."""
        if token.what is What.HEX or token.what is What.TEXT:
            self._first = False
            data = token.data
            if self._skip:
                gone = min(self._skip, len(data))
                self._skip -= gone
                data = data[gone:]
            self._bytes += data
            return
        if token.what is What.OPEN or token.what is What.CLOSE:
            self._decode()
            self._skip = 0
            self._open_group() if token.what is What.OPEN else self._close_group()
            return
        if token.what is What.WORD and token.name == "u":
            self._decode(units=False)
            self._first = False
            self._units.append((token.number or 0) & 0xFFFF)
            self._skip = self._state.fallback
            return
        if self._skip and not (token.what is What.SIGN and token.name == "*"):
            self._skip -= 1
            if token.what is What.SIGN or token.name in WORDS:
                return
        if self._bytes or self._units:
            self._decode()
        if token.what is What.SIGN:
            self._sign(token.name)
        else:
            self._word(token.name, token.number)

    def end(self) -> None:
        """The file ends."""
        self._decode()
        self._layout.end(State())

    def _open_group(self) -> None:
        if len(self._stack) >= _DEEPEST:
            raise ReadFailure(Failure.TOO_DEEP)
        self._stack.append(self._state)
        self._state = self._state.copy()
        self._state.name = ""
        self._first, self._starred = True, False

    def _close_group(self) -> None:
        if not self._stack:
            return
        ended, self._state = self._state, self._stack.pop()
        self._first = self._starred = False
        if ended.goal is Goal.CAPTURED and ended.name:
            self._keep(ended.name, " ".join(self._captured.split()))
        if ended.goal is Goal.STYLES and self._captured.strip(" ;"):
            self._keep_style(ended, self._captured.strip(" ;").lower())
        if ended.sink != self._state.sink:
            sink = self._layout.close(ended)
            if sink.comment:
                self._comment(sink)

    def _keep(self, name: str, words: str) -> None:
        self._captured = ""
        if name == "title":
            self.title = self.title or words
        elif name in ("atrfstart", "atrfend"):
            self._layout.about(words, opens=name == "atrfstart")
        elif name == "objclass":
            self._layout.embedded(words or "OLE object")
        else:
            self._words[name] = words

    def _keep_style(self, state: State, name: str) -> None:
        self._captured = ""
        if state.style is None:  # of characters, or the usual one
            return
        if name.startswith("heading ") and name[8:9].isdigit():
            self._layout.styles[state.style] = int(name[8])
        elif name == "title":
            self._layout.styles[state.style] = -1
        elif state.outline is not None and state.outline < 9:
            self._layout.styles[state.style] = state.outline + 1

    def _comment(self, sink: Sink) -> None:
        number = self._words.pop("atnref", "")
        author = self._words.pop("atnauthor", "") or self._words.pop("atnid", "")
        self._words.pop("atnid", None)
        self._layout.comment(author, number, "\n".join(sink.lines))

    def _sign(self, sign: str) -> None:
        if sign == "*":
            self._starred = self._first
            return
        self._first = False
        if sign in "\r\n":
            self._layout.paragraph(self._state)
        elif sign in SIGNS:
            self._text(SIGNS[sign])

    def _word(self, word: str, number: int | None) -> None:
        first, starred = self._first, self._starred
        self._first = self._starred = False
        if first and self._destination(word, number, starred):
            return
        if self._state.goal is Goal.NOWHERE:
            return
        if self._state.goal is Goal.COLORS:
            self._layout.colors.part(word, number)
        elif word in WORDS:
            self._text(WORDS[word])
        elif self._state.change(word, number):
            if word == "f" and self._state.goal is Goal.FONTS:
                self._fonts.setdefault(number or 0, self._usual)
        elif self._layout.layout(word, self._state):
            pass
        elif word == "chftn":
            self._note_mark()
        elif not self._encoding(word, number or 0) and self._state.name != "nesttableprops":
            self._layout.define(word, number, self._state)

    def _encoding(self, word: str, number: int) -> bool:
        """Whether `word` says how bytes are to be read as text, which is noted here."""
        if word in ("fcharset", "cpg"):
            if self._state.font is not None:
                named = charset(number, self._usual) if word == "fcharset" else code_page(number)
                self._fonts[self._state.font] = named
        elif word == "deff":
            self._default = number
        elif word == "ansicpg":
            self._usual = code_page(number)
        elif family(word):
            self._usual = family(word)
        else:
            return False
        return True

    def _destination(self, word: str, number: int | None, starred: bool) -> bool:
        """Whether `word` opens a destination: says where the text of its group goes."""
        state = self._state
        if word in NAMED and not (word in ("title", "author") and state.goal is Goal.DRAWN):
            state.goal, state.name = Goal.CAPTURED, word
            self._captured = ""
        elif state.goal is Goal.NOWHERE and word != "ud":
            pass  # all that is within what is not drawn is not drawn
        elif word in _TABLES:
            state.goal = _TABLES[word]
            self._captured = ""
        elif word in SKIPPED:
            state.goal = Goal.NOWHERE
        elif word in (*_NOTES, *_HEADS, *_FEET, *_BOXES):
            self._begin(word)
        elif word == "ud":
            state.goal = Goal.DRAWN
        elif word == "nesttableprops":
            state.name = word  # it ends a row within a cell, and defines none of ours
        elif starred and word not in DRAWN_THOUGH_STARRED:
            if state.goal is not Goal.STYLES or word not in _OTHER_STYLES:
                state.goal = Goal.NOWHERE
        else:
            return False
        return True

    def _begin(self, word: str) -> None:
        """A run of paragraphs of its own begins with this group."""
        sink = Sink()
        if word == "footnote":
            sink.slot, sink.mark, self._mark = Slot.NOTE, self._mark, ""
        elif word == "annotation":
            sink.comment = True
        elif word in _HEADS:
            sink.slot = Slot.HEAD
        elif word in _FEET:
            sink.slot = Slot.FOOT
        self._state.sink = self._layout.open(sink)
        self._state.new_paragraph()
        self._state.plain()

    def _note_mark(self) -> None:
        if self._layout.is_note(self._state):
            return  # the note repeats its mark
        self._noted += 1
        self._mark = f"[^{self._noted}]"
        self._text(self._mark)

    def _decode(self, *, units: bool = True) -> None:
        """Hand over the text that came as bytes, and with `units` that which came as \\u."""
        if self._bytes:
            self._join_units()
            font = self._default if self._state.font is None else self._state.font
            encoding = self._fonts.get(font, self._usual)
            data, self._bytes = bytes(self._bytes), bytearray()
            self._text(data.decode(encoding, "replace"))
        if units:
            self._join_units()

    def _join_units(self) -> None:
        if self._units:
            data = b"".join(unit.to_bytes(2, "little") for unit in self._units)
            self._units.clear()
            self._text(data.decode("utf-16-le", "replace"))

    def _text(self, text: str) -> None:
        goal = self._state.goal
        if goal is Goal.DRAWN:
            self._layout.text(text, self._state)
        elif goal is Goal.COLORS:
            for _ in range(text.count(";")):
                self._layout.colors.end()
        elif goal in (Goal.CAPTURED, Goal.STYLES) and len(self._captured) < 10_000:
            self._captured += text
