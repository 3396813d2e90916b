"""Does anything of a document out of scope reach an asker, while documents and grants change?

    TMPDIR=/dev/shm PYTHONPATH=. python benchmarks/scope_cases.py --cases 100000
    TMPDIR=/dev/shm PYTHONPATH=. python benchmarks/scope_cases.py --cases 0 --pairs 10000
    TMPDIR=/dev/shm PYTHONPATH=. python benchmarks/scope_cases.py --cases 0 --rebuild 1000

Three proofs over real stores (SQLite, tantivy, Chroma or the exact view) with an embedder that
needs no model; everything follows from `--seed`. One line of JSON each; exit code 1 if one fails.

- Cases: one process puts, supersedes, removes, moves, links, withdraws and restores documents,
  creates collections, grants and revokes groups; this one asks meanwhile, as people of all kinds,
  by `Index.search`, the assistant's `search`, look-ups of documents, pages and originals, and
  lists. Each call is judged afterwards by the times of the changes (`tests/index/scope_oracle.py`):
  no passage that the asker's groups could at no moment of the call read, or whose document was
  removed or superseded before it began; what is forbidden is refused with the sentence for what
  does not exist; and what could be read all the time is found, so that silence cannot pass.
- Pairs: the same permitted documents with and without forbidden ones in another collection:
  passages, order, scores, counts and the decision to answer are equal, compared with `==`.
- Rebuild: after many changes the views are thrown away and built from the catalogue: the same
  passages in the same order, scores to 1e-6.

Controls: the first proof is run on a small scale with an access check, a currency check and an
isolation between askers taken out; a control that is not caught fails the run.

Floors: 0 leaks, 0 missing, 0 errors; 0 pairs that differ; 0 answers that change; 5 of 5 controls.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import shutil
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

from index.document import Scope
from tests.index.scope_asking import Client
from tests.index.scope_changes import Changer, Happened
from tests.index.scope_leaks import LEAKS, caught
from tests.index.scope_oracle import Case, Oracle, Verdict
from tests.index.scope_pairs import Twins, answers, changed_answers
from tests.index.scope_world import NAMES, QuickEmbedder, World, opened

DIMENSIONS = 64
CASES_A_WORLD = 5_000
PAIRS_A_WORLD = 2_000
_WEAR = 300  # changes before the views are built anew
_REFRESH_EVERY = 250  # cases: as the chat brings its views up to date now and then
_CASES_A_CHANGE = 6  # so that the work is the same on a slow machine and a fast one
_PAUSE = 0.002  # seconds until the process that changes looks again whether it is its turn
_SHOWN = 20  # troubles told in full


def change(orders: Connection, progress: Synchronized[int]) -> None:
    """The process that changes: for each (home, seed, view) until told; sends what happened.

    It keeps step with `progress`, the cases of this world so far, and waits for none of them.
    """
    while (order := orders.recv()) is not None:
        home, seed, view = order
        embedder = QuickEmbedder(DIMENSIONS)
        trouble = ""
        with opened(home, view, embedder) as index:
            changer = Changer(index, World(seed), embedder)
            changer.begin()
            orders.send("ready")
            while not orders.poll(_PAUSE):
                if changer.steps * _CASES_A_CHANGE > progress.value:
                    continue
                try:
                    changer.step()
                except Exception as error:  # noqa: BLE001  counted by the other side, never hidden
                    trouble = (
                        f"world {seed} change {changer.steps}: {type(error).__name__}: {error}"
                    )
                    orders.poll(None)
            orders.recv()
            orders.send((changer.happened, changer.steps, trouble))


def ask_world(
    home: Path, seed: int, view: str, cases: int, orders: Connection, progress: Synchronized[int]
) -> tuple[Verdict, int, list[str]]:
    """Ask `cases` questions of one world while the other process changes it."""
    world = World(seed)
    progress.value = 0
    orders.send((home, seed, view))
    orders.recv()
    asked: list[Case] = []
    errors: list[str] = []
    with opened(home, view, QuickEmbedder(DIMENSIONS)) as index:
        client = Client(index, world)
        for number in range(cases):
            progress.value = number
            try:
                asked.append(client.case(number))
                if number % _REFRESH_EVERY == 0:
                    index.refresh()
            except Exception as error:  # noqa: BLE001  counted, never hidden
                errors.append(f"world {seed} case {number}: {type(error).__name__}: {error}")
        orders.send("end")
        happened: list[Happened]
        happened, steps, trouble = orders.recv()
    verdict = Oracle(world, happened).judge(asked)
    return verdict, steps, [*errors, *filter(None, [trouble])]


def run_cases(folder: Path, cases: int, seed: int) -> dict[str, Any]:
    """The first proof; the figures that go into its line of JSON."""
    here, there = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    progress = context.Value("q", 0)
    changing = context.Process(target=change, args=(there, progress), daemon=True)
    changing.start()
    total, changes, errors, began = Verdict(), 0, list[str](), time.monotonic()
    for world in range(-(-cases // CASES_A_WORLD)):
        home = folder / f"world-{world}"
        view = "exact" if world % 2 else "chroma"
        wanted = min(CASES_A_WORLD, cases - world * CASES_A_WORLD)
        verdict, steps, trouble = ask_world(home, seed + world, view, wanted, here, progress)
        total.add(verdict)
        changes += steps
        errors += trouble
        shutil.rmtree(home)
        print(f"{total.cases:,} cases, {len(total.leaks)} leaks", file=sys.stderr, flush=True)
    here.send(None)
    changing.join(30)
    uncaught = sorted(name for name in LEAKS if not caught(folder / f"leak-{name}", name, seed))
    troubles = [*total.leaks, *total.missing, *errors, *(f"control {n} passed" for n in uncaught)]
    return {
        "proof": "cases",
        "seed": seed,
        "cases": total.cases,
        "changes": changes,
        "seconds": round(time.monotonic() - began, 1),
        "leaks": len(total.leaks),
        "missing": len(total.missing),
        "errors": len(errors),
        "controls_caught": f"{len(LEAKS) - len(uncaught)} of {len(LEAKS)}",
        "by_kind": total.by_kind,
        "passages": total.passages,
        "cases_with_passages": total.with_passages,
        "refusals": total.refusals,
        "cases_during_a_change": total.concurrent,
        "cases_about_forbidden_documents": total.aimed_at_forbidden,
        "troubles": troubles[:_SHOWN],
        "failed": bool(troubles),
    }


def run_pairs(folder: Path, pairs: int, seed: int) -> dict[str, Any]:
    """The second proof."""
    done, passages, differing, began = 0, 0, list[str](), time.monotonic()
    worlds = -(-pairs // PAIRS_A_WORLD)
    phases: dict[str, int] = {}
    for world in range(worlds):
        view = "exact" if world % 2 else "chroma"
        twins = Twins(folder / f"twins-{world}", seed + world, view)
        rng = random.Random(f"questions-{seed + world}")
        share = -(-pairs // (worlds * 6))
        for phase in twins.phases():
            for _ in range(min(share, pairs - done)):
                question = twins.world.asking(rng)
                difference = twins.difference(question, done)
                if difference:
                    differing.append(f"world {seed + world} ({view}, {phase}): {difference}")
                    phases[phase] = phases.get(phase, 0) + 1
                done += 1
        passages += twins.passages
        twins.close()
        print(f"{done:,} pairs, {len(differing)} differ", file=sys.stderr, flush=True)
    return {
        "proof": "pairs",
        "seed": seed,
        "pairs": done,
        "seconds": round(time.monotonic() - began, 1),
        "passages_compared": passages,
        "differing": len(differing),
        "differing_by_phase": phases,
        "troubles": differing[:_SHOWN],
        "failed": bool(differing),
    }


def run_rebuild(folder: Path, questions: int, seed: int) -> dict[str, Any]:
    """The third proof."""
    wrong: list[str] = []
    farthest, compared, began = 0.0, 0, time.monotonic()
    for view in ("chroma", "exact"):
        home, world, embedder = folder / f"worn-{view}", World(seed), QuickEmbedder(DIMENSIONS)
        rng = random.Random(f"rebuild-{seed}")
        asked = [world.asking(rng) for _ in range(questions // 2)]
        scope = Scope(frozenset(NAMES))
        with opened(home, view, embedder) as index:
            changer = Changer(index, world, embedder)
            changer.begin()
            for step in range(_WEAR):
                changer.step()
                if step % 5 == 0:
                    index.refresh()
            index.refresh()
            before = answers(index, asked, scope)
        shutil.rmtree(home / "views")
        with opened(home, view, embedder) as index:
            index.refresh()
            after = answers(index, asked, scope)
            for name in NAMES:
                index._views.lexical.drop(name)
            index.verify(repair=True)
            index.refresh()
            repaired = answers(index, asked, scope)
        for way, found in (("views removed", after), ("repaired", repaired)):
            different, far = changed_answers(before, found)
            wrong += [f"{view}, {way}: {each}" for each in different]
            farthest = max(farthest, far)
            compared += len(asked)
    return {
        "proof": "rebuild",
        "seed": seed,
        "answers_compared": compared,
        "seconds": round(time.monotonic() - began, 1),
        "changed": len(wrong),
        "farthest_score": farthest,
        "troubles": wrong[:_SHOWN],
        "failed": bool(wrong),
    }


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--cases", type=int, default=100_000)
    arguments.add_argument("--pairs", type=int, default=0)
    arguments.add_argument("--rebuild", type=int, default=0, metavar="QUESTIONS")
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    proofs = ((run_cases, given.cases), (run_pairs, given.pairs), (run_rebuild, given.rebuild))
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for prove, count in proofs:
            if count:
                figures = prove(Path(folder), count, given.seed)
                print(json.dumps(figures, ensure_ascii=False), flush=True)
                failed = failed or figures["failed"]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
