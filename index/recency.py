"""Which of several documents is the latest, when a question asks for that one. Pure.

"In the latest report" names a document by its date without saying it. A document's date is the
day from which it is effective, if that was declared, else the latest date in what names it: its
title, the name of its file, the title block of its first page.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TypeVar

K = TypeVar("K")

_LATEST = re.compile(
    r"\b(?:latest|newest|(?:most|more) recent(?:ly)?|most up[- ]to[- ]date|last published"
    r"|neueste[nrsm]?|aktuellste[nrsm]?|jüngste[nrsm]?|plus récente?s?"
    r"|más recientes?|ultimo rapporto|più recenti?|meest recente|mais recentes?)\b",
    re.IGNORECASE,
)
_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_NAMES, start=1)}
_MONTH = rf"({'|'.join(_NAMES)})[a-z]*\.?"
_ISO = re.compile(r"(?<!\d)((?:19|20)\d\d)-(\d\d)-(\d\d)(?!\d)")
_DAY_FIRST = re.compile(rf"(?<!\d)(\d{{1,2}})\.?\s+{_MONTH}\s+((?:19|20)\d\d)(?!\d)", re.IGNORECASE)
_MONTH_FIRST = re.compile(
    rf"\b{_MONTH}\s+(\d{{1,2}})(?:st|nd|rd|th)?,?\s+((?:19|20)\d\d)(?!\d)", re.IGNORECASE
)
_QUARTER = re.compile(
    r"(?<![a-z0-9])(?:((?:19|20)\d\d)[\s_-]*q([1-4])|q([1-4])[\s_-]*((?:19|20)\d\d))(?![a-z0-9])",
    re.IGNORECASE,
)
_YEAR = re.compile(r"(?<![\d,.$€£])((?:19|20)\d\d)(?![\d%]|[.,]\d)")


def asks_for_latest(question: str) -> bool:
    """Whether a question speaks of the latest of several documents."""
    return _LATEST.search(question) is not None


def dated(name: str) -> str:
    """The latest day, quarter's end or year that `name` holds, as a comparable ISO 8601 prefix.

    Whole days count before quarters and these before bare years, since the less exact ones are
    often part of a form's number or of a sentence about something else. Empty if there is none.
    """
    days = [f"{y}-{m}-{d}" for y, m, d in _ISO.findall(name)]
    days += [_day(y, _MONTHS[m.lower()], d) for d, m, y in _DAY_FIRST.findall(name)]
    days += [_day(y, _MONTHS[m.lower()], d) for m, d, y in _MONTH_FIRST.findall(name)]
    quarters = [f"{y or y2}-{int(q or q2) * 3:02}" for y, q, q2, y2 in _QUARTER.findall(name)]
    for found in (days, quarters, _YEAR.findall(name)):
        if found:
            return str(max(found))
    return ""


def _day(year: str, month: int, day: str) -> str:
    return f"{year}-{month:02}-{int(day):02}"


def latest(days: Mapping[K, str], among: Collection[K]) -> frozenset[K]:
    """Those of the documents `among` whose date in `days` is the greatest; none without dates.

    A date that is the beginning of another ("2023" and "2023-09") is not told from it.
    """
    known = {document: days[document] for document in among if days.get(document)}
    if not known:
        return frozenset()
    last = max(known.values())
    return frozenset(document for document, day in known.items() if last.startswith(day))
