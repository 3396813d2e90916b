"""The engine around a model process that behaves, and around several that do not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assistant import llamacpp, llamacpp_process
from assistant.errors import (
    AssistantError,
    ModelAltered,
    ModelBusy,
    ModelFailed,
    ModelMissing,
    ModelUnreadable,
)
from assistant.llamacpp import EngineOptions, LlamaCpp, Turns
from assistant.model import Model, Sampling
from assistant.shelf import ModelFile
from tests.assistant.standins import model_file

CHILD = "tests.assistant.scripted_child"
Make = Callable[..., LlamaCpp]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Engines over a scripted process of the given manner, closed afterwards."""
    made: list[LlamaCpp] = []

    def build(manner: str = "echo", **options: object) -> LlamaCpp:
        chosen = EngineOptions(**options)  # type: ignore[arg-type]
        made.append(LlamaCpp(model_file(tmp_path, manner), chosen, CHILD))
        return made[-1]

    yield build
    for engine in made:
        engine.close()


def say(engine: Model, text: str) -> str:
    with engine.generate("", text, Sampling()) as stream:
        return "".join(stream)


def eventually(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + 20
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)
    return holds()


def running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def test_it_names_the_model_from_the_file_and_the_process(make: Make) -> None:
    info = make(context=1024).info
    assert (info.name, info.quantization, info.architecture) == ("echo", "Q4_K_M", "llama")
    assert (info.context, info.runtime, info.template_sha256) == (1024, "scripted", "ab" * 32)


def test_nothing_is_started_before_it_is_needed(tmp_path: Path) -> None:
    engine = LlamaCpp(ModelFile(tmp_path / "none.gguf", "0" * 64), None, CHILD)
    engine.warm()  # raises nothing, though there is no such file
    with pytest.raises(ModelMissing, match=r"none\.gguf"):
        say(engine, "hello")


def test_warming_starts_the_process_in_the_background(make: Make) -> None:
    engine = make()
    engine.warm()
    assert say(engine, "warm and well") == "warm and well "


def test_an_altered_file_is_never_opened_as_a_model(make: Make, tmp_path: Path) -> None:
    engine = make()
    with (tmp_path / "echo.gguf").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ModelAltered, match="was altered") as caught:
        say(engine, "hello")
    assert caught.value.exit_code == 3


def test_a_file_altered_later_is_noticed_when_it_is_loaded_again(
    make: Make, tmp_path: Path
) -> None:
    engine = make()
    assert say(engine, "one") == "one "
    (tmp_path / "echo.gguf").write_bytes(b"GGUF another model")
    os.kill(engine.process().pid, signal.SIGKILL)
    assert eventually(lambda: _raises(ModelAltered, engine))


def _raises(kind: type[Exception], engine: LlamaCpp) -> bool:
    try:
        say(engine, "two")
    except kind:
        return True
    except ModelFailed:
        return False
    return False


def test_a_process_killed_in_the_middle_costs_that_answer_only(make: Make) -> None:
    engine = make()
    stream = engine.generate("", "one two " * 500, Sampling())
    assert next(stream) == "one "
    first = engine.process().pid
    os.kill(first, signal.SIGKILL)
    with pytest.raises(ModelFailed, match="SIGKILL"):
        list(stream)
    with pytest.raises(RuntimeError):
        assert stream.result
    assert say(engine, "three four") == "three four "
    assert engine.process().pid != first


def test_a_process_killed_between_answers_costs_none(make: Make) -> None:
    engine = make()
    assert say(engine, "one") == "one "
    first = engine.process()
    os.kill(first.pid, signal.SIGKILL)
    assert eventually(lambda: not first.alive)
    assert say(engine, "two") == "two "


@pytest.mark.parametrize(
    ("manner", "words"),
    [
        ("dies", "status 3"),
        ("babbles", "nonsense"),
        ("strays", "belongs to no order"),
        ("stillborn", "no room for 80 layers"),
    ],
)
def test_a_broken_process_is_a_failure_in_one_sentence(make: Make, manner: str, words: str) -> None:
    with pytest.raises(ModelFailed, match=words) as caught:
        say(make(manner), "hello")
    assert "\n" not in str(caught.value)


def test_a_model_that_the_process_refuses_is_unusable(make: Make) -> None:
    with pytest.raises(ModelUnreadable, match="cannot load it"):
        say(make("refuses"), "hello")


def test_a_file_that_is_no_model_starts_no_process(tmp_path: Path) -> None:
    path = tmp_path / "empty.gguf"
    path.write_bytes(b"")
    nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    with pytest.raises(ModelUnreadable, match="cut short"):
        LlamaCpp(ModelFile(path, nothing), None, CHILD).process()


def test_loading_for_ever_is_given_up(make: Make) -> None:
    with pytest.raises(ModelFailed, match="did not reply"):
        make("sleeps", load_seconds=0.5).process()


