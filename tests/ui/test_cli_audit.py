"""`cloister audit` over a real log: what it shows, what it records, how it ends."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from audit.record import Event
from ui import composition
from ui.main import run


@pytest.fixture
def recorded(home: Path) -> Path:
    """A home whose log holds a few records."""
    actor = composition.actor_of(composition.terminal_asker())
    with composition.log(home) as log:
        for number in range(3):
            payload = {"question": f"secret {number}\x1b[2J"}
            log.append(Event("question.received", actor, {"n": number}, payload, request_id="r1"))
    return home


def out(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def test_verify_says_what_is_proven_and_is_recorded(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--home", str(recorded), "audit", "verify"]) == 0
    shown = out(capsys)
    assert shown.startswith(("OK\n", "UNSEALED_TAIL("))
    assert "Not proven" in shown
    assert run(["--home", str(recorded), "audit", "verify", "--json"]) == 0
    assert json.loads(out(capsys))["state"] in ("OK", "UNSEALED_TAIL")
    assert run(["--home", str(recorded), "audit", "list", "--type", "log.verified", "--json"]) == 0
    assert len(out(capsys).splitlines()) == 2


def test_a_changed_record_is_tampering_and_the_log_stays_as_it_is(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--home", str(recorded), "audit", "checkpoint"]) == 0
    database = recorded / "audit" / "log.db"
    with sqlite3.connect(database) as connection:
        for (guard,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            connection.execute(f'DROP TRIGGER "{guard}"')
        connection.execute(
            "UPDATE leaf SET envelope = CAST(replace(envelope, 'question', 'answered') AS BLOB) "
            "WHERE type = 'question.received'"
        )
    connection.close()
    before = database.read_bytes()
    capsys.readouterr()
    assert run(["--home", str(recorded), "audit", "verify"]) == 7
    said = capsys.readouterr()
    assert said.out.startswith("TAMPERED\n")
    assert "not recorded" in said.err
    assert database.read_bytes() == before


def test_list_keeps_payloads_sealed_and_show_opens_one(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = ["--home", str(recorded)]
    arguments = ["audit", "list", "--request", "r1", "--since", "2020-01-01", "--json"]
    assert run([*home, *arguments]) == 0
    text = out(capsys)
    entries = [json.loads(line) for line in text.splitlines()]
    assert [entry["fields"]["n"] for entry in entries] == [0, 1, 2]
    assert "secret" not in text
    assert run([*home, "audit", "list"]) == 0
    assert "question.received" in out(capsys)
    assert run([*home, "audit", "show", str(entries[0]["seq"])]) == 0
    shown = out(capsys)
    assert "secret 0" in shown
    assert "\x1b" not in shown
    assert run([*home, "audit", "show", entries[1]["event_id"], "--json"]) == 0
    assert json.loads(out(capsys))["payload"]["question"].startswith("secret 1")
    assert run([*home, "audit", "show", "4711"]) == 2


_KEYS = (
    *("seq", "event_id", "type", "ts_utc", "time", "actor_kind", "actor_id", "session"),
    *("request_id", "fields", "payload", "leaf_hash"),
)


def test_list_chooses_the_newest_and_says_the_same_as_show(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = ["--home", str(recorded), "audit"]
    assert run([*home, "list", "--type", "question.*", "-n", "2", "--json"]) == 0
    said = capsys.readouterr()
    entries = [json.loads(line) for line in said.out.splitlines()]
    assert said.err == ""
    assert [entry["fields"]["n"] for entry in entries] == [1, 2]
    assert run([*home, "show", str(entries[0]["seq"]), "--json"]) == 0
    assert json.loads(out(capsys))["record"] == entries[0]
    assert tuple(entries[0]) == _KEYS
    assert entries[0]["actor_kind"] == "person"
    for arguments in (["--until", "2020-01-01"], ["--since", "2999-01-01"], ["--request", "r"]):
        assert run([*home, "list", *arguments, "--json"]) == 0
        assert out(capsys) == ""
    since = entries[1]["time"][:19]
    assert run([*home, "list", "--type", "question.*", "--since", since, "--json"]) == 0
    assert json.loads(out(capsys).splitlines()[-1]) == entries[1]


@pytest.mark.parametrize(
    ("column", "value", "by"),
    [
        ("type", "step.done", ["--type", "question.received"]),
        ("request_id", "r7", ["--request", "r1"]),
        ("ts_utc", "1", ["--since", "2020-01-01", "--type", "question.received"]),
    ],
)
def test_a_record_hidden_by_an_altered_column_is_listed_and_told(
    recorded: Path, capsys: pytest.CaptureFixture[str], column: str, value: str, by: list[str]
) -> None:
    # What CVE-2023-31437 did to another log.
    home = ["--home", str(recorded), "audit"]
    assert run([*home, "list", *by, "--json"]) == 0
    entries = [json.loads(line) for line in out(capsys).splitlines()]
    connection = sqlite3.connect(recorded / "audit" / "log.db")
    guards = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    guards = guards.fetchall()
    for guard, _ in guards:
        connection.execute(f'DROP TRIGGER "{guard}"')
    row = (value, entries[1]["seq"])
    connection.execute(f"UPDATE leaf SET {column} = ? WHERE seq = ?", row)  # noqa: S608 - constant
    for _, sql in guards:
        connection.execute(sql)
    connection.commit()
    connection.close()
    assert run([*home, "list", *by, "--json"]) == 7
    said = capsys.readouterr()
    assert [json.loads(line) for line in said.out.splitlines()] == entries
    assert f"TAMPERED: the row of record {entries[1]['seq']} says another {column}" in said.err


def test_export_writes_a_new_file_once(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "export.jsonl"
    arguments = ["--home", str(recorded), "audit", "export", str(file), "--from", "0", "--to", "2"]
    assert run([*arguments, "--json"]) == 0
    assert json.loads(out(capsys))["count"] == 3
    assert file.is_file()
    assert run(arguments) == 2


def test_a_checkpoint_kept_elsewhere_is_verified_against(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = ["--home", str(recorded)]
    assert run([*home, "audit", "checkpoint"]) == 0
    note = tmp_path / "kept.txt"
    note.write_text(out(capsys))
    assert run([*home, "audit", "verify", "--checkpoint", str(note), "--json"]) == 0
    assert json.loads(out(capsys))["given_checkpoints"] == 1
    assert run([*home, "audit", "verify", "--checkpoint", str(tmp_path / "none")]) == 2
    note.write_text("nothing signed")
    assert run([*home, "audit", "verify", "--checkpoint", str(note)]) == 7


@pytest.mark.parametrize(
    "arguments", [["verify"], ["list"], ["show", "0"], ["export", "x"], ["checkpoint"]]
)
def test_looking_at_a_log_never_begins_one(home: Path, arguments: list[str]) -> None:
    assert run(["--home", str(home), "audit", *arguments]) == 7
    assert not (home / "audit").exists()
