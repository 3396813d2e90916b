"""A customer's own questions: a CSV table, or a JSON object a line, with what they expect.

Several rows of one id (or, without ids, of one question) are several right places for it. An empty
expected answer says that the documents do not answer the question.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from assistant.answer_outcome import Case, Gold
from assistant.answer_values import sole

FORMS = ("long", "span", "value")
_SPAN_WORDS = 12  # a longer expected answer is prose of its own, not words to look for
_MOST_CELL = 1 << 20  # characters
_COLUMNS = {
    "id": "id",
    "question": "question",
    "expected answer": "answer",
    "answer": "answer",
    "document": "document",
    "source": "document",
    "page": "page",
    "as of": "as_of",
    "form": "form",
    "together": "together",
}
_YES, _NO = ("yes", "true", "1"), ("", "no", "false", "0")


class Unusable(Exception):
    """What is wrong, without the file's name; `line` 0 where it has no line of its own."""

    def __init__(self, reason: str, line: int = 0) -> None:
        super().__init__(reason)
        self.line = line


@dataclass(frozen=True, slots=True)
class _Row:
    """One right place for a question, or that there is none."""

    line: int
    id: str
    question: str
    answer: str
    document: str = ""
    page: int | None = None
    as_of: str | None = None
    form: str = ""
    together: bool = False


def csv_cases(content: str) -> Iterator[Case]:
    """The cases of a table whose first line names the columns; commas, semicolons or tabs part
    them, as that line does. Raises Unusable."""
    head = content.lstrip("\n").split("\n", 1)[0]
    mark = max(",;\t", key=head.count)
    csv.field_size_limit(_MOST_CELL)
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=mark, strict=True)
    rows: list[_Row] = []
    names: list[str] = []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if not names:
                names = _names(cells, reader.line_num)
                continue
            if len(cells) > len(names):
                raise Unusable(
                    f"has {len(cells)} cells and the first line names {len(names)} columns; put "
                    "quotation marks around cells that hold the separator.",
                    reader.line_num,
                )
            rows.append(_row(dict(zip(names, cells, strict=False)), reader.line_num))
    except csv.Error as error:
        raise Unusable(f"cannot be read as CSV ({error}); mend it.", reader.line_num) from error
    return _cases(rows)


def _names(cells: Sequence[str], line: int) -> list[str]:
    folded = [" ".join(cell.lower().replace("_", " ").split()) for cell in cells]
    names = [_COLUMNS.get(name, "") for name in folded]
    if "question" not in names or "answer" not in names:
        raise Unusable(
            "does not name the columns question and expected answer (and document and page, if "
            "the right place is known); make it the first line.",
            line,
        )
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice:
        raise Unusable(f"names the column {twice} twice; drop one of the two.", line)
    return names


def jsonl_cases(records: Sequence[tuple[int, Mapping[str, Any]]]) -> Iterator[Case]:
    """The cases of records with the same names as the columns; `expected` may list several right
    places, each with `document` (or `source`), `page` and `answer`. Raises Unusable."""
    rows: list[_Row] = []
    for line, record in records:
        places = record.get("expected")
        if places is None:
            rows.append(_row(record, line))
            continue
        if not isinstance(places, list) or not all(isinstance(each, dict) for each in places):
            raise Unusable('has an "expected" that is no list of places; mend it.', line)
        for place in places or [{"answer": ""}]:
            rows.append(_row({**record, **place}, line))
    return _cases(rows)


def _row(cells: Mapping[str, Any], line: int) -> _Row:
    known = {
        _COLUMNS.get(str(name).replace("_", " "), ""): str(value if value is not None else "")
        for name, value in cells.items()
    }
    held = {name: value.strip() for name, value in known.items()}
    if not held.get("question"):
        raise Unusable("has no question; write one or drop the line.", line)
    if "answer" not in held:
        raise Unusable("has no answer; leave it empty if the documents do not answer.", line)
    page, day, form = held.get("page", ""), held.get("as_of", ""), held.get("form", "")
    if page and not (page.isdecimal() and int(page) > 0):
        raise Unusable(f"has the page {page!r:.40}; pages count from 1 as a reader does.", line)
    try:
        as_of = date.fromisoformat(day).isoformat() if day else None
    except ValueError as error:
        raise Unusable(f"has the day {day!r:.40}; write it like 2025-06-30.", line) from error
    if form and form not in FORMS:
        raise Unusable(f"has the form {form!r:.40}; forms are {', '.join(FORMS)}.", line)
    together = held.get("together", "").lower()
    if together not in _YES + _NO:
        raise Unusable(f"has {together!r:.40} for together; write yes or no.", line)
    return _Row(
        line, held.get("id", ""), held["question"], held["answer"], held.get("document", ""),
        int(page) if page else None, as_of, form, together in _YES,
    )  # fmt: skip


def _cases(rows: Sequence[_Row]) -> Iterator[Case]:
    """The rows of one question joined, in the order of their first."""
    groups: dict[str, list[_Row]] = {}
    for row in rows:
        groups.setdefault(row.id or row.question, []).append(row)
    for number, (name, held) in enumerate(groups.items(), start=1):
        yield _case(held, name if held[0].id else f"q{number}")


def _case(rows: Sequence[_Row], id_: str) -> Case:
    first = rows[0]
    for row in rows[1:]:
        if row.question != first.question:
            raise Unusable(f"has the id {row.id} of another question; give it its own.", row.line)
        if bool(row.answer) != bool(first.answer):
            raise Unusable(
                "and an earlier line disagree on whether the question is answered; fill in the "
                "answer in both or in neither.",
                row.line,
            )
        if (row.as_of, row.together) != (first.as_of, first.together):
            raise Unusable("has another day or together than an earlier line; make them one.",
                           row.line)  # fmt: skip
    answers = tuple(dict.fromkeys(row.answer for row in rows if row.answer))
    gold = [Gold(row.document, "", row.page) for row in rows if row.document and row.answer]
    return Case(
        id=id_,
        text=first.question,
        answers=answers,
        gold=tuple(dict.fromkeys(gold)),
        form=first.form or form_of(answers),
        as_of=first.as_of,
        together=first.together and len(answers) > 1,
    )


def form_of(answers: Sequence[str]) -> str:
    """How an answer is judged if its set does not say: "value" if it is a number and nothing
    else, "span" if it is a few words that can be looked for, else "long"."""
    if not answers:
        return "long"
    if all(sole(answer) is not None for answer in answers):
        return "value"
    return "span" if all(len(answer.split()) <= _SPAN_WORDS for answer in answers) else "long"
