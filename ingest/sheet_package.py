"""What an XLSX package holds around its sheets: their names, shared strings, styles, relations.

Read with lxml from the parts of ECMA-376 part 1, by local names, so that the transitional and the
strict namespaces are the same here. A library for workbooks either streams without telling hidden
rows, merged cells and notes, or tells them and holds each cell as an object. Only the reading child
process imports this. Entities are never resolved; parts are bounded before they are unpacked.
"""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

from lxml import etree

from ingest import sheet_format
from ingest.errors import Failure, ReadFailure

_MAX_PART = 256 << 20  # bytes, unpacked, of a part that is held whole
_MAX_CHARACTERS = 200_000_000  # of shared strings
_WHITE = frozenset({"FFFFFFFF", "00FFFFFF", "FFFFFF"})
_WHITE_INDEX = frozenset({"1", "9"})  # of the palette, 18.8.27


@dataclass(frozen=True, slots=True)
class Style:
    """What matters of a cell's style: the format of its numbers, and whether it can be seen."""

    code: str = "General"
    bold: bool = False
    white: bool = False  # white letters on a white ground
    nothing: bool = False  # a format that shows nothing at all


@dataclass(frozen=True, slots=True)
class Relation:
    """A part that another one refers to: the last word of the relation's type, and its name."""

    kind: str
    part: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """A worksheet as the workbook lists it."""

    name: str
    part: str
    hidden: bool


class Package:
    """An open workbook. Parts are read when asked for; KeyError if one is missing."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._names = {info.filename.lower(): info for info in archive.infolist()}
        main = [each for each in self.relations("").values() if each.kind == "officeDocument"]
        self._main = main[0].part if main else "xl/workbook.xml"
        workbook = self.xml(self._main)
        properties = next(_named(workbook, "workbookPr"), None)
        self.epoch_1904 = properties is not None and _true(properties.get("date1904"))
        relations = self.relations(self._main)
        self.sheets = tuple(
            Sheet(
                sheet.get("name", ""),
                relation.part,
                sheet.get("state", "visible") in ("hidden", "veryHidden"),
            )
            for sheet in _named(workbook, "sheet")
            if (relation := relations.get(_relation_id(sheet))) and relation.kind == "worksheet"
        )
        self._parts = {relation.kind: relation.part for relation in relations.values()}

    @property
    def embedded(self) -> tuple[str, ...]:
        """Names of files within the workbook."""
        return tuple(
            sorted(
                info.filename
                for name, info in self._names.items()
                if name.startswith("xl/embeddings/")
            )
        )

    def size(self, part: str) -> int:
        """Bytes of a part, unpacked; more than the archive says are never unpacked."""
        return self._names[part.lower()].file_size

    def open(self, part: str) -> IO[bytes]:
        """The bytes of a part as a stream."""
        return self._archive.open(self._names[part.lower()])

    def xml(self, part: str) -> Any:
        """The root element of a part. Raises ReadFailure (TOO_MUCH_OUTPUT)."""
        if self.size(part) > _MAX_PART:
            raise ReadFailure(Failure.TOO_MUCH_OUTPUT)
        with self.open(part) as stream:
            return parsed(stream.read())

    def relations(self, part: str) -> Mapping[str, Relation]:
        """What a part refers to within the package, by id; "" is the package itself."""
        folder, name = posixpath.split(part)
        listing = posixpath.join(folder, "_rels", f"{name}.rels")
        if listing.lower() not in self._names:
            return {}
        found = {}
        for node in _named(self.xml(listing), "Relationship"):
            target = node.get("Target", "")
            if node.get("TargetMode") != "External":
                path = posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
                found[node.get("Id", "")] = Relation(node.get("Type", "").rpartition("/")[2], path)
        return found

    def title(self) -> tuple[str, dict[str, str]]:
        """The workbook's title and what else it says about itself."""
        core = [each for each in self.relations("").values() if each.kind == "core-properties"]
        if not core or core[0].part.lower() not in self._names:
            return "", {}
        values = {
            local_name(node): " ".join((node.text or "").split())
            for node in self.xml(core[0].part)
            if isinstance(node.tag, str)
        }
        known = {"creator": "author", "created": "created", "modified": "modified"}
        return values.get("title", ""), {
            name: values[key] for key, name in known.items() if values.get(key)
        }

    def strings(self) -> list[str]:
        """The shared strings. Raises ReadFailure (TOO_MUCH_OUTPUT)."""
        part = self._parts.get("sharedStrings", "")
        if part.lower() not in self._names:
            return []
        if self.size(part) > _MAX_PART * 2:
            raise ReadFailure(Failure.TOO_MUCH_OUTPUT)
        found = []
        characters = 0
        with self.open(part) as stream:
            for _, node in etree.iterparse(
                stream, tag="{*}si", resolve_entities=False, no_network=True
            ):
                found.append(rich_text(node))
                characters += len(found[-1])
                if characters > _MAX_CHARACTERS:
                    raise ReadFailure(Failure.TOO_MUCH_OUTPUT)
                drop(node)
        return found

    def styles(self) -> list[Style]:
        """The cell styles, by the number that a cell gives."""
        part = self._parts.get("styles", "")
        if part.lower() not in self._names:
            return []
        root = self.xml(part)
        codes = {**sheet_format.BUILT_IN}
        for node in _named(root, "numFmt"):
            if _inside(node, "numFmts"):
                codes[integer(node.get("numFmtId"))] = node.get("formatCode", "")
        fonts = [node for node in _named(root, "font") if _inside(node, "fonts")]
        fills = [node for node in _named(root, "fill") if _inside(node, "fills")]
        bold = [any(_true(each.get("val", "1")) for each in _named(node, "b")) for node in fonts]
        white = [_is_white(next(_named(node, "color"), None)) for node in fonts]
        ground = [_is_white_ground(node) for node in fills]
        found = []
        for node in _named(root, "xf"):
            if _inside(node, "cellXfs"):
                code = codes.get(integer(node.get("numFmtId")), "General")
                font, fill = node.get("fontId"), node.get("fillId")
                unseen = _at(white, font) and _at(ground, fill, missing=True)
                found.append(Style(code, _at(bold, font), unseen, sheet_format.shows_nothing(code)))
        return found

    def comments(self, part: str) -> Iterator[tuple[str, str, str]]:
        """(cell, author, text) of the notes and threads on a sheet, a thread's copy as a note left
        out.
        """
        relations = list(self.relations(part).values())
        people = self._people()
        threads = set()
        for relation in relations:
            if relation.kind == "threadedComment" and relation.part.lower() in self._names:
                for node in _named(self.xml(relation.part), "threadedComment"):
                    text = "".join(each.text or "" for each in _named(node, "text"))
                    threads.add(node.get("ref", ""))
                    yield node.get("ref", ""), people.get(node.get("personId", ""), ""), text
        for relation in relations:
            if relation.kind == "comments" and relation.part.lower() in self._names:
                root = self.xml(relation.part)
                authors = [node.text or "" for node in _named(root, "author")]
                for node in _named(root, "comment"):
                    ref, author = node.get("ref", ""), integer(node.get("authorId"))
                    if ref not in threads:
                        name = authors[author] if author < len(authors) else ""
                        text = "".join(rich_text(each) for each in _named(node, "text"))
                        yield ref, name, text

    def _people(self) -> dict[str, str]:
        part = self._parts.get("person", "")
        if part.lower() not in self._names:
            return {}
        return {
            node.get("id", ""): node.get("displayName", "")
            for node in _named(self.xml(part), "person")
        }

    def drawn_text(self, part: str) -> Iterator[str]:
        """The texts of the shapes that are drawn over a sheet, a shape at a time."""
        for relation in self.relations(part).values():
            if relation.kind == "drawing" and relation.part.lower() in self._names:
                for body in _named(self.xml(relation.part), "txBody"):
                    lines = (
                        "".join(run.text or "" for run in _named(line, "t"))
                        for line in _named(body, "p")
                    )
                    yield "\n".join(line for line in lines if line.strip())

    def tables(self, part: str) -> Iterator[tuple[str, bool]]:
        """(range, whether its first row is a head) of the tables that a sheet declares."""
        for relation in self.relations(part).values():
            if relation.kind == "table" and relation.part.lower() in self._names:
                root = self.xml(relation.part)
                yield root.get("ref", ""), root.get("headerRowCount", "1") != "0"


