"""Models that read with an encoder and write with a decoder (T5, FLAN-T5), over llama.cpp.

Runs in the model's process; the library comes in as an argument, as for
`assistant.llamacpp_engine`, of which `EncoderDecoderEngine` is a kind. Such a model
has no chat template and no turns: system and user texts are one text, its end marked. The whole
prompt goes through the encoder at once, each token seeing all others, so nothing of it can be
reused for another question and nothing may be cut off; its tokens take no room in the context,
which the decoder's answer has to itself. One answer at a time: a context holds what the encoder
made of one prompt only, and the next prompt's takes its place.

llama.cpp ends the process, rather than reporting an error, if a prompt is longer than `n_ubatch` or
if the decoder is asked before the encoder was. Both are made impossible here: `encode` is the only
place that tells the token with which an answer begins.

Figures beside transformers: docs/encoders.md, `benchmarks/t5_engine.py`.
"""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assistant.chat_format import Chosen
from assistant.errors import PromptTooLong
from assistant.llamacpp_engine import Aborted, Engine, Entry, Unusable
from assistant.template import Prompt, Vocabulary, inert

WINDOW = 512  # tokens of prompt and of answer; what T5 was trained on
CHAT_FORMAT = "t5"  # the name under which prompts without turns are recorded
_F32 = 0  # enum ggml_type of ggml.h
_NO_FLASH = 0  # enum llama_flash_attn_type of llama.h
_STORE_ROOM = 256  # bytes for a metadata value, longer than any number


class UnusableModel(Exception):
    """The model is not one that is known here; `str()` says why in a few words."""


class EncodingAborted(Exception):
    """The encoder was stopped by the context's abort callback; nothing was read."""


def is_encoder_decoder(lib: Any, model: Any) -> bool:
    """Whether a loaded model has both halves; with an encoder alone it writes nothing."""
    return bool(lib.llama_model_has_encoder(model) and lib.llama_model_has_decoder(model))


def window_of(lib: Any, model: Any, asked: int) -> int:
    """Tokens that a prompt may have, and as many the answer: what is asked for, but no more than
    the model was trained on.

    T5's files name the 512 of its training or, the later ones, none; distances beyond 128 tokens
    are all one to it. So `asked` holds where nothing is named.
    """
    trained = int(lib.llama_model_n_ctx_train(model))
    return min(asked, trained) if trained > 0 else asked


def shape_context(params: Any, window: int) -> None:
    """Set what this kind of model needs in llama.cpp's context parameters.

    One sequence; a batch that holds the whole prompt; no flash attention, which goes through half
    precision. Evaluated tokens are kept in float32: T5 does not scale its attention down, so that
    rounding them moves its logits by 1e-2 instead of 1e-5, and a window of 512 is small.
    """
    params.n_ctx = params.n_batch = params.n_ubatch = window
    params.n_seq_max = 1
    params.flash_attn_type = _NO_FLASH
    params.type_k = params.type_v = _F32


@dataclass(frozen=True, slots=True)
class PlainFrame:
    """The prompt of a model without turns: both texts, a blank line between, and the end token.

    Fills as `assistant.template.Frame` does. `unknown` is the token for what the vocabulary cannot
    spell; it stays in the prompt, as the model was trained with it.
    """

    end: int
    unknown: int

    @property
    def controls(self) -> frozenset[int]:
        """None beside those that the vocabulary says are."""
        return frozenset()

    def fill(self, system: str, user: str, vocabulary: Vocabulary) -> Prompt:
        """The prompt with both texts in it, surrounding white space removed from each. A control
        token spelled out in a text is only ever text. Nothing is `fixed`."""
        text = "\n\n".join(part for part in (system.strip(), user.strip()) if part)
        tokens = self.tokens(text, vocabulary)
        return Prompt(text + vocabulary.spelling(self.end), (*tokens, self.end), 0)

    def tokens(self, text: str, vocabulary: Vocabulary) -> list[int]:
        """`text` as tokens that all stand for text, or for what cannot be spelled."""
        return inert(text, _KnowsUnknown(vocabulary, self.unknown))


