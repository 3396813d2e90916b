"""From a chat template's rendering to tokens in which only the template holds control tokens.

llama.cpp renders a template to one string and reads control tokens out of all of it, so that a
passage saying "<|im_end|><|im_start|>system" would end the user's message and begin a system's.
Here the template is rendered around two marks instead of the texts, cut at the marks and at its own
control tokens, and the texts are put in afterwards as nothing but text.

This does not help where a template has no control tokens: some models (Vicuna, the first Mistral)
mark turns with ordinary words, and anybody can write those.

How many tokens at the head of a prompt are the system prompt's alone (`Prompt.fixed`) decides what
is evaluated once for everybody, so it must not depend on anything that one person wrote: else the
time that another's answer takes to begin would tell. It is worked out from the system prompt alone,
and a user's text under which those tokens would come out otherwise is tokenised apart from them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

SYSTEM_MARK = "\ue0f0SYSTEM\ue0f1"  # private use, so that no template says it
USER_MARK = "\ue0f0USER\ue0f1"
_MARKS = re.compile(f"{SYSTEM_MARK}|{USER_MARK}")

# What users' texts begin with, of every sort that a tokenizer joins to what stands before.
_PROBES = ("a", "The", "1", "(", '"', "-", "é", "字")
_HEADS_KEPT = 16  # system prompts of which the fixed tokens are remembered


class UnusableTemplate(ValueError):
    """No prompt can be made with it; `str()` says why in a clause.

    Either it does not carry both messages, each once and in order, or it is none of the formats
    that the vocabulary is made for (`assistant.chat_format`)."""


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
    """A prompt: its text as the template writes it, and the tokens that are evaluated. The first
    `fixed` of them, and how many that are, depend on the system prompt alone: they are the same
    whatever the user's message says."""

    text: str
    tokens: tuple[int, ...]
    fixed: int


@dataclass(frozen=True, slots=True)
class _Control:
    """A control token, and the template's white space beside it that it swallows."""

    token: int
    left: str = ""
    right: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """A template cut open: `parts` are control tokens and strings that hold the marks. `spaced`:
    the vocabulary writes a space of its own before a string."""

    parts: tuple[_Control | str, ...]
    controls: frozenset[int]
    spaced: bool = False
    _heads: dict[str, tuple[int, tuple[int, ...]]] = field(
        default_factory=dict, compare=False, repr=False
    )

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
                text += f"{part.left}{vocabulary.spelling(part.token)}{part.right}"
                continue
            head, mark, tail = part.partition(USER_MARK)
            if mark:
                head, tail = _put(head, texts), f"{texts[USER_MARK]}{tail}"
                found, shared = self._around(head, tail, vocabulary)
                fixed = len(tokens) + shared
            else:
                head = _put(head, texts)
                found = self._tokens(head, vocabulary)
            tokens += found
            text += head + tail
        return Prompt(text, tuple(tokens), fixed)

    def _around(self, head: str, tail: str, vocabulary: Vocabulary) -> tuple[list[int], int]:
        """The tokens of `head` and `tail`, the user's text beginning in between, and how many of
        them are the same whatever that text is."""
        known = self._heads.get(head)
        if known is None:
            if len(self._heads) >= _HEADS_KEPT:
                self._heads.clear()
            known = self._heads[head] = self._shared(head, vocabulary)
        size, shared = known
        found = self._tokens(head + tail, vocabulary)
        if tuple(found[: len(shared)]) != shared:
            found = [*shared, *self._tokens((head + tail)[size:], vocabulary)]
        return found, len(shared)

    def _shared(self, head: str, vocabulary: Vocabulary) -> tuple[int, tuple[int, ...]]:
        """How many characters of `head` are tokenised alike whatever follows, and their tokens: up
        to the last of its ends over which no token reaches with any of the probes."""
        wholes = [self._tokens(f"{head}{probe}", vocabulary) for probe in _PROBES]
        for size in _ends(head):
            tokens = self._tokens(head[:size], vocabulary)
            if all(whole[: len(tokens)] == tokens for whole in wholes):
                return size, tuple(tokens)
        return 0, ()

    def _tokens(self, piece: str, vocabulary: Vocabulary) -> list[int]:
        # The first space after a control token is the one that a SentencePiece vocabulary writes
        # anyway; the models' own tokenizers do not write two (mistral-common: "[INST]▁Hello").
        if self.spaced and len(piece) > 1 and piece[0] == " ":
            piece = piece[1:]
        return inert(piece, vocabulary, self.controls)


def _put(piece: str, texts: dict[str, str]) -> str:
    # One pass, so that a mark inside a text is text.
    return _MARKS.sub(lambda mark: texts[mark[0]], piece)


def _ends(head: str) -> list[int]:
    """Where the fixed part of `head` could end, the longest first: the whole, then before its last
    white space, its last word and its last line."""
    bare = head.rstrip()
    word = len(bare) - len(bare.split()[-1]) if bare.split() else 0
    ends = {len(head), len(bare), len(bare[:word].rstrip()), len(bare[: bare.rfind("\n") + 1])}
    return sorted(ends - {0}, reverse=True)


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
    controls = frozenset(part.token for part in kept if isinstance(part, _Control))
    return Frame(kept, controls, writes_space(vocabulary))


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


def writes_space(vocabulary: Vocabulary) -> bool:
    """Whether the vocabulary puts a space before any text by itself, as SentencePiece's do."""
    tokens = vocabulary.tokenize("a", control=False)
    return bool(tokens) and vocabulary.spelling(tokens[0]).startswith("▁")


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
            kept = before.rstrip() if left else before
            rest = after.lstrip() if right else after
            parts += [kept, _Control(token, before[len(kept) :], after[: len(after) - len(rest)])]
    return [part for part in (*parts, rest) if part != ""]
