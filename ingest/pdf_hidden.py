"""Text of a PDF page that nobody can see, and text that is not what is drawn.

Suspicion is cheap and looks at every page: the size and place of each word, its colour, how its
object is painted, what lies before and behind it. Judging is dear and looks at suspects only: the
spot is drawn with and without the text. If no pixel changes noticeably, a person sees nothing.

What this does not protect against: text cut away by a clipping path, text in a colour that differs
from its background just noticeably, letters of a word that are
painted otherwise than its first one, and fonts whose glyphs show other letters than they claim.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np
import numpy.typing as npt

from ingest import pdf_native as native
from ingest.invisible import strip_invisible
from ingest.pages import FindingKind
from ingest.pdf_objects import Colours, Floats, Objects, colours
from ingest.pdf_text import Characters, Words

_SMALLEST = 1.0  # points; type that is drawn smaller cannot be read
_SMALL = 1.5  # points; a character this low or narrow is measured
_NARROW = 0.12  # of its height: a word of that width for each letter has letters without any
_PALE = 225  # a text whose every channel is at least that is white on white paper
_GHOST = 8  # alpha up to this paints nothing
_NEAR = 24  # levels of a channel that two colours differ by without being told apart
_CONTRAST = 60  # levels of a channel between a text and the area behind it that can be read
_SOLID = 250  # alpha from which an area hides what is behind it
_SCALE = 2.0  # pixels a point where a suspect is looked at
_MOST_PIXELS = 8_000_000
_SAID_FOR_A_SIGN = 4  # letters that the text for one drawn sign may have

Mask = npt.NDArray[np.bool_]
Hidden = dict[FindingKind, set[int]]
"""Numbers of characters in the text page, by why they cannot be seen."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A text that the file offers in place of what it draws."""

    said: str
    drawn: str
    mark: int
    objects: tuple[int, ...]


def hidden_characters(
    page: native.LoadedPage, found: Characters, words: Words, objects: Objects
) -> Hidden:
    """Which characters of the page nobody can see."""
    hidden: Hidden = defaultdict(set)
    _undrawn(found, hidden)
    if not words.starts:
        return hidden
    _out_of_sight(page, words, hidden)
    _unpainted(page, words, objects, hidden)
    seen_to = set().union(*hidden.values())
    suspects = {
        word: kind
        for word, kind in _suspects(page, words, objects).items()
        if words.firsts[word] not in seen_to
    }
    if suspects:
        _judge(page, words, suspects, hidden)
    return {kind: numbers for kind, numbers in hidden.items() if _says(page, kind, numbers)}


def _says(page: native.LoadedPage, kind: FindingKind, numbers: set[int]) -> bool:
    """Whether hidden characters can say anything: hidden spaces, dashes and boxes are artefacts."""
    if kind in (FindingKind.ZERO_WIDTH, FindingKind.TAG_CHARACTERS):
        return True
    codes = map(native.char_unicode, repeat(page.text_address), numbers)
    return any(code < 0x110000 and chr(code).isalnum() for code in codes)


def _undrawn(found: Characters, hidden: Hidden) -> None:
    """Characters that no font draws: zero-width ones and Unicode tags."""
    shown, told = strip_invisible(found.text)
    if not told:
        return
    at = 0
    for index, char in enumerate(found.text):
        if at < len(shown) and shown[at] == char:
            at += 1
        else:
            tag = 0xE0000 <= ord(char) <= 0xE007F
            kind = FindingKind.TAG_CHARACTERS if tag else FindingKind.ZERO_WIDTH
            hidden[kind].add(found.source(index))


def _out_of_sight(page: native.LoadedPage, words: Words, hidden: Hidden) -> None:
    """Words beyond the edges of the page, and characters too small to be seen."""
    left, top, right, bottom = words.edges.T
    off = (right <= 0) | (left >= page.width) | (bottom <= 0) | (top >= page.height)
    for word in np.flatnonzero(off).tolist():
        hidden[FindingKind.OFF_PAGE].update(_numbers(words, word))
    width = (right - left) / np.subtract(words.ends, words.starts)
    small = (words.heights < _SMALL) | (width < np.maximum(_NARROW * words.heights, _SMALL / 4))
    for word in np.flatnonzero(small & ~off).tolist():
        hidden[FindingKind.TINY_TEXT].update(
            number for number in _numbers(words, word) if native.char_size(page, number) < _SMALLEST
        )


