"""Retention: periods, what is past them, what stays whatever its age, and what a run leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import holds, review
from audit.daemon import Daemon, Grant
from audit.errors import LogLockedError, SettingsError
from audit.errors_duties import HoldRefusedError, RetentionRefusedError
from audit.export import verify_export
from audit.held import document_held
from audit.holds import WHOLE_LOG, Scope
from audit.log import Limits, Log
from audit.merkle import inclusion_proof, verify_inclusion
from audit.periods import BUILT_IN, Period, last_day, parse_period, parse_profiles
from audit.pruning import PROTECTED
from audit.record import Actor, Event
from audit.remote import RemoteLog
from audit.report import State
from audit.retaining import look_ahead, run, stretches
from audit.retention import DAY_NS, Reading, day_of, doubt, settled_size
from audit.runs import setup_lock
from audit.store import Filter
from tests.audit.clocks import Clock, set_clock
from tests.audit.standins import ANN, open_test_log, verify_home

BEN = Actor("person", "ben", "session")
DOCUMENT = "d" * 64
KEEP = parse_profiles("own=30d", "test")
LIMITS = Limits(rotate_days=0)
SECRET = "mind the gap"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return set_clock(monkeypatch, Clock())


@pytest.fixture
def log(home: Path, clock: Clock) -> Iterator[Log]:
    with open_test_log(home, limits=LIMITS) as opened:
        yield opened


def _asked(log: Log, request: str, person: str = "eve", **fields: object) -> list[int]:
    actor = Actor("person", person, "session")
    return [
        record.seq
        for record in log.append_many(
            [
                Event("question.received", actor, {}, {"question": SECRET}, "", request),
                Event("answer.released", actor, fields, {"answer": SECRET}, "", request),  # type: ignore[arg-type]
            ]
        )
    ]


def _later(log: Log, clock: Clock, days: float) -> None:
    """The log goes on being used, and is sealed."""
    clock.pass_days(days)
    log.append(Event("step.done", Actor("service", "x")))
    log.seal()


def _left(log: Log) -> set[int]:
    return {leaf.seq for leaf in log.scan()}


# Periods


@pytest.mark.parametrize(
    ("text", "day", "last"),
    [
        ("1d", "2024-02-28", "2024-02-29"),
        ("2w", "2023-12-25", "2024-01-08"),
        ("1m", "2024-01-31", "2024-02-29"),
        ("1m", "2023-01-31", "2023-02-28"),
        ("1y", "2024-02-29", "2025-02-28"),
        ("4y", "2024-02-29", "2028-02-29"),
        ("6y", "2020-01-01", "2026-01-01"),
        ("12m", "2023-12-31", "2024-12-31"),
        ("99999y", "2024-01-01", "9999-12-31"),
        ("99999d", "9999-01-01", "9999-12-31"),
    ],
)
def test_periods_go_by_the_calendar(text: str, day: str, last: str) -> None:
    assert parse_period(text, "test").last_day(date.fromisoformat(day)).isoformat() == last


@given(
    st.dates(date(1990, 1, 1), date(2200, 1, 1)),
    st.integers(1, 400),
    st.sampled_from("dwmy"),
)
def test_a_later_day_is_never_kept_for_less_long(day: date, count: int, unit: str) -> None:
    period = Period(count, unit)
    assert day < period.last_day(day) <= period.last_day(day + timedelta(days=1))


def test_six_months_are_sometimes_more_than_183_days() -> None:
    ai_act = parse_profiles("ai-act", "test")
    assert last_day(ai_act, date(2025, 3, 15)) - date(2025, 3, 15) == timedelta(days=184)
    # One that is named with a shorter period of its own keeps what its clause demands.
    both = parse_profiles("ai-act=183d", "test")
    assert [str(each) for each in both] == ["ai-act=6m", "ai-act=183d"]
    assert last_day(both, date(2025, 3, 15)) == date(2025, 9, 15)
    assert last_day(both, date(2025, 1, 15)) == date(2025, 7, 17)


def test_the_longest_profile_wins_and_none_keeps_for_ever() -> None:
    chosen = parse_profiles(" hipaa, ai-act ,clients=10y", "test")
    assert last_day(chosen, date(2020, 5, 1)) == date(2030, 5, 1)
    assert last_day((), date(2020, 5, 1)) == date.max
    assert {each.name for each in BUILT_IN} == {"hipaa", "ai-act", "sec-17a-4"}
    assert parse_profiles("", "test") == ()


@pytest.mark.parametrize("text", ["own", "own=", "own=0d", "own=-1d", "own=1.5y", "a b=1y", "=1y"])
def test_a_period_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        parse_profiles(text, "the setting")


# The clock


def _hours(*values: float) -> list[int]:
    return [round(value * 3600 * 1_000_000_000) for value in values]


def _reading(day: float, ran_hours: float, boot: str = "a") -> Reading:
    return Reading(round((18_000 + day) * DAY_NS), _hours(ran_hours)[0], boot)


@pytest.mark.parametrize(
    ("now", "before", "why"),
    [
        (_reading(1, 24), [_reading(0, 0)], ""),
        (_reading(1, 24), [_reading(2, 23)], "the newest record is of"),
        (_reading(2190, 24.1), [_reading(0, 24)], "gone on by 2190 days"),
        # Many small steps: each of two days after ten minutes.
        (
            _reading(100, 0.1 * 50),
            [_reading(100 - 2 * n, 0.1 * (50 - n)) for n in range(1, 50)],
            "gone on by 98 days",
        ),
        # Off for three weeks, and for two months.
        (_reading(21, 0.1, "b"), [_reading(0, 500), _reading(-1, 476)], ""),
        (_reading(60, 0.1, "b"), [_reading(0, 500), _reading(-1, 476)], "gone on by 61 days"),
        # Off for two months, and then in use for a day on the new time.
        (_reading(60, 30, "b"), [_reading(58.9, 1, "b"), _reading(0, 500)], ""),
        (_reading(1, 24), [], ""),
        (_reading(40, 5, ""), [_reading(0, 4, "")], "gone on by 40 days"),
    ],
)
def test_a_clock_that_outran_the_machine_is_doubted(
    now: Reading, before: list[Reading], why: str
) -> None:
    found = doubt(now, before)
    assert found.startswith(f"the clock has {why}" if why.startswith("gone") else why)
    assert bool(found) == bool(why)


def test_setting_the_clock_forward_prunes_nothing(home: Path, log: Log, clock: Clock) -> None:
    _asked(log, "r1")
    _later(log, clock, 1)
    clock.set_by = timedelta(days=365)
    log.append(Event("step.done", Actor("service", "x")))
    log.seal()
    with pytest.raises(RetentionRefusedError, match="has gone on by 366 days"):
        run(log, ANN, KEEP, now=clock.reading())
    assert log.leaves(Filter(type="retention.refused"))
    assert log.pruned() == ()
    clock.set_by = timedelta()
    with pytest.raises(RetentionRefusedError, match="the newest record is of"):
        run(log, ANN, KEEP, now=clock.reading())


def test_what_was_recorded_while_the_clock_was_back_is_not_pruned_early(
    log: Log, clock: Clock
) -> None:
    clock.set_by = timedelta(days=-3650)
    first = _asked(log, "r1")
    clock.set_by = timedelta()
    _asked(log, "r2")
    clock.set_by = timedelta(days=-3650)
    hidden = _asked(log, "r3")
    clock.set_by = timedelta()
    _later(log, clock, 2)
    _later(log, clock, 18)
    plan = look_ahead(log, ANN, KEEP, now=clock.reading())
    assert not {*first, *hidden} & set(plan.prune)
    assert plan.due_next == date(2020, 2, 1)
    _later(log, clock, 20)
    assert set(hidden) <= set(look_ahead(log, ANN, KEEP, now=clock.reading()).prune)


def test_a_last_record_with_the_clock_back_makes_nothing_older(log: Log, clock: Clock) -> None:
    _asked(log, "r1")
    _later(log, clock, 5)
    clock.set_by = timedelta(days=-3650)
    _later(log, clock, 0)
    assert look_ahead(log, ANN, KEEP, now=clock.reading()).prune == ()
    clock.set_by = timedelta()
    plan = look_ahead(log, ANN, KEEP, now=clock.reading())
    assert (plan.prune, plan.due_next) == ((), date(2020, 2, 1))


def test_age_is_judged_from_what_is_sealed_and_anchored(log: Log, clock: Clock) -> None:
    old = _asked(log, "r1")
    size = _seal(log)
    clock.pass_days(40)
    tail = _asked(log, "r2")
    assert settled_size(log, anchoring=False) == size
    plan = look_ahead(log, ANN, KEEP, now=clock.reading())
    assert plan.prune == ()  # the clock says 40 days, the newest checkpoint says none
    log.seal()
    assert settled_size(log, anchoring=True) == 0
    assert look_ahead(log, ANN, KEEP, now=clock.reading(), anchoring=True).prune == ()
    assert set(old) <= set(look_ahead(log, ANN, KEEP, now=clock.reading()).prune)
    anchored = {"size": size, "root": "", "anchor": "folder"}
    log.append(Event("checkpoint.anchored", Actor("system", "x"), anchored))
    log.seal()
    assert settled_size(log, anchoring=False) == size  # the log shows that anchoring was set up
    assert set(tail) & set(look_ahead(log, ANN, KEEP, now=clock.reading()).prune) == set()


def _seal(log: Log) -> int:
    return int(log.seal().split("\n")[1])


# What goes and what stays


def test_whole_requests_go_and_their_proofs_still_hold(
    home: Path, log: Log, clock: Clock, tmp_path: Path
) -> None:
    old = [_asked(log, f"r{n}") for n in range(3)]
    spread = _asked(log, "r9")
    note = log.seal().encode()
    size = int(note.split(b"\n")[1])
    leaf = log.leaf(old[1][0])
    proof = inclusion_proof(log.node, leaf.seq, size)
    exported = tmp_path / "before.jsonl"
    review.export(log, ANN, exported, old[0][0], old[2][1])
    _later(log, clock, 31)
    more = _asked(log, "r9")  # the request goes on
    _later(log, clock, 1)
    done = run(log, BEN, KEEP, now=clock.reading(), batch=2)
    assert {seq for pair in old for seq in pair} <= set(done.plan.prune)
    assert done.plan.kept["request"] == len(spread)
    assert set(spread) | set(more) <= _left(log)
    assert done.pruned == len(done.plan.prune) == len(log.pruned())
    assert len(done.records) > 1
    assert all(leaf.type.startswith(PROTECTED) for leaf in log.range(0, 1))
    root = _root(note)
    verify_inclusion(leaf.hash, leaf.seq, size, proof, root)
    assert inclusion_proof(log.node, leaf.seq, size) == proof
    verify_export(exported, log.trusted_keys)
    log.close()
    assert verify_home(home, note).state is State.OK


def _root(note: bytes) -> bytes:
    import base64

    return base64.b64decode(note.split(b"\n")[2])


def test_nothing_of_a_pruned_record_is_left_in_the_files(
    home: Path, log: Log, clock: Clock
) -> None:
    [first, _] = _asked(log, "r1", "person-to-forget")
    ciphertext = log.stored_payload(first)
    assert ciphertext is not None
    _later(log, clock, 31)
    run(log, BEN, KEEP, now=clock.reading())
    log.close()
    for path in (home / "audit").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"person-to-forget" not in content, path
            assert ciphertext not in content, path


def test_a_hold_is_stronger_than_the_period(home: Path, log: Log, clock: Clock) -> None:
    ours = _asked(log, "r1", citations=[f"{DOCUMENT}:1:0:5"])
    hers = _asked(log, "r2", "fay")
    free = _asked(log, "r3")
    held = holds.place(log, ANN, Scope("document", DOCUMENT), matter="a", reason="x")
    other = holds.place(log, ANN, Scope("person", "fay"), matter="b", reason="x")
    _later(log, clock, 31)
    done = run(log, BEN, KEEP, now=clock.reading())
    assert done.plan.by_hold == {held.id: 2, other.id: 2}
    assert set(ours) | set(hers) <= _left(log)
    assert not set(free) & _left(log)
    holds.ask_release(log, ANN, held.id, "over")
    assert run(log, BEN, KEEP, now=clock.reading()).pruned == 0
    holds.confirm_release(log, BEN, held.id)
    log.destroy_payload_keys([log.leaf(hers[0])])  # erased before it came under the hold, say
    done = run(log, BEN, KEEP, now=clock.reading())
    assert set(done.plan.prune) == set(ours)
    assert set(hers) <= _left(log)
    log.close()
    report = verify_home(home)
    assert report.state is State.OK, report.findings


def test_a_hold_placed_while_a_run_is_at_it_spares_the_rest(
    log: Log, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [_asked(log, f"r{n}") for n in range(4)]
    _later(log, clock, 31)
    prune, calls = log.prune, []

    def racing(*arguments):  # type: ignore[no-untyped-def]
        calls.append(arguments[0])
        if len(calls) == 3:
            holds.place(log, ANN, Scope("request", "r3"), matter="a", reason="now")
        return prune(*arguments)

    monkeypatch.setattr(log, "prune", racing)
    done = run(log, BEN, KEEP, now=clock.reading(), batch=2)
    assert done.spared == 2
    assert set(requests[3]) <= _left(log)
    assert not {seq for pair in requests[:3] for seq in pair} & _left(log)
    assert done.pruned == len(log.pruned())


_HOLDER = """
import sys
from pathlib import Path
from audit import holds
from audit.record import Actor
from tests.audit.standins import open_test_log
print("begun", flush=True)
with open_test_log(Path(sys.argv[1])) as log:
    scope = holds.Scope("request", "r1")
    placed = holds.place(log, Actor("person", "ann"), scope, matter="a", reason="now")
