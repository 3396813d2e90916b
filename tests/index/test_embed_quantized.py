"""Integer products: the arithmetic, and that a graph is judged by what it finds."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper

from index import embed_graph, embed_probe, manifest, prepare
from index.blobs import sha256_of
from index.embed_choice import QUANTIZED
from index.embed_folder import ModelFolder, default_folder
from index.embed_onnx import OnnxEmbedder
from index.errors import AlteredModel
from index.prepare import Likeness
from index.quantize import Ranges, columns, ranges, smoothing, steps, widest


@given(st.floats(-50, 50), st.floats(-50, 50), st.floats(0, 1))
def test_a_value_within_its_range_is_off_by_half_a_step(one: float, two: float, at: float) -> None:
    low, high = min(one, two), max(one, two)
    width, zero = steps(low, high)
    value = low + at * (high - low)
    step = np.clip(np.rint(value / width) + zero, 0, 255)
    assert abs((step - zero) * width - value) <= 1.01 * float(width)
    assert 0 <= zero <= 255


def test_every_column_has_steps_of_its_own() -> None:
    weights = np.array([[1.0, 100.0], [-0.5, 3.0], [0.25, 0.0]], np.float32)
    whole, width = columns(weights)
    assert whole[0].tolist() == [127, 127]
    assert whole * width == pytest.approx(weights, abs=float(width.max()) / 2)
    assert abs(whole[1, 0] * width[0] + 0.5) <= width[0] / 2


def test_smoothing_changes_no_product_and_evens_the_ranges() -> None:
    chance = np.random.default_rng(4)
    values = chance.normal(size=(50, 8)).astype(np.float32)
    values[:, 3] *= 40
    weights = chance.normal(size=(8, 5)).astype(np.float32)
    by = smoothing(ranges(values), [weights])
    assert (values / by) @ (weights * by[:, None]) == pytest.approx(values @ weights, rel=1e-3)
    before, after = ranges(values).most, ranges(values / by).most
    assert after.max() / after.min() < before.max() / before.min() / 5


def test_ranges_join_and_the_widest_are_told() -> None:
    one = Ranges(np.array([0, -9, -1], np.float32), np.array([1, 2, 1], np.float32))
    both = one.joined(Ranges(np.array([-1, 0, 0], np.float32), np.array([0, 0, 7], np.float32)))
    assert (both.low.tolist(), both.high.tolist()) == ([-1, -9, -1], [1, 2, 7])
    assert widest(both, 2).tolist() == [False, True, True]


def test_the_texts_are_the_same_every_time_and_not_those_of_calibration() -> None:
    assert embed_probe._made(seed=2) == (embed_probe.PASSAGES, embed_probe.QUESTIONS)
    assert (len(embed_probe.PASSAGES), len(embed_probe.QUESTIONS)) == (240, 120)
    shared = set(embed_probe.PASSAGES) & set(embed_probe.CALIBRATION)
    assert len(shared) < len(embed_probe.PASSAGES) / 10


def test_overlap_is_the_share_of_passages_that_both_find() -> None:
    passages = np.eye(6, dtype=np.float32)
    question = np.array([[6, 5, 4, 3, 2, 1]], np.float32)
    turned = np.array([[6, 5, 0, 0, 4, 3]], np.float32)
    found = (passages, question)
    assert embed_probe.overlap(found, found, 2) == 1.0
    assert embed_probe.overlap(found, (passages, turned), 4) == 0.5
    assert embed_probe.overlap(found, (passages, question[:, ::-1]), 3) == 0.0


@pytest.mark.parametrize(
    ("reached", "suffices"),
    [
        (Likeness(0.997, 0.965), True),
        (Likeness(0.982, 0.922), False),  # integer products of everything, the default model
        (Likeness(0.998, 0.94), False),
        (Likeness(0.98, 0.99), False),
        (Likeness(math.nan, 0.99), False),
    ],
)
def test_what_suffices(reached: Likeness, suffices: bool) -> None:
    assert reached.suffices is suffices


def _files() -> ModelFolder:
    return ModelFolder(default_folder(), manifest.DEFAULT_PINS)


def _altered(folder: Path, name: str, changes: dict[str, object]) -> ModelFolder:
    """A model whose configuration file `name` says something else; it has no weights."""
    for each in ("config.json", "1_Pooling/config.json", "config_sentence_transformers.json"):
        facts = json.loads((default_folder() / each).read_text())
        facts |= changes if each == name else {}
        (folder / each).parent.mkdir(parents=True, exist_ok=True)
        (folder / each).write_text(json.dumps(facts))
    (folder / "model.safetensors").write_bytes(b"none")
    return ModelFolder(folder, manifest.pins_of(folder))


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("config.json", {"model_type": "mpnet"}),
        ("config.json", {"hidden_act": "relu"}),
        ("config.json", {"position_embedding_type": "relative_key"}),
        ("1_Pooling/config.json", {"pooling_mode_cls_token": True}),
        ("config_sentence_transformers.json", {"prompts": {"query": "query: "}}),
    ],
)
def test_another_kind_of_model_is_left_alone(
    tmp_path: Path, name: str, changes: dict[str, object]
) -> None:
    assert embed_graph.is_known(_files())
    assert embed_graph.is_known(_altered(tmp_path / "same", name, {}))
    assert not embed_graph.is_known(_altered(tmp_path / "other", name, changes))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> OnnxEmbedder:
    """The model in full precision, by the graph that measures ranges."""
    graph = tmp_path_factory.mktemp("plain") / "graph"
    embed_graph.write_measuring(_files(), graph)
    return OnnxEmbedder(_files(), graph, sha256_of(graph))


@pytest.mark.slow
def test_a_graph_with_integer_products_is_let_in_and_an_altered_one_is_not_opened(
    plain: OnnxEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "place", lambda _fingerprint: tmp_path / "prepared")
    files = _files()

    reached = prepare.prepare_quantized(files, plain)
    found = prepare.prepared(files.fingerprint, "int8")

    assert reached is not None
    if not reached.suffices:  # a processor whose integer products overflow: refused, as it must be
        assert found is None
        pytest.skip("this processor's integer products do not keep the quality")
    assert found is not None
    ours = OnnxEmbedder(files, found.graph, found.digest, variant=QUANTIZED)
    assert ours.fingerprint != plain.fingerprint
    # A text's vector does not depend on what it is embedded together with.
    texts = ["six years", "Records are kept for six years. " * 30, "x"]
    alone = np.stack([ours.embed_query(text) for text in texts])
    assert ours.embed_passages(texts) == pytest.approx(alone, abs=1e-5)
    found.graph.write_bytes(found.graph.read_bytes()[:-1] + b"x")
    with pytest.raises(AlteredModel):
        OnnxEmbedder(files, found.graph, found.digest).embed_query("x")


@pytest.mark.slow
def test_a_bad_graph_is_refused_and_an_older_one_of_it_removed(
    plain: OnnxEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "prepared"
    monkeypatch.setattr(prepare, "place", lambda _fingerprint: folder)
    folder.mkdir()
    files = _files()
    for name in ("int8.json", "int8.onnx"):
        (folder / name).write_text(json.dumps({"fingerprint": files.fingerprint, "digest": "d"}))
    real = embed_graph.write_quantized

    def coarse(files: ModelFolder, measured: dict, path: Path) -> None:  # type: ignore[type-arg]
        """A graph whose weights have 15 steps instead of 255."""
        real(files, measured, path)
        model = onnx.load(str(path))
        for each in model.graph.initializer:
            value = numpy_helper.to_array(each)
            if value.dtype == np.int8 and value.ndim == 2:
                rough = (np.rint(value / 18.0) * 18).astype(np.int8)
                each.CopyFrom(numpy_helper.from_array(rough, each.name))
        onnx.save(model, str(path))

    monkeypatch.setattr(embed_graph, "write_quantized", coarse)
    reached = prepare.prepare_quantized(files, plain)

    assert reached is not None
    assert not reached.suffices
    assert prepare.prepared(files.fingerprint, "int8") is None
    assert list(folder.iterdir()) == []
