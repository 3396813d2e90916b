"""`extract`: the values of a JSON Schema's fields from documents, each with its citation or null.

For each document the units nearest to each field are found, rules take what is stated plainly
(`assistant.extract_fields`), and the language model is asked for what they left empty
(`assistant.extract_model`). Every value is read from the span that is cited for it; what no span
states is null with a reason. Values, quotes and reasons are recorded before they are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assistant import (
    extract_fields,
    extract_forms,
    extract_model,
    extract_near,
    extract_schema,
    task,
)
from assistant.answer import Asker, Citation
from assistant.citations import Numbering, still_true
from assistant.errors import AssistantError
from assistant.evidence import Candidate, term_weights
from assistant.extract_fields import Decision, Reason
from assistant.extract_mentions import Mention, Sheet
from assistant.extract_schema import Field, Schema, Type, as_object
from assistant.extract_values import Value
from assistant.model import Caller, Model
from assistant.prompts import PromptSet
from assistant.recording import Clear, sha256
from assistant.task import Parts, Progress, Reading, TaskRecord
from index.document import Document, Scope
from index.errors import NotFound

_PASSAGES = 3  # that the model reads
_LEAST_NEAR = 0.2  # cosine under which the model has nothing to look at
CHANGED = "The document was changed or removed meanwhile; run the command again."


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be extracted: a JSON Schema as text, from the documents named by source or id (or
    from all in `collections`, None: all that the asker may read), as in force on `as_of` (ISO 8601;
    None: today). `rules_only`: without asking the model."""

    asker: Asker
    schema: str
    sources: tuple[str, ...] = ()
    collections: frozenset[str] | None = None
    as_of: str | None = None
    rules_only: bool = False


@dataclass(frozen=True, slots=True)
class Candidates:
    """One of the values that a field was not given, as it is written, and where."""

    value: Value
    citation: Citation


@dataclass(frozen=True, slots=True)
class FieldValue:
    """One field of one document. `value` is None (then `reason` says why) or of the schema's type;
    `citations` show where it stands, one for a value and one or more for a list. `candidates` are
    what an AMBIGUOUS or UNSUPPORTED field could have been; `by` is "rule" or "model"."""

    document: str
    source: str
    field: Field
    value: Value | tuple[Value, ...] | None
    citations: tuple[Citation, ...] = ()
    reason: Reason | None = None
    candidates: tuple[Candidates, ...] = ()
    by: str = "rule"


@dataclass(frozen=True, slots=True)
class Form:
    """All fields of one document, in the schema's order."""

    document: str
    source: str
    title: str
    values: tuple[FieldValue, ...]

    @property
    def object(self) -> dict[str, object]:
        """The values as the schema nests them; null where there is none."""
        return as_object([(each.field, _plain(each.value)) for each in self.values])


