"""The entailment signal over a real (tiny, random) sequence classifier."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assistant.entailing import open_entailment
from index import manifest
from index.errors import AlteredModel, ConfigurationError
from tests.index.tiny_encoders import POSITIONS, WORDS, build, saved

PREMISE, HYPOTHESIS = " ".join(WORDS[:6]), " ".join(WORDS[2:5])


def classifier(folder: Path, labels: dict[int, str]) -> Path:
    model = build("bert", "ForSequenceClassification", num_labels=len(labels), id2label=labels)
    saved("bert", model, folder)
    pins = manifest.pins_of(folder)
    folder.with_name(f"{folder.name}.manifest.json").write_text(json.dumps(pins))
    return folder


@pytest.mark.slow
def test_a_pair_is_judged_by_the_label_that_says_so(tmp_path: Path) -> None:
    labels = {0: "CONTRADICTION", 1: "NEUTRAL", 2: "ENTAILMENT"}
    made = open_entailment(classifier(tmp_path / "nli", labels))
    share = made.entailed(PREMISE, HYPOTHESIS)
    assert 0.0 < share < 1.0
    assert share != made.entailed(HYPOTHESIS, PREMISE)  # premise and hypothesis are told apart
    assert made.entailed(" ".join(WORDS[:POSITIONS]), HYPOTHESIS) == 0.0  # not read whole


@pytest.mark.slow
def test_what_is_no_such_classifier_is_refused(tmp_path: Path) -> None:
    other = classifier(tmp_path / "topics", {0: "duty", 1: "ban"})
    with pytest.raises(ConfigurationError, match="natural language inference"):
        open_entailment(other)
    (other / "config.json").write_text("{}")
    with pytest.raises((AlteredModel, ConfigurationError)):
        open_entailment(other)


def test_a_folder_without_digests_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        open_entailment(tmp_path / "absent")
