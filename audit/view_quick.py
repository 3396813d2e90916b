"""A page of the log by way of the database's index: fast, and no proof of anything.

It relies on the columns that repeat the envelope's values. Whoever altered them hides a record from
this view; `audit.view_pass` is what notices.
"""

from __future__ import annotations

from collections.abc import Sequence

from audit.merkle import leaf_hash
from audit.ports import AuditLog
from audit.store import Filter, Leaf
from audit.view_collect import Answers, Found, Records
from audit.view_data import Order, Page, Wanted
from audit.view_envelope import head_of
from audit.view_fields import STARTS

_MOST_LOOKED_AT = 2_000  # of each kind, from the end of the log


def quick_found(log: AuditLog, wanted: Wanted, page: Page, *, records: bool) -> Found:
    """The page's records among the newest that the index offers."""
    if records:
        return _collected(Records(wanted, page), log.leaves(_filter(wanted, page.limit)))
    if wanted.request is not None:
        return _collected(Answers(wanted, page), log.leaves(_filter(wanted, None)))
    begun = _begun(log, wanted, page)
    every: dict[int, Leaf] = {}
    found = Answers(wanted, page).found()
    step = page.limit + 1
    for first in range(0, len(begun), step):  # as far back as the page needs
        for leaf in begun[first : first + step]:
            for each in log.leaves(Filter(request_id=leaf.request_id, limit=_MOST_LOOKED_AT)):
                every[each.seq] = each
        found = _collected(Answers(wanted, page), [every[seq] for seq in sorted(every)])
        if page.order is Order.NEWEST and found.cursor is not None:
            break
    return found


def _collected(collector: Answers | Records, leaves: Sequence[Leaf]) -> Found:
    for leaf in leaves:
        head = head_of(leaf.envelope)
        if head is not None:
            collector.take(head, leaf.envelope, leaf_hash(leaf.envelope))
    return collector.found()


def _begun(log: AuditLog, wanted: Wanted, page: Page) -> list[Leaf]:
    """The first records of the newest answers, tasks and searches, newest first."""
    begun: list[Leaf] = []
    for start in STARTS:
        begun += log.leaves(Filter(start, wanted.since, wanted.until, None, _MOST_LOOKED_AT))
    if wanted.person is not None:
        heads = [(head_of(leaf.envelope), leaf) for leaf in begun]
        begun = [leaf for head, leaf in heads if head is not None and head.person == wanted.person]
    newest = sorted(begun, key=lambda leaf: leaf.seq, reverse=True)[:_MOST_LOOKED_AT]
    return [leaf for leaf in newest if page.after(leaf.seq)]


def _filter(wanted: Wanted, limit: int | None) -> Filter:
    """Of single records the index can be asked for one more than the page takes, unless there is a
    condition that only the envelope tells."""
    plain = not any((wanted.person, wanted.verdict, wanted.model, wanted.session))
    most = limit + 1 if limit is not None and plain else _MOST_LOOKED_AT
    kind = wanted.type if limit is not None else None
    return Filter(kind, wanted.since, wanted.until, wanted.request, most, wanted.document)
