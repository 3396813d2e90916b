"""What each signal finds alone, what fusion makes of them, and plain BM25 beside them.

    python benchmarks/signals.py HOME BEIR_FOLDER [--every N]

HOME holds the corpus of the BEIR folder (it is ingested if the folder is empty). All ways are asked
the same dev questions in the same run, one after another: plain BM25 (stemmed words only, no pairs
of neighbours), words as they are searched, vectors, and both. Prints recall@10 and MAP@10 of each
as trec_eval computes them, and the ratios of the fusion to plain BM25.

Floors on ObliQA: recall@10 0.80 and MAP@10 0.66, and 1.05 and 1.08 times plain BM25.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from assistant.judged import JudgedQuestion, read_set
from assistant.metrics import average_precision_at, recall_at
from audit.compose import open_log
from audit.record import Actor
from index import compose
from index.document import Scope
from index.lexical import TantivyStore
from index.settings import IndexSettings
from ingest.compose import open_ingestor

_FLOORS = {"recall@10": 0.80, "map@10": 0.66, "recall ratio": 1.05, "map ratio": 1.08}
_DEPTH = 20  # hits, so that ten different records are among them
_PLAIN = functools.partial(TantivyStore, pair_weight=0.0)


def measured(home: Path, questions: list[JudgedQuestion], signals: str) -> dict[str, float]:
    """Recall and average precision at 10 of one way to search."""
    settings = IndexSettings.load(home).model_copy(update={"signals": signals})
    rows = []
    with compose.assemble(home, settings, compose.open_embedder(home, settings)) as index:
        index.refresh()
        scope = Scope(frozenset(each.name for each in index.collections()))
        for question in questions:
            hits = index.search(question.text, scope, _DEPTH).hits
            ranked = list(dict.fromkeys(hit.document.source for hit in hits))
            rows.append(
                (
                    recall_at(ranked, question.judged, 10),
                    average_precision_at(ranked, question.judged, 10),
                )
            )
    recall, precision = np.mean(rows, axis=0).round(4).tolist()
    return {"recall@10": recall, "map@10": precision}


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("home", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=1, help="ask every n-th question")
    options = parser.parse_args()
    if not (options.home / "catalogue.db").exists():
        with (
            open_log(options.home) as log,
            open_ingestor(options.home, log, Actor("service", "benchmark")) as ingestor,
        ):
            ingestor.add([options.folder / "corpus.jsonl"])
    questions = list(read_set(options.folder, "dev").questions[:: options.every])
    with mock.patch.object(compose, "TantivyStore", _PLAIN):
        plain = measured(options.home, questions, "words")
    result: dict[str, Any] = {"questions": len(questions), "plain BM25": plain}
    for name, signals in (("words", "words"), ("vectors", "vectors"), ("fused", "both")):
        result[name] = measured(options.home, questions, signals)
    fused = result["fused"]
    result["recall ratio"] = round(fused["recall@10"] / plain["recall@10"], 4)
    result["map ratio"] = round(fused["map@10"] / plain["map@10"], 4)
    print(json.dumps(result, indent=2))
    reached = {**fused, **{name: result[name] for name in ("recall ratio", "map ratio")}}
    return int(any(reached[name] < floor for name, floor in _FLOORS.items()))


if __name__ == "__main__":
    sys.exit(main())
