"""Exports in other formats: every line leads back to the record, whatever stands in it, the file
and its proof are checked without the log, and no failure leaves half of one behind."""

from __future__ import annotations

import csv
import io
import json
import random
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit import export_formats
from audit.checkpoint import VerifierKey
from audit.envelope import Moment, Place, Writer, build_envelope, new_event_id, parse_envelope
from audit.errors import (
    CheckpointError,
    ExportExistsError,
    ExportFailedError,
    ExportRefusedError,
    LogCorruptError,
    LogLockedError,
    ProofError,
    RangeError,
)
from audit.export_check import check_file, main
from audit.export_formats import FORMATS, Format, export_file, proof_path
from audit.export_proof import Assembly, parts_between
from audit.export_types import FAMILIES, TYPES
from audit.keys import read_verifier_keys
from audit.log import Log
from audit.merkle import leaf_hash
from audit.record import Actor, Event
from audit.store import Filter, Leaf
from tests.audit.standins import ANN, alter, naive_root, open_test_log, question, written_log

_EVERY = pytest.mark.parametrize("format", FORMATS.values(), ids=list(FORMATS))
_HOSTILE = (
    "=1+1",
    "@SUM(A1)",
    "\t=cmd|' /C calc'!A0",
    "  \u3000-2",
    "\uff1d1+1",
    "\ufe62x",
    "'quoted",
    '"=1"',
    "a;=1+1",
    "a\r\nCEF:0|x|y|z|1|n|10|",
    "x suser=root cs5={}",
    "\\n\\=\\\\ | \\",
    ']\\"][fake@1 a="b"]',
    "\u202egnp.exe\u2066",
    "\x00\x7f\x85\u2028\ufeff",
    "\U0001f600 \U0010ffff",
    " ends with spaces  ",
    "",
)
_texts = st.one_of(
    st.sampled_from(_HOSTILE),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.lists(st.sampled_from(_HOSTILE), max_size=4).map("".join),
)
_values = st.one_of(
    _texts, st.integers(-(2**53) + 1, 2**53 - 1), st.booleans(), st.none(), st.lists(_texts)
)


def record(event: Event, seq: int = 7, build: str = "cloister 1", process: str = "cli") -> Leaf:
    """The record of an event as the log would store it."""
    moment = Moment(1_753_000_000_123_456_789 + seq, 5)
    stored = build_envelope(
        event,
        event_id=new_event_id(),
        place=Place("ab" * 16, seq, "00" * 32),
        moment=moment,
        writer=Writer(1, 2, process, build, "boot"),
        payload={"ciphertext_sha256": "cd" * 32, "length": 3, "key_id": "k"},
    )
    said = parse_envelope(stored)
    names = (event.type, moment.ts_utc, event.session, event.request_id)
    return Leaf(seq, str(said["event_id"]), *names, leaf_hash(stored), stored)


def as_line(format: Format, leaf: Leaf) -> str:
    return format.line(leaf, parse_envelope(leaf.envelope))


@_EVERY
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    person=st.tuples(_texts, _texts, _texts, _texts),
    groups=st.lists(_texts, max_size=3).map(tuple),
    names=st.tuples(_texts, _texts, _texts, _texts),
    fields=st.dictionaries(_texts, _values, max_size=5),
)
def test_a_line_holds_the_whole_record_and_nothing_else_in_any_way(
    format: Format,
    person: tuple[str, str, str, str],
    groups: tuple[str, ...],
    names: tuple[str, str, str, str],
    fields: dict[str, str | int | bool | None],
) -> None:
    kind, who, auth, client = person
    actor = Actor(kind, who, auth, groups, client)
    event = Event(f"task.{names[0]}", actor, fields, session=names[1], request_id=names[2])
    leaf = record(event, build=names[3], process=names[0])
    line = as_line(format, leaf)
    assert format.parse(line).leaf() == leaf
    assert len(line.splitlines()) == 1
    assert not re.search("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]", line)


def test_the_largest_envelope_fits_every_format_whole() -> None:
    fields = {"spaces": "= " * 8_000, "signs": "\\=|" * 4_000, "wide": "\U0001f600" * 6_000}
    leaf = record(Event("answer.released", ANN, fields))
    for format in FORMATS.values():
        line = as_line(format, leaf)
        assert format.parse(line).leaf() == leaf
        assert len(line.encode()) < 1024 * 1024
    extension = as_line(FORMATS["cef"], leaf).split("|", 7)[7]
    pairs = dict(each.split("=", 1) for each in re.split(r" (?=[A-Za-z0-9]+=)", extension))
    assert max(map(len, pairs.values())) <= 4000  # the limit of cs1 to cs6
    assert pairs["CloisterAuditFields2"]


