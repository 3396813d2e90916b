"""Finds known edits in real documents, and tells substance from wording.

    python benchmarks/comparisons.py [--obliqa corpus.jsonl] [--policyqa dev.json]
                                    [--documents N] [--seed 11] [--broken] [--show N]

Each document is compared with an edited copy of itself. About one passage in thirty is edited by
each of nine kinds (`comparison_edits.py`): of substance (another number, must for may and back, a
negation, "and" for "or", a passage deleted, one of another document put in) and of none (synonyms
of legal drafting, a passage moved, another number of the clause). An edit of words counts as found
if a change of substance is reported for that passage and names the words exchanged; a deleted or
inserted passage if it is reported as removed or added. False substance is what is reported as
substance of a passage that was reworded, moved or renumbered, or not touched at all. With --broken
pages end in the middle of sentences, wherever 3,000 characters are full, elsewhere in either copy.

Beside it, in the same run, a plain diff of the passages as lines (difflib): how many of the
harmless edits it reports, against those that we call substance. Vectors are left out: the rules are
measured. Prints one JSON object; ends with 1 if a floor is missed.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import json
import random
import re
import sys
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from comparison_edits import (
    HARMLESS,
    SUBSTANCE,
    Edit,
    Edited,
    editable,
    edited,
    obliqa,
    policyqa,
)

from assistant.changes import Weight, ordinary_words
from assistant.clause_alignment import align, gathered, renumbered
from assistant.compare import ChangeKind, Judgement, judged
from assistant.layout import lay_out
from assistant.provisions import Part, clauses_of, joined
from assistant.task import Placed, Reading
from index.document import Document, Page
from index.effective import Standing

FLOORS = {"found": 0.98, "false_reworded": 0.03, "false_untouched": 0.03}
PAGE = 3_000
SHARE = 1 / 30


@dataclass(frozen=True, slots=True)
class Laid:
    """A document of passages: as the product reads it, and where each passage begins in the whole
    text, as each page does."""

    reading: Reading
    passages: tuple[int, ...]
    pages: tuple[int, ...]

    def passage(self, part: Part) -> int:
        """The index of the passage that a part of a clause stands in."""
        return bisect_right(self.passages, self.pages[part.page - 1] + part.start) - 1


def laid(passages: Sequence[str], broken: bool) -> Laid:
    """A document of the passages, a blank line between two."""
    whole, begins, marks = "", [], [0]
    for passage in passages:
        if not broken and len(whole) - marks[-1] + len(passage) > PAGE:
            marks.append(len(whole))
        begins.append(len(whole))
        whole += f"{passage}\n\n"
    while broken and len(whole) - marks[-1] > PAGE:
        marks.append(whole.rfind(" ", marks[-1] + 1, marks[-1] + PAGE) + 1)
    marks = sorted(set(marks))
    made = [
        Page(number, whole[start:end])
        for number, (start, end) in enumerate(zip(marks, [*marks[1:], len(whole)], strict=True), 1)
    ]
    units = [
        Placed(page.number, position, unit)
        for page in made
        for position, unit in enumerate(lay_out(page))
    ]
    id_ = hashlib.sha256(whole.encode()).hexdigest()
    document = Document(id_, "default", "a", "a", "text/plain", pages=len(made))
    read = Reading(document, Standing(in_force=True), tuple(made), tuple(units))
    return Laid(read, tuple(begins), tuple(marks))


def plain(text: str) -> str:
    """Letters and digits only, so that layout does not matter."""
    return re.sub(r"\W+", " ", text.lower()).strip()


@dataclass(frozen=True, slots=True)
class Reported:
    """What the product reports of a clause, and the edits to the passages it stands in."""

    judgement: Judgement
    edits: frozenset[int]
    before: str
    after: str


def compared(left: Laid, right: Laid, made: Edited) -> tuple[list[Reported], int]:
    """What the product reports, and how many clauses the left side has."""
    one, other = clauses_of(left.reading), clauses_of(right.reading)
    pairs = align(one, other)
    ordinary = ordinary_words([each.body for each in (*one, *other)])
    numbers = renumbered(one, other, pairs)
    found = []
    for pair in gathered(one, other, pairs):
        before = joined([one[at] for at in pair.left]) if pair.left else None
        after = joined([other[at] for at in pair.right]) if pair.right else None
        judgement = judged(before, after, pair.moved, ordinary, numbers)
        if judgement is not None:
            about = [made.left[left.passage(part)] for part in before.parts] if before else []
            about += [made.right[right.passage(part)] for part in after.parts] if after else []
            edits = frozenset(number for number in about if number is not None)
            found.append(
                Reported(
                    judgement, edits, before.body if before else "", after.body if after else ""
                )
            )
    return found, len(one)


def _is_substance(judgement: Judgement) -> bool:
    return judgement[1] is Weight.SUBSTANCE


def _finds(reported: Reported, edit: Edit) -> bool:
    kind, _, differences, _, _ = reported.judgement
    if not _is_substance(reported.judgement):
        return False
    if edit.kind == "delete":
        return kind is ChangeKind.REMOVED
    if edit.kind == "insert":
        return kind is ChangeKind.ADDED
    old, new = plain(edit.old), plain(edit.new)
    said = [(plain(each.before), plain(each.after)) for each in differences]
    if edit.kind == "negation":
        return any(each.aspect == "negation" for each in differences)
    return any(old in before and new in after for before, after in said)


def _line_diff(left: Sequence[str], right: Sequence[str]) -> list[tuple[str, str]]:
    """What a plain diff of lines reports: each line removed or added."""
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
    found = []
    for op, a, b, c, d in matcher.get_opcodes():
        if op != "equal":
            found += [(plain(line), "") for line in left[a:b]]
            found += [("", plain(line)) for line in right[c:d]]
    return found


def measure_one(
    passages: Sequence[str], others: Sequence[str], chance: random.Random, broken: bool
) -> tuple[Counter[str], list[str]]:
    """Counts for one document, and what went wrong."""
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    made = edited(passages, others, chance, SHARE)
    found, clauses = compared(laid(passages, broken), laid(made.passages, broken), made)
    for number, edit in enumerate(made.edits):
        counts[f"made.{edit.kind}"] += 1
        hits = [each for each in found if number in each.edits]
        if edit.kind in SUBSTANCE:
            bad = not any(_finds(each, edit) for each in hits)
            counts[f"found.{edit.kind}"] += not bad
        else:
            bad = any(_is_substance(each.judgement) for each in hits)
            counts[f"false.{edit.kind}"] += bad
            read = any(each.judgement[1] is Weight.WORDS for each in hits)
            counts[f"known.{edit.kind}"] += not bad and not read
        if bad:
            wrong.append(f"{edit.kind} {edit.old!r} > {edit.new!r}: {_told(hits)}")
    counts["untouched"] += max(1, clauses - len(made.edits))
    stray = [each for each in found if not each.edits and _is_substance(each.judgement)]
    counts["false.untouched"] += len(stray)
    wrong += [f"untouched: {_told([each])}" for each in stray]
    counts.update(_baseline(passages, made))
    return counts, wrong


def _told(reports: Sequence[Reported]) -> str:
    return "; ".join(
        f"{each.judgement[0]} {each.judgement[1]} "
        f"{[(d.aspect, d.before, d.after) for d in each.judgement[2]]} "
        f"{each.before[:90]!r} {each.after[:90]!r}"
        for each in reports
    )


def _baseline(passages: Sequence[str], made: Edited) -> Counter[str]:
    """A plain diff, passage for line: which edits it reports at all."""
    counts: Counter[str] = Counter()
    matcher = difflib.SequenceMatcher(None, passages, made.passages, autojunk=False)
    told: set[int | None] = set()
    for op, a, b, c, d in matcher.get_opcodes():
        if op != "equal":
            told.update(made.left[a:b], made.right[c:d])
    for number, edit in enumerate(made.edits):
        counts["diff.found" if edit.kind in SUBSTANCE else "diff.false"] += number in told
    return counts


def share(part: int, whole: int) -> float:
    """Rounded to four places; 0 of nothing."""
    return round(part / whole, 4) if whole else 0.0


def summary(counts: Counter[str]) -> dict[str, Any]:
    """The figures."""
    made = {kind: counts[f"made.{kind}"] for kind in (*SUBSTANCE, *HARMLESS)}
    substance = sum(made[kind] for kind in SUBSTANCE)
    harmless = sum(made[kind] for kind in HARMLESS)
    false = sum(counts[f"false.{kind}"] for kind in HARMLESS)
    return {
        "edits": made,
        "found": share(sum(counts[f"found.{kind}"] for kind in SUBSTANCE), substance),
        "found_by_kind": {k: share(counts[f"found.{k}"], made[k]) for k in SUBSTANCE},
        "false_reworded": share(counts["false.reword"], made["reword"]),
        "false_moved": share(counts["false.move"], made["move"]),
        "false_renumbered": share(counts["false.renumber"], made["renumber"]),
        "false_untouched": share(counts["false.untouched"], counts["untouched"]),
        "untouched_clauses": counts["untouched"],
        "reworded_told_as_wording": share(counts["known.reword"], made["reword"]),
        "plain_diff": {
            "found": share(counts["diff.found"], substance),
            "false_of_harmless": share(counts["diff.false"], harmless),
        },
        "false_of_harmless": share(false, harmless),
        "false_ratio_to_plain_diff": share(false, counts["diff.false"]),
    }


def main() -> int:
    """Measure and print; 1 if a floor is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--obliqa", type=Path)
    parser.add_argument("--policyqa", type=Path)
    parser.add_argument("--documents", type=int, default=60)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--broken", action="store_true")
    parser.add_argument("--show", type=int, default=0)
    options = parser.parse_args()
    documents: dict[str, list[str]] = {}
    if options.obliqa:
        documents |= obliqa(options.obliqa)
    if options.policyqa:
        documents |= policyqa(options.policyqa)
    names = [name for name, passages in documents.items() if len(passages) >= 10]
    names = names[: options.documents]
    chance = random.Random(options.seed)
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    began = time.monotonic()
    for number, name in enumerate(names):
        other = documents[names[(number + 1) % len(names)]]
        others = [other[at] for at in editable(other)]
        mine, bad = measure_one(documents[name], others, chance, options.broken)
        counts.update(mine)
        wrong += [f"{name}: {line}" for line in bad]
    for line in wrong[: options.show]:
        sys.stderr.write(line + "\n")
    figures = {"documents": len(names), **summary(counts),
               "seconds": round(time.monotonic() - began, 1)}  # fmt: skip
    held = figures["found"] >= FLOORS["found"] and all(
        figures[name] <= FLOORS[name] for name in ("false_reworded", "false_untouched")
    )
    print(json.dumps({**figures, "floors": FLOORS, "held": held}))
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
