"""A plain retrieve-and-prompt chain: what answers would be like without evidence first and gate.

For comparison only: `cloister eval answers --baseline` puts it beside the product, on the same
model, the same search and the same token budget, so that one can see what the gate buys. Its prompt
is a file of the kind "plain", in which text of documents stands as it is. Whatever the model writes
is its answer; nothing is cited. It is recorded as a task of its own and never
shown as an answer to a person's question.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from assistant import asked as asking
from assistant import packing, retrieval
from assistant.answer import Question
from assistant.answering import Policy, scope_of
from assistant.layout import lay_out
from assistant.model import Caller, Generation, Model
from assistant.packing import Block
from assistant.ports import Library, Recorder
from assistant.prompt_form import PromptSet
from assistant.recording import sha256
from assistant.task import TaskRecord
from index.document import Document

TASK = "plain_chain"


@dataclass(frozen=True, slots=True)
class PlainAnswer:
    """What the model wrote, whole. `passages` are (source, page, text) of what it was given, best
    first; `generation` is None if nothing was found that it could have been given."""

    text: str
    passages: tuple[tuple[str, int, str], ...]
    seconds: float
    generation: Generation | None
    record: str


class PlainChain:
    """Answers from the nearest passages with one prompt. Safe to share between threads if its
    parts are."""

    def __init__(self, library: Library, log: Recorder, model: Model, policy: Policy) -> None:
        """`policy` gives it the product's limits: hits, passages, tokens, time and sampling."""
        self._library, self._log = library, log
        self._model, self._policy = model, policy

    @property
    def prompt(self) -> PromptSet:
        """The prompt in use at the moment. Raises PromptUnusable, PromptRefused."""
        return self._policy.prompts("plain")

    def ask(self, question: Question) -> PlainAnswer:
        """What the model says to the nearest passages within the asker's scope.

        Raises AuditError, IndexFailure, AssistantError; the last two are recorded.
        """
        record = TaskRecord(self._log, question.asker, TASK)
        record.received({"question_sha256": sha256(question.text)}, {"question": question.text})
        began = time.monotonic()
        try:
            blocks, sources = self._found(question)
            prompt = self.prompt
            text, generation, kept = self._write(question, blocks, prompt)
        except Exception as error:
            record.failed(type(error).__name__, str(error))
            raise
        passages = tuple((sources[each.document].source, each.page, each.text) for each in kept)
        seconds = time.monotonic() - began
        done = record.released(
            {
                "answer_sha256": sha256(text),
                "passages": len(kept),
                "prompt": prompt.name,
                "prompt_sha256": prompt.digest,
            },
            {"text": text, "passages": [list(each) for each in passages]},
        )
        return PlainAnswer(text, passages, seconds, generation, done.event_id)

    def _found(self, question: Question) -> tuple[tuple[Block, ...], dict[str, Document]]:
        """The nearest passages, overlapping ones joined, in the order of the search."""
        scope = scope_of(self._library, question)
        result = retrieval.search(
            self._library,
            asking.read(question.text),
            scope,
            self._policy.limits.hits,
            question.as_of,
            question.documents,
        )
        hits, pages = retrieval.read_pages(self._library, result.hits, scope)
        blocks = tuple(
            packing.with_lines(block, lay_out(pages[block.document, block.page]))
            for block in packing.merge(hits, pages)
        )
        return blocks, {hit.document.id: hit.document for hit in hits}

    def _write(
        self, question: Question, blocks: Sequence[Block], prompt: PromptSet
    ) -> tuple[str, Generation | None, tuple[Block, ...]]:
        """What the model writes to as many passages as the product's budget takes."""
        if not blocks:
            return "", None, ()
        policy = self._policy
        with self._model.held() as held:
            fixed = held.prompt_tokens(prompt.system, _user(prompt, (), question.text))
            passage = prompt.parts["passage"]
            around = held.count_tokens(passage.format(number=1, title="x" * 40, text=""))
            room = max(policy.budget - fixed, packing.SMALLEST_CUT + around)
            kept = packing.pack(blocks, room, policy.passages, held.count_tokens, around).kept
            late = _after(policy.deadline_seconds)
            with held.generate(
                prompt.system,
                _user(prompt, kept, question.text),
                replace(policy.sampling, stop=prompt.stop),
                cancelled=late,
                caller=Caller(question.asker.id),
            ) as stream:
                text = "".join(stream)
                return text.strip(), stream.result, kept


def _user(prompt: PromptSet, blocks: Sequence[Block], question: str) -> str:
    """The passages and the question, filled in as they stand: nothing is fenced."""
    context = "".join(
        prompt.parts["passage"].format(number=number, title=block.title, text=_shown(block))
        for number, block in enumerate(blocks, start=1)
    )
    return prompt.parts["question"].format(context=context, question=question)


def _shown(block: Block) -> str:
    return "\n".join(line.text for line in block.lines)


def _after(seconds: float) -> Callable[[], bool]:
    """Whether that many seconds have gone by, from now on."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end
