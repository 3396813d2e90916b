"""What the log is told of a question: one object per question, one method per kind of record.

Texts (question, prompt, passages, answer) go into the encrypted payload; ids, digests, counts and
codes go in clear; no floats stand in clear, durations are microseconds. Every method returns when
the record is on disk and raises `audit.errors.AuditError` when it cannot be: then what it records
must not happen.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from assistant.answer import Answer, Asker, Citation, Cost, Question, Sentence
from assistant.model import Generation, ModelInfo, Sampling
from assistant.opinion import Opinion
from assistant.ports import Recorder
from assistant.retrieval import Found
from assistant.understanding import Context
from assistant.writing import Prompt, differing
from audit.record import Actor, Event, Field, Record
from index.document import Hit

FORMAT = "answer-record-1"
_MOST_LISTED = 200  # entries of a list in clear: an envelope stays far under its 64 KiB

Clear = Mapping[str, "Field | list[str] | list[int]"]
Call = dict[str, "Field | list[str] | list[int]"]  # all that is recorded in clear of one call


def sha256(text: str) -> str:
    """Hex SHA-256 of a text as UTF-8; what is no Unicode (lone surrogates) is kept apart."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


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
        "documents": sorted(question.documents)[:_MOST_LISTED],
    }


def _us(seconds: float) -> int:
    return round(seconds * 1_000_000)


def _hit(hit: Hit) -> dict[str, object]:
    return {
        "rank": hit.rank,
        "score": hit.score,
        "dense": hit.dense,
        "lexical": hit.lexical,
        "chunk": hit.chunk.id,
        "chunk_sha256": sha256(hit.chunk.text),
        "document": hit.document.id,
        "collection": hit.document.collection,
        "source": hit.document.source,
        "version": hit.document.version,
        "status": hit.document.status.value,
        "page": hit.chunk.page,
        "start": hit.chunk.start,
        "end": hit.chunk.end,
        "passage": [hit.start, hit.end],  # with the chunks beside it that were joined to it
    }


