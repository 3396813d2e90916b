"""Why an answer that was made again may differ: what was another then. Pure.

Each reason is a code for the log and a sentence with both values. Where nothing was another, that
is said too: then the difference is a defect.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from assistant.replay_record import Call, Fields, Recorded
from assistant.replay_settings import changed


@dataclass(frozen=True, slots=True)
class Reason:
    """A circumstance that differs: `code` for the log, and a sentence."""

    code: str
    sentence: str


UNKNOWN = Reason(
    "UNKNOWN",
    "Build, machine, settings and documents are those of then, so this is a defect: keep this "
    "output and report it.",
)
_SETTINGS = {
    "context_tokens": "context",
    "sequences": "answers at a time",
    "kv_cache": "format of evaluated tokens",
    "gpu_layers": "layers on the GPU",
}


def circumstances(
    then: Recorded, now: Recorded | None, build: str, notes: Sequence[str] = ()
) -> tuple[Reason, ...]:
    """What was another then, the likeliest cause of a difference first. `now` are the records of
    the replay (None if it made none), `build` is this Cloister, `notes` say what of the documents'
    entries was changed since."""
    found: list[Reason] = []
    if now is not None:
        found += _builds(then, now, build)
        found += _machine(then.fields, now.fields)
        for one, other in zip(_models(then), _models(now), strict=False):
            found += _model(one, other)
        found += _settings(then, now)
        found += _embedder(then.fields, now.fields)
        found += _documents(then.fields, now.fields)
    found += [Reason("DOCUMENT_DESCRIBED", note) for note in notes]
    if any(fields.get("exact") is False and not fields.get("where") for fields in _models(then)):
        found.append(
            Reason(
                "NOT_EXACT",
                "The engine ran in a way in which a text may depend, in its last bits, on who else "
                "was answered at the same time (a GPU, or number formats that are not exact).",
            )
        )
    return tuple(dict.fromkeys(found))


def _builds(then: Recorded, now: Recorded, build: str) -> Iterator[Reason]:
    one, other = then.fields.get("code_sha256"), now.fields.get("code_sha256")
    if one != other or then.build != build:
        yield Reason(
            "OTHER_BUILD",
            f"Other build: {then.build or 'unknown'} (code {_short(one)}) answered, this is "
            f"{build} (code {_short(other)}).",
        )


def _machine(then: Fields, now: Fields) -> Iterator[Reason]:
    if then.get("machine") != now.get("machine"):
        yield Reason(
            "OTHER_HARDWARE",
            f"Other hardware: {then.get('machine', 'not recorded')}, now {now.get('machine')}.",
        )


def _models(recorded: Recorded) -> list[Fields]:
    """What is recorded of the models of this machine that were asked."""
    asked = [] if recorded.rewriting is None else [recorded.rewriting]
    return asked + [call.fields for call in recorded.calls if not call.remote]


def _model(one: Fields, other: Fields) -> Iterator[Reason]:
    if one.get("runtime") != other.get("runtime"):
        yield Reason(
            "OTHER_ENGINE",
            f"Other build of the engine: {one.get('runtime')}, now {other.get('runtime')}.",
        )
    if one.get("chat_template_sha256") != other.get("chat_template_sha256"):
        yield Reason(
            "OTHER_TEMPLATE",
            f"Other chat template: {one.get('chat_format')}, now {other.get('chat_format')}.",
        )
    told = [
        f"{name} {one[key]}, now {other.get(key)}"
        for key, name in _SETTINGS.items()
        if key in one and one[key] != other.get(key)
    ]
    if told:
        yield Reason("OTHER_SETTINGS", f"The model runs with other settings: {'; '.join(told)}.")


def _settings(then: Recorded, now: Recorded) -> Iterator[Reason]:
    one, other = then.fields.get("engine_sha256"), now.fields.get("engine_sha256")
    if one is not None and one != other:
        yield Reason(
            "OTHER_ENGINE",
            f"llama.cpp's libraries are others: digest {_short(one)}, now {_short(other)}.",
        )
    if then.settings is None or now.settings is None:
        yield Reason(
            "SETTINGS_NOT_RECORDED",
            "The record is older than the recording of settings: those of today were used.",
        )
        return
    skipped = ("deadline_seconds:",)  # a replay has none
    told = [each for each in changed(then.settings, now.settings) if not each.startswith(skipped)]
    if told:
        yield Reason("OTHER_SETTINGS", f"Other settings: {'; '.join(told)}.")


def _embedder(then: Fields, now: Fields) -> Iterator[Reason]:
    if then.get("embedder") != now.get("embedder"):
        yield Reason(
            "OTHER_EMBEDDER",
            f"Other embedder: {then.get('embedder')}, now {now.get('embedder')}.",
        )


def _documents(then: Fields, now: Fields) -> Iterator[Reason]:
    one, other = then.get("turns_left_out"), now.get("turns_left_out")
    if one != other:
        yield Reason(
            "CONVERSATION",
            f"Of the conversation {one} turns were left out, now {other}: a document that an "
            "earlier answer cites was removed since.",
        )


def broke_down(then: Sequence[Call], now: Sequence[Call]) -> tuple[Reason, ...]:
    """The calls in which the model wrote then and could not now."""
    bad = ("failed", "busy")
    return tuple(
        Reason("MODEL_FAILED", "The model broke down during the replay: try it again.")
        for one, other in zip(then, now, strict=False)
        if other.outcome in bad and one.outcome not in bad
    )


def _short(digest: object) -> str:
    return str(digest)[:12] if digest else "not recorded"
