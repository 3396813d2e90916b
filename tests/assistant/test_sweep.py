"""Sweeps over stand-ins: a row for each document, recorded, kept, gone on with, and exported."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from assistant import sweep, sweep_table
from assistant.answering import Policy
from assistant.errors import SweepRefused, SweepRunning
from assistant.sweep import Progress, Request, Row, SweepResult, Verdict, identity
from assistant.sweep_store import Kept, waiting
from assistant.task import Parts
from audit.errors import AuditError
from index.completeness import Completeness
from index.document import Page, Scope
from index.effective import Standing
from index.errors import CatalogueBusy, NotFound
from tests.assistant.pipeline_standins import ANNA, STRANGER, MemoryLibrary, MemoryLog
from tests.assistant.standins import ScriptedModel

ASKED = "Which of these contracts have an arbitration clause?"
HOLDS = "Binding arbitration applies."
OTHER = "Visitors sign in at the gate. Invoices are paid within thirty days of receipt."
TEXTS = {
    "default/a.txt": ("A", f"{OTHER}\n\n{HOLDS}\n"),
    "default/b.txt": ("B", OTHER),
    "default/c.txt": ("C", f"{OTHER} Coffee is free.\f{HOLDS} The seat is Bern."),
    "default/d.txt": ("D", "There is no arbitration under this agreement."),
    "board/e.txt": ("E", HOLDS),
}
GRANTS = {"default": frozenset({"local"}), "board": frozenset({"board"})}


def shelf() -> MemoryLibrary:
    return MemoryLibrary(TEXTS, GRANTS)


def parts(library: MemoryLibrary | None = None, log: MemoryLog | None = None) -> Parts:
    return Parts(library or shelf(), log or MemoryLog(), ScriptedModel(()), Policy())


def request(question: str = ASKED, **more: object) -> Request:
    return replace(Request(ANNA, question), **more)  # type: ignore[arg-type]


def result_of(parts: Parts, asked: Request) -> SweepResult:
    *_, last = sweep.run(parts, asked)
    assert isinstance(last, SweepResult)
    return last


def verdicts(result: SweepResult) -> dict[str, str]:
    return {row.source: row.verdict.value for row in result.rows}


def test_every_document_in_scope_gets_one_cited_row() -> None:
    library, log = shelf(), MemoryLog()
    events = list(sweep.run(parts(library, log), request()))
    assert [(e.done, e.total) for e in events if isinstance(e, Progress)] == [
        (0, 4), (1, 4), (2, 4), (3, 4), (4, 4),
    ]  # fmt: skip
    result = events[-1]
    assert isinstance(result, SweepResult)
    assert [e for e in events if isinstance(e, Row)] == list(result.rows)
    assert verdicts(result) == {
        "a.txt": "FOUND", "b.txt": "NOT_FOUND", "c.txt": "FOUND", "d.txt": "UNCLEAR",
    }  # fmt: skip
    assert (result.question, result.kind) == ("Does this document have an arbitration clause?",
                                              "yes_no")  # fmt: skip
    assert result.sentence == "4 of 4 read. 2 found, 1 not found, 1 unclear: read these."
    found = {row.source: row for row in result.rows}
    assert (found["c.txt"].quote, found["c.txt"].citations[0].page) == (HOLDS, 2)
    assert "there is none" in found["d.txt"].reason
    for row in result.rows:
        for citation in row.citations:
            page = library.page(citation.document, citation.page, Scope(frozenset({"default"})))
            assert page.text[citation.start : citation.end] == citation.quote


def test_a_row_is_recorded_before_it_is_shown_and_texts_are_in_the_payload_only() -> None:
    log = MemoryLog()
    shown = 0
    for event in sweep.run(parts(log=log), request()):
        if isinstance(event, Row):
            shown += 1
            assert log.types().count("task.item") == shown
            assert log.events[-1].fields["document"] == event.document
    assert log.types() == ["task.received", *["task.item"] * 4, "task.released"]
    for noted in log.events:
        assert "arbitration" not in json.dumps(dict(noted.fields))
    assert log.events[0].payload is not None
    assert log.events[0].payload["question"] == ASKED
    assert len({noted.request_id for noted in log.events}) == 1


@pytest.mark.parametrize("fails_on", ["task.received", "task.item", "task.released"])
def test_what_cannot_be_recorded_is_not_shown(fails_on: str, tmp_path: Path) -> None:
    log, shown = MemoryLog(fails_on=fails_on), []
    with pytest.raises(AuditError):
        for event in sweep.run(parts(log=log), request(folder=tmp_path)):
            shown.append(event)
    assert not any(isinstance(event, SweepResult) for event in shown)
    assert any(isinstance(event, Row) for event in shown) is (fails_on == "task.released")


def test_a_value_is_pointed_out_and_counted() -> None:
    texts = {
        f"default/{n}.txt": (str(n), f"{OTHER} The notice period is {period}.")
        for n, period in enumerate(("three months", "six months", "three months"))
    }
    texts["default/x.txt"] = ("X", "Coffee is free on Mondays.")
    result = result_of(
        parts(MemoryLibrary(texts)), request("What notice period does each contract have?")
    )
    assert result.kind == "value"
    assert [row.value for row in result.rows] == ["three months", "six months", "three months", ""]
    assert result.values == (("three months", 2), ("six months", 1))
    assert verdicts(result)["x.txt"] == "NOT_FOUND"


def test_those_without_it_are_named_where_these_were_asked_for() -> None:
    result = result_of(parts(), request("Which contracts lack an arbitration clause?"))
    assert result.absent
    assert verdicts(result)["a.txt"] == "FOUND"
    assert "NOT_FOUND" in result.sentence


def test_sources_collections_and_rights_narrow_it() -> None:
    assert verdicts(result_of(parts(), request(sources=("c.txt",)))) == {"c.txt": "FOUND"}
    board = replace(ANNA, groups=frozenset({"board"}))
    assert verdicts(result_of(parts(), request(asker=board))) == {"e.txt": "FOUND"}
    both = replace(ANNA, groups=frozenset({"board", "local"}))
    narrowed = request(asker=both, collections=frozenset({"board"}))
    assert verdicts(result_of(parts(), narrowed)) == {"e.txt": "FOUND"}
    nothing = result_of(parts(), request(asker=STRANGER))
    assert nothing.rows == ()
    assert "no document to read" in nothing.sentence
    log = MemoryLog()
    with pytest.raises(NotFound):
        result_of(parts(log=log), request(sources=("e.txt",)))
    assert log.types() == ["task.received", "task.failed"]


@pytest.mark.parametrize("question", ["", "  ", "x" * 4_001])
def test_a_question_that_cannot_be_taken_is_refused_and_recorded(question: str) -> None:
    log = MemoryLog()
    with pytest.raises(SweepRefused):
        result_of(parts(log=log), request(question))
    assert log.types() == ["task.received", "task.failed"]


def _incomplete() -> Completeness:
    return Completeness(
        pages=2, pages_with_text=1, pages_by_ocr=0, pages_unread=1, tables=0, characters=90,
        in_chunks=90,
    )  # fmt: skip


def test_what_was_not_read_whole_is_never_simply_not_found() -> None:
    library = shelf()
    for key, document in library.docs.items():
        library.docs[key] = replace(document, completeness=_incomplete())
    result = result_of(parts(library), request())
    rows = {row.source: row for row in result.rows}
    assert rows["b.txt"].verdict is Verdict.UNCLEAR
    assert "not read whole" in rows["b.txt"].reason
    assert rows["a.txt"].verdict is Verdict.FOUND
    assert all(row.warning for row in result.rows)


def test_what_is_not_in_force_is_not_asked() -> None:
    library = shelf()
    library.standing["a.txt"] = Standing(in_force=False)
    assert "a.txt" not in verdicts(result_of(parts(library), request()))


class Failing(MemoryLibrary):
    """A library that cannot read the pages of some documents."""

    broken: tuple[str, ...] = ()
    error: Exception = CatalogueBusy(1.0)

    def page(self, document_id: str, number: int, scope: Scope) -> Page:
        if self.docs[document_id].source in self.broken:
            raise self.error
        return super().page(document_id, number, scope)


@pytest.mark.parametrize("error", [CatalogueBusy(1.0), ValueError("odd page")])
def test_a_document_that_fails_is_a_row_that_says_why(error: Exception, tmp_path: Path) -> None:
    library, log = Failing(TEXTS, GRANTS), MemoryLog()
    library.broken, library.error = ("b.txt", "c.txt"), error
    asked = request(folder=tmp_path)
    result = result_of(parts(library, log), asked)
    assert [row.source for row in result.failed] == ["b.txt", "c.txt"]
    assert all(row.reason for row in result.failed)
    assert result.sentence.startswith("2 of 4 read, 2 failed: b.txt, c.txt.")
    library.broken = ()  # going on reads those that failed, and only those
    again = result_of(parts(library, log), asked)
    assert (again.resumed, again.failed) == (2, ())
    assert not list(tmp_path.iterdir())


def test_an_index_that_fails_as_a_whole_ends_the_sweep() -> None:
    texts = {f"default/{n}.txt": (str(n), f"{HOLDS} {n}") for n in range(9)}
    library, log = Failing(texts), MemoryLog()
    library.broken = tuple(f"{n}.txt" for n in range(9))
    with pytest.raises(CatalogueBusy):
        result_of(parts(library, log), request())
    assert log.types()[-1] == "task.failed"
    assert log.types().count("task.item") == 4


def test_an_interrupted_sweep_goes_on_where_it_was(tmp_path: Path) -> None:
    library, log, asked = shelf(), MemoryLog(), request(folder=tmp_path / "sweeps")
    whole = result_of(parts(), request())
    running = sweep.run(parts(library, log), asked)
    seen = [event for event, _ in zip(running, range(4), strict=False) if isinstance(event, Row)]
    running.close()
    assert log.types()[-1] == "task.failed"
    assert log.last("task.failed").fields["code"] == "CANCELLED"
    folder = tmp_path / "sweeps"
    assert waiting(folder, identity(asked)) == len(seen) == 2
    kept = (folder / f"{identity(asked)}.jsonl").read_text()
    assert "arbitration" not in kept
    assert "Binding" not in kept
    assert (folder / f"{identity(asked)}.jsonl").stat().st_mode & 0o077 == 0
    assert folder.stat().st_mode & 0o077 == 0
    searched = len(library.days)
    again = result_of(parts(library, log), asked)
    assert len(library.days) - searched == 2  # the other two
    assert again.resumed == 2
    assert [replace(row, resumed=False) for row in again.rows] == list(whole.rows)
    assert not list(folder.iterdir())


def test_fresh_begins_anew_and_another_question_has_rows_of_its_own(tmp_path: Path) -> None:
    asked = request(folder=tmp_path)
    running = sweep.run(parts(), asked)
    next(running), next(running)  # one row
    running.close()
    assert (
        result_of(parts(), replace(asked, question="Which contracts mention coffee?")).resumed == 0
    )
    assert result_of(parts(), replace(asked, fresh=True)).resumed == 0
    others = (
        replace(asked, asker=replace(ANNA, id="bob")),
        replace(asked, sources=("a.txt",)),
        replace(asked, collections=frozenset({"default"})),
        replace(asked, as_of="2025-06-30"),
        replace(asked, kind="find"),
    )
    assert len({identity(each) for each in (asked, *others)}) == 6


def test_rights_and_documents_are_looked_at_again_when_it_goes_on(tmp_path: Path) -> None:
    texts = {**TEXTS, "hr/f.txt": ("F", HOLDS)}
    library = MemoryLibrary(texts, {**GRANTS, "hr": frozenset({"local"})})
    asked = request(folder=tmp_path)
    running = sweep.run(parts(library), asked)
    for event in running:
        if isinstance(event, Row) and event.source == "f.txt":
            break
    running.close()
    library.grants["hr"] = frozenset()
    (changed,) = [key for key, each in library.docs.items() if each.source == "b.txt"]
    library.docs[changed] = replace(library.docs[changed], added_at="2026-02-02")
    (cited,) = [key for key, each in library.docs.items() if each.source == "a.txt"]
    library.texts[cited, 1] = Page(1, f"Coffee is free. {HOLDS}")
    log = MemoryLog()
    result = result_of(parts(library, log), asked)
    assert "f.txt" not in verdicts(result)
    assert result.dropped == 1
    assert "no longer yours to read" in result.sentence
    resumed = {row.source for row in result.rows if row.resumed}
    assert resumed == {"c.txt", "d.txt"}  # of b the state differs, of a the text that was cited
    for noted in log.events:
        assert "f.txt" not in json.dumps(dict(noted.payload or {}))


def test_rights_that_end_while_it_runs_end_what_is_shown() -> None:
    library = shelf()
    seen = []
    for event in sweep.run(parts(library), request()):
        seen.append(event)
        if isinstance(event, Row) and event.source == "b.txt":
            library.grants["default"] = frozenset()
    result = seen[-1]
    assert isinstance(result, SweepResult)
    assert {row.verdict for row in result.rows} == {Verdict.FAILED}
    assert not any(row.quote or row.citations for row in result.rows)


def test_a_page_that_changes_while_it_runs_fails_the_row() -> None:
    library = shelf()
    for event in sweep.run(parts(library), request()):
        if isinstance(event, Row) and event.source == "a.txt":
            library.texts[event.document, 1] = Page(1, "Something else altogether stands here.")
        if isinstance(event, SweepResult):
            assert verdicts(event)["a.txt"] == "FAILED"
            assert event.failed[0].quote == ""


def test_whoever_leaves_ends_it(tmp_path: Path) -> None:
    log = MemoryLog()
    events = list(sweep.run(parts(log=log), request(folder=tmp_path), lambda: len(log.events) > 2))
    assert not any(isinstance(event, SweepResult) for event in events)
    assert log.types() == ["task.received", "task.item", "task.item", "task.failed"]
    assert waiting(tmp_path, identity(request())) == 2


def test_a_torn_or_foreign_file_is_no_harm(tmp_path: Path) -> None:
    asked = request(folder=tmp_path)
    running = sweep.run(parts(), asked)
    [next(running) for _ in range(4)]
    running.close()
    path = tmp_path / f"{identity(asked)}.jsonl"
    path.write_bytes(path.read_bytes() + b'{"collection": "default", "docu')
    result = result_of(parts(), asked)
    assert (result.resumed, len(result.rows)) == (2, 4)
    path.write_bytes(b"\x00\xff nothing of ours\n")
    assert result_of(parts(), asked).resumed == 0


def test_one_sweep_is_run_by_one_process_at_a_time(tmp_path: Path) -> None:
    settings = {"day": "2026-01-01"}
    with Kept(tmp_path, "same", settings, False), pytest.raises(SweepRunning):
        Kept(tmp_path, "same", settings, False)


def test_the_tables_hold_every_row_and_no_formula() -> None:
    texts = {
        "default/=cmd.txt": ("@SUM(A1)", f"{HOLDS}"),
        "default/<b>.txt": ("<script>alert(1)</script>", OTHER),
    }
    result = result_of(parts(MemoryLibrary(texts)), request())
    rows = list(csv.DictReader(io.StringIO(sweep_table.to_csv(result))))
    assert [row["source"] for row in rows] == ["<b>.txt", "'=cmd.txt"]
    assert rows[1]["title"] == "'@SUM(A1)"
    assert rows[1]["quote"] == HOLDS
    for cell in ("=1+1", "+1", "-1", "@x", "\t=1", " =1"):
        assert sweep_table.harmless(cell).startswith("'")
    assert sweep_table.harmless("six - seven") == "six - seven"
    page = sweep_table.to_html(result, "<i>Which?</i>")
    assert "<script" not in page
    assert "<i>" not in page
    assert "&lt;b&gt;.txt" in page
    told = json.loads(sweep_table.to_json(result))
    assert [row["verdict"] for row in told["rows"]] == ["NOT_FOUND", "FOUND"]
    assert (told["found"], told["documents"]) == (1, 2)
