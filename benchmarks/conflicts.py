"""Conflicts between documents: what is found, what is found where there is none.

    python benchmarks/conflicts.py --home DIR [--questions FILE] [--show] [--json]

Pairs of documents are generated from `conflict_cases.py`: contradicting values in two wordings and
in two versions; and, where nothing may be found, the same value written otherwise, a bound and a
value within it, another thing, another place, another year, a condition that only one has. `--home`
is a data folder with documents: its embedder ranks the pairs, and the questions of FILE (one JSON
object a line, "question" or "text"; the samples' if none is named) are put to it. Every conflict
found there is printed, to be looked at.

Beside it, in the same run: every two different values near the best evidence called a conflict.
Ends with 1 if a floor is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from conflict_cases import CONDITIONS, FILLERS, PLACES, YEARS, Subject, subjects

from assistant import asked, conflicts, evidence
from assistant.conflicts import Contradiction
from assistant.contradiction import sentence
from assistant.doubt import PLAIN
from assistant.evidence import Ranking
from assistant.layout import lay_out
from assistant.retrieval import Limits, retrieve, standing_of
from assistant.terms import Weights
from index.compose import open_index
from index.document import Chunk, Document, Hit, Page
from index.effective import Standing, today
from index.ports import Embedder
from index.store import Index

FOUND, FALSE = 0.9, 0.03  # at least, at most
SAMPLES = Path(__file__).resolve().parent.parent / "samples" / "questions.jsonl"
CONFLICTING = ("contradiction", "versions")


@dataclass(frozen=True, slots=True)
class Case:
    """Two documents (title, effective from, text) and a question; `kind` says how they differ."""

    kind: str
    question: str
    documents: tuple[tuple[str, str, str], tuple[str, str, str]]


def _said(wording: str, what: str, value: str) -> str:
    """The statement; `what` in lower case inside a sentence, unless it is an abbreviation."""
    inside = not wording.startswith("{what}") and not _shortened(what)
    text = wording.format(what=what[0].lower() + what[1:] if inside else what, value=value)
    return text[0].upper() + text[1:]


def _shortened(text: str) -> bool:
    """Whether a text begins with an abbreviation."""
    return text[:1].isupper() and text[1:2].isupper()


def _lower(text: str) -> str:
    return text if _shortened(text) else text[0].lower() + text[1:]


def _page(number: int, statement: str) -> str:
    before, after = FILLERS[number % 4], FILLERS[(number + 2) % 4]
    return f"{before} {statement} {after}"


def cases() -> Iterator[Case]:
    """Every subject in every way in which two documents may stand to each other."""
    for number, each in enumerate(subjects()):
        one, two = each.wordings if number % 2 else each.wordings[::-1]
        yield from _of(number, each, one, two)


def _of(number: int, each: Subject, one: str, two: str) -> Iterator[Case]:
    first, titles = _said(one, each.what, each.value), ("Operations manual", "Group standard")
    place, year = PLACES[number % 2], YEARS[number % 2]
    condition = CONDITIONS[number % 2]
    other = _said(two, each.what, each.different)
    ways = {
        "contradiction": (first, other),
        "versions": (first, _said(one, each.what, each.different)),
        "same value": (first, _said(two, each.what, each.same)),
        "within a bound": (
            _said(one, each.what, each.bounded), _said(two, each.what, each.allowed)),
        "another thing": (first, _said(two, each.other, each.different)),
        "another place": (f"{place[0]}, {_lower(first)}", f"{place[1]}, {_lower(other)}"),
        "another year": (f"{year[0]}, {_lower(first)}", f"{year[1]}, {_lower(other)}"),
        "a condition": (first, f"{condition} {_lower(other)}"),
    }  # fmt: skip
    if not each.bounded:
        del ways["within a bound"]
    for kind, (mine, theirs) in ways.items():
        named = ("Operations manual", "Operations manual") if kind == "versions" else titles
        yield Case(
            kind,
            each.question,
            (
                (named[0], "2023-05-01", _page(number, mine)),
                (named[1], "2024-01-01", _page(number + 1, theirs)),
            ),
        )


def ranked(case: Case, embedder: Embedder) -> tuple[Ranking, tuple[Hit, ...], Weights]:
    """The evidence of a case's documents for its question, as retrieval would rank it."""
    question = asked.read(case.question)
    vector = embedder.embed_query(question.query)
    hits, pages = [], {}
    for number, (title, since, text) in enumerate(case.documents, start=1):
        identity = f"{number:064d}"
        about = Document(identity, "c", f"{number}.md", title, "text/plain", effective_from=since)
        chunk = Chunk(str(number), identity, 1, 0, len(text), text)
        dense = float(embedder.embed_passages([f"{title}\n{text}"])[0] @ vector)
        hits.append(Hit(chunk, about, number, 1.0, dense, 1.0))
        pages[identity, 1] = Page(1, text)
    found = evidence.candidates(hits, pages, {key: lay_out(page) for key, page in pages.items()})
    vectors = np.asarray(embedder.embed_passages([each.embedded for each in found]))
    units = evidence.rank(question, found, hits, vector, vectors)
    return Ranking(question, units), tuple(hits), evidence.term_weights(found)


