"""Canonical JSON: one value, one sequence of bytes.

The format is RFC 8785 (JSON Canonicalization Scheme), restricted to values that need no number
formatting: objects, arrays, strings, integers within the range that every JSON reader keeps exact
(RFC 7493: -(2^53-1) to 2^53-1), booleans and null. Floats are refused rather than formatted,
because their shortest form is where implementations differ.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring

from audit.errors import CanonicalError

MAX_INTEGER = 2**53 - 1
_SAFE_DIGITS = 15  # so many digits and a sign are within MAX_INTEGER
_ABOVE_SURROGATES = re.compile("[\ue000-\U0010ffff]")


def canonical(value: object) -> bytes:
    """Return the RFC 8785 bytes (UTF-8) of `value`.

    Mappings must have string keys; sequences are lists or tuples.
    Raises CanonicalError for floats (NaN and infinities included), integers beyond 2^53-1, lone
    surrogates and every other type, naming the place as a dotted path.
    """
    quick = _by_standard_encoder(value)
    if quick is not None:
        return quick
    parts: list[str] = []
    _write(value, "", parts)
    return "".join(parts).encode("utf-8")


def read_exact(stored: bytes) -> dict[str, object]:
    """The JSON object that `stored` is the canonical form of. Raises ValueError for all else."""
    text = stored.decode("utf-8")
    try:
        value, _ = _decode(text)
        # What follows the object, a name given twice and white space all show in the comparison.
        same = _encode(value) == text
        if not same or not _orders_alike(text):
            same = canonical(value) == stored
    except (RecursionError, CanonicalError) as error:
        raise ValueError("it has no canonical form") from error
    if not same or not isinstance(value, dict):
        raise ValueError("it is not a JSON object in canonical form")
    return value


def _by_standard_encoder(value: object) -> bytes | None:
    """What the standard library's encoder makes of `value`, where that is the canonical form.

    It is for dicts with string keys, lists, strings, integers in range, booleans and null: reading
    it again gives an equal value then, and meets no float. Anything else is left to the writer
    below, which also says what is wrong with it. About four times as fast.
    """
    try:
        text = _encode(value)
        if _orders_alike(text) and _DECODER.decode(text) == value:
            return text.encode("utf-8")
    except (TypeError, ValueError, RecursionError):
        pass
    return None


def _orders_alike(text: str) -> bool:
    """Whether names in it sort alike by code points, as the standard library's encoder does, and
    by UTF-16 code units, as RFC 8785 does: where no character is above the surrogates."""
    return text.isascii() or _ABOVE_SURROGATES.search(text) is None


def _no_number(text: str) -> object:
    raise ValueError(f"{text} is no whole number")


def _small_integer(text: str) -> int:
    number = int(text)  # raises ValueError beyond the interpreter's limit of digits
    if len(text) > _SAFE_DIGITS and not -MAX_INTEGER <= number <= MAX_INTEGER:
        raise ValueError("an integer beyond 2^53-1")
    return number


_ENCODER = json.JSONEncoder(
    ensure_ascii=False,
    check_circular=False,  # what refers to itself ends in a RecursionError all the same
    allow_nan=False,
    sort_keys=True,
    separators=(",", ":"),
)
_DECODER = json.JSONDecoder(
    parse_float=_no_number, parse_constant=_no_number, parse_int=_small_integer
)
_decode, _encode = _DECODER.raw_decode, _ENCODER.encode


def _write(value: object, where: str, parts: list[str]) -> None:
    if value is None:
        parts.append("null")
    elif value is True:
        parts.append("true")
    elif value is False:
        parts.append("false")
    elif isinstance(value, str):
        parts.append(_string(value, where))
    elif isinstance(value, int):
        parts.append(_integer(value, where))
    elif isinstance(value, Mapping):
        _write_object(value, where, parts)
    elif isinstance(value, list | tuple):
        _write_array(value, where, parts)
    elif isinstance(value, float):
        raise CanonicalError(where or "(top)", "is a floating-point number")
    else:
        raise CanonicalError(where or "(top)", f"is of type {type(value).__name__}")


def _string(value: str, where: str) -> str:
    # A lone surrogate has no UTF-8 form; two readers would disagree about what was signed.
    if not value.isascii():
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise CanonicalError(where or "(top)", "holds a lone surrogate") from None
    # The standard library escapes exactly what RFC 8785 section 3.2.2.2 asks for: the quote, the
    # backslash, and U+0000 to U+001F with the short forms where there are any, lower-case hex.
    return encode_basestring(value)


def _integer(value: int, where: str) -> str:
    if not -MAX_INTEGER <= value <= MAX_INTEGER:
        raise CanonicalError(where or "(top)", "is an integer beyond 2^53-1")
    return int.__repr__(value)


def _write_object(value: Mapping[object, object], where: str, parts: list[str]) -> None:
    keyed: list[tuple[bytes, str, object]] = []
    for key, item in value.items():
        if not isinstance(key, str):
            raise CanonicalError(where or "(top)", "has a key that is not text")
        _string(key, f"{where}.{key!a}")
        # RFC 8785 section 3.2.3: names are ordered by their UTF-16 code units.
        keyed.append((key.encode("utf-16-be"), key, item))
    keyed.sort(key=lambda entry: entry[0])
    parts.append("{")
    for position, (_, key, item) in enumerate(keyed):
        if position:
            parts.append(",")
        parts.append(encode_basestring(key))
        parts.append(":")
        _write(item, f"{where}.{key}" if where else key, parts)
    parts.append("}")


def _write_array(value: Sequence[object], where: str, parts: list[str]) -> None:
    parts.append("[")
    for position, item in enumerate(value):
        if position:
            parts.append(",")
        _write(item, f"{where}[{position}]", parts)
    parts.append("]")
