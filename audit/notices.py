"""Telling a person that earlier answers of theirs rely on documents that have changed since.

A notice is an `impact.found` that names answers of that person. It is theirs alone: nobody is told
of another's answers, and a document is named only to who may read its collection now.
What is shown is recorded (`impact.shown`) before it is; a notice is shown again for some days, and
no more once its reader has put it away (`impact.dismissed`).

What this does not do: it does not say whether the answer is wrong now. Asking again does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime

from audit.canonical import canonical
from audit.errors import (
    PayloadDamagedError,
    PayloadErasedError,
    PayloadKeyLostError,
    RecordNotFoundError,
)
from audit.ports import AuditLog
from audit.record import Actor, Event, Field
from audit.store import Filter, Leaf
from audit.view_envelope import fields_of, head_of
from audit.view_fields import Fields

SHOWN_DAYS = 30
A_DOCUMENT = "a document"  # that the reader may not read, or that is gone
_MOST_IMPACTS = 500  # the newest so many are looked at
_MOST_SEEN = 2_000
_MOST_ANSWERS = 20  # of one notice
_UNREADABLE = (PayloadErasedError, PayloadKeyLostError, PayloadDamagedError)

MayRead = Callable[[str], bool]
"""Whether this reader may read a collection now."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """An answer or task of the reader's. `question` is "" where its payload is gone; `time` in
    RFC 3339; `strength` as in `audit.view_fields.Strength`."""

    request: str
    seq: int
    time: str
    verdict: str
    strength: str
    question: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A document that changed, and the reader's answers that relied on it, newest first.

    `number` is that of the `impact.found`, by which it is dismissed; `cause` is superseded,
    withdrawn, removed or erased; `since` the time of the change or the day from which it holds;
    `more` counts answers that are not listed.
    """

    number: int
    document: str
    cause: str
    since: str
    answers: tuple[Earlier, ...]
    more: int = 0

    @property
    def count(self) -> int:
        """How many answers."""
        return len(self.answers) + self.more

    def as_json(self) -> dict[str, object]:
        """Plain data. The keys are an interface."""
        return asdict(self)


def notices(
    log: AuditLog,
    actor: Actor,
    may_read: MayRead = lambda collection: False,
    *,
    days: int = SHOWN_DAYS,
    now: datetime | None = None,
) -> tuple[Notice, ...]:
    """What `actor` is to be told, newest first; recorded as `impact.shown` before it returns.

    Shown are notices that they were not told yet, or whose change is less than `days` days old, and
    that they have not dismissed. Raises AuditError; then nothing may be shown.
    """
    waiting = _waiting(log, actor, days, now or datetime.now(UTC))
    found = tuple(_notice(log, actor, leaf, mine, may_read) for leaf, mine in waiting)
    if found:
        _record_shown(log, actor, found)
    return found


def count(log: AuditLog, actor: Actor, *, days: int = SHOWN_DAYS) -> int:
    """How many answers of `actor` those notices are about whose list they have not seen yet, for
    one line in passing; recorded as `impact.counted` if there are any. Raises AuditError."""
    waiting = _waiting(log, actor, days, datetime.now(UTC), fresh=True)
    requests = {str(answer["request"]) for _, mine in waiting for answer in mine}
    if requests:
        fields: dict[str, Field | list[str] | list[int]] = {
            "answers": len(requests),
            "impacts": [leaf.seq for leaf, _ in waiting][:200],
        }
        log.append(Event("impact.counted", actor, fields))
    return len(requests)


def dismiss(log: AuditLog, actor: Actor, numbers: Iterable[int]) -> int:
    """Put notices away for `actor`, by number; how many of them were theirs. Recorded as
    `impact.dismissed` before it returns. Raises AuditError."""
    wanted = set(numbers)
    listed = _impacts(log)
    mine = sorted(leaf.seq for leaf in listed if leaf.seq in wanted and _mine(log, leaf, actor))
    if mine:
        log.append(Event("impact.dismissed", actor, {"impacts": mine}))
    return len(mine)


def _record_shown(log: AuditLog, actor: Actor, found: tuple[Notice, ...]) -> None:
    requests = [each.request for notice in found for each in notice.answers]
    fields: dict[str, Field | list[str] | list[int]] = {
        "impacts": [notice.number for notice in found],
        "answers": sum(notice.count for notice in found),
        "requests": requests[:200],
    }
    log.append(Event("impact.shown", actor, fields))


def _impacts(log: AuditLog) -> tuple[Leaf, ...]:
    return log.leaves(Filter("impact.found", limit=_MOST_IMPACTS))


