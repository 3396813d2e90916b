"""Pins: an altered model file is refused before it is opened."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from index import manifest
from index.compose import open_embedder
from index.embed import SentenceTransformerEmbedder, default_folder
from index.errors import AlteredModel, ConfigurationError, MissingModel
from index.settings import IndexSettings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    (made / "1_Pooling").mkdir(parents=True)
    (made / "model.safetensors").write_bytes(b"weights")
    (made / "config.json").write_text('{"hidden_size": 4}')
    (made / "1_Pooling" / "config.json").write_text("{}")
    (made / "README.md").write_text("read me")
    return made


def test_what_was_pinned_passes(folder: Path) -> None:
    pins = manifest.pins_of(folder)
    assert sorted(pins) == ["1_Pooling/config.json", "config.json", "model.safetensors"]
    manifest.check(folder, pins)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "1_Pooling/config.json"])
def test_one_changed_byte_is_refused(folder: Path, name: str) -> None:
    pins = manifest.pins_of(folder)
    with (folder / name).open("ab") as stream:
        stream.write(b" ")
    with pytest.raises(AlteredModel) as caught:
        manifest.check(folder, pins)
    assert caught.value.exit_code == 3
    assert name in str(caught.value)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "modeling.py", "adapter.safetensors"])
def test_a_file_without_a_pin_is_refused(folder: Path, name: str) -> None:
    pins = manifest.pins_of(folder)
    (folder / name).write_bytes(b"x")
    with pytest.raises(AlteredModel, match=name):
        manifest.check(folder, pins)


def test_a_missing_file_is_named(folder: Path) -> None:
    pins = manifest.pins_of(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(MissingModel, match="safetensors") as caught:
        manifest.check(folder, pins)
    assert caught.value.exit_code == 3


def test_the_fingerprint_changes_with_any_pin(folder: Path) -> None:
    pins = manifest.pins_of(folder)
    before = manifest.fingerprint("m", pins)
    assert manifest.fingerprint("m", dict(reversed(pins.items()))) == before
    assert manifest.fingerprint("m", pins | {"config.json": "0" * 64}) != before


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"a": 1}', '{"a": "xyz"}', json.dumps({"../a": "0" * 64})],
)
def test_a_manifest_must_be_one(tmp_path: Path, content: str) -> None:
    (tmp_path / "m.json").write_text(content)
    with pytest.raises(ConfigurationError, match=r"m\.json"):
        manifest.read_pins(tmp_path / "m.json")


def test_an_altered_default_model_is_never_opened(tmp_path: Path) -> None:
    copy = tmp_path / "model"
    shutil.copytree(default_folder(), copy)
    weights = copy / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    embedder = SentenceTransformerEmbedder(copy, manifest.DEFAULT_PINS)
    with pytest.raises(AlteredModel, match="safetensors"):
        embedder.embed_query("x")
    with pytest.raises(AlteredModel, match="safetensors"):
        embedder.count_tokens("x")


def test_the_default_weights_are_the_official_ones() -> None:
    assert manifest.DEFAULT_PINS["model.safetensors"] == (
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    )


def test_another_folder_needs_a_manifest_of_its_own(home: Path, folder: Path) -> None:
    (home / "cloister.toml").write_text(f'[index]\nembedder_folder = "{folder}"\n')
    settings = IndexSettings.load(home)
    with pytest.raises(ConfigurationError, match="manifest"):
        open_embedder(home, settings)
    beside = folder.with_name("model.manifest.json")
    beside.write_text(json.dumps(manifest.pins_of(folder)))
    embedder = open_embedder(home, settings)
    assert embedder.fingerprint.startswith("model:")
    assert (embedder.dimensions, embedder.max_tokens) == (4, 512)
    (folder / "config.json").write_text('{"hidden_size": 5}')
    with pytest.raises(AlteredModel, match=r"config\.json"):
        _size = open_embedder(home, settings).dimensions