print(placed.placed, flush=True)
"""


def _holding(home: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(home)], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before the transaction", "inside it"])
def test_another_process_s_hold_wins_or_comes_after(
    home: Path, log: Log, clock: Clock, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """A hold on record before a batch's transaction spares the request; one that is asked for
    inside it waits until the batch is whole, and stands after it in the log."""
    requests = [_asked(log, f"r{n}") for n in range(2)]
    _later(log, clock, 31)
    processes: list[subprocess.Popen[str]] = []

    def begin() -> subprocess.Popen[str]:
        processes.append(_holding(home))
        assert processes[0].stdout is not None
        assert processes[0].stdout.readline() == "begun\n"
        return processes[0]

    prune = log.prune

    def racing(seqs, event, guard):  # type: ignore[no-untyped-def]
        def guarded() -> None:
            if not processes and when == "inside it":
                running = begin()
                time.sleep(0.5)
                assert running.poll() is None  # it waits for this transaction
            guard()

        if not processes and when == "before the transaction":
            assert begin().wait(30) == 0
        return prune(seqs, event, guarded)

    monkeypatch.setattr(log, "prune", racing)
    done = run(log, BEN, KEEP, now=clock.reading())
    assert processes[0].wait(30) == 0
    assert processes[0].stdout is not None
    placed = int(processes[0].stdout.read())
    assert len(done.records) == 1
    if when == "inside it":
        assert done.records[0] < placed
        assert not {*requests[0], *requests[1]} & _left(log)
    else:
        assert placed < done.records[0]
        assert done.spared == 2
        assert set(requests[1]) <= _left(log)
        assert not set(requests[0]) & _left(log)


def test_bundles_verify_alone_and_are_written_before_anything_goes(
    home: Path, log: Log, clock: Clock, tmp_path: Path
) -> None:
    _asked(log, "r1")
    holds.place(log, ANN, Scope("request", "r7"), matter="a", reason="x")
    _asked(log, "r2")
    _later(log, clock, 31)
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(RetentionRefusedError, match="cannot be made"):
        run(log, BEN, KEEP, now=clock.reading(), bundle=blocked / "x")
    assert log.pruned() == ()
    done = run(log, BEN, KEEP, now=clock.reading(), bundle=tmp_path / "bundles")
    keys = log.trusted_keys
    [recorded] = log.leaves(Filter(type="retention.bundled"))
    gone = {each.seq for each in log.pruned()}
    covered: set[int] = set()
    for path in done.bundles:
        summary = verify_export(path, keys)
        assert summary.digest.encode() in recorded.envelope
        covered |= set(range(summary.first, summary.last + 1))
    assert gone <= covered
    log.close()
    assert verify_home(home).state is State.OK


def test_stretches_hold_every_record_and_none_that_is_gone() -> None:
    assert list(stretches((), frozenset())) == []
    assert list(stretches((3, 4, 9), frozenset())) == [(3, 9)]
    assert list(stretches((3, 4, 9), frozenset({7}))) == [(3, 4), (9, 9)]
    assert list(stretches((3, 200), frozenset())) == [(3, 3), (200, 200)]
    assert list(stretches(range(10_001), frozenset())) == [(0, 9_999), (10_000, 10_000)]


def test_a_run_needs_a_period_and_is_alone(log: Log, clock: Clock) -> None:
    with pytest.raises(RetentionRefusedError, match="no period is set"):
        run(log, BEN, (), now=clock.reading())
    with setup_lock(log.folder / "retention.lock", timeout_ms=0), pytest.raises(LogLockedError):
        run(log, BEN, KEEP, now=clock.reading())
    assert look_ahead(log, ANN, KEEP, now=clock.reading()).prune == ()
    assert len(log.leaves(Filter(type="retention.planned"))) == 1
    assert day_of(0) == date(1970, 1, 1)


# Dying in the middle

_PRUNER = """
import sys
from datetime import timedelta
from pathlib import Path
from audit.envelope import Moment
from audit.periods import parse_profiles
from audit.record import Actor
from audit.retaining import run
from audit.retention import Reading
from tests.audit.clocks import Clock, set_clock
from tests.audit.standins import open_test_log
from audit.log import Limits
log = open_test_log(Path(sys.argv[1]), limits=Limits(rotate_days=0))
prune = log.prune
def told(*arguments):
    record = prune(*arguments)
    print(record.seq, flush=True)
    return record
