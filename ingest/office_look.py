"""When text of a word processor file is too small or too pale to be seen. Pure."""

from __future__ import annotations

TINY = 2.0
"""Text of fewer points than this cannot be read on paper."""

PAPER = "FFFFFF"
UNKNOWN = ""  # what is behind a text, where that cannot be told

_NEAR = 16  # of 255: colours that differ less in each channel look the same


def same_color(one: str, other: str) -> bool:
    """Whether two colours RRGGBB look the same; one that is not known looks like no other."""
    try:
        channels = [bytes.fromhex(each) for each in (one, other)]
    except ValueError:
        return False
    if len(channels[0]) != 3 or len(channels[1]) != 3:
        return False
    return all(abs(a - b) < _NEAR for a, b in zip(*channels, strict=True))
