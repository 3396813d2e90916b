"""A chat is open while another process ingests, changes and deletes: is anything stale answered?

    python benchmarks/two_processes.py --seconds 600

The librarian (a process of its own) adds a note with a code word, changes the code word, and
removes the note, round after round; it acknowledges each step once its call has returned. The chat
(this process, Chroma open) searches all the time from one thread and asks from another. Counted as
wrong:
- a search begun after an acknowledgement that shows text which that step took away, or lacks what
  it brought;
- an answer that quotes such text;
- any error in either process.

Floor: 0 of each.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from assistant.answer import Asker, Question
from assistant.compose import open_assistant
from audit.compose import open_log
from audit.record import Actor

ASKER = Asker("soak", frozenset({"local"}), auth="local-user")
LIBRARIAN = Actor("person", "librarian", auth="local-user")
BACKGROUND = 40  # notes that stay for the whole run


def code_word(number: int, version: int) -> str:
    return f"amber{number:05d}v{version}"


def note(number: int, version: int) -> str:
    word = code_word(number, version)
    return (
        f"# Branch note {number}\n\nThe recovery code word of branch {number} is {word}. "
        f"It is kept by the duty officer and is renewed when this note is replaced.\n"
    )


def librarian(home: Path, folder: Path, orders: Connection) -> None:
    """Do what is ordered, one step at a time, and acknowledge it; an error is sent back as text."""
    from ingest.compose import open_ingestor

    with open_log(home) as log, open_ingestor(home, log, LIBRARIAN) as ingestor:
        while (order := orders.recv()) is not None:
            step, number, version = order
            path = folder / f"note-{number:05d}.md"
            try:
                if step == "remove":
                    path.unlink()
                    ingestor.remove(path.name, "default")
                else:
                    path.write_text(note(number, version), encoding="utf-8")
                    summary = ingestor.add([path], "default")
                    if summary.failed:
                        raise RuntimeError(str(summary.failed))
                orders.send("")
            except Exception as error:  # noqa: BLE001  counted by the other side, never hidden
                orders.send(f"{type(error).__name__}: {error}")


@dataclass
class Ledger:
    """What has been acknowledged, seen by both threads of the chat. Texts are code words."""

    gone: dict[str, float] = field(default_factory=dict)  # code word -> when it was taken away
    present: dict[str, float] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    searches: int = 0
    asked: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self, texts: list[str], began: float, wanted: str = "") -> None:
        with self.lock:
            gone = [word for word, when in self.gone.items() if when < began]
        joined = "\n".join(texts)
        for word in gone:
            if word in joined:
                self.wrong.append(f"stale: {word} shown {time.monotonic() - began:.2f} s later")
        if wanted and wanted not in joined:
            self.wrong.append(f"missing: {wanted}")


def ask_forever(assistant: object, ledger: Ledger, stop: threading.Event) -> None:
    number = 0
    while not stop.is_set():
        began = time.monotonic()
        question = f"What is the recovery code word of branch {number % BACKGROUND}?"
        try:
            answer = assistant.ask(Question(question, ASKER))  # type: ignore[attr-defined]
        except Exception as error:  # noqa: BLE001  counted
            ledger.wrong.append(f"ask: {type(error).__name__}: {error}")
            continue
        ledger.check([answer.text, *(c.quote for c in answer.citations)], began)
        if answer.verdict == "FAILED":
            ledger.wrong.append(f"ask failed: {answer.explanation}")
        ledger.asked += 1
        number += 1


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=600.0)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder_name:
        folder = Path(folder_name)
        home = folder / "home"
        home.mkdir()
        notes = folder / "notes"
        notes.mkdir()
        here, there = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        worker = context.Process(target=librarian, args=(home, notes, there), daemon=True)
        worker.start()
        ledger = Ledger()

        def order(step: str, number: int, version: int = 1) -> None:
            here.send((step, number, version))
            while not here.poll(60):
                ledger.wrong.append(f"{step} {number}: no acknowledgement for a minute")
            if problem := here.recv():
                ledger.wrong.append(f"{step} {number}: {problem}")

        for number in range(BACKGROUND):
            order("add", number)
        rounds = run(home, ledger, order, given.seconds)
        here.send(None)
        worker.join(30)
    print(
        f"{rounds} rounds of add, change, remove; {ledger.searches} searches and {ledger.asked} "
        f"answers meanwhile; {len(ledger.wrong)} wrong"
    )
    for line in ledger.wrong[:20]:
        print("  " + line)
    return 1 if ledger.wrong else 0


def run(home: Path, ledger: Ledger, order, seconds: float) -> int:  # type: ignore[no-untyped-def]
    stop = threading.Event()
    end = time.monotonic() + seconds
    number = BACKGROUND
    with open_log(home) as log, open_assistant(home, log) as assistant:
        asker = threading.Thread(target=ask_forever, args=(assistant, ledger, stop))
        asker.start()

        def search(wanted: str) -> None:
            began = time.monotonic()
            question = f"recovery code word of branch {number}"
            report = assistant.search(Question(question, ASKER), 10)
            ledger.searches += 1
            ledger.check([passage.text for passage in report.passages], began, wanted)

        while time.monotonic() < end:
            for step, version in (("add", 1), ("change", 2), ("remove", 2)):
                busy = threading.Thread(target=order, args=(step, number, version))
                busy.start()
                while busy.is_alive():
                    search("")  # whatever is shown meanwhile, nothing acknowledged as gone
                busy.join()
                with ledger.lock:
                    if version == 2:
                        word = code_word(number, 1 if step == "change" else 2)
                        ledger.gone[word] = time.monotonic()
                search("" if step == "remove" else code_word(number, version))
            number += 1
        stop.set()
        asker.join()
    return number - BACKGROUND


if __name__ == "__main__":
    sys.exit(main())
