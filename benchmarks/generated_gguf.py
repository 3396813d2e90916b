"""Model files of real shapes with weights that mean nothing, to measure memory and speed on.

`write` makes a GGUF file that llama.cpp loads like the model it is shaped after: the same tensors
in the same number formats (Q4_K_M as llama.cpp's own quantizer mixes them), a vocabulary of the
same size, ChatML as chat template. The blocks are random bytes under small scales, so that no
activation overflows. One pass, no tensor in memory: 4 GB take about as long as the disk needs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

CHATML = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}"
    "{% endif %}"
)
_POOL = 4 << 20  # bytes of random blocks that are written over and over


@dataclass(frozen=True)
class Sizes:
    """The shape of one model. `fused`: one tensor for q, k, v and one for gate and up (Phi-3);
    `tied`: the input embedding is the output matrix as well; `window` in tokens, 0: none."""

    name: str
    architecture: str
    layers: int
    width: int
    feed_forward: int
    heads: int
    heads_kv: int
    head: int
    vocabulary: int
    trained: int = 8192
    tied: bool = False
    fused: bool = False
    bias: bool = False
    norms: bool = False
    experts: int = 0
    window: int = 0


MISTRAL_7B = Sizes("Mistral-7B", "llama", 32, 4096, 14336, 32, 8, 128, 32_000, 32_768)
PHI_3_MINI = Sizes("Phi-3-mini", "phi3", 32, 3072, 8192, 32, 32, 96, 32_064, 4096, fused=True)
LLAMA_32_3B = Sizes("Llama-3.2-3B", "llama", 28, 3072, 8192, 24, 8, 128, 128_256, tied=True)
LLAMA_31_8B = Sizes("Llama-3.1-8B", "llama", 32, 4096, 14336, 32, 8, 128, 128_256)
LLAMA_2_13B = Sizes("Llama-2-13B", "llama", 40, 5120, 13824, 40, 40, 128, 32_000, 4096)
QWEN_25_7B = Sizes("Qwen2.5-7B", "qwen2", 28, 3584, 18944, 28, 4, 128, 152_064, 32_768, bias=True)
QWEN_3_4B = Sizes("Qwen3-4B", "qwen3", 36, 2560, 9728, 32, 8, 128, 151_936, tied=True, norms=True)
GEMMA_3_4B = Sizes(
    "Gemma-3-4B", "gemma3", 34, 2560, 10240, 8, 4, 256, 262_144, tied=True, norms=True, window=1024
)
MIXTRAL_8X7B = Sizes(
    "Mixtral-8x7B", "llama", 32, 4096, 14336, 32, 8, 128, 32_000, 32_768, experts=8
)
SMOL = Sizes("SmolLM2-360M", "llama", 32, 960, 2560, 15, 5, 64, 49_152, tied=True)
SHAPES = {
    each.name: each
    for each in (
        MISTRAL_7B, PHI_3_MINI, LLAMA_32_3B, LLAMA_31_8B, LLAMA_2_13B, QWEN_25_7B, QWEN_3_4B,
        GEMMA_3_4B, MIXTRAL_8X7B, SMOL,
    )
}  # fmt: skip


def write(sizes: Sizes, path: Path, *, sparse: bool = False) -> None:
    """Write the file. `sparse` leaves the weights out as a hole in the file, all zeros: enough to
    ask llama.cpp how much memory it would take, without using the disk."""
    writer = gguf.GGUFWriter(path, sizes.architecture)
    _describe(writer, sizes)
    tensors = list(_tensors(sizes))
    for name, dims, kind in tensors:
        rows = dims[::-1]  # numpy counts from the outermost dimension
        if kind in (Type.F32, Type.F16):
            dtype = np.float32 if kind is Type.F32 else np.float16
            writer.add_tensor_info(name, rows, np.dtype(dtype), _bytes(dims, kind))
        else:
            shape = gguf.quant_shape_to_byte_shape(rows, kind)
            writer.add_tensor_info(
                name, shape, np.dtype(np.uint8), _bytes(dims, kind), raw_dtype=kind
            )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    pools = {kind: _blocks(kind) for kind in {kind for _, _, kind in tensors}}
    with path.open("r+b") as file:
        file.seek(0, os.SEEK_END)
        file.seek(_padded(file.tell()))
        for _, dims, kind in tensors:
            left = _bytes(dims, kind)
            end = file.tell() + _padded(left)
            while left and not sparse:
                left -= file.write(pools[kind][: min(left, len(pools[kind]))])
            file.seek(end)
        file.truncate(end)


def _padded(size: int) -> int:
    return -(-size // 32) * 32


def _bytes(dims: tuple[int, ...], kind: Type) -> int:
    block, size = gguf.GGML_QUANT_SIZES[kind]
    return int(np.prod(dims)) // block * size


def _blocks(kind: Type) -> memoryview:
    """Valid blocks of a format, many. Where their scales lie: block_q4_K and so on of ggml."""
    rng = np.random.default_rng(7)
    _, size = gguf.GGML_QUANT_SIZES[kind]
    if kind is Type.F32:
        return memoryview(np.ones(_POOL // 4, np.float32).tobytes())
    if kind is Type.F16:
        return memoryview((rng.standard_normal(_POOL // 2) * 0.02).astype(np.float16).tobytes())
    blocks = rng.integers(0, 256, (_POOL // size, size), np.uint8)
    small = np.frombuffer(np.float16(2e-4).tobytes(), np.uint8)
    places = {Type.Q4_K: (0, 2), Type.Q5_K: (0, 2), Type.Q6_K: (208,), Type.Q8_0: (0,)}
    places |= {Type.Q5_0: (0,), Type.Q4_0: (0,)}
    for place in places[kind]:
        blocks[:, place : place + 2] = small
    return memoryview(blocks.tobytes())


def _describe(writer: gguf.GGUFWriter, sizes: Sizes) -> None:
    writer.add_name(sizes.name)
    writer.add_file_type(15)  # Q4_K_M
    writer.add_context_length(sizes.trained)
    writer.add_embedding_length(sizes.width)
    writer.add_block_count(sizes.layers)
    writer.add_feed_forward_length(sizes.feed_forward)
    writer.add_head_count(sizes.heads)
    writer.add_head_count_kv(sizes.heads_kv)
    writer.add_key_length(sizes.head)
    writer.add_value_length(sizes.head)
    writer.add_rope_dimension_count(sizes.head)
    writer.add_layer_norm_rms_eps(1e-5)
    if sizes.experts:
        writer.add_expert_count(sizes.experts)
        writer.add_expert_used_count(2)
    if sizes.window:
        writer.add_sliding_window(sizes.window)
    # The last one is looked up by name in every model that calls itself Phi-3.
    special = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|endoftext|>"]
    single = [f"<0x{byte:02X}>" for byte in range(256)]
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    # A word is put together of two pieces at a time: longer ones than these are never reached.
    words = ["\u2581", *letters, *(f"\u2581{letter}" for letter in letters)]
    left = sizes.vocabulary - len(special) - len(single) - len(words)
    words += [f"\u2581word{n}" for n in range(left)]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(special + single + words)
    writer.add_token_scores([-float(n) for n in range(sizes.vocabulary)])
    writer.add_token_types([2, 3, 3, 3, 3, 3] + [6] * len(single) + [1] * len(words))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(4)
    writer.add_add_bos_token(True)
    writer.add_chat_template(CHATML)


def _tensors(sizes: Sizes) -> Iterator[tuple[str, tuple[int, ...], Type]]:
    """Name, dimensions (innermost first) and format of every tensor."""
    width, words = sizes.width, sizes.vocabulary
    tied = sizes.tied
    yield "token_embd.weight", (width, words), _fitting(Type.Q6_K if tied else Type.Q4_K, width)
    for layer in range(sizes.layers):
        for name, dims, kind in _layer(sizes, layer):
            yield f"blk.{layer}.{name}", dims, kind
    yield "output_norm.weight", (width,), Type.F32
    if not tied:
        yield "output.weight", (width, words), _fitting(Type.Q6_K, width)


def _layer(sizes: Sizes, layer: int) -> Iterator[tuple[str, tuple[int, ...], Type]]:
    width, inner = sizes.width, sizes.feed_forward
    q, kv = sizes.heads * sizes.head, sizes.heads_kv * sizes.head
    better = Type.Q6_K if _keeps_more(layer, sizes.layers) else Type.Q4_K
    yield "attn_norm.weight", (width,), Type.F32
    if sizes.fused:
        yield "attn_qkv.weight", (width, q + 2 * kv), _fitting(Type.Q5_K, width)
    else:
        # The quantizer keeps these two small tensors of an eight-expert model in more bits.
        yield "attn_q.weight", (width, q), _fitting(Type.Q4_K, width)
        k, v = (Type.Q8_0, Type.Q8_0) if sizes.experts else (Type.Q4_K, better)
        yield "attn_k.weight", (width, kv), _fitting(k, width)
        yield "attn_v.weight", (width, kv), _fitting(v, width)
    if sizes.bias:
        for name, length in (("q", q), ("k", kv), ("v", kv)):
            yield f"attn_{name}.bias", (length,), Type.F32
    if sizes.norms:
        yield "attn_q_norm.weight", (sizes.head,), Type.F32
        yield "attn_k_norm.weight", (sizes.head,), Type.F32
    yield "attn_output.weight", (q, width), _fitting(Type.Q4_K, q)
    if sizes.architecture == "gemma3":
        yield "post_attention_norm.weight", (width,), Type.F32
        yield "post_ffw_norm.weight", (width,), Type.F32
    yield "ffn_norm.weight", (width,), Type.F32
    if sizes.experts:
        many = sizes.experts
        yield "ffn_gate_inp.weight", (width, many), Type.F32
        yield "ffn_gate_exps.weight", (width, inner, many), _fitting(Type.Q4_K, width)
        yield "ffn_up_exps.weight", (width, inner, many), _fitting(Type.Q4_K, width)
        yield "ffn_down_exps.weight", (inner, width, many), _fitting(better, inner)
        return
    if sizes.fused:
        yield "ffn_up.weight", (width, 2 * inner), _fitting(Type.Q4_K, width)
    else:
        yield "ffn_gate.weight", (width, inner), _fitting(Type.Q4_K, width)
        yield "ffn_up.weight", (width, inner), _fitting(Type.Q4_K, width)
    yield "ffn_down.weight", (inner, width), _fitting(better, inner)


def _keeps_more(layer: int, layers: int) -> bool:
    """Whether Q4_K_M keeps a layer's more sensitive tensors in Q6_K (`use_more_bits` of llama.cpp:
    the first and the last eighth, and every third between them)."""
    eighth = layers // 8
    return layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2


def _fitting(kind: Type, row: int) -> Type:
    """K-quants need rows of whole 256-value blocks; the quantizer falls back where they are not."""
    if row % 256 == 0:
        return kind
    return {Type.Q4_K: Type.Q5_0, Type.Q5_K: Type.Q8_0, Type.Q6_K: Type.Q8_0}.get(kind, kind)
