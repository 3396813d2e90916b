"""The verifier: the four states, and that no alteration passes."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.checkpoint import Checkpoint, sign_checkpoint
from audit.closed import closed_path
from audit.errors import CheckpointError, LogMissingError
from audit.keys import private_path, read_private, read_verifier_keys
from audit.log import Limits
from audit.merkle import leaf_hash
from audit.report import State
from audit.store import LogStore
from audit.verify import verify_log
from tests.audit.standins import alter as alter_only
from tests.audit.standins import (
    copy_home,
    open_test_log,
    question,
    verify_home,
    written_log,
)


def alter(home: Path, *statements: str, values: Sequence[object] = ()) -> None:
    """Alter the tables and remove the note of the closed file, which would tell in any case: what
    is tested here is that the records tell."""
    alter_only(home, *statements, values=values)
    closed_path(home / "audit").unlink(missing_ok=True)


def test_a_closed_log_is_ok(home: Path) -> None:
    notes = written_log(home)
    report = verify_home(home, *notes)
    assert (report.headline(), report.exit_code) == ("OK", 0)
    assert (report.records, report.unsealed, report.payloads) == (13, 0, 5)
    assert report.given_checkpoints == 5
    assert "the first 11 records are unaltered even if" in report.explanation()


def test_records_after_the_last_checkpoint_are_an_unsealed_tail(home: Path) -> None:
    with open_test_log(home) as log:
        log.seal()
        log.append_many([question(number) for number in range(3)])
        report = verify_home(home)
    assert (report.headline(), report.exit_code) == ("UNSEALED_TAIL(4)", 0)
    assert "The last 4 records are not sealed" in report.explanation()


def test_a_log_without_any_checkpoint_is_wholly_unsealed(home: Path) -> None:
    with open_test_log(home):
        assert verify_home(home).headline() == "UNSEALED_TAIL(2)"


_ALTERATIONS = {
    "envelope byte": (
        "UPDATE leaf SET envelope = "
        "CAST(replace(CAST(envelope AS TEXT), '\"number\":1', '\"number\":9') AS BLOB)"
    ),
    "type column": "UPDATE leaf SET type = 'question.deleted' WHERE seq = 3",
    "time column": "UPDATE leaf SET ts_utc = ts_utc + 1 WHERE seq = 3",
    "event id column": "UPDATE leaf SET event_id = 'x' WHERE seq = 3",
    "request column": "UPDATE leaf SET request_id = 'r9' WHERE seq = 3",
    "session column": "UPDATE leaf SET session = '' WHERE seq = 4",
    "hash column": "UPDATE leaf SET hash = zeroblob(32) WHERE seq = 3",
    "row removed": "DELETE FROM leaf WHERE seq = 3",
    "first row removed": "DELETE FROM leaf WHERE seq = 0",
    "last row removed": "DELETE FROM leaf WHERE seq = 12",
    "payload altered": "UPDATE payload SET stored = zeroblob(length(stored)) WHERE seq = 4",
    "payload removed": "DELETE FROM payload WHERE seq = 4",
    "payload added": "INSERT INTO payload VALUES (0, x'00')",
    "payload without record": "INSERT INTO payload VALUES (99, x'00')",
    "node altered": "UPDATE node SET hash = zeroblob(32) WHERE level = 1 AND position = 1",
    "node removed": "DELETE FROM node WHERE level = 2 AND position = 0",
    "node added": "INSERT INTO node VALUES (9, 0, zeroblob(32))",
    "note altered": "UPDATE checkpoint SET note = replace(note, 'A', 'B')",
    "note moved": "UPDATE checkpoint SET size = size - 1 WHERE size = 3",
    "log id": "UPDATE meta SET value = '00000000000000000000000000000000'",
    "log id removed": "DELETE FROM meta",
    "table removed": "DROP TABLE payload",
    "a later record far away": "UPDATE leaf SET seq = 9000000000000000000 WHERE seq = 12",
    "a record below 0": "UPDATE leaf SET seq = -5 WHERE seq = 12",
    "checkpoint in the middle removed": "DELETE FROM checkpoint WHERE size = 7",
    "pruned without a record": "INSERT INTO pruned VALUES (99, zeroblob(32), 100)",
    "record hidden as pruned": "INSERT INTO pruned SELECT seq, hash, 12 FROM leaf WHERE seq = 3",
    "trigger added": "CREATE TRIGGER t AFTER INSERT ON leaf BEGIN SELECT 1; END",
    "table added": "CREATE TABLE extra (a)",
    "envelope too large": "UPDATE leaf SET envelope = zeroblob(70000) WHERE seq = 3",
    "envelope absurdly large": "UPDATE leaf SET envelope = zeroblob(9000000) WHERE seq = 3",
    "column absurdly large": "UPDATE leaf SET session = printf('%.*c', 4000000, 'x') WHERE seq = 4",
    "note absurdly large": "UPDATE checkpoint SET note = printf('%.*c', 4000000, 'x')",
    "text that is not UTF-8": "UPDATE leaf SET session = CAST(x'ff' AS TEXT) WHERE seq = 4",
    "nested deeply": (
        "UPDATE leaf SET envelope = "
        "CAST(printf('%.*c', 30000, '[') || printf('%.*c', 30000, ']') AS BLOB)"
    ),
    "all removed": "DELETE FROM leaf",
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a written log; tests alter copies of it."""
    home = tmp_path_factory.mktemp("written") / "home"
    written_log(home)
    return home


