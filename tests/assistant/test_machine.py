"""What a machine has, by stand-ins for its files and NVIDIA's library, and the real one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from assistant.machine import Gpu, Machine, backend, gpus, look

GIB = 1 << 30
MEMINFO = (
    "MemTotal:       33554432 kB\nMemFree:  1024 kB\nMemAvailable:   16777216 kB\nHugePages: x\n"
)


class Fault(Exception):
    """NVMLError of the stand-in."""


class Nvml:
    """NVIDIA's library over plain values: a GPU is (name, total, free), a divided one a list."""

    NVMLError = Fault
    NVML_DEVICE_MIG_ENABLE = 1

    def __init__(self, *devices: Any, divisible: bool = True) -> None:
        self.devices, self.divisible = devices, divisible
        self.open = 0

    def nvmlInit(self) -> None:
        self.open += 1

    def nvmlShutdown(self) -> None:
        self.open -= 1

    def nvmlDeviceGetCount(self) -> int:
        return len(self.devices)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Any:
        return self.devices[index]

    def nvmlDeviceGetMigMode(self, handle: Any) -> tuple[int, int]:
        if not self.divisible:
            raise Fault
        return (1, 1) if isinstance(handle, list) else (0, 0)

    def nvmlDeviceGetMaxMigDeviceCount(self, handle: Any) -> int:
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: Any, index: int) -> Any:
        if index >= len(handle):
            raise Fault
        return handle[index]

    def nvmlDeviceGetName(self, handle: Any) -> str | bytes:
        name: str | bytes = handle[0]
        return name

    def nvmlDeviceGetMemoryInfo(self, handle: Any) -> Any:
        return SimpleNamespace(total=handle[1], free=handle[2], used=handle[1] - handle[2])


def machine(root: Path, *devices: Any, libraries: Path | None = None) -> Machine:
    return look(root, lambda: Nvml(*devices), lambda: libraries)


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_memory_is_what_the_system_says_is_available(tmp_path: Path) -> None:
    write(tmp_path, {"proc/meminfo": MEMINFO})
    assert machine(tmp_path) == Machine(32 * GIB, 16 * GIB)


@pytest.mark.parametrize(
    ("files", "available"),
    [
        (
            {
                "proc/self/cgroup": "0::/box\n",
                "sys/fs/cgroup/box/memory.max": str(8 * GIB),
                "sys/fs/cgroup/box/memory.current": str(3 * GIB),
                "sys/fs/cgroup/box/memory.stat": f"anon 5\ninactive_file {GIB}\n",
            },
            6 * GIB,
        ),
        (
            {  # the group's own folder is the root of what the container sees
                "proc/self/cgroup": "0::/docker/abc\n",
                "sys/fs/cgroup/memory.max": str(8 * GIB),
                "sys/fs/cgroup/memory.current": str(2 * GIB),
            },
            6 * GIB,
        ),
        (
            {  # version 1 beside version 2
                "proc/self/cgroup": "4:cpu,memory:/a/b\n0::/\n",
                "sys/fs/cgroup/memory/a/memory.limit_in_bytes": str(8 * GIB),
                "sys/fs/cgroup/memory/a/memory.usage_in_bytes": str(7 * GIB),
                "sys/fs/cgroup/memory/a/memory.stat": f"total_inactive_file {5 * GIB}\n",
                "sys/fs/cgroup/memory/a/b/memory.limit_in_bytes": str(9223372036854771712),
            },
            6 * GIB,
        ),
    ],
    ids=["version 2", "within a container", "version 1"],
)
def test_a_containers_limit_counts(tmp_path: Path, files: dict[str, str], available: int) -> None:
    write(tmp_path, {"proc/meminfo": MEMINFO} | files)
    assert machine(tmp_path) == Machine(8 * GIB, available, limited=True)


@pytest.mark.parametrize("limit", ["max", "9223372036854771712", "", "nonsense", str(64 * GIB)])
def test_a_limit_that_limits_nothing_does_not(tmp_path: Path, limit: str) -> None:
    files = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": limit}
    write(tmp_path, {"proc/meminfo": MEMINFO} | files)
    assert machine(tmp_path) == Machine(32 * GIB, 16 * GIB)


def test_a_full_container_has_nothing_left_rather_than_less(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/\n",
        "sys/fs/cgroup/memory.max": str(GIB),
        "sys/fs/cgroup/memory.current": str(GIB + 4096),
    }
    write(tmp_path, {"proc/meminfo": MEMINFO} | files)
    assert machine(tmp_path).available == 0


def test_gpus_are_named_with_their_memory() -> None:
    library = Nvml(("A", 10, 4), (b"B", 20, 19), divisible=False)
    assert gpus(lambda: library) == (Gpu("A", 10, 4), Gpu("B", 20, 19))
    assert library.open == 0


def test_of_a_divided_gpu_the_slices_count() -> None:
    slices = [("slice 1", 10, 9), ("slice 2", 20, 19)]
    assert gpus(lambda: Nvml(slices)) == (Gpu("slice 1", 10, 9), Gpu("slice 2", 20, 19))


def test_no_driver_no_gpu() -> None:
    def missing() -> Any:
        raise ImportError

    class Broken(Nvml):
        def nvmlInit(self) -> None:
            raise Fault

    class Lost(Nvml):
        def nvmlDeviceGetMemoryInfo(self, handle: Any) -> Any:
            raise Fault

    lost = Lost(("A", 1, 1))
    assert gpus(missing) == gpus(Broken) == gpus(lambda: lost) == ()
    assert lost.open == 0


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("libggml-cuda.so", "CUDA"),
        ("libggml-cuda.so.0.25.3", "CUDA"),
        ("libggml-hip.so", "ROCm"),
        ("libggml-vulkan.so", "Vulkan"),
        ("libggml-cpu.so", ""),
    ],
)
def test_what_llama_cpp_was_built_for_is_told_by_its_files(
    tmp_path: Path, name: str, kind: str
) -> None:
    (tmp_path / name).touch()
    (tmp_path / "libggml-base.so").touch()
    assert backend(tmp_path) == kind


def test_a_llama_cpp_that_is_not_installed_was_built_for_nothing(tmp_path: Path) -> None:
    assert backend(None) == backend(tmp_path / "missing") == ""


def test_a_gpu_that_stays_unused_is_told_of(tmp_path: Path) -> None:
    write(tmp_path, {"proc/meminfo": MEMINFO})
    unused = machine(tmp_path, ("H200", 20, 19))
    assert unused.gpu is None
    assert "H200 is not used" in unused.warning and "docs/models.md" in unused.warning
    (tmp_path / "libggml-cuda.so").touch()
    used = machine(tmp_path, ("A", 20, 3), ("B", 10, 9), libraries=tmp_path)
    assert used.gpu == Gpu("B", 10, 9) and used.warning == ""
    assert machine(tmp_path, libraries=tmp_path).gpu is None
    assert machine(tmp_path).warning == ""


def test_this_machine_can_be_looked_at() -> None:
    found = look()
    assert 0 < found.available <= found.total
    assert found.total > 256 << 20
    assert all(0 <= gpu.free <= gpu.total for gpu in found.gpus)
