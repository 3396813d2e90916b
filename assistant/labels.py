"""`classify`: documents sorted under given labels, with the sentences that speak for the label.

Each label's name and description are compared with every unit of a document
(`assistant.label_decision`). What that leaves unclear, a sequence classifier trained on the very
labels may decide, if one is given, and else, if the request wants it, the language model's
likelihood of each label; whichever decided is named. Every label comes with quotations, and
"no label fits" and "unclear" are results like any other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from assistant import extract_forms, label_decision, label_model, task
from assistant.answer import Asker, Citation
from assistant.citations import Numbering, still_true
from assistant.embedding import embedded
from assistant.errors import AssistantError, LabelsUnusable
from assistant.evidence import Candidate, term_weights
from assistant.label_decision import Fit, Sorted, Verdict
from assistant.label_file import Label
from assistant.model import Caller, ModelInfo
from assistant.prompts import PromptSet
from assistant.recording import sha256
from assistant.task import Parts, Progress, Reading, TaskRecord
from index.document import Document
from index.errors import NotFound

MOST_EMBEDDED = 400  # units of a document; of a longer one so many, evenly spread
_SHARE, _AHEAD = 0.5, 0.2  # of a sequence classifier's best label, and ahead of its second
CHANGED = "The document was changed or removed meanwhile; run the command again."


class Shares(Protocol):
    """What a sequence classifier says of a text: a probability for each label."""

    @property
    def shares(self) -> Mapping[str, float]: ...


class Classifier(Protocol):
    """`index.classify.SequenceClassifier`, as far as it is asked here."""

    @property
    def labels(self) -> tuple[str, ...]: ...

    def classify(self, texts: Sequence[str]) -> Sequence[Shares]:
        """One result for each text. Raises IndexFailure."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be sorted, and under what. `multi`: any number of labels may hold for a document.
    `likelihood`: the language model may decide between labels that the evidence leaves unclear.
    Documents as in `extract`."""

    asker: Asker
    labels: tuple[Label, ...]
    sources: tuple[str, ...] = ()
    collections: frozenset[str] | None = None
    multi: bool = False
    as_of: str | None = None
    likelihood: bool = False


@dataclass(frozen=True, slots=True)
class Chosen:
    """A label with the sentences that speak for it. `score` compares labels of one document."""

    label: str
    score: float
    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class Classified:
    """One document. `labels` are those that hold; `near` those that it hangs between if it is
    UNCLEAR. `margin` is by how much the first is ahead; `by` names what decided: "evidence",
    "classifier" or "likelihood"."""

    document: str
    source: str
    title: str
    verdict: Verdict
    labels: tuple[Chosen, ...]
    near: tuple[Chosen, ...] = ()
    margin: float = 0.0
    by: str = "evidence"


@dataclass(frozen=True, slots=True)
class Failed:
    """A document that could not be sorted, and why, in one sentence."""

    source: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that was sorted; `notes` say what a person must know of the whole."""

    documents: tuple[Classified, ...]
    failed: tuple[Failed, ...]
    notes: tuple[str, ...] = ()
    request: str = ""
    record: str = ""


Event = Progress | Classified | Result


def run(
    parts: Parts,
    request: Request,
    cancelled: Callable[[], bool],
    classifier: Classifier | None = None,
) -> Generator[Event, None, None]:
    """Progress, each document as it is done, and at the end the result; all recorded first.

    Raises NotFound for a document that is not there, IndexFailure, AuditError.
    """
    record = TaskRecord(parts.log, request.asker, "classify")
    listed = [{"label": each.name, "description": each.description} for each in request.labels]
    record.received(
        {
            "labels": len(request.labels),
            "labels_sha256": sha256(json.dumps(listed, sort_keys=True)),
            "multi": request.multi,
            "documents_named": len(request.sources),
            "collections": sorted(request.collections)[:200] if request.collections else None,
            "as_of": request.as_of,
        },
        {"labels": listed, "sources": list(request.sources[:1000])},
    )
    going = _Run(parts, request, record, cancelled, classifier)
    with task.ended(record):
        yield from going.events()


