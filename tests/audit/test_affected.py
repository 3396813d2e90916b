"""Impact recall: which past answers relied on what, and that ingestion finds out by itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from audit.affected import Affected, affected, catch_up, note
from audit.erasure import erase_payload
from audit.log import Log
from audit.record import Actor, Event, Field
from audit.view_fields import Strength
from tests.audit.standins import ANN, open_test_log
from tests.audit.test_view import AUDITOR, BOB, DOC_A, DOC_B
from tests.ingest.standins import ingestor

DOC_C = "c3" * 32
PROMPT = "f6" * 32


def answer(
    log: Log,
    request: str,
    *,
    cited: tuple[str, ...] = (),
    shown: tuple[str, ...] = (),
    hits: tuple[str, ...] = (),
    who: Actor = ANN,
    as_of: str = "",
) -> int:
    """An answer with clear fields and payload as `assistant.recording` writes them; the number of
    its `answer.released`."""
    asked: dict[str, Field | list[str] | list[int]] = {
        "turn": 1,
        **({"as_of": as_of} if as_of else {}),
    }
    log.append(
        Event(
            "question.received", who, asked, {"question": f"What of {request}?"}, request_id=request
        )
    )
    fields: dict[str, Field | list[str] | list[int]] = {
        "verdict": "QUOTED",
        "citations": [f"{each}:2:10:20" for each in cited],
        "chunks": [f"chunk-of-{each[:4]}" for each in (*cited, *shown, *hits)],
        "model": "small",
        "model_sha256": "d4" * 32,
        "prompt_template_sha256": PROMPT,
        "shown_from": "",
    }
    payload: dict[str, object] = {
        "text": "x",
        "passages": [{"document": each, "page": 2} for each in (*cited, *shown)],
        "hits": [
            {"document": each, "chunk": f"chunk-of-{each[:4]}"} for each in (*cited, *shown, *hits)
        ],
    }
    return log.append(Event("answer.released", who, fields, payload, request_id=request)).seq


def told(found: Affected) -> dict[str, str]:
    return {each.request: each.strength.value for each in found.found}


def impacts(log: Log) -> list[dict[str, object]]:
    return [
        dict(json.loads(leaf.envelope)["fields"])
        for leaf in log.scan()
        if leaf.type == "impact.found"
    ]


def test_the_strength_of_each_reliance_is_told(home: Path) -> None:
    with open_test_log(home) as log:
        answer(log, "cites", cited=(DOC_A,), who=BOB)
        answer(log, "shown", shown=(DOC_A,), cited=(DOC_B,), as_of="2020-01-01")
        answer(log, "found", hits=(DOC_A,))
        answer(log, "other", cited=(DOC_B,), hits=(DOC_C,))
        task = {"task": "summarise", "citations": [f"{DOC_A}:1:0:5"], "document": DOC_A}
        log.append(Event("task.item", ANN, task, None, request_id="task"))
        read = {"task": "sweep", "document": DOC_A, "verdict": "NOT_FOUND"}
        log.append(Event("task.item", BOB, read, None, request_id="sweep"))
        chunks: dict[str, Field | list[str] | list[int]] = {"chunks": ["chunk-of-a1a1"]}
        log.append(Event("search.released", ANN, chunks, None, request_id="search"))
        asked: dict[str, Field | list[str] | list[int]] = {"documents": [DOC_A]}
        log.append(Event("question.received", ANN, asked, None, request_id="narrowed"))
        found = affected(log, AUDITOR, [DOC_A])
        assert told(found) == {
            "cites": "cited", "shown": "shown", "found": "found", "task": "cited",
            "sweep": "shown", "search": "found",
        }  # fmt: skip
        assert found.people == 2
        by_request = {each.request: each for each in found.found}
        assert by_request["shown"].as_of == "2020-01-01"
        assert by_request["cites"].verdict == "QUOTED" and by_request["cites"].person == "bob"
        assert told(affected(log, AUDITOR, [DOC_A[:9]])) == told(found)
        clear = affected(log, AUDITOR, [DOC_A], deep=False)
        assert told(clear) == {"cites": "cited", "task": "cited", "sweep": "shown"}
        last = json.loads(log.leaf(log.size() - 1).envelope)
        assert last["type"] == "log.searched" and last["fields"]["wanted"] == [DOC_A]
        assert affected(log, AUDITOR, ["e5" * 32]).found == ()


def test_models_and_prompts_are_recalled_too(home: Path) -> None:
    with open_test_log(home) as log:
        answer(log, "quoted", cited=(DOC_A,))
        spoke = {"model": "small", "model_sha256": "d4" * 32, "shown_from": "small"}
        log.append(Event("answer.released", BOB, spoke, None, request_id="spoke"))
        failed = {"model": "large", "code": "ModelLost"}
        log.append(Event("answer.failed", BOB, failed, None, request_id="failed"))
        both = {"quoted": "shown", "spoke": "cited"}
        assert told(affected(log, AUDITOR, ["small"])) == both
        assert told(affected(log, AUDITOR, ["d4" * 32])) == both
        assert told(affected(log, AUDITOR, ["large"])) == {"failed": "shown"}
        by_prompt = affected(log, AUDITOR, [PROMPT[:12]])
        assert [(each.on, each.strength) for each in by_prompt.found] == [
            ("prompt", Strength.SHOWN)
        ]


def test_what_is_erased_is_still_recalled_as_far_as_clear_fields_tell(home: Path) -> None:
    with open_test_log(home) as log:
        cites = answer(log, "cites", cited=(DOC_A,))
        shown = answer(log, "shown", shown=(DOC_A,))
        silent = answer(log, "silent", hits=(DOC_B,))
        answer(log, "found", hits=(DOC_A,))
        for seq in (cites, shown, silent):
            erase_payload(log, ANN, seq, "asked")
        found = affected(log, AUDITOR, [DOC_A])
        # Of the erased one that was shown it, the chunks in clear still say that it was found.
        assert told(found) == {"cites": "cited", "shown": "found", "found": "found"}
        assert (found.erased, found.unknown) == (2, 1)
        assert found.as_json()["counts"] == {"cited": 1, "shown": 0, "found": 2}


def test_an_impact_names_requests_in_clear_and_persons_in_the_payload(home: Path) -> None:
    with open_test_log(home) as log:
        assert note(log, ANN, {DOC_A: 1}, "superseded") == 0 and impacts(log) == []
        answer(log, "r1", cited=(DOC_A,))
        answer(log, "r2", cited=(DOC_A, DOC_B), who=BOB)
        answer(log, "r3", cited=(DOC_A,), as_of="2020-01-01")
        answer(log, "r4", hits=(DOC_A,))
        assert note(log, ANN, {DOC_A: 3, DOC_C: 1}, "superseded", {DOC_A: "2099-01-01"}) == 1
        (found,) = impacts(log)
        assert (found["document"], found["version"], found["cause"]) == (DOC_A, 3, "superseded")
        assert (found["answers"], found["persons"], found["requests"]) == (2, 2, ["r1", "r2"])
        assert found["from_day"] == "2099-01-01"
        payload = log.read_payload(log.size() - 1) or {}
        answers = payload["answers"]
        assert isinstance(answers, list)
        assert [(each["person"], each["strength"]) for each in answers] == [
            ("ann", "cited"),
            ("bob", "cited"),
        ]
        # What was asked about a day of its own is not concerned by superseding, but by erasing.
        assert note(log, ANN, [DOC_A], "erased") == 1
        assert impacts(log)[-1]["requests"] == ["r1", "r2", "r3"]
        many = {f"{number:02x}" * 32: 1 for number in range(40)} | {DOC_A: 1, DOC_B: 1}
        assert note(log, ANN, many, "removed") == 2
        assert [each["document"] for each in impacts(log)[-2:]] == [DOC_A, DOC_B]


def test_more_answers_than_are_listed_are_all_counted(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.impacts.MOST_ANSWERS", 2)
    with open_test_log(home) as log:
        for number in range(5):
            answer(log, f"r{number}", cited=(DOC_A,))
        assert note(log, ANN, [DOC_A], "erased") == 1
        assert impacts(log)[0]["answers"] == 5
        payload = log.read_payload(log.size() - 1) or {}
        answers = payload["answers"]
        assert isinstance(answers, list)
        assert [each["request"] for each in answers] == ["r3", "r4"]  # the newest


def test_changes_on_record_are_looked_at_once(home: Path) -> None:
    with open_test_log(home) as log:
        answer(log, "r1", cited=(DOC_A,))
        assert catch_up(log, ANN) == 0
        before = log.size()
        assert catch_up(log, ANN) == 0 and log.size() == before  # nothing changed: nothing recorded
        change = {"collection": "default", "document": DOC_A, "version": 1}
        log.append(Event("ingest.superseded", ANN, change))
        log.append(Event("ingest.removed", ANN, {**change, "document": DOC_C}))
        assert catch_up(log, ANN, lambda collection, document: "2099-05-01") == 1
        assert impacts(log)[0]["from_day"] == "2099-05-01"
        assert json.loads(log.leaf(log.size() - 1).envelope)["fields"]["documents"] == 2
        assert catch_up(log, ANN) == 0 and len(impacts(log)) == 1


def document_id(home: Path, log: Log, name: str) -> str:
    with ingestor(home, log, readers=1) as ingesting:
        return next(each.id for each in ingesting.list() if each.source.endswith(name))


def test_ingestion_looks_by_itself_when_a_source_changes_or_goes(
    home: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()
    for name in ("kept", "changed", "gone", "later"):
        (folder / f"{name}.txt").write_text(f"The {name} policy keeps records for six years.")
    with open_test_log(home) as log:
        with ingestor(home, log, readers=1) as ingesting:
            ingesting.sync(folder)
            ids = {each.source.rpartition("/")[2]: each.id for each in ingesting.list()}
        for name, found in ids.items():
            answer(log, name, cited=(found,))
        (folder / "changed.txt").write_text("The changed policy keeps records for two years.")
        (folder / "gone.txt").unlink()
        (folder / "later.txt").write_text("The later policy keeps records for ten years.")
        (folder / "later.txt.cloister.toml").write_text("effective_from = 2099-01-01\n")
        with ingestor(home, log, readers=1) as ingesting:
            ingesting.sync(folder, confirmed=True)
            found = {str(each["document"]): each for each in impacts(log)}
            assert {document: each["cause"] for document, each in found.items()} == {
                ids["changed.txt"]: "superseded",
                ids["gone.txt"]: "removed",
                ids["later.txt"]: "superseded",
            }
            assert found[ids["changed.txt"]]["from_day"] == ""
            assert found[ids["later.txt"]]["from_day"] == "2099-01-01"
            ingesting.remove("kept.txt")
            assert impacts(log)[-1]["document"] == ids["kept.txt"]
            done = len(impacts(log))
            ingesting.sync(folder)
            assert len(impacts(log)) == done
    shutil.rmtree(folder)
