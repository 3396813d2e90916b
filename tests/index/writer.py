"""A process that changes an index until it is done or killed; says on stdout what it committed.

Usage: python -m tests.index.writer HOME FIRST COUNT
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.index.standins import new_document, small_index


def text_of(number: int, version: int) -> str:
    """Three chunks that each name the document and its version."""
    parts = (f"records part {part} of document {number} version {version}. " for part in range(3))
    return "".join(part.ljust(160) for part in parts)


def main(home: Path, first: int, count: int) -> None:
    with small_index(home) as index:
        for number in range(first, first + count):
            for version in (1, 2):
                index.put(new_document(text_of(number, version), f"{number}.txt"))
                print("put", number, version, flush=True)
            if number % 3 == 0:
                index.remove("default", f"{number}.txt")
                print("removed", number, 2, flush=True)
            if number % 10 == 0:
                index.refresh()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
