"""Both views of one shelf of the catalogue, as search, upkeep and verification use them.

What a view does not have yet is searched exactly from the catalogue's vectors; what it still has
but should not is dropped by the check that every hit goes through (`index.search`). Searching
goes on while another thread brings a view up to date. How that is done stands in `index.replay`,
for the words in `index.wording`, for the vectors in `index.nearest`.

The shelf of the past is asked rarely: nothing of it is built, and no file made, until it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from index.catalogue import Catalogue
from index.catching import Notes
from index.document import Shelf
from index.nearest import Nearest, Opener
from index.persistent import PersistentVectors
from index.ports import LexicalStore, Scored, Worded
from index.records import CatchUp, Vector
from index.replay import Progress, Replayer
from index.wording import Words

__all__ = ["Progress", "Views"]

_EXCLUSIVE = "chroma"


class Views:
    """The views of `shelf`. May be called from several threads.

    `open_chroma` gives the store for large collections if this process may open it; None stands
    for "never". `stored` tells without opening it whether there are files of it at all. `store` is
    what people know that store by: "chroma", which one process has at a time, or the name of a
    server that any may use. `notes` is the folder in which other processes read what is being
    caught up; None: no notes.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        dimensions: int,
        lexical: LexicalStore,
        open_chroma: Opener | None,
        *,
        shelf: Shelf = Shelf.CURRENT,
        stored: Callable[[], bool] = lambda: True,
        store: str = _EXCLUSIVE,
        notes: Path | None = None,
    ) -> None:
        self.shelf = shelf
        self.lexical = lexical
        self.store = store
        self._notes = Notes(notes, shelf)
        replayer = Replayer(catalogue, shelf, self._notes)
        self._words = Words(lexical, replayer, shelf)
        self._vectors = Nearest(catalogue, dimensions, open_chroma, stored, replayer, shelf)

    @property
    def with_chroma(self) -> bool:
        """Whether vectors of large collections are kept in Chroma, by this process or another."""
        return self._vectors.persistent

    def chroma(self) -> PersistentVectors | None:
        """The Chroma view if this process holds it or can get it now."""
        return self._vectors.store()

    def unanswered(self) -> bool:
        """Whether the store is a server that cannot be used now.

        A store that only one process may open is had by another if this one cannot get it.
        """
        return self.with_chroma and self.store != _EXCLUSIVE and self.chroma() is None

    def in_chroma(self, collection: str) -> bool:
        """Whether this process has the Chroma view with something of the collection in it."""
        return self._vectors.holds(collection)

    def progress(self) -> list[CatchUp]:
        """What this and other processes are catching up just now, on all shelves."""
        return self._notes.all()

    def awake(self, collection: str) -> bool:
        """Whether the views of a collection are to be kept level: not those of the past while
        no question has been put to them."""
        return self.shelf is Shelf.CURRENT or self._words.begun(collection)

    # -- keeping level --------------------------------------------------------------------------

    def reached_words(self, collection: str) -> int:
        """The generation of the lexical view; 0 if it is damaged, which asks for a refresh."""
        return self._words.reached(collection)

    def reached_vectors(self, collection: str) -> int | None:
        """The generation of the Chroma view; None if this process may not open it.

        A collection that is too small for Chroma is level at any time.
        """
        return self._vectors.reached(collection)

    def refresh(self, collection: str, progress: Progress | None = None) -> None:
        """Bring both views up to date, as far as other processes let this one."""
        if self.awake(collection):
            self._words.refresh(collection, progress)
            self._vectors.refresh(collection, progress)

    def freshen_words(self, collection: str) -> bool:
        """For a question: bring the lexical view up to date if that is quick; whether it is level.

        What takes longer is left to `refresh`; until then what the view holds is searched.
        """
        return self._words.freshen(collection)

    def refresh_words(self, collection: str, progress: Progress | None = None) -> bool:
        """Bring the lexical view up to date, however long it takes; False if another process, or
        another thread that builds it from nothing, is at it."""
        return self._words.refresh(collection, progress)

    def refresh_vectors(self, collection: str, progress: Progress | None = None) -> bool:
        """Bring the Chroma view up to date, if this process may open it (else False).

        A collection that has become large is put into it, one that has become small taken out.
        """
        return self._vectors.refresh(collection, progress)

    def rebuild_words(self, collection: str) -> bool:
        """Throw the lexical view of a collection away and build it from the catalogue."""
        return self._words.rebuild(collection)

    def rebuild_vectors(self, collections: Sequence[str]) -> bool:
        """Throw the whole Chroma view away and build it anew, of these collections first."""
        return self._vectors.rebuild(collections)

    def words_wasteful(self, collection: str) -> bool:
        """Whether the lexical view carries so much that is deleted that building it anew pays."""
        return self._words.wasteful(collection)

    def vectors_wasteful(self, collections: Sequence[str]) -> bool:
        """The same of the Chroma view, which is built anew as a whole; False if it is not ours."""
        return self._vectors.wasteful(collections)

    def sweep(self, collections: Sequence[str]) -> None:
        """Remove files of the lexical view that are in no use, where no other process writes."""
        self._words.sweep(collections)

    # -- searching ------------------------------------------------------------------------------

    def words(self, collection: str, question: str, limit: int) -> list[Scored]:
        """Lexical candidates, best first; a damaged view is rebuilt first if that is quick."""
        return self._words.search(collection, question, limit)

    def weigh(self, collection: str, question: str, chunks: Sequence[str]) -> dict[str, Worded]:
        """What the words of those of `chunks` that the view holds are worth for the question."""
        return self._words.weigh(collection, question, chunks)

    def nearest(self, collection: str, query: Vector, limit: int) -> tuple[list[Scored], set[str]]:
        """Candidates by cosine, best first, and where they came from ("chroma", "exact")."""
        return self._vectors.search(collection, query, limit)

    def close(self) -> None:
        """Close both views and let go of their locks."""
        self.lexical.close()
        self._vectors.close()
