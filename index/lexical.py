"""The lexical view: one tantivy index per collection. The only module that imports tantivy.

What it does not do: enforce access (a query opens only the collections it is given) or decide
what is current (every hit is checked against the catalogue).

Two fields a chunk: `words` (letters and digits, small, stemmed, English) and `identifiers`
(clause numbers and the like, whole). A query is the question's words, its pairs of neighbouring
words with a smaller weight (the sequential dependence of Metzler and Croft, SIGIR 2005) and its
identifiers; it is built from terms and never parsed, so no text can be read as query syntax.

The generation that an index has reached is one more document in it, written by the same commit: a
crash cannot tear the two apart. Adding deletes by document first, so doing it again changes
nothing.

Any process may read. Whoever writes holds the collection's lock file, without waiting for it.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import tantivy

from index.errors import HomeFull, InvalidName, ViewDamaged
from index.files import (
    FileLock,
    file_errors,
    is_full,
    private_folder,
    remove_discarded,
    remove_folder,
)
from index.ports import Scored, TextRow
from index.terms import FUNCTION_WORDS, identifiers, pairs, with_beginnings

log = logging.getLogger(__name__)

LAYOUT = 1  # of the fields and tokens below; another number means another folder, built anew
_HEAP = 64_000_000  # bytes a writer may use before it makes a segment
_MAX_TERMS = 256  # different words, pairs and identifiers of one question, each
PAIR_WEIGHT = 0.4  # of two neighbours against a word's 1; measured, see ADR 0003
_MAX_TOKEN = 64  # characters; longer runs are not words
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_STATE = "state"
_META = "meta.json"  # what tantivy writes last when it makes an index
_T = TypeVar("_T")


def _schema() -> Any:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("chunk", stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("document", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("words", tokenizer_name="cloister_words", index_option="position")
    builder.add_text_field("identifiers", tokenizer_name="whitespace", index_option="freq")
    builder.add_text_field("kind", tokenizer_name="raw", index_option="basic")
    builder.add_integer_field("generation", stored=True)
    return builder.build()


def _analyzer() -> Any:
    return (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
        .filter(tantivy.Filter.remove_long(_MAX_TOKEN))
        .filter(tantivy.Filter.lowercase())
        .filter(tantivy.Filter.stemmer("english"))
        .build()
    )


def _spaced_analyzer() -> Any:
    return tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()


class _Opened:
    """One collection's index."""

    def __init__(self, folder: Path, words: Any) -> None:
        self.schema = _schema()
        with file_errors(folder):
            self.index = tantivy.Index(self.schema, path=str(private_folder(folder)))
        self.index.register_tokenizer("cloister_words", words)
        self.index.register_tokenizer("whitespace", _spaced_analyzer())

    def fresh(self) -> Any:
        """A searcher of the latest commit of any process."""
        self.index.reload()
        return self.index.searcher()

    def term(self, field: str, value: str) -> Any:
        return tantivy.Query.term_query(self.schema, field, value, "freq")

    def neighbours(self, pair: tuple[str, str]) -> Any:
        return tantivy.Query.phrase_query(self.schema, "words", list(pair))


