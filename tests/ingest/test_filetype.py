"""A file's type is told by its bytes; its name decides between kinds of text only."""

from __future__ import annotations

import base64
import gzip
import io
import os
import sqlite3
import zipfile
from email.message import EmailMessage
from pathlib import Path

import docx
import openpyxl
import pptx
import pytest
from PIL import Image

import ingest.wire
from ingest import reader_child
from ingest.errors import Failure, ReadFailure
from ingest.filetype import FileType, detect
from ingest.options import ReadOptions
from ingest.pages import Member, ReadDocument
from ingest.sandbox import ReadLimits, Sandbox
from tests.ingest.ole_writer import Msg, compound_file


def saved(made: object) -> bytes:
    buffer = io.BytesIO()
    made.save(buffer)  # type: ignore[attr-defined]
    return buffer.getvalue()


def picture(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, kind)
    return buffer.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def office_types(main: str) -> bytes:
    return zipped({"[Content_Types].xml": f'<Override ContentType="{main}"/>'.encode()})


def mail() -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@b.c", "d@e.f", "s"
    message["Message-ID"] = "<1@b.c>"
    message.set_content("text")
    return message.as_bytes()


MSG = Msg({0x37: "s", 0x1000: "b"}).written()
PDF = b"%PDF-1.4\n1 0 obj<<>>endobj\nstartxref\n0\n%%EOF"
DOCX, XLSX, PPTX = saved(docx.Document()), saved(openpyxl.Workbook()), saved(pptx.Presentation())
ODT = zipped({"mimetype": b"application/vnd.oasis.opendocument.text", "content.xml": b"<x/>"})
HTML = b"<!-- saved --><!DOCTYPE html><html><body>x</body></html>"
RECORDS = b'{"_id": "1", "text": "a"}\n{"_id": "2", "text": "b"}\n'
ROWS = b"name;period;basis\nledger;10;s. 257\nletter;6;s. 257\nmail;6;s. 257\nbill;8;s. 14b\n"
MARKDOWN = b"# Retention\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n**Note** that.\n"
PROSE = b"Records are kept for six years, or ten, or for good.\nNobody knows, however, why.\n"
SAMPLES = [
    (FileType.PDF, PDF),
    (FileType.PDF, b"\xef\xbb\xbf\n" + PDF),
    (FileType.PDF, b"HTTP/1.1 200 OK\r\n\r\n" + PDF),
    (FileType.DOCX, DOCX),
    (FileType.XLSX, XLSX),
    (FileType.PPTX, PPTX),
    (FileType.ODT, ODT),
    (FileType.RTF, b"{\\rtf1 x}"),
    (FileType.MSG, MSG),
    (FileType.ZIP, zipped({"a.txt": b"x"})),
    (FileType.PNG, picture("PNG")),
    (FileType.JPEG, picture("JPEG")),
    (FileType.TIFF, picture("TIFF")),
    (FileType.HTML, HTML),
    (FileType.HTML, '<?xml version="1.0"?>\n<html xmlns="x">'.encode("utf-16")),
    (FileType.EML, mail()),
    (FileType.EML, b"From a@b.c Mon Jan  1 00:00:00 2024\n" + mail()),
    (FileType.JSONL, RECORDS),
    (FileType.JSONL, b'{"a": 1}\r\n{"a": 2}'),
]


