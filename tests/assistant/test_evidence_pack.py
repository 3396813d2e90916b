"""Evidence packs over a real log: what is in them, what their check finds, what never remains."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from assistant import evidence_pack, pack_pages
from assistant.answer import Asker
from assistant.answering import Policy
from assistant.evidence_pack import Made
from assistant.pack_check import ANSWER, FORMAT, MANIFEST, NOTE, RECORDS, SUMS, Checked, check
from assistant.pack_pages import Shelf
from assistant.pages import Viewer
from assistant.pipeline import Assistant
from assistant.task import TaskRecord
from audit.canonical import canonical
from audit.checkpoint import VerifierKey
from audit.errors import AuditError, ExportExistsError, ExportFailedError, RecordNotFoundError
from audit.errors_duties import PackRefusedError
from audit.log import Log
from audit.record import SYSTEM, Event
from index.compose import open_index
from index.document import Box, Scope
from ingest.compose import open_ingestor
from tests.assistant.pipeline_standins import ANNA, MemoryLibrary, library, question
from tests.assistant.standins import ScriptedModel
from tests.audit.standins import ANN, open_test_log

ASK = "How long are customer due diligence records retained?"
TRUE = "Customer due diligence records are kept for six years after the business relationship."
FALSE = "They are then sent to Marvin Gloomspoon in Vaduz."
ALL = Scope(frozenset({"default"}))


def png(colour: str = "white") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (120, 160), colour).save(out, "PNG")
    return out.getvalue()


class Drawn(MemoryLibrary):
    """A library whose documents are PDFs of one box each, with files."""

    def __init__(self, folder: Path) -> None:
        made = library()
        super().__init__({"default/x": ("", "")})
        self.folder = folder
        self.docs = {
            key: replace(each, media_type="application/pdf") for key, each in made.docs.items()
        }
        self.texts = {
            key: replace(
                page, width=100, height=100, boxes=(Box(0, len(page.text), 10, 10, 90, 20),)
            )
            for key, page in made.texts.items()
        }

    def original(self, document_id: str, scope: Scope) -> Path:
        self.document(document_id, scope)
        path = self.folder / "audit" / document_id
        path.write_bytes(b"the file of " + document_id.encode())
        return path


@dataclass
class World:
    """A log with one answer, the library, and where packs go."""

    log: Log
    shelf: Drawn
    folder: Path
    request: str
    seq: int
    key: VerifierKey
    scope: Scope = ALL

    @contextmanager
    def opened(self) -> Iterator[Shelf]:
        yield Shelf(self.shelf, self.scope, Viewer(lambda path, number: png()))

    def make(self, key: int | str | None = None, name: str = "pack", **options: Any) -> Made:
        return evidence_pack.make(
            self.log, ANN, self.seq if key is None else key, self.folder / name, self.opened,
            lambda answer, read: b"%PDF " + canonical(answer["outcome"]), {"build": "test"},
            **options,
        )  # fmt: skip

    def pack(self, **options: Any) -> Path:
        return self.make(**options).folder

    def types(self) -> list[str]:
        return [leaf.type for leaf in self.log.scan()]

    def numbers(self, kind: str) -> list[int]:
        return [leaf.seq for leaf in self.log.scan() if leaf.type == kind]

    def resign(self, pack: Path) -> None:
        """As somebody with the signing key would: every hash and the signature made anew."""
        names = [each for each in pack.rglob("*") if each.is_file()]
        listed = {
            each.relative_to(pack).as_posix(): {
                "sha256": hashlib.sha256(each.read_bytes()).hexdigest(),
                "bytes": each.stat().st_size,
            }
            for each in names
            if each.name not in (MANIFEST, NOTE)
        }
        manifest = canonical({"schema": FORMAT, "files": listed})
        (pack / MANIFEST).write_bytes(manifest)
        digest = hashlib.sha256(manifest).hexdigest()
        text = f"{FORMAT}\n{self.log.origin}\n{self.request}\n{digest}  {MANIFEST}\n"
        (pack / NOTE).write_text(self.log.sign(text))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    shelf = Drawn(tmp_path)
    with open_test_log(tmp_path) as log:
        key = log.verifier_key
        viewer = Viewer(lambda path, number: None)
        model = ScriptedModel([f"{TRUE} {FALSE}"])
        answer = Assistant(shelf, log, model, viewer, Policy(straight=False)).ask(question(ASK))
        yield World(log, shelf, tmp_path, answer.request, log.leaf(answer.record).seq, key)


def read(pack: Path, name: str = ANSWER) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((pack / name).read_bytes())
    return found


def test_a_pack_holds_the_answer_and_verifies_without_cloister(world: World) -> None:
    made = world.make(with_documents=True)
    pack = made.folder
    answer = read(pack)
    assert answer["asked"]["question"] == ASK
    assert answer["outcome"]["text"].startswith(TRUE)
    assert [each["text"] for each in answer["outcome"]["removed"]] == [FALSE]
    assert answer["models"][0]["model"] and answer["models"][0]["outcome"] == "stop"
    assert {each["state"] for each in answer["citations"]} == {"same"}
    (place,) = answer["pages"]
    with Image.open(pack / place["image_file"]) as picture:
        rows = [{picture.getpixel((x, y)) for x in range(120)} for y in (24, 100)]
        assert ((255, 216, 77) in rows[0], rows[1]) == (True, {(255, 255, 255)})  # marked
    (document,) = answer["documents"]
    assert document["now"]["in_force"] and document["then"]["version"] == 1
    found = [each for each in pack.rglob("*") if each.is_file()]
    assert made.files == len(found)
    assert {each.stat().st_mode & 0o777 for each in found} == {0o600}
    assert pack.stat().st_mode & 0o777 == 0o700
    # The file is not the one whose digest is its id: this library makes ids of texts.
    assert check(pack).findings == (f"{document['file']} is not the document {document['id']}.",)


def test_the_check_runs_by_itself_as_verify_txt_says(world: World) -> None:
    pack = world.pack()
    done = check(pack, [world.key])
    assert done.state == "OK" and not done.own_keys and check(pack).own_keys
    assert (done.records, done.opened, done.erased) == (done.records, done.records, 0)
    assert done.quotations >= 1
    told = (pack / "VERIFY.txt").read_text()
    lines = [line.split() for line in told.splitlines() if line.startswith("     ")]
    commands = [each for each in lines if each[0] == "python3"]
    assert [each[0] for each in lines[:3]] == ["sha256sum", "python3", "python3"]
    for command in commands:
        line = [sys.executable, "-I", *command[1:]]
        ended = subprocess.run(line, cwd=pack, capture_output=True, text=True, check=False)
        assert ended.returncode == 0 and ended.stdout.startswith("OK\n"), ended
    for line in (pack / SUMS).read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((pack / name).read_bytes()).hexdigest() == digest


def test_reading_is_recorded_before_anything_is_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = world.log.size()
    made = world.make()
    assert world.types()[before:] == ["document.page_viewed", "log.packed", "checkpoint.signed"][:2]
    packed = json.loads(world.log.leaf(made.record).envelope)
    assert packed["fields"] == {
        "target_seq": world.seq, "target_event_id": world.log.leaf(world.seq).event_id,
        "request": world.request, "records": made.records, "pages": 1, "documents": 0,
        "files": made.files,
    }  # fmt: skip
    append = world.log.append

    def refuse(event: Event) -> object:
        if event.type == "log.packed":
            raise AuditError("the log is full")
        return append(event)

    monkeypatch.setattr(world.log, "append", refuse)
    left = set(world.folder.iterdir())
    with pytest.raises(AuditError, match="full"):
        world.make(name="other")
    assert set(world.folder.iterdir()) == left


def test_every_changed_file_is_found(world: World) -> None:
    pack = world.pack()
    assert not check(pack).findings
    for path in sorted(each for each in pack.rglob("*") if each.is_file()):
        content = path.read_bytes()
        flipped = bytearray(content)
        flipped[len(content) // 2] ^= 4
        path.write_bytes(flipped)
        assert check(pack).findings, path
        path.unlink()
        assert check(pack).findings, path
        path.symlink_to(world.folder / "elsewhere")
        assert check(pack).findings, path
        path.unlink()
        path.write_bytes(content)
    (pack / "more.txt").write_text("not ours")
    assert check(pack).findings == ("more.txt does not belong to the pack.",)


def _changed(name: str, change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def apply(pack: Path) -> None:
        value = read(pack, name)
        change(value)
        (pack / name).write_bytes(canonical(value))

    return apply


def _payload(pack: Path, kind: str, ending: str) -> Path:
    (seq,) = [each["seq"] for each in read(pack)["records"] if each["type"] == kind][:1]
    return pack / f"payloads/payload-{seq}.{ending}"


def _page(pack: Path) -> None:
    path = pack / read(pack)["pages"][0]["text_file"]
    path.write_text(path.read_text().replace("six (6)", "ten (10)"))


def _payload_text(pack: Path) -> None:
    path = _payload(pack, "answer.released", "json")
    path.write_text(path.read_text().replace("six", "ten"))


def _another_payload(pack: Path) -> None:
    asked, given = (_payload(pack, f"{kind}d", "x").stem for kind in
                    ("question.receive", "answer.release"))  # fmt: skip
    for ending in ("bin", "key", "json"):
        shutil.copy(pack / f"payloads/{asked}.{ending}", pack / f"payloads/{given}.{ending}")


def _fewer_records(pack: Path) -> None:
    lines = (pack / RECORDS).read_bytes().split(b"\n")
    (pack / RECORDS).write_bytes(b"\n".join(lines[1:]))


def _record_text(pack: Path) -> None:
    content = (pack / RECORDS).read_bytes()
    (pack / RECORDS).write_bytes(content.replace(b'"verdict":"ANSWERED"', b'"verdict":"QUOTED"'))


FORGED = {
    "question": _changed(ANSWER, lambda v: v["asked"].update(question="Something else?")),
    "text": _changed(ANSWER, lambda v: v["outcome"].update(text="Ten years.")),
    "why": _changed(ANSWER, lambda v: v["outcome"].update(explanation="It is so.")),
    "sentence": _changed(ANSWER, lambda v: v["outcome"]["sentences"][0].update(text="Ten years.")),
    "removed": _changed(ANSWER, lambda v: v["outcome"].update(removed=[])),
    "asker": _changed(ANSWER, lambda v: v["asked"]["actor"].update(id="bob")),
    "nobody": _changed(ANSWER, lambda v: v["asked"].update(seq=None)),
    "verdict": _changed(ANSWER, lambda v: v["outcome"].update(verdict="QUOTED")),
    "model": _changed(ANSWER, lambda v: v["models"][0].update(model="larger")),
    "time": _changed(ANSWER, lambda v: v["target"].update(time="2020-01-01T00:00:00Z")),
    "quote": _changed(ANSWER, lambda v: v["citations"][0].update(quote="ten years")),
    "uncited": _changed(ANSWER, lambda v: v.update(citations=[])),
    "erased": _changed(ANSWER, lambda v: v["records"][0].update(payload="erased")),
    "page": _page,
    "payload": _payload_text,
    "another payload": _another_payload,
    "fewer records": _fewer_records,
    "record": _record_text,
}


@pytest.mark.parametrize("name", FORGED)
def test_whoever_signs_a_changed_pack_anew_is_found_out(world: World, name: str) -> None:
    pack = world.pack()
    FORGED[name](pack)
    world.resign(pack)
    done: Checked = check(pack)
    assert done.state == "ALTERED", name


def test_a_pack_signed_with_another_logs_key_fails_against_the_right_one(
    world: World, tmp_path: Path
) -> None:
    pack = world.pack()
    with open_test_log(tmp_path / "other") as other:
        assert "none of the given public keys" in check(pack, [other.verifier_key]).findings[0]


def test_erased_texts_are_shown_as_erased_and_their_records_stay_proven(world: World) -> None:
    world.log.destroy_payload_keys([world.log.leaf(world.seq)])
    asked = world.log.leaf(world.numbers("question.received")[0])
    world.log.destroy_payload_keys([asked])
    made = world.make()
    done, answer = check(made.folder), read(made.folder)
    assert (done.state, done.erased, made.erased) == ("OK", 2, 2)
    assert answer["asked"]["state"] == answer["outcome"]["state"] == "erased"
    assert answer["asked"]["question"] == answer["outcome"]["text"] == ""
    assert answer["outcome"]["verdict"] == "ANSWERED"  # in clear
    assert f"records {asked.seq}, {world.seq} were erased" in answer["notes"][0]
    world.log.destroy_payload_keys(list(world.log.scan()))
    made = world.make(name="all")
    assert check(made.folder).erased == made.records
    whole = b"".join(each.read_bytes() for each in made.folder.rglob("*") if each.is_file())
    assert ASK.encode() not in whole and TRUE.encode() not in whole


def test_pruned_records_are_told_with_their_hash_and_proof(world: World) -> None:
    called = world.numbers("model.called")[0]
    digest = world.log.leaf(called).hash.hex()
    world.log.seal()
    removing = world.log.prune([called], Event("retention.pruned", SYSTEM, {}))
    pack = world.pack()
    (told,) = read(pack)["pruned"]
    assert (told["seq"], told["hash"], told["removed_by"]) == (called, digest, removing.seq)
    assert not check(pack).findings
    _changed(ANSWER, lambda v: v["pruned"][0].update(hash="00" * 32))(pack)
    world.resign(pack)
    assert check(pack).findings
    with pytest.raises(PackRefusedError, match="retention removed it"):
        world.make(called, "none")


def test_what_has_no_pack(world: World) -> None:
    with pytest.raises(PackRefusedError, match="belongs to no question"):
        world.make(0)
    for unknown in (10**9, "f" * 32, "nothing"):
        with pytest.raises(RecordNotFoundError):
            world.make(unknown)
    assert "log.packed" not in world.types()
    assert world.make(world.request).request == world.request  # and by the request's own id


def test_documents_gone_changed_or_superseded_since_are_told(world: World) -> None:
    (cited, page), text = next(
        (key, each) for key, each in world.shelf.texts.items() if "six (6)" in each.text
    )
    world.shelf.texts[cited, page] = replace(text, text=text.text.replace("six (6)", "ten (10)"))
    pack = world.pack()
    assert {each["state"] for each in read(pack)["citations"]} == {"differs"}
    assert not check(pack).findings
    del world.shelf.docs[cited]
    pack = world.pack(name="gone")
    answer = read(pack)
    assert {each["state"] for each in answer["citations"]} == {"gone"}
    assert answer["documents"][0]["now"] is None and answer["documents"][0]["then"]["version"] == 1
    assert "not in the catalogue any more" in answer["notes"][0]
    assert not check(pack).findings


def test_the_first_key_alone_verifies_a_pack_of_a_later_epoch(world: World) -> None:
    for _ in range(2):
        world.log.rotate_key(ANN)
    pack = world.pack()
    assert len(list((pack / "keys").glob("rotation-*.proof"))) == 2
    assert check(pack, [world.key]).state == "OK"
    (pack / "keys" / f"rotation-{world.numbers('key.rotated')[1]}.proof").unlink()
    world.resign(pack)
    assert check(pack, [world.key]).findings


def test_an_anchored_checkpoint_leads_to_the_packs(world: World) -> None:
    note = world.log.seal()
    size = int(note.split("\n")[1])
    anchored = {"size": size, "root": "", "anchor": "folder"}
    world.log.append(Event("checkpoint.anchored", SYSTEM, anchored))
    made = world.make()
    assert (made.folder / "anchored.note").read_text() == note
    assert read(made.folder)["anchored"]["size"] == size
    assert not check(made.folder).findings
    assert made.files == sum(each.is_file() for each in made.folder.rglob("*"))
    _changed(ANSWER, lambda v: v["anchored"]["consistency"].pop())(made.folder)
    world.resign(made.folder)
    assert "does not lead to" in check(made.folder).findings[0]


def test_nothing_half_written_remains(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(world.folder.iterdir())
    sync, calls = os.fsync, 0

    def full(descriptor: int) -> None:
        nonlocal calls
        if ".partial" in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            calls += 1
            if calls > 6:
                raise OSError(errno.ENOSPC, "No space left on device")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ExportFailedError, match="No space left"):
        world.make()
    assert calls > 6 and set(world.folder.iterdir()) == before
    with pytest.raises(ExportFailedError, match="no such folder"):
        world.make(name="nowhere/pack")
    (world.folder / "taken").mkdir()
    with pytest.raises(ExportExistsError):
        world.make(name="taken")
    assert not list((world.folder / "taken").iterdir())


def test_a_task_is_packed_with_what_it_showed(world: World) -> None:
    (cited, number), page = next(iter(world.shelf.texts.items()))
    place = {"document": cited, "page": number, "start": 0, "end": 9, "quote": page.text[:9]}
    task = TaskRecord(world.log, ANNA, "extract")
    task.received({"documents": 1}, {"schema": {"title": "Terms"}})
    task.item({"part": "field"}, {"field": "period", "score": 0.25, "citations": [place]})
    last = task.released({"fields": 1}, {"fields": [{"name": "period", "value": "six years"}]})
    pack = world.pack(key=last.seq)
    answer = read(pack)
    assert [each["type"] for each in answer["items"]] == ["task.item", "task.released"]
    assert answer["items"][0]["payload"]["score"] == "0.25"
    assert [each["quote"] for each in answer["citations"]] == [page.text[:9]]
    assert not check(pack).findings
    _changed(ANSWER, lambda v: v["items"][0]["payload"].update(field="price"))(pack)
    world.resign(pack)
    assert check(pack).findings


@pytest.mark.slow
def test_a_real_page_that_was_superseded_since_in_a_collection_of_others(tmp_path: Path) -> None:
    source = Path("samples/documents/policies/data-retention-policy.pdf")
    files, home = tmp_path / "files", tmp_path / "home"
    files.mkdir()
    shutil.copy(source, files / "policy.pdf")
    asker = Asker("cleo", frozenset({"records"}), "test")
    with open_test_log(home) as log:
        with open_ingestor(home, log, ANN) as ingestor:
            ingestor.add([files])
        viewer = Viewer(lambda path, number: None)
        with open_index(home) as index:
            index.ensure_collection("default", frozenset({"records"}))
            index.revoke("default", frozenset({"local"}))
        with Assistant(open_index(home), log, ScriptedModel([""]), viewer, Policy()) as made:
            answer = made.ask(question("How long are CCTV recordings kept?", asker=asker))
        assert answer.citations
        shutil.copy(source.with_name("complaints-procedure.pdf"), files / "policy.pdf")
        with open_ingestor(home, log, ANN) as ingestor:
            ingestor.add([files])
        done = evidence_pack.make(
            log, ANN, answer.record, tmp_path / "pack", lambda: pack_pages.open_shelf(home),
            lambda told, held: b"", {}, with_documents=True,
        )  # fmt: skip
    told = read(done.folder)
    assert check(done.folder).findings == ()
    (document,) = told["documents"]
    assert (document["then"]["status"], document["now"]["status"]) == ("current", "superseded")
    assert (done.folder / document["file"]).read_bytes() == source.read_bytes()
    with Image.open(done.folder / told["pages"][0]["image_file"]) as picture:
        colours = picture.getcolors(1 << 24) or []
        assert any(colour == (255, 216, 77) for _, colour in colours)
