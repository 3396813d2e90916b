"""What an evaluation searches: configurations of the index, data folders for sets, and the search.

Composition for `cloister eval retrieval`. A configuration is the `[index]` table of the user's
data folder with some keys replaced. The documents of a set are ingested into a data folder of
their own below it, named by what its content depends on, so that they never mix with real ones and
a changed set, embedder or splitter begins a new one.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from assistant import asked as asking
from assistant.answer import Asker, Question
from assistant.answering import scope_of
from assistant.judged import JudgedQuestion
from assistant.ports import Library, Recorder
from assistant.ranking import Place
from assistant.recording import Clear, QuestionRecord, actor_of, as_of_field, sha256
from assistant.retrieval import search
from audit.ports import AuditLog
from audit.record import Event
from index.compose import assemble, embedder_files, open_embedder
from index.context import CONTEXT_VERSION
from index.effective import today
from index.errors import ConfigurationError, IndexFailure
from index.settings import FILE, IndexSettings, read_tables

HOME = "home"
BUILT_IN: Mapping[str, Mapping[str, object]] = {
    HOME: {},
    "words": {"signals": "words"},
    "vectors": {"signals": "vectors"},
    "fused": {"signals": "both"},
}
Settings = IndexSettings  # for those who pass them on and may not know the index


@dataclass(frozen=True, slots=True)
class Configuration:
    """A name and the keys of `[index]` that it replaces."""

    name: str
    overrides: Mapping[str, object]


def built_in(name: str) -> Configuration:
    """Raises ConfigurationError: there is none of that name."""
    if name not in BUILT_IN:
        raise ConfigurationError(
            f"There is no configuration {name!r}; built in are {', '.join(BUILT_IN)}, and others "
            "come from a file with --config NAME=FILE.toml."
        )
    return Configuration(name, BUILT_IN[name])


def from_file(name: str, path: Path) -> Configuration:
    """A configuration from a TOML file that has an `[index]` table and nothing else.

    Raises ConfigurationError.
    """
    tables = read_tables(path)
    if set(tables) != {"index"}:
        raise ConfigurationError(
            f"The configuration {path} must be a TOML file with one table, [index]; correct it."
        )
    return Configuration(name, tables["index"])


class _Overridden(IndexSettings):
    """Settings from values alone: here a variable must not win over what a configuration says."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def settings_of(home: Path, configuration: Configuration) -> IndexSettings:
    """The settings of `home`, variables included, with the configuration's in their place.

    Raises:
        ConfigurationError: an unknown key, or a value that cannot be used.
    """
    own = IndexSettings.load(home)
    name, overrides = configuration.name, configuration.overrides
    for key in overrides:
        if key not in IndexSettings.model_fields or key == "catalogue_url":
            raise ConfigurationError(
                f"The configuration {name} sets {key!r}, which is no setting of [index] that an "
                "evaluation can replace; take it out."
            )
    try:
        return _Overridden(**{**own.model_dump(), **overrides})
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigurationError(
            f"The configuration {name} sets {first['loc'][0]!r} to something that cannot be used: "
            f"{first['msg']}."
        ) from error


def shown_settings(settings: IndexSettings) -> dict[str, object]:
    """The settings as JSON values for a report. Without the catalogue's URL: it may hold a
    password."""
    values: dict[str, object] = settings.model_dump(mode="json")
    values.pop("catalogue_url", None)
    return values


# -- the data folder of a set ----------------------------------------------------------------------


def trial_home(home: Path, settings: IndexSettings, corpus_digest: str, splitter: str) -> Path:
    """The data folder for a set's documents, created with settings of its own if need be.

    It gets `settings`, which are those of `home` or made from them, and the `[ingest]` table of
    `home`, but for the catalogue's URL, which would mix the set with the user's documents, and
    passwords, which are not to be copied.

    Raises:
        ConfigurationError: the variable CLOISTER_INDEX_CATALOGUE_URL would mix them.
    """
    own = _moved(home, settings)
    ingest = dict(read_tables(home / FILE).get("ingest", {}))
    ingest.pop("pdf_passwords", None)
    shaped = {
        "corpus": corpus_digest,
        "embedder": embedder_files(home, settings).fingerprint,
        "backend": [own.embedder_backend, own.embedder_device],
        "text": CONTEXT_VERSION,
        "splitter": splitter,
        "ingest": ingest,
    }
    canonical = json.dumps(shaped, sort_keys=True, default=str).encode()
    made = home / "eval" / hashlib.sha256(canonical).hexdigest()[:16]
    made.mkdir(parents=True, exist_ok=True, mode=0o700)
    index = {key: value for key, value in own.model_dump().items() if value is not None}
    (made / FILE).write_text(_toml({"index": index, "ingest": ingest}), encoding="utf-8")
    if IndexSettings.load(made).catalogue_url is not None:
        raise ConfigurationError(
            "The variable CLOISTER_INDEX_CATALOGUE_URL is set, so that the set would be ingested "
            "into that catalogue; unset it, or ask your own documents with --on-home."
        )
    return made


