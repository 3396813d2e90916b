"""The catalogue file: its pragmas, its migrations, and every way in which it cannot be used."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations

from index import migrations, schema
from index.catalogue import Catalogue
from index.errors import (
    CatalogueBusy,
    CatalogueCorrupt,
    CatalogueTooNew,
    ConfigurationError,
    HomeFull,
    HomeUnavailable,
)


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
        assert migrations.schema_version(connection) == 2
        change = connection.execute(sa.select(schema.changes)).one()
        assert (change.document_id, change.recorded) == ("d", True)
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []


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
        raw.execute("INSERT INTO pages VALUES (77, 1, '', 'text', 0, 0, NULL)")
    assert catalogue.problems() == ["a row of pages points to a missing row of documents"]
