"""What the gate lets through of true sentences that were made false, and of true ones.

    python benchmarks/gate_corruptions.py DATA [--each N] [--seed N] [--show TYPE] [--json]

DATA is a folder with `obliqa/corpus.jsonl`, `tatqa/dev.json`, `policyqa/dev.json` and
`clapnq/*answerable.jsonl`. Sentences are taken as they stand in these texts; each is altered in the
typed ways of `gate_corruptors.py`, which shares no code with the gate, and judged by a gate over
the passage that it came from and over nothing else. At most N a type and source (default 100).

Floors: of all false sentences at most 2 % pass, of those with another number, date, name, clause
or unit none, and of the true ones word for word at least 98 %. `--show` prints what went wrong for
one type. To compare with an older gate, run the same file with PYTHONPATH on an older tree.

What it cannot see: a truth that a corruptor made by chance is counted against the gate.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gate_corruptors import CORRUPTIONS, EXACT, TRUTHS

from assistant import gate, task
from assistant.evidence import Candidate
from assistant.gate import Gate
from assistant.layout import lay_out
from assistant.sentences import Kind, one_line
from assistant.task import Placed, Reading
from index.document import Document, Page
from index.effective import Standing

FALSE_PASS, TRUE_PASS = 0.02, 0.98
_LEAD_NUMBER = re.compile(r"^[\dA-Z][\w.]*(?:\.\(?\w+\)?)+\s+(?=[A-Z])|^\(\w+\)\s+")


@dataclass(frozen=True)
class Passage:
    """A passage, its quotable units and the sentences taken from it."""

    source: str
    candidates: tuple[Candidate, ...]
    sentences: tuple[str, ...]


@dataclass
class Tally:
    """How many sentences of one type were judged, how many passed, and examples."""

    judged: int = 0
    passed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)


def _texts(data: Path) -> Iterator[tuple[str, str]]:
    """Source and text of every passage."""
    with (data / "obliqa/corpus.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            yield "obliqa", json.loads(line)["text"]
    for each in json.loads((data / "tatqa/dev.json").read_text(encoding="utf-8")):
        yield "tatqa", "\n\n".join(paragraph["text"] for paragraph in each["paragraphs"])
    for policy in json.loads((data / "policyqa/dev.json").read_text(encoding="utf-8"))["data"]:
        for paragraph in policy["paragraphs"]:
            yield "policyqa", paragraph["context"]
    for name in ("answerable", "unanswerable"):
        with (data / f"clapnq/{name}.jsonl").open(encoding="utf-8") as lines:
            for line in lines:
                yield "clapnq", json.loads(line)["passages"][0]["text"]


def _sentence(text: str) -> str | None:
    """A unit's text as a sentence to alter, or None: no fragment, no list, nothing too long."""
    plain = _LEAD_NUMBER.sub("", one_line(text))
    words = plain.split()
    if not 6 <= len(words) <= 60 or not plain[0].isupper() or not re.search(r"[.]$", plain):
        return None
    return None if re.search(r"[?:|]|``|''|\bI\b", plain) else plain


def passage_of(source: str, text: str) -> Passage:
    """A passage read as a document of one page."""
    page = Page(1, text)
    document = Document("d", "default", f"{source}.txt", "", "text/plain", pages=1)
    units = lay_out(page)
    placed = tuple(Placed(1, position, unit) for position, unit in enumerate(units))
    found = task.candidates_of(Reading(document, Standing(True), (page,), placed))
    running = [unit for unit in units if unit.kind is Kind.SENTENCE and not unit.aside]
    sentences = [_sentence(unit.text) for unit in running]
    return Passage(source, found, tuple(each for each in sentences if each))


def passages(data: Path, rng: random.Random) -> list[Passage]:
    """All passages with a sentence to alter, in an order by chance."""
    seen: set[str] = set()
    made = []
    for source, text in _texts(data):
        if text not in seen and len(text) > 60:
            seen.add(text)
            made.append((source, text))
    rng.shuffle(made)
    return [passage for passage in (passage_of(*each) for each in made) if passage.sentences]


