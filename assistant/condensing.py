"""The model's part in a summary: the sentences of one section in its own words, through the gate.

A sentence of the model takes the place of a sentence of the document only if a span of that section
supports it, it rests on that very sentence, is shorter, keeps its values, and agrees with it in
obligation, negation, conditions and limits. Everything else is kept from the reader and recorded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from assistant import changes, clauses, facts, gate
from assistant.answer import Asker, Removed
from assistant.answering import Policy
from assistant.changes import Weight
from assistant.errors import ModelBusy, ModelFailed, PromptTooLong
from assistant.evidence import Candidate
from assistant.gate import Judged, Reason
from assistant.model import Caller, Generation, Model, ModelInfo
from assistant.recording import Call, sha256
from assistant.task import TaskRecord
from assistant.terms import keys
from assistant.writing import sentences_of

_CHARACTERS = 1_100  # of a section that the model is shown
_AROUND = 1  # sentences before and after a chosen one that it is shown with
_TOKENS = 60  # for each sentence that it may write
_KEPT = 0.35  # of a sentence's words that what stands for it must have


@dataclass(frozen=True, slots=True)
class Condensed:
    """A sentence of the model that stands for one of the document."""

    judged: Judged


class Condenser:
    """Asks the model section by section, and keeps what came of it. Once the model has failed or
    is busy it is not asked again: `trouble` says so."""

    def __init__(
        self,
        model: Model,
        policy: Policy,
        asker: Asker,
        record: TaskRecord,
        cancelled: Callable[[], bool],
    ) -> None:
        self._model = model
        self._policy = policy
        self._prompt = policy.prompts("summarise")  # one for the whole summary
        self._caller = Caller(asker.id)
        self._record = record
        self._cancelled = cancelled
        self._info: ModelInfo | None = None
        self._tokens = [0, 0]
        self._calls = 0
        self.removed: list[Removed] = []
        self.trouble = ""

    @property
    def signature(self) -> str:
        """The model's name with the beginning of its digest, or its address; "" for none."""
        info = self._info
        return "" if info is None else f"{info.name} {info.where or info.sha256[:12]}"

    @property
    def spent(self) -> Call:
        """What is recorded in clear of all calls together."""
        info = self._info
        if info is None:
            return {"model_calls": 0}
        return {
            "model": info.name,
            "model_sha256": info.sha256,
            "where": info.where,
            "model_calls": self._calls,
            "prompt": self._prompt.name,
            "prompt_sha256": self._prompt.digest,
            "prompt_tokens": self._tokens[0],
            "completion_tokens": self._tokens[1],
        }

    def condense(
        self,
        title: str,
        found: Sequence[Candidate],
        headings: Sequence[str],
        picked: Sequence[int],
    ) -> dict[int, Condensed]:
        """For those of the `picked` sentences that the model put well, by index into `found`, what
        it wrote. Raises AssistantError for a model that cannot be loaded."""
        if self.trouble:
            return {}
        shown = _shown(found, picked)
        if not shown:
            return {}
        heading = headings[picked[0]] or title
        text = "\n".join(found[number].unit.shown for number in shown)
        s = "" if len(picked) == 1 else "s"
        user = self._prompt.fill("passage", number=1, title=heading, text=text)
        user += self._prompt.fill("task", count=len(picked), s=s, title=heading)
        try:
            raw = self._asked(user, len(picked))
        except (ModelFailed, ModelBusy) as error:
            self.trouble = f"{error} What it had not written is quoted as it stands."
            return {}
        except PromptTooLong:
            return {}  # this section is quoted; another may fit
        return self._judged(raw, [found[number] for number in shown], found, picked)

    def _asked(self, user: str, count: int) -> str:
        prompt = self._prompt
        sampling = replace(self._policy.sampling, max_tokens=_TOKENS * count, stop=prompt.stop)
        end = time.monotonic() + self._policy.deadline_seconds
        with (
            self._model.held() as held,
            self._record.aside("summarise", held, prompt, user, sampling) as used,
        ):
            self._info = held.info
            self._calls += 1
            raw: list[str] = []
            result: Generation | None = None
            outcome = "failed"
            try:
                with held.generate(
                    prompt.system, user, sampling, end, self._cancelled, self._caller
                ) as stream:
                    for piece in stream:
                        raw.append(piece)
                        used.raw += piece
                    used.generation = result = stream.result
                outcome = result.stop_reason
            finally:
                self._finished(held, user, "".join(raw), outcome, result)
        return "".join(raw)

    def _finished(
        self, held: Model, user: str, raw: str, outcome: str, result: Generation | None
    ) -> None:
        """Record the call, whole."""
        if result is not None:
            self._tokens[0] += result.prompt_tokens
            self._tokens[1] += result.completion_tokens
        rendered = held.render(self._prompt.system, user)
        self._record.item(
            {
                "part": "model",
                "call": self._calls,
                "model": self._info.name if self._info else "",
                "prompt": self._prompt.name,
                "prompt_sha256": self._prompt.digest,
                "rendered_sha256": sha256(rendered),
                "raw_sha256": sha256(raw),
                "outcome": outcome,
            },
            {"prompt": rendered, "raw": raw},
        )

    def _judged(
        self,
        raw: str,
        shown: Sequence[Candidate],
        found: Sequence[Candidate],
        picked: Sequence[int],
    ) -> dict[int, Condensed]:
        judge = gate.over(shown)
        kept: dict[int, Condensed] = {}
        for text in sentences_of([raw]):
            if text is None:
                continue
            judged = judge.judge(text, [each.judged for each in kept.values()])
            if judged.support is None:
                reason = judged.reason or Reason.NO_EVIDENCE
                self.removed.append(Removed(text, reason, judged.detail))
                continue
            place = next(
                (n for n in picked if n not in kept and stands_for(judged, found[n])), None
            )
            if place is None:
                self.removed.append(Removed(text, "INCOMPLETE", "leaves out what matters"))
            else:
                kept[place] = Condensed(judged)
        return kept


def _shown(found: Sequence[Candidate], picked: Sequence[int]) -> list[int]:
    """The picked sentences and their neighbours on the same page, as long as there is room."""
    order = list(picked)
    for step in range(1, _AROUND + 1):
        for number in picked:
            order += [number - step, number + step]
    room, taken = _CHARACTERS, set()
    for number in order:
        if not 0 <= number < len(found) or number in taken:
            continue
        if number not in picked and not any(found[number].page == found[p].page for p in picked):
            continue
        if len(found[number].unit.shown) <= room:
            taken.add(number)
            room -= len(found[number].unit.shown)
    return sorted(taken)


def stands_for(judged: Judged, candidate: Candidate) -> bool:
    """Whether a supported sentence can take the place of one of the document: it rests on it, is
    shorter, and lets go of nothing that a reader must know."""
    if judged.support is None or candidate not in judged.support.units:
        return False
    original = candidate.unit.plain
    if len(judged.text) >= len(original) and judged.text != original:
        return False
    own = candidate.keys
    if own and len(own & keys(judged.text)) < _KEPT * len(own):
        return False
    said = facts.extract(judged.text)
    lost = [
        fact
        for fact in facts.extract(original)
        if fact.kind in clauses.MEASURES and not any(facts.entails(fact, each) for each in said)
    ]
    if lost:
        return False
    told = changes.compare(original, judged.text).differences
    harmless = ("passage", "name")
    return all(
        each.weight is not Weight.SUBSTANCE or (each.aspect in harmless and not each.after)
        for each in told
    )
