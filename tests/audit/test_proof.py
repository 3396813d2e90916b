"""A single proof: made from a log, verified with its key alone, and no bit of it other."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.checkpoint import Checkpoint, VerifierKey, sign_checkpoint
from audit.errors import AuditError, CheckpointError, ProofError, RecordNotFoundError
from audit.keys import private_path, read_private
from audit.merkle import HASH_BYTES, inclusion_proof, leaf_hash
from audit.proof import Proof, make_proof, parse_proof, verify_proof
from audit.record import Event
from tests.audit.standins import ANN, open_test_log, question

_Made = tuple[bytes, tuple[VerifierKey, ...]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> _Made:
    """A proof in its file form, and the keys of its log."""
    with open_test_log(tmp_path_factory.mktemp("proof") / "home") as log:
        log.append_many([question(number) for number in range(7)])
        return make_proof(log, 5).text(), log.trusted_keys


def test_a_proof_needs_only_the_key(home: Path) -> None:
    with open_test_log(home) as log:
        records = log.append_many([question(number) for number in range(4)])
        note = log.seal()
        proof = make_proof(log, records[1].event_id)
        assert (proof.seq, proof.note) == (records[1].seq, note)  # under the newest checkpoint
        later = log.append(question(4))
        assert make_proof(log, later.seq).note != note  # which did not cover it: sealed anew
        proven = verify_proof(proof.text(), log.trusted_keys)
        assert proven.envelope["event_id"] == records[1].event_id
        assert proven.key_id == log.verifier_key.key_id.hex()
        assert proven.as_json()["size"] == 6
        with pytest.raises(RecordNotFoundError):
            make_proof(log, 99)


def test_a_pruned_record_has_no_proof_and_the_others_keep_theirs(home: Path) -> None:
    with open_test_log(home) as log:
        log.append_many([question(number) for number in range(4)])
        before = make_proof(log, 4).text()
        log.prune([3], Event("retention.pruned", ANN, {}))
        with pytest.raises(RecordNotFoundError):
            make_proof(log, 3)
        verify_proof(make_proof(log, 4).text(), log.trusted_keys)
        verify_proof(before, log.trusted_keys)


def test_no_bit_of_a_proof_can_be_other(made: _Made) -> None:
    raw, keys = made
    verify_proof(raw, keys)
    for bit in range(0, 8 * len(raw), 7):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(AuditError):
            verify_proof(bytes(changed), keys)


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw + b"\n",
        lambda raw: raw[:-1],
        lambda raw: raw.replace(b"\n", b"\r\n"),
        lambda raw: raw.replace(b"/1\n5\n", b"/1\n05\n"),
        lambda raw: raw.replace(b"/1\n5\n", b"/1\n 5\n"),
        lambda raw: raw.replace(b"/1\n5\n", b"/1\n6\n"),
        lambda raw: raw.replace(b"/1\n5\n", b"/1\n" + b"9" * 5000 + b"\n"),
        lambda raw: raw.replace(b"proof/1", b"proof/2"),
        lambda raw: raw + b"x" * 300_000,
        lambda raw: b"",
        lambda raw: b"\n\n",
        lambda raw: b"\xff" * 100,
    ],
)
def test_what_is_not_exactly_a_proof_is_refused(made: _Made, change: object) -> None:
    raw, keys = made
    assert callable(change)
    with pytest.raises((ProofError, CheckpointError)):
        verify_proof(change(raw), keys)


def test_another_logs_key_proves_nothing(made: _Made, home: Path) -> None:
    with open_test_log(home) as other, pytest.raises(CheckpointError, match="none of the given"):
        verify_proof(made[0], other.trusted_keys)


def test_a_proven_record_must_be_of_that_log_and_place(home: Path) -> None:
    # Somebody with the key of one log cannot pass off another log's record, or another number.
    with open_test_log(home) as log, open_test_log(home / "other") as other:
        envelope = other.leaf(0).envelope
        signer = read_private(private_path(home / "audit" / "keys", 1))
        note = sign_checkpoint(Checkpoint(log.origin, 1, leaf_hash(envelope)), signer)
        with pytest.raises(ProofError, match="another place or another log"):
            verify_proof(Proof(0, envelope, (), note).text(), log.trusted_keys)
        loose = b'{"seq": 0}'
        note = sign_checkpoint(Checkpoint(log.origin, 1, leaf_hash(loose)), signer)
        with pytest.raises(ProofError, match="canonical"):
            verify_proof(Proof(0, loose, (), note).text(), log.trusted_keys)


def test_a_proof_in_a_log_of_a_million_records_is_under_2_kilobytes(home: Path) -> None:
    with open_test_log(home) as log:
        size = 1_000_000
        note = sign_checkpoint(
            Checkpoint(log.origin, size, bytes(HASH_BYTES)),
            read_private(private_path(home / "audit" / "keys", 1)),
        )
        longest = inclusion_proof(lambda level, index: bytes(HASH_BYTES), 0, size)
    proof = Proof(size - 1, b"{}", longest, note)
    assert parse_proof(proof.text()) == proof
    assert (len(longest), proof.overhead) == (20, 1191)
