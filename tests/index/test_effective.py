"""What is in force on a day: the rules against a slow, obvious model, and through a real index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index import changelog, effective, reading, tenure
from index.document import Document, Scope, Status
from index.records import Declared, NewDocument
from index.store import Index
from index.tenure import Life, Register, Stay
from tests.index.standins import new_document, small_index

DEFAULT = Scope(frozenset({"default"}))
CALENDAR = [f"2026-01-{day:02d}" for day in range(1, 13)]
DAY_OF = {day: number for number, day in enumerate(CALENDAR)}


# -- the rules against a model ---------------------------------------------------------------------


def number(day: str | None, otherwise: int) -> int:
    return otherwise if day is None else DAY_OF[day]


class Model:
    """Which days (numbers in CALENDAR) a document is in force, the slow way: sets of days, from
    which the days of whatever took its place are taken away."""

    def __init__(self, lives: list[Life]) -> None:
        self.lives = lives
        self.by_key = {life.key: life for life in lives}
        self.for_good, self.meanwhile = self.claims(True), self.claims(False)
        self.known: dict[int, set[int]] = {}

    def claims(self, for_good: bool) -> set[tuple[int, int]]:
        """Pairs (superseding, superseded) but those that are part of a ring of any length."""
        pairs = {
            (s.key, d.key)
            for s in self.lives
            for d in self.lives
            if s.source != d.source
            and s.declared is not Status.DRAFT
            and s.supersedes & d.names
            and (s.held and s.declared is not Status.WITHDRAWN) == for_good
        }
        rings = [
            set(zip(ring, ring[1:] + ring[:1], strict=True))
            for size in range(2, len(self.lives) + 1)
            for ring in permutations(self.by_key, size)
        ]
        return pairs.difference(*(ring for ring in rings if ring <= pairs))

    def begins(self, life: Life, nth: int = 0) -> int:
        seen = DAY_OF[life.stays[nth].began] if life.stays else DAY_OF[life.added]
        if nth:
            return max(number(life.effective_from, 0), seen)
        if life.effective_from is not None:
            return DAY_OF[life.effective_from]
        version = life.stays[0].version if life.stays else life.version
        return -1 if version == 1 and not life.supersedes else seen

    def versions_after(self, life: Life, stay: Stay | None) -> set[int]:
        """First days of later contents of the source, without drafts."""
        found = set()
        for mate in self.lives:
            if mate.source != life.source or mate is life or mate.declared is Status.DRAFT:
                continue
            over = mate.declared is not Status.CURRENT
            if stay is None or not mate.stays:
                if mate.version > life.version and (stay is None or stay.ended is not None):
                    noted = DAY_OF[mate.added] if over and not mate.stays else 99
                    found.add(min(self.begins(mate), noted))
                continue
            for nth, other in enumerate(mate.stays):
                if stay.ended is not None and other.key > stay.key and other.began >= stay.ended:
                    noted = number(other.ended, 99) if over else 99
                    found.add(min(self.begins(mate, nth), noted))
        return found

    def taken_from(self, life: Life, stay: Stay | None) -> set[int]:
        found = self.versions_after(life, stay)
        for newer in (self.by_key[n] for n, older in self.for_good if older == life.key):
            late = -1
            if newer.effective_from is None and stay is not None and stay.ended is not None:
                late = DAY_OF[stay.ended]
            found.add(max(self.begins(newer), late))
        return found

    def drafted(self, life: Life) -> bool:
        return any(
            m.source == life.source
            and m.declared is Status.DRAFT
            and m.held
            and m.version > life.version
            for m in self.lives
        )

    def in_stay(self, life: Life, nth: int, stay: Stay | None) -> set[int]:
        taken = self.taken_from(life, stay)
        days = {d for d in range(self.begins(life, nth), len(CALENDAR)) if d >= 0}
        days -= {d for d in days for start in taken if d >= start}
        if stay is None:
            known = life.effective_to is not None or taken
            return {d for d in days if d < DAY_OF[life.added]} if known else set()
        waits = stay is life.stays[-1] and life.declared is Status.CURRENT
        if stay.ended is None or (waits and (taken or self.drafted(life))):
            return days
        return {d for d in days if d < DAY_OF[stay.ended]}

    def days(self, life: Life) -> set[int]:
        if life.key not in self.known:
            held: set[int] = set()
            if life.declared is not Status.DRAFT:
                for nth, stay in enumerate(life.stays or (None,)):
                    held |= self.in_stay(life, nth, stay)
            held = {d for d in held if d <= number(life.effective_to, 99)}
            for newer in (n for n, older in self.meanwhile if older == life.key):
                held -= self.days(self.by_key[newer])
            self.known[life.key] = held
        return self.known[life.key]


@st.composite
def collections(draw: st.DrawFn) -> list[Life]:
    """Up to five documents of three sources, with whatever a catalogue could say of them."""
    day = st.sampled_from(CALENDAR)
    held: set[str] = set()
    lives: list[Life] = []
    stay_keys = iter(range(1, 100))
    versions = {"a": 0, "b": 0, "c": 0}
    for key in range(1, draw(st.integers(1, 5)) + 1):
        source = draw(st.sampled_from("abc"))
        versions[source] += 1
        stays = []
        marks = sorted(draw(st.lists(day, max_size=4)))
        for began, ended in zip(marks[::2], [*marks[1::2], None], strict=False):
            stays.append(Stay(next(stay_keys), versions[source], began, ended))
        dates = sorted(draw(st.lists(day, min_size=2, max_size=2)))
        declared = draw(st.sampled_from([Status.CURRENT, Status.CURRENT, *Status]))
        holds = source not in held and draw(st.booleans())
        held |= {source} if holds else set()
        lives.append(
            Life(
                key, source, versions[source], frozenset({source}), declared, holds, draw(day),
                draw(st.sampled_from([None, dates[0]])), draw(st.sampled_from([None, dates[1]])),
                frozenset(draw(st.sets(st.sampled_from("abc"), max_size=2))), tuple(stays),
            )
        )  # fmt: skip
    return lives


@settings(max_examples=60, deadline=None)
@given(collections())
def test_the_rules_agree_with_the_obvious_model(lives: list[Life]) -> None:
    register = Register(lives)
    model = Model(lives)
    for life in lives:
        found = {n for n, day in enumerate(CALENDAR) if register.in_force(life.key, day)}
        assert found == model.days(life)
        for day in CALENDAR:
            assert register.tenure(life.key, day).in_force == (DAY_OF[day] in found)


# -- through an index ------------------------------------------------------------------------------


class Clock:
    """The catalogue's clock and the asker's, set by the tests; a day at noon, UTC."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.day = "2026-01-01"
        patch.setenv("TZ", "UTC")
        patch.setattr(changelog, "now", lambda: f"{self.day}T12:00:00+00:00")
        patch.setattr(effective, "today", lambda: self.day)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def index(home: Path, clock: Clock) -> Iterator[Index]:
    with small_index(home) as opened:
        yield opened