@pytest.mark.parametrize("name", ["x", "report.pdf", "x.docx", "x.txt", "x.zip", "x.png", "x.html"])
@pytest.mark.parametrize(("expected", "data"), SAMPLES)
def test_what_has_a_mark_is_read_as_what_it_is(name: str, expected: FileType, data: bytes) -> None:
    assert detect(name, data) is expected


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.md", PROSE, FileType.MARKDOWN),
        ("a.txt", PROSE, FileType.TEXT),
        ("a.csv", b"1,2", FileType.CSV),
        ("a.tsv", b"1\t2", FileType.CSV),
        ("a.dat", ROWS, FileType.CSV),
        ("a.txt", ROWS, FileType.CSV),
        ("a.xls", ROWS.replace(b";", b"\t"), FileType.CSV),  # what many programs call so
        ("a.csv", ROWS.decode().encode("utf-16"), FileType.CSV),
        ("a", PROSE, FileType.TEXT),
        ("a.unheard-of", PROSE, FileType.TEXT),
        ("a", MARKDOWN, FileType.MARKDOWN),
        ("a.txt", MARKDOWN, FileType.TEXT),
        ("a.html", b"<p>x</p>", FileType.HTML),
        ("a.html", b"no tags at all", FileType.TEXT),
        ("a.jsonl", b"no record", FileType.JSONL),  # each line is then reported
        ("a.json", b'{\n  "a": 1\n}\n', FileType.TEXT),
        ("a.json", b'{"a": 1}', FileType.TEXT),
        ("a.md", b"%PDF-1.4 is how a PDF begins, and this is none"[1:], FileType.MARKDOWN),
        ("a.txt", b"Of files: those with %PDF-1.4 at the start", FileType.TEXT),
        ("a.txt", b"From: Ann\nTo: Bob\nSubject: periods\n\nA memorandum.", FileType.TEXT),
        ("a.eml", b"Subject: periods\n\nA draft.", FileType.EML),
        ("a.txt", b"Subject: periods\nTo: b@c.d\nMIME-Version: 1.0\n\nx", FileType.EML),
        ("a.txt", "Größe".encode("cp1252"), FileType.TEXT),
        ("a.txt", "Größe".encode("utf-16-le"), FileType.TEXT),
        ("a.txt", b"MZ is where a program begins", FileType.TEXT),
        ("a.txt", b"PK: no archive", FileType.TEXT),
        ("a.txt", b"\x1b[1mfrom a terminal\x1b[0m or printer", FileType.TEXT),
    ],
)
def test_text_is_told_by_what_it_holds_then_by_its_name(
    name: str, data: bytes, expected: FileType
) -> None:
    assert detect(name, data) is expected


@pytest.mark.parametrize(
    ("main", "expected"),
    [
        ("application/vnd.ms-word.document.macroEnabled.main+xml", FileType.DOCX),
        ("application/vnd.ms-excel.sheet.macroEnabled.main+xml", FileType.XLSX),
        ("application/vnd.ms-powerpoint.slideshow.macroEnabled.main+xml", FileType.PPTX),
        (
            "application/vnd.openxmlformats-officedocument.presentationml.slideshow.main+xml",
            FileType.PPTX,
        ),
    ],
)
def test_office_files_by_their_main_part(main: str, expected: FileType) -> None:
    assert detect("x", office_types(main)) is expected


