"""Notices of earlier answers whose documents have changed since, for the terminal and the page.

A person is told of their own answers only, and of a document's name only where they may read its
collection now (`audit.notices`). What is drawn here follows `ui.render`: one line of HTML, every
text escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from assistant.answer import Asker
from audit import notices as audit_notices
from audit.errors_duties import NotGrantedError
from audit.log import Log
from audit.notices import Earlier, Notice
from audit.ports import AuditLog
from audit.remote import RemoteLog
from ui import composition
from ui.ports import Listing
from ui.render import flat

if TYPE_CHECKING:
    from audit.notices import MayRead
    from audit.ports import AuditLog

CAUSES = {
    "superseded": "There is a newer version",
    "withdrawn": "Withdrawn",
    "removed": "No longer among the documents",
    "erased": "Erased",
}
COMMAND = "cloister audit affected --mine"


class Lists(Protocol):
    """What tells which documents a person may read."""

    def documents(self, asker: Asker, as_of: str | None = None) -> Sequence[Listing]: ...


class Told(Protocol):
    """What the page asks: a person's notices, and to put one away."""

    def of(self, asker: Asker) -> tuple[Notice, ...]: ...
    def dismiss(self, asker: Asker, number: int) -> None: ...


class Notices:
    """The notices of the people who use this chat. Every method raises AuditError."""

    def __init__(self, log: AuditLog, assistant: Lists) -> None:
        self._log, self._assistant = log, assistant

    def of(self, asker: Asker) -> tuple[Notice, ...]:
        """What this person is to be told now; recorded as shown."""
        actor = composition.actor_of(asker)
        return audit_notices.notices(self._log, actor, readable(self._assistant, asker))

    def dismiss(self, asker: Asker, number: int) -> None:
        """Put a notice of this person's away; nothing happens if it is not theirs."""
        audit_notices.dismiss(self._log, composition.actor_of(asker), [number])


def readable(assistant: Lists, asker: Asker) -> MayRead:
    """Whether the asker may read a collection: some document of it is listed for them. Nothing is
    listed unless somebody asks."""

    @cache
    def collections() -> frozenset[str]:
        return frozenset(each.collection for each in assistant.documents(asker))

    return lambda collection: collection in collections()


def readable_here(home: Path, log: AuditLog, asker: Asker) -> MayRead:
    """The same for a command without an assistant: which collections the asker's groups may read.
    The index is opened only if somebody asks."""

    @cache
    def collections() -> frozenset[str]:
        from ingest.compose import open_ingestor

        if not (home / "catalogue.db").exists():  # a look must not begin an index
            return frozenset()
        actor = composition.actor_of(asker)
        with open_ingestor(home, log, actor) as ingesting:
            listed = ingesting.status().collections
            return frozenset(each.name for each in listed if each.groups & asker.groups)

    return lambda collection: collection in collections()


def line(log: AuditLog, asker: Asker) -> str:
    """One sentence for a terminal if answers of the asker's rely on what has changed and they have
    not seen the list yet, else "". Recorded. Raises AuditError."""
    count = audit_notices.count(log, composition.actor_of(asker))
    if not count:
        return ""
    if count == 1:
        return f"1 earlier answer of yours relies on a document that has changed since: `{COMMAND}`"
    return (
        f"{count:,} earlier answers of yours rely on documents that have changed since: `{COMMAND}`"
    )


def after_asking(assistant: object) -> str:
    """The same for whoever asks at this terminal, if `assistant` has a log that can be read; in the
    hardened mode an account may be allowed to write alone. Raises AuditError."""
    log = getattr(assistant, "log", None)
    if not isinstance(log, Log | RemoteLog):
        return ""
    try:
        return line(log, composition.terminal_asker())
    except NotGrantedError:
        return ""


def drawn(found: Sequence[Notice]) -> str:
    """The notices above a conversation, folded; "" if there are none."""
    if not found:
        return ""
    answers = len({each.request for notice in found for each in notice.answers})
    answers += sum(notice.more for notice in found)
    head = (
        "1 earlier answer of yours relies on a document that has changed"
        if answers == 1
        else f"{answers:,} earlier answers of yours rely on documents that have changed"
    )
    items = "".join(_notice(notice) for notice in found)
    return f'<details class="recalls"><summary>{head}</summary><ul>{items}</ul></details>'


def _notice(notice: Notice) -> str:
    cause = CAUSES.get(notice.cause, "Changed")
    rows = "".join(_earlier(each) for each in notice.answers)
    more = f"<p>and {notice.more:,} earlier ones</p>" if notice.more else ""
    put_away = f'<button type="button" class="dismiss" value="{notice.number}">Put away</button>'
    return (
        f'<li><p class="changed"><span class="title">{flat(notice.document)}</span> '
        f'<span class="cause">{cause}, {flat(notice.since)}</span>{put_away}</p>'
        f"<ul>{rows}</ul>{more}</li>"
    )


def _earlier(answer: Earlier) -> str:
    day = f'<span class="day">{flat(answer.time[:10])}</span>'
    if not answer.question:
        return f'<li><span class="asked">The question is no longer kept.</span> {day}</li>'
    return (
        f'<li><span class="asked">{flat(answer.question)}</span> {day}'
        f'<button type="button" class="again" value="{answer.seq}">Ask again</button></li>'
    )
