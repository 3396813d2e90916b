"""Replaying answers over stand-ins, and (slow) over the real index, log and model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from assistant import compose
from assistant.answer import Answer, Turn
from assistant.answering import Policy
from assistant.escalation import Escalation
from assistant.model import Model
from assistant.pages import Viewer
from assistant.pipeline import Assistant
from assistant.prompts import PromptSet, shipped
from assistant.replay_here import here
from assistant.replay_open import ShelfPins, open_replayer
from assistant.replay_open import replay as run_replay
from assistant.replay_record import Kept, Recorded, ReplayImpossible, kept_of, recorded
from assistant.replaying import DIFFERENT, EQUAL, Replay, Replayer
from assistant.settings import AssistantSettings
from assistant.terms import Weights
from audit.compose import open_log
from audit.record import Actor
from index.compose import open_index
from index.document import Page, Status
from ingest.compose import open_ingestor
from tests.assistant.pipeline_standins import (
    ANNA,
    MANUAL,
    MemoryLibrary,
    MemoryLog,
    library,
    question,
)
from tests.assistant.standins import ScriptedModel, crashing_model, endless_model

ASK = "How long are customer due diligence records retained?"
TRUE = "Customer due diligence records are kept for six years after the business relationship."
BUILD = "cloister test"


@dataclass
class Asked:
    """An answer that was given over stand-ins, and what its log holds."""

    answer: Answer
    log: MemoryLog
    shelf: MemoryLibrary

    @property
    def records(self) -> list[Kept]:
        found = []
        for number, event in enumerate(self.log.events):
            kept = kept_of(number, event)
            actor = {"id": event.actor.id, "groups": event.actor.groups, "auth": event.actor.auth}
            found.append(replace(kept, actor=actor, build=BUILD))
        return found

    @property
    def then(self) -> Recorded:
        return recorded(self.answer.request, self.records)


@dataclass
class Shelved:
    """`assistant.replaying.Pins` that gives one model; `gone` names what is not there."""

    model_: Model
    gone: Sequence[str] = ()
    asked: list[Mapping[str, Any]] = field(default_factory=list)

    def prompt(self, name: str, sha256: str) -> PromptSet:
        found = shipped(name)
        if name in self.gone or found.digest != sha256:
            raise ReplayImpossible("PROMPT_MISSING", f"{name} is gone")
        return found

    def model(self, fields: Mapping[str, Any], engine: Mapping[str, Any]) -> Callable[[], Model]:
        self.asked.append(fields)
        return lambda: self.model_


def ask(
    model: Model,
    text: str = ASK,
    *earlier: str,
    policy: Policy | None = None,
    shelf: MemoryLibrary | None = None,
    larger: Model | None = None,
) -> Asked:
    log, shelf = MemoryLog(), shelf or library()
    viewer = Viewer(lambda path, number: None)
    made = Assistant(shelf, log, model, viewer, policy or Policy(straight=False), larger)
    return Asked(made.ask(question(text, *earlier)), log, shelf)


def replay(
    asked: Asked, model: Model, *, policy: Policy | None = None, larger: Model | None = None
) -> Replay:
    replayer = Replayer(asked.shelf, policy or Policy(), Shelved(model), larger=lambda: larger)
    return replayer.replay(asked.then, BUILD, remote=larger is not None)


def codes(found: Replay) -> list[str]:
    return [reason.code for reason in found.reasons]


def test_an_answer_comes_out_the_same_with_the_settings_of_then() -> None:
    asked = ask(ScriptedModel([TRUE]), policy=Policy(straight=False, budget=400, passages=1))
    found = replay(asked, ScriptedModel([TRUE]), policy=Policy(budget=900))
    assert (found.outcome, found.prompt_equal, found.text_equal) == (EQUAL, True, True)
    assert codes(found) == []
    assert any("budget: 400, now 900" in note for note in found.notes)
    assert found.search is not None
    assert found.search.equal


def test_the_prompt_is_rebuilt_and_not_copied() -> None:
    asked = ask(ScriptedModel([TRUE]))
    model = ScriptedModel([TRUE])
    then = asked.then  # whose digests were held against the envelopes
    altered = [replace(call, prompt="Forged.") for call in then.calls]
    found = Replayer(asked.shelf, Policy(), Shelved(model)).replay(
        replace(then, calls=tuple(altered)), BUILD
    )
    assert found.prompt_equal  # by the digest: what is sealed in clear
    assert "Customer due diligence" in model.calls[0][1]


def test_another_text_is_shown_with_what_is_known_of_the_cause() -> None:
    asked = ask(ScriptedModel([TRUE]))
    found = replay(asked, ScriptedModel([TRUE.replace("six", "6")]))
    assert (found.outcome, found.prompt_equal, found.text_equal) == (DIFFERENT, True, False)
    assert codes(found) == ["UNKNOWN"]
    written = next(part for part in found.compared if part.name == "written 1")
    assert {"op": "removed", "text": "six"} in written.as_json()["difference"]  # type: ignore[operator]


def test_another_build_and_machine_are_named() -> None:
    asked = ask(ScriptedModel([TRUE]))
    then = asked.then
    fields = {**then.fields, "machine": "VAX-11/780", "code_sha256": "0" * 64}
    found = Replayer(asked.shelf, Policy(), Shelved(ScriptedModel(["No."]))).replay(
        replace(then, fields=fields, build="cloister 0.1"), BUILD
    )
    assert codes(found) == ["OTHER_BUILD", "OTHER_HARDWARE"]
    assert "VAX-11/780" in found.reasons[1].sentence


def test_a_straight_answer_needs_no_model() -> None:
    asked = ask(ScriptedModel(["Never asked."]), policy=Policy())
    assert "model.called" not in asked.log.types()
    found = replay(asked, crashing_model())
    assert (found.outcome, found.prompt_equal) == (EQUAL, None)


@pytest.mark.parametrize(
    "text", ["Who won the football match?", "How many documents mention consent?"]
)
def test_abstentions_and_offers_are_replayed(text: str) -> None:
    asked = ask(ScriptedModel([TRUE]), text)
    assert replay(asked, ScriptedModel([TRUE])).equal


def test_a_superseded_document_serves_and_what_is_said_of_it_is_of_then() -> None:
    asked = ask(ScriptedModel([TRUE]))
    for key, document in list(asked.shelf.docs.items()):
        asked.shelf.docs[key] = replace(document, status=Status.SUPERSEDED, title="Renamed")
    found = replay(asked, ScriptedModel([TRUE]))
    assert found.equal
    assert "DOCUMENT_DESCRIBED" in codes(found)
    assert found.search is not None
    assert not found.search.equal
    assert "aml-manual.md" in found.search.gone


def test_a_document_that_is_gone_or_reads_otherwise_is_said_so() -> None:
    asked = ask(ScriptedModel([TRUE]))
    (place, page), *_ = asked.shelf.texts.items()
    asked.shelf.texts[place] = Page(page.number, page.text.replace("six (6)", "ten (10)"))
    with pytest.raises(ReplayImpossible, match="reads otherwise") as anew:
        replay(asked, ScriptedModel([TRUE]))
    assert anew.value.code == "READ_ANEW"
    asked.shelf.docs.pop(place[0])
    with pytest.raises(ReplayImpossible, match="not in the index any more") as gone:
        replay(asked, ScriptedModel([TRUE]))
    assert gone.value.code == "DOCUMENT_GONE"


def test_an_erased_payload_a_pruned_question_and_no_answer_are_said_so() -> None:
    asked = ask(ScriptedModel([TRUE]))
    last = asked.records[-1]
    erased = replace(last, payload=None, erased=True)
    with pytest.raises(ReplayImpossible, match="was erased"):
        recorded("r", [*asked.records[:-1], erased])
    with pytest.raises(ReplayImpossible, match="retention"):
        recorded("r", asked.records[1:])
    with pytest.raises(ReplayImpossible, match="no released answer"):
        recorded("r", asked.records[:-1])


@pytest.mark.parametrize(
    ("type_", "name"),
    [
        ("question.received", "question"),
        ("model.called", "prompt"),
        ("model.finished", "raw"),
        ("answer.released", "text"),
    ],
)
def test_a_payload_that_its_envelope_does_not_seal_is_refused(type_: str, name: str) -> None:
    records = ask(ScriptedModel([TRUE])).records
    forged = [
        replace(each, payload={**(each.payload or {}), name: "Forged."})
        if each.type == type_
        else each
        for each in records
    ]
    with pytest.raises(ReplayImpossible, match="cloister audit verify"):
        recorded("r", forged)


@pytest.mark.parametrize(
    "model", [crashing_model, endless_model, lambda: ScriptedModel(["2." * 2000])]
)
def test_what_broke_down_or_was_cut_ends_where_it_ended(model: Callable[[], Model]) -> None:
    asked = ask(model())
    again = (
        ScriptedModel(["The retention period is six years."])
        if model is crashing_model
        else model()
    )
    found = replay(asked, again)
    assert found.equal, [part for part in found.compared if not part.equal]


def test_a_rewriting_is_asked_again() -> None:
    """The rules have to guess what the last question leaves out, so the model was asked."""
    rewritten = "Which form is used for due diligence records?"

    def say(system: str, user: str) -> str:
        return rewritten if "Earlier questions" in user else TRUE

    asked = ask(
        ScriptedModel(say), "Which form is used?", "How long are due diligence records kept?"
    )
    assert asked.then.rewriting is not None
    found = replay(asked, ScriptedModel(say))
    assert [part.equal for part in found.compared if part.name == "rewriting"] == [True]
    assert found.equal
    other = replay(asked, ScriptedModel(lambda system, user: "Something else?"))
    assert not other.equal


def test_a_server_is_not_asked_again_unless_told_to() -> None:
    policy = Policy(straight=False, escalation=Escalation("when_rejected"))

    class Server(ScriptedModel):
        @property
        def info(self) -> Any:
            return replace(super().info, sha256="", where="https://gpu.example:1/v1", sequences=1)

    asked = ask(ScriptedModel(["Nonsense."]), policy=policy, larger=Server([TRUE]))
    assert asked.answer.cost.escalated
    found = replay(asked, ScriptedModel(["Nonsense."]))
    assert found.equal
    assert any("not asked again" in note for note in found.notes)
    told = replay(asked, ScriptedModel(["Nonsense."]), larger=Server([TRUE]))
    assert told.equal
    assert [part.name for part in told.compared if part.name == "prompt 2"]


def test_turns_keep_their_documents() -> None:
    asked = ask(ScriptedModel([TRUE]))
    document = next(iter(asked.shelf.docs))
    log = MemoryLog()
    made = Assistant(asked.shelf, log, ScriptedModel([TRUE]), Viewer(lambda p, n: None), Policy())
    turn = Turn(ASK, "Six years.", (document,))
    answer = made.ask(replace(question("And for visitor logs?"), history=(turn,)))
    then = Asked(answer, log, asked.shelf).then
    assert then.question.history == (turn,)
    assert then.question.asker.id == ANNA.id


def test_a_model_or_prompt_that_is_not_here_is_named(tmp_path: Path) -> None:
    asked = ask(ScriptedModel([TRUE]))
    pins = ShelfPins(tmp_path, AssistantSettings())
    with pytest.raises(ReplayImpossible, match="cloister models add") as model:
        pins.model(asked.then.calls[0].fields, {})
    assert str(asked.then.calls[0].fields["model_sha256"]) in str(model.value)
    assert pins.prompt("answer-1", shipped("answer-1").digest) == shipped("answer-1")
    with pytest.raises(ReplayImpossible, match="cloister prompts add"):
        pins.prompt("answer-1", "0" * 64)


def test_what_runs_here_is_told_in_short() -> None:
    told = here()
    assert len(told["code_sha256"]) == 64
    assert 0 < len(told["machine"]) <= 500
    assert told is here()


def test_sums_over_sets_do_not_depend_on_their_order() -> None:
    """Each process goes through a set in another order; what is made of it must come out again."""
    words = [f"word{number}" for number in range(40)]
    weigh = Weights(9, {word: number % 9 for number, word in enumerate(words)})
    assert weigh.total(words) == weigh.total(reversed(words)) == weigh.total(sorted(words))


@pytest.mark.slow
def test_the_real_model_over_the_real_index_and_log(tmp_path: Path) -> None:
    files, home = tmp_path / "files", tmp_path / "home"
    files.mkdir()
    (files / "manual.md").write_text(f"# AML manual\n\n{MANUAL}\n")
    actor = Actor("person", "anna", groups=("local",))
    with open_log(home) as log:
        with open_ingestor(home, log, actor) as ingestor:
            ingestor.add([files])
        settings = AssistantSettings.load(home).model_copy(update={"straight_answers": False})
        engine = compose.engine(settings, compose.chooser(settings, home), log)
        viewer = Viewer(lambda path, number: None)
        with Assistant(open_index(home), log, engine, viewer, compose.policy(settings)) as made:
            answer = made.ask(question(ASK))
        assert "model.called" in log.counters()

        def again() -> Replay:
            found = run_replay(log, actor, answer.record, lambda: open_replayer(home))
            assert isinstance(found, Replay)
            return found

        found = again()
        assert (found.outcome, found.prompt_equal, found.text_equal) == (EQUAL, True, True)
        assert codes(found) == []
        (files / "manual.md").write_text(
            f"# AML manual\n\n{MANUAL.replace('six (6)', 'ten (10)')}\n"
        )
        with open_ingestor(home, log, actor) as ingestor:
            ingestor.add([files])
        found = again()  # by the version that was cited, which was superseded since
        assert found.equal
        assert found.search is not None
        assert not found.search.equal
        with open_ingestor(home, log, actor) as ingestor:
            ingestor.remove("manual.md")
        with pytest.raises(ReplayImpossible) as gone:
            again()
        assert gone.value.code == "DOCUMENT_GONE"
