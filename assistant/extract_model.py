"""What the language model adds to a field that the rules left empty: a place to look at.

The model reads the few passages nearest to the field and may copy a value with its sentence, held
to a JSON Schema of ours. Nothing of it becomes a value as it stands: the sentence must be in a
passage word for word, the value in that sentence, and the passage must give it for this field. The
value itself is then read from the passage.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from assistant import facts, gate, names
from assistant.asides import Asides, unrecorded
from assistant.evidence import Candidate
from assistant.extract_mentions import Mention
from assistant.extract_schema import Field, Type
from assistant.extract_values import Made, holds, kinds_of, made
from assistant.extract_words import credit, wanted
from assistant.facts import Kind
from assistant.model import Caller, Model, Sampling
from assistant.prompts import PromptSet
from assistant.sentences import one_line
from assistant.terms import keys

_LONGEST_PASSAGE = 600  # characters
_LONGEST_VALUE, _LONGEST_QUOTE = 120, 400
_TOKENS = 160


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the model wrote, and the mention that came of it, None if the gate let nothing pass.
    `none`: the model said itself that there is nothing."""

    text: str
    mention: Mention | None
    none: bool = False


def user(prompt: PromptSet, field: Field, passages: Sequence[str], title: str = "") -> str:
    """What the model is asked after the system prompt; `title` is the document's."""
    shown = "".join(
        prompt.fill("passage", number=number, title=title, text=text[:_LONGEST_PASSAGE])
        for number, text in enumerate(passages, start=1)
    )
    choices = f"One of: {', '.join(field.choices)}." if field.choices else ""
    question = f"{field.description} {choices}"
    return shown + prompt.fill("task", label=field.label, question=question, title=title)


def schema_of(field: Field) -> str:
    """The form that the model's answer is held to."""
    text: dict[str, object] = {"type": "string", "maxLength": _LONGEST_VALUE}
    value = {"type": "string", "enum": list(field.choices)} if field.choices else text
    return json.dumps(
        {
            "type": "object",
            "properties": {
                "value": {"anyOf": [value, {"type": "null"}]},
                "quote": {
                    "anyOf": [{"type": "string", "maxLength": _LONGEST_QUOTE}, {"type": "null"}]
                },
            },
            "required": ["value", "quote"],
            "additionalProperties": False,
        }
    )


def propose(
    model: Model,
    prompt: PromptSet,
    field: Field,
    candidates: Sequence[Candidate],
    best: Sequence[int],
    *,
    title: str = "",
    seconds: float,
    cancelled: Callable[[], bool],
    caller: Caller,
    asides: Asides = unrecorded,
) -> Proposal:
    """What the model makes of the candidates numbered `best`, within `seconds`, asked
    by `prompt`, of the kind "extract".

    `asides` records it. Raises AssistantError if the model cannot be asked.
    """
    passages = [one_line(candidates[number].embedded) for number in best]
    sampling = Sampling(max_tokens=_TOKENS, stop=prompt.stop, json_schema=schema_of(field))
    asked = user(prompt, field, passages, title)
    with (
        asides("extract", model, prompt, asked, sampling) as used,
        model.generate(
            prompt.system,
            asked,
            sampling,
            deadline=time.monotonic() + seconds,
            cancelled=cancelled,
            caller=caller,
        ) as stream,
    ):
        for piece in stream:
            used.raw += piece
        used.generation = stream.result
    text = used.raw
    value, quote = _read(text)
    if not value:
        return Proposal(text, None, none=True)
    return Proposal(text, passed(field, value, quote, candidates, best))


def _read(text: str) -> tuple[str, str]:
    """Value and quote of what the model wrote; "" for none, or where it was cut off."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return "", ""
    value = found.get("value") if isinstance(found, dict) else None
    quote = found.get("quote") if isinstance(found, dict) else None
    if not isinstance(value, str) or not isinstance(quote, str):
        return "", ""
    return one_line(value), one_line(quote)


def passed(
    field: Field, value: str, quote: str, candidates: Sequence[Candidate], best: Sequence[int]
) -> Mention | None:
    """The mention that a proposal stands for, if the passages bear it out."""
    if not holds(replace(field, type=Type.STRING), value, quote) or not names.words(value):
        return None
    judge = gate.over([candidates[number] for number in best])
    for number in best:
        text = candidates[number].unit.plain
        if not names.occurs(quote, names.words(text)):
            continue
        mention = _typed(field, value, text, number)
        if mention is None:
            continue
        if _borne_out(field, value, candidates[number], judge):
            return mention
    return None


def _borne_out(field: Field, value: str, candidate: Candidate, judge: gate.Gate) -> bool:
    """Whether a passage gives the value for this field: the words of its description go with the
    value there, as the rules measure it, or "the <field> is <value>" passes the gate."""
    text = candidate.unit.plain
    at = text.find(value)
    want = wanted(field)
    if at >= 0:
        place = (at, at + len(value))
        rivals = [(fact.start, fact.end) for fact in facts.extract(text) if fact.kind in want.kinds]
        rivals = [each for each in rivals if each[1] <= at or each[0] >= place[1]]
        heading = keys(candidate.unit.heading)
        if credit(want.said, text, place, rivals, heading, judge.weigh) >= gate.SUPPORTED_SHARE:
            return True
    judged = judge.judge(f"The {field.label} is {value}.")
    supported = judged.support is not None and candidate in judged.support.units
    own = candidate.keys | candidate.context
    share = judge.weigh.coverage(keys(field.label), own)
    return supported and share >= gate.SUPPORTED_SHARE


def _typed(field: Field, value: str, text: str, number: int) -> Mention | None:
    """The value as the schema has it, read from the passage itself."""
    if field.type is Type.CHOICE:
        return Mention(Made(value, value), number, 0.0) if value in field.choices else None
    kinds = kinds_of(field) - {Kind.NAME}
    if field.type is Type.STRING and not kinds:
        return Mention(Made(value, value.lower()), number, 0.0) if _whole(value, text) else None
    proposed = facts.extract(value)
    for fact in facts.extract(text):
        meant = any(facts.entails(each, fact) for each in proposed)
        found = made(field, text, fact) if meant and fact.kind in kinds else None
        if found is not None:
            return Mention(found, number, 0.0)
    return None


def _whole(value: str, text: str) -> bool:
    """Whether the very characters stand in the passage, so that they can be shown as they are."""
    return value in one_line(text)
