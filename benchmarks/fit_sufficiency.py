"""Fit the coefficients of `assistant.sufficiency` and say how well they separate.

    python benchmarks/fit_sufficiency.py --home DIR [--clapnq FOLDER] [--policyqa FILE]

`--home` holds the samples (see `answers_check.py`). CLAPnq and PolicyQA are read, ingested and
asked as `cloister eval answers` does, each question of its own passages: of PolicyQA every 16th,
all of which are answerable. The samples make up 30 % of the weight, CLAPnq 50 %, PolicyQA 20 %.

The fit is a logistic regression by gradient descent, standardised features, a small ridge penalty.
Besides the fit it prints the area under the ROC curve, what each threshold would abstain from and
refuse, and both by cross-validation beside the cosine of the best sentence alone.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import astuple, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assistant import asked
from assistant.answer_sets import read_set, write_documents
from assistant.retrieval import Limits, retrieve
from assistant.sufficiency import THRESHOLD, Features, probability
from audit.compose import open_log
from audit.record import Actor
from index.compose import open_index
from index.store import Index
from ingest.compose import open_ingestor

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
_SAMPLES = 1 / 3  # of the weight of the fit
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


def of_set(path: Path, every: int) -> tuple[Rows, Labels]:
    """Features of every `every`-th question of a set, each put to its own documents."""
    cases = read_set(path).chosen(every)
    rows, labels = [], []
    with tempfile.TemporaryDirectory(prefix="sufficiency-") as scratch:
        home = Path(scratch) / "home"
        home.mkdir(mode=0o700)
        folder = write_documents(cases, Path(scratch) / "set")
        actor = Actor("service", "benchmark")
        with open_log(home) as log, open_ingestor(home, log, actor) as ingestor:
            ingestor.add([folder])
        with open_index(home) as index:
            index.refresh()
            scope = index.scope(frozenset({"local"}))
            ids = {each.source: each.id for each in index.documents(scope)}
            for case in cases.cases:
                own = frozenset(ids[source] for source in case.sources or () if source in ids)
                found = retrieve(index, asked.read(case.text), scope, Limits(), documents=own)
                rows.append(astuple(found.decision.features))
                labels.append(float(case.answerable))
    return np.array(rows), np.array(labels)


def fit(rows: Rows, labels: Labels, weight: Labels) -> Rows:
    """Coefficients, the constant last. `weight` is how much each row counts."""
    mean, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    scaled = np.c_[(rows - mean) / spread, np.ones(len(rows))]
    share = weight / weight.sum()
    found = np.zeros(scaled.shape[1])
    for _ in range(4000):
        slope = scaled.T @ (share * (1 / (1 + np.exp(-scaled @ found)) - labels))
        found -= 0.5 * (slope + 0.01 * np.r_[found[:-1], 0.0])
    plain: Rows = np.r_[found[:-1] / spread, found[-1] - (found[:-1] * mean / spread).sum()]
    return plain


def area(scores: Labels, labels: Labels) -> float:
    """Area under the ROC curve: how often an answerable question scores above another."""
    yes, no = scores[labels == 1], scores[labels == 0]
    above = (yes[:, None] > no[None, :]).mean() + (yes[:, None] == no[None, :]).mean() / 2
    return float(above)


def held_out(rows: Rows, labels: Labels, folds: int, seed: int = 0) -> Labels:
    """Each row's score by a fit to the folds that it is not in."""
    order = np.random.default_rng(seed).permutation(len(rows))
    scores = np.zeros(len(rows))
    for fold in range(folds):
        inside = order[fold::folds]
        others = np.setdiff1d(order, inside)
        by = fit(rows[others], labels[others], np.ones(len(others)))
        scores[inside] = rows[inside] @ by[:-1] + by[-1]
    return scores


def refusal_f1(scores: Labels, labels: Labels, at: float) -> tuple[float, float]:
    """F1 of refusing at the threshold `at` (the unanswerable are to be found), and the share of
    the answerable that is refused."""
    refused = scores < np.log(at / (1 - at))
    right = float((refused & (labels == 0)).sum())
    f1 = 2 * right / (refused.sum() + (labels == 0).sum())
    return float(f1), float((refused & (labels == 1)).sum() / (labels == 1).sum())


def cross_validated(rows: Rows, labels: Labels, repeats: int = 5) -> str:
    """Area and refusal F1 of fits that did not see what they judge, and of similarity alone."""
    areas, figures = [], []
    for seed in range(repeats):
        scores = held_out(rows, labels, 10, seed)
        areas.append(area(scores, labels))
        figures.append(refusal_f1(scores, labels, THRESHOLD))
    f1, refused = np.mean(figures, axis=0)
    alone = rows[:, 0]
    best = max(
        refusal_f1(np.log(alone / (1 - alone)), labels, at) for at in np.arange(0.3, 0.8, 0.01)
    )
    return (
        f"10 folds, {repeats} times: area {np.mean(areas):.3f}, refusal F1 at {THRESHOLD} "
        f"{f1:.3f}, of the answerable {refused:.1%} refused; similarity alone: area "
        f"{area(alone, labels):.3f}, refusal F1 at its best threshold {best[0]:.3f}"
    )


def thresholds(scores: Labels, labels: Labels) -> None:
    """What some thresholds would do."""
    for at in np.arange(0.35, 0.75, 0.025):
        logit = np.log(at / (1 - at))
        abstained = int((scores[labels == 0] < logit).sum())
        refused = int((scores[labels == 1] < logit).sum())
        print(f"  threshold {at:.3f}: abstains {abstained}, refuses {refused}")


def main() -> None:
    """Run as the arguments say."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--clapnq", type=Path)
    parser.add_argument("--policyqa", type=Path)
    options = parser.parse_args()
    with open_index(options.home) as index:
        sets = [("samples", 0.3, *of_samples(index))]
    if options.clapnq:
        sets.append(("CLAPnq", 0.5, *of_set(options.clapnq, 1)))
    if options.policyqa:
        sets.append(("PolicyQA", 0.2, *of_set(options.policyqa, 16)))
    everything = np.concatenate([rows for _, _, rows, _ in sets])
    truth = np.concatenate([labels for *_, labels in sets])
    weight = np.concatenate(
        [np.full(len(labels), share / len(labels)) for _, share, _, labels in sets]
    )
    found = fit(everything, truth, weight)
    names = [*(each.name for each in fields(Features)), "constant"]
    print(", ".join(f"{name}={value:.2f}" for name, value in zip(names, found, strict=True)))
    for name, _, rows, labels in sets:
        now = np.array([probability(Features(*row)) for row in rows])
        scores = rows @ found[:-1] + found[-1]
        if len(set(labels)) == 1:
            print(f"{name}: answered {(now >= THRESHOLD).mean():.3f} as it stands")
            continue
        print(f"{name}: area {area(scores, labels):.3f}, as it stands {area(now, labels):.3f}")
        thresholds(scores, labels)
        print(f"  {cross_validated(rows, labels)}")


if __name__ == "__main__":
    main()
