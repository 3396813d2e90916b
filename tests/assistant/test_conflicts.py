from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from assistant import asked, conflicts, evidence
from assistant.answer import Citation
from assistant.conflicts import Agreement, Contradiction
from assistant.contradiction import conflict as conflict_of
from assistant.contradiction import sentence
from assistant.doubt import PLAIN
from assistant.evidence import Ranking
from assistant.facts import extract
from assistant.intervals import compatible, intervals
from assistant.layout import lay_out
from index.document import Chunk, Document, Hit, Page, Status
from index.effective import Standing

DAY = "2026-01-01"
QUESTION = "How long are customer files kept?"
SIX = "Customer files are kept for six years."
FIVE = "Customer files shall be retained for 5 years after the end of the contract."
MANUAL, SCHEDULE = ("AML manual", "2024-01-01"), ("Retention schedule", "2023-05-01")


def documents(*texts: str, about: tuple[tuple[str, str], ...] = (MANUAL, SCHEDULE)) -> list[Hit]:
    hits = []
    for number, text in enumerate(texts, start=1):
        title, since = about[(number - 1) % len(about)]
        identity = f"{number:064d}"
        document = Document(
            identity, "c", f"{number}.md", title, "text/plain", effective_from=since or None
        )
        chunk = Chunk(str(number), identity, 1, 0, len(text), text)
        hits.append(Hit(chunk, document, number, 1.0, 0.5, 1.0))
    return hits


def ranking(question: str, hits: list[Hit]) -> Ranking:
    """Evidence that is equally near by its vectors, so that the rules alone decide."""
    pages = {(hit.document.id, 1): Page(1, hit.text) for hit in hits}
    found = evidence.candidates(hits, pages, {key: lay_out(page) for key, page in pages.items()})
    read = asked.read(question)
    near = np.full(4, 0.5, np.float32)
    return Ranking(
        read, evidence.rank(read, found, hits, near, np.full((len(found), 4), 0.5, np.float32))
    )


def found(question: str, hits: list[Hit], standing: Standing = PLAIN) -> tuple[Contradiction, ...]:
    ranked = ranking(question, hits)
    weigh = evidence.term_weights([each.candidate for each in ranked.ranked])
    return conflicts.find((ranked,), hits, lambda _: standing, weigh)


def test_two_documents_state_different_values() -> None:
    (conflict,) = found(QUESTION, documents(SIX, FIVE))
    assert conflict.kind == "documents"
    assert {side.written for side in conflict.sides} == {"six years", "5 years"}
    told = sentence(conflict, DAY)
    assert told.startswith("Two documents in force state different periods: ")
    assert "six years (AML manual, since 2024-01-01)" in told
    assert "5 years (Retention schedule, since 2023-05-01)" in told


@pytest.mark.parametrize(
    "other",
    [
        "Customer files shall be retained for 72 months.",
        "Customer files are kept for at least five years.",
        "Customer files are kept for between 5 and 7 years.",
        "Employee files are kept for five years.",
        "In France, customer files are kept for five years.",
        "Files of deceased customers are kept; deceased customer files for five years.",
        "If a court asks, customer files are kept for five years.",
        "In 2015, customer files were kept for five years.",
        "Customer files are kept in the vault and reviewed once a year.",
        "Customer files are numbered. Boxes of paper last five years.",
    ],
)
def test_no_conflict(other: str) -> None:
    hits = documents(SIX if "2015" not in other else "In 2024, " + SIX.lower(), other)
    assert found(QUESTION, hits) == ()


def test_a_question_that_asks_for_no_value_finds_no_conflict() -> None:
    assert found("Why are customer files kept?", documents(SIX, FIVE)) == ()


def test_rows_of_one_table_are_no_conflict_and_two_tables_are() -> None:
    head = "Record | Period\n--- | ---\n"
    one = head + "Customer files | six years\nVisitor logs | 90 days"
    two = head + "Customer files | five years\nVisitor logs | 90 days"
    assert found(QUESTION, documents(one)) == ()
    (conflict,) = found(QUESTION, documents(one, two))
    assert {side.written for side in conflict.sides} == {"six years", "five years"}