@pytest.mark.parametrize("statement", _ALTERATIONS.values(), ids=_ALTERATIONS)
def test_every_alteration_of_the_tables_is_tampering(
    written: Path, tmp_path: Path, statement: str
) -> None:
    home = copy_home(written, tmp_path / "copy")
    before = verify_home(home)
    alter(home, statement)
    report = verify_home(home)
    assert (before.state, report.state, report.exit_code) == (State.OK, State.TAMPERED, 7)
    assert report.findings
    assert "Nothing was repaired" in report.explanation()


def test_removed_checkpoints_are_seen_by_what_later_records_say(home: Path) -> None:
    written_log(home)
    written_log(home)
    alter(home, "DELETE FROM checkpoint")
    (home / "audit" / "checkpoints" / "latest.note").unlink()
    report = verify_home(home)
    assert report.state is State.TAMPERED
    assert any("13 records were sealed" in finding for finding in report.findings)


def test_swapped_records_are_tampering(home: Path) -> None:
    written_log(home)
    alter(
        home,
        "UPDATE leaf SET seq = 100 WHERE seq = 3",
        "UPDATE leaf SET seq = 3 WHERE seq = 4",
        "UPDATE leaf SET seq = 4 WHERE seq = 100",
    )
    assert verify_home(home).state is State.TAMPERED


