"""Boxes of a page to bytes and back: 24 bytes a box (little endian), then deflated.

Lengths are kept as float32, which is exact to 0.0001 point on any page that can be printed.
"""

from __future__ import annotations

import zlib

import numpy as np

from index.document import Box

_LAYOUT = np.dtype(
    [
        ("start", "<u4"),
        ("end", "<u4"),
        ("left", "<f4"),
        ("top", "<f4"),
        ("right", "<f4"),
        ("bottom", "<f4"),
    ]
)


def pack(boxes: tuple[Box, ...]) -> bytes | None:
    """Bytes for the catalogue; None for no boxes."""
    if not boxes:
        return None
    rows = [(b.start, b.end, b.left, b.top, b.right, b.bottom) for b in boxes]
    return zlib.compress(np.array(rows, dtype=_LAYOUT).tobytes(), 6)


def unpack(packed: bytes | None) -> tuple[Box, ...]:
    """The inverse of `pack`, lengths rounded to float32."""
    if packed is None:
        return ()
    rows = np.frombuffer(zlib.decompress(packed), dtype=_LAYOUT)
    return tuple(Box(*row) for row in rows.tolist())
