"""How a model takes a prompt in, and what of it stays evaluated. Runs in the model's process.

Two ways. A decoder reads its prompt token by token into the answer's sequence: what was evaluated
for the system prompt, or for the same conversation before, is put there instead. An encoder takes
the whole prompt at once, and none of it can be used for another; the decoder then begins with one
token that says so. `assistant.llamacpp_batch` does the rest alike for both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from assistant.llamacpp_engine import Engine
from assistant.prefixes import Prefixes, shared
from assistant.seq2seq import EncoderDecoderEngine
from assistant.template import Prompt

Unwanted = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Begun:
    """The beginning of an answer: `given` is what the decoder reads before it writes, of which its
    sequence holds the first `held` already; `cached` of them are the system prompt's and `own` the
    conversation's."""

    given: tuple[int, ...] = ()
    held: int = 0
    cached: int = 0
    own: int = 0


class Reading(Protocol):
    """A way to take prompts in."""

    def needs(self, prompt: Prompt, scored: int) -> tuple[int, int]:
        """How many tokens a prompt takes, with `scored` tokens of a given answer, and how many
        there is room for. It is read only if there is."""
        ...

    def begin(self, sequence: int, prompt: Prompt, conversation: str, unwanted: Unwanted) -> Begun:
        """Prepare an empty sequence for a prompt. `unwanted` may be asked meanwhile and gives it
        up. Raises Aborted."""
        ...

    def advanced(self, sequence: int, prompt: Prompt, evaluated: int) -> None:
        """Take note that the sequence holds `evaluated` tokens now."""
        ...

    def keep(self, sequence: int, prompt: Prompt, conversation: str) -> int:
        """Keep what may be used again; how many of the prompt's tokens stay evaluated.
        `conversation` is empty if the prompt was not read to its end."""
        ...


class Remembering:
    """A decoder's: begins with what was evaluated before for the system prompt, which is
    everybody's, or for the caller's own conversation."""

    def __init__(self, engine: Engine, prefixes: Prefixes) -> None:
        self._engine, self._prefixes = engine, prefixes

    def needs(self, prompt: Prompt, scored: int) -> tuple[int, int]:
        """Prompt and answer share the context: at least one token must find room."""
        return len(prompt.tokens) + max(1, scored), self._engine.context

    def begin(self, sequence: int, prompt: Prompt, conversation: str, unwanted: Unwanted) -> Begun:
        """Begin with what was evaluated before. The prompt's last tokens are always evaluated:
        what follows them is asked for, and one alone would be evaluated in another way than with
        those before it."""
        engine, tokens = self._engine, prompt.tokens
        fixed = min(prompt.fixed, len(tokens) - 1)
        own = self._prefixes.conversation(conversation)
        if own is not None:
            alike = min(shared(own.tokens, tokens), len(tokens) - 2)
            fits = alike > fixed and engine.restore(sequence, own.state)
            if fits and engine.keep(sequence, alike):
                return Begun(tokens, alike, prompt.fixed, alike - prompt.fixed)
        kept = self._prefixes.system(tokens[: prompt.fixed])
        if kept is not None and 0 < prompt.fixed == fixed and engine.restore(sequence, kept.state):
            return Begun(tokens, fixed, fixed)
        return Begun(tokens)

    def advanced(self, sequence: int, prompt: Prompt, evaluated: int) -> None:
        """Keep the system prompt when it has just been read."""
        if evaluated == prompt.fixed:
            state = self._engine.save(sequence)
            self._prefixes.keep_system(prompt.tokens[:evaluated], state)

    def keep(self, sequence: int, prompt: Prompt, conversation: str) -> int:
        """Keep the prompt for the conversation's next question. What stays evaluated includes the
        system prompt's tokens, which are everybody's."""
        length, fixed = len(prompt.tokens), prompt.fixed
        system = fixed if self._prefixes.system(prompt.tokens[:fixed]) else 0
        if not conversation or not self._engine.keep(sequence, length):
            return system
        state = self._engine.save(sequence)
        kept = self._prefixes.keep_conversation(conversation, prompt.tokens, state)
        return length if kept else system


class Encoding:
    """An encoder's: reads the whole prompt before its decoder begins, and keeps nothing."""

    def __init__(self, engine: EncoderDecoderEngine) -> None:
        self._engine = engine

    def needs(self, prompt: Prompt, scored: int) -> tuple[int, int]:
        """Prompt and answer have room for themselves: the one that is too long counts."""
        of_prompt = len(prompt.tokens), self._engine.context
        of_answer = max(1, scored), self._engine.room - 1  # one is the token it begins with
        return of_answer if of_answer[0] > of_answer[1] else of_prompt

    def begin(self, sequence: int, prompt: Prompt, conversation: str, unwanted: Unwanted) -> Begun:
        """Read the prompt."""
        return Begun((self._engine.encode(prompt.tokens, unwanted),))

    def advanced(self, sequence: int, prompt: Prompt, evaluated: int) -> None:
        """Nothing stays."""

    def keep(self, sequence: int, prompt: Prompt, conversation: str) -> int:
        """Nothing stays."""
        return 0


def reading_of(engine: Engine, prefixes: Prefixes) -> Reading:
    """The way in which this engine's model takes prompts in."""
    if isinstance(engine, EncoderDecoderEngine):
        return Encoding(engine)
    return Remembering(engine, prefixes)
