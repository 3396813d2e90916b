"""The process that reads documents: it has no network, little memory, and trusts nothing.

Run as `python -I -m ingest.reader_child --fd N --memory-mb M --seconds S`. Over the socket N it
takes requests `{"name", "passwords", "max_pages"}`, each with an open file, and answers with
messages of `ingest.wire`: `{"items": [...]}` with documents or failures, then `{"end": true}`; or
`{"failed": code}`. The parser libraries are loaded here and nowhere else.

What this does not protect against: a parser that is taken over can still read the files that the
account may read; without a network it cannot send them anywhere but back, where they would have to
pass for the text of the document.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.util
import os
import resource
from collections.abc import Iterator, Mapping
from multiprocessing import reduction
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol, cast

from ingest.errors import Failure, ReadFailure
from ingest.filetype import FileType, detect
from ingest.pages import ReadDocument
from ingest.wire import document_message, packed, unpacked

STAND_IN = "CLOISTER_READER_STAND_IN"
"""Names a Python file to read with instead; looked at only under `--stand-in`, by tests."""

_CLONE_NEWUSER = 0x10000000  # linux/sched.h
_CLONE_NEWNET = 0x40000000
_AT_ONCE = 500  # records in one message
_CHARACTERS_AT_ONCE = 1_000_000  # of their text, about
_REQUEST_BYTES = 1 << 20


class Reader(Protocol):
    """What reads: `read(name, data, request)`; raises ReadFailure for the whole file."""

    def __call__(
        self, name: str, data: bytes, request: Mapping[str, Any]
    ) -> Iterator[ReadDocument | ReadFailure]: ...


def read_any(
    name: str, data: bytes, request: Mapping[str, Any]
) -> Iterator[ReadDocument | ReadFailure]:
    """The document or records in `data`, by the reader for its type. Raises ReadFailure."""
    kind = detect(name, data)
    if kind is FileType.JSONL:
        from ingest import read_jsonl

        yield from read_jsonl.read(data)
        return
    document = _one(kind, data, request)
    if not any(page.page.text.strip() for page in document.pages):
        raise ReadFailure(Failure.NO_TEXT)
    yield document


def _one(kind: FileType, data: bytes, request: Mapping[str, Any]) -> ReadDocument:
    """Each reader is imported when first needed: a process that reads text never loads PDFium."""
    if kind is FileType.PDF:
        from ingest import read_pdf

        return read_pdf.read(data, request["passwords"], request["max_pages"])
    if kind is FileType.DOCX:
        from ingest import read_docx

        return read_docx.read(data, request["max_pages"])
    if kind is FileType.HTML:
        from ingest import read_html

        return read_html.read(data)
    if kind is FileType.MARKDOWN:
        from ingest import read_markdown

        return read_markdown.read(data)
    from ingest import read_text

    return read_text.read(data)


def drop_network() -> bool:
    """Move this process into a network of its own that has no devices; whether that worked.

    Needs a kernel that lets this account make namespaces. unshare(2).
    """
    libc = ctypes.CDLL(None, use_errno=True)
    return any(
        libc.unshare(flags) == 0 for flags in (_CLONE_NEWUSER | _CLONE_NEWNET, _CLONE_NEWNET)
    )


def limit(memory_mb: int) -> None:
    """Bound what this process may use: address space, no files written, no core dump."""
    memory = memory_mb << 20
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_processor(seconds: int) -> None:
    """Let this process use `seconds` more of the processor; then the kernel ends it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    allowed = int(used.ru_utime + used.ru_stime) + seconds + 1
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (allowed, hard))


def answer(connection: Connection, reader: Reader, request: Mapping[str, Any], file: int) -> None:
    """Read one file and send what is in it. A MemoryError is left to the caller."""
    try:
        with os.fdopen(file, "rb") as stream:
            data = stream.read()
        items: list[dict[str, object]] = []
        characters = 0
        for found in reader(str(request["name"]), data, request):
            items.append(_item(found))
            characters += _characters(found)
            if len(items) == _AT_ONCE or characters > _CHARACTERS_AT_ONCE:
                connection.send_bytes(packed({"items": items}))
                items.clear()
                characters = 0
        if items:
            connection.send_bytes(packed({"items": items}))
        connection.send_bytes(packed({"end": True}))
    except ReadFailure as failure:
        connection.send_bytes(packed({"failed": failure.failure}))
    except RecursionError:
        connection.send_bytes(packed({"failed": Failure.TOO_DEEP}))


def _item(found: ReadDocument | ReadFailure) -> dict[str, object]:
    if isinstance(found, ReadFailure):
        return {"failed": found.failure, "line": found.line}
    return document_message(found)


def _characters(found: ReadDocument | ReadFailure) -> int:
    if isinstance(found, ReadFailure):
        return 0
    return sum(len(read.page.text) for read in found.pages)


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
            answer(connection, reader, request, file)
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
    alone = drop_network()
    limit(options.memory_mb)
    reader: Reader = _stand_in(Path(os.environ[STAND_IN])) if options.stand_in else read_any
    connection.send_bytes(packed({"ready": True, "alone": alone}))
    serve(connection, reader, options.seconds)


if __name__ == "__main__":
    main()
