"""A sentence as the independent check reads it: tokens, and what runs of tokens say. Pure.

Belongs to `assistant.answer_check` and shares no code with the gate either; see there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

_TOKEN = re.compile(
    r"\d{4}-\d{2}-\d{2}(?!\d)|\d{1,2}[/.]\d{1,2}[/.]\d{4}(?!\d)"
    r"|\d+(?:[,\u00a0\u2009\u202f]\d{3})+(?:\.\d+)?(?!\d)"
    r"|\d+(?:\.\d+)+|\d+|[^\W\d_]+(?:['’][^\W\d_]+)*|[%$€£¥§]|[^\w\s]"
)
_ONES = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
    fifteen sixteen seventeen eighteen nineteen"""
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_SMALL = {word: number for number, word in enumerate(_ONES.split())} | {
    word: 20 + 10 * number for number, word in enumerate(_TENS.split())
}
SCALES = {
    "hundred": 100, "thousand": 1_000, "million": 10**6, "millions": 10**6, "billion": 10**9,
    "billions": 10**9, "trillion": 10**12, "bn": 10**9, "mn": 10**6,
}  # fmt: skip
_PERCENT = frozenset({"%", "percent", "percentage"})
# Units that convert exactly into one another: name -> what it is counted in, and how many.
_SPANS = {
    "year": ("month", Decimal(12)), "quarter": ("month", Decimal(3)),
    "month": ("month", Decimal(1)), "week": ("hour", Decimal(168)), "day": ("hour", Decimal(24)),
    "hour": ("hour", Decimal(1)), "minute": ("hour", Decimal(1) / 60),
}  # fmt: skip
_MONTH_NAMES = """january february march april may june july august september october november
    december"""
_MONTHS = {
    name: number
    for number, month in enumerate(_MONTH_NAMES.split(), start=1)
    for name in (month, month[:3], month[:4])
}
_NEGATIONS = """not no never none neither nor without cannot nothing nobody hardly
    prohibited forbidden unless except n't"""
NEGATIONS = frozenset(_NEGATIONS.split())
_FUNCTION_WORDS = """a an the this that these those there here it its he she they them his
    her their our your we you i me my us be is are was were been being am
    do does did doing done have has had having will would shall should can
    could may might must ought and or but so yet if then than as of at by
    for from in into on onto to with within about above below between
    during under over after before until since through per via any some
    all each every both either which who whom whose what when where why
    how much many more most less least other another such own same only
    also just very too again further once ever up down out off one"""
_PLAIN = frozenset(_FUNCTION_WORDS.split())
_ACRONYM = re.compile(r"[A-Z]{2,}s?$|[A-Z]+[a-z]*[A-Z]")


Date = tuple[int | None, int | None, int | None]  # year, month, day; None: not said


@dataclass(frozen=True, slots=True)
class Quantity:
    """An amount, its scale multiplied out (`bare`: without), and what it counts: "percent", a unit
    that spans of time are counted in, or nothing."""

    amount: Decimal
    unit: str = ""
    bare: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Reading:
    """A text as this check sees it. `dates` holds, of each, the ways to read it; `quantities` are
    those outside dates, `numbers` all of them with the parts of dates."""

    dates: tuple[tuple[Date, ...], ...]
    quantities: tuple[Quantity, ...]
    numbers: frozenset[Quantity]
    units: frozenset[str]
    names: tuple[str, ...]
    folded: frozenset[str]
    content: tuple[str, ...]


def read(text: str) -> Reading:
    tokens = [match.group() for match in _TOKEN.finditer(text)]
    dates: list[tuple[Date, ...]] = []
    parts: set[Quantity] = set()
    quantities: list[Quantity] = []
    at = 0
    while at < len(tokens):
        date, taken = _date(tokens, at)
        if taken:
            dates.append(date)
            parts |= {_counted(part) for each in date for part in each if part}
            at += taken
            continue
        quantity, taken = _quantity(tokens, at)
        if quantity is not None:
            quantities.append(quantity)
        at += max(taken, 1)
    folded = frozenset(bare(token) for token in tokens if token[0].isalpha())
    units = frozenset({"percent"} if _PERCENT & {t.lower() for t in tokens} else set()) | {
        word for word in folded if word in SCALES
    }
    content = tuple(
        bare(token) for token in tokens
        if token[0].isalpha() and len(token) > 2 and bare(token) not in _PLAIN
        and bare(token) not in _SMALL and bare(token) not in SCALES and bare(token) not in NEGATIONS
    )  # fmt: skip
    return Reading(
        tuple(dates), tuple(quantities), frozenset(parts | set(quantities)), units,
        tuple(_names(tokens)), folded, content,
    )  # fmt: skip


def bare(word: str) -> str:
    """Lower case, without a possessive."""
    return re.sub(r"['’]s?$", "", word.lower())


def _counted(number: int | Decimal) -> Quantity:
    return Quantity(Decimal(number), "", Decimal(number))


def _date(tokens: Sequence[str], at: int) -> tuple[tuple[Date, ...], int]:
    """The readings of a date that begins at `at`, and how many tokens it takes; 0 if none does."""
    token = tokens[at]
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", token):
        year, month, day = map(int, token.split("-"))
        return ((year, month, day),), 1
    if re.fullmatch(r"\d{1,2}([/.])\d{1,2}\1\d{4}", token):
        one, other, year = map(int, re.split(r"[/.]", token))
        ways: list[Date] = []
        ways += [(year, other, one)] if 0 < other <= 12 else []
        ways += [(year, one, other)] if 0 < one <= 12 and one != other else []
        return tuple(ways), 1
    return _spelt_date(tokens, at)


