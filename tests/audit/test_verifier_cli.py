"""The verifier as a command, and what it may import."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from audit import review
from audit.closed import closed_path
from audit.proof import make_proof
from audit.verifier_cli import main
from tests.audit.standins import ANN, alter, open_test_log, question, verify_home, written_log

_HEAVY = ("torch", "chromadb", "gradio", "numpy", "sqlalchemy", "pydantic", "typer", "rich")


def _arguments(home: Path, *more: str) -> list[str]:
    folder = home / "audit"
    return [str(folder), "--key", str(folder / "keys" / "epoch-1.pub"), *more]


def test_a_good_log_ends_with_0_and_says_what_is_proven(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notes = written_log(home)
    paths = []
    for number, note in enumerate(notes):
        paths.append(home / f"{number}.note")
        paths[-1].write_bytes(note)
    status = main(_arguments(home, "--checkpoint", *map(str, paths)))
    out = capsys.readouterr().out
    assert status == 0
    assert out.startswith("OK\nProven: ")
    assert "Not proven: " in out


def test_an_altered_log_ends_with_7(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written_log(home)
    alter(home, "UPDATE leaf SET session = 'x' WHERE seq = 3")
    closed_path(home / "audit").unlink()
    assert main(_arguments(home, "--json")) == 7
    values = json.loads(capsys.readouterr().out)
    assert values["state"] == "TAMPERED"
    assert values["findings"] == ["record 3: `session` is not what stands beside or before it"]


def test_the_key_may_be_given_as_text(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written_log(home)
    text = (home / "audit" / "keys" / "epoch-1.pub").read_text()
    assert main([str(home / "audit"), "--key", text.strip(), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["headline"] == "OK"


def test_unusable_input_is_one_sentence(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written_log(home)
    note = tmp_path / "bad.note"
    note.write_bytes(b"nothing")
    cases = [
        _arguments(home, "--checkpoint", str(note)),
        _arguments(home, "--checkpoint", str(tmp_path / "none.note")),
        [str(home / "audit"), "--key", "no-such-key"],
        [str(tmp_path / "empty"), *_arguments(home)[1:]],
    ]
    for arguments in cases:
        assert main(arguments) == 7
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("error: ")
        assert len(err.splitlines()) == 1


def test_usage_errors_end_with_2(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = (
        [],
        ["folder"],
        ["--key", "k"],
        ["folder", "--export", "f", "--key", "k"],
        ["--proof", "f", "--export", "f", "--key", "k"],
        ["--proof", "f", "--key", "k", "--checkpoint", "c"],
    )
    for arguments in wrong:
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_an_export_can_be_verified_alone(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.jsonl"
    with open_test_log(home) as log:
        log.append(question())
        review.export(log, ANN, out)
        key = log.verifier_key.text()
    assert main(["--export", str(out), "--key", key]) == 0
    assert "records 0 to 2 (3)" in capsys.readouterr().out
    assert main(["--export", str(out), "--key", key, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["count"] == 3
    assert main(["--export", str(out), "--key", "x" * 5000]) == 7  # no name of a file either
    assert capsys.readouterr().err.startswith("error: The given text does not hold a log key")
    out.write_text(out.read_text().replace("ann", "bob"))
    assert main(["--export", str(out), "--key", key]) == 7
    assert capsys.readouterr().err.startswith("error: The Merkle proof does not hold")


def test_a_proof_can_be_verified_alone(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "record.proof"
    with open_test_log(home) as log:
        record = log.append(question(7))
        out.write_bytes(make_proof(log, record.seq).text())
        key = log.verifier_key.text()
    assert main(["--proof", str(out), "--key", key]) == 0
    said = capsys.readouterr().out
    assert said.startswith("OK\nProven: this is, byte for byte, record 2 of the log ")
    assert "Not proven: that somebody who holds the signing key" in said
    assert '"number": 7' in said
    assert main(["--proof", str(out), "--key", key, "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert (values["state"], values["envelope"]["fields"]) == ("OK", {"number": 7})
    out.write_bytes(out.read_bytes().replace(b"ann", b"bob"))
    assert main(["--proof", str(out), "--key", key]) == 7
    assert capsys.readouterr().err.startswith("error: The Merkle proof does not hold")


def test_a_folder_stands_for_the_checkpoints_of_this_log_in_it(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "anchored"
    folder.mkdir()
    assert main(_arguments(_written(home), "--checkpoint", str(folder))) == 7
    assert "holds no checkpoint (*.note)" in capsys.readouterr().err
    (folder / "theirs.note").write_bytes(written_log(tmp_path / "other")[0])
    (folder / "readme.txt").write_text("not a checkpoint")
    for number, note in enumerate(written_log(home)):
        (folder / f"{number}.note").write_bytes(note)
    assert main(_arguments(home, "--checkpoint", str(folder), "--json")) == 0
    assert json.loads(capsys.readouterr().out)["given_checkpoints"] == 5


def _written(home: Path) -> Path:
    written_log(home)
    return home


def test_what_a_terminal_would_obey_is_shown_as_text(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written_log(home)
    alter(home, "INSERT INTO checkpoint VALUES (2, 'x')", 'CREATE TABLE "\x1b[2J" (a)')
    assert main(_arguments(home)) == 7
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\\x1b[2J" in out


def test_the_module_runs_as_a_command_and_loads_nothing_heavy(home: Path) -> None:
    written_log(home)
    watched = (
        "import runpy, sys\n"
        "sys.argv[0] = 'verifier'\n"
        "try:\n"
        "    runpy.run_module('audit.verifier_cli', run_name='__main__')\n"
        "except SystemExit as end:\n"
        f"    loaded = [name for name in {_HEAVY!r} if name in sys.modules]\n"
        "    sys.exit(f'loaded {loaded}' if loaded else end.code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", watched, *_arguments(home)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("OK\n")


def test_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, audit.log, audit.verify, audit.review, audit.compose, audit.erasure\n"
        f"print([name for name in {_HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_report_of_a_changed_log_counts_beyond_what_it_lists(home: Path) -> None:
    written_log(home, 40)
    alter(home, "UPDATE leaf SET session = 'x'")
    report = verify_home(home)
    assert (len(report.findings), report.finding_count) == (20, 1 + report.records)
    assert f"and {report.records - 19} more" in report.explanation()
