"""What documents, models and people write reaches the page as text and as nothing else."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.answer import Answer, Removed, Sentence, Stage, Verdict
from tests.ui.payloads import PAYLOADS
from tests.ui.standins import ABSTAINED, ANSWERED, QUOTED, citation
from ui import render
from ui.turn import View

ALLOWED = {
    "div", "h1", "h2", "h3", "p", "span", "button", "ul", "ol", "li", "blockquote",
    "details", "summary", "dl", "dt", "dd", "br", "code",
}  # fmt: skip
ALLOWED_ATTRIBUTES = {"class", "type", "value", "title"}


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
    cited = replace(citation(1, "x"), title=text, label=text, quote=text, source=text)
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
    assert set(page.values) <= {"7:a1", "7:n1"}


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


def test_every_verdict_has_words() -> None:
    assert set(render.VERDICTS) == set(Verdict)


def test_progress_names_the_stage_and_the_number_of_passages() -> None:
    view = View(1, "q", (Stage("searching"), Stage("reading", 5), Stage("writing")))
    text = read(render.turn(view)).text
    assert "Searched your documents" in text
    assert "Read 5 passages" in text
    assert text.endswith("Writing")
    one = View(1, "q", (Stage("reading", 1),))
    assert "Reading 1 passage" in read(render.turn(one)).text


def test_what_the_gate_removed_is_counted_but_not_shown() -> None:
    removed = (Removed("It costs 5 euro.", "NUMBER"),)
    text = read(render.turn(View(1, "q", answer=replace(ANSWERED, removed=removed)))).text
    assert "1 sentence of the model that the documents do not support" in text
    assert "5 euro" not in text


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
