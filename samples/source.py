"""A sample document before it is typeset: front matter and blocks, read from a small Markdown."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["heading", "text", "clause", "bullet", "note", "caption", "table", "page"]
Rows = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Block:
    """One paragraph, heading, table or page break; `mark` is a clause number or letter."""

    kind: Kind
    text: str = ""
    level: int = 0
    mark: str = ""
    rows: Rows = ()


@dataclass(frozen=True, slots=True)
class Source:
    """A document before it is typeset: its front matter and its blocks."""

    meta: Mapping[str, str]
    body: str
    blocks: tuple[Block, ...]

    @property
    def running_title(self) -> str:
        """What stands at the top of every page."""
        return f"{self.meta['id']}  {self.meta.get('short', self.meta['title'])}"

    @property
    def version_words(self) -> str:
        """The version as printed on every page: "Version 3.0", or its own words if it has no number."""
        version = self.meta["version"]
        return f"Version {version}" if version[0].isdigit() else version[0].upper() + version[1:]

    @property
    def superseded(self) -> str:
        """The warning printed on every page of a superseded version, else empty."""
        return self.meta.get("superseded", "")

    def control(self) -> Rows:
        """The document-control table, from those front-matter keys that are present."""
        names = {
            "id": "Document",
            "version": "Version",
            "status": "Status",
            "effective": "Effective from",
            "until": "Effective until",
            "owner": "Owner",
            "approved": "Approved by",
            "review": "Next review",
            "replaces": "Replaces",
            "applies": "Applies to",
        }
        return tuple((label, self.meta[key]) for key, label in names.items() if key in self.meta)


_CLAUSE = re.compile(r"((?:\d+|[A-D])(?:\.\d+)+)\.? (.+)")
_LETTER = re.compile(r"(\((?:[a-z]|[ivx]+)\)) (.+)")
_CAPTION = re.compile(r"Table [A-Z]?\d+\. .+")


def read_source(path: Path) -> Source:
    """Read one source file. Raises ValueError when its front matter is missing."""
    _, front, body = path.read_text(encoding="utf-8").split("---\n", 2)
    pairs = (line.split(":", 1) for line in front.splitlines() if line.strip())
    meta = {key.strip(): value.strip() for key, value in pairs}
    return Source(meta, body.strip() + "\n", tuple(parse(body)))


def parse(body: str) -> Iterator[Block]:
    """The blocks of a source's body, in order."""
    rows: list[tuple[str, ...]] = []
    for line in [*body.splitlines(), ""]:
        if line.startswith("|"):
            if not set(line) <= set("|-: "):
                rows.append(tuple(cell.strip() for cell in line.strip().strip("|").split("|")))
            continue
        if rows:
            yield Block("table", rows=tuple(rows))
            rows = []
        if line.strip():
            yield _paragraph(line.strip())


def _paragraph(line: str) -> Block:
    if line == "<!-- page -->":
        return Block("page")
    if line.startswith("#"):
        marks, _, text = line.partition(" ")
        return Block("heading", text, level=len(marks))
    if line.startswith("- "):
        return Block("bullet", line[2:])
    if line.startswith("> "):
        return Block("note", line[2:])
    if _CAPTION.fullmatch(line):
        return Block("caption", line)
    if clause := _CLAUSE.fullmatch(line):
        return Block("clause", clause[2], level=clause[1].count("."), mark=clause[1])
    if letter := _LETTER.fullmatch(line):
        return Block("clause", letter[2], level=2, mark=letter[1])
    return Block("text", line)


def rich(text: str) -> str:
    """Inline Markdown (**bold**, *italic*) as the tags that both HTML and reportlab know."""
    text = html.escape(text, quote=False)
    text = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", text)
    return re.sub(r"\*(.+?)\*", r"<i>\1</i>", text)


def plain(text: str) -> str:
    """Inline Markdown without its marks."""
    return text.replace("*", "")
