"""Writes a data folder of many chunks without reading files or embedding: for `scale.py`.

A chunk's text is one to three sentences of a real passage, then a sentence each of two others; its
vector is the weighted sum of the three passages' real embeddings with a little noise, so that text
and vector speak of the same and both are distributed as real ones are. Rows go straight into the
catalogue's tables, 100 chunks a document and 5 a page, half of the documents in each of two
collections; originals are the pages' text.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy import insert

from index import writing
from index.catalogue import Catalogue
from index.ports import Embedder
from index.records import Vectors
from index.schema import changes, chunks, documents, pages, sources
from index.schema import vectors as vector_table

COLLECTIONS = ("first", "second")
PAGES_EACH, CHUNKS_A_PAGE = 20, 5
CHUNKS_EACH = PAGES_EACH * CHUNKS_A_PAGE
_WEIGHTS = np.array([0.75, 0.4, 0.25], np.float32)  # of the passages in a chunk
_NOISE = 0.15  # length of the noise beside a unit vector
_DOCUMENTS_AT_ONCE = 50
_TOO_SHORT = 40  # characters; a heading alone is no passage
_AT = "2026-01-01T00:00:00+00:00"


@dataclass(frozen=True, slots=True)
class Base:
    """What is recombined: real passages with their vectors, and real questions with theirs."""

    passages: tuple[str, ...]
    vectors: Vectors
    questions: tuple[str, ...]
    asked: Vectors


def base(folder: Path, beir: Path, embedder: Embedder, passages: int, questions: int) -> Base:
    """Passages and questions of a BEIR folder, embedded once and kept in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, read, many in (("base", "corpus", passages), ("asked", "queries", questions)):
        if (folder / f"{name}.json").exists():
            continue
        lines = (beir / f"{read}.jsonl").read_text(encoding="utf-8").splitlines()
        texts = [json.loads(line)["text"] for line in lines]
        texts = [text for text in texts if len(text) > _TOO_SHORT]
        chance = np.random.default_rng(1)
        picked = sorted(chance.choice(len(texts), min(many, len(texts)), replace=False).tolist())
        chosen = [texts[place].strip() for place in picked]
        np.save(folder / f"{name}.npy", embedder.embed_passages(chosen).astype(np.float16))
        (folder / f"{name}.json").write_text(json.dumps(chosen), encoding="utf-8")
    return Base(
        tuple(json.loads((folder / "base.json").read_text(encoding="utf-8"))),
        np.load(folder / "base.npy").astype(np.float32),
        tuple(json.loads((folder / "asked.json").read_text(encoding="utf-8"))),
        np.load(folder / "asked.npy").astype(np.float32),
    )


def write(
    home: Path, fingerprint: str, known: Base, count: int, names: Sequence[str] = COLLECTIONS
) -> None:
    """Fill the empty data folder `home` with `count` chunks, in turn in each collection."""
    home.mkdir(parents=True, exist_ok=True)
    catalogue = Catalogue(f"sqlite:///{home / 'catalogue.db'}")
    with catalogue.write() as connection:
        writing.pin(connection, fingerprint, known.vectors.shape[1])
        for name in names:
            writing.ensure_collection(connection, name, frozenset({"local"}))
    sentences = [re.split(r"(?<=[.;:])\s+", passage) for passage in known.passages]
    chance = np.random.default_rng(count)
    total = count // CHUNKS_EACH
    for first in range(0, total, _DOCUMENTS_AT_ONCE):
        numbers = range(first, min(total, first + _DOCUMENTS_AT_ONCE))
        with catalogue.write() as connection:
            for number in numbers:
                drawn = chance.integers(len(sentences), size=(CHUNKS_EACH, 3))
                vectors = _mixed(known.vectors, drawn, chance)
                texts = [_text(sentences, row) for row in drawn.tolist()]
                _insert(connection, home, names[number % len(names)], number, texts, vectors)
    catalogue.empty_log()
    catalogue.close()


