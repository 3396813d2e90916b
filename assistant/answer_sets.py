"""Reading sets of questions with known answers: which questions, over which documents, what is
right.

A set is a file or a folder of files of one form. What a file holds says which form it is (its
name does not matter); `assistant.answer_forms` reads them:

    squad    one JSON object, `data`, `paragraphs`, `context`, `qas`
    clapnq   a JSON object a line, `input`, `passages`, `output`
    tatqa    one JSON list, `table`, `paragraphs`, `questions`
    csv      columns `question`, `expected answer`, `document`, `page`
    jsonl    the same as a JSON object a line

The first three bring their documents. The last two ask those in the folder `documents/` beside
the file, or those of a data folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from assistant.answer_forms import DEFAULT_ANSWERS, Form, Part, Text, read_file, sources
from assistant.answer_outcome import Case
from assistant.errors import EvaluationSetUnusable

__all__ = ["AnswerSet", "Form", "Text", "read_set", "sources", "write_documents"]

OWN_DOCUMENTS = (Form.CSV, Form.JSONL)
_SUFFIXES = (".json", ".jsonl", ".csv")
_RECORDS = "records.jsonl"


@dataclass(frozen=True, slots=True)
class AnswerSet:
    """Questions with known answers, and what they are asked of.

    `texts` are documents that the set's own files carry, `folder` one that holds documents as
    files; neither: the documents of a data folder. `digest` is that of everything the figures
    depend on, `corpus_digest` that of the documents, empty if they are a data folder's.
    """

    name: str
    form: Form
    cases: tuple[Case, ...]
    digest: str
    corpus_digest: str = ""
    texts: tuple[Text, ...] = ()
    folder: Path | None = None

    @property
    def on_home(self) -> bool:
        """Whether the documents of a data folder are asked."""
        return not self.texts and self.folder is None

    def chosen(self, every: int = 1, limit: int | None = None) -> AnswerSet:
        """The same with the first of every `every` questions, `limit` of them at most. The
        documents stay all of them, so that what is searched does not change."""
        cases = self.cases[::every][:limit]
        digest = _digest([self.digest, *(case.id for case in cases)])
        return self if cases == self.cases else replace(self, cases=cases, digest=digest)


def read_set(
    path: Path, on_home: bool = False, answer_types: frozenset[str] = DEFAULT_ANSWERS
) -> AnswerSet:
    """The set that `path`, a file or a folder, holds.

    With `on_home` a CSV or JSONL set is asked of a data folder's own documents; `answer_types` are
    the questions of a TAT-QA set that are asked.

    Raises:
        EvaluationSetUnusable: something is missing or cannot be used; file and line are named.
    """
    files = _files(path)
    parts = [read_file(file, answer_types) for file in files]
    forms = {part.form for part in parts}
    if len(forms) > 1:
        named = ", ".join(f"{f.name} ({p.form})" for f, p in zip(files, parts, strict=True))
        raise EvaluationSetUnusable(
            f"The files of {path} are of different forms: {named}; give one of them."
        )
    form = parts[0].form
    cases = _together(files, parts)
    if not cases:
        raise EvaluationSetUnusable(f"{path} holds no question that can be asked; give another.")
    asked = _digest([form.value, *map(_file_digest, files), *sorted(answer_types)])
    texts = tuple(dict.fromkeys(text for part in parts for text in part.texts))
    name = path.resolve().stem if path.is_file() else path.resolve().name
    if form not in OWN_DOCUMENTS:
        if on_home:
            raise EvaluationSetUnusable(
                f"{path} brings its own documents; leave --on-home away, which is for a CSV or "
                "JSONL of questions about yours."
            )
        held = _digest([f"{text.source}\n{text.title}\n{text.text}" for text in texts])
        return AnswerSet(name, form, cases, _digest([asked, held]), held, texts)
    if on_home:
        return AnswerSet(name, form, cases, asked)
    folder = (path if path.is_dir() else path.parent) / "documents"
    held = _folder_digest(folder)
    return AnswerSet(name, form, cases, _digest([asked, held]), held, folder=folder)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise EvaluationSetUnusable(f"{path} is not there; give the file or folder of a set.")
    found = [each for each in sorted(path.iterdir()) if each.suffix.lower() in _SUFFIXES]
    if not found:
        raise EvaluationSetUnusable(
            f"{path} holds no .json, .jsonl or .csv file; give the file or folder of a set."
        )
    return found


def _together(files: Sequence[Path], parts: Sequence[Part]) -> tuple[Case, ...]:
    """The cases of all parts; an id that two files give is an error."""
    seen: dict[str, Path] = {}
    for file, part in zip(files, parts, strict=True):
        for case in part.cases:
            if case.id in seen:
                raise EvaluationSetUnusable(
                    f"{file} has the question id {case.id} of {seen[case.id]} again; give each "
                    "question an id of its own."
                )
            seen[case.id] = file
    return tuple(case for part in parts for case in part.cases)


def _folder_digest(folder: Path) -> str:
    if not folder.is_dir():
        raise EvaluationSetUnusable(
            f"{folder} is not there; put the documents that the questions are about into it, or "
            "give --on-home to ask those of the data folder."
        )
    found = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    if not found:
        raise EvaluationSetUnusable(f"{folder} holds no file; put the documents there.")
    return _digest([f"{path.relative_to(folder)!s}\n{_file_digest(path)}" for path in found])


def write_documents(set_: AnswerSet, folder: Path) -> Path:
    """The folder to ingest: the set's own, or `folder`, into which its texts are written.

    Texts become records of one JSONL file, whose id is their source; HTML ones files of their own.
    Raises OSError.
    """
    if set_.folder is not None:
        return set_.folder
    folder.mkdir(parents=True, exist_ok=True)
    records = []
    for text in set_.texts:
        if text.html:
            path = folder / text.source
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, text.text)
        else:
            record = {"_id": text.source, "title": text.title, "text": text.text}
            records.append(json.dumps(record, ensure_ascii=True) + "\n")
    if records:
        _write(folder / _RECORDS, "".join(records))
    return folder


def _write(path: Path, text: str) -> None:
    """Only if it differs: an unchanged file is not ingested again."""
    content = text.encode("utf-8")
    if not path.is_file() or path.read_bytes() != content:
        partial = path.with_name(f".{path.name}.part")
        partial.write_bytes(content)
        partial.replace(path)


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(parts: Sequence[str]) -> str:
    canonical = json.dumps(list(parts), ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()
