"""What crosses the boundary comes out as it went in, or not at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import Failure
from ingest.pages import Block, Kind, Page, Piece, ReadDocument, ReadPage, clean, compose
from ingest.wire import (
    UntrustedMessageError,
    checked_document,
    checked_failure,
    document_message,
    packed,
    unpacked,
)

texts = st.text(max_size=80).map(clean)
pieces = st.lists(st.builds(Piece, texts, st.sampled_from(Kind), st.integers(0, 5)), max_size=6)


def document(parts: list[Piece]) -> ReadDocument:
    text, blocks = compose(parts)
    return ReadDocument("text/plain", "title", (ReadPage(Page(1, text), blocks),))


@given(pieces)
def test_a_document_comes_out_as_it_went_in(parts: list[Piece]) -> None:
    sent = document(parts)
    message, _ = unpacked(packed(document_message(sent)), 1 << 20)
    assert checked_document(message, 10, 0) == sent


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(pieces, st.data())
def test_a_changed_message_is_refused_or_still_sound(parts: list[Piece], data: Any) -> None:
    message = json.loads(json.dumps(document_message(document(parts))))
    target: Any = message
    while True:
        keys = list(target) if isinstance(target, dict) else list(range(len(target)))
        key = data.draw(st.sampled_from(keys))
        deeper = isinstance(target[key], (dict, list)) and target[key]
        if deeper and data.draw(st.booleans()):
            target = target[key]
            continue
        target[key] = data.draw(json_values)
        break
    try:
        found = checked_document(message, 10, 100)
    except UntrustedMessageError:
        return
    for read in found.pages:
        at = 0
        for block in read.blocks:
            assert not read.page.text[at : block.start].strip()
            assert at <= block.start < block.end <= len(read.page.text)
            at = block.end


def test_a_message_that_unpacks_to_more_than_the_limit_is_refused() -> None:
    bomb = packed({"items": ["0" * 1_000_000]})
    assert len(bomb) < 10_000
    with pytest.raises(UntrustedMessageError) as caught:
        unpacked(bomb, 100_000)
    assert caught.value.too_large


@pytest.mark.parametrize("garbage", [b"", b"x", packed({})[:-6] + b"zzzzzz"])
def test_garbage_is_refused(garbage: bytes) -> None:
    with pytest.raises(UntrustedMessageError):
        checked_document(unpacked(garbage, 1000)[0], 10, 0)


def test_only_known_failures_cross() -> None:
    assert checked_failure("corrupt") is Failure.CORRUPT
    with pytest.raises(UntrustedMessageError):
        checked_failure("<script>")


def test_a_hole_between_blocks_is_refused() -> None:
    page = ReadPage(Page(1, "seen unseen"), (Block(0, 4, Kind.TEXT),))
    message = document_message(ReadDocument("text/plain", "", (page,)))
    with pytest.raises(UntrustedMessageError, match="outside"):
        checked_document(message, 10, 0)
