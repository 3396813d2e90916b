"""Questions on quarterly reports and the pages that answer them: gold for `ten_q_pages.py`.

Read apart from the product: the text of a page as PDFium gives it, cells of tables from
`tables_gold`. A question asks for a cell (row label and column head) or for the amount, share or
date that a sentence states, of which it takes over no more than three words in sequence. Every
page of the report that answers it is gold: for a cell those on which the label's row holds the
value, or label and value both stand; for a sentence those on which the fact stands among the words
of the question. What another place of the report could answer otherwise is not asked.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pypdfium2
from tables_gold import Cell, cells_of, key

COMPANIES = {
    "AAPL": "Apple", "AMZN": "Amazon", "INTC": "Intel", "MSFT": "Microsoft", "NVDA": "NVIDIA",
}  # fmt: skip

_MOST_PAGES = 4  # a cell on more pages than that is no question for a page
_NEAR = 300  # characters before and after a fact that belong to it
_MOST_SAID = 4  # a fact that stands more often, such as the quarter's last day, is no answer
_SHARE = 0.6  # of a question's words that must stand near the fact on a page that answers it

_MONTH = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"
)
FACTS = {
    "amount": re.compile(r"\$\s?\d[\d,]*(?:\.\d+)?(?:\s(?:million|billion|thousand))?(?![\d%])"),
    "share": re.compile(r"(?<![\d.$,-])\d+(?:\.\d+)?\s?%"),
    "date": re.compile(_MONTH + r"\s\d{1,2},\s(?:19|20)\d\d"),
}
_SENTENCE = re.compile(r"(?<=[a-z)%][.])\s+(?=[A-Z])")
_WORD = re.compile(r"[A-Za-z][A-Za-z’'-]+")
_SAID_EVERYWHERE = """a about above after all also although among an and any approximately are as
at based be been before being below between both but by can certain could did do does due during
each ended ending for from had has have if in including inclusive into is it its may million billion
months more most nine no not of on or other our over per quarter related respectively same should
six such than that the their there these they this those three through to total under up was we were
when where which while will with within would year years thousand compared company approximate end
first second third fourth fiscal primarily period periods out"""
_LIGHT = frozenset(_SAID_EVERYWHERE.split())


@dataclass(frozen=True, slots=True)
class Report:
    """A report: its file, company, the quarter it is called by, and the text of its pages."""

    file: str
    company: str
    quarter: str
    pages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PageQuestion:
    """A question, the pages (from 1) of its report that answer it, and the answer."""

    kind: str  # "table" or "text"
    text: str
    file: str
    pages: tuple[int, ...]
    answer: str


def read_report(path: Path) -> Report:
    """The report in a file that is called by year, quarter and ticker: "2022 Q3 AAPL.pdf"."""
    year, quarter, ticker = path.stem.split()
    with pypdfium2.PdfDocument(path) as pdf:
        pages = tuple(_plain(page.get_textpage().get_text_range()) for page in pdf)
    return Report(path.name, COMPANIES[ticker], f"{quarter} {year}", pages)


def _plain(text: str) -> str:
    """One line, with words that were broken at a line's end whole again (PDFium marks them)."""
    joined = re.sub(r"[\ufffe\u00ad\x02]\s*", "", text)
    return " ".join(joined.split())


def _possessive(name: str) -> str:
    return f"{name}'s"


# --- cells of tables ------------------------------------------------------------------------------


def table_questions(report: Report, cells: Sequence[Cell]) -> list[PageQuestion]:
    """A question for each cell that this report prints on few pages."""
    found = []
    for cell in cells:
        if sum(map(str.isdigit, cell.value)) < 3:  # stands on many a page by chance
            continue
        pages = tuple(
            number
            for number, text in enumerate(report.pages, start=1)
            if number == cell.page or _answers(text, cell)
        )
        if len(pages) <= _MOST_PAGES:
            asked = _ask_cell(report, cell)
            found.append(PageQuestion("table", asked, report.file, pages, cell.value))
    return found


def _answers(text: str, cell: Cell) -> bool:
    """Whether label and value both stand on a page."""
    value = rf"(?<![\d,.]){re.escape(cell.value)}(?![\d,]|\.\d)"
    return f" {key(cell.label)} " in f" {key(text)} " and re.search(value, text) is not None


def _ask_cell(report: Report, cell: Cell) -> str:
    """As a person would put it: period or day in words, whatever else the column's head says."""
    label = cell.label if cell.label[:2].isupper() else cell.label[0].lower() + cell.label[1:]
    day = rf"{_MONTH} \d{{1,2}}, \d{{4}}"
    told = f"in the {report.quarter} 10-Q"
    spoken = cell.head[0].lower() + cell.head[1:]
    if re.fullmatch(rf"(?:Three|Six|Nine|Twelve) Months Ended {day}", cell.head, re.IGNORECASE):
        spoken = re.sub(r"Months Ended", "months ended", spoken, flags=re.IGNORECASE)
        return f"What was {_possessive(report.company)} {label} for the {spoken} {told}?"
    if re.fullmatch(day, cell.head):
        return f"What was {_possessive(report.company)} {label} as of {cell.head} {told}?"
    return f"What was {_possessive(report.company)} {label} ({cell.head}) {told}?"


