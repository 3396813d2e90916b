"""The whole index with its large collections in PostgreSQL, and in several processes at once."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import index.nearest
import index.pgvector
from index.compose import assemble
from index.document import Scope
from index.errors import ConfigurationError
from index.settings import IndexSettings
from index.store import Index
from tests.index.pgserver import INSTALL, PgServer, missing
from tests.index.standins import LOCAL, HashEmbedder, new_document

pytestmark = [
    pytest.mark.slow,  # a server of its own, and processes on it
    pytest.mark.skipif(bool(missing()), reason=f"not installed: {missing()}; run `{INSTALL}`"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[PgServer]:
    running = PgServer()
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def soon_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty chunks are many, and a server that is back is asked at once."""
    monkeypatch.setattr(index.nearest, "LARGE", 20)
    monkeypatch.setattr(index.nearest, "SMALL", 10)
    monkeypatch.setattr(index.pgvector, "_PAUSE_S", 0.0)


def opened(home: Path, url: str) -> Index:
    """An index whose large collections are in the server."""
    schema = home.parent.name.replace("-", "_").lower()[-40:]
    (home / "cloister.toml").write_text(
        f'[index]\nvector_view = "pgvector"\nvector_url = "{url}"\nvector_schema = "s{schema}"\n'
    )
    found = assemble(home, IndexSettings.load(home), HashEmbedder())
    found.ensure_collection("default", LOCAL)
    return found


def text_of(number: int) -> str:
    return f"records rule {number} is kept by office {number * 7} " * 4


def sources(found: Index, number: int) -> list[str]:
    return [
        hit.document.source for hit in found.search(text_of(number), Scope({"default"}), 3).hits
    ]


def test_a_large_collection_is_searched_in_the_server_and_without_it(
    home: Path, server: PgServer
) -> None:
    with opened(home, server.url()) as found, opened(home, server.url()) as other:
        for number in range(30):
            found.put(new_document(text_of(number), f"{number}.txt"))
        found.refresh()
        scope = Scope({"default"})
        by_server = found.search(text_of(3), scope, 5)
        assert by_server.vectors_from == "pgvector"
        assert other.search(text_of(3), scope, 5).hits == by_server.hits
        found.remove("default", "4.txt")
        assert "4.txt" not in sources(other, 4)
        server.kill()
        without = other.search(text_of(3), scope, 5)
        assert without.vectors_from == "exact"
        (away,) = other.verify(repair=True)
        assert (away.where, away.repaired) == ("pgvector", False)
        assert [hit.chunk.id for hit in without.hits] == [hit.chunk.id for hit in by_server.hits]
        found.put(new_document(text_of(99), "99.txt"))
        assert sources(found, 99)[0] == "99.txt"
        found.refresh()
        server.start()
        other.refresh()
        assert other.search(text_of(99), scope, 5).vectors_from == "pgvector"
        assert sources(other, 99)[0] == "99.txt"
        assert found.verify(repair=False) == []


@pytest.mark.slow
def test_several_processes_write_and_bring_the_view_level(home: Path, server: PgServer) -> None:
    url = server.url()
    with opened(home, url) as found:
        for number in range(40):
            found.put(new_document(text_of(number), f"{number}.txt"))
        command = [sys.executable, "-m", "tests.index.test_pgvector_index", str(home), url]
        writers = [subprocess.Popen([*command, str(100 * (each + 1))]) for each in range(3)]
        until = time.monotonic() + 120
        while any(each.poll() is None for each in writers) and time.monotonic() < until:
            found.refresh()
            assert sources(found, 7)[0] == "7.txt"
        assert [each.returncode for each in writers] == [0, 0, 0]
        found.refresh()
        assert found.search(text_of(7), Scope({"default"}), 5).vectors_from == "pgvector"
        assert found.verify(repair=False) == []


def test_settings_that_cannot_be_used_stop_it(home: Path) -> None:
    (home / "cloister.toml").write_text('[index]\nvector_view = "pgvector"\n')
    with pytest.raises(ConfigurationError, match="vector_url is empty"):
        assemble(home, IndexSettings.load(home), HashEmbedder())


def write(home: Path, url: str, first: int) -> None:
    """What each process does: adds, removes and refreshes, thirty times."""
    index.nearest.LARGE, index.nearest.SMALL = 20, 10  # as the test has it
    with opened(home, url) as found:
        for number in range(first, first + 30):
            found.put(new_document(text_of(number), f"{number}.txt"))
            if number % 3 == 0:
                found.remove("default", f"{number}.txt")
            found.refresh()


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
