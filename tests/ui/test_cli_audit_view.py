"""`cloister audit view`: rows and records of a real log, what is said at its head, how it ends."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tests.audit.standins import alter, open_test_log
from tests.audit.test_view import DOC_B, filled
from ui import cli_audit_view
from ui.context import Shared
from ui.errors import UsageError
from ui.failures import describe


def run(home: Path, *arguments: str) -> tuple[int, str]:
    """The command by itself: exit code and output."""
    app = typer.Typer()
    cli_audit_view.register(app)
    app.callback()(lambda: None)
    result = CliRunner().invoke(app, ["view", *arguments], obj=Shared(home))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return describe(result.exception).exit_code, str(result.exception)
    return result.exit_code, result.output


def told(home: Path, *arguments: str) -> dict[str, object]:
    code, text = run(home, *arguments, "--json")
    assert code == 0, text
    value = json.loads(text)
    assert isinstance(value, dict)
    return value


@pytest.fixture
def recorded(home: Path) -> Path:
    with open_test_log(home) as log:
        filled(log)
    return home


def test_rows_are_filtered_paged_and_expanded(recorded: Path) -> None:
    view = told(recorded, "--person", "bob", "--document", DOC_B[:8])
    assert [row["request"] for row in view["rows"]] == ["r5"]  # type: ignore[attr-defined]
    first = told(recorded, "-n", "2")
    second = told(recorded, "-n", "2", "--cursor", str(first["cursor"]))
    names = [row["request"] for part in (first, second) for row in part["rows"]]  # type: ignore[attr-defined]
    assert names == ["f0", "s0", "r5", "r4"]
    row = first["rows"][0]  # type: ignore[index]
    assert row["time"].endswith("Z") and row["complete"] is True
    expanded = told(recorded, "r5")
    lines = expanded["records"]
    assert [line["type"] for line in lines] == [  # type: ignore[attr-defined]
        "question.received", "model.called", "model.finished", "answer.released",
    ]  # fmt: skip
    assert "secret" not in json.dumps(expanded)
    by_number = told(recorded, str(lines[0]["seq"]), "--payload")  # type: ignore[index]
    assert by_number["records"][0]["opened"] == {"question": "secret of r5"}  # type: ignore[index]


def test_people_read_local_times_and_what_is_left_out(recorded: Path) -> None:
    code, text = run(recorded, "--verdict", "quoted")
    assert code == 0 and text.startswith("CHECKED: every record was hashed")
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d", text)
    assert "The filter leaves out" in text and "QUOTED" in text
    code, text = run(recorded, "--quick")
    assert code == 0 and text.startswith("UNVERIFIED")
    code, text = run(recorded, "--since", "2020-01-01T00:00:00", "--until", "2020-01-02")
    assert code == 0 and "lie outside the time asked for" in " ".join(text.split())


def test_tampering_stands_at_the_head_and_ends_with_7(recorded: Path) -> None:
    alter(recorded, "UPDATE leaf SET type = 'log.noise' WHERE seq = 4")
    code, text = run(recorded, "--person", "ann")
    assert code == 7
    assert text.startswith("TAMPERED: the row of record 4")
    assert "QUOTED" in text  # what there is is shown


def test_wrong_calls_are_told_what_to_do(recorded: Path, tmp_path: Path) -> None:
    assert run(recorded, "--payload")[0] == UsageError.exit_code
    assert "record by record" in run(recorded, "--payload")[1]
    assert "cannot be read" in run(recorded, "--checkpoint", str(tmp_path / "none"))[1]
    assert "belongs to no request" in run(recorded, "0")[1]
    code, text = run(tmp_path / "empty")
    assert code == 7 and "There is no audit log" in text
    database = recorded / "audit" / "log.db"
    with sqlite3.connect(database) as connection:
        looked = connection.execute(
            "SELECT count(*) FROM leaf WHERE type IN ('log.searched', 'log.viewed')"
        ).fetchone()
    assert looked[0] == 0  # what was refused looked at nothing
