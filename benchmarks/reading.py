"""How fast PDFs are read, beside pypdf, and whether all of their text arrives.

    python benchmarks/reading.py FOLDER... [--ocr] [--rounds N]

Every PDF in the folders is read by pypdf (`extract_text` of each page: text only) and by ours
(text, boxes of words, lines, blocks, the search for hidden text, page by page the decision whether
text recognition is needed), one process each, in turns file by file, so that a busy machine slows
both; best of the rounds for each file. Seconds are those of the processor, so that other work on
the machine counts as little as can be. A file that pypdf refuses counts for neither and is named.
`two_processes`: the same files read by two processes of ours at once, as ingestion does, by the
clock, beside one process by the clock.

Recognition is off unless `--ocr` is given: pypdf has none. `characters` compares, without white
space, what stands on our pages and what was left out as hidden with PDFium's own text of the file.
Prints one JSON object; ends with 1 if a file's characters differ by more than 1 %.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import logging
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pypdf
import pypdfium2
import pypdfium2.raw as pdfium

from index.completeness import Finding
from ingest import read_pdf
from ingest.options import ReadOptions

_ALLOWED = 0.01  # of a file's characters may be missing or too many
_KEPT = {"actual_text", "embedded_file", "garbled_text", "doubtful_ocr", "unreadable_page"}


def with_pypdf(path: Path) -> dict[str, Any]:
    """The seconds that pypdf takes for all pages; `refused` if it gives up."""
    begun = time.process_time()
    try:
        pages = pypdf.PdfReader(path).pages
        characters = sum(len("".join(page.extract_text().split())) for page in pages)
        count = len(pages)
    except pypdf.errors.PyPdfError as error:
        return {"refused": f"{path.name}: {error}"}
    return {"pages": count, "seconds": time.process_time() - begun, "characters": characters}


def with_ours(path: Path, ocr: bool) -> dict[str, Any]:
    """The same for the reader of the product, and what it left out."""
    begun = time.process_time()
    document = read_pdf.read(path.read_bytes(), ReadOptions(ocr=ocr))
    seconds = time.process_time() - begun
    hidden: list[Finding] = [each for each in document.findings if each.kind not in _KEPT]
    methods: dict[str, int] = {}
    for read in document.pages:
        methods[read.page.method] = methods.get(read.page.method, 0) + 1
    return {
        "pages": len(document.pages),
        "seconds": seconds,
        "characters": sum(len("".join(read.page.text.split())) for read in document.pages),
        "hidden": sum(each.characters for each in hidden),
        "methods": methods,
        "boxes": sum(len(read.page.boxes) for read in document.pages),
    }


def pdfium_characters(path: Path) -> int:
    """Characters of PDFium's own text of all pages, white space aside."""
    total = 0
    with pypdfium2.PdfDocument(path) as pdf:
        for page in pdf:
            textpage = page.get_textpage()
            count = textpage.count_chars()
            buffer = (ctypes.c_ushort * (2 * count + 2))()
            units = pdfium.FPDFText_GetText(textpage, 0, count, buffer)
            raw = bytes(buffer)[: 2 * max(0, units - 1)]
            total += len("".join(raw.decode("utf-16-le", "surrogatepass").split()))
            textpage.close()
            page.close()
    return total


class Worker:
    """A process that reads the files it is told to, one after the other."""

    def __init__(self, reader: str, ocr: bool) -> None:
        command = [sys.executable, __file__, "--worker", reader, *(["--ocr"] if ocr else [])]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, path: Path) -> None:
        assert self._process.stdin
        print(path, file=self._process.stdin, flush=True)

    def result(self) -> dict[str, Any]:
        assert self._process.stdout
        return dict(json.loads(self._process.stdout.readline()))

    def read(self, path: Path) -> dict[str, Any]:
        self.start(path)
        return self.result()

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def serve(reader: str, ocr: bool) -> None:
    """What a worker runs."""
    logging.disable(logging.CRITICAL)  # pypdf warns at length, which would count against it
    pypdf.overwrite_configuration(array_maximum_element_count=10_000_000)  # tagged files have more
    for line in sys.stdin:
        path = Path(line.rstrip("\n"))
        result = with_pypdf(path) if reader == "pypdf" else with_ours(path, ocr)
        print(json.dumps(result), flush=True)


