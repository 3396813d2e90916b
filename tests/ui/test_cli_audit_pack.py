"""`cloister audit pack`: the command, and the PDF that it makes."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pypdf
import pytest
import typer
from PIL import Image

from assistant import pack_pages
from assistant.answering import Policy
from assistant.pack_pages import Shelf
from assistant.pages import Viewer
from assistant.pipeline import Assistant
from index.document import Scope
from tests.assistant.pipeline_standins import library, question
from tests.assistant.standins import ScriptedModel
from ui import cli_audit, cli_audit_pack, composition, pack_bidi, pack_pdf
from ui.errors import UsageError
from ui.main import run
from ui.pack_layout import Fonts, Style, Words, broken

Capture = pytest.CaptureFixture[str]
ASK = "How long are customer due diligence records retained?"
TRUE = "Customer due diligence records are kept for six years after the business relationship."
HOSTILE = (
    '<b>bold</b> <a href="http://evil.example/">here</a> <para backColor="red"> &amp; &#66;'
    " \u202ereversed\u202c \x1b[31mred\x07 \u200bhidden \udce9 %s {} <img src='/etc/passwd'/>"
)
URL = "https://suppliers.example/" + "0123456789abcdef" * 30
HEBREW, ARABIC, CHINESE = "שלום עולם 1,000.50", "سلام", "北京"


class Held:
    """A home with one answer, and the library its packs are made from."""

    def __init__(self, home: Path) -> None:
        self.home, self.out = home, home.parent / "pack"
        self.shelf = library()
        with composition.log(home) as log:
            viewer = Viewer(lambda path, number: None)
            model = ScriptedModel([TRUE])
            assistant = Assistant(self.shelf, log, model, viewer, Policy(straight=False))
            self.answer = assistant.ask(question(ASK))
            self.seq = log.leaf(self.answer.record).seq
            self.key = log.verifier_key.text()

    @contextmanager
    def opened(self, home: Path) -> Iterator[Shelf]:
        scope = Scope(frozenset({"default"}))
        yield Shelf(self.shelf, scope, Viewer(lambda path, number: None))

    def pack(self, *arguments: object) -> int:
        return run(["--home", str(self.home), "audit", "pack", *map(str, arguments)])


@pytest.fixture
def held(home: Path, monkeypatch: pytest.MonkeyPatch) -> Held:
    made = Held(home)
    monkeypatch.setattr(pack_pages, "open_shelf", made.opened)
    if not any(each.name == "pack" for each in cli_audit.app.registered_commands):
        fresh: list[typer.models.CommandInfo] = list(cli_audit.app.registered_commands)
        monkeypatch.setattr(cli_audit.app, "registered_commands", fresh)
        cli_audit_pack.register(cli_audit.app)
    return made


def test_a_pack_is_made_and_checked(held: Held, capsys: Capture) -> None:
    assert held.pack(held.seq, "--out", held.out, "--json") == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["record"], made["request"]) == (held.seq, held.answer.request)
    assert made["files"] == sum(each.is_file() for each in held.out.rglob("*"))
    assert held.pack("--verify", held.out) == 0
    told = capsys.readouterr().out
    assert told.startswith("OK\nProven: ") and "the same to the byte" in told
    assert held.pack("--verify", held.out, "--key", held.key, "--json") == 0
    values = json.loads(capsys.readouterr().out)
    assert (values["state"], values["findings"], values["own_keys"]) == ("OK", [], False)
    text = " ".join(pypdf.PdfReader(held.out / "answer.pdf").pages[0].extract_text().split())
    for shown in (ASK, TRUE, "ANSWERED", f"Record {held.seq}"):
        assert shown in text
    content = (held.out / "answer.json").read_bytes()
    (held.out / "answer.json").write_bytes(content.replace(b"six years", b"ten years"))
    assert held.pack("--verify", held.out) == 7
    assert capsys.readouterr().out.startswith("ALTERED\nanswer.json was changed.")


def test_what_the_command_refuses(held: Held, tmp_path: Path, capsys: Capture) -> None:
    for wrong in (
        (),
        (held.seq,),
        ("--out", tmp_path / "new"),
        (held.seq, "--out", tmp_path / "new", "--key", held.key),
        (held.seq, "--verify", tmp_path),
        ("--verify", tmp_path / "nothing"),
        (10**9, "--out", tmp_path / "new"),
        (0, "--out", tmp_path / "new"),
        (held.seq, "--out", tmp_path),
        (held.seq, "--out", tmp_path / "new", "--font", __file__),
    ):
        assert held.pack(*wrong) == 2, wrong
    assert not (tmp_path / "new").exists()
    assert held.pack("--verify", tmp_path) == 7  # a folder, but no pack


def answer(**changes: Any) -> dict[str, Any]:
    """`answer.json` of an answer with one page; `changes` go into its outcome."""
    target = {
        "seq": 2, "event_id": "e-2", "type": "answer.released", "leaf_hash": "ab" * 32,
        "time": "2026-02-03T04:05:06.000000000Z",
    }  # fmt: skip
    outcome = {
        "seq": 2, "type": "answer.released", "time": target["time"], "state": "open",
        "verdict": "QUOTED", "text": "Six years. [1]", "explanation": "", "sentences": [],
        "removed": [], "conflicts": [], "understood": "", "offer": None, **changes,
    }  # fmt: skip
    actor = {"kind": "person", "id": "ann", "auth": "test", "groups": ["local"], "client": "x"}
    page = {
        "document": "d" * 64, "page": 1, "cited": True, "state": "there", "label": "", "pages": 3,
        "source": "a.pdf", "title": HOSTILE, "spans": [[5, 9]], "marked": True,
        "text_file": "pages/a.txt", "image_file": "pages/a.png",
    }  # fmt: skip
    return {
        "log": {"id": "1", "origin": "cloister.invalid/log/1", "size": 9, "root": "", "key": "",
                "epoch": 1},
        "target": target, "request": "f" * 32, "outcome": outcome, "items": [], "found": [],
        "asked": {"seq": 1, "type": "question.received", "time": target["time"], "state": "open",
                  "question": HOSTILE, "history": [], "actor": actor, "fields": {}, "payload": {}},
        "citations": [], "pages": [page, {**page, "image_file": "", "page": 2}],
        "documents": [], "models": [], "made": {}, "pruned": [], "anchored": None, "notes": [],
        "records": [{**target, "actor": "ann", "payload": "open", "build": "x"}],
        "made_by": {"build": "test", "day": "2026-02-04", **pack_pdf.made_with()},
    }  # fmt: skip


def files(name: str) -> bytes:
    """The files of that pack."""
    if name.endswith(".png"):
        out = io.BytesIO()
        Image.new("RGB", (300, 400), "white").save(out, "PNG")
        return out.getvalue()
    return {
        "pages/a.txt": b"Line 1234 and more", "checkpoint.note": b"a\n9\nroot\n",
        "records.jsonl": b'{"seq":2}\n', "proofs/record-2.proof": b"f\n2\n{}\nhash\n\nnote",
    }[name]  # fmt: skip


def extracted(pdf: bytes) -> str:
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages)


def test_hostile_text_is_shown_and_does_nothing() -> None:
    removed = [{"text": HOSTILE, "reason": "ECHO", "detail": HOSTILE}]
    pdf = pack_pdf.render(answer(text=HOSTILE, removed=removed), files)
    text = "".join(extracted(pdf).split())
    for shown in (
        '<b>bold</b><ahref="http://evil.example/">here</a><parabackColor="red">&amp;&#66;',
        "[U+202E]reversed[U+202C][U+001B][31mred[U+0007][U+200B]hidden[U+DCE9]%s{}",
    ):
        assert text.count(shown) >= 3
    read = pypdf.PdfReader(io.BytesIO(pdf))
    assert not any("/Annots" in page for page in read.pages)  # no links
    for active in (b"/URI", b"/JavaScript", b"/OpenAction", b"/Launch", b"/EmbeddedFile"):
        assert active not in pdf


def test_the_same_pack_gives_the_same_bytes_dated_as_the_record() -> None:
    one, other = (pack_pdf.render(answer(), files) for _ in range(2))
    assert one == other
    read = pypdf.PdfReader(io.BytesIO(one))
    assert read.metadata is not None
    assert read.metadata.title == "Evidence pack: record 2 of 2026-02-03 04:05:06 UTC"
    assert read.metadata.creation_date_raw == "D:20260203040506+00'00'"
    pages = len(read.pages)
    for number, page in enumerate(read.pages, 1):
        assert f"Page {number} of {pages}" in page.extract_text()
        assert "Record 2 · e-2" in page.extract_text()
    names = [str(each["/Title"]) for each in read.outline if not isinstance(each, list)]
    assert names[:2] == ["Question", "Answer"] and "How to verify" in names
    held = {**answer(), "made_by": {**answer()["made_by"]}}

    def pack(name: str) -> bytes:
        return one if name == "answer.pdf" else files(name)

    assert pack_pdf.compare(held, pack) == "same"
    held["outcome"]["text"] = "Ten years. [1]"
    assert pack_pdf.compare(held, pack) == "differs"
    held["made_by"]["pdf"] = "reportlab 1"
    assert pack_pdf.compare(held, pack) == "other"


def test_long_answers_and_addresses_stay_on_the_page() -> None:
    pdf = pack_pdf.render(answer(text=f"{URL} " + "A long answer goes on. " * 400), files)
    read = pypdf.PdfReader(io.BytesIO(pdf))
    assert len(read.pages) > 3
    text = "".join(extracted(pdf).split())
    assert URL in text and text.count("goes") == 400
    fonts = Fonts()
    for line in broken(fonts.cells(URL, Style()), 200):
        assert sum(cell.width for cell in line) <= 200
    words = Words(fonts, [(URL, Style())])
    words.wrap(200, 1000)
    assert [type(each) for each in words.split(200, 50)] == [Words, Words]


def test_every_script_is_shown_or_spelt_never_dropped() -> None:
    text = extracted(pack_pdf.render(answer(text=f"{CHINESE} {HEBREW} Ελλάδα Київ č"), files))
    assert "[U+5317][U+4EAC]" in text and "Ελλάδα Київ č" in text
    assert all(letter in text for letter in "שלוםע")
    with pytest.raises(UsageError, match="not a TrueType font"):
        Fonts([Path(__file__)])


def test_right_to_left_text_is_put_in_its_order() -> None:
    def drawn(text: str) -> str:
        clusters = list(pack_bidi.shaped(text))
        return "".join(part for _, part in pack_bidi.visual(clusters, pack_bidi.starts_right(text)))

    assert drawn("abc (אבג) 1-2") == "abc (גבא) 1-2"
    assert drawn("אבג (1,000.50%)!") == "!(1,000.50%) גבא"
    assert drawn("plain") == "plain"
    # Seen, initial; lam with alef, final; meem, isolated: read from the right.
    assert drawn(ARABIC) == "\ufee1\ufefc\ufeb3"
    assert pack_bidi.starts_right("12 אבג abc") and not pack_bidi.starts_right("12 abc אבג")
