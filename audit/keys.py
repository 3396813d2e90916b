"""The log's signing keys: Ed25519, one pair of files for each epoch in the `keys` folder.

`epoch-1.key` holds the private key (PKCS #8 PEM, mode 0600), `epoch-1.pub` the public one as a
signed-note verifier key. The highest epoch signs; all public keys verify.

What this does not protect against: whoever can read the private key can sign any checkpoint. That
is why checkpoints are to be kept where that person cannot change them (see docs/audit.md).
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from audit.checkpoint import VerifierKey, parse_verifier_key
from audit.database import explained, make_private_folder
from audit.errors import KeyFormatError, LogIncompleteError, LogUnreadableError

FIRST_EPOCH = "epoch-1"


def write_file(path: Path, content: bytes, *, replace: bool) -> None:
    """Write `path` (mode 0600) so that it exists whole or not at all, and survives a power cut.

    With `replace` false an existing file stays as it is. Raises LogUnwritableError.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with explained(path):
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if replace:
                temporary.replace(path)
            else:
                _link_once(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(path.parent)


def _link_once(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except FileExistsError:
        return  # another process was first; its content stands


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def load_or_create_signing_key(folder: Path, *, create: bool) -> Ed25519PrivateKey:
    """The private key of the highest epoch in `folder`.

    With `create`, a first one is made if there is none; without, its absence raises
    LogIncompleteError: an existing log must never go on under a key that nobody has seen.
    """
    epochs = _epochs(folder, ".key")
    if not epochs:
        first = folder / f"{FIRST_EPOCH}.key"
        if not create:
            raise LogIncompleteError(first)
        make_private_folder(folder)
        pem = Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        write_file(first, pem, replace=False)
        epochs = [first]
    return _read_private(epochs[-1])


def _read_private(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise LogUnreadableError(path, error.strerror or str(error)) from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFormatError(str(path)) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFormatError(str(path))
    return key


def publish_verifier_key(folder: Path, key: VerifierKey) -> None:
    """Write the public key beside the newest private one, unless it is there already."""
    newest = _epochs(folder, ".key")[-1].with_suffix(".pub")
    if not newest.exists():
        write_file(newest, f"{key.text()}\n".encode(), replace=False)


def published(folder: Path) -> bool:
    """Whether any public key was written: the sign that a log once began here."""
    return bool(_epochs(folder, ".pub"))


def read_verifier_keys(folder: Path) -> tuple[VerifierKey, ...]:
    """All public keys in the `keys` folder of a log, oldest first."""
    return tuple(read_verifier_key(path) for path in _epochs(folder, ".pub"))


def read_verifier_key(path: Path) -> VerifierKey:
    """Read one `.pub` file. Raises LogUnreadableError or KeyFormatError."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise LogUnreadableError(path, error.strerror or str(error)) from error
    except UnicodeDecodeError:
        raise KeyFormatError(str(path)) from None
    try:
        return parse_verifier_key(text)
    except KeyFormatError:
        raise KeyFormatError(str(path)) from None


def _epochs(folder: Path, suffix: str) -> list[Path]:
    found = [
        (int(path.stem.removeprefix("epoch-")), path)
        for path in folder.glob(f"epoch-*{suffix}")
        if path.stem.removeprefix("epoch-").isdecimal()
    ]
    return [path for _, path in sorted(found)]
