"""How much words, vectors and their fusion find, on a home that holds a BEIR corpus.

    cloister --home HOME ingest add BEIR/corpus.jsonl
    python benchmarks/obliqa_fusion.py HOME BEIR [--split dev] [--sweep] [--questions N]

Prints recall@10, MAP@10 and nDCG@10 as trec_eval computes them, and the latency of searching, for
words alone, vectors alone and the fusion as it is set; with --sweep for other weights and depths
too. The exit code is 1 if the fusion as it is set falls short of a floor.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, quantiles

import pytrec_eval

from index.compose import assemble, open_embedder
from index.document import Scope
from index.ports import Embedder
from index.records import Vector, Vectors
from index.search import Tuning
from index.settings import IndexSettings
from index.store import Index

FLOORS = {"recall_10": 0.78, "map_cut_10": 0.63}
MEASURES = ("recall_10", "map_cut_10", "ndcg_cut_10")
DEPTH = 30  # chunks asked for, so that 10 documents are left when several are of one


class Prepared:
    """The real embedder, with the questions' vectors made once for all runs."""

    def __init__(self, inner: Embedder, questions: Iterable[str]) -> None:
        self._inner = inner
        texts = [question.strip() for question in questions]  # as search asks them
        self._known = dict(zip(texts, inner.embed_passages(texts), strict=True))

    @property
    def fingerprint(self) -> str:
        return self._inner.fingerprint

    @property
    def dimensions(self) -> int:
        return self._inner.dimensions

    @property
    def max_tokens(self) -> int:
        return self._inner.max_tokens

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return self._inner.embed_passages(texts)

    def embed_query(self, text: str) -> Vector:
        return self._known[text]

    def count_tokens(self, text: str) -> int:
        return self._inner.count_tokens(text)

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        return self._inner.token_counts(texts)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Means over all questions, and milliseconds of searching without embedding."""

    measures: Mapping[str, float]
    p50: float
    p95: float

    def __str__(self) -> str:
        told = " ".join(f"{name} {self.measures[name]:.4f}" for name in MEASURES)
        return f"{told}  p50 {self.p50:.1f} ms  p95 {self.p95:.1f} ms"


def read_questions(folder: Path) -> dict[str, str]:
    """Question text by id."""
    lines = (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    return {record["_id"]: record["text"] for record in map(json.loads, lines)}


def read_qrels(folder: Path, split: str) -> dict[str, dict[str, int]]:
    """Relevant passages by question id."""
    found: dict[str, dict[str, int]] = {}
    with (folder / "qrels" / f"{split}.tsv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            found.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
    return found


def measure(
    index: Index, scope: Scope, questions: Mapping[str, str], qrels: dict[str, dict[str, int]]
) -> Outcome:
    """Search every question that has a judgement; a document's rank is that of its best chunk."""
    run: dict[str, dict[str, float]] = {}
    seconds: list[float] = []
    for question_id in qrels:
        result = index.search(questions[question_id], scope, DEPTH)
        seconds.append(result.timings["total"])
        ranked = list(dict.fromkeys(hit.document.source for hit in result.hits))
        run[question_id] = {source: 1.0 / rank for rank, source in enumerate(ranked, 1)}
    evaluator = pytrec_eval.RelevanceEvaluator(qrels, {"recall.10", "map_cut.10", "ndcg_cut.10"})
    scored = evaluator.evaluate(run).values()
    means = {name: fmean(each[name] for each in scored) for name in MEASURES}
    cuts = quantiles(seconds, n=20)
    return Outcome(means, cuts[9] * 1_000, cuts[18] * 1_000)


def tunings(settings: IndexSettings, sweep: bool) -> dict[str, Tuning]:
    """What to measure, by name; "as set" is the one that has floors."""
    depth = settings.candidates
    named = {
        "words alone": Tuning(0.0, depth),
        "vectors alone": Tuning(1.0, depth),
        "as set": Tuning(settings.dense_weight, depth),
    }
    if sweep:
        for weight in (0.4, 0.45, 0.5, 0.55, 0.6, 0.65):
            for candidates in (50, 100, 200):
                named[f"weight {weight} of {candidates}"] = Tuning(weight, candidates)
    return named


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("home", type=Path)
    parser.add_argument("beir", type=Path)
    parser.add_argument("--split", default="dev")
    parser.add_argument("--sweep", action="store_true", help="other weights and depths too")
    parser.add_argument("--questions", type=int, default=0, help="only so many; 0: all")
    options = parser.parse_args(arguments)
    settings = IndexSettings.load(options.home)
    questions = read_questions(options.beir)
    qrels = read_qrels(options.beir, options.split)
    if options.questions:
        qrels = dict(list(qrels.items())[: options.questions])
    asked = [questions[each] for each in qrels]
    embedder = Prepared(open_embedder(options.home, settings), asked)
    short = False
    for name, tuning in tunings(settings, options.sweep).items():
        chosen = settings.model_copy(
            update={"dense_weight": tuning.dense_weight, "candidates": tuning.candidates}
        )
        with assemble(options.home, chosen, embedder) as index:
            scope = Scope(frozenset(each.name for each in index.collections()))
            outcome = measure(index, scope, questions, qrels)
        print(f"{name:24s} {outcome}", flush=True)
        if name == "as set":
            short = any(outcome.measures[each] < floor for each, floor in FLOORS.items())
    return int(short)


if __name__ == "__main__":
    sys.exit(main())
