"""One suite for all lexical stores: tantivy, and the formula worked out for every chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import tantivy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.errors import InvalidName, ViewDamaged
from index.lexical import LAYOUT, TantivyStore
from index.ports import LexicalStore, TextRow
from tests.index.plain_lexical import PlainLexical

OPENERS: dict[str, Callable[[Path], LexicalStore]] = {
    "tantivy": lambda folder: TantivyStore(folder / "lexical"),
    "plain": PlainLexical,
}

ROWS = [
    TextRow("k/1", "k", "Records are kept for six years, see 164.312(b)(1)."),
    TextRow("k/2", "k", "Storage temperature is 2 to 8 degrees under SOP-CL-014."),
    TextRow("m/1", "m", "The board approved clause 14.2.3 and rule BC-2.1."),
    TextRow("m/2", "m", "Clause 14.2 is about terminating the contract."),
]


@pytest.fixture(params=list(OPENERS))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LexicalStore]:
    opened = OPENERS[request.param](tmp_path)
    yield opened
    opened.close()


def found(store: LexicalStore, question: str, limit: int = 10) -> list[str]:
    return [each.chunk for each in store.search("a", question, limit)]


def test_empty(store: LexicalStore) -> None:
    assert (store.generation("a"), store.count("a"), store.chunks("a")) == (0, 0, set())
    assert found(store, "anything") == []


def test_any_shared_word_is_found_best_first(store: LexicalStore) -> None:
    store.apply("a", [], ROWS, 3)
    results = store.search("a", "six years of records", 10)
    assert results[0].chunk == "k/1"
    assert all(each.score > 0 for each in results)
    assert [each.score for each in results] == sorted(
        (each.score for each in results), reverse=True
    )
    assert found(store, "zebra") == []
    assert len(found(store, "the clause records", 1)) == 1
    assert found(store, "clause", 0) == []


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("164.312(b)(1)", "k/1"),
        ("what does 164.312(b) ask?", "k/1"),
        ("SOP-CL-014", "k/2"),
        ("sop-cl-014", "k/2"),
        ("rule BC-2.1", "m/1"),
        ("clause 14.2.3", "m/1"),
    ],
)
def test_identifiers_are_findable(store: LexicalStore, question: str, first: str) -> None:
    store.apply("a", [], ROWS, 3)
    assert found(store, question)[0] == first


def test_applying_twice_is_applying_once(store: LexicalStore) -> None:
    store.apply("a", [], ROWS, 3)
    store.apply("a", ["k", "m"], ROWS, 4)
    assert store.chunks("a") == {row.chunk for row in ROWS}
    assert (store.count("a"), store.generation("a")) == (4, 4)


def test_what_is_removed_or_replaced_is_gone(store: LexicalStore) -> None:
    store.apply("a", [], ROWS, 3)
    store.apply("a", ["k"], [TextRow("m/9", "m", "records")], 7)
    assert store.chunks("a") == {"m/9"}
    assert found(store, "six years of records") == ["m/9"]
    assert store.generation("a") == 7


def test_collections_do_not_know_each_other(store: LexicalStore) -> None:
    store.apply("a", [], ROWS[:2], 3)
    store.apply("b", [], ROWS[2:], 5)
    assert found(store, "clause") == []
    store.drop("b")
    assert (store.generation("b"), store.count("b")) == (0, 0)
    assert store.count("a") == 2
    store.drop("b")


def test_one_writer_at_a_time(store: LexicalStore) -> None:
    first, second = store.lock("a"), store.lock("a")
    assert first.acquire()
    assert not second.acquire()
    assert store.lock("b").acquire()
    first.release()
    assert second.acquire()


QUESTIONS = st.one_of(
    st.text(max_size=200),
    st.text("+-&|!(){}[]^\"'~*?:\\/ AND OR NOT TO", max_size=60),
    st.text(st.characters(codec=None), max_size=30),  # lone surrogates included
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(QUESTIONS)
def test_no_question_is_read_as_syntax_or_fails(store: LexicalStore, question: str) -> None:
    if not store.generation("a"):
        store.apply("a", [], ROWS, 3)
    assert set(found(store, question)) <= {row.chunk for row in ROWS}


@pytest.mark.parametrize(
    "question", ["chunk:k/1", "document:k", "kind:state", "*", "words:[a TO z]"]
)
def test_field_names_and_wildcards_mean_nothing(tmp_path: Path, question: str) -> None:
    store = TantivyStore(tmp_path)
    store.apply("a", [], [TextRow("k/1", "k", "nothing in common")], 3)
    assert found(store, question) == []


def test_tantivy_stems_and_weighs_neighbours(tmp_path: Path) -> None:
    store = TantivyStore(tmp_path)
    store.apply(
        "a",
        [],
        [
            TextRow("x/1", "x", "limits on retained records and periods of notice"),
            TextRow("y/1", "y", "records and limits on notice: retention periods"),
        ],
        1,
    )
    assert found(store, "the retention period")[0] == "y/1"
    assert set(found(store, "recorded notices")) == {"x/1", "y/1"}


WORDS = "bank record fee clause keep zürich six 14.2 AML year (AML) anti money laundering"
PASSAGES = st.lists(st.sampled_from(WORDS.split()), min_size=1, max_size=60).map(" ".join)
STEPS = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from("abcdef"), st.lists(PASSAGES, max_size=3), max_size=4),
        st.sets(st.sampled_from("abcdef"), max_size=2),
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.slow
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(STEPS, st.lists(PASSAGES, min_size=1, max_size=3))
def test_results_tell_nothing_of_an_index_s_history(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[dict[str, list[str]], set[str]]],
    questions: list[str],
) -> None:
    folder = tmp_path_factory.mktemp("history")
    grown, fresh = TantivyStore(folder / "grown"), TantivyStore(folder / "fresh")
    plain = PlainLexical(folder)
    held: dict[str, list[TextRow]] = {}
    for number, (added, removed) in enumerate(steps):
        rows = {
            document: [
                TextRow(f"{document}{n}", document, text, f"report {document} 2023 Q{number + 1}")
                for n, text in enumerate(texts)
            ]
            for document, texts in added.items()
        }
        held = {name: own for name, own in held.items() if name not in removed} | rows
        touched = {*removed, *added}
        grown.apply("a", touched, [row for own in rows.values() for row in own], number + 1)
    everything = [row for own in held.values() for row in own]
    fresh.apply("a", [], everything, 9)
    plain.apply("a", [], everything, 9)
    for question in [*questions, "report b in Q2 2023", '"money laundering" fee']:
        assert grown.search("a", question, 5) == fresh.search("a", question, 5)
        # All of them: which candidates are weighed where there are more is decided by single words.
        after, by_hand = (
            store.search("a", question, len(everything) + 1) for store in (grown, plain)
        )
        # The plain one adds up in another order: what is equal but for the last bit may change
        # places with it.
        weighed = {each.chunk: each.score for each in by_hand}
        scores = [each.score for each in after]
        assert scores == pytest.approx([each.score for each in by_hand], abs=1e-6)
        assert scores == pytest.approx([weighed[each.chunk] for each in after], abs=1e-6)


def test_results_are_those_of_a_rebuilt_index_after_deletions(tmp_path: Path) -> None:
    grown, fresh = TantivyStore(tmp_path / "grown"), TantivyStore(tmp_path / "fresh")
    rows = [
        TextRow(
            f"c{n:03}", f"d{n % 20}", f"fee {'bank ' * (n % 5)}record {'due ' * (n % 11)}", name
        )
        for n, name in enumerate(f"Report {n % 20}" for n in range(200))
    ]
    grown.apply("a", [], [*rows, TextRow("x", "x", "fee record due " * 400)], 1)
    grown.apply("a", ["x", "d3", "d4"], rows[:1], 2)  # d0 with one chunk only
    grown.apply("a", [], [row for row in rows if row.document in {"d0", "d3"}], 3)
    held = [row for row in rows if row.document != "d4"]
    exact = PlainLexical(tmp_path)
    for store in (fresh, exact):
        store.apply("a", [], held, 1)
    assert grown.wasted("a") > 0
    for question in ("bank fee", "record due of report 7", '"fee record"', "due"):
        # The plain store ranks every chunk; where all are candidates, both must agree.
        for other, limit in ((fresh, 40), (fresh, 200), (exact, 200)):
            after = grown.search("a", question, limit)
            same = other.search("a", question, limit)
            assert [each.chunk for each in after] == [each.chunk for each in same]
            scores = [each.score for each in same]
            assert [each.score for each in after] == pytest.approx(scores, abs=1e-6)


def test_our_scores_are_those_of_tantivy_itself(tmp_path: Path) -> None:
    """Of a fresh index they differ by the entry with the state and the mean of lengths."""
    store = TantivyStore(tmp_path)
    rows = [TextRow(f"c{n}", f"d{n}", "fee " * (n + 1) + "bank " * (n % 4)) for n in range(300)]
    store.apply("a", [], rows, 1)
    engine = tantivy.Index.open(str(tmp_path / "a" / f"layout-{LAYOUT}"))
    analyzer = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
    engine.register_tokenizer("terms", analyzer)
    searcher = engine.searcher()
    hits = searcher.search(engine.parse_query("words:bank", ["words"]), 300).hits
    theirs = {searcher.doc(at)["chunk"][0]: score for score, at in hits}
    ours = {each.chunk: each.score for each in store.search("a", "bank", 300)}
    assert ours == {chunk: pytest.approx(score, rel=0.04) for chunk, score in theirs.items()}


def test_a_very_long_question_is_answered(tmp_path: Path) -> None:
    store = TantivyStore(tmp_path)
    store.apply("a", [], ROWS, 3)
    assert found(store, "records " + " ".join(f"w{n}" for n in range(30_000)))[0] == "k/1"


def test_tantivy_keeps_what_it_was_given(tmp_path: Path) -> None:
    first = TantivyStore(tmp_path)
    first.apply("a", [], ROWS, 12)
    first.close()
    second = TantivyStore(tmp_path)
    assert (second.generation("a"), second.count("a")) == (12, 4)
    # A reader sees what another instance commits later.
    first.apply("a", ["k"], [], 13)
    assert (second.generation("a"), second.count("a")) == (13, 2)


def test_reading_creates_nothing(tmp_path: Path) -> None:
    store = TantivyStore(tmp_path)
    store.search("a", "records", 5)
    store.generation("a")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["meta", "segments", "no segments"])
def test_a_damaged_index_says_so_and_can_be_dropped(tmp_path: Path, damage: str) -> None:
    store = TantivyStore(tmp_path)
    store.apply("a", [], ROWS, 3)
    store.close()
    for path in tmp_path.rglob("*"):
        if damage == "meta" and path.name == "meta.json":
            path.write_text("{]")
        elif path.suffix in {".term", ".idx", ".store"} and damage != "meta":
            path.write_bytes(b"") if damage == "segments" else path.unlink()
    store = TantivyStore(tmp_path)
    with pytest.raises(ViewDamaged):
        store.search("a", "records", 3)
    store.drop("a")
    store.apply("a", [], ROWS, 3)
    assert found(store, "records") == ["k/1"]


def test_what_is_weighed_is_what_is_found(store: LexicalStore) -> None:
    store.apply("a", [], ROWS, 3)
    found_ones = store.search("a", "records under clause 14.2", 10)
    weighed = store.weigh("a", "records under clause 14.2", [row.chunk for row in ROWS] + ["no"])
    assert weighed.keys() == {row.chunk for row in ROWS}
    assert {each.chunk: each.score for each in found_ones} == {
        chunk: pytest.approx(each.score) for chunk, each in weighed.items() if each.score > 0
    }
    assert store.weigh("a", "records", []) == {} == store.weigh("other", "records", ["k/1"])


def test_shares_say_how_much_of_the_question_stands_there(store: LexicalStore) -> None:
    store.apply("a", [], ROWS, 3)
    whole = store.weigh("a", "records kept six years", ["k/1"])["k/1"]
    part = store.weigh("a", "records kept six years aboard a zeppelin", ["k/1"])["k/1"]
    none = store.weigh("a", "zeppelins", ["k/1"])["k/1"]
    assert whole.share > part.share > none.share == 0.0
    assert whole.place == part.place == 0.0


def test_the_document_that_a_question_names_comes_first(store: LexicalStore) -> None:
    text = "Total net sales rose by a tenth against the same quarter of the year before."
    names = ["Acme report 2023 Q3", "Acme report 2022 Q3", "Borealis report 2023 Q3"]
    rows = [TextRow(f"c{n}", f"d{n}", text, name) for n, name in enumerate(names)]
    store.apply("a", [], rows, 1)
    assert found(store, "What were Borealis's net sales?")[0] == "c2"
    assert found(store, "Acme's net sales in the third quarter of 2022")[0] == "c1"
    assert found(store, "Acme's net sales in Q3 2023")[0] == "c0"
    worth = store.weigh("a", "Acme net sales", ["c0", "c2"])
    assert worth["c0"].place > worth["c2"].place == 0.0
    assert worth["c0"].share > worth["c2"].share  # credited with the name, as if it stood there
    plain = store.weigh("a", "net sales", ["c0", "c2"])
    assert plain["c0"].share == pytest.approx(plain["c2"].share)


def test_a_cover_page_has_no_advantage_over_the_passage_asked_for(store: LexicalStore) -> None:
    name = "Harrow Estates annual report 2023"
    rows = [
        TextRow("cover", "h", "Harrow Estates. Annual report for the year 2023.", name),
        TextRow("taxes", "h", "The effective tax rate was 21 per cent.", name),
        TextRow("other", "v", "The effective tax rate was 24 per cent.", "Velmont report 2023"),
    ]
    store.apply("a", [], rows, 1)
    worth = store.weigh(
        "a", "What was Harrow Estates' effective tax rate in 2023?", list(held(rows))
    )
    assert worth["taxes"].share > worth["cover"].share
    assert worth["taxes"].share > worth["other"].share
    assert worth["taxes"].place == worth["cover"].place > worth["other"].place


def held(rows: Sequence[TextRow]) -> Iterator[str]:
    return (row.chunk for row in rows)


def test_every_store_weighs_alike(tmp_path: Path) -> None:
    """Terms, pairs, names and credit, by two implementations that share no arithmetic."""
    rows = [
        *ROWS,
        TextRow(
            "n/1", "n", "Net sales rose to $ 1,234 million in 2023.", "Acme_2023_Q3\nAcme Inc."
        ),
        TextRow("n/2", "n", "Cash flows of Acme are shown below.", "Acme_2023_Q3\nAcme Inc."),
        TextRow("o/1", "o", "Net sales fell to $ 1,200 million in 2022.", "Borealis 2022 Q3"),
    ]
    one, other = TantivyStore(tmp_path / "t"), PlainLexical(tmp_path / "p")
    for each in (one, other):
        each.apply("a", [], rows, 1)
    for question in ("Acme's net sales in Q3 2023", "records kept 164.312(b)", "borealis sales"):
        found = one.weigh("a", question, list(held(rows)))
        wanted = other.weigh("a", question, list(held(rows)))
        assert found.keys() == wanted.keys()
        for chunk, worth in found.items():
            exact = wanted[chunk]
            assert (worth.score, worth.share, worth.place) == pytest.approx(
                (exact.score, exact.share, exact.place), abs=1e-6
            )


SPELLED = [
    ("The limit is $1,234.5 million.", ["1.2345 billion", "USD 1,234,500,000", "1234.5m USD"]),
    ("A fee of 4.5% applies.", ["4.5 percent", "4.5 per cent"]),
    ("Der Betrag von 1.234,56 EUR ist nicht die Grenze.", ["1234.56", "EUR 1'234.56"]),
    ("Effective 31 December 2022.", ["December 31, 2022", "31.12.2022", "2022-12-31", "12/31/22"]),
    ("In the third quarter of 2022 nothing.", ["Q3 2022", "2022 Q3", "3Q22"]),
    ("Outlook for fiscal year 2023.", ["FY2023", "fiscal 2023", "FY 23"]),
    ("Keep them six years.", ["6 years"]),
    ("See SOP-CL-014.", ["SOP CL 014", "sopcl014", "sop-cl-014"]),
    ("Under Section 13(d) of it.", ["§ 13(d)", "Sec. 13(d)", "section 13"]),
    ("Art. 5(1)(c) is about it.", ["article 5(1)(c)", "Article 5"]),
    ("Any non-compliance is told.", ["noncompliance", "non-compliance"]),
    ("Send an email.", ["e-mail"]),
    ("Die Prüfung in Zürich ist für das Büro.", ["Pruefung", "Zurich", "Buero", "prüfungen"]),
    ("Les sociétés sont dans le marché.", ["societe", "société"]),
    ("Las obligaciones de los bancos.", ["obligación", "obligacion"]),
    ("The Anti-Money Laundering (AML) rules.", ["AML", "aml"]),
]


@pytest.mark.parametrize(("text", "questions"), SPELLED)
def test_what_is_written_one_way_is_found_another(
    store: LexicalStore, text: str, questions: list[str]
) -> None:
    texts = [text, *(other for other, _ in SPELLED if other != text)]
    rows = [TextRow(f"c{n}", f"d{n}", each) for n, each in enumerate(texts)]
    store.apply("a", [], rows, 1)
    assert {question: found(store, question)[:1] for question in questions} == {
        question: ["c0"] for question in questions
    }


def test_acronyms_lead_both_ways_but_count_less(store: LexicalStore) -> None:
    texts = [
        "MLRO means Money Laundering Reporting Officer.",
        "The MLRO files a report.",
        "A money laundering reporting officer is appointed.",
        "Storage is cold.",
    ]
    store.apply("a", [], [TextRow(f"c{n}", f"d{n}", text) for n, text in enumerate(texts)], 1)
    assert found(store, "MLRO")[:2] == ["c0", "c1"]
    assert set(found(store, "MLRO")) == {"c0", "c1", "c2"}
    assert set(found(store, "money laundering reporting officer")) == {"c0", "c1", "c2"}
    # What another collection defines stays there.
    store.apply("b", [], [TextRow("c9", "d9", texts[2])], 1)
    assert store.search("b", "MLRO", 5) == []


def test_hostile_definitions_cannot_widen_a_question_much(store: LexicalStore) -> None:
    words = [f"Abra{'b' * n} Mono Lax" for n in range(100)]
    text = " ".join(f"{each} (AML)." for each in words) + " Anti Money Laundering (AML)"
    store.apply("a", [], [TextRow("h", "h", text), TextRow("x", "x", "Lemons and money")], 1)
    assert found(store, "AML")[0] == "h"
    store.apply("a", [], [TextRow("y", "y", " ".join(f"A{n}L (AL)" for n in range(500)))], 2)
    assert found(store, "AML AL")


def test_a_quoted_phrase_is_preferred_and_not_required(store: LexicalStore) -> None:
    rows = [
        TextRow(
            "loose",
            "1",
            "Capital requirements: capital, own funds, capital, requirements.",
        ),
        TextRow("whole", "2", "On this and that and more of it and the own funds requirements."),
    ]
    store.apply("a", [], rows, 1)
    for quoted in ('"own funds requirements"', "“own funds requirements”"):
        assert found(store, f"capital {quoted}") == ["whole", "loose"]
    assert set(found(store, '"requirements of own capital"')) == {"loose", "whole"}


def test_equal_scores_are_ordered_by_chunk(store: LexicalStore) -> None:
    rows = [TextRow(f"c{n:03}", f"d{n}", "The very same text") for n in range(90)]
    store.apply("a", [], rows[45:], 1)
    store.apply("a", [], rows[:45], 2)
    assert found(store, "same text", 7) == [row.chunk for row in rows[:7]]


@pytest.mark.parametrize("name", ["", "../a", "A", "a/b", "a.1", "a" * 65])
def test_safe_names_only(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidName):
        TantivyStore(tmp_path).search(name, "x", 1)


def test_tantivy_counts_deleted_entries_and_sweeps_what_others_left(tmp_path: Path) -> None:
    store = TantivyStore(tmp_path)
    assert store.wasted("a") == 0
    store.apply("a", [], ROWS, 3)
    assert store.wasted("a") == 0
    store.apply("a", ["k"], [], 4)
    assert store.wasted("a") >= 2
    for name in ("layout-1", "layout-2.discarded"):
        (tmp_path / "a" / name).mkdir()
    store.sweep("a")
    assert {path.name for path in (tmp_path / "a").iterdir() if path.is_dir()} == {"layout-2"}
    assert store.count("a") == 2
    (tmp_path / "a" / "layout-2" / "meta.json").write_text("{]")
    with pytest.raises(ViewDamaged):
        store.wasted("a")
