"""A sweep that is killed goes on where it was: real processes, a real index and a real log."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from index.document import Scope
from tests.index.standins import HashEmbedder, new_document, small_index

ROOT = Path(__file__).parents[2]
DOCUMENTS = 40


def _start(home: Path, delay: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.assistant.sweeper", str(home), str(delay)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_a_sweep_killed_again_and_again_has_every_document_once(tmp_path: Path) -> None:
    home, rng = tmp_path / "home", random.Random(3)
    home.mkdir()
    holds = "Disputes are settled by binding arbitration"
    with small_index(home, embedder=HashEmbedder(64)) as index:
        index.put_many(
            [
                new_document(
                    f"{holds if n % 4 == 0 else 'Coffee is free'} in {n}.",
                    f"{n:03}.txt",
                    embedder=HashEmbedder(64),
                )
                for n in range(DOCUMENTS)
            ]
        )
        index.refresh()
        assert len(index.documents(Scope(frozenset({"default"})))) == DOCUMENTS
    shown: dict[str, str] = {}
    anew = 0
    for kill in range(4):
        running = _start(home, 0.02)
        assert running.stdout is not None
        after = anew + rng.randint(2, 8)
        for line in running.stdout:
            what, source, verdict, resumed = line.split()
            assert what == "row"
            assert shown.setdefault(source, verdict) == verdict
            anew += resumed == "0"
            if anew >= after:
                break
        running.kill()
        running.wait()
        running.stdout.close()
        assert len(shown) < DOCUMENTS, f"kill {kill} came too late to tell anything"
    done = subprocess.run(
        [sys.executable, "-m", "tests.assistant.sweeper", str(home)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    *rows, result = [line.split() for line in done.stdout.splitlines()]
    assert [row[1] for row in rows] == [f"{n:03}.txt" for n in range(DOCUMENTS)]
    assert result[:2] == ["result", str(DOCUMENTS)]
    # All that was shown before is gone on from; what was kept in the moment of a kill may be more.
    assert len(shown) <= int(result[2]) <= len(shown) + 4
    assert {row[1]: row[2] for row in rows}.items() >= shown.items()
    # By the stand-in's vectors some of those that hold it are unclear.
    assert [row[2] == "NOT_FOUND" for row in rows] == [n % 4 != 0 for n in range(DOCUMENTS)]
    assert not list((home / "sweeps").iterdir())
