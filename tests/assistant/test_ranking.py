"""Which hits count as which judged page or document."""

from __future__ import annotations

from assistant.judged import JudgedQuestion, JudgedSet, Kind
from assistant.ranking import Level, Place, names_of, ranked


def a_set(kind: Kind, files: dict[str, str] | None = None, by_folder: bool = False) -> JudgedSet:
    return JudgedSet("set", kind, "dev", (), "digest", by_folder=by_folder, files=files or {})


def test_what_ends_in_a_number_is_a_page_unless_a_document_is_called_so() -> None:
    names = names_of(a_set(Kind.DOCUMENTS, {"a.pdf": "1", "b#2": "2"}), [("default", "a.pdf")])
    gold = names.gold({"a.pdf#3": 2, "a.pdf#4": 0, "b#2": 1, "c#x": 1, "d#0": 1})
    assert gold[Level.PAGE] == {"a.pdf#3": 2, "a.pdf#4": 0}
    assert gold[Level.DOCUMENT] == {"a.pdf": 2, "b#2": 1, "c#x": 1, "d#0": 1}


def test_a_record_of_a_corpus_is_never_a_page() -> None:
    gold = names_of(a_set(Kind.BEIR), []).gold({"passage#3": 1})
    assert gold == {Level.PAGE: {}, Level.DOCUMENT: {"passage#3": 1}}


def test_a_copy_of_a_document_counts_as_the_document() -> None:
    files = {"a.pdf": "same", "old/a.pdf": "same", "b.pdf": "other"}
    names = names_of(a_set(Kind.DOCUMENTS, files), [("default", "old/a.pdf")])
    assert names.gold({"old/a.pdf#2": 1})[Level.PAGE] == {"a.pdf#2": 1}
    assert names.document(Place("default", "old/a.pdf", "same", 2, 0.5)) == "a.pdf"
    asked = [JudgedQuestion("1", "?", {"old/a.pdf": 1, "b.pdf": 1, "gone.pdf": 0})]
    assert names.missing(asked) == ["b.pdf"]
    assert names.any_of(asked)


def test_equal_files_of_two_collections_are_two_documents() -> None:
    files = {"law/act.txt": "same", "tax/act.txt": "same"}
    names = names_of(a_set(Kind.DOCUMENTS, files, by_folder=True), [])
    found = [names.document(Place(name, "act.txt", "same", 1, 0.5)) for name in ("law", "tax")]
    assert found == ["law/act.txt", "tax/act.txt"]
    assert (
        names.document(Place("tax", "mail.eml/part.txt", "new", 1, 0.5)) == "tax/mail.eml/part.txt"
    )
    assert names.document(Place("default", "loose.txt", "new", 1, 0.5)) == "loose.txt"


def test_in_a_home_documents_go_by_their_source() -> None:
    names = names_of(a_set(Kind.HOME), [("policies", "hr/leave.pdf")])
    assert names.document(Place("policies", "hr/leave.pdf", "x", 4, 0.9)) == "hr/leave.pdf"
    assert names.missing([JudgedQuestion("1", "?", {"hr/leave.pdf#4": 1})]) == []


def test_pages_and_documents_are_ranked_once_each_at_their_best_hit() -> None:
    names = names_of(a_set(Kind.HOME), [])
    places = [
        Place("default", source, source, page, score)
        for source, page, score in [("a", 1, 0.9), ("a", 1, 0.8), ("a", 2, 0.7), ("b", 1, 0.6)]
    ]
    found = ranked(places, names)
    assert [(each.id, each.hit) for each in found[Level.PAGE]] == [
        ("a#1", 1),
        ("a#2", 3),
        ("b#1", 4),
    ]
    assert [(each.id, each.score) for each in found[Level.DOCUMENT]] == [("a", 0.9), ("b", 0.6)]
