"""Word accuracy of text recognition on real pages, against their own text layer, engine by engine.

    python benchmarks/ocr.py FOLDER [FOLDER ...] [--pages 20] [--seed 1] [--detail]

Each FOLDER is searched for PDF files. As many of their pages as asked for are drawn by a fixed
seed, from those with 150 to 900 words of text, and rendered by PDFium in two ways:

- clean: 300 dpi, grey.
- poor: 200 dpi, turned by 2 degrees (clockwise for every other page), blurred by a Gaussian of 0.6
  pixels, then Gaussian noise of 18 grey levels and 1 % of the pixels white or black, half each.

Compared are Tesseract as Cloister uses it, bare Tesseract (`tesseract stdin stdout`, its defaults),
ocrad and gocr (both only if installed; they are not part of Cloister).

A word is a run without white space after Unicode NFKC and with all dashes written as "-" and all
quotation marks as ' or "; what a hyphen parts at the end of a line is one word, hyphen included (so
PDFium gives it, too). "$", "%" and brackets that close a negative figure are often cells of
their own in a text layer and stand close to the figure as drawn: the two signs count as white
space, and white space inside a bracket does not count. A word without any letter or digit (leaders,
rules, bullets) is left out on both sides. Case, punctuation and digits count: "(1,234)" is not
"1,234", nor "Notes." "Notes". Two figures:

- in order: 1 - d / n, with d the least number of words to insert, delete or replace to get from the
  recognised words to the n words of the text layer (Levenshtein), over all pages together.
- any order: (m - extra) / n, with m the words found, each as often as it stands in the text layer,
  and extra how many more words than n were recognised, if any. A page that is read in another
  order than the PDF stores it (tables cell by cell, or row by row) has all its words and still
  fails the first figure, which then measures the order in which a program wrote the PDF and not
  what was recognised.

The floors (97 % clean, 92 % poor) are held by both. Prints one JSON object; ends with 1 below one.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import re
import shutil
import subprocess
import sys
import threading
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pypdfium2
from PIL import Image, ImageFilter

from ingest.ocr import OcrEngine, OcrError, open_engine, recognise

FLOORS = {"clean": 0.97, "poor": 0.92}
WORDS = (150, 900)  # of a page, so that it is one of text
CORES = 2
PDFIUM = threading.Lock()  # it may be used by one thread at a time
BANDS = (0.0, 0.7, 0.8, 0.9, 0.95, 1.01)  # of the confidence of a page

_DASHES = re.compile(r"[\u2010-\u2015\u2212\ufffe\x02\xad]")
_SINGLE, _DOUBLE = re.compile(r"[\u2018-\u201b\u2032`]"), re.compile(r"[\u201c-\u201f\u2033]|''")
_BROKEN = re.compile(r"(?<=\w)-\s*\n\s*(?=\w)")
_SIGNS, _INNER = re.compile(r"[$%]"), re.compile(r"(?<=\()\s+|\s+(?=\))")


@dataclass(frozen=True, slots=True)
class Sample:
    """One page: where it is from, and the words of its text layer."""

    path: Path
    page: int  # from 1
    words: list[str]

    def render(self, dpi: int) -> Image.Image:
        """The page as PDFium draws it, grey."""
        with PDFIUM, pypdfium2.PdfDocument(self.path) as pdf:
            return pdf[self.page - 1].render(scale=dpi / 72, grayscale=True).to_pil()


@dataclass(frozen=True, slots=True)
class Result:
    """What an engine made of one page."""

    sample: Sample
    words: list[str]
    confidence: float | None
    seconds: float

    @property
    def wrong(self) -> int:
        """Words inserted, deleted or replaced."""
        return distance(self.words, self.sample.words)

    @property
    def found(self) -> int:
        """Words found in any order, less those that were made up."""
        wanted, got = Counter(self.sample.words), Counter(self.words)
        extra = max(0, len(self.words) - len(self.sample.words))
        return (wanted & got).total() - extra


def words_of(text: str) -> list[str]:
    """The words of a text, as the module's docstring defines them."""
    text = _BROKEN.sub("-", unicodedata.normalize("NFKC", _DASHES.sub("-", text)))
    text = _DOUBLE.sub('"', _SINGLE.sub("'", text))
    text = _INNER.sub("", _SIGNS.sub(" ", text))
    return [word for word in text.split() if any(char.isalnum() for char in word)]


