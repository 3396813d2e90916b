"""Image files as documents: pages, sizes, boxes, damage. Engines are stand-ins but for one test."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from ingest import read_image
from ingest.errors import Failure, ReadFailure
from ingest.ocr import OcrEngine, OcrWord
from ingest.options import ReadOptions
from ingest.pages import FindingKind, Method
from ingest.read_image import read, resolution
from ingest.wire import checked_document, document_message
from tests.ingest.ocr_pages import LINES, Broken, Scripted, drawn, needs_tesseract

OPTIONS = ReadOptions()


def _bytes(image: Image.Image, kind: str, **more: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **more)
    return stream.getvalue()


def _reads(words: str = "found it", sure: float = 0.9) -> Scripted:
    """An engine that finds the same words on every page."""

    def say(image: Image.Image) -> list[OcrWord]:
        return [
            OcrWord(word, 10 + 200 * at, 10, 160 + 200 * at, 40, sure, 1, 1)
            for at, word in enumerate(words.split())
        ]

    return Scripted(say)


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[OcrEngine | None], None]:
    """Let `read` have this engine."""

    def put(engine: OcrEngine | None) -> None:
        monkeypatch.setattr(read_image, "open_engine", lambda languages: engine)

    return put


Use = Callable[[OcrEngine | None], None]


@pytest.mark.parametrize(("kind", "mode"), [("PNG", "RGBA"), ("JPEG", "CMYK"), ("TIFF", "1")])
def test_a_scan_is_a_page_with_boxes(kind: str, mode: str, use: Use) -> None:
    use(_reads())

    document = read(_bytes(drawn().convert(mode), kind, dpi=(200, 200)), OPTIONS)

    assert document.media_type == f"image/{kind.lower()}"
    (only,) = document.pages
    page = only.page
    assert (page.text, page.method) == ("found it", Method.OCR)
    assert page.confidence == pytest.approx(0.9)
    assert (page.width, page.height) == pytest.approx((1240 * 0.36, 900 * 0.36), abs=0.1)
    assert [page.text[box.start : box.end] for box in page.boxes] == ["found", "it"]
    assert [page.text[block.start : block.end] for block in only.blocks] == ["found it"]
    assert document.findings == ()
    assert checked_document(document_message(document), 1, 10**9) == document


def test_each_picture_of_a_tiff_is_a_page_and_previews_are_not(use: Use) -> None:
    use(_reads())
    preview = TiffImagePlugin.ImageFileDirectory_v2()
    preview[254] = 1
    second = drawn(size=(900, 1240))
    small = drawn().resize((124, 90))
    small.encoderinfo = {"tiffinfo": preview}

    pulses: list[int] = []
    options = ReadOptions(pulse=lambda: pulses.append(1))
    data = _bytes(drawn(), "TIFF", save_all=True, append_images=[small, second], dpi=(200, 200))
    document = read(data, options)

    assert [each.page.number for each in document.pages] == [1, 2]
    assert [each.page.width < each.page.height for each in document.pages] == [False, True]
    assert len(pulses) == 2


def test_a_page_that_kills_the_engine_is_unread_and_the_others_are_kept(use: Use) -> None:
    use(Broken(frozenset({2})))
    data = _bytes(drawn(), "TIFF", save_all=True, append_images=[drawn(), drawn()])

    document = read(data, OPTIONS)

    assert [each.page.method for each in document.pages] == [Method.OCR, Method.UNREAD, Method.OCR]
    assert [(each.kind, each.page) for each in document.findings] == [
        (FindingKind.UNREADABLE_PAGE, 2)
    ]
    assert checked_document(document_message(document), 3, 10**9) == document


def test_blank_pages_and_pictures_are_told_apart(use: Use) -> None:
    use(Scripted(lambda image: []))
    blank = Image.new("L", (1240, 900), 250)

    document = read(_bytes(blank, "TIFF", save_all=True, append_images=[drawn()]), OPTIONS)

    assert [each.page.method for each in document.pages] == [Method.BLANK, Method.UNREAD]
    assert [each.page for each in document.findings] == [2]


def test_doubt_is_reported(use: Use) -> None:
    use(_reads("scrawled words", sure=0.6))

    (finding,) = read(_bytes(drawn(), "PNG"), OPTIONS).findings

    assert (finding.kind, finding.page, finding.characters) == (FindingKind.DOUBTFUL_OCR, 1, 13)


def test_the_mark_of_a_camera_turns_the_page(use: Use) -> None:
    use(_reads())
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees

    document = read(_bytes(drawn(), "JPEG", exif=exif, dpi=(200, 200)), OPTIONS)

    page = document.pages[0].page
    assert (page.width, page.height) == pytest.approx((900 * 0.36, 1240 * 0.36), abs=0.1)


def test_without_an_engine_the_failure_says_so(use: Use) -> None:
    use(None)
    with pytest.raises(ReadFailure) as told:
        read(_bytes(drawn(), "PNG"), OPTIONS)
    assert told.value.failure is Failure.NO_OCR

    with pytest.raises(ReadFailure) as told:
        read(_bytes(drawn(), "PNG"), ReadOptions(ocr=False))
    assert told.value.failure is Failure.NO_TEXT


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_damaged_files_are_corrupt(kind: str, use: Use) -> None:
    use(_reads())
    data = _bytes(drawn(), kind)

    for broken in (data[: len(data) // 2], data[:30], b"", data[:8] + bytes(500)):
        with pytest.raises(ReadFailure) as told:
            read(broken, OPTIONS)
        assert told.value.failure is Failure.CORRUPT


def test_a_damaged_later_page_costs_that_page(use: Use) -> None:
    use(_reads())
    noise = np.random.default_rng(1).integers(0, 256, (600, 600), dtype=np.uint8)
    data = bytearray(
        _bytes(
            Image.fromarray(noise),
            "TIFF",
            save_all=True,
            append_images=[Image.fromarray(noise)],
            compression="tiff_adobe_deflate",
        )
    )
    with Image.open(io.BytesIO(data)) as image:
        image.seek(1)
        start = image.tag_v2[273][0]
    data[start : start + 200] = bytes(200)

    document = read(bytes(data), OPTIONS)

    assert [each.page.method for each in document.pages] == [Method.OCR, Method.UNREAD]


def test_too_many_pages_and_too_many_pixels_are_refused(
    use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(_reads())
    two = _bytes(drawn(), "TIFF", save_all=True, append_images=[drawn()])
    with pytest.raises(ReadFailure) as told:
        read(two, ReadOptions(max_pages=1))
    assert told.value.failure is Failure.TOO_MANY_PAGES

    monkeypatch.setattr(read_image, "_MOST_PIXELS", 1000)
    with pytest.raises(ReadFailure) as told:
        read(_bytes(drawn(), "PNG"), OPTIONS)
    assert told.value.failure is Failure.TOO_LARGE


def test_a_bomb_is_refused_before_it_is_unpacked(use: Use) -> None:
    use(_reads())
    bomb = bytearray(_bytes(Image.new("1", (8, 8)), "PNG"))
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2
    head = bytes(bomb[12:29])
    bomb[29:33] = __import__("zlib").crc32(head).to_bytes(4, "big")

    with pytest.raises(ReadFailure) as told:
        read(bytes(bomb), OPTIONS)

    assert told.value.failure is Failure.TOO_LARGE


def test_other_formats_are_not_decoded(use: Use) -> None:
    use(_reads())
    with pytest.raises(ReadFailure):
        read(_bytes(drawn(), "GIF"), OPTIONS)


@pytest.mark.parametrize(
    ("size", "told", "dpi"),
    [
        ((2480, 3508), (300, 300), 300),
        ((2480, 3508), None, 300),
        ((2480, 3508), (72, 72), 300),
        ((2480, 3508), (0, 0), 300),
        ((2480, 3508), (float("nan"), 1), 300),
        ((1240, 1754), (72, 72), 150),
        ((595, 842), (72, 72), 72),
        ((800, 600), None, 96),
        ((800, 600), "rubbish", 96),
        ((9934, 14043), (300, 300), 300),
    ],
)
def test_the_resolution_is_what_the_file_says_if_it_can_be_true(
    size: tuple[int, int], told: object, dpi: int
) -> None:
    assert resolution(size, told) == dpi


@needs_tesseract
def test_a_scan_is_really_read() -> None:
    document = read(_bytes(drawn().rotate(1, fillcolor=255), "PNG", dpi=(200, 200)), OPTIONS)

    page = document.pages[0].page
    assert page.text == "\n".join(LINES)
    assert page.confidence is not None
    assert [page.text[box.start : box.end] for box in page.boxes] == " ".join(LINES).split()
    assert checked_document(document_message(document), 1, 10**9) == document
