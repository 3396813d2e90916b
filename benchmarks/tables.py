"""Finds 300 cells of real tables by their row label and column head.

    python benchmarks/tables.py FOLDER [--cells 300] [--seed 3] [--reports N] [--home DIR]
                               [--no-chain] [--misses FILE] [--show N]

FOLDER holds the 20 quarterly reports (PDF). The cells are drawn, the same number from each report,
by a reading of the page that shares nothing with the product: characters straight from PDFium,
lines by their height on the page, columns by the right edges of numbers, heads by what stands
above. Only tables that this plain method reads without doubt take part: every column has a head of
its own, a row's label is one line of words, its values differ, and label and head name one value in
the whole report.

A cell is found if one of the first 5 hits holds, in its text or the context that is searched with
it, the row (label and value, with nothing but figures between) and every word of the column's head;
in whatever report, for several print the same cell. Three figures:
  named     the question names company and quarter too, as a person would; the floor holds for this
  unnamed   row label and column head only, of the cells whose label and head no other report has
            with another value: no floor, it falls short of 0.90
  bare      row label and column head only, all cells, though another company's row answers as well
and the same for the usual chain (pypdf, RecursiveCharacterTextSplitter of 1,000 characters with 200
shared, the same embedder, dense only). "rows" beside a figure leaves the head out of the check.

Prints one JSON object; ends with 1 if a floor is missed. --home keeps the index, and uses it if it
is there. The drawn cells were compared with the rendered pages by eye, 30 of them: all values and
labels were right, and 29 heads (one said one level more than the page does).
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pypdf
from langchain_text_splitters import RecursiveCharacterTextSplitter
from tables_gold import Cell, cells_of, key

from audit.compose import open_log
from audit.record import Actor
from index.compose import open_embedder, open_index
from index.context import searchable_text
from index.document import Scope
from index.ports import Embedder
from index.settings import IndexSettings
from ingest.compose import open_ingestor

FLOOR = 0.90
FIRST = 5  # hits
COMPANIES = {
    "AAPL": "Apple", "AMZN": "Amazon", "INTC": "Intel", "MSFT": "Microsoft", "NVDA": "NVIDIA",
}  # fmt: skip

_NUMERIC = r"[\s$()%—–|\d,.*-]*?"


def draw(pool: dict[str, list[Cell]], count: int, seed: int) -> list[Cell]:
    """The same number of cells from each report."""
    chosen = random.Random(seed)
    each = count // len(pool)
    return [cell for name in sorted(pool) for cell in chosen.sample(pool[name], each)]


def shared_names(pool: dict[str, list[Cell]]) -> set[tuple[str, str]]:
    """Label and head that name different values in different reports."""
    values: dict[tuple[str, str], set[str]] = defaultdict(set)
    for cells in pool.values():
        for cell in cells:
            values[key(cell.label), key(cell.head)].add(cell.value)
    return {key for key, found in values.items() if len(found) > 1}


# --- asking ---------------------------------------------------------------------------------------


def bare(cell: Cell) -> str:
    """Row label and column head."""
    return f"{cell.label}, {cell.head}"


def named(cell: Cell) -> str:
    """The same of a company's report, as a person would ask."""
    year, quarter, ticker = Path(cell.report).stem.split()
    return f"{COMPANIES[ticker]} ({ticker}) {quarter} {year}: {bare(cell)}"


def holds_row(text: str, cell: Cell) -> bool:
    """Whether a text holds the cell's row up to its value."""
    label = r"\s+".join(re.escape(word) for word in cell.label.split())
    value = rf"(?<![\d,.]){re.escape(cell.value)}(?![\d,]|\.\d)"
    return re.search(rf"{label}\s*\|?{_NUMERIC}{value}", text) is not None


def holds_head(text: str, cell: Cell) -> bool:
    """Whether a text holds every word of the column's head."""
    return set(re.findall(r"\w+", cell.head.lower())) <= set(re.findall(r"\w+", text.lower()))


Search = Callable[[str], list[tuple[str, str]]]
"""A question's first hits: the text of each, and what was searched: the text with its context."""


def measure(search: Search, cells: Sequence[Cell], ask: Callable[[Cell], str]) -> dict[str, Any]:
    """Shares of cells found, with and without the check of the head, and what was missed."""
    rows = found = 0
    missed = []
    for cell in cells:
        hits = search(ask(cell))
        with_row = [whole for text, whole in hits if holds_row(text, cell)]
        rows += bool(with_row)
        if any(holds_head(whole, cell) for whole in with_row):
            found += 1
        else:
            missed.append({**asdict(cell), "row": bool(with_row)})
    count = max(1, len(cells))
    return {"found": found / count, "rows": rows / count, "cells": len(cells), "missed": missed}


