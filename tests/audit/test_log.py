"""Appending, sealing and reading back; opening, closing and recovering."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import threading
from pathlib import Path

import pytest

from audit.canonical import canonical
from audit.checkpoint import open_checkpoint
from audit.envelope import MAX_ENVELOPE_BYTES, new_event_id
from audit.erasure import erase_payload
from audit.errors import (
    CanonicalError,
    EnvelopeTooLargeError,
    LogClosedError,
    PayloadErasedError,
    RecordNotFoundError,
)
from audit.log import Limits
from audit.merkle import leaf_hash
from audit.record import Event
from audit.report import State
from tests.audit.standins import ANN, naive_root, open_test_log, question, verify_home, written_log


def test_a_record_is_what_was_said(home: Path) -> None:
    with open_test_log(home) as log:
        record = log.append(question(7))
        leaf = log.leaf(record.seq)
        envelope = json.loads(leaf.envelope)
        assert log.read_payload(record.seq) == {"question": "What is rule 7?"}
        assert log.read_payload(record.event_id) == {"question": "What is rule 7?"}
    assert record.seq == 2  # after log.created and log.opened
    assert record.leaf_hash == leaf_hash(leaf.envelope).hex() == leaf.hash.hex()
    assert canonical(envelope) == leaf.envelope
    assert envelope["schema"] == "cloister.audit/1"
    assert envelope["seq"] == 2
    assert envelope["event_id"] == record.event_id
    assert envelope["type"] == "question.received"
    assert envelope["actor"] == {
        "kind": "person",
        "id": "ann",
        "auth": "local-user",
        "groups": ["local"],
        "client": "test",
    }
    assert (envelope["session"], envelope["request_id"]) == ("s1", "r7")
    assert envelope["fields"] == {"number": 7}
    assert envelope["writer"] == {
        "pid": os.getpid(),
        "uid": os.getuid(),
        "process": "pytest",
        "build": "test 1",
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", envelope["ts_utc"])
    assert envelope["ts_utc"].endswith(f"{record.ts_utc % 10**9:09d}Z")
    assert envelope["mono_ns"].isdecimal()


def test_the_payload_is_committed_to_but_not_readable_in_the_file(home: Path) -> None:
    with open_test_log(home) as log:
        record = log.append(Event("answer.released", ANN, {}, {"text": "SECRETWORD"}))
        stored = log._parts.store.payload(record.seq)
        reference = json.loads(log.leaf(record.seq).envelope)["payload"]
    assert stored is not None
    assert reference["ciphertext_sha256"] == hashlib.sha256(stored).hexdigest()
    assert reference["length"] == len(stored)
    for path in (home / "audit").rglob("*"):
        assert not path.is_file() or b"SECRETWORD" not in path.read_bytes()


def test_the_chain_and_the_tree_cover_all_records(home: Path) -> None:
    with open_test_log(home) as log:
        log.append_many([question(number) for number in range(20)])
        note = log.seal()
        envelopes = [log.leaf(seq).envelope for seq in range(22)]
        checkpoint = open_checkpoint(note.encode(), [log.verifier_key])
    assert checkpoint.size == 22
    assert checkpoint.root == naive_root(envelopes)
    previous = "0" * 64
    for envelope in envelopes:
        assert json.loads(envelope)["prev_leaf_hash"] == previous
        previous = leaf_hash(envelope).hex()


def test_several_events_are_all_recorded_or_none(home: Path) -> None:
    with open_test_log(home) as log:
        before = log.counters()
        with pytest.raises(CanonicalError, match=r"fields\.seconds"):
            log.append_many(
                [question(), Event("answer.released", ANN, {"seconds": 0.5})]  # type: ignore[dict-item]
            )
        assert log.counters() == before
        records = log.append_many([question(1), question(2)])
        assert [record.seq for record in records] == [2, 3]
    assert verify_home(home).state is State.OK


def test_an_envelope_at_the_limit_is_refused_and_a_large_payload_is_not(home: Path) -> None:
    with open_test_log(home) as log:
        with pytest.raises(EnvelopeTooLargeError, match=r"`big\.one`"):
            log.append(Event("big.one", ANN, {"text": "x" * MAX_ENVELOPE_BYTES}))
        overhead = len(log.leaf(log.append(Event("big.one", ANN, {"text": ""})).seq).envelope)
        room = MAX_ENVELOPE_BYTES - 256 - overhead  # what the reference to a payload needs
        log.append(Event("big.one", ANN, {"text": "x" * room}, {"text": "y" * 3_000_000}))
        payload = log.read_payload(3)
    assert payload == {"text": "y" * 3_000_000}
    assert verify_home(home).state is State.OK


def test_sealing_without_news_gives_the_same_note(home: Path) -> None:
    with open_test_log(home) as log:
        log.append(question())
        assert log.seal() == log.seal()


def test_a_checkpoint_is_signed_after_so_many_records(home: Path) -> None:
    with open_test_log(home, limits=Limits(seal_records=10)) as log:
        sizes = []
        for number in range(25):
            log.append(question(number, payload=False))
            last = log._parts.store.last_checkpoint()
            sizes.append(last[0] if last else 0)
    assert sorted(set(sizes)) == [0, 10, 20]


def test_a_checkpoint_is_signed_after_so_many_seconds(home: Path) -> None:
    with open_test_log(home, limits=Limits(seal_seconds=1)) as log:
        record = log.append(question())
        latest = home / "audit" / "checkpoints" / "latest.note"
        waiting = threading.Event()
        while not latest.exists():
            waiting.wait(0.02)  # the test's own time limit ends this if it never comes
        note = latest.read_bytes()
        assert open_checkpoint(note, [log.verifier_key]).size > record.seq


def test_the_note_on_disk_is_the_newest_checkpoint(home: Path) -> None:
    written_log(home)
    note = (home / "audit" / "checkpoints" / "latest.note").read_bytes()
    report = verify_home(home, note)
    assert (report.state, report.given_up_to) == (State.OK, report.records)


def test_opening_and_closing_are_recorded(home: Path) -> None:
    written_log(home, 1)
    with open_test_log(home) as log:
        fields = [json.loads(log.leaf(seq).envelope)["fields"] for seq in range(7)]
        types = [log.leaf(seq).type for seq in range(7)]
        assert log.counters() == {
            "checkpoint.signed": 2,
            "log.closed": 1,
            "log.created": 1,
            "log.opened": 2,
            "question.received": 1,
        }
        assert not log.recovered
    assert types == [
        "log.created",
        "log.opened",
        "question.received",
        "checkpoint.signed",
        "log.closed",
        "checkpoint.signed",
        "log.opened",
    ]
    assert fields[0]["verifier_key"] == log.trusted_keys[0].text()
    assert fields[1]["recovered"] is False
    assert fields[4] == {"run": fields[1]["run"]}
    assert fields[6]["checkpoint_size"] == fields[5]["size"] == 5
    assert fields[6]["checkpoint_root"] == fields[5]["root"]
    assert fields[5]["key"] == log.trusted_keys[0].key_id.hex()


def test_files_are_private(home: Path) -> None:
    with open_test_log(home) as log:
        log.append(question())
        for path in [home / "audit", *(home / "audit").rglob("*")]:
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_two_logs_in_one_process_take_turns(home: Path) -> None:
    with open_test_log(home) as first, open_test_log(home) as second:
        records = [log.append(question()) for log in (first, second, first, second, second, first)]
    assert [record.seq for record in records] == list(range(3, 9))
    assert verify_home(home).state is State.OK


def test_threads_share_one_log(home: Path) -> None:
    with open_test_log(home) as log:
        threads = [
            threading.Thread(target=lambda: [log.append(question(n)) for n in range(25)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert log.counters()["question.received"] == 100
    assert verify_home(home).state is State.OK


def test_a_closed_log_records_nothing(home: Path) -> None:
    log = open_test_log(home)
    log.close()
    log.close()
    for action in (lambda: log.append(question()), log.seal, log.counters):
        with pytest.raises(LogClosedError):
            action()
    with pytest.raises(LogClosedError):
        log.read_payload(0)


def test_a_forked_child_cannot_use_its_parents_log(home: Path) -> None:
    with open_test_log(home) as log:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                log.append(question())
            except LogClosedError:
                log.close()  # must not close the parent's
                status = 0
            os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        log.append(question())
    assert verify_home(home).state is State.OK


def test_unknown_records_are_named(home: Path) -> None:
    with open_test_log(home) as log:
        for key in (99, "no-such-id"):
            with pytest.raises(RecordNotFoundError, match=str(key)) as caught:
                log.read_payload(key)
            assert caught.value.exit_code == 2
        assert log.read_payload(0) is None


def test_an_erased_payload_is_gone_and_the_proofs_hold(home: Path) -> None:
    notes = written_log(home, 3)
    with open_test_log(home) as log:
        record = erase_payload(log, ANN, 2, "gdpr-17")
        with pytest.raises(PayloadErasedError):
            log.read_payload(2)
        assert log.read_payload(4) == {"question": "What is rule 1?"}
        fields = json.loads(log.leaf(record.seq).envelope)["fields"]
        again = erase_payload(log, ANN, 2, "gdpr-17")
        assert json.loads(log.leaf(again.seq).envelope)["fields"]["destroyed"] is False
    assert (fields["target_seq"], fields["destroyed"], fields["reason"]) == (2, True, "gdpr-17")
    report = verify_home(home, *notes)
    assert (report.state, report.erased, report.payloads) == (State.OK, 2, 3)


def test_event_ids_are_version_7_and_rise_with_time() -> None:
    ids = [new_event_id() for _ in range(2000)]
    form = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
    assert all(form.fullmatch(each) for each in ids)
    assert len(set(ids)) == len(ids)
    stamps = [each[:13] for each in ids]
    assert stamps == sorted(stamps)
