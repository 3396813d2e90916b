"""Which prompt is in use: chosen with its digest, refused when altered, one for all processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from assistant import prompt_shelf, prompts
from assistant.errors import PromptRefused, PromptUnusable
from assistant.prompt_shelf import PromptShelf
from tests.assistant.test_prompts import GOOD


class Told:
    """What was recorded; refuses on demand."""

    def __init__(self, refuse: bool = False) -> None:
        self.events: list[tuple[str, dict[str, object]]] = []
        self._refuse = refuse

    def __call__(self, kind: str, fields: object) -> None:
        if self._refuse:
            raise OSError("the log is full")
        self.events.append((kind, dict(fields)))  # type: ignore[call-overload]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "download.toml"
    path.write_text(GOOD)
    return path


def test_without_a_choice_the_shipped_prompt_is_in_use(tmp_path: Path) -> None:
    shelf = PromptShelf(tmp_path / "none")
    assert shelf.current("answer") == prompts.DEFAULT
    assert [(each.name, each.in_use, each.own) for each in shelf.all()][:1] == [
        ("answer-1", True, False)
    ]
    assert not (tmp_path / "none").exists()


def test_a_prompt_is_added_chosen_and_gone_back_from(tmp_path: Path, file: Path) -> None:
    told, shelf = Told(), PromptShelf(tmp_path / "home")
    prompt, new = prompt_shelf.add(shelf, file, told)
    assert (prompt.name, new) == ("mine-2", True)
    assert prompt_shelf.add(shelf, file, told) == (prompt, False)
    assert shelf.current("answer") == prompts.DEFAULT  # added is not chosen
    assert prompt_shelf.use(shelf, "mine-2", told) == (prompt, "answer-1")
    assert shelf.current("answer") == prompt
    assert prompt_shelf.use(shelf, "mine-2", told) == (prompt, "mine-2")  # nothing to record
    assert prompt_shelf.use(shelf, "answer-1", told)[1] == "mine-2"
    assert shelf.current("answer") == prompts.DEFAULT
    facts = {"kind": "answer", "name": "mine-2", "sha256": prompt.digest}
    assert told.events[:2] == [
        ("prompt.added", facts),
        ("prompt.chosen", facts | {"before": "answer-1"}),
    ]
    assert len(told.events) == 3


def test_what_cannot_be_recorded_does_not_happen(tmp_path: Path, file: Path) -> None:
    shelf = PromptShelf(tmp_path / "home")
    with pytest.raises(OSError, match="log is full"):
        prompt_shelf.add(shelf, file, Told(refuse=True))
    assert not list(shelf.folder.glob("*.toml"))
    prompt_shelf.add(shelf, file, Told())
    with pytest.raises(OSError, match="log is full"):
        prompt_shelf.use(shelf, "mine-2", Told(refuse=True))
    assert shelf.current("answer") == prompts.DEFAULT


def test_a_prompt_altered_after_it_was_chosen_is_refused_until_it_is_chosen_again(
    tmp_path: Path, file: Path
) -> None:
    shelf = PromptShelf(tmp_path / "home")
    prompt_shelf.add(shelf, file, Told())
    prompt_shelf.use(shelf, "mine-2", Told())
    path = shelf.folder / "mine-2.toml"
    path.write_text(GOOD.replace("Shorter.", "Other notes."))
    assert shelf.current("answer").notes == "Other notes."  # notes are for people
    path.write_text(GOOD.replace("from the passages", "freely"))
    with pytest.raises(PromptUnusable, match="altered since it was chosen"):
        shelf.current("answer")
    mine = next(each for each in shelf.all() if each.name == "mine-2")
    assert (mine.in_use, mine.trouble) == (True, "altered since it was chosen")
    told = Told()
    assert "freely" in prompt_shelf.use(shelf, "mine-2", told)[0].system
    assert [kind for kind, _ in told.events] == ["prompt.chosen"]
    assert "freely" in shelf.current("answer").system
    path.unlink()
    with pytest.raises(PromptRefused, match="no prompt 'mine-2'"):
        shelf.current("answer")
    gone = next(each for each in shelf.all() if each.name == "mine-2")
    assert (gone.prompt, gone.in_use, gone.trouble) == (None, True, "its file is gone")


def test_a_version_never_changes(tmp_path: Path, file: Path) -> None:
    shelf = PromptShelf(tmp_path / "home")
    prompt_shelf.add(shelf, file, Told())
    file.write_text(GOOD.replace("from the passages", "freely"))
    with pytest.raises(PromptRefused, match="higher `version`"):
        prompt_shelf.add(shelf, file, Told())
    file.write_text(GOOD.replace('"mine"', '"answer"').replace("= 2", "= 1"))
    with pytest.raises(PromptRefused, match="answer-1 already"):
        prompt_shelf.add(shelf, file, Told())
    assert (
        prompt_shelf.read_file(shelf.folder / "mine-2.toml").system == "Answer from the passages."
    )


def test_files_that_are_no_prompts_are_listed_with_their_reason(tmp_path: Path, file: Path) -> None:
    shelf = PromptShelf(tmp_path / "home")
    prompt_shelf.add(shelf, file, Told())
    (shelf.folder / "other-1.toml").write_text(GOOD)  # holds mine-2
    (shelf.folder / "big-1.toml").write_bytes(b"#" * (65 << 10))
    troubles = {each.name: each.trouble for each in shelf.all() if each.trouble}
    assert "holds mine-2" in troubles["other-1"]
    assert "larger than 64 KiB" in troubles["big-1"]
    with pytest.raises(PromptRefused, match="There is no prompt"):
        shelf.prompt("../home/prompts/mine-2")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"format": 2, "prompts": {}}',
        '{"format": 1, "prompts": {"answer": {"name": "../x-1", "sha256": "%s"}}}' % ("a" * 64),
        '{"format": 1, "prompts": {"answer": {"name": "mine-2", "sha256": "1"}}}',
        '{"format": 1, "prompts": {"poem": {"name": "mine-2", "sha256": "%s"}}}' % ("a" * 64),
    ],
)
def test_a_damaged_choice_stops_and_is_not_taken_for_none(tmp_path: Path, text: str) -> None:
    shelf = PromptShelf(tmp_path)
    shelf.folder.mkdir()
    (shelf.folder / "current.json").write_text(text)
    with pytest.raises(PromptRefused, match="restore it from a backup"):
        shelf.current("answer")
    with pytest.raises(PromptRefused):
        prompt_shelf.use(shelf, "answer-1", Told())


CHOOSER = """
import sys
from pathlib import Path
from assistant import prompt_shelf
shelf = prompt_shelf.PromptShelf(Path(sys.argv[1]))
for _ in range(40):
    prompt_shelf.use(shelf, sys.argv[2], lambda kind, fields: None)
    assert shelf.current("answer").name in ("mine-2", "mine-3", "answer-1")
"""


@pytest.mark.slow
def test_two_processes_choose_at_once_and_every_reader_sees_a_whole_choice(
    tmp_path: Path, file: Path
) -> None:
    shelf = PromptShelf(tmp_path / "home")
    prompt_shelf.add(shelf, file, Told())
    file.write_text(GOOD.replace("version = 2", "version = 3"))
    prompt_shelf.add(shelf, file, Told())
    started = [
        subprocess.Popen([sys.executable, "-c", CHOOSER, str(tmp_path / "home"), name])
        for name in ("mine-2", "mine-3")
    ]
    names = set()
    while any(each.poll() is None for each in started):
        names.add(shelf.current("answer").name)
    assert [each.wait() for each in started] == [0, 0]
    assert names <= {"mine-2", "mine-3", "answer-1"}
    held = json.loads((shelf.folder / "current.json").read_text())
    assert held["prompts"]["answer"]["name"] in ("mine-2", "mine-3")
    assert not list(shelf.folder.glob(".adding-*"))
