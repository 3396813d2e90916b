"""When a larger model is asked after the small one. Pure.

The small model's draft goes through the gate first. Only where nothing of it could be shown is
there anything to gain, and only then is the larger one asked: with the same passages, under a token
budget of its own, through the same gate. Nothing that was shown is ever taken back or rewritten.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from assistant.errors import AssistantError, ModelBusy, PromptTooLong

When = Literal["never", "when_rejected", "when_rejected_or_failed"]


class Reason(StrEnum):
    """Why the larger model was asked."""

    REJECTED = "REJECTED"  # the gate let nothing of the draft through
    FAILED = "FAILED"  # the small model broke down, or wrote nothing before its time was up
    BUSY = "BUSY"  # too many were waiting for it
    TOO_LONG = "TOO_LONG"  # the prompt did not fit its context


@dataclass(frozen=True, slots=True)
class Escalation:
    """The policy. `budget` is tokens of the larger model's whole prompt, `passages` how many it
    reads at most."""

    when: When = "never"
    budget: int = 2000
    passages: int = 6


def reason_to_escalate(
    when: When, shown: int, error: AssistantError | None, *, late: bool = False
) -> Reason | None:
    """Why to ask the larger model, None if it is not asked.

    `shown` counts the draft's sentences that were shown, `error` is what stopped the small model,
    `late` that it was stopped by the deadline.
    """
    if when == "never" or shown:
        return None
    if error is None and not late:
        return Reason.REJECTED
    if when == "when_rejected":
        return None
    if isinstance(error, ModelBusy):
        return Reason.BUSY
    return Reason.TOO_LONG if isinstance(error, PromptTooLong) else Reason.FAILED


WHY = {
    Reason.REJECTED: "the documents did not support what the small one wrote",
    Reason.FAILED: "the small one could not answer",
    Reason.BUSY: "the small one was busy",
    Reason.TOO_LONG: "the question did not fit the small one",
}


def explained(reason: Reason, name: str, where: str) -> str:
    """A sentence that tells a reader whose words they see and why."""
    at = f" at {where}" if where else ""
    return f"They were written by the larger model {name}{at}, because {WHY[reason]}."
