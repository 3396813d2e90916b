"""Text for the evidence pack's PDF: letter by letter, so that nothing in it can act as markup.

Every text is laid out here, character by character: fonts are chosen for each character, lines are
broken between words or, in long addresses and hashes, anywhere; right-to-left lines are put in
their order (`ui.pack_bidi`). What no font can show, and what would be invisible or would reorder
its neighbours, is drawn as its code point, `[U+202E]`; nothing is dropped. There are no links.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reportlab.lib.colors import Color, HexColor
from reportlab.pdfbase.pdfmetrics import getFont, getRegisteredFontNames, registerFont
from reportlab.pdfbase.ttfonts import TTFError, TTFont
from reportlab.platypus import Flowable

from ui.errors import UsageError
from ui.pack_bidi import has_right_to_left, shaped, starts_right, visual

INK, FAINT, ACCENT = HexColor("#1b1f23"), HexColor("#5c656d"), HexColor("#1f3a5f")
RULE, PANEL, MARK = HexColor("#c9d0d6"), HexColor("#f3f5f7"), HexColor("#ffe27a")
_ASSETS = Path(__file__).parent / "assets"
_REGULAR = ("CloisterSans", _ASSETS / "DejaVuSansCondensed.ttf")
_BOLD = ("CloisterSans-Bold", _ASSETS / "DejaVuSansCondensed-Bold.ttf")
# Format characters (they reorder or hide), controls, lone surrogates, private and unassigned ones.
_SPELT = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_BREAKS_AFTER = frozenset(" -/\\&?=_.,;:@|")
_LONG = 24  # from so many characters on a word without a space may be broken inside


@dataclass(frozen=True, slots=True)
class Style:
    """How a piece of text is drawn; sizes in points."""

    size: float = 9.5
    bold: bool = False
    colour: Color = INK
    mark: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """A character with its marks, in the font that has it; `width` in points."""

    text: str
    font: str
    style: Style
    width: float


@dataclass(frozen=True, slots=True)
class _Line:
    cells: tuple[Cell, ...]
    right: bool  # of a paragraph that runs from right to left


class Fonts:
    """The shipped fonts and, for further scripts, those of the customer (TrueType files)."""

    def __init__(self, further: Sequence[Path] = ()) -> None:
        """Raises UsageError for a file that is no TrueType font."""
        self._regular = [_registered(*_REGULAR)]
        self._bold = [_registered(*_BOLD)]
        for number, path in enumerate(further):
            name = f"CloisterMore{number}-{path.stem}"
            self._regular.append(_registered(name, path))
            self._bold.append(self._regular[-1])
        self._known: dict[tuple[str, bool], tuple[str, str, float]] = {}

    def cells(self, text: str, style: Style) -> list[Cell]:
        """The text of one line, cut into what is drawn at once."""
        found: list[Cell] = []
        for character in shaped(text):
            if character == "\t":
                character = " "
            shown, font, width = self._seen(character, style.bold)
            wide = width * style.size / 1000
            if found and unicodedata.combining(character) and shown == character:
                last = found[-1]
                if last.font == font:
                    found[-1] = replace(last, text=last.text + shown, width=last.width + wide)
                    continue
            found.append(Cell(shown, font, style, wide))
        return found

    def _seen(self, character: str, bold: bool) -> tuple[str, str, float]:
        """What is drawn for a character, in which font, and its width in thousandths."""
        key = character, bold
        if key not in self._known:
            self._known[key] = self._look(character, bold)
        return self._known[key]

    def _look(self, character: str, bold: bool) -> tuple[str, str, float]:
        fonts = self._bold if bold else self._regular
        if unicodedata.category(character) not in _SPELT:
            for font in fonts:
                if ord(character) in font.face.charToGlyph:
                    return character, font.fontName, font.stringWidth(character, 1000)
        spelt = f"[U+{ord(character):04X}]"
        return spelt, fonts[0].fontName, fonts[0].stringWidth(spelt, 1000)


def digest_of(further: Sequence[Path]) -> str:
    """Hex SHA-256 over the fonts that a PDF is made with: with others it has other bytes."""
    found = hashlib.sha256()
    for path in (_REGULAR[1], _BOLD[1], *further):
        try:
            found.update(hashlib.sha256(path.read_bytes()).digest())
        except OSError as error:
            raise UsageError(f"The font {path} cannot be read ({error.strerror}).") from error
    return found.hexdigest()


def _registered(name: str, path: Path) -> Any:
    try:
        if name not in getRegisteredFontNames():
            registerFont(TTFont(name, str(path)))
    except (TTFError, OSError) as error:
        raise UsageError(
            f"{path} is not a TrueType font that can be embedded ({error}); name a .ttf file."
        ) from error
    return getFont(name)


def broken(cells: Sequence[Cell], width: float) -> list[list[Cell]]:
    """Cells in lines no wider than `width`: at a space or sign if there is one, else anywhere."""
    lines: list[list[Cell]] = []
    line: list[Cell] = []
    used = 0.0
    for cell in cells:
        if used + cell.width > width and line and cell.text != " ":
            at = _break(line)
            lines.append(line[:at])
            line = line[at:]
            used = sum(each.width for each in line)
        line.append(cell)
        used += cell.width
    return [*lines, line]


def _break(line: Sequence[Cell]) -> int:
    """Where a full line ends: after its last space, or in a long word after a sign or anywhere."""
    spaces = [n for n, each in enumerate(line, 1) if each.text == " "]
    at = spaces[-1] if spaces else 0
    if at and len(line) - at < _LONG:
        return at
    signs = [n for n, each in enumerate(line, 1) if each.text[-1] in _BREAKS_AFTER and n > at]
    return signs[-1] if signs and signs[-1] > len(line) // 2 else len(line)


@dataclass
class Look:
    """How a block stands on the page, in points. `panel`: on a grey ground."""

    leading: float = 13.5
    indent: float = 0.0
    before: float = 0.0
    after: float = 5.0
    panel: bool = False
    keep: bool = False  # with what follows
    label: str = ""  # drawn before the first line, in a column of its own
    bar: Color | None = None  # drawn along the left edge


class Words(Flowable):  # type: ignore[misc]  # reportlab ships no types
    """Pieces of text in their styles, one paragraph a line end; may go on over pages."""

    def __init__(
        self,
        fonts: Fonts,
        pieces: Iterable[tuple[str, Style]],
        look: Look | None = None,
        lines: Sequence[_Line] | None = None,
    ) -> None:
        super().__init__()
        self._fonts, self._look = fonts, look or Look()
        self._paragraphs = _paragraphs(pieces)
        self._lines = lines
        self._made_for = 0.0
        self.keepWithNext = self._look.keep

    def getSpaceBefore(self) -> float:
        return self._look.before

    def getSpaceAfter(self) -> float:
        return self._look.after

    def _laid(self, width: float) -> Sequence[_Line]:
        if self._lines is None or (self._made_for and self._made_for != width):
            inside = width - self._look.indent - (2 * _PAD if self._look.panel else 0)
            found: list[_Line] = []
            for pieces in self._paragraphs:
                text = "".join(each for each, _ in pieces)
                right = has_right_to_left(text) and starts_right(text)
                cells = [cell for each in pieces for cell in self._fonts.cells(*each)]
                found += [_Line(tuple(line), right) for line in broken(cells, inside)]
            self._lines = found
            self._made_for = width
        return self._lines

    def wrap(self, width: float, _height: float) -> tuple[float, float]:
        self.width = width
        pad = 2 * _PAD if self._look.panel else 0
        self.height = len(self._laid(width)) * self._look.leading + pad
        return width, self.height

    def split(self, width: float, height: float) -> list[Flowable]:
        lines = self._laid(width)
        pad = 2 * _PAD if self._look.panel else 0
        fit = int((height - pad) // self._look.leading)
        if fit < min(2, len(lines)) or fit >= len(lines):
            return []
        first = Words(self._fonts, (), replace(self._look, after=0), lines[:fit])
        rest = Words(self._fonts, (), replace(self._look, before=0, label=""), lines[fit:])
        return [first, rest]

    def draw(self) -> None:
        look, canvas = self._look, self.canv
        if look.panel:
            canvas.setFillColor(PANEL)
            canvas.rect(0, 0, self.width, self.height, stroke=0, fill=1)
        if look.bar is not None:
            canvas.setFillColor(look.bar)
            canvas.rect(0, 1.5, 2.2, self.height - 3, stroke=0, fill=1)
        pad = _PAD if look.panel else 0
        y = self.height - pad - look.leading * 0.75
        if look.label:
            draw_cells(canvas, self._fonts.cells(look.label, LABEL), 0, y)
        for line in self._lines or ():
            shown = _trimmed(line.cells)
            x = look.indent + pad
            if line.right:
                x = self.width - pad - sum(cell.width for cell in shown)
            draw_cells(canvas, _ordered(shown, line.right), x, y)
            y -= look.leading


LABEL = Style(8.2, colour=FAINT)
_PAD = 7.0


@dataclass
class _Run:
    text: str
    cell: Cell
    width: float = field(default=0.0)


def _paragraphs(pieces: Iterable[tuple[str, Style]]) -> list[list[tuple[str, Style]]]:
    """The pieces of each paragraph. All line ends that text files know count as one."""
    found: list[list[tuple[str, Style]]] = [[]]
    for text, style in pieces:
        plain = text.replace("\r\n", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
        for number, part in enumerate(plain.replace("\r", "\n").replace("\f", "\n").split("\n")):
            if number:
                found.append([])
            if part:
                found[-1].append((part, style))
    return found


def _trimmed(cells: Sequence[Cell]) -> list[Cell]:
    """Without the spaces at the end of a line."""
    end = len(cells)
    while end and cells[end - 1].text == " ":
        end -= 1
    return list(cells[:end])


def _ordered(cells: Sequence[Cell], right: bool) -> list[Cell]:
    """A line's cells as they are drawn from the left."""
    if not cells or not (right or has_right_to_left("".join(each.text for each in cells))):
        return list(cells)
    return [
        replace(cells[n], text=text) for n, text in visual([each.text for each in cells], right)
    ]


