"""The line before a model: fair, bounded, and honest about who is ahead."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.errors import ModelBusy
from assistant.line import Line, Ticket, order


def eventually(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + 20
    while not holds() and time.monotonic() < end:
        time.sleep(0.005)
    return holds()


def tickets(owners: str) -> list[Ticket]:
    return [Ticket(owner, alone=False) for owner in owners]


def names(ranks: list[Ticket]) -> str:
    return "".join(ticket.owner for ticket in ranks)


@pytest.mark.parametrize(
    ("waiting", "running", "served", "expected"),
    [
        ("abc", {}, {}, "abc"),
        ("aaab", {}, {}, "abaa"),
        ("aaabbc", {}, {}, "abcaba"),
        ("ab", {"a": 1}, {"a": 1}, "ba"),
        ("ab", {}, {"a": 2, "b": 1}, "ba"),
        ("aab", {"b": 2}, {}, "aab"),
    ],
)
def test_who_has_least_is_next_and_then_who_waited_longest(
    waiting: str, running: dict[str, int], served: dict[str, int], expected: str
) -> None:
    assert names(order(tickets(waiting), running, served)) == expected


def test_answers_begun_again_come_before_everybody() -> None:
    waiting = [*tickets("ab"), Ticket("c", alone=True)]
    assert names(order(waiting, {}, {})) == "cab"


@given(st.lists(st.sampled_from("abcd"), max_size=12))
def test_nobody_is_served_twice_before_somebody_else_once(owners: list[str]) -> None:
    ranks = names(order(tickets("".join(owners)), {}, {}))
    assert Counter(ranks) == Counter(owners)
    for owner in set(owners):
        first = ranks.index(owner)
        assert max(Counter(ranks[:first]).values(), default=0) <= 1


def test_as_many_as_there_are_places_are_served_at_once() -> None:
    line = Line(lambda: 2, 10)
    first, second, third = (line.join(owner) for owner in "abc")
    assert line.wait(first, 0) and line.wait(second, 0)
    assert not line.wait(third, 0.01)
    assert (line.running, line.waiting, line.ahead(third)) == (2, 1, 1)
    line.leave(first)
    assert line.wait(third, 0)
    assert line.ahead(third) == 0


def test_one_who_asks_much_waits_for_one_who_asks_little() -> None:
    line = Line(lambda: 1, 20)
    running = line.join("anna")
    assert line.wait(running, 0)
    many = [line.join("anna") for _ in range(5)]
    single = line.join("bert")
    assert line.ahead(single) == 1
    assert [line.ahead(ticket) for ticket in many] == [2, 3, 4, 5, 6]
    line.leave(running)
    assert not line.wait(many[0], 0.01)
    assert line.wait(single, 0)


def test_a_full_line_says_how_many_are_ahead() -> None:
    line = Line(lambda: 1, 2)
    assert line.wait(line.join("a"), 0)
    line.join("b")
    line.join("c")
    with pytest.raises(ModelBusy, match="3 questions are ahead"):
        line.join("d")
    assert line.waiting == 2


def test_nobody_fills_the_line_alone() -> None:
    line = Line(lambda: 1, 4)
    assert line.wait(line.join("a"), 0)
    line.join("a")
    line.join("a")
    with pytest.raises(ModelBusy):
        line.join("a")
    assert line.ahead(line.join("b")) == 1  # and is next: the other has had a turn


def test_a_place_that_is_free_is_never_refused() -> None:
    line = Line(lambda: 2, 0)
    assert line.wait(line.join("a"), 0)
    assert line.wait(line.join("a"), 0)
    with pytest.raises(ModelBusy):
        line.join("b")


def test_an_answer_begun_again_is_alone() -> None:
    line = Line(lambda: 3, 10)
    one = line.join("a")
    assert line.wait(one, 0)
    again, other = line.join("b", alone=True), line.join("c")
    assert not line.wait(again, 0.01)  # somebody is still under way
    assert not line.wait(other, 0.01)  # and nobody may begin before it
    line.leave(one)
    assert line.wait(again, 0)
    assert not line.wait(other, 0.01)
    line.leave(again)
    assert line.wait(other, 0)


def test_leaving_twice_or_without_a_turn_is_leaving() -> None:
    line = Line(lambda: 1, 10)
    one, two = line.join("a"), line.join("b")
    assert line.wait(one, 0)
    line.leave(two)
    line.leave(one)
    line.leave(one)
    assert (line.running, line.waiting) == (0, 0)
    assert not line.wait(two, 0)


def test_threads_never_exceed_the_places_and_all_are_served() -> None:
    line, most, inside, lock = Line(lambda: 3, 100), [0], [0], threading.Lock()

    def ask(owner: str) -> None:
        ticket = line.join(owner)
        while not line.wait(ticket, 0.05):
            pass
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        time.sleep(0.002)
        with lock:
            inside[0] -= 1
        line.leave(ticket)

    threads = [threading.Thread(target=ask, args=(f"p{n % 5}",)) for n in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert most[0] == 3
    assert eventually(lambda: (line.running, line.waiting) == (0, 0))
