"""Tesseract, run as a process of its own for each page: `tesseract stdin stdout ... tsv`.

The page goes in as a PGM and its words come out as tab separated values, so nothing is written to
disk and it works in the reading process, which may write no file. It inherits that process's limits
on memory and its lack of a network, and gets one of its own on processor time, so that it ends even
if the reading process was killed. It uses one thread: pages are read side by side instead.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
from collections.abc import Sequence

from PIL import Image

from ingest.ocr import OcrError
from ingest.ocr_layout import OcrWord

PROGRAM = "tesseract"

_PAGE_SECONDS = 60  # of the clock and of the processor
_LIST_SECONDS = 20
_SEGMENTATION = 3  # its automatic search for columns; chosen by benchmarks/ocr.py
_COLUMNS = 12  # of the TSV: level, page, block, paragraph, line, word, box of four, conf, text
_WORD = "5"  # the level of a word
_LANGUAGE = re.compile(r"[A-Za-z0-9_]+(?:/[A-Za-z0-9_]+)?")
_PASSED_ON = ("PATH", "TESSDATA_PREFIX")  # of our environment


def missing(languages: str) -> str:
    """One sentence on what to install before `languages` can be recognised; "" for nothing."""
    wanted = languages.split("+")
    bad = [name for name in wanted if not _LANGUAGE.fullmatch(name)]
    if bad:
        return (
            f"{bad[0]!r} is no language of Tesseract; write its names joined by + "
            "into ingest.ocr_languages, for example eng+deu."
        )
    if shutil.which(PROGRAM) is None:
        return (
            "Scanned pages cannot be read because Tesseract is missing; "
            f"run `apt-get install {' '.join(['tesseract-ocr', *map(_package, wanted)])}`."
        )
    absent = sorted(set(wanted) - _installed())
    if absent:
        return (
            f"Scanned pages cannot be read because Tesseract has no data for {', '.join(absent)}; "
            f"run `apt-get install {' '.join(map(_package, absent))}`."
        )
    return ""


def _package(language: str) -> str:
    """The Debian package with the data for `language`."""
    return f"tesseract-ocr-{re.sub('[_/]', '-', language).lower()}"


def _installed() -> frozenset[str]:
    """The languages that Tesseract finds data for; none if it does not run."""
    try:
        done = subprocess.run(
            [_program(), "--list-langs"],
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_LIST_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return frozenset()
    return frozenset(done.stdout.decode("utf-8", "replace").splitlines()[1:])


def _program() -> str:
    return shutil.which(PROGRAM) or PROGRAM


def _environment() -> dict[str, str]:
    known = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**known, "LC_ALL": "C.UTF-8", "OMP_THREAD_LIMIT": "1"}


class Tesseract:
    """The engine for the languages given (joined by "+"), whose data must be installed."""

    name = "tesseract"

    def __init__(
        self, languages: str, segmentation: int = _SEGMENTATION, seconds: int = _PAGE_SECONDS
    ) -> None:
        self._languages = languages
        self._segmentation = segmentation
        self._seconds = seconds

    def words(self, image: Image.Image, dpi: int) -> list[OcrWord]:
        """The words of one page, boxes in pixels of `image`.

        Raises OcrError if Tesseract dies, takes longer than the limit or says nonsense.
        """
        grey = image if image.mode == "L" else image.convert("L")
        header = f"P5 {grey.width} {grey.height} 255\n".encode("ascii")
        said = self._run(header + grey.tobytes(), dpi)
        return parse_tsv(said, image.size)

    def _run(self, page: bytes, dpi: int) -> bytes:
        command = [_program(), "stdin", "stdout", "-l", self._languages, "--dpi", str(dpi)]
        command += ["--psm", str(self._segmentation), "tsv"]
        try:
            process = subprocess.Popen(
                command,
                env=_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # it may say anything
            )
        except OSError as error:
            raise OcrError(f"tesseract cannot be started: {error.strerror}") from error
        with process:
            try:
                resource.prlimit(
                    process.pid, resource.RLIMIT_CPU, (self._seconds, self._seconds + 1)
                )
                said, _ = process.communicate(page, timeout=self._seconds)
            except subprocess.TimeoutExpired as error:
                raise OcrError(f"tesseract took more than {self._seconds} s") from error
            except OSError as error:  # it is gone already
                raise OcrError("tesseract ended too soon") from error
            finally:
                process.kill()
        if process.returncode:
            raise OcrError(f"tesseract ended with {process.returncode}")
        return said


def parse_tsv(said: bytes, size: tuple[int, int]) -> list[OcrWord]:
    """The words in Tesseract's TSV of an image of `size` (pixels). Raises OcrError for nonsense."""
    rows = [row.split("\t", _COLUMNS - 1) for row in said.decode("utf-8", "replace").split("\n")]
    if rows[0][0] != "level":
        raise OcrError("tesseract gave no table")
    try:
        return [_word(row, size) for row in rows[1:] if row[0] == _WORD and row[-1].strip()]
    except (ValueError, IndexError) as error:
        raise OcrError("tesseract gave a broken table") from error


def _word(row: Sequence[str], size: tuple[int, int]) -> OcrWord:
    block, paragraph, line = (int(cell) for cell in row[2:5])
    left, top, width, height = (int(cell) for cell in row[6:10])
    across, down = size
    if not (0 <= left <= left + width <= across and 0 <= top <= top + height <= down):
        raise ValueError(f"a word outside the page: {row[6:10]}")
    said = float(row[10])  # -1 for none
    if not -1 <= said <= 101:
        raise ValueError(f"an impossible confidence: {row[10]}")
    confidence = min(max(said / 100, 0.0), 1.0)
    text = "".join(row[_COLUMNS - 1].split())
    return OcrWord(
        text, left, top, left + width, top + height, confidence, block, paragraph * 10_000 + line
    )
