"""HTML, Markdown, text and JSONL: what their readers see."""

from __future__ import annotations

import json

import pytest

from ingest import read_html, read_jsonl, read_markdown, read_text
from ingest.errors import Failure, ReadFailure
from ingest.options import ReadOptions
from ingest.pages import Kind, ReadDocument
from tests.ingest.standins import policy

OPTIONS = ReadOptions()


def texts(document: ReadDocument) -> list[str]:
    return [read.page.text for read in document.pages]


def test_html_shows_what_a_browser_would() -> None:
    data = b"""<!doctype html><html><head><title>AML manual</title><style>p {}</style></head><body>
      <nav>Menu</nav><h1>Manual</h1><p>Intro <b>bold</b>.<br>Next line.</p>
      <h2>Checks</h2><ul><li>one<li>two</ul><p hidden>no</p><p style="display:none">no</p>
      <script>alert(1)</script><ol start=3><li>three</ol>
      <h2>Limits</h2><table><tr><th>kind<th>limit<tr><td>cash<td>10&nbsp;000 EUR</table>
      <!-- no --><img src="http://192.0.2.1/x.png" alt="no"></body></html>"""
    document = read_html.read(data, OPTIONS)
    assert document.title == "AML manual"
    assert texts(document) == [
        "Manual\n\nIntro bold.\nNext line.\n\nChecks\n\n- one\n- two\n\n3. three",
        "Limits\n\nkind | limit\ncash | 10 000 EUR",
    ]
    assert [read.page.label for read in document.pages] == ["Checks", "Limits"]
    assert [block.kind for block in document.pages[1].blocks] == [
        Kind.HEADING, Kind.HEADER_ROW, Kind.ROW,
    ]  # fmt: skip


def test_html_nested_too_deeply_costs_only_itself() -> None:
    (read,) = read_html.read(b"<div>" * 250 + b"x", OPTIONS).pages
    assert read.page.text == "x"
    with pytest.raises(ReadFailure) as caught:
        read_html.read(b"<div>" * 2000 + b"x", OPTIONS)
    assert caught.value.failure is Failure.TOO_DEEP


def test_markdown_is_read_as_its_reader_sees_it() -> None:
    document = read_markdown.read(policy("**six** [years](http://192.0.2.1)").encode(), OPTIONS)
    assert texts(document) == [
        "Retention policy\n\nIntroduction.\n\nPeriods\n\nRecords are kept for six years.\n\n"
        "kind | period\ncontract | 10 years",
        "Deletion\n\nBy the archive.",
    ]
    assert [read.page.label for read in document.pages] == ["Periods", "Deletion"]
    assert document.title == "Retention policy"


def test_markdown_lists_code_and_front_matter() -> None:
    source = "---\ntitle: Plan\nversion: 3\n---\n# Head\n\n1. one\n2. two\n   - deep\n\n"
    source += "```\ncode | x\n```\n"
    document = read_markdown.read(source.encode(), OPTIONS)
    assert texts(document) == ["Head\n\n1. one\n2. two\n- deep\n\ncode | x"]
    assert document.title == "Plan"
    assert document.declared == {"title": "Plan"}
    assert document.metadata == {"version": "3"}


def test_without_level_2_several_level_1_headings_make_pages() -> None:
    assert len(read_markdown.read(b"# A\n\na\n\n# B\n\nb", OPTIONS).pages) == 2
    assert len(read_markdown.read(b"# A\n\na\n\n### B\n\nb", OPTIONS).pages) == 1
    assert len(read_markdown.read(b"just text", OPTIONS).pages) == 1


def test_text_with_form_feeds_has_pages() -> None:
    assert texts(read_text.read(b"one\r\nline\ftwo\f", OPTIONS)) == ["one\nline", "two"]


