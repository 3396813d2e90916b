"""Internet messages (RFC 5322 and MIME): head, body and attached files. Standard library only.

Of alternatives, plain text and HTML are both kept for the page to choose from. What is not text is
a member, never text, whatever it says of itself.
"""

from __future__ import annotations

import binascii
import email.errors
import mimetypes
import re
from email import policy
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesParser
from email.utils import parsedate_to_datetime
from typing import cast

from ingest.errors import Failure, ReadFailure
from ingest.mail_page import SMALL_PICTURE, Attachments, Body, Mail
from ingest.options import ReadOptions
from ingest.read_text import decode

MEDIA_TYPE = "message/rfc822"

_AS_IT_STANDS = policy.default.clone(refold_source="none", linesep="\n")
_MALFORMED = (
    email.errors.MessageError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    AssertionError,
    ArithmeticError,
)  # what the parser of header fields is known to raise for those that are none
_LONG_FIELD = 20_000  # characters; the parser of addresses takes time with their square
_SIGNATURES = frozenset(
    {"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"}
)
_TNEF = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})
_UU = re.compile(r"^begin [0-7]{3,4} (\S.*)\n((?:[!-`]{1,90}\n)+?)`?\n?end[ \t]*$", re.MULTILINE)


def read(data: bytes, options: ReadOptions) -> Mail:
    """The mail in `data`. Raises ReadFailure (CORRUPT, TOO_MANY_MEMBERS)."""
    try:
        message = BytesParser(policy=policy.compat32).parsebytes(data.lstrip())
    except _MALFORMED as error:
        raise ReadFailure(Failure.CORRUPT) from error
    walk = _Walk(options)
    walk.part(message)
    date = _field(message, "date")
    return Mail(
        media_type=MEDIA_TYPE,
        subject=_field(message, "subject"),
        sender=_field(message, "from") or _field(message, "sender"),
        to=_field(message, "to"),
        cc=_field(message, "cc"),
        date=_iso(date),
        message_id=_field(message, "message-id"),
        bodies=tuple(walk.bodies),
        findings=tuple(walk.attachments.findings),
        members=tuple(walk.attachments.members),
    )


class _Walk:
    """Goes through the parts of a message: texts to the body, the rest to the attachments."""

    def __init__(self, options: ReadOptions) -> None:
        self.bodies: list[Body] = []
        self.attachments = Attachments()
        self._options = options

    def part(self, part: Message, related: bool = False) -> None:
        """Take in one part; `related` are those that its siblings' HTML may show."""
        if len(self.attachments.members) > self._options.max_members:
            raise ReadFailure(Failure.TOO_MANY_MEMBERS)
        kind = part.get_content_type()
        if kind == "message/rfc822":
            self._message(part)
        elif part.is_multipart() and kind.startswith("multipart/"):
            self._parts(part, kind)
        elif kind in _TNEF or _file_name(part).lower() == "winmail.dat":
            self.attachments.left_out("winmail.dat")
        elif kind in _SIGNATURES:
            pass  # it says nothing that can be read
        elif kind in ("text/plain", "text/html") and not _is_attached(part):
            self._text(kind, part)
        elif kind == "message/delivery-status":
            self.bodies += [Body(str(each)) for each in _children(part)]
        else:
            self._file(part, kind, related)

    def _parts(self, part: Message, kind: str) -> None:
        children = _children(part)
        if kind != "multipart/alternative":
            for child in children:
                self.part(child, related=kind == "multipart/related")
            return
        # All of them say the same: of several plain texts or HTML texts only the last counts, as
        # the richest (RFC 2046, 5.1.4). A calendar entry or the like is no file of its own here.
        said: list[list[Body]] = []
        for kinds in (("text/plain",), ("text/html", "multipart/related", "multipart/mixed")):
            of_kind = [child for child in children if child.get_content_type() in kinds]
            start = len(self.bodies)
            if of_kind:
                self.part(of_kind[-1])
            said.append(self.bodies[start:])
            del self.bodies[start:]
        plain, html = said
        if plain and html:
            text = "\n\n".join(each.plain for each in plain)
            self.bodies.append(Body(text, "\n".join(each.html for each in html)))
        else:
            self.bodies += plain or html

    def _text(self, kind: str, part: Message) -> None:
        text = _decoded(part)
        if kind == "text/html":
            self.bodies.append(Body(html=text))
            return
        if part.get_param("format", failobj="") == "flowed":
            text = _unflowed(text, part.get_param("delsp", failobj="") == "yes")
        for match in _UU.finditer(text):
            self.attachments.add(match.group(1), "", _uudecoded(match.group(2)))
        self.bodies.append(Body(_UU.sub("", text)))

    def _message(self, part: Message) -> None:
        inner = next(iter(_children(part)), None)
        if inner is None:
            self.attachments.left_out(_file_name(part) or "message")
            return
        name = _file_name(part) or _field(inner, "subject")[:80] or "message"
        if not name.lower().endswith((".eml", ".msg")):
            name += ".eml"
        try:
            data = inner.as_bytes(policy=_AS_IT_STANDS)
        except _MALFORMED:
            data = inner.as_bytes(policy=policy.compat32)
        self.attachments.add(name.replace("/", "-"), ".eml", data)

    def _file(self, part: Message, kind: str, related: bool) -> None:
        if kind.startswith("message/") and part.is_multipart():
            data = b"\n".join(child.as_bytes(policy=policy.compat32) for child in _children(part))
        else:
            data = _bytes(part)
        if not data:
            return
        inline = related or part.get_content_disposition() == "inline"
        if kind.startswith("image/") and inline and len(data) < SMALL_PICTURE:
            return
        self.attachments.add(_file_name(part), mimetypes.guess_extension(kind) or ".bin", data)


