"""Put the log together for one data folder."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from audit.anchoring import Anchoring
from audit.anchors import anchors_from
from audit.commit import Limits
from audit.log import Log
from audit.ports import AuditLog
from audit.remote import RemoteLog
from audit.settings import AuditSettings


def open_log(home: Path) -> AuditLog:
    """Open the log of `home`: in its folder `audit`, created on first use, or in the hardened mode
    (setting `socket`) through the daemon that alone may write it. Raises AuditError."""
    settings = AuditSettings.load(home)
    if settings.socket:
        return RemoteLog(
            Path(settings.socket).expanduser(),
            build=build(),
            process=process(),
            timeout_ms=settings.busy_timeout_ms,
        )
    return open_files(home, settings)


def open_files(home: Path, settings: AuditSettings) -> Log:
    """Open the log in the folder `audit` of `home`, creating it on first use, with its anchors.

    Raises AuditError, of which SettingsError for an anchor that cannot be one.
    """
    anchors = anchors_from(settings, home / "audit")
    anchoring = Anchoring(anchors, settings.anchor_timeout_seconds) if anchors else None
    return Log(
        home / "audit",
        build=build(),
        process=process(),
        limits=limits_of(settings),
        key_folder=Path(settings.key_folder).expanduser() if settings.key_folder else None,
        anchoring=anchoring,
    )


def process() -> str:
    """What this program is called."""
    return Path(sys.argv[0]).name or "python"


def limits_of(settings: AuditSettings) -> Limits:
    """The numbers among the settings."""
    return Limits(
        seal_records=settings.seal_records,
        seal_seconds=settings.seal_seconds,
        busy_timeout_ms=settings.busy_timeout_ms,
        rotate_days=settings.rotate_days,
        disk_low_mb=settings.disk_low_mb,
        disk_stop_mb=settings.disk_stop_mb,
        clock_step_ms=settings.clock_step_ms,
    )


def build() -> str:
    """This program and its version, as every record names it."""
    try:
        return f"cloister {version('cloister')}"
    except PackageNotFoundError:
        return "cloister (not installed)"
