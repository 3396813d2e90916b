"""The one place that turns an exception into a sentence and an exit code.

A known error carries `exit_code` and its `str()` is the sentence. Whatever else happens is a defect
of ours: it is said so in one sentence, and the traceback appears only with `--debug`.
"""

from __future__ import annotations

import errno
import traceback
from dataclasses import dataclass

OK = 0
UNEXPECTED = 1
USAGE = 2
CONFIGURATION = 3
SOME_FAILED = 4
FLOOR_MISSED = 5
INDEX_UNAVAILABLE = 6
AUDIT_LOG = 7
REPLAY_DIFFERS = 8
INTERRUPTED = 130

EXIT_CODES = {
    OK: "everything asked for was done",
    UNEXPECTED: "a defect in Cloister; run again with --debug to see where",
    USAGE: "the command line or the question cannot be taken as it is",
    CONFIGURATION: "a setting, model file or folder must be corrected first",
    SOME_FAILED: "some files or documents failed; the others were done",
    FLOOR_MISSED: "a measured figure is below its floor, or a change was refused for that",
    INDEX_UNAVAILABLE: "the index cannot be opened or belongs to another embedder",
    AUDIT_LOG: "the audit log is unavailable, or was tampered with",
    REPLAY_DIFFERS: "a replayed answer differs from its record",
    INTERRUPTED: "interrupted with Ctrl+C",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """What a person is told: one sentence, the exit code, and whether we knew this could happen."""

    sentence: str
    exit_code: int
    expected: bool


def describe(error: BaseException) -> Failure:
    """The failure that `error` stands for. Pure; raises nothing."""
    if isinstance(error, KeyboardInterrupt):
        return Failure("Interrupted; what was finished before is kept.", INTERRUPTED, True)
    code = getattr(error, "exit_code", None)
    if isinstance(code, int) and not isinstance(error, SystemExit):
        return Failure(one_line(str(error)) or type(error).__name__, code, True)
    if isinstance(error, OSError) and (sentence := _system_sentence(error)):
        return Failure(sentence, CONFIGURATION, True)
    kind = type(error).__name__
    sentence = (
        f"Something unexpected happened ({kind}: {one_line(str(error))[:200]}); "
        "run the same command with --debug and send the output to whoever looks after Cloister."
    )
    return Failure(sentence, UNEXPECTED, False)


def _system_sentence(error: OSError) -> str:
    """What an operating system error asks a person to do; empty if it is not one of the usual."""
    where = f" ({one_line(str(error.filename))})" if error.filename else ""
    return {
        errno.ENOSPC: f"The disk is full{where}; free some space and run the command again.",
        errno.EDQUOT: f"The disk quota is used up{where}; free some space and try again.",
        errno.EACCES: f"Permission was denied{where}; check who owns the folder and try again.",
        errno.EPERM: f"The system does not permit this{where}; check the folder's permissions.",
        errno.EROFS: f"The disk is read-only{where}; choose another folder with --home.",
        errno.EADDRINUSE: "Another program uses this port; choose a free one with --port.",
        errno.ENOTDIR: f"A file stands where a folder is needed{where}; choose another --home.",
        errno.EMFILE: "Too many files are open; close other programs or raise `ulimit -n`.",
        errno.ENOMEM: "The memory is used up; close other programs and try again.",
    }.get(error.errno or 0, "")


def one_line(text: str) -> str:
    """`text` with every run of white space, line ends included, made one space."""
    return " ".join(text.split())


def trace(error: BaseException) -> str:
    """The traceback, for `--debug`."""
    return "".join(traceback.format_exception(error))
