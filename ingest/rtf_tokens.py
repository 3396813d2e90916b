"""RTF as tokens, and the tables that its text depends on (Rich Text Format 1.9.1).

Pure. Any bytes give tokens: what is no control is text.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple

_TOKEN = re.compile(
    rb"(?P<brace>[{}])|\\(?P<word>[a-zA-Z]{1,32})(?P<number>-?[0-9]{1,10})? ?"
    rb"|\\'(?P<hex>[0-9a-fA-F]{2})|\\(?P<sign>[^a-zA-Z])|(?P<line>[\r\n]+)"
    rb"|(?P<text>[^\\{}\r\n]+)",
    re.DOTALL,
)
_CHARSETS = {  # \fcharset: Windows code pages
    0: "cp1252", 2: "cp1252", 77: "mac_roman", 128: "cp932", 129: "cp949", 130: "johab",
    134: "gbk", 136: "cp950", 161: "cp1253", 162: "cp1254", 163: "cp1258", 177: "cp1255",
    178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250", 254: "cp437",
    255: "cp850",
}  # fmt: skip
_FAMILIES = {"ansi": "cp1252", "mac": "mac_roman", "pc": "cp437", "pca": "cp850"}


class What(Enum):
    """What a token is."""

    OPEN = auto()
    CLOSE = auto()
    WORD = auto()  # a control word, `name` and perhaps `number`
    SIGN = auto()  # a control symbol, its sign in `name`
    TEXT = auto()  # `data` in the code page of the font
    HEX = auto()  # one byte written \'hh, in `data`


class Token(NamedTuple):
    """One token; `number` is None where a control word has none."""

    what: What
    name: str = ""
    number: int | None = None
    data: bytes = b""


_OPEN, _CLOSE = Token(What.OPEN), Token(What.CLOSE)


def tokens(data: bytes) -> Iterator[Token]:
    """The tokens of an RTF file; binary data within (\\bin) is passed over."""
    at = 0
    while match := _TOKEN.match(data, at):
        at = match.end()
        kind = match.lastgroup
        if kind == "brace":
            yield _OPEN if match["brace"] == b"{" else _CLOSE
        elif kind in ("word", "number"):
            name = match["word"].decode("ascii")
            number = None if match["number"] is None else int(match["number"])
            if name == "bin":
                at += max(number or 0, 0)
            else:
                yield Token(What.WORD, name, number)
        elif kind == "hex":
            yield Token(What.HEX, data=bytes.fromhex(match["hex"].decode("ascii")))
        elif kind == "sign":
            yield Token(What.SIGN, match["sign"].decode("latin-1"))
        elif kind == "text":
            yield Token(What.TEXT, data=match["text"])


def code_page(number: int) -> str:
    """Python's name of a Windows code page, cp1252 for one that it does not have."""
    name = {65001: "utf-8", 10000: "mac_roman", 936: "gbk", 1361: "johab"}.get(
        number, f"cp{number}"
    )
    try:
        codecs.lookup(name)
    except LookupError:
        return "cp1252"
    return name


def charset(number: int, usual: str) -> str:
    """The encoding of a font with this \\fcharset."""
    return _CHARSETS.get(number, usual)


def family(word: str) -> str:
    """The encoding that \\ansi, \\mac, \\pc or \\pca names, "" for another word."""
    return _FAMILIES.get(word, "")
