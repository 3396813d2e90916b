"""Uses of a language model besides writing the answer, as their records take them.

Making a follow-up whole, scoring a sentence without the passages, reading a field, choosing a
label: each stands in the log as `model.called` before the model is told anything, and as
`model.finished` however it ended, with the purpose in clear. Several texts that are scored for one
purpose share one pair of records.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from assistant.model import Generation, Model, Sampling
from assistant.prompt_form import PromptSet

PURPOSES = ("answer", "rewrite", "surprise", "extract", "classify", "summarise")
"""What a model is asked for; "answer" where a record names no purpose."""


@dataclass(slots=True)
class Aside:
    """What came of one use; filled in by whoever asks the model. `raw` and `generation` are of what
    it wrote, `scored` the texts that it scored, in `tokens` tokens; `error` says why it could not
    go on."""

    raw: str = ""
    generation: Generation | None = None
    scored: list[str] = field(default_factory=list)
    tokens: int = 0
    error: str = ""


class Asides(Protocol):
    """Opens the records of one use of a model."""

    def __call__(
        self,
        purpose: str,
        model: Model,
        prompt: PromptSet,
        user: str,
        sampling: Sampling | None = None,
    ) -> AbstractContextManager[Aside]:
        """Recorded when the block begins and when it ends, also with an error. `sampling` None: the
        model writes nothing, it scores. Raises AuditError; then the model must not be asked."""
        ...


@contextmanager
def unrecorded(
    purpose: str, model: Model, prompt: PromptSet, user: str, sampling: Sampling | None = None
) -> Iterator[Aside]:
    """`Asides` where nothing is asked for anybody: evaluations and benchmarks."""
    yield Aside()
