"""The verifier on what retention removed: a pruning is held to its words and to the auditor's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audit import keeper
from audit.keys import read_verifier_keys
from audit.log import Limits, Log
from audit.periods import parse_kept
from audit.record import Event
from audit.report import Report, State
from audit.verifier_cli import main
from audit.verify import verify_log
from tests.audit.standins import ANN, PRUNED, days_ago, open_test_log, question

LIMITS = Limits(rotate_days=0)


def _written(home: Path) -> Log:
    """A log with questions of 40 and of 9 days ago, and still open: numbers 2 to 5 and 7 to 10."""
    with days_ago(40):
        log = open_test_log(home, limits=LIMITS)
        log.append_many([question(number) for number in range(4)])
        log.seal()
    with days_ago(9):
        log.append_many([question(number) for number in range(4, 8)])
        log.seal()
    return log


def _pruning(**fields: object) -> Event:
    return Event("retention.pruned", ANN, {**fields})  # type: ignore[arg-type]


def _verified(home: Path, *kept: str, given: bytes = b"") -> Report:
    folder = home / "audit"
    profiles = [each for text in kept for each in parse_kept(text, "test")]
    notes = [("given", given)] if given else []
    return verify_log(folder, read_verifier_keys(folder / "keys"), notes, kept_for=profiles)


def test_a_pruning_after_its_period_is_told_with_it(home: Path) -> None:
    with _written(home) as log:
        anchored = log.seal().encode()
        log.prune([3, 4], _pruning(profiles=["own=30d", "test=1w"]))
        log.prune([8], PRUNED)
    report = _verified(home, given=anchored)
    assert (report.state, report.pruned, report.pruned_since) == (State.OK, 3, 3)
    assert report.pruned_under == ("own=30d", "test=1d", "test=1w")
    assert report.pruned_from == min(report.pruned_from, report.pruned_until) != ""
    said = report.explanation()
    assert "for the periods own=30d, test=1d, test=1w" in said
    assert "`cloister-verify --kept-for` checks" in said
    assert "which somebody who holds the signing key could have ordered" in said


@pytest.mark.parametrize(
    ("gone", "kept", "good"),
    [
        ([3, 4], ("1w",), True),
        ([3, 4], ("30d", "8d"), True),
        ([3, 4], ("2m",), False),
        ([3, 4], ("1w", "hipaa"), False),
        ([3, 8], ("1w",), True),
        ([3, 8], ("30d",), False),
        ([7], ("30d",), False),  # no older than the seal right before it
    ],
)
def test_the_auditor_may_demand_a_longer_period(
    home: Path, gone: list[int], kept: tuple[str, ...], good: bool
) -> None:
    with _written(home) as log:
        assert [log.leaf(seq).type for seq in (6, 7)] == ["checkpoint.signed", "question.received"]
        log.prune(gone, PRUNED)
    assert _verified(home).state is State.OK
    report = _verified(home, *kept)
    assert (report.state is State.OK) is good, report.findings
    if good:
        assert f"none was younger than {', '.join(kept)}" in report.explanation()
    else:
        assert f"record {gone[-1]} is no older than record" in report.findings[0]
        assert "as the verifier was told" in report.findings[0]


@pytest.mark.parametrize(
    ("fields", "days", "said"),
    [
        ({"profiles": ["own=10d"]}, 0, "record 8 is no older than record 6 of"),
        ({"profiles": ["test=1d", "hipaa=6y"]}, 0, "was to be kept for test=1d, hipaa=6y by its"),
        ({"profiles": []}, 0, "names no period"),
        ({}, 0, "names no period"),
        ({"profiles": ["hipaa"]}, 0, "names no period"),
        ({"profiles": "hipaa=6y"}, 0, "names no period"),
        ({"profiles": ["own=1d", 6]}, 0, "names no period"),
        # By a clock that is ahead, or behind; by a plan that is none.
        ({"profiles": ["hipaa=6y"]}, -3650, "on "),
        ({"profiles": ["hipaa=6y"]}, 3650, "before the log began"),
        ({"profiles": ["test=1d"], "planned": 3}, 0, "names no plan"),
        ({"profiles": ["test=1d"], "planned": 4711}, 0, "names no plan"),
        ({"profiles": ["test=1d"], "planned": None}, 0, "names no plan"),
    ],
)
def test_a_pruning_that_contradicts_itself_is_tampering(
    home: Path, fields: dict[str, object], days: float, said: str
) -> None:
    with _written(home) as log:
        anchored = log.seal().encode()
        with days_ago(days):
            log.prune([3, 8], _pruning(**fields))
    report = _verified(home, given=anchored)
    assert report.state is State.TAMPERED
    assert said in report.findings[0]


@pytest.mark.parametrize(
    ("judged", "good"),
    [
        ("2020-01-01T00:00:00.000000000Z", False),
        ("2999-01-01T00:00:00.000000000Z", True),  # its own record's time counts
        ("2999-01-01T00:00:00Z", False),
        ("2999-13-01T00:00:00.000000000Z", False),
        (None, False),
    ],
)
def test_the_moment_of_a_plan_counts(home: Path, judged: str | None, good: bool) -> None:
    with _written(home) as log:
        planned = log.append(Event("retention.planned", ANN, {"judged": judged})).seq
        log.prune([8], _pruning(profiles=["own=1w"], planned=planned))
    assert (_verified(home).state is State.OK) is good


def test_a_record_with_a_time_in_the_future_makes_nothing_young(home: Path) -> None:
    with days_ago(40):
        log = open_test_log(home, limits=LIMITS)
    with days_ago(-3650):
        log.append(question(0))
    with days_ago(40):
        log.append_many([question(1), question(2)])
        log.seal()
    log.prune([3, 4], _pruning(profiles=["own=30d"]))
    log.close()
    report = _verified(home)
    assert (report.state, report.pruned) == (State.OK, 2), report.findings


def test_what_was_recorded_while_the_clock_was_back_is_as_young_as_what_was_before(
    home: Path,
) -> None:
    with _written(home) as log:
        with days_ago(9000):
            record = log.append(question(9))
            log.seal()
        log.prune([record.seq], _pruning(profiles=["own=10d"]))
    report = _verified(home)
    assert report.state is State.TAMPERED
    assert f"record {record.seq} is no older than record" in report.findings[0]


def test_a_pruned_seal_is_tampering(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with _written(home) as log:
        log.append(question(9))
        log.seal()
        seals = [leaf.seq for leaf in log.scan() if leaf.type == "checkpoint.signed"]
        monkeypatch.setattr(keeper, "is_protected", lambda _: False)
        log.prune([seals[1]], _pruning(profiles=["own=1d"]))
    report = _verified(home)
    assert report.state is State.TAMPERED
    assert f"record {seals[1]} was pruned, but a record that tells of a seal" in report.findings[0]


def test_the_command_takes_the_period(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with _written(home) as log:
        log.prune([3, 8], PRUNED)
    folder = home / "audit"
    arguments = [str(folder), "--key", str(folder / "keys" / "epoch-1.pub"), "--json"]
    assert main([*arguments, "--kept-for", "1w"]) == 0
    assert json.loads(capsys.readouterr().out)["kept_for"] == ["1w"]
    assert main([*arguments, "--kept-for", "1w", "--kept-for", "ai-act,own=1d"]) == 7
    values = json.loads(capsys.readouterr().out)
    assert values["kept_for"] == ["1w", "ai-act=6m", "own=1d"]
    for wrong in ("", "six years", "6", "own=", "sarbanes"):
        with pytest.raises(SystemExit) as caught:
            main([*arguments, "--kept-for", wrong])
        assert caught.value.code == 2
        assert "--kept-for" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--proof", "p", "--key", "k", "--kept-for", "1w"])
