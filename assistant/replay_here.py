"""What runs here, in short: the code, the build of llama.cpp and the machine, for an answer's
record, so that a replay elsewhere or later can say what is another one.

Looked at once in a process. The code's digest is of the files as they lie there when it is taken,
which after an update under a running process are not those that it runs: restart after updating.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from assistant import machine

_PACKAGES = ("assistant", "index")  # whose code decides what is answered
_SUFFIXES = frozenset({".py", ".toml"})
_FLAGS = (
    "avx", "f16c", "fma", "avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8",
    "asimd", "asimddp", "i8mm", "sve",
)  # fmt: skip
_WHOLE = 64 << 20  # bytes up to which a library is read whole
_EDGE = 1 << 20  # else so much of each end, and its size


@cache
def here() -> Mapping[str, str]:
    """`code_sha256` of Cloister's own code, `engine_sha256` of llama.cpp's libraries (empty without
    any), and `machine`: processor, the instructions that arithmetic depends on, GPUs."""
    return {"code_sha256": _code(), "engine_sha256": _engine(), "machine": _machine(Path("/"))}


def _code() -> str:
    """Hex SHA-256 over "<digest of the file>  <path>" lines, sorted by path."""
    lines = []
    for package in _PACKAGES:
        for folder in _folders(package):
            for path in sorted(folder.rglob("*")):
                if path.suffix in _SUFFIXES and path.is_file():
                    name = f"{package}/{path.relative_to(folder).as_posix()}"
                    lines.append(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}\n")
    return hashlib.sha256("".join(sorted(lines, key=lambda line: line[66:])).encode()).hexdigest()


def _engine() -> str:
    """The same over the libraries that llama.cpp consists of; links to one count once."""
    lines = {
        f"{_digest(path)}  {path.name.partition('.so')[0]}\n"
        for folder in _folders("llama_cpp")
        for path in {each.resolve() for each in (folder / "lib").glob("*.so*")}
    }
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest() if lines else ""


def _folders(package: str) -> list[Path]:
    spec = importlib.util.find_spec(package)  # the package's own code is not run
    return [Path(each) for each in (spec.submodule_search_locations or ())] if spec else []


def _digest(path: Path) -> str:
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= _WHOLE:
            return hashlib.file_digest(file, "sha256").hexdigest()
        digest = hashlib.sha256(f"{size}\n".encode() + file.read(_EDGE))
        file.seek(-_EDGE, os.SEEK_END)
        digest.update(file.read(_EDGE))
        return digest.hexdigest()


def _machine(root: Path) -> str:
    """Such as "AMD EPYC (avx2 fma); no GPU"; `root` holds proc/cpuinfo, which need not exist."""
    try:
        text = (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    facts: dict[str, str] = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        facts.setdefault(name.strip().lower(), value.strip())
    numbers = [facts.get(name, "") for name in ("cpu family", "model", "stepping")]
    name = facts.get("model name") or facts.get("cpu part") or os.uname().machine
    has = set((facts.get("flags") or facts.get("features") or "").split())
    told = " ".join(flag for flag in _FLAGS if flag in has) or "no known flags"
    cards = ", ".join(sorted(each.name for each in machine.look(root).gpus)) or "no GPU"
    return f"{name} {'/'.join(numbers)} ({told}); {cards}"[:500]
