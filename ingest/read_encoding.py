"""Bytes to text: by byte order mark, as UTF-8, by zero bytes as UTF-16 or UTF-32, or by a guess.

Guessing is charset-normalizer's, but for text in Latin letters: short texts, and those with few
letters beyond ASCII, are told by which encoding spells the letters of one language. What this
cannot do: tell encodings apart that spell a text the same way, or a text of a few bytes for sure.
"""

from __future__ import annotations

import codecs
import re
import unicodedata

from charset_normalizer import from_bytes

from ingest.errors import Failure, ReadFailure

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_GUESS_BYTES = 256 * 1024  # enough to tell an encoding; guessing takes time with the length
_WIDE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
_JAPANESE_SHIFTS = (b"\x1b$B", b"\x1b$@", b"\x1b(J")
_MOST_LOST = 0.01  # of the characters, beyond which bytes are no text in an encoding
_ENOUGH = 0.9  # of the signs beyond ASCII that an encoding must explain
_HIGH = re.compile(rb"[\x80-\xff]")
_LETTER_RUN = re.compile(r"[^\W\d_a-zA-Z]{5,}")  # words of Latin letters hold no such runs
_TYPOGRAPHY = frozenset("“”„‘’‚‹›«»–—…•·€£¥§©®™°±²³¹µ¼½¾¿¡†‡ªº×÷\u00a0\u00ad")
_WESTERN = (
    "äöüß", "àâçèéêëîïôùûœæÿ", "áéíóúñü", "ãõáâàçéêíóôúü", "àèéìíòóù", "åäöé", "æøåéö",
    "ëïéèöüóä", "áðéíóúýþæö",
)  # fmt: skip
_CENTRAL = (
    "ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "ăâîșțşţ", "čćđšž",
)  # fmt: skip
_LATIN = (  # by how often they are met, which decides between equals
    ("cp1252", _WESTERN),
    ("cp1250", _CENTRAL),
    ("iso8859_2", _CENTRAL),
    ("cp1254", ("çğıöşüâîi",)),
    ("mac_roman", _WESTERN),
    ("cp850", _WESTERN),
    ("cp1257", ("ąčęėįšųūž", "āčēģīķļņšūž", "äõöüšž")),
)
_NOT_GUESSED = ["utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_32_be", "utf_32_le", "cp1006"]
_EBCDIC = ["cp037", "cp273", "cp424", "cp500", "cp875", "cp1026", "cp1140"]


def decode(data: bytes) -> str:
    """`data` as text with "\\n" line ends.

    Bytes that an encoding cannot explain become U+FFFD if they are few. Raises ReadFailure
    (UNDECODABLE) for what is no text, among it anything with NUL bytes but UTF-16 and UTF-32.
    """
    return re.sub(r"\r\n?", "\n", _decoded(data))