def named(source: str, text: str = "", **declared: object) -> NewDocument:
    new = new_document(text or f"records of {source}", source)
    return replace(new, declared=Declared(**declared))  # type: ignore[arg-type]


def on(index: Index, day: str | None = None) -> set[str]:
    """The texts that a question about `day` can be answered from; search must agree with what
    is judged for every document of the catalogue."""
    day = day or effective.today()
    with index._catalogue.read() as connection:
        in_force = effective.asked(connection, "default", day)
        keys = list(range(1, 60))
        standings = effective.standings(connection, "default", keys, day)
        held = reading.documents_at(connection, keys)
    texts = {key: index.chunks(document.id, DEFAULT)[0].text for key, document in held.items()}
    judged = {texts[key] for key, standing in standings.items() if standing.in_force}
    current = {key for key, document in held.items() if document.status is Status.CURRENT}
    assert {texts[key] for key in (current - in_force.left_out) | in_force.past} == judged
    hits = index.search("records of", DEFAULT, 50, day=day).hits
    assert {hit.chunk.text for hit in hits} == judged
    return judged


def standing(index: Index, document: Document, day: str) -> effective.Standing:
    return index.standings([document], DEFAULT, day)["default", document.id]


def test_without_dates_the_days_of_the_catalogue_decide(index: Index, clock: Clock) -> None:
    first = index.put(named("a.txt", "records of one"))
    clock.day = "2026-02-10"
    index.put(named("a.txt", "records of two"))
    clock.day = "2026-03-10"
    assert on(index) == {"records of two"}
    assert on(index, "2026-02-10") == {"records of two"}
    assert on(index, "2026-02-09") == {"records of one"}
    assert on(index, "1999-01-01") == {"records of one"}
    told = standing(index, first, "2026-02-09")
    assert (told.in_force, told.superseded_on) == (True, "2026-02-10")
    assert told.superseded_by is not None
    assert (told.superseded_by.source, told.superseded_by.version) == ("a.txt", 2)


