"""Tasks over the API: requests, events, rights, and what becomes of them when they fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from assistant import compare, extract, label_file, labels, summarise
from assistant.answer import Asker
from assistant.errors import CitedTextGone, LabelsUnusable
from assistant.sweep_rows import Request
from assistant.sweep_table import row_json
from assistant.task import Progress
from tests.ui.standins import COUNTING, FullDisk, ScriptedAssistant, sweep_row
from tests.ui.test_web_api import Served, error_of, serve
from ui import api_tasks
from ui.api_errors import Refused

ANNA = Asker("anna", frozenset({"legal", "local"}), "api-key:k", "1.2.3.4")
ROWS = tuple(sweep_row(number) for number in range(1, 41))


@pytest.fixture
def served(home: Path) -> Served:
    return serve(home, ScriptedAssistant(rows=ROWS))


def post(served: Served, name: str, **body: object) -> Any:
    return served.web.post(f"/v1/tasks/{name}", json=body, headers=served.auth)


def events(text: str) -> list[tuple[str, Any]]:
    """The names and data of server-sent events."""
    found = []
    for block in text.split("\n\n"):
        if block and not block.startswith(":"):
            name, data = block.split("\n")
            body = json.loads(data.removeprefix("data: "))
            found.append((name.removeprefix("event: "), body))
    return found


def test_a_sweep_is_streamed_row_by_row_for_the_key_that_asks(served: Served) -> None:
    reply = post(served, "sweep", question=COUNTING, collections=["legal"], as_of="2025-06-30")
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("text/event-stream")
    told = events(reply.text)
    names = [name for name, _ in told]
    assert names == [*["progress", "item"] * len(ROWS), "progress", "result"]
    assert told[0][1] == {"done": 0, "total": 40, "about": ROWS[0].source}
    assert [body for name, body in told if name == "item"] == json.loads(
        json.dumps([row_json(row) for row in ROWS])
    )
    result = told[-1][1]
    assert result["documents"] == 40
    assert result["sentence"].startswith("39 of 40 read, 1 failed")
    assert len(result["rows"]) == 40
    (request,) = served.assistant.requests
    assert request.collections == frozenset({"legal"})
    assert request.as_of == "2025-06-30"
    assert request.asker.id == "anna"
    assert request.asker.groups == frozenset({"legal", "local"})
    assert request.asker.auth.startswith("api-key:")
    assert request.folder is None


def test_every_task_is_made_of_its_fields() -> None:
    def made(name: str, **value: object) -> object:
        return api_tasks.request_of(name, value, ANNA)

    within = {"documents": ["a.pdf"], "collections": ["legal"], "as_of": "2025-06-30"}
    legal, one, day = frozenset({"legal"}), ("a.pdf",), "2025-06-30"
    assert made("sweep", question="q", kind="find", **within) == Request(
        ANNA, "q", legal, one, "find", day
    )
    assert made("summarise", about="fees", length=3, verbatim=True, **within) == summarise.Request(
        ANNA, one, legal, "fees", 3, day, True
    )
    assert made("summarise") == summarise.Request(ANNA)
    assert made("compare", left="a", right="b", left_as_of=day) == compare.Request(
        ANNA, "a", "b", None, day
    )
    assert made("compare", left="a") == compare.Request(ANNA, "a")
    schema = {"type": "object", "properties": {"fee": {"type": "number"}}}
    assert made("extract", schema=schema, rules_only=True, **within) == extract.Request(
        ANNA, json.dumps(schema), one, legal, day, True
    )
    listed = [{"label": "lease", "description": "rent of rooms"}]
    assert made("classify", labels=listed, multi=True, **within) == labels.Request(
        ANNA, (label_file.Label("lease", "rent of rooms"),), one, legal, True, day, False
    )


@pytest.mark.parametrize(
    ("name", "value", "param"),
    [
        ("sweep", {}, "question"),
        ("sweep", {"question": " "}, "question"),
        ("sweep", {"question": "q", "kind": "all"}, "kind"),
        ("sweep", {"question": "q", "documents": []}, "documents"),
        ("sweep", {"question": "q", "documents": [1]}, "documents"),
        ("sweep", {"question": "q", "folder": "sweeps"}, "folder"),
        ("sweep", {"question": "q", "asker": {"id": "eve"}}, "asker"),
        ("summarise", {"length": 0}, "length"),
        ("summarise", {"length": True}, "length"),
        ("summarise", {"verbatim": "yes"}, "verbatim"),
        ("compare", {"right": "b"}, "left"),
        ("compare", {"left": "a", "left_as_of": "June"}, "left_as_of"),
        ("extract", {"schema": "{}"}, "schema"),
    ],
)
def test_what_cannot_be_taken_is_refused_by_name(
    name: str, value: dict[str, object], param: str
) -> None:
    with pytest.raises(Refused) as refused:
        api_tasks.request_of(name, value, ANNA)
    assert refused.value.status == 400
    assert refused.value.param == param


def test_labels_that_are_none_and_tasks_that_are_none_are_refused(served: Served) -> None:
    with pytest.raises(LabelsUnusable):
        api_tasks.request_of("classify", {}, ANNA)
    assert error_of(post(served, "classify"), 400, "invalid_value")
    assert error_of(post(served, "translate", question="q"), 404, "not_found")
    assert error_of(post(served, "", question="q"), 404, "not_found")
    bare = served.web.post("/v1/tasks/sweep", json={"question": "q"})
    assert error_of(bare, 401, "invalid_api_key")
    get = served.web.get("/v1/tasks/sweep", headers=served.auth)
    assert error_of(get, 405, "method_not_allowed")
    assert served.assistant.requests == []


class Failing(ScriptedAssistant):
    """Raises what it is given, after so many steps."""

    def __init__(self, error: BaseException | None, after: int) -> None:
        super().__init__(rows=ROWS)
        self._error, self._after = error, after

    def run(
        self, request: Request, cancelled: Callable[[], bool] | None = None
    ) -> Iterator[object]:
        for number in range(self._after):
            yield Progress(number, 9)
        if self._error is not None:
            raise self._error


def test_what_fails_at_once_has_a_status_and_later_an_event(home: Path) -> None:
    full = FullDisk("The disk is full.")
    early = serve(home / "a", Failing(full, 0))
    assert error_of(post(early, "sweep", question="q"), 503, "audit_log_unavailable")
    late = serve(home / "b", Failing(full, 2))
    *_, (name, body) = events(post(late, "sweep", question="q").text)
    assert name == "error"
    assert body["error"]["code"] == "audit_log_unavailable"
    gone = serve(home / "c", Failing(CitedTextGone(), 0))
    assert error_of(post(gone, "sweep", question="q"), 503, "task_failed")
    ended = serve(home / "d", Failing(None, 0))
    assert error_of(post(ended, "sweep", question="q"), 503, "stopping")


def test_a_client_that_leaves_ends_the_task_and_gives_its_place_back(home: Path) -> None:
    assistant = ScriptedAssistant(rows=ROWS, hold_after=3)
    assistant.go.clear()
    served = serve(home, assistant)
    body = json.dumps({"question": COUNTING}).encode()
    headers = [
        (b"host", b"127.0.0.1:8321"),
        (b"authorization", served.auth["authorization"].encode()),
    ]
    scope = {
        "type": "http", "method": "POST", "path": "/v1/tasks/sweep", "headers": headers,
        "query_string": b"", "client": ("127.0.0.1", 5),
    }  # fmt: skip
    sent: list[Any] = []

    async def visit() -> None:
        left, asked = asyncio.Event(), False

        async def receive() -> dict[str, object]:
            nonlocal asked
            if not asked:
                asked = True
                return {"type": "http.request", "body": body, "more_body": False}
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)
            if b'"about"' in message.get("body", b"") and len(sent) > 6:
                left.set()

        await served.api(scope, receive, send)
        for _ in range(500):
            if assistant.closed.is_set():
                break
            await asyncio.sleep(0.01)

    asyncio.run(visit())
    assert assistant.closed.is_set()
    assert not any(b"event: result" in message.get("body", b"") for message in sent)
