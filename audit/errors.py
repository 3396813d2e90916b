"""Every way the log can fail, on one page.

`AuditError` derives from `Exception` directly and from no other family of errors, so that no
handler written for files, databases or models catches it by accident: an action that cannot be
recorded must not happen. `str(error)` is one sentence that says what happened and what to do next;
`exit_code` is the status a command ends with (2 usage, 3 configuration, 4 not done in full, 7 log
unavailable or broken).
"""

from __future__ import annotations

from pathlib import Path


class AuditError(Exception):
    """The log cannot record, read or prove something."""

    exit_code: int = 7


class LogLockedError(AuditError):
    """Another process held the log for longer than the busy timeout."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"Another process has kept {path} locked for too long; "
            "close the other Cloister program, or wait, and try again."
        )


class LogUnwritableError(AuditError):
    """The file system refuses writing: permissions, a read-only medium, no such folder."""

    def __init__(self, path: Path, cause: str) -> None:
        super().__init__(
            f"The audit log at {path} cannot be written ({cause}); "
            "give this account read and write permission to that folder and try again."
        )


class LogUnreadableError(AuditError):
    """A file of the log cannot be read."""

    def __init__(self, path: Path, cause: str) -> None:
        super().__init__(
            f"The audit log file {path} cannot be read ({cause}); "
            "check the path and this account's permissions and try again."
        )


class DiskFullError(AuditError):
    """No space is left where the log lives."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The disk that holds {path} is full, so nothing can be recorded; "
            "free some space and try again."
        )


class DiskFaultError(AuditError):
    """The operating system reports an input/output error below the database."""

    def __init__(self, path: Path, cause: str) -> None:
        super().__init__(
            f"The disk that holds {path} failed ({cause}), so nothing can be recorded; "
            "check the disk and its free space and try again."
        )


class LogCorruptError(AuditError):
    """SQLite finds the database file damaged, or its content contradicts itself."""

    def __init__(self, path: Path, cause: str) -> None:
        super().__init__(
            f"The audit log at {path} is damaged or was altered ({cause}); keep it as it is, "
            "examine it with `python -m audit.verifier_cli`, and restore the last good copy."
        )


class LogIncompleteError(AuditError):
    """A part of an existing log is gone; going on would hide that."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The audit log lacks {path}, which it had before; restore that file from a backup, or "
            "move the whole audit folder aside to begin a new log."
        )


class LogMissingError(AuditError):
    """There is no log in the given folder."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"There is no audit log at {path}; give the folder that holds log.db, which a first "
            "`cloister ingest add` or `cloister ask` creates."
        )


class LogClosedError(AuditError):
    """The log was closed, or was opened before this process was forked."""

    def __init__(self) -> None:
        super().__init__(
            "The audit log is not open in this process, so nothing can be recorded; "
            "open it again and repeat the action."
        )


class SealFailedError(AuditError):
    """A checkpoint due in the background could not be made; told at the next record."""

    def __init__(self, cause: AuditError) -> None:
        super().__init__(f"The last checkpoint of the audit log could not be made: {cause}")


class EnvelopeTooLargeError(AuditError):
    """The clear part of a record is over its limit; large values belong in the payload."""

    def __init__(self, event_type: str, size: int, limit: int) -> None:
        super().__init__(
            f"The record `{event_type}` has {size} bytes of clear fields, which is not under the "
            f"limit of {limit}; move large values into the encrypted payload."
        )


class CanonicalError(AuditError):
    """A value has no canonical form: a float, a lone surrogate, too large an integer."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(
            f"The record's value at `{where}` cannot be recorded because it {why}; "
            "pass text, whole numbers up to 2^53-1, true, false or nothing."
        )


class PayloadFormatError(AuditError):
    """A payload is not serialisable as JSON."""

    def __init__(self, event_type: str, cause: str) -> None:
        super().__init__(
            f"The payload of `{event_type}` cannot be recorded ({cause}); "
            "pass only text, numbers, lists and mappings with text keys."
        )


class PayloadErasedError(AuditError):
    """The payload's key was destroyed: the text is gone, the proof of its record still holds."""

    def __init__(self, event_id: str) -> None:
        super().__init__(
            f"The payload of record {event_id} was erased and cannot be read again; "
            "its record and proofs remain: use `cloister audit show` for the clear fields."
        )


class PayloadKeyLostError(AuditError):
    """The keystore has never held this key, or has lost it."""

    def __init__(self, event_id: str) -> None:
        super().__init__(
            f"The keystore holds no key for the payload of record {event_id}; "
            "restore audit/keystore.db from a backup made after that record."
        )


class PayloadDamagedError(AuditError):
    """The stored ciphertext does not open under its key."""

    def __init__(self, event_id: str) -> None:
        super().__init__(
            f"The stored payload of record {event_id} was altered or is damaged; "
            "run `cloister audit verify` and restore the last good copy."
        )


class ProofError(AuditError):
    """A Merkle proof is malformed or does not lead to the given root."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"The Merkle proof does not hold because {why}; "
            "compare the checkpoint, the record and the proof with another copy."
        )


class CheckpointError(AuditError):
    """A checkpoint is malformed, or no given key signed it."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"The checkpoint is refused because {why}; "
            "use an unaltered copy and the public key that signed it."
        )


class KeyFormatError(AuditError):
    """A key file does not hold what it should."""

    def __init__(self, source: str) -> None:
        super().__init__(
            f"{source} does not hold a log key; give the .pub file from the log's keys folder or "
            "its one line of text."
        )


class RecordNotFoundError(AuditError):
    """No record has the given number or id."""

    exit_code = 2

    def __init__(self, wanted: object) -> None:
        super().__init__(
            f"The audit log has no record {wanted}; list the records with `cloister audit show`."
        )


class RangeError(AuditError):
    """A range of records is empty or reversed."""

    exit_code = 2

    def __init__(self, first: int, last: int, size: int) -> None:
        super().__init__(
            f"Records {first} to {last} are no range of this log, which has {size}; "
            f"choose a first and a last number between 0 and {max(size - 1, 0)}."
        )


class ExportExistsError(AuditError):
    """The export would overwrite a file."""

    exit_code = 2

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} already exists; name a new file for the export.")


class ExportFailedError(AuditError):
    """The export file cannot be written."""

    def __init__(self, path: Path, cause: str) -> None:
        super().__init__(
            f"The export could not be written to {path} ({cause}); name a file in a folder that "
            "exists, that this account can write to, and that has space."
        )


class ExportRefusedError(AuditError):
    """An export does not prove what it claims."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The export is refused because {why}; ask for a new export and compare.")


class SettingsError(AuditError):
    """`cloister.toml` or the environment holds something the log cannot use."""

    exit_code = 3

    def __init__(self, source: str, why: str) -> None:
        super().__init__(f"{source}: {why}.")
