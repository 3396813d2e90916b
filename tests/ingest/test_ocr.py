"""What becomes of a drawn page: with engines that say what they are told, and with Tesseract."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ingest import ocr_tesseract
from ingest.ocr import OcrError, OcrWord, missing, open_engine, recognise
from ingest.ocr_tesseract import Tesseract, parse_tsv
from tests.ingest.ocr_pages import LINES, Broken, Scripted, drawn, needs_tesseract

HEAD = "level page_num block_num par_num line_num word_num left top width height conf text".replace(
    " ", "\t"
)
ROW = "5\t1\t1\t1\t1\t1\t10\t20\t30\t12\t96.5\tword"


def test_a_blank_page_is_blank_without_asking_the_engine() -> None:
    engine = Scripted(lambda image: [])

    found = recognise(Image.new("RGB", (850, 1100), "white"), 100, engine)

    assert found.blank
    assert (found.text, found.boxes, found.confidence) == ("", (), None)
    assert (found.width, found.height) == pytest.approx((612, 792))
    assert engine.calls == 0


def test_a_picture_without_words_is_not_blank() -> None:
    found = recognise(drawn(), 150, Scripted(lambda image: []))

    assert not found.blank
    assert found.text == ""
    assert found.confidence is None


def test_dust_without_words_is_blank() -> None:
    page = Image.new("L", (2480, 3508), 255)
    page.paste(0, (1000, 1000, 1025, 1025))

    assert recognise(page, 300, Scripted(lambda image: [])).blank


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_the_position_that_can_be_read_is_found(turn: int) -> None:
    """The engine "reads" a page only where its black mark stands at the top left."""
    page = Image.new("L", (1000, 1400), 255)
    page.paste(0, (100, 200, 300, 240))

    def say(image: Image.Image) -> list[OcrWord]:
        dark = np.argwhere(np.asarray(image) < 128)
        (top, left), (bottom, right) = dark.min(axis=0), dark.max(axis=0) + 1
        upright = top < image.height / 2 and left < image.width / 2 and image.height > image.width
        word = ("upright", 0.95) if upright else ("ub", 0.4)
        return [OcrWord(word[0], left, top, right, bottom, word[1], 1, 1)]

    given = page.rotate(turn, expand=True)
    there = np.argwhere(np.asarray(given) < 128)

    found = recognise(given, 300, Scripted(say))

    assert found.text == "upright"
    (top, left), (bottom, right) = there.min(axis=0), there.max(axis=0) + 1
    (box,) = found.boxes
    expected = [side * 72 / 300 for side in (left, top, right, bottom)]
    assert [box.left, box.top, box.right, box.bottom] == pytest.approx(expected, abs=1.5)
    assert (found.width, found.height) == pytest.approx((240, 336))
    assert found.lines[0].left == pytest.approx(24, abs=1.5)


def test_a_doubtful_page_that_reads_no_better_otherwise_stays_as_it_is() -> None:
    engine = Scripted(lambda image: [OcrWord("scrawl", 10, 10, 90, 40, 0.5, 1, 1)])

    found = recognise(drawn(), 300, engine)

    assert found.text == "scrawl"
    assert found.confidence == pytest.approx(0.5)
    assert engine.calls == 5


def test_a_dying_engine_costs_the_page() -> None:
    with pytest.raises(OcrError):
        recognise(drawn(), 300, Broken(frozenset({1})))


# Tesseract's answers


def test_words_are_parsed() -> None:
    said = f"{HEAD}\n4\t1\t1\t1\t1\t0\t1\t2\t3\t4\t-1\t\n{ROW}\n"

    assert parse_tsv(said.encode(), (100, 50)) == [
        OcrWord("word", 10, 20, 40, 32, 0.965, 1, 10_001)
    ]


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\xff\xfe\x00",
        b"word word word",
        f"{HEAD}\n5\t1\t1\n".encode(),
        f"{HEAD}\n{ROW}\n".replace("96.5", "sure").encode(),
        f"{HEAD}\n{ROW}\n".replace("\t30\t", "\t3000\t").encode(),
        f"{HEAD}\n{ROW}\n".replace("\t10\t", "\t-10\t").encode(),
        f"{HEAD}\n{ROW}\n".replace("96.5", "nan").encode(),
    ],
)
def test_nonsense_is_refused(said: bytes) -> None:
    with pytest.raises(OcrError):
        parse_tsv(said, (100, 50))


def _stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "tesseract"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.mark.parametrize(
    "script",
    [
        "exit 1",
        "kill -SEGV $$",
        "cat >/dev/null; exit 3",
        "cat >/dev/null; echo rubbish",
        "exec sleep 60",
        "cat >/dev/null; exec sleep 60",
        "while true; do true; done",
    ],
)
def test_an_engine_that_fails_in_any_way_is_an_ocr_error(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _stand_in(tmp_path, monkeypatch, script)

    with pytest.raises(OcrError):
        Tesseract("eng", seconds=1).words(drawn(), 300)


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "apt-get install tesseract-ocr tesseract-ocr-eng" in missing("eng")
    assert open_engine("eng") is None

    _stand_in(tmp_path, monkeypatch, "echo 'List of available languages (1):'; echo eng")
    assert missing("eng") == ""
    assert "tesseract-ocr-chi-sim" in missing("eng+chi_sim")
    assert open_engine("eng+deu") is None
    assert open_engine("eng") is not None

    _stand_in(tmp_path, monkeypatch, "exit 1")
    assert open_engine("eng") is None


@pytest.mark.parametrize("languages", ["", "eng+", "--psm", "../eng", "eng deu"])
def test_bad_names_of_languages_reach_no_command_line(languages: str) -> None:
    assert "ingest.ocr_languages" in missing(languages)
    assert open_engine(languages) is None


# Tesseract itself


@needs_tesseract
def test_a_skewed_page_is_read_and_its_boxes_lie_on_the_skewed_page() -> None:
    engine = open_engine("eng")
    assert engine is not None
    straight = drawn()
    skewed = straight.rotate(3, Image.Resampling.BICUBIC, fillcolor=255)

    found = recognise(skewed, 200, engine)

    assert found.text == "\n".join(LINES)
    assert found.confidence is not None
    assert found.confidence > 0.85
    dark = np.asarray(skewed) < 128
    boxed = np.zeros_like(dark)
    for box in found.boxes:
        left, top, right, bottom = (
            round(side * 200 / 72) for side in (box.left, box.top, box.right, box.bottom)
        )
        boxed[top - 2 : bottom + 3, left - 2 : right + 3] = True
    assert (dark & boxed).sum() > 0.99 * dark.sum()
    assert len({line.size for line in found.lines}) == 1


@needs_tesseract
@pytest.mark.slow
@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_turned_page_is_read(turn: int) -> None:
    engine = open_engine("eng")
    assert engine is not None

    found = recognise(drawn().rotate(turn, expand=True), 200, engine)

    assert found.text == "\n".join(LINES)


@needs_tesseract
def test_it_works_where_no_file_may_be_written_and_memory_is_short(tmp_path: Path) -> None:
    page = tmp_path / "page.png"
    drawn().save(page)
    root = Path(ocr_tesseract.__file__).parents[1]
    child = textwrap.dedent(
        """
        import resource, sys
        sys.path.insert(0, sys.argv[1])
        from PIL import Image
        resource.setrlimit(resource.RLIMIT_AS, (2048 << 20, 2048 << 20))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (60, resource.RLIM_INFINITY))
        from ingest.ocr import open_engine, recognise
        print(recognise(Image.open(sys.argv[2]), 200, open_engine("eng")).text)
        """
    )

    done = subprocess.run(
        [sys.executable, "-I", "-c", child, str(root), str(page)],
        env={"PATH": "/bin:/usr/bin", "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.stdout.strip() == "\n".join(LINES), done.stderr