def test_text_without_form_feeds_is_cut_at_blank_lines() -> None:
    paragraphs = [f"Paragraph {n}. " + "words " * 80 for n in range(30)]
    document = read_text.read("\n\n".join(paragraphs).encode(), OPTIONS)
    assert len(document.pages) > 4
    assert all(len(text) <= read_text.PAGE_CHARACTERS for text in texts(document))
    assert "".join("".join(texts(document)).split()) == "".join("".join(paragraphs).split())


def test_headings_of_plain_text() -> None:
    document = read_text.read(
        b"INCIDENT PLAN\n\nText.\n\n4.2 Escalation\n\nCall them. All of them.", OPTIONS
    )
    assert [(level, text) for _, level, text in document.pages[0].headings()] == [
        (1, "INCIDENT PLAN"), (2, "4.2 Escalation"),
    ]  # fmt: skip
    assert document.title == "INCIDENT PLAN"


def test_plain_text_with_underlined_headings_and_columns() -> None:
    source = (
        "LIST  print image                 PAGE 1 OF 3\n=====================\n\n"
        "1. LIMITS\n---------\n\nCode  Type      Limit\n----  --------  -----\n"
        "L-01  ordinary  1,500\nL-02  instant   1,000\n\nNo limit is raised.\n"
    )
    (read,) = read_text.read(source.encode(), OPTIONS).pages
    assert [(level, text) for _, level, text in read.headings()] == [(1, "1. LIMITS")]
    rows = [block for block in read.blocks if block.kind in (Kind.ROW, Kind.HEADER_ROW)]
    assert [read.page.text[block.start : block.end] for block in rows] == [
        "Code  Type      Limit",
        "----  --------  -----",
        "L-01  ordinary  1,500",
        "L-02  instant   1,000",
    ]
    assert rows[0].kind is Kind.HEADER_ROW


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_text_in_many_encodings(encoding: str) -> None:
    source = (
        "Die Prüfung der Geschäfte erfolgt jährlich; später gilt §\u00a05 für die Behörde. " * 5
    )
    assert read_text.decode(source.encode(encoding)) == source


def test_binary_is_no_text() -> None:
    with pytest.raises(ReadFailure) as caught:
        read_text.read(b"abc\0def", OPTIONS)
    assert caught.value.failure is Failure.UNDECODABLE


def line(**record: object) -> bytes:
    return json.dumps(record).encode()


def test_jsonl_records_keep_their_bytes() -> None:
    data = b"\n".join(
        [line(_id="a", title="T", text="one\n\ntwo", metadata={"n": 1}), b"", line(_id=7, text="x")]
    )
    first, second = read_jsonl.read(b"\xef\xbb\xbf" + data, OPTIONS)
    assert isinstance(first, ReadDocument)
    assert isinstance(second, ReadDocument)
    assert (first.name, first.title, first.metadata) == ("a", "T", {"n": "1"})
    assert texts(first) == ["one\n\ntwo"]
    assert (second.name, second.line) == ("7", 3)
    assert (b"\xef\xbb\xbf" + data)[first.byte_start : first.byte_end] == data.split(b"\n")[0]


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (b"{", Failure.BAD_RECORD),
        (b"[1]", Failure.BAD_RECORD),
        (line(_id="a"), Failure.BAD_RECORD),
        (line(_id="", text="x"), Failure.BAD_RECORD),
        (line(_id="a" * 2000, text="x"), Failure.BAD_RECORD),
        (line(_id="a", text=" "), Failure.NO_TEXT),
        (b"\xff\xfe", Failure.BAD_RECORD),
        (b"[" * 100_000, Failure.TOO_DEEP),
    ],
)
def test_a_bad_line_costs_only_itself(bad: bytes, expected: Failure) -> None:
    good, failure, other = read_jsonl.read(
        b"\n".join([line(_id="a", text="x"), bad, line(_id="b", text="y")]), OPTIONS
    )
    assert isinstance(good, ReadDocument)
    assert isinstance(other, ReadDocument)
    assert isinstance(failure, ReadFailure)
    assert (failure.failure, failure.line) == (expected, 2)
