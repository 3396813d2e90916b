"""Which records an erasure concerns, what it leaves on record, and what the probe can see."""

from __future__ import annotations

import gzip
import sqlite3
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit import erasing, erasure, needles, probe, wording
from audit.erasing import Wanted
from audit.erasure import DOCUMENT, Subject, Work
from audit.errors import PayloadErasedError
from audit.errors_duties import ErasureRefusedError, ProbeFailedError
from audit.log import Log
from audit.record import Actor, Event
from tests.audit.standins import ANN, open_test_log, verify_home

BOB = Actor("person", "bob", auth="local-user")
DOC, OTHER = "d" * 64, "e" * 64
CHUNK = "c" * 32
TEXT = "Mr Ravenscroft left the firm on the last day of August after a quarrel about his pay."


@pytest.fixture
def log(home: Path) -> Iterator[Log]:
    with open_test_log(home) as opened:
        yield opened


def wanted(**more: frozenset[str]) -> Wanted:
    return Wanted(
        frozenset({DOC, CHUNK}), frozenset({"raven.txt"}), frozenset(wording.marks([TEXT])), **more
    )


def write(
    log: Log,
    kind: str,
    request: str,
    payload: dict[str, object] | None,
    actor: Actor = ANN,
    **fields: object,
) -> int:
    event = Event(kind, actor, fields, payload, request_id=request)  # type: ignore[arg-type]
    return log.append(event).seq


def test_a_request_that_relied_goes_whole_and_one_that_did_not_stays(log: Log) -> None:
    asked = write(log, "question.received", "r1", {"question": "why did he go"})
    prompt = write(log, "model.called", "r1", {"prompt": f"Passages: {TEXT.upper()}"})
    wrote = write(log, "model.finished", "r1", {"raw": "They fell out over money."})
    other = write(log, "question.received", "r2", {"question": "what is for lunch"})
    hits: dict[str, object] = {"hits": [{"source": "raven.txt"}, {"source": "menu.txt"}]}
    proposed = write(log, "answer.released", "r2", hits, chunks=[CHUNK])
    cited = write(log, "answer.released", "r3", {"text": "Soup."}, citations=[f"{DOC}:1:0:9"])
    found, _ = erasing.relying(log, wanted())
    assert found == (asked, prompt, wrote, proposed, cited)
    assert other not in found


def test_ingestion_and_tasks_lose_only_the_records_concerned(log: Log) -> None:
    run = write(log, "ingest.started", "run", {"paths": ["/folder"]})
    mine = write(log, "ingest.added", "run", {"source": "raven.txt"}, document=DOC)
    write(log, "ingest.added", "run", {"source": "menu.txt"}, document=OTHER)
    write(log, "task.received", "t", {"question": "who left"}, task="sweep")
    row = write(log, "task.item", "t", {"quote": TEXT}, task="sweep", document=DOC)
    called = write(log, "model.called", "t", {"prompt": f"Read: {TEXT}"}, task="sweep")
    write(log, "model.called", "t", {"prompt": "Read: Soup."}, task="sweep")
    write(log, "task.item", "t", {"quote": "Soup."}, task="sweep", document=OTHER)
    whole = write(log, "task.released", "t", {"verdicts": {DOC: "FOUND"}}, task="sweep")
    assert erasing.relying(log, wanted())[0] == (mine, row, called, whole)
    assert run not in erasing.relying(log, wanted())[0]


@pytest.mark.parametrize(
    ("told", "history"),
    [
        (
            "He left over a quarrel, the files say plainly.",
            "He left over a quarrel,\nthe files SAY",
        ),
        ("It was August.", "So: It was August. Yes?"),  # too short for a run of words
    ],
)
def test_a_later_turn_that_carries_the_answer_is_concerned(
    log: Log, told: str, history: str
) -> None:
    cited: dict[str, object] = {"text": told, "citations": [{"document": DOC}]}
    write(log, "answer.sentence", "r1", cited, citations=[f"{DOC}:1:0:9"])
    turns: dict[str, object] = {"question": "And then?", "history": [{"answer": history}]}
    later = write(log, "question.received", "r2", turns, BOB)
    after = write(log, "answer.released", "r2", {"text": "Nothing more."}, BOB)
    apart: dict[str, object] = {"question": "Eh?", "history": [{"answer": "It was in spring."}]}
    write(log, "question.received", "r3", apart, BOB)
    found, further = erasing.relying(log, wanted())
    assert {later, after} <= set(found)
    assert len(found) == 3
    # A turn that is asked while the erasure is under way is found by what was kept of the answers.
    erasing.destroy(log, found)
    newer = write(log, "question.received", "r4", turns, BOB)
    assert erasing.relying(log, further, newer)[0] == (newer,)


def test_a_persons_text_goes_with_their_requests_and_the_accounts_of_erasing_stay(log: Log) -> None:
    mine = write(log, "question.received", "r1", {"question": "q"}, BOB)
    answered = write(log, "answer.released", "r1", {"text": "a"}, Actor("system", "cloister"))
    write(log, "question.received", "r2", {"question": "q"})
    write(log, "hold.placed", "", {"reason": "a lawsuit"}, BOB)
    assert erasing.of_person(log, "bob") == (mine, answered)
    assert erasing.of_record(log, answered, whole_request=False) == (answered,)
    assert erasing.of_record(log, answered, whole_request=True) == (mine, answered)


def test_requests_under_way_are_those_that_have_no_end(log: Log) -> None:
    first = write(log, "question.received", "r1", None)
    write(log, "question.received", "r2", None)
    write(log, "task.received", "t1", None, task="sweep")
    write(log, "answer.sentence", "r1", None)
    write(log, "answer.failed", "r2", None)
    assert erasing.under_way(log, 0, 0) == {"r1", "t1"}
    assert erasing.under_way(log, first + 1, 0) == {"t1"}
    assert erasing.under_way(log, 0, 2**62) == frozenset()


