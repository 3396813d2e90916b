"""The gate for a change: the decision, the file, and what a person and the log are told."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant import answer_gate
from assistant.answer_figures import NAMES, measured
from assistant.answer_gate import (
    FALLING,
    RISING,
    Gate,
    check,
    chosen,
    decide,
    fitted,
    parse,
    read,
    toml,
    write,
)
from assistant.errors import GateUnusable
from tests.assistant.answer_runs import questions, run

GATE = Gate("sets/hr.csv", {"correct": 0.6, "refusal_f1": 0.8}, {"wrong_shown": 0.1})
GOOD = {"correct": 0.6, "refusal_f1": 0.9, "wrong_shown": 0.1}


def test_every_figure_can_be_bound_on_one_side_only() -> None:
    assert set(NAMES) < RISING | FALLING
    assert not RISING & FALLING


@pytest.mark.parametrize(
    ("change", "missed"),
    [
        ({}, []),
        ({"correct": 0.6 - 1e-12}, []),  # a share of 0.6 may be 0.5999999999999999
        ({"correct": 0.599}, ["correct:599000:floor:600000"]),
        ({"wrong_shown": 0.101}, ["wrong_shown:101000:ceiling:100000"]),
        ({"refusal_f1": float("nan")}, ["refusal_f1:none:floor:800000"]),
        ({"correct": 0.0, "wrong_shown": 1.0}, ["correct:0:floor:600000",
                                                "wrong_shown:1000000:ceiling:100000"]),
    ],
)  # fmt: skip
def test_what_is_missed(change: dict[str, float], missed: list[str]) -> None:
    assert [miss.code for miss in decide(GATE, GOOD | change)] == missed


def test_a_figure_that_was_not_measured_holds_no_bound() -> None:
    (miss,) = decide(GATE, {"correct": 1.0, "wrong_shown": 0.0})
    assert (miss.figure, miss.measured) == ("refusal_f1", None)
    assert "was not measured" in str(miss)


def test_every_set_is_measured_though_the_first_is_missed() -> None:
    other = Gate("sets/law.csv", {"correct": 0.9})
    asked: list[str] = []

    def measure(gate: Gate) -> dict[str, float]:
        asked.append(gate.set)
        return {"correct": 0.5, "refusal_f1": 1.0, "wrong_shown": 0.0}

    missed = check([GATE, other], measure)
    assert asked == ["sets/hr.csv", "sets/law.csv"]
    assert [(miss.set, miss.figure) for miss in missed] == [
        ("sets/hr.csv", "correct"),
        ("sets/law.csv", "correct"),
    ]
    said = str(answer_gate.refusal("model new", "old", missed))
    assert "model new was refused by its gate and old stays in use: correct on" in said
    assert "correct on sets/law.csv is 0.5 and must be at least 0.9" in said
    assert answer_gate.refusal("model new", "old", missed).exit_code == 5


def test_what_is_written_is_read_again_and_other_gates_stay(tmp_path: Path) -> None:
    of = questions(40, 40)
    figures = measured(of.cases, run(of, "default", refuse=5, wrong=8))
    first = write(tmp_path, "sets/hr.csv", figures, 0.05, sha256="a" * 64)
    odd = 'sets/law "2026"\\x\x7f.csv'
    second = write(tmp_path, odd, figures, 0.0, on_home=True)
    assert read(tmp_path) == (first, second)
    again = write(tmp_path, str(tmp_path / "sets" / "hr.csv"), figures, 0.1)
    assert read(tmp_path) == (second, again)  # the same set by another path
    assert decide(first, figures) == decide(second, figures) == ()
    assert first.floors["correct"] == pytest.approx(figures["correct"] - 0.05, abs=1e-4)
    assert first.ceilings["wrong_shown"] == pytest.approx(figures["wrong_shown"] + 0.05, abs=1e-4)
    assert first.ceilings["unsupported_facts"] == 0.0  # gets no margin
    worse = measured(of.cases, run(of, "worse", refuse=5, wrong=2))
    assert {miss.figure for miss in decide(first, worse)} >= {"correct", "wrong_shown"}
    assert not list(tmp_path.glob(".replacing-*"))


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(sorted(RISING | FALLING)), st.floats(0, 1)), st.floats(0, 0.9)
)
def test_what_was_measured_always_holds_its_own_gate(
    figures: dict[str, float], margin: float
) -> None:
    try:
        gate = fitted("set", figures, margin)
    except GateUnusable:
        assert not set(figures) & set(answer_gate.GUARDED)
        return
    assert decide(gate, figures) == ()
    assert parse(toml([gate]).encode(), Path("gates.toml")) == (gate,)


def test_without_a_file_a_sentence_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(GateUnusable, match="--write-gate") as caught:
        read(tmp_path)
    assert "docs/model-changes.md" in str(caught.value)
    assert answer_gate.digest(tmp_path) == ""


def test_one_set_can_be_chosen_by_either_of_its_paths(tmp_path: Path) -> None:
    write(tmp_path, "hr.csv", GOOD, 0.0)
    write(tmp_path, "law.csv", GOOD, 0.0)
    assert [gate.set for gate in chosen(tmp_path, None)] == ["hr.csv", "law.csv"]
    assert [gate.set for gate in chosen(tmp_path, str(tmp_path / "law.csv"))] == ["law.csv"]
    with pytest.raises(GateUnusable, match="no gate for the set other"):
        chosen(tmp_path, "other.csv")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "[[gate]]"),
        ("gate = 1", "[[gate]]"),
        ("[[gate]]\nset = 'x'\n[other]\n", "[[gate]]"),
        ("[[gate]]\nfloors = {correct = 0.5}", "names no `set`"),
        ("[[gate]]\nset = 'x'", "neither `floors` nor `ceilings`"),
        ("[[gate]]\nset = 'x'\nfloors = {correct = 1.5}", "not 0 to 1"),
        ("[[gate]]\nset = 'x'\nfloors = {correct = true}", "not 0 to 1"),
        ("[[gate]]\nset = 'x'\nfloors = {correct = nan}", "not 0 to 1"),
        ("[[gate]]\nset = 'x'\nfloors = {wrong_shown = 0.5}", "known: answered"),
        ("[[gate]]\nset = 'x'\nceilings = {correct = 0.5}", "known: latency"),
        ("[[gate]]\nset = 'x'\nfloor = {correct = 0.5}", "unknown key 'floor'"),
        ("[[gate]]\nset = 'x'\nsha256 = '1'\nfloors = {correct = 0.5}", "`sha256`"),
        ("[[gate]]\nset = 'x'\non_home = 1\nfloors = {correct = 0.5}", "`on_home`"),
        ("[[gate]]\nset = 'x'\nfloors = {correct = 0.5}\n" * 2, "same set"),
        ("[[gate", "not TOML"),
    ],
)
def test_a_gate_that_would_hold_nothing_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "gates.toml").write_text(text)
    with pytest.raises(GateUnusable) as caught:
        read(tmp_path)
    assert reason in str(caught.value)
