"""What of a document can be seen: a tally of what is left out, and text without invisible signs."""

from __future__ import annotations

from dataclasses import replace

from ingest.invisible import SAMPLE, strip_invisible
from ingest.pages import Block, Finding, FindingKind, ReadDocument, ReadPage, clean


class Tally:
    """Counts text by kind of finding and page, and keeps the beginning of each as its sample."""

    def __init__(self) -> None:
        self._found: dict[tuple[FindingKind, int], tuple[int, str]] = {}

    def add(self, kind: FindingKind, text: str, page: int = 0) -> None:
        """Take note of `text`; its characters are counted without white space."""
        words = clean(text[: 50 * SAMPLE]).split() if len(text) > 50 * SAMPLE else text.split()
        self.count(kind, len("".join(text.split())), " ".join(words), page)

    def count(self, kind: FindingKind, characters: int, sample: str, page: int = 0) -> None:
        """Take note of so many characters; samples follow one another while there is room."""
        if not characters and not sample:
            return
        before, kept = self._found.get((kind, page), (0, ""))
        if len(kept) < SAMPLE:
            kept = f"{kept} {clean(sample)[:SAMPLE]}".strip()[:SAMPLE]
        self._found[kind, page] = (before + characters, kept)

    def findings(self) -> tuple[Finding, ...]:
        """All that was noted, by page and kind."""
        ordered = sorted(self._found.items(), key=lambda entry: (entry[0][1], entry[0][0]))
        return tuple(
            Finding(kind, page, characters, " ".join(sample.split()))
            for (kind, page), (characters, sample) in ordered
        )


def drawn(document: ReadDocument, keep: bool) -> ReadDocument:
    """`document` without characters that are not drawn, which are told as findings.

    With `keep` they are told and stay (see `ingest.invisible`).
    """
    tally = Tally()
    pages = tuple(_page(read, keep, tally) for read in document.pages)
    return replace(
        document,
        title=strip_invisible(document.title, keep)[0],
        pages=pages,
        metadata={key: strip_invisible(value)[0] for key, value in document.metadata.items()},
        findings=(*document.findings, *tally.findings()),
    )


def _page(read: ReadPage, keep: bool, tally: Tally) -> ReadPage:
    page = read.page
    label = strip_invisible(page.label, keep)[0]
    text, told = strip_invisible(page.text, keep)
    for kind, characters, sample in told:
        tally.count(kind, characters, sample, page.number)
    if text == page.text:
        return read if label == page.label else replace(read, page=replace(page, label=label))
    parts: list[str] = []
    blocks: list[Block] = []
    at = length = 0
    for block in read.blocks:
        gap = page.text[at : block.start]
        body = strip_invisible(page.text[block.start : block.end], keep)[0].strip()
        at = block.end
        if body:
            gap = gap if blocks else ""
            start = length + len(gap)
            length = start + len(body)
            blocks.append(replace(block, start=start, end=length))
            parts.extend((gap, body))
    return ReadPage(replace(page, text="".join(parts), label=label), tuple(blocks))
