"""Search at 10,000, 100,000 and 1,000,000 chunks: latency, memory, recall, scope, rebuilding.

    PYTHONPATH=. python benchmarks/scale.py BEIR WORK --chunks 100000 [--where] [--rebuild]

Builds a data folder WORK/<chunks> of two collections with half the chunks each, unless it is there
(`scale_corpus`; WORK keeps the passages' embeddings too), opens it as the program does, and puts
real questions to it through `Index.search`, embedding included. Told are:
- seconds from opening to the first answer, in a process of its own;
- p50 and p95 of searching and the medians of its stages, for a scope of both collections and of
  one; the vectors' stages (embed, dense) and the words' (lexical) run beside each other;
- the same in processor time, which other work on the machine does not lengthen;
- what embedding one question takes;
- memory of the process, bytes of the files;
- recall of the first 50 by vectors against an exact comparison with every vector;
- with --where: the same vectors in one Chroma collection, half of them asked for by a metadata
  filter, beside a scope that opens one of the two collections;
- with --rebuild: whether the first 10 hits are the same, in the same order, after both views have
  been thrown away and built again.

Floors: p95 at most 50 ms at 100,000 chunks and 150 ms at 1,000,000; half the corpus at most 1.2
times all of it, and 20 times less than the filter; recall at least .97. The exit code is 1 if one
is missed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median, quantiles

from benchmarks import scale_corpus
from benchmarks.scale_corpus import COLLECTIONS, Base
from index import feeding
from index.compose import assemble, open_embedder
from index.context import CONTEXT_VERSION
from index.document import Scope, Shelf
from index.exact import nearest_rows
from index.files import size_of
from index.settings import IndexSettings
from index.store import Index

ALL = Scope(frozenset(COLLECTIONS))
HALF = Scope(frozenset(COLLECTIONS[:1]))
P95_FLOORS = {100_000: 50.0, 1_000_000: 150.0}  # milliseconds
MOST_FOR_HALF, LEAST_AGAINST_FILTER, LEAST_RECALL = 1.2, 20.0, 0.97
WARMING = 20  # questions asked before time is taken
DEPTH = 200  # candidates asked for, as search does
DEEP = 50  # of which recall is taken
PASSAGES, QUESTIONS = 10_000, 600


@dataclass(frozen=True, slots=True)
class Spent:
    """Milliseconds of many searches, and the median of each stage."""

    p50: float
    p95: float
    cpu: float  # median of all threads' processor time
    cpu95: float
    stages: dict[str, float]

    def __str__(self) -> str:
        stages = ", ".join(f"{name} {spent:.1f}" for name, spent in self.stages.items())
        cpu = f"CPU p50 {self.cpu:.1f} ms, p95 {self.cpu95:.1f} ms"
        return f"p50 {self.p50:.1f} ms, p95 {self.p95:.1f} ms, {cpu} ({stages})"


def searched(index: Index, questions: Sequence[str], scope: Scope) -> Spent:
    for question in questions[:WARMING]:
        index.search(question, scope)
    found, cpu = [], []
    for question in questions:
        began = time.process_time()
        found.append(index.search(question, scope).timings)
        cpu.append(1_000 * (time.process_time() - began))
    totals = [1_000 * each["total"] for each in found]
    stages = {name: 1_000 * median(each.get(name, 0.0) for each in found) for name in found[0]}
    p95, cpu95 = (quantiles(each, n=20)[18] for each in (totals, cpu))
    return Spent(median(totals), p95, median(cpu), cpu95, stages)


def timed(task: Callable[[int], object], count: int) -> float:
    """The median of `count` calls in milliseconds."""
    spent = []
    for number in range(count):
        began = time.perf_counter()
        task(number)
        spent.append(1_000 * (time.perf_counter() - began))
    return median(spent)


def memory() -> str:
    """Resident memory of this process now, and of it what no file backs."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    facts = {line.split(":")[0]: int(line.split()[1]) // 1024 for line in lines if " kB" in line}
    return f"{facts['VmRSS']} MB ({facts['RssAnon']} MB anonymous)"


def cold(home: Path, known: Base) -> None:
    """What a command pays: open the index, ask one question; for a process of its own."""
    began = time.perf_counter()
    with opened(home) as index:
        index.search(known.questions[0], ALL)
        print(f"opened and asked once in {time.perf_counter() - began:.2f} s, {memory()}")


def recall(known: Base, index: Index, count: int) -> float:
    """The share of the exact first `DEEP` that the vector views give, all collections together."""
    shares = []
    for vector in known.asked[:count]:
        for name in COLLECTIONS:
            with index._catalogue.read() as connection:
                rows = feeding.all_vectors(
                    connection, name, Shelf.CURRENT.statuses, len(vector), 10_000
                )
                right = {each.chunk for each in nearest_rows(rows, vector, DEEP)}
            found, _where = index._views.nearest(name, vector, DEPTH)
            shares.append(len(right & {each.chunk for each in found[:DEEP]}) / DEEP)
    return fmean(shares)


