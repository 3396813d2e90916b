"""From hits to rankings of what is judged: records, documents, pages. Pure.

A judged id is matched with hits by its document, and by its page if it names one. A document that
a set holds twice (the same bytes under two paths of one collection) is in an index once: both
paths then stand for the first of them, so that whichever was judged is found.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from assistant.judged import DEFAULT, JudgedQuestion, JudgedSet, Kind

_PAGE = re.compile(r"(?P<document>.+)#(?P<page>[1-9]\d{0,6})", re.DOTALL)


class Level(StrEnum):
    """What is ranked. A record of a BEIR corpus is a document."""

    DOCUMENT = "document"
    PAGE = "page"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a hit is: its collection, its document's source and SHA-256, page, and score."""

    collection: str
    source: str
    sha256: str
    page: int
    score: float


@dataclass(frozen=True, slots=True)
class Ranked:
    """A page or document once, at its best hit: `hit` counts hits from 1, `score` is that hit's."""

    id: str
    score: float
    hit: int


Gold = Mapping[Level, Mapping[str, int]]  # id -> relevance; a level that is not judged is empty


@dataclass(frozen=True, slots=True)
class Names:
    """How the documents of a set are called in its judgements.

    `same`: path -> the path that stands for it, where a set holds bytes twice; `held`: (collection,
    SHA-256) -> path, of the set's own files; `known`: every path that is certainly a document;
    `indexed`: those of them that can be found.
    """

    kind: Kind
    by_folder: bool
    same: Mapping[str, str]
    held: Mapping[tuple[str, str], str]
    known: Collection[str]
    indexed: Collection[str]

    def document(self, place: Place) -> str:
        """The judged id of a hit's document."""
        return self.held.get((place.collection, place.sha256)) or self.listed(
            place.collection, place.source
        )

    def listed(self, collection: str, source: str) -> str:
        """The judged id of a document by its collection and source."""
        within = self.by_folder and collection != DEFAULT
        path = f"{collection}/{source}" if within else source
        return self.same.get(path, path)

    def gold(self, judged: Mapping[str, int]) -> Gold:
        """Judged ids as pages and as the documents that hold them.

        A document is as relevant as the most relevant of its pages. What ends in `#` and a number
        is a page, unless a document is called so.
        """
        pages: dict[str, int] = {}
        documents: dict[str, int] = {}
        for id_, relevance in judged.items():
            found = None if self.kind is Kind.BEIR or id_ in self.known else _PAGE.fullmatch(id_)
            path = found["document"] if found else id_
            path = self.same.get(path, path)
            documents[path] = max(relevance, documents.get(path, relevance))
            if found:
                page = f"{path}#{found['page']}"
                pages[page] = max(relevance, pages.get(page, relevance))
        return {Level.PAGE: pages, Level.DOCUMENT: documents}

    def missing(self, questions: Sequence[JudgedQuestion]) -> list[str]:
        """The relevant documents that are not in the index: nothing can find them."""
        return [id_ for id_ in self._relevant(questions) if id_ not in self.indexed]

    def any_of(self, questions: Sequence[JudgedQuestion]) -> bool:
        """Whether any relevant document is in the index."""
        return any(id_ in self.indexed for id_ in self._relevant(questions))

    def _relevant(self, questions: Sequence[JudgedQuestion]) -> dict[str, None]:
        return dict.fromkeys(
            id_
            for question in questions
            for id_, relevance in self.gold(question.judged)[Level.DOCUMENT].items()
            if relevance > 0
        )


def names_of(judged: JudgedSet, indexed: Iterable[tuple[str, str]]) -> Names:
    """How the documents of `judged` are called; `indexed`: (collection, source) of what is there.

    In a home every document goes by its source, whatever its collection.
    """
    same: dict[str, str] = {}
    held: dict[tuple[str, str], str] = {}
    for path, sha256 in judged.files.items():
        folder = path.partition("/")[0] if "/" in path and judged.by_folder else DEFAULT
        first = held.setdefault((folder, sha256), path)
        if first != path:
            same[path] = first
    bare = Names(judged.kind, judged.by_folder, same, held, (), ())
    listed = frozenset(bare.listed(collection, source) for collection, source in indexed)
    return Names(
        judged.kind, judged.by_folder, same, held, frozenset(judged.files) | listed, listed
    )


def ranked(places: Sequence[Place], names: Names) -> dict[Level, tuple[Ranked, ...]]:
    """Each page and each document once, in the order of their best hits."""
    found: dict[Level, dict[str, Ranked]] = {level: {} for level in Level}
    for hit, place in enumerate(places, start=1):
        document = names.document(place)
        for level, id_ in (
            (Level.DOCUMENT, document),
            (Level.PAGE, f"{document}#{place.page}"),
        ):
            found[level].setdefault(id_, Ranked(id_, place.score, hit))
    return {level: tuple(by_id.values()) for level, by_id in found.items()}
