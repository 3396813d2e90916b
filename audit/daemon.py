"""The hardened mode: one small process under an account of its own is the only writer of the log.

The accounts that run Cloister have no access to the log's folder, its keys or its keystore; they
ask this process over a Unix socket. Who they are is told by the kernel (SO_PEERCRED), not by them:
each record's `writer` holds the process number and user id of the one that asked. What they may
ask depends on their account: write (append and seal), read (the clear part of records), or manage
(payloads, erasure, pruning, keys).

What this does not protect against: a program that may write can write what did not happen. What it
has written it can neither change nor read again.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path

from audit import wire
from audit.database import explained
from audit.envelope import Writer
from audit.errors import AuditError, LogLockedError
from audit.errors_duties import DaemonTalkError, HoldsChangedError, NotGrantedError
from audit.log import Log
from audit.record import SYSTEM, Event
from audit.store import Filter

_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid (unix(7))
_MOST_CONNECTIONS = 256
_MOST_LEAVES = 100_000  # in one reply
_NAME_CHARACTERS = 200  # of what a client says about itself


class Grant(IntEnum):
    """What an account may do; each includes the one before."""

    NONE = 0
    WRITE = 1
    READ = 2
    MANAGE = 3


_VERBS = {Grant.WRITE: "write to", Grant.READ: "read", Grant.MANAGE: "open payloads of or manage"}


@dataclass(frozen=True, slots=True)
class Peer:
    """The process at the other end, as the kernel knows it."""

    pid: int
    uid: int


@dataclass(frozen=True, slots=True)
class _Asked:
    """One request: the log, what was said, and by whom."""

    log: Log
    say: wire.Message
    writer: Writer


def _about(asked: _Asked) -> object:
    log = asked.log
    return {
        "log_id": log.log_id,
        "folder": str(log.folder.absolute()),
        "verifier_key": log.verifier_key.text(),
        "trusted": [key.text() for key in log.trusted_keys],
    }


def _append(asked: _Asked) -> object:
    events = [wire.to_event(each) for each in asked.say["events"]]
    return [wire.of_record(each) for each in asked.log.append_many(events, asked.writer)]


def _leaves(asked: _Asked) -> object:
    chosen: Filter = wire.to_filter(asked.say["filter"])
    chosen = replace(chosen, limit=min(chosen.limit, _MOST_LEAVES))
    return [wire.of_leaf(leaf) for leaf in asked.log.leaves(chosen)]


def _first_of(asked: _Asked) -> object:
    leaf = asked.log.first_of(str(asked.say["kind"]))
    return None if leaf is None else wire.of_leaf(leaf)


def _batch(asked: _Asked) -> object:
    first, last = int(asked.say["first"]), int(asked.say["last"])
    found = asked.log.range(first, min(last, first + _MOST_LEAVES))
    return [wire.of_leaf(leaf) for leaf in found]


def _stored(asked: _Asked) -> object:
    raw = asked.log.stored_payload(int(asked.say["seq"]))
    return None if raw is None else wire.of_bytes(raw)


def _payload_key(asked: _Asked) -> object:
    key = asked.log.payload_key(asked.log.leaf(int(asked.say["seq"])))
    return None if key is None else wire.of_bytes(key)


def _destroy(asked: _Asked) -> object:
    leaves = [asked.log.leaf(int(seq)) for seq in asked.say["seqs"]]
    return asked.log.destroy_payload_keys(leaves)


def _prune(asked: _Asked) -> object:
    log, size = asked.log, int(asked.say["unchanged_since"])

    def guard() -> None:
        # The client looked at the legal holds of a log of that size.
        for leaf in log.scan(size):
            if leaf.type.startswith("hold."):
                raise HoldsChangedError(f"H{leaf.seq}")

    event = wire.to_event(asked.say["event"])
    return wire.of_record(log.prune([int(seq) for seq in asked.say["seqs"]], event, guard))


_HANDLERS: Mapping[str, tuple[Grant, Callable[[_Asked], object]]] = {
    "about": (Grant.WRITE, _about),
    "append": (Grant.WRITE, _append),
    "seal": (Grant.WRITE, lambda asked: asked.log.seal()),
    "size": (Grant.READ, lambda asked: asked.log.size()),
    "leaf": (Grant.READ, lambda asked: wire.of_leaf(asked.log.leaf(asked.say["key"]))),
    "leaves": (Grant.READ, _leaves),
    "batch": (Grant.READ, _batch),
    "first_of": (Grant.READ, _first_of),
    "node": (
        Grant.READ,
        lambda asked: wire.of_bytes(asked.log.node(asked.say["level"], asked.say["position"])),
    ),
    "checkpoints": (Grant.READ, lambda asked: asked.log.checkpoints()),
    "pruned": (Grant.READ, lambda asked: [wire.of_pruned(leaf) for leaf in asked.log.pruned()]),
    "counters": (Grant.READ, lambda asked: asked.log.counters()),
    "requests_without": (
        Grant.READ,
        lambda asked: asked.log.requests_without(asked.say["started"], asked.say["family"]),
    ),
    "payload_erased": (
        Grant.READ,
        lambda asked: asked.log.payload_erased(asked.log.leaf(int(asked.say["seq"]))),
    ),
    "stored_payload": (Grant.MANAGE, _stored),
    "payload_key": (Grant.MANAGE, _payload_key),
    "read_payload": (Grant.MANAGE, lambda asked: asked.log.read_payload(asked.say["key"])),
    "destroy": (Grant.MANAGE, _destroy),
    "prune": (Grant.MANAGE, _prune),
    "rotate": (
        Grant.MANAGE,
        lambda asked: wire.of_record(asked.log.rotate_key(wire.to_actor(asked.say["actor"]))),
    ),
    "sign": (Grant.MANAGE, lambda asked: asked.log.sign(str(asked.say["text"]))),
}


class Daemon:
    """Serves one open log at one socket until it is stopped."""

    def __init__(self, log: Log, path: Path, grants: Mapping[int, Grant]) -> None:
        """Listen at `path`; `grants`: what each user id may do. The log's own account and the
        superuser may do everything. Raises LogLockedError if another daemon serves there."""
        self._log = log
        self._path = path
        self._grants = {0: Grant.MANAGE, os.getuid(): Grant.MANAGE, **grants}
        self._over = threading.Event()
        self._connections: set[socket.socket] = set()
        self._guard = threading.Lock()
        self._socket = _listen(path)

    def serve(self) -> None:
        """Answer until `stop`; each connection has a thread of its own. Raises AuditError."""
        granted = sorted(f"{uid}:{grant.name.lower()}" for uid, grant in self._grants.items())
        self._log.append(Event("daemon.started", SYSTEM, {"grants": granted}))
        self._socket.settimeout(0.5)
        try:
            while not self._over.is_set():
                try:
                    connection, _ = self._socket.accept()
                except TimeoutError:
                    continue
                except OSError:
                    break
                self._welcome(connection)
        finally:
            self._close()
            self._log.append(Event("daemon.stopped", SYSTEM))

    def _welcome(self, connection: socket.socket) -> None:
        with self._guard:
            if len(self._connections) >= _MOST_CONNECTIONS:
                connection.close()
                return
            self._connections.add(connection)
        threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def stop(self) -> None:
        """Have `serve` end after the requests that are being answered."""
        self._over.set()

    def _close(self) -> None:
        self._socket.close()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
        with self._guard:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RD)

    def _talk(self, connection: socket.socket) -> None:
        try:
            with connection, suppress(OSError):
                peer = peer_of(connection)
                while (say := wire.receive(connection)) is not None:
                    wire.send(connection, self._answer(say, peer))
        except AuditError:
            return  # it does not speak as it should: the connection is closed
        finally:
            with self._guard:
                self._connections.discard(connection)

    def _answer(self, say: wire.Message, peer: Peer) -> wire.Message:
        try:
            needed, handler = _HANDLERS.get(str(say.get("do")), (Grant.NONE, None))
            if handler is None:
                raise DaemonTalkError(f"there is no request `{say.get('do')}`")
            if self._grants.get(peer.uid, Grant.NONE) < needed:
                raise NotGrantedError(peer.uid, _VERBS[needed])
            return {"ok": handler(_Asked(self._log, say, _writer(say, peer)))}
        except AuditError as error:
            return wire.of_error(error)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            return wire.of_error(DaemonTalkError(f"a request is malformed ({error!r})"))


def _writer(say: wire.Message, peer: Peer) -> Writer:
    """Who writes: number and account from the kernel, its name and build as it says them."""
    process = str(say.get("process", ""))[:_NAME_CHARACTERS]
    build = str(say.get("build", ""))[:_NAME_CHARACTERS]
    own = Writer.of_this_process(process=process, build=build)
    return replace(own, pid=peer.pid, uid=peer.uid)


def peer_of(connection: socket.socket) -> Peer:
    """Who is at the other end of a Unix socket (SO_PEERCRED)."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(raw)
    return Peer(pid, uid)


def _listen(path: Path) -> socket.socket:
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(path)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listening.bind(str(path))
            # Everybody may knock: who is answered, the kernel's word about them decides.
            path.chmod(0o666)
            listening.listen(64)
        except BaseException:
            listening.close()
            raise
    return listening


def _remove_stale(path: Path) -> None:
    """Remove the socket of a daemon that is gone. Raises LogLockedError if it is not gone."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knock:
        try:
            knock.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
    raise LogLockedError(path)
