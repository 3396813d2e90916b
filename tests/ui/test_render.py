"""What documents, models and people write reaches the page as text and as nothing else."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.answer import (
    Answer,
    Conflict,
    Cost,
    Force,
    Offer,
    Removed,
    Sentence,
    Side,
    Stage,
    Verdict,
)
from assistant.errors import ModelBusy
from assistant.model_status import ModelState, ModelStatus
from tests.ui.payloads import PAYLOADS
from tests.ui.standins import ABSTAINED, ANSWERED, CONFLICTING, OFFERED, QUOTED, citation
from ui import render
from ui.turn import View

ALLOWED = {
    "div", "h1", "h2", "h3", "p", "span", "button", "ul", "ol", "li", "blockquote",
    "details", "summary", "dl", "dt", "dd", "br", "code",
    "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
ALLOWED_ATTRIBUTES = {"class", "type", "value", "title", "role", "scope"}


class Page(HTMLParser):
    """Collects what a browser would make of the HTML."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.values: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.values += [value or "" for name, value in attrs if name == "value"]

    def handle_data(self, data: str) -> None:
        self.text += data


def read(html: str) -> Page:
    page = Page()
    page.feed(html)
    page.close()
    return page


def everywhere(text: str) -> View:
    """A turn in which `text` stands wherever somebody else's text can stand."""
    force = Force(True, text, text, text, text)
    cited = replace(citation(1, "x"), title=text, label=text, quote=text, source=text, force=force)
    passage = replace(ABSTAINED.nearest[0], title=text, label=text, text=text, source=text)
    answer = Answer(
        Verdict.ANSWERED,
        text,
        (Sentence(text, (1,)),),
        (cited,),
        (passage,),
        (Removed(text, text, text),),
        model=text,
        record=text,
        explanation=text,
        as_of=text,
        understood=text,
        conflicts=(Conflict(text, (Side(text, 1, text, text), Side(text, 99, text, "")), text),),
        offer=Offer("sweep", text, 412, text),
    )
    return View(7, text, (Stage(text, 3),), answer.sentences, answer.citations, answer)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_payloads_become_text(payload: str) -> None:
    for view in (everywhere(payload), replace(everywhere(payload), answer=None)):
        html = render.turn(view)
        page = read(html)
        assert page.tags <= ALLOWED
        assert page.attributes <= ALLOWED_ATTRIBUTES
        assert "\n" not in html
        assert "\r" not in html


@given(st.text(max_size=200))
def test_any_text_is_one_line_of_inert_html(text: str) -> None:
    html = render.turn(everywhere(text))
    page = read(html)
    assert page.tags <= ALLOWED
    assert page.attributes <= ALLOWED_ATTRIBUTES
    assert len(html.splitlines()) == 1
    assert set(page.values) <= {"7:a1", "7:n1", "7"}


@given(st.text(alphabet=st.characters(categories=("L", "N", "P", "S", "Zs")), max_size=80))
def test_ordinary_characters_are_shown_as_they_are(text: str) -> None:
    assert read(render.plain(text)).text == text


def test_a_mark_in_a_text_is_no_citation() -> None:
    view = View(1, "q", answer=replace(ANSWERED, sentences=(Sentence("See [3] and [1].", ()),)))
    assert 'class="chip"' not in render.turn(view)
    assert "See [3] and [1]." in read(render.turn(view)).text


def test_a_citation_that_is_not_there_draws_no_chip() -> None:
    view = View(1, "q", answer=replace(ANSWERED, sentences=(Sentence("Six.", (99,)),)))
    assert 'class="chip"' not in render.turn(view)


@pytest.mark.parametrize("answer", [ANSWERED, ABSTAINED, QUOTED])
def test_each_verdict_is_named_and_its_places_can_be_opened(answer: Answer) -> None:
    view = View(3, "How long?", citations=answer.citations, answer=answer)
    page = read(render.turn(view))
    assert render.VERDICTS[answer.verdict][0] in page.text
    wanted = {f"3:a{c.number}" for c in answer.citations}
    wanted |= {f"3:n{p.rank}" for p in answer.nearest}
    assert set(page.values) == wanted


def test_a_conflict_has_a_row_for_each_side_and_is_told_once() -> None:
    view = View(3, "And then?", citations=CONFLICTING.citations, answer=CONFLICTING)
    page = read(html := render.turn(view))
    assert html.count('role="rowheader"') == 2
    assert "six yearsData Retention Policy page 41since 2024-01-01 until 2027-12-31" in page.text
    assert "24 monthsRecords Handbook" in page.text
    assert "no dates stated" in page.text
    assert page.text.count(CONFLICTING.conflicts[0].sentence) == 1
    assert page.text.index("Understood as") < page.text.index("Answered from your documents")
    assert [value for value in page.values if value == "3:a2"] == ["3:a2"] * 3  # text, box, source


def test_a_side_without_a_citation_opens_nothing() -> None:
    lone = replace(CONFLICTING.conflicts[0], kind="versions", sides=(Side("x", 9, "old.pdf"),))
    answer = replace(ABSTAINED, nearest=(), conflicts=(lone,))
    page = read(render.turn(View(3, "q", answer=answer)))
    assert "Versions of a document differ" in page.text
    assert "old.pdf" in page.text
    assert not page.values


def test_an_offer_is_a_button_and_the_nearest_passages_stay() -> None:
    page = read(render.turn(View(3, "Which?", answer=OFFERED)))
    assert page.values == ["3", "3:n1", "3:n2"]
    assert "Read all 412 documents" in page.text
    assert "Not in your documents" not in page.text
    assert OFFERED.offer is not None
    assert page.text.count(OFFERED.offer.sentence) == 1
    other = replace(OFFERED, offer=replace(OFFERED.offer, task="compare"))
    assert read(render.turn(View(3, "Which?", answer=other))).values == ["3:n1", "3:n2"]