def _unpainted(page: native.LoadedPage, words: Words, objects: Objects, hidden: Hidden) -> None:
    """Text that is neither filled nor drawn in outline."""
    unseen = {each for each, mode in objects.unpainted.items() if mode == 3}
    if not unseen:
        return
    telling = {*words.objects, *map(native.char_object, repeat(page.text_address), words.digits)}
    if not unseen.isdisjoint(telling):  # else spaces
        hidden[FindingKind.INVISIBLE].update(
            number
            for number, each in enumerate(
                map(native.char_object, repeat(page.text_address), range(page.count))
            )
            if each in unseen
        )


def _numbers(words: Words, word: int) -> range:
    return range(words.firsts[word], words.lasts[word] + 1)


def _suspects(page: native.LoadedPage, words: Words, objects: Objects) -> dict[int, FindingKind]:
    """Words that may not be seen, and what the reason would be."""
    paint = colours(native.fills(words.objects))
    known = np.array([each is not None for each in words.objects])
    clear = (paint[:, 3] <= _GHOST) & known
    red, green, blue, _ = paint.T
    pale = (red >= _PALE) & (green >= _PALE) & (blue >= _PALE) & known
    clipping = {each for each, mode in objects.unpainted.items() if mode == 7}
    if not objects.has_drawing and not clear.any() and not pale.any() and not clipping:
        return {}
    suspects: dict[int, FindingKind] = {}
    if clipping:
        for word, each in enumerate(words.objects):
            if each in clipping:
                suspects[word] = FindingKind.INVISIBLE
    suspects |= dict.fromkeys(np.flatnonzero(clear).tolist(), FindingKind.INVISIBLE)
    suspects |= _among_areas(page, words, objects, paint, pale)
    return suspects


def _among_areas(
    page: native.LoadedPage, words: Words, objects: Objects, paint: Colours, pale: Mask
) -> dict[int, FindingKind]:
    """Words that lie under an area, on one of their own colour, or pale on nothing darker."""
    areas = objects.areas
    if not areas.objects:  # rules only
        return dict.fromkeys(np.flatnonzero(pale).tolist(), FindingKind.WHITE_TEXT)
    packed = paint @ np.array((1 << 16, 1 << 8, 1, 0), np.uint32)
    _, where, which = np.unique(packed, return_index=True, return_inverse=True)
    alike = _alike(paint[where], areas.fills)
    late = areas.orders > objects.first_text
    wanted = pale.copy()
    looked_at = np.flatnonzero(late | alike.any(axis=0))
    if len(looked_at):
        near = late[looked_at] | alike[:, looked_at][which]
        wanted |= (near & _inside(words.edges, areas.edges[looked_at])).any(axis=1)
    chosen = np.flatnonzero(wanted)
    if not len(chosen):
        return {}
    orders = np.array([objects.orders.get(words.objects[word] or 0, -1) for word in chosen])[
        :, None
    ]
    inside = _inside(words.edges[chosen], areas.edges)
    covered = np.asarray((inside & (areas.orders > orders)).any(axis=1))
    behind = inside & (areas.orders < orders)
    grounded = behind.any(axis=1)
    ground = np.where(grounded, behind.shape[1] - 1 - behind[:, ::-1].argmax(axis=1), 0)
    plain = _stands_out(paint[chosen], areas.fills[ground])
    lost: Mask = np.where(grounded, ~plain, pale[chosen])
    return {
        word: FindingKind.COVERED if over else FindingKind.WHITE_TEXT
        for word, over, unread, order in zip(
            chosen.tolist(), covered.tolist(), lost.tolist(), orders[:, 0].tolist(), strict=True
        )
        if order >= 0 and (over or unread)
    }


def _inside(words: Floats, areas: Floats) -> Mask:
    """For each word and area whether the middle of the one lies in the other."""
    x, y = (words[:, 0] + words[:, 2]) / 2, (words[:, 1] + words[:, 3]) / 2
    x, y = x[:, None], y[:, None]
    left, top, right, bottom = areas.T
    inside: Mask = (x >= left) & (x <= right) & (y >= top) & (y <= bottom)
    return inside


def _alike(paint: Colours, fills: Colours) -> Mask:
    """For each word and area whether they have about the same colour; pictures are like any."""
    apart = np.abs(paint[:, None, :3].astype(np.int16) - fills[None, :, :3].astype(np.int16))
    alike: Mask = (apart <= _NEAR).all(axis=2) | (fills[:, 3] == 0)[None, :]
    return alike


