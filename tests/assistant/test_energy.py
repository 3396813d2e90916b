"""Joules per answer: who pays for what, and that nothing is guessed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pynvml
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant import energy
from assistant.energy import Meter, PowerSum, Unreadable, chosen, shares

TENTH = energy.INTERVAL_SECONDS


class Board:
    """A counter and a clock, both set by the test. `faults` readings are refused."""

    def __init__(self) -> None:
        self.millijoules, self.now, self.faults, self.readings = 5_000, 100.0, 0, 0

    def read(self) -> int:
        self.readings += 1
        if self.faults:
            self.faults -= 1
            raise Unreadable("GPU is lost")
        return self.millijoules

    def meter(self) -> Meter:
        return Meter(self.read, lambda: self.now)

    def work(self, millijoules: int, seconds: float = 2 * TENTH) -> None:
        self.millijoules += millijoules
        self.now += seconds


@given(
    st.floats(0, 1e9, allow_nan=False),
    st.dictionaries(st.integers(), st.integers(0, 10_000), max_size=9),
)
def test_shares_sum_to_the_whole(amount: float, tokens: dict[int, int]) -> None:
    found = shares(amount, tokens)
    assert set(found) == set(tokens)
    assert all(share >= 0 for share in found.values())
    assert sum(found.values()) == pytest.approx(amount if tokens else 0.0)


def test_shares_are_in_proportion_to_tokens() -> None:
    assert shares(100, {"a": 3, "b": 1, "c": 0}) == {"a": 75, "b": 25, "c": 0}
    assert shares(100, {"a": 0, "b": 0}) == {"a": 50, "b": 50}
    assert shares(100, {}) == {}


def test_one_answer_pays_for_all_that_was_spent_meanwhile() -> None:
    board = Board()
    meter = board.meter()
    board.work(9_000)
    meter.begin("a")
    board.work(1_500)
    meter.tokens("a", 3)
    board.work(500)
    assert meter.end("a") == 2.0


def test_idle_time_belongs_to_nobody() -> None:
    board = Board()
    meter = board.meter()
    meter.begin("a")
    board.work(1_000)
    assert meter.end("a") == 1.0
    board.work(50_000, seconds=60)
    meter.begin("b")
    board.work(2_000)
    assert meter.end("b") == 2.0


def test_several_pay_by_tokens_interval_by_interval() -> None:
    board = Board()
    meter = board.meter()
    meter.begin("a")
    board.work(1_000)
    meter.tokens("a", 2)  # a alone: 1 J
    meter.begin("b")
    meter.tokens("a", 1)
    board.work(4_000)
    meter.tokens("b", 3)  # 1 to 3: a pays 1 J, b 3 J
    board.work(2_000)
    ended = meter.end("a")  # nobody got any: evenly
    board.work(500)
    assert (ended, meter.end("b")) == (3.0, 4.5)


@given(
    st.lists(
        st.tuples(st.sampled_from(["begin", "tokens", "end"]), st.integers(0, 3)), max_size=60
    ),
    st.randoms(use_true_random=False),
)
def test_whatever_happens_the_answers_together_cost_what_was_spent_while_any_was_under_way(
    steps: list[tuple[str, int]], random: object
) -> None:
    board = Board()
    meter = board.meter()
    under_way: set[int] = set()
    spent, paid = 0, 0.0

    def end(answer: int) -> float:
        joules = meter.end(answer)
        assert (joules is not None) == (answer in under_way)
        under_way.discard(answer)
        return joules or 0.0

    for step, answer in steps:
        amount = random.randrange(5_000)  # type: ignore[attr-defined]
        spent += amount if under_way else 0
        board.work(amount, seconds=0.03)
        if step == "begin":
            meter.begin(answer)
            under_way.add(answer)
        elif step == "tokens":
            meter.tokens(answer, 1 + answer)
        else:
            paid += end(answer)
    for answer in sorted(under_way):
        paid += end(answer)
    assert paid == pytest.approx(spent / 1000)


def test_the_counter_is_read_seldom_while_tokens_come() -> None:
    board = Board()
    meter = board.meter()
    meter.begin("a")
    for _ in range(100):
        board.work(10, seconds=0.01)
        meter.tokens("a", 1)
    meter.end("a")
    assert board.readings <= 13


def test_an_answer_written_a_second_time_pays_for_both() -> None:
    board = Board()
    meter = board.meter()
    meter.begin("a")
    board.work(1_000)
    meter.begin("a")
    board.work(1_000)
    assert meter.end("a") == 2.0


def test_a_fault_costs_the_answers_under_way_their_figure_and_no_others() -> None:
    board = Board()
    meter = board.meter()
    meter.begin("a")
    board.work(1_000)
    board.faults = 1
    meter.tokens("a", 1)
    board.work(1_000)
    meter.tokens("a", 1)
    meter.begin("b")
    board.work(1_000)
    meter.tokens("b", 1)
    assert meter.end("a") is None
    assert meter.end("b") == 1.0


def test_an_answer_begun_while_the_counter_cannot_be_read_has_no_figure() -> None:
    board = Board()
    meter = board.meter()
    board.faults = 2
    meter.begin("a")
    board.work(1_000)
    assert meter.end("a") is None
    board.faults = 1  # of the two looks that the first answer after a rest takes, one may fail
    meter.begin("b")
    board.work(1_000)
    assert meter.end("b") == 1.0


@pytest.mark.parametrize("back_to", [0, 4_999])
def test_a_counter_that_was_set_back_is_not_believed(back_to: int) -> None:
    board = Board()
    meter = board.meter()
    meter.begin("a")
    board.millijoules = back_to
    meter.begin("b")
    board.work(1_000)
    assert (meter.end("a"), meter.end("b")) == (None, 0.5)


def test_a_counter_set_back_while_nobody_is_answered_is_of_no_matter() -> None:
    board = Board()
    meter = board.meter()
    meter.begin("a")
    meter.end("a")
    board.millijoules = 7
    meter.begin("b")
    board.work(1_000)
    assert meter.end("b") == 1.0


def test_a_lost_gpu_leaves_no_figures_at_all() -> None:
    board = Board()
    meter = board.meter()
    meter.begin("a")
    board.faults = 1_000
    for _ in range(5):
        board.work(0)
        meter.tokens("a", 1)
    meter.begin("b")
    assert (meter.end("a"), meter.end("b")) == (None, None)


def test_without_a_counter_there_is_no_figure() -> None:
    meter = Meter(None)
    meter.begin("a")
    meter.tokens("a", 1)
    assert (meter.works, meter.end("a")) == (False, None)


def test_what_was_never_begun_costs_nothing_that_is_known() -> None:
    board = Board()
    meter = board.meter()
    meter.tokens("a", 1)
    assert meter.end("a") is None
    meter.begin("a")
    meter.end("a")
    assert meter.end("a") is None


def test_many_threads_together_pay_what_was_spent() -> None:
    lock, counted = threading.Lock(), [0]

    def read() -> int:
        with lock:
            counted[0] += 7
            return counted[0]

    meter = Meter(read)
    paid: list[float] = []
    meter.begin("first")  # so that at no time nobody is under way
    begun = counted[0]

    def ask(person: int) -> None:
        for number in range(50):
            meter.begin((person, number))
            meter.tokens((person, number), number)
            joules = meter.end((person, number))
            assert joules is not None
            with lock:
                paid.append(joules)

    threads = [threading.Thread(target=ask, args=(person,)) for person in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    last = meter.end("first")
    assert last is not None
    assert len(paid) == 400
    assert sum(paid) + last == pytest.approx((counted[0] - begun) / 1000)


def test_power_samples_are_added_up() -> None:
    # microseconds, milliwatts: 100 W, then rising evenly to 300 W within 0.2 s
    kept = [(1_000_000, 50_000), (2_000_000, 100_000)]
    counter = PowerSum(lambda since: [each for each in kept if each[0] > since])
    first = counter()
    kept += [(2_500_000, 100_000), (2_600_000, 200_000), (2_700_000, 300_000)]
    assert counter() - first == 50_000 + 15_000 + 25_000
    assert counter() - first == 90_000


def test_a_gap_in_the_samples_is_told_once() -> None:
    kept = [(1_000_000, 100_000)]
    counter = PowerSum(lambda since: [each for each in kept if each[0] > since])
    counter()
    kept.append((3_000_000, 100_000))
    with pytest.raises(Unreadable):
        counter()
    begun = counter()
    kept.append((3_100_000, 100_000))
    assert counter() - begun == 10_000


def test_without_samples_there_is_nothing_to_add_up() -> None:
    with pytest.raises(Unreadable):
        PowerSum(lambda since: [])()


@pytest.mark.parametrize(
    ("visible", "order", "names", "used"),
    [
        (None, "", "AB", [0, 1]),
        ("", "", "AA", []),
        ("-1", "", "AA", []),
        ("1", "", "AA", [1]),
        ("1,0", "", "AA", [1, 0]),
        ("0,-1,1", "", "AA", [0]),
        ("5", "", "AA", []),
        ("1", "", "AB", []),  # CUDA may count them otherwise
        ("1", "PCI_BUS_ID", "AB", [1]),
        ("GPU-22", "", "AB", [1]),
        ("GPU-2", "", "AB", []),  # which of the two?
        ("MIG-4c", "", "AA", []),
    ],
)
def test_which_gpus_are_in_use(
    visible: str | None, order: str, names: str, used: list[int]
) -> None:
    environment = {"CUDA_DEVICE_ORDER": order} if order else {}
    if visible is not None:
        environment["CUDA_VISIBLE_DEVICES"] = visible
    assert chosen(["GPU-21", "GPU-22"], list(names), environment) == used


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """NVML with one GPU, whose state the test sets; the library's own exceptions."""
    state = SimpleNamespace(energy=1_000, mig=0, samples=[], lost=False)

    def energy_of(device: object) -> int:
        if state.lost:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        if state.energy is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return int(state.energy)

    def samples_of(device: object, kind: int, since: int) -> tuple[int, list[SimpleNamespace]]:
        newer = [
            SimpleNamespace(timeStamp=stamp, sampleValue=SimpleNamespace(uiVal=power))
            for stamp, power in state.samples
            if stamp > since
        ]
        if not newer:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return 1, newer

    def mig_of(device: object) -> list[int]:
        if state.mig is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return [state.mig, state.mig]

    def power_of(device: object) -> int:
        if not state.samples:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return int(state.samples[-1][1])

    for name, stand_in in {
        "nvmlInit": lambda: None,
        "nvmlDeviceGetCount": lambda: 1,
        "nvmlDeviceGetHandleByIndex": lambda at: at,
        "nvmlDeviceGetUUID": lambda device: "GPU-1",
        "nvmlDeviceGetName": lambda device: "A",
        "nvmlDeviceGetTotalEnergyConsumption": energy_of,
        "nvmlDeviceGetSamples": samples_of,
        "nvmlDeviceGetPowerUsage": power_of,
        "nvmlDeviceGetMigMode": mig_of,
    }.items():
        monkeypatch.setattr(pynvml, name, stand_in)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    yield state


