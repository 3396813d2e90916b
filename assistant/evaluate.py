"""Measure retrieval on a set of judged questions in BEIR's folder layout.

A BEIR folder holds `corpus.jsonl` and `queries.jsonl` (`{"_id","text",...}` a line) and
`qrels/SPLIT.tsv` (a head line, then question id, corpus id, relevance, tab separated).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from assistant.errors import EvaluationSetUnusable
from assistant.metrics import average_precision_at, ndcg_at, percentile, recall_at

Search = Callable[[str, int], Sequence[str]]  # question, k -> ids of records, best first


@dataclass(frozen=True, slots=True)
class JudgedSet:
    """`queries`: id -> text, the judged ones only; `judgements`: question id -> id -> relevance."""

    corpus: Path
    queries: Mapping[str, str]
    judgements: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class RetrievalReport:
    """Means over all judged questions; latencies in seconds, wall clock, one question at a time."""

    questions: int
    k: int
    recall: float
    average_precision: float
    ndcg: float
    latency_p50: float
    latency_p95: float


def read_beir(folder: Path, split: str) -> JudgedSet:
    """Raises EvaluationSetUnusable, naming the file and line that cannot be used."""
    corpus, queries = folder / "corpus.jsonl", folder / "queries.jsonl"
    qrels = folder / "qrels" / f"{split}.tsv"
    for path in (corpus, queries, qrels):
        if not path.is_file():
            raise EvaluationSetUnusable(
                f"{path} is missing; a BEIR folder holds corpus.jsonl, queries.jsonl and "
                f"qrels/SPLIT.tsv, so give its path and a --split that it has."
            )
    judgements = _read_judgements(qrels)
    texts = _read_queries(queries)
    missing = next((id_ for id_ in judgements if id_ not in texts), None)
    if missing is not None:
        raise EvaluationSetUnusable(
            f"{qrels} judges question {missing}, which {queries} lacks; use files of one set."
        )
    return JudgedSet(corpus, {id_: texts[id_] for id_ in judgements}, judgements)


def _read_queries(path: Path) -> dict[str, str]:
    texts: dict[str, str] = {}
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                record = json.loads(line)
                texts[str(record["_id"])] = str(record["text"])
            except (ValueError, KeyError, TypeError) as error:
                raise EvaluationSetUnusable(
                    f'{path}, line {number}, is not a {{"_id","text"}} record; mend or drop it.'
                ) from error
    return texts


def _read_judgements(path: Path) -> dict[str, dict[str, int]]:
    judgements: dict[str, dict[str, int]] = {}
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if number == 1 or not line.strip():
                continue  # the first line names the columns
            try:
                question, record, relevance = line.rstrip("\n").split("\t")
                judgements.setdefault(question, {})[record] = int(relevance)
            except ValueError as error:
                raise EvaluationSetUnusable(
                    f"{path}, line {number}, is not 'question id, corpus id, relevance' separated "
                    f"by tabs; mend or drop the line."
                ) from error
    return judgements


def evaluate_retrieval(
    judged: JudgedSet, search: Search, k: int, progress: Callable[[int], None] = lambda done: None
) -> RetrievalReport:
    """Ask every judged question once, in the order of the judgements."""
    scores: list[tuple[float, float, float]] = []
    seconds: list[float] = []
    for done, (question, text) in enumerate(judged.queries.items(), start=1):
        started = time.perf_counter()
        ranked = list(dict.fromkeys(search(text, k)))  # a record in several chunks counts once
        seconds.append(time.perf_counter() - started)
        relevance = judged.judgements[question]
        scores.append(
            (
                recall_at(ranked, relevance, k),
                average_precision_at(ranked, relevance, k),
                ndcg_at(ranked, relevance, k),
            )
        )
        progress(done)
    count = len(scores)
    recall, precision, ndcg = (sum(column) / count for column in zip(*scores, strict=True))
    return RetrievalReport(
        count, k, recall, precision, ndcg, percentile(seconds, 0.5), percentile(seconds, 0.95)
    )
