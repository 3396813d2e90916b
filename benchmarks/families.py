"""Families of documents that say nearly the same: invented firms' reports, year after year.

A corpus of regulated documents is full of such families (quarterly reports, versions of a policy,
contracts from one template), and a passage in one of them does not say whose it is. Everything
here is invented and made from a seed, so that weights can be chosen on it without touching the
sets on which they are measured. Each report has eight sections of its own figures and of
boilerplate; one in three carries the firm's name in its title, one in three in the name of its
file, all on their first page.

`write(folder, seed)` writes the reports as Markdown and gives questions with the file and section
(page) that answers each.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FIRMS = (
    ("Harrow Estates", "HRW"), ("Velmont Foods", "VELMONT"), ("Castellane Energy", "CTLE"),
    ("Brightwater Shipping", "BWSH"), ("Norvik Instruments", "NRVK"), ("Tallow & Pine", "TPINE"),
    ("Ostrava Chemicals", "OSTC"), ("Lindqvist Medical", "LQM"), ("Merrow Bank", "MERROW"),
    ("Aldgate Insurance", "ALDG"), ("Quillon Robotics", "QLN"), ("Sable Telecom", "SBLT"),
)  # fmt: skip
_YEARS = (2019, 2020, 2021, 2022, 2023)
_REGIONS = ("Northern Europe", "Southern Europe", "the Americas", "Asia and the Pacific")
_RISKS = (
    "Prices of raw materials may rise faster than we can pass them on to customers.",
    "We depend on a small number of suppliers and on the ports that they ship through.",
    "Changes in currency rates affect the value of sales that are made abroad.",
    "A failure of information systems could interrupt deliveries and harm our reputation.",
    "New rules on emissions may require investments that are not yet planned.",
    "The outcome of pending litigation cannot be predicted with certainty.",
)
_CARE = (
    "Estimates are reviewed at each reporting date and revised where facts have changed.",
    "Amounts are stated in millions and may not add up because of rounding.",
    "The notes are an integral part of these statements.",
    "Management believes that the disclosures are adequate to make the information not misleading.",
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and where its answer stands: `page` counts sections from 1."""

    text: str
    source: str
    page: int


def write(folder: Path, seed: int = 5) -> list[Asked]:
    """Write the reports into `folder`; the questions about them, the same for the same seed."""
    chance = random.Random(seed)
    asked: list[Asked] = []
    last = max(_YEARS)
    for number, (firm, short) in enumerate(_FIRMS):
        for year in _YEARS:
            source = f"{short}_{year}.md" if number % 3 == 1 else f"report-{number:02}-{year}.md"
            title = f"{firm}: annual report {year}" if number % 3 == 0 else "Annual report"
            figures = _Figures(chance, year)
            sections = list(_sections(chance, firm, year, figures))
            body = "\n\n".join(f"## {head}\n\n{text}" for head, text in sections)
            (folder / source).write_text(f"# {title}\n\n{body}\n", encoding="utf-8")
            for text, section in _questions(chance, firm, year, year == last):
                page = next(at for at, (head, _) in enumerate(sections, 1) if head == section)
                asked.append(Asked(text, source, page + _BEFORE))
    return asked


_BEFORE = 0  # what stands before the first section belongs to it


class _Figures:
    """One year's figures of one firm."""

    def __init__(self, chance: random.Random, year: int) -> None:
        self.year = year
        self.sales = chance.randint(800, 9_000)
        self.before = chance.randint(800, 9_000)
        self.profit = chance.randint(40, 900)
        self.staff = chance.randint(900, 60_000)
        self.research = chance.randint(10, 400)
        self.dividend = chance.randint(20, 300) / 100
        self.debt = chance.randint(100, 4_000)
        self.rate = chance.randint(12, 31)
        self.regions = [chance.randint(100, 3_000) for _ in _REGIONS]


def _sections(
    chance: random.Random, firm: str, year: int, f: _Figures
) -> Iterator[tuple[str, str]]:
    care = chance.sample(_CARE, 2)
    yield (
        "Cover",
        (
            f"Annual report for the financial year ended 31 December {year}\n\n{firm} plc\n\n"
            "Registered office and number as stated in the register of companies."
        ),
    )
    yield (
        "Results",
        (
            f"Net sales were {f.sales:,} million, compared with {f.before:,} million in the year "
            f"before. Profit after tax was {f.profit} million. {care[0]}"
        ),
    )
    rows = "\n".join(f"| {r} | {n:,} |" for r, n in zip(_REGIONS, f.regions, strict=True))
    yield "Sales by region", f"| Region | Net sales {year} |\n|---|---|\n{rows}"
    yield (
        "Research",
        (
            f"Expenditure on research and development was {f.research} million. Work went on with "
            f"materials, processes and software. {care[1]}"
        ),
    )
    yield "People", f"On average {f.staff:,} people were employed. {chance.choice(_CARE)}"
    yield "Risk factors", " ".join(chance.sample(_RISKS, 4))
    yield (
        "Debt and dividend",
        (
            f"Borrowings stood at {f.debt:,} million at the end of the year. The board proposes a "
            f"dividend of {f.dividend:.2f} a share. {chance.choice(_CARE)}"
        ),
    )
    yield (
        "Taxes",
        (
            f"The effective tax rate was {f.rate} per cent. {chance.choice(_CARE)} Deferred taxes "
            "are recognised for temporary differences."
        ),
    )


def _questions(
    chance: random.Random, firm: str, year: int, newest: bool
) -> Iterator[tuple[str, str]]:
    """Three of a report's questions; of the newest, one that asks for the latest report."""
    when = chance.choice([f"in {year}", f"for fiscal year {year}", f"in its {year} annual report"])
    region = chance.choice(_REGIONS)
    every = [
        (f"What were {firm}'s net sales {when}?", "Results"),
        (f"How much did {firm} spend on research and development {when}?", "Research"),
        (f"How many people worked for {firm} {when}?", "People"),
        (f"What risks did {firm} describe {when}?", "Risk factors"),
        (f"What dividend did {firm} propose {when}?", "Debt and dividend"),
        (f"What was the effective tax rate of {firm} {when}?", "Taxes"),
        (f"{firm} {year}: net sales in {region}", "Sales by region"),
    ]
    if newest:
        yield f"What was {firm}'s effective tax rate in the most recent report?", "Taxes"
    yield from chance.sample(every, 3)
