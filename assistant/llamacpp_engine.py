"""A model in llama.cpp: its tokens, its one context, and how an answer is written.

Runs in the model's process; the library comes in as an argument (`assistant.llamacpp_child` is what
imports it). llama.cpp's own C functions are used rather than the binding's `Llama` class, which
reuses the longest prefix that two prompts share, whoever asked: with it, how soon an answer begins
tells one person what another was shown.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Sequence
from typing import Any

from assistant.model import StopReason
from assistant.pieces import Pieces
from assistant.template import CHATML, CHATML_TOKENS, Frame, Prompt, UnusableTemplate, cut

BATCH = 512  # tokens evaluated at once; also how often a GPU, which cannot be aborted, is asked
PENALTY_WINDOW = 64  # tokens of the answer, never of the prompt, that `repeat_penalty` looks at

# enum llama_token_attr of llama.h
_CONTROL, _UNKNOWN, _USER_DEFINED, _LSTRIP, _RSTRIP = 1 << 3, 1 << 0, 1 << 4, 1 << 7, 1 << 8


class Unusable(Exception):
    """The model cannot be used; `str()` says why in a few words."""


class Aborted(Exception):
    """An evaluation was given up because the answer is no longer wanted."""


class Tokens:
    """`assistant.template.Vocabulary` over a loaded model. Safe from any thread."""

    def __init__(self, lib: Any, vocab: Any) -> None:
        self._lib, self._vocab = lib, vocab
        self._piece = ctypes.create_string_buffer(1024)

    def tokenize(self, text: str, *, control: bool) -> list[int]:
        data = text.encode()
        room = len(data) + 8  # a token is at least a byte, but for an inserted space
        found = (self._lib.llama_token * room)()
        n = self._lib.llama_tokenize(self._vocab, data, len(data), found, room, False, control)
        if n < 0:
            raise RuntimeError(f"llama_tokenize wants room for {-n} tokens, {room} were given")
        return list(found[:n])

    def is_control(self, token: int) -> bool:
        attributes = self._lib.llama_vocab_get_attr(self._vocab, token)
        if attributes & (_CONTROL | _UNKNOWN) or self.ends(token):
            return True
        if not attributes & _USER_DEFINED:
            return False
        # Some vocabularies declare turn markers as words of the user's own.
        spelling = self.spelling(token)
        return spelling.startswith("<") and spelling.endswith(">")

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
        """The bytes that a token of an answer stands for; none for a control token. Not for use
        by several threads."""
        size = len(self._piece)
        n = self._lib.llama_token_to_piece(self._vocab, token, self._piece, size, 0, False)
        if n < 0:
            self._piece = ctypes.create_string_buffer(-n)
            return self.data(token)
        return self._piece.raw[:n]


class Engine:
    """A model and one context. Between two generations the context holds the system prompt's
    evaluation at most: `kept` are its tokens, and all that is reused."""

    def __init__(self, lib: Any, order: dict[str, Any]) -> None:
        """Load as the `load` frame says. Raises Unusable."""
        self._lib = lib
        lib.llama_backend_init()
        self.offloads = bool(lib.llama_supports_gpu_offload())
        params = lib.llama_model_default_params()
        params.n_gpu_layers = order["gpu_layers"] if self.offloads else 0
        # llama.cpp's AMX kernels crash when compiled by some GCCs (ggml-org/llama.cpp#20824:
        # half of the tile configuration is stored too late); without them it takes AVX-512's.
        params.use_extra_bufts = b"AMX_INT8 = 1" not in lib.llama_print_system_info()
        self._model = lib.llama_model_load_from_file(order["path"].encode(), params)
        if not self._model:
            raise Unusable("llama.cpp cannot load it")
        if lib.llama_model_has_encoder(self._model) or not lib.llama_model_has_decoder(self._model):
            raise Unusable("it does not write text")
        self.vocab = Tokens(lib, lib.llama_model_get_vocab(self._model))
        self.frame, self.template = self._template()
        trained = lib.llama_model_n_ctx_train(self._model)
        self.context = min(order["context"], trained) if trained > 0 else order["context"]
        self._context = self._open_context(order["threads"])
        self._memory = lib.llama_get_memory(self._context)
        self._unwanted: Callable[[], StopReason | None] = lambda: None
        self._abort = lib.ggml_abort_callback(lambda _: self._unwanted() is not None)
        self._no_abort = ctypes.cast(0, lib.ggml_abort_callback)
        self.kept: tuple[int, ...] = ()

    def _open_context(self, threads: int) -> Any:
        params = self._lib.llama_context_default_params()
        params.n_ctx = self.context
        params.n_batch = params.n_ubatch = BATCH
        params.n_threads = params.n_threads_batch = threads
        context = self._lib.llama_init_from_model(self._model, params)
        if not context:
            raise Unusable("there is not enough memory for its context")
        return context

    def _template(self) -> tuple[Frame, str]:
        """The model's own chat template if llama.cpp knows it, else ChatML if the model does."""
        own: bytes | None = self._lib.llama_model_chat_template(self._model, None)
        if own is not None and self._apply(own, "", "") is not None:
            chosen = own
        elif all(self._is_one_control(spelling) for spelling in CHATML_TOKENS):
            chosen = CHATML.encode()
        else:
            raise Unusable("llama.cpp does not know its chat template")
        try:
            frame = cut(lambda system, user: self._apply(chosen, system, user) or "", self.vocab)
        except UnusableTemplate as error:
            raise Unusable(str(error)) from error
        return frame, chosen.decode(errors="replace")

    def _is_one_control(self, spelling: str) -> bool:
        tokens = self.vocab.tokenize(spelling, control=True)
        return len(tokens) == 1 and self.vocab.is_control(tokens[0])

    def _apply(self, template: bytes, system: str, user: str) -> str | None:
        """The template's rendering by llama.cpp, which recognises templates and runs none."""
        kind = self._lib.llama_chat_message
        chat = (kind * 2)(kind(b"system", system.encode()), kind(b"user", user.encode()))
        size = self._lib.llama_chat_apply_template(template, chat, 2, True, None, 0)
        if size < 0:
            return None
        buffer = ctypes.create_string_buffer(size + 1)
        self._lib.llama_chat_apply_template(template, chat, 2, True, buffer, size + 1)
        return buffer.raw[:size].decode(errors="replace")

    def generate(
        self,
        prompt: Prompt,
        order: dict[str, Any],
        unwanted: Callable[[], StopReason | None],
        give: Callable[[str], None],
    ) -> dict[str, Any]:
        """Evaluate the prompt and write the answer, giving out its pieces. Returns the fields of
        `assistant.model.Generation` but for the text."""
        self._unwanted = unwanted
        begun = time.monotonic()
        cached = len(self.kept) if self.kept == prompt.tokens[: prompt.fixed] else 0
        written, reason, prefilled = 0, unwanted(), begun
        try:
            if reason is None:
                self._prefill(prompt)
                prefilled = time.monotonic()
                written, reason = self._write(prompt, order, give)
        except Aborted:
            reason = unwanted()
        finally:
            self._forget()
        ended = time.monotonic()
        return {
            "prompt_tokens": len(prompt.tokens),
            "completion_tokens": written,
            "cached_tokens": cached,
            "kept_tokens": self._held(),
            "stop_reason": reason or "cancelled",
            "seconds_prefill": (prefilled if prefilled > begun else ended) - begun,
            "seconds_decode": ended - prefilled if prefilled > begun else 0.0,
        }

    def _prefill(self, prompt: Prompt) -> None:
        # Asked at every step of the computation, a thousand times a token: worth it for a long
        # prompt only. While the answer is written, it is asked between tokens.
        self._lib.llama_set_abort_callback(self._context, self._abort, None)
        fixed = prompt.tokens[: prompt.fixed]
        if self.kept != fixed:
            self._clear()
            # Always evaluated apart from the rest: what is kept must not differ in its last bits
            # from what would be computed anew, or the same question had two answers.
            self._evaluate(fixed)
            self.kept = fixed
        self._evaluate(prompt.tokens[prompt.fixed :])
        self._lib.llama_set_abort_callback(self._context, self._no_abort, None)

    def _write(
        self, prompt: Prompt, order: dict[str, Any], give: Callable[[str], None]
    ) -> tuple[int, StopReason | None]:
        pieces = Pieces(tuple(order["stop"]))
        limit = min(order["max_tokens"], self.context - len(prompt.tokens))
        sampler = self._sampler(order)
        written = 0
        reason: StopReason | None = None
        try:
            while reason is None:
                token = self._lib.llama_sampler_sample(sampler, self._context, -1)
                if self.vocab.ends(token):
                    reason = "stop"
                    break
                written += 1
                give(pieces.push(self.vocab.data(token)))
                reason = "stop" if pieces.stopped else self._unwanted()
                if reason is None and written >= limit:
                    reason = "length"
                if reason is None:
                    self._evaluate((token,))
        except Aborted:
            reason = self._unwanted()
        finally:
            self._lib.llama_sampler_free(sampler)
        give(pieces.finish())
        return written, reason

    def _sampler(self, order: dict[str, Any]) -> Any:
        lib = self._lib
        chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())

        def add(sampler: Any) -> None:
            lib.llama_sampler_chain_add(chain, sampler)

        if order["repeat_penalty"] != 1.0:
            words = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(self._model))
            penalty = order["repeat_penalty"]
            add(lib.llama_sampler_init_penalties(words, PENALTY_WINDOW, penalty, 0.0, 0.0))
        if order["temperature"] == 0.0:
            add(lib.llama_sampler_init_greedy())
            return chain
        if order["top_k"]:
            add(lib.llama_sampler_init_top_k(order["top_k"]))
        if order["top_p"] < 1.0:
            add(lib.llama_sampler_init_top_p(order["top_p"], 1))
        add(lib.llama_sampler_init_temp(order["temperature"]))
        add(lib.llama_sampler_init_dist(order["seed"]))
        return chain

    def _evaluate(self, tokens: Sequence[int]) -> None:
        """Append tokens to the context. Raises Aborted, or RuntimeError if llama.cpp cannot."""
        for start in range(0, len(tokens), BATCH):
            if self._unwanted() is not None:
                raise Aborted
            part = tokens[start : start + BATCH]
            array = (self._lib.llama_token * len(part))(*part)
            batch = self._lib.llama_batch_get_one(array, len(part))
            status = self._lib.llama_decode(self._context, batch)
            if status == 2:
                raise Aborted
            if status != 0:
                raise RuntimeError(f"llama_decode ended with {status}")

    def _forget(self) -> None:
        """Take back everything but the kept system prompt, or all where that cannot be."""
        lib, kept = self._lib, len(self.kept)
        trimmed = kept and lib.llama_memory_seq_rm(self._memory, 0, kept, -1)
        if not trimmed or self._held() != kept:
            self._clear()

    def _clear(self) -> None:
        self.kept = ()
        self._lib.llama_memory_clear(self._memory, False)

    def _held(self) -> int:
        """How many tokens the context holds."""
        return int(self._lib.llama_memory_seq_pos_max(self._memory, 0)) + 1
