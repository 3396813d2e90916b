"""Files for `fuzz_readers.py`: sound ones of every format, and hand-made attacks.

The sound ones are written by the libraries that people write them with, small, so that most changes
hit something that matters.
"""

from __future__ import annotations

import datetime as dt
import io
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from email.message import EmailMessage
from pathlib import Path

import docx
import openpyxl
import pptx
from PIL import Image, ImageDraw
from reportlab.lib import pdfencrypt
from reportlab.pdfgen import canvas

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.ingest.ole_writer import Msg

ROWS = (("kind", "period", "basis"), ("ledger", "10 years", "s. 257"), ("letter", "6 years", "-"))
LINES = ("Records are kept for six years.", "Ledgers are kept for ten years.")


def _saved(made: object) -> bytes:
    buffer = io.BytesIO()
    made.save(buffer)  # type: ignore[attr-defined]
    return buffer.getvalue()


def zipped(files: Mapping[str, bytes]) -> bytes:
    """An archive of `files`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _picture() -> Image.Image:
    picture = Image.new("L", (420, 60), 255)
    ImageDraw.Draw(picture).text((8, 8), LINES[0], fill=0, font_size=24)
    return picture


def _image(kind: str) -> bytes:
    buffer = io.BytesIO()
    more = {"save_all": True, "append_images": [_picture()]} if kind == "TIFF" else {}
    _picture().save(buffer, kind, dpi=(150, 150), **more)
    return buffer.getvalue()


def _pdf(scanned: bool = False, password: str = "") -> bytes:
    buffer = io.BytesIO()
    lock = pdfencrypt.StandardEncryption(password, canPrint=1) if password else None
    page = canvas.Canvas(buffer, pagesize=(260, 120), encrypt=lock, pageCompression=0)
    for number, line in enumerate(LINES):
        if scanned:
            page.drawInlineImage(_picture(), 10, 60, 230, 33)
        else:
            page.drawString(10, 100, line)
            for row, cells in enumerate(ROWS):
                for column, cell in enumerate(cells):
                    page.drawString(10 + 80 * column, 70 - 14 * row, cell)
            page.line(5, 64, 250, 64)
        page.bookmarkPage(str(number))
        page.addOutlineEntry(line, str(number))
        page.showPage()
    page.save()
    return buffer.getvalue()


def _docx() -> bytes:
    document = docx.Document()
    document.add_heading("Retention", 1)
    for line in LINES:
        document.add_paragraph(line, style="List Number")
    table = document.add_table(0, 3)
    for row in ROWS:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = text
    document.sections[0].header.paragraphs[0].text = "Records department"
    return _saved(document)


def _pptx() -> bytes:
    slides = pptx.Presentation()
    for line in LINES:
        slide = slides.slides.add_slide(slides.slide_layouts[1])
        slide.shapes.title.text = "Retention"
        slide.placeholders[1].text = line
        slide.notes_slide.notes_text_frame.text = "Say it slowly."
    return _saved(slides)


def _xlsx() -> bytes:
    book = openpyxl.Workbook()
    for number, row in enumerate(ROWS):
        book.active.append([*row, number, dt.date(2026, 1, 1 + number)])
    book.active.merge_cells("A5:C5")
    book.create_sheet("Hidden").sheet_state = "hidden"
    return _saved(book)


_ODF = "urn:oasis:names:tc:opendocument:xmlns"


def _odt() -> bytes:
    cells = "".join(
        "<table:table-row>"
        + "".join(f"<table:table-cell><text:p>{c}</text:p></table:table-cell>" for c in row)
        + "</table:table-row>"
        for row in ROWS
    )
    content = (
        f'<office:document-content xmlns:office="{_ODF}:office:1.0" xmlns:text="{_ODF}:text:1.0" '
        f'xmlns:table="{_ODF}:table:1.0"><office:body><office:text>'
        f'<text:h text:outline-level="1">Retention</text:h><text:p>{LINES[0]}</text:p>'
        f"<table:table>{cells}</table:table></office:text></office:body></office:document-content>"
    )
    manifest = (
        b'<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>'
    )
    return zipped(
        {
            "mimetype": b"application/vnd.oasis.opendocument.text",
            "content.xml": b'<?xml version="1.0" encoding="UTF-8"?>' + content.encode(),
            "META-INF/manifest.xml": manifest,
        }
    )


def _eml() -> bytes:
    message = EmailMessage()
    message["From"], message["To"] = "Ann Ärger <ann@example.org>", "bob@example.org"
    message["Date"], message["Subject"] = "Tue, 03 Mar 2026 10:15:00 +0100", "Retention — periods"
    message["Message-ID"] = "<1@example.org>"
    message.set_content("\n".join(LINES))
    message.add_alternative(f"<p>{LINES[0]}</p><table><tr><th>kind</table>", subtype="html")
    message.add_attachment("a,b\n1,2\n", subtype="csv", filename="Übersicht.csv")
    inner = EmailMessage()
    inner["Subject"] = "Inner"
    inner.set_content(LINES[1])
    message.add_attachment(inner)
    return message.as_bytes()


def _msg() -> bytes:
    sent = dt.datetime(2026, 3, 3, tzinfo=dt.UTC)
    packed = bytes.fromhex(  # MS-OXRTFCP 3.1.1
        "2d0000002b0000004c5a4675f1c5c7a703000a00726370673132354232"
        "0af32068656c090020627705b06c647d0a800fa0"
    )
    inner = Msg({0x37: "Inner", 0x1009: packed})
    return Msg(
        {0x37: "Retention", 0x0C1A: "Ann", 0x5D01: "a@b.c", 0x39: sent, 0x1000: LINES[0]},
        [{0x3001: "Bob", 0x39FE: "b@c.d", 0x0C15: 1}],
        [({0x3707: "a.txt", 0x3701: b"x" * 5000, 0x3705: 1}, None), ({0x3705: 5}, inner)],
    ).written()


def seeds() -> dict[str, list[bytes]]:
    """Sound files by suffix."""
    table = "\n".join(",".join(row) for row in ROWS)
    html_rows = "".join(f"<tr><td>{'<td>'.join(row)}" for row in ROWS)
    return {
        "pdf": [_pdf(), _pdf(scanned=True), _pdf(password="open")],  # noqa: S106
        "docx": [_docx()],
        "pptx": [_pptx()],
        "xlsx": [_xlsx()],
        "odt": [_odt()],
        "rtf": [
            rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}\b Retention\b0\par Gr\'f6\u223\'dfe "
            rb"{\v hidden}\trowd\cellx99\cellx199 kind\cell period\cell\row\pard six years\par}"
        ],
        "html": [
            f"<!doctype html><html><head><meta charset=utf-8><title>T</title></head>"
            f"<body><h1>R</h1><p>{LINES[0]}<p hidden>no<ul><li>a</ul><table>{html_rows}".encode()
        ],
        "md": [
            f"---\ntitle: T\nstatus: draft\n---\n# R\n\n{LINES[0]}\n\n- a\n\n".encode(),
            b"# R\n\n|a|b|\n|-|-|\n|1|2|\n\n```\ncode\n```\n",
        ],
        "txt": ["\n\n".join(("1 RETENTION", *LINES, "Größe")).encode("cp1252")],
        "csv": [table.encode(), table.replace(",", "\t").encode("utf-16")],
        "jsonl": [b'{"_id": "1", "title": "t", "text": "six years", "metadata": {"a": 1}}\n' * 3],
        "eml": [_eml()],
        "msg": [_msg()],
        "zip": [zipped({"a/b.txt": LINES[0].encode(), "c.csv": table.encode(), "d.docx": _docx()})],
        "png": [_image("PNG")],
        "jpg": [_image("JPEG")],
        "tif": [_image("TIFF")],
    }  # fmt: skip


# --- attacks ------------------------------------------------------------------------------------


def with_member(data: bytes, member: str, change: bytes | None, old: bytes = b"") -> bytes:
    """An archive with one member replaced, or `old` in it replaced by `change`."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {info.filename: archive.read(info) for info in archive.infolist()}
    files[member] = files[member].replace(old, change or b"") if old else (change or b"")
    return zipped(files)


