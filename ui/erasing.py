"""Erasing a document, a person's text or a record's, everywhere, with a certificate at the end.

The order is the promise: what is asked is worked out and shown; no hold forbids it; `erasure.begun`
stands in the log with its list; past answers that relied on it are noted; payload keys, catalogue,
views, original files, sweeps and evaluation folders go; what was recorded meanwhile goes, too; a
search that knows nothing of the deleting finds nothing; `erasure.finished` and the certificate.
Killed anywhere between, `resume` does it again from the list and ends alike.

What a program that runs meanwhile holds in memory goes when that program ends or forgets it; see
`Forgetting` and docs/erasure.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from assistant import erasing as beside
from audit import certifying, erasing, erasure, impacts, needles, probe, wording
from audit.erasing import Wanted
from audit.erasure import DOCUMENT, PERSON, RECORD, Erasure, Subject, Work
from audit.errors_duties import ErasureIncompleteError, ErasureRefusedError, HeldError
from audit.held import document_held, held, person_held
from audit.holds import Hold
from audit.needles import Needles
from audit.ports import AuditLog
from audit.probe import Place
from audit.record import Actor
from audit.runs import dead_runs
from ingest.erasing import Doomed, Erasing, Problem

TRIES = 5  # of what another process may be at just now
WAIT_SECONDS = 1.0
ANSWER_SECONDS = 120.0  # that an answer under way may take to end
_LONGEST_NS = 900 * 1_000_000_000  # a request older than this without an end was cut short
_RECENT = 5_000  # records before the list in which requests under way began
_LATE = 4  # walks through what was recorded while the erasure was under way


@dataclass(frozen=True, slots=True)
class Plan:
    """What an erasure will do. `sources` names the files that go, for the person who asks; `again`
    are files outside the data folder that the next run would take in again."""

    subject: Subject
    work: Work
    needles: Needles = field(repr=False)
    doomed: Doomed = field(default=Doomed(), repr=False)
    sources: tuple[str, ...] = ()
    again: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished erasure: its certificate (where, and what it says), what the probe found, and
    whether other Cloister programs ran, which hold what they read in memory until they end."""

    erasure: Erasure
    file: Path
    certificate: dict[str, object]
    places: tuple[Place, ...] = ()
    others: bool = False


@dataclass(frozen=True, slots=True)
class Parts:
    """What erasing works with: the data folder, its log, who acts, and what erases documents."""

    home: Path
    log: AuditLog
    actor: Actor
    documents: Erasing


# -- planning --------------------------------------------------------------------------------------


def plan_document(parts: Parts, name: str, collection: str = "") -> Plan:
    """What erasing the document, source or path `name` takes.

    Raises ErasureRefusedError, HeldError, another AuditError, IndexFailure.
    """
    doomed = parts.documents.find(name, collection)
    for each in doomed.ids:
        _refuse(document_held(parts.log, each), f"Document {each}")
    found = _needles_of(parts, doomed)
    names = parts.documents.names(doomed)
    wanted = Wanted(frozenset(doomed.ids) | doomed.chunks, names, found.marks)
    size = parts.log.size()
    records, wanted = erasing.relying(parts.log, wanted)
    _refuse_records(parts.log, records)
    work = Work(
        records,
        wanted,
        size,
        tuple((each.collection, each.source) for each in doomed.sources),
        (),
        tuple(sorted(doomed.collections)),
    )
    return Plan(
        Subject(DOCUMENT, doomed.ids, collection),
        work,
        found,
        doomed,
        tuple(sorted({s.source for s in doomed.sources} | {d.source for d in doomed.documents})),
        parts.documents.still_there(doomed),
    )


def plan_person(parts: Parts, person: str) -> Plan:
    """What erasing all text of a person's requests takes. Raises as `plan_document`."""
    _refuse(person_held(parts.log, person), f"What {person} asked")
    size = parts.log.size()
    records = erasing.of_person(parts.log, person)
    if not records:
        raise ErasureRefusedError(
            f"no record of {person!r} has a payload that lives; see `cloister audit list` for ids"
        )
    return _plan_records(parts, Subject(PERSON, person=person), records, size)


