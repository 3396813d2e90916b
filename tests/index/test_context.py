"""The text that stands for a chunk, and the boxes of its page."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from index.boxes import pack, unpack
from index.context import searchable_text
from index.document import Box, Chunk

LENGTH = st.floats(0, 5_000, width=32)
BOXES = st.lists(
    st.builds(
        Box,
        st.integers(0, 2**32 - 1),
        st.integers(0, 2**32 - 1),
        LENGTH,
        LENGTH,
        LENGTH,
        LENGTH,
    )
).map(tuple)


def test_title_and_headings_stand_above_the_text() -> None:
    chunk = Chunk("c", "d", 1, 0, 4, "Text", ("1 Scope", "1.2 Periods"))
    assert searchable_text("Manual", chunk) == "Manual\n1 Scope > 1.2 Periods\nText"


def test_what_is_empty_leaves_no_line() -> None:
    assert searchable_text(" ", Chunk("c", "d", 1, 0, 4, "Text")) == "Text"


@given(BOXES)
def test_boxes_survive_the_catalogue(boxes: tuple[Box, ...]) -> None:
    assert unpack(pack(boxes)) == boxes
