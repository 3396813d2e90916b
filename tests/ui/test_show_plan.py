"""`cloister models plan` as a person and as a program sees it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assistant import machine as machines
from assistant.errors import ModelMissing, ModelTooLarge, ShelfError
from assistant.machine import Gpu, Machine
from assistant.memory_plan import EMBEDDER
from tests.assistant.tiny_gguf import build
from ui import show_plan


def put(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> None:
    monkeypatch.setattr(machines, "look", lambda: machine)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    put(monkeypatch, Machine(8_000_000_000, 4_000_000_000))
    return tmp_path


def test_a_program_gets_every_size_in_bytes(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show_plan.plan(home, None, json=True)
    found = json.loads(capsys.readouterr().out)
    memory = found["memory"]
    assert (found["context"], found["sequences"], found["kv_cache"]) == (4096, 4, "f16")
    assert (found["gpu_layers"], found["layers"], found["notes"]) == (0, 31, [])
    assert memory["kv"] == 4 * 4096 * 30 * 2 * 192 * 2
    assert (memory["available"], memory["embedder"]) == (4_000_000_000, EMBEDDER)
    parts = ("weights", "kv", "state", "compute", "conversations", "process", "embedder")
    assert sum(memory[part] for part in parts) == memory["needed"]
    assert "gpu" not in found


def test_what_is_given_wins_over_the_settings(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "cloister.toml").write_text("[assistant]\ncontext = 1024\nsequences = 3\n")
    show_plan.plan(home, None, json=True, sequences=2, kv_cache="q8_0")
    found = json.loads(capsys.readouterr().out)
    assert (found["context"], found["sequences"], found["kv_cache"]) == (1024, 2, "q8_0")


def test_a_person_gets_a_table_and_the_reasons(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(monkeypatch, Machine(8_000_000_000, 1_300_000_000))
    show_plan.plan(home, None)
    text = " ".join(capsys.readouterr().out.split())
    for shown in ("weights 97 MB", "embedder", "available 1.3 GB", "total 8.0 GB", "on processors"):
        assert shown in text
    assert "answers are written at a time instead of 4" in text


def test_a_gpu_has_a_column_of_its_own(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = Gpu("Card\x1b[31m", 8_000_000_000, 6_000_000_000)
    put(monkeypatch, Machine(8_000_000_000, 4_000_000_000, gpus=(gpu,), backend="CUDA"))
    show_plan.plan(home, None)
    text = capsys.readouterr().out
    assert "31 of 31 layers on the GPU" in " ".join(text.split()) and "6.0 GB" in text
    assert "\x1b" not in text and "Card\\x1b" in text
    show_plan.plan(home, None, json=True, gpu_layers=10)
    found = json.loads(capsys.readouterr().out)
    assert found["gpu_layers"] == 10 and found["gpu"]["needed"] > found["gpu"]["weights"] > 0


def test_a_gpu_that_stays_unused_is_told_of(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(monkeypatch, Machine(8_000_000_000, 4_000_000_000, gpus=(Gpu("Card", 8, 8),)))
    show_plan.plan(home, None)
    assert "The GPU Card is not used" in capsys.readouterr().out


def test_what_does_not_fit_is_refused_with_the_numbers(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(monkeypatch, Machine(8_000_000_000, 450_000_000))
    with pytest.raises(ModelTooLarge, match=r"needs 0\.\d GB .* are free") as caught:
        show_plan.plan(home, None)
    assert caught.value.exit_code == 3


def test_a_file_of_the_settings_is_planned_without_being_on_the_shelf(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = build(home / "own.gguf", "llama-3.1")
    toml = f'[assistant]\nmodel = "{path}"\nmodel_sha256 = "{"0" * 64}"\n'
    (home / "cloister.toml").write_text(toml)
    show_plan.plan(home, None, json=True)
    found = json.loads(capsys.readouterr().out)
    assert (found["model"], found["layers"], found["context"]) == ("tiny llama-3.1", 3, 2048)
    assert "trained on 2048" in found["notes"][0]


def test_a_name_that_is_not_on_the_shelf(home: Path) -> None:
    with pytest.raises((ShelfError, ModelMissing)):
        show_plan.plan(home, "nothing")
