"""Comparing every checkpoint, stored or given, with the tree and with the key that was in force."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from audit.checkpoint import (
    MAX_NOTE_BYTES,
    Checkpoint,
    VerifierKey,
    open_checkpoint,
    signing_key_id,
)
from audit.errors import CheckpointError
from audit.findings import Findings
from audit.verify_epochs import Epoch, in_force
from audit.verify_rows import Notable

_UNKNOWN_KEY = (
    "neither a given public key nor one that this log hands on to signed it; the log may have lost "
    "the record that put that key in force"
)


@dataclass(frozen=True, slots=True)
class Note:
    """A signed note as found: what to call it, its bytes, and the size it is stored under (None
    for one that is not from the log's table)."""

    name: str
    raw: bytes
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Tree:
    """What checkpoints are compared with: the log's name, epochs, number of records, and the roots
    of all sizes that any note names and up to which no record is missing."""

    origin: str
    epochs: tuple[Epoch, ...]
    records: int
    roots: Mapping[int, bytes]


def stored_notes(
    connection: sqlite3.Connection, latest: bytes | None, findings: Findings
) -> list[Note]:
    """The notes of the log's table, then `latest` (checkpoints/latest.note) unless it is the same
    as the last of them."""
    notes = []
    for size, length, text in connection.execute(
        "SELECT size, length(note), CASE WHEN length(note) <= ? THEN CAST(note AS BLOB) END "
        "FROM checkpoint ORDER BY size",
        (MAX_NOTE_BYTES,),
    ):
        if isinstance(text, bytes) and isinstance(size, int) and size >= 0:
            notes.append(Note(f"checkpoint {size}", text, size))
        else:
            findings.add(f"checkpoint {size} ({length} characters) is none")
    if latest is not None and latest not in [note.raw for note in notes[-1:]]:
        notes.append(Note("latest.note", latest))
    return notes


def open_stored(note: Note, tree: Tree, keys: Sequence[VerifierKey]) -> Checkpoint:
    """A note of the log's own, signed by the key in force at its size. Raises CheckpointError."""
    if not tree.epochs:
        return open_checkpoint(note.raw, keys)  # that the epochs cannot be told is a finding
    every = [epoch.key for epoch in tree.epochs]
    size = open_checkpoint(note.raw, every).size if note.size is None else note.size
    right = in_force(tree.epochs, size)
    try:
        checkpoint = open_checkpoint(note.raw, [right.key])
    except CheckpointError:
        checkpoint = open_checkpoint(note.raw, every)  # the better reason, if there is one
        signer = next(each for each in tree.epochs if _signed_by(note.raw, each.key))
        raise CheckpointError(
            f"the key of epoch {signer.number} signed it, when that of epoch "
            f"{right.number} was in force"
        ) from None
    if checkpoint.size != size:
        raise CheckpointError("it is stored as another one's")
    return checkpoint


def _signed_by(note: bytes, key: VerifierKey) -> bool:
    try:
        open_checkpoint(note, [key])
    except CheckpointError:
        return False
    return True


def check_stored(
    notes: Iterable[Note], tree: Tree, keys: Sequence[VerifierKey], findings: Findings
) -> tuple[int, ...]:
    """Compare the log's own notes with its tree; return the sizes of those that hold."""
    holding = []
    for note in notes:
        try:
            checkpoint = open_stored(note, tree, keys)
        except CheckpointError as error:
            findings.add(f"{note.name}: {error}")
            continue
        problem = _problem(checkpoint, tree)
        if problem:
            findings.add(f"{note.name} {problem}")
        else:
            holding.append(checkpoint.size)
        if note.raw.rpartition(b"\n\n")[2].count(b"\n") != 1:
            # Witnesses sign copies elsewhere.
            findings.add(f"{note.name} has a signature that the log did not write")
    return tuple(holding)


def check_published(sizes: Iterable[int], stored: Iterable[int], findings: Findings) -> None:
    """A checkpoint gets out only once it is stored: those of `sizes`, which hold, must be."""
    for size in sorted(set(sizes) - set(stored)):
        findings.add(f"the checkpoint of {size} records was published, but it is gone from the log")


def check_given(
    notes: Iterable[tuple[str, bytes]],
    tree: Tree,
    keys: Sequence[VerifierKey],
    findings: Findings,
) -> tuple[int, ...]:
    """Compare notes kept elsewhere with the tree; return the sizes of those that hold.

    Any key counts that was given or that the log's chain of epochs leads to. Raises CheckpointError
    for a note that none of them signed, or that is malformed, unless there are findings already:
    then it is one more.
    """
    every = [*(epoch.key for epoch in tree.epochs), *keys]
    holding = []
    for name, raw in notes:
        try:
            checkpoint = open_checkpoint(raw, every)
        except CheckpointError as error:
            unusable = _unusable(name, raw, error, every)
            if not findings.count:
                raise unusable from error
            findings.add(str(unusable))
            continue
        problem = _problem(checkpoint, tree) or _wrong_key(raw, checkpoint, tree)
        if problem:
            findings.add(f"{name} {problem}")
        else:
            holding.append(checkpoint.size)
    return tuple(holding)


def _unusable(
    name: str, raw: bytes, error: CheckpointError, known: Iterable[VerifierKey]
) -> CheckpointError:
    """Why a given note cannot be used; that its key is known to nobody is told apart."""
    try:
        unknown = signing_key_id(raw) not in {key.key_id.hex() for key in known}
    except CheckpointError:
        unknown = False
    return CheckpointError(f"{name} is unusable ({_UNKNOWN_KEY if unknown else error})")


def _wrong_key(raw: bytes, checkpoint: Checkpoint, tree: Tree) -> str:
    if not tree.epochs:
        return ""
    right = in_force(tree.epochs, checkpoint.size)
    if _signed_by(raw, right.key):
        return ""
    return f"is not signed by the key of epoch {right.number}, which was in force at its size"


def _problem(checkpoint: Checkpoint, tree: Tree) -> str:
    if checkpoint.origin != tree.origin:
        return f"belongs to another log ({checkpoint.origin})"
    if checkpoint.size > tree.records:
        return f"covers {checkpoint.size} records but only {tree.records} are left"
    if tree.roots.get(checkpoint.size) != checkpoint.root:
        return f"has another root than the first {checkpoint.size} records"
    return ""


def check_recorded(
    notable: Sequence[Notable], tree: Tree, stored: Iterable[int], findings: Findings
) -> None:
    """What the log's own records say of its checkpoints: of that size one must be stored, with that
    root, and by that key. `stored`: the sizes in the log's table."""
    sizes = frozenset(stored)
    for number, kind, fields in notable:
        if kind == "checkpoint.signed":
            size, root = fields.get("size"), fields.get("root")
        elif kind == "log.opened" and fields.get("checkpoint_size"):
            size, root = fields.get("checkpoint_size"), fields.get("checkpoint_root")
        else:
            continue
        if type(size) is not int or not 0 < size <= number:
            findings.add(f"record {number} names a checkpoint that there cannot have been")
        elif size not in sizes:
            findings.add(
                f"record {number} says that {size} records were sealed, but that checkpoint is gone"
            )
        elif size in tree.roots and tree.roots[size].hex() != root:
            findings.add(f"record {number} says that the first {size} records had another root")
        elif kind == "checkpoint.signed" and not _names_key(fields, tree, size):
            findings.add(f"record {number} names another key than was in force")


def _names_key(fields: Mapping[str, object], tree: Tree, size: int) -> bool:
    return not tree.epochs or fields.get("key") == in_force(tree.epochs, size).key.key_id.hex()
