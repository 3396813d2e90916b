"""A `LexicalStore` that keeps everything in a dict and scores all of it by the formula."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, log
from pathlib import Path

from index import languages
from index.analysis import BOUNDARY, Analysis, Question, cleaned, expanded, split
from index.files import FileLock
from index.lexical import stemmers
from index.ports import Scored, TextRow, Worded
from index.ranking import PLACE_WEIGHT


@dataclass(frozen=True)
class _Entry:
    document: str
    words: list[str]
    place: list[str]
    definitions: list[str]
    language: str


class _Terms:
    """Statistics of one field."""

    def __init__(self, texts: Sequence[Sequence[str]]) -> None:
        self.count = len(texts)
        self.mean = sum(_kept(len(text)) for text in texts) / max(1, len(texts))
        self.holding = Counter(term for text in texts for term in set(text))

    def idf(self, term: str) -> float:
        held = self.holding[term]
        return log(1 + (self.count - held + 0.5) / (held + 0.5))

    def gain(self, times: int, text: Sequence[str]) -> float:
        return 2.2 * times / (times + 1.2 * (0.25 + 0.75 * _kept(len(text)) / self.mean))


def _kept(length: int) -> int:
    """Lengths as one byte holds them: 4 significant bits above 40."""
    if length < 40:
        return length
    shift = (length - 24).bit_length() - 4
    return 24 + ((length - 24) >> shift << shift)


class PlainLexical:
    """Exact BM25 of every chunk, the slow way."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._analysis = Analysis(stemmers())
        self._entries: dict[str, dict[str, _Entry]] = {}
        self._generations: dict[str, int] = {}

    def lock(self, collection: str) -> FileLock:
        return FileLock(self._folder / f"{collection}.lock")

    def generation(self, collection: str) -> int:
        return self._generations.get(collection, 0)

    def count(self, collection: str) -> int:
        return len(self.chunks(collection))

    def chunks(self, collection: str) -> set[str]:
        return set(self._entries.get(collection, {}))

    def drop(self, collection: str) -> None:
        self._entries.pop(collection, None)
        self._generations.pop(collection, None)

    def wasted(self, collection: str) -> int:
        return 0

    def sweep(self, collection: str) -> None:
        pass

    def close(self) -> None:
        self._entries.clear()

    def apply(
        self,
        collection: str,
        removed: Collection[str],
        rows: Sequence[TextRow],
        generation: int,
    ) -> None:
        gone = set(removed) | {row.document for row in rows}
        held = self._entries.get(collection, {})
        kept = {chunk: entry for chunk, entry in held.items() if entry.document not in gone}
        for document in {row.document for row in rows}:
            own = [row for row in rows if row.document == document]
            spoken = languages.of_chunks([split(cleaned(row.text)) for row in own])
            main = max(sorted(set(spoken)), key=spoken.count)
            for row, language in zip(own, spoken, strict=True):
                kept[row.chunk] = _Entry(
                    document,
                    self._analysis.passage(row.text, language),
                    self._analysis.place(row.place, main),
                    self._analysis.defined(row.text, language),
                    language,
                )
        self._entries[collection] = kept
        self._generations[collection] = generation

    def search(self, collection: str, question: str, limit: int) -> list[Scored]:
        worth = self.weigh(collection, question, sorted(self.chunks(collection)))
        scored = [Scored(chunk, each.score) for chunk, each in worth.items() if each.score > 0]
        return sorted(scored, key=lambda each: (-each.score, each.chunk))[: max(limit, 0)]

    def weigh(self, collection: str, question: str, chunks: Sequence[str]) -> dict[str, Worded]:
        entries = self._entries.get(collection, {})
        held = [each for each in languages.LANGUAGES if each in self._spoken(entries)]
        asked = self._analysis.question(question, held)
        found = {key: self._defined(entries, key) for key in asked.keys}
        asked = expanded(asked, found)
        words = _Terms([each.words for each in entries.values()])
        places = _Terms([each.place for each in entries.values()])
        worth: dict[str, Worded] = {}
        for chunk in chunks:
            if chunk in entries:
                entry = entries[chunk]
                own = _of_words(asked, words, places, entry.words)
                place = _of_place(asked, places, entry.place)
                credited = own + _credit(asked, words, places, entry)
                share = credited / (_ceiling(asked, words) or 1.0)
                named = _named(asked, places, entry.place)
                worth[chunk] = Worded(own + PLACE_WEIGHT * place, share, named)
        return worth

    def _spoken(self, entries: dict[str, _Entry]) -> set[str]:
        return {each.language for each in entries.values()}

    def _defined(self, entries: dict[str, _Entry], key: str) -> list[str]:
        said = Counter(
            each.removeprefix(key)
            for entry in entries.values()
            for each in set(entry.definitions)
            if each.startswith(key)
        )
        return sorted(said, key=lambda each: (-said[each], each))


def _of_place(asked: Question, places: _Terms, text: list[str]) -> float:
    return sum(
        weight * places.idf(term) * places.gain(text.count(term), text)
        for term, weight in asked.terms.items()
        if term in asked.names and term in text
    )


def _named(asked: Question, places: _Terms, text: list[str]) -> float:
    names = [term for term in asked.terms if term in asked.names and places.holding[term]]
    worth = {term: asked.terms[term] * places.idf(term) for term in names}
    total = sum(worth.values())
    if not total:
        return 0.0
    one = log(1 + (places.count - 0.5) / 1.5)
    held = sum(each for term, each in worth.items() if term in text)
    return held / total * (1 - exp(-total / min(2.0, one)))


def _credit(asked: Question, words: _Terms, places: _Terms, entry: _Entry) -> float:
    """What is missing to one occurrence in the text of each term that the name holds."""
    added = 0.0
    for term, weight in asked.terms.items():
        if term in asked.names and term in entry.place:
            known = words.idf(term) if words.holding[term] else places.idf(term)
            gained = words.gain(entry.words.count(term), entry.words) if term in entry.words else 0
            added += weight * known * max(0.0, 1.0 - gained)
    return added


def _of_words(asked: Question, words: _Terms, places: _Terms, text: list[str]) -> float:
    def near(pair: tuple[str, str]) -> float:
        return words.idf(pair[0]) + words.idf(pair[1])

    beside = Counter(pairwise(text))
    known = [p for p in asked.pairs if words.holding[p[0]] and words.holding[p[1]]]
    total = sum(
        weight * words.idf(term) * words.gain(text.count(term), text)
        for term, weight in asked.terms.items()
        if term in text
    )
    total += sum(
        asked.pairs[pair] * near(pair) * words.gain(beside[pair], text)
        for pair in known
        if beside[pair]
    )
    most = sum(asked.pairs[pair] * near(pair) for pair in known)
    for term, weight in asked.terms.items():
        most += weight * words.idf(term) if words.holding[term] else 0.0
        if term in asked.names and places.holding[term]:
            most += PLACE_WEIGHT * weight * places.idf(term)
    body = " ".join(text).partition(f" {BOUNDARY} ")[0]
    for readings in asked.phrases:
        held = [each for each in readings if all(words.holding[word] for word in each)]
        if any(f" {' '.join(each)} " in f" {body} " for each in held):
            total += 2.2 * most
    return total


def _ceiling(asked: Question, words: _Terms) -> float:
    def known(term: str) -> float:
        return words.idf(term) if words.holding[term] else 0.0

    unheld = words.idf("a term that no text holds")
    total = sum(max(map(known, readings)) or unheld for readings in asked.words)
    return 2.2 * (total + sum(map(known, asked.spelled)))
