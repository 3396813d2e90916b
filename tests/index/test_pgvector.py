"""The suite of all vector stores for the one in PostgreSQL, on a real server; what only it does."""

from __future__ import annotations

import itertools
import logging
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

import index.pgvector
from index.errors import ConfigurationError, InvalidName, ViewDamaged, ViewUnavailable
from index.pgvector import PgVectors, home_mark
from index.postgres import read_url
from tests.index.pgserver import INSTALL, PgServer, missing
from tests.index.vector_conformance import (
    REAL,
    SMALL,
    Bench,
    PersistentConformance,
    clustered,
    ids,
    none,
    part,
    recall,
    rows,
)

needs_server = pytest.mark.skipif(
    bool(missing()), reason=f"not installed: {missing()}; run `{INSTALL}`"
)
_numbers = itertools.count(1)

Open = Callable[..., PgVectors]


@pytest.fixture(scope="module")
def server() -> Iterator[PgServer]:
    running = PgServer()
    running.run("CREATE EXTENSION vector")
    yield running
    running.stop()


@pytest.fixture
def schema() -> str:
    return f"test_{next(_numbers)}"


@pytest.fixture
def opened(server: PgServer, schema: str) -> Iterator[Open]:
    """Opens the test's schema, as often as asked: each time as another process would."""
    all_of_them: list[PgVectors] = []

    def open_(dimensions: int = SMALL, *, home: str = "home", user: str = "cloister") -> PgVectors:
        store = PgVectors(server.server(user, "right-one"), schema, dimensions, home)
        all_of_them.append(store)
        return store

    yield open_
    for each in all_of_them:
        each.close()


@needs_server
class TestPgVectors(PersistentConformance):
    @pytest.fixture
    def bench(self, server: PgServer, schema: str, opened: Open) -> Bench:
        return Bench(opened, durable=True, exact=False, child=("pgvector", server.url(), schema))


@needs_server
def test_a_graph_is_built_when_a_larger_view_is_whole(
    opened: Open, server: PgServer, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index.pgvector, "EXACT_UP_TO", 200)
    held, asked = clustered(500, 20)
    store = opened(REAL)

    def graphs() -> int:
        with store._readers.connect() as connection:
            return int(
                connection.scalar(
                    sa.text(
                        "SELECT count(*) FROM pg_indexes "
                        "WHERE schemaname = :s AND indexdef LIKE '%USING hnsw%'"
                    ),
                    {"s": schema},
                )
            )

    store.apply("small", [], part(held, 0, 150), 1)
    store.apply("a", [], held, 0)
    assert graphs() == 0
    store.apply("a", [], none(REAL), 1)
    assert graphs() == 1
    assert recall(store, held, asked, 10) >= 0.95
    # The graph proposes candidates that are deleted: there are as many hits as asked for even so.
    store.apply("a", sorted(set(held.documents[:400])), none(REAL), 2)
    assert len(store.search("a", asked[0], 100)) == 100
    store.apply("a", [], part(held, 0, 400), 3)
    assert len(store.search("a", asked[0], 450)) == 450
    assert graphs() == 1


@needs_server
def test_one_writer_at_a_time_and_whoever_dies_lets_go(opened: Open, server: PgServer) -> None:
    first, second = opened(), opened()
    lock, other = first.lock("a"), second.lock("a")
    assert lock.acquire()
    assert lock.acquire()
    assert not first.lock("a").acquire()
    assert not other.acquire()
    assert second.lock("b").acquire()
    first.apply("a", [], rows("x/1"), 4)
    server.run(  # ends the connections of `first` and `second`, as a fault of the network would
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'cloister' AND pid <> pg_backend_pid()"
    )
    assert other.acquire()
    second.apply("a", [], rows("y/1"), 5)
    first._unanswered = float("-inf")
    with pytest.raises(ViewUnavailable):
        first.apply("a", [], rows("z/1"), 9)
    first._unanswered = float("-inf")
    assert (first.generation("a"), first.chunks("a")) == (5, {"x/1", "y/1"})
    other.release()
    lock.release()
    assert lock.acquire()
    first.apply("a", [], rows("z/1"), 9)
    assert second.generation("a") == 9


