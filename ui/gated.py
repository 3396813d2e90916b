"""`--gated`: a changed model or prompt is measured on the sets of `gates.toml` before it is chosen.

A change that misses a bound is recorded as `model.refused` or `prompt.refused` and ends with 5;
what was in use stays. Measuring opens logs of its own, so no log is held meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ui import terminal
from ui.errors import UsageError

if TYPE_CHECKING:
    from assistant.answer_gate import Gate, Miss
    from ui.recorder import Record

Fields = Mapping[str, str | int | bool | None]


@dataclass(frozen=True, slots=True)
class Change:
    """What is about to take the place of `before`: a "model" or a "prompt", with its digest."""

    what: str
    name: str
    sha256: str
    before: str


@dataclass(frozen=True, slots=True)
class Passed:
    """A change whose every gate was held: the gates and what was measured on each."""

    change: Change
    measured: tuple[tuple[Gate, Mapping[str, float]], ...]
    gates_sha256: str


def refuse_set_alone(gated: bool, only: str) -> None:
    """Raise UsageError for --set without --gated, which would be a gate that nobody asked for."""
    if only and not gated:
        raise UsageError("--set says which gate to hold: give --gated with it.")


def hold(home: Path, change: Change, only: str = "") -> Passed:
    """Measure the change on every gate, or on the one for the set `only`.

    Raises GateMissed once that is recorded, GateUnusable, and what asking raises.
    """
    from assistant import answer_gate

    gates = answer_gate.chosen(home, only or None)
    gates_sha256 = answer_gate.digest(home)
    for gate in gates:
        _check_set(home, gate)
    measured = tuple((gate, figures(home, gate, change)) for gate in gates)
    missed = [miss for gate, found in measured for miss in answer_gate.decide(gate, found)]
    if missed:
        _record_refusal(home, change, missed, gates_sha256)
        raise answer_gate.refusal(f"{change.what} {change.name}", change.before, missed)
    return Passed(change, measured, gates_sha256)


def figures(home: Path, gate: Gate, change: Change) -> Mapping[str, float]:
    """What the changed model or prompt gets on the gate's set. Raises what asking raises."""
    from assistant.answer_gate import where
    from ui import cli_eval_answers

    path = where(home, gate.set)
    if change.what == "prompt":
        return cli_eval_answers.measure(home, path, on_home=gate.on_home, prompt=change.name)
    return cli_eval_answers.measure(home, path, change.name, gate.on_home)


def _check_set(home: Path, gate: Gate) -> None:
    """Say before anything is asked that a set is not there, or not the one that was measured."""
    from assistant.answer_gate import where
    from assistant.answer_sets import read_set
    from assistant.errors import GateUnusable

    found = read_set(where(home, gate.set), gate.on_home).digest
    if gate.sha256 and gate.sha256 != found:
        raise GateUnusable(
            f"The set {gate.set} is not the one that its gate was made for (SHA-256 {found}, "
            f"expected {gate.sha256}): restore it, or make the gate anew."
        )


def _record_refusal(home: Path, change: Change, missed: list[Miss], gates_sha256: str) -> None:
    """`model.refused` or `prompt.refused`: what was refused, and every bound that it missed."""
    from audit.record import Event, Field
    from ui import composition

    fields: dict[str, Field | list[str] | list[int]] = {
        "name": change.name,
        "sha256": change.sha256,
        "before": change.before,
        "gates_sha256": gates_sha256,
        "missed": [miss.code for miss in missed],
    }
    with composition.log(home) as log:
        actor = composition.actor_of(composition.terminal_asker())
        payload = {"missed": [str(miss) for miss in missed]}
        log.append(Event(f"{change.what}.refused", actor, fields, payload))


def noting(record: Record, passed: Passed | None) -> Record:
    """`record`, which also says of a choice that it went through its gates; it refuses a choice of
    other bytes than were measured."""
    if passed is None:
        return record

    def noted(kind: str, fields: Fields) -> None:
        if fields.get("sha256") != passed.change.sha256:
            raise UsageError(
                f"The {passed.change.what} {passed.change.name} was changed while it was measured: "
                "nothing was chosen, try again."
            )
        record(kind, {**fields, "gated": True, "gates_sha256": passed.gates_sha256})

    return noted


def as_json(passed: Passed | None) -> dict[str, object]:
    """What was measured, for a program; nothing without a gate."""
    if passed is None:
        return {}
    return {"gated": {gate.set: dict(found) for gate, found in passed.measured}}


def tell(passed: Passed | None) -> None:
    """What was measured, for a person: one line a bound."""
    for gate, found in passed.measured if passed else ():
        for bounds, side in ((gate.floors, "at least"), (gate.ceilings, "at most")):
            for name, bound in bounds.items():
                said = f"{name} on {gate.set} is {found[name]:.4g}, {side} {bound:.4g} is demanded."
                typer.echo(terminal.visible(said))
