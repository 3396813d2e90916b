"""Reading a workbook: time, memory, and whether what is hidden stays out, beside openpyxl's modes.

    python benchmarks/spreadsheets.py --rows 40000

A workbook of ten columns is written with hidden rows, a hidden column, formatted amounts and days.
Each way of reading runs in a process of its own, on the same file:
- `cloister`: `ingest.read_xlsx`, pages with heads, displayed values, nothing hidden;
- `values`: openpyxl, read-only, values alone: what is hidden cannot be told there;
- `whole`: openpyxl, the workbook as objects, which is the mode that tells what is hidden.

Floors: no more time than `whole` and at most 0.2 of its memory; no hidden word in the text, all
others there.
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import openpyxl

MOST_TIME = 1.0  # of `whole`
MOST_MEMORY = 0.2
EVERY = 10  # of so many rows one is hidden


def write(path: Path, rows: int) -> None:
    """A workbook with hidden rows and a hidden column (C), each of whose cells says `secret`."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Loans"
    sheet.append(["Id", "Name", "Note", "Amount", "Rate", "Due", "A", "B", "C", "D"])
    for number in range(1, rows + 1):
        hidden = number % EVERY == 0
        day = datetime.date(2024, 1, 1) + datetime.timedelta(days=number % 900)
        name = f"secret{number}" if hidden else f"name{number}"
        row = [number, name, f"secret{number}", number * 1.5, 0.01, day]
        sheet.append([*row, number, number, number, "open"])
        sheet.cell(number + 1, 4).number_format = "#,##0.00"
        if hidden:
            sheet.row_dimensions[number + 1].hidden = True
    sheet.column_dimensions["C"].hidden = True
    book.save(path)


def peak() -> int:
    """The most memory that this process has held so far, in kilobytes (proc(5), VmHWM)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def read(way: str, path: Path) -> dict[str, float]:
    """Read the file one way: processor seconds, megabytes above the start, hits of each word."""
    from ingest import read_xlsx
    from ingest.options import ReadOptions

    before = peak()
    began = time.process_time()
    if way == "cloister":
        document = read_xlsx.read(path.read_bytes(), ReadOptions())
        parts = [page.page.text for page in document.pages]
    else:
        book = openpyxl.load_workbook(path, read_only=way == "values", data_only=True)
        parts = []
        for row in book["Loans"].iter_rows():
            if way == "whole" and book["Loans"].row_dimensions[row[0].row].hidden:
                continue
            parts.append(" | ".join(str(cell.value) for cell in row))
    seconds = time.process_time() - began
    text = "\n".join(parts)
    memory = (peak() - before) / 1024
    return {
        "seconds": round(seconds, 2),
        "megabytes": round(memory, 1),
        "hidden": text.count("secret"),
        "seen": text.count("name"),
    }


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=40_000)
    parser.add_argument("--way", default="")
    parser.add_argument("--file", type=Path)
    arguments = parser.parse_args()
    if arguments.way:
        print(json.dumps(read(arguments.way, arguments.file)))
        return
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "loans.xlsx"
        write(path, arguments.rows)
        for way in ("cloister", "values", "whole"):
            command = [sys.executable, __file__, "--way", way, "--file", str(path)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found[way] = json.loads(done.stdout)
            print(way, found[way])
    ours, whole = found["cloister"], found["whole"]
    time_ratio = ours["seconds"] / whole["seconds"]
    memory_ratio = ours["megabytes"] / whole["megabytes"]
    print(f"time {time_ratio:.2f} of openpyxl's, memory {memory_ratio:.2f} of it")
    kept = arguments.rows - arguments.rows // EVERY
    assert ours["hidden"] == 0
    assert ours["seen"] == kept
    assert time_ratio <= MOST_TIME
    assert memory_ratio <= MOST_MEMORY


if __name__ == "__main__":
    main()