def test_an_erasure_is_finished_from_its_list_alone(home: Path) -> None:
    with open_test_log(home) as log:
        one = write(log, "ingest.added", "run", {"source": "raven.txt"}, document=DOC)
        work = Work(
            (one,), wanted(), log.size(), (("default", "raven.txt"),), ("s1",), ("default",)
        )
        begun = erasure.begin(
            log, ANN, Subject(DOCUMENT, (DOC,)), work, basis="order", requested_by="R."
        )
        assert log.read_payload(begun.begun.seq) == {
            "requested_by": "R.",
            "reason": "",
            "documents": [DOC],
        }
    with open_test_log(home) as log:
        (found,) = erasure.unfinished(log)
        assert erasure.pending(log) == (found.id,)
        assert found.subject == Subject(DOCUMENT, (DOC,))
        assert erasure.work_of(log, found) == work
        erasing.destroy(log, work.records)
        erasure.widened(log, ANN, found, [7, 8, 11])
        known = erasure.probed(
            log, ANN, found, (), [one, 7, 8], needles=1, shared=0, marks=1, through=5
        )
        done = erasure.finish(log, ANN, known)
        assert erasure.widened_by(log, done) == (7, 8, 11)
        assert erasure.unfinished(log) == erasure.pending(log) == ()
        assert erasure.work_of(log, done) is None
        assert done.finished is not None
        assert erasure.fields_of(done.finished)["records"] == 3
        with pytest.raises(PayloadErasedError):
            log.read_payload(one)
    assert b"raven.txt" not in (home / "audit" / "log.db").read_bytes()
    assert verify_home(home).headline() == "OK"


def test_a_basis_that_is_none_begins_nothing(log: Log) -> None:
    before = log.size()
    with pytest.raises(ErasureRefusedError, match="gdpr-17-1-a"):
        erasure.begin(log, ANN, Subject("person"), Work(), basis="because", requested_by="R.")
    assert log.size() == before


def test_numbers_are_told_as_ranges_and_back() -> None:
    said = erasure.ranges([9, 3, 4, 5, 11, 11])
    assert said == ["3-5", "9", "11"]
    assert erasure.numbers(said) == [3, 4, 5, 9, 11]
    with pytest.raises(ErasureRefusedError):
        erasure.numbers(["4-x"])


# -- the probe ---------------------------------------------------------------------------------


def test_what_stays_is_no_needle() -> None:
    shared = "This sentence stands in both of the papers, word by word."
    made = needles.gather([TEXT, shared], lambda: [f"x {shared.upper()}", "left the fir tree"])
    assert made.marks == frozenset(wording.marks([TEXT]))
    assert made.shared == len(wording.marks([shared]))
    assert all(piece.decode().casefold() in TEXT.casefold() for piece in made.words[::2])
    assert "Raven" not in repr(made)


def test_a_piece_that_a_longer_word_of_what_stays_holds_is_no_needle() -> None:
    cut = "roft left the firm on the last day"  # the first word was cut somewhere
    made = needles.gather([cut], lambda: ["Ravencroft left the firm on Monday"])
    assert not any(piece.startswith(b"roft left the firm on") for piece in made.words)


def test_raw_pieces_that_other_files_hold_are_left_out() -> None:
    header = bytes(range(200))
    made = needles.gather([], list, [header + b"the only line that is not a header of a file"])
    left = needles.without(made, [header])
    assert left.raw
    assert all(each not in header for each in left.raw)
    assert left.shared == len(made.raw) - len(left.raw)


def test_the_probe_sees_into_every_kind_of_file(home: Path) -> None:
    needle, wide = b"Mr Ravenscroft left the firm", "Mr Ravenscroft left".encode("utf-16-le")
    (home / "tmp").mkdir()
    (home / "tmp" / "copy").write_bytes(b"x" * (8 << 20) + b"\n" + needle)  # across two pieces
    (home / "tmp" / "edge").write_bytes(b"x" * ((8 << 20) - 5) + needle)
    (home / "notes").write_bytes(gzip.compress(needle))
    (home / "sweeps").mkdir()
    (home / "sweeps" / DOC).write_bytes(b"")
    with zipfile.ZipFile(home / "pack.bin", "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("inner", wide * 9)
    database = sqlite3.connect(home / "catalogue.db")
    database.execute("CREATE TABLE t (text)")
    filler = "y" * 4060  # so that the text lies across two pages of the file
    database.execute("INSERT INTO t VALUES (?)", (filler + needle.decode() + filler,))
    database.commit()
    database.close()
    found = {each.name: each for each in probe.search(home, [needle, wide], [DOC.encode()])}
    assert {name: each.found for name, each in found.items()} == {
        "temporary files": 1,
        "other files": 2,
        "sweeps": 1,
        "catalogue": 1,
    }
    assert set(found["temporary files"].where) == {"tmp/copy", "tmp/edge"}
    assert found["temporary files"].needles == 3


def test_ids_may_stay_in_the_log_and_nothing_else_may(home: Path) -> None:
    (home / "audit").mkdir()
    (home / "audit" / "log.db").write_bytes(DOC.encode() + b" Mr Ravenscroft left")
    (place,) = probe.search(home, [b"Mr Ravenscroft"], [DOC.encode()])
    assert (place.name, place.needles, place.found) == ("audit log", 1, 1)


def test_a_file_that_cannot_be_searched_fails_the_probe(home: Path) -> None:
    (home / "catalogue.db").write_bytes(b"SQLite format 3\0" + b"\0" * 84)
    with pytest.raises(ProbeFailedError, match="--resume"):
        probe.search(home, [b"Mr Ravenscroft"])
