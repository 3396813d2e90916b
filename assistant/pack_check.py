"""Checking an evidence pack: that nothing in it was changed, and that it says what was recorded.

This module is in every pack, in `check.pyz` beside `cloister-verify.pyz`, and runs there without
Cloister: it needs Python 3.11, the package `cryptography` and no network. It checks the signed
manifest and the hash of every file; that every record stands in the log under the pack's
checkpoint; that each payload shown is what the record's ciphertext holds under its key; that
`answer.json` tells what these records and payloads hold (`assistant.pack_told`); that each
quotation is in its page's text; and that an anchored checkpoint leads to the pack's checkpoint.

What it does not prove: that somebody who holds the log's signing key did not make it all up, which
a checkpoint or key from elsewhere would show (give them); that a picture of a page is true to the
document, for which open the document itself; what an erased text was.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from assistant.pack_files import PackFiles, digest_of, walked
from assistant.pack_told import Told, clean, untrue
from audit.canonical import read_exact
from audit.checkpoint import VerifierKey, open_checkpoint, open_text, parse_verifier_key
from audit.errors import AuditError
from audit.merkle import leaf_hash, verify_consistency, verify_inclusion
from audit.proof import verify_proof

FORMAT = "cloister.audit/pack/1"
ANSWER, RECORDS, CHECKPOINT = "answer.json", "records.jsonl", "checkpoint.note"
MANIFEST, NOTE, SUMS = "manifest.json", "manifest.note", "SHA256SUMS"
ANCHORED = "anchored.note"
UNLISTED = frozenset({MANIFEST, NOTE})
_PART = "[A-Za-z0-9_-][A-Za-z0-9._-]{0,150}"
_NAME = re.compile(f"(?:{_PART}/){{0,2}}{_PART}")
_NONCE = 12
_UNFIT = (
    AuditError, OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError,
)  # fmt: skip
Data = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of it: `findings` are sentences, none if all holds. `own_keys`: the public keys
    were the pack's own, so that somebody with a key of their own could have made it."""

    findings: tuple[str, ...]
    origin: str = ""
    request: str = ""
    size: int = 0
    root: str = ""
    records: int = 0
    opened: int = 0
    erased: int = 0
    quotations: int = 0
    files: int = 0
    own_keys: bool = True

    @property
    def state(self) -> str:
        """OK, or ALTERED."""
        return "ALTERED" if self.findings else "OK"

    def sentences(self) -> Iterator[str]:
        """What is proven, or what is not as it should be, for people."""
        if self.findings:
            yield from self.findings
            return
        yield (
            f"Proven: all files ({self.files}) are as they were packed; all records "
            f"({self.records}) stand, byte for byte, in the log {self.origin} under its signed "
            f"checkpoint of {self.size}; the texts shown ({self.opened}, erased {self.erased}) are "
            f"the recorded ones; the quotations ({self.quotations}) are in their pages' text."
        )
        yield (
            "Not proven: that somebody who holds the log's signing key did not make this up. "
            + (
                "The public keys were the pack's own: compare them, or the checkpoint, with a copy "
                "from elsewhere."
                if self.own_keys
                else "The public keys were given, not the pack's own."
            )
        )


def check(folder: Path, keys: Sequence[VerifierKey] = ()) -> Checked:
    """Check the pack in `folder`, with the public keys of its log from elsewhere if any are given.

    Raises nothing for what is wrong with the pack: that is in the findings.
    """
    pack = PackFiles(folder)
    try:
        return _checked(pack, keys)
    except _UNFIT as error:
        pack.findings.append(f"The pack is not in the form {FORMAT} ({clean(str(error))}).")
        return Checked(tuple(pack.findings))


def _checked(pack: PackFiles, given: Sequence[VerifierKey]) -> Checked:
    trusted, rotations = _keys(pack, given)
    origin, request, digest = _note(pack, trusted)
    files = _files(pack, digest)
    note = pack.read(CHECKPOINT)
    checkpoint = open_checkpoint(note, trusted)
    if checkpoint.origin != origin:
        pack.findings.append("The checkpoint is another log's than the manifest.")
    _in_force(pack, note, checkpoint.size, rotations, trusted)
    _anchored(pack, trusted, checkpoint.size, checkpoint.root)
    envelopes, hashes = _records(pack, trusted, note, request)
    answer = pack.json(ANSWER)
    _pruned(pack, answer, checkpoint.size, checkpoint.root)
    payloads = _payloads(pack, envelopes)
    told = [
        Told(seq, each, hashes[seq], _payload_state(each, seq in payloads), payloads.get(seq))
        for seq, each in envelopes.items()
    ]
    pack.findings += untrue(answer, told)
    if (answer["schema"], answer["log"]["origin"]) != (FORMAT, origin):
        pack.findings.append(f"{ANSWER} names another form or log.")
    if (answer["log"]["size"], answer["log"]["root"]) != (checkpoint.size, checkpoint.root.hex()):
        pack.findings.append(f"{ANSWER} names another checkpoint.")
    quotations = _quoted(pack, answer, payloads)
    _documents(pack, answer)
    erased = sum(each["payload"] == "erased" for each in answer["records"])
    return Checked(
        tuple(pack.findings), origin, request, checkpoint.size, checkpoint.root.hex(),
        len(envelopes), len(payloads), erased, quotations, files, not given,
    )  # fmt: skip


