"""Small pieces of what the evidence pack's PDF says: data in, text and marked pieces out. Pure."""

from __future__ import annotations

import calendar
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ui.pack_layout import INK, Style

Data = Mapping[str, Any]
_CONTEXT = 500  # characters of a page without a picture around what is quoted


def seconds(moment: str) -> int:
    """Seconds since 1970 of an RFC 3339 time in UTC."""
    return calendar.timegm(time.strptime(moment[:19], "%Y-%m-%dT%H:%M:%S"))


def shown_time(moment: str) -> str:
    """A time for people, to the second."""
    return f"{moment[:10]} {moment[11:19]} UTC" if len(moment) >= 19 else "unknown"


def unreadable(state: str) -> str:
    """Why a text is not there: `state` is "erased" or "gone"."""
    if state == "erased":
        return "The text was erased. That it was recorded, and when, is still proven."
    return "This record is not in the log any more, or there never was one."


def counted(sentences: int) -> str:
    """So many sentences."""
    return "1 sentence of the model" if sentences == 1 else f"{sentences} sentences of the model"


def ordered(values: Data, names: Sequence[str]) -> list[tuple[str, Any]]:
    """Name and value in the order of `names`, what they do not name last: canonical JSON sorts."""
    every = [*(name for name in names if name in values), *sorted(set(values) - set(names))]
    return [(name, values[name]) for name in every]


def in_words(name: str) -> str:
    """A field's name for people."""
    text = name.replace("_", " ").replace("sha256", "SHA-256")
    return text[:1].upper() + text[1:]


def seq(line: bytes) -> int:
    """The number of the record in a line of `records.jsonl`, -1 if it is none."""
    try:
        return int(json.loads(line)["seq"])
    except (ValueError, KeyError, TypeError):
        return -1


def cut(text: str, most: int) -> str:
    """The text, shortened where it is longer than `most` characters."""
    return text if len(text) <= most else f"{text[:most]} …"


def standing(told: Data) -> str:
    """What the catalogue says of a document."""
    parts = [f"version {told['version']}", str(told["status"]), f"collection {told['collection']}"]
    if told.get("effective_from"):
        parts.append(f"in force from {told['effective_from']}")
    if told.get("effective_to"):
        parts.append(f"until {told['effective_to']}")
    return ", ".join(parts)


def since(now: Data) -> str:
    """What has become of a document since, "" if it is in force."""
    if now["superseded_by"]:
        day = f" since {now['superseded_on']}" if now["superseded_on"] else ""
        return f"; superseded by {now['superseded_by']}{day}"
    if now["withdrawn_on"]:
        return f"; withdrawn on {now['withdrawn_on']}"
    return "" if now["in_force"] else "; not in force"


def pairs(value: Any, name: str = "") -> list[tuple[str, str]]:
    """The leaves of nested data, each with its path: "fields.3.value"."""
    if isinstance(value, Mapping):
        if value.keys() >= {"document", "page", "quote"}:
            return [(name, f"“{value['quote']}” (page {value['page']}, see Sources)")]
        return [
            pair
            for key, each in value.items()
            for pair in pairs(each, f"{name}.{key}" if name else str(key))
        ]
    if isinstance(value, list):
        if all(isinstance(each, str | int | bool) for each in value):
            return [(name, ", ".join(map(str, value)))] if value else []
        return [pair for n, each in enumerate(value, 1) for pair in pairs(each, f"{name}.{n}")]
    return [] if value in (None, "") else [(name, str(value))]


def marked(text: str, spans: Sequence[Sequence[int]]) -> list[tuple[str, Style]]:
    """What is around the quotations of a page, with these marked; "…" where text is left out."""
    plain, mark = Style(9, colour=INK), Style(9, mark=True)
    pieces: list[tuple[str, Style]] = []
    at = 0
    for start, end in sorted((int(each[0]), int(each[1])) for each in spans):
        start, end = max(start, at), max(end, at)
        lead = max(at, start - _CONTEXT)
        if lead > at:
            lead = text.find(" ", lead, start) + 1 or lead  # not within a word
            tail = min(at + _CONTEXT, lead) if pieces else at
            pieces.append((f"{text[at:tail]} … ", plain))
        pieces += [(text[lead:start], plain), (text[start:end], mark)]
        at = end
    rest = text[at : at + _CONTEXT]
    return [*pieces, (rest + (" …" if len(text) > at + len(rest) else ""), plain)]
