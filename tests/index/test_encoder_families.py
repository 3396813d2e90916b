"""Every family of encoders as embedder and reranker, from both layouts of folder.

The classifier's half is `test_classify.py`.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index import embed_graph, manifest, prepare
from index.embed import SentenceTransformerEmbedder
from index.embed_folder import ModelFolder
from index.embed_onnx import OnnxEmbedder
from index.errors import AlteredModel, ConfigurationError
from index.model_files import positions
from index.rerank import CrossEncoderReranker
from tests.index.tiny_encoders import FAMILIES, POSITIONS, WORDS, build, saved, tokenizer

TEXTS = ["word1 word2 word3", "word9", "", "word5 nobody word7", " ".join(WORDS[:40])]
TOO_LONG = " ".join(WORDS)
LAYOUTS = ("transformers", "sentence-transformers")


def folder_of(family: str, layout: str, parent: Path, *, dense: int = 0) -> Path:
    """A tiny embedder of the family; `dense` is the length of a last layer's vectors."""
    plain = saved(family, build(family), parent / f"{family}-plain")
    if layout == "transformers":
        return plain
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules

    transformer = modules.Transformer(str(plain))
    width = transformer.get_embedding_dimension()
    parts: list[Any] = [transformer, modules.Pooling(width, "mean")]
    if dense:
        parts.append(modules.Dense(width, dense))
    whole = SentenceTransformer(modules=[*parts, modules.Normalize()], device="cpu")
    whole.save_pretrained(str(parent / family))
    return parent / family


def unstated(folder: Path) -> Path:
    """The folder without any window but what the model has positions for."""
    for name in ("tokenizer_config.json", "sentence_bert_config.json"):
        if (folder / name).exists():
            stated = json.loads((folder / name).read_text())
            stated.pop("model_max_length", None)
            stated.pop("max_seq_length", None)
            (folder / name).write_text(json.dumps(stated))
    return folder


def embedder(folder: Path) -> SentenceTransformerEmbedder:
    pins = manifest.pins_of(folder)
    return SentenceTransformerEmbedder(folder, pins, device="cpu", name=folder.name)


def by_transformers(family: str, folder: Path, texts: list[str]) -> Any:
    """The mean of each text's token vectors at unit length, (texts, width), each text alone."""
    import torch
    from transformers import AutoModel

    model, tokens = AutoModel.from_pretrained(folder).eval(), tokenizer(family)
    found = []
    for text in texts:
        encoded = tokens(text, truncation=True, max_length=POSITIONS, return_tensors="pt")
        with torch.no_grad():
            mean = model(**encoded).last_hidden_state[0].mean(dim=0)
        found.append((mean / mean.norm()).numpy())
    return np.stack(found)


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("family", FAMILIES)
def test_vectors_are_the_models_own(family: str, layout: str, tmp_path: Path) -> None:
    folder = folder_of(family, layout, tmp_path)
    made = embedder(folder)
    expected = by_transformers(family, folder, [*TEXTS, TOO_LONG])
    assert made.embed_passages([*TEXTS, TOO_LONG]) == pytest.approx(expected, abs=1e-4)
    assert made.embed_query(TEXTS[0]) == pytest.approx(expected[0], abs=1e-4)
    assert made.dimensions == expected.shape[1]
    assert made.max_tokens == POSITIONS
    assert made.token_counts(["word1 word2", TOO_LONG]) == [4, len(WORDS) + 2]
    assert float(expected[0] @ expected[1]) < 0.99  # the texts are told apart at all


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("family", FAMILIES)
def test_without_a_stated_window_the_model_reads_what_it_has_positions_for(
    family: str, layout: str, tmp_path: Path
) -> None:
    folder = unstated(folder_of(family, layout, tmp_path))
    made = embedder(folder)
    assert made.max_tokens == POSITIONS
    expected = by_transformers(family, folder, [TOO_LONG])
    assert made.embed_passages([TOO_LONG]) == pytest.approx(expected, abs=1e-4)


@pytest.mark.slow
def test_a_last_layer_decides_how_long_vectors_are(tmp_path: Path) -> None:
    made = embedder(folder_of("distilbert", "sentence-transformers", tmp_path, dense=20))
    assert made.dimensions == 20
    assert made.embed_passages(TEXTS).shape == (len(TEXTS), 20)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_a_graph_in_full_precision_is_let_in_for_each_family(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "place", lambda _fingerprint: tmp_path / "prepared")
    folder = folder_of(family, "transformers", tmp_path)
    files = ModelFolder(folder, manifest.pins_of(folder), family)
    torch = SentenceTransformerEmbedder(files.path, files.pins, device="cpu", name=family)
    reached = prepare.prepare(files, torch)
    assert reached is not None
    found = prepare.prepared(files.fingerprint)
    assert found is not None
    onnx = OnnxEmbedder(files, found.graph, found.digest)
    texts = [*TEXTS, TOO_LONG]
    assert onnx.embed_passages(texts) == pytest.approx(torch.embed_passages(texts), abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("family", FAMILIES)
def test_integer_products_are_for_bert_with_stated_pooling_only(
    family: str, layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "place", lambda _fingerprint: tmp_path / "prepared")
    folder = folder_of(family, layout, tmp_path)
    if layout == "sentence-transformers":  # as published folders have it
        pooling = {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True}
        (folder / "1_Pooling/config.json").write_text(json.dumps(pooling))
    files = ModelFolder(folder, manifest.pins_of(folder), family)
    known = family in ("bert", "tinybert") and layout == "sentence-transformers"
    assert embed_graph.is_known(files) == known
    if not known:
        assert prepare.prepare_quantized(files, embedder(folder)) is None
        assert "not known" in prepare._told(None)
        assert prepare.prepared(files.fingerprint, "int8") is None


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_reranks(family: str, tmp_path: Path) -> None:
    import torch

    model = build(family, "ForSequenceClassification", num_labels=1)
    folder = unstated(saved(family, model, tmp_path / family))
    made = CrossEncoderReranker(folder, manifest.pins_of(folder), device="cpu")
    encoded = tokenizer(family)(["word1"], ["word2 word3"], return_tensors="pt")
    with torch.no_grad():
        expected = model(**encoded).logits.sigmoid().item()
    found = made.scores("word1", ["word2 word3", TOO_LONG, ""])
    assert found[0] == pytest.approx(expected, abs=1e-4)
    assert len(found) == 3


# Folders that would do harm, or nothing

MODULE = {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}
DENSE = {"idx": 1, "name": "1", "path": "1_Dense", "type": "sentence_transformers.models.Dense"}


class Bomb:
    """What a hostile weight file holds: opened by pickle, it writes a file."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self._mark,)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An embedder's folder whose weights hold no tensor, which is as far as a refusal comes."""
    made = tmp_path / "embedder"
    made.mkdir()
    (made / "model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    (made / "config.json").write_text('{"model_type": "bert", "hidden_size": 8}')
    (made / "tokenizer.json").write_text("{}")
    return made


def write(name: str, content: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content))

    return change


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(folder.parent / "went off")))


