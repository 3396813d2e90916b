"""A reader that dies, hangs, floods or lies costs one file and gives one reason."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.errors import Failure, ReadFailure
from ingest.pages import ReadDocument
from ingest.sandbox import ReadLimits, Sandbox
from tests.ingest.standins import EVIL

LIMITS = ReadLimits(seconds=1.5, memory_mb=1024, output_mb=4, pages=50, files=1000)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(LIMITS, EVIL) as opened:
        yield opened


def read(sandbox: Sandbox, folder: Path, data: bytes, name: str = "x.txt") -> list[object]:
    path = folder / "file"
    path.write_bytes(data)
    with path.open("rb") as stream:
        return list(sandbox.read(name, stream.fileno(), os.fstat(stream.fileno()).st_size))


def reason(sandbox: Sandbox, folder: Path, order: str) -> Failure:
    with pytest.raises(ReadFailure) as caught:
        read(sandbox, folder, order.encode())
    return caught.value.failure


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("hang", {Failure.TOO_SLOW}),
        ("spin", {Failure.TOO_SLOW, Failure.READER_DIED}),  # clock or processor, whichever first
        ("die", {Failure.READER_DIED}),
        ("crash", {Failure.READER_DIED}),
        ("raise", {Failure.READER_DIED}),
        ("eat", {Failure.TOO_MUCH_MEMORY}),
        ("flood", {Failure.TOO_MUCH_OUTPUT}),
        ("offsets", {Failure.READER_LIED}),
        ("gap", {Failure.READER_LIED}),
        ("box", {Failure.READER_LIED}),
        ("surrogate", {Failure.READER_LIED}),
        ("pages", {Failure.READER_LIED}),
        ("type", {Failure.READER_LIED}),
        ("refuse", {Failure.CORRUPT}),
    ],
)
def test_an_evil_reader_costs_one_file(
    sandbox: Sandbox, tmp_path: Path, order: str, expected: set[Failure]
) -> None:
    assert reason(sandbox, tmp_path, order) in expected
    (after,) = read(sandbox, tmp_path, b"an honest file")
    assert isinstance(after, ReadDocument)
    assert after.pages[0].page.text == "an honest file"


def test_the_reading_process_cannot_write_files(sandbox: Sandbox, tmp_path: Path) -> None:
    assert reason(sandbox, tmp_path, "write") is Failure.READER_DIED


def test_the_reading_process_has_no_network_where_the_kernel_allows(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    # Without a network the call fails at once; with one it would hang until the limit.
    expected = Failure.READER_DIED if sandbox.alone else Failure.TOO_SLOW
    assert reason(sandbox, tmp_path, "call out") is expected


def test_a_process_is_replaced_after_its_share_of_files(tmp_path: Path) -> None:
    with Sandbox(ReadLimits(files=2), EVIL) as sandbox:
        for number in range(5):
            (found,) = read(sandbox, tmp_path, f"file {number}".encode())
            assert isinstance(found, ReadDocument)
            assert found.pages[0].page.text == f"file {number}"


def test_a_stand_in_is_used_only_when_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOISTER_READER_STAND_IN", str(EVIL))
    with Sandbox(LIMITS) as sandbox:
        (found,) = read(sandbox, tmp_path, b"die")
    assert isinstance(found, ReadDocument)
    assert found.pages[0].page.text == "die"
