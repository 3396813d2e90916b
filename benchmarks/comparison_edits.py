"""Known edits to real documents, for `comparisons.py`: each passage gets at most one, and what it
does to the meaning is known because it was made on purpose. Shares no code with the product."""

from __future__ import annotations

import json
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SUBSTANCE = ("number", "obligation", "negation", "connective", "delete", "insert")
HARMLESS = ("reword", "move", "renumber")
_MIN_WORDS = 8

# Replacements that leave the meaning as it is, by a thesaurus for legal drafting.
SYNONYMS = (
    ("assist", "help"), ("commence", "start"), ("commences", "starts"), ("prior to", "before"),
    ("in respect of", "in relation to"), ("with respect to", "regarding"), ("obtain", "get"),
    ("shall", "must"), ("must", "shall"), ("ensure that", "make sure that"),
    ("purchase", "buy"), ("sufficient", "adequate"), ("in order to", "so as to"),
    ("purposes of", "purpose of"), ("immediately", "at once"), ("promptly", "without delay"),
    ("such as", "for example"), ("including", "among them"), ("collect", "gather"),
    ("collects", "gathers"), ("share", "pass on"), ("websites", "sites"), ("website", "site"),
    ("information about", "details on"), ("receive", "get"), ("provide", "supply"),
    ("provided by", "supplied by"), ("utilise", "use"), ("use", "employ"), ("used", "employed"),
    ("terminate", "end"), ("carry out", "perform"), ("carries out", "performs"),
    ("in accordance with", "according to"), ("pursuant to", "under"), ("set out in", "given in"),
    ("specified in", "named in"), ("reasonable", "fair"), ("appropriate", "suitable"),
    ("establish", "set up"), ("maintain", "keep"), ("retain", "keep"), ("notify", "inform"),
    ("delete", "erase"), ("visit", "go to"), ("improve", "enhance"), ("contact", "reach"),
    ("third parties", "other parties"), ("we may also", "we may in addition"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Edit:
    """What was done to a passage; `before` or `after` is "" for what was put in or taken out. `old`
    and `new` are the words exchanged."""

    kind: str
    before: str
    after: str
    old: str = ""
    new: str = ""


def obliqa(corpus: Path) -> dict[str, list[str]]:
    """The passages of each regulation in order."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in corpus.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        found[f"regulation {record['metadata']['document']}"].append(record["text"])
    return dict(found)


def policyqa(dev: Path) -> dict[str, list[str]]:
    """The paragraphs of each privacy policy in order, each once."""
    policies = json.loads(dev.read_text(encoding="utf-8"))["data"]
    return {
        policy["title"]: list(
            dict.fromkeys(" ".join(each["context"].split()) for each in policy["paragraphs"])
        )
        for policy in policies
    }


Rewrite = Callable[[str, random.Random], "tuple[str, str, str] | None"]


def _once(text: str, start: int, end: int, new: str) -> tuple[str, str, str]:
    return text[:start] + new + text[end:], text[start:end], new


def _number(text: str, chance: random.Random) -> tuple[str, str, str] | None:
    """Another number: not one that numbers a clause or is part of a reference to one."""
    body = re.match(r"[\d.()A-Za-z]*\)?\s|", text)
    found = [
        match
        for match in re.finditer(
            r"(?<![\w.,(/-])(\d{1,3}(?:,\d{3})+|\d+)(?=\s?(?:%|per cent|days?|months?|years?|hours?"
            r"|million|business|U\.?S|clients|persons|employees)|,\d{3}\b)(?![.,]\d)", text)
        if body is None or match.start() >= body.end()
    ]  # fmt: skip
    if not found:
        return None
    match = chance.choice(found)
    value = int(match.group().replace(",", ""))
    other = value + chance.choice([1, 2, 5, 10]) * (1000 if "," in match.group() else 1)
    new = f"{other:,}" if "," in match.group() else str(other)
    return _once(text, match.start(), match.end(), new)


def _swap(pairs: Sequence[tuple[str, str]]) -> Rewrite:
    def rewrite(text: str, chance: random.Random) -> tuple[str, str, str] | None:
        found = [
            (match, new)
            for old, new in pairs
            for match in re.finditer(rf"(?<![\w-]){re.escape(old)}(?![\w-])", text)
        ]
        if not found:
            return None
        match, new = chance.choice(found)
        return _once(text, match.start(), match.end(), new)

    return rewrite


_OBLIGATION = _swap((("must", "may"), ("shall", "may"), ("may", "must"), ("should", "may"),
                     ("is required to", "may"), ("will", "may")))  # fmt: skip
_NEGATION = _swap((("must", "must not"), ("shall", "shall not"), ("is", "is not"),
                   ("are", "are not"), ("will", "will not"), ("may", "may not")))  # fmt: skip


def _connective(text: str, chance: random.Random) -> tuple[str, str, str] | None:
    found = list(re.finditer(r"(?<=[a-z] )(and|or)(?= [a-z])", text))
    if not found:
        return None
    match = chance.choice(found)
    return _once(text, match.start(), match.end(), "or" if match.group() == "and" else "and")


def _negated(text: str, chance: random.Random) -> tuple[str, str, str] | None:
    made = _NEGATION(text, chance)
    return None if made is None or "not not" in made[0] else made


def _reworded(text: str, chance: random.Random) -> tuple[str, str, str] | None:
    """Up to three synonyms."""
    rewrite = _swap(SYNONYMS)
    olds, news = [], []
    for _ in range(chance.randint(1, 3)):
        made = rewrite(text, chance)
        if made is None:
            break
        text, old, new = made
        olds.append(old)
        news.append(new)
    return (text, "; ".join(olds), "; ".join(news)) if olds else None


def _renumbered(text: str, chance: random.Random) -> tuple[str, str, str] | None:
    """The next number for the clause; only where it opens with one."""
    match = re.match(r"(\d+(?:\.\d+)*\.?\()(\d+)(\)\s)", text)
    if match is None:
        return None
    new = str(int(match.group(2)) + chance.choice([1, 2]))
    return _once(text, match.start(2), match.end(2), new)


_REWRITES: dict[str, Rewrite] = {
    "number": _number, "obligation": _OBLIGATION, "negation": _negated, "connective": _connective,
    "reword": _reworded, "renumber": _renumbered,
}  # fmt: skip


def editable(passages: Sequence[str]) -> list[int]:
    """Passages long enough to say something, and unlike every other in more than numbers."""
    faces = [re.sub(r"[\d\s().]+", " ", text) for text in passages]
    return [
        number
        for number, text in enumerate(passages)
        if len(text.split()) >= _MIN_WORDS
        and text.rstrip()[-1] in ".;:"  # no heading
        and faces.count(faces[number]) == 1
    ]


@dataclass(frozen=True, slots=True)
class Edited:
    """An edited document: its passages, what was done, and for each passage of either side the
    index of the edit that concerns it, None for one that was not touched."""

    left: tuple[int | None, ...]
    passages: tuple[str, ...]
    right: tuple[int | None, ...]
    edits: tuple[Edit, ...]


def edited(
    passages: Sequence[str], others: Sequence[str], chance: random.Random, share: float
) -> Edited:
    """The passages with about `share` of them edited by each kind. `others` are passages of another
    document, to be put in."""
    free = editable(passages)
    chance.shuffle(free)
    each = max(1, round(share * len(passages)))
    edits: list[Edit] = []
    left: list[int | None] = [None] * len(passages)
    for kind in (*_REWRITES, "delete", "move"):
        for number in list(_first(free, kind, passages, chance, each)):
            text = passages[number]
            made: tuple[str, ...] | None = (text,) if kind == "move" else ("",)
            if kind in _REWRITES:
                made = _REWRITES[kind](text, chance)
            if made is not None:
                free.remove(number)
                left[number] = len(edits)
                edits.append(Edit(kind, text, *made))
    result: list[tuple[str, int | None]] = []
    away: list[tuple[str, int | None]] = []
    for number, text in enumerate(passages):
        about = left[number]
        edit = edits[about] if about is not None else Edit("", text, text)
        if edit.kind != "delete":
            (away if edit.kind == "move" else result).append((edit.after, about))
    for entry in away:
        result.insert(chance.randrange(len(result) + 1), entry)
    for text in chance.sample(list(others), min(each, len(others))):
        result.insert(chance.randrange(len(result) + 1), (text, len(edits)))
        edits.append(Edit("insert", "", text))
    return Edited(
        tuple(left), tuple(text for text, _ in result), tuple(n for _, n in result), tuple(edits)
    )


def _first(
    free: Sequence[int], kind: str, passages: Sequence[str], chance: random.Random, most: int
) -> Iterator[int]:
    """The first passages to which an edit can be made."""
    found = 0
    for number in free:
        if found == most:
            return
        if kind not in _REWRITES or _REWRITES[kind](passages[number], random.Random(0)) is not None:
            found += 1
            yield number
