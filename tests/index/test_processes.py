"""Two processes and one index; and a process that is killed."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from index import nearest
from index.document import Hit, Scope
from index.errors import NotFound
from index.store import Index
from tests.index.standins import small_index
from tests.index.writer import text_of

ROOT = Path(__file__).parents[2]
DEFAULT = Scope(frozenset({"default"}))


def start(home: Path, first: int, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.index.writer", str(home), str(first), str(count)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


class Listener(threading.Thread):
    """Keeps what a writer says it has committed."""

    def __init__(self, writer: subprocess.Popen[str]) -> None:
        super().__init__(daemon=True)
        self._writer = writer
        self.said: list[tuple[str, int, int]] = []

    def run(self) -> None:
        assert self._writer.stdout is not None
        for line in self._writer.stdout:
            if not line.endswith("\n"):  # killed in the middle of a word
                return
            what, number, version = line.split()
            self.said.append((what, int(number), int(version)))

    def stale(self) -> set[tuple[int, int]]:
        """Documents and versions that were replaced or removed by now."""
        gone = {(number, 1) for what, number, version in self.said if version == 2}
        return gone | {(number, 2) for what, number, _version in self.said if what == "removed"}


def told(hit: Hit) -> tuple[int, int]:
    found = re.search(r"document (\d+) version (\d+)", hit.chunk.text)
    assert found is not None
    return int(found[1]), int(found[2])


def whole(index: Index, hit: Hit) -> bool:
    """Whether the hit's document has all its chunks, if it is still there."""
    with suppress(NotFound):
        number, version = told(hit)
        chunks = index.chunks(hit.document.id, DEFAULT)
        return "".join(chunk.text for chunk in chunks) == text_of(number, version)
    return True


@pytest.mark.slow
@pytest.mark.parametrize("view", ["chroma", "exact"])
def test_a_reader_sees_nothing_stale_and_nothing_half(
    home: Path, view: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nearest, "LARGE", 30)
    monkeypatch.setattr(nearest, "SMALL", 20)
    with small_index(home, view=view) as index:
        writer = start(home, 0, 60)
        listener = Listener(writer)
        listener.start()
        searches = 0
        while writer.poll() is None:
            stale = listener.stale()
            number = listener.said[-1][1] if listener.said else 0
            result = index.search(f"records part 1 of document {number}", DEFAULT, 10)
            assert {told(hit) for hit in result.hits}.isdisjoint(stale)
            assert all(whole(index, hit) for hit in result.hits)
            if searches % 7 == 0:
                index.refresh()
            searches += 1
        listener.join()
        assert writer.returncode == 0
        assert searches > 5
        expected = {(number, 2) for number in range(60) if number % 3}
        documents = index.documents(DEFAULT)
        assert {each.source for each in documents} == {f"{n}.txt" for n, _version in expected}
        index.refresh()
        result = index.search("records part of document", DEFAULT, 200)
        assert {told(hit) for hit in result.hits} == expected
        assert index.verify() == []


@pytest.mark.slow
def test_a_killed_writer_leaves_whole_documents_only(home: Path) -> None:
    small_index(home).close()
    chance = random.Random(20_261_121)
    for attempt in range(6):
        writer = start(home, attempt * 1_000, 1_000)
        listener = Listener(writer)
        listener.start()
        while not listener.said and writer.poll() is None:
            time.sleep(0.01)
        time.sleep(chance.uniform(0.0, 0.5))
        writer.kill()
        writer.wait()
        listener.join()
        with small_index(home) as index:
            sources = {each.source for each in index.documents(DEFAULT)}
            promised = {number for what, number, _version in listener.said if what == "put"}
            removed = {number for what, number, _version in listener.said if what == "removed"}
            last = listener.said[-1][1]
            for number in promised - removed - {last}:
                assert f"{number}.txt" in sources
            for document in index.documents(DEFAULT):
                chunks = index.chunks(document.id, DEFAULT)
                assert len(chunks) == document.chunks == 3
                assert index.original(document.id, DEFAULT).is_file()
            assert {each.where for each in index.verify(repair=True)} <= {"blobs"}
            assert index.verify() == []


@pytest.mark.slow
def test_upkeep_that_is_killed_leaves_nothing_to_mend_by_hand(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each kill: whole documents, views that catch up alone, and a purge that ends."""
    monkeypatch.setattr(nearest, "LARGE", 1)
    monkeypatch.setattr(nearest, "SMALL", 1)
    small_index(home, view="chroma").close()
    chance = random.Random(20_261_122)
    promised: set[int] = set()
    for attempt in range(8):
        keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.index.keeper", str(home), str(attempt * 12_000)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert keeper.stdout is not None
        said = [keeper.stdout.readline()]
        time.sleep(chance.uniform(0.0, 2.5))
        keeper.kill()
        said += keeper.stdout.readlines()
        keeper.wait()
        for line in filter(str.strip, said):
            what, first, end = line.split()
            numbers = set(range(int(first), int(end)))
            promised = promised | numbers if what == "put" else promised - numbers
        last = int(said[-1].split()[1])  # the step after the last word may have been done, too
        open_still = set(range(last, last + 24))
        with small_index(home, view="chroma") as index:
            listed = {int(each.source.removesuffix(".txt")) for each in index.documents(DEFAULT)}
            assert listed - open_still == promised - open_still
            result = index.search("records kept by rule", DEFAULT, 1_000)
            assert {hit.document.source for hit in result.hits} == {f"{n}.txt" for n in listed}
            index.refresh()
            assert index.compact().problems == ()
            assert index.verify() == []
            promised = listed
    with small_index(home, view="chroma") as index:
        index.remove_many("default", [f"{n}.txt" for n in sorted(listed)[:-3]])
        assert index.purge().problems == ()
        found: set[bytes] = set()
        for path in home.rglob("*"):
            if path.is_file():
                found |= set(re.findall(rb"marker(\d{6})word", path.read_bytes()))
        assert {int(each) for each in found} == set(sorted(listed)[-3:])
