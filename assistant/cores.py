"""How many CPU threads a model should compute with."""

from __future__ import annotations

import os
from pathlib import Path

_TOPOLOGY = "devices/system/cpu/cpu{}/topology/thread_siblings_list"
_QUOTA = "fs/cgroup/cpu.max"  # "<microseconds> <period>" or "max <period>"


def available_cores(sysfs: Path = Path("/sys")) -> int:
    """Physical cores that this process may use, at least 1.

    Two hardware threads of one core share its arithmetic units, which a model keeps busy alone, and
    a container's CPU quota counts like fewer cores: threads beyond it would wait for each other.
    """
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    if allowed is None:
        return os.cpu_count() or 1
    cores = {_read(sysfs / _TOPOLOGY.format(cpu)) or str(cpu) for cpu in allowed}
    quota, _, period = _read(sysfs / _QUOTA).partition(" ")
    if quota.isdigit() and period.isdigit() and int(period) > 0:
        return max(1, min(len(cores), int(quota) // int(period)))
    return max(1, len(cores))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
