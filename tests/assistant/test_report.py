"""The report: every figure can be computed again, and hostile text stays text."""

from __future__ import annotations

import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from markdown_it import MarkdownIt

from assistant import report
from assistant.evaluate import Run, Wanted, ask_all, summarize
from assistant.judged import JudgedQuestion, JudgedSet, Kind
from assistant.metrics import recall_at
from assistant.ranking import Level, Place, names_of
from assistant.report_facts import Facts, Trouble, farthest, margins
from assistant.report_markdown import escaped

HOSTILE = (
    '</text></svg></td><script>alert(1)</script><img src="http://evil.example/x" onerror=x> '
    "| [click](http://evil.example) ![p](http://evil.example/p) `code` **bold** "
    "https://evil.example \x1b[31m\u202e \n# heading\n"
)
WANTED = Wanted(10, ("recall@1",))


def judged(count: int = 30) -> JudgedSet:
    questions = [
        JudgedQuestion(f"q{n}", f"question {n} {HOSTILE}", {f"doc{n % 5}{HOSTILE}.pdf#{n}": 1})
        for n in range(1, count + 1)
    ]
    return JudgedSet(f"set {HOSTILE}", Kind.HOME, "dev", tuple(questions), "a" * 64)


def runs(of: JudgedSet, configurations: int = 2) -> list[Run]:
    """Question n finds its page at rank n mod 7 + 1, with the second configuration one rank better;
    every tenth does not find it."""
    names = names_of(of, [])
    made = []
    for better in range(configurations):

        def search(question: JudgedQuestion, k: int, better: int = better) -> list[Place]:
            number = int(question.id[1:])
            source, page = next(iter(question.judged)).rsplit("#", 1)
            others = [Place("default", f"other{n}.pdf", "x", 1, 0.9 - n / 50) for n in range(25)]
            if number % 10:
                rank = max(number % 7 - better, 0)
                others.insert(rank, Place("default", source, "y", int(page), 0.9 - rank / 50))
            return others[:k]

        outcomes = ask_all(of.questions, search, names, WANTED)
        name = f"configuration {better} {HOSTILE if better else ''}"
        made.append(Run(name, {"candidates": 200, "note": HOSTILE}, "embedder", outcomes))
    return made


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    of = judged()
    trouble = Trouble((f"bad.pdf is damaged {HOSTILE}",), (f"gone {HOSTILE}.pdf",))
    report.write(folder, of, runs(of), WANTED, trouble)
    return folder


