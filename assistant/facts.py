"""The checkable facts of a text, each in one normal form, so that two spellings compare equal.

Pure. Found are dates, times, amounts of money, percentages, durations, measured quantities, plain
numbers, how often something happens, identifiers, clause references, e-mail addresses and names.
Normal forms are exact or they stay apart: a year is 12 months and a week 7 days, but 72 hours are
not 3 days, 30 days are not a month and 5 business days are not 5 days; `$` stays `$`. A date that
could be read two ways (03/05/2025) equals only itself.

The two ends of a range ("3 to 5 years") are facts with the unit, marked `ranged`: neither is the
value itself.

Limits: English spellings (a decimal comma is read); a unit that stands only in the heading of a
table is not joined to the number in its cell, so such a number supports no unit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from assistant import dates, names, numerals, quantities
from assistant.terms import STOPWORDS, fold, stem


class Kind(StrEnum):
    """What a fact states."""

    DATE = "date"
    TIME = "time"
    AMOUNT = "amount"
    PERCENT = "percent"
    DURATION = "duration"
    QUANTITY = "quantity"  # a number with a unit of measure
    NUMBER = "number"
    FREQUENCY = "frequency"
    IDENTIFIER = "identifier"
    EMAIL = "email"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact of a text, at `[start, end)`.

    `value` is the normal form. `bound` is "min" for "at least", "max" for "at most", else "".
    `noun` is the comparable form of the word that a plain number counts ("five members").
    `ranged`: it is one end of a range, of which `bound` says which.
    """

    kind: Kind
    value: str
    start: int
    end: int
    bound: str = ""
    noun: str = ""
    ranged: bool = False


_TIME = re.compile(
    r"\b(?P<hour>[01]?\d|2[0-3])[:.h](?P<minute>[0-5]\d)(?:\s*(?P<half>[ap])\.?m\b\.?)?"
    r"|\b(?P<hour2>1[0-2]|0?[1-9])\s*(?P<half2>[ap])\.?m\b\.?",
    re.IGNORECASE,
)

_LABELS = {
    "§": "section", "§§": "section", "sec": "section", "section": "section", "sections": "section",
    "clause": "clause", "clauses": "clause", "cl": "clause", "article": "article",
    "subsection": "subsection", "subsections": "subsection", "paragraphs": "paragraph",
    "subparagraph": "subparagraph", "rules": "rule", "regulations": "regulation",
    "parts": "part", "chapters": "chapter", "schedules": "schedule", "principle": "principle",
    "guideline": "guideline", "items": "item", "notes": "note", "note": "note",
    "articles": "article", "art": "article", "paragraph": "paragraph", "para": "paragraph",
    "annex": "annex", "appendix": "appendix", "schedule": "schedule", "chapter": "chapter",
    "table": "table", "figure": "figure", "fig": "figure", "part": "part", "rule": "rule",
    "step": "step", "form": "form", "page": "page", "pages": "page", "regulation": "regulation",
    "item": "item", "version": "version", "rev": "revision", "revision": "revision",
    "phase": "phase", "stage": "stage", "level": "level", "tier": "tier", "class": "class",
}  # fmt: skip
_NUMBERING = r"\d+[A-Za-z]?(?:\.\d+)*[a-z]?(?:\s?\([a-z0-9]{1,4}\))*"
_REFERENCE = re.compile(
    rf"(?:(?P<label>§§?|\b(?:{'|'.join(k for k in _LABELS if k[0] != '§')})\b\.?)\s*"
    rf"(?P<number>{_NUMBERING}|(?-i:[A-Z]|[IVX]{{1,4}})(?![\w-]))"
    rf"|\b(?P<law>\d+\s+(?:CFR|U\.?S\.?C\.?))\s+(?:Part\s+|§\s*)?(?P<place>[\d.]*\d(?:\([a-z0-9]+\))*))",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"\b(?:[A-Z][A-Z0-9]*(?:[-_/][A-Z0-9]+)*[-_/.](?:[A-Z0-9]*\d[A-Z0-9]*)(?:[-_/.][A-Z0-9]+)*"
    r"|[A-Z]{1,6}\d[A-Z0-9]*|[vV]\d+(?:\.\d+)*|\d{2,4}/\d{1,6}|\d+(?:\.\d+){2,}(?!,\d)"
    r"|\d+(?:\.\d+)*(?:\([a-z0-9]{1,4}\))+)(?![\w-]*\w)"
)
_EMAIL = re.compile(
    r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+|\bhttps?://\S+[\w/]|\bwww\.[\w-]+(?:\.[\w-]+)+(?:/\S*[\w/])?"
)

_PERIODS = {"hour": "hour", "day": "day", "week": "week", "month": "month", "quarter": "quarter",
            "year": "year", "annum": "year"}  # fmt: skip
