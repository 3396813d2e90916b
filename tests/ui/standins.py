"""Stand-ins for what this package talks to: scripted, quick, and broken on request."""

from __future__ import annotations

import io
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import NoReturn

from assistant.answer import (
    Answer,
    Asker,
    Citation,
    Conflict,
    Event,
    Force,
    Offer,
    Passage,
    Question,
    Released,
    Sentence,
    Side,
    Stage,
    Verdict,
)
from assistant.model_status import ModelStatus
from assistant.pages import PageView, Rectangle
from assistant.pipeline import SearchReport
from assistant.sweep_rows import Request as SweepRequest
from assistant.sweep_rows import Row, SweepResult, asked_of, said
from assistant.sweep_verdict import SENTENCES, Reason
from assistant.sweep_verdict import Verdict as RowVerdict
from assistant.task import Progress as Step
from audit.errors import AuditError
from audit.record import Event as LogEvent
from audit.record import Record
from index.completeness import Completeness
from index.document import Status
from index.records import SourceStatus
from ingest.errors import Failure
from ingest.progress import FailedSource, Progress, Summary

PAGE_TEXT = (
    "5.2 Retention of customer records\n\n"
    "Customer identification records are kept for six years after the business relationship "
    "ends. Transaction monitoring alerts are kept for 24 months unless an investigation is open."
    "\n\n"
    "5.3 Destruction\n\nRecords past their period are destroyed within 30 days, and the "
    "destruction is entered in the register of the records manager."
)
QUOTE_1 = (
    "Customer identification records are kept for six years after the business relationship ends."
)
QUOTE_2 = "Transaction monitoring alerts are kept for 24 months unless an investigation is open."


def citation(
    number: int, quote: str, *, document: str = "pdf", title: str = "Data Retention Policy"
) -> Citation:
    start = PAGE_TEXT.index(quote) if quote in PAGE_TEXT else 0
    return Citation(
        number=number,
        document=document,
        source=f"policies/retention.{document}",
        title=title,
        page=4,
        label="4" if document == "pdf" else "5.2 Retention of customer records",
        start=start,
        end=start + len(quote),
        quote=quote,
    )


def passage(rank: int, text: str, *, title: str = "Data Retention Policy") -> Passage:
    return Passage(
        rank=rank,
        score=0.9 - rank / 10,
        document="pdf",
        source="policies/retention.pdf",
        title=title,
        page=4,
        label="4",
        chunk=f"chunk-{rank}",
        start=PAGE_TEXT.index(text),
        end=PAGE_TEXT.index(text) + len(text),
        text=text,
    )


ANSWERED = Answer(
    verdict=Verdict.ANSWERED,
    text="They are kept for six years after the relationship ends. [1] Alerts are kept for 24 "
    "months, unless an investigation is open. [2]",
    sentences=(
        Sentence("They are kept for six years after the relationship ends.", (1,)),
        Sentence("Alerts are kept for 24 months, unless an investigation is open.", (2,)),
    ),
    citations=(citation(1, QUOTE_1), citation(2, QUOTE_2, document="md")),
    model="SmolLM2-135M-Instruct-Q4_1 (sha256 b179c952)",
    record="019393f0-0000-7000-8000-000000000001",
    request="r1",
    timings={"search": 0.04, "write": 1.2, "total": 1.31},
)
ABSTAINED = Answer(
    verdict=Verdict.ABSTAINED,
    text="Your documents do not say.",
    nearest=(passage(1, QUOTE_1), passage(2, QUOTE_2)),
    record="019393f0-0000-7000-8000-000000000002",
    timings={"search": 0.05},
    explanation="No passage speaks about the canteen closely enough to answer from.",
)
QUOTED = Answer(
    verdict=Verdict.QUOTED,
    text=f"{QUOTE_2} [1]",
    sentences=(Sentence(QUOTE_2, (1,)),),
    citations=(citation(1, QUOTE_2),),
    record="019393f0-0000-7000-8000-000000000003",
    timings={"search": 0.05},
    explanation="The model's own words were not supported, so the document is quoted.",
)
REFUSED = Answer(
    verdict=Verdict.REFUSED,
    text="The question is empty; type one and ask again.",
    explanation="The question is empty; type one and ask again.",
)