@needs_server
def test_a_writer_without_the_lock_waits_for_who_has_it(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index.pgvector, "_LOCK_MS", 50)
    first, second = opened(), opened()
    lock = first.lock("a")
    assert lock.acquire()
    with pytest.raises(ViewUnavailable):
        second.apply("a", [], rows("x/1"), 1)
    with pytest.raises(ViewUnavailable):
        second.drop("a")
    lock.release()
    second.apply("a", [], rows("x/1"), 1)
    assert first.generation("a") == 1


@needs_server
def test_who_took_a_view_for_whole_is_told_that_it_is_being_filled(opened: Open) -> None:
    reader, writer = opened(), opened()
    writer.apply("a", [], rows("x/1"), 5)
    assert reader.generation("a") == 5
    writer.drop("a")
    writer.apply("a", [], rows("y/1"), 0)
    with pytest.raises(ViewUnavailable):
        reader.search("a", rows("x/1").vectors[0], 3)
    assert reader.generation("a") == 0
    assert reader.search("a", rows("x/1").vectors[0], 3) == []
    writer.apply("a", [], none(), 6)
    assert ids(reader.search("a", rows("x/1").vectors[0], 3)) == ["y/1"]


@needs_server
def test_tables_that_are_gone_or_of_another_shape_are_damage(
    opened: Open, server: PgServer, schema: str
) -> None:
    store = opened()
    store.apply("a", [], rows("x/1"), 5)
    store.apply("b", [], rows("y/1"), 6)
    server.run(f"DROP TABLE {schema}.rows_1")
    assert store.generation("a") == 5
    with pytest.raises(ViewDamaged):
        store.search("a", rows("x/1").vectors[0], 3)
    with pytest.raises(ViewDamaged):
        store.chunks("a")
    store.discard()
    assert (store.generation("a"), store.generation("b")) == (0, 0)
    store.apply("a", [], rows("x/1"), 7)
    assert ids(store.search("a", rows("x/1").vectors[0], 3)) == ["x/1"]
    wider = opened(2 * SMALL)
    with pytest.raises(ViewDamaged):
        wider.search("a", rows("x/1", dimensions=2 * SMALL).vectors[0], 3)
    server.run(f"DROP SCHEMA {schema} CASCADE")
    with pytest.raises(ViewDamaged):
        store.generation("a")
    store.discard()
    store.apply("a", [], rows("x/1"), 8)
    assert store.generation("a") == 8


