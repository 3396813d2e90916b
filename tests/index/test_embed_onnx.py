"""The embedder in ONNX Runtime: how texts are grouped, and that a graph is let in or refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index import compose, manifest, prepare
from index.embed import SentenceTransformerEmbedder
from index.embed_folder import ModelFolder, default_folder
from index.embed_onnx import OnnxEmbedder, batches, padded
from index.errors import AlteredModel, MissingModel
from index.settings import IndexSettings


def _files() -> ModelFolder:
    return ModelFolder(default_folder(), manifest.DEFAULT_PINS)


@given(st.lists(st.integers(2, 256), max_size=300))
def test_every_text_is_in_one_group_and_no_group_is_large(lengths: list[int]) -> None:
    groups = list(batches(lengths))

    assert sorted(at for group in groups for at in group) == list(range(len(lengths)))
    for group in groups:
        longest = max(lengths[at] for at in group)
        assert len(group) == 1 or len(group) * longest <= 2048
        assert len(group) <= 64


def test_short_texts_are_padded_and_masked() -> None:
    inputs = padded([[5, 6, 7], [8]])

    assert inputs["input_ids"].tolist() == [[5, 6, 7], [8, 0, 0]]
    assert inputs["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]


def test_a_text_beyond_the_window_keeps_its_end_marker() -> None:
    files = _files()
    short, long = files.token_ids(["six years", "word " * 1000])

    assert len(long) == files.max_tokens
    assert long[-1] == short[-1]
    assert files.token_counts(["six years"]) == [len(short)]


def test_an_altered_graph_is_not_opened(tmp_path: Path) -> None:
    graph = tmp_path / "model.onnx"
    graph.write_bytes(b"not what was prepared")

    with pytest.raises(AlteredModel):
        OnnxEmbedder(_files(), graph, "0" * 64).embed_query("x")
    with pytest.raises(MissingModel):
        OnnxEmbedder(_files(), tmp_path / "none", "0" * 64).embed_query("x")


def test_a_note_for_another_model_is_no_preparation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "place", lambda _fingerprint: tmp_path)
    assert prepare.prepared("a:1") is None
    (tmp_path / "prepared.json").write_text("[]")
    assert prepare.prepared("a:1") is None
    (tmp_path / "prepared.json").write_text(json.dumps({"fingerprint": "a:2", "digest": "d"}))
    assert prepare.prepared("a:1") is None
    found = prepare.prepared("a:2")
    assert found is not None
    assert found.digest == "d"


def test_the_backend_is_chosen_by_what_is_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "place", lambda _fingerprint: tmp_path)
    settings = IndexSettings()
    assert isinstance(compose.open_embedder(tmp_path, settings), SentenceTransformerEmbedder)
    with pytest.raises(MissingModel, match=r"index\.prepare"):
        compose.open_embedder(tmp_path, IndexSettings(embedder_backend="onnx"))

    note = {"fingerprint": _files().fingerprint, "digest": "d"}
    (tmp_path / "prepared.json").write_text(json.dumps(note))

    assert isinstance(compose.open_embedder(tmp_path, settings), OnnxEmbedder)
    other = compose.open_embedder(tmp_path, IndexSettings(embedder_backend="torch"))
    assert isinstance(other, SentenceTransformerEmbedder)


class _Turned(SentenceTransformerEmbedder):
    """A reference whose vectors the graph does not give."""

    def embed_passages(self, texts):  # type: ignore[no-untyped-def]
        return np.roll(super().embed_passages(texts), 1, axis=1)


@pytest.mark.slow
def test_a_graph_is_let_in_only_if_it_gives_the_same_vectors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "place", lambda _fingerprint: tmp_path / "prepared")
    files = _files()

    assert prepare.prepare(files, _Turned(files.path, files.pins, device="cpu")) is None
    assert prepare.prepared(files.fingerprint) is None
    assert list(tmp_path.iterdir()) == []

    torch = SentenceTransformerEmbedder(files.path, files.pins, device="cpu")
    reached = prepare.prepare(files, torch)
    found = prepare.prepared(files.fingerprint)

    assert reached is not None
    assert reached >= prepare.SAME
    assert found is not None
    onnx = OnnxEmbedder(files, found.graph, found.digest)
    texts = ["Records are kept for six years.", "short", "", "long " * 400, "2 °C \ud800"]
    assert onnx.embed_passages(texts) == pytest.approx(torch.embed_passages(texts), abs=1e-4)
    assert onnx.embed_passages(texts)[1] == pytest.approx(onnx.embed_query("short"), abs=1e-5)
    assert onnx.embed_passages([]).shape == (0, 384)
    assert onnx.fingerprint == torch.fingerprint
