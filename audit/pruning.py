"""What retention may remove from the log, and how its removal is stated.

A pruned record leaves its leaf hash, so every root and proof still holds. The `retention.pruned`
record that removed it holds `count`, `first` and `last` of the numbers, and `hashes_sha256`: the
hex SHA-256 over one line `<number>:<leaf hash in hex>\\n` for each, in order of number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from audit.record import Field
from audit.store import PrunedLeaf

# Without these a verifier could not follow the keys, tell what was removed on whose word, or see
# that checkpoints are missing.
PROTECTED = ("log.created", "key.", "hold.", "erasure.", "retention.", "checkpoint.")


def is_protected(kind: str) -> bool:
    """Whether records of this type are never pruned."""
    return kind.startswith(PROTECTED)


def digest_of_pruned(leaves: Iterable[PrunedLeaf]) -> dict[str, Field]:
    """The fields that state which records were removed, in order of number."""
    total = hashlib.sha256()
    first, last, count = -1, -1, 0
    for leaf in leaves:
        total.update(f"{leaf.seq}:{leaf.hash.hex()}\n".encode())
        first = leaf.seq if count == 0 else first
        last, count = leaf.seq, count + 1
    return {"count": count, "first": first, "last": last, "hashes_sha256": total.hexdigest()}
