"""The model port over a real OpenAI-compatible server: llama-cpp-python's, in a process of its own,
with the default model."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from assistant.answer import Verdict
from assistant.answering import Policy
from assistant.errors import AssistantError
from assistant.escalation import Escalation
from assistant.model import Sampling
from assistant.pages import Viewer
from assistant.pipeline import Assistant
from assistant.remote import RemoteModel, RemoteOptions, open_remote
from assistant.shelf import default_model
from tests.assistant.model_conformance import QUESTION, SYSTEM, generated
from tests.assistant.pipeline_standins import MemoryLog, library, question
from tests.assistant.standins import ScriptedModel
from tests.assistant.test_remote import RemoteConformance

pytestmark = pytest.mark.slow

CONTEXT = 1024


@pytest.fixture(scope="module")
def served() -> Iterator[RemoteModel]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file = default_model()
    # Without `interrupt_requests false` this server breaks off an answer when another question
    # comes.
    server = subprocess.Popen(
        [
            sys.executable, "-m", "llama_cpp.server", "--model", str(file.path),
            "--model_alias", "smollm2", "--host", "127.0.0.1", "--port", str(port),
            "--n_ctx", str(CONTEXT), "--n_threads", "2", "--verbose", "false",
            "--interrupt_requests", "false",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},
    )  # fmt: skip
    options = RemoteOptions(name="smollm2", context=CONTEXT, sequences=1)
    model = open_remote(f"http://localhost:{port}", options=options)
    try:
        _until_it_answers(model, server)
        yield model
    finally:
        model.close()
        server.terminate()
        server.wait(20)


def _until_it_answers(model: RemoteModel, server: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert server.poll() is None, "the server ended"
        try:
            model.served()
        except AssistantError:
            time.sleep(0.2)
        else:
            return
    pytest.fail("the server did not answer")


class TestRealServer(RemoteConformance):
    @pytest.fixture
    def model(self, served: RemoteModel) -> RemoteModel:
        return served


def test_what_the_server_says_of_itself(served: RemoteModel) -> None:
    info = served.info
    assert (info.name, info.runtime) == ("smollm2", "llama-cpp-python server")
    assert info.notes == ()  # it counts tokens, and its context is set
    assert served.count_tokens("Records are kept for six years.") < 12


def test_a_form_is_kept(served: RemoteModel) -> None:
    nonce = "q7-3f9ab2"
    result = generated(served, grammar=f'root ::= "{nonce}"', max_tokens=32)
    assert (result.text, result.stop_reason) == (nonce, "stop")
    schema = '{"type":"object","properties":{"years":{"type":"integer"}},"required":["years"]}'
    result = generated(served, json_schema=schema, max_tokens=64)
    assert isinstance(json.loads(result.text)["years"], int)


def test_several_people_at_once_each_get_their_own(served: RemoteModel) -> None:
    found: dict[int, str] = {}

    def ask(number: int) -> None:
        told = Sampling(grammar=f'root ::= "answer {number} of {number}"', max_tokens=32)
        with served.generate(SYSTEM, QUESTION, told) as stream:
            found[number] = "".join(stream)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert found == {n: f"answer {n} of {n}" for n in range(6)}


def test_an_answer_given_up_frees_the_server_for_the_next(served: RemoteModel) -> None:
    for _ in range(3):
        with served.generate(SYSTEM, QUESTION, Sampling(max_tokens=400)) as stream:
            next(stream)
    begun = served.generate(SYSTEM, QUESTION, Sampling(max_tokens=2))
    with begun as stream:
        assert list(stream)
    assert served.line.running == served.line.waiting == 0


def test_a_rejected_draft_is_written_by_the_server(served: RemoteModel) -> None:
    """Small and large together; "large" is the default model behind a server here, so its words may
    be rejected as well: then the evidence is quoted, and either way the log says who was asked."""
    log = MemoryLog()
    policy = Policy(
        escalation=Escalation("when_rejected", budget=600),
        sampling=Sampling(max_tokens=64),
        straight=False,
    )
    small = ScriptedModel(["The period is six months."])
    asked = question("How long are customer due diligence records retained?")
    answer = Assistant(
        library(), log, small, Viewer(lambda path, number: None), policy, served
    ).ask(asked)
    assert answer.verdict in (Verdict.ANSWERED, Verdict.QUOTED)
    assert "six (6) years" in answer.text or "six years" in answer.text
    assert answer.cost.escalated
    escalated = log.last("model.escalated").fields
    assert (escalated["reason"], escalated["to_where"]) == ("REJECTED", served.info.where)
    assert log.types().count("model.called") == log.types().count("model.finished") == 2
    fields = log.last("model.finished").fields
    assert fields["completion_tokens"]
    assert fields["model"] == "smollm2"
