"""Every answer that left has its whole record, with faults in everything; counted by a tap.

    PYTHONPATH=. python benchmarks/audit_completeness.py [--questions N] [--real N] [--seed N]

Questions go by four ways (the API streamed and whole, the chat's views as HTML, the terminal)
through the real web layer, assistant and log; in most of them one thing breaks at a random moment:
a call of the library, a call or a token of the model, a write of the log or its keystore in SQLite
(disk full, input/output error, locked; before or after SQLite did it), the rendering, or the reader
leaves. A tap at the model's port notes each prompt and each scored text; another notes what leaves
(`tests/faults/tapped.py`). `--questions` are answered by a scripted model, `--real` ones by the
small model that is installed (0 leaves it out). Then the log must have, from before:

- for each sentence that left an `answer.sentence`, and for each answer an `answer.released`, with
  the digest of the text that left;
- for each prompt that a model was given, also to make a follow-up whole or to score a sentence, a
  `model.called` with its digest, and a `model.finished` for each of these;
- for each question exactly one end (`answer.released`, `answer.failed`, `question.refused`), or
  none where the log itself could not be written: then nothing was shown after that.

Prints one line a trouble and a JSON object at the end; exit code 1 if there was any trouble, or if
a kind of fault never came about.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from assistant import compose
from assistant.settings import AssistantSettings
from audit.keys import read_verifier_keys
from audit.verify import verify_log
from tests.faults import tapped
from tests.faults.taps import FURTHEST


@contextmanager
def installed(home: Path) -> Iterator[Callable[[int], Any]]:
    """The small model, for every question the same."""
    settings = AssistantSettings.load(home)
    model = compose.engine(settings, compose.chooser(settings, home), None)
    try:
        yield lambda case: model
    finally:
        model.close()


def run(home: Path, model: Callable[[int], Any], cases: int, seed: int) -> dict[str, Any]:
    """Ask so many questions; the figures, troubles among them."""
    began = time.monotonic()
    world = tapped.World(home, model, seed)
    for case in range(cases):
        world.run(case)
    found = list(tapped.troubles(world))
    kinds = world.log.counters()
    world.close()
    for each in found:
        print(each, flush=True)
    folder = home / "audit"
    taps = world.taps
    return {
        "questions": cases,
        "faults": dict(taps.hits),
        "answers_left": sum(map(len, taps.answers.values())),
        "sentences_left": sum(map(len, taps.sentences.values())),
        "prompts": len(taps.prompts),
        "scored": len(taps.scores),
        "records": {kind: kinds[kind] for kind in kinds if not kind.startswith(("log.", "check"))},
        "log": verify_log(folder, read_verifier_keys(folder / "keys")).headline(),
        "troubles": len(found),
        "seconds": round(time.monotonic() - began),
    }


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--questions", type=int, default=5000)
    parser.add_argument("--real", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    chosen = parser.parse_args()
    facts: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="cloister-tap-") as work:
        for name, cases in (("scripted", chosen.questions), ("real", chosen.real)):
            home = Path(work) / name
            home.mkdir()
            if name == "scripted":
                facts[name] = run(home, tapped.scripted, cases, chosen.seed)
            elif cases:
                with installed(home) as model:
                    facts[name] = run(home, model, cases, chosen.seed)
    print(json.dumps(facts))
    missed = [site for site in FURTHEST if not facts["scripted"]["faults"].get(site)]
    return 1 if missed or any(each["troubles"] for each in facts.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
