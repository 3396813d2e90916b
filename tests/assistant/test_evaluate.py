"""Asking judged questions and turning what was found into figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from assistant.evaluate import (
    CURVE,
    Floor,
    Outcome,
    Run,
    Wanted,
    ask_all,
    levels_of,
    missed,
    scores,
    summarize,
)
from assistant.judged import JudgedQuestion, JudgedSet, Kind
from assistant.ranking import Level, Names, Place, names_of

QUESTIONS = (
    JudgedQuestion("q1", "first", {"a#2": 1}),
    JudgedQuestion("q2", "second", {"b#1": 1, "c": 1}),
    JudgedQuestion("q3", "third", {"c": 1}),
)


def names(kind: Kind = Kind.HOME) -> Names:
    return names_of(JudgedSet("set", kind, "dev", QUESTIONS, "digest"), [])


def places(*found: tuple[str, int]) -> list[Place]:
    return [Place("default", name, name, page, 1 - n / 100) for n, (name, page) in enumerate(found)]


FOUND = {
    "first": places(("z", 1), ("z", 1), ("a", 2)),
    "second": places(("b", 1), ("y", 1)),
    "third": places(("x", 1), ("c", 1)),
}


def searching(
    asked: list[tuple[str, int]], found: dict[str, list[Place]] | None = None
) -> Callable[[JudgedQuestion, int], Sequence[Place]]:
    def search(question: JudgedQuestion, k: int) -> Sequence[Place]:
        asked.append((question.text, k))
        return (found or FOUND)[question.text][:k]

    return search


def run(name: str = "home", found: dict[str, list[Place]] | None = None) -> Run:
    outcomes = ask_all(QUESTIONS, searching([], found), names(), Wanted(10))
    return Run(name, {}, "embedder", outcomes)


def test_every_question_is_asked_once_in_order_when_the_index_has_no_more() -> None:
    asked: list[tuple[str, int]] = []
    done: list[int] = []
    ask_all(QUESTIONS, searching(asked), names(), Wanted(10), done.append)
    assert [text for text, _ in asked] == ["first", "second", "third"]
    assert done == [1, 2, 3]


def test_pages_and_documents_are_scored_apart() -> None:
    (summary,) = summarize([run()], Wanted(10))
    means = summary.means
    assert means["recall@10"].value == 1.0
    assert means["recall@10"].count == 2  # the third question has no page as its gold
    assert means["mrr@10"].value == pytest.approx((1 / 2 + 1) / 2)
    assert means["document_recall@10"].count == 3
    assert means["document_recall@10"].value == pytest.approx((1 + 1 / 2 + 1) / 3)
    assert means["document_success@10"].value == 1.0
    assert [mean.value for mean in summary.curves[Level.PAGE][:3]] == [0.5, 1.0, 1.0]
    assert len(summary.curves[Level.DOCUMENT]) == CURVE


def test_records_are_scored_as_the_main_level() -> None:
    questions = [JudgedQuestion("q", "first", {"a": 1})]
    outcomes = ask_all(questions, searching([]), names(Kind.BEIR), Wanted(10))
    assert levels_of(each.gold for each in outcomes) == (Level.DOCUMENT,)
    (summary,) = summarize([Run("home", {}, "", outcomes)], Wanted(10))
    assert set(summary.means) == {f"{m}@10" for m in ("recall", "map", "ndcg", "mrr", "success")}
    assert summary.means["map@10"].value == 0.5  # one document in two hits counts once


def test_more_hits_are_asked_for_when_they_lie_in_few_places() -> None:
    asked: list[tuple[str, int]] = []
    many = places(*[("a", 1)] * 60, ("b", 1), ("c", 1))
    found = {"first": many, "second": many, "third": many}
    (outcome,) = ask_all(QUESTIONS[:1], searching(asked, found), names(), Wanted(10))
    assert [k for _, k in asked] == [40, 80]
    assert outcome.ids(Level.DOCUMENT) == ["a", "b", "c"]
    assert [each.hit for each in outcome.ranking[Level.DOCUMENT]] == [1, 61, 62]


def test_what_the_first_search_gave_keeps_its_place() -> None:
    """A search for more hits may order them otherwise; the measured ranking is the first one."""
    first, more = places(*[("a", 1)] * 40), places(("b", 1), *[("a", 1)] * 60)
    found = {40: first, 80: more}
    (outcome,) = ask_all(QUESTIONS[:1], lambda question, k: found.get(k, more), names(), Wanted(10))
    assert outcome.ids(Level.DOCUMENT) == ["a", "b"]


def test_a_single_measure_can_be_wanted_besides() -> None:
    wanted = Wanted(10, ("recall@1", "document_recall@30", "recall@10"))
    assert (wanted.deepest, wanted.ids) == (30, 30)
    named = wanted.names((Level.PAGE, Level.DOCUMENT))
    assert named[-2:] == ["recall@1", "document_recall@30"]
    assert len(named) == len(set(named)) == 12
    assert "document_recall@30" not in wanted.names((Level.DOCUMENT,))
    assert scores(run().outcomes[0], ["recall@1", "recall@2"], (Level.PAGE,)) == [0.0, 1.0]


def test_differences_are_to_the_first_configuration() -> None:
    worse = dict(FOUND, first=places(("z", 1)))
    first, second = summarize([run("one"), run("two", worse)], Wanted(10))
    assert first.differences == {}
    assert second.differences["recall@10"].value == -0.5
    assert second.differences["document_recall@10"].value == pytest.approx(-1 / 3)
    assert second.differences["recall@10"].p == 1.0  # one question says nothing


def test_latencies_are_those_of_the_searches() -> None:
    slow = [
        Outcome(each.question, each.gold, each.ranking, seconds)
        for each, seconds in zip(run().outcomes, (0.01, 0.02, 0.09), strict=True)
    ]
    (summary,) = summarize([Run("home", {}, "", tuple(slow))], Wanted(10))
    assert (summary.latency_p50, summary.latency_p95) == (0.02, 0.09)


def test_a_floor_names_what_was_measured_and_what_it_lacks() -> None:
    summaries = summarize([run("one"), run("two", dict(FOUND, first=[]))], Wanted(10))
    floors = [Floor("recall@10", 1.0), Floor("document_recall@10", 5 / 6, "one")]
    (clause,) = missed(floors, summaries)
    assert clause.startswith("recall@10 of two is 0.5000 and the floor 1; it lacks 0.5,")
    assert "as much as 1 of the 2 questions" in clause
    assert missed([Floor("recall@10", 1.0, "one")], summaries) == []
    assert len(missed([Floor("mrr@10", 0.9)], summaries)) == 2
