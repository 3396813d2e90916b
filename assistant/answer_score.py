"""What was shown, judged against what was expected. Pure.

One rule for each form of question, and the same for every system, whether it cites or not:

    value   the value expected is shown, in any spelling (`assistant.answer_values`); in a row of
            cells it must be the only one of its kind that the question does not state, and a year
            must be so everywhere: a list of the years asked about names none of them
    span    the words expected stand in a row in the shown text or in a quote it cites
    long    `ENOUGH` of the shown text's content words are those of the right places and answers;
            where a set knows an answer and no words of its place, `ENOUGH` of the answer's content
            words are shown

`ENOUGH` comes from CLAPnq's development questions: of 236 answers that people wrote, each held
against the sentences and answers of another person where there was one, 94 % reach it; of the 555
sentences of the same passages that nobody chose, 5 % do.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from assistant import answer_check
from assistant.answer_outcome import AnswerRun, Case, Gold, Judgement, Shown
from assistant.answer_values import Value, sole, states, values
from assistant.answer_words import common_run, holds, share_held, token_f1
from assistant.statistics import Mean, Ratio, quotient

ENOUGH = 0.6
TOUCHES = 0.5  # of the shorter one's words, in a row: then a text touches a right place

_MARK = re.compile(r"\s*\[\d+\]")  # the number of a citation, drawn by Cloister
_CELLS = re.compile(r"\s\|\s|\s–\s|;\s")
_LONGEST_CELL = 12  # words; what is longer is prose
_FIRST = re.compile(r".*?[.!?](?=\s|$)|.+", re.DOTALL)
# How a plain chain says that it has no answer. Its first sentence must say so: a remark on what is
# missing after an answer is no refusal.
REFUSALS = (
    r"\b(?:i|we) (?:do not|don[’']?t) (?:know|have)",
    r"\b(?:i|we)(?: am|[’']m| are|[’']re) (?:not (?:sure|certain|able)|unable)",
    r"\b(?:i|we) (?:can ?not|can[’']?t|could not|couldn[’']?t) "
    r"(?:find|answer|determine|provide|say)",
    r"\b(?:no|not enough|insufficient) (?:information|evidence|answer|mention|details?)\b",
    r"\b(?:passages?|context|texts?|documents?|articles?|excerpts?|sources?|information|answer)"
    r"(?: \w+){0,4} (?:does|do|did|is|are|was|were)(?: not|n[’']t)\b",
    r"\bnot (?:mentioned|specified|provided|stated|given|contained|found|available|answered) "
    r"(?:in|by)",
    r"(?:can ?not|can[’']?t|could not) be (?:answered|determined|found)",
    r"there is no (?:\w+ )?(?:information|mention|answer|evidence)",
    r"^(?:unknown|unanswerable|n/?a|none|not (?:mentioned|specified|available|found))\.?$",
    r"^(?:i[’']?m )?(?:sorry|i apologi[sz]e)\b",
)
_REFUSES = re.compile("|".join(REFUSALS), re.IGNORECASE)


def declines(text: str) -> bool:
    """Whether a text by a system that has no verdict says that it does not answer: it is empty, or
    its first sentence holds one of `REFUSALS`."""
    first = _FIRST.match(text.strip())
    return first is None or bool(_REFUSES.search(" ".join(first.group().split())))


def judge(case: Case, shown: Shown) -> Judgement:
    """What was shown for a case, judged."""
    found = answer_check.check(shown.sentences, shown.quotes, shown.passages)
    kinds = [{finding.kind for finding in each} for each in found]
    told = tuple(str(finding) for each in found for finding in each)
    facts = sum(bool(each & answer_check.FACTS) for each in kinds)
    bad = sum(bool(each) for each in kinds)
    if shown.refused:
        known = case.answerable and bool(case.gold) and not shown.passages
        return Judgement(
            case.id,
            case.answerable,
            refused=True,
            correct=not case.answerable,
            wrong_shown=False,
            cited_gold=False if known else None,
            citation_recall=0.0 if known else None,
        )
    if not case.answerable:
        return Judgement(case.id, False, False, False, True, unsupported=told,
                         unsupported_sentences=bad, unsupported_facts=facts)  # fmt: skip
    text = _MARK.sub("", shown.text)
    correct, partial = _right(case, shown, text)
    precise, recall = _citations(case.gold, shown)
    return Judgement(
        case.id,
        answerable=True,
        refused=False,
        correct=correct,
        wrong_shown=not correct and not partial,
        cited_gold=None if recall is None else recall > 0,
        citation_precision=precise,
        citation_recall=recall,
        unsupported=told,
        unsupported_sentences=bad,
        unsupported_facts=facts,
        partial=partial,
        overlap=token_f1(text, case.answers),
    )


# -- right or wrong --------------------------------------------------------------------------------


def _right(case: Case, shown: Shown, text: str) -> tuple[bool, bool]:
    """Whether the right answer is shown, and else whether the right place is."""
    if case.form == "long":
        return _prose(case, text), False
    wanted = all if case.together else any
    if case.form == "value" and all(sole(each) is not None for each in case.answers):
        return _exact(case, text)
    texts = [text, *(quote for _, _, quote in shown.quotes)]
    if wanted(any(holds(each, answer) for each in texts) for answer in case.answers):
        return True, False
    return False, any(common_run(each, a) >= TOUCHES for each in texts for a in case.answers
                      if _longer(each, a))  # fmt: skip


def _longer(text: str, answer: str) -> bool:
    """A text shorter than the answer touches it only by what it says of it."""
    return len(text.split()) * 2 >= len(answer.split())


def _prose(case: Case, text: str) -> bool:
    places = [gold.text for gold in case.gold if gold.text]
    if places:
        return share_held(text, [*places, *case.answers]) >= ENOUGH
    held = [share_held(answer, [text]) >= ENOUGH for answer in case.answers]
    return all(held) if case.together else any(held)


def _exact(case: Case, text: str) -> tuple[bool, bool]:
    """Whether each value expected is shown; the second: it is, among others of a row."""
    golds = [gold for gold in map(sole, case.answers) if gold is not None]
    parts = text.split("\n")
    alone = [any(_says(part, gold, golds, case.text) for part in parts) for gold in golds]
    there = [any(states(each, gold) for each in values(text)) for gold in golds]
    wanted = all if case.together else any
    return wanted(alone), not wanted(alone) and wanted(there)


def _says(part: str, gold: Value, golds: Sequence[Value], question: str) -> bool:
    """Whether a line states the value and, where it must, no other of its kind but those that are
    expected too and those that the question states."""
    cells = _cells(part)
    inside = [each for cell in cells for each in values(cell)]
    if not any(states(each, gold) for each in inside):
        return False
    if len(cells) == 1 and not gold.year:
        return True
    known = [*golds, *values(question)]
    return all(
        not _competes(each, gold) or any(states(each, other) for other in known) for each in inside
    )


def _competes(one: Value, gold: Value) -> bool:
    """Whether a value could be taken for the one expected: a year for a year, a share for a share,
    an amount for one in the same currency or in none that is written."""
    currency = not one.currency or not gold.currency or one.currency == gold.currency
    share = (one.scale == "percent") == (gold.scale == "percent")
    return one.year == gold.year and currency and share


def _cells(part: str) -> list[str]:
    """The cells of a row as it is shown, without the names of their columns; prose is one cell.
    The first cell, the row's own name, may be long."""
    cells = [cell for cell in _CELLS.split(part) if cell.strip()]
    if len(cells) < 2 or any(len(cell.split()) > _LONGEST_CELL for cell in cells[1:]):
        return [part]
    return [cells[0], *(cell.rpartition(": ")[2] for cell in cells[1:])]