log.prune = told
run(log, Actor("person", "ben"), parse_profiles("own=30d", "test"), batch=4)
log.close()
"""


@pytest.mark.slow
@pytest.mark.parametrize("after", [0, 1, 5, 20])
def test_a_run_that_is_killed_leaves_a_whole_log(
    home: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """The pruner is killed after some batches, in the middle of the next; another run ends it."""
    clock.at = datetime.now(UTC) - timedelta(days=40)
    with open_test_log(home, limits=LIMITS) as log:
        seqs = {seq for n in range(150) for seq in _asked(log, f"r{n}")}
    monkeypatch.undo()
    for days in (25, 5):  # the log went on being used; without it the clock would be doubted
        clock.at = datetime.now(UTC) - timedelta(days=days)
        set_clock(monkeypatch, clock)
        with open_test_log(home, limits=LIMITS) as log:
            log.append(Event("step.done", ANN))
        monkeypatch.undo()
    with open_test_log(home, limits=LIMITS) as log:
        log.seal()
    running = subprocess.Popen(
        [sys.executable, "-c", _PRUNER, str(home)], stdout=subprocess.PIPE, text=True
    )
    assert running.stdout is not None
    told = [running.stdout.readline() for _ in range(after)]
    time.sleep(0.3 * (after == 0))  # while it starts, plans or begins
    os.kill(running.pid, signal.SIGKILL)
    rest = running.communicate()[0].split()
    assert running.returncode == -signal.SIGKILL
    acknowledged = [int(line) for line in (*told, *rest)]
    assert len(acknowledged) >= after
    report = verify_home(home)
    assert report.state is not State.TAMPERED, report.findings
    with open_test_log(home, limits=LIMITS) as log:
        gone = {each.seq for each in log.pruned()}
        assert {each.by_seq for each in log.pruned()} >= set(acknowledged)
        assert (after < 1 or gone) and not seqs <= gone
        assert gone | _left(log) == set(range(log.size()))
        run(log, BEN, KEEP)
        assert not seqs & _left(log)
    report = verify_home(home)
    assert report.state is State.OK, report.findings


def test_everything_held_prunes_nothing(log: Log, clock: Clock) -> None:
    _asked(log, "r1")
    holds.place(log, ANN, WHOLE_LOG, matter="a", reason="x")
    _later(log, clock, 31)
    done = run(log, BEN, KEEP, now=clock.reading())
    assert (done.pruned, log.pruned()) == (0, ())
    assert done.plan.kept["held"] > 0


def test_the_hardened_mode_s_client_holds_and_prunes(
    log: Log, clock: Clock, tmp_path: Path
) -> None:
    path = tmp_path / "run" / "audit.sock"
    served = Daemon(log, path, {os.getuid(): Grant.MANAGE})
    thread = threading.Thread(target=served.serve)
    thread.start()
    try:
        with RemoteLog(path, build="2", process="pytest", timeout_ms=5000) as remote:
            ours, free = _asked(log, "r1"), _asked(log, "r2")
            held = holds.place(remote, ANN, Scope("request", "r1"), matter="a", reason="x")
            assert document_held(remote, DOCUMENT) is None
            _later(log, clock, 31)
            done = run(remote, BEN, KEEP, now=clock.reading(), bundle=tmp_path / "bundles")
            assert done.plan.by_hold == {held.id: 2}
            assert set(ours) <= _left(log)
            assert not set(free) & _left(log)
            holds.ask_release(remote, ANN, held.id, "over")
            with pytest.raises(HoldRefusedError):  # the kernel says that it is the same account
                holds.confirm_release(remote, replace(BEN, auth="local-user"), held.id)
    finally:
        served.stop()
        thread.join()
