"""Sweeps over documents of which it is known which ones hold what is asked for.

    python benchmarks/sweep.py POLICYQA.json [--documents 120] [--home HOME] [--asked 4] [--fit]

POLICYQA.json is a split of PolicyQA in SQuAD's form: the documents are made of its paragraphs
(`benchmarks/sweep_sets.py`). Each topic's question is swept over all documents. Of the topics that
were not looked at when the limits were chosen it is demanded that of the rows FOUND at least 0.95
are right, and that at least 0.95 of the documents that hold the clause are FOUND; what is UNCLEAR
counts as not found there, and beside that it is told how many documents are lost (NOT_FOUND though
they hold it) and how many rows are left to a person.

In the same run `--asked` documents are asked one by one through the whole assistant with the
default model, all of which hold the clause, for the ratio of documents per second. `--fit` fits the
coefficients of `assistant.sweep_verdict` on the other topics instead, and prints them.

Prints one JSON object; ends with 1 if a floor is missed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from assistant import sweep
from assistant.answer import Asker, Question
from assistant.pipeline import Assistant
from assistant.retrieval import retrieve
from assistant.sweep_rows import SweepResult, asked_of
from assistant.sweep_verdict import Features, Verdict, features, wanted
from assistant.task import Parts
from audit.compose import open_log
from benchmarks.fit_sufficiency import fit
from benchmarks.sweep_sets import TOPICS, Planted, Topic, paragraphs_of, planted

PRECISION, RECALL = 0.95, 0.95
ASKER = Asker("benchmark", frozenset({"local"}), "local-user")


@contextmanager
def opened(home: Path) -> Iterator[Assistant]:
    """The assistant over the documents in `home`."""
    from assistant.compose import open_assistant

    with open_log(home) as log, closing(open_assistant(home, log)) as found:
        yield found


def ingest(home: Path, set_: Planted) -> None:
    """Take the documents in by the command, as anybody would."""
    folder = home / "documents"
    folder.mkdir(parents=True)
    for name, text in set_.texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "ui.main", "--home", str(home), "ingest", "add", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def parts_of(assistant: Assistant) -> Parts:
    """What tasks work with; the benchmark calls them without the pipeline."""
    return Parts(assistant._library, assistant._log, assistant._model, assistant._policy)


def swept(parts: Parts, topic: Topic) -> SweepResult:
    """The result of a topic's question put to all documents."""
    *_, last = sweep.run(parts, sweep.Request(ASKER, topic.question))
    assert isinstance(last, SweepResult)
    return last


def judged(result: SweepResult, topic: Topic, holding: dict[str, str]) -> dict[str, Any]:
    """How the rows compare with what is known."""
    rows = {verdict: [r for r in result.rows if r.verdict is verdict] for verdict in Verdict}
    found = rows[Verdict.FOUND]
    right = [row for row in found if row.source in holding]
    quoted = [row for row in right if any(held in _spaced(row.quote) for held in topic.held)]
    figures = {
        "documents": len(result.rows),
        "holding": len(holding),
        "found": len(found),
        "right": len(right),
        "lost": sum(row.source in holding for row in rows[Verdict.NOT_FOUND]),
        "unclear": len(rows[Verdict.UNCLEAR]),
        "quoted_rightly": len(quoted),
        "seconds": round(result.seconds, 2),
    }
    if topic.values:
        figures["values_right"] = sum(row.value == holding[row.source] for row in right)
    return figures


def _spaced(text: str) -> str:
    return " ".join(text.split())


def summed(figures: list[dict[str, Any]]) -> dict[str, Any]:
    """Precision, recall and the rest over several topics."""
    total = {key: sum(each[key] for each in figures) for key in figures[0] if key in _SUMMED}
    return {
        "precision": round(total["right"] / max(1, total["found"]), 4),
        "recall": round(total["right"] / max(1, total["holding"]), 4),
        "not_lost": round(1 - total["lost"] / max(1, total["holding"]), 4),
        "unclear_share": round(total["unclear"] / max(1, total["documents"]), 4),
        "quoted_rightly": round(total["quoted_rightly"] / max(1, total["right"]), 4),
        "documents_per_second": round(total["documents"] / total["seconds"], 2),
    }