def _keys(pack: PackFiles, given: Sequence[VerifierKey]) -> tuple[list[VerifierKey], list[int]]:
    """The keys to trust, with those that they vouch for; the numbers of the rotations."""
    names = _listed(pack.folder / "keys", "epoch-", ".pub")
    own = [parse_verifier_key(pack.text(f"keys/epoch-{each}.pub")) for each in names]
    trusted = list(given or own)
    rotations = _listed(pack.folder / "keys", "rotation-", ".proof")
    for number in rotations:
        proven = verify_proof(pack.read(f"keys/rotation-{number}.proof"), trusted)
        fields = proven.envelope["fields"]
        rotated = proven.envelope["type"] == "key.rotated" and proven.checkpoint.size == number + 1
        if proven.seq != number or not rotated or not isinstance(fields, dict):
            pack.findings.append(f"keys/rotation-{number}.proof is not that of a change of keys.")
            continue
        new = parse_verifier_key(str(fields["verifier_key"]))
        if new not in trusted:
            trusted.append(new)
    return trusted, rotations


def _listed(folder: Path, start: str, end: str) -> list[int]:
    """The numbers in the names of a folder's files, in order."""
    form = re.compile(rf"{start}([0-9]{{1,18}}){end}")
    found = (form.fullmatch(each.name) for each in folder.iterdir())
    return sorted(int(each[1]) for each in found if each)


def _note(pack: PackFiles, trusted: Sequence[VerifierKey]) -> tuple[str, str, str]:
    """Origin, request and the manifest's digest, as they were signed."""
    text, signer = open_text(pack.read(NOTE), trusted)
    lines = text.split("\n")
    named = len(lines) == 5 and lines[0] == FORMAT and lines[3].endswith(f"  {MANIFEST}")
    if not named or lines[1] != signer.name:
        raise ValueError(f"{NOTE} has another form")
    return lines[1], lines[2], lines[3][:64]


def _files(pack: PackFiles, digest: str) -> int:
    """Every file against the manifest; how many."""
    if hashlib.sha256(pack.read(MANIFEST)).hexdigest() != digest:
        pack.findings.append(f"{MANIFEST} was changed after it was signed.")
    listed = pack.json(MANIFEST)["files"]
    found = set(walked(pack))
    for name in sorted(found - listed.keys() - UNLISTED):
        pack.findings.append(f"{clean(name)} does not belong to the pack.")
    for name, said in sorted(listed.items()):
        if not _NAME.fullmatch(name) or name not in found:
            pack.findings.append(f"{clean(name)} is missing.")
        elif (said["sha256"], said["bytes"]) != digest_of(pack, name):
            pack.findings.append(f"{name} was changed.")
    return len(listed)


def _in_force(
    pack: PackFiles,
    note: bytes,
    size: int,
    rotations: Sequence[int],
    trusted: Sequence[VerifierKey],
) -> None:
    """A checkpoint's key must be that of the epoch in force at its size (see docs/audit.md)."""
    epoch = 1 + sum(number < size - 1 for number in rotations)
    expected = parse_verifier_key(pack.text(f"keys/epoch-{epoch}.pub"))
    if open_text(note, trusted)[1] != expected:
        pack.findings.append(f"The checkpoint of {size} records is signed by another epoch's key.")


def _anchored(pack: PackFiles, trusted: Sequence[VerifierKey], size: int, root: bytes) -> None:
    """An anchored checkpoint is an earlier state of the same log."""
    if not pack.there(ANCHORED):
        return
    old = open_checkpoint(pack.read(ANCHORED), trusted)
    told = pack.json(ANSWER)["anchored"]
    path = [_unb64(each) for each in told["consistency"]]
    try:
        verify_consistency(old.size, size, path, old.root, root)
    except AuditError as error:
        pack.findings.append(f"The anchored checkpoint does not lead to the pack's: {error}")


def _records(
    pack: PackFiles, trusted: Sequence[VerifierKey], note: bytes, request: str
) -> tuple[dict[int, Data], dict[int, str]]:
    """The envelopes and the hex leaf hashes by number, each proven."""
    found: dict[int, Data] = {}
    hashes: dict[int, str] = {}
    for line in pack.read(RECORDS).split(b"\n")[:-1]:
        envelope = read_exact(line)
        seq = envelope["seq"]
        if not isinstance(seq, int) or seq in found or envelope["request_id"] != request:
            pack.findings.append(f"{RECORDS} holds a record that does not belong there.")
            continue
        found[seq], hashes[seq] = envelope, leaf_hash(line).hex()
        name = f"proofs/record-{seq}.proof"
        raw = pack.read(name)
        try:
            proven = verify_proof(raw, trusted)
        except AuditError as error:
            pack.findings.append(f"{name}: {error}")
            continue
        if proven.seq != seq or raw.split(b"\n", 3)[2] != line or not raw.endswith(b"\n\n" + note):
            pack.findings.append(f"{name} proves another record, or under another checkpoint.")
    return found, hashes


