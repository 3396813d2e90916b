"""Legal holds: what must be neither erased nor pruned, until two persons agree to let it go.

The state of the holds is a fold over the log's own records (`hold.placed`, `hold.release_asked`,
`hold.released`, `hold.release_refused`) and nothing else, so changing it means changing the log.
Reasons stand in the encrypted payloads; scope and matter code stand in clear, because a hold has to
work when its reason has been erased. A record that is no valid step (a release that one person both
asked for and confirmed, however it came into the log) changes nothing.

What this does not protect against: two persons who agree, and one person who holds the accounts of
two. `same_person` compares what the system knows of both: names, accounts, sign-ins.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from audit.envelope import parse_envelope
from audit.errors_duties import HoldRefusedError, HoldsChangedError
from audit.record import Actor, Event, Field
from audit.store import Filter, Leaf

if TYPE_CHECKING:
    from audit.ports import AuditLog

PLACED, ASKED = "hold.placed", "hold.release_asked"
RELEASED, REFUSED = "hold.released", "hold.release_refused"
KINDS = ("log", "person", "document", "request", "records", "time")
Clear = dict[str, "Field | list[str] | list[int]"]
ALL = 2**31 - 1  # as a filter's limit: every record that matches
_MATTER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,63}")
_LOGIN_UID = Path("/proc/self/loginuid")
_NOBODY = 2**32 - 1  # what Linux says where nobody signed in (a service, a container)


@dataclass(frozen=True, slots=True)
class Scope:
    """What is held. `kind`: "log" (everything; value ""), "person", "document" or "request" (value:
    the id), "records" ("10-20", both included) or "time" ("FROM/UNTIL", nanoseconds since 1970,
    FROM <= time < UNTIL)."""

    kind: str
    value: str = ""

    def bounds(self) -> tuple[int, int]:
        """First and last number, or FROM and UNTIL. Raises ValueError if they cannot be read."""
        first, _, last = self.value.partition("-" if self.kind == "records" else "/")
        return int(first), int(last)


WHOLE_LOG = Scope("log")


@dataclass(frozen=True, slots=True)
class Who:
    """A person as a record names them. `uid`: the account of the process that wrote it; `login`:
    the account that signed in to the session that it ran in, which `sudo` and `su` do not change;
    None if unknown."""

    id: str
    auth: str = ""
    uid: int | None = None
    login: int | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold as the log tells it. `id` is "H" and the number of its record, so no two are the same;
    times in nanoseconds; `asked` and `released` are numbers of records, -1 if there is none."""

    id: str
    matter: str
    scope: Scope
    placed_by: Who
    placed_ns: int
    placed: int
    asked_by: Who | None = None
    asked: int = -1
    released_by: Who | None = None
    released: int = -1

    @property
    def active(self) -> bool:
        """Whether it still holds."""
        return self.released < 0

    def covers(self, leaf: Leaf, envelope: Mapping[str, object]) -> bool:
        """Whether this record itself is within the scope; see `audit.held` for its request.

        A scope that cannot be read holds everything.
        """
        kind, value = self.scope.kind, self.scope.value
        if kind == "person":
            return concerns(envelope, value)
        if kind == "document":
            return names(envelope.get("fields"), value)
        if kind == "request":
            return leaf.request_id == value
        if kind in ("records", "time"):
            try:
                first, last = self.scope.bounds()
            except ValueError:
                return True
            if kind == "records":
                return first <= leaf.seq <= last
            return first <= leaf.ts_utc < last
        return True


def parsed(leaf: Leaf) -> Mapping[str, object]:
    """The envelope, empty if it cannot be read: what is held must not depend on that."""
    try:
        return parse_envelope(leaf.envelope)
    except (ValueError, RecursionError):
        return {}  # which the verifier reports


def names(value: object, document: str) -> bool:
    """Whether an id stands anywhere in `value`, alone or at the head of "id:page:start:end"."""
    if isinstance(value, str):
        return value == document or value.startswith(document + ":")
    if isinstance(value, Mapping):
        return any(names(each, document) for each in value.values())
    if isinstance(value, list | tuple):
        return any(names(each, document) for each in value)
    return False


def concerns(envelope: Mapping[str, object], person: str) -> bool:
    """Whether the person acted, or is whom a key or a right was given to."""
    actor, fields = envelope.get("actor"), envelope.get("fields")
    ids = [actor.get("id")] if isinstance(actor, Mapping) else []
    if isinstance(fields, Mapping):
        ids += [fields.get("user"), fields.get("person")]
    wanted = account_name(person)
    return any(isinstance(each, str) and account_name(each) == wanted for each in ids)


