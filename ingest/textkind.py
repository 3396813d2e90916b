"""Which kind of text some bytes are, if they are text at all: by their start, then by the suffix.

A text's suffix decides between what its statistics leave open: a note with a few dashes in it is
Markdown if it says so, and plain text if not.
"""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections import Counter
from enum import StrEnum


class TextKind(StrEnum):
    """Kinds of text that are read in different ways; nobody reads a MAILBOX of many mails yet."""

    HTML = "html"
    MAIL = "mail"
    MAILBOX = "mailbox"
    RECORDS = "records"
    ROWS = "rows"
    MARKDOWN = "markdown"
    PLAIN = "plain"


_BY_SUFFIX = {
    ".htm": TextKind.HTML,
    ".html": TextKind.HTML,
    ".xhtml": TextKind.HTML,
    ".md": TextKind.MARKDOWN,
    ".markdown": TextKind.MARKDOWN,
    ".jsonl": TextKind.RECORDS,
    ".ndjson": TextKind.RECORDS,
    ".csv": TextKind.ROWS,
    ".tsv": TextKind.ROWS,
    ".tab": TextKind.ROWS,
    ".eml": TextKind.MAIL,
}
_PLAIN_SUFFIXES = frozenset({".txt", ".text", ".log"})
_PROBE = 64 << 10  # bytes that are looked at
_RECORD = 4 << 20  # bytes of the first line of records, which may be long
_ENCODINGS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROLS = re.compile(r"[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f]")
_MAX_CONTROLS = 0.005  # share of a text's characters: some printers' codes are forgiven,
_FORGIVEN = 2  # and a stray one or two in a short text, too

_HTML = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*|<!--.*?-->\s*)*<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL
)
_HEADER = re.compile(r"([!-9;-~]+):[ \t]?(.*(?:\n[ \t].*)*)(?:\n|\Z)")  # RFC 5322, 2.2
_SENDERS = {"from", "sender", "return-path"}
_MAIL_ONLY = {"message-id", "mime-version", "received", "return-path", "delivered-to", "x-mailer"}
_MAIL = _SENDERS | _MAIL_ONLY | {"to", "cc", "bcc", "subject", "date", "reply-to", "content-type"}
_FROM_LINE = re.compile(r"From \S+.*\d{4}\n")
_MARKDOWN = (
    r"^#{1,6} \S",
    r"^(?:```|~~~)",
    r"^\|?(?: *:?-{3,}:? *\|)+ *:?-*:? *$",
    r"\[[^\]\n]+\]\((?:https?:|/|#|\.)[^)\n]*\)",
    r"\*\*[^*\n]+\*\*",
    r"\A---\n(?:\w[\w-]*:.*\n)+---\n",
)


def detect(suffix: str, data: bytes) -> TextKind | None:
    """The kind of text that `data` is, whose name ends with `suffix`; None if it is no text."""
    text = _probe(data)
    if text is None:
        return None
    named = _BY_SUFFIX.get(suffix)
    if _HTML.match(text):
        return TextKind.HTML
    mail = _mail(suffix, text)
    if mail is not None:
        return mail
    if _is_records(data, named is TextKind.RECORDS):
        return TextKind.RECORDS
    if named is TextKind.HTML:
        return named if re.search(r"<[a-zA-Z]+[\s/>]", text) else TextKind.PLAIN
    if named is not None and named is not TextKind.MAIL:
        return named
    rows, columns = _rows(text)
    if rows >= (5 if suffix in _PLAIN_SUFFIXES else 3) and columns >= 3:
        return TextKind.ROWS
    if suffix not in _PLAIN_SUFFIXES and _markdown_marks(text) >= 2:
        return TextKind.MARKDOWN
    return TextKind.PLAIN


def _probe(data: bytes) -> str | None:
    """The start of `data` as text with "\\n" line ends, None if it is none.

    UTF-16 without a byte order mark is told by its NUL bytes, which all lie on one side.
    """
    start = data[:_PROBE]
    encoding = next((name for mark, name in _ENCODINGS if start.startswith(mark)), None)
    if encoding is None and b"\0" in start:
        odd, even = start[1::2].count(0), start[::2].count(0)
        if max(odd, even) < len(start) * 0.3 or min(odd, even) > len(start) * 0.01:
            return None
        encoding = "utf-16-le" if odd > even else "utf-16-be"
    if encoding is None:
        encoding = "utf-8" if _is_utf8(start) else "latin-1"
    text = start.decode(encoding, "replace")
    if len(_CONTROLS.findall(text)) > _FORGIVEN + len(text) * _MAX_CONTROLS:
        return None
    return re.sub(r"\r\n?", "\n", text)


def _is_utf8(start: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)  # which may end within a character
    except UnicodeDecodeError:
        return False
    return True


def _mail(suffix: str, text: str) -> TextKind | None:
    """A mail begins with its header fields, one of which a memorandum does not have; how many are
    wanted depends on whether its name says that it is one.
    """
    text = text.lstrip("\n")
    envelope = _FROM_LINE.match(text)
    at = envelope.end() if envelope else 0
    found: set[str] = set()
    while header := _HEADER.match(text, at):
        found.add(header.group(1).lower())
        at = header.end()
    if at < len(text) and text[at] != "\n":
        return None  # something else follows, without the empty line between
    known = found & _MAIL
    sure = bool(known & _MAIL_ONLY) and len(known) >= 2
    plausible = suffix not in _PLAIN_SUFFIXES and {"from", "subject"} <= known
    if not (sure or (plausible and known & {"to", "date"}) or (suffix == ".eml" and known)):
        return None
    many = envelope and re.search(r"\n\nFrom \S+.*\d{4}\n[!-9;-~]+:", text[at - 1 :])
    return TextKind.MAILBOX if many else TextKind.MAIL


def _is_records(data: bytes, named: bool) -> bool:
    """Whether every line at the start is a JSON object of its own; two, unless it is a record."""
    lines: list[bytes] = []
    at = 3 if data.startswith(codecs.BOM_UTF8) else 0
    while len(lines) < 3 and at < len(data):
        newline = data.find(b"\n", at, at + _RECORD)
        end = newline if newline >= 0 else len(data)
        if end - at > _RECORD:
            return named
        line = data[at:end].strip()
        at = end + 1
        if line:
            lines.append(line)
    if named:
        return True
    if not lines or not all(line.startswith(b"{") and line.endswith(b"}") for line in lines):
        return False
    try:
        records = [json.loads(line) for line in lines]
    except (ValueError, RecursionError):
        return False
    return len(records) > 1 or {"_id", "text"} <= set(records[0])


def _rows(text: str) -> tuple[int, int]:
    """How many lines there are that all have the same number of fields, and that number; (0, 0) if
    they have not. A sentence or two with commas before the table makes it none.
    """
    lines = [line for line in text.split("\n")[:200] if line.strip()]
    if len(lines) > 1 and len(text) >= _PROBE // 4:
        lines.pop()  # it may be cut
    best = (0, 0)
    for delimiter in "\t;,|":
        counted: Counter[int] = Counter()
        try:
            counted.update(len(row) for row in csv.reader(lines, delimiter=delimiter))
        except csv.Error:
            continue
        if not counted:
            continue
        fields, rows = counted.most_common(1)[0]
        if fields > 1 and rows >= 0.95 * counted.total() and (rows, fields) > best:
            best = (rows, fields)
    return best


def _markdown_marks(text: str) -> int:
    """How many kinds of Markdown's marks there are in `text`."""
    return sum(bool(re.search(mark, text, re.MULTILINE)) for mark in _MARKDOWN)
