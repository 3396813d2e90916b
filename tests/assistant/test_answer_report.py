"""The report on answers: figures can be computed again, and hostile text stays text."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from assistant import answer_report
from assistant.answer_figures import NAMES, count, measured, rows, summarize
from assistant.answer_outcome import AnswerRun, Judgement, Shown
from assistant.answer_report_facts import kinds, unsupported, wrong
from tests.assistant.answer_runs import Questions, questions, run

HOSTILE = (
    '</text></svg></td><script>alert(1)</script><img src="http://evil.example/x" onerror=x> '
    "| [click](http://evil.example) ![p](http://evil.example/p) `code` **bold** "
    "https://evil.example \x1b[31m\u202e \n# heading\n"
)


def hostile_runs(of: Questions) -> list[AnswerRun]:
    return [
        run(of, "default", refuse=7, wrong=11, hostile=HOSTILE, joules=12.5),
        run(of, "plain chain", refuse=20, wrong=3, invented=4, seconds=0.4, hostile=HOSTILE),
    ]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    of = questions(40, 30, HOSTILE)
    answer_report.write(folder, of, hostile_runs(of), [f"broken.pdf was refused {HOSTILE}"])
    return folder


class Seen(HTMLParser):
    """The elements of a page, what they fetch, and what stands where for those who do not see."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[tuple[str, str | None]] = []
        self.unnamed: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        held = dict(attrs)
        self.addresses += [
            each
            for each in attrs
            if each[0] in ("src", "href", "xlink:href", "style") or each[0].startswith("on")
        ]
        if tag == "svg" and not held.get("aria-label"):
            self.unnamed.append(tag)
        if tag == "th" and held.get("scope") not in ("col", "row"):
            self.unnamed.append(tag)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_page_fetches_nothing_and_shows_hostile_text_as_text(written: Path) -> None:
    text = (written / "report.html").read_text(encoding="utf-8")
    seen = Seen()
    seen.feed(text)
    assert all(
        name == "href" and value and value.startswith("#s") for name, value in seen.addresses
    )
    assert not set(seen.tags) & {"script", "img", "link", "iframe", "object", "image", "use"}
    assert "url(" not in text and "@import" not in text
    assert "default-src 'none'" in text
    assert any("<script>alert(1)</script>" in each for each in seen.text)
    assert "\x1b" not in text and "\u202e" not in text  # nothing steers or reorders what is shown


def test_the_page_has_headings_in_order_and_names_for_plots_and_heads(written: Path) -> None:
    seen = Seen()
    seen.feed((written / "report.html").read_text(encoding="utf-8"))
    assert not seen.unnamed
    levels = [int(tag[1]) for tag in seen.tags if tag in ("h1", "h2", "h3")]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert seen.tags.count("svg") == 4
    assert {"caption", "figcaption", "nav", "main"} <= set(seen.tags)


def test_the_markdown_holds_no_tag_link_or_picture_of_the_text(written: Path) -> None:
    text = (written / "report.md").read_text(encoding="utf-8")
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table"]).parse(text)
    every = [*tokens, *(child for token in tokens for child in token.children or ())]
    assert not {token.type for token in every} & {"html_block", "html_inline", "link_open", "image"}
    headings = [
        tokens[at + 1].content for at, token in enumerate(tokens) if token.type == "heading_open"
    ]
    assert not any(heading.strip() == "heading" for heading in headings)
    assert "\x1b" not in text and "\u202e" not in text


