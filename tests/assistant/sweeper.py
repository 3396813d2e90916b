"""A process that runs a sweep over an index until it is done or killed; says each row on stdout.

Usage: python -m tests.assistant.sweeper HOME [DELAY]   seconds that each document takes at least
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from assistant import sweep
from assistant.answer import Asker
from assistant.answering import Policy
from assistant.sweep import Request, Row, SweepResult
from assistant.task import Parts
from audit.compose import open_log
from tests.assistant.standins import ScriptedModel
from tests.index.standins import HashEmbedder, small_index

QUESTION = "Which of these contracts have an arbitration clause?"


def main(home: Path, delay: float) -> None:
    asker = Asker("anna", frozenset({"local"}), "local-user")
    with small_index(home, embedder=HashEmbedder(64)) as index, open_log(home) as log:
        parts = Parts(index, log, ScriptedModel(()), Policy())
        for event in sweep.run(parts, Request(asker, QUESTION, folder=home / "sweeps")):
            if isinstance(event, Row):
                print("row", event.source, event.verdict.value, int(event.resumed), flush=True)
                time.sleep(delay)
            elif isinstance(event, SweepResult):
                print("result", len(event.rows), event.resumed, event.seconds, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0.0)
