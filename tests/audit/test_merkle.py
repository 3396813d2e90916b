"""The tree and its proofs against a naive tree, against vectors, and against altered proofs."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.errors import ProofError
from audit.merkle import (
    EMPTY_ROOT,
    MAX_SIZE,
    Frontier,
    NodeReader,
    consistency_proof,
    frontier_at,
    inclusion_proof,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)
from tests.audit.standins import naive_root

_SIZES = st.integers(1, 70)


def _leaves(count: int) -> list[bytes]:
    return [f"leaf {number}".encode() for number in range(count)]


def _grow(leaves: Sequence[bytes]) -> tuple[Frontier, NodeReader]:
    edge = Frontier()
    nodes: dict[tuple[int, int], bytes] = {}
    for position, data in enumerate(leaves):
        digest = leaf_hash(data)
        nodes[0, position] = digest
        edge, made = edge.append(digest)
        nodes.update({(level, index): value for level, index, value in made})
    return edge, lambda level, index: nodes[level, index]


def test_roots_of_every_small_size_agree_with_the_definition() -> None:
    leaves = _leaves(130)
    edge, read = _grow(leaves)
    for size in range(131):
        assert frontier_at(read, size).root() == naive_root(leaves[:size])
    assert frontier_at(read, 130) == edge


def test_an_append_creates_each_perfect_subtree_once() -> None:
    edge, total = Frontier(), 0
    for data in _leaves(1000):
        edge, made = edge.append(leaf_hash(data))
        total += len(made)
    assert total == sum(1000 >> level for level in range(1, 11))
    assert len(edge.peaks) == (1000).bit_count()


@given(_SIZES, st.data())
def test_every_record_has_a_proof_that_holds(size: int, data: st.DataObject) -> None:
    leaves = _leaves(size)
    edge, read = _grow(leaves)
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(read, index, size)
    verify_inclusion(leaf_hash(leaves[index]), index, size, proof, edge.root())
    assert len(proof) <= size.bit_length()


@given(_SIZES, st.data())
def test_every_earlier_size_is_proven_a_prefix(size: int, data: st.DataObject) -> None:
    leaves = _leaves(size)
    edge, read = _grow(leaves)
    old = data.draw(st.integers(1, size))
    proof = consistency_proof(read, old, size)
    verify_consistency(old, size, proof, naive_root(leaves[:old]), edge.root())


@settings(deadline=None)
@given(_SIZES, st.data())
def test_no_altered_inclusion_proof_holds(size: int, data: st.DataObject) -> None:
    leaves = _leaves(size)
    edge, read = _grow(leaves)
    index = data.draw(st.integers(0, size - 1))
    proof = list(inclusion_proof(read, index, size))
    leaf, root = leaf_hash(leaves[index]), edge.root()
    kind = data.draw(st.sampled_from(["bit", "leaf", "root", "index", "cut", "extra"]))
    if kind == "bit" and proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        proof[at] = _flip(proof[at], data.draw(st.integers(0, 255)))
    elif kind == "leaf":
        leaf = _flip(leaf, data.draw(st.integers(0, 255)))
    elif kind == "index" and size > 1:
        index = data.draw(st.integers(0, size - 1).filter(lambda other: other != index))
    elif kind == "cut" and proof:
        del proof[data.draw(st.integers(0, len(proof) - 1))]
    elif kind == "extra":
        proof.insert(data.draw(st.integers(0, len(proof))), leaf)
    else:
        root = _flip(root, data.draw(st.integers(0, 255)))
    with pytest.raises(ProofError):
        verify_inclusion(leaf, index, size, proof, root)


@settings(deadline=None)
@given(st.integers(2, 70), st.data())
def test_no_altered_consistency_proof_holds(size: int, data: st.DataObject) -> None:
    leaves = _leaves(size)
    edge, read = _grow(leaves)
    old = data.draw(st.integers(1, size - 1))
    proof = list(consistency_proof(read, old, size))
    old_root, new_root = naive_root(leaves[:old]), edge.root()
    kind = data.draw(st.sampled_from(["bit", "old", "new", "swap", "cut", "extra"]))
    if kind == "bit":
        at = data.draw(st.integers(0, len(proof) - 1))
        proof[at] = _flip(proof[at], data.draw(st.integers(0, 255)))
    elif kind == "old":
        old_root = _flip(old_root, data.draw(st.integers(0, 255)))
    elif kind == "new":
        new_root = _flip(new_root, data.draw(st.integers(0, 255)))
    elif kind == "swap":
        old_root, new_root = new_root, old_root
    elif kind == "cut":
        del proof[data.draw(st.integers(0, len(proof) - 1))]
    else:
        proof.insert(data.draw(st.integers(0, len(proof))), old_root)
    with pytest.raises(ProofError):
        verify_consistency(old, size, proof, old_root, new_root)


def test_a_thousand_random_trees_agree_with_the_naive_one() -> None:
    numbers = random.Random(20261121)
    for _ in range(1000):
        leaves = [numbers.randbytes(numbers.randrange(40)) for _ in range(numbers.randint(1, 60))]
        size = len(leaves)
        edge, read = _grow(leaves)
        root = naive_root(leaves)
        assert edge.root() == frontier_at(read, size).root() == root
        index, old = numbers.randrange(size), numbers.randint(1, size)
        proof = inclusion_proof(read, index, size)
        verify_inclusion(leaf_hash(leaves[index]), index, size, proof, root)
        proof = consistency_proof(read, old, size)
        verify_consistency(old, size, proof, naive_root(leaves[:old]), root)


def _flip(value: bytes, bit: int) -> bytes:
    changed = bytearray(value)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


# Vectors of our own, computed apart from this code: SHA-256 over 00||data and 01||left||right.
_A = bytes.fromhex("022a6979e6dab7aa5ae4c3e5e45f7e977112a7e63593820dbec1ec738a24f93c")
_B = bytes.fromhex("57eb35615d47f34ec714cacdf5fd74608a5e8e102724e80b24b287c0c27b6a31")
_C = bytes.fromhex("597fcb31282d34654c200d3418fca5705c648ebf326ec73d8ddef11841f876d8")
_AB = bytes.fromhex("b137985ff484fb600db93107c77b0365c80d78f5b429ded0fd97361d077999eb")
_ABC = bytes.fromhex("36642e73c2540ab121e3a6bf9545b0a24982cd830eb13d3cd19de3ce6c021ec1")


def test_hashes_of_three_leaves_written_out() -> None:
    assert [leaf_hash(data) for data in (b"a", b"b", b"c")] == [_A, _B, _C]
    assert node_hash(_A, _B) == _AB
    assert node_hash(_AB, _C) == _ABC
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    ("leaf", "index", "size", "proof", "root"),
    [
        (_A, 0, 1, [], _A),
        (_B, 1, 2, [_A], _AB),
        (_C, 2, 3, [_AB], _ABC),
        (_A, 0, 3, [_B, _C], _ABC),
    ],
)
def test_inclusion_vectors_hold(
    leaf: bytes, index: int, size: int, proof: list[bytes], root: bytes
) -> None:
    verify_inclusion(leaf, index, size, proof, root)


@pytest.mark.parametrize(
    ("leaf", "index", "size", "proof", "root"),
    [
        (_A, 0, 0, [], EMPTY_ROOT),
        (_A, 1, 1, [], _A),
        (_A, -1, 1, [], _A),
        (_A, 2**64 - 1, 8, [_B], _AB),
        (_A, 0, MAX_SIZE + 1, [_B], _AB),
        (b"", 0, 1, [], b""),
        (_A, 0, 1, [], b""),
        (_A, 0, 2, [_B[:-1]], _AB),
        (_A, 0, 1, [_A], _A),
        (_A, 0, 2, [], _A),
        (_B, 0, 2, [_A], _AB),
    ],
)
def test_malformed_or_wrong_inclusion_proofs_are_refused(
    leaf: bytes, index: int, size: int, proof: list[bytes], root: bytes
) -> None:
    with pytest.raises(ProofError):
        verify_inclusion(leaf, index, size, proof, root)


@pytest.mark.parametrize(
    ("old", "new", "proof", "old_root", "new_root"),
    [
        (0, 0, [], EMPTY_ROOT, EMPTY_ROOT),
        (1, 1, [], _A, _A),
        (1, 2, [_B], _A, _AB),
        (2, 3, [_C], _AB, _ABC),
        (3, 3, [], _ABC, _ABC),
    ],
)
def test_consistency_vectors_hold(
    old: int, new: int, proof: list[bytes], old_root: bytes, new_root: bytes
) -> None:
    verify_consistency(old, new, proof, old_root, new_root)


@pytest.mark.parametrize(
    ("old", "new", "proof", "old_root", "new_root"),
    [
        (0, 1, [], EMPTY_ROOT, _A),
        (0, 0, [], _A, _A),
        (0, 0, [_A], EMPTY_ROOT, EMPTY_ROOT),
        (1, 1, [_A], _A, _A),
        (2, 1, [_B], _AB, _A),
        (-1, 1, [], _A, _A),
        (1, 2, [], _A, _AB),
        (2, 3, [_C, _C], _AB, _ABC),
        (2, 3, [_AB, _C], _AB, _ABC),
        (2, 3, [_C[:-1]], _AB, _ABC),
        (3, 4, [], _ABC, _ABC),
    ],
)
def test_malformed_or_wrong_consistency_proofs_are_refused(
    old: int, new: int, proof: list[bytes], old_root: bytes, new_root: bytes
) -> None:
    with pytest.raises(ProofError):
        verify_consistency(old, new, proof, old_root, new_root)


@pytest.mark.parametrize("index", [-1, 3])
def test_no_inclusion_proof_outside_the_tree(index: int) -> None:
    _, read = _grow(_leaves(3))
    with pytest.raises(ProofError):
        inclusion_proof(read, index, 3)


@pytest.mark.parametrize(("old", "new"), [(0, 3), (4, 3)])
def test_no_consistency_proof_without_a_prefix(old: int, new: int) -> None:
    _, read = _grow(_leaves(3))
    with pytest.raises(ProofError):
        consistency_proof(read, old, new)


def test_leaves_and_nodes_hash_differently() -> None:
    assert leaf_hash(b"ab") != hashlib.sha256(b"ab").digest() != node_hash(b"a", b"b")
