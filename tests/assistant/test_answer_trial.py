"""Asking the cases of a set: side by side, recorded, and taken up again after a kill."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from assistant.answer_bounds import Bound, missed
from assistant.answer_lines import Lines, read
from assistant.answer_outcome import Case, Gold
from assistant.answer_sets import AnswerSet, Form
from assistant.answer_trial import (
    Bench,
    bench_of,
    configurations,
    missing,
    names_of,
    placed,
    question_of,
    run,
)
from assistant.answering import Policy
from assistant.errors import EvaluationSetUnusable, ModelFailed
from tests.assistant.pipeline_standins import ANNA, MemoryLog, assistant, library
from tests.assistant.standins import ScriptedModel

SIX = (
    "Customer due diligence records shall be retained for six (6) years after the end of the "
    "business relationship."
)
CASES = (
    Case(
        "1",
        "How long are customer due diligence records retained?",
        ("six years",),
        (Gold("aml-manual.md", "six (6) years", 1),),
        "span",
        ("aml-manual.md",),
    ),
    Case("2", "How long are visitor logs kept?", ("90 days",), (), "span", ("aml-manual.md",)),
    Case("3", "What is the chief executive's salary?", ()),
)
SET = AnswerSet("mine", Form.CSV, CASES, "digest")


def bench(model: ScriptedModel, log: MemoryLog | None = None) -> Bench:
    held, kept = library(), log or MemoryLog()
    made = assistant(model, kept, held)
    return bench_of(held, kept, model, Policy(), ANNA, made, {"passages": 3})


def test_configurations_stand_side_by_side_with_their_chains() -> None:
    assert [each.name for each in configurations((), baseline=True)] == ["default", "plain chain"]
    several = configurations(("phi", "qwen"), baseline=True)
    assert [each.name for each in several] == ["phi", "phi plain chain", "qwen", "qwen plain chain"]
    assert [each.plain for each in several] == [False, True, False, True]


def test_the_product_and_the_plain_chain_are_asked_and_judged_alike() -> None:
    log, model = MemoryLog(), ScriptedModel(["It is nine years. Ask Bob."])
    ours = bench(model, log)
    names = names_of(ours)
    product, chain = configurations((), baseline=True)
    with Lines(None) as lines:
        gated = run(SET, product, ours, lines, names)
        plain = run(SET, chain, ours, lines, names)
    assert [each.case for each in gated.shown] == ["1", "2", "3"]
    assert gated.shown[0].verdict == "QUOTED" and gated.judged[0].correct
    assert gated.judged[0].cited_gold and gated.shown[0].record
    assert not any(each.unsupported for each in gated.judged)
    first = plain.shown[0]
    assert (first.verdict, first.text) == ("ANSWERED", "It is nine years. Ask Bob.")
    assert first.sentences == (("It is nine years.", ()), ("Ask Bob.", ()))
    assert first.passages and {source for source, _, _ in first.passages} == {"aml-manual.md"}
    assert plain.judged[0].wrong_shown and plain.judged[0].unsupported_facts == 2
    assert plain.shown[0].prompt_tokens > 0 and plain.shown[0].completion_tokens > 0
    assert (plain.configuration, plain.prompt[:7]) == ("plain chain", "plain-1")
    assert log.types().count("question.received") == 3
    assert {"task.received", "task.released"} <= set(log.types())


def test_a_chain_that_says_it_does_not_know_has_refused() -> None:
    ours = bench(ScriptedModel(["I don't know."]))
    with Lines(None) as lines:
        plain = run(SET, configurations((), baseline=True)[1], ours, lines, names_of(ours))
    assert {each.verdict for each in plain.shown} == {"REFUSED"}
    assert [each.correct for each in plain.judged] == [False, False, True]


def test_a_chain_whose_model_dies_has_failed_at_that_question() -> None:
    ours = bench(ScriptedModel(["It is nine years."], breaks_after=1))
    with Lines(None) as lines:
        plain = run(SET, configurations((), baseline=True)[1], ours, lines, names_of(ours))
    assert {each.verdict for each in plain.shown} == {"FAILED"}


def test_what_was_answered_is_not_asked_again_after_a_kill(tmp_path: Path) -> None:
    path, product = tmp_path / "told.jsonl", configurations((), baseline=False)[0]
    model = ScriptedModel([SIX])
    ours = bench(model)
    names = names_of(ours)
    with Lines(path) as lines:
        first = run(replace(SET, cases=CASES[:2]), product, ours, lines, names)
    with path.open("ab") as file:
        file.write(b'{"format": "cloister-answ')  # killed in the middle of a line
    calls = len(model.calls)
    log = MemoryLog()
    again = bench(model, log)
    told: list[int] = []
    with Lines(path) as lines:
        second = run(SET, product, again, lines, names, told.append)
    assert second.shown[:2] == first.shown and second.judged[:2] == first.judged
    assert log.types().count("question.received") == 1 and len(model.calls) - calls <= 1
    assert told == [1, 2, 3] and len(list(read(path))) == 3
    # Another model's results, or another question under the same id, are not taken for these.
    other = replace(again, model="another model")
    with Lines(path) as lines:
        run(SET, product, other, lines, names)
    assert len(list(read(path))) == 6
    changed = replace(SET, cases=(replace(CASES[0], text="How long are records retained?"),))
    with Lines(path) as lines:
        run(changed, product, again, lines, names)
    assert len(list(read(path))) == 7


def test_a_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    path.write_text('{"mine": 1}\n')
    with pytest.raises(EvaluationSetUnusable, match=r"line 1, is no result"):
        Lines(path)
    assert path.read_text() == '{"mine": 1}\n'
    line = json.dumps({"format": "cloister-answers-1", "shown": {"case": 1}})
    path.write_text(line + "\n")
    with pytest.raises(EvaluationSetUnusable):
        Lines(path)


def test_what_breaks_keeps_what_was_there(tmp_path: Path) -> None:
    path, product = tmp_path / "told.jsonl", configurations((), baseline=False)[0]
    ours = bench(ScriptedModel([SIX]))

    class Broken:
        def ask(self, question: object) -> object:
            raise ModelFailed("it is gone")

    broken = replace(ours, assistant=Broken())  # type: ignore[arg-type]
    with Lines(path) as lines:
        run(replace(SET, cases=CASES[:1]), product, ours, lines, names_of(ours))
        with pytest.raises(ModelFailed):
            run(SET, product, broken, lines, names_of(ours))
    assert [line["case"] for _, line, _ in read(path)] == ["1"]


def test_documents_are_found_by_their_path_or_its_only_ending() -> None:
    ours = bench(ScriptedModel([SIX]))
    names = names_of(ours)
    (aml,) = names.ids["aml-manual.md"]
    assert question_of(CASES[0], names, ANNA).documents == frozenset({aml})
    assert question_of(CASES[2], names, ANNA).documents is None
    nested = type(names)({"a/x.pdf": frozenset({"1"}), "b/x.pdf": frozenset({"2"}),
                          "b/y.pdf": frozenset({"3"})})  # fmt: skip
    assert (nested.source("y.pdf"), nested.source("x.pdf")) == ("b/y.pdf", None)
    case = Case("1", "?", ("a",), (Gold("y.pdf", ""), Gold("x.pdf", "")))
    assert [gold.source for gold in placed(case, nested).gold] == ["b/y.pdf", "x.pdf"]
    assert missing([case], nested) == ("x.pdf",)


def test_bounds_that_are_not_held_are_named() -> None:
    figures = {"default": {"correct": 0.5, "wrong_shown": 0.2, "refusal_f1": float("nan")},
               "phi": {"correct": 0.7, "wrong_shown": 0.1, "refusal_f1": 1.0}}  # fmt: skip
    held = [Bound("correct", 0.5, True), Bound("wrong_shown", 0.1, False, "phi")]
    assert missed(held, figures) == []
    assert missed([Bound("correct", 0.6, True), Bound("wrong_shown", 0.15, False)], figures) == [
        "correct of default is 0.5000 and the floor 0.6",
        "wrong_shown of default is 0.2000 and the ceiling 0.15",
    ]
    assert "was not measured" in missed([Bound("refusal_f1", 0, True)], figures)[0]
