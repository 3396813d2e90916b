"""What the record of an answer pins, so that the answer can be made again: what was found and what
the catalogue said of it then, the passages of the prompt, how the question was understood, and
which model ran how. Values for `assistant.recording`, as JSON has them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict

from assistant.model import ModelInfo
from assistant.retrieval import Found
from assistant.understanding import Context
from assistant.writing import Prompt
from audit.record import Field
from index.document import Hit, Page
from index.effective import Standing

MOST_LISTED = 200  # entries of a list in clear: an envelope stays far under its 64 KiB

Clear = Mapping[str, "Field | list[str] | list[int]"]
Call = dict[str, "Field | list[str] | list[int]"]  # all that is recorded in clear of one call


def sha256(text: str) -> str:
    """Hex SHA-256 of a text as UTF-8; what is no Unicode (lone surrogates) is kept apart."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def model_fields(info: ModelInfo) -> Call:
    """Which model, and how it runs."""
    return {
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
    }


def context_fields(context: Context) -> Call:
    """How the question was made whole, how many turns were left out of its context, and which
    model was asked to rewrite it, if one was."""
    fields: Call = {
        "understood_by": context.understood.how,
        "turns_left_out": context.left_out,
        "carried_words": len(context.understood.carried),
    }
    if context.asked is not None:
        info, prompt = context.asked
        fields |= {f"rewriting_{name}": value for name, value in model_fields(info).items()}
        fields["rewriting_prompt_version"] = prompt.name
        fields["rewriting_prompt_template_sha256"] = prompt.digest
    return fields


def context_payload(context: Context) -> dict[str, object]:
    """The question made whole, and what of it came from where."""
    understood = context.understood
    return {
        "understood": understood.text,
        "understood_notes": list(understood.notes),
        "carried_from_history": list(understood.carried),
        "named_in_answer": list(understood.named_in_answer),
        "understanding_written": context.written,
        "understanding_failed": context.model_failed,
    }


def found_fields(found: Found) -> Clear:
    """What was found, in clear: ids, counts and the decision whether it suffices."""
    return {
        "index_generation": found.generation,
        "day": found.day,
        "vectors_from": found.vectors_from,
        "scope": sorted(found.scope.collections)[:MOST_LISTED],
        "chunks": [hit.chunk.id for hit in found.hits][:MOST_LISTED],
        "documents_found": sorted({hit.document.id for hit in found.hits})[:MOST_LISTED],
        "enough": found.decision.enough,
        "enough_ppm": round(found.decision.probability * 1_000_000),
    }


def found_payload(found: Found) -> dict[str, object]:
    """What was found: every hit by its pins, how its document stood, and the best evidence."""
    return {
        "retrieval_query": found.asked.query,
        "expected": sorted(found.asked.kinds),
        "parts": [part.query for part in found.asked.parts],
        "hits": [
            _hit(hit, found.pages[hit.chunk.document_id, hit.chunk.page]) for hit in found.hits
        ],
        "standings": [_standing(place, each) for place, each in found.standings.items()],
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


def prompt_payload(prompt: Prompt, found: Found | None) -> dict[str, object]:
    """The passages that the model read, and what was left out of the prompt and why."""
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


def _hit(hit: Hit, page: Page) -> dict[str, object]:
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
        # What the catalogue said of the document then, since it may say otherwise later.
        "title": hit.document.title,
        "effective_from": hit.document.effective_from,
        "effective_to": hit.document.effective_to,
        "supersedes": list(hit.document.supersedes),
        "heading_path": list(hit.chunk.heading_path),
        "page": hit.chunk.page,
        "page_sha256": sha256(page.text),
        "start": hit.chunk.start,
        "end": hit.chunk.end,
        "passage": [hit.start, hit.end],  # with the chunks beside it that were joined to it
    }


def _standing(place: tuple[str, str], standing: Standing) -> dict[str, object]:
    """How a document that is not simply current stood to the day asked about."""
    by = standing.superseded_by
    return {
        "collection": place[0],
        "document": place[1],
        "in_force": standing.in_force,
        "superseded_on": standing.superseded_on,
        "withdrawn_on": standing.withdrawn_on,
        "superseded_by": None
        if by is None
        else {
            "document": by.id,
            "collection": by.collection,
            "source": by.source,
            "version": by.version,
        },
    }
