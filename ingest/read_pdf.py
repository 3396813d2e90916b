"""PDF pages as a reader sees them: text in reading order, boxes of words, headings, page labels.

Page by page it is decided where the text comes from: from the file's own text layer, without what
nobody can see, or from the drawn page by text recognition. A page that cannot be read costs that
page, not the document.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from index.completeness import SURE
from ingest import pdf_native as native
from ingest import pdf_scan as scan
from ingest.errors import Failure, ReadFailure
from ingest.invisible import strip_invisible
from ingest.options import ReadOptions
from ingest.pages import Finding, FindingKind, Method, Page, ReadDocument, ReadPage, clean
from ingest.pdf_hidden import (
    Hidden,
    Spoken,
    hidden_characters,
    sample,
    spoken_for,
    take_drawn,
)
from ingest.pdf_layout import Line, blocks, running_lines, typography
from ingest.pdf_objects import Objects
from ingest.pdf_text import Characters, Words, characters, laid, words

if TYPE_CHECKING:
    from ingest.ocr import Recognised

MEDIA_TYPE = "application/pdf"

_SAMPLE = 120  # characters of a finding's
_AT_ONCE = 50  # pages between two signs of life
_UNSEEN = (FindingKind.INVISIBLE, FindingKind.COVERED)  # how a layer is laid on a scan
_JUNK_TITLE = re.compile(
    r"untitled|document\d*|microsoft \w+ - .*|\S*\.(docx?|pdf|indd|xlsx?|html?|rtf|tmp)"
    r"|[\w-]*\d{6,}[\w-]*",
    re.IGNORECASE,
)


@dataclass(slots=True)
class _Drawn:
    """A page, its lines, and what was found on it."""

    page: Page
    lines: list[Line] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def read(data: bytes, options: ReadOptions) -> ReadDocument:
    """All pages of the PDF in `data`.

    Raises ReadFailure: ENCRYPTED (none of the passwords opens it), CORRUPT, TOO_MANY_PAGES, NO_TEXT
    (no page has any), NO_OCR (the same, and the engine that might have found some is not there).
    """
    pdf = native.open_pdf(data, options.passwords)
    recogniser = scan.Recogniser(options)
    try:
        if len(pdf) > options.max_pages:
            raise ReadFailure(Failure.TOO_MANY_PAGES)
        title = native.title(pdf)
        findings = _embedded(pdf)
        drawn = []
        for index in range(len(pdf)):
            drawn.append(_Reading(pdf, index, options, recogniser).page())
            if index % _AT_ONCE == _AT_ONCE - 1:
                options.pulse()
        if not any(each.page.text.strip() for each in drawn):
            raise ReadFailure(Failure.NO_OCR if recogniser.missing else Failure.NO_TEXT)
        pages = _with_blocks(drawn)
    except native.PdfError as error:
        raise ReadFailure(Failure.CORRUPT) from error
    finally:
        pdf.close()
    if _JUNK_TITLE.fullmatch(title) or len(title) > 200:
        title = ""  # a program made it up
    findings += [finding for each in drawn for finding in each.findings]
    return ReadDocument(MEDIA_TYPE, title, pages, findings=tuple(findings))


def _with_blocks(drawn: list[_Drawn]) -> tuple[ReadPage, ...]:
    style = typography([each.lines for each in drawn])
    running = running_lines([(each.page.height, each.lines) for each in drawn])
    return tuple(
        ReadPage(each.page, blocks(each.lines, style, edges))
        for each, edges in zip(drawn, running, strict=True)
    )


def _embedded(pdf: native.PdfDocument) -> list[Finding]:
    """One finding for the files within the document, which are not opened."""
    names = native.attachments(pdf)
    listed = ", ".join(name or "?" for name in names)[:_SAMPLE]
    return [Finding(FindingKind.EMBEDDED_FILE, 0, 0, listed)] if names else []


class _Reading:
    """Reads one page: `index` counts from 0."""

    def __init__(
        self,
        pdf: native.PdfDocument,
        index: int,
        options: ReadOptions,
        recogniser: scan.Recogniser,
    ) -> None:
        self._pdf, self._index = pdf, index
        self._options, self._recogniser = options, recogniser
        self._number = index + 1
        self._findings: list[Finding] = []

    def page(self) -> _Drawn:
        """The page; without text, and a finding, where PDFium cannot read it."""
        label = native.label(self._pdf, self._index)
        try:
            loaded = native.LoadedPage(self._pdf, self._index)
        except native.PdfError:
            return self._unread(Page(self._number, "", label))
        try:
            bare = Page(self._number, "", label, round(loaded.width, 2), round(loaded.height, 2))
            return self._read(loaded, bare)
        except native.PdfError:
            return self._unread(bare)
        finally:
            loaded.close()

    def _read(self, loaded: native.LoadedPage, bare: Page) -> _Drawn:
        found = characters(loaded)
        every = words(loaded, found)
        objects = Objects(loaded)
        spoken = self._spoken(loaded, every, objects)
        if spoken and not self._options.keep_hidden:
            take_drawn(loaded, spoken)
            found = characters(loaded)
            every = words(loaded, found)
        hidden = hidden_characters(loaded, found, every, objects)
        shown = words(loaded, found.without(set().union(*hidden.values()))) if hidden else every
        pictures = objects.pictures()
        unseen = sum(len(hidden.get(kind, ())) for kind in _UNSEEN)
        covered = scan.covered_share(loaded, pictures)
        needed = scan.need(scan.Seen(shown.text, unseen, covered, objects.has_drawing))
        if needed is scan.Need.BLANK and not hidden:
            return _Drawn(replace(bare, method=Method.BLANK), [], self._findings)
        if needed is scan.Need.LAYERED:
            return self._layered(loaded, bare, every)
        self._report_hidden(found, hidden)
        kept = every if self._options.keep_hidden else shown
        if needed is scan.Need.GARBLED:
            return self._garbled(loaded, bare, kept)
        if needed is scan.Need.NOTHING or kept.starts:
            drawn = self._from_layer(loaded, bare, kept)
            parts = scan.unread_pictures(loaded, pictures, kept.edges) if len(pictures) else []
            return self._with_pictures(loaded, drawn, parts)
        if scan.looks_blank(loaded):
            return _Drawn(replace(bare, method=Method.BLANK), [], self._findings)
        return self._recognised(loaded, bare) or self._unread(bare)

    def _spoken(self, loaded: native.LoadedPage, every: Words, objects: Objects) -> list[Spoken]:
        spoken = spoken_for(
            loaded, every, objects, lambda: native.LoadedPage(self._pdf, self._index)
        )
        for each in spoken:
            said = " ".join(clean(each.said).split())
            self._find(FindingKind.ACTUAL_TEXT, len(said.replace(" ", "")), said)
        return spoken

    def _report_hidden(self, found: Characters, hidden: Hidden) -> None:
        told = {kind: said for kind, _, said in strip_invisible(found.text)[1]}
        for kind, numbers in hidden.items():
            self._find(kind, len(numbers), told.get(kind) or sample(found, numbers))

    def _find(self, kind: FindingKind, characters: int = 0, said: str = "") -> None:
        self._findings.append(Finding(kind, self._number, characters, said[:_SAMPLE]))

    def _from_layer(self, loaded: native.LoadedPage, bare: Page, kept: Words) -> _Drawn:
        boxes, lines = laid(loaded, kept)
        return _Drawn(replace(bare, text=kept.text, boxes=boxes), lines, self._findings)

    def _layered(self, loaded: native.LoadedPage, bare: Page, layer: Words) -> _Drawn:
        """A scan with a layer of text: what is drawn counts, the layer only where that fails."""
        recognised = self._recognised(loaded, bare)
        if recognised and recognised.page.text:
            return recognised
        drawn = self._from_layer(loaded, bare, layer)
        drawn.page = replace(drawn.page, method=Method.OCR)
        return drawn

    def _garbled(self, loaded: native.LoadedPage, bare: Page, layer: Words) -> _Drawn:
        self._find(FindingKind.GARBLED_TEXT, len("".join(layer.text.split())), layer.text)
        recognised = self._recognised(loaded, bare)
        if recognised and recognised.page.text:
            return recognised
        if scan.is_meaningless(layer.text):
            return self._unread(bare)
        return self._from_layer(loaded, bare, layer)

    def _recognised(self, loaded: native.LoadedPage, bare: Page) -> _Drawn | None:
        """The page as recognised; None where that is impossible or gives nothing."""
        found = self._recogniser.page(loaded)
        if found is None:
            return None
        if found.blank:
            return _Drawn(replace(bare, method=Method.BLANK), [], self._findings)
        if not found.text.strip():
            return None
        self._doubt(found)
        page = replace(
            bare,
            text=found.text,
            boxes=found.boxes,
            method=Method.OCR,
            confidence=found.confidence,
        )
        return _Drawn(page, list(found.lines), self._findings)

    def _with_pictures(
        self, loaded: native.LoadedPage, drawn: _Drawn, parts: list[native.Rect]
    ) -> _Drawn:
        """`drawn` and after it what is written on some parts of the page."""
        confidences = []
        for part in parts:
            found = self._recogniser.page(loaded, part)
            if found is None or found.confidence is None or not scan.worth_reading(found):
                continue
            confidences.append((found.confidence, len(found.text)))
            text = f"{drawn.page.text}\n" if drawn.page.text else ""
            found = scan.moved(found, len(text), part[0], part[1])
            drawn.page = replace(
                drawn.page, text=text + found.text, boxes=(*drawn.page.boxes, *found.boxes)
            )
            drawn.lines += found.lines
        if confidences:
            signs = sum(length for _, length in confidences)
            mean = sum(confidence * length for confidence, length in confidences) / signs
            drawn.page = replace(drawn.page, method=Method.MIXED, confidence=mean)
        return drawn

    def _doubt(self, found: Recognised) -> None:
        if found.confidence is not None and found.confidence < SURE:
            self._find(FindingKind.DOUBTFUL_OCR, len("".join(found.text.split())), found.text)

    def _unread(self, bare: Page) -> _Drawn:
        self._find(FindingKind.UNREADABLE_PAGE)
        return _Drawn(replace(bare, method=Method.UNREAD), [], self._findings)
