"""3,000 broken files and some 70 attacks, through the sandbox that ingestion reads with.

    python benchmarks/fuzz_readers.py --count 3000

Sound files of every format are changed at random (bits, cuts, swapped blocks, lengths, the same
within archives, elements of XML) and read in the real reading process. Floor, checked here:

- every input ends in documents or in a code for its failure; nothing else is raised;
- none takes longer than the limit on a message allows;
- nothing is written: not to a canary folder, not to the working folder, not to the home folder;
- no reading process asks for more address space than it may have;
- nothing is fetched: a server that some of the attacks name hears nothing (and would, see below).

A reader that has died cost one file, as it should; it is still a flaw of that reader, so each is
named with what it died of. `--only docx` reads one format, `--keep DIR` keeps what killed a reader.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import os
import queue
import random
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fuzz_seeds import attacks, seeds, zipped

from ingest.errors import Failure, ReadFailure
from ingest.options import ReadOptions
from ingest.pages import Member
from ingest.sandbox import ReadLimits, Sandbox

LIMITS = ReadLimits(seconds=20, memory_mb=1536, output_mb=64)
OPTIONS = ReadOptions(
    passwords=("open",), max_members=2000, max_member_bytes=256 << 20, ocr_dpi=100
)
GRACE = 15.0  # seconds beyond the limit: to start a process, on a machine that is busy
KILLED = {Failure.READER_DIED, Failure.TOO_SLOW, Failure.READER_LIED, Failure.TOO_MUCH_MEMORY}
MODULES = {
    "pdf": "read_pdf", "docx": "read_docx", "pptx": "read_pptx", "xlsx": "read_xlsx",
    "odt": "read_odt", "rtf": "read_rtf", "html": "read_html", "md": "read_markdown",
    "txt": "read_text", "csv": "read_csv", "jsonl": "read_jsonl", "eml": "read_mail",
    "msg": "read_mail", "zip": "read_zip", "png": "read_image", "jpg": "read_image",
    "tif": "read_image",
}  # fmt: skip
EXPLAIN = """
import sys
from ingest.options import ReadOptions
from ingest.reader_child import limit, read_any
limit(1536)
options = ReadOptions(passwords=("open",), ocr_dpi=100)
for _ in read_any(sys.argv[1], sys.stdin.buffer.read(), options): pass
"""


# --- changes ------------------------------------------------------------------------------------


def changed(data: bytes, chance: random.Random) -> bytes:
    """`data` with one to three changes, those of an archive mostly within it: around it they seldom
    get further than its checksums.
    """
    inner = data.startswith(b"PK") and chance.random() < 0.8
    for _ in range(chance.randint(1, 3)):
        data = chance.choice((within,) if inner else CHANGES)(data, chance)
    return data


def flip(data: bytes, chance: random.Random) -> bytes:
    """Some bits the other way round."""
    result = bytearray(data)
    for _ in range(chance.choice((1, 2, 8, 32)) if data else 0):
        result[chance.randrange(len(result))] ^= 1 << chance.randrange(8)
    return bytes(result)


def cut(data: bytes, chance: random.Random) -> bytes:
    """The end or a piece missing."""
    at = chance.randrange(len(data) + 1)
    return data[:at] if chance.random() < 0.5 else data[:at] + data[at + chance.randint(1, 200) :]


def swap(data: bytes, chance: random.Random) -> bytes:
    """Two blocks exchanged, or one doubled."""
    a, b, c = sorted(chance.randrange(len(data) + 1) for _ in range(3))
    if chance.random() < 0.5:
        return data[:a] + data[b:c] + data[a:b] + data[c:]
    return data[:b] + data[a : min(b, a + 5000)] * chance.choice((1, 2, 20)) + data[b:]


def lengths(data: bytes, chance: random.Random) -> bytes:
    """A number that may be a length made extreme, in bytes or in digits."""
    numbers = list(re.finditer(rb"\d+", data)) if chance.random() < 0.5 else []
    if numbers:
        found = chance.choice(numbers)
        extreme = chance.choice((b"0", b"-1", b"65536", b"2147483647", b"99999999999999999999"))
        return data[: found.start()] + extreme + data[found.end() :]
    at, size = chance.randrange(len(data) + 1), chance.choice((2, 4, 8))
    extreme = chance.choice((b"\0", b"\xff", b"\x7f")) * size
    return data[:at] + extreme + data[at + size :]


def marked_up(data: bytes, chance: random.Random) -> bytes:
    """An element removed, doubled, nested in itself or given strange text or values."""
    tags = list(re.finditer(rb"<[^<>]{1,300}>", data)) or list(re.finditer(rb"\\[a-z]+", data))
    if not tags:
        return flip(data, chance)
    tag = chance.choice(tags)
    odd = (
        "\u202e\U000e0041\u200b",
        "&undefined;",
        "<![CDATA[x]]>",
        "</p></w:p>",
        "\ufffe",
        "x" * 9999,
    )
    replacement = chance.choice(
        (
            b"",
            tag.group() * 2,
            tag.group() * chance.choice((50, 3000)),
            tag.group() + chance.choice(odd).encode(),
            re.sub(rb'"[^"]*"', b'"-99999999"', tag.group()),
            re.sub(rb'"[^"]*"', b'"%b"' % (b"9" * 40), tag.group()),
            chance.choice(tags).group(),
        )
    )
    return data[: tag.start()] + replacement + data[tag.end() :]


def within(data: bytes, chance: random.Random) -> bytes:
    """The same in one member of an archive, which is sound around it."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = {info.filename: archive.read(info) for info in archive.infolist()}
    except Exception:  # noqa: BLE001 - an earlier change broke it, in whatever way
        return flip(data, chance)
    if not files:
        return data
    name = chance.choice([*files, *(each for each in files if each.endswith(".xml"))])
    if chance.random() < 0.1:
        del files[name]
    else:
        inner = chance.choice((marked_up, marked_up, marked_up, lengths, flip, cut, swap))
        files[name] = inner(files[name], chance)
    return zipped(files)


