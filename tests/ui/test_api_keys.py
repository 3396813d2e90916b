"""The file of API keys, and the records of refused ones."""

from __future__ import annotations

import json
import multiprocessing
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.ui.standins import BrokenLog, FullDisk, MemoryLog
from ui.api_keys import FILE, PREFIX, ApiKey, Found, KeyFile, KeysUnusable
from ui.api_refusals import MOST_CLIENTS, SECONDS, Refusals
from ui.errors import UsageError


class Clock:
    """A time that stands until it is moved."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def passes(self, **spans: float) -> None:
        self.moment += timedelta(**spans)


def nothing(key: ApiKey) -> None: ...


def made(home: Path, user: str = "anna", **values: object) -> tuple[ApiKey, str]:
    return KeyFile(home).add(user, ["local"], nothing, **values)  # type: ignore[arg-type]


def test_a_key_opens_what_it_was_made_for(home: Path) -> None:
    key, secret = KeyFile(home).add("anna", ["legal", "audit", "legal"], nothing, note="intranet")
    assert secret.startswith(PREFIX)
    assert len(secret) == len(PREFIX) + 43  # 256 bits in base64url
    found = KeyFile(home).find(secret)
    assert found == Found(replace(key), None)
    assert found.key is not None and found.key.groups == ("audit", "legal")


def test_the_secret_is_written_nowhere(home: Path) -> None:
    _, secret = made(home)
    for path in home.rglob("*"):
        assert secret.encode() not in path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert secret not in repr(KeyFile(home).find(secret))
    assert json.loads((home / FILE).read_text())["format"] == 1


@pytest.mark.parametrize(
    "secret", ["", "clst_", "clst_" + "A" * 43, "schlüssel", "\ud800", "x" * 9999]
)
def test_another_secret_opens_nothing(home: Path, secret: str) -> None:
    made(home)
    found = KeyFile(home).find(secret)
    assert found.key is None
    assert found.refusal == ("unknown" if secret else "missing")


def test_a_key_holds_until_it_expires(home: Path) -> None:
    clock = Clock()
    keys = KeyFile(home, clock)
    _, secret = keys.add("anna", ["local"], nothing, days=2)
    clock.passes(days=2, seconds=-1)
    assert keys.find(secret).refusal is None
    clock.passes(seconds=1)
    assert keys.find(secret).refusal == "expired"


def test_a_revocation_holds_at_once_in_every_open_file(home: Path) -> None:
    server, terminal = KeyFile(home), KeyFile(home)
    key, secret = terminal.add("anna", ["local"], nothing)
    for _ in range(100):  # many changes within one tick of the file system's clock
        extra, other = terminal.add("bert", ["local"], nothing)
        assert server.find(other).refusal is None
        terminal.revoke(extra.id, nothing)
        assert server.find(other).refusal == "revoked"
    assert server.find(secret).refusal is None
    terminal.revoke(key.id, nothing)
    assert server.find(secret).refusal == "revoked"


def test_a_clock_that_is_too_coarse_hides_no_change(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, secret = made(home)
    monkeypatch.setattr("ui.api_keys._signature", lambda status: (1,))  # as if within one tick
    server = KeyFile(home)
    assert server.find(secret).refusal is None
    KeyFile(home).revoke(key.id, nothing)
    assert server.find(secret).refusal == "revoked"


def test_a_settled_file_is_not_read_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, secret = made(home)
    os.utime(home / FILE, (1_000_000_000, 1_000_000_000))
    server = KeyFile(home)
    assert server.find(secret).key is not None
    monkeypatch.setattr("ui.api_keys._read", lambda path: pytest.fail("it was read again"))
    assert server.find(secret).key is not None


def test_what_cannot_be_recorded_does_not_happen(home: Path) -> None:
    def refuse(key: ApiKey) -> None:
        raise FullDisk("The disk is full.")

    keys = KeyFile(home)
    with pytest.raises(FullDisk):
        keys.add("anna", ["local"], refuse)
    assert not (home / FILE).exists()
    key, secret = made(home)
    with pytest.raises(FullDisk):
        keys.revoke(key.id, refuse)
    assert keys.find(secret).refusal is None


def test_the_record_is_made_before_the_change(home: Path) -> None:
    keys = KeyFile(home)
    seen: list[int] = []

    def look(key: ApiKey) -> None:
        seen.append(len(KeyFile(home).every()) if (home / FILE).exists() else 0)

    key, _ = keys.add("anna", ["local"], look)
    keys.add("bert", ["local"], look)
    assert seen == [0, 1]
    with pytest.raises(UsageError, match="no key"):
        keys.revoke("00000000", look)
    keys.revoke(key.id, nothing)
    with pytest.raises(UsageError, match="before"):
        keys.revoke(key.id, look)
    assert seen == [0, 1]


@pytest.mark.parametrize("name", ["", " ", " anna", "a\nb", "a\x1b[2J", "a\u202eb", "x" * 129])
def test_names_that_could_deceive_are_refused(home: Path, name: str) -> None:
    with pytest.raises(UsageError):
        KeyFile(home).add(name, ["local"], nothing)
    with pytest.raises(UsageError):
        KeyFile(home).add("anna", [name], nothing)


def damage(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "harm",
    [
        damage(""), damage("{"), damage("[]"), damage('{"format": 2, "keys": []}'),
        damage('{"format": 1}'), damage('{"format": 1, "keys": [{}]}'), damage("[" * 100_000),
        damage('{"format": 1, "keys": [3]}'),
        lambda path: path.chmod(0o644), lambda path: path.chmod(0o660),
        lambda path: (path.rename(path.with_name("x")), path.symlink_to("x")),
        lambda path: (path.unlink(), path.mkdir()),
        pipe,
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_trusted_opens_nothing(
    home: Path, harm: Callable[[Path], object]
) -> None:
    _, secret = made(home)
    server = KeyFile(home)
    assert server.find(secret).key is not None
    harm(home / FILE)
    with pytest.raises(KeysUnusable, match="put that right"):
        server.find(secret)


def test_a_field_of_another_kind_is_damage(home: Path) -> None:
    _, secret = made(home)
    path = home / FILE
    whole = json.loads(path.read_text())
    for name in whole["keys"][0]:
        broken = json.loads(json.dumps(whole))
        broken["keys"][0][name] = 7
        path.write_text(json.dumps(broken))
        with pytest.raises(KeysUnusable):
            KeyFile(home).find(secret)


def test_the_day_of_the_last_use_is_kept_once_a_day(home: Path) -> None:
    clock = Clock()
    keys = KeyFile(home, clock)
    key, secret = keys.add("anna", ["local"], nothing)
    keys.use(key)
    first = (home / FILE).stat().st_ino
    used = keys.find(secret).key
    assert used is not None and used.last_used == "2026-03-01"
    keys.use(used)
    assert (home / FILE).stat().st_ino == first
    clock.passes(days=1)
    keys.use(used)
    assert [each.last_used for each in keys.every()] == ["2026-03-02"]


def test_a_use_never_undoes_a_revocation(home: Path) -> None:
    keys = KeyFile(home)
    key, secret = keys.add("anna", ["local"], nothing)
    KeyFile(home).revoke(key.id, nothing)
    keys.use(key)  # of a request that began before
    assert keys.find(secret).refusal == "revoked"


def add_many(home: str, user: str) -> None:
    for _ in range(10):
        KeyFile(Path(home)).add(user, ["local"], nothing)


def test_processes_that_add_at_once_lose_nothing(home: Path) -> None:
    context = multiprocessing.get_context("fork")
    makers = [context.Process(target=add_many, args=(str(home), f"user-{n}")) for n in range(4)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    keys = KeyFile(home).every()
    assert len(keys) == len({key.id for key in keys}) == 40
    assert not list(home.glob(f".{FILE}*"))


class Seconds:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


UNKNOWN = Found(None, "unknown")


def test_a_scanner_makes_one_record_a_minute_with_a_count() -> None:
    log, clock = MemoryLog(), Seconds()
    refusals = Refusals(log.append, clock)
    for _ in range(10_000):
        refusals.note("10.0.0.9", UNKNOWN)
        clock.now += 0.01  # a hundred seconds in all
    refusals.flush(ended=True)
    counts = [event.fields["count"] for event in log.events]
    assert counts[0] == 1
    assert sum(int(str(count)) for count in counts) == 10_000
    assert len(counts) == 3  # at once, after the first minute, at the end
    assert {event.type for event in log.events} == {"key.refused"}
    assert {event.actor.client for event in log.events} == {"10.0.0.9"}


def test_every_refusal_is_counted_also_of_a_client_that_never_comes_back() -> None:
    log, clock = MemoryLog(), Seconds()
    refusals = Refusals(log.append, clock)
    refusals.note("10.0.0.9", UNKNOWN)
    refusals.note("10.0.0.9", Found(None, "missing"))
    refusals.flush()
    assert len(log.events) == 1
    clock.now += SECONDS
    refusals.flush()
    assert [event.fields["count"] for event in log.events] == [1, 1]
    assert log.events[1].fields["missing"] == 1
    clock.now += SECONDS
    refusals.flush()
    assert len(log.events) == 2


def test_many_addresses_share_a_record() -> None:
    log, clock = MemoryLog(), Seconds()
    refusals = Refusals(log.append, clock)
    for number in range(1000):
        refusals.note(f"127.0.{number // 250}.{number % 250}", UNKNOWN)
    assert len(log.events) == MOST_CLIENTS + 1
    refusals.flush(ended=True)
    assert sum(int(str(event.fields["count"])) for event in log.events) == 1000


def test_the_record_names_the_key_and_why_never_the_secret(home: Path) -> None:
    log = MemoryLog()
    key, secret = made(home)
    KeyFile(home).revoke(key.id, nothing)
    Refusals(log.append).note("10.0.0.9", KeyFile(home).find(secret))
    assert log.events[0].fields == {"count": 1, "revoked": 1, "keys": [key.id]}
    assert secret not in repr(log.events)


def test_a_count_that_cannot_be_recorded_is_kept() -> None:
    clock = Seconds()
    log = MemoryLog()
    broken = [True]

    def append(event: object) -> object:
        return BrokenLog().append(event) if broken[0] else log.append(event)  # type: ignore[arg-type]

    refusals = Refusals(append, clock)
    with pytest.raises(FullDisk):
        refusals.note("10.0.0.9", UNKNOWN)
    broken[0] = False
    clock.now += SECONDS
    refusals.note("10.0.0.9", UNKNOWN)
    refusals.flush(ended=True)
    assert [event.fields["count"] for event in log.events] == [1, 1]
