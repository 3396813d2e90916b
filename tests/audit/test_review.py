"""Reading the log for people: what they see, and that every read is on record."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audit import review
from audit.erasure import erase_payload
from audit.errors import (
    AuditError,
    CheckpointError,
    ExportExistsError,
    ExportFailedError,
    ExportRefusedError,
    LogLockedError,
    LogUnreadableError,
    ProofError,
    RangeError,
    RecordNotFoundError,
)
from audit.export import verify_export
from audit.log import Log
from audit.reconcile import recorded_of
from audit.record import Actor, Event
from audit.report import State
from tests.audit.standins import ANN, alter, open_test_log, question, verify_home, written_log

_AUDITOR = Actor(kind="person", id="audrey", auth="local-user")


def _last(log: Log) -> dict[str, object]:
    value = json.loads(log.leaf(log.size() - 1).envelope)
    assert value["actor"]["id"] == "audrey"
    return {"event": value["type"], **value["fields"]}


def test_showing_decrypts_and_is_recorded(home: Path) -> None:
    with open_test_log(home) as log:
        record = log.append(question(5))
        shown = review.show(log, _AUDITOR, record.event_id)
        assert shown.payload == {"question": "What is rule 5?"}
        assert shown.envelope["seq"] == shown.entry.seq == record.seq
        assert shown.entry.leaf_hash == record.leaf_hash
        assert _last(log) == {
            "event": "log.viewed",
            "target_event_id": record.event_id,
            "target_seq": record.seq,
        }
        erase_payload(log, ANN, record.seq, "gdpr-17")
        shown = review.show(log, _AUDITOR, record.seq)
        assert (shown.payload, shown.erased, shown.entry.payload) == (None, True, "erased")
        assert review.show(log, _AUDITOR, 0).payload is None
        with pytest.raises(RecordNotFoundError):
            review.show(log, _AUDITOR, 4711)


def test_nothing_is_shown_when_the_read_cannot_be_recorded(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    with open_test_log(home) as log:
        log.append(question())
        with monkeypatch.context() as patched:

            def refuse(_: Event) -> None:
                raise LogLockedError(log.folder)

            patched.setattr(log, "append", refuse)
            for read in (
                lambda: review.show(log, _AUDITOR, 2),
                lambda: review.export(log, _AUDITOR, out),
                lambda: review.verify(log, _AUDITOR),
                lambda: review.reconcile(log, _AUDITOR, {}),
            ):
                with pytest.raises(LogLockedError):
                    read()
    assert list(tmp_path.glob("*.jsonl*")) == []


def test_an_export_proves_each_record_without_the_log(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with open_test_log(home) as log:
        log.append_many([question(number) for number in range(9)])
        summary = review.export(log, _AUDITOR, out, 3, 8)
        assert (summary.first, summary.last, summary.count, summary.size) == (3, 8, 6, 11)
        assert _last(log) == {
            "event": "log.exported",
            "first": 3,
            "last": 8,
            "count": 6,
            "size": 11,
            "pruned": 0,
            "digest": summary.digest,
        }
        keys = [log.verifier_key]
        assert verify_export(out, keys) == summary
        whole = review.export(log, _AUDITOR, tmp_path / "all.jsonl")
        assert (whole.first, whole.last) == (0, 12)
    lines = out.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["header", *["record"] * 6, "digest"]
    assert out.stat().st_mode & 0o777 == 0o600


def test_no_altered_export_is_accepted(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with open_test_log(home) as log:
        log.append_many([question(number) for number in range(5)])
        review.export(log, _AUDITOR, out, 2, 5)
        keys = [log.verifier_key]
    lines = out.read_text(encoding="utf-8").splitlines(keepends=True)
    altered = {
        "dropped": lines[:2] + lines[3:],
        "swapped": [lines[0], lines[2], lines[1], *lines[3:]],
        "repeated": [*lines[:2], *lines[1:]],
        "appended": [*lines, lines[1]],
        "digest": [*lines[:-1], lines[-1].replace('"sha256":"', '"sha256":"0')],
        "envelope": [lines[0], lines[1].replace("ann", "bob"), *lines[2:]],
        "range": [lines[0].replace('"first":2', '"first":1'), *lines[1:]],
        "size": [lines[0].replace('"size":7', '"size":8'), *lines[1:]],
        "origin": [lines[0].replace('"origin":"c', '"origin":"d'), *lines[1:]],
        "no end": lines[:-1],
        "no header": lines[1:],
        "empty": [],
        "not JSON": ["hello\n"],
    }
    for content in altered.values():
        assert content != lines
        out.write_text("".join(content), encoding="utf-8")
        with pytest.raises((ExportRefusedError, ProofError, CheckpointError)):
            verify_export(out, keys)
    out.write_text("".join(lines), encoding="utf-8")
    assert verify_export(out, keys).count == 4
    with pytest.raises(LogUnreadableError):
        verify_export(tmp_path / "none.jsonl", keys)


@pytest.mark.parametrize(("first", "last"), [(-1, 2), (3, 2), (0, 99)])
def test_an_empty_or_wrong_range_is_refused(
    home: Path, tmp_path: Path, first: int, last: int
) -> None:
    with open_test_log(home) as log, pytest.raises(RangeError) as caught:
        review.export(log, _AUDITOR, tmp_path / "x", first, last)
    assert caught.value.exit_code == 2


def test_an_export_overwrites_nothing_and_names_a_bad_folder(home: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine")
    with open_test_log(home) as log:
        with pytest.raises(ExportExistsError):
            review.export(log, _AUDITOR, taken)
        with pytest.raises(ExportFailedError, match="No such file"):
            review.export(log, _AUDITOR, tmp_path / "none" / "x")
    assert taken.read_text() == "mine"


def test_verifying_seals_and_is_recorded(home: Path) -> None:
    notes = written_log(home)
    with open_test_log(home) as log:
        report = review.verify(log, _AUDITOR, [("kept", notes[0])])
        assert (report.state, report.records, report.given_checkpoints) == (State.OK, 15, 1)
        last = _last(log)
        assert (last["event"], last["state"], last["sealed"]) == ("log.verified", "OK", 15)
        assert last["root"] == report.root


def test_verifying_an_altered_log_reports_and_records_it(home: Path) -> None:
    written_log(home)
    alter(home, "UPDATE leaf SET type = 'x' WHERE seq = 3")
    with open_test_log(home) as log:
        assert review.verify(log, _AUDITOR).state is State.TAMPERED
        assert _last(log)["state"] == "TAMPERED"
    alter(home, "DELETE FROM node")
    with pytest.raises(AuditError):
        open_test_log(home)
    assert review.verify_unopened(home).state is State.TAMPERED


def test_a_log_altered_while_open_is_still_reported(home: Path) -> None:
    with open_test_log(home) as log:
        log.append_many([question(number) for number in range(4)])
        alter(home, "DELETE FROM leaf WHERE seq > 3")
        assert review.verify(log, _AUDITOR).state is State.TAMPERED
        with pytest.raises(AuditError):
            log.close()


def test_counters_are_reconciled_with_counts_from_elsewhere(home: Path) -> None:
    with open_test_log(home) as log:
        for number in range(3):
            log.append(question(number))
        log.append(Event("answer.released", ANN, {}, None, "s1", "r0"))
        log.append(Event("answer.abstained", ANN, {}, None, "s1", "r1"))
        observed = {"answer.*": 3, "question.received": 3}
        outcome, record = review.reconcile(log, _AUDITOR, observed)
        assert (outcome.balanced, outcome.unanswered) == (False, 1)
        assert [count.text() for count in outcome.counts] == [
            "answer.* recorded=2 observed=3",
            "question.received recorded=3 observed=3",
        ]
        assert _last(log)["compared"] == [count.text() for count in outcome.counts]
        assert record.type == "audit.reconciled"
        log.append(Event("answer.failed", ANN, {}, None, "s1", "r2"))
        assert review.reconcile(log, _AUDITOR, observed)[0].balanced
    assert verify_home(home).state is State.OK


def test_a_family_does_not_swallow_its_neighbours() -> None:
    counters = {"answer.released": 1, "answers.other": 2, "answer": 4}
    assert recorded_of(counters, "answer.*") == 1
    assert recorded_of(counters, "answer") == 4
    assert recorded_of(counters, "none") == 0


def test_an_export_goes_over_what_retention_removed(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with open_test_log(home) as log:
        log.append_many([question(number) for number in range(9)])
        log.seal()
        log.prune([3, 4, 10], Event("retention.pruned", _AUDITOR))
        summary = review.export(log, _AUDITOR, out)
        assert (summary.first, summary.pruned) == (0, 3)
        assert verify_export(out, [log.verifier_key]) == summary
        log._parts.store.pruned = lambda: ()  # type: ignore[method-assign]
        with pytest.raises(ExportRefusedError, match="record 3 is missing"):
            review.export(log, _AUDITOR, tmp_path / "other.jsonl")
    assert not list(tmp_path.glob("*other*"))
