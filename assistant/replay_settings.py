"""The settings that an answer was made by, as its record holds them, and back again. Pure.

Everything of `assistant.answering.Policy` that can change an answer is in it, with what the engine
needs besides. Prompts are not: a record names those that were used by their digests.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from assistant.escalation import Escalation
from assistant.model import Sampling

if TYPE_CHECKING:
    from assistant.answering import Policy
    from index.ports import Embedder

Settings = Mapping[str, object]  # JSON values


def described(policy: Policy, embedder: Embedder, *, second: bool) -> Settings:
    """The settings as JSON values; `second`: a classifier took part in the second opinion. Of the
    embedder what computes it: two that share a fingerprint may differ in their last bits."""
    sampling = asdict(policy.sampling)
    sampling["stop"] = list(policy.sampling.stop)
    return {
        "longest_question": policy.longest_question,
        "hits": policy.limits.hits,
        "sentences": policy.limits.sentences,
        "budget": policy.budget,
        "passages": policy.passages,
        "most_sentences": policy.most_sentences,
        "deadline_seconds": policy.deadline_seconds,
        "sampling": sampling,
        "escalation": asdict(policy.escalation),
        "straight": policy.straight,
        "entailment": second,
        "embedder": type(embedder).__name__,
        "engine": dict(policy.engine),
    }


def digest_of(settings: Settings) -> str:
    """Hex SHA-256 of the settings as JSON with sorted keys and no spaces."""
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def restored(recorded: Settings, policy: Policy) -> Policy:
    """`policy` with everything that `recorded` says in its place, its prompts but kept.

    Raises KeyError, TypeError or ValueError for settings that `described` did not write.
    """
    held: dict[str, Any] = dict(recorded)
    sampling = dict(held["sampling"])
    sampling["stop"] = tuple(sampling["stop"])
    return replace(
        policy,
        longest_question=int(held["longest_question"]),
        limits=replace(policy.limits, hits=int(held["hits"]), sentences=int(held["sentences"])),
        budget=int(held["budget"]),
        passages=int(held["passages"]),
        most_sentences=int(held["most_sentences"]),
        deadline_seconds=float(held["deadline_seconds"]),
        sampling=Sampling(**sampling),
        escalation=Escalation(**held["escalation"]),
        straight=bool(held["straight"]),
        engine=dict(held["engine"]),
    )


def changed(then: Settings, now: Settings) -> tuple[str, ...]:
    """What differs, as "name: then, now", by name; a nested value is named "sampling.seed"."""
    one, other = _flat(then), _flat(now)
    return tuple(
        f"{name}: {one.get(name, 'not recorded')}, now {other.get(name, 'none')}"
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name)
    )


def _flat(settings: Settings, before: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{before}{name}.")
        else:
            flat[f"{before}{name}"] = value
    return flat
