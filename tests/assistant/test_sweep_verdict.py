"""How the best evidence of a document becomes a verdict."""

from __future__ import annotations

import pytest

from assistant.counting import for_each
from assistant.evidence import Candidate, Evidence
from assistant.layout import Unit
from assistant.sentences import Kind
from assistant.sweep_verdict import Reason, Verdict, features, judge, wanted
from assistant.terms import keys

NOTHING: frozenset[str] = frozenset()


def evidence(text: str, similarity: float = 0.5, answers: bool = True) -> Evidence:
    unit = Unit(0, len(text), Kind.SENTENCE, text)
    candidate = Candidate("d", 1, 0, unit, 0, False, keys(text), NOTHING, NOTHING)
    return Evidence(candidate, similarity, 0.0, answers, 0.0)


@pytest.mark.parametrize(
    ("question", "text", "coverage", "phrase"),
    [
        ("Which contracts have a change-of-control clause?", "Any change in control", 1.0, 1.0),
        ("Which contracts have a change-of-control clause?", "Control of it changes", 1.0, 1.0),
        ("Which contracts have a change-of-control clause?", "The clause", 0.0, 0.0),
        ("Which contracts have an automatic renewal clause?", "renews automatically", 1.0, 1.0),
        ("Which policies mention whistleblowing?", "the whistle-blowing line", 1.0, 0.0),
        ("Which policies prohibit smoking?", "Staff must not smoke: smoking harms", 1.0, 1.0),
        ("Which policies prohibit smoking?", "Smoking is common", 2 / 3, 0.0),
        ("Which contracts limit liability?", "Liability shall not exceed a million", 1.0, 0.0),
    ],
)
def test_words_are_found_in_other_forms_and_as_a_phrase(
    question: str, text: str, coverage: float, phrase: float
) -> None:
    found = features(wanted(for_each(question)), evidence(text))
    assert (found.coverage, found.phrase) == (coverage, phrase)


def test_what_names_the_kind_of_value_need_not_be_said_where_one_is() -> None:
    asked = for_each("What notice period does each contract have?")
    of = features(wanted(asked), evidence("It ends by giving 45 days' notice."))
    assert of.coverage == 1.0


def test_a_verdict_needs_evidence_and_between_the_limits_a_person() -> None:
    asked = for_each("Which contracts have an arbitration clause?")
    look = wanted(asked)
    sure = judge(asked, look, [evidence("Coffee", 0.1), evidence("Arbitration is binding.", 0.6)])
    assert (sure.verdict, sure.reason) == (Verdict.FOUND, Reason.NONE)
    assert [each.candidate.unit.text for each in sure.evidence] == ["Arbitration is binding."]
    assert judge(asked, look, []).verdict is Verdict.NOT_FOUND
    assert judge(asked, look, [evidence("Coffee", 0.1)]).verdict is Verdict.NOT_FOUND
    near = judge(asked, look, [evidence("The arbiter of taste", 0.72)])
    assert (near.verdict, near.reason) == (Verdict.UNCLEAR, Reason.NEAR)
    denied = judge(asked, look, [evidence("There is no arbitration here.", 0.8)])
    assert (denied.verdict, denied.reason) == (Verdict.UNCLEAR, Reason.DENIED)


def test_the_value_nearest_to_the_words_asked_for_is_the_one() -> None:
    asked = for_each("What notice period does each contract have?")
    text = "The term is two years and the notice period is three months."
    judged = judge(asked, wanted(asked), [evidence(text, 0.7)])
    assert judged.fact is not None
    assert text[slice(*judged.fact)] == "three months"
    none = judge(asked, wanted(asked), [evidence("The notice period is fair.", 0.9, answers=False)])
    assert none.verdict is Verdict.NOT_FOUND


@pytest.mark.parametrize(
    ("question", "about"),
    [
        ("What retention period does each policy set for call recordings?", "call recordings"),
        ("Which contracts mention data protection?", "data protection"),
        ("Which policies have a wall clause?", "wall"),
    ],
)
def test_articles_are_left_out_as_words_and_never_as_the_end_of_a_word(
    question: str, about: str
) -> None:
    assert wanted(for_each(question)).query.endswith(about)


@pytest.mark.parametrize(
    ("question", "query"),
    [
        ("How long does each policy keep call recordings?", "keep call recordings"),
        ("How long are call recordings kept in each policy?", "call recordings kept"),
        ("What notice period does each contract have?", "notice period"),
    ],
)
def test_what_asks_and_whom_is_not_looked_for(question: str, query: str) -> None:
    assert wanted(for_each(question)).query == query


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("If the control of Velmont changes, the bank may end this agreement.", 1.0),
        ("Where the control of a party has changed, its rights lapse.", 1.0),
        ("The change of control is reported.", 1.0),
        ("You control which changes to your profile are seen.", 0.0),
        ("Version control: each change is noted.", 0.0),
        ("The control of the team, which reviews each change, is strict.", 0.0),
        ("Changes to the access control list are recorded.", 0.0),
    ],
)
def test_a_phrase_may_be_turned_by_grammar_and_not_by_another_clause(
    text: str, phrase: float
) -> None:
    asked = wanted(for_each("Which contracts have a change-of-control clause?"))
    assert features(asked, evidence(text)).phrase == phrase


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("Neither party may assign this agreement.", 1.0),
        ("No assignment shall be made.", 1.0),
        ("Assignment of rights under this agreement is prohibited.", 1.0),
        ("The licensee must not smoke. Seats are assigned.", 0.0),
        ("You must not enter the room in which the seats are assigned.", 0.0),
        ("Seats are assigned at the entrance.", 0.0),
    ],
)
def test_a_modal_verb_makes_a_phrase_with_what_it_is_about(text: str, phrase: float) -> None:
    asked = wanted(for_each("Which of the contracts prohibit assignment?"))
    assert features(asked, evidence(text)).phrase == phrase


@pytest.mark.parametrize(
    ("question", "text", "coverage"),
    [
        ("How long does each policy keep call recordings?", "Call recordings are kept.", 1.0),
        ("How long does each policy keep call recordings?",
         "Call recordings are deleted after two years.", 1.0),
        ("How long does each policy keep call recordings?",
         "Call recordings older than two years are destroyed.", 1.0),
        ("How long does each policy keep call recordings?",
         "Call recordings are deleted within two days.", 2 / 3),
        ("Which policies contain a rule to keep recordings?", "Recordings are deleted after a day.",
         1 / 2),
    ],
)  # fmt: skip
def test_how_long_something_is_kept_is_said_by_when_it_is_deleted(
    question: str, text: str, coverage: float
) -> None:
    assert features(wanted(for_each(question)), evidence(text)).coverage == pytest.approx(coverage)