def _judge(judging: Gate, sentence: str, altered: str, tally: Tally, wanted: bool) -> None:
    judged = judging.judge(altered)
    passed = judged.support is not None
    tally.judged += 1
    tally.passed += passed
    tally.reasons[judged.reason.value if judged.reason else "passed"] += 1
    if passed is not wanted and len(tally.examples) < 40:
        why = f"{judged.reason} {judged.detail}" if judged.reason else "passed"
        tally.examples.append(f"{why}\n   was: {sentence}\n   now: {altered}")


def measure(
    read: Sequence[Passage], each: int, rng: random.Random
) -> tuple[dict[str, Tally], float, int]:
    """A tally for each type, the seconds that judging took and how many were judged."""
    tallies = {name: Tally() for name in (*CORRUPTIONS, *TRUTHS)}
    counts: Counter[tuple[str, str]] = Counter()
    seconds, judged = 0.0, 0
    for passage in read:
        judging = gate.over(passage.candidates)
        whole = " ".join(one_line(c.unit.text) for c in passage.candidates)
        for sentence in passage.sentences:
            for name, change in (*CORRUPTIONS.items(), *TRUTHS.items()):
                if counts[passage.source, name] >= each:
                    continue
                altered = change(sentence, passage.sentences, rng)
                true = name in TRUTHS
                if altered is None or (not true and (altered == sentence or altered in whole)):
                    continue
                counts[passage.source, name] += 1
                began = time.perf_counter()
                _judge(judging, sentence, altered, tallies[name], true)
                seconds += time.perf_counter() - began
                judged += 1
    return tallies, seconds, judged


def _table(tallies: dict[str, Tally], names: Sequence[str]) -> list[str]:
    lines = []
    for name in names:
        tally = tallies[name]
        share = tally.passed / max(1, tally.judged)
        most = ", ".join(f"{reason} {count}" for reason, count in tally.reasons.most_common(4))
        lines.append(f"{name:16} {tally.judged:6d} {tally.passed:6d} {share:7.1%}   {most}")
    return lines


def report(tallies: dict[str, Tally], seconds: float, judged: int) -> tuple[list[str], bool]:
    """Lines to print and whether every floor is kept."""
    false = sum(tallies[name].judged for name in CORRUPTIONS)
    through = sum(tallies[name].passed for name in CORRUPTIONS)
    exact = sum(tallies[name].passed for name in EXACT)
    true = tallies["verbatim"].passed / max(1, tallies["verbatim"].judged)
    kept = through <= FALSE_PASS * false and not exact and true >= TRUE_PASS
    lines = [
        "false sentences   judged passed   share   reasons",
        *_table(tallies, tuple(CORRUPTIONS)),
        "true sentences    judged passed   share   reasons",
        *_table(tallies, tuple(TRUTHS)),
        f"false that pass {through} of {false} ({through / max(1, false):.2%}, floor"
        f" {FALSE_PASS:.0%}); with another number, date, name, clause, unit {exact} (floor 0)",
        f"true word for word that pass {true:.1%} (floor {TRUE_PASS:.0%})",
        f"{seconds / max(1, judged) * 1000:.2f} ms a sentence, the first of a passage included",
        "all floors kept" if kept else "A FLOOR WAS MISSED",
    ]
    return lines, kept


def main() -> int:
    """Run as the arguments say."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--each", type=int, default=100, help="sentences a type and source")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", action="append", default=[], help="examples of this type")
    parser.add_argument("--json", action="store_true", help="print the tallies as JSON")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    tallies, seconds, judged = measure(passages(options.data, rng), options.each, rng)
    for name in options.show:
        print(f"== {name}", *tallies[name].examples, sep="\n")
    lines, kept = report(tallies, seconds, judged)
    if options.json:
        plain = {name: [tally.judged, tally.passed] for name, tally in tallies.items()}
        print(json.dumps(plain))
        print("\n".join(lines), file=sys.stderr)
    else:
        print("\n".join(lines))
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
