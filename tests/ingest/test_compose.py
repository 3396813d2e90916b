"""The parts as wired: settings reach them, and the real embedder fits the chunks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from index.document import Scope
from index.errors import ConfigurationError
from ingest.compose import MOST_READERS, open_ingestor
from ingest.settings import IngestSettings
from tests.ingest.standins import ACTOR, log_in, pdf, policy


def test_every_setting_is_described() -> None:
    for name, field in IngestSettings.model_fields.items():
        assert field.description, name


def test_an_unknown_setting_is_refused(home: Path) -> None:
    (home / "cloister.toml").write_text("[ingest]\nmax_pagse = 3\n")
    with pytest.raises(ConfigurationError, match="max_pagse"):
        IngestSettings.load(home)


def test_a_variable_wins_over_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "cloister.toml").write_text('[ingest]\nmax_pages = 3\npdf_passwords = ["a"]\n')
    monkeypatch.setenv("CLOISTER_INGEST_MAX_PAGES", "4")
    loaded = IngestSettings.load(home)
    assert loaded.max_pages == 4
    assert [each.get_secret_value() for each in loaded.pdf_passwords] == ["a"]
    assert "'a'" not in repr(loaded)


def test_the_settings_reach_the_run(home: Path) -> None:
    (home / "cloister.toml").write_text(
        "[ingest]\nreaders = 3\nmax_depth = 2\nmax_attempts = 5\nmax_members = 7\n"
        "max_members_mb = 1\nocr = false\nkeep_hidden_text = true\nmin_free_mb = 1\n"
    )
    with log_in(home) as log, open_ingestor(home, log, ACTOR) as ingest:
        plan = ingest._plan
    assert (plan.readers, plan.max_depth, plan.max_attempts) == (3, 2, 5)
    assert (plan.options.max_members, plan.options.max_member_bytes) == (7, 1 << 20)
    assert (plan.options.ocr, plan.options.keep_hidden, plan.min_free) == (False, True, 1 << 20)


def test_by_default_there_is_a_reader_a_core_but_not_too_many(home: Path) -> None:
    with log_in(home) as log, open_ingestor(home, log, ACTOR) as ingest:
        assert ingest._plan.readers == min(os.cpu_count() or 1, MOST_READERS)


@pytest.mark.slow
def test_with_the_real_embedder_every_chunk_fits_its_window(home: Path, tmp_path: Path) -> None:
    (tmp_path / "policy.md").write_text(policy())
    lines = [[(72, 760 - 14 * n, f"Sentence {n} of a long page.") for n in range(50)]] * 3
    (tmp_path / "long.pdf").write_bytes(pdf(lines))
    with log_in(home) as log, open_ingestor(home, log, ACTOR) as ingest:
        summary = ingest.add([tmp_path / "policy.md", tmp_path / "long.pdf"])
        assert (summary.added, summary.failed) == (2, ())
        embedder = ingest._index.embedder
        scope = Scope(frozenset({"default"}))
        for document in ingest.list():
            for chunk in ingest._index.chunks(document.id, scope):
                assert embedder.count_tokens(chunk.text) <= embedder.max_tokens
