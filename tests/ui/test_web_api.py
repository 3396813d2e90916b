"""The API with stand-ins behind it: shapes, keys, limits, failures, and clients that go away."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai.types import Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from starlette.testclient import TestClient

from assistant.answer import Answer, Event, Question, Removed, Stage, Turn, Verdict
from assistant.errors import ModelFailed
from assistant.model_status import ModelStatus
from tests.ui.standins import (
    ABSTAINED,
    ANSWERED,
    CONFLICTING,
    COUNTING,
    OFFERED,
    QUOTED,
    REFUSED,
    BrokenAssistant,
    BrokenLog,
    FullDisk,
    MemoryLog,
    ScriptedAssistant,
)
from ui import api_reply, web_api
from ui.api_keys import KeyFile
from ui.api_line import Busy, Line, in_order
from ui.api_shapes import MAX_BODY, conversation_name
from ui.web_api import Api, Limits, Parts, beside, create_api, hosts

HOST = "127.0.0.1:8321"
CHAT = "/v1/chat/completions"
ASK = {"model": "cloister", "messages": [{"role": "user", "content": "How long are they kept?"}]}


@dataclass
class Served:
    """The API behind a client of one key."""

    api: Api
    keys: KeyFile
    assistant: ScriptedAssistant
    log: MemoryLog
    web: TestClient
    secret: str
    told: list[str] = field(default_factory=list)

    @property
    def auth(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.secret}"}

    def ask(self, value: object = None, **changed: object) -> Any:
        body = {**ASK, **changed} if value is None else value
        return self.web.post(CHAT, json=body, headers=self.auth)


def serve(
    home: Path,
    assistant: ScriptedAssistant | None = None,
    log: MemoryLog | None = None,
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> Served:
    assistant, log = assistant or ScriptedAssistant(), log or MemoryLog()
    keys, told = KeyFile(home), list[str]()
    _, secret = keys.add("anna", ["legal", "local"], lambda key: None)
    names = hosts(["127.0.0.1", "localhost"], 8321)
    api = create_api(Parts(assistant, keys, log.append, names, told.append, limits))
    web = TestClient(api, base_url=f"http://{HOST}", raise_server_exceptions=True)
    return Served(api, keys, assistant, log, web, secret, told)


@pytest.fixture
def served(home: Path) -> Served:
    return serve(home)


def events(text: str) -> list[Any]:
    """The data of server-sent events, [DONE] as a word."""
    found = [line.removeprefix("data: ") for line in text.split("\n") if line.startswith("data: ")]
    return [each if each == "[DONE]" else json.loads(each) for each in found]


def said(chunks: list[Any]) -> str:
    deltas = [c["choices"][0]["delta"] for c in chunks[:-1] if c.get("choices")]
    return "".join(delta.get("content", "") for delta in deltas)


def error_of(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == code
    assert error["message"].endswith((".", "!")) or error["message"].startswith("busy")
    return error


def test_an_answer_has_openais_shape_and_ours(served: Served) -> None:
    answer = served.ask(temperature=0.2, user="x")
    assert answer.status_code == 200
    whole = ChatCompletion.model_validate(answer.json(), strict=True)
    assert whole.choices[0].message.content == ANSWERED.text
    assert whole.choices[0].finish_reason == "stop"
    assert whole.usage is not None
    ours = answer.json()["cloister"]
    assert ours["verdict"] == "ANSWERED"
    assert ours["record"] == ANSWERED.record
    assert ours["request"] == "r1"
    assert ours["ignored"] == ["temperature", "user"]
    assert [c["number"] for c in ours["citations"]] == [1, 2]
    assert ours["citations"][0]["quote"] == ANSWERED.citations[0].quote
    fields = {"number", "document", "source", "title", "page", "label", "start", "end", "quote"}
    assert set(ours["citations"][0]) == fields | {"warning"}


def test_conflicts_offers_and_what_was_understood_are_told(home: Path) -> None:
    answers = {"then": CONFLICTING, "Which of": OFFERED}
    served = serve(home, ScriptedAssistant(answers=answers))

    def told(text: str, **more: object) -> dict[str, Any]:
        message = {"role": "user", "content": text}
        reply = served.ask(messages=[message], **more)
        if not more:
            ChatCompletion.model_validate(reply.json(), strict=True)
            return dict(reply.json()["cloister"])
        return dict(events(reply.text)[-2]["cloister"])

    for more in ({}, {"stream": True}):
        ours = told("And then?", **more)
        assert ours["understood"] == CONFLICTING.understood
        (conflict,) = ours["conflicts"]
        assert [side["citation"] for side in conflict["sides"]] == [1, 2]
        assert set(conflict["sides"][0]) == {"value", "citation", "source", "since"}
        assert "offer" not in ours
        ours = told(COUNTING, **more)
        assert ours["verdict"] == "ABSTAINED"
        assert ours["conflicts"] == []
        assert ours["offer"]["documents"] == 412


def test_a_request_is_narrowed_to_documents_by_source_or_id(served: Served) -> None:
    named = ["policies/3.pdf", "07" * 32]
    assert served.ask(documents=named).status_code == 200
    ids = frozenset({"03" * 32, "07" * 32})
    assert served.assistant.asked[-1].documents == ids
    body = {"query": "how long", "documents": named}
    assert served.web.post("/v1/search", json=body, headers=served.auth).status_code == 200
    assert served.assistant.asked[-1].documents == ids
    assert served.ask().status_code == 200
    assert served.assistant.asked[-1].documents is None
    error = error_of(served.ask(documents=["policies/x.pdf"]), 400, "unknown_document")
    assert error["param"] == "documents"
    for wrong in ([], "a.pdf", [""], [7]):
        assert error_of(served.ask(documents=wrong), 400, "invalid_value")["param"] == "documents"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("How long?", ANSWERED), ("quote it", QUOTED), ("the canteen?", ABSTAINED)],
)
def test_a_stream_says_the_same_sentence_by_sentence(
    served: Served, text: str, expected: Answer
) -> None:
    message = {"role": "user", "content": text}
    options = {"include_usage": True}
    answer = served.ask(messages=[message], stream=True, stream_options=options)
    assert answer.headers["content-type"].startswith("text/event-stream")
    chunks = events(answer.text)
    assert chunks.pop() == "[DONE]"
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk, strict=True)
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    counted, last = chunks.pop(), chunks[-1]
    assert counted["choices"] == []
    assert set(counted["usage"]) == {"prompt_tokens", "completion_tokens", "total_tokens"}
    assert said([*chunks, "[DONE]"]) == expected.text
    assert last["choices"][0]["finish_reason"] == "stop"
    whole = served.ask(messages=[message]).json()["cloister"]
    assert last["cloister"] == whole
    stages = [c["cloister"]["stage"] for c in chunks if "stage" in c.get("cloister", {})]
    assert stages[0] == "searching"
    contents = [c for c in chunks if c["choices"][0]["delta"].get("content")]
    assert len(contents) == max(1, len(expected.sentences))


def test_several_quotations_stand_in_lines_of_their_own(home: Path) -> None:
    class Quoting(ScriptedAssistant):
        def stream(self, question: Question, cancelled: Any = None) -> Any:
            for event in super().stream(question, cancelled):
                if isinstance(event, Stage) and event.name == "reading":
                    yield Stage("checking")  # as when nothing of the model's was released
                yield event

    two = replace(ANSWERED, verdict=Verdict.QUOTED, text=ANSWERED.text.replace("] A", "]\nA"))
    served = serve(home, Quoting(answers={"quote": two}))
    message = {"role": "user", "content": "quote"}
    chunks = events(served.ask(messages=[message], stream=True).text)
    assert said(chunks) == two.text


def test_the_place_in_the_engines_line_is_told(home: Path) -> None:
    served = serve(home, ScriptedAssistant(line=(2, 1, 0)))
    ours = [chunk.get("cloister", {}) for chunk in events(served.ask(stream=True).text)[:-1]]
    told = [facts["ahead"] for facts in ours if facts.get("stage") == "waiting"]
    assert told == [2, 1, 0]


def test_who_asks_is_who_the_key_says(served: Served) -> None:
    key = served.keys.every()[0]
    served.ask(user="root", metadata={"groups": "board"})
    served.web.post("/v1/search", json={"query": "retention"}, headers=served.auth)
    for question in served.assistant.asked:
        assert question.asker.id == "anna"
        assert question.asker.groups == frozenset({"legal", "local"})
        assert question.asker.auth == f"api-key:{key.id}"
        assert question.asker.client == "testclient"


def test_messages_become_a_question_and_its_history(served: Served) -> None:
    def message(role: str, content: object) -> dict[str, object]:
        return {"role": role, "content": content}

    parts = [{"type": "text", "text": "And"}, {"type": "text", "text": "alerts?"}]
    talk = [
        message("system", "You are a pirate."),
        message("assistant", "Hello!"),
        message("user", "How long?"),
        message("assistant", "Six years."),
        message("user", parts),
    ]
    answer = served.ask(messages=talk, collections=["policies"], as_of="2025-06-30")
    asked = served.assistant.asked[-1]
    assert asked.text == "And\nalerts?"
    assert asked.history == (Turn("How long?", "Six years."),)
    assert asked.collections == frozenset({"policies"})
    assert asked.as_of == "2025-06-30"
    assert answer.json()["cloister"]["ignored"] == ["messages.assistant", "messages.system"]
    assert "pirate" not in repr(served.assistant.asked)


def test_only_the_last_turns_are_passed_on_and_that_is_said(served: Served) -> None:
    talk = [
        {"role": role, "content": f"{role} {number}"}
        for number in range(20)
        for role in ("user", "assistant")
    ]
    answer = served.ask(messages=[*talk, {"role": "user", "content": "And now?"}])
    assert [turn.question for turn in served.assistant.asked[-1].history][-1] == "user 19"
    assert len(served.assistant.asked[-1].history) == 6
    assert answer.json()["cloister"]["ignored"] == ["messages.earlier"]


def test_a_conversation_is_of_its_key(served: Served) -> None:
    key = served.keys.every()[0]
    served.ask(conversation="a")
    served.ask()
    named, without = (question.conversation for question in served.assistant.asked)
    assert named == conversation_name(key.id, "a")
    assert without == ""
    assert conversation_name("k1", "a") != conversation_name("k2", "a")
    assert conversation_name("k", '1", "a') != conversation_name('k", "1', "a")


@pytest.mark.parametrize(
    ("changed", "param", "code"),
    [
        ({"tools": [{"type": "function"}]}, "tools", "unsupported_parameter"),
        ({"functions": [{}]}, "functions", "unsupported_parameter"),
        ({"tool_choice": "required"}, "tool_choice", "unsupported_parameter"),
        ({"response_format": {"type": "json_object"}}, "response_format", "unsupported_parameter"),
        ({"modalities": ["text", "audio"]}, "modalities", "unsupported_parameter"),
        ({"audio": {"voice": "x"}}, "audio", "unsupported_parameter"),
        ({"logprobs": True}, "logprobs", "unsupported_parameter"),
        ({"web_search_options": {}}, "web_search_options", "unsupported_parameter"),
        ({"n": 2}, "n", "invalid_value"),
        ({"n": True}, "n", "invalid_value"),
        ({"collection": ["policies"]}, "collection", "unknown_parameter"),
        ({"collections": []}, "collections", "invalid_value"),
        ({"collections": ["a/../b"]}, "collections", "invalid_value"),
        ({"collections": "policies"}, "collections", "invalid_value"),
        ({"collections": [""]}, "collections", "invalid_value"),
        ({"as_of": "yesterday"}, "as_of", "invalid_value"),
        ({"as_of": 20250630}, "as_of", "invalid_value"),
        ({"stream": "yes"}, "stream", "invalid_value"),
        ({"stream_options": {"include_usage": True}}, "stream_options", "invalid_value"),
        ({"conversation": "x" * 201}, "conversation", "invalid_value"),
        ({"messages": []}, "messages", "invalid_value"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "messages", "invalid_value"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role", "invalid_value"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]},
            "messages[0].content",
            "invalid_value",
        ),
        ({"messages": [{"role": "user", "content": "x"}] * 201}, "messages", "invalid_value"),
        ({"messages": [{"role": "user", "content": "x" * 100_001}]}, "messages[0]",
         "invalid_value"),
        ({"model": None}, "model", "missing_required_parameter"),
    ],
)  # fmt: skip
def test_what_cannot_be_honoured_is_refused_in_a_sentence(
    served: Served, changed: dict[str, object], param: str, code: str
) -> None:
    error = error_of(served.ask(**changed), 400, code)
    assert error["param"] == param
    assert error["type"] == "invalid_request_error"
    assert served.assistant.asked == []


def test_what_asks_for_nothing_passes(served: Served) -> None:
    nothing = {
        "tools": [], "tool_choice": "none", "n": 1, "logprobs": False, "stop": None, "audio": None,
        "response_format": {"type": "text"}, "modalities": ["text"], "stream": False,
    }  # fmt: skip
    assert served.ask(**nothing).status_code == 200


def test_the_model_goes_by_two_names(served: Served) -> None:
    listed = served.web.get("/v1/models", headers=served.auth).json()
    names = [Model.model_validate(model).id for model in listed["data"]]
    assert names == ["cloister", "SmolLM2-135M-Instruct-Q4_1"]
    for name in names:
        assert served.ask(model=name).json()["model"] == name
        one = served.web.get(f"/v1/models/{name}", headers=served.auth).json()
        assert one in listed["data"] and one["id"] == name
    error_of(served.ask(model="gpt-4o"), 404, "model_not_found")
    for name in ("gpt-4o", ""):
        unknown = served.web.get(f"/v1/models/{name}", headers=served.auth)
        error_of(unknown, 404, "model_not_found")
    assert set(listed["data"][0]["cloister"]) == {"name", "state", "waiting", "running"}


def test_search_gives_hits_and_the_record(served: Served) -> None:
    body = {"query": "retention", "k": 1, "collections": ["policies"], "as_of": "2025-06-30"}
    answer = served.web.post("/v1/search", json=body, headers=served.auth)
    assert answer.status_code == 200
    found = answer.json()
    assert set(found) == {"question", "as_of", "hits", "timings", "record"}
    keys = {"rank", "score", "document", "source", "page", "chunk", "start", "end", "text"}
    assert [set(hit) for hit in found["hits"]] == [keys]
    assert served.assistant.asked[-1].collections == frozenset({"policies"})


@pytest.mark.parametrize(
    "body", [{}, {"query": " "}, {"query": 3}, {"query": "x", "k": 0}, {"query": "x", "k": 101},
             {"query": "x", "k": True}, {"query": "x", "collection": ["a"]}],
)  # fmt: skip
def test_a_search_that_cannot_be_made_is_refused(served: Served, body: dict[str, object]) -> None:
    answer = served.web.post("/v1/search", json=body, headers=served.auth)
    assert answer.status_code == 400
    assert served.assistant.asked == []


PATHS = ["/v1/models", CHAT, "/v1/search", "/v1/nothing", "/docs"]


@pytest.mark.parametrize("path", PATHS)
def test_without_a_key_there_is_nothing_and_every_reason_sounds_alike(
    home: Path, path: str
) -> None:
    served = serve(home)
    then = KeyFile(home, lambda: datetime.now(UTC) - timedelta(days=9))
    _, expired = then.add("bert", ["local"], lambda key: None, days=1)
    revoked, old = served.keys.add("carl", ["local"], lambda key: None)
    served.keys.revoke(revoked.id, lambda key: None)
    headers = [
        {}, {"authorization": "Bearer"}, {"authorization": "Basic Og=="},
        {"authorization": f"Bearer {expired}"}, {"authorization": f"Bearer {old}"},
        {"authorization": "Bearer clst_" + "A" * 43}, {"cookie": f"key={served.secret}"},
        {"authorization": served.secret}, {"x-api-key": served.secret},
    ]  # fmt: skip
    answers = {
        (a.status_code, a.content, a.headers["www-authenticate"])
        for method in ("GET", "POST")
        for each in headers
        for a in [served.web.request(method, path, headers=each)]
    }
    assert len(answers) == 1
    assert next(iter(answers))[0] == 401
    assert served.log.kinds() == ["key.refused"]  # one a minute and client
    served.api.stop(1)
    last = served.log.events[-1].fields
    assert last["count"] == 17
    assert last["revoked"] == last["expired"] == 2
    assert served.secret not in repr(served.log.events)


def test_with_a_key_there_are_these_addresses_only(served: Served) -> None:
    for path in ("/v1/nothing", "/v1/chat/completions/", "/docs", "/v1/models/cloister/x"):
        error_of(served.web.get(path, headers=served.auth), 404, "not_found")
    error_of(served.web.get(CHAT, headers=served.auth), 405, "method_not_allowed")
    error_of(served.web.post("/v1/models", headers=served.auth), 405, "method_not_allowed")


def test_a_revocation_holds_from_the_next_request_on(served: Served) -> None:
    assert served.ask().status_code == 200
    KeyFile(served.keys._path.parent).revoke(served.keys.every()[0].id, lambda key: None)
    error_of(served.ask(), 401, "invalid_api_key")


@pytest.mark.parametrize(
    "host", ["evil.example:8321", "127.0.0.1", "127.0.0.1:80", "", "[::1]:8321"]
)
def test_a_foreign_host_gets_nothing(served: Served, host: str) -> None:
    headers = {**served.auth, "host": host}
    for path in ("/health", "/v1/models"):
        error_of(served.web.get(path, headers=headers), 421, "wrong_host")


def test_the_names_of_a_server() -> None:
    assert hosts(["Docs.Example"], 443, encrypted=True) == {"docs.example", "docs.example:443"}
    assert hosts(["a"], 443) == {"a:443"}


def test_no_page_of_another_site_is_let_in(served: Served) -> None:
    headers = {"origin": "http://evil.example", "access-control-request-method": "POST"}
    for answer in (
        served.web.options(CHAT, headers=headers),
        served.web.post(CHAT, json=ASK, headers={**served.auth, **headers}),
        served.web.get("/health", headers=headers),
    ):
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert "set-cookie" not in answer.headers
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("state", "health"),
    [("ready", "ok"), ("idle", "ok"), ("loading", "starting"), ("failed", "failing")],
)
def test_health_needs_no_key_and_tells_one_word(home: Path, state: Any, health: str) -> None:
    served = serve(home, ScriptedAssistant(status=ModelStatus("secret name", state)))
    assert served.web.get("/health").json() == {"status": health}


def test_health_follows_what_fails_and_recovers(home: Path) -> None:
    served = serve(home, BrokenAssistant(FullDisk("The disk /srv/x is full.")))
    served.ask()
    assert served.web.get("/health").json() == {"status": "failing"}
    served.api.upkeep()
    assert served.web.get("/health").json() == {"status": "ok"}

    def broken() -> None:
        raise FullDisk("again")

    with pytest.raises(FullDisk):
        served.api.upkeep(broken)
    assert served.web.get("/health").json() == {"status": "failing"}


class IndexGone(Exception):
    exit_code = 6


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (FullDisk("The disk /srv/secret is full."), 503, "audit_log_unavailable"),
        (IndexGone("The index /srv/secret is gone."), 503, "index_unavailable"),
        (ModelFailed("/srv/secret"), 503, "not_available"),
        (ValueError("/srv/secret"), 500, "internal_error"),
    ],
)
def test_what_fails_behind_it_is_told_without_places(
    home: Path, error: Exception, status: int, code: str
) -> None:
    class AtOnce(ScriptedAssistant):
        def stream(self, question: Question, cancelled: Any = None) -> Any:
            raise error

        def search(self, question: Question, k: int = 10) -> Any:
            raise error

    served = serve(home, AtOnce())
    found = served.web.post("/v1/search", json={"query": "x"}, headers=served.auth)
    for answer in (served.ask(), served.ask(stream=True), found):
        error_of(answer, status, code)
        assert "secret" not in answer.text
    assert len(served.told) == 1 and "secret" in served.told[0]

    later = serve(home, BrokenAssistant(error))  # after the first stage
    error_of(later.ask(), status, code)
    *_, broken, done = events(later.ask(stream=True).text)
    assert broken["error"]["code"] == code
    assert done == "[DONE]"


def test_without_a_log_nothing_is_told_not_even_that_a_key_is_wrong(home: Path) -> None:
    served = serve(home, log=BrokenLog())
    answer = served.web.get("/v1/models", headers={"authorization": "Bearer x"})
    error_of(answer, 503, "audit_log_unavailable")


def test_a_damaged_file_of_keys_opens_nothing(served: Served, home: Path) -> None:
    (home / "api-keys.json").write_text("{")
    error_of(served.ask(), 503, "not_available")


def test_an_answer_that_is_none_is_an_error(home: Path) -> None:
    gone = "The documents changed while the answer was made: ask again."
    failed = Answer(Verdict.FAILED, gone, explanation=gone, record="r", request="q")
    served = serve(home, ScriptedAssistant(answers={"changed": failed}))
    error_of(served.ask(messages=[_user(" ")]), 400, "question_refused")
    whole = served.ask(messages=[_user("changed")])
    error_of(whole, 503, "answer_failed")
    assert whole.json()["cloister"]["record"] == "r"
    *_, broken, _ = events(served.ask(messages=[_user("changed")], stream=True).text)
    assert broken["error"]["code"] == "answer_failed"
    assert broken["cloister"]["record"] == "r"


def test_a_question_that_is_refused_at_once_has_a_status_in_a_stream_too(home: Path) -> None:
    class AtOnce(ScriptedAssistant):
        def stream(self, question: Question, cancelled: Any = None) -> Any:
            yield REFUSED

    answer = serve(home, AtOnce()).ask(stream=True)
    error_of(answer, 400, "question_refused")
    assert answer.json()["cloister"]["verdict"] == "REFUSED"


def _user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def test_what_the_gate_removed_is_counted_and_not_shown(home: Path) -> None:
    removed = (Removed("They earn 90,000 euros.", "NUMBER"), Removed("x", "NUMBER"))
    served = serve(home, ScriptedAssistant(answers={"": replace(ANSWERED, removed=removed)}))
    for stream in (False, True):
        answer = served.ask(stream=stream)
        assert "90,000" not in answer.text
        assert '"removed":{"NUMBER":2}' in answer.text.replace(" ", "")


def test_too_much_is_not_read(served: Served) -> None:
    large = b"[" + b" " * MAX_BODY + b"]"
    answer = served.web.post(CHAT, content=large, headers=served.auth)
    error_of(answer, 413, "too_large")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"3", b"null", b'"x"', b"\xff\xfe", b"[" * 200_000, b'{"a":' * 50_000,
     b'{"model": NaN}', b'{"n": ' + b"9" * 5000 + b"}", b'{"model": "\\ud800"}',
     b'{"messages": ' + b"[" * 40 + b"]" * 40 + b"}", b'{"\\udc00": 1}'],
    ids=lambda body: body[:12].decode("latin-1"),
)  # fmt: skip
def test_hostile_bodies_are_refused_in_shape(served: Served, body: bytes) -> None:
    for path in (CHAT, "/v1/search"):
        answer = served.web.post(path, content=body, headers=served.auth)
        error_of(answer, 400, "invalid_json")


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=20)
)
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(["role", "content", "type", "text", "user", "include_usage", "x"]),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)
NAMES = [
    "model", "messages", "stream", "stream_options", "n", "collections", "as_of", "conversation",
    "tools", "response_format", "temperature", "query", "k", "logprobs", "unheard",
]  # fmt: skip


LOOP = asyncio.Runner()


def call(
    served: Served, method: str, path: str, body: bytes, secret: bytes
) -> tuple[int, dict[bytes, bytes], bytes]:
    """One request without a client's own ideas of what may be sent: status, headers and body."""
    sent: list[Any] = []
    came = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        return came.pop() if came else await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", HOST.encode()), (b"authorization", b"Bearer " + secret)]
    scope = {
        "type": "http", "method": method, "path": path, "query_string": b"", "scheme": "http",
        "headers": headers, "client": ("10.0.0.9", 5), "server": None,
    }  # fmt: skip
    LOOP.run(served.api(scope, receive, send))
    whole = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], dict(sent[0]["headers"]), whole


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    changed=st.dictionaries(st.sampled_from(NAMES), anything, max_size=3),
    sound=st.booleans(),
    path=st.sampled_from([CHAT, "/v1/search"]),
)
def test_whatever_is_sent_is_answered_or_refused_in_shape(
    served: Served, changed: dict[str, object], sound: bool, path: str
) -> None:
    whole: dict[str, object] = dict(ASK) if path == CHAT else {"query": "x"}
    base = whole if sound else {}
    body = json.dumps({**base, **changed}).encode()
    status, _, answer = call(served, "POST", path, body, served.secret.encode())
    assert status in (200, 400, 404), answer
    if status != 200:
        assert set(json.loads(answer)["error"]) == {"message", "type", "param", "code"}
    assert b"Traceback" not in answer
    assert served.told == []


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "TRACE", "\x00"]),
    path=st.sampled_from(["", "/v1/", "/health/", "/v1/models/..", "//v1/models"]).flatmap(
        lambda start: st.text(max_size=12).map(lambda rest: start + rest)
    ),
    secret=st.binary(max_size=60),
)
def test_no_guess_gets_in(served: Served, method: str, path: str, secret: bytes) -> None:
    if path != "/health":
        status, headers, _ = call(served, method, path, b"{}", secret)
        assert status == 401
        assert headers[b"www-authenticate"] == b"Bearer"


