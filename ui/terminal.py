"""Writing to a terminal or a pipe: people's text, JSON lines, and nothing that steers the terminal.

File names may be bytes that are no UTF-8, and documents may hold escape sequences; both are shown
as visible `\\xNN` escapes instead of being obeyed.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

# Characters that reorder what stands around them: a file name could pose as another.
_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")


def visible(text: str) -> str:
    """`text` with control, reordering and undecodable characters spelt out; line ends stay."""
    return "".join(c if _plain(c) else _spelt(c) for c in text)


def _plain(character: str) -> bool:
    if character in "\n\t":
        return True
    return unicodedata.category(character) not in ("Cc", "Cs") and character not in _REORDERING


def _spelt(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was not UTF-8, as os.fsdecode carries it
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def prepare_streams() -> None:
    """Let both streams spell out what their encoding cannot hold, instead of raising."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def out() -> Console:
    """The console for results a person reads; no markup is interpreted."""
    from rich.console import Console

    return Console(markup=False, highlight=False, emoji=False, soft_wrap=False)


def err() -> Console:
    """The console for progress, remarks and errors."""
    from rich.console import Console

    return Console(stderr=True, markup=False, highlight=False, emoji=False)


def say_json(value: Mapping[str, object]) -> None:
    """One JSON object on one line of stdout; ASCII only, so that any pipe can carry it."""
    sys.stdout.write(json.dumps(value, ensure_ascii=True, separators=(", ", ": ")) + "\n")
    sys.stdout.flush()


def complain(sentence: str) -> None:
    """One sentence to stderr, unwrapped, so that it can be searched for."""
    sys.stderr.write(f"cloister: {visible(sentence)}\n")
