"""The Merkle tree of RFC 6962 section 2.1 and its proofs, as pure functions over SHA-256 hashes.

A tree of n leaves is kept as the hashes of its *perfect* subtrees: node (level, index) covers the
leaves index * 2^level to (index + 1) * 2^level - 1, and never changes once those leaves exist.
Appending a leaf therefore creates at most log2(n) + 1 new nodes and alters none, and any root or
proof of any earlier size can be put together from O(log n) of them, or O(log^2 n) for the ragged
right edge.

What this module does not protect against: it proves relations between roots. That a root is the
right one is the matter of signed checkpoints (`audit.checkpoint`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from audit.errors import ProofError

HASH_BYTES = 32
MAX_SIZE = 2**63 - 1  # what the store can count; larger sizes in a proof are refused
EMPTY_ROOT = hashlib.sha256(b"").digest()

NodeReader = Callable[[int, int], bytes]
"""(level, index) -> the 32-byte hash of that perfect subtree; level 0 is the leaf hash itself."""

Node = tuple[int, int, bytes]


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 || data): RFC 6962's hash of one leaf, 32 bytes."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right): RFC 6962's hash of an inner node, 32 bytes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """The right edge of a tree: its size and the roots of its perfect subtrees, largest first.

    The subtrees follow the binary digits of `size`, so there are at most 63. It is all that is
    needed to append and to know the root.
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def append(self, leaf: bytes) -> tuple[Frontier, tuple[Node, ...]]:
        """Add a leaf hash; return the new frontier and the nodes above leaves it completed."""
        peaks = list(self.peaks)
        made: list[Node] = []
        current, level, index = leaf, 0, self.size
        while index & 1:
            current = node_hash(peaks.pop(), current)
            level += 1
            index >>= 1
            made.append((level, index, current))
        peaks.append(current)
        return Frontier(self.size + 1, tuple(peaks)), tuple(made)

    def root(self) -> bytes:
        """The RFC 6962 root of the tree, 32 bytes; that of the empty tree is SHA-256 of nothing."""
        if not self.peaks:
            return EMPTY_ROOT
        current = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            current = node_hash(peak, current)
        return current


def frontier_at(read: NodeReader, size: int) -> Frontier:
    """The frontier of the first `size` leaves, read from at most 63 perfect subtrees."""
    peaks = tuple(
        read(level, (size >> level) - 1)
        for level in range(size.bit_length() - 1, -1, -1)
        if size >> level & 1
    )
    return Frontier(size, peaks)


def _split(count: int) -> int:
    """The largest power of two smaller than `count` (count >= 2)."""
    return 1 << ((count - 1).bit_length() - 1)


def _range_root(read: NodeReader, start: int, end: int) -> bytes:
    """The root over leaves start to end - 1, where `start` is aligned as RFC 6962 splits."""
    count = end - start
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return read(level, start >> level)
    middle = start + _split(count)
    return node_hash(_range_root(read, start, middle), _range_root(read, middle, end))


def inclusion_proof(read: NodeReader, index: int, size: int) -> tuple[bytes, ...]:
    """The audit path of leaf `index` in the tree of `size` leaves (RFC 6962 2.1.1), leaf upwards.

    Raises ProofError when `index` is not in the tree.
    """
    if not 0 <= index < size:
        raise ProofError(f"record {index} is not in a tree of {size}")
    start, end = 0, size
    path: list[bytes] = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range_root(read, middle, end))
            end = middle
        else:
            path.append(_range_root(read, start, middle))
            start = middle
    return tuple(reversed(path))


def consistency_proof(read: NodeReader, old_size: int, new_size: int) -> tuple[bytes, ...]:
    """The proof that the tree of `old_size` is a prefix of that of `new_size` (RFC 6962 2.1.2).

    Raises ProofError unless 0 < old_size <= new_size.
    """
    if not 0 < old_size <= new_size:
        raise ProofError(f"there is no proof from size {old_size} to size {new_size}")
    start, end = 0, new_size
    path: list[bytes] = []
    while old_size < end:
        middle = start + _split(end - start)
        if old_size <= middle:
            path.append(_range_root(read, middle, end))
            end = middle
        else:
            path.append(_range_root(read, start, middle))
            start = middle
    if start:  # the old tree is not itself a node on the path, so its last part must be shown
        path.append(_range_root(read, start, end))
    return tuple(reversed(path))


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Check that `leaf` (a leaf hash) is number `index` of the tree with this size and root.

    The algorithm is RFC 9162 section 2.1.3.2. Raises ProofError if it does not hold or if any part
    is malformed: a hash that is not 32 bytes, an index outside the tree, a proof too short or long.
    """
    _require_hashes((leaf, root, *proof))
    if not 0 <= index < size <= MAX_SIZE:
        raise ProofError(f"record {index} is not in a tree of {size}")
    position, last = index, size - 1
    current = leaf
    for sibling in proof:
        if last == 0:
            raise ProofError("it is too long")
        if position & 1 or position == last:
            current = node_hash(sibling, current)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            current = node_hash(current, sibling)
        position >>= 1
        last >>= 1
    if last != 0:
        raise ProofError("it is too short")
    if current != root:
        raise ProofError("it leads to another root")


def verify_consistency(
    old_size: int, new_size: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes
) -> None:
    """Check that the tree (old_size, old_root) is a prefix of the tree (new_size, new_root).

    The algorithm is RFC 9162 section 2.1.4.2. Two equal sizes need equal roots and an empty proof.
    From the empty tree to a larger one nothing can be proven, so that is refused.
    Raises ProofError if it does not hold or if any part is malformed.
    """
    if not 0 <= old_size <= new_size <= MAX_SIZE:
        raise ProofError(f"size {old_size} does not come before size {new_size}")
    if old_size == new_size:
        # Nothing is hashed here: two roots are compared as they are, whatever their length.
        _verify_same(old_size, proof, old_root, new_root)
        return
    _require_hashes((old_root, new_root, *proof))
    if old_size == 0:
        raise ProofError("the empty tree proves nothing about a larger one")
    _verify_growth(old_size, new_size, proof, old_root, new_root)


def _require_hashes(values: Sequence[bytes]) -> None:
    if any(len(value) != HASH_BYTES for value in values):
        raise ProofError("it holds a hash that is not 32 bytes long")


def _verify_same(size: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    if proof:
        raise ProofError("it is too long")
    if old_root != new_root or (size == 0 and old_root != EMPTY_ROOT):
        raise ProofError("the roots differ for the same size")


def _verify_growth(
    old_size: int, new_size: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes
) -> None:
    # An old tree that is one perfect subtree is the first node of the path; it is left out of the
    # proof because the verifier has it already.
    path = list(proof) if old_size & (old_size - 1) else [old_root, *proof]
    if not path:
        raise ProofError("it is too short")
    position, last = old_size - 1, new_size - 1
    while position & 1:
        position >>= 1
        last >>= 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofError("it is too long")
        if position & 1 or position == last:
            old = node_hash(sibling, old)
            new = node_hash(sibling, new)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            new = node_hash(new, sibling)
        position >>= 1
        last >>= 1
    if last != 0:
        raise ProofError("it is too short")
    if old != old_root:
        raise ProofError("it does not lead to the old root")
    if new != new_root:
        raise ProofError("it does not lead to the new root")
