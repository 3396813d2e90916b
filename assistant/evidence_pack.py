"""The evidence pack: one answer or task as a folder that can be filed and verified by itself.

What was asked and answered, the cited pages as pictures with the quotations marked, what is known
of the documents, every record of the request with its text, key and proof, the checkpoint, and what
verifies it all (`assistant.pack_check`). `log.packed` is recorded before anything is written, each
look at a page before that. The folder appears whole or not at all.

A pack holds the texts of these records and the keys that open them, so it must be guarded as the
documents themselves: erasing a payload later does not reach into a pack.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import os
import secrets
import shutil
import zipfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.abc import InspectLoader
from pathlib import Path
from typing import Any

from assistant import pack_check, pack_contents, pack_files, pack_pages, pack_records, pack_told
from assistant.pack_check import ANCHORED, ANSWER, CHECKPOINT, FORMAT, MANIFEST, NOTE, RECORDS, SUMS
from assistant.pack_contents import Place
from assistant.pack_pages import Kept, Shelf
from assistant.pack_records import Packed, Request, Sealing
from audit import handover
from audit.canonical import canonical, read_exact
from audit.errors import ExportExistsError, ExportFailedError
from audit.errors_duties import VerifierIncompleteError
from audit.ports import AuditLog
from audit.record import Actor, Event, Fields
from index.effective import today

PDF, HOW = "answer.pdf", "VERIFY.txt"
VERIFIER, CHECK = "cloister-verify.pyz", "check.pyz"
MOST_PICTURES = 200  # pages that are drawn; of more there is the text
_PIECE = 1 << 20
_RUN = f"""import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "{VERIFIER}"))

from assistant.pack_check import main