def test_one_process_serves_the_chat_and_the_api(served: Served) -> None:
    seen: list[str] = []

    async def chat(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope.get("path", scope["type"]))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    web = TestClient(beside(chat, served.api), base_url=f"http://{HOST}")
    assert web.get("/").status_code == 204
    assert web.get("/v1").status_code == 204
    assert web.get("/v1/models", headers=served.auth).status_code == 200
    assert web.get("/health").json() == {"status": "ok"}
    assert seen == ["/", "/v1"]


# Clients that come and go: the application is driven without a client in between.


class Connection:
    """One request on the application, whose client can leave."""

    def __init__(self, served: Served, secret: str = "", **changed: object) -> None:
        body = json.dumps({**ASK, **changed}).encode()
        self.sent: list[Any] = []
        self.came = asyncio.Event()
        self._left = asyncio.Event()
        self._requests = [{"type": "http.request", "body": body, "more_body": False}]
        headers = [
            (b"host", HOST.encode()),
            (b"authorization", f"Bearer {secret or served.secret}".encode()),
        ]
        scope = {
            "type": "http", "method": "POST", "path": CHAT, "query_string": b"",
            "headers": headers, "client": ("10.0.0.9", 5), "scheme": "http", "server": None,
        }  # fmt: skip
        self.task = asyncio.ensure_future(served.api(scope, self._receive, self._send))

    async def _receive(self) -> Any:
        if self._requests:
            return self._requests.pop()
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.sent.append(message)
        self.came.set()

    def leave(self) -> None:
        self._left.set()

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def text(self) -> str:
        return b"".join(message.get("body", b"") for message in self.sent).decode()

    async def until(self, words: str) -> None:
        """Waits for these words; an hour would be a hang, which the test's own limit ends."""
        while words not in self.text:
            self.came.clear()
            await self.came.wait()


