"""Wires ingestion by hand, from settings to one object."""

from __future__ import annotations

import os
from pathlib import Path

from audit.ports import AuditLog
from audit.record import Actor
from index.compose import open_index
from ingest.options import ReadOptions
from ingest.pipeline import Ingestor, Plan
from ingest.sandbox import ReadLimits
from ingest.settings import IngestSettings

MOST_READERS = 4
"""Unless more are set: beyond that embedding, which is one stream, is what takes the time."""


def open_ingestor(home: Path, log: AuditLog, actor: Actor) -> Ingestor:
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
        options=ReadOptions(
            passwords=tuple(each.get_secret_value() for each in settings.pdf_passwords),
            max_pages=settings.max_pages,
            keep_hidden=settings.keep_hidden_text,
            ocr=settings.ocr,
            ocr_languages=settings.ocr_languages,
            ocr_dpi=settings.ocr_dpi,
            max_members=settings.max_members,
            max_member_bytes=settings.max_members_mb << 20,
        ),
        max_bytes=settings.max_file_mb << 20,
        max_depth=settings.max_depth,
        max_attempts=settings.max_attempts,
        max_delete_share=settings.max_delete_share,
        min_free=settings.min_free_mb << 20,
        readers=settings.readers or min(os.cpu_count() or 1, MOST_READERS),
        chunk_tokens=settings.chunk_tokens,
        batch_chunks=settings.batch_chunks,
    )
    return Ingestor(open_index(home), log, actor, plan)