def asked(
    search: Search, cells: Sequence[Cell], shared: set[tuple[str, str]]
) -> dict[str, dict[str, Any]]:
    """The three figures of one way to search."""
    alone = [cell for cell in cells if (key(cell.label), key(cell.head)) not in shared]
    return {
        "named": measure(search, cells, named),
        "unnamed": measure(search, alone, bare),
        "bare": measure(search, cells, bare),
    }


# --- the two ways ---------------------------------------------------------------------------------


def ingest(home: Path, files: Iterable[Path]) -> dict[str, Any]:
    """The reports into `home`."""
    with (
        open_log(home) as log,
        open_ingestor(home, log, Actor("service", "benchmark")) as ingestor,
    ):
        began = time.monotonic()
        summary = ingestor.add(list(files))
        failed = [each.sentence for each in summary.failed]
        seconds = round(time.monotonic() - began, 1)
    return {"chunks": summary.chunks, "seconds": seconds, "failed": failed}


def product(home: Path, cells: Sequence[Cell], shared: set[tuple[str, str]]) -> dict[str, Any]:
    """What the product finds on `home`."""
    with open_index(home) as index:
        scope = Scope(frozenset(each.name for each in index.collections()))

        def search(question: str) -> list[tuple[str, str]]:
            hits = index.search(question, scope, FIRST).hits
            return [
                (hit.text, searchable_text(hit.document.title, replace(hit.chunk, text=hit.text)))
                for hit in hits
            ]

        return asked(search, cells, shared)


def usual_chain(
    files: Sequence[Path], embedder: Embedder, cells: Sequence[Cell], shared: set[tuple[str, str]]
) -> dict[str, Any]:
    """What pypdf, a recursive splitter and vectors find."""
    pypdf.overwrite_configuration(array_maximum_element_count=10_000_000)  # tagged files have more
    splitter = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200)
    texts = [
        chunk
        for path in files
        for page in pypdf.PdfReader(path).pages
        for chunk in splitter.split_text(page.extract_text())
    ]
    vectors = embedder.embed_passages(texts)

    def search(question: str) -> list[tuple[str, str]]:
        scores = vectors @ embedder.embed_query(question)
        return [(texts[at], texts[at]) for at in np.argsort(-scores)[:FIRST]]

    return asked(search, cells, shared)


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cells", type=int, default=300)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--reports", type=int, default=0, help="only so many; 0: all")
    parser.add_argument("--home", type=Path, help="keep the index here, or use the one that is")
    parser.add_argument("--no-chain", action="store_true")
    parser.add_argument("--misses", type=Path, help="write what was missed to this JSON file")
    parser.add_argument("--show", type=int, default=0, help="only print so many drawn cells")
    options = parser.parse_args()
    files = sorted(options.folder.glob("*.pdf"))[: options.reports or None]
    pool = {path.name: cells_of(path) for path in files}
    cells = draw(pool, options.cells, options.seed)
    if options.show:
        for cell in random.Random(options.seed).sample(cells, options.show):
            print(json.dumps(asdict(cell), ensure_ascii=False))
        return 0
    scratch = None if options.home else Path(tempfile.mkdtemp(prefix="tables-"))
    home = options.home or Path(str(scratch), "home")
    try:
        ready = (home / "catalogue.db").exists()
        result: dict[str, Any] = {"cells": len(cells), "of": sum(map(len, pool.values()))}
        result["ingested"] = {} if ready else ingest(home, files)
        shared = shared_names(pool)
        found = {"cloister": product(home, cells, shared)}
        if not options.no_chain:
            embedder = open_embedder(home, IndexSettings.load(home))
            found["usual chain"] = usual_chain(files, embedder, cells, shared)
    finally:
        if scratch:
            shutil.rmtree(scratch, ignore_errors=True)
    if options.misses:
        options.misses.write_text(json.dumps(found, indent=1, ensure_ascii=False))
    for way, figures in found.items():
        result[way] = {name: _told(figure) for name, figure in figures.items()}
    print(json.dumps(result, indent=2))
    return int(found["cloister"]["named"]["found"] < FLOOR)


def _told(figure: dict[str, Any]) -> dict[str, Any]:
    """A figure without the list of what was missed."""
    return {name: round(value, 3) for name, value in figure.items() if name != "missed"}


if __name__ == "__main__":
    sys.exit(main())
