"""`cloister audit export`: each format to a file, what is said of it, and what is refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from audit.export import verify_export
from audit.export_check import check_file
from audit.export_formats import FORMATS
from audit.keys import read_verifier_keys
from audit.record import Event
from ui import cli_audit_export, composition, main


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command stands below `cloister audit`, once."""
    from ui import cli_audit

    commands = list(cli_audit.app.registered_commands)
    monkeypatch.setattr(cli_audit.app, "registered_commands", commands)
    cli_audit_export.register(cli_audit.app)
    names = [
        each.name or getattr(each.callback, "__name__", "")
        for each in cli_audit.app.registered_commands
    ]
    assert names.count("export") == 1


@pytest.fixture
def recorded(home: Path) -> Path:
    """A home whose log holds a few records."""
    actor = composition.actor_of(composition.terminal_asker())
    with composition.log(home) as log:
        for number in range(4):
            log.append(Event("question.received", actor, {"n": number}, request_id="r1"))
    return home


def run(home: Path, *words: str) -> int:
    return main.run(["--home", str(home), "audit", "export", *words])


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_goes_to_a_file_with_its_proof_beside_it(
    name: str, recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "records"
    assert run(recorded, str(out), "--format", name, "--type", "question.*", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["format"], told["count"]) == (name, 4)
    checked = check_file(out, read_verifier_keys(recorded / "audit" / "keys"))
    assert checked.summary.as_json() == told
    assert run(recorded, str(out), "--format", name) == 2
    assert "already exists" in capsys.readouterr().err


def test_jsonl_with_proofs_stays_the_default(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "records.jsonl"
    assert run(recorded, str(out), "--from", "1", "--to", "3") == 0
    assert capsys.readouterr().out.startswith("Wrote records 1 to 3 (3) to ")
    assert verify_export(out, read_verifier_keys(recorded / "audit" / "keys")).count == 3
    assert run(recorded, str(tmp_path / "b"), "--type", "log.*") == 2
    assert "consecutive" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


def test_times_choose_records_and_a_person_is_told_where_the_proof_is(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    early, late = tmp_path / "early.csv", tmp_path / "late.csv"
    assert run(recorded, str(early), "--format", "csv", "--until", "2001-01-01") == 0
    assert f"The proof is in {early}.proof.json" in capsys.readouterr().out
    assert run(recorded, str(late), "--format", "csv", "--since", "2001-01-01 10:00:00") == 0
    with early.open(newline="") as first, late.open(newline="") as second:
        rows = list(csv.DictReader(first)), list(csv.DictReader(second))
    assert rows[0] == []
    assert "question.received" in {row["type"] for row in rows[1]}
    asked = json.loads((tmp_path / "late.csv.proof.json").read_text())["filter"]
    assert asked["since"] == "978343200000000000"


def test_without_a_log_none_is_begun(home: Path, tmp_path: Path) -> None:
    assert run(home, str(tmp_path / "x"), "--format", "csv") == 7
    assert not (home / "audit").exists()
