"""Signed checkpoints: the format to the byte, and refusal of anything else."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from audit.checkpoint import (
    MAX_SIGNATURES,
    Checkpoint,
    VerifierKey,
    open_checkpoint,
    origin_of,
    parse_verifier_key,
    sign_checkpoint,
)
from audit.errors import CheckpointError, KeyFormatError

_PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
_ORIGIN = origin_of("0" * 32)
_KEY = VerifierKey(_ORIGIN, _PRIVATE.public_key().public_bytes_raw())
_ROOT = bytes(range(32))
_NOTE = sign_checkpoint(Checkpoint(_ORIGIN, 1234, _ROOT), _PRIVATE).encode()


def _signed(text: str) -> bytes:
    """A note with any text, signed correctly: only the text itself can be refused."""
    signature = base64.b64encode(_KEY.key_id + _PRIVATE.sign(text.encode())).decode()
    return f"{text}\n— {_ORIGIN} {signature}\n".encode()


def test_a_checkpoint_reads_back() -> None:
    assert open_checkpoint(_NOTE, [_KEY]) == Checkpoint(_ORIGIN, 1234, _ROOT)


def test_the_text_is_origin_size_and_root() -> None:
    text, _, signature = _NOTE.decode().partition("\n\n")
    assert text == f"{_ORIGIN}\n1234\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    assert signature.startswith(f"— {_ORIGIN} ")
    raw = base64.b64decode(signature.split(" ")[2])
    assert raw[:4] == _KEY.key_id
    assert len(raw) == 68


def test_the_key_of_a_public_example_has_the_public_key_id() -> None:
    # The verifier key of Go's checksum database, as the `go` command carries it.
    text = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
    key = parse_verifier_key(text)
    assert key.key_id.hex() == "033de0ae"
    assert key.text() == text


def test_every_single_bit_flip_is_refused() -> None:
    for position in range(len(_NOTE)):
        for bit in range(8):
            flipped = bytearray(_NOTE)
            flipped[position] ^= 1 << bit
            with pytest.raises(CheckpointError):
                open_checkpoint(bytes(flipped), [_KEY])


@given(st.data())
def test_any_cut_or_inserted_byte_is_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(_NOTE) - 1))
    byte = bytes([data.draw(st.integers(0, 255))])
    for changed in (_NOTE[:at] + _NOTE[at + 1 :], _NOTE[:at] + byte + _NOTE[at:]):
        with pytest.raises(CheckpointError):
            open_checkpoint(changed, [_KEY])


@given(st.binary(max_size=300))
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(CheckpointError):
        open_checkpoint(noise, [_KEY])


_GOOD_ROOT = base64.b64encode(_ROOT).decode()


@pytest.mark.parametrize(
    "text",
    [
        f"{_ORIGIN}\n01\n{_GOOD_ROOT}\n",
        f"{_ORIGIN}\n+1\n{_GOOD_ROOT}\n",
        f"{_ORIGIN}\n1 \n{_GOOD_ROOT}\n",
        f"{_ORIGIN}\n\u0661\n{_GOOD_ROOT}\n",
        f"{_ORIGIN}\n9223372036854775808\n{_GOOD_ROOT}\n",
        f"{_ORIGIN}\n1\n{_GOOD_ROOT[:-2]}9=\n",
        f"{_ORIGIN}\n1\n{_GOOD_ROOT[:-1]}\n",
        f"{_ORIGIN}\n1\nAAAA\n",
        f"{_ORIGIN}\n1\n{_GOOD_ROOT}\nextension\n",
        f"{_ORIGIN}\n1\n",
        f"\n1\n{_GOOD_ROOT}\n",
        f"{_ORIGIN}\r\n1\r\n{_GOOD_ROOT}\r\n",
        f"{origin_of('1' * 32)}\n1\n{_GOOD_ROOT}\n",
    ],
)
def test_a_well_signed_text_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(CheckpointError):
        open_checkpoint(_signed(text), [_KEY])


def test_the_well_signed_form_itself_is_accepted() -> None:
    note = _signed(f"{_ORIGIN}\n0\n{_GOOD_ROOT}\n")
    assert open_checkpoint(note, [_KEY]).size == 0


def test_lines_of_unknown_keys_are_passed_over() -> None:
    other = base64.b64encode(b"\x00\x01\x02\x03" + b"s" * 64).decode()
    note = _NOTE + f"— witness.example/w {other}\n".encode()
    assert open_checkpoint(note, [_KEY]).size == 1234


def test_a_bad_signature_of_a_known_key_refuses_the_note() -> None:
    bad = base64.b64encode(_KEY.key_id + b"s" * 64).decode()
    with pytest.raises(CheckpointError, match="does not match"):
        open_checkpoint(_NOTE + f"— {_ORIGIN} {bad}\n".encode(), [_KEY])


def test_too_many_signatures_or_bytes_are_refused() -> None:
    other = base64.b64encode(b"\x00\x01\x02\x03" + b"s" * 64).decode()
    line = f"— witness.example/w {other}\n".encode()
    assert open_checkpoint(_NOTE + line * (MAX_SIGNATURES - 1), [_KEY]).size == 1234
    with pytest.raises(CheckpointError, match="more than"):
        open_checkpoint(_NOTE + line * MAX_SIGNATURES, [_KEY])
    with pytest.raises(CheckpointError, match="longer"):
        open_checkpoint(b"x" * 70_000, [_KEY])


def test_without_the_right_key_nothing_is_accepted() -> None:
    public = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    for keys in ([], [VerifierKey(_ORIGIN, public)], [VerifierKey("another", _KEY.public)]):
        with pytest.raises(CheckpointError, match="none of the given"):
            open_checkpoint(_NOTE, keys)


@pytest.mark.parametrize(
    "text",
    ["", "name", "name+00000000", "+033de0ae+Ac4z", f"x{_KEY.text()}", _KEY.text()[:-4], "a b+1+A"],
)
def test_malformed_verifier_keys_are_refused(text: str) -> None:
    with pytest.raises(KeyFormatError):
        parse_verifier_key(text)