def filtered(work: Path, home: Path, index: Index, known: Base) -> float:
    """Milliseconds of a Chroma query that a `where` limits to half of one collection."""
    import chromadb

    with index._catalogue.read() as connection:
        client = chromadb.PersistentClient(str(work / f"where-{home.name}"))
        held = client.get_or_create_collection(
            "where", embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
        )
        if held.count() < int(home.name):
            for name in COLLECTIONS:
                rows = feeding.all_vectors(
                    connection, name, Shelf.CURRENT.statuses, known.asked.shape[1], 5_000
                )
                for piece in rows:
                    held.upsert(
                        ids=list(piece.chunks),
                        embeddings=piece.vectors,
                        metadatas=[{"collection": name}] * len(piece.chunks),
                    )

    def ask(number: int) -> None:
        held.query(
            query_embeddings=known.asked[number : number + 1],
            n_results=DEPTH,
            where={"collection": COLLECTIONS[0]},
            include=["distances"],
        )

    ask(0)
    return timed(ask, 50)


def first_tens(index: Index, questions: Sequence[str]) -> list[list[str]]:
    return [[hit.chunk.id for hit in index.search(each, ALL, 10).hits] for each in questions]


def rebuilt_alike(index: Index, questions: Sequence[str]) -> float:
    """The share of questions whose first 10 hits survive rebuilding both views as they were."""
    before = first_tens(index, questions)
    for name in COLLECTIONS:
        index._views.rebuild_words(name)
    index._views.rebuild_vectors(COLLECTIONS)
    after = first_tens(index, questions)
    return fmean(old == new for old, new in zip(before, after, strict=True))


def opened(home: Path) -> Index:
    settings = IndexSettings.load(home)
    return assemble(home, settings, open_embedder(home, settings))


def measured(home: Path, work: Path, known: Base, options: argparse.Namespace) -> list[str]:
    """Print all figures of one data folder; what misses its floor."""
    count = int(home.name)
    questions = known.questions[: options.questions]
    with opened(home) as index:
        began = time.perf_counter()
        index.refresh()
        print(f"views level after {time.perf_counter() - began:.0f} s", flush=True)
        everything, half = (searched(index, questions, scope) for scope in (ALL, HALF))
        print(f"{count:,} chunks, both collections: {everything}")
        print(f"{count:,} chunks, one collection:   {half}")
        print(f"memory {memory()}; MB of files: {files(home)}", flush=True)
        found = recall(known, index, options.exact)
        print(f"recall of the first {DEEP}: {found:.4f}", flush=True)
        floors = {
            "p95": everything.p95 <= P95_FLOORS.get(count, float("inf")),
            "half": half.p50 <= MOST_FOR_HALF * everything.p50,
            "recall": found >= LEAST_RECALL,
        }
        if options.where:
            ratio = against_filter(work, home, index, known)
            floors["filter"] = ratio >= LEAST_AGAINST_FILTER
        if options.rebuild:
            alike = rebuilt_alike(index, questions)
            print(f"first 10 equal after rebuilding both views: {alike:.4f}", flush=True)
    return [name for name, held in floors.items() if not held]


def against_filter(work: Path, home: Path, index: Index, known: Base) -> float:
    """How many times more a filter on half of the vectors costs than opening half."""
    slow = filtered(work, home, index, known)
    fast = timed(lambda at: index._views.nearest(COLLECTIONS[0], known.asked[at], DEPTH), 50)
    print(f"where filter {slow:.1f} ms, one of two collections {fast:.2f} ms, {slow / fast:.1f}")
    return slow / fast


def files(home: Path) -> dict[str, int]:
    places = {
        "catalogue": home / "catalogue.db",
        "chroma": home / "views" / "chroma",
        "lexical": home / "views" / "lexical",
    }
    return {name: size_of(place) // 1_000_000 for name, place in places.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("beir", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--chunks", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--exact", type=int, default=50, help="questions compared exactly")
    parser.add_argument("--where", action="store_true")
    parser.add_argument("--rebuild", action="store_true")
    parser.add_argument("--cold", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.work.mkdir(parents=True, exist_ok=True)
    real = open_embedder(options.work, IndexSettings.load(options.work))
    known = scale_corpus.base(options.work, options.beir, real, PASSAGES, QUESTIONS)
    if options.cold:
        cold(options.work / str(options.chunks[0]), known)
        return 0
    spent = timed(lambda at: real.embed_query(known.questions[at]), 30)
    print(f"embedding a question: {spent:.1f} ms")
    missed: list[str] = []
    for count in options.chunks:
        home = options.work / str(count)
        if not (home / "catalogue.db").exists():
            fingerprint = f"{real.fingerprint}/text-{CONTEXT_VERSION}"
            scale_corpus.write(home, fingerprint, known, count)
        missed += [f"{count}: {what}" for what in measured(home, options.work, known, options)]
        command = [sys.executable, __file__, str(options.beir), str(options.work)]
        subprocess.run([*command, "--cold", "--chunks", str(count)], check=True)
    print("missed:", ", ".join(missed) or "no floor")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