def cut_short(folder: Path) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}}).encode()
    data = len(header).to_bytes(8, "little") + header + bytes(20)
    (folder / "model.safetensors").write_bytes(data)


def own_layer(folder: Path) -> None:
    write("modules.json", [MODULE, DENSE])(folder)
    write("1_Dense/config.json", {"out_features": 4, "activation_function": "os.abort"})(folder)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (pickled, "pytorch_model.bin"),
        (write("config.json", {"auto_map": {"AutoModel": "own.Model"}}), "code of its own"),
        (write("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["o.T", None]}}), "code"),
        (write("own.py", "print()"), r"own\.py"),
        (write("modules.json", [MODULE | {"type": "own.Module"}]), "own.Module"),
        (write("modules.json", [MODULE, {"type": "os.system", "path": "x"}]), "os.system"),
        (own_layer, "os.abort"),
        (cut_short, "cut short"),
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer.json"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x"), "no safetensors"),
    ],
)
def test_a_folder_that_is_not_safe_to_load_is_refused_before_anything_of_it_is_run(
    folder: Path, change: Callable[[Path], None], reason: str
) -> None:
    assert ModelFolder(folder, manifest.pins_of(folder)).verified() == folder
    change(folder)
    for ask in (lambda e: e.embed_query("x"), lambda e: e.count_tokens("x")):
        with pytest.raises(ConfigurationError, match=reason) as caught:
            ask(embedder(folder))
        assert "embedder_folder" in str(caught.value)
        assert str(caught.value).count("\n") == 0
    assert not (folder.parent / "went off").exists()


def test_a_file_that_was_altered_or_added_is_never_opened(folder: Path) -> None:
    pins = manifest.pins_of(folder)
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(folder.parent / "went off")))
    with pytest.raises(AlteredModel, match=r"pytorch_model\.bin"):
        SentenceTransformerEmbedder(folder, pins).embed_query("x")
    (folder / "pytorch_model.bin").unlink()
    cut_short(folder)
    with pytest.raises(AlteredModel, match=r"model\.safetensors"):
        SentenceTransformerEmbedder(folder, pins).embed_query("x")
    assert not (folder.parent / "went off").exists()


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"model_type": "bert", "max_position_embeddings": 512}, 512),
        ({"model_type": "distilbert", "max_position_embeddings": 512, "pad_token_id": 0}, 512),
        ({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ({"model_type": "xlm-roberta", "max_position_embeddings": 514}, 512),
        ({"model_type": "mpnet", "max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ({"model_type": "roberta", "max_position_embeddings": 1}, 0),
        ({"model_type": "bert", "max_position_embeddings": "many"}, 0),
        ({}, 0),
    ],
)
def test_a_window_is_what_a_model_has_positions_for(config: dict[str, Any], expected: int) -> None:
    assert positions(config) == expected


@pytest.mark.parametrize(
    ("config", "dimensions", "window"),
    [
        ({"model_type": "distilbert", "dim": 768, "max_position_embeddings": 512}, 768, 512),
        ({"model_type": "bert", "hidden_size": 312, "max_position_embeddings": 512}, 312, 512),
        ({"model_type": "roberta", "hidden_size": 768, "max_position_embeddings": 514}, 768, 512),
        ({"model_type": "bert", "hidden_size": 4}, 4, 512),
    ],
)
def test_sizes_are_read_without_loading_anything(
    folder: Path, config: dict[str, Any], dimensions: int, window: int
) -> None:
    (folder / "config.json").write_text(json.dumps(config))
    made = embedder(folder)
    assert (made.dimensions, made.max_tokens) == (dimensions, window)
    write("tokenizer_config.json", {"model_max_length": 100})(folder)
    assert embedder(folder).max_tokens == 100
    write("sentence_bert_config.json", {"max_seq_length": 256})(folder)
    assert embedder(folder).max_tokens == 256
    write("tokenizer_config.json", {"model_max_length": 10**30})(folder)
    write("sentence_bert_config.json", {"max_seq_length": None})(folder)
    assert embedder(folder).max_tokens == window