def _decoded(data: bytes) -> str:
    marked = next((name for mark, name in _MARKS if data.startswith(mark)), "")
    if marked:
        text = data.decode(marked, "replace")
        if text.count("\ufffd") > 1 + len(text) * _MOST_LOST:
            raise ReadFailure(Failure.UNDECODABLE)
        return text
    if b"\0" in data[:_GUESS_BYTES]:
        return data.decode(_wide(data[: _GUESS_BYTES // 4 * 4]), "replace")
    if any(shift in data[:_GUESS_BYTES] for shift in _JAPANESE_SHIFTS):
        try:
            return data.decode("iso2022_jp_2")
        except UnicodeDecodeError:
            pass
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
    lost = text.count("\ufffd")
    if 20 * lost <= sum(1 for sign in text if sign > "\x7f"):
        return text  # UTF-8 with a few bytes amiss, or cut off at its end
    sample = _sample(data)
    return data.decode(_latin(sample) or _kana(sample) or _guessed(sample), "replace")


def _sample(data: bytes) -> bytes:
    """The beginning of `data` with what tells encodings apart: whole lines, the first of them
    beyond ASCII among them.
    """
    first = _HIGH.search(data)
    start = data.rfind(b"\n", 0, first.start()) + 1 if first else 0
    start = 0 if start < _GUESS_BYTES // 2 else start
    sample = data[start : start + _GUESS_BYTES]
    end = sample.rfind(b"\n")
    return sample[:end] if end > 0 and start + len(sample) < len(data) else sample


def _wide(sample: bytes) -> str:
    """Which of the encodings with zero bytes holds text. Raises ReadFailure (UNDECODABLE)."""
    best, most = "", 0.0
    for encoding in _WIDE:
        width = 4 if "32" in encoding else 2
        if len(sample) % width:
            continue
        try:
            text = sample.decode(encoding)
        except UnicodeDecodeError as error:
            if error.end < len(sample) - 3:
                continue
            text = sample[: error.start].decode(encoding)
        plain = sum(1 for sign in text if sign in "\t\n\r" or " " <= sign <= "~")
        sound = all(
            sign in "\t\n\r\f" or unicodedata.category(sign) not in ("Cc", "Cn", "Co")
            for sign in text
        )
        share = plain / len(text) if text else 0.0
        if sound and share > most and (share >= 0.5 or (len(text) >= 16 and share >= 0.01)):
            best, most = encoding, share
    if not best:
        raise ReadFailure(Failure.UNDECODABLE)
    return best


def _latin(sample: bytes) -> str:
    """The encoding in which `sample` is text in Latin letters, "" if there is none."""
    high = len(_HIGH.findall(sample))
    if high > 0.3 * len(sample) and high > 3:
        return ""
    best, most = "", 0.0
    for encoding, languages in _LATIN:
        try:
            text = sample.decode(encoding)
        except UnicodeDecodeError:
            continue
        share = _explained(text, languages)
        if share > most:
            best, most = encoding, share
    return best if most >= _ENOUGH else ""


def _kana(sample: bytes) -> str:
    """The encoding in which `sample` is Japanese, which no other text looks like: it is full of
    syllable signs. "" if there is none.
    """
    for encoding in ("cp932", "euc_jp"):
        try:
            text = sample.decode(encoding)
        except UnicodeDecodeError:
            continue
        signs = [sign for sign in text if sign > "\x7f"]
        kana = sum(1 for sign in signs if "\u3041" <= sign <= "\u30fe")
        if kana >= 0.2 * len(signs) > 0:
            return encoding
    return ""


def _explained(text: str, languages: tuple[str, ...]) -> float:
    """Which share of the signs beyond ASCII are letters of one language or typographic marks that
    do not stand within a word.
    """
    counts: dict[str, int] = {}
    amiss = sum(len(run) for run in _LETTER_RUN.findall(text))
    marks = 0
    for match in re.finditer(r"[^\x00-\x7f]", text):
        sign, at = match.group(), match.start()
        before, after = text[at - 1 : at], text[at + 1 : at + 2]
        if sign.isalpha() and sign not in _TYPOGRAPHY:
            inside = before.islower() and sign.isupper()  # a capital within a word
            letter = "" if inside else sign.lower()[0]
            counts[letter] = counts.get(letter, 0) + 1
        elif sign in _TYPOGRAPHY and not _within(before, sign, after):
            marks += 1
        else:
            amiss += 1
    letters = max(sum(counts.get(one, 0) for one in set(each)) for each in languages)
    total = sum(counts.values()) + marks + amiss
    return (letters + marks) / total if total else 0.0


def _within(before: str, sign: str, after: str) -> bool:
    """Whether a typographic mark stands where only a letter could."""
    if sign in "’·\u00ad\u00a0":
        return False
    if sign in "–—":
        return before.islower() and after.islower()
    return after.islower() and (before.isalpha() or sign in "†‡™®±•…")


def _guessed(sample: bytes) -> str:
    """The encoding that charset-normalizer names. Raises ReadFailure (UNDECODABLE)."""
    blank = b" " in sample or b"\n" in sample  # no white space in EBCDIC
    best = from_bytes(sample, cp_exclusion=_NOT_GUESSED + (_EBCDIC if blank else [])).best()
    if best is None:
        raise ReadFailure(Failure.UNDECODABLE)
    return best.encoding
