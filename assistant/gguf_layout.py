"""What a GGUF file says about the model's shape: all that planning its memory needs.

Made from the file's key-value pairs and tensor list, which `assistant.gguf` reads; nothing here
touches a file. Names of keys are those of llama.cpp (src/llama-arch.cpp).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

MAX_LAYERS = 1024  # llama.cpp itself stops at 512
MAX_SIZE = 1 << 31  # any one dimension

# (values in a block, bytes of a block) of each number format: `type_traits` of ggml.c, by the
# number of enum ggml_type.
BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    9: (32, 40), 10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210),
    15: (256, 292), 16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18),
    21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4),
    27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17),
    40: (64, 36), 41: (128, 18),
}  # fmt: skip

Pair = str | int | float | bool | tuple[int, ...]

_LAYER = re.compile(r"blk\.(\d{1,4})\.")
# Looked up token by token, so that llama.cpp leaves them in the machine's memory.
_INPUTS = ("token_embd", "per_layer_token_embd", "position_embd", "token_types")


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor: dimensions innermost first, the format's number in enum ggml_type, and bytes."""

    name: str
    dims: tuple[int, ...]
    kind: int
    size: int

    @property
    def values(self) -> int:
        found = 1
        for length in self.dims:
            found *= length
        return found


@dataclass(frozen=True, slots=True)
class Layout:
    """A model's shape, zeros where the file says nothing.

    `heads`, `heads_kv` and `feed_forward` have one entry a layer; `heads_kv` 0 is a layer without
    attention. `key` and `value` are the lengths of one head (`_window`: in layers that look back
    over `window` tokens only; `windowed` says which those are if the file does, `period` every
    how many layers one sees everything). `latent` is set where keys and values are kept as one
    compressed vector (MLA). `kept_layers` is how many layers keep keys and values of their own, 0:
    all. `full_every`: every how many layers attention takes the place of a recurrent state.
    `conv`, `inner`, `state`, `groups` and `head_state` are the sizes of that state; `shifts` and
    `short_conv` those of RWKV's and LFM2's. `experts_used` of the `experts`, each `expert_width`
    wide inside, work on a token.

    Sizes of weights in bytes: `blocks` of each layer, `embedding` the input embeddings, `output`
    the output matrix and norm, `rest` what belongs to no layer. `tied`: there is no output matrix,
    the input embedding is used. `largest` is the largest tensor of any layer. `fused`: one tensor
    holds query, key and value. `gated`: the feed-forward network multiplies two projections.
    """

    layers: int = 0
    width: int = 0
    heads: tuple[int, ...] = ()
    heads_kv: tuple[int, ...] = ()
    feed_forward: tuple[int, ...] = ()
    key: int = 0
    value: int = 0
    key_window: int = 0
    value_window: int = 0
    window: int = 0
    period: int = 0
    windowed: tuple[bool, ...] = ()
    latent: bool = False
    kept_layers: int = 0
    full_every: int = 0
    conv: int = 0
    inner: int = 0
    state: int = 0
    groups: int = 0
    head_state: int = 0
    shifts: int = 0
    short_conv: int = 0
    experts: int = 0
    experts_used: int = 0
    expert_width: int = 0
    vocabulary: int = 0
    merges: int = 0
    blocks: tuple[int, ...] = ()
    embedding: int = 0
    output: int = 0
    rest: int = 0
    largest: int = 0
    tied: bool = False
    fused: bool = False
    gated: bool = True

    @property
    def weights(self) -> int:
        """Bytes of all tensors."""
        return sum(self.blocks) + self.embedding + self.output + self.rest


@dataclass(frozen=True, slots=True)
class _Facts:
    """The pairs of one architecture, as far as they can be numbers of a shape; `layers` is how many
    entries a list has."""

    architecture: str
    pairs: Mapping[str, Pair]

    @property
    def layers(self) -> int:
        return min(self.whole("block_count"), MAX_LAYERS)

    def whole(self, key: str) -> int:
        """A number of the model as a whole; 0 if the file does not say it."""
        value = self.pairs.get(f"{self.architecture}.{key}")
        return value if type(value) is int and 0 <= value < MAX_SIZE else 0

    def listed(self, key: str) -> tuple[int, ...]:
        """An array with an entry for every layer; () if it is none."""
        value = self.pairs.get(f"{self.architecture}.{key}")
        if not isinstance(value, tuple) or len(value) < self.layers:
            return ()
        return tuple(each if 0 <= each < MAX_SIZE else 0 for each in value[: self.layers])

    def each_layer(self, key: str) -> tuple[int, ...]:
        """The array, or the one number once for every layer."""
        return self.listed(key) or (self.whole(key),) * self.layers


