"""Comparing what the log holds with what was counted elsewhere, so that suppression shows.

Of one process's own counters (`reconcile_process`), of the versions in the catalogue with the
records of ingestion (`audit.versions`), and of questions with their ends (`open_questions`). What a
crash cut off is named and counted, and breaks no balance.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from audit import tally as counted
from audit.envelope import parse_envelope
from audit.ports import AuditLog
from audit.record import Actor, Event
from audit.store import Leaf
from audit.tally import Tally
from audit.versions import ADDED, Version, VersionBalance

_MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class Count:
    """One event type, or a family ending in ".*": as recorded, and as counted elsewhere."""

    type: str
    recorded: int
    observed: int

    def text(self) -> str:
        """`type recorded=n observed=m`."""
        return f"{self.type} recorded={self.recorded} observed={self.observed}"


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The outcome. `unanswered`: requests with `question.received` and no `answer.*` record."""

    counts: tuple[Count, ...]
    unanswered: int

    @property
    def balanced(self) -> bool:
        """Whether every count agrees and every question has its end on record."""
        return self.unanswered == 0 and all(each.recorded == each.observed for each in self.counts)


def compare(
    counters: Mapping[str, int], observed: Mapping[str, int], unanswered: int
) -> Reconciliation:
    """Set the log's `counters` (by type) beside `observed` (by type or family)."""
    return Reconciliation(
        tuple(
            Count(wanted, recorded_of(counters, wanted), number)
            for wanted, number in sorted(observed.items())
        ),
        unanswered,
    )


def recorded_of(counters: Mapping[str, int], wanted: str) -> int:
    """How many records have the type `wanted`, or belong to that family if it ends in ".*"."""
    if not wanted.endswith(".*"):
        return counters.get(wanted, 0)
    return sum(count for kind, count in counters.items() if kind.startswith(wanted[:-1]))


@dataclass(frozen=True, slots=True)
class Equation:
    """What a counter of `Tally` must agree with: the records of `types`, together.

    `exact`: as many records as there were counts. Else a record stands before the thing is done,
    which may then still fail, so that there are at least as many records as counts.
    """

    counter: str
    types: tuple[str, ...]
    exact: bool


EQUATIONS = (
    Equation(counted.QUESTIONS, ("question.received",), exact=True),
    Equation(counted.MODEL_CALLS, ("model.called",), exact=False),
    Equation(counted.SENTENCES_SHOWN, ("answer.sentence",), exact=False),
    Equation(counted.ANSWERS_SHOWN, ("answer.released",), exact=False),
    Equation(counted.VERSIONS, tuple(sorted(ADDED)), exact=False),
)


@dataclass(frozen=True, slots=True)
class Balance:
    """One equation as it stands. `ended` of the `begun` things are over; `refused` were not done
    because they could not be recorded (their first record may stand all the same).
    """

    equation: Equation
    recorded: int
    ended: int
    begun: int
    refused: int

    @property
    def balanced(self) -> bool:
        """Whether each thing that is over has its record, and each record its thing."""
        if self.recorded < self.ended:
            return False
        return not self.equation.exact or self.recorded <= self.begun + self.refused

    def text(self) -> str:
        """`counter: types recorded=n observed=m`, and what is under way or was refused."""
        types = "+".join(self.equation.types)
        return (
            f"{self.equation.counter}: {types} recorded={self.recorded} observed={self.ended} "
            f"underway={self.begun - self.ended} refused={self.refused}"
        )


def balance(
    appended: Mapping[str, int], ended: Mapping[str, int], begun: Mapping[str, int], tally: Tally
) -> tuple[Balance, ...]:
    """What one process did beside what the log acknowledged to it (`Log.appended()`).

    `ended` is to be read from the tally before `appended`, and `begun` after it; then whatever
    happens meanwhile lies between the two, and a busy server balances too.
    """
    refused = tally.refused()
    return tuple(
        Balance(
            each,
            sum(appended.get(kind, 0) for kind in each.types),
            ended.get(each.counter, 0),
            begun.get(each.counter, 0),
            refused.get(each.counter, 0),
        )
        for each in EQUATIONS
    )


