"""Somebody interrupts a commit, or another process writes at the very moment in between."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from audit.errors import LogLockedError
from audit.keystore import Keystore
from audit.store import LogStore
from tests.audit.standins import open_test_log, question


class _Interrupted:
    """A connection whose next BEGIN is followed by Ctrl+C."""

    def __init__(self, real: sqlite3.Connection) -> None:
        self._real, self._left = real, 1

    def execute(self, sql: str, *rest: Any) -> Any:
        done = self._real.execute(sql, *rest)
        if sql.startswith("BEGIN") and self._left:
            self._left = 0
            raise KeyboardInterrupt
        return done

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def test_an_interruption_right_after_begin_leaves_no_transaction_open(home: Path) -> None:
    with open_test_log(home) as log:
        store = log._parts.store
        store._connection = _Interrupted(store._connection)  # type: ignore[assignment]
        size = log.size()
        with pytest.raises(KeyboardInterrupt):
            log.append(question(1))
        assert log.append(question(2)).seq == size
        with open_test_log(home) as other:  # nor is anybody else locked out
            other.append(question(3))


def test_opening_while_another_process_seals_is_no_damage(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between counting the records and reading the newest checkpoint there may be more of both."""
    with open_test_log(home) as writer:
        writer.append(question(0))
        own, real, left = writer._parts.store, LogStore.size, 6

        def counted(store: LogStore) -> int:
            nonlocal left
            found = real(store)
            # Once it holds the write lock nobody else can come in between.
            if store is not own and left and not store._connection.in_transaction:
                left -= 1
                writer.append(question(left))
                writer.seal()
            return found

        monkeypatch.setattr(LogStore, "size", counted)
        with open_test_log(home) as late:
            late.append(question(9))
        assert left < 5


class _Busy:
    """A connection that finds another process emptying the WAL, so many times."""

    def __init__(self, real: sqlite3.Connection, times: int) -> None:
        self._real, self._times = real, times

    def execute(self, sql: str, *rest: Any) -> Any:
        if sql.startswith("PRAGMA wal_checkpoint") and self._times:
            self._times -= 1
            return self._real.execute("SELECT 1, 0, 0")
        return self._real.execute(sql, *rest)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def test_another_process_that_destroys_keys_is_waited_for(tmp_path: Path) -> None:
    keystore = Keystore(tmp_path / "keystore.db", busy_timeout_ms=200)
    real = keystore._connection
    key_id, key = keystore.take()
    keystore._connection = _Busy(real, 3)  # type: ignore[assignment]
    assert keystore.destroy([key_id]) == 1
    assert all(key not in path.read_bytes() for path in tmp_path.iterdir())
    keystore._connection = _Busy(real, 1_000_000)  # type: ignore[assignment]
    with pytest.raises(LogLockedError):  # not for ever
        keystore.destroy([keystore.take()[0]])
    keystore.close()
