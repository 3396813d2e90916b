"""Processes, memory and model files of `benchmarks/engine_soak.py`."""

from __future__ import annotations

import ctypes
import gc
import hashlib
import os
import struct
import time
from pathlib import Path

from assistant.llamacpp import LlamaCpp
from assistant.shelf import ModelFile

SETTLE_SECONDS = 60.0  # for an old process to be gone
CHILD = b"assistant.llamacpp_child"


def engines() -> list[int]:
    """Our model processes, whatever the engine thinks of them."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == os.getpid() and CHILD in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except (OSError, IndexError):
                continue  # it has just ended
    return sorted(found)


def memory(pid: int) -> dict[str, float]:
    """MB of a process: resident, of that not from files, and its proportional set."""
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    shares = {line.split(":")[0]: int(line.split()[1]) for line in rollup}
    kib = {
        "rss": int(status["VmRSS"].split()[0]),
        "anon": int(status["RssAnon"].split()[0]),
        "pss": shares["Pss"],
    }
    return {name: round(value / 1024, 2) for name, value in kib.items()}


def together() -> float:
    """MB resident in all model processes that there are just now."""
    found = 0.0
    for pid in engines():
        try:
            found += memory(pid)["rss"]
        except (OSError, KeyError, IndexError):
            continue  # it has just ended
    return round(found, 1)


def ours() -> dict[str, float]:
    """This process's memory, without what Python and malloc merely keep."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return memory(os.getpid())


def settled(model: LlamaCpp) -> int:
    """The one model process, once every other one is gone."""
    pid = model.process().pid
    end = time.monotonic() + SETTLE_SECONDS
    while engines() != [pid] and time.monotonic() < end:
        time.sleep(0.05)
    return pid


def relabelled(source: Path, folder: Path) -> Path:
    """A copy of a GGUF file whose `general.name` begins with another character."""
    data = bytearray(source.read_bytes())
    key = b"general.name" + struct.pack("<I", 8)  # a string; its length and bytes follow
    at = data.find(key, 0, 1 << 20)
    if at < 0:
        raise SystemExit(f"{source} names no model in its metadata: choose another --gguf")
    at += len(key) + 8
    data[at] = ord("X") if data[at] != ord("X") else ord("Y")
    target = folder / f"relabelled-{source.name}"
    target.write_bytes(data)
    return target


def pinned(path: Path, name: str) -> ModelFile:
    with path.open("rb") as data:
        return ModelFile(path, hashlib.file_digest(data, "sha256").hexdigest(), name)
