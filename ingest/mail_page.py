"""The page that a mail becomes: its head, then its body; and what is no text in a body.

Pure: what stands in an Internet message or an Outlook file is gathered elsewhere into a `Mail`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from ingest.errors import ReadFailure
from ingest.members import file_name, unique_name
from ingest.options import ReadOptions
from ingest.pages import (
    Finding,
    FindingKind,
    Kind,
    Member,
    Method,
    Piece,
    ReadDocument,
    clean,
    lay_out,
    paragraphs,
)
from ingest.seen import drawn

SMALL_PICTURE = 50 << 10
"""Pictures that are part of a mail's text and smaller than this many bytes are left out: the logos
and symbols of a signature."""

_RATHER_HTML = 3  # times as much text in it as in the plain text: that is only a note to say so
_JUNK = re.compile(
    r"(?:^[>| \t]{0,8}(?:[A-Za-z0-9+/]{56,80}|M[!-`]{59,61})={0,2}[ \t]*\n){12,}"
    r"(?:^[>| \t]{0,8}[A-Za-z0-9+/]{1,80}={0,2}[ \t]*$\n?)?",
    re.MULTILINE,
)  # that many lines of base64 or uuencode in a row are no text


@dataclass(frozen=True, slots=True)
class Body:
    """A part of a mail's text, in up to three forms that say the same."""

    plain: str = ""
    html: str = ""
    rtf: bytes = b""


@dataclass(frozen=True, slots=True)
class Mail:
    """What is read of a mail. Addresses as people write them, `date` ISO 8601 if it was one."""

    media_type: str
    subject: str
    sender: str
    to: str = ""
    cc: str = ""
    date: str = ""
    message_id: str = ""
    bodies: tuple[Body, ...] = ()
    findings: tuple[Finding, ...] = ()
    members: tuple[Member, ...] = field(default=(), repr=False)


class Attachments:
    """Members on the way, each under a name of its own."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.findings: list[Finding] = []
        self._taken: set[str] = set()

    def add(self, name: str, extension: str, data: bytes) -> None:
        """A file of the name it was given, if there is one, else by its number."""
        name = file_name(name) or f"attachment-{len(self.members) + 1}{extension}"
        name = unique_name(name, self._taken)
        self._taken.add(name)
        self.members.append(Member(name, data))

    def left_out(self, name: str) -> None:
        """Report a file that cannot be taken in."""
        self.findings.append(Finding(FindingKind.EMBEDDED_FILE, 1, 0, clean(name)[:120]))


def document(mail: Mail, options: ReadOptions) -> ReadDocument:
    """The mail as a document of one page, UNREAD if a part of its text could not be read."""
    head = [
        ("From", mail.sender),
        ("To", mail.to),
        ("Cc", mail.cc),
        ("Date", mail.date),
        ("Subject", mail.subject),
    ]
    lines = "\n".join(f"{name}: {_line(value)}" for name, value in head if value.strip())
    pieces = [Piece(lines)]
    findings = list(mail.findings)
    unread = False
    for body in mail.bodies:
        try:
            found, more = _body(body, options)
        except ReadFailure:  # the head and what is attached are worth having all the same
            found, more, unread = (), (Finding(FindingKind.UNREADABLE_PAGE, 1),), True
        pieces += found
        findings += more
    (page,) = lay_out([pieces], [""])
    if unread:
        page = replace(page, page=replace(page.page, method=Method.UNREAD))
    facts = {
        "from": mail.sender, "to": mail.to, "date": mail.date, "message-id": mail.message_id
    }  # fmt: skip
    document = ReadDocument(
        mail.media_type,
        _line(mail.subject),
        (page,),
        metadata={name: _line(value) for name, value in facts.items() if value.strip()},
        findings=tuple(findings),
    )
    return drawn(document, options.keep_hidden)


def without_junk(text: str) -> tuple[str, list[Finding]]:
    """`text` without runs of lines that are a file in base64 or uuencode, and what was left out."""
    findings = [
        Finding(FindingKind.EMBEDDED_FILE, 1, len(match.group()), match.group()[:120].strip())
        for match in _JUNK.finditer(text)
    ]
    return (_JUNK.sub("\n", text), findings) if findings else (text, [])


def _body(body: Body, options: ReadOptions) -> tuple[Sequence[Piece], Sequence[Finding]]:
    """The plain text, unless it is missing or only says that the mail is to be read as HTML.

    Raises ReadFailure if there is only HTML or RTF and it cannot be read.
    """
    plain, findings = without_junk(clean(body.plain))
    formatted = _formatted(body, options, bool(plain.strip()))
    if formatted is not None and _amount(formatted) > _RATHER_HTML * len("".join(plain.split())):
        pieces = []
        for piece in _pieces(formatted):
            kept, junk = without_junk(piece.text)
            findings += junk
            pieces.append(Piece(kept, piece.kind, piece.level, piece.tight))
        return pieces, [*findings, *(_on_the_page(each) for each in formatted.findings)]
    return [Piece(plain[each.start : each.end]) for each in paragraphs(plain)], findings


def _formatted(body: Body, options: ReadOptions, has_plain: bool) -> ReadDocument | None:
    """The body as HTML or RTF. Raises ReadFailure if it cannot be read and there is no other."""
    try:
        if body.html.strip():
            from ingest import read_html

            marked = b"\xef\xbb\xbf" + body.html.encode("utf-8", "replace")
            return read_html.read(marked, options)  # the mark outdoes what the HTML says
        if body.rtf and not has_plain:
            from ingest import read_rtf

            return read_rtf.read(body.rtf, options)
    except ReadFailure:
        if not has_plain:
            raise
    return None


def _pieces(found: ReadDocument) -> Iterable[Piece]:
    """A document's blocks as pieces again, to stand on one page."""
    for read in found.pages:
        end = 0
        for block in read.blocks:
            text = read.page.text
            tight = block.kind is Kind.TEXT and text[end : block.start] == "\n"
            yield Piece(text[block.start : block.end], block.kind, block.level, tight)
            end = block.end


def _on_the_page(finding: Finding) -> Finding:
    return Finding(finding.kind, 1, finding.characters, finding.sample)


def _amount(found: ReadDocument) -> int:
    return sum(len("".join(read.page.text.split())) for read in found.pages)


def _line(value: str) -> str:
    return " ".join(clean(value).split())
