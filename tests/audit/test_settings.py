"""Settings and composition."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from audit.compose import open_log
from audit.errors import SettingsError
from audit.settings import AuditSettings


def _write(home: Path, text: str) -> None:
    (home / "cloister.toml").write_text(text, encoding="utf-8")


def test_without_a_file_the_defaults_hold(home: Path) -> None:
    assert AuditSettings.load(home, {}) == AuditSettings()


def test_variables_win_over_the_file(home: Path) -> None:
    _write(home, "[audit]\nseal_records = 5\nseal_seconds = 6\n[index]\nother = 1\n")
    chosen = AuditSettings.load(home, {"CLOISTER_AUDIT_SEAL_SECONDS": "7", "CLOISTER_HOME": "x"})
    assert (chosen.seal_records, chosen.seal_seconds) == (5, 7)


@pytest.mark.parametrize(
    ("text", "environment", "words"),
    [
        ("[audit]\nseal_record = 5\n", {}, ["seal_record`", "cloister.toml", "seal_records"]),
        ("", {"CLOISTER_AUDIT_SEAL": "5"}, ["`seal`", "CLOISTER_AUDIT_SEAL", "busy_timeout_ms"]),
        ("[audit]\nseal_records = 0\n", {}, ["seal_records", "0 is not"]),
        ("[audit]\nseal_records = true\n", {}, ["seal_records", "True is not"]),
        ("[audit]\nseal_records = 1.5\n", {}, ["seal_records", "1.5 is not"]),
        ("", {"CLOISTER_AUDIT_SEAL_RECORDS": "many"}, ["'many' is not"]),
        ("[audit\n", {}, ["not valid TOML"]),
        ("audit = 3\n", {}, ["must be a table"]),
    ],
)
def test_what_cannot_be_used_stops_the_start(
    home: Path, text: str, environment: dict[str, str], words: list[str]
) -> None:
    _write(home, text)
    with pytest.raises(SettingsError) as caught:
        AuditSettings.load(home, environment)
    assert caught.value.exit_code == 3
    assert all(word in str(caught.value) for word in words)


def test_an_unreadable_file_is_named(home: Path) -> None:
    (home / "cloister.toml").mkdir()
    with pytest.raises(SettingsError, match="cannot be read"):
        AuditSettings.load(home, {})


def test_every_setting_is_described() -> None:
    assert all(each.metadata["description"].endswith(".") for each in fields(AuditSettings))


def test_the_log_is_put_together_from_the_settings(home: Path) -> None:
    _write(home, "[audit]\nseal_records = 1\n")
    with open_log(home) as log:
        assert log._parts.store.last_checkpoint() is not None
        assert "log.opened" in log.counters()
    _write(home, "[audit]\nunknown = 1\n")
    with pytest.raises(SettingsError):
        open_log(home)
