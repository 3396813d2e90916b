"""A reader that dies, hangs, floods or lies costs one file and gives one reason."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.errors import Failure, ReadFailure
from ingest.members import MemberFailure
from ingest.options import ReadOptions
from ingest.pages import Member, ReadDocument
from ingest.sandbox import ReadLimits, Sandbox

EVIL = Path(__file__).with_name("evil_reader.py")
LIMITS = ReadLimits(seconds=1.5, memory_mb=1024, output_mb=4, pages=50, files=1000)
OPTIONS = ReadOptions(max_pages=50, max_members=20, max_member_bytes=2 << 20)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(LIMITS, EVIL) as opened:
        yield opened


def read(sandbox: Sandbox, folder: Path, data: bytes, name: str = "x.txt") -> list[object]:
    path = folder / "file"
    path.write_bytes(data)
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        return list(sandbox.read(name, stream.fileno(), size, OPTIONS))


def reason(sandbox: Sandbox, folder: Path, order: str) -> Failure:
    with pytest.raises(ReadFailure) as caught:
        read(sandbox, folder, order.encode())
    return caught.value.failure


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("hang", {Failure.TOO_SLOW}),
        ("spin", {Failure.TOO_SLOW}),  # by the clock or on the processor, whichever is first
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
        ("two of one name", {Failure.READER_LIED}),
        ("outside: ../up.txt", {Failure.READER_LIED}),
        ("many", {Failure.TOO_MUCH_OUTPUT}),
        ("large", {Failure.TOO_MUCH_OUTPUT}),
        ("open many", {Failure.READER_DIED}),
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


def test_members_follow_their_mail_and_bytes_come_whole(sandbox: Sandbox, tmp_path: Path) -> None:
    mail, first, failed, last = read(sandbox, tmp_path, b"mail")
    assert isinstance(mail, ReadDocument)
    assert (first, last) == (Member("a/b.txt", b"one"), Member("d.txt", b""))
    assert isinstance(failed, MemberFailure)
    assert (failed.failure, failed.name) == (Failure.MEMBER_ENCRYPTED, "c.txt")


@pytest.mark.slow
def test_a_slow_reader_that_goes_on_is_waited_for(sandbox: Sandbox, tmp_path: Path) -> None:
    (found,) = read(sandbox, tmp_path, b"slow")
    assert isinstance(found, ReadDocument)
    assert found.pages[0].page.text == "at last"


def test_what_a_reader_started_ends_with_it(tmp_path: Path) -> None:
    order = tmp_path / "file"
    order.write_bytes(b"start another")
    with Sandbox(LIMITS, EVIL) as sandbox, order.open("rb") as stream:
        (found,) = _until_slow(sandbox, stream.fileno())
        program = Path("/proc", found.data.decode())
        for _ in range(500):  # what is killed stays in the list until its heir has looked
            if not program.exists() or "\nState:\tZ" in (program / "status").read_text():
                return
            time.sleep(0.01)
    raise AssertionError("the program goes on")


def _until_slow(sandbox: Sandbox, file: int) -> list[Member]:
    found = []
    with pytest.raises(ReadFailure) as caught:
        for each in sandbox.read("x", file, 13, OPTIONS):
            assert isinstance(each, Member)
            found.append(each)
    assert caught.value.failure is Failure.TOO_SLOW
    return found


def test_a_reader_ends_when_nobody_listens_any_more(tmp_path: Path) -> None:
    script = """
import os, sys
from dataclasses import replace
from pathlib import Path
from ingest.options import ReadOptions
from ingest.sandbox import ReadLimits, Sandbox
sandbox = Sandbox(ReadLimits(seconds=60), Path(sys.argv[1]))
assert sandbox.alone in (True, False)
print(sandbox._child._process.pid, flush=True)
with open(sys.argv[2], "rb") as stream:
    next(sandbox.read("x", stream.fileno(), 4, ReadOptions()))
"""
    order = tmp_path / "file"
    order.write_bytes(b"hang")
    with subprocess.Popen(
        [sys.executable, "-c", script, str(EVIL), str(order)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        reader = Path("/proc", parent.stdout.readline().strip())
        assert reader.exists()
        parent.kill()  # which runs no handler
    for _ in range(500):
        if not reader.exists() or "\nState:\tZ" in (reader / "status").read_text():
            return
        time.sleep(0.01)
    raise AssertionError("the reader goes on")


def test_the_reading_process_cannot_write_files(sandbox: Sandbox, tmp_path: Path) -> None:
    assert reason(sandbox, tmp_path, "write") is Failure.READER_DIED


@pytest.mark.parametrize("deed", ["unlink", "create", "truncate"])
def test_the_reading_process_changes_nothing_in_a_folder(
    sandbox: Sandbox, tmp_path: Path, deed: str
) -> None:
    canary = tmp_path / "canary"
    if deed != "create":
        canary.write_text("alive")
    assert reason(sandbox, tmp_path, f"{deed}: {canary}") is Failure.READER_DIED
    assert canary.read_text() == "alive" if deed != "create" else not canary.exists()


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


@pytest.mark.slow
def test_time_on_the_processor_is_limited_even_if_the_clock_is_not(tmp_path: Path) -> None:
    with Sandbox(replace(LIMITS, seconds=1.0), EVIL) as patient:
        assert patient.alone in (True, False)  # which starts the process, with 1 s
        patient._limits = replace(LIMITS, seconds=60.0)
        assert reason(patient, tmp_path, "spin") is Failure.TOO_SLOW


@pytest.mark.slow
def test_broken_files_of_every_format_end_in_documents_or_codes() -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "fuzz_readers.py"
    done = subprocess.run(
        [sys.executable, str(script), "--count", "60", "--no-attacks", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["inputs"] >= 60


def test_a_stand_in_is_used_only_when_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOISTER_READER_STAND_IN", str(EVIL))
    with Sandbox(LIMITS) as sandbox:
        (found,) = read(sandbox, tmp_path, b"die")
    assert isinstance(found, ReadDocument)
    assert found.pages[0].page.text == "die"