def _spelt_date(tokens: Sequence[str], at: int) -> tuple[tuple[Date, ...], int]:
    """ "5 March 2024", "5th of March", "March 5, 2024", "March 2024"; a month alone is no date."""
    day, ahead = _day(tokens, at), at
    if day:
        ahead += 1 + (_lower(tokens, at + 1) in ("st", "nd", "rd", "th"))
        ahead += _lower(tokens, ahead) == "of"
    month = _month(tokens, ahead)
    if not month:
        return (), 0
    ahead += 1
    ahead += _lower(tokens, ahead) == "." and len(tokens[ahead - 1]) <= 4
    if not day:
        day = _day(tokens, ahead)
        year_follows = _year(tokens, ahead)
        if day and not year_follows:
            ahead += 1 + (_lower(tokens, ahead + 1) in ("st", "nd", "rd", "th"))
        else:
            day = None
    comma = _lower(tokens, ahead) == ","
    year = _year(tokens, ahead + comma)
    if year:
        ahead += 1 + comma
    return (((year, month, day),), ahead - at) if year or day else ((), 0)


def _lower(tokens: Sequence[str], at: int) -> str:
    return tokens[at].lower() if at < len(tokens) else ""


def _month(tokens: Sequence[str], at: int) -> int | None:
    written = tokens[at] if at < len(tokens) else ""
    return _MONTHS.get(written.lower()) if written[:1].isupper() else None


def _day(tokens: Sequence[str], at: int) -> int | None:
    word = _lower(tokens, at)
    return int(word) if re.fullmatch(r"\d{1,2}", word) and 1 <= int(word) <= 31 else None


def _year(tokens: Sequence[str], at: int) -> int | None:
    word = _lower(tokens, at)
    return int(word) if re.fullmatch(r"(?:1[5-9]|20|21)\d\d", word) else None


def _quantity(tokens: Sequence[str], at: int) -> tuple[Quantity | None, int]:
    """The quantity that begins at `at`, and how many tokens it takes."""
    ahead = at
    bare: Decimal | None = None
    if re.match(r"\d", tokens[at]):
        digits = re.sub(r"[,\u00a0\u2009\u202f]", "", tokens[at])
        if digits.count(".") > 1:
            return None, 1  # the number of a clause or of a version
        bare, ahead = Decimal(digits), at + 1
    else:
        bare, ahead = _spelt(tokens, at)
    if bare is None:
        return None, 1
    amount = bare
    while _lower(tokens, ahead) in SCALES and (
        tokens[at][0].isdigit() or _lower(tokens, ahead) not in ("hundred", "thousand")
    ):
        amount *= SCALES[_lower(tokens, ahead)]
        ahead += 1
    unit, ahead = _unit(tokens, ahead)
    if bare == 1 and not tokens[at][0].isdigit() and not unit and amount == bare:
        return None, 1  # "one of them" counts nothing
    if unit in _SPANS:
        unit, times = _SPANS[unit]
        amount *= times
    return Quantity(amount, unit, bare), ahead - at


def _spelt(tokens: Sequence[str], at: int) -> tuple[Decimal | None, int]:
    """A number in words up to thousands: "twenty-five", "two hundred and fifty"."""
    total = current = 0
    ahead, seen = at, False
    while True:
        word = _lower(tokens, ahead)
        following = _lower(tokens, ahead + 1)
        if word in _SMALL:
            current, seen = current + _SMALL[word], True
        elif seen and word in ("hundred", "thousand"):
            total, current = (total, current * 100) if word == "hundred" else (
                total + current * 1000, 0
            )  # fmt: skip
        elif not (
            seen
            and word in ("-", "and")
            and following in _SMALL
            and (word == "-" or _lower(tokens, ahead - 1) in ("hundred", "thousand"))
        ):
            break  # fmt: skip
        ahead += 1
    return (Decimal(total + current), ahead) if seen else (None, at)


def _unit(tokens: Sequence[str], at: int) -> tuple[str, int]:
    """What is counted, past an amount said twice ("six (6) years") and words between ("business
    days"), and where that ends."""
    ahead = at
    if _lower(tokens, ahead) == "(" and _lower(tokens, ahead + 2) == ")":
        ahead += 3
    if _lower(tokens, ahead) == "-":
        ahead += 1
    if _lower(tokens, ahead) in ("calendar", "business", "working", "consecutive", "full"):
        ahead += 1
    word = _lower(tokens, ahead)
    if word == "per" and _lower(tokens, ahead + 1) == "cent":
        return "percent", ahead + 2
    if word in _PERCENT:
        return "percent", ahead + 1
    one = word.removesuffix("s") if word != "hours" else "hour"
    return (one, ahead + 1) if one in _SPANS else ("", at)


def _names(tokens: Sequence[str]) -> Iterator[str]:
    """Capitalised words, but for one that only begins a sentence, and acronyms. Months that stand
    in dates are names too: they are in the quote or the date is not."""
    first = True
    for word, following in pairwise((*tokens, "")):
        if not word[0].isalpha():
            first = first or word in ".!?:;•|–—"
            continue
        acronym = bool(_ACRONYM.match(word))
        capital = word[0].isupper() and len(word) > 1
        follows = following[:1].isupper() and following.lower() not in _PLAIN
        plain = word.lower() in _PLAIN or word.lower() in _SMALL or word.lower() in NEGATIONS
        month = word.lower() in _MONTHS
        if (acronym or (capital and (not first or follows))) and not plain and not month:
            yield word
        first = False
