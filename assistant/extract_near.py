"""How near each unit of a document is to each field, by their vectors.

A short document is compared whole; of a long one, the units with most of a field's words and those
in the passages that the index finds for it within the document.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from assistant.embedding import embedded
from assistant.extract_mentions import Sheet
from assistant.extract_schema import Field, Schema
from assistant.extract_words import share, wanted
from assistant.ports import Library
from index.document import Document, Scope

MOST_EMBEDDED = 400  # units of a document that are compared by their vectors
_A_FIELD = 12  # of a longer document, for each field
_HITS = 4  # chunks of a longer document that the index finds for a field


def of_fields(library: Library, schema: Schema) -> NDArray[np.float32]:
    """A unit vector for each field's words, (fields, dimensions)."""
    embedder = library.embedder
    return np.stack([embedder.embed_query(_words(field)) for field in schema.fields])


def _words(field: Field) -> str:
    return f"{field.label}: {field.description}" if field.description else field.label


def nearness(
    library: Library,
    sheet: Sheet,
    schema: Schema,
    queries: NDArray[np.float32],
    document: Document,
    scope: Scope,
    day: str | None,
    between: Callable[[], object] = lambda: None,
) -> NDArray[np.float32]:
    """The cosine of each candidate of `document`, as in force on `day` (ISO 8601; None: today), to
    each field, (fields, candidates); 0 for those that a longer document has no room for. `between`
    as in `embedded`."""
    found = sheet.candidates
    near = np.zeros((len(schema.fields), len(found)), np.float32)
    chosen = list(range(len(found)))
    if len(found) > MOST_EMBEDDED:
        chosen = _shortlist(library, sheet, schema, document, scope, day)
    if chosen:
        texts = [found[number].embedded for number in chosen]
        near[:, chosen] = queries @ embedded(library.embedder, texts, between).T
    return near


def _shortlist(
    library: Library,
    sheet: Sheet,
    schema: Schema,
    document: Document,
    scope: Scope,
    day: str | None,
) -> list[int]:
    """The candidates of a long document worth comparing: those with most of a field's words, and
    those in the passages that the index finds for it."""
    kept: set[int] = set()
    for field in schema.fields:
        words = wanted(field).label | wanted(field).said
        order = sorted(
            range(len(sheet.candidates)),
            key=lambda n: (
                -share(words, sheet.candidates[n].keys | sheet.candidates[n].context, sheet.weigh),
                n,
            ),
        )
        kept.update(order[:_A_FIELD])
        only = frozenset({document.id})
        hits = library.search(_words(field), scope, _HITS, day=day, documents=only).hits
        kept.update(
            number
            for number, each in enumerate(sheet.candidates)
            for hit in hits
            if hit.chunk.page == each.page
            and hit.start < each.unit.end
            and each.unit.start < hit.end
        )
    return sorted(kept)
