"""Look for the weights of `index.fusion`, on sets on which fitting them is fair.

    python benchmarks/fit_fusion.py [--obliqa FOLDER --home DIR] [--every N]

Three sets: families of invented reports (`families.py`: page in the first 5), the samples (page in
the first 5), and, if a BEIR folder is given, its dev questions (recall@10, MAP@10; the corpus is
ingested into `--home` unless it is there). Every question is searched once; the signals of its
candidates are kept, so that a weight costs arithmetic only. Prints one JSON line for each setting:
the weights as they stand first, then each weight moved by itself, then the signals alone. Then the
curve that makes a fused sum a score: a logistic regression on whether a candidate was judged
relevant, with the calibration error of its tenths.

What no set here can say: how the weights do on other corpora. `ten_q_pages.py` and `policyqa.py`
measure that, and nothing is chosen on them.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from unittest import mock

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent))

import families

from assistant.judged import read_set
from assistant.metrics import average_precision_at, recall_at
from audit.compose import open_log
from audit.record import Actor
from index import search
from index.compose import open_index
from index.document import Scope
from index.fusion import Signals, Weights, fuse
from index.proposals import Key
from index.store import Index
from ingest.compose import open_ingestor

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
_GRID: dict[str, tuple[float, ...]] = {
    "dense": (0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.3),
    "yielding": (0.0, 0.4, 0.6, 0.8, 1.0, 1.2),
    "least": (0.1, 0.2, 0.3, 0.4),
    "place": (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8),
    "sharpness": (1.0, 2.0, 4.0, 8.0),
    "latest": (0.0, 0.02, 0.05, 0.1, 0.2),
    "length": (0.0, 0.01, 0.02, 0.03, 0.05),
}


@dataclass(frozen=True, slots=True)
class Case:
    """A question's candidates and what is relevant among all there is."""

    signals: Signals[Key]
    names: dict[Key, str]  # what the judgements call each candidate
    relevant: frozenset[str]


def cases(
    index: Index,
    asked: Sequence[tuple[str, Collection[str]]],
    name_of: Callable[[str, int], str],
) -> list[Case]:
    """Search each question once and keep its signals; `name_of` takes source and page."""
    scope = Scope(frozenset(each.name for each in index.collections()))
    kept: list[Signals[Key]] = []

    def spy(signals: Signals[Key], weights: Weights) -> object:
        kept.append(signals)
        return fuse(signals, weights)

    index.refresh()
    places: dict[str, str] = {}
    for document in index.all_documents(scope):
        for chunk in index.chunks(document.id, scope):
            places[chunk.id] = name_of(document.source, chunk.page)
    found = []
    with mock.patch.object(search, "fuse", spy):
        for question, relevant in asked:
            kept.clear()
            index.search(question, scope, 10)
            names = {key: places[key[1]] for key in (*kept[-1].dense, *kept[-1].words)}
            found.append(Case(kept[-1], names, frozenset(relevant)))
    return found


def measured(found: Sequence[Case], weights: Weights) -> dict[str, float]:
    """Mean recall at 5 and 10 and average precision at 10."""
    rows = []
    for case in found:
        ranked = list(dict.fromkeys(case.names[each.key] for each in fuse(case.signals, weights)))
        judged = dict.fromkeys(case.relevant, 1)
        rows.append(
            (
                recall_at(ranked, judged, 5),
                recall_at(ranked, judged, 10),
                average_precision_at(ranked, judged, 10),
            )
        )
    means = np.mean(rows, axis=0).round(4).tolist()
    return dict(zip(("recall@5", "recall@10", "map@10"), means, strict=True))


def grid(sets: dict[str, list[Case]]) -> Iterator[dict[str, object]]:
    """The weights as they stand, each moved by itself, and each signal alone."""
    stands = Weights()
    settings = [("as set", stands)]
    for name, values in _GRID.items():
        settings += [(f"{name} {value}", replace(stands, **{name: value})) for value in values]
    for name, weights in settings:
        yield {"weights": name, **{at: measured(found, weights) for at, found in sets.items()}}
    alone = {
        "words alone": lambda s: replace(s, dense={}, place={}),
        "vectors alone": lambda s: replace(s, words={}, place={}),
    }
    for name, of in alone.items():
        only = {at: [replace(c, signals=of(c.signals)) for c in cs] for at, cs in sets.items()}
        yield {"weights": name, **{at: measured(found, stands) for at, found in only.items()}}