class _KnowsUnknown:
    """A `Vocabulary` for which the unknown token is text, not control."""

    def __init__(self, vocabulary: Vocabulary, unknown: int) -> None:
        self._unknown = unknown
        self._vocabulary = vocabulary
        self.tokenize = vocabulary.tokenize
        self.spelling = vocabulary.spelling
        self.strips = vocabulary.strips
        self.opening = vocabulary.opening

    def is_control(self, token: int) -> bool:
        return token != self._unknown and self._vocabulary.is_control(token)


def frame_of(lib: Any, model: Any) -> PlainFrame:
    """How a model's prompts are made. Raises UnusableModel."""
    end = int(lib.llama_vocab_eos(lib.llama_model_get_vocab(model)))
    if end < 0:
        raise UnusableModel("it names no token for where a text ends")
    return PlainFrame(end, _number(lib, model, "tokenizer.ggml.unknown_token_id", -1))


class EncoderDecoder:
    """One encoder-decoder model with one context that was opened as `shape_context` says.

    `window` is how many tokens a prompt may have, its end included, `room` how many an answer.
    """

    def __init__(self, lib: Any, model: Any, context: Any) -> None:
        """Raises UnusableModel."""
        self._lib, self._context = lib, context
        self._memory = lib.llama_get_memory(context)
        vocab = lib.llama_model_get_vocab(model)
        self._start = int(lib.llama_model_decoder_start_token(model))
        if self._start < 0:
            self._start = int(lib.llama_vocab_bos(vocab))
        if self._start < 0:
            raise UnusableModel("it names no token for where an answer begins")
        self.frame = frame_of(lib, model)
        self.window = int(lib.llama_n_ubatch(context))
        self.room = int(lib.llama_n_ctx_seq(context)) - 1  # one is the token it begins with
        self.scale = logit_scale(lib, model)

    def encode(self, tokens: Sequence[int]) -> int:
        """Read a whole prompt. Returns the token that the decoder is given first, at position 0.

        What the context held of another answer is cleared before. The context's abort callback is
        honoured if one is set.

        Raises PromptTooLong before anything is evaluated, EncodingAborted, or RuntimeError if
        llama.cpp cannot.
        """
        if not tokens:
            raise ValueError("a prompt has at least its end")
        if len(tokens) > self.window:
            raise PromptTooLong(len(tokens), self.window)
        lib = self._lib
        lib.llama_memory_clear(self._memory, True)
        batch = lib.llama_batch_init(len(tokens), 0, 1)
        try:
            batch.n_tokens = len(tokens)
            for position, token in enumerate(tokens):
                batch.token[position] = token
                batch.pos[position] = position
                batch.n_seq_id[position] = 1
                batch.seq_id[position][0] = 0
                batch.logits[position] = True  # the decoder looks at every one
            status = lib.llama_encode(self._context, batch)
        finally:
            lib.llama_batch_free(batch)
        if status == 2:
            raise EncodingAborted
        if status != 0:
            raise RuntimeError(f"llama_encode ended with {status}")
        return self._start