def _waiting(
    log: AuditLog, actor: Actor, days: int, now: datetime, *, fresh: bool = False
) -> list[tuple[Leaf, list[dict[str, object]]]]:
    """The impacts that this person is to be told of, newest first, with their answers; `fresh`:
    only those never shown to them."""
    impacts = _impacts(log)
    if not impacts:
        return []
    shown = _told(log, actor, "impact.shown")
    dismissed = _told(log, actor, "impact.dismissed")
    oldest = int((now.timestamp() - days * 86_400) * 1_000_000_000)
    found: list[tuple[Leaf, list[dict[str, object]]]] = []
    seen: set[tuple[str, str]] = set()
    for leaf in reversed(impacts):
        fields = fields_of(leaf.envelope)
        what = (str(fields.get("document")), str(fields.get("cause")))
        late = leaf.seq in shown and (fresh or leaf.ts_utc < oldest)
        if leaf.seq in dismissed or late or not _holds(fields, now.astimezone().date()):
            continue
        mine = [] if what in seen or _restored(log, leaf, what[0]) else _mine(log, leaf, actor)
        if mine:
            seen.add(what)  # an older one of the same document and cause says no more
            found.append((leaf, mine))
    return found


def _holds(fields: Fields, today: date) -> bool:
    """Whether the change is in force by now: a successor may begin on a day ahead."""
    day = fields.get("from_day")
    return not isinstance(day, str) or day <= today.isoformat()


def _restored(log: AuditLog, leaf: Leaf, document: str) -> bool:
    """Whether the document is in force again since."""
    chosen = Filter("ingest.restored", limit=1, contains=document)
    return any(each.seq > leaf.seq for each in log.leaves(chosen))


def _told(log: AuditLog, actor: Actor, kind: str) -> set[int]:
    """The impacts that records of this type by this person name."""
    told: set[int] = set()
    theirs = f'"id":{canonical(actor.id).decode()}'
    for leaf in log.leaves(Filter(kind, limit=_MOST_SEEN, contains=theirs)):
        head = head_of(leaf.envelope)
        if head is not None and (head.person, head.person_kind) == (actor.id, actor.kind):
            listed = fields_of(leaf.envelope).get("impacts")
            if isinstance(listed, list):
                told |= {each for each in listed if isinstance(each, int)}
    return told


def _mine(log: AuditLog, leaf: Leaf, actor: Actor) -> list[dict[str, object]]:
    """The answers of an impact that are this person's; none where its payload is gone."""
    try:
        payload = log.read_payload(leaf.seq) or {}
    except _UNREADABLE:
        return []
    answers = payload.get("answers")
    listed = answers if isinstance(answers, list) else []
    return [each for each in listed if isinstance(each, dict) and each.get("person") == actor.id]


def _notice(
    log: AuditLog, actor: Actor, leaf: Leaf, mine: list[dict[str, object]], may_read: MayRead
) -> Notice:
    fields = fields_of(leaf.envelope)
    head = head_of(leaf.envelope)
    newest = list(reversed(mine))
    when = str(fields.get("from_day") or "") or _day_of(head.ts_utc if head else None)
    return Notice(
        leaf.seq,
        _name(log, fields) if may_read(str(fields.get("collection"))) else A_DOCUMENT,
        str(fields.get("cause")),
        when,
        tuple(_earlier(log, actor, each) for each in newest[:_MOST_ANSWERS]),
        max(len(newest) - _MOST_ANSWERS, 0),
    )


def _name(log: AuditLog, fields: Fields) -> str:
    """The source of the document, as the record of its change has it."""
    change = fields.get("change")
    try:
        payload = log.read_payload(change) if isinstance(change, int) and change >= 0 else None
    except (*_UNREADABLE, RecordNotFoundError):
        payload = None
    source = (payload or {}).get("source")
    return source if isinstance(source, str) and source else A_DOCUMENT


def _day_of(ts_utc: int | None) -> str:
    moment = datetime.fromtimestamp((ts_utc or 0) / 1_000_000_000, UTC)
    return moment.astimezone().date().isoformat()


def _earlier(log: AuditLog, actor: Actor, answer: dict[str, object]) -> Earlier:
    request = str(answer.get("request", ""))
    number = answer.get("seq")
    return Earlier(
        request,
        number if isinstance(number, int) else -1,
        str(answer.get("time", "")),
        str(answer.get("verdict", "")),
        str(answer.get("strength", "")),
        _question(log, actor, request),
    )


def _question(log: AuditLog, actor: Actor, request: str) -> str:
    """The question as this person asked it, "" where its payload is gone or there is none."""
    for kind in ("question.received", "task.received"):
        for leaf in log.leaves(Filter(kind, request_id=request, limit=1)):
            head = head_of(leaf.envelope)
            if head is None or head.person != actor.id:
                return ""
            try:
                payload = log.read_payload(leaf.seq) or {}
            except _UNREADABLE:
                return ""
            question = payload.get("question") or payload.get("about")
            return question if isinstance(question, str) else ""
    return ""
