"""Page by page: which PDF pages are recognised from their picture, and what becomes of them."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable

import pytest
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen import canvas

from ingest import ocr, pdf_scan, read_pdf
from ingest import pdf_native as native
from ingest.errors import Failure, ReadFailure
from ingest.ocr import OcrError, OcrWord
from ingest.options import ReadOptions
from ingest.pages import FindingKind, Method, ReadDocument
from tests.ingest.pdf_files import HELVETICA, pdf_of, to_unicode

OPTIONS = ReadOptions(ocr_dpi=72)  # a pixel is a point
LAYER = "Records are kept for six years after the end of the contract."


class Scripted:
    """An engine that sees the same words on every image that is not white."""

    name = "scripted"

    def __init__(self, words: str, confidence: float = 0.9) -> None:
        self.text, self.confidence = words, confidence
        self.sizes: list[tuple[int, int]] = []

    def words(self, image: Image.Image, dpi: int) -> list[OcrWord]:
        self.sizes.append(image.size)
        scale = dpi / 72
        found = []
        for number, word in enumerate(self.text.split()):
            left, right = 20 + 60 * (number % 8), 70 + 60 * (number % 8)
            top = 30 + 20 * (number // 8)
            edges = (scale * edge for edge in (left, top, right, top + 10))
            found.append(OcrWord(word, *edges, self.confidence, 1, number // 8))
        return found


class Broken:
    """An engine that fails."""

    name = "broken"

    def words(self, image: Image.Image, dpi: int) -> list[OcrWord]:
        raise OcrError


Use = Callable[[object], None]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Use:
    """Makes an engine, or None, the one that is installed."""

    def install(engine: object) -> None:
        monkeypatch.setattr(ocr, "open_engine", lambda languages: engine)

    return install


def picture(width: int = 600, height: int = 800, text: str = "SCAN") -> Image.Image:
    """A white page with something black on it."""
    image = Image.new("L", (width, height), 255)
    font = ImageFont.load_default(size=max(20, height // 50))
    ImageDraw.Draw(image).multiline_text((width // 20, height // 20), text, 0, font=font)
    return image


def page(*, layer: str = "", over: bool = True, box: tuple[int, int, int, int] | None = None,
         visible: str = "", image: Image.Image | None = None) -> bytes:  # fmt: skip
    """A page with a picture (at `box`: left, bottom, width, height), an invisible `layer` under or
    over it and `visible` text.
    """
    buffer = io.BytesIO()
    drawn = canvas.Canvas(buffer, pagesize=(600, 800))
    left, bottom, width, height = box or (0, 0, 600, 800)
    if layer and not over:
        drawn.drawString(72, 700, layer)
    drawn.drawImage(ImageReader((image or picture()).convert("RGB")), left, bottom, width, height)
    if layer and over:
        text = drawn.beginText(72, 700)
        text.setTextRenderMode(3)
        text.textLine(layer)
        drawn.drawText(text)
    if visible:
        drawn.drawString(72, 760, visible)
    drawn.showPage()
    drawn.save()
    return buffer.getvalue()


def kinds(document: ReadDocument) -> list[str]:
    return [each.kind for each in document.findings]


def test_a_scan_is_recognised(use: Use) -> None:
    use(Scripted(LAYER))
    document = read_pdf.read(page(), OPTIONS)
    read = document.pages[0].page
    assert " ".join(read.text.split()) == LAYER
    assert (read.method, read.confidence) == (Method.OCR, pytest.approx(0.9))
    assert [read.text[box.start : box.end] for box in read.boxes] == LAYER.split()
    assert document.pages[0].blocks
    assert kinds(document) == []


def test_a_page_with_text_is_not_recognised(use: Use) -> None:
    engine = Scripted("wrong")
    use(engine)
    document = read_pdf.read(pdf_of([f"BT /F1 12 Tf 72 700 Td ({LAYER}) Tj ET"]), OPTIONS)
    assert document.pages[0].page.text == LAYER
    assert (document.pages[0].page.method, document.pages[0].page.confidence) == ("text", None)
    assert engine.sizes == []


def test_doubt_is_reported(use: Use) -> None:
    use(Scripted(LAYER, 0.7))
    document = read_pdf.read(page(), OPTIONS)
    assert kinds(document) == [FindingKind.DOUBTFUL_OCR]
    assert document.findings[0].sample.split() == LAYER.split()


@pytest.mark.parametrize("over", [True, False])
def test_the_layer_of_a_scan_counts_only_where_nothing_can_recognise_it(
    use: Use, over: bool
) -> None:
    data = page(layer=LAYER, over=over)
    use(Scripted("What is drawn counts"))
    read = read_pdf.read(data, OPTIONS).pages[0].page
    assert (read.text, read.method) == ("What is drawn counts", Method.OCR)
    for engine in (None, Broken()):
        use(engine)
        document = read_pdf.read(data, OPTIONS)
        read = document.pages[0].page
        assert (read.text, read.method, read.confidence) == (LAYER, Method.OCR, None)
        assert kinds(document) == []


def test_without_an_engine_the_page_is_unread_and_the_others_are_read(use: Use) -> None:
    use(None)
    drawn = "0 g 72 600 200 100 re f"
    data = pdf_of(["BT /F1 12 Tf 72 700 Td (Words) Tj ET", drawn, ""])
    document = read_pdf.read(data, OPTIONS)
    methods = [each.page.method for each in document.pages]
    assert methods == [Method.TEXT, Method.UNREAD, Method.BLANK]
    assert [(each.kind, each.page) for each in document.findings] == [
        (FindingKind.UNREADABLE_PAGE, 2)
    ]


@pytest.mark.parametrize(
    ("options", "failure"), [(OPTIONS, Failure.NO_OCR), (ReadOptions(ocr=False), Failure.NO_TEXT)]
)
def test_a_scan_that_nothing_can_read_is_a_failure(
    use: Use, options: ReadOptions, failure: Failure
) -> None:
    use(None)
    with pytest.raises(ReadFailure) as caught:
        read_pdf.read(page(), options)
    assert caught.value.failure is failure


def test_a_layer_of_signs_without_meaning_is_recognised(use: Use) -> None:
    codes = {code: chr(0xE000 + code) for code in range(65, 91)}
    font = HELVETICA.replace(">>", "/ToUnicode 3 0 R >>")
    good = "BT /F1 12 Tf 72 700 Td (Words) Tj ET"
    bad = "BT /F2 12 Tf 72 700 Td (ABCDEFGH IJKLMNOP QRSTUVWXYZ) Tj ET"
    data = pdf_of([good, bad], fonts={"F2": font}, objects=[to_unicode(codes)])
    use(Scripted(LAYER))
    document = read_pdf.read(data, OPTIONS)
    assert document.pages[1].page.text.split() == LAYER.split()
    assert kinds(document) == [FindingKind.GARBLED_TEXT]
    use(None)
    document = read_pdf.read(data, OPTIONS)
    assert (document.pages[1].page.text, document.pages[1].page.method) == ("", Method.UNREAD)
    assert kinds(document) == [FindingKind.GARBLED_TEXT, FindingKind.UNREADABLE_PAGE]


GARBLED = {
    "private signs": "\ue001\ue002\ue003 \ue004\ue005",
    "replacement characters": "\ufffd\ufffd\ufffd of \ufffd\ufffd\ufffd\ufffd",
    "punctuation": "!\"#$% &'()* +,-./ :;<=> ?@[\\] ^_`{|} ~!\"#$ %&'()",
    "letters shifted": (
        "records are kept for years after the end of the contract with people who have retired "
        "unless the law requires that they are destroyed before then and "
        "nobody objects within thirty days of the notice"
    ).translate({code: (code - 97 + 3) % 26 + 97 for code in range(97, 123)}),
}
SOUND = {
    "English": LAYER * 3,
    "German": "Die Aufbewahrungsfrist beträgt sechs Jahre nach Ende des Vertrags. " * 3,
    "Russian": "Документы хранятся шесть лет после окончания договора. " * 3,
    "Chinese": "合同终止后记录保存六年。" * 5,
    "Arabic": "تحفظ السجلات لمدة ست سنوات بعد انتهاء العقد. " * 3,
    "figures": "$ 1,234 (56) — 7.8% $ 9,012 (34) — 5.6% " * 4,
    "contents": "Retention .................................................... 12\n" * 3,
    "codes": "GR-POL-003 BK-17 CX-22 TR-9 ZZ-1",
}


@pytest.mark.parametrize("name", GARBLED)
def test_what_says_nothing_is_told(name: str) -> None:
    text = GARBLED[name]
    assert pdf_scan.is_garbled(text, len("".join(text.split())))


@pytest.mark.parametrize("name", SOUND)
def test_what_says_something_is_left_alone(name: str) -> None:
    text = SOUND[name]
    assert not pdf_scan.is_garbled(text, len("".join(text.split())))


def test_text_in_a_large_picture_is_added(use: Use) -> None:
    data = page(box=(50, 100, 500, 400), visible=LAYER)
    engine = Scripted("Five words in the picture")
    use(engine)
    document = read_pdf.read(data, OPTIONS)
    read = document.pages[0].page
    assert read.text == f"{LAYER}\nFive words in the picture"
    assert (read.method, read.confidence) == (Method.MIXED, pytest.approx(0.9))
    for box in read.boxes:
        assert read.text[box.start : box.end].strip()
    first = next(box for box in read.boxes if read.text[box.start : box.end] == "Five")
    assert (first.left, first.top) == pytest.approx((50 + 20, 800 - 500 + 30), abs=20)
    starts = [block.start for block in document.pages[0].blocks]
    assert starts == sorted(starts)


@pytest.mark.parametrize("engine", [Scripted("Too few"), Scripted(LAYER, 0.6), Broken(), None])
def test_what_a_photograph_seems_to_say_is_not_added(use: Use, engine: object) -> None:
    use(engine)
    data = page(box=(50, 100, 500, 400), visible=LAYER)
    read = read_pdf.read(data, OPTIONS).pages[0].page
    assert (read.text, read.method, read.confidence) == (LAYER, Method.TEXT, None)


def test_a_page_is_drawn_with_a_bounded_number_of_pixels(
    use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    drawn = native.LoadedPage.draw

    def draw(self: native.LoadedPage, scale: float, part: native.Rect | None = None) -> Image.Image:
        image = drawn(self, scale, part)
        sizes.append(image.width * image.height)
        return image

    use(Scripted(LAYER))
    monkeypatch.setattr(native.LoadedPage, "draw", draw)
    monkeypatch.setattr(pdf_scan, "_MOST_PIXELS", 500_000)
    document = read_pdf.read(page(), ReadOptions(ocr_dpi=600))
    assert document.pages[0].page.text.split() == LAYER.split()
    assert 450_000 < max(sizes) < 520_000


def test_signs_of_life_are_given_while_pages_are_recognised(use: Use) -> None:
    use(Scripted(LAYER))
    beats: list[int] = []
    read_pdf.read(page(), ReadOptions(ocr_dpi=72, pulse=lambda: beats.append(1)))
    assert beats


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("tesseract"), reason="Tesseract is not installed")
def test_a_real_scan_is_recognised() -> None:
    lines = "Records of transactions are kept\nfor six years after the end\nof the contract."
    image = picture(2480, 3508, lines)
    document = read_pdf.read(page(image=image), ReadOptions())
    read = document.pages[0].page
    assert " ".join(read.text.split()) == " ".join(lines.split())
    assert read.method is Method.OCR
    assert read.confidence
    assert read.confidence > 0.8
