"""The process that reads documents: it has no network, little memory, changes no file.

Run as `python -I -m ingest.reader_child --fd N --memory-mb M --seconds S`. Over the socket N it
takes requests `{"name", "options"}`, each with an open file, and answers with messages of
`ingest.wire`: `{"items": [...]}` with documents or failures; `{"member", "size"}`, followed by the
bytes of the member as they are; `{"pulse": true}` from a reader that is slow but goes on; at last
`{"end": true}` or `{"failed": code}`. The parser libraries are loaded here and nowhere else.

What this does not protect against: a parser that is taken over can still read the files that the
account may read; without a network it cannot send them anywhere but back, where they would have to
pass for the text of the document.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import resource
import select
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from multiprocessing import reduction
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol, cast

from audit.confine import confine, has_network
from ingest.errors import Failure, ReadFailure
from ingest.filetype import FileType, detect
from ingest.options import ReadOptions
from ingest.pages import Member, ReadDocument
from ingest.wire import document_message, failure_message, packed, unpacked

STAND_IN = "CLOISTER_READER_STAND_IN"
"""Names a Python file to read with instead; looked at only under `--stand-in`, by tests."""

_AT_ONCE = 500  # records in one message
_CHARACTERS_AT_ONCE = 1_000_000  # of their text, about
_REQUEST_BYTES = 1 << 20
_PULSE_SECONDS = 0.2  # between two signs of life at least
_OPEN_FILES = 256

_MODULES = {
    FileType.PDF: "read_pdf",
    FileType.DOCX: "read_docx",
    FileType.PPTX: "read_pptx",
    FileType.XLSX: "read_xlsx",
    FileType.ODT: "read_odt",
    FileType.RTF: "read_rtf",
    FileType.HTML: "read_html",
    FileType.MARKDOWN: "read_markdown",
    FileType.TEXT: "read_text",
    FileType.CSV: "read_csv",
    FileType.PNG: "read_image",
    FileType.JPEG: "read_image",
    FileType.TIFF: "read_image",
    FileType.JSONL: "read_jsonl",
    FileType.EML: "read_mail",
    FileType.MSG: "read_mail",
    FileType.ZIP: "read_zip",
}

Found = ReadDocument | ReadFailure | Member


class Reader(Protocol):
    """What reads: `read(name, data, options)`; raises ReadFailure for the whole file."""

    def __call__(self, name: str, data: bytes, options: ReadOptions) -> Iterator[Found]: ...


def read_any(name: str, data: bytes, options: ReadOptions) -> Iterator[Found]:
    """What is in `data`, by the reader for its type. Raises ReadFailure.

    Each reader is imported when first needed: a process that reads text never loads PDFium. A
    document without text fails, but for a mail, which may have members.
    """
    kind = detect(name, data)
    reader = importlib.import_module(f"ingest.{_MODULES[kind]}")
    found = reader.read(data, options)
    if not isinstance(found, ReadDocument):
        yield from cast(Iterable[Found], found)
        return
    if not any(page.page.text.strip() for page in found.pages):
        raise ReadFailure(Failure.NO_TEXT)
    yield found


def limit(memory_mb: int) -> None:
    """Bound what this process may use: address space, open files, no file written, no core dump.

    What it starts inherits all of these, each for itself.
    """
    memory = memory_mb << 20
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_processor(seconds: int) -> None:
    """Let this process use `seconds` more of the processor; then the kernel ends it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    allowed = int(used.ru_utime + used.ru_stime) + seconds + 1
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (allowed, hard))


def end_with(connection: Connection) -> None:
    """End this process and all that it started as soon as the other side has gone.

    A thread watches, because who reads a file does not look at the socket, and a signal on the
    parent's death would come when the thread that started this process ends.
    """

    def watch() -> None:
        hung_up = select.poll()
        hung_up.register(connection.fileno(), 0)  # which still reports that the other side closed
        hung_up.poll()
        if os.getpgrp() == os.getpid():
            os.killpg(os.getpid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="end with parent", daemon=True).start()


class Answer:
    """Sends what is found in one file, many small items in one message."""

    def __init__(self, connection: Connection, seconds: int) -> None:
        self._connection = connection
        self._seconds = seconds
        self._items: list[dict[str, object]] = []
        self._characters = 0
        self._pulsed = time.monotonic()

    def read(self, reader: Reader, request: Any, file: int) -> None:
        """Read one file and send what is in it. A MemoryError is left to the caller."""
        try:
            with os.fdopen(file, "rb") as stream:
                data = stream.read()
            options = ReadOptions.of(request["options"], self.pulse)
            for found in reader(str(request["name"]), data, options):
                self._add(found)
            self._flush()
            self._send({"end": True})
        except ReadFailure as failure:
            self._send({"failed": failure.failure})
        except RecursionError:
            self._send({"failed": Failure.TOO_DEEP})

    def pulse(self) -> None:
        """Say that the reader goes on, and let it."""
        now = time.monotonic()
        if now - self._pulsed >= _PULSE_SECONDS:
            self._pulsed = now
            limit_processor(self._seconds)
            self._send({"pulse": True})

    def _add(self, found: Found) -> None:
        if isinstance(found, Member):
            self._flush()
            self._send({"member": found.name, "size": len(found.data)})
            self._connection.send_bytes(found.data)
            limit_processor(self._seconds)
            return
        if isinstance(found, ReadFailure):
            self._items.append(failure_message(found))
        else:
            self._items.append(document_message(found))
            self._characters += sum(len(read.page.text) for read in found.pages)
        if len(self._items) == _AT_ONCE or self._characters > _CHARACTERS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        if self._items:
            self._send({"items": self._items})
        self._items = []
        self._characters = 0

    def _send(self, message: dict[str, object]) -> None:
        self._connection.send_bytes(packed(message))


def serve(connection: Connection, reader: Reader, seconds: int) -> None:
    """Answer requests until the other side closes, or memory runs out."""
    while True:
        try:
            request, _ = unpacked(connection.recv_bytes(_REQUEST_BYTES), _REQUEST_BYTES)
            file = reduction.recv_handle(connection)
        except (EOFError, OSError):
            return
        limit_processor(seconds)
        try:
            Answer(connection, seconds).read(reader, request, file)
        except MemoryError:
            connection.send_bytes(packed({"failed": Failure.TOO_MUCH_MEMORY}))
            return


def _stand_in(path: Path) -> Reader:
    spec = importlib.util.spec_from_file_location("stand_in", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast(Reader, module.read)


def main() -> None:
    """Entry point of the child."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--memory-mb", type=int, required=True)
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--stand-in", action="store_true")
    options = parser.parse_args()
    connection = Connection(options.fd)
    confine(files=True)  # first, because it needs a process of one thread
    limit(options.memory_mb)
    end_with(connection)
    reader: Reader = _stand_in(Path(os.environ[STAND_IN])) if options.stand_in else read_any
    connection.send_bytes(packed({"ready": True, "alone": not has_network()}))
    serve(connection, reader, options.seconds)


if __name__ == "__main__":
    main()