def plan_record(parts: Parts, number: int, whole_request: bool) -> Plan:
    """What erasing one record's payload, or those of its whole request, takes. Raises as
    `plan_document`."""
    size = parts.log.size()
    kind = parts.log.leaf(number).type
    if kind.startswith(erasing.KEPT_TYPES):
        raise ErasureRefusedError(f"record {number} ({kind}) accounts for what was erased or held")
    records = erasing.of_record(parts.log, number, whole_request)
    if not records:
        raise ErasureRefusedError(f"record {number} has no payload that lives")
    subject = Subject(RECORD, record=number, whole_request=whole_request)
    return _plan_records(parts, subject, records, size)


def _plan_records(parts: Parts, subject: Subject, records: tuple[int, ...], size: int) -> Plan:
    _refuse_records(parts.log, records)
    chosen = set(records)

    def kept() -> Iterator[str]:
        for leaf, payload in erasing.living(parts.log):
            if payload is not None and leaf.seq not in chosen:
                yield from wording.strings(payload)
        yield from parts.documents.kept_texts()

    opened = erasing.payloads(parts.log, records)
    gone = (text for _, payload in opened for text in wording.strings(payload))
    found = needles.gather(gone, kept)
    sweeps = tuple(sorted(erasing.sweeps_of(parts.log, records)))
    return Plan(subject, Work(records, Wanted(marks=found.marks), size, (), sweeps), found)


def _needles_of(parts: Parts, doomed: Doomed) -> Needles:
    documents = parts.documents
    found = needles.gather(
        documents.texts(doomed),
        lambda: documents.kept_texts(doomed),
        documents.originals(doomed),
        {*documents.names(doomed), *(each.title for each in doomed.documents)},
    )
    return needles.without(found, documents.kept_originals(doomed))


def _needles_left(parts: Parts, work: Work) -> Needles:
    """What can be looked for when the text itself has gone already: names, and runs of words."""
    kept = parts.documents.kept_texts
    return replace(needles.gather((), kept, (), work.wanted.names), marks=work.wanted.marks)


def _refuse_records(log: AuditLog, records: Sequence[int]) -> None:
    """Raise HeldError if a hold covers one of the records, whoever's it is."""
    known = held(log)
    for seq in records if known.holds else ():
        _refuse(known.by(log.leaf(seq)), f"Record {seq}")


def _refuse(hold: Hold | None, what: str) -> None:
    if hold is not None:
        raise HeldError(what, hold.id, hold.matter)


# -- doing it --------------------------------------------------------------------------------------


def erase(parts: Parts, plan: Plan, *, basis: str, requested_by: str, reason: str = "") -> Outcome:
    """Carry out a plan. Raises ErasureIncompleteError (run it again with `resume`), AuditError,
    IndexFailure."""
    begun = erasure.begin(
        parts.log,
        parts.actor,
        plan.subject,
        plan.work,
        basis=basis,
        requested_by=requested_by,
        reason=reason,
    )
    return _carry_out(parts, begun, plan)


def resume(parts: Parts, begun: Erasure) -> Outcome:
    """Finish an erasure that was cut short. What a hold forbids since then is refused. Raises as
    `erase`."""
    if begun.finished is not None:
        return _certified(parts, begun, ())
    work = erasure.work_of(parts.log, begun)
    if work is None:  # all was done and probed; only the last record is missing
        if begun.probed is None:
            raise ErasureIncompleteError("its list is gone and no probe is on record")
        return _end(parts, begun, ())
    for each in begun.subject.documents:
        _refuse(document_held(parts.log, each), f"Document {each}")
    _refuse_records(parts.log, [seq for seq in work.records if not _gone(parts.log, seq)])
    doomed = Doomed()
    if begun.subject.kind == DOCUMENT:
        again = parts.documents.again
        doomed = again(begun.subject.documents, work.sources, begun.subject.collection)
    found = _needles_of(parts, doomed) if doomed.keys else _needles_left(parts, work)
    return _carry_out(parts, begun, Plan(begun.subject, work, found, doomed))


