"""Classifiers: encoders with a classification head, on local files.

BERT, RoBERTa, DistilBERT, TinyBERT and their kin, saved by transformers. The folder is held to what
the reranker's is: every file pinned, weights as safetensors only, nothing in it run. Texts are
tokenised by the folder's tokenizer.json and go through the model that transformers has for the
configuration's `model_type`, in float32. torch is imported when the first text is classified.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from index import manifest, model_files
from index.embed_folder import OFFLINE, encodable
from index.errors import ConfigurationError, IndexFailure, MissingModel

_ADAPTER = "1"  # of how texts become shares; another number means other shares
_LEAST_WINDOW = 16
_WINDOW = 512  # tokens, where the folder does not say how many its model reads
_HEAD = "ForSequenceClassification"

Kind = Literal["one", "several"]
"""Whether exactly one label holds for a text, or any number of them."""


@dataclass(frozen=True, slots=True)
class Classified:
    """What a model says of one text. `shares` is a probability for each label, in the model's
    order: of one label among all, together 1, or of each by itself. `unread` is how many tokens of
    the text (and its partner) were beyond the model's window and were not seen.
    """

    shares: Mapping[str, float]
    unread: int = 0

    @property
    def best(self) -> str:
        """The likeliest label; the first of several as likely."""
        return max(self.shares, key=lambda label: self.shares[label])


class SequenceClassifier:
    """Says which labels fit a text, or a pair of texts. May be used by several threads.

    Raises:
        ConfigurationError: what is in the folder is not a classifier that can be used here.
        AlteredModel: a file is another than the pinned one, or one lies there that is not pinned.
            Weights are compared when the first text is classified.
    """

    def __init__(
        self,
        folder: Path,
        pins: Mapping[str, str],
        *,
        device: str = "auto",
        threads: int = 0,
        batch: int = 32,
    ) -> None:
        self._folder = folder
        self._pins = dict(pins)
        self._device = device
        self._threads = threads
        self._batch = batch
        self._guard = threading.RLock()
        self._loaded: _Loaded | None = None
        with _as_sentence(folder):
            self._shape = _inspected(folder, self._pins)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the model's outputs."""
        return self._shape.labels

    @property
    def kind(self) -> Kind:
        """Whether one label or several may hold."""
        return self._shape.kind

    @property
    def window(self) -> int:
        """Tokens of a text, or of a pair together, that are read, markers included."""
        return self._shape.window

    @property
    def fingerprint(self) -> str:
        """Names the weights and how they are used: equal fingerprints give equal shares."""
        return manifest.fingerprint(self._folder.name, {**self._pins, "(adapter)": _ADAPTER})

    def classify(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None
    ) -> list[Classified]:
        """One result for each text, in their order; with `pairs`, for each text and its partner.

        A text longer than the window is cut at its end, of a pair the longer one first, and
        `Classified.unread` says by how much.

        Raises ConfigurationError, AlteredModel, or ValueError if there are not as many partners.
        """
        if pairs is not None and len(pairs) != len(texts):
            raise ValueError(f"{len(texts)} texts have {len(pairs)} partners")
        if not texts:
            return []
        with self._guard, _as_sentence(self._folder):  # one forward pass at a time
            loaded = self._model()
            encoded = loaded.encoded(texts, pairs)
            logits = np.zeros((len(texts), len(self.labels)), np.float32)
            order = sorted(range(len(texts)), key=lambda at: -len(encoded[at].ids))
            for start in range(0, len(order), self._batch):
                part = order[start : start + self._batch]
                logits[part] = loaded.logits([encoded[at] for at in part])
            found = shares(logits, self.kind)
        return [
            Classified(dict(zip(self.labels, row, strict=True)), each.unread)
            for row, each in zip(found.tolist(), encoded, strict=True)
        ]

    def _model(self) -> _Loaded:
        if self._loaded is None:
            os.environ.update(OFFLINE)
            manifest.check(self._folder, self._pins)
            model_files.require_whole(self._folder, self._pins)
            self._loaded = self._load()
        return self._loaded

    def _load(self) -> _Loaded:
        import torch
        from tokenizers import Tokenizer
        from transformers import AutoModelForSequenceClassification
        from transformers.utils import logging as transformers_logging

        device = self._device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if torch.device(device).type == "cuda":
            available = torch.cuda.device_count() if torch.cuda.is_available() else 0
            if (torch.device(device).index or 0) >= available:
                raise ValueError(f"there is no device {device}")
        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        if self._threads:
            torch.set_num_threads(self._threads)
        model, report = AutoModelForSequenceClassification.from_pretrained(
            str(self._folder),
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
        # transformers gives what is not stored random values, with a warning at most.
        if missing := sorted(report["missing_keys"]):
            raise ValueError(f"its weights lack {missing[0]}")
        tokenizer = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
        tokenizer.no_padding()
        model = model.to(device).eval()
        takes_kinds = getattr(model.config, "type_vocab_size", 0) > 1
        return _Loaded(model, tokenizer, device, self.window, self._shape.padding, takes_kinds)


@dataclass(frozen=True, slots=True)
class _Tokens:
    """One text or pair as its model reads it; `types` tell a pair's first text from its second."""

    ids: list[int]
    types: list[int]
    unread: int


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A model that is ready. `takes_kinds`: it tells a pair's first text from its second by a
    token type, which RoBERTa and DistilBERT do not."""

    model: Any
    tokenizer: Any
    device: str
    window: int
    padding: int
    takes_kinds: bool

    def encoded(self, texts: Sequence[str], pairs: Sequence[str] | None) -> list[_Tokens]:
        """The tokens of each text or pair, markers included, cut to the window."""
        given: list[Any] = [encodable(text) for text in texts]
        if pairs is not None:
            given = [*zip(given, map(encodable, pairs), strict=True)]
        self.tokenizer.no_truncation()
        whole = self.tokenizer.encode_batch(given)
        # Only what is too long is tokenised again, so that it is known how much was cut off.
        self.tokenizer.enable_truncation(self.window, strategy="longest_first")
        found = []
        for text, each in zip(given, whole, strict=True):
            count = len(each.ids)
            if count > self.window:
                each = self.tokenizer.encode_batch([text])[0]
            found.append(_Tokens(each.ids, each.type_ids, count - len(each.ids)))
        return found

    def logits(self, encoded: Sequence[_Tokens]) -> NDArray[np.float32]:
        """The model's outputs, (texts, labels), for one batch."""
        import torch

        shape = (len(encoded), max(len(each.ids) for each in encoded))
        # RoBERTa numbers tokens by which are not padding: it must be the model's own.
        tokens = np.full(shape, self.padding, np.int64)
        mask, kinds = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for row, each in enumerate(encoded):
            tokens[row, : len(each.ids)] = each.ids
            mask[row, : len(each.ids)] = 1
            kinds[row, : len(each.ids)] = each.types
        inputs = {"input_ids": tokens, "attention_mask": mask}
        if self.takes_kinds:
            inputs["token_type_ids"] = kinds
        with torch.inference_mode():
            given = {name: torch.from_numpy(each).to(self.device) for name, each in inputs.items()}
            found: NDArray[np.float32] = self.model(**given).logits.float().cpu().numpy()
        return found


def shares(logits: NDArray[np.float32], kind: Kind) -> NDArray[np.float64]:
    """Probabilities from logits, both (texts, labels): the softmax of each row where one label
    holds, the logistic function of each where several may. Raises ValueError if one is no number.
    """
    wide = np.asarray(logits, np.float64)
    if not np.isfinite(wide).all():
        raise ValueError("an output is not a finite number")
    found: NDArray[np.float64]
    if kind == "several":
        found = 0.5 * (1.0 + np.tanh(0.5 * wide))  # the logistic function, without overflow
        return found
    powers = np.exp(wide - wide.max(axis=1, keepdims=True))
    found = powers / powers.sum(axis=1, keepdims=True)
    return found


@dataclass(frozen=True, slots=True)
class _Shape:
    """What the configuration says of a classifier. `padding` is the padding token's number."""

    labels: tuple[str, ...]
    kind: Kind
    window: int
    padding: int


@contextmanager
def _as_sentence(folder: Path) -> Iterator[None]:
    """Turns what goes wrong with a classifier's folder into one sentence."""
    try:
        yield
    except MissingModel as error:
        first = error.__cause__
        told = f"{first.filename}: {first.strerror}" if isinstance(first, OSError) else str(error)
        raise _unusable(folder, told) from error
    except IndexFailure:
        raise
    except Exception as error:
        # Whatever the libraries that read the folder make of it (tokenizers raises bare Exception,
        # safetensors an error of its own), it is this folder that cannot be used.
        raise _unusable(folder, str(error) or type(error).__name__) from error


def _unusable(folder: Path, reason: str) -> ConfigurationError:
    line = " ".join(reason.split())[:300].rstrip(".")
    return ConfigurationError(
        f"The classifier in {folder} cannot be used ({line}); choose a folder that transformers "
        "saved with a classification head and pin its files, see docs/encoders.md."
    )


def _inspected(folder: Path, pins: Mapping[str, str]) -> _Shape:
    """What the small files say, without opening a weight. Raises ValueError with the reason."""
    for name in pins:
        (folder / name).stat()
    config = model_files.config_of(folder, "config.json", pins)
    tokenizer = model_files.config_of(folder, "tokenizer_config.json", pins)
    kinds = config.get("architectures") or [""]
    if reason := model_files.foreign_code(folder, config, tokenizer):
        raise ValueError(reason)
    if "adapter_config.json" in pins:
        raise ValueError("it is an adapter to another model; merge the two first")
    if not model_files.weights(pins):
        raise ValueError("its manifest names no model.safetensors")
    if "tokenizer.json" not in pins:
        raise ValueError("its manifest names no tokenizer.json")
    if len(kinds) != 1 or not str(kinds[0]).endswith(_HEAD):
        raise ValueError("it is not a transformer with a classification head")
    if "modules.json" in pins:
        raise ValueError("it is a sentence-transformers model; use it as embedder or reranker")
    labels = _labels(config)
    window = _window(config, tokenizer)
    padding = config.get("pad_token_id")
    return _Shape(labels, _kind(config, labels), window, padding if type(padding) is int else 0)


def _labels(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The labels in the order of the model's outputs. Raises ValueError if any is unclear."""
    named = config.get("id2label")
    if not isinstance(named, dict) or not named:
        raise ValueError("its config.json names no labels")
    labels = [named.get(str(number)) for number in range(len(named))]
    told = [label for label in labels if isinstance(label, str) and label.strip()]
    if len(told) != len(labels):
        raise ValueError("its config.json does not name every label")
    if len(set(told)) != len(told):
        raise ValueError("two of its labels have the same name")
    return tuple(told)


def _kind(config: Mapping[str, Any], labels: Sequence[str]) -> Kind:
    """One label by itself is judged by the logistic function, as transformers' pipelines do."""
    problem = config.get("problem_type")
    if problem not in (None, "single_label_classification", "multi_label_classification"):
        raise ValueError(f"it was made for {problem}, not to tell labels apart")
    return "several" if problem == "multi_label_classification" or len(labels) == 1 else "one"


def _window(config: Mapping[str, Any], tokenizer: Mapping[str, Any]) -> int:
    stated = (tokenizer.get("model_max_length"), model_files.positions(config))
    sizes = [int(each) for each in stated if each and 0 < each < model_files.UNSAID]
    window = min(sizes, default=_WINDOW)
    if window < _LEAST_WINDOW:
        raise ValueError(f"it reads {window} tokens at most")
    return window
