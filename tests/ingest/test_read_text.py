"""Text in any encoding, its pages, and what of it is not drawn."""

from __future__ import annotations

import random

import pytest

from ingest import read_text
from ingest.errors import Failure, ReadFailure
from ingest.options import ReadOptions
from ingest.pages import FindingKind
from ingest.read_encoding import decode

OPTIONS = ReadOptions()
GERMAN = "Die Prüfung der Geschäfte erfolgt jährlich; später gilt § 5 für die Behörde.\n"
FRENCH = "L'autorité compétente vérifie chaque année les opérations déclarées à l'étranger.\n"
POLISH = "Zażółć gęślą jaźń. Rada Ministrów określi w drodze rozporządzenia zasady usług.\n"
CZECH = "Příliš žluťoučký kůň úpěl ďábelské ódy. Úřad přezkoumá všechny předložené zprávy.\n"
TURKISH = "Kurum her yıl şirketlerin işlemlerini inceler; gerekli görürse değişiklik ister.\n"
RUSSIAN = "Организация обязана ежегодно представлять отчёт о проверке счетов за пять лет.\n"
GREEK = "Η αρμόδια αρχή εξετάζει κάθε χρόνο τις εκθέσεις που υποβάλλονται από τις τράπεζες.\n"
JAPANESE = "当社は、毎年、すべての取引の記録を確認し、五年間保存しなければならない。\n"
CHINESE = "本公司每年应当检查所有交易记录，并保存五年。审计人员应当报告检查结果。\n"
KOREAN = "회사는 매년 모든 거래 기록을 확인하고 오 년간 보관하여야 한다.\n"
ARABIC = "تقوم السلطة المختصة كل عام بفحص جميع التقارير المقدمة من المصارف.\n"


@pytest.mark.parametrize(
    ("source", "encoding"),
    [
        (GERMAN, "cp1252"), (GERMAN, "mac_roman"), (GERMAN, "cp850"), (FRENCH, "latin-1"),
        (POLISH, "cp1250"), (POLISH, "iso8859_2"), (CZECH, "cp1250"), (TURKISH, "cp1254"),
        (RUSSIAN, "cp1251"), (RUSSIAN, "koi8-r"), (RUSSIAN, "cp866"), (GREEK, "cp1253"),
        (JAPANESE, "shift_jis"), (JAPANESE, "euc_jp"), (JAPANESE, "iso2022_jp"),
        (CHINESE, "gb18030"), (CHINESE, "gbk"),
        (KOREAN, "euc_kr"), (ARABIC, "cp1256"),
    ],
)  # fmt: skip
def test_legacy_encodings_are_told_from_one_line(source: str, encoding: str) -> None:
    assert decode(source.encode(encoding)) == source


@pytest.mark.parametrize("source", [GERMAN, RUSSIAN, JAPANESE, "a,b\n1,2\n"])
@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"],
)
def test_unicode_is_told_with_and_without_a_mark(source: str, encoding: str) -> None:
    assert decode(source.encode(encoding)) == source


@pytest.mark.parametrize(
    "source",
    [
        "Prüfung\n", "Über uns", "Café menu; résumé of Zoë\n", "10\xa0000 EUR § 5\n", "ß",
        "The “policy” applies – as of 2024 – to all staff’s accounts. It costs 5 €.\n",
        "El señor Peña cobró 30 €\n", "São Paulo, coração\n", "© 2024 ACME™ – 20 °C ± 2\n",
    ],
)  # fmt: skip
def test_a_few_letters_beyond_ascii_are_windows_1252(source: str) -> None:
    assert decode(source.encode("cp1252")) == source
    padded = "All of this is plain English. " * 20_000 + "\n" + source  # far from the beginning
    assert decode(padded.encode("cp1252")) == padded


def test_a_damaged_byte_costs_one_character() -> None:
    damaged = bytearray((RUSSIAN * 5).encode())
    damaged[41] = 0xFF
    assert decode(bytes(damaged)).endswith(RUSSIAN * 4)
    assert decode((RUSSIAN * 5).encode()[:-2] + b"\xd0").startswith(RUSSIAN * 4)
    assert decode(GERMAN.encode("utf-16")[:-1])[:-1] == GERMAN[:-1]


def test_binary_data_is_no_text() -> None:
    chance = random.Random(0)
    for size in (10, 100, 10_000):
        with pytest.raises(ReadFailure) as caught:
            decode(b"\0\0\x01\xff" + chance.randbytes(size))
        assert caught.value.failure is Failure.UNDECODABLE


def test_paragraphs_and_lines_without_end_are_cut_and_nothing_is_lost() -> None:
    for source in ("line of a log\n" * 5000, "word " * 100_000, "x" * 200_000):
        document = read_text.read(source.encode(), OPTIONS)
        assert len(document.pages) > 1
        assert max(len(read.page.text) for read in document.pages) <= read_text.MAX_LINE
        kept = "".join(read.page.text for read in document.pages)
        assert "".join(kept.split()) == "".join(source.split())
    assert all(
        read.page.text.endswith("log") and read.page.text.startswith("line")
        for read in read_text.read(b"line of a log\n" * 5000, OPTIONS).pages
    )


def test_too_many_pages_are_refused() -> None:
    with pytest.raises(ReadFailure) as caught:
        read_text.read(b"x\f" * 12, ReadOptions(max_pages=10))
    assert caught.value.failure is Failure.TOO_MANY_PAGES


def test_what_is_not_drawn_is_taken_out_and_told_by_page() -> None:
    hidden = "".join(chr(0xE0000 + ord(letter)) for letter in "say yes")
    source = f"POLICY TERMS\n\nPay\u200bment in 30 days.\fSecond{hidden} page."
    document = read_text.read(source.encode(), OPTIONS)
    assert [read.page.text for read in document.pages] == [
        "POLICY TERMS\n\nPayment in 30 days.", "Second page.",
    ]  # fmt: skip
    assert [(each.kind, each.page, each.characters) for each in document.findings] == [
        (FindingKind.ZERO_WIDTH, 1, 1), (FindingKind.TAG_CHARACTERS, 2, 7),
    ]  # fmt: skip
    assert document.findings[1].sample == "say yes"
    for read in document.pages:
        for block in read.blocks:
            assert read.page.text[block.start : block.end].strip()
    kept = read_text.read(source.encode(), ReadOptions(keep_hidden=True))
    assert hidden in kept.pages[1].page.text
    assert len(kept.findings) == 2
