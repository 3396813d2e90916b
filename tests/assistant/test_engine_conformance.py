"""The scripted model keeps the port's promises, so that what is tested with it holds."""

from __future__ import annotations

import pytest

from assistant.errors import ModelFailed
from assistant.model import Sampling
from tests.assistant.model_conformance import ModelConformance
from tests.assistant.standins import ScriptedModel, crashing_model, endless_model


class TestScriptedModel(ModelConformance):
    @pytest.fixture
    def model(self) -> ScriptedModel:
        return ScriptedModel(["Records are kept for six years, from the end of the contract."])


def test_the_endless_model_is_stopped_by_the_limit_alone() -> None:
    with endless_model().generate("s", "u", Sampling(max_tokens=50)) as stream:
        assert len(list(stream)) == 50
    assert stream.result.stop_reason == "length"


def test_the_crashing_model_fails_after_its_first_pieces() -> None:
    stream = crashing_model(after=2).generate("s", "u", Sampling())
    assert [next(stream), next(stream)] == ["The ", "rete"]
    with pytest.raises(ModelFailed):
        next(stream)


def test_a_script_can_depend_on_the_question() -> None:
    model = ScriptedModel(lambda system, user: f"{system} heard {user}")
    with model.generate("Anna", "Bert", Sampling()) as stream:
        assert "".join(stream) == "Anna heard Bert"
    assert [call[:2] for call in model.calls] == [("Anna", "Bert")]


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -1.0},
        {"temperature": float("nan")},
        {"top_p": 0.0},
        {"top_k": -1},
        {"repeat_penalty": 0.0},
        {"seed": -1},
        {"max_tokens": 0},
        {"stop": ("",)},
    ],
)
def test_impossible_sampling_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="no model can sample"):
        Sampling(**wrong)  # type: ignore[arg-type]
