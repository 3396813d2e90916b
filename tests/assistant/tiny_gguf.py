"""Tiny models of the families that Cloister serves, as real GGUF files.

`build(path, family)` writes a file that llama.cpp loads in milliseconds: the family's architecture
with every tensor that llama.cpp demands of it, weights drawn from a seed, and a vocabulary of some
six hundred tokens with the family's own control tokens. What such a model writes means nothing; its
prompts, memory, speed of loading and faults are as real as a large one's.

    build(tmp_path / "m.gguf", "mixtral")                      # as its publisher ships it
    build(tmp_path / "m.gguf", "phi-3", template=None)         # without a chat template
    build(tmp_path / "m.gguf", "llama-2", layers=8, weights="q8_0", context=8192)

FAMILIES lists the names. Weights are the same for the same family, dimensions and seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType
from gguf.quants import quantize

from tests.assistant.tiny_templates import TEMPLATES
from tests.assistant.tiny_vocab import Special, Vocab, bytelevel, sentencepiece

Weights = Literal["f32", "f16", "q8_0"]

_FILE_TYPES = {
    "f32": (GGMLQuantizationType.F32, LlamaFileType.ALL_F32),
    "f16": (GGMLQuantizationType.F16, LlamaFileType.MOSTLY_F16),
    "q8_0": (GGMLQuantizationType.Q8_0, LlamaFileType.MOSTLY_Q8_0),
}


@dataclass(frozen=True, slots=True)
class Shape:
    """A model's dimensions, as GGUF names them. `experts` 0: no mixture of experts. `rotated` is
    how many of a head's numbers turn with the position, 0: all. `tied`: the output matrix is the
    embedding's. `factors` names tensors that scale the turning, as long contexts need."""

    architecture: str
    layers: int = 2
    embedding: int = 64
    heads: int = 2
    kv_heads: int = 2
    head: int = 32
    feed_forward: int = 128
    context: int = 2048
    experts: int = 0
    experts_used: int = 0
    rotated: int = 0
    tied: bool = False
    factors: tuple[str, ...] = ()


def _controls(*texts: str) -> tuple[Special, ...]:
    return tuple(map(Special, texts))


def _llama_2(after: tuple[Special, ...] = ()) -> Vocab:
    return sentencepiece(_controls("<unk>", "<s>", "</s>"), after)


def _llama_3() -> Vocab:
    turns = ("<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>")
    tokens = ("<|begin_of_text|>", "<|end_of_text|>", "<|finetune_right_pad_id|>", *turns)
    return bytelevel(
        "llama-bpe",
        _controls(*tokens, "<|python_tag|>"),
        bos="<|begin_of_text|>",
        eos="<|eot_id|>",
        add_bos=True,
    )


def _mistral_3() -> Vocab:
    tools = ("[TOOL_CALLS]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]")
    before = ("<unk>", "<s>", "</s>", "[INST]", "[/INST]", *tools, "[/TOOL_RESULTS]")
    return sentencepiece(_controls(*before))


def _mistral_nemo() -> Vocab:
    after = _controls("<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]")
    return bytelevel("tekken", after, bos="<s>", eos="</s>", add_bos=True)


def _phi_2() -> Vocab:
    # Runs of spaces are words of their own there.
    spaces = tuple(Special(" " * n, words=True) for n in range(2, 9))
    after = (*_controls("<|endoftext|>"), *spaces)
    return bytelevel("phi-2", after, bos="<|endoftext|>", eos="<|endoftext|>")


def _phi_3() -> Vocab:
    after = ("<|endoftext|>", "<|assistant|>", "<|placeholder1|>", "<|system|>", "<|end|>")
    vocab = _llama_2(_controls(*after, "<|user|>"))
    return replace(vocab, eos=vocab.tokens.index("<|endoftext|>"))


def _phi_4_mini() -> Vocab:
    after = ("<|endoftext|>", "<|assistant|>", "<|end|>", "<|user|>", "<|system|>", "<|tool|>")
    return bytelevel("gpt-4o", _controls(*after), bos="<|endoftext|>", eos="<|end|>")


def _qwen(*words: str) -> Vocab:
    after = _controls("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_pad|>")
    after += tuple(Special(word, words=True) for word in ("<tool_call>", "</tool_call>", *words))
    return bytelevel("qwen2", after, eos="<|im_end|>", pad="<|endoftext|>")


def _gemma() -> Vocab:
    before = _controls("<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<unused0>")
    before += (*_controls("<start_of_turn>", "<end_of_turn>"), Special("<table>", words=True))
    return sentencepiece(
        before,
        bos="<bos>",
        eos="<end_of_turn>",
        pad="<pad>",
        space_prefix=False,
        newline_pieces=True,
    )


def _smollm2() -> Vocab:
    after = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>", "<file_sep>")
    return bytelevel("smollm", _controls(*after), bos="<|im_start|>", eos="<|im_end|>")


def _deepseek() -> Vocab:
    after = _controls(
        "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>"
    )
    after += (Special("<think>", words=True), Special("</think>", words=True))
    return bytelevel(
        "llama-bpe",
        after,
        bos="<｜begin▁of▁sentence｜>",
        eos="<｜end▁of▁sentence｜>",
        add_bos=True,
    )


