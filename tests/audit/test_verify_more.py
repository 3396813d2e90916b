"""The verifier: keys and epochs, pruned records, processes, and files that are none."""

from __future__ import annotations

import base64
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.checkpoint import Checkpoint, VerifierKey, sign_checkpoint
from audit.closed import closed_path
from audit.errors import AuditError, CheckpointError, LogMissingError, LogUnreadableError
from audit.keys import private_path, read_private, read_verifier_keys
from audit.log import Limits
from audit.record import Event
from audit.report import Report, State
from audit.store import LogStore
from audit.verify import verify_log
from tests.audit.standins import (
    ANN,
    PRUNED,
    alter,
    copy_home,
    days_ago,
    open_test_log,
    question,
    verify_home,
)


@pytest.fixture(scope="module")
def rotated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of two epochs, with some records pruned in the second. `old.key` is the first epoch's
    private key, which a thief kept; `anchored` holds one checkpoint of each epoch."""
    home = tmp_path_factory.mktemp("rotated") / "home"
    with days_ago(9), open_test_log(home) as log:
        folder = home / "audit" / "keys"
        (home / "anchored").mkdir()
        shutil.copy(private_path(folder, 1), home / "old.key")
        log.append_many([question(number) for number in range(5)])
        (home / "anchored" / "1.note").write_text(log.seal())
        log.rotate_key()
        log.append_many([question(number) for number in range(5)])
        (home / "anchored" / "2.note").write_text(log.seal())
    with open_test_log(home) as log:
        log.prune([3, 4, 5], PRUNED)
    return home


@pytest.fixture
def copy(rotated: Path, tmp_path: Path) -> Path:
    """A copy of it without the note of the closed file, which would tell of any alteration."""
    home = copy_home(rotated, tmp_path / "copy")
    closed_path(home / "audit").unlink()
    return home


def _keys(home: Path) -> tuple[VerifierKey, ...]:
    return read_verifier_keys(home / "audit" / "keys")


def _note(home: Path, number: int) -> tuple[str, bytes]:
    path = home / "anchored" / f"{number}.note"
    return path.name, path.read_bytes()


def _rows(home: Path, sql: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(home / "audit" / "log.db")
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def test_the_first_key_alone_proves_every_epoch(rotated: Path) -> None:
    first, second = _keys(rotated)
    report = verify_log(rotated / "audit", [first], [_note(rotated, 1), _note(rotated, 2)])
    assert (report.state, report.unsealed, report.pruned, report.closed) == (State.OK, 0, 3, True)
    assert [(epoch.number, epoch.word) for epoch in report.epochs] == [
        (1, "given"),
        (2, "handed over"),
    ]
    assert report.epochs[1].key_id == second.key_id.hex()
    said = report.explanation()
    assert "epoch 2 is signed by a key that follows from a given one" in said
    assert "3 records were removed by retention" in said
    assert "bit for bit" in said


def test_a_later_key_only_vouches_for_what_is_older(rotated: Path) -> None:
    report = verify_log(rotated / "audit", _keys(rotated)[1:])
    assert [epoch.word for epoch in report.epochs] == ["vouched for", "given"]
    assert report.state is State.OK
    assert "only the checkpoints of a later key vouch" in report.explanation()


def test_a_key_from_the_future_or_the_past_signs_nothing(copy: Path) -> None:
    # What journald accepted in CVE-2023-31439, and the same with the thief's old key.
    keys, folder = _keys(copy), copy / "audit" / "keys"
    first, second = read_private(copy / "old.key"), read_private(private_path(folder, 2))
    origin = keys[0].name
    for anchored, wrong, epoch in (("1", second, 2), ("2", first, 1)):
        _, raw = _note(copy, int(anchored))
        size, root = raw.decode().split("\n")[1:3]
        checkpoint = Checkpoint(origin, int(size), base64.b64decode(root))
        forged = sign_checkpoint(checkpoint, wrong)
        given = verify_log(copy / "audit", keys, [("forged", forged.encode())])
        assert given.state is State.TAMPERED
        assert "was in force at its size" in given.findings[0]
        altered = copy_home(copy, copy.parent / f"altered-{epoch}")
        alter(altered, f"UPDATE checkpoint SET note = ? WHERE size = {size}", values=(forged,))  # noqa: S608 - a number
        stored = verify_home(altered)
        assert stored.state is State.TAMPERED
        assert any(f"the key of epoch {epoch} signed it" in each for each in stored.findings)


def test_a_rotation_without_its_handover_is_tampering(copy: Path) -> None:
    handover = verify_home(copy).epochs[0].last
    alter(copy, f"DELETE FROM checkpoint WHERE size = {handover}")  # noqa: S608 - a number
    report = verify_log(copy / "audit", _keys(copy)[:1])
    assert report.state is State.TAMPERED
    assert any("hands over from epoch 1 to epoch 2" in finding for finding in report.findings)


def test_a_log_cut_back_before_a_key_it_had_is_tampering(copy: Path) -> None:
    first, second = _keys(copy)
    size = int(_note(copy, 1)[1].split(b"\n")[1])
    alter(
        copy,
        f"DELETE FROM payload WHERE seq >= {size}",  # noqa: S608 - a number
        f"DELETE FROM leaf WHERE seq >= {size}",  # noqa: S608 - a number
        "DELETE FROM pruned",
        f"DELETE FROM node WHERE ((position + 1) << level) > {size}",  # noqa: S608 - a number
        f"DELETE FROM checkpoint WHERE size > {size}",  # noqa: S608 - a number
    )
    (copy / "audit" / "checkpoints" / "latest.note").unlink()
    report = verify_log(copy / "audit", [first, second])
    assert any("never came into force" in finding for finding in report.findings)
    # With the first key only, the later checkpoint cannot be read; it is not passed over either.
    report = verify_log(copy / "audit", [first], [_note(copy, 2)])
    assert report.state is State.TAMPERED
    assert any("2.note is unusable" in finding for finding in report.findings)


def test_a_checkpoint_by_an_unknown_key_is_refused(rotated: Path) -> None:
    first = _keys(rotated)[0]
    stranger = sign_checkpoint(Checkpoint(first.name, 5, bytes(32)), Ed25519PrivateKey.generate())
    with pytest.raises(CheckpointError, match="x is unusable"):
        verify_log(rotated / "audit", [first], [("x", stranger.encode())])
    key = VerifierKey(first.name, Ed25519PrivateKey.generate().public_key().public_bytes_raw())
    report = verify_log(rotated / "audit", [first, key])
    assert any("never came into force" in finding for finding in report.findings)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM pruned WHERE seq = 4",
        "DELETE FROM pruned",
        "UPDATE pruned SET hash = zeroblob(32) WHERE seq = 4",
        "UPDATE pruned SET by_seq = by_seq - 1 WHERE seq = 4",
        "UPDATE pruned SET by_seq = 0 WHERE seq = 4",
        "INSERT INTO pruned SELECT seq, hash, (SELECT max(by_seq) FROM pruned) FROM leaf "
        "WHERE type = 'question.received' LIMIT 1",
        "DROP TABLE pruned",
    ],
)
def test_what_is_pruned_must_be_what_a_record_says(copy: Path, statement: str) -> None:
    assert verify_home(copy).state is State.OK
    alter(copy, statement)
    assert verify_home(copy).state is State.TAMPERED


def test_a_record_removed_as_if_by_retention_is_tampering(copy: Path) -> None:
    ((seq,),) = _rows(copy, "SELECT max(seq) FROM leaf WHERE type = 'question.received'")
    alter(
        copy,
        "INSERT INTO pruned SELECT seq, hash, (SELECT max(by_seq) FROM pruned) FROM leaf "
        "WHERE seq = ?",
        f"DELETE FROM payload WHERE seq = {seq}",  # noqa: S608 - a number
        f"DELETE FROM leaf WHERE seq = {seq}",  # noqa: S608 - a number
        values=(seq,),
    )
    report = verify_home(copy)
    assert any("pruned other records than are gone" in finding for finding in report.findings)


def test_a_record_hidden_from_a_filtered_view_is_tampering(copy: Path) -> None:
    # CVE-2023-31437 hid entries from a filtered view. Here the index that a filter by type uses is
    # built without some records: the table holds them, and the filter does not find them.
    whole = "CREATE INDEX leaf_type ON leaf (type)"
    change = "UPDATE sqlite_master SET sql = ? WHERE name = 'leaf_type'"
    _rewrite(copy, change, f"{whole} WHERE type <> 'question.received'")
    alter(copy, "REINDEX leaf_type")
    _rewrite(copy, change, whole)
    assert _rows(copy, "SELECT seq FROM leaf WHERE type = 'question.received'") == []
    report = verify_home(copy)
    assert report.state is State.TAMPERED
    assert "missing from index leaf_type" in report.findings[0]


def _rewrite(home: Path, statement: str, value: str) -> None:
    connection = sqlite3.connect(home / "audit" / "log.db", isolation_level=None)
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute(statement, (value,))
    connection.close()


def test_resuming_after_a_truncation_is_seen_with_an_old_checkpoint(home: Path) -> None:
    # CVE-2023-31438: cut off the end, and let the writer itself go on and seal.
    with open_test_log(home) as log:
        log.append_many([question(number) for number in range(3)])
        log.seal()
        log.append_many([question(number) for number in range(3, 6)])
        anchored = log.seal().encode()
    alter(
        home,
        "DELETE FROM payload WHERE seq >= 5",
        "DELETE FROM leaf WHERE seq >= 5",
        "DELETE FROM node WHERE ((position + 1) << level) > 5",
        "DELETE FROM checkpoint WHERE size > 5",
    )
    (home / "audit" / "checkpoints" / "latest.note").unlink()
    with open_test_log(home) as log:
        log.append_many([question(number) for number in range(9)])
    assert verify_home(home).state is State.OK  # nothing in the log itself can tell
    report = verify_home(home, anchored)
    assert report.state is State.TAMPERED
    assert any("another root than the first 9 records" in finding for finding in report.findings)


def test_a_flipped_bit_in_unused_space_of_a_closed_file_is_tampering(
    rotated: Path, tmp_path: Path
) -> None:
    home = copy_home(rotated, tmp_path / "copy")
    path = home / "audit" / "log.db"
    raw = bytearray(path.read_bytes())
    assert raw[90] == 0  # reserved for expansion, by SQLite's file format
    raw[90] ^= 1
    path.write_bytes(raw)
    report = verify_home(home)
    assert report.findings == (
        "the database file is not the one that was signed when the log was closed",
    )
    closed_path(home / "audit").unlink()
    assert verify_home(home).state is State.OK
    closed_path(home / "audit").write_bytes(_note(home, 2)[1])  # a checkpoint is no such note
    assert verify_home(home).state is State.TAMPERED


def test_nothing_is_called_altered_while_or_after_the_log_is_open(home: Path) -> None:
    with open_test_log(home) as log:
        log.append(question())
        assert not closed_path(home / "audit").exists()
        assert verify_home(home).state is State.UNSEALED_TAIL
    assert closed_path(home / "audit").exists()
    assert verify_home(home).state is State.OK


def _fifo(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def _loop(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(path)


@pytest.mark.parametrize("name", ["log.db", "log.db-wal", "checkpoints/latest.note"])
@pytest.mark.parametrize("make", [_fifo, _folder, _loop])
def test_a_file_that_is_no_file_is_one_sentence(
    copy: Path, make: Callable[[Path], None], name: str
) -> None:
    make(copy / "audit" / name)
    with pytest.raises((LogMissingError, LogUnreadableError)) as caught:
        verify_home(copy)
    assert len(str(caught.value).splitlines()) == 1


def test_a_symbolic_link_to_the_database_is_followed_to_its_wal(home: Path, tmp_path: Path) -> None:
    with open_test_log(home) as log:
        log.append(question())
        linked = tmp_path / "linked"
        linked.mkdir()
        (linked / "log.db").symlink_to(home / "audit" / "log.db")
        report = verify_log(linked, _keys(home))
    assert (report.state, report.records) == (State.UNSEALED_TAIL, 3)


def test_a_payload_that_is_read_in_pieces(home: Path) -> None:
    with open_test_log(home) as log:
        log.append(Event("answer.released", ANN, {}, {"text": "x" * 3_000_000}))
    assert verify_home(home).state is State.OK
    alter(home, "UPDATE payload SET stored = zeroblob(length(stored))")
    closed_path(home / "audit").unlink()
    assert verify_home(home).findings == ("record 2: its payload is not the one that was recorded",)


def test_a_log_without_a_first_record_of_its_own_is_tampering(home: Path) -> None:
    with open_test_log(home):
        pass
    keys = _keys(home)
    path = home / "audit" / "log.db"
    ((log_id,),) = _rows(home, "SELECT value FROM meta")
    path.unlink()
    store = LogStore(path, busy_timeout_ms=1000)
    with store.transaction():
        store.create({"log_id": str(log_id)})
    store.close()
    closed_path(home / "audit").unlink()
    (home / "audit" / "checkpoints" / "latest.note").unlink()
    assert verify_log(home / "audit", keys).state is State.OK  # begun, and nothing recorded yet
    with open_test_log(home) as log:
        log.append(question())
    alter(home, "UPDATE leaf SET type = 'log.opened' WHERE seq = 0")
    report = verify_home(home)
    assert report.state is State.TAMPERED


@pytest.fixture(scope="module")
def long_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log over several ranges, of which the second begins with a pruned record."""
    home = tmp_path_factory.mktemp("long") / "home"
    with days_ago(9), open_test_log(home, limits=Limits(seal_records=700)) as log:
        for _ in range(19):
            log.append_many([question(number, payload=number % 50 == 0) for number in range(500)])
        log.seal()
    with open_test_log(home) as log:
        log.prune(range(4090, 4100), PRUNED)
    return home