def test_a_version_of_the_future_waits_and_the_old_one_goes_on(index: Index, clock: Clock) -> None:
    old = index.put(named("a.txt", "records of one", effective_from="2024-01-01"))
    clock.day = "2026-02-10"
    index.put(named("a.txt", "records of two", effective_from="2026-07-01"))
    assert index.document(old.id, DEFAULT).status is Status.SUPERSEDED
    assert on(index) == {"records of one"}
    assert on(index, "2026-06-30") == {"records of one"}
    assert on(index, "2026-07-01") == {"records of two"}
    assert on(index, "2023-12-31") == set()


def test_a_version_dated_back_was_in_force_from_then_on(index: Index, clock: Clock) -> None:
    index.put(named("a.txt", "records of one", effective_from="2024-01-01"))
    clock.day = "2026-02-10"
    index.put(named("a.txt", "records of two", effective_from="2025-07-01"))
    assert on(index, "2025-06-30") == {"records of one"}
    assert on(index, "2025-07-01") == {"records of two"}
    clock.day = "2026-02-11"
    index.put(named("a.txt", "records of three", effective_from="2025-07-01"))
    assert on(index, "2025-07-01") == {"records of three"}
    assert on(index, "2025-06-30") == {"records of one"}


def test_what_has_ended_no_longer_answers_and_the_gap_stays(index: Index, clock: Clock) -> None:
    clock.day = "2026-01-10"
    index.put(named("a.txt", effective_from="2025-01-01", effective_to="2025-12-31"))
    index.put(named("b.txt", effective_from="2026-06-01"))
    assert on(index) == set()
    assert on(index, "2025-12-31") == on(index, "2025-01-01") == {"records of a.txt"}
    assert on(index, "2024-12-31") == set()
    assert on(index, "2026-06-01") == {"records of b.txt"}


def test_a_draft_in_its_place_ends_nothing_until_it_is_in_force(index: Index, clock: Clock) -> None:
    index.put(named("a.txt", "records of one"))
    clock.day = "2026-02-10"
    index.put(named("a.txt", "records of two", status=Status.DRAFT))
    clock.day = "2026-03-10"
    assert on(index) == {"records of one"}
    index.describe("default", "a.txt", Declared(digest="published"))
    assert on(index) == {"records of two"}
    assert on(index, "2026-03-09") == {"records of one"}


def test_what_was_withdrawn_was_in_force_until_then(index: Index, clock: Clock) -> None:
    document = index.put(named("a.txt"))
    index.put(named("came.txt", status=Status.WITHDRAWN))
    ended = named("ended.txt", status=Status.WITHDRAWN, effective_to="2025-06-30")
    index.put(ended)
    clock.day = "2026-02-10"
    index.describe("default", "a.txt", Declared(status=Status.WITHDRAWN, effective_to="2027-12-31"))
    assert on(index) == set()
    assert on(index, "2026-02-09") == {"records of a.txt"}
    assert on(index, "2025-06-30") == {"records of a.txt", "records of ended.txt"}
    assert standing(index, document, "2026-02-09").withdrawn_on == "2026-02-10"
    clock.day = "2026-03-10"
    index.describe("default", "a.txt", Declared())
    assert on(index) == on(index, "2026-03-10") == {"records of a.txt"}
    assert on(index, "2026-03-09") == set()


