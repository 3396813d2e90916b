"""The verifier as one file that can be handed over by itself: `cloister-verify.pyz`.

A zip application (https://docs.python.org/3/library/zipapp.html) of exactly those modules of this
package that `audit.verifier_cli` imports, found in their own import statements. It runs wherever
Python and `cryptography` are, without Cloister. The same sources give the same bytes, so its
SHA-256 can be published and compared.

Also here: writing the proof of a single record to a file (`audit.proof`). Both are recorded.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.abc
import importlib.util
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from audit.errors import ExportExistsError, ExportFailedError, LogUnwritableError
from audit.errors_duties import VerifierIncompleteError
from audit.keys import write_file
from audit.ports import AuditLog
from audit.proof import Proof, make_proof
from audit.record import Actor, Event, Fields

ENTRY = "audit.verifier_cli"
_PACKAGE = "audit"
_SHEBANG = b"#!/usr/bin/env python3\n"
_LICENSE = "LICENSE"
_MAIN = f"from {ENTRY} import run\n\nrun()\n"
_HOW_TO = """cloister-verify: verify an audit log without Cloister.

Needs Python 3.11 or newer with the package `cryptography`; no network, no installation.

    python3 cloister-verify.pyz LOGDIR --key epoch-1.pub --checkpoint KEPT-ELSEWHERE...
    python3 cloister-verify.pyz --export FILE --key epoch-1.pub
    python3 cloister-verify.pyz --proof FILE --key epoch-1.pub

LOGDIR holds log.db. Take the public key and the checkpoints from where the administrators of the
log cannot write. Compare the SHA-256 of this file with the published one before you trust it; you
can unpack it (it is a zip file of Python sources) and read what it does. It ends with 0 (OK,
UNSEALED_TAIL, TORN_TAIL), 2 (usage) or 7 (TAMPERED, or unusable input).

Licensed under the Apache License 2.0, see LICENSE.
"""


@dataclass(frozen=True, slots=True)
class HandedOver:
    """The file written: its size in bytes, hex SHA-256, and the modules in it."""

    path: Path
    size: int
    sha256: str
    modules: tuple[str, ...]


@cache
def modules() -> tuple[str, ...]:
    """The modules of this package that the verifier imports, directly or not, itself included.

    Imports for type checkers only do not count.
    """
    found: set[str] = set()
    waiting = [_PACKAGE, ENTRY]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _imports(ast.parse(_source(name)))
    return tuple(sorted(found))


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names if _is_ours(each.name))
        elif isinstance(node, ast.ImportFrom) and node.module and _is_ours(node.module):
            yield from _from(node)
        else:
            yield from _imports(node)


def _from(node: ast.ImportFrom) -> Iterator[str]:
    if node.module != _PACKAGE:
        yield str(node.module)
        return
    yield from (f"{_PACKAGE}.{each.name}" for each in node.names)


def _is_ours(name: str) -> bool:
    return name == _PACKAGE or name.startswith(f"{_PACKAGE}.")


def _source(name: str) -> str:
    spec = importlib.util.find_spec(name)
    loader = spec.loader if spec is not None else None
    source = loader.get_source(name) if isinstance(loader, importlib.abc.InspectLoader) else None
    if source is None:
        raise VerifierIncompleteError(name)
    return source


def build() -> bytes:
    """The file's bytes."""
    content = {"__main__.py": _MAIN, "README.txt": _HOW_TO, _LICENSE: _license()}
    for name in modules():
        place = "audit/__init__.py" if name == _PACKAGE else f"{name.replace('.', '/')}.py"
        content[place] = _source(name)
    packed = io.BytesIO()
    packed.write(_SHEBANG)
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_STORED) as archive:
        for place, text in sorted(content.items()):
            # A fixed time and mode, and no compression: other versions of zlib compress otherwise.
            entry = zipfile.ZipInfo(place, date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, text.encode("utf-8"))
    return packed.getvalue()


def _license() -> str:
    beside = Path(__file__).resolve().parent.parent / _LICENSE
    if beside.is_file():
        return beside.read_text(encoding="utf-8")
    try:
        for path in distribution("cloister").files or ():
            if path.name == _LICENSE:
                return path.read_text(encoding="utf-8")
    except (PackageNotFoundError, OSError):
        pass
    raise VerifierIncompleteError(_LICENSE)


def hand_over_verifier(log: AuditLog, actor: Actor, out: Path) -> HandedOver:
    """Write the verifier to the new file `out`. Records `verifier.handed_over` with its digest
    first. Raises ExportExistsError (exit code 2), ExportFailedError, or another AuditError."""
    content = build()
    made = HandedOver(out, len(content), hashlib.sha256(content).hexdigest(), modules())
    _require_new(out)
    fields: Fields = {"sha256": made.sha256, "bytes": made.size}
    log.append(Event("verifier.handed_over", actor, fields, {"file": str(out)}))
    _write(out, content)
    return made


def hand_over_proof(log: AuditLog, actor: Actor, key: int | str, out: Path) -> Proof:
    """Write the proof of one record, by number or event id, to the new file `out`.

    Records `log.proof_made` first. Raises RecordNotFoundError or ExportExistsError (exit code 2),
    ExportFailedError, or another AuditError.
    """
    _require_new(out)
    with log.reading:
        proof = make_proof(log, key)
        leaf = log.leaf(proof.seq)
        size = int(proof.note.split("\n")[1])
        fields: Fields = {
            "target_seq": leaf.seq,
            "target_event_id": leaf.event_id,
            "size": size,
        }
        log.append(Event("log.proof_made", actor, fields, {"file": str(out)}))
    _write(out, proof.text())
    return proof


def _require_new(out: Path) -> None:
    if out.exists():
        raise ExportExistsError(out)
    if not out.parent.is_dir():
        raise ExportFailedError(out, "there is no such folder")


def _write(out: Path, content: bytes) -> None:
    try:
        write_file(out, content, replace=False)
    except LogUnwritableError as error:
        raise ExportFailedError(out, str(error.__cause__)) from error
