"""How fast the embedder's backends are on this machine, and what each finds by vectors alone.

    python -m index.prepare
    python benchmarks/embedding.py BEIR [--split dev] [--timed N] [--rounds N] [--passages N]
                                   [--questions N] [--torch-recall] [--cache FOLDER] [--out FILE]

Times PyTorch, ONNX Runtime in full precision and ONNX Runtime with integer products in turns on
the same passages, each in its own order of lengths, on all of the machine's cores, and takes the
best of some rounds; on a machine that does other work too the ratio of processor time is the one
to trust. Then recall@10 over the whole corpus; for full precision from ONNX Runtime,
whose vectors are compared with PyTorch's on the timed passages, unless --torch-recall is given.
With --passages a part of the corpus is searched: that of the questions' answers and others by
chance. JSON to standard output; the exit code is 1 if what a new data folder gets falls short of a
floor.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from index import prepare
from index.compose import embedder_files
from index.embed import SentenceTransformerEmbedder
from index.embed_choice import QUANTIZED
from index.embed_folder import ModelFolder
from index.embed_onnx import OnnxEmbedder
from index.ports import Embedder
from index.records import Vectors
from index.settings import IndexSettings

FLOORS = {"times_torch": 3.0, "of_recall": 0.995}
DEPTH = 10
SEED = 8


@dataclass(frozen=True, slots=True)
class Task:
    """Passages, questions, and for each question the places of the passages that answer it."""

    passages: list[str]
    questions: list[str]
    answers: list[set[int]]


def read_task(folder: Path, split: str, passages: int, questions: int) -> Task:
    """A BEIR folder, or so many of its questions and passages."""

    def records(name: str) -> dict[str, str]:
        lines = (folder / name).read_text(encoding="utf-8").splitlines()
        return {record["_id"]: record["text"] for record in map(json.loads, lines)}

    texts, asked = records("corpus.jsonl"), records("queries.jsonl")
    relevant: dict[str, set[str]] = {}
    with (folder / "qrels" / f"{split}.tsv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            relevant.setdefault(row["query-id"], set()).add(row["corpus-id"])
    kept = sorted(relevant)
    if questions:
        kept = random.Random(SEED).sample(kept, min(questions, len(kept)))
    ids = list(texts)
    if passages:
        needed = set().union(*(relevant[each] for each in kept))
        others = [each for each in ids if each not in needed]
        more = random.Random(SEED).sample(others, max(0, min(len(others), passages - len(needed))))
        chosen = needed | set(more)
        ids = [each for each in ids if each in chosen]
    places = {each: place for place, each in enumerate(ids)}
    return Task(
        [texts[each] for each in ids],
        [asked[each].strip() for each in kept],
        [{places[each] for each in relevant[question]} for question in kept],
    )


def recall(passages: Vectors, questions: Vectors, answers: Sequence[set[int]]) -> float:
    """The mean share of a question's answers among its first `DEPTH` passages."""
    shares = []
    for start in range(0, len(questions), 256):
        scores = questions[start : start + 256] @ passages.T
        first = np.argpartition(-scores, DEPTH, axis=1)[:, :DEPTH].tolist()
        for found, right in zip(first, answers[start : start + 256], strict=True):
            shares.append(len(right.intersection(found)) / len(right))
    return float(np.mean(shares))


def backends(files: ModelFolder) -> dict[str, tuple[str, Embedder]]:
    """Every backend that is prepared: a name of its exact vectors, and itself."""
    torch = SentenceTransformerEmbedder(files.path, files.pins, device="cpu", name=files.name)
    found: dict[str, tuple[str, Embedder]] = {"torch": (f"torch-{files.fingerprint}", torch)}
    for name, variant in (("onnx", ""), ("int8", QUANTIZED)):
        graph = prepare.prepared(files.fingerprint, name)
        if graph is not None:
            embedder = OnnxEmbedder(files, graph.graph, graph.digest, variant=variant)
            found[name] = (f"{name}-{graph.digest}", embedder)
    return found