def _xml_attacks(host: str, canary: Path) -> Iterator[tuple[str, bytes, bytes]]:
    """(name, document type declaration, reference to put into the text)."""
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    yield "laughs", f'<!DOCTYPE x [<!ENTITY l0 "lol">{laughs}]>'.encode(), b"&l9;"
    quadratic = f'<!DOCTYPE x [<!ENTITY q "{"q" * 100_000}">]>'
    yield "quadratic", quadratic.encode(), b"&q;" * 20_000
    yield "file", f'<!DOCTYPE x [<!ENTITY f SYSTEM "file://{canary}">]>'.encode(), b"&f;"
    yield "web", f'<!DOCTYPE x [<!ENTITY w SYSTEM "http://{host}/x">]>'.encode(), b"&w;"
    yield "dtd", f'<!DOCTYPE x SYSTEM "http://{host}/x.dtd">'.encode(), b"x"
    yield "parameter", f'<!DOCTYPE x [<!ENTITY % p SYSTEM "http://{host}/p">%p;]>'.encode(), b"x"


_XML_PARTS = {
    "docx": ("word/document.xml", b"Ledgers are kept"),
    "pptx": ("ppt/slides/slide1.xml", b"Records are kept"),
    "xlsx": ("xl/workbook.xml", b"Hidden"),
    "odt": ("content.xml", b"Records are kept"),
}


