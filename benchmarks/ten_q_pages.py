"""Quarterly reports: the right page and the right report among the first five.

    python benchmarks/ten_q_pages.py FOLDER SET [--home HOME] [--no-chain] [--show N]

FOLDER holds the 20 reports (PDF, "2022 Q3 AAPL.pdf") and `qna_data.csv`. SET is a folder that gets
two sets for `cloister eval retrieval`, drawn with a seed:
  pages    100 questions with page gold, half on cells of tables and half on sentences, which
           `ten_q_gold.py` makes from the files apart from the product's readers
  reports  the questions of qna_data.csv that name one report as their source ("*2023 Q3 AAPL*")
All reports are in one collection; every question names company and quarter, as people do.

Prints one JSON object and ends with 1 if a floor is missed:
  pages: page recall@5, 0.60
  reports: the right report among the reports of the first 5 hits, 0.95; beside it, among the first
           5 different reports
and for the page questions the same of the usual chain (pypdf, RecursiveCharacterTextSplitter of
1,000 characters with 200 shared, the same embedder, vectors only), with the ratio to it.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pypdf
from langchain_text_splitters import RecursiveCharacterTextSplitter
from ten_q_gold import PageQuestion, draw

from assistant.metrics import recall_at, success_at
from index.compose import open_embedder
from index.settings import IndexSettings

PAGE_FLOOR, REPORT_FLOOR = 0.60, 0.95
FIRST = 5
_CHUNKS = 200  # of the usual chain, so that five different pages are among them


def write_set(
    folder: Path, files: Iterable[Path], asked: Iterable[tuple[str, str, Sequence[str]]]
) -> None:
    """A set of questions (id, text, judged ids) over `files`, in the place of an earlier one."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("documents", "qrels"):
        (folder / name).mkdir(parents=True)
    for path in files:
        shutil.copyfile(path, folder / "documents" / path.name)
    with (
        (folder / "queries.jsonl").open("w", encoding="utf-8") as queries,
        (folder / "qrels" / "dev.tsv").open("w", encoding="utf-8") as qrels,
    ):
        qrels.write("query-id\tcorpus-id\tscore\n")
        for id_, text, gold in asked:
            queries.write(json.dumps({"_id": id_, "text": text}) + "\n")
            qrels.writelines(f"{id_}\t{each}\t1\n" for each in gold)


def page_rows(questions: Sequence[PageQuestion]) -> list[tuple[str, str, list[str]]]:
    """Questions with page gold, as `write_set` takes them."""
    return [
        (f"{each.kind}-{number}", each.text, [f"{each.file}#{page}" for page in each.pages])
        for number, each in enumerate(questions, start=1)
    ]


def report_rows(table: Path, files: Sequence[Path]) -> list[tuple[str, str, list[str]]]:
    """The questions whose sources are one file."""
    names = {path.stem: path.name for path in files}
    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = [(row["Question"].strip(), row["Source Docs"]) for row in csv.DictReader(file)]
    return [
        (f"report-{number}", text, [names[source.strip("* ")]])
        for number, (text, source) in enumerate(rows, start=1)
        if source.strip("* ") in names
    ]