def _pruned(pack: PackFiles, answer: Data, size: int, root: bytes) -> None:
    for each in answer["pruned"]:
        path = [_unb64(step) for step in each["path"]]
        try:
            verify_inclusion(bytes.fromhex(each["hash"]), each["seq"], size, path, root)
        except AuditError as error:
            pack.findings.append(f"The removed record {each['seq']}: {error}")


def _unb64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error


def _payloads(pack: PackFiles, envelopes: Mapping[int, Data]) -> dict[int, Data]:
    """The payloads by number, decrypted here from what the log stores."""
    found: dict[int, Data] = {}
    for seq, envelope in envelopes.items():
        reference = envelope["payload"]
        if reference is None or not pack.there(f"payloads/payload-{seq}.bin"):
            continue
        opened = _opens(pack, seq, envelope, reference)
        if opened is not None:
            found[seq] = opened
    return found


def _payload_state(envelope: Data, opened: bool) -> str:
    """What `answer.json` must say of a payload: one that is not in the pack was erased."""
    if envelope["payload"] is None:
        return "none"
    return "open" if opened else "erased"


def _opens(pack: PackFiles, seq: int, envelope: Data, reference: Data) -> Data | None:
    name = f"payloads/payload-{seq}"
    stored = pack.read(f"{name}.bin")
    digest = hashlib.sha256(stored).hexdigest()
    if (digest, len(stored)) != (reference["ciphertext_sha256"], reference["length"]):
        pack.findings.append(f"{name}.bin is not what record {seq} commits to.")
        return None
    bound = f"cloister.audit/1 payload\n{envelope['log_id']}\n{envelope['event_id']}".encode()
    try:
        key = bytes.fromhex(pack.text(f"{name}.key").strip())
        plain = ChaCha20Poly1305(key).decrypt(stored[:_NONCE], stored[_NONCE:], bound)
        opened: Data = json.loads(plain)
        shown = json.loads(pack.read(f"{name}.json"))
    except (InvalidTag, ValueError):
        pack.findings.append(f"{name}.bin does not open under {name}.key.")
        return None
    if opened != shown:
        pack.findings.append(f"{name}.json says something else than was recorded.")
    return opened


def _quoted(pack: PackFiles, answer: Data, payloads: Mapping[int, Data]) -> int:
    """Quotations against the pages' text; how many are in it."""
    sealed = {
        (str(each["document"]), int(each["page"])): str(each["page_sha256"])
        for payload in payloads.values()
        for each in payload.get("hits", ())
        if "page_sha256" in each
    }
    pages = {(each["document"], each["page"]): each for each in answer["pages"]}
    shown = (*answer["citations"], *answer["found"])
    if {(each["document"], each["page"]) for each in shown} != pages.keys():
        pack.findings.append(f"{ANSWER} shows other pages than it cites.")
    return sum(_held(pack, each, pages, sealed) for each in answer["citations"])


def _held(
    pack: PackFiles,
    each: Data,
    pages: Mapping[tuple[str, int], Data],
    sealed: Mapping[tuple[str, int], str],
) -> bool:
    """Whether a quotation is in its page's text; what is told of that must be so."""
    place = each["document"], each["page"]
    name = pages[place]["text_file"]
    content = pack.read(name) if name else b""
    text = content.decode("utf-8", "surrogatepass")
    same = clean(text[each["start"] : each["end"]]) == each["quote"]
    state = "gone" if not name else "same" if same else "differs"
    told = pages[place]["state"] == ("there" if name else "gone")
    if (each["state"], each["text_file"]) != (state, name) or not told:
        pack.findings.append(f"{ANSWER} tells otherwise of page {place[1]} of {place[0]}.")
    changed = place in sealed and hashlib.sha256(content).hexdigest() != sealed[place]
    if state == "same" and changed:
        pack.findings.append(f"{name} is not the page that was found then.")
    return state == "same"


def _documents(pack: PackFiles, answer: Data) -> None:
    for each in answer["documents"]:
        name = each["file"]
        if name and digest_of(pack, name)[0] != each["id"]:
            pack.findings.append(f"{name} is not the document {each['id']}.")


def main(arguments: Sequence[str]) -> int:
    """`python3 check.pyz FOLDER [PUBLIC-KEY ...]`; 0 if all holds, 2 for wrong usage, else 7."""
    if not arguments or not Path(arguments[0]).is_dir():
        print("usage: python3 check.pyz FOLDER [PUBLIC-KEY ...]", file=sys.stderr)
        return 2
    try:
        keys = [_given(each) for each in arguments[1:]]
    except (AuditError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    done = check(Path(arguments[0]), keys)
    print(done.state)
    for sentence in done.sentences():
        print(sentence.encode("ascii", "backslashreplace").decode())
    return 7 if done.findings else 0


def _given(text: str) -> VerifierKey:
    path = Path(text)
    return parse_verifier_key(path.read_text("utf-8") if path.is_file() else text)
