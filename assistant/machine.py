"""What this machine has for a model: memory, within a container's limit, and GPUs.

Memory comes from /proc/meminfo and the control groups (version 1 or 2) that this process belongs
to, GPUs from NVIDIA's management library (NVML), and whether llama.cpp was built for a GPU from the
files that were installed with it, so that nothing is loaded to find out. A machine without a driver
has no GPU; none of this ever stops anything.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_BACKENDS = {"libggml-cuda": "CUDA", "libggml-hip": "ROCm", "libggml-vulkan": "Vulkan"}
_UNLIMITED = 1 << 60  # version 1 writes a huge number where there is no limit


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU, or the slice of one (MIG) that this process may use. Bytes."""

    name: str
    total: int
    free: int


@dataclass(frozen=True, slots=True)
class Machine:
    """`total` and `available` memory in bytes: the machine's, or the container's if that is less.
    `limited` says that a container's limit counts. `backend` is what llama.cpp was built for
    ("CUDA", "ROCm", "Vulkan"), empty: processors only."""

    total: int
    available: int
    limited: bool = False
    gpus: tuple[Gpu, ...] = ()
    backend: str = ""

    @property
    def gpu(self) -> Gpu | None:
        """The GPU that llama.cpp would use, if it can use one: the one with the most free memory,
        since a model is not spread over several here."""
        if not self.backend or not self.gpus:
            return None
        return max(self.gpus, key=lambda gpu: gpu.free)

    @property
    def warning(self) -> str:
        """What to say about a GPU that would stay unused; empty if there is nothing to say."""
        if not self.gpus or self.backend:
            return ""
        return (
            f"The GPU {self.gpus[0].name} is not used, because llama.cpp was installed for "
            'processors only: install it for the GPU as docs/models.md says under "On a GPU".'
        )


def look(
    root: Path = Path("/"),
    nvml: Callable[[], Any] | None = None,
    library: Callable[[], Path | None] | None = None,
) -> Machine:
    """This machine, as it is now.

    `root` holds /proc and /sys, `nvml` gives NVIDIA's library (pynvml), `library` the folder of
    llama.cpp's shared libraries; tests give their own.
    """
    total, available = _memory(root)
    limited = False
    for limit, used in _limits(root):
        if limit < total:
            total, limited = limit, True
        available = min(available, max(0, limit - used))
    return Machine(
        total, available, limited, gpus(nvml or _pynvml), backend((library or _libraries)())
    )


def backend(libraries: Path | None) -> str:
    """What llama.cpp was built for besides processors, told by the libraries in its folder."""
    names = [] if libraries is None else [each.name for each in libraries.glob("libggml-*")]
    for stem, kind in _BACKENDS.items():
        if any(name.startswith(stem) for name in names):
            return kind
    return ""


def gpus(nvml: Callable[[], Any]) -> tuple[Gpu, ...]:
    """The GPUs of the driver; none if there is no driver, whatever the reason."""
    try:
        library = nvml()
        library.nvmlInit()
    except Exception:  # noqa: BLE001 - no driver, no library, a broken one: then there is none
        return ()
    try:
        found: list[Gpu] = []
        for index in range(library.nvmlDeviceGetCount()):
            found += _devices(library, library.nvmlDeviceGetHandleByIndex(index))
        return tuple(found)
    except library.NVMLError:
        return ()
    finally:
        library.nvmlShutdown()


def _devices(nvml: Any, handle: Any) -> Sequence[Gpu]:
    """A GPU, or its slices where it is divided into such (multi-instance GPU)."""
    slices = []
    if _divided(nvml, handle):
        for index in range(nvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
            try:
                slices.append(nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, index))
            except nvml.NVMLError:
                continue  # a place that holds none
    return [_gpu(nvml, each) for each in slices or [handle]]


def _divided(nvml: Any, handle: Any) -> bool:
    try:
        current, _pending = nvml.nvmlDeviceGetMigMode(handle)
    except nvml.NVMLError:
        return False  # a GPU that cannot be divided
    return bool(current == nvml.NVML_DEVICE_MIG_ENABLE)


def _gpu(nvml: Any, handle: Any) -> Gpu:
    name = nvml.nvmlDeviceGetName(handle)
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    text = name.decode(errors="replace") if isinstance(name, bytes) else str(name)
    return Gpu(text, int(memory.total), int(memory.free))


def _pynvml() -> Any:
    import pynvml

    return pynvml


def _libraries() -> Path | None:
    spec = importlib.util.find_spec("llama_cpp")
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    return Path(folders[0]) / "lib" if folders else None


def _memory(root: Path) -> tuple[int, int]:
    """Total and available bytes by /proc/meminfo; zeros if it says nothing."""
    sizes: dict[str, int] = {}
    for line in _read(root / "proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        number = rest.strip().partition(" ")[0]
        if number.isdigit():
            sizes[name] = int(number) << 10
    total = sizes.get("MemTotal", 0)
    return total, sizes.get("MemAvailable", total)


def _limits(root: Path) -> list[tuple[int, int]]:
    """(limit, what of it is used and cannot be freed) of each control group that holds this
    process, from its own up to the uppermost, as far as they can be seen."""
    found: list[tuple[int, int]] = []
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controllers == "":
            top, names = root / "sys/fs/cgroup", ("memory.max", "memory.current")
            cache = "inactive_file"
        elif "memory" in controllers.split(","):
            top = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
            cache = "total_inactive_file"
        else:
            continue
        folders = [part for part in path.split("/") if part not in ("", "..")]
        # A container may see its own group as the uppermost, whatever path it is told.
        for depth in range(len(folders), -1, -1):
            group = top.joinpath(*folders[:depth])
            limit, used = (_read(group / name) for name in names)
            if limit.isdigit() and int(limit) < _UNLIMITED:
                taken = int(used) if used.isdigit() else 0
                found.append((int(limit), max(0, taken - _freeable(group, cache))))
    return found


def _freeable(group: Path, name: str) -> int:
    """Bytes of files that the system keeps while nobody needs the memory."""
    for line in _read(group / "memory.stat").splitlines():
        key, _, number = line.partition(" ")
        if key == name and number.isdigit():
            return int(number)
    return 0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
