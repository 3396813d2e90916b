"""`cloister erase` over a real index and log: what is asked for, refused, erased and certified."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import typer

from audit import certificate, certifying, holds
from audit.compose import open_log
from audit.holds import Scope
from audit.keys import read_verifier_keys
from audit.record import Event
from audit.store import Filter
from index.document import Scope as Reach
from ingest.pipeline import Ingestor
from tests.audit.standins import ANN, verify_home
from tests.index.standins import LOCAL, new_document
from tests.ingest.standins import hash_index, ingestor
from tests.ui import erasing_world as world
from ui import cli_erase, composition, main
from ui.erasing import unfinished
from ui.forgetting import Forgetting

TEXT = "Mr Ravenscroft left the firm on the last day of August after a quarrel about his pay."
OTHER = "The canteen serves soup on Mondays and the price of it has not been raised for years."
ASK = ["--basis", "gdpr-17-1-a", "--requested-by", "Mr R.", "--yes"]


@pytest.fixture
def used(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with two documents, and a question about one of them."""

    @contextmanager
    def opened(at: Path) -> Iterator[Ingestor]:
        with open_log(at) as log, ingestor(at, log) as found:  # type: ignore[arg-type]
            yield found

    monkeypatch.setattr(composition, "ingestor", opened)
    commands = list(main.app.registered_commands)
    monkeypatch.setattr(main.app, "registered_commands", commands)
    if "erase" not in [each.name for each in commands]:
        cli_erase.register(main.app)
    with hash_index(home) as index:
        index.ensure_collection("default", LOCAL)
        document = index.put(new_document(TEXT, "raven.txt")).id
        index.put(new_document(OTHER, "menu.txt"))
        index.refresh()
    with open_log(home) as log:
        asked: dict[str, object] = {"question": "Why did Mr Ravenscroft leave?"}
        log.append(Event("question.received", ANN, {}, asked, request_id="r1"))
        fields = {"citations": [f"{document}:1:0:9"]}
        log.append(Event("answer.released", ANN, fields, {"text": TEXT}, request_id="r1"))
        log.append(Event("question.received", ANN, {}, {"question": OTHER}, request_id="r2"))
    return home


def run(home: Path, *words: str) -> int:
    return main.run(["--home", str(home), "erase", *words])


def payloads(home: Path) -> str:
    """All that can be read of the log's payloads, but the accounts of the erasures themselves."""
    with open_log(home) as log:
        return "\n".join(
            str(log.read_payload(leaf.seq))
            for leaf in log.scan()
            if not leaf.type.startswith("erasure.") and not log.payload_erased(leaf)
        )


def certified(home: Path) -> certificate.Verified:
    (file,) = (home / "audit" / certifying.FOLDER).iterdir()
    return certificate.verify(file.read_bytes(), read_verifier_keys(home / "audit" / "keys"))


