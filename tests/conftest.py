"""What every test shares: a home of its own, and no way to a model hub or a telemetry host."""

from __future__ import annotations

import os
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


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty data folder, private to one test."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder
