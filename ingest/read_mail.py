"""Mails, as Internet messages (EML) and as Outlook keeps them (MSG): one page, then the files
attached to it.
"""

from __future__ import annotations

from collections.abc import Iterator

from ingest import mail_eml, mail_page
from ingest.errors import Failure, ReadFailure
from ingest.members import Allowance
from ingest.options import ReadOptions
from ingest.pages import Member, ReadDocument

_OLE = b"\xd0\xcf\x11\xe0"


def read(data: bytes, options: ReadOptions) -> Iterator[ReadDocument | Member]:
    """The mail in `data` as a document, then its attached files.

    Raises ReadFailure (CORRUPT, NO_TEXT, TOO_MANY_MEMBERS).
    """
    if data.startswith(_OLE):
        from ingest import read_msg

        mail = read_msg.read(data, options)
    else:
        mail = mail_eml.read(data, options)
    allowance = Allowance(options)
    for member in mail.members:
        allowance.take(len(member.data))
    document = mail_page.document(mail, options)
    if not (mail.members or document.pages[0].page.text):
        raise ReadFailure(Failure.NO_TEXT)
    yield document
    yield from mail.members