def test_a_document_that_names_another_takes_its_place_from_its_first_day(
    index: Index, clock: Clock
) -> None:
    new = named("new.txt", supersedes=("old.txt",), effective_from="2026-07-01")
    old = index.put_many([named("old.txt"), new])[0]
    assert on(index) == {"records of old.txt"}
    assert on(index, "2026-07-01") == {"records of new.txt"}
    told = standing(index, old, "2026-07-01")
    assert (told.in_force, told.superseded_on) == (False, "2026-07-01")
    assert told.superseded_by is not None
    assert told.superseded_by.source == "new.txt"


def test_a_withdrawn_claim_holds_for_the_days_it_was_in_force(index: Index, clock: Clock) -> None:
    index.put(named("old.txt"))
    clock.day = "2026-02-10"
    index.put(named("new.txt", supersedes=("old.txt",)))
    clock.day = "2026-03-10"
    gone = Declared(status=Status.WITHDRAWN, supersedes=("old.txt",))
    index.describe("default", "new.txt", gone)
    assert on(index) == on(index, "2026-02-09") == {"records of old.txt"}
    assert on(index, "2026-02-10") == on(index, "2026-03-09") == {"records of new.txt"}


def test_the_claim_of_an_old_version_holds_while_it_waits_for_the_new_one(
    index: Index, clock: Clock
) -> None:
    index.put_many([named("old.txt"), named("new.txt", "records, new", supersedes=("old.txt",))])
    clock.day = "2026-02-10"
    index.put(named("new.txt", "records, newer", effective_from="2026-07-01"))
    clock.day = "2026-03-10"
    assert {each.source for each in index.documents(DEFAULT)} == {"old.txt", "new.txt"}
    assert on(index) == {"records, new"}
    assert on(index, "2026-07-01") == {"records of old.txt", "records, newer"}


def test_bytes_that_come_back_were_in_force_twice(index: Index, clock: Clock) -> None:
    one = index.put(named("a.txt", "records of one"))
    clock.day = "2026-02-10"
    index.put(named("a.txt", "records of two"))
    clock.day = "2026-03-10"
    index.link_source("default", "a.txt", "/folder/a.txt", 1, 1, one.id)
    assert on(index) == on(index, "2026-02-09") == {"records of one"}
    assert on(index, "2026-02-10") == on(index, "2026-03-09") == {"records of two"}


def test_bytes_stay_in_force_while_any_source_holds_them(index: Index, clock: Clock) -> None:
    one = index.put(named("a.txt", "records of one"))
    index.link_source("default", "copy.txt", "/folder/copy.txt", 1, 1, one.id)
    clock.day = "2026-02-10"
    index.put(named("a.txt", "records of two"))
    assert on(index) == {"records of one", "records of two"}
    assert on(index, "2026-02-09") == {"records of one"}
    clock.day = "2026-03-10"
    index.put(named("copy.txt", "records of three"))
    assert on(index) == {"records of two", "records of three"}
    assert on(index, "2026-03-09") == {"records of one", "records of two"}


def test_same_day_changes_leave_the_last_and_what_is_removed_is_gone(
    index: Index, clock: Clock
) -> None:
    for text in ("one", "two", "three"):
        index.put(named("a.txt", f"records of {text}"))
    assert on(index) == {"records of three"}
    assert on(index, "2025-12-31") == {"records of one"}
    index.remove("default", "a.txt")
    assert on(index) == on(index, "2025-12-31") == set()


def test_only_the_collections_in_scope_are_asked_about(index: Index, clock: Clock) -> None:
    index.ensure_collection("secret", frozenset({"board"}))
    index.put(named("a.txt", "records of one"))
    hidden = index.put(replace(named("a.txt", "records of x"), collection="secret"))
    clock.day = "2026-02-10"
    index.put(replace(named("a.txt", "records of y"), collection="secret"))
    assert index.standings([hidden], DEFAULT, "2026-01-15") == {}
    hits = index.search("records", DEFAULT, 9, day="2026-01-15").hits
    assert {hit.chunk.text for hit in hits} == {"records of one"}


