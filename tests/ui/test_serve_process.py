"""`cloister serve` as other programs meet it: the real parts, and OpenAI's own client."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI

from assistant.answer import Verdict
from tests.ui.serving import free_port
from tests.ui.test_chat_command import hears_interrupts

pytestmark = pytest.mark.slow

DOCS = Path(__file__).resolve().parents[2] / "docs" / "api.md"
GROUPS = {"public": "staff", "legal": "lawyers", "ward": "nurses"}
WORDS = {"public": "quartzfinch", "legal": "umbralode", "ward": "pellicorn"}
TEXT = """# Stores of the {name} department

The code word of the {name} store is {word}. It opens the store on every working day.

Records of the {name} store are kept for {years} years after the store is closed.
"""


def cloister(home: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "ui.main", "--home", str(home), *words]


def output(home: Path, *words: str) -> str:
    done = subprocess.run(cloister(home, *words), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclass
class Server:
    """A running server, and how to speak to it."""

    home: Path
    port: int
    process: subprocess.Popen[str]
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def client(self, key: str) -> OpenAI:
        return OpenAI(api_key=key, base_url=f"{self.url}/v1", max_retries=0, timeout=200)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


@contextmanager
def serving(home: Path, *words: str) -> Iterator[Server]:
    port = free_port()
    command = cloister(home, "serve", "--port", str(port), *words)
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=(home / "stderr.txt").open("w"),
        text=True,
        preexec_fn=hears_interrupts,
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert f":{port}/v1" in said, (home / "stderr.txt").read_text()
        try:
            yield Server(home, port, process, said.split("://")[0].split()[-1])
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(60)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one document in each of three collections, each of a group of its own."""
    from index.compose import open_index

    home = tmp_path_factory.mktemp("serve") / "home"
    home.mkdir(mode=0o700)
    (home / "cloister.toml").write_text(
        "[assistant]\nmax_answer_tokens = 48\nstraight_answers = false\n"
    )
    with open_index(home) as index:
        for name, group in GROUPS.items():
            index.ensure_collection(name, frozenset({group}))
    for years, name in enumerate(GROUPS, start=4):
        folder = home.parent / name
        folder.mkdir()
        text = TEXT.format(name=name, word=WORDS[name], years=years)
        (folder / f"{name}-stores.md").write_text(text)
        output(home, "ingest", "add", str(folder), "--collection", name)
    return home


def new_key(home: Path, user: str, *groups: str) -> dict[str, str]:
    options = [word for group in groups for word in ("--group", group)]
    made: dict[str, str] = json.loads(output(home, "keys", "add", user, *options, "--json"))
    return made


@pytest.fixture(scope="module")
def server(corpus: Path) -> Iterator[Server]:
    with serving(corpus) as running:
        yield running


def records(home: Path, **wanted: str) -> list[dict[str, Any]]:
    found = output(home, "audit", "list", "--json", "-n", "100000").splitlines()
    entries = [json.loads(line) for line in found]
    return [e for e in entries if all(e.get(name) == value for name, value in wanted.items())]


