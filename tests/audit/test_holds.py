"""Legal holds: what they cover, that two persons end them, and that nothing else does."""

from __future__ import annotations

import json
import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit import holds as subject
from audit.canonical import canonical
from audit.errors_duties import HoldRefusedError, HoldsChangedError
from audit.held import Held, document_held, held, person_held
from audit.holds import WHOLE_LOG, Hold, Scope, account_name, fold, holds, same_person
from audit.log import Log
from audit.record import Actor, Event
from audit.store import Filter, Leaf
from tests.audit.standins import open_test_log

ANN = Actor("person", "ann", "session", ("legal",), "browser")
BEN = Actor("person", "ben", "session", ("legal",), "browser")
DOCUMENT = "d" * 64


def _placed(log: Log, scope: Scope, by: Actor = ANN) -> Hold:
    return subject.place(log, by, scope, matter="2026-17", reason="Smith against the clinic")


def _asked(log: Log, person: str, number: int, request: str, **fields: object) -> list[int]:
    actor = Actor("person", person, "session")
    events = [
        Event("question.received", actor, {"n": number}, {"question": "?"}, "", request),
        Event("answer.released", actor, fields, {"answer": "!"}, "", request),  # type: ignore[arg-type]
    ]
    return [record.seq for record in log.append_many(events)]


def _types(log: Log) -> list[str]:
    return [leaf.type for leaf in log.scan() if leaf.type.startswith("hold.")]


def test_one_person_places_and_two_release(home: Path) -> None:
    with open_test_log(home) as log:
        placed = _placed(log, WHOLE_LOG)
        assert (placed.matter, placed.placed_by.id, placed.active) == ("2026-17", "ann", True)
        with pytest.raises(HoldRefusedError, match="Nobody has asked"):
            subject.confirm_release(log, BEN, placed.id)
        asked = subject.ask_release(log, ANN, placed.id.lower(), "settled")
        assert asked.asked_by is not None
        assert asked.active
        with pytest.raises(HoldRefusedError, match="another person"):
            subject.confirm_release(log, ANN, placed.id)
        assert holds(log)[0].active
        released = subject.confirm_release(log, BEN, placed.id, asked=asked.asked)
        assert released.released_by is not None
        assert (released.active, released.released_by.id) == (False, "ben")
        with pytest.raises(HoldRefusedError, match="was released by ben"):
            subject.ask_release(log, BEN, placed.id, "again")
        assert _types(log) == [
            "hold.placed",
            "hold.release_asked",
            "hold.release_refused",
            "hold.released",
        ]
        assert log.read_payload(placed.placed) == {"reason": "Smith against the clinic"}
        assert b"Smith" not in log.leaf(placed.placed).envelope


def test_another_spelling_is_no_second_person(home: Path) -> None:
    with open_test_log(home) as log:
        placed = _placed(log, WHOLE_LOG)
        for one, other in (
            ("ann", " ANN "),
            ("ann", "ann@clinic.example"),
            ("ann", "CLINIC\\Ann"),
            ("ann", "a\u200bnn"),
            ("ann", "\uff41nn"),
            ("jos\u00e9", "jose\u0301"),
        ):
            assert account_name(one) == account_name(other)
            subject.ask_release(log, Actor("person", one, "session"), placed.id, "over")
            with pytest.raises(HoldRefusedError):
                subject.confirm_release(log, Actor("person", other, "session"), placed.id)
        assert holds(log)[0].active


def test_another_name_for_one_account_is_no_second_person(home: Path) -> None:
    """LOGNAME renames who runs a command, and `sudo` makes them another account for a moment."""
    ann, ben = replace(ANN, auth="local-user"), replace(BEN, auth="local-user")
    with open_test_log(home) as log:
        placed = _placed(log, WHOLE_LOG)
        subject.ask_release(log, ann, placed.id, "over", login=1000)
        with pytest.raises(HoldRefusedError):
            subject.confirm_release(log, ben, placed.id)  # the same uid writes both
        with pytest.raises(HoldRefusedError):
            subject.confirm_release(log, BEN, placed.id, login=1000)
        assert holds(log)[0].active
        assert _types(log)[-2:] == ["hold.release_refused"] * 2
        subject.confirm_release(log, BEN, placed.id, login=1001)
        assert not holds(log)[0].active