def evaluate(home: Path, folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What the command says of a set, and of each of its questions."""
    with tempfile.TemporaryDirectory(prefix="ten-q-") as scratch:
        lines = Path(scratch, "questions.jsonl")
        command = [sys.executable, "-m", "ui.main", "--home", str(home), "eval", "retrieval"]
        command += [str(folder), "-k", str(FIRST), "--json", "--per-question", str(lines)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        told = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    return json.loads(done.stdout), told


def measured(folder: Path, home: Path) -> dict[str, Any]:
    """Page and report recall of the page questions, of each kind too."""
    line, told = evaluate(home, folder)
    kinds = {}
    for kind in ("table", "text"):
        values = [each["measures"]["recall@5"] for each in told if each["_id"].startswith(kind)]
        kinds[kind] = round(sum(values) / len(values), 3)
    return {
        "page recall@5": line["recall@5"],
        "interval": line["intervals"]["recall@5"],
        "page success@5": line["success@5"],
        "report recall@5": line["document_recall@5"],
        **{f"page recall@5, {kind}": value for kind, value in kinds.items()},
        "latency_p95_ms": line["latency_p95_ms"],
    }


def reports_found(folder: Path, home: Path) -> dict[str, Any]:
    """Shares of the questions on one report that find it."""
    line, told = evaluate(home, folder)
    among_hits = [
        any(
            each["id"] in one["gold"]["document"] and each["hit"] <= FIRST
            for each in one["ranked"]["document"]
        )
        for one in told
    ]
    missed = [one["text"] for one, found in zip(told, among_hits, strict=True) if not found]
    return {
        "questions": line["questions"],
        "among the reports of the first 5 hits": round(sum(among_hits) / len(told), 4),
        "among the first 5 reports": line["success@5"],
        "missed": missed,
    }


def usual_chain(
    files: Sequence[Path], rows: Sequence[tuple[str, str, list[str]]], home: Path
) -> dict[str, float]:
    """Page recall and success at 5 of pypdf, a recursive splitter and vectors."""
    pypdf.overwrite_configuration(array_maximum_element_count=10_000_000)  # tagged files have more
    splitter = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200)
    places: list[str] = []
    texts: list[str] = []
    for path in files:
        for number, page in enumerate(pypdf.PdfReader(path).pages, start=1):
            for chunk in splitter.split_text(page.extract_text()):
                places.append(f"{path.name}#{number}")
                texts.append(chunk)
    embedder = open_embedder(home, IndexSettings.load(home))
    vectors = embedder.embed_passages(texts)
    recall, success = [], []
    for _, text, gold in rows:
        best = np.argsort(-(vectors @ embedder.embed_query(text)))[:_CHUNKS]
        ranked = list(dict.fromkeys(places[at] for at in best))
        judged = dict.fromkeys(gold, 1)
        recall.append(recall_at(ranked, judged, FIRST))
        success.append(success_at(ranked, judged, FIRST))
    return {
        "page recall@5": round(sum(recall) / len(recall), 4),
        "page success@5": round(sum(success) / len(success), 4),
    }


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("set", type=Path)
    parser.add_argument("--home", type=Path, help="keep the index below this data folder")
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--no-chain", action="store_true")
    parser.add_argument("--show", type=int, default=0, help="only print so many drawn questions")
    options = parser.parse_args()
    files = sorted(options.folder.glob("*.pdf"))
    questions = list(draw(files, options.questions, options.seed))
    if options.show:
        for each in random.Random(options.seed).sample(questions, options.show):
            print(f"{each.text}\n    {each.answer}, {each.file}, pages {each.pages}")
        return 0
    rows = page_rows(questions)
    write_set(options.set / "pages", files, rows)
    write_set(options.set / "reports", files, report_rows(options.folder / "qna_data.csv", files))
    with tempfile.TemporaryDirectory(prefix="ten-q-") as scratch:
        home = options.home or Path(scratch)
        pages = measured(options.set / "pages", home)
        reports = reports_found(options.set / "reports", home)
        chain = {} if options.no_chain else usual_chain(files, rows, home)
    result: dict[str, Any] = {"questions": len(rows), "pages": pages, "reports": reports}
    if chain:
        result["usual chain"] = chain
        result["ratio"] = round(pages["page recall@5"] / (chain["page recall@5"] or 1e-9), 2)
    print(json.dumps(result, indent=2, ensure_ascii=False))
    right = reports["among the reports of the first 5 hits"] >= REPORT_FLOOR
    return int(not right or pages["page recall@5"] < PAGE_FLOOR)


if __name__ == "__main__":
    sys.exit(main())
