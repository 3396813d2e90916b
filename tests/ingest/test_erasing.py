"""Erasing as a use case of ingestion: alone, by ids only, refused where it would not be true."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from audit.errors_duties import ErasureRefusedError
from audit.log import Log
from audit.store import Filter
from index.store import Index
from ingest.erasing import Erasing
from ingest.errors import AlreadyIngesting
from ingest.pipeline import Ingestor
from tests.index.standins import LOCAL, new_document
from tests.ingest.standins import hash_index, ingestor, log_in


@pytest.fixture
def index(home: Path) -> Iterator[Index]:
    """An index with a few documents whose commits no run has recorded yet."""
    with hash_index(home) as opened:
        for name in ("default", "other"):
            opened.ensure_collection(name, LOCAL)
        opened.put(new_document("the mail of Ms Ravenscroft", "mail.eml"))
        opened.put(replace(new_document("her payslip", "mail.eml/pay.txt"), parent="mail.eml"))
        for name in ("default", "other"):
            opened.put(new_document(f"a note of {name}", "note.txt", collection=name))
        yield opened


@pytest.fixture
def log(home: Path) -> Iterator[Log]:
    with log_in(home) as opened:
        yield opened


@pytest.fixture
def ingest(home: Path, index: Index, log: Log) -> Iterator[Ingestor]:
    with ingestor(home, log) as opened:
        yield opened


def test_what_lacked_a_record_has_one_and_the_erasure_names_no_file(
    ingest: Ingestor, log: Log
) -> None:
    with ingest.erasing() as erasing:
        assert log.counters()["ingest.added"] == 4  # recorded now: its payload must be found, too
        doomed = erasing.find("note.txt", "other")
        (document,) = doomed.ids
        assert erasing.erase(doomed) == 1
        assert erasing.clear(doomed.collections) == ()
        assert not any(erasing.remains(doomed.ids, doomed.chunks, "other").values())
    (leaf,) = log.leaves(Filter("ingest.erased"))
    assert document.encode() in leaf.envelope
    assert b'"payload":null' in leaf.envelope


def test_nothing_is_ingested_meanwhile(home: Path, ingest: Ingestor, log: Log) -> None:
    with (
        ingest.erasing(),
        ingestor(home, log) as other,
        pytest.raises(AlreadyIngesting),
        other.erasing(),
    ):
        pass


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nothing.txt", "ingest list"),
        ("note.txt", "collections default, other"),
        ("mail.eml/pay.txt", "part of mail.eml"),
    ],
)
def test_what_would_not_be_an_erasure_is_refused(ingest: Ingestor, name: str, says: str) -> None:
    with ingest.erasing() as erasing, pytest.raises(ErasureRefusedError, match=says):
        erasing.find(name)


def test_a_file_that_would_come_back_is_named(
    home: Path, ingest: Ingestor, index: Index, tmp_path: Path
) -> None:
    file = tmp_path / "again.txt"
    file.write_text("taken in again")
    index.put(replace(new_document("taken in again", "again.txt"), path=str(file)))
    with ingest.erasing() as erasing:
        assert erasing.still_there(erasing.find("again.txt")) == (str(file),)
        assert _names(erasing, "again.txt") == {"again.txt", str(file)}
        assert erasing.still_there(erasing.find("mail.eml")) == ()


def _names(erasing: Erasing, name: str) -> frozenset[str]:
    return erasing.names(erasing.find(name))


def test_a_name_that_another_file_has_is_not_taken_for_the_document(ingest: Ingestor) -> None:
    with ingest.erasing() as erasing:
        assert erasing.names(erasing.find("note.txt", "other")) == frozenset()
