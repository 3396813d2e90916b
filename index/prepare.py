"""Prepares the embedder for ONNX Runtime, at set-up and without network: `python -m index.prepare`.

Writes the graph from the pinned weights, embeds a set of texts with it and with PyTorch, and lets
it in only if every vector is the same but for rounding. A graph that is not let in is removed, and
embedding stays with PyTorch: slower, never different. What was prepared lies beside the installed
packages, one folder for each fingerprint, with a note of digests.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from index.blobs import sha256_of
from index.embed import SentenceTransformerEmbedder
from index.embed_folder import ModelFolder
from index.embed_onnx import OnnxEmbedder
from index.records import Vectors

SAME = 0.9999
"""The least cosine between a text's two vectors for them to count as the same."""

_GRAPH, _NOTE = "model.onnx", "prepared.json"
_SENTENCES = (
    "Records of every transfer are kept for at least six years after the account is closed.",
    "Total net sales  $ 81,797  $ 82,959  $ 293,787  $ 304,182",
    "§ 164.312(b) Audit controls.",
    "Wie lange werden die Unterlagen aufbewahrt? Die Frist beträgt zehn Jahre.",
    "x",
    "",
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A graph that was let in, and its hex SHA-256."""

    graph: Path
    digest: str


def place(fingerprint: str) -> Path:
    """Where the graph for an embedder lies."""
    return Path(sys.prefix) / "share" / "cloister" / "embedders" / fingerprint.replace(":", "-")


def prepared(fingerprint: str) -> Prepared | None:
    """What was prepared for an embedder, None if nothing was."""
    folder = place(fingerprint)
    try:
        note = json.loads((folder / _NOTE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(note, dict) or note.get("fingerprint") != fingerprint:
        return None
    return Prepared(folder / _GRAPH, str(note.get("digest", "")))


def texts() -> list[str]:
    """What both are compared on: all lengths up to beyond the model's window."""
    whole = " ".join(_SENTENCES)
    return [*_SENTENCES, *(" ".join([whole] * count) for count in (1, 2, 4, 12))]


def agreement(one: Vectors, other: Vectors) -> float:
    """The least cosine between corresponding rows."""
    return float((one * other).sum(axis=1).min())


def prepare(files: ModelFolder, reference: SentenceTransformerEmbedder) -> float | None:
    """Prepare the model in `files`; the agreement reached, or None if the graph was not let in.

    Raises MissingModel, AlteredModel, OSError.
    """
    folder = place(files.fingerprint)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        graph = Path(scratch) / _GRAPH
        reference.export(graph)
        digest = sha256_of(graph)
        probe = texts()
        ours = OnnxEmbedder(files, graph, digest)
        reached = min(
            agreement(ours.embed_passages(probe), reference.embed_passages(probe)),
            float(ours.embed_query(probe[0]) @ reference.embed_query(probe[0])),
        )
        if not np.isfinite(reached) or reached < SAME:
            return None
        note = {"fingerprint": files.fingerprint, "digest": digest, "agreement": round(reached, 6)}
        folder.mkdir(exist_ok=True)
        (folder / _NOTE).unlink(missing_ok=True)  # until the new graph is whole there is none
        graph.replace(folder / _GRAPH)
        written = Path(scratch) / _NOTE
        written.write_text(json.dumps(note) + "\n", encoding="utf-8")
        written.replace(folder / _NOTE)
    return reached


def main() -> int:
    """Entry point: the default embedder, or that of the home in CLOISTER_HOME."""
    from index.compose import embedder_files
    from index.settings import IndexSettings

    home = Path(os.environ.get("CLOISTER_HOME", "."))
    files = embedder_files(home, IndexSettings.load(home))
    if prepared(files.fingerprint) is not None:
        print(f"  embedder: {files.name} is prepared for ONNX Runtime")
        return 0
    reference = SentenceTransformerEmbedder(files.path, files.pins, device="cpu", name=files.name)
    reached = prepare(files, reference)
    if reached is None:
        print(f"  embedder: {files.name} differs in ONNX Runtime, so PyTorch will run it")
        return 0
    print(f"  embedder: {files.name} prepared for ONNX Runtime, agreement {reached:.6f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
