"""The records of ingestion beside a catalogue, and questions beside their ends.

The events are those that `ingest.events` makes; the whole of it over a real catalogue is in
tests/ui/test_cli_audit_stream.py.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

from audit.log import Log
from audit.reconcile import open_questions, reconcile_process, reconciled
from audit.record import Event
from audit.runs import Run
from audit.tally import ANSWERS_SHOWN, QUESTIONS, Tally
from audit.versions import Version, VersionBalance, compare_versions, standing_versions
from tests.audit.standins import ANN, open_test_log


def _change(kind: str, document: str, generation: int, run: str = "r1") -> Event:
    fields = {"collection": "c", "document": document, "generation": generation}
    return Event(f"ingest.{kind}", ANN, fields, request_id=run)


def _intent(action: str, *documents: str, run: str = "r1") -> Event:
    fields = {"collection": "c", "action": action, "documents": list(documents)}
    return Event("ingest.intended", ANN, fields, request_id=run)


def _mark(kind: str, run: str = "r1") -> Event:
    return Event(f"ingest.{kind}", ANN, {"collection": "c"}, request_id=run)


def _compared(log: Log, *held: str, pruned: int = 0, since: int | None = None) -> VersionBalance:
    catalogue: list[Version] = [("c", each) for each in held]
    return compare_versions(standing_versions(log.scan(), since), catalogue, pruned)


def test_added_less_removed_is_what_stands_in_the_catalogue(home: Path) -> None:
    with open_test_log(home) as log:
        log.append_many(
            [
                *(_mark("started"), _intent("add", "A", "B", "C")),
                *(_change("added", "A", 1), _change("added", "B", 2), _change("added", "C", 3)),
                *(_change("superseded", "A", 4), _change("version_added", "D", 5)),
                *(
                    _change("added", "A", 6),
                    _change("linked", "B", 7),
                    _change("withdrawn", "B", 8),
                ),
                *(_change("removed", "C", 9), _change("unlinked", "B", 10), _mark("finished")),
            ]
        )
        assert _compared(log, "A", "B", "D").balanced
        assert _compared(log, "A", "B", "D").recorded == 3
        planted = _compared(log, "A", "B", "D", "X")
        assert (planted.unrecorded, planted.balanced) == ((("c", "X"),), False)
        lost = _compared(log, "A", "B")
        assert (lost.missing, lost.balanced) == ((("c", "D"),), False)
        swapped = _compared(log, "A", "B", "X")  # the numbers agree, the versions do not
        assert swapped.recorded == swapped.observed
        assert not swapped.balanced
        event = reconciled(ANN, versions=swapped)
        assert (event.fields["unrecorded"], event.fields["missing"]) == (["c:X"], ["c:D"])
        assert event.fields["balanced"] is False


def test_the_order_of_commits_counts_not_that_of_records(home: Path) -> None:
    with open_test_log(home) as log:
        log.append_many([_change("removed", "A", 6, "r2"), _change("added", "A", 5)])
        assert _compared(log).balanced
        assert not _compared(log, "A").balanced


def test_a_run_cut_off_after_its_commit_is_pending_until_the_next_has_ended(home: Path) -> None:
    with open_test_log(home) as log:
        log.append_many([_mark("started"), _intent("add", "A", "B")])
        cut = _compared(log, "A")  # killed between the commit and its record
        assert (cut.balanced, cut.pending) == (True, 1)
        assert not _compared(log, "X").balanced  # never intended
        recovered = [_mark("started", "r2"), _change("added", "A", 1, "r2")]
        log.append_many([*recovered, _mark("finished", "r2")])
        assert _compared(log, "A").pending == 0
        assert _compared(log, "A").balanced
        assert _compared(log, "A", "B").unrecorded == (("c", "B"),)  # it was never done


def test_suppressing_the_record_of_a_run_that_ended_shows(home: Path) -> None:
    with open_test_log(home) as log:
        log.append_many([_mark("started"), _intent("add", "A"), _mark("finished")])
        assert _compared(log, "A").unrecorded == (("c", "A"),)


def test_a_removal_cut_off_is_pending_too(home: Path) -> None:
    with open_test_log(home) as log:
        log.append_many([_change("added", "A", 1), _change("added", "B", 2)])
        log.append(_intent("remove", "A", run="r2"))
        assert (_compared(log, "B").balanced, _compared(log, "B").pending) == (True, 1)
        log.append(_change("removed", "A", 3, "r2"))
        assert _compared(log, "B").balanced
        assert _compared(log).missing == (("c", "B"),)


def test_what_came_while_the_catalogue_was_read_is_no_difference(home: Path) -> None:
    with open_test_log(home) as log:
        since = log.size()
        log.append_many([_intent("add", "A"), _change("added", "A", 1), _mark("finished")])
        assert _compared(log, since=since).balanced
        assert not _compared(log).balanced


def test_pruned_records_explain_so_many_versions_and_no_more(home: Path) -> None:
    with open_test_log(home) as log:
        assert _compared(log, "A", "B", pruned=2).balanced
        third = _compared(log, "A", "B", "C", pruned=2)
        assert (third.pruned, len(third.unrecorded)) == (2, 1)


def test_any_run_of_changes_balances_with_the_catalogue_it_made(home: Path) -> None:
    """The rows of a catalogue, changed at random and recorded as `index.writing` does."""
    chance = random.Random(7)
    rows: set[str] = set()
    events: list[Event] = []
    for generation in range(1, 400):
        document = f"d{chance.randrange(12)}"
        if document in rows and chance.random() < 0.4:
            rows.discard(document)
            events.append(_change("removed", document, generation))
        else:
            kind = chance.choice(("added", "version_added"))
            rows.add(document)
            events.append(_change(kind, document, generation))
        if chance.random() < 0.3:
            kind = chance.choice(("superseded", "restored", "linked", "document_moved"))
            events.append(_change(kind, f"d{chance.randrange(12)}", generation))
    with open_test_log(home) as log:
        log.append_many(events)
        assert _compared(log, *rows).balanced
        one = chance.choice(sorted(rows))
        assert _compared(log, *rows - {one}).missing == (("c", one),)


def _ask(log: Log, request: str, end: str = "") -> None:
    log.append(Event("question.received", ANN, {}, request_id=request))
    if end:
        log.append(Event(end, ANN, {}, request_id=request))


def test_a_question_without_an_end_is_told_apart_from_a_crash_and_from_work(home: Path) -> None:
    with open_test_log(home) as log:
        _ask(log, "q1", "answer.released")
        _ask(log, "q2", "question.refused")
        _ask(log, "q3", "answer.sentence")  # shown in part, and then nothing
        _ask(log, "q4")
        found = open_questions(log.scan())
        assert (found.received, found.underway, found.balanced) == (4, 2, True)
    with open_test_log(home) as log:  # the first run closed in order: nothing explains them now
        found = open_questions(log.scan())
        assert (found.unended, found.balanced) == (("q3", "q4"), False)
        log.append(Event("answer.failed", ANN, {}, request_id="q3"))
        assert open_questions(log.scan()).unended == ("q4",)


def test_a_question_cut_off_by_a_crash_breaks_no_balance(home: Path) -> None:
    log = open_test_log(home)
    _ask(log, "q1")
    run: Run = log._run
    log.seal()
    run.end(cleanly=False)  # what the kernel does for a killed process
    with open_test_log(home) as after:
        found = open_questions(after.scan())
        assert (found.interrupted, found.unended, found.balanced) == (1, (), True)


def test_a_process_that_suppresses_a_record_is_told_by_its_own_counters(home: Path) -> None:
    tally = Tally()
    with open_test_log(home) as log:
        for number in range(3):
            with tally.underway(QUESTIONS):
                _ask(log, f"q{number}", "answer.released")
            tally.add(ANSWERS_SHOWN)
        assert all(each.balanced for each in reconcile_process(log, ANN, tally))
        tally.add(ANSWERS_SHOWN)  # shown by a path that records nothing
        found = {
            each.equation.counter: each.balanced for each in reconcile_process(log, ANN, tally)
        }
        assert [counter for counter, balanced in found.items() if not balanced] == [ANSWERS_SHOWN]
        told = [json.loads(leaf.envelope)["fields"] for leaf in log.scan()][-2:]
        assert [each["balanced"] for each in told] == [True, False]
        assert "answers_shown: answer.released recorded=3 observed=4" in " ".join(
            told[1]["compared"]
        )
