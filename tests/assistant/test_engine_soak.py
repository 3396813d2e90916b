"""The soak's judgement, and a small soak: people, cancels, kills and swaps on the real engine."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from assistant.model import Caller, Sampling

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


soak = loaded("soak_requests")
NONCE, OTHER = "NONCE-" + "a1" * 16, "NONCE-" + "b2" * 16


def request(kind: str = "nonce", cut: str = "", **changes: object) -> object:
    made = soak.Request(
        0, 0, kind, NONCE, "?", Sampling(), Caller("a"), cut, expected="The map of Hull is"
    )
    return replace(made, **changes)


def judged(kind: str, text: str, reason: str = "stop", cut: str = "", **ending: object) -> str:
    return str(soak.judge(request(kind, cut), soak.Ending(text, text, reason, **ending)))


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        ("nonce", NONCE, "stop"),
        ("free", f"so it is, {NONCE}", "stop"),
        ("schema", json.dumps({"nonce": NONCE, "note": "N 1"}), "stop"),
        ("schema", json.dumps({"nonce": NONCE, "note": "x"}, indent=2), "stop"),
        ("exact", "The map of Hull is", "length"),
        ("exact", "The map of Hull is", "stop"),
    ],
)
def test_a_whole_and_right_answer(kind: str, text: str, reason: str) -> None:
    assert judged(kind, text, reason) == "right"


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        ("nonce", NONCE[:-1], "stop"),  # cut short, and nobody cut it
        ("nonce", NONCE[:-1], "length"),
        ("nonce", NONCE + "0", "stop"),
        ("nonce", "", "stop"),
        ("nonce", NONCE, "cancelled"),
        ("nonce", NONCE[:9], "deadline"),
        ("free", f"Not small {NONCE}", "stop"),
        ("free", f"so{NONCE}", "stop"),  # the grammar wants four characters
        ("schema", json.dumps({"note": "x", "nonce": NONCE}), "stop"),
        ("schema", json.dumps({"nonce": NONCE}), "stop"),
        ("exact", "The map of Hull was", "length"),
        ("exact", "The map of Hull", "length"),
    ],
)
def test_an_answer_that_is_not_right(kind: str, text: str, reason: str) -> None:
    assert judged(kind, text, reason).startswith("WRONG")


@pytest.mark.parametrize("kind", ["nonce", "free", "schema", "exact"])
def test_another_requests_nonce_is_a_mixed_answer(kind: str) -> None:
    assert judged(kind, f"so it is {OTHER}").startswith("MIXED")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("nonce", ""),
        ("nonce", NONCE[:9]),
        ("free", "so it"),
        ("free", f"so it {NONCE[:8]}"),
        ("schema", '{ "non'),
        ("schema", f'{{"nonce": "{NONCE[:9]}'),
        ("schema", f'{{"nonce": "{NONCE}", "note": "N'),
        ("exact", "The map"),
    ],
)
def test_what_was_cut_must_be_the_beginning_of_what_is_right(kind: str, text: str) -> None:
    for cut, reason in (("close", "cancelled"), ("callback", "cancelled"), ("deadline",) * 2):
        assert judged(kind, text, reason, cut) == "cut"
    assert judged(kind, text, "closed", "leave") == "cut"
    assert judged(kind, f"{text}!", "cancelled", "close").startswith("WRONG") == (
        text != f'{{"nonce": "{NONCE}", "note": "N'
    )


def test_a_reason_that_nobody_gave_is_wrong() -> None:
    assert judged("nonce", NONCE[:9], "deadline", "close").startswith("WRONG")
    assert judged("nonce", NONCE[:9], "cancelled", "deadline").startswith("WRONG")


def test_errors_are_counted_by_name_and_unknown_ones_are_wrong() -> None:
    assert judged("nonce", "", "ModelFailed", error="it ended", known=True) == "error: ModelFailed"
    assert judged("nonce", "", "KeyError", error="KeyError: 1").startswith("WRONG")
    assert judged("nonce", "?", "ModelFailed", error="it ended", known=True).startswith("WRONG")


def test_no_outcome_is_a_lost_answer() -> None:
    assert soak.judge(request(), None).startswith("LOST")


def test_the_result_must_be_what_was_streamed() -> None:
    ending = soak.Ending("NONCE-zz", NONCE, "stop")
    assert soak.judge(request(), ending).startswith("WRONG")


def test_requests_are_drawn_alike_and_every_nonce_is_another() -> None:
    one, other = (soak.requests(200, 8, 3, ["x"] * soak.EXACT) for _ in range(2))
    assert one == other
    drawn = [each for client in one for each in client]
    assert len({each.nonce for each in drawn}) == 200
    assert {each.kind for each in drawn} == {"nonce", "free", "schema", "exact"}
    assert {each.cut for each in drawn} == {"", "close", "callback", "deadline", "leave"}
    owners = {each.caller.conversation: each.caller.owner for each in drawn}
    assert all(owners[each.caller.conversation] == each.caller.owner for each in drawn)
    assert not any(
        each.kind == "exact" for client in soak.requests(99, 8, 3, []) for each in client
    )


@pytest.mark.slow
def test_a_small_soak_has_no_wrong_mixed_or_lost_answer() -> None:
    numbers = {"requests": 48, "steady": 12, "clients": 4, "kills": 2, "swaps": 1}
    options = [part for name, value in numbers.items() for part in (f"--{name}", str(value))]
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "engine_soak.py"), *options, "--json"],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(BENCHMARKS.parent), "PATH": "/usr/bin:/bin"},
    )
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)
    floors = found["floors"]
    # The two floors of growth want more requests than these to tell a leak from the first use.
    for name in (
        "wrong, mixed or lost",
        "requests without an outcome",
        "engine processes ended in the steady phase",
        "swaps after which the old process stayed",
    ):
        assert floors[name]["holds"], (name, found["troubles"])
    assert found["outcomes"]["storm"]["right"] > 0
    assert found["noticed"]["model.loaded"] >= 5