def test_every_figure_can_be_computed_again_from_the_results(written: Path) -> None:
    found = json.loads((written / "results.json").read_text())
    assert set(found["figures"]) == set(NAMES)
    for configuration in found["configurations"]:
        held = configuration["outcomes"]
        for name in NAMES:
            above = sum(each["terms"][name][0] for each in held)
            below = sum(each["terms"][name][1] for each in held)
            assert configuration["figures"][name]["value"] == pytest.approx(above / below), name
        # Some of them again, from the judgements alone.
        judged = [each["judged"] for each in held]
        yes = [each for each in judged if each["answerable"]]
        shown = [each for each in judged if not each["refused"]]
        refused = [each for each in judged if each["refused"]]
        right = [each for each in refused if not each["answerable"]]
        figures = {name: each["value"] for name, each in configuration["figures"].items()}
        assert figures["correct"] == pytest.approx(sum(each["correct"] for each in yes) / len(yes))
        wrongs = sum(each["wrong_shown"] for each in judged)
        assert figures["wrong_shown"] == pytest.approx(wrongs / len(judged))
        assert figures["wrong_of_shown"] == pytest.approx(wrongs / len(shown))
        precision, recall = len(right) / len(refused), len(right) / (len(judged) - len(yes))
        assert figures["refusal_f1"] == pytest.approx(2 * precision * recall / (precision + recall))
        seconds = sorted(each["shown"]["seconds"] for each in held)
        assert configuration["latency_p95_seconds"] == seconds[-(-95 * len(seconds) // 100) - 1]
    first, second = found["configurations"]
    assert first["costs"]["joules"]["value"] == pytest.approx(12.5)
    assert second["costs"]["joules"]["value"] is None
    change = second["differences"]["wrong_shown"]["value"]
    values = [each["figures"]["wrong_shown"]["value"] for each in (first, second)]
    assert change == pytest.approx(values[1] - values[0])
    assert found["set"]["sha256"] == "a" * 64 and found["machine"]["cores"] and found["date"]
    assert found["statistics"]["seeds"]["statistics"] and found["remarks"]


def test_the_report_says_what_it_was_measured_with(written: Path) -> None:
    seen = Seen()
    seen.feed((written / "report.html").read_text(encoding="utf-8"))
    text = " ".join(seen.text)
    for told in ("a" * 64, "b" * 64, "answer-1 394d879e", "passages = 10", "model 42", "cores"):
        assert told in text, told


def test_the_summary_counts_what_a_reader_would_count(tmp_path: Path) -> None:
    of = questions(20, 10)
    default = run(of, "default", refuse=5, wrong=7)
    answer_report.write(tmp_path, of, [default])
    text = (tmp_path / "report.md").read_text(encoding="utf-8").replace("\\", "")
    answerable = default.judged[:20]
    right = sum(each.correct for each in answerable)
    wrongs = sum(each.wrong_shown for each in answerable)
    refused = sum(each.refused for each in answerable)
    assert right + wrongs + refused == 20 and wrongs
    assert f"Of 20 questions that the documents answer, {right} got the right answer" in text
    assert f"{refused} were refused, and {wrongs} got a wrong answer." in text
    held = [each.refused for each in default.judged[20:]]
    assert f"{sum(held)} were refused, as they should be" in text
    shown = 30 - refused - sum(held)
    assert f"Of everything shown ({shown} answers)" in text
    assert "Differences" not in text  # there is nothing to compare with


def test_every_wrong_answer_and_every_thing_without_support_is_listed(written: Path) -> None:
    of = questions(40, 30, HOSTILE)
    seen = Seen()
    seen.feed((written / "report.html").read_text(encoding="utf-8"))
    text = " ".join(seen.text)
    for each in hostile_runs(of):
        held = rows(of.cases, each)
        bad = wrong(held)
        assert len(bad) == sum(one.wrong_shown for one in each.judged)
        assert all(f"record-{row.case.id[1:]}" in text for row in bad)
        assert [row.judged.answerable for row in bad] == sorted(
            (row.judged.answerable for row in bad), reverse=True
        )
    chain = unsupported(rows(of.cases, hostile_runs(of)[1]))
    assert kinds(chain).keys() == {"number", "word"}
    assert f"all {len(chain)}" in text


def test_the_right_place_alone_is_neither_right_nor_wrong() -> None:
    of = questions(4, 0)
    base = run(of, "default", refuse=9, wrong=9)
    partly = replace(base.judged[1], correct=False, partial=True)
    counts = count(rows(of.cases, replace(base, judged=(*base.judged[:1], partly,
                                                        *base.judged[2:]))))  # fmt: skip
    assert (counts.right, counts.partial, counts.wrong, counts.refused) == (2, 1, 0, 1)


def test_nothing_answerable_nothing_shown_and_one_question_can_be_reported(tmp_path: Path) -> None:
    of = questions(0, 1)
    shown = Shown("q0", "FAILED", "", seconds=0.0)
    only = AnswerRun("default", "", "", {}, (shown,), (Judgement("q0", False, True, True, False),))
    (summary,) = answer_report.write(tmp_path, of, [only])
    assert summary.counts.failed == 1
    text = (tmp_path / "report.md").read_text(encoding="utf-8").replace("\\", "")
    assert "1 was not answered because something broke" in text
    assert "correct" not in measured(of.cases, only)  # a gate then says that it was not measured
    assert measured(of.cases, only)["refusal_recall"] == 1.0
    assert json.loads((tmp_path / "results.json").read_text())["configurations"][0]["figures"][
        "correct"
    ]["value"] is None  # fmt: skip


def test_runs_of_other_questions_are_not_compared() -> None:
    of, other = questions(5, 5), questions(6, 4)
    with pytest.raises(ValueError, match="zip"):
        summarize(of.cases, [run(questions(5, 4), "default", refuse=3, wrong=4)])
    renamed = tuple(replace(case, id=f"x{case.id}") for case in other.cases)
    with pytest.raises(ValueError, match="another question"):
        summarize(renamed, [run(of, "default", refuse=3, wrong=4)])


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_the_page_fits_the_window_asks_for_nothing_and_can_be_read(
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
        contrasts = page.evaluate(CONTRASTS)
        browser.close()
    assert asked == [(written / "report.html").as_uri()]
    assert len(contrasts) > 20
    assert min(contrasts.values()) >= 4.5, {k: v for k, v in contrasts.items() if v < 4.5}


# The contrast of every kind of text with what it stands on, as WCAG 2 reckons it.
CONTRASTS = """() => {
  const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number).map(v => {
    v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const clear = c => c === 'transparent' || /^rgba\\(.*, 0\\)$/.test(c);
  const found = {};
  for (const node of document.querySelectorAll('h1,h2,h3,p,li,dt,dd,th,td,caption,figcaption,b,a,'
      + 'code,summary,svg text')) {
    const style = getComputedStyle(node);
    const ink = node instanceof SVGElement ? style.fill : style.color;
    let ground = node.previousElementSibling?.matches?.('rect.piece')
      && /^on-/.test(node.getAttribute('class'))
      ? getComputedStyle(node.previousElementSibling).fill : null;
    for (let at = node; !ground && at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!clear(colour)) ground = colour;
    }
    const [one, two] = [light(ink), light(ground)];
    const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    const key = node.tagName + ' ' + (node.getAttribute('class') || '') + ' ' + ink + ground;
    found[key] = Math.min(found[key] ?? 99, ratio);
  }
  return found;
}"""