def sqlite_file(folder: Path) -> bytes:
    sqlite3.connect(folder / "x").execute("create table a (b)").connection.close()
    return (folder / "x").read_bytes()


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.pdf", b"\0\0\0", Failure.EMPTY),
        ("a.txt", b" \r\n\t", Failure.EMPTY),
        ("a.pdf", b"no pdf", Failure.CORRUPT),
        ("a.png", b"\x89PNG\0\0\1", Failure.CORRUPT),
        ("a.docx", b"PK\x03\x04 broken", Failure.CORRUPT),
        ("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 broken", Failure.CORRUPT),
        ("a", DOCX[: len(DOCX) // 2], Failure.CORRUPT),
        ("a.docx", compound_file({"EncryptedPackage": b"x", "Other": b"y"}), Failure.ENCRYPTED),
        ("a.msg", compound_file({"WordDocument": b"x" * 5000}), Failure.LEGACY_OFFICE),
        ("a.xlsx", compound_file({"Workbook": b"x"}), Failure.LEGACY_OFFICE),
        ("a.ppt", compound_file({"PowerPoint Document": b"x"}), Failure.LEGACY_OFFICE),
        ("a.xls", b"\x09\x04\x06\x00\x00\x00\x10\x00", Failure.LEGACY_OFFICE),
        ("a.msi", compound_file({"Something": b"x"}), Failure.UNSUPPORTED),
        ("a.txt", b"\x7fELF\2\1\1", Failure.UNSUPPORTED),
        ("a.txt", b"MZ\x90\0\3\0\0\0\4\0\0\0\xff\xff", Failure.UNSUPPORTED),
        ("a.txt", gzip.compress(b"text", mtime=0), Failure.UNSUPPORTED),
        ("a", b"7z\xbc\xaf\x27\x1c\0\4", Failure.UNSUPPORTED),
        ("a", b"Rar!\x1a\x07\x01\0", Failure.UNSUPPORTED),
        ("a", b"\0\0\0\x18ftypmp42\0\0\0\0", Failure.UNSUPPORTED),
        ("a", picture("GIF"), Failure.UNSUPPORTED),
        ("a", picture("BMP"), Failure.UNSUPPORTED),
        ("a.txt", os.urandom(500), Failure.UNSUPPORTED),
        ("a", zipped({"mimetype": b"application/epub+zip"}), Failure.UNSUPPORTED),
        ("a", office_types("application/vnd.ms-excel.sheet.binary.macroEnabled.main"),
         Failure.UNSUPPORTED),
        ("a.jar", zipped({"META-INF/MANIFEST.MF": b""}), Failure.UNSUPPORTED),
        ("a.mbox", (b"From a@b.c Mon Jan  1 00:00:00 2024\n" + mail() + b"\n") * 2,
         Failure.UNSUPPORTED),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said_to_be(name: str, data: bytes, expected: Failure) -> None:
    with pytest.raises(ReadFailure) as caught:
        detect(name, data)
    assert caught.value.failure is expected


def test_a_database_is_not_text(tmp_path: Path) -> None:
    with pytest.raises(ReadFailure) as caught:
        detect("a.txt", sqlite_file(tmp_path))
    assert caught.value.failure is Failure.UNSUPPORTED


def test_a_locked_office_file_within_a_mail_does_not_make_the_mail_one() -> None:
    locked = compound_file({"EncryptedPackage": b"x"})
    data = Msg({0x37: "s"}, attachments=[({0x3707: "a.docx", 0x3701: locked}, None)]).written()
    assert detect("a.msg", data) is FileType.MSG


def test_there_is_a_reader_for_every_type() -> None:
    assert set(reader_child._MODULES) == set(FileType)


def test_each_type_reaches_its_reader_and_its_media_type_comes_back(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_paragraph("words")
    slides = pptx.Presentation()
    slides.slides.add_slide(slides.slide_layouts[0]).shapes.title.text = "words"
    book = openpyxl.Workbook()
    book.active.append(["words", "more"])
    files = {
        "docx": saved(document),
        "pptx": saved(slides),
        "xlsx": saved(book),
        "rtf": b"{\\rtf1 words}",
        "html": b"<html><p>words</html>",
        "md": b"words",
        "txt": b"words",
        "csv": b"a,b\nwords,more\n",
        "jsonl": b'{"_id": "1", "text": "words"}\n',
        "eml": mail().replace(b"text\n", b"words\n"),
        "msg": Msg({0x37: "s", 0x1000: "words"}).written(),
    }
    with Sandbox(ReadLimits()) as sandbox:
        for suffix, data in files.items():
            (found,) = sent(sandbox, tmp_path / f"x.{suffix}", data)
            assert isinstance(found, ReadDocument), suffix
            assert "words" in "\n".join(read.page.text for read in found.pages)
            assert found.media_type in ingest.wire.MEDIA_TYPES
        (member,) = sent(sandbox, tmp_path / "x.zip", zipped({"a/b.txt": b"words"}))
        assert member == Member("a/b.txt", b"words")


def test_a_mail_without_words_still_has_its_members(tmp_path: Path) -> None:
    data = base64.b64encode(b"\0\1\2").decode()
    part = f"Content-Type: application/pdf\nContent-Transfer-Encoding: base64\n\n{data}"
    whole = f"Message-ID:\nMIME-Version: 1.0\n{part}"
    with Sandbox(ReadLimits()) as sandbox:
        mail, member = sent(sandbox, tmp_path / "x.eml", whole.encode())
    assert isinstance(mail, ReadDocument)
    assert member == Member("attachment-1.pdf", b"\0\1\2")


def sent(sandbox: Sandbox, path: Path, data: bytes) -> list[object]:
    path.write_bytes(data)
    with path.open("rb") as stream:
        return list(sandbox.read(path.name, stream.fileno(), len(data), ReadOptions()))
