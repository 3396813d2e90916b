"""The embedder in ONNX Runtime: PyTorch's vectors sooner, or nearly its vectors much sooner.

Runs a graph that `index.prepare` wrote from the pinned weights and compared with PyTorch before it
was let in; the graph's own SHA-256 is checked before it is opened. A graph with integer products
gives other vectors than the weights themselves and so has a fingerprint of its own (`variant`).
onnxruntime is imported when the first text is embedded. A model whose texts need a prompt in front
is none for this: `index.prepare` refuses what does not give PyTorch's vectors.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from index.blobs import sha256_of
from index.embed_folder import FolderEmbedder, ModelFolder, unit_vectors
from index.errors import AlteredModel, MissingModel
from index.records import Vector, Vectors

_TOKENS_AT_ONCE = 2048  # padded; more does not fit a processor's cache and is slower
_TEXTS_AT_ONCE = 64


class OnnxEmbedder(FolderEmbedder):
    """An `Embedder` that runs the graph at `graph`, whose SHA-256 is `digest`.

    `variant` is put behind the model's fingerprint; empty if the vectors are the model's own. May
    be used by several threads, which share one session and take turns.
    """

    def __init__(
        self,
        files: ModelFolder,
        graph: Path,
        digest: str,
        *,
        threads: int = 0,
        variant: str = "",
    ) -> None:
        super().__init__(files)
        self._variant = variant
        self._graph = graph
        self._digest = digest
        self._threads = threads or len(os.sched_getaffinity(0))
        self._guard = threading.RLock()
        self._session: Any = None

    @property
    def fingerprint(self) -> str:
        """Names the weights and how they are used: equal fingerprints give equal vectors."""
        return self._files.fingerprint + self._variant

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        found = np.zeros((len(texts), self.dimensions), np.float32)
        if not texts:
            return found
        ids = self._files.token_ids(texts)
        session = self._running()
        with self._guard:  # one forward pass at a time: two would share the same threads
            for part in batches([len(each) for each in ids]):
                found[part] = session.run(None, padded([ids[at] for at in part]))[0]
        return unit_vectors(found, found.shape)

    def embed_query(self, text: str) -> Vector:
        vector: Vector = self.embed_passages([text])[0]
        return vector

    def _running(self) -> Any:
        with self._guard:
            if self._session is None:
                self._files.verified()
                try:
                    found = sha256_of(self._graph)
                except OSError as error:
                    raise MissingModel(f"{self._graph}: {error.strerror}") from error
                if found != self._digest:
                    raise AlteredModel(self._graph)
                self._session = open_session(self._graph, self._threads)
            return self._session


def open_session(graph: Path, threads: int) -> Any:
    """An onnxruntime session on so many threads of the processor."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # A waiting thread that spins takes the processor from readers and the model.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])


def batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """The indices of texts with these token counts in groups of about one length, longest first,
    each small enough to be computed at once.
    """
    order = sorted(range(len(lengths)), key=lambda at: -lengths[at])
    part: list[int] = []
    for at in order:
        most = (
            max(1, min(_TEXTS_AT_ONCE, _TOKENS_AT_ONCE // max(lengths[part[0]], 1))) if part else 1
        )
        if part and len(part) >= most:
            yield part
            part = []
        part.append(at)
    if part:
        yield part


def padded(ids: Sequence[Sequence[int]]) -> dict[str, np.ndarray[Any, Any]]:
    """The graph's inputs for one group of texts, int64 (texts, tokens of the longest)."""
    longest = max(len(each) for each in ids)
    tokens = np.zeros((len(ids), longest), np.int64)
    mask = np.zeros_like(tokens)
    for row, each in enumerate(ids):
        tokens[row, : len(each)] = each
        mask[row, : len(each)] = 1
    return {"input_ids": tokens, "attention_mask": mask}
