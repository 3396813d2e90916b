"""What `benchmarks/engine_soak.py` asks, and what of an outcome is right. Pure, seeded.

Each request is held to a nonce of its own, alone, after free text, or in JSON; a nonce comes from
the grammar, so it proves that grammars, sequences and lines were not mixed up. It does not prove
that a sequence read its own passages: for that some requests are free, and their text must be,
letter for letter, what the same prompt gave when it was asked alone.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from assistant.model import Caller, Sampling

Kind = Literal["nonce", "free", "schema", "exact"]
Cut = Literal["", "close", "callback", "deadline", "leave"]

SYSTEM = "You are the clerk of an archive. Answer briefly from the passage and from nothing else."
TALKS = 3  # conversations of a client
EXACT = 8  # prompts whose text is known
EXACT_TOKENS = 24
MOST_TOKENS = 160  # more than any form here can take

_NONCE = re.compile(r"NONCE-[0-9a-f]{32}")
_BEFORE = re.compile(r"[a-z ,]{0,40}")
_THINGS = ("ledger", "treaty", "herbarium", "logbook", "map", "register", "diary", "charter")
_PLACES = ("Aarhus", "Bergen", "Cork", "Delft", "Evora", "Fulda", "Ghent", "Hull", "Izola")


@dataclass(frozen=True, slots=True)
class Request:
    """`cut`: how it is given up, after `pieces` or `seconds`; "" not at all. `expected` is the
    whole text of an exact one."""

    number: int
    client: int
    kind: Kind
    nonce: str
    user: str
    sampling: Sampling
    caller: Caller
    cut: Cut = ""
    pieces: int = 0
    seconds: float = 0.0
    expected: str = ""


@dataclass(frozen=True, slots=True)
class Ending:
    """`given` is what was read, `text` what the result holds (`given` where there is none),
    `reason` its stop reason, "closed" if there is no result after closing, or an error's name."""

    given: str
    text: str
    reason: str
    error: str = ""
    known: bool = False  # an error of the catalogue
    attempts: int = 1


def exact_prompt(at: int) -> str:
    """The user's message of an exact request."""
    return (
        f"Passage: the {_THINGS[at % len(_THINGS)]} of {_PLACES[at % len(_PLACES)]} was bound in "
        f"{1500 + 37 * at} and holds {211 + 17 * at} pages.\nTell a story about it."
    )


def requests(
    count: int, clients: int, seed: int, exact: Sequence[str], cut: float = 0.35
) -> list[list[Request]]:
    """`count` requests, by client. `exact` are the known texts, none: nothing is asked of that
    kind; `cut` is the share that is given up."""
    draw = random.Random(seed)
    found: list[list[Request]] = [[] for _ in range(clients)]
    for number in range(count):
        client = number % clients
        found[client].append(_request(draw, number, clients, seed, exact, cut))
    return found


def _request(
    draw: random.Random, number: int, clients: int, seed: int, exact: Sequence[str], cut: float
) -> Request:
    client = number % clients
    kinds: tuple[Kind, ...] = ("nonce", "free", "schema", "exact")
    kind = draw.choices(kinds, weights=(4, 2, 2, 2 if exact else 0))[0]
    nonce = f"NONCE-{draw.getrandbits(128):032x}"
    talk = number // clients % TALKS  # in turns: a short warm-up meets every conversation
    place = draw.randrange(EXACT)
    cuts: tuple[Cut, ...] = ("close", "callback", "deadline", "leave")
    chosen: Cut = draw.choices(cuts, weights=(4, 3, 3, 1))[0] if draw.random() < cut else ""
    return Request(
        number=number,
        client=client,
        kind=kind,
        nonce=nonce,
        user=exact_prompt(place) if kind == "exact" else _message(client, talk, number),
        sampling=_sampling(kind, nonce, draw),
        caller=Caller(f"client-{client}", f"talk-{client}-{talk}"),
        cut=chosen,
        pieces=draw.randrange(1, 12),
        seconds=draw.uniform(0.02, 2.5),
        expected=exact[place] if kind == "exact" else "",
    )


