"""The gate for a change of model or prompt: figures that must not get worse, and the decision.

`HOME/gates.toml` holds one `[[gate]]` for each set of questions: `set` is its path (relative to
HOME, or absolute), `on_home` says that it is asked of the data folder's own documents, `sha256`, if
there, is the digest that the set must have, `floors` and `ceilings` are the least and most that a
figure may be. A figure that was not measured holds no bound. Measuring
is passed in, so that the decision can be tested without a model.

It does not protect against someone who may write to `gates.toml`: the digest of the file that was
held against stands in the log beside each decision.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, floor, isfinite
from pathlib import Path
from typing import Any

from assistant.answer_figures import FIGURES
from assistant.durable import replace_file
from assistant.errors import GateMissed, GateUnusable
from index.files import private_folder

FILE = "gates.toml"
LATENCY = "latency_p95_seconds"
RISING = frozenset(figure.name for figure in FIGURES if figure.rises)
FALLING = frozenset(figure.name for figure in FIGURES if not figure.rises) | {LATENCY}
# What `write` guards: the others are means of the same judgements and would only fail twice.
GUARDED = (
    *("correct", "cited_gold", "refusal_f1"),
    *("wrong_shown", "unsupported_facts", "unsupported"),
)
# Gets no margin: one sentence with an invented number is one too many.
_STRICT = frozenset({"unsupported_facts"})
_ROUNDING = 1e-9  # a share of 0.6 may be 0.5999999999999999
_HAIR = 1e-6  # the same in units of the fourth digit
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Gate:
    """What one set of questions demands. Bounds by the figure's name, see `answer_figures`."""

    set: str
    floors: Mapping[str, float] = field(default_factory=dict)
    ceilings: Mapping[str, float] = field(default_factory=dict)
    sha256: str = ""
    on_home: bool = False


@dataclass(frozen=True, slots=True)
class Miss:
    """A bound that was not held; `measured` is None if the set does not measure the figure."""

    set: str
    figure: str
    measured: float | None
    bound: float
    is_floor: bool

    def __str__(self) -> str:
        side = "at least" if self.is_floor else "at most"
        found = "was not measured" if self.measured is None else f"is {self.measured:.4g}"
        return f"{self.figure} on {self.set} {found} and must be {side} {self.bound:.4g}"

    @property
    def code(self) -> str:
        """For a record, without floats: figure, measured and bound in millionths."""
        found = "none" if self.measured is None else str(round(self.measured * 1_000_000))
        side = "floor" if self.is_floor else "ceiling"
        return f"{self.figure}:{found}:{side}:{round(self.bound * 1_000_000)}"


Measure = Callable[[Gate], Mapping[str, float]]  # the figures of the new model or prompt on a set


def decide(gate: Gate, figures: Mapping[str, float]) -> tuple[Miss, ...]:
    """The bounds that `figures` do not hold; a figure that is not there holds none."""
    found = []
    for bounds, is_floor in ((gate.floors, True), (gate.ceilings, False)):
        for name, bound in bounds.items():
            measured = figures.get(name)
            if measured is not None and not isfinite(measured):
                measured = None
            short = 0.0 if measured is None else bound - measured if is_floor else measured - bound
            if measured is None or short > _ROUNDING:
                found.append(Miss(gate.set, name, measured, bound, is_floor))
    return tuple(found)


def check(gates: Sequence[Gate], measure: Measure) -> tuple[Miss, ...]:
    """Measure on every set, in order, and what was missed; a set that is missed does not spare
    the others, so that a person sees everything at once."""
    return tuple(miss for gate in gates for miss in decide(gate, measure(gate)))


def refusal(what: str, before: str, missed: Sequence[Miss]) -> GateMissed:
    """The sentence for a person: `what` ("model phi-4") is refused, `before` stays in use."""
    stays = f"{before} stays in use" if before else "nothing was changed"
    return GateMissed(
        f"The {what} was refused by its gate and {stays}: {'; '.join(map(str, missed))}; choose "
        f"another, or change the bounds in {FILE} if they ask too much."
    )


def read(home: Path) -> tuple[Gate, ...]:
    """The gates of a data folder, at least one. Raises GateUnusable."""
    path = home / FILE
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise GateUnusable(
            f"There are no gates yet: make {path} with a [[gate]] for a set of questions, as "
            "docs/model-changes.md shows, or let `cloister eval answers SET --write-gate` make it "
            "from what is in use now."
        ) from error
    except OSError as error:
        raise _unusable(path, error.strerror or "it cannot be read") from error
    return parse(data, path)


def parse(data: bytes, path: Path) -> tuple[Gate, ...]:
    """The gates in a file's bytes, at least one; `path` is for the message. Raises GateUnusable."""
    try:
        found = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise _unusable(path, f"it is not TOML: {error}") from error
    held = found.get("gate")
    if set(found) != {"gate"} or not isinstance(held, list) or not held:
        raise _unusable(path, "it must hold [[gate]] tables and nothing else")
    gates = tuple(_gate(path, number, each) for number, each in enumerate(held, start=1))
    sets = [gate.set for gate in gates]
    if len(set(sets)) < len(sets):
        raise _unusable(path, "two gates are for the same set")
    return gates


def digest(home: Path) -> str:
    """Hex SHA-256 of the file's bytes, for records; empty if there is none."""
    try:
        return hashlib.sha256((home / FILE).read_bytes()).hexdigest()
    except OSError:
        return ""


