"""What surrounds the model's words in an answer: context within rights, straight answers, offers,
conflicts. Over stand-ins; each part has tests of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from assistant.answer import Answer, Turn, Verdict
from assistant.answering import Policy
from tests.assistant.pipeline_standins import (
    MANUAL,
    PRIVACY,
    MemoryLibrary,
    MemoryLog,
    assistant,
    library,
    question,
)
from tests.assistant.standins import ScriptedModel

ASK = "How long are customer due diligence records retained?"
FOLLOW = "And marketing consent records?"
SIX = "Customer due diligence records are kept for six years."
OTHER = """5 Retention
Customer due diligence records shall be retained for five (5) years after the end of the
business relationship."""


def ask(
    text: str,
    *,
    shelf: MemoryLibrary | None = None,
    log: MemoryLog | None = None,
    model: ScriptedModel | None = None,
    policy: Policy | None = None,
    history: tuple[Turn, ...] = (),
    documents: frozenset[str] | None = None,
) -> Answer:
    put = replace(question(text), history=history, documents=documents)
    return assistant(
        model or ScriptedModel(["The moon is made of cheese."]), log, shelf, policy or Policy()
    ).ask(put)


def test_a_clear_sentence_needs_no_model() -> None:
    model = ScriptedModel([SIX])
    answer = ask(ASK, model=model)
    assert answer.verdict is Verdict.QUOTED
    assert "six (6) years" in answer.text
    assert model.calls == []
    assert "no language model was asked" in answer.explanation
    assert ask(ASK, model=model, policy=Policy(straight=False)).verdict is Verdict.ANSWERED


def test_a_row_with_one_fact_of_the_kind_needs_no_model() -> None:
    model = ScriptedModel([SIX])
    answer = ask("How long are call recordings kept?", model=model)
    assert answer.verdict is Verdict.QUOTED
    assert "13 months" in answer.text
    assert "90 days" not in answer.text
    assert model.calls == []


def test_a_follow_up_is_made_whole_shown_and_recorded() -> None:
    log = MemoryLog()
    answer = ask(FOLLOW, log=log, history=(Turn(ASK, "Six years."),))
    assert "retained" in answer.understood
    assert "marketing consent records" in answer.understood
    assert "24 months" in answer.text
    record = log.last("answer.released")
    assert record.fields["understood_by"] == "rules"
    assert record.payload is not None
    assert record.payload["understood"] == answer.understood
    assert ask(ASK, log=log).understood == ""
    assert log.last("answer.released").fields["understood_by"] == "as asked"


def test_a_turn_whose_document_may_not_be_read_any_more_is_no_context() -> None:
    log = MemoryLog()
    texts = {
        "aml/aml-manual.md": ("AML manual", MANUAL),
        "default/privacy-policy.md": ("Privacy policy", PRIVACY),
    }
    local = frozenset({"local"})
    shelf = MemoryLibrary(texts, {"aml": local, "default": local})
    manual = next(each.id for each in shelf.docs.values() if each.source == "aml-manual.md")
    turn = Turn(ASK, "Six years.", (manual,))
    assert ask(FOLLOW, shelf=shelf, history=(turn,)).understood
    del shelf.grants["aml"]
    answer = ask(FOLLOW, shelf=shelf, log=log, history=(turn,))
    assert answer.understood == ""
    record = log.last("answer.released")
    assert record.fields["turns_left_out"] == 1
    assert "due diligence" not in str(record.payload)


def test_an_earlier_answer_is_no_evidence() -> None:
    told = Turn(ASK, "Customer due diligence records are retained for nine years.")
    answer = ask(
        "And how long are the due diligence records of customers retained?",
        history=(told,),
        model=ScriptedModel(["Customer due diligence records are retained for nine years."]),
        policy=Policy(straight=False),
    )
    assert "nine" not in answer.text


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("Which of these documents mention marketing consent?", True),
        ("How many policies have a retention period?", True),
        (ASK, False),
    ],
)
def test_a_question_about_every_document_is_offered_a_sweep(text: str, offered: bool) -> None:
    model, log = ScriptedModel([SIX]), MemoryLog()
    answer = ask(text, model=model, log=log)
    assert (answer.offer is not None) is offered
    if offered:
        assert answer.verdict is Verdict.ABSTAINED
        assert answer.sentences == ()
        assert answer.offer is not None
        assert answer.offer.documents == 2
        assert answer.nearest
        assert model.calls == []
        assert log.last("answer.released").fields["offered"] == "sweep"


def test_one_document_or_a_single_one_is_simply_asked() -> None:
    text = "Which of these documents mention marketing consent?"
    shelf = library()
    one = frozenset({next(iter(shelf.docs))})
    assert ask(text, shelf=shelf, documents=one).offer is None
    alone = MemoryLibrary({"default/privacy-policy.md": ("Privacy policy", PRIVACY)})
    assert ask(text, shelf=alone).offer is None


def test_documents_that_disagree_are_both_shown() -> None:
    log = MemoryLog()
    shelf = MemoryLibrary(
        {
            "default/aml-manual.md": ("AML manual", MANUAL),
            "default/schedule.md": ("Retention schedule", OTHER),
        }
    )
    answer = ask(ASK, shelf=shelf, log=log)
    assert [conflict.kind for conflict in answer.conflicts] == ["documents"]
    conflict = answer.conflicts[0]
    cited = {citation.number: citation for citation in answer.citations}
    for side in conflict.sides:
        assert side.value.split()[0] in cited[side.citation].quote
        assert side.source == cited[side.citation].source
    assert {side.source for side in conflict.sides} == {"aml-manual.md", "schedule.md"}
    assert conflict.sentence in answer.explanation
    assert log.last("answer.released").fields["conflicts"] == 1
    assert ask(ASK).conflicts == ()


def test_only_the_named_documents_are_asked() -> None:
    shelf = library()
    by_source = {each.source: each.id for each in shelf.docs.values()}
    privacy = frozenset({by_source["privacy-policy.md"]})
    answer = ask(ASK, shelf=shelf, documents=privacy)
    places = [*answer.citations, *answer.nearest]
    assert {each.document for each in places} <= privacy
    assert "six" not in answer.text
    assert ask(ASK, shelf=shelf, documents=frozenset({"unknown"})).verdict is Verdict.ABSTAINED
