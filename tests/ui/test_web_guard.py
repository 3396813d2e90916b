"""The guard's decisions, one by one, and the application behind it."""

from __future__ import annotations

import json

import pytest
from starlette.testclient import TestClient

from tests.ui.serving import READER
from tests.ui.standins import BrokenLog, MemoryLog, ScriptedAssistant
from ui.composition import actor_of
from ui.web_guard import (
    MAX_BODY,
    check_call,
    check_host,
    check_origin,
    check_route,
    cookie_name,
    secret_of,
)
from ui.web_session import Sessions

PORT = 7860
HOST = f"127.0.0.1:{PORT}"


@pytest.mark.parametrize("host", [HOST, "localhost:7860", "LOCALHOST:7860"])
def test_this_machines_names_pass(host: str) -> None:
    assert check_host(host, PORT) is None


def test_the_address_that_is_listened_on_passes() -> None:
    assert check_host("172.28.7.2:7860", PORT, "172.28.7.2") is None
    assert check_host("172.28.7.3:7860", PORT, "172.28.7.2") is not None


@pytest.mark.parametrize(
    "host",
    ["", "127.0.0.1", "127.0.0.1:80", "evil.example:7860", "127.0.0.1.evil.example:7860",
     "[::1]:7860", "0.0.0.0:7860"],
)  # fmt: skip
def test_other_names_do_not(host: str) -> None:
    refusal = check_host(host, PORT)
    assert refusal is not None
    assert refusal.status == 421


@pytest.mark.parametrize(
    ("origin", "passes"),
    [(f"http://{HOST}", True), (None, False), ("null", False), ("http://evil.example", False),
     ("http://127.0.0.1:8080", False), (f"https://{HOST}", False)],
)  # fmt: skip
def test_changes_must_come_from_the_page(origin: str | None, passes: bool) -> None:
    assert (check_origin("POST", origin, HOST) is None) is passes
    assert check_origin("GET", origin, HOST) is None


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"), ("GET", "/theme.css"), ("GET", "/assets/index-Dph.js"),
        ("POST", "/gradio_api/queue/join"), ("GET", "/gradio_api/queue/data"),
        ("GET", "/cloister/place/3:a1"), ("GET", "/cloister/place/3:n2/page.png"),
        ("POST", "/signout"),
    ],
)  # fmt: skip
def test_what_the_page_needs_passes(method: str, path: str) -> None:
    assert check_route(method, path) is None


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/gradio_api/file=https://elsewhere.invalid/x"),
        ("GET", "/gradio_api/file=/etc/passwd"), ("GET", "/gradio_api/file/x"),
        ("GET", "/gradio_api/proxy=https://elsewhere.invalid/"),
        ("POST", "/gradio_api/upload"), ("GET", "/gradio_api/upload_progress"),
        ("GET", "/gradio_api/info"), ("GET", "/gradio_api/openapi.json"), ("GET", "/docs"),
        ("GET", "/openapi.json"), ("GET", "/monitoring"), ("GET", "/monitoring/summary"),
        ("GET", "/config"), ("GET", "/gradio_api/startup-events"), ("POST", "/gradio_api/cancel"),
        ("GET", "/gradio_api/heartbeat/abc"), ("GET", "/favicon.ico"),
        ("POST", "/gradio_api/reset"),
        ("POST", "/gradio_api/call/ask"), ("POST", "/gradio_api/run/ask"),
        ("POST", "/gradio_api/api/ask"), ("GET", "/gradio_api/runs"),
        ("POST", "/gradio_api/component_server"), ("POST", "/gradio_api/vibe-edit"),
        ("GET", "/gradio_api/stream/a/b/c/playlist.m3u8"), ("GET", "/gradio_api/deep_link"),
        ("POST", "/login"), ("GET", "/login_check"), ("GET", "/gradio_api/mcp"),
        ("GET", "/static/../secret"), ("GET", "/assets/..%2f..%2fx"), ("GET", "/svelte/x"),
        ("GET", "/cloister/place/../x"), ("GET", "/cloister/place/3:x1"), ("PUT", "/"),
        ("DELETE", "/"), ("OPTIONS", "/"), ("POST", "/signin"), ("GET", "/custom_component/x"),
    ],
)  # fmt: skip
def test_everything_else_does_not(method: str, path: str) -> None:
    assert check_route(method, path) is not None


def call(**values: object) -> bytes:
    return json.dumps({"session_hash": "abc123", "fn_index": 1, "data": ["hi"]} | values).encode()


def test_a_call_carries_plain_values_only() -> None:
    assert check_call(call()) is None
    assert check_call(call(data=[None, True, 3, "x"])) is None
    file = {"path": "http://elsewhere.invalid/x", "meta": {"_type": "gradio.FileData"}}
    for data in ([file], [[file]], {"a": 1}, "text"):
        assert check_call(call(data=data)) is not None
    assert check_call(call(session_hash="../x")) is not None
    assert check_call(b"[]") is not None
    assert check_call(b"{") is not None
    assert check_call(b"[" * 100_000) is not None


def test_cookies_of_other_ports_are_others() -> None:
    header = f"{cookie_name(1)}=a; {cookie_name(PORT)}=b"
    assert secret_of(header, PORT) == "b"
    assert secret_of("", PORT) is None
    assert secret_of("=;;\x00", PORT) is None


