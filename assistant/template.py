"""From a chat template's rendering to tokens in which only the template holds control tokens.

llama.cpp renders a template to one string and reads control tokens out of all of it, so that a
passage saying "<|im_end|><|im_start|>system" would end the user's message and begin a system's.
Here the template is rendered around two marks instead of the texts, cut at the marks and at its own
control tokens, and the texts are put in afterwards as nothing but text.

This does not help where a template has no control tokens: some models (Vicuna, the first Mistral)
mark turns with ordinary words, and anybody can write those.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

SYSTEM_MARK = "\ue0f0SYSTEM\ue0f1"  # private use, so that no template says it
USER_MARK = "\ue0f0USER\ue0f1"
_MARKS = re.compile(f"{SYSTEM_MARK}|{USER_MARK}")

# For a model without a template that llama.cpp knows but with ChatML's control tokens.
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)
CHATML_TOKENS = ("<|im_start|>", "<|im_end|>")


class UnusableTemplate(ValueError):
    """The template does not carry both messages, each once and in order."""


class Vocabulary(Protocol):
    """A model's tokens, as far as building a prompt needs them."""

    def tokenize(self, text: str, *, control: bool) -> list[int]:
        """`text` as tokens; control tokens spelled out in it are read as such if `control`."""
        ...

    def is_control(self, token: int) -> bool:
        """Whether the token stands for something other than text."""
        ...

    def spelling(self, token: int) -> str:
        """How a control token is written in a template."""
        ...

    def strips(self, token: int) -> tuple[bool, bool]:
        """Whether a control token swallows white space written before it, and after it."""
        ...

    def opening(self) -> list[int]:
        """Tokens that every prompt of this model begins with (often one, or none)."""
        ...


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as it is evaluated. The first `fixed` of the `tokens` depend on the system prompt
    alone: they are the same whatever the user's message says."""

    text: str
    tokens: tuple[int, ...]
    fixed: int


@dataclass(frozen=True, slots=True)
class _Control:
    token: int


@dataclass(frozen=True, slots=True)
class Frame:
    """A template cut open: `parts` are control tokens and strings that hold the marks."""

    parts: tuple[_Control | str, ...]
    controls: frozenset[int]

    def fill(self, system: str, user: str, vocabulary: Vocabulary) -> Prompt:
        """The prompt with both texts in it, surrounding white space removed from each, as most
        templates do."""
        texts = {SYSTEM_MARK: system.strip(), USER_MARK: user.strip()}
        tokens = vocabulary.opening()
        text, fixed = "", 0
        for part in self.parts:
            if isinstance(part, _Control):
                if tokens != [part.token]:  # some templates spell out the opening token as well
                    tokens.append(part.token)
                text += vocabulary.spelling(part.token)
                continue
            if USER_MARK in part:
                fixed = len(tokens)
            # One pass, so that a mark inside a text is text.
            piece = _MARKS.sub(lambda mark: texts[mark[0]], part)
            tokens += inert(piece, vocabulary, self.controls)
            text += piece
        return Prompt(text, tuple(tokens), fixed)


def cut(render: Callable[[str, str], str], vocabulary: Vocabulary) -> Frame:
    """Cut a template open. `render` applies it to a system and a user message.

    Raises UnusableTemplate.
    """
    rendered = render(SYSTEM_MARK, USER_MARK)
    head, *tail = rendered.split(SYSTEM_MARK)
    between = tail[0].split(USER_MARK) if len(tail) == 1 else []
    if len(between) != 2 or USER_MARK in head:
        raise UnusableTemplate("its chat template drops or repeats a message")
    parts: list[_Control | str] = [""]
    for literal, mark in ((head, SYSTEM_MARK), (between[0], USER_MARK), (between[1], "")):
        for part in _split(literal, vocabulary):
            if isinstance(part, str) and isinstance(parts[-1], str):
                parts[-1] += part
            else:
                parts.append(part)
        if isinstance(parts[-1], str):
            parts[-1] += mark
        else:
            parts.append(mark)
    kept = tuple(part for part in parts if part != "")
    return Frame(kept, frozenset(part.token for part in kept if isinstance(part, _Control)))


def inert(text: str, vocabulary: Vocabulary, forbidden: frozenset[int] = frozenset()) -> list[int]:
    """`text` as tokens that all stand for text: no control token, and none of `forbidden`.

    Vocabularies that list a marker as an ordinary word would still yield it; such a spelling is
    cut in two and each half tokenised alone.
    """
    tokens = vocabulary.tokenize(text, control=False)
    found = {t for t in set(tokens) if t in forbidden or vocabulary.is_control(t)}
    if not found:
        return tokens
    spellings = sorted(filter(None, map(vocabulary.spelling, found)), key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, spellings)) or r"(?!)")
    cuts = [match.start() + 1 for match in pattern.finditer(text) if len(match[0]) > 1]
    if not cuts:  # not spelled out in the text: it stands for nothing that was written there
        return [token for token in tokens if token not in found]
    pieces = (text[a:b] for a, b in pairwise([0, *cuts, len(text)]))
    return [token for piece in pieces for token in inert(piece, vocabulary, forbidden)]


def _split(literal: str, vocabulary: Vocabulary) -> list[_Control | str]:
    """A template's own text as control tokens and the words between them."""
    parts: list[_Control | str] = []
    rest = literal
    for token in vocabulary.tokenize(literal, control=True) if literal else ():
        if not vocabulary.is_control(token):
            continue
        before, found, after = rest.partition(vocabulary.spelling(token))
        if found:
            left, right = vocabulary.strips(token)
            parts += [before.rstrip() if left else before, _Control(token)]
            rest = after.lstrip() if right else after
    return [part for part in (*parts, rest) if part != ""]
