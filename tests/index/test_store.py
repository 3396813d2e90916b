"""The index as others use it: versions, sources, access, the journal and the change log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.document import Scope, Status
from index.errors import (
    EmbedderMismatch,
    InvalidDocument,
    InvalidName,
    InvalidVectors,
    NotFound,
    UnknownCollection,
)
from index.records import Declared, Operation, SourceStatus
from index.store import Index
from tests.index.standins import LOCAL, BrokenEmbedder, HashEmbedder, new_document, small_index

SIX = "Records of transactions are kept for six years after the account is closed."
TWO = "Records of transactions are kept for twenty-four months."
DEFAULT = Scope(frozenset({"default"}))


@pytest.fixture
def index(home: Path) -> Iterator[Index]:
    with small_index(home) as opened:
        yield opened


def texts(index: Index, question: str = "transactions records", scope: Scope = DEFAULT) -> set[str]:
    return {hit.chunk.text for hit in index.search(question, scope, 20).hits}


def operations(index: Index) -> list[Operation]:
    return [change.operation for change in index.unrecorded()]


def test_a_document_is_read_back_as_it_was_put(index: Index) -> None:
    new = replace(
        new_document(SIX * 5, "a/b.txt", title="Manual"),
        metadata={"owner": "compliance"},
        declared=Declared(effective_from="2026-01-01"),
    )
    document = index.put(new)
    assert (document.id, document.source, document.version) == (new.id, "a/b.txt", 1)
    assert (document.pages, document.chunks) == (1, len(new.chunks))
    assert document.metadata == {"owner": "compliance"}
    assert document.effective_from == "2026-01-01"
    assert document.added_at.endswith("+00:00")
    assert index.document(new.id, DEFAULT) == document
    assert index.documents(DEFAULT) == [document]
    assert index.pages(new.id, DEFAULT) == list(new.pages)
    assert index.page(new.id, 1, DEFAULT) == new.pages[0]
    assert index.chunks(new.id, DEFAULT) == list(new.chunks)
    assert index.original(new.id, DEFAULT).read_bytes() == new.original


def test_every_hit_stands_where_it_says(index: Index) -> None:
    index.put_many([new_document(SIX * 4, "a.txt"), new_document(TWO * 3, "b.txt")])
    result = index.search("how long are records kept", DEFAULT, 10)
    assert [hit.rank for hit in result.hits] == list(range(1, len(result.hits) + 1))
    for hit in result.hits:
        page = index.page(hit.document.id, hit.chunk.page, DEFAULT)
        assert page.text[hit.chunk.start : hit.chunk.end] == hit.chunk.text
        assert hit.dense is not None
    assert result.generation == index.generation
    assert {"embed", "dense", "lexical", "check", "total"} <= result.timings.keys()


def test_what_is_missing_and_what_is_forbidden_look_the_same(index: Index) -> None:
    index.ensure_collection("legal", frozenset({"lawyers"}))
    secret = index.put(new_document(SIX, "a.txt", collection="legal"))
    scope = index.scope(LOCAL)
    said = set()
    for document_id in (secret.id, "0" * 64):
        for ask in (index.document, index.pages, index.chunks, index.original):
            with pytest.raises(NotFound) as caught:
                ask(document_id, scope)
            said.add(str(caught.value))
        with pytest.raises(NotFound) as caught:
            index.page(document_id, 1, scope)
        said.add(str(caught.value))
    assert len(said) == 1
    assert index.documents(scope) == []
    assert texts(index, scope=scope) == set()
    assert texts(index, scope=index.scope(frozenset({"lawyers"}))) == {SIX}


def test_a_page_beyond_the_last_is_not_found(index: Index) -> None:
    document = index.put(new_document(SIX, "a.txt"))
    for number in (0, 2, -1):
        with pytest.raises(NotFound):
            index.page(document.id, number, DEFAULT)


def test_new_bytes_at_a_source_supersede_the_old(index: Index) -> None:
    old = index.put(new_document(SIX, "a.txt"))
    new = index.put(new_document(TWO, "a.txt"))
    assert (new.version, new.status) == (2, Status.CURRENT)
    assert index.document(old.id, DEFAULT).status is Status.SUPERSEDED
    assert index.documents(DEFAULT) == [new]
    assert texts(index) == {TWO}
    assert operations(index) == [Operation.ADD, Operation.SUPERSEDE, Operation.ADD]
    back = index.put(new_document(SIX, "a.txt"))
    assert (back.version, back.id) == (3, old.id)
    assert texts(index) == {SIX}


def test_two_sources_with_the_same_bytes_share_one_document(index: Index) -> None:
    first = index.put(new_document(SIX, "a.txt"))
    assert index.holds("default", first.id)
    second = index.link_source("default", "b.txt", "/folder/b.txt", first.chunks, 7, first.id)
    assert second.id == first.id
    assert len(index.documents(DEFAULT)) == 1
    assert index.remove("default", "a.txt") is not None
    assert [each.source for each in index.documents(DEFAULT)] == ["b.txt"]
    assert texts(index) == {SIX}
    removed = index.remove("default", "b.txt")
    assert removed is not None
    assert texts(index) == set()
    assert operations(index) == [
        Operation.ADD,
        Operation.LINK,
        Operation.UNLINK,
        Operation.REMOVE,
    ]


def test_one_of_two_sources_changes(index: Index) -> None:
    shared = index.put(new_document(SIX, "a.txt"))
    index.put(new_document(SIX, "b.txt"))
    index.put(new_document(TWO, "a.txt"))
    assert texts(index) == {SIX, TWO}
    current = {each.source: each for each in index.documents(DEFAULT)}
    assert current["b.txt"].id == shared.id
    assert current["a.txt"].version == 2


def test_linking_brings_superseded_bytes_back(index: Index) -> None:
    old = index.put(new_document(SIX, "a.txt"))
    index.put(new_document(TWO, "a.txt"))
    index.link_source("default", "b.txt", "/folder/b.txt", 1, 1, old.id)
    assert texts(index) == {SIX, TWO}
    with pytest.raises(NotFound):
        index.link_source("default", "c.txt", "/folder/c.txt", 1, 1, "0" * 64)


def test_removing_takes_all_versions_and_their_bytes(index: Index, home: Path) -> None:
    old = index.put(new_document(SIX, "a.txt"))
    index.put(new_document(TWO, "a.txt"))
    index.remove("default", "a.txt")
    with pytest.raises(NotFound):
        index.document(old.id, DEFAULT)
    assert [path for path in (home / "blobs").rglob("*") if path.is_file()] == []
    assert index.remove("default", "a.txt") is None
    assert index.sources("default") == []
    assert index.verify() == []


def test_bytes_stay_while_another_collection_has_them(index: Index) -> None:
    index.ensure_collection("legal", LOCAL)
    document = index.put(new_document(SIX, "a.txt"))
    index.put(new_document(SIX, "a.txt", collection="legal"))
    index.remove("default", "a.txt")
    both = index.scope(LOCAL)
    assert index.original(document.id, both).read_bytes() == SIX.encode()
    assert index.document(document.id, both).collection == "legal"
    assert texts(index, scope=both) == {SIX}


def test_the_journal(index: Index) -> None:
    assert index.source_state("default", "a.txt") is None
    index.record_failure("default", "a.txt", "/folder/a.txt", 9, 5, "It is encrypted.")
    index.record_failure("default", "a.txt", "/folder/a.txt", 9, 6, "It is encrypted.")
    state = index.source_state("default", "a.txt")
    assert state is not None
    assert (state.status, state.attempts, state.error, state.mtime_ns, state.document_id) == (
        SourceStatus.FAILED,
        2,
        "It is encrypted.",
        6,
        None,
    )
    document = index.put(new_document(SIX, "a.txt"))
    index.touch_source("default", "a.txt", "/moved/a.txt", 9, 8)
    state = index.source_state("default", "a.txt")
    assert state is not None
    assert (state.status, state.attempts, state.error) == (SourceStatus.INDEXED, 0, "")
    assert (state.path, state.mtime_ns, state.splitter) == ("/moved/a.txt", 8, "test-1")
    index.record_failure("default", "a.txt", "/folder/a.txt", 9, 9, "It is empty.")
    failed = index.sources("default")[0]
    assert (failed.status, failed.document_id) == (SourceStatus.FAILED, document.id)
    assert texts(index) == {SIX}
    with pytest.raises(NotFound):
        index.touch_source("default", "never.txt", "/x", 1, 1)
    with pytest.raises(UnknownCollection):
        index.record_failure("nowhere", "a.txt", "/x", 1, 1, "why")


def test_a_file_name_that_is_no_utf_8_is_journaled(index: Index) -> None:
    source = "caf\udce9.txt"
    index.record_failure("default", source, f"/folder/{source}", 1, 1, f"{source} is empty.")
    state = index.source_state("default", source)
    assert state is not None
    assert state.source == "caf\\udce9.txt"
    assert index.remove("default", source) is None
    assert index.source_state("default", source) is None


def test_commits_are_known_until_recorded(index: Index) -> None:
    index.put(new_document(SIX, "a.txt"))
    index.put(new_document(TWO, "b.txt"))
    first, second = index.unrecorded()
    assert (first.source, first.version, first.recorded) == ("a.txt", 1, False)
    assert first.generation < second.generation == index.generation
    index.mark_recorded([first.generation])
    assert index.unrecorded() == [second]
    index.mark_recorded([])
    assert index.unrecorded() == [second]


def test_collections_and_grants(index: Index) -> None:
    index.ensure_collection("legal", frozenset({"lawyers"}))
    index.ensure_collection("legal", frozenset({"audit"}))
    legal = next(each for each in index.collections() if each.name == "legal")
    assert legal.groups == {"lawyers", "audit"}
    assert index.scope(frozenset({"audit"})).collections == {"legal"}
    index.revoke("legal", frozenset({"audit", "strangers"}))
    assert index.scope(frozenset({"audit"})).collections == frozenset()
    with pytest.raises(UnknownCollection):
        index.put(new_document(SIX, "a.txt", collection="nowhere"))


@pytest.mark.parametrize("name", ["", "Legal", "../x", "a b", "-x", "x" * 65, "lé"])
def test_a_collection_name_is_a_safe_folder_name(index: Index, name: str) -> None:
    with pytest.raises(InvalidName) as caught:
        index.ensure_collection(name, LOCAL)
    assert caught.value.exit_code == 2


def test_what_contradicts_itself_is_refused_whole(index: Index, home: Path) -> None:
    good = new_document(SIX, "a.txt")
    chunk = good.chunks[0]
    bad = [
        replace(good, chunks=(replace(chunk, end=chunk.end - 1),)),
        replace(good, chunks=(replace(chunk, page=2),)),
        replace(good, chunks=(replace(chunk, start=5, end=5, text=""),)),
        replace(good, chunks=(replace(chunk, document_id="0" * 64),)),
        replace(good, chunks=(chunk, chunk), vectors=np.repeat(good.vectors, 2, axis=0)),
        replace(good, pages=(replace(good.pages[0], number=2),)),
        replace(good, pages=(*good.pages, *good.pages)),
        replace(good, title="\ud800"),
        replace(good, id="not a hash"),
        replace(good, original=b"other bytes"),
    ]
    for each in bad:
        with pytest.raises(InvalidDocument, match=r"a\.txt"):
            index.put(each)
    assert index.documents(DEFAULT) == []
    assert (index.generation, operations(index)) == (0, [])
    assert [path for path in (home / "blobs").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    "row",
    [np.full(16, np.nan), np.zeros(16), np.full(16, 2.0), np.full(15, 0.25)],
    ids=["nan", "zero", "long", "short"],
)
def test_vectors_that_are_no_directions_are_refused(index: Index, row: np.ndarray) -> None:
    broken = BrokenEmbedder(row[np.newaxis].astype(np.float32))
    with pytest.raises(InvalidVectors):
        index.put(new_document(SIX, "a.txt", embedder=broken))
    assert index.documents(DEFAULT) == []


def test_many_are_put_together_or_not_at_all(index: Index) -> None:
    good, bad = new_document(SIX, "a.txt"), new_document(TWO, "b.txt", collection="nowhere")
    with pytest.raises(UnknownCollection):
        index.put_many([good, bad])
    assert index.documents(DEFAULT) == []
    assert len(index.put_many([good, new_document(TWO, "b.txt")])) == 2
    assert index.put_many([]) == []


def test_a_document_without_text_is_kept_and_found_by_nobody(index: Index) -> None:
    new = new_document("", "scan.pdf")
    assert index.put(new).chunks == 0
    assert texts(index) == set()
    assert index.verify() == []


def test_another_embedder_is_refused(home: Path) -> None:
    with small_index(home) as index:
        index.put(new_document(SIX, "a.txt"))
    with pytest.raises(EmbedderMismatch, match="hash:16") as caught:
        small_index(home, embedder=HashEmbedder(16, "other"))
    assert caught.value.exit_code == 6
    with small_index(home) as index:
        assert texts(index) == {SIX}


def test_an_index_without_vectors_takes_any_embedder_and_then_keeps_it(home: Path) -> None:
    first = small_index(home)
    second = small_index(home, embedder=HashEmbedder(16, "other"))
    first.put(new_document(SIX, "a.txt"))
    with pytest.raises(EmbedderMismatch):
        second.put(new_document(TWO, "b.txt"))
    first.close()
    second.close()


def test_status_counts_what_is_current(index: Index) -> None:
    index.put_many([new_document(SIX * 5, "a.txt"), new_document(TWO, "b.txt")])
    index.put(new_document(TWO + "!", "b.txt"))
    index.record_failure("default", "c.txt", "/folder/c.txt", 1, 1, "why")
    status = index.status()
    (default,) = status.collections
    assert (default.documents, default.superseded, default.failed_sources) == (2, 1, 1)
    assert default.chunks == len(new_document(SIX * 5, "a.txt").chunks) + 1
    assert (default.lexical_lag, default.chroma_lag) == (4, None)
    assert status.generation == index.generation
    index.refresh()
    assert index.status().collections[0].lexical_lag == 0


GROUPS = ["local", "lawyers", "auditors"]


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    grants=st.lists(st.frozensets(st.sampled_from(GROUPS)), min_size=3, max_size=3),
    asker=st.frozensets(st.sampled_from(GROUPS)),
    narrow=st.frozensets(st.sampled_from(["c0", "c1", "c2", "elsewhere"])),
    question=st.sampled_from(["records", "c0", "secret of c1", "c2 transactions"]),
)
def test_no_hit_is_ever_out_of_scope(
    tmp_path_factory: pytest.TempPathFactory,
    grants: list[frozenset[str]],
    asker: frozenset[str],
    narrow: frozenset[str],
    question: str,
) -> None:
    with small_index(tmp_path_factory.mktemp("home")) as index:
        for number, groups in enumerate(grants):
            name = f"c{number}"
            index.ensure_collection(name, groups)
            index.put(new_document(f"{SIX} A secret of {name}.", "a.txt", collection=name))
            index.put(new_document(SIX, "shared.txt", collection=name))
        scope = index.scope(asker).narrowed(narrow)
        allowed = {f"c{n}" for n, groups in enumerate(grants) if groups & asker} & narrow
        assert scope.collections == allowed
        hits = index.search(question, scope, 10).hits
        assert {hit.document.collection for hit in hits} <= allowed
        assert bool(hits) == bool(allowed)
        assert {each.collection for each in index.documents(scope)} == allowed
