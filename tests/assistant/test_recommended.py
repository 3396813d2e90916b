"""The table of known models: its sizes against files that were published, and who fits where."""

from __future__ import annotations

import datetime
import re
import socket

import pytest

from assistant import recommended
from assistant.engine_options import EngineOptions
from assistant.machine import Gpu, Machine
from assistant.recommended import MODELS, Judged, judge, judge_all

GB = 1_000_000_000
BY_NAME = {known.name: known for known in MODELS}


@pytest.mark.parametrize(
    ("name", "billions"),
    [  # as their publishers count them
        ("SmolLM2-1.7B-Instruct", 1.71),
        ("Qwen2.5-1.5B-Instruct", 1.54),
        ("Qwen2.5-3B-Instruct", 3.09),
        ("Qwen2.5-7B-Instruct", 7.61),
        ("Qwen3-4B", 4.02),
        ("Qwen3-8B", 8.19),
        ("Phi-3-mini-4k-instruct", 3.82),
        ("Phi-4-mini-instruct", 3.84),
        ("phi-4", 14.66),
        ("Llama-3.2-1B-Instruct", 1.24),
        ("Llama-3.2-3B-Instruct", 3.21),
        ("Llama-3.1-8B-Instruct", 8.03),
        ("Mistral-7B-Instruct-v0.3", 7.25),
        ("Mistral-Nemo-Instruct-2407", 12.25),
        ("Mixtral-8x7B-Instruct-v0.1", 46.7),
    ],
)
def test_a_shape_has_as_many_parameters_as_its_publisher_says(name: str, billions: float) -> None:
    assert BY_NAME[name].parameters / 1e9 == pytest.approx(billions, rel=0.004)


@pytest.mark.parametrize(
    ("name", "gigabytes"),
    [  # files in Q4_K_M as their pages list them, vocabulary included
        ("phi-4", 9.05),
        ("Qwen3-4B", 2.50),
        ("Llama-3.2-1B-Instruct", 0.81),
        ("Mistral-7B-Instruct-v0.3", 4.37),
    ],
)
def test_a_file_is_as_large_as_the_published_one(name: str, gigabytes: float) -> None:
    assert BY_NAME[name].file_bytes / 1e9 == pytest.approx(gigabytes, abs=0.015)


def test_every_model_says_what_a_company_must_know() -> None:
    assert len(BY_NAME) == len(MODELS)
    for known in MODELS:
        assert known.licence and known.publisher and known.context
        assert known.page == f"https://huggingface.co/{known.page.split('/', 3)[3]}"
        assert known.page.endswith(f"/{known.name}")
        assert bool(known.conditions) == (known.commercial != "yes")
        assert known.unsupported is None or 0 < known.unsupported < 100
    datetime.date.fromisoformat(recommended.CHECKED)
    assert re.search(r"\d{4}-\d{2}-\d{2}", recommended.FIGURE)


def test_where_a_model_fits_depends_on_the_machine() -> None:
    options = EngineOptions()
    phi = BY_NAME["phi-4"]
    large = Machine(64 * GB, 60 * GB, gpus=(Gpu("GPU", 48 * GB, 47 * GB),), backend="CUDA")
    small = Machine(64 * GB, 60 * GB, gpus=(Gpu("GPU", 8 * GB, 7 * GB),), backend="CUDA")
    unused = Machine(64 * GB, 60 * GB, gpus=(Gpu("GPU", 48 * GB, 47 * GB),))
    tiny = Machine(4 * GB, 3 * GB)
    places = [judge(phi, options, machine).where for machine in (large, small, unused, tiny)]
    assert places == ["GPU", "GPU and memory", "memory", ""]
    refused = judge(phi, options, tiny)
    assert re.search(r"needs 9\.\d GB .* 2\.\d GB", refused.refused)
    assert not refused.recommended


def test_what_fits_comes_first_the_most_faithful_of_it_at_the_top() -> None:
    found = judge_all(EngineOptions(), Machine(16 * GB, 9 * GB))
    fits = [bool(each.where) for each in found]
    assert fits == sorted(fits, reverse=True)
    assert {True, False} == set(fits)
    figures = [each.known.unsupported for each in found if each.where]
    known = [figure for figure in figures if figure is not None]
    assert figures[: len(known)] == sorted(known)
    assert figures[len(known) :] == [None] * (len(figures) - len(known))


def test_a_recommendation_fits_keeps_to_its_source_and_may_be_used_at_work() -> None:
    found = judge_all(EngineOptions(), Machine(64 * GB, 60 * GB))
    starred = {each.known.name for each in found if each.recommended}
    assert {"Qwen3-4B", "Phi-4-mini-instruct", "Qwen2.5-7B-Instruct"} <= starred
    assert not starred & {"SmolLM2-1.7B-Instruct", "Qwen2.5-3B-Instruct", "Llama-3.2-1B-Instruct"}
    assert not Judged(BY_NAME["Qwen3-4B"], None).recommended


def test_more_context_needs_more_memory() -> None:
    machine = Machine(64 * GB, 60 * GB)
    known = BY_NAME["Llama-3.1-8B-Instruct"]
    fitted = [judge(known, EngineOptions(context=c), machine).fitted for c in (4096, 8192)]
    assert fitted[0] is not None and fitted[1] is not None
    assert fitted[0].plan.memory < fitted[1].plan.memory
    assert fitted[0].options.sequences == fitted[1].options.sequences == 4


def test_nothing_is_reached_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def reached(*arguments: object) -> None:
        raise AssertionError("a connection")

    monkeypatch.setattr(socket.socket, "connect", reached)
    monkeypatch.setattr(socket, "getaddrinfo", reached)
    assert judge_all(EngineOptions(), Machine(16 * GB, 12 * GB))
