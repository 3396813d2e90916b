"""The records of one request as a replay takes them: what was asked, what the models were told and
wrote, and what was released. Pure: plain values in, frozen data out.

What stands in a record is taken as it was written by `assistant.recording`; a record that lacks
what a replay needs, or whose payload was erased, is refused with a sentence (`ReplayImpossible`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assistant.answer import Asker, Question, Turn
from assistant.errors import AssistantError
from assistant.replay_pins import sha256
from audit.record import Event

Fields = Mapping[str, Any]


class ReplayImpossible(AssistantError):
    """What was recorded cannot be replayed here or at all. `code` is what the log says of it."""

    exit_code = 4

    def __init__(self, code: str, sentence: str) -> None:
        self.code = code
        super().__init__(sentence)


@dataclass(frozen=True, slots=True)
class Kept:
    """One record: `payload` is None if it has none, or if it was `erased`."""

    seq: int
    type: str
    fields: Fields
    payload: Fields | None = None
    erased: bool = False
    actor: Fields = field(default_factory=dict)
    build: str = ""

    @property
    def text(self) -> Fields:
        """The payload. Raises ReplayImpossible if there is none to be read."""
        if self.payload is None:
            why = "was erased, so nothing can be made again from it"
            raise ReplayImpossible(
                "ERASED" if self.erased else "NO_PAYLOAD",
                f"The text of record {self.seq} ({self.type}) {why if self.erased else 'is gone'}: "
                "its envelope and proofs still hold, see `cloister audit show`.",
            )
        return self.payload


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a model: what was recorded in clear, the prompt, and how it ended. `raw` is what
    it wrote, `opinions` the second opinions in the order in which they were had."""

    fields: Fields
    prompt: str
    outcome: str
    raw: str
    opinions: tuple[Fields, ...]

    @property
    def remote(self) -> bool:
        """Whether a server wrote it."""
        return bool(self.fields.get("where"))

    @property
    def prompt_sha256(self) -> str:
        return str(self.fields.get("prompt_sha256", ""))


@dataclass(frozen=True, slots=True)
class Recorded:
    """One answered question. `fields` and `payload` are those of `answer.released`; `escalated`
    are the fields of `model.escalated` in order."""

    request: str
    seq: int
    build: str
    question: Question
    calls: tuple[Call, ...]
    escalated: tuple[Fields, ...]
    fields: Fields
    payload: Fields

    @property
    def rewriting(self) -> Fields | None:
        """What was recorded of the model that was asked to rewrite a follow-up, named as those of a
        call; None if none was."""
        start = "rewriting_"
        found = {k.removeprefix(start): v for k, v in self.fields.items() if k.startswith(start)}
        return found or None

    @property
    def day(self) -> str:
        """The day on whose documents it was answered, ISO 8601."""
        return str(self.fields.get("day", ""))

    @property
    def settings(self) -> Fields | None:
        """The settings that it was made by; None in records older than they are."""
        found = self.payload.get("settings")
        return found if isinstance(found, dict) else None


def recorded(request: str, records: Sequence[Kept]) -> Recorded:
    """The records of one request put together. Raises ReplayImpossible, also for a payload that is
    not the one whose digest its envelope holds."""
    for each in records:
        _check(each)
    asked, released = _one(records, "question.received"), _one(records, "answer.released")
    if released is None:
        raise ReplayImpossible("NOT_RELEASED", _why_none(records))
    if asked is None:
        raise ReplayImpossible(
            "PRUNED",
            f"The record of the question of {request} is not in the log any more (retention "
            "removed it): its proofs still hold, and the answer cannot be made again.",
        )
    return Recorded(
        request,
        released.seq,
        released.build,
        _question(asked),
        tuple(_calls(records)),
        tuple(each.fields for each in records if each.type == "model.escalated"),
        released.fields,
        released.text,
    )


# Texts of the payload that the envelope holds the digest of, by type: what is compared with a
# replay must be what was sealed.
_SEALED = {
    "question.received": ("question", "question_sha256"),
    "model.called": ("prompt", "prompt_sha256"),
    "model.finished": ("raw", "raw_sha256"),
    "answer.released": ("text", "answer_sha256"),
}


def _check(kept: Kept) -> None:
    """Raises ReplayImpossible for a payload that is not the one its envelope speaks of."""
    name, digest = _SEALED.get(kept.type, ("", ""))
    if not name or kept.payload is None:
        return
    if sha256(str(kept.payload.get(name, ""))) != kept.fields.get(digest):
        raise ReplayImpossible(
            "ALTERED",
            f"The {name} in the payload of record {kept.seq} ({kept.type}) is not the one whose "
            "digest its envelope holds: run `cloister audit verify`, and compare with a copy of "
            "the log.",
        )


def kept_of(seq: int, event: Event) -> Kept:
    """An event as its record would be read again."""
    actor = {"kind": event.actor.kind, "id": event.actor.id}
    payload = None if event.payload is None else json.loads(json.dumps(event.payload))
    return Kept(seq, event.type, json.loads(json.dumps(dict(event.fields))), payload, False, actor)


def _one(records: Sequence[Kept], type_: str) -> Kept | None:
    return next((each for each in records if each.type == type_), None)


def _why_none(records: Sequence[Kept]) -> str:
    """Why there is no released answer among the records of a request."""
    types = {each.type for each in records}
    failed = _one(records, "answer.failed")
    if "question.refused" in types:
        return (
            "The question was refused for its form before any document or model was looked at: "
            "there is nothing to replay."
        )
    if failed is not None:
        return (
            f"No answer was released ({failed.fields.get('code', 'it failed')}), and with it what "
            "was found in the documents was not recorded: there is nothing to replay."
        )
    if "search.received" in types:
        return "This was a search, which no model answers: there is nothing to replay."
    return (
        "These records hold no released answer (the answer is under way, was cut off by a crash, "
        "or its record was pruned): choose another with `cloister audit list --type "
        "answer.released`."
    )


def _question(asked: Kept) -> Question:
    text, fields, actor = asked.text, asked.fields, asked.actor
    narrowed = fields.get("collections")
    documents = fields.get("documents") if "documents_named" in fields else None
    asker = Asker(
        str(actor.get("id", "")),
        frozenset(map(str, actor.get("groups", ()))),
        str(actor.get("auth", "")),
        str(actor.get("client", "")),
    )
    turns = tuple(
        Turn(str(each["question"]), str(each["answer"]), tuple(map(str, each.get("documents", ()))))
        for each in text.get("history", ())
    )
    return Question(
        str(text["question"]),
        asker,
        turns,
        None if narrowed is None else frozenset(map(str, narrowed)),
        fields.get("as_of"),
        documents=None if documents is None else frozenset(map(str, documents)),
    )


def _calls(records: Sequence[Kept]) -> list[Call]:
    """Each `model.called` with the `model.finished` that follows it."""
    calls: list[Call] = []
    open_: Kept | None = None
    for each in records:
        if each.fields.get("purpose", "answer") != "answer":
            continue  # a use of a model besides the answer's (`assistant.asides`)
        if each.type == "model.called":
            open_ = each
        elif each.type == "model.finished" and open_ is not None:
            text = each.text
            calls.append(
                Call(
                    open_.fields,
                    str(open_.text.get("prompt", "")),
                    str(each.fields.get("outcome", "")),
                    str(text.get("raw", "")),
                    tuple(text.get("opinions", ())),
                )
            )
            open_ = None
    return calls
