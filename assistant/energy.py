"""Joules per answer on NVIDIA hardware. The only reader of a GPU's energy counter.

The counter of NVML (`nvmlDeviceGetTotalEnergyConsumption`: millijoules of the whole board since the
driver was loaded, Volta and newer, renewed by the driver every 20 to 100 ms) is read whenever an
answer begins or ends and now and then between. What it rose by between two readings is shared by
the answers that were under way, in proportion to the tokens that each of them got; while nobody is
answered it belongs to nobody. On older boards the driver's power samples are added up instead.

The board counts everything that it does: another program on the same GPU is counted in. Whatever
cannot be known (no NVIDIA driver, a GPU cut in instances, a lost GPU, a counter that was set back)
is None, never an estimate.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

INTERVAL_SECONDS = 0.1  # between two answers' begins and ends the counter is read this seldom
SAMPLE_GAP_SECONDS = 1.0  # power samples farther apart than this leave something out

ReadMillijoules = Callable[[], int]
Samples = Callable[[int], Sequence[tuple[int, int]]]  # since microseconds -> (microseconds, mW)


class Unreadable(Exception):
    """The counter cannot be read now, or part of what it should have counted was missed."""


def shares(amount: float, tokens: Mapping[object, int]) -> dict[object, float]:
    """`amount` shared in proportion to `tokens`, evenly if nobody got any; they sum to `amount`.

    Nobody there: nobody gets anything.
    """
    whole = sum(tokens.values())
    if whole:
        return {answer: amount * count / whole for answer, count in tokens.items()}
    return {answer: amount / len(tokens) for answer in tokens}


class Meter:
    """What each answer under way has cost so far. Safe from any thread; a call takes as long as
    reading the counter does, `tokens` mostly no time at all."""

    def __init__(
        self,
        read_millijoules: ReadMillijoules | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`read_millijoules` is a counter that only rises, and raises Unreadable; None: there is
        no meter, and every answer's cost is None. `clock` is monotonic seconds."""
        self._read, self._clock = read_millijoules, clock
        self._lock = threading.Lock()
        self._reading: int | None = None  # the last one, None if there is nothing to go on from
        self._read_at = 0.0
        self._tokens: dict[object, int] = {}  # of each answer under way, since that reading
        self._spent: dict[object, float | None] = {}  # millijoules; None: it cannot be known

    @property
    def works(self) -> bool:
        """Whether there is a counter to read at all."""
        return self._read is not None

    def begin(self, answer: object) -> None:
        """The engine turns to `answer` now. Again for one under way (written a second time after
        the engine was lost): it goes on, and pays for both."""
        if self._read is None:
            return
        with self._lock:
            resting = not self._tokens
            if not self._look() and resting:
                self._look()  # what was missed while nobody was answered concerns nobody
            if answer not in self._tokens:
                self._tokens[answer] = 0
                self._spent[answer] = None if self._reading is None else 0.0

    def tokens(self, answer: object, count: int) -> None:
        """`answer` got `count` tokens since it was last said, read or written. No answer under
        way: nothing."""
        if self._read is None:
            return
        with self._lock:
            if answer in self._tokens:
                self._tokens[answer] += count
                if self._clock() - self._read_at >= INTERVAL_SECONDS:
                    self._look()

    def end(self, answer: object) -> float | None:
        """The joules that `answer` has cost, which is over now. None if that cannot be known, and
        for an answer that was not under way."""
        if self._read is None:
            return None
        with self._lock:
            if answer not in self._tokens:
                return None
            self._look()
            del self._tokens[answer]
            spent = self._spent.pop(answer)
        return None if spent is None else spent / 1000

    def _look(self) -> bool:
        """Read the counter and share out what it rose by; whether that could be done."""
        assert self._read is not None  # noqa: S101 - every caller has looked
        before, self._reading = self._reading, None
        self._read_at = self._clock()
        try:
            self._reading = self._read()
        except Unreadable:
            return self._lose()
        if before is None:
            return not self._tokens or self._lose()
        if self._reading < before:
            return self._lose()
        for answer, share in shares(self._reading - before, self._tokens).items():
            spent = self._spent[answer]
            self._spent[answer] = None if spent is None else spent + share
            self._tokens[answer] = 0
        return True

    def _lose(self) -> bool:
        """Part of what the answers under way have cost is not known, so the whole is not."""
        for answer in self._tokens:
            self._tokens[answer], self._spent[answer] = 0, None
        return False


