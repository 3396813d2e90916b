"""The note of a closed log: the signed length and digest of its database file.

The tree covers every record, but SQLite's file also holds space that no record uses. The last
process to close the log signs the whole file, so that a verifier of a log at rest finds a change of
any bit of it. Opening the log removes the note first. The form is a signed note (see
`audit.checkpoint`) over the lines

    cloister.audit.closed/1
    <the log's origin>
    <length of log.db in bytes>
    <SHA-256 of log.db, hex>

whose first line keeps it from ever being taken for a checkpoint.

What this does not protect against: removing the note. Then only the records, payloads, tree and
checkpoints are proven, which is everything that the log says.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.checkpoint import MAX_NOTE_BYTES, VerifierKey, open_text, sign_text
from audit.database import explained, make_private_folder, sync_folder
from audit.errors import CheckpointError
from audit.keys import write_file
from audit.snapshot import file_digest, read_small

FORMAT = "cloister.audit.closed/1"
MAX_SIGNED_BYTES = 256 << 20  # a larger file takes longer to read than a command may take to end


def closed_path(folder: Path) -> Path:
    """Where the note of the log in `folder` lies."""
    return folder / "checkpoints" / "closed.note"


def write_closed(folder: Path, origin: str, signer: Ed25519PrivateKey) -> bool:
    """Sign the database of the log in `folder`, which nobody has open any more.

    Returns False, and writes nothing, if the file is larger than MAX_SIGNED_BYTES or if a WAL is
    left: then somebody else has it open. Raises LogUnwritableError.
    """
    database = folder / "log.db"
    wal = database.with_name(f"{database.name}-wal")
    with explained(database):
        if (wal.exists() and wal.stat().st_size) or database.stat().st_size > MAX_SIGNED_BYTES:
            return False
        digest = file_digest(database)
        path = closed_path(folder)
        make_private_folder(path.parent)
        note = sign_text(_text(origin, digest), origin, signer)
        write_file(path, note.encode(), replace=True)
    return True


def forget_closed(folder: Path) -> None:
    """Remove the note, on disk when this returns, because the log is about to change.

    Raises LogUnwritableError.
    """
    path = closed_path(folder)
    with explained(path):
        try:
            path.unlink()
        except FileNotFoundError:
            return
        # A note that came back after a power cut would call the log altered.
        sync_folder(path.parent)


def read_closed(folder: Path) -> bytes | None:
    """The note, or None if there is none. Raises LogUnreadableError."""
    try:
        return read_small(closed_path(folder), MAX_NOTE_BYTES)
    except FileNotFoundError:
        return None


def closed_problem(note: bytes, digest: str, origin: str, key: VerifierKey) -> str:
    """What the note says against a database file with this `file_digest` ("" if nothing).

    `key` is the one in force at the end of the log.
    """
    try:
        text, _ = open_text(note, [key])
    except CheckpointError as error:
        return f"closed.note: {error}"
    if text != _text(origin, digest):
        return "the database file is not the one that was signed when the log was closed"
    return ""


def _text(origin: str, digest: str) -> str:
    return "".join(f"{line}\n" for line in (FORMAT, origin, *digest.split(" ")))
