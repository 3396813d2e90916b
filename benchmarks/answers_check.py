"""Ask every question of `samples/questions.jsonl` and check the answers with rules of its own.

    python benchmarks/answers_check.py [--home DIR] [--questions FILE] [--out FILE] [--json]

Without `--home` the samples are ingested into a temporary folder first. Nothing here is shared with
the gate that makes the answers: figures, dates and names are found by the plain expressions below
and looked up in the quotes that a sentence cites, and every quote is compared with the catalogue's
page. Prints a table and the figures beside their floors; exits 1 if a floor is missed.

What it cannot see: a true figure put with the wrong subject inside one quote.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from assistant.answer import Answer, Asker, Citation, Question
from assistant.compose import open_assistant
from assistant.pipeline import Assistant
from audit.compose import open_log
from audit.record import Actor
from index.compose import open_index
from index.store import Index
from ingest.compose import open_ingestor

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
ASKER = Asker("checker", frozenset({"local"}), "local-user", "benchmark")
FIRST = 5  # hits in which the expected page must be

# Floors, from the project's main job; `answered` and `cited` are this benchmark's own.
FLOORS = {"found": 0.95, "abstained": 10, "answered": 35, "cited": 0.80}
MOST_SECONDS = 10.0

_WORD_NUMBERS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30,
}  # fmt: skip
_FIGURE = re.compile(r"\d+(?:[.,:]\d+)*|\b(?:" + "|".join(_WORD_NUMBERS) + r")\b", re.IGNORECASE)
_MONTH = re.compile(
    r"\b(?:January|February|March|April|May|June|July|August|September|October|November|December)\b"
)
_NAME = re.compile(r"(?<![.!?:;] )(?<!^)\b[A-Z][\w’'-]*[a-z][\w’'-]*")
_ACRONYM = re.compile(r"\b[A-Z]{2,}[\w-]*\b")


def figures(text: str) -> set[str]:
    """Numbers of a text, in digits or small words, as plain digits."""
    found = set()
    for match in _FIGURE.finditer(text):
        written = match.group().lower()
        found.add(str(_WORD_NUMBERS.get(written, written.replace(",", "").rstrip(".:"))))
    return found


def capitals(text: str) -> set[str]:
    """Capitalised words inside sentences, acronyms and months."""
    found = {
        match.group() for pattern in (_NAME, _ACRONYM, _MONTH) for match in pattern.finditer(text)
    }
    return {re.sub(r"['’]s?$", "", word).lower() for word in found}


def unsupported(sentence: str, quotes: str) -> set[str]:
    """Figures and capitalised words of a shown sentence that its quotes do not hold."""
    given = {re.sub(r"['’]s?$", "", word) for word in re.findall(r"[\w’'-]+", quotes.lower())}
    return (figures(sentence) - figures(quotes)) | {
        word for word in capitals(sentence) if word not in given
    }


@dataclass
class Outcome:
    """One question as it went."""

    id: str
    kind: str
    verdict: str
    seconds: float
    found: bool = False  # every expected page among the first hits
    cited: bool = False  # every expected page cited
    stated: bool = False  # every expected answer in the text or its quotes
    invented: list[str] = field(default_factory=list)
    false_citations: int = 0
    text: str = ""


def _flat(text: str) -> str:
    return " ".join(text.lower().split())


def _false(index: Index, citation: Citation) -> bool:
    page = index.page(citation.document, citation.page, index.scope(ASKER.groups))
    return page.text[citation.start : citation.end] != citation.quote


def judge(entry: dict[str, object], answer: Answer, index: Index, seconds: float) -> Outcome:
    """Compare an answer with what was expected, and with its own citations."""
    outcome = Outcome(
        str(entry["id"]), str(entry["kind"]), answer.verdict.value, round(seconds, 2),
        text=answer.text,
    )  # fmt: skip
    quotes = {citation.number: citation.quote for citation in answer.citations}
    for sentence in answer.sentences:
        given = " ".join(quotes[number] for number in sentence.citations)
        outcome.invented.extend(sorted(unsupported(sentence.text, given)))
    outcome.false_citations = sum(_false(index, citation) for citation in answer.citations)
    expected = _expected(entry)
    pages = {(citation.source, citation.page) for citation in answer.citations}
    shown = _flat(" ".join((answer.text, *quotes.values())))
    outcome.cited = bool(expected) and all((source, page) in pages for source, page, _ in expected)
    outcome.stated = bool(expected) and all(_flat(text) in shown for _, _, text in expected)
    return outcome


def _expected(entry: dict[str, object]) -> list[tuple[str, int, str]]:
    given = entry["expected"]
    assert isinstance(given, list)
    return [(each["source"], each["page"], each["answer"]) for each in given]


def ask_all(home: Path, questions: list[dict[str, object]]) -> Iterator[Outcome]:
    """Every question, asked of the assistant over `home`, each in turn."""
    with open_log(home) as log, open_assistant(home, log) as assistant, open_index(home) as index:
        for entry in questions:
            question = Question(str(entry["question"]), ASKER)
            began = time.monotonic()
            answer = assistant.ask(question)
            outcome = judge(entry, answer, index, time.monotonic() - began)
            outcome.found = _found(assistant, question, entry)
            yield outcome


def _found(assistant: Assistant, question: Question, entry: dict[str, object]) -> bool:
    hits = assistant.search(question, FIRST).passages
    pages = {(hit.source, hit.page) for hit in hits}
    return all((source, page) in pages for source, page, _ in _expected(entry))


def ingest(home: Path) -> None:
    """The samples into `home`."""
    with open_log(home) as log, open_ingestor(home, log, Actor("service", "benchmark")) as ingestor:
        summary = ingestor.add([SAMPLES / "documents"], "default")
    assert not summary.failed, summary.failed


def report(outcomes: list[Outcome]) -> tuple[list[str], bool]:
    """Lines to print and whether every floor is kept."""
    answerable = [each for each in outcomes if each.kind != "unanswerable"]
    rest = [each for each in outcomes if each.kind == "unanswerable"]
    abstained = sum(each.verdict == "ABSTAINED" for each in rest)
    answered = sum(each.verdict in ("ANSWERED", "QUOTED") for each in answerable)
    found = sum(each.found for each in answerable) / max(1, len(answerable))
    cited = sum(each.cited for each in answerable) / max(1, len(answerable))
    stated = sum(each.stated for each in answerable)
    seconds = statistics.median(each.seconds for each in outcomes)
    invented = [f"{each.id}: {', '.join(each.invented)}" for each in outcomes if each.invented]
    false = sum(each.false_citations for each in outcomes)
    lines = [
        f"expected page in the first {FIRST} hits  {found:6.1%}   floor {FLOORS['found']:.0%}",
        f"expected page cited              {cited:6.1%}   floor {FLOORS['cited']:.0%}",
        f"expected answer stated or quoted {stated:3d} of {len(answerable)}",
        f"answerable answered              {answered:3d} of {len(answerable)}"
        f"  floor {FLOORS['answered']}",
        f"unanswerable abstained           {abstained:3d} of {len(rest)}"
        f"  floor {FLOORS['abstained']}",
        f"figures or names not in the quote {len(invented)}   {'; '.join(invented)}",
        f"citations not true to the byte    {false}",
        f"median seconds an answer         {seconds:.1f}   at most {MOST_SECONDS:.0f}",
    ]
    kept = (
        found >= FLOORS["found"]
        and cited >= FLOORS["cited"]
        and abstained >= min(FLOORS["abstained"], len(rest))
        and answered >= min(FLOORS["answered"], len(answerable))
        and not invented
        and not false
        and seconds <= MOST_SECONDS
    )
    return lines, kept


def main() -> int:
    """Run as the arguments say."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--home", type=Path, help="a data folder that holds the samples already")
    parser.add_argument("--questions", type=Path, default=SAMPLES / "questions.jsonl")
    parser.add_argument("--out", type=Path, help="write one JSON line a question to this file")
    options = parser.parse_args()
    lines = options.questions.read_text(encoding="utf-8").splitlines()
    questions = [json.loads(line) for line in lines if line.strip()]
    with tempfile.TemporaryDirectory() as folder:
        home = options.home or Path(folder) / "home"
        if options.home is None:
            home.mkdir(mode=0o700)
            ingest(home)
        outcomes = []
        for outcome in ask_all(home, questions):
            outcomes.append(outcome)
            marks = "".join(
                mark if kept else "-"
                for mark, kept in (
                    ("f", outcome.found),
                    ("c", outcome.cited),
                    ("s", outcome.stated),
                )
            )
            print(f"{outcome.id:5} {outcome.kind:14} {outcome.verdict:9} {marks} "
                  f"{outcome.seconds:6.1f} s  {outcome.text[:120]!r}", flush=True)  # fmt: skip
    if options.out:
        rows = (json.dumps(asdict(outcome)) + "\n" for outcome in outcomes)
        options.out.write_text("".join(rows), encoding="utf-8")
    summary, kept = report(outcomes)
    print("\n".join(summary))
    print("all floors kept" if kept else "A FLOOR WAS MISSED")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
