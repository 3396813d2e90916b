"""Front matter and sidecars: what they may say, which one wins, and what is refused."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from index.document import Status
from ingest.facts import (
    NO_FACTS,
    BadFacts,
    Facts,
    Folders,
    declared,
    for_file,
    is_sidecar,
    named_collection,
)


def _file(folder: Path, sidecar: str = "", name: str = "policy.pdf") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(b"x")
    if sidecar:
        (folder / f"{name}.cloister.toml").write_text(sidecar, encoding="utf-8")
    return path


def test_a_file_without_sidecar_declares_nothing(tmp_path: Path) -> None:
    facts = for_file(_file(tmp_path), tmp_path)

    assert facts == NO_FACTS
    assert declared(facts).status is Status.CURRENT
    assert named_collection(facts) is None


def test_a_sidecar_gives_all_facts(tmp_path: Path) -> None:
    path = _file(
        tmp_path,
        'title = "Travel  policy"\neffective_from = 2025-01-01\neffective_to = "2025-12-31"\n'
        'status = "draft"\nsupersedes = ["old/travel.pdf"]\ncollection = "hr"\n',
    )

    facts = for_file(path, tmp_path)
    found = declared(facts)

    assert (found.title, found.status) == ("Travel policy", Status.DRAFT)
    assert (found.effective_from, found.effective_to) == ("2025-01-01", "2025-12-31")
    assert found.supersedes == ("old/travel.pdf",)
    assert facts.collection == "hr"
    assert found.digest == facts.digest != ""


def test_one_name_is_a_list_of_one(tmp_path: Path) -> None:
    assert declared(for_file(_file(tmp_path, 'supersedes = "a.pdf"\n'))).supersedes == ("a.pdf",)


def test_a_folder_speaks_for_all_below_and_the_nearer_one_wins(tmp_path: Path) -> None:
    (tmp_path / ".cloister.toml").write_text('collection = "all"\neffective_from = 2024-01-01\n')
    inner = tmp_path / "hr"
    path = _file(inner, "effective_to = 2030-01-01\n")
    (inner / ".cloister.toml").write_text('collection = "hr"\n')

    facts = for_file(path, tmp_path)

    assert facts.collection == "hr"
    assert declared(facts).effective_from == "2024-01-01"
    assert declared(facts).effective_to == "2030-01-01"


def test_a_folder_above_the_ingested_one_says_nothing(tmp_path: Path) -> None:
    (tmp_path / ".cloister.toml").write_text('collection = "all"\n')

    assert for_file(_file(tmp_path / "in"), tmp_path / "in").collection is None


def test_folders_are_read_once(tmp_path: Path) -> None:
    (tmp_path / ".cloister.toml").write_text('collection = "all"\n')
    folders = Folders()
    path = _file(tmp_path)
    assert for_file(path, tmp_path, folders).collection == "all"

    (tmp_path / ".cloister.toml").unlink()

    assert for_file(path, tmp_path, folders).collection == "all"


def test_front_matter_wins_over_folders_and_loses_to_the_sidecar() -> None:
    facts = Facts({"status": "draft"}, {"title": "Mine"}, "d")
    front = {"title": "Theirs", "status": "withdrawn", "effective_from": date(2025, 2, 3), "x": 1}

    found = declared(facts, front)

    assert (found.title, found.status) == ("Mine", Status.WITHDRAWN)
    assert found.effective_from == "2025-02-03"
    assert named_collection(Facts({"collection": "a"}), {"collection": "b"}) == "b"
    assert named_collection(Facts({}, {"collection": "a"}), {"collection": "b"}) == "a"


def test_the_digest_changes_with_what_is_said(tmp_path: Path) -> None:
    one = for_file(_file(tmp_path, 'status = "draft"\n', "a.pdf"))
    same = for_file(_file(tmp_path, '# said\nstatus = "draft"\n', "b.pdf"))
    other = for_file(_file(tmp_path, 'status = "current"\n', "c.pdf"))

    assert one.digest == same.digest != other.digest


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("efective_from = 2025-01-01\n", "efective_from"),
        ('effective_from = "soon"\n', "a day such as"),
        ('effective_from = "2025-02-30"\n', "a day such as"),
        ("effective_to = 5\n", "a day such as"),
        ('status = "valid"\n', "'valid'"),
        ("status = 1\n", "needs a text"),
        ('collection = "../etc"\n', "plain word"),
        ("supersedes = 4\n", "list of names"),
        ("supersedes = [4]\n", "list of names"),
        ("title = ''\n", "needs a text"),
        ("not toml at all", "no TOML"),
        ("title = 'x" + "x" * 70_000 + "'\n", "larger than"),
    ],
)
def test_what_cannot_be_understood_is_refused(tmp_path: Path, text: str, part: str) -> None:
    with pytest.raises(BadFacts) as refused:
        for_file(_file(tmp_path, text))

    assert part in str(refused.value)
    assert str(refused.value).endswith("correct it and run the command again.")


def test_a_folder_cannot_give_a_title(tmp_path: Path) -> None:
    (tmp_path / ".cloister.toml").write_text('title = "All"\n')

    with pytest.raises(BadFacts):
        for_file(_file(tmp_path), tmp_path)


def test_dates_out_of_order_are_refused(tmp_path: Path) -> None:
    facts = for_file(_file(tmp_path, "effective_from = 2025-05-01\neffective_to = 2025-04-30\n"))

    with pytest.raises(BadFacts):
        declared(facts)


def test_a_bad_date_in_front_matter_is_refused() -> None:
    with pytest.raises(BadFacts):
        declared(NO_FACTS, {"effective_from": "next spring"})


def test_sidecars_are_told_by_their_name() -> None:
    assert is_sidecar("policy.pdf.cloister.toml")
    assert is_sidecar(".cloister.toml")
    assert not is_sidecar("cloister.toml")
