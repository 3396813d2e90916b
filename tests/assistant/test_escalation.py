"""When a larger model is asked, what is shown of it, and what the log has."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from assistant.answer import Answer, Event, Released, Stage, Verdict
from assistant.answering import Policy
from assistant.errors import (
    AssistantError,
    ModelBusy,
    ModelFailed,
    PromptTooLong,
    ServerFailed,
    ServerRefused,
)
from assistant.escalation import WHY, Escalation, Reason, When, explained, reason_to_escalate
from assistant.model import ModelInfo
from assistant.pages import Viewer
from assistant.pipeline import Assistant
from audit.errors import AuditError
from tests.assistant.pipeline_standins import MemoryLog, library, question
from tests.assistant.standins import ScriptedModel, crashing_model
from tests.assistant.test_pipeline import ASK, QUOTE, TRUE

WRONG = "Customer due diligence records are kept for six months."


class Larger(ScriptedModel):
    """A model on a server next door."""

    @property
    def info(self) -> ModelInfo:
        return replace(super().info, name="Large", sha256="", where="https://10.0.0.5:8443")


class Unreachable(Larger):
    """A server that is not there."""

    @property
    def info(self) -> ModelInfo:
        raise ServerFailed("https://10.0.0.5:8443", "no connection could be made")


class Raising(ScriptedModel):
    """A model that fails as it is told to before it writes."""

    def __init__(self, error: AssistantError) -> None:
        super().__init__([TRUE])
        self._error = error

    def generate(self, *args: object, **kwargs: object):  # type: ignore[no-untyped-def]
        raise self._error


def both(
    small: ScriptedModel,
    larger: ScriptedModel | None,
    when: When = "when_rejected_or_failed",
    log: MemoryLog | None = None,
    **policy: object,
) -> Assistant:
    escalation = Escalation(when, budget=1500, passages=5)
    made = Policy(straight=False, escalation=escalation, **policy)  # type: ignore[arg-type]
    viewer = Viewer(lambda path, number: None)
    return Assistant(library(), log or MemoryLog(), small, viewer, made, larger)


BROKEN = ModelFailed("it died")


@pytest.mark.parametrize(
    ("when", "shown", "error", "late", "reason"),
    [
        ("never", 0, None, False, None),
        ("never", 0, BROKEN, False, None),
        ("when_rejected", 0, None, False, Reason.REJECTED),
        ("when_rejected", 1, None, False, None),
        ("when_rejected", 0, BROKEN, False, None),
        ("when_rejected", 0, None, True, None),
        ("when_rejected_or_failed", 0, None, False, Reason.REJECTED),
        ("when_rejected_or_failed", 0, BROKEN, False, Reason.FAILED),
        ("when_rejected_or_failed", 0, None, True, Reason.FAILED),
        ("when_rejected_or_failed", 0, ModelBusy(3), False, Reason.BUSY),
        ("when_rejected_or_failed", 0, PromptTooLong(9, 8), False, Reason.TOO_LONG),
        ("when_rejected_or_failed", 2, BROKEN, False, None),
    ],
)
def test_the_policy(
    when: When, shown: int, error: AssistantError | None, late: bool, reason: Reason | None
) -> None:
    assert reason_to_escalate(when, shown, error, late=late) is reason


def test_every_reason_can_be_said() -> None:
    assert set(WHY) == set(Reason)
    assert explained(Reason.BUSY, "Large", "").startswith("They were written by the larger model")


def test_a_rejected_draft_is_written_by_the_larger_model() -> None:
    log = MemoryLog()
    small, larger = ScriptedModel([WRONG]), Larger([TRUE])
    answer = both(small, larger, "when_rejected", log).ask(question(ASK))
    assert answer.verdict is Verdict.ANSWERED
    assert answer.text == f"{TRUE} [1]"
    assert answer.model == "Large https://10.0.0.5:8443"
    assert "larger model Large at https://10.0.0.5:8443" in answer.explanation
    assert [removed.text for removed in answer.removed] == [WRONG]
    assert answer.cost.escalated
    assert answer.cost.completion_tokens == -(-len(WRONG) // 4) + -(-len(TRUE) // 4)
    assert log.types() == [
        "question.received", "model.called", "model.finished", "model.escalated", "model.called",
        "answer.sentence", "model.finished", "answer.released",
    ]  # fmt: skip
    fields = log.last("model.escalated").fields
    assert (fields["reason"], fields["from_model"], fields["to_model"], fields["to_where"]) == (
        "REJECTED", "Scripted", "Large", "https://10.0.0.5:8443",
    )  # fmt: skip
    assert log.last("answer.sentence").fields["model"] == "Large"
    released = log.last("answer.released").fields
    assert released["models_called"] == ["Scripted", "Large"]
    assert (released["shown_from"], released["model"]) == ("Large", "Large")
    assert released["escalated"] is True
    assert released["cost_completion_tokens"] == answer.cost.completion_tokens
    # The larger one reads the same passages, more of them if its budget holds more.
    assert larger.calls[0][1].count("<passage ") >= small.calls[0][1].count("<passage ")


def test_a_supported_draft_is_left_alone() -> None:
    larger = Larger([TRUE])
    answer = both(ScriptedModel([TRUE]), larger).ask(question(ASK))
    assert answer.model.startswith("Scripted ")
    assert larger.calls == []
    assert not answer.cost.escalated


def test_when_both_are_rejected_the_evidence_is_quoted() -> None:
    log = MemoryLog()
    answer = both(ScriptedModel([WRONG]), Larger(["It is ten years."]), log=log).ask(question(ASK))
    assert answer.verdict is Verdict.QUOTED
    assert answer.text == QUOTE
    assert "larger model's words were not supported either" in answer.explanation
    assert answer.model.startswith("Scripted ")
    assert log.last("answer.released").fields["shown_from"] == ""
    assert {event.fields["model"] for event in log.events if event.type == "answer.sentence"} == {
        ""
    }


@pytest.mark.parametrize(
    "larger",
    [
        lambda: Unreachable([TRUE]),
        lambda: Raising(ServerFailed("https://10.0.0.5", "HTTP 500", "its own words")),
        lambda: Raising(ServerRefused("https://10.0.0.5", "8.8.8.8 is not inside")),
        lambda: Raising(ModelBusy(4)),
        lambda: crashing_model(),
    ],
)
def test_a_larger_model_that_fails_leaves_the_answer_as_it_was(
    larger: Callable[[], ScriptedModel],
) -> None:
    log = MemoryLog()
    answer = both(ScriptedModel([WRONG]), larger(), log=log).ask(question(ASK))
    assert answer.verdict is Verdict.QUOTED
    assert answer.text == QUOTE
    assert "larger model" in answer.explanation
    assert "its own words" not in answer.explanation
    told = json.dumps([dict(event.payload or {}) for event in log.events])
    assert "not help" in told or "could not be asked" in told
    assert log.last("model.escalated").fields["reason"] == "REJECTED"


def test_what_a_server_said_is_for_the_log_alone() -> None:
    log = MemoryLog()
    error = ServerFailed("https://10.0.0.5", "HTTP 500", "<b>click here</b>")
    answer = both(ScriptedModel([WRONG]), Raising(error), log=log).ask(question(ASK))
    assert "click" not in f"{answer}"
    assert "click here" in str(log.last("model.finished").payload)
    assert answer.verdict is Verdict.QUOTED


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ModelFailed("it died"), "FAILED"),
        (ModelBusy(7), "BUSY"),
        (PromptTooLong(5000, 4096), "TOO_LONG"),
    ],
)
def test_a_small_model_that_fails_is_replaced_if_the_policy_says_so(
    error: AssistantError, reason: str
) -> None:
    log = MemoryLog()
    answer = both(Raising(error), Larger([TRUE]), log=log).ask(question(ASK))
    assert (answer.verdict, answer.text) == (Verdict.ANSWERED, f"{TRUE} [1]")
    assert log.last("model.escalated").fields["reason"] == reason
    assert log.types().count("model.called") == log.types().count("model.finished") == 2
    larger = Larger([TRUE])
    answer = both(Raising(error), larger, "when_rejected").ask(question(ASK))
    assert answer.verdict is Verdict.QUOTED
    assert larger.calls == []


def test_nothing_goes_to_the_larger_model_that_is_not_recorded_first() -> None:
    for step in range(8):
        larger = Larger([TRUE])
        log = MemoryLog(fails_at=step)
        shown: list[Event] = []
        try:
            for event in both(ScriptedModel([WRONG]), larger, log=log).stream(question(ASK)):
                shown.append(event)
        except AuditError:
            assert not any(isinstance(each, Answer) for each in shown)
        recorded = [event.payload for event in log.events if event.type == "answer.sentence"]
        assert len(recorded) >= sum(isinstance(each, Released) for each in shown)
        assert not larger.calls or "model.escalated" in log.types()


def test_progress_says_that_another_model_is_asked() -> None:
    events = both(ScriptedModel([WRONG]), Larger([TRUE])).stream(question(ASK))
    stages = [event.name for event in events if isinstance(event, Stage)]
    assert stages == ["searching", "reading", "writing", "escalating", "checking"]


def test_closing_closes_the_larger_model_and_forgetting_reaches_it() -> None:
    small, larger = ScriptedModel([]), Larger([])
    with both(small, larger) as made:
        made.forget("talk")
    assert small.closed
    assert larger.closed
    assert small.forgotten == larger.forgotten == ["talk"]
