"""Questions about a day: the option, files of questions, what is marked, and the chat's field."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from assistant.answer import Answer, Force
from assistant.pipeline import SearchReport
from tests.ui.serving import READER
from tests.ui.standins import ANSWERED, QUOTE_1, ScriptedAssistant, passage
from ui import composition, flow, render
from ui.cli_ask import search_json
from ui.main import run
from ui.turn import View
from ui.web_session import Session

SAID = "This version was superseded on 2025-07-01 by policies/new.pdf."
FORCE = Force(True, "2025-07-01", "policies/new.pdf", "2024-01-01")
OLD = replace(
    ANSWERED,
    citations=tuple(replace(each, warning=SAID, force=FORCE) for each in ANSWERED.citations),
    as_of="2025-06-30",
)


@pytest.fixture
def assistant(monkeypatch: pytest.MonkeyPatch) -> ScriptedAssistant:
    stand_in = ScriptedAssistant(answers={"old": OLD})

    @contextmanager
    def opened(home: Path) -> Iterator[ScriptedAssistant]:
        yield stand_in

    monkeypatch.setattr(composition, "assistant", opened)
    return stand_in


@pytest.mark.parametrize("command", ["ask", "search"])
def test_the_day_goes_with_the_question(assistant: ScriptedAssistant, command: str) -> None:
    assert run([command, "How long?", "--as-of", "2025-06-30"]) == 0
    assert run([command, "How long?"]) == 0
    assert [each.as_of for each in assistant.asked] == ["2025-06-30", None]


@pytest.mark.parametrize("command", ["ask", "search"])
@pytest.mark.parametrize("day", ["yesterday", "2025-02-30", "2025-6-1", "20250630", ""])
def test_what_is_no_day_is_said_in_one_sentence(
    assistant: ScriptedAssistant, capsys: pytest.CaptureFixture[str], command: str, day: str
) -> None:
    assert run([command, "How long?", "--as-of", day]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "is not a day; write it as 2025-06-30." in said.err
    assert assistant.asked == []


def test_a_line_of_a_file_names_its_own_day(
    assistant: ScriptedAssistant, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "q.jsonl"
    file.write_text('{"_id": 1, "text": "one", "as_of": "2024-01-01"}\n{"_id": 2, "text": "two"}\n')
    assert run(["search", "--queries", str(file), "--as-of", "2025-06-30", "--json"]) == 0
    assert [each.as_of for each in assistant.asked] == ["2024-01-01", "2025-06-30"]
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["as_of"] for each in found] == ["2024-01-01", "2025-06-30"]
    file.write_text('{"_id": 1, "text": "one", "as_of": 20240101}\n')
    assert run(["ask", "--queries", str(file)]) == 2
    assert "Line 1 of" in capsys.readouterr().err


def test_a_superseded_source_is_marked_for_people_and_programs(
    assistant: ScriptedAssistant, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["ask", "old?", "--as-of", "2025-06-30"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Answered from your documents, as of 2025-06-30" in shown
    assert f"! {SAID}" in shown
    assert run(["ask", "old?", "--as-of", "2025-06-30", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["as_of"] == "2025-06-30"
    assert {key: answer["citations"][0][key] for key in answer["citations"][0] if key not in (
        "number", "document", "source", "page", "start", "end", "quote",
    )} == {
        "warning": SAID,
        "superseded": True,
        "superseded_on": "2025-07-01",
        "superseded_by": "policies/new.pdf",
        "effective_from": "2024-01-01",
    }  # fmt: skip


def test_a_passage_that_ends_says_when() -> None:
    found = replace(passage(1, QUOTE_1), force=Force(effective_to="2026-12-31"))
    report = search_json("q", SearchReport("q", (found,), {}))
    (hit,) = json.loads(json.dumps(report))["hits"]
    assert hit["effective_to"] == "2026-12-31"
    assert "superseded" not in hit


def test_the_chat_draws_the_day_and_the_warning() -> None:
    view = View(1, "old?", sentences=OLD.sentences, citations=OLD.citations, answer=OLD)
    drawn = render.turn(view)
    assert "as of 2025-06-30</span>" in drawn
    assert SAID in drawn
    assert "as of" not in render.turn(replace(view, answer=replace(OLD, as_of="")))


def test_the_chat_sends_the_day_with_the_question() -> None:
    stand_in = ScriptedAssistant()
    signed_in = Session("s1", READER, ends=1e12)
    for day in ("2025-06-30", None):
        *_, last = flow.converse(stand_in, signed_in, "How long?", day)
        assert isinstance(last.answer, Answer)
    assert [each.as_of for each in stand_in.asked] == ["2025-06-30", None]


@pytest.mark.slow
def test_two_versions_one_after_the_other_through_the_whole_command(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Front matter dates the second version, a sidecar ends a third document; real parts."""
    folder = tmp_path / "documents"
    folder.mkdir()
    policy, allowance = folder / "retention.md", folder / "allowance.md"
    rule = "Customer due diligence records are kept for {} years after the relationship ends.\n"
    policy.write_text("---\neffective_from: 2024-01-01\n---\n# Retention\n\n" + rule.format("five"))
    allowance.write_text("# Allowance\n\nThe travel allowance for staff is EUR 40 a day.\n")
    sidecar = folder / "allowance.md.cloister.toml"
    sidecar.write_text("effective_from = 2023-01-01\neffective_to = 2024-12-31\n")
    where = ["--home", str(home)]
    assert run([*where, "ingest", "add", str(folder)]) == 0
    policy.write_text(
        "---\neffective_from: 2025-07-01\n---\n# Retention\n\n" + rule.format("seven")
    )
    assert run([*where, "ingest", "add", str(folder)]) == 0
    capsys.readouterr()

    def found(*arguments: str) -> list[dict[str, object]]:
        assert run([*where, "search", "--json", *arguments]) == 0
        hits: list[dict[str, object]] = json.loads(capsys.readouterr().out)["hits"]
        return hits

    asked = "How long are due diligence records kept?"
    (now,) = found(asked)
    assert "seven years" in str(now["text"])
    assert now["effective_from"] == "2025-07-01"
    assert "superseded" not in now
    (then,) = found(asked, "--as-of", "2025-06-30")
    assert "five years" in str(then["text"])
    assert then["superseded"] is True
    assert then["superseded_on"] == "2025-07-01"
    assert "superseded on 2025-07-01 by version 2 of retention.md" in str(then["warning"])
    assert found(asked, "--as-of", "2022-12-31") == []
    texts = {str(each["text"]) for each in found("travel allowance", "--as-of", "2024-12-31")}
    assert any("EUR 40" in text for text in texts)
    assert run([*where, "ask", asked, "--as-of", "2025-06-30", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["verdict"] in ("ANSWERED", "QUOTED")
    assert "five" in answer["text"]
    assert "seven" not in answer["text"]
    assert answer["citations"][0]["superseded"] is True
    assert run([*where, "audit", "show", answer["record"], "--json"]) == 0
    shown = capsys.readouterr().out
    assert '"2025-06-30"' in shown
