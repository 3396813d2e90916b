"""What a document must be before the catalogue takes it. Pure: checks and says why not."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from index.errors import InvalidDocument, InvalidVectors
from index.records import NewDocument, Vectors

_COLLECTION = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_UNIT = 1e-3  # how far a vector's length may be from 1


def valid_name(collection: str) -> bool:
    """Whether a collection's name can safely name a folder on any file system."""
    return _COLLECTION.fullmatch(collection) is not None


def storable(text: str) -> str:
    """`text` with what UTF-8 cannot hold (a file name's stray bytes) written as `\\udc..`."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def checked(new: NewDocument, dimensions: int) -> NewDocument:
    """`new` with storable names, if all its parts fit together.

    Raises:
        InvalidDocument: a page, span, id or text contradicts another, or cannot be stored.
        InvalidVectors: not one finite unit vector of length `dimensions` a chunk.
    """
    reason = _contradiction(new)
    if reason:
        raise InvalidDocument(storable(new.source), reason)
    _check_vectors(new.vectors, (len(new.chunks), dimensions))
    declared = replace(new.declared, supersedes=tuple(map(storable, new.declared.supersedes)))
    return replace(
        new,
        source=storable(new.source),
        path=storable(new.path),
        parent=storable(new.parent),
        declared=declared,
    )


def _contradiction(new: NewDocument) -> str:
    """Why `new` cannot be taken; empty if it can."""
    if not _SHA256.fullmatch(new.id):
        return "its id is not a SHA-256"
    texts = {page.number: page.text for page in new.pages}
    if sorted(texts) != list(range(1, len(new.pages) + 1)):
        return "its pages are not numbered from 1 without gaps"
    if not all(map(_encodable, [new.title, *texts.values()])):
        return "its text holds characters that UTF-8 cannot"
    if len({chunk.id for chunk in new.chunks}) != len(new.chunks):
        return "two of its chunks have the same id"
    for chunk in new.chunks:
        if chunk.document_id != new.id:
            return f"chunk {chunk.id} belongs to another document"
        if chunk.start >= chunk.end or chunk.start < 0:
            return f"chunk {chunk.id} is empty"
        if texts.get(chunk.page, "")[chunk.start : chunk.end] != chunk.text:
            return f"chunk {chunk.id} is not what stands at its place"
    return ""


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _check_vectors(vectors: Vectors, shape: tuple[int, int]) -> None:
    if vectors.shape != shape:
        raise InvalidVectors(f"the shape is {vectors.shape} instead of {shape}")
    if not np.isfinite(vectors).all():
        raise InvalidVectors("a value is not a finite number")
    lengths = np.linalg.norm(vectors.astype(np.float32), axis=1)
    if (np.abs(lengths - 1.0) > _UNIT).any():
        raise InvalidVectors("a vector's length is not 1")