def _moved(home: Path, settings: IndexSettings) -> IndexSettings:
    """The settings of `home` for another data folder: paths absolute, a catalogue of its own."""
    values: dict[str, Any] = settings.model_dump()
    paths = {
        key: (home / value).absolute() for key, value in values.items() if isinstance(value, Path)
    }
    return _Overridden(**{**values, **paths, "catalogue_url": None})


def _toml(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Tables of plain values as TOML."""
    text = "# Written by `cloister eval retrieval` from the settings of the data folder above.\n"
    for name, table in tables.items():
        text += f"\n[{name}]\n"
        text += "".join(f"{key} = {_value(value)}\n" for key, value in table.items())
    tomllib.loads(text)  # a value that cannot be written so stops here, not at the next reading
    return text


def _value(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, bool | int | float):
        return str(value).lower()
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


# -- searching -------------------------------------------------------------------------------------


class Retrieval:
    """Search as the assistant searches for evidence, without a language model. Recorded as
    `search.received` and `search.released`, like any search of a person."""

    def __init__(self, library: Library, log: Recorder, asker: Asker) -> None:
        self._library = library
        self._log = log
        self._asker = asker

    @property
    def embedder(self) -> str:
        """The embedder's fingerprint."""
        return self._library.embedder.fingerprint

    def listed(self, past: bool = False) -> list[tuple[str, str]]:
        """Collection and source of every document that the asker may read and that is current, or
        with `past` of every one; recorded."""
        scope = self._library.scope(self._asker.groups)
        held = self._library.all_documents(scope) if past else self._library.documents(scope)
        found = [(each.collection, each.source) for each in held]
        event = Event("documents.listed", actor_of(self._asker), {"documents": len(found)})
        self._log.append(event)
        return found

    def unreadable(self, questions: Sequence[JudgedQuestion]) -> list[str]:
        """The collections that questions name and the asker may not read, or that are not there."""
        may = self._library.scope(self._asker.groups).collections
        return sorted(
            {name for each in questions for name in (each.scope or ()) if name not in may}
        )

    def search(self, question: JudgedQuestion, k: int) -> list[Place]:
        """The places of at most `k` hits, best first. Raises AuditError, IndexFailure."""
        put = Question(question.text, self._asker, collections=question.scope, as_of=question.as_of)
        record = QuestionRecord(self._log, self._asker, self.embedder)
        clear: Clear = {
            "k": k,
            "characters": len(question.text),
            "question_sha256": sha256(question.text),
            **as_of_field(put),
        }
        record.write("search.received", clear, {"question": question.text})
        day = question.as_of or today()
        try:
            scope = scope_of(self._library, put)
            found = search(self._library, asking.read(put.text), scope, k, day)
        except IndexFailure as error:
            code = type(error).__name__
            record.write("search.failed", {"code": code}, {"error": str(error)})
            raise
        hits = found.hits
        record.write(
            "search.released",
            {
                "hits": len(hits),
                "day": day,
                "index_generation": found.generation,
                "chunks": [each.chunk.id for each in hits][:200],
            },
            {"passages": [{"chunk": each.chunk.id, "score": each.score} for each in hits]},
        )
        return [
            Place(
                each.document.collection,
                each.document.source,
                each.document.id,
                each.chunk.page,
                each.score,
            )
            for each in hits
        ]


@contextmanager
def open_retrieval(
    home: Path, documents: Path, log: AuditLog, asker: Asker, settings: IndexSettings
) -> Iterator[Retrieval]:
    """Retrieval over the documents in the data folder `documents` with `settings`, which are those
    of `home` or made from them; recorded in `log`.

    Raises what `index.compose.open_index` raises; ConfigurationError for a configuration that would
    throw the vector view of the user's own documents away.
    """
    if documents == home and settings.vector_view != IndexSettings.load(home).vector_view:
        raise ConfigurationError(
            "A configuration sets another vector_view than your data folder, which would have to "
            "build its view again; take it out, or measure a set with documents of its own."
        )
    if documents != home:
        settings = _moved(home, settings)
    with assemble(documents, settings, open_embedder(documents, settings)) as index:
        index.refresh()
        yield Retrieval(index, log, asker)
