"""The log's signing keys: Ed25519, one pair of files for each epoch.

`epoch-1.pub` in the log's `keys` folder holds the public key as a signed-note verifier key, and
`epoch-1.key` the private one (PKCS #8 PEM, mode 0600), in the same folder unless the setting
`key_folder` names another. Only the epoch in force has a private key: that of an earlier one is
destroyed when the next begins, so that nobody can sign for the past. Which epoch is in force the
log itself says (`audit.signing`).

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
from audit.database import explained, make_private_folder, sync_folder
from audit.errors import KeyFormatError, LogIncompleteError, LogUnreadableError

FIRST_EPOCH = 1


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
        sync_folder(path.parent)


def _link_once(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except FileExistsError:
        return  # another process was first; its content stands


def make_signing_key(folder: Path, epoch: int) -> Ed25519PrivateKey:
    """A new private key for `epoch` in `folder` (`epoch-N.key`, mode 0600), on disk on return.

    For the first epoch an existing file stands, because another process may have been first; for
    a later one it is a leftover of a rotation that a crash cut short, and is replaced.
    """
    make_private_folder(folder)
    path = private_path(folder, epoch)
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    write_file(path, pem, replace=epoch > FIRST_EPOCH)
    return read_private(path)


def private_path(folder: Path, epoch: int) -> Path:
    """Where the private key of an epoch lies."""
    return folder / f"epoch-{epoch}.key"


def read_private(path: Path) -> Ed25519PrivateKey:
    """Read one private key. Raises LogIncompleteError if it is gone: an existing log must never go
    on under a key that nobody has seen; LogUnreadableError or KeyFormatError."""
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError as error:
        raise LogIncompleteError(path) from error
    except OSError as error:
        raise LogUnreadableError(path, error.strerror or str(error)) from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFormatError(str(path)) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFormatError(str(path))
    return key


def private_epochs(folder: Path) -> tuple[int, ...]:
    """The epochs whose private key lies in `folder`, in order."""
    return tuple(int(path.stem.removeprefix("epoch-")) for path in _epochs(folder, ".key"))


def destroy_private(path: Path) -> bool:
    """Overwrite a private key with zeros and remove it; False if there was none.

    What an SSD or a file system keeps of overwritten blocks is beyond this; keep the folder on an
    encrypted volume. Raises LogUnwritableError.
    """
    with explained(path):
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        with os.fdopen(descriptor, "wb") as file:
            file.write(bytes(os.fstat(descriptor).st_size))
            file.flush()
            os.fsync(file.fileno())
        path.unlink(missing_ok=True)
        sync_folder(path.parent)
    return True


def publish_verifier_key(folder: Path, epoch: int, key: VerifierKey) -> None:
    """Write the public key of an epoch to `epoch-N.pub`, unless it is there already."""
    make_private_folder(folder)
    path = folder / f"epoch-{epoch}.pub"
    if not path.exists():
        write_file(path, f"{key.text()}\n".encode(), replace=False)


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