def curve(sets: dict[str, list[Case]], first: int = 20) -> dict[str, object]:
    """Coefficients of the score: relevance of the first candidates on what the score is made of.

    Each set weighs the same. The calibration error is the mean distance between score and share
    of relevant ones over tenths of the candidates.
    """
    rows: list[tuple[float, float, float, float]] = []
    for found in sets.values():
        own = []
        for case in found:
            peak = min(1.0, max(case.signals.words.values(), default=0.0))
            ranked = fuse(case.signals, Weights())[:first]
            for each in ranked:
                behind = each.raw - ranked[0].raw
                relevant = float(case.names[each.key] in case.relevant)
                own.append((behind, peak, relevant))
        rows += [(*row, 1.0 / len(own)) for row in own]
    behind, peak, label, weight = np.array(rows).T
    design = np.stack([behind, peak, np.ones(len(behind))], axis=1)
    coefficients = _logistic(design, label, weight / weight.sum())
    score = 1.0 / (1.0 + np.exp(-design @ coefficients))
    tenths = np.array_split(np.argsort(score), 10)
    error = float(np.mean([abs(score[part].mean() - label[part].mean()) for part in tenths]))
    names = ("behind", "peak", "offset")
    named = dict(zip(names, coefficients.round(3).tolist(), strict=True))
    return {"curve": named, "calibration error": round(error, 4), "candidates": len(label)}


def _logistic(
    design: NDArray[np.float64], label: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Newton's method, with a very small ridge."""
    at = np.zeros(design.shape[1])
    for _step in range(50):
        likely = 1.0 / (1.0 + np.exp(-design @ at))
        slope = design.T @ (weight * (likely - label)) + 1e-9 * at
        bend = (design * (weight * likely * (1 - likely))[:, None]).T @ design
        at = at - np.linalg.solve(bend + 1e-9 * np.eye(len(at)), slope)
    return at


def ingested(home: Path, path: Path) -> Path:
    """The data folder `home` with what lies at `path`, unless it has something already."""
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "catalogue.db").exists():
        with (
            open_log(home) as log,
            open_ingestor(home, log, Actor("service", "benchmark")) as ingestor,
        ):
            ingestor.add([path])
    return home


def of_families(scratch: Path) -> list[Case]:
    reports = scratch / "reports"
    reports.mkdir()
    asked = families.write(reports)
    with open_index(ingested(scratch / "families", reports)) as index:
        return cases(
            index,
            [(each.text, [f"{each.source}#{each.page}"]) for each in asked],
            lambda source, page: f"{source}#{page}",
        )


def of_samples(scratch: Path) -> list[Case]:
    lines = (SAMPLES / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [entry for entry in map(json.loads, lines) if entry["expected"]]
    with open_index(ingested(scratch / "samples", SAMPLES / "documents")) as index:
        return cases(
            index,
            [
                (entry["question"], [f"{at['source']}#{at['page']}" for at in entry["expected"]])
                for entry in entries
            ],
            lambda source, page: f"{source}#{page}",
        )


def of_beir(folder: Path, home: Path, every: int) -> list[Case]:
    questions = read_set(folder, "dev").questions[::every]
    with open_index(ingested(home, folder / "corpus.jsonl")) as index:
        return cases(
            index,
            [
                (each.text, [name for name, grade in each.judged.items() if grade > 0])
                for each in questions
            ],
            lambda source, _page: source,
        )


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--obliqa", type=Path, help="a BEIR folder with a dev split")
    parser.add_argument("--home", type=Path, help="data folder for its corpus")
    parser.add_argument("--every", type=int, default=4, help="ask every n-th of its questions")
    options = parser.parse_args()
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fusion-")))
        sets = {"families": of_families(scratch), "samples": of_samples(scratch)}
        if options.obliqa:
            sets["obliqa"] = of_beir(
                options.obliqa, options.home or scratch / "obliqa", options.every
            )
    for line in grid(sets):
        print(json.dumps(line), flush=True)
    print(json.dumps({"as set": asdict(Weights()), **curve(sets)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
