"""A T5 of a few thousand weights: made by transformers, written as GGUF, run by llama.cpp.

Two forms, as in the field: `relu` with the output layer tied to the embeddings (the first T5) and
`gated` (gated GELU) with an output layer of its own (T5 1.1, FLAN-T5). Weights are random from a
fixed seed and large enough for answers to wander. Tensor names and keys are those of the package
gguf for the architecture "t5".
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from assistant import seq2seq
from assistant.llamacpp_tokens import Tokens
from assistant.seq2seq import EncoderDecoder

PAD, EOS, UNKNOWN = 0, 1, 2
CONTEXT = 256  # tokens, as the file states it
STEPS = 20  # tokens of an answer
SYSTEM = "Answer the question."
QUESTIONS = (
    "Who must keep the records? They are kept for six years.",
    "What is a fine of up to 90,000?",
)
_SPOKEN = (
    "records are kept for six years after the account is closed who must keep them a fine of up "
    "to answer question from context translate summarize and it what how long"
)
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;?!'\"()<>/-|_\n"
PIECES: tuple[tuple[str, float], ...] = (
    ("<pad>", 0.0),
    ("</s>", 0.0),
    ("<unk>", 0.0),
    ("▁", -2.0),
    *((f"▁{word}", -3.0 - at / 10) for at, word in enumerate(dict.fromkeys(_SPOKEN.split(" ")))),
    *((letter, -8.0 - at / 100) for at, letter in enumerate(_LETTERS)),
)
FORMS = ("relu", "gated")
SEEDS = {"relu": 6, "gated": 6}  # of those tried, answers that repeat themselves least


def build(form: str, seed: int | None = None, **more: Any) -> Any:
    """A `T5ForConditionalGeneration` of the form, ready to be asked; `more` goes to its config."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    torch.manual_seed(SEEDS[form] if seed is None else seed)
    shape = {
        "vocab_size": len(PIECES),
        "d_model": 32,
        "d_kv": 16,
        "d_ff": 64,
        "num_layers": 3,
        "num_decoder_layers": 2,
        "num_heads": 4,
        "relative_attention_num_buckets": 16,
        "relative_attention_max_distance": 128,
        "feed_forward_proj": "relu" if form == "relu" else "gated-gelu",
        "tie_word_embeddings": form == "relu",
        "dropout_rate": 0.0,
        "initializer_factor": 1.5,
        "pad_token_id": PAD,
        "eos_token_id": EOS,
        "decoder_start_token_id": PAD,
    }
    model = T5ForConditionalGeneration(T5Config(**(shape | more)))
    if form == "gated":
        # transformers ties the two whatever the configuration says, unless a file has both.
        own = torch.randn(model.lm_head.weight.shape) * model.config.d_model**-0.5
        model.lm_head.weight = torch.nn.Parameter(own)
    return model.eval()