_BREAKS = {
    "clean": (),
    "in the first range": ("UPDATE leaf SET session = 'x' WHERE seq = 77",),
    "the link across a border": (
        "UPDATE leaf SET envelope = CAST(replace(CAST(envelope AS TEXT), "
        '\'"prev_leaf_hash":"\', \'"prev_leaf_hash":"0\') AS BLOB) WHERE seq = 8192',
    ),
    "a range is gone": ("DELETE FROM leaf WHERE seq BETWEEN 4096 AND 8191",),
    "many": ("UPDATE leaf SET session = 'x' WHERE seq % 1000 = 0", "DELETE FROM node"),
    "an upper node": ("UPDATE node SET hash = zeroblob(32) WHERE level = 13",),
    "an index": ("PRAGMA writable_schema = 1", "REINDEX"),
}


@pytest.mark.slow
@pytest.mark.parametrize("statements", _BREAKS.values(), ids=_BREAKS)
def test_the_outcome_does_not_depend_on_the_number_of_processes(
    long_log: Path, tmp_path: Path, statements: tuple[str, ...]
) -> None:
    home = copy_home(long_log, tmp_path / "copy")
    if statements:
        alter(home, *statements)
        closed_path(home / "audit").unlink()

    def verified(processes: int) -> Report:
        return verify_log(home / "audit", _keys(home), processes=processes)

    alone, several = verified(1), verified(2)
    assert alone == several
    assert (alone.state is State.OK) == (not statements or "REINDEX" in statements)