def _mixed(known: Vectors, drawn: np.ndarray, chance: np.random.Generator) -> Vectors:
    mixed = np.einsum("i,nid->nd", _WEIGHTS, known[drawn])
    noise = chance.standard_normal(mixed.shape).astype(np.float32)
    mixed += _NOISE * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    unit: Vectors = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    return unit


def _text(sentences: Sequence[Sequence[str]], row: Sequence[int]) -> str:
    main, *others = row
    taken = [*sentences[main][:3], *(sentences[each][-1] for each in others)]
    return " ".join(taken)[:800]


def _insert(
    connection: sa.Connection,
    home: Path,
    collection: str,
    number: int,
    texts: Sequence[str],
    vectors: Vectors,
) -> None:
    """One document with its source, its line of the change log, its pages, chunks and vectors."""
    pieces = [texts[first : first + CHUNKS_A_PAGE] for first in range(0, len(texts), CHUNKS_A_PAGE)]
    page_texts = ["\n".join(piece) for piece in pieces]
    original = "\f".join(page_texts).encode()
    document_id = hashlib.sha256(original).hexdigest()
    blob = home / "blobs" / document_id[:2] / document_id
    blob.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(original)
    key = connection.execute(
        insert(documents).returning(documents.c.key),
        _document(document_id, collection, f"{number:06d}.txt"),
    ).scalar_one()
    connection.execute(insert(sources), _source(key, document_id, collection, number, original))
    connection.execute(
        insert(changes),
        {
            "collection": collection,
            "operation": "add",
            "document_id": document_id,
            "source": f"{number:06d}.txt",
            "version": 1,
            "at": _AT,
            "recorded": True,
        },
    )
    connection.execute(insert(pages), [_page(key, at, text) for at, text in enumerate(page_texts)])
    connection.execute(insert(chunks), list(_chunks(key, document_id, pieces)))
    held = connection.execute(
        sa.select(chunks.c.key).where(chunks.c.document_key == key).order_by(chunks.c.ordinal)
    ).scalars()
    connection.execute(
        insert(vector_table),
        [
            {"chunk_key": chunk_key, "vector": half.tobytes()}
            for chunk_key, half in zip(held, vectors.astype("<f2"), strict=True)
        ],
    )


def _document(document_id: str, collection: str, source: str) -> dict[str, Any]:
    return {
        "id": document_id,
        "collection": collection,
        "source": source,
        "version": 1,
        "status": "current",
        "title": f"Recombined rules {source.partition('.')[0]}",
        "media_type": "text/plain",
        "pages": PAGES_EACH,
        "chunks": CHUNKS_EACH,
        "added_at": _AT,
        "metadata": {},
        "splitter": "scale-1",
    }


def _source(
    key: int, document_id: str, collection: str, number: int, original: bytes
) -> dict[str, Any]:
    return {
        "collection": collection,
        "source": f"{number:06d}.txt",
        "document_key": key,
        "path": f"/scale/{number:06d}.txt",
        "size": len(original),
        "mtime_ns": 1,
        "status": "indexed",
        "attempts": 0,
        "error": "",
        "versions": 1,
        "digest": document_id,
    }


def _page(key: int, at: int, text: str) -> dict[str, Any]:
    return {
        "document_key": key,
        "number": at + 1,
        "label": "",
        "text": text,
        "width": 0.0,
        "height": 0.0,
        "method": "text",
    }


def _chunks(
    key: int, document_id: str, pieces: Sequence[Sequence[str]]
) -> Iterator[dict[str, Any]]:
    ordinal = 0
    for page, piece in enumerate(pieces, 1):
        start = 0
        for text in piece:
            named = f"{document_id}:{page}:{start}"
            yield {
                "id": hashlib.sha256(named.encode()).hexdigest()[:32],
                "document_key": key,
                "ordinal": ordinal,
                "page": page,
                "start": start,
                "end": start + len(text),
                "heading_path": [],
            }
            start += len(text) + 1
            ordinal += 1
