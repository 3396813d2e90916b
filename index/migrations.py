"""Leads a catalogue of any earlier format to the present one, a step at a time.

Each step is written with Alembic's operations and never changed once released: it says what the
tables were then, not what `index.schema` says now. Steps run in one transaction with the format
number, so an interrupted migration leaves the old format whole. There is no way back: restore the
backup instead.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from index.errors import CatalogueTooNew


def _first(op: Operations) -> None:
    """Format 1: documents, their parts, their sources and the change log."""
    op.create_table(
        "meta",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("value", sa.String, nullable=False),
    )
    op.create_table("collections", sa.Column("name", sa.String, primary_key=True))
    op.create_table(
        "grants",
        sa.Column(
            "collection",
            sa.String,
            sa.ForeignKey("collections.name", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("group", sa.String, primary_key=True),
    )
    op.create_table(
        "documents",
        sa.Column("key", sa.Integer, primary_key=True),
        sa.Column("id", sa.String, nullable=False),
        sa.Column("collection", sa.String, sa.ForeignKey("collections.name"), nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("media_type", sa.String, nullable=False),
        sa.Column("pages", sa.Integer, nullable=False),
        sa.Column("chunks", sa.Integer, nullable=False),
        sa.Column("added_at", sa.String, nullable=False),
        sa.Column("effective_from", sa.String),
        sa.Column("effective_to", sa.String),
        sa.Column("metadata", sa.JSON, nullable=False),
        sa.Column("splitter", sa.String, nullable=False),
        sa.UniqueConstraint("collection", "id", name="documents_content"),
        sqlite_autoincrement=True,
    )
    op.create_index("documents_source", "documents", ["collection", "source"])
    _first_parts(op)
    _first_journal(op)


def _first_journal(op: Operations) -> None:
    op.create_table(
        "sources",
        sa.Column("collection", sa.String, sa.ForeignKey("collections.name"), primary_key=True),
        sa.Column("source", sa.String, primary_key=True),
        sa.Column("document_key", sa.Integer, sa.ForeignKey("documents.key")),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("mtime_ns", sa.BigInteger, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("versions", sa.Integer, nullable=False),
    )
    op.create_index("sources_document", "sources", ["document_key"])
    op.create_table(
        "changes",
        sa.Column("generation", sa.Integer, primary_key=True),
        sa.Column("collection", sa.String, nullable=False),
        sa.Column("operation", sa.String, nullable=False),
        sa.Column("document_id", sa.String, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("at", sa.String, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("changes_collection", "changes", ["collection", "generation"])


def _first_parts(op: Operations) -> None:
    owner = sa.ForeignKey("documents.key", ondelete="CASCADE")
    op.create_table(
        "pages",
        sa.Column("document_key", sa.Integer, owner, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("width", sa.Float, nullable=False),
        sa.Column("height", sa.Float, nullable=False),
        sa.Column("boxes", sa.LargeBinary),
    )
    owner = sa.ForeignKey("documents.key", ondelete="CASCADE")
    op.create_table(
        "chunks",
        sa.Column("key", sa.Integer, primary_key=True),
        sa.Column("id", sa.String, nullable=False),
        sa.Column("document_key", sa.Integer, owner, nullable=False),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("page", sa.Integer, nullable=False),
        sa.Column("start", sa.Integer, nullable=False),
        sa.Column("end", sa.Integer, nullable=False),
        sa.Column("heading_path", sa.JSON, nullable=False),
        sa.UniqueConstraint("document_key", "ordinal", name="chunks_order"),
    )
    op.create_index("chunks_id", "chunks", ["id"])
    owner = sa.ForeignKey("chunks.key", ondelete="CASCADE")
    op.create_table(
        "vectors",
        sa.Column("chunk_key", sa.Integer, owner, primary_key=True),
        sa.Column("vector", sa.LargeBinary, nullable=False),
    )


def _recorded(op: Operations) -> None:
    """Format 2: whether the use case has recorded a change in the audit log.

    Changes made before nobody kept that book count as recorded: claiming now that they were not
    would make the ingestor write audit records with a false time.
    """
    op.add_column("changes", sa.Column("recorded", sa.Boolean, nullable=False, server_default="0"))
    op.execute("UPDATE changes SET recorded = 1")
    op.create_index(
        "changes_unrecorded", "changes", ["generation"], sqlite_where=sa.text("recorded = 0")
    )


def _declared(op: Operations) -> None:
    """Format 3: what a file declares, how much of it was read, and what it is a part of.

    What was taken in before has no statement of completeness; its pages count as text. A source
    that holds a document was last read with that document's bytes.
    """
    for column in (
        sa.Column("parent", sa.String, nullable=False, server_default=""),
        sa.Column("declared_status", sa.String, nullable=False, server_default="current"),
        sa.Column("declared", sa.String, nullable=False, server_default=""),
        sa.Column("supersedes", sa.JSON),
        sa.Column("completeness", sa.JSON),
        sa.Column("complete", sa.Boolean),
    ):
        op.add_column("documents", column)
    op.create_index("documents_content_id", "documents", ["id"])
    op.create_index("documents_parent", "documents", ["collection", "parent"])
    op.create_index(
        "documents_superseding",
        "documents",
        ["collection"],
        sqlite_where=sa.text("supersedes IS NOT NULL"),
    )
    for name in ("digest", "failure", "container", "declared", "splitter", "at"):
        op.add_column("sources", sa.Column(name, sa.String, nullable=False, server_default=""))
    op.execute(
        "UPDATE sources SET digest = (SELECT id FROM documents WHERE key = document_key),"
        " at = (SELECT added_at FROM documents WHERE key = document_key)"
        " WHERE document_key IS NOT NULL AND status = 'indexed'"
    )
    op.create_index("sources_container", "sources", ["collection", "container"])
    op.create_index("sources_path", "sources", ["path"])
    op.add_column("pages", sa.Column("method", sa.String, nullable=False, server_default="text"))
    op.add_column("pages", sa.Column("confidence", sa.Float))


def _stays(op: Operations) -> None:
    """Format 4: since when, and until when, each document stood as current.

    What was not noted before is taken from the change log; where that was shortened, from the day
    on which the next content of the source was added.
    """
    owner = sa.ForeignKey("documents.key", ondelete="CASCADE")
    op.create_table(
        "stays",
        sa.Column("key", sa.Integer, primary_key=True),
        sa.Column("document_key", sa.Integer, owner, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("began_at", sa.String, nullable=False),
        sa.Column("ended_at", sa.String),
        sqlite_autoincrement=True,
    )
    op.create_index("stays_document", "stays", ["document_key"])
    op.create_index("stays_began", "stays", ["began_at"])
    op.create_index("stays_ended", "stays", ["ended_at"])
    op.create_index(
        "documents_apart",
        "documents",
        ["collection", "status", "added_at"],
        sqlite_where=sa.text("status != 'current'"),
    )
    for name, column in (
        ("documents_beginning", "effective_from"),
        ("documents_ending", "effective_to"),
    ):
        declared = sa.text(f"{column} IS NOT NULL")
        op.create_index(name, "documents", ["collection", column], sqlite_where=declared)
    op.execute(
        "CREATE TEMPORARY TABLE taken AS SELECT collection, document_id, max(at) AS at"
        " FROM changes WHERE operation IN ('supersede', 'withdraw')"
        " GROUP BY collection, document_id"
    )
    op.execute(
        "INSERT INTO stays (document_key, version, began_at, ended_at)"
        " SELECT d.key, d.version, d.added_at, CASE d.status WHEN 'current' THEN NULL ELSE"
        " coalesce(t.at, (SELECT min(n.added_at) FROM documents n WHERE n.collection = d.collection"
        " AND n.source = d.source AND n.version > d.version), d.added_at) END"
        " FROM documents d LEFT JOIN taken t"
        " ON t.collection = d.collection AND t.document_id = d.id"
        " WHERE d.declared_status = 'current' OR t.at IS NOT NULL"
        " ORDER BY d.added_at, d.version, d.key"
    )
    op.execute("DROP TABLE taken")


STEPS: tuple[Callable[[Operations], None], ...] = (_first, _recorded, _declared, _stays)
SCHEMA_VERSION = len(STEPS)


def schema_version(connection: sa.Connection) -> int:
    """The format number of the catalogue behind `connection`; 0 for an empty file."""
    if not sa.inspect(connection).has_table("meta"):
        return 0
    found = connection.execute(sa.text("SELECT value FROM meta WHERE key = 'schema'")).scalar()
    return int(found) if found is not None else 0


def migrate(connection: sa.Connection, upto: int = SCHEMA_VERSION) -> None:
    """Run the steps that are missing, within the caller's transaction.

    Raises:
        CatalogueTooNew: the file's format is later than `SCHEMA_VERSION`.
    """
    found = schema_version(connection)
    if found > SCHEMA_VERSION:
        raise CatalogueTooNew(found, SCHEMA_VERSION)
    op = Operations(MigrationContext.configure(connection))
    for step in STEPS[found:upto]:
        step(op)
    if found < upto:
        connection.execute(sa.text("DELETE FROM meta WHERE key = 'schema'"))
        connection.execute(
            sa.text("INSERT INTO meta (key, value) VALUES ('schema', :version)"),
            {"version": str(upto)},
        )
