"""What a paragraph of an OpenDocument draws, in order: text, and what stands or happens in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ingest.odt_styles import OFFICE, TEXT, Look, Styles, whole
from ingest.office_flow import CARRIED, Flow
from ingest.pages import FindingKind

DRAW = "{urn:oasis:names:tc:opendocument:xmlns:drawing:1.0}"
TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_XML_ID = "{http://www.w3.org/XML/1998/namespace}id"
_CREATOR = "{http://purl.org/dc/elements/1.1/}creator"

PAGE_END = "\f"
"""Stands among the texts of a paragraph where a page ends."""

_MOST_SPACES = 100  # that one text:s stands for
_MARKS = {f"{TEXT}tab": "\t", f"{TEXT}line-break": "\n", f"{TEXT}soft-page-break": PAGE_END}
_NO_TEXT = frozenset({f"{TEXT}number", f"{TEXT}note-citation", f"{OFFICE}event-listeners"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where text stands: what it looks like if nothing else is said, and the colour behind it."""

    look: Look
    behind: str
    in_list: bool = False


@dataclass(frozen=True, slots=True)
class Aside:
    """What belongs to a paragraph and stands elsewhere: a note (with its mark) or a shape."""

    node: Any
    mark: str = ""


def is_shape(node: Any) -> bool:
    """Whether a node is a frame or a drawn shape."""
    return str(node.tag).startswith(DRAW)


def paragraphs_text(node: Any) -> str:
    """All text of the paragraphs below a node, as it stands there."""
    return "\n".join("".join(each.itertext()) for each in node.iter(f"{TEXT}p", f"{TEXT}h"))


@dataclass(slots=True)
class _Comment:
    author: str
    text: str
    about: str = ""


class Inline:
    """Reads paragraphs in order; tracked changes and comments may reach over several."""

    def __init__(self, flow: Flow, styles: Styles, keep_hidden: bool) -> None:
        self.styles = styles
        self._flow = flow
        self._keep_hidden = keep_hidden
        self._deletions: dict[str, str] = {}
        self._insertions: set[str] = set()
        self._inserting: set[str] = set()
        self._ends: set[str] = set()  # names of comments whose end is marked
        self._comments: dict[str, _Comment] = {}  # open ones

    def prepare(self, body: Any) -> None:
        """Take in what the body says of its tracked changes and comments."""
        for region in body.iter(f"{TEXT}changed-region"):
            change = str(region.get(f"{TEXT}id", region.get(_XML_ID, "")))
            deletion = region.find(f"{TEXT}deletion")
            if deletion is not None:
                self._deletions[change] = paragraphs_text(deletion)
            elif region.find(f"{TEXT}insertion") is not None:
                self._insertions.add(change)
        self._ends = {
            str(node.get(f"{OFFICE}name", "")) for node in body.iter(f"{OFFICE}annotation-end")
        }

    def end(self) -> None:
        """The body ends: tell what was not told in its place."""
        for text in self._deletions.values():
            self._flow.tell(FindingKind.TRACKED_DELETION, text)
        for comment in self._comments.values():
            self._flow.comment(comment.author, comment.about, comment.text)

    def change(self, node: Any) -> None:
        """A tracked change begins, ends, or (a deletion) was made here."""
        change = str(node.get(f"{TEXT}change-id", ""))
        if node.tag == f"{TEXT}change-end":
            self._inserting.discard(change)
        elif change in self._deletions:
            self._flow.tell(FindingKind.TRACKED_DELETION, self._deletions.pop(change))
        elif change in self._insertions:
            self._inserting.add(change)

    def items(self, paragraph: Any, style: str, place: Place) -> Iterator[str | Aside]:
        """What a text:p or text:h of that style draws."""
        look = self.styles.look("paragraph", style, place.look)
        hides = paragraph.find(f".//{TEXT}hidden-paragraph")
        if hides is not None and hides.get(f"{TEXT}is-hidden") == "true":
            look = Look(True, look.size, look.color, look.behind)
        behind = self.styles.ground("paragraph", style, place.behind)
        yield from self._children(paragraph, Place(look, behind))

    def _children(self, node: Any, place: Place) -> Iterator[str | Aside]:
        yield from self._text(node.text, place)
        for child in node.iterchildren():
            yield from self._node(child, place)
            yield from self._text(child.tail, place)

    def _node(self, node: Any, place: Place) -> Iterator[str | Aside]:
        tag = node.tag
        if tag == f"{TEXT}span":
            name = str(node.get(f"{TEXT}style-name", ""))
            look = self.styles.look("text", name, place.look)
            yield from self._children(node, Place(look, place.behind))
        elif tag == f"{TEXT}s":
            yield " " * max(whole(node.get(f"{TEXT}c"), 1, _MOST_SPACES), 1)
        elif tag in _MARKS:
            yield _MARKS[tag]
        elif tag == f"{TEXT}note":
            yield from self._note(node, place)
        elif tag == f"{OFFICE}annotation":
            self._comment(node)
        elif tag == f"{OFFICE}annotation-end":
            self._comment_end(str(node.get(f"{OFFICE}name", "")))
        elif tag.startswith(f"{TEXT}change"):
            self.change(node)
        elif tag == f"{TEXT}hidden-text":
            yield from self._hidden(node, place)
        elif tag == f"{TEXT}ruby-text":
            yield f" ({''.join(node.itertext())}) "
        elif is_shape(node):
            yield Aside(node)
        elif tag not in _NO_TEXT:
            yield from self._children(node, place)

    def _text(self, text: str | None, place: Place) -> Iterator[str]:
        if not text:
            return
        text = re.sub(r"[ \t\r\n]+", " ", text)
        unseen = place.look.unseen(place.behind)
        if unseen is not None:
            self._flow.tell(unseen, text)
            if not self._keep_hidden:
                return
        if self._inserting:
            self._flow.tell(FindingKind.TRACKED_INSERTION, text)
        for comment in self._comments.values():
            if len(comment.about) <= CARRIED:
                comment.about += text
        yield text

    def _note(self, node: Any, place: Place) -> Iterator[str | Aside]:
        if place.look.unseen(place.behind) is not None and not self._keep_hidden:
            self._flow.tell(FindingKind.HIDDEN_MARKUP, paragraphs_text(node))
            return
        citation = node.find(f"{TEXT}note-citation")
        body = node.find(f"{TEXT}note-body")
        mark = "" if citation is None else " ".join("".join(citation.itertext()).split())
        mark = f"[^{mark or '*'}]"
        yield mark
        if body is not None:
            yield Aside(body, mark)

    def _hidden(self, node: Any, place: Place) -> Iterator[str]:
        """Text under a condition."""
        text = str(node.get(f"{TEXT}string-value") or "".join(node.itertext()))
        if node.get(f"{TEXT}is-hidden", "true") == "true":
            self._flow.tell(FindingKind.HIDDEN_MARKUP, text)
            if not self._keep_hidden:
                return
        yield from self._text(text, place)

    def _comment(self, node: Any) -> None:
        author = node.findtext(_CREATOR) or ""
        found = _Comment(str(author), paragraphs_text(node))
        name = str(node.get(f"{OFFICE}name", ""))
        if name and name in self._ends:
            self._comments[name] = found
        else:
            self._flow.comment(found.author, "", found.text)

    def _comment_end(self, name: str) -> None:
        found = self._comments.pop(name, None)
        if found is not None:
            self._flow.comment(found.author, found.about, found.text)