sys.exit(main(sys.argv[1:]))
"""

Data = dict[str, Any]
Read = Callable[[str], bytes]  # a file of the pack by its name
Render = Callable[[Data, Read], bytes]  # `answer.json` and the pack's pages to a PDF
Opened = Callable[[], AbstractContextManager[Shelf]]


@dataclass(frozen=True, slots=True)
class Made:
    """The pack: its folder, which request it is of, and how much is in it; `manifest` is the hex
    SHA-256 of its manifest, `record` the id of `log.packed`."""

    folder: Path
    target: int
    request: str
    records: int
    erased: int
    pages: int
    documents: int
    files: int
    manifest: str
    record: str


@dataclass(frozen=True, slots=True)
class _Gathered:
    """All that goes into a pack and does not depend on the checkpoint."""

    request: Request
    places: tuple[Place, ...]
    kept: Mapping[str, Kept | None]
    originals: Mapping[str, Path]  # by name in the pack
    files: Mapping[str, bytes]

    @property
    def names(self) -> Mapping[str, str]:
        """The file in the pack of each document that is in it."""
        found = {}
        for document, kept in self.kept.items():
            name = _original_name(document, kept)
            if name in self.originals:
                found[document] = name
        return found


def make(
    log: AuditLog,
    actor: Actor,
    key: int | str,
    out: Path,
    opened: Opened,
    render: Render,
    made_by: Mapping[str, str],
    *,
    with_documents: bool = False,
) -> Made:
    """Write the pack of the request that the record `key` (number, event id or the request's id)
    belongs to into the new folder `out`.

    Raises PackRefusedError, RecordNotFoundError or ExportExistsError (exit code 2),
    ExportFailedError, IndexFailure or another AuditError; then there is no folder.
    """
    _require_new(out)
    target = pack_records.find(log, key)
    request = pack_records.read(log, target)
    with opened() as shelf:
        gathered = _gathered(shelf, log, actor, request, with_documents)
        made = _planned(log, gathered)
        fields: Fields = {
            "target_seq": target.seq,
            "target_event_id": target.event_id,
            "request": request.id,
            "records": len(request.records),
            "pages": len(gathered.places),
            "documents": len(gathered.originals),
            "files": made,
        }
        recorded = log.append(Event("log.packed", actor, fields, {"folder": str(out)}))
        sealing = pack_records.seal(log, request)
        answer = pack_contents.contents(
            request, sealing, gathered.places, gathered.kept, gathered.names,
            {"day": today(), **made_by},
        )  # fmt: skip
        files = {**gathered.files, **_proving(request, sealing), ANSWER: canonical(answer)}
        answer = read_exact(files[ANSWER])  # as whoever makes the PDF again will read it
        files[HOW] = _how(answer, sealing).encode()
        files[PDF] = render(answer, files.__getitem__)
        manifest = _write(out, log, request, files, gathered.originals)
    return Made(
        out, target.seq, request.id, len(request.records),
        sum(each.state == "erased" for each in request.records), len(gathered.places),
        len(gathered.originals), made, manifest, recorded.event_id,
    )  # fmt: skip


def _planned(log: AuditLog, gathered: _Gathered) -> int:
    """How many files the pack will have."""
    fixed = len((PDF, HOW, ANSWER, RECORDS, CHECKPOINT, MANIFEST, NOTE, SUMS))
    proofs = len(gathered.request.records) + pack_records.extra_files(log)
    return fixed + proofs + len(gathered.files) + len(gathered.originals)


def _gathered(
    shelf: Shelf, log: AuditLog, actor: Actor, request: Request, with_documents: bool
) -> _Gathered:
    files: dict[str, bytes] = {
        VERIFIER: handover.build(),
        CHECK: _checker(),
    }
    for record in request.records:
        files |= _payload_files(record)
    cited = not pack_contents.found_of(request)
    places: list[Place] = []
    for (document, number), spans in pack_contents.spans_of(request).items():
        view = pack_pages.page(shelf, log, actor, document, number, spans)
        stem = pack_contents.file_stem(document, number)
        place = Place(document, number, view, cited=cited)
        if view is not None:
            files[f"{stem}.txt"] = view.text.encode("utf-8", "surrogatepass")
            place = Place(document, number, view, f"{stem}.txt", cited=cited)
            if view.image is not None and len(places) < MOST_PICTURES:
                files[f"{stem}.png"] = pack_pages.marked(view.image, view.highlights)
                place = Place(document, number, view, f"{stem}.txt", f"{stem}.png", cited)
        places.append(place)
    kept = {each: pack_pages.document(shelf, each) for each in pack_contents.documents_of(request)}
    originals = {
        _original_name(document, found): found.original
        for document, found in kept.items()
        if with_documents and found is not None and found.original is not None
    }
    return _Gathered(request, tuple(places), kept, originals, files)


def _original_name(document: str, kept: Kept | None) -> str:
    return pack_contents.document_file(document, kept.document.source) if kept else ""


def _payload_files(record: Packed) -> dict[str, bytes]:
    """The payload as it is stored, the key that opens it, and what then comes out."""
    if record.stored is None or record.key is None:
        return {}
    stem = f"payloads/payload-{record.leaf.seq}"
    return {
        f"{stem}.bin": record.stored,
        f"{stem}.key": f"{record.key.hex()}\n".encode(),
        f"{stem}.json": _readable(record.payload),
    }


def _readable(value: object) -> bytes:
    """JSON for people; ASCII where a text is no Unicode."""
    try:
        return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()
    except UnicodeEncodeError:
        return (json.dumps(value, ensure_ascii=True, indent=1) + "\n").encode()


def _checker() -> bytes:
    """`check.pyz`: a zip application of the modules of the check. The same sources, same bytes."""
    content = {"__main__.py": _RUN.encode(), "assistant/__init__.py": b""}
    for module in (pack_check, pack_files, pack_told):
        content[f"{module.__name__.replace('.', '/')}.py"] = _source(module.__name__)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, source in sorted(content.items()):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # as on any system
            archive.writestr(entry, source)
    return packed.getvalue()


def _source(module: str) -> bytes:
    spec = importlib.util.find_spec(module)
    loader = spec.loader if spec is not None else None
    source = loader.get_source(module) if isinstance(loader, InspectLoader) else None
    if source is None:
        raise VerifierIncompleteError(module)
    return source.encode()


def _proving(request: Request, sealing: Sealing) -> dict[str, bytes]:
    """The records, their proofs, the checkpoints and the keys."""
    files = {
        RECORDS: b"".join(each.leaf.envelope + b"\n" for each in request.records),
        CHECKPOINT: sealing.note.encode(),
    }
    files |= {f"proofs/record-{seq}.proof": proof for seq, proof in sealing.proofs.items()}
    files |= {f"keys/epoch-{n}.pub": f"{key}\n".encode() for n, key in sealing.keys.items()}
    files |= {f"keys/rotation-{seq}.proof": proof for seq, proof in sealing.rotations.items()}
    if sealing.anchored:
        files[ANCHORED] = sealing.anchored.encode()
    return files


def _how(answer: Data, sealing: Sealing) -> str:
    """`VERIFY.txt`."""
    target, in_force = answer["target"]["seq"], f"keys/epoch-{answer['log']['epoch']}.pub"
    lines = [
        "HOW TO VERIFY THIS PACK",
        "",
        f"Record {target} of the log {answer['log']['origin']},",
        f"under its checkpoint of {sealing.size} records with the root {sealing.root}.",
        "",
        "No part of Cloister and no network is needed: only Python 3.11 or newer with the package",
        "`cryptography`. In this folder, run:",
        "",
        "1. Is every file as it was packed?",
        f"     sha256sum --check --quiet {SUMS}",
        "2. Does the record stand in the signed log?",
        f"     python3 {VERIFIER} --proof proofs/record-{target}.proof --key {in_force}",
        "3. Everything together: the signed manifest, all records, the texts under their keys, the",
        "   quotations in the pages' text. It prints OK or what is wrong:",
        f"     python3 {CHECK} . keys/epoch-1.pub",
        "",
        "Take the public key and the two programs from where you trust them: a copy of",
        "keys/epoch-1.pub that was handed to you earlier proves more than the one in here, and the",
        f"SHA-256 of {VERIFIER} is published with each version of Cloister. A checkpoint",
        "of this log that was kept elsewhere shows whether the log was written anew since.",
        "",
        "WHAT IS HERE",
        "",
        f"{PDF}         the answer for reading and filing",
        f"{ANSWER}        the same as data",
        f"{RECORDS}      the records, byte for byte: what the log's tree is made of",
        "proofs/            for each record, that it stands in the log at its place",
        "payloads/          for each record with a text: .bin as the log stores it (encrypted),",
        "                   .key the key of that one text, .json what comes out. The record",
        "                   commits to the SHA-256 of .bin, and states that of the question, the",
        "                   prompts and the answer in clear, so none can be put in their place.",
        "                   These keys open the texts in this pack and nothing else in the log.",
        "pages/             the pages cited: their text, and a picture with the quotations marked",
        "documents/         the documents themselves, if they were asked for; a document's id is",
        "                   the SHA-256 of its file",
        f"{CHECKPOINT}    the signed state of the log that all proofs lead to",
        "anchored.note      a checkpoint that had been sent elsewhere before, if there is one",
        "keys/              the log's public keys by epoch, and the proofs of their changes",
        f"{MANIFEST}, {NOTE}: the SHA-256 of every file, signed with the log's key",
        "",
        "Whoever has this folder can read these texts: guard it as you would the documents. Texts",
        "that were erased when it was made are not in it; the proofs of their records are.",
    ]
    if sealing.rotations:
        lines[16:16] = [
            "The log has changed its key since it began: command 2 takes the key in force, command",
            "3 follows the changes from the first key on.",
            "",
        ]
    return "\n".join(lines) + "\n"


def _require_new(out: Path) -> None:
    if out.exists() or out.is_symlink():
        raise ExportExistsError(out)
    if not out.parent.is_dir():
        raise ExportFailedError(out, "there is no such folder")


def _write(
    out: Path,
    log: AuditLog,
    request: Request,
    files: Mapping[str, bytes],
    originals: Mapping[str, Path],
) -> str:
    """Write everything beside `out` and rename it; the manifest's digest. Raises ExportFailedError
    or AuditError; then nothing is left."""
    partial = out.with_name(f".{out.name}.{secrets.token_hex(4)}.partial")
    try:
        partial.mkdir(mode=0o700)
        try:
            digests = {name: _put(partial, name, content) for name, content in files.items()}
            digests |= {name: _copy(partial, name, path) for name, path in originals.items()}
            sums = "".join(f"{digest}  {name}\n" for name, (digest, _) in sorted(digests.items()))
            digests[SUMS] = _put(partial, SUMS, sums.encode())
            listed = {
                name: {"sha256": digest, "bytes": size} for name, (digest, size) in digests.items()
            }
            manifest, _ = _put(partial, MANIFEST, canonical({"schema": FORMAT, "files": listed}))
            text = f"{FORMAT}\n{log.origin}\n{request.id}\n{manifest}  {MANIFEST}\n"
            _put(partial, NOTE, log.sign(text).encode())
            for folder in (partial, *(each for each in partial.rglob("*") if each.is_dir())):
                _sync(folder)
            partial.rename(out)
            _sync(out.parent)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise ExportFailedError(out, error.strerror or str(error)) from error
    return manifest


def _new_file(folder: Path, name: str) -> int:
    path = folder / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)


def _put(folder: Path, name: str, content: bytes) -> tuple[str, int]:
    with os.fdopen(_new_file(folder, name), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return hashlib.sha256(content).hexdigest(), len(content)


def _copy(folder: Path, name: str, source: Path) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as stream, os.fdopen(_new_file(folder, name), "wb") as file:
        while piece := stream.read(_PIECE):
            digest.update(piece)
            size += len(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest(), size


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_in(folder: Path) -> Read:
    """Reads the files of a pack that was checked."""

    def read(name: str) -> bytes:
        return (folder / name).read_bytes()

    return read


def answer_in(folder: Path) -> Data:
    """`answer.json` of a pack that was checked. Raises ValueError if it is not in its form."""
    return read_exact((folder / ANSWER).read_bytes())
