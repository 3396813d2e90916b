"""OpenDocument texts (.odt, .ott): text with drawn numbers, tables as rows, notes and pages.

A page ends where a style breaks it or where the program that saved the file noted a page's end.
What is tracked, commented or hidden is told (see `ingest.pages.FindingKind`). Pictures, objects and
scripts are not unpacked, and nothing that the file points to is fetched.

Format: Open Document Format 1.3, parts 2 (package) and 3 (schema).
"""

from __future__ import annotations

from typing import Any

from ingest.errors import Failure, ReadFailure
from ingest.odt_styles import OFFICE, STYLE, Styles
from ingest.odt_walk import Walk
from ingest.office_flow import Flow
from ingest.options import ReadOptions
from ingest.pages import ReadDocument
from ingest.read_package import Package

MEDIA_TYPE = "application/vnd.oasis.opendocument.text"

_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_SEALED = "{urn:oasis:names:tc:opendocument:xmlns:manifest:1.0}encryption-data"


def read(data: bytes, options: ReadOptions) -> ReadDocument:
    """The document in `data`.

    Raises ReadFailure (CORRUPT, ENCRYPTED, TOO_DEEP, TOO_MANY_PAGES, TOO_MUCH_OUTPUT).
    """
    package = Package(data, options.max_member_bytes)
    manifest = package.xml("META-INF/manifest.xml")
    if manifest is not None and next(manifest.iter(_SEALED), None) is not None:
        raise ReadFailure(Failure.ENCRYPTED)
    content = package.xml("content.xml")
    body = None if content is None else content.find(f"{OFFICE}body/{OFFICE}text")
    if body is None:
        raise ReadFailure(Failure.CORRUPT)
    common = package.xml("styles.xml")
    shared = _child(common, "styles")
    flow = Flow(options)
    walk = Walk(
        flow,
        Styles.of(shared, _child(content, "automatic-styles")),
        Styles.of(shared, _child(common, "automatic-styles")),
        _masters(_child(common, "master-styles")),
        options.keep_hidden,
    )
    try:
        walk.document(body)
    except RecursionError as error:
        raise ReadFailure(Failure.TOO_DEEP) from error
    meta = package.xml("meta.xml")
    title = "" if meta is None else str(meta.findtext(f"{OFFICE}meta/{_TITLE}") or "")
    return flow.document(MEDIA_TYPE, title)


def _child(root: Any, name: str) -> Any:
    return None if root is None else root.find(f"{OFFICE}{name}")


def _masters(parent: Any) -> dict[str, Any]:
    """The master pages by name, in their order."""
    nodes = () if parent is None else parent.iterchildren(f"{STYLE}master-page")
    return {str(node.get(f"{STYLE}name", "")): node for node in nodes}
