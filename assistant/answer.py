"""The nouns of an answer. Plain frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Verdict(StrEnum):
    ANSWERED = "ANSWERED"  # the model's sentences, each supported by a span
    QUOTED = "QUOTED"  # the supporting sentences, verbatim
    ABSTAINED = "ABSTAINED"  # the documents hold too little; the nearest passages are shown
    REFUSED = "REFUSED"  # the question itself cannot be taken (empty, too long, no rights)
    FAILED = "FAILED"  # something broke; said in one sentence


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: an id and groups established by the entry point, never by the question.

    `auth` says how they were established ("local-user", "one-time-link"); `client` from where.
    """

    id: str
    groups: frozenset[str]
    auth: str
    client: str = "terminal"


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier question of this conversation and what was answered. Context, never evidence."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    asker: Asker
    history: tuple[Turn, ...] = ()
    collections: frozenset[str] | None = None  # narrow the scope; None: all that the asker may read


@dataclass(frozen=True, slots=True)
class Citation:
    """`page.text[start:end] == quote`, byte for byte; `number` is what the chip shows, from 1.

    `warning` is one sentence if the document was not read whole or the page with doubt, else "".
    """

    number: int
    document: str  # document id
    source: str
    title: str
    page: int
    label: str
    start: int
    end: int
    quote: str
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One shown sentence and the numbers of the citations that support it."""

    text: str
    citations: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Removed:
    """A sentence of the model that was not shown, and why (a reason code of `assistant.gate`)."""

    text: str
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """A retrieved passage as search and abstentions show it; `warning` as that of a citation."""

    rank: int
    score: float
    document: str
    source: str
    title: str
    page: int
    label: str
    chunk: str
    start: int
    end: int
    text: str
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    verdict: Verdict
    text: str  # what a person reads, with [n] marks drawn by us
    sentences: tuple[Sentence, ...] = ()
    citations: tuple[Citation, ...] = ()
    nearest: tuple[Passage, ...] = ()  # shown when ABSTAINED
    removed: tuple[Removed, ...] = ()
    model: str = ""  # name and digest of the SLM, empty if it was not called
    record: str = ""  # event id of `answer.released`
    request: str = ""  # id that ties all of this answer's records together
    timings: Mapping[str, float] = field(default_factory=dict)  # seconds by stage
    explanation: str = ""  # one sentence: why this verdict


@dataclass(frozen=True, slots=True)
class Stage:
    """Progress, shown as it happens: searching, reading (count = passages), writing, checking."""

    name: str
    count: int = 0


@dataclass(frozen=True, slots=True)
class Released:
    """A sentence that passed the gate and stands in the log: it may be shown now."""

    sentence: Sentence
    citations: tuple[Citation, ...]  # those that are new with this sentence


Event = Stage | Released | Answer  # a stream ends with exactly one Answer
