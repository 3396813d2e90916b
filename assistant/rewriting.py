"""A model's rewriting of a follow-up.

What of the text is accepted is decided in `assistant.followup`; here it is only asked for, by a
prompt of the kind "rewrite".
"""

from __future__ import annotations

from collections.abc import Callable

from assistant.asides import Asides, unrecorded
from assistant.model import NOBODY, Caller, Model, Sampling
from assistant.prompts import PromptSet, default

_TOKENS = 96


def by_model(
    model: Model,
    caller: Caller = NOBODY,
    prompt: PromptSet | None = None,
    *,
    deadline: float | None = None,
    cancelled: Callable[[], bool] | None = None,
    asides: Asides = unrecorded,
) -> Callable[[str], str]:
    """A `rewrite` for `assistant.followup.understand` over `model`, greedy and brief, by `prompt`
    (the shipped one if None); `deadline` is a reading of `time.monotonic()`. What it raises is what
    `Model.generate` does, and what recording it in `asides` does."""
    asked = prompt or default("rewrite")
    sampling = Sampling(max_tokens=_TOKENS, stop=asked.stop)

    def rewrite(conversation: str) -> str:
        user = asked.fill("question", conversation=conversation)
        with (
            model.held() as held,
            asides("rewrite", held, asked, user, sampling) as used,
            held.generate(asked.system, user, sampling, deadline, cancelled, caller) as stream,
        ):
            for piece in stream:
                used.raw += piece
            used.generation = stream.result
            return used.raw

    return rewrite
