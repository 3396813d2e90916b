"""`cloister audit stream` and `cloister audit reconcile` over a real log, catalogue and socket."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
import typer

from audit.errors import LogMissingError, SettingsError
from ingest import effects
from tests.audit.receivers import tcp_receiver
from tests.ingest.standins import hash_index, ingestor, log_in, policy
from ui import cli_audit_reconcile, cli_audit_stream
from ui.context import Shared


@pytest.fixture
def call(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    """Runs a command for `home`; gives its exit code, or raises what it raises."""
    app = typer.Typer()

    @app.callback()
    def options(context: typer.Context) -> None:
        context.obj = Shared(home)

    cli_audit_stream.register(app)
    cli_audit_reconcile.register(app)
    monkeypatch.setattr("ingest.compose.open_index", hash_index)  # needs no model
    return lambda *words: app(args=list(words), standalone_mode=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files, two of them with the same bytes."""
    folder = tmp_path / "documents"
    folder.mkdir()
    for name, words in (("a.md", "six years"), ("b.md", "ten years"), ("c.md", "ten years")):
        (folder / name).write_text(policy(words))
    return folder


def _add(home: Path, folder: Path, log_of: Path | None = None) -> None:
    with log_in(log_of or home) as log, ingestor(home, log) as ingest:
        ingest.add([folder])


def _outcome(call: Callable[..., object], capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    capsys.readouterr()
    code = call("reconcile", "--json")
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    assert (code or 0) == (0 if found["balanced"] else 7)
    return found


def _last(home: Path, kind: str) -> dict[str, object]:
    with log_in(home) as log:
        found = [leaf for leaf in log.scan() if leaf.type == kind]
    fields: dict[str, object] = json.loads(found[-1].envelope)["fields"]
    return fields


@pytest.mark.slow  # several runs, each with reading processes
def test_every_version_has_its_record_whatever_was_done(
    home: Path, folder: Path, call: Callable[..., object], capsys: pytest.CaptureFixture[str]
) -> None:
    with log_in(home) as log, ingestor(home, log) as ingest:
        ingest.add([folder])
        assert _outcome(call, capsys)["versions"]["observed"] == 2  # type: ignore[index]
        (folder / "a.md").write_text(policy("seven years"))
        ingest.add([folder])
        (folder / "a.md").write_text(policy("six years"))  # bytes that come back: no third version
        ingest.add([folder])
        ingest.remove("b.md")  # c.md holds these bytes still
        found = _outcome(call, capsys)["versions"]
        assert (found["recorded"], found["observed"], found["pending"]) == (3, 3, 0)  # type: ignore[index]
        ingest.remove("a.md")
        ingest.remove("c.md")
    assert _outcome(call, capsys)["versions"]["observed"] == 0  # type: ignore[index]
    assert _last(home, "audit.reconciled")["balanced"] is True
    assert call("reconcile") in (0, None)
    assert capsys.readouterr().out.endswith("Balanced.\n")


@pytest.mark.slow  # several runs, each with reading processes
def test_what_bypassed_the_log_is_named_and_recorded(
    home: Path,
    folder: Path,
    tmp_path: Path,
    call: Callable[..., object],
    capsys: pytest.CaptureFixture[str],
) -> None:
    _add(home, folder)
    planted = tmp_path / "planted"
    planted.mkdir()
    (planted / "x.md").write_text(policy("no time at all"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    _add(home, planted, log_of=elsewhere)  # a program that records nothing here
    with log_in(elsewhere) as log, ingestor(home, log) as ingest:
        ingest.remove("a.md")
    found = _outcome(call, capsys)
    assert found["versions"]["recorded"] == found["versions"]["observed"]  # type: ignore[index]
    (unrecorded,), (missing,) = (
        found["versions"]["unrecorded"],  # type: ignore[index]
        found["versions"]["missing"],  # type: ignore[index]
    )
    assert unrecorded["collection"] == missing["collection"] == "default"
    told = _last(home, "audit.reconciled")
    assert told["balanced"] is False
    assert told["unrecorded"] == [f"default:{unrecorded['document']}"]
    assert call("reconcile") == 7
    shown = capsys.readouterr().out
    assert f"NOT RECORDED: document {unrecorded['document']}" in shown
    assert f"NOT IN THE CATALOGUE: document {missing['document']}" in shown


def test_a_crash_between_commit_and_record_is_explained_and_then_mended(
    home: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: Callable[..., object],
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Killed(BaseException):
        pass

    def kill(*_: object, **__: object) -> NoReturn:
        raise Killed

    with monkeypatch.context() as patched, log_in(home) as log, ingestor(home, log) as ingest:
        ingest.add([folder / "a.md"])
        patched.setattr(effects, "record_changes", kill)
        with pytest.raises(Killed):
            ingest.add([folder / "b.md"])
    found = _outcome(call, capsys)
    assert (found["balanced"], found["versions"]["pending"]) == (True, 1)  # type: ignore[index]
    _add(home, folder)
    found = _outcome(call, capsys)
    assert (found["balanced"], found["versions"]["pending"]) == (True, 0)  # type: ignore[index]


def test_streaming_says_what_was_sent_and_goes_on_from_there(
    home: Path, call: Callable[..., object], capsys: pytest.CaptureFixture[str]
) -> None:
    with log_in(home) as log:
        size = log.size()
    with tcp_receiver() as receiver:
        words = ("stream", "--to", receiver.address, "--format", "jsonl")
        call(*words, "--json")
        said = json.loads(capsys.readouterr().out)
        assert (said["first"], said["outcome"]) == (0, "done")
        assert said["count"] > size
        call(*words)
        assert f"Sent records {said['last'] + 1} to " in capsys.readouterr().out
        numbers = [json.loads(line)["seq"] for line in b"".join(receiver.received).splitlines()]
        assert numbers == list(range(len(numbers)))
        with pytest.raises(SettingsError, match="no format"):
            call("stream", "--to", receiver.address, "--format", "xml")
    with pytest.raises(SettingsError, match="neither loopback nor private"):
        call("stream", "--to", "tcp:8.8.8.8:514")


def test_following_ends_in_order_when_it_is_told_to(
    home: Path, call: Callable[..., object], capsys: pytest.CaptureFixture[str]
) -> None:
    with log_in(home):
        pass
    with tcp_receiver() as receiver:

        def end() -> None:
            receiver.wait_for(1)
            time.sleep(0.02)
            os.kill(os.getpid(), signal.SIGTERM)

        threading.Thread(target=end).start()
        call("stream", "--to", receiver.address, "--follow", "--json")
    assert json.loads(capsys.readouterr().out)["outcome"] == "stopped"
    assert _last(home, "log.exported")["stage"] == "ended"


def test_neither_begins_a_log(home: Path, call: Callable[..., object]) -> None:
    for words in (("stream", "--to", "tcp:127.0.0.1:9"), ("reconcile",)):
        with pytest.raises(LogMissingError):
            call(*words)
    assert not (home / "audit").exists()
