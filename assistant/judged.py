"""Reading sets of judged questions: which questions, over which documents, with which gold.

Three kinds of folder, told apart by what they hold:

    BEIR        `corpus.jsonl` (`{"_id","text",...}` a line), `queries.jsonl`, `qrels/SPLIT.tsv`
    documents   `documents/` with any files, `queries.jsonl`, `qrels/SPLIT.tsv`
    home        `queries.jsonl` and `qrels/SPLIT.tsv` only: asked of a data folder's own documents

`queries.jsonl` holds `{"_id", "text"}` a line, and may name in `"scope"` the collections that a
question is put to and in `"as_of"` the day (ISO 8601) that it is about. `qrels/SPLIT.tsv` holds
question id, judged id and relevance, tab separated, below a head line. Outside BEIR a judged id is
a document's path below `documents/` (its source, in a home), or that path, `#` and a page number.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

from assistant.errors import EvaluationSetUnusable
from index.intake import valid_name

DEFAULT = "default"  # the collection of what lies in no folder of its own


class Kind(StrEnum):
    BEIR = "beir"
    DOCUMENTS = "documents"
    HOME = "home"


@dataclass(frozen=True, slots=True)
class JudgedQuestion:
    """`judged`: id -> relevance, above 0 if relevant; `scope` None: everything that may be read."""

    id: str
    text: str
    judged: Mapping[str, int]
    scope: frozenset[str] | None = None
    as_of: str | None = None


@dataclass(frozen=True, slots=True)
class JudgedSet:
    """The judged questions in the order of the judgements, and where their documents lie.

    `parts`: collection -> what is ingested into it, empty for a home. `by_folder`: the collections
    are the folders below `documents/`, so that their names stand before sources in judged ids.
    `files`: SHA-256 of every file below `documents/` by its path there, empty for the other kinds.
    `digest` is that of everything the figures depend on, `corpus_digest` that of the documents.
    """

    name: str
    kind: Kind
    split: str
    questions: tuple[JudgedQuestion, ...]
    digest: str
    corpus_digest: str = ""
    parts: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    by_folder: bool = False
    files: Mapping[str, str] = field(default_factory=dict)


def read_set(folder: Path, split: str, on_home: bool = False) -> JudgedSet:
    """The set in `folder`; with `on_home` its documents, if it has any, are left alone.

    Raises:
        EvaluationSetUnusable: a file is missing or cannot be used; it and the line are named.
    """
    corpus, documents = folder / "corpus.jsonl", folder / "documents"
    queries, qrels = folder / "queries.jsonl", folder / "qrels" / f"{split}.tsv"
    if not on_home and not corpus.is_file() and not documents.is_dir():
        raise EvaluationSetUnusable(
            f"{folder} holds neither corpus.jsonl nor documents/; give the path of a set that has "
            "one of them, or --on-home to ask your own documents."
        )
    for path in (queries, qrels):
        if not path.is_file():
            raise EvaluationSetUnusable(
                f"{path} is missing; a set holds queries.jsonl and qrels/SPLIT.tsv, so give its "
                "path and a --split that it has."
            )
    questions = _judged(queries, qrels)
    asked = _digest({"queries": _file_digest(queries), "qrels": _file_digest(qrels)})
    name = folder.resolve().name
    if on_home:
        return JudgedSet(name, Kind.HOME, split, questions, asked)
    if corpus.is_file():
        held = _file_digest(corpus)
        both = _digest({"asked": asked, "corpus": held})
        return JudgedSet(name, Kind.BEIR, split, questions, both, held, {DEFAULT: (corpus,)})
    files = {
        _printable(path.relative_to(documents)): _file_digest(path)
        for path in sorted(documents.rglob("*"))
        if path.is_file()
    }
    if not files:
        raise EvaluationSetUnusable(f"{documents} holds no file; put the documents there.")
    by_folder = any(question.scope is not None for question in questions)
    parts = _folders(documents) if by_folder else {DEFAULT: (documents,)}
    _check_scopes(questions, parts, queries)
    held = _digest({"by folder": str(by_folder), **files})
    both = _digest({"asked": asked, "corpus": held})
    return JudgedSet(name, Kind.DOCUMENTS, split, questions, both, held, parts, by_folder, files)


def _folders(documents: Path) -> dict[str, tuple[Path, ...]]:
    """A collection for each folder; files beside the folders are in the default one."""
    below = [path for path in sorted(documents.iterdir()) if not path.name.startswith(".")]
    parts = {path.name: (path,) for path in below if path.is_dir()}
    for name in parts:
        if not valid_name(name):
            raise EvaluationSetUnusable(
                f"The folder {name!r} in {documents} would be a collection, which cannot be called "
                "so; use 1 to 64 small letters, digits, '-' or '_', beginning with neither mark."
            )
    loose = tuple(path for path in below if path.is_file())
    if loose and DEFAULT in parts:
        raise EvaluationSetUnusable(
            f"{documents} holds files beside a folder {DEFAULT!r}, whose collection would be the "
            "same; put the files into a folder of another name."
        )
    return parts | ({DEFAULT: loose} if loose else {})


def _check_scopes(
    questions: tuple[JudgedQuestion, ...], parts: Mapping[str, object], queries: Path
) -> None:
    for question in questions:
        for name in sorted((question.scope or frozenset()) - parts.keys()):
            raise EvaluationSetUnusable(
                f"{queries}: the scope of question {question.id} names {name!r}, and documents/ "
                "has no folder of that name; correct the scope or add the folder."
            )


def _judged(queries: Path, qrels: Path) -> tuple[JudgedQuestion, ...]:
    judgements = _read_judgements(qrels)
    asked = _read_queries(queries)
    missing = next((id_ for id_ in judgements if id_ not in asked), None)
    if missing is not None:
        raise EvaluationSetUnusable(
            f"{qrels} judges question {missing}, which {queries} lacks; use files of one set."
        )
    if not judgements:
        raise EvaluationSetUnusable(f"{qrels} judges nothing; give a --split that has judgements.")
    return tuple(
        JudgedQuestion(id_, asked[id_].text, judged, asked[id_].scope, asked[id_].as_of)
        for id_, judged in judgements.items()
    )


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers from 1."""
    with path.open("rb") as lines:
        for number, raw in enumerate(lines, start=1):
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise EvaluationSetUnusable(
                    f"{path}, line {number}, is not UTF-8 text; save the file as UTF-8."
                ) from error
            if line.strip():
                yield number, line


