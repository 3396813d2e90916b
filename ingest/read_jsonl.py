"""JSONL records as in a BEIR corpus: one JSON object a line, one record a document.

`{"_id": "...", "title": "...", "text": "...", "metadata": {...}}`; title and metadata may be
missing. A line that is no such object costs that record only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from ingest.errors import Failure, ReadFailure
from ingest.options import ReadOptions
from ingest.pages import MAX_NAME, Page, ReadDocument, ReadPage, clean, paragraphs
from ingest.seen import drawn

MEDIA_TYPE = "application/jsonl"

_MARK = b"\xef\xbb\xbf"


def read(data: bytes, options: ReadOptions) -> Iterator[ReadDocument | ReadFailure]:
    """Each record of `data`, or why its line is none (BAD_RECORD, NO_TEXT, TOO_DEEP); blank lines
    are passed over.
    """
    start = 0
    line = 0
    while start < len(data):
        line += 1
        newline = data.find(b"\n", start)
        end = len(data) if newline < 0 else newline
        begin = start + len(_MARK) if line == 1 and data.startswith(_MARK) else start
        start = end + 1
        if data[begin:end].strip():
            try:
                yield drawn(_record(data[begin:end], line, begin, end), options.keep_hidden)
            except ReadFailure as failure:
                yield failure


def _record(raw: bytes, line: int, begin: int, end: int) -> ReadDocument:
    try:
        record = json.loads(raw.decode("utf-8"))
    except RecursionError as error:
        raise ReadFailure(Failure.TOO_DEEP, line) from error
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError are both
        raise ReadFailure(Failure.BAD_RECORD, line) from error
    if not isinstance(record, dict):
        raise ReadFailure(Failure.BAD_RECORD, line)
    name, text, title = record.get("_id"), record.get("text"), record.get("title") or ""
    if isinstance(name, int) and not isinstance(name, bool):
        name = str(name)
    if not (isinstance(name, str) and isinstance(text, str) and isinstance(title, str)):
        raise ReadFailure(Failure.BAD_RECORD, line)
    name, title = clean(name).strip(), " ".join(clean(title).split())
    text = clean(text) if text.strip() else title
    if not 0 < len(name) <= MAX_NAME:
        raise ReadFailure(Failure.BAD_RECORD, line)
    if not text:
        raise ReadFailure(Failure.NO_TEXT, line)
    page = ReadPage(Page(1, text), paragraphs(text))
    return ReadDocument(
        MEDIA_TYPE, title, (page,), _metadata(record.get("metadata")), name, line, begin, end
    )


def _metadata(found: object) -> dict[str, str]:
    """The record's own description, values as text."""
    if not isinstance(found, dict):
        return {}
    return {
        clean(str(key)): clean(value if isinstance(value, str) else json.dumps(value))
        for key, value in found.items()
    }