def in_turns(paths: list[Path], rounds: int, ocr: bool) -> tuple[dict[str, Any], list[Any]]:
    """Both readers over all files; the figures, and ours for each file."""
    workers = {"pypdf": Worker("pypdf", False), "ours": Worker("ours", ocr)}
    best: dict[str, list[dict[str, Any]]] = {"pypdf": [], "ours": []}
    for path in paths:
        tried: dict[str, list[dict[str, Any]]] = {"pypdf": [], "ours": []}
        for _ in range(rounds):
            for name, worker in workers.items():
                tried[name].append(worker.read(path))
        for name, results in tried.items():
            best[name].append(min(results, key=lambda each: float(each.get("seconds", 0))))
    for worker in workers.values():
        worker.close()
    both = [at for at, each in enumerate(best["pypdf"]) if "refused" not in each]
    rates = {
        name: sum(results[at]["pages"] for at in both) / sum(results[at]["seconds"] for at in both)
        for name, results in best.items()
    }
    refused = [each["refused"] for each in best["pypdf"] if "refused" in each]
    figures = {
        "files": len(paths),
        "pages": sum(each["pages"] for each in best["ours"]),
        "pages_by_method": _summed([each["methods"] for each in best["ours"]]),
        "refused_by_pypdf": refused,
        "pages_per_second": {name: round(rate, 1) for name, rate in rates.items()},
        "ratio": round(rates["ours"] / rates["pypdf"], 2),
    }
    return figures, best["ours"]


def _summed(counts: list[dict[str, int]]) -> dict[str, int]:
    return {name: sum(each.get(name, 0) for each in counts) for name in set().union(*counts)}


def at_once(paths: list[Path], ocr: bool, processes: int) -> float:
    """Pages a second by the clock of so many processes of ours that share the files."""
    workers = [Worker("ours", ocr) for _ in range(processes)]
    for worker in workers:
        worker.read(paths[0])  # started, and the libraries loaded
    begun = time.perf_counter()
    for number, worker in enumerate(workers):
        for path in paths[number::processes]:
            worker.start(path)
    pages = sum(
        worker.result()["pages"]
        for number, worker in enumerate(workers)
        for _ in paths[number::processes]
    )
    seconds = time.perf_counter() - begun
    for worker in workers:
        worker.close()
    return pages / seconds


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="*")
    parser.add_argument("--ocr", action="store_true")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--worker", choices=("pypdf", "ours"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        serve(options.worker, options.ocr)
        return 0
    paths = sorted(path for folder in options.folders for path in folder.glob("*.pdf"))
    figures, ours = in_turns(paths, options.rounds, options.ocr)
    alone, together = (at_once(paths, options.ocr, processes) for processes in (1, 2))
    figures["two_processes"] = {
        "pages_per_second": round(together, 1),
        "times_one_process": round(together / alone, 2),
    }
    expected = [pdfium_characters(path) for path in paths]
    odds = [
        abs(each["characters"] + each["hidden"] - count) / max(1, count)
        for each, count in zip(ours, expected, strict=True)
    ]
    figures["characters"] = {
        "ours": sum(each["characters"] for each in ours),
        "hidden": sum(each["hidden"] for each in ours),
        "pdfium": sum(expected),
        "largest_difference": f"{max(odds):.4%}",
        "boxes": sum(each["boxes"] for each in ours),
    }
    print(json.dumps(figures, indent=2))
    return 0 if max(odds) <= _ALLOWED else 1


if __name__ == "__main__":
    sys.exit(main())
