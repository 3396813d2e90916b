"""The chat with stand-ins, served on a free port of this machine."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from assistant.answer import Asker
from tests.ui.standins import MemoryLog, ScriptedAssistant
from ui.composition import actor_of
from ui.web_session import Sessions

READER = Asker("anna", frozenset({"local"}), auth="one-time-link", client="browser")
EXAMPLES = [
    "How long are customer identification records kept?",
    "Who approves a supplier that handles patient data?",
    "What must be reported within 72 hours, and to whom?",
]


@dataclass
class Served:
    """A running chat: where it is, and the parts behind it."""

    url: str
    port: int
    sessions: Sessions
    assistant: ScriptedAssistant
    log: MemoryLog

    def link(self) -> str:
        return f"{self.url}/signin?token={self.sessions.new_link(READER)}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(assistant: ScriptedAssistant, log: MemoryLog) -> Iterator[Served]:
    """Serve until the block ends."""
    import uvicorn

    from ui.web_app import Chat, create_app

    port = free_port()
    sessions = Sessions(600, 3600)
    chat = Chat(assistant, log, sessions, port, actor_of, lambda _: EXAMPLES, 3600)
    config = uvicorn.Config(
        create_app(chat, "anna"),
        host="127.0.0.1",
        port=port,
        log_level="error",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError("the server did not start")
        time.sleep(0.02)
    try:
        yield Served(f"http://127.0.0.1:{port}", port, sessions, assistant, log)
    finally:
        server.should_exit = True
        thread.join(10)