COUNTING = "Which of these contracts have a change-of-control clause?"
CONFLICTING = replace(
    ANSWERED,
    citations=(
        replace(
            citation(1, QUOTE_1),
            force=Force(effective_from="2024-01-01", effective_to="2027-12-31"),
        ),
        citation(2, QUOTE_2, document="md", title="Records Handbook"),
    ),
    conflicts=(
        Conflict(
            "documents",
            (
                Side("six years", 1, "policies/retention.pdf", "2024-01-01"),
                Side("24 months", 2, "policies/retention.md"),
            ),
            "Two documents in force state different periods: six years (Data Retention Policy, "
            "since 2024-01-01) and 24 months (Records Handbook).",
        ),
    ),
    understood="How long are customer identification records kept after the relationship ends?",
    explanation="Each sentence was checked against the passage that it cites. Two documents in "
    "force state different periods: six years (Data Retention Policy, since 2024-01-01) and 24 "
    "months (Records Handbook).",
)
OFFERED = replace(
    ABSTAINED,
    text="This asks about every document: a sweep reads all 412 and shows a row for each; an "
    "answer from the nearest passages would miss some.",
    explanation="The nearest passages are listed; a sweep shows every document.",
    offer=Offer(
        "sweep",
        "Does this document have a change-of-control clause?",
        412,
        "This asks about every document: a sweep reads all 412 and shows a row for each; an "
        "answer from the nearest passages would miss some.",
    ),
)


def sweep_row(number: int) -> Row:
    """The row of a document: of ten two are found, one is unclear, and of a hundred one failed."""
    row = Row(
        document="pdf",
        source=f"contracts/{2015 + number % 9}/corvane-{number:03}.pdf",
        title=f"Supply agreement with Corvane Medical {number:03}",
        collection="default",
        verdict=RowVerdict.NOT_FOUND,
    )
    if number % 100 == 33:
        why = SENTENCES[Reason.GONE]
        return replace(row, verdict=RowVerdict.FAILED, reason=why, code=Reason.GONE)
    if number % 10 in (1, 4):
        cited = (replace(citation(number, QUOTE_1), title=row.title),)
        return replace(row, verdict=RowVerdict.FOUND, quote=QUOTE_1, citations=cited)
    if number % 10 == 7:
        cited = (replace(citation(number, QUOTE_2), title=row.title),)
        return replace(
            row, verdict=RowVerdict.UNCLEAR, quote=QUOTE_2, citations=cited, code=Reason.NEAR,
            reason=SENTENCES[Reason.NEAR], warning="Page 3 was read with doubt.",
        )  # fmt: skip
    return row


def sweep_result(request: SweepRequest, rows: Sequence[Row]) -> SweepResult:
    """What these rows amount to."""
    asked = asked_of(request)
    counts = Counter(row.verdict for row in rows)
    values = Counter(row.value for row in rows if row.value)
    result = SweepResult(
        sweep="5e" * 16,
        question=asked.question,
        kind=asked.kind,
        absent=asked.absent,
        day="2026-01-02",
        rows=tuple(rows),
        counts={verdict: counts[verdict] for verdict in RowVerdict},
        values=tuple(values.items()),
        dropped=0,
        resumed=sum(row.resumed for row in rows),
        sentence="",
        record="019393f0-0000-7000-8000-000000000009",
        seconds=14.2,
    )
    return replace(result, sentence=said(result))