def shown(home: Path, record: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(output(home, "audit", "show", record, "--json"))
    return found


def ask(text: str) -> Any:
    return [{"role": "user", "content": text}]


QUESTION = "How long are the records of the legal store kept?"


def test_openais_client_gets_an_answer_with_its_places(server: Server) -> None:
    key = new_key(server.home, "anna", "lawyers")
    client = server.client(key["key"])
    assert "cloister" in [model.id for model in client.models.list()]
    answer = client.chat.completions.create(
        model="cloister",
        messages=ask(QUESTION),
        temperature=0.0,
        extra_body={"collections": ["legal"]},
    )
    extension: Any = (answer.model_extra or {})["cloister"]
    assert extension["verdict"] in (Verdict.ANSWERED, Verdict.QUOTED)
    assert "5 years" in (answer.choices[0].message.content or "")
    assert "5 years" in extension["citations"][0]["quote"]
    assert extension["citations"][0]["source"] == "legal-stores.md"
    assert extension["ignored"] == ["temperature"]
    record = shown(server.home, extension["record"])
    assert record["envelope"]["type"] == "answer.released"
    assert record["payload"]["text"] == answer.choices[0].message.content
    actor = record["envelope"]["actor"]
    assert (actor["id"], actor["auth"]) == ("anna", f"api-key:{key['id']}")
    assert actor["client"] == "127.0.0.1"
    kinds = [each["type"] for each in records(server.home) if each.get("actor_id") == "anna"]
    assert kinds[0] == "question.received"


def test_openais_client_streams_the_same(server: Server) -> None:
    client = server.client(new_key(server.home, "bert", "lawyers")["key"])
    whole = client.chat.completions.create(model="cloister", messages=ask(QUESTION))
    stream = client.chat.completions.create(
        model="cloister",
        messages=ask(QUESTION),
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage is not None
    assert whole.usage is not None
    assert chunks[-1].usage.total_tokens == whole.usage.total_tokens > 0
    finished = [c for c in chunks if c.choices and c.choices[0].finish_reason]
    assert len(finished) == 1
    extension: Any = (finished[0].model_extra or {})["cloister"]
    assert shown(server.home, extension["record"])["payload"]["text"] == text


def test_a_follow_up_leans_on_the_messages_before_it(server: Server) -> None:
    client = server.client(new_key(server.home, "bert", "lawyers")["key"])
    talk = [
        *ask("What is the code word of the legal store?"),
        {"role": "assistant", "content": "It is umbralode."},
        *ask("And how long are its records kept?"),
    ]
    answer = client.chat.completions.create(
        model="cloister", messages=talk, extra_body={"conversation": "c1"}
    )
    extension: Any = (answer.model_extra or {})["cloister"]
    payload = shown(server.home, extension["record"])["payload"]
    assert "legal" in payload["carried_from_history"]


def test_openais_client_raises_its_own_errors(server: Server) -> None:
    good = server.client(new_key(server.home, "carl", "lawyers")["key"])
    create = good.chat.completions.create
    with pytest.raises(openai.NotFoundError) as wrong:
        create(model="gpt-4o", messages=ask("x"))
    assert wrong.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as tools:
        create(model="cloister", messages=ask("x"), tools=[{"type": "function"}])  # type: ignore[list-item]
    assert tools.value.code == "unsupported_parameter"
    with pytest.raises(openai.BadRequestError) as long:
        create(model="cloister", messages=ask("x" * 5000), stream=True)
    assert long.value.code == "question_refused"
    bad = server.client("clst_" + "A" * 43)
    with pytest.raises(openai.AuthenticationError):
        bad.models.list()


def test_search_is_recorded_and_has_its_record(server: Server) -> None:
    key = new_key(server.home, "dora", "nurses")["key"]
    found = fetched(server, "/v1/search", key, {"query": "code word of the store", "k": 5})
    assert found[0] == 200
    value = json.loads(found[1])
    assert WORDS["ward"] in value["hits"][0]["text"]
    assert shown(server.home, value["record"])["envelope"]["type"] == "search.released"


def fetched(server: Server, path: str, key: str, body: object) -> tuple[int, bytes]:
    request = urllib.request.Request(  # noqa: S310 - our own address
        server.url + path,
        json.dumps(body).encode(),
        {"authorization": f"Bearer {key}", "content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=200) as answer:  # noqa: S310
            return int(answer.status), answer.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read()


MAY = {
    "lawyer": {"legal"},
    "nurse": {"ward"},
    "both": {"legal", "public"},
    "stranger": set[str](),
    "gone": {"legal", "ward", "public"},
}
REVOKED_AT = {"gone": 80, "both": 150}


@dataclass(frozen=True)
class Case:
    """One request and the collections that its answer may come from; None: it is refused."""

    user: str
    path: str
    body: dict[str, object]
    allowed: set[str] | None


def generated(number: int) -> Iterator[Case]:
    chance = random.Random(20_260_101)
    for case in range(number):
        user = chance.choice(list(MAY))
        route = chance.choice(["search"] * 6 + ["chat", "stream"])
        text = f"What is the code word of the {chance.choice(list(WORDS))} store?"
        body: dict[str, object] = {"query": text, "k": chance.randint(1, 20)}
        if route != "search":
            body = {"model": "cloister", "messages": ask(text), "stream": route == "stream"}
        named = chance.sample([*GROUPS, "nothing", "default"], chance.randint(0, 4))
        allowed = MAY[user] & set(named) if named else MAY[user]
        path = "/v1/search" if route == "search" else "/v1/chat/completions"
        gone = case >= REVOKED_AT.get(user, number)
        sent = {**body, "collections": named} if named else body
        yield Case(user, path, sent, None if gone else allowed)


def shown_words(case: Case, answer: tuple[int, bytes]) -> set[tuple[str, str]]:
    """Whose words the answer holds, after checking that none of them is forbidden."""
    status, text = answer
    assert status == (401 if case.allowed is None else 200), (case, text)
    hidden = set(WORDS) - (case.allowed or set())
    for name in hidden:
        assert WORDS[name].encode() not in text, case
        assert f"{name}-stores".encode() not in text, case
    return {(case.user, name) for name, word in WORDS.items() if word.encode() in text}


def test_nobody_sees_a_byte_of_what_their_key_may_not_read(server: Server) -> None:
    """200 generated requests of five keys, several at a time; two are revoked meanwhile."""
    groups = {user: [GROUPS[name] for name in names] or ["nobody"] for user, names in MAY.items()}
    keys = {user: new_key(server.home, user, *its) for user, its in groups.items()}
    seen: set[tuple[str, str]] = set()
    cases = list(generated(200))
    bounds = [0, *sorted(REVOKED_AT.values()), len(cases)]
    with ThreadPoolExecutor(4) as pool:
        for first, last in pairwise(bounds):
            for user, moment in REVOKED_AT.items():
                if moment == first:
                    output(server.home, "keys", "revoke", keys[user]["id"])
            answers = pool.map(
                lambda c: fetched(server, c.path, keys[c.user]["key"], c.body), cases[first:last]
            )
            for case, answer in zip(cases[first:last], answers, strict=True):
                seen |= shown_words(case, answer)
    # The words do come where they may, or this test could not fail.
    assert seen == {(user, name) for user, names in MAY.items() for name in names}
    assert sum(case.allowed is None for case in cases) > 20
    assert records(server.home, type="key.refused")


def test_there_is_no_telling_a_hidden_collection_from_none(server: Server) -> None:
    key = new_key(server.home, "lawyer", "lawyers")["key"]

    def plain(text: bytes) -> object:
        value = json.loads(text)
        for name in ("id", "created", "record", "timings"):
            value.pop(name, None)
        ours = value.get("cloister", {})
        for name in ("record", "request"):
            ours.pop(name, None)
        return value

    for path, body in (
        ("/v1/search", {"query": "code word"}),
        ("/v1/chat/completions", {"model": "cloister", "messages": ask("What is the code word?")}),
    ):
        hidden, none = (
            fetched(server, path, key, {**body, "collections": [name]}) for name in ("ward", "w4rd")
        )
        assert hidden[0] == none[0] == 200
        assert plain(hidden[1]) == plain(none[1])


def test_a_client_that_goes_away_ends_its_answer(server: Server) -> None:
    client = server.client(new_key(server.home, "erna", "lawyers")["key"])
    stream = client.chat.completions.create(model="cloister", messages=ask(QUESTION), stream=True)
    for chunk in stream:
        ours: Any = (chunk.model_extra or {}).get("cloister") or {}
        if ours.get("stage") == "writing":
            break
    stream.close()
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        mine = [e for e in records(server.home) if e["actor_id"] == "erna"]
        ends = [e for e in mine if e["type"] in ("answer.failed", "answer.released")]
        if ends:
            break
    failed = shown(server.home, str(ends[0]["seq"]))
    assert failed["envelope"]["type"] == "answer.failed"
    assert failed["envelope"]["fields"]["code"] == "CANCELLED"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_it_ends_in_good_order_with_answers_under_way(
    corpus: Path, number: signal.Signals, code: int
) -> None:
    key = new_key(corpus, f"ending-{code}", "lawyers")["key"]
    with serving(corpus) as server:
        ended: list[str] = []

        def stream() -> None:
            try:
                got = server.client(key).chat.completions.create(
                    model="cloister", messages=ask(QUESTION), stream=True
                )
                ended.append("whole" if list(got)[-1].choices[0].finish_reason else "cut")
            except openai.OpenAIError as error:
                ended.append(str(error))

        askers = [threading.Thread(target=stream) for _ in range(4)]
        for asker in askers:
            asker.start()
        while len(mine_of(corpus, code, "question.received")) < 4:
            assert server.process.poll() is None
        assert server.end(number) == code
        for asker in askers:
            asker.join()
    # What the kernel had not handed over yet may never have been asked; what was asked has an end.
    asked = {e["request_id"] for e in mine_of(corpus, code, "question.received")}
    over = mine_of(corpus, code, "answer.released") + mine_of(corpus, code, "answer.failed")
    assert len(asked) == 4
    assert {e["request_id"] for e in over} == asked
    assert len(over) == 4
    assert len(ended) == 4
    assert all(each == "whole" or "being stopped" in each for each in ended), ended
    assert not records(corpus, type="log.recovered")
    said = "cloister: Interrupted; what was finished before is kept.\n"
    assert (corpus / "stderr.txt").read_text() == (said if number == signal.SIGINT else "")


def mine_of(home: Path, code: int, kind: str) -> list[dict[str, Any]]:
    return records(home, type=kind, actor_id=f"ending-{code}")


def test_it_serves_by_tls(corpus: Path, tmp_path: Path) -> None:
    certificate, private = tmp_path / "c.pem", tmp_path / "k.pem"
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl, which makes the certificate of this test, is not installed")
    made = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    made += ["-nodes", "-days", "2", "-subj", "/CN=docs.example", "-keyout", str(private)]
    made += ["-addext", "subjectAltName=DNS:docs.example,IP:127.0.0.1", "-out", str(certificate)]
    subprocess.run(made, check=True, capture_output=True)
    words = ("--certificate", str(certificate), "--private-key", str(private))
    with serving(corpus, *words, "--name", "docs.example") as server:
        assert server.scheme == "https"
        trusting = ssl.create_default_context(cafile=str(certificate))
        with urllib.request.urlopen(f"{server.url}/health", context=trusting) as answer:  # noqa: S310
            assert json.load(answer)["status"] in ("ok", "starting")
        named = urllib.request.Request(  # noqa: S310
            f"{server.url}/health", headers={"host": f"docs.example:{server.port}"}
        )
        with urllib.request.urlopen(named, context=trusting) as answer:  # noqa: S310
            assert answer.status == 200
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(f"{server.url}/health")  # noqa: S310 - not trusted


def test_beside_the_chat_a_key_opens_the_api_and_a_session_the_chat(home: Path) -> None:
    from starlette.testclient import TestClient

    from audit.compose import open_log
    from tests.ui.serving import READER
    from tests.ui.standins import ScriptedAssistant
    from ui.api_keys import KeyFile
    from ui.cli_serve import api_of
    from ui.composition import actor_of
    from ui.web_api import beside
    from ui.web_app import Chat, create_app
    from ui.web_session import Sessions

    _, secret = KeyFile(home).add("anna", ["local"], lambda key: None)
    key = {"authorization": f"Bearer {secret}"}
    with open_log(home) as log:
        assistant, sessions = ScriptedAssistant(), Sessions(60, 600)
        api = api_of(home, log, assistant, (), 7860)
        chat = Chat(assistant, log, sessions, 7860, actor_of, lambda _: [], 600)
        both = beside(create_app(chat, "anna"), api)
        with TestClient(both, base_url="http://127.0.0.1:7860") as web:
            assert web.get("/v1/models", headers=key).status_code == 200
            assert web.get("/", headers=key).status_code == 401
            assert web.get(f"/signin?token={sessions.new_link(READER)}").status_code == 200
            assert web.get("/").status_code == 200
            assert web.get("/v1/models").status_code == 401  # the cookie opens nothing here
            assert web.get("/health").json() == {"status": "ok"}
        api.stop(1)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", DOCS.read_text(), re.MULTILINE | re.DOTALL)


def test_the_examples_of_the_documentation_run(server: Server) -> None:
    key = new_key(server.home, "reader", "lawyers")["key"]
    curl = [block for block in blocks("sh") if "curl" in block]
    python = blocks("python")
    assert len(curl) == 4 and len(python) == 2
    variables = {**os.environ, "CLOISTER_KEY": key}
    bash = shutil.which("bash") or "/bin/bash"
    for block, program in [(b, [bash, "-ec"]) for b in curl] + [
        (b, [sys.executable, "-c"]) for b in python
    ]:
        here = block.replace(":8321", f":{server.port}")
        done = subprocess.run(
            [*program, here], env=variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert '"error"' not in done.stdout
        assert done.stdout.strip()