def test_a_document_goes_everywhere_and_is_certified(
    used: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert b"Ravenscroft" in (used / "catalogue.db").read_bytes()
    assert run(used, "--document", "raven.txt", *ASK, "--reason", "he asked", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["probe"]["found"] == 0
    assert said["probe"]["needles"] > 50
    for path in used.rglob("*"):
        if path.is_file():
            assert b"Ravenscroft" not in path.read_bytes(), path
            assert b"raven.txt" not in path.read_bytes(), path
    assert "Ravenscroft" not in payloads(used)
    assert "canteen" in payloads(used)
    with hash_index(used) as index:
        left = index.all_documents(Reach(frozenset({"default"})))
        assert [each.source for each in left] == ["menu.txt"]
        assert index.verify() == []
    verified = certified(used)
    assert (verified.kind, verified.found, verified.records) == ("document", 0, said["records"])
    assert verify_home(used).headline() == "OK"


@pytest.mark.slow
def test_a_person_and_a_record(used: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_log(used) as log:
        asked = log.leaves(Filter("question.received"))
    assert run(used, "--record", str(asked[1].seq), *ASK) == 0
    assert "canteen" not in payloads(used)
    assert "Ravenscroft" in payloads(used)
    assert run(used, "--record", str(asked[0].seq), "--request", *ASK) == 0
    assert "'question'" not in payloads(used)
    assert run(used, "--person", "ann", *ASK) == 2  # nothing of hers is left
    assert "has a payload that lives" in capsys.readouterr().err
    with open_log(used) as log:
        log.append(Event("question.received", ANN, {}, {"question": "More?"}, request_id="r9"))
    assert run(used, "--person", "ann", *ASK) == 0
    assert "More?" not in payloads(used)
    assert "Certificate: " in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["document", "person", "request"])
def test_a_hold_comes_first(used: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    with hash_index(used) as index:
        document = index.all_documents(Reach(frozenset({"default"})))[1].id
    value = {"document": document, "person": "ann", "request": "r1"}[kind]
    with open_log(used) as log:
        holds.place(log, ANN, Scope(kind, value), matter="M-1", reason="a lawsuit")
        before = log.counters()
    assert run(used, "--document", "raven.txt", *ASK) == 2
    assert "hold" in capsys.readouterr().err
    assert run(used, "--person", "ann", *ASK) == 2
    assert "Ravenscroft" in payloads(used)
    with open_log(used) as log:
        assert "erasure.begun" not in log.counters()
        assert before["hold.placed"] == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "one of --document"),
        (["--document", "raven.txt", "--person", "ann", *ASK], "one of --document"),
        (["--document", "raven.txt", "--request", *ASK], "--record"),
        (["--person", "ann", "--collection", "default", *ASK], "--document"),
        (["--document", "raven.txt", "--requested-by", "R.", "--yes"], "gdpr-17-1-e"),
        (["--document", "raven.txt", "--basis", "order", "--yes"], "who asked"),
        (["--document", "raven.txt", *ASK[:-1]], "--yes"),
        (["--document", "missing.txt", *ASK], "ingest list"),
        (["--record", "4711", *ASK], "4711"),
        (["--record", "0", *ASK], "no payload"),
    ],
)
def test_what_cannot_be_taken_erases_nothing(
    used: Path, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(used, *words) == 2
    assert says in capsys.readouterr().err
    assert "Ravenscroft" in payloads(used)


def test_where_there_is_no_log_none_is_begun(home: Path) -> None:
    assert run_plain(home) == 7
    assert not (home / "audit").exists()


def run_plain(home: Path) -> int:
    app = typer.Typer(pretty_exceptions_enable=False)
    cli_erase.register(app)
    try:
        with cli_erase._opened(home):
            return 0
    except Exception as error:  # noqa: BLE001 - its exit code is what is asked for
        return int(getattr(error, "exit_code", 1))


@pytest.mark.slow
def test_a_copy_that_was_overlooked_is_found_and_resume_ends_it(
    used: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = used / "tmp" / "kept-by-mistake"
    copy.parent.mkdir(exist_ok=True)
    copy.write_text(f"x{TEXT}")
    assert run(used, "--document", "raven.txt", *ASK) == 4
    said = capsys.readouterr().err
    assert "tmp/kept-by-mistake" in said
    assert "--resume" in said
    with open_log(used) as log:
        assert len(unfinished(log)) == 1
        assert "erasure.finished" not in log.counters()
    copy.unlink()
    assert run(used, "--resume") == 0
    assert certified(used).found == 0
    assert run(used, "--resume") == 0
    assert "No erasure is unfinished." in capsys.readouterr().out


def test_a_server_forgets_when_an_erasure_begins_and_when_it_ends(home: Path) -> None:
    forgotten: list[int] = []
    with open_log(home) as log:
        watch = Forgetting(log, lambda: forgotten.append(1))
        assert not watch.check()
        for kind in ("erasure.begun", "erasure.finished"):
            log.append(Event(kind, ANN))
            assert watch.check()
            assert not watch.check()
    assert forgotten == [1, 1]


# -- after real use ----------------------------------------------------------------------------


@pytest.mark.slow
def test_after_real_use_no_byte_of_what_was_erased_is_left(tmp_path: Path) -> None:
    """Every kind of file, versions, a mail with its attachment, a withdrawn and a quarantined one;
    questions, follow-ups that carry answers on, searches, tasks and sweeps left half way."""
    home = tmp_path / "home"
    home.mkdir()
    world.use(home, tmp_path / "folder")
    erased: list[str] = []
    for source, words in world.WORDS.items():
        if source == "mail.eml/appraisal.txt":
            continue  # it goes with its mail
        outcome = world.erase(home, source)
        erased += words
        if source == "mail.eml":
            erased += world.WORDS["mail.eml/appraisal.txt"]
        if source == "personnel/ferncastle.txt":
            erased += world.OLD_WORDS
        assert outcome.certificate["probe"]["found"] == 0  # type: ignore[index]
        left = world.found(home, erased)
        # What people typed is theirs, not the document's: it goes with `--person` or `--record`.
        typed = {"task.received", "search.received"}
        assert {place.split(" ")[-1] for each in left.values() for place in each} <= typed
        keys = read_verifier_keys(home / "audit" / "keys")
        assert certificate.verify(outcome.file.read_bytes(), keys).found == 0
        assert verify_home(home).headline() == "OK"
    world.erase(home, "broken-vexingtonian.pdf")
    assert world.found(home, ["vexingtonian"]) == {}
    assert world.found(home, world.KEPT_WORDS)
    for person in ("anna", "bert"):
        world.erase(home, person, person=True)
    assert world.found(home, erased) == {}
    assert verify_home(home).headline() == "OK"
    with world.opened(home) as (_, ingest):
        assert [each.source for each in ingest.list(every=True)] == ["keeper.md"]
        assert ingest.verify() == ()