@needs_server
def test_a_schema_belongs_to_one_home(
    opened: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mark = home_mark(tmp_path / "views" / "pgvector.home")
    assert mark == home_mark(tmp_path / "views" / "pgvector.home")
    assert (tmp_path / "views" / "pgvector.home").stat().st_mode & 0o077 == 0
    store = opened(home=mark)
    assert store.ready() is store
    store.apply("a", [], rows("x/1"), 5)
    assert opened(home=home_mark(tmp_path / "other")).ready() is None
    assert "another home's" in caplog.text
    assert store.generation("a") == 5


@needs_server
def test_a_password_is_asked_for_and_told_nobody(
    opened: Open, server: PgServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.run("CREATE ROLE guarded LOGIN PASSWORD 'right-one'")
    server.run("GRANT CREATE ON DATABASE postgres TO guarded")
    store = opened(user="guarded")
    assert store.ready() is store
    store.apply("a", [], rows("x/1"), 5)
    wrong = PgVectors(server.server("guarded", "wrong-one"), "wrong", SMALL, "home")
    assert wrong.ready() is None
    assert "password authentication failed" in caplog.text
    assert not {"wrong-one", "right-one"} & set(caplog.text.replace('"', " ").split())
    assert "right-one" not in caplog.text
    assert "wrong-one" not in repr(server.server("guarded", "wrong-one"))


@needs_server
def test_without_the_right_to_make_what_is_missing(
    server: PgServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.run("CREATE ROLE poor LOGIN PASSWORD 'poor'")
    store = PgVectors(server.server("poor", "poor"), "poor", SMALL, "home")
    assert store.ready() is None
    assert "permission denied for database" in caplog.text
    server.run("CREATE SCHEMA poor AUTHORIZATION poor")
    store._unanswered = float("-inf")
    assert store.ready() is store
    store.apply("a", [], rows("x/1"), 5)
    assert store.generation("a") == 5
    store.close()


def test_a_server_that_is_not_there_is_asked_once_in_a_while(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pg8000")
    server = read_url(f"postgresql://user:secret@/base?host={tmp_path}")
    store = PgVectors(server, "cloister", SMALL, "home")
    assert store.ready() is None
    assert "cannot be used now (No such file or directory)" in caplog.text
    assert "secret" not in caplog.text
    caplog.clear()
    assert store.ready() is None
    with pytest.raises(ViewUnavailable, match="did not answer just now"):
        store.search("a", rows("x/1").vectors[0], 3)
    assert caplog.text == ""
    monkeypatch.setattr(index.pgvector, "_PAUSE_S", 0.0)
    assert store.ready() is None
    assert "cannot be used now" in caplog.text
    store.close()


@needs_server
@pytest.mark.slow
def test_a_server_killed_in_the_middle(opened: Open, server: PgServer) -> None:
    """What was applied when the server died is there when it is back; half of anything is not."""
    held, asked = clustered(6_000, 5)
    store = opened(REAL)
    store.apply("a", [], part(held, 0, 5_000), 3)
    kept = ids(store.search("a", asked[0], 10))
    with pytest.raises(ViewUnavailable), store._changing("a") as connection:
        connection.execute(sa.delete(store._rows(connection, "a")))  # type: ignore[arg-type]
        server.kill()
        connection.scalar(sa.text("SELECT 1"))
    with pytest.raises(ViewUnavailable):
        store.generation("a")
    server.start()
    store._unanswered = time.monotonic()  # however long the server took to start
    assert store.ready() is None  # it is not asked again at once
    store._unanswered = time.monotonic() - 60
    assert store.ready() is store
    assert (store.generation("a"), store.count("a")) == (3, 5_000)
    assert ids(store.search("a", asked[0], 10)) == kept
    store.apply("a", [], part(held, 5_000, 6_000), 4)
    assert store.count("a") == 6_000


@needs_server
@pytest.mark.parametrize("name", ["", "../a", "A", "a/b", "ä", "a" * 65, "-a", "a.b", 'a"'])
def test_safe_names_only(opened: Open, name: str) -> None:
    store = opened()
    for ask in (store.count, store.drop, lambda each: store.lock(each).acquire()):
        with pytest.raises(InvalidName):
            ask(name)


@pytest.mark.parametrize("name", ["", "A", "a-b", 'a"; --', "1a", "a" * 49])
def test_a_schema_has_a_safe_name(name: str) -> None:
    with pytest.raises(ConfigurationError):
        PgVectors(read_url("postgresql://u@localhost/d"), name, SMALL, "home")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "mysql://user:secret@host/base",
        "postgresql://user:secret@host",
        "postgresql://host/base",
        "postgresql:///base",
        "postgresql://user:secret@/base",
        "postgresql://user:secret@host/base?host=/run/postgresql",
        "postgresql://user:secret@host/base?sslmode=prefer",
        "postgresql://user:secret@host/base?sslmode=require",
        "postgresql://user:secret@host/base?options=x",
        "postgresql://user:secret@host/base?sslmode=disable&sslmode=verify-full",
        "postgresql://user:secret@host/base?sslrootcert=/nowhere/ca.pem",
        "postgresql://user:secret@host:port/base",
    ],
)
def test_a_url_that_cannot_be_used_is_not_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError, match="vector_url") as raised:
        read_url(url)
    assert "secret" not in str(raised.value)


def test_other_machines_are_reached_encrypted_and_checked() -> None:
    context = read_url("postgresql://user@db.example.org/base").arguments["ssl_context"]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    plain = read_url("postgresql://user@db.example.org/base?sslmode=disable")
    assert plain.arguments == {"ssl_context": False}
    assert read_url("postgresql://user@localhost/base").arguments == {"ssl_context": False}
    asked = read_url("postgresql://user@localhost/base?sslmode=verify-full")
    assert asked.arguments["ssl_context"].check_hostname
    assert asked.place == "localhost:5432/base"
    socket = read_url("postgresql://user@:5433/base?host=/run/postgresql")
    assert socket.arguments["unix_sock"] == "/run/postgresql/.s.PGSQL.5433"
    assert read_url("postgresql://user:a@h/b?sslmode=disable", "b").url.password == "b"