def parsed(data: bytes) -> Any:
    """The root element of a small XML text; entities stay unresolved, nothing is fetched."""
    return etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True))


def local_name(node: Any) -> str:
    """The name of an element without its namespace."""
    return str(node.tag).rpartition("}")[2]


def rich_text(node: Any) -> str:
    """The text of an element with runs, without the reading aids of Japanese (rPh)."""
    return "".join(
        each.text or "" for each in _named(node, "t") if local_name(each.getparent()) != "rPh"
    )


def drop(node: Any) -> None:
    """Forget an element that was read, and those before it, so that memory does not grow."""
    node.clear()
    parent = node.getparent()
    while parent is not None and node.getprevious() is not None:
        del parent[0]


def integer(value: str | None) -> int:
    """A number in an attribute, 0 if it is none."""
    return int(value) if value and value.isascii() and value.isdecimal() and len(value) < 10 else 0


def _named(node: Any, name: str) -> Iterator[Any]:
    return iter(node.iter(f"{{*}}{name}"))


def _inside(node: Any, name: str) -> bool:
    return node.getparent() is not None and local_name(node.getparent()) == name


def _true(value: str | None) -> bool:
    return value in ("1", "true", "on")


def _at(values: list[bool], index: str | None, missing: bool = False) -> bool:
    at = integer(index)
    return values[at] if at < len(values) else missing


def _relation_id(node: Any) -> str:
    return next((value for key, value in node.items() if key.endswith("}id")), "")


def _is_white(color: Any) -> bool:
    """Whether a colour is white: as such, from the palette, or the theme's first ground colour."""
    if color is None:
        return False
    rgb = (color.get("rgb") or "").upper()
    return (
        rgb in _WHITE
        or color.get("indexed") in _WHITE_INDEX
        or (color.get("theme") == "0" and not color.get("tint"))
    )


def _is_white_ground(fill: Any) -> bool:
    pattern = next(_named(fill, "patternFill"), None)
    if pattern is None:
        return next(_named(fill, "gradientFill"), None) is None
    if pattern.get("patternType", "none") == "none":
        return True
    color = next(_named(pattern, "fgColor"), None)
    return pattern.get("patternType") == "solid" and _is_white(color)
