"""A process that adds, removes, compacts and purges until it is killed; says what is committed.

Usage: python -m tests.index.keeper HOME FIRST
"""

from __future__ import annotations

import sys
from pathlib import Path

from index import nearest, replay, upkeep
from tests.index.standins import new_document, small_index


def text_of(number: int) -> str:
    """A text with a word that no other document has."""
    return f"records marker{number:06d}word kept by rule {number} " * 8


def main(home: Path, first: int) -> None:
    # So small that every round has something to do.
    replay.WASTE_LEAST = 3
    nearest.LARGE = nearest.SMALL = 1
    upkeep._LOG_LINES = 3
    with small_index(home, view="chroma") as index:
        number = first
        while True:
            new = [new_document(text_of(n), f"{n}.txt") for n in range(number, number + 12)]
            index.put_many(new)
            print("put", number, number + 12, flush=True)
            index.refresh()
            index.remove_many("default", [f"{n}.txt" for n in range(number, number + 10)])
            print("removed", number, number + 10, flush=True)
            index.mark_recorded(line.generation for line in index.unrecorded())
            index.refresh()
            index.compact()
            if number % 24 == 0:
                index.purge()
            number += 12


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
