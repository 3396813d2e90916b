"""Once changes of documents are on record: which past answers relied on them (`audit.impacts`).

A version whose successor begins on a day ahead is in force until then, and answers that rely on it
are right until then. That is put on record at once all the same, with the day from which it holds:
no process need run on that day, and until then nobody is told.
"""

from __future__ import annotations

from audit.affected import catch_up
from audit.errors_duties import NotGrantedError
from audit.ports import AuditLog
from audit.record import Actor, Event
from index.document import Scope
from index.effective import today
from index.errors import IndexFailure
from index.store import Index


def recall(index: Index, log: AuditLog, actor: Actor) -> int:
    """Record what relied on documents that are on record as changed since the last time; how many
    were relied on.

    In the hardened mode an account may be allowed to write the log and not to read it: then
    `impact.not_checked` says so, and whoever may read looks it up (`cloister audit affected`).
    Raises AuditError.
    """

    def begins_later(collection: str, document: str) -> str | None:
        scope = Scope(frozenset({collection}))
        try:
            found = index.document(document, scope)
            standing = index.standings((found,), scope, today()).get((collection, document))
        except IndexFailure:  # removed meanwhile, or not to be told: then it holds from now on
            return None
        if standing is None or not standing.in_force:
            return None
        return standing.superseded_on

    try:
        return catch_up(log, actor, begins_later)
    except NotGrantedError:
        log.append(Event("impact.not_checked", actor))
        return 0
