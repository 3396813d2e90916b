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


_OPENING = 800  # characters of a first page that say what a document is: its title block


def worded(chunk: Chunk) -> str:
    """Heading path and text of a chunk: what its words are looked up in."""
    heading = " > ".join(chunk.heading_path)
    return f"{heading}\n{chunk.text}" if heading else chunk.text


def naming(title: str, source: str, opening: str = "") -> str:
    """What a document is called by: its title, the name of its file, how its first page opens.

    A question that says "in Acme's report for the third quarter" names a document, not a passage.
    """
    name = source.rpartition("/")[2].rpartition(".")[0] or source
    lines = (title.strip(), name if name != title else "", opening[:_OPENING].strip())
    return "\n".join(line for line in lines if line)