def unfinished(log: AuditLog) -> tuple[Erasure, ...]:
    """Erasures that began and did not end, or whose certificate is missing."""
    return tuple(
        each
        for each in erasure.every(log)
        if each.finished is None
        or not (log.folder / certifying.FOLDER / f"{each.id}.json").exists()
    )


def _carry_out(parts: Parts, begun: Erasure, plan: Plan) -> Outcome:
    log, actor, work = parts.log, parts.actor, plan.work
    if plan.subject.documents:
        impacts.note(log, actor, plan.subject.documents, "erased")
    keys = erasing.destroy(log, work.records)
    erasure.cleared(log, actor, begun, "log payloads", keys)
    if plan.subject.kind == DOCUMENT:
        _clear_documents(parts, begun, plan)
    _clear_beside(parts, begun, plan)
    through = _clear_late(parts, begun, plan)
    places = _probed(parts, plan, through)
    begun = erasure.probed(
        log,
        actor,
        begun,
        places,
        sorted({*work.records, *erasure.widened_by(log, begun)}),
        needles=len(plan.needles.every()) + len(_ids(plan)),
        shared=plan.needles.shared,
        marks=len(work.wanted.marks),
        through=through,
    )
    left = [each for each in places if each.found]
    if left:
        where = "; ".join(f"{each.name} {', '.join(each.where)}".strip() for each in left)
        raise ErasureIncompleteError(f"the search found something of it in {where}")
    return _end(parts, begun, places)


def _clear_documents(parts: Parts, begun: Erasure, plan: Plan) -> None:
    """Rows first, so that nobody finds it any more; then their text out of the files."""
    count = parts.documents.erase(plan.doomed)
    erasure.cleared(parts.log, parts.actor, begun, "catalogue", count)
    problems = _retried(lambda: parts.documents.clear(plan.work.collections))
    if problems:
        raise ErasureIncompleteError(
            f"{problems[0].what.rstrip('.')} (stop `cloister serve` and `cloister chat` first)"
        )
    erasure.cleared(parts.log, parts.actor, begun, "search views and original files", count)


def _clear_beside(parts: Parts, begun: Erasure, plan: Plan) -> None:
    sweeps, running = beside.forget_sweeps(parts.home, plan.subject.documents, plan.work.sweeps)
    if running:
        raise ErasureIncompleteError(f"the sweep {running[0]} is running; wait for its end")
    erasure.cleared(parts.log, parts.actor, begun, "sweeps", sweeps)
    trials = beside.forget_trials(parts.home, plan.subject.documents)
    erasure.cleared(parts.log, parts.actor, begun, "evaluation folders", trials)


def _await_answers(parts: Parts, plan: Plan) -> None:
    """Wait, where other Cloister programs run, until the requests under way have ended: they may
    have read the text before it went. Raises ErasureIncompleteError if one takes too long."""
    first = max(0, plan.work.size - _RECENT)
    since = time.time_ns() - _LONGEST_NS
    until = time.monotonic() + ANSWER_SECONDS
    waiting = erasing.under_way(parts.log, first, since)
    while waiting and _others(parts.log):
        if time.monotonic() > until:
            raise ErasureIncompleteError("another program is still answering a question")
        time.sleep(WAIT_SECONDS)
        waiting &= erasing.under_way(parts.log, first, since)


def _others(log: AuditLog) -> bool:
    """Whether another Cloister program has the log open."""
    runs = log.folder / "open"
    return len(list(runs.glob("*.run"))) - len(dead_runs(runs)) > 1


