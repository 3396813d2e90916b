"""Exports for other programs: CSV, OCSF, CEF and syslog, each with the proof in a file beside it.

`audit.export` writes the log's own form, with a proof in every line. These formats have no place
for one, so that `FILE` goes with `FILE.proof.json`: range, filter, count, SHA-256 of the file, the
signed checkpoint, and the parts of the tree that are not in the file (`audit.export_proof`).
`audit.export_check` needs the two and the public key, and nothing else.

Both are written and on disk under temporary names, then `log.exported` is recorded, and only then
they get their names. Memory does not grow with the log.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from audit import export_cef, export_csv, export_ocsf, export_syslog
from audit.canonical import canonical
from audit.envelope import parse_envelope
from audit.errors import (
    AuditError,
    ExportExistsError,
    ExportFailedError,
    LogCorruptError,
    RangeError,
)
from audit.export_proof import parts_between
from audit.export_row import Row, row_of
from audit.merkle import leaf_hash
from audit.ports import AuditLog
from audit.record import Actor, Event
from audit.store import Filter, Leaf

PROOF_FORMAT = "cloister.audit.export-proof/1"
# Raised whenever a line of the same record changes its text; a check compares text of its own only.
RENDERING = 1
HOW_TO_CHECK = (
    "python -m audit.export_check FILE --key epoch-1.pub checks, without the log, that every line "
    "is what Cloister writes for a record, that these records stand in the log under the signed "
    "checkpoint, and that nothing between them is hidden. Take the public key from elsewhere."
)


@dataclass(frozen=True, slots=True)
class Format:
    """How one format writes a record as a line and reads it back. `header`: the first line."""

    name: str
    line: Callable[[Leaf, Mapping[str, object]], str]
    parse: Callable[[str], Row]
    newline: str
    header: str = ""


FORMATS: Mapping[str, Format] = {
    each.name: each
    for each in (
        Format("csv", export_csv.line, export_csv.parse, export_csv.NEWLINE, export_csv.HEADER),
        Format("ocsf", export_ocsf.line, export_ocsf.parse, export_ocsf.NEWLINE),
        Format("cef", export_cef.line, export_cef.parse, export_cef.NEWLINE),
        Format("syslog", export_syslog.line, export_syslog.parse, export_syslog.NEWLINE),
    )
}


@dataclass(frozen=True, slots=True)
class Summary:
    """What an export holds: `count` of the records `first` to `last` of the log `origin`, under a
    checkpoint of `size` records; `pruned` of the range were removed by retention before. `digest`:
    hex SHA-256 of the file; `file_bytes`: its length; `longest`: octets of its longest line."""

    format: str
    origin: str
    first: int
    last: int
    count: int
    pruned: int
    size: int
    digest: str
    file_bytes: int
    longest: int

    def as_json(self) -> dict[str, object]:
        """Plain values for `json.dumps`."""
        return asdict(self)


@dataclass(slots=True)
class _Counted:
    """A file that is being written: its digest, length and longest line so far."""

    file: IO[bytes]
    hash: hashlib._Hash
    length: int = 0
    longest: int = 0

    def write(self, text: str) -> None:
        data = text.encode("utf-8")
        self.file.write(data)
        self.hash.update(data)
        self.length += len(data)
        self.longest = max(self.longest, len(data))


def proof_path(out: Path) -> Path:
    """Where the proof of the export `out` stands."""
    return out.with_name(f"{out.name}.proof.json")


def export_file(
    log: AuditLog,
    actor: Actor,
    out: Path,
    format: Format,
    *,
    first: int = 0,
    last: int | None = None,
    chosen: Filter | None = None,
) -> Summary:
    """Write those of the records first to last (both included; by default all) that match `chosen`
    (its limit does not count) to the new file `out`, and their proof beside it.

    Everything is sealed first. Records `log.exported` before either file appears.
    Raises RangeError or ExportExistsError (exit code 2), ExportFailedError, or another AuditError.
    """
    proof = proof_path(out)
    for path in (out, proof):
        if os.path.lexists(path):
            raise ExportExistsError(path)
    note = log.seal()
    size = int(note.split("\n")[1])
    end = size - 1 if last is None else last
    if not 0 <= first <= end < size:
        raise RangeError(first, end, size)
    given = chosen or Filter()
    temporary: list[Path] = []
    try:
        try:
            with _new(out, temporary) as file, _new(proof, temporary) as beside:
                summary = _write(log, file, beside, format, given, (first, end), note)
            log.append(_exported(actor, out, summary, given))
            _publish(temporary, (out, proof))
        finally:
            for path in temporary:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise ExportFailedError(out, error.strerror or str(error)) from error
    return summary


def _write(
    log: AuditLog,
    file: IO[bytes],
    beside: IO[bytes],
    format: Format,
    chosen: Filter,
    span: tuple[int, int],
    note: str,
) -> Summary:
    """Write both files and see them on disk."""
    counted = _Counted(file, hashlib.sha256())
    size = int(note.split("\n")[1])
    beside.write(f'{{"format":"{PROOF_FORMAT}","omitted":['.encode())
    count, pruned = _write_records(log, counted, beside, format, chosen, (*span, size))
    summary = Summary(
        format.name,
        log.origin,
        *span,
        count,
        pruned,
        size,
        counted.hash.hexdigest(),
        counted.length,
        counted.longest,
    )
    beside.write(_proof_end(summary, chosen, note).encode())
    for each in (file, beside):
        each.flush()
        os.fsync(each.fileno())
    return summary


def _new(path: Path, made: list[Path]) -> IO[bytes]:
    """A new file for this account alone, in the folder of `path` under a name of its own."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    made.append(Path(name))
    return os.fdopen(descriptor, "wb")


def _publish(temporary: list[Path], names: tuple[Path, Path]) -> None:
    """Give the two files their names. A file that is there already is never replaced."""
    done: list[Path] = []
    try:
        for source, target in reversed(list(zip(temporary, names, strict=True))):
            _name(source, target)  # the proof first: no export is ever seen without
            done.append(target)
    except BaseException:
        for target in done:
            target.unlink(missing_ok=True)
        raise
    with suppress(OSError):  # not every system can sync a folder; the files themselves are on disk
        descriptor = os.open(names[0].parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _name(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileExistsError:
        raise ExportExistsError(target) from None
    except OSError:  # a file system without hard links
        if os.path.lexists(target):
            raise ExportExistsError(target) from None
        source.replace(target)


def _write_records(
    log: AuditLog,
    counted: _Counted,
    beside: IO[bytes],
    format: Format,
    chosen: Filter,
    bounds: tuple[int, int, int],
) -> tuple[int, int]:
    """The lines into `counted` and what lies between them into `beside`; how many records are
    written, and how many of the range are pruned."""
    first, last, size = bounds
    if format.header:
        counted.write(format.header + format.newline)
    count = present = following = 0
    apart = ""

    def leave_out(start: int, end: int) -> None:
        nonlocal apart
        for level, position, digest in parts_between(log.node, start, end):
            beside.write(f'{apart}[{level},{position},"{digest.hex()}"]'.encode())
            apart = ","

    for leaf in _dense(log, first, last):
        present += 1
        # Also of what is left out: a column that was altered must not hide a record.
        envelope = _checked(log, leaf)
        if matches(leaf, chosen):
            leave_out(following, leaf.seq)
            counted.write(format.line(leaf, envelope) + format.newline)
            following = leaf.seq + 1
            count += 1
    leave_out(following, size)
    return count, last - first + 1 - present


def _dense(log: AuditLog, first: int, last: int) -> Iterator[Leaf]:
    """The records first to last. Raises LogCorruptError where one is missing but not pruned."""
    removed: frozenset[int] | None = None
    following = first

    def explain(end: int) -> None:
        nonlocal removed
        if removed is None and following < end:
            removed = frozenset(each.seq for each in log.pruned())
        for seq in range(following, end):
            if removed is None or seq not in removed:
                raise LogCorruptError(log.folder / "log.db", f"record {seq} is missing")

    for leaf in log.scan(first, last):
        explain(leaf.seq)
        yield leaf
        following = leaf.seq + 1
    explain(last + 1)


def matches(leaf: Leaf, chosen: Filter) -> bool:
    """Whether the record is one of those that the filter asks for; its limit does not count."""
    kind = chosen.type
    if kind is not None and kind.endswith(".*"):
        if not leaf.type.startswith(kind[:-1]):
            return False
    elif kind is not None and leaf.type != kind:
        return False
    if chosen.request_id is not None and leaf.request_id != chosen.request_id:
        return False
    if chosen.contains is not None and chosen.contains.encode() not in leaf.envelope:
        return False
    since, until = chosen.since, chosen.until
    return (since is None or leaf.ts_utc >= since) and (until is None or leaf.ts_utc < until)


def _checked(log: AuditLog, leaf: Leaf) -> dict[str, object]:
    """The envelope. Raises LogCorruptError unless its parts lead back to the stored bytes."""
    where = log.folder / "log.db"
    if leaf_hash(leaf.envelope) != leaf.hash:
        raise LogCorruptError(where, f"record {leaf.seq} does not match its hash")
    try:
        envelope = parse_envelope(leaf.envelope)
        if canonical(envelope) != leaf.envelope:
            raise ValueError("it is not in canonical form")
        row_of(leaf, envelope)
        return envelope
    except (ValueError, RecursionError, AuditError) as error:
        raise LogCorruptError(where, f"record {leaf.seq} cannot be read") from error


def _asked(chosen: Filter) -> dict[str, str | int | bool | None]:
    return {
        "type": chosen.type,
        "since": chosen.since,
        "until": chosen.until,
        "request_id": chosen.request_id,
        "contains": chosen.contains,
    }


def _proof_end(summary: Summary, chosen: Filter, note: str) -> str:
    """The rest of the proof, after what was left out. Times in nanoseconds, so as text."""
    asked = {
        name: str(value) if name in ("since", "until") and value is not None else value
        for name, value in _asked(chosen).items()
    }
    rest = {
        "export": summary.as_json(),
        "filter": asked,
        "rendering": RENDERING,
        "checkpoint": note,
        "how_to_check": HOW_TO_CHECK,
    }
    return "]," + json.dumps(rest, ensure_ascii=False, separators=(",", ":"))[1:] + "\n"


def _exported(actor: Actor, out: Path, summary: Summary, chosen: Filter) -> Event:
    """What is recorded of the export; a text that was searched for may be personal."""
    asked = _asked(chosen)
    searched = asked.pop("contains")
    fields: dict[str, str | int | bool | None] = {
        "format": summary.format,
        "first": summary.first,
        "last": summary.last,
        "count": summary.count,
        "size": summary.size,
        "digest": summary.digest,
    }
    for name, value in asked.items():
        if value is not None:  # nanoseconds exceed the integers that JSON keeps exact
            fields[name] = str(value)
    return Event("log.exported", actor, fields, {"file": str(out), "contains": searched})
