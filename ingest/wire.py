"""What crosses the boundary between the process that reads and the one that trusts.

A message is zlib-compressed JSON; only the bytes of a member follow their message as they are. The
sender may have been taken over by the document it read, so its every value is `untrusted_...` until
it has been checked here against a type and a limit. Reasons for a failure cross as codes of
`ingest.errors.Failure`, never as text to be shown.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeVar

from ingest.errors import Failure, ReadFailure
from ingest.members import MemberFailure, is_safe
from ingest.pages import (
    MAX_NAME,
    Block,
    Box,
    Finding,
    FindingKind,
    Kind,
    Method,
    Page,
    ReadDocument,
    ReadPage,
    clean,
)

MEDIA_TYPES = frozenset(
    {
        "application/jsonl",
        "application/pdf",
        "application/rtf",
        "application/vnd.ms-outlook",
        "application/vnd.oasis.opendocument.text",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "image/jpeg",
        "image/png",
        "image/tiff",
        "message/rfc822",
        "text/csv",
        "text/html",
        "text/markdown",
        "text/plain",
        "text/rtf",
        "text/tab-separated-values",
    }
)
"""Of all that there is a reader for."""

MAX_FINDINGS = 1000  # of one document
_MAX_METADATA = 64  # entries, of `declared` too
_MAX_VALUE = 4000  # characters of one
_MAX_LISTED = 1000  # entries of a list in `declared`
_MAX_SAMPLE = 120  # characters of a finding's
_MAX_COUNT = 2**40  # of anything that is only counted
_MAX_POINTS = 1e6  # a page's width and height, and any place on it


_Code = TypeVar("_Code", bound=StrEnum)


class UntrustedMessageError(Exception):
    """A message is not what a reader sends. `too_large`: it would unpack to more than the limit."""

    def __init__(self, what: str, *, too_large: bool = False) -> None:
        super().__init__(what)
        self.too_large = too_large


def packed(message: Mapping[str, object]) -> bytes:
    """`message` as bytes to send."""
    return zlib.compress(json.dumps(message, separators=(",", ":")).encode("ascii"), 1)


def unpacked(untrusted_bytes: bytes, limit: int) -> tuple[Mapping[str, Any], int]:
    """A message and its unpacked size, which is at most `limit` bytes.

    Raises UntrustedMessageError.
    """
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(untrusted_bytes, limit + 1)
        if len(raw) > limit:
            raise UntrustedMessageError("larger than the limit", too_large=True)
        message = json.loads(raw)
    except (zlib.error, ValueError, RecursionError) as error:
        raise UntrustedMessageError("not a packed JSON text") from error
    if not isinstance(message, dict):
        raise UntrustedMessageError("not an object")
    return message, len(raw)


def document_message(document: ReadDocument) -> dict[str, object]:
    """A document as plain values, the counterpart of `checked_document`."""
    return {
        "media_type": document.media_type,
        "title": clean(document.title)[:MAX_NAME],
        "metadata": {
            clean(key)[:MAX_NAME]: clean(value)[:_MAX_VALUE]
            for key, value in list(document.metadata.items())[:_MAX_METADATA]
        },
        "declared": {
            clean(key)[:MAX_NAME]: _declared_message(value)
            for key, value in list(document.declared.items())[:_MAX_METADATA]
        },
        "findings": [
            [each.kind, each.page, each.characters, clean(each.sample)[:_MAX_SAMPLE]]
            for each in bounded(document.findings)
        ],
        "name": document.name,
        "line": document.line,
        "bytes": [document.byte_start, document.byte_end],
        "pages": [_page_message(page) for page in document.pages],
    }


def failure_message(failure: ReadFailure) -> dict[str, object]:
    """Why a record or member could not be read, the counterpart of `checked_item_failure`."""
    member = {"member": failure.name} if isinstance(failure, MemberFailure) else {}
    return {"failed": failure.failure, "line": failure.line, **member}


def bounded(findings: Sequence[Finding]) -> Sequence[Finding]:
    """At most MAX_FINDINGS of `findings`; what is more is summed by kind, on page 0."""
    if len(findings) <= MAX_FINDINGS:
        return findings
    kept = MAX_FINDINGS - len(FindingKind)
    more: Counter[str] = Counter()
    for each in findings[kept:]:
        more[each.kind] += each.characters
    return [*findings[:kept], *(Finding(kind, 0, count) for kind, count in more.items())]


def _declared_message(value: str | tuple[str, ...]) -> str | list[str]:
    if isinstance(value, str):
        return clean(value)[:_MAX_VALUE]
    return [clean(each)[:_MAX_VALUE] for each in value[:_MAX_LISTED]]


def _page_message(read: ReadPage) -> dict[str, object]:
    page = read.page
    return {
        "text": page.text,
        "label": clean(page.label)[:MAX_NAME],
        "size": [page.width, page.height],
        "method": page.method,
        "confidence": page.confidence,
        "boxes": [
            [box.start, box.end, box.left, box.top, box.right, box.bottom] for box in page.boxes
        ],
        "blocks": [[block.start, block.end, block.kind, block.level] for block in read.blocks],
    }


def checked_document(untrusted: object, max_pages: int, size: int) -> ReadDocument:
    """A document as the reader claims it, if every part of it is possible.

    `size` is the length of the file in bytes. Raises UntrustedMessageError.
    """
    found = _mapping(untrusted)
    media_type = _text(found.get("media_type"), MAX_NAME)
    if media_type not in MEDIA_TYPES:
        raise UntrustedMessageError("unknown media type")
    pages = _list(found.get("pages"), max_pages)
    span = _list(found.get("bytes"), 2)
    start, end = (_integer(value, size) for value in _exactly(span, 2))
    if start > end:
        raise UntrustedMessageError("bytes out of order")
    return ReadDocument(
        media_type=media_type,
        title=_text(found.get("title"), MAX_NAME),
        pages=tuple(_checked_page(page, number) for number, page in enumerate(pages, start=1)),
        metadata=_checked_metadata(found.get("metadata")),
        declared=_checked_declared(found.get("declared")),
        findings=_checked_findings(found.get("findings"), len(pages)),
        name=_text(found.get("name"), MAX_NAME),
        line=_integer(found.get("line"), size + 1),
        byte_start=start,
        byte_end=end,
    )


def checked_failure(untrusted: object) -> Failure:
    """A failure code. Raises UntrustedMessageError."""
    try:
        return Failure(str(untrusted))
    except ValueError as error:
        raise UntrustedMessageError("unknown failure") from error


def checked_item_failure(untrusted: Mapping[str, object]) -> ReadFailure:
    """Why one record or member could not be read. Raises UntrustedMessageError."""
    failure = checked_failure(untrusted.get("failed"))
    if "member" in untrusted:
        return MemberFailure(failure, _member_name(untrusted["member"]))
    line = untrusted.get("line")
    return ReadFailure(failure, None if line is None else _integer(line, _MAX_COUNT))


def checked_member(
    untrusted: Mapping[str, object], most: int, taken: Container[str]
) -> tuple[str, int]:
    """The name of a member, which is none of `taken`, and its size, at most `most` bytes.

    Raises UntrustedMessageError.
    """
    name = _member_name(untrusted.get("member"))
    if name in taken:
        raise UntrustedMessageError("two members of one name")
    size = untrusted.get("size")
    if type(size) is int and size > most:
        raise UntrustedMessageError("larger than the limit", too_large=True)
    return name, _integer(size, most)


def _member_name(untrusted: object) -> str:
    name = _text(untrusted, MAX_NAME)
    if not is_safe(name):
        raise UntrustedMessageError("a name that leads elsewhere")
    return name


def _checked_page(untrusted: object, number: int) -> ReadPage:
    found = _mapping(untrusted)
    text = _text(found.get("text"), 2**31)
    width, height = (_points(value) for value in _exactly(_list(found.get("size"), 2), 2))
    boxes = []
    at = 0
    for entry in _list(found.get("boxes"), len(text)):
        values = _exactly(entry, 6)
        start, end = _span(values, at, len(text))
        left, top, right, bottom = (_points(value) for value in values[2:])
        if left > right or top > bottom:
            raise UntrustedMessageError("a box turned inside out")
        boxes.append(Box(start, end, left, top, right, bottom))
        at = end
    blocks = _checked_blocks(found.get("blocks"), text)
    return ReadPage(
        Page(
            number,
            text,
            label=_text(found.get("label"), MAX_NAME),
            width=width,
            height=height,
            boxes=tuple(boxes),
            method=_one_of(Method, found.get("method")),
            confidence=_confidence(found.get("confidence")),
        ),
        blocks,
    )


def _checked_blocks(untrusted: object, text: str) -> tuple[Block, ...]:
    """Blocks in order that leave out nothing but white space."""
    blocks = []
    at = 0
    for entry in _list(untrusted, len(text)):
        values = _exactly(entry, 4)
        start, end = _span(values, at, len(text))
        if text[at:start].strip():
            raise UntrustedMessageError("text outside all blocks")
        blocks.append(Block(start, end, _one_of(Kind, values[2]), _integer(values[3], 99)))
        at = end
    if text[at:].strip():
        raise UntrustedMessageError("text outside all blocks")
    return tuple(blocks)


def _checked_findings(untrusted: object, pages: int) -> tuple[Finding, ...]:
    found = []
    for entry in _list(untrusted, MAX_FINDINGS):
        kind, page, characters, sample = _exactly(entry, 4)
        found.append(
            Finding(
                _one_of(FindingKind, kind).value,
                _integer(page, pages),
                _integer(characters, _MAX_COUNT),
                _text(sample, _MAX_SAMPLE),
            )
        )
    return tuple(found)


def _checked_declared(untrusted: object) -> dict[str, str | tuple[str, ...]]:
    found = _mapping(untrusted)
    if len(found) > _MAX_METADATA:
        raise UntrustedMessageError("too much declared")
    return {
        _text(key, MAX_NAME): tuple(_text(each, _MAX_VALUE) for each in _list(value, _MAX_LISTED))
        if isinstance(value, list)
        else _text(value, _MAX_VALUE)
        for key, value in found.items()
    }


def _one_of(codes: type[_Code], untrusted: object) -> _Code:
    if not isinstance(untrusted, str):
        raise UntrustedMessageError("not a code")
    try:
        return codes(untrusted)
    except ValueError as error:
        raise UntrustedMessageError("an unknown code") from error


def _confidence(untrusted: object) -> float | None:
    if untrusted is None:
        return None
    if not isinstance(untrusted, (int, float)) or isinstance(untrusted, bool):
        raise UntrustedMessageError("not a number")
    if not 0 <= untrusted <= 1:  # nor is NaN
        raise UntrustedMessageError("a confidence outside 0..1")
    return float(untrusted)


def _span(values: list[Any], least: int, most: int) -> tuple[int, int]:
    start, end = _integer(values[0], most), _integer(values[1], most)
    if not least <= start < end:
        raise UntrustedMessageError("offsets out of order")
    return start, end


def _mapping(untrusted: object) -> dict[str, Any]:
    if not isinstance(untrusted, dict):
        raise UntrustedMessageError("not an object")
    return untrusted


def _list(untrusted: object, most: int) -> list[Any]:
    if not isinstance(untrusted, list) or len(untrusted) > most:
        raise UntrustedMessageError("not a list, or too long a one")
    return untrusted


def _exactly(untrusted: object, length: int) -> list[Any]:
    if not isinstance(untrusted, list) or len(untrusted) != length:
        raise UntrustedMessageError("a list of the wrong length")
    return untrusted


def _integer(untrusted: object, most: int) -> int:
    if type(untrusted) is not int or not 0 <= untrusted <= most:
        raise UntrustedMessageError("not a number within its limits")
    return untrusted


def _points(untrusted: object) -> float:
    if not isinstance(untrusted, (int, float)) or isinstance(untrusted, bool):
        raise UntrustedMessageError("not a number")
    if not -_MAX_POINTS <= untrusted <= _MAX_POINTS:  # nor is NaN
        raise UntrustedMessageError("a place off any page")
    return float(untrusted)


def _text(untrusted: object, most: int) -> str:
    """Text that any store can hold: without lone surrogates and control characters."""
    if not isinstance(untrusted, str) or len(untrusted) > most or clean(untrusted) != untrusted:
        raise UntrustedMessageError("not a text within its limits")
    return untrusted


def _checked_metadata(untrusted: object) -> dict[str, str]:
    found = _mapping(untrusted)
    if len(found) > _MAX_METADATA:
        raise UntrustedMessageError("too much metadata")
    return {_text(key, MAX_NAME): _text(value, _MAX_VALUE) for key, value in found.items()}
