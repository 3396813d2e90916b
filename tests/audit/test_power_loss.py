"""A loss of power at any moment of a writer: what was acknowledged is there, and nothing is called
tampering. The full run, with thousands of images, is benchmarks/audit_power_loss.py."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from benchmarks import audit_power_loss as losses
from benchmarks.audit_power_loss_disk import Call, Disk, Kind, Weather

needs_compiler = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a C compiler")
_NOTHING_MORE = Weather(content=0.0, names=0.0, until=1_000, torn=0.0, filler=b"\0")
_ALL = Weather(content=1.0, names=1.0, until=1_000, torn=0.0, filler=b"\0")


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("scene", losses.SCENES, ids=lambda scene: scene.name)
def test_a_loss_of_power_loses_nothing_that_was_acknowledged(
    scene: losses.Scene, tmp_path: Path
) -> None:
    traced = losses.Traced(tmp_path / "run", losses.build(tmp_path), scene, seed=5)
    found = [
        f"moment {moment}, {weather}: {each}"
        for moment, weather, troubles in traced.losses(40, random.Random(5))
        for each in troubles
    ]
    assert not found, found[:5]


@needs_compiler
@pytest.mark.slow
def test_a_log_that_does_not_sync_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above can fail: without the syncs of the log's database it does."""
    traced = losses.Traced(tmp_path / "run", losses.build(tmp_path), losses.SCENES[0], seed=5)
    name = b"/log.db-wal"
    traced.calls = [
        call
        for call in traced.calls
        if call.kind is not Kind.SYNC or not call.path.encode().endswith(name)
    ]
    found = [each for _, _, troubles in traced.losses(40, random.Random(5)) for each in troubles]
    assert any("was acknowledged and is lost" in each for each in found)


def _disk(root: Path, *calls: Call) -> Disk:
    (root / "home").mkdir(parents=True)
    disk = Disk(root)
    for call in calls:
        disk.follow(call)
    return disk


def _created(root: Path, number: int, name: str) -> Call:
    return Call(Kind.CREATE, number, 0, f"{root}/home/{name}", "", b"")


def test_syncing_a_file_keeps_its_content_and_not_its_name(tmp_path: Path) -> None:
    root = tmp_path / "root"
    home = (tmp_path / "root" / "home", root)
    disk = _disk(
        root,
        _created(root, -1, "a"),
        Call(Kind.WRITE, -1, 0, "", "", b"one"),
        Call(Kind.SYNC, -1, 0, "", "", b""),
    )
    disk.image("home", tmp_path / "lost", _NOTHING_MORE, random.Random(0))
    assert list((tmp_path / "lost").iterdir()) == []
    disk.follow(Call(Kind.SYNC, home[0].stat().st_ino, 0, "", "", b""))
    disk.follow(Call(Kind.WRITE, -1, 3, "", "", b"two"))
    disk.image("home", tmp_path / "kept", _NOTHING_MORE, random.Random(0))
    assert (tmp_path / "kept" / "a").read_bytes() == b"one"
    disk.image("home", tmp_path / "all", _ALL, random.Random(0))
    assert (tmp_path / "all" / "a").read_bytes() == b"onetwo"


def test_a_rename_happens_whole_or_not_at_all(tmp_path: Path) -> None:
    root = tmp_path / "root"
    disk = _disk(root, _created(root, -1, "old"), _created(root, -2, "new"))
    disk.follow(Call(Kind.SYNC, (root / "home").stat().st_ino, 0, "", "", b""))
    disk.follow(Call(Kind.RENAME, 0, 0, f"{root}/home/new", f"{root}/home/old", b""))
    seen = set()
    for seed in range(20):
        image = tmp_path / str(seed)
        weather = Weather(content=1.0, names=0.5, until=1_000, torn=0.0, filler=b"\0")
        disk.image("home", image, weather, random.Random(seed))
        seen.add(tuple(sorted(path.name for path in image.iterdir())))
    assert seen == {("new", "old"), ("old",)}


def test_a_torn_write_keeps_some_sectors(tmp_path: Path) -> None:
    root = tmp_path / "root"
    disk = _disk(root, _created(root, -1, "a"), Call(Kind.WRITE, -1, 0, "", "", b"x" * 4096))
    torn = Weather(content=1.0, names=1.0, until=1_000, torn=1.0, filler=b"\0")
    disk.image("home", tmp_path / "torn", torn, random.Random(1))
    content = (tmp_path / "torn" / "a").read_bytes()
    sectors = {content[at : at + 512] for at in range(0, len(content), 512)}
    assert sectors == {b"x" * 512, b"\0" * 512}