def chosen(home: Path, only: str | None) -> tuple[Gate, ...]:
    """All gates, or the one for the set `only`. Raises GateUnusable."""
    gates = read(home)
    if only is None:
        return gates
    wanted = where(home, only)
    found = tuple(gate for gate in gates if gate.set == only or where(home, gate.set) == wanted)
    if not found:
        raise GateUnusable(
            f"{home / FILE} has no gate for the set {only}: it has one for "
            f"{', '.join(gate.set for gate in gates)}; choose one of these or add it."
        )
    return found


def where(home: Path, set_: str) -> Path:
    """The path of a set as a gate names it."""
    return (home / Path(set_).expanduser()).resolve()


def fitted(
    set_: str,
    figures: Mapping[str, float],
    margin: float,
    *,
    sha256: str = "",
    on_home: bool = False,
) -> Gate:
    """A gate for `set_` that what was measured passes.

    Floors and ceilings are what was measured, give or take `margin` (0..1) and rounded away from
    it to four digits; what must never get worse (`unsupported_facts`) gets no margin. The margin
    should be about half an interval's width: without any, chance alone would refuse an equal model.
    Raises GateUnusable.
    """
    if not 0 <= margin < 1:
        raise GateUnusable(f"The margin {margin:g} is not from 0 to below 1: choose another.")
    there = {name: figures[name] for name in GUARDED if isfinite(figures.get(name, float("nan")))}
    if not there:
        raise GateUnusable(f"Nothing was measured on {set_} that a gate could hold: ask it first.")
    return Gate(
        set_,
        floors={
            name: max(0.0, floor((value - margin) * 10_000 + _HAIR) / 10_000)
            for name, value in there.items()
            if name in RISING
        },
        ceilings={
            name: min(1.0, ceil((value + margin * (name not in _STRICT)) * 10_000 - _HAIR) / 10_000)
            for name, value in there.items()
            if name in FALLING
        },
        sha256=sha256,
        on_home=on_home,
    )


def write(
    home: Path,
    set_: str,
    summary: Mapping[str, float],
    margin: float,
    *,
    sha256: str = "",
    on_home: bool = False,
) -> Gate:
    """Put a gate as `fitted` makes it into the file, in the place of an earlier one for the set.

    Raises GateUnusable and OSError.
    """
    gate = fitted(set_, summary, margin, sha256=sha256, on_home=on_home)
    kept = read(home) if (home / FILE).exists() else ()
    place = where(home, set_)
    others = [each for each in kept if where(home, each.set) != place]
    private_folder(home)
    replace_file(home / FILE, toml([*others, gate]).encode())
    return gate


def toml(gates: Sequence[Gate]) -> str:
    """The file's text."""
    lines = ["# What a change of model or prompt must hold: see docs/model-changes.md."]
    for gate in gates:
        lines += ["", "[[gate]]", f"set = {_string(gate.set)}"]
        if gate.sha256:
            lines.append(f"sha256 = {_string(gate.sha256)}")
        if gate.on_home:
            lines.append("on_home = true")
        for name, bounds in (("floors", gate.floors), ("ceilings", gate.ceilings)):
            if bounds:
                held = ", ".join(f"{key} = {float(value)!r}" for key, value in bounds.items())
                lines.append(f"{name} = {{{held}}}")
    return "\n".join(lines) + "\n"


def _string(text: str) -> str:
    """A TOML basic string, whose escapes are those of JSON but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _unusable(path: Path, why: str) -> GateUnusable:
    return GateUnusable(f"The gates in {path} cannot be used ({why}): correct the file.")


def _gate(path: Path, number: int, found: object) -> Gate:
    """A table of the file, every value held against what it may be."""
    known = {"set", "sha256", "on_home", "floors", "ceilings"}
    if not isinstance(found, dict) or not isinstance(found.get("set"), str) or not found["set"]:
        raise _unusable(path, f"gate {number} names no `set`")
    if further := set(found) - known:
        raise _unusable(path, f"gate {number} has the unknown key {min(further)!r:.40}")
    sha256 = found.get("sha256", "")
    if not isinstance(sha256, str) or (sha256 and not _DIGEST.fullmatch(sha256)):
        raise _unusable(path, f"the `sha256` of gate {number} is not one")
    if not isinstance(found.get("on_home", False), bool):
        raise _unusable(path, f"the `on_home` of gate {number} is neither true nor false")
    floors = _bounds(path, number, found.get("floors", {}), RISING, "floor")
    ceilings = _bounds(path, number, found.get("ceilings", {}), FALLING, "ceiling")
    if not floors and not ceilings:
        raise _unusable(path, f"gate {number} has neither `floors` nor `ceilings`")
    return Gate(found["set"], floors, ceilings, sha256, found.get("on_home", False))


def _bounds(
    path: Path, number: int, found: Any, known: frozenset[str], kind: str
) -> dict[str, float]:
    if not isinstance(found, dict):
        raise _unusable(path, f"the {kind}s of gate {number} are not a table")
    for name, value in found.items():
        if name not in known:
            names = ", ".join(sorted(known))
            raise _unusable(path, f"gate {number} has a {kind} for {name!r:.40}; known: {names}")
        number_like = isinstance(value, int | float) and not isinstance(value, bool)
        most = 1.0 if name != LATENCY else 86_400.0
        if not number_like or not 0 <= value <= most:
            raise _unusable(path, f"the {kind} of {name} in gate {number} is not 0 to {most:g}")
    return {name: float(value) for name, value in found.items()}
