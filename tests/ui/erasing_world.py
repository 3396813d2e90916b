"""A data folder after real use, of which something is to be erased.

Real SQLite, tantivy, Chroma, reading processes and log; the hash embedder and a scripted model.

`python -m tests.ui.erasing_world HOME NAME STEP` erases as the command does and kills itself with
signal 9 at its STEP-th step: a record that is about to be written, or a file about to be removed.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import cast

import docx

from assistant.answer import Asker, Question, Turn
from assistant.answering import Policy
from assistant.extract import Request as ExtractRequest
from assistant.pages import Viewer
from assistant.pipeline import Assistant
from assistant.summarise import Request as SummariseRequest
from assistant.sweep import Request as SweepRequest
from audit.compose import open_log
from audit.log import Log
from index.blobs import Blobs
from index.catalogue import Catalogue
from index.document import Scope
from index.lexical import TantivyStore
from ingest.pipeline import Ingestor, Plan
from tests.assistant.standins import ScriptedModel
from tests.index.standins import HashEmbedder, small_index
from tests.ingest.standins import ACTOR, QUICK, pdf, saved
from ui import erasing
from ui.erasing import Outcome, Parts

ANNA = Asker("anna", frozenset({"local"}), "local-user")
BERT = Asker("bert", frozenset({"local"}), "local-user")
SCOPE = Scope(frozenset({"default"}))
SHARED = "This paper is confidential and must not leave the building without a signature."
SCHEMA = '{"type": "object", "properties": {"notice period": {"type": "string"}}}'

KEPT_WORDS = ("oakumpicker", "larkspurred")
WORDS = {  # by source: words that stand in it and nowhere else
    "personnel/ferncastle.txt": ("quillfeatherby", "ostrabellum"),
    "mail.eml": ("vantongeren", "marrowstoneish"),
    "mail.eml/appraisal.txt": ("thistlewaiter", "brambleford"),
    "wages.csv": ("halfpennyworthy", "guldencastle"),
    "letter.docx": ("dunmorrowly", "cindermarsh"),
    "board.pdf": ("aldersprocket", "wyndhamster"),
    "withdrawn.md": ("mistlethrusher", "ravelstocker"),
}
OLD_WORDS = ("sedgewickian", "tollhousekeeper")  # of the superseded version of the first


def about(words: Sequence[str], years: str = "nine") -> str:
    """A few sentences that hold the words."""
    one, other = words
    return (
        f"The notice period of Ms {one} is {years} months after the end of the {other} project. "
        f"Her manager {other} wrote on the third of May that {one} may not enter the workshop. "
        f"{SHARED} The pension of {one} is paid by the {other} fund until the year 2041."
    )


def fill(folder: Path) -> None:
    """The documents as they are taken in first."""
    (folder / "personnel").mkdir(parents=True)
    (folder / "personnel" / "ferncastle.txt").write_text(about(OLD_WORDS, "seven"))
    (folder / "keeper.md").write_text(f"# Workshop\n\n{about(KEPT_WORDS, 'four')}\n")
    (folder / "wages.csv").write_text(
        "name,project,note\n" + ",".join(WORDS["wages.csv"]) + f",{about(WORDS['wages.csv'])!r}\n"
    )
    letter = docx.Document()
    letter.add_paragraph(about(WORDS["letter.docx"]))
    (folder / "letter.docx").write_bytes(saved(letter))
    lines = about(WORDS["board.pdf"]).split(". ")
    (folder / "board.pdf").write_bytes(pdf([[(40, 700 - 20 * n, t) for n, t in enumerate(lines)]]))
    (folder / "withdrawn.md").write_text(
        f"---\nstatus: withdrawn\n---\n\n{about(WORDS['withdrawn.md'])}\n"
    )
    (folder / "mail.eml").write_bytes(mail())
    (folder / "broken-vexingtonian.pdf").write_bytes(b"%PDF-1.7\nnothing of a PDF follows here\n")


def mail() -> bytes:
    """A mail with an attachment."""
    message = EmailMessage()
    message["Subject"] = "Appraisal"
    message["From"] = message["To"] = "a@example.org"
    message.set_content(about(WORDS["mail.eml"]))
    text = about(WORDS["mail.eml/appraisal.txt"])
    message.add_attachment(text, filename="appraisal.txt")
    return bytes(message)


@contextmanager
def opened(home: Path) -> Iterator[tuple[Log, Ingestor]]:
    """Log and ingestor of the data folder."""
    plan = Plan(folder=home / "tmp", limits=QUICK, readers=1, min_free=0, max_attempts=1)
    index = small_index(home, view="chroma", embedder=HashEmbedder(32))
    with open_log(home) as log, Ingestor(index, cast(Log, log), ACTOR, plan) as ingestor:
        yield cast(Log, log), ingestor


def use(home: Path, folder: Path) -> None:
    """Take the documents in and let two people work with them."""
    fill(folder)
    with opened(home) as (_, ingestor):
        ingestor.add([folder])
        (folder / "personnel" / "ferncastle.txt").write_text(
            about(WORDS["personnel/ferncastle.txt"])
        )
        ingestor.add([folder])
    index = small_index(home, view="chroma", embedder=HashEmbedder(32))
    model = ScriptedModel(lambda _system, user: user[-400:])
    with (
        open_log(home) as log,
        Assistant(index, log, model, Viewer(lambda *_: None), Policy(straight=False)) as it,
    ):
        for words in (*WORDS.values(), KEPT_WORDS):
            _work(it, home, words)
        for document in index.all_documents(SCOPE):
            it.page_view(ANNA, document.id, 1)


def _work(it: Assistant, home: Path, words: Sequence[str]) -> None:
    ask = f"What is the notice period of Ms {words[0]}?"
    first = it.ask(Question(ask, ANNA))
    turn = Turn(ask, first.text, tuple(each.document for each in first.citations))
    it.ask(Question("And why may she not enter the workshop?", ANNA, (turn,)))
    it.ask(Question("What colour has the moon?", BERT, (Turn(ask, first.text),)))
    it.search(Question(words[1], BERT))
    for _ in it.run(SummariseRequest(ANNA, about=words[0], length=3)):
        pass
    for _ in it.run(ExtractRequest(BERT, SCHEMA)):
        pass
    sweep = SweepRequest(ANNA, f"Who knows {words[0]}?", folder=home / "sweeps")
    for step, _ in enumerate(it.run(sweep)):
        if step == 6:
            break  # whoever asked has left: its rows are kept


def erase(home: Path, name: str, person: bool = False) -> Outcome:
    """Erase as the command does."""
    with opened(home) as (log, ingestor), ingestor.erasing() as documents:
        parts = Parts(home, log, ACTOR, documents)
        plan = erasing.plan_person(parts, name) if person else erasing.plan_document(parts, name)
        return erasing.erase(parts, plan, basis="gdpr-17-1-a", requested_by="M. F.", reason="left")


def resume(home: Path) -> list[Outcome]:
    """Finish what is unfinished."""
    with opened(home) as (log, ingestor), ingestor.erasing() as documents:
        parts = Parts(home, log, ACTOR, documents)
        return [erasing.resume(parts, each) for each in erasing.unfinished(log)]


def found(home: Path, words: Sequence[str]) -> dict[str, list[str]]:
    """The files below the data folder in whose bytes or names a word is left, in any of the forms
    that programs keep text in; and log payloads that have it, opened."""
    left: dict[str, list[str]] = {}
    for path in sorted(each for each in home.rglob("*") if each.is_file()):
        data = (path.read_bytes() + str(path).encode()).lower()
        for word in words:
            if word.encode() in data or word.encode("utf-16-le") in data:
                left.setdefault(word, []).append(path.relative_to(home).as_posix())
    with open_log(home) as log:
        for leaf in log.scan():
            payload = None if log.payload_erased(leaf) else log.read_payload(leaf.seq)
            for word in words:
                if word in str(payload).lower():
                    left.setdefault(word, []).append(f"record {leaf.seq} {leaf.type}")
    return left


def kill_at(step: int) -> None:
    """End this process, unprepared, at the step-th of its steps from now on."""
    left = step

    def counted(work: Callable[..., object]) -> Callable[..., object]:
        def stepping(*args: object, **named: object) -> object:
            nonlocal left
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            return work(*args, **named)

        return stepping

    Log.append_many = counted(Log.append_many)  # type: ignore[method-assign, assignment]
    Log.destroy_payload_keys = counted(Log.destroy_payload_keys)  # type: ignore[method-assign, assignment]
    Catalogue.vacuum = counted(Catalogue.vacuum)  # type: ignore[method-assign, assignment]
    TantivyStore.drop = counted(TantivyStore.drop)  # type: ignore[method-assign, assignment]
    Blobs.discard = counted(Blobs.discard)  # type: ignore[method-assign, assignment]


def main() -> None:
    """Entry point."""
    home, name, step = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    with opened(home) as (log, ingestor), ingestor.erasing() as documents:
        parts = Parts(home, log, ACTOR, documents)
        plan = erasing.plan_document(parts, name)
        kill_at(step)
        erasing.erase(parts, plan, basis="gdpr-17-1-a", requested_by="M. F.")
    print("finished", flush=True)


if __name__ == "__main__":
    main()