def test_a_record_with_its_hash_made_to_fit_is_tampering(home: Path) -> None:
    written_log(home)
    connection = sqlite3.connect(home / "audit" / "log.db")
    (envelope,) = connection.execute("SELECT envelope FROM leaf WHERE seq = 12").fetchone()
    connection.close()
    changed = envelope.replace(b'"pytest"', b'"nobody"')
    alter(
        home,
        "UPDATE leaf SET envelope = ?, hash = ? WHERE seq = 12",
        values=(changed, leaf_hash(changed)),
    )
    report = verify_home(home)
    assert report.state is State.TAMPERED
    assert any("another root" in finding for finding in report.findings)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_bit_flip_in_a_record_payload_node_or_note_is_tampering(
    written: Path, data: st.DataObject
) -> None:
    home = written.with_name("flipped")
    shutil.rmtree(home, ignore_errors=True)
    copy_home(written, home)
    table, column, key = data.draw(
        st.sampled_from(
            [
                ("leaf", "envelope", "rowid"),
                ("leaf", "hash", "rowid"),
                ("payload", "stored", "rowid"),
                ("node", "hash", "level * 1000 + position"),
                ("checkpoint", "note", "rowid"),
            ]
        )
    )
    connection = sqlite3.connect(home / "audit" / "log.db")
    rows = connection.execute(f"SELECT {key}, CAST({column} AS BLOB) FROM {table}").fetchall()  # noqa: S608 - constants
    connection.close()
    chosen, value = data.draw(st.sampled_from(sorted(rows)))
    bit = data.draw(st.integers(0, len(value) * 8 - 1))
    changed = bytearray(value)
    changed[bit // 8] ^= 1 << bit % 8
    kept = "CAST(? AS TEXT)" if column == "note" else "?"
    alter(
        home,
        f"UPDATE {table} SET {column} = {kept} WHERE {key} = ?",  # noqa: S608 - constants
        values=(bytes(changed), chosen),
    )
    assert verify_home(home).state is State.TAMPERED


def test_truncation_is_seen_with_an_old_checkpoint_only(home: Path) -> None:
    notes = written_log(home)
    alter(
        home,
        "DELETE FROM payload WHERE seq >= 5",
        "DELETE FROM leaf WHERE seq >= 5",
        "DELETE FROM node WHERE ((position + 1) << level) > 5",
        "DELETE FROM checkpoint WHERE size > 5",
    )
    (home / "audit" / "checkpoints" / "latest.note").unlink()
    assert verify_home(home, notes[0]).state is State.OK  # a whole earlier state
    report = verify_home(home, notes[-1])
    assert report.state is State.TAMPERED
    assert any("covers 11 records but only 5 are left" in finding for finding in report.findings)


def test_a_rewrite_signed_with_the_stolen_key_is_seen_with_an_old_checkpoint(home: Path) -> None:
    notes = written_log(home)
    folder = home / "audit"
    log_id = verify_home(home).log_id
    for path in folder.glob("log.db*"):
        path.unlink()
    store = LogStore(folder / "log.db", busy_timeout_ms=1000)
    with store.transaction():
        store.create({"log_id": log_id})
    store.close()
    written_log(home, 9)
    assert verify_home(home).state is State.OK
    report = verify_home(home, notes[2])
    assert report.state is State.TAMPERED
    assert any("another root than the first 7 records" in finding for finding in report.findings)


def test_a_tampered_log_is_left_as_it_is(home: Path) -> None:
    written_log(home)
    alter(home, _ALTERATIONS["type column"])
    folder = home / "audit"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert verify_home(home).state is State.TAMPERED
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_damaged_file_is_tampering_not_a_crash(home: Path) -> None:
    written_log(home, 10, limits=Limits(seal_records=1000))
    path = home / "audit" / "log.db"
    raw = bytearray(path.read_bytes())
    for position in range(4096, len(raw), 4096):
        raw[position : position + 16] = b"\xff" * 16
    path.write_bytes(raw)
    assert verify_home(home).state is State.TAMPERED
    path.write_bytes(b"not a database at all" * 500)
    assert verify_home(home).state is State.TAMPERED


def test_a_checkpoint_given_from_elsewhere_must_itself_be_good(home: Path) -> None:
    notes = written_log(home)
    flipped = bytearray(notes[1])
    flipped[50] ^= 1
    with pytest.raises(CheckpointError, match="note 0 is unusable"):
        verify_home(home, bytes(flipped))


def test_another_logs_checkpoint_or_key_does_not_fit(home: Path, tmp_path: Path) -> None:
    written_log(home)
    other = tmp_path / "other"
    other_notes = written_log(other)
    keys = [
        *read_verifier_keys(home / "audit" / "keys"),
        *read_verifier_keys(other / "audit" / "keys"),
    ]
    report = verify_log(home / "audit", keys, [("theirs", other_notes[0])])
    assert report.state is State.TAMPERED
    assert any("belongs to another log" in finding for finding in report.findings)
    report = verify_log(home / "audit", keys[1:])
    assert report.state is State.TAMPERED
    assert any("none of the given public keys" in finding for finding in report.findings)


def test_a_second_root_for_one_size_is_seen(home: Path) -> None:
    written_log(home)
    private = read_private(private_path(home / "audit" / "keys", 1))
    origin = verify_home(home).origin
    forked = sign_checkpoint(Checkpoint(origin, 5, bytes(32)), private).encode()
    assert verify_home(home, forked).state is State.TAMPERED


def test_no_log_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(LogMissingError, match="no audit log"):
        verify_log(tmp_path, [])


def test_the_report_is_plain_json(home: Path) -> None:
    written_log(home)
    values = json.loads(json.dumps(verify_home(home).as_json()))
    assert (values["state"], values["headline"], values["unsealed"]) == ("OK", "OK", 0)
    assert "Not proven" in values["explanation"]
