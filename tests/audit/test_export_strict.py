"""Exports: with pruned records in them, and refused unless every byte is as written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from audit.checkpoint import VerifierKey
from audit.errors import AuditError, ExportRefusedError
from audit.export import (
    MAX_LINE_BYTES,
    ExportLines,
    ExportSummary,
    stretch,
    verify_export,
)
from audit.record import Event
from tests.audit.standins import ANN, open_test_log, question

_Made = tuple[bytes, tuple[VerifierKey, ...]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> _Made:
    """An export of a log of which two records were pruned, and the log's keys."""
    with open_test_log(tmp_path_factory.mktemp("export") / "home") as log:
        log.append_many([question(number) for number in range(5)])
        log.seal()
        log.prune([3, 4], Event("retention.pruned", ANN, {}))
        note = log.seal()
        entries = stretch(log.scan(1, 6), log.pruned(), 1, 6)
        size = int(note.split("\n")[1])
        summary = ExportSummary(log.origin, 1, 6, 6, size, "")
        lines = ExportLines(entries, log.node, summary, note)
        return "".join(lines).encode(), log.trusted_keys


def test_a_pruned_record_keeps_its_place_in_an_export(made: _Made, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(made[0])
    summary = verify_export(path, made[1])
    assert (summary.first, summary.last, summary.count, summary.pruned) == (1, 6, 6, 2)


def test_no_bit_of_an_export_can_be_other(made: _Made, tmp_path: Path) -> None:
    raw, keys = made
    path = tmp_path / "out.jsonl"
    for bit in range(0, 8 * len(raw), 97):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(bytes(changed))
        with pytest.raises(AuditError):
            verify_export(path, keys)


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw.replace(b'"kind":"header"', b'"kind": "header"'),
        lambda raw: raw.replace(b'"first":1', b'"first":1.0'),
        lambda raw: raw.replace(b'"first":1', b'"first":true'),
        lambda raw: raw.replace(b'"first":1,"last":6', b'"last":6,"first":1'),
        lambda raw: raw.replace(b'"last":6,"count":6', b'"last":99999999999,"count":99999999999'),
        lambda raw: raw.replace(b'"kind":"pruned"', b'"kind":"record"'),
        lambda raw: raw.replace(b'"kind":"record"', b'"kind":"record","more":1'),
        lambda raw: raw.replace(b"person", b"pers\\u006fn"),
        lambda raw: raw[: raw.index(b'"proof"')] + raw[raw.index(b'"proof"') :].upper(),
        lambda raw: raw.replace(b"\n", b"\r\n"),
        lambda raw: raw + b"\n",
        lambda raw: raw[:-1],
        lambda raw: raw + raw,
        lambda raw: b"[" * 100_000,
        lambda raw: b"x" * (MAX_LINE_BYTES + 5),
        lambda raw: b"",
        lambda raw: b"\xff\xfe",
    ],
)
def test_what_is_not_exactly_an_export_is_refused(
    made: _Made, tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "out.jsonl"
    changed = change(made[0])
    assert changed != made[0]
    path.write_bytes(changed)
    with pytest.raises(ExportRefusedError):
        verify_export(path, made[1])
