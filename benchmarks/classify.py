"""Paragraphs of privacy policies sorted under the categories that their readers gave them.

    python benchmarks/classify.py POLICYQA.json [--likelihood N]

POLICYQA.json is a split of PolicyQA. A paragraph's categories are those of its questions (the first
part of `type`); it is sorted rightly under any of them. The labels are the categories with a
sentence of ours each. Measured are accuracy, and accuracy and coverage where `classify` decides at
its margin, against always naming the commonest category. The limits in `assistant.label_decision`
were chosen on this set as a whole, with one parameter for each, so the figures are those of the
fit: of other labels expect less. `--likelihood N` lets the language model decide N of the unclear
ones and tells how often it is right. Prints one JSON object; ends with 1 unless, where it decides,
accuracy is at least 1.4 times the commonest category's, with at least 0.4 decided.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from assistant.evidence import Candidate, term_weights
from assistant.label_decision import Fit, Verdict, decide, fits, telling
from assistant.layout import lay_out
from assistant.sentences import Kind
from assistant.terms import keys
from index.compose import open_embedder
from index.document import Page
from index.ports import Embedder
from index.settings import IndexSettings

RATIO, DECIDED = 1.4, 0.4
LABELS = {
    "First Party Collection/Use": "How and why the service provider collects and uses personal "
    "information of its users.",
    "Third Party Sharing/Collection": "How personal information may be shared with or collected "
    "by third parties.",
    "User Choice/Control": "Choices and control options that users have over their information, "
    "such as opting out of e-mail or advertising.",
    "User Access, Edit and Deletion": "Whether and how users may access, edit, correct or delete "
    "their information.",
    "Data Retention": "How long user information is stored or retained.",
    "Data Security": "How user information is protected against loss, misuse and unauthorised "
    "access.",
    "Policy Change": "Whether and how users are informed about changes to the privacy policy.",
    "Do Not Track": "Whether and how Do Not Track signals of browsers are honoured.",
    "International and Specific Audiences": "Practices that concern only a group of users, such "
    "as children, Europeans or Californian residents.",
}


def paragraphs(data: dict[str, Any]) -> dict[str, set[str]]:
    """The different paragraphs, with their categories."""
    found: dict[str, set[str]] = {}
    for policy in data["data"]:
        for each in policy["paragraphs"]:
            text = " ".join(each["context"].split())
            categories = {question["type"].split("|||")[0] for question in each["qas"]}
            found.setdefault(text, set()).update(categories & set(LABELS))
    return {text: categories for text, categories in found.items() if categories}


def candidates(text: str) -> list[Candidate]:
    """A paragraph's units, as a document's are taken."""
    found = []
    for number, unit in enumerate(lay_out(Page(1, text))):
        if unit.kind is not Kind.HEADING:
            own = keys(unit.plain)
            empty: frozenset[str] = frozenset()
            found.append(Candidate("d", 1, number, unit, 0, False, own, empty, empty))
    return found


def sorted_fits(embedder: Embedder, texts: list[str]) -> list[tuple[Fit, ...]]:
    """How each label fits each paragraph."""
    labels = [f"{name}: {said}" for name, said in LABELS.items()]
    vectors = embedder.embed_passages(labels)
    words = [telling(each) for each in labels]
    found = []
    for text in texts:
        units = candidates(text)
        own = embedder.embed_passages([unit.embedded for unit in units])
        said = [unit.keys for unit in units]
        found.append(fits(vectors, own, words, said, term_weights(units)))
    return found


def by_likelihood(
    home: Path, unclear: list[tuple[str, tuple[Fit, ...], set[str]]]
) -> dict[str, float]:
    """What the language model makes of unclear paragraphs, beside the first of the evidence."""
    from assistant.compose import chooser, engine
    from assistant.label_model import likeliest
    from assistant.model import NOBODY
    from assistant.settings import AssistantSettings

    settings = AssistantSettings.load(home)
    model = engine(settings, chooser(settings, home), None)
    names = list(LABELS)
    told = right = first = 0
    try:
        for text, found, gold in unclear:
            between = decide(found).fits
            units = candidates(text)
            shown = [units[fit.units[0]].embedded for fit in between]
            number = likeliest(model, shown, [names[fit.label] for fit in between], NOBODY)
            if number is not None:
                told += 1
                right += names[between[number].label] in gold
                first += names[between[0].label] in gold
    finally:
        model.close()
    return {"asked": len(unclear), "decided": told, "right": right, "first_is_right": first}


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--likelihood", type=int, default=0, metavar="N")
    options = parser.parse_args()
    gold = paragraphs(json.loads(options.data.read_text(encoding="utf-8")))
    names = list(LABELS)
    with tempfile.TemporaryDirectory(prefix="classify-") as scratch:
        home = Path(scratch)
        found = sorted_fits(open_embedder(home, IndexSettings.load(home)), list(gold))
        told = [(decide(each), right) for each, right in zip(found, gold.values(), strict=True)]
        clear = [(d, right) for d, right in told if d.verdict is Verdict.LABELLED]
        counted = Counter(name for right in gold.values() for name in right)
        result: dict[str, Any] = {
            "paragraphs": len(gold),
            "commonest": round(max(counted.values()) / len(gold), 4),
            "accuracy": round(
                sum(
                    bool(each) and names[each[0].label] in right
                    for each, right in zip(found, gold.values(), strict=True)
                )
                / len(gold),
                4,
            ),
            "decided": round(len(clear) / len(gold), 4),
            "accuracy_decided": round(
                sum(names[d.fits[0].label] in right for d, right in clear) / max(1, len(clear)), 4
            ),
            "none": sum(d.verdict is Verdict.NONE for d, _ in told),
        }
        unclear = [
            (text, each, right)
            for (text, right), each in zip(gold.items(), found, strict=True)
            if decide(each).verdict is Verdict.UNCLEAR
        ][: options.likelihood]
        if unclear:
            result["likelihood"] = by_likelihood(home, unclear)
    print(json.dumps(result))
    held = (
        result["accuracy_decided"] >= RATIO * result["commonest"] and result["decided"] >= DECIDED
    )
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
