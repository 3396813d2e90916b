"""A thousand answers for eight people while the engine is killed and swapped: is any of them wrong?

    python benchmarks/engine_soak.py [--requests 1000] [--clients 8] [--kills 20] [--swaps 10]

Three phases with one `LlamaCpp`, four answers at a time:
1. steady: after a rehearsal of all that is to come, --steady requests on one engine process,
   nothing killed. Its memory and ours before and at the end.
2. storm: --requests requests of --clients people at once, each with conversations of its own, a
   third given up (closed early, `cancelled`, deadline, never begun), --kills times SIGKILL for an
   engine process and --swaps swaps to another file meanwhile. Every outcome is judged by
   `soak_requests.judge`: whole and right, cut by us (and then the beginning of what is right), a
   clear error, or WRONG, MIXED, LOST (none within --lost-after seconds).
3. swaps: --swaps swaps with nobody else asking: is the old process gone, and its memory?

Floors: WRONG, MIXED and LOST 0; memory of the assistant over the run, and of the engine over
phase 1, at most 2 % more; after each swap of phase 3 at most 2 % more than after the first on the
same file. Memory is the resident set (VmRSS): the proportional set (Pss), told beside it, also
moves when another program on the machine opens the same model file. The other file is a copy of
the first with another name in its metadata. Ends with 1 if a floor is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import soak_requests
from soak_processes import engines, memory, ours, pinned, relabelled, settled, together
from soak_requests import Ending, Request, judge

from assistant.engine_options import EngineOptions
from assistant.errors import AssistantError
from assistant.llamacpp import LlamaCpp
from assistant.model import Caller, Sampling
from assistant.shelf import ModelFile, default_model

GROWTH = 1.02
SAMPLE_SECONDS = 5.0
LONG = 100  # steady requests from which on growth is worth measuring to the last page
PHASES = ("rehearsal", "warm-up", "steady", "storm")


# --- asking --------------------------------------------------------------------------------------


@dataclass
class Ledger:
    """Who is at it and what came of it."""

    outcomes: dict[int, str] = field(default_factory=dict)
    begun: dict[int, float] = field(default_factory=dict)  # under way, by number
    again: int = 0  # answers that were written more than once
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, request: Request, ending: Ending | None) -> None:
        with self.lock:
            self.begun.pop(request.number, None)
            self.outcomes.setdefault(request.number, judge(request, ending))
            self.again += ending is not None and ending.attempts > 1


def ask(model: LlamaCpp, request: Request) -> Ending:
    """Ask, give up as the request says, and tell how it ended."""
    now = time.monotonic()
    deadline = now + request.seconds if request.cut == "deadline" else None
    late = now + request.seconds if request.cut == "callback" else float("inf")
    given: list[str] = []
    stream = model.generate(
        soak_requests.SYSTEM, request.user, request.sampling, deadline,
        lambda: time.monotonic() >= late, request.caller,
    )  # fmt: skip
    try:
        with stream:
            if request.cut != "leave":
                for piece in stream:
                    given.append(piece)
                    if request.cut == "close" and len(given) >= request.pieces:
                        break
    except AssistantError as error:
        text = "".join(given)
        return Ending(text, text, type(error).__name__, str(error), known=True)
    except Exception as error:  # noqa: BLE001  judged as wrong, never hidden
        text = "".join(given)
        return Ending(text, text, type(error).__name__, f"{type(error).__name__}: {error}")
    text = "".join(given)
    try:
        result = stream.result
    except RuntimeError:  # closed before there was a result
        return Ending(text, text, "closed")
    return Ending(text, result.text, result.stop_reason, attempts=result.attempts)


def work(
    model: LlamaCpp, plan: Sequence[Sequence[Request]], name: str, lost_after: float
) -> tuple[Ledger, Callable[[], bool]]:
    """Begin to ask; a ledger that fills, and what waits a moment and says whether all is done."""
    ledger = Ledger()
    total = sum(map(len, plan))

    def client(requests: Sequence[Request]) -> None:
        for request in requests:
            ledger.begun[request.number] = time.monotonic()
            ledger.note(request, ask(model, request))

    threads = [threading.Thread(target=client, args=(each,), daemon=True) for each in plan]
    for thread in threads:
        thread.start()
    told = [0, time.monotonic()]

    def done() -> bool:
        time.sleep(0.1)
        by_number = {request.number: request for each in plan for request in each}
        for number, begun in list(ledger.begun.items()):
            if time.monotonic() - begun > lost_after:
                ledger.note(by_number[number], None)
        if len(ledger.outcomes) >= told[0] + max(20, total // 20):
            told[0] = len(ledger.outcomes)
            seconds = time.monotonic() - told[1]
            print(f"{name}: {told[0]} of {total} after {seconds:.0f} s", file=sys.stderr)
        lost = sum(outcome.startswith("LOST") for outcome in ledger.outcomes.values())
        running = sum(thread.is_alive() for thread in threads)
        return running == 0 or running <= lost  # a thread whose request is lost will not return

    return ledger, done


# --- the phases ----------------------------------------------------------------------------------


@dataclass
class Soak:
    """One engine, and the file that it is to answer with."""

    files: tuple[ModelFile, ModelFile]
    given: argparse.Namespace
    chosen: int = 0
    noticed: Counter[str] = field(default_factory=Counter)
    loaded: Counter[str] = field(default_factory=Counter)
    exact: list[str] = field(default_factory=list)

    def choose(self) -> ModelFile:
        return self.files[self.chosen]

    def swap(self) -> None:
        self.chosen = 1 - self.chosen

    def notice(self, happened: str, facts: Mapping[str, Any]) -> None:
        self.noticed[happened] += 1
        if happened == "model.loaded":
            self.loaded[str(facts["sha256"])[:8]] += 1

    def open(self) -> LlamaCpp:
        layers = -1 if self.given.gpu else 0
        options = EngineOptions(context=1024, sequences=4, gpu_layers=layers, queue_limit=256)
        return LlamaCpp(self.choose, options, notice=self.notice)

    def learn(self, model: LlamaCpp) -> None:
        """What the free prompts give when they are asked alone, where company changes nothing."""
        if not model.info.exact:
            return
        for at in range(soak_requests.EXACT):
            sampling = Sampling(max_tokens=soak_requests.EXACT_TOKENS)
            with model.generate(
                soak_requests.SYSTEM, soak_requests.exact_prompt(at), sampling
            ) as s:
                self.exact.append("".join(s))

    def plan(self) -> dict[str, list[list[Request]]]:
        """All that will be asked. Made beforehand: its memory must not look like a leak."""
        given = self.given
        sizes = {
            "rehearsal": (6 * given.clients, 0.35),
            "warm-up": (max(given.steady // 2, 6 * given.clients), 0.2),
            "steady": (given.steady, 0.2),
            "storm": (given.requests, 0.35),
        }
        return {
            name: soak_requests.requests(size, given.clients, given.seed + at, self.exact, cut)
            for at, (name, (size, cut)) in enumerate(sizes.items())
        }

    def steady(self, model: LlamaCpp, plans: dict[str, list[list[Request]]]) -> dict[str, Any]:
        early = self.storm(model, plans["rehearsal"], "rehearsal", kills=1, swaps=2)["outcomes"]
        warm = self.storm(model, plans["warm-up"], "warm-up")["outcomes"]
        if self.given.steady >= LONG:
            self.fill(model)
        pid = settled(model)
        before = {"assistant": ours(), "engine": memory(pid)}
        found = self.storm(model, plans["steady"], "steady")
        after = found["after"]
        return {
            "outcomes": [early, warm, found["outcomes"]],
            "one process": engines() == [pid],
            "seconds": found["seconds"],
            "engines' rss meanwhile": found["engines' rss meanwhile"],
            "before": before,
            "after": after,
            "growth": {
                name: {kind: ratio(after[name][kind], before[name][kind]) for kind in after[name]}
                for name in before
            },
        }

    def fill(self, model: LlamaCpp) -> None:
        """Use every sequence to its last token: memory that is first written then is no leak."""
        line = "The ledger of Hull was bound in leather and holds many pages. "
        room = model.info.context - model.prompt_tokens(soak_requests.SYSTEM, line)
        text = line * (room // model.count_tokens(line))

        def ask(person: int) -> None:
            caller = Caller(f"person {person}")
            sampling = Sampling(max_tokens=model.info.context)
            with model.generate(soak_requests.SYSTEM, text, sampling, caller=caller) as stream:
                for _ in stream:
                    pass

        threads = [threading.Thread(target=ask, args=(at,)) for at in range(model.info.sequences)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def storm(
        self,
        model: LlamaCpp,
        plan: Sequence[Sequence[Request]],
        name: str,
        kills: int = 0,
        swaps: int = 0,
    ) -> dict[str, Any]:
        """Ask all of a plan, and kill and swap meanwhile."""
        draw = random.Random(self.given.seed)
        what = ["kill"] * kills + ["swap"] * swaps
        points = sorted(draw.randrange(sum(map(len, plan))) for _ in what)
        draw.shuffle(what)
        events = list(zip(points, what, strict=True))
        begun = time.monotonic()
        ledger, done = work(model, plan, name, self.given.lost_after)
        seen: list[float] = []
        while not done() or events:
            if time.monotonic() - begun > SAMPLE_SECONDS * len(seen):
                seen.append(together())
            while events and (len(ledger.outcomes) >= events[0][0]):
                time.sleep(draw.uniform(0.0, 0.7))
                if not self.disturb(model, events[0][1], draw):
                    break  # no process there just now: later
                events.pop(0)
        pid = settled(model)
        return {
            "outcomes": ledger.outcomes,
            "kills": kills,
            "swaps": swaps,
            "answers written again": ledger.again,
            "engines' rss meanwhile": seen[:: 1 + len(seen) // 40],
            "seconds": round(time.monotonic() - begun, 1),
            "after": {"assistant": ours(), "engine": memory(pid)},
        }

    def disturb(self, model: LlamaCpp, how: str, draw: random.Random) -> bool:
        """Swap the file or kill a process; False if there is none."""
        if how == "swap":
            self.swap()
            return True
        pids = engines()
        try:
            os.kill(draw.choice(pids), signal.SIGKILL)
        except (IndexError, ProcessLookupError):
            model.warm()  # nobody may be left to ask
            return False
        return True

    def quiet_swaps(self, model: LlamaCpp) -> list[dict[str, Any]]:
        found = []
        for _ in range(self.given.swaps + 1):
            old = model.process().pid
            if found:
                self.swap()
            begun = time.monotonic()
            caller = Caller("quiet", "quiet")
            with model.generate(
                soak_requests.SYSTEM, soak_requests.exact_prompt(0), Sampling(max_tokens=8),
                caller=caller,
            ) as stream:  # fmt: skip
                for _ in stream:
                    pass
            seconds = time.monotonic() - begun
            pid = settled(model)
            now = {"assistant": ours(), "engine": memory(pid)}
            found.append(
                {
                    "file": self.chosen,
                    "old gone": not found or (old != pid and not Path(f"/proc/{old}").exists()),
                    "seconds": round(seconds, 2),
                    **{kind: round(sum(each[kind] for each in now.values()), 1)
                       for kind in ("rss", "anon", "pss")},
                }
            )  # fmt: skip
        return found


def ratio(one: float, other: float) -> float:
    return round(one / other, 4) if other else 0.0


# --- the report ----------------------------------------------------------------------------------


def told(outcomes: Mapping[int, str]) -> dict[str, int]:
    return dict(Counter(outcome.split(":")[0] if outcome[0].isupper() else outcome
                        for outcome in outcomes.values()).most_common())  # fmt: skip


def report(soak: Soak, steady: dict[str, Any], storm: dict[str, Any], swaps: Any) -> dict[str, Any]:
    given = soak.given
    outcomes = [*steady.pop("outcomes"), storm.pop("outcomes")]
    troubles = [trouble for each in outcomes for trouble in soak_requests.troubles(each)]
    by_file = [[each["rss"] for each in swaps if each["file"] == n] for n in range(2)]
    after_swaps = max((ratio(max(each), each[0]) for each in by_file if each), default=0.0)
    whole = ratio(storm["after"]["assistant"]["rss"], steady["before"]["assistant"]["rss"])
    floors = {
        "wrong, mixed or lost": (len(troubles), 0),
        "requests without an outcome": (
            given.requests + given.steady - len(outcomes[2]) - len(outcomes[3]), 0
        ),
        "engine processes ended in the steady phase": (0 if steady["one process"] else 1, 0),
        "engine's memory over the steady phase": (steady["growth"]["engine"]["rss"], GROWTH),
        "assistant's memory over the whole run": (whole, GROWTH),
        "memory after swaps, times after the first": (after_swaps, GROWTH),
        "swaps after which the old process stayed": (
            sum(not each["old gone"] for each in swaps), 0
        ),
    }  # fmt: skip
    return {
        "requests": given.requests, "steady": given.steady, "clients": given.clients,
        "kills": storm["kills"], "swaps": storm["swaps"] + len(swaps) - 1, "seed": given.seed,
        "load": round(os.getloadavg()[0], 1), "exact texts": len(soak.exact),
        "outcomes": {
            name: told(each) for name, each in zip(PHASES, outcomes, strict=True)
        },
        "troubles": troubles[:20], "noticed": dict(soak.noticed), "loaded": dict(soak.loaded),
        "memory": {
            "steady": steady, "storm": storm,
            "swaps": {
                "rss": [each["rss"] for each in swaps], "pss": [each["pss"] for each in swaps],
                "anon": [each["anon"] for each in swaps],
                "seconds": statistics.median(each["seconds"] for each in swaps),
            },
        },
        "floors": {
            name: {"value": value, "at_most": most, "holds": value <= most}
            for name, (value, most) in floors.items()
        },
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, standard, means in (
        ("requests", 1000, "in the storm"), ("steady", 300, "requests of the steady phase"),
        ("clients", 8, "at once"), ("kills", 20, "in the storm"),
        ("swaps", 10, "in the storm, and again in the quiet"), ("seed", 1, "of all that is drawn"),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=standard, help=means)
    parser.add_argument("--lost-after", type=float, default=180.0, metavar="SECONDS")
    parser.add_argument("--gguf", type=Path, help="another model instead of the default one")
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--json", action="store_true", help="JSON on one line")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = given.gguf or default_model().path
        files = (pinned(path, "one"), pinned(relabelled(path, Path(folder)), "other"))
        soak = Soak(files, given)
        with soak.open() as model:
            soak.learn(model)
            plans = soak.plan()
            steady = soak.steady(model, plans)
            storm = soak.storm(model, plans["storm"], "storm", given.kills, given.swaps)
            swaps = soak.quiet_swaps(model)
    found = report(soak, steady, storm, swaps)
    print(json.dumps(found) if given.json else json.dumps(found, indent=2))
    return 0 if all(each["holds"] for each in found["floors"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
