"""Presentations: a slide is a page, its title first, then what it shows from the top down.

The text of a hidden slide is left out, and its page stays, so that page numbers are slide numbers.
Speaker notes follow their slide under a heading; comments stand on a last page of their own.
Text counts as hidden by its colour only where what is behind it is sure.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pptx
from pptx.enum.shapes import PP_PLACEHOLDER
from pptx.exc import PythonPptxError

from ingest.errors import Failure, ReadFailure
from ingest.invisible import strip_invisible
from ingest.office_chart import chart_pieces, diagram_pieces
from ingest.office_flow import Flow, Slot, carried, row
from ingest.options import ReadOptions
from ingest.pages import FindingKind, Kind, Method, Piece, ReadDocument, clean
from ingest.pptx_shapes import (
    Placed,
    Theme,
    embedded_program,
    in_order,
    is_hidden,
    lines,
    placed_shapes,
    relation_of_diagram,
)
from ingest.read_package import Package, parsed, why

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.presentationml.presentation"

_NO_TITLE = "powerpoint presentation"  # what PowerPoint writes where nobody wrote a title
_POINT = 12_700  # EMU
_RUNNING = (PP_PLACEHOLDER.FOOTER, PP_PLACEHOLDER.DATE, PP_PLACEHOLDER.SLIDE_NUMBER,
            PP_PLACEHOLDER.HEADER)  # fmt: skip
_TITLES = (PP_PLACEHOLDER.TITLE, PP_PLACEHOLDER.CENTER_TITLE, PP_PLACEHOLDER.VERTICAL_TITLE)


def read(data: bytes, options: ReadOptions) -> ReadDocument:
    """The presentation in `data`.

    Raises ReadFailure (CORRUPT, ENCRYPTED, TOO_DEEP, TOO_MANY_PAGES, TOO_MUCH_OUTPUT).
    """
    Package(data, options.max_member_bytes).check()
    flow = Flow(options)
    try:
        deck = pptx.Presentation(io.BytesIO(data))
        reader = _Reader(deck, flow, options.keep_hidden)
        labels, unread = reader.slides()
        title = str(deck.core_properties.title or "")
        title = "" if title.lower() == _NO_TITLE else title
        width, height = (deck.slide_width or 0) / _POINT, (deck.slide_height or 0) / _POINT
    except SyntaxError as error:  # lxml's own is one
        raise ReadFailure(why(error)) from error
    except RecursionError as error:
        raise ReadFailure(Failure.TOO_DEEP) from error
    except (
        PythonPptxError, zipfile.BadZipFile, KeyError, ValueError, AttributeError, TypeError,
        IndexError, NotImplementedError,
    ) as error:  # fmt: skip
        raise ReadFailure(Failure.CORRUPT) from error
    if not labels:
        raise ReadFailure(Failure.NO_TEXT)
    found = flow.document(MEDIA_TYPE, title, blank_ends=True)
    pages = []
    for number, read_page in enumerate(found.pages):
        page = read_page.page
        if number < len(labels):
            blank = Method.UNREAD if number in unread else Method.BLANK
            page = replace(
                page,
                label=labels[number],
                width=width,
                height=height,
                method=Method.TEXT if page.text else blank,
            )
        pages.append(replace(read_page, page=page))
    return replace(found, pages=tuple(pages))


class _Reader:
    """Hands the text of the slides to a flow, one page each."""

    def __init__(self, deck: Any, flow: Flow, keep_hidden: bool) -> None:
        self._deck = deck
        self._flow = flow
        self._keep_hidden = keep_hidden

    def slides(self) -> tuple[list[str], set[int]]:
        """The labels of the slides, and the places (from 0) of those that show no text, but
        something else.
        """
        labels: list[str] = []
        unread: set[int] = set()
        for place, slide in enumerate(self._deck.slides):
            if place:
                self._flow.page_break(hard=True)
            if slide.element.get("show") in ("0", "false"):
                text = _all_text(slide)
                self._flow.tell(FindingKind.HIDDEN_CELLS, text, None if text.strip() else 0)
                if not self._keep_hidden:
                    labels.append("")
                    continue
            title, said, drawn = self._slide(slide)
            labels.append(title)
            if drawn and not said:
                unread.add(place)
                self._flow.tell(FindingKind.UNREADABLE_PAGE, "", 0)
            self._comments(slide)
        return labels, unread

    def _slide(self, slide: Any) -> tuple[str, bool, bool]:
        """The slide's title, whether it shows text, and whether it shows anything."""
        size = (self._deck.slide_width or 0, self._deck.slide_height or 0)
        theme = Theme.of(slide)
        placed = list(placed_shapes(slide.shapes))
        title = ""
        said = drawn = False
        for one in in_order(placed, size[1], _is_title):
            kind = self._why_unseen(one, size)
            if kind is not None:
                self._flow.tell(kind, _shape_text(one.shape))
                if not self._keep_hidden:
                    continue
            drawn = True
            ground = theme.ground(one, placed)
            for piece in self._pieces(one.shape, ground, theme):
                if _is_title(one) and not title:
                    title = " ".join(piece.text.split())
                    piece = Piece(title, Kind.HEADING, 1)
                self._flow.add(piece, Slot.FOOT if _is_running(one) else Slot.BODY)
                said = True
        for layer in (slide.slide_layout, slide.slide_layout.slide_master):
            for one in placed_shapes(layer.shapes):
                if not one.shape.is_placeholder and not is_hidden(one.shape):
                    for piece in self._pieces(one.shape, "", theme):
                        self._flow.add(piece, Slot.FOOT)
        self._notes(slide)
        title, _ = strip_invisible(clean(title))
        return title, said, drawn

    def _why_unseen(self, one: Placed, size: tuple[int, int]) -> FindingKind | None:
        if is_hidden(one.shape):
            return FindingKind.HIDDEN_MARKUP
        outside = one.is_outside(*size) and bool(_shape_text(one.shape))
        return FindingKind.OFF_PAGE if outside else None

    def _pieces(self, shape: Any, ground: str, theme: Theme) -> Iterator[Piece]:
        """What a shape shows: its paragraphs, the rows of its table, the values of its chart."""
        program = embedded_program(shape)
        if program is not None:
            self._flow.tell(FindingKind.EMBEDDED_FILE, program, 0)
        if getattr(shape, "has_table", False):
            yield from _table(shape.table)
        elif getattr(shape, "has_chart", False):
            yield from chart_pieces(shape.chart.part._element)
        elif relation := relation_of_diagram(shape):
            yield from diagram_pieces(parsed(shape.part.related_part(relation).blob))
        elif shape.has_text_frame:
            first = True
            for text, unseen in lines(shape, ground, theme):
                for kind, hidden in unseen:
                    self._flow.tell(kind, hidden)
                    text = f"{text}{hidden}" if self._keep_hidden else text
                if text.strip():
                    yield Piece(text, tight=not first)
                    first = False

    def _notes(self, slide: Any) -> None:
        frame = slide.notes_slide.notes_text_frame if slide.has_notes_slide else None
        texts = (
            [] if frame is None else [each.text.replace("\v", "\n") for each in frame.paragraphs]
        )
        if any(text.strip() for text in texts):
            self._flow.add(Piece("Notes", Kind.HEADING, 2))
            for text in texts:
                self._flow.add(Piece(text))

    def _comments(self, slide: Any) -> None:
        """The comments on a slide, of either kind that PowerPoint writes."""
        authors = {}
        for relation in self._deck.part.rels.values():
            if not relation.is_external and relation.reltype.rsplit("/", 1)[-1] in (
                "commentAuthors", "authors",
            ):  # fmt: skip
                for node in parsed(relation.target_part.blob).iter("{*}cmAuthor", "{*}author"):
                    authors[str(node.get("id"))] = str(node.get("name", ""))
        for relation in slide.part.rels.values():
            if relation.is_external or relation.reltype.rsplit("/", 1)[-1] != "comments":
                continue
            for node in parsed(relation.target_part.blob).iter("{*}cm", "{*}reply"):
                texts = [
                    each.text or ""
                    for each in node.iter("{*}text", "{*}t")
                    if next(each.iterancestors("{*}cm", "{*}reply")) is node
                ]
                self._flow.comment(authors.get(str(node.get("authorId")), ""), "", "".join(texts))


def _is_title(one: Placed) -> bool:
    shape = one.shape
    return bool(shape.is_placeholder and shape.placeholder_format.type in _TITLES)


def _is_running(one: Placed) -> bool:
    shape = one.shape
    return bool(shape.is_placeholder and shape.placeholder_format.type in _RUNNING)


def _shape_text(shape: Any) -> str:
    return "\n".join(node.text or "" for node in shape._element.iter("{*}t"))


def _all_text(slide: Any) -> str:
    return "\n".join(_shape_text(shape) for shape in slide.shapes)


def _table(table: Any) -> Iterator[Piece]:
    merged: dict[int, str] = {}
    head = True
    for line in table.rows:
        cells: list[tuple[str, int]] = []
        for column, cell in enumerate(line.cells):
            if cell._tc.hMerge:
                continue
            text = " ".join(cell.text.replace("\v", " ").split())
            if cell._tc.vMerge:
                text = text or merged.get(column, "")
            else:
                merged[column] = carried(text)
            cells.append((text, max(cell._tc.gridSpan, 1)))
        piece = row(cells, head=head)
        if piece is not None:
            yield piece
            head = False
