"""A cited place is shown to who may read it at that moment, and each opening is one record."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from assistant.answer import Asker
from assistant.pages import PageView
from index.errors import NotFound
from tests.ui.serving import READER
from tests.ui.standins import QUOTE_1, QUOTE_2, MemoryLog, ScriptedAssistant, citation, drawn_page
from ui import place
from ui.composition import actor_of
from ui.web_session import Session, Sessions

PORT = 7860
DRAWN = citation(1, QUOTE_1)
TEXT = citation(2, QUOTE_2, document="md")


class Forgetful(ScriptedAssistant):
    """Its documents can be taken away, as by a grant that is revoked."""

    gone = False

    def page_view(
        self, asker: Asker, document: str, page: int, spans: tuple[tuple[int, int], ...] = ()
    ) -> PageView:
        if self.gone:
            raise NotFound("page")
        return super().page_view(asker, document, page, spans)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def session() -> Session:
    opened = Session("s1", READER, ends=1e12)
    opened.conversation.places |= {f"1:a{n}": DRAWN for n in range(1, 40)} | {"1:n1": TEXT}
    return opened


def test_each_opening_asks_anew_and_is_one_record(session: Session) -> None:
    assistant = Forgetful()
    for _ in range(3):
        view = place.opened(assistant, session, "1:a1", DRAWN)
        assert place.picture(session, "1:a1") == view.image == drawn_page()
    assert assistant.looked == [("pdf", 4, ((DRAWN.start, DRAWN.end),))] * 3


def test_what_may_not_be_read_any_more_is_not_shown_again(session: Session) -> None:
    assistant = Forgetful()
    place.opened(assistant, session, "1:a1", DRAWN)
    assistant.gone = True
    with pytest.raises(NotFound):
        place.opened(assistant, session, "1:a1", DRAWN)
    assert place.picture(session, "1:a1") is None
    assert session.conversation.looks == {}


def test_a_picture_is_there_for_a_moment_only(session: Session) -> None:
    clock = Clock()
    place.opened(Forgetful(), session, "1:a1", DRAWN, clock)
    clock.now += place.PICTURE_SECONDS
    assert place.picture(session, "1:a1", clock)
    clock.now += 0.1
    assert place.picture(session, "1:a1", clock) is None
    assert session.conversation.looks == {}


def test_a_picture_belongs_to_its_conversation(session: Session) -> None:
    place.opened(Forgetful(), session, "1:a1", DRAWN)
    assert place.picture(session, "1:a2") is None
    del session.conversation.places["1:a1"]
    assert place.picture(session, "1:a1") is None
    place.opened(Forgetful(), session, "1:a2", DRAWN)
    session.conversation.clear()
    assert place.picture(session, "1:a2") is None


def test_a_page_without_a_picture_has_none_to_fetch(session: Session) -> None:
    view = place.opened(Forgetful(), session, "1:n1", TEXT)
    assert place.as_json("1:n1", TEXT, view)["kind"] == "text"
    assert place.picture(session, "1:n1") is None


def test_few_pictures_are_held(session: Session) -> None:
    clock = Clock()
    for number in range(1, 40):
        clock.now += 0.01
        place.opened(Forgetful(), session, f"1:a{number}", DRAWN, clock)
    assert len(session.conversation.looks) == place.KEPT_LOOKS
    assert place.picture(session, "1:a39", clock)


def test_the_routes_refuse_what_the_assistant_refuses() -> None:
    from ui.web_app import Chat, create_app

    assistant, sessions = Forgetful(), Sessions(60, 600)
    chat = Chat(assistant, MemoryLog(), sessions, PORT, actor_of, lambda _: [], 600)
    web = TestClient(create_app(chat, "anna"), base_url=f"http://127.0.0.1:{PORT}")
    web.get(f"/signin?token={sessions.new_link(READER)}")
    (signed_in,) = sessions._sessions.values()
    signed_in.conversation.places = {"1:a1": DRAWN}
    path = "/cloister/place/1:a1"
    assert web.get(f"{path}/page.png").status_code == 404  # nothing was opened yet
    shown = web.get(path)
    assert shown.json()["kind"] == "image"
    assert web.get(shown.json()["image"]).content == drawn_page()
    assert len(assistant.looked) == 1
    assistant.gone = True
    refused = web.get(path)
    assert refused.status_code == 409
    assert set(refused.json()) == {"sentence"}
    assert web.get(f"{path}/page.png").status_code == 404
    assert web.get("/cloister/place/1:a2").status_code == 404
