"""Several readers and one consumer: bounded, in order within a file, ended quickly and cleanly."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from index.errors import HomeFull
from index.files import FileLock
from index.records import Declared
from ingest.claims import Claim, Claims
from ingest.errors import AlreadyIngesting
from ingest.items import FileDone, Item, Known, Origin, Ready
from ingest.opening import Bench
from ingest.pages import Page, ReadDocument, ReadPage
from ingest.readers import Readers, Sandboxes, Stream
from tests.ingest.standins import BOX, QUICK, ingestor, log_in


def origin(source: str) -> Origin:
    return Origin("default", source, f"/{source}", 1, 1)


def ready(source: str, characters: int) -> Ready:
    page = ReadPage(Page(1, "x" * characters), ())
    document = ReadDocument("text/plain", "", (page,))
    return Ready(origin(source), source, b"", document, None, Declared())


def until(true: Callable[[], bool]) -> None:
    """Wait for it; the test's own timeout ends what never comes."""
    while not true():
        time.sleep(0.005)


@pytest.fixture
def sandboxes(tmp_path: Path) -> Iterator[Sandboxes]:
    made = Sandboxes(3, tmp_path, QUICK, BOX)
    yield made
    made.close()


def test_all_items_come_and_those_of_a_file_in_order(sandboxes: Sandboxes) -> None:
    def work(entry: int, _: Bench) -> Generator[Item, None, None]:
        for part in range(5):
            yield Known(origin(f"{entry}/{part}"))
        yield FileDone(str(entry))

    with Readers(sandboxes, range(100), work) as items:
        taken = list(items)
    assert len(taken) == 600
    for entry in range(100):
        mine = [
            each.origin.source
            for each in taken
            if isinstance(each, Known) and each.origin.source.startswith(f"{entry}/")
        ]
        assert mine == [f"{entry}/{part}" for part in range(5)]
    assert sum(isinstance(each, FileDone) for each in taken) == 100


def test_what_waits_is_bounded_by_number(sandboxes: Sandboxes) -> None:
    made: list[int] = []

    def work(entry: int, _: Bench) -> Generator[Item, None, None]:
        made.append(entry)
        yield FileDone(str(entry))

    stream = Stream(most_items=4)
    with Readers(sandboxes, range(1000), work, stream) as items:
        taken = iter(items)
        for _ in range(10):
            next(taken)
        until(lambda: len(stream._items) == 4)
        time.sleep(0.05)
        assert len(made) <= 10 + 4 + 3  # taken, waiting, and one in the hands of each reader
        assert sum(1 for _ in taken) == 990


def test_what_waits_is_bounded_by_memory_but_for_one(sandboxes: Sandboxes) -> None:
    stream = Stream(most_bytes=10_000)
    waiting: list[int] = []

    def work(entry: int, _: Bench) -> Generator[Item, None, None]:
        yield ready(str(entry), 2_000)  # 4 kB

    with Readers(sandboxes, range(20), work, stream) as items:
        for _ in items:
            waiting.append(stream._bytes)
    assert len(waiting) == 20
    assert max(waiting) <= 8_000

    def large(entry: int, _: Bench) -> Generator[Item, None, None]:
        yield ready(str(entry), 20_000)

    with Readers(sandboxes, range(5), large, Stream(most_bytes=10_000)) as items:
        assert sum(1 for _ in items) == 5


def test_what_a_reader_raises_ends_all_and_reaches_the_consumer(sandboxes: Sandboxes) -> None:
    ended: list[int] = []

    def work(entry: int, _: Bench) -> Generator[Item, None, None]:
        try:
            if entry == 7:
                raise HomeFull("/data")
            yield FileDone(str(entry))
        finally:
            ended.append(entry)

    with (
        pytest.raises(HomeFull),
        Readers(sandboxes, range(100_000), work, Stream(most_items=4)) as items,
    ):
        for _ in items:
            pass
    assert len(ended) < 100_000
    assert not [each for each in threading.enumerate() if each.name.startswith("reading ")]


def test_giving_up_closes_what_is_half_done(sandboxes: Sandboxes) -> None:
    closed: list[int] = []

    def work(entry: int, _: Bench) -> Generator[Item, None, None]:
        try:
            while True:
                yield Known(origin(str(entry)))
        finally:
            closed.append(entry)

    with pytest.raises(KeyboardInterrupt), Readers(sandboxes, range(3), work) as items:
        next(iter(items))
        raise KeyboardInterrupt
    assert len(closed) <= 3
    assert not [each for each in threading.enumerate() if each.name.startswith("reading ")]


def test_an_interrupt_ends_a_reading_that_would_take_long(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    for n in range(4):
        (folder / f"{n}.txt").write_text(f"slow\n{n}")  # half a minute each
    with log_in(home) as log, ingestor(home, log, stand_in=BOX) as ingest:
        stop = threading.Event()

        def interrupt_when_reading(original: Callable[[Stream], Iterator[Item]]) -> object:
            def interrupted(stream: Stream) -> Iterator[Item]:
                until(lambda: len(list((home / "tmp").glob("reading-*"))) == 2)
                stop.set()
                raise KeyboardInterrupt

            return interrupted

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Stream, "__iter__", interrupt_when_reading(Stream.__iter__))
            began = time.monotonic()
            with pytest.raises(KeyboardInterrupt):
                ingest.add([folder])
        assert stop.is_set()
        assert time.monotonic() - began < 25  # of 60 that the readings would take
        assert ingest.sources() == ()  # giving up is no failure of a file
        assert log.counters()["ingest.stopped"] == 1
    left = [each.name for each in (home / "tmp").iterdir()]
    assert not [each for each in left if each.startswith(("reading-", "staged-"))]


def test_several_readers_that_meet_the_same_bytes_embed_them_once(
    home: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    for n in range(60):
        (folder / f"{n:02}.txt").write_text(f"Content {n % 10}.")
    with log_in(home) as log, ingestor(home, log, stand_in=BOX, readers=3) as ingest:
        summary = ingest.add([folder])
        assert (summary.added, summary.duplicates, summary.failed) == (10, 50, ())
        assert len(ingest.list()) == 10
        assert len({each.document_id for each in ingest.sources()}) == 10
        assert len(ingest.sources()) == 60
        assert ingest.add([folder]).unchanged == 60


def test_a_second_run_waits_for_nobody(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "a.txt").write_text("words")
    lock = FileLock(home / "tmp" / "ingest.lock")
    with log_in(home) as log, ingestor(home, log, stand_in=BOX) as ingest:
        assert lock.acquire()
        with pytest.raises(AlreadyIngesting):
            ingest.sync(folder)
        assert len(ingest.sync(folder, dry_run=True).plan.added) == 1  # which only looks
        lock.release()


def test_of_two_that_meet_the_same_bytes_one_reads() -> None:
    claims = Claims(lambda collection, digest: digest == "known")
    assert claims.take(("c", "known"), wait=True) is Claim.HELD
    assert claims.take(("c", "new"), wait=True) is Claim.MINE
    assert claims.take(("c", "new"), wait=False) is Claim.BUSY
    told: list[Claim] = []
    other = threading.Thread(target=lambda: told.append(claims.take(("c", "new"), wait=True)))
    other.start()
    claims.settle(("c", "new"), held=True)
    other.join()
    assert told == [Claim.HELD]
    assert claims.take(("c", "bad"), wait=True) is Claim.MINE
    claims.settle(("c", "bad"), held=False)
    assert claims.take(("c", "bad"), wait=True) is Claim.MINE
