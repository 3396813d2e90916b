"""An answer and its replay, part by part. Pure.

Parts that decide are what a person was shown and what that came from: the question as understood,
each prompt, each text of a model, verdict, text, citations and conflicts. The rest (how the
evidence was ranked, the second opinions, what was removed) shows where a difference began.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from assistant.replay_model import CUT_BY_US, Again, Script
from assistant.replay_record import Call, Fields, Recorded
from assistant.worddiff import Two, pieces_of

_CITED = ("number", "document", "page", "start", "end", "quote")


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that was compared, as text. `decides`: a difference here makes another answer."""

    name: str
    equal: bool
    then: str
    now: str
    decides: bool = True
    note: str = ""

    def as_json(self) -> dict[str, object]:
        """All of it, with the word-level difference if there is one."""
        found: dict[str, object] = asdict(self)
        if not self.equal:
            found["difference"] = [
                {"op": each.op, "text": each.text} for each in pieces_of(Two(self.then, self.now))
            ]
        return found


def parts(then: Recorded, now: Recorded, ours: Script, theirs: Script) -> tuple[Part, ...]:
    """Everything compared, in the order in which it came about."""
    return (
        *_understanding(then, now, ours.rewritten),
        *_called(then, now, ours.answered, theirs.answered),
        *_shown(then, now),
        *_measured(then.payload, now.payload),
    )


def prompts_equal(compared: tuple[Part, ...]) -> bool | None:
    """Whether every prompt is the same; None if there was none."""
    found = [part.equal for part in compared if part.name.startswith("prompt")]
    return all(found) if found else None


def texts_equal(compared: tuple[Part, ...]) -> bool:
    """Whether everything else that decides is the same."""
    return all(
        part.equal for part in compared if part.decides and not part.name.startswith("prompt")
    )


def _understanding(then: Recorded, now: Recorded, again: Again | None) -> Iterator[Part]:
    if "understood" not in then.payload and "understood" not in now.payload:
        return
    if then.rewriting is not None or now.rewriting is not None:
        wrote = str(then.payload.get("understanding_written", ""))
        writes = again.written if again is not None else ""
        yield Part("rewriting", wrote == writes, wrote, writes)
    yield _same(
        "question as understood", *(str(each.payload.get("understood", "")) for each in (then, now))
    )


def _called(
    then: Recorded, now: Recorded, ours: Again | None, theirs: Again | None
) -> Iterator[Part]:
    """Prompt and text of each call, those of a server that was not asked left out."""
    for number in range(max(len(then.calls), len(now.calls))):
        one = then.calls[number] if number < len(then.calls) else None
        other = now.calls[number] if number < len(now.calls) else None
        about = one or other
        remote = about is not None and about.remote
        again = theirs if remote else ours
        if remote and again is not None and again.note:
            continue  # its words were taken from the record, and only the server counts its tokens
        yield _prompt(number + 1, one, other)
        yield _written(number + 1, one, other, again)


def _prompt(number: int, one: Call | None, other: Call | None) -> Part:
    equal = one is not None and other is not None and one.prompt_sha256 == other.prompt_sha256
    then, now = (each.prompt if each is not None else "" for each in (one, other))
    return Part(f"prompt {number}", equal, then, now)


def _written(number: int, one: Call | None, other: Call | None, again: Again | None) -> Part:
    name = f"written {number}"
    if one is None or other is None or again is None:
        wrote, writes = (each.raw if each is not None else "" for each in (one, other))
        return Part(name, False, wrote, writes)
    note = again.note
    written = again.written
    if one.outcome == CUT_BY_US or note:
        written = written[: len(one.raw)]
    if one.outcome == CUT_BY_US:
        note = "It was cut once enough was written; compared as far as it was written then."
    if one.outcome in ("failed", "busy") and not one.raw:
        return Part(name, True, "", "", note=note)
    return Part(name, again.equal, one.raw, written, note=note)


def _shown(then: Recorded, now: Recorded) -> Iterator[Part]:
    yield _same("verdict", *(str(each.fields.get("verdict", "")) for each in (then, now)))
    yield _same("text", str(then.payload.get("text", "")), str(now.payload.get("text", "")))
    yield _same("citations", *(_cited(each.payload) for each in (then, now)))
    yield _same("conflicts", *(_conflicts(each.payload) for each in (then, now)))


def _measured(then: Fields, now: Fields) -> Iterator[Part]:
    for name, keys in (("evidence", ("sufficiency", "evidence")), ("removed", ("removed",))):
        one, other = (json.dumps([payload.get(key) for key in keys]) for payload in (then, now))
        yield Part(name, one == other, one, other, decides=False)


def _cited(payload: Fields) -> str:
    """The citations, a line each; warnings left out: they tell how a document stands today."""
    return "\n".join(
        " ".join(str(each.get(name)) for name in _CITED) for each in payload.get("citations", ())
    )


def _conflicts(payload: Fields) -> str:
    return "\n".join(str(each.get("sentence")) for each in payload.get("conflicts", ()))


def _same(name: str, then: str, now: str) -> Part:
    return Part(name, then == now, then, now)