def embedded(name: str, embedder: Embedder, texts: list[str], cache: Path | None) -> Vectors:
    """The texts' vectors, kept in `cache` if one is given."""
    if cache is None:
        return embedder.embed_passages(texts)
    key = hashlib.sha256(json.dumps([name, texts]).encode()).hexdigest()[:24]
    path = cache / f"{key}.npy"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        np.save(path, embedder.embed_passages(texts))
    found: Vectors = np.load(path)
    return found


def timed(
    embedders: dict[str, Embedder], sample: list[str], rounds: int
) -> dict[str, tuple[float, float]]:
    """Seconds of the clock and of the processor for the sample, each the least of some rounds."""
    best = dict.fromkeys(embedders, (float("inf"), float("inf")))
    for embedder in embedders.values():
        embedder.embed_passages(sample[:4])  # loads it
    for _ in range(rounds):
        for name, embedder in embedders.items():
            wall, processor = time.perf_counter(), time.process_time()
            embedder.embed_passages(sample)
            spent = (time.perf_counter() - wall, time.process_time() - processor)
            best[name] = (min(best[name][0], spent[0]), min(best[name][1], spent[1]))
    return best


def measure(files: ModelFolder, task: Task, options: argparse.Namespace) -> dict[str, Any]:
    """Speeds, agreements and recalls of every backend, by name."""
    found = backends(files)
    count = min(options.timed, len(task.passages))
    sample = random.Random(SEED).sample(task.passages, count)
    embedders = {name: embedder for name, (_, embedder) in found.items()}
    speeds = timed(embedders, sample, options.rounds)
    reference = embedders["torch"].embed_passages(sample)
    rows: dict[str, Any] = {}
    for name, (wall, processor) in speeds.items():
        vectors = embedders[name].embed_passages(sample)
        rows[name] = {
            "passages_a_second": round(count / wall, 1),
            "times_torch": round(speeds["torch"][0] / wall, 2),
            "times_torch_processor": round(speeds["torch"][1] / processor, 2),
            "least_cosine": round(prepare.agreement(vectors, reference), 5),
        }
    for name, (exact, embedder) in found.items():
        if name == "torch" and not options.torch_recall:
            continue
        passages = embedded(exact, embedder, task.passages, options.cache)
        questions = embedded(exact, embedder, task.questions, options.cache)
        rows[name]["recall_10"] = round(recall(passages, questions, task.answers), 5)
    whole = next((rows[name] for name in ("torch", "onnx") if "recall_10" in rows[name]), None)
    for row in rows.values():
        if whole is not None and "recall_10" in row:
            row["of_recall"] = round(row["recall_10"] / whole["recall_10"], 5)
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("beir", type=Path)
    parser.add_argument("--split", default="dev")
    parser.add_argument("--timed", type=int, default=256, help="passages to time")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--passages", type=int, default=0, help="only so many; 0: all")
    parser.add_argument("--questions", type=int, default=0, help="only so many; 0: all")
    parser.add_argument("--torch-recall", action="store_true", help="embed it all in PyTorch too")
    parser.add_argument("--cache", type=Path, help="folder to keep vectors in")
    parser.add_argument("--out", type=Path, help="file for the JSON")
    options = parser.parse_args(arguments)
    home = Path(os.environ.get("CLOISTER_HOME", "."))
    files = embedder_files(home, IndexSettings.load(home))
    task = read_task(options.beir, options.split, options.passages, options.questions)
    rows = measure(files, task, options)
    chosen = prepare.choice(files.fingerprint).new
    report = {
        "cores": len(os.sched_getaffinity(0)),
        "passages": len(task.passages),
        "questions": len(task.questions),
        "new_folders": chosen,
        "backends": rows,
    }
    written = json.dumps(report, indent=2)
    print(written)
    if options.out is not None:
        options.out.write_text(written + "\n", encoding="utf-8")
    return int(any(rows[chosen].get(name, 1.0) < floor for name, floor in FLOORS.items()))


if __name__ == "__main__":
    sys.exit(main())
