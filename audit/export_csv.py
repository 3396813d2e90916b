"""Records as CSV (RFC 4180, UTF-8 without a byte order mark): for spreadsheets and databases.

A line is one record. What a spreadsheet would run is prefixed with an apostrophe: a cell whose
first character, after white space, controls and quotation marks, is `=`, `+`, `-` or `@` in any
width. A cell that begins with an apostrophe itself gets another one, so an apostrophe in front is
always ours, and taking one off always gives back what was there. Text with controls (tab, CR, LF,
NUL), turning or invisible characters, lone surrogates, a semicolon, or white space around it is
written as a JSON string: no line breaks stand within a record, and a spreadsheet that takes the
semicolon for the separator cannot cut a formula out of the middle of a cell.
"""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Mapping

from audit.export_row import Row, json_text, row_from, row_of, unword, word
from audit.store import Leaf

_TEXTS = (
    "event_id",
    "time",
    "type",
    "actor_kind",
    "actor_id",
    "actor_auth",
    "actor_client",
    "session",
    "request_id",
    "log_id",
    "leaf_hash",
)
COLUMNS = ("seq", *_TEXTS, "actor_groups", "fields", "rest")
HEADER = ",".join(COLUMNS)
NEWLINE = "\r\n"
_STARTS_FORMULA = frozenset("=+-@\u2212")  # U+2212, the minus sign, has no compatibility form


def line(leaf: Leaf, envelope: Mapping[str, object]) -> str:
    """One record. Raises ValueError for what is none."""
    row = row_of(leaf, envelope)
    cells = [str(row.seq), *(_cell(str(getattr(row, name))) for name in _TEXTS)]
    for value in (list(row.actor_groups), dict(row.fields), dict(row.rest)):
        # Within JSON a semicolon stands only in texts, where it can be written in another way.
        cells.append(json_text(value).replace(";", "\\u003b"))
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(cells)
    return out.getvalue()


def parse(text: str) -> Row:
    """The record of one line. Raises ValueError."""
    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error as error:
        raise ValueError(f"the line is no CSV ({error})") from error
    if len(rows) != 1 or len(rows[0]) != len(COLUMNS):
        raise ValueError(f"a line must have {len(COLUMNS)} cells")
    cells = dict(zip(COLUMNS, (cell.removeprefix("'") for cell in rows[0]), strict=True))
    return row_from(
        {name: unword(cells[name]) for name in _TEXTS},
        json.loads(cells["actor_groups"]),
        json.loads(cells["fields"]),
        json.loads(cells["rest"]),
        int(cells["seq"]),
    )


def _cell(text: str) -> str:
    """The text as no spreadsheet runs it; `removeprefix("'")` and `unword` give it back."""
    # Only a JSON string can hold a semicolon here, and there it can be written in another way.
    cell = word(text, also=";").replace(";", "\\u003b")
    return f"'{cell}" if cell.startswith("'") or _is_formula(text) else cell


def _is_formula(cell: str) -> bool:
    for character in cell:
        # Full-width and small forms (U+FF1D, U+FE66) become the plain sign by NFKC.
        plain = unicodedata.normalize("NFKC", character)[:1]
        if plain in _STARTS_FORMULA:
            return True
        hidden = unicodedata.category(character) in ("Cc", "Cf")
        if not (character.isspace() or hidden or character in "\"'"):
            return False
    return False
