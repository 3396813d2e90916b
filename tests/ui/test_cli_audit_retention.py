"""`cloister audit hold` and `cloister audit retain` over a real log."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit import holds
from audit.record import Event
from audit.store import Filter
from tests.audit.clocks import Clock, set_clock
from ui import composition
from ui.main import run


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return set_clock(monkeypatch, Clock())


@pytest.fixture(autouse=True)
def account(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Ann at a terminal of her own; see `_become`."""
    monkeypatch.setattr(holds, "login_uid", lambda: None)
    _become(monkeypatch, "ann", 1000)
    yield monkeypatch


def _become(patch: pytest.MonkeyPatch, name: str, uid: int) -> None:
    patch.setattr(composition, "user_name", lambda: name)
    patch.setattr(os, "getuid", lambda: uid)


@pytest.fixture
def recorded(home: Path, clock: Clock) -> Path:
    """A home whose log holds a question of 2020 and one of 31 days later."""
    for number in range(2):
        with composition.log(home) as log:
            actor = composition.actor_of(composition.terminal_asker())
            for name in ("question.received", "answer.released"):
                log.append(Event(name, actor, {}, {"n": number}, request_id=f"r{number}"))
        clock.pass_days(31)
    with composition.log(home) as log:
        log.append(Event("step.done", actor))
    return home


def _told(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    said = capsys.readouterr()
    return said.out, said.err


def test_a_hold_from_placing_to_release(
    recorded: Path, account: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hold = ["--home", str(recorded), "audit", "hold"]
    assert run([*hold, "list"]) == 0
    assert _told(capsys)[0] == "There is no hold.\n"
    placing = [*hold, "place", "--matter", "2026-17", "--reason", "Smith\x1b[2J", "--request"]
    assert run([*placing, "r0", "--json"]) == 0
    placed = json.loads(_told(capsys)[0])
    assert (placed["state"], placed["scope"], placed["target"]) == ("active", "request", "r0")
    name = placed["hold"]
    assert run([*hold, "confirm", name, "--yes"]) == 2
    assert "Nobody has asked" in _told(capsys)[1]
    assert run([*hold, "release", name, "--reason", "settled"]) == 0
    assert "still holds" in _told(capsys)[0]
    _become(account, "ben", 1000)  # LOGNAME=ben: another name, the same account
    assert run([*hold, "confirm", name, "--yes"]) == 2
    assert "another person" in _told(capsys)[1]
    _become(account, "ben", 1001)
    assert run([*hold, "confirm", name]) == 2  # nobody to ask at a pipe
    said = _told(capsys)[1]
    assert "settled" in said
    assert "the hold stays" in said
    assert run([*hold, "confirm", name, "--yes"]) == 0
    assert "released" in _told(capsys)[0]
    assert run([*hold, "list", "--json"]) == 0
    assert _told(capsys)[0] == ""
    assert run([*hold, "list", "--all"]) == 0
    shown = _told(capsys)[0]
    assert "Smith" in shown
    assert "released by ben" in shown
    assert "\x1b" not in shown
    with composition.log(recorded) as log:
        assert len(log.leaves(Filter(type="log.searched"))) == 4


@pytest.mark.parametrize(
    "scope",
    [
        [],
        ["--everything", "--person", "ann"],
        ["--records", "9-3"],
        ["--records", "all"],
        ["--since", "2026-02-01", "--until", "2026-01-01"],
    ],
)
def test_a_hold_names_one_scope(
    recorded: Path, scope: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    hold = ["--home", str(recorded), "audit", "hold", "place", "--matter", "m", "--reason", "r"]
    assert run([*hold, *scope]) == 2
    assert _told(capsys)[1].count("\n") == 1


def test_retention_is_planned_and_run(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audit = ["--home", str(recorded), "audit"]
    retain = [*audit, "retain"]
    assert run([*retain, "plan"]) == 2
    assert "no period is set" in _told(capsys)[1]
    assert run([*retain, "plan", "--keep", "own=soon"]) == 2
    assert "not a period" in _told(capsys)[1]
    assert run([*audit, "hold", "place", "--matter", "m", "--reason", "x", "--request", "r1"]) == 0
    (recorded / "cloister.toml").write_text('[audit]\nretention = "own=20d"\n')
    _told(capsys)
    assert run([*retain, "plan"]) == 0
    shown = _told(capsys)[0]
    assert "own=20d" in shown
    assert "under a legal hold" in shown
    assert run([*retain, "plan", "--keep", "hipaa", "--json"]) == 0
    longest = json.loads(_told(capsys)[0])
    assert (longest["prune"], longest["profiles"]) == (0, ["own=20d", "hipaa=6y"])
    assert run([*retain, "run"]) == 2  # nobody to ask at a pipe
    assert "nothing was pruned" in _told(capsys)[1]
    bundles = tmp_path / "bundles"
    assert run([*retain, "run", "--yes", "--bundle", str(bundles), "--json"]) == 0
    done = json.loads(_told(capsys)[0])
    assert done["pruned"] == done["plan"]["prune"] > 2
    assert sorted(done["bundles"]) == sorted(str(path) for path in bundles.iterdir())
    assert run([*audit, "list", "--request", "r0", "--json"]) == 0
    assert _told(capsys)[0] == ""
    assert run([*audit, "list", "--request", "r1", "--json"]) == 0
    assert len(_told(capsys)[0].splitlines()) == 2
    assert run([*audit, "verify", "--json"]) == 0
    assert json.loads(_told(capsys)[0])["state"] == "OK"


def test_a_wrong_clock_is_told_in_one_sentence(
    recorded: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    from datetime import timedelta

    clock.set_by = timedelta(days=3650)
    for command in ("plan", "run"):
        yes = ["--yes"] if command == "run" else []
        arguments = ["audit", "retain", command, "--keep", "own=30d", *yes]
        assert run(["--home", str(recorded), *arguments]) == 2
        said = _told(capsys)[1]
        assert "the clock has gone on by" in said
        assert said.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["hold", "list"],
        ["hold", "place", "--everything", "--matter", "m", "--reason", "r"],
        ["hold", "release", "H1", "--reason", "r"],
        ["hold", "confirm", "H1", "--yes"],
        ["retain", "plan"],
        ["retain", "run", "--yes"],
    ],
)
def test_neither_begins_a_log(home: Path, arguments: list[str]) -> None:
    assert run(["--home", str(home), "audit", *arguments]) == 7
    assert not (home / "audit").exists()
