"""Comparing two documents or versions: what is told of a change, its places, records and rights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from assistant.answering import Policy
from assistant.changes import Weight, compare, ordinary_words, rows
from assistant.compare import Change, ChangeKind, Comparison, Request, run
from assistant.errors import CitedTextGone, NothingToCompare
from assistant.task import Parts, Progress
from audit.errors import AuditError
from index.document import Document, Scope, Status
from index.effective import Standing
from index.errors import NotFound
from tests.assistant.pipeline_standins import ANNA, STRANGER, MemoryLibrary, MemoryLog
from tests.assistant.standins import ScriptedModel
from tests.index.standins import new_document, small_index

OLD = """4.1 Records shall be kept for five years after the end of the relationship.
4.2 The Head of Compliance must approve every exception. Exceptions are filed.
4.3 Suspicious reports are filed within 72 hours under clause 4.2.
4.4 Visitors carry a badge in all rooms of the bank.

Record | Period | Owner
--- | --- | ---
Call recordings | 13 months | Contact Centre
Visitor logs | 90 days | Facilities
"""
NEW = """4.1 Records shall be retained for six (6) years after the end of the relationship.
4.2 Backups are encrypted with keys of the bank. They are tested every month.
4.3 The Head of Compliance must approve every exception. Exceptions are filed.
4.4 Suspicious reports are filed within 72 hours under clause 4.3.

