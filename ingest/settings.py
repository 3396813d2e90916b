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
    readers: int = Field(
        default=0,
        ge=0,
        le=64,
        description="Processes that read documents at the same time; 0: one a core, 4 at most.",
    )
    ocr: bool = Field(
        default=True,
        description="Whether pages that hold no usable text are recognised (needs Tesseract).",
    )
    ocr_languages: str = Field(
        default="eng",
        pattern=r"^[A-Za-z0-9_]+(\+[A-Za-z0-9_]+)*$",
        description="Languages that text recognition expects, by Tesseract's names, joined by '+'.",
    )
    ocr_dpi: int = Field(
        default=300,
        ge=72,
        le=600,
        description="Resolution at which pages are drawn for text recognition, in dots an inch.",
    )
    keep_hidden_text: bool = Field(
        default=False,
        description="Whether text that nobody can see (white, tiny, off the page, behind images) "
        "is taken in, too; it is reported in any case.",
    )
    max_members: int = Field(
        default=2000,
        ge=1,
        description="Most files in one archive or mail, those in archives within it included.",
    )
    max_members_mb: int = Field(
        default=512,
        ge=1,
        description="Most that the files in one archive or mail may unpack to together, in MiB.",
    )
    max_depth: int = Field(
        default=3,
        ge=1,
        le=20,
        description="How deep archives and mails within each other are opened.",
    )
    max_attempts: int = Field(
        default=3,
        ge=1,
        description="Failures after which a file is quarantined: not tried again until its bytes "
        "change, or it is retried or released.",
    )
    max_delete_share: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Share of a folder's known documents that sync deletes without being asked to "
        "confirm it; up to five are always deleted.",
    )
    min_free_mb: int = Field(
        default=256,
        ge=0,
        description="Space on the data folder's disk at which a run stops, in MiB.",
    )
    settle_seconds: float = Field(
        default=2.0,
        ge=0,
        description="How long a file in a watched folder must not have changed before it is read, "
        "in seconds.",
    )
    rescan_seconds: float = Field(
        default=60.0,
        ge=1,
        description="How often a watched folder is compared as a whole, whatever was noticed in "
        "between, in seconds.",
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
