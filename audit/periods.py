"""How long records must be kept: periods, the profiles that are built in, and your own.

A profile is a minimum: what is younger is never deleted. Periods are reckoned in whole UTC days as
Article 3 of Regulation (EEC, Euratom) No 1182/71 does: the day of the event does not count, a
period in months or years ends with the day of the same date, and with the last day of the month
where there is no such date (29 February plus a year is 28 February; that whole day is kept).
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from audit.errors import SettingsError

_PERIOD = re.compile(r"([1-9][0-9]{0,4})([dwmy])")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_FORM = "write it as a whole number and d, w, m or y, such as 183d or 6y"


@dataclass(frozen=True, slots=True)
class Period:
    """So many days ("d"), weeks ("w"), months ("m") or years ("y"); `str` gives "6y"."""

    count: int
    unit: str

    def last_day(self, day: date) -> date:
        """The last day on which something of `day` must be kept; `date.max` if that is beyond it.

        It never goes back as `day` goes on.
        """
        try:
            if self.unit in "dw":
                return day + timedelta(days=self.count * (7 if self.unit == "w" else 1))
            months = self.count * (12 if self.unit == "y" else 1)
            year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
            longest = calendar.monthrange(year, month + 1)[1]
            return date(year, month + 1, min(day.day, longest))
        except (OverflowError, ValueError):
            return date.max

    def __str__(self) -> str:
        return f"{self.count}{self.unit}"


@dataclass(frozen=True, slots=True)
class Profile:
    """A named period, and the clause that it comes from ("" for your own). `str` gives "own=6y",
    or "6y" without a name."""

    name: str
    period: Period
    source: str = ""

    def __str__(self) -> str:
        return f"{self.name}={self.period}" if self.name else str(self.period)


# 21 CFR Part 11 is not among them: it names no period (11.10(c) leaves it to the rule under which
# the record is kept). Six months are up to 184 days, so 183 days would sometimes be one too few.
BUILT_IN = (
    Profile("hipaa", Period(6, "y"), "45 CFR 164.316(b)(2)(i)"),
    Profile("ai-act", Period(6, "m"), "Regulation (EU) 2024/1689, Articles 19(1) and 26(6)"),
    Profile("sec-17a-4", Period(6, "y"), "17 CFR 240.17a-4(a)"),
)


def parse_period(text: str, source: str) -> Period:
    """The period that `text` writes ("183d", "26w", "6m", "6y"). Raises SettingsError."""
    match = _PERIOD.fullmatch(text.strip().lower())
    if match is None:
        raise SettingsError(source, f"{text!r} is not a period; {_FORM}")
    return Period(int(match[1]), match[2])


def parse_profiles(text: str, source: str) -> tuple[Profile, ...]:
    """The profiles that `text` names, parted by commas: "hipaa", "ai-act, clients=10y".

    A built-in name with a period of its own adds that period to the built-in one, which stays: a
    clause's minimum cannot be shortened under its own name. `source` names where the text stood.
    Raises SettingsError (exit code 3).
    """
    found: list[Profile] = []
    for part in filter(None, (each.strip() for each in text.split(","))):
        name, given, period = (each.strip() for each in part.partition("="))
        built_in = [each for each in BUILT_IN if each.name == name.lower()]
        if not given and not built_in:
            names = ", ".join(each.name for each in BUILT_IN)
            why = f"there is no retention profile {name!r}; name one of {names}, or write name=6y"
            raise SettingsError(source, why)
        if not _NAME.fullmatch(name.lower()):
            why = f"{name!r} cannot name a retention profile; use letters, digits, dots and dashes"
            raise SettingsError(source, why)
        chosen = [Profile(name.lower(), parse_period(period, source))] if given else []
        found += [each for each in (*built_in, *chosen) if each not in found]
    return tuple(found)


def parse_kept(text: str, source: str) -> tuple[Profile, ...]:
    """What `parse_profiles` takes, or a period alone: "hipaa", "6y". Raises SettingsError."""
    if _PERIOD.fullmatch(text.strip().lower()):
        return (Profile("", parse_period(text, source)),)
    found = parse_profiles(text, source)
    if not found:
        raise SettingsError(source, f"{text!r} is not a period; {_FORM}")
    return found


def last_day(profiles: Sequence[Profile], day: date) -> date:
    """The last day on which something of `day` must be kept under all profiles: the longest wins.

    Without any profile nothing may be deleted, so that is `date.max`.
    """
    return max((each.period.last_day(day) for each in profiles), default=date.max)