_ADVERBS = {
    "hourly": "1/hour", "daily": "1/day", "weekly": "1/week", "fortnightly": "1/2 week",
    "monthly": "1/month", "quarterly": "1/quarter", "annually": "1/year", "annual": "1/year",
    "yearly": "1/year", "semi-annually": "2/year", "semiannually": "2/year",
    "semi-annual": "2/year", "half-yearly": "2/year", "biannually": "2/year",
    "biennially": "1/2 year", "biennial": "1/2 year", "twice-yearly": "2/year",
}  # fmt: skip
_FREQUENCY = re.compile(
    rf"\b(?P<adverb>{'|'.join(sorted(_ADVERBS, key=len, reverse=True))})\b"
    rf"|\b(?:(?:(?P<times>once|twice|(?P<count>{numerals.WORDS}|\d+)\s+times)\s+)"
    rf"(?:an?|per|each|every|in\s+each)|per|each|every"
    rf"|(?:(?<=\d )|(?<=% )|(?<=million )|(?<=dollars )|(?<=euros )|(?<=percent ))an?)"
    rf"\s+(?:calendar\s+|financial\s+)?"
    rf"(?P<period>{'|'.join(_PERIODS)})\b",
    re.IGNORECASE,
)

_MIN = (
    r"at least|minimum(?: of)?|min\.?|(?:not|no) (?:less|fewer|lower|earlier) than|more than|over"
    r"|above|exceed(?:s|ing)?|greater than|not below|at the earliest|longer than"
)
_MAX = (
    r"at most|maximum(?: of)?|max\.?|(?:not|no) (?:more|greater|higher|later|longer) than"
    r"|less than|fewer than|under|below|up to|within|(?:not|never) (?:to )?exceed(?:s|ing)?"
    r"|by the latest|shorter than|not over|not above"
)
_BEFORE = re.compile(
    rf"\b(?:(?P<max>{_MAX})|(?P<min>{_MIN}))\s+(?:(?:a|an|the|of|total|period)\s+){{0,4}}$",
    re.IGNORECASE,
)
_AFTER = re.compile(
    r"\s*,?\s*(?:(?P<max>or (?:less|fewer|below|earlier)|at most|at the latest)"
    r"|(?P<min>or (?:more|longer|above|later|over)|at least|at the earliest))\b",
    re.IGNORECASE,
)
# Characters that are not seen, or look like another: each has one that stands for it.
_LOOKALIKES = str.maketrans(
    {**dict.fromkeys("\u200b\u200c\u200d\u200e\u200f\u2060\ufeff", " "),
     "\u2212": "-", "\u2010": "-", "\u2011": "-", "\u00ad": "-"}
)  # fmt: skip
_NOUN = re.compile(r"[\s-]+([^\W\d_]{3,})")