def test_every_verdict_has_words() -> None:
    assert set(render.VERDICTS) == set(Verdict)


def test_progress_names_the_stage_and_the_number_of_passages() -> None:
    view = View(1, "q", (Stage("searching"), Stage("reading", 5), Stage("writing")))
    text = read(render.turn(view)).text
    assert "Searched your documents" in text
    assert "Read 5 passages" in text
    assert text.endswith("Writing")
    larger = View(1, "q", (Stage("escalating"), Stage("writing")))
    assert "Asked the larger model" in read(render.turn(larger)).text
    one = View(1, "q", (Stage("reading", 1),))
    assert "Reading 1 passage" in read(render.turn(one)).text


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (ANSWERED, f"{ANSWERED.model}, the larger one"),
        (replace(QUOTED, model="small"), "small, and the larger one"),
    ],
)
def test_a_larger_model_is_named_as_such(answer: Answer, words: str) -> None:
    larger = replace(answer, cost=Cost(1512, 83, 4.9, escalated=True))
    assert words in read(render.turn(View(1, "q", answer=larger))).text
    assert "larger" not in render.turn(View(1, "q", answer=answer))


def test_what_the_gate_removed_is_counted_but_not_shown() -> None:
    removed = (Removed("It costs 5 euro.", "NUMBER"),)
    text = read(render.turn(View(1, "q", answer=replace(ANSWERED, removed=removed)))).text
    assert "1 sentence of the model that the documents do not support" in text
    assert "5 euro" not in text


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (0, "It is your turn: writing"),
        (1, "Waiting for the model: 1 question is ahead of yours"),
        (12, "Waiting for the model: 12 questions are ahead of yours"),
    ],
)
def test_the_line_is_told_in_words(ahead: int, words: str) -> None:
    html = render.turn(View(1, "q", (Stage("reading", 5), Stage("waiting", ahead))))
    assert read(html).text.endswith(words)
    assert html.count("told") == 1


def test_only_what_a_reader_waits_for_is_told_aloud() -> None:
    view = View(1, "q", (Stage("reading", 5), Stage("writing")))
    assert "told" not in render.turn(view)
    loading = render.turn(replace(view, loading=True))
    assert read(loading).text.endswith("Loading the language model")
    assert loading.count("told") == 1


def test_a_full_line_is_said_before_what_is_quoted() -> None:
    busy = f"{ModelBusy(7)} Until then the supporting sentences are quoted as they stand."
    shown = render.turn(View(1, "q", answer=replace(QUOTED, explanation=busy)))
    assert shown.index('class="busy"') < shown.index("blockquote")
    assert "7 questions are ahead of yours" in read(shown).text
    assert shown.count("quoted as they stand") == 1
    assert 'class="busy"' not in render.turn(View(1, "q", answer=QUOTED))


def test_the_cost_is_told_as_far_as_it_is_known() -> None:
    def text(cost: Cost) -> str:
        return read(render.turn(View(1, "q", answer=replace(ANSWERED, cost=cost)))).text

    full = text(Cost(1512, 83, 0.94, 41.26))
    assert "Time1.3 s, 0.9 s of it in the model" in full
    assert "Tokens1,512 read, 83 written" in full
    assert "Energy41 J (GPU)" in full
    assert "0.3 J" in text(Cost(1512, 83, 0.94, 0.26))
    assert "Energy" not in text(Cost(1512, 83, 0.94, None))
    assert "Tokens" not in text(Cost())
    assert "in the model" not in text(Cost())


STATES: list[tuple[ModelState, str]] = [
    ("idle", "tiny not loaded yet"),
    ("loading", "tiny is loading"),
    ("ready", "tiny 3 in line"),
    ("failed", "tiny cannot run"),
]


@pytest.mark.parametrize(("state", "words"), STATES)
def test_the_model_is_named_with_how_it_stands(state: ModelState, words: str) -> None:
    assert read(render.model(ModelStatus("tiny", state, waiting=3))).text == words


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_model_may_be_named_like_anything(payload: str) -> None:
    for html in (render.model(ModelStatus(payload, "ready")), render.notes((payload, payload))):
        page = read(html)
        assert page.tags <= ALLOWED
        assert page.attributes <= {"class"}
        assert len(html.splitlines()) == 1


def test_notes_stand_there_only_if_there_are_any() -> None:
    assert render.notes(()) == ""
    shown = render.notes(("A GPU stays unused: set `gpu_layers`.",))
    assert read(shown).text == "A GPU stays unused: set gpu_layers."
    assert "<code>gpu_layers</code>" in shown


@pytest.mark.parametrize(
    ("page", "label", "name"),
    [
        (4, "", "page 4"),
        (4, "4", "page 4"),
        (4, "iv", "page 4 (iv)"),
        (4, "A-12", "page 4 (A-12)"),
        (2, "Scope of this policy", "Scope of this policy"),
    ],
)
def test_a_place_is_named_as_a_reader_would(page: int, label: str, name: str) -> None:
    assert render.page_name(page, label) == name


def test_the_empty_page_says_how_to_begin() -> None:
    text = read(render.welcome([], 0)).text
    assert "cloister ingest add" in text
    page = read(render.welcome(["<b>How?</b>"], 3))
    assert "<b>How?</b>" in page.text
    assert "3 documents" in page.text
    assert page.tags <= ALLOWED