@cache  # drawing takes long, and it is the same each time
def drawn_page() -> bytes:
    """A page as a PNG: white paper with the text set in plain lines."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (1190, 1684), "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(26)
    top = 150
    for paragraph in PAGE_TEXT.split("\n\n"):
        line = ""
        for word in [*paragraph.split(), ""]:
            if not word or draw.textlength(f"{line} {word}", font) > 890:
                draw.text((150, top), line.strip(), "black", font)
                top, line = top + 40, ""
            line = f"{line} {word}"
        top += 30
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@dataclass(frozen=True)
class Listed:
    source: str
    id: str = ""
    collection: str = "default"


SMOL = ModelStatus("SmolLM2-135M-Instruct-Q4_1", "ready")


@dataclass
class ScriptedAssistant:
    """Answers by the words of the question; `pause` seconds between events.

    `line` is told before anything is written, as a queue before a model would. While `go` is
    cleared the writing goes on without a sentence, until it is cancelled.
    """

    pause: float = 0.0
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[Question] = field(default_factory=list)
    looked: list[tuple[str, int, tuple[tuple[int, int], ...]]] = field(default_factory=list)
    closed: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)  # cleared: holds the writing
    line: tuple[int, ...] = ()
    status: ModelStatus = SMOL
    cancelled_after: list[float] = field(default_factory=list)  # seconds of writing, each time
    forgotten: list[str] = field(default_factory=list)
    rows: tuple[Row, ...] = ()  # of a sweep
    hold_after: int = -1  # rows after which a sweep waits for `go`, or to be cancelled
    requests: list[SweepRequest] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.go.set()

    def _answer(self, question: Question) -> Answer:
        for words, answer in self.answers.items():
            if words in question.text:
                return answer
        if not question.text.strip() or len(question.text) > 4000:
            return REFUSED
        if "canteen" in question.text:
            return ABSTAINED
        return QUOTED if "quote" in question.text else ANSWERED

    def ask(self, question: Question) -> Answer:
        self.asked.append(question)
        return self._answer(question)

    def stream(
        self, question: Question, cancelled: Callable[[], bool] | None = None
    ) -> Iterator[Event]:
        self.asked.append(question)
        wait = threading.Event().wait
        answer = self._answer(question)
        try:
            yield Stage("searching")
            wait(self.pause)
            if answer.verdict in (Verdict.ANSWERED, Verdict.QUOTED):
                yield Stage("reading", 5)
                wait(self.pause)
                yield Stage("writing")
                for ahead in self.line:
                    yield Stage("waiting", ahead)
                    wait(self.pause)
                if self.line:
                    yield Stage("writing")
                wait(self.pause)
                self._decode(cancelled)
                shown: set[int] = set()
                for sentence in answer.sentences:
                    new = [n for n in sentence.citations if n not in shown]
                    shown.update(new)
                    cited = tuple(c for c in answer.citations if c.number in new)
                    yield Released(sentence, cited)
                    wait(self.pause)
                yield Stage("checking")
                wait(self.pause)
            yield answer
        finally:
            self.closed.set()

    def _decode(self, cancelled: Callable[[], bool] | None) -> None:
        """One step of the generator, as a model that writes and writes: it returns when it may go
        on or is cancelled, and only then."""
        began = time.monotonic()
        while not self.go.wait(0.01) and time.monotonic() < began + 60:
            if cancelled is not None and cancelled():
                self.cancelled_after.append(time.monotonic() - began)
                return

    def run(
        self, request: SweepRequest, cancelled: Callable[[], bool] | None = None
    ) -> Iterator[object]:
        """A sweep over `rows`."""
        self.requests.append(request)
        try:
            for done, row in enumerate(self.rows):
                if done == self.hold_after:
                    self._decode(cancelled)
                if cancelled is not None and cancelled():
                    return
                yield Step(done, len(self.rows), row.source)
                threading.Event().wait(self.pause)
                yield row
            yield Step(len(self.rows), len(self.rows))
            yield sweep_result(request, self.rows)
        finally:
            self.closed.set()

    def model_status(self) -> ModelStatus:
        return self.status

    def forget(self, conversation: str) -> None:
        self.forgotten.append(conversation)

    def search(self, question: Question, k: int = 10) -> SearchReport:
        self.asked.append(question)
        found = (passage(1, QUOTE_1), passage(2, QUOTE_2))[:k]
        return SearchReport(question.text, found, {"total": 0.01})

    def page_view(
        self, asker: Asker, document: str, page: int, spans: tuple[tuple[int, int], ...] = ()
    ) -> PageView:
        self.looked.append((document, page, spans))
        drawn = document != "md"
        return PageView(
            document=document,
            source=f"policies/retention.{document}",
            title="Data Retention Policy",
            media_type="application/pdf" if drawn else "text/markdown",
            page=page,
            pages=9,
            label="4",
            text=PAGE_TEXT,
            spans=spans,
            image=drawn_page() if drawn else None,
            highlights=(Rectangle(0.126, 0.137, 0.74, 0.156), Rectangle(0.126, 0.16, 0.264, 0.179))
            if drawn
            else (),
        )

    def documents(self, asker: Asker, as_of: str | None = None) -> Sequence[Listed]:
        return [Listed(f"policies/{n}.pdf", f"{n:02}" * 32) for n in range(14)]

    def warm(self) -> None: ...

    def close(self) -> None: ...

    def __enter__(self) -> ScriptedAssistant:
        return self

    def __exit__(self, *_: object) -> None: ...


class BrokenAssistant(ScriptedAssistant):
    """Raises what it is given, after the first stage."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self._error = error

    def ask(self, question: Question) -> Answer:
        raise self._error

    def stream(
        self, question: Question, cancelled: Callable[[], bool] | None = None
    ) -> Iterator[Event]:
        yield Stage("searching")
        raise self._error


