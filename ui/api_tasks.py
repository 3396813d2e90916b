"""The tasks besides asking over the API: a request as JSON, and what comes of it as events.

`POST /v1/tasks/NAME` answers with server-sent events: `waiting` (`ahead`), `progress` (`done`,
`total`, `about`), `item` for each part of the result as it is done, and at the end `result` or
`error`. Items and results have the keys that the commands print with `--json`. Like answers, a task
is a key's, within its groups, and nothing is sent that does not stand in the log.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any, Protocol, cast

from starlette.responses import JSONResponse, Response

from assistant import compare, extract, label_file, labels, summarise, sweep, sweep_table
from assistant.answer import Asker, Event, Question, Stage
from assistant.counting import Kind
from assistant.errors import CitedTextGone
from assistant.task import Progress
from assistant.tasks import Request
from ui.api_errors import Refused, bad, no_route, stopping
from ui.api_shapes import MAX_NAME, MAX_TEXT, as_of, collections, documents, flag
from ui.cli_compare import comparison_json
from ui.cli_summarise import summary_json
from ui.flow import ended_first
from ui.show_extract import citation_json, classified_json, form_json

PATH = "/v1/tasks/"
MAX_LENGTH = 200  # statements of a summary on each document
_EVERYWHERE = {"collections", "documents"}
_RESULTS = (
    sweep.SweepResult, summarise.Summary, compare.Comparison, extract.Result, labels.Result
)  # fmt: skip
Values = Mapping[str, Any]


class Runs(Protocol):
    """What does tasks: `assistant.pipeline.Assistant`."""

    def run(
        self, request: Request, cancelled: Callable[[], bool] | None = None
    ) -> Iterator[object]:
        """Progress, items and at the end the result of what is asked for."""
        ...


def request_of(name: str, value: Values, asker: Asker) -> Request:
    """The request of `asker` for the task of that name in a parsed body. Raises Refused, and
    LabelsUnusable for labels that nothing can be sorted under."""
    made = _MADE.get(name)
    if made is None:
        raise no_route()
    known, make = made
    for given in value:
        if given not in known:
            raise bad(
                f"The parameter {given[:80]!r} is not known here; correct it or leave it out.",
                given[:80],
                "unknown_parameter",
            )
    return make(value, asker)


def _sweep(value: Values, asker: Asker) -> Request:
    kind = value.get("kind")
    if kind not in (None, "yes_no", "value", "find"):
        raise bad("`kind` must be yes_no, value or find.", "kind")
    return sweep.Request(
        asker,
        _text(value, "question"),
        collections(value),
        documents(value),
        cast(Kind | None, kind),
        as_of(value),
    )


def _summarise(value: Values, asker: Asker) -> Request:
    length = value.get("length", 8)
    if not isinstance(length, int) or isinstance(length, bool) or not 1 <= length <= MAX_LENGTH:
        raise bad(f"`length` must be a whole number from 1 to {MAX_LENGTH}.", "length")
    return summarise.Request(
        asker,
        documents(value),
        collections(value),
        _text(value, "about") if "about" in value else "",
        length,
        as_of(value),
        flag(value, "verbatim"),
    )


def _compare(value: Values, asker: Asker) -> Request:
    return compare.Request(
        asker,
        _text(value, "left", MAX_NAME),
        _text(value, "right", MAX_NAME) if "right" in value else "",
        collections(value),
        as_of(value, "left_as_of"),
        as_of(value, "right_as_of"),
    )


def _extract(value: Values, asker: Asker) -> Request:
    schema = value.get("schema")
    if not isinstance(schema, dict):
        raise bad("`schema` is needed: a JSON Schema of what is wanted.", "schema")
    return extract.Request(
        asker,
        json.dumps(schema),
        documents(value),
        collections(value),
        as_of(value),
        flag(value, "rules_only"),
    )


def _classify(value: Values, asker: Asker) -> Request:
    return labels.Request(
        asker,
        label_file.parse_labels(json.dumps(value.get("labels"))),
        documents(value),
        collections(value),
        flag(value, "multi"),
        as_of(value),
        flag(value, "likelihood"),
    )


def _text(value: Values, name: str, most: int = MAX_TEXT) -> str:
    given = value.get(name)
    if not isinstance(given, str) or not given.strip() or len(given) > most:
        raise bad(f"`{name}` must be text of up to {most:,} characters that is not empty.", name)
    return given


_Make = Callable[[Values, Asker], Request]
_MADE: dict[str, tuple[set[str], _Make]] = {
    "sweep": ({"question", "kind", "as_of"} | _EVERYWHERE, _sweep),
    "summarise": ({"about", "length", "verbatim", "as_of"} | _EVERYWHERE, _summarise),
    "compare": ({"left", "right", "left_as_of", "right_as_of", "collections"}, _compare),
    "extract": ({"schema", "rules_only", "as_of"} | _EVERYWHERE, _extract),
    "classify": ({"labels", "multi", "likelihood", "as_of"} | _EVERYWHERE, _classify),
}


@dataclass(frozen=True, slots=True)
class TaskStream:
    """A task where an answer is expected (`ui.ports.Answers.stream`), so that it is read, watched
    and cancelled as answers are."""

    assistant: Runs
    request: Request

    def stream(
        self, question: Question, cancelled: Callable[[], bool] | None = None
    ) -> Iterator[Event]:
        """The steps of the task; the question says who asks, and nothing else.

        Raises Refused if the documents changed meanwhile, or if it was cancelled.
        """
        done = False
        try:
            steps = ended_first(self.assistant.run(self.request, cancelled), *_RESULTS)
            with closing(steps):
                for step in steps:
                    done = isinstance(step, _RESULTS)
                    yield cast(Event, step)
        except CitedTextGone as error:
            raise Refused(503, str(error), "task_failed") from None
        if not done:
            raise stopping()


class Telling:
    """The events of a task as bytes, for `ui.api_reply.Reply`."""

    streams = True

    def begin(self) -> bytes:
        """Nothing stands before the first event."""
        return b""

    def of(self, step: object) -> bytes:
        """The event that tells of a step."""
        name, body = told(step)
        return _event(name, body)

    def ends(self, step: object) -> bool:
        """Whether nothing follows this step."""
        return isinstance(step, _RESULTS)

    def refusal(self, step: object) -> Refused | None:
        """No step stands for an error: errors are raised."""
        return None

    def failure(self, refused: Refused) -> bytes:
        """An error after the reply has begun."""
        return _event("error", refused.body())

    def whole(self, step: object) -> Response:
        """The result alone; tasks are streamed always, so this is not asked for."""
        return JSONResponse(told(step)[1])


def told(step: object) -> tuple[str, Mapping[str, object]]:
    """The name of the event that tells of a step of a task, and its data. Pure."""
    match step:
        case Stage():
            return "waiting", {"ahead": step.count}
        case Progress():
            return "progress", asdict(step)
        case sweep.Row():
            return "item", sweep_table.row_json(step)
        case summarise.DocumentSummary() | compare.Change():
            return "item", asdict(step)
        case extract.FieldValue():
            return "item", _field(step)
        case labels.Classified():
            return "item", classified_json(step)
    return "result", _result(step)


def _result(step: object) -> Mapping[str, object]:
    match step:
        case sweep.SweepResult():
            rows = [sweep_table.row_json(row) for row in step.rows]
            return {**sweep_table.summary_json(step), "rows": rows}
        case summarise.Summary():
            return summary_json(step)
        case compare.Comparison():
            return comparison_json(step)
        case extract.Result():
            return {"documents": [form_json(form) for form in step.forms], **_end(step)}
        case labels.Result():
            return {"documents": [classified_json(each) for each in step.documents], **_end(step)}
    raise TypeError(f"{type(step).__name__} is no step of a task")


def _end(step: extract.Result | labels.Result) -> dict[str, object]:
    return {
        "failed": [asdict(each) for each in step.failed],
        "notes": list(step.notes),
        "record": step.record,
    }


def _field(step: extract.FieldValue) -> dict[str, object]:
    return {
        "document": step.document,
        "source": step.source,
        "field": step.field.name,
        "value": step.value,
        "citations": [citation_json(each) for each in step.citations],
        "reason": step.reason.value if step.reason is not None else None,
        "by": step.by,
    }


def _event(name: str, body: Mapping[str, object]) -> bytes:
    """One server-sent event; JSON in ASCII holds no line end."""
    data = json.dumps(body, ensure_ascii=True)
    return f"event: {name}\ndata: {data}\n\n".encode("ascii")
