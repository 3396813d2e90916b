"""Fit the coefficients of `assistant.sufficiency` and say how well they separate.

    python benchmarks/fit_sufficiency.py --home DIR [--passages FOLDER]

`--home` holds the samples (see `answers_check.py`). `--passages` may name a folder with
`answerable.jsonl` and `unanswerable.jsonl`, one JSON object a line with `input` (a question) and
`passages` (a list of `title` and `text`), as CLAPnq has them: each question is then judged on its
own passages, and both sets weigh the same in the fit.

The fit is a logistic regression by gradient descent, standardised features, a small ridge penalty.
Besides the fit it prints the area under the ROC curve, leave-one-out for the samples, and what each
threshold would abstain from and refuse.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import astuple, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assistant import asked, evidence
from assistant.layout import lay_out
from assistant.retrieval import Limits, retrieve
from assistant.sufficiency import Features, features, probability
from index.compose import open_index
from index.document import Chunk, Document, Hit, Page
from index.ports import Embedder
from index.store import Index

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
Rows = NDArray[np.float64]  # (n, features)
Labels = NDArray[np.float64]  # (n,), 1 for answerable


def of_samples(index: Index) -> tuple[Rows, Labels]:
    """Features of the samples' questions, each searched for in the whole collection."""
    scope = index.scope(frozenset({"local"}))
    rows, labels = [], []
    for line in (SAMPLES / "questions.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        found = retrieve(index, asked.read(entry["question"]), scope, Limits())
        rows.append(astuple(found.decision.features))
        labels.append(float(entry["kind"] != "unanswerable"))
    return np.array(rows), np.array(labels)


def _entries(folder: Path) -> Iterator[tuple[float, str, list[dict[str, str]]]]:
    for label, name in ((1.0, "answerable.jsonl"), (0.0, "unanswerable.jsonl")):
        for line in (folder / name).read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            yield label, entry["input"], entry["passages"]


def of_passages(folder: Path, embedder: Embedder) -> tuple[Rows, Labels]:
    """Features of questions that come with their passages."""
    rows, labels = [], []
    for label, text, passages in _entries(folder):
        rows.append(astuple(_features_of(text, passages, embedder)))
        labels.append(label)
    return np.array(rows), np.array(labels)


def _features_of(text: str, passages: list[dict[str, str]], embedder: Embedder) -> Features:
    question = asked.read(text)
    vector = embedder.embed_query(question.query)
    hits, pages = [], {}
    for number, each in enumerate(passages, start=1):
        body, identity = each["text"], f"{number:064d}"
        dense = float(embedder.embed_passages([f"{each['title']}\n{body}"])[0] @ vector)
        about = Document(identity, "c", str(number), each["title"], "text/plain")
        chunk = Chunk(str(number), identity, 1, 0, len(body), body)
        hits.append(Hit(chunk, about, number, 1.0, dense, 1.0))
        pages[identity, 1] = Page(1, body)
    layouts = {place: lay_out(page) for place, page in pages.items()}
    found = evidence.candidates(hits, pages, layouts)
    if not found:
        return Features(0.0, 0.0, 0.0)
    vectors = embedder.embed_passages([each.embedded for each in found])
    ranked = evidence.rank(question, found, hits, vector, vectors)
    return features(hits, ranked)


def fit(rows: Rows, labels: Labels, weight: Labels) -> Rows:
    """Coefficients, the constant last. `weight` is how much each row counts."""
    mean, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    scaled = np.c_[(rows - mean) / spread, np.ones(len(rows))]
    share = weight / weight.sum()
    found = np.zeros(scaled.shape[1])
    for _ in range(4000):
        slope = scaled.T @ (share * (1 / (1 + np.exp(-scaled @ found)) - labels))
        found -= 0.5 * (slope + 0.01 * np.r_[found[:-1], 0.0])
    return np.r_[found[:-1] / spread, found[-1] - (found[:-1] * mean / spread).sum()]


def area(scores: Labels, labels: Labels) -> float:
    """Area under the ROC curve: how often an answerable question scores above another."""
    yes, no = scores[labels == 1], scores[labels == 0]
    above = (yes[:, None] > no[None, :]).mean() + (yes[:, None] == no[None, :]).mean() / 2
    return float(above)


def leave_one_out(rows: Rows, labels: Labels) -> Labels:
    """Each row's score by a fit to the others."""
    scores = np.zeros(len(rows))
    for left in range(len(rows)):
        others = np.arange(len(rows)) != left
        by = fit(rows[others], labels[others], np.ones(len(rows) - 1))
        scores[left] = rows[left] @ by[:-1] + by[-1]
    return scores


def thresholds(scores: Labels, labels: Labels) -> None:
    """What some thresholds would do."""
    for at in np.arange(0.35, 0.75, 0.025):
        logit = np.log(at / (1 - at))
        abstained = int((scores[labels == 0] < logit).sum())
        refused = int((scores[labels == 1] < logit).sum())
        print(f"  threshold {at:.3f}: abstains {abstained}, refuses {refused}")


def main() -> None:
    """Run as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--passages", type=Path)
    options = parser.parse_args()
    with open_index(options.home) as index:
        rows, labels = of_samples(index)
        sets = [("samples", rows, labels)]
        if options.passages:
            sets.append(("passages", *of_passages(options.passages, index.embedder)))
    everything = np.concatenate([each for _, each, _ in sets])
    truth = np.concatenate([each for _, _, each in sets])
    weight = np.concatenate([np.full(len(each), 1 / len(each)) for _, _, each in sets])
    found = fit(everything, truth, weight)
    names = [*(each.name for each in fields(Features)), "constant"]
    print(", ".join(f"{name}={value:.2f}" for name, value in zip(names, found, strict=True)))
    for name, each, answerable in sets:
        now = np.array([probability(Features(*row)) for row in each])
        scores = each @ found[:-1] + found[-1]
        print(
            f"{name}: area {area(scores, answerable):.3f}, as it stands {area(now, answerable):.3f}"
        )
        thresholds(scores, answerable)
    print(f"samples, leave one out: area {area(leave_one_out(rows, labels), labels):.3f}")


if __name__ == "__main__":
    main()
