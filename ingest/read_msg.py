"""Outlook's own mail files (MSG): properties and attachments in a compound file.

Formats: MS-CFB, MS-OXMSG, MS-OXPROPS. Both libraries believe much of what a file says; whatever
they raise for a damaged one is CORRUPT.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.parser import HeaderParser
from typing import Any, TypeVar

import olefile
from oxmsg.domain import constants as pid
from oxmsg.properties import Properties
from oxmsg.storage import Storage

from ingest import mail_rtf
from ingest.errors import Failure, ReadFailure
from ingest.mail_page import SMALL_PICTURE, Attachments, Body, Mail
from ingest.members import file_name
from ingest.options import ReadOptions

MEDIA_TYPE = "application/vnd.ms-outlook"

_TOP, _EMBEDDED, _ATTACHMENT = 32, 24, 8  # bytes before the properties; MS-OXMSG 2.4
_INSIDE = "__substg1.0_3701000D"  # the storage of a message that is attached
_SENDER_SMTP = 0x5D01
_TO, _CC = 1, 2  # PidTagRecipientType, 0x0C15
_RECIPIENT_TYPE = 0x0C15

T = TypeVar("T")


def root_names(data: bytes) -> set[str]:
    """The names at the top of a compound file, in small letters. Raises ReadFailure (CORRUPT)."""
    with _damage(), olefile.OleFileIO(data) as file:
        return {entry.name.lower() for entry in file.root.kids}


def read(data: bytes, options: ReadOptions) -> Mail:
    """The mail in `data`. Raises ReadFailure (CORRUPT, TOO_MANY_MEMBERS)."""
    with _damage():
        with olefile.OleFileIO(data) as file:
            storage = Storage.from_ole(file)
        if not storage.properties_stream_bytes[_TOP:]:
            raise ReadFailure(Failure.CORRUPT)
        found = _Found(storage, _TOP)
        attachments = Attachments()
        for each in storage.iter_attachment_storages():
            if len(attachments.members) > options.max_members:
                raise ReadFailure(Failure.TOO_MANY_MEMBERS)
            _attach(each, attachments)
    return Mail(
        media_type=MEDIA_TYPE,
        subject=found.subject,
        sender=found.sender,
        to=found.recipients(_TO),
        cc=found.recipients(_CC),
        date=found.date,
        message_id=found.text(pid.PID_INTERNET_MESSAGE_ID) or found.headers["message-id"] or "",
        bodies=(found.body,),
        findings=tuple(attachments.findings),
        members=tuple(attachments.members),
    )


@contextmanager
def _damage() -> Iterator[None]:
    try:
        yield
    except (ReadFailure, MemoryError, RecursionError):
        raise
    except Exception as error:
        raise ReadFailure(Failure.CORRUPT) from error


def _or_none(get: Callable[[], T | None]) -> T | None:
    """A property that may be damaged on its own."""
    try:
        return get()
    except (KeyError, ValueError, OverflowError, LookupError, AttributeError, TypeError):
        return None


class _Found:
    """The properties of one message; `start` is where they begin in their stream."""

    def __init__(self, storage: Any, start: int) -> None:
        self._storage = storage
        self._properties = Properties(storage, properties_header_offset=start)
        raw = self.text(pid.PID_TRANSPORT_MESSAGE_HEADERS)
        self.headers = HeaderParser().parsestr(raw.lstrip())
        self.subject = self.text(pid.PID_SUBJECT)

    def text(self, number: int) -> str:
        """A text property, "" if it is missing."""
        return (_or_none(lambda: self._properties.str_prop_value(number)) or "").rstrip("\0")

    def binary(self, number: int) -> bytes:
        """A binary property, b"" if it is missing."""
        return _or_none(lambda: self._properties.binary_prop_value(number)) or b""

    @property
    def sender(self) -> str:
        name = self.text(pid.PID_SENDER_NAME) or self.text(pid.PID_SENT_REPRESENTING_NAME)
        address = self.text(_SENDER_SMTP)
        if not address and "@" in self.text(pid.PID_SENDER_EMAIL_ADDRESS):
            address = self.text(pid.PID_SENDER_EMAIL_ADDRESS)  # else it is an Exchange path
        return _person(name, address) or self.headers["from"] or ""

    @property
    def date(self) -> str:
        for number in (pid.PID_CLIENT_SUBMIT_TIME, pid.PID_MESSAGE_DELIVERY_TIME):
            found = _or_none(lambda: self._properties.date_prop_value(number))  # noqa: B023
            if found is not None:
                return str(found.isoformat())
        return self.headers["date"] or ""

    def recipients(self, kind: int) -> str:
        """Those of one kind, as people write them."""
        people = []
        for storage in self._storage.iter_recipient_storages():
            each = _Found(storage, _ATTACHMENT)
            if (_or_none(lambda: each._properties.int_prop_value(_RECIPIENT_TYPE)) or _TO) == kind:  # noqa: B023
                address = each.text(pid.PID_SMTP_ADDRESS) or each.text(pid.PID_EMAIL_ADDRESS)
                people.append(_person(each.text(pid.PID_DISPLAY_NAME), address))
        listed = pid.PID_DISPLAY_TO if kind == _TO else pid.PID_DISPLAY_CC
        return ", ".join(filter(None, people)) or self.text(listed)

    @property
    def body(self) -> Body:
        html = self.text(pid.PID_BODY_HTML)
        if coded := self.binary(pid.PID_HTML):
            html = coded.decode(self._encoding(), "replace")
        rtf = b""
        if not html and (packed := self.binary(pid.PID_RTF_COMPRESSED)):
            rtf = mail_rtf.unpacked(packed)
            html = mail_rtf.html_within(rtf) or ""
        return Body(self.text(pid.PID_BODY), html, b"" if html else rtf)

    def _encoding(self) -> str:
        try:
            name = str(self._properties.body_encoding)
            "".encode(name)
        except (LookupError, ValueError, TypeError):
            return "utf-8"
        return name


def _person(name: str, address: str) -> str:
    if not address or address == name:
        return name
    return f"{name} <{address}>" if name else address


def _attach(storage: Any, attachments: Attachments) -> None:
    found = _Found(storage, _ATTACHMENT)
    name = next(
        filter(
            None,
            map(
                found.text,
                (pid.PID_ATTACH_LONG_FILENAME, pid.PID_ATTACH_FILENAME, pid.PID_DISPLAY_NAME),
            ),
        ),
        "",
    )
    inside = next((each for each in storage.storages if each.name == _INSIDE), None)
    data = found.binary(pid.PID_ATTACH_DATA_BINARY)
    if inside is not None and any(
        each.name == "__properties_version1.0" for each in inside.streams
    ):
        inner = _Found(inside, _EMBEDDED)
        name = file_name(name or inner.subject[:80]) or "message"
        attachments.add(f"{name.removesuffix('.msg')}.eml", ".eml", _as_eml(inside))
    elif not data:
        attachments.left_out(name or "attachment")  # by reference, or an object of another program
    elif name.lower() == "winmail.dat":
        attachments.left_out(name)
    elif not (_is_shown_in_text(found) and len(data) < SMALL_PICTURE):
        attachments.add(name, found.text(pid.PID_ATTACH_EXTENSION) or ".bin", data)


def _is_shown_in_text(attachment: _Found) -> bool:
    kind = attachment.text(pid.PID_ATTACH_MIME_TAG)
    return kind.startswith("image/") and bool(attachment.text(pid.PID_ATTACH_CONTENT_ID))


def _as_eml(storage: Any) -> bytes:
    """A message within a message as an Internet message; the same bytes for the same message."""
    found = _Found(storage, _EMBEDDED)
    attachments = Attachments()
    for each in storage.iter_attachment_storages():
        _attach(each, attachments)
    body = found.body
    if body.rtf:
        attachments.add("message.rtf", ".rtf", body.rtf)
    texts: list[Message] = [MIMEText(body.plain, "plain", "utf-8")]
    if body.html:
        html = MIMEText(body.html, "html", "utf-8")
        texts = [MIMEMultipart("alternative", _boundary(texts[0], html), [*texts, html])]
    for member in attachments.members:
        part = MIMEApplication(member.data)
        part.add_header("Content-Disposition", "attachment", filename=("utf-8", "", member.name))
        texts.append(part)
    message = texts[0] if len(texts) == 1 else MIMEMultipart("mixed", _boundary(*texts), texts)
    fields = {
        "From": found.sender,
        "To": found.recipients(_TO),
        "Cc": found.recipients(_CC),
        "Date": found.date,
        "Subject": found.subject,
        "Message-ID": found.text(pid.PID_INTERNET_MESSAGE_ID),
    }
    head = "".join(
        f"{name}: {' '.join(value.split())}\n" for name, value in fields.items() if value
    )
    return head.encode("utf-8", "replace") + message.as_bytes()


def _boundary(*parts: Message) -> str:
    """A line that none of `parts` holds, and the same each time."""
    return "=_" + hashlib.sha256(b"".join(part.as_bytes() for part in parts)).hexdigest()[:40]