def drive(work: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await work()

    asyncio.run(bounded())


class Endless(ScriptedAssistant):
    """Waits in line for ever, telling so as an engine does, until it is closed."""

    def stream(self, question: Question, cancelled: Any = None) -> Any:
        self.asked.append(question)
        try:
            yield Stage("searching")
            while True:
                yield Stage("waiting", 3)
                self.wait(0.01)
        finally:
            self.closed.set()

    def wait(self, seconds: float) -> None:
        threading.Event().wait(seconds)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("kind", [Endless, ScriptedAssistant])
def test_a_client_that_goes_away_ends_its_answer(
    home: Path, kind: type[ScriptedAssistant], stream: bool
) -> None:
    """While it waits in the line, and while the model writes without a sentence."""
    assistant = kind()
    assistant.go.clear()
    served = serve(home, assistant)

    async def work() -> None:
        client = Connection(served, stream=stream)
        while not assistant.asked:
            await asyncio.sleep(0.01)
        if stream:
            await client.until('"writing"' if kind is ScriptedAssistant else '"waiting"')
        client.leave()
        await client.task
        await asyncio.to_thread(assistant.closed.wait)
        assert "[DONE]" not in client.text
        assert served.api.stop(10)

    drive(work)


def test_a_client_that_goes_between_sentences_ends_its_answer(home: Path) -> None:
    """The reader leaves when the first sentence has come; a second is never asked for."""
    released: list[Event] = []

    class Stepwise(ScriptedAssistant):
        def stream(self, question: Question, cancelled: Any = None) -> Any:
            for event in super().stream(question):
                released.append(event)
                yield event
                if "sentence" in repr(event):
                    while not cancelled():
                        self.go.wait(0.01)

    assistant = Stepwise()
    served = serve(home, assistant)

    async def work() -> None:
        client = Connection(served, stream=True)
        await client.until("six years")
        client.leave()
        await client.task
        await asyncio.to_thread(assistant.closed.wait)
        assert "Alerts" not in client.text

    drive(work)
    assert "Alerts" not in repr(released[:-1])


def test_a_place_is_given_back_however_an_answer_ends(home: Path) -> None:
    assistant = ScriptedAssistant()
    assistant.go.clear()
    served = serve(home, assistant, limits=Limits(at_once=1, per_key=1, waiting=0))

    async def work() -> None:
        for _ in range(5):
            client = Connection(served, stream=True)
            await client.until('"writing"')
            full = Connection(served)
            await full.task
            assert full.status == 429
            client.leave()
            await client.task
            await asyncio.to_thread(assistant.closed.wait)
            assistant.closed.clear()
            while served.api._line._served:
                await asyncio.sleep(0.001)
        assistant.go.set()
        last = Connection(served)
        await last.task
        assert last.status == 200

    drive(work)


def test_a_place_is_kept_until_the_assistant_has_closed_the_answer(home: Path) -> None:
    """Whoever asks and leaves, again and again, must not have one answer more made each time."""

    decoding = threading.Event()

    class Deaf(ScriptedAssistant):
        def stream(self, question: Question, cancelled: Any = None) -> Any:
            return super().stream(question)

        def _decode(self, cancelled: Callable[[], bool] | None) -> None:
            decoding.set()
            super()._decode(cancelled)

    assistant = Deaf()
    assistant.go.clear()
    served = serve(home, assistant, limits=Limits(at_once=1, per_key=1, waiting=0))

    async def work() -> None:
        client = Connection(served, stream=True)
        # Not until "writing" is told: between that step and the next the answer can still be
        # closed at once, and the place is rightly free then.
        await asyncio.to_thread(decoding.wait)
        client.leave()
        await client.task
        for _ in range(3):
            again = Connection(served)
            await again.task
            assert again.status == 429
        assert len(assistant.asked) == 1
        assistant.go.set()
        assert await asyncio.to_thread(served.api.stop, 10)

    drive(work)


def test_who_is_too_many_is_told_how_many_are_ahead(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_api, "_TELL_SECONDS", 0.01)
    assistant = ScriptedAssistant()
    assistant.go.clear()
    served = serve(home, assistant, limits=Limits(at_once=1, per_key=2, waiting=2))
    _, second = served.keys.add("bert", ["local"], lambda key: None)
    _, third = served.keys.add("carl", ["local"], lambda key: None)

    async def work() -> None:
        running = Connection(served, stream=True)
        await running.until('"writing"')
        waiting = Connection(served, stream=True)
        await waiting.until('"ahead": 1')
        own = Connection(served)
        await own.task
        assert own.status == 429
        assert "busy, 2 ahead of you; this key" in own.text
        other = Connection(served, second, stream=True)
        # It came later but goes first: bert has nothing under way yet, anna an answer.
        await other.until('"ahead": 1')
        await waiting.until('"ahead": 2')
        full = Connection(served, third, stream=True)
        await full.task
        assert full.status == 429
        assert "busy, 3 ahead of you:" in full.text
        assert (b"retry-after", b"5") in full.sent[0]["headers"]
        waiting.leave()  # from the line, before anything was asked for it
        await waiting.task
        assert len(assistant.asked) == 1
        assistant.go.set()
        await asyncio.gather(running.task, other.task)
        assert "[DONE]" in running.text and "[DONE]" in other.text

    drive(work)


@pytest.mark.parametrize("stream", [True, False])
def test_a_server_that_ends_says_so_and_ends_the_answer(home: Path, stream: bool) -> None:
    assistant = ScriptedAssistant()
    assistant.go.clear()
    served = serve(home, assistant)

    async def work() -> None:
        client = Connection(served, stream=stream)
        while not assistant.asked:
            await asyncio.sleep(0.01)
        if stream:
            await client.until('"writing"')
        client.task.cancel()  # what the server does when it has waited long enough
        await client.task
        assert '"stopping"' in client.text
        assert client.status == (200 if stream else 503)
        assert client.sent[-1].get("more_body", False) is False

    drive(work)
    assert served.api.stop(10)
    assert assistant.closed.is_set()


def test_a_quiet_stream_is_kept_alive(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_reply, "QUIET_SECONDS", 0.01)
    assistant = ScriptedAssistant()
    assistant.go.clear()
    served = serve(home, assistant)

    async def work() -> None:
        client = Connection(served, stream=True)
        await client.until(": still working\n\n")
        assistant.go.set()
        await client.task
        assert said(events(client.text)) == ANSWERED.text

    drive(work)


people = st.lists(st.sampled_from("abc"), max_size=12)


@given(waiting=people, served=people)
def test_nobody_waits_behind_somebodys_second_request_with_a_first(
    waiting: list[str], served: list[str]
) -> None:
    order = in_order(waiting, served)
    assert sorted(order) == list(range(len(waiting)))
    have = {person: served.count(person) for person in "abc"}
    for step, position in enumerate(order):
        person = waiting[position]
        left = order[step:]
        assert all(have[person] <= have[waiting[other]] for other in left)
        same = [other for other in left if waiting[other] == person]
        assert position == min(same)  # one's own requests keep their order
        have[person] += 1


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abc")), max_size=40))
def test_the_line_keeps_its_limits(steps: list[tuple[bool, str]]) -> None:
    line = Line(at_once=2, per_key=3, longest=3)
    inside: list[Any] = []
    for enters, key in steps:
        if enters:
            try:
                inside.append(line.enter(key, key))
            except Busy as full:
                assert full.ahead == len(inside)
                own = sum(place.key == key for place in inside)
                assert full.own is (own >= 3)
                assert full.own or len(inside) >= 5
        elif inside:
            line.leave(inside.pop(0))
        assert sum(place.turn.is_set() for place in inside) == min(2, len(inside))
        waiting = [place for place in inside if not place.turn.is_set()]
        assert sorted(line.ahead(place) for place in waiting) == list(range(2, 2 + len(waiting)))
