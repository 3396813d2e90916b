"""Fail closed: every way the log can be unable to record is one AuditError with one sentence."""

from __future__ import annotations

import inspect
import sqlite3
from pathlib import Path

import pytest

from audit import errors, errors_duties
from audit.database import explain
from audit.errors import (
    AuditError,
    DiskFaultError,
    DiskFullError,
    LogClosedError,
    LogCorruptError,
    LogIncompleteError,
    LogLockedError,
    LogUnwritableError,
    PayloadDamagedError,
    PayloadKeyLostError,
    SealFailedError,
)
from audit.log import Limits, Log
from audit.report import State
from tests.audit.standins import alter, open_test_log, question, verify_home, written_log

_PATH = Path("some") / "log.db"


def _sqlite_error(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("stand-in")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (sqlite3.SQLITE_BUSY, LogLockedError),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, LogLockedError),
        (sqlite3.SQLITE_FULL, DiskFullError),
        (sqlite3.SQLITE_READONLY_DBMOVED, LogUnwritableError),
        (sqlite3.SQLITE_CANTOPEN, LogUnwritableError),
        (sqlite3.SQLITE_CORRUPT, LogCorruptError),
        (sqlite3.SQLITE_NOTADB, LogCorruptError),
        (sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, LogCorruptError),
        (sqlite3.SQLITE_IOERR_FSYNC, DiskFaultError),
        (sqlite3.SQLITE_NOMEM, DiskFaultError),
    ],
)
def test_every_sqlite_failure_has_a_meaning(code: int, expected: type[AuditError]) -> None:
    explained = explain(_sqlite_error(code), _PATH)
    assert type(explained) is expected
    assert explained.exit_code == 7


def test_a_closed_connection_means_a_closed_log() -> None:
    assert isinstance(explain(sqlite3.ProgrammingError("closed"), _PATH), LogClosedError)
    assert isinstance(explain(sqlite3.OperationalError("?"), _PATH), DiskFaultError)


def test_errors_are_one_family_of_their_own_with_stable_codes() -> None:
    assert AuditError.__bases__ == (Exception,)
    members = [
        member
        for module in (errors, errors_duties)
        for _, member in inspect.getmembers(module, inspect.isclass)
        if member.__module__ == module.__name__
    ]
    assert len(members) > 15
    for member in members:
        assert issubclass(member, AuditError)
        assert member.exit_code in (2, 3, 4, 7)
        assert member.__doc__


def _limit_pages(log: Log, extra: int) -> None:
    """A full disk: SQLite may not grow its file by more than `extra` pages."""
    connection = log._parts.store._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count={pages + extra}")


def test_a_full_disk_stops_recording_and_loses_nothing(home: Path) -> None:
    with open_test_log(home) as log:
        first = log.append(question(1))
        _limit_pages(log, 2)
        recorded = [first]
        with pytest.raises(DiskFullError, match=r"full, so nothing can be recorded; free some"):
            for number in range(2, 100):
                recorded.append(log.append(question(number)))
        assert log.size() == recorded[-1].seq + 1
        _limit_pages(log, 10_000)  # space was freed
        again = log.append(question(100))
        assert again.seq == recorded[-1].seq + 1
        assert log.read_payload(first.seq) == {"question": "What is rule 1?"}
    assert verify_home(home).state is State.OK


def test_closing_on_a_full_disk_says_so_and_the_next_opening_recovers(home: Path) -> None:
    log = open_test_log(home)
    log.append(question())
    log._parts.store._connection.execute("PRAGMA query_only=ON")
    with pytest.raises(LogUnwritableError):
        log.close()
    with pytest.raises(LogClosedError):
        log.append(question())
    with open_test_log(home) as log:
        assert log.recovered
    assert verify_home(home).state is State.OK


def test_a_failing_block_is_not_hidden_by_closing(home: Path) -> None:
    with pytest.raises(ValueError, match="the caller's own"), open_test_log(home):
        raise ValueError("the caller's own")
    assert verify_home(home).state is State.OK


