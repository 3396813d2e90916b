"""Markdown (CommonMark with tables) as the text a reader sees: marks of emphasis and links go, the
words stay. A page is a section under a level-2 heading (see `ingest.pages.sections`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from ingest.pages import Kind, Piece, ReadDocument, first_heading, sections
from ingest.read_html import visible_text
from ingest.read_text import decode

MEDIA_TYPE = "text/markdown"

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_ENTRY = re.compile(r"([\w -]{1,60}):[ \t]*(.+)")


def read(data: bytes) -> ReadDocument:
    """The document in `data`. Raises ReadFailure (UNDECODABLE)."""
    text, metadata = _front_matter(decode(data))
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    pieces = [Piece(f"{key}: {value}", tight=True) for key, value in metadata.items()]
    pieces.extend(_pieces(tokens))
    pages = sections(pieces, levels=(2, 1))
    return ReadDocument(
        MEDIA_TYPE, metadata.get("title", "") or first_heading(pages), pages, metadata
    )


def _front_matter(text: str) -> tuple[str, dict[str, str]]:
    """The text without a leading block of `key: value` lines between `---`, and those lines."""
    found = _FRONT_MATTER.match(text)
    if not found:
        return text, {}
    entries = (_ENTRY.fullmatch(line.strip()) for line in found.group(1).splitlines())
    metadata = {entry.group(1).strip(): entry.group(2).strip("\"' ") for entry in entries if entry}
    return text[found.end() :], metadata


def _pieces(tokens: Sequence[Token]) -> Iterator[Piece]:
    items = _Items()
    row: list[str] | None = None
    heading = 0
    for at, token in enumerate(tokens):
        items.see(token, tokens[at - 1].type if at else "")
        if token.type == "heading_open":
            heading = int(token.tag[1:])
        elif token.type == "tr_open":
            row = []
        elif token.type == "tr_close" and row is not None:
            kind = Kind.HEADER_ROW if tokens[at - 1].type == "th_close" else Kind.ROW
            yield Piece(" | ".join(row), kind)
            row = None
        elif token.type == "inline":
            text = _inline(token.children or [])
            if row is not None:
                row.append(" ".join(text.split()))
            elif heading:
                yield Piece(" ".join(text.split()), Kind.HEADING, heading)
            else:
                yield items.piece(text)
            heading = 0
        elif token.type in ("fence", "code_block"):
            yield Piece(token.content.rstrip("\n"))
        elif token.type == "html_block":
            yield Piece(visible_text(token.content))


class _Items:
    """Keeps the numbers of open lists, and writes an item's number or bullet before its text."""

    def __init__(self) -> None:
        self._lists: list[int | None] = []  # the next number, or None for bullets
        self._marker = ""
        self._tight = False

    def see(self, token: Token, before: str) -> None:
        """Take note of a token; `before` is the type of the one before it."""
        if token.type in ("bullet_list_open", "ordered_list_open"):
            ordered = token.type.startswith("ordered")
            self._lists.append(int(token.attrs.get("start", 1)) if ordered else None)
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            self._lists.pop()
        elif token.type == "list_item_open":
            number = self._lists[-1]
            self._marker = "- " if number is None else f"{number}. "
            self._tight = before == "list_item_close" or len(self._lists) > 1
            self._lists[-1] = None if number is None else number + 1

    def piece(self, text: str) -> Piece:
        """`text` as a paragraph, or as the beginning of the item that was just opened."""
        marker, self._marker = self._marker, ""
        return Piece(marker + text, tight=self._tight and bool(marker))


def _inline(tokens: Sequence[Token]) -> str:
    parts = []
    for token in tokens:
        if token.type in ("softbreak", "hardbreak"):
            parts.append("\n")
        elif token.type in ("text", "code_inline", "image"):
            parts.append(token.content)
    return "".join(parts)
