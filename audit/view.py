"""The auditor's view: the log filtered, by answers or by records, saying what it leaves out.

Every look is recorded (`log.searched`, and `log.viewed` where payloads are opened) before anything
of it is shown. A view goes through the whole log each time, see `audit.view_pass`; `quick` asks the
database's index instead and says that it is unverified.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from audit.envelope import format_time
from audit.errors import (
    PayloadDamagedError,
    PayloadErasedError,
    PayloadKeyLostError,
    RecordNotFoundError,
)
from audit.merkle import leaf_hash
from audit.ports import AuditLog
from audit.record import Actor, Event, Field
from audit.store import Leaf
from audit.view_collect import Answers, Found, Group, Records
from audit.view_data import Checked, Counts, Line, Page, Row, Trust, View, Wanted
from audit.view_envelope import Head, fields_of, head_of
from audit.view_fields import ENDS, STARTS, Fields, Strength, documents_of, verdict_of
from audit.view_pass import walk
from audit.view_quick import quick_found

_MOST_LISTED = 200  # numbers in clear
_TOLD = ("verdict", "model", "model_sha256", "question_sha256")
_CALLED, _FINISHED = "model.called", "model.finished"


def look(
    log: AuditLog,
    actor: Actor,
    wanted: Wanted | None = None,
    page: Page | None = None,
    *,
    records: bool = False,
    payloads: bool = False,
    quick: bool = False,
    checkpoints: Sequence[tuple[str, bytes]] = (),
) -> View:
    """One page of the log. `records`: one line for each record instead of one row for each answer;
    `payloads`: those of the lines opened; `checkpoints`: (name, signed note) from elsewhere.

    Raises AuditError; then nothing may be shown.
    """
    wanted, page = wanted or Wanted(), page or Page()
    with log.reading:
        size, newest = log.size(), log.newest_checkpoint()
    if quick:
        found = quick_found(log, wanted, page, records=records)
        checked = Checked(Trust.UNVERIFIED, newest[0] if newest else 0)
    else:
        found, checked = _gone_through(log, wanted, page, records, size, newest, checkpoints)
    leaves, checked = _read_again(log, found, checked)
    counts = Counts(
        records=size,
        shown=found.shown,
        erased=0,
        pruned=len(log.pruned()),
        unsealed=size - checked.sealed,
        outside=None if quick else found.outside,
        elsewhere=None if quick else found.elsewhere,
        left_out=None if quick else found.left_out,
    )
    view = View(wanted, page, checked, counts, cursor=found.cursor)
    recorded = log.append(_searched(actor, view, records=records))
    view = replace(view, record=recorded.event_id)
    if records:
        return _with_lines(log, actor, view, leaves[0], payloads)
    pairs = zip(found.groups, leaves, strict=True)
    rows = tuple(_row(log, group, those) for group, those in pairs)
    erased = sum(row.erased for row in rows)
    return replace(view, rows=rows, counts=replace(counts, erased=erased))


def _gone_through(
    log: AuditLog,
    wanted: Wanted,
    page: Page,
    records: bool,
    size: int,
    newest: tuple[int, str] | None,
    given: Sequence[tuple[str, bytes]],
) -> tuple[Found, Checked]:
    """The pass over the first `size` records. No lock is held over it: others go on recording."""
    collector = Records(wanted, page) if records else Answers(wanted, page)
    checked = walk(
        log.scan(0, size - 1),
        collector,
        size=size,
        log_id=log.log_id,
        pruned=log.pruned,
        own=[] if newest is None else [("the newest checkpoint", newest[1].encode())],
        given=given,
        keys=log.trusted_keys,
    )
    return collector.found(), checked


def _searched(actor: Actor, view: View, *, records: bool) -> Event:
    """`log.searched`, with the filter; whom it names is personal and goes into the payload."""
    fields: dict[str, Field | list[str] | list[int]] = {
        "view": "records" if records else "answers",
        "order": view.page.order.value,
        "limit": view.page.limit,
        "cursor": view.page.cursor,
        "found": view.counts.shown,
        "trust": view.checked.trust.value,
        "findings": view.checked.finding_count,
        "given_checkpoints": view.checked.given_checkpoints,
        "by_person": view.wanted.person is not None,
    }
    asked = view.wanted.as_json()
    person = asked.pop("person", None)
    fields |= {name: str(value) for name, value in asked.items()}
    return Event("log.searched", actor, fields, None if person is None else {"person": person})


def _read_again(log: AuditLog, found: Found, checked: Checked) -> tuple[list[list[Leaf]], Checked]:
    """The records of each group, and what is wrong if one is not what the pass saw."""
    leaves: list[list[Leaf]] = []
    for group in found.groups:
        those = []
        for seq, mark in zip(group.seqs, group.marks, strict=True):
            try:
                leaf = log.leaf(seq)
            except RecordNotFoundError:
                leaf = None
            if leaf is None or hash(leaf_hash(leaf.envelope)) != mark:
                checked = _altered(checked, seq)
            if leaf is not None:
                those.append(leaf)
        leaves.append(those)
    return leaves, checked


def _altered(checked: Checked, seq: int) -> Checked:
    said = f"record {seq} was altered while this view was made"
    return replace(
        checked,
        trust=Trust.TAMPERED,
        findings=(*checked.findings, said),
        finding_count=checked.finding_count + 1,
    )


# -- rows and lines --------------------------------------------------------------------------------


@dataclass(slots=True)
class _Gathered:
    """What the records of one answer say together."""

    kinds: list[str] = field(default_factory=list)
    told: dict[str, str] = field(default_factory=lambda: dict.fromkeys(_TOLD, ""))
    cited: dict[str, None] = field(default_factory=dict)
    person: str = ""
    session: str = ""

    def add(self, head: Head, fields: Fields) -> None:
        """One record more, in order. What the end says of model and verdict counts."""
        ends = head.type in ENDS
        self.kinds.append(head.type)
        self.person, self.session = self.person or head.person, self.session or head.session
        for document, strength in documents_of(head.type, fields):
            if strength is Strength.CITED:
                self.cited.setdefault(document)
        if ends:
            self.told["verdict"] = verdict_of(head.type, fields)
        for name in _TOLD[1:]:
            value = fields.get(name)
            if isinstance(value, str) and value and (ends or not self.told[name]):
                self.told[name] = value


def _row(log: AuditLog, group: Group, leaves: Sequence[Leaf]) -> Row:
    """One answer from its records, read from the envelopes."""
    gathered = _Gathered()
    payloads = erased = 0
    for leaf in leaves:
        head = head_of(leaf.envelope)
        if head is None:
            continue
        gathered.add(head, fields_of(leaf.envelope))
        if head.payload:
            payloads += 1
            erased += log.payload_erased(leaf)
    began = group.began or 0
    return Row(
        kind="refusal" if "question.refused" in gathered.kinds else group.kind,
        request=group.request,
        first=group.seqs[0],
        last=group.seqs[-1],
        ts_utc=began,
        time=format_time(began),
        person=gathered.person,
        session=gathered.session,
        documents=tuple(gathered.cited),
        records=len(leaves),
        payloads=payloads,
        erased=erased,
        lacks=_lacking(gathered.kinds),
        **gathered.told,
    )


def _lacking(kinds: Sequence[str]) -> tuple[str, ...]:
    """What a complete answer would have besides these records."""
    lacks = []
    if not any(kind in STARTS for kind in kinds):
        lacks.append("its beginning")
    if not any(kind in ENDS for kind in kinds):
        lacks.append("its end")
    if kinds.count(_CALLED) > kinds.count(_FINISHED):
        lacks.append("the end of a call of the model")
    return tuple(lacks)


def _with_lines(
    log: AuditLog, actor: Actor, view: View, leaves: Sequence[Leaf], payloads: bool
) -> View:
    if payloads:
        seqs = [leaf.seq for leaf in leaves]
        opened: dict[str, Field | list[str] | list[int]] = {
            "targets": seqs[:_MOST_LISTED],
            "count": len(seqs),
            "first": min(seqs, default=0),
            "last": max(seqs, default=0),
        }
        log.append(Event("log.viewed", actor, opened))
    lines = tuple(_line(log, leaf, payloads) for leaf in leaves)
    erased = sum(line.payload == "erased" for line in lines)
    return replace(view, lines=lines, counts=replace(view.counts, erased=erased))


def _line(log: AuditLog, leaf: Leaf, payloads: bool) -> Line:
    head = head_of(leaf.envelope)
    state, opened = "none", None
    if head is not None and head.payload:
        state = "erased" if log.payload_erased(leaf) else "sealed"
        if payloads and state == "sealed":
            try:
                opened = log.read_payload(leaf.seq)
                state = "opened"
            except PayloadErasedError:
                state = "erased"
            except (PayloadDamagedError, PayloadKeyLostError):
                state = "unreadable"  # what is there is shown; `audit verify` tells why
    moment = (head.ts_utc if head else None) or 0
    return Line(
        seq=leaf.seq,
        event_id=head.event_id if head else leaf.event_id,
        type=head.type if head else leaf.type,
        ts_utc=moment,
        time=format_time(moment),
        person=head.person if head else "",
        session=head.session if head else "",
        request=head.request_id if head else "",
        fields=fields_of(leaf.envelope),
        payload=state,
        leaf_hash=leaf_hash(leaf.envelope).hex(),
        opened=opened,
        person_kind=head.person_kind if head else "",
    )
