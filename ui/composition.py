"""Where the command gets its parts from. Every import here is late: `--help` needs none of them."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.answer import Asker
from audit.record import Actor, Event

if TYPE_CHECKING:
    from assistant.pipeline import Assistant
    from audit.ports import AuditLog
    from ingest.pipeline import Ingestor
    from ui.settings import UiSettings

LOCAL_GROUP = "local"  # whoever can use this machine's account


def user_name() -> str:
    """The operating system's name for who runs this; its number if it has no name.

    From the account itself: what LOGNAME or USER say, anybody can set.
    """
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid-{os.getuid()}"


def terminal_asker() -> Asker:
    """Who asks at this terminal."""
    return Asker(user_name(), frozenset({LOCAL_GROUP}), auth="local-user", client="terminal")


def link_asker() -> Asker:
    """Who a sign-in link of this terminal signs in."""
    return Asker(user_name(), frozenset({LOCAL_GROUP}), auth="one-time-link", client="browser")


def actor_of(asker: Asker) -> Actor:
    """The same person as the log names them."""
    groups = tuple(sorted(asker.groups))
    return Actor("person", asker.id, auth=asker.auth, groups=groups, client=asker.client)


def check_settings(home: Path) -> UiSettings:
    """Stop at anything unknown in `cloister.toml` or among the variables; the chat's settings.

    Raises:
        SettingsError, ConfigurationError, AuditError: an unknown or impossible setting.
    """
    from assistant.settings import AssistantSettings
    from audit.settings import AuditSettings
    from ingest.settings import IngestSettings
    from ui import settings

    settings.check_variables()
    AuditSettings.load(home)
    AssistantSettings.load(home)
    IngestSettings.load(home)
    return settings.load(home)


@contextmanager
def log(home: Path) -> Iterator[AuditLog]:
    """The audit log of `home`, opened for this command."""
    from audit.compose import open_log

    check_settings(home)
    with open_log(home) as opened:
        yield opened


@contextmanager
def ingestor(home: Path) -> Iterator[Ingestor]:
    """The ingestor of `home`, acting for the person at this terminal."""
    from ingest.compose import open_ingestor

    with log(home) as opened, open_ingestor(home, opened, actor_of(terminal_asker())) as found:
        yield found


@contextmanager
def assistant(home: Path) -> Iterator[Assistant]:
    """The assistant of `home`, with a log of its own."""
    with log(home) as opened, assistant_with(home, opened) as found:
        yield found


def assistant_with(home: Path, opened: AuditLog) -> Assistant:
    """The assistant of `home`, recording to `opened`, which stays the caller's."""
    from assistant.compose import open_assistant

    return open_assistant(home, opened)


def has_log(home: Path) -> bool:
    """Whether `home` has a log already. In the hardened mode its files are somebody else's, and the
    daemon says whether it is there. Raises AuditError for settings that cannot be read."""
    from audit.settings import AuditSettings

    return bool(AuditSettings.load(home).socket) or (home / "audit" / "log.db").is_file()


def tell_unfinished(opened: AuditLog) -> None:
    """Say so if an erasure was cut short: until it is finished, text that must go may be there."""
    from audit.erasure import pending
    from ui import terminal

    if pending(opened):
        terminal.complain("An erasure is not finished; run `cloister erase --resume`.")


def record_end(home: Path, command: str, error: Exception, expected: bool) -> None:
    """Record that a command was refused (an altered model, another embedder's index) or broke.

    Nothing but the log is opened for it, so that it works whatever else is wrong. Raises
    AuditError.
    """
    from audit.compose import open_log

    fields = {"command": command, "error": type(error).__name__}
    kind = "command.refused" if expected else "command.failed"
    with open_log(home) as opened:
        opened.append(Event(kind, actor_of(terminal_asker()), fields, {"sentence": str(error)}))