def reconcile_process(log: AuditLog, actor: Actor, tally: Tally) -> tuple[Balance, ...]:
    """Compare what this process did with what `log` acknowledged to it, and record the outcome.

    Raises AuditError.
    """
    ended = tally.ended()
    appended = log.appended()
    found = balance(appended, ended, tally.begun(), tally)
    log.append(reconciled(actor, balances=found))
    return found


@dataclass(frozen=True, slots=True)
class OpenQuestions:
    """Questions without an end on record, by what explains it.

    `underway`: their process has the log open still. `interrupted`: it ended without closing the
    log, by a crash. `unended`: it closed the log in order, so that nothing explains it.
    """

    received: int
    underway: int
    interrupted: int
    unended: tuple[str, ...]  # request ids

    @property
    def balanced(self) -> bool:
        """Whether every question has its end or an explanation."""
        return not self.unended

    def text(self) -> str:
        """`questions: received=n ...`."""
        return (
            f"questions: received={self.received} underway={self.underway} "
            f"interrupted={self.interrupted} unended={len(self.unended)}"
        )


def open_questions(leaves: Iterable[Leaf]) -> OpenQuestions:
    """Follow questions to their ends: `answer.*` or `question.refused` of the same request.

    Give it the records of the types `question.*`, `answer.*` and `log.*`, in order. A question
    belongs to the run of the log that its process (boot, process number) had begun last.
    """
    waiting: dict[str, str] = {}  # request to run
    runs: dict[tuple[str, str], str] = {}  # the newest run of a process
    closed: set[str] = set()
    dead: set[str] = set()
    received = 0
    for leaf in leaves:
        if leaf.type in ("log.opened", "log.closed", "log.recovered", "question.received"):
            envelope = parse_envelope(leaf.envelope)
            process, run = _process_of(envelope), _run_of(envelope)
            if leaf.type == "log.opened":
                runs[process] = run
            elif leaf.type == "log.closed":
                closed.add(run)
            elif leaf.type == "log.recovered":
                dead.add(run)
            else:
                received += 1
                waiting[leaf.request_id] = runs.get(process, "")
        elif leaf.type == "question.refused" or (
            leaf.type.startswith("answer.") and leaf.type != "answer.sentence"
        ):
            waiting.pop(leaf.request_id, None)
    interrupted = sum(run in dead for run in waiting.values())
    unended = tuple(request for request, run in waiting.items() if run in closed)
    underway = len(waiting) - interrupted - len(unended)
    return OpenQuestions(received, underway, interrupted, unended)


def _process_of(envelope: Mapping[str, object]) -> tuple[str, str]:
    writer = envelope.get("writer")
    number = writer.get("pid") if isinstance(writer, dict) else None
    return str(envelope.get("boot_id")), str(number)


def _run_of(envelope: Mapping[str, object]) -> str:
    fields = envelope.get("fields")
    return str(fields.get("run")) if isinstance(fields, dict) else ""


def reconciled(
    actor: Actor,
    *,
    balances: Collection[Balance] = (),
    versions: VersionBalance | None = None,
    questions: OpenQuestions | None = None,
) -> Event:
    """The event `audit.reconciled` for what was compared: counts in clear, and the first of what
    nothing explains. Digests and request ids are no personal data.
    """
    parts = [*balances, *(each for each in (versions, questions) if each is not None)]
    fields: dict[str, str | int | bool | list[str] | list[int] | None] = {
        "balanced": all(each.balanced for each in parts),
        "compared": [each.text() for each in parts],
    }
    if versions is not None:
        fields["unrecorded"] = [_named(each) for each in versions.unrecorded[:_MOST_NAMED]]
        fields["missing"] = [_named(each) for each in versions.missing[:_MOST_NAMED]]
    if questions is not None:
        fields["unanswered"] = len(questions.unended)
        fields["unended"] = list(questions.unended[:_MOST_NAMED])
    return Event("audit.reconciled", actor, fields)


def _named(version: Version) -> str:
    return f"{version[0]}:{version[1]}"