def draw_cells(canvas: Any, cells: Sequence[Cell], x: float, y: float) -> None:
    """Draw a line from `x` on, neighbours of one font and style at once."""
    runs: list[_Run] = []
    for cell in cells:
        if runs and (runs[-1].cell.font, runs[-1].cell.style) == (cell.font, cell.style):
            runs[-1].text += cell.text
            runs[-1].width += cell.width
        else:
            runs.append(_Run(cell.text, cell, cell.width))
    at = x
    for run in runs:
        style = run.cell.style
        if style.mark:
            canvas.setFillColor(MARK)
            canvas.rect(at, y - style.size * 0.26, run.width, style.size * 1.26, stroke=0, fill=1)
        canvas.setFillColor(style.colour)
        canvas.setFont(run.cell.font, style.size)
        canvas.drawString(at, y, run.text)
        at += run.width


class Heading(Flowable):  # type: ignore[misc]
    """A section's title over a rule, and its entry among the bookmarks."""

    keepWithNext = True

    def __init__(self, fonts: Fonts, title: str, key: str, level: int = 0) -> None:
        super().__init__()
        self._key, self._level = key, level
        style = Style(12.5, bold=True, colour=ACCENT) if level == 0 else Style(10, bold=True)
        self._cells = fonts.cells(title, style)
        self._entry = "".join(each.text for each in self._cells)

    def getSpaceBefore(self) -> float:
        return 16 if self._level == 0 else 9

    def getSpaceAfter(self) -> float:
        return 6 if self._level == 0 else 3

    def wrap(self, width: float, _height: float) -> tuple[float, float]:
        self.width, self.height = width, 19.0 if self._level == 0 else 14.0
        lines = broken(self._cells, width)
        if len(lines) > 1:
            dots = Cell("…", lines[0][-1].font, lines[0][-1].style, 6)
            self._cells = [*lines[0][:-1], dots]
        return width, self.height

    def draw(self) -> None:
        canvas = self.canv
        canvas.bookmarkHorizontal(self._key, 0, self.height + 8)
        canvas.addOutlineEntry(self._entry, self._key, self._level, closed=False)
        if self._level == 0:
            canvas.setStrokeColor(RULE)
            canvas.setLineWidth(0.7)
            canvas.line(0, 0, self.width, 0)
        draw_cells(canvas, self._cells, 0, 6 if self._level == 0 else 3)