class MemoryLog:
    """Keeps what is appended."""

    def __init__(self) -> None:
        self.events: list[LogEvent] = []

    def append(self, event: LogEvent) -> Record:
        self.events.append(event)
        return Record(len(self.events) - 1, f"id-{len(self.events)}", event.type, 0, "00")

    def kinds(self) -> list[str]:
        return [event.type for event in self.events]


class FullDisk(AuditError):
    """The log cannot take a record."""

    exit_code = 7


class BrokenLog(MemoryLog):
    """Cannot commit anything."""

    def append(self, event: LogEvent) -> NoReturn:
        raise FullDisk("The disk is full, so nothing can be recorded; free some space.")


_ONE_PAGE_UNREAD = Completeness(9, 8, 0, 1, 2, 4000, 4000)


@dataclass(frozen=True)
class Stored:
    id: str = "ab" * 32
    collection: str = "default"
    source: str = "policies/retention.pdf"
    title: str = "Data Retention Policy"
    media_type: str = "application/pdf"
    version: int = 1
    pages: int = 9
    chunks: int = 31
    added_at: str = "2026-01-02T03:04:05Z"
    status: Status = Status.CURRENT
    effective_from: str | None = None
    effective_to: str | None = None
    supersedes: tuple[str, ...] = ()
    parent: str = ""
    completeness: Completeness | None = _ONE_PAGE_UNREAD


@dataclass(frozen=True)
class Counts:
    name: str = "default"
    groups: frozenset[str] = frozenset({"local"})
    documents: int = 1
    superseded: int = 0
    pages: int = 9
    chunks: int = 31
    failed_sources: int = 1
    quarantined: int = 0
    incomplete: int = 1
    lexical_lag: int = 0
    chroma_lag: int | None = None


@dataclass(frozen=True)
class Standing:
    collections: tuple[Counts, ...] = (Counts(),)
    catching_up: tuple[()] = ()


@dataclass(frozen=True)
class Source:
    collection: str
    source: str
    error: str
    failure: str = ""
    attempts: int = 0
    status: SourceStatus = SourceStatus.INDEXED


@dataclass(frozen=True)
class Fault:
    where: str
    what: str
    repaired: bool


class ScriptedIngestor:
    """Takes whatever it is given; fails what it was told to."""

    def __init__(self) -> None:
        self.added: list[tuple[tuple[Path, ...], str]] = []
        self._failed: tuple[FailedSource, ...] = ()

    def fail(self, name: str) -> None:
        said = f"{name} is protected by a password; add it to the settings."
        self._failed = (FailedSource(name, Failure.ENCRYPTED, said),)

    def add(
        self,
        paths: Sequence[Path],
        collection: str = "default",
        progress: Callable[[Progress], None] | None = None,
    ) -> Summary:
        self.added.append((tuple(paths), collection))
        if progress is not None:
            progress(Progress(0, 2, 0, 0, 0, 0, 0.0, 0.0, None, ""))
            progress(Progress(1, 2, 1, 9, 31, 0, 120.0, 1.0, 1.0, "policies/retention.pdf"))
        return Summary("run", collection, 2, 0, 0, 0, self._failed, 2, 18, 62, 2.0)

    def list(self, collection: str = "default", every: bool = False) -> tuple[Stored, ...]:
        return (Stored(),)

    def status(self) -> Standing:
        return Standing()

    def sources(self, collection: str = "default") -> tuple[Source, ...]:
        fine, broken = Source("default", "a", ""), "broken.pdf is damaged; save it again."
        failed = Source("default", "broken.pdf", broken, "corrupt", 1, SourceStatus.FAILED)
        return (fine, failed)

    def remove(self, name: str, collection: str = "default") -> tuple[str, ...]:
        return (name,)

    def verify(self, repair: bool = False, purge: bool = False) -> tuple[Fault, ...]:
        return (Fault("blobs", "The original of retention.pdf is missing.", repair),)
