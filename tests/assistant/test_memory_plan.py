"""The plan's sums: each by hand on small numbers, and all of them beside what llama.cpp reports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assistant.gguf_layout import Layout
from assistant.memory_plan import KV, MIB, Plan, Shape, Wanted, can_hold, looks_back, plan
from assistant.shelf import default_model, describe
from benchmarks.memory_plan import reported, shape_of
from tests.assistant.tiny_gguf import FAMILIES, build

# Mistral-7B, Q4_K_M: the publisher's dimensions, and bytes in round numbers.
MISTRAL = Layout(
    layers=32, width=4096, heads=(32,) * 32, heads_kv=(8,) * 32, feed_forward=(14336,) * 32,
    key=128, value=128, key_window=128, value_window=128, vocabulary=32_000,
    blocks=(130_000_000,) * 32, embedding=74_000_000, output=107_000_000, largest=48_000_000,
)  # fmt: skip
SHAPE = Shape("llama", MISTRAL, 32_768)
GEMMA = Shape("gemma3", replace(MISTRAL, window=1024))


def planned(shape: Shape = SHAPE, **wanted: Any) -> Plan:
    return plan(shape, Wanted(**({"context": 4096, "sequences": 1, "kv_cache": "f16"} | wanted)))


def test_every_sequence_has_keys_and_values_of_its_own() -> None:
    one = planned()
    assert one.kv_memory == 4096 * 32 * 2 * (8 * 128) * 2  # tokens, layers, k and v, numbers, f16
    assert planned(sequences=4).kv_memory == 4 * one.kv_memory
    assert planned(context=8192).kv_memory == 2 * one.kv_memory


def test_q8_0_takes_34_bytes_for_32_numbers() -> None:
    assert planned(kv_cache="q8_0").kv_memory * 64 == planned().kv_memory * 34


def test_caches_grow_by_256_tokens() -> None:
    assert planned(context=4001).kv_memory == planned(context=4096).kv_memory
    assert planned(context=1000, sequences=3).kv_memory == planned(context=1024).kv_memory * 3


def test_on_processors_everything_is_in_memory() -> None:
    made = planned()
    assert made.gpu == 0 and made.weights_memory == MISTRAL.weights
    assert made.memory > made.weights_memory + made.kv_memory


def test_layers_go_to_the_gpu_from_the_last_and_the_output_first() -> None:
    assert planned(gpu_layers=1).weights_gpu == MISTRAL.output
    assert planned(gpu_layers=3).weights_gpu == MISTRAL.output + 2 * 130_000_000
    assert planned(gpu_layers=3).kv_gpu * 16 == planned().kv_memory
    whole = planned(gpu_layers=33)
    assert (whole.weights_gpu, whole.weights_memory) == (
        MISTRAL.weights - MISTRAL.embedding,
        MISTRAL.embedding,
    )
    assert (whole.kv_gpu, whole.kv_memory) == (planned().kv_memory, 0)
    some = planned(gpu_layers=20)
    assert some.kv_gpu + some.kv_memory == whole.kv_gpu
    assert some.weights_gpu + some.weights_memory == MISTRAL.weights


def test_a_tied_output_is_copied_to_the_gpu() -> None:
    tied = Shape("llama", replace(MISTRAL, tied=True, output=1000))
    made = planned(tied, gpu_layers=33)
    assert made.weights_gpu + made.weights_memory == tied.layout.weights + MISTRAL.embedding


def test_a_layer_that_stayed_behind_visits_the_gpu() -> None:
    more = planned(gpu_layers=32).compute_gpu - planned(gpu_layers=33).compute_gpu
    assert more == MISTRAL.largest


def test_without_flash_attention_every_token_is_compared_with_every_other_at_once() -> None:
    longer = planned(context=16_384).compute_memory - planned(context=8192).compute_memory
    assert longer == 512 * 8192 * 4 * (32 + 1)  # scores of 32 heads, and the mask
    flash = planned(context=16_384, kv_cache="q8_0").compute_memory
    assert flash < planned(context=16_384).compute_memory / 4


def test_fewer_logits_take_less() -> None:
    wide = Shape("llama", replace(MISTRAL, vocabulary=256_000))
    assert planned(wide, outputs=512).compute_memory > 500 * MIB
    assert planned(wide, outputs=8).compute_memory < 350 * MIB
    # Reserved but never touched costs nothing in memory; on a GPU it is taken at once.
    assert planned(wide).compute_memory < 350 * MIB
    assert planned(wide, gpu_layers=33).compute_gpu > 500 * MIB


def test_a_window_saves_nothing_unless_it_may() -> None:
    assert planned(GEMMA).kv_memory == planned().kv_memory
    narrow = planned(GEMMA, whole_window=False).kv_memory
    full, local = 5, 27  # one layer of six sees everything
    assert narrow * 32 * 4096 == planned().kv_memory * (full * 4096 + local * (1024 + 512))


def test_which_layers_look_back_over_a_window() -> None:
    assert [looks_back(GEMMA, layer) for layer in range(7)] == [1024] * 5 + [0, 1024]
    told = Shape("gemma4", replace(GEMMA.layout, windowed=(True, False) * 16))
    assert [looks_back(told, layer) for layer in range(3)] == [1024, 0, 1024]
    # llama.cpp reads no window of these families.
    for family in ("llama", "phi3", "qwen2"):
        assert looks_back(Shape(family, GEMMA.layout), 0) == 0


def test_recurrent_layers_keep_a_state_instead() -> None:
    made = replace(MISTRAL, heads_kv=(0, 8) * 16, conv=4, inner=8192, state=128, groups=1)
    hybrid = Shape("granitehybrid", made)
    one = planned(hybrid)
    assert one.kv_memory * 2 == planned(kv_cache="f16").kv_memory
    assert one.state_memory == 16 * 4 * (3 * (8192 + 2 * 128) + 128 * 8192)
    assert planned(hybrid, sequences=3).state_memory == 3 * one.state_memory
    assert planned(hybrid, context=8192).state_memory == one.state_memory


def test_a_compressed_cache_has_no_values() -> None:
    latent = Shape("deepseek2", replace(MISTRAL, latent=True, heads_kv=(1,) * 32, key=576))
    assert planned(latent).kv_memory == 4096 * 32 * 576 * 2


def test_layers_that_use_anothers_cache_have_none() -> None:
    shared = Shape("gemma4", replace(MISTRAL, kept_layers=8))
    assert planned(shared).kv_memory * 4 == planned().kv_memory


def test_q8_0_needs_heads_of_whole_blocks() -> None:
    assert can_hold(SHAPE, "q8_0")
    odd = Shape("phi2", replace(MISTRAL, key=80, value=80))
    assert can_hold(odd, "f16") and not can_hold(odd, "q8_0")


def test_a_model_of_an_unknown_kind_has_a_plan() -> None:
    assert plan(Shape("x", Layout()), Wanted(4096, 1, "f16")).memory > 0


def said(path: Path, shape: Shape, wanted: Wanted) -> tuple[Plan, list[float]]:
    """The plan, and by how many bytes llama.cpp reports more: weights, cache, compute, logits."""
    made, theirs = plan(shape, wanted), reported(path, wanted)
    return made, [
        theirs.weights - made.weights_memory,
        theirs.kv - made.kv_memory,
        theirs.compute - made.compute_memory,
        theirs.output - made.output,
    ]


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_llama_cpp_reports_what_was_planned(family: str, tmp_path: Path) -> None:
    path = build(tmp_path / "m.gguf", family, embedding=256, heads=4, head=64, feed_forward=1024)
    shape = shape_of(path)
    kinds: tuple[KV, ...] = ("f16", "q8_0")
    for kv_cache in kinds:
        made, (weights, kv, compute, output) = said(
            path, shape, Wanted(2048, 3, kv_cache, outputs=512)
        )
        assert weights == 0
        assert abs(kv) <= 0.01 * MIB and abs(output) <= 0.01 * MIB  # it rounds to so much
        assert abs(compute) <= 0.12 * made.compute_memory


@pytest.mark.slow
def test_the_default_model_takes_what_was_planned() -> None:
    model = default_model()
    for wanted in (Wanted(4096, 4, "f16"), Wanted(8192, 2, "q8_0"), Wanted(1024, 1, "f16")):
        few = replace(wanted, outputs=wanted.sequences)
        made, differences = said(model.path, Shape.of(describe(model)), few)
        assert abs(sum(differences)) <= 0.02 * (made.memory - made.process)
