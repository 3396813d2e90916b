"""Settings: file, variables, and what stops start-up."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from index.errors import ConfigurationError
from index.settings import IndexSettings


def write(home: Path, text: str) -> None:
    (home / "cloister.toml").write_text(text, encoding="utf-8")


def test_defaults_need_no_file(home: Path) -> None:
    assert IndexSettings.load(home).vector_view == "chroma"


def test_the_file_is_read_and_a_variable_wins(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home, "[index]\ncandidates = 50\nreranker_candidates = 25\n[ui]\nport = 1\n")
    assert IndexSettings.load(home).candidates == 50
    monkeypatch.setenv("CLOISTER_INDEX_CANDIDATES", "60")
    settings = IndexSettings.load(home)
    assert (settings.candidates, settings.reranker_candidates) == (60, 25)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[index]\ncandidate = 5\n", "candidate"),
        ("[indx]\n", "indx"),
        ("[index]\ndense_weight = 0.5\n", "dense_weight"),
        ("[index]\nvector_view = 'faiss'\n", "vector_view"),
        ("[index\n", "TOML"),
        ("index = 5\n", "index"),
    ],
)
def test_what_is_not_known_stops_start_up(home: Path, text: str, named: str) -> None:
    write(home, text)
    with pytest.raises(ConfigurationError, match=named) as caught:
        IndexSettings.load(home)
    assert caught.value.exit_code == 3
    assert str(home) in str(caught.value)


def test_an_unknown_key_is_answered_with_the_known_ones(home: Path) -> None:
    write(home, "[index]\ncandidate = 5\n")
    with pytest.raises(ConfigurationError, match="candidates"):
        IndexSettings.load(home)


def test_an_unknown_variable_stops_start_up(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOISTER_INDEX_EMBEDER", "x")
    with pytest.raises(ConfigurationError, match="CLOISTER_INDEX_EMBEDER"):
        IndexSettings.load(home)


def test_a_file_that_is_no_text_is_named(home: Path) -> None:
    (home / "cloister.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match=r"cloister\.toml"):
        IndexSettings.load(home)


def test_every_setting_is_described_and_frozen(home: Path) -> None:
    for name, field in IndexSettings.model_fields.items():
        assert field.description, name
    with pytest.raises(ValidationError):
        IndexSettings.load(home).candidates = 5  # type: ignore[misc]
