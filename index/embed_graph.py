"""Graphs in ONNX of a BERT encoder, written from its weights. The only module that imports onnx.

Two of one model: one in full precision that also gives the inputs of its matrix products, to
measure their ranges, and one whose matrix products are integer (`index.quantize`). Both go from
`input_ids` and `attention_mask`, int64 (texts, tokens), padded at the end, to
`sentence_embedding`, float32 (texts, dimensions), the mean over a text's tokens at unit length.

What stays in full precision: attention's own products, normalization, and in each layer the widest
neurons of the feed-forward part, which have a path of their own. The operators of the domain
com.microsoft are described in onnxruntime's docs/ContribOperators.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

from index.embed_folder import ModelFolder
from index.quantize import Floats, Ranges, columns, smoothing, steps, widest

Site = tuple[int, str]
"""A layer and which of its values: `hidden`, `context`, `middle` or `neurons`."""

WIDE = 32  # neurons of a layer in full precision: 2 % of the default model's
_MS = "com.microsoft"


def is_known(files: ModelFolder) -> bool:
    """Whether the model is of the kind that these graphs compute: BERT, mean, unit length, no
    prompt. Raises MissingModel, AlteredModel.
    """
    config, pooling = files.config("config.json"), files.config("1_Pooling/config.json")
    prompts = files.config("config_sentence_transformers.json").get("prompts") or {}
    modes = {name for name, on in pooling.items() if name.startswith("pooling_mode") and on is True}
    return (
        config.get("model_type") == "bert"
        and config.get("hidden_act") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and modes == {"pooling_mode_mean_tokens"}
        and not any(prompts.values())
        and "model.safetensors" in files.pins
        and not any("Dense" in name for name in files.pins)
    )


def sites(files: ModelFolder) -> list[Site]:
    """Every place whose ranges are wanted, in the order of the measuring graph's outputs."""
    layers = int(files.config("config.json")["num_hidden_layers"])
    names = ("hidden", "context", "middle", "neurons")
    return [(layer, name) for layer in range(layers) for name in names]


def write_measuring(files: ModelFolder, path: Path) -> None:
    """Write the graph in full precision, with an output more for each of `sites`."""
    _Encoder(files, None).write(path, [f"{name}{layer}" for layer, name in sites(files)])


def write_quantized(files: ModelFolder, measured: Mapping[Site, Ranges], path: Path) -> None:
    """Write the graph whose matrix products are integer."""
    _Encoder(files, measured).write(path, [])


