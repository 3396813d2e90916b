"""Small judged sets on disk, for the tests of evaluation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path


def write_set(
    folder: Path,
    questions: Iterable[Mapping[str, object]],
    judgements: Sequence[tuple[str, str, int]],
    corpus: Sequence[Mapping[str, object]] | None = None,
    documents: Mapping[str, str] | None = None,
) -> Path:
    """A set whose questions, records and judgements are as given; `documents`: path -> text."""
    (folder / "qrels").mkdir(parents=True)
    lines(folder / "queries.jsonl", questions)
    if corpus is not None:
        lines(folder / "corpus.jsonl", corpus)
    for path, text in (documents or {}).items():
        file = folder / "documents" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    rows = "".join(f"{question}\t{id_}\t{relevance}\n" for question, id_, relevance in judgements)
    (folder / "qrels" / "dev.tsv").write_text("query-id\tcorpus-id\tscore\n" + rows)
    return folder


def lines(path: Path, records: Iterable[Mapping[str, object]]) -> None:
    path.write_text("".join(json.dumps(each) + "\n" for each in records), encoding="utf-8")


def beir(folder: Path) -> Path:
    """Two judged questions and one that is not, over three records."""
    return write_set(
        folder,
        [
            {"_id": "q1", "text": "first"},
            {"_id": "q2", "text": "second"},
            {"_id": "q3", "text": "never judged"},
        ],
        [("q1", "a", 1), ("q2", "b", 1), ("q2", "c", 1)],
        corpus=[{"_id": name, "title": "", "text": name} for name in "abc"],
    )