Record | Period | Owner
--- | --- | ---
Call recordings | 15 months | Contact Centre
Visitor logs | 90 days | Facilities
"""


def library(old: str = OLD, new: str = NEW) -> MemoryLibrary:
    return MemoryLibrary({"default/old.md": ("Old", old), "default/new.md": ("New", new)})


def parts(shelf: MemoryLibrary, log: MemoryLog | None = None) -> Parts:
    return Parts(shelf, log or MemoryLog(), ScriptedModel([""]), Policy())


def result(shelf: MemoryLibrary, request: Request, log: MemoryLog | None = None) -> Comparison:
    *_, last = run(parts(shelf, log), request, lambda: False)
    assert isinstance(last, Comparison)
    return last


BOTH = Request(ANNA, "old.md", "new.md")


# -- one clause ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "aspect", "values"),
    [
        ("Keep it for five years.", "Keep it for six (6) years.", "duration",
         ("five years", "six (6) years")),
        ("A fee of EUR 5,000 is due.", "A fee of EUR 7,500 is due.", "amount",
         ("EUR 5,000", "EUR 7,500")),
        ("It ends on 1 March 2025.", "It ends on 1 April 2025.", "date",
         ("1 March 2025", "1 April 2025")),
        ("The bank must reply.", "The bank may reply.", "obligation", ("must", "may")),
        ("The bank will reply.", "The bank may reply.", "obligation", ("will", "may")),
        ("It shares your data.", "It does not share your data.", "negation", ("", "not")),
        ("The supplier may end it.", "The supplier may end it if unpaid.", "condition",
         ("", "if")),
        ("Deletion is done and recorded.", "Deletion is done or recorded.", "connective",
         ("and", "or")),
        ("Peter Lind approves each exception.", "Marta Kovacs approves each exception.", "name",
         ("Peter Lind", "Marta Kovacs")),
        ("Notice is given before the meeting.", "Notice is given after the meeting.", "time",
         ("before", "after")),
        ("See clause 4.2 for it.", "See clause 5.1 for it.", "reference",
         ("clause 4.2", "clause 5.1")),
        ("At least 5 days pass.", "At most 5 days pass.", "limit",
         ("At least 5 days", "At most 5 days")),
    ],
)  # fmt: skip
def test_a_change_of_substance_is_named(
    before: str, after: str, aspect: str, values: tuple[str, str]
) -> None:
    found = compare(before, after)
    assert found.weight is Weight.SUBSTANCE
    assert [(d.aspect, d.before, d.after) for d in found.differences] == [(aspect, *values)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Records shall be kept for six years.", "Records must be retained for 72 months."),
        ("The bank will notify the client.", "The bank shall inform the client."),
        ("Personal data, and logs, are kept", "Personal data and logs are kept."),
        ("The Data Controller keeps it.", "The data controller keeps it."),
        ("EUR 5,000 is due.", "€5000 are due."),
    ],
)
def test_other_wording_is_no_change_of_substance(before: str, after: str) -> None:
    assert compare(before, after).weight is Weight.WORDING


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("The bank informs the client.", "The client informs the bank."),
        ("The client must assist the bank.", "The client must support the bank."),
        ("A payment to the client is due.", "A payment from the client is due."),
    ],
)
def test_what_rules_cannot_judge_is_left_to_a_reader(before: str, after: str) -> None:
    assert compare(before, after).weight is Weight.WORDS


def test_values_that_changed_places_are_noticed() -> None:
    found = compare("Logs 5 years, mails 6 years.", "Logs 6 years, mails 5 years.")
    assert [(d.before, d.after) for d in found.differences] == [
        ("5 years", "6 years"), ("6 years", "5 years"),
    ]  # fmt: skip


def test_the_word_diff_is_cut_from_both_texts() -> None:
    before, after = "Records shall be kept for five years.", "Records must be kept for six years."
    pieces = compare(before, after).pieces
    for piece in pieces:
        whole = before if piece.op == "removed" else after
        assert whole[piece.start : piece.end].strip() == piece.text
    assert [p.text for p in pieces if p.op == "removed"] == ["shall", "five"]
    assert [p.text for p in pieces if p.op == "added"] == ["must", "six"]


def test_an_ordinary_word_that_opens_a_sentence_is_no_name() -> None:
    ordinary = ordinary_words(["the visitors carry badges"])
    found = compare("Visitors carry badges.", "Guests carry badges.", ordinary=ordinary)
    assert found.weight is Weight.WORDS


def test_cells_are_told_under_the_name_of_their_column() -> None:
    found = rows(("Logs", "13 months"), ("Logs", "15 months"), ("Record", "Period"))
    assert [(d.aspect, d.before, d.after) for d in found] == [("Period", "13 months", "15 months")]


# -- two documents ---------------------------------------------------------------------------------


def test_each_change_is_told_with_its_kind_and_what_differs() -> None:
    found = result(library(), BOTH)
    told = [
        (
            c.kind.value,
            c.weight.value,
            c.left_place,
            c.right_place,
            [d.after for d in c.differences],
        )
        for c in found.changes
    ]
    assert told == [
        ("changed", "substance", "4.1", "4.1", ["six (6) years"]),
        ("added", "substance", "", "4.2", []),
        ("renumbered", "wording", "4.2", "4.3", []),
        ("changed", "wording", "4.3", "4.4", []),  # the reference only follows the new number
        ("removed", "substance", "4.4", "", []),
        ("changed", "substance", "4.4", "4.4", ["15 months"]),
    ]
    assert {c.kind for c in found.changes} == {
        ChangeKind.CHANGED, ChangeKind.ADDED, ChangeKind.RENUMBERED, ChangeKind.REMOVED,
    }  # fmt: skip
    assert found.counts["changed.substance"] == 2
    assert found.counts["changed.wording"] == 1


def test_both_sides_are_cited_byte_for_byte() -> None:
    shelf = library()
    found = result(shelf, BOTH)
    ids = {name: next(d.id for d in shelf.docs.values() if d.source == name)
           for name in ("old.md", "new.md")}  # fmt: skip
    for change in found.changes:
        for numbers, side in ((change.left, "old.md"), (change.right, "new.md")):
            for number in numbers:
                citation = found.citations[number - 1]
                assert citation.document == ids[side]
                page = shelf.texts[citation.document, citation.page]
                assert page.text[citation.start : citation.end] == citation.quote
        assert bool(change.left) == (change.kind is not ChangeKind.ADDED)
        assert bool(change.right) == (change.kind is not ChangeKind.REMOVED)


def test_the_same_text_has_no_changes() -> None:
    found = result(library(OLD, OLD + "\n"), BOTH)
    assert found.changes == ()
    assert found.unchanged == found.left.clauses


def test_the_records_hold_request_items_and_result() -> None:
    log = MemoryLog()
    found = result(library(), BOTH, log)
    assert log.types() == [
        "task.received", *["task.item"] * len(found.changes), "task.released",
    ]  # fmt: skip
    assert len({event.request_id for event in log.events}) == 1
    assert "six (6) years" not in repr([event.fields for event in log.events])
    assert "six (6) years" in repr([event.payload for event in log.events])


def test_a_change_is_shown_only_once_it_is_recorded() -> None:
    log = MemoryLog(fails_on="task.item")
    with pytest.raises(AuditError):
        assert not [e for e in run(parts(library(), log), BOTH, lambda: False)
                    if isinstance(e, Change)]  # fmt: skip


def test_nobody_compares_what_they_may_not_read() -> None:
    log = MemoryLog()
    with pytest.raises(NotFound, match=r"old\.md"):
        result(library(), replace(BOTH, asker=STRANGER), log)
    assert log.types() == ["task.received", "task.failed"]
    with pytest.raises(NotFound):
        result(library(), replace(BOTH, collections=frozenset({"hr"})))


def test_a_document_is_not_compared_with_itself() -> None:
    with pytest.raises(NothingToCompare):
        result(library(), Request(ANNA, "old.md", "old.md"))


def test_cancelling_ends_it_between_steps_and_is_recorded() -> None:
    log = MemoryLog()
    asked: list[int] = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > 2

    events = list(run(parts(library(), log), BOTH, cancelled))
    assert [type(event) for event in events] == [Progress, Progress]
    assert log.last("task.failed").fields["code"] == "CANCELLED"


def test_leaving_early_is_recorded() -> None:
    log = MemoryLog()
    steps = run(parts(library(), log), BOTH, lambda: False)
    next(steps)
    steps.close()  # type: ignore[attr-defined]
    assert log.last("task.failed").fields["code"] == "CANCELLED"


def test_nothing_is_shown_of_a_document_that_changed_meanwhile() -> None:
    shelf, log = library(), MemoryLog()
    shown: list[object] = []
    with pytest.raises(CitedTextGone):
        for event in run(parts(shelf, log), BOTH, lambda: False):
            shown.append(event)
            if isinstance(event, Progress) and event.about == "checking":
                for place, page in list(shelf.texts.items()):
                    shelf.texts[place] = replace(page, text="withdrawn " + page.text)
    assert all(isinstance(each, Progress) for each in shown)
    assert log.types() == ["task.received", "task.failed"]


# -- versions --------------------------------------------------------------------------------------


class Versions(MemoryLibrary):
    """Two contents of one source: the first was in force until 2024-12-31."""

    def __init__(self) -> None:
        super().__init__({"default/p.md": ("Policy", OLD), "default/q.md": ("Policy", NEW)})
        first, second = self.docs.values()
        self.docs = {
            first.id: replace(first, status=Status.SUPERSEDED),
            second.id: replace(second, source="p.md", version=2),
        }

    def documents(self, scope: Scope) -> list[Document]:
        return [d for d in super().documents(scope) if d.status is Status.CURRENT]

    def all_documents(self, scope: Scope) -> list[Document]:
        return list(super().documents(scope))

    def standings(
        self, documents: Iterable[Document], scope: Scope, day: str
    ) -> dict[tuple[str, str], Standing]:
        return {
            (d.collection, d.id): Standing((d.version == 2) == (day >= "2025-01-01"))
            for d in documents
            if scope.allows(d.collection)
        }


@pytest.mark.parametrize(
    "request_",
    [
        Request(ANNA, "p.md"),  # what changed last
        Request(ANNA, "p.md", left_as_of="2024-06-30"),
        Request(ANNA, "p.md", "p.md", left_as_of="2024-06-30", right_as_of="2025-06-30"),
    ],
)
def test_versions_of_one_source_are_found_by_their_days(request_: Request) -> None:
    found = result(Versions(), request_)
    assert (found.left.version, found.right.version) == (1, 2)
    assert found.left.warning == "This version was superseded."


def test_an_old_version_is_found_by_its_id() -> None:
    shelf = Versions()
    first, second = shelf.docs.values()
    found = result(shelf, Request(ANNA, first.id, second.id))
    assert (found.left.version, found.right.version) == (1, 2)


def test_a_day_without_a_version_is_said() -> None:
    shelf = library()
    shelf.standing["old.md"] = Standing(in_force=False)
    with pytest.raises(NotFound, match=r"old\.md in force on 2020-01-01"):
        result(shelf, replace(BOTH, left_as_of="2020-01-01"))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path


def test_the_real_index_gives_both_versions_of_a_source(home: Path) -> None:
    index = small_index(home)
    index.put(new_document("Records are kept for five years.", "a.txt"))
    index.put(new_document("Records are kept for six years.", "a.txt"))
    found = result(index, Request(ANNA, "a.txt"))  # type: ignore[arg-type]
    (change,) = found.changes
    assert [(d.before, d.after) for d in change.differences] == [("five years", "six years")]
    assert "superseded" in found.citations[change.left[0] - 1].warning
    index.close()
