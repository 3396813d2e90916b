"""A model chosen on the shelf by one process answers in another that runs; the log has it."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from assistant.answer import Asker, Question, Verdict
from assistant.compose import open_assistant
from assistant.shelf import DEFAULT_NAME, Shelf, default_model
from assistant.shelving import About, add, use
from audit.compose import open_log
from audit.record import Actor
from ingest.compose import open_ingestor
from tests.assistant.tiny_gguf import build

pytestmark = pytest.mark.slow

ANNA = Asker("anna", frozenset({"local"}), auth="local-user")
QUESTION = Question("How long are records kept?", ANNA)


@pytest.fixture
def filled(home: Path, tmp_path: Path) -> Path:
    # What is asked here is which model writes, so that one must.
    (home / "cloister.toml").write_text("[assistant]\nstraight_answers = false\n")
    page = tmp_path / "policy.md"
    page.write_text("# Retention\n\nRecords of a transaction are kept for six years.\n")
    person = Actor("person", "anna", auth="local-user", groups=("local",))
    with open_log(home) as log, open_ingestor(home, log, person) as ingestor:
        ingestor.add([page], "default")
    return home


def unrecorded(kind: str, fields: object) -> None:
    """The command records what it does to the shelf; here only the shelf matters."""


def test_a_running_assistant_takes_up_what_is_chosen(filled: Path, tmp_path: Path) -> None:
    shelf = Shelf(filled)
    tiny = build(tmp_path / "tiny.gguf", "qwen2.5")
    copy = tmp_path / "copy.gguf"
    shutil.copyfile(default_model().path, copy)
    add(shelf, tiny, About(name="tiny"), unrecorded)
    with open_log(filled) as log, open_assistant(filled, log) as assistant:
        first = assistant.ask(QUESTION)
        use(shelf, "tiny", unrecorded)
        second = assistant.ask(QUESTION)
        use(shelf, DEFAULT_NAME, unrecorded)
        third = assistant.ask(QUESTION)
    assert first.model.startswith(DEFAULT_NAME)
    assert second.model == f"tiny {hashlib.sha256(tiny.read_bytes()).hexdigest()[:12]}"
    assert (third.model, third.text) == (first.model, first.text)
    # Whatever random weights write, what is shown is the document's own words.
    assert second.verdict is Verdict.QUOTED
    assert "six years" in second.text
    with open_log(filled) as log:
        told = [leaf.type for leaf in log.scan()]
    assert [kind for kind in told if kind in ("model.loaded", "model.unloaded")] == [
        "model.loaded",
        "model.unloaded",
    ] * 3
