"""The text that stands for a chunk when it is searched; kept apart from the text that is cited."""

from __future__ import annotations

from index.document import Chunk

CONTEXT_VERSION = "1"  # part of what the catalogue pins: a change here asks for new vectors


def searchable_text(title: str, chunk: Chunk) -> str:
    """Document title, heading path and chunk text, a line each; what is empty leaves no line.

    Embedding and lexical search both use it, so a passage that never names its subject ("The
    period is six years.") is found by the headings above it. Ingestion cuts chunks so that the
    whole fits the embedder's window.
    """
    heading = " > ".join(chunk.heading_path)
    return "\n".join(line for line in (title.strip(), heading.strip(), chunk.text) if line)
