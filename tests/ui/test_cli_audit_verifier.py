"""`cloister audit verifier` and `cloister audit proof`: what is written, said and recorded."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from audit import verifier_cli
from audit.record import Event
from ui import cli_audit, cli_audit_verifier, composition, main


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands stand below `cloister audit`."""
    commands = [
        each for each in cli_audit.app.registered_commands if each.name not in ("verifier", "proof")
    ]
    monkeypatch.setattr(cli_audit.app, "registered_commands", commands)
    cli_audit_verifier.register(cli_audit.app)


@pytest.fixture
def recorded(home: Path) -> Path:
    """A home whose log holds a record."""
    actor = composition.actor_of(composition.terminal_asker())
    with composition.log(home) as log:
        log.append(Event("question.received", actor, {"n": 1}, request_id="r1"))
    return home


def run(home: Path, *words: str) -> int:
    return main.run(["--home", str(home), "audit", *words])


def test_the_verifier_is_written_and_its_digest_told(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "cloister-verify.pyz"
    assert run(recorded, "verifier", str(out), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert "audit.verify" in told["modules"]
    assert run(recorded, "verifier", str(out)) == 2
    assert "already exists" in capsys.readouterr().err
    other = tmp_path / "again.pyz"
    assert run(recorded, "verifier", str(other)) == 0
    assert told["sha256"] in capsys.readouterr().out
    with composition.log(recorded) as log:
        assert log.counters()["verifier.handed_over"] == 2


def test_a_proof_is_written_recorded_and_verified(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "record.proof"
    assert run(recorded, "proof", "2", str(out), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["record"], told["bytes"]) == (2, out.stat().st_size)
    assert verifier_cli.main(["--proof", str(out), "--key", told["key"]]) == 0
    capsys.readouterr()
    for unknown in ("999999", "9" * 40, "no-such-id"):
        assert run(recorded, "proof", unknown, str(tmp_path / "none")) == 2
    assert not (tmp_path / "none").exists()
    with composition.log(recorded) as log:
        assert log.counters()["log.proof_made"] == 1


@pytest.mark.parametrize("words", [("verifier", "x.pyz"), ("proof", "0", "x")])
def test_no_log_is_begun_by_looking_for_one(
    home: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(home, *words) == 7
    assert "There is no audit log" in capsys.readouterr().err
    assert not (home / "audit").exists()
