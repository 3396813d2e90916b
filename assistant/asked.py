"""What a question asks for: its words, the kind of fact that would answer it, its parts, and which
of its words come from the conversation before it.

Pure, by rules, in English. A rule that misses makes retrieval or the choice of a quotation poorer;
it cannot make an unsupported statement pass, because the gate does not rely on it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from assistant import facts, followup
from assistant.answer import Turn
from assistant.expects import expected
from assistant.facts import Fact, Kind
from assistant.followup import Understood
from assistant.terms import is_light, keys, terms

ANALYSED = 2_000  # characters of a question that the rules look at; retrieval takes no more either
_MOST_PARTS = 4

_PRONOUN = re.compile(
    r"\b(?:it|its|they|them|their|theirs|he|she|him|his|her|those|these|the (?:former|latter|same"
    r"|other)|this one|that one)\b|\b(?:this|that)(?=\s*[?.!,]|\s+(?:policy|document|period|rule"
    r"|case|limit|contract|procedure|is|was|mean|apply|applies)\b)",
    re.IGNORECASE,
)
_ASKING = (
    r"(?:wh(?:at|ich|o|om|ose|en|ere|y)|how|by|up|until|to|for|in|under|from|at|is|are|does|do|did|can"
    r"|may|must|should|will|was|were)"
)
_JOIN = re.compile(
    rf",?\s+and\s+(?={_ASKING}\b)|[;?]\s+(?={_ASKING}\b)|,?\s+(?:versus|vs\.?|while|whereas"
    r"|as opposed to)\s+",
    re.IGNORECASE,
)
_COMPARES = re.compile(r"\b(?:compare|differ|difference|longer|shorter|higher|lower)\b", re.I)
_PLAIN_JOIN = re.compile(r",?\s+(?:and|than|with|from|or)\s+", re.IGNORECASE)
_SHORTENED = re.compile(r"\bhow (?:much|many|long)\s+(?:to|for|in|at|from|if)\b", re.IGNORECASE)
_COUNTED = re.compile(r"\bhow (?:much|many|long) (?:of )?([^\W\d_]{3,})", re.IGNORECASE)
_QUESTION_WORD = re.compile(r"\b(?:wh(?:at|ich|o|om|ose|en|ere|y)|how)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as the pipeline works with it.

    `text` is the question made whole (`assistant.followup`); `query` is what retrieval searches
    for: the same, and for a part of a question with what it takes over from the part before.
    `carried` are the words that it was not asked with; `keys` are the comparable forms of its own
    content words, `carried_keys` those of the others. `strong` are the keys that name something
    (names, identifiers, numbers). `kinds`: any fact of one of them could be the answer; empty when
    no kind is expected. `parts`: two or more when the question joins several, each a question of
    its own that takes over what it leaves out from the part before; else empty. `facts` are those
    that the question states: none of them answers it, and none supports anything.
    """

    text: str
    query: str
    carried: tuple[str, ...]
    keys: frozenset[str]
    carried_keys: frozenset[str]
    strong: frozenset[str]
    kinds: frozenset[Kind]
    parts: tuple[Asked, ...]
    facts: tuple[Fact, ...]


def _telling(text: str) -> int:
    return len([key for key in keys(text) if not is_light(key)])


def _parts(text: str) -> tuple[Asked, ...]:
    """The questions that `text` joins; empty when it is one. A part without a question word, or
    that points back, takes over the words of the first part."""
    join = _PLAIN_JOIN if _COMPARES.search(text) else _JOIN
    pieces = [piece.strip(" ,?.") for piece in join.split(text)]
    telling = [piece for piece in pieces if _telling(piece) >= 2]
    if not 2 <= len(telling) <= _MOST_PARTS or len(telling) < len(pieces):
        return ()
    first = telling[0]
    parts = [_single(first, (), "")]
    for piece in telling[1:]:
        counted, shortened = _COUNTED.search(first), _SHORTENED.search(piece)
        if counted and shortened:  # "how much notice ..., and how much to end ..."
            made = _single(piece, (counted.group(1),), first)
            parts.append(replace(made, kinds=parts[0].kinds))
            continue
        leans = _PRONOUN.search(piece) or not _QUESTION_WORD.search(piece)
        own = keys(piece)
        carried = {t.key: t.text for t in terms(first) if t.key not in own and not is_light(t.key)}
        parts.append(_single(piece, tuple(carried.values()) if leans else (), first))
    return tuple(parts)


def _strong(text: str, found: tuple[Fact, ...]) -> frozenset[str]:
    """Keys of the words that name something: inside names that do not open the question,
    identifiers and numbers."""
    strong: set[str] = set()
    for fact in found:
        if not (fact.kind is Kind.NAME and fact.noun == "initial"):
            strong |= keys(text[fact.start : fact.end])
    return frozenset(strong)


def _single(text: str, carried: tuple[str, ...], earlier: str) -> Asked:
    """A question, or a part of one, of which the words `carried` stand in `earlier` only."""
    query = f"{text} ({' '.join(carried)})" if carried else text
    kinds = expected(text) or (expected(earlier) if carried else frozenset())
    return _made(text, query, carried, kinds)


def _made(text: str, query: str, carried: tuple[str, ...], kinds: frozenset[Kind]) -> Asked:
    found = facts.extract(text)
    carried_keys = keys(" ".join(carried))
    return Asked(
        text=text,
        query=query,
        carried=carried,
        keys=keys(text) - carried_keys,
        carried_keys=carried_keys,
        strong=_strong(text, found),
        kinds=kinds,
        parts=(),
        facts=found,
    )


def of(understood: Understood) -> Asked:
    """What a question asks that was made whole by `assistant.followup.understand`."""
    text = understood.text[:ANALYSED]
    made = _made(text, text, understood.carried, expected(text))
    return replace(made, parts=_parts(text))


def read(text: str, history: Sequence[Turn] = ()) -> Asked:
    """What `text` asks after the earlier turns `history` (oldest first), understood by rules."""
    return of(followup.understand(text, history))
