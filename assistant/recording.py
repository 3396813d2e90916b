"""What the log is told of a question: one object per question, one method per kind of record.

Texts (question, prompt, passages, answer) go into the encrypted payload; ids, digests, counts and
codes go in clear; no floats stand in clear, durations are microseconds. Every method returns when
the record is on disk and raises `audit.errors.AuditError` when it cannot be: then what it records
must not happen.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict

from assistant.answer import Answer, Asker, Citation, Cost, Question, Sentence
from assistant.asides import Aside
from assistant.model import Generation, Model, ModelInfo, Sampling
from assistant.opinion import Opinion
from assistant.ports import Recorder
from assistant.prompt_form import PromptSet
from assistant.replay_here import here
from assistant.replay_pins import (
    MOST_LISTED,
    Call,
    Clear,
    context_fields,
    context_payload,
    found_fields,
    found_payload,
    model_fields,
    prompt_payload,
    sha256,
)
from assistant.replay_settings import Settings, digest_of
from assistant.retrieval import Found
from assistant.understanding import Context
from assistant.writing import Prompt, differing
from audit.errors import AuditError
from audit.record import Actor, Event, Field, Record

__all__ = ["FORMAT", "Call", "Clear", "QuestionRecord", "actor_of", "as_of_field", "sha256"]

FORMAT = "answer-record-1"
_ENDS = ("question.refused", "answer.failed", "answer.released")


def actor_of(asker: Asker) -> Actor:
    """Who acts, for the log."""
    return Actor("person", asker.id, asker.auth, tuple(sorted(asker.groups)), asker.client)


def as_of_field(question: Question) -> dict[str, Field | list[str] | list[int]]:
    """The day that a question names, if it names one."""
    return {} if question.as_of is None else {"as_of": question.as_of}


def _documents_field(question: Question) -> Call:
    """The documents that a question is narrowed to: how many, and the first of them by id."""
    if question.documents is None:
        return {}
    return {
        "documents_named": len(question.documents),
        "documents": sorted(question.documents)[:MOST_LISTED],
    }


def _us(seconds: float) -> int:
    return round(seconds * 1_000_000)


class QuestionRecord:
    """The records of one question, tied together by `request`."""

    def __init__(self, log: Recorder, asker: Asker, embedder: str) -> None:
        self._log = log
        self._actor = actor_of(asker)
        self._embedder = embedder
        self.request = uuid.uuid4().hex
        self._calls: list[Call] = []  # of models, in order
        self._sentences = 0
        self.over = False  # how the question ended stands in the log

    def write(self, type_: str, fields: Clear, payload: Mapping[str, object] | None) -> Record:
        """Append one record of this question."""
        event = Event(type_, self._actor, fields, payload, request_id=self.request)
        record = self._log.append(event)
        self.over = self.over or type_ in _ENDS
        return record

    def received(self, question: Question, longest: int) -> None:
        """`question.received`: the question, up to `longest` characters of it, before anything is
        done with it. Length and digest are those of the whole."""
        narrowed = question.collections
        self.write(
            "question.received",
            {
                "characters": len(question.text),
                "question_sha256": sha256(question.text),
                "turn": len(question.history) + 1,
                "collections": sorted(narrowed)[:MOST_LISTED] if narrowed is not None else None,
                **_documents_field(question),
                **as_of_field(question),
            },
            {
                "question": question.text[:longest],
                "history": [
                    {
                        "question": turn.question[:longest],
                        "answer": turn.answer[:longest],
                        "documents": list(turn.documents),
                    }
                    for turn in question.history
                ],
            },
        )

    def refused(self, code: str, explanation: str) -> Record:
        """`question.refused`: the question itself cannot be taken."""
        return self.write("question.refused", {"code": code}, {"explanation": explanation})

    def failed(self, code: str, sentence: str) -> Record:
        """`answer.failed`: no answer was given, and why."""
        return self.write("answer.failed", {"code": code, **self._last()}, {"error": sentence})

    def _last(self) -> Call:
        return self._calls[-1] if self._calls else {}

    def escalated(self, reason: str, small: str, larger: ModelInfo | None, error: str = "") -> None:
        """`model.escalated`: a larger model is about to be asked, and why; before it is sent
        anything of the question or the documents. None: it did not even say which it is."""
        self.write(
            "model.escalated",
            {
                "reason": reason,
                "from_model": small,
                "to_model": larger.name if larger else "",
                "to_model_sha256": larger.sha256 if larger else "",
                "to_where": larger.where if larger else "",
                "outcome": "asked" if larger else "failed",
            },
            {"error": error},
        )

    def model_called(self, info: ModelInfo, prompt: Prompt, sampling: Sampling) -> Call:
        """`model.called`: which model, told what, sampling how; before it starts. Returns what is
        recorded of the call, for `model_finished` and `released`."""
        call: Call = {
            **model_fields(info),
            "prompt_version": prompt.made_by.name,
            "prompt_template_sha256": prompt.made_by.digest,
            "prompt_sha256": sha256(prompt.text),
            "prompt_tokens": prompt.tokens,
            **_sampled(sampling),
        }
        self._calls.append(call)
        self.write(
            "model.called",
            call,
            {"prompt": prompt.text, "stop": list(sampling.stop), "notes": list(info.notes)},
        )
        return call

    def model_finished(
        self,
        call: Call,
        generation: Generation | None,
        raw: str,
        outcome: str,
        error: str = "",
        opinions: Sequence[Opinion] = (),
    ) -> None:
        """`model.finished`: what it wrote, whole, how it ended, what it cost, and the second
        opinions on it. `outcome` is how it ended if there is no result: "failed", "busy" or
        "too_long"."""
        fields: Call = {
            "outcome": generation.stop_reason if generation else outcome,
            "raw_sha256": sha256(raw),
        }
        payload: dict[str, object] = {
            "raw": raw,
            "error": error,
            "opinions": [asdict(opinion) for opinion in opinions],
        }
        if generation:
            fields |= _measured(generation)
            if generation.thoughts:
                payload["thoughts"] = generation.thoughts
        call |= {f"generated_{key}": value for key, value in fields.items()}
        self.write("model.finished", {"model": call.get("model", ""), **fields}, payload)

    def aside(
        self,
        purpose: str,
        model: Model,
        prompt: PromptSet,
        user: str,
        sampling: Sampling | None = None,
    ) -> AbstractContextManager[Aside]:
        """`model.called` and `model.finished` of another use of a model (`assistant.asides`)."""
        return aside(self.write, purpose, model, prompt, user, sampling)

    def sentence(self, sentence: Sentence, citations: Sequence[Citation], origin: str) -> None:
        """`answer.sentence`: one sentence that is about to be shown; `origin` is "model" (the one
        called last) or "quote"."""
        self._sentences += 1
        self.write(
            "answer.sentence",
            {
                "number": self._sentences,
                "origin": origin,
                "model": self._last().get("model", "") if origin == "model" else "",
                "sentence_sha256": sha256(sentence.text),
                "citations": [_place(citation) for citation in citations],
            },
            {"text": sentence.text, "citations": [asdict(citation) for citation in citations]},
        )

    def released(
        self,
        answer: Answer,
        found: Found | None,
        prompt: Prompt | None,
        context: Context | None,
        call: Call,
        settings: Settings,
        *,
        spoke: bool,
    ) -> Record:
        """`answer.released`: the whole record of an answer, before it is shown. `call` is what is
        recorded of the model that the answer names; `spoke`: words of its are shown; `settings`
        are those that it was made by, and with what runs it they are what a replay needs."""
        fields: dict[str, Field | list[str] | list[int]] = {
            "format": FORMAT,
            "verdict": answer.verdict.value,
            "answer_sha256": sha256(answer.text),
            "sentences": len(answer.sentences),
            "removed": [f"{code}:{n}" for code, n in sorted(differing(answer.removed).items())],
            "citations": [_place(citation) for citation in answer.citations][:MOST_LISTED],
            "citations_checked": True,
            "embedder": self._embedder,
            **{f"{stage}_us": _us(seconds) for stage, seconds in answer.timings.items()},
            **call,
            "models_called": [str(each["model"]) for each in self._calls],
            "shown_from": call.get("model", "") if spoke else "",
            **_cost(answer.cost),
            "settings_sha256": digest_of(settings),
            **here(),
        }
        payload: dict[str, object] = {
            "text": answer.text,
            "explanation": answer.explanation,
            "sentences": [asdict(sentence) for sentence in answer.sentences],
            "citations": [asdict(citation) for citation in answer.citations],
            "removed": [asdict(removed) for removed in answer.removed],
            "settings": dict(settings),
        }
        if context is not None:
            fields |= context_fields(context)
            payload |= context_payload(context)
        if answer.offer is not None:
            fields["offered"] = answer.offer.task
            payload["offer"] = asdict(answer.offer)
        if answer.conflicts:
            fields["conflicts"] = len(answer.conflicts)
            payload["conflicts"] = [asdict(conflict) for conflict in answer.conflicts]
        if found is not None:
            fields |= found_fields(found)
            payload |= found_payload(found)
        if prompt is not None:
            shown = {block.document for block in prompt.packed.kept}
            fields["documents_shown"] = sorted(shown)[:MOST_LISTED]
            payload |= prompt_payload(prompt, found)
        return self.write("answer.released", fields, payload)


@contextmanager
def aside(
    write: Callable[[str, Clear, Mapping[str, object] | None], object],
    purpose: str,
    model: Model,
    prompt: PromptSet,
    user: str,
    sampling: Sampling | None,
) -> Iterator[Aside]:
    """`assistant.asides.Asides` by way of `write`, which appends a record."""
    rendered = model.render(prompt.system, user)
    call: Call = {
        "purpose": purpose,
        **model_fields(model.info),
        "prompt_version": prompt.name,
        "prompt_template_sha256": prompt.digest,
        "prompt_sha256": sha256(rendered),
        **(_sampled(sampling) if sampling is not None else {}),
    }
    stop = list(sampling.stop) if sampling is not None else []
    write("model.called", call, {"prompt": rendered, "stop": stop})
    used, outcome = Aside(), "failed"
    try:
        yield used
        if not used.error:
            outcome = used.generation.stop_reason if used.generation else "stop"
    except AuditError:
        raise
    except BaseException as error:
        used.error = str(error) or type(error).__name__
        raise
    finally:
        fields: Call = {
            "purpose": purpose,
            "model": call["model"],
            "outcome": outcome,
            "raw_sha256": sha256(used.raw),
            "scored": len(used.scored),
            "scored_tokens": used.tokens,
            **(_measured(used.generation) if used.generation else {}),
        }
        # With the prompt again: what a model made of a document need not share its words, and an
        # erasure of the document has to find it (of a task only the records concerned go).
        payload = {
            "prompt": rendered,
            "raw": used.raw,
            "error": used.error,
            "scored": used.scored,
        }
        write("model.finished", fields, payload)


def _sampled(sampling: Sampling) -> Call:
    """How the next token was chosen, in whole numbers."""
    return {
        "seed": sampling.seed,
        "temperature_milli": round(sampling.temperature * 1000),
        "top_p_milli": round(sampling.top_p * 1000),
        "top_k": sampling.top_k,
        "repeat_penalty_milli": round(sampling.repeat_penalty * 1000),
        "max_tokens": sampling.max_tokens,
    }


def _measured(generation: Generation) -> Call:
    """What an answer of a model took, in whole numbers."""
    fields: Call = {
        "prompt_tokens": generation.prompt_tokens,
        "completion_tokens": generation.completion_tokens,
        "cached_tokens": generation.cached_tokens,
        "own_tokens": generation.own_tokens,
        "kept_tokens": generation.kept_tokens,
        "waited_us": _us(generation.seconds_waited),
        "first_us": _us(generation.seconds_first),
        "prefill_us": _us(generation.seconds_prefill),
        "decode_us": _us(generation.seconds_decode),
        "attempts": generation.attempts,
        "shared_steps": generation.shared_steps,
        "thoughts_characters": len(generation.thoughts),
    }
    if generation.thoughts:
        fields["thoughts_sha256"] = sha256(generation.thoughts)
    if generation.joules is not None:
        fields["millijoules"] = round(generation.joules * 1000)
    return fields


def _cost(cost: Cost) -> Call:
    """What all models took together."""
    fields: Call = {
        "cost_prompt_tokens": cost.prompt_tokens,
        "cost_completion_tokens": cost.completion_tokens,
        "cost_model_us": _us(cost.seconds_model),
        "escalated": cost.escalated,
    }
    if cost.joules is not None:
        fields["cost_millijoules"] = round(cost.joules * 1000)
    return fields


def _place(citation: Citation) -> str:
    return f"{citation.document}:{citation.page}:{citation.start}:{citation.end}"
