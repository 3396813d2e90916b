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

from assistant import llamacpp_process, llamacpp_stream, loaded
from assistant.errors import (
    AssistantError,
    ModelAltered,
    ModelBusy,
    ModelFailed,
    ModelMissing,
    ModelUnreadable,
)
from assistant.llamacpp import EngineOptions, LlamaCpp
from assistant.model import Caller, Model, Sampling
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


def test_a_process_killed_in_the_middle_costs_time_only(make: Make) -> None:
    engine = make()
    stream = engine.generate("", "one two three " * 20, Sampling())
    given = [next(stream), next(stream)]
    first = engine.process().pid
    os.kill(first, signal.SIGKILL)
    assert "".join([*given, *stream]) == "one two three " * 20
    assert stream.result.attempts == 2
    assert engine.process().pid != first
    assert say(engine, "three four") == "three four "


def test_a_process_killed_each_time_is_a_failure_and_the_next_answer_is_none(make: Make) -> None:
    engine = make(retries=1)
    stream = engine.generate("", "one two " * 500, Sampling())
    for _ in range(2):
        next(stream)
        os.kill(engine.process().pid, signal.SIGKILL)
    with pytest.raises(ModelFailed, match="SIGKILL"):
        list(stream)
    with pytest.raises(RuntimeError):
        assert stream.result
    assert say(engine, "three four") == "three four "


def test_what_was_given_out_is_never_followed_by_another_beginning(make: Make) -> None:
    engine = make("unsure")
    stream = engine.generate("", "one two " * 50, Sampling())
    next(stream)
    os.kill(engine.process().pid, signal.SIGKILL)
    with pytest.raises(ModelFailed, match="something else"):
        list(stream)
    assert engine.line.running == 0


