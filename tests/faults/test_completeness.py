"""Whatever breaks: what a model was given and what left for a reader stands in the log before."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import pytest

from assistant.asides import Aside
from assistant.recording import QuestionRecord
from audit.keys import read_verifier_keys
from audit.report import State
from audit.verify import verify_log
from tests.faults import tapped
from tests.faults.taps import BROKEN


def _run(home: Path, cases: int, seed: int) -> tuple[tapped.World, list[str]]:
    home.mkdir()
    world = tapped.World(home, tapped.scripted, seed)
    for case in range(cases):
        world.run(case)
    found = list(tapped.troubles(world))
    world.close()
    return world, found


@pytest.mark.slow
def test_with_faults_in_everything_each_answer_has_its_whole_record(tmp_path: Path) -> None:
    world, found = _run(tmp_path / "home", 500, 11)
    assert not found, found[:5]
    taps = world.taps
    assert len(taps.prompts) > 100
    assert len(taps.scores) > 10
    assert sum(map(len, taps.sentences.values())) > 50
    assert sum(map(len, taps.answers.values())) > 150
    sites = set(BROKEN) - {"none"}
    assert all(taps.hits[site] > 0 for site in sites), taps.hits
    folder = tmp_path / "home" / "audit"
    assert verify_log(folder, read_verifier_keys(folder / "keys")).state is State.OK


@pytest.mark.slow
def test_the_tap_sees_what_is_not_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above can fail: with each of these records left out, it does."""

    @contextmanager
    def nothing(*_: object):  # type: ignore[no-untyped-def]
        yield Aside()

    for name, silent, told in (
        ("sentence", lambda *a, **k: None, "a sentence left without a record"),
        ("model_finished", lambda *a, **k: None, "calls of a model began"),
        ("aside", nothing, "a model scored under the prompt"),
    ):
        with monkeypatch.context() as changed:
            changed.setattr(QuestionRecord, name, silent)
            _, found = _run(tmp_path / name, 120, 5)
        assert any(told in each for each in found), name


@pytest.mark.slow
def test_whoever_leaves_with_the_whole_answer_has_not_left_early(tmp_path: Path) -> None:
    """An answer whose reader is gone once it is there ends once: released."""
    (tmp_path / "home").mkdir()
    world = tapped.World(tmp_path / "home", tapped.scripted, 3)
    assistant = world.assistant(0)
    events = assistant.stream(tapped.Question(tapped.ASKED[0], tapped.ANNA))
    for event in events:
        if isinstance(event, tapped.Answer):
            break
    events.close()  # type: ignore[attr-defined]
    kinds = world.log.counters()
    world.close()
    assert (kinds["answer.released"], kinds.get("answer.failed", 0)) == (1, 0)
