"""The settings of this package: the table `[ingest]` of `cloister.toml`."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, SecretStr

from index.settings import Section


class IngestSettings(Section):
    """What a file may cost, and how documents are cut and committed."""

    section: ClassVar[str] = "ingest"

    max_file_mb: int = Field(
        default=512, ge=1, description="Largest file that is read, in MiB; a larger one fails."
    )
    max_pages: int = Field(
        default=20_000, ge=1, description="Most pages that one document may have."
    )
    max_seconds: float = Field(
        default=120.0, gt=0, description="Longest time that reading one file may take, in seconds."
    )
    max_memory_mb: int = Field(
        default=2048,
        ge=256,
        description="Address space of the process that reads documents, in MiB.",
    )
    max_output_mb: int = Field(
        default=512,
        ge=1,
        description="Most text and layout that one file may unpack to, in MiB.",
    )
    files_per_reader: int = Field(
        default=200, ge=1, description="Files after which the reading process is replaced."
    )
    pdf_passwords: tuple[SecretStr, ...] = Field(
        default=(), description="Passwords that are tried on protected PDF files."
    )
    chunk_tokens: int = Field(
        default=200,
        ge=32,
        description="Tokens of text that a chunk should have at most, in the embedder's tokens.",
    )
    batch_chunks: int = Field(
        default=512,
        ge=1,
        description="Chunks that are embedded and committed together; a crash loses at most these.",
    )
