"""Reading JSON only if its bytes are the one canonical form of what they say (RFC 8785).

`audit.canonical` decides what that form is. This module gives the same answer about stored bytes
several times faster, because the verifier asks it of every record: the standard library's encoder
writes the same bytes wherever ordering names by code points and by UTF-16 code units agree, that
is, where no character is above U+DFFF. For the others, and to refuse, `canonical` itself is asked.
"""

from __future__ import annotations

import json
import re

from audit.canonical import MAX_INTEGER, canonical
from audit.errors import AuditError

_ABOVE_SURROGATES = re.compile("[\ue000-\U0010ffff]")
_SAFE_DIGITS = 15  # so many digits and a sign are within MAX_INTEGER


def _refuse(text: str) -> object:
    raise ValueError(f"{text} is no whole number")


def _integer(text: str) -> int:
    if len(text) > _SAFE_DIGITS:
        number = int(text)  # raises ValueError beyond the interpreter's limit of digits
        if not -MAX_INTEGER <= number <= MAX_INTEGER:
            raise ValueError("an integer beyond 2^53-1")
        return number
    return int(text)


_DECODER = json.JSONDecoder(parse_float=_refuse, parse_int=_integer, parse_constant=_refuse)
_ENCODER = json.JSONEncoder(
    ensure_ascii=False,
    check_circular=False,
    allow_nan=False,
    sort_keys=True,
    separators=(",", ":"),
)
_decode, _encode = _DECODER.raw_decode, _ENCODER.encode


def read_exact(stored: bytes) -> dict[str, object]:
    """The JSON object that `stored` is the canonical form of. Raises ValueError for all else."""
    text = stored.decode("utf-8")
    try:
        value, _ = _decode(text)
        # What follows the object, a name given twice and white space all show in the comparison.
        same = _encode(value) == text
        if not same or not (text.isascii() or _ABOVE_SURROGATES.search(text) is None):
            same = canonical(value) == stored
    except (RecursionError, AuditError) as error:
        raise ValueError("it has no canonical form") from error
    if not same or not isinstance(value, dict):
        raise ValueError("it is not a JSON object in canonical form")
    return value
