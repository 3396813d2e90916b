"""Verifying ranges of a large log in several processes.

A worker is a bare interpreter (no site packages, nothing of the program that started it) that reads
tasks as lines of JSON and answers each with one. It opens the database by itself, read-only. It
needs neither the program's main module nor `fork`, so it can be started from a library, a zipapp,
or a process with threads. What a worker cannot do, for whatever reason, the caller does itself: the
result is the same with and without workers.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from typing import IO

from audit.findings import MAX_FINDINGS
from audit.snapshot import Source, file_digest, open_source
from audit.verify_rows import Range, RangeResult, check_range

MAX_PROCESSES = 8
_FROM_RECORDS = 20_000  # below, starting a process takes longer than it saves
_BOOT = "import sys, json; sys.path[:] = json.loads(sys.stdin.readline()); "
_CODE = _BOOT + "from audit.verify_workers import serve; serve(sys.stdin, sys.stdout)"

Task = Range | str
"""A range of records, or "integrity" (SQLite's own check) or "digest" (of the whole file)."""

Answer = RangeResult | list[str] | str


def do(connection: sqlite3.Connection, source: Source, task: Task) -> Answer:
    """Do one task here. Raises sqlite3.Error, UnicodeError or OSError."""
    if isinstance(task, Range):
        return check_range(connection, task)
    if task == "digest":
        return file_digest(source.path)
    rows = connection.execute(f"PRAGMA integrity_check({MAX_FINDINGS})").fetchall()
    return [str(problem) for (problem,) in rows if problem != "ok"]


def do_all(
    connection: sqlite3.Connection, source: Source, tasks: Sequence[Task], processes: int | None
) -> Iterator[tuple[Task, Answer]]:
    """Every task with its answer, in the order given, by up to `processes` processes.

    None chooses by the number of ranges and of processors. Raises sqlite3.Error, UnicodeError or
    OSError.
    """
    with contextlib.ExitStack() as stack:
        helped = _helped(stack, source, tasks, _count(tasks, processes))
        for task in tasks:
            answer = helped[id(task)].result() if helped else None
            yield task, do(connection, source, task) if answer is None else answer


def _count(tasks: Sequence[Task], processes: int | None) -> int:
    if processes is None:
        records = sum(task.end - task.first for task in tasks if isinstance(task, Range))
        if records < _FROM_RECORDS:
            return 1
        processes = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    return max(1, min(processes, MAX_PROCESSES, len(tasks)))


def _helped(
    stack: contextlib.ExitStack, source: Source, tasks: Sequence[Task], count: int
) -> dict[int, Future[Answer | None]]:
    """What workers will answer, by the task's identity; None there: do it yourself."""
    if count < 2 or not sys.executable:
        return {}
    workers: SimpleQueue[_Worker] = SimpleQueue()
    # Ended in the reverse order: nothing new is begun, the processes are stopped, and then the
    # threads that waited for them end.
    pool = stack.enter_context(ThreadPoolExecutor(count))
    try:
        for _ in range(count):
            worker = _Worker(source)
            stack.callback(worker.end)
            workers.put(worker)
    except OSError:
        return {}  # no more processes are allowed here
    stack.callback(pool.shutdown, wait=False, cancel_futures=True)

    def ask(task: Task) -> Answer | None:
        worker = workers.get()
        try:
            return worker.ask(task)
        finally:
            workers.put(worker)

    return {id(task): pool.submit(ask, task) for task in tasks}


class _Worker:
    """One process. It is used by one thread at a time."""

    def __init__(self, source: Source) -> None:
        """Start it. Raises OSError."""
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _CODE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
        )
        here = [str(Path(place).absolute()) for place in sys.path]
        self._send(here)
        self._send([str(source.path), source.how])

    def _send(self, value: object) -> None:
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):  # it ended: asking it will tell
                self._process.stdin.write(json.dumps(value) + "\n")
                self._process.stdin.flush()

    def ask(self, task: Task) -> Answer | None:
        """The answer, or None if this worker has none."""
        if self._process.stdout is None:
            return None
        self._send(asdict(task) if isinstance(task, Range) else task)
        try:
            return _read_answer(task, json.loads(self._process.stdout.readline()))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def end(self) -> None:
        """Stop the process, in the middle of its work if need be."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def _read_answer(task: Task, value: object) -> Answer | None:
    if not isinstance(task, Range):
        return value if isinstance(value, str | list) else None
    if not isinstance(value, dict):
        return None
    value["roots"] = {int(size): peaks for size, peaks in value["roots"].items()}
    value["days"] = {int(day): seq for day, seq in value["days"].items()}
    value["notable"] = [tuple(each) for each in value["notable"]]
    return RangeResult(**value)


def serve(tasks: IO[str], answers: IO[str]) -> None:
    """A worker's life: read where the database is, then answer tasks until there are no more.

    A task that fails is answered with null.
    """
    path, how = json.loads(tasks.readline())
    source = Source(Path(path), how)
    with contextlib.closing(open_source(source)) as connection:
        for line in tasks:
            task = json.loads(line)
            try:
                answer = do(connection, source, Range(**task) if isinstance(task, dict) else task)
            except (sqlite3.Error, OSError, UnicodeError):
                answer = None
            whole = asdict(answer) if isinstance(answer, RangeResult) else answer
            answers.write(json.dumps(whole) + "\n")
            answers.flush()
