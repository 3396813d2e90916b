"""The forms of sets of questions with known answers, each turned into cases and documents.

SQuAD: Rajpurkar et al., 2016 and 2018 (`is_impossible`); PolicyQA has its form. CLAPnq: Rosenthal
et al., 2024. TAT-QA: Zhu et al., 2021. A customer's own questions: CSV or JSONL.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from assistant.answer_outcome import Case, Gold
from assistant.answer_tables import Unusable, csv_cases, jsonl_cases
from assistant.answer_values import sole
from assistant.errors import EvaluationSetUnusable

DEFAULT_ANSWERS = frozenset({"span", "multi-span"})  # of TAT-QA: no arithmetic, no counting
BESIDE = 2  # paragraphs of the same SQuAD article that a question is put to besides its own


class Form(StrEnum):
    SQUAD = "squad"
    CLAPNQ = "clapnq"
    TATQA = "tatqa"
    CSV = "csv"
    JSONL = "jsonl"


@dataclass(frozen=True, slots=True)
class Text:
    """A document that a set carries: plain text, or HTML. `source` is what it will be called."""

    source: str
    title: str
    text: str
    html: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """What one file holds."""

    form: Form
    cases: tuple[Case, ...]
    texts: tuple[Text, ...] = ()


def read_file(path: Path, answer_types: frozenset[str] = DEFAULT_ANSWERS) -> Part:
    """The cases and documents of one file. Raises EvaluationSetUnusable."""
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise EvaluationSetUnusable(
            f"{path}, line {line}, is not UTF-8 text; save the file as UTF-8."
        ) from error
    try:
        return _read(content, answer_types)
    except Unusable as error:
        where = f", line {error.line}," if error.line else ""
        raise EvaluationSetUnusable(f"{path}{where} {error}") from error


def _read(content: str, answer_types: frozenset[str]) -> Part:
    stripped = content.lstrip()
    if not stripped:
        raise Unusable("is empty; give a file that holds questions.")
    if stripped[0] not in "[{":
        return Part(Form.CSV, tuple(csv_cases(content)))
    try:
        whole = json.loads(content)
    except RecursionError as error:
        raise Unusable("is nested too deeply to be read; mend it.") from error
    except ValueError as error:
        whole = None
        if stripped[0] == "[" or not _one_a_line(stripped):
            line = getattr(error, "lineno", 0)
            raise Unusable(
                f"is not JSON ({getattr(error, 'msg', error)}); mend it.", line
            ) from error
    if isinstance(whole, dict) and isinstance(whole.get("data"), list):
        return squad(whole)
    if isinstance(whole, list) and whole and isinstance(whole[0], dict) and "table" in whole[0]:
        return tatqa(whole, answer_types)
    if whole is None or (isinstance(whole, dict) and {"input", "question"} & whole.keys()):
        return _lines(content)
    raise Unusable(
        "is JSON of no known form (SQuAD, CLAPnq, TAT-QA, or questions with answers); see "
        "docs/evaluating-answers.md."
    )


def _one_a_line(stripped: str) -> bool:
    """Whether the first line is a JSON object of its own."""
    try:
        return isinstance(json.loads(stripped.splitlines()[0]), dict)
    except ValueError:
        return False


def _lines(content: str) -> Part:
    records: list[tuple[int, dict[str, Any]]] = []
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise Unusable("is not a JSON object; mend or drop it.", number) from error
        if not isinstance(record, dict):
            raise Unusable("is not a JSON object; mend or drop it.", number)
        records.append((number, record))
    if "input" in records[0][1]:
        return clapnq(records)
    return Part(Form.JSONL, tuple(jsonl_cases(records)))


# -- SQuAD -----------------------------------------------------------------------------------------


def squad(whole: Mapping[str, Any]) -> Part:
    """Articles, their paragraphs, and questions on a paragraph with spans of it as answers.

    Each paragraph is a document. A question is put to its own and to `BESIDE` others of the same
    article, chosen by digest among those on which the same question was not asked: over a whole
    article a question has many right places and one gold.
    """
    cases: list[Case] = []
    texts: dict[Text, None] = {}
    for number, article in enumerate(whole["data"]):
        place = f"data[{number}]"
        with_place = _checked(article, place, {"paragraphs": list})
        title = str(article.get("title", "")).replace("_", " ")
        contexts: dict[str, dict[str, None]] = {}  # text -> the questions asked on it, folded
        for at, paragraph in enumerate(with_place["paragraphs"]):
            _checked(paragraph, f"{place}.paragraphs[{at}]", {"context": str, "qas": list})
            if not paragraph["context"].strip():
                raise Unusable(f"has an empty paragraph at {place}.paragraphs[{at}]; drop it.")
            held = contexts.setdefault(paragraph["context"], {})
            for asked, each in enumerate(paragraph["qas"]):
                where = f"{place}.paragraphs[{at}].qas[{asked}]"
                _checked(each, where, {"id": str, "question": str})
                held[_folded(each["question"])] = None
        made = {text: Text(_source(title, text), title, text) for text in contexts}
        texts |= dict.fromkeys(made.values())
        for paragraph in with_place["paragraphs"]:
            own = made[paragraph["context"]]
            for each in paragraph["qas"]:
                folded = _folded(each["question"])
                others = [made[text] for text in made if folded not in contexts[text]]
                cases.append(_squad_case(each, own, others))
    return Part(Form.SQUAD, _with_ids(cases), tuple(texts))


def _squad_case(asked: Mapping[str, Any], own: Text, others: Sequence[Text]) -> Case:
    answers: tuple[str, ...] = ()
    if not asked.get("is_impossible", False):
        answers = tuple(
            dict.fromkeys(_answer_text(a, asked["id"]) for a in asked.get("answers", []))
        )
    beside = sorted(others, key=lambda text: _digest(f"{asked['id']}\n{text.source}"))[:BESIDE]
    gold = tuple(Gold(own.source, answer) for answer in answers)
    sources = (own.source, *(text.source for text in beside))
    return Case(asked["id"], asked["question"], answers, gold, "span", sources)


def _answer_text(answer: object, id_: str) -> str:
    if not isinstance(answer, dict) or not isinstance(answer.get("text"), str):
        raise Unusable(f"has an answer without text at question {id_}; mend it.")
    return str(answer["text"])


# -- CLAPnq ----------------------------------------------------------------------------------------


def clapnq(records: Sequence[tuple[int, Mapping[str, Any]]]) -> Part:
    """A question a line with its passage, and answers of several sentences with those sentences of
    the passage that support them; no answer for a question that the passage does not answer."""
    cases: list[Case] = []
    texts: dict[Text, None] = {}
    for line, record in records:
        try:
            case, own = _clapnq_case(record)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Unusable(
                'is no CLAPnq record with "id", "input", "passages" and "output" (or lacks a text '
                "in one of them); mend or drop it.",
                line,
            ) from error
        texts |= dict.fromkeys(own)
        cases.append(case)
    return Part(Form.CLAPNQ, _with_ids(cases), tuple(texts))


def _clapnq_case(record: Mapping[str, Any]) -> tuple[Case, list[Text]]:
    passages = [
        Text(_source(each["title"], each["text"]), each["title"], each["text"])
        for each in record["passages"]
    ]
    if not passages or not record["input"].strip():
        raise ValueError("nothing to ask, or of")
    outputs = [each for each in record["output"] if each["answer"].strip()]
    chosen = dict.fromkeys(
        sentence for each in outputs for sentence in each["selected_sentences"] if sentence.strip()
    )
    gold = []
    for sentence in chosen:
        holder = next((text for text in passages if sentence in text.text), passages[0])
        gold.append(Gold(holder.source, sentence))
    answers = tuple(dict.fromkeys(each["answer"] for each in outputs))
    sources = tuple(dict.fromkeys(text.source for text in passages))
    return Case(str(record["id"]), record["input"], answers, tuple(gold), "long", sources), passages


# -- TAT-QA ----------------------------------------------------------------------------------------


def tatqa(whole: Sequence[Any], answer_types: frozenset[str]) -> Part:
    """A table with the paragraphs around it, as an HTML document, and questions on it. Asked are
    those whose answer is of one of `answer_types` ("span", "multi-span", "arithmetic", "count")."""
    cases: list[Case] = []
    texts: dict[Text, None] = {}
    for number, each in enumerate(whole):
        place = f"[{number}]"
        held = _checked(each, place, {"table": dict, "paragraphs": list, "questions": list})
        table = _checked(held["table"], f"{place}.table", {"uid": str, "table": list})
        try:
            document = _table_document(table, held["paragraphs"])
            asked = [
                _tatqa_case(question, document)
                for question in held["questions"]
                if question["answer_type"] in answer_types
            ]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Unusable(
                f"has a table, paragraph or question that cannot be read at {place}; mend it."
            ) from error
        texts |= {document: None}
        cases.extend(asked)
    return Part(Form.TATQA, _with_ids(cases), tuple(texts))


def _table_document(table: Mapping[str, Any], paragraphs: Sequence[Mapping[str, Any]]) -> Text:
    """The paragraphs in their order, then the table; its leading rows without a first cell are
    its head."""
    ordered = sorted(paragraphs, key=lambda each: each["order"])
    body = [f"<p>{html.escape(each['text'])}</p>" for each in ordered]
    rows = []
    heading = True
    for number, row in enumerate(table["table"]):
        heading = heading and (number == 0 or not row[0].strip())
        tag = "th" if heading else "td"
        cells = "".join(f"<{tag}>{html.escape(cell.strip())}</{tag}>" for cell in row)
        rows.append(f"<tr>{cells}</tr>")
    text = "\n".join([*body, "<table>", *rows, "</table>"])
    page = f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"></head><body>\n{text}\n'
    return Text(f"tables/{_slug(table['uid'])}.html", "", page + "</body></html>\n", html=True)


def _tatqa_case(asked: Mapping[str, Any], document: Text) -> Case:
    given = asked["answer"] if isinstance(asked["answer"], list) else [asked["answer"]]
    spelt = tuple(_scaled(str(each), asked.get("scale", "")) for each in given)
    numbers = all(sole(each) is not None for each in spelt)
    gold = tuple(Gold(document.source, str(each)) for each in given)
    return Case(
        asked["uid"], asked["question"], spelt, gold, "value" if numbers else "span",
        (document.source,), together=len(spelt) > 1,
    )  # fmt: skip


def _scaled(answer: str, scale: str) -> str:
    """The answer with the scale that the set gives for it, unless it says so itself."""
    value = sole(answer)
    return f"{answer} {scale}" if scale and value is not None and not value.scale else answer


# -- shared ----------------------------------------------------------------------------------------


def _checked(value: Any, place: str, wanted: Mapping[str, type]) -> dict[str, Any]:
    """`value`, an object with the wanted keys. Raises Unusable."""
    for key, kind in wanted.items():
        if not isinstance(value, dict) or not isinstance(value.get(key), kind):
            raise Unusable(f"has no {key!r} (a {kind.__name__}) at {place}; mend it.")
    return dict(value)


def _with_ids(cases: Sequence[Case]) -> tuple[Case, ...]:
    seen: set[str] = set()
    for case in cases:
        if case.id in seen:
            raise Unusable(
                f"has the question id {case.id} twice; give each question an id of its own."
            )
        seen.add(case.id)
    return tuple(cases)


def _source(title: str, text: str) -> str:
    """What a text of a set is called as a document: its title, and what tells it apart."""
    return f"{_slug(title)}/{_digest(text)[:8]}"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:80] or "text"


def _folded(text: str) -> str:
    return " ".join(text.lower().split())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def sources(cases: Sequence[Case]) -> Iterator[str]:
    """Every document that the cases name, once."""
    named = (source for case in cases for source in case.sources or ())
    golden = (gold.source for case in cases for gold in case.gold)
    yield from dict.fromkeys([*named, *golden])
