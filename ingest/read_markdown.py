"""Markdown (CommonMark with tables) as the text a reader sees: marks of emphasis and links go, the
words stay. A page is a section under a level-2 heading (see `ingest.pages.sections`).

It is read as the HTML that it stands for, so that HTML within it is judged like any other. Front
matter, YAML between `---` or TOML between `+++`, is no text: what it declares is kept beside it.
Front matter that cannot be read stays text.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

import yaml
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml

from ingest.errors import Failure, ReadFailure
from ingest.invisible import strip_invisible
from ingest.options import ReadOptions
from ingest.pages import ReadDocument, clean, first_heading, sections
from ingest.read_encoding import decode
from ingest.read_html import markup_pieces
from ingest.seen import Tally, drawn

MEDIA_TYPE = "text/markdown"
DECLARED = frozenset(
    {"title", "effective_from", "effective_to", "supersedes", "status", "collection"}
)
"""The keys of front matter that say how the document is to be filed (see `ingest.facts`)."""

_FRONT_MATTER = re.compile(
    r"\A(?:---[ \t]*\n(?P<yaml>.*?)(?<=\n)(?:---|\.\.\.)|\+\+\+[ \t]*\n(?P<toml>.*?)(?<=\n)\+\+\+)"
    r"[ \t]*(?:\n|\Z)",
    re.DOTALL,
)
_MAX_FRONT_MATTER = 64 * 1024  # characters
_MAX_DEPTH = 20  # of lists and maps within one another
_NOTHING = ("", "~", "null", "Null", "NULL")  # YAML's words for no value


def read(data: bytes, options: ReadOptions) -> ReadDocument:
    """The document in `data`. Raises ReadFailure (UNDECODABLE, TOO_DEEP, TOO_MANY_PAGES)."""
    text, front = _front_matter(decode(data).removeprefix("\ufeff"))
    declared = {key: value for key, value in front.items() if key in DECLARED}
    metadata = {
        key: value for key, value in front.items() if key not in DECLARED and isinstance(value, str)
    }
    tally = Tally()
    pages = sections(markup_pieces(_html(text), options, tally), levels=(2, 1))
    if len(pages) > options.max_pages:
        raise ReadFailure(Failure.TOO_MANY_PAGES)
    title = declared.get("title", "")
    return drawn(
        ReadDocument(
            MEDIA_TYPE,
            title if isinstance(title, str) and title else first_heading(pages),
            pages,
            metadata,
            findings=tally.findings(),
            declared=declared,
        ),
        options.keep_hidden,
    )


def _html(text: str) -> str:
    """The HTML that a Markdown text stands for; a picture is the words that describe it."""
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    parser.add_render_rule("image", _described)
    parser.add_render_rule("softbreak", lambda *_: "<br>")
    return str(parser.render(text))


def _described(_: Any, tokens: Sequence[Any], at: int, *__: Any) -> str:
    return escapeHtml(tokens[at].content)


def _front_matter(text: str) -> tuple[str, dict[str, str | tuple[str, ...]]]:
    """The text without its front matter, and the entries of that which are text or lists of it."""
    found = _FRONT_MATTER.match(text[:_MAX_FRONT_MATTER])
    if not found:
        return text, {}
    try:
        entries = (
            tomllib.loads(found["toml"]) if found["toml"] is not None else _yaml(found["yaml"])
        )
    except (tomllib.TOMLDecodeError, yaml.YAMLError, ValueError, RecursionError):
        return text, {}
    if not isinstance(entries, dict):
        return text, {}
    return text[found.end() :], dict(_texts(entries))


def _yaml(source: str) -> object:
    """What YAML says, every scalar as it is written (1.10 stays 1.10, no stays no).

    Anchors are refused, as a few lines of them unfold into gigabytes, and so is deep nesting, as
    time grows with its square. Raises YAMLError, ValueError.
    """
    depth = 0
    for event in yaml.parse(source, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if getattr(event, "anchor", None) or depth > _MAX_DEPTH:
            raise ValueError("anchors and deep nesting are not read")
    return yaml.load(source, Loader=yaml.BaseLoader)  # noqa: S506 (builds text, lists and maps only)


def _texts(entries: Mapping[Any, object]) -> dict[str, str | tuple[str, ...]]:
    """The entries that are a scalar or a list of scalars, as text."""
    found: dict[str, str | tuple[str, ...]] = {}
    for key, value in entries.items():
        if isinstance(value, list):
            items = [text for each in value if (text := _scalar(each))]
            if items and str(key) in DECLARED:
                found[str(key)] = tuple(items)
        elif text := _scalar(value):
            found[_plain(str(key))] = text
    return found


def _scalar(value: object) -> str:
    """A scalar as text, "" for nothing and for what is none."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    if isinstance(value, (str, int, float)) and str(value) not in _NOTHING:
        return _plain(str(value))
    return ""


def _plain(text: str) -> str:
    return " ".join(strip_invisible(clean(text))[0].split())