class _Scan:
    """A text of which parts are taken one after another; what is taken is seen no more."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.left = text
        self.facts: list[Fact] = []

    def take(
        self, pattern: re.Pattern[str], read: Callable[[re.Match[str]], tuple[str, str] | None]
    ) -> None:
        """Everything that `pattern` finds in what is left and `read` can make a fact of: all of
        the match, or its group "fact"."""
        group = "fact" if "fact" in pattern.groupindex else 0
        for match in list(pattern.finditer(self.left)):
            found = None if "\x00" in self.left[slice(*match.span())] else read(match)
            if found is not None:
                start, end = match.span(group)
                self.put(Kind(found[0]), found[1], start, end)

    def put(self, kind: Kind, value: str, start: int, end: int, ranged: str = "") -> None:
        """A fact at `[start, end)`; `ranged` is its bound if it is one end of a range."""
        bound = ranged or self._bound(start, end)
        noun = self._noun(kind, end)
        self.facts.append(Fact(kind, value, start, end, bound, noun, bool(ranged)))
        self.left = self.left[:start] + "\x00" * (end - start) + self.left[end:]

    def ranges(self) -> None:
        """Both ends of every range, the words between them included in neither."""
        for match in list(quantities.RANGE.finditer(self.left)):
            if "\x00" not in match.group():
                ends = quantities.span(match)
                for (kind, value, start, end), bound in zip(ends, ("min", "max"), strict=False):
                    self.put(Kind(kind), value, start, end, bound)

    def years(self) -> None:
        """The years that go on a list of dates: "June 30, 2019 and 2018"."""
        for fact in list(self.facts):
            found = dates.following(self.left, fact.end, fact.value)
            while found is not None and fact.kind is Kind.DATE:
                value, start, end = found
                self.put(Kind.DATE, value, start, end)
                found = dates.following(self.left, end, value)

    def _bound(self, start: int, end: int) -> str:
        before = _BEFORE.search(self.text[max(0, start - 60) : start])
        after = _AFTER.match(self.text[end : end + 24])
        found = before or after
        if found is None:
            return ""
        return "max" if found.group("max") else "min"

    def _noun(self, kind: Kind, end: int) -> str:
        if kind is not Kind.NUMBER:
            return ""
        following = _NOUN.match(self.text[end : end + 60])
        word = fold(following.group(1)) if following else ""
        return "" if word in STOPWORDS else stem(word)


def _date(match: re.Match[str]) -> tuple[str, str] | None:
    value = dates.normal(match)
    return (Kind.DATE, value) if value else None


def _time(match: re.Match[str]) -> tuple[str, str] | None:
    hour = int(match.group("hour") or match.group("hour2"))
    minute = match.group("minute") or "00"
    half = (match.group("half") or match.group("half2") or "").lower()
    if match.group("hour") and not half and match.group()[len(match.group("hour"))] != ":":
        return None  # "4.20" is a number or a clause
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    return Kind.TIME, f"{hour:02d}:{minute}"


def _reference(match: re.Match[str]) -> tuple[str, str] | None:
    if match.group("law"):
        law = re.sub(r"[\s.]", "", match.group("law")).upper()
        return Kind.IDENTIFIER, f"{law} {match.group('place')}"
    label = _LABELS[match.group("label").lower().rstrip(".")]
    number = re.sub(r"\s", "", match.group("number"))
    return Kind.IDENTIFIER, f"{label} {number.lower() if number[0].isdigit() else number}"


def _frequency(match: re.Match[str]) -> tuple[str, str] | None:
    if match.group("adverb"):
        return Kind.FREQUENCY, _ADVERBS[match.group("adverb").lower()]
    times = (match.group("times") or "once").lower()
    count = {"once": "1", "twice": "2"}.get(times)
    if count is None:
        written = match.group("count")
        count = written if written.isdigit() else str(numerals.from_words(written))
    return Kind.FREQUENCY, f"{count}/{_PERIODS[match.group('period').lower()]}"


def _measured(match: re.Match[str]) -> tuple[str, str] | None:
    if quantities.bare(match):
        return None
    return quantities.measure(match, quantities.value(match))


def extract(text: str) -> tuple[Fact, ...]:
    """The facts of `text` in order of their place; they do not overlap."""
    scan = _Scan(text.translate(_LOOKALIKES))
    scan.take(_EMAIL, lambda match: (Kind.EMAIL, match.group().lower()))
    for pattern in dates.patterns(text):
        scan.take(pattern, _date)
    scan.years()
    scan.take(_REFERENCE, _reference)
    digits = any(character.isdigit() for character in text)
    if digits:
        scan.take(_CODE, lambda match: (Kind.IDENTIFIER, match.group().upper()))
    scan.take(_FREQUENCY, _frequency)
    if digits:
        scan.take(quantities.BRACKETED, quantities.bracketed)
    scan.ranges()
    scan.take(quantities.FRACTION, quantities.fraction)
    for pattern in quantities.AMOUNTS:
        scan.take(pattern, lambda match: (Kind.AMOUNT, quantities.amount(match)))
    if digits:
        scan.take(_TIME, _time)
        scan.take(
            quantities.RATIO, lambda m: (Kind.NUMBER, f"{m.group('left')}:{m.group('right')}")
        )
    scan.take(quantities.A_UNIT, lambda match: quantities.measure(match, Decimal(1)))
    scan.take(quantities.MEASURED, _measured)
    found = [*scan.facts, *_names(scan.left)]
    return tuple(sorted(found, key=lambda fact: fact.start))


def opens(fact: Fact) -> bool:
    """Whether it is a name only because a sentence starts with it, perhaps an ordinary word."""
    return fact.kind is Kind.NAME and fact.noun == "initial"


def _names(left: str) -> Iterator[Fact]:
    for name in names.find(left):
        yield Fact(Kind.NAME, name.value, name.start, name.end, noun="initial" * name.initial)


def entails(stated: Fact, given: Fact) -> bool:
    """Whether evidence that gives `given` supports a text that states `stated`.

    Equal normal forms do; so does a fuller date for a shorter one ("5 March 2025" gives "March
    2025" and the year 2025) and a bare clause number for the labelled one. Names are compared by
    `assistant.names.occurs` instead.
    """
    if stated.kind is given.kind and stated.value == given.value:
        return True
    if given.kind is Kind.DATE:
        if stated.kind is Kind.DATE:
            return given.value.startswith(stated.value + "-") or (
                stated.value.startswith("--") and given.value.endswith(stated.value[1:])
            )
        return stated.kind is Kind.NUMBER and given.value.startswith(stated.value + "-")
    if stated.kind is Kind.AMOUNT and given.kind is Kind.AMOUNT:
        return {stated.value.split()[0], given.value.split()[0]} == {"$", "USD"} and (
            stated.value.split()[1] == given.value.split()[1]
        )
    return (
        stated.kind is Kind.IDENTIFIER
        and given.kind is Kind.IDENTIFIER
        and " " in stated.value
        and stated.value.split(" ", 1)[1] == fold(given.value)
    )
