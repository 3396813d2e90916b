"""`cloister keys`, and what `cloister serve` refuses before it opens anything."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tests.ui.serving import free_port
from ui import listening
from ui.api_keys import FILE, KeyFile
from ui.cli_serve import api_of
from ui.errors import PortTaken, SettingsError
from ui.main import run


def cloister(home: Path, *words: str) -> int:
    return run(["--home", str(home), *words])


def records(home: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    assert cloister(home, "audit", "list", "--json") == 0
    return [json.loads(line)["type"] for line in capsys.readouterr().out.splitlines()]


def test_a_key_is_printed_once_listed_without_its_secret_and_revoked(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--group", "legal", "--group", "board", "--expires", "30", "--note", "intranet"]
    assert cloister(home, "keys", "add", "anna", *words) == 0
    printed = capsys.readouterr()
    secret = printed.out.strip()
    assert secret.startswith("clst_") and "\n" not in secret
    assert "only time" in printed.err and secret not in printed.err
    found = KeyFile(home).find(secret).key
    assert found is not None and found.groups == ("board", "legal")

    assert cloister(home, "keys", "list", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["id"] == found.id
    assert listed["state"] == "valid"
    assert listed["note"] == "intranet"
    assert listed["last_used"] is None
    assert "sha256" not in listed and secret not in json.dumps(listed)

    assert cloister(home, "keys", "revoke", found.id) == 0
    assert KeyFile(home).find(secret).refusal == "revoked"
    assert cloister(home, "keys", "list") == 0
    assert "revoked" in capsys.readouterr().out
    kinds = records(home, capsys)
    assert kinds.index("key.added") < kinds.index("key.revoked")
    for path in home.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes()


def test_without_groups_a_key_reads_what_the_terminal_reads(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cloister(home, "keys", "add", "anna", "--json") == 0
    made = json.loads(capsys.readouterr().out)
    assert made["groups"] == ["local"]
    assert KeyFile(home).find(made["key"]).refusal is None


def test_names_and_keys_that_are_none_are_refused(home: Path) -> None:
    assert cloister(home, "keys", "add", "a\nb") == 2
    assert cloister(home, "keys", "revoke", "nothing") == 2
    assert cloister(home, "keys", "add", "anna", "--expires", "0") == 2


def test_no_record_no_key(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.ui.standins import FullDisk

    def full(*_: object) -> None:
        raise FullDisk("The disk is full, so nothing can be recorded; free some space.")

    monkeypatch.setattr("audit.log.Log.append", full)
    assert cloister(home, "keys", "add", "anna") == 7
    assert not (home / FILE).exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "8.8.8.8", "::", "everywhere"])  # noqa: S104 - refused
def test_addresses_that_the_world_can_reach_are_refused(home: Path, host: str) -> None:
    (home / "cloister.toml").write_text(f'[ui]\nhost = "{host}"\n')
    assert cloister(home, "serve") == 3
    assert not (home / "audit").exists()
    with pytest.raises(SettingsError):
        listening.checked_address(host)


def test_a_network_is_served_by_tls_or_on_purpose_only(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "cloister.toml").write_text('[ui]\nhost = "10.1.2.3"\n')
    assert cloister(home, "serve") == 3
    assert "--certificate" in capsys.readouterr().err
    # On purpose it gets as far as the address, which this machine does not have.
    assert cloister(home, "serve", "--unencrypted") == 3
    assert "--port" in capsys.readouterr().err


def test_a_certificate_that_cannot_serve_is_refused(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "x.pem"
    file.write_text("no certificate")
    assert cloister(home, "serve", "--certificate", str(file)) == 2
    assert cloister(home, "serve", "--private-key", str(file)) == 2
    both = ("--certificate", str(file), "--private-key", str(file))
    assert cloister(home, "serve", *both) == 3
    missing = ("--certificate", str(file), "--private-key", str(tmp_path / "none"))
    assert cloister(home, "serve", *missing) == 3
    assert "PEM" in capsys.readouterr().err


def test_a_taken_port_is_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert cloister(home, "serve", "--port", str(port)) == 3
        assert "--port" in capsys.readouterr().err
        with pytest.raises(PortTaken):
            listening.opened("127.0.0.1", port)


def test_the_port_can_be_taken_again_at_once() -> None:
    port = free_port()
    for _ in range(3):
        with listening.opened("127.0.0.1", port) as server:
            client = socket.create_connection(("127.0.0.1", port))
            server.accept()[0].close()
            client.close()


def test_the_chat_can_take_the_api_in(home: Path) -> None:
    from starlette.testclient import TestClient

    from audit.compose import open_log
    from tests.ui.standins import ScriptedAssistant

    with open_log(home) as log:
        api = api_of(home, log, ScriptedAssistant(), ("10.1.2.3",), 7860)
        for name in ("127.0.0.1", "localhost", "10.1.2.3"):
            web = TestClient(api, base_url=f"http://{name}:7860")
            assert web.get("/health").status_code == 200
        web = TestClient(api, base_url="http://10.1.2.4:7860")
        assert web.get("/health").status_code == 421
        api.stop(1)