class PowerSum:
    """A counter of millijoules made of power samples, for boards that keep none of their own."""

    def __init__(self, samples: Samples) -> None:
        """`samples` gives what is newer than a time stamp in microseconds, oldest first."""
        self._samples = samples
        self._last: tuple[int, int] | None = None
        self._nanojoules = 0  # milliwatts times microseconds

    def __call__(self) -> int:
        """Raises Unreadable after a gap in the samples; the next call goes on behind it."""
        complete = True
        last = self._last or max(self._samples(0), default=None)  # what was before is no matter
        if last is None:
            raise Unreadable("there are no power samples")
        for stamp, milliwatts in self._samples(last[0]):
            passed = stamp - last[0]
            if passed > 0:
                complete = complete and passed <= SAMPLE_GAP_SECONDS * 1e6
                self._nanojoules += passed * (last[1] + milliwatts) // 2
                last = (stamp, milliwatts)
        self._last = last
        if not complete:
            raise Unreadable("power samples are missing")
        return self._nanojoules // 1_000_000


def chosen(uuids: Sequence[str], names: Sequence[str], environment: Mapping[str, str]) -> list[int]:
    """Which of NVML's devices CUDA uses, by `CUDA_VISIBLE_DEVICES` (CUDA C++ Programming Guide,
    "CUDA Environment Variables"): numbers or beginnings of UUIDs, up to the first that is none.

    Empty if that cannot be told: numbers follow CUDA's own order, which is NVML's only where
    `CUDA_DEVICE_ORDER` says so or all devices are alike.
    """
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    everything = list(range(len(uuids)))
    if visible is None:
        return everything
    same_order = environment.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID" or len(set(names)) <= 1
    found: list[int] = []
    for entry in map(str.strip, visible.split(",")):
        if entry.isdigit():
            if not same_order:
                return []
            matches = [int(entry)] if int(entry) < len(uuids) else []
        else:
            matches = [at for at in everything if entry and uuids[at].startswith(entry)]
        if len(matches) != 1:
            break
        found += matches
    return found


def open_meter() -> Meter:
    """A meter of the GPUs that this process's CUDA programs use; without such, one that says None.

    For a model of which no layer is on a GPU take `Meter(None)`: the board's idling is not its
    cost.
    """
    return Meter(nvml_counter())


def nvml_counter() -> ReadMillijoules | None:
    """The energy of the GPUs in use, added up, read from NVML; None where it cannot be known."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        devices = [
            pynvml.nvmlDeviceGetHandleByIndex(at) for at in range(pynvml.nvmlDeviceGetCount())
        ]
        uuids = [pynvml.nvmlDeviceGetUUID(device) for device in devices]
        names = [pynvml.nvmlDeviceGetName(device) for device in devices]
        used = [devices[at] for at in chosen(uuids, names, os.environ)]
        if not used or any(_is_cut(pynvml, device) for device in used):
            return None
        counters = [_counter(pynvml, device) for device in used]
    except pynvml.NVMLError:
        return None

    def read() -> int:
        try:
            return sum(counter() for counter in counters)
        except pynvml.NVMLError as error:
            raise Unreadable(str(error)) from error

    return read


def _is_cut(nvml: Any, device: Any) -> bool:
    """Whether the GPU is cut in instances (MIG): others' work would be counted in."""
    try:
        return bool(nvml.nvmlDeviceGetMigMode(device)[0] == nvml.NVML_DEVICE_MIG_ENABLE)
    except nvml.NVMLError:
        return False  # older than Ampere: there is no such thing


def _counter(nvml: Any, device: Any) -> ReadMillijoules:
    """One GPU's counter, its own if it has one. Raises NVMLError if it tells its power neither."""
    try:
        nvml.nvmlDeviceGetTotalEnergyConsumption(device)
        return lambda: int(nvml.nvmlDeviceGetTotalEnergyConsumption(device))
    except nvml.NVMLError:
        pass

    def samples(since: int) -> list[tuple[int, int]]:
        try:
            _, found = nvml.nvmlDeviceGetSamples(device, nvml.NVML_TOTAL_POWER_SAMPLES, since)
        except nvml.NVMLError_NotFound:
            return []  # none newer
        return [(int(each.timeStamp), int(each.sampleValue.uiVal)) for each in found]

    nvml.nvmlDeviceGetPowerUsage(device)
    return PowerSum(samples)
