"""What all tasks share: how they end, stands once in the log, whatever ends them."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import replace
from typing import Any, cast

import pytest

from assistant import compare, extract, labels, summarise, sweep, task, tasks
from assistant.answering import Policy
from assistant.label_file import Label
from assistant.task import Parts, TaskRecord
from assistant.tasks import Request
from audit.errors import AuditError
from index.document import Status
from index.effective import Standing
from index.errors import NotFound
from tests.assistant.pipeline_standins import ANNA, MemoryLibrary, MemoryLog, library
from tests.assistant.standins import ScriptedModel

FIELD = {"type": "object", "properties": {"period": {"type": "string"}}}
TASKS: dict[str, Request] = {
    "summarise": summarise.Request(ANNA, verbatim=True),
    "compare": compare.Request(ANNA, "aml-manual.md", "privacy-policy.md"),
    "extract": extract.Request(ANNA, json.dumps(FIELD), rules_only=True),
    "classify": labels.Request(ANNA, (Label("Retention", "how long records are kept"),)),
    "sweep": sweep.Request(ANNA, "Which documents mention retention?"),
}
ENDINGS = ("task.released", "task.failed")


def begun(name: str, log: MemoryLog) -> Generator[object, None, None]:
    """A task over the two short documents, not asked for anything yet."""
    parts = Parts(library(), log, ScriptedModel([""]), Policy())
    return cast(Generator[object, None, None], tasks.run(parts, TASKS[name]))


@pytest.mark.parametrize("name", TASKS)
def test_an_interrupted_task_is_recorded_as_that(name: str) -> None:
    log = MemoryLog()
    going = begun(name, log)
    next(going)
    with pytest.raises(KeyboardInterrupt):
        going.throw(KeyboardInterrupt())
    assert [each for each in log.types() if each in ENDINGS] == ["task.failed"]
    assert log.last("task.failed").fields["code"] == "KeyboardInterrupt"


@pytest.mark.parametrize("name", TASKS)
def test_a_reader_who_leaves_with_the_whole_result_has_not_left_early(name: str) -> None:
    steps = list(begun(name, MemoryLog()))
    log = MemoryLog()
    going = begun(name, log)
    for _ in steps:
        last = next(going)
    going.close()
    assert type(last) is type(steps[-1])
    assert [each for each in log.types() if each in ENDINGS] == ["task.released"]
    log = MemoryLog()
    going = begun(name, log)
    for _ in steps[:-1]:
        next(going)
    going.close()  # without it
    assert [each for each in log.types() if each in ENDINGS] == ["task.failed"]
    assert log.last("task.failed").fields["code"] == "CANCELLED"


def test_a_task_ends_once_and_a_log_that_fails_is_not_asked_again() -> None:
    log = MemoryLog()
    record = TaskRecord(log, ANNA, "any")
    with pytest.raises(ValueError, match="after"), task.ended(record):
        record.released({}, {})
        raise ValueError("after the result")
    assert log.types() == ["task.released"]
    failing = MemoryLog(fails_on="task.released")
    record = TaskRecord(failing, ANNA, "any")
    with pytest.raises(AuditError), task.ended(record):
        record.released({}, {})
    assert not record.over
    assert failing.types() == []


# -- which documents -------------------------------------------------------------------------------


class Dated(MemoryLibrary):
    """Two versions of one source, the first in force until the end of 2024, and a draft."""

    def __init__(self) -> None:
        texts = {f"default/{name}.md": (name, f"Text {name}.") for name in ("one", "two", "draft")}
        super().__init__(texts)
        one, two, draft = self.docs.values()
        self.docs = {
            one.id: replace(one, source="p.md", status=Status.SUPERSEDED),
            two.id: replace(two, source="p.md", version=2),
            draft.id: replace(draft, status=Status.DRAFT),
        }

    def documents(self, scope: Any) -> Any:
        return [each for each in super().documents(scope) if each.status is Status.CURRENT]

    def all_documents(self, scope: Any) -> Any:
        return list(reversed(list(super().documents(scope))))

    def standings(self, documents: Any, scope: Any, day: str) -> Any:
        def holds(each: Any) -> bool:
            return each.status is not Status.DRAFT and (each.version == 2) == (day >= "2025-01-01")

        return {(each.collection, each.id): Standing(holds(each)) for each in documents}


def test_documents_are_named_by_source_id_and_day_in_one_way() -> None:
    shelf = Dated()
    scope = shelf.scope(ANNA.groups)
    one, two, draft = shelf.docs.values()
    assert task.chosen(shelf, scope) == (two,)
    assert task.chosen(shelf, scope, day="2024-06-30") == (one,)
    assert task.chosen(shelf, scope, (two.id, "p.md")) == (two,)
    with pytest.raises(NotFound, match=r"p2\.md in force on 2024-06-30"):
        task.chosen(shelf, scope, ("p2.md",), day="2024-06-30")
    with pytest.raises(NotFound, match=r"draft\.md in force today"):
        task.chosen(shelf, scope, ("draft.md",))
    assert task.chosen(shelf, scope, ("draft.md", "p.md"), any_status=True) == (draft, two)
    with pytest.raises(NotFound, match=r"gone\.md that"):
        task.chosen(shelf, scope, ("gone.md",), any_status=True)
    with pytest.raises(NotFound, match="draft"):
        task.read(shelf, draft, scope)
    assert not task.read(shelf, draft, scope, any_status=True).standing.in_force
