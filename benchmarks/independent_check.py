"""Shown answers, checked sentence by sentence with rules that share no code with the gate.

    python benchmarks/independent_check.py FILE.jsonl... [--sample SAMPLE.txt] [--json]
        [--least 2000] [--configuration NAME]
    python benchmarks/independent_check.py --itself SET...

The files are those of `cloister eval answers SET --per-question FILE.jsonl`, of one set each. Every
sentence of every answer that was shown is looked up in the quotes that it cites
(`assistant.answer_check`), and what is not there is counted by kind, configuration by
configuration; the product's stand first, a plain chain's beside it, held against all passages that
its model was given.

Floors, for the configurations that cite: at least `--least` answers, and no sentence with an
unsupported number, date or name. `--sample` writes 200 shown sentences with their quotes to a file,
drawn with a fixed seed over all sets alike, for a person to read and mark: at most 2 % may be
unsupported in any way. Ends with 1 if a floor is missed.

`--itself` checks the checker, on the sentences of sets of SQuAD, CLAPnq or TAT-QA form: each held
against itself as it stands (what is found is a false alarm) and after one change that a reader
would notice: another number, another name, a "not" put in. Floors: `ITSELF`.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from assistant.answer_check import FACTS, Finding, check, unsupported
from assistant.answer_lines import read, shown_of
from assistant.answer_sets import read_set

KINDS = ("number", "date", "name", "negation", "words")
LEAST = 2_000
SAMPLED = 200
SEED = 20_251_101
# Share of the changes that must be found; of false alarms, the most that there may be.
ITSELF = {"as it stands": 0.005, "number": 0.95, "name": 0.98, "negation": 0.95}
_NUMBER = re.compile(r"(?<![\w.,/-])\d+(?:,\d{3})*(?:\.\d+)?(?![\w/-]|[.,]\d)")
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{3,}")
_VERB = re.compile(r"\b(?:is|are|was|were|will|may|can|shall|must)\b(?! not)")
_DENIED = re.compile(r"\b(?:not|no|never|without|nor|none|except|unless)\b|n't", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])|\n+|<[^>]+>")


@dataclass(frozen=True)
class Checked:
    """One shown sentence, the quotes that it cites and what they do not hold."""

    where: str  # set, question
    question: str
    sentence: str
    quotes: tuple[str, ...]
    findings: tuple[Finding, ...]


@dataclass
class Tally:
    """What came of one configuration over all files."""

    answers: int = 0
    cites: bool = False
    sentences: list[Checked] = field(default_factory=list)

    def kinds(self) -> Counter[str]:
        """Sentences by the kinds of what they hold unsupported; "any" and "facts" besides."""
        found: Counter[str] = Counter()
        for each in self.sentences:
            kinds = {finding.kind for finding in each.findings}
            found.update(kinds)
            found["any"] += bool(kinds)
            found["facts"] += bool(kinds & FACTS)
        return found


def tally(paths: Sequence[Path]) -> dict[str, Tally]:
    """Every shown answer of the files, by configuration in the order met. A case that a file holds
    several times (another model or version ran meanwhile) counts as it was last."""
    found: dict[str, Tally] = {}
    for path in paths:
        last = {
            (line["set"], line["configuration"], line["case"]): line for _, line, _ in read(path)
        }
        for (set_, name, case), line in last.items():
            held = found.setdefault(name, Tally())
            shown = shown_of(line["shown"])
            if shown.refused:
                continue
            held.answers += 1
            held.cites |= bool(shown.quotes)
            findings = check(shown.sentences, shown.quotes, shown.passages)
            for (sentence, cited), each in zip(shown.sentences, findings, strict=True):
                quotes = tuple(shown.quotes[n - 1][2] for n in cited if n <= len(shown.quotes))
                held.sentences.append(
                    Checked(f"{set_} {case}", line["question"], sentence, quotes, each)
                )
    return found


def sample(sentences: Sequence[Checked], count: int = SAMPLED) -> Iterator[str]:
    """Sentences for a person to read, each with a box to mark."""
    drawn = random.Random(SEED).sample(list(sentences), min(count, len(sentences)))
    yield f"{len(drawn)} of {len(sentences)} shown sentences, seed {SEED}.\n"
    yield "Mark [x] what the quotes do not say, whatever the reason.\n\n"
    for number, each in enumerate(drawn, start=1):
        yield f"[ ] {number}. {each.where}\n    question: {each.question}\n"
        yield f"    shown:    {each.sentence}\n"
        for quote in each.quotes:
            yield f"    quote:    {' '.join(quote.split())}\n"
        if each.findings:
            yield f"    checker:  {'; '.join(map(str, each.findings))}\n"
        yield "\n"


def report(found: dict[str, Tally], least: int) -> tuple[list[dict[str, object]], list[str]]:
    """A row for each configuration, and the floors that were missed."""
    rows: list[dict[str, object]] = []
    trouble = []
    for name, held in found.items():
        kinds = held.kinds()
        rows.append(
            {"configuration": name, "answers": held.answers, "sentences": len(held.sentences)}
            | {kind: kinds[kind] for kind in (*KINDS, "facts", "any")}
        )
        if not held.cites:
            continue
        if held.answers < least:
            trouble.append(f"{name}: {held.answers} shown answers, at least {least} are wanted")
        if kinds["facts"]:
            trouble.append(f"{name}: {kinds['facts']} sentences with an unsupported fact")
    return rows, trouble


def sentences_of(paths: Sequence[Path]) -> list[str]:
    """The sentences of the sets' documents, each of six words at least."""
    texts = [text.text for path in paths for text in read_set(path).texts]
    found = [part.strip() for text in texts for part in _SENTENCE.split(text)]
    return [part for part in found if len(part.split()) > 5]


