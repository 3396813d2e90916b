"""Where checkpoints are sent so that they are out of reach of whoever administers the log.

An anchor takes a signed note and returns when it has it. Each `send` is bounded by a timeout, but
for a file system that hangs. What stands in the records of an anchor is its kind only: the folder,
address and command line stay in the settings.

What each proves: a file, that the note lies on that volume (another device number is not always
another disk); syslog over TCP or a stream socket, that the server has read it; over UDP or a
datagram socket, that it was sent; a command, that it ended with 0.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shlex
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from audit.checkpoint import MAX_NOTE_BYTES
from audit.delivery import Address, deliver, parse_address
from audit.errors import LogUnreadableError, SettingsError
from audit.errors_duties import DeliveryError
from audit.syslog import checkpoint_message, notes_in

SAME_VOLUME = "SAME_VOLUME"
CONFLICT = "CONFLICT"
MAX_SYSLOG_BYTES = 64 * 1024 * 1024  # of a syslog file that is searched for notes
_NAME = re.compile(r"checkpoint-[0-9]{20}\.note", re.ASCII)
_CODES = {
    errno.ENOSPC: ("FULL", "its disk is full; free some space"),
    errno.EDQUOT: ("FULL", "its disk quota is used up; free some space"),
    errno.EACCES: ("DENIED", "this account may not write there; give it the permission"),
    errno.EPERM: ("DENIED", "this account may not write there; give it the permission"),
    errno.EROFS: ("DENIED", "it is read-only; mount it writable"),
    errno.ENOENT: ("UNREACHABLE", "it is not there; mount its volume or create it"),
    errno.ENOTDIR: ("UNREACHABLE", "it is no folder; name one"),
}
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})


class Anchor(Protocol):
    """A place for checkpoints. `name` is what the records call it."""

    @property
    def name(self) -> str: ...

    def send(self, note: str, timeout: float) -> str:
        """Put `note` there within about `timeout` seconds; "" or the code of a warning.

        Raises DeliveryError.
        """
        ...


class AnchorSettings(Protocol):
    """What `anchors_from` reads of the settings; "" for what is not wanted."""

    @property
    def anchor_folder(self) -> str: ...

    @property
    def anchor_syslog(self) -> str: ...

    @property
    def anchor_command(self) -> str: ...


def anchors_from(settings: AnchorSettings, log_folder: Path | None = None) -> tuple[Anchor, ...]:
    """The anchors that the settings name, none by default; nothing is opened or sent yet.

    With `log_folder` a folder on the same volume is noticed. Raises SettingsError.
    """
    found: list[Anchor] = []
    if settings.anchor_folder:
        folder = Path(settings.anchor_folder)
        if not folder.is_absolute():
            why = f"{settings.anchor_folder!r} is no absolute path; write it in full"
            raise SettingsError("anchor_folder", why)
        found.append(FileAnchor(folder, log_folder))
    if settings.anchor_syslog:
        found.append(SyslogAnchor(parse_address(settings.anchor_syslog, "anchor_syslog")))
    if settings.anchor_command:
        found.append(CommandAnchor(_split(settings.anchor_command)))
    return tuple(found)


def _split(command: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(command))
    except ValueError as error:
        why = f"the command line cannot be taken apart ({error}); balance its quotation marks"
        raise SettingsError("anchor_command", why) from error
    if not words or not words[0] or any("\0" in word for word in words):
        raise SettingsError("anchor_command", "the command line names no program; name one")
    return words


def note_name(size: int) -> str:
    """The file of a checkpoint: `checkpoint-<size, 20 digits>.note`, so that names sort by size."""
    return f"checkpoint-{size:020}.note"


def size_of(note: str) -> int:
    """The size that a note of our own states."""
    return int(note.split("\n", 2)[1])


@dataclass(frozen=True, slots=True)
class FileAnchor:
    """One file for each checkpoint in a folder that must be there already, never overwritten.

    The folder is not created: an unmounted volume's mount point would take the notes in its place.
    """

    folder: Path
    log_folder: Path | None = None
    name: str = "file"

    def send(self, note: str, timeout: float) -> str:
        """Link the file in whole and synced. An existing one must hold the same note, else the
        DeliveryError has the code CONFLICT: two histories of this size were signed, a fork.
        """
        del timeout  # a file system cannot be told to give up
        path = self.folder / note_name(size_of(note))
        content = note.encode()
        try:
            if not self._exists_alike(path, content):
                _create(path, content)
            return SAME_VOLUME if self._on_same_volume() else ""
        except FileExistsError:  # another process was first
            self._exists_alike(path, content)
            return ""
        except OSError as error:
            code, why = _CODES.get(error.errno or 0, ("FAILED", f"of this: {error.strerror}"))
            raise DeliveryError(str(self.folder), code, why) from error

    def _exists_alike(self, path: Path, content: bytes) -> bool:
        """Whether the note is there; False if nothing is. Raises DeliveryError for another one."""
        try:
            with path.open("rb") as file:
                held = file.read(MAX_NOTE_BYTES + 1)
        except FileNotFoundError:
            return False
        if held == content:
            return True
        if content.startswith(held):  # cut off while it was written, where links are not to be had
            why = f"{path.name} was cut off by a crash; move it away, the next checkpoint will do"
            raise DeliveryError(str(self.folder), "INCOMPLETE", why)
        raise DeliveryError(
            str(self.folder),
            CONFLICT,
            f"{path.name} already holds another checkpoint of that size: the log was forked or "
            "replaced; keep both and verify the log against that folder",
        )

    def _on_same_volume(self) -> bool:
        if self.log_folder is None:
            return False
        return self.folder.stat().st_dev == self.log_folder.stat().st_dev


def _create(path: Path, content: bytes) -> None:
    """Make the file exist whole, under no other's name. Raises OSError, FileExistsError."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        _write_new(temporary, content)
        try:
            path.hardlink_to(temporary)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            _write_new(path, content)  # some network and memory-stick file systems have no links
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_new(path: Path, content: bytes) -> None:
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o444)  # for auditors to read, and nobody to change
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@dataclass(frozen=True, slots=True)
class SyslogAnchor:
    """One RFC 5424 message for each checkpoint, the note in it (`audit.syslog.notes_in`)."""

    address: Address
    name: str = "syslog"

    def send(self, note: str, timeout: float) -> str:
        """Send the message over a connection of its own. Raises DeliveryError."""
        sent = checkpoint_message(note, moment=time.time_ns(), process=str(os.getpid()))
        deliver(self.address, [sent], timeout, counted=True)
        return ""


