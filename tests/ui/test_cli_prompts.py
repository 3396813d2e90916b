"""`cloister prompts`, and `--gated` for prompts and models: what is said, recorded and refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import typer

from assistant import answer_gate, prompts
from assistant.answer_gate import Gate
from assistant.prompt_shelf import PromptShelf
from assistant.shelf import DEFAULT_NAME, Shelf
from tests.assistant.standins import gguf_bytes
from tests.assistant.test_prompts import GOOD
from ui import cli_audit, cli_models, cli_prompts, gated, main

Capture = pytest.CaptureFixture[str]
FIGURES = {"correct": 0.7, "refusal_f1": 0.9, "wrong_shown": 0.02, "unsupported_facts": 0.0}


@pytest.fixture(autouse=True)
def app(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command with what is needed here."""
    only = typer.Typer()
    only.callback()(main.options)
    for name, module in (("prompts", cli_prompts), ("models", cli_models), ("audit", cli_audit)):
        only.add_typer(module.app, name=name)
    monkeypatch.setattr(main, "app", only)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    return path


@pytest.fixture
def gates(home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """A set with a gate; the figures that a change is measured to have, to be altered."""
    (home / "hr.csv").write_text("question,expected answer,document\nHow long?,six years,a.pdf\n")
    (home / "documents").mkdir()
    (home / "documents" / "a.txt").write_text("Six years.")
    answer_gate.write(home, "hr.csv", FIGURES, 0.05)
    figures = dict(FIGURES)

    def measured(home: Path, gate: Gate, change: gated.Change) -> Mapping[str, float]:
        assert gate.set == "hr.csv" and change.sha256
        return figures

    monkeypatch.setattr(gated, "figures", measured)
    return figures


def cloister(home: Path, *arguments: object) -> int:
    return main.run(["--home", str(home), *map(str, arguments)])


def recorded(home: Path, capsys: Capture, kind: str) -> list[tuple[str, dict[str, object]]]:
    capsys.readouterr()
    assert cloister(home, "audit", "list", "--type", f"{kind}.*", "--json") == 0
    lines = capsys.readouterr().out.splitlines()
    return [(entry["type"], entry["fields"]) for entry in map(json.loads, lines)]


def test_a_prompt_is_added_shown_chosen_and_listed(home: Path, file: Path, capsys: Capture) -> None:
    assert cloister(home, "prompts", "add", file) == 0
    assert "cloister prompts use mine-2" in capsys.readouterr().out
    assert cloister(home, "prompts", "show", "mine-2") == 0
    shown = capsys.readouterr().out
    assert "Answer from the passages." in shown and "{question}" in shown and "Shorter." in shown
    assert cloister(home, "prompts", "use", "mine-2", "--json") == 0
    assert json.loads(capsys.readouterr().out)["before"] == "answer-1"
    assert cloister(home, "prompts", "use", "mine-2") == 0
    assert "already" in capsys.readouterr().out
    assert cloister(home, "prompts", "list", "--json") == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    in_use = {each["name"]: (each["in_use"], each["own"]) for each in found}
    assert in_use["answer-1"] == (False, False) and in_use["mine-2"] == (True, True)
    assert cloister(home, "prompts", "list") == 0
    assert "mine-2" in capsys.readouterr().out
    digest = PromptShelf(home).current("answer").digest
    facts = {"kind": "answer", "name": "mine-2", "sha256": digest}
    assert recorded(home, capsys, "prompt") == [
        ("prompt.added", facts),
        ("prompt.chosen", facts | {"before": "answer-1"}),
    ]


def test_an_altered_prompt_is_listed_and_ends_with_3(
    home: Path, file: Path, capsys: Capture
) -> None:
    assert cloister(home, "prompts", "add", file) == 0
    assert cloister(home, "prompts", "use", "mine-2") == 0
    path = home / "prompts" / "mine-2.toml"
    path.write_text(path.read_text().replace("from the passages", "freely"))
    capsys.readouterr()
    assert cloister(home, "prompts", "list") == 3
    said = capsys.readouterr()
    assert "altered since it was chosen" in said.out + said.err
    assert "cloister prompts use" in said.err
    assert cloister(home, "prompts", "use", "mine-2") == 0  # chosen anew, as it is now
    assert "in use from now on" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["prompts", "show", "nobody-1"], 3, "prompts list"),
        (["prompts", "use", "../x-1"], 3, "prompts list"),
        (["prompts", "add", "gone.toml"], 3, "gone.toml"),
        (["prompts", "use", "answer-1", "--set", "x"], 2, "--gated"),
        (["prompts", "use", "summary-1", "--gated"], 2, "kind summarise"),
        (["models", "use", DEFAULT_NAME, "--set", "x"], 2, "--gated"),
    ],
)
def test_a_refusal_is_one_sentence(
    home: Path, arguments: list[str], code: int, words: str, capsys: Capture
) -> None:
    assert cloister(home, *arguments) == code
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("cloister: ") and words in said


