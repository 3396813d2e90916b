"""Questions on tables and the text around them: is the very value shown, and how often a wrong one?

    PYTHONPATH=. python benchmarks/tatqa.py DEV.json [--questions 300]
        [--format html|md|csv] [--home HOME] [--multi] [--no-chain] [--out FILE]

DEV.json is a split of TAT-QA: tables of financial reports with their paragraphs, and questions. Of
those whose answer is one span of the table or the text, every n-th is asked of its own document
(with --multi those with several spans). A table with its paragraphs is written as one document,
read and indexed as any other, and asked through `Assistant.ask`, beside a plain retrieve-and-prompt
chain on the same model, embedder and passages.

exact    the gold span is in what is shown; a figure as a figure of its own, compared without
         currency, separators, per cent signs and scale words
wrong    something is shown as an answer and the gold span is not in it, or a whole row of a table
         is shown, so that wrong values stand beside the right one
abstained  nothing is shown as an answer

Questions at even places may be used to tune by, those at odd places are held back; both are
printed. Prints one JSON object; ends with 1 if fewer than 50 % are exact or more than 10 % wrong.
"""

from __future__ import annotations

import argparse
import csv
import html
import io
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from assistant.answer import Answer, Asker, Question
from assistant.compose import open_assistant
from audit.compose import open_log
from audit.record import Actor
from benchmarks.plain_chain import open_chain
from index.compose import open_index
from ingest.compose import open_ingestor

EXACT, WRONG = 0.50, 0.10  # floors: at least, at most
ASKER = Asker("checker", frozenset({"local"}), "local-user", "benchmark")
FORMATS = ("html", "md", "csv")
COLLECTION = "tatqa"

_FIGURE = re.compile(r"[-−–(]?\s?[$€£¥]?\s?[-−(]?\d[\d,]*(?:\.\d+)?")
_SCALES = re.compile(r"\b(?:thousand|million|billion|percent|per cent|m|bn|k)\b", re.IGNORECASE)
_SIGNS = re.compile(r"[$€£¥%,\s()]|\b(?:US|INR|RMB|S|A|C|HK)(?=\$?\d)")
_ROW = re.compile(r"[^;]+: [^;]+(?:; [^;]+: [^;]+)+")  # how a whole row is quoted


@dataclass(frozen=True, slots=True)
class Case:
    """A question, the number of its context, its gold spans and where they come from."""

    context: int
    question: str
    gold: tuple[str, ...]
    source: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one question went, for the assistant or for the chain."""

    case: Case
    shown: str
    verdict: str
    judged: str  # exact, wrong or abstained


def cases_of(data: Sequence[dict[str, Any]], kind: str, count: int) -> list[Case]:
    """Every n-th question with an answer of that type, `count` at most."""
    every = [
        Case(number, each["question"], tuple(map(str, each["answer"])), each["answer_from"])
        for number, context in enumerate(data)
        for each in context["questions"]
        if each["answer_type"] == kind
    ]
    step = max(1, len(every) // count)
    return every[::step][:count]


def place_of_table(paragraphs: Sequence[str]) -> int:
    """After how many paragraphs the table stands: after the first that leads in to one, else after
    the first of all."""
    for number, text in enumerate(paragraphs, start=1):
        if text.rstrip().endswith(":") or re.search(r"\b(?:following|below)\b.*\btable\b", text):
            return number
    return min(1, len(paragraphs))


def document_of(context: dict[str, Any], form: str) -> str:
    """A table with its paragraphs as one document."""
    rows = context["table"]["table"]
    texts = [p["text"] for p in sorted(context["paragraphs"], key=lambda p: p["order"])]
    at = place_of_table(texts)
    above, below = texts[:at], texts[at:]
    if form == "html":
        cells = ("".join(f"<td>{html.escape(c)}</td>" for c in row) for row in rows)
        table = "<table>" + "".join(f"<tr>{row}</tr>" for row in cells) + "</table>"
        said = [[f"<p>{html.escape(text)}</p>" for text in part] for part in (above, below)]
        return "\n".join(("<html><body>", *said[0], table, *said[1], "</body></html>"))
    if form == "md":
        lines = ["| " + " | ".join(c.replace("|", "/") for c in row) + " |" for row in rows]
        lines.insert(1, "|" + "---|" * len(rows[0]))
        return "\n\n".join((*above, "\n".join(lines), *below)) + "\n"
    sheet = io.StringIO()
    writer = csv.writer(sheet)
    writer.writerows([[text] for text in above] + [[]] + rows + [[]] + [[text] for text in below])
    return sheet.getvalue()


def build(home: Path, data: Sequence[dict[str, Any]], form: str) -> dict[int, str]:
    """All documents ingested into `home`; document id by the number of the context."""
    with tempfile.TemporaryDirectory(prefix="tatqa-documents-") as folder:
        for number, context in enumerate(data):
            place = Path(folder) / f"{number:04d}.{form}"
            place.write_text(document_of(context, form), encoding="utf-8")
        with open_log(home) as log, open_ingestor(home, log, Actor("service", "benchmark")) as into:
            into.add([Path(folder)], COLLECTION)
    return held(home)


def held(home: Path) -> dict[int, str]:
    """Document id by the number of the context, of what `home` holds. Documents that read the same
    are one."""
    with open_index(home) as index:
        found = index.documents(index.scope(ASKER.groups))
        return {int(Path(each.source).stem): each.id for each in found}


def figure(text: str) -> str:
    """A gold span that is one figure, in plain digits; "" if it is none."""
    plain = _SIGNS.sub("", _SCALES.sub("", text)).strip(".").replace("−", "-").replace("–", "-")
    return plain.lstrip("-") if re.fullmatch(r"-?\d+(?:\.\d+)?", plain) else ""


def figures(text: str) -> set[str]:
    """All figures of a text, in plain digits without their signs."""
    return {_SIGNS.sub("", each).strip("-−–(").rstrip(".") for each in _FIGURE.findall(text)}


def flat(text: str) -> str:
    """Text without case, punctuation at word ends and differences of white space."""
    return " ".join(word.strip(".,;:()'\"“”’") for word in text.lower().split())


def shows(shown: str, gold: str) -> bool:
    """Whether the gold span is in what is shown."""
    number = figure(gold)
    return number in figures(shown) if number else flat(gold) in flat(shown)


def judge(case: Case, shown: str, answered: bool) -> str:
    """What became of a question: exact, wrong or abstained."""
    if not answered:
        return "abstained"
    row = any(figure(gold) for gold in case.gold) and bool(_ROW.search(shown))
    return "exact" if all(shows(shown, gold) for gold in case.gold) and not row else "wrong"


def of_answer(case: Case, answer: Answer) -> Outcome:
    """The assistant's answer, judged."""
    answered = answer.verdict.value in ("ANSWERED", "QUOTED")
    shown = " ".join(sentence.text for sentence in answer.sentences) if answered else ""
    return Outcome(case, shown, answer.verdict.value, judge(case, shown, answered))


