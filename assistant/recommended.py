"""Language models that are known in this field, as facts, and whether they fit this machine.

The table was checked on 2026-11-21: shapes against the publishers' `config.json` as other projects
quote them, licences against the publishers' pages, `unsupported` in Vectara's leaderboard of
2025-10-16 (HHEM-2.1, its last state on the first data set:
https://github.com/vectara/hallucination-leaderboard, 831 short news texts, temperature 0). That
figure is the share of summaries with a statement that the text does not support: near to our task,
but for the unquantized model and for news. What was not found there is None, not guessed.

The size of a file in Q4_K_M and the number of parameters follow from the shape: which tensor gets
which format is llama.cpp's own rule (`llama_tensor_get_type` in src/llama-quant.cpp). Nothing here
touches a network; a page is a text to be read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from assistant.engine_options import EngineOptions
from assistant.errors import ModelTooLarge
from assistant.fitting import Fitted, fit
from assistant.gguf_layout import BLOCKS, Layout
from assistant.machine import Machine
from assistant.memory_plan import EMBEDDER, Shape

CHECKED = "2026-11-21"
FIGURE = "Vectara hallucination leaderboard, 2025-10-16 (HHEM-2.1)"
GOOD = 5.0  # percent of unsupported summaries up to which a model is recommended

Commercial = Literal["yes", "with conditions", "no"]

_F32, _Q8_0, _Q4_K, _Q5_K, _Q6_K = 0, 8, 12, 13, 14  # enum ggml_type
_GEMMA = "Gemma Terms of Use"
_GEMMA_SAYS = "its prohibited-use policy binds you and whoever you pass the model on to"
_LLAMA_SAYS = (
    "an acceptable-use policy, 'Built with Llama' wherever it is passed on, and a licence of its "
    "own above 700 million monthly users"
)


@dataclass(frozen=True, slots=True)
class Made:
    """How a model is built, as in its `config.json`. `window`: layers that look back over so many
    tokens only; `tied`: no output matrix of its own; `biased`: query, key and value have one;
    `fused`: one tensor holds query, key and value, another gate and up."""

    architecture: str
    layers: int
    width: int
    heads: int
    heads_kv: int
    head: int
    inside: int
    vocabulary: int
    tied: bool = False
    fused: bool = False
    biased: bool = False
    head_norms: bool = False
    norms: int = 2
    window: int = 0
    experts: int = 0
    experts_used: int = 0


@dataclass(frozen=True, slots=True)
class Known:
    """One model. `context` is what it was trained on, in tokens; `unsupported` in percent, None:
    not known; `conditions` what the licence asks beyond naming it; `note` what to know here."""

    name: str
    publisher: str
    page: str
    licence: str
    commercial: Commercial
    context: int
    made: Made
    unsupported: float | None
    conditions: str = ""
    note: str = ""

    @property
    def parameters(self) -> int:
        """How many numbers its tensors hold."""
        return sum(values for _, values, _ in _tensors(self.made))

    @property
    def file_bytes(self) -> int:
        """Bytes of its tensors in Q4_K_M; a file has up to some 10 MB of vocabulary besides."""
        return self.shape.layout.weights

    @property
    def shape(self) -> Shape:
        """What planning its memory in Q4_K_M needs."""
        return Shape(self.made.architecture, _layout(self.made), self.context)


@dataclass(frozen=True, slots=True)
class Judged:
    """Whether a model fits this machine. `fitted` is how the engine would run it, None: it would
    refuse, for the reason that `refused` gives with its numbers."""

    known: Known
    fitted: Fitted | None
    refused: str = ""

    @property
    def where(self) -> str:
        """ "GPU", "GPU and memory", "memory", or empty: nowhere."""
        if self.fitted is None:
            return ""
        layers = self.fitted.options.gpu_layers
        if layers >= self.known.shape.depth:
            return "GPU"
        return "GPU and memory" if layers else "memory"

    @property
    def recommended(self) -> bool:
        """It fits, is known to keep to its sources, and may be used at work."""
        figure, commercial = self.known.unsupported, self.known.commercial
        return bool(self.where) and figure is not None and figure <= GOOD and commercial != "no"


def judge(known: Known, options: EngineOptions, machine: Machine) -> Judged:
    """Whether a model fits beside the embedder, and how: the decision the engine would take."""
    try:
        return Judged(known, fit(known.shape, options, machine, other_bytes=EMBEDDER))
    except ModelTooLarge as error:
        return Judged(known, None, str(error))


def judge_all(
    options: EngineOptions, machine: Machine, models: Sequence[Known] | None = None
) -> list[Judged]:
    """All of them, best first: those that fit, by their figure; then those that do not."""

    def order(judged: Judged) -> tuple[bool, bool, float, int]:
        figure = judged.known.unsupported
        return (not judged.where, figure is None, figure or 0.0, judged.known.file_bytes)

    return sorted(
        (judge(each, options, machine) for each in (MODELS if models is None else models)),
        key=order,
    )


def _tensors(made: Made) -> Iterator[tuple[int, int, int]]:
    """(layer or -1 input, -2 output, -3 other; numbers; enum ggml_type in Q4_K_M) of each."""
    row = made.width
    if made.tied:  # it is the output matrix as well, and gets that one's format
        yield -1, row * made.vocabulary, _Q6_K
    else:
        yield -1, row * made.vocabulary, _Q4_K
        yield -2, row * made.vocabulary, _Q6_K
    yield -2, row, _F32
    for layer in range(made.layers):
        better = _Q6_K if _more_bits(layer, made.layers) else _Q4_K
        for numbers, kind in (*_attention(made, better), *_feed_forward(made, better)):
            yield layer, numbers, kind


def _attention(made: Made, better: int) -> Iterator[tuple[int, int]]:
    query, key = made.heads * made.head, made.heads_kv * made.head
    eight = made.experts == 8
    if made.fused:
        yield made.width * (query + 2 * key), _Q5_K
    else:
        yield made.width * query, _Q4_K
        yield made.width * key, _Q8_0 if eight else _Q4_K
        yield made.width * key, _Q8_0 if eight else better
    yield query * made.width, _Q5_K if eight else _Q4_K
    small = made.norms * made.width
    small += (query + 2 * key) if made.biased else 0
    small += 2 * made.head if made.head_norms else 0
    yield small, _F32


def _feed_forward(made: Made, better: int) -> Iterator[tuple[int, int]]:
    each = made.width * made.inside * max(1, made.experts)
    yield 2 * each, _Q4_K  # gate and up
    yield each, better  # down
    if made.experts:
        yield made.width * made.experts, _F32  # which of them work on a token


def _more_bits(layer: int, layers: int) -> bool:
    eighth = layers // 8
    return layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2


def _size(numbers: int, kind: int) -> int:
    values, size = BLOCKS[kind]
    return numbers // values * size


def _layout(made: Made) -> Layout:
    blocks, embedding, output, largest = [0] * made.layers, 0, 0, 0
    for place, numbers, kind in _tensors(made):
        size = _size(numbers, kind)
        if place >= 0:
            blocks[place] += size
            largest = max(largest, size)
        elif place == -1:
            embedding += size
        else:
            output += size
    return Layout(
        layers=made.layers,
        width=made.width,
        heads=(made.heads,) * made.layers,
        heads_kv=(made.heads_kv,) * made.layers,
        feed_forward=(made.inside,) * made.layers,
        key=made.head,
        value=made.head,
        key_window=made.head,
        value_window=made.head,
        window=made.window,
        experts=made.experts,
        experts_used=made.experts_used,
        expert_width=made.inside if made.experts else 0,
        vocabulary=made.vocabulary,
        blocks=tuple(blocks),
        embedding=embedding,
        output=output,
        largest=largest,
        tied=made.tied,
        fused=made.fused,
    )


def _hf(path: str) -> str:
    return f"https://huggingface.co/{path}"


def _qwen_2_5(
    size: str,
    made: Made,
    unsupported: float,
    licence: str = "Apache-2.0",
    commercial: Commercial = "yes",
    conditions: str = "",
) -> Known:
    name = f"Qwen2.5-{size}-Instruct"
    page = _hf(f"Qwen/{name}")
    return Known(
        name, "Alibaba Qwen", page, licence, commercial, 32768, made, unsupported, conditions
    )


def _qwen_3(size: str, made: Made, unsupported: float) -> Known:
    name, note = f"Qwen3-{size}", "can think before it answers, see docs/chat-formats.md"
    page = _hf(f"Qwen/{name}")
    return Known(
        name, "Alibaba Qwen", page, "Apache-2.0", "yes", 32768, made, unsupported, note=note
    )


def _phi(name: str, context: int, made: Made, unsupported: float) -> Known:
    page = _hf(f"microsoft/{name}")
    return Known(name, "Microsoft", page, "MIT", "yes", context, made, unsupported)


def _llama(name: str, licence: str, made: Made, unsupported: float) -> Known:
    page, kind = _hf(f"meta-llama/{name}"), f"Llama {licence} Community License"
    conditional: Commercial = "with conditions"
    return Known(name, "Meta", page, kind, conditional, 131072, made, unsupported, _LLAMA_SAYS)


def _mistral(name: str, context: int, made: Made, unsupported: float, note: str = "") -> Known:
    page = _hf(f"mistralai/{name}")
    return Known(
        name, "Mistral AI", page, "Apache-2.0", "yes", context, made, unsupported, note=note
    )


def _gemma(name: str, made: Made, unsupported: float) -> Known:
    conditional: Commercial = "with conditions"
    page = _hf(f"google/{name}")
    return Known(name, "Google", page, _GEMMA, conditional, 131072, made, unsupported, _GEMMA_SAYS)


def _gemma_3(layers: int, width: int, heads: int, heads_kv: int, inside: int) -> Made:
    return Made(
        "gemma3", layers, width, heads, heads_kv, 256, inside, 262208,
        tied=True, head_norms=True, norms=4, window=1024,
    )  # fmt: skip


def _qwen3(layers: int, width: int, heads: int, inside: int, tied: bool) -> Made:
    return Made("qwen3", layers, width, heads, 8, 128, inside, 151936, tied=tied, head_norms=True)


_PHI_3 = Made("phi3", 32, 3072, 32, 32, 96, 8192, 32064, fused=True)

MODELS: tuple[Known, ...] = (
    Known(
        "SmolLM2-1.7B-Instruct", "Hugging Face", _hf("HuggingFaceTB/SmolLM2-1.7B-Instruct"),
        "Apache-2.0", "yes", 8192, Made("llama", 24, 2048, 32, 32, 64, 8192, 49152, tied=True),
        None,
    ),
    _qwen_2_5(
        "1.5B", Made("qwen2", 28, 1536, 12, 2, 128, 8960, 151936, tied=True, biased=True), 15.8
    ),
    _qwen_2_5(
        "3B", Made("qwen2", 36, 2048, 16, 2, 128, 11008, 151936, tied=True, biased=True), 7.0,
        "Qwen Research License", "no", "research and evaluation only, ask Alibaba for more",
    ),
    _qwen_2_5("7B", Made("qwen2", 28, 3584, 28, 4, 128, 18944, 152064, biased=True), 2.8),
    _qwen_3("1.7B", _qwen3(28, 2048, 16, 6144, tied=True), 4.4),
    _qwen_3("4B", _qwen3(36, 2560, 32, 9728, tied=True), 2.7),
    _qwen_3("8B", _qwen3(36, 4096, 32, 12288, tied=False), 3.0),
    _phi("Phi-3-mini-4k-instruct", 4096, _PHI_3, 4.0),
    _phi("Phi-3.5-mini-instruct", 131072, _PHI_3, 4.1),
    _phi(
        "Phi-4-mini-instruct", 131072,
        Made("phi3", 32, 3072, 24, 8, 128, 8192, 200064, tied=True, fused=True), 3.4,
    ),
    _phi("phi-4", 16384, Made("phi3", 40, 5120, 40, 10, 128, 17920, 100352, fused=True), 4.7),
    _llama(
        "Llama-3.2-1B-Instruct", "3.2",
        Made("llama", 16, 2048, 32, 8, 64, 8192, 128256, tied=True), 20.7,
    ),
    _llama(
        "Llama-3.2-3B-Instruct", "3.2",
        Made("llama", 28, 3072, 24, 8, 128, 8192, 128256, tied=True), 7.9,
    ),
    _llama(
        "Llama-3.1-8B-Instruct", "3.1",
        Made("llama", 32, 4096, 32, 8, 128, 14336, 128256), 5.4,
    ),
    _mistral(
        "Mistral-7B-Instruct-v0.3", 32768,
        Made("llama", 32, 4096, 32, 8, 128, 14336, 32768), 9.5,
    ),
    _mistral(
        "Mistral-Nemo-Instruct-2407", 128000,
        Made("llama", 40, 5120, 32, 8, 128, 14336, 131072), 11.2,
    ),
    _mistral(
        "Mixtral-8x7B-Instruct-v0.1", 32768,
        Made("llama", 32, 4096, 32, 8, 128, 14336, 32000, experts=8, experts_used=2), 20.1,
        "as fast as a 13B model, as large as a 47B one",
    ),
    _gemma("gemma-3-4b-it", _gemma_3(34, 2560, 8, 4, 10240), 3.7),
    _gemma("gemma-3-12b-it", _gemma_3(48, 3840, 16, 8, 15360), 2.8),
)  # fmt: skip
