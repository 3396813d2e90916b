"""What the clear fields of the records of an answer or a task mean: which documents it relied on
and how much, whose model and prompt made it, and how it ended. Pure.

The fields are those that docs/audit.md lists; places are `document:page:start:end`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum

Fields = Mapping[str, object]

STARTS = {
    "question.received": "answer",
    "task.received": "task",
    "search.received": "search",
}
ENDS = frozenset(
    {
        "answer.released", "answer.failed", "question.refused",
        "task.released", "task.failed", "search.released", "search.failed",
    }
)  # fmt: skip


class Strength(StrEnum):
    """How an answer relied on a document, strongest first: it cites it; its text was put before the
    model or read by the task; a search only had it among its hits. Of a model or prompt: its words
    are shown; it was asked."""

    CITED = "cited"
    SHOWN = "shown"
    FOUND = "found"

    @property
    def rank(self) -> int:
        """0 for the strongest."""
        return list(Strength).index(self)


_DOCUMENT_FIELDS = (
    ("document", Strength.SHOWN),
    ("documents", Strength.SHOWN),
    ("documents_shown", Strength.SHOWN),
    ("documents_found", Strength.FOUND),
)
_NAMING = ("question.", "ingest.")  # their `documents` say what was asked of, not what was read
_MODEL_FIELDS = ("model", "model_sha256", "models_called", "to_model", "to_model_sha256")
_PROMPT_FIELDS = ("prompt_version", "prompt_template_sha256", "prompt_sha256", "prompt")


def documents_of(kind: str, fields: Fields) -> Iterator[tuple[str, Strength]]:
    """The documents (ids) that a record of this type names, and how much it relied on each."""
    for place in _texts(fields.get("citations")):
        yield place.partition(":")[0], Strength.CITED
    if kind.startswith(_NAMING):
        return
    for name, strength in _DOCUMENT_FIELDS:
        for document in _texts(fields.get(name)):
            yield document, strength


def models_of(fields: Fields) -> Iterator[tuple[str, Strength]]:
    """Names and digests of the models that a record names. What `shown_from` names wrote words
    that are shown."""
    wrote = str(fields.get("shown_from") or "")
    own = (str(fields.get("model") or ""), str(fields.get("model_sha256") or ""))
    for name in _MODEL_FIELDS:
        for value in _texts(fields.get(name)):
            spoke = bool(wrote) and (value == wrote or (own[0] == wrote and value in own))
            yield value, Strength.CITED if spoke else Strength.SHOWN


def prompts_of(fields: Fields) -> Iterator[tuple[str, Strength]]:
    """Names and digests of the prompts that a record names."""
    spoke = bool(fields.get("shown_from"))
    for name in _PROMPT_FIELDS:
        for value in _texts(fields.get(name)):
            yield value, Strength.CITED if spoke else Strength.SHOWN


def verdict_of(kind: str, fields: Fields) -> str:
    """How the record says that it ended: its verdict, RELEASED, REFUSED or FAILED; else ""."""
    verdict = fields.get("verdict")
    if isinstance(verdict, str):
        return verdict
    if kind not in ENDS:
        return ""
    return kind.rpartition(".")[2].upper()


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        if value:
            yield value
    elif isinstance(value, list):
        yield from (each for each in value if isinstance(each, str) and each)
