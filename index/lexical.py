"""The lexical view: one tantivy index per collection. With `index.postings` alone in using tantivy.

What it does not do: enforce access (a query opens only the collections it is given) or decide
what is current (every hit is checked against the catalogue).

An entry a chunk: `words` and `place` hold the terms that `index.analysis` makes of the chunk and of
what names its document; `definition` holds the acronyms that it defines, so that nothing of one
collection is known in another.

The generation that an index has reached is one more document in it, written by the same commit: a
crash cannot tear the two apart. Adding deletes by document first, so doing it again changes
nothing.

Any process may read. Whoever writes holds the collection's lock file, without waiting for it.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tantivy

from index import languages
from index.analysis import PAIR_WEIGHT, Analysis, cleaned, expanded, split
from index.bm25 import rounded_length
from index.errors import HomeFull, InvalidName, ViewDamaged
from index.files import (
    FileLock,
    file_errors,
    is_full,
    private_folder,
    remove_discarded,
    remove_folder,
)
from index.marks import marks
from index.ports import Scored, TextRow, Worded
from index.postings import DEEPER, FIELDS, STATE, Asked, Commit, kept, ranker_of
from index.ranking import PLACE_WEIGHT
from index.segments import Segments

log = logging.getLogger(__name__)

LAYOUT = 2  # of the fields and terms below; another number means another folder, built anew
_HEAP = 64_000_000  # bytes a writer may use before it makes a segment
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_META = "meta.json"  # what tantivy writes last when it makes an index
_STEMMERS = {
    "en": "english",
    "de": "german",
    "fr": "french",
    "es": "spanish",
    "it": "italian",
    "nl": "dutch",
    "pt": "portuguese",
}
_RECENT = 16  # questions whose scores are kept for one commit
_TRIES = 5  # looks at a view that another process throws away and fills anew just now
_PAUSE = 0.01  # seconds between two of them


def _schema() -> Any:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("chunk", stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("document", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("words", tokenizer_name="terms", index_option="position")
    builder.add_text_field("place", tokenizer_name="terms", index_option="freq")
    for field in FIELDS:
        builder.add_bytes_field(kept(field), stored=True, indexed=False)
    builder.add_unsigned_field("words_length", fast=True)
    builder.add_unsigned_field("place_length", fast=True)
    builder.add_text_field("definition", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("language", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("kind", tokenizer_name="raw", index_option="basic")
    builder.add_integer_field("generation", stored=True)
    return builder.build()


def _terms_analyzer() -> Any:
    return tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()


def stemmers() -> dict[str, Callable[[str], str]]:
    """Snowball's stemmers by language, each of a small word at a time."""
    return {language: _stemmer(name) for language, name in _STEMMERS.items()}


def _stemmer(name: str) -> Callable[[str], str]:
    analyzer = (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.raw())
        .filter(tantivy.Filter.stemmer(name))
        .build()
    )

    def stem(word: str) -> str:
        return "".join(analyzer.analyze(word)) or word

    return stem


class _Opened:
    """One collection's index, made if `new` and there is none.

    Raises ValueError if there is none, or one with other fields.
    """

    def __init__(self, folder: Path, *, new: bool) -> None:
        self.schema = _schema()
        self._meta = folder / _META
        if new:
            with file_errors(folder):
                self.index = tantivy.Index(self.schema, path=str(private_folder(folder)))
        else:
            self.index = tantivy.Index.open(str(folder))
            if self.index.schema != self.schema:
                raise ValueError(f"{folder} has other fields than it should have")
        self.index.register_tokenizer("terms", _terms_analyzer())
        self._latest: tuple[bytes, Commit] | None = None

    def commit(self) -> Commit:
        """The latest commit of any process. Raises FileNotFoundError, ValueError."""
        while True:
            written = self._meta.read_bytes()
            latest = self._latest
            if latest is not None and latest[0] == written:
                return latest[1]
            self.index.reload()
            searcher = self.index.searcher()
            if self._meta.read_bytes() == written:  # or another process has just committed
                opened = Commit(self.schema, searcher, Segments.read(written))
                self._latest = (written, opened)
                return opened


