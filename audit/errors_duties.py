"""How what is done with the log can fail: holding, pruning, erasing, delivering, serving, packing.

All are of the family of `audit.errors.AuditError`, with the same promise of one sentence and an
exit code.
"""

from __future__ import annotations

from pathlib import Path

from audit.errors import AuditError


class DeliveryError(AuditError):
    """A checkpoint or records could not be handed over to an anchor or a SIEM.

    `code` is what the log records of it: UNREACHABLE, REFUSED, TIMEOUT, CONFLICT, INCOMPLETE, FULL,
    DENIED, NOT_FOUND, EXIT or FAILED.
    """

    def __init__(self, target: str, code: str, why: str) -> None:
        super().__init__(f"Nothing could be handed over to {target} because {why}.")
        self.code = code


class ProtectedRecordError(AuditError):
    """A record that carries the log's own evidence, or is not sealed yet, was to be pruned."""

    exit_code = 2

    def __init__(self, seq: int, kind: str) -> None:
        super().__init__(
            f"Record {seq} ({kind}) cannot be pruned, because the log's evidence rests on it or it "
            "is not sealed yet; leave it out and try again."
        )


class ProbeFailedError(AuditError):
    """The search for erased text could not be done in full, so nothing can be said of it."""

    def __init__(self, cause: str) -> None:
        super().__init__(
            f"The data folder could not be searched for erased text ({cause}); see that this "
            "account can read every file in it and run `cloister erase --resume`."
        )


class ErasureIncompleteError(AuditError):
    """Text that was to be erased is still there, or a place could not be cleared now."""

    exit_code = 4

    def __init__(self, why: str) -> None:
        super().__init__(
            f"The erasure is not finished: {why}; run `cloister erase --resume` to finish it."
        )


class ErasureRefusedError(AuditError):
    """What was asked to be erased cannot be erased as it was asked."""

    exit_code = 2

    def __init__(self, why: str) -> None:
        super().__init__(f"Nothing was erased: {why}.")


class CertificateError(AuditError):
    """A certificate of erasure does not prove what it says."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"The certificate is refused because {why}; use an unaltered copy and the public key "
            "of the log that issued it."
        )


class HoldRefusedError(AuditError):
    """A step of a legal hold cannot be taken as it was asked."""

    exit_code = 2

    def __init__(self, why: str) -> None:
        super().__init__(f"{why}.")


class HoldsChangedError(AuditError):
    """A legal hold was placed while records were being pruned; none of that batch was."""

    def __init__(self, hold: str) -> None:
        super().__init__(f"The legal hold {hold} was placed meanwhile; run the command again.")


class HeldError(AuditError):
    """Something is under a legal hold, which comes before erasure and retention."""

    exit_code = 2

    def __init__(self, what: str, hold: str, matter: str) -> None:
        super().__init__(
            f"{what} is under the legal hold {hold} (matter {matter}) and stays; have two persons "
            "release the hold first, see `cloister audit hold list`."
        )


class RetentionRefusedError(AuditError):
    """Nothing may be pruned as things are: no period, a doubtful clock, a bundle that fails."""

    exit_code = 2

    def __init__(self, why: str) -> None:
        super().__init__(f"Nothing was pruned: {why}.")


class DaemonUnreachableError(AuditError):
    """In the hardened mode: the only process that may write the log does not answer."""

    def __init__(self, path: Path, cause: str) -> None:
        super().__init__(
            f"The audit daemon at {path} does not answer ({cause}), so nothing can be recorded; "
            "start it with `cloister audit daemon` under the account that owns the log."
        )


class DaemonTalkError(AuditError):
    """The daemon and its client do not understand each other."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"The audit daemon and this program do not understand each other, because {why}; "
            "run the same version of Cloister on both sides."
        )


class NotGrantedError(AuditError):
    """In the hardened mode: this account may not do that with the log."""

    def __init__(self, user: int, wanted: str) -> None:
        super().__init__(
            f"The account with the user id {user} may not {wanted} the audit log; use the account "
            "that owns it, or have it named when the audit daemon is started."
        )


class VerifierIncompleteError(AuditError):
    """The file to hand over cannot be put together from this installation."""

    exit_code = 3

    def __init__(self, lacking: str) -> None:
        super().__init__(
            f"The verifier cannot be handed over, because this installation has no source of "
            f"{lacking}; install Cloister again from its package or its repository."
        )


class PackRefusedError(AuditError):
    """No evidence pack can be made of what was named."""

    exit_code = 2

    def __init__(self, why: str) -> None:
        super().__init__(f"No evidence pack was made: {why}.")