@dataclass(frozen=True, slots=True)
class CommandAnchor:
    """A program that is given the note on its standard input: a timestamping or ticket client.

    It runs without a shell, in a session of its own, with the rights of this process and its
    environment but for the `CLOISTER_*` variables, which may hold passwords; what it prints is
    dropped. At the timeout it is killed with all that it started in its process group.
    """

    argv: Sequence[str]
    name: str = "command"

    def send(self, note: str, timeout: float) -> str:
        """Run it once. Raises DeliveryError: NOT_FOUND, DENIED, TIMEOUT, EXIT."""
        target = self.argv[0]
        plain = {k: v for k, v in os.environ.items() if not k.upper().startswith("CLOISTER_")}
        try:
            child = subprocess.Popen(
                self.argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                env=plain,
            )
        except FileNotFoundError as error:
            why = "there is no such program; correct anchor_command"
            raise DeliveryError(target, "NOT_FOUND", why) from error
        except OSError as error:
            why = f"it cannot be started ({error.strerror}); correct anchor_command"
            raise DeliveryError(target, "DENIED", why) from error
        try:
            child.communicate(note.encode(), timeout)
        except subprocess.TimeoutExpired as error:
            why = f"it had not ended after {timeout:g} seconds and was killed; try it by hand"
            raise DeliveryError(target, "TIMEOUT", why) from error
        finally:
            _end(child)
        if child.returncode:
            why = f"it ended with {child.returncode}; try it by hand with a checkpoint as input"
            raise DeliveryError(target, "EXIT", why)
        return ""


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill the whole group of a child that has not ended; its number is not taken before `wait`."""
    if child.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    if child.stdin is not None:
        with suppress(OSError):
            child.stdin.close()


def gather(place: Path) -> list[tuple[str, bytes]]:
    """The notes that anchors left at `place`, as (name, note) for `audit.verify.verify_log`.

    `place` is an anchor folder, of which the files named `checkpoint-<size, 20 digits>.note` are
    read, in order of size; or a text file in which a syslog server keeps its messages. Notes are
    untrusted until the verifier has opened them. Raises LogUnreadableError.
    """
    try:
        if not place.is_dir():
            with place.open("rb") as file:
                content = file.read(MAX_SYSLOG_BYTES + 1)
            if len(content) > MAX_SYSLOG_BYTES:
                why = f"it is larger than {MAX_SYSLOG_BYTES >> 20} MiB; give the newest part of it"
                raise LogUnreadableError(place, why)
            found = enumerate(notes_in(content), start=1)
            return [(f"{place.name}, note {number}", note) for number, note in found]
        notes = []
        for path in sorted(place.iterdir()):
            if _NAME.fullmatch(path.name):
                with path.open("rb") as file:  # one byte more than allowed, so that it is refused
                    notes.append((path.name, file.read(MAX_NOTE_BYTES + 1)))
        return notes
    except OSError as error:
        raise LogUnreadableError(place, error.strerror or str(error)) from error
