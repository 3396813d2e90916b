"""The whole ingestion of real PDFs beside the usual LangChain chain, same embedder, same machine.

    pip install --no-deps --target PEERS langchain-community langchain-huggingface langchain-chroma
    PYTHONPATH=PEERS python benchmarks/whole_ingestion.py FOLDER... [--reports N]

The chain is what tutorials show: `PyPDFLoader`, `RecursiveCharacterTextSplitter(1000, 200)`,
`HuggingFaceEmbeddings` with the same weights, `Chroma.from_documents`. Each side runs in a process
of its own, one after the other, loading of models included, from nothing to searchable. Ours also
hashes, sandboxes, keeps words' places, journals, records and builds a lexical view. Chunks a second
and pages a second are given, because the two cut differently; floor: 3 times the chunks a second.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FLOOR = 3.0


def theirs(files: list[Path], folder: Path) -> tuple[int, int, int]:
    """Pages, chunks and characters in chunks that the chain puts into Chroma."""
    from langchain_chroma import Chroma
    from langchain_community.document_loaders import PyPDFLoader
    from langchain_huggingface import HuggingFaceEmbeddings
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    from index.embed import default_folder

    pages = [page for file in files for page in PyPDFLoader(str(file)).load()]
    chunks = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200).split_documents(
        pages
    )
    embedder = HuggingFaceEmbeddings(model_name=str(default_folder()))
    Chroma.from_documents(chunks, embedder, persist_directory=str(folder / "chroma"))
    return len(pages), len(chunks), sum(len(chunk.page_content) for chunk in chunks)


def ours(files: list[Path], folder: Path) -> tuple[int, int, int]:
    """Pages, chunks and characters in chunks that Cloister takes in."""
    from audit.compose import open_log
    from audit.record import Actor
    from index.compose import open_index
    from index.document import Scope
    from ingest.compose import open_ingestor

    with (
        open_log(folder) as log,
        open_ingestor(folder, log, Actor("person", "benchmark")) as ingestor,
    ):
        summary = ingestor.add(files)
        if summary.failed:
            raise SystemExit(f"not taken in: {summary.failed}")
    with open_index(folder) as index:
        scope = Scope(frozenset({"default"}))
        characters = sum(
            len(chunk.text)
            for document in index.documents(scope)
            for chunk in index.chunks(document.id, scope)
        )
    return summary.pages, summary.chunks, characters


SIDES = {"chain": theirs, "cloister": ours}


def measured(side: str, folders: list[str], reports: int) -> dict[str, float]:
    """Run one side in a process of its own; wall time includes starting it."""
    command = [sys.executable, __file__, *folders, "--reports", str(reports), "--side", side]
    began = time.monotonic()
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    seconds = time.monotonic() - began
    pages, chunks, characters = json.loads(said.splitlines()[-1])
    print(
        f"{side}: {pages} pages, {chunks} chunks of {characters / chunks:.0f} characters in "
        f"{seconds:.1f} s: {chunks / seconds:.1f} chunks/s, {pages / seconds:.1f} pages/s",
        flush=True,
    )
    return {"seconds": seconds, "chunks": chunks / seconds, "pages": pages / seconds}


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--reports", type=int, default=0, help="only so many files; 0: all")
    parser.add_argument("--side", choices=sorted(SIDES))
    options = parser.parse_args()
    files = sorted(path for folder in options.folders for path in Path(folder).rglob("*.pdf"))
    files = files[: options.reports or None]
    if options.side:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(SIDES[options.side](files, Path(folder))))
        return
    chain = measured("chain", options.folders, options.reports)
    mine = measured("cloister", options.folders, options.reports)
    ratio = mine["chunks"] / chain["chunks"]
    print(
        f"chunks a second: {ratio:.2f} times; pages a second: {mine['pages'] / chain['pages']:.2f}"
    )
    if ratio < FLOOR:
        raise SystemExit(f"below the floor of {FLOOR}")


if __name__ == "__main__":
    main()
