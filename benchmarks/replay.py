"""How many recorded answers come out the same when they are replayed in other processes.

    python benchmarks/replay.py [--answers N] [--home DIR] [--each N] [--json]

Ingests `samples/documents` (into `--home`, which is kept, or a temporary folder) and asks N
questions with the default model, four people at a time over one engine, so that answers share
steps, prompts share beginnings and conversations reuse what they had read: the questions of
`samples/questions.jsonl` (tables, two documents, unanswerable), each with and without straight
answers, followed up in a conversation, put at length and as counts. Then processes of their own,
which hold nothing of all that, replay `--each` records each through the command's own way.

Floor: every answer EQUAL: the prompt's hash, what the model wrote, the text that was shown, verdict
and citations. Prints the parts and reasons of those that are not. Ends with 1 if it is missed.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant import compose
from assistant.answer import Answer, Asker, Question, Turn
from assistant.compose import engine, policy
from assistant.errors import AssistantError
from assistant.pages import Viewer
from assistant.pipeline import Assistant
from assistant.replay_open import open_replayer
from assistant.replay_open import replay as run_replay
from assistant.replay_tasks import Verified
from assistant.replaying import Replayer
from assistant.settings import AssistantSettings
from audit.compose import open_log
from audit.ports import AuditLog
from audit.record import Actor
from audit.store import Filter
from index.compose import open_index
from index.errors import IndexFailure
from ingest.compose import open_ingestor

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
ACTOR = Actor("person", "benchmark", auth="local-user", groups=("local",), client="benchmark")
PEOPLE = 4
FOLLOW_UPS = (
    "Which form is used?", "Who approves that?", "And in Ireland?", "How long does it take?",
    "Why?", "And before that?", "Is there an exception?", "What happens if it is late?",
    "Which document says so?", "And for the others?",
)  # fmt: skip
LONG = (
    "Please answer for the quarterly file that I am putting together. I have read through the "
    "policies and the contracts more than once and am not sure whether a newer version applies. "
) * 4
TOPICS = ("personal data", "a notice period", "the Safety Desk", "liability", "retention")


@dataclass(frozen=True)
class Talk:
    """A conversation: questions that are put one after the other."""

    name: str
    questions: tuple[str, ...]
    straight: bool


def talks(answers: int) -> list[Talk]:
    """Conversations of `answers` questions in all, the same ones each time."""
    lines = (SAMPLES / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    asked = [str(json.loads(line)["question"]) for line in lines]
    chance = random.Random(7)
    made: list[Talk] = []
    left = answers
    while left > 0:
        for number, text in enumerate(asked):
            if left <= 0:
                break
            kind = (number + len(made)) % 5
            questions: tuple[str, ...] = (text,)
            if kind in (0, 1):
                questions = (text, *chance.sample(FOLLOW_UPS, 1 + kind))
            elif kind == 2:
                questions = (f"{LONG}{text}",)
            elif kind == 3 and number % 2:
                questions = (f"How many documents mention {TOPICS[number % len(TOPICS)]}?", text)
            questions = questions[:left]
            left -= len(questions)
            made.append(Talk(f"talk-{len(made)}", questions, straight=len(made) % 2 == 0))
    return made


@contextmanager
def assistants(home: Path, log: AuditLog) -> Iterator[dict[bool, Assistant]]:
    """One over the same index and engine for each setting of straight answers."""
    settings = AssistantSettings.load(home)
    index = open_index(home)
    model = engine(settings, compose.chooser(settings, home), log)
    viewer = Viewer(lambda path, number: None)
    try:
        yield {
            straight: Assistant(
                index, log, model, viewer,
                policy(settings.model_copy(update={"straight_answers": straight})),
            )
            for straight in (True, False)
        }  # fmt: skip
    finally:
        model.close()
        index.close()


def ask(home: Path, asked: Sequence[Talk]) -> list[dict[str, Any]]:
    """Hold all conversations, PEOPLE at a time; one line an answer."""
    made: list[dict[str, Any]] = []
    guard = threading.Lock()
    with open_log(home) as log, assistants(home, log) as by_setting:

        def hold(talk: Talk) -> None:
            asker = Asker(f"person-{len(talk.name) % PEOPLE}", frozenset({"local"}), "local-user")
            history: list[Turn] = []
            for text in talk.questions:
                question = Question(text, asker, tuple(history), conversation=talk.name)
                answer: Answer = by_setting[talk.straight].ask(question)
                cited = tuple(dict.fromkeys(each.document for each in answer.citations))
                history.append(Turn(text, answer.text, cited))
                with guard:
                    made.append({"record": answer.record, "verdict": answer.verdict.value})

        with ThreadPoolExecutor(PEOPLE) as people:
            list(people.map(hold, asked))
        shared = _shared(log)
    print(f"asked {len(made)}, {shared}", file=sys.stderr, flush=True)
    return made


def _shared(log: AuditLog) -> dict[str, int]:
    """How many texts of the model came about in company, or by what was read before."""
    written = [
        json.loads(leaf.envelope)["fields"]
        for leaf in log.leaves(Filter("model.finished", limit=100_000))
    ]
    names = ("shared_steps", "cached_tokens", "own_tokens")
    counts = {name: sum(each.get(name, 0) > 0 for each in written) for name in names}
    return {"texts": len(written)} | counts


def replay_here(home: Path, records: Sequence[str]) -> None:
    """Replay in this process; one JSON line an answer."""
    with open_log(home) as log, open_replayer(home) as replayer:
        for record in records:
            print(json.dumps(_replayed(log, replayer, record)), flush=True)


def _replayed(log: AuditLog, replayer: Replayer, record: str) -> dict[str, Any]:
    try:
        found = run_replay(log, ACTOR, record, lambda: nullcontext(replayer))
    except (AssistantError, IndexFailure) as error:
        return {"record": record, "outcome": "NOT_REPLAYABLE", "reasons": [str(error)]}
    assert not isinstance(found, Verified)
    return {
        "record": record,
        "outcome": found.outcome,
        "prompt_equal": found.prompt_equal,
        "text_equal": found.text_equal,
        "rewriting": any(part.name == "rewriting" for part in found.compared),
        "search_equal": found.search.equal if found.search else None,
        "differ": [part.as_json() for part in found.compared if not part.equal],
        "reasons": [reason.code for reason in found.reasons],
    }


def replay_elsewhere(home: Path, records: Sequence[str], each: int) -> list[dict[str, Any]]:
    """Replay `each` records a process."""
    found: list[dict[str, Any]] = []
    for first in range(0, len(records), each):
        command = [sys.executable, __file__, "--home", str(home), "--replay"]
        batch = ",".join(records[first : first + each])
        said = subprocess.run([*command, batch], check=True, stdout=subprocess.PIPE, text=True)
        found += [json.loads(line) for line in said.stdout.splitlines()]
        equal = sum(one["outcome"] == "EQUAL" for one in found)
        print(f"replayed {len(found)}, equal {equal}", file=sys.stderr, flush=True)
    return found


def figures(made: Sequence[dict[str, Any]], found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What is printed."""
    asked = [each for each in found if each.get("prompt_equal") is not None]
    return {
        "answers": len(made),
        "verdicts": dict(Counter(each["verdict"] for each in made)),
        "equal": sum(each["outcome"] == "EQUAL" for each in found),
        "with_a_model": len(asked),
        "prompts_equal": sum(bool(each["prompt_equal"]) for each in asked),
        "texts_equal": sum(bool(each.get("text_equal")) for each in found),
        "rewritten_by_the_model": sum(bool(each.get("rewriting")) for each in found),
        "measured_equal": sum(not each.get("differ", ["?"]) for each in found),
        "parts_not_equal": dict(
            Counter(part["name"] for each in found for part in each.get("differ", ()))
        ),
        "search_again_equal": sum(each.get("search_equal") is True for each in found),
        "not_equal": [each for each in found if each["outcome"] != "EQUAL"],
    }