_UNKNOWN = re.compile(r"\b(?:not know|don't know|no answer|cannot|not (?:contain|provide|mention))")


def ask_all(
    home: Path, cases: Sequence[Case], ids: dict[int, str], with_chain: bool
) -> Iterator[tuple[Outcome, Outcome | None]]:
    """Every question of the assistant and, if wanted, of the chain with the same passages."""
    with ExitStack() as stack:
        log = stack.enter_context(open_log(home))
        assistant = stack.enter_context(open_assistant(home, log))
        chain = stack.enter_context(open_chain(home)) if with_chain else None
        for case in cases:
            question = Question(case.question, ASKER, documents=frozenset({ids[case.context]}))
            ours = of_answer(case, assistant.ask(question))
            if chain is None:
                yield ours, None
                continue
            passages = [each.text for each in assistant.search(question, 10).passages]
            said = chain.answer(case.question, chain.nearest(case.question, passages))
            answered = bool(said) and not _UNKNOWN.search(said.lower())
            yield ours, Outcome(case, said, "", judge(case, said, answered))


def shares(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """The share of each judgement, and how many questions there were."""
    count = max(1, len(outcomes))
    found = {
        name: round(sum(each.judged == name for each in outcomes) / count, 3)
        for name in ("exact", "wrong", "abstained")
    }
    return {**found, "questions": len(outcomes)}


def report(pairs: Sequence[tuple[Outcome, Outcome | None]]) -> dict[str, Any]:
    """The figures: all, the even and the odd questions, and by where the answer stands."""
    ours = [each for each, _ in pairs]
    chain = [each for _, each in pairs if each is not None]
    sources = sorted({each.case.source for each in ours})
    return {
        "assistant": shares(ours),
        "even": shares(ours[::2]),
        "odd": shares(ours[1::2]),
        **{source: shares([o for o in ours if o.case.source == source]) for source in sources},
        **({"chain": shares(chain)} if chain else {}),
    }


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--format", choices=FORMATS, default="html")
    parser.add_argument(
        "--home", type=Path, help="a data folder to keep; used again if it is there"
    )
    parser.add_argument("--multi", action="store_true", help="questions with several spans")
    parser.add_argument("--no-chain", action="store_true")
    parser.add_argument("--out", type=Path, help="write one JSON line a question to this file")
    options = parser.parse_args()
    data = json.loads(options.data.read_text(encoding="utf-8"))
    cases = cases_of(data, "multi-span" if options.multi else "span", options.questions)
    with tempfile.TemporaryDirectory(prefix="tatqa-") as scratch:
        home = options.home or Path(scratch)
        kept = options.home is not None and options.home.exists()
        ids = held(home) if kept else build(home, data, options.format)
        cases = [case for case in cases if case.context in ids]
        began = time.monotonic()
        pairs = list(ask_all(home, cases, ids, not options.no_chain))
        seconds = time.monotonic() - began
    result = {"format": options.format, **report(pairs), "seconds": round(seconds, 1)}
    if options.out is not None:
        lines = [json.dumps([asdict(o) if o else None for o in pair]) + "\n" for pair in pairs]
        options.out.write_text("".join(lines), encoding="utf-8")
    print(json.dumps(result, indent=2))
    ours = result["assistant"]
    return int(ours["exact"] < EXACT or ours["wrong"] > WRONG)


if __name__ == "__main__":
    sys.exit(main())
