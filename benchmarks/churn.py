"""Does the data folder stay small while documents come and go, and is what was deleted gone?

    python benchmarks/churn.py --documents 400

Documents of real words, recombined, each with a marker word that no other has, go into an index
(Chroma, tantivy, vectors of 384 dimensions from a table of word directions, no model). Then ten
rounds: half of them are removed in one call, as many new ones are put, the views are refreshed and
`Index.compact` runs, as at the end of an ingestion. Afterwards the same documents go into a fresh
home. At last `Index.purge` runs (`cloister ingest verify --purge`), and every file is searched for
the markers of all documents that were deleted.

Floors: the folder is at most 1.2 times the fresh one; 0 markers of deleted documents are found,
while those of all documents that are left are (else the search would prove nothing).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from index.compose import assemble
from index.context import searchable_text
from index.document import Chunk, Page, Scope
from index.files import size_of
from index.records import NewDocument, Vector, Vectors
from index.settings import IndexSettings
from index.store import Index

ROOT = Path(__file__).parents[1]
DIMENSIONS = 384
ROUNDS = 10
RATIO = 1.2
MARKER = re.compile(rb"zqx[0-9a-f]{12}")
CHUNK = 700  # characters
COLLECTION = "churn"
PARTS = ("catalogue.db", "catalogue.db-wal", "blobs", "views/chroma", "views/lexical")


class WordEmbedder:
    """A text is the sum of its words' directions, each drawn once."""

    fingerprint = f"words:{DIMENSIONS}"
    dimensions = DIMENSIONS
    max_tokens = 256

    def __init__(self) -> None:
        self._directions: dict[str, Vector] = {}

    def embed_query(self, text: str) -> Vector:
        total = np.full(DIMENSIONS, 1e-3, np.float32)
        for word in text.lower().split():
            total += self._direction(word)
        vector: Vector = total / np.linalg.norm(total)
        return vector

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return np.stack([self.embed_query(text) for text in texts])

    def count_tokens(self, text: str) -> int:
        return len(text.split()) + 2

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        return [self.count_tokens(text) for text in texts]

    def _direction(self, word: str) -> Vector:
        if word not in self._directions:
            seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
            drawn = np.random.default_rng(seed).standard_normal(DIMENSIONS)
            self._directions[word] = drawn.astype(np.float32)
        return self._directions[word]


def vocabulary() -> list[str]:
    """The words of the sample documents, as often as they occur there."""
    texts = [path.read_text(encoding="utf-8") for path in ROOT.glob("samples/documents/**/*.md")]
    texts += [path.read_text(encoding="utf-8") for path in ROOT.glob("docs/**/*.md")]
    return re.findall(r"[A-Za-z]{2,20}", " ".join(texts))


def marker(number: int) -> str:
    """The word that only this document has."""
    return "zqx" + hashlib.sha256(f"churn {number}".encode()).hexdigest()[:12]


def document(number: int, words: Sequence[str], embedder: WordEmbedder) -> NewDocument:
    """Three pages of about 2,000 characters, cut every `CHUNK`; the marker on each page."""
    chance = random.Random(number)
    texts = []
    for _page in range(3):
        chosen = [chance.choice(words) for _word in range(300)]
        chosen.insert(chance.randrange(300), marker(number))
        texts.append(" ".join(chosen))
    original = "\f".join(texts).encode()
    document_id = hashlib.sha256(original).hexdigest()
    title = f"Paper {number} {marker(number)}"
    chunks = tuple(
        Chunk(
            hashlib.sha256(f"{document_id}:{page}:{start}".encode()).hexdigest()[:32],
            document_id,
            page,
            start,
            min(start + CHUNK, len(text)),
            text[start : start + CHUNK],
        )
        for page, text in enumerate(texts, 1)
        for start in range(0, len(text), CHUNK)
    )
    return NewDocument(
        id=document_id,
        collection=COLLECTION,
        source=f"papers/{number}.txt",
        path=f"/papers/{number}.txt",
        size=len(original),
        mtime_ns=number,
        title=title,
        media_type="text/plain",
        pages=tuple(Page(page, text) for page, text in enumerate(texts, 1)),
        chunks=chunks,
        vectors=embedder.embed_passages([searchable_text(title, chunk) for chunk in chunks]),
        original=original,
        splitter="churn-1",
    )


def opened(home: Path, embedder: WordEmbedder) -> Index:
    home.mkdir(exist_ok=True)
    index = assemble(home, IndexSettings.load(home), embedder)
    index.ensure_collection(COLLECTION, frozenset({"local"}))
    return index


def put(index: Index, numbers: Sequence[int], words: Sequence[str], embedder: WordEmbedder) -> None:
    for first in range(0, len(numbers), 50):
        piece = numbers[first : first + 50]
        index.put_many([document(number, words, embedder) for number in piece])


