"""Two shelves and one change log: whatever moves a document, each shelf holds what stands on it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from index import feeding, replay
from index.document import Scope, Shelf, Status
from index.lexical import TantivyStore
from index.ports import TextRow
from index.records import Declared, Operation
from index.store import Index
from index.upkeep import Upkeep
from index.verify import Verifier
from index.views import Views
from tests.index.standins import HashEmbedder, ListLexical, new_document, small_index

EMBEDDER = HashEmbedder()
DEFAULT = Scope(frozenset({"default"}))
QUERY = EMBEDDER.embed_query("records")
SOURCES = [f"{name}.txt" for name in "abcdef"]


@pytest.fixture
def index(home: Path) -> Iterator[Index]:
    with small_index(home) as opened:
        yield opened


def shelf(index: Index, home: Path, which: Shelf) -> Views:
    words = ListLexical(home / f"words-{which.value}")
    return Views(index._catalogue, EMBEDDER.dimensions, words, None, shelf=which)


def written(views: Views) -> dict[str, TextRow]:
    assert isinstance(views.lexical, ListLexical)
    return dict(views.lexical._rows.get("default", {}))


def standing(index: Index, which: Shelf) -> dict[str, TextRow]:
    """What the shelf must hold, straight from the catalogue."""
    with index._catalogue.read() as connection:
        ids = [name for name, _size in feeding.sizes(connection, "default", which.statuses)]
        rows = feeding.text_rows(connection, "default", ids, which.statuses)
    return {row.chunk: row for row in rows}


def change(index: Index, chance: random.Random) -> None:
    """One thing that moves documents between shelves, or gives them another name."""
    source, other = chance.sample(SOURCES, 2)
    status = chance.choice([Status.CURRENT, Status.DRAFT, Status.WITHDRAWN])
    declared = Declared(status=status, supersedes=chance.choice([(), (), (other,)]))
    there = index.source_state("default", source) is not None
    step = chance.choice(["put", "put", "same", "describe", "remove", "move", "contain"])
    text = f"records of {'x' if step == 'same' else source}, edition {chance.randrange(3)}"
    if step in ("put", "same"):
        index.put(replace(new_document(text, source), declared=declared))
    elif there and step == "describe":
        index.describe("default", source, declared)
    elif there and step == "contain":
        index.hold_container("default", source, f"/{source}", 1, 1, "digest", "test-1")
    elif there and step == "remove":
        index.remove("default", source)
    elif there and index.source_state("default", other) is None:
        index.move_source("default", source, other, "/x", 1, 1)


@pytest.mark.parametrize("seed", range(4))
def test_replaying_makes_each_shelf_what_filling_it_would(
    index: Index, home: Path, seed: int
) -> None:
    """Words with the names of their documents, and vectors; caught up at irregular times."""
    chance = random.Random(seed)
    current, past = (shelf(index, home, which) for which in Shelf)
    for _round in range(12):
        for _step in range(chance.randrange(1, 6)):
            change(index, chance)
        for views in (current, past):
            assert views.refresh_words("default")
            expected = standing(index, views.shelf)
            assert written(views) == expected
            near, _places = views.nearest("default", QUERY, 500)
            assert {each.chunk for each in near} == set(expected)
    assert standing(index, Shelf.PAST)


def test_old_versions_bear_the_new_name_of_a_source_that_holds_nothing_more(
    index: Index, home: Path
) -> None:
    past = shelf(index, home, Shelf.PAST)
    for edition in ("first", "second"):
        index.put(new_document(f"records, {edition} edition", "a.zip"))
    index.hold_container("default", "a.zip", "/a.zip", 1, 1, "digest", "test-1")
    past.refresh_words("default")
    index.mark_recorded(line.generation for line in index.unrecorded())
    index.move_source("default", "a.zip", "minutes.zip", "/minutes.zip", 1, 1)
    (line,) = index.unrecorded()
    assert (line.operation, line.source, line.version) == (Operation.MOVE, "minutes.zip", 2)
    past.refresh_words("default")
    assert written(past) == standing(index, Shelf.PAST)
    assert all("minutes" in row.place for row in written(past).values())
    assert len(written(past)) == 2


def test_every_operation_is_replayed_or_left_out_on_purpose() -> None:
    assert frozenset(Operation) - replay.WORDS == {Operation.LINK, Operation.PURGE}
    assert {Operation.MOVE, Operation.UNLINK} == replay.WORDS - replay.VECTORS


def test_drafts_are_on_no_shelf(index: Index) -> None:
    draft = replace(new_document("records", "a.txt"), declared=Declared(status=Status.DRAFT))
    index.put(draft)
    assert standing(index, Shelf.CURRENT) == standing(index, Shelf.PAST) == {}


# -- what the past costs, and that it is looked after -------------------------------------------


def with_past(index: Index, home: Path) -> Views:
    return Views(
        index._catalogue,
        EMBEDDER.dimensions,
        TantivyStore(home / "views" / "past"),
        None,
        shelf=Shelf.PAST,
    )


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def add_versions(index: Index, count: int) -> None:
    for number in range(count):
        for edition in ("old", "new"):
            text = f"records marker{edition}{number} of the {edition} edition {number} " * 4
            index.put(new_document(text, f"{number}.txt"))
    index.mark_recorded(line.generation for line in index.unrecorded())


def test_the_past_costs_nothing_until_it_is_asked(index: Index, home: Path) -> None:
    past = with_past(index, home)
    add_versions(index, 4)
    past.refresh("default")
    upkeep = Upkeep(index._catalogue, index._blobs, index._views, (), past)
    assert upkeep.compact().problems == ()
    assert Verifier(index._catalogue, index._blobs, index._views, past).run(False) == []
    assert files(home / "views" / "past") == []
    assert past.freshen_words("default")
    assert len(past.words("default", "old edition", 9)) == 4
    assert past.awake("default")


def test_a_large_past_is_built_by_a_refresh_once_a_question_has_asked_for_it(
    index: Index, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index.wording.AT_ONCE", 3)
    past = with_past(index, home)
    add_versions(index, 4)
    past.refresh("default")
    assert not past.awake("default")
    for _question in range(2):
        assert not past.freshen_words("default")
        assert past.reached_words("default") == past.lexical.count("default") == 0  # not filled
        assert past.words("default", "old edition", 9) == []
        assert past.weigh("default", "old edition", ["c"]) == {}
    # Whoever refreshes next, be it in another process, knows that it is wanted.
    later = with_past(index, home)
    assert later.awake("default")
    later.refresh("default")
    assert later.reached_words("default") == index.generation
    assert len(past.words("default", "old edition", 9)) == 4
    assert Verifier(index._catalogue, index._blobs, index._views, later).run(False) == []


def test_a_question_about_the_past_finds_its_words_after_a_refresh(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index.wording.AT_ONCE", 0)
    first = new_document("records of the first edition", "a.txt")
    index.put(replace(first, declared=Declared(effective_to="2020-12-31")))
    second = new_document("records of the second edition", "b.txt")
    index.put(
        replace(second, declared=Declared(supersedes=("a.txt",), effective_from="2021-01-01"))
    )
    index.refresh()
    for lexical in (False, True):
        (hit,) = index.search("first edition", DEFAULT, 1, day="2020-06-01").hits
        assert hit.document.source == "a.txt"
        assert (hit.lexical is not None) is lexical
        index.refresh()


def test_verifying_looks_at_the_past_once_it_is_built(index: Index, home: Path) -> None:
    past = with_past(index, home)
    add_versions(index, 3)
    past.refresh_words("default")
    known = next(iter(standing(index, Shelf.PAST).values()))
    stray = TextRow("stray", known.document, "records")
    past.lexical.apply("default", [known.document], [stray], index.generation)
    verifier = Verifier(index._catalogue, index._blobs, index._views, past)
    found = verifier.run(False)
    assert [each.where for each in found] == ["lexical"]
    assert "past documents" in found[0].what
    assert [each.repaired for each in verifier.run(True)] == [True]
    assert verifier.run(False) == []


def test_after_a_purge_the_past_holds_nothing_of_what_was_deleted(index: Index, home: Path) -> None:
    past = with_past(index, home)
    add_versions(index, 3)
    past.refresh_words("default")
    index.remove("default", "1.txt")
    index.mark_recorded(line.generation for line in index.unrecorded())
    upkeep = Upkeep(index._catalogue, index._blobs, index._views, (home,), past)
    assert upkeep.purge().problems == ()
    left = b"".join(path.read_bytes() for path in files(home))
    assert b"markerold1" not in left
    assert b"markernew1" not in left
    assert b"markerold2" in left
    assert len(past.words("default", "edition", 9)) == 2


def test_the_log_is_kept_for_the_past_while_it_lags(
    index: Index, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index.upkeep._LOG_LINES", -100)
    past = with_past(index, home)
    add_versions(index, 2)
    past.refresh_words("default")
    reached = past.reached_words("default")
    add_versions(index, 5)
    index.refresh()
    upkeep = Upkeep(index._catalogue, index._blobs, index._views, (), past)
    upkeep.compact()
    with index._catalogue.read() as connection:
        lines = feeding.changes_since(connection, "default", 0, 999)
    assert lines[0].generation == reached + 1