def distance(got: Sequence[str], wanted: Sequence[str]) -> int:
    """Levenshtein's distance between two lists of words."""
    known: dict[str, int] = {}
    ids = np.array([known.setdefault(word, len(known)) for word in wanted], dtype=np.int64)
    steps = np.arange(len(wanted) + 1)
    row = steps.copy()
    for word in got:
        above = row + 1
        above[1:] = np.minimum(above[1:], row[:-1] + (ids != known.get(word, -1)))
        row = np.minimum.accumulate(above - steps) + steps  # words of `wanted` left out
    return int(row[-1])


def draw(folders: Sequence[Path], count: int, seed: int) -> list[Sample]:
    """`count` pages of text by chance, the same for the same files and seed."""
    candidates: list[tuple[Path, int]] = []
    for path in sorted(path for folder in folders for path in folder.glob("*.pdf")):
        with pypdfium2.PdfDocument(path) as pdf:
            candidates += [(path, page) for page in range(1, len(pdf) + 1)]
    random.Random(seed).shuffle(candidates)
    samples: list[Sample] = []
    for path, page in candidates:
        if len(samples) == count:
            break
        with pypdfium2.PdfDocument(path) as pdf:
            words = words_of(pdf[page - 1].get_textpage().get_text_range())
        if WORDS[0] <= len(words) <= WORDS[1]:
            samples.append(Sample(path, page, words))
    return samples


def clean(sample: Sample, _: int) -> tuple[Image.Image, int]:
    """The page as a good scanner gives it."""
    return sample.render(300), 300


def poor(sample: Sample, number: int) -> tuple[Image.Image, int]:
    """The page as a worn-out copier gives it."""
    angle = 2.0 if number % 2 else -2.0
    page = sample.render(200).rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor=255)
    chance = np.random.default_rng(number)
    levels = np.asarray(page.filter(ImageFilter.GaussianBlur(0.6))).astype(np.float32)
    levels += chance.normal(0, 18, levels.shape)
    specks = chance.random(levels.shape)
    levels[specks < 0.005] = 0
    levels[specks > 0.995] = 255
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8)), 200


Engine = Callable[[Image.Image, int], tuple[str, float | None]]


def ours(engine: OcrEngine) -> Engine:
    """Text and confidence through Cloister's own code."""

    def read(image: Image.Image, dpi: int) -> tuple[str, float | None]:
        try:
            found = recognise(image, dpi, engine)
        except OcrError:
            return "", None
        return found.text, found.confidence

    return read


