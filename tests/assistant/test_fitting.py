"""How a model is run where it fits, and in which order it gives way where it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant import fitting
from assistant.engine_options import AUTOMATIC_SEQUENCES, EngineOptions
from assistant.errors import ModelTooLarge
from assistant.fitting import KEPT_FREE, KEPT_FREE_GPU, Fitted, both_fit, fit, fit_file
from assistant.machine import Gpu, Machine
from assistant.memory_plan import Shape, Wanted, plan
from assistant.shelf import default_model
from tests.assistant.test_memory_plan import MISTRAL, SHAPE

PLENTY = Machine(1 << 40, 1 << 40)
OPTIONS = EngineOptions(conversation_mib=0)


def memory(available: int) -> Machine:
    return Machine(1 << 40, available + KEPT_FREE)


def with_gpu(free: int, available: int = 1 << 40) -> Machine:
    gpu = Gpu("GPU", 1 << 40, free + KEPT_FREE_GPU)
    return replace(memory(available), gpus=(gpu,), backend="CUDA")


def needs(**wanted: object) -> int:
    """Bytes of memory that Mistral takes on a processor."""
    return plan(SHAPE, Wanted(**({"context": 4096, "kv_cache": "f16"} | wanted))).memory  # type: ignore[arg-type]


def got(fitted: Fitted) -> tuple[int, int, str, int]:
    """Context, sequences, number format, layers on the GPU."""
    chosen = fitted.options
    return chosen.context, chosen.sequences, chosen.kv_cache, chosen.gpu_layers


def test_with_room_enough_everything_is_as_asked() -> None:
    fitted = fit(SHAPE, OPTIONS, PLENTY)
    assert got(fitted) == (4096, AUTOMATIC_SEQUENCES, "f16", 0)
    assert fitted.notes == ()
    assert fitted.plan.memory == needs(sequences=AUTOMATIC_SEQUENCES)


def test_on_a_gpu_all_layers_and_q8_0() -> None:
    fitted = fit(SHAPE, OPTIONS, with_gpu(1 << 40))
    assert got(fitted) == (4096, AUTOMATIC_SEQUENCES, "q8_0", 33)
    assert fitted.notes == ()


def test_as_many_answers_at_a_time_as_fit() -> None:
    fitted = fit(SHAPE, OPTIONS, memory(needs(sequences=3) + 1000))
    assert got(fitted) == (4096, 3, "f16", 0)
    (note,) = fitted.notes
    assert note.startswith("3 answers are written at a time instead of 4")
    assert "GB of memory are needed" in note and "are free" in note


def test_then_q8_0_then_a_smaller_context() -> None:
    one = needs(sequences=1)
    fitted = fit(SHAPE, OPTIONS, memory(one - 1))
    assert got(fitted)[::2] == (4096, "q8_0")
    assert "kept as q8_0 instead of f16" in " ".join(fitted.notes)
    least = needs(sequences=1, kv_cache="q8_0")
    smaller = fit(SHAPE, OPTIONS, memory(least - 1))
    assert 2048 <= smaller.options.context < 4096
    assert f"The context is {smaller.options.context} tokens instead of 4096" in str(smaller.notes)


def test_what_was_asked_for_explicitly_gives_way_last_but_gives_way() -> None:
    asked = replace(OPTIONS, kv_cache="f16", sequences=2)
    roomy = fit(SHAPE, asked, memory(needs(sequences=2)))
    assert got(roomy) == (4096, 2, "f16", 0)
    tight = fit(SHAPE, asked, memory(needs(sequences=1, kv_cache="q8_0")))
    assert got(tight) == (4096, 1, "q8_0", 0)
    assert len(tight.notes) == 2


def test_fewer_layers_on_the_gpu_with_the_reason() -> None:
    whole = plan(SHAPE, Wanted(4096, 1, "q8_0", 33)).gpu
    fitted = fit(SHAPE, OPTIONS, with_gpu(whole - 1_000_000_000))
    assert 1 <= fitted.options.gpu_layers < 33
    assert fitted.plan.gpu <= whole - 1_000_000_000
    more = plan(SHAPE, Wanted(4096, 1, "q8_0", fitted.options.gpu_layers + 1))
    assert more.gpu > whole - 1_000_000_000
    assert "of 33 layers are on the GPU instead of 33" in fitted.notes[0]
    assert "GB of GPU memory are needed" in fitted.notes[0]


def test_layers_stay_on_the_gpu_before_answers_at_a_time() -> None:
    whole = plan(SHAPE, Wanted(4096, 2, "q8_0", 33)).gpu
    assert got(fit(SHAPE, OPTIONS, with_gpu(whole))) == (4096, 2, "q8_0", 33)


def test_a_gpu_that_is_full_leaves_the_processor() -> None:
    fitted = fit(SHAPE, OPTIONS, with_gpu(100_000_000))
    assert got(fitted) == (4096, AUTOMATIC_SEQUENCES, "f16", 0)
    assert "0 of 33 layers are on the GPU" in fitted.notes[0]
    assert "0.1 GB of" not in fitted.notes[0] and "100 MB are free" in fitted.notes[0]


def test_nothing_fits_and_the_numbers_say_so() -> None:
    with pytest.raises(ModelTooLarge) as caught:
        fit(SHAPE, OPTIONS, memory(2_000_000_000))
    least = needs(sequences=1, kv_cache="q8_0", context=2048)
    assert (caught.value.needed, caught.value.available) == (least, 2_000_000_000)
    assert caught.value.exit_code == 3
    assert f"needs {least / 1e9:.1f} GB" in str(caught.value) and "2.0 GB are free" in str(
        caught.value
    )


def test_what_the_prompt_needs_is_not_given_up() -> None:
    room = memory(needs(sequences=1, kv_cache="q8_0", context=2048))
    assert fit(SHAPE, OPTIONS, room).options.context == 2048
    with pytest.raises(ModelTooLarge, match="a context of 3000 tokens"):
        fit(SHAPE, OPTIONS, room, least_context=3000)


def test_others_take_their_part() -> None:
    exactly = memory(needs(sequences=2))
    assert fit(SHAPE, OPTIONS, exactly).options.sequences == 2
    assert fit(SHAPE, OPTIONS, exactly, other_bytes=100).options.sequences == 1
    whole = plan(SHAPE, Wanted(4096, 2, "q8_0", 33)).gpu
    less = fit(SHAPE, OPTIONS, with_gpu(whole), other_gpu_bytes=100)
    assert got(less) == (4096, 1, "q8_0", 33)


def test_conversations_take_their_part() -> None:
    exactly = memory(needs(sequences=2))
    assert fit(SHAPE, replace(OPTIONS, conversation_mib=64), exactly).options.sequences == 1


def test_never_more_context_than_the_model_was_trained_on() -> None:
    short = Shape("llama", MISTRAL, trained=1024)
    fitted = fit(short, OPTIONS, PLENTY)
    assert fitted.options.context == 1024
    assert "trained on 1024 and not on 4096" in fitted.notes[0]


def test_heads_that_q8_0_cannot_hold_stay_f16() -> None:
    odd = Shape("phi2", replace(MISTRAL, key=80, value=80, key_window=80, value_window=80))
    fitted = fit(odd, replace(OPTIONS, kv_cache="q8_0"), with_gpu(1 << 40))
    assert got(fitted) == (4096, AUTOMATIC_SEQUENCES, "f16", 33)
    assert "do not fit q8_0" in fitted.notes[0]


def test_a_gpu_that_cannot_be_used_is_told_of() -> None:
    unused = replace(with_gpu(1 << 40), backend="")
    assert "is not used" in fit(SHAPE, OPTIONS, unused).notes[0]
    asked = fit(SHAPE, replace(OPTIONS, gpu_layers=5), PLENTY)
    assert "gpu_layers = 5 has no effect" in asked.notes[0]
    assert fit(SHAPE, replace(OPTIONS, gpu_layers=0), PLENTY).notes == ()


def test_a_model_swaps_beside_the_old_one_only_if_it_loses_nothing_by_it() -> None:
    old = fit(SHAPE, OPTIONS, PLENTY).plan
    need = fit(SHAPE, OPTIONS, PLENTY).plan.memory
    fitted = both_fit(old, SHAPE, OPTIONS, memory(need))
    assert fitted is not None and fitted.options.sequences == AUTOMATIC_SEQUENCES
    assert both_fit(old, SHAPE, OPTIONS, memory(need - 1)) is None
    assert both_fit(old, SHAPE, OPTIONS, memory(0)) is None
    on_gpu = fit(SHAPE, OPTIONS, with_gpu(1 << 40)).plan
    assert both_fit(on_gpu, SHAPE, OPTIONS, with_gpu(on_gpu.gpu)) is not None
    assert both_fit(on_gpu, SHAPE, OPTIONS, with_gpu(on_gpu.gpu - 1)) is None


def test_the_default_model_fits_this_machine() -> None:
    fitted = fit_file(default_model(), OPTIONS, machine=memory(2_000_000_000))
    assert got(fitted) == (4096, AUTOMATIC_SEQUENCES, "f16", 0)


@given(
    st.integers(0, 12_000_000_000),
    st.integers(0, 12_000_000_000),
    st.integers(0, 6),
    st.integers(-1, 40),
    st.sampled_from(["auto", "f16", "q8_0"]),
    st.integers(256, 40_000),
)
def test_whatever_is_asked_what_comes_out_fits(
    free: int, gpu: int, sequences: int, layers: int, kv_cache: str, context: int
) -> None:
    options = replace(
        OPTIONS,
        sequences=sequences,
        gpu_layers=layers,
        kv_cache=kv_cache,  # type: ignore[arg-type]
        context=context,
    )
    machine = with_gpu(gpu, free)
    try:
        fitted = fit(SHAPE, options, machine)
    except ModelTooLarge as error:
        assert error.needed > error.available
        return
    chosen = fitted.options
    assert fitted.plan.memory <= free and fitted.plan.gpu <= gpu
    assert 1 <= chosen.sequences <= (sequences or AUTOMATIC_SEQUENCES)
    assert 0 <= chosen.gpu_layers <= (33 if layers < 0 else min(layers, 33))
    assert min(context, 2048) <= chosen.context <= context
    same = replace(chosen, gpu_layers=fitted.plan.wanted.gpu_layers)
    assert fit(SHAPE, same, machine).options == chosen  # what fits is left alone


def test_sizes_are_read_by_people() -> None:
    assert fitting.size(999_000_000) == "999 MB" and fitting.size(1_250_000_000) == "1.2 GB"
