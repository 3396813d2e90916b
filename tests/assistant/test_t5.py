"""T5 in llama.cpp: the logits and the answers of transformers on the same weights."""

from __future__ import annotations

import ctypes
import hashlib
import math
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from assistant import seq2seq
from assistant.engine_options import EngineOptions
from assistant.errors import ConstraintUnusable, ModelUnreadable, PromptTooLong
from assistant.llamacpp import LlamaCpp
from assistant.llamacpp_batch import Answer, Batching
from assistant.llamacpp_engine import Aborted, load_model
from assistant.model import Caller, Generation, Model, Sampling, StopReason
from assistant.prefixes import Prefixes
from assistant.seq2seq import EncodingAborted, PlainFrame, UnusableModel
from assistant.shelf import ModelFile
from tests.assistant import tiny_t5
from tests.assistant.model_conformance import QUESTION, SYSTEM, ModelConformance, generated
from tests.assistant.tiny_t5 import Running

QUESTIONS = tiny_t5.QUESTIONS

# Largest difference of any logit; logits reach from about -6 to 8. What is left with gates is
# ggml's GELU, which it reads from a table in half precision.
NEAR = {"relu": 1e-4, "gated": 0.1}


@pytest.fixture(scope="module", params=tiny_t5.FORMS)
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    form = request.param
    found = Running(form, tmp_path_factory.mktemp("t5") / f"{form}.gguf")
    yield found
    found.close()


@pytest.fixture
def form(running: Running) -> str:
    return "gated" if running.torch.config.is_gated_act else "relu"


@pytest.mark.slow
@pytest.mark.parametrize("question", QUESTIONS)
def test_logits_and_answers_are_those_of_transformers(
    running: Running, form: str, question: str
) -> None:
    prompt = running.prompt(question)
    written, logits = running.answer(prompt)
    tokens, expected = running.expected(prompt)
    assert written == tokens
    assert float(np.abs(logits - expected).max()) < NEAR[form]
    assert np.ptp(expected) > 5


@pytest.mark.slow
def test_one_answer_leaves_nothing_to_the_next(running: Running) -> None:
    first, other = (running.prompt(question) for question in QUESTIONS)
    tokens, logits = running.answer(first)
    others, _ = running.answer(other)
    again, repeated = running.answer(first)
    assert tokens == again
    assert np.array_equal(logits, repeated)
    assert others != tokens  # the prompt decides, not what was asked before
    assert others == running.expected(other)[0]


@pytest.mark.slow
def test_the_prompt_is_tokenised_as_the_model_was_trained(running: Running) -> None:
    text = "Answer é the question: what fine?"
    filled = running.reader.frame.fill(f" {text} ", "", running.vocab)
    assert filled.tokens == (*tiny_t5.tokenizer().encode(text).ids, tiny_t5.EOS)
    assert tiny_t5.UNKNOWN in filled.tokens
    assert filled.fixed == 0
    both = running.reader.frame.fill("A", "B", running.vocab)
    assert both.text == "A\n\nB</s>"


@pytest.mark.slow
def test_a_control_token_in_a_text_is_text(running: Running) -> None:
    tokens = running.prompt("keep</s><pad> it")
    assert tokens.count(tiny_t5.EOS) == 1
    assert tokens[-1] == tiny_t5.EOS
    assert tiny_t5.PAD not in tokens


@pytest.mark.slow
def test_a_prompt_that_does_not_fit_is_refused_not_cut(running: Running) -> None:
    assert (running.reader.window, running.reader.room) == (tiny_t5.CONTEXT, tiny_t5.CONTEXT - 1)
    full = [*[5] * (tiny_t5.CONTEXT - 1), tiny_t5.EOS]
    assert running.answer(full)[0] == running.expected(full)[0]
    with pytest.raises(PromptTooLong) as caught:
        running.reader.encode([5, *full])
    assert (caught.value.needed, caught.value.context) == (tiny_t5.CONTEXT + 1, tiny_t5.CONTEXT)
    with pytest.raises(ValueError, match="its end"):
        running.reader.encode([])


@pytest.mark.slow
def test_an_encoder_that_is_stopped_tells_no_beginning(running: Running) -> None:
    before = running.answer(running.prompt(QUESTIONS[0]))
    asked: list[int] = []
    callback = running.lib.ggml_abort_callback(lambda _: asked.append(1) or len(asked) > 3)
    running.lib.llama_set_abort_callback(running.context, callback, None)
    with pytest.raises(EncodingAborted):
        running.reader.encode(running.prompt(QUESTIONS[1]))
    off = ctypes.cast(0, running.lib.ggml_abort_callback)
    running.lib.llama_set_abort_callback(running.context, off, None)
    after = running.answer(running.prompt(QUESTIONS[0]))
    assert before[0] == after[0]
    assert np.array_equal(before[1], after[1])


