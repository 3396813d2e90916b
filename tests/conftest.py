"""What every test shares: a home of its own, and no way to a model hub or a telemetry host."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "ANONYMIZED_TELEMETRY": "False",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "LANGSMITH_TRACING": "false",
    "TOKENIZERS_PARALLELISM": "false",
}
os.environ.update(OFFLINE)

for name in [n for n in os.environ if n.startswith("CLOISTER_")]:
    del os.environ[name]  # a developer's own settings must not change what the tests see


_MEMORY = Path("/dev/shm")  # noqa: S108 - looked at before it is used
_ROOM = 4 * 1024**3  # bytes that must be free there
_BYTECODE = Path(__file__).parent.parent / "build" / "pycache"


def pytest_configure(config: pytest.Config) -> None:
    """Before the workers start: bytecode is kept, and quick tests work in memory.

    Compiling every test anew, with its assertions rewritten, takes each worker longer than most
    directories of tests do. And what waits for a disk in quick tests are some twenty thousand
    calls that flush a file. The slow tests, which kill processes and fill disks, stay on a disk;
    so do all with `--basetemp`, where files can be looked at afterwards.
    """
    if hasattr(config, "workerinput"):
        return
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ.setdefault("PYTHONPYCACHEPREFIX", str(_BYTECODE))
    chosen = config.option.basetemp or os.environ.get("PYTEST_DEBUG_TEMPROOT")
    if config.option.markexpr == "not slow" and not chosen and _is_roomy(_MEMORY):
        # A short name: the path of a socket has room for a hundred characters.
        folder = tempfile.mkdtemp(prefix="t", dir=_MEMORY)
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
        os.environ["PYTEST_DEBUG_TEMPROOT"] = folder


def _is_roomy(folder: Path) -> bool:
    """Whether tests can work there: there is room, and stand-ins for programs can be run."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    free = found.f_bavail * found.f_frsize
    return free >= _ROOM and not found.f_flag & os.ST_NOEXEC and os.access(folder, os.W_OK)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty data folder, private to one test."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder
