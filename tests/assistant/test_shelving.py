"""The shelf: adding, using and removing models, and what a crash or another process may do."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import json
import os
import signal
import struct
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assistant import gguf, shelf_files, shelving
from assistant.chat_format import choose
from assistant.errors import ModelAltered, ModelMissing, ModelUnreadable, ShelfError
from assistant.shelf import (
    DEFAULT_NAME,
    MANIFEST,
    POINTER,
    Entry,
    Shelf,
    choose_model,
    default_model,
    open_verified,
)
from assistant.shelf_files import RESERVE
from assistant.shelf_listing import formats_of, look
from assistant.shelving import About, add, name_for, remove, use
from tests.assistant import tiny_gguf
from tests.assistant.standins import gguf_bytes, gguf_string, model_file
from tests.assistant.tiny_templates import TEMPLATES
from tests.assistant.tiny_tokens import Longest


class Recorded:
    """What the shelf told of its changes, and how the shelf's folder looked at that moment."""

    def __init__(self, folder: Path) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.listed: list[bytes] = []
        self._folder = folder

    def __call__(self, kind: str, fields: Mapping[str, str | int | bool | None]) -> None:
        self.events.append((kind, dict(fields)))
        manifest = self._folder / MANIFEST
        self.listed.append(manifest.read_bytes() if manifest.exists() else b"")


@pytest.fixture
def shelf(home: Path) -> Shelf:
    return Shelf(home)


@pytest.fixture
def record(shelf: Shelf) -> Recorded:
    return Recorded(shelf.folder)


def quiet(kind: str, fields: Mapping[str, object]) -> None:
    """A listener that needs nothing."""


def unheard(kind: str, fields: Mapping[str, object]) -> None:
    """A log that cannot take a record."""
    raise RuntimeError("the log is full")


def files(shelf: Shelf) -> set[str]:
    """Names in the shelf's folder, but for the lock."""
    there = {path.name for path in shelf.folder.iterdir()} if shelf.folder.is_dir() else set()
    return there - {shelf_files.LOCK}


def bundle(tmp_path: Path, name: str = "echo") -> Path:
    """A tiny GGUF file outside the home."""
    folder = tmp_path / "downloads"
    folder.mkdir(exist_ok=True)
    return model_file(folder, name).path


# --- adding -------------------------------------------------------------------------------------


def test_a_model_is_copied_hashed_described_and_pinned(
    shelf: Shelf, record: Recorded, tmp_path: Path
) -> None:
    path = tmp_path / "Tiny Model (v2)-Q4_K_M.GGUF"
    pairs = [("general.license", 8, gguf_string("apache-2.0"))]
    path.write_bytes(gguf_bytes("Tiny", pairs=pairs))
    about = About(thinking=False, chat_format="chatml", by="ada")
    added = add(shelf, path, about, record)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    entry = added.entry
    assert added.new
    assert shelf.entries() == (entry,)
    assert (entry.name, entry.file) == ("tiny-model-v2-q4_k_m", "tiny-model-v2-q4_k_m.gguf")
    assert (entry.sha256, entry.bytes) == (digest, path.stat().st_size)
    assert (entry.title, entry.architecture, entry.quantization) == ("Tiny", "llama", "Q4_K_M")
    assert (entry.context, entry.licence, entry.source) == (2048, "apache-2.0", "file")
    assert (entry.chat_format, entry.thinking, entry.added_by) == ("chatml", False, "ada")
    assert entry.template_sha256 == hashlib.sha256(b"{{ messages }}").hexdigest()
    copy = shelf.folder / entry.file
    assert copy.read_bytes() == path.read_bytes()
    assert files(shelf) == {MANIFEST, entry.file}
    assert (copy.stat().st_mode & 0o777, (shelf.folder / MANIFEST).stat().st_mode & 0o777) == (
        0o600,
        0o600,
    )
    known = {"name": entry.name, "sha256": digest, "bytes": entry.bytes, "licence": "apache-2.0"}
    assert record.events == [("model.added", known | {"source": "file"})]
    assert record.listed == [b""]  # told before it counted


@pytest.mark.parametrize("family", ["phi-3", "qwen3", "mixtral"])
def test_a_file_that_llama_cpp_loads_is_described(
    shelf: Shelf, tmp_path: Path, family: str
) -> None:
    path = tmp_path / "family.gguf"
    tiny_gguf.build(path, family)
    entry = add(shelf, path, About(), quiet).entry
    assert entry.architecture == tiny_gguf.shape(family).architecture
    assert entry.parameters > 1000
    assert entry.bytes == path.stat().st_size


def test_what_a_person_says_of_the_licence_wins(shelf: Shelf, tmp_path: Path) -> None:
    assert add(shelf, bundle(tmp_path), About(licence="ours"), quiet).entry.licence == "ours"


def test_the_same_bytes_twice_change_nothing(
    shelf: Shelf, record: Recorded, tmp_path: Path
) -> None:
    first = add(shelf, bundle(tmp_path), About(), record).entry
    before = files(shelf)
    for name in ("", "another", "ECHO"):
        again = add(shelf, bundle(tmp_path), About(name=name), record)
        assert (again.new, again.entry) == (False, first)
    assert files(shelf) == before
    assert len(record.events) == 1


def test_the_default_model_is_there_already(shelf: Shelf, record: Recorded) -> None:
    added = add(shelf, default_model().path, About(), record)
    assert (added.new, added.entry.name) == (False, DEFAULT_NAME)
    assert record.events == []


def test_a_file_that_lies_on_the_shelf_is_pinned_where_it_lies(
    shelf: Shelf, record: Recorded
) -> None:
    shelf.folder.mkdir()
    model = model_file(shelf.folder, "Mine")
    inode = model.path.stat().st_ino
    entry = add(shelf, model.path, About(), record).entry
    assert (entry.name, entry.file, entry.sha256) == ("mine", "Mine.gguf", model.sha256)
    assert model.path.stat().st_ino == inode
    assert files(shelf) == {MANIFEST, "Mine.gguf"}


def test_a_link_on_the_shelf_is_copied(shelf: Shelf, tmp_path: Path) -> None:
    shelf.folder.mkdir()
    link = shelf.folder / "link.gguf"
    link.symlink_to(bundle(tmp_path))
    with pytest.raises(ShelfError, match=r"lies in .* not on the shelf"):
        add(shelf, link, About(), quiet)
    entry = add(shelf, link, About(name="copy"), quiet).entry
    assert not (shelf.folder / entry.file).is_symlink()


def test_a_digest_that_is_not_the_publishers_is_refused(
    shelf: Shelf, record: Recorded, tmp_path: Path
) -> None:
    path = bundle(tmp_path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(ShelfError, match=digest):
        add(shelf, path, About(sha256="0" * 64), record)
    assert (files(shelf), record.events) == (set(), [])
    assert add(shelf, path, About(sha256=digest), record).new


@pytest.mark.parametrize("architecture", ["bert", "nomic-bert", "gemma-embedding", "clip"])
def test_what_writes_no_text_is_refused(
    shelf: Shelf, record: Recorded, tmp_path: Path, architecture: str
) -> None:
    path = tmp_path / "encoder.gguf"
    path.write_bytes(gguf_bytes(architecture=architecture))
    with pytest.raises(ModelUnreadable, match="writes no text"):
        add(shelf, path, About(), record)
    assert (files(shelf), record.events) == (set(), [])


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "cut short"),
        (b"<html>", "not a GGUF file"),
        (gguf_bytes(pairs=[("split.count", 2, struct.pack("<H", 3))]), "one of 3 parts"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 63), "out of bounds"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 0), "out of bounds"),
        (gguf_bytes(pairs=[("x", 8, struct.pack("<Q", 1 << 62))]), "out of bounds"),
        (gguf_bytes(pairs=[("x", 9, struct.pack("<IQ", 9, 1) * 9000)]), "array within an array"),
    ],
)
def test_a_hostile_header_is_refused(
    shelf: Shelf, record: Recorded, tmp_path: Path, data: bytes, why: str
) -> None:
    path = tmp_path / "hostile.gguf"
    path.write_bytes(data)
    with pytest.raises(ModelUnreadable, match=why):
        add(shelf, path, About(), record)
    assert (files(shelf), record.events) == (set(), [])


def test_a_folder_is_refused_with_where_to_look(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ShelfError, match=r"docs/encoders\.md"):
        add(shelf, tmp_path, About(), quiet)
    with pytest.raises(ModelMissing):
        add(shelf, tmp_path / "gone.gguf", About(), quiet)


def test_a_chat_format_nobody_knows_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(ShelfError, match="chatml"):
        add(shelf, bundle(tmp_path), About(chat_format="chatlm"), quiet)


@pytest.mark.parametrize(
    ("wanted", "file", "name"),
    [
        ("Phi-4", "x.gguf", "Phi-4"),
        ("", "Phi-4-mini-instruct-Q4_K_M.gguf", "phi-4-mini-instruct-q4_k_m"),
        ("", "weird  näme;rm -rf.GGUF", "weird-n-me-rm-rf"),
        ("", "..hidden.gguf", "hidden"),
        ("", f"{'a' * 200}.gguf", "a" * 64),
    ],
)
def test_names_are_short_and_safe(wanted: str, file: str, name: str) -> None:
    assert name_for(wanted, file) == name


@pytest.mark.parametrize(
    "name", ["../x", "a/b", ".hidden", "-x", "a b", "x.", "a" * 65, "ä", "a\n"]
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ShelfError, match="letter"):
        name_for(name, "x.gguf")
    with pytest.raises(ShelfError):
        name_for("", "???.gguf")


def test_a_name_is_given_once(shelf: Shelf, tmp_path: Path) -> None:
    add(shelf, bundle(tmp_path, "one"), About(name="mine"), quiet)
    for name in ("mine", "MINE", DEFAULT_NAME):
        with pytest.raises(ShelfError, match="--name"):
            add(shelf, bundle(tmp_path, "two"), About(name=name), quiet)
    assert len(shelf.entries()) == 1


def test_a_disk_without_room_is_refused_with_the_numbers(shelf: Shelf, tmp_path: Path) -> None:
    path = bundle(tmp_path)
    with pytest.raises(ShelfError, match=r"needs 0 MB .* has 67 MB free \(67 MB"):
        add(shelf, path, About(), quiet, free=lambda _: RESERVE)
    assert files(shelf) == set()


def test_a_disk_that_fills_up_leaves_nothing(
    shelf: Shelf, record: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shelf_files.os, "fsync", full)
    with pytest.raises(ShelfError, match="is full"):
        add(shelf, bundle(tmp_path), About(), record)
    assert (files(shelf), record.events) == (set(), [])


def test_what_cannot_be_recorded_does_not_happen(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        add(shelf, bundle(tmp_path), About(), unheard)
    assert files(shelf) == set()
    entry = add(shelf, bundle(tmp_path), About(), quiet).entry
    before = files(shelf)
    for change in (use, remove):
        with pytest.raises(RuntimeError):
            change(shelf, entry.name, unheard)
    assert files(shelf) == before
    assert shelf.current() == default_model()


def test_a_file_that_changes_while_it_is_read_where_it_lies_is_refused(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.folder.mkdir()
    model = model_file(shelf.folder)
    digest = hashlib.file_digest

    def slow(file: Any, kind: str) -> Any:
        found = digest(file, kind)
        with model.path.open("ab") as more:
            more.write(b"more")
        return found

    monkeypatch.setattr(shelving.hashlib, "file_digest", slow)
    with pytest.raises(ShelfError, match="changed while"):
        add(shelf, model.path, About(), quiet)
    assert shelf.entries() == ()


# --- crashes and other processes ----------------------------------------------------------------

_CALLS = ("open", "write", "fsync", "rename", "replace", "unlink")


def killed_at(step: int, work: Callable[[], object]) -> bool:
    """Run `work` in a process that is killed at its `step`th change of the file system; whether it
    lived to the end."""
    child = os.fork()
    if child == 0:
        count = 0

        def counted(call: Callable[..., Any]) -> Callable[..., Any]:
            def wrapped(*arguments: Any, **named: Any) -> Any:
                nonlocal count
                count += 1
                if count == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                return call(*arguments, **named)

            return wrapped

        for name in _CALLS:
            setattr(os, name, counted(getattr(os, name)))
        shelving.copied = counted(shelving.copied)
        try:
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFEXITED(status)


@pytest.mark.slow
def test_a_kill_at_any_point_of_adding_leaves_nothing_or_all(home: Path, tmp_path: Path) -> None:
    path, other = bundle(tmp_path), bundle(tmp_path, "other")
    outcomes = set()
    for step in range(1, 100):
        place = home / str(step)
        shelf = Shelf(place)
        lived = killed_at(step, lambda shelf=shelf: add(shelf, path, About(), quiet))
        visible = {name for name in files(shelf) if not name.startswith(".")}
        entries = Shelf(place).entries()
        outcomes.add(len(entries))
        if entries:
            with open_verified(shelf.file_of(entries[0])) as file:
                assert file.read() == path.read_bytes()
        else:
            assert visible == set()
        add(shelf, other, About(), quiet)  # clears away what was left
        expected = {entry.file for entry in shelf.entries()} | {MANIFEST}
        assert files(shelf) == expected
        if lived:
            break
    assert lived
    assert outcomes == {0, 1}
    assert step > 8


@pytest.mark.slow
def test_a_kill_at_any_point_of_removing_leaves_no_entry_without_its_file(
    home: Path, tmp_path: Path
) -> None:
    path = bundle(tmp_path)
    for step in range(1, 100):
        shelf = Shelf(home / str(step))
        add(shelf, path, About(), quiet)
        lived = killed_at(step, lambda shelf=shelf: remove(shelf, "echo", quiet))
        entries = shelf.entries()
        assert all((shelf.folder / entry.file).exists() for entry in entries)
        orphans = dict(look(shelf, check=False).orphans)
        if not entries and (shelf.folder / "echo.gguf").exists():
            assert "echo.gguf" in orphans
        if lived:
            break
    assert (entries, files(shelf)) == ((), {MANIFEST})


@pytest.mark.slow
def test_a_kill_at_any_point_of_choosing_leaves_the_old_or_the_new(
    home: Path, tmp_path: Path
) -> None:
    seen = set()
    for step in range(1, 100):
        shelf = Shelf(home / str(step))
        add(shelf, bundle(tmp_path), About(), quiet)
        lived = killed_at(step, lambda shelf=shelf: use(shelf, "echo", quiet))
        seen.add(Shelf(home / str(step)).current().name)
        if lived:
            break
    assert seen == {"echo", DEFAULT_NAME}


def test_additions_side_by_side_lose_no_entry(home: Path, tmp_path: Path) -> None:
    paths = [bundle(tmp_path, f"model{number}") for number in range(8)]
    failed: list[BaseException] = []

    def work(path: Path) -> None:
        try:
            add(Shelf(home), path, About(), quiet)
        except BaseException as error:  # noqa: BLE001 - the test shows it
            failed.append(error)

    threads = [threading.Thread(target=work, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert {entry.name for entry in Shelf(home).entries()} == {path.stem for path in paths}


def test_an_addition_under_way_is_not_cleared_away(shelf: Shelf, tmp_path: Path) -> None:
    with shelf_files.temporary(shelf.folder, set) as (_, under_way):
        add(shelf, bundle(tmp_path), About(), quiet)
        assert under_way.exists()
    left = shelf.folder / f"{shelf_files.ADDING}left"
    left.write_bytes(b"x")
    add(shelf, bundle(tmp_path, "other"), About(), quiet)
    assert not left.exists()


def test_a_second_process_waits_for_the_shelf(shelf: Shelf, tmp_path: Path) -> None:
    done = threading.Event()

    def work() -> None:
        add(shelf, bundle(tmp_path), About(), quiet)
        done.set()

    with shelf_files.locked(shelf.folder):
        thread = threading.Thread(target=work)
        thread.start()
        with (shelf.folder / shelf_files.LOCK).open() as lock, pytest.raises(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert not done.is_set()
    thread.join()
    assert done.is_set()


def test_every_change_is_recorded_and_made_with_the_shelf_held(
    shelf: Shelf, tmp_path: Path
) -> None:
    told: list[str] = []

    def held(kind: str, fields: Mapping[str, object]) -> None:
        with (shelf.folder / shelf_files.LOCK).open() as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        told.append(kind)

    add(shelf, bundle(tmp_path), About(), held)
    use(shelf, "echo", held)
    use(shelf, DEFAULT_NAME, held)
    remove(shelf, "echo", held)
    assert told == ["model.added", "model.chosen", "model.chosen", "model.removed"]


# --- using and removing -------------------------------------------------------------------------


def test_the_model_that_was_chosen_is_taken_up_without_opening_anew(
    shelf: Shelf, record: Recorded, tmp_path: Path
) -> None:
    reader = Shelf(shelf.folder.parent)
    assert reader.current() == default_model()
    entry = add(shelf, bundle(tmp_path), About(chat_format="chatml", thinking=True), quiet).entry
    chosen, before = use(shelf, "echo", record)
    assert (chosen, before) == (shelf.file_of(entry), DEFAULT_NAME)
    assert reader.current() == chosen
    assert (chosen.chat_format, chosen.thinking) == ("chatml", True)
    fields = {"name": "echo", "sha256": entry.sha256, "before": DEFAULT_NAME}
    assert record.events == [("model.chosen", fields)]
    assert choose_model(None, None, shelf.folder.parent) == chosen
    assert use(shelf, "echo", record) == (chosen, "echo")
    assert len(record.events) == 1
    use(shelf, DEFAULT_NAME, record)
    assert reader.current() == default_model()


def test_the_model_in_use_is_looked_up_with_one_stat(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(shelf, bundle(tmp_path), About(), quiet)
    use(shelf, "echo", quiet)
    first = shelf.current()

    def read(path: Path) -> bytes:
        raise AssertionError(f"{path} was read")

    monkeypatch.setattr(Path, "read_bytes", read)
    assert shelf.current() is first


def test_an_altered_or_missing_model_cannot_be_chosen(shelf: Shelf, tmp_path: Path) -> None:
    entry = add(shelf, bundle(tmp_path), About(), quiet).entry
    path = shelf.folder / entry.file
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    with pytest.raises(ModelAltered):
        use(shelf, "echo", quiet)
    path.unlink()
    with pytest.raises(ModelMissing):
        use(shelf, "echo", quiet)
    with pytest.raises(ShelfError, match="no model 'nobody'"):
        use(shelf, "nobody", quiet)
    assert not (shelf.folder / POINTER).exists()


def test_the_model_in_use_and_the_default_stay(
    shelf: Shelf, record: Recorded, tmp_path: Path
) -> None:
    entry = add(shelf, bundle(tmp_path), About(), quiet).entry
    use(shelf, "echo", quiet)
    for name in ("echo", DEFAULT_NAME):
        with pytest.raises(ShelfError, match="models use"):
            remove(shelf, name, record)
    use(shelf, DEFAULT_NAME, quiet)
    with pytest.raises(ShelfError, match="in use"):
        remove(shelf, "echo", record, configured=shelf.folder / entry.file)
    assert record.events == []
    assert remove(shelf, "echo", record) == entry
    assert (shelf.entries(), files(shelf)) == ((), {MANIFEST, POINTER})
    assert [kind for kind, _ in record.events] == ["model.removed"]


def test_a_model_whose_file_is_gone_can_be_removed(shelf: Shelf, tmp_path: Path) -> None:
    entry = add(shelf, bundle(tmp_path), About(), quiet).entry
    (shelf.folder / entry.file).unlink()
    remove(shelf, "echo", quiet)
    assert shelf.entries() == ()


def test_a_pointer_to_another_digest_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    add(shelf, bundle(tmp_path), About(), quiet)
    pointer = {"format": 1, "name": "echo", "sha256": "0" * 64}
    (shelf.folder / POINTER).write_text(json.dumps(pointer))
    with pytest.raises(ShelfError, match="not the one that was chosen"):
        shelf.current()
    use(shelf, "echo", quiet)  # the way out
    assert shelf.current().name == "echo"


# --- the manifest -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON"),
        ("[]", "not an object"),
        ('{"format": 2, "models": []}', "format that this version does not know"),
        ('{"models": []}', "format that this version does not know"),
        ('{"format": 1}', "no list"),
        ('{"format": 1, "models": [1]}', "not an object"),
        ('{"format": 1, "models": [{}]}', "lacks"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_a_manifest_that_is_not_ours_is_refused(shelf: Shelf, text: str, why: str) -> None:
    shelf.folder.mkdir()
    (shelf.folder / MANIFEST).write_text(text)
    with pytest.raises(ShelfError, match=why) as caught:
        shelf.entries()
    assert str(shelf.folder / MANIFEST) in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("file", "../../etc/passwd"),
        ("file", "/etc/passwd"),
        ("file", ".."),
        ("file", 5),
        ("name", "a/b"),
        ("sha256", "00"),
        ("bytes", True),
        ("bytes", 1.5),
        ("thinking", 1),
        ("surprise", "x"),
    ],
)
def test_an_entry_that_reaches_out_or_is_of_another_type_is_refused(
    shelf: Shelf, tmp_path: Path, key: str, value: object
) -> None:
    add(shelf, bundle(tmp_path), About(), quiet)
    manifest = json.loads((shelf.folder / MANIFEST).read_text())
    manifest["models"][0][key] = value
    (shelf.folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ShelfError, match="not as it should be"):
        shelf.entries()


# --- listing ------------------------------------------------------------------------------------


def test_the_listing_names_what_is_altered_missing_or_lies_about(
    shelf: Shelf, tmp_path: Path
) -> None:
    for name in ("good", "altered", "gone"):
        add(shelf, bundle(tmp_path, name), About(), quiet)
    path = shelf.folder / "altered.gguf"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    (shelf.folder / "gone.gguf").unlink()
    (shelf.folder / "stray.gguf").write_bytes(b"12345")
    (shelf.folder / ".fetch-1.part").write_bytes(b"123")
    configured = shelf.folder / "configured.gguf"
    configured.write_bytes(b"1")
    found = look(shelf, check=True, configured=configured)
    states = {each.entry.name: each.state for each in found.models}
    assert states == {
        DEFAULT_NAME: "verified",
        "good": "verified",
        "altered": "altered",
        "gone": "missing",
    }
    assert [each.default for each in found.models] == [True, False, False, False]
    assert found.orphans == (("stray.gguf", 5),)
    assert found.unfinished == ((".fetch-1.part", 3),)
    quick = {each.entry.name: each.state for each in look(shelf, check=False).models}
    assert quick["altered"] == "not checked"
    path.write_bytes(b"shorter")
    quick = {each.entry.name: each.state for each in look(shelf, check=False).models}
    assert quick["altered"] == "altered"


@pytest.mark.parametrize("family", sorted(TEMPLATES))
def test_the_format_of_a_family_is_told_from_its_template(family: str) -> None:
    """The same answer as with the family's own vocabulary, or that one among a few."""
    architecture, template = tiny_gguf.shape(family).architecture, TEMPLATES[family]
    vocabulary = Longest(tiny_gguf.vocabulary(family))
    header = gguf.Header("x", architecture, "Q4_K_M", 0, 1, template)
    found = formats_of(Entry("x", "x.gguf", "0" * 64, 1), header)
    expected = choose(architecture, template, vocabulary, lambda *_: None).name
    assert expected in found
    assert len(found) <= 3


def test_a_named_format_is_told_and_no_template_is_none() -> None:
    entry = Entry("x", "x.gguf", "0" * 64, 1)
    header = gguf.Header("x", "llama", "Q4_K_M", 0, 1, "{{ messages }}")
    assert formats_of(entry, header) == ()
    assert formats_of(replace(entry, chat_format="phi-3"), header) == ("phi-3",)


def test_no_folder_is_an_empty_shelf(shelf: Shelf) -> None:
    assert [each.entry.name for each in look(shelf, check=False).models] == [DEFAULT_NAME]
    assert not shelf.folder.exists()


def test_a_copy_is_what_was_read() -> None:
    data = os.urandom(3 * shelf_files.CHUNK // 2)
    source = io.BytesIO(data)
    with tempfile.TemporaryFile() as target:
        digest, size = shelf_files.copied(source, target)
        target.seek(0)
        assert target.read() == data
    assert (digest, size) == (hashlib.sha256(data).hexdigest(), len(data))
