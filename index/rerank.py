"""The reranker: a sentence-transformers cross-encoder on local files.

A second stage that reads question and passage together. It is off without a folder of its own.
Files are pinned like the embedder's, weights are safetensors only, and nothing in the folder is
run: no code beside the weights, no chat template, no class that a configuration names. A folder
that would need one of these is refused when the index is opened, not worked around.

Reranking is all or nothing for a question. There is no budget of seconds after which candidates
keep their order: the same question would then be answered from other passages on a busy day. What
bounds the time is the number of candidates and the window.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index import manifest, model_files
from index.embed_folder import OFFLINE, encodable
from index.errors import ConfigurationError, MissingModel
from index.shaping import Candidate

WINDOW = 512  # tokens of question and passage together, if the model can read as many
_LEAST_WINDOW = 16
_ADAPTER = "1"  # of how pairs become scores; another number means other scores
_CLASSIFIER = "ForSequenceClassification"
_TRANSFORMER = ("models.Transformer", "modules.Transformer", "modules.transformer.Transformer")
_SIGMOID = ("torch.nn.Sigmoid", "torch.nn.modules.activation.Sigmoid")
_IDENTITY = ("torch.nn.Identity", "torch.nn.modules.linear.Identity")
_OTHER_WAYS = ("processing_kwargs", "tokenizer_name_or_path", "query_expansion")  # to read a text


def reranked(candidates: Sequence[Candidate], scores: Sequence[float]) -> list[Candidate]:
    """`candidates` with the first `len(scores)` in the order of `scores`, ties as they were.

    The reranker decides the order and nothing else: the i-th of them has the i-th greatest of
    their own scores. What a score means was calibrated for the fusion, a cross-encoder's figure
    has another scale for each model, and so the best score of a question, from which "too little
    evidence" is decided, is the same with a reranker and without.
    """
    head, rest = candidates[: len(scores)], candidates[len(scores) :]
    order = sorted(range(len(head)), key=lambda index: -scores[index])
    places = sorted((each.score for each in head), reverse=True)
    moved = [replace(head[index], score=at) for index, at in zip(order, places, strict=True)]
    return [*moved, *rest]


def probabilities(logits: NDArray[np.float32]) -> list[float]:
    """0..1 from a model's logits, (n,) or (n, 1) of one label or (n, 2) of two.

    One label: the logistic function. Two: the softmax's share of the second, which by convention
    says "relevant". Neither changes an order. Raises ValueError if a logit is not a number.
    """
    wide = np.asarray(logits, np.float64)
    if wide.ndim == 2:
        wide = wide[:, 0] if wide.shape[1] == 1 else wide[:, 1] - wide[:, 0]
    if not np.isfinite(wide).all():
        raise ValueError("a score is not a finite number")
    # Written with tanh, which does not overflow.
    return [float(each) for each in 0.5 * (1.0 + np.tanh(0.5 * wide))]


class CrossEncoderReranker:
    """A `Reranker` from a folder whose files have the given pins.

    One label: the score is the logistic function of the logit, whether the model declares Sigmoid
    or Identity (whose logits have no bounds). Two labels: the softmax's share of the second. More
    labels, or another declared activation, are refused. Question and passage share the model's
    window: the question is kept whole unless it takes more than half of it, and the passage is cut
    at its end. Weights are float32 on every device.

    Raises:
        ConfigurationError: what is in the folder is not a cross-encoder that can be used so.
        AlteredModel: a file is another than the pinned one. Weights are compared when the first
            scores are asked for.
    """

    def __init__(
        self,
        folder: Path,
        pins: Mapping[str, str],
        *,
        device: str = "auto",
        threads: int = 0,
        batch: int = 32,
        window: int = WINDOW,
    ) -> None:
        self._folder = folder
        self._pins = dict(pins)
        self._device = device
        self._threads = threads
        self._batch = batch
        self._most = window
        self._guard = threading.RLock()
        self._loaded: _Loaded | None = None
        with _as_setting(folder):
            self._shape = _inspected(folder, self._pins)

    @property
    def fingerprint(self) -> str:
        """Names the weights and how they are used: equal fingerprints give equal scores."""
        used = {"(adapter)": _ADAPTER, "(window)": str(self._most)}
        return manifest.fingerprint(self._folder.name, {**self._pins, **used})

    def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        """How well each passage answers the question, 0..1, in the order of `passages`.

        Raises ConfigurationError, AlteredModel.
        """
        if not passages:
            return []
        # One forward pass at a time: two would share the same threads, and the tokenizer.
        with self._guard, _as_setting(self._folder):
            loaded = self._model()
            asked = loaded.fitting(encodable(question))
            # predict() sorts by length, so that a batch holds pairs of about one length.
            logits = loaded.model.predict(
                [(asked, encodable(passage)) for passage in passages],
                batch_size=self._batch,
                show_progress_bar=False,
                convert_to_numpy=True,
            )
            return probabilities(logits)

    def _model(self) -> _Loaded:
        if self._loaded is None:
            os.environ.update(OFFLINE)
            manifest.check(self._folder, self._pins)
            self._loaded = self._load()
        return self._loaded

    def _load(self) -> _Loaded:
        import torch
        from sentence_transformers import CrossEncoder
        from sentence_transformers.base.modules import Transformer
        from transformers.utils import logging as transformers_logging

        device = None if self._device == "auto" else self._device
        if device is not None and torch.device(device).type == "cuda":
            available = torch.cuda.device_count() if torch.cuda.is_available() else 0
            if (torch.device(device).index or 0) >= available:
                raise ValueError(f"there is no device {device}")
        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        if self._threads:
            torch.set_num_threads(self._threads)
        here = {"local_files_only": True, "trust_remote_code": False}
        # Put together by hand: CrossEncoder(folder) would import what its JSON files name.
        transformer = Transformer(
            str(self._folder),
            transformer_task="sequence-classification",
            model_kwargs={**here, "use_safetensors": True, "dtype": torch.float32},
            config_kwargs=dict(here),
            processor_kwargs=dict(here),
            processing_kwargs={"text": {"truncation": "only_second"}},
            do_lower_case=self._shape.lower_case,
        )
        own = transformer.model.base_model_prefix + "."
        head = {name for name in transformer.model.state_dict() if not name.startswith(own)}
        if missing := sorted(head - set(model_files.stored(self._folder, self._pins))):
            raise ValueError(f"its weights lack {missing[0]}")
        window = min(self._most, self._shape.window, _positions(transformer.model))
        if window < _LEAST_WINDOW:
            raise ValueError(f"it reads {window} tokens at most")
        transformer.max_seq_length = window
        # The activation is ours, so that none is looked up by the name in a configuration.
        model = CrossEncoder(
            modules=[transformer], device=device, activation_fn=torch.nn.Identity()
        )
        return _Loaded(model, transformer.tokenizer, window)


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A model that is ready, with its tokenizer and window."""

    model: Any
    tokenizer: Any
    window: int

    def fitting(self, question: str) -> str:
        """The question, cut at its end to half of the window."""
        markers = self.tokenizer.num_special_tokens_to_add(pair=True)
        most = (self.window - markers) // 2
        ends = self.tokenizer(
            question, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )["offset_mapping"]
        return question if len(ends) <= most else question[: ends[most - 1][1]]


