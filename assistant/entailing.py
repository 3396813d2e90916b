"""A local classifier of pairs as the third signal of the second opinion (`assistant.opinion`).

Any folder with a sequence classifier trained on natural language inference will do, as
`index.classify` accepts it; its labels are read from its configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from index import manifest
from index.classify import SequenceClassifier
from index.errors import ConfigurationError

_ENTAILED = frozenset({"entailment", "entailed", "supported", "supports", "consistent"})


class PairEntailment:
    """`assistant.opinion.Entailment` over a sequence classifier. May be used by several threads."""

    def __init__(self, classifier: SequenceClassifier, label: str) -> None:
        self._classifier = classifier
        self._label = label

    def entailed(self, premise: str, hypothesis: str) -> float:
        """The classifier's share of the label that says so. 0.0 where the pair was longer than its
        window, of which it then read a part only."""
        found = self._classifier.classify([premise], [hypothesis])[0]
        return 0.0 if found.unread else found.shares[self._label]


def open_classifier(folder: Path) -> SequenceClassifier:
    """The classifier in `folder`, held to the digests in `<folder>.manifest.json` beside it.

    Raises ConfigurationError, AlteredModel.
    """
    pins: Mapping[str, str] = manifest.read_pins(
        folder.with_name(f"{folder.name}.manifest.json"), "classifier"
    )
    return SequenceClassifier(folder, pins)


def open_entailment(folder: Path) -> PairEntailment:
    """The classifier in `folder` as a signal.

    Raises ConfigurationError also if none of its labels says that a premise supports a hypothesis.
    """
    classifier = open_classifier(folder)
    label = next((each for each in classifier.labels if each.lower() in _ENTAILED), None)
    if label is None:
        raise ConfigurationError(
            f"The entailment_folder {folder} has the labels {', '.join(classifier.labels)}, and "
            "none of them is 'entailment': give a model trained on natural language inference."
        )
    return PairEntailment(classifier, label)