def tokenizer() -> Any:
    """The `tokenizers.Tokenizer` of the pieces: unigram with a space before the text, as T5's."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    made = Tokenizer(models.Unigram(list(PIECES), unk_id=UNKNOWN))
    made.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    return made


def write(model: Any, path: Path, architecture: str = "t5") -> Path:
    """Write the model and the vocabulary as one GGUF file in float32; of the architecture
    "t5encoder", the encoder alone."""
    from gguf import GGUFWriter, TokenType

    config = model.config
    writer = GGUFWriter(str(path), architecture)
    writer.add_name("tiny t5")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(config.d_model)
    writer.add_feed_forward_length(config.d_ff)
    writer.add_block_count(config.num_layers)
    writer.add_decoder_block_count(config.num_decoder_layers)
    writer.add_head_count(config.num_heads)
    writer.add_key_length(config.d_kv)
    writer.add_value_length(config.d_kv)
    writer.add_layer_norm_eps(config.layer_norm_epsilon)
    writer.add_layer_norm_rms_eps(config.layer_norm_epsilon)
    writer.add_relative_attn_buckets_count(config.relative_attention_num_buckets)
    writer.add_decoder_start_token_id(config.decoder_start_token_id)
    writer.add_file_type(0)
    writer.add_tokenizer_model("t5")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([piece for piece, _ in PIECES])
    writer.add_token_scores([score for _, score in PIECES])
    special = {PAD: TokenType.CONTROL, EOS: TokenType.CONTROL, UNKNOWN: TokenType.UNKNOWN}
    writer.add_token_types([special.get(at, TokenType.NORMAL) for at in range(len(PIECES))])
    writer.add_add_space_prefix(True)
    writer.add_remove_extra_whitespaces(True)
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(True)
    writer.add_eos_token_id(EOS)
    writer.add_unk_token_id(UNKNOWN)
    writer.add_pad_token_id(PAD)
    for name, tensor in tensors(model):
        if architecture == "t5" or not name.startswith("dec."):
            writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


_PARTS = {
    "SelfAttention.q": "attn_q",
    "SelfAttention.k": "attn_k",
    "SelfAttention.v": "attn_v",
    "SelfAttention.o": "attn_o",
    "SelfAttention.relative_attention_bias": "attn_rel_b",
    "EncDecAttention.q": "cross_attn_q",
    "EncDecAttention.k": "cross_attn_k",
    "EncDecAttention.v": "cross_attn_v",
    "EncDecAttention.o": "cross_attn_o",
    "DenseReluDense.wi": "ffn_up",
    "DenseReluDense.wi_0": "ffn_gate",
    "DenseReluDense.wi_1": "ffn_up",
    "DenseReluDense.wo": "ffn_down",
}


def tensors(model: Any) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """Every tensor by its name in a GGUF file, once."""
    yield "token_embd.weight", _array(model.shared.weight)
    if model.lm_head.weight is not model.shared.weight:
        yield "output.weight", _array(model.lm_head.weight)
    for stack, prefix, norms in (
        (model.encoder, "enc", ("attn_norm", "ffn_norm")),
        (model.decoder, "dec", ("attn_norm", "cross_attn_norm", "ffn_norm")),
    ):
        yield f"{prefix}.output_norm.weight", _array(stack.final_layer_norm.weight)
        for at, block in enumerate(stack.block):
            for norm, layer in zip(norms, block.layer, strict=True):
                yield f"{prefix}.blk.{at}.{norm}.weight", _array(layer.layer_norm.weight)
                for name, value in layer.named_parameters():
                    if part := _PARTS.get(name.removesuffix(".weight")):
                        yield f"{prefix}.blk.{at}.{part}.weight", _array(value)


def _array(tensor: Any) -> np.ndarray[Any, Any]:
    return np.ascontiguousarray(tensor.detach().numpy(), np.float32)


class NotLoaded(Exception):
    """llama.cpp does not load the file."""


class Running:
    """A tiny T5 loaded in llama.cpp, beside the same one in transformers."""

    def __init__(
        self,
        form: str,
        path: Path,
        change: Callable[[Any], None] = lambda _params: None,
        **more: Any,
    ) -> None:
        """Writes the file to `path`; `change` alters the context's parameters. Raises NotLoaded."""
        import llama_cpp

        logging.getLogger("llama-cpp-python").setLevel(logging.ERROR)
        self.lib: Any = llama_cpp
        self.torch = build(form, **more)
        self.path = write(self.torch, path)
        params = self.lib.llama_model_default_params()
        params.n_gpu_layers = 0
        params.use_extra_bufts = b"AMX_INT8 = 1" not in self.lib.llama_print_system_info()
        self.model = self.lib.llama_model_load_from_file(str(path).encode(), params)
        if not self.model:
            raise NotLoaded(path.name)
        shape = self.lib.llama_context_default_params()
        seq2seq.shape_context(shape, seq2seq.window_of(self.lib, self.model, 4096))
        shape.n_threads = shape.n_threads_batch = 1
        change(shape)
        self.context = self.lib.llama_init_from_model(self.model, shape)
        self.vocab = Tokens(self.lib, self.lib.llama_model_get_vocab(self.model))
        self.reader = EncoderDecoder(self.lib, self.model, self.context)

    def prompt(self, user: str, system: str = SYSTEM) -> tuple[int, ...]:
        return self.reader.frame.fill(system, user, self.vocab).tokens

    def decode(self, tokens: Sequence[int]) -> np.ndarray[Any, Any]:
        array = (self.lib.llama_token * len(tokens))(*tokens)
        batch = self.lib.llama_batch_get_one(array, len(tokens))
        assert self.lib.llama_decode(self.context, batch) == 0
        found = self.lib.llama_get_logits_ith(self.context, -1)
        return np.ctypeslib.as_array(found, (len(self.vocab),)).copy() * self.reader.scale

    def answer(self, prompt: Sequence[int]) -> tuple[list[int], np.ndarray[Any, Any]]:
        """Greedy tokens and the logits before each, (steps, vocabulary)."""
        token, written, logits = self.reader.encode(prompt), [], []
        for _ in range(STEPS):
            logits.append(self.decode([token]))
            token = int(logits[-1].argmax())
            written.append(token)
        return written, np.stack(logits)

    def expected(self, prompt: Sequence[int]) -> tuple[list[int], np.ndarray[Any, Any]]:
        """The same by transformers, which evaluates everything anew for every token."""
        import torch

        tokens, logits = [PAD], []
        with torch.no_grad():
            read = self.torch.encoder(torch.tensor([list(prompt)]))
            for _ in range(STEPS):
                given = torch.tensor([tokens])
                found = self.torch(encoder_outputs=read, decoder_input_ids=given).logits[0, -1]
                logits.append(found.numpy())
                tokens.append(int(found.argmax()))
        return tokens[1:], np.stack(logits)

    def written(self, user: str) -> str:
        """The text of transformers' answer."""
        return b"".join(map(self.vocab.data, self.expected(self.prompt(user))[0])).decode()

    def likelihood(self, user: str, text: str) -> list[float]:
        """The log-probability that transformers gives to each token of `text` as an answer."""
        import torch

        tokens = self.vocab.tokenize(text, control=False)
        with torch.no_grad():
            read = torch.tensor([list(self.prompt(user))])
            found = self.torch(input_ids=read, decoder_input_ids=torch.tensor([[PAD, *tokens]]))
            shares = torch.log_softmax(found.logits[0], dim=-1)
        return [float(shares[at, token]) for at, token in enumerate(tokens)]

    def close(self) -> None:
        self.lib.llama_free(self.context)
        self.lib.llama_model_free(self.model)
