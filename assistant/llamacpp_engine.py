"""A model in llama.cpp and its context of several sequences. Runs in the model's process.

The library comes in as an argument (`assistant.llamacpp_child` is what imports it). llama.cpp's own
C functions are used rather than the binding's `Llama` class, which serves one call at a time and
reuses the longest prefix that two prompts share, whoever asked: with it, how soon an answer begins
tells one person what another was shown. What is evaluated when, and for whom, is decided in
`assistant.llamacpp_batch`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from assistant import chat_format
from assistant.chat_format import Chosen
from assistant.llamacpp_tokens import Tokens
from assistant.template import Prompt, UnusableTemplate, Vocabulary, cut, inert
from assistant.threads import Threads

BATCH = 512  # tokens evaluated at once, at most
OUTPUTS = 16  # tokens of a batch of which is asked what follows, where that is more than one each
_F16, _Q8_0 = 1, 8  # enum ggml_type of ggml.h
_NO_FLASH, _FLASH = 0, 1  # enum llama_flash_attn_type of llama.h

Logits = NDArray[np.float32]


class Unusable(Exception):
    """The model cannot be used; `str()` says why in a few words."""


class Aborted(Exception):
    """An evaluation was given up because nobody wants it any longer."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One token of a batch: `position` counts from 0 within its `sequence`; `wanted`: what follows
    it is asked for, so that `Engine.logits` can give it."""

    token: int
    position: int
    sequence: int
    wanted: bool


class PromptFrame(Protocol):
    """Makes prompts: `assistant.template.Frame`, or `assistant.seq2seq.PlainFrame`."""

    @property
    def controls(self) -> frozenset[int]:
        """Tokens that no text may hold, besides the vocabulary's control tokens."""
        ...

    def fill(self, system: str, user: str, vocabulary: Vocabulary) -> Prompt: ...


def load_model(lib: Any, order: dict[str, Any]) -> Any:
    """Load the model that a `load` frame names. Raises Unusable."""
    lib.llama_backend_init()
    params = lib.llama_model_default_params()
    params.n_gpu_layers = order["gpu_layers"] if lib.llama_supports_gpu_offload() else 0
    # llama.cpp's AMX kernels crash when compiled by some GCCs (ggml-org/llama.cpp#20824:
    # half of the tile configuration is stored too late); without them it takes AVX-512's.
    params.use_extra_bufts = b"AMX_INT8 = 1" not in lib.llama_print_system_info()
    model = lib.llama_model_load_from_file(order["path"].encode(), params)
    if not model:
        raise Unusable("llama.cpp cannot load it")
    if not lib.llama_model_has_decoder(model):
        raise Unusable("it does not write text")
    return model


