"""The classifier: what it refuses before anything is run, and that its outputs are the model's."""

from __future__ import annotations

import json
import pickle
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index import manifest
from index.classify import Classified, SequenceClassifier, shares
from index.errors import AlteredModel, ConfigurationError
from tests.index.tiny_encoders import FAMILIES, POSITIONS, WORDS, build, saved, tokenizer

LABELS = {0: "duty", 1: "ban", 2: "permission"}
CONFIG = {
    "architectures": ["BertForSequenceClassification"],
    "model_type": "bert",
    "id2label": {str(number): label for number, label in LABELS.items()},
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Looks like a classifier until its weights are read."""
    made = tmp_path / "classifier"
    made.mkdir()
    (made / "model.safetensors").write_bytes(b"no weights")
    (made / "tokenizer.json").write_text("{}")
    (made / "config.json").write_text(json.dumps(CONFIG))
    return made


def opened(folder: Path, **more: Any) -> SequenceClassifier:
    return SequenceClassifier(folder, manifest.pins_of(folder), **more)


def config(**changed: Any) -> Callable[[Path], None]:
    return lambda folder: (folder / "config.json").write_text(json.dumps(CONFIG | changed)) and None


def write(name: str, content: Any) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(json.dumps(content)) and None


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


class Bomb:
    """What a hostile weight file holds: opened by pickle, it writes a file."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self._mark,)


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(folder.parent / "went off")))


def beside(folder: Path) -> None:
    (folder / "training_args.bin").write_bytes(pickle.dumps(Bomb(folder.parent / "went off")))


def scripted(folder: Path) -> None:
    (folder / "modeling_own.py").write_text("import pathlib; pathlib.Path('went off').touch()")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (without("tokenizer.json"), "tokenizer.json"),
        (without("model.safetensors"), "model.safetensors"),
        (without("config.json"), "head"),
        (pickled, "pytorch_model.bin"),
        (beside, "training_args.bin"),
        (scripted, "modeling_own.py"),
        (config(auto_map={"AutoModelForSequenceClassification": "modeling_own.Own"}), "code"),
        (write("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["own.T", None]}}), "code"),
        (config(custom_pipelines={"text-classification": {"impl": "own.P"}}), "code"),
        (write("modules.json", [{"type": "own.Module", "path": ""}]), "embedder"),
        (write("adapter_config.json", {"base_model_name_or_path": "other"}), "adapter"),
        (config(architectures=["BertModel"]), "head"),
        (config(architectures=None), "head"),
        (config(id2label=None), "no labels"),
        (config(id2label={}), "no labels"),
        (config(id2label={"0": "duty", "2": "ban"}), "every label"),
        (config(id2label={"0": "duty", "1": " "}), "every label"),
        (config(id2label={"0": "duty", "1": "duty"}), "same name"),
        (config(problem_type="regression"), "regression"),
        (config(max_position_embeddings=8), "8 tokens"),
        (write("config.json", []), "config.json"),
    ],
)
def test_what_cannot_be_used_is_refused_when_it_is_opened(
    folder: Path, change: Callable[[Path], None], reason: str
) -> None:
    assert opened(folder).labels == tuple(LABELS.values())
    change(folder)
    with pytest.raises(ConfigurationError, match=reason) as caught:
        opened(folder)
    assert caught.value.exit_code == 3
    assert str(caught.value).count("\n") == 0
    assert not (folder.parent / "went off").exists()


def test_an_altered_configuration_or_a_lost_file_is_refused_when_it_is_opened(folder: Path) -> None:
    pins = manifest.pins_of(folder)
    with pytest.raises(AlteredModel, match=r"config\.json"):
        SequenceClassifier(folder, pins | {"config.json": "0" * 64})
    (folder / "model.safetensors").unlink()
    with pytest.raises(ConfigurationError, match=r"model\.safetensors"):
        SequenceClassifier(folder, pins)


@pytest.mark.parametrize("name", ["model.safetensors", "vocab.txt"])
def test_altered_or_unpinned_files_are_refused_before_they_are_opened(
    folder: Path, name: str
) -> None:
    classifier = opened(folder)
    (folder / name).write_bytes(b"others")
    with pytest.raises(AlteredModel, match=name):
        classifier.classify(["text"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no weights", "no safetensors"),
        (b"\x02\0\0\0\0\0\0\0[]", "no safetensors"),
        (b"\x10\0\0\0\0\0\0\0{", "no safetensors"),
        (b"", "no safetensors"),
    ],
)
def test_weights_that_are_none_are_refused(folder: Path, content: bytes, reason: str) -> None:
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(ConfigurationError, match=reason):
        opened(folder).classify(["text"])