def test_a_process_that_does_not_count_is_ended(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = make("mute").process()
    with pytest.raises(ModelFailed, match="did not reply"):
        process.ask({"op": "count", "text": "a"}, 0.2)
    assert eventually(lambda: not running(process.pid))


def test_a_mute_model_is_cancelled(make: Make) -> None:
    engine = make("mute")
    with engine.generate("", "hello", Sampling(), time.monotonic() + 0.1) as stream:
        assert list(stream) == []
    assert stream.result.stop_reason == "cancelled"  # as the scripted process calls it


def test_a_model_that_does_not_stop_when_told_is_killed(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llamacpp, "GRACE_SECONDS", 0.2)
    engine = make("deaf")
    stream = engine.generate("", "hello", Sampling(), time.monotonic() + 0.1)
    with pytest.raises(ModelFailed, match="did not stop"):
        next(stream)


def test_two_answers_never_mix_and_neither_is_lost(make: Make) -> None:
    engine = make()
    said: dict[str, str] = {}

    def ask(word: str) -> None:
        said[word] = say(engine, f"{word} " * 20)

    threads = [threading.Thread(target=ask, args=(word,)) for word in ("left", "right", "middle")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert said == {word: f"{word} " * 20 for word in ("left", "right", "middle")}


def test_tokens_are_counted_while_another_answer_is_written(make: Make) -> None:
    engine = make()
    with engine.generate("", "word " * 500, Sampling()) as stream:
        next(stream)
        assert engine.count_tokens("abc") == 3
    assert stream.result.stop_reason == "cancelled"


def test_more_waiting_than_allowed_are_turned_away_at_once(make: Make) -> None:
    engine = make(queue_limit=0)
    with engine.generate("", "word " * 500, Sampling()) as stream:
        next(stream)
        with pytest.raises(ModelBusy, match="1 questions are ahead"):
            say(engine, "too late")
    assert say(engine, "now") == "now "


def test_somebody_who_stops_reading_holds_nobody_up(make: Make) -> None:
    engine = make()
    idle = engine.generate("", "one two three", Sampling())
    assert next(idle) == "one "
    assert say(engine, "next please") == "next please "
    assert "".join(idle) == "two three "
    assert idle.result.text == "one two three "


def test_waiting_for_a_turn_ends_with_the_deadline_or_a_cancel(make: Make) -> None:
    engine = make()
    with engine.generate("", "word " * 500, Sampling()) as busy:
        next(busy)
        with engine.generate("", "late", Sampling(), time.monotonic() + 0.05) as late:
            assert list(late) == []
        assert late.result.stop_reason == "deadline"
        with engine.generate("", "late", Sampling(), None, lambda: True) as unwanted:
            assert list(unwanted) == []
        assert unwanted.result.stop_reason == "cancelled"


def test_an_answer_can_be_closed_by_another_thread(make: Make) -> None:
    engine = make()
    stream = engine.generate("", "word " * 5000, Sampling())
    next(stream)
    closing = threading.Timer(0.05, stream.close)
    closing.start()
    rest = list(stream)
    closing.join()
    assert len(rest) < 4999
    assert stream.result.stop_reason == "cancelled"


def test_turns_are_taken_in_the_order_of_asking() -> None:
    turns, order = Turns(10), list[int]()
    first = turns.take(lambda: False)
    threads = []
    for number in range(5):

        def wait(number: int = number) -> None:
            turn = turns.take(lambda: False)
            order.append(number)
            turns.release(turn)

        threads.append(threading.Thread(target=wait))
        threads[-1].start()
        assert eventually(lambda: len(turns) == len(threads) + 1)
    assert order == []
    turns.release(first)
    turns.release(first)  # twice is once
    for thread in threads:
        thread.join(20)
    assert order == [0, 1, 2, 3, 4]
    assert len(turns) == 0


def test_closing_ends_the_process_and_an_answer_under_way(make: Make) -> None:
    engine = make()
    stream = engine.generate("", "word " * 500, Sampling())
    next(stream)
    pid = engine.process().pid
    engine.close()
    assert not running(pid)
    with pytest.raises(ModelFailed, match="closed"):
        list(stream)
    with pytest.raises(ModelFailed, match="closed"):
        say(engine, "again")


def test_the_process_dies_with_its_parent(tmp_path: Path) -> None:
    model = model_file(tmp_path)
    script = (
        "import sys, time; from pathlib import Path\n"
        "from assistant.llamacpp import LlamaCpp; from assistant.shelf import ModelFile\n"
        f"e = LlamaCpp(ModelFile(Path({str(model.path)!r}), {model.sha256!r}), None, {CHILD!r})\n"
        "print(e.process().pid, flush=True); time.sleep(600)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert running(child)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert eventually(lambda: not running(child))


def test_the_chatter_of_the_process_is_bounded() -> None:
    lines, length = llamacpp_process.STDERR_LINES, llamacpp_process.STDERR_LINE_CHARS
    assert lines * length <= 64_000


def test_half_a_surrogate_pair_is_a_question_mark(make: Make) -> None:
    assert say(make(), "a\ud83d b") == "a? b "


@pytest.mark.parametrize("kind", AssistantError.__subclasses__())
def test_every_failure_has_a_documented_exit_code(kind: type[AssistantError]) -> None:
    assert kind.exit_code in (2, 3)