@pytest.mark.parametrize("text", [*_HOSTILE, "\n;\t@a", "+1;=2"])
def test_a_spreadsheet_sees_no_formula_in_any_cell(text: str) -> None:
    actor = Actor("person", text, groups=(text,), client=text)
    line = as_line(FORMATS["csv"], record(Event("task.item", actor, {"a": text, text: 1})))
    formula = re.compile('[\\s"\x00-\x20]*[=+@\\-\uff1d\uff0b\uff0d\uff20\ufe62\ufe66\u2212]')
    for separator in ",;\t":  # whichever the reader's country takes for the separator
        for cell in next(csv.reader(io.StringIO(line), delimiter=separator)):
            assert formula.match(cell) is None
    assert not set(";\t") & set(line)
    names = FORMATS["csv"].header.split(",")
    cells = dict(zip(names, next(csv.reader([line])), strict=True))
    assert cells["actor_id"].startswith("'") == bool(formula.match(text) or text[:1] == "'")
    assert FORMATS["csv"].parse(line).actor_id == text


def test_cef_header_and_extension_are_escaped_as_the_format_says() -> None:
    fields = {"code": "a|b\\c=d\ne"}
    leaf = record(Event("key.refused", Actor("person", "x=y|z\\"), fields), build="1|2\\3\n4")
    head = re.split(r"(?<!\\)\|", as_line(FORMATS["cef"], leaf), maxsplit=7)
    assert head[:7] == [
        "CEF:0",
        "Cloister",
        "Audit",
        "1\\|2\\\\3 4",
        "key.refused",
        "key refused",
        "6",
    ]
    assert " suser=x\\=y|z\\\\ " in head[7]
    assert ' cs5={"code":"a|b\\\\\\\\c\\=d\\\\ne"} cs5Label=fields ' in head[7]
    assert head[7].startswith("rt=1753000000123 cn1=7 cn1Label=number cn2=1753000000123456796 ")


def test_syslog_has_the_header_of_rfc_5424_and_plain_json_after_it() -> None:
    leaf = record(
        Event("session.sign_in_failed", Actor("person", "é\n"), {"reason": "no"}), build='b"]\\é'
    )
    line = as_line(FORMATS["syslog"], leaf)
    head, text = line.split("] {", 1)
    assert head == (
        "<108>1 2025-07-20T08:26:40.123456Z - cloister 1 session.sign_in_failed "
        r'[origin software="Cloister" swVersion="b\"\]\\ "'
    )
    assert line.isascii()
    said = json.loads("{" + text)
    assert said.pop("leaf_hash") == leaf.hash.hex()
    assert said == parse_envelope(leaf.envelope)
    assert said["ts_utc"].endswith(".123456796Z")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of 40 questions, some of them Bob's."""
    home = tmp_path_factory.mktemp("log")
    bob = Actor("person", "=bob", groups=("a;b",))
    with open_test_log(home) as log:
        for number in range(40):
            log.append(question(number))
            log.append(Event("key.added", bob, {"key": f"k{number}"}))
    return home


@pytest.fixture
def log(home: Path) -> Iterator[Log]:
    with open_test_log(home) as log:
        yield log


def keys(home: Path) -> tuple[VerifierKey, ...]:
    return tuple(read_verifier_keys(home / "audit" / "keys"))


@_EVERY
def test_an_export_is_recorded_and_holds_against_the_public_key_alone(
    format: Format, log: Log, home: Path, tmp_path: Path
) -> None:
    out = tmp_path / "records"
    done = export_file(log, ANN, out, format, first=3, last=60)
    recorded = parse_envelope(log.leaf(log.size() - 1).envelope)
    assert recorded["type"] == "log.exported"
    assert recorded["fields"] == {
        "format": format.name,
        "first": 3,
        "last": 60,
        "count": 58,
        "size": done.size,
        "digest": done.digest,
    }
    checked = check_file(out, keys(home))
    assert checked.summary == done
    assert checked.text_compared
    assert done.count == 58
    omitted = json.loads(proof_path(out).read_text())["omitted"]
    assert len(omitted) <= 2 * done.size.bit_length()
    assert out.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["records", "records.proof.json"]
    public = str(home / "audit" / "keys" / "epoch-1.pub")
    assert main([str(out), "--key", public, "--json"]) == 0


