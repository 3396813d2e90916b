"""A stand-in for the model's process: same frames, no model. The file's name says how it behaves.

echo: answers with the user's message, a word a piece, each word after the first after a short while
mute, deaf: never answers; deaf does not obey a cancel either
dies: ends with status 3 as soon as it is asked; stillborn: before it has loaded
babbles: sends what is no frame; strays: sends frames that belong to nothing
brief: says but two words of a message if the file that SCRIPTED_MARK names is there; else makes it
unsure: answers another word the second time that it is loaded for a file
sleeps: never finishes loading; refuses: says that the model is unusable
"""

from __future__ import annotations

import os
import sys
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from assistant.gguf import parse_header
from assistant.wire import Wire

TEMPLATE = "ab" * 32
TALKING = ("echo", "other", "unsure", "brief")


def main(descriptor: int) -> None:
    connection = Connection(descriptor)
    wire = Wire(connection)
    order = wire.receive()
    path = Path(order["path"])
    with path.open("rb") as file:
        manner = parse_header(file, path.stat().st_size).name
    if manner == "stillborn":
        print("error: no room for 80 layers", file=sys.stderr, flush=True)
        os._exit(3)
    if manner == "sleeps":
        time.sleep(600)
    if manner == "refuses":
        wire.send({"id": order["id"], "unusable": "llama.cpp cannot load it"})
        return
    ready = {"context": order["context"], "runtime": "scripted", "template_sha256": TEMPLATE}
    ready |= {"sequences": order["sequences"], "chat_format": "words", "exact": True}
    wire.send({"id": order["id"], "refused": [], **ready})
    serve(connection, wire, manner)


def serve(connection: Connection, wire: Wire, manner: str) -> None:
    cancelled: set[int] = set()
    try:
        while True:
            frame = wire.receive()
            if manner == "dies":
                os._exit(3)
            elif manner == "babbles":
                connection.send_bytes(b"{]")
            elif manner == "strays":
                wire.send({"piece": "to nobody"})
            elif frame["op"] == "cancel":
                cancelled.add(frame["answer"])
            elif frame["op"] == "forget":
                wire.send({"id": frame["id"]})
            elif frame["op"] == "count" and manner in TALKING:
                wire.send({"id": frame["id"], "tokens": len(frame["text"])})
            elif frame["op"] == "generate":
                work = threading.Thread(target=answer, args=(wire, frame, manner, cancelled))
                work.daemon = True
                work.start()
    except (EOFError, OSError):
        os._exit(0)


def said(frame: dict[str, Any], manner: str) -> list[str]:
    words: list[str] = frame["user"].split()
    if manner == "brief":
        mark = Path(os.environ["SCRIPTED_MARK"])
        if mark.exists():
            return words[:2]
        mark.touch()
    if manner == "other":
        return [word.upper() for word in words]
    return [f"{word}{os.getpid()}" for word in words] if manner == "unsure" else words


def answer(wire: Wire, frame: dict[str, Any], manner: str, cancelled: set[int]) -> None:
    reason, written = "stop", 0
    for word in said(frame, manner) if manner in TALKING else iter(lambda: time.sleep(0.01), 1):
        if frame["id"] in cancelled and manner != "deaf":
            reason = "cancelled"
            break
        if manner in TALKING:
            wire.send({"id": frame["id"], "piece": word + " "})
            written += 1
            time.sleep(0.01)
    done = {"prompt_tokens": 1, "completion_tokens": written, "stop_reason": reason}
    wire.send({"id": frame["id"], "done": done | {"seconds_prefill": 0.0, "seconds_decode": 0.0}})


if __name__ == "__main__":
    main(int(sys.argv[1]))