class Seen(HTMLParser):
    """The elements and addresses of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[tuple[str, str | None]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [each for each in attrs if each[0] in ("src", "href", "xlink:href")]
        self.addresses += [each for each in attrs if each[0].startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_page_fetches_nothing_and_shows_hostile_text_as_text(written: Path) -> None:
    text = (written / "report.html").read_text(encoding="utf-8")
    seen = Seen()
    seen.feed(text)
    assert not seen.addresses
    assert not seen.tags & {"script", "img", "link", "iframe", "object", "a", "image", "use"}
    assert "url(" not in text and "@import" not in text
    assert any("<script>alert(1)</script>" in each for each in seen.text)
    assert {"svg", "figure", "table"} <= seen.tags
    assert "\x1b" not in text and "\u202e" not in text  # nothing steers or reorders what is shown


def test_the_markdown_holds_no_tag_link_or_picture_of_the_text(written: Path) -> None:
    text = (written / "report.md").read_text(encoding="utf-8")
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table"]).parse(text)
    every = [*tokens, *(child for token in tokens for child in token.children or ())]
    kinds = {token.type for token in every}
    assert not kinds & {"html_block", "html_inline", "link_open", "image"}
    headings = [
        tokens[at + 1].content for at, token in enumerate(tokens) if token.type == "heading_open"
    ]
    assert not any(heading.strip() == "heading" for heading in headings)
    cells = {
        sum(token.type == "td_open" for token in tokens[start:end]) for start, end in rows(tokens)
    }
    assert cells <= {0, 2, 3, 4}  # 0: heads; no cell was opened by a stranger's bar
    assert "\x1b" not in text and "\u202e" not in text


def rows(tokens: list) -> list[tuple[int, int]]:  # type: ignore[type-arg]
    starts = [at for at, token in enumerate(tokens) if token.type == "tr_open"]
    ends = [at for at, token in enumerate(tokens) if token.type == "tr_close"]
    return list(zip(starts, ends, strict=True))


def test_escaping_keeps_words_and_one_line() -> None:
    assert escaped("plain words, 14.2\n next") == "plain words, 14\\.2 next"


def test_every_figure_can_be_computed_again_from_the_results(written: Path) -> None:
    found = json.loads((written / "results.json").read_text())
    for configuration in found["configurations"]:
        values = [
            recall_at([each[0] for each in outcome["page"]], question["gold"]["page"], 10)
            for question, outcome in zip(found["questions"], configuration["outcomes"], strict=True)
        ]
        told = configuration["measures"]["recall@10"]
        assert told["value"] == pytest.approx(np.mean(values))
        assert told["low"] <= told["value"] <= told["high"]
        assert configuration["recall_curve"]["page"][9]["value"] == pytest.approx(told["value"])
    assert found["set"]["sha256"] == "a" * 64
    assert found["configurations"][0]["settings"]["candidates"] == 200
    assert found["statistics"]["seed"] and found["machine"]["cores"] and found["date"]
    assert found["failed"] and found["missing"]


def test_a_line_for_each_question_and_configuration() -> None:
    of = judged(10)
    lines = [json.loads(line) for line in report.question_lines(runs(of), WANTED)]
    assert [line["_id"] for line in lines[:4]] == ["q1", "q1", "q2", "q2"]
    assert len(lines) == 20
    third, tenth = lines[4], lines[18]
    assert (third["gold_rank"]["page"], third["measures"]["recall@1"]) == (4, 0.0)
    assert third["ranked"]["page"][3]["id"] in third["gold"]["page"]
    assert third["ranked"]["page"][3]["score"] == pytest.approx(0.9 - 3 / 50)
    assert (tenth["gold_rank"]["page"], tenth["measures"]["mrr@10"]) == (None, 0.0)


def test_the_farthest_questions_come_first_and_those_at_the_top_not_at_all() -> None:
    (run,) = runs(judged(), 1)
    ranks = [each.gold_rank(Level.PAGE) for each in farthest(run, Level.PAGE, 100)]
    assert ranks[:3] == [None, None, None]
    assert ranks[3:] == sorted(ranks[3:], reverse=True)
    assert 1 not in ranks


def test_scores_of_right_and_wrong_places_are_told_apart() -> None:
    (run,) = runs(judged(), 1)
    found = dict(
        zip((each.question.id for each in run.outcomes), margins(run, Level.PAGE), strict=True)
    )
    assert found["q7"] == (pytest.approx(0.9), pytest.approx(0.9))
    assert found["q3"] == (pytest.approx(0.84), pytest.approx(0.9))
    assert found["q10"] == (None, pytest.approx(0.9))


def test_a_run_of_one_question_that_found_nothing_can_be_reported(tmp_path: Path) -> None:
    of = judged(1)
    nothing = ask_all(of.questions, lambda question, k: [], names_of(of, []), WANTED)
    report.write(tmp_path, of, [Run("home", {}, "e", nothing)], WANTED, Trouble())
    assert "not found" in (tmp_path / "report.md").read_text(encoding="utf-8")
    facts = Facts(of, (), tuple(summarize([Run("h", {}, "e", nothing)], WANTED)), WANTED,
                  Trouble(), "", "", "")  # fmt: skip
    assert facts.summaries[0].means["recall@10"].value == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_the_page_fits_the_window_and_asks_for_nothing(
    written: Path, scheme: str, width: int
) -> None:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    assert chromium, "the browser tests need Chromium: apt-get install chromium"
    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context(
            viewport={"width": width, "height": 800},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto((written / "report.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        shown = page.locator("svg").count()
        browser.close()
    assert asked == [(written / "report.html").as_uri()]
    assert ground == ("rgb(20, 23, 22)" if scheme == "dark" else "rgb(248, 247, 243)")
    assert shown == 6
