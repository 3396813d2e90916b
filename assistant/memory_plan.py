"""How much memory a model takes, worked out from its shape before anything is loaded.

The formulas are llama.cpp's own, of the version that is pinned: which tensors go to the GPU
(`llama_model::load_tensors`), how many cells a cache has (`llama_context`, `llama_kv_cache`,
`llama_kv_cache_iswa`), what a recurrent state holds (`llama_hparams::n_embd_r`, `n_embd_s`). The
working memory of a computation is the most that is alive at one moment of its graph; the terms were
read off the graph and checked against what llama.cpp reports (`benchmarks/memory_plan.py`). What is
not llama.cpp's was measured and stands here as constants. All sizes are bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from assistant.gguf import Header
from assistant.gguf_layout import Layout

MIB = 1 << 20
BATCH = 512  # tokens evaluated at once, as `assistant.llamacpp_engine` sets it
CELLS = 256  # caches grow by so many tokens
BLOCK = 32  # numbers in one q8_0 block, with a scale of 2 bytes

# Measured on Linux x86-64, see docs/memory.md. `_TOKEN` and `_MERGE` are what llama.cpp's tables
# take for each word and each merge rule of the vocabulary.
CHILD = 68 * MIB
_TOKEN, _MERGE = 160, 80
EMBEDDER = 160 * MIB
EMBEDDER_GPU = 600 * MIB
# What the driver and the CUDA libraries take on a GPU before anything is computed. Not the same on
# every card: 300 to 600 MiB.
CUDA = 450 * MIB

# How many layers in a row look back over a window before one sees everything, for architectures
# of which llama.cpp knows it when the file does not say it, and their window if unsaid. Others
# keep whole caches, whatever window they name.
_PERIODS = {
    "gemma2": (2, 4096), "gemma3": (6, 0), "gemma3n": (5, 0), "gemma4": (1, 0), "gpt-oss": (2, 0),
    "cohere2": (4, 0), "olmo2": (4, 0), "afmoe": (4, 0), "llama4": (4, 8192),
    "smallthinker": (4, 4096),
}  # fmt: skip
_FULL_FIRST = frozenset(("smallthinker",))
_GEMMA3N_KEPT = 20  # layers of it that keep keys and values; the later ones use theirs

KV = Literal["f16", "q8_0"]


@dataclass(frozen=True, slots=True)
class Shape:
    """A model as far as its memory goes: `trained` is the context it was trained on, in tokens, 0
    if unknown."""

    architecture: str
    layout: Layout
    trained: int = 0

    @classmethod
    def of(cls, header: Header) -> Shape:
        return cls(header.architecture, header.layout, header.context)

    @property
    def depth(self) -> int:
        """What `gpu_layers` counts: the layers, and the output as one more."""
        return self.layout.layers + 1


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a model is to run: tokens of `context` for each of `sequences` answers at a time, in the
    number format `kv_cache`, with the last `gpu_layers` layers on the GPU.

    `batch` tokens are evaluated at once, `outputs` of them with logits at most. 0: all on a GPU,
    where what is reserved is taken; one for each sequence on a processor, where it is not until it
    is touched, which only measuring how likely a text is does. Up to `kept` bytes hold what
    conversations have evaluated, outside of the sequences. With `whole_window` layers that look
    back over a window keep everything nevertheless: llama.cpp's default, which going back to the
    beginning of a conversation needs.
    """

    context: int
    sequences: int
    kv_cache: KV
    gpu_layers: int = 0
    batch: int = BATCH
    outputs: int = 0
    kept: int = 0
    whole_window: bool = True

    @property
    def flash(self) -> bool:
        """Whether the engine switches flash attention on: for q8_0 it must, on a GPU it is
        faster, on a CPU without it answers are exact."""
        return self.kv_cache == "q8_0" or self.gpu_layers > 0

    @property
    def cells(self) -> int:
        """Tokens that one sequence's cache has room for."""
        return _up(_up(self.context * self.sequences, CELLS) // self.sequences, CELLS)

    @property
    def tokens(self) -> int:
        """Tokens evaluated at once."""
        return min(self.batch, _up(self.context * self.sequences, CELLS))


@dataclass(frozen=True, slots=True)
class Plan:
    """What a model will take, on the GPU and in the machine's memory. `kv` is evaluated tokens,
    `state` what recurrent layers keep instead, `compute` working memory, `output` logits,
    `kept` what conversations have evaluated, `process` the child process itself, `driver` what the
    GPU's driver takes."""

    wanted: Wanted
    weights_gpu: int
    weights_memory: int
    kv_gpu: int
    kv_memory: int
    state_gpu: int
    state_memory: int
    compute_gpu: int
    compute_memory: int
    output: int
    kept: int
    process: int
    driver: int

    @property
    def gpu(self) -> int:
        return self.weights_gpu + self.kv_gpu + self.state_gpu + self.compute_gpu + self.driver

    @property
    def memory(self) -> int:
        return (
            self.weights_memory
            + self.kv_memory
            + self.state_memory
            + self.compute_memory
            + self.output
            + self.kept
            + self.process
        )


def plan(shape: Shape, wanted: Wanted) -> Plan:
    """The memory that `shape` takes when it runs as `wanted`."""
    made = shape.layout
    first = max(0, shape.depth - wanted.gpu_layers)  # of those on the GPU
    on_gpu = wanted.gpu_layers > 0
    # Without an output matrix of its own a GPU gets a copy of the input embedding.
    output = made.output + (made.embedding if made.tied else 0)
    weights_gpu = (sum(made.blocks[first:]) + output) if on_gpu else 0
    weights_memory = sum(made.blocks[:first]) + made.embedding + made.rest
    if not on_gpu:
        weights_memory += made.output
    kv = [_kv(shape, wanted, layer) for layer in range(made.layers)]
    state = [_state(shape, layer) * wanted.sequences for layer in range(made.layers)]
    work, inputs = _compute(shape, wanted), _inputs(shape, wanted)
    if on_gpu and first > 0:
        work += made.largest  # weights of the other layers visit the GPU when a prompt is read
    return Plan(
        wanted,
        weights_gpu=weights_gpu,
        weights_memory=weights_memory,
        kv_gpu=sum(kv[first:]) if on_gpu else 0,
        kv_memory=sum(kv[:first]) if on_gpu else sum(kv),
        state_gpu=sum(state[first:]) if on_gpu else 0,
        state_memory=sum(state[:first]) if on_gpu else sum(state),
        compute_gpu=work if on_gpu else 0,
        compute_memory=inputs if on_gpu and first == 0 else work,
        output=wanted.sequences * made.vocabulary * 4,
        kept=wanted.kept,
        process=CHILD + made.vocabulary * _TOKEN + made.merges * _MERGE,
        driver=CUDA if on_gpu else 0,
    )


def can_hold(shape: Shape, kv_cache: KV) -> bool:
    """Whether the model's heads can be kept in that format: q8_0 needs whole blocks."""
    made = shape.layout
    lengths = (made.key, made.value, made.key_window, made.value_window)
    return kv_cache == "f16" or all(length % BLOCK == 0 for length in lengths)


def looks_back(shape: Shape, layer: int) -> int:
    """The window of a layer in tokens, 0 if it sees everything."""
    made = shape.layout
    period, window = _PERIODS.get(shape.architecture, (0, 0))
    window = made.window or window
    if not period or not window:
        return 0
    if made.windowed:
        return window if made.windowed[layer] else 0
    period = made.period or period
    whole = 0 if shape.architecture in _FULL_FIRST else period - 1
    return 0 if layer % period == whole else window


def _up(number: int, step: int) -> int:
    return -(-number // step) * step


def _window_cells(shape: Shape, wanted: Wanted, layer: int) -> int:
    """Tokens that a layer's cache has room for, of one sequence."""
    window = looks_back(shape, layer)
    if not window or wanted.whole_window:
        return wanted.cells
    return _up(min(wanted.cells, window + wanted.tokens), CELLS)


def _recurrent(shape: Shape, layer: int) -> bool:
    """Whether a layer has a recurrent state."""
    made = shape.layout
    if not (made.inner or made.head_state or made.short_conv):
        return False
    if made.full_every:
        return (layer + 1) % made.full_every != 0
    return shape.architecture == "falcon-h1" or made.heads_kv[layer] == 0


def _kv(shape: Shape, wanted: Wanted, layer: int) -> int:
    """Keys and values of one layer, of all sequences."""
    made = shape.layout
    kept = made.kept_layers or (_GEMMA3N_KEPT if shape.architecture == "gemma3n" else 0)
    if kept and layer >= kept:
        return 0
    if _recurrent(shape, layer) and shape.architecture != "falcon-h1":
        return 0
    heads = made.heads_kv[layer]
    local = looks_back(shape, layer) > 0
    keys = heads * (made.key_window if local else made.key)
    # Without flash attention values lie transposed, as wide in every layer as in the widest.
    widest = heads if wanted.flash else max(made.heads_kv)
    values = 0 if made.latent else widest * (made.value_window if local else made.value)
    numbers = (keys + values) * _window_cells(shape, wanted, layer) * wanted.sequences
    q8_0 = wanted.kv_cache == "q8_0"
    return numbers * (BLOCK + 2) // BLOCK if q8_0 else numbers * 2


def _state(shape: Shape, layer: int) -> int:
    """The recurrent state of one layer and one sequence, in f32."""
    if not _recurrent(shape, layer):
        return 0
    made = shape.layout
    if made.head_state:
        return (max(made.shifts, 2) * made.width + made.width * made.head_state) * 4
    if made.short_conv:
        return made.width * (made.short_conv - 1) * 4
    shifted = max(0, made.conv - 1) * (made.inner + 2 * made.groups * made.state)
    return (shifted + made.state * made.inner) * 4


def _inputs(shape: Shape, wanted: Wanted) -> int:
    """What goes into the graph: the tokens' embeddings and who may look at whom."""
    return wanted.tokens * shape.layout.width * 4 + _masks(shape, wanted)


def _masks(shape: Shape, wanted: Wanted) -> int:
    """One for layers that see everything, one for those with a window."""
    kinds = {
        (looks_back(shape, layer) > 0): _window_cells(shape, wanted, layer)
        for layer in range(shape.layout.layers)
    }
    return wanted.tokens * sum(kinds.values()) * (2 if wanted.flash else 4)


def _compute(shape: Shape, wanted: Wanted) -> int:
    """The most that is alive at once while a batch is evaluated: within attention, within the
    feed-forward network, or when the logits are made."""
    made, tokens = shape.layout, wanted.tokens
    if not made.layers:
        return 0
    number = tokens * 4
    width = made.width * number
    query = max(made.heads) * made.key * number
    keys_values = max(made.heads_kv) * (made.key + made.value) * number
    masks = _masks(shape, wanted)
    attention = masks + width + 2 * query + keys_values
    if not made.fused:
        attention += 2 * width
    if not wanted.flash:
        attention += wanted.cells * max(made.heads) * number
    elif wanted.gpu_layers and wanted.kv_cache == "q8_0":
        # CUDA's kernels read half precision: one layer's cache is unpacked beside the result.
        together = wanted.cells * wanted.sequences
        attention += together * max(made.heads_kv) * (made.key + made.value) * 2
    inside = max((*made.feed_forward, made.experts_used * made.expert_width), default=0)
    feed_forward = masks + 3 * width + 3 * inside * number
    if not made.gated:
        feed_forward = masks + 4 * width + inside * number
    outputs = min(wanted.outputs or (tokens if wanted.gpu_layers else wanted.sequences), tokens)
    logits = outputs * made.vocabulary * 4 + 3 * width
    return max(attention, feed_forward, logits)