def bench(home: Path, answers: int, each: int) -> dict[str, Any]:
    """Ask, and replay elsewhere."""
    began = time.monotonic()
    made = ask(home, talks(answers))
    between = time.monotonic()
    found = replay_elsewhere(home, [str(one["record"]) for one in made], each)
    return figures(made, found) | {
        "seconds_asking": round(between - began, 1),
        "seconds_replaying": round(time.monotonic() - between, 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--answers", type=int, default=200)
    parser.add_argument("--each", type=int, default=20, help="records that one process replays")
    parser.add_argument("--home", type=Path)
    parser.add_argument("--replay", default="", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="the figures on one line")
    options = parser.parse_args()
    if options.replay:
        replay_here(options.home, options.replay.split(","))
        return 0
    with nullcontext() if options.home else tempfile.TemporaryDirectory() as folder:
        home = options.home or Path(str(folder))
        home.mkdir(parents=True, exist_ok=True)
        if not (home / "catalogue.db").exists():
            with open_log(home) as log, open_ingestor(home, log, ACTOR) as ingestor:
                ingestor.add([SAMPLES / "documents"])
        found = bench(home, options.answers, options.each)
    print(json.dumps(found, indent=None if options.json else 2))
    return 0 if found["equal"] == found["answers"] == options.answers else 1


if __name__ == "__main__":
    sys.exit(main())
