"""How hits stand to a day, told apart by collection."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from assistant.retrieval import not_simply_current, passage
from index.document import Hit, Scope, Status
from index.effective import today
from index.store import Index
from tests.index.standins import LOCAL, new_document, small_index

SCOPE = Scope(frozenset({"default", "legal"}))
TEXT = "records are kept for six years"


@pytest.fixture
def hits(home: Path) -> tuple[Index, list[Hit]]:
    """The same bytes, superseded in `default` and current in `legal`."""
    index = small_index(home)
    index.ensure_collection("legal", LOCAL)
    old = new_document(TEXT, "a.txt")
    index.put(old)
    index.put(new_document("records are kept for seven years", "a.txt"))
    index.put(new_document(TEXT, "b.txt", collection="legal"))
    held = [each for each in index.all_documents(SCOPE) if each.id == old.id]
    index.close()
    return index, [Hit(old.chunks[0], each, 1, 0.5, None, None) for each in held]


@pytest.mark.parametrize("backwards", [False, True])
def test_the_same_bytes_may_be_superseded_in_one_collection_and_current_in_another(
    hits: tuple[Index, Sequence[Hit]], backwards: bool
) -> None:
    index, both = hits
    order = sorted(both, key=lambda hit: hit.document.collection, reverse=backwards)
    assert {hit.document.status for hit in order} == {Status.SUPERSEDED, Status.CURRENT}
    standings = not_simply_current(index, order, SCOPE, today())
    ((place, standing),) = standings.items()
    assert place == ("default", order[0].document.id)
    assert not standing.in_force
    warned = {hit.document.collection: passage(hit, "", standings).warning for hit in order}
    assert "superseded" in warned["default"].lower()
    assert warned["legal"] == ""
