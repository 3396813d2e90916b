"""The note of a closed log."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit import closed
from audit.checkpoint import VerifierKey, open_checkpoint
from audit.errors import CheckpointError, LogUnreadableError, LogUnwritableError
from audit.snapshot import file_digest

_SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
_ORIGIN = "cloister.invalid/log/test"
_KEY = VerifierKey(_ORIGIN, _SIGNER.public_key().public_bytes_raw())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "log.db").write_bytes(b"content" * 100)
    return tmp_path


def _problem(folder: Path, key: VerifierKey = _KEY) -> str:
    note = closed.read_closed(folder)
    assert note is not None
    return closed.closed_problem(note, file_digest(folder / "log.db"), _ORIGIN, key)


def test_the_note_holds_for_these_bytes_only(folder: Path) -> None:
    assert closed.write_closed(folder, _ORIGIN, _SIGNER)
    assert _problem(folder) == ""
    for changed in (b"Content" + b"content" * 99, b"content" * 99, b"content" * 101, b""):
        (folder / "log.db").write_bytes(changed)
        assert "not the one that was signed" in _problem(folder)


def test_no_bit_of_the_note_can_be_other(folder: Path) -> None:
    closed.write_closed(folder, _ORIGIN, _SIGNER)
    raw = closed.read_closed(folder) or b""
    digest = file_digest(folder / "log.db")
    assert not closed.closed_problem(raw, digest, _ORIGIN, _KEY)
    for bit in range(8 * len(raw)):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        assert closed.closed_problem(bytes(changed), digest, _ORIGIN, _KEY)


def test_the_note_is_no_checkpoint_and_a_checkpoint_is_no_such_note(folder: Path) -> None:
    closed.write_closed(folder, _ORIGIN, _SIGNER)
    note = closed.read_closed(folder) or b""
    with pytest.raises(CheckpointError):
        open_checkpoint(note, [_KEY])
    other = VerifierKey(_ORIGIN, Ed25519PrivateKey.generate().public_key().public_bytes_raw())
    assert "none of the given public keys" in _problem(folder, other)


def test_nothing_is_signed_while_somebody_has_the_log_open_or_where_it_is_large(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "log.db-wal").write_bytes(b"x")
    assert not closed.write_closed(folder, _ORIGIN, _SIGNER)
    (folder / "log.db-wal").unlink()
    monkeypatch.setattr(closed, "MAX_SIGNED_BYTES", 10)
    assert not closed.write_closed(folder, _ORIGIN, _SIGNER)
    assert closed.read_closed(folder) is None


def test_forgetting_removes_it_and_may_be_done_twice(folder: Path) -> None:
    closed.write_closed(folder, _ORIGIN, _SIGNER)
    closed.forget_closed(folder)
    assert closed.read_closed(folder) is None
    closed.forget_closed(folder)


def test_what_cannot_be_read_or_removed_is_said(folder: Path) -> None:
    closed.closed_path(folder).mkdir(parents=True)
    with pytest.raises(LogUnreadableError):
        closed.read_closed(folder)
    with pytest.raises(LogUnwritableError):
        closed.forget_closed(folder)
