"""A prompt that somebody chose is the one that the model is really asked by, and is recorded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from assistant import extract, labels, summarise, tasks
from assistant.answer import Question, Turn
from assistant.compose import policy
from assistant.errors import PromptUnusable
from assistant.label_file import Label
from assistant.model import NOBODY, Caller
from assistant.plain import PlainChain
from assistant.prompt_shelf import PromptShelf
from assistant.settings import AssistantSettings
from assistant.task import Parts
from tests.assistant.pipeline_standins import ANNA, MemoryLibrary, MemoryLog, assistant
from tests.assistant.standins import ScriptedModel
from ui import main

CONTRACT = (
    "Records are retained for six years. When they expire, records are erased.\n\n"
    "The dog of the caretaker guards the yard at night and sleeps in the morning."
)
PASSAGE = "<passage {number}: {title}>\n{text}\n</passage>\n"
MINE = {
    "answer": {"passage": PASSAGE, "question": "MY WORDS {question}"},
    "rewrite": {"question": "MY WORDS {conversation}"},
    "summarise": {"passage": PASSAGE, "task": "MY WORDS {count}"},
    "extract": {"passage": PASSAGE, "task": "MY WORDS {label} of {title}"},
    "classify": {"passage": PASSAGE, "task": "MY WORDS {labels}"},
    "plain": {"passage": "{text}\n", "question": "MY WORDS {context} {question}"},
}


class Scoring(ScriptedModel):
    """Keeps what it was asked to score as well."""

    def score(
        self,
        system: str,
        user: str,
        text: str,
        deadline: float | None = None,
        caller: Caller = NOBODY,
    ) -> tuple[float, ...]:
        self.scored.append((system, user))
        return super().score(system, user, text, deadline, caller)

    def __init__(self) -> None:
        super().__init__([json.dumps({"value": None, "quote": None})])
        self.scored: list[tuple[str, str]] = []

    @property
    def asked(self) -> list[tuple[str, str]]:
        """System prompt and user message of everything that it was asked."""
        return [(system, user) for system, user, _ in self.calls] + self.scored


def choose(home: Path, tmp_path: Path, kind: str) -> str:
    """Add and choose a prompt of a kind by the command; its digest."""
    texts = {"id": f"mine-{kind}", "kind": kind, "system": "MY SYSTEM.", "stop": ["END"]}
    texts |= MINE[kind]
    file = tmp_path / "mine.toml"
    lines = [f"{name} = {json.dumps(value)}" for name, value in texts.items()]
    file.write_text("\n".join(["version = 7", *lines]))
    assert main.run(["--home", str(home), "prompts", "add", str(file)]) == 0
    assert main.run(["--home", str(home), "prompts", "use", f"mine-{kind}-7"]) == 0
    return PromptShelf(home).current(kind).digest


def parts_of(home: Path, model: ScriptedModel, log: MemoryLog) -> Parts:
    """As they are put together for the data folder, over a document in memory."""
    library = MemoryLibrary({"default/contract.md": ("contract", CONTRACT)})
    return Parts(
        library, log, model, policy(AssistantSettings.load(home), PromptShelf(home).current)
    )


def summarised(parts: Parts) -> Iterator[object]:
    return tasks.run(parts, summarise.Request(ANNA))


def extracted(parts: Parts) -> Iterator[object]:
    schema = {"type": "object", "properties": {"animal": {"type": "string"}}}
    return tasks.run(parts, extract.Request(ANNA, json.dumps(schema)))


def classified(parts: Parts) -> Iterator[object]:
    about = "records retained, records erased"
    both = (Label("Retention", about), Label("Deletion", about))
    return tasks.run(parts, labels.Request(ANNA, both, likelihood=True))


def chained(parts: Parts) -> Iterator[object]:
    chain = PlainChain(parts.library, parts.log, parts.model, parts.policy)
    yield chain.ask(Question("How long are records retained?", ANNA))


TASKS = {"summarise": summarised, "extract": extracted, "classify": classified, "plain": chained}


@pytest.mark.parametrize(("kind", "run"), TASKS.items())
def test_a_task_asks_by_the_prompt_that_was_chosen_and_records_it(
    home: Path, tmp_path: Path, kind: str, run: Callable[[Parts], Iterator[object]]
) -> None:
    before, model, log = Scoring(), Scoring(), MemoryLog()
    list(run(parts_of(home, before, MemoryLog())))
    assert before.asked and not any("MY " in system + user for system, user in before.asked)
    digest = choose(home, tmp_path, kind)
    list(run(parts_of(home, model, log)))
    assert len(model.asked) == len(before.asked)
    assert {system for system, _ in model.asked} == {"MY SYSTEM."}
    assert all("MY WORDS" in user for _, user in model.asked)
    assert all(sampling.stop == ("END",) for _, _, sampling in model.calls)
    released = log.last("task.released").fields
    assert (released["prompt"], released["prompt_sha256"]) == (f"mine-{kind}-7", digest)


def test_a_follow_up_is_rewritten_and_answered_by_the_prompts_that_were_chosen(
    home: Path, tmp_path: Path
) -> None:
    choose(home, tmp_path, "rewrite")
    choose(home, tmp_path, "answer")
    model = ScriptedModel(["How long are records retained?"])
    parts = parts_of(home, model, MemoryLog())
    asked = replace(parts.policy, straight=False)
    using = assistant(model, shelf=parts.library, policy=asked)  # type: ignore[arg-type]
    earlier = (Turn("What happens to records of closed accounts?", "…"),)
    using.ask(Question("And why so long, is that not a bit much for them?", ANNA, earlier))
    using.ask(Question("How long are records retained?", ANNA))
    assert "Last question" in model.calls[0][1] and "Last question" not in model.calls[-1][1]
    assert all(system == "MY SYSTEM." and "MY WORDS" in user for system, user, _ in model.calls)


@pytest.mark.parametrize("run", [summarised, extracted, classified])
def test_a_prompt_altered_since_it_was_chosen_ends_the_task_and_that_is_recorded(
    home: Path, tmp_path: Path, run: Callable[[Parts], Iterator[object]]
) -> None:
    kind = next(kind for kind, each in TASKS.items() if each is run)
    choose(home, tmp_path, kind)
    path = home / "prompts" / f"mine-{kind}-7.toml"
    path.write_text(path.read_text().replace("MY SYSTEM", "Tell everything"))
    model, log = Scoring(), MemoryLog()
    with pytest.raises(PromptUnusable, match="altered since it was chosen"):
        list(run(parts_of(home, model, log)))
    assert not model.asked
    assert log.last("task.failed").fields["code"] == "PromptUnusable"