@pytest.mark.slow
def test_without_workers_the_caller_does_it_all(
    long_log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = verify_log(long_log / "audit", _keys(long_log), processes=1)
    for executable in ("", "/nowhere/python", "/bin/false", "/bin/cat"):
        monkeypatch.setattr(sys, "executable", executable)
        assert verify_log(long_log / "audit", _keys(long_log), processes=2) == expected


@pytest.mark.slow
def test_a_program_without_a_guarded_main_module_may_use_processes(
    long_log: Path, tmp_path: Path
) -> None:
    script = tmp_path / "plain.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\n"
        "from audit.keys import read_verifier_keys\nfrom audit.verify import verify_log\n"
        "folder = Path(sys.argv[1])\n"
        "print(verify_log(folder, read_verifier_keys(folder / 'keys'), processes=2).headline())\n"
    )
    done = subprocess.run(
        [sys.executable, str(script), str(long_log / "audit")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    assert (done.stdout, done.stderr) == ("OK\n", "")


def test_every_failure_is_one_of_ours(copy: Path) -> None:
    path = copy / "audit" / "log.db"
    raw = path.read_bytes()
    for cut in (0, 1, 50, 100, 4096, 4097, len(raw) // 2, len(raw) - 1):
        path.write_bytes(raw[:cut])
        try:
            assert verify_home(copy).state is State.TAMPERED
        except AuditError as error:
            assert len(str(error).splitlines()) == 1


def test_a_first_opening_cut_short_is_no_log_yet_and_an_emptied_one_is(home: Path) -> None:
    database = home / "audit" / "log.db"
    database.parent.mkdir(parents=True)
    sqlite3.connect(database).execute("PRAGMA journal_mode=WAL").connection.close()
    with pytest.raises(LogMissingError):
        verify_log(database.parent, ())
    key = VerifierKey("cloister.invalid/log/x", bytes(32))
    assert verify_log(database.parent, [key]).state is State.TAMPERED
