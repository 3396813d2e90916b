"""What a question of a conversation asks, within the rights of whoever asks it now.

The turns before it are filtered by what the asker may read at this moment; then the question is
made whole by rules, and where they have to guess, by the language model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from assistant import followup
from assistant.answer import Question, Turn
from assistant.asides import Asides, unrecorded
from assistant.errors import AssistantError
from assistant.followup import Understood
from assistant.model import Caller, Model, ModelInfo
from assistant.ports import Library
from assistant.prompts import PromptSet, default
from assistant.rewriting import by_model
from index.document import Scope
from index.errors import NotFound


@dataclass(frozen=True, slots=True)
class Context:
    """The question made whole, and how many earlier turns were left out because the asker may not
    read any more what they cite. `written` is what the model wrote if it was asked, whether it was
    taken or not; `asked` is that model and the prompt it was asked by; `model_failed` says why it
    could not be asked."""

    understood: Understood
    left_out: int = 0
    written: str = ""
    model_failed: str = ""
    asked: tuple[ModelInfo, PromptSet] | None = None


def read(
    question: Question,
    library: Library,
    scope: Scope,
    model: Model,
    cancelled: Callable[[], bool] = lambda: False,
    prompts: Callable[[str], PromptSet] = default,
    asides: Asides = unrecorded,
) -> Context:
    """What `question` asks after the turns before it; `prompts` gives the prompt in use for a kind,
    and `asides` records that the model is asked.

    A model that cannot be asked leaves it at what the rules say. Raises PromptUnusable or
    PromptRefused where the model is to be asked and the prompt in use cannot be used: that is for
    whoever chose it to mend, and must not pass for an answer to another question.
    """
    turns, titles = _permitted(question.history, library, scope)
    left_out = len(question.history) - len(turns)
    caller = Caller(question.asker.id)
    written = failed = ""
    asked: tuple[ModelInfo, PromptSet] | None = None

    def rewrite(conversation: str) -> str:
        nonlocal written, failed, asked
        prompt = prompts("rewrite")
        try:
            with model.held() as held:
                asked = (held.info, prompt)
                rewriting = by_model(held, caller, prompt, cancelled=cancelled, asides=asides)
                written = rewriting(conversation)
        except AssistantError as error:
            failed = str(error)
        return written

    understood = followup.understand(question.text, turns, rewrite, titles)
    return Context(understood, left_out, written, failed, asked)


def by_rules(question: Question, library: Library, scope: Scope) -> Understood:
    """The same without a model, for a search."""
    turns, titles = _permitted(question.history, library, scope)
    return followup.understand(question.text, turns, None, titles)


def _permitted(
    history: tuple[Turn, ...], library: Library, scope: Scope
) -> tuple[tuple[Turn, ...], tuple[str, ...]]:
    """The turns that the asker may still read, and the titles of what they cite, each once."""
    titles: dict[str, str] = {}

    def may_read(document: str) -> bool:
        if document in titles:
            return True
        try:
            titles[document] = library.document(document, scope).title
        except NotFound:
            return False
        return True

    turns = followup.permitted(history, may_read)
    named = (titles[document] for turn in turns for document in turn.documents)
    return turns, tuple(dict.fromkeys(title for title in named if title))
