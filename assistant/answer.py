"""The nouns of an answer. Plain frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
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
    """An earlier question of this conversation and what was answered. Context, never evidence.

    `documents` are the ids of the documents that the answer cited: once the asker may not read one
    of them any more, the turn is left out of the context.
    """

    question: str
    answer: str
    documents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, by whom.

    `conversation` is set by the entry point and names the conversation that this is part of, to the
    model alone (see `assistant.model.Caller`): it must belong to one person only and be made of a
    session's secret, never of anything in the question. It is not recorded. Empty: none.
    """

    text: str
    asker: Asker
    history: tuple[Turn, ...] = ()
    collections: frozenset[str] | None = None  # narrow the scope; None: all that the asker may read
    as_of: str | None = None  # the day it is about, ISO 8601; None: the day on which it is asked
    conversation: str = ""
    documents: frozenset[str] | None = None  # ask these documents (ids) only; None: all in scope

    def __post_init__(self) -> None:
        """Raises ValueError for what is no day: days are compared as text from here on."""
        if self.as_of is not None and date.fromisoformat(self.as_of).isoformat() != self.as_of:
            raise ValueError(f"{self.as_of} is not a day such as 2025-06-30")


@dataclass(frozen=True, slots=True)
class Force:
    """When a document is in force, as far as that is known: what it declares (ISO 8601 days), the
    source of the document that took or will take its place, and from which day on.

    `superseded` says whether that one had its place already on the day the answer was given.
    """

    superseded: bool = False
    superseded_on: str | None = None
    superseded_by: str | None = None
    effective_from: str | None = None
    effective_to: str | None = None


@dataclass(frozen=True, slots=True)
class Citation:
    """`page.text[start:end] == quote`, byte for byte; `number` is what the chip shows, from 1.

    `warning` says in a sentence or two what a reader must know: that the document is not in force
    any more or ends, that it was not read whole or the page with doubt; else it is "".
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
    force: Force = Force()


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
    force: Force = Force()


@dataclass(frozen=True, slots=True)
class Cost:
    """What an answer cost, over all models that were asked for it.

    `seconds_model` is reading prompts and writing, without the wait in the line.
    `joules` of the GPU, None where no meter is or a server does not tell. `escalated`: a larger
    model was asked as well.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds_model: float = 0.0
    joules: float | None = None
    escalated: bool = False


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a conflict: what it states, whose citation shows it, and since when."""

    value: str  # as it is written: "six years"
    citation: int
    source: str
    since: str = ""  # ISO 8601 day from which the document is in force, "" if unknown


@dataclass(frozen=True, slots=True)
class Conflict:
    """Documents, or versions of one, that state different things on what was asked. `kind` is
    "documents" or "versions"; `sentence` tells a reader in one sentence."""

    kind: str
    sides: tuple[Side, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class Offer:
    """Another way to ask that suits the question better. `task` is "sweep": put it to every
    document, `documents` of them, in place of the nearest passages."""

    task: str
    question: str
    documents: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Answer:
    verdict: Verdict
    text: str  # what a person reads, with [n] marks drawn by us
    sentences: tuple[Sentence, ...] = ()
    citations: tuple[Citation, ...] = ()
    nearest: tuple[Passage, ...] = ()  # shown when ABSTAINED
    removed: tuple[Removed, ...] = ()
    model: str = ""  # whose words are shown, or who was asked: name and digest or address
    record: str = ""  # event id of `answer.released`
    request: str = ""  # id that ties all of this answer's records together
    timings: Mapping[str, float] = field(default_factory=dict)  # seconds by stage
    explanation: str = ""  # why this verdict, in a sentence or two
    as_of: str = ""  # the day that the question asked about, empty if it named none
    cost: Cost = Cost()
    understood: str = ""  # the question as it was searched for, if it leant on earlier ones
    conflicts: tuple[Conflict, ...] = ()
    offer: Offer | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """Progress, shown as it happens: searching, reading (count = passages), writing, waiting (count
    = answers that must end before; told again as it changes), escalating (a larger model is asked),
    checking. The same one may come several times."""

    name: str
    count: int = 0


@dataclass(frozen=True, slots=True)
class Released:
    """A sentence that passed the gate and stands in the log: it may be shown now."""

    sentence: Sentence
    citations: tuple[Citation, ...]  # those that are new with this sentence


Event = Stage | Released | Answer  # a stream ends with exactly one Answer