@dataclass(frozen=True, slots=True)
class _Shape:
    """What the configuration files say of a model."""

    window: int
    lower_case: bool


@contextmanager
def _as_setting(folder: Path) -> Iterator[None]:
    """Turns what goes wrong with a reranker's folder into one sentence about the setting."""
    try:
        yield
    except MissingModel as error:
        raise _unusable(folder, _cause(error)) from error
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError) as error:
        raise _unusable(folder, str(error) or type(error).__name__) from error


def _cause(error: MissingModel) -> str:
    """What the system said of a file; the error's own sentence is about the embedder."""
    first = error.__cause__
    return f"{first.filename}: {first.strerror}" if isinstance(first, OSError) else "a file is lost"


def _unusable(folder: Path, reason: str) -> ConfigurationError:
    line = " ".join(reason.split())[:300].rstrip(".")
    return ConfigurationError(
        f"The reranker in {folder} cannot be used ({line}); correct reranker_folder in the "
        "[index] table of cloister.toml, or remove it to search without a reranker."
    )


def _inspected(folder: Path, pins: Mapping[str, str]) -> _Shape:
    """What the small files say, without opening a weight. Raises ValueError with the reason."""
    for name in pins:
        (folder / name).stat()
    if "tokenizer.json" not in pins:
        raise ValueError("its manifest names no tokenizer.json")
    if not model_files.weights(pins):
        raise ValueError("its manifest names no model.safetensors")
    config = model_files.config_of(folder, "config.json", pins)
    tokenizer = model_files.config_of(folder, "tokenizer_config.json", pins)
    module = model_files.config_of(folder, "sentence_bert_config.json", pins)
    whole = model_files.config_of(folder, "config_sentence_transformers.json", pins)
    if reason := _hindrance(folder, pins, config, tokenizer, module, whole):
        raise ValueError(reason)
    windows = (
        module.get("max_seq_length"),
        tokenizer.get("model_max_length"),
        config.get("max_position_embeddings"),
    )
    sizes = [int(each) for each in windows if isinstance(each, int | float) and each > 0]
    return _Shape(min(sizes, default=WINDOW), module.get("do_lower_case") is True)


