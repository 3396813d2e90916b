"""Wires ingestion by hand, from settings to one object."""

from __future__ import annotations

from pathlib import Path

from audit.log import Log
from audit.record import Actor
from index.compose import open_index
from ingest.pipeline import Ingestor, Plan
from ingest.sandbox import ReadLimits
from ingest.settings import IngestSettings


def open_ingestor(home: Path, log: Log, actor: Actor) -> Ingestor:
    """Ingestion into the data folder `home`, recorded in `log` as done by `actor`.

    Raises ConfigurationError and what `index.compose.open_index` raises.
    """
    settings = IngestSettings.load(home)
    plan = Plan(
        folder=home / "tmp",
        limits=ReadLimits(
            seconds=settings.max_seconds,
            memory_mb=settings.max_memory_mb,
            output_mb=settings.max_output_mb,
            pages=settings.max_pages,
            files=settings.files_per_reader,
        ),
        max_bytes=settings.max_file_mb << 20,
        passwords=tuple(each.get_secret_value() for each in settings.pdf_passwords),
        chunk_tokens=settings.chunk_tokens,
        batch_chunks=settings.batch_chunks,
    )
    return Ingestor(open_index(home), log, actor, plan)