class _Encoder:
    """Puts one graph together, layer by layer."""

    def __init__(self, files: ModelFolder, measured: Mapping[Site, Ranges] | None) -> None:
        weights = load_file(str(files.verified() / "model.safetensors"))
        self._weights = {
            name.removeprefix("bert."): value.astype(np.float32)
            for name, value in weights.items()
            if value.dtype.kind == "f"
        }
        self._config = files.config("config.json")
        self._measured = measured
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}

    def write(self, path: Path, more: list[str]) -> None:
        hidden = self._embedded()
        for layer in range(int(self._config["num_hidden_layers"])):
            middle = self._attended(layer, hidden)
            hidden = self._fed_forward(layer, middle)
        self._pooled(hidden)
        info = helper.make_tensor_value_info
        size = int(self._config["hidden_size"])
        graph = helper.make_graph(
            self._nodes,
            "encoder",
            [
                info(name, TensorProto.INT64, ["texts", "tokens"])
                for name in ("input_ids", "attention_mask")
            ],
            [
                info("sentence_embedding", TensorProto.FLOAT, ["texts", size]),
                *(info(name, TensorProto.FLOAT, ["texts", "tokens", None]) for name in more),
            ],
            list(self._constants.values()),
        )
        opsets = [helper.make_opsetid("", 20), helper.make_opsetid(_MS, 1)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), str(path))

    # -- parts ----------------------------------------------------------------------------------

    def _embedded(self) -> str:
        named = self._weights
        words = self._constant("words", named["embeddings.word_embeddings.weight"])
        # Every token is of type 0, so its type's vector can be added to the positions once.
        places = self._constant(
            "places",
            named["embeddings.position_embeddings.weight"]
            + named["embeddings.token_type_embeddings.weight"][0],
        )
        zero = self._constant("zero", np.array([0], np.int64))
        self._constant("one", np.array([1], np.int64))
        length = self._node("Shape", ["input_ids"], "length", start=1, end=2)
        places = self._node("Slice", [places, zero, length, zero], "placed")
        found = self._node("Gather", [words, "input_ids"], "worded")
        found = self._node("Add", [found, places], "summed")
        mask = self._node("Cast", ["attention_mask"], "mask", to=TensorProto.INT32)
        self._node("ReduceSum", [mask, "one"], "lengths", keepdims=0)
        return self._node(
            "LayerNormalization",
            [found, *self._normal("embeddings.LayerNorm")],
            "hidden0",
            epsilon=self._config["layer_norm_eps"],
        )

    def _attended(self, layer: int, hidden: str) -> str:
        at = f"encoder.layer.{layer}.attention"
        names = [f"{at}.self.{part}" for part in ("query", "key", "value")]
        matrices = [self._matrix(name) for name in names]
        source, divided = self._divided(hidden, (layer, "hidden"), matrices)
        parts = [
            self._product(source, name, matrix, (layer, "hidden"), divided)
            for name, matrix in zip(names, matrices, strict=True)
        ]
        heads = self._config["num_attention_heads"]
        context = self._node(
            "MultiHeadAttention", [*parts, "", "lengths"], f"context{layer}", _MS, num_heads=heads
        )
        name = f"{at}.output.dense"
        found = self._product(context, name, self._matrix(name), (layer, "context"))
        return self._added(found, hidden, f"{at}.output.LayerNorm", f"middle{layer}")

    def _fed_forward(self, layer: int, middle: str) -> str:
        at = f"encoder.layer.{layer}"
        up, down = self._matrix(f"{at}.intermediate.dense"), self._matrix(f"{at}.output.dense")
        bias = self._weights[f"{at}.intermediate.dense.bias"]
        site, neurons = (layer, "middle"), (layer, "neurons")
        source, divided = self._divided(middle, site, [up])
        if self._measured is None:
            found = self._product(source, f"{at}.intermediate.dense", up, site)
            found = self._node("Gelu", [found], f"neurons{layer}", _MS)
            found = self._product(found, f"{at}.output.dense", down, neurons)
        else:
            wide = widest(self._measured[neurons], WIDE)
            paths = []
            for kind, chosen in (("", ~wide), (".wide", wide)):
                found = self._product(
                    source,
                    f"{at}.intermediate.dense{kind}",
                    up[:, chosen],
                    site,
                    divided,
                    bias=bias[chosen],
                )
                paths.append(self._node("Gelu", [found], f"neurons{layer}{kind}", _MS))
            narrow = self._product(
                paths[0], f"{at}.output.dense", down[~wide], neurons, chosen=~wide
            )
            rows = self._constant(f"{at}.output.dense.wide", down[wide])
            more = self._node("MatMul", [paths[1], rows], f"{at}.output.wide")
            found = self._node("Add", [narrow, more], f"{at}.output.both")
        return self._added(found, middle, f"{at}.output.LayerNorm", f"hidden{layer + 1}")

    def _pooled(self, hidden: str) -> None:
        mask = self._node("Cast", ["attention_mask"], "kept", to=TensorProto.FLOAT)
        mask = self._node("Unsqueeze", [mask, "one"], "row")
        # At unit length the sum has the direction of the mean.
        found = self._node("MatMul", [mask, hidden], "total")
        found = self._node("Squeeze", [found, "one"], "direction")
        self._node("LpNormalization", [found], "sentence_embedding", axis=1, p=2)

    # -- products -------------------------------------------------------------------------------

    def _divided(
        self, source: str, site: Site, matrices: list[Floats]
    ) -> tuple[str, Floats | None]:
        """`source` divided for smoothing, and by what; in full precision as it is."""
        if self._measured is None:
            return source, None
        by = smoothing(self._measured[site], matrices)
        inverse = self._constant(f"{source}.inverse", (1 / by).astype(np.float32))
        return self._node("Mul", [source, inverse], f"{source}.smooth"), by

    def _product(
        self,
        source: str,
        name: str,
        matrix: Floats,
        site: Site,
        divided: Floats | None = None,
        *,
        bias: Floats | None = None,
        chosen: Any = slice(None),
    ) -> str:
        """`source` times `matrix` plus bias: integer where ranges were measured."""
        offset = self._constant(
            f"{name}.bias", self._weights[f"{name}.bias"] if bias is None else bias
        )
        if self._measured is None:
            found = self._node("MatMul", [source, self._constant(f"{name}.weight", matrix)], name)
            return self._node("Add", [found, offset], f"{name}.sum")
        by = np.ones(len(matrix), np.float32) if divided is None else divided
        bounds = self._measured[site]
        low = float((bounds.low[chosen] / by).min())
        high = float((bounds.high[chosen] / by).max())
        quantized = self._steps(source, low, high)
        whole, width = columns(matrix * by[:, None])
        return self._node(
            "MatMulIntegerToFloat",
            [
                quantized,
                self._constant(f"{name}.weight", whole),
                f"{source}.width",
                self._constant(f"{name}.width", width),
                f"{source}.zero",
                self._constant(f"{name}.zero", np.zeros(len(width), np.int8)),
                offset,
            ],
            name,
            _MS,
        )

    def _steps(self, source: str, low: float, high: float) -> str:
        """`source` in 256 steps; made once for all products of the same values."""
        if f"{source}.width" not in self._constants:
            width, zero = steps(low, high)
            parts = [
                self._constant(f"{source}.width", np.asarray(width)),
                self._constant(f"{source}.zero", np.asarray(zero)),
            ]
            self._node("QuantizeLinear", [source, *parts], f"{source}.steps")
        return f"{source}.steps"

    # -- pieces ---------------------------------------------------------------------------------

    def _added(self, found: str, to: str, norm: str, name: str) -> str:
        inputs = [found, to, *self._normal(norm)]
        epsilon = self._config["layer_norm_eps"]
        return self._node("SkipLayerNormalization", inputs, name, _MS, epsilon=epsilon)

    def _normal(self, name: str) -> list[str]:
        return [
            self._constant(f"{name}.{part}", self._weights[f"{name}.{part}"])
            for part in ("weight", "bias")
        ]

    def _matrix(self, name: str) -> Floats:
        matrix: Floats = self._weights[f"{name}.weight"].T
        return matrix

    def _constant(self, name: str, value: Any) -> str:
        self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def _node(self, kind: str, inputs: list[str], name: str, domain: str = "", **how: Any) -> str:
        self._nodes.append(helper.make_node(kind, inputs, [name], name, domain=domain, **how))
        return name
