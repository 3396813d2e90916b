"""A mail is one page and the files attached to it; nothing that is no text becomes text."""

from __future__ import annotations

import base64
import datetime as dt
import random
from email.message import EmailMessage
from email.policy import SMTP

import pytest

from ingest import mail_rtf, read_html, read_mail, read_rtf
from ingest.errors import Failure, ReadFailure
from ingest.members import is_safe
from ingest.options import ReadOptions
from ingest.pages import FindingKind, Member, Method, ReadDocument
from tests.ingest.ole_writer import Msg

OPTIONS = ReadOptions()


def read(data: bytes, options: ReadOptions = OPTIONS) -> tuple[ReadDocument, dict[str, bytes]]:
    document, *members = read_mail.read(data, options)
    assert isinstance(document, ReadDocument)
    assert len(document.pages) == 1
    found = {each.name: each.data for each in members if isinstance(each, Member)}
    assert len(found) == len(members)
    assert all(is_safe(name) for name in found)
    return document, found


def text_of(data: bytes) -> str:
    return read(data)[0].pages[0].page.text


def mail(text: str = "Dear all,\n\nsix years.\n\n-- \nAnn", **headers: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Ann Ärger <ann@example.org>"
    message["To"] = "Bob <bob@example.org>, Zoë <zoe@example.org>"
    message["Date"] = "Tue, 03 Mar 2026 10:15:00 +0100"
    message["Subject"] = "Retention — periods"
    message["Message-ID"] = "<1@example.org>"
    for name, value in headers.items():
        del message[name]
        message[name] = value
    message.set_content(text)
    return message


def raw(head: str, body: str | bytes = "") -> bytes:
    coded = body if isinstance(body, bytes) else body.encode()
    return head.strip().replace("\n", "\r\n").encode() + b"\r\n\r\n" + coded


def test_a_mail_is_one_page_with_its_head() -> None:
    document, members = read(mail(Cc="Carl <carl@example.org>").as_bytes())
    assert document.pages[0].page.text == (
        "From: Ann Ärger <ann@example.org>\n"
        "To: Bob <bob@example.org>, Zoë <zoe@example.org>\n"
        "Cc: Carl <carl@example.org>\n"
        "Date: 2026-03-03T10:15:00+01:00\n"
        "Subject: Retention — periods\n\n"
        "Dear all,\n\nsix years.\n\n-- \nAnn"
    )
    assert (document.title, document.media_type) == ("Retention — periods", "message/rfc822")
    assert document.metadata == {
        "from": "Ann Ärger <ann@example.org>",
        "to": "Bob <bob@example.org>, Zoë <zoe@example.org>",
        "date": "2026-03-03T10:15:00+01:00",
        "message-id": "<1@example.org>",
    }
    assert members == {}


def test_what_is_attached_are_members_with_names_of_their_own() -> None:
    message = mail()
    pdf = random.Random(1).randbytes(50_000)
    for name in ("contract.pdf", "contract.pdf", "../../etc/passwd", "Übersicht „neu“.pdf", ""):
        message.add_attachment(pdf, "application", "pdf", filename=name or None)
    message.add_attachment("a,b\n1,2\n", subtype="csv", filename="t.csv")
    document, members = read(message.as_bytes(policy=SMTP))
    assert list(members) == [
        "contract.pdf", "contract-2.pdf", "etc_passwd", "Übersicht „neu“.pdf", "attachment-5.pdf",
        "t.csv",
    ]  # fmt: skip
    assert members["attachment-5.pdf"] == pdf
    assert members["t.csv"].replace(b"\r\n", b"\n") == b"a,b\n1,2\n"
    assert len(document.pages[0].page.text) < 300


def test_a_name_by_rfc_2047_is_read_though_it_does_not_belong_there() -> None:
    coded = base64.b64encode("Größe.txt".encode()).decode()
    data = raw(
        "From: a@b.c\nSubject: s\nMIME-Version: 1.0\nContent-Type: application/octet-stream\n"
        f'Content-Disposition: attachment; filename="=?utf-8?B?{coded}?="',
        "x",
    )
    assert list(read(data)[1]) == ["Größe.txt"]


def test_a_name_may_be_plain_utf8() -> None:
    data = raw(
        "From: a@b.c\nSubject: s\nMIME-Version: 1.0\nContent-Type: application/octet-stream\n"
        'Content-Disposition: attachment; filename="Größe.txt"',
        "x",
    )
    assert list(read(data)[1]) == ["Größe.txt"]


def test_a_mail_to_very_many_is_read() -> None:
    people = ", ".join(f"person{n} <p{n}@example.org>" for n in range(20_000))
    assert "person19999 <p19999@example.org>" in text_of(raw(f"From: a@b.c\nTo: {people}", "x"))


def test_of_alternatives_the_plain_text_counts() -> None:
    message = mail("Plain and true to the last word.")
    message.add_alternative("<p>Plain and <b>true</b> to the last word.</p>", subtype="html")
    assert text_of(message.as_bytes()).endswith("\n\nPlain and true to the last word.")


@pytest.mark.parametrize("plain", ["", " \n\n", "Your program cannot show this mail."])
def test_html_counts_when_the_plain_text_says_nothing(plain: str) -> None:
    message = mail(plain)
    rows = "".join(f"<tr><td>kind {n}<td>{n} years" for n in range(9))
    message.add_alternative(f"<table><tr><th>kind<th>period{rows}</table>", subtype="html")
    found = text_of(message.as_bytes())
    assert "kind | period" in found
    assert "8 years" in found


def test_parts_that_are_no_alternatives_are_all_kept_in_order() -> None:
    message = mail("first")
    message.make_mixed()
    for text, kind in (("<p>second</p>", "html"), ("third", "plain")):
        part = EmailMessage()
        part.set_content(text, subtype=kind)
        message.attach(part)
    found = text_of(message.as_bytes())
    assert found.index("first") < found.index("second") < found.index("third")


def test_the_pictures_of_a_signature_are_left_out_and_large_ones_are_not() -> None:
    message = mail()
    message.add_alternative('<p>Hi</p><img src="cid:a"><img src="cid:b">', subtype="html")
    html = message.get_payload()[1]  # type: ignore[index]
    html.add_related(bytes(2_000), "image", "png", cid="<a>", filename="logo.png")  # type: ignore[union-attr]
    html.add_related(bytes(90_000), "image", "png", cid="<b>", filename="plan.png")  # type: ignore[union-attr]
    message.add_attachment(bytes(100), "image", "png", filename="small.png")
    assert list(read(message.as_bytes())[1]) == ["plan.png", "small.png"]


def test_a_mail_within_a_mail_is_a_member_and_reads_like_one() -> None:
    outer = mail("see below")
    outer.add_attachment(mail("the inner text", Subject="Inner / one"))
    document, members = read(outer.as_bytes())
    assert list(members) == ["Inner - one.eml"]
    assert "inner text" not in document.pages[0].page.text
    assert "the inner text" in text_of(members["Inner - one.eml"])


def test_reading_twice_gives_the_same_bytes() -> None:
    outer = mail("see below")
    outer.add_attachment(mail("the inner text"))
    assert read(outer.as_bytes()) == read(outer.as_bytes())


@pytest.mark.parametrize("prefix", ["", "> ", "  "])
def test_a_file_in_base64_within_the_text_is_no_text(prefix: str) -> None:
    junk = base64.encodebytes(random.Random(2).randbytes(9_000)).decode()
    quoted = "".join(prefix + line + "\n" for line in junk.splitlines())
    document, _ = read(mail(f"before\n\n{quoted}\nafter").as_bytes())
    text = document.pages[0].page.text
    assert "before" in text
    assert "after" in text
    assert len(text) < 400
    (finding,) = document.findings
    assert finding.kind == FindingKind.EMBEDDED_FILE
    assert finding.characters >= len(junk)
    assert len(finding.sample) <= 120


def test_a_uuencoded_file_is_a_member() -> None:
    lines = "begin 644 a.txt\n#:&EY\n`\nend\n"
    document, members = read(mail(f"before\n{lines}after").as_bytes())
    assert members == {"a.txt": b"hiy"}
    assert "begin 644" not in document.pages[0].page.text


def test_words_with_many_letters_are_text() -> None:
    words = "\n".join(
        f"Clause {n} says what is to be done about it by the archive" for n in range(40)
    )
    document, _ = read(mail(words).as_bytes())
    assert document.pages[0].page.text.endswith(words)


def test_flowed_text_is_put_together_again() -> None:
    data = raw(
        "From: a@b.c\nSubject: s\nMIME-Version: 1.0\nContent-Type: text/plain; format=flowed",
        "one \ntwo\n> quoted \n> on\nlast\n-- \nAnn",
    )
    assert text_of(data).endswith("\n\none two\n> quoted on\nlast\n--\nAnn")


@pytest.mark.parametrize(
    ("charset", "body", "expected"),
    [
        ("iso-8859-1", "Größe".encode("latin-1"), "Größe"),
        ("utf-8", "Größe".encode("cp1252") * 20, "Größe"),
        ("x-unheard-of", "Größe".encode(), "Größe"),
        ("us-ascii", "Größe".encode(), "Größe"),
    ],
)
def test_an_encoding_that_is_wrong_is_not_believed(
    charset: str, body: bytes, expected: str
) -> None:
    head = "From: a@b.c\nSubject: s\nMIME-Version: 1.0\nContent-Transfer-Encoding: 8bit\n"
    assert expected in text_of(raw(f"{head}Content-Type: text/plain; charset={charset}", body))


def test_a_header_may_be_plain_utf8_or_folded() -> None:
    data = raw("From: Zoë <z@b.c>\nSubject: Prüfung\n des Archivs\nMessage-ID: <2>", "x")
    document, _ = read(data)
    assert document.title == "Prüfung des Archivs"
    assert document.metadata["from"] == "Zoë <z@b.c>"


def test_signs_that_nobody_sees_are_left_out_and_told() -> None:
    spelled = "".join(chr(0xE0000 + ord(letter)) for letter in "obey")
    document, _ = read(mail(f"Six{spelled} years.").as_bytes())
    assert document.pages[0].page.text.endswith("\n\nSix years.")
    (finding,) = document.findings
    assert (finding.kind, finding.page, finding.sample) == (FindingKind.TAG_CHARACTERS, 1, "obey")


def test_a_body_that_cannot_be_read_does_not_cost_what_is_attached() -> None:
    message = EmailMessage()
    message["From"], message["Subject"] = "a@b.c", "s"
    message.set_content("<div>" * 50_000 + "x", subtype="html")
    message.add_attachment(b"words", "a", "b", filename="a.txt")
    document, members = read(message.as_bytes())
    assert members == {"a.txt": b"words"}
    page = document.pages[0].page
    assert (page.text, page.method) == ("From: a@b.c\nSubject: s", Method.UNREAD)
    assert [each.kind for each in document.findings] == [FindingKind.UNREADABLE_PAGE]


def test_tnef_is_reported() -> None:
    message = mail()
    message.add_attachment(b'x\x9f>"', "application", "ms-tnef", filename="winmail.dat")
    document, members = read(message.as_bytes())
    assert members == {}
    assert [each.kind for each in document.findings] == [FindingKind.EMBEDDED_FILE]


@pytest.mark.parametrize(
    "data",
    [
        raw("From: a@b.c\nSubject: s\nContent-Type: multipart/mixed", "no bounds"),
        raw("From: a@b.c\nSubject: s\nContent-Type: multipart/mixed; boundary=x", "--x\n\n--x"),
        raw("From: a@b.c\nSubject: s\nContent-Type: message/rfc822", ""),
        raw("From: a@b.c\nSubject: =?utf-8?B?x?=\nDate: yesterday\nTo: <<>>,,;:", "x"),
        raw("From: a@b.c\nDate: Tue, 99999999999999999999 Mar 2026 99:99:99 +9999", "x"),
        raw("From: [\nSubject: s\nTo: a@[\nContent-Type: text/plain; charset*=", "x"),
        raw("From: a@b.c\nSubject: s\nContent-Transfer-Encoding: base64", "!!!"),
    ],
)
def test_a_malformed_mail_is_read_as_far_as_it_goes(data: bytes) -> None:
    assert "From: " in text_of(data)


def test_more_files_than_allowed_are_refused() -> None:
    message = mail()
    for _ in range(4):
        message.add_attachment(bytes(1000), "application", "pdf", filename="a.pdf")
    for options in (ReadOptions(max_members=3), ReadOptions(max_member_bytes=3999)):
        with pytest.raises(ReadFailure) as caught:
            read(message.as_bytes(), options)
        assert caught.value.failure is Failure.TOO_MANY_MEMBERS


# --- Outlook ------------------------------------------------------------------------------------

HTML_IN_RTF = (
    rb"{\rtf1\ansi\ansicpg1252\fromhtml1 \deff0{\fonttbl{\f0 Arial;}}{\*\htmltag64 <p>}"
    rb"\htmlrtf \par hidden\htmlrtf0 Gr\'f6\u223\'dfe \'96 six {\*\htmltag84 <b>}years"
    rb"{\*\htmltag92 </b>}{\*\mhtmltag84 <i>}{\*\htmltag72 </p>}}"
)
PACKED = bytes.fromhex(  # MS-OXRTFCP 3.1.1
    "2d0000002b0000004c5a4675f1c5c7a703000a00726370673132354232"
    "0af32068656c090020627705b06c647d0a800fa0"
)


def stored(rtf: bytes) -> bytes:
    return (
        (len(rtf) + 12).to_bytes(4, "little") + len(rtf).to_bytes(4, "little") + b"MELA" + bytes(4)
    ) + rtf


def outlook(**changes: object) -> Msg:
    message = Msg(
        {
            0x0037: "Retention — periods",
            0x0C1A: "Ann Ärger",
            0x5D01: "ann@example.org",
            0x0039: dt.datetime(2026, 3, 3, 9, 15, tzinfo=dt.UTC),
            0x1035: "<1@example.org>",
            0x1000: "Dear all,\r\n\r\nsix years.",
        },
        [
            {0x3001: "Bob", 0x39FE: "bob@example.org", 0x0C15: 1},
            {0x3001: "Carl", 0x39FE: "carl@example.org", 0x0C15: 2},
        ],
    )
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def with_body(**bodies: str | bytes) -> bytes:
    message = outlook()
    numbers = {"plain": 0x1000, "html": 0x1013, "rtf": 0x1009}
    del message.fields[0x1000]
    message.fields |= {numbers[name]: value for name, value in bodies.items()}
    return message.written()


def test_an_outlook_mail_reads_like_any_other() -> None:
    document, members = read(outlook().written())
    assert document.pages[0].page.text == (
        "From: Ann Ärger <ann@example.org>\n"
        "To: Bob <bob@example.org>\n"
        "Cc: Carl <carl@example.org>\n"
        "Date: 2026-03-03T09:15:00+00:00\n"
        "Subject: Retention — periods\n\n"
        "Dear all,\n\nsix years."
    )
    assert document.media_type == "application/vnd.ms-outlook"
    assert members == {}


def test_files_and_mails_attached_to_an_outlook_mail_are_members() -> None:
    inner = outlook(attachments=[({0x3707: "deep.bin", 0x3701: b"\0\1" * 9, 0x3705: 1}, None)])
    message = outlook(
        attachments=[
            ({0x3707: "contract.pdf", 0x3701: b"%PDF" * 3000, 0x3705: 1}, None),
            ({0x3704: "SHORT~1.TXT", 0x3701: b"short", 0x3705: 1}, None),
            ({0x3707: "elsewhere.doc", 0x3705: 2}, None),
            ({0x3705: 5}, inner),
        ]
    )
    document, members = read(message.written())
    assert list(members) == ["contract.pdf", "SHORT~1.TXT", "Retention — periods.eml"]
    assert members["contract.pdf"] == b"%PDF" * 3000
    assert [each.sample for each in document.findings] == ["elsewhere.doc"]
    within, deeper = read(members["Retention — periods.eml"])
    assert within.pages[0].page.text == document.pages[0].page.text
    assert deeper == {"deep.bin": b"\0\1" * 9}
    assert read(message.written())[1] == members


def test_bodies_of_an_outlook_mail_in_html_and_rtf() -> None:
    html = "<p>Größe – six <b>years</b></p>".encode("cp1252")
    message = outlook()
    del message.fields[0x1000]
    message.fields |= {0x1013: html, 0x3FDE: 1252}
    for data in (message.written(), with_body(rtf=stored(HTML_IN_RTF))):
        assert text_of(data).endswith("\n\nGröße – six years")
    assert text_of(with_body(rtf=PACKED)).endswith("\n\nhello world")


@pytest.mark.parametrize(
    ("packed", "rtf"),
    [
        (PACKED, b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"),
        (
            bytes.fromhex("1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0"),
            b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}",
        ),
        (stored(b"{\\rtf1 x}"), b"{\\rtf1 x}"),
    ],
)
def test_compressed_rtf_as_in_the_specification(packed: bytes, rtf: bytes) -> None:
    assert mail_rtf.unpacked(packed) == rtf
    assert rtf.startswith(mail_rtf.unpacked(packed[:-4]))


def test_a_damaged_outlook_mail_is_said_to_be() -> None:
    data = outlook().written()
    for damaged in (data[:700], data[:512] + bytes(len(data) - 512)):
        with pytest.raises(ReadFailure) as caught:
            read(damaged)
        assert caught.value.failure is Failure.CORRUPT


def test_the_readers_it_leans_on_are_there() -> None:
    assert read_html.read(b"<p>x</p>", OPTIONS).pages[0].page.text == "x"
    assert read_rtf.read(b"{\\rtf1 x}", OPTIONS).pages[0].page.text == "x"
