"""The tables of the vector view in PostgreSQL, and the bytes that fill them.

A schema holds `home` (whose it is), `collections` (a number and a generation by name) and one
table `rows_<number>` a collection. Numbers, because an identifier has at most 63 characters and
a collection's name may have 64; they are never used twice.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.types import UserDefinedType

from index.ports import VectorRows
from index.records import Vector

GRAPH = {"m": 16, "ef_construction": 128}  # neighbours a vector; candidates while building
_COPY_ROWS = 200  # rows a message
_COPY_HEAD = b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0)
_COPY_END = struct.pack("!h", -1)


class VectorType(UserDefinedType[str]):
    """pgvector's type `vector(n)`: float32, given to the server as text."""

    cache_ok = True

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions

    def get_col_spec(self, **_options: Any) -> str:
        return f"vector({self.dimensions})"


class Tables:
    """The tables of one schema; `dimensions` is the length of a vector."""

    def __init__(self, schema: str, dimensions: int) -> None:
        self.schema = schema
        self.dimensions = dimensions
        self._vector = VectorType(dimensions)
        self.fixed = sa.MetaData(schema=schema)
        self.home = sa.Table("home", self.fixed, sa.Column("mark", sa.Text, primary_key=True))
        self.collections = sa.Table(
            "collections",
            self.fixed,
            sa.Column("name", sa.Text, primary_key=True),
            sa.Column("number", sa.BigInteger, sa.Identity(always=True), nullable=False),
            sa.Column("generation", sa.BigInteger, nullable=False),
        )
        self.entry = sa.select(self.collections.c.number, self.collections.c.generation).where(
            self.collections.c.name == sa.bindparam("n")
        )
        self._rows: dict[int, sa.Table] = {}

    def rows(self, number: int) -> sa.Table:
        """The table of a collection's number; the same object each time, compiled once."""
        found = self._rows.get(number)
        if found is None:
            found = self._rows[number] = sa.Table(
                f"rows_{number}",
                sa.MetaData(schema=self.schema),
                sa.Column("chunk", sa.Text(collation="C"), primary_key=True),
                sa.Column("document", sa.Text(collation="C"), nullable=False, index=True),
                sa.Column("vector", self._vector, nullable=False),
            )
        return found

    def graph(self, rows: sa.Table) -> sa.Index:
        """The graph (HNSW) over a collection's vectors, not part of its table until created."""
        return sa.Index(
            f"{rows.name}_graph",
            rows.to_metadata(sa.MetaData()).c.vector,
            postgresql_using="hnsw",
            postgresql_with=GRAPH,
            postgresql_ops={"vector": "vector_cosine_ops"},
        )

    def nearest(self, rows: sa.Table, *, exact: bool) -> sa.Select[tuple[str, float]]:
        """At most `:k` rows (chunk, score) by cosine similarity to `:q`, best first.

        The server uses the graph where rows are ordered by the distance and nothing else, so an
        exact search orders them by the similarity.
        """
        query = sa.cast(sa.bindparam("q", type_=sa.Text), self._vector)
        distance = rows.c.vector.op("<=>", return_type=sa.Float())(query)
        score: sa.Label[float] = (1 - distance).label("score")
        order = [score.desc(), rows.c.chunk] if exact else [distance]
        return sa.select(rows.c.chunk, score).order_by(*order).limit(sa.bindparam("k"))

    def named(self, rows: sa.Table) -> sa.Select[*tuple[Any, ...]]:
        """Chunk, document and vector (as `unpacked` reads it) of the chunks `:chunks`."""
        chunks = sa.bindparam("chunks", type_=sa.ARRAY(sa.Text))
        vector = sa.func.vector_send(rows.c.vector, type_=sa.LargeBinary)
        return sa.select(rows.c.chunk, rows.c.document, vector).where(
            rows.c.chunk == sa.any_(chunks)
        )

    def unpacked(self, found: Sequence[Any]) -> VectorRows:
        """Rows from what `named` gave: two int16 (length, 0) and float4s, big-endian."""
        flat = b"".join(bytes(vector)[4:] for _chunk, _document, vector in found)
        return VectorRows(
            tuple(row[0] for row in found),
            tuple(row[1] for row in found),
            np.frombuffer(flat, ">f4").astype(np.float32).reshape(len(found), self.dimensions),
        )


def written(vector: Vector) -> str:
    """A vector as pgvector reads it."""
    return "[" + ",".join(map(repr, vector.astype(np.float32).tolist())) + "]"


def copied(rows: VectorRows) -> Iterator[bytes]:
    """Rows in PostgreSQL's binary COPY format; a vector is two int16 (length, 0) and float4s."""
    vectors = rows.vectors.astype(">f4")
    head = struct.pack("!ihh", 4 * vectors.shape[1] + 4, vectors.shape[1], 0)
    yield _COPY_HEAD
    for first in range(0, len(rows.chunks), _COPY_ROWS):
        message = bytearray()
        for place in range(first, min(first + _COPY_ROWS, len(rows.chunks))):
            chunk, document = rows.chunks[place].encode(), rows.documents[place].encode()
            message += struct.pack("!hi", 3, len(chunk)) + chunk
            message += struct.pack("!i", len(document)) + document
            message += head + vectors[place].tobytes()
        yield bytes(message)
    yield _COPY_END