def _children(part: Message) -> list[Message]:
    """The parts of a part; none for what calls itself a multipart and has no bounds."""
    inside = part.get_payload()
    if not isinstance(inside, list):
        return []
    return [cast(Message, child) for child in inside]


def _is_attached(part: Message) -> bool:
    disposition = part.get_content_disposition()
    return disposition == "attachment" or bool(_file_name(part))


def _bytes(part: Message) -> bytes:
    found = part.get_payload(decode=True)
    return found if isinstance(found, bytes) else b""


def _decoded(part: Message) -> str:
    """The text of a part: in the encoding that it names, else in one that fits."""
    data = _bytes(part)
    try:
        return data.decode(part.get_content_charset() or "ascii").replace("\r\n", "\n")
    except (LookupError, ValueError):
        pass
    try:
        return decode(data)
    except ReadFailure:
        return data.decode("latin-1").replace("\r\n", "\n")


def _unflowed(text: str, delete_space: bool) -> str:
    """Lines that a mail program has broken put together again. RFC 3676, 4."""
    result: list[str] = []
    open_quote: str | None = None  # of the line before, if it goes on
    for line in text.split("\n"):
        quote = re.match(r">*", line).group()  # type: ignore[union-attr]
        words = line[len(quote) :].removeprefix(" ")
        flows = words.endswith(" ") and words != "-- "
        if flows and delete_space:
            words = words[:-1]
        if open_quote is not None and open_quote == quote:
            result[-1] += words
        else:
            result.append(f"{quote} {words}" if quote else words)
        open_quote = quote if flows else None
    return "\n".join(line.rstrip() for line in result)


def _uudecoded(lines: str) -> bytes:
    data = b""
    for line in lines.splitlines():
        try:
            data += binascii.a2b_uu(line)
        except binascii.Error:
            break
    return data


def _field(message: Message, name: str) -> str:
    """The header field `name`, all of its occurrences, decoded as far as it can be.

    UTF-8 may stand there as it is (RFC 6532); other bytes should not, and are taken as Latin-1.
    """
    values = []
    for key, raw in message.raw_items():
        if key.lower() == name:
            value = _unescaped(raw)
            try:
                parsed = len(value) <= _LONG_FIELD
                values.append(
                    str(policy.default.header_factory(name, value)) if parsed else _words(value)
                )
            except _MALFORMED:
                values.append(_words(value))
    return ", ".join(values)


def _unescaped(raw: object) -> str:
    """A field on one line, with what the parser could not take for ASCII and kept as surrogates."""
    value = "".join(str(raw).splitlines())
    data = value.encode("utf-8", "surrogateescape")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _file_name(part: Message) -> str:
    """The name given to a part, "" if there is none. RFC 2231, or what programs write instead."""
    fields = Message()
    for key, raw in part.raw_items():
        if key.lower() in ("content-disposition", "content-type"):
            fields[key] = _unescaped(raw)
    try:
        name = fields.get_filename() or ""
    except _MALFORMED:
        return ""
    return _words(name) if "=?" in name else name  # RFC 2047 where RFC 2231 belongs


def _words(text: str) -> str:
    try:
        return str(make_header(decode_header(text)))
    except _MALFORMED:
        return text


def _iso(date: str) -> str:
    try:
        return parsedate_to_datetime(date).isoformat()
    except (ValueError, TypeError, IndexError, OverflowError):
        return date