def test_a_hold_needs_a_person_a_matter_a_reason_and_a_scope(home: Path) -> None:
    with open_test_log(home) as log:
        for actor, scope, matter, reason in (
            (Actor("system", "cloister"), WHOLE_LOG, "m", "why"),
            (ANN, WHOLE_LOG, "Smith against the clinic", "why"),
            (ANN, WHOLE_LOG, "m", "  "),
            (ANN, Scope("log", "x"), "m", "why"),
            (ANN, Scope("person"), "m", "why"),
            (ANN, Scope("colour", "red"), "m", "why"),
            (ANN, Scope("records", "9-3"), "m", "why"),
            (ANN, Scope("time", "x/y"), "m", "why"),
        ):
            with pytest.raises(HoldRefusedError):
                subject.place(log, actor, scope, matter=matter, reason=reason)
        assert holds(log) == ()
        with pytest.raises(HoldRefusedError, match="no hold H99"):
            subject.ask_release(log, ANN, "H99", "why")


def test_a_confirmation_is_of_the_request_that_was_looked_at(home: Path) -> None:
    with open_test_log(home) as log:
        placed = _placed(log, WHOLE_LOG)
        seen = subject.ask_release(log, ANN, placed.id, "settled").asked
        cid = Actor("person", "cid", "session")
        subject.ask_release(log, cid, placed.id, "another reason")
        with pytest.raises(HoldRefusedError, match="decide anew"):
            subject.confirm_release(log, BEN, placed.id, asked=seen)
        assert holds(log)[0].active


def test_what_each_scope_covers(home: Path) -> None:
    with open_test_log(home) as log:
        log.append(Event("step.done", Actor("service", "x")))
        ours = _asked(log, "eve", 1, "r1", citations=[f"{DOCUMENT}:3:0:10"])
        others = _asked(log, "fay", 2, "r2", citations=["e" * 64 + ":3:0:10"])
        moment = log.leaf(others[0]).ts_utc
        cases = {
            WHOLE_LOG: {*ours, *others},
            Scope("person", "EVE@clinic"): set(ours),
            Scope("document", DOCUMENT): set(ours),
            Scope("request", "r2"): set(others),
            Scope("records", f"0-{ours[0]}"): set(ours),  # the whole request of one of them
            Scope("time", f"{moment}/{moment + 10**15}"): set(others),
        }
        for scope, expected in cases.items():
            hold = Hold("H1", "m", scope, subject.Who("ann"), 0, 1)
            found = Held(log, (hold,))
            covered = {s for s in (*ours, *others) if found.by(log.leaf(s)) is not None}
            assert covered == expected, scope


def test_a_document_in_a_payload_is_held_with_its_whole_request(home: Path) -> None:
    with open_test_log(home) as log:
        actor = Actor("person", "eve", "session")
        first = log.append(Event("question.received", actor, {}, None, "", "r1")).seq
        shown = {"passages": [{"document": DOCUMENT, "page": 2}]}
        second = log.append(Event("answer.released", actor, {}, shown, "", "r1"))
        apart = log.append(Event("answer.released", actor, {}, {"passages": []}, "", "r2")).seq
        _placed(log, Scope("document", DOCUMENT))
        found = held(log)
        assert found.by(log.leaf(first)) is not None
        assert found.by(log.leaf(second.seq)) is not None
        assert found.by(log.leaf(apart)) is None
        log.destroy_payload_keys([log.leaf(second.seq)])
        assert held(log).by(log.leaf(first)) is None  # erased, by whoever could before the hold


def test_erasing_asks_for_documents_and_persons(home: Path) -> None:
    with open_test_log(home) as log:
        ours = _asked(log, "eve", 1, "r1", citations=[f"{DOCUMENT}:3:0:10"])
        assert document_held(log, DOCUMENT) is None
        assert person_held(log, "eve") is None
        hold = _placed(log, Scope("records", f"{ours[0]}-{ours[0]}"))
        assert document_held(log, DOCUMENT) == hold  # through the other record of the request
        assert person_held(log, "Eve") == hold
        assert document_held(log, "e" * 64) is None
        assert person_held(log, "fay") is None
        named = _placed(log, Scope("person", "fay"))
        assert person_held(log, "FAY") == named
        _placed(log, WHOLE_LOG)
        assert document_held(log, "e" * 64) is not None