def _hindrance(
    folder: Path,
    pins: Mapping[str, str],
    config: Mapping[str, Any],
    tokenizer: Mapping[str, Any],
    module: Mapping[str, Any],
    whole: Mapping[str, Any],
) -> str:
    """Why this is no cross-encoder that can be used, empty if it is one."""
    kinds = config.get("architectures") or [""]
    labels = _labels(config)
    activation = _activation(config, whole)
    if len(kinds) != 1 or not str(kinds[0]).endswith(_CLASSIFIER):
        return "it is not a transformer with a classification head"
    if "auto_map" in config or "auto_map" in tokenizer:
        return "it needs code of its own, which is never run"
    if "adapter_config.json" in pins:
        return "it is an adapter to another model; merge the two first"
    if tokenizer.get("chat_template") or any("chat_template" in name for name in pins):
        return "it has a chat template, which is never run"
    if not _plain(model_files.json_of(folder, "modules.json", pins)) or any(
        map(module.get, _OTHER_WAYS)
    ):
        return "it is more than a transformer with a classification head"
    if whole.get("default_prompt_name"):
        return "it wants a prompt with every question"
    if labels not in (1, 2):
        return f"it tells {labels} labels apart, and a reranker has one or two"
    if activation not in (*_SIGMOID, *_IDENTITY, "") or (labels == 2 and activation in _SIGMOID):
        return f"its scores would go through {activation}, and that is not known here"
    return ""


def _labels(config: Mapping[str, Any]) -> int:
    named = config.get("id2label")
    return len(named) if isinstance(named, dict) else int(config.get("num_labels", 2))


def _activation(config: Mapping[str, Any], whole: Mapping[str, Any]) -> str:
    """The dotted name that a model declares, newest place first; empty for none."""
    nested = config.get("sentence_transformers")
    older = nested.get("activation_fn") if isinstance(nested, dict) else None
    found = whole.get("activation_fn") or older
    return str(found or config.get("sbert_ce_default_activation_function") or "")


def _plain(modules: Any) -> bool:
    """Whether a modules.json, if there is one, names the transformer and nothing else."""
    if modules is None:
        return True
    kinds = [str(each["type"]) for each in modules]
    return len(kinds) == 1 and kinds[0].endswith(_TRANSFORMER)


def _positions(model: Any) -> int:
    """How many tokens the model has positions for; RoBERTa's kin begin after the padding's."""
    for module in model.modules():
        table: Any = getattr(module, "position_embeddings", None)
        padding = getattr(module, "padding_idx", None)
        if isinstance(padding, int) and hasattr(table, "num_embeddings"):
            return int(table.num_embeddings) - padding - 1
    return sys.maxsize
