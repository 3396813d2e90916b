"""Which one document a comparison means by a source or id and a day, old versions included.

A name alone is what is in force today. With a day it is what was in force on that day, and an id is
that document whatever its status: a draft is compared with the policy it is to replace, an old
version with the one that followed. Rights are the scope's, as everywhere.
"""

from __future__ import annotations

from assistant.ports import Library
from assistant.task import held, standing_in_force, then
from index.document import Document, Scope
from index.effective import today
from index.errors import NotFound


def one(library: Library, scope: Scope, name: str, day: str | None) -> Document:
    """The one document that a name and a day mean. Raises NotFound, naming it."""
    known = held(library, scope)
    by_id = [each for each in known if each.id == name]
    if by_id:
        return (standing_in_force(library, by_id, scope, day or today()) or by_id)[0]
    named = [each for each in known if each.source == name]
    there = standing_in_force(library, named, scope, day or today())
    if not there and day is None:  # what is a draft, or was withdrawn, is the only one of its name
        there = tuple(named) if len(named) == 1 else ()
    if not there:
        raise NotFound(f"document {name}{then(day)}")
    return there[-1]


def previous(library: Library, scope: Scope, document: Document) -> Document:
    """The version of its source before a document. Raises NotFound if that is the first."""
    older = [
        each
        for each in held(library, scope)
        if (each.collection, each.source) == (document.collection, document.source)
        and each.version < document.version
    ]
    if not older:
        raise NotFound(f"earlier version of {document.source}")
    return max(older, key=lambda each: each.version)
