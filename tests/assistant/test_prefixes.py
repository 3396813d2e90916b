"""What stays evaluated, for whom, and for how long."""

from __future__ import annotations

from assistant.prefixes import MOST_SYSTEM_PROMPTS, Prefixes, shared


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_conversation_finds_its_own_and_no_other() -> None:
    kept = Prefixes(100, 60)
    assert kept.keep_conversation("anna", (1, 2, 3), b"state")
    found = kept.conversation("anna")
    assert found is not None
    assert (found.tokens, found.state) == ((1, 2, 3), b"state")
    assert kept.conversation("bert") is None
    assert kept.conversation("") is None


def test_a_nameless_conversation_keeps_nothing() -> None:
    kept = Prefixes(100, 60)
    assert not kept.keep_conversation("", (1,), b"state")
    assert kept.size == 0


def test_the_last_prompt_takes_the_place_of_the_one_before() -> None:
    kept = Prefixes(100, 60)
    kept.keep_conversation("anna", (1,), b"x" * 60)
    kept.keep_conversation("anna", (2,), b"y" * 60)
    assert kept.size == 60
    assert kept.conversation("anna").tokens == (2,)  # type: ignore[union-attr]


def test_the_least_recently_kept_goes_when_there_is_no_room() -> None:
    kept = Prefixes(100, 60)
    for name in ("a", "b", "c"):
        kept.keep_conversation(name, (1,), b"x" * 40)
    assert kept.conversation("a") is None
    assert kept.conversation("b") is not None
    assert kept.size == 80


def test_what_is_larger_than_all_the_room_is_not_kept() -> None:
    kept = Prefixes(100, 60)
    kept.keep_conversation("b", (1,), b"x" * 40)
    assert not kept.keep_conversation("a", (1,), b"x" * 101)
    assert kept.conversation("b") is not None


def test_a_conversation_left_alone_is_dropped() -> None:
    clock = Clock()
    kept = Prefixes(100, 60, clock)
    kept.keep_conversation("a", (1,), b"x")
    clock.now = 61
    assert kept.conversation("a") is None
    assert kept.size == 0


def test_forgetting_one_or_all() -> None:
    kept = Prefixes(100, 60)
    for name in ("a", "b", "c"):
        kept.keep_conversation(name, (1,), b"x")
    kept.forget("a")
    assert (kept.conversation("a"), kept.size) == (None, 2)
    kept.forget_all()
    assert kept.size == 0


def test_system_prompts_are_everybodys_and_few() -> None:
    kept = Prefixes(0, 60)
    for number in range(MOST_SYSTEM_PROMPTS + 1):
        kept.keep_system((number, 1), b"s")
    assert kept.system((0, 1)) is None
    assert kept.system((1, 1)) is not None
    assert kept.system((1,)) is None  # exactly these tokens
    kept.forget_all()
    assert kept.system((1, 1)) is not None


def test_how_far_two_prompts_are_alike() -> None:
    assert shared((1, 2, 3), (1, 2, 4, 5)) == 2
    assert shared((), (1,)) == 0
    assert shared((1, 2), (1, 2)) == 2
