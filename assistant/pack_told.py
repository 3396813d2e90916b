"""What an evidence pack's `answer.json` tells from the records alone. Pure.

Whoever makes a pack tells it with these functions, and whoever checks one tells it again and
compares: this module is in every pack (see `assistant.pack_check`) and needs the standard library
only. Values have a canonical form (RFC 8785): floats become text, lone surrogates question marks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ASKED = ("question.received", "task.received", "search.received")
RELEASED = ("answer.released", "task.released", "search.released")
_EXACT = 2**53 - 1  # the largest integer that JSON keeps exact
ENDED = (*RELEASED, "answer.failed", "task.failed", "question.refused")
CALL = (
    "model", "model_sha256", "where", "quantization", "runtime", "chat_template_sha256",
    "prompt_version", "prompt_sha256", "prompt_tokens", "seed", "temperature_milli", "top_p_milli",
    "top_k", "repeat_penalty_milli", "max_tokens",
)  # fmt: skip
MADE = (
    "embedder", "index_generation", "day", "vectors_from", "settings_sha256", "shown_from",
    "citations_checked", "removed", "enough", "enough_ppm", "format",
)  # fmt: skip
# Texts of payloads whose digest stands in clear: what opens under a key must be what was sealed,
# also where somebody made a ciphertext that opens under two keys.
_SEALED = {
    "question.received": ("question", "question_sha256", "characters"),
    "model.called": ("prompt", "prompt_sha256", ""),
    "model.finished": ("raw", "raw_sha256", ""),
    "answer.sentence": ("text", "sentence_sha256", ""),
    "answer.released": ("text", "answer_sha256", ""),
}
Data = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """A record: its envelope, hex leaf hash, and what is known of its payload (`state`: "none",
    "open" or "erased")."""

    seq: int
    envelope: Data
    leaf_hash: str
    state: str
    payload: Data | None = None

    @property
    def type(self) -> str:
        return str(self.envelope["type"])

    @property
    def time(self) -> str:
        """RFC 3339 with nanoseconds."""
        return str(self.envelope["ts_utc"])

    @property
    def fields(self) -> Data:
        found = self.envelope["fields"]
        return found if isinstance(found, dict) else {}


def clean(text: str) -> str:
    """A text as `answer.json` holds it: what is no Unicode (lone surrogates) is a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")