def layout(
    architecture: str,
    pairs: Mapping[str, Pair],
    lengths: Mapping[str, int],
    tensors: Iterable[Tensor],
) -> Layout:
    """The shape that the pairs and tensors tell of; `lengths` are those of the arrays. What they
    do not say stays 0: whoever plans decides whether that is enough."""
    facts = _Facts(architecture, pairs)
    whole, inside = facts.whole, facts.whole("feed_forward_length")
    shared, used = whole("attention.shared_kv_layers"), whole("expert_used_count")
    sizes = _weigh(facts.layers, inside, tensors)
    return replace(
        _attending(facts),
        layers=facts.layers,
        width=whole("embedding_length"),
        feed_forward=facts.each_layer("feed_forward_length"),
        kept_layers=max(1, facts.layers - shared) if shared else 0,
        full_every=whole("full_attention_interval"),
        conv=whole("ssm.conv_kernel"),
        inner=whole("ssm.inner_size"),
        state=whole("ssm.state_size"),
        groups=whole("ssm.group_count"),
        head_state=whole("wkv.head_size"),
        shifts=whole("token_shift_count"),
        short_conv=whole("shortconv.l_cache"),
        experts=whole("expert_count"),
        experts_used=used,
        expert_width=(whole("expert_feed_forward_length") or inside) if used else 0,
        vocabulary=lengths.get("tokenizer.ggml.tokens", 0) or whole("vocab_size"),
        merges=lengths.get("tokenizer.ggml.merges", 0),
        blocks=tuple(sizes.blocks),
        embedding=sizes.embedding,
        output=sizes.output,
        rest=sizes.rest,
        largest=sizes.largest,
        tied=not sizes.own_output,
        fused=sizes.fused,
        gated=sizes.gated or not sizes.feeds,
    )


def _attending(facts: _Facts) -> Layout:
    """What the pairs tell of attention: heads, their lengths, and how far back layers look."""
    whole = facts.whole
    heads = facts.each_layer("attention.head_count")
    some = f"{facts.architecture}.attention.head_count_kv" in facts.pairs
    most, width = max(heads, default=0), whole("embedding_length")
    head = width // most if most else 0
    key, value = whole("attention.key_length") or head, whole("attention.value_length") or head
    return Layout(
        heads=heads,
        heads_kv=facts.each_layer("attention.head_count_kv") if some else heads,
        key=key,
        value=value,
        key_window=whole("attention.key_length_swa") or key,
        value_window=whole("attention.value_length_swa") or value,
        window=whole("attention.sliding_window"),
        period=whole("attention.sliding_window_pattern"),
        windowed=tuple(map(bool, facts.listed("attention.sliding_window_pattern"))),
        latent=whole("attention.key_length_mla") > 0,
    )


@dataclass(slots=True)
class _Sizes:
    """Bytes of weights by where they belong, while they are added up."""

    blocks: list[int]
    embedding: int = 0
    output: int = 0
    rest: int = 0
    largest: int = 0
    own_output: bool = False
    fused: bool = False
    feeds: bool = False
    gated: bool = False


def _weigh(layers: int, inside: int, tensors: Iterable[Tensor]) -> _Sizes:
    sizes = _Sizes([0] * layers)
    for tensor in tensors:
        layer = _LAYER.match(tensor.name)
        if layer and int(layer[1]) < layers:
            sizes.blocks[int(layer[1])] += tensor.size
            sizes.largest = max(sizes.largest, tensor.size)
            sizes.fused = sizes.fused or "attn_qkv." in tensor.name
            if "ffn_up." in tensor.name and len(tensor.dims) == 2:
                sizes.feeds = True  # both projections may lie in one tensor
                sizes.gated = sizes.gated or tensor.dims[1] == 2 * inside
            sizes.gated = sizes.gated or "ffn_gate" in tensor.name
        elif tensor.name.startswith(_INPUTS):
            sizes.embedding += tensor.size
        elif tensor.name.startswith("output"):
            sizes.output += tensor.size
            sizes.own_output = sizes.own_output or tensor.name == "output.weight"
        else:
            sizes.rest += tensor.size
    return sizes
