"""One ingestion, made to fail at each of its writes: `python -m tests.faults.crash_points ...`.

Must run under LD_PRELOAD of `shim.build`, with FAULT_ROOT naming the work folder. The ingestion is
a `sync` that adds, changes, moves and deletes files in a home that holds some already, with real
Chroma, tantivy and log and a hash embedder. For each point a copy of the home is made, the run is
made to fail there in a forked process, and then, without any repair, it is checked that

- every document that is visible is whole and is one that was there before or should be there after,
- whatever the index acknowledged before the failure is there,
- the same command, run again, ends well with the same result as an undisturbed run,
- originals, catalogue and views then agree, every change is recorded, and the log verifies.

Prints one line a trouble and a JSON object at the end; exit code 1 if there was any.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from audit.keys import read_verifier_keys
from audit.report import State as Standing
from audit.verify import verify_log
from index.compose import assemble
from index.document import Scope
from index.settings import IndexSettings
from index.store import Index
from ingest.pipeline import Ingestor, Plan
from tests.faults.shim import Mode, arm, count, disarm
from tests.index.standins import HashEmbedder
from tests.ingest.standins import ACTOR, QUICK, log_in

COLLECTION = "default"
SCOPE = Scope(frozenset({COLLECTION}))
_WORDS = [
    "lease",
    "tenant",
    "rent",
    "repair",
    "notice",
    "deposit",
    "landlord",
    "garden",
    "roof",
    "insurance",
]
_KNOWN_ERROR, _UNKNOWN_ERROR = 10, 11

State = dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]]
"""By source: document id, its pages' texts, its chunks' ids."""


def text(name: str, version: int) -> str:
    """A document of a few chunks that holds the word `<name>v<version>`."""
    draw = random.Random(f"{name}{version}")
    sentences = [
        f"The {draw.choice(_WORDS)} of {name}v{version} is {draw.choice(_WORDS)} {number}."
        for number in range(60)
    ]
    return "\n\n".join(" ".join(sentences[at : at + 12]) for at in range(0, 60, 12))


def mail(version: int) -> bytes:
    """A mail with an attachment."""
    from email.message import EmailMessage

    message = EmailMessage()
    message["Subject"] = f"mailv{version}"
    message["From"] = message["To"] = "a@example.org"
    message.set_content(text("mail", version))
    message.add_attachment(text("attached", version), filename="attached.txt")
    return bytes(message)


def before(folder: Path) -> None:
    """The folder as it is ingested first."""
    folder.mkdir(parents=True)
    for name in ("stays", "changes", "goes", "moves"):
        (folder / f"{name}.txt").write_text(text(name, 1), encoding="utf-8")
    (folder / "mail.eml").write_bytes(mail(1))


def after(folder: Path) -> None:
    """What happens to it before the run that is made to fail."""
    (folder / "changes.txt").write_text(text("changes", 2), encoding="utf-8")
    (folder / "goes.txt").unlink()
    (folder / "sub").mkdir()
    (folder / "moves.txt").rename(folder / "sub" / "moved.txt")
    (folder / "new.txt").write_text(text("new", 1), encoding="utf-8")
    (folder / "twin.txt").write_text(text("new", 1), encoding="utf-8")
    (folder / "mail.eml").write_bytes(mail(2))


def index_in(home: Path) -> Index:
    """An index with all its real stores and no model."""
    return assemble(home, IndexSettings(), HashEmbedder())


def sync(home: Path, folder: Path, acknowledge: Callable[[str], None] | None = None) -> None:
    """Bring the home level with the folder; `acknowledge` gets the id of what is committed."""
    index = index_in(home)
    if acknowledge is not None:
        put_many = index.put_many

        def putting(new):  # type: ignore[no-untyped-def]
            done = put_many(new)
            for each in done:
                acknowledge(each.id)
            return done

        index.put_many = putting  # type: ignore[method-assign]
    plan = Plan(folder=home / "tmp", limits=QUICK, readers=1, batch_chunks=4)
    with log_in(home) as log, Ingestor(index, log, ACTOR, plan) as ingestor:
        done = ingestor.sync(folder, COLLECTION, confirmed=True)
        if done.summary is None or done.summary.failed:
            raise AssertionError(f"not taken in: {done}")


def state(home: Path) -> State:
    """All that can be read and searched. Of two sources with the same bytes either may have given
    the document its name, so sources are taken from the journal.
    """
    with index_in(home) as index:
        there = {document.id for document in index.documents(SCOPE)}
        return {
            each.source: (
                each.document_id,
                tuple(page.text for page in index.pages(each.document_id, SCOPE)),
                tuple(chunk.id for chunk in index.chunks(each.document_id, SCOPE)),
            )
            for each in index.sources(COLLECTION)
            if each.document_id in there
        }


def forked(
    work: Callable[[Callable[[str], None]], None], seconds: float = 120.0
) -> tuple[int, str]:
    """Run `work` in a forked process; its exit code (minus the signal that ended it) and what it
    said through the callable it is given, a line each.
    """
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        signal.alarm(round(seconds))
        code = 0
        try:
            work(lambda line: void(os.write(write_end, f"{line}\n".encode())))
        except BaseException as error:  # noqa: BLE001 - told through the pipe
            disarm()
            known = getattr(error, "exit_code", None) is not None
            code = _KNOWN_ERROR if known else _UNKNOWN_ERROR
            os.write(write_end, f"!{type(error).__name__}: {error}\n".encode())
            if not known:
                os.write(write_end, traceback.format_exc().encode())
        finally:
            os._exit(code)
    os.close(write_end)
    with os.fdopen(read_end, encoding="utf-8", errors="replace") as said:
        lines = said.read()
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), lines


def void(_value: object) -> None:
    """Nothing."""


class Trial:
    """The homes and folders of all points below one work folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.base = root / "base"
        self.folder = root / "folder"
        before(self.folder)
        self._must(lambda _say: sync(self.base, self.folder))
        self.old = self._state_of(self.base)
        after(self.folder)
        self.new = self._state_of(self._undisturbed())

    def _undisturbed(self) -> Path:
        home = self.root / "undisturbed"
        shutil.copytree(self.base, home)

        def work(say: Callable[[str], None]) -> None:
            arm(0, Mode.COUNT)
            sync(home, self.folder)
            say(str(count()))

        self.calls = int(self._must(work))
        return home

    def _state_of(self, home: Path) -> State:
        said = self._must(lambda say: say(json.dumps(state(home))))
        return {
            source: (values[0], tuple(values[1]), tuple(values[2]))
            for source, values in json.loads(said).items()
        }

    @staticmethod
    def _must(work: Callable[[Callable[[str], None]], None]) -> str:
        code, said = forked(work)
        if code:
            raise SystemExit(f"could not prepare ({code}): {said}")
        return said

    def troubles(self, nth: int, mode: Mode) -> Iterator[str]:
        """What is wrong after the run failed at call `nth`."""
        home = self.root / f"home-{os.getpid()}"
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(self.base, home)
        try:
            code, said = forked(lambda say: self._failing(home, nth, mode, say))
            if code not in (0, _KNOWN_ERROR, -signal.SIGKILL):
                yield f"the run ended with {code}: {said}"
            acknowledged = {line for line in said.splitlines() if not line.startswith("!")}
            for check in (lambda _say: self._is_whole(home, acknowledged), self._goes_on(home)):
                code, said = forked(check)
                if code:
                    yield f"afterwards ({code}): {said}"
        finally:
            shutil.rmtree(home, ignore_errors=True)

    def _failing(self, home: Path, nth: int, mode: Mode, say: Callable[[str], None]) -> None:
        arm(nth, mode)
        sync(home, self.folder, acknowledge=say)

    def _is_whole(self, home: Path, acknowledged: set[str]) -> None:
        found = state(home)
        allowed = {*self.old.values(), *self.new.values()}
        for source, held in found.items():
            assert held in allowed, f"{source} is neither as before nor as it should be"
        there = {held[0] for held in found.values()}
        missing = acknowledged - there
        assert not missing, f"acknowledged and not there: {missing}"
        for source, held in self.old.items():
            if held == self.new.get(source):
                assert found.get(source) == held, f"{source} was lost"

    def _goes_on(self, home: Path) -> Callable[[Callable[[str], None]], None]:
        def work(_say: Callable[[str], None]) -> None:
            sync(home, self.folder)
            found = state(home)
            differ = sorted(
                key for key in {*found, *self.new} if found.get(key) != self.new.get(key)
            )
            assert not differ, f"the second run did not end as an undisturbed one: {differ}"
            with index_in(home) as index:
                problems = index.verify()
                assert not problems, f"does not agree: {problems}"
                assert not index.unrecorded(), "not recorded"
                for word, there in (("newv1", True), ("goesv1", False), ("changesv1", False)):
                    hits = index.search(word, SCOPE).hits
                    assert any(word in hit.chunk.text for hit in hits) is there, word
            report = verify_log(home / "audit", read_verifier_keys(home / "audit" / "keys"))
            assert report.state is not Standing.TAMPERED, f"the log: {report}"

        return work


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mode", choices=[mode.name.lower() for mode in Mode], default="kill")
    parser.add_argument("--every", type=int, default=1, help="take every n-th point only")
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--last", type=int, default=0, help="0: to the end")
    parser.add_argument("--random", type=int, default=0, help="so many random moments instead")
    options = parser.parse_args()
    mode = Mode[options.mode.upper()]
    trial = Trial(Path(os.environ["FAULT_ROOT"]))
    last = min(options.last or trial.calls, trial.calls)
    points = list(range(options.first, last + 1, options.every))
    if options.random:
        points = sorted(random.Random(7).choices(range(1, trial.calls + 1), k=options.random))
    began, bad = time.monotonic(), 0
    for nth in points:
        for trouble in trial.troubles(nth, mode):
            bad += 1
            print(f"{mode.name.lower()} at call {nth}: {trouble}", flush=True)
    facts = {
        "mode": mode.name.lower(),
        "calls": trial.calls,
        "points": len(points),
        "troubles": bad,
    }
    print(json.dumps({**facts, "seconds": round(time.monotonic() - began)}))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
