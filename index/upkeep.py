"""Keeping the index as small as what it holds, and getting rid of what was deleted.

`compact` is for the end of every run: it looks first, and does only what pays. `purge` does all of
it and more. Neither loses anything, whenever it is interrupted: whatever is thrown away can be
built again from the catalogue, and what the catalogue says about it is changed first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from index import changelog, counting, reading
from index.blobs import Blobs
from index.catalogue import Catalogue
from index.errors import IndexFailure
from index.files import size_of
from index.records import Compacted, Problem, Purged
from index.views import Views

_SLACK = 0.10  # of the catalogue's pages free: then it is written anew
_LOG_LINES = 1_000  # that a collection's log may have besides two for each document


class Upkeep:
    """Looks after one index; `places` are the files and folders that belong to it.

    `past` are the views of past documents, which are looked after once a question has built them.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        blobs: Blobs,
        views: Views,
        places: Sequence[Path],
        past: Views | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._blobs = blobs
        self._views = views
        self._shelves = (views,) if past is None else (views, past)
        self._places = places

    def compact(self) -> Compacted:
        """Take back the space of what was deleted, where that is much. Never fails the run.

        Views are expected to be level. One that another process holds is left to that process.
        """
        problems: list[Problem] = []
        lines = rebuilt = 0
        vacuumed = False
        with _noted("blobs", problems):
            self._blobs.clean(self._content_ids)
        for name in self._names():
            with _noted("catalogue", problems):
                lines += self._shorten_log(name)
            for views in self._shelves:
                with _noted("lexical", problems):
                    if views.awake(name) and views.words_wasteful(name):
                        rebuilt += views.rebuild_words(name)
        with _noted(self._views.store, problems):
            if self._views.vectors_wasteful(self._names()):
                rebuilt += self._views.rebuild_vectors(self._names())
        with _noted("catalogue", problems):
            if self._catalogue.slack() > _SLACK:
                self._catalogue.vacuum()
                vacuumed = True
            self._catalogue.empty_log()
        return Compacted(lines, vacuumed, rebuilt, tuple(problems))

    def purge(self, collections: Collection[str] | None = None) -> Purged:
        """Leave no byte of what was deleted in the index's files, or of these collections' views.

        First the catalogue says that every view is out of date and forgets the recorded part of
        its change log; then stray blobs go, the catalogue is written anew, and the views are
        thrown away and filled from it. If this is interrupted, or another process holds a view,
        whoever opens or refreshes that view next throws it away and fills it, since the catalogue
        says so; until then it is not searched. What is left to others stands in `problems`.

        Raises:
            CatalogueBusy, HomeFull, HomeUnavailable: the catalogue cannot be written anew; views
                may be out of date then, and catch up by themselves.
        """
        before = self._size()
        problems: list[Problem] = []
        every = self._names()
        names = [each for each in every if collections is None or each in collections]
        with self._catalogue.write() as connection:
            for name in names:
                if reading.generation(connection, name):
                    changelog.mark_purged(connection, name)
        self._blobs.clean(self._content_ids)
        rebuilt = 0
        for views in self._shelves:
            for name in names:
                if views.awake(name):
                    rebuilt += self._renewed("lexical", name, views.refresh_words, problems)
                if views.with_chroma:
                    done = self._renewed(views.store, name, views.refresh_vectors, problems)
                    rebuilt += done and self._in_chroma(views, name)
            if views.with_chroma:  # its files are shared: the others' vectors went with them
                for name in sorted(set(every) - set(names)):
                    self._renewed(views.store, name, views.refresh_vectors, problems)
            views.sweep(every)
        if not self._catalogue.vacuum():
            problems.append(
                Problem(
                    "catalogue",
                    "The catalogue's log could not be emptied while another process reads it; "
                    "purge again when that has ended.",
                )
            )
        return Purged(before, self._size(), rebuilt, tuple(problems))

    @staticmethod
    def _in_chroma(views: Views, name: str) -> bool:
        try:
            return views.in_chroma(name)
        except IndexFailure:  # said already, by what renews it
            return False

    @staticmethod
    def _renewed(
        where: str, name: str, refresh: Callable[[str], bool], problems: list[Problem]
    ) -> int:
        """1 if the view was brought to the state after the purge, else 0 and a problem."""
        done = False
        with _noted(where, problems):
            done = refresh(name)
            if not done:
                problems.append(
                    Problem(
                        where,
                        f"Collection {name}: another process holds this view and builds it anew "
                        "when it next refreshes it; purge again when it has ended.",
                    )
                )
        return int(done)

    def _shorten_log(self, name: str) -> int:
        reached = [each.reached_words(name) for each in self._shelves if each.awake(name)]
        if self._views.with_chroma:
            vectors = self._views.reached_vectors(name)
            if vectors is None:  # another process has it: how far it is we cannot know
                return 0
            reached.append(vectors)
        with self._catalogue.read() as connection:
            most = 2 * counting.documents_in(connection, name) + _LOG_LINES
            if counting.log_lines(connection, name) <= most:
                return 0
        with self._catalogue.write() as connection:
            return changelog.compact(connection, name, min(reached))

    def _names(self) -> list[str]:
        with self._catalogue.read() as connection:
            return [each.name for each in reading.all_collections(connection)]

    def _content_ids(self) -> set[str]:
        with self._catalogue.read() as connection:
            return counting.content_ids(connection)

    def _size(self) -> int:
        return sum(map(size_of, self._places))


@contextmanager
def _noted(where: str, problems: list[Problem]) -> Iterator[None]:
    """A failure inside becomes a problem: upkeep that was not possible now is possible later."""
    try:
        yield
    except IndexFailure as failure:
        problems.append(Problem(where, str(failure)))