def _clear_late(parts: Parts, begun: Erasure, plan: Plan) -> int:
    """Destroy what was recorded since the list was made, until nothing new comes; the number of
    records that were looked at in all. Somebody may go on telling of it in new questions."""
    _await_answers(parts, plan)
    count = 0
    for _ in range(_LATE):
        through = parts.log.size()
        late = _relying(parts, plan, plan.work.size)
        if not late:
            break
        erasure.widened(parts.log, parts.actor, begun, late)
        count += erasing.destroy(parts.log, late)
    erasure.cleared(parts.log, parts.actor, begun, "log payloads of meanwhile", count)
    return through


def _relying(parts: Parts, plan: Plan, first: int) -> tuple[int, ...]:
    """Records from `first` on that the erasure concerns and whose payload lives."""
    if plan.subject.kind == DOCUMENT:
        return erasing.relying(parts.log, plan.work.wanted, first)[0]
    if plan.subject.kind == PERSON:
        return erasing.of_person(parts.log, plan.subject.person, first)
    return ()


def _ids(plan: Plan) -> tuple[bytes, ...]:
    """Ids to be looked for outside the log; not those that another collection has by right."""
    if plan.subject.collection:
        return ()
    return tuple(each.encode() for each in sorted(plan.work.wanted.ids))


def _probed(parts: Parts, plan: Plan, through: int) -> tuple[Place, ...]:
    """What is left, as files' bytes, the stores' libraries and the opened payloads tell."""
    places = list(probe.search(parts.home, plan.needles.every(), _ids(plan)))
    if plan.subject.kind == DOCUMENT:
        subject = plan.subject
        chunks = plan.work.wanted.ids - set(subject.documents)
        remains = parts.documents.remains(subject.documents, chunks, subject.collection)
        sought = len(plan.work.wanted.ids)
        places += [Place(name, 0, 0, sought, count) for name, count in remains.items()]
        places.append(_by_words(parts, plan))
    left = [seq for seq in plan.work.records if not _gone(parts.log, seq)]
    left += [seq for seq in _relying(parts, plan, 0) if seq < through]
    told = _telling(parts.log, plan)
    read = sum(payload is not None for _, payload in erasing.living(parts.log))
    marks = len(plan.work.wanted.marks)
    found = sorted({*left, *told})
    numbers = tuple(f"record {seq}" for seq in found[:10])
    places.append(Place("log payloads (decrypted)", read, 0, marks, len(found), numbers))
    return tuple(places)


def _by_words(parts: Parts, plan: Plan) -> Place:
    """Texts of the catalogue that have a run of words of the erased text."""
    marks = plan.work.wanted.marks
    found = size = 0
    for text in parts.documents.kept_texts():
        found += wording.shares(text, marks)
        size += len(text)
    return Place("texts of the catalogue (by their words)", 0, size, len(marks), found)


def _telling(log: AuditLog, plan: Plan) -> list[int]:
    """Records whose payload lives and has a run of words of the erased text."""
    marks = plan.work.wanted.marks
    return [
        leaf.seq
        for leaf, payload in erasing.living(log)
        if payload is not None
        and leaf.seq < plan.work.size
        and any(wording.shares(text, marks) for text in wording.strings(payload))
    ]


def _gone(log: AuditLog, seq: int) -> bool:
    return log.payload_erased(log.leaf(seq))


def _retried(work: Callable[[], Sequence[Problem]]) -> Sequence[Problem]:
    """`work` until it leaves no problem, some times at most; the problems of the last time."""
    problems: Sequence[Problem] = ()
    for attempt in range(TRIES):
        problems = work()
        if not problems:
            break
        if attempt + 1 < TRIES:
            time.sleep(WAIT_SECONDS)
    return problems


def _end(parts: Parts, begun: Erasure, places: tuple[Place, ...]) -> Outcome:
    return _certified(parts, erasure.finish(parts.log, parts.actor, begun), places)


def _certified(parts: Parts, done: Erasure, places: tuple[Place, ...]) -> Outcome:
    file, said = certifying.issue(parts.log, done)
    return Outcome(done, file, said, places, _others(parts.log))
