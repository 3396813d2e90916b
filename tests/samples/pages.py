"""The pages of the sample documents, read by simple means that owe nothing to the product.

The rules for "page" are those of the product: physical pages in a PDF, explicit page breaks in a
Word document, level-2 sections in HTML and Markdown (what stands before the first belongs to it),
form feeds in plain text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pypdfium2
from bs4 import BeautifulSoup
from docx import Document
from docx.oxml.ns import qn


def squeeze(text: str) -> str:
    """The text with every run of white space made one space."""
    return " ".join(text.split())


def pages_of(path: Path) -> list[str]:
    """The text of each page of one document, white space squeezed; item 0 is page 1."""
    return [squeeze(page) for page in _READERS[path.suffix](path)]


def _pdf(path: Path) -> list[str]:
    document = pypdfium2.PdfDocument(path)
    try:
        return [page.get_textpage().get_text_range() for page in document]
    finally:
        document.close()


def _docx(path: Path) -> list[str]:
    pages = [""]
    for element in Document(str(path)).element.body.iter():
        if element.tag == qn("w:br") and element.get(qn("w:type")) == "page":
            pages.append("")
        elif element.tag == qn("w:t"):
            pages[-1] += element.text or ""
        elif element.tag in (qn("w:p"), qn("w:tab")):
            pages[-1] += "\n"
    return pages


def _html(path: Path) -> list[str]:
    body: Any = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser").body
    for heading in body.find_all("h2"):
        heading.insert_before("\f")
    return _after_first_heading(body.get_text("\n").split("\f"))


def _markdown(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8").replace("*", "").replace("|", " ")
    return _after_first_heading(re.split(r"^(?=## )", text, flags=re.MULTILINE))


def _after_first_heading(parts: list[str]) -> list[str]:
    return [parts[0] + parts[1], *parts[2:]]


def _text(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split("\f")


_READERS: Mapping[str, Callable[[Path], list[str]]] = {
    ".pdf": _pdf,
    ".docx": _docx,
    ".html": _html,
    ".md": _markdown,
    ".txt": _text,
}