def _in_xml(
    sound: Mapping[str, list[bytes]], host: str, canary: Path
) -> Iterator[tuple[str, bytes]]:
    for suffix, (part, text) in _XML_PARTS.items():
        with zipfile.ZipFile(io.BytesIO(sound[suffix][0])) as archive:
            xml = archive.read(part)
        start = xml.index(b"?>") + 2 if xml.startswith(b"<?xml") else 0
        for name, declared, reference in _xml_attacks(host, canary):
            evil = xml[:start] + declared + xml[start:].replace(text, text + reference)
            yield f"{name}.{suffix}", with_member(sound[suffix][0], part, evil)
        deep = xml[:start] + b"<a>" * 200_000 + b"</a>" * 200_000
        yield f"deep.{suffix}", with_member(sound[suffix][0], part, deep)
        bomb = xml.replace(text, text + b" " * (400 << 20)) if suffix == "docx" else b""
        if bomb:
            yield f"bomb.{suffix}", with_member(sound[suffix][0], part, bomb)
    for name, declared, reference in _xml_attacks(host, canary):
        yield f"{name}.html", declared + b"<html><body><p>" + reference + b"</p></body></html>"
    web = f'<img src="http://{host}/i"><link rel=stylesheet href="http://{host}/c"><iframe '
    web += f'src="http://{host}/f"></iframe><object data="file://{canary}"></object>'
    yield "fetch.html", f"<html><body>{web}<p>text".encode()


def _archives() -> Iterator[tuple[str, bytes]]:
    flat = zipped({"zeros": bytes(512 << 20)})
    yield "flat.zip", flat
    nested = zipped({"zeros": bytes(64 << 20)})
    for _ in range(60):
        nested = zipped({"a.zip": nested})
    yield "zip in zip.zip", nested
    yield "many copies.zip", zipped({f"{n}.zip": nested for n in range(500)})
    yield "many entries.zip", zipped({str(n): b"" for n in range(70_000)})
    stored = zipped({"0": bytes(8 << 20)})
    at, end = stored.index(b"PK\x01\x02"), stored.index(b"PK\x05\x06")
    entries = b"".join(
        stored[at : at + 46] + b"%c" % (33 + n % 90) + stored[at + 47 : end] for n in range(20_000)
    )
    tail = struct.pack("<4s4xHHIIH", b"PK\x05\x06", 20_000, 20_000, len(entries), at, 0)
    yield "overlapping.zip", stored[:at] + entries + tail


def _traversal(canary: Path) -> Iterator[tuple[str, bytes]]:
    names = (str(canary), "../" * 12 + str(canary)[1:], "..\\..\\x.txt", "C:\\x.txt", "a\0b", "/")
    yield "traversal.zip", zipped(dict.fromkeys(names, b"overwritten"))
    message = EmailMessage()
    message["From"], message["Subject"], message["Message-ID"] = "a@b.c", "s", "<1@b>"
    message.set_content("text")
    for name in names[:4]:
        message.add_attachment(b"overwritten", "a", "b", filename=name)
    yield "traversal.eml", message.as_bytes()


