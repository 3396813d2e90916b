"""`classify`: one label, several, none or unclear, and who decided."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from assistant import label_decision
from assistant.answering import Policy
from assistant.errors import LabelsUnusable, ModelFailed
from assistant.label_decision import Fit, Verdict
from assistant.label_file import Label, parse_labels
from assistant.label_model import likeliest
from assistant.labels import Classified, Request, Result, run
from assistant.model import NOBODY
from assistant.task import Parts
from audit.errors import AuditError
from index.errors import NotFound
from tests.assistant.pipeline_standins import ANNA, STRANGER, MemoryLibrary, MemoryLog
from tests.assistant.standins import ScriptedModel

RETENTION = Label("Retention", "how long records are retained and when they are erased")
SECURITY = Label("Security", "encryption, passwords and access protection of systems")
TRAVEL = Label("Travel", "trips, hotels and expenses of employees")
LABELS = (RETENTION, SECURITY, TRAVEL)
KEPT = "Records are retained for six years. When they expire, records are erased."
LOCKED = "Access to systems needs passwords and encryption. Passwords protect all systems."
FOREIGN = "Zebras graze quietly beneath distant acacia trees."


def sorted_(
    text: str, labels: Sequence[Label] = LABELS, log: MemoryLog | None = None, **request: Any
) -> tuple[Classified, Result]:
    """The one document sorted, and the result."""
    more = {key: request.pop(key) for key in ("classifier",) if key in request}
    model = request.pop("model", ScriptedModel([""]))
    held = MemoryLibrary({"default/a.md": ("a", text)})
    parts = Parts(held, log or MemoryLog(), model, Policy())
    events = list(run(parts, Request(ANNA, tuple(labels), **request), lambda: False, **more))
    result = events[-1]
    assert isinstance(result, Result)
    return result.documents[0], result


@pytest.mark.parametrize(("text", "label"), [(KEPT, "Retention"), (LOCKED, "Security")])
def test_a_document_gets_its_label_with_sentences_that_say_so(text: str, label: str) -> None:
    found, _ = sorted_(text)
    (chosen,) = found.labels
    assert (found.verdict, chosen.label, found.by) == (Verdict.LABELLED, label, "evidence")
    assert chosen.citations
    assert all(text[each.start : each.end] == each.quote for each in chosen.citations)


def test_no_label_fits_a_foreign_document() -> None:
    found, _ = sorted_(FOREIGN)
    assert (found.verdict, found.labels, found.near) == (Verdict.NONE, (), ())


def test_what_hangs_between_labels_is_unclear_and_both_sides_are_shown() -> None:
    twin = Label("Deletion", RETENTION.description)
    found, _ = sorted_(KEPT, (RETENTION, twin, TRAVEL))
    assert found.verdict is Verdict.UNCLEAR and not found.labels
    assert {each.label for each in found.near} >= {"Retention", "Deletion"}
    assert all(each.citations for each in found.near)


def test_several_labels_hold_where_units_carry_them() -> None:
    found, _ = sorted_(f"{KEPT}\n\n{LOCKED}", multi=True)
    assert {each.label for each in found.labels} == {"Retention", "Security"}
    quotes = {each.label: each.citations[0].quote for each in found.labels}
    assert quotes["Retention"] in KEPT and quotes["Security"] in LOCKED


@dataclass
class _Told:
    shares: Mapping[str, float]


class _Classifier:
    labels = ("retention", "deletion", "travel")

    def __init__(self, first: float) -> None:
        self.first = first

    def classify(self, texts: Sequence[str]) -> list[_Told]:
        rest = (1 - self.first) / 2
        return [_Told({"deletion": self.first, "retention": rest, "travel": rest}) for _ in texts]


def test_a_classifier_for_these_labels_settles_what_is_unclear_and_nothing_else() -> None:
    labels = (RETENTION, Label("Deletion", RETENTION.description), TRAVEL)
    settled, _ = sorted_(KEPT, labels, classifier=_Classifier(0.8))
    assert (settled.by, settled.labels[0].label) == ("classifier", "Deletion")
    unsure, _ = sorted_(KEPT, labels, classifier=_Classifier(0.4))
    assert (unsure.by, unsure.verdict) == ("evidence", Verdict.UNCLEAR)
    other, result = sorted_(KEPT, LABELS, classifier=_Classifier(0.9))
    assert other.by == "evidence" and "other labels" in result.notes[0]


class _Likes(ScriptedModel):
    """Finds a label likelier the better it likes it, and after a text that has its word."""

    def score(
        self, system: str, user: str, text: str, *args: Any, **more: Any
    ) -> tuple[float, ...]:
        base = -1.0 if text == "Travel" else -5.0
        return (base + 2.0 * (text == "Deletion" and "erased" in user.split("Subjects")[0]),)


def test_the_likelihood_of_a_label_counts_beyond_what_the_model_always_likes() -> None:
    names = ["Travel", "Deletion"]
    assert likeliest(_Likes([""]), ["It is erased."], names, NOBODY) == 1
    assert likeliest(_Likes([""]), ["It is sunny."], names, NOBODY) is None
    labels = (RETENTION, Label("Deletion", RETENTION.description), TRAVEL)
    found, _ = sorted_(KEPT, labels, model=_Likes([""]), likelihood=True)
    assert (found.by, found.labels[0].label) == ("likelihood", "Deletion")
    asked, _ = sorted_(KEPT, labels, model=_Likes([""]))
    assert asked.verdict is Verdict.UNCLEAR  # unless it is wanted


def test_a_model_that_breaks_leaves_it_unclear_and_is_told() -> None:
    class Broken(ScriptedModel):
        def score(self, *args: Any, **more: Any) -> tuple[float, ...]:
            raise ModelFailed("its process was ended by SIGKILL")

    labels = (RETENTION, Label("Deletion", RETENTION.description))
    found, result = sorted_(KEPT, labels, model=Broken([""]), likelihood=True)
    assert found.verdict is Verdict.UNCLEAR and "SIGKILL" in result.notes[0]


def test_records_come_first_and_rights_hold() -> None:
    log = MemoryLog()
    sorted_(KEPT, log=log)
    assert log.types() == ["task.received", "task.item", "task.released"]
    held = MemoryLibrary({"default/a.md": ("a", KEPT)})
    for type_ in ("task.received", "task.item", "task.released"):
        parts = Parts(held, MemoryLog(fails_on=type_), ScriptedModel([""]), Policy())
        with pytest.raises(AuditError):
            list(run(parts, Request(ANNA, LABELS), lambda: False))
    parts = Parts(held, log, ScriptedModel([""]), Policy())
    with pytest.raises(NotFound):
        list(run(parts, Request(STRANGER, LABELS, ("a.md",)), lambda: False))
    list(run(parts, Request(ANNA, LABELS), lambda: True))
    codes = [each.fields["code"] for each in log.events if each.type == "task.failed"]
    assert codes == ["NotFound", "CANCELLED"]


def test_labels_are_read_from_json_and_toml_alike() -> None:
    listed = [{"label": "Retention", "description": "How long"}, {"label": "Other"}]
    toml = '[[labels]]\nlabel = "Retention"\ndescription = "How long"\n[[labels]]\nlabel = "Other"'
    assert parse_labels(json.dumps(listed)) == parse_labels(toml, toml=True)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{}",
        "[]",
        '["a"]',
        '[{"label": ""}]',
        '[{"label": 1}]',
        '[{"label": "a", "weight": 2}]',
        '[{"label": "a"}, {"label": "A"}]',
        json.dumps([{"label": f"l{n}"} for n in range(51)]),
        json.dumps([{"label": "a", "description": "x" * 501}]),
    ],
)
def test_labels_that_cannot_be_used_are_refused(text: str) -> None:
    with pytest.raises(LabelsUnusable):
        parse_labels(text)


def test_an_empty_document_fits_nothing() -> None:
    labels = np.eye(2, dtype=np.float32)
    empty = label_decision.fits(
        labels, np.zeros((0, 2), np.float32), [], [], label_decision.Weights(0, {})
    )
    assert empty == ()
    assert label_decision.decide((Fit(0, 1.0, 0.1, ()),)).verdict is Verdict.NONE
