"""What the catalogue holds of the candidates of a search, by the rows of their chunks.

Everything here is read in the transaction in which the rows were found: the number of a row may be
given to another chunk once its own is deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy import bindparam, select

from index.context import naming
from index.document import Chunk, Document
from index.reading import CHUNK_QUERY, chunk_of, documents_at, in_pieces
from index.schema import chunks, pages

_Row: TypeAlias = sa.Row[*tuple[Any, ...]]
_AT = CHUNK_QUERY.where(chunks.c.key.in_(bindparam("keys", expanding=True)))
_OWNERS = select(chunks.c.key, chunks.c.document_key, chunks.c.end - chunks.c.start).where(
    chunks.c.key.in_(bindparam("keys", expanding=True))
)


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk with its document and the text of its page."""

    chunk: Chunk
    document: Document
    page_text: str


def owners(connection: sa.Connection, keys: Sequence[int]) -> dict[int, tuple[int, int]]:
    """The document row of each chunk row of `keys`, and how many characters the chunk has."""
    return {
        key: (document_key, length)
        for piece in in_pieces(keys)
        for key, document_key, length in connection.execute(_OWNERS, {"keys": piece}).all()
    }


def passages_at(connection: sa.Connection, keys: Sequence[int]) -> dict[int, Passage]:
    """The chunks of these rows with their documents and pages."""
    rows: list[_Row] = [
        row for piece in in_pieces(keys) for row in connection.execute(_AT, {"keys": piece}).all()
    ]
    held = documents_at(connection, sorted({row.document_key for row in rows}))
    return {
        row.key: Passage(chunk_of(row), held[row.document_key], row.text)
        for row in rows
        if row.document_key in held
    }


def names(connection: sa.Connection, keys: Collection[int]) -> dict[int, str]:
    """What names each document of these rows; a declared date stands in front of its own."""
    held = documents_at(connection, sorted(keys))
    opened = select(pages.c.document_key, pages.c.text).where(
        pages.c.document_key.in_(sorted(keys)), pages.c.number == 1
    )
    openings = {row.document_key: row.text for row in connection.execute(opened)}
    return {
        key: " ".join(
            filter(
                None,
                (
                    document.effective_from or "",
                    naming(document.title, document.source, openings.get(key, "")),
                ),
            )
        )
        for key, document in held.items()
    }
