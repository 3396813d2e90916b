"""What computes a data folder's vectors: decided from values, then opened."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from index import compose, manifest, prepare
from index.catalogue import Catalogue
from index.context import CONTEXT_VERSION
from index.embed import SentenceTransformerEmbedder, runs_on_gpu
from index.embed_choice import QUANTIZED, Choice, backend_for, choose
from index.embed_folder import ModelFolder, default_folder
from index.embed_onnx import OnnxEmbedder
from index.errors import ConfigurationError, EmbedderMismatch, MissingModel
from index.settings import IndexSettings
from index.writing import pin

PLAIN = ModelFolder(default_folder(), manifest.DEFAULT_PINS).fingerprint
INTEGER = PLAIN + QUANTIZED
CHOICE = Choice(plain="onnx", new="int8")


@pytest.mark.parametrize(
    ("rates", "plain", "new"),
    [
        ({"torch": 60.0}, "torch", "torch"),
        ({"torch": 60.0, "onnx": 130.0}, "onnx", "onnx"),
        ({"torch": 60.0, "onnx": 50.0}, "torch", "torch"),
        ({"torch": 60.0, "onnx": 130.0, "int8": 280.0}, "onnx", "int8"),
        ({"torch": 60.0, "onnx": 130.0, "int8": 140.0}, "onnx", "onnx"),
        ({"torch": 60.0, "int8": 280.0}, "torch", "int8"),
    ],
)
def test_what_is_not_clearly_faster_is_not_chosen(
    rates: dict[str, float], plain: str, new: str
) -> None:
    chosen = choose(rates)
    assert (chosen.plain, chosen.new) == (plain, new)


@pytest.mark.parametrize(
    ("demanded", "gpu", "pinned", "backend"),
    [
        ("auto", False, "", "int8"),  # a new folder
        ("auto", False, PLAIN, "onnx"),  # made before int8 was prepared
        ("auto", False, INTEGER, "int8"),
        ("auto", True, "", "torch"),
        ("auto", True, PLAIN, "torch"),
        ("auto", True, INTEGER, "int8"),  # a GPU that came later changes no vectors
        ("auto", False, "another:1", "onnx"),
        ("torch", False, "", "torch"),
        ("onnx", False, INTEGER, "onnx"),  # demanded: the index then says what does not fit
        ("int8", False, "", "int8"),
    ],
)
def test_a_folder_goes_on_with_the_vectors_it_has(
    demanded: str, gpu: bool, pinned: str, backend: str
) -> None:
    assert backend == backend_for(demanded, gpu=gpu, pinned=pinned, plain=PLAIN, choice=CHOICE)


def test_a_gpu_is_taken_where_torch_can_use_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = tmp_path / "driver"
    usable = True
    stand_in = SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: usable))
    monkeypatch.setitem(sys.modules, "torch", stand_in)

    assert not runs_on_gpu("auto", [driver])
    assert not runs_on_gpu("cpu", [driver])
    assert runs_on_gpu("cuda:1", [driver])
    driver.touch()
    assert runs_on_gpu("auto", [driver])
    assert not runs_on_gpu("cpu", [driver])
    usable = False
    assert not runs_on_gpu("auto", [driver])


@pytest.fixture
def noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place of prepared graphs with notes of both; no graph is opened here."""
    folder = tmp_path / "prepared"
    folder.mkdir()
    monkeypatch.setattr(prepare, "place", lambda _fingerprint: folder)
    monkeypatch.setattr(compose, "runs_on_gpu", lambda device: device not in ("auto", "cpu"))
    for name in ("prepared.json", "int8.json"):
        (folder / name).write_text(json.dumps({"fingerprint": PLAIN, "digest": "d"}))
    chosen = {"fingerprint": PLAIN, "plain": "onnx", "new": "int8", "why": "measured"}
    (folder / "choice.json").write_text(json.dumps(chosen))
    return folder


def pinned_home(tmp_path: Path, fingerprint: str) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    catalogue = Catalogue(f"sqlite:///{home / 'catalogue.db'}")
    with catalogue.write() as connection:
        pin(connection, f"{fingerprint}/text-{CONTEXT_VERSION}", 384)
    catalogue.close()
    return home


def test_a_new_folder_gets_what_set_up_chose(tmp_path: Path, noted: Path) -> None:
    assert compose.open_embedder(tmp_path, IndexSettings()).fingerprint == INTEGER
    assert not (tmp_path / "catalogue.db").exists()
    on_gpu = compose.open_embedder(tmp_path, IndexSettings(embedder_device="cuda"))
    assert isinstance(on_gpu, SentenceTransformerEmbedder)
    assert on_gpu.fingerprint == PLAIN


def test_a_folder_in_full_precision_is_opened_after_int8_was_prepared(
    tmp_path: Path, noted: Path
) -> None:
    home = pinned_home(tmp_path, PLAIN)
    embedder = compose.open_embedder(home, IndexSettings())
    assert isinstance(embedder, OnnxEmbedder)
    assert embedder.fingerprint == PLAIN
    with compose.open_index(home) as index:
        assert index.embedder.fingerprint == PLAIN


def test_a_folder_in_int8_is_opened_though_another_backend_is_chosen_now(
    tmp_path: Path, noted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = pinned_home(tmp_path, INTEGER)
    slow = {"fingerprint": PLAIN, "plain": "onnx", "new": "onnx"}
    (noted / "choice.json").write_text(json.dumps(slow))
    with compose.open_index(home) as index:
        assert index.embedder.fingerprint == INTEGER
    monkeypatch.setenv("CLOISTER_INDEX_EMBEDDER_BACKEND", "torch")
    with pytest.raises(EmbedderMismatch):
        compose.open_index(home)
    monkeypatch.delenv("CLOISTER_INDEX_EMBEDDER_BACKEND")
    (noted / "int8.json").unlink()
    with pytest.raises(MissingModel, match=r"index\.prepare"):
        compose.open_index(home)


def test_a_backend_for_processors_is_refused_on_another_device(tmp_path: Path, noted: Path) -> None:
    for backend in ("onnx", "int8"):
        settings = IndexSettings(embedder_backend=backend, embedder_device="cuda")
        with pytest.raises(ConfigurationError, match="processors"):
            compose.open_embedder(tmp_path, settings)


def test_a_choice_whose_graph_has_gone_is_none(noted: Path) -> None:
    assert prepare.choice(PLAIN) == Choice("onnx", "int8", "measured")
    (noted / "int8.json").unlink()
    assert prepare.choice(PLAIN) == Choice("onnx", "onnx", "measured")
    (noted / "prepared.json").unlink()
    assert prepare.choice(PLAIN) == Choice("torch", "torch", "measured")
    (noted / "choice.json").write_text('{"fingerprint": 3}')
    assert prepare.choice(PLAIN) == Choice("torch", "torch")
