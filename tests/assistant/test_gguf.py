"""What a GGUF header tells about a model's shape, and what a hostile or broken one can do."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant import gguf
from assistant.gguf_layout import Tensor, layout
from assistant.shelf import default_model, describe
from tests.assistant.standins import gguf_string

F32, Q4_0, Q4_K = 0, 2, 12


def entry(key: str, kind: int, value: bytes) -> bytes:
    return gguf_string(key) + struct.pack("<I", kind) + value


def number(key: str, value: int) -> bytes:
    return entry(key, 4, struct.pack("<I", value))


def numbers(key: str, values: Sequence[int], kind: int = 5) -> bytes:
    layout = {5: "i", 7: "?", 6: "f"}[kind]
    packed = struct.pack(f"<IQ{len(values)}{layout}", kind, len(values), *values)
    return entry(key, 9, packed)


def tensor(name: str, dims: Sequence[int], kind: int, offset: int) -> bytes:
    packed = struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset)
    return gguf_string(name) + packed


def document(
    pairs: Sequence[bytes] = (), tensors: Sequence[bytes] = (), data: int = 0, align: int = 32
) -> bytes:
    """A GGUF file of the architecture "x" with `data` zero bytes behind its header."""
    pairs = (entry("general.architecture", 8, gguf_string("x")), *pairs)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs))
    head += b"".join(pairs) + b"".join(tensors)
    return head + bytes(-len(head) % align) + bytes(data)


def parsed(data: bytes) -> gguf.Header:
    return gguf.parse_header(io.BytesIO(data), len(data))


def test_the_default_models_shape_is_the_published_one() -> None:
    header = describe(default_model())
    made = header.layout
    assert (made.layers, made.width, made.key, made.value) == (30, 576, 64, 64)
    assert set(made.heads) == {9} and set(made.heads_kv) == {3} and set(made.feed_forward) == {1536}
    assert (made.vocabulary, made.merges, made.tied) == (49_152, 48_900, True)
    assert (header.parameters, header.license) == (134_515_008, "apache-2.0")
    # What is not weights of the file: its header, and less than 32 bytes behind each tensor.
    assert 0 < default_model().path.stat().st_size - made.weights < 3_000_000


def test_weights_are_told_apart_by_where_they_are_kept() -> None:
    tensors = [
        tensor("token_embd.weight", (256, 10), Q4_K, 0),  # 10 blocks of 144 bytes
        tensor("blk.0.attn_qkv.weight", (32, 4), Q4_0, 1440),  # 4 blocks of 18
        tensor("blk.1.ffn_up.weight", (8, 2), F32, 1536),
        tensor("output.weight", (256, 1), Q4_K, 1600),
        tensor("rope_freqs.weight", (4,), F32, 1760),
        tensor("blk.7.stray.weight", (4,), F32, 1792),
    ]
    made = parsed(document([number("x.block_count", 2)], tensors, data=1808)).layout
    assert (made.embedding, made.blocks, made.output, made.rest) == (1440, (72, 64), 144, 32)
    assert (made.weights, made.largest, made.tied, made.fused) == (1752, 72, False, True)


def test_one_number_for_all_layers_or_one_for_each() -> None:
    pairs = [
        number("x.block_count", 3),
        number("x.attention.head_count", 8),
        numbers("x.attention.head_count_kv", [2, 0, 4]),
        numbers("x.attention.sliding_window_pattern", [1, 1, 0], kind=7),
        number("x.embedding_length", 512),
        number("x.expert_count", 4),
        number("x.expert_used_count", 2),
        number("x.feed_forward_length", 1000),
    ]
    made = parsed(document(pairs)).layout
    assert (made.heads, made.heads_kv, made.key) == ((8, 8, 8), (2, 0, 4), 64)
    assert made.windowed == (True, True, False)
    assert (made.feed_forward, made.expert_width) == ((1000, 1000, 1000), 1000)


def test_keys_are_as_many_as_queries_where_nothing_else_is_said() -> None:
    made = layout("x", {"x.block_count": 1, "x.attention.head_count": 4}, {}, [])
    assert made.heads_kv == (4,)


@pytest.mark.parametrize(
    "value",
    [-1, 1 << 40, "8", 3.5, True, (1, 2)],
    ids=["negative", "huge", "text", "f", "b", "few"],
)
def test_an_impossible_number_counts_as_unsaid(value: gguf.Pair) -> None:
    pairs: dict[str, gguf.Pair] = {"x.block_count": 3, "x.attention.head_count_kv": value}
    assert layout("x", pairs, {}, []).heads_kv == (0, 0, 0)


def test_a_number_of_layers_that_no_model_has_allocates_nothing() -> None:
    made = layout("x", {"x.block_count": (1 << 31) - 1}, {}, [Tensor("blk.1.x", (1,), F32, 4)])
    assert made.layers == 1024


@pytest.mark.parametrize("missing", [1, 32, 4000])
def test_a_download_that_was_cut_short_is_refused_with_what_to_do(missing: int) -> None:
    whole = document([], [tensor("output.weight", (256, 32), Q4_K, 0)], data=32 * 144)
    assert parsed(whole).layout.output == 32 * 144
    with pytest.raises(gguf.NotGGUF, match=f"cut short, {missing:,} bytes .* download it again"):
        parsed(whole[:-missing])


def test_the_default_model_cut_short_anywhere_is_refused() -> None:
    data = default_model().path.read_bytes()
    for length in (len(data) - 1, len(data) // 2, 3_000_000, 100_000, 30):
        with pytest.raises(gguf.NotGGUF):
            parsed(data[:length])


def test_tensors_begin_where_the_alignment_says() -> None:
    pairs = [number("general.alignment", 4096)]
    tensors = [tensor("output.weight", (4,), F32, 0)]
    data = document(pairs, tensors, data=16, align=4096)
    assert parsed(data).layout.output == 16
    with pytest.raises(gguf.NotGGUF, match="cut short"):
        parsed(data[:-1])


def test_a_format_that_is_newer_than_this_reader_is_measured_by_its_neighbours() -> None:
    tensors = [
        tensor("output.weight", (256, 4), 200, 0),
        tensor("token_embd.weight", (4,), F32, 96),
        tensor("blk.0.x", (256, 4), 201, 128),
    ]
    made = parsed(document([number("x.block_count", 1)], tensors, data=400)).layout
    assert (made.output, made.embedding, made.blocks) == (96, 16, (272,))


@pytest.mark.parametrize(
    "data",
    [
        document(tensors=[tensor("x", (1 << 40,), F32, 0)], data=64),
        document(tensors=[tensor("x", (1 << 30, 1 << 30), F32, 0)], data=64),
        document(tensors=[tensor("x", (1,) * 5, F32, 0)], data=64),
        document(tensors=[tensor("x", (4,), F32, (1 << 64) - 4)], data=64),
        document(tensors=[tensor("x" * 65, (4,), F32, 0)], data=64),
        document(tensors=[tensor("x", (33,), Q4_0, 0)], data=64),
        document([number("general.alignment", 0)]),
        document([number("general.alignment", 1 << 30)]),
        b"GGUF" + struct.pack("<IQQ", 3, 1 << 40, 0),
    ],
    ids=[
        "a dimension", "a product", "five dimensions", "an offset", "a name", "half a block",
        "no alignment", "a huge alignment", "many tensors",
    ],
)  # fmt: skip
def test_lengths_out_of_bounds_are_refused_before_they_are_used(data: bytes) -> None:
    with pytest.raises(gguf.NotGGUF):
        parsed(data)


WHOLE = document(
    [number("x.block_count", 2), numbers("x.attention.head_count", [2, 4])],
    [tensor("blk.0.w", (32, 2), Q4_0, 0), tensor("output.weight", (8,), F32, 64)],
    data=96,
)


@given(st.integers(0, len(WHOLE) - 97), st.binary(min_size=1, max_size=9))
def test_noise_in_a_header_is_understood_or_refused(at: int, noise: bytes) -> None:
    data = WHOLE[:at] + noise + WHOLE[at + len(noise) :]
    try:
        found = parsed(data)
    except gguf.NotGGUF:
        return
    assert found.architecture  # what is let through names at least what it is
    assert all(0 <= block <= len(data) for block in found.layout.blocks)