class Engine:
    """A loaded model and one context of `sequences` sequences that know nothing of each other.

    Each has its own store of evaluated tokens (`kv_unified` off), so that what one holds is neither
    read nor scanned for another. With f16 numbers and without flash attention a sequence's logits
    on a CPU do not depend, to the last bit, on what else is evaluated, as long as what is read and
    what is written are kept apart (see `assistant.llamacpp_batch`); `exact` says whether that was
    found to be so here.
    """

    def __init__(self, lib: Any, model: Any, order: dict[str, Any]) -> None:
        """Take a model of `load_model` and open its context as the `load` frame says.

        Raises Unusable.
        """
        self.lib, self._model = lib, model
        self.offloads = bool(lib.llama_supports_gpu_offload())
        self.vocab = Tokens(lib, lib.llama_model_get_vocab(self._model))
        self.words = len(self.vocab)
        self.chosen, self.frame = self._template(order)
        trained = lib.llama_model_n_ctx_train(self._model)
        self.context = min(order["context"], trained) if trained > 0 else order["context"]
        self.sequences = order["sequences"]
        layers = lib.llama_model_n_layer(self._model) + 1
        asked = order["gpu_layers"]
        self.gpu_layers = (layers if asked < 0 else min(asked, layers)) if self.offloads else 0
        self._context, self.kv_cache = self._open_context(order)
        self._memory = lib.llama_get_memory(self._context)
        self._batch = lib.llama_batch_init(BATCH, 0, 1)
        self._threads = Threads(order["threads"]) if order.get("spare_cores") else None
        self._threads_used = order["threads"]
        self._listening = False
        self._unwanted: Callable[[], bool] = lambda: False
        self._abort = lib.ggml_abort_callback(lambda _: self._unwanted())
        self._no_abort = ctypes.cast(0, lib.ggml_abort_callback)
        self.exact = self.gpu_layers == 0 and self._finds_itself_exact()

    @property
    def room(self) -> int:
        """How many tokens a sequence can hold."""
        return int(self.context)

    def text_tokens(self, text: str) -> list[int]:
        """`text` as tokens that all stand for text."""
        return inert(text, self.vocab, self.frame.controls)

    def _open_context(self, order: dict[str, Any]) -> tuple[Any, str]:
        """The context and the number format of what it holds."""
        for kind in self._formats(order["kv_cache"]):
            params = self.lib.llama_context_default_params()
            params.n_threads = params.n_threads_batch = order["threads"]
            self._shape_context(params, kind)
            context = self.lib.llama_init_from_model(self._model, params)
            if context:
                return context, kind
        raise Unusable("there is not enough memory for its context")

    def _formats(self, asked: str) -> tuple[str, ...]:
        """The number formats to try, one after the other."""
        wanted = ("q8_0" if self.gpu_layers else "f16") if asked == "auto" else asked
        # Not every head size can be held in blocks of 32: then as f16.
        return tuple(dict.fromkeys((wanted, "f16")))

    def _shape_context(self, params: Any, kind: str) -> None:
        """Set what this engine needs in llama.cpp's context parameters."""
        params.n_ctx = self.context * self.sequences
        params.n_seq_max = self.sequences
        params.kv_unified = False
        params.n_batch = params.n_ubatch = BATCH
        params.n_outputs_max = max(self.sequences, OUTPUTS)
        params.type_k = params.type_v = _Q8_0 if kind == "q8_0" else _F16
        flash = kind == "q8_0" or self.gpu_layers > 0
        params.flash_attn_type = _FLASH if flash else _NO_FLASH

    def _template(self, order: dict[str, Any]) -> tuple[Chosen, PromptFrame]:
        own: bytes | None = self.lib.llama_model_chat_template(self._model, None)
        try:
            chosen = chat_format.choose(
                self._architecture(),
                own.decode(errors="replace") if own else "",
                self.vocab,
                self._apply,
                wanted=order["chat_format"],
                thinking=order["thinking"],
            )
            frame = cut(chosen.render, self.vocab)
        except UnusableTemplate as error:
            raise Unusable(str(error)) from error
        for mark in chosen.thinking or ():
            tokens = self.vocab.tokenize(mark, control=True)
            if len(tokens) == 1:
                self.vocab.spoken[tokens[0]] = mark.encode()
        return chosen, frame

    def _architecture(self) -> str:
        buffer = ctypes.create_string_buffer(256)
        self.lib.llama_model_meta_val_str(self._model, b"general.architecture", buffer, len(buffer))
        return buffer.value.decode(errors="replace")

    def _apply(self, template: str, system: str, user: str) -> str | None:
        """The template's rendering by llama.cpp, which recognises templates and runs none."""
        kind, written = self.lib.llama_chat_message, template.encode()
        chat = (kind * 2)(kind(b"system", system.encode()), kind(b"user", user.encode()))
        size = self.lib.llama_chat_apply_template(written, chat, 2, True, None, 0)
        if size < 0:
            return None
        buffer = ctypes.create_string_buffer(size + 1)
        self.lib.llama_chat_apply_template(written, chat, 2, True, buffer, size + 1)
        return buffer.raw[:size].decode(errors="replace")

    def evaluate(self, entries: Sequence[Entry], unwanted: Callable[[], bool] | None) -> None:
        """Evaluate one batch of at most BATCH tokens. `unwanted` is asked meanwhile and gives it
        up; then every sequence of the batch must be removed.

        Raises Aborted, or RuntimeError if llama.cpp cannot.
        """
        lib, batch = self.lib, self._batch
        batch.n_tokens = len(entries)
        for index, entry in enumerate(entries):
            batch.token[index] = entry.token
            batch.pos[index] = entry.position
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = entry.sequence
            batch.logits[index] = entry.wanted
        self._listen(unwanted)
        self._spare_cores()
        status = lib.llama_decode(self._context, batch)
        if self._threads is not None:
            self._threads.done()
        if status == 2:
            raise Aborted
        if status != 0:
            raise RuntimeError(f"llama_decode ended with {status}")

    def _listen(self, unwanted: Callable[[], bool] | None) -> None:
        """Let llama.cpp ask `unwanted` while it evaluates."""
        self._unwanted = unwanted or self._unwanted
        # The callback is asked at every step of the computation, a thousand times a token: worth
        # it for a prompt only.
        if self._listening != (unwanted is not None):
            self._listening = not self._listening
            asked = self._abort if self._listening else self._no_abort
            self.lib.llama_set_abort_callback(self._context, asked, None)

    def _spare_cores(self) -> None:
        """Use no more threads than there are cores that nobody else wants."""
        if self._threads is None:
            return
        wanted = self._threads.now()
        if wanted != self._threads_used:
            self.lib.llama_set_n_threads(self._context, wanted, wanted)
            self._threads_used = wanted

    def logits(self, index: int) -> Logits:
        """What follows the entry at `index` of the last batch, one number a token of the
        vocabulary; valid until the next batch."""
        found = self.lib.llama_get_logits_ith(self._context, index)
        view: Logits = np.ctypeslib.as_array(found, (self.words,))
        return view

    def sample(self, sampler: Any, index: int) -> int:
        """The token that a sampler chain takes after the entry at `index`."""
        return int(self.lib.llama_sampler_sample(sampler, self._context, index))

    def keep(self, sequence: int, tokens: int) -> bool:
        """Take back all of a sequence but its first `tokens`; False, and all of it is taken back,
        where the model cannot do that (recurrent ones)."""
        trimmed = tokens and self.lib.llama_memory_seq_rm(self._memory, sequence, tokens, -1)
        if trimmed and self.held(sequence) == tokens:
            return True
        self.lib.llama_memory_seq_rm(self._memory, sequence, -1, -1)
        return tokens == 0

    def held(self, sequence: int) -> int:
        """How many tokens a sequence holds."""
        return int(self.lib.llama_memory_seq_pos_max(self._memory, sequence)) + 1

    def save(self, sequence: int) -> bytes:
        """What a sequence holds, as bytes for `restore`; empty if it cannot be had."""
        size = self.lib.llama_state_seq_get_size(self._context, sequence)
        buffer = (ctypes.c_uint8 * size)()
        written = self.lib.llama_state_seq_get_data(self._context, buffer, size, sequence)
        return bytes(memoryview(buffer)[:written])

    def restore(self, sequence: int, state: bytes) -> bool:
        """Put into an empty sequence what `save` took from any; False if that failed."""
        buffer = (ctypes.c_uint8 * len(state)).from_buffer_copy(state)
        read = self.lib.llama_state_seq_set_data(self._context, buffer, len(state), sequence)
        if not read:
            self.keep(sequence, 0)
        return bool(read)

    def _finds_itself_exact(self) -> bool:
        """Whether a sequence's logits are the same alone and in company. Also warms the model up.

        Kernels that take several rows at once may add in another order than those that take one
        (repacked weights do, on some processors), so it is tried rather than assumed.
        """
        if self.sequences < 2:
            return True
        text = [token % self.words for token in range(300, 316)]
        alone = self._probe(text, (len(text),), company=False)
        return alone == self._probe(text, (5, len(text) - 5), company=True)

    def _probe(self, text: Sequence[int], parts: Sequence[int], *, company: bool) -> list[bytes]:
        """The logits of three tokens written after `text` is read in these parts."""
        last = len(text)
        if company:
            self.evaluate([Entry(t, n, 1, n == last - 1) for n, t in enumerate(text[::-1])], None)
        at = 0
        for length in parts:
            part = range(at, at + length)
            self.evaluate([Entry(text[n], n, 0, n == last - 1) for n in part], None)
            at += length
        found = []
        for step in range(3):
            entries = [Entry(text[step], last + step, 0, wanted=True)]
            if company:
                entries.append(Entry(text[-step], last + step, 1, wanted=True))
            self.evaluate(entries, None)
            found.append(self.logits(0).tobytes())
        for sequence in range(2):
            self.keep(sequence, 0)
        return found
