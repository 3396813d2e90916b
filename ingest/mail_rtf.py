"""The RTF body of an Outlook mail: unpacked, and the HTML in it taken out again.

Formats: MS-OXRTFCP 2.1 and 2.2 (compression), MS-OXRTFEX 2.1 and 2.2 (HTML within RTF).
"""

from __future__ import annotations

import re
import struct

from ingest.errors import Failure, ReadFailure

_HEADER = struct.Struct("<IIII")  # packed size but for this field, unpacked size, kind, checksum
_PACKED, _STORED = 0x75465A4C, 0x414C454D  # "LZFu", "MELA"
_DICTIONARY = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern "
    b"\\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0"
    b"\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)  # MS-OXRTFCP 2.1.2.1
_WINDOW = 4096  # bytes

_TOKEN = re.compile(
    rb"\\'(?P<hex>[0-9a-fA-F]{2})|\\(?P<word>[a-zA-Z]{1,32})(?P<number>-?\d{1,10})? ?"
    rb"|\\(?P<symbol>[^a-zA-Z])|(?P<open>\{)|(?P<close>\})|(?P<text>[^\\{}\r\n]+)|[\r\n]+|\\",
    re.DOTALL,
)
_CHARACTERS = {
    "par": "\n", "line": "\n", "tab": "\t", "lquote": "‘", "rquote": "’", "ldblquote": "“",
    "rdblquote": "”", "bullet": "•", "endash": "–", "emdash": "—",
}  # fmt: skip
_NOT_SHOWN = frozenset(
    {"fonttbl", "colortbl", "stylesheet", "info", "pntext", "pict", "mhtmltag", "generator"}
)
_MAX_DEPTH = 10_000  # of groups; kept in a list, not in calls


def unpacked(data: bytes) -> bytes:
    """The RTF in a PidTagRtfCompressed. What is cut short gives what there is of it.

    Raises ReadFailure (CORRUPT).
    """
    if len(data) < _HEADER.size:
        raise ReadFailure(Failure.CORRUPT)
    _, size, kind, _ = _HEADER.unpack_from(data)
    if kind == _STORED:
        return data[_HEADER.size : _HEADER.size + size]
    if kind != _PACKED:
        raise ReadFailure(Failure.CORRUPT)
    window = bytearray(_WINDOW)
    window[: len(_DICTIONARY)] = _DICTIONARY
    write = len(_DICTIONARY)
    result = bytearray()
    at = _HEADER.size
    while at < len(data):
        control = data[at]
        at += 1
        for bit in range(8):
            if control >> bit & 1:
                reference = int.from_bytes(data[at : at + 2], "big")
                at += 2
                read = reference >> 4
                if read == write or at > len(data):
                    return bytes(result)
                run = (reference & 0xF) + 2
            else:
                if at >= len(data):
                    return bytes(result)
                window[write] = data[at]
                read, run = write, 1
                at += 1
            for _ in range(run):
                byte = window[read]
                result.append(byte)
                window[write] = byte
                read, write = (read + 1) % _WINDOW, (write + 1) % _WINDOW
    return bytes(result)


def html_within(rtf: bytes) -> str | None:
    """The HTML that was wrapped in `rtf`, or None if it is RTF of its own right."""
    if b"\\fromhtml" not in rtf[:4096]:
        return None
    return _Unwrap(rtf).html()


class _Unwrap:
    """Reads RTF for what it keeps of HTML: `htmltag` groups, and text outside `htmlrtf`."""

    def __init__(self, rtf: bytes) -> None:
        self._rtf = rtf
        found = re.search(rb"\\ansicpg(\d{3,5})", rtf[:4096])
        self._encoding = _codec(int(found.group(1)) if found else 1252)
        self._parts: list[str] = []
        self._bytes = bytearray()  # characters of the code page, several of which may make one
        self._skip = 0  # characters that stand in for the \u before them
        self._in_rtf = False  # between \htmlrtf and \htmlrtf0
        self._groups: list[tuple[bool, bool]] = []  # (shown, in RTF) of those around
        self._shown = True

    def html(self) -> str:
        """All of it."""
        for token in _TOKEN.finditer(self._rtf):
            kind = token.lastgroup
            if kind == "number":
                kind = "word"
            if kind == "hex":
                self._raw(bytes.fromhex(token["hex"].decode()))
            elif kind == "text":
                self._raw(token["text"])
            elif kind == "open":
                if len(self._groups) >= _MAX_DEPTH:
                    raise ReadFailure(Failure.TOO_DEEP)
                self._groups.append((self._shown, self._in_rtf))
            elif kind == "close":
                self._flush()
                if self._groups:
                    self._shown, self._in_rtf = self._groups.pop()
            elif kind == "word":
                number = token["number"]
                self._word(token["word"].decode(), int(number) if number else None)
            elif kind == "symbol":
                self._symbol(token["symbol"])
        self._flush()
        return "".join(self._parts)

    def _word(self, word: str, number: int | None) -> None:
        self._flush()
        if word == "htmlrtf":
            self._in_rtf = number != 0
        elif word == "htmltag":
            self._shown = True
        elif word in _NOT_SHOWN:
            self._shown = False
        elif word == "u" and number is not None:
            self._add(chr(number % 0x10000))
            self._skip = 1
        elif word in _CHARACTERS:
            self._add(_CHARACTERS[word])

    def _symbol(self, symbol: bytes) -> None:
        if symbol == b"*":
            self._shown = False  # unless it is a group that we know
        elif symbol == b"~":
            self._add("\xa0")
        elif symbol in (b"{", b"}", b"\\"):
            self._raw(symbol)

    def _raw(self, raw: bytes) -> None:
        if self._skip:
            raw, self._skip = raw[self._skip :], 0
        if self._shown and not self._in_rtf:
            self._bytes += raw

    def _add(self, text: str) -> None:
        self._flush()
        if self._shown and not self._in_rtf:
            self._parts.append(text)

    def _flush(self) -> None:
        if self._bytes:
            self._parts.append(self._bytes.decode(self._encoding, "replace"))
            self._bytes.clear()


def _codec(page: int) -> str:
    name = "utf-8" if page == 65001 else f"cp{page}"
    try:
        "".encode(name)
    except LookupError:
        return "cp1252"
    return name
