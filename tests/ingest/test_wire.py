"""What crosses the boundary comes out as it went in, or not at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import Failure
from ingest.members import MAX_MEMBER_PATH, MemberFailure, file_name, is_safe, safe_name
from ingest.pages import (
    Block,
    Box,
    Finding,
    FindingKind,
    Kind,
    Method,
    Page,
    Piece,
    ReadDocument,
    ReadPage,
    clean,
    compose,
)
from ingest.wire import (
    MAX_FINDINGS,
    UntrustedMessageError,
    bounded,
    checked_document,
    checked_failure,
    checked_item_failure,
    checked_member,
    document_message,
    failure_message,
    packed,
    unpacked,
)

texts = st.text(max_size=80).map(clean)
pieces = st.lists(st.builds(Piece, texts, st.sampled_from(Kind), st.integers(0, 5)), max_size=6)


def document(parts: list[Piece]) -> ReadDocument:
    text, blocks = compose(parts)
    boxes = (Box(0, len(text), 1.0, 2.0, 3.5, 4.0),) if text else ()
    page = Page(1, text, "i", 600.0, 800.0, boxes, Method.MIXED, 0.75)
    return ReadDocument(
        "text/plain",
        "title",
        (ReadPage(page, blocks),),
        metadata={"author": "somebody"},
        findings=(Finding(FindingKind.WHITE_TEXT, 1, 12, "not to be seen"),),
        declared={"title": "other", "supersedes": ("a.md", "b.md")},
    )


@given(pieces)
def test_a_document_comes_out_as_it_went_in(parts: list[Piece]) -> None:
    sent = document(parts)
    message, _ = unpacked(packed(document_message(sent)), 1 << 20)
    assert checked_document(message, 10, 0) == sent


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(pieces, st.data())
def test_a_changed_message_is_refused_or_still_sound(parts: list[Piece], data: Any) -> None:
    message = json.loads(json.dumps(document_message(document(parts))))
    target: Any = message
    while True:
        keys = list(target) if isinstance(target, dict) else list(range(len(target)))
        key = data.draw(st.sampled_from(keys))
        deeper = isinstance(target[key], (dict, list)) and target[key]
        if deeper and data.draw(st.booleans()):
            target = target[key]
            continue
        target[key] = data.draw(json_values)
        break
    try:
        found = checked_document(message, 10, 100)
    except UntrustedMessageError:
        return
    assert all(0 <= each.page <= len(found.pages) for each in found.findings)
    for read in found.pages:
        assert read.page.confidence is None or 0 <= read.page.confidence <= 1
        at = 0
        for block in read.blocks:
            assert not read.page.text[at : block.start].strip()
            assert at <= block.start < block.end <= len(read.page.text)
            at = block.end


def test_a_message_that_unpacks_to_more_than_the_limit_is_refused() -> None:
    bomb = packed({"items": ["0" * 1_000_000]})
    assert len(bomb) < 10_000
    with pytest.raises(UntrustedMessageError) as caught:
        unpacked(bomb, 100_000)
    assert caught.value.too_large


@pytest.mark.parametrize("garbage", [b"", b"x", packed({})[:-6] + b"zzzzzz"])
def test_garbage_is_refused(garbage: bytes) -> None:
    with pytest.raises(UntrustedMessageError):
        checked_document(unpacked(garbage, 1000)[0], 10, 0)


def test_only_known_failures_cross() -> None:
    assert checked_failure("corrupt") is Failure.CORRUPT
    with pytest.raises(UntrustedMessageError):
        checked_failure("<script>")


def test_a_hole_between_blocks_is_refused() -> None:
    page = ReadPage(Page(1, "seen unseen"), (Block(0, 4, Kind.TEXT),))
    message = document_message(ReadDocument("text/plain", "", (page,)))
    with pytest.raises(UntrustedMessageError, match="outside"):
        checked_document(message, 10, 0)


def changed(**values: object) -> dict[str, Any]:
    message = json.loads(json.dumps(document_message(document([Piece("words")]))))
    for key, value in values.items():
        where = message["pages"][0] if key in message["pages"][0] else message
        where[key] = value
    return dict(message)


@pytest.mark.parametrize(
    "values",
    [
        {"confidence": 1.01},
        {"confidence": float("nan")},
        {"confidence": float("inf")},
        {"confidence": True},
        {"method": "guessed"},
        {"method": ["ocr"]},
        {"findings": [["white_text", 2, 1, ""]]},  # there is one page only
        {"findings": [["white_text", -1, 1, ""]]},
        {"findings": [["unheard_of", 1, 1, ""]]},
        {"findings": [["comment", 1, 1, "x" * 121]]},
        {"findings": [["comment", 1, 1, "\x1b[2J"]]},
        {"findings": [["comment", 0, 0, ""]] * (MAX_FINDINGS + 1)},
        {"declared": {"supersedes": [1]}},
        {"declared": {"supersedes": {"a": "b"}}},
        {"declared": {"supersedes": ["a"] * 1001}},
        {"declared": {f"{number}": "" for number in range(65)}},
        {"media_type": "application/x-msdownload"},
    ],
)
def test_what_no_reader_sends_is_refused(values: dict[str, object]) -> None:
    checked_document(changed(), 10, 0)  # so that the refusal is of the change
    with pytest.raises(UntrustedMessageError):
        checked_document(changed(**values), 10, 0)


def test_findings_beyond_the_limit_are_summed_not_lost() -> None:
    many = [
        Finding(kind, 1, 2)
        for kind in (FindingKind.COMMENT, FindingKind.WHITE_TEXT)
        for _ in range(1500)
    ]
    kept = bounded(many)
    assert len(kept) <= MAX_FINDINGS
    for kind in (FindingKind.COMMENT, FindingKind.WHITE_TEXT):
        assert sum(each.characters for each in kept if each.kind == kind) == 3000


BAD_NAMES = [
    "", "/", "/a", "../a", "a/../../b", "a//b", "./a", "a\\b", "C:x", "c:/x", "a\0b", "a\nb",
    "invoice\u202efdp.exe", "a\u200bb", "\ud800", "x" * (MAX_MEMBER_PATH + 1),
]  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_member_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(UntrustedMessageError):
        checked_member({"member": name, "size": 1}, 10, ())


@given(st.text(max_size=30) | st.sampled_from(BAD_NAMES))
def test_a_safe_name_is_safe(name: str) -> None:
    for safe in (safe_name(name), file_name(name)):
        assert safe == "" or is_safe(safe)
    assert "/" not in file_name(name)


@given(st.lists(st.sampled_from(["..", ".", "", "a", "C:", "b.txt", " ", "\\", "/"])))
def test_no_row_of_dots_and_drives_leads_out(parts: list[str]) -> None:
    safe = safe_name("/".join(parts))
    assert safe == "" or is_safe(safe)


@pytest.mark.parametrize(
    ("size", "taken", "too_large"),
    [(11, (), True), (-1, (), False), ("3", (), False), (True, (), False), (3, ("a",), False)],
)
def test_a_member_is_bounded_and_named_once(
    size: object, taken: tuple[str, ...], too_large: bool
) -> None:
    assert checked_member({"member": "a", "size": 10}, 10, ("b",)) == ("a", 10)
    with pytest.raises(UntrustedMessageError) as caught:
        checked_member({"member": "a", "size": size}, 10, taken)
    assert caught.value.too_large is too_large


def test_a_failure_names_its_member() -> None:
    sent = MemberFailure(Failure.MEMBER_ENCRYPTED, "folder/secret.pdf")
    found = checked_item_failure(json.loads(json.dumps(failure_message(sent))))
    assert isinstance(found, MemberFailure)
    assert (found.failure, found.name) == (Failure.MEMBER_ENCRYPTED, "folder/secret.pdf")
    with pytest.raises(UntrustedMessageError):
        checked_item_failure({"failed": "corrupt", "member": "../up"})