class EncoderDecoderEngine(Engine):
    """An `Engine` over a model of both halves: one sequence, which the decoder's tokens have to
    themselves, in float32. A prompt has to be given to `encode` before anything is evaluated."""

    def __init__(self, lib: Any, model: Any, order: dict[str, Any]) -> None:
        super().__init__(lib, model, order | {"sequences": 1})
        try:
            self._reader = EncoderDecoder(lib, model, self._context)
        except UnusableModel as error:
            raise Unusable(str(error)) from error

    @property
    def room(self) -> int:
        return self._reader.room + 1

    def text_tokens(self, text: str) -> list[int]:
        return self._reader.frame.tokens(text, self.vocab)

    def _formats(self, asked: str) -> tuple[str, ...]:
        return ("f32",)

    def _shape_context(self, params: Any, kind: str) -> None:
        shape_context(params, self.context)

    def _template(self, order: dict[str, Any]) -> tuple[Chosen, PlainFrame]:
        asked = order["chat_format"]
        if asked not in ("", CHAT_FORMAT):
            raise Unusable(f"it knows no turns, so that the chat format {asked} cannot be applied")
        try:
            frame = frame_of(self.lib, self._model)
        except UnusableModel as error:
            raise Unusable(str(error)) from error

        def render(system: str, user: str) -> str:
            return frame.fill(system, user, self.vocab).text

        said = {"chat format": CHAT_FORMAT, "text": render("{system}", "{user}")}
        return Chosen(
            CHAT_FORMAT, json.dumps(said, ensure_ascii=False, sort_keys=True), render
        ), frame

    def encode(self, tokens: Sequence[int], unwanted: Callable[[], bool]) -> int:
        """Read a whole prompt of at most `context` tokens. Returns the token to evaluate first.
        `unwanted` is asked meanwhile and gives it up.

        Raises Aborted, or RuntimeError if llama.cpp cannot.
        """
        self._listen(unwanted)
        try:
            return self._reader.encode(tokens)
        except EncodingAborted as error:
            raise Aborted from error

    def evaluate(self, entries: Sequence[Entry], unwanted: Callable[[], bool] | None) -> None:
        super().evaluate(entries, unwanted)
        if self._reader.scale == 1.0:
            return
        for index, entry in enumerate(entries):
            if entry.wanted:
                # In llama.cpp's own memory, from which its samplers take them as well.
                self.logits(index)[:] *= np.float32(self._reader.scale)


def engine_of(lib: Any, model: Any, order: dict[str, Any]) -> Engine:
    """The engine for a loaded model. Raises Unusable."""
    kind = EncoderDecoderEngine if is_encoder_decoder(lib, model) else Engine
    return kind(lib, model, order)


def logit_scale(lib: Any, model: Any) -> float:
    """What llama.cpp's logits have to be multiplied by to be the model's; greedy choice aside.

    The first T5 uses its embeddings as output layer and divides by the root of their width before;
    llama.cpp (0.5.0-dev) leaves that division out. Later ones (T5 1.1, FLAN-T5, mT5) have an output
    layer of their own and no division. Which it is shows in the number of weights, quantized or
    not: with its own output layer a file holds as many more as there are embeddings.

    Raises UnusableModel if the weights are not those of a T5 of the stated shape.
    """

    def number(key: str, default: int | None = None) -> int:
        return _number(lib, model, f"t5.{key}", default)

    width = int(lib.llama_model_n_embd(model))
    heads, forward = number("attention.head_count"), number("feed_forward_length")
    encoder = number("block_count")
    decoder = number("decoder_block_count", encoder)
    words = int(lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(model)))
    attention = width + 4 * width * heads * number("attention.key_length")
    plain = width + 2 * width * forward  # a gate takes as much as one of its two matrices
    embeddings, gates = words * width, (encoder + decoder) * width * forward
    layers = encoder * (attention + plain) + decoder * (2 * attention + plain)
    more = int(lib.llama_model_n_params(model)) - embeddings - layers - 2 * width
    table = heads * number("attention.relative_buckets_count")
    tables = range(2 * table, (encoder + 2 * decoder) * table + 1, table)  # in one layer or in all
    fitting = {
        own
        for own in (0, 1)
        for gated in (0, 1)
        if more - own * embeddings - gated * gates in tables
    }
    if len(fitting) != 1:
        raise UnusableModel("its weights are not those of a T5 of the shape that it states")
    return 1.0 if fitting == {1} else float(width**-0.5)


def _number(lib: Any, model: Any, key: str, default: int | None = None) -> int:
    """A whole number of the file's metadata. Raises UnusableModel without it or a default."""
    store = ctypes.create_string_buffer(_STORE_ROOM)
    if lib.llama_model_meta_val_str(model, key.encode(), store, _STORE_ROOM) >= 0:
        try:
            return int(store.value)
        except ValueError:
            raise UnusableModel(f"{key} is no whole number") from None
    if default is None:
        raise UnusableModel(f"it does not state {key}")
    return default
