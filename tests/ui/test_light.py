"""`cloister --help` is quick because it loads nothing heavy; this proves the reason."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "torch", "gradio", "fastapi", "uvicorn", "chromadb", "tantivy", "numpy", "sqlalchemy",
    "pydantic_settings", "sentence_transformers", "transformers", "llama_cpp",
    "langchain_core", "langchain_text_splitters", "PIL", "pypdfium2", "docx", "lxml",
    "cryptography", "alembic", "index",
)  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["ingest", "--help"], ["ingest", "add", "--help"], ["ask", "--help"],
     ["chat", "--help"], ["audit", "verify", "--help"], ["models", "list", "--help"]],
)  # fmt: skip
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    script = (
        "import sys; from ui.main import run; code = run(sys.argv[1:]); "
        "sys.stderr.write(' '.join(sorted({m.split('.')[0] for m in sys.modules}))); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True
    )
    assert "Usage" in done.stdout
    assert not set(HEAVY) & set(done.stderr.split())
