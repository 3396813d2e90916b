"""A stand-in for llama.cpp's tokenizers over the tiny vocabularies, where no model is loaded."""

from __future__ import annotations

import re

from gguf import TokenType

from tests.assistant.tiny_vocab import Vocab

_TEXT = (TokenType.NORMAL, TokenType.BYTE)


class Longest:
    """A vocabulary that takes the longest token each time: joins what stands beside each other as
    real ones do, by simpler rules."""

    def __init__(self, vocab: Vocab) -> None:
        self._vocab = vocab
        self.tokens = vocab.tokens
        self._numbers = {text: number for number, text in enumerate(vocab.tokens)}
        special = [t for t in vocab.tokens if vocab.types[self._numbers[t]] not in _TEXT]
        words = [t for t in special if vocab.types[self._numbers[t]] == TokenType.USER_DEFINED]
        self._special, self._words = _either(special), _either(words)
        self._longest = max(map(len, vocab.tokens))

    def tokenize(self, text: str, *, control: bool) -> list[int]:
        out: list[int] = []
        whole = self._special if control else self._words
        for piece in whole.split(text):
            if whole.fullmatch(piece):
                out.append(self._numbers[piece])
            elif piece:
                out += self.text(piece)
        return out

    def text(self, text: str) -> list[int]:
        """The tokens of a text in which no whole token is read; bytes that the vocabulary does not
        list come out as its first token."""
        if self._vocab.model == "llama":
            text = f"{' ' if self._vocab.space_prefix else ''}{text}".replace(" ", "▁")
        else:
            text = text.replace(" ", "Ġ").replace("\n", "Ċ")
        out: list[int] = []
        while text:
            size = next(
                n for n in range(self._longest, -1, -1) if text[:n] in self._numbers or n < 2
            )
            if text[:size] in self._numbers:
                out.append(self._numbers[text[:size]])
                text = text[size:]
            else:
                out += [self._numbers.get(f"<0x{byte:02X}>", 0) for byte in text[0].encode()]
                text = text[1:]
        return out

    def is_control(self, token: int) -> bool:
        kind, text = self._vocab.types[token], self.tokens[token]
        if kind == TokenType.USER_DEFINED:
            return text.startswith("<") and text.endswith(">")
        return kind in (TokenType.CONTROL, TokenType.UNKNOWN)

    def spelling(self, token: int) -> str:
        return self.tokens[token]

    def strips(self, token: int) -> tuple[bool, bool]:
        return False, False

    def opening(self) -> list[int]:
        return [self._vocab.bos] if self._vocab.add_bos and self._vocab.bos is not None else []


def _either(texts: list[str]) -> re.Pattern[str]:
    ordered = sorted(texts, key=len, reverse=True)
    return re.compile(f"({'|'.join(map(re.escape, ordered)) or '(?!)'})")
