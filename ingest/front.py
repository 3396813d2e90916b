"""What a document said of itself when it was read, kept with it.

When a sidecar changes, the facts of its document are worked out anew from this, without reading
the file again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from index.document import Document
from index.records import Declared
from ingest.items import Origin
from ingest.pages import ReadDocument

FRONT_MATTER = "front_matter"
OWN_TITLE = "own_title"

_TITLE_CHARACTERS = 200
_MAX_KEPT = 4000  # characters of front matter; a longer one is none that a person wrote


@dataclass(frozen=True, slots=True)
class Told:
    """Front matter, the title a document goes by, and the one it has without a sidecar."""

    front: Mapping[str, object] = field(default_factory=dict)
    title: str = ""
    own_title: str = ""


def title_of(origin: Origin, document: ReadDocument, declared: Declared) -> str:
    """The title: the declared one, else the one found, else the file's name. A record may have
    none.
    """
    return declared.title or _own_title(origin, document)


def _own_title(origin: Origin, document: ReadDocument) -> str:
    found = document.title
    if not found and not document.name:
        found = origin.source.rpartition("/")[2].rpartition(".")[0] or origin.source
    return found[:_TITLE_CHARACTERS]


def kept(origin: Origin, document: ReadDocument, declared: Declared) -> dict[str, str]:
    """The metadata of a document with what `told` reads from it."""
    values = dict(document.metadata)
    front = json.dumps(dict(document.declared), sort_keys=True) if document.declared else ""
    if 0 < len(front) <= _MAX_KEPT:
        values[FRONT_MATTER] = front
    own = _own_title(origin, document)
    if declared.title and declared.title != own:
        values[OWN_TITLE] = own
    return values


def told(document: Document) -> Told:
    """What a document of the index said of itself."""
    text = document.metadata.get(FRONT_MATTER, "")
    front = json.loads(text) if text else {}
    return Told(front, document.title, document.metadata.get(OWN_TITLE, document.title))
