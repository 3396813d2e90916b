"""What can go wrong while documents are taken in: class, exit code, and what to do next.

Every message is one sentence for a person. `exit_code` is what the command line ends with when the
error stops a whole run; a `ReadFailure` costs one file and the run goes on.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import ClassVar


class IngestError(Exception):
    """Base of all errors of this package."""

    exit_code: ClassVar[int] = 4


class NoSuchPath(IngestError):
    """A path named on the command line does not exist."""

    exit_code = 2

    def __init__(self, path: str) -> None:
        super().__init__(f"There is nothing at {path}: check the spelling of the path.")


class NothingToRead(IngestError):
    """The call named no path at all."""

    exit_code = 2

    def __init__(self) -> None:
        super().__init__("Name at least one file or folder to ingest.")


class UnknownSource(IngestError):
    """Something to be removed is not there."""

    exit_code = 2

    def __init__(self, name: str, collection: str) -> None:
        super().__init__(
            f"The collection {collection} holds no document {name}: "
            "`cloister ingest list` shows what it holds."
        )


class AlreadyIngesting(IngestError):
    """Another process is ingesting into this data folder."""

    exit_code = 6

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"Another `cloister ingest` is working on {folder}: wait until it has ended, then run "
            "this command again."
        )


class FolderMissing(IngestError):
    """A folder to be kept in step with is not there, so nothing can be said of what is gone."""

    exit_code = 2

    def __init__(self, folder: str, known: int) -> None:
        super().__init__(
            f"The folder {folder} is not there or cannot be read, so nothing was deleted: check "
            f"that its disk is mounted, or give --confirm if the {known:,} sources known from it "
            "are to go."
        )


class NotAFolder(IngestError):
    """What is to be kept in step with is a file."""

    exit_code = 2

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} is no folder: name one, or use `cloister ingest add` for a file.")


class TooManyDeletions(IngestError):
    """So much of a folder is gone that it may be a mistake. Nothing was changed."""

    exit_code = 4

    def __init__(self, folder: str, gone: int, known: int) -> None:
        super().__init__(
            f"Of {known:,} sources known from {folder} {gone:,} are gone, more than "
            "ingest.max_delete_share allows, so nothing was changed: check that the folder is "
            "complete, or give --confirm to delete them."
        )


class ReaderUnavailable(IngestError):
    """No reading process can be started at all."""

    exit_code = 3

    def __init__(self, detail: str) -> None:
        super().__init__(
            f"The process that reads documents cannot be started ({detail}): "
            "run `cloister doctor` to see what is missing."
        )


class Failure(StrEnum):
    """Why one file or record could not be taken in. These codes also stand in the log."""

    UNSUPPORTED = "unsupported"
    UNREADABLE = "unreadable"
    NOT_A_FILE = "not_a_file"
    NAME_NOT_UTF8 = "name_not_utf8"
    LINK_LOOP = "link_loop"
    EMPTY = "empty"
    TOO_LARGE = "too_large"
    ENCRYPTED = "encrypted"
    CORRUPT = "corrupt"
    UNDECODABLE = "undecodable"
    NO_TEXT = "no_text"
    TOO_MANY_PAGES = "too_many_pages"
    TOO_MUCH_OUTPUT = "too_much_output"
    TOO_DEEP = "too_deep"
    BAD_RECORD = "bad_record"
    TOO_SLOW = "too_slow"
    TOO_MUCH_MEMORY = "too_much_memory"
    READER_DIED = "reader_died"
    READER_LIED = "reader_lied"
    CHANGED = "changed"
    GONE = "gone"
    REFUSED = "refused"
    LEGACY_OFFICE = "legacy_office"
    NO_OCR = "no_ocr"
    INTERRUPTED = "interrupted"
    TOO_MANY_MEMBERS = "too_many_members"
    MEMBER_ENCRYPTED = "member_encrypted"
    BAD_FACTS = "bad_facts"


_SENTENCES: dict[Failure, str] = {
    Failure.UNSUPPORTED: (
        "is of a type that cannot be read; supported are PDF, DOCX, PPTX, XLSX, CSV, HTML, "
        "Markdown, text, RTF, ODT, EML, MSG, ZIP, PNG, JPEG, TIFF and JSONL"
    ),
    Failure.UNREADABLE: "cannot be opened; give your account the right to read it",
    Failure.NOT_A_FILE: "is neither a file nor a folder; name one of these",
    Failure.NAME_NOT_UTF8: "has a name that is not UTF-8; rename it",
    Failure.LINK_LOOP: "is a link that leads back to itself; remove the link",
    Failure.EMPTY: "is empty; export or copy it again",
    Failure.TOO_LARGE: "is larger than the limit; split it or raise ingest.max_file_mb",
    Failure.ENCRYPTED: "is protected by a password; add the password to ingest.pdf_passwords",
    Failure.CORRUPT: "is damaged; open it in the program that made it and save it again",
    Failure.UNDECODABLE: "is not text in a known encoding; save it as UTF-8",
    Failure.NO_TEXT: "holds no text, probably a scan; run it through text recognition (OCR) first",
    Failure.TOO_MANY_PAGES: "has more pages than the limit; split it or raise ingest.max_pages",
    Failure.TOO_MUCH_OUTPUT: (
        "unpacks to more text than the limit; split it or raise ingest.max_output_mb"
    ),
    Failure.TOO_DEEP: "is nested too deeply to be read; simplify its structure",
    Failure.BAD_RECORD: 'is not a JSON object with "_id" and "text"; correct that line',
    Failure.TOO_SLOW: "took longer to read than the limit; split it or raise ingest.max_seconds",
    Failure.TOO_MUCH_MEMORY: (
        "needs more memory to read than the limit; split it or raise ingest.max_memory_mb"
    ),
    Failure.READER_DIED: "stopped the process that reads it; save it again in another program",
    Failure.READER_LIED: "was read into something impossible and was refused; save it again",
    Failure.CHANGED: "changed while it was being read; run the command again when it is at rest",
    Failure.GONE: "is not there; check the path and where links lead",
    Failure.REFUSED: "was refused by the index; run the command again, and report it if it recurs",
    Failure.LEGACY_OFFICE: (
        "is in an Office format of before 2007 (.doc, .xls or .ppt); save it as .docx, .xlsx or "
        ".pptx"
    ),
    Failure.NO_OCR: (
        "is a scan and there is no engine to recognise its text; install tesseract-ocr"
    ),
    Failure.INTERRUPTED: (
        "was being read when a run was killed; it is tried again until that has happened too often"
    ),
    Failure.TOO_MANY_MEMBERS: (
        "holds more files than the limit; unpack it or raise ingest.max_members"
    ),
    Failure.MEMBER_ENCRYPTED: "is protected by a password; unpack it with the password first",
    Failure.BAD_FACTS: (
        "has facts in front matter or a .cloister.toml file that cannot be understood; correct them"
    ),
}


def sentence(name: str, failure: Failure, line: int | None = None) -> str:
    """What happened to `name` and what to do next, as one sentence; `line` counts from 1."""
    where = name if line is None else f"Line {line} of {name}"
    return f"{where} {_SENTENCES[failure]}."


class ReadFailure(Exception):
    """One file or record could not be read. `line` is set for a record of a JSONL file, from 1."""

    exit_code: ClassVar[int] = 4

    def __init__(self, failure: Failure, line: int | None = None) -> None:
        super().__init__(failure.value)
        self.failure = failure
        self.line = line
