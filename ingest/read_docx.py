"""Word documents: text with drawn numbers, tables as rows, notes, text boxes, and pages.

A page ends where the file says so: at an explicit page break, a section break, a paragraph that
starts a new page, or where Word last broke the page when it saved the file. What is tracked,
commented or hidden is told (see `ingest.pages.FindingKind`). Nothing that the file points to is
fetched, and no part is unpacked that holds no text.

The parts are read as WordprocessingML (ECMA-376 part 1, 17) without a library in between, because
the usual one unpacks every picture and every part, however large, before anything can be bounded.
"""

from __future__ import annotations

from typing import Any

from ingest.docx_look import W
from ingest.docx_walk import Walk
from ingest.errors import Failure, ReadFailure
from ingest.office_flow import Flow
from ingest.office_look import PAPER, UNKNOWN
from ingest.options import ReadOptions
from ingest.pages import ReadDocument
from ingest.read_package import Package

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

_TITLE = "{http://purl.org/dc/elements/1.1/}title"


def read(data: bytes, options: ReadOptions) -> ReadDocument:
    """The document in `data`.

    Raises ReadFailure (CORRUPT, ENCRYPTED, TOO_DEEP, TOO_MANY_PAGES, TOO_MUCH_OUTPUT).
    """
    package = Package(data, options.max_member_bytes)
    main = next(
        (each.target for each in package.relations("").values() if each.kind == "officeDocument"),
        "word/document.xml",
    )
    root = package.xml(main)
    body = None if root is None else root.find(f"{W}body")
    if body is None:
        raise ReadFailure(Failure.CORRUPT)
    flow = Flow(options)
    try:
        Walk(_Parts(package, main), flow, options.keep_hidden, _paper(root)).document(body)
    except RecursionError as error:
        raise ReadFailure(Failure.TOO_DEEP) from error
    return flow.document(MEDIA_TYPE, _title(package))


def _title(package: Package) -> str:
    for relation in package.relations("").values():
        if relation.kind == "core-properties":
            properties = package.xml(relation.target)
            found = None if properties is None else properties.findtext(_TITLE)
            return str(found or "")
    return ""


def _paper(root: Any) -> str:
    """The colour of the paper; one that a file sets is shown in some views only."""
    background = root.find(f"{W}background")
    return PAPER if background is None or not len(background) else UNKNOWN


class _Parts:
    """The parts that the main part points to."""

    def __init__(self, package: Package, main: str) -> None:
        self._package = package
        self._relations = package.relations(main)

    def by_id(self, relation_id: str) -> Any:
        """The root of the part that a relation names, None if there is none."""
        relation = self._relations.get(relation_id)
        return self._package.xml(relation.target) if relation and relation.target else None

    def by_kind(self, kind: str) -> Any:
        """The root of the first part with this kind of relation, or None."""
        for relation in self._relations.values():
            if relation.kind == kind and relation.target:
                return self._package.xml(relation.target)
        return None

    def target(self, relation_id: str) -> str:
        """The name of the part that a relation names, "" if there is none."""
        relation = self._relations.get(relation_id)
        return relation.target if relation else ""
