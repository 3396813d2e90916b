"""What a file is: by its bytes. Its name only decides between kinds of text, which have no marks.

Text that could be of several kinds is told by what it holds (lines of JSON objects, rows with the
same number of fields, the head of a mail), then by its name's suffix, and is plain text otherwise.
"""

from __future__ import annotations

import io
import re
import zipfile
from enum import StrEnum
from pathlib import PurePath

from ingest import textkind
from ingest.errors import Failure, ReadFailure
from ingest.textkind import TextKind


class FileType(StrEnum):
    """The types there is a reader for. CSV is any text of rows, whatever parts its fields."""

    PDF = "pdf"
    DOCX = "docx"
    PPTX = "pptx"
    XLSX = "xlsx"
    ODT = "odt"
    RTF = "rtf"
    HTML = "html"
    MARKDOWN = "markdown"
    TEXT = "text"
    CSV = "csv"
    JSONL = "jsonl"
    EML = "eml"
    MSG = "msg"
    ZIP = "zip"
    PNG = "png"
    JPEG = "jpeg"
    TIFF = "tiff"


_HEAD = 1024
_TAIL = 2048
_SOMETHING = re.compile(rb"[^\0 \t\r\n]")
_MARKS = (
    (b"\x89PNG\r\n\x1a\n", FileType.PNG),
    (b"\xff\xd8\xff", FileType.JPEG),
    (b"II*\0", FileType.TIFF),
    (b"MM\0*", FileType.TIFF),
    (b"II+\0", FileType.TIFF),  # BigTIFF
    (b"MM\0+", FileType.TIFF),
)
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_RTF = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{\\rtf")
_OLD_SHEETS = (b"\x09\x00\x04\x00", b"\x09\x02\x06\x00", b"\x09\x04\x06\x00")  # Excel 2 to 4
_FOREIGN = re.compile(
    rb"\x7fELF|GIF8[79]a|\x1f\x8b|BZh[1-9]1AY&SY|\xfd7zXZ|7z\xbc\xaf\x27\x1c|Rar!\x1a\x07"
    rb"|SQLite format 3\0|ID3[\x02-\x04]|OggS\0|%!PS|!BDN|8BPS|\x28\xb5\x2f\xfd|MSCF\0|\0asm"
    rb"|RIFF....(?:WAVE|AVI |WEBP)|....ftyp|PAR1|\xca\xfe\xba\xbe|AT&TFORM",
    re.DOTALL,
)
_BINARY_SUFFIXES = frozenset(
    (
        ".pdf", ".docx", ".docm", ".pptx", ".pptm", ".xlsx", ".xlsm", ".odt", ".zip", ".msg",
        ".png", ".jpg", ".jpeg", ".tif", ".tiff",
    )
)  # fmt: skip
_TEXTS = {
    TextKind.HTML: FileType.HTML,
    TextKind.MAIL: FileType.EML,
    TextKind.RECORDS: FileType.JSONL,
    TextKind.ROWS: FileType.CSV,
    TextKind.MARKDOWN: FileType.MARKDOWN,
    TextKind.PLAIN: FileType.TEXT,
}

# By the content type of an Office file's main part (ECMA-376, part 1, 11 to 13), without its end
# ".main+xml"; macros are never run.
_MAIN_PARTS = {
    rb"wordprocessingml\.(?:document|template)|ms-word\.(?:document|template)\.macroEnabled\w*": (
        FileType.DOCX
    ),
    rb"presentationml\.(?:presentation|slideshow|template)"
    rb"|ms-powerpoint\.(?:presentation|slideshow|template)\.macroEnabled": FileType.PPTX,
    rb"spreadsheetml\.(?:sheet|template)|ms-excel\.(?:sheet|template)\.macroEnabled": FileType.XLSX,
}
_OFFICE_PARTS = {
    "word/document.xml": FileType.DOCX,
    "ppt/presentation.xml": FileType.PPTX,
    "xl/workbook.xml": FileType.XLSX,
}
_LEGACY_STREAMS = frozenset({"worddocument", "workbook", "book", "powerpoint document"})
_MAX_TYPES = 4 << 20  # bytes of [Content_Types].xml; it lists the parts of the file


def detect(name: str, data: bytes) -> FileType:
    """The type of the file `name` that holds `data`.

    The PDF mark may stand anywhere in the first 1,024 bytes (ISO 32000-1, Annex H, note 13). What
    is named as a binary type and is some other sort of bytes is damaged, not unsupported.

    Raises ReadFailure (EMPTY, UNSUPPORTED, CORRUPT, ENCRYPTED, LEGACY_OFFICE).
    """
    if not _SOMETHING.search(data):
        raise ReadFailure(Failure.EMPTY)
    suffix = PurePath(name).suffix.lower()
    marked = _by_mark(suffix, data)
    if marked is not None:
        return marked
    if _FOREIGN.match(data) or data[257:262] == b"ustar":
        raise ReadFailure(Failure.UNSUPPORTED)
    kind = textkind.detect(suffix, data)
    named_binary = suffix in _BINARY_SUFFIXES
    if kind is None or (named_binary and kind is TextKind.PLAIN):
        raise ReadFailure(Failure.CORRUPT if named_binary else Failure.UNSUPPORTED)
    if kind is TextKind.MAILBOX:
        raise ReadFailure(Failure.UNSUPPORTED)
    return _TEXTS[kind]


def _by_mark(suffix: str, data: bytes) -> FileType | None:
    if _is_pdf(suffix, data):
        return FileType.PDF
    if data.startswith(_ZIP):
        return _in_zip(data)
    if data.startswith(_OLE):
        return _in_ole(data)
    if data.startswith(_OLD_SHEETS):
        raise ReadFailure(Failure.LEGACY_OFFICE)
    if _RTF.match(data[:_HEAD]):
        return FileType.RTF
    return next((kind for mark, kind in _MARKS if data.startswith(mark)), None)


def _is_pdf(suffix: str, data: bytes) -> bool:
    """A text that speaks of "%PDF-" in its first lines is none: it lacks the end of a PDF."""
    at = data[:_HEAD].find(b"%PDF-")
    if at < 0:
        return False
    return not data[:at].strip(b"\xef\xbb\xbf\0 \t\r\n") or (
        suffix == ".pdf" or b"startxref" in data[-_TAIL:]
    )


def _in_zip(data: bytes) -> FileType:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.NameToInfo
            if "mimetype" in names:
                return _in_package(_start_of(archive, "mimetype"))
            if "[Content_Types].xml" in names:
                return _in_office(archive)
            if "META-INF/MANIFEST.MF" in names:
                raise ReadFailure(Failure.UNSUPPORTED)  # a Java program
    except ReadFailure:
        raise
    except Exception as error:  # zipfile raises whatever its header fields led to
        raise ReadFailure(Failure.CORRUPT) from error
    return FileType.ZIP


def _in_package(media_type: bytes) -> FileType:
    """OpenDocument 1.3, part 2, 3.3: the first entry states the type."""
    stated = media_type.strip()
    if stated in (
        b"application/vnd.oasis.opendocument.text",
        b"application/vnd.oasis.opendocument.text-template",
    ):
        return FileType.ODT
    if stated.startswith(b"application/"):
        raise ReadFailure(Failure.UNSUPPORTED)  # another OpenDocument, or a book
    return FileType.ZIP  # somebody's file that happens to have this name


def _in_office(archive: zipfile.ZipFile) -> FileType:
    types = _start_of(archive, "[Content_Types].xml")
    for pattern, kind in _MAIN_PARTS.items():
        if re.search(rb"(?:%s)\.main\+xml" % pattern, types):
            return kind
    for part, kind in _OFFICE_PARTS.items():
        if part in archive.NameToInfo:
            return kind
    raise ReadFailure(Failure.UNSUPPORTED)


def _start_of(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as stream:
        return stream.read(_MAX_TYPES)


def _in_ole(data: bytes) -> FileType:
    """Office wraps what it encrypts in such a file, too (MS-OFFCRYPTO 1.3.3)."""
    from ingest import read_msg

    names = read_msg.root_names(data)
    if "encryptedpackage" in names:
        raise ReadFailure(Failure.ENCRYPTED)
    if "__properties_version1.0" in names:
        return FileType.MSG
    if names & _LEGACY_STREAMS:
        raise ReadFailure(Failure.LEGACY_OFFICE)
    raise ReadFailure(Failure.UNSUPPORTED)