# --- sentences ------------------------------------------------------------------------------------


def text_questions(report: Report) -> list[PageQuestion]:
    """A question for each sentence of the report that states one fact of its kind."""
    found = []
    for text in report.pages:
        for sentence in _SENTENCE.split(text):
            asked = _ask_sentence(report, sentence)
            if asked is not None:
                found.append(asked)
    return list({each.text: each for each in found}.values())


def _content(text: str) -> list[str]:
    words = (word.lower().strip("'’-") for word in _WORD.findall(text))
    return [word for word in words if word not in _LIGHT and len(word) > 2]


def _ask_sentence(report: Report, sentence: str) -> PageQuestion | None:
    words = sentence.split()
    if not 12 <= len(words) <= 45 or sum(word[0].isdigit() for word in words) > 4:
        return None
    for kind, pattern in FACTS.items():
        facts = pattern.findall(sentence)
        if len(facts) != 1 or _often(report, facts[0]) or facts[0].startswith("100"):
            continue
        phrases = _phrases(sentence.replace(facts[0], " ; "))
        if len(phrases) < 3:
            return None
        told = {word for phrase in phrases for word in _content(phrase)}
        pages, otherwise = _answering(report, kind, facts[0], told)
        if otherwise or not pages or len(pages) > _MOST_PAGES:
            return None
        return PageQuestion("text", _asked(report, kind, phrases), report.file, pages, facts[0])
    return None


def _often(report: Report, fact: str) -> bool:
    return sum(text.count(fact) for text in report.pages) > _MOST_SAID


def _phrases(sentence: str) -> list[str]:
    """Up to four runs of at most three content words, drawn by chance and not for being rare,
    which would make it easy for words alone; the last one first."""
    runs: list[list[str]] = [[]]
    for token in re.findall(r"[A-Za-z][A-Za-z’'-]+|[^\sA-Za-z]+", sentence):
        if _WORD.fullmatch(token) and token.lower() not in _LIGHT and len(runs[-1]) < 3:
            runs[-1].append(token)
        elif runs[-1]:
            runs.append([token] if _WORD.fullmatch(token) and token.lower() not in _LIGHT else [])
    whole = [(at, " ".join(run)) for at, run in enumerate(runs) if _content(" ".join(run))]
    random.Random(sentence).shuffle(whole)
    told: set[str] = set()
    chosen: list[tuple[int, str]] = []
    for at, phrase in whole:
        words = set(_content(phrase))
        if not words <= told and not re.fullmatch(_MONTH, phrase) and len(chosen) < 4:
            chosen.append((at, phrase))
            told |= words
    return [phrase for _, phrase in sorted(chosen, reverse=True)]


def _asked(report: Report, kind: str, phrases: Sequence[str]) -> str:
    what = {"amount": "What amount", "share": "What percentage", "date": "Which date"}[kind]
    told = f"{', '.join(phrases[:-1])} and {phrases[-1]}"
    return (
        f"{what} does {report.company} state in the {report.quarter} 10-Q in connection with "
        f"{told}?"
    )


def _answering(
    report: Report, kind: str, fact: str, told: set[str]
) -> tuple[tuple[int, ...], bool]:
    """The pages on which `fact` stands among the words of the question, and whether another fact
    of the kind stands among as many, so that the question would have two answers."""
    pages = []
    otherwise = False
    for number, text in enumerate(report.pages, start=1):
        for at in FACTS[kind].finditer(text):
            around = set(_content(text[max(0, at.start() - _NEAR) : at.end() + _NEAR]))
            share = len(told & around) / len(told)
            if _same(at[0], fact):
                if share >= _SHARE and number not in pages:
                    pages.append(number)
            elif share >= 0.99 and not _beside(text, at.start(), fact):
                otherwise = True
    return tuple(pages), otherwise


def _same(one: str, other: str) -> bool:
    return re.sub(r"\s", "", one) == re.sub(r"\s", "", other)


def _beside(text: str, at: int, fact: str) -> bool:
    """Whether the fact itself stands near, so that the words are those of its sentence."""
    return fact in text[max(0, at - 2 * _NEAR) : at + 2 * _NEAR]


# --- the draw -------------------------------------------------------------------------------------


def draw(files: Sequence[Path], count: int, seed: int) -> Iterator[PageQuestion]:
    """`count` questions, half of each kind, as evenly from the reports as they allow."""
    chosen = random.Random(seed)
    reports = [read_report(path) for path in files]
    pools = {
        "table": [
            table_questions(report, cells_of(path))
            for report, path in zip(reports, files, strict=True)
        ],
        "text": [text_questions(each) for each in reports],
    }
    for pool in pools.values():
        for questions in pool:
            chosen.shuffle(questions)
        left = count // 2
        while left and any(pool):
            for questions in pool:
                if questions and left:
                    yield questions.pop()
                    left -= 1
