"""What a change of models or prompts is told to: the log of the data folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

Record = Callable[[str, "Mapping[str, str | int | bool | None]"], None]


@contextmanager
def recorder(home: Path) -> Iterator[Record]:
    """What is told here stands in the log, by the person at this terminal, when the call returns;
    if it cannot, the call raises AuditError and nothing may be changed."""
    from audit.record import Event
    from ui import composition

    with composition.log(home) as log:
        actor = composition.actor_of(composition.terminal_asker())

        def record(kind: str, fields: Mapping[str, str | int | bool | None]) -> None:
            log.append(Event(kind, actor, dict(fields)))

        yield record
