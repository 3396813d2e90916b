"""Which of a few labels the language model finds likeliest for a text.

A model likes some labels better than others whatever it reads, small ones above all. So each
label's likelihood is taken relative to the one it has after an empty text (Zhao et al., "Calibrate
Before Use", 2021), as a mean over its tokens, and the best must be far ahead to count.
"""

from __future__ import annotations

from collections.abc import Sequence

from assistant.asides import Asides, unrecorded
from assistant.model import Caller, Model
from assistant.prompts import PromptSet, default

AHEAD = 0.5  # natural logarithm per token by which the best label must be ahead
_NOTHING = "N/A"
_LONGEST = 900  # characters of the text


def likeliest(
    model: Model,
    shown: Sequence[str],
    names: Sequence[str],
    caller: Caller,
    prompt: PromptSet | None = None,
    title: str = "",
    asides: Asides = unrecorded,
) -> int | None:
    """The number of the label among `names` that `shown` makes likeliest after `prompt` (of the
    kind "classify", the shipped one if None; `title` is the document's), None if none is clearly
    so; `asides` records it. Raises AssistantError, ScoringUnsupported among them."""
    asked = prompt or default("classify")
    text = "\n".join(dict.fromkeys(shown))[:_LONGEST]
    task = asked.fill("task", labels="; ".join(names), title=title)

    def user(read: str) -> str:
        return asked.fill("passage", number=1, title=title, text=read) + task

    def told(read: str, name: str) -> float:
        """The mean of the logarithms of the tokens' likelihoods."""
        used.scored.append(name)
        scored = model.score(asked.system, user(read), name, caller=caller)
        used.tokens += len(scored)
        return sum(scored) / max(1, len(scored))

    with asides("classify", model, asked, user(text)) as used:
        gains = [told(text, name) - told(_NOTHING, name) for name in names]
    order = sorted(range(len(names)), key=lambda number: -gains[number])
    if len(order) > 1 and gains[order[0]] - gains[order[1]] < AHEAD:
        return None
    return order[0] if order else None