def _stands_out(paint: Colours, fills: Colours) -> Mask:
    """For each word whether it can be read on the area right behind it; a picture tells nothing."""
    apart = np.abs(paint[:, :3].astype(np.int16) - fills[:, :3].astype(np.int16)).max(axis=1)
    plain: Mask = (apart >= _CONTRAST) & (fills[:, 3] > _SOLID)
    return plain


def _judge(
    page: native.LoadedPage, words: Words, suspects: dict[int, FindingKind], hidden: Hidden
) -> None:
    """Draw the suspects' part of the page with and without them; keep those that make no odds."""
    chosen = sorted(suspects)
    edges = words.edges[chosen]
    left, top = np.maximum(edges[:, :2].min(axis=0) - 1, 0).tolist()
    right, bottom = np.minimum(edges[:, 2:].max(axis=0) + 1, (page.width, page.height)).tolist()
    if right - left < 1 or bottom - top < 1:
        return
    scale = min(_SCALE, (_MOST_PIXELS / ((right - left) * (bottom - top))) ** 0.5)
    text = {
        native.char_object(page.text_address, number)
        for word in chosen
        for number in _numbers(words, word)
    }
    part = (left, top, right, bottom)
    drawn = np.asarray(page.draw(scale, part, grey=False), np.int16)
    with page.without([each for each in text if each]):
        bare = np.asarray(page.draw(scale, part, grey=False), np.int16)
    odds = np.abs(drawn - bare).max(axis=2)
    spots = ((edges - (left, top, left, top)) * scale).round().astype(int)
    for word, (x0, y0, x1, y1) in zip(chosen, spots.tolist(), strict=True):
        spot = odds[max(y0, 0) : y1 + 1, max(x0, 0) : x1 + 1]
        if spot.size and spot.max() < _NEAR:
            hidden[suspects[word]].update(_numbers(words, word))


def spoken_for(
    page: native.LoadedPage,
    words: Words,
    objects: Objects,
    again: Callable[[], native.LoadedPage],
) -> list[Spoken]:
    """Where the file offers another text (ActualText) than it draws, and what is drawn there.

    PDFium takes the text that is offered. From a page as `again` loads it the offers are taken
    off, which shows what is drawn; `take_drawn` does the same to those that differ.
    """
    telling = {*words.objects, *map(native.char_object, repeat(page.text_address), words.digits)}
    telling.discard(None)
    marks = objects.marked(telling, b"ActualText")
    if not any(_letters(said) for said, _ in marks.values()):
        return []  # bullets, boxes, spaces
    bare = again()
    try:
        twins = Objects(bare)
        pairs = dict(zip(objects.every(), twins.every(), strict=True))
        for mark, (_, held) in twins.marked(twins.every(), b"ActualText").items():
            for each in held:
                native.remove_mark(each, mark)
        bare.reload_text()
        drawn = _texts(bare)
    finally:
        bare.close()
    found = []
    for mark, (said, held) in marks.items():
        shown = "".join(drawn.get(pairs[each], "") for each in held)
        if _differ(said, shown):
            found.append(Spoken(said, shown, mark, tuple(held)))
    return found


def take_drawn(page: native.LoadedPage, spoken: Sequence[Spoken]) -> None:
    """From now on the text page holds what is drawn, not what is `spoken` in its place."""
    for each in spoken:
        for held in each.objects:
            native.remove_mark(held, each.mark)
    page.reload_text()


def _texts(page: native.LoadedPage) -> dict[int, str]:
    """The text of each text object of the page."""
    found: dict[int, list[str]] = defaultdict(list)
    for number in range(page.count):
        code = native.char_unicode(page.text_address, number)
        each = native.char_object(page.text_address, number)
        if each and 0x20 <= code < 0xD800:
            found[each].append(chr(code))
    return {each: "".join(chars) for each, chars in found.items()}


def _differ(said: str, drawn: str) -> bool:
    """Whether a reader of the one learns something else than a reader of the other."""
    said_letters, drawn_letters = _letters(said), _letters(drawn)
    if not said_letters or said_letters == drawn_letters:
        return False
    if drawn_letters:
        return True
    return len(said_letters) > _SAID_FOR_A_SIGN * max(1, len(drawn.strip()))


def _letters(text: str) -> str:
    """Its letters and digits in one form: ligatures taken apart, case and accents set aside."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(char for char in plain if char.isalnum())


def sample(found: Characters, numbers: set[int]) -> str:
    """What the characters with these numbers say, on one line."""
    parts = []
    for at, char in enumerate(found.text):
        parts.append(char if char == " " or found.source(at) in numbers else " ")
    return " ".join("".join(parts).split())
