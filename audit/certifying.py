"""Issuing the certificate of an erasure from the log's records; see `audit.certificate`."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from audit.canonical import canonical
from audit.certificate import SCHEMA, TITLE
from audit.database import explained, make_private_folder
from audit.envelope import format_time, parse_envelope
from audit.erasing import opened
from audit.erasure import BASES, Erasure, fields_of
from audit.errors_duties import CertificateError
from audit.keys import write_file
from audit.merkle import inclusion_proof
from audit.ports import AuditLog
from audit.store import Leaf

FOLDER = "certificates"
KEPT = (
    (
        "the clear part of the records: time, kind, ids of actors, ids and digests of documents "
        "and texts, counts, codes",
        "it is what shows that the log is whole; whether GDPR Art. 17(3)(b) or (e), or another "
        "ground, allows keeping it is for the controller to judge",
    ),
    (
        "the encrypted payloads whose keys were destroyed",
        "nobody can read them any more; the records commit to them",
    ),
    (
        "the payload of erasure.begun: on whose request, and why",
        "it accounts for this erasure",
    ),
)
_KEPT_OF_PERSON = (
    "the person's API keys and their name in the file of keys",
    "they are no text; revoke them with `cloister keys revoke`",
)
_OUTSIDE = (
    "Copies outside the data folder (the files that were ingested, backups, exports, evidence "
    "packs and reports written elsewhere) are not reached by Cloister and were not searched."
)


def issue(log: AuditLog, erasure: Erasure) -> tuple[Path, dict[str, object]]:
    """Write the certificate of a finished erasure; where, and what it says. Done again it says the
    same of the erasure, under a newer checkpoint. Raises AuditError."""
    if erasure.finished is None:
        raise CertificateError("the erasure is not finished")
    note = log.seal()
    said = _said(log, erasure, erasure.finished, note)
    digest = hashlib.sha256(canonical(said)).hexdigest()
    signature = log.sign(f"{TITLE}\n{log.origin}\n{digest}\n")
    path = log.folder / FOLDER / f"{erasure.id}.json"
    make_private_folder(path.parent)
    with explained(path):
        write_file(path, canonical({"certificate": said, "signature": signature}), replace=True)
    return path, said


def _said(log: AuditLog, erasure: Erasure, finished: Leaf, note: str) -> dict[str, object]:
    size = int(note.split("\n")[1])
    done = fields_of(finished)
    probe = fields_of(erasure.probed) if erasure.probed else {}
    asked = opened(log, erasure.begun) or {}
    numbers = (opened(log, finished) or {}).get("records")
    subject = erasure.subject
    kept = [*KEPT, _KEPT_OF_PERSON] if subject.person else list(KEPT)
    leaves = {"begun": erasure.begun, "probed": erasure.probed, "finished": finished}
    return {
        "schema": SCHEMA,
        "origin": log.origin,
        "log_id": log.log_id,
        "erasure": erasure.id,
        "kind": subject.kind,
        "documents": list(subject.documents),
        "collection": subject.collection,
        "person": subject.person,
        "record": subject.record,
        "whole_request": subject.whole_request,
        "basis": erasure.basis,
        "basis_text": BASES.get(erasure.basis, ""),
        "requested_by": str(asked.get("requested_by", "")),
        "acted": _actor(erasure.begun),
        "begun": format_time(erasure.begun.ts_utc),
        "finished": format_time(finished.ts_utc),
        "places_cleared": done.get("places_cleared", []),
        "probe": {
            name: probe.get(name)
            for name in ("places", "needles", "shared", "marks", "through", "found")
        },
        "records_erased": numbers if isinstance(numbers, list) else [],
        "records_count": done.get("records", 0),
        "kept": [{"what": what, "why": why} for what, why in kept],
        "not_covered": _OUTSIDE,
        "evidence": {
            "checkpoint": note,
            **{
                name: _evidence(log, leaf, size)
                for name, leaf in leaves.items()
                if leaf is not None
            },
        },
    }


def _actor(leaf: Leaf) -> dict[str, object]:
    actor = parse_envelope(leaf.envelope).get("actor")
    return {name: actor.get(name) for name in ("kind", "id")} if isinstance(actor, dict) else {}


def _evidence(log: AuditLog, leaf: Leaf, size: int) -> dict[str, object]:
    with log.reading:
        proof = inclusion_proof(log.node, leaf.seq, size)
    return {
        "number": leaf.seq,
        "envelope": base64.b64encode(leaf.envelope).decode("ascii"),
        "proof": [base64.b64encode(each).decode("ascii") for each in proof],
    }
