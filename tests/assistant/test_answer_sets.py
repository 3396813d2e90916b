"""Sets of questions with known answers: told apart by content, read, and named when they cannot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assistant.answer_sets import Form, read_set, write_documents
from assistant.errors import EvaluationSetUnusable
from tests.assistant.answer_files import CLAPNQ, CSV, SQUAD, TATQA, csv_set, lines


def test_a_squad_question_is_put_to_its_paragraph_and_two_where_it_is_not_asked(
    tmp_path: Path,
) -> None:
    path = tmp_path / "anything.txt.json"
    path.write_text(json.dumps(SQUAD))
    found = read_set(path)
    assert (found.form, len(found.texts)) == (Form.SQUAD, 4)
    first, impossible, other = found.cases
    assert (first.answers, first.form, len(first.sources or ())) == (("13 months",), "span", 3)
    assert first.gold[0].source == (first.sources or ())[0]
    assert not impossible.answerable and not impossible.gold
    # The same question has another right place in the article, which must not stand beside.
    assert other.gold[0].source not in (first.sources or ())
    assert read_set(path).cases == found.cases


def test_a_clapnq_set_knows_the_passages_and_the_sentences(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(lines(CLAPNQ[:1]))
    (tmp_path / "b.jsonl").write_text(lines(CLAPNQ[1:]))
    found = read_set(tmp_path)
    assert (found.form, [case.answerable for case in found.cases]) == (Form.CLAPNQ, [True, False])
    case = found.cases[0]
    assert case.form == "long" and case.gold[0].text in found.texts[0].text
    assert case.sources == (case.gold[0].source,) == (found.texts[0].source,)


def test_a_tatqa_table_becomes_html_with_its_paragraphs_and_scale(tmp_path: Path) -> None:
    path = tmp_path / "dev.json"
    path.write_text(json.dumps(TATQA))
    found = read_set(path)
    assert [case.id for case in found.cases] == ["q1", "q2"]
    assert found.cases[0].answers == ("$ 1,496.5 million",) and found.cases[0].form == "value"
    assert found.cases[1].together and found.cases[1].answers[1] == "(12.5) million"
    page = (write_documents(found, tmp_path / "out") / found.texts[0].source).read_text()
    assert page.index("Amounts in millions &amp; more.") < page.index("Second.")
    assert "<tr><th></th><th>2019</th><th>2018</th></tr>" in page
    assert "<td>Sales &lt;net&gt;</td>" in page
    every = read_set(path, answer_types=frozenset({"arithmetic"}))
    assert [case.id for case in every.cases] == ["q3"]
    assert every.digest != found.digest and every.corpus_digest == found.corpus_digest


def test_a_table_of_ones_own_joins_the_rows_of_a_question(tmp_path: Path) -> None:
    found = read_set(csv_set(tmp_path / "mine"))
    assert (found.form, found.name, found.on_home) == (Form.CSV, "mine", False)
    places, value, none = found.cases
    assert places.answers == ("six years", "6 years") and places.form == "span"
    assert [(gold.source, gold.page) for gold in places.gold] == [
        ("aml-manual.md", 1),
        ("copies/aml-manual.md", None),
    ]
    assert (value.form, none.answerable, none.sources) == ("value", False, None)
    assert write_documents(found, tmp_path / "unused") == tmp_path / "mine" / "documents"
    assert read_set(tmp_path / "mine" / "questions.csv", on_home=True).on_home


def test_records_of_ones_own_may_list_their_places(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text(
        lines(
            [
                {"id": "1", "question": "When?", "answer": "on 5 March", "document": "a.pdf"},
                {
                    "id": "2",
                    "question": "Both?",
                    "together": True,
                    "expected": [
                        {"source": "a.pdf", "page": 2, "answer": "one"},
                        {"source": "b.pdf", "page": 3, "answer": "two"},
                    ],
                },
                {"id": "3", "question": "Never?", "expected": []},
            ]
        )
    )
    one, two, three = read_set(path, on_home=True).cases
    assert one.answers == ("on 5 March",) and one.gold[0].source == "a.pdf"
    assert two.together and [gold.page for gold in two.gold] == [2, 3]
    assert not three.answerable


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", "question,page\nWhy?,1\n", "line 1, does not name the columns"),
        ("a.csv", "question,answer,page\n\nWhy?,so,0\n", "line 3, has the page '0'"),
        ("a.csv", "question,answer\nWhy?,so,more\n", "line 2, has 3 cells"),
        ("a.csv", "id,question,answer\n1,Why?,so\n1,How?,so\n", "line 3, has the id 1 of another"),
        ("a.csv", "question,answer\nWhy?,so\nWhy?,\n", "line 3, and an earlier line disagree"),
        ("a.csv", "question,answer,as of\nWhy?,so,May\n", "line 2, has the day 'May'"),
        ("a.csv", 'question,answer\n"Why?,so\n', "cannot be read as CSV"),
        ("a.csv", "  \n", "is empty"),
        ("a.jsonl", lines(CLAPNQ) + "{\n", "line 3, is not a JSON object"),
        ("a.jsonl", lines([{**CLAPNQ[0], "output": [{}]}]), "line 1, is no CLAPnq record"),
        ("a.jsonl", lines([CLAPNQ[0], CLAPNQ[0]]), "has the question id c1 twice"),
        ("a.json", '[\n{"table": 1,]', "line 2, is not JSON"),
        ("a.json", '{"data": [{"paragraphs": [{"qas": []}]}]}', "'context' (a str) at data[0]"),
        ("a.json", '{"other": 1}', "is JSON of no known form"),
        ("a.json", "[]", "is JSON of no known form"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_file_and_line(
    tmp_path: Path, name: str, content: str, words: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(EvaluationSetUnusable) as raised:
        read_set(path)
    assert str(raised.value).startswith(str(path)) and words in str(raised.value)


def test_bytes_that_are_no_text_are_named_by_their_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"question,answer\nWhy?,caf\xe9\n")
    with pytest.raises(EvaluationSetUnusable, match="line 2, is not UTF-8"):
        read_set(path)


def test_a_folder_holds_one_form_and_every_id_once(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(lines(CLAPNQ))
    (tmp_path / "b.csv").write_text(CSV)
    with pytest.raises(EvaluationSetUnusable, match="of different forms"):
        read_set(tmp_path)
    (tmp_path / "b.csv").unlink()
    (tmp_path / "b.jsonl").write_text(lines(CLAPNQ[:1]))
    with pytest.raises(EvaluationSetUnusable, match="question id c1 of"):
        read_set(tmp_path)
    (tmp_path / "b.jsonl").unlink()
    with pytest.raises(EvaluationSetUnusable, match="leave --on-home away"):
        read_set(tmp_path, on_home=True)


def test_questions_without_documents_say_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    with pytest.raises(EvaluationSetUnusable, match="--on-home"):
        read_set(tmp_path)
    with pytest.raises(EvaluationSetUnusable, match="is not there"):
        read_set(tmp_path / "gone")


def test_a_part_of_the_questions_keeps_all_documents(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(lines(CLAPNQ))
    whole = read_set(tmp_path)
    part = whole.chosen(every=2, limit=1)
    assert [case.id for case in part.cases] == ["c1"]
    assert (part.texts, part.corpus_digest) == (whole.texts, whole.corpus_digest)
    assert part.digest != whole.digest and whole.chosen() == whole


def test_an_unchanged_document_is_not_written_again(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(lines(CLAPNQ))
    found = read_set(tmp_path / "a.jsonl")
    records = write_documents(found, tmp_path / "out") / "records.jsonl"
    before = records.stat().st_mtime_ns
    assert [json.loads(line)["_id"] for line in records.read_text().splitlines()] == [
        text.source for text in found.texts
    ]
    write_documents(found, tmp_path / "out")
    assert records.stat().st_mtime_ns == before