class TantivyStore:
    """A `LexicalStore` below `folder`, a subfolder for each collection.

    Raises (all methods):
        ViewDamaged: tantivy cannot read or write the collection's index; `drop` and build anew.
        HomeUnavailable, HomeFull: the folder cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        pair_weight: float = PAIR_WEIGHT,
        place_weight: float = PLACE_WEIGHT,
        deeper: float = DEEPER,
    ) -> None:
        self._folder = private_folder(folder)
        self._place_weight = place_weight
        self._deeper = deeper
        self._analysis = Analysis(stemmers(), pair_weight)
        self._opened: dict[str, _Opened] = {}
        self._guard = threading.Lock()

    def lock(self, collection: str) -> FileLock:
        """The lock that whoever calls `apply` or `drop` must hold."""
        return FileLock(self._folder / _checked(collection) / "lock")

    def generation(self, collection: str) -> int:
        with self._latest(collection) as commit:
            state = commit.state() if commit is not None else None
            if commit is None or state is None:
                return 0
            return int(commit.searcher.doc(state).get_first("generation"))

    def count(self, collection: str) -> int:
        with self._latest(collection) as commit:
            if commit is None:
                return 0
            return int(commit.searcher.num_docs) - (commit.state() is not None)

    def chunks(self, collection: str) -> set[str]:
        with self._latest(collection) as commit:
            if commit is None:
                return set()
            every = commit.searcher.search(
                tantivy.Query.all_query(), max(1, commit.searcher.num_docs), count=False
            )
            found = (commit.searcher.doc(at).get_first("chunk") for _, at in every.hits)
            return {chunk for chunk in found if chunk is not None}

    def wasted(self, collection: str) -> int:
        try:
            return Segments.read((self._path(collection) / _META).read_bytes()).deleted
        except FileNotFoundError:
            return 0
        except (OSError, ValueError) as error:
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
            writer.delete_documents_by_term("kind", STATE)
            for entry in self._entries(rows):
                writer.add_document(entry)
            state = tantivy.Document(kind=STATE)
            state.add_integer("generation", generation)
            writer.add_document(state)
            writer.commit()
            writer.wait_merging_threads()

    def search(self, collection: str, question: str, limit: int) -> list[Scored]:
        with self._latest(collection) as commit:
            if commit is None or limit < 1:
                return []
            return self._asked(commit, question).best(limit, self._deeper)

    def weigh(self, collection: str, question: str, chunks: Sequence[str]) -> dict[str, Worded]:
        with self._latest(collection) as commit:
            return {} if commit is None else self._asked(commit, question).weigh(chunks)

    def _asked(self, commit: Commit, question: str) -> Asked:
        """A question put to a commit. The latest are kept: what is searched is weighed next."""
        known = commit.recent.get(question)
        if known is None:
            analysed = self._analysis.question(question, commit.languages())
            whole = expanded(analysed, {key: commit.definitions(key) for key in analysed.keys})
            known = Asked(commit, ranker_of(commit, whole, self._place_weight))
            if len(commit.recent) >= _RECENT:
                commit.recent = {}
            commit.recent[question] = known
        return known

    def _entries(self, rows: Sequence[TextRow]) -> Iterator[Any]:
        documents: dict[str, list[TextRow]] = {}
        for row in rows:
            documents.setdefault(row.document, []).append(row)
        for held in documents.values():
            spoken = languages.of_chunks([split(cleaned(row.text)) for row in held])
            main = max(sorted(set(spoken)), key=spoken.count)
            named = dict.fromkeys(row.place for row in held)
            places = {place: self._analysis.place(place, main) for place in named}
            for row, language in zip(held, spoken, strict=True):
                yield self._entry(row, language, places[row.place])

    def _entry(self, row: TextRow, language: str, place: Sequence[str]) -> Any:
        words = self._analysis.passage(row.text, language)
        entry = tantivy.Document(
            chunk=row.chunk,
            document=row.document,
            words=" ".join(words),
            place=" ".join(place),
            definition=self._analysis.defined(row.text, language),
            language=language,
        )
        for field, terms in zip(FIELDS, (words, place), strict=True):
            entry.add_bytes(kept(field), marks(terms))
            entry.add_unsigned(f"{field}_length", rounded_length(len(terms)))
        return entry

    def _path(self, collection: str) -> Path:
        return self._folder / _checked(collection) / f"layout-{LAYOUT}"

    def _open(self, collection: str) -> _Opened | None:
        """The collection's index, None if nobody has written one: reading must not create it."""
        if collection not in self._opened and not (self._path(collection) / _META).exists():
            return None
        return self._created(collection, new=False)

    def _created(self, collection: str, *, new: bool = True) -> _Opened:
        with self._guard:
            if collection not in self._opened:
                self._opened[collection] = _Opened(self._path(collection), new=new)
            return self._opened[collection]

    @contextmanager
    def _latest(self, collection: str) -> Iterator[Commit | None]:
        """The collection's latest commit, None if nobody has written one."""
        with self._mapped():
            yield self._commit(collection)

    def _commit(self, collection: str) -> Commit | None:
        """The latest commit. Files that are not there are no damage at first: another process may
        have thrown the view away since it was opened here, and be about to fill it anew."""
        for tries in range(_TRIES):
            if tries:
                time.sleep(_PAUSE)
            try:
                opened = self._open(collection)
                return None if opened is None else opened.commit()
            except FileNotFoundError:
                pass
            except ValueError:
                if tries + 1 == _TRIES:
                    raise
            with self._guard:
                self._opened.pop(collection, None)
        return None

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            with file_errors(self._folder):
                yield
        except (ValueError, RuntimeError) as error:  # what tantivy raises for anything
            if is_full(error):
                raise HomeFull(self._folder) from error
            raise ViewDamaged("lexical", str(error)) from error


def _checked(collection: str) -> str:
    if not _NAME.fullmatch(collection):
        raise InvalidName(collection)
    return collection
