"""The vector view: Chroma, embedded. The only module that imports chromadb.

Chroma's embedded client must not be opened by two processes (chroma#3792, #7040), so a store
exists only in the process that holds `chroma.lock`; `open_chroma` gives None to all others. Its
server is never started, no embedding function is stored (stored ones are rebuilt from
configuration when a collection is opened), nothing is sent anywhere, and vectors are passed in.

One Chroma collection a Cloister collection, so that access is never a metadata filter. The
generation reached stands in the Chroma collection's metadata and is written after the vectors:
a crash in between repeats work and loses none. Beside it stands how many rows were ever written:
the graph keeps what is deleted as tombstones and only grows, so their number says when building
it anew pays. A folder is never emptied in place but renamed and removed, since Chroma leaves the
files of a deleted collection behind and opens half a folder without complaint.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sqlite3
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from index.errors import HomeFull, InvalidName, ViewDamaged
from index.files import (
    FileLock,
    file_errors,
    is_full,
    private_folder,
    remove_discarded,
    remove_folder,
)
from index.ports import Scored, VectorRows
from index.records import Vector

log = logging.getLogger(__name__)

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_PREFIX = "cloister-"  # Chroma wants 3 to 512 characters; our shortest name has 1
_SUFFIX = "-c"
# Measured with questions on 500,000 recombined passages: the first 50 of 200 are the exact ones to
# .994 (.981 with an ef_search of 200), for 3.7 ms (3.3) of one core; more neighbours cost more to
# build (1,000 a second with 32 and 200 for construction, 2,200 with these).
_HNSW = {"space": "cosine", "ef_construction": 100, "ef_search": 400, "max_neighbors": 16}
_AT_ONCE = 500  # rows a call, half a second at a million; Chroma's own limit is 5,461


def open_chroma(folder: Path, lock: FileLock) -> ChromaVectors | None:
    """The store, if this process holds or gets the lock; else None.

    A folder that Chroma cannot open is thrown away: what it held comes back from the catalogue.
    """
    if not lock.acquire():
        return None
    remove_discarded(folder)
    try:
        return ChromaVectors(folder, lock)
    except ViewDamaged as damage:
        log.warning("%s Rebuilding the Chroma view from the catalogue, without embedding.", damage)
        remove_folder(folder)
        _forget_clients()
        return ChromaVectors(folder, lock)


def drop_unused(folder: Path, lock: FileLock) -> None:
    """Throw away what was kept before Chroma was switched off, unless a process still has it."""
    if folder.exists() and lock.acquire():
        remove_folder(folder)
        lock.release()


class ChromaVectors:
    """A `PersistentVectors` in the folder `folder`; `lock` must be held.

    Nothing is written, and Chroma not even loaded, until there is something to keep.

    Raises (all methods):
        ViewDamaged: Chroma cannot read or write its files; `discard` and open anew.
        HomeUnavailable, HomeFull: the folder cannot be used.
    """

    name = "chroma"

    def __init__(self, folder: Path, lock: FileLock) -> None:
        self._folder = folder
        self._lock = lock
        self._guard = threading.RLock()
        self._client: Any = None
        self._names: set[str] = set()  # of Chroma's collections
        self._collections: dict[str, Any] = {}
        if folder.exists():
            with self._mapped():
                self._begin()

    def _begin(self) -> Any:
        """Chroma's client; reads, so that damage shows now."""
        if self._client is None:
            private_folder(self._folder)
            self._client = _client(self._folder)
            self._names = {each.name for each in self._client.list_collections()}
        return self._client

    def lock(self, collection: str) -> Ours:
        """Nothing to be taken: the folder is this process's as long as it is open."""
        return Ours()

    def holds(self, collection: str) -> bool:
        with self._mapped():
            return self._open(collection) is not None

    def names(self) -> list[str]:
        with self._mapped():
            return sorted(each[len(_PREFIX) : -len(_SUFFIX)] for each in self._names)

    def generation(self, collection: str) -> int:
        with self._mapped():
            opened = self._open(collection)
            return 0 if opened is None else int((opened.metadata or {}).get("generation", 0))

    def count(self, collection: str) -> int:
        with self._mapped():
            opened = self._open(collection)
            return 0 if opened is None else int(opened.count())

    def chunks(self, collection: str) -> set[str]:
        with self._mapped():
            opened = self._open(collection)
            return set() if opened is None else set(opened.get(include=[])["ids"])

    def rows(self, collection: str, chunks: Sequence[str]) -> VectorRows:
        with self._mapped():
            opened = self._open(collection)
            if opened is None or not chunks:
                return VectorRows((), (), np.zeros((0, 0), np.float32))
            found = opened.get(ids=list(chunks), include=["embeddings", "metadatas"])
            return VectorRows(
                tuple(found["ids"]),
                tuple(str((each or {}).get("document", "")) for each in found["metadatas"]),
                np.asarray(found["embeddings"], np.float32),
            )

    def drop(self, collection: str) -> None:
        with self._mapped():
            name = _chroma_name(collection)
            if name in self._names:
                self._begin().delete_collection(name)
                self._remove_leftovers()
            self._names.discard(name)
            self._collections.pop(collection, None)

    def _remove_leftovers(self) -> None:
        """Chroma leaves the folder of a deleted collection's graph behind."""
        with closing(sqlite3.connect(self._folder / "chroma.sqlite3")) as database:
            used = {row[0] for row in database.execute("SELECT id FROM segments")}
        for path in self._folder.iterdir():
            if path.is_dir() and path.name not in used:
                remove_folder(path)

    def wasted(self, collection: str) -> int:
        """How many rows the graph carries that are deleted."""
        with self._mapped():
            opened = self._open(collection)
            if opened is None:
                return 0
            return max(0, int((opened.metadata or {}).get("written", 0)) - int(opened.count()))

    def close(self) -> None:
        with self._guard:
            self._shut()
            self._lock.release()

    def _shut(self) -> None:
        self._collections.clear()
        if self._client is not None:
            self._client.close()
            self._client = None

    def discard(self) -> None:
        """Close and throw the folder away."""
        with self._guard:
            held = self._lock.held
            self._shut()
            if held:
                remove_folder(self._folder)
            self._lock.release()

    def apply(
        self, collection: str, removed: Collection[str], rows: VectorRows, generation: int
    ) -> None:
        gone = sorted(set(removed) | set(rows.documents))
        with self._mapped():
            opened = self._created(collection)
            before = dict(opened.metadata or {})
            had = int(opened.count())
        if had:
            for first in range(0, len(gone), _AT_ONCE):
                with self._mapped():
                    opened.delete(where={"document": {"$in": gone[first : first + _AT_ONCE]}})
        for first in range(0, len(rows.chunks), _AT_ONCE):
            piece = slice(first, first + _AT_ONCE)
            with self._mapped():  # piece by piece, so that questions get their turn between
                opened.upsert(
                    ids=list(rows.chunks[piece]),
                    embeddings=rows.vectors[piece],
                    metadatas=[{"document": each} for each in rows.documents[piece]],
                )
        with self._mapped():
            # A view of an earlier version did not count: take it as built without waste.
            written = int(before.get("written", had)) + len(rows.chunks)
            opened.modify(metadata={"generation": generation, "written": written})

    def search(self, collection: str, query: Vector, limit: int) -> list[Scored]:
        with self._mapped():
            opened = self._open(collection)
            if opened is None or limit < 1:
                return []
            if not int((opened.metadata or {}).get("generation", 0)):
                return []
            found = opened.query(
                query_embeddings=query.astype(np.float32)[np.newaxis],
                n_results=limit,
                include=["distances"],
            )
        pairs = zip(found["ids"][0], found["distances"][0], strict=True)
        return [Scored(chunk, 1.0 - float(distance)) for chunk, distance in pairs]

    def _open(self, collection: str) -> Any:
        """Chroma's collection, None if there is none: reading must not create it."""
        name = _chroma_name(collection)
        if name not in self._names:
            return None
        if collection not in self._collections:
            opened = self._begin().get_collection(name, embedding_function=None)
            wanted = {"ef_search": _HNSW["ef_search"]}
            if opened.configuration["hnsw"]["ef_search"] != _HNSW["ef_search"]:
                opened.modify(configuration={"hnsw": wanted})  # before its graph is loaded
            self._collections[collection] = opened
        return self._collections[collection]

    def _created(self, collection: str) -> Any:
        name = _chroma_name(collection)
        if name not in self._names:
            self._collections[collection] = self._begin().get_or_create_collection(
                name, embedding_function=None, configuration={"hnsw": dict(_HNSW)}
            )
            self._names.add(name)
        return self._open(collection)

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        """One caller at a time, and whatever Chroma raises as damage to its view.

        Its errors have no common base, and those of its compiled part are plain exceptions.
        """
        with self._guard, file_errors(self._folder):
            try:
                yield
            except (OSError, InvalidName):
                raise
            except Exception as error:
                if is_full(error):
                    raise HomeFull(self._folder) from error
                raise ViewDamaged("chroma", str(error).splitlines()[0]) from error


class Ours:
    """The lock of what no other process can have."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


def stored_configuration(folder: Path) -> str:
    """What Chroma keeps of each collection's configuration, as JSON text, for inspection."""
    client = _client(folder)
    try:
        return json.dumps([each.configuration_json for each in client.list_collections()])
    finally:
        client.close()


def _client(folder: Path) -> Any:
    os.environ["ANONYMIZED_TELEMETRY"] = "False"  # before the import: it is read there
    import chromadb
    from chromadb.config import Settings

    return chromadb.PersistentClient(
        path=str(folder), settings=Settings(anonymized_telemetry=False, allow_reset=False)
    )


def _forget_clients() -> None:
    """A client that failed to start stays in Chroma's cache and would be handed out again.

    The cache is the process's own, and a process has one store: the one that just failed.
    """
    from chromadb.api.shared_system_client import SharedSystemClient

    SharedSystemClient.clear_system_cache()


def _chroma_name(collection: str) -> str:
    if not _NAME.fullmatch(collection):
        raise InvalidName(collection)
    # A name may end in - or _, where Chroma wants a letter or digit: hence a suffix.
    return f"{_PREFIX}{collection}{_SUFFIX}"
