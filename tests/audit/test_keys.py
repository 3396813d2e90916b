"""Signing keys, the keystore and encrypted payloads."""

from __future__ import annotations

import math
import secrets
import sqlite3
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from audit.errors import (
    KeyFormatError,
    LogIncompleteError,
    LogLockedError,
    LogUnreadableError,
    PayloadDamagedError,
    PayloadErasedError,
    PayloadFormatError,
    PayloadKeyLostError,
)
from audit.keys import (
    destroy_private,
    make_signing_key,
    private_epochs,
    private_path,
    read_private,
    read_verifier_key,
)
from audit.keystore import KEY_BYTES, Keystore
from audit.payload import open_payload, seal_payload


def test_the_first_signing_key_is_made_once_and_private(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    first = make_signing_key(keys, 1)
    again = make_signing_key(keys, 1)
    assert first.private_bytes_raw() == again.private_bytes_raw()
    assert stat.S_IMODE((keys / "epoch-1.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700


def test_a_leftover_of_a_rotation_is_replaced(tmp_path: Path) -> None:
    leftover = make_signing_key(tmp_path, 10)
    assert make_signing_key(tmp_path, 10).private_bytes_raw() != leftover.private_bytes_raw()
    make_signing_key(tmp_path, 9)
    assert private_epochs(tmp_path) == (9, 10)


def test_a_missing_signing_key_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(LogIncompleteError, match=r"epoch-1\.key"):
        read_private(private_path(tmp_path, 1))
    assert list(tmp_path.iterdir()) == []


def test_a_destroyed_signing_key_is_overwritten_and_gone(tmp_path: Path) -> None:
    make_signing_key(tmp_path, 1)
    path = private_path(tmp_path, 1)
    kept_open = path.open("rb")  # another name for the same bytes on the disk
    with kept_open:
        assert destroy_private(path)
        assert set(kept_open.read()) == {0}
    assert not destroy_private(path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_ed25519_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "epoch-1.key"
    path.write_bytes(b"no key")
    with pytest.raises(KeyFormatError, match=r"epoch-1\.key"):
        read_private(path)
    other = X25519PrivateKey.generate()
    path.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(KeyFormatError):
        read_private(path)


def test_unreadable_public_keys_are_named(tmp_path: Path) -> None:
    with pytest.raises(LogUnreadableError, match=r"none\.pub"):
        read_verifier_key(tmp_path / "none.pub")
    for content in (b"text", b"\xff\xfe"):
        (tmp_path / "bad.pub").write_bytes(content)
        with pytest.raises(KeyFormatError, match=r"bad\.pub"):
            read_verifier_key(tmp_path / "bad.pub")


def _sealed(payload: dict[str, object]) -> tuple[bytes, bytes]:
    key = secrets.token_bytes(KEY_BYTES)
    sealed = seal_payload(payload, "k", key, log_id="l", event_id="e", event_type="t")
    return key, sealed.stored


def test_a_payload_opens_only_with_its_key_and_in_its_record() -> None:
    payload: dict[str, object] = {"q": "why?", "score": 0.25, "file": "caf\udce9", "n": None}
    key, stored = _sealed(payload)
    assert open_payload(stored, key, log_id="l", event_id="e") == payload
    with pytest.raises(PayloadDamagedError):
        open_payload(stored, key, log_id="l", event_id="other")
    with pytest.raises(PayloadDamagedError):
        open_payload(stored, bytes(32), log_id="l", event_id="e")
    for position in range(len(stored)):
        changed = bytearray(stored)
        changed[position] ^= 1
        with pytest.raises(PayloadDamagedError):
            open_payload(bytes(changed), key, log_id="l", event_id="e")


def test_equal_payloads_do_not_look_equal() -> None:
    first, second = _sealed({"q": "same"}), _sealed({"q": "same"})
    assert first[0] != second[0]
    assert first[1] != second[1]
    assert b"same" not in first[1]


@pytest.mark.parametrize("value", [math.nan, math.inf, {1, 2}, b"raw", object()])
def test_what_is_not_json_is_refused(value: object) -> None:
    with pytest.raises(PayloadFormatError, match=r"`ask\.me`"):
        seal_payload(
            {"x": value}, "k", bytes(KEY_BYTES), log_id="l", event_id="e", event_type="ask.me"
        )


def test_a_destroyed_key_is_gone_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "keystore.db"
    kept, gone = bytes(range(32)), bytes(range(100, 132))
    store = Keystore(path, busy_timeout_ms=1000)
    store.put([("kept", kept), ("gone", gone)])
    assert any(gone in file.read_bytes() for file in tmp_path.glob("keystore.db*"))
    assert store.destroy(["gone"])
    # The files stay open: their bytes are what a thief of the disk would find now.
    assert all(gone not in file.read_bytes() for file in tmp_path.glob("keystore.db-wal"))
    assert not store.destroy(["gone"])
    assert not store.destroy(["unknown"])
    with pytest.raises(PayloadErasedError):
        store.get("gone", "event")
    with pytest.raises(PayloadKeyLostError):
        store.get("unknown", "event")
    assert (store.erased("gone"), store.erased("kept"), store.erased("no")) == (True, False, False)
    store.close()
    files = list(tmp_path.glob("keystore.db*"))
    assert all(gone not in file.read_bytes() for file in files)
    assert any(kept in file.read_bytes() for file in files)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_key_copy_in_use_elsewhere_is_told(tmp_path: Path) -> None:
    path = tmp_path / "k.db"
    store = Keystore(path, busy_timeout_ms=50)
    store.put([("a", bytes(range(32)))])
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM payload_key").fetchall()
    with pytest.raises(LogLockedError):
        store.destroy(["a"])
    with pytest.raises(PayloadErasedError):
        store.get("a", "event")
    reader.close()
    assert not store.destroy(["a"])  # nothing living was left; the copy is wiped now
    assert (tmp_path / "k.db-wal").stat().st_size == 0
    store.close()


def test_a_key_is_seen_by_another_connection_at_once(tmp_path: Path) -> None:
    first = Keystore(tmp_path / "k.db", busy_timeout_ms=1000)
    second = Keystore(tmp_path / "k.db", busy_timeout_ms=1000)
    first.put([("a", bytes(32))])
    assert second.get("a", "event") == bytes(32)
    first.close()
    second.close()
    second.close()