def add_both(home: Path, file: Path, tmp_path: Path) -> None:
    model = tmp_path / "tiny.gguf"
    model.write_bytes(gguf_bytes("Tiny"))
    assert cloister(home, "models", "add", model) == 0
    assert cloister(home, "prompts", "add", file) == 0


@pytest.mark.parametrize(("kind", "name"), [("prompt", "mine-2"), ("model", "tiny")])
def test_a_change_that_holds_its_gates_is_made_and_recorded_as_gated(
    home: Path, file: Path, tmp_path: Path, gates: dict[str, float], capsys: Capture,
    kind: str, name: str,
) -> None:  # fmt: skip
    add_both(home, file, tmp_path)
    capsys.readouterr()
    assert cloister(home, f"{kind}s", "use", name, "--gated") == 0
    said = capsys.readouterr().out
    assert "correct on hr.csv is 0.7, at least 0.65 is demanded." in said
    assert f"{name} is in use from now on" in said
    (last,) = [fields for type_, fields in recorded(home, capsys, kind) if "chosen" in type_]
    assert last["gated"] is True
    assert last["gates_sha256"] == answer_gate.digest(home)


@pytest.mark.parametrize(("kind", "name"), [("prompt", "mine-2"), ("model", "tiny")])
def test_a_change_that_misses_a_bound_is_refused_recorded_and_changes_nothing(
    home: Path, file: Path, tmp_path: Path, gates: dict[str, float], capsys: Capture,
    kind: str, name: str,
) -> None:  # fmt: skip
    add_both(home, file, tmp_path)
    gates["correct"] = 0.4
    gates["unsupported_facts"] = 0.001
    capsys.readouterr()
    assert cloister(home, f"{kind}s", "use", name, "--gated", "--set", home / "hr.csv") == 5
    (said,) = capsys.readouterr().err.splitlines()[-1:]
    assert f"{kind} {name} was refused by its gate" in said
    assert "correct on hr.csv is 0.4 and must be at least 0.65" in said
    before = "answer-1" if kind == "prompt" else DEFAULT_NAME
    assert f"{before} stays in use" in said
    assert PromptShelf(home).current("answer") == prompts.DEFAULT
    assert Shelf(home).current().name == DEFAULT_NAME
    type_, fields = recorded(home, capsys, kind)[-1]
    assert type_ == f"{kind}.refused"
    assert (fields["name"], fields["before"]) == (name, before)
    assert fields["missed"] == [
        "correct:400000:floor:650000",
        "unsupported_facts:1000:ceiling:0",
    ]


def test_without_gates_nothing_is_asked_and_a_sentence_says_how_to_make_some(
    home: Path, file: Path, capsys: Capture
) -> None:
    assert cloister(home, "prompts", "add", file) == 0
    assert cloister(home, "prompts", "use", "mine-2", "--gated") == 3
    assert "--write-gate" in capsys.readouterr().err
    assert PromptShelf(home).current("answer") == prompts.DEFAULT


def test_a_set_that_was_changed_since_its_gate_was_made_is_not_asked(
    home: Path, file: Path, gates: dict[str, float], capsys: Capture
) -> None:
    answer_gate.write(home, "hr.csv", FIGURES, 0.05, sha256="0" * 64)
    assert cloister(home, "prompts", "add", file) == 0
    assert cloister(home, "prompts", "use", "mine-2", "--gated") == 3
    assert "is not the one that its gate was made for" in capsys.readouterr().err
    assert PromptShelf(home).current("answer") == prompts.DEFAULT


def test_what_was_changed_while_it_was_measured_is_not_chosen(
    home: Path, file: Path, gates: dict[str, float], monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:  # fmt: skip
    assert cloister(home, "prompts", "add", file) == 0

    def altered(home: Path, gate: Gate, change: gated.Change) -> Mapping[str, float]:
        path = home / "prompts" / "mine-2.toml"
        path.write_text(path.read_text().replace("from the passages", "freely"))
        return FIGURES

    monkeypatch.setattr(gated, "figures", altered)
    assert cloister(home, "prompts", "use", "mine-2", "--gated") == 2
    assert "was changed while it was measured" in capsys.readouterr().err
    assert PromptShelf(home).current("answer") == prompts.DEFAULT
