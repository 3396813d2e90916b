"""What the auditor's view costs: one checked pass over the whole log, beside one that only reads.

    python benchmarks/audit_view.py [--records N] [--folder DIR]

Writes a log of N records (200,000) of answers as the assistant's are in form and size, payloads
left out, and prints one JSON object: records a second of a view by answers, of one filtered by
person, of one filtered by document, and of single records; of `--quick` the milliseconds; the same
for the alternative, a plain `SELECT` of every envelope with `json.loads` of each and nothing
checked; the ratios; and the milliseconds that `audit.affected.note` takes for one document and for
a hundred.

Floor: a view by answers goes through a third as many records a second as the plain pass, which
neither hashes nor checks nor gathers anything.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from audit.affected import note
from audit.log import Limits, Log
from audit.record import Actor, Event
from audit.view import look
from audit.view_data import Page, Trust, Wanted

AUDITOR = Actor(kind="person", id="auditor")
DOCUMENTS = [f"{number:02x}" * 32 for number in range(256)]
CALL: dict[str, str | int | bool] = {
    "model": "SmolLM2-135M-Instruct-Q4_1", "model_sha256": "d4" * 32, "where": "this machine",
    "quantization": "Q4_1", "runtime": "llama-cpp-python 0.3.36", "context_tokens": 4096,
    "chat_template_sha256": "e5" * 32, "chat_format": "chatml", "sequences": 4, "kv_cache": "f16",
    "gpu_layers": 0, "exact": True, "prompt_version": "answer-7", "seed": 7, "top_k": 1,
    "prompt_template_sha256": "f6" * 32, "prompt_tokens": 1803, "max_tokens": 320,
}  # fmt: skip


def _answer(number: int) -> list[Event]:
    """The records of one answer."""
    who = Actor("person", f"p{number % 40}", "one-time-link", ("local",), "browser")
    request = f"{number:032x}"
    places = [f"{DOCUMENTS[(number + each) % 256]}:{each + 1}:10:90" for each in range(4)]
    released = {
        "verdict": "QUOTED" if number % 7 else "ANSWERED",
        "citations": places,
        "chunks": [f"{number * 20 + each:032x}" for each in range(20)],
        "search_us": 41_000, "write_us": 1_200_000, **CALL,
    }  # fmt: skip
    asked = {"characters": 60, "question_sha256": f"{number:064x}", "turn": 1}
    sentence = {"number": 1, "origin": "quote", "citations": places[:1]}
    told: list[tuple[str, dict[str, object]]] = [
        ("question.received", dict(asked)),
        ("model.called", {**CALL, "prompt_sha256": f"{number:064x}"}),
        ("model.finished", {"outcome": "stop", "model": CALL["model"], "raw_sha256": "ab" * 32}),
        ("answer.sentence", dict(sentence)),
        ("answer.released", released),
    ]
    return [Event(kind, who, fields, None, "", request) for kind, fields in told]  # type: ignore[arg-type]


def _plain(path: Path) -> int:
    """The alternative: every envelope read and taken apart, nothing checked."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    people = 0
    for (envelope,) in connection.execute("SELECT envelope FROM leaf ORDER BY seq"):
        people += json.loads(envelope)["actor"]["id"] == "p3"
    connection.close()
    return people


def _seconds(work: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def _checked(log: Log, wanted: Wanted, *, records: bool = False) -> None:
    view = look(log, AUDITOR, wanted, Page(limit=50), records=records)
    assert view.checked.trust is Trust.CHECKED, view.checked.told()


def main() -> int:
    """Run all measurements; return 1 if the floor is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--records", type=int, default=200_000, help="records in the log")
    parser.add_argument("--folder", type=Path, default=None, help="on the disk to measure")
    chosen = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="cloister-view-", dir=chosen.folder))
    limits = Limits(seal_records=4096)
    with Log(home / "audit", build="benchmark", process="benchmark", limits=limits) as log:
        for first in range(0, chosen.records // 5, 200):
            log.append_many([event for number in range(200) for event in _answer(first + number)])
        log.seal()
        records = log.size()
        plain = _seconds(lambda: _plain(home / "audit" / "log.db"))
        works: dict[str, Callable[[], object]] = {
            "view by answers": lambda: _checked(log, Wanted()),
            "filtered by person": lambda: _checked(log, Wanted(person="p3")),
            "filtered by document": lambda: _checked(log, Wanted(document=DOCUMENTS[9])),
            "view by records": lambda: _checked(log, Wanted(type="answer.*"), records=True),
        }
        rates = {name: round(records / _seconds(work)) for name, work in works.items()}
        quick = _seconds(lambda: look(log, AUDITOR, Wanted(person="p3"), quick=True))
        one = _seconds(lambda: note(log, AUDITOR, {DOCUMENTS[9]: 1}, "superseded"))
        hundred = dict.fromkeys(DOCUMENTS[:100], 1)
        many = _seconds(lambda: note(log, AUDITOR, hundred, "removed"))
    shutil.rmtree(home)
    alternative = round(records / plain)
    ratio = round(rates["view by answers"] / alternative, 2)
    result = {
        "records": records,
        "records per s": {**rates, "plain SELECT and json.loads": alternative},
        "view by answers / plain": ratio,
        "quick_ms": round(quick * 1000, 1),
        "note_one_document_ms": round(one * 1000, 1),
        "note_hundred_documents_ms": round(many * 1000, 1),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    print(json.dumps(result, indent=1))
    return 0 if ratio >= 0.33 else 1


if __name__ == "__main__":
    sys.exit(main())
