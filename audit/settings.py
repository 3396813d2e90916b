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
from typing import Any, Self

from audit.errors import SettingsError

FILE = "cloister.toml"
SECTION = "audit"
PREFIX = "CLOISTER_AUDIT_"


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """When the log is sealed, under which key, where checkpoints are anchored, what is kept."""

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
    rotate_days: int = field(
        default=90,
        metadata={
            "description": "Begin a new signing key after so many days and destroy the one before."
        },
    )
    key_folder: str = field(
        default="",
        metadata={
            "description": "Folder of the private keys, such as one on another volume; empty: "
            "`audit/keys` in the data folder."
        },
    )
    anchor_folder: str = field(
        default="",
        metadata={
            "description": "Folder, on a volume that this machine's administrators cannot change, "
            "that gets a copy of every checkpoint."
        },
    )
    anchor_syslog: str = field(
        default="",
        metadata={
            "description": "Where checkpoints go as syslog (RFC 5424): `unix:/dev/log`, "
            "`udp:host:port` or `tcp:host:port`, inside the premises."
        },
    )
    anchor_command: str = field(
        default="",
        metadata={"description": "Command that gets each checkpoint on its standard input."},
    )
    anchor_timeout_seconds: int = field(
        default=10, metadata={"description": "Seconds after which one try at an anchor ends."}
    )
    disk_low_mb: int = field(
        default=1024, metadata={"description": "Free MiB below which the log records `disk.low`."}
    )
    disk_stop_mb: int = field(
        default=64,
        metadata={
            "description": "Free MiB below which nothing new is recorded, and so nothing answered."
        },
    )
    clock_step_ms: int = field(
        default=1000,
        metadata={"description": "A step of the clock of so many milliseconds is recorded."},
    )
    socket: str = field(
        default="",
        metadata={
            "description": "Hardened mode: the socket of `cloister audit daemon`, which alone may "
            "then write the log; empty: this process writes it."
        },
    )
    retention: str = field(
        default="",
        metadata={
            "description": "How long records are kept at least: `hipaa`, `ai-act`, "
            "`sec-17a-4`, or `name=6y`, `name=183d`; several with commas; empty: for ever."
        },
    )

    @classmethod
    def load(cls, home: Path, environment: Mapping[str, str] | None = None) -> Self:
        """Read the settings for `home`; variables (by default the process's) win over the file.

        Raises SettingsError (exit code 3) for an unreadable file, an unknown key, a number that is
        no whole one above 0, or a text that is none. What a text means, its user checks.
        """
        path = home / FILE
        defaults = {each.name: each.default for each in fields(cls)}
        chosen: dict[str, Any] = {}
        for key, value in _read_table(path).items():
            _require_known(key, str(path), list(defaults))
            chosen[key] = _fitting(value, defaults[key], f"{path}, [{SECTION}] {key}")
        for name, text in (os.environ if environment is None else environment).items():
            if name.upper().startswith(PREFIX):
                key, source = name[len(PREFIX) :].lower(), f"the variable {name}"
                _require_known(key, source, list(defaults))
                numeric = isinstance(defaults[key], int)
                chosen[key] = _fitting(_number(text) if numeric else text, defaults[key], source)
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


def _fitting(value: object, default: object, source: str) -> int | str:
    if isinstance(default, int):
        return _positive(value, source)
    if not isinstance(value, str) or "\0" in value:
        raise SettingsError(source, f"{value!r} is not a text; put it in quotes")
    return value.strip()


def _positive(value: object, source: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise SettingsError(source, f"{value!r} is not a whole number above 0; give one")
    return value