def _current(document: Document) -> Standing:
    """Every document of the pairs is in force."""
    return PLAIN


def differing(ranking: Ranking, hits: Sequence[Hit], weigh: Weights) -> bool:
    """The alternative: two different values in the evidence near the best are a conflict."""
    found = conflicts.stated(ranking, hits, _current, weigh)
    return len({each.value.facts[0].value for each in found}) > 1


def generated(embedder: Embedder, show: bool) -> dict[str, dict[str, list[bool]]]:
    """For each kind of pair: whether a conflict was found, by way."""
    told: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for case in cases():
        ranking, hits, weigh = ranked(case, embedder)
        found = conflicts.find((ranking,), hits, _current, weigh)
        kinds = {each.kind for each in found}
        right = "versions" in kinds if case.kind == "versions" else bool(found)
        told[case.kind]["rules"].append(right)
        told[case.kind]["any difference"].append(differing(ranking, hits, weigh))
        if show and right != (case.kind in CONFLICTING):
            texts = " || ".join(text for _, _, text in case.documents)
            print(f"  {case.kind}: {case.question} {texts}", file=sys.stderr)
            for each in found:
                print(f"    {sentence(each, today())}", file=sys.stderr)
    return told


def of_index(index: Index, path: Path) -> list[tuple[str, Contradiction]]:
    """The conflicts that the questions of `path` find in an index."""
    scope = index.scope(frozenset({"local"}))
    told = []
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        text = entry.get("question") or entry["text"]
        found = retrieve(index, asked.read(text), scope, Limits())
        for each in conflicts.find(
            found.rankings,
            found.hits,
            lambda document, by=found.standings: standing_of(document, by),  # type: ignore[misc]
            found.weigh,
        ):
            told.append((text, each))
    return told


def _shares(told: dict[str, dict[str, list[bool]]], pick: Callable[[str], bool], way: str) -> float:
    values = [value for kind, ways in told.items() if pick(kind) for value in ways[way]]
    return sum(values) / len(values)


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--questions", type=Path, default=SAMPLES)
    parser.add_argument("--show", action="store_true", help="print what was judged wrongly")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with open_index(options.home) as index:
        told = generated(index.embedder, options.show)
        of_questions = of_index(index, options.questions)
    result: dict[str, object] = {
        f"{kind}, {way}": round(sum(values) / len(values), 3)
        for kind, ways in told.items()
        for way, values in ways.items()
    }
    for way in ("rules", "any difference"):
        result[f"found, {way}"] = round(_shares(told, lambda k: k in CONFLICTING, way), 3)
        result[f"false, {way}"] = round(_shares(told, lambda k: k not in CONFLICTING, way), 3)
    result["in the documents of --home"] = len(of_questions)
    print(json.dumps(result, indent=None if options.json else 2))
    for text, each in of_questions:
        print(f"{text}\n  {sentence(each, today())}", file=sys.stderr)
        for side in each.sides:
            print(f"    {side.document.source}: {side.clause[:240]}", file=sys.stderr)
    missed = _shares(told, lambda k: k in CONFLICTING, "rules") < FOUND
    return 1 if missed or _shares(told, lambda k: k not in CONFLICTING, "rules") > FALSE else 0


if __name__ == "__main__":
    sys.exit(main())
