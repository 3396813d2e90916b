"""What readers of word processor files share: a flow of text that is laid out into pages.

A page ends where the file breaks it. A file that breaks no page has one page for each section
under a level-1 heading. Notes stand after the body of the page that refers to them, comments on a
last page of their own. Running heads and feet are part of the first page on which they stand, once:
programs repeat them on each page, and say nothing new by it. Pure: nothing here touches a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from ingest.errors import Failure, ReadFailure
from ingest.invisible import SAMPLE, strip_invisible
from ingest.options import ReadOptions
from ingest.pages import (
    Finding,
    FindingKind,
    Kind,
    Piece,
    ReadDocument,
    clean,
    first_heading,
    lay_out,
)

COMMENTS = "Comments"
"""Label and heading of the page of comments."""

MOST_COLUMNS = 256  # that spans and repeated cells may fill: hostile files claim millions
CARRIED = 300  # characters of a merged cell that are repeated in each row it covers

_EACH = (FindingKind.COMMENT, FindingKind.EMBEDDED_FILE)  # told one by one; others page by page


class Slot(StrEnum):
    """Which part of a page a piece goes to."""

    HEAD = "head"
    BODY = "body"
    NOTE = "note"
    FOOT = "foot"


@dataclass(frozen=True, slots=True)
class _Told:
    kind: FindingKind
    characters: int
    sample: str


@dataclass(frozen=True, slots=True)
class _Placed:
    slot: Slot
    piece: Piece


@dataclass(slots=True)
class _Leaf:
    """A page in the making."""

    label: str = ""
    pieces: dict[Slot, list[Piece]] = field(default_factory=lambda: {slot: [] for slot in Slot})
    told: list[_Told] = field(default_factory=list)


class Flow:
    """Takes the text of a document in order; `document` lays it out."""

    def __init__(self, options: ReadOptions) -> None:
        self._options = options
        self._events: list[_Placed | _Told | None] = []  # None: a page ends
        self._comments: list[Piece] = []
        self._running: set[tuple[Slot, str]] = set()
        self._breaks = 0
        self._left = options.max_member_bytes
        self._title = ""
        self._blank = True  # nothing stands on the page yet

    def add(self, piece: Piece, slot: Slot = Slot.BODY) -> None:
        """The next piece of a page. Characters that are not drawn are taken out and told.

        A heading of level 0 gives the document its title. Raises ReadFailure (TOO_MUCH_OUTPUT).
        """
        text, hidden = strip_invisible(clean(piece.text), self._options.keep_hidden)
        text = text.strip()
        self._events.extend(_Told(*found) for found in hidden)
        if not text:
            return
        if slot in (Slot.HEAD, Slot.FOOT):
            if (slot, text) in self._running:
                return
            self._running.add((slot, text))
            piece = Piece(text, Kind.RUNNING)
        self._spend(text)
        if slot is Slot.BODY:
            self._blank = False
            if piece.kind is Kind.HEADING and piece.level == 0:
                self._title = self._title or " ".join(text.split())
        self._events.append(_Placed(slot, replace(piece, text=text)))

    def page_break(self, *, hard: bool) -> None:
        """A page ends here; a soft break counts only if something stands on the page.

        Raises ReadFailure (TOO_MANY_PAGES).
        """
        if self._blank and not hard:
            return
        self._breaks += 1
        self._blank = True
        self._events.append(None)
        if self._breaks > self._options.max_pages:
            raise ReadFailure(Failure.TOO_MANY_PAGES)

    def tell(self, kind: FindingKind, text: str, characters: int | None = None) -> None:
        """Report `text`, which was left out or should be known of, where the flow now stands."""
        if characters is None:
            characters = sum(not sign.isspace() for sign in text)
            if not characters:
                return
        text, hidden = strip_invisible(clean(text), keep=False)
        self._events.extend(_Told(*found) for found in hidden)
        self._events.append(_Told(kind, characters, " ".join(text.split())[:SAMPLE]))

    def comment(self, author: str, about: str, text: str) -> None:
        """A comment, kept apart; it is told where the flow now stands."""
        told = len(self._events)
        self.tell(FindingKind.COMMENT, text)
        if len(self._events) == told:
            return
        text, _ = strip_invisible(clean(text), self._options.keep_hidden)
        about, _ = strip_invisible(" ".join(clean(about).split()), self._options.keep_hidden)
        author, _ = strip_invisible(" ".join(clean(author).split()))
        self._spend(text)
        where = f" on “{_shortened(about, CARRIED)}”" if about else ""
        self._comments.append(Piece(f"{author or 'Unnamed'}{where}: {text.strip()}"))

    def document(self, media_type: str, title: str, *, blank_ends: bool = False) -> ReadDocument:
        """All of it in pages. `title` is what the file's properties say; blank pages at the end
        are left out, unless `blank_ends`.

        Raises ReadFailure (TOO_MANY_PAGES).
        """
        leaves = self._leaves(blank_ends)
        if self._comments:
            leaves.append(_Leaf(COMMENTS))
            leaves[-1].pieces[Slot.BODY] = [Piece(COMMENTS, Kind.HEADING, 1), *self._comments]
        if len(leaves) > self._options.max_pages:
            raise ReadFailure(Failure.TOO_MANY_PAGES)
        pages = lay_out(
            [[piece for slot in Slot for piece in leaf.pieces[slot]] for leaf in leaves],
            [leaf.label for leaf in leaves],
        )
        findings = tuple(
            finding
            for number, leaf in enumerate(leaves, start=1)
            for finding in _findings(leaf.told, number)
        )
        title, _ = strip_invisible(" ".join(clean(title).split()))
        body = pages[:-1] if self._comments else pages
        return ReadDocument(
            media_type, title or self._title or first_heading(body), pages, findings=findings
        )

    def _leaves(self, blank_ends: bool) -> list[_Leaf]:
        leaves = [_Leaf()]
        for event in self._events:
            leaf = leaves[-1]
            if event is None:
                leaves.append(_Leaf())
            elif isinstance(event, _Told):
                leaf.told.append(event)
            else:
                if not self._breaks and _opens_section(event):
                    if leaf.label:
                        leaf = _Leaf()
                        leaves.append(leaf)
                    leaf.label = " ".join(event.piece.text.split())
                leaf.pieces[event.slot].append(event.piece)
        while not blank_ends and len(leaves) > 1 and not any(leaves[-1].pieces.values()):
            leaves[-2].told.extend(leaves.pop().told)
        return leaves

    def _spend(self, text: str) -> None:
        self._left -= len(text)
        if self._left < 0:
            raise ReadFailure(Failure.TOO_MUCH_OUTPUT)


def row(cells: Sequence[tuple[str, int]], *, head: bool) -> Piece | None:
    """A table row of (text, columns that the cell spans) as one piece; None if all are blank.

    A head that spans columns stands over each of them; other text stands once, so that a value is
    not counted twice, and what it spans stays empty, so that later cells keep their column.
    """
    texts: list[str] = []
    for text, across in cells:
        text = " ".join(text.split())
        texts.append(text)
        spanned = min(across - 1, MOST_COLUMNS - len(texts))
        texts.extend([text if head else ""] * max(spanned, 0))
    if not any(texts):
        return None
    if len(cells) == 1:
        texts = texts[:1]  # one cell across the whole table: a line that divides it
    return Piece(" | ".join(texts), Kind.HEADER_ROW if head else Kind.ROW)


def carried(text: str) -> str:
    """What rows below say of a cell that was merged down into them."""
    return _shortened(" ".join(text.split()), CARRIED)


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _opens_section(placed: _Placed) -> bool:
    piece = placed.piece
    return placed.slot is Slot.BODY and piece.kind is Kind.HEADING and piece.level == 1


def _findings(told: Iterable[_Told], page: int) -> Iterable[Finding]:
    """One finding for each kind that a page has, but for those that count one by one."""
    sums: dict[FindingKind, _Told] = {}
    for one in told:
        if one.kind in _EACH:
            yield Finding(one.kind, page, one.characters, one.sample)
            continue
        before = sums.get(one.kind)
        if before is None:
            sums[one.kind] = one
        else:
            sample = before.sample
            if len(sample) < SAMPLE - 3:
                sample = f"{sample} … {one.sample}"[:SAMPLE]
            sums[one.kind] = _Told(one.kind, before.characters + one.characters, sample)
    for one in sums.values():
        yield Finding(one.kind, page, one.characters, one.sample)
