"""What every `assistant.model.Model` must do; a test class inherits it and provides `model`."""

from __future__ import annotations

import threading
import time

import pytest

from assistant.errors import PromptTooLong
from assistant.model import Caller, Generation, Model, Sampling

SYSTEM = "Answer from the passages, in plain sentences."
QUESTION = "Passage: Records are kept for six years.\n\nHow long are records kept?"


def generated(
    model: Model, user: str = QUESTION, system: str = SYSTEM, **sampling: object
) -> Generation:
    with model.generate(system, user, Sampling(**sampling)) as stream:  # type: ignore[arg-type]
        pieces = list(stream)
        assert all(pieces)
        assert "".join(pieces) == stream.result.text
        return stream.result


class ModelConformance:
    """The port's promises."""

    def test_it_is_a_model_and_says_which(self, model: Model) -> None:
        assert isinstance(model, Model)
        info = model.info
        assert len(info.sha256) == len(info.template_sha256) == 64
        assert info.name
        assert info.runtime
        assert info.context >= 256

    def test_the_stream_joined_is_the_result(self, model: Model) -> None:
        result = generated(model, max_tokens=24)
        assert result.text
        assert result.prompt_tokens == model.prompt_tokens(SYSTEM, QUESTION)
        assert 0 < result.completion_tokens <= 24
        assert result.stop_reason in ("stop", "length")

    def test_the_prompt_shows_both_texts_as_they_are_evaluated(self, model: Model) -> None:
        prompt = model.render(SYSTEM, QUESTION)
        assert SYSTEM in prompt
        assert QUESTION in prompt
        assert model.prompt_tokens(SYSTEM, QUESTION) > model.count_tokens(SYSTEM)

    def test_tokens_are_counted(self, model: Model) -> None:
        assert model.count_tokens("") == 0
        assert 0 < model.count_tokens("six years") < model.count_tokens("six years " * 20)

    def test_the_same_question_has_the_same_answer(self, model: Model) -> None:
        first = generated(model, max_tokens=16)
        generated(model, "Something else entirely?", max_tokens=8)
        assert generated(model, max_tokens=16).text == first.text

    def test_an_answer_ends_at_the_longest_allowed(self, model: Model) -> None:
        result = generated(model, max_tokens=1)
        assert result.completion_tokens == 1
        assert result.stop_reason == "length"

    def test_an_answer_ends_before_a_stop_string(self, model: Model) -> None:
        whole = generated(model, max_tokens=24).text
        stop = whole[len(whole) // 2 :][:5]
        result = generated(model, max_tokens=24, stop=(stop,))
        assert result.text == whole[: whole.index(stop)]
        assert result.stop_reason == "stop"

    def test_a_prompt_that_does_not_fit_is_refused(self, model: Model) -> None:
        long = "all work and no play " * model.info.context
        with pytest.raises(PromptTooLong) as caught, model.generate(SYSTEM, long, Sampling()) as s:
            next(s)
        assert caught.value.needed > caught.value.context == model.info.context
        assert generated(model, max_tokens=4).text

    def test_a_cancelled_answer_ends(self, model: Model) -> None:
        wanted = threading.Event()
        wanted.set()
        told = Sampling(max_tokens=200)
        with model.generate(SYSTEM, QUESTION, told, None, lambda: not wanted.is_set()) as stream:
            next(stream)
            wanted.clear()
            rest = list(stream)
        assert stream.result.stop_reason in ("cancelled", "stop")
        assert len(rest) < 200

    def test_an_answer_cancelled_before_it_began_has_no_text(self, model: Model) -> None:
        with model.generate(SYSTEM, QUESTION, Sampling(), None, lambda: True) as stream:
            assert list(stream) == []
        assert stream.result.text == ""
        assert stream.result.stop_reason == "cancelled"

    def test_a_deadline_that_has_passed_ends_the_answer(self, model: Model) -> None:
        with model.generate(SYSTEM, QUESTION, Sampling(), time.monotonic() - 1) as stream:
            assert list(stream) == []
        assert stream.result.stop_reason == "deadline"

    def test_leaving_early_leaves_a_result_of_what_was_given(self, model: Model) -> None:
        with model.generate(SYSTEM, QUESTION, Sampling(max_tokens=200)) as stream:
            first = next(stream)
        assert stream.result.text.startswith(first)
        assert list(stream) == []

    def test_waiting_ends_and_the_answer_follows(self, model: Model) -> None:
        with model.generate(SYSTEM, QUESTION, Sampling(max_tokens=4)) as stream:
            assert all(ahead > 0 for ahead in stream.waiting())
            assert "".join(stream)
        assert list(stream.waiting()) == []

    def test_a_text_is_the_likelier_the_better_it_fits(self, model: Model) -> None:
        fitting = model.score(SYSTEM, QUESTION, "Records are kept for six years.")
        strange = model.score(SYSTEM, QUESTION, "Bzqx! Jjmww? Xyzzy: $#@ %%~")
        assert all(value <= 0.0 for value in fitting + strange)
        assert sum(fitting) / len(fitting) > sum(strange) / len(strange)
        assert model.score(SYSTEM, QUESTION, "") == ()

    def test_a_held_model_is_a_model_and_says_the_same(self, model: Model) -> None:
        with model.held() as held:
            assert isinstance(held, Model)
            assert held.info == model.info
            assert held.render(SYSTEM, QUESTION) == model.render(SYSTEM, QUESTION)
            assert generated(held, max_tokens=4).text == generated(model, max_tokens=4).text

    def test_a_conversation_is_answered_as_if_it_had_read_nothing(self, model: Model) -> None:
        caller = Caller("anna", "a-conversation-of-her-own")
        passages = "Passage: Records are kept for six years, invoices for ten.\n\n"

        def asked(question: str, caller: Caller) -> str:
            told = Sampling(max_tokens=12)
            with model.generate(SYSTEM, passages + question, told, caller=caller) as stream:
                return "".join(stream)

        asked("How long are records kept?", caller)
        again = asked("How long are invoices kept?", caller)
        model.forget(caller.conversation)
        assert again == asked("How long are invoices kept?", Caller("bert"))
        assert again == asked("How long are invoices kept?", caller)

    def test_there_is_no_result_before_the_end(self, model: Model) -> None:
        stream = model.generate(SYSTEM, QUESTION, Sampling(max_tokens=2))
        with pytest.raises(RuntimeError):
            assert stream.result
        stream.close()