class QuestionRecord:
    """The records of one question, tied together by `request`."""

    def __init__(self, log: Recorder, asker: Asker, embedder: str) -> None:
        self._log = log
        self._actor = actor_of(asker)
        self._embedder = embedder
        self.request = uuid.uuid4().hex
        self._calls: list[Call] = []  # of models, in order
        self._sentences = 0

    def write(self, type_: str, fields: Clear, payload: Mapping[str, object] | None) -> Record:
        """Append one record of this question."""
        event = Event(type_, self._actor, fields, payload, request_id=self.request)
        return self._log.append(event)

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
                "collections": sorted(narrowed)[:_MOST_LISTED] if narrowed is not None else None,
                **_documents_field(question),
                **as_of_field(question),
            },
            {
                "question": question.text[:longest],
                "history": [
                    {"question": turn.question[:longest], "answer": turn.answer[:longest]}
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
            "model": info.name,
            "model_sha256": info.sha256,
            "where": info.where,
            "quantization": info.quantization,
            "runtime": info.runtime,
            "chat_template_sha256": info.template_sha256,
            "chat_format": info.chat_format,
            "context_tokens": info.context,
            "sequences": info.sequences,
            "kv_cache": info.kv_cache,
            "gpu_layers": info.gpu_layers,
            "exact": info.exact,
            "prompt_version": prompt.made_by.name,
            "prompt_template_sha256": prompt.made_by.digest,
            "prompt_sha256": sha256(prompt.text),
            "prompt_tokens": prompt.tokens,
            "seed": sampling.seed,
            "temperature_milli": round(sampling.temperature * 1000),
            "top_p_milli": round(sampling.top_p * 1000),
            "top_k": sampling.top_k,
            "repeat_penalty_milli": round(sampling.repeat_penalty * 1000),
            "max_tokens": sampling.max_tokens,
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
        *,
        spoke: bool,
    ) -> Record:
        """`answer.released`: the whole record of an answer, before it is shown. `call` is what is
        recorded of the model that the answer names; `spoke`: words of its are shown."""
        fields: dict[str, Field | list[str] | list[int]] = {
            "format": FORMAT,
            "verdict": answer.verdict.value,
            "answer_sha256": sha256(answer.text),
            "sentences": len(answer.sentences),
            "removed": [f"{code}:{n}" for code, n in sorted(differing(answer.removed).items())],
            "citations": [_place(citation) for citation in answer.citations][:_MOST_LISTED],
            "citations_checked": True,
            "embedder": self._embedder,
            **{f"{stage}_us": _us(seconds) for stage, seconds in answer.timings.items()},
            **call,
            "models_called": [str(each["model"]) for each in self._calls],
            "shown_from": call.get("model", "") if spoke else "",
            **_cost(answer.cost),
        }
        payload: dict[str, object] = {
            "text": answer.text,
            "explanation": answer.explanation,
            "sentences": [asdict(sentence) for sentence in answer.sentences],
            "citations": [asdict(citation) for citation in answer.citations],
            "removed": [asdict(removed) for removed in answer.removed],
        }
        if context is not None:
            fields |= _context_fields(context)
            payload |= _context_payload(context)
        if answer.offer is not None:
            fields["offered"] = answer.offer.task
        if answer.conflicts:
            fields["conflicts"] = len(answer.conflicts)
            payload["conflicts"] = [asdict(conflict) for conflict in answer.conflicts]
        if found is not None:
            fields |= _found_fields(found)
            payload |= _found_payload(found)
        if prompt is not None:
            payload |= _prompt_payload(prompt, found)
        return self.write("answer.released", fields, payload)


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


def _found_fields(found: Found) -> Clear:
    return {
        "index_generation": found.generation,
        "day": found.day,
        "vectors_from": found.vectors_from,
        "scope": sorted(found.scope.collections)[:_MOST_LISTED],
        "chunks": [hit.chunk.id for hit in found.hits][:_MOST_LISTED],
        "enough": found.decision.enough,
        "enough_ppm": round(found.decision.probability * 1_000_000),
    }


def _context_fields(context: Context) -> Call:
    """How the question was made whole, and how many turns were left out of its context."""
    return {
        "understood_by": context.understood.how,
        "turns_left_out": context.left_out,
        "carried_words": len(context.understood.carried),
    }


def _context_payload(context: Context) -> dict[str, object]:
    understood = context.understood
    return {
        "understood": understood.text,
        "understood_notes": list(understood.notes),
        "carried_from_history": list(understood.carried),
        "named_in_answer": list(understood.named_in_answer),
        "understanding_written": context.written,
        "understanding_failed": context.model_failed,
    }


def _found_payload(found: Found) -> dict[str, object]:
    return {
        "retrieval_query": found.asked.query,
        "expected": sorted(found.asked.kinds),
        "parts": [part.query for part in found.asked.parts],
        "hits": [_hit(hit) for hit in found.hits],
        "sufficiency": asdict(found.decision.features),
        "evidence": [
            {
                "document": e.candidate.document,
                "page": e.candidate.page,
                "start": e.candidate.unit.start,
                "end": e.candidate.unit.end,
                "score": e.score,
                "similarity": e.similarity,
                "coverage": e.coverage,
                "answers": e.answers,
            }
            for e in found.ranked[:10]
        ],
    }


def _prompt_payload(prompt: Prompt, found: Found | None) -> dict[str, object]:
    hits = found.hits if found else ()
    return {
        "passages": [
            {
                "document": block.document,
                "page": block.page,
                "start": block.start,
                "end": block.end,
                "tokens": block.tokens,
                "sha256": sha256(block.text),
                "text": block.text,
                "chunks": [hits[number].chunk.id for number in block.hits],
            }
            for block in prompt.packed.kept
        ],
        "dropped": [
            {"chunk": hits[each.hit].chunk.id, "reason": each.reason, "end": each.end}
            for each in prompt.packed.dropped
        ],
    }
