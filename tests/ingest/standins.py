"""Stand-ins for ingestion: an index with a hash embedder, a log that breaks, files to read."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import docx
from reportlab.lib import pdfencrypt
from reportlab.pdfgen import canvas

from audit.compose import open_log
from audit.errors import AuditError
from audit.log import Log
from audit.record import Actor, Event, Record
from index.compose import assemble
from index.settings import IndexSettings
from index.store import Index
from ingest.pipeline import Ingestor, Plan
from ingest.sandbox import ReadLimits
from tests.index.standins import HashEmbedder

ACTOR = Actor("person", "tester")
QUICK = ReadLimits(seconds=20, memory_mb=1024, output_mb=4, pages=50, files=50)
EVIL = Path(__file__).with_name("evil_reader.py")
BOX = Path(__file__).with_name("box_reader.py")


def hash_index(home: Path) -> Index:
    """An index in `home` that needs no model and searches exactly."""
    return assemble(home, IndexSettings(vector_view="exact"), HashEmbedder())


def ingestor(home: Path, log: Log, **changes: object) -> Ingestor:
    """Ingestion into `home` with the hash embedder; `changes` to its plan."""
    plan = {"folder": home / "tmp", "limits": QUICK, "min_free": 0, **changes}
    return Ingestor(hash_index(home), log, ACTOR, Plan(**plan))  # type: ignore[arg-type]


def log_in(home: Path) -> Log:
    """A real log in `home`."""
    return open_log(home)


class BrokenLog(Log):
    """A log that fails from the n-th append on."""

    good_appends = 0

    def append_many(self, events: Sequence[Event]) -> list[Record]:
        if self.good_appends <= 0:
            raise AuditError("The log cannot be written; free some space and try again.")
        self.good_appends -= 1
        return super().append_many(events)


def pdf(
    pages: Sequence[Sequence[tuple[float, float, str]]],
    *,
    size: tuple[float, float] = (600, 800),
    font: tuple[str, float] = ("Helvetica", 10),
    password: str = "",
    title: str = "",
) -> bytes:
    """A PDF; each page holds texts (x, y from the bottom, text). A text that begins with "# " is
    set larger and bold.
    """
    buffer = io.BytesIO()
    lock = pdfencrypt.StandardEncryption(password, canPrint=1) if password else None
    drawn = canvas.Canvas(buffer, pagesize=size, encrypt=lock)
    if title:
        drawn.setTitle(title)
    for texts in pages:
        for x, y, text in texts:
            heading = text.startswith("# ")
            drawn.setFont(*(("Helvetica-Bold", font[1] + 6) if heading else font))
            drawn.drawString(x, y, text.removeprefix("# "))
        drawn.showPage()
    drawn.save()
    return buffer.getvalue()


def saved(document: docx.document.Document) -> bytes:
    """The bytes of a Word document."""
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def policy(words: str = "six years") -> str:
    """A small Markdown document."""
    return (
        f"# Retention policy\n\nIntroduction.\n\n## Periods\n\nRecords are kept for {words}.\n\n"
        "| kind | period |\n|---|---|\n| contract | 10 years |\n\n## Deletion\n\nBy the archive.\n"
    )
