"""The embedder in PyTorch: sentence-transformers on local files. The only module that imports
either.

Weights are safetensors only and no code that lies beside them is run. torch is imported when the
first text is embedded, not before: counting tokens and opening an index do not need it.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from index.embed_folder import (
    DEFAULT_NAME,
    OFFLINE,
    FolderEmbedder,
    ModelFolder,
    default_folder,
    encodable,
    unit_vectors,
)
from index.records import Vector, Vectors

__all__ = [
    "DEFAULT_NAME",
    "SentenceTransformerEmbedder",
    "default_folder",
    "runs_on_gpu",
    "unit_vectors",
]

_OPSET = 20  # of ONNX; what onnxruntime of the pinned version runs


_DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/dxg"), Path("/dev/kfd"))  # NVIDIA, WSL, AMD


def runs_on_gpu(device: str, drivers: Sequence[Path] = _DRIVERS) -> bool:
    """Whether a torch device of this name is none of the processor's: for `auto`, whether there
    is a GPU that the installed PyTorch can use.

    PyTorch, which takes seconds to import, is asked only where a driver is.
    """
    if device != "auto":
        return device != "cpu"
    if not any(driver.exists() for driver in drivers):
        return False
    import torch

    return bool(torch.cuda.is_available())


class SentenceTransformerEmbedder(FolderEmbedder):
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
        super().__init__(ModelFolder(folder, pins, name))
        self._device = None if device == "auto" else device
        self._threads = threads
        self._batch = batch
        self._guard = threading.RLock()
        self._loaded: Any = None

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self.dimensions), np.float32)
        model = self._model()
        with self._guard:  # one forward pass at a time: two would share the same threads
            found = model.encode_document(
                [encodable(text) for text in texts], **self._how(self._batch)
            )
        return unit_vectors(np.asarray(found, np.float32), (len(texts), self.dimensions))

    def embed_query(self, text: str) -> Vector:
        model = self._model()
        with self._guard:
            found = model.encode_query([encodable(text)], **self._how(1))
        vector: Vector = unit_vectors(np.asarray(found, np.float32), (1, self.dimensions))[0]
        return vector

    def export(self, path: Path) -> None:
        """Write the model's graph as ONNX to `path`: from `input_ids` and `attention_mask`, both
        int64 (texts, tokens), to `sentence_embedding`, float32 (texts, dimensions).

        Needs the packages onnx and onnxscript.
        """
        model = self._model()
        import torch

        logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses torchvision; we do not

        class Graph(torch.nn.Module):
            """The whole sentence-transformers pipeline, pooling included, without tokenizer."""

            def __init__(self) -> None:
                super().__init__()
                self.inner = model

            def forward(self, input_ids: Any, attention_mask: Any) -> Any:
                features = {"input_ids": input_ids, "attention_mask": attention_mask}
                if "token_type_ids" in getattr(model[0], "model_input_names", ()):
                    features["token_type_ids"] = torch.zeros_like(input_ids)
                return self.inner(features)["sentence_embedding"]

        texts, tokens = torch.export.Dim("texts"), torch.export.Dim("tokens")
        example = torch.randint(5, 100, (2, 8))
        with self._guard, torch.no_grad():
            torch.onnx.export(
                Graph().eval(),
                (example, torch.ones_like(example)),
                str(path),
                input_names=["input_ids", "attention_mask"],
                output_names=["sentence_embedding"],
                dynamic_shapes=({0: texts, 1: tokens}, {0: texts, 1: tokens}),
                dynamo=True,
                external_data=False,
                opset_version=_OPSET,
                verbose=False,
            )

    @staticmethod
    def _how(batch: int) -> dict[str, Any]:
        # encode() sorts by length, so that a batch holds texts of about one length.
        return {
            "batch_size": batch,
            "normalize_embeddings": True,
            "convert_to_numpy": True,
            "show_progress_bar": False,
        }

    def _model(self) -> Any:
        with self._guard:
            if self._loaded is None:
                os.environ.update(OFFLINE)
                folder = self._files.verified()
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
                # Of RoBERTa, sentence-transformers takes the table of positions for the window.
                self._loaded.max_seq_length = self.max_tokens
            return self._loaded
