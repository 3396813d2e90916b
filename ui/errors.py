"""What can go wrong in the command and the chat, each with its exit code and what to do next."""

from __future__ import annotations


class UiError(Exception):
    """Base of this package's errors; `str()` is one sentence for a person."""

    exit_code: int = 2


class UsageError(UiError):
    """The command line asks for something that cannot be done."""

    exit_code = 2


class SettingsError(UiError):
    """`cloister.toml` or a `CLOISTER_*` variable holds something unknown or impossible."""

    exit_code = 3


class SomeFailed(UiError):
    """Part of the work was done; what failed has been listed already, file by file."""

    exit_code = 4


class FloorMissed(UiError):
    """What was measured is below what a gate demands; the figures have been shown already."""

    exit_code = 5


class PortTaken(UiError):
    """Another program listens where the chat should."""

    exit_code = 3