def account_name(text: str) -> str:
    """An id without what only spells it otherwise: case, width, invisible characters, a domain.

    "Ann", "ann@clinic.example" and "CLINIC\\\\ANN" are one. Two persons of two domains who share a
    name are one, too: for a release that asks for a third person, for a hold it holds more.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    plain = "".join(c for c in folded if unicodedata.category(c) not in ("Cf", "Cc", "Zs"))
    local = plain.rpartition("\\")[2]
    return local.partition("@")[0] or local


def same_person(one: Who, other: Who) -> bool:
    """Whether two records could be of one person: the same name under another spelling, the same
    account at the terminal whatever its name says, or one sign-in that became two accounts."""
    if account_name(one.id) == account_name(other.id):
        return True
    if one.login is not None and one.login == other.login:
        return True
    # Only there is the writing process that person's own; elsewhere it is one service for all.
    at_terminal = one.auth == other.auth == "local-user"
    return at_terminal and one.uid is not None and one.uid == other.uid


def login_uid() -> int | None:
    """The account that signed in to this session, as the kernel keeps it through `sudo` and `su`;
    None where it does not say. Only for a command at a terminal, which runs for one person."""
    try:
        found = int(_LOGIN_UID.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return None if found == _NOBODY else found


def holds(log: AuditLog) -> tuple[Hold, ...]:
    """Every hold there ever was, in order. Raises AuditError."""
    with log.reading:
        # By exact types, which the log has an index for: this also runs while others wait.
        found = [
            leaf
            for kind in (PLACED, ASKED, RELEASED)
            for leaf in log.leaves(Filter(type=kind, limit=ALL))
        ]
    return fold(sorted(found, key=lambda leaf: leaf.seq))


def active_holds(log: AuditLog) -> tuple[Hold, ...]:
    """The holds that still hold."""
    return tuple(each for each in holds(log) if each.active)


def fold(records: Iterable[Leaf]) -> tuple[Hold, ...]:
    """The holds that these records, in order, amount to. Pure; raises nothing."""
    found: dict[str, Hold] = {}
    for leaf in records:
        envelope = parsed(leaf)
        fields = envelope.get("fields")
        clear = fields if isinstance(fields, Mapping) else {}
        who = _who(envelope, clear)
        if leaf.type == PLACED:
            placed = _placed(leaf, clear, who)
            found[placed.id] = placed
            continue
        hold = found.get(str(clear.get("hold")))
        if hold is None or not hold.active or who is None:
            continue
        if leaf.type == ASKED:
            found[hold.id] = replace(hold, asked_by=who, asked=leaf.seq)
        elif leaf.type == RELEASED and hold.asked_by and clear.get("asked") == hold.asked:
            if same_person(hold.asked_by, who):
                continue
            found[hold.id] = replace(hold, released_by=who, released=leaf.seq)
    return tuple(found.values())


def _who(envelope: Mapping[str, object], fields: Mapping[str, object]) -> Who | None:
    """The person who acted; None for a service, the system, or nobody."""
    actor, writer = envelope.get("actor"), envelope.get("writer")
    if not isinstance(actor, Mapping) or actor.get("kind") != "person":
        return None
    name = str(actor.get("id", ""))
    if not account_name(name):
        return None
    uid = writer.get("uid") if isinstance(writer, Mapping) else None
    login = fields.get("login_uid")
    return Who(
        name,
        str(actor.get("auth", "")),
        uid if isinstance(uid, int) else None,
        login if isinstance(login, int) else None,
    )


def _placed(leaf: Leaf, fields: Mapping[str, object], who: Who | None) -> Hold:
    kind, value = str(fields.get("scope", "")), str(fields.get("target", ""))
    scope = Scope(kind, value) if kind in KINDS else WHOLE_LOG
    matter = str(fields.get("matter", ""))
    return Hold(f"H{leaf.seq}", matter, scope, who or Who(""), leaf.ts_utc, leaf.seq)


def place(
    log: AuditLog, actor: Actor, scope: Scope, *, matter: str, reason: str, login: int | None = None
) -> Hold:
    """Place a hold and return it. `matter`: a short code that stands in clear; `reason`: prose that
    is encrypted; `login`: see `login_uid`. Raises HoldRefusedError (exit code 2) or AuditError."""
    _require_person(actor)
    if not _MATTER.fullmatch(matter):
        raise HoldRefusedError(
            f"{matter!r} is no matter code; give up to 64 letters, digits, dots, dashes and "
            "slashes, and put the words into the reason"
        )
    _require_reason(reason)
    _require_scope(scope)
    clear = _signed({"matter": matter, "scope": scope.kind, "target": scope.value}, login)
    record = log.append(Event(PLACED, actor, clear, {"reason": reason.strip()}))
    return find(log, f"H{record.seq}")


def ask_release(
    log: AuditLog, actor: Actor, hold_id: str, reason: str, *, login: int | None = None
) -> Hold:
    """Ask for a hold's release, which another person then confirms; a later request takes an
    earlier one's place. Raises HoldRefusedError (exit code 2) or AuditError."""
    _require_person(actor)
    _require_reason(reason)
    with log.reading:
        hold = _find_active(log, hold_id)
        fields = _signed({"hold": hold.id}, login)
        log.append(Event(ASKED, actor, fields, {"reason": reason.strip()}))
        return find(log, hold.id)


