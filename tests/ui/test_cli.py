"""The command with stand-ins behind it: what it prints where, and how it ends."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from assistant.answer import Cost
from assistant.errors import ModelAltered, ModelBusy
from audit.store import Filter
from audit.view_envelope import fields_of
from tests.ui.standins import (
    ANSWERED,
    CONFLICTING,
    COUNTING,
    OFFERED,
    QUOTED,
    BrokenAssistant,
    FullDisk,
    ScriptedAssistant,
    ScriptedIngestor,
)
from ui import composition, terminal
from ui.main import hoisted, run
from ui.terminal import visible


@pytest.fixture
def assistant(monkeypatch: pytest.MonkeyPatch) -> ScriptedAssistant:
    return put(monkeypatch, ScriptedAssistant())


def put(monkeypatch: pytest.MonkeyPatch, stand_in: ScriptedAssistant) -> ScriptedAssistant:
    @contextmanager
    def opened(home: Path) -> Iterator[ScriptedAssistant]:
        yield stand_in

    monkeypatch.setattr(composition, "assistant", opened)
    return stand_in


@pytest.fixture
def ingestor(monkeypatch: pytest.MonkeyPatch) -> ScriptedIngestor:
    stand_in = ScriptedIngestor()

    @contextmanager
    def opened(home: Path) -> Iterator[ScriptedIngestor]:
        yield stand_in

    monkeypatch.setattr(composition, "ingestor", opened)
    return stand_in


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_ask_prints_the_verdict_the_marks_and_the_sources(
    assistant: ScriptedAssistant, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["ask", "How long?"]) == 0
    shown = capsys.readouterr().out
    assert shown.index("Answered from your documents") < shown.index("six years")
    assert "relationship ends. [1]" in shown
    assert "Data Retention Policy, page 4" in shown
    assert "policies/retention.pdf" in shown
    assert assistant.asked[0].asker.auth == "local-user"
    assert assistant.asked[0].asker.groups == {"local"}


def test_ask_json_has_exactly_the_promised_keys(
    assistant: ScriptedAssistant, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["ask", "--json", "How long?"]) == 0
    (answer,) = lines(capsys.readouterr().out)
    assert list(answer) == [
        "verdict", "text", "understood", "citations", "conflicts", "model", "record", "timings",
        "cost",
    ]  # fmt: skip
    assert answer["understood"] == ""
    assert answer["conflicts"] == []
    assert answer["verdict"] == "ANSWERED"
    assert isinstance(answer["citations"], list)
    assert list(answer["citations"][0]) == [
        "number", "document", "source", "page", "start", "end", "quote",
    ]  # fmt: skip
    assert answer["citations"][0]["quote"] == ANSWERED.citations[0].quote


def test_a_conflict_and_what_was_understood_are_shown_and_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put(monkeypatch, ScriptedAssistant(answers={"then": CONFLICTING}))
    assert run(["ask", "And then?"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Understood as: How long are customer identification records kept" in shown
    assert "! Your documents disagree" in shown
    days = "in force since 2024-01-01 until 2027-12-31"
    assert f"six years: Data Retention Policy, page 4 [1], {days}" in shown
    assert shown.count(CONFLICTING.conflicts[0].sentence) == 1
    assert run(["ask", "--json", "And then?"]) == 0
    (told,) = lines(capsys.readouterr().out)
    assert told["understood"] == CONFLICTING.understood
    side = {"value": "24 months", "citation": 2, "source": "policies/retention.md", "since": ""}
    assert isinstance(told["conflicts"], list)
    conflict = told["conflicts"][0]
    assert list(conflict) == ["kind", "sentence", "sides"]
    assert conflict["sides"][1] == side


def test_an_offer_names_the_command_that_keeps_what_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    put(monkeypatch, ScriptedAssistant(answers={"Which of": OFFERED}))
    assert run(["ask", COUNTING]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"Run: cloister sweep '{COUNTING}'" in shown
    assert "Not in your documents" not in shown
    narrowed = ["--collection", "legal", "--as-of", "2025-06-30"]
    question = "-- Which of the client's?"
    asked = ["--home", str(home), "ask", "--json", *narrowed, "--", question]
    assert run(asked) == 0
    (told,) = lines(capsys.readouterr().out)
    offer = told["offer"]
    assert isinstance(offer, dict)
    assert list(offer) == ["task", "question", "documents", "sentence", "command"]
    begun = ["cloister", "--home", str(home), "sweep"]
    assert shlex.split(offer["command"]) == [*begun, *narrowed, "--", question]


@pytest.mark.parametrize("command", ["ask", "search"])
def test_documents_are_named_by_source_or_id(
    assistant: ScriptedAssistant, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    named = ["--document", "policies/3.pdf", "--document", "07" * 32]
    assert run([command, *named, "How long?"]) == 0
    assert assistant.asked[-1].documents == frozenset({"03" * 32, "07" * 32})
    assert run([command, "How long?"]) == 0
    assert assistant.asked[-1].documents is None
    capsys.readouterr()
    asked = len(assistant.asked)
    elsewhere = [command, "--collection", "legal", "--document", "policies/3.pdf", "How long?"]
    for arguments in ([command, "--document", "policies/x.pdf", "How long?"], elsewhere):
        assert run(arguments) == 2
        said = capsys.readouterr().err
        assert "There is no document policies/" in said
        assert len(said.splitlines()) == 1
    assert len(assistant.asked) == asked


def test_ask_json_tells_what_it_took_as_far_as_it_is_known(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    costly = replace(ANSWERED, cost=Cost(512, 83, 0.9, 41.5))
    put(monkeypatch, ScriptedAssistant(answers={"dear": costly}))
    assert run(["ask", "--json", "dear"]) == 0
    assert run(["ask", "--json", "free"]) == 0
    dear, free = lines(capsys.readouterr().out)
    keys = ("prompt_tokens", "completion_tokens", "seconds_model", "joules", "escalated")
    assert dear["cost"] == dict(zip(keys, (512, 83, 0.9, 41.5, False), strict=True))
    assert free["cost"] == dict(zip(keys, (0, 0, 0.0, None, False), strict=True))


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_the_line_is_told_on_stderr_once_for_each_change(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    put(monkeypatch, ScriptedAssistant(line=(2, 2, 1)))
    assert run(["ask", *options, "How long?"]) == 0
    said = capsys.readouterr()
    assert said.err.splitlines() == [
        "cloister: Waiting for the model: 2 questions are ahead of yours.",
        "cloister: Waiting for the model: 1 question is ahead of yours.",
        "cloister: It is your turn: writing.",
    ]
    assert "ahead" not in said.out
    if options:
        assert [answer["verdict"] for answer in lines(said.out)] == ["ANSWERED"]


def test_a_full_line_is_said_with_what_is_quoted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put(
        monkeypatch,
        ScriptedAssistant(answers={"q": replace(QUOTED, explanation=f"{ModelBusy(9)}")}),
    )
    assert run(["ask", "q"]) == 0
    assert "9 questions are ahead of yours" in " ".join(capsys.readouterr().out.split())


def test_interrupting_closes_the_stream_so_that_the_model_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assistant = put(monkeypatch, ScriptedAssistant(line=(1,)))
    said = list[str]()

    def interrupt(sentence: str) -> None:
        said.append(sentence)
        if "ahead" in sentence:
            raise KeyboardInterrupt

    monkeypatch.setattr(terminal, "complain", interrupt)
    assert run(["ask", "How long?"]) == 130
    assert len(said) == 2
    assert assistant.closed.is_set()


def test_search_json_has_exactly_the_promised_keys(
    assistant: ScriptedAssistant, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["search", "how long", "-k", "1", "--json", "--collection", "a"]) == 0
    (found,) = lines(capsys.readouterr().out)
    assert list(found) == ["question", "hits", "timings"]
    assert isinstance(found["hits"], list)
    assert len(found["hits"]) == 1
    assert list(found["hits"][0]) == [
        "rank", "score", "document", "source", "page", "chunk", "start", "end", "text",
    ]  # fmt: skip
    assert assistant.asked[0].collections == {"a"}


@pytest.mark.parametrize("command", ["ask", "search"])
def test_many_questions_give_one_line_each_with_the_id_first(
    assistant: ScriptedAssistant, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    file = tmp_path / "q.jsonl"
    file.write_text('{"_id": "q1", "text": "one"}\n\n{"_id": 2, "text": "two"}\n')
    assert run([command, "--queries", str(file), "--json"]) == 0
    found = lines(capsys.readouterr().out)
    assert [line["_id"] for line in found] == ["q1", "2"]
    assert all(next(iter(line)) == "_id" for line in found)
    assert [q.text for q in assistant.asked] == ["one", "two"]


@pytest.mark.parametrize(
    "content",
    [b"{", b"[]", b'{"_id": "1"}', b'{"text": "x"}', b'{"_id": null, "text": "x"}', b"\xff\xfe"],
)
def test_a_bad_file_of_questions_is_named_before_anything_is_asked(
    assistant: ScriptedAssistant,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: bytes,
) -> None:
    file = tmp_path / "q.jsonl"
    file.write_bytes(b'{"_id": "0", "text": "fine"}\n' + content)
    assert run(["ask", "--queries", str(file)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "q.jsonl" in said.err
    assert assistant.asked == []


def test_abstaining_is_an_answer_and_shows_the_nearest_passages(
    assistant: ScriptedAssistant, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["ask", "What does the canteen cost?"]) == 0
    shown = capsys.readouterr().out
    assert "Not in your documents" in shown
    assert "Nearest passages" in shown


@pytest.mark.parametrize("question", ["", "   ", "x" * 100_000])
@pytest.mark.parametrize("json_wanted", [True, False])
def test_a_question_that_cannot_be_taken_is_refused_in_one_sentence(
    assistant: ScriptedAssistant,
    capsys: pytest.CaptureFixture[str],
    question: str,
    json_wanted: bool,
) -> None:
    assert run(["ask", *(["--json"] if json_wanted else []), question]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert [line["verdict"] for line in lines(said.out)] == ["REFUSED"] * json_wanted


@pytest.mark.parametrize("arguments", [["ask"], ["search"], ["ask", "q", "--queries", "f"]])
def test_a_question_and_a_file_are_alternatives(
    assistant: ScriptedAssistant, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert run(arguments) == 2
    assert "either one question or --queries" in capsys.readouterr().err


def test_an_empty_search_is_a_usage_error(assistant: ScriptedAssistant) -> None:
    assert run(["search", " "]) == 2
    assert assistant.asked == []


def test_a_log_that_cannot_record_ends_with_7(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put(monkeypatch, BrokenAssistant(FullDisk("The disk is full; free some space.")))
    assert run(["ask", "q"]) == 7
    said = capsys.readouterr()
    assert said.err == "cloister: The disk is full; free some space.\n"
    assert "Traceback" not in said.err


def test_a_defect_is_one_sentence_and_a_traceback_only_with_debug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    put(monkeypatch, BrokenAssistant(ZeroDivisionError("division by zero")))
    assert run(["--home", str(home), "ask", "q"]) == 1
    plain = capsys.readouterr().err
    assert plain.count("\n") == 1
    assert "--debug" in plain
    assert run(["ask", "q", "--debug", "--home", str(home)]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_defect_is_recorded(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    with composition.log(home):
        pass
    put(monkeypatch, BrokenAssistant(ZeroDivisionError("secret")))
    assert run(["--home", str(home), "ask", "q"]) == 1
    with composition.log(home) as log:
        (leaf,) = log.leaves(Filter(type="command.failed"))
    assert fields_of(leaf.envelope) == {"command": "ask", "error": "ZeroDivisionError"}


def test_a_refusal_before_anything_could_start_is_recorded(
    monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    with composition.log(home):
        pass
    put(monkeypatch, BrokenAssistant(ModelAltered(Path("m.gguf"), "a" * 64, "b" * 64)))
    assert run(["--home", str(home), "ask", "q"]) == 3
    with composition.log(home) as log:
        (leaf,) = log.leaves(Filter(type="command.refused"))
    assert fields_of(leaf.envelope) == {"command": "ask", "error": "ModelAltered"}


def test_interrupting_ends_with_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put(monkeypatch, BrokenAssistant(KeyboardInterrupt()))
    assert run(["ask", "--json", "q"]) == 130
    assert "Interrupted" in capsys.readouterr().err


def test_unknown_commands_and_options_end_with_2() -> None:
    assert run(["nonsense"]) == 2
    assert run(["ask", "--nonsense", "q"]) == 2


def test_ingest_add_lists_failures_and_ends_with_4(
    ingestor: ScriptedIngestor, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["ingest", "add", str(tmp_path), "--collection", "legal"]) == 0
    shown = capsys.readouterr()
    assert "New documents" in shown.out
    assert ingestor.added == [((tmp_path,), "legal")]
    ingestor.fail("caf\udce9.pdf")
    assert run(["ingest", "add", str(tmp_path), "--json"]) == 4
    shown = capsys.readouterr()
    (summary,) = lines(shown.out)
    assert summary["added"] == 2
    assert isinstance(summary["failed"], list)
    assert summary["failed"][0]["failure"] == "encrypted"
    assert "caf\\xe9.pdf is protected" in shown.err


def test_ingest_list_status_remove_and_verify(
    ingestor: ScriptedIngestor, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["ingest", "list"]) == 0
    assert "retention.pdf" in capsys.readouterr().out
    assert run(["ingest", "list", "--json"]) == 0
    (document,) = lines(capsys.readouterr().out)
    assert document["source"] == "policies/retention.pdf"
    assert document["completeness"]["share"] == pytest.approx(8 / 9, abs=1e-4)
    assert run(["ingest", "status", "--json"]) == 0
    (status,) = lines(capsys.readouterr().out)
    assert isinstance(status["collections"], list)
    assert status["collections"][0]["groups"] == ["local"]
    assert status["documents"][0]["completeness"]["complete"] is False
    assert status["failed"][0]["failure"] == "corrupt"
    assert run(["ingest", "status"]) == 0
    shown = capsys.readouterr().out
    assert "broken.pdf is damaged" in shown
    assert "1 of 9 pages gave no text" in shown
    assert run(["ingest", "remove", "policies/retention.pdf", "--json"]) == 0
    assert lines(capsys.readouterr().out)[0]["removed"] == "policies/retention.pdf"
    assert run(["ingest", "verify"]) == 4
    assert "blobs" in capsys.readouterr().out
    assert run(["ingest", "verify", "--repair"]) == 0


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", ".x", "a b", "x" * 65])
def test_a_collection_has_a_plain_name(ingestor: ScriptedIngestor, name: str) -> None:
    assert run(["ingest", "list", "--collection", name]) == 2


def test_home_and_debug_may_stand_anywhere() -> None:
    assert hoisted(["ask", "q", "--home", "h", "--debug"]) == ["--home", "h", "--debug", "ask", "q"]
    assert hoisted(["ask", "--home=h", "q"]) == ["--home=h", "ask", "q"]
    assert hoisted(["ask", "--", "--home", "h"]) == ["ask", "--", "--home", "h"]


def test_what_steers_a_terminal_is_spelt_out() -> None:
    assert visible("a\x1b[31mb\u202ec\udcff\x85\nd\té") == "a\\x1b[31mb\\u202ec\\xff\\x85\nd\té"


def test_escape_sequences_of_documents_are_not_obeyed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = replace(ANSWERED.citations[0], title="x\x1b]0;y\x07", quote="[red]q[/red]\x1b[2J")
    put(monkeypatch, ScriptedAssistant(answers={"q": replace(ANSWERED, citations=(bad,))}))
    assert run(["ask", "q"]) == 0
    shown = capsys.readouterr().out
    assert "\x1b]0" not in shown
    assert "\x1b[2J" not in shown
    assert "[red]q[/red]" in shown


SCRIPT = """
import sys
from contextlib import contextmanager
from tests.ui.standins import ScriptedAssistant
from ui import composition, main
@contextmanager
def opened(home):
    yield ScriptedAssistant()
composition.assistant = opened
sys.argv = ["cloister", *sys.argv[1:]]
main.main()
"""


def test_a_pipe_that_closes_early_is_no_error(tmp_path: Path) -> None:
    file = tmp_path / "q.jsonl"
    file.write_text('{"_id": "1", "text": "x"}\n' * 5000)
    command = [sys.executable, "-c", SCRIPT, "search", "--json", "--queries", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        said = process.stderr.read().decode()
    assert said == ""
    assert process.returncode == 0


def test_output_in_a_narrow_encoding_is_spelt_out(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, "ask", "How long — really?"]
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert b"Answered from your documents" in done.stdout