def _message(client: int, talk: int, number: int) -> str:
    lines = [
        f"Shelf {client}.{talk}.{at}: the {_THINGS[(client + at) % len(_THINGS)]} of "
        f"{_PLACES[(talk + at) % len(_PLACES)]}, {300 + 13 * at + client} pages."
        for at in range(5)
    ]
    return "Passage:\n" + "\n".join(lines) + f"\nQuestion {number}: what is on the shelf?"


def _sampling(kind: Kind, nonce: str, draw: random.Random) -> Sampling:
    seed = draw.randrange(1 << 30)
    match kind:
        case "nonce":
            return Sampling(max_tokens=MOST_TOKENS, grammar=f'root ::= "{nonce}"')
        case "free":
            grammar = f'root ::= [a-z ,]{{4,40}} "{nonce}"'
            return Sampling(0.8, top_k=40, seed=seed, max_tokens=MOST_TOKENS, grammar=grammar)
        case "schema":
            return Sampling(0.8, seed=seed, max_tokens=MOST_TOKENS, json_schema=_schema(nonce))
        case "exact":
            return Sampling(max_tokens=EXACT_TOKENS)


def _schema(nonce: str) -> str:
    properties = {"nonce": {"const": nonce}, "note": {"type": "string", "maxLength": 12}}
    schema = {
        "type": "object",
        "properties": properties,
        "required": ["nonce", "note"],
        "additionalProperties": False,
    }
    return json.dumps(schema)


def whole(request: Request, text: str) -> bool:
    """Whether `text` is a complete and right answer."""
    match request.kind:
        case "nonce":
            return text == request.nonce
        case "free":
            before = text.removesuffix(request.nonce)
            return before != text and len(before) >= 4 and _BEFORE.fullmatch(before) is not None
        case "schema":
            try:
                found = json.loads(text)
            except ValueError:
                return False
            return list(found) == ["nonce", "note"] and found["nonce"] == request.nonce
        case "exact":
            return text == request.expected


def beginning(request: Request, text: str) -> bool:
    """Whether a right answer can begin with `text`."""
    match request.kind:
        case "nonce":
            return request.nonce.startswith(text)
        case "free":
            at = text.find("N")
            before, rest = (text, "") if at < 0 else (text[:at], text[at:])
            return _BEFORE.fullmatch(before) is not None and request.nonce.startswith(rest)
        case "schema":
            fixed = f'{{"nonce":"{request.nonce}"'
            compact = re.sub(r"\s", "", text)
            return fixed.startswith(compact[: len(fixed)])
        case "exact":
            return request.expected.startswith(text)


def judge(request: Request, ending: Ending | None) -> str:
    """What an outcome counts as: "right", "cut", "error: NAME", or WRONG, MIXED, LOST and why."""
    if ending is None:
        return "LOST: no outcome"
    text = ending.text
    if set(_NONCE.findall(text)) - {request.nonce}:
        return "MIXED: another request's nonce"
    if not text.startswith(ending.given):
        return "WRONG: the result is not what was streamed"
    if not (whole(request, text) or beginning(request, text)):
        return f"WRONG: {text!r:.200}"
    if ending.error:
        return f"error: {ending.reason}" if ending.known else f"WRONG: {ending.error}"
    match ending.reason:
        case "stop" if whole(request, text):
            return "right"
        case "length" if request.kind == "exact" and whole(request, text):
            return "right"
        case "cancelled" if request.cut in ("close", "callback", "leave"):
            return "cut"
        case "closed" if request.cut in ("close", "leave"):
            return "cut"
        case "deadline" if request.cut == "deadline":
            return "cut"
        case _:
            return f"WRONG: it ended with {ending.reason} after {text!r:.200}"


def troubles(outcomes: Mapping[int, str]) -> list[str]:
    """The outcomes that must not be."""
    return [
        f"request {number}: {outcome}"
        for number, outcome in sorted(outcomes.items())
        if outcome.startswith(("WRONG", "MIXED", "LOST"))
    ]
