"""The catalogue file: its pragmas, its migrations, and every way in which it cannot be used."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations

from index import migrations, schema
from index.catalogue import Catalogue
from index.document import Method, Scope, Status
from index.errors import (
    CatalogueBusy,
    CatalogueCorrupt,
    CatalogueTooNew,
    ConfigurationError,
    HomeFull,
    HomeUnavailable,
)
from index.records import Declared, SourceStatus
from tests.index.standins import new_document, small_index

OLD = "5" * 64


def opened(home: Path, busy_timeout_ms: int = 50) -> Catalogue:
    return Catalogue(f"sqlite:///{home / 'catalogue.db'}", busy_timeout_ms)


def insert_collection(catalogue: Catalogue, name: str) -> None:
    with catalogue.write() as connection:
        connection.execute(sa.insert(schema.collections), {"name": name})


def names(catalogue: Catalogue) -> list[str]:
    with catalogue.read() as connection:
        return list(connection.execute(sa.select(schema.collections.c.name)).scalars())


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("journal_mode", "wal"),
        ("synchronous", 2),
        ("foreign_keys", 1),
        ("busy_timeout", 50),
        ("secure_delete", 1),
    ],
)
def test_how_sqlite_is_set(home: Path, pragma: str, value: object) -> None:
    with opened(home).read() as connection:
        assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar() == value


def test_only_the_owner_may_read_it(home: Path) -> None:
    catalogue = opened(home)
    insert_collection(catalogue, "a")
    for path in home.glob("catalogue.db*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_migrations_lead_to_the_schema(home: Path) -> None:
    with opened(home).read() as connection:
        assert migrations.schema_version(connection) == migrations.SCHEMA_VERSION
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []


def version_one(home: Path) -> Path:
    """A catalogue of format 1 with a collection and one change in it."""
    path = home / "catalogue.db"
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        migrations.migrate(connection, upto=1)
        connection.exec_driver_sql("INSERT INTO collections VALUES ('old')")
        connection.exec_driver_sql(
            "INSERT INTO changes (collection, operation, document_id, source, version, at)"
            " VALUES ('old', 'add', 'd', 's', 1, '2026-01-01T00:00:00+00:00')"
        )
    engine.dispose()
    return path


def test_a_catalogue_of_format_1_is_migrated_with_what_it_holds(home: Path) -> None:
    version_one(home)
    catalogue = opened(home)
    assert names(catalogue) == ["old"]
    with catalogue.read() as connection:
        assert migrations.schema_version(connection) == migrations.SCHEMA_VERSION
        change = connection.execute(sa.select(schema.changes)).one()
        assert (change.document_id, change.recorded) == ("d", True)
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []


def version_two(home: Path) -> None:
    """A catalogue of format 2 as a run has left it: a document with its parts, and a failure."""
    engine = sa.create_engine(f"sqlite:///{home / 'catalogue.db'}")
    with engine.begin() as connection:
        migrations.migrate(connection, upto=2)
        at = "2026-01-01T00:00:00+00:00"
        document = (7, OLD, "default", "a.txt", 1, "current", "Manual", "text/plain", 1, 1, at)
        held = ("default", "a.txt", 7, "/f/a.txt", 9, 8, "indexed", 0, "", 1)
        failed = ("default", "b.txt", None, "/f/b.txt", 9, 8, "failed", 2, "why", 0)
        for table, row in (
            ("collections", ("default",)),
            ("grants", ("default", "local")),
            ("documents", (*document, None, None, "{}", "cut-1")),
            ("pages", (7, 1, "i", "records kept", 0, 0, None)),
            ("chunks", (3, OLD[:32], 7, 0, 1, 0, 12, '["Part"]')),
            ("sources", held),
            ("sources", failed),
            ("changes", (1, "default", "add", OLD, "a.txt", 1, at, 1)),
        ):
            places = ", ".join("?" * len(row))
            connection.exec_driver_sql(f"INSERT INTO {table} VALUES ({places})", row)  # noqa: S608
        half = np.full(16, 0.25, "<f2").tobytes()
        connection.exec_driver_sql("INSERT INTO vectors VALUES (3, ?)", (half,))
    engine.dispose()


def test_a_catalogue_of_format_2_is_used_on_as_if_it_had_always_been_so(home: Path) -> None:
    version_two(home)
    scope = Scope(frozenset({"default"}))
    with small_index(home) as index:
        (document,) = index.documents(scope)
        assert (document.id, document.title, document.status) == (OLD, "Manual", Status.CURRENT)
        assert (document.parent, document.supersedes, document.completeness) == ("", (), None)
        (page,) = index.pages(OLD, scope)
        assert (page.text, page.label, page.method, page.confidence) == (
            "records kept",
            "i",
            Method.TEXT,
            None,
        )
        first, second = index.sources("default")
        assert (first.digest, first.at, first.splitter) == (OLD, document.added_at, "cut-1")
        assert (second.digest, second.attempts, second.at) == ("", 2, "")
        assert index.search("records kept", scope, 1).hits[0].document == document
        assert index.generation == 1
        (counted,) = index.status().collections
        assert (counted.documents, counted.incomplete, counted.quarantined) == (1, 0, 0)
        assert [each.where for each in index.verify()] == ["blobs"]  # no original was put here
        failed = index.record_failure("default", "b.txt", "/f/b.txt", 9, 8, "why", digest=OLD)
        assert (failed.status, failed.attempts) == (SourceStatus.QUARANTINED, 3)
        index.describe("default", "a.txt", Declared(status=Status.WITHDRAWN, digest="x"))
        assert index.search("records kept", scope, 1).hits == ()
        index.put(new_document("records, second edition", "a.txt"))
        assert index.document(OLD, scope).status is Status.SUPERSEDED
        index.remove("default", "a.txt")
        assert index.all_documents(scope) == []
    with opened(home).read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []


def test_a_catalogue_of_format_3_knows_what_stood_when(home: Path) -> None:
    """Versions, a withdrawal and a claim of before, whether the log still tells of them or not."""
    engine = sa.create_engine(f"sqlite:///{home / 'catalogue.db'}")
    with engine.begin() as connection:
        migrations.migrate(connection, upto=3)
        connection.exec_driver_sql("INSERT INTO collections VALUES ('default')")
        for key, source, version, status, declared, at in (
            (1, "a.txt", 1, "superseded", "current", "2025-01-10"),
            (2, "a.txt", 2, "superseded", "current", "2025-02-10"),
            (3, "a.txt", 3, "current", "current", "2025-03-10"),
            (4, "b.txt", 1, "withdrawn", "withdrawn", "2025-01-10"),
            (5, "c.txt", 1, "withdrawn", "withdrawn", "2025-01-10"),
            (6, "d.txt", 1, "draft", "draft", "2025-01-10"),
        ):
            connection.exec_driver_sql(
                "INSERT INTO documents (key, id, collection, source, version, status, title,"
                " media_type, pages, chunks, added_at, metadata, splitter, declared_status)"
                " VALUES (?, ?, 'default', ?, ?, ?, '', 't', 0, 0, ?, '{}', '', ?)",
                (key, f"{key:064}", source, version, status, f"{at}T12:00:00+00:00", declared),
            )
        for operation, key, at in (
            ("add", 1, "2025-01-10"),
            ("supersede", 2, "2025-03-09"),
            ("withdraw", 4, "2025-04-01"),
        ):
            connection.exec_driver_sql(
                "INSERT INTO changes (collection, operation, document_id, source, version, at)"
                " VALUES ('default', ?, ?, '', 1, ?)",
                (operation, f"{key:064}", f"{at}T12:00:00+00:00"),
            )
    engine.dispose()
    with opened(home).read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
        found = {
            row.document_key: (row.version, row.began_at[:10], row.ended_at and row.ended_at[:10])
            for row in connection.execute(sa.select(schema.stays))
        }
    assert found == {
        1: (1, "2025-01-10", "2025-02-10"),  # its line is gone: from the next version
        2: (2, "2025-02-10", "2025-03-09"),
        3: (3, "2025-03-10", None),
        4: (1, "2025-01-10", "2025-04-01"),
    }


def test_an_interrupted_migration_leaves_the_old_format(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version_one(home)

    def breaks(op: Operations) -> None:
        op.add_column("changes", sa.Column("half", sa.Integer))
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(migrations, "STEPS", (migrations.STEPS[0], breaks))
        with pytest.raises(KeyboardInterrupt):
            opened(home)
    with sqlite3.connect(home / "catalogue.db") as raw:
        columns = [row[1] for row in raw.execute("PRAGMA table_info(changes)")]
        assert "half" not in columns
        assert "recorded" not in columns
    assert names(opened(home)) == ["old"]


def test_a_later_format_is_refused(home: Path) -> None:
    catalogue = opened(home)
    with catalogue.write() as connection:
        connection.execute(
            sa.update(schema.meta).where(schema.meta.c.key == "schema").values(value="99")
        )
    with pytest.raises(CatalogueTooNew, match="99") as caught:
        opened(home)
    assert caught.value.exit_code == 6


def test_a_transaction_that_fails_changes_nothing(home: Path) -> None:
    catalogue = opened(home)
    with pytest.raises(ZeroDivisionError), catalogue.write() as connection:
        connection.execute(sa.insert(schema.collections), {"name": "a"})
        raise ZeroDivisionError
    assert names(catalogue) == []


def test_a_reader_sees_one_state_while_a_writer_commits(home: Path) -> None:
    catalogue = opened(home)
    query = sa.select(sa.func.count()).select_from(schema.collections)
    with catalogue.read() as connection:
        assert connection.execute(query).scalar() == 0
        insert_collection(opened(home), "a")
        assert connection.execute(query).scalar() == 0
    assert names(catalogue) == ["a"]


def test_a_locked_catalogue_is_one_sentence(home: Path) -> None:
    catalogue, other = opened(home), opened(home)
    with other.write(), pytest.raises(CatalogueBusy) as caught, catalogue.write():
        pass
    assert caught.value.exit_code == 6
    assert str(caught.value).count(". ") == 0


@pytest.mark.parametrize(
    "content", [b"not a database at all, " * 400, b"SQLite format 3\0" + b"\xff" * 4096]
)
def test_a_damaged_catalogue_is_left_as_it_is(home: Path, content: bytes) -> None:
    (home / "catalogue.db").write_bytes(content)
    with pytest.raises(CatalogueCorrupt):
        opened(home)
    assert (home / "catalogue.db").read_bytes() == content


def test_a_full_disk_is_one_sentence_and_loses_nothing(home: Path) -> None:
    catalogue = opened(home)
    insert_collection(catalogue, "before")
    with pytest.raises(HomeFull) as caught, catalogue.write() as connection:
        # SQLite reports a full disk when a file reaches this many pages, too.
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        connection.execute(
            sa.insert(schema.collections), [{"name": "x" * 500 + str(n)} for n in range(200)]
        )
    assert caught.value.exit_code == 6
    assert names(catalogue) == ["before"]


def test_a_home_that_is_not_there_or_a_file_is_one_sentence(home: Path) -> None:
    with pytest.raises(HomeUnavailable, match="nowhere"):
        opened(home / "nowhere")
    (home / "file").write_text("")
    with pytest.raises(HomeUnavailable):
        opened(home / "file")


@pytest.mark.parametrize(
    "url", ["postgresql://host/db", "sqlite://", "no url", "sqlite:///:memory:"]
)
def test_a_url_that_is_no_file_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="catalogue_url"):
        Catalogue(url)


def test_sqlites_own_checks_are_passed_on(home: Path) -> None:
    catalogue = opened(home)
    assert catalogue.problems() == []
    with sqlite3.connect(home / "catalogue.db") as raw:
        raw.execute("INSERT INTO pages VALUES (77, 1, '', 'text', 0, 0, NULL, 'text', NULL)")
    assert catalogue.problems() == ["a row of pages points to a missing row of documents"]


def test_a_long_log_is_cut_off_and_a_reader_is_not_waited_for(home: Path) -> None:
    catalogue = opened(home)
    for number in range(3):
        with catalogue.write() as connection:
            rows = [{"name": f"{number}-{n}-" + "x" * 900} for n in range(500)]
            connection.execute(sa.insert(schema.collections), rows)
    assert catalogue.log_path.stat().st_size > 1_000_000
    with catalogue.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM collections").scalar() == 1_500
        insert_collection(opened(home), "later")
        assert not catalogue.empty_log()
    assert catalogue.empty_log()
    assert catalogue.log_path.stat().st_size == 0
    assert catalogue.empty_log()
    assert len(names(catalogue)) == 1_501


def test_writing_anew_while_another_writes_is_one_sentence(home: Path) -> None:
    catalogue, other = opened(home), opened(home)
    with other.write(), pytest.raises(CatalogueBusy):
        catalogue.vacuum()
    assert catalogue.vacuum()
