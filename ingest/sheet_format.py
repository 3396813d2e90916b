"""Numbers of a spreadsheet as a reader sees them: the number formats of ECMA-376 part 1, 18.8.31.

Days and times are written as ISO 8601, whatever the format's order, so that they can be found and
compared. Fractions and what a code holds besides digits, literals, percent, exponent and thousands
are shown as plain decimals. Pure.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

BUILT_IN = {
    0: "General", 1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%",
    11: "0.00E+00", 12: "# ?/?", 13: "# ??/??", 14: "mm-dd-yy", 15: "d-mmm-yy", 16: "d-mmm",
    17: "mmm-yy", 18: "h:mm AM/PM", 19: "h:mm:ss AM/PM", 20: "h:mm", 21: "h:mm:ss",
    22: "m/d/yy h:mm", 37: "#,##0 ;(#,##0)", 38: "#,##0 ;[Red](#,##0)",
    39: "#,##0.00;(#,##0.00)", 40: "#,##0.00;[Red](#,##0.00)", 45: "mm:ss", 46: "[h]:mm:ss",
    47: "mmss.0", 48: "##0.0E+0", 49: "@",
}  # fmt: skip
"""The codes that a file need not spell out, by number format id (18.8.30)."""

_MAX_CODE = 512  # characters; spreadsheet programs allow 255
_MAX_DECIMALS = 30
_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"?|\\(?P<escaped>.)|_.|\*.|\[\$(?P<currency>[^\]-]*)[^\]]*\]'
    r"|\[(?P<elapsed>[hms]+)\]|\[(?P<condition>[<>=][^\]]*)\]|\[[^\]]*\]"
    r"|(?P<general>General)|(?P<half>AM/PM|A/P)|(?P<exponent>E[+-])"
    r"|(?P<date>[ymdhs]+|e+|b+|g+)|(?P<digit>[0#?])|(?P<mark>[.,%@/])|(?P<plain>.)",
    re.IGNORECASE | re.DOTALL,
)
_CONDITION = re.compile(r"(<=|>=|<>|<|>|=)\s*(-?\d+(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class _Section:
    """One of the parts of a code that ";" separates, as (kind, text) tokens."""

    tokens: tuple[tuple[str, str], ...]
    condition: tuple[str, float] | None = None

    def has(self, *kinds: str) -> bool:
        return any(kind in kinds for kind, _ in self.tokens)


def shown(value: float, code: str, epoch_1904: bool = False) -> str:
    """The number `value` under the format `code`; "" if the format shows nothing.

    `epoch_1904`: the workbook counts days from 1904 instead of 1900.
    """
    if code == "General":
        return plain(value)
    section, magnitude = _chosen(_sections(code), value)
    if not math.isfinite(value) or section.has("general") or (not section.tokens and code == ""):
        return plain(value)
    if section.has("date", "elapsed"):
        return _moment(section, value, epoch_1904)
    if not section.has("digit"):
        if section.has("text"):
            return plain(value)
        return "".join(text for kind, text in section.tokens if kind == "literal").strip()
    return _number(section, magnitude)


def shows_nothing(code: str) -> bool:
    """Whether the code hides any value, as ";;;" does."""
    return code.count(";") >= 2 and not code.replace(";", "").strip()


def plain(value: float) -> str:
    """A number without any format: as many digits as a spreadsheet keeps, 15."""
    if not math.isfinite(value):
        return str(value)
    if abs(value) < 1e15 and value == int(value):
        return str(int(value))
    return format(Decimal(format(value, ".15g")), "f") if abs(value) < 1e21 else f"{value:.15g}"


@lru_cache(maxsize=4096)
def _sections(code: str) -> tuple[_Section, ...]:
    """The sections of a code, at least one."""
    if len(code) > _MAX_CODE:
        return (_Section((("general", ""),)),)
    found: list[_Section] = []
    tokens: list[tuple[str, str]] = []
    condition: tuple[str, float] | None = None
    for match in _TOKEN.finditer(code):
        kind, text = match.lastgroup or "", match.group()
        value = match.group(kind) if kind else ""
        if kind == "plain" and text == ";":
            found.append(_Section(tuple(tokens), condition))
            tokens, condition = [], None
        elif kind in ("quoted", "escaped", "currency", "plain"):
            tokens.append(("literal", value))
        elif kind == "condition":
            parsed = _CONDITION.fullmatch(value)
            condition = (parsed[1], float(parsed[2])) if parsed else None
        elif kind == "mark":
            tokens.append(({"@": "text", "%": "percent", "/": "slash"}.get(text, text), text))
        elif kind:
            tokens.append((kind, value))
        elif text.startswith("_"):
            tokens.append(("literal", " "))
    return (*found, _Section(tuple(tokens), condition))


def _chosen(sections: tuple[_Section, ...], value: float) -> tuple[_Section, float]:
    """The section for a value and the number it shows: a section for negative numbers writes its
    own sign.
    """
    if len(sections) == 1:
        return sections[0], value
    numeric = sections[:3]
    if any(section.condition for section in numeric):
        for section in numeric:
            if section.condition is None or _holds(section.condition, value):
                return section, value
        return numeric[-1], value
    if value < 0 and len(numeric) > 1:
        return numeric[1], -value
    if value == 0 and len(numeric) > 2:
        return numeric[2], value
    return numeric[0], value


def _holds(condition: tuple[str, float], value: float) -> bool:
    sign, bound = condition
    return {
        "<": value < bound, "<=": value <= bound, ">": value > bound, ">=": value >= bound,
        "=": value == bound, "<>": value != bound,
    }[sign]  # fmt: skip


def _number(section: _Section, value: float) -> str:
    """Digits as the placeholders ask for, with the literals where they stand."""
    kinds = [kind for kind, _ in section.tokens]
    if "slash" in kinds and "percent" not in kinds:
        return plain(value)  # a fraction
    last = max(at for at, kind in enumerate(kinds) if kind == "digit")
    point = kinds.index(".") if "." in kinds else len(kinds)
    digits = [at for at, kind in enumerate(kinds) if kind == "digit"]
    whole = [at for at in digits if at < point]
    power = kinds.index("exponent") if "exponent" in kinds else len(kinds)
    part = [at for at in digits if point < at < power]
    commas = [at for at, kind in enumerate(kinds) if kind == ","]
    scale = sum(1 for at in commas if at > last or (whole and whole[-1] < at < point))
    grouped = any(whole and whole[0] < at < whole[-1] for at in commas)
    number = Decimal(format(value, ".15g")).scaleb(2 * kinds.count("percent") - 3 * scale)
    exponent = 0
    if power < len(kinds) and number:
        exponent = number.adjusted() // max(len(whole), 1) * max(len(whole), 1)
        number = number.scaleb(-exponent)
    rounded = _rounded(abs(number), min(len(part), _MAX_DECIMALS))
    before, _, after = format(rounded, "f").partition(".")
    least = sum(1 for at in whole if section.tokens[at][1] == "0")
    before = before.lstrip("0").rjust(least, "0")
    while after.endswith("0") and section.tokens[part[len(after) - 1]][1] != "0":
        after = after[:-1]
    sign = "-" if number < 0 and rounded else ""
    before = f"{int(before):0{least}_}".replace("_", ",") if grouped and before else before
    return sign + _filled(section, whole, point, part, (before, after, exponent)).strip()


def _rounded(number: Decimal, decimals: int) -> Decimal:
    """`number` with so many decimals, halves away from zero."""
    if number.adjusted() + decimals > 26:  # beyond the precision that quantize keeps
        return number
    return number.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


def _filled(
    section: _Section,
    whole: list[int],
    point: int,
    part: list[int],
    digits: tuple[str, str, int],
) -> str:
    """The tokens of a section with (digits before the point, after it, exponent) in place.

    Literals between the places before the point (as in 000-0000) stand between the digits.
    """
    before, after, exponent = digits
    spread = bool(whole) and any(
        kind == "literal" for kind, _ in section.tokens[whole[0] : whole[-1]]
    )
    written: list[str] = [] if whole else [before]
    for at, (kind, text) in enumerate(section.tokens):
        if kind in ("literal", "percent"):
            written.append(text)
        elif kind == "exponent":
            places = sum(1 for kind, _ in section.tokens[at:] if kind == "digit")
            sign = "-" if exponent < 0 else text[1].replace("-", "")
            written.append(f"E{sign}{abs(exponent):0{places}d}")
        elif at == point and after:
            written.append("." + after)
        elif whole and at == whole[0]:
            taken = len(before) - (len(whole) - 1) if spread else len(before)
            written.append(before[: max(taken, 0)])
        elif spread and at in whole:
            left = len(whole) - 1 - whole.index(at)  # places after this one
            position = len(before) - 1 - left
            written.append(before[position] if position >= 0 else "")
    return "".join(written)


def _moment(section: _Section, value: float, epoch_1904: bool) -> str:
    """A day, a time or both, as far as the format shows them."""
    letters = "".join(text.lower() for kind, text in section.tokens if kind == "date")
    if section.has("elapsed"):
        seconds = round(value * 86400)
        sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
        hours, rest = divmod(seconds, 3600)
        return f"{sign}{hours}:{rest // 60:02d}:{rest % 60:02d}"
    clock = "h" in letters or "s" in letters
    months = "m" in letters and ("y" in letters or "d" in letters or not clock)
    days = 0 < value < 60 and not epoch_1904 and value >= 1  # 1900-02-29 counts as a day there
    start = datetime(1904, 1, 1) if epoch_1904 else datetime(1899, 12, 31 if days else 30)
    seconds = round(value * 86400)
    if not 0 <= seconds <= (datetime.max - start) // timedelta(seconds=1):
        return plain(value)
    at = start + timedelta(seconds=seconds)
    day = ""
    if "d" in letters or (months and "y" not in letters):
        day = at.strftime("%Y-%m-%d")
    elif "y" in letters or "e" in letters:
        day = f"{at:%Y-%m}" if months else f"{at:%Y}"
    time = (at.strftime("%H:%M:%S") if at.second else at.strftime("%H:%M")) if clock else ""
    return " ".join(each for each in (day, time) if each) or plain(value)