@dataclass(frozen=True, slots=True)
class Failed:
    """A document of which nothing could be extracted, and why, in one sentence."""

    source: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that was extracted. `notes` say in a sentence each what a person must know of the
    whole (the model could not be asked, say); `record` is the event that released it."""

    forms: tuple[Form, ...]
    failed: tuple[Failed, ...]
    notes: tuple[str, ...] = ()
    model: str = ""
    request: str = ""
    record: str = ""


Event = Progress | FieldValue | Result


def _plain(value: Value | tuple[Value, ...] | None) -> object:
    return list(value) if isinstance(value, tuple) else value


def run(
    parts: Parts, request: Request, cancelled: Callable[[], bool]
) -> Generator[Event, None, None]:
    """Progress, each field as it is done, and at the end the result; all of it recorded first.

    Raises SchemaUnusable, NotFound for a document that is not there, IndexFailure, AuditError.
    """
    record = TaskRecord(parts.log, request.asker, "extract")
    record.received(
        {
            "schema_sha256": sha256(request.schema),
            "documents_named": len(request.sources),
            "collections": sorted(request.collections)[:200] if request.collections else None,
            "as_of": request.as_of,
        },
        {
            "schema": request.schema[: extract_schema.LONGEST],
            "sources": list(request.sources[:1000]),
        },
    )
    going = _Run(parts, request, record, cancelled)
    with task.ended(record):
        yield from going.events()


class _Run:
    """One extraction on its way."""

    def __init__(
        self,
        parts: Parts,
        request: Request,
        record: TaskRecord,
        cancelled: Callable[[], bool],
    ) -> None:
        self._parts, self._request, self._record = parts, request, record
        self._cancelled = cancelled
        scope = parts.library.scope(request.asker.groups)
        narrowed = request.collections
        self._scope: Scope = scope if narrowed is None else scope.narrowed(narrowed)
        self._notes: dict[str, None] = {}
        self._proposed = ""  # what the model wrote for the field at hand
        self._model: Model | None = None  # once it has been asked
        self._unasked = False
        self._prompt: PromptSet | None = None  # None: the model is not to be asked

    def events(self) -> Iterator[Event]:
        """Everything that `run` yields, in order."""
        schema = extract_schema.parse(self._request.schema)
        library = self._parts.library
        if not self._request.rules_only:
            self._prompt = self._parts.policy.prompts("extract")
        documents = task.chosen(
            library,
            self._scope,
            self._request.sources,
            day=self._request.as_of,
            any_status=True,
        )
        queries = extract_near.of_fields(library, schema)
        forms: list[Form] = []
        failed: list[Failed] = []
        for number, document in enumerate(documents):
            yield Progress(number, len(documents), document.source)
            task.go_on(self._cancelled)
            try:
                reading = task.read(library, document, self._scope, self._request.as_of)
            except NotFound:
                if self._request.sources:
                    failed.append(self._not_read(document))
                continue
            values: list[FieldValue] = []
            for value in self._document(reading, schema, queries):
                values.append(value)
                yield value
            cited = [citation for each in values for citation in _shown(each)]
            if still_true(library, cited, self._scope):
                form = Form(document.id, document.source, document.title, tuple(values))
                forms.append(form)
            else:
                failed.append(Failed(document.source, CHANGED))
        yield Progress(len(documents), len(documents))
        yield self._release(tuple(forms), tuple(failed))

    @staticmethod
    def _not_read(document: Document) -> Failed:
        return Failed(
            document.source,
            "The document is not in force on that day, or not there any more; name another day "
            "with --as-of, or another document.",
        )

    def _document(
        self, reading: Reading, schema: Schema, queries: NDArray[np.float32]
    ) -> Iterator[FieldValue]:
        found = task.candidates_of(extract_forms.with_entries(reading))
        sheet = Sheet(found, term_weights(found))
        library, scope = self._parts.library, self._scope
        near = extract_near.nearness(
            library,
            sheet,
            schema,
            queries,
            reading.document,
            scope,
            self._request.as_of,
            lambda: task.go_on(self._cancelled),
        )
        numbering = Numbering()
        for number, field in enumerate(schema.fields):
            task.go_on(self._cancelled)
            self._proposed = ""
            decision = extract_fields.decide(field, sheet, near[number].tolist())
            by = "rule"
            if decision.reason is Reason.NOT_FOUND and field.type is not Type.BOOLEAN:
                proposed = self._ask(field, found, near[number], reading.document.title)
                if proposed is not None:
                    decision, by = proposed, "model"
            value = _value(reading, numbering, field, found, decision, by)
            if not still_true(library, _shown(value), scope):
                value = FieldValue(
                    value.document, value.source, field, None, reason=Reason.UNSUPPORTED
                )
            self._record_value(number, value)
            yield value

    def _ask(
        self, field: Field, found: Sequence[Candidate], near: NDArray[np.float32], title: str
    ) -> Decision | None:
        """What the model adds to a field that the rules left empty; None if nothing."""
        best = [int(each) for each in np.argsort(-near)[:_PASSAGES] if near[each] >= _LEAST_NEAR]
        prompt = self._prompt
        if self._unasked or prompt is None or not best:
            return None
        try:
            with self._parts.model.held() as model:
                proposal = extract_model.propose(
                    model,
                    prompt,
                    field,
                    found,
                    best,
                    title=title,
                    seconds=self._parts.policy.deadline_seconds,
                    cancelled=self._cancelled,
                    caller=Caller(owner=self._request.asker.id),
                    asides=self._record.aside,
                )
                self._model = model
                self._proposed = proposal.text
        except AssistantError as error:
            self._unasked = True
            self._notes[f"The model was not asked further: {error}"] = None
            return None
        if proposal.mention is not None:
            return Decision((proposal.mention,))
        return None if proposal.none else Decision((), Reason.UNSUPPORTED)

    def _record_value(self, number: int, value: FieldValue) -> None:
        self._record.item(
            {
                "document": value.document,
                "field": number,
                "outcome": value.reason.value if value.reason else "FOUND",
                "by": value.by,
                "citations": len(value.citations),
            },
            {
                "path": list(value.field.path),
                "source": value.source,
                "value": _plain(value.value),
                "proposed": self._proposed,
                "citations": [_place(each) for each in value.citations],
                "candidates": [
                    {"value": each.value, **_place(each.citation)} for each in value.candidates
                ],
            },
        )

    def _release(self, forms: tuple[Form, ...], failed: tuple[Failed, ...]) -> Result:
        values = [value for form in forms for value in form.values]
        info = self._model.info if self._model is not None else None
        by = self._prompt if info else None
        clear: Clear = {
            "documents": len(forms),
            "failed": len(failed),
            "values": sum(value.value is not None for value in values),
            "nulls": sum(value.value is None for value in values),
            "model": info.name if info else "",
            "model_sha256": info.sha256 if info else "",
            "prompt": by.name if by else "",
            "prompt_sha256": by.digest if by else "",
        }
        released = self._record.released(
            clear,
            {
                "objects": [{"document": form.document, "object": form.object} for form in forms],
                "failed": [{"source": each.source, "why": each.sentence} for each in failed],
                "notes": list(self._notes),
            },
        )
        return Result(
            forms,
            failed,
            tuple(self._notes),
            info.name if info else "",
            self._record.request,
            released.event_id,
        )


def _place(citation: Citation) -> Mapping[str, object]:
    return {
        "document": citation.document,
        "page": citation.page,
        "start": citation.start,
        "end": citation.end,
        "quote": citation.quote,
    }


def _shown(value: FieldValue) -> list[Citation]:
    """Every citation of a field, those of its candidates included."""
    return [*value.citations, *(each.citation for each in value.candidates)]


def _value(
    reading: Reading,
    numbering: Numbering,
    field: Field,
    found: Sequence[Candidate],
    decision: Decision,
    by: str,
) -> FieldValue:
    """A decision as it is shown: the value with its citations, or null with the reason."""

    def cited(mention: Mention) -> Citation:
        candidate = found[mention.candidate]
        start, end = mention.span or (candidate.unit.start, candidate.unit.end)
        return task.cite(numbering, reading, candidate.page, start, end)

    values = tuple(mention.made.value for mention in decision.chosen)
    return FieldValue(
        document=reading.document.id,
        source=reading.document.source,
        field=field,
        value=None if not values else values if field.many else values[0],
        citations=tuple(dict.fromkeys(cited(mention) for mention in decision.chosen)),
        reason=decision.reason,
        candidates=tuple(Candidates(each.made.value, cited(each)) for each in decision.rivals),
        by=by,
    )