def _pdfs() -> Iterator[tuple[str, bytes]]:
    def pdf(*objects: bytes) -> bytes:
        body, places = b"%PDF-1.7\n", []
        for number, content in enumerate(objects, start=1):
            places.append(len(body))
            body += b"%d 0 obj\n%b\nendobj\n" % (number, content)
        table = b"".join(b"%010d 00000 n \n" % place for place in places)
        count = len(objects) + 1
        return body + (
            b"xref\n0 %d\n0000000000 65535 f \n%btrailer\n<</Root 1 0 R/Size %d>>\nstartxref\n%d\n"
            b"%%%%EOF" % (count, table, count, len(body))
        )

    root, page = b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>"
    yield "tree of itself.pdf", pdf(root, b"<</Type/Pages/Kids[2 0 R 2 0 R]/Count 2>>")
    yield "billion pages.pdf", pdf(root, b"<</Type/Pages/Kids[3 0 R]/Count 1000000000>>", page)
    same = b"<</Type/Pages/Kids[%b]/Count 30000>>" % (b"3 0 R " * 30_000)
    yield "one page often.pdf", pdf(root, same, page)
    levels = [
        b"<</Type/Pages/Kids[%b]/Count %d>>" % (b"%d 0 R " % (n + 3) * 10, 10 ** (9 - n))
        for n in range(9)
    ]
    yield "pages squared.pdf", pdf(root, *levels, page)
    zeros = zlib.compress(zlib.compress(b" " * (256 << 20), 9), 9)
    twice = b"<</Filter[/FlateDecode/FlateDecode]/Length %d>>stream\n%b\nendstream" % (
        len(zeros), zeros,
    )  # fmt: skip
    drawn = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R>>"
    yield "stream bomb.pdf", pdf(root, b"<</Type/Pages/Kids[3 0 R]/Count 1>>", drawn, twice)
    vast = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 1000000 1000000]/Contents 4 0 R>>"
    box = b"<</Length 12>>stream\n0 0 9 9 re f\nendstream"
    yield "vast page.pdf", pdf(root, b"<</Type/Pages/Kids[3 0 R]/Count 1>>", vast, box)
    form = (
        b"<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 5 0 R>>>>/Length 11>>"
        b"stream\n/X Do /X Do\nendstream"
    )
    own = drawn[:-2] + b"/Resources<</XObject<</X 5 0 R>>>>>>"
    do = b"<</Length 5>>stream\n/X Do\nendstream"
    yield "form in itself.pdf", pdf(root, b"<</Type/Pages/Kids[3 0 R]/Count 1>>", own, do, form)
    arrays = b"<</Type/Pages/Kids[3 0 R]/Count 1/X %b>>" % (b"[" * 100_000 + b"]" * 100_000)
    yield "deep arrays.pdf", pdf(root, arrays, page)


def _others() -> Iterator[tuple[str, bytes]]:
    yield "deep.html", b"<html>" + b"<div>" * 200_000 + b"x"
    yield "deep table.html", b"<html>" + b"<table><tr><td>" * 5_000 + b"x"
    yield "spans.html", b"<html><table><tr><td colspan=1000000 rowspan=1000000>x<tr><td>y</table>"
    yield "deep.jsonl", b'{"_id": "1", "text": ' + b"[" * 200_000 + b"]" * 200_000 + b"}\n"
    yield "number.jsonl", b'{"_id": ' + b"9" * 100_000 + b', "text": "x"}\n'
    yield "deep.rtf", b"{\\rtf1" + b"{" * 200_000 + b"x" + b"}" * 200_000
    yield "binary.rtf", b"{\\rtf1\\bin2147483647 x}"
    yield "deep.md", b"> " * 20_000 + b"x\n\n" + b"[" * 50_000 + b"](" * 50_000
    yield "stars.md", b"*a_ " * 50_000
    yaml = "\n".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10))
    yield "laughs.md", f"---\na0: &a0 x\n{yaml}\ntitle: *a9\n---\n# T\n\ntext\n".encode()
    yield "one line.csv", b"a," * 2_000_000
    yield "quote.csv", b'a,b\n"' + b"x,y\n" * 500_000
    yield "one line.txt", b"x" * 20_000_000
    nested = b"From: a@b.c\nMessage-ID: <1>\nContent-Type: message/rfc822\n\n" * 2_000
    yield "deep.eml", nested + b"Subject: x\n\ny"
    parts = b"".join(
        b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n) for n in range(2_000)
    )
    yield "deep parts.eml", b"From: a@b.c\nMessage-ID: <1>\n" + parts + b"\nx"
    yield "long head.eml", b"From: a@b.c\nMessage-ID: <1>\nTo: " + b"<a@b>, " * 50_000 + b"\n\nx"
    yield (
        "coded head.eml",
        b"From: a@b.c\nMessage-ID: <1>\nSubject: " + b"=?utf-8?B?eA==?= " * 999,
    )
    yield "base64.eml", b"From: a@b.c\nMessage-ID: <1>\n\n" + (b"A" * 76 + b"\n") * 100_000
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk
    data = zlib.compress(bytes(60_000 * 100))
    yield (
        "vast.png",
        head
        + struct.pack(">I", zlib.crc32(chunk))
        + struct.pack(">I", len(data))
        + b"IDAT"
        + data
        + struct.pack(">I", zlib.crc32(b"IDAT" + data))
        + bytes(4)
        + b"IEND\xaeB`\x82",
    )
    loop = struct.pack("<2sHIHHHIIHHIII", b"II", 42, 8, 2, 256, 4, 1, 9, 257, 4, 1, 9, 8)
    yield "loop.tif", loop  # whose next page is itself


def attacks(
    sound: Mapping[str, list[bytes]], host: str, canary: Path
) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of each; `host` is where a fetch would be seen, `canary` is not to be touched.

    Each is made when it is asked for: some are large.
    """
    for kind in (_in_xml(sound, host, canary), _archives(), _traversal(canary), _pdfs(), _others()):
        yield from kind