_SUMMED = ("documents", "holding", "found", "right", "lost", "unclear", "quoted_rightly", "seconds")


def asked_one_by_one(
    assistant: Assistant, parts: Parts, holding: dict[str, str], count: int
) -> float:
    """Documents per second when each is asked through the whole assistant; of those that hold the
    clause, since where there is too little evidence no model is asked."""
    every = parts.library.documents(parts.library.scope(ASKER.groups))
    documents = [each for each in every if each.source in holding][:count]
    question = asked_of(sweep.Request(ASKER, TOPICS[0].question)).question
    began = time.monotonic()
    for document in documents:
        assistant.ask(Question(question, ASKER, documents=frozenset({document.id})))
    return len(documents) / (time.monotonic() - began)


def fitted(parts: Parts, set_: Planted) -> dict[str, Any]:
    """Coefficients fitted to the best sentence of each document, and what limits would do."""
    rows, labels = [], []
    scope = parts.library.scope(ASKER.groups)
    for topic in (each for each in TOPICS if each.fitted):
        asked = wanted(asked_of(sweep.Request(ASKER, topic.question)))
        for document in parts.library.documents(scope):
            named = frozenset({document.id})
            found = retrieve(parts.library, asked, scope, sweep.LIMITS, None, named)
            each = [features(asked, e) for e in found.ranked if e.answers]
            best = max(each, key=lambda f: f.similarity + f.coverage / 2, default=_NOTHING)
            rows.append([best.similarity, best.coverage, best.phrase])
            labels.append(float(document.source in set_.holding[topic.name]))
    by = fit(np.array(rows), np.array(labels), np.ones(len(rows)))
    chances = 1 / (1 + np.exp(-(np.c_[np.array(rows), np.ones(len(rows))] @ by)))
    truth = np.array(labels) == 1
    at = {
        f"{limit:.2f}": [
            round(float((chances[truth] >= limit).mean()), 3),
            round(float(truth[chances >= limit].mean()), 3),
        ]
        for limit in np.arange(0.1, 0.9, 0.1)
    }
    return {"coefficients": [round(float(each), 2) for each in by], "recall_precision_at": at}


_NOTHING = Features(0.0, 0.0, 0.0)


def measured(home: Path, set_: Planted, asked: int) -> dict[str, Any]:
    """All figures."""
    with opened(home) as assistant:
        parts = parts_of(assistant)
        figures = {
            topic.name: judged(swept(parts, topic), topic, set_.holding[topic.name])
            for topic in TOPICS
        }
        slow = 0.0
        if asked:
            slow = asked_one_by_one(assistant, parts, set_.holding[TOPICS[0].name], asked)
    groups = {
        name: summed([figures[topic.name] for topic in TOPICS if topic.fitted is which])
        for name, which in (("fitted_topics", True), ("other_topics", False))
    }
    speed = groups["other_topics"]["documents_per_second"]
    return {
        "topics": figures,
        **groups,
        "asked_per_second": round(slow, 3),
        "ratio": round(speed / slow, 1) if slow else None,
    }


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--documents", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--home", type=Path, help="keep the data folder; taken as it is if there")
    parser.add_argument("--asked", type=int, default=4)
    parser.add_argument("--fit", action="store_true")
    options = parser.parse_args()
    set_ = planted(paragraphs_of(options.data), options.documents, options.seed)
    with tempfile.TemporaryDirectory(prefix="sweep-") as scratch:
        home = options.home or Path(scratch) / "home"
        if not (home / "documents").exists():
            ingest(home, set_)
        if options.fit:
            with opened(home) as assistant:
                print(json.dumps(fitted(parts_of(assistant), set_), indent=2))
            return 0
        result = measured(home, set_, options.asked)
    print(json.dumps(result, indent=2))
    others = result["other_topics"]
    return int(others["precision"] < PRECISION or others["recall"] < RECALL)


if __name__ == "__main__":
    sys.exit(main())