def test_the_calendar_notices_every_change(index: Index, clock: Clock) -> None:
    calendar = effective.Calendar()
    steps: tuple[Callable[[], object], ...] = (
        lambda: index.put(named("a.txt", effective_to="2026-06-30")),
        lambda: index.describe("default", "a.txt", Declared(effective_to="2025-06-30")),
        lambda: index.put(named("b.txt", supersedes=("a.txt",), effective_from="2026-05-01")),
        lambda: index.remove("default", "b.txt"),
    )
    for step in steps:
        step()
        for day in ("2025-01-01", "2026-03-01", "2026-07-01"):
            for _again in range(2):
                with index._catalogue.read() as connection:
                    assert calendar.asked(connection, "default", day) == effective.asked(
                        connection, "default", day
                    )


def test_the_end_of_the_calendar_is_a_day_like_any_other(index: Index, clock: Clock) -> None:
    index.put(named("a.txt"))
    assert on(index, "9999-12-31") == on(index, "0001-01-01") == {"records of a.txt"}


SOURCES = ["a.txt", "b.txt", "c.txt"]
LATER = [(date(2025, 12, 1) + timedelta(days=20 * n)).isoformat() for n in range(8)]


def declarations(dated: bool, statuses: list[Status]) -> st.SearchStrategy[Declared]:
    day = st.sampled_from([None, *LATER]) if dated else st.none()
    return st.builds(
        Declared,
        effective_from=day,
        effective_to=day,
        status=st.sampled_from(statuses),
        supersedes=st.lists(st.sampled_from(SOURCES), max_size=1).map(tuple),
    ).filter(
        lambda d: not (d.effective_from and d.effective_to) or d.effective_from < d.effective_to
    )


def steps(declared: st.SearchStrategy[Declared]) -> st.SearchStrategy[list[tuple[object, ...]]]:
    one = st.tuples(
        st.sampled_from(["put", "put", "describe", "remove", "link"]),
        st.sampled_from(SOURCES),
        declared,
        st.integers(1, 3),
        st.integers(0, 25),
    )
    return st.lists(one, max_size=9)


def played(index: Index, clock: Clock, script: list[tuple[object, ...]]) -> None:
    for do, name, declared, number, days in script:
        clock.day = (date.fromisoformat(clock.day) + timedelta(days=int(days))).isoformat()  # type: ignore[call-overload]
        source = str(name)
        assert isinstance(declared, Declared)
        known = index.source_state("default", source)
        new = replace(named(source, f"records of {source}, edition {number}"), declared=declared)
        other = new_document(f"records of {SOURCES[int(number) - 1]}, edition 1", source)  # type: ignore[call-overload]
        if do == "put":
            index.put(new)
        elif do == "link" and index.holds("default", other.id):
            index.link_source("default", source, "/x", 1, 1, other.id)
        elif do == "describe" and known is not None and known.document_id is not None:
            index.describe("default", source, declared)
        elif do == "remove":
            index.remove("default", source)


SLOW = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.slow
@SLOW
@given(steps(declarations(True, list(Status))))
def test_what_is_asked_is_what_the_rules_say_of_every_document(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    script: list[tuple[object, ...]],
) -> None:
    """The indexed look finds all that must be judged, for every day, and search follows it."""
    with monkeypatch.context() as patch:
        clock = Clock(patch)
        with small_index(tmp_path_factory.mktemp("home")) as index:
            played(index, clock, script)
            for day in LATER[::2]:
                on(index, day)
            on(index)


@pytest.mark.slow
@SLOW
@given(steps(declarations(False, [Status.CURRENT, Status.WITHDRAWN, Status.SUPERSEDED])))
def test_where_nothing_is_dated_the_current_documents_answer(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    script: list[tuple[object, ...]],
) -> None:
    with monkeypatch.context() as patch:
        clock = Clock(patch)
        with small_index(tmp_path_factory.mktemp("home")) as index:
            played(index, clock, script)
            current = index.documents(DEFAULT)
            assert on(index) == {index.chunks(each.id, DEFAULT)[0].text for each in current}


def test_always_comes_before_and_never_after_every_day() -> None:
    assert tenure.ALWAYS < "0001-01-01" < "9999-12-31" < tenure.NEVER