@pytest.mark.slow
def test_probabilities_are_the_models_whatever_its_output_layer(
    running: Running, form: str
) -> None:
    assert running.reader.scale == (1.0 if form == "gated" else 32**-0.5)
    prompt = running.prompt(QUESTIONS[0])
    running.reader.encode(prompt)
    mine, expected = running.decode([tiny_t5.PAD]), running.expected(prompt)[1][0]
    assert _shares(mine) == pytest.approx(_shares(expected), abs=5e-3)


@pytest.mark.slow
def test_an_encoder_as_deep_as_the_decoder_will_do_and_a_shallower_one_is_not_loaded(
    tmp_path: Path,
) -> None:
    found = Running("relu", tmp_path / "equal.gguf", num_layers=2, num_decoder_layers=2)
    prompt = found.prompt(QUESTIONS[0])
    assert seq2seq.is_encoder_decoder(found.lib, found.model)
    assert found.answer(prompt)[0] == found.expected(prompt)[0]
    found.close()
    with pytest.raises(tiny_t5.NotLoaded):
        Running("relu", tmp_path / "deeper.gguf", num_layers=2, num_decoder_layers=3)


def _shares(logits: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


# Through the port, in a process of its own


def file_of(path: Path, chat_format: str = "") -> ModelFile:
    return ModelFile(path, hashlib.sha256(path.read_bytes()).hexdigest(), chat_format=chat_format)


@pytest.fixture(scope="module")
def port(running: Running) -> Iterator[LlamaCpp]:
    with LlamaCpp(file_of(running.path), EngineOptions(sequences=4, threads=1)) as port:
        yield port


def asked(port: LlamaCpp, user: str, caller: Caller, **sampling: Any) -> Generation:
    with port.generate(tiny_t5.SYSTEM, user, Sampling(**sampling), caller=caller) as stream:
        assert "".join(stream) == stream.result.text
    return stream.result


@pytest.mark.slow
class TestPort(ModelConformance):
    @pytest.fixture
    def model(self, port: LlamaCpp) -> LlamaCpp:
        return port

    def test_a_text_is_the_likelier_the_better_it_fits(self, model: Model) -> None:
        # To random weights nothing fits but what they write themselves.
        fitting = model.score(SYSTEM, QUESTION, generated(model, max_tokens=24).text)
        strange = model.score(SYSTEM, QUESTION, "Bzqx! Jjmww? Xyzzy: $#@ %%~")
        assert all(value <= 0.0 for value in fitting + strange)
        assert sum(fitting) / len(fitting) > sum(strange) / len(strange) + 0.5
        assert model.score(SYSTEM, QUESTION, "") == ()


@pytest.mark.slow
def test_it_says_how_it_runs(port: LlamaCpp) -> None:
    info = port.info
    assert (info.architecture, info.chat_format, info.kv_cache) == ("t5", "t5", "f32")
    assert (info.context, info.sequences, info.exact) == (tiny_t5.CONTEXT, 1, True)


@pytest.mark.slow
@pytest.mark.parametrize("question", QUESTIONS)
def test_the_port_writes_what_transformers_writes(
    running: Running, port: LlamaCpp, question: str
) -> None:
    result = asked(port, question, Caller(), max_tokens=tiny_t5.STEPS)
    assert result.text == running.written(question)
    assert result.prompt_tokens == len(running.prompt(question))


@pytest.mark.slow
def test_people_in_a_row_and_at_once_are_each_told_their_own(
    running: Running, port: LlamaCpp
) -> None:
    found: dict[int, Generation] = {}

    def ask(number: int) -> None:
        caller = Caller(f"person {number}", f"conversation {number % 3}")
        found[number] = asked(port, QUESTIONS[number % 2], caller, max_tokens=tiny_t5.STEPS)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    expected = [running.written(question) for question in QUESTIONS]
    assert expected[0] != expected[1]
    assert [found[number].text for number in range(6)] == expected * 3
    kept = {(one.cached_tokens, one.own_tokens, one.kept_tokens) for one in found.values()}
    assert kept == {(0, 0, 0)}


@pytest.mark.slow
def test_an_answer_is_held_to_a_grammar(port: LlamaCpp) -> None:
    for told in ({}, {"temperature": 1.2, "seed": 5}):
        result = generated(port, grammar='root ::= [0-9] [0-9] "." [A-Z]{3}', **told)
        assert re.fullmatch(r"[0-9]{2}\.[A-Z]{3}", result.text)
        assert result.stop_reason == "stop"
    with pytest.raises(ConstraintUnusable, match="no token"):
        generated(port, grammar='root ::= "{}"')  # T5's vocabulary has no braces
    assert generated(port, max_tokens=4).text


@pytest.mark.slow
def test_a_given_text_is_as_likely_as_transformers_says(running: Running, port: LlamaCpp) -> None:
    for text in ("records are kept", "é?", "what is kept " * 40):
        expected = running.likelihood(QUESTIONS[0], text)
        found = port.score(tiny_t5.SYSTEM, QUESTIONS[0], text)
        assert found == pytest.approx(expected, abs=0.1)
    written = asked(port, QUESTIONS[0], Caller(), max_tokens=tiny_t5.STEPS, logprobs=True)
    tokens, logits = running.expected(running.prompt(QUESTIONS[0]))
    expected = [math.log(_shares(row)[token]) for token, row in zip(tokens, logits, strict=True)]
    assert written.logprobs == pytest.approx(expected, abs=0.1)


@pytest.mark.slow
def test_tokens_are_drawn_with_the_models_probabilities(running: Running, port: LlamaCpp) -> None:
    logits = running.expected(running.prompt(QUESTIONS[0]))[1][0]
    likeliest = running.vocab.data(int(logits.argmax())).decode()
    expected = float(_shares(logits).max())
    # Without the division that llama.cpp leaves out, the likeliest would come nearly always.
    assert 0.05 < expected < 0.5
    drawn = [
        asked(port, QUESTIONS[0], Caller(), temperature=1.0, seed=seed, max_tokens=1).text
        for seed in range(300)
    ]
    assert drawn.count(likeliest) / len(drawn) == pytest.approx(expected, abs=0.1)


@pytest.mark.slow
def test_prompt_and_answer_each_have_a_window_of_their_own(port: LlamaCpp) -> None:
    room = tiny_t5.CONTEXT - 1
    user = "what " * (tiny_t5.CONTEXT // 2)
    # No full stop, no end: the answer cannot end by itself.
    endless = generated(port, user, max_tokens=100_000, grammar="root ::= [a-z]+ [0-9]{500}")
    assert endless.prompt_tokens > tiny_t5.CONTEXT // 2
    assert (endless.completion_tokens, endless.stop_reason) == (room, "length")
    with pytest.raises(PromptTooLong) as caught:
        port.score(tiny_t5.SYSTEM, QUESTIONS[0], "what " * tiny_t5.CONTEXT)
    assert (caught.value.needed, caught.value.context) == (tiny_t5.CONTEXT, room)
    assert len(port.score(tiny_t5.SYSTEM, QUESTIONS[0], "what " * room)) == room


@pytest.mark.slow
def test_a_control_token_in_a_question_ends_nothing(port: LlamaCpp) -> None:
    hostile = f"{QUESTION} </s><pad> And then?"
    assert hostile in port.render(SYSTEM, hostile)
    spelled = port.prompt_tokens(SYSTEM, hostile) - port.prompt_tokens(SYSTEM, f"{QUESTION}")
    assert spelled > len("</s><pad>")


@pytest.mark.slow
def test_a_chat_format_that_cannot_be_applied_is_refused(running: Running) -> None:
    with pytest.raises(ModelUnreadable, match="no turns"):
        LlamaCpp(file_of(running.path, "chatml")).process()


@pytest.mark.slow
def test_an_encoder_alone_writes_no_text(tmp_path: Path) -> None:
    path = tiny_t5.write(tiny_t5.build("relu"), tmp_path / "encoder.gguf", "t5encoder")
    with pytest.raises(ModelUnreadable, match="does not write text"):
        LlamaCpp(file_of(path)).process()


@pytest.mark.slow
def test_a_prompt_that_nobody_waits_for_is_not_read_to_its_end(running: Running) -> None:
    order = {"path": str(running.path), "gpu_layers": 0, "context": 512, "sequences": 3}
    order |= {"threads": 1, "kv_cache": "auto", "chat_format": ""}
    engine = seq2seq.engine_of(running.lib, load_model(running.lib, order), order)
    assert isinstance(engine, seq2seq.EncoderDecoderEngine)
    prompt = engine.frame.fill(tiny_t5.SYSTEM, QUESTIONS[0], engine.vocab)
    with pytest.raises(Aborted):
        engine.encode(prompt.tokens, lambda: True)
    batching = Batching(engine, Prefixes(0, 0.0), 0)
    told: list[str] = []
    ends: list[dict[str, Any]] = []
    reasons: tuple[StopReason | None, ...] = ("cancelled", None)
    for reason in reasons:
        sampling = {"stop": (), "conversation": "", "logprobs": False, "max_tokens": 20}
        sampling |= {"temperature": 0.0, "repeat_penalty": 1.0}
        wanted = Answer(sampling, prompt, lambda said=reason: said, told.append, ends.append)
        batching.begin(wanted)
        assert batching.busy == (reason is None)  # the other one's prompt was not read
        while batching.busy:
            batching.step()
        assert batching.room == 1
    assert [end["done"]["stop_reason"] for end in ends] == ["cancelled", "length"]
    assert "".join(told) == running.written(QUESTIONS[0])


# Without a model: what is decided from numbers and words alone

SHAPE = {
    "t5.attention.head_count": 4,
    "t5.attention.key_length": 16,
    "t5.attention.relative_buckets_count": 16,
    "t5.feed_forward_length": 64,
    "t5.block_count": 3,
    "t5.decoder_block_count": 2,
}


def library(weights: int, stated: dict[str, Any] = SHAPE, **more: Any) -> Any:
    """As much of llama.cpp as tells a model's numbers."""

    def value(_model: Any, key: bytes, store: Any, _room: int) -> int:
        if key.decode() not in stated:
            return -1
        store.value = str(stated[key.decode()]).encode()
        return len(store.value)

    answers = {
        "llama_model_n_embd": 32,
        "llama_model_n_params": weights,
        "llama_model_get_vocab": None,
        "llama_vocab_n_tokens": 100,
    }
    made = {name: lambda *_, answer=answer: answer for name, answer in (answers | more).items()}
    return SimpleNamespace(llama_model_meta_val_str=value, **made)


def weights(own: bool, gated: bool, tables: int = 2) -> int:
    attention = 32 + 4 * 32 * 64
    forward = 32 + (3 if gated else 2) * 32 * 64
    layers = 3 * (attention + forward) + 2 * (2 * attention + forward)
    return (2 if own else 1) * 100 * 32 + layers + 2 * 32 + tables * 4 * 16


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("tables", [2, 3, 5, 7])
def test_an_output_layer_shows_in_the_number_of_weights(gated: bool, tables: int) -> None:
    tied = library(weights(False, gated, tables))
    assert seq2seq.logit_scale(tied, None) == pytest.approx(32**-0.5)
    assert seq2seq.logit_scale(library(weights(True, gated, tables)), None) == 1.0


def test_weights_of_another_shape_are_refused() -> None:
    with pytest.raises(UnusableModel, match="shape"):
        seq2seq.logit_scale(library(weights(False, False) + 1), None)
    with pytest.raises(UnusableModel, match="head_count"):
        seq2seq.logit_scale(library(weights(False, False), {}), None)
    text = SHAPE | {"t5.block_count": "many"}
    with pytest.raises(UnusableModel, match="block_count"):
        seq2seq.logit_scale(library(weights(False, False), text), None)


@pytest.mark.parametrize(
    ("trained", "asked", "window"), [(512, 4096, 512), (512, 256, 256), (0, 900, 900)]
)
def test_the_window_is_what_was_trained_at_most(trained: int, asked: int, window: int) -> None:
    lib = SimpleNamespace(llama_model_n_ctx_train=lambda _model: trained)
    assert seq2seq.window_of(lib, None, asked) == window


class Letters:
    """A vocabulary of letters in which "<x>" is a control token and "?" is not known."""

    def tokenize(self, text: str, *, control: bool) -> list[int]:
        return [9 if each == "?" else ord(each) for each in text.replace("<x>", "\x01")]

    def is_control(self, token: int) -> bool:
        return token in (1, 9)

    def spelling(self, token: int) -> str:
        return {0: "</s>", 1: "<x>"}.get(token, "?")

    def strips(self, token: int) -> tuple[bool, bool]:
        return False, False

    def opening(self) -> list[int]:
        return []


def test_what_cannot_be_spelled_stays_and_control_tokens_do_not() -> None:
    filled = PlainFrame(end=0, unknown=9).fill("s ", " a?<x>", Letters())
    assert filled.text == "s\n\na?<x></s>"
    assert filled.tokens == (*map(ord, "s\n\na"), 9, *map(ord, "<x>"), 0)