def changes(drawn: random.Random) -> dict[str, Callable[[str], str]]:
    """What changes a sentence, by the kind of the change; a sentence that it cannot change stays
    as it is."""

    def number(text: str) -> str:
        found = list(_NUMBER.finditer(text))
        if not found:
            return text
        one = drawn.choice(found)
        whole = int(one.group().replace(",", "").partition(".")[0])
        return f"{text[: one.start()]}{whole + drawn.choice((1, 3, 10))}{text[one.end() :]}"

    def name(text: str) -> str:
        found = list(_NAME.finditer(text))
        if not found:
            return text
        one = drawn.choice(found)
        return f"{text[: one.start()]}Zebulon{text[one.end() :]}"

    def negation(text: str) -> str:
        verb = _VERB.search(text)
        if verb is None or _DENIED.search(text):
            return text
        return f"{text[: verb.end()]} not{text[verb.end() :]}"

    return {"number": number, "name": name, "negation": negation}


def itself(paths: Sequence[Path]) -> int:
    """Check the checker; 1 if a floor is missed."""
    held = sentences_of(paths)
    alarms = sum(bool(list(unsupported(each, [each]))) for each in held) / len(held)
    print(f"as it stands  {len(held)} sentences, false alarms {alarms:.4f}")
    missed = alarms > ITSELF["as it stands"]
    for kind, change in changes(random.Random(SEED)).items():
        pairs = [(change(each), each) for each in held]
        pairs = [(changed, each) for changed, each in pairs if changed != each]
        found = sum(bool(list(unsupported(one, [other]))) for one, other in pairs) / len(pairs)
        print(f"{kind}  {len(pairs)} changed, found {found:.4f}, floor {ITSELF[kind]}")
        missed |= found < ITSELF[kind]
    return int(missed)


def main() -> int:
    """Run as the arguments say."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--sample", type=Path)
    parser.add_argument("--configuration", help="sample from this one; else the first that cites")
    parser.add_argument("--least", type=int, default=LEAST)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--itself", action="store_true", help="the files are sets")
    options = parser.parse_args()
    if options.itself:
        return itself(options.files)
    found = tally(options.files)
    rows, trouble = report(found, options.least)
    for row in rows:
        print(json.dumps(row) if options.json else
              "  ".join(f"{name} {value}" for name, value in row.items()))  # fmt: skip
    for held in found.values():
        for told in held.sentences if held.cites and not options.json else ():
            facts = [str(finding) for finding in told.findings if finding.kind in FACTS]
            if facts:
                named = "; ".join(facts)
                print(f"{told.where}: {named}\n    {told.sentence}", file=sys.stderr)
    if options.sample is not None:
        name = options.configuration or next((n for n, held in found.items() if held.cites), "")
        sentences = found[name].sentences if name in found else []
        options.sample.write_text("".join(sample(sentences)), encoding="utf-8")
    for each in trouble:
        print(f"FLOOR MISSED: {each}", file=sys.stderr)
    return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main())
