"""The keys of the API: who may ask through it, and for which groups. One small file, no network.

A key is `clst_` and 256 bits from the system, shown once. The file holds its SHA-256 only. A slow
hash (scrypt, Argon2) makes guessing a secret that a person chose expensive; nobody guesses 256
random bits, so a fast one protects them as well and costs each request nothing.

Not protected against: whoever may write to the file (its owner and root) can add a key without a
record; a key on its way over an unencrypted network can be read there.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import secrets
import stat
import tempfile
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from ui.errors import UiError, UsageError

FORMAT = 1
PREFIX = "clst_"
FILE = "api-keys.json"
_LOCK = "api-keys.lock"
_LARGEST = 16 << 20  # bytes; some fifty thousand keys
_SETTLED_NS = 2_000_000_000  # a file changed less than this ago may change again unseen
_LONGEST_NAME = 128  # characters of a user's or a group's name

Refusal = Literal["missing", "unknown", "expired", "revoked"]


class KeysUnusable(UiError):
    """The file of keys cannot be read or written, or others may change it."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret. Times are UTC in ISO 8601, `last_used` is a day; None: never.

    `sha256` is the hex digest of the secret.
    """

    id: str
    user: str
    groups: tuple[str, ...]
    created: str
    expires: str | None
    revoked: str | None
    last_used: str | None
    note: str
    sha256: str = field(repr=False)

    def refusal(self, now: datetime) -> Refusal | None:
        """Why the key opens nothing at the moment `now`, if it does not."""
        if self.revoked is not None:
            return "revoked"
        if self.expires is not None and self.expires <= _text(now):
            return "expired"
        return None


@dataclass(frozen=True, slots=True)
class Found:
    """What a secret opens: a key that holds, or why not; then `key` says whose it was, if known."""

    key: ApiKey | None
    refusal: Refusal | None


def _now() -> datetime:
    return datetime.now(UTC)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def checked_name(name: str, what: str) -> str:
    """The name of a user or a group. Raises UsageError, in which `what` says which of the two."""
    shown = all(c == " " or unicodedata.category(c)[0] not in "CZ" for c in name)
    if not name.strip() or name != name.strip() or not shown or len(name) > _LONGEST_NAME:
        raise UsageError(
            f"{name!r} cannot be the name of a {what}; use up to {_LONGEST_NAME} characters that "
            "can be seen."
        )
    return name


class KeyFile:
    """The keys of one data folder. Safe between threads and processes.

    Each look-up asks the file system whether the file has changed, so that a revocation holds from
    the next request on in every process. `now` tells the time.
    """

    def __init__(self, home: Path, now: Callable[[], datetime] = _now) -> None:
        self._path = home / FILE
        self._lock_path = home / _LOCK
        self._now = now
        self._keys: tuple[ApiKey, ...] = ()
        self._seen: tuple[int, ...] | None = None

    def every(self) -> tuple[ApiKey, ...]:
        """All keys, the revoked ones too, in the order in which they were made.

        Raises KeysUnusable.
        """
        try:
            status = self._path.lstat()
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise _unusable(self._path, error.strerror or str(error)) from error
        seen = self._seen
        if seen is not None and seen == _signature(status):
            return self._keys
        keys, status = _read(self._path)
        # Two changes within one tick of the clock can leave the same time and inode: what was
        # changed a moment ago is read again.
        settled = time.time_ns() - status.st_mtime_ns > _SETTLED_NS
        self._keys, self._seen = keys, _signature(status) if settled else None
        return keys

    def find(self, secret: str) -> Found:
        """The key that `secret` opens. Raises KeysUnusable.

        Every key is compared, in constant time, whatever comes of it.
        """
        digest = _digest(secret)
        found: ApiKey | None = None
        for key in self.every():
            if hmac.compare_digest(key.sha256, digest):
                found = key
        if found is None:
            return Found(None, "unknown" if secret else "missing")
        return Found(found, found.refusal(self._now()))

    def add(
        self,
        user: str,
        groups: Sequence[str],
        record: Callable[[ApiKey], object],
        days: float | None = None,
        note: str = "",
    ) -> tuple[ApiKey, str]:
        """A new key and its secret, which is not kept. `record` puts it into the log before it is
        written; `days` is how long it holds, None: until it is revoked.

        Raises UsageError, KeysUnusable, and what `record` raises.
        """
        moment = self._now()
        secret = PREFIX + secrets.token_urlsafe(32)
        with self._changing() as keys:
            taken = {key.id for key in keys}
            name = next(new for new in iter(lambda: secrets.token_hex(4), "") if new not in taken)
            key = ApiKey(
                id=name,
                user=checked_name(user, "user"),
                groups=tuple(sorted({checked_name(group, "group") for group in groups})),
                created=_text(moment),
                expires=None if days is None else _text(moment + timedelta(days=days)),
                revoked=None,
                last_used=None,
                note=note[:1000],
                sha256=_digest(secret),
            )
            record(key)
            self._write((*keys, key))
        return key, secret

    def revoke(self, key_id: str, record: Callable[[ApiKey], object]) -> ApiKey:
        """Let a key open nothing any more; `record` puts that into the log before it is so.

        Raises UsageError if there is no such key or it was revoked before, KeysUnusable, and what
        `record` raises.
        """
        with self._changing() as keys:
            found = next((key for key in keys if key.id == key_id), None)
            if found is None:
                raise UsageError(f"There is no key {key_id!r}; `cloister keys list` shows them.")
            if found.revoked is not None:
                raise UsageError(f"The key {key_id} was revoked before, on {found.revoked[:10]}.")
            revoked = replace(found, revoked=_text(self._now()))
            record(revoked)
            self._write(tuple(revoked if key is found else key for key in keys))
        return revoked

    def used_today(self, key: ApiKey) -> bool:
        """Whether today is noted already as a day on which the key was used."""
        return key.last_used == _text(self._now())[:10]

    def use(self, key: ApiKey) -> None:
        """Note today as the day on which the key was last used, unless it is.

        A day that cannot be written is left out: each use stands in the audit log.
        """
        if self.used_today(key):
            return
        today = _text(self._now())[:10]
        with suppress(KeysUnusable), self._changing() as keys:
            marked = tuple(replace(k, last_used=today) if k.id == key.id else k for k in keys)
            if marked != keys:
                self._write(marked)

    @contextmanager
    def _changing(self) -> Iterator[tuple[ApiKey, ...]]:
        """The keys, while no other process can change them."""
        try:
            self._lock_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unusable(self._lock_path, error.strerror or str(error)) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            self._seen = None
            yield self.every()
        finally:
            os.close(handle)

    def _write(self, keys: Sequence[ApiKey]) -> None:
        """Replace the file as a whole: after a loss of power it is the old or the new one."""
        body = {"format": FORMAT, "keys": [asdict(key) for key in keys]}
        folder = self._path.parent
        temporary: str | None = None
        try:
            handle, temporary = tempfile.mkstemp(prefix=f".{FILE}.", dir=folder)  # 0600
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(body, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(self._path)
            temporary = None
            opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(opened)
            finally:
                os.close(opened)
        except OSError as error:
            raise _unusable(self._path, error.strerror or str(error)) from error
        finally:
            self._seen = None
            if temporary is not None:
                Path(temporary).unlink(missing_ok=True)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _unusable(path: Path, why: str) -> KeysUnusable:
    return KeysUnusable(
        f"The API keys in {path} cannot be used ({why}): put that right, or restore the file from "
        "a backup."
    )


def _signature(status: os.stat_result) -> tuple[int, ...]:
    times = (status.st_mtime_ns, status.st_ctime_ns)
    return (status.st_dev, status.st_ino, status.st_size, status.st_mode, status.st_uid, *times)


def _read(path: Path) -> tuple[tuple[ApiKey, ...], os.stat_result]:
    """The keys in the file and what the file was. Raises KeysUnusable."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(file.fileno())
            _require_private(path, status)
            body = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise _unusable(path, "it was taken away while it was read") from None
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error
    if len(body) > _LARGEST:
        raise _unusable(path, "it is too large")
    try:
        value = json.loads(body)
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            raise ValueError("it is not of the format that this version writes")
        return tuple(_key(each) for each in value["keys"]), status
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _unusable(path, f"it is damaged: {type(error).__name__} {error}"[:200]) from error


def _require_private(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _unusable(path, "it is no regular file")
    if status.st_uid not in (os.geteuid(), 0):
        raise _unusable(path, "it belongs to another account")
    if status.st_mode & 0o077:
        raise _unusable(path, f"other accounts have access to it; run chmod 600 {path}")


def _key(value: Mapping[str, Any]) -> ApiKey:
    """One key of the file. Raises ValueError, TypeError or KeyError for anything unexpected."""
    if not isinstance(value["groups"], list):
        raise ValueError("the groups are no list")
    key = ApiKey(**{**value, "groups": tuple(value["groups"])})
    texts = (key.id, key.user, key.created, key.note, key.sha256, *key.groups)
    times = (key.expires, key.revoked, key.last_used)
    if not all(isinstance(text, str) for text in texts) or len(key.sha256) != 64:
        raise ValueError("a field is no text")
    if not all(moment is None or isinstance(moment, str) for moment in times):
        raise ValueError("a time is no text")
    return key