class TantivyStore:
    """A `LexicalStore` below `folder`, a subfolder for each collection.

    Raises (all methods):
        ViewDamaged: tantivy cannot read or write the collection's index; `drop` and build anew.
        HomeUnavailable, HomeFull: the folder cannot be used.
    """

    def __init__(self, folder: Path, pair_weight: float = PAIR_WEIGHT) -> None:
        self._folder = private_folder(folder)
        self._pair_weight = pair_weight
        self._words = _analyzer()
        self._function_words = frozenset(self._words.analyze(FUNCTION_WORDS))
        self._opened: dict[str, _Opened] = {}
        self._guard = threading.Lock()

    def lock(self, collection: str) -> FileLock:
        """The lock that whoever calls `apply` or `drop` must hold."""
        return FileLock(self._folder / _checked(collection) / "lock")

    def generation(self, collection: str) -> int:
        with self._mapped():
            opened = self._open(collection)
            if opened is None:
                return 0
            searcher = opened.fresh()
            hits = searcher.search(opened.term("kind", _STATE), 1, count=False).hits
            return max((searcher.doc(at).get_first("generation") for _, at in hits), default=0)

    def count(self, collection: str) -> int:
        with self._mapped():
            opened = self._open(collection)
            if opened is None:
                return 0
            searcher = opened.fresh()
            states = searcher.search(opened.term("kind", _STATE), 1, count=False).hits
            return int(searcher.num_docs) - len(states)

    def chunks(self, collection: str) -> set[str]:
        with self._mapped():
            opened = self._open(collection)
            if opened is None:
                return set()
            searcher = opened.fresh()
            every = searcher.search(
                tantivy.Query.all_query(), max(1, searcher.num_docs), count=False
            )
            found = (searcher.doc(at).get_first("chunk") for _, at in every.hits)
            return {chunk for chunk in found if chunk is not None}

    def wasted(self, collection: str) -> int:
        path = self._path(collection) / _META
        try:
            segments = json.loads(path.read_bytes())["segments"]
            deletes = [segment["deletes"] or {} for segment in segments]
            return sum(int(each.get("num_deleted_docs", 0)) for each in deletes)
        except FileNotFoundError:
            return 0
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ViewDamaged("lexical", str(error)) from error

    def drop(self, collection: str) -> None:
        with self._guard:
            self._opened.pop(collection, None)
            remove_folder(self._path(collection))

    def sweep(self, collection: str) -> None:
        """Remove what other layouts and interrupted drops have left. The lock must be held."""
        own = self._path(collection)
        for path in own.parent.glob("layout-*"):
            if path != own:
                remove_folder(path)
        remove_discarded(own)

    def close(self) -> None:
        with self._guard:
            self._opened.clear()

    def apply(
        self,
        collection: str,
        removed: Collection[str],
        rows: Sequence[TextRow],
        generation: int,
    ) -> None:
        with self._mapped():
            opened = self._created(collection)
            writer = opened.index.writer(_HEAP, 1)
            for document in {*removed, *(row.document for row in rows)}:
                writer.delete_documents_by_term("document", document)
            writer.delete_documents_by_term("kind", _STATE)
            for row in rows:
                writer.add_document(_entry(row))
            state = tantivy.Document(kind=_STATE)
            state.add_integer("generation", generation)
            writer.add_document(state)
            writer.commit()
            writer.wait_merging_threads()

    def search(self, collection: str, question: str, limit: int) -> list[Scored]:
        with self._mapped():
            opened = self._open(collection)
            query = self._query(opened, question) if opened is not None else None
            if opened is None or query is None or limit < 1:
                return []
            searcher = opened.fresh()
            hits = searcher.search(query, limit, count=False).hits
            return [Scored(searcher.doc(at).get_first("chunk"), score) for score, at in hits]

    def _query(self, opened: _Opened, question: str) -> Any | None:
        """Any of the question's terms; None if it has none."""
        clean = question.encode("utf-8", "replace").decode("utf-8")
        words = self._words.analyze(clean)
        telling = [word for word in words if word not in self._function_words] or words
        clauses = [opened.term("words", word) for word in _different(telling)]
        clauses += [opened.term("identifiers", each) for each in _different(identifiers(clean))]
        if self._pair_weight:
            clauses += [
                tantivy.Query.boost_query(opened.neighbours(pair), self._pair_weight)
                for pair in _different(pairs(words, self._function_words))
            ]
        if not clauses:
            return None
        return tantivy.Query.boolean_query([(tantivy.Occur.Should, each) for each in clauses])

    def _path(self, collection: str) -> Path:
        return self._folder / _checked(collection) / f"layout-{LAYOUT}"

    def _open(self, collection: str) -> _Opened | None:
        """The collection's index, None if nobody has written one: reading must not create it."""
        if collection not in self._opened and not (self._path(collection) / _META).exists():
            return None
        return self._created(collection)

    def _created(self, collection: str) -> _Opened:
        with self._guard:
            if collection not in self._opened:
                self._opened[collection] = _Opened(self._path(collection), self._words)
            return self._opened[collection]

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            with file_errors(self._folder):
                yield
        except (ValueError, RuntimeError) as error:  # what tantivy raises for anything
            if is_full(error):
                raise HomeFull(self._folder) from error
            raise ViewDamaged("lexical", str(error)) from error


def _different(terms: Sequence[_T]) -> list[_T]:
    """The first so many different ones of `terms`, in order."""
    return list(dict.fromkeys(terms))[:_MAX_TERMS]


def _checked(collection: str) -> str:
    if not _NAME.fullmatch(collection):
        raise InvalidName(collection)
    return collection


def _entry(row: TextRow) -> Any:
    clean = row.text.encode("utf-8", "replace").decode("utf-8")
    whole = [form for each in identifiers(clean) for form in with_beginnings(each)]
    return tantivy.Document(
        chunk=row.chunk,
        document=row.document,
        words=clean,
        identifiers=" ".join(whole),
    )