_GROUPED = Shape("llama", kv_heads=1)
_LLAMA_31 = replace(_GROUPED, factors=("rope_freqs",))
_PHI_4_MINI = Shape(
    "phi3", kv_heads=1, rotated=24, tied=True, factors=("rope_factors_long", "rope_factors_short")
)
# Appended tokens were declared as words by the converters of its day.
_ORCA = tuple(Special(text, words=True) for text in ("[PAD]", "<|im_start|>", "<|im_end|>"))

_FAMILIES: dict[str, tuple[Shape, Vocab]] = {
    "phi-2": (Shape("phi2"), _phi_2()),
    "phi-3": (Shape("phi3"), _phi_3()),
    "phi-4-mini": (_PHI_4_MINI, _phi_4_mini()),
    "llama-2": (Shape("llama"), _llama_2()),
    "codellama": (Shape("llama"), _llama_2()),
    "orca-2": (Shape("llama"), _llama_2(_ORCA)),
    "llama-3.1": (_LLAMA_31, _llama_3()),
    "llama-3.2": (replace(_LLAMA_31, tied=True), _llama_3()),
    "mistral-v0.1": (_GROUPED, _llama_2()),
    "mistral-v0.2": (_GROUPED, _llama_2()),
    "mistral-v0.3": (_GROUPED, _mistral_3()),
    "mistral-nemo": (_GROUPED, _mistral_nemo()),
    "mixtral": (replace(_GROUPED, experts=8, experts_used=2), _llama_2()),
    "qwen2.5": (Shape("qwen2", kv_heads=1, tied=True), _qwen()),
    "qwen3": (Shape("qwen3", kv_heads=1), _qwen("<think>", "</think>")),
    "gemma-3": (Shape("gemma3", kv_heads=1, tied=True), _gemma()),
    "smollm2": (replace(_GROUPED, tied=True), _smollm2()),
    "deepseek-r1": (_GROUPED, _deepseek()),
}
FAMILIES = tuple(_FAMILIES)
OWN_TEMPLATE = "own"  # the template that the family's publisher ships, as far as it ships one


def shape(family: str, **dimensions: Any) -> Shape:
    """The dimensions that `build` gives the family, some of them changed."""
    return replace(_FAMILIES[family][0], **dimensions)


def vocabulary(family: str) -> Vocab:
    """The family's small vocabulary."""
    return _FAMILIES[family][1]