def test_the_fingerprint_names_the_weights(folder: Path) -> None:
    first = opened(folder).fingerprint
    assert first.startswith("classifier:")
    assert opened(folder, batch=1).fingerprint == first
    (folder / "model.safetensors").write_bytes(b"others")
    assert opened(folder).fingerprint != first


def test_opening_one_does_not_import_torch(folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from index import manifest;"
        "from index.classify import SequenceClassifier; folder = Path(sys.argv[1]);"
        "made = SequenceClassifier(folder, manifest.pins_of(folder));"
        "print(made.classify([]), made.window, 'torch' in sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == ["[]", "64", "False"]


def test_logits_become_shares() -> None:
    logits = np.array([[0.0, 0.0], [-1000.0, 1000.0]], np.float32)
    assert shares(logits, "one").tolist() == [[0.5, 0.5], [0.0, 1.0]]
    assert shares(logits, "several").tolist() == [[0.5, 0.5], [0.0, 1.0]]
    assert shares(logits + 700, "one")[0].tolist() == [0.5, 0.5]
    assert shares(logits + 700, "several")[0].tolist() == [1.0, 1.0]
    with pytest.raises(ValueError, match="finite"):
        shares(np.array([[np.nan]], np.float32), "one")
    assert Classified({"a": 0.4, "b": 0.4, "c": 0.2}).best == "a"


def test_every_text_needs_a_partner_or_none(folder: Path) -> None:
    with pytest.raises(ValueError, match="2 texts have 1"):
        opened(folder).classify(["a", "b"], ["c"])


# Real models, made here

TEXTS = ["word1 word2 word3", "word9", "", "word5 nobody \ud800 word7", " ".join(WORDS[:40])]
PARTNERS = ["word4 word5", "", "word8", "word2", "word6 word1"]


def made(family: str, folder: Path, **more: Any) -> Path:
    return saved(
        family, build(family, "ForSequenceClassification", id2label=LABELS, **more), folder
    )


def by_transformers(folder: Path, texts: list[str], pairs: list[str] | None) -> Any:
    """The model's logits as transformers computes them, (texts, labels), each text alone."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokens = AutoTokenizer.from_pretrained(folder)
    found = []
    for at, text in enumerate(texts):
        given = [[text.encode("utf-8", "replace").decode()]]
        given += [] if pairs is None else [[pairs[at]]]  # in a list: "" alone counts as no partner
        encoded = tokens(*given, truncation=True, max_length=POSITIONS, return_tensors="pt")
        with torch.no_grad():
            found.append(model(**encoded).logits[0].numpy())
    return np.stack(found)


def rows(found: list[Classified]) -> Any:
    return np.array([list(each.shares.values()) for each in found])


@pytest.mark.slow
@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_output_agrees_with_transformers_own_forward_pass(
    family: str, paired: bool, tmp_path: Path
) -> None:
    folder = made(family, tmp_path / family)
    pairs = PARTNERS if paired else None
    expected = shares(by_transformers(folder, TEXTS, pairs), "one")
    assert np.ptp(expected, axis=0).max() > 0.02  # the texts are told apart at all
    for batch in (1, 2, 32):
        classifier = opened(folder, device="cpu", batch=batch)
        found = classifier.classify(TEXTS, pairs)
        assert rows(found) == pytest.approx(expected, abs=1e-4)
        assert [each.best for each in found] == [LABELS[at] for at in expected.argmax(axis=1)]
    assert classifier.kind == "one"
    assert all(sum(each.shares.values()) == pytest.approx(1) for each in found)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_a_long_text_is_cut_and_it_is_said_by_how_much(family: str, tmp_path: Path) -> None:
    folder = made(family, tmp_path / family)
    classifier = opened(folder, device="cpu")
    assert classifier.window == POSITIONS
    marks = 4 if family == "roberta" else 3
    long, first = " ".join(WORDS[:100]), " ".join(WORDS[: POSITIONS - 2])
    whole, cut, pair = (
        classifier.classify([first])[0],
        classifier.classify([long])[0],
        classifier.classify([long], ["word1 word2"])[0],
    )
    assert (whole.unread, cut.unread) == (0, 100 - (POSITIONS - 2))
    assert rows([whole]) == pytest.approx(rows([cut]), abs=1e-6)
    assert pair.unread == 102 - (POSITIONS - marks)
    expected = shares(by_transformers(folder, [long], ["word1 word2"]), "one")
    assert rows([pair]) == pytest.approx(expected, abs=1e-4)


@pytest.mark.slow
def test_without_a_stated_window_robertas_offset_is_taken_off(tmp_path: Path) -> None:
    folder = made("roberta", tmp_path / "m")
    stated = json.loads((folder / "tokenizer_config.json").read_text())
    stated.pop("model_max_length")
    (folder / "tokenizer_config.json").write_text(json.dumps(stated))
    classifier = opened(folder, device="cpu")
    assert classifier.window == POSITIONS
    assert classifier.classify([" ".join(WORDS)])[0].unread == len(WORDS) - (POSITIONS - 2)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["bert", "distilbert"])
def test_several_labels_may_hold_where_the_configuration_says_so(
    family: str, tmp_path: Path
) -> None:
    folder = made(family, tmp_path / "m", problem_type="multi_label_classification")
    expected = 1 / (1 + np.exp(-by_transformers(folder, TEXTS, None)))
    classifier = opened(folder, device="cpu")
    assert classifier.kind == "several"
    assert rows(classifier.classify(TEXTS)) == pytest.approx(expected, abs=1e-4)
    assert not np.allclose(expected.sum(axis=1), 1, atol=1e-2)


@pytest.mark.slow
def test_one_label_is_judged_by_itself(tmp_path: Path) -> None:
    model = build("bert", "ForSequenceClassification", id2label={0: "relevant"})
    folder = saved("bert", model, tmp_path / "m")
    expected = 1 / (1 + np.exp(-by_transformers(folder, TEXTS, None)))
    found = opened(folder, device="cpu").classify(TEXTS)
    assert rows(found) == pytest.approx(expected, abs=1e-4)


def _tensors(folder: Path, drop: str = "", **changed: Any) -> None:
    from safetensors.torch import load_file, save_file

    kept = {
        name: each
        for name, each in load_file(folder / "model.safetensors").items()
        if not (drop and name.startswith(drop))
    }
    save_file(kept | changed, folder / "model.safetensors", {"format": "pt"})


@pytest.mark.slow
def test_weights_cut_short_pinned_or_not_are_refused(tmp_path: Path) -> None:
    folder = made("bert", tmp_path / "m")
    pins = manifest.pins_of(folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(ConfigurationError, match="cut short"):
        opened(folder, device="cpu").classify(["word1"])
    with pytest.raises(AlteredModel, match=r"model\.safetensors"):
        SequenceClassifier(folder, pins, device="cpu").classify(["word1"])


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["classifier", "bert.encoder.layer.0.output"])
def test_weights_that_are_missing_are_not_made_up(lost: str, tmp_path: Path) -> None:
    folder = made("bert", tmp_path / "m")
    _tensors(folder, drop=lost)
    with pytest.raises(ConfigurationError, match=f"lack {lost}"):
        opened(folder, device="cpu").classify(["word1"])


@pytest.mark.slow
def test_more_labels_than_the_head_has_outputs_are_refused(tmp_path: Path) -> None:
    folder = made("bert", tmp_path / "m")
    stated = json.loads((folder / "config.json").read_text())
    stated["id2label"] |= {"3": "exception"}
    (folder / "config.json").write_text(json.dumps(stated))
    with pytest.raises(ConfigurationError, match="classifier"):
        opened(folder, device="cpu").classify(["word1"])


@pytest.mark.slow
def test_outputs_that_are_no_numbers_and_other_devices_are_refused(tmp_path: Path) -> None:
    model = build("bert", "ForSequenceClassification", id2label=LABELS)
    model.classifier.bias.data.fill_(float("nan"))
    folder = saved("bert", model, tmp_path / "m")
    with pytest.raises(ConfigurationError, match="finite"):
        opened(folder, device="cpu").classify(["word1"])
    for device in ("cuda:99", "nowhere"):
        with pytest.raises(ConfigurationError, match=device):
            opened(folder, device=device).classify(["word1"])
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ConfigurationError, match="cannot be used"):
        opened(folder, device="cpu").classify(["word1"])


@pytest.mark.slow
def test_threads_get_the_same_and_nothing_is_asked_of_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def refuse(*args: object, **_more: object) -> None:
        asked.append(args)
        raise OSError("no network")

    folder = made("distilbert", tmp_path / "m")
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    moved = Path(shutil.move(folder, tmp_path / "moved"))
    classifier = opened(moved, device="cpu")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: classifier.classify(TEXTS), range(8)))
    assert all(each == found[0] for each in found)
    assert asked == []


@pytest.mark.slow
def test_cuda_gives_what_the_processor_gives(tmp_path: Path) -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    folder = made("roberta", tmp_path / "m")
    expected = rows(opened(folder, device="cpu").classify(TEXTS))
    found = rows(opened(folder, device="cuda").classify(TEXTS))
    assert found == pytest.approx(expected, abs=1e-3)


@pytest.mark.slow
def test_the_tokenizers_are_those_of_the_families() -> None:
    ids = tokenizer("roberta")("word0", "word1")["input_ids"]
    assert ids == [0, 5, 2, 2, 6, 2]
