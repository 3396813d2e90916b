"""The auditor's view: what it shows, that it counts what it leaves out, that it cannot be lied to,
and that each look is on record."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.canonical import canonical
from audit.erasure import erase_payload
from audit.errors import AuditError, LogLockedError
from audit.log import Log
from audit.merkle import leaf_hash
from audit.record import Actor, Event
from audit.view import look
from audit.view_data import Order, Page, Trust, Wanted
from audit.view_envelope import head_of, nanoseconds_of
from tests.audit.standins import ANN, alter, open_test_log

BOB = Actor("person", "bob", groups=("local", 'the "quoted"\\'), client="test")
AUDITOR = Actor("person", "audrey", auth="local-user")
DOC_A, DOC_B = "a1" * 32, "b2" * 32


def answer(
    log: Log,
    request: str,
    *,
    who: Actor = ANN,
    document: str = DOC_A,
    verdict: str = "ANSWERED",
    model: str = "small",
    finished: bool = True,
) -> None:
    """The records of one answer."""
    asked = {"question_sha256": "c" * 64, "characters": 9}
    payload = {"question": f"secret of {request}"}
    log.append(Event("question.received", who, asked, payload, request_id=request))
    call = {"model": model, "model_sha256": "d4" * 32}
    log.append(Event("model.called", who, call, None, request_id=request))
    if finished:
        log.append(Event("model.finished", who, {"model": model}, None, request_id=request))
        released = {
            "verdict": verdict,
            "citations": [f"{document}:1:0:9"],
            "shown_from": model,
            **call,
        }
        log.append(Event("answer.released", who, released, {"text": "x"}, request_id=request))


def filled(log: Log) -> None:
    """Six answers, a search, a refusal and an ingestion."""
    for number in range(6):
        answer(
            log,
            f"r{number}",
            who=BOB if number % 3 == 2 else ANN,
            document=DOC_B if number % 2 else DOC_A,
            verdict="QUOTED" if number == 4 else "ANSWERED",
            model="large" if number == 5 else "small",
            finished=number != 3,
        )
    log.append(Event("search.received", BOB, {"k": 3}, None, request_id="s0"))
    log.append(Event("search.released", BOB, {"hits": 0}, None, request_id="s0"))
    log.append(Event("question.received", ANN, {}, None, request_id="f0"))
    log.append(Event("question.refused", ANN, {"code": "EMPTY"}, None, request_id="f0"))
    log.append(Event("ingest.started", ANN, {"paths": 1}, None, request_id="i0"))


def requests(log: Log, wanted: Wanted | None = None, page: Page | None = None) -> list[str]:
    return [row.request for row in look(log, AUDITOR, wanted, page).rows]


def test_answers_are_filtered_by_what_their_records_say(home: Path) -> None:
    with open_test_log(home) as log:
        filled(log)
        everything = ["f0", "s0", "r5", "r4", "r3", "r2", "r1", "r0"]
        assert requests(log) == everything
        assert requests(log, page=Page(Order.OLDEST)) == everything[::-1]
        assert requests(log, Wanted(person="bob")) == ["s0", "r5", "r2"]
        assert requests(log, Wanted(document=DOC_B)) == ["r5", "r1"]
        assert requests(log, Wanted(document=DOC_B[:8], person="bob")) == ["r5"]
        assert requests(log, Wanted(document=DOC_B[:7])) == []
        assert requests(log, Wanted(verdict="QUOTED")) == ["r4"]
        assert requests(log, Wanted(verdict="REFUSED")) == ["f0"]
        assert requests(log, Wanted(model="large")) == ["r5"]
        assert requests(log, Wanted(model="d4" * 4, person="bob")) == ["r5", "r2"]
        assert requests(log, Wanted(type="search.*")) == ["s0"]
        assert requests(log, Wanted(type="answer.released", verdict="QUOTED")) == ["r4"]
        assert requests(log, Wanted(request="r3")) == ["r3"]
        view = look(log, AUDITOR, Wanted(request="r3"))
        assert view.rows[0].lacks == ("its end", "the end of a call of the model")
        assert not view.rows[0].complete and not view.rows[0].documents
        row = look(log, AUDITOR, Wanted(request="r5")).rows[0]
        assert (row.verdict, row.model, row.person) == ("ANSWERED", "large", "bob")
        assert (row.documents, row.records, row.payloads) == ((DOC_B,), 4, 2)
        assert row.complete and row.question_sha256 == "c" * 64
        assert look(log, AUDITOR, Wanted(verdict="REFUSED")).rows[0].kind == "refusal"
        middle = look(log, AUDITOR, Wanted(request="r2")).rows[0].ts_utc
        assert requests(log, Wanted(since=middle, until=middle + 1)) == ["r2"]
        assert "r1" not in requests(log, Wanted(since=middle))


def test_pages_follow_one_another_without_a_gap(home: Path) -> None:
    with open_test_log(home) as log:
        filled(log)
        for order in Order:
            for records in (False, True):
                whole = look(log, AUDITOR, page=Page(order, 1000), records=records)
                found: list[int] = []
                # The looks themselves are records, too: begin where the first one ended.
                cursor = whole.counts.records if order is Order.NEWEST else None
                for _ in range(100):
                    view = look(log, AUDITOR, page=Page(order, 3, cursor), records=records)
                    found += [row.first for row in view.rows] + [each.seq for each in view.lines]
                    cursor = view.cursor
                    if cursor is None or len(found) > 20:
                        break
                expected = [row.first for row in whole.rows] + [each.seq for each in whole.lines]
                assert found[:20] == expected[:20]


def test_every_record_is_accounted_for(home: Path) -> None:
    with open_test_log(home) as log:
        filled(log)
        started = look(log, AUDITOR, Wanted(request="r2")).rows[0].ts_utc
        erase_payload(log, ANN, look(log, AUDITOR, Wanted(request="r4")).rows[0].first, "asked")
        log.seal()
        for wanted in (
            Wanted(), Wanted(person="bob"), Wanted(since=started), Wanted(type="ingest.*"),
            Wanted(until=started, document=DOC_A), Wanted(verdict="none such"),
        ):  # fmt: skip
            for records in (False, True):
                counts = look(log, AUDITOR, wanted, Page(limit=2), records=records).counts
                assert counts.left_out is not None
                assert counts.elsewhere is not None and counts.outside is not None
                parts = counts.shown + counts.elsewhere + counts.outside
                assert parts + sum(counts.left_out.values()) == counts.records
                assert counts.told().startswith(f"The log has {counts.records:,} records")
        view = look(log, AUDITOR, Wanted(request="r4"))
        assert view.rows[0].erased == view.counts.erased == 1
        assert view.checked.trust is Trust.CHECKED
        assert view.counts.unsealed == view.counts.records - view.checked.sealed > 0
        left_out = view.counts.left_out or {}
        assert left_out["ingest.started"] == 1 and left_out["question.received"] == 6


def test_what_retention_removed_is_counted_and_no_tampering(home: Path) -> None:
    with open_test_log(home) as log:
        filled(log)
        log.seal()
        gone = look(log, AUDITOR, Wanted(request="r1"), records=True, page=Page(Order.OLDEST)).lines
        half = look(log, AUDITOR, Wanted(request="r2")).rows[0]
        log.prune([line.seq for line in gone] + [half.first], Event("retention.pruned", ANN))
        view = look(log, AUDITOR)
        assert view.checked.trust is Trust.CHECKED, view.checked.told()
        assert view.counts.pruned == 5 and "5 were removed by retention" in view.counts.told()
        left_out = sum((view.counts.left_out or {}).values())
        assert view.counts.shown + left_out + view.counts.pruned == view.counts.records
        by_request = {row.request: row for row in view.rows}
        assert "r1" not in by_request and by_request["r2"].lacks == ("its beginning",)
    alter(home, "UPDATE pruned SET by_seq = 2 WHERE seq = (SELECT max(seq) FROM pruned)")
    with open_test_log(home) as log:
        assert look(log, AUDITOR).checked.trust is Trust.TAMPERED


def test_each_look_is_recorded_before_it_is_shown(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_test_log(home) as log:
        filled(log)
        view = look(log, AUDITOR, Wanted(person="bob", document=DOC_B[:10]), Page(limit=7))
        envelope = json.loads(log.leaf(view.record).envelope)
        assert (envelope["type"], envelope["actor"]["id"]) == ("log.searched", "audrey")
        assert envelope["fields"]["document"] == DOC_B[:10]
        assert envelope["fields"]["limit"] == 7 and envelope["fields"]["by_person"] is True
        assert "bob" not in json.dumps(envelope["fields"])  # whom one looks for is personal
        assert log.read_payload(view.record) == {"person": "bob"}
        opened = look(log, AUDITOR, Wanted(request="r5"), records=True, payloads=True)
        assert [line.opened for line in opened.lines if line.opened] == [
            {"text": "x"},
            {"question": "secret of r5"},
        ]
        last = json.loads(log.leaf(log.size() - 1).envelope)
        assert last["type"] == "log.viewed"
        assert last["fields"]["targets"] == [line.seq for line in opened.lines]

        def refuse(event: Event) -> None:
            raise LogLockedError(home)

        monkeypatch.setattr(log, "append", refuse)
        with pytest.raises(AuditError):
            look(log, AUDITOR)


def test_quick_says_that_it_is_unverified(home: Path) -> None:
    with open_test_log(home) as log:
        filled(log)
        view = look(log, AUDITOR, Wanted(person="bob"), quick=True)
        assert [row.request for row in view.rows] == ["s0", "r5", "r2"]
        assert view.checked.trust is Trust.UNVERIFIED and "UNVERIFIED" in view.checked.told()
        assert view.counts.left_out is None and "not counted" in view.counts.told()
        lines = look(log, AUDITOR, Wanted(request="r1"), records=True, quick=True).lines
        assert [line.type for line in lines][-1] == "question.received"


ATTACKS = {
    "another type in the row": "UPDATE leaf SET type = 'log.noise' WHERE seq = {seq}",
    "another time in the row": "UPDATE leaf SET ts_utc = 0 WHERE seq = {seq}",
    "another request in the row": "UPDATE leaf SET request_id = 'zz' WHERE seq = {seq}",
    "another session in the row": "UPDATE leaf SET session = 'zz' WHERE seq = {seq}",
    "another id in the row": "UPDATE leaf SET event_id = 'zz' WHERE seq = {seq}",
    "another hash in the row": "UPDATE leaf SET hash = zeroblob(32) WHERE seq = {seq}",
    "taken out": "DELETE FROM leaf WHERE seq = {seq}",
    "said to be pruned": "INSERT INTO pruned SELECT seq, hash, 2 FROM leaf WHERE seq = {seq};"
    "DELETE FROM leaf WHERE seq = {seq}",
    "moved": "UPDATE leaf SET seq = -seq WHERE seq = {seq}",
    "another person": "UPDATE leaf SET envelope = CAST(replace(CAST(envelope AS TEXT), "
    '\'"id":"ann"\', \'"id":"eve"\') AS BLOB) WHERE seq = {seq}',
}


@pytest.mark.parametrize("attack", sorted(ATTACKS))
def test_nothing_can_be_hidden_from_a_filtered_view(home: Path, attack: str) -> None:
    with open_test_log(home) as log:
        filled(log)
        target = look(log, AUDITOR, Wanted(request="r0")).rows[0]
        log.seal()
    statements = ATTACKS[attack].format(seq=target.first + 1).split(";")
    alter(home, "PRAGMA foreign_keys=OFF", *statements)
    with open_test_log(home) as log:
        view = look(log, AUDITOR, Wanted(person="ann", document=DOC_A))
        assert view.checked.trust is Trust.TAMPERED, attack
        assert view.checked.told().startswith("TAMPERED: ")
        assert {"r4"} <= {row.request for row in view.rows}  # what there is is still shown
        recorded = json.loads(log.leaf(view.record).envelope)["fields"]
        assert recorded["trust"] == "TAMPERED"


def test_a_rewritten_past_contradicts_the_newest_and_any_given_checkpoint(home: Path) -> None:
    """Every hash, row and node made to fit, but for the signed root; then that, too, but for a
    checkpoint kept elsewhere."""
    with open_test_log(home) as log:
        filled(log)
        kept = log.seal().encode()
    copy = home.parent / "other"
    shutil.copytree(home, copy)
    with open_test_log(home) as log:
        leaves = list(log.scan())
    previous, rows = "0" * 64, []
    for leaf in leaves:
        value = json.loads(leaf.envelope)
        value["prev_leaf_hash"] = previous
        if value["request_id"] == "r0":
            value["actor"]["id"] = "eve"
        envelope = canonical(value)
        previous = leaf_hash(envelope).hex()
        rows.append((envelope, bytes.fromhex(previous), leaf.seq))
    for envelope, digest, seq in rows:
        alter(
            home, "UPDATE leaf SET envelope = ?, hash = ? WHERE seq = ?",
            values=(envelope, digest, seq),
        )  # fmt: skip
    from audit.view_collect import Answers
    from audit.view_pass import walk

    with open_test_log(copy) as log:
        rewritten = [
            type(leaf)(*(getattr(leaf, name) for name in ("seq", "event_id", "type", "ts_utc",
                                                           "session", "request_id")), digest, raw)
            for leaf, (raw, digest, _) in zip(leaves, rows, strict=True)
        ]  # fmt: skip
        for own, given_notes, trust in (
            ([], [], Trust.CHECKED),
            ([("own", kept)], [], Trust.TAMPERED),
            ([], [("kept", kept)], Trust.TAMPERED),
        ):
            checked = walk(
                rewritten, Answers(Wanted(), Page()), size=len(rewritten), log_id=log.log_id,
                pruned=log.pruned, own=own, given=given_notes, keys=log.trusted_keys,
            )  # fmt: skip
            assert checked.trust is trust, checked
        assert look(log, AUDITOR, checkpoints=[("kept", kept)]).checked.trust is Trust.CHECKED


TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(TEXT, TEXT, TEXT, st.dictionaries(TEXT, st.one_of(TEXT, st.integers(0, 9)), max_size=3))
def test_an_envelope_is_read_as_json_would(
    person: str, session: str, kind: str, fields: dict[str, str | int]
) -> None:
    value = {
        "actor": {"auth": "", "client": "x", "groups": [person], "id": person, "kind": "person"},
        "boot_id": "b", "event_id": "e",
        "fields": {**fields, "log_id": "false", "n": [',"log_id":"']},
        "log_id": "0f", "mono_ns": "12", "payload": None, "prev_leaf_hash": "0" * 64,
        "request_id": session, "schema": "s", "seq": 7, "session": session,
        "ts_utc": "2026-11-22T01:02:03.000000456Z", "type": kind,
        "writer": {"build": kind, "pid": 1, "process": "p", "uid": 2},
    }  # fmt: skip
    head = head_of(canonical(value))
    assert head is not None
    assert (head.person, head.session, head.request_id, head.type) == (
        person,
        session,
        session,
        kind,
    )
    assert (head.seq, head.event_id, head.log_id, head.payload) == (7, "e", "0f", False)
    assert head.ts_utc == nanoseconds_of(value["ts_utc"]) == 1795309323000000456


def test_any_bytes_are_either_an_envelope_or_none() -> None:
    chance = random.Random(3)
    for _ in range(300):
        assert head_of(bytes(chance.randrange(256) for _ in range(chance.randrange(80)))) is None
    assert head_of(b'{"actor":[]}') is None
    assert nanoseconds_of("2026-13-01T00:00:00.000000000Z") in (None, 1798761600000000000)
    assert Counter([nanoseconds_of("yesterday")]) == {None: 1}
