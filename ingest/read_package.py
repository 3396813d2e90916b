"""The parts of a zipped office file (OPC: ECMA-376 part 2; OpenDocument: ODF 1.3 part 2).

Parts are unpacked one by one, when asked for, and counted while they are: what a header says of a
size is not believed. XML is parsed without a document type, entities, network or unbounded depth.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
import zlib
from dataclasses import dataclass
from typing import Any

from lxml import etree

from ingest.errors import Failure, ReadFailure

_BLOCK = 1 << 20
_ENCRYPTED = 0x1  # bit of a member's flags
_RELATION = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
_STRICT = re.compile(rb"http://purl\.oclc\.org/ooxml/(\w+)/(\w+)")
_TRANSITIONAL = rb"http://schemas.openxmlformats.org/\1/2006/\2"


@dataclass(frozen=True, slots=True)
class Relation:
    """Where a part points: `kind` is the last word of the relation's type; `target` is the name of
    a part, or "" for something outside of the file, which is never fetched.
    """

    kind: str
    target: str


class Package:
    """A zipped file whose parts amount to `most` bytes at most, each counted when it is read."""

    def __init__(self, data: bytes, most: int) -> None:
        """Raises ReadFailure (CORRUPT)."""
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
            raise ReadFailure(Failure.CORRUPT) from error
        self._left = most
        self._names = {entry.filename.lower(): entry for entry in self._zip.infolist()}

    def names(self) -> tuple[str, ...]:
        """The names of the parts, in lower case: names differ in more than case."""
        return tuple(self._names)

    def part(self, name: str) -> bytes | None:
        """The bytes of a part, None if there is none.

        Raises ReadFailure (ENCRYPTED, CORRUPT, TOO_MUCH_OUTPUT).
        """
        blocks: list[bytes] = []
        return b"".join(blocks) if self._unpack(name, blocks) else None

    def check(self) -> None:
        """Unpack every part and keep none, for a library that will unpack them by itself.

        Raises ReadFailure (ENCRYPTED, CORRUPT, TOO_MUCH_OUTPUT).
        """
        for name in self._names:
            self._unpack(name, None)

    def xml(self, name: str) -> Any:
        """The root element of a part, None if there is none. The namespaces of ISO 29500 Strict
        are replaced by those of Transitional, which name the same things.

        Raises ReadFailure (ENCRYPTED, CORRUPT, TOO_DEEP, TOO_MUCH_OUTPUT).
        """
        data = self.part(name)
        return None if data is None else parsed(_STRICT.sub(_TRANSITIONAL, data))

    def relations(self, name: str) -> dict[str, Relation]:
        """What the part `name` points to, by id; "" stands for the package. Raises as `xml`."""
        folder, base = posixpath.split(name)
        root = self.xml(posixpath.join(folder, "_rels", f"{base}.rels"))
        found: dict[str, Relation] = {}
        for node in () if root is None else root.iter(_RELATION):
            target = str(node.get("Target", ""))
            if node.get("TargetMode") == "External":
                target = ""
            elif target:
                target = posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
            kind = str(node.get("Type", "")).rsplit("/", 1)[-1]
            found[str(node.get("Id", ""))] = Relation(kind, target)
        return found

    def _unpack(self, name: str, blocks: list[bytes] | None) -> bool:
        entry = self._names.get(name.lower())
        if entry is None or entry.is_dir():
            return False
        if entry.flag_bits & _ENCRYPTED:
            raise ReadFailure(Failure.ENCRYPTED)
        try:
            with self._zip.open(entry) as stream:
                while block := stream.read(_BLOCK):
                    self._left -= len(block)
                    if self._left < 0:
                        raise ReadFailure(Failure.TOO_MUCH_OUTPUT)
                    if blocks is not None:
                        blocks.append(block)
        except (
            zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError,
            RuntimeError,
        ) as error:  # fmt: skip
            raise ReadFailure(Failure.CORRUPT) from error
        return True


def parsed(data: bytes) -> Any:
    """The root element of an XML text. Raises ReadFailure (CORRUPT, TOO_DEEP, TOO_MUCH_OUTPUT).

    A document type is refused, as ECMA-376 part 2 (8.1.4) asks and no OpenDocument program writes.
    """
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise ReadFailure(why(error)) from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise ReadFailure(Failure.CORRUPT)
    return root


def why(error: Exception) -> Failure:
    """What a syntax error of lxml means (TOO_DEEP, TOO_MUCH_OUTPUT, CORRUPT).

    libxml2 has one code for all limits (XML_ERR_RESOURCE_LIMIT); the message says which.
    """
    if "depth" in str(error):
        return Failure.TOO_DEEP
    return Failure.TOO_MUCH_OUTPUT if "XML_PARSE_HUGE" in str(error) else Failure.CORRUPT
