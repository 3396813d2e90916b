"""Whether a view holds what the catalogue says: every id, every vector, and words by sample.

At a million chunks this reads each vector once from either side, a few thousand at a time, and
the ids of all chunks; page text only of the sample.
"""

from __future__ import annotations

import random
import re

import numpy as np
import sqlalchemy as sa

from index import feeding, reading
from index.catalogue import Catalogue
from index.document import Shelf
from index.persistent import PersistentVectors
from index.ports import LexicalStore, TextRow, VectorRows, View
from index.records import Vector

_AT_ONCE = 2_000  # vectors compared together
_SAMPLE = 100  # passages whose words are compared, and as many vectors that are searched for
_NEAR = 1e-3  # how far a stored number may be from the catalogue's; rounding stays far below
_CLOSE = 0.999  # the cosine of a vector and what is found for it
_QUESTION = 2_000  # characters of a passage that its words are looked up with
_WORD = re.compile(r"[^\W\d_]{4,}")
_WORTH = 0.3  # of another passage's worth for the words of this one: like passages reach 1 and more
_MANY = 3  # different words of a text for which it must be worth something


def words(catalogue: Catalogue, shelf: Shelf, view: LexicalStore, name: str) -> str:
    """One sentence on how a lexical view differs; empty if it agrees or cannot be compared now.

    Each passage of a sample is looked up with its own words: it must be worth something for them,
    and not much less than the passage before it in the sample.
    """
    with catalogue.read() as connection:
        if not _level(connection, view, name):
            return ""
        expected = feeding.chunk_ids(connection, name, shelf.statuses)
        said = _ids_differ(expected, view.chunks(name))
        if said:
            return said
        rows = feeding.texts_named(connection, name, _sample(expected), shelf.statuses)
        wrong = sum(_mixed_up(view, name, row, rows[place - 1]) for place, row in enumerate(rows))
    if not wrong:
        return ""
    return f"the words of {wrong} of {len(rows)} passages looked at are not theirs."


def vectors(catalogue: Catalogue, shelf: Shelf, view: PersistentVectors, name: str) -> str:
    """One sentence on how a vector view differs; empty if it agrees or cannot be compared now.

    Every vector is compared, and the document that it is kept with; for a sample it is also seen
    whether the graph leads to it.
    """
    with catalogue.read() as connection:
        if not _level(connection, view, name):
            return ""
        expected = feeding.chunk_ids(connection, name, shelf.statuses)
        said = _ids_differ(expected, view.chunks(name))
        if said:
            return said
        dimensions = int(reading.meta_value(connection, "dimensions") or 0)
        looked = set(_sample(expected))
        wrong = lost = 0
        for piece in feeding.all_vectors(connection, name, shelf.statuses, dimensions, _AT_ONCE):
            wrong += _wrong(piece, view.rows(name, piece.chunks))
            lost += sum(
                _lost(view, name, vector)
                for chunk, vector in zip(piece.chunks, piece.vectors, strict=True)
                if chunk in looked
            )
    if wrong:
        return f"{wrong} of {len(expected)} vectors are not the catalogue's."
    return f"{lost} of {len(looked)} vectors looked for are not found." if lost else ""


def _level(connection: sa.Connection, view: View, name: str) -> bool:
    """Else another process is writing just now: not comparable, not wrong."""
    return view.generation(name) == reading.generation(connection, name)


def _ids_differ(expected: set[str], held: set[str]) -> str:
    missing, extra = len(expected - held), len(held - expected)
    if not missing and not extra:
        return ""
    return f"the view lacks {missing} chunks and holds {extra} that the catalogue does not."


def _sample(ids: set[str]) -> list[str]:
    """Other ones each time, so that what one look misses the next may find."""
    return random.sample(sorted(ids), min(_SAMPLE, len(ids)))


def _mixed_up(view: LexicalStore, name: str, row: TextRow, other: TextRow) -> bool:
    text = row.text[:_QUESTION]
    worth = view.weigh(name, text, [row.chunk, other.chunk])
    if row.chunk not in worth:
        return True
    own = worth[row.chunk].share
    if own <= 0.0:
        return len(set(_WORD.findall(text))) >= _MANY
    return other.chunk in worth and own < _WORTH * worth[other.chunk].share


def _wrong(expected: VectorRows, held: VectorRows) -> int:
    """How many of `expected` are not held as they are; numbers are rounded differently."""
    place = {chunk: at for at, chunk in enumerate(held.chunks)}
    order = [place.get(chunk, -1) for chunk in expected.chunks]
    wrong = order.count(-1)
    ours = [at for at, theirs in enumerate(order) if theirs >= 0]
    theirs = [order[at] for at in ours]
    if not ours:
        return wrong
    apart = np.abs(expected.vectors[ours] - held.vectors[theirs]).max(axis=1)
    same_vector = apart < _NEAR  # False for what is not a number, too
    same_document = [
        expected.documents[at] == held.documents[other]
        for at, other in zip(ours, theirs, strict=True)
    ]
    return wrong + int(np.count_nonzero(~(same_vector & np.array(same_document))))


def _lost(view: PersistentVectors, name: str, vector: Vector) -> bool:
    found = view.search(name, vector, 1)
    return not found or not found[0].score > _CLOSE
