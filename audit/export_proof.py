"""The proof beside an export: the parts of the tree that the export does not hold.

Records in the file and the largest perfect subtrees of records that are not in it, each at its
place, make up the whole tree: together they lead to the root of the signed checkpoint. So one short
list proves of every record in the file that it stands in the log, under its number, and shows where
records were left out. For consecutive records the list has at most two hashes a level of the tree.
"""

from __future__ import annotations

from collections.abc import Iterator

from audit.errors import ProofError
from audit.merkle import EMPTY_ROOT, HASH_BYTES, NodeReader, node_hash

Part = tuple[int, int, bytes]  # level, position, hash: the subtree over 2^level records


def parts_between(read: NodeReader, start: int, end: int) -> Iterator[Part]:
    """The largest perfect subtrees that make up the records `start` to `end` - 1, in order."""
    while start < end:
        aligned = (start & -start).bit_length() - 1 if start else end.bit_length()
        level = min(aligned, (end - start).bit_length() - 1)
        yield level, start >> level, read(level, start >> level)
        start += 1 << level


class Assembly:
    """Puts a tree together from subtrees in order, and holds only its right edge."""

    def __init__(self) -> None:
        self.size = 0
        self._edge: list[tuple[int, bytes]] = []  # level and hash, falling levels

    def add(self, level: int, digest: bytes) -> None:
        """The next 2^level records. Raises ProofError if no subtree can begin here."""
        if not 0 <= level < 63 or self.size & ((1 << level) - 1) or len(digest) != HASH_BYTES:
            raise ProofError(f"no such part can stand at record {self.size}")
        self.size += 1 << level
        while self._edge and self._edge[-1][0] == level:
            digest = node_hash(self._edge.pop()[1], digest)
            level += 1
        self._edge.append((level, digest))

    def root(self) -> bytes:
        """The RFC 6962 root over what was added."""
        if not self._edge:
            return EMPTY_ROOT
        current = self._edge[-1][1]
        for _, digest in reversed(self._edge[:-1]):
            current = node_hash(digest, current)
        return current
