"""What a file is: by its first bytes, and for text, which has none of its own, by its name."""

from __future__ import annotations

import io
import re
import zipfile
from enum import StrEnum
from pathlib import PurePath

from ingest.errors import Failure, ReadFailure


class FileType(StrEnum):
    """The types there is a reader for."""

    PDF = "pdf"
    DOCX = "docx"
    HTML = "html"
    MARKDOWN = "markdown"
    TEXT = "text"
    JSONL = "jsonl"


_BY_NAME = {
    ".htm": FileType.HTML,
    ".html": FileType.HTML,
    ".xhtml": FileType.HTML,
    ".md": FileType.MARKDOWN,
    ".markdown": FileType.MARKDOWN,
    ".txt": FileType.TEXT,
    ".text": FileType.TEXT,
    ".log": FileType.TEXT,
    "": FileType.TEXT,
    ".jsonl": FileType.JSONL,
    ".ndjson": FileType.JSONL,
}
_HTML = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*|<!--.*?-->\s*)*<(?:!doctype\s+html|html)\b", re.I | re.S
)
_HEAD = 1024
_FOREIGN = (
    b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"\x7fELF", b"MZ", b"\x1f\x8b", b"BZh", b"7z\xbc\xaf",
    b"\xd0\xcf\x11\xe0", b"Rar!", b"{\\rtf", b"SQLite format 3\0",
)  # fmt: skip


def detect(name: str, data: bytes) -> FileType:
    """The type of the file `name` that holds `data`.

    The PDF mark may stand anywhere in the first 1,024 bytes (ISO 32000-1, Annex H, note 13). What
    is called .pdf or .docx and is not is damaged, not unsupported.

    Raises ReadFailure (EMPTY, UNSUPPORTED, CORRUPT, ENCRYPTED).
    """
    if not data.strip(b"\0 \t\r\n"):
        raise ReadFailure(Failure.EMPTY)
    suffix = PurePath(name).suffix.lower()
    if b"%PDF-" in data[:_HEAD] and suffix not in (".jsonl", ".md", ".txt", ".html"):
        return FileType.PDF
    if data.startswith(b"PK"):
        return _in_zip(suffix, data)
    if suffix == ".docx" and data.startswith(b"\xd0\xcf\x11\xe0"):
        raise ReadFailure(Failure.ENCRYPTED)  # Word wraps what it encrypts in an OLE file
    if suffix in (".pdf", ".docx"):
        raise ReadFailure(Failure.CORRUPT)
    if data.startswith(_FOREIGN):
        raise ReadFailure(Failure.UNSUPPORTED)
    if suffix in _BY_NAME:
        named = _BY_NAME[suffix]
        return FileType.HTML if named is FileType.TEXT and _HTML.match(data[:_HEAD]) else named
    if _HTML.match(data[:_HEAD]):
        return FileType.HTML
    raise ReadFailure(Failure.UNSUPPORTED)


def _in_zip(suffix: str, data: bytes) -> FileType:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if "word/document.xml" in archive.namelist():
                return FileType.DOCX
    except zipfile.BadZipFile as error:
        damaged = Failure.CORRUPT if suffix == ".docx" else Failure.UNSUPPORTED
        raise ReadFailure(damaged) from error
    raise ReadFailure(Failure.CORRUPT if suffix == ".docx" else Failure.UNSUPPORTED)