@_EVERY
def test_what_a_filter_leaves_out_keeps_its_place(
    format: Format, log: Log, home: Path, tmp_path: Path
) -> None:
    chosen = Filter(type="key.*", contains="k1")
    done = export_file(log, ANN, tmp_path / "some", format, chosen=chosen)
    assert (done.count, done.first, done.last) == (11, 0, done.size - 1)
    assert check_file(tmp_path / "some", keys(home)).summary == done
    none = export_file(log, ANN, tmp_path / "none", format, chosen=Filter(until=0))
    assert none.count == 0
    assert check_file(tmp_path / "none", keys(home)).summary == none


@_EVERY
def test_no_bit_of_an_export_can_be_flipped_and_no_line_moved(
    format: Format, log: Log, home: Path, tmp_path: Path
) -> None:
    out = tmp_path / "records"
    export_file(log, ANN, out, format, first=10, last=11)
    trusted = keys(home)
    content = out.read_bytes()

    def refused(altered: bytes) -> bool:
        out.write_bytes(altered)
        _agree(out, altered)  # whoever alters the file alters what the proof states of it, too
        try:
            check_file(out, trusted)
        except (ExportRefusedError, ProofError):
            return True
        return False

    positions = random.Random(5).sample(range(len(content) * 8), 50)
    for position in positions:
        flipped = bytearray(content)
        flipped[position // 8] ^= 1 << position % 8
        assert refused(bytes(flipped)), position
    lines = content.splitlines(keepends=True)
    for altered in (
        lines[:-1],
        [*lines, lines[-1]],
        [*lines[:-2], lines[-1], lines[-2]],
        [*lines[:-1], lines[-1] + b"\n"],
    ):
        assert refused(b"".join(altered))
    assert not refused(content)


def _agree(out: Path, content: bytes) -> None:
    import hashlib

    values = json.loads(proof_path(out).read_text())
    lines = content.splitlines(keepends=True)
    values["export"] |= {
        "digest": hashlib.sha256(content).hexdigest(),
        "file_bytes": len(content),
        "longest": max(map(len, lines)),
        "count": len(lines) - (values["export"]["format"] == "csv"),
    }
    proof_path(out).write_text(json.dumps(values))


def test_a_proof_that_was_altered_is_refused(log: Log, home: Path, tmp_path: Path) -> None:
    out, trusted = tmp_path / "records", keys(home)
    export_file(log, ANN, out, FORMATS["csv"], first=2, last=5, chosen=Filter(type="key.added"))
    values = json.loads(proof_path(out).read_text())
    for changed, error in (
        ({"omitted": values["omitted"][:-1]}, ProofError),
        ({"omitted": [*values["omitted"], [0, 5, "00" * 32]]}, ProofError),
        ({"omitted": "none"}, ExportRefusedError),
        ({"checkpoint": values["checkpoint"].replace("\n", "\n1", 1)}, CheckpointError),
        ({"export": {**values["export"], "count": 9}}, ExportRefusedError),
        ({"export": {**values["export"], "first": 4}}, ExportRefusedError),
        ({"export": {**values["export"], "origin": "other"}}, ExportRefusedError),
        ({"filter": {**values["filter"], "type": "log.*"}}, ExportRefusedError),
    ):
        proof_path(out).write_text(json.dumps({**values, **changed}))
        with pytest.raises(error):
            check_file(out, trusted)
    proof_path(out).write_text(json.dumps({**values, "rendering": 0}))
    assert not check_file(out, trusted).text_compared
    assert main([str(tmp_path / "gone"), "--key", str(home / "audit/keys/epoch-1.pub")]) == 7


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 70), st.sets(st.integers(0, 69)))
def test_records_and_the_parts_between_them_make_the_whole_tree(size: int, kept: set[int]) -> None:
    leaves = [str(number).encode() for number in range(size)]

    def read(level: int, position: int) -> bytes:
        return naive_root(leaves[position << level : (position + 1) << level])

    assembly, following = Assembly(), 0
    for number in [*sorted(each for each in kept if each < size), size]:
        for level, _, digest in parts_between(read, following, number):
            assembly.add(level, digest)
        if number < size:
            assembly.add(0, leaf_hash(leaves[number]))
        following = number + 1
    assert (assembly.size, assembly.root()) == (size, naive_root(leaves))