def test_a_scope_that_cannot_be_read_holds_everything(home: Path) -> None:
    with open_test_log(home) as log:
        ours = _asked(log, "eve", 1, "r1")
        fields = {"matter": "m", "scope": "records", "target": "ten to twenty"}
        log.append(Event("hold.placed", ANN, fields))
        assert held(log).by(log.leaf(ours[0])) is not None
        log.append(Event("hold.placed", ANN, {"matter": "m", "scope": "unheard-of"}))
        assert [each.scope for each in holds(log)][1] == WHOLE_LOG


def test_the_guard_sees_a_new_hold_and_no_other_change(home: Path) -> None:
    with open_test_log(home) as log:
        first = _placed(log, Scope("request", "r1"))
        known = subject.active_holds(log)
        subject.require_unchanged(log, known)
        subject.ask_release(log, ANN, first.id, "over")
        subject.confirm_release(log, BEN, first.id)
        subject.require_unchanged(log, known)
        second = _placed(log, Scope("request", "r2"))
        with pytest.raises(HoldsChangedError, match=second.id):
            subject.require_unchanged(log, known)


PEOPLE = ("ann", "ANN", "ann@x", "ben", "cid", "")
STEP = st.tuples(
    st.sampled_from(("hold.placed", "hold.release_asked", "hold.released", "hold.release_refused")),
    st.sampled_from(PEOPLE),
    st.sampled_from(("person", "system")),
    st.integers(0, 6),  # which hold
    st.integers(0, 12),  # which request is confirmed
    st.one_of(st.none(), st.integers(1000, 1001)),
)


def _record(seq: int, step: tuple[str, str, str, int, int, int | None]) -> Leaf:
    kind, person, sort, hold, asked, login = step
    fields: dict[str, object] = {"hold": f"H{hold}", "asked": asked, "scope": "log"}
    if login is not None:
        fields["login_uid"] = login
    actor = {"kind": sort, "id": person, "auth": "session"}
    envelope = canonical({"actor": actor, "fields": fields, "writer": {"uid": 0}})
    return Leaf(seq, f"e{seq}", kind, seq, "", "", b"", envelope)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEP, max_size=14))
def test_no_history_releases_a_hold_without_two_persons(
    steps: list[tuple[str, str, str, int, int, int | None]],
) -> None:
    """Whatever stands in the log, forged steps included: each release has a request before it by a
    person who is not the one who confirmed, and nothing but that ends a hold."""
    records = [_record(seq, step) for seq, step in enumerate(steps)]
    for hold in fold(records):
        assert steps[hold.placed][0] == "hold.placed"
        if hold.active:
            continue
        assert hold.placed < hold.asked < hold.released
        asked, released = steps[hold.asked], steps[hold.released]
        assert (asked[0], released[0]) == ("hold.release_asked", "hold.released")
        assert asked[2] == released[2] == "person"
        assert hold.asked_by is not None
        assert hold.released_by is not None
        assert not same_person(hold.asked_by, hold.released_by)
        assert account_name(asked[1]) != account_name(released[1])
        assert asked[5] is None or asked[5] != released[5]
        assert released[4] == hold.asked
    for cut in range(len(records)):  # a released hold stays released, an active one was never not
        before = {each.id for each in fold(records[:cut]) if not each.active}
        assert before <= {each.id for each in fold(records) if not each.active}


def _confirm(home: Path, name: str, hold: str) -> None:
    with open_test_log(home) as log:
        try:
            subject.confirm_release(log, Actor("person", name, "session"), hold)
        except HoldRefusedError:
            return


def test_two_processes_that_confirm_at_once_release_once(home: Path) -> None:
    with open_test_log(home) as log:
        placed = _placed(log, WHOLE_LOG)
        subject.ask_release(log, ANN, placed.id, "over")
    fork = multiprocessing.get_context("fork")
    runs = [fork.Process(target=_confirm, args=(home, name, placed.id)) for name in ("ben", "cid")]
    for each in runs:
        each.start()
    for each in runs:
        each.join(30)
        assert each.exitcode == 0
    with open_test_log(home) as log:
        assert not holds(log)[0].active
        released = log.leaves(Filter(type="hold.released"))
        assert json.loads(released[0].envelope)["seq"] == holds(log)[0].released
