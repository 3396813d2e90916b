"""The log's settings: the table `[audit]` of `cloister.toml`, then `CLOISTER_AUDIT_*` variables.

A plain dataclass over `tomllib`, because this package needs nothing but the standard library and
`cryptography`; it behaves like the settings of the other packages.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Self

from audit.errors import SettingsError

FILE = "cloister.toml"
SECTION = "audit"
PREFIX = "CLOISTER_AUDIT_"


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """When the log is sealed, and how long it waits. Every value is a whole number above 0."""

    # Fewer records: a shorter unsealed tail, more checkpoints.
    seal_records: int = field(
        default=256, metadata={"description": "Sign a checkpoint after this many records."}
    )
    # The tail that a thief of the disk could cut off unnoticed is at most this old.
    seal_seconds: int = field(
        default=60, metadata={"description": "Sign a checkpoint after this many seconds."}
    )
    # Another process holds the log for well under a millisecond, unless its disk is slow.
    busy_timeout_ms: int = field(
        default=10_000,
        metadata={"description": "Milliseconds to wait for another process before giving up."},
    )

    @classmethod
    def load(cls, home: Path, environment: Mapping[str, str] | None = None) -> Self:
        """Read the settings for `home`; variables (by default the process's) win over the file.

        Raises SettingsError (exit code 3) for an unreadable file, an unknown key or a value that is
        no whole number above 0.
        """
        path = home / FILE
        known = [each.name for each in fields(cls)]
        chosen: dict[str, int] = {}
        for key, value in _read_table(path).items():
            _require_known(key, str(path), known)
            chosen[key] = _positive(value, f"{path}, [{SECTION}] {key}")
        for name, text in (os.environ if environment is None else environment).items():
            if name.upper().startswith(PREFIX):
                key = name[len(PREFIX) :].lower()
                _require_known(key, f"the variable {name}", known)
                chosen[key] = _positive(_number(text), f"the variable {name}")
        return cls(**chosen)


def _read_table(path: Path) -> Mapping[str, object]:
    try:
        with path.open("rb") as file:
            table = tomllib.load(file).get(SECTION, {})
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(str(path), f"this is not valid TOML ({error}); correct it") from error
    except OSError as error:
        why = f"it cannot be read ({error.strerror}); check its permissions"
        raise SettingsError(str(path), why) from error
    if not isinstance(table, dict):
        raise SettingsError(str(path), f"[{SECTION}] must be a table of settings")
    return table


def _require_known(key: str, source: str, known: list[str]) -> None:
    if key not in known:
        why = f"there is no setting `{key}` in [{SECTION}]; the settings are {', '.join(known)}"
        raise SettingsError(source, why)


def _number(text: str) -> object:
    try:
        return int(text)
    except ValueError:
        return text


def _positive(value: object, source: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise SettingsError(source, f"{value!r} is not a whole number above 0; give one")
    return value
