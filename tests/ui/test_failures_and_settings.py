"""Every known error is one sentence with its code; nothing unknown is ever set."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from ui import composition, failures
from ui.errors import SettingsError
from ui.examples import HINTS, SAMPLES, offered
from ui.main import run
from ui.settings import UiSettings, check_variables


class Known(Exception):
    exit_code = 6


def test_a_known_error_keeps_its_sentence_on_one_line_and_its_code() -> None:
    failure = failures.describe(Known("The index is\n locked; try again."))
    assert (failure.sentence, failure.exit_code) == ("The index is locked; try again.", 6)
    assert failure.expected


@pytest.mark.parametrize(
    "number",
    [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EADDRINUSE, errno.ENOTDIR, errno.EMFILE],
)
def test_the_usual_system_errors_say_what_to_do(number: int) -> None:
    failure = failures.describe(OSError(number, os.strerror(number), "/some/where"))
    assert failure.exit_code == 3
    assert failure.expected
    assert ";" in failure.sentence


def test_anything_else_is_a_defect_of_ours() -> None:
    failure = failures.describe(ValueError("x" * 1000))
    assert failure.exit_code == 1
    assert not failure.expected
    assert len(failure.sentence) < 400
    assert failures.describe(KeyboardInterrupt()).exit_code == 130


def test_an_unknown_variable_stops_start_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOISTER_HOME", "/x")
    check_variables()
    monkeypatch.setenv("CLOISTER_ASISTANT_MODEL", "x")
    with pytest.raises(SettingsError, match="CLOISTER_ASISTANT_MODEL"):
        check_variables()


@pytest.mark.parametrize(
    "content", ["[gui]\nx = 1", "[ui]\nexample = 1", "[assistant]\nmodle = 1", "home = 1", "[ui"]
)
def test_an_unknown_key_or_table_ends_with_3(
    home: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "cloister.toml").write_text(content)
    assert run(["--home", str(home), "audit", "list"]) in (3, 7)  # no log yet, and no settings
    capsys.readouterr()
    assert run(["--home", str(home), "models", "list"]) == 3
    assert "cloister.toml" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["CLOISTER_UI_EXAMPLE", "CLOISTER_INGEST_MAX", "CLOISTER_AUDIT_X", "CLOISTER_X"]
)
def test_an_unknown_variable_of_a_table_ends_with_3(
    home: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, "1")
    assert run(["--home", str(home), "models", "list"]) == 3
    assert name in capsys.readouterr().err


def test_the_chats_settings_come_from_the_table(home: Path) -> None:
    (home / "cloister.toml").write_text('[ui]\nexamples = ["How?"]\nsession_hours = 2')
    assert composition.check_settings(home) == UiSettings(examples=("How?",), session_hours=2.0)


def test_the_examples_are_the_samples_demo_questions_and_documents() -> None:
    samples = Path(__file__).resolve().parents[2] / "samples"
    lines = (samples / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    demo = [record for line in lines if (record := json.loads(line)).get("demo")]
    assert {question for question, _ in SAMPLES} == {record["question"] for record in demo}
    there = {path.name for path in (samples / "documents").rglob("*.*")}
    for question, needed in SAMPLES:
        assert there.issuperset(needed)
        (record,) = (record for record in demo if record["question"] == question)
        assert {Path(place["source"]).name for place in record["expected"]} <= set(needed)


def test_examples_are_those_configured_else_the_samples_else_hints() -> None:
    assert offered(["Mine?"], []) == ["Mine?"]
    assert offered([], ["x.pdf"]) == list(HINTS)
    question, needed = SAMPLES[0]
    assert offered([], [f"policies/{name}" for name in needed]) == [question]