def client(log: MemoryLog) -> tuple[TestClient, Sessions]:
    from ui.web_app import Chat, create_app

    sessions = Sessions(60, 600)
    chat = Chat(ScriptedAssistant(), log, sessions, PORT, actor_of, lambda _: [], 600)
    app = create_app(chat, "anna")
    return TestClient(app, base_url=f"http://{HOST}", raise_server_exceptions=False), sessions


@pytest.fixture(scope="module")
def served() -> tuple[TestClient, Sessions, MemoryLog]:
    log = MemoryLog()
    web, sessions = client(log)
    return web, sessions, log


PATHS = [
    "/", "/theme.css", "/assets/x.js", "/gradio_api/queue/data?session_hash=a", "/config",
    "/gradio_api/file=/etc/passwd", "/gradio_api/info", "/cloister/place/1:a1",
    "/cloister/place/1:a1/page.png", "/cloister/chat.js", "/nothing", "/gradio_api/startup-events",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_without_a_session_there_is_nothing(
    served: tuple[TestClient, Sessions, MemoryLog], path: str
) -> None:
    web, _, _ = served
    web.cookies.clear()
    for cookie in ({}, {cookie_name(PORT): "guessed"}):
        answer = web.get(path, headers={"cookie": "; ".join(f"{k}={v}" for k, v in cookie.items())})
        assert answer.status_code == 401
        assert "link" in answer.json()["sentence"]


def test_a_person_without_a_session_is_told_how_to_sign_in(
    served: tuple[TestClient, Sessions, MemoryLog],
) -> None:
    web, _, _ = served
    web.cookies.clear()
    answer = web.get("/", headers={"accept": "text/html"})
    assert answer.status_code == 401
    assert "cloister chat" in answer.text
    post = web.post("/gradio_api/queue/join", headers={"origin": f"http://{HOST}"}, content=call())
    assert post.status_code == 401


def test_signing_in_works_once_and_is_recorded(
    served: tuple[TestClient, Sessions, MemoryLog],
) -> None:
    web, sessions, log = served
    web.cookies.clear()
    token = sessions.new_link(READER)
    first = web.get(f"/signin?token={token}")
    assert first.status_code == 200
    cookie = first.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert web.get("/").status_code == 200
    web.cookies.clear()
    second = web.get(f"/signin?token={token}")
    assert second.status_code == 401
    assert "set-cookie" not in second.headers
    assert log.kinds()[-2:] == ["session.signed_in", "session.sign_in_failed"]
    assert log.events[-2].actor.id == "anna"
    assert token not in repr(log.events)


def signed_in(web: TestClient, sessions: Sessions) -> None:
    web.cookies.clear()
    web.get(f"/signin?token={sessions.new_link(READER)}")


def test_signing_out_ends_the_session_and_is_recorded(
    served: tuple[TestClient, Sessions, MemoryLog],
) -> None:
    web, sessions, log = served
    signed_in(web, sessions)
    assert web.post("/signout").status_code == 403  # not from our page
    assert web.get("/").status_code == 200
    assert web.post("/signout", headers={"origin": f"http://{HOST}"}).status_code == 204
    assert web.get("/").status_code == 401
    assert log.kinds()[-1] == "session.signed_out"


def test_every_answer_carries_the_security_headers(
    served: tuple[TestClient, Sessions, MemoryLog],
) -> None:
    web, sessions, _ = served
    signed_in(web, sessions)
    for path in ("/", "/nothing", "/cloister/chat.js", "/signin?token=x", "/theme.css"):
        headers = web.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe-eval" not in policy
        assert "'unsafe-inline'" not in policy.split("style-src")[0]
        assert "http" not in policy
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in headers


def test_the_nonce_is_fresh_and_on_every_script(
    served: tuple[TestClient, Sessions, MemoryLog],
) -> None:
    web, sessions, _ = served
    signed_in(web, sessions)
    pages = [web.get("/") for _ in range(2)]
    nonces = [
        page.headers["content-security-policy"].split("'nonce-")[1].split("'")[0] for page in pages
    ]
    assert nonces[0] != nonces[1]
    assert pages[0].text.count("<script") == pages[0].text.count(f'<script nonce="{nonces[0]}"')


def test_signed_in_or_not_a_foreign_host_gets_nothing(
    served: tuple[TestClient, Sessions, MemoryLog],
) -> None:
    web, sessions, _ = served
    signed_in(web, sessions)
    assert web.get("/", headers={"host": "evil.example"}).status_code == 421
    assert web.get("/gradio_api/file=https://elsewhere.invalid/x").status_code == 404


def test_a_call_with_a_file_or_too_much_text_is_refused(
    served: tuple[TestClient, Sessions, MemoryLog],
) -> None:
    web, sessions, _ = served
    signed_in(web, sessions)
    origin = {"origin": f"http://{HOST}"}
    file = {"path": "http://elsewhere.invalid/x", "meta": {"_type": "gradio.FileData"}}
    join = "/gradio_api/queue/join"
    assert web.post(join, headers=origin, content=call(data=[file])).status_code == 400
    assert web.post(join, headers=origin, content=b"x" * (MAX_BODY + 1)).status_code == 413
    assert web.post(join, content=call()).status_code == 403


def test_no_record_no_session() -> None:
    web, sessions = client(BrokenLog())
    answer = web.get(f"/signin?token={sessions.new_link(READER)}", headers={"accept": "text/html"})
    assert answer.status_code == 503
    assert "set-cookie" not in answer.headers
    assert "nothing can be recorded" in answer.text
    assert web.get("/").status_code == 401
