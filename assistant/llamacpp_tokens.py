"""The tokens of a model loaded in llama.cpp. Runs in the model's process."""

from __future__ import annotations

import ctypes
from typing import Any

# enum llama_token_attr of llama.h
_CONTROL, _UNKNOWN, _USER_DEFINED, _LSTRIP, _RSTRIP = 1 << 3, 1 << 0, 1 << 4, 1 << 7, 1 << 8


class Tokens:
    """`assistant.template.Vocabulary` over a loaded model. Safe from any thread but for `data`."""

    def __init__(self, lib: Any, vocab: Any) -> None:
        self._lib, self._vocab = lib, vocab
        self.handle = vocab
        self._piece = ctypes.create_string_buffer(1024)
        self.spoken: dict[int, bytes] = {}  # control tokens that are shown as text all the same

    def __len__(self) -> int:
        return int(self._lib.llama_vocab_n_tokens(self._vocab))

    def tokenize(self, text: str, *, control: bool) -> list[int]:
        data = text.encode()
        room = len(data) + 8  # mostly a token is at least a byte, but for an inserted space
        while True:
            found = (self._lib.llama_token * room)()
            n = self._lib.llama_tokenize(self._vocab, data, len(data), found, room, False, control)
            if n >= 0:
                return list(found[:n])
            room = -n  # a vocabulary that spells a space in three bytes, each a token

    def is_control(self, token: int) -> bool:
        attributes = self._lib.llama_vocab_get_attr(self._vocab, token)
        if attributes & (_CONTROL | _UNKNOWN) or self.ends(token):
            return True
        if not attributes & _USER_DEFINED:
            return False
        # Some vocabularies declare turn markers as words of the user's own.
        spelling = self.spelling(token)
        return (spelling[:1], spelling[-1:]) in (("<", ">"), ("[", "]"))

    def spelling(self, token: int) -> str:
        text: bytes = self._lib.llama_vocab_get_text(self._vocab, token)
        return text.decode(errors="replace")

    def strips(self, token: int) -> tuple[bool, bool]:
        attributes = self._lib.llama_vocab_get_attr(self._vocab, token)
        return bool(attributes & _LSTRIP), bool(attributes & _RSTRIP)

    def opening(self) -> list[int]:
        wanted = self._lib.llama_vocab_get_add_bos(self._vocab)
        return [self._lib.llama_vocab_bos(self._vocab)] if wanted else []

    def ends(self, token: int) -> bool:
        """Whether the model says with this token that its answer is complete."""
        return bool(self._lib.llama_vocab_is_eog(self._vocab, token))

    def data(self, token: int) -> bytes:
        """The bytes that a token of an answer stands for; none for a control token that is not
        among `spoken`. Not for use by several threads."""
        if token in self.spoken:
            return self.spoken[token]
        size = len(self._piece)
        n = self._lib.llama_token_to_piece(self._vocab, token, self._piece, size, 0, False)
        if n < 0:
            self._piece = ctypes.create_string_buffer(-n)
            return self.data(token)
        return self._piece.raw[:n]