def build(
    path: Path,
    family: str,
    *,
    template: str | None = OWN_TEMPLATE,
    weights: Weights = "f16",
    seed: int = 0,
    **dimensions: Any,
) -> Path:
    """Write a model of `family` to `path` and give the path back.

    `template` is the text of `tokenizer.chat_template`, None: the file has none. `weights` is the
    number format of the matrices (rows of 32 for q8_0; norms stay f32; with f32 llama.cpp's sums
    depend on what else is computed with them, so that `ModelInfo.exact` is False). `dimensions`
    are fields of Shape, such as `layers=4`. Raises KeyError for a family that is not listed.
    """
    size, vocab = shape(family, **dimensions), vocabulary(family)
    kind, file_type = _FILE_TYPES[weights]
    writer = GGUFWriter(path, size.architecture)
    writer.add_name(f"tiny {family}")
    writer.add_file_type(file_type)
    _add_shape(writer, size, len(vocab.tokens))
    _add_vocabulary(writer, vocab)
    text = TEMPLATES.get(family) if template == OWN_TEMPLATE else template
    if text is not None:
        writer.add_chat_template(text)
    random = np.random.default_rng(seed)
    for name, dims in _tensors(size, len(vocab.tokens)):
        _add_tensor(writer, name, dims, kind, random)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_shape(writer: GGUFWriter, size: Shape, words: int) -> None:
    writer.add_vocab_size(words)
    writer.add_block_count(size.layers)
    writer.add_context_length(size.context)
    writer.add_embedding_length(size.embedding)
    writer.add_feed_forward_length(size.feed_forward)
    writer.add_head_count(size.heads)
    writer.add_head_count_kv(size.kv_heads)
    writer.add_key_length(size.head)
    writer.add_value_length(size.head)
    writer.add_rope_dimension_count(size.rotated or size.head)
    writer.add_rope_freq_base(10_000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    if size.architecture == "phi2":
        writer.add_layer_norm_eps(1e-5)
    if size.architecture == "phi3":
        writer.add_sliding_window(size.context - 1)
        writer.add_rope_scaling_orig_ctx_len(size.context)
    if size.architecture == "gemma3":
        writer.add_sliding_window(512)
    if size.experts:
        writer.add_expert_count(size.experts)
        writer.add_expert_used_count(size.experts_used)


def _add_vocabulary(writer: GGUFWriter, vocab: Vocab) -> None:
    writer.add_tokenizer_model(vocab.model)
    writer.add_tokenizer_pre(vocab.pre)
    writer.add_token_list(list(vocab.tokens))
    writer.add_token_types(list(vocab.types))
    if vocab.scores:
        writer.add_token_scores(list(vocab.scores))
        writer.add_unk_token_id(vocab.tokens.index("<unk>"))
    if vocab.merges:
        writer.add_token_merges(list(vocab.merges))
    if vocab.bos is not None:
        writer.add_bos_token_id(vocab.bos)
    writer.add_eos_token_id(vocab.eos)
    if vocab.pad is not None:
        writer.add_pad_token_id(vocab.pad)
    writer.add_add_bos_token(vocab.add_bos)
    writer.add_add_space_prefix(vocab.space_prefix)


def _add_tensor(
    writer: GGUFWriter,
    name: str,
    dims: tuple[int, ...],
    kind: GGMLQuantizationType,
    random: np.random.Generator,
) -> None:
    """Add weights of shape `dims` (rows last): about as large as keep activations near one."""
    if name.endswith(".bias"):
        data = np.zeros(dims, dtype=np.float32)
    elif len(dims) == 1:  # the scale of a norm or of positions
        data = np.ones(dims, dtype=np.float32)
    else:
        data = random.standard_normal(dims, dtype=np.float32) / np.float32(dims[-1] ** 0.5)
    if len(dims) == 1 or name.endswith("ffn_gate_inp.weight"):
        writer.add_tensor(name, data)
        return
    # From float32 by itself, as llama.cpp's quantizer does.
    writer.add_tensor(name, quantize(data, kind), raw_dtype=kind)


def _tensors(size: Shape, words: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every tensor of the model with its dimensions, rows last (GGUF's order is the reverse)."""
    wide = size.embedding
    yield "token_embd.weight", (words, wide)
    yield "output_norm.weight", (wide,)
    if size.architecture == "phi2":
        yield "output_norm.bias", (wide,)
        yield "output.bias", (words,)
    if not size.tied:
        yield "output.weight", (words, wide)
    for name in size.factors:
        yield f"{name}.weight", ((size.rotated or size.head) // 2,)
    for layer in range(size.layers):
        for name, dims in _LAYERS.get(size.architecture, _llama_layer)(size):
            yield f"blk.{layer}.{name}", dims


def _attention(size: Shape, *, bias: bool = False) -> Iterator[tuple[str, tuple[int, ...]]]:
    for name, heads in (("q", size.heads), ("k", size.kv_heads), ("v", size.kv_heads)):
        yield f"attn_{name}.weight", (heads * size.head, size.embedding)
        if bias:
            yield f"attn_{name}.bias", (heads * size.head,)
    yield "attn_output.weight", (size.embedding, size.heads * size.head)


def _feed_forward(size: Shape) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "attn_norm.weight", (size.embedding,)
    yield "ffn_norm.weight", (size.embedding,)
    inner, wide, experts = size.feed_forward, size.embedding, size.experts
    several = (experts,) if experts else ()
    name = "_exps" if experts else ""
    if experts:
        yield "ffn_gate_inp.weight", (experts, wide)
    yield f"ffn_gate{name}.weight", (*several, inner, wide)
    yield f"ffn_up{name}.weight", (*several, inner, wide)
    yield f"ffn_down{name}.weight", (*several, wide, inner)


def _llama_layer(size: Shape) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from _attention(size)
    yield from _feed_forward(size)


def _qwen2_layer(size: Shape) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from _attention(size, bias=True)
    yield from _feed_forward(size)


def _qwen3_layer(size: Shape) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from _llama_layer(size)
    yield "attn_q_norm.weight", (size.head,)
    yield "attn_k_norm.weight", (size.head,)


def _gemma3_layer(size: Shape) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from _qwen3_layer(size)
    yield "post_attention_norm.weight", (size.embedding,)
    yield "post_ffw_norm.weight", (size.embedding,)


def _fused(size: Shape) -> tuple[int, int]:
    return (size.heads + 2 * size.kv_heads) * size.head, size.embedding


def _phi2_layer(size: Shape) -> Iterator[tuple[str, tuple[int, ...]]]:
    wide, inner = size.embedding, size.feed_forward
    matrices = {
        "attn_qkv": _fused(size),
        "attn_output": (wide, size.heads * size.head),
        "ffn_up": (inner, wide),
        "ffn_down": (wide, inner),
    }
    for name, dims in matrices.items():
        yield f"{name}.weight", dims
        yield f"{name}.bias", dims[:1]
    yield "attn_norm.weight", (wide,)
    yield "attn_norm.bias", (wide,)


def _phi3_layer(size: Shape) -> Iterator[tuple[str, tuple[int, ...]]]:
    wide, inner = size.embedding, size.feed_forward
    yield "attn_qkv.weight", _fused(size)
    yield "attn_output.weight", (wide, size.heads * size.head)
    yield "attn_norm.weight", (wide,)
    yield "ffn_norm.weight", (wide,)
    yield "ffn_up.weight", (2 * inner, wide)  # gate and up in one
    yield "ffn_down.weight", (wide, inner)


_LAYERS = {
    "phi2": _phi2_layer,
    "phi3": _phi3_layer,
    "qwen2": _qwen2_layer,
    "qwen3": _qwen3_layer,
    "gemma3": _gemma3_layer,
}