CHANGES = (flip, cut, swap, lengths, marked_up, within, within)


# --- running ------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What came of the inputs; shared by the threads that read."""

    outcomes: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    slowest: list[tuple[float, str]] = field(default_factory=list)
    killed: list[tuple[str, bytes, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    peak_kb: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, suffix: str, name: str, data: bytes, outcome: str, seconds: float) -> None:
        with self.lock:
            self.outcomes[suffix][outcome] += 1
            self.slowest = sorted([*self.slowest, (seconds, name)], reverse=True)[:5]
            if outcome in KILLED:
                self.killed.append((name, data, outcome))


def inputs(
    count: int, only: str, with_attacks: bool, host: str, canary: Path
) -> Iterator[tuple[str, str, bytes]]:
    """(suffix, name, bytes): the sound files, the attacks, then the changed files."""
    sound = seeds()
    here = {s for s in sound if importlib.util.find_spec(f"ingest.{MODULES[s]}")}
    for suffix in sorted(set(sound) - here):
        print(f"no reader for {suffix} yet: left out", file=sys.stderr)
    wanted = [s for s in sound if s in here and only in ("", s)]
    for suffix in wanted:
        for number, data in enumerate(sound[suffix]):
            yield suffix, f"sound{number}.{suffix}", data
    evil = attacks(sound, host, canary) if with_attacks else iter(())
    for name, data in evil:
        if (suffix := name.rpartition(".")[2]) in wanted:
            yield suffix, name, data
    for number in range(count):
        suffix = wanted[number % len(wanted)]
        chance = random.Random(f"{number} {suffix}")
        yield suffix, f"{number}.{suffix}", changed(chance.choice(sound[suffix]), chance)


def read_all(work: queue.Queue[tuple[str, str, bytes] | None], tally: Tally) -> None:
    """Read what is in the queue until None comes."""
    with Sandbox(LIMITS) as sandbox, tempfile.TemporaryFile() as file:
        while (item := work.get()) is not None:
            suffix, name, data = item
            file.seek(0)
            file.truncate()
            file.write(data)
            file.flush()
            file.seek(0)
            sandbox.alone  # noqa: B018 - starts a process, so that its start is not counted
            child = sandbox._child._process.pid  # type: ignore[union-attr]
            began = time.monotonic()
            try:
                outcome = read_one(sandbox, name, file.fileno(), len(data))
            except BaseException as error:  # noqa: BLE001 - this is what is looked for
                outcome = f"RAISED {type(error).__name__}"
                tally.wrong.append(f"{name}: {type(error).__name__}: {error}")
            seconds = time.monotonic() - began
            if seconds > LIMITS.seconds + GRACE:
                tally.wrong.append(f"{name}: took {seconds:.0f} s")
            tally.peak_kb = max(tally.peak_kb, peak_kb(child))
            tally.add(suffix, name, data, outcome, seconds)


def read_one(sandbox: Sandbox, name: str, file: int, size: int) -> str:
    """How reading ended: "document", "members" or a code."""
    outcome = "nothing"
    try:
        for found in sandbox.read(name, file, size, OPTIONS):
            if isinstance(found, ReadFailure):
                outcome = found.failure if outcome == "nothing" else outcome
            else:
                outcome = "members" if isinstance(found, Member) else "document"
    except ReadFailure as failure:
        return failure.failure
    return outcome


def peak_kb(process: int) -> int:
    """The most address space that a process has had, in KiB; 0 when it is gone."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"VmPeak:\s+(\d+)", status)
    return int(found.group(1)) if found else 0


class Listener:
    """A web server that hears who asks for anything."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self.heard = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            asked, _ = self._socket.accept()
            self.heard += 1
            asked.close()


def listing(*folders: Path) -> dict[str, tuple[int, int]]:
    """Size and time of all that is in `folders`."""
    return {
        str(path): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for folder in folders
        for path in sorted(folder.rglob("*"))
    }


def explained(name: str, data: bytes) -> str:
    """What a reader dies of, without the sandbox around it: the last line that it prints."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", EXPLAIN, name],
            input=data,
            capture_output=True,
            timeout=LIMITS.seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "takes too long"
    if done.returncode < 0:
        return f"ended by signal {-done.returncode}"
    lines = done.stderr.decode(errors="replace").strip().split("\n")
    places = [line.strip() for line in lines if "ingest/" in line]
    where = (
        re.sub(r'File ".*/(ingest/[^"]+)", line (\d+).*', r"\1:\2", places[-1]) if places else ""
    )
    return f"{lines[-1][:150]} {where}" if done.returncode else "reads it when alone"


def report(tally: Tally, seconds: float) -> None:
    """Print what came of it."""
    print(f"{'reader':8} {'inputs':>6}  outcomes")
    for suffix, found in sorted(tally.outcomes.items()):
        listed = ", ".join(f"{outcome} {count}" for outcome, count in found.most_common())
        print(f"{suffix:8} {found.total():6}  {listed}")
    total = sum(found.total() for found in tally.outcomes.values())
    print(f"{total} inputs in {seconds:.0f} s; readers replaced: {len(tally.killed)}")
    print(f"most address space: {tally.peak_kb >> 10} MiB of {LIMITS.memory_mb} MiB")
    print("slowest:", ", ".join(f"{name} {taken:.1f} s" for taken, name in tally.slowest))


def main() -> int:
    """Read everything; 0 if nothing is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--only", default="", help="one format, by its suffix")
    parser.add_argument("--keep", type=Path, help="a folder for what killed a reader")
    parser.add_argument("--workers", type=int, default=min(4, os.cpu_count() or 1))
    parser.add_argument("--attacks", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--json", action="store_true", help="the figures as one line, too")
    options = parser.parse_args()
    keep = options.keep.absolute() if options.keep else None
    listener = Listener()
    with socket.create_connection(("127.0.0.1", int(listener.host.split(":")[1]))):
        pass  # so that the silence below means something
    with tempfile.TemporaryDirectory() as scratch:
        folders = [Path(scratch, name) for name in ("canary", "home", "here")]
        for folder in folders:
            folder.mkdir()
            (folder / "canary.txt").write_text("alive")
        os.environ["HOME"] = str(folders[1])
        os.chdir(folders[2])
        before = listing(*folders)
        tally, seconds = run(options, listener.host, folders[0] / "canary.txt")
        if listing(*folders) != before:
            tally.wrong.append("something was written")
    if listener.heard != 1:
        tally.wrong.append(f"{listener.heard} connections were made instead of one")
    if tally.peak_kb >> 10 > LIMITS.memory_mb:
        tally.wrong.append("a reader had more memory than it may have")
    report(tally, seconds)
    for name, data, outcome in tally.killed:
        print(f"KILLED {name} ({outcome}): {explained(name, data)}")
        if keep:
            keep.mkdir(exist_ok=True)
            (keep / name).write_bytes(data)
    for wrong in tally.wrong:
        print(f"WRONG {wrong}")
    if options.json:
        count = sum(found.total() for found in tally.outcomes.values())
        wrong = len(tally.wrong)
        print(json.dumps({"inputs": count, "killed": len(tally.killed), "wrong": wrong}))
    return 1 if tally.wrong else 0


def run(options: argparse.Namespace, host: str, canary: Path) -> tuple[Tally, float]:
    """Read all inputs with several readers side by side."""
    tally = Tally()
    work: queue.Queue[tuple[str, str, bytes] | None] = queue.Queue(maxsize=8)
    began = time.monotonic()
    threads = [
        threading.Thread(target=read_all, args=(work, tally)) for _ in range(options.workers)
    ]
    for thread in threads:
        thread.start()
    try:
        for item in inputs(options.count, options.only, options.attacks, host, canary):
            work.put(item)
    finally:
        for _ in threads:
            work.put(None)
        for thread in threads:
            thread.join()
    return tally, time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