def command(*words: str) -> Engine:
    """Text from a command line program that takes a PGM."""

    def read(image: Image.Image, dpi: int) -> tuple[str, float | None]:
        page = io.BytesIO()
        image.save(page, "PPM")
        line = [word.replace("DPI", str(dpi)) for word in words]
        done = subprocess.run(
            line,
            input=page.getvalue(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin", "OMP_THREAD_LIMIT": "1", "LC_ALL": "C.UTF-8"},
            timeout=300,
            check=False,
        )
        return done.stdout.decode("utf-8", "replace"), None

    return read


def engines(own: OcrEngine) -> dict[str, Engine]:
    """Those that are installed."""
    found = {
        "cloister": ours(own),
        "tesseract": command("tesseract", "stdin", "stdout", "--dpi", "DPI"),
        "ocrad": command("ocrad", "--format=utf8", "-"),
        "gocr": command("gocr", "-f", "UTF8", "-"),
    }
    return {
        name: engine for name, engine in found.items() if name == "cloister" or shutil.which(name)
    }


def measure(
    samples: Sequence[Sample], way: Callable[[Sample, int], tuple[Image.Image, int]], engine: Engine
) -> list[Result]:
    """What `engine` makes of each page."""

    def one(numbered: tuple[int, Sample]) -> Result:
        number, sample = numbered
        image, dpi = way(sample, number)
        began = time.monotonic()
        text, confidence = engine(image, dpi)
        return Result(sample, words_of(text), confidence, time.monotonic() - began)

    with ThreadPoolExecutor(CORES) as threads:
        return list(threads.map(one, enumerate(samples)))


def summary(results: Sequence[Result]) -> dict[str, Any]:
    """Accuracy over all pages together, and the worst page."""
    count = sum(len(result.sample.words) for result in results)
    shares = [result.found / len(result.sample.words) for result in results]
    known = [result.confidence for result in results if result.confidence is not None]
    return {
        "in_order": round(1 - sum(result.wrong for result in results) / count, 4),
        "any_order": round(sum(result.found for result in results) / count, 4),
        "worst_page_any_order": round(min(shares), 4),
        "confidence": round(sum(known) / len(known), 4) if known else None,
        "seconds_a_page": round(sum(result.seconds for result in results) / len(results), 2),
    }


def calibration(results: Sequence[Result]) -> list[dict[str, Any]]:
    """For pages in each band of confidence, their mean confidence and accuracy in any order."""
    found = []
    for low, high in pairwise(BANDS):
        inside = [one for one in results if low <= (one.confidence or 0.0) < high]
        if inside:
            count = sum(len(one.sample.words) for one in inside)
            sure = sum(one.confidence or 0.0 for one in inside) / len(inside)
            found.append(
                {
                    "from": low,
                    "pages": len(inside),
                    "confidence": round(sure, 3),
                    "any_order": round(sum(one.found for one in inside) / count, 3),
                }
            )
    return found


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--pages", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="engines to run, joined by commas")
    parser.add_argument("--detail", action="store_true", help="each page on standard error")
    options = parser.parse_args()
    own = open_engine("eng")
    if own is None:
        print("Tesseract with English data is needed.", file=sys.stderr)
        return 2
    samples = draw(options.folders, options.pages, options.seed)
    report: dict[str, Any] = {
        "pages": len(samples),
        "words": sum(len(sample.words) for sample in samples),
    }
    recognised: list[Result] = []
    chosen = options.only.split(",") if options.only else []
    for way in (clean, poor):
        report[way.__name__] = {}
        for name, engine in engines(own).items():
            if chosen and name not in chosen:
                continue
            results = measure(samples, way, engine)
            report[way.__name__][name] = summary(results)
            recognised += results if name == "cloister" else []
            if options.detail:
                detail(way.__name__, name, results)
    report["calibration"] = calibration(recognised)
    print(json.dumps(report, indent=2))
    return int(
        any(
            report[way]["cloister"][figure] < floor
            for way, floor in FLOORS.items()
            for figure in ("in_order", "any_order")
            if "cloister" in report[way]
        )
    )


def detail(way: str, name: str, results: Sequence[Result]) -> None:
    """One line for each page, and what went wrong on it most."""
    for one in results:
        count = len(one.sample.words)
        missed = Counter(one.sample.words) - Counter(one.words)
        extra = Counter(one.words) - Counter(one.sample.words)
        print(
            f"{way} {name} {one.sample.path.name} p. {one.sample.page}: {count} words, in order "
            f"{1 - one.wrong / count:.3f}, any order {one.found / count:.3f}, confidence "
            f"{one.confidence or 0:.3f}; missed {list(missed)[:8]}, extra {list(extra)[:8]}",
            file=sys.stderr,
        )


if __name__ == "__main__":
    sys.exit(main())
