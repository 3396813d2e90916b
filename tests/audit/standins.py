"""What the tests of the log share: a log in a folder, somebody who alters it, a naive tree."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from audit.envelope import Moment
from audit.keys import read_verifier_keys
from audit.log import Limits, Log
from audit.record import Actor, Event
from audit.report import Report
from audit.verify import verify_log

ANN = Actor(kind="person", id="ann", auth="local-user", groups=("local",), client="test")

PRUNED = Event("retention.pruned", ANN, {"profiles": ["test=1d"]})
"""The record of a pruning of what was written some `days_ago`."""


@contextmanager
def days_ago(days: float) -> Iterator[None]:
    """Let what is recorded meanwhile be so many days old."""
    now = Moment.now

    def earlier(_: type[Moment]) -> Moment:
        moment = now()
        return Moment(moment.ts_utc - round(days * 86_400 * 10**9), moment.mono_ns)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Moment, "now", classmethod(earlier))
        yield


def open_test_log(home: Path, *, limits: Limits | None = None) -> Log:
    """The log of `home`, without settings."""
    return Log(home / "audit", build="test 1", process="pytest", limits=limits or Limits())


def question(number: int = 0, *, payload: bool = True) -> Event:
    """An event with a field, and a payload unless told otherwise."""
    return Event(
        "question.received",
        ANN,
        {"number": number},
        {"question": f"What is rule {number}?"} if payload else None,
        session="s1",
        request_id=f"r{number}",
    )


def written_log(home: Path, count: int = 5, *, limits: Limits | None = None) -> list[bytes]:
    """Write `count` questions and close; return the notes of a checkpoint after each."""
    notes = []
    with open_test_log(home, limits=limits) as log:
        for number in range(count):
            log.append(question(number))
            notes.append(log.seal().encode())
    return notes


def verify_home(home: Path, *notes: bytes) -> Report:
    """Verify the log of `home` with its own public keys and the given checkpoints."""
    folder = home / "audit"
    named = [(f"note {number}", note) for number, note in enumerate(notes)]
    return verify_log(folder, read_verifier_keys(folder / "keys"), named)


def alter(home: Path, *statements: str, values: Sequence[object] = ()) -> None:
    """Change the closed log's tables as somebody with the file would, triggers removed first.

    `values` go with the first statement.
    """
    connection = sqlite3.connect(home / "audit" / "log.db", isolation_level=None)
    try:
        for (name,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        for number, statement in enumerate(statements):
            connection.execute(statement, tuple(values) if number == 0 else ())
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()


def copy_home(home: Path, target: Path) -> Path:
    """A copy of the whole data folder."""
    shutil.copytree(home, target)
    return target


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word, from the leaves' data."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(
        b"\x01" + naive_root(leaves[:split]) + naive_root(leaves[split:])
    ).digest()
