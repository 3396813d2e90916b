"""Configurations, the data folders of sets, and the recorded search of an evaluation."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

from assistant.judged import JudgedQuestion
from assistant.trials import (
    BUILT_IN,
    Configuration,
    Retrieval,
    built_in,
    from_file,
    open_retrieval,
    settings_of,
    shown_settings,
    trial_home,
)
from audit.errors import AuditError
from index.document import Document, Scope
from index.effective import today
from index.errors import CatalogueBusy, ConfigurationError
from index.records import SearchResult
from index.settings import IndexSettings
from tests.assistant.pipeline_standins import (
    ANNA,
    MANUAL,
    PRIVACY,
    STRANGER,
    MemoryLibrary,
    MemoryLog,
)


class DatedLibrary(MemoryLibrary):
    """Remembers the days that were asked about; can be told to fail."""

    def __init__(self, failure: Exception | None = None) -> None:
        super().__init__(
            {
                "default/aml.md": ("AML manual", MANUAL),
                "hr/privacy.md": ("Privacy policy", PRIVACY),
            },
            {"default": frozenset({"local"}), "hr": frozenset({"local"})},
        )
        self.days: list[str | None] = []
        self._failure = failure

    def search(
        self,
        question: str,
        scope: Scope,
        k: int = 10,
        *,
        day: str | None = None,
        documents: frozenset[str] | None = None,
    ) -> SearchResult:
        self.days.append(day)
        if self._failure:
            raise self._failure
        return super().search(question, scope, k, documents=documents)

    def all_documents(self, scope: Scope) -> Sequence[Document]:
        return self.documents(scope)

    def refresh(self) -> None:
        pass


def home_with(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "cloister.toml").write_text(text, encoding="utf-8")
    return folder


# -- configurations --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_configuration_can_be_used(tmp_path: Path, name: str) -> None:
    settings = settings_of(tmp_path, built_in(name))
    for key, value in BUILT_IN[name].items():
        assert getattr(settings, key) == value


def test_a_configuration_wins_over_file_and_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = home_with(tmp_path / "home", "[index]\ncandidates = 50\nembedder_batch = 7\n")
    monkeypatch.setenv("CLOISTER_INDEX_CANDIDATES", "60")
    assert settings_of(home, built_in("home")).candidates == 60
    wide = settings_of(home, Configuration("wide", {"candidates": 70}))
    assert (wide.candidates, wide.embedder_batch) == (70, 7)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"candidate": 5}, "'candidate'"),
        ({"catalogue_url": "sqlite:///x"}, "'catalogue_url'"),
        ({"candidates": "many"}, "'candidates' to something"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_named(
    tmp_path: Path, overrides: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"configuration odd sets {words}"):
        settings_of(tmp_path, Configuration("odd", overrides))


def test_configurations_come_from_files_with_one_table(tmp_path: Path) -> None:
    path = tmp_path / "wide.toml"
    path.write_text("[index]\ncandidates = 400\n")
    assert from_file("wide", path) == Configuration("wide", {"candidates": 400})
    path.write_text("[index]\ncandidates = 400\n[ui]\nport = 1\n")
    with pytest.raises(ConfigurationError, match="one table"):
        from_file("wide", path)
    with pytest.raises(ConfigurationError, match="no configuration 'best'"):
        built_in("best")


def test_a_report_does_not_show_the_url_of_the_catalogue() -> None:
    settings = IndexSettings(catalogue_url="postgresql://user:secret@host/db")
    assert "secret" not in str(shown_settings(settings))


# -- the data folder of a set ----------------------------------------------------------------------


def test_a_set_gets_a_folder_of_its_own_with_the_settings_that_shape_it(tmp_path: Path) -> None:
    model = tmp_path / "home" / "models" / 'a "model"'
    model.mkdir(parents=True)
    pins = {"config.json": "0" * 64}
    model.with_name(f"{model.name}.manifest.json").write_text(json.dumps(pins))
    home = home_with(
        tmp_path / "home",
        '[index]\ncatalogue_url = "sqlite:////elsewhere"\ncandidates = 50\n'
        "embedder_folder = 'models/a \"model\"'\n"
        '[ingest]\nchunk_tokens = 100\nocr = false\nocr_languages = "eng+deu"\n'
        'pdf_passwords = ["secret \\\\ \\u0001"]\n[ui]\nport = 9000\n',
    )
    settings = settings_of(home, built_in("home"))
    made = trial_home(home, settings, "corpus", "splitter-1")
    assert made.parent == home / "eval"
    tables = tomllib.loads((made / "cloister.toml").read_text(encoding="utf-8"))
    assert tables["ingest"] == {"chunk_tokens": 100, "ocr": False, "ocr_languages": "eng+deu"}
    assert tables["index"]["candidates"] == 50
    assert tables["index"]["embedder_folder"] == str(home / "models" / 'a "model"')
    assert "catalogue_url" not in tables["index"]
    assert "secret" not in (made / "cloister.toml").read_text(encoding="utf-8")
    assert IndexSettings.load(made).embedder_folder == home / "models" / 'a "model"'
    assert trial_home(home, settings, "corpus", "splitter-1") == made
    others = {
        trial_home(home, settings, "other corpus", "splitter-1"),
        trial_home(home, settings, "corpus", "splitter-2"),
        trial_home(home_with(home, "[ingest]\nchunk_tokens = 99\n"), settings, "corpus", "1"),
    }
    assert len(others | {made}) == 4


def test_a_set_is_not_ingested_into_a_catalogue_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOISTER_INDEX_CATALOGUE_URL", "sqlite:////real/catalogue.db")
    settings = settings_of(tmp_path, built_in("home"))
    with pytest.raises(ConfigurationError, match="CLOISTER_INDEX_CATALOGUE_URL"):
        trial_home(tmp_path, settings, "corpus", "splitter")


def test_the_users_own_view_is_not_thrown_away_for_a_configuration(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, Configuration("exact", {"vector_view": "exact"}))
    with (
        pytest.raises(ConfigurationError, match="vector_view"),
        open_retrieval(tmp_path, tmp_path, MemoryLog(), ANNA, settings),  # type: ignore[arg-type]
    ):
        pass


# -- searching -------------------------------------------------------------------------------------


def test_a_search_is_recorded_before_and_after(tmp_path: Path) -> None:
    log, library = MemoryLog(), DatedLibrary()
    found = Retrieval(library, log, ANNA).search(
        JudgedQuestion("1", "How long are due diligence records retained?", {}), 5
    )
    assert (found[0].source, found[0].collection, found[0].page) == ("aml.md", "default", 1)
    assert log.types() == ["search.received", "search.released"]
    assert library.days[0] == today()


def test_a_search_that_fails_is_recorded_and_one_that_cannot_be_recorded_is_not_done() -> None:
    question = JudgedQuestion("1", "records", {})
    log = MemoryLog()
    with pytest.raises(CatalogueBusy):
        Retrieval(DatedLibrary(CatalogueBusy("x")), log, ANNA).search(question, 5)
    assert log.types() == ["search.received", "search.failed"]
    library = DatedLibrary()
    with pytest.raises(AuditError):
        Retrieval(library, MemoryLog(fails_at=0), ANNA).search(question, 5)
    assert library.days == []


def test_scope_and_day_of_a_question_reach_the_index() -> None:
    library = DatedLibrary()
    searching = Retrieval(library, MemoryLog(), ANNA)
    question = JudgedQuestion("1", "records", {}, frozenset({"hr"}), "2024-01-31")
    assert {each.collection for each in searching.search(question, 5)} == {"hr"}
    assert library.days[0] == "2024-01-31"
    assert searching.listed() == [("default", "aml.md"), ("hr", "privacy.md")]


def test_collections_that_the_asker_may_not_read_are_named() -> None:
    question = JudgedQuestion("1", "records", {}, frozenset({"hr", "board"}))
    assert Retrieval(DatedLibrary(), MemoryLog(), ANNA).unreadable([question]) == ["board"]
    stranger = Retrieval(DatedLibrary(), MemoryLog(), STRANGER)
    assert stranger.unreadable([question]) == ["board", "hr"]
    assert stranger.search(question, 5) == []