def settle(index: Index) -> None:
    """What an ingestion does at its end."""
    index.mark_recorded(change.generation for change in index.unrecorded())
    index.refresh()
    found = index.compact()
    if found.problems:
        print("  ", [problem.what for problem in found.problems])
    print(
        f"   compact: {found.log_lines} log lines, vacuumed {found.vacuumed}, "
        f"{found.views_rebuilt} views built anew"
    )


def sizes(home: Path) -> dict[str, int]:
    """Bytes by part; `other` is what is in none of them."""
    found = {part: size_of(home / part) for part in PARTS}
    return found | {"other": size_of(home) - sum(found.values()), "all": size_of(home)}


def told(label: str, found: dict[str, int]) -> None:
    parts = "  ".join(f"{part} {size / 1e6:.2f}" for part, size in found.items())
    print(f"{label:<10} MB: {parts}")


def markers_in(home: Path) -> dict[bytes, set[str]]:
    """Every marker in any file below `home`, and the files that hold it."""
    found: dict[bytes, set[str]] = {}
    for path in home.rglob("*"):
        if path.is_file():
            for each in MARKER.findall(path.read_bytes().lower()):
                found.setdefault(each, set()).add(str(path.relative_to(home)))
    return found


class Churn:
    """A home whose documents come and go."""

    def __init__(self, home: Path, count: int, words: Sequence[str]) -> None:
        self.home = home
        self.live = list(range(count))
        self.deleted: set[int] = set()
        self.embedder = WordEmbedder()
        self._words = words
        self._next = count
        self._chance = random.Random(20_261_121)

    def run(self) -> None:
        """Fill it, then ten rounds."""
        with opened(self.home, self.embedder) as index:
            put(index, self.live, self._words, self.embedder)
            settle(index)
            told("start", sizes(self.home))
            for number in range(1, ROUNDS + 1):
                self._round(index)
                told(f"round {number}", sizes(self.home))

    def _round(self, index: Index) -> None:
        gone = set(self._chance.sample(self.live, len(self.live) // 2))
        began = time.perf_counter()
        index.remove_many(COLLECTION, [f"papers/{each}.txt" for each in sorted(gone)])
        removing = time.perf_counter() - began
        self.deleted |= gone
        new = list(range(self._next, self._next + len(gone)))
        self._next += len(gone)
        self.live = [each for each in self.live if each not in gone] + new
        put(index, new, self._words, self.embedder)
        began = time.perf_counter()
        settle(index)
        print(f"   removed in {removing:.2f} s, level in {time.perf_counter() - began:.2f} s")


def fresh_sizes(home: Path, churn: Churn, words: Sequence[str]) -> dict[str, int]:
    """What the documents that are left take up in a home that never held others."""
    with opened(home, churn.embedder) as index:
        put(index, churn.live, words, churn.embedder)
        settle(index)
    return sizes(home)


def purged(churn: Churn) -> bool:
    """Purge; whether nothing of the deleted is in any file and all else is as it was."""
    gone = {marker(each).encode() for each in churn.deleted}
    before = {each: files for each, files in markers_in(churn.home).items() if each in gone}
    with opened(churn.home, churn.embedder) as index:
        done = index.purge()
        told("purged", sizes(churn.home))
        open_left = {each for each in markers_in(churn.home) if each in gone}
        problems = [*done.problems, *index.verify()]
        first = churn.live[0]
        hits = index.search(marker(first), Scope(frozenset({COLLECTION})), 1).hits
        right = bool(hits) and hits[0].document.source == f"papers/{first}.txt"
    inside = markers_in(churn.home)
    left = {each: files for each, files in inside.items() if each in gone}
    kept = sum(marker(each).encode() in inside for each in churn.live)
    print(f"markers of {len(gone)} deleted documents: {len(before)} before, {len(left)} after")
    for each, files in [*before.items()][:3]:
        print("   before:", each.decode(), sorted(files))
    print(f"markers of {len(churn.live)} kept documents found by the same search: {kept}")
    print(f"problems: {[problem.what for problem in problems]}; still found by search: {right}")
    for each, files in list(left.items())[:5]:
        print("  ", each.decode(), sorted(files))
    return right and not (left or open_left or problems) and kept == len(churn.live)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=400)
    parser.add_argument("--json", type=Path, help="write the figures there")
    arguments = parser.parse_args()
    words = vocabulary()
    with tempfile.TemporaryDirectory() as place:
        churn = Churn(Path(place) / "churned", arguments.documents, words)
        churn.run()
        after = sizes(churn.home)
        anew = fresh_sizes(Path(place) / "fresh", churn, words)
        told("closed", after)
        told("fresh", anew)
        ratio = after["all"] / anew["all"]
        print(f"ratio to a fresh home before any purge: {ratio:.3f}")
        gone = purged(churn)
    if arguments.json:
        arguments.json.write_text(json.dumps({"ratio": ratio, "churned": after, "fresh": anew}))
    return 0 if ratio <= RATIO and gone else 1


if __name__ == "__main__":
    sys.exit(main())
