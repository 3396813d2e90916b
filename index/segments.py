"""What tantivy's own list of segments says: how many entries there are and how many are deleted."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Segments:
    """Sums over the segments of an index."""

    entries: int  # deleted ones included
    deleted: int

    @classmethod
    def read(cls, meta: bytes) -> Segments:
        """Of the bytes of `meta.json`. Raises ValueError if they are not what tantivy writes."""
        try:
            listed = json.loads(meta)["segments"]
            deletes = [segment["deletes"] or {} for segment in listed]
            return cls(
                sum(int(segment["max_doc"]) for segment in listed),
                sum(int(each.get("num_deleted_docs", 0)) for each in deletes),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"meta.json lacks {error}") from error