def test_what_ends_sooner_the_second_time_is_a_failure_too(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCRIPTED_MARK", str(tmp_path / "mark"))
    engine = make("brief")
    stream = engine.generate("", "one two three four " * 20, Sampling())
    given = [next(stream) for _ in range(4)]
    assert given == ["one ", "two ", "three ", "four "]
    os.kill(engine.process().pid, signal.SIGKILL)
    with pytest.raises(ModelFailed, match="something else"):
        list(stream)
    assert engine.line.running == 0


def test_all_that_were_under_way_are_written_again_one_by_one(make: Make) -> None:
    engine = make(sequences=3)
    streams = {
        word: engine.generate("", f"{word} " * 40, Sampling(), caller=Caller(word))
        for word in ("left", "right", "middle")
    }
    said: dict[str, str] = {}
    begun = threading.Barrier(4)

    def read(word: str) -> None:
        first = next(streams[word])
        begun.wait(20)
        said[word] = first + "".join(streams[word])

    threads = [threading.Thread(target=read, args=(word,)) for word in streams]
    for thread in threads:
        thread.start()
    begun.wait(20)
    os.kill(engine.process().pid, signal.SIGKILL)
    for thread in threads:
        thread.join(60)
    assert said == {word: f"{word} " * 40 for word in streams}


def test_a_process_that_never_works_is_tried_less_and_less_often(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make("stillborn")
    for _ in range(loaded.FAILURES_IN_A_ROW):
        with pytest.raises(ModelFailed, match="no room for 80 layers"):
            say(engine, "hello")
    with pytest.raises(
        ModelFailed, match="failed 5 times in a row and is tried again in 1 s; at last"
    ):
        say(engine, "hello")


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
    engine.process()  # loading does not count
    with engine.generate("", "hello", Sampling(), time.monotonic() + 0.5) as stream:
        assert list(stream) == []
    assert stream.result.stop_reason == "cancelled"  # as the scripted process calls it


def test_a_model_that_does_not_stop_when_told_is_killed(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llamacpp_stream, "GRACE_SECONDS", 0.2)
    engine = make("deaf")
    engine.process()  # loading does not count
    stream = engine.generate("", "hello", Sampling(), time.monotonic() + 0.5)
    with pytest.raises(ModelFailed, match="did not stop"):
        next(stream)


def test_two_answers_never_mix_and_neither_is_lost(make: Make) -> None:
    engine = make()
    said: dict[str, str] = {}

    def ask(word: str) -> None:
        with engine.generate("", f"{word} " * 20, Sampling(), caller=Caller(word)) as stream:
            said[word] = "".join(stream)

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
        with pytest.raises(ModelBusy, match="1 question is ahead"):
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


def test_another_model_takes_over_with_the_next_answer(tmp_path: Path) -> None:
    one, other = model_file(tmp_path, "echo"), model_file(tmp_path, "other")
    chosen, told = [one], list[str]()
    with LlamaCpp(
        lambda: chosen[0], None, CHILD, notice=lambda what, facts: told.append(what)
    ) as engine:
        under_way = engine.generate("", "one two three " * 10, Sampling())
        begun = next(under_way)
        old = engine.process()
        chosen[0] = other
        said: list[str] = []
        waiting = threading.Thread(target=lambda: said.append(say(engine, "four")))
        waiting.start()
        assert begun + "".join(under_way) == "one two three " * 10
        waiting.join(30)
        assert said == ["FOUR "]
        assert not running(old.pid)
        assert told == ["model.loaded", "model.unloaded", "model.loaded"]


def test_both_models_are_in_memory_only_if_both_fit(tmp_path: Path) -> None:
    one, other = model_file(tmp_path, "echo"), model_file(tmp_path, "other")
    chosen = [one]
    with LlamaCpp(
        lambda: chosen[0], EngineOptions(sequences=2), CHILD, both_fit=lambda old, new: True
    ) as engine:
        under_way = engine.generate("", "one two three " * 30, Sampling())
        begun = next(under_way)
        old = engine.process()
        chosen[0] = other
        assert say(engine, "four") == "FOUR "
        assert running(old.pid)
        assert begun + "".join(under_way) == "one two three " * 30
        assert eventually(lambda: not running(old.pid))


def test_an_answer_of_the_old_model_waiting_in_line_is_not_forgotten(tmp_path: Path) -> None:
    one, other = model_file(tmp_path, "echo"), model_file(tmp_path, "other")
    chosen = [one]
    with LlamaCpp(lambda: chosen[0], None, CHILD) as engine:
        with engine.held() as held:
            first = engine.generate("", "word " * 20, Sampling())
            next(first)
            chosen[0] = other
            late: list[str] = []
            newer = threading.Thread(target=lambda: late.append(say(engine, "new")))
            newer.start()
            assert say(held, "held") == "held "  # though a newer answer waits for the old to end
        newer.join(30)
        assert late == ["NEW "]
        list(first)


def test_what_cannot_be_recorded_does_not_run(tmp_path: Path) -> None:
    def refuse(what: str, facts: object) -> None:
        raise OSError("the disk is full")

    with LlamaCpp(model_file(tmp_path), None, CHILD, notice=refuse) as engine:
        with pytest.raises(OSError, match="disk is full"):
            say(engine, "hello")
        assert engine.line.running == 0


def test_a_loss_is_told_with_its_reason(tmp_path: Path) -> None:
    told: list[tuple[str, object]] = []
    with LlamaCpp(
        model_file(tmp_path), None, CHILD, notice=lambda what, facts: told.append((what, facts))
    ) as engine:
        process = engine.process()
        os.kill(process.pid, signal.SIGKILL)
        assert eventually(lambda: not process.alive)
        say(engine, "hello")
    assert [what for what, _ in told] == [
        "model.loaded",
        "model.lost",
        "model.loaded",
        "model.unloaded",
    ]
    assert "SIGKILL" in str(told[1][1])


def test_who_waits_is_told_how_many_are_ahead(make: Make) -> None:
    engine = make()
    first = engine.generate("", "word " * 60, Sampling())
    next(first)
    second = engine.generate("", "late", Sampling(), caller=Caller("b"))
    counts = second.waiting()
    assert next(counts) == 1
    first.close()
    assert list(counts) in ([], [1])
    assert "".join(second) == "late "
    assert second.result.seconds_waited > 0


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
    assert kind.exit_code in (2, 3, 4, 5)