def test_a_locked_log_is_named_after_the_timeout(home: Path) -> None:
    with open_test_log(home, limits=Limits(busy_timeout_ms=50)) as log:
        other = sqlite3.connect(home / "audit" / "log.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LogLockedError, match="Another process"):
            log.append(question())
        other.execute("ROLLBACK")
        other.close()
        assert log.append(question()).seq == 2


def test_a_read_only_database_is_named(home: Path) -> None:
    with open_test_log(home) as log:
        log._parts.store._connection.execute("PRAGMA query_only=ON")
        with pytest.raises(LogUnwritableError, match="cannot be written"):
            log.append(question())
        log._parts.store._connection.execute("PRAGMA query_only=OFF")


def test_a_folder_that_cannot_be_made_is_named(home: Path) -> None:
    (home / "audit").write_text("a file where the folder should be")
    with pytest.raises(LogUnwritableError, match="cannot be written"):
        open_test_log(home)


def test_a_folder_without_permission_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(LogUnwritableError, match="Permission denied"):
        open_test_log(home)


@pytest.mark.parametrize("part", ["log.db", "keystore.db", "keys/epoch-1.key"])
def test_a_missing_part_of_an_existing_log_is_not_replaced(home: Path, part: str) -> None:
    written_log(home)
    (home / "audit" / part).unlink()
    with pytest.raises(LogIncompleteError, match=part):
        open_test_log(home)
    assert not (home / "audit" / part).exists()


def test_an_emptied_database_is_refused(home: Path) -> None:
    written_log(home)
    (home / "audit" / "log.db").write_bytes(b"")
    with pytest.raises(LogCorruptError, match="holds no log"):
        open_test_log(home)


def test_a_file_that_is_no_database_is_refused(home: Path) -> None:
    written_log(home)
    (home / "audit" / "log.db").write_bytes(b"no database" * 1000)
    with pytest.raises(LogCorruptError, match="damaged or was altered"):
        open_test_log(home)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE leaf SET envelope = CAST('{}' AS BLOB) WHERE seq = 12",
        "DELETE FROM leaf WHERE seq > 5",
        "UPDATE node SET hash = zeroblob(32)",
        "DELETE FROM node",
        "UPDATE checkpoint SET note = 'x'",
    ],
)
def test_a_log_that_contradicts_itself_is_not_continued(home: Path, statement: str) -> None:
    written_log(home)
    alter(home, statement)
    with pytest.raises(LogCorruptError):
        open_test_log(home)


def test_records_cut_off_while_it_is_open_stop_the_log(home: Path) -> None:
    with open_test_log(home) as log:
        log.append_many([question(number) for number in range(4)])
        alter(home, "DELETE FROM leaf WHERE seq > 3")
        with pytest.raises(LogCorruptError, match="6 records were written and 4 are left"):
            log.append(question())
        with pytest.raises(LogCorruptError):
            log.close()


def test_a_background_seal_that_fails_is_told_to_the_next_caller(home: Path) -> None:
    with open_test_log(home) as log:
        log.append(question())
        log._parts.store._connection.execute("PRAGMA query_only=ON")
        log._seal_on_time()
        log._parts.store._connection.execute("PRAGMA query_only=OFF")
        with pytest.raises(SealFailedError, match="could not be made"):
            log.append(question())
        log.append(question())
    assert verify_home(home).state is State.OK


def test_a_checkpoint_that_cannot_be_written_is_told(home: Path) -> None:
    with open_test_log(home) as log:
        (home / "audit" / "checkpoints").write_text("in the way")
        with pytest.raises(LogUnwritableError):
            log.seal()
        (home / "audit" / "checkpoints").unlink()


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE leaf SET envelope = CAST('not JSON' AS BLOB) WHERE seq = 2", PayloadDamagedError),
        ("UPDATE leaf SET envelope = CAST('{}' AS BLOB) WHERE seq = 2", PayloadDamagedError),
        ("UPDATE payload SET stored = x'00' WHERE seq = 2", PayloadDamagedError),
        ("DELETE FROM payload WHERE seq = 2", PayloadDamagedError),
    ],
)
def test_reading_an_altered_record_is_refused(
    home: Path, statement: str, expected: type[AuditError]
) -> None:
    written_log(home)
    alter(home, statement)
    with open_test_log(home) as log, pytest.raises(expected):
        log.read_payload(2)


def test_a_lost_keystore_entry_is_told_from_an_erased_one(home: Path) -> None:
    written_log(home)
    connection = sqlite3.connect(home / "audit" / "keystore.db")
    with connection:
        connection.execute("DELETE FROM payload_key")
    connection.close()
    with open_test_log(home) as log, pytest.raises(PayloadKeyLostError, match="restore"):
        log.read_payload(2)


def test_rows_of_another_type_are_refused(home: Path) -> None:
    written_log(home)
    alter(
        home,
        "ALTER TABLE leaf RENAME TO strict_leaf",
        "CREATE TABLE leaf AS SELECT seq, event_id, type, ts_utc, session, request_id, "
        "hex(hash) AS hash, envelope FROM strict_leaf",
    )
    with pytest.raises(LogCorruptError):
        open_test_log(home)
    assert verify_home(home).state is State.TAMPERED


def test_rows_cannot_be_changed_by_accident(home: Path) -> None:
    with open_test_log(home) as log:
        for table in ("meta", "leaf", "payload", "node", "checkpoint"):
            log.append(question())
            log.seal()
            with pytest.raises(sqlite3.IntegrityError, match="only grows"):
                log._parts.store._connection.execute(f"DELETE FROM {table}")  # noqa: S608 - constants