def _read_queries(path: Path) -> dict[str, JudgedQuestion]:
    found: dict[str, JudgedQuestion] = {}
    for number, line in _lines(path):
        try:
            question = _query(json.loads(line))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise EvaluationSetUnusable(
                f'{path}, line {number}, is not a {{"_id","text"}} record with a text and, if '
                'any, a "scope" that lists collections and an "as_of" day like 2025-06-30; mend '
                "or drop it."
            ) from error
        if question.id in found:
            raise EvaluationSetUnusable(
                f"{path}, line {number}, has the _id {question.id} of an earlier line; give each "
                "question an id of its own."
            )
        found[question.id] = question
    return found


def _query(record: dict[str, Any]) -> JudgedQuestion:
    """Raises ValueError, KeyError or TypeError for what is no question."""
    text, scope, as_of = record["text"], record.get("scope"), record.get("as_of")
    if not isinstance(text, str) or not text.strip() or not isinstance(record["_id"], str | int):
        raise ValueError("no text")
    f"{text}{record['_id']}".encode()  # raises ValueError for half a surrogate pair
    if scope is not None:
        if not isinstance(scope, list) or not all(isinstance(name, str) for name in scope):
            raise ValueError("no scope")
        scope = frozenset(scope)
    day = None if as_of is None else date.fromisoformat(as_of).isoformat()
    return JudgedQuestion(str(record["_id"]), text, {}, scope, day)


def _read_judgements(path: Path) -> dict[str, dict[str, int]]:
    judgements: dict[str, dict[str, int]] = {}
    for number, line in _lines(path):
        cells = line.split("\t")
        try:
            question, judged, relevance = cells[0], cells[1], int(cells[2])
            if len(cells) != 3 or not question or not judged:
                raise ValueError("not three cells")
        except (ValueError, IndexError) as error:
            if number == 1:
                continue  # the head line names the columns
            raise EvaluationSetUnusable(
                f"{path}, line {number}, is not 'question id, judged id, relevance' separated "
                f"by tabs; mend or drop the line."
            ) from error
        known = judgements.setdefault(question, {})
        if known.setdefault(judged, relevance) != relevance:
            raise EvaluationSetUnusable(
                f"{path}, line {number}, judges {judged} for question {question} a second time and "
                "otherwise; drop one of the two lines."
            )
    return judgements


def _printable(path: Path) -> str:
    """A path as ingestion names it: bytes that are not UTF-8 as escapes."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(parts: Mapping[str, str]) -> str:
    canonical = json.dumps(parts, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()
