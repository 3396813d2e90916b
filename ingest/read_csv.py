"""CSV and TSV: rows of a table under its head, whatever the delimiter and encoding.

The delimiter is the one of tab, semicolon, bar and comma that cuts the first records into the same
number of cells most often. A page is at most 200 rows; its label names them as a spreadsheet
program counts them (`rows 201–400`).
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator

from ingest.errors import Failure, ReadFailure
from ingest.options import ReadOptions
from ingest.pages import Piece, ReadDocument, lay_out
from ingest.read_encoding import decode
from ingest.seen import drawn
from ingest.sheet_grid import Cell, Hints, Row, is_label, paged

MEDIA_TYPE = "text/csv"

_DELIMITERS = "\t;|,"  # between equals the first wins: commas also stand within numbers and words
_NONE = "\x1f"  # a delimiter that no text holds, for a file of one column
_SAMPLE = 64 * 1024  # characters that decide the delimiter
_SAMPLE_RECORDS = 200
_LEAST_ALIKE = 0.5  # of the first records must have the same number of cells
_END = "\x01"  # a last record; one that is not found stands within a quote that was never closed
_MAX_FIELD = 2**31 - 1  # characters; the file itself is bounded


def read(data: bytes, options: ReadOptions) -> ReadDocument:
    """The table in `data`. Raises ReadFailure (UNDECODABLE, TOO_MANY_PAGES, TOO_MUCH_OUTPUT)."""
    text = decode(data).removeprefix("\ufeff").replace(_END, "").replace(_NONE, "")
    delimiter, text = _declared(text)
    delimiter = delimiter or _delimiter(text)
    csv.field_size_limit(_MAX_FIELD)
    quoted = _quotes_close(text, delimiter)
    pages: list[list[Piece]] = []
    labels: list[str] = []
    rows = _rows(_records(text, delimiter, quoted), options.max_cells)
    for page in paged(rows, Hints(first_is_head=True)):
        if len(pages) >= options.max_pages:
            raise ReadFailure(Failure.TOO_MANY_PAGES)
        pages.append(page.pieces)
        one = page.first_row == page.last_row
        labels.append(f"row {page.first_row}" if one else f"rows {page.first_row}–{page.last_row}")
    return drawn(ReadDocument(MEDIA_TYPE, "", lay_out(pages, labels)), options.keep_hidden)


def _declared(text: str) -> tuple[str, str]:
    """The delimiter that a first line `sep=;` names, and the text without that line."""
    first, _, rest = text.partition("\n")
    if len(first) == 5 and first.startswith("sep="):
        return first[4], rest
    return "", text


def _delimiter(text: str) -> str:
    """The delimiter of a text, or one that it does not hold if it is no table."""
    sample = text[:_SAMPLE]
    if len(text) > _SAMPLE:
        sample = sample[: sample.rfind("\n") + 1] or sample
    best, most = _NONE, (0.0, 0)
    for delimiter in _DELIMITERS:
        records = _records(sample, delimiter)
        widths = [len(record) for _, record in zip(range(_SAMPLE_RECORDS), records, strict=False)]
        counts = Counter(width for width in widths if width)
        if not counts:
            continue
        width, alike = max(counts.items(), key=lambda entry: (entry[1], entry[0]))
        share = round(alike / sum(counts.values()), 1)
        if width > 1 and share >= _LEAST_ALIKE and (share, width) > most:
            best, most = delimiter, (share, width)
    return best


def _records(text: str, delimiter: str, quoted: bool = True) -> Iterator[list[str]]:
    return csv.reader(
        io.StringIO(text, newline="\n"),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        skipinitialspace=delimiter != "\t",
    )


def _quotes_close(text: str, delimiter: str) -> bool:
    """Whether every quote that opens a cell is closed again."""
    if '"' not in text:
        return True
    last: list[str] = []
    for record in _records(f"{text.rstrip()}\n{_END}", delimiter):
        last = record
    return last == [_END]


def _rows(records: Iterator[list[str]], most: int) -> Iterator[Row]:
    """The records with what their cells hold. Raises ReadFailure (TOO_MUCH_OUTPUT)."""
    for number, record in enumerate(records, start=1):
        most -= len(record)
        if most < 0:
            raise ReadFailure(Failure.TOO_MUCH_OUTPUT)
        cells = {
            column: Cell(text, is_label(text))
            for column, text in enumerate(record, start=1)
            if text.strip()
        }
        yield Row(number, cells)
