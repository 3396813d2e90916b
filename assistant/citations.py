"""Citations: numbered spans of retrieved pages, checked against the catalogue, and the marks in an
answer's text. A number comes from here alone; one in a model's or a document's text is only text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from assistant.answer import Citation, Sentence
from assistant.doubt import PLAIN, force_of, warning_of
from assistant.ports import Library
from assistant.quotes import Span
from index.document import Document, Page, Scope
from index.effective import Standing, today
from index.errors import NotFound


class Numbering:
    """Gives the spans of one answer their numbers, from 1 in the order of first use."""

    def __init__(self) -> None:
        self._numbers: dict[Span, int] = {}
        self.citations: list[Citation] = []

    def cite(
        self, span: Span, document: Document, page: Page, standing: Standing = PLAIN
    ) -> tuple[Citation, bool]:
        """The citation of `span` on `page` of `document`, and whether it is new."""
        if span in self._numbers:
            return self.citations[self._numbers[span] - 1], False
        now = today()
        citation = Citation(
            number=len(self.citations) + 1,
            document=document.id,
            source=document.source,
            title=document.title,
            page=page.number,
            label=page.label,
            start=span.start,
            end=span.end,
            quote=page.text[span.start : span.end],
            warning=warning_of(document, page, standing, now),
            force=force_of(document, standing, now),
        )
        self._numbers[span] = citation.number
        self.citations.append(citation)
        return citation, True


def true_to(citation: Citation, page: Page) -> bool:
    """Whether the citation quotes `page` byte for byte and says so of the right page."""
    return (
        citation.page == page.number
        and 0 <= citation.start < citation.end <= len(page.text)
        and page.text[citation.start : citation.end] == citation.quote
    )


def still_true(library: Library, cited: Iterable[Citation], scope: Scope) -> bool:
    """Whether every citation still quotes the catalogue's page: asked right before something is
    released."""
    for citation in cited:
        try:
            page = library.page(citation.document, citation.page, scope)
        except NotFound:
            return False
        if not true_to(citation, page):
            return False
    return True


def marked(sentence: Sentence) -> str:
    """The sentence followed by its marks: "Records are kept for six years. [1][2]"."""
    marks = "".join(f"[{number}]" for number in sentence.citations)
    return f"{sentence.text} {marks}" if marks else sentence.text


def text_of(sentences: Sequence[Sentence], *, quoted: bool) -> str:
    """What a person reads: sentences in a line, or quotations each in a line of its own."""
    return ("\n" if quoted else " ").join(marked(sentence) for sentence in sentences)