def test_two_places_of_one_document() -> None:
    text = f"{SIX} Other rules follow. Customer files are stored for five years."
    (conflict,) = found(QUESTION, documents(text))
    assert sentence(conflict, DAY).startswith("AML manual states different periods in ")


def test_versions_say_which_is_in_force() -> None:
    hits = documents(FIVE, SIX, about=(("Manual v1", "2022-01-01"), ("Manual v2", "2024-07-01")))
    (conflict,) = found(QUESTION, hits)
    assert conflict.kind == "versions"
    told = sentence(conflict, DAY)
    assert "six years is stated by the newer one, Manual v2, in force since 2024-07-01" in told
    assert "an older one states 5 years (Manual v1, since 2022-01-01)" in told


def test_a_document_that_names_the_other_takes_its_place() -> None:
    old, new = documents(FIVE, SIX)
    new = replace(new, document=replace(new.document, supersedes=(old.document.source,)))
    past = replace(old, document=replace(old.document, status=Status.SUPERSEDED))
    (conflict,) = found(QUESTION, [past, new])
    assert conflict.kind == "versions"
    assert "six years is stated by the newer one" in sentence(conflict, DAY)


def test_what_changed_is_no_conflict_within_a_document() -> None:
    table = (
        "Record | Version 1 | Version 2\n--- | --- | ---\nCustomer files | five years | six years"
    )
    assert found(QUESTION, documents(f"{SIX}\n\n{table}")) == ()


def test_the_answer_shows_one_citation_a_side() -> None:
    (conflict,) = found(QUESTION, documents(SIX, FIVE))
    cited = [
        Citation(number, side.document.id, side.document.source, "", 1, "", 0, 1, "q")
        for number, side in enumerate(conflict.sides, start=1)
    ]
    shown = conflict_of(conflict, cited, DAY)
    assert [side.citation for side in shown.sides] == [1, 2]
    assert {side.since for side in shown.sides} == {"2024-01-01", "2023-05-01"}
    with pytest.raises(ValueError, match="zip"):
        conflict_of(conflict, cited[:1], DAY)


def test_agreement_counts_documents_not_copies() -> None:
    hits = documents(SIX, SIX, "Customer files are held for 72 months.", FIVE)
    ranked = ranking(QUESTION, hits)
    weigh = evidence.term_weights([each.candidate for each in ranked.ranked])
    agreed = conflicts.agreement(ranked, hits, lambda _: PLAIN, weigh)
    assert agreed.agreeing + agreed.differing == 3
    assert agreed.differing >= 1
    nothing = conflicts.agreement(Ranking(asked.read(QUESTION), ()), [], lambda _: PLAIN,
                                  weigh)  # fmt: skip
    assert nothing == Agreement(0, 0)
    assert nothing.share == 0.5


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        ("six years", "72 months", True),
        ("at least six years", "ten years", True),
        ("at least six years", "at least five years", False),
        ("at most 10 days", "12 days", False),
        ("3 to 5 days", "4 days", True),
        ("3 to 5 days", "7 days", False),
        ("30 days", "one month", True),
        ("90 days", "six months", False),
        ("72 hours", "3 days", True),
        ("5 business days", "7 days", True),
        ("5 business days", "14 days", False),
        ("EUR 5,000", "USD 5,000", True),
        ("$5,000", "USD 6,000", False),
        ("EUR 5,000", "€5 thousand", True),
        ("5 %", "EUR 5", True),
        ("quarterly", "four times a year", True),
        ("quarterly", "monthly", False),
        ("fortnightly", "monthly", False),
        ("5 members", "7 members", False),
        ("5 members", "7 rooms", True),
        ("1 March 2025", "March 2025", True),
        ("1 March 2025", "2 March 2025", False),
        ("16:30", "4:30 pm", True),
    ],
)
def test_values_that_go_together(one: str, other: str, agree: bool) -> None:
    (left,), (right,) = intervals(extract(f"It is {one}.")), intervals(extract(f"It is {other}."))
    assert compatible(left, right) is agree
    assert compatible(right, left) is agree