def test_the_board_s_own_counter_is_read(nvml: SimpleNamespace) -> None:
    meter = energy.open_meter()
    meter.begin("a")
    nvml.energy += 2_500
    assert meter.end("a") == 2.5


def test_a_gpu_that_is_lost_on_the_way_is_no_failure_of_the_answer(nvml: SimpleNamespace) -> None:
    meter = energy.open_meter()
    meter.begin("a")
    nvml.lost = True
    assert meter.end("a") is None


def test_an_older_board_s_power_samples_are_taken(nvml: SimpleNamespace) -> None:
    nvml.energy, nvml.mig, nvml.samples = None, None, [(1_000_000, 200_000)]
    meter = energy.open_meter()
    meter.begin("a")
    nvml.samples.append((1_500_000, 200_000))
    assert meter.end("a") == 100.0


def test_after_a_long_rest_an_older_board_s_samples_are_taken_up_again(
    nvml: SimpleNamespace,
) -> None:
    nvml.energy, nvml.samples = None, [(1_000_000, 200_000)]
    meter = energy.open_meter()
    meter.begin("a")
    meter.end("a")
    nvml.samples = [(900_000_000, 200_000)]
    meter.begin("b")
    nvml.samples.append((900_500_000, 200_000))
    assert meter.end("b") == 100.0


@pytest.mark.parametrize(
    "state", [{"mig": 1}, {"energy": None}], ids=["cut in instances", "tells nothing"]
)
def test_where_it_cannot_be_known_there_is_no_meter(
    nvml: SimpleNamespace, state: dict[str, int | None]
) -> None:
    vars(nvml).update(state)
    assert not energy.open_meter().works


def test_without_a_driver_there_is_no_meter(monkeypatch: pytest.MonkeyPatch) -> None:
    def init() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", init)
    assert not energy.open_meter().works
