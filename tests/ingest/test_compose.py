"""The parts as wired: settings reach them, and the real embedder fits the chunks."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from index.document import Scope
from index.errors import ConfigurationError
from ingest.ahead import Ahead
from ingest.compose import open_ingestor
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


def test_reading_ahead_is_bounded_and_ends() -> None:
    made: list[int] = []

    def source() -> Generator[int, None, None]:
        for number in range(1000):
            made.append(number)
            yield number

    with Ahead(source(), 3, lambda: None) as items:
        taken = [next(iter(items)) for _ in range(5)]
        assert taken == [0, 1, 2, 3, 4]
    assert len(made) <= 10


def test_what_the_producer_raises_reaches_the_consumer() -> None:
    def source() -> Generator[int, None, None]:
        yield 1
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"), Ahead(source(), 3, lambda: None) as items:
        assert list(items) == [1]


def test_giving_up_interrupts_the_producer() -> None:
    interrupted: list[bool] = []

    def source() -> Generator[int, None, None]:
        yield from range(1000)

    with (
        pytest.raises(KeyboardInterrupt),
        Ahead(source(), 3, lambda: interrupted.append(True)) as items,
    ):
        next(iter(items))
        raise KeyboardInterrupt
    assert interrupted == [True]
