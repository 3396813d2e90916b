"""The catalogue's tables as they are now. `index.migrations` leads an older file to them.

Text offsets are Python characters of the page's text. A chunk's text is not stored: it is
`page.text[start:end]`, so that a citation cannot drift from the page it cites.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
)

metadata = MetaData()

# One line a fact: schema, embedder (fingerprint), dimensions, and for each collection
# floor:<name>, the last line that was taken out of its change log (see index.upkeep).
meta = Table(
    "meta",
    metadata,
    Column("key", String, primary_key=True),
    Column("value", String, nullable=False),
)

collections = Table("collections", metadata, Column("name", String, primary_key=True))

grants = Table(
    "grants",
    metadata,
    Column(
        "collection",
        String,
        ForeignKey("collections.name", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("group", String, primary_key=True),
)

documents = Table(
    "documents",
    metadata,
    Column("key", Integer, primary_key=True),  # never given twice: see sqlite_autoincrement
    Column("id", String, nullable=False),  # hex SHA-256 of the bytes
    Column("collection", String, ForeignKey("collections.name"), nullable=False),
    Column("source", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("status", String, nullable=False),
    Column("title", Text, nullable=False),
    Column("media_type", String, nullable=False),
    Column("pages", Integer, nullable=False),
    Column("chunks", Integer, nullable=False),
    Column("added_at", String, nullable=False),
    Column("effective_from", String),
    Column("effective_to", String),
    Column("metadata", JSON, nullable=False),
    Column("splitter", String, nullable=False),
    Column("parent", String, nullable=False, server_default=""),  # a source, "" for none
    Column("declared_status", String, nullable=False, server_default="current"),
    Column("declared", String, nullable=False, server_default=""),  # digest of the declaration
    Column("supersedes", JSON(none_as_null=True)),  # sources, null for none
    Column("completeness", JSON(none_as_null=True)),  # index.completeness; null: not stated
    Column("complete", Boolean),  # what that amounts to, for counting
    UniqueConstraint("collection", "id", name="documents_content"),
    Index("documents_source", "collection", "source"),
    Index("documents_content_id", "id"),
    Index("documents_parent", "collection", "parent"),
    Index(
        "documents_apart",
        "collection",
        "status",
        "added_at",
        sqlite_where=Column("status", String) != literal_column("'current'"),
    ),
    Index(
        "documents_beginning",
        "collection",
        "effective_from",
        sqlite_where=Column("effective_from", String).is_not(None),
    ),
    Index(
        "documents_ending",
        "collection",
        "effective_to",
        sqlite_where=Column("effective_to", String).is_not(None),
    ),
    Index(
        "documents_superseding",
        "collection",
        sqlite_where=Column("supersedes", JSON(none_as_null=True)).is_not(None),
    ),
    sqlite_autoincrement=True,
)

# Which file holds which document: the ingestion journal.
sources = Table(
    "sources",
    metadata,
    Column("collection", String, ForeignKey("collections.name"), primary_key=True),
    Column("source", String, primary_key=True),
    Column("document_key", Integer, ForeignKey("documents.key")),
    Column("path", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("status", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("versions", Integer, nullable=False),  # contents seen here so far
    Column("digest", String, nullable=False, server_default=""),
    Column("failure", String, nullable=False, server_default=""),
    Column("container", String, nullable=False, server_default=""),
    Column("declared", String, nullable=False, server_default=""),
    Column("splitter", String, nullable=False, server_default=""),  # of a container's parts
    Column("at", String, nullable=False, server_default=""),
    Index("sources_document", "document_key"),
    Index("sources_container", "collection", "container"),
    Index("sources_path", "path"),
)

pages = Table(
    "pages",
    metadata,
    Column(
        "document_key",
        Integer,
        ForeignKey("documents.key", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("number", Integer, primary_key=True),
    Column("label", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("width", Float, nullable=False),
    Column("height", Float, nullable=False),
    Column("boxes", LargeBinary),  # index.boxes; null: none
    Column("method", String, nullable=False, server_default="text"),
    Column("confidence", Float),
)

chunks = Table(
    "chunks",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("id", String, nullable=False),
    Column(
        "document_key",
        Integer,
        ForeignKey("documents.key", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("ordinal", Integer, nullable=False),
    Column("page", Integer, nullable=False),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("heading_path", JSON, nullable=False),
    UniqueConstraint("document_key", "ordinal", name="chunks_order"),
    Index("chunks_id", "id"),
)

vectors = Table(
    "vectors",
    metadata,
    Column(
        "chunk_key",
        Integer,
        ForeignKey("chunks.key", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("vector", LargeBinary, nullable=False),  # little-endian float16, `dimensions` of them
)

# When each document stood as current: what `index.tenure` goes by where nothing is declared.
stays = Table(
    "stays",
    metadata,
    Column("key", Integer, primary_key=True),  # in the order in which they began
    Column(
        "document_key",
        Integer,
        ForeignKey("documents.key", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("version", Integer, nullable=False),  # of the content at its source then
    Column("began_at", String, nullable=False),  # ISO 8601, UTC
    Column("ended_at", String),  # null: it still stands so
    Index("stays_document", "document_key"),
    Index("stays_began", "began_at"),
    Index("stays_ended", "ended_at"),
    sqlite_autoincrement=True,
)

changes = Table(
    "changes",
    metadata,
    Column("generation", Integer, primary_key=True),
    Column("collection", String, nullable=False),
    Column("operation", String, nullable=False),
    Column("document_id", String, nullable=False),
    Column("source", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("at", String, nullable=False),
    Column("recorded", Boolean, nullable=False, server_default="0"),
    Index("changes_collection", "collection", "generation"),
    Index("changes_unrecorded", "generation", sqlite_where=Column("recorded") == 0),
    sqlite_autoincrement=True,
)
