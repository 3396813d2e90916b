"""`cloister models` over a real home: what each command says, records and refuses."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from assistant.shelf import DEFAULT_NAME, DEFAULT_SHA256, Shelf
from tests.assistant.standins import gguf_bytes, gguf_string, model_file
from ui.main import run

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A tiny model outside the home."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    path = folder / "Tiny.gguf"
    path.write_bytes(gguf_bytes("Tiny", pairs=[("general.license", 8, gguf_string("mit"))]))
    return path


def cloister(home: Path, *arguments: object) -> int:
    return run(["--home", str(home), "models", *map(str, arguments)])


def recorded(home: Path, capsys: Capture) -> list[tuple[str, dict[str, object]]]:
    """What the log has about models."""
    capsys.readouterr()
    assert run(["--home", str(home), "audit", "list", "--type", "model.*", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    return [(entry["type"], entry["fields"]) for entry in map(json.loads, lines)]


def listed(home: Path, capsys: Capture, *arguments: str) -> dict[str, object]:
    capsys.readouterr()
    assert cloister(home, "list", "--json", *arguments) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_the_default_model_is_listed_with_the_keys_programs_know(
    home: Path, capsys: Capture
) -> None:
    found = listed(home, capsys)
    assert (found["name"], found["sha256"]) == (DEFAULT_NAME, DEFAULT_SHA256)
    assert (found["architecture"], found["quantization"], found["context"]) == (
        "llama",
        "Q4_1",
        8192,
    )
    assert (found["verified"], found["default"], found["chosen"]) == (True, True, "default")
    assert Path(str(found["path"])).stat().st_size == found["bytes"]
    assert cloister(home, "list", "--no-verify") == 0
    shown = capsys.readouterr().out
    assert DEFAULT_NAME in shown and "the default" in shown and "not checked" in shown


def test_a_model_is_added_chosen_listed_and_removed(
    home: Path, model: Path, capsys: Capture
) -> None:
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    assert cloister(home, "add", model, "--name", "mine", "--sha256", digest.upper()) == 0
    said = capsys.readouterr().out
    assert digest in said and "cloister models use mine" in said
    assert cloister(home, "add", model) == 0
    assert "as mine already" in capsys.readouterr().out
    assert cloister(home, "use", "mine") == 0
    assert "running chat" in capsys.readouterr().out
    (home / "models" / "stray.gguf").write_bytes(b"x")
    found = listed(home, capsys, "--no-verify")
    assert (found["name"], found["chosen"], found["licence"]) == ("mine", "shelf", "mit")
    assert found["verified"] is None
    assert [(each["name"], each["in_use"]) for each in found["models"]] == [  # type: ignore[attr-defined]
        (DEFAULT_NAME, False),
        ("mine", True),
    ]
    assert found["orphans"] == [{"file": "stray.gguf", "bytes": 1}]
    assert cloister(home, "list", "--no-verify") == 0
    assert "stray.gguf" in capsys.readouterr().out
    assert cloister(home, "remove", "mine") == 3
    assert "in use" in capsys.readouterr().err
    assert cloister(home, "use", DEFAULT_NAME, "--json") == 0
    assert json.loads(capsys.readouterr().out)["before"] == "mine"
    assert cloister(home, "remove", "mine", "--json") == 0
    assert json.loads(capsys.readouterr().out)["sha256"] == digest
    events = recorded(home, capsys)
    assert [kind for kind, _ in events] == [
        "model.added",
        "model.chosen",
        "model.chosen",
        "model.removed",
    ]
    known = {"name": "mine", "sha256": digest, "bytes": model.stat().st_size, "licence": "mit"}
    assert events[0][1] == known | {"source": "file"}
    assert events[1][1] == {"name": "mine", "sha256": digest, "before": DEFAULT_NAME}
    assert events[3][1] == known


def test_what_a_person_says_of_a_model_is_kept(home: Path, model: Path, capsys: Capture) -> None:
    options = ["--chat-format", "chatml", "--no-thinking", "--licence", "ours", "--json"]
    assert cloister(home, "add", model, *options) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["chat_format"], found["thinking"], found["licence"]) == ("chatml", False, "ours")
    assert found["new"] is True
    assert found["added_by"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["add", "gone.gguf"], 3, "gone.gguf"),
        (["add", "{model}", "--sha256", "12"], 2, "64 hexadecimal"),
        (["add", "{model}", "--sha256", "0" * 64], 3, "not the file that you expect"),
        (["add", "{model}", "--name", "../x"], 3, "--name"),
        (["add", "{model}", "--chat-format", "chatlm"], 3, "chatml"),
        (["add", "{folder}"], 3, "docs/encoders.md"),
        (["use", "nobody"], 3, "models list"),
        (["remove", "nobody"], 3, "models list"),
        (["remove", DEFAULT_NAME], 3, "belongs to the installation"),
        (["fetch", "http://example.org/x.gguf", "--yes"], 3, "https://"),
        (["fetch", "https://example.org/x.gguf"], 2, "--yes"),
    ],
)
def test_a_refusal_is_one_sentence(
    home: Path, model: Path, arguments: list[str], code: int, words: str, capsys: Capture
) -> None:
    filled = [each.format(model=model, folder=model.parent) for each in arguments]
    assert cloister(home, *filled) == code
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("cloister: ")
    assert words in said
    assert Shelf(home).entries() == ()


def test_an_altered_model_is_shown_and_ends_with_3(
    home: Path, model: Path, capsys: Capture
) -> None:
    assert cloister(home, "add", model) == 0
    assert cloister(home, "use", "tiny") == 0
    path = home / "models" / "tiny.gguf"
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    capsys.readouterr()
    assert cloister(home, "list") == 3
    said = capsys.readouterr()
    assert "altered" in said.out
    assert "was altered (SHA-256" in said.err


def test_a_setting_wins_and_use_says_which_line_to_remove(
    home: Path, model: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = home / "models"
    folder.mkdir()
    named = model_file(folder, "Named")
    settings = f'[assistant]\nmodel = "Named.gguf"\nmodel_sha256 = "{named.sha256}"\n'
    (home / "cloister.toml").write_text(settings)
    found = listed(home, capsys)
    assert (found["chosen"], found["default"], found["path"]) == (
        "settings",
        False,
        str(named.path),
    )
    assert (found["verified"], found["orphans"], found["title"]) == (True, [], "Named")
    assert cloister(home, "use", DEFAULT_NAME) == 3
    assert "`model` and `model_sha256`" in capsys.readouterr().err
    assert cloister(home, "add", named.path) == 0
    assert cloister(home, "remove", "named") == 3
    (home / "cloister.toml").unlink()
    monkeypatch.setenv("CLOISTER_ASSISTANT_MODEL", "Named.gguf")
    assert cloister(home, "use", "named") == 3
    assert "CLOISTER_ASSISTANT_MODEL" in capsys.readouterr().err


def test_what_cannot_be_recorded_does_not_happen(
    home: Path, model: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audit.errors import LogLockedError
    from audit.log import Log

    assert cloister(home, "list", "--no-verify") == 0

    def refuse(self: Log, event: object) -> None:
        raise LogLockedError(home / "audit" / "log.db")

    with monkeypatch.context() as patched:
        patched.setattr(Log, "append", refuse)
        assert cloister(home, "add", model) == 7
    assert Shelf(home).entries() == ()
    assert not list((home / "models").glob("*.gguf"))


def test_plan_says_what_a_model_on_the_shelf_takes(
    home: Path, tmp_path: Path, capsys: Capture
) -> None:
    from tests.assistant import tiny_gguf

    path = tmp_path / "tiny.gguf"
    tiny_gguf.build(path, "phi-3")
    assert cloister(home, "add", path) == 0
    capsys.readouterr()
    for arguments in (["tiny"], [], ["tiny", "--context", 512, "--sequences", 2]):
        assert cloister(home, "plan", *arguments, "--json") == 0
        assert isinstance(json.loads(capsys.readouterr().out), dict)
    assert cloister(home, "plan", "tiny", "--gpu-layers", 0, "--kv-cache", "q8_0") == 0
    assert cloister(home, "plan", "tiny", "--kv-cache", "q4") == 2
    assert cloister(home, "plan", "nobody") == 3
    assert "models list" in capsys.readouterr().err


def test_bench_hands_on_what_was_asked_for(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ui import show_bench

    asked: list[dict[str, object]] = []

    def bench(home: Path, name: str, **options: object) -> None:
        asked.append({"home": home, "name": name} | options)

    monkeypatch.setattr(show_bench, "bench", bench)
    assert cloister(home, "bench", "mine", "--people", "1, 3", "--rounds", 2, "--json") == 0
    expected = {"home": home, "name": "mine", "people": [1, 3], "rounds": 2, "json": True}
    assert asked == [expected | {"written": 64, "passages": 700}]


@pytest.mark.parametrize("people", ["0", "1,1", "x", "1,99"])
def test_bench_refuses_numbers_of_people_that_nothing_can_be_measured_with(
    home: Path, people: str, capsys: Capture
) -> None:
    assert cloister(home, "bench", "--people", people) == 2
    assert "--people" in capsys.readouterr().err


def test_known_models_are_listed_for_this_machine(home: Path, capsys: Capture) -> None:
    assert cloister(home, "recommend") == 0
    shown = capsys.readouterr().out
    assert "Qwen3-4B" in shown and "Vectara" in shown and "Apache-2.0" in shown
    assert cloister(home, "recommend", "--json") == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"Mixtral-8x7B-Instruct-v0.1", "Phi-4-mini-instruct"} <= {each["name"] for each in found}
    for each in found:
        assert (each["bytes_memory"] is None) == (each["fits"] == "")
        assert bool(each["reason"]) == (each["fits"] == "")


# --- fetching -----------------------------------------------------------------------------------


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[str]:
    """Address of a model on a loopback mirror."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / "Tiny.gguf").write_bytes(gguf_bytes("Mirrored"))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object, **named: object) -> None:
            super().__init__(*arguments, directory=str(folder), **named)  # type: ignore[arg-type]

        def log_message(self, *arguments: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/Tiny.gguf"
    server.shutdown()
    server.server_close()


def test_a_model_is_fetched_with_yes_and_recorded(home: Path, mirror: str, capsys: Capture) -> None:
    digest = hashlib.sha256(gguf_bytes("Mirrored")).hexdigest()
    assert cloister(home, "fetch", mirror, "--yes", "--json", "--sha256", digest) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["source"] == mirror
    assert "will connect to 127.0.0.1" in said.err and "The file has" in said.err
    assert cloister(home, "fetch", mirror, "--sha256", digest) == 0  # there already: no question
    assert "already" in capsys.readouterr().out
    events = recorded(home, capsys)
    assert [kind for kind, _ in events] == ["model.fetch_asked", "model.fetched"]
    assert events[0][1]["path"] == "/Tiny.gguf"
    assert events[1][1]["source"] == mirror


def test_a_person_is_asked_twice_and_may_say_no(
    home: Path, mirror: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    answers = [False, True, False, True, True]

    def confirm(text: str, err: bool) -> bool:
        asked.append(text)
        return answers.pop(0)

    monkeypatch.setattr(typer, "confirm", confirm)
    monkeypatch.setattr("sys.stdin", os.fdopen(os.open(os.devnull, os.O_RDONLY)))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    assert cloister(home, "fetch", mirror) == 2
    assert not (home / "audit").exists()  # nothing was reached, so there is nothing to record
    assert cloister(home, "fetch", mirror) == 2
    assert [kind for kind, _ in recorded(home, capsys)] == ["model.fetch_asked"]
    assert Shelf(home).entries() == ()
    assert cloister(home, "fetch", mirror) == 0
    assert len(asked) == 5
    assert [entry.name for entry in Shelf(home).entries()] == ["tiny"]


def test_a_home_marked_air_gapped_fetches_nothing(home: Path, mirror: str, capsys: Capture) -> None:
    settings = home / "cloister.toml"
    settings.write_text("[assistant]\nair_gapped = true\n")
    assert cloister(home, "fetch", mirror, "--yes") == 3
    assert "air_gapped = true" in capsys.readouterr().err
    settings.unlink()
    (home / "AIR_GAPPED").touch()
    assert cloister(home, "fetch", mirror, "--yes") == 3
    assert "AIR_GAPPED exists" in capsys.readouterr().err
    assert not (home / "models").exists()
