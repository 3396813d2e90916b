"""Put the log together for one data folder."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from audit.log import Limits, Log
from audit.settings import AuditSettings


def open_log(home: Path) -> Log:
    """Open the log of `home` (its folder `audit`), creating it on first use. Raises AuditError."""
    settings = AuditSettings.load(home)
    limits = Limits(settings.seal_records, settings.seal_seconds, settings.busy_timeout_ms)
    process = Path(sys.argv[0]).name or "python"
    return Log(home / "audit", build=_build(), process=process, limits=limits)


def _build() -> str:
    try:
        return f"cloister {version('cloister')}"
    except PackageNotFoundError:
        return "cloister (not installed)"