# -- citations -------------------------------------------------------------------------------------


def touches(quote: tuple[str, int, str], gold: Gold) -> bool:
    """Whether a quote is of the right place: of its document and page, and of its words if they
    are known: one holds the other, or they share half of the shorter one in a row."""
    source, page, text = quote
    if source != gold.source or (gold.page is not None and page != gold.page):
        return False
    if not gold.text:
        return True
    return holds(text, gold.text) or holds(gold.text, text) or (
        common_run(text, gold.text) >= TOUCHES
    )  # fmt: skip


def _citations(golds: Sequence[Gold], shown: Shown) -> tuple[float | None, float | None]:
    """Precision and recall of the citations; None where no place is known or nothing is cited by
    a system that never cites."""
    if not golds or (not shown.quotes and shown.passages):
        return None, None
    hits = [[touches(quote, gold) for gold in golds] for quote in shown.quotes]
    recall = sum(any(row[at] for row in hits) for at in range(len(golds))) / len(golds)
    return (sum(map(any, hits)) / len(hits) if hits else None), recall


# -- figures beside those of `assistant.answer_figures` --------------------------------------------

EXTRAS = ("partial", "token_f1")


def extras(run: AnswerRun) -> dict[str, Mean]:
    """`EXTRAS` of a run: of the answerable questions, the share whose right place was shown and
    the answer not singled out; token F1, the mean over answerable questions that were answered."""
    rows = [
        ((each.partial, each.answerable), (each.overlap or 0.0, each.overlap is not None))
        for each in run.judged
    ]
    columns = np.array(rows, dtype=np.float64).reshape(-1, len(EXTRAS), 2)
    return {
        name: quotient(Ratio(columns[:, at, 0], columns[:, at, 1]))
        for at, name in enumerate(EXTRAS)
    }