def plain(value: Any) -> Any:
    """A value as `answer.json` holds it: with a canonical form, so floats are text."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if -_EXACT <= value <= _EXACT else str(value)
    if isinstance(value, Mapping):
        return {clean(str(name)): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return repr(value)


def cited_in(value: Any) -> Iterator[Data]:
    """Every citation anywhere in a payload."""
    if isinstance(value, dict):
        if value.keys() >= {"document", "page", "start", "end", "quote"}:
            yield value
        for each in value.values():
            yield from cited_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from cited_in(each)


def first(records: Iterable[Told], *types: str) -> Told | None:
    """The first record of one of these types."""
    return next((each for each in records if each.type in types), None)


def tell(records: Sequence[Told], target: int) -> Data:
    """The members of `answer.json` that the records of a request decide; `target` is the number of
    the record that was asked for. Raises KeyError if there is none such."""
    named = {each.seq: each for each in records}[target]
    ended = first(records, *ENDED)
    told: Data = plain(
        {
            "target": _named(named),
            "request": named.envelope["request_id"],
            "asked": _asked(first(records, *ASKED)),
            "outcome": _outcome(ended),
            "items": _items(records, ended),
            "models": [_call(each, records) for each in records if _is_call(each)],
            "made": _picked(ended.fields, MADE) if ended else {},
            "records": [_record(each) for each in records],
        }
    )
    return told


def untrue(answer: Data, records: Sequence[Told]) -> Iterator[str]:
    """What `answer` tells otherwise than the records, in sentences. Raises KeyError or TypeError
    for an answer that is not in its form."""
    for name, true in tell(records, answer["target"]["seq"]).items():
        if answer[name] != true:
            yield f"answer.json tells `{name}` otherwise than the records."
    cited = [plain(each) for each in citations_of(records)]
    told = answer["citations"]
    if [_cited(each) for each in told] != [_cited(each) for each in cited]:
        yield "answer.json tells other quotations than were recorded."
    for record in records:
        yield from _digests(record.seq, record.envelope, record.payload or {})


def _cited(each: Mapping[str, Any]) -> list[Any]:
    named = [each[name] for name in ("document", "page", "start", "end", "quote")]
    return [*named, each.get("number"), each.get("warning") or ""]


def citations_of(records: Sequence[Told]) -> list[Data]:
    """Every citation in the payloads, each once: those of the result first, as it numbers them."""
    released = first(records, *RELEASED)
    ordered = sorted(records, key=lambda each: each is not released)
    found: dict[tuple[Any, ...], Data] = {}
    for record in ordered:
        for each in cited_in(record.payload):
            place = (each["document"], each["page"], each["start"], each["end"], each["quote"])
            found.setdefault(place, each)
    return list(found.values())


def _named(record: Told) -> Data:
    return {
        "seq": record.seq, "event_id": record.envelope["event_id"], "type": record.type,
        "time": record.time, "leaf_hash": record.leaf_hash,
    }  # fmt: skip


def _record(record: Told) -> Data:
    actor = record.envelope["actor"]
    return {
        **_named(record), "actor": actor.get("id", ""), "payload": record.state,
        "build": record.envelope["writer"].get("build", ""),
    }  # fmt: skip


def _asked(record: Told | None) -> Data:
    """The question or task; `state` tells whether its text can still be read: "open", "erased", or
    "gone" for a record that is not in the log any more."""
    if record is None:
        nobody = {"kind": "", "id": "", "auth": "", "groups": [], "client": ""}
        return {"seq": None, "type": "", "time": "", "state": "gone", "question": "",
                "history": [], "actor": nobody, "fields": {}, "payload": {}}  # fmt: skip
    payload = record.payload or {}
    rest = {name: each for name, each in payload.items() if name not in ("question", "history")}
    return {
        "seq": record.seq,
        "type": record.type,
        "time": record.time,
        "state": record.state,
        "question": str(payload.get("question", "")),
        "history": list(payload.get("history", ())),
        "actor": record.envelope["actor"],
        "fields": record.fields,
        "payload": rest,
    }


def _outcome(record: Told | None) -> Data:
    """How it ended: the verdict, and of an answer its text, sentences and what was left out."""
    if record is None:
        return {"seq": None, "type": "", "time": "", "state": "gone", "verdict": "", "text": "",
                "explanation": "", "sentences": [], "removed": [], "conflicts": [],
                "understood": "", "offer": None}  # fmt: skip
    payload, fields = record.payload or {}, record.fields
    verdict = fields.get("verdict") or fields.get("code") or ""
    if record.type == "question.refused":
        verdict = f"REFUSED {verdict}"
    elif record.type.endswith(".failed"):
        verdict = f"FAILED {verdict}"
    return {
        "seq": record.seq,
        "type": record.type,
        "time": record.time,
        "state": record.state,
        "verdict": str(verdict),
        "text": _text(payload.get("text", payload.get("error", ""))),
        "explanation": _text(payload.get("explanation", "")),
        "sentences": [
            {"text": str(each["text"]), "citations": list(each["citations"])}
            for each in _listed(payload, "sentences", {"text", "citations"})
        ],
        "removed": _listed(payload, "removed", {"text", "reason"}),
        "conflicts": _listed(payload, "conflicts", {"kind", "sides"}),
        "understood": _text(payload.get("understood", "")),
        "offer": payload.get("offer"),
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _listed(payload: Mapping[str, Any], name: str, members: set[str]) -> list[Data]:
    """The mappings with these members in a list of a payload; tasks use the same names for other
    things."""
    found = payload.get(name)
    every = found if isinstance(found, list | tuple) else ()
    return [each for each in every if isinstance(each, dict) and each.keys() >= members]


def _items(records: Sequence[Told], ended: Told | None) -> list[Data]:
    """What a task showed, part by part, and its result; nothing of an answer: `outcome` has it."""
    if first(records, "task.received", "search.received") is None:
        return []
    shown = [each for each in records if each.type == "task.item"]
    if ended is not None:
        shown.append(ended)
    return [
        {
            "seq": each.seq, "type": each.type, "state": each.state,
            "fields": each.fields, "payload": each.payload or {},
        }
        for each in shown
    ]  # fmt: skip


def _is_call(record: Told) -> bool:
    return record.type == "model.called"


def _call(record: Told, records: Sequence[Told]) -> Data:
    """One call of a model, and how it ended."""
    later = (
        each
        for each in records
        if each.type == "model.finished"
        and each.seq > record.seq
        and each.fields.get("purpose") == record.fields.get("purpose")
    )
    finished = next(later, None)
    ended = (
        _picked(finished.fields, ("outcome", "raw_sha256", "completion_tokens")) if finished else {}
    )
    return {"seq": record.seq, **_picked(record.fields, CALL), **ended}


def _picked(fields: Mapping[str, Any], names: Iterable[str]) -> Data:
    return {name: fields[name] for name in names if fields.get(name) not in (None, "")}


def _digests(seq: int, envelope: Data, payload: Data) -> Iterator[str]:
    """A payload's text against the digest in clear; a question that was cut has that of all."""
    member, digest, length = _SEALED.get(envelope["type"], ("", "", ""))
    said, text = envelope["fields"].get(digest), payload.get(member)
    whole = isinstance(text, str) and len(text) == envelope["fields"].get(length, len(text))
    if said is None or not isinstance(text, str) or not whole:
        return
    if hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() != said:
        yield f"The {member} of record {seq} is not the one whose digest is in clear."
