"""Small vocabularies of the two kinds that chat models have, with each family's own tokens.

Merges are learnt from a page of text by byte-pair encoding, so that words are a few tokens long and
every byte can be written, as in a real vocabulary. `sentencepiece` is the kind of Llama 2, Mistral,
Phi-3 and Gemma (pieces with scores, a space is written "▁", unknown characters as bytes) and
`bytelevel` that of GPT-2, Llama 3, Qwen and SmolLM2 (merges over bytes that stand as printable
characters).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from gguf import TokenType

MERGES = 200

_TEXT = """
The retention period for records of wire transfers is six years from the end of the contract.
Records are kept by the department that made them. Who may read them is said in the policy on
access, which the board approves every year in March. You are a careful assistant: answer only from
the passages below, name the source of each statement, and say so if they do not hold the answer.
What is the retention period? How long are records kept? Which department keeps them, and who
approves the policy? The user asks, the assistant answers; the system message says how. Instruct,
Output, model, source, passage, question, answer, statement, invoice, customer, payment, account.
The bank keeps the account statements for ten years; invoices for eight; letters for six years.
If a passage says otherwise, the passage is right. Do not guess. Do not repeat the question.
"""


@dataclass(frozen=True, slots=True)
class Special:
    """A token that is no learnt piece. `words`: declared as a word of the user's own, which
    llama.cpp reads out of any text, instead of as a control token."""

    text: str
    words: bool = False

    @property
    def type(self) -> TokenType:
        return TokenType.USER_DEFINED if self.words else TokenType.CONTROL


@dataclass(frozen=True, slots=True)
class Vocab:
    """What a GGUF file says about its tokenizer. `tokens`, `types` and `scores` are one per token
    (scores only mean something for "llama"), `merges` is empty for "llama"; `bos`, `eos` and `pad`
    are token numbers, None: the family has none."""

    model: Literal["llama", "gpt2"]
    pre: str
    tokens: tuple[str, ...]
    types: tuple[TokenType, ...]
    scores: tuple[float, ...]
    merges: tuple[str, ...]
    bos: int | None
    eos: int
    pad: int | None
    add_bos: bool
    space_prefix: bool


def sentencepiece(
    before: tuple[Special, ...] = (),
    after: tuple[Special, ...] = (),
    *,
    bos: str = "<s>",
    eos: str = "</s>",
    pad: str = "",
    add_bos: bool = True,
    space_prefix: bool = True,
    newline_pieces: bool = False,
) -> Vocab:
    """A SentencePiece vocabulary: `before` stand where a family put its tokens into the trained
    vocabulary, `after` where a fine-tune appended them."""
    entries: list[tuple[str, TokenType, float]] = []
    if not any(special.text == "<unk>" for special in before):
        entries.append(("<unk>", TokenType.UNKNOWN, 0.0))
    for special in before:
        kind = TokenType.UNKNOWN if special.text == "<unk>" else special.type
        entries.append((special.text, kind, 0.0))
    entries += [(f"<0x{byte:02X}>", TokenType.BYTE, 0.0) for byte in range(256)]
    if newline_pieces:
        entries += [("\n" * n, TokenType.USER_DEFINED, 0.0) for n in (1, 2, 3)]
    merges = _learn(" ", "▁")
    entries += [("".join(pair), TokenType.NORMAL, -float(rank)) for rank, pair in enumerate(merges)]
    singles = sorted({*"".join(map("".join, merges)), *map(chr, range(33, 127)), "▁"})
    entries += [(single, TokenType.NORMAL, -1000.0 - n) for n, single in enumerate(singles)]
    entries += [(special.text, special.type, 0.0) for special in after]
    tokens, types, scores = zip(*entries, strict=True)
    return Vocab(
        model="llama",
        pre="default",
        tokens=tokens,
        types=types,
        scores=scores,
        merges=(),
        bos=tokens.index(bos),
        eos=tokens.index(eos),
        pad=tokens.index(pad) if pad else None,
        add_bos=add_bos,
        space_prefix=space_prefix,
    )


def bytelevel(
    pre: str,
    after: tuple[Special, ...],
    *,
    eos: str,
    bos: str = "",
    pad: str = "",
    add_bos: bool = False,
) -> Vocab:
    """A byte-level vocabulary; `pre` is llama.cpp's name for how the family splits text first."""
    pairs = (*_learn(" ", "Ġ"), ("Ċ", "Ċ"))  # two line breaks are one token, alone
    tokens = [*_printable(), *("".join(pair) for pair in pairs)]
    types = [TokenType.NORMAL] * len(tokens)
    tokens += [special.text for special in after]
    types += [special.type for special in after]
    return Vocab(
        model="gpt2",
        pre=pre,
        tokens=tuple(tokens),
        types=tuple(types),
        scores=(),
        merges=tuple(" ".join(pair) for pair in pairs),
        bos=tokens.index(bos) if bos else None,
        eos=tokens.index(eos),
        pad=tokens.index(pad) if pad else None,
        add_bos=add_bos,
        space_prefix=False,
    )


def _printable() -> list[str]:
    """The 256 bytes as the characters that GPT-2 writes them as: itself where a byte is a printable
    Latin-1 character, else the next code point from 256 on."""
    itself = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(256, 512))
    return [chr(byte if byte in itself else next(others)) for byte in range(256)]


@lru_cache
def _learn(space: str, written: str) -> tuple[tuple[str, str], ...]:
    """The pairs that byte-pair encoding joins in the text above, the most frequent first; pieces
    hold one word at most, with the space before it."""
    counts = Counter(re.findall(r" ?[A-Za-z]+|[^A-Za-z\s]", " ".join(_TEXT.split())))
    words = {tuple(word.replace(space, written)): n for word, n in counts.items()}
    merges: list[tuple[str, str]] = []
    while len(merges) < MERGES:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, n in words.items():
            for pair in pairwise(word):
                pairs[pair] += n
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        words = {_joined(word, best): n for word, n in words.items()}
    return tuple(merges)


def _joined(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    out: list[str] = []
    for piece in word:
        if out and (out[-1], piece) == pair:
            out[-1] += piece
        else:
            out.append(piece)
    return tuple(out)