class _Run:
    """One classification on its way."""

    def __init__(
        self,
        parts: Parts,
        request: Request,
        record: TaskRecord,
        cancelled: Callable[[], bool],
        classifier: Classifier | None,
    ) -> None:
        self._parts, self._request, self._record = parts, request, record
        self._cancelled = cancelled
        scope = parts.library.scope(request.asker.groups)
        narrowed = request.collections
        self._scope = scope if narrowed is None else scope.narrowed(narrowed)
        self._notes: dict[str, None] = {}
        self._classifier = self._usable(classifier)
        self._likelihood = request.likelihood
        self._prompt: PromptSet | None = None  # None: the model is not to be asked
        self._asked: ModelInfo | None = None  # once it was

    def _usable(self, classifier: Classifier | None) -> Classifier | None:
        """The classifier, if its labels are those that are asked for."""
        if classifier is None:
            return None
        asked = {each.name.casefold() for each in self._request.labels}
        if asked == {each.casefold() for each in classifier.labels}:
            return classifier
        self._notes["The classifier was not asked: it was trained for other labels."] = None
        return None

    def events(self) -> Iterator[Event]:
        """Everything that `run` yields, in order."""
        library = self._parts.library
        if not self._request.labels:
            raise LabelsUnusable("there are none")
        if self._likelihood:
            self._prompt = self._parts.policy.prompts("classify")
        documents = task.chosen(
            library,
            self._scope,
            self._request.sources,
            day=self._request.as_of,
            any_status=True,
        )
        labels = self._embedded([each.text for each in self._request.labels])
        done: list[Classified] = []
        failed: list[Failed] = []
        for number, document in enumerate(documents):
            yield Progress(number, len(documents), document.source)
            task.go_on(self._cancelled)
            try:
                reading = task.read(library, document, self._scope, self._request.as_of)
            except NotFound:
                if self._request.sources:
                    failed.append(_not_read(document))
                continue
            result = self._document(reading, labels)
            cited = [c for each in (*result.labels, *result.near) for c in each.citations]
            if not still_true(library, cited, self._scope):
                failed.append(Failed(document.source, CHANGED))
                continue
            self._record_one(result)
            done.append(result)
            yield result
        yield Progress(len(documents), len(documents))
        yield self._release(tuple(done), tuple(failed))

    def _embedded(self, texts: Sequence[str]) -> NDArray[np.float32]:
        between = partial(task.go_on, self._cancelled)
        return embedded(self._parts.library.embedder, texts, between)

    def _document(self, reading: Reading, labels: NDArray[np.float32]) -> Classified:
        found = _spread(task.candidates_of(extract_forms.with_entries(reading)))
        units = self._embedded([each.embedded for each in found])
        fits = label_decision.fits(
            labels,
            units,
            [label_decision.telling(each.text) for each in self._request.labels],
            [each.keys for each in found],
            term_weights(found),
        )
        if not fits:
            decision = Sorted(Verdict.NONE, (), 0.0)
        elif self._request.multi:
            decision = label_decision.decide_several(fits, labels, units)
        else:
            decision = label_decision.decide(fits)
        decision, by = self._settled(decision, found, reading)
        numbering = Numbering()
        shown = tuple(self._chosen(numbering, reading, found, fit) for fit in decision.fits)
        clear = decision.verdict is Verdict.LABELLED
        return Classified(
            reading.document.id,
            reading.document.source,
            reading.document.title,
            decision.verdict,
            shown if clear else (),
            () if clear else shown,
            round(decision.margin, 4),
            by,
        )

    def _chosen(
        self, numbering: Numbering, reading: Reading, found: Sequence[Candidate], fit: Fit
    ) -> Chosen:
        places = [found[unit] for unit in fit.units]
        return Chosen(
            self._request.labels[fit.label].name,
            round(fit.score, 4),
            tuple(
                task.cite(numbering, reading, each.page, each.unit.start, each.unit.end)
                for each in places
            ),
        )

    def _settled(
        self, decision: Sorted, found: Sequence[Candidate], reading: Reading
    ) -> tuple[Sorted, str]:
        """An unclear decision after the further opinions, and what decided. Either may only
        choose among the labels for which the document gives evidence."""
        if decision.verdict is not Verdict.UNCLEAR or self._request.multi:
            return decision, "evidence"
        for by, choose in (("classifier", self._by_classifier), ("likelihood", self._by_model)):
            chosen = choose(decision.fits, found, reading.document.title)
            if chosen is not None:
                return Sorted(Verdict.LABELLED, (chosen,), decision.margin), by
        return decision, "evidence"

    def _by_classifier(
        self, fits: Sequence[Fit], found: Sequence[Candidate], title: str
    ) -> Fit | None:
        """The label that the classifier gives the most of, on the mean over all units."""
        if self._classifier is None:
            return None
        told = self._classifier.classify([each.embedded for each in found])
        names = {each.name.casefold(): n for n, each in enumerate(self._request.labels)}
        mean = np.zeros(len(names))
        for each in told:
            for name, share in each.shares.items():
                mean[names[name.casefold()]] += share / len(told)
        order = np.argsort(-mean, kind="stable")
        second = mean[order[1]] if len(order) > 1 else 0.0
        if mean[order[0]] < _SHARE or mean[order[0]] - second < _AHEAD:
            return None
        return next((fit for fit in fits if fit.label == int(order[0])), None)

    def _by_model(self, fits: Sequence[Fit], found: Sequence[Candidate], title: str) -> Fit | None:
        """The label that the language model finds likelier than the rest, by a wide margin."""
        if not self._likelihood:
            return None
        shown = [found[fit.units[0]].embedded for fit in fits]
        names = [self._request.labels[fit.label].name for fit in fits]
        try:
            with self._parts.model.held() as model:
                self._asked = model.info
                number = label_model.likeliest(
                    model, shown, names, Caller(self._request.asker.id), self._prompt, title,
                    self._record.aside,
                )  # fmt: skip
        except AssistantError as error:
            self._likelihood = False
            self._notes[f"The model was not asked further: {error}"] = None
            return None
        return None if number is None else fits[number]

    def _record_one(self, result: Classified) -> None:
        def told(each: Chosen) -> dict[str, object]:
            quotes = [
                {"page": c.page, "start": c.start, "end": c.end, "quote": c.quote}
                for c in each.citations
            ]
            return {"label": each.label, "score": each.score, "citations": quotes}

        self._record.item(
            {
                "document": result.document,
                "verdict": result.verdict.value,
                "by": result.by,
                "labels": len(result.labels),
            },
            {
                "source": result.source,
                "labels": [told(each) for each in result.labels],
                "near": [told(each) for each in result.near],
                "margin": result.margin,
            },
        )

    def _release(self, done: tuple[Classified, ...], failed: tuple[Failed, ...]) -> Result:
        info, by = self._asked, self._prompt if self._asked else None
        released = self._record.released(
            {
                "model": info.name if info else "",
                "model_sha256": info.sha256 if info else "",
                "prompt": by.name if by else "",
                "prompt_sha256": by.digest if by else "",
                "documents": len(done),
                "failed": len(failed),
                **{
                    verdict.value.lower(): sum(each.verdict is verdict for each in done)
                    for verdict in Verdict
                },
            },
            {
                "documents": [
                    {"document": each.document, "labels": [one.label for one in each.labels]}
                    for each in done
                ],
                "failed": [{"source": each.source, "why": each.sentence} for each in failed],
                "notes": list(self._notes),
            },
        )
        return Result(done, failed, tuple(self._notes), self._record.request, released.event_id)


def _not_read(document: Document) -> Failed:
    return Failed(
        document.source,
        "The document is not in force on that day, or not there any more; name another day with "
        "--as-of, or another document.",
    )


def _spread(found: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
    """At most MOST_EMBEDDED units, evenly spread over the document."""
    if len(found) <= MOST_EMBEDDED:
        return found
    step = len(found) / MOST_EMBEDDED
    return tuple(found[int(number * step)] for number in range(MOST_EMBEDDED))
