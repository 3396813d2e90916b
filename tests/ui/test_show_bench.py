"""What `cloister models bench` prints."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from assistant import bench as measuring
from assistant.bench import Plan, Report
from assistant.errors import ShelfError
from tests.assistant.test_bench import Counting
from ui import show_bench
from ui.errors import UsageError


def report(**changes: object) -> Report:
    model = Counting(joules=12.5)
    made = measuring.run(model, Plan(people=(1, 2), rounds=1, written=8, passages=40))
    return replace(made, **changes)  # type: ignore[arg-type]


def printed(made: Report) -> str:
    console = Console(file=io.StringIO(), width=100, markup=False)
    show_bench.tables(console, made)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_a_program_gets_every_figure() -> None:
    found = show_bench.as_json(report())
    assert json.loads(json.dumps(found)) == found
    one, two = found["people"]  # type: ignore[misc]
    assert (one["people"], two["people"]) == (1, 2)
    assert one["answer_tokens"] == 8
    assert one["answer_joules"] == 12.5
    assert one["aggregate_times_one"] == 1.0
    assert set(one["second_question"]) == {
        "first_token_seconds",
        "first_token_to_first_questions",
        "aggregate_tokens_per_second",
        "kept_tokens",
    }


def test_joules_that_are_not_known_are_said_to_be() -> None:
    made = report()
    unknown = replace(made, figures=tuple(replace(each, joules=None) for each in made.figures))
    people = show_bench.as_json(unknown)["people"]
    assert [each["answer_joules"] for each in people] == [None, None]  # type: ignore[attr-defined]
    assert "unknown" in printed(unknown)
    assert "12.5" in printed(made)


def test_a_person_sees_a_column_for_each_number_of_people() -> None:
    text = printed(report())
    head = next(line for line in text.splitlines() if line.startswith("at once"))
    assert head.split() == ["at", "once", "1", "2"]
    assert "on the processor" in text
    assert "a grammar held it" not in text
    assert "a grammar held it" in printed(report(held=True))


def test_what_was_decided_otherwise_is_told_and_cannot_steer_the_terminal() -> None:
    made = report()
    info = replace(made.info, notes=("2 answers at a time instead of 4\x1b[2J",))
    text = printed(replace(made, info=info))
    assert "2 answers at a time instead of 4\\x1b[2J" in text


@pytest.mark.parametrize(
    "wrong",
    [{"people": ()}, {"people": (0,)}, {"people": (2, 2)}, {"people": (65,)}, {"rounds": 0}],
)
def test_impossible_numbers_are_refused_before_anything_is_loaded(
    home: Path, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, object]
) -> None:
    monkeypatch.setattr(show_bench, "_engine", None)
    with pytest.raises(UsageError):
        show_bench.bench(home, **wrong)  # type: ignore[arg-type]


def test_with_json_nothing_else_is_on_stdout(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[str, int]] = []

    @contextmanager
    def engine(home: Path, name: str, people: int) -> Iterator[Counting]:
        asked.append((name, people))
        yield Counting()

    monkeypatch.setattr(show_bench, "_engine", engine)
    show_bench.bench(home, "mine", json=True, people=(4, 1), rounds=1, written=4, passages=40)
    found = json.loads(capsys.readouterr().out)
    assert [each["people"] for each in found["people"]] == [1, 4]
    assert asked == [("mine", 4)]


def test_a_name_that_is_not_on_the_shelf_is_refused(home: Path) -> None:
    with pytest.raises(ShelfError, match="nowhere"):
        show_bench.bench(home, "nowhere")


@pytest.mark.slow
def test_the_default_model_is_measured(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show_bench.bench(home, json=True, people=(1, 2), rounds=1, written=8, passages=80)
    found = json.loads(capsys.readouterr().out)
    for each in found["people"]:
        assert each["answer_tokens"] == 8
        assert each["decode_tokens_per_second"] > 0
        assert each["second_question"]["kept_tokens"] > 60
    assert 100 < found["prompt_tokens"] < 300
