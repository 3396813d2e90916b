"""Characters that are not drawn: found, taken out of text, and told.

Text can carry what no reader sees: zero-width characters that break words apart, Unicode tags that
spell whole sentences, variation selectors that encode bytes, overrides that turn the order of what
is drawn. The same characters have honest uses, which stay: joiners in Arabic, Indic and other
scripts that need them and in emoji, zero-width spaces between words of scripts written without
spaces, one variation selector after a character that takes one, marks of direction in text that
runs from right to left, and the tags of the three flags that Unicode recommends (UTS #51, ED-14a).
Soft hyphens and a byte order mark are taken out without a word: they are layout, not text.

What this does not protect against: a message spread over honest places, such as one joiner or none
between each two letters of Arabic text; and letters of one script that look like those of another.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

from ingest.pages import FindingKind

SAMPLE = 120  # characters of a finding's sample

_ZWSP, _ZWNJ, _ZWJ, _MVS = "\u200b", "\u200c", "\u200d", "\u180e"
_SILENT = "\u00ad"
_BOM = "\ufeff"
_DIRECTIONS = "\u061c\u200e\u200f\u202a-\u202c\u2066-\u2069"  # marks, embeddings, isolates
_OVERRIDES = "\u202d\u202e"
_SELECTORS = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
_MONGOLIAN_SELECTORS = "\u180b-\u180d\u180f"
_OTHERS = (
    "\u034f\u115f\u1160\u17b4\u17b5\u2060-\u2065\u206a-\u206f\u3164\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
)
_TAGS = "\U000e0000-\U000e007f"
_SUSPECT = re.compile(
    f"[{_SILENT}{_BOM}{_ZWSP}{_ZWNJ}{_ZWJ}{_MVS}{_DIRECTIONS}{_OVERRIDES}{_SELECTORS}"
    f"{_MONGOLIAN_SELECTORS}{_OTHERS}{_TAGS}]"
)
_TAG = re.compile(f"[{_TAGS}]")
_SELECTOR = re.compile(f"[{_SELECTORS}]")
_DIRECTION = re.compile(f"[{_DIRECTIONS}]")
_RIGHT_TO_LEFT = re.compile(
    "[\u0590-\u060b\u060d-\u061b\u061d-\u08ff\ufb1d-\ufdff\ufe70-\ufefc"
    "\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
_FLAG = re.compile("\U0001f3f4((?:" + "|".join(
    "".join(chr(0xE0000 + ord(letter)) for letter in region)
    for region in ("gbeng", "gbsct", "gbwls")
) + ")\U000e007f)")  # fmt: skip
_JOINING = re.compile(  # scripts whose letters join, or stack after a virama
    "[\u0600-\u08ff\u0900-\u0dff\u1000-\u109f\u1700-\u18af\u1900-\u194f\u1a20-\u1aaf\u1b00-\u1bff"
    "\ua800-\ua8ff\ua900-\ua9ff\uaa00-\uaadf\uabc0-\uabff\ufb50-\ufdff\ufe70-\ufefc"
    "\U00010a00-\U00010fff\U00011000-\U00011fff\U0001e900-\U0001e95f]"
)
_UNSPACED = re.compile(  # scripts written without spaces between words
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\ua9e0-\ua9ff\uaa60-\uaadf]"
)
_MONGOLIAN = re.compile("[\u1800-\u18af]")
_EMOJI = re.compile(
    "[\u00a9\u00ae\u203c\u2049\u2100-\u214f\u2190-\u2bff\u3030\u303d\u3297\u3299"
    "\U0001f000-\U0001faff]"
)
_KEYCAP = re.compile(r"[0-9#*]")
_IDEOGRAPH = re.compile("[\u2e80-\u303f\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")

Told = tuple[FindingKind, int, str]
"""What was found: its kind, how many characters, and a sample of at most 120 characters."""


def strip_invisible(text: str, keep: bool = False) -> tuple[str, tuple[Told, ...]]:
    """`text` without characters that are not drawn and have no honest use where they stand.

    What was found is told by kind (ZERO_WIDTH, TAG_CHARACTERS); with `keep` it is told and `text`
    stays as it is, but for soft hyphens and a leading byte order mark.
    """
    if text.isascii() or not _SUSPECT.search(text):
        return text, ()
    text = text.removeprefix(_BOM).replace(_SILENT, "")
    flags = {at for match in _FLAG.finditer(text) for at in range(match.start(1), match.end(1))}
    runs_left = bool(_RIGHT_TO_LEFT.search(text))
    removed = [
        match.start()
        for match in _SUSPECT.finditer(text)
        if match.start() not in flags and not _belongs(text, match.start(), runs_left)
    ]
    if not removed:
        return text, ()
    told = tuple(_told([text[at] for at in removed]))
    if keep:
        return text, told
    parts, start = [], 0
    for at in removed:
        parts.append(text[start:at])
        start = at + 1
    return "".join((*parts, text[start:])), told


def _belongs(text: str, at: int, runs_left: bool) -> bool:
    """Whether the character at `at`, which is not drawn, has an honest use there."""
    sign = text[at]
    before = text[at - 1] if at else ""
    after = text[at + 1] if at + 1 < len(text) else ""
    if sign in (_ZWNJ, _ZWJ):
        joins = _JOINING.match(before) or _JOINING.match(after)
        apart = not (_is_joiner(before) or _is_joiner(after))
        return bool(joins and apart) or (sign == _ZWJ and _joins_emoji(text, at))
    if sign == _ZWSP:
        return bool(_UNSPACED.match(before) and _UNSPACED.match(after))
    if _DIRECTION.match(sign):
        return runs_left
    if _SELECTOR.match(sign):
        return _selects(sign, before)
    if sign == _MVS or "\u180b" <= sign <= "\u180f":
        return bool(_MONGOLIAN.match(before)) and not _SUSPECT.match(before)
    if sign in ("\u115f", "\u1160"):  # fill a place in a syllable of old Korean
        return "\u1100" <= before <= "\u11ff" or "\u1100" <= after <= "\u11ff"
    return False


def _is_joiner(sign: str) -> bool:
    return sign in (_ZWNJ, _ZWJ, _ZWSP)


def _joins_emoji(text: str, at: int) -> bool:
    """Whether the joiner at `at` stands between two emoji; a selector may follow the first."""
    first = at - 2 if at > 1 and text[at - 1] == "\ufe0f" else at - 1
    return first >= 0 and bool(_EMOJI.match(text[first]) and _EMOJI.match(text, at + 1))


def _selects(selector: str, base: str) -> bool:
    """Whether `selector` chooses between forms that `base` has (StandardizedVariants, IVD)."""
    if selector in ("\ufe0e", "\ufe0f"):
        return bool(_EMOJI.match(base) or _KEYCAP.match(base) or _IDEOGRAPH.match(base))
    if selector <= "\ufe0d":
        symbol = bool(base) and unicodedata.category(base) == "Sm"
        return symbol or bool(_IDEOGRAPH.match(base) or _JOINING.match(base))
    return bool(_IDEOGRAPH.match(base))


def _told(signs: list[str]) -> list[Told]:
    tags = [sign for sign in signs if _TAG.match(sign)]
    others = [sign for sign in signs if not _TAG.match(sign)]
    found = []
    if tags:
        spelled = "".join(chr(ord(sign) - 0xE0000) for sign in tags)
        sample = "".join(sign for sign in spelled if sign.isprintable())[:SAMPLE]
        found.append((FindingKind.TAG_CHARACTERS, len(tags), sample))
    if others:
        counts = Counter(others).most_common()
        sample = ", ".join(f"U+{ord(sign):04X} ×{count}" for sign, count in counts)
        found.append((FindingKind.ZERO_WIDTH, len(others), sample[:SAMPLE]))
    return found