def test_failures_leave_no_file_and_say_what_to_do(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, csv_format = tmp_path / "records", FORMATS["csv"]
    for first, last in ((5, 4), (0, 10_000)):
        with pytest.raises(RangeError):
            export_file(log, ANN, out, csv_format, first=first, last=last)
    with pytest.raises(ExportFailedError):
        export_file(log, ANN, tmp_path / "no" / "folder", csv_format)
    proof_path(out).write_text("mine")
    with pytest.raises(ExportExistsError):
        export_file(log, ANN, out, csv_format)
    proof_path(out).unlink()

    def locked(event: Event) -> None:
        raise LogLockedError(tmp_path)

    with monkeypatch.context() as patch:
        patch.setattr(log, "append", locked)
        with pytest.raises(LogLockedError):  # what cannot be recorded is not exported
            export_file(log, ANN, out, csv_format)
    assert list(tmp_path.iterdir()) == []

    publish = export_formats._publish

    def raced(temporary: list[Path], names: tuple[Path, Path]) -> None:
        out.write_text("another's")  # which came between the check and the last step
        publish(temporary, names)

    monkeypatch.setattr(export_formats, "_publish", raced)
    with pytest.raises(ExportExistsError):
        export_file(log, ANN, out, csv_format)
    assert out.read_text() == "another's"
    assert list(tmp_path.iterdir()) == [out]


def test_a_missing_or_altered_record_is_not_passed_over(tmp_path: Path) -> None:
    written_log(tmp_path / "a", 6)
    alter(tmp_path / "a", "PRAGMA foreign_keys=OFF", "DELETE FROM leaf WHERE seq = 4")
    written_log(tmp_path / "b", 6)
    alter(tmp_path / "b", "UPDATE leaf SET type = 'answer.released' WHERE seq = 4")
    for name in "ab":
        with (
            open_test_log(tmp_path / name) as log,
            pytest.raises(LogCorruptError, match="record 4"),
        ):
            export_file(log, ANN, tmp_path / "out", FORMATS["ocsf"], chosen=Filter(type="log.*"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_pruned_records_are_counted_and_do_not_break_the_proof(tmp_path: Path) -> None:
    written_log(tmp_path / "home", 8)
    with open_test_log(tmp_path / "home") as log:
        leaves = {leaf.seq: leaf for leaf in log.scan() if leaf.type == "question.received"}
        gone = sorted(leaves)[1:4]
        log.prune(gone, Event("retention.pruned", ANN))
        done = export_file(log, ANN, tmp_path / "out", FORMATS["syslog"])
    assert (done.pruned, done.count) == (3, done.size - 3)
    assert check_file(tmp_path / "out", keys(tmp_path / "home")).summary == done


_RECORDED = re.compile(
    r'(?:Event|event|record|recorded|write)\(\s*(?:[\w.]+,\s*)?"([a-z_]+\.[a-z_]+)"'
)
_SOURCES = ("audit", "ingest", "assistant", "ui", "index")
_TYPE = re.compile(r"""["`]([a-z]+(?:_[a-z]+)*\.[a-z]+(?:_[a-z]+)*)["`]""")


@cache
def types_in_the_sources() -> frozenset[str]:
    """Every type that the sources and docs/audit.md name: what is given to `Event` and to methods
    that record, and every other text of a family that records are known to have."""
    root = Path(__file__).parents[2]
    sources = (path for name in _SOURCES for path in (root / name).rglob("*.py"))
    texts = [each.read_text("utf-8") for each in sources if not each.name.startswith("export_")]
    recorded = {name for text in texts for name in _RECORDED.findall(text)}
    quoted = {name for text in texts for name in _TYPE.findall(text)}
    documented = set(_TYPE.findall((root / "docs/audit.md").read_text("utf-8")))
    families = {each.partition(".")[0] for each in (*recorded, *FAMILIES, *TYPES)}
    known = {each for each in quoted | documented if each.partition(".")[0] in families}
    # Names of modules are quoted, too.
    return frozenset(
        each for each in known if not (root / f"{each.replace('.', '/')}.py").is_file()
    )


def test_every_type_of_record_has_a_mapping_of_its_own_or_of_its_family() -> None:
    found = types_in_the_sources()
    assert {"question.received", "ingest.added", "model.called", "session.signed_in"} <= found
    assert len(found) > 60
    unmapped = {each for each in found if each not in TYPES and each.split(".")[0] not in FAMILIES}
    assert unmapped == set(), "give these a line in audit/export_types.py and docs/exports.md"