def confirm_release(
    log: AuditLog,
    actor: Actor,
    hold_id: str,
    *,
    asked: int | None = None,
    login: int | None = None,
) -> Hold:
    """Release a hold that another person asked to release, and return it. `asked`: the number of
    the request that was looked at (None: whichever is the newest).

    The person who asked is refused, which is recorded. Raises HoldRefusedError (exit code 2) or
    AuditError.
    """
    _require_person(actor)
    with log.reading:
        hold = _find_active(log, hold_id)
        if hold.asked_by is None:
            raise HoldRefusedError(
                f"Nobody has asked to release {hold.id}; one person asks with `cloister audit hold "
                "release`, and another confirms"
            )
        about = hold.asked if asked is None else asked
        clear = _signed({"hold": hold.id, "asked": about}, login)
        uid = os.getuid() if actor.auth == "local-user" else None
        if about == hold.asked and same_person(
            hold.asked_by, Who(actor.id, actor.auth, uid, login)
        ):
            raise _refused(log, actor, clear, hold.asked_by)
        record = log.append(Event(RELEASED, actor, clear))
        after = find(log, hold.id)
        if after.released == record.seq:
            return after
        if after.active and after.asked == about:  # as the log's own writer knows them
            raise _refused(log, actor, clear, hold.asked_by)
    raise HoldRefusedError(
        f"{hold.id} was asked about again or released meanwhile; look at it with `cloister audit "
        "hold list` and decide anew"
    )


def _refused(log: AuditLog, actor: Actor, clear: Clear, asked_by: Who) -> HoldRefusedError:
    """The refusal, recorded, of a confirmation by who asked."""
    log.append(Event(REFUSED, actor, {**clear, "code": "SAME_PERSON"}))
    return HoldRefusedError(
        f"{clear['hold']} still holds: {asked_by.id} asked for its release, so another person, "
        "signed in with an account of their own, must confirm it"
    )


def _signed(fields: dict[str, Field], login: int | None) -> Clear:
    return {**fields} if login is None else {**fields, "login_uid": login}


def _require_person(actor: Actor) -> None:
    if actor.kind != "person" or not account_name(actor.id):
        raise HoldRefusedError("Only a person can place or release a hold; sign in with a name")


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise HoldRefusedError("A hold and its release need a reason; give it with --reason")


def _require_scope(scope: Scope) -> None:
    if scope.kind not in KINDS or bool(scope.value.strip()) == (scope.kind == "log"):
        raise HoldRefusedError(f"{scope.kind} {scope.value!r} cannot be held; say what to hold")
    if scope.kind in ("records", "time"):
        try:
            first, last = scope.bounds()
        except ValueError:
            first, last = 0, -1
        if not 0 <= first <= last:
            raise HoldRefusedError(
                f"{scope.value!r} is no range; give a first and a last one, in that order"
            )


def find(log: AuditLog, hold_id: str) -> Hold:
    """One hold by its id. Raises HoldRefusedError (exit code 2)."""
    for hold in holds(log):
        if hold.id == hold_id.strip().upper():
            return hold
    raise HoldRefusedError(
        f"There is no hold {hold_id}; list the holds with `cloister audit hold list`"
    )


def _find_active(log: AuditLog, hold_id: str) -> Hold:
    hold = find(log, hold_id)
    if hold.active:
        return hold
    by = hold.released_by.id if hold.released_by else ""
    raise HoldRefusedError(
        f"{hold.id} was released by {by} in record {hold.released}; nothing is left to do"
    )


def require_unchanged(log: AuditLog, known: Iterable[Hold]) -> None:
    """Raise HoldsChangedError if a hold is in force that is not among `known`.

    As the guard of `Log.prune` it runs inside the transaction that removes the records. Recording a
    hold is such a transaction, too, and SQLite runs one of them at a time whichever process they
    come from: a hold recorded before is seen here, and one recorded after finds the removal done.
    """
    seen = {each.id for each in known}
    new = [each.id for each in active_holds(log) if each.id not in seen]
    if new:
        raise HoldsChangedError(new[0])
