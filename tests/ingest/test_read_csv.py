"""CSV and TSV: the delimiter, quotes, heads, pages, encodings and limits."""

from __future__ import annotations

import pytest

from ingest import read_csv
from ingest.errors import Failure, ReadFailure
from ingest.options import ReadOptions
from ingest.pages import FindingKind, Kind, ReadDocument

OPTIONS = ReadOptions()


def lines(document: ReadDocument, page: int = 0) -> list[tuple[Kind, str]]:
    read = document.pages[page]
    return [(block.kind, read.page.text[block.start : block.end]) for block in read.blocks]


def read(source: str, encoding: str = "utf-8") -> list[tuple[Kind, str]]:
    return lines(read_csv.read(source.encode(encoding), OPTIONS))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_told_by_what_it_cuts(delimiter: str) -> None:
    rows = [("Name", "Sum, EUR; net", "Note"), ("Ann", "1,5", "a | b; c"), ("Bob", "2,75", 'x "y"')]
    source = "\r\n".join(
        delimiter.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows
    )
    assert read(source) == [
        (Kind.HEADER_ROW, "Name | Sum, EUR; net | Note"),
        (Kind.ROW, "Ann | 1,5 | a | b; c"),
        (Kind.ROW, 'Bob | 2,75 | x "y"'),
    ]


def test_decimal_commas_do_not_pass_for_delimiters() -> None:
    assert read("Name;Betrag;Satz\nMüller;1,5;0,1\nGroß;2,5;0,2\n", "cp1252") == [
        (Kind.HEADER_ROW, "Name | Betrag | Satz"),
        (Kind.ROW, "Müller | 1,5 | 0,1"),
        (Kind.ROW, "Groß | 2,5 | 0,2"),
    ]


def test_a_delimiter_that_the_file_declares_is_taken_and_not_shown() -> None:
    assert read("sep=|\na,b|c\nd,e|f\n") == [(Kind.HEADER_ROW, "a,b | c"), (Kind.ROW, "d,e | f")]


def test_records_over_several_lines_are_one_row() -> None:
    assert read('id,text\n1,"two\nlines"\n2,one\n') == [
        (Kind.HEADER_ROW, "id | text"), (Kind.ROW, "1 | two lines"), (Kind.ROW, "2 | one"),
    ]  # fmt: skip


def test_a_quote_that_is_never_closed_swallows_nothing() -> None:
    found = read('id,size\n1,"5 inch\n2,6\n3,7\n')
    assert [body for _, body in found] == ["id | size", '1 | "5 inch', "2 | 6", "3 | 7"]


def test_numbers_alone_have_no_head_and_lines_above_a_table_are_no_rows() -> None:
    assert [kind for kind, _ in read("1,2\n3,4\n")] == [Kind.ROW, Kind.ROW]
    assert read("Report of 3 May\n\nName,Sum\nAnn,1\n") == [
        (Kind.HEADING, "Report of 3 May"),
        (Kind.HEADER_ROW, "Name | Sum"),
        (Kind.ROW, "Ann | 1"),
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("$(2,085)", "$(1,990)"),
        ("$  1,452.4", "$   998.0"),
        ("€ -5", "-€ 5"),
        ("($ 12)", "( 12 )"),
        ("(1.2%)", "- 0.4 %"),
        ("− 3", "£ +3"),
        ("2\u00a0085,00 €", "1\u202f990 $"),
        ("$ —", "--"),
    ],
)
def test_amounts_with_signs_brackets_and_blanks_are_no_part_of_a_head(one: str, other: str) -> None:
    """The first row of figures stands under a shorter row of words, so that it would be taken for
    the second row of a head if its amounts were taken for words."""
    rows = [("", "Group", "Parent"), ("Deferred taxes", one, other), ("Other", "7", "8")]
    found = read("\n".join("\t".join(row) for row in rows) + "\n")
    assert found[0] == (Kind.HEADER_ROW, "| Group | Parent")
    assert [text.split(" | ")[0] for kind, text in found if kind is Kind.ROW] == [
        "Deferred taxes",
        "Other",
    ]


@pytest.mark.parametrize("label", ["Q1 2019", "$ in thousands", "% of sales", "(restated)", "H2"])
def test_words_beside_signs_and_digits_stay_labels(label: str) -> None:
    found = read(f"Region\t{label}\nNorth\t1\nSouth\t2\n")
    assert found[0] == (Kind.HEADER_ROW, f"Region | {label}")


def test_empty_cells_keep_their_place() -> None:
    assert read("a,b,c\n,,3\n1,,\n,,\n4,5,6\n")[1:] == [
        (Kind.ROW, "|  | 3"), (Kind.ROW, "1"), (Kind.ROW, "4 | 5 | 6"),
    ]  # fmt: skip


def test_pages_of_200_rows_repeat_the_head() -> None:
    source = "id,sum\n" + "".join(f"L-{n},{n}\n" for n in range(2, 452))
    document = read_csv.read(source.encode("utf-16"), OPTIONS)
    assert [page.page.label for page in document.pages] == [
        "rows 1–200", "rows 201–400", "rows 401–451",
    ]  # fmt: skip
    for page in (1, 2):
        assert lines(document, page)[0] == (Kind.HEADER_ROW, "id | sum")
    rows = [body for page in range(3) for kind, body in lines(document, page) if kind is Kind.ROW]
    assert rows == [f"L-{n} | {n}" for n in range(2, 452)]


def test_prose_is_not_cut_at_its_commas() -> None:
    source = "One, two and three.\nNo more here\nAnd, so, it, goes, on\nEnd\n"
    assert "\n".join(body for _, body in read(source)) == source.strip()


def test_invisible_characters_are_taken_out_and_told() -> None:
    document = read_csv.read("na\u200bme,sum\nAnn,1\n".encode(), OPTIONS)
    assert lines(document)[0] == (Kind.HEADER_ROW, "name | sum")
    assert [finding.kind for finding in document.findings] == [FindingKind.ZERO_WIDTH]


@pytest.mark.parametrize(
    ("data", "options", "expected"),
    [
        (b"a,b\n" * 100, ReadOptions(max_cells=199), Failure.TOO_MUCH_OUTPUT),
        (b"," * 1000, ReadOptions(max_cells=1000), Failure.TOO_MUCH_OUTPUT),
        (b"a,1\n" * 500, ReadOptions(max_pages=2), Failure.TOO_MANY_PAGES),
        (bytes(range(256)) * 9, OPTIONS, Failure.UNDECODABLE),
    ],
)
def test_limits(data: bytes, options: ReadOptions, expected: Failure) -> None:
    with pytest.raises(ReadFailure) as caught:
        read_csv.read(data, options)
    assert caught.value.failure is expected


@pytest.mark.parametrize(
    "source",
    [
        '"' * 99_999, '"a"b"c\n' * 999, ",\n" * 9999, "\n" * 9999, "x" * 1_000_000,
        'a,"' + "b\n" * 9999,
    ],
)  # fmt: skip
def test_odd_files_lose_no_text(source: str) -> None:
    document = read_csv.read(source.encode(), OPTIONS)
    kept = ""
    for page in range(len(document.pages)):
        again = Kind.HEADER_ROW if page else None  # the head that a page repeats
        kept += "".join(body for kind, body in lines(document, page) if kind is not again)
    assert [c for c in kept if c.isalnum()] == [c for c in source if c.isalnum()]
